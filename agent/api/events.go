package api

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"

	"activedefense/agent/explain"
	"activedefense/store"
)

const (
	// lookEvery is how soon a change of the blacklist is told, and rateEvery how often the lines a second.
	lookEvery = 250 * time.Millisecond
	rateEvery = time.Second
)

// Rate is what the event rate tells.
type Rate struct {
	Time  time.Time `json:"time"`
	Lines float64   `json:"lines_per_second"`
}

// events tells what happens from now on as server-sent events: rate each second, and block, hold, observe and release of entries as they
// come.
func (a *API) events(c *call) error {
	if a.opts.Enforced == nil || a.opts.Rate == nil {
		return noAgent()
	}
	if why := refusal(a); why != nil {
		return faultf(http.StatusServiceUnavailable, "%w", why)
	}
	st, err := a.using()
	if err != nil {
		return err
	}
	f := &follower{api: a, c: c, store: st, waiting: make(map[int64]store.State)}
	ctx := c.r.Context()
	if err := f.start(ctx); err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "text/event-stream")
	c.w.WriteHeader(http.StatusOK)
	_ = f.run(ctx) // the client has gone, or the store, or the right to read, of which the end tells
	return nil
}

// A follower tells one client.
type follower struct {
	api     *API
	c       *call
	store   *store.Store
	version int64                 // told up to this one
	newest  int64                 // the last entry that there was when that was told
	waiting map[int64]store.State // what is held or observed, which may be decided
}

// start notes what there is: only what comes is told.
func (f *follower) start(ctx context.Context) (err error) {
	if f.version, err = f.store.Version(ctx); err != nil {
		return err
	}
	if err = f.store.Entries(ctx, store.EntryFilter{All: true, Limit: 1}, func(e *store.Entry) error {
		f.newest = e.ID
		return nil
	}); err != nil {
		return err
	}
	return f.store.Entries(ctx, store.EntryFilter{States: []store.State{store.Held, store.Observed}}, func(e *store.Entry) error {
		f.waiting[e.ID] = e.State
		return nil
	})
}

// run tells until ctx ends, the client does not read, or who asked may do so no more: the token is gone, or the session has ended.
func (f *follower) run(ctx context.Context) error {
	look, rate := time.NewTicker(lookEvery), time.NewTicker(rateEvery)
	defer look.Stop()
	defer rate.Stop()
	for {
		if _, err := f.api.tokens.caller(f.c.r, true); err != nil {
			return err
		}
		if err := f.rate(); err != nil {
			return err
		}
		for told := false; !told; {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-look.C:
				if err := f.look(ctx); err != nil {
					return err
				}
			case <-rate.C:
				told = true
			}
		}
	}
}

func (f *follower) rate() error {
	return f.tell("rate", Rate{f.api.opts.Now(), f.api.opts.Rate()})
}

// look tells what has changed since the last look. That a blocked source was seen again is no news.
func (f *follower) look(ctx context.Context) error {
	if f.api.opts.Enforced() == f.version {
		return nil
	}
	type event struct {
		name  string
		entry explain.BlacklistEntry
	}
	var news []event
	newest := f.newest
	version, err := f.store.Changes(ctx, f.version, func(e *store.Entry) error {
		newest = max(newest, e.ID)
		for _, name := range f.news(e) {
			news = append(news, event{name, explain.NewBlacklistEntry(e, f.api.opts.Config.Blacklist.ReleaseAfter)})
		}
		return nil
	})
	if err != nil {
		return err
	}
	f.version, f.newest = version, newest
	for _, e := range news {
		if err := f.tell(e.name, e.entry); err != nil {
			return err
		}
	}
	return nil
}

// news is what has become of an entry, as far as it is told.
func (f *follower) news(e *store.Entry) []string {
	before, waited := f.waiting[e.ID]
	switch {
	case e.Past():
		return nil
	case !e.ReleasedAt.IsZero() && e.ID > f.newest && !waited && e.State == store.Blocked:
		return []string{"block", "release"} // both since the last look
	case !e.ReleasedAt.IsZero():
		delete(f.waiting, e.ID)
		return []string{"release"}
	case waited && before == e.State, !waited && e.ID <= f.newest:
		return nil
	case e.State == store.Held:
		f.waiting[e.ID] = e.State
		return []string{"hold"}
	case e.State == store.Observed:
		f.waiting[e.ID] = e.State
		return []string{"observe"}
	}
	delete(f.waiting, e.ID)
	return []string{"block"}
}

// tell sends one event at once.
func (f *follower) tell(name string, v any) error {
	var text bytes.Buffer
	fmt.Fprintf(&text, "event: %s\ndata: ", name)
	if err := encode(&text, v); err != nil {
		return err
	}
	text.WriteByte('\n')
	if _, err := f.c.w.Write(text.Bytes()); err != nil {
		return err
	}
	return http.NewResponseController(f.c.w).Flush()
}
