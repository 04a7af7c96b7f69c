package panosim

import (
	"net/netip"
	"time"
)

// Action is what happened to a tag of an address.
type Action string

// The actions.
const (
	Registered   Action = "register"   // it is new
	Renewed      Action = "renew"      // it stood and was registered again, its timer begun anew
	Unregistered Action = "unregister" // it was taken off
	Expired      Action = "expire"     // its time was up; noticed at the next call or inspection
	Lost         Action = "lost"       // a restart dropped it
)

// Change is one change of what is registered.
type Change struct {
	Seq     uint64    // order in which changes were made, from 1: concurrent calls may report out of order
	Time    time.Time // by the firewall's clock
	Action  Action
	VSys    string
	Address netip.Prefix // of a range: its first address
	To      netip.Addr   // of a range: its last address; else invalid
	Tag     string
	Timeout time.Duration // as registered; 0: none
	Owner   bool          // by another owner, through Register or Unregister of Sim, not over the wire
}

func (s *Sim) changeLocked(action Action, vsys string, what target, tag string, timeout time.Duration, now time.Time) Change {
	s.changes++
	return Change{Seq: s.changes, Time: now, Action: action, VSys: vsys, Address: what.prefix, Tag: tag, Timeout: timeout, To: what.to}
}

// tell reports changes, and has the HA peer follow them. The caller holds no lock: who is told may call the firewall.
func (s *Sim) tell(changes []Change) {
	s.mirror(changes)
	if s.opts.OnChange == nil {
		return
	}
	for _, c := range changes {
		s.opts.OnChange(c)
	}
}

// applyLocked carries out what was decided about a step.
func (s *Sim) applyLocked(vsys string, t *table, st *step, now time.Time) []Change {
	var changes []Change
	for _, w := range st.take {
		if st.register {
			action := Renewed
			if t.put(st.target, w.tag, w.timeout, st.Persistent != "0", now) {
				action = Registered
			}
			changes = append(changes, s.changeLocked(action, vsys, st.target, w.tag, w.timeout, now))
			continue
		}
		if a := t.addresses[st.target]; a != nil {
			if r := a.find(w.tag); r != nil {
				timeout := r.timeout
				t.drop(r)
				changes = append(changes, s.changeLocked(Unregistered, vsys, st.target, w.tag, timeout, now))
			}
		}
	}
	return changes
}

// expireLocked drops what is out of time in every virtual system.
func (s *Sim) expireLocked(now time.Time) []Change {
	var changes []Change
	for _, name := range s.opts.VSys {
		t := s.tables[name]
		for r := t.expired(now); r != nil; r = t.expired(now) {
			changes = append(changes, s.changeLocked(Expired, name, r.address.target, r.tag.name, r.timeout, now))
		}
	}
	return changes
}
