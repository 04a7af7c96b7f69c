package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"activedefense/agent/api"
	"activedefense/agent/display"
	"activedefense/config"
	"activedefense/detect"
	"activedefense/store"
)

// ruleManual is the rule of entries made by hand.
const ruleManual = "manual"

func newBlacklistCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "blacklist",
		Short: "Show and change what is blocked, held and observed",
		Args:  ofSubcommands,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newBlacklistListCommand(a), newBlacklistShowCommand(a), newBlacklistAddCommand(a), newBlacklistRemoveCommand(a), newBlacklistAcceptCommand(a),
		newBlacklistExportCommand(a), newBlacklistImportCommand(a), newBlacklistHistoryCommand(a),
		newBlacklistPauseCommand(a), newBlacklistResumeCommand(a))
	return c
}

// blacklistAddCommand is `blacklist add`.
type blacklistAddCommand struct {
	*app
	reason string
	length string // as given; empty: until it is quiet
}

func newBlacklistAddCommand(a *app) *cobra.Command {
	b := &blacklistAddCommand{app: a}
	c := &cobra.Command{
		Use:   "add ADDR... --reason TEXT [--for 24h]",
		Short: "Block addresses or networks by hand",
		Long: `Blocks addresses or networks by hand, also what is held or observed; none, if any of them may never be blocked.
Without --for they are released like any other, after blacklist.release_after without activity; with it, at that time
whatever their activity. A running daemon enforces them within a second.`,
		Args: atLeastOne("an address or a network"),
		RunE: func(c *cobra.Command, args []string) error {
			prefixes, err := parsePrefixes(args)
			if err != nil {
				return err
			}
			if strings.TrimSpace(b.reason) == "" {
				return usageErrorf("--reason is required: whoever reviews this block later will want to know why")
			}
			if duration, err := config.ParseDuration(cmp.Or(b.length, "1s")); err != nil || duration <= 0 {
				return usageErrorf("--for %q: use a duration such as 24h or 7d", b.length)
			}
			return b.add(c.Context(), prefixes)
		},
	}
	c.Flags().StringVar(&b.reason, "reason", "", "`TEXT` with the reason")
	c.Flags().StringVar(&b.length, "for", "", "release after this `TIME`, whatever its activity")
	return c
}

func (b *blacklistAddCommand) add(ctx context.Context, prefixes []netip.Prefix) error {
	client, done, err := b.ask(ctx, changes, b.forBlock)
	if err != nil {
		return err
	}
	defer done()
	var out api.Blocked
	if err := client.Post(ctx, "blacklist", api.Blocking{Addresses: textsOf(prefixes), Reason: b.reason, For: b.length}, &out); err != nil {
		return asked(err)
	}
	for i := range out.Entries {
		e := &out.Entries[i]
		if b.json {
			if err := b.printJSON(e.BlacklistEntry); err != nil {
				return err
			}
			continue
		}
		if !e.Fresh {
			fmt.Fprintf(b.stdout, "%s was already blocked, since %s; it now has your reason and time of release\n", e.Address, display.LocalTime(e.BlockedAt))
		} else {
			fmt.Fprintf(b.stdout, "%s is blocked\n", e.Address)
		}
		fmt.Fprintf(b.stdout, "release: %s\n", e.Release())
	}
	return nil
}

// textsOf are addresses and networks as they are written.
func textsOf(prefixes []netip.Prefix) (texts []string) {
	for _, p := range prefixes {
		texts = append(texts, detect.AddressText(p))
	}
	return texts
}

// blacklistRemoveCommand is `blacklist remove`.
type blacklistRemoveCommand struct {
	*app
	reason string // empty: that it was by hand
}

func newBlacklistRemoveCommand(a *app) *cobra.Command {
	r, l, yes := &blacklistRemoveCommand{app: a}, &blacklistListCommand{app: a}, false
	c := &cobra.Command{
		Use:   "remove ADDR... | --rule RULE | --device NAME | --since TIME [--reason TEXT]",
		Short: "Release addresses or networks now, or dismiss what is held or observed",
		Long: `Releases addresses or networks now. Past activity no longer counts: they are blocked again only for
new activity. What is held or observed is dismissed in the same way. To never block an address again: "allow add".
What a label file of mode block lists stays: it would be blocked again at once. With --rule, --device or --since, all that they
find together is released, after asking how many that are.`,
		RunE: func(c *cobra.Command, args []string) error {
			if r.reason == "" {
				r.reason = "released by hand"
			}
			if err := l.valid(); err != nil {
				return err
			}
			if l.filter.Rule+l.filter.Device+l.since != "" {
				if len(args) > 0 {
					return usageErrorf("name addresses, or say which entries by --rule, --device and --since, and not both")
				}
				return removeFound(c.Context(), l, r.reason, yes)
			}
			if err := atLeastOne("an address or a network, or --rule, --device or --since")(c, args); err != nil {
				return err
			}
			prefixes, err := parsePrefixes(args)
			if err != nil {
				return err
			}
			return r.removeAll(c.Context(), prefixes)
		},
	}
	c.Flags().StringVar(&r.reason, "reason", "", "`TEXT` with the reason")
	l.addFilters(c)
	c.Flags().BoolVar(&yes, "yes", false, "release what --rule, --device and --since find without asking")
	return c
}

// removeAll releases one after the other; what is not on the blacklist keeps no other from it.
func (r *blacklistRemoveCommand) removeAll(ctx context.Context, prefixes []netip.Prefix) error {
	client, done, err := r.ask(ctx, changes, r.needing(forRelease...))
	if err != nil {
		return err
	}
	defer done()
	var faults []error
	for _, prefix := range prefixes {
		if err := r.remove(ctx, client, prefix); err != nil {
			faults = append(faults, err)
		}
	}
	if !r.json && len(faults) < len(prefixes) {
		fmt.Fprintln(r.stdout, "What was seen until now no longer counts. To never block an address: activedefense allow add.")
	}
	return errors.Join(faults...)
}

func (r *blacklistRemoveCommand) remove(ctx context.Context, client *api.Client, prefix netip.Prefix) error {
	var out api.Removed
	if err := client.Delete(ctx, "blacklist/"+api.Escape(detect.AddressText(prefix)), url.Values{"reason": {r.reason}}, &out); err != nil {
		return asked(err)
	}
	if r.json {
		return r.printJSON(out.BlacklistEntry)
	}
	done := "released"
	if out.Was != store.Blocked.String() {
		done = "dismissed"
	}
	fmt.Fprintf(r.stdout, "%s is %s; it was %s since %s\n", out.Address, done, out.Was, display.LocalTime(out.BlockedAt))
	if out.Note != "" {
		fmt.Fprintf(r.stdout, "It is %s%s\n", done, out.Note)
	}
	return nil
}

// blacklistAcceptCommand is `blacklist accept`.
type blacklistAcceptCommand struct {
	*app
	all bool
}

func newBlacklistAcceptCommand(a *app) *cobra.Command {
	b := &blacklistAcceptCommand{app: a}
	c := &cobra.Command{
		Use:   "accept ADDR... | --all",
		Short: "Block what is held",
		Long: `Blocks what is held: it is enforced within a second, and a source that was accepted is not held again for a year,
unless it is removed by hand. "blacklist show" says why it was held; "blacklist remove" dismisses it.`,
		RunE: func(c *cobra.Command, args []string) error {
			if b.all == (len(args) > 0) {
				return usageErrorf("name the addresses or networks to accept, or --all for everything that is held")
			}
			prefixes, err := parsePrefixes(args)
			if err != nil {
				return err
			}
			return b.accept(c.Context(), prefixes)
		},
	}
	c.Flags().BoolVar(&b.all, "all", false, "everything that is held now")
	return c
}

func (b *blacklistAcceptCommand) accept(ctx context.Context, prefixes []netip.Prefix) error {
	client, done, err := b.ask(ctx, changes, b.forBlock)
	if err != nil {
		return err
	}
	defer done()
	var out api.Accepted
	if err := client.Post(ctx, "blacklist/accept", api.Accepting{Addresses: textsOf(prefixes), All: b.all}, &out); err != nil {
		return asked(err)
	}
	for _, e := range out.Entries {
		if b.json {
			if err := b.printJSON(e); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(b.stdout, "%s is blocked (%s: %s)\n", e.Address, e.Rule, display.Harmless(e.Reason))
	}
	if b.all && len(out.Entries) == 0 && !b.json {
		fmt.Fprintln(b.stdout, "nothing is held")
	}
	if len(out.NotHeld) > 0 {
		return fmt.Errorf("not held, and so not accepted: %s", strings.Join(out.NotHeld, ", "))
	}
	return nil
}

func newBlacklistPauseCommand(a *app) *cobra.Command {
	var ask api.Pausing
	c := &cobra.Command{
		Use:   "pause [--for 1h] [--reason TEXT]",
		Short: "Take everything off the firewalls and the list for a time, and keep detecting",
		Long: `Takes everything off the firewalls and the list, for all agents on the database and over restarts, while detection goes on and what is found is
put on the blacklist. It comes back by itself after an hour, or as --for says (7d at most), or by "blacklist resume"; status tells it as a
trouble meanwhile. No brake holds it. Firewalls that fetch the list get an empty one with their next fetch. Of a pause that there
is, --for counts from now on.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if d, err := config.ParseDuration(cmp.Or(ask.For, "1h")); err != nil || d <= 0 {
				return usageErrorf("--for %q: use a duration such as 1h or 30m", ask.For)
			}
			return paused(c.Context(), a, "blacklist/pause", ask)
		},
	}
	c.Flags().StringVar(&ask.For, "for", "", "how long: a `TIME` such as 30m, 1h by default")
	c.Flags().StringVar(&ask.Reason, "reason", "", "`TEXT` with the reason")
	return c
}

func newBlacklistResumeCommand(a *app) *cobra.Command {
	var ask api.Pausing
	c := &cobra.Command{
		Use:   "resume [--reason TEXT]",
		Short: "End a pause: what is blocked is enforced again",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return paused(c.Context(), a, "blacklist/resume", ask) },
	}
	c.Flags().StringVar(&ask.Reason, "reason", "", "`TEXT` with the reason")
	return c
}

// paused begins a pause or ends it, and says what is now.
func paused(ctx context.Context, a *app, route string, ask api.Pausing) error {
	client, done, err := a.ask(ctx, changes, a.needing(forRelease...))
	if err != nil {
		return err
	}
	defer done()
	var out api.Paused
	if err := client.Post(ctx, route, ask, &out); err != nil {
		return asked(err)
	}
	switch {
	case a.json:
		return a.printJSON(out)
	case out.Paused == nil:
		fmt.Fprintln(a.stdout, "nothing is paused")
	case route == "blacklist/resume":
		fmt.Fprintf(a.stdout, "What is blocked is enforced again. It was paused since %s by %s (%s).\n", display.LocalTime(out.Paused.Since), display.Harmless(out.Paused.By), display.Harmless(out.Paused.Reason))
	default:
		fmt.Fprintf(a.stdout, "Everything leaves the firewalls and the list now, and comes back by itself %s, or by: activedefense blacklist resume\n", display.LocalTime(out.Paused.Until))
	}
	return nil
}
