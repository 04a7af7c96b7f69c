package main

import (
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"

	"activedefense/config"
)

func newConfigCommand(a *app) *cobra.Command {
	var unit, rsyslog, logrotate bool
	c := &cobra.Command{
		Use:   "config [ADDRESS...]",
		Short: "Print the commented example configuration",
		Long: `Prints the commented example configuration, with every key and its default. The flags print the files
to install with it: the systemd unit, and the rsyslog and logrotate configurations.

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
