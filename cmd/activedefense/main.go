// Command activedefense finds the internet addresses that scan or attack, and has Palo Alto firewalls
// block them. One file a subcommand, but for version, which is here, and check, which is beside config;
// what they do is in package agent, and what they print in agent/output.
package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"activedefense/agent/api"
	"activedefense/agent/display"
)

// version is set when a release is built: -ldflags "-X main.version=1.2.3".
var version = "dev"

// Exit statuses, as the command line's contract has them.
const (
	exitFailed = 1 // it failed, or a check did not hold
	exitUsage  = 2 // wrong usage or configuration
	exitNeeded = 2 // changes are needed: of provision --detailed-exit-code, which has 1 for all that fails
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := execute(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// execute runs one command line and gives its exit status.
func execute(ctx context.Context, args []string) int {
	app := &app{stdout: display.NewGuard(os.Stdout), stderr: display.NewGuard(os.Stderr), stdin: os.Stdin, environ: os.Environ(), defaultConfig: defaultConfig, serviceSocket: api.ServiceSocket}
	root := app.command()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	usage := exitUsage
	if slices.ContainsFunc(args, isDetailed) {
		usage = exitFailed // the other one says that changes are needed
	}
	var status *statusError
	if errors.As(err, &status) {
		if status.err == nil {
			return status.code
		}
		if status.code == exitUsage {
			fmt.Fprintln(app.stderr, "activedefense:", status.err)
			return usage
		}
		fmt.Fprintln(app.stderr, "activedefense:", app.advice(status.err.Error()))
		return status.code
	}
	if !app.started {
		fmt.Fprintln(app.stderr, "activedefense:", err)
		fmt.Fprintln(app.stderr, "Run 'activedefense --help' for usage.")
		return usage
	}
	fmt.Fprintln(app.stderr, "activedefense:", app.advice(err.Error()))
	return exitFailed
}

// A statusError ends the program with a status of its own; without err everything was said already.
type statusError struct {
	code int
	err  error
}

func (e *statusError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.code)
	}
	return e.err.Error()
}

func (e *statusError) Unwrap() error { return e.err }

// usageErrorf is wrong usage that only the command itself can see.
func usageErrorf(format string, args ...any) error {
	return &statusError{exitUsage, fmt.Errorf(format, args...)}
}

// atLeastOne refuses a command line without an argument, which is called so.
func atLeastOne(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usageErrorf("%s needs %s; see %s --help", pathBelow(c), what, c.CommandPath())
		}
		return nil
	}
}

// pathBelow is a command's name without the program's, which every message begins with.
func pathBelow(c *cobra.Command) string {
	return strings.TrimPrefix(c.CommandPath(), c.Root().Name()+" ")
}

// exactlyOne refuses a command line without an argument, which is called so, or with several.
func exactlyOne(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usageErrorf("%s takes one argument, %s, and %d were given; see %s --help", pathBelow(c), what, len(args), c.CommandPath())
		}
		return atLeastOne(what)(c, args)
	}
}

// spelt is how many letters of a wrong word may differ from what was perhaps meant.
const spelt = 2

// ofSubcommands refuses words that are no subcommand of a command that only has such, and says which one was perhaps meant.
func ofSubcommands(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	c.SuggestionsMinimumDistance = spelt
	return usageErrorf("unknown command %q for %q%s; see %s --help", args[0], c.CommandPath(), meant("", c.SuggestionsFor(args[0])), c.CommandPath())
}

// noEmptyFlags refuses flags without a value, as a shell gives them for a variable that is not set: they would ask for everything.
func noEmptyFlags(c *cobra.Command) (err error) {
	c.Flags().Visit(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if several, ok := f.Value.(pflag.SliceValue); ok {
			values = several.GetSlice()
		}
		empty := func(value string) bool { return strings.TrimSpace(value) == "" }
		if f.Name != "config" && (len(values) == 0 || slices.ContainsFunc(values, empty)) {
			err = usageErrorf("--%s has an empty value: give one, or leave the flag out; see %s --help", f.Name, c.CommandPath())
		}
	})
	return err
}

// faultyFlag says in words what is wrong with a flag's value, or of an unknown flag which one was perhaps meant.
func faultyFlag(c *cobra.Command, err error) error {
	if wrong, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		name, value := wrong.GetFlag().Name, wrong.GetValue()
		switch wrong.GetFlag().Value.Type() {
		case "int":
			return fmt.Errorf("--%s %q: give a whole number from 0 to %d", name, value, math.MaxInt)
		case "stringSlice":
			return fmt.Errorf("--%s %s: a double quote stands around a whole value, on both sides; within one it is written twice", name, value)
		}
		return err
	}
	unknown, ok := errors.AsType[interface {
		error
		GetSpecifiedName() string
	}](err)
	if !ok {
		return err
	}
	// Which words are spelt alike, cobra knows of commands only.
	flags := &cobra.Command{SuggestionsMinimumDistance: spelt}
	c.Flags().VisitAll(func(f *pflag.Flag) {
		flags.AddCommand(&cobra.Command{Use: f.Name, Run: func(*cobra.Command, []string) {}})
	})
	return fmt.Errorf("%w%s", err, meant("--", flags.SuggestionsFor(unknown.GetSpecifiedName())))
}

// meant is " (did you mean ...?)", or nothing.
func meant(before string, words []string) string {
	if len(words) == 0 {
		return ""
	}
	return " (did you mean " + before + strings.Join(words, " or "+before) + "?)"
}

// command is the tree of subcommands.
func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "activedefense",
		Short: "Block scanners and attackers on Palo Alto firewalls",
		Long: `activedefense reads the TRAFFIC, THREAT and GlobalProtect logs that Palo Alto firewalls send by syslog, finds the
internet addresses that scan or attack, and has the firewalls block them.`,
		SilenceErrors: true, SilenceUsage: true,
		PersistentPreRunE: func(c *cobra.Command, _ []string) error {
			a.started = true
			return noEmptyFlags(c)
		},
		Version: versionText(),
		Args:    ofSubcommands,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetVersionTemplate("activedefense {{.Version}}\n")
	root.SetFlagErrorFunc(faultyFlag)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newManCommand())
	root.PersistentFlags().StringVar(&a.configPath, "config", "", "configuration `FILE` (default "+defaultConfig+" if it exists)")
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print one JSON object a line")
	root.AddCommand(newRunCommand(a), newCheckCommand(a), newConfigCommand(a), newReplayCommand(a), newExplainCommand(a),
		newBlacklistCommand(a), newAllowCommand(a), newRecordsCommand(a), newVerifyCommand(a), newProvisionCommand(a), newStatusCommand(a), newReportCommand(a), newWatchCommand(a), newReloadCommand(a), newTokenCommand(a), newPatternsCommand(a), newStoreCommand(a), newMembersCommand(a), newNotifyCommand(a), newKeygenCommand(a), newVersionCommand(a))
	return root
}

func newVersionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if a.json {
				return a.printJSON(map[string]string{"version": version, "go": runtime.Version()})
			}
			_, err := fmt.Fprintf(a.stdout, "activedefense %s\n", versionText())
			return err
		},
	}
}

// versionText is the version, and what it was built with.
func versionText() string { return fmt.Sprintf("%s (%s)", version, runtime.Version()) }
