package panosim

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
func (s *Sim) Registered(vsys string) map[netip.Prefix][]string {
	out := map[netip.Prefix][]string{}
	s.inspect(vsys, func(t *table) {
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
func (s *Sim) Ranges(vsys string) map[string][]string {
	out := map[string][]string{}
	s.inspect(vsys, func(t *table) {
		for what, a := range t.addresses {
			if !what.to.IsValid() {
				continue
			}
			for _, r := range a.tags {
				out[what.text(dialect.HostPlain)] = append(out[what.text(dialect.HostPlain)], r.tag.name)
			}
		}
	})
	return out
}

// Tagged gives the addresses of a virtual system that carry the tag. Ranges are left out.
func (s *Sim) Tagged(vsys, tag string) map[netip.Prefix]Tag {
	out := map[netip.Prefix]Tag{}
	s.inspect(vsys, func(t *table) {
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
func (s *Sim) Count() int {
	n := 0
	s.inspect("", func(*table) {
		for _, t := range s.tables {
			n += len(t.addresses)
		}
	})
	return n
}

// inspect lets expire what is out of time, and looks under the lock.
func (s *Sim) inspect(vsys string, look func(*table)) {
	s.mu.Lock()
	changes := s.expireLocked(s.opts.Now())
	if t, ok := s.vsys(vsys); ok {
		look(t)
	}
	s.mu.Unlock()
	s.tell(changes)
}

// Register sets a tag as another owner would, behind the client's back: persistent, with no regard to limits, a
// timer that stands begun anew. A timeout of 0 is none; vsys "" is the first. The error says that there is no such
// virtual system, or that the prefix is none.
func (s *Sim) Register(vsys string, p netip.Prefix, tag string, timeout time.Duration) error {
	st := step{register: true, target: target{prefix: p.Masked()}, take: []wish{{tag, timeout}}}
	return s.asOwner(vsys, &st)
}

// Unregister takes a tag off as another owner would; a tag "" takes off all of the address. What does not stand
// is no error.
func (s *Sim) Unregister(vsys string, p netip.Prefix, tag string) error {
	return s.asOwner(vsys, &step{target: target{prefix: p.Masked()}, take: []wish{{tag: tag}}})
}

func (s *Sim) asOwner(vsys string, st *step) error {
	if !st.target.prefix.IsValid() {
		return errors.New("register as another owner: the prefix is invalid")
	}
	s.mu.Lock()
	t, ok := s.vsys(vsys)
	if !ok {
		s.mu.Unlock()
		return fmt.Errorf("register as another owner: no virtual system %s", vsys)
	}
	now := s.opts.Now()
	changes := s.expireLocked(now)
	if !st.register && st.take[0].tag == "" {
		st.take = nil
		if a := t.addresses[st.target]; a != nil {
			for _, r := range a.tags {
				st.take = append(st.take, wish{tag: r.tag.name})
			}
		}
	}
	made := s.applyLocked(s.name(vsys), t, st, now)
	for i := range made {
		made[i].Owner = true
	}
	s.mu.Unlock()
	s.tell(append(changes, made...))
	return nil
}

// Clear takes off everything in a virtual system, as an operator can on the command line.
func (s *Sim) Clear(vsys string) {
	s.mu.Lock()
	changes := s.expireLocked(s.opts.Now())
	if t, ok := s.vsys(vsys); ok {
		changes = append(changes, s.dropLocked(s.name(vsys), t, Unregistered, func(*registration) bool { return true })...)
	}
	s.mu.Unlock()
	s.tell(changes)
}

// dropLocked drops the registrations chosen, in the order of their addresses.
func (s *Sim) dropLocked(vsys string, t *table, action Action, choose func(*registration) bool) []Change {
	now := s.opts.Now()
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
		changes[i] = s.changeLocked(action, vsys, r.address.target, r.tag.name, r.timeout, now)
	}
	return changes
}
