package enforce

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/dustin/go-humanize/english"

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
