package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"activedefense/agent/api"
	"activedefense/agent/display"
)

// mostMany is how many entries are released or accepted at once.
const mostMany = 10_000

// mostNamed is how many of them are named where it is asked whether that is meant.
const mostNamed = 100

// many is what is to be done with many entries, and what came of it.
type many struct {
	Do             string // as the form has it
	Accept         bool   // else they are released
	State, Q, Rule string // of the search that finds them
	Chosen         []string
	All            bool // all that the search finds, else the chosen ones
	N              int
	Asked          string // the number that was asked for, where it is another one now
	Reason         string
	Done           int
	Not            []string // what was not done, and why
}

// Named are those that are named, More how many others there are.
func (m *many) Named() []string { return m.Chosen[:min(len(m.Chosen), mostNamed)] }
func (m *many) More() int       { return len(m.Chosen) - len(m.Named()) }

// Entries is how many there are, in words.
func (m *many) Entries() string { return display.Plural(m.N, "entry") }

// Search is the list that they were chosen from.
func (m *many) Search() string { return "/ui/blocked?" + m.query().Encode() }

func (m *many) query() url.Values {
	query := url.Values{}
	for name, value := range map[string]string{"state": m.State, "q": m.Q, "rule": m.Rule} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return query
}

// decideMany releases or accepts many entries, after it has shown how many they are and was told that this is meant.
func (p *Pages) decideMany(v *visit) error {
	m := &many{Do: v.form.Get("do"), State: v.form.Get("state"), Q: strings.TrimSpace(v.form.Get("q")), Rule: v.form.Get("rule"), Chosen: v.form["address"], Reason: v.form.Get("reason")}
	var do string
	do, m.All = strings.CutSuffix(m.Do, "-all")
	if m.Accept = do == "accept"; !m.Accept && do != "release" {
		return api.Usagef("do %q: release or accept entries, or release-all or accept-all for those of the search", m.Do)
	}
	if m.All {
		if err := v.find(m); err != nil {
			return err
		}
	}
	switch m.N = len(m.Chosen); {
	case m.N == 0:
		return api.Usagef("no entry is chosen")
	case m.N > mostMany:
		return api.Usagef("more than %s entries are found: search for fewer, or use activedefense blacklist on the daemon's host", display.Grouped(mostMany))
	}
	if sure := v.form.Get("sure"); sure != strconv.Itoa(m.N) {
		m.Asked = sure
		p.show(v, http.StatusOK, "many", map[bool]string{true: "Accept", false: "Release"}[m.Accept]+" "+m.Entries(), m)
		return nil
	}
	if err := v.decide(m); err != nil {
		return err
	}
	p.show(v, http.StatusOK, "many", map[bool]string{true: "Accepted", false: "Released"}[m.Accept], m)
	return nil
}

// find chooses what the search finds and can be decided about.
func (v *visit) find(m *many) error {
	query := m.query()
	query.Set("limit", strconv.Itoa(mostMany+1))
	entries, _, err := v.entries(query)
	m.Chosen = nil
	for i := range entries {
		if e := &entries[i]; e.ReleasedAt == nil && (!m.Accept || e.State == "held") {
			m.Chosen = append(m.Chosen, e.Address)
		}
	}
	return err
}

// decide does it.
func (v *visit) decide(m *many) error {
	if m.Accept {
		var out api.Accepted
		err := v.api.Post(v.r.Context(), "blacklist/accept", api.Accepting{Addresses: m.Chosen}, &out)
		m.Done, m.Not = len(out.Entries), out.NotHeld
		return err
	}
	var out api.RemovedAll
	if err := v.api.DeleteOf(v.r.Context(), "blacklist", api.Removing{Addresses: m.Chosen, Reason: m.Reason}, &out); err != nil {
		return err
	}
	m.Done = len(out.Entries)
	for _, r := range out.Refused {
		m.Not = append(m.Not, r.Why)
	}
	if gone := m.N - m.Done - len(m.Not); gone > 0 {
		m.Not = append(m.Not, display.Plural(gone, "entry")+" had ended already")
	}
	return nil
}
