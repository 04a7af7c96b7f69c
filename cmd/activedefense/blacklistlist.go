package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"activedefense/agent/display"
	"activedefense/agent/explain"
	"activedefense/config"
	"activedefense/detect"
	"activedefense/store"
)

// listedRules are the rules that entries can have; others may be in the blacklist, of another version.
var listedRules = []string{detect.RuleVulnerability, detect.RulePortScan, detect.RuleHostSweep, "probe", "login", store.RuleNeighbourhood, store.RuleLabel, ruleManual}

// blacklistListCommand is `blacklist list`; filter says of what.
type blacklistListCommand struct {
	*app
	filter         store.EntryFilter
	held, observed bool
	since          string
	unseen         bool // no entry ever was of the rule asked for
}

func newBlacklistListCommand(a *app) *cobra.Command {
	l := &blacklistListCommand{app: a}
	c := &cobra.Command{
		Use:   "list",
		Short: "List what is blocked now, newest first",
		Long: `Lists what is blocked now, newest first. What is held waits for a person: "blacklist accept" blocks it,
"blacklist remove" dismisses it. What is observed was found by a rule whose mode is observe, and blocks nobody.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := l.valid(); err != nil {
				return err
			}
			err := l.withStore(c.Context(), forStore, func(cfg *config.Config, st *store.Store) error { return l.list(c.Context(), cfg, st) })
			if errors.Is(err, errNoDatabase) {
				return cmp.Or(l.knowRule(nil), err)
			}
			return err
		},
	}
	flags := c.Flags()
	flags.BoolVar(&l.filter.All, "all", false, "everything: also what is held or observed, and what was released")
	flags.BoolVar(&l.held, "held", false, "what is held instead of what is blocked")
	flags.BoolVar(&l.observed, "observed", false, "what is observed instead of what is blocked")
	flags.StringVar(&l.filter.Rule, "rule", "", "only entries of this `RULE`")
	flags.StringVar(&l.filter.Device, "device", "", "only entries that this firewall's log led to, by its `NAME`")
	flags.StringVar(&l.since, "since", "", "only what was blocked, held or observed from this `TIME` on: 24h, 7d, 2026-01-31, or RFC 3339")
	flags.IntVar(&l.filter.Limit, "limit", 0, "at most `N` entries; 0 for all")
	return c
}

// valid checks the flags, and completes the filter.
func (l *blacklistListCommand) valid() (err error) {
	if l.filter.Limit < 0 {
		return usageErrorf("--limit %d: give the number of entries, or 0 for all", l.filter.Limit)
	}
	if l.filter.Since, err = parseTime("--since", l.since, time.Now()); err != nil {
		return err
	}
	l.filter.States = nil
	if l.held {
		l.filter.States = append(l.filter.States, store.Held)
	}
	if l.observed {
		l.filter.States = append(l.filter.States, store.Observed)
	}
	if len(l.filter.States) == 0 && !l.filter.All {
		l.filter.States = []store.State{store.Blocked}
	}
	return nil
}

// knowRule refuses a rule that there is not, neither here nor among those that entries had.
func (l *blacklistListCommand) knowRule(seen []string) error {
	l.unseen = l.filter.Rule != "" && !slices.Contains(seen, l.filter.Rule)
	if l.unseen && !slices.Contains(listedRules, l.filter.Rule) {
		seen = slices.DeleteFunc(seen, func(rule string) bool { return slices.Contains(listedRules, rule) })
		return usageErrorf("--rule %q: the rules are %s", l.filter.Rule, strings.Join(slices.Concat(listedRules, seen), ", "))
	}
	return nil
}

func (l *blacklistListCommand) list(ctx context.Context, cfg *config.Config, st *store.Store) error {
	if l.filter.Rule != "" {
		seen, err := st.Rules(ctx)
		if err == nil {
			err = l.knowRule(seen)
		}
		if err != nil {
			return err
		}
	}
	after := cfg.Blacklist.ReleaseAfter
	if l.json {
		return st.Entries(ctx, l.filter, func(e *store.Entry) error { return l.printJSON(explain.NewBlacklistEntry(e, after)) })
	}
	columns := []string{"ADDRESS", "STATE", "RULE", "GRADE", "SINCE", "LAST SEEN", "UNTIL", "HITS", "DEVICE", "BY", "WHY"}
	labelled, err := l.labelsOf(ctx, cfg, st)
	if err != nil {
		return err
	}
	if labelled != nil {
		columns = slices.Insert(columns, 1, "LABELS")
	}
	t, n := display.NewTable(l.stdout, columns...), 0
	err = st.Entries(ctx, l.filter, func(e *store.Entry) error {
		n++
		view := explain.NewBlacklistEntry(e, after)
		until := view.Release()
		if view.ReleasedAt == nil && view.ReleaseAt != nil {
			until = display.LocalTime(*view.ReleaseAt)
		}
		why := e.Reason
		if e.State == store.Held {
			why += "; held: " + e.Hold
		}
		row := []any{detect.AddressText(e.Address), view.State, e.Rule, e.Grade, display.LocalTime(e.BlockedAt), display.LocalTime(e.LastSeen), until, e.Hits, e.Device, e.By, why}
		if labelled != nil {
			row = slices.Insert(row, 1, any(labelled(e.Address)))
		}
		t.Row(row...)
		return nil
	})
	if err != nil {
		return err
	}
	if n == 0 {
		fmt.Fprintln(l.stdout, l.nothing())
		if hint := deviceHint(cfg, l.filter.Device); hint != "" {
			fmt.Fprintln(l.stderr, hint)
		}
		return nil
	}
	return t.Flush()
}

// nothing says that there is no such entry.
func (l *blacklistListCommand) nothing() string {
	if l.unseen {
		return "nothing is and nothing was on the blacklist by rule " + l.filter.Rule
	}
	subject := "nothing"
	if l.filter.Rule != "" || l.filter.Device != "" || !l.filter.Since.IsZero() {
		subject = "nothing that matches"
	}
	if l.filter.All && len(l.filter.States) == 0 {
		return subject + " is blocked, held or observed, and nothing was"
	}
	var words []string
	for _, s := range l.filter.States {
		words = append(words, s.String())
	}
	return subject + " is " + strings.Join(words, " or ")
}

// deviceHint says for names that --device has, if one is a firewall's in the configuration, that the log's is meant; "" if none is.
func deviceHint(cfg *config.Config, devices ...string) string {
	for _, name := range devices {
		if slices.ContainsFunc(cfg.Firewalls, func(fw config.Firewall) bool { return strings.EqualFold(fw.Name, name) }) {
			return fmt.Sprintf("--device is the name that the firewall gives itself in the log (DEVICE of activedefense records); %q is its name in the configuration", name)
		}
	}
	return ""
}
