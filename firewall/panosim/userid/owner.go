package userid

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"activedefense/firewall/panosim/dialect"
)

// Tag is how a tag stands on an address.
type Tag struct {
	Expires    time.Time // zero: never
	Persistent bool      // outlives a restart
}

// Registered gives every address of a virtual system ("" is the first) with its tags in the order in which they
// came. Ranges are left out; see Ranges. An unknown virtual system has none.
func (g *Registry) Registered(vsys string) map[netip.Prefix][]string {
	out := map[netip.Prefix][]string{}
	g.look(vsys, func(t *table) {
		for what, a := range t.addresses {
			if what.to.IsValid() {
				continue
			}
			tags := make([]string, len(a.tags))
			for i, r := range a.tags {
				tags[i] = r.tag.name
			}
			out[what.prefix] = tags
		}
	})
	return out
}

// Ranges gives the registered ranges of a virtual system as "first-last", with their tags.
func (g *Registry) Ranges(vsys string) map[string][]string {
	out := map[string][]string{}
	g.look(vsys, func(t *table) {
		for what, a := range t.addresses {
			if !what.to.IsValid() {
				continue
			}
			for _, r := range a.tags {
				out[what.Text(dialect.HostPlain)] = append(out[what.Text(dialect.HostPlain)], r.tag.name)
			}
		}
	})
	return out
}

// Tagged gives the addresses of a virtual system that carry the tag. Ranges are left out.
func (g *Registry) Tagged(vsys, tag string) map[netip.Prefix]Tag {
	out := map[netip.Prefix]Tag{}
	g.look(vsys, func(t *table) {
		list := t.tags[tag]
		if list == nil {
			return
		}
		for _, r := range list.order.from(0, list.order.live) {
			if r.address.to.IsValid() {
				continue
			}
			standing := Tag{Persistent: r.persistent}
			if r.expires != 0 {
				standing.Expires = time.Unix(0, r.expires)
			}
			out[r.address.prefix] = standing
		}
	})
	return out
}

// Count gives how many addresses, networks and ranges are registered in all virtual systems.
func (g *Registry) Count() int {
	n := 0
	for _, t := range g.tables {
		n += len(t.addresses)
	}
	return n
}

// look looks at the table of a virtual system, if there is one.
func (g *Registry) look(vsys string, at func(*table)) {
	if t, ok := g.table(vsys); ok {
		at(t)
	}
}

// Register sets a tag as another owner would, behind the client's back: persistent, with no regard to limits, a
// timer that stands begun anew. A timeout of 0 is none; vsys "" is the first. The error says that there is no such
// virtual system, or that the prefix is none.
func (g *Registry) Register(vsys string, p netip.Prefix, tag string, timeout time.Duration) ([]Change, error) {
	st := step{register: true, target: target{prefix: p.Masked()}, take: []wish{{tag, timeout}}}
	return g.asOwner(vsys, &st)
}

// Unregister takes a tag off as another owner would; a tag "" takes off all of the address. What does not stand
// is no error.
func (g *Registry) Unregister(vsys string, p netip.Prefix, tag string) ([]Change, error) {
	return g.asOwner(vsys, &step{target: target{prefix: p.Masked()}, take: []wish{{tag: tag}}})
}

func (g *Registry) asOwner(vsys string, st *step) ([]Change, error) {
	if !st.target.prefix.IsValid() {
		return nil, errors.New("register as another owner: the prefix is invalid")
	}
	t, ok := g.table(vsys)
	if !ok {
		return nil, fmt.Errorf("register as another owner: no virtual system %s", vsys)
	}
	changes := g.Expire()
	if !st.register && st.take[0].tag == "" {
		st.take = nil
		if a := t.addresses[st.target]; a != nil {
			for _, r := range a.tags {
				st.take = append(st.take, wish{tag: r.tag.name})
			}
		}
	}
	made := g.apply(g.Name(vsys), t, st, g.o.Now())
	for i := range made {
		made[i].Owner = true
	}
	return append(changes, made...), nil
}

// Clear takes off everything in a virtual system, as an operator can on the command line.
func (g *Registry) Clear(vsys string) []Change {
	changes := g.Expire()
	if t, ok := g.table(vsys); ok {
		changes = append(changes, g.drop(g.Name(vsys), t, Unregistered, func(*registration) bool { return true })...)
	}
	return changes
}
