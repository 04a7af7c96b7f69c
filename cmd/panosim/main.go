// Command panosim runs simulated PAN-OS firewalls by hand: one, a high-availability pair, or either behind a
// Panorama. It is for trying things out and for looking at what a client does; tests use firewall/panosim directly.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// Exit statuses.
const (
	exitFailed = 1
	exitUsage  = 2 // wrong usage, or a file or value that cannot be what it should
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// execute runs one command line and gives its exit status.
func execute(ctx context.Context, args []string, in io.Reader, out, complaints io.Writer) int {
	root := command(in, out)
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(complaints)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(complaints, "panosim:", err)
	if errors.Is(err, errFailed) {
		return exitFailed
	}
	fmt.Fprintln(complaints, "Run 'panosim --help' for usage.")
	return exitUsage
}

// errFailed is in errors that are not about how the program was called.
var errFailed = errors.New("failed")

// settings are the flags.
type settings struct {
	listen, version, model, dialect  string
	vsys, users                      []string
	directory, keyFile, config       string
	logFile                          string
	panoramaConfig                   string
	latency, commitTime, restartTime time.Duration
	pair, panorama                   bool
}

const about = `panosim is a Palo Alto firewall that is none: it speaks the XML API over HTTPS as PAN-OS does, so that a
program which works with firewalls can be tried without one. It keeps tags on addresses, a configuration with
commits, External Dynamic Lists that it really fetches, and a policy that decides about packets which you send
with a command. It prints what happens, a line each, and reads commands from standard input: try "help".

It prints where it listens, and the files with the API key and with the certificate authority to trust. A call:

  curl --cacert CA-FILE -H "X-PAN-KEY: $(cat KEY-FILE)" \
       --data-urlencode 'cmd=<show><system><info/></system></show>' 'https://ADDRESS/api/?type=op'

To see a whole loop without a syslog server, give --log-file a file that the other program reads; make the policy, and
then try "scan 203.0.113.66 198.51.100.7", "tags" and "packet 203.0.113.66 198.51.100.7 443".

Where nobody knows for certain how PAN-OS behaves, --dialect chooses, with names as in
"duplicates=others-applied,limit=per-entry-error"; a wrong name lists the right ones.

Interrupt (Ctrl-C) or the command "quit" stops it.`

// command is the command line.
func command(in io.Reader, out io.Writer) *cobra.Command {
	var s settings
	root := &cobra.Command{
		Use:   "panosim",
		Short: "Run a simulated Palo Alto firewall",
		Long:  about,
		Example: `  panosim                                      one firewall, on a free port of this machine
  panosim --listen 127.0.0.1:8443 --pair       a pair, on ports 8443 and 8444
  panosim --model PA-220 --version 9.1.0       an old, small one
  panosim --latency 200ms --dialect duplicates=entry-skipped`,
		SilenceErrors: true, SilenceUsage: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return run(c.Context(), s, in, out) },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	f := root.Flags()
	f.StringVar(&s.listen, "listen", "127.0.0.1:0", "`ADDRESS` and port; port 0 is any free one. The second of a pair and the Panorama take the next ports")
	f.StringVar(&s.version, "version", "10.2.9-h1", "`VERSION` of PAN-OS")
	f.StringVar(&s.model, "model", "PA-VM", "`MODEL`, which decides how many addresses and list entries it holds")
	f.StringSliceVar(&s.vsys, "vsys", []string{"vsys1"}, "virtual `SYSTEMS`, separated by commas")
	f.StringArrayVar(&s.users, "user", nil, "`NAME:PASSWORD` that may make itself an API key (type=keygen); may be repeated")
	f.StringVar(&s.directory, "dir", "", "`DIRECTORY` for the key and the certificate authority (default: a temporary one, removed at the end)")
	f.StringVar(&s.keyFile, "key-file", "", "`FILE` with the API key; written if it is not there (default: api.key in --dir)")
	f.StringVar(&s.config, "config", "", "`FILE` with the running configuration, <config>...</config> (default: two zones and no rule)")
	f.StringVar(&s.logFile, "log-file", "", "`FILE` to which the lines that go to syslog servers are appended as well, as rsyslog would write them there")
	f.StringVar(&s.dialect, "dialect", "plain", "`DIALECT`: how it behaves where no source is certain")
	f.DurationVar(&s.latency, "latency", 0, "how long every call takes at least, as 5ms")
	f.DurationVar(&s.commitTime, "commit-time", 5*time.Second, "how long a commit takes")
	f.DurationVar(&s.restartTime, "restart-time", 5*time.Second, "how long each of the three phases of a restart takes")
	f.BoolVar(&s.pair, "pair", false, "run two firewalls as a high-availability pair")
	f.BoolVar(&s.panorama, "panorama", false, "run a Panorama that manages them")
	f.StringVar(&s.panoramaConfig, "panorama-config", "", "`FILE` with the Panorama's configuration, with its device groups (default: device group branches with a pre rule, and template stack branch-stack, pushed)")
	return root
}

// run starts everything, and serves until it is told to stop.
func run(ctx context.Context, s settings, in io.Reader, out io.Writer) error {
	l, err := newLab(s, &printer{to: out})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	l.watch(ctx)
	l.introduce()
	c := &console{lab: l, current: l.firewalls[0]}
	c.serve(ctx, in)
	cancel()
	if err := l.close(); err != nil {
		return fmt.Errorf("%w to clean up: %w", errFailed, err)
	}
	l.printer.line("panosim", "stopped")
	return nil
}
