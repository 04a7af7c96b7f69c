package traffic

import (
	"encoding/binary"
	"net/netip"
	"strings"

	"activedefense/firewall/panosim/iprange"
	"activedefense/firewall/panosim/userid"
	"activedefense/firewall/panosim/xmltree"
)

// addresses is what a rule names as source or destination.
type addresses struct {
	any       bool
	negate    bool
	fixed     iprange.Set
	wildcards []wildcard
	groups    []*userid.Group
	lists     []ListID
}

// wildcard is an IPv4 address of which some bits do not matter.
type wildcard struct{ value, mask uint32 }

// parseWildcard reads "10.0.0.5/0.0.255.0": a bit that is set in the mask does not matter.
func parseWildcard(text string) (wildcard, bool) {
	value, mask, ok := strings.Cut(text, "/")
	a, err1 := netip.ParseAddr(value)
	m, err2 := netip.ParseAddr(mask)
	if !ok || err1 != nil || err2 != nil || !a.Is4() || !m.Is4() {
		return wildcard{}, false
	}
	number := func(a netip.Addr) uint32 { b := a.As4(); return binary.BigEndian.Uint32(b[:]) }
	keep := ^number(m)
	return wildcard{number(a) & keep, keep}, true
}

func (w wildcard) has(a netip.Addr) bool {
	if !a.Is4() {
		return false
	}
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])&w.mask == w.value
}

// newAddresses finds what the members of a rule's source or destination stand for. What is none (a name that no
// object has, a country, an fqdn, which is never resolved here) matches nothing.
func (p *Policy) newAddresses(rule *xmltree.Element, field string) addresses {
	out := addresses{negate: rule.Value("negate-"+field) == "yes"}
	var fixed []iprange.Range
	members := rule.Child(field).Members()
	for _, name := range members {
		if name == "any" {
			out.any = true
			continue
		}
		p.addAddress(&out, &fixed, name, 0)
	}
	out.any = out.any || len(members) == 0
	out.fixed = iprange.NewSet(fixed)
	return out
}

// addAddress adds what one name stands for.
func (p *Policy) addAddress(out *addresses, fixed *[]iprange.Range, name string, depth int) {
	if depth > maxNesting {
		return
	}
	if object := p.Find(name, "address"); object != nil {
		if s, ok := objectSpan(object); ok {
			*fixed = append(*fixed, s)
		} else if w, ok := parseWildcard(object.Value("ip-wildcard")); ok {
			out.wildcards = append(out.wildcards, w)
		}
		return
	}
	if group := p.Find(name, "address-group"); group != nil {
		if group.Child("dynamic") != nil {
			out.groups = append(out.groups, p.group(group))
			return
		}
		for _, member := range group.Child("static").Members() {
			p.addAddress(out, fixed, member, depth+1)
		}
		return
	}
	if id, ok := p.ListNamed(name); ok {
		out.lists = append(out.lists, id)
		return
	}
	if region := p.Find(name, "region"); region != nil {
		for _, member := range region.Child("address").Members() {
			addLiteral(fixed, member)
		}
		return
	}
	addLiteral(fixed, name)
}

func addLiteral(fixed *[]iprange.Range, text string) {
	if e, ok := iprange.Parse(text); ok {
		*fixed = append(*fixed, e.Range)
	}
}

// objectSpan gives the addresses of an object with a network or a range.
func objectSpan(object *xmltree.Element) (iprange.Range, bool) {
	for _, kind := range []string{"ip-netmask", "ip-range"} {
		if text := object.Value(kind); text != "" {
			e, ok := iprange.Parse(text)
			return e.Range, ok
		}
	}
	return iprange.Range{}, false
}

// taggedObjects finds the address objects that a dynamic group may have as members.
func (c Scope) taggedObjects() []userid.TaggedObject {
	var out []userid.TaggedObject
	for _, e := range c.All("address") {
		tags := e.Child("tag").Members()
		if s, ok := objectSpan(e); ok && len(tags) > 0 {
			out = append(out, userid.TaggedObject{Name: e.ID(), Range: s, Tags: tags})
		}
	}
	return out
}

// group compiles the filter of a group, once a policy.
func (p *Policy) group(e *xmltree.Element) *userid.Group {
	if g := p.groups[e.ID()]; g != nil {
		return g
	}
	g := userid.NewGroup(e)
	p.groups[g.Name] = g
	return g
}

// Lists says what the External Dynamic Lists hold.
type Lists interface {
	// Holds says whether the list is enforced and holds the address.
	Holds(id ListID, a netip.Addr) bool
}

// match says whether a rule's source or destination holds the address now.
func (l *addresses) match(p *Policy, a netip.Addr, lists Lists, members *userid.Membership) bool {
	return l.any || l.negate != l.holds(p, a, lists, members)
}

func (l *addresses) holds(p *Policy, a netip.Addr, lists Lists, members *userid.Membership) bool {
	if l.fixed.Has(a) {
		return true
	}
	for _, w := range l.wildcards {
		if w.has(a) {
			return true
		}
	}
	for _, id := range l.lists {
		if lists.Holds(id, a) {
			return true
		}
	}
	for _, g := range l.groups {
		if members.InGroup(g, a, p.tagged) {
			return true
		}
	}
	return false
}
