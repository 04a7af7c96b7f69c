package enforce

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/dustin/go-humanize/english"

	"activedefense/config"
	"activedefense/firewall"
	"activedefense/firewall/ours"
	"activedefense/store"
)

// A comparison holds an answer of a firewall against what is known of it.
type comparison struct {
	kept     []store.Protected // named before and now, or pending now
	added    []store.Protected // named now, not before
	gone     []store.Protected // named before, not now
	troubles []ours.Trouble
	leftOut  int
	waiting  []string
}

// compare compares. What is pending now, an interface without a lease or a name that cannot be resolved, is as it was.
func compare(known []store.Protected, answer ours.Answer) *comparison {
	c := &comparison{troubles: answer.Troubles, leftOut: answer.LeftOut}
	pending := make(map[ours.Source]bool, len(answer.Pending))
	for _, p := range answer.Pending {
		pending[p] = true
		c.waiting = append(c.waiting, p.What)
	}
	key := func(p store.Protected) ours.Entry {
		return ours.Entry{Prefix: p.Address, Kind: ours.Kind(p.Kind), What: p.What}
	}
	before := make(map[ours.Entry]bool, len(known))
	now := make(map[ours.Entry]bool, len(answer.Entries))
	for _, p := range known {
		before[key(p)] = true
	}
	for _, e := range answer.Entries {
		now[e] = true
		p := store.Protected{Kind: string(e.Kind), What: e.What, Address: e.Prefix}
		if before[e] {
			c.kept = append(c.kept, p)
		} else {
			c.added = append(c.added, p)
		}
	}
	for _, p := range known {
		switch {
		case now[key(p)]:
		case pending[ours.Source{Kind: ours.Kind(p.Kind), What: p.What}]:
			c.kept = append(c.kept, p)
		default:
			c.gone = append(c.gone, p)
		}
	}
	return c
}

// brake keeps all that was named before, if an answer loses more than percent of it: an answer may be whole and yet say next to
// nothing, as after a factory reset, from another virtual system, or to a role that may not read. What names another address now has
// lost nothing, and what the firewall names by objects of ours, which provision takes away, does not count.
func (c *comparison) brake(percent int, byOurs func(store.Protected) bool) {
	lost, known := 0, 0
	of := make(map[ours.Source]int)
	source := func(p store.Protected) ours.Source { return ours.Source{Kind: ours.Kind(p.Kind), What: p.What} }
	for _, p := range c.added {
		of[source(p)]--
	}
	for _, p := range c.gone {
		if of[source(p)]++; of[source(p)] > 0 && !byOurs(p) {
			lost++
		}
	}
	for _, p := range slices.Concat(c.kept, c.gone) {
		if !byOurs(p) {
			known++
		}
	}
	if lost*100 <= known*percent {
		return
	}
	c.troubles = slices.Insert(slices.Clone(c.troubles), 0, ours.Trouble{
		What:   fmt.Sprintf("it no longer names %d of %d addresses and networks, so all of them stay protected: %s", lost, known, few(slices.DeleteFunc(slices.Clone(c.gone), byOurs))),
		Remedy: "if that is right, set max_removal_percent of this firewall to 100, reload, and set it back; if not, look at its configuration, vsys, and the role of its administrator",
	})
	c.kept, c.gone = append(c.kept, c.gone...), nil
	c.added = c.added[:max(0, min(len(c.added), mostProtected-len(c.kept)))] // what changes meanwhile only adds up
}

// byOurs tells of what a firewall names whether it does so by an object of ours: the server of our list, a log server that is this host
// or another on loopback. What protects this host are its own addresses.
func byOurs(fw config.Firewall) func(store.Protected) bool {
	host := fw.SyslogAddress
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	n := firewall.NamesFor(fw.Tag)
	return func(p store.Protected) bool {
		if p.Kind != store.ProtectedPeer {
			return false
		}
		of := func(what string) bool { return p.What == what || strings.HasPrefix(p.What, what+" ") } // the second by name
		return p.Address.Addr().IsLoopback() || of("server of External Dynamic List "+n.List) || of("server of External Dynamic List "+n.List+"-panorama") ||
			p.What == "syslog server "+host || p.What == "syslog server" && p.Address.IsSingleIP() && p.Address.Addr().String() == host
	}
}

// entries are what is to be saved.
func (c *comparison) entries() []store.Protected { return slices.Concat(c.kept, c.added) }

// withhold leaves out of what is new all that would lift blocks, where it would lift too many of them at once: a route that was
// mistyped, or a name that somebody has taken over, must not let a hundred attackers in.
func (c *comparison) withhold(blocked []firewall.Entry) {
	added := make([]netip.Prefix, 0, len(c.added))
	for _, p := range c.added {
		added = append(added, p.Address)
	}
	slices.SortFunc(added, firewall.ComparePrefixes)
	added = slices.Compact(added)
	lifts, lifting := 0, map[netip.Prefix]bool{}
	for _, b := range blocked {
		over := overlapping(added, b.Prefix)
		for _, p := range over {
			lifting[p] = true
		}
		if len(over) > 0 {
			lifts++
		}
	}
	if lifts <= mostLifts {
		return
	}
	var left []store.Protected
	c.added = slices.DeleteFunc(c.added, func(p store.Protected) bool {
		if lifting[p.Address] {
			left = append(left, p)
			return true
		}
		return false
	})
	c.troubles = append(slices.Clone(c.troubles), ours.Trouble{
		What:   fmt.Sprintf("it would lift %d blocks at once, so it is left out: %s", lifts, few(left)),
		Remedy: "if it is yours, add it to networks.own; if it must only never be blocked, to never_block; either lifts the blocks",
	})
}

// overlapping gives the networks that overlap p. They are in order of address, the wider of two before the narrower. It costs
// a search for each length that a network around p may have.
func overlapping(sorted []netip.Prefix, p netip.Prefix) (over []netip.Prefix) {
	if len(sorted) == 0 || !p.IsValid() {
		return nil
	}
	for bits := range p.Bits() {
		wider, err := p.Addr().Prefix(bits)
		if err != nil {
			break
		}
		if i, found := slices.BinarySearchFunc(sorted, wider, firewall.ComparePrefixes); found {
			over = append(over, sorted[i])
		}
	}
	i, _ := slices.BinarySearchFunc(sorted, p, firewall.ComparePrefixes)
	for ; i < len(sorted) && p.Contains(sorted[i].Addr()); i++ { // p itself, and what is narrower
		over = append(over, sorted[i])
	}
	return over
}

// changes says in words what is new: "names 2 more addresses or networks ours or of its peers: ...".
func changes(added, gone []store.Protected) string {
	text := ""
	if len(added) > 0 {
		text = fmt.Sprintf("names %d more: %s", len(added), few(added))
	}
	if len(gone) > 0 {
		if text != "" {
			text += "; and "
		}
		text += fmt.Sprintf("no longer names %d: %s", len(gone), few(gone))
	}
	return text
}

// few names the first of several.
func few(all []store.Protected) string {
	text := ""
	for i, p := range all[:min(len(all), namedChanges)] {
		if i > 0 {
			text += ", "
		}
		text += addressText(p.Address) + " (" + p.What + ")"
	}
	if more := len(all) - namedChanges; more > 0 {
		text += " and " + english.Plural(more, "other", "")
	}
	return text
}

func addressText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}
