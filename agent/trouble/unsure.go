package trouble

import (
	"slices"
	"strings"
	"time"

	"activedefense/agent/edl"
	"activedefense/agent/enforce"
	"activedefense/agent/line"
	"activedefense/agent/silence"
)

// Seen is what was seen since a start.
type Seen struct {
	Started, Now time.Time
	Reading      bool // the inputs are open
	Detect       line.DetectStatus
	Firewalls    []enforce.Status
	Policies     []enforce.PolicyStatus
	List         *edl.Status // nil: no list is served
	Heard        []silence.Status
	LeftAlone    func(name string) bool // a firewall in maintenance, or its address; nil: nobody is
}

// settles is how long it takes after a start until it is known what stands.
const settles = 2 * time.Minute

// Unsure tells of a trouble that is not among those that stand, by its Key, whether it may stand all the same: what would show it has not been looked at
// since the start, or cannot be now.
func (s *Seen) Unsure(key string) bool {
	kind, of, _ := strings.Cut(key, "|")
	up := s.Now.Sub(s.Started)
	of, _, _ = strings.Cut(of, "\x00")
	if s.resting(of) {
		return true
	}
	switch kind {
	case "store", "state_dir", "reload-refused":
		return false
	case "firewall-down", "capacity", "refused", "strays", "brake":
		if i := slices.IndexFunc(s.Firewalls, func(f enforce.Status) bool { return f.Name == of }); i >= 0 {
			return !s.Firewalls[i].Up
		}
		if kind != "brake" { // which is of the list, too
			return false // it is not in the configuration any more
		}
	case "input-silent":
		if slices.ContainsFunc(s.Heard, func(h silence.Status) bool { return h.Pattern == of && h.Spared > 0 }) {
			return true
		}
	case "paused":
		return !s.Reading // the store says so before anything is read
	case "key-expiry", "certificate":
		if s.unseen(kind, of) {
			return true
		}
	case "verify-failed":
		i := slices.IndexFunc(s.Policies, func(p enforce.PolicyStatus) bool { return p.Firewall == of })
		return i >= 0 && s.Policies[i].State == enforce.StateUnknown
	case "networks":
		_, _, enough := s.Detect.Shares()
		return of == "" && !enough || up < settles
	case "list-unfetched":
		if s.LeftAlone != nil && s.LeftAlone(of) {
			return true
		}
		if s.List != nil && slices.ContainsFunc(s.List.Clients, func(c edl.Client) bool { return c.Addr.String() == of }) || s.List == nil {
			return false
		}
		return up < unfetchedAfter+time.Minute
	}
	return !s.Reading || up < settles
}

// resting tells of a firewall, by its name or that of its peer, whether it is left alone: nothing is told of it, and no end either.
func (s *Seen) resting(name string) bool {
	name = strings.TrimSuffix(name, " (peer)")
	return slices.ContainsFunc(s.Firewalls, func(f enforce.Status) bool {
		return f.State == enforce.StateMaintenance && strings.TrimSuffix(f.Name, " (peer)") == name
	})
}

// unseen tells of a firewall whether its key's end, or its certificate, is not known.
func (s *Seen) unseen(kind, name string) bool {
	return slices.ContainsFunc(s.Firewalls, func(f enforce.Status) bool {
		return slices.ContainsFunc(f.Access, func(a enforce.Access) bool {
			return a.Firewall == name && (kind == "key-expiry" && a.Key == enforce.KeyUnknown || kind == "certificate" && a.CertificateEnds == nil)
		})
	})
}
