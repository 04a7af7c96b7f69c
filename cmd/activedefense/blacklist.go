package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"activedefense/agent"
	"activedefense/agent/display"
	"activedefense/agent/explain"
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
	c.AddCommand(newBlacklistListCommand(a), newBlacklistShowCommand(a), newBlacklistAddCommand(a), newBlacklistRemoveCommand(a), newBlacklistAcceptCommand(a))
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
			var duration time.Duration
			if b.length != "" {
				if duration, err = config.ParseDuration(b.length); err != nil || duration <= 0 {
					return usageErrorf("--for %q: use a duration such as 24h or 7d", b.length)
				}
			}
			return b.withGuard(c.Context(), func(cfg *config.Config, st *store.Store) error {
				return b.addAll(c.Context(), cfg, st, prefixes, duration)
			})
		},
	}
	c.Flags().StringVar(&b.reason, "reason", "", "`TEXT` with the reason")
	c.Flags().StringVar(&b.length, "for", "", "release after this `TIME`, whatever its activity")
	return c
}

func (b *blacklistAddCommand) addAll(ctx context.Context, cfg *config.Config, st *store.Store, prefixes []netip.Prefix, length time.Duration) error {
	known, err := agent.Known(ctx, cfg, st)
	if err != nil {
		return err
	}
	for _, prefix := range prefixes {
		if err := known.Guard.Check(prefix); err != nil {
			return fmt.Errorf("not blocked: %w", err)
		}
	}
	for _, prefix := range prefixes {
		if err := b.add(ctx, cfg, st, prefix, length); err != nil {
			return err
		}
	}
	return nil
}

func (b *blacklistAddCommand) add(ctx context.Context, cfg *config.Config, st *store.Store, prefix netip.Prefix, length time.Duration) error {
	now := time.Now()
	block := store.Block{Address: prefix, Rule: ruleManual, Reason: b.reason + operatorName(), By: store.ByOperator,
		FirstSeen: now, LastSeen: now, BlockedAt: now}
	if length > 0 {
		block.ExpiresAt = now.Add(length)
	}
	entry, fresh, err := st.Block(ctx, block)
	if err != nil {
		return fmt.Errorf("block %s: %w", detect.AddressText(prefix), err)
	}
	view := explain.NewBlacklistEntry(&entry, cfg.Blacklist.ReleaseAfter)
	if b.json {
		return b.printJSON(view)
	}
	if !fresh {
		fmt.Fprintf(b.stdout, "%s was already blocked, since %s; it now has your reason and time of release\n", detect.AddressText(prefix), display.LocalTime(entry.BlockedAt))
	} else {
		fmt.Fprintf(b.stdout, "%s is blocked\n", detect.AddressText(prefix))
	}
	fmt.Fprintf(b.stdout, "release: %s\n", view.Release())
	return nil
}

// operatorName is who is at the keyboard, for the audit trail: " (by alice)".
func operatorName() string {
	u, err := user.Current()
	if err != nil || u.Username == "" {
		return ""
	}
	return " (by " + u.Username + ")"
}

// blacklistRemoveCommand is `blacklist remove`.
type blacklistRemoveCommand struct {
	*app
	reason string // empty: that it was by hand
}

func newBlacklistRemoveCommand(a *app) *cobra.Command {
	r := &blacklistRemoveCommand{app: a}
	c := &cobra.Command{
		Use:   "remove ADDR... [--reason TEXT]",
		Short: "Release addresses or networks now, or dismiss what is held or observed",
		Long: `Releases addresses or networks now. Past activity no longer counts: they are blocked again only for
new activity. What is held or observed is dismissed in the same way. To never block an address again, add it to never_block.
What a label file of mode block lists stays: it would be blocked again at once.`,
		Args: atLeastOne("an address or a network"),
		RunE: func(c *cobra.Command, args []string) error {
			prefixes, err := parsePrefixes(args)
			if err != nil {
				return err
			}
			if r.reason == "" {
				r.reason = "released by hand"
			}
			return r.toChange(c.Context(), forRelease, func(cfg *config.Config, st *store.Store) error { return r.removeAll(c.Context(), cfg, st, prefixes) })
		},
	}
	c.Flags().StringVar(&r.reason, "reason", "", "`TEXT` with the reason")
	return c
}

// parsePrefixes reads several addresses or networks.
func parsePrefixes(args []string) (prefixes []netip.Prefix, err error) {
	for _, arg := range args {
		prefix, err := parsePrefix(arg)
		if err != nil {
			return nil, err
		}
		prefixes = append(prefixes, prefix)
	}
	return prefixes, nil
}

// removeAll releases one after the other; what is not on the blacklist keeps no other from it.
func (r *blacklistRemoveCommand) removeAll(ctx context.Context, cfg *config.Config, st *store.Store, prefixes []netip.Prefix) error {
	var faults []error
	for _, prefix := range prefixes {
		if err := r.remove(ctx, cfg, st, prefix); err != nil {
			faults = append(faults, err)
		}
	}
	if !r.json && len(faults) < len(prefixes) {
		fmt.Fprintln(r.stdout, "What was seen until now no longer counts. To never block an address, add it to never_block.")
	}
	return errors.Join(faults...)
}

func (r *blacklistRemoveCommand) remove(ctx context.Context, cfg *config.Config, st *store.Store, prefix netip.Prefix) error {
	entry, err := st.Release(ctx, prefix, store.ByOperator, r.reason+operatorName(), time.Now())
	if e, ok := errors.AsType[*store.ListedError](err); ok {
		return fmt.Errorf("%s stays: it is %s. Take it out of the file, or put it into never_block and reload", detect.AddressText(prefix), reasonsOf(e.Files, cfg))
	}
	if errors.Is(err, store.ErrNotBlocked) {
		return fmt.Errorf("%s is not blocked, held or observed%s", detect.AddressText(prefix), coveringHint(ctx, st, prefix))
	}
	if err != nil {
		return fmt.Errorf("release %s: %w", detect.AddressText(prefix), err)
	}
	if r.json {
		return r.printJSON(explain.NewBlacklistEntry(&entry, cfg.Blacklist.ReleaseAfter))
	}
	done := "released"
	if entry.State != store.Blocked {
		done = "dismissed"
	}
	fmt.Fprintf(r.stdout, "%s is %s; it was %s since %s\n", detect.AddressText(prefix), done, entry.State, display.LocalTime(entry.BlockedAt))
	if hint := coveringHint(ctx, st, prefix); hint != "" {
		fmt.Fprintf(r.stdout, "It is %s%s\n", done, hint)
	}
	return nil
}

// reasonsOf names the files that list an address, and those among them that another agent reads.
func reasonsOf(files []store.LabelFile, cfg *config.Config) string {
	var reasons []string
	for _, f := range files {
		reason := display.Harmless(f.Reason())
		if !slices.ContainsFunc(cfg.Labels, func(l config.Label) bool { return l.File == f.Path }) {
			reason += " (of another agent: this configuration does not name it)"
		}
		reasons = append(reasons, reason)
	}
	return strings.Join(reasons, ", and ")
}

// coveringHint names the networks that an address is in whose entries are in force, and says what to do about them.
func coveringHint(ctx context.Context, st *store.Store, prefix netip.Prefix) string {
	entries, err := st.Covering(ctx, prefix.Addr())
	if err != nil {
		return ""
	}
	var networks []string
	for _, e := range entries {
		if !e.ReleasedAt.IsZero() || e.Address.Bits() >= prefix.Bits() {
			continue
		}
		do := "activedefense blacklist remove " + e.Address.String() + " ends that"
		if e.By == store.ByLabelFile {
			do = "it ends when it is taken out of the file"
		}
		networks = append(networks, fmt.Sprintf("the network %s is %s (%s: %s): %s", e.Address, e.State, e.Rule, display.Harmless(e.Reason), do))
	}
	if len(networks) == 0 {
		return ""
	}
	return fmt.Sprintf(" itself, but %s. Or put %s into never_block and reload: a network that holds such an address is released, too",
		strings.Join(networks, "; and "), detect.AddressText(prefix))
}
