package decision

import (
	"net/netip"
	"slices"
	"strings"
)

// Kinds of rules.
const (
	Universal = "universal"
	Intrazone = "intrazone" // within each of the from zones; its to zones do not count
	Interzone = "interzone" // between different zones
)

// Blocked is the set of the addresses that are blocked. Compare tells what is only about them apart.
const Blocked = "blocked sources"

// Allow is the one action that lets traffic pass; every other stops it.
const Allow = "allow"

// Numbers of protocols that have ports.
const (
	TCP  = 6
	UDP  = 17
	SCTP = 132
)

// Policy is the rules of one virtual system in their order of evaluation, without the disabled ones. The last ones are the
// default rules, so that every flow is decided.
type Policy struct {
	Zones []string // all that the firewall has; those that rules name need not be among them
	Rules []Rule
	// Ports are the default ports of applications, by name. One that is not here has unknown ones.
	Ports map[string][]Service
}

// Rule is one security rule. A list that is nil asks for nothing.
type Rule struct {
	ID     string // the same in two policies that are compared; where it stands belongs to it
	Name   string // for a reader
	Action string // allow, deny, drop, reset-client, reset-server or reset-both

	Kind                string // Universal, Intrazone or Interzone
	From, To            []string
	Source, Destination Addresses

	Applications []string
	Filters      []string // applications by what they are like, not by name: any may be one. They widen Applications.
	Services     Services
	Users        []string
	Categories   []string // of URLs
	Conditions   []string // whatever else it asks for, for a reader, such as `schedule "nights"`: they may hold
}

// Addresses are what a rule names as source or destination. The zero value is any address.
type Addresses struct {
	Listed bool    // only those below; false: any
	Negate bool    // all but those below
	Ranges []Range // known addresses
	// Sets are those of which the configuration does not know the members: dynamic address groups, external dynamic lists,
	// names, regions.
	Sets []string
}

// Range is addresses of one family, both ends included.
type Range struct{ First, Last netip.Addr }

// Services are what a rule says about protocol and port. The zero value is any.
type Services struct {
	Listed  bool // only those below; false: any
	Default bool // the default ports of the application
	Objects []Service
	Unknown []string // names that no object bears: they may be anything
}

// Service is ports of a protocol.
type Service struct {
	Protocol           uint8
	Ports, SourcePorts []Ports // nil: all
}

// Ports are those from First to Last, both included.
type Ports struct{ First, Last uint16 }

// Flow is the first packet of a session. From and To are the zones that the security policy sees: To is that of the address
// after translation, Destination the one before.
type Flow struct {
	From, To            string
	Source, Destination netip.Addr
	// SourceIn and DestinationIn tell of sets whether the address is a member; of one that is not here it is unknown.
	SourceIn, DestinationIn map[string]bool
	Protocol                uint8
	Port, SourcePort        uint16 // 0 where the protocol has none
	Application             string
	User, Category          string // "": unknown
}

// Decision is the rules by index that may decide about a flow, the first that matches first. The last one matches surely.
type Decision []int

// Rule gives the rule that decides; false: it cannot be told.
func (d Decision) Rule() (int, bool) {
	if len(d) != 1 {
		return 0, false
	}
	return d[0], true
}

// Decide gives what the policy does with a flow. An empty Decision is that of a policy without default rules.
func (p *Policy) Decide(f Flow) Decision {
	var out Decision
	for i := range p.Rules {
		switch p.match(&p.Rules[i], &f) {
		case yes:
			return append(out, i)
		case maybe:
			out = append(out, i)
		}
	}
	return out
}

// answer is what is known of whether something matches.
type answer int

const (
	no answer = iota
	maybe
	yes
)

func known(b bool) answer {
	if b {
		return yes
	}
	return no
}

func (p *Policy) match(r *Rule, f *Flow) answer {
	if !r.between(f.From, f.To) {
		return no
	}
	out := min(r.Source.match(f.Source, f.SourceIn), r.Destination.match(f.Destination, f.DestinationIn),
		r.application(f.Application), p.service(r, f), opaque(r.Users, f.User, maybe), opaque(r.Categories, f.Category, no))
	if len(r.Conditions) > 0 {
		out = min(out, maybe)
	}
	return out
}

func (r *Rule) between(from, to string) bool {
	if r.From != nil && !slices.Contains(r.From, from) || r.Kind == Interzone && from == to {
		return false
	}
	if r.Kind == Intrazone {
		return from == to
	}
	return r.To == nil || slices.Contains(r.To, to)
}

func (a Addresses) match(addr netip.Addr, in map[string]bool) answer {
	if !a.Listed {
		return yes
	}
	addr = addr.Unmap()
	out := known(slices.ContainsFunc(a.Ranges, func(r Range) bool {
		return r.First.BitLen() == addr.BitLen() && r.First.Compare(addr) <= 0 && addr.Compare(r.Last) <= 0
	}))
	for _, set := range a.Sets {
		member, told := in[set]
		switch {
		case member:
			out = yes
		case !told:
			out = max(out, maybe)
		}
	}
	if a.Negate {
		return yes - out
	}
	return out
}

func (r *Rule) application(name string) answer {
	if r.Applications == nil && r.Filters == nil || slices.Contains(r.Applications, name) {
		return yes
	}
	if len(r.Filters) > 0 || slices.ContainsFunc(r.Applications, func(a string) bool { return partOf(name, a) }) {
		return maybe
	}
	return no
}

// partOf tells whether an application may be one of those that another stands for ("implicit use": a rule that names a container
// covers its functions), as ms-ds-smb does for ms-ds-smbv3 and facebook for facebook-chat. Content says which are; most begin
// with the name of the container.
func partOf(name, container string) bool {
	return len(name) > len(container) && strings.HasPrefix(name, container) || container == "ipsec" && name == "ike"
}

func (p *Policy) service(r *Rule, f *Flow) answer {
	s := &r.Services
	if !s.Listed || slices.ContainsFunc(s.Objects, func(o Service) bool { return o.match(f) }) {
		return yes
	}
	out := known(false)
	if s.Default {
		ports, told := p.Ports[f.Application]
		out = known(slices.ContainsFunc(ports, func(o Service) bool { return o.match(f) }))
		if !told {
			out = maybe
		}
	}
	if len(s.Unknown) > 0 {
		out = max(out, maybe)
	}
	return out
}

func (s Service) match(f *Flow) bool {
	return s.Protocol == f.Protocol && hold(s.Ports, f.Port) && hold(s.SourcePorts, f.SourcePort)
}

func hold(ports []Ports, port uint16) bool {
	return ports == nil || slices.ContainsFunc(ports, func(p Ports) bool { return p.First <= port && port <= p.Last })
}

// opaque compares a name with those of a rule; other is the answer for one that is not among them.
func opaque(names []string, name string, other answer) answer {
	switch {
	case names == nil || name != "" && slices.Contains(names, name):
		return yes
	case name == "":
		return maybe
	}
	return other
}
