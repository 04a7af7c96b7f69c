package main

import (
	"bytes"
	"context"
	"os"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"activedefense/agent/display"
	"activedefense/agent/watch"
)

func newWatchCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "watch",
		Short: "Watch live: lines a second, blocks as they happen, where they come from, firewalls and inputs",
		Long: `Shows at a terminal what a running daemon does, as it happens: first what a person should see to, then the newest of the blacklist
with the reason for each, how firewalls and inputs are, and which sources, countries and ports there are most of. Enter shows why an
address is blocked, with its log lines; / searches; p pauses the screen; ? names all keys. A daemon that goes away is said to, and
asked again until it is back. Without colour: NO_COLOR=1. For anything but a terminal there are status --watch and GET /api/v1/events.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return watchDaemon(c.Context(), a) },
	}
}

func watchDaemon(ctx context.Context, a *app) error {
	in, inIs := a.stdin.(*os.File)
	out, outIs := unguarded(a.stdout).(*os.File)
	switch {
	case a.json:
		return usageErrorf("watch is a screen and has no --json: activedefense status --json --watch, or GET /api/v1/events")
	case !inIs || !outIs || !term.IsTerminal(int(in.Fd())) || !term.IsTerminal(int(out.Fd())):
		return usageErrorf("watch needs a terminal: activedefense status --watch writes to anything")
	case slices.Contains([]string{"", "dumb"}, variable(a.environ, "TERM")):
		return usageErrorf("watch needs a terminal on which it can place the cursor, and TERM is %q: activedefense status --watch", variable(a.environ, "TERM"))
	}
	daemon, err := a.running(ctx)
	if err != nil {
		return err
	}
	if daemon == nil {
		return errNoDaemon
	}
	o := watch.Options{At: daemon.At, Zone: time.Local, Advice: a.advice, Explain: func(address string) tea.Msg {
		return watch.Explained{Address: address, Text: shown(ctx, a, address)}
	}}
	return watch.Run(ctx, daemon.Client, o, in, out, a.environ, variable(a.environ, "NO_COLOR") != "")
}

// shown is what blacklist show says of an address.
func shown(ctx context.Context, a *app, address string) string {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	var said bytes.Buffer
	aside := *a
	aside.stdout = display.NewGuard(&said)
	aside.stderr = aside.stdout
	if err := aside.showAddress(ctx, address); err != nil {
		said.WriteString("\n" + display.Harmless(err.Error()) + "\n")
	}
	return said.String()
}

// variable is the value of an environment variable; "" where it is not set.
func variable(environ []string, name string) string {
	for _, one := range slices.Backward(environ) {
		if value, is := strings.CutPrefix(one, name+"="); is {
			return value
		}
	}
	return ""
}
