package agent

import (
	"cmp"
	"context"
	"errors"
	"os"
	"time"

	"activedefense/agent/enforce"
	"activedefense/agent/health"
	"activedefense/agent/labels"
	"activedefense/agent/loop"
	"activedefense/agent/members"
	"activedefense/agent/own"
	"activedefense/config"
	"activedefense/detect"
	"activedefense/store"
)

const (
	// guardEvery is how often the own addresses are looked up anew, guardRetry the same after one was not found.
	guardEvery = time.Hour
	guardRetry = time.Minute
	// firstAnswers is how long, for all firewalls together, reading waits for those that have never said which addresses are ours.
	firstAnswers = time.Minute
)

// Known tells what is ours and what may never be blocked, for a command: by the configuration, this host's addresses, those of
// the firewalls, what label files list as never to be blocked, and what the firewalls said, if st is not nil. Names that cannot be resolved now are passed over.
func Known(ctx context.Context, cfg *config.Config, st *store.Store) (*own.Known, error) {
	addresses := own.New(cfg, nil)
	set, err := Labels(ctx, cfg, st)
	addresses.Spare(own.Listed(set.Lists()))
	addresses.Look(ctx)
	if st == nil {
		return addresses.Known(), nil
	}
	protected, _, protectedErr := st.Protected(ctx)
	addresses.Take(protected)
	guards, guardsErr := st.Guards(ctx)
	addresses.Share(guards)
	allowed, allowedErr := st.Allowed(ctx, time.Now())
	addresses.Allow(allowed)
	return addresses.Known(), errors.Join(err, protectedErr, guardsErr, allowedErr)
}

// renew makes what is known now of what is ours known to everyone.
func (a *Agent) renew() {
	a.renewing.Lock()
	defer a.renewing.Unlock()
	known := a.own.Known()
	a.guard.Store(known.Guard)
	a.known.Store(known)
	a.relist.Wake()
	a.announce.Wake()
}

// ours is what is known to belong to us.
func (a *Agent) ours() *detect.Ours { return a.known.Load().Ours }

// newMembers makes the agent's view of those on its database.
func newMembers(a *Agent, st *store.Store) *members.Members {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	behind := func() string {
		switch {
		case a.health.LostError() != nil:
			return "it refuses the database, which is not what it was"
		case !a.reading.Load():
			return "its inputs are not open yet"
		case a.lookout.CaughtUp(a.now()):
			return ""
		}
		if why, _ := a.lookout.Last(); why != "" {
			return why
		}
		return "not all lines have been read"
	}
	return members.New(members.Options{
		Store: st, Started: a.started, Behind: behind, Known: a.known.Load, Back: a.fleet.Ask, Now: a.now, Asked: a.clock.Asked, Log: a.log,
		Sign: store.Sign{Name: cmp.Or(a.cfg.Name, host), Host: host, Version: a.version, Firewalls: enforce.Names(a.cfg)},
	}, a.announce)
}

// takeProtected takes over what the firewalls named, what other agents never block and what persons allow, and has every entry of the blacklist
// held against it.
func (a *Agent) takeProtected(ctx context.Context) error {
	a.taking.Lock() // what was read later stays
	defer a.taking.Unlock()
	st := a.store.Load()
	if st == nil {
		return nil
	}
	protected, _, err := st.Protected(ctx)
	if err != nil {
		return err
	}
	guards, err := st.Guards(ctx)
	if err != nil {
		return err
	}
	allowed, err := st.Follow(ctx, &a.allowed)
	if err != nil {
		return err
	}
	a.own.Take(protected)
	a.own.Share(guards)
	gone, f := a.own.Allow(allowed), a.feed.Load()
	if f != nil {
		f.disallowed(gone) // first, so that nothing of what they did until now completes a verdict
	}
	a.renew()
	if f != nil {
		f.recheck()
	}
	return nil
}

// refreshGuard looks up the own addresses anew, because names and interfaces change; sooner if one was not
// to be had. What another agent's firewalls named is taken over too. Label files are looked at more often.
func (a *Agent) refreshGuard(ctx context.Context, f *feed) error {
	left := guardRetry // the first look was at the start, when the network may not have been up
	for loop.Pause(ctx, labels.Every) {
		if a.lookAtLabels() {
			f.recheck()
		}
		if left -= labels.Every; left > 0 {
			continue
		}
		complete := a.own.Look(ctx)
		if err := a.takeProtected(ctx); err != nil {
			complete = false
		}
		a.renew()
		f.recheck()
		if left = guardEvery; !complete {
			left = guardRetry
		}
	}
	return nil
}

// awaitFirewalls waits for the firewalls that have never said which addresses are ours, once for each.
func (a *Agent) awaitFirewalls(ctx context.Context, st *store.Store) {
	var asked map[string]time.Time
	if a.insist(ctx, health.Start, func() (err error) { _, asked, err = st.Protected(ctx); return err }) {
		a.fleet.AwaitFirst(ctx, st, asked, firstAnswers, a.log)
	}
}

// dropProtected removes what firewalls named that are not in the configuration any more. Until all of those that are have
// answered it stays: one of them may be the same under another name.
func (a *Agent) dropProtected(ctx context.Context, st *store.Store) error {
	_, asked, err := st.Protected(ctx)
	if err != nil {
		return err
	}
	var names []string
	for _, fw := range a.cfg.Firewalls {
		if asked[fw.Name].IsZero() && a.cfg.Networks.AskFirewalls {
			return nil
		}
		names = append(names, fw.Name)
	}
	dropped, err := st.DropProtected(ctx, names)
	if err != nil || dropped == 0 {
		return err
	}
	a.log.Info().Int64("firewalls", dropped).Msg("deleted what firewalls named that are not in the configuration")
	return a.takeProtected(ctx)
}

// OursStatus is what status says of what is ours.
type OursStatus struct {
	own.Status
	Asked []enforce.AskStatus `json:"asked,omitempty"` // one for each firewall that is asked
}

func (a *Agent) oursStatus() (s OursStatus) {
	if known := a.known.Load(); known != nil {
		s.Status = known.Status
	}
	for _, k := range a.fleet.Askers {
		s.Asked = append(s.Asked, k.Status())
	}
	return s
}
