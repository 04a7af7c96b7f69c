package ours

import (
	"net/netip"
	"strconv"
	"strings"

	"activedefense/firewall"
	"activedefense/firewall/xmlapi"
)

// maxNesting bounds how deeply groups are followed into groups.
const maxNesting = 16

func comparePrefixes(a, b netip.Prefix) int { return firewall.ComparePrefixes(a, b) }

func normalize(p netip.Prefix) (netip.Prefix, bool) { return firewall.Normalize(p) }

// object finds the object of a kind by name.
func (r *reader) object(kind, name string) *xmlapi.Node {
	for _, layer := range r.objects {
		if n := layer.Child(kind).Entry(name); n != nil {
			return n
		}
	}
	return nil
}

// take takes over what a member of a rule, a pool or a setting stands for: an address, a network, a range, an address object
// or a group of them.
func (r *reader) take(member string, kind Kind, what string) {
	r.takeAt(member, kind, what, map[string]visit{}, 0)
}

// visit is how deep a group was found, and whether it is being looked into still.
type visit struct {
	depth int
	open  bool
}

// takeAt looks into a group once, or again where it stands less deep than it was seen.
func (r *reader) takeAt(member string, kind Kind, what string, seen map[string]visit, depth int) {
	member = strings.TrimSpace(member)
	if member == "" || member == "any" || r.full {
		return
	}
	if object := r.object("address", member); object != nil {
		r.takeAddress(object, kind, what)
		return
	}
	if group := r.object("address-group", member); group != nil {
		before, known := seen[member]
		if group.Child("static") == nil || depth >= maxNesting || before.open {
			r.trouble(what+" names the dynamic address group "+quote(member)+", whose members are not read, and it is left out", remedy)
			return
		}
		if known && before.depth <= depth {
			return
		}
		seen[member] = visit{depth, true}
		for _, m := range group.Child("static").Members() {
			r.takeAt(m, kind, what, seen, depth+1)
		}
		seen[member] = visit{depth, false}
		return
	}
	if !r.literal(member, kind, what) {
		r.unresolved(member, what)
	}
}

// takeAddress takes over an address object.
func (r *reader) takeAddress(object *xmlapi.Node, kind Kind, what string) {
	for _, form := range []string{"ip-netmask", "ip-range"} {
		if text := object.Value(form); text != "" {
			if !r.literal(text, kind, what) {
				r.unresolved(text, what)
			}
			return
		}
	}
	if host := object.Value("fqdn"); host != "" {
		r.name(host, kind, what)
		return
	}
	r.trouble(what+" names the address object "+quote(object.Attr("name"))+", which is neither a network, a range nor a name, and is left out", remedy)
}

func (r *reader) unresolved(text, what string) {
	if strings.HasPrefix(text, "$") {
		r.trouble(what+" is "+quote(text)+", a template variable without a value here, and is left out", remedy)
		return
	}
	r.trouble(what+" names "+quote(text)+", which is no address and no address object that could be read, and is left out", remedy)
}

// literal takes over an address, network or range; false: it is none.
func (r *reader) literal(text string, kind Kind, what string) bool {
	if first, last, isRange := strings.Cut(text, "-"); isRange {
		from, errFrom := netip.ParseAddr(strings.TrimSpace(first))
		to, errTo := netip.ParseAddr(strings.TrimSpace(last))
		if errFrom != nil || errTo != nil || from.BitLen() != to.BitLen() || to.Less(from) {
			return false
		}
		r.takeRange(from.WithZone(""), to.WithZone(""), kind, what)
		return true
	}
	p, ok := firewall.ParseAddress(text)
	if ok {
		r.add(p, kind, what)
	}
	return ok
}

// takeRange takes over a range as the fewest networks that make it up. One that is wider than a network may be is left out as a
// whole.
func (r *reader) takeRange(from, to netip.Addr, kind Kind, what string) {
	networks := split(from, to)
	for _, p := range networks {
		if wide := tooWide(p); wide != "" {
			r.trouble(what+" names the range "+from.String()+"-"+to.String()+", which is "+wide+" and is left out", remedy)
			return
		}
	}
	for _, p := range networks {
		r.add(p, kind, what)
	}
}

// split gives the fewest networks that make up a range, in their order: at most twice as many as an address has bits.
func split(from, to netip.Addr) (out []netip.Prefix) {
	for {
		p := netip.PrefixFrom(from, from.BitLen())
		for bits := p.Bits() - 1; bits >= 0; bits-- {
			wider, err := from.Prefix(bits)
			if err != nil || wider.Addr() != from || to.Less(lastOf(wider)) {
				break
			}
			p = wider
		}
		out = append(out, p)
		last := lastOf(p)
		if from = last.Next(); last == to || !from.IsValid() {
			return out
		}
	}
}

// lastOf is the highest address of a network.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b) // 4 or 16 bytes, as they came
	return a
}

func quote(text string) string { return strconv.Quote(text) }

// parseHost reads the address of one host, which may be written with the length of its network.
func parseHost(text string) (netip.Prefix, bool) {
	text = strings.TrimSpace(text)
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a.WithZone(""), a.BitLen()), true
	}
	p, err := netip.ParsePrefix(text)
	return p, err == nil
}
