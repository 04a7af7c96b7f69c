package userid

import "time"

// place is a tag on a target of a virtual system.
type place struct {
	vsys string
	what target
	tag  string
}

// Follow has what is registered here stand as it stands there: where changes were made, or everywhere if there are none
// named.
func (g *Registry) Follow(there *Registry, changes []Change) []Change {
	places := make([]place, len(changes))
	for i, c := range changes {
		places[i] = place{c.VSys, target{c.Address, c.To}, c.Tag}
	}
	if changes == nil {
		places = append(there.places(), g.places()...)
	}
	now := g.o.Now()
	var made []Change
	for _, p := range places {
		if c, ok := g.copy(there, p, now); ok {
			made = append(made, c)
		}
	}
	return made
}

// places lists where tags stand.
func (g *Registry) places() []place {
	var out []place
	for _, vsys := range g.o.VSys {
		t := g.tables[vsys]
		for _, a := range t.order.from(0, t.order.live) {
			for _, r := range a.tags {
				out = append(out, place{vsys, a.target, r.tag.name})
			}
		}
	}
	return out
}

// copy makes a tag stand here as it stands there.
func (g *Registry) copy(there *Registry, p place, now time.Time) (Change, bool) {
	t := g.tables[p.vsys]
	if t == nil {
		return Change{}, false // there is no such virtual system here
	}
	have, want := t.registration(p), there.tables[p.vsys].registration(p)
	switch {
	case want == nil && have == nil:
		return Change{}, false
	case want == nil:
		timeout := have.timeout
		t.drop(have)
		return g.change(Unregistered, p.vsys, p.what, p.tag, timeout, now), true
	case have != nil && have.expires == want.expires && have.persistent == want.persistent:
		return Change{}, false
	}
	action := Renewed
	if t.put(p.what, p.tag, want.timeout, want.persistent, now) {
		action = Registered
	}
	have = t.registration(p)
	if want.expires != 0 {
		// What is left of the time, not the whole of it.
		t.setTimer(have, max(time.Unix(0, want.expires).Sub(now), 1), now)
		have.timeout = want.timeout
	}
	return g.change(action, p.vsys, p.what, p.tag, want.timeout, now), true
}

// registration gives the tag on a target, or nil. It may be called on nil.
func (t *table) registration(p place) *registration {
	if t == nil {
		return nil
	}
	a := t.addresses[p.what]
	if a == nil {
		return nil
	}
	return a.find(p.tag)
}
