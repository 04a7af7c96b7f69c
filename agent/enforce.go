package agent

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"activedefense/firewall"
	"activedefense/store"
)

const (
	// reconcileEvery is how often everything on a firewall is read back and compared.
	reconcileEvery = 5 * time.Minute
	// renewEvery is how often registrations are looked over for their timeouts in between.
	renewEvery = time.Minute
	// passTime is after how long a pass leaves the rest of a long backlog to the next one, so that a new
	// block does not wait behind the first 50,000.
	passTime = 2 * time.Second
	// retryFirst and retryMost bound the wait after a failed pass.
	retryFirst = time.Second
	retryMost  = time.Minute
	// standbyEvery is how often the passive member of a pair is tried that takes no tags: it may have become the active one.
	standbyEvery = 5 * time.Second
	// saveTimeout bounds noting in the store what a firewall holds, for which a stop waits.
	saveTimeout = stopGrace
	// namedRefusals is how many addresses are named in one log message.
	namedRefusals = 5
)

// A keeper brings one firewall level with the blacklist in one of the modes.
type keeper interface {
	Reconcile(ctx context.Context, desired []firewall.Entry, full bool) (firewall.Report, error)
	Restore(until map[netip.Prefix]time.Time)
}

// An enforcer brings one firewall level with the blacklist, and keeps it so. Each has a goroutine and a
// connection of its own: a broken firewall delays no other.
type enforcer struct {
	name     string
	devices  []*firewall.Device
	paired   bool // devices are of a pair of high availability
	keeper   keeper
	fallback *fallback       // nil: no list is served, or it is the mode itself
	sessions []*sessionEnder // one for each member; empty: sessions are left alone
	desired  func() *snapshot
	store    *store.Store
	log      zerolog.Logger
	now      func() time.Time
	timer    func(time.Duration) timer // newTimer
	wakeup   chan struct{}
	back     []func() // called when the first pass has succeeded, and the first after any that failed; they do not block

	put  map[netip.Prefix]store.Enforcement // to be noted in the store
	drop map[netip.Prefix]bool

	mu    sync.Mutex
	state FirewallStatus
}

func newEnforcer(name string, log zerolog.Logger) *enforcer {
	return &enforcer{
		name: name, log: log, now: time.Now, timer: newTimer, wakeup: make(chan struct{}, 1),
		put: make(map[netip.Prefix]store.Enforcement), drop: make(map[netip.Prefix]bool),
		state: FirewallStatus{Name: name},
	}
}

// FirewallStatus is what `status` and /status say of one firewall.
type FirewallStatus struct {
	Name             string     `json:"name"`
	Mode             string     `json:"mode"`
	Up               bool       `json:"up"`                // the last pass succeeded, or it stands by
	Standby          bool       `json:"standby,omitempty"` // a passive member of a pair, which takes no tags until it is active
	Error            string     `json:"error,omitempty"`
	ErrorKind        string     `json:"error_kind,omitempty"`
	ErrorSince       *time.Time `json:"error_since,omitempty"`
	Failures         uint64     `json:"failures"` // passes failed in a row
	Model            string     `json:"model,omitempty"`
	Version          string     `json:"version,omitempty"`
	Hostname         string     `json:"hostname,omitempty"`
	Desired          int        `json:"desired"` // addresses on the blacklist
	Tags             int        `json:"tags"`    // of ours that stand on the firewall
	LastSuccess      *time.Time `json:"last_success,omitempty"`
	LastFull         *time.Time `json:"last_full,omitempty"` // when everything was last read back
	PlanAdd          int        `json:"plan_add"`            // of the last pass
	PlanRemove       int        `json:"plan_remove"`
	Unsupported      []string   `json:"unsupported,omitempty"` // addresses the mode cannot hold, with the reason; the first ones
	UnsupportedCount int        `json:"unsupported_count"`
	Refused          []string   `json:"refused,omitempty"` // addresses that the firewall refused, with its words; the first ones
	RefusedCount     int        `json:"refused_count"`
	ListIgnored      int        `json:"list_ignored"`    // entries for which the firewall has no room; only in mode edl
	ListInvalid      int        `json:"list_invalid"`    // lines of the list that it calls no entries; likewise
	Brake            string     `json:"brake,omitempty"` // why removals are held back
	Waiting          float64    `json:"waiting_seconds"` // until changes that wait for a commit or a refresh are carried out
	Fallback         bool       `json:"fallback"`        // the list stands in for what the mode cannot do
}

func (e *enforcer) wake() {
	select {
	case e.wakeup <- struct{}{}:
	default:
	}
	if e.fallback != nil {
		e.fallback.wake()
	}
}

// restore tells the firewall what an earlier run noted, so that timeouts are not renewed all at once.
func (e *enforcer) restore(ctx context.Context, st *store.Store) error {
	e.store = st
	held, err := e.store.Enforced(ctx, e.name)
	if err != nil {
		return fmt.Errorf("read what firewall %s held: %w", e.name, err)
	}
	until := make(map[netip.Prefix]time.Time, len(held))
	for _, h := range held {
		until[h.Address] = h.Until
	}
	e.keeper.Restore(until)
	return nil
}

// run keeps the firewall level until ctx ends, and does beside it what must hold up no pass: ending sessions, and having
// the list fetched.
func (e *enforcer) run(ctx context.Context) error {
	defer e.close()
	group, ctx := errgroup.WithContext(ctx)
	for _, s := range e.sessions {
		group.Go(func() error { return s.run(ctx) })
	}
	if e.fallback != nil {
		group.Go(func() error { return e.fallback.run(ctx) })
	}
	group.Go(func() error { return e.passes(ctx) })
	return group.Wait()
}

// passes makes passes until ctx ends: at once when woken, a full one every reconcileEvery, and after a
// failure with a growing wait, for ever.
func (e *enforcer) passes(ctx context.Context) error {
	full, level, standby := true, false, false
	var lastFull time.Time
	failures := 0
	timer := e.timer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-e.wakeup:
			if !level { // a wake-up does not shorten the wait of a broken firewall
				continue
			}
		case <-timer.C:
		}
		if standby && e.stillPassive(ctx) { // one call, where a pass may read everything
			timer.Reset(standbyEvery)
			continue
		}
		if e.now().Sub(lastFull) >= reconcileEvery {
			full = true
		}
		report, err := e.passOnce(ctx, full)
		standby = e.standsBy(err)
		switch {
		case ctx.Err() != nil:
			return nil
		case standby:
			full, level, failures = true, false, 0
			timer.Reset(standbyEvery)
		case err != nil:
			failures++
			full, level = true, false // what stands is in doubt
			timer.Reset(min(retryFirst<<min(failures-1, 6), retryMost))
		default:
			if !level {
				for _, tell := range e.back {
					tell()
				}
			}
			level, failures = true, 0
			if full {
				lastFull, full = e.now(), false
			}
			timer.Reset(nextPass(report))
		}
	}
}

// standsBy tells whether a pass ended because the firewall is the passive member of a pair and takes no tags. That is no
// trouble: the active one does, and it blocks.
func (e *enforcer) standsBy(err error) bool {
	return e.paired && len(e.devices) == 1 && firewall.Kind(err) == firewall.KindPassive
}

// stillPassive asks a firewall that stands by; trouble in asking is for a pass to find.
func (e *enforcer) stillPassive(ctx context.Context) bool {
	passive, err := e.devices[0].Passive(ctx)
	return passive && err == nil
}

// nextPass is when the next pass comes if nobody wakes the enforcer.
func nextPass(r firewall.Report) time.Duration {
	switch {
	case r.Backlog > 0:
		return 0
	case r.Waiting > 0:
		return min(r.Waiting, renewEvery)
	}
	return renewEvery
}

func (e *enforcer) close() {
	for _, d := range e.devices {
		d.Close()
	}
}

// passOnce brings the firewall level with the blacklist as it is now, as far as one pass can.
func (e *enforcer) passOnce(ctx context.Context, full bool) (firewall.Report, error) {
	desired := e.desired()
	report, err := e.keeper.Reconcile(ctx, desired.entries, full)
	e.note(report)
	e.save(ctx)
	if e.fallback != nil {
		e.fallback.judge(report, err)
		if len(report.Unregistered) > 0 {
			e.fallback.released(desired.version)
		}
	}
	if ctx.Err() == nil { // a pass that a stop breaks off says nothing about the firewall
		e.show(report, len(desired.entries), err)
	}
	for _, s := range e.sessions {
		s.end(report.Registered)
	}
	return report, err
}

// note keeps what the pass changed, also of one that failed half-way.
func (e *enforcer) note(r firewall.Report) {
	for _, prefix := range r.Gone {
		e.drop[prefix] = true
		delete(e.put, prefix)
	}
	for _, list := range [][]firewall.Entry{r.Registered, r.Renewed} {
		for _, entry := range list {
			e.put[entry.Prefix] = store.Enforcement{Firewall: e.name, Address: entry.Prefix, Since: e.now(), Until: entry.Until}
			delete(e.drop, entry.Prefix)
		}
	}
	for _, prefix := range r.Unregistered {
		e.drop[prefix] = true
		delete(e.put, prefix)
	}
}

// save writes it to the store, for `blacklist show` and the next start. It is repeated with the next
// pass if the store is away: the firewall itself is the truth about what it holds.
func (e *enforcer) save(ctx context.Context) {
	if len(e.put) == 0 && len(e.drop) == 0 {
		return
	}
	put := make([]store.Enforcement, 0, len(e.put))
	for _, p := range e.put {
		put = append(put, p)
	}
	drop := make([]netip.Prefix, 0, len(e.drop))
	for p := range e.drop {
		drop = append(drop, p)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	if err := e.store.SaveEnforced(ctx, e.name, put, drop); err != nil {
		e.log.Debug().Err(err).Msg("cannot note what the firewall holds; repeated with the next pass")
		return
	}
	clear(e.put)
	clear(e.drop)
}

// show updates the state for status and metrics, and logs what changed.
func (e *enforcer) show(r firewall.Report, desired int, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s, now := &e.state, e.now()
	s.Desired = desired
	for _, d := range slices.Backward(e.devices) {
		if info := d.Info(); info.Version != "" {
			s.Model, s.Version, s.Hostname = info.Model, info.Version, info.Hostname
		}
	}
	s.Waiting, s.Fallback = r.Waiting.Seconds(), e.fallback != nil && e.fallback.active.Load()
	s.ListIgnored, s.ListInvalid = r.Ignored, r.Invalid
	s.PlanAdd, s.PlanRemove = len(r.Registered)+len(r.Renewed), len(r.Unregistered)
	standby := s.Standby
	switch s.Standby = e.standsBy(err); {
	case s.Standby:
		if !standby {
			e.log.Info().Msg("this member of the pair is passive and takes no tags; it is brought level when it becomes active")
		}
		s.Up, s.Error, s.ErrorKind, s.ErrorSince, s.Failures = true, "", "", nil, 0
		return
	case err != nil:
		e.failed(s, err, now)
		return
	case standby:
		e.log.Info().Msg("this member of the pair takes tags now, and is level with the blacklist")
	}
	if s.Failures > 0 {
		e.log.Info().Uint64("failures", s.Failures).Dur("away", now.Sub(*s.ErrorSince)).Msg("firewall is back and level with the blacklist")
	}
	s.Up, s.Error, s.ErrorKind, s.ErrorSince, s.Failures = true, "", "", nil, 0
	s.LastSuccess, s.Tags = &now, r.Standing
	if r.Full {
		s.LastFull = &now
	}
	e.showDetails(s, r)
	if len(r.Registered)+len(r.Unregistered) > 0 || r.Committed {
		message := "firewall brought level"
		if r.Committed {
			message += " by a commit"
		}
		e.log.Info().Int("registered", len(r.Registered)).Int("renewed", len(r.Renewed)).Int("unregistered", len(r.Unregistered)).
			Int("standing", r.Standing).Dur("took", r.Took).Msg(message)
	}
}

// failed notes a failed pass: the first is logged, and any of another kind.
func (e *enforcer) failed(s *FirewallStatus, err error, now time.Time) {
	kind := firewall.Kind(err)
	if s.Failures == 0 || kind != s.ErrorKind {
		meanwhile := "the list stays as fallback"
		if s.Mode == firewall.ModeList {
			meanwhile = "it keeps the list that it fetched last, if any" // and "activedefense verify" says what is missing
		}
		e.log.Error().Err(err).Str("kind", kind).Msg("firewall cannot be brought level; trying again for ever, " + meanwhile)
	}
	if s.Failures == 0 {
		s.ErrorSince = &now
	}
	s.Up, s.Error, s.ErrorKind = false, err.Error(), kind
	s.Failures++
}

// showDetails names what could not be enforced, when it changes.
func (e *enforcer) showDetails(s *FirewallStatus, r firewall.Report) {
	unsupported := make([]string, 0, min(len(r.Unsupported), namedRefusals))
	for _, u := range r.Unsupported[:min(len(r.Unsupported), namedRefusals)] {
		unsupported = append(unsupported, AddressText(u.Prefix)+": "+u.Reason)
	}
	if len(r.Unsupported) != s.UnsupportedCount && len(r.Unsupported) > 0 {
		e.log.Warn().Int("count", len(r.Unsupported)).Strs("addresses", unsupported).
			Msg("not enforceable on this firewall in its mode; they stay on the list")
	}
	s.Unsupported, s.UnsupportedCount = unsupported, len(r.Unsupported)

	e.showRefused(s, r)
	brake := ""
	if r.Braked != nil {
		brake = fmt.Sprintf("%s; held back until firewalls[].max_removal_percent of %s is raised", r.Braked, e.name)
	}
	// The numbers change with every block; the log has those of the beginning, status those of now.
	switch {
	case brake != "" && s.Brake == "":
		e.log.Error().Msg("BRAKE: " + brake)
	case brake == "" && s.Brake != "":
		e.log.Info().Msg("the brake is off: removals are carried out again")
	}
	s.Brake = brake
}

// showRefused names what the firewall refused. A full pass tries everything anew; the ones in between
// report only what was refused in addition.
func (e *enforcer) showRefused(s *FirewallStatus, r firewall.Report) {
	before := s.RefusedCount
	if r.Full {
		s.Refused, s.RefusedCount = nil, 0
	}
	s.RefusedCount += len(r.Refused)
	for _, x := range r.Refused[:min(len(r.Refused), namedRefusals-min(len(s.Refused), namedRefusals))] {
		s.Refused = append(s.Refused, AddressText(x.Prefix)+": "+x.Message)
	}
	if s.RefusedCount > 0 && s.RefusedCount != before {
		e.log.Error().Int("count", s.RefusedCount).Strs("addresses", s.Refused).
			Msg("refused by the firewall; they stay on the list, and are tried again with the next full pass")
	}
}

// status gives a copy.
func (e *enforcer) status() FirewallStatus {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.state
	s.Unsupported, s.Refused = slices.Clone(s.Unsupported), slices.Clone(s.Refused)
	return s
}
