package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"activedefense/agent"
	"activedefense/config"
	"activedefense/detect"
	"activedefense/store"
)

// ruleManual is the rule of entries made by hand.
const ruleManual = "manual"

func (a *app) blacklistCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "blacklist",
		Short: "Show and change what is blocked",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.blacklistListCommand(), a.blacklistShowCommand(), a.blacklistAddCommand(), a.blacklistRemoveCommand())
	return c
}

// withStore runs what a command does with the configuration and the store.
func (a *app) withStore(ctx context.Context, do func(*config.Config, *store.Store) error) error {
	cfg, _, err := a.load()
	if err != nil {
		return err
	}
	st, err := a.open(ctx, cfg)
	if err != nil {
		return err
	}
	defer st.Close()
	return do(cfg, st)
}

func (a *app) blacklistListCommand() *cobra.Command {
	var filter store.EntryFilter
	c := &cobra.Command{
		Use:   "list",
		Short: "List what is blocked now, newest first",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			switch filter.Rule {
			case "", detect.RulePortScan, detect.RuleHostSweep, detect.RuleVulnerability, ruleManual:
			default:
				return usageErrorf("--rule %q: the rules are %s, %s, %s and %s", filter.Rule,
					detect.RulePortScan, detect.RuleHostSweep, detect.RuleVulnerability, ruleManual)
			}
			if filter.Limit < 0 {
				return usageErrorf("--limit %d: give the number of entries, or 0 for all", filter.Limit)
			}
			return a.withStore(c.Context(), func(cfg *config.Config, st *store.Store) error {
				return a.blacklistList(c.Context(), cfg, st, filter)
			})
		},
	}
	c.Flags().BoolVar(&filter.All, "all", false, "also what was released")
	c.Flags().StringVar(&filter.Rule, "rule", "", "only blocks by this `RULE`")
	c.Flags().IntVar(&filter.Limit, "limit", 0, "at most `N` entries; 0 for all")
	return c
}

func (a *app) blacklistList(ctx context.Context, cfg *config.Config, st *store.Store, filter store.EntryFilter) error {
	after := cfg.Blacklist.ReleaseAfter
	if a.json {
		return st.Entries(ctx, filter, func(e *store.Entry) error { return a.printJSON(agent.NewBlacklistEntry(e, after)) })
	}
	columns := []string{"ADDRESS", "RULE", "BLOCKED", "LAST SEEN", "RELEASE", "HITS", "DEVICE", "BY", "WHY"}
	t, n := agent.NewTable(a.stdout, columns...), 0
	err := st.Entries(ctx, filter, func(e *store.Entry) error {
		n++
		view := agent.NewBlacklistEntry(e, after)
		release := agent.LocalTime(view.ReleaseAt)
		if view.ReleasedAt != nil {
			release = view.Release()
		}
		t.Row(detect.AddressText(e.Address), e.Rule, agent.LocalTime(e.BlockedAt), agent.LocalTime(e.LastSeen), release, e.Hits, e.Device, e.By, e.Reason)
		return nil
	})
	if err != nil {
		return err
	}
	if n == 0 {
		fmt.Fprintln(a.stdout, "nothing is blocked")
		return nil
	}
	return t.Flush()
}

func (a *app) blacklistAddCommand() *cobra.Command {
	var reason, length string
	c := &cobra.Command{
		Use:   "add ADDR --reason TEXT [--for 24h]",
		Short: "Block an address or a network by hand",
		Long: `Blocks an address or a network by hand. Without --for it is released like any other, after
blacklist.release_after without activity; with it, at that time whatever its activity. A running daemon enforces it within a second.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			prefix, err := parsePrefix(args[0])
			if err != nil {
				return err
			}
			if strings.TrimSpace(reason) == "" {
				return usageErrorf("--reason is required: whoever reviews this block later will want to know why")
			}
			var duration time.Duration
			if length != "" {
				if duration, err = config.ParseDuration(length); err != nil || duration <= 0 {
					return usageErrorf("--for %q: use a duration such as 24h or 7d", length)
				}
			}
			return a.withStore(c.Context(), func(cfg *config.Config, st *store.Store) error {
				return a.blacklistAdd(c.Context(), cfg, st, prefix, reason, duration)
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "`TEXT` with the reason")
	c.Flags().StringVar(&length, "for", "", "release after this `TIME`, whatever its activity")
	return c
}

func (a *app) blacklistAdd(ctx context.Context, cfg *config.Config, st *store.Store, prefix netip.Prefix, reason string, length time.Duration) error {
	if err := agent.NewGuard(ctx, cfg).Check(prefix); err != nil {
		return fmt.Errorf("not blocked: %w", err)
	}
	now := time.Now()
	block := store.Block{Address: prefix, Rule: ruleManual, Reason: reason + operatorName(), By: store.ByOperator,
		FirstSeen: now, LastSeen: now, BlockedAt: now}
	if length > 0 {
		block.ExpiresAt = now.Add(length)
	}
	entry, fresh, err := st.Block(ctx, block)
	if err != nil {
		return fmt.Errorf("block %s: %w", detect.AddressText(prefix), err)
	}
	view := agent.NewBlacklistEntry(&entry, cfg.Blacklist.ReleaseAfter)
	if a.json {
		return a.printJSON(view)
	}
	if !fresh {
		fmt.Fprintf(a.stdout, "%s was already blocked, since %s; it now has your reason and time of release\n", detect.AddressText(prefix), agent.LocalTime(entry.BlockedAt))
	} else {
		fmt.Fprintf(a.stdout, "%s is blocked\n", detect.AddressText(prefix))
	}
	fmt.Fprintf(a.stdout, "release: %s\n", view.Release())
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

func (a *app) blacklistRemoveCommand() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:   "remove ADDR [--reason TEXT]",
		Short: "Release an address or a network now",
		Long: `Releases an address or a network now. Past activity no longer counts: it is blocked again only for
new activity. To never block it again, add it to never_block.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			prefix, err := parsePrefix(args[0])
			if err != nil {
				return err
			}
			if reason == "" {
				reason = "released by hand"
			}
			return a.withStore(c.Context(), func(cfg *config.Config, st *store.Store) error {
				return a.blacklistRemove(c.Context(), cfg, st, prefix, reason)
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "`TEXT` with the reason")
	return c
}

func (a *app) blacklistRemove(ctx context.Context, cfg *config.Config, st *store.Store, prefix netip.Prefix, reason string) error {
	entry, err := st.Release(ctx, prefix, store.ByOperator, reason+operatorName(), time.Now())
	if errors.Is(err, store.ErrNotBlocked) {
		return fmt.Errorf("%s is not blocked%s", detect.AddressText(prefix), a.coveringHint(ctx, st, prefix))
	}
	if err != nil {
		return fmt.Errorf("release %s: %w", detect.AddressText(prefix), err)
	}
	if a.json {
		return a.printJSON(agent.NewBlacklistEntry(&entry, cfg.Blacklist.ReleaseAfter))
	}
	fmt.Fprintf(a.stdout, "%s is released; it was blocked since %s\n", detect.AddressText(prefix), agent.LocalTime(entry.BlockedAt))
	fmt.Fprintln(a.stdout, "It is blocked again only for new activity; to never block it again, add it to never_block.")
	return nil
}

// coveringHint names the network that an address is blocked by.
func (a *app) coveringHint(ctx context.Context, st *store.Store, prefix netip.Prefix) string {
	entries, err := st.Covering(ctx, prefix.Addr())
	if err != nil {
		return ""
	}
	for _, e := range entries {
		if e.ReleasedAt.IsZero() && e.Address.Bits() < prefix.Bits() {
			return fmt.Sprintf(" itself, but the network %s is", e.Address)
		}
	}
	return ""
}
