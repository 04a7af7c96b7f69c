package api

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"

	"activedefense/agent/enforce"
	"activedefense/agent/explain"
	"activedefense/agent/line"
	"activedefense/config"
	"activedefense/detect"
	"activedefense/store"
)

// Entry is one entry of the blacklist, with the labels that it has, if any.
type Entry struct {
	explain.BlacklistEntry
	Labels []string `json:"labels,omitempty"`
}

// Listed is what a list of the blacklist says beside the entries.
type Listed struct {
	Labelled bool     `json:"labelled"`        // label files are configured
	Notes    []string `json:"notes,omitempty"` // what is wrong with them
	// Rules are those that entries have or had; they are given where one was asked for.
	Rules     []string `json:"rules,omitempty"`
	Custom    []string `json:"custom_rules,omitempty"` // those of the configuration, besides the built-in ones, likewise
	Firewalls []string `json:"firewalls"`              // of the configuration, whose names are not those of the log
}

// stateAll stands for every state.
const stateAll = "all"

// errEnough ends a reading that has what it wants.
var errEnough = errors.New("limit reached")

func (a *API) listBlacklist(c *call) error {
	filter, err := c.entryFilter(a)
	if err != nil {
		return err
	}
	st, err := a.reading(c)
	if err != nil {
		return err
	}
	ctx := c.r.Context()
	rest := Listed{Firewalls: enforce.Names(a.opts.Config)}
	if filter.Rule != "" {
		if rest.Rules, err = st.Rules(ctx); err != nil {
			return err
		}
		for i := range a.opts.Config.Detect.Custom {
			rest.Custom = append(rest.Custom, a.opts.Config.Detect.Custom[i].Name)
		}
	}
	lookup := func(netip.Prefix) []string { return nil }
	if lookup, rest.Notes, err = a.labels(ctx); err != nil {
		return err
	}
	rest.Labelled = len(a.opts.Config.Labels) > 0
	offset, err := numberOf(c.query, "offset", "entries to pass over", 0)
	if err != nil {
		return err
	}
	after, limit, matches := a.opts.Config.Blacklist.ReleaseAfter, filter.Limit, matching(c.query.Get("q"))
	filter.Limit = 0
	out := c.newList("entries")
	err = st.Entries(ctx, filter, func(e *store.Entry) error {
		if !matches(e) {
			return nil
		}
		if offset > 0 {
			offset--
			return nil
		}
		if err := out.add(Entry{explain.NewBlacklistEntry(e, after), lookup(e.Address)}); err != nil {
			return err
		}
		if out.n == limit {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return out.end(rest, err)
}

// entryFilter reads what is asked for; without a state it is what is blocked.
func (c *call) entryFilter(a *API) (f store.EntryFilter, err error) {
	f.Rule, f.Device = c.query.Get("rule"), c.query.Get("device")
	if f.Since, err = ParseTime("since", c.query.Get("since"), a.opts.Now()); err != nil {
		return f, err
	}
	if f.Limit, err = limitOf(c.query, "entries", 0); err != nil {
		return f, err
	}
	states := c.query["state"]
	if f.All = slices.Contains(states, stateAll); !f.All || len(states) > 1 {
		states = slices.DeleteFunc(slices.Clone(states), func(s string) bool { return s == stateAll })
		if f.States, err = wordsOf("state", "states", states, store.Blocked, store.Held, store.Observed); err != nil {
			return f, Usagef("%w, and all", err)
		}
		if len(states) == 0 {
			f.States = []store.State{store.Blocked}
		}
	}
	return f, nil
}

// matching tells which entries are meant by a text: those of an address, of what lies in a network, or whose own texts hold it.
func matching(q string) func(*store.Entry) bool {
	if q == "" {
		return func(*store.Entry) bool { return true }
	}
	if p, err := ParsePrefix(q); err == nil {
		return func(e *store.Entry) bool { return e.Address.Overlaps(p) }
	}
	q = strings.ToLower(q)
	return func(e *store.Entry) bool {
		return slices.ContainsFunc([]string{detect.AddressText(e.Address), e.Rule, e.Reason, e.Device, e.Target, e.By, e.AcceptedBy}, func(s string) bool { return strings.Contains(strings.ToLower(s), q) })
	}
}

// labels gives what looks up the labels of an address or a network, and what is wrong with the label files.
func (a *API) labels(ctx context.Context) (lookup func(netip.Prefix) []string, notes []string, err error) {
	if len(a.opts.Config.Labels) == 0 {
		return func(netip.Prefix) []string { return nil }, nil, nil
	}
	set, err := a.opts.Labels(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, t := range set.Troubles() {
		notes = append(notes, t.What)
	}
	return set.Lists().Lookup, notes, nil
}

// showAddress answers with the fields of the explanation or of what is known of an address without entries, and its labels.
func (a *API) showAddress(c *call) error {
	prefix, err := c.address()
	if err != nil {
		return err
	}
	st, err := a.reading(c)
	if err != nil {
		return err
	}
	ctx := c.r.Context()
	lookup, notes, err := a.labels(ctx)
	if err != nil {
		return err
	}
	beside := struct {
		Labels []string `json:"labels,omitempty"`
		Notes  []string `json:"notes,omitempty"`
	}{lookup(prefix), notes}
	x, err := explain.Of(ctx, st, prefix, a.opts.Config.Blacklist.ReleaseAfter)
	if errors.Is(err, explain.ErrUnknownAddress) {
		u, err := a.unlisted(ctx, st, prefix)
		if err != nil {
			return err
		}
		return c.answer(200, both(u, beside))
	}
	if err != nil {
		return err
	}
	x.Known(enforce.Names(a.opts.Config))
	x.Maintenance(a.opts.Config.LeftAlone)
	switch pause, err := st.Paused(ctx); {
	case err != nil:
		return err
	case pause != nil && pause.Until.After(a.opts.Now()):
		x.Paused()
	}
	if !x.Own() {
		if x.Itself, err = a.unlisted(ctx, st, prefix); err != nil {
			return err
		}
	}
	return c.answer(200, both(x, beside))
}

// unlisted is what is known of an address without an entry of its own, by the present configuration.
func (a *API) unlisted(ctx context.Context, st *store.Store, prefix netip.Prefix) (*explain.Unlisted, error) {
	known, err := a.opts.Known(ctx)
	if err != nil {
		return nil, err
	}
	settings := a.opts.Settings
	whyNot := settings.WhyNot(known.Guard, known.Ours)
	return explain.OfUnlisted(ctx, st, &explain.Judge{Settings: settings, Guard: known.Guard, Input: func(file string) string { return inputOfFile(a.opts.Config, file) },
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

// inputOfFile is how explain's input names the input of a log file that patterns read: the file, or where it is a listener's spool, the URL of that; "URL"
// where there are several.
func inputOfFile(cfg *config.Config, file string) string {
	if _, ok := cfg.InputOf(file); ok {
		return file
	}
	url := ""
	for i := range cfg.Inputs {
		switch in := &cfg.Inputs[i]; {
		case in.Patterns == nil || !in.Listen.On():
		case url != "":
			return "URL"
		default:
			url = in.Listen.URL
		}
	}
	return cmp.Or(url, file)
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
		networks = append(networks, "the network "+e.Address.String()+" is "+e.State.String()+" ("+e.Rule+": "+harmless(e.Reason)+"): "+do)
	}
	if len(networks) == 0 {
		return ""
	}
	return " itself, but " + strings.Join(networks, "; and ") + ". Or put " + detect.AddressText(prefix) + " into never_block and reload: a network that holds such an address is released, too"
}

// reasonsOf names the files that list an address, and those among them that another agent reads.
func reasonsOf(files []store.LabelFile, cfg *config.Config) string {
	var reasons []string
	for _, f := range files {
		reason := harmless(f.Reason())
		if !slices.ContainsFunc(cfg.Labels, func(l config.Label) bool { return l.File == f.Path }) {
			reason += " (of another agent: this configuration does not name it)"
		}
		reasons = append(reasons, reason)
	}
	return strings.Join(reasons, ", and ")
}

// notHeld names what was to be accepted and is not held, and what it is.
func notHeld(ctx context.Context, st *store.Store, prefixes []netip.Prefix, accepted []store.Entry) (others []string, err error) {
	for _, p := range prefixes {
		if slices.ContainsFunc(accepted, func(e store.Entry) bool { return e.Address == p }) {
			continue
		}
		entries, err := st.Covering(ctx, p.Addr())
		if err != nil {
			return nil, err
		}
		state := "not on the blacklist"
		for _, e := range entries {
			if e.ReleasedAt.IsZero() && e.Address.Bits() <= p.Bits() {
				if state = e.State.String(); e.Address != p {
					state += " as " + e.Address.String()
				}
				break
			}
		}
		others = append(others, cmp.Or(detect.AddressText(p), p.String())+" is "+state)
	}
	return others, nil
}
