// Command demo shows the agent at work, in one process and without root, a database server or a network: a simulated
// firewall with its policy, the real agent on SQLite in a temporary folder, and a small syslog receiver between them.
// Attackers' packets go through the firewall, its log lines to the agent, the agent blocks, and the firewall drops the
// attackers' next packets. It ends by itself after about 20 seconds, with status 0 if every attacker was blocked, nobody
// else, and the one that an operator released was let in again.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// modes are those of firewalls[].mode in the configuration.
var modes = []string{"dynamic-tag", "address-group", "edl"}

const about = `Shows Active Defense at work against a simulated firewall, in about 20 seconds, without root, a database server or a
network. Packets of attackers go through the firewall, its log lines to the agent, the agent has the firewall block, and
the firewall drops the attackers' next packets; then an operator releases one. Exit status 1 if the loop does not close.

`

func main() {
	mode := flag.String("mode", modes[0], "how the firewall is made to block: "+strings.Join(modes, ", "))
	stay := flag.Bool("stay", false, "go on with background traffic until interrupted")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), about)
		flag.PrintDefaults()
	}
	flag.Parse()
	if !slices.Contains(modes, *mode) || flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "--mode %s: use %s\n", *mode, strings.Join(modes, ", "))
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout, *mode, 2*time.Second, *stay)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// run is the whole show. pace is how long a person is given to read each part of it.
func run(ctx context.Context, out io.Writer, mode string, pace time.Duration, stay bool) error {
	s, err := newStage(ctx, out, mode, pace)
	if err != nil {
		return err
	}
	defer s.close()
	scenes := []func(context.Context) error{s.begin}
	for _, attack := range attacks {
		scenes = append(scenes, func(ctx context.Context) error { return s.play(ctx, attack) })
	}
	scenes = append(scenes, s.bystanders, s.explain, s.fetchList, s.release)
	if stay {
		scenes = append(scenes, s.stay)
	}
	for _, scene := range append(scenes, s.end) {
		if err := scene(ctx); err != nil {
			return err
		}
	}
	return nil
}
