package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"golang.org/x/sys/unix"

	"activedefense/agent"
	"activedefense/agent/geo"
	"activedefense/agent/own"
	"activedefense/agent/state"
	"activedefense/config"
)

func newConfigCommand(a *app) *cobra.Command {
	var unit, rsyslog, logrotate, alerts, grafana bool
	c := &cobra.Command{
		Use:   "config [ADDRESS...]",
		Short: "Print the commented example configuration",
		Long: `Prints the commented example configuration, with every key and its default. The flags print the files
to install with it: the systemd unit, the rsyslog and logrotate configurations, alerting rules for Prometheus and a dashboard
for Grafana.

With --rsyslog, the ADDRESSes given and those of the configured firewalls may send; without any, nobody may.`,
		RunE: func(_ *cobra.Command, args []string) error {
			out := config.Example
			switch {
			case !rsyslog && len(args) > 0:
				return usageErrorf("addresses belong to --rsyslog, as those that may send logs")
			case unit:
				out = config.Unit
			case rsyslog:
				var err error
				if out, err = a.rsyslog(args); err != nil {
					return err
				}
			case logrotate:
				out = config.Logrotate
			case alerts:
				out = config.Alerts
			case grafana:
				out = config.Dashboard
			}
			_, err := a.stdout.Write(out)
			return err
		},
	}
	c.Flags().BoolVar(&unit, "systemd", false, "print the systemd unit instead")
	c.Flags().BoolVar(&rsyslog, "rsyslog", false, "print the rsyslog configuration instead")
	c.Flags().BoolVar(&logrotate, "logrotate", false, "print the logrotate configuration instead")
	c.Flags().BoolVar(&alerts, "alerts", false, "print alerting rules for Prometheus instead")
	c.Flags().BoolVar(&grafana, "grafana", false, "print a dashboard for Grafana instead")
	c.MarkFlagsMutuallyExclusive("systemd", "rsyslog", "logrotate", "alerts", "grafana")
	return c
}

// newManCommand is for those who make packages.
func newManCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "man FOLDER",
		Short:  "Write the manual pages of all commands into a folder",
		Args:   cobra.ExactArgs(1),
		Hidden: true,
		RunE: func(c *cobra.Command, args []string) error {
			root := c.Root()
			root.DisableAutoGenTag = true
			// The date is that of SOURCE_DATE_EPOCH, where it is set.
			return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "Active Defense", Manual: "Active Defense"}, args[0])
		},
	}
}

// rsyslog gives the rsyslog configuration with those who may send: the addresses given and those of the configured firewalls. A
// configuration with faults is none to read them from, and is told where addresses do without it.
func (a *app) rsyslog(addresses []string) ([]byte, error) {
	var senders []netip.Addr
	for _, text := range addresses {
		address, err := netip.ParseAddr(text)
		if err != nil {
			return nil, usageErrorf("%q is not an address; give those that the firewalls send their logs from, such as 192.0.2.1", text)
		}
		senders = append(senders, address.Unmap())
	}
	cfg, err := a.load()
	switch {
	case err != nil && len(senders) == 0:
		return nil, err
	case err != nil:
		fmt.Fprintf(a.stderr, "warning: the configured firewalls are left out, for the configuration has faults (activedefense check): %v\n", err)
	default:
		known, unknown := cfg.Senders()
		senders = append(senders, known...)
		for _, what := range unknown {
			fmt.Fprintf(a.stderr, "warning: %s, as in: activedefense config --rsyslog 192.0.2.1\n", what)
		}
	}
	if len(senders) == 0 {
		fmt.Fprintln(a.stderr, "warning: nobody may send, as no firewall is known; name their addresses, as in: activedefense config --rsyslog 192.0.2.1")
	}
	return config.RsyslogFor(senders), nil
}

func newCheckCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Validate the configuration",
		Long: `Reads the configuration and the files that it names, and reports every fault with its key and how to fix it, and what is
legal and unwise. Nothing is changed or contacted.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return check(c.Context(), a) },
	}
}

func check(ctx context.Context, a *app) error {
	cfg, warnings, err := a.loadWhole()
	if err == nil {
		warnings = append(slices.Concat(warnings, inputWarnings(cfg), geoWarnings(cfg)), labelWarnings(ctx, cfg)...)
		if !cfg.Notify.Any() {
			warnings = append(warnings, config.Warning{Key: "notify", Text: "names nobody, so nobody hears of a firewall that is down, an input that is silent or a block: set notify.mail, notify.webhooks or notify.syslog"})
		}
	}
	for _, w := range warnings {
		fmt.Fprintf(a.stderr, "%s: warning: %s\n", w.Key, w.Text)
	}
	if err != nil {
		return err
	}
	if err := state.Check(cfg.StateDir); err != nil {
		return err // status 1: the configuration itself is valid
	}
	if a.json {
		return a.printJSON(map[string]any{"valid": true, "config": a.path(), "warnings": len(warnings),
			"inputs": len(cfg.Inputs), "firewalls": len(cfg.Firewalls)})
	}
	from := a.path()
	if from == "" {
		from = "the built-in defaults"
	}
	fmt.Fprintf(a.stdout, "%s: valid, with %s, %s and %s\n", from, plural(len(warnings), "warning"),
		plural(len(cfg.Inputs), "input"), plural(len(cfg.Firewalls), "firewall"))
	return nil
}

// inputWarnings says which log files the user of this command cannot read: run as the daemon's, they are those that the daemon will
// retry in vain. A folder that is not there yet is none of them.
func inputWarnings(cfg *config.Config) []config.Warning {
	readable := func(path string, mode uint32) error {
		return unix.Faccessat(unix.AT_FDCWD, path, mode, unix.AT_EACCESS)
	}
	var warnings []config.Warning
	for i, in := range cfg.Inputs {
		if in.Listen.On() {
			continue
		}
		warn := func(format string, args ...any) {
			warnings = append(warnings, config.Warning{Key: fmt.Sprintf("inputs[%d].path", i), Text: fmt.Sprintf(format, args...)})
		}
		folders, _ := filepath.Glob(filepath.Dir(in.Path)) // the pattern was checked, and it reports nothing else
		for _, folder := range folders {
			if err := readable(folder, unix.R_OK|unix.X_OK); errors.Is(err, fs.ErrPermission) {
				warn("user %d cannot list the folder %s, so none of its files is read; let the daemon's group do it: chgrp activedefense %[2]s && chmod g+rx %[2]s", os.Geteuid(), folder)
			}
		}
		files, _ := filepath.Glob(in.Path)
		var first string
		refused := 0
		for _, file := range files {
			if err := readable(file, unix.R_OK); err != nil {
				if refused++; refused == 1 {
					if first = fmt.Sprintf("%s (%v)", file, err); errors.Is(err, fs.ErrPermission) {
						first += fmt.Sprintf("; let the daemon's group read it, and see that its writer makes the next ones so: chgrp activedefense %[1]s && chmod g+r %[1]s", file)
					}
				}
			}
		}
		if refused > 0 {
			warn("user %d cannot read %d of %s, the first is %s", os.Geteuid(), refused, plural(len(files), "file"), first)
		}
	}
	return warnings
}

// geoWarnings says what is wrong with the file of countries now: a daemon goes on without it.
func geoWarnings(cfg *config.Config) []config.Warning {
	if _, what, remedy := geo.Open(cfg.Geo.File, time.Now).Trouble(); what != "" {
		return []config.Warning{{Key: "geo.file", Text: strings.TrimPrefix(what, "geo.file: ") + "; " + remedy}}
	}
	return nil
}

// labelWarnings says what is wrong with the label files now: a daemon goes on without them, or with what they had.
func labelWarnings(ctx context.Context, cfg *config.Config) []config.Warning {
	var warnings []config.Warning
	set, _ := agent.Labels(ctx, cfg, nil) // without a store nothing can fail
	known := own.New(cfg, nil)            // by the configuration and the files alone
	known.Spare(own.Listed(set.Lists()))
	for _, t := range slices.Concat(set.Troubles(), set.Remarks(), agent.LeftOut(set.Lists(), known.Known().Guard)) {
		i := slices.IndexFunc(cfg.Labels, func(l config.Label) bool { return l.File == t.File })
		warnings = append(warnings, config.Warning{Key: fmt.Sprintf("labels[%d].file", i), Text: t.What + ". " + t.Remedy})
	}
	return warnings
}
