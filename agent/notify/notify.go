// Package notify delivers notices from the store's outbox: by mail, to webhooks, to AbuseIPDB and as syslog messages. Each receiver has a goroutine
// and a place in the outbox of its own, gets what it wants in order (a webhook: troubles before what is blocked), at least once and each time under the same id, and is
// tried until it takes it: after a second, then after twice as long each time, up to five minutes. None waits for another, and nobody waits for any of them. What a
// receiver refuses for what it says is told with less, and given up where it takes everything else.
//
// The package writes no notices and decides nothing about them; it knows neither firewalls nor SQL.
package notify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"activedefense/agent/display"
	"activedefense/agent/loop"
	"activedefense/config"
	"activedefense/store"
)

const (
	lookEvery  = 500 * time.Millisecond // for new notices, as a rule
	storeLimit = 5 * time.Second        // of a question to the store
	callLimit  = 10 * time.Second       // of one delivery
	firstTry   = time.Second            // until a failed one is tried again, doubling
	lastTry    = 5 * time.Minute        // at most
	mostKept   = 100_000                // notices in the outbox; beyond it the oldest of the blacklist become a number
	pruneEach  = time.Minute
)

// Options say who is told, and by whom.
type Options struct {
	Config  *config.Notify
	Name    string // of this agent; empty: the host's
	Version string // of the program
	Logger  zerolog.Logger
	Now     func() time.Time
}

// A Notifier delivers an agent's notices. It is made once, attached to a store when there is one, and run.
type Notifier struct {
	receivers []*receiver
	log       zerolog.Logger
	now       func() time.Time
	every     time.Duration // it is looked for new notices

	store atomic.Pointer[store.Store] // nil: there is none yet
	seen  int64                       // number of the newest notice when it was last looked
}

// New makes one. The error is of what cannot work, such as certificates that are none.
func New(o Options) (*Notifier, error) {
	o.Logger = o.Logger.With().Str("part", "notices").Logger()
	n := &Notifier{log: o.Logger, now: o.Now, every: lookEvery}
	receivers, err := receiversOf(&o)
	if err != nil {
		return nil, err
	}
	for _, r := range receivers {
		r.notifier, r.wake, r.status.Receiver = n, loop.NewWakeup(), r.name
		n.receivers = append(n.receivers, r)
	}
	return n, nil
}

// Continue takes over how an earlier notifier, which has ended, found the receivers that are still there: what it counted, and since when one takes
// nothing. It is for the beginning, before Run.
func (n *Notifier) Continue(former *Notifier) {
	for _, r := range n.receivers {
		for _, f := range former.receivers {
			if f.key == r.key {
				f.mu.Lock()
				r.status = f.status
				f.mu.Unlock()
				r.status.Receiver = r.name
			}
		}
	}
}

// receiversOf makes the receivers that a configuration names, and gives who tells them its name, where it has none.
func receiversOf(o *Options) (all []*receiver, err error) {
	c := o.Config
	if o.Name == "" {
		if o.Name, err = os.Hostname(); err != nil {
			return nil, err
		}
	}
	if c.Mail.Server != "" {
		if all, err = mails(*o); err != nil {
			return nil, fmt.Errorf("notify.mail: %w", err)
		}
	}
	names := make(map[string]int)
	for i := range c.Webhooks {
		r, err := newWebhook(&c.Webhooks[i], o.Version)
		if err != nil {
			return nil, fmt.Errorf("notify.webhooks[%d]: %w", i, err)
		}
		if names[r.name]++; names[r.name] > 1 {
			r.name += fmt.Sprintf("-%d", names[r.name])
		}
		all = append(all, r)
	}
	if c.AbuseIPDB.APIKey != "" {
		all = append(all, newReporter(&c.AbuseIPDB, abuseURL, *o).receiver())
	}
	if c.Syslog.Network != "" {
		r, err := newSyslog(*o)
		if err != nil {
			return nil, fmt.Errorf("notify.syslog: %w", err)
		}
		all = append(all, r)
	}
	return all, nil
}

// Any tells whether there is anybody to tell.
func (n *Notifier) Any() bool { return len(n.receivers) > 0 }

// Attach has the notices of a store delivered, which is to stay open until Run has ended. A receiver that it does not know gets what waits for one of its kind that
// the configuration no longer names, as it may be the same one at its right address; without such a one, what comes from now on.
func (n *Notifier) Attach(ctx context.Context, st *store.Store) error {
	var keys []string
	names := make(map[string]string)
	for _, r := range n.receivers {
		keys, names[r.key] = append(keys, r.key), r.name
	}
	gone, err := st.SetReceivers(ctx, keys)
	if err != nil {
		return err
	}
	for _, g := range gone {
		kind, _, _ := strings.Cut(g.Name, " ")
		var by []string
		for _, key := range g.By {
			by = append(by, names[key])
		}
		switch {
		case g.Waiting == 0:
		case len(by) == 0:
			n.log.Warn().Str("receiver", kind).Int64("waiting", g.Waiting).Msg("the configuration no longer names a receiver, nor another of its kind instead: what waited for it is dropped")
		default:
			n.log.Info().Str("receiver", kind).Int64("waiting", g.Waiting).Strs("to", by).Msg("the configuration names another receiver instead of one: what waited for that goes to it")
		}
	}
	n.store.Store(st)
	return nil
}

// errNoStore says that there is no store, or none yet.
var errNoStore = errors.New("the store was not reached yet")

// within does something short with the store: one that hangs keeps nobody from what is told without it.
func (n *Notifier) within(ctx context.Context, do func(context.Context, *store.Store) error) error {
	st := n.store.Load()
	if st == nil {
		return errNoStore
	}
	ctx, cancel := context.WithTimeout(ctx, storeLimit)
	defer cancel()
	return do(ctx, st)
}

// Run delivers until ctx ends.
func (n *Notifier) Run(ctx context.Context) error {
	if !n.Any() {
		return nil
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, r := range n.receivers {
		group.Go(func() error { return r.run(ctx) })
	}
	group.Go(func() error {
		tick := time.NewTicker(n.every)
		defer tick.Stop()
		for pruned := n.now(); ; {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
			n.lookOnce(ctx)
			if n.now().Sub(pruned) >= pruneEach {
				pruned = n.now()
				// What cannot be removed now is in a minute; that the store is away is told elsewhere.
				_ = n.within(ctx, func(ctx context.Context, st *store.Store) error { return st.PruneNotices(ctx, mostKept) })
			}
		}
	})
	return group.Wait()
}

// lookOnce wakes the receivers if there are new notices.
func (n *Notifier) lookOnce(ctx context.Context) {
	var last int64
	err := n.within(ctx, func(ctx context.Context, st *store.Store) (err error) {
		last, err = st.LastNotice(ctx)
		return err
	})
	if err != nil || last == n.seen {
		return
	}
	n.seen = last
	for _, r := range n.receivers {
		r.wake.Wake()
	}
}

// Tell has a notice delivered that cannot be stored, to all who want it, as long as this process lives. Its ID is to be set.
func (n *Notifier) Tell(notice store.Notice) {
	for _, r := range n.receivers {
		r.tell(notice)
	}
}

// Troubles gives what was told to have begun and not to be over. ok is false where the store cannot say.
func (n *Notifier) Troubles(ctx context.Context) (list []store.ToldTrouble, ok bool) {
	err := n.within(ctx, func(ctx context.Context, st *store.Store) (err error) {
		list, err = st.ToldTroubles(ctx)
		return err
	})
	return list, err == nil
}

// TellTroubles stores what is told of troubles.
func (n *Notifier) TellTroubles(ctx context.Context, troubles []store.ToldTrouble) error {
	return n.within(ctx, func(ctx context.Context, st *store.Store) error { return st.TellTroubles(ctx, troubles...) })
}

// Status is the state of one receiver.
type Status struct {
	Receiver  string     `json:"receiver"`
	Waiting   int64      `json:"waiting"`          // notices that it has not got yet
	Oldest    *time.Time `json:"oldest,omitempty"` // when the first of them was written
	Delivered uint64     `json:"delivered"`        // since the start
	Failures  uint64     `json:"failures"`         // calls that failed since the start
	Failing   bool       `json:"failing"`          // the last call failed
	Since     *time.Time `json:"failing_since,omitempty"`
	Error     string     `json:"error,omitempty"` // why a call failed last
	FailedAt  *time.Time `json:"failed_at,omitempty"`
	LastAt    *time.Time `json:"delivered_at,omitempty"` // when it last took something
	GivenUp   uint64     `json:"given_up"`               // notices that it refused for good and did not get, since the start
	GivenUpAt *time.Time `json:"given_up_at,omitempty"`  // the last of them
}

// Status gives the state of all receivers.
func (n *Notifier) Status() []Status {
	list := make([]Status, 0, len(n.receivers))
	for _, r := range n.receivers {
		r.mu.Lock()
		list = append(list, r.status)
		r.mu.Unlock()
	}
	return list
}

// Result is what came of a test.
type Result struct {
	Receiver string `json:"receiver"`
	Error    string `json:"error,omitempty"` // empty: it took the notice
}

// ErrUnknownReceiver says that the configuration has no such receiver.
var ErrUnknownReceiver = errors.New("no such receiver")

// Test sends a notice that says that it is a test to each receiver, or to the one of that name, or all whose names begin with it (mail, webhook), and gives what came of it. AbuseIPDB is asked whether it
// takes the key, and told nothing.
func Test(ctx context.Context, o Options, name string) (results []Result, err error) {
	all, err := receiversOf(&o)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, r := range all {
		names = append(names, r.name)
	}
	if name != "" {
		exact := slices.Contains(names, name)
		all = slices.DeleteFunc(all, func(r *receiver) bool { return r.name != name && (exact || !strings.HasPrefix(r.name, name+"-")) })
		if len(all) == 0 {
			return nil, fmt.Errorf("%w: %s; there are: %s", ErrUnknownReceiver, name, strings.Join(names, ", "))
		}
	}
	notice := testNotice(o.Name, o.Now())
	mailed := make(map[string]bool)
	for _, r := range all {
		if kind, address, _ := strings.Cut(r.key, " "); strings.HasPrefix(kind, "mail") {
			if mailed[address] { // of an address, one test is enough
				continue
			}
			mailed[address] = true
		}
		result := Result{Receiver: r.name}
		call, cancel := context.WithTimeout(ctx, callLimit)
		if err := r.test(call, notice); err != nil {
			result.Error = said(err)
		}
		cancel()
		results = append(results, result)
	}
	return results, nil
}

// errNoAnswer says that a receiver took too long.
var errNoAnswer = fmt.Errorf("no answer within %s", callLimit)

// said writes an error for people, on one line: what another program answered may be long and hold anything.
func said(err error) string {
	lines := strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' })
	return clip(display.Harmless(strings.Join(lines, "; ")), 500)
}

// clip gives at most so many bytes of a text, and whole characters.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
