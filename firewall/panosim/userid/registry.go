package userid

import (
	"time"

	"activedefense/firewall/panosim/dialect"
)

// Options says what a registry needs of its firewall.
type Options struct {
	Now           func() time.Time
	Version       dialect.Version
	Dialect       *dialect.Dialect
	VSys          []string                             // virtual systems; the first one is meant when a call names none
	MaxRegistered int                                  // the platform's limit of addresses over all virtual systems
	GroupLag      time.Duration                        // dynamic address groups know what is registered so much later
	Log           func(severity, subtype, text string) // writes to the system log
}

// Registry holds what is registered in each virtual system, and what dynamic address groups know of it.
//
// The caller of every method holds the lock that guards RegistryOptions.Dialect. What is out of time is dropped by
// expire, which goes before every look. Methods give the changes that they made; the caller reports them.
type Registry struct {
	o       Options
	tables  map[string]*table      // by virtual system
	groups  map[string]*Membership // by virtual system
	users   map[string]*users      // by virtual system
	changes uint64
}

// New makes an empty one.
func New(o Options) *Registry {
	g := &Registry{o: o, tables: map[string]*table{}, groups: map[string]*Membership{}, users: map[string]*users{}}
	for _, name := range o.VSys {
		m := newMembership()
		t := newTable()
		t.watch = func(r *registration, stands bool) { m.note(r, stands, o.Now(), o.GroupLag) }
		g.tables[name], g.groups[name], g.users[name] = t, m, newUsers()
	}
	return g
}

// table gives that of a virtual system, "" being the first; false: there is none of that name.
func (g *Registry) table(vsys string) (*table, bool) {
	t, ok := g.tables[g.Name(vsys)]
	return t, ok
}

// Name gives the virtual system that is meant.
func (g *Registry) Name(vsys string) string {
	if vsys == "" {
		return g.o.VSys[0]
	}
	return vsys
}

// Has says whether there is a virtual system of that name.
func (g *Registry) Has(vsys string) bool { return g.tables[vsys] != nil }

// Members gives what the dynamic address groups of a virtual system know at this moment; nil: there is no such system.
func (g *Registry) Members(vsys string) *Membership {
	m := g.groups[vsys]
	if m != nil {
		m.settle(g.o.Now())
	}
	return m
}

func (g *Registry) change(action Action, vsys string, what target, tag string, timeout time.Duration, now time.Time) Change {
	g.changes++
	return Change{Seq: g.changes, Time: now, Action: action, VSys: vsys, Address: what.prefix, Tag: tag, Timeout: timeout, To: what.to}
}

// apply carries out what was decided about a step.
func (g *Registry) apply(vsys string, t *table, st *step, now time.Time) []Change {
	var changes []Change
	for _, w := range st.take {
		if st.register {
			action := Renewed
			if t.put(st.target, w.tag, w.timeout, st.Persistent != "0", now) {
				action = Registered
			}
			changes = append(changes, g.change(action, vsys, st.target, w.tag, w.timeout, now))
			continue
		}
		if a := t.addresses[st.target]; a != nil {
			if r := a.find(w.tag); r != nil {
				timeout := r.timeout
				t.drop(r)
				changes = append(changes, g.change(Unregistered, vsys, st.target, w.tag, timeout, now))
			}
		}
	}
	return changes
}

// Expire drops what is out of time in every virtual system.
func (g *Registry) Expire() []Change {
	now := g.o.Now()
	var changes []Change
	for _, name := range g.o.VSys {
		t := g.tables[name]
		for r := t.expired(now); r != nil; r = t.expired(now) {
			changes = append(changes, g.change(Expired, name, r.address.target, r.tag.name, r.timeout, now))
		}
	}
	return changes
}

// drop drops the registrations chosen, in the order of their addresses.
func (g *Registry) drop(vsys string, t *table, action Action, choose func(*registration) bool) []Change {
	now := g.o.Now()
	var gone []*registration
	for _, a := range t.order.from(0, t.order.live) {
		for _, r := range a.tags {
			if choose(r) {
				gone = append(gone, r)
			}
		}
	}
	changes := make([]Change, len(gone))
	for i, r := range gone {
		t.drop(r)
		changes[i] = g.change(action, vsys, r.address.target, r.tag.name, r.timeout, now)
	}
	return changes
}

// Restart is what a restart of the firewall does: tags that are not persistent are gone, and timers fare as the dialect
// says.
func (g *Registry) Restart() []Change {
	changes := g.Expire()
	now := g.o.Now()
	for _, name := range g.o.VSys {
		t := g.tables[name]
		drops := g.o.Dialect.TimerOverReboot == dialect.TimerDropsTag
		changes = append(changes, g.drop(name, t, Lost, func(r *registration) bool {
			return !r.persistent || drops && r.expires != 0
		})...)
		for _, r := range append(timers(nil), t.timers...) {
			switch g.o.Dialect.TimerOverReboot {
			case dialect.TimerRestarts:
				t.setTimer(r, r.timeout, now)
			case dialect.TimerForgotten:
				t.setTimer(r, 0, now)
			}
		}
	}
	return changes
}
