// Package enforce has the firewalls block what is on the blacklist, and looks whether their policies let that have
// effect.
//
// An [Enforcer] keeps one firewall in sync: it makes passes of the keeper of the firewall's mode, has the list stand in
// where that mode cannot do it, and ends sessions. A [Watcher] verifies the policies now and then. An [Asker] asks which
// addresses are ours, and whom the firewall talks to. Each has a goroutine and a device of its own, so that a broken
// firewall delays no other and a slow look no block. [Verify], [Provision] and [MakeKey] are what the command line does
// with the same firewalls.
//
// The package does not decide what is blocked, and does not know how a keeper works (package firewall), how PAN-OS is
// spoken to, or what a policy must be like.
package enforce

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/loop"
	"activedefense/config"
	"activedefense/firewall"
	"activedefense/firewall/policy"
	"activedefense/firewall/xmlapi"
	"activedefense/store"
)

// A Snapshot is the blacklist at one version: immutable.
type Snapshot struct {
	Version int64
	Entries []firewall.Entry
}

// Options are what the firewalls' enforcers need. All of them must be set, but Enforced, MayBlock, Timer and Lookup.
type Options struct {
	Config   *config.Config
	Expected Expected
	Version  string              // of the program, for the calls' user agent
	Blocked  func() *Snapshot    // what is blocked now
	Enforced func() *Snapshot    // what of it the firewalls are to have; nil: all
	Served   func() *Snapshot    // what the list serves; nil while there is nothing, and as long enforcers of mode edl are not to be run
	Store    func() *store.Store // for the watchers; it gives nil while there is none
	Calls    *Calls
	Logger   zerolog.Logger
	Now      func() time.Time
	Started  time.Time // of the agent
	// MayBlock tells what may be blocked at all: what a firewall holds and may not be goes at once, whatever the brake holds
	// back. nil: everything may.
	MayBlock func(netip.Prefix) bool
	// Protected takes over what a firewall named, when it has been saved.
	Protected func(ctx context.Context) error
	// Lookup resolves the names that firewalls name; nil: as this host does.
	Lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
	// Timer is what the loops wait with; nil: loop.NewTimer.
	Timer func(time.Duration) loop.Timer

	ways map[string]*access // by the name of the member
}

// Fleet is the enforcers, watchers and askers of all firewalls of a configuration.
type Fleet struct {
	Enforcers []*Enforcer
	Watchers  []*Watcher
	Askers    []*Asker // none: the configuration says not to ask
}

// New makes what keeps the firewalls in sync; nothing is called yet. Tags and lists are each member's own; a group
// belongs to the configuration, which the active member of a pair hands to the other.
func New(o Options) (*Fleet, error) {
	if o.Timer == nil {
		o.Timer = loop.NewTimer
	}
	if o.Enforced == nil {
		o.Enforced = o.Blocked
	}
	if o.Lookup == nil {
		o.Lookup = net.DefaultResolver.LookupNetIP
	}
	open := newDevices(o.Version, o.Calls, o.Now)
	o.ways = open.ways
	fleet := &Fleet{}
	for _, fw := range o.Config.Firewalls {
		if fw.Maintenance {
			for _, name := range namesOf(fw) {
				fleet.Enforcers = append(fleet.Enforcers, o.resting(fw, name))
			}
			continue
		}
		members, err := open.pair(fw)
		if err != nil {
			return nil, err
		}
		var asker *Asker
		if o.Config.Networks.AskFirewalls {
			if asker, err = o.newAsker(fw, members); err != nil {
				return nil, err
			}
			fleet.Askers = append(fleet.Askers, asker)
		}
		together := 1
		if fw.Mode == firewall.ModeGroup {
			together = len(members)
		}
		for some := range slices.Chunk(members, together) {
			e, err := o.newEnforcer(fw, some...)
			if err != nil {
				return nil, err
			}
			watchers, err := o.newWatchers(fw, e)
			if err != nil {
				return nil, err
			}
			if asker != nil {
				e.back = append(e.back, asker.wakeup.Wake)
			}
			fleet.Enforcers, fleet.Watchers = append(fleet.Enforcers, e), append(fleet.Watchers, watchers...)
		}
	}
	return fleet, nil
}

// Continue takes over since when firewalls are as they are, and policies, as an earlier fleet saw them: it counts where the first look
// finds the same. It is for the beginning, before anything runs.
func (f *Fleet) Continue(firewalls []Status, policies []PolicyStatus) {
	for _, e := range f.Enforcers {
		for _, s := range firewalls {
			switch {
			case s.Name != e.name:
			case !e.resting:
				e.before, e.fullBefore, e.straysBefore = s, s.FullSince, s.StraysSince
			case s.State == StateMaintenance:
				e.state.Since = s.Since
			}
		}
	}
	for _, w := range f.Watchers {
		for _, p := range policies {
			if p.Firewall == w.name {
				w.before = p
			}
		}
	}
}

// Wake has every firewall brought in sync now.
func (f *Fleet) Wake() {
	for _, e := range f.Enforcers {
		e.wake()
	}
}

// Ask has every firewall asked now what is ours.
func (f *Fleet) Ask() {
	for _, k := range f.Askers {
		k.wakeup.Wake()
	}
}

// Strays tells whether a firewall holds under our tag or in our group what this database never blocked.
func (f *Fleet) Strays() bool {
	return slices.ContainsFunc(f.Enforcers, func(e *Enforcer) bool { return e.Status().Strays > 0 })
}

// Adopt has each firewall, when it is read next, taken for holding nothing but ours: what is not blocked is removed, as far as the brake
// lets it.
func (f *Fleet) Adopt() {
	for _, e := range f.Enforcers {
		e.adopt.Store(true)
		e.returned.Wake()
	}
}

// Status gives the state of each firewall now, and what was last found of each one's policies.
func (f *Fleet) Status() (firewalls []Status, policies []PolicyStatus) {
	firewalls, policies = []Status{}, []PolicyStatus{}
	for _, e := range f.Enforcers {
		firewalls = append(firewalls, e.Status())
	}
	for _, w := range f.Watchers {
		policies = append(policies, w.Status())
	}
	return firewalls, policies
}

// Names gives the names under which the firewalls of a configuration hold blocks. Both members of a pair have one,
// except in the mode in which the active member hands what it holds to the other.
func Names(cfg *config.Config) []string {
	var names []string
	for _, fw := range cfg.Firewalls {
		names = append(names, namesOf(fw)...)
	}
	return names
}

func namesOf(fw config.Firewall) []string {
	if fw.PeerURL == "" || fw.Mode == firewall.ModeGroup {
		return []string{fw.Name}
	}
	return []string{fw.Name, peerName(fw)}
}

// resting makes what stands for a firewall in maintenance: nothing is sent to it, and what is noted of it stays as it is.
func (o *Options) resting(fw config.Firewall, name string) *Enforcer {
	e := newEnforcer(name, o.Logger)
	e.resting, e.state.State, e.state.Mode, e.state.Since = true, StateMaintenance, fw.Mode, o.Started
	return e
}

// peerName is that of the other member of a pair.
func peerName(fw config.Firewall) string { return fw.Name + " (peer)" }

func (o *Options) newEnforcer(fw config.Firewall, members ...*xmlapi.Device) (*Enforcer, error) {
	name := members[0].Name()
	e := newEnforcer(name, o.Logger.With().Str("firewall", name).Logger())
	e.devices, e.paired, e.state.Mode, e.desired = members, fw.PeerURL != "", fw.Mode, o.Enforced
	e.now, e.timer, e.calls, e.state.Since = o.Now, o.Timer, o.Calls, o.Started
	for _, m := range members {
		if way := o.ways[m.Name()]; way != nil {
			e.ways = append(e.ways, way)
		}
	}
	names := firewall.NamesFor(fw.Tag)
	var err error
	switch fw.Mode {
	case firewall.ModeGroup:
		e.keeper, err = firewall.NewGroup(firewall.GroupOptions{
			Names: names, Admin: fw.CommitAdmin, MaxRemovalPercent: fw.MaxRemovalPercent, MayBlock: o.MayBlock, CommitInterval: fw.CommitInterval, Stray: e.stray}, members...)
	case firewall.ModeList:
		e.desired = o.Served
		e.keeper, err = o.newList(fw, names, members[0])
	default:
		e.keeper, err = firewall.NewRuleTags(members[0], firewall.TagOptions{
			Tag: fw.Tag, MaxRemovalPercent: fw.MaxRemovalPercent, MayBlock: o.MayBlock, PassTime: passTime, Stray: e.stray}, o.Config.Detect.Tags())
	}
	if err != nil {
		return nil, err
	}
	if e.pulse, err = o.newPulse(e); err != nil {
		return nil, err
	}
	if o.Config.EDL.Listen != "" && fw.Mode != firewall.ModeList {
		aside, err := members[0].Clone()
		if err != nil {
			return nil, err
		}
		list, err := o.newList(fw, names, aside)
		if err != nil {
			return nil, err
		}
		e.fallback = newFallback(list, o.Served, e.log)
		e.fallback.timer = o.Timer
	}
	if !fw.KillSessions {
		return e, nil
	}
	for _, m := range members {
		aside, err := m.Clone()
		if err != nil {
			return nil, err
		}
		e.sessions = append(e.sessions, newSessionEnder(aside, e.log))
	}
	return e, nil
}

func (o *Options) newList(fw config.Firewall, names firewall.Names, device *xmlapi.Device) (*firewall.List, error) {
	return firewall.NewList(device, firewall.ListOptions{
		Names: names, URL: o.Config.EDL.URL, RefreshInterval: fw.RefreshInterval, MaxEntries: o.Config.EDL.MaxEntries})
}

// newWatchers makes one for each member. What they read takes seconds where the configuration is large, so they have
// devices of their own: no block waits for them.
func (o *Options) newWatchers(fw config.Firewall, e *Enforcer) ([]*Watcher, error) {
	var all []*Watcher
	for _, member := range e.devices {
		device, err := member.Clone()
		if err != nil {
			return nil, err
		}
		way := o.ways[member.Name()]
		w := &Watcher{
			way: way, name: device.Name(), state: e.Status, device: device, log: o.Logger.With().Str("firewall", device.Name()).Logger(), now: o.Now,
			timer: o.Timer, wakeup: loop.NewWakeup(), commit: loop.NewWakeup(),
			want: func(ctx context.Context) policy.Expectation {
				released, _ := releasedLately(ctx, o.Store(), o.Now()) // without it, more is warned of
				return way.of(o.Expected.of(o.Config, fw, notBefore(e.desired().Entries, o.Started), released, o.Now()))
			},
			note: func(ctx context.Context, at time.Time, fault string) error {
				st := o.Store()
				if st == nil {
					return nil
				}
				return st.SavePolicy(ctx, device.Name(), at, fault)
			},
		}
		e.back, e.watched = append(e.back, w.wakeup.Wake), append(e.watched, w.commit.Wake)
		all = append(all, w)
	}
	return all, nil
}
