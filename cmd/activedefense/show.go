package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"activedefense/agent/api"
	"activedefense/agent/display"
	"activedefense/agent/explain"
	"activedefense/detect"
)

// newBlacklistShowCommand is `blacklist show`.
func newBlacklistShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show ADDR",
		Short: "Show why an address is blocked, held or observed, or why not: rule, counts, log lines, history, where enforced",
		Args:  exactlyOne("an address or a network"),
		RunE:  func(c *cobra.Command, args []string) error { return a.showAddress(c.Context(), args[0]) },
	}
}

// showAddress says why an address is blocked, held or observed, or was. Of one that only networks stand for, it says too what is known of
// it itself; once none of them is in force, and for one that was never on the blacklist, the exit status says that there is no entry.
func (a *app) showAddress(ctx context.Context, arg string) error {
	prefix, err := parsePrefix(arg)
	if err != nil {
		return err
	}
	client, done, err := a.ask(ctx, reads, a.needing(forStore...))
	if err != nil {
		return err
	}
	defer done()
	address := detect.AddressText(prefix)
	var answer json.RawMessage
	if err := client.Get(ctx, "blacklist/"+api.Escape(address), nil, &answer); err != nil {
		return asked(err)
	}
	var beside struct {
		Entries []json.RawMessage
		Labels  []string
		Notes   []string
	}
	if err := json.Unmarshal(answer, &beside); err != nil {
		return err
	}
	if !a.json {
		for _, note := range beside.Notes {
			fmt.Fprintln(a.stderr, display.Harmless(note))
		}
		if len(beside.Labels) > 0 {
			fmt.Fprintf(a.stdout, "%s is labelled: %s\n", address, display.Harmless(strings.Join(beside.Labels, ", ")))
		}
	}
	unknown := fmt.Errorf("%s: %w", address, explain.ErrUnknownAddress)
	if len(beside.Entries) == 0 {
		u := &explain.Unlisted{}
		if err := json.Unmarshal(answer, u); err != nil {
			return err
		}
		u.Program = a.program()
		return cmp.Or(a.printShown(u), unknown)
	}
	x := &explain.Explanation{}
	if err := json.Unmarshal(answer, x); err != nil {
		return err
	}
	x.Program = a.program()
	if x.Own() || x.InForce() {
		unknown = nil
	} else {
		unknown = fmt.Errorf("%s itself: %w", x.Address, explain.ErrUnknownAddress)
	}
	return cmp.Or(a.printShown(x), unknown)
}

// printShown prints what is known of an address.
func (a *app) printShown(shown interface{ WriteText(io.Writer) error }) error {
	if a.json {
		return a.printJSON(shown)
	}
	return shown.WriteText(a.stdout)
}
