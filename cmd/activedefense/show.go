package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"

	"activedefense/agent"
	"activedefense/agent/enforce"
	"activedefense/agent/explain"
	"activedefense/agent/line"
	"activedefense/config"
	"activedefense/detect"
	"activedefense/store"
)

// newBlacklistShowCommand is `blacklist show`.
func newBlacklistShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show ADDR",
		Short: "Show why an address is blocked, held or observed, or why not: rule, counts, log lines, history, where enforced",
		Args:  exactlyOne("an address or a network"),
		RunE: func(c *cobra.Command, args []string) error {
			prefix, err := parsePrefix(args[0])
			if err != nil {
				return err
			}
			return a.withStore(c.Context(), forStore, func(cfg *config.Config, st *store.Store) error {
				x, err := explain.Of(c.Context(), st, prefix, cfg.Blacklist.ReleaseAfter)
				if errors.Is(err, explain.ErrUnknownAddress) {
					return a.showUnlisted(c.Context(), cfg, st, prefix, err)
				}
				if err != nil {
					return err
				}
				x.Known(enforce.Names(cfg))
				x.Program = a.program()
				return a.showListed(c.Context(), cfg, st, prefix, x)
			})
		},
	}
}

// showListed says why an address is blocked, held or observed, or was. Of one that only networks stand for, it says too what is known of
// it itself; once none of them is in force, the exit status says that there is no entry.
func (a *app) showListed(ctx context.Context, cfg *config.Config, st *store.Store, prefix netip.Prefix, x *explain.Explanation) (err error) {
	var status error
	if !x.Own() {
		if x.Itself, err = unlisted(ctx, cfg, st, prefix); err != nil {
			return err
		}
		if !x.InForce() {
			status = fmt.Errorf("%s itself: %w", x.Address, explain.ErrUnknownAddress)
		}
	}
	if a.json {
		return cmp.Or(a.printJSON(x), status)
	}
	return cmp.Or(a.writeLabels(ctx, cfg, st, prefix), x.WriteText(a.stdout), status)
}

// showUnlisted says what is known of an address without any entry; the exit status says that there is none.
func (a *app) showUnlisted(ctx context.Context, cfg *config.Config, st *store.Store, prefix netip.Prefix, unknown error) error {
	u, err := unlisted(ctx, cfg, st, prefix)
	if err != nil {
		return err
	}
	u.Program = a.program()
	if a.json {
		err = a.printJSON(u)
	} else {
		err = cmp.Or(a.writeLabels(ctx, cfg, st, prefix), u.WriteText(a.stdout))
	}
	return cmp.Or(err, unknown)
}

// unlisted is what is known of an address without an entry of its own, by the present configuration.
func unlisted(ctx context.Context, cfg *config.Config, st *store.Store, prefix netip.Prefix) (*explain.Unlisted, error) {
	known, err := agent.Known(ctx, cfg, st)
	if err != nil {
		return nil, err
	}
	settings := agent.Settings(cfg)
	whyNot := settings.WhyNot(known.Guard, known.Ours)
	return explain.OfUnlisted(ctx, st, &explain.Judge{Settings: settings, Guard: known.Guard,
		WhyNot: func(r *store.Record) string {
			ev := line.EventOf(r)
			return whyNot(&ev)
		},
		Counts: func(r *store.Record) []detect.Counting {
			ev := line.EventOf(r)
			return settings.Explain(&ev, known.Guard, known.Ours)
		},
	}, prefix)
}
