package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"activedefense/agent/display"
	"activedefense/agent/members"
	"activedefense/store"
)

// Members are the agents on one database.
type Members struct {
	Members []members.Status `json:"members"`
}

func (a *API) listMembers(c *call) error {
	st, err := a.reading(c)
	if err != nil {
		return err
	}
	list, err := st.Members(c.r.Context())
	if err != nil {
		return err
	}
	out := Members{Members: []members.Status{}}
	for i := range list {
		m := members.Of(&list[i], 0)
		if here := a.self(); here != nil && m.Name == here.Name && m.Host == here.Host && m.Started.Equal(here.Started) {
			m.State, m.Behind, m.Since = here.State, here.Behind, here.Since
		}
		out.Members = append(out.Members, m)
	}
	return c.answer(http.StatusOK, out)
}

// self is what the agent that runs says of itself: in the database is what it said last. nil: none runs.
func (a *API) self() *members.Status {
	if a.opts.Members == nil {
		return nil
	}
	all := a.opts.Members()
	if i := slices.IndexFunc(all, func(m members.Status) bool { return m.Self }); i >= 0 {
		return &all[i]
	}
	return nil
}

// Forgotten are agents that were forgotten.
type Forgotten struct {
	Forgotten []ForgottenMember `json:"forgotten"`
}

// ForgottenMember is one of them.
type ForgottenMember struct {
	Name     string    `json:"name"`
	Host     string    `json:"host"`
	Seen     time.Time `json:"seen_at"`
	Silence  float64   `json:"silence_seconds"`
	Guarded  int       `json:"guarded"`
	Released int       `json:"released"` // that only its label files listed
}

// forgetMember forgets all silent agents of a name: one that lost its state folder leaves an entry beside its new one.
func (a *API) forgetMember(c *call) error {
	st, err := a.changing()
	if err != nil {
		return err
	}
	ctx, name := c.r.Context(), c.r.PathValue("name")
	list, err := st.Members(ctx)
	if err != nil {
		return err
	}
	var there []string
	for _, m := range list {
		there = append(there, m.Name+" (on "+m.Host+")")
	}
	list = slices.DeleteFunc(list, func(m store.Member) bool { return m.Name != name })
	if len(list) == 0 {
		known := "this database has no agent yet"
		if len(there) > 0 {
			known = "this database has " + strings.Join(there, ", ")
		}
		return Usagef("no agent is called %q: %s", name, known)
	}
	var alive *store.Member
	out := Forgotten{}
	for i := range list {
		done, released, err := a.forget(ctx, st, &list[i])
		if err != nil {
			return err
		}
		if !done {
			alive = &list[i]
			continue
		}
		m := &list[i]
		out.Forgotten = append(out.Forgotten, ForgottenMember{m.Name, m.Host, m.Seen, m.Silence.Seconds(), m.Guarded, released})
	}
	if len(out.Forgotten) == 0 {
		return faultf(http.StatusConflict, "agent %s on %s gave a sign of life %s ago, so it is not forgotten: stop it there for good, and repeat this a minute later; "+
			"if it only is behind, activedefense status on that host says what keeps it", alive.Name, alive.Host, display.Span(alive.Silence))
	}
	a.changed()
	return c.answer(http.StatusOK, out)
}

// forget forgets one agent, if it is silent.
func (a *API) forget(ctx context.Context, st *store.Store, m *store.Member) (done bool, released int, err error) {
	if m.Silence <= members.SilentAfter {
		return false, 0, nil
	}
	// First, for when this is broken off it can be repeated.
	if released, err = st.UnlistAll(ctx, m.ID, "agent "+m.Name+", which listed it, was forgotten", a.opts.Now()); err != nil {
		return false, 0, err
	}
	done, err = st.Forget(ctx, m.ID, members.SilentAfter)
	return done, released, err
}
