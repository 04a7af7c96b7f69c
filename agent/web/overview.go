package web

import (
	"net/http"
	"net/url"
	"slices"
	"time"

	"activedefense/agent/allow"
	"activedefense/agent/api"
	"activedefense/agent/display"
	"activedefense/agent/enforce"
	"activedefense/agent/line"
	"activedefense/agent/trouble"
)

// status is what pages show of the state of the agent: the fields have the names that the API gives them.
type status struct {
	Version       string            `json:"version"`
	Started       time.Time         `json:"started"`
	Troubles      []trouble.Trouble `json:"troubles"`
	Ready         bool              `json:"ready"`
	NotReady      []string          `json:"not_ready"`
	Configuration struct {
		Path      string     `json:"path"`
		LoadedAt  time.Time  `json:"loaded_at"`
		RefusedAt *time.Time `json:"refused_at"`
		Faults    []string   `json:"faults"`
	} `json:"configuration"`
	Store struct {
		Kind       string     `json:"kind"`
		LastCommit *time.Time `json:"last_commit"`
		Size       *int64     `json:"size_bytes"`
	} `json:"store"`
	Inputs    []line.InputStatus     `json:"inputs"`
	NotShown  int                    `json:"inputs_not_shown"`
	Files     line.FileSums          `json:"files"`
	Rate      float64                `json:"lines_per_second"`
	Blacklist *int                   `json:"blacklist"`
	Paused    *allow.Pause           `json:"paused"`
	Held      *int                   `json:"held"`
	Observed  *int                   `json:"observed"`
	Firewalls []enforce.Status       `json:"firewalls"`
	Policies  []enforce.PolicyStatus `json:"policies"`
}

func (v *visit) status() (s status, err error) {
	err = v.api.Get(v.r.Context(), "status", nil, &s)
	return s, err
}

// Up is how many firewalls answer.
func (s *status) Up() (n int) {
	for i := range s.Firewalls {
		if s.Firewalls[i].Up {
			n++
		}
	}
	return n
}

// Calm is what is said where there are no troubles, and whether nothing needs a person; what is held needs one to decide.
func (s *status) Calm() (c struct {
	Text string
	Held bool
}) {
	switch c.Text = "Nothing needs a person."; {
	case s.Held == nil:
		c.Text = "No trouble is known. Whether anything is held for a decision is not."
	case *s.Held > 0:
		c.Text, c.Held = "No trouble is known. Held for a decision: "+display.Grouped(*s.Held), true
	}
	return c
}

// newest is how many entries the first page shows.
const newest = "10"

// overviewed is what the first page shows.
type overviewed struct {
	*status
	Newest []api.Entry
	Charts []*chart
	Unread error // why neither could be had from the database; nil: both could
}

func (p *Pages) overview(v *visit) error {
	s, err := v.status()
	if err != nil {
		return err
	}
	out := &overviewed{status: &s}
	query := url.Values{"state": {"blocked", "held", "observed"}, "limit": {newest}}
	if out.Newest, _, out.Unread = v.entries(query); out.Unread == nil {
		out.Charts, out.Unread = p.charts(v.r.Context(), v.api)
	}
	p.show(v, http.StatusOK, "overview", "Overview", out)
	return nil
}

// entries asks for entries of the blacklist.
func (v *visit) entries(query url.Values) (list []api.Entry, rest api.Listed, err error) {
	err = api.Each(v.r.Context(), v.api, "blacklist", query, "entries", &rest, func(e *api.Entry) error {
		list = append(list, *e)
		return nil
	})
	return list, rest, err
}

// WorstFirst gives the inputs in trouble before the others.
func (s *status) WorstFirst() []line.InputStatus {
	inputs := slices.Clone(s.Inputs)
	slices.SortStableFunc(inputs, func(a, b line.InputStatus) int { return a.Rank() - b.Rank() })
	return inputs
}
