package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"activedefense/agent"
	"activedefense/agent/api"
	"activedefense/agent/display"
	"activedefense/config"
	"activedefense/firewall/policy"
)

// verifyCommand is `verify`; provision ends with it.
type verifyCommand struct {
	*app
	firewall string // empty: all
	heading  string // before what people read
}

func newVerifyCommand(a *app) *cobra.Command {
	v := &verifyCommand{app: a}
	c := &cobra.Command{
		Use:   "verify [--firewall NAME]",
		Short: "Check that the firewalls' policies enforce the blacklist",
		Long: `Checks the running configuration of each firewall, including what Panorama pushed, and reports what is missing or in
the way, with a remedy for the web interface or the CLI. Nothing is changed. Exit status 1 if a check fails.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return v.verify(c.Context()) },
	}
	c.Flags().StringVar(&v.firewall, "firewall", "", "only the firewall of this `NAME`")
	return c
}

// verify has the daemon look, which has the keys of the firewalls; where none runs, or none has reached its database, it looks itself.
func (v *verifyCommand) verify(ctx context.Context) error {
	daemon, err := v.running(ctx)
	if err != nil {
		return err
	}
	why := whyBarred(v.app, config.Options{})
	if daemon.usable() || why != nil && daemon.refuses() {
		return v.by(ctx, daemon.Client)
	}
	if why != nil {
		return daemon.also(why)
	}
	cfg, _, err := v.loadWhole()
	if err != nil {
		return err
	}
	return v.verifyHere(ctx, cfg)
}

// verifyHere looks by itself. Policies can be looked at before the agent has run, and while its store is away.
func (v *verifyCommand) verifyHere(ctx context.Context, cfg *config.Config) error {
	st, err := v.open(ctx, cfg, reads)
	if err == nil {
		defer st.Close()
	}
	return v.by(ctx, here(agent.Served(cfg, version, st, err)))
}

// by has one who can look do it, and prints what was found.
func (v *verifyCommand) by(ctx context.Context, client *api.Client) error {
	var out api.Verified
	if err := client.Post(ctx, "verify", api.Verifying{Firewall: v.firewall}, &out); err != nil {
		return asked(err)
	}
	for _, note := range out.Notes {
		fmt.Fprintln(v.stderr, "activedefense:", note)
	}
	if !v.json {
		fmt.Fprint(v.stdout, v.heading)
	}
	return v.printChecks(out.Checks)
}

// printChecks prints what was found, and fails if a check does.
func (v *verifyCommand) printChecks(checks []policy.Check) error {
	failed, warned := 0, 0
	for _, c := range checks {
		switch c.Result {
		case "fail":
			failed++
		case "warn":
			warned++
		}
	}
	if err := v.writeChecks(checks); err != nil {
		return err
	}
	if !v.json {
		fmt.Fprintf(v.stdout, "\n%s, %s, %d passed\n", plural(failed, "failure"), plural(warned, "warning"), len(checks)-failed-warned)
		if first := beginWith(checks); failed > len(first) && len(first) > 0 {
			fmt.Fprintf(v.stdout, "Fix %s first, in this order: the rules refer to what these create.\n", strings.Join(first, ", "))
		}
	}
	if failed > 0 {
		return &statusError{code: exitFailed}
	}
	return nil
}

// beginWith gives the checks that fail whose remedies make what those of others name, in the order in which they are to be
// carried out.
func beginWith(checks []policy.Check) (first []string) {
	for _, name := range []string{"block-source", "syslog-format", "log-forwarding"} {
		if slices.ContainsFunc(checks, func(c policy.Check) bool { return c.Check == name && c.Result == "fail" }) {
			first = append(first, name)
		}
	}
	return first
}

// writeChecks writes a line for each check, and below it what a person can do.
func (v *verifyCommand) writeChecks(checks []policy.Check) error {
	if v.json {
		for _, c := range checks {
			if err := v.printJSON(c); err != nil {
				return err
			}
		}
		return nil
	}
	var last policy.Check
	for i, c := range checks {
		if c.Firewall != last.Firewall || i == 0 {
			if i > 0 {
				fmt.Fprintln(v.stdout)
			}
			fmt.Fprintln(v.stdout, display.Harmless(c.Firewall))
		} else if sameFinding(c, last) {
			fmt.Fprintf(v.stdout, "  %-4s  %-19s  the same\n", strings.ToUpper(c.Result), c.Check)
			continue
		}
		last = c
		fmt.Fprintf(v.stdout, "  %-4s  %-19s  %s\n", strings.ToUpper(c.Result), c.Check, indented(v.advice(c.Detail)))
		if c.Remedy != "" {
			fmt.Fprintf(v.stdout, "        %-19s  -> %s\n", "", indented(v.advice(c.Remedy)))
		}
	}
	return nil
}

// sameFinding reports whether a check found what the one before it did: of a firewall that does not answer, all say so.
func sameFinding(a, b policy.Check) bool {
	return a.Firewall == b.Firewall && a.Result == b.Result && a.Result != "pass" && a.Detail == b.Detail && a.Remedy == b.Remedy
}

// indented keeps further lines of a text below its first one.
func indented(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = display.Harmless(lines[i])
	}
	return strings.Join(lines, "\n"+strings.Repeat(" ", 32))
}
