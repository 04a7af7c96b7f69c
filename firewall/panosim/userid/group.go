package userid

import (
	"net/netip"
	"slices"
	"time"

	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/filter"
	"activedefense/firewall/panosim/iprange"
	"activedefense/firewall/panosim/xmltree"
)

// Group is a dynamic address group of a policy.
type Group struct {
	Name, Text string
	Filter     filter.Filter[map[string]bool] // nil: the expression cannot be read, and nothing matches
}

// NewGroup reads the definition of a group.
func NewGroup(e *xmltree.Element) *Group {
	g := &Group{Name: e.ID(), Text: e.Child("dynamic").Value("filter")}
	g.Filter, _ = parseGroupFilter(g.Text) // what cannot be read matches nothing
	return g
}

// TaggedObject is an address object that carries tags.
type TaggedObject struct {
	Name string
	iprange.Range
	Tags []string
}

// Membership is what the dynamic address groups of a virtual system know of the registered addresses. It lags
// behind the table of them: "within 60 seconds of the API call, the firewall registers the IP address and
// automatically updates the dynamic address groups" (VM-Series guide).
type Membership struct {
	tags    map[target][]string
	lengths [2][129]int       // networks of each prefix length, IPv4 and IPv6, hosts included
	ranges  map[target]string // as text
	pending []tagChange       // in the order in which they take effect
}

// tagChange is a tag that an address got or lost.
type tagChange struct {
	at     time.Time // when groups know
	target target
	tag    string
	stands bool
}

func newMembership() *Membership {
	return &Membership{tags: map[target][]string{}, ranges: map[target]string{}}
}

// note takes in a change of the table. It is called before a registration goes.
func (m *Membership) note(r *registration, stands bool, now time.Time, lag time.Duration) {
	defer m.settle(now)
	if !stands && r.expires != 0 {
		// A timer may have run out a while ago: it is looked at only when somebody asks.
		if at := time.Unix(0, r.expires); at.Before(now) {
			lag -= now.Sub(at)
		}
	}
	change := tagChange{now.Add(lag), r.address.target, r.tag.name, stands}
	if n := len(m.pending); n > 0 && change.at.Before(m.pending[n-1].at) {
		i, _ := slices.BinarySearchFunc(m.pending, change, func(a, b tagChange) int {
			if a.at.After(b.at) {
				return 1
			}
			return -1 // after those of the same moment
		})
		m.pending = slices.Insert(m.pending, i, change)
		return
	}
	m.pending = append(m.pending, change)
}

// settle lets every change take effect whose time has come.
func (m *Membership) settle(now time.Time) {
	due := 0
	for due < len(m.pending) && !m.pending[due].at.After(now) {
		m.apply(m.pending[due])
		due++
	}
	m.pending = slices.Delete(m.pending, 0, due)
}

func (m *Membership) apply(c tagChange) {
	tags, known := m.tags[c.target]
	family, length := c.target.lengthIndex()
	if c.stands {
		if !known {
			if m.lengths[family][length]++; c.target.to.IsValid() {
				m.ranges[c.target] = c.target.Text(dialect.HostPlain)
			}
		}
		if !slices.Contains(tags, c.tag) {
			tags = append(tags, c.tag)
		}
		m.tags[c.target] = tags
		return
	}
	tags = slices.DeleteFunc(tags, func(tag string) bool { return tag == c.tag })
	m.tags[c.target] = tags
	if len(tags) == 0 && known {
		m.lengths[family][length]--
		delete(m.ranges, c.target)
		delete(m.tags, c.target)
	}
}

// lengthIndex gives the place in membership.lengths. Ranges count as hosts, where they do no harm.
func (t target) lengthIndex() (family, length int) {
	if t.prefix.Addr().Is6() {
		family = 1
	}
	return family, t.prefix.Bits()
}

// covering gives what is registered and holds all of the span, with its tags.
func (m *Membership) covering(what iprange.Range) []target {
	var out []target
	family := 0
	if what.First.Is6() {
		family = 1
	}
	for length, n := range m.lengths[family][:what.First.BitLen()+1] {
		if n == 0 {
			continue
		}
		p, _ := what.First.Prefix(length) // the length fits the family
		t := target{prefix: p}
		if _, ok := m.tags[t]; ok && t.span().Contains(what) {
			out = append(out, t)
		}
	}
	for t := range m.ranges {
		if t.span().Contains(what) {
			out = append(out, t)
		}
	}
	return out
}

// inherited gives the tags of everything registered that holds all of the span ("object tag inheritance" in the
// vendor's documentation), with those given.
func (m *Membership) inherited(what iprange.Range, own []string) map[string]bool {
	tags := map[string]bool{}
	for _, tag := range own {
		tags[tag] = true
	}
	for _, t := range m.covering(what) {
		for _, tag := range m.tags[t] {
			tags[tag] = true
		}
	}
	return tags
}

// InGroup says whether one of the group's members holds the address.
func (m *Membership) InGroup(g *Group, a netip.Addr, objects []TaggedObject) bool {
	if g.Filter == nil {
		return false
	}
	for _, t := range m.covering(iprange.Single(a)) {
		if g.Filter(m.inherited(t.span(), nil)) {
			return true
		}
	}
	for _, o := range objects {
		if o.Contains(iprange.Single(a)) && g.Filter(m.inherited(o.Range, o.Tags)) {
			return true
		}
	}
	return false
}

// Members lists what the group holds: registered addresses first, by address.
func (m *Membership) Members(g *Group, objects []TaggedObject) (registered []target, named []string) {
	if g.Filter == nil {
		return nil, nil
	}
	for t := range m.tags {
		if g.Filter(m.inherited(t.span(), nil)) {
			registered = append(registered, t)
		}
	}
	slices.SortFunc(registered, func(a, b target) int {
		if c := a.prefix.Addr().Compare(b.prefix.Addr()); c != 0 {
			return c
		}
		if c := b.prefix.Bits() - a.prefix.Bits(); c != 0 {
			return c
		}
		return a.to.Compare(b.to)
	})
	for _, o := range objects {
		if g.Filter(m.inherited(o.Range, o.Tags)) {
			named = append(named, o.Name)
		}
	}
	return registered, named
}
