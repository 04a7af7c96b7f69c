package enforce

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/loop"
	"activedefense/config"
	"activedefense/firewall/ours"
	"activedefense/firewall/xmlapi"
	"activedefense/store"
)

const (
	// askEvery is how often a firewall is asked which addresses are ours.
	askEvery = time.Hour
	// askAgain is the least time between two answers when the firewall comes and goes.
	askAgain = time.Minute
	// askFirst and askMost bound the wait after an answer that did not come, which doubles. Before the first answer ever detection
	// may be waiting for it.
	askFirst = 5 * time.Second
	askMost  = 10 * time.Minute
	// askTimeout bounds one question, with the names that are looked up for it.
	askTimeout = 5 * time.Minute
	// namedChanges is how many addresses are named in one log message.
	namedChanges = 10
	// mostProtected is how much of a firewall is kept while its answers lose too much. One answer names at most half of it.
	mostProtected = 32768
	// mostLifts is how many standing blocks an answer may lift.
	mostLifts = 50
)

// An Asker asks a firewall which addresses are ours and whom it talks to, at the start, every hour, and when it is back. What it
// says is kept in the store; an answer that fails, or that loses too much of what was known, leaves it.
type Asker struct {
	name      string
	members   []*xmlapi.Device // of a pair, both
	zones     []string         // that face the internet, as the configuration says
	removal   int              // percent of what it named that an answer may lose
	byOurs    func(store.Protected) bool
	lookup    lookup
	blocked   func() *Snapshot
	protected func(ctx context.Context) error // takes over what was saved
	log       zerolog.Logger
	now       func() time.Time
	timer     func(time.Duration) loop.Timer
	wakeup    loop.Wakeup // the firewall is back
	store     *store.Store

	answered chan struct{} // closed: it has answered, in this run or an earlier one
	once     sync.Once     // of closing it

	mu    sync.Mutex
	state AskStatus
}

// AskStatus is what came of asking a firewall which addresses are ours.
type AskStatus struct {
	Firewall string         `json:"firewall"`
	AskedAt  *time.Time     `json:"asked_at,omitempty"` // when it last answered; nil: never
	Error    string         `json:"error,omitempty"`    // why it did not the last time
	Troubles []ours.Trouble `json:"troubles,omitempty"` // what it names and was not taken over
	Waiting  []string       `json:"waiting,omitempty"`  // what has no address or default route now, such as a name that cannot be resolved
}

// newAsker makes one for an entry of the configuration, with devices of its own: no block waits for it.
func (o *Options) newAsker(fw config.Firewall, members []*xmlapi.Device) (*Asker, error) {
	a := &Asker{
		name: fw.Name, zones: fw.InternetZones, removal: fw.MaxRemovalPercent, byOurs: byOurs(fw), lookup: o.Lookup, blocked: o.Blocked, protected: o.Protected,
		log: o.Logger.With().Str("firewall", fw.Name).Logger(), now: o.Now, timer: o.Timer, wakeup: loop.NewWakeup(),
		answered: make(chan struct{}), state: AskStatus{Firewall: fw.Name},
	}
	for _, m := range members {
		aside, err := m.Clone()
		if err != nil {
			return nil, err
		}
		a.members = append(a.members, aside)
	}
	return a, nil
}

// Restore takes over from the store whether the firewall has answered before.
func (a *Asker) Restore(ctx context.Context, st *store.Store) error {
	a.store = st
	_, asked, err := st.Protected(ctx)
	if err != nil {
		return err
	}
	if at := asked[a.name]; !at.IsZero() {
		a.mu.Lock()
		a.state.AskedAt = &at
		a.mu.Unlock()
		a.once.Do(func() { close(a.answered) })
	}
	return nil
}

// Run asks until ctx ends.
func (a *Asker) Run(ctx context.Context) error {
	defer a.close()
	timer := a.timer(0)
	defer timer.Stop()
	failures := 0
	var last time.Time // of an answer
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.wakeup:
			if since := a.now().Sub(last); failures == 0 && !last.IsZero() && since < askAgain {
				continue // it was just asked
			}
		case <-timer.C:
		}
		err := a.askOnce(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			a.failed(err, failures)
			timer.Reset(min(askFirst<<min(failures, 10), askMost))
			failures++
		default:
			failures, last = 0, a.now()
			timer.Reset(askEvery)
		}
	}
}

func (a *Asker) close() {
	for _, d := range a.members {
		d.Close()
	}
}

// failed notes that the firewall did not answer. The first of several is logged.
func (a *Asker) failed(err error, before int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.state.Error = err.Error()
	switch {
	case before > 0:
	case a.state.AskedAt == nil:
		a.log.Warn().Err(err).Msg("cannot ask the firewall which addresses are ours, and it has never said; retrying; name them in networks.own meanwhile")
	default:
		a.log.Warn().Err(err).Time("known_since", *a.state.AskedAt).Msg("cannot ask the firewall which addresses are ours; what it said last stays; retrying")
	}
}

// askOnce asks the firewall, and takes over what it says.
func (a *Asker) askOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	device, err := a.active(ctx)
	if err != nil {
		return err
	}
	facts, err := ours.Ask(ctx, device, a.zones)
	if err != nil {
		return err
	}
	answer := facts.Read()
	answer = answer.Resolved(a.lookup.all(ctx, answer.Names))
	if err := ctx.Err(); err != nil {
		return err // names were not looked up
	}
	return a.take(ctx, answer)
}

// active gives the member of a pair that has the traffic, and the leases; the passive one if no other answers.
func (a *Asker) active(ctx context.Context) (*xmlapi.Device, error) {
	device, err := xmlapi.Active(ctx, a.members...)
	if xmlapi.Kind(err) != xmlapi.KindPassive {
		return device, err
	}
	for _, d := range a.members {
		if err = d.Identify(ctx); err == nil {
			return d, nil
		}
	}
	return nil, err
}

// take saves an answer, and has it taken over.
func (a *Asker) take(ctx context.Context, answer ours.Answer) error {
	known, _, err := a.store.Protected(ctx)
	if err != nil {
		return err
	}
	known = slices.DeleteFunc(known, func(p store.Protected) bool { return p.Firewall != a.name })
	c := compare(known, answer)
	c.brake(a.removal, a.byOurs)
	c.withhold(a.blocked().Entries)
	at := a.now()
	if err := a.store.SaveProtected(ctx, a.name, at, c.entries()); err != nil {
		return err
	}
	if err := a.protected(ctx); err != nil {
		return err
	}
	a.tell(c, at)
	a.once.Do(func() { close(a.answered) })
	return nil
}

// tell notes an answer for status, and logs what is new in it.
func (a *Asker) tell(c *comparison, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	first, before := a.state.AskedAt == nil, a.state
	a.state = AskStatus{Firewall: a.name, AskedAt: &at, Troubles: c.troubles, Waiting: c.waiting}
	networks, peers := 0, 0
	for _, p := range c.entries() {
		if p.Kind == store.ProtectedPeer {
			peers++
		} else {
			networks++
		}
	}
	switch {
	case first:
		a.log.Info().Int("ours", networks).Int("peers", peers).Msg("the firewall said which addresses are ours, and whom it talks to")
	case len(c.added)+len(c.gone) > 0:
		a.log.Info().Int("ours", networks).Int("peers", peers).Msgf("the firewall %s", changes(c.added, c.gone))
	}
	for _, t := range c.troubles {
		if !slices.Contains(before.Troubles, t) {
			a.log.Warn().Str("remedy", t.Remedy).Msg("not taken over from the firewall: " + t.What)
		}
	}
	if c.leftOut > 0 && first {
		a.log.Warn().Int("count", c.leftOut).Msg("and more that is not taken over from the firewall")
	}
}

// Status gives what came of the last question.
func (a *Asker) Status() AskStatus {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state
}
