package main

import (
	"github.com/spf13/cobra"

	"activedefense/config"
)

func newConfigCommand(a *app) *cobra.Command {
	var unit, rsyslog, logrotate bool
	c := &cobra.Command{
		Use:   "config",
		Short: "Print the commented example configuration",
		Long: `Prints the commented example configuration, with every key and its default. The flags print the files
to install with it: the systemd unit, and the rsyslog and logrotate configurations.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			out := config.Example
			switch {
			case unit:
				out = config.Unit
			case rsyslog:
				out = config.Rsyslog
			case logrotate:
				out = config.Logrotate
			}
			_, err := a.stdout.Write(out)
			return err
		},
	}
	c.Flags().BoolVar(&unit, "systemd", false, "print the systemd unit instead")
	c.Flags().BoolVar(&rsyslog, "rsyslog", false, "print the rsyslog configuration instead")
	c.Flags().BoolVar(&logrotate, "logrotate", false, "print the logrotate configuration instead")
	c.MarkFlagsMutuallyExclusive("systemd", "rsyslog", "logrotate")
	return c
}
