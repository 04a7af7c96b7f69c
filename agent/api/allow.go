package api

import (
	"cmp"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"activedefense/agent/allow"
	"activedefense/agent/explain"
	"activedefense/config"
	"activedefense/detect"
	"activedefense/store"
)

// Allowed is an entry of the allow-list.
type Allowed struct {
	Entry     string     `json:"entry"`     // an address, a network or a name
	Addresses []string   `json:"addresses"` // of a name, those that it resolved to last
	Reason    string     `json:"reason"`
	By        string     `json:"by"`
	Since     time.Time  `json:"since"`
	Until     *time.Time `json:"until"` // null: until it is removed
	Resolved  *time.Time `json:"resolved_at,omitempty"`
	Trouble   string     `json:"trouble,omitempty"` // with the last answer for the name
}

func newAllowed(a *store.Allowed) Allowed {
	out := Allowed{Entry: a.Entry, Addresses: []string{}, Reason: a.Reason, By: a.By, Since: a.Since, Trouble: a.Trouble}
	for _, p := range a.Addresses {
		out.Addresses = append(out.Addresses, detect.AddressText(p))
	}
	if !a.Until.IsZero() {
		out.Until = &a.Until
	}
	if !a.Resolved.IsZero() {
		out.Resolved = &a.Resolved
	}
	return out
}

// Allowing is what POST allow takes: one entry, or several.
type Allowing struct {
	Entry   string     `json:"entry,omitempty"`
	Reason  string     `json:"reason,omitempty"`
	Until   *time.Time `json:"until,omitempty"` // null: until it is removed
	Entries []Allowing `json:"entries,omitempty"`
}

// AllowedNow is what came of it.
type AllowedNow struct {
	Allowed []Allowed                `json:"allowed"`
	Lifted  []explain.BlacklistEntry `json:"lifted"` // the blocks that this released, as they are now
	Refused []Refused                `json:"refused,omitempty"`
}

// Refused is one of several that was not done.
type Refused struct {
	Index int    `json:"index"` // its place among those asked for, from 0
	Why   string `json:"why"`
}

func (a *API) listAllowed(c *call) error {
	st, err := a.reading(c)
	if err != nil {
		return err
	}
	list, err := st.Allowed(c.r.Context(), a.opts.Now())
	if err != nil {
		return err
	}
	out := c.newList("allowed")
	for i := range list {
		if err = out.add(newAllowed(&list[i])); err != nil {
			break
		}
	}
	return out.end(struct{}{}, err)
}

// allow puts entries on the list. One alone that is refused is a fault; of several, each stands for itself.
func (a *API) allow(c *call) error {
	var ask Allowing
	if err := c.read(&ask); err != nil {
		return err
	}
	single := len(ask.Entries) == 0
	if single {
		ask.Entries = []Allowing{ask}
	}
	st, err := a.changing()
	if err != nil {
		return err
	}
	asks := make([]allow.Ask, len(ask.Entries))
	for i, one := range ask.Entries {
		asks[i] = allow.Ask{Entry: one.Entry, Reason: one.Reason}
		if one.Until != nil {
			asks[i].Until = *one.Until
		}
	}
	added, lifted, refused, err := allow.Add(c.r.Context(), st, a.opts.Lookup, asks, c.by(), a.opts.Now())
	switch {
	case err != nil:
		return err
	case single && refused[0] != nil:
		return faultf(http.StatusUnprocessableEntity, "%w", refused[0])
	}
	if err := a.guarded(c); err != nil {
		return err
	}
	out := AllowedNow{Allowed: []Allowed{}, Lifted: []explain.BlacklistEntry{}, Refused: refusedOf(refused)}
	for i := range added {
		out.Allowed = append(out.Allowed, newAllowed(&added[i]))
	}
	for i := range lifted {
		out.Lifted = append(out.Lifted, explain.NewBlacklistEntry(&lifted[i], a.opts.Config.Blacklist.ReleaseAfter))
	}
	return c.answer(http.StatusOK, out)
}

// refusedOf gives what was refused in order.
func refusedOf(refused map[int]error) (list []Refused) {
	for _, i := range slices.Sorted(maps.Keys(refused)) {
		list = append(list, Refused{i, refused[i].Error()})
	}
	return list
}

// guarded has what is never blocked taken over at once: it would be within a second.
func (a *API) guarded(c *call) error {
	defer a.changed()
	if a.opts.Guarded == nil {
		return nil
	}
	return a.opts.Guarded(c.r.Context())
}

func (a *API) disallow(c *call) error {
	st, err := a.changing()
	if err != nil {
		return err
	}
	reason := c.query.Get("reason")
	if strings.TrimSpace(reason) == "" {
		reason = "removed by hand"
	}
	gone, err := allow.Remove(c.r.Context(), st, c.r.PathValue("entry"), c.by(), reason, a.opts.Now())
	if refusal, is := errors.AsType[*allow.Refusal](err); is {
		return Usagef("%w", refusal)
	}
	if errors.Is(err, store.ErrNotAllowed) {
		return faultf(http.StatusNotFound, "%w", err)
	}
	if err != nil {
		return err
	}
	if err := a.guarded(c); err != nil {
		return err
	}
	return c.answer(http.StatusOK, newAllowed(&gone))
}

// Pausing is what POST blacklist/pause takes, and POST blacklist/resume without For.
type Pausing struct {
	For    string `json:"for,omitempty"` // a duration; empty: an hour
	Reason string `json:"reason,omitempty"`
}

// Paused is the pause that is in effect, or that was ended; null: there was none.
type Paused struct {
	Paused *allow.Pause `json:"paused"`
}

func (a *API) pause(c *call) error {
	var ask Pausing
	if err := c.ask(&ask); err != nil {
		return err
	}
	length := allow.DefaultPause
	if ask.For != "" {
		var err error
		if length, err = config.ParseDuration(ask.For); err != nil {
			return Usagef("for %q: use a duration such as 1h or 30m", ask.For)
		}
	}
	st, err := a.changing()
	if err != nil {
		return err
	}
	p, err := allow.Begin(c.r.Context(), st, length, ask.Reason, c.by(), a.opts.Now())
	if refusal, is := errors.AsType[*allow.Refusal](err); is {
		return Usagef("%w", refusal)
	}
	if err != nil {
		return err
	}
	a.changed()
	return c.answer(http.StatusOK, Paused{p})
}

func (a *API) resume(c *call) error {
	var ask struct {
		Reason string `json:"reason"`
	}
	if err := c.ask(&ask); err != nil {
		return err
	}
	st, err := a.changing()
	if err != nil {
		return err
	}
	was, err := st.Unpause(c.r.Context(), c.by(), cmp.Or(strings.TrimSpace(ask.Reason), "resumed by hand"), a.opts.Now())
	if err != nil {
		return err
	}
	a.changed()
	return c.answer(http.StatusOK, Paused{allow.NewPause(was)})
}
