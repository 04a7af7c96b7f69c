package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"activedefense/agent/api"
	"activedefense/agent/display"
	"activedefense/agent/explain"
	"activedefense/agent/state"
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
			err := l.list(c.Context())
			if errors.Is(err, state.ErrNoDatabase) {
				return cmp.Or(l.knowRule(nil, nil), err)
			}
			return err
		},
	}
	flags := c.Flags()
	flags.BoolVar(&l.filter.All, "all", false, "everything: also what is held or observed, and what was released")
	flags.BoolVar(&l.held, "held", false, "what is held instead of what is blocked")
	flags.BoolVar(&l.observed, "observed", false, "what is observed instead of what is blocked")
	l.addFilters(c)
	flags.IntVar(&l.filter.Limit, "limit", 0, "at most `N` entries; 0 for all")
	return c
}

// addFilters adds the flags that say which entries are meant.
func (l *blacklistListCommand) addFilters(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&l.filter.Rule, "rule", "", "only entries of this `RULE`")
	flags.StringVar(&l.filter.Device, "device", "", "only entries that this firewall's log led to, by its `NAME`")
	flags.StringVar(&l.since, "since", "", "only what was blocked, held or observed from this `TIME` on: 24h, 7d, 2026-01-31, or RFC 3339")
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

// knowRule refuses a rule that there is not, neither here nor in the configuration nor among those that entries had.
func (l *blacklistListCommand) knowRule(custom, seen []string) error {
	l.unseen = l.filter.Rule != "" && !slices.Contains(seen, l.filter.Rule)
	known := slices.Concat(listedRules, custom)
	if l.unseen && !slices.Contains(known, l.filter.Rule) {
		seen = slices.DeleteFunc(seen, func(rule string) bool { return slices.Contains(known, rule) })
		return usageErrorf("--rule %q: the rules are %s", l.filter.Rule, strings.Join(slices.Concat(known, seen), ", "))
	}
	return nil
}

// query is the filter as the API takes it.
func (l *blacklistListCommand) query() url.Values {
	q := url.Values{"rule": {l.filter.Rule}, "device": {l.filter.Device}, "limit": {strconv.Itoa(l.filter.Limit)}}
	if !l.filter.Since.IsZero() {
		q.Set("since", l.filter.Since.Format(time.RFC3339Nano))
	}
	if l.filter.All {
		q.Add("state", "all")
	}
	for _, state := range l.filter.States {
		q.Add("state", state.String())
	}
	return q
}

func (l *blacklistListCommand) list(ctx context.Context) error {
	client, done, err := l.ask(ctx, reads, l.needing(forStore...))
	if err != nil {
		return err
	}
	defer done()
	var entries []api.Entry
	var rest api.Listed
	err = api.Each(ctx, client, "blacklist", l.query(), "entries", &rest, func(e *api.Entry) error {
		if l.json {
			return l.printJSON(e.BlacklistEntry)
		}
		entries = append(entries, *e)
		return nil
	})
	if err == nil {
		err = l.knowRule(rest.Custom, rest.Rules)
	}
	if err != nil || l.json {
		return asked(err)
	}
	for _, note := range rest.Notes {
		fmt.Fprintln(l.stderr, display.Harmless(note))
	}
	if len(entries) == 0 {
		fmt.Fprintln(l.stdout, l.nothing())
		if hint := deviceHint(rest.Firewalls, l.filter.Device); hint != "" {
			fmt.Fprintln(l.stderr, hint)
		}
		return nil
	}
	return l.table(entries, rest.Labelled)
}

// table writes the entries for people, with their labels where there are any.
func (l *blacklistListCommand) table(entries []api.Entry, labelled bool) error {
	columns := []string{"ADDRESS", "STATE", "RULE", "GRADE", "SINCE", "LAST SEEN", "UNTIL", "HITS", "DEVICE", "BY", "WHY"}
	if labelled {
		columns = slices.Insert(columns, 1, "LABELS")
	}
	t := display.NewTable(l.stdout, columns...)
	for i := range entries {
		e := &entries[i]
		until := e.Release()
		if e.ReleasedAt == nil && e.ReleaseAt != nil {
			until = display.LocalTime(*e.ReleaseAt)
		}
		why := e.Reason
		if e.State == store.Held.String() {
			why += "; held: " + e.Hold
		}
		row := []any{e.Address, e.State, e.Rule, e.Grade, display.LocalTime(e.BlockedAt), display.LocalTime(e.LastSeen), until, e.Hits, e.Device, e.Made(), why}
		if labelled {
			row = slices.Insert(row, 1, any(strings.Join(e.Labels, ", ")))
		}
		t.Row(row...)
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
func deviceHint(firewalls []string, devices ...string) string {
	for _, name := range devices {
		if slices.ContainsFunc(firewalls, func(firewall string) bool { return strings.EqualFold(firewall, name) }) {
			return fmt.Sprintf("--device is the name that the firewall gives itself in the log (DEVICE of activedefense records); %q is its name in the configuration", name)
		}
	}
	return ""
}

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
