package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"

	"activedefense/agent"
	"activedefense/agent/display"
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
			return a.withStore(c.Context(), func(cfg *config.Config, st *store.Store) error {
				x, err := explain.Of(c.Context(), st, prefix, cfg.Blacklist.ReleaseAfter)
				if errors.Is(err, explain.ErrUnknownAddress) {
					return a.showUnlisted(c.Context(), cfg, st, prefix, err)
				}
				if err != nil {
					return err
				}
				x.Known(enforce.Names(cfg))
				x.Program = a.program()
				if a.json {
					return a.printJSON(x)
				}
				return cmp.Or(a.writeLabels(c.Context(), cfg, st, prefix), x.WriteText(a.stdout))
			})
		},
	}
}

// showUnlisted says what is known of an address without any entry; the exit status says that there is none.
func (a *app) showUnlisted(ctx context.Context, cfg *config.Config, st *store.Store, prefix netip.Prefix, unknown error) error {
	known, err := agent.Known(ctx, cfg, st)
	if err != nil {
		return err
	}
	settings := agent.Settings(cfg)
	whyNot := settings.WhyNot(known.Guard, known.Ours)
	u, err := explain.OfUnlisted(ctx, st, &explain.Judge{Settings: settings, Guard: known.Guard,
		WhyNot: func(r *store.Record) string {
			ev := line.EventOf(r)
			return whyNot(&ev)
		},
		Counts: func(r *store.Record) []detect.Counting {
			ev := line.EventOf(r)
			return settings.Explain(&ev, known.Guard, known.Ours)
		},
	}, prefix)
	if err != nil {
		return err
	}
	if a.json {
		err = a.printJSON(u)
	} else {
		err = cmp.Or(a.writeLabels(ctx, cfg, st, prefix), a.writeUnlisted(u))
	}
	return cmp.Or(err, unknown)
}

// writeUnlisted writes for people what is known of an address without any entry.
func (a *app) writeUnlisted(u *explain.Unlisted) error {
	t := display.NewTable(a.stdout)
	t.Line("%s is not blocked: %s", u.Address, u.WhyNot)
	if u.Records == 0 {
		return t.Flush()
	}
	records := fmt.Sprint(u.Records)
	if u.More {
		records = "the newest " + records
	}
	t.Line("")
	t.Row("records", fmt.Sprintf("%s, %d refused, %d answered, %s to sessions of ours", records, u.Refused, u.Answered, plural(u.LateAnswers, "late answer")))
	if u.Refused > 0 {
		t.Row("counted", fmt.Sprintf("%d of the %d refused", u.Counted, u.Refused))
	}
	for _, n := range u.Near {
		t.Row("near", n.Rule+": at most "+n.Text)
	}
	for _, n := range u.NotCounted {
		t.Row("not counted", fmt.Sprintf("%d: %s", n.Records, n.Reason))
	}
	t.Row("first seen", display.LocalTime(u.FirstSeen))
	t.Row("last seen", display.LocalTime(u.LastSeen))
	t.Row("reached", plural(u.Destinations, "address")+", "+plural(u.Ports, "port"))
	t.Line("\n%s", a.advice("The records: activedefense records --since 30d --src "+u.Address+". How one counts: activedefense explain LINE"))
	return t.Flush()
}
