package decision

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// maxTold bounds how many of a kind a text names.
const maxTold = 10

// difference makes the text of a kind of traffic.
func (c *comparison) difference(w *world, p pair, k *kind) Difference {
	x, y := &c.before.Rules[p.before], &c.after.Rules[p.after]
	d := Difference{
		RuleBefore: x.Name, ActionBefore: x.Action, RuleAfter: y.Name, ActionAfter: y.Action,
		BlockedSources: p.blocked, Certain: k.certain, Flow: c.outside(w.example(k.example, p.blocked, k.usual)), Before: p.before, After: p.after,
	}
	for _, r := range []*Rule{x, y} {
		for _, condition := range r.conditions() {
			if !k.certain && !slices.Contains(d.Conditions, condition) {
				d.Conditions = append(d.Conditions, condition)
			}
		}
	}
	d.zones = w.zonesText(k.box.zones)
	parts := []string{d.zones}
	source, destination := addressText(k.box.source, k.box.destination), addressText(k.box.destination, k.box.source)
	if p.blocked {
		parts = append(parts, "blocked sources")
	}
	for _, part := range [][2]string{
		{"source", source}, {"destination", destination}, {"application", w.applicationText(k.box.applications)}, {"service", serviceText(k.box.services)},
	} {
		if part[1] != "" {
			parts = append(parts, part[0]+" "+part[1])
		}
	}
	d.Traffic = strings.Join(parts, ", ")
	d.Example = exampleText(d.Flow)
	return d
}

// outside tells of a flow that its ends are in no set but the one that it is told to be in.
func (c *comparison) outside(f Flow) Flow {
	f.DestinationIn = map[string]bool{}
	for _, p := range []*Policy{c.before, c.after} {
		for _, r := range p.Rules {
			for _, set := range unknownSets(r.Source) {
				f.SourceIn[set] = false
			}
			for _, set := range unknownSets(r.Destination) {
				f.DestinationIn[set] = false
			}
		}
	}
	return f
}

// String tells the difference in one line.
func (d Difference) String() string {
	text := fmt.Sprintf("%s: %s by rule %s, would be %s by %s", d.Traffic, done(d.ActionBefore), d.RuleBefore, done(d.ActionAfter), d.RuleAfter)
	if d.Certain {
		return text + "; for example " + d.Example
	}
	text = fmt.Sprintf("%s: may be %s by rule %s, and would then be %s by %s", d.Traffic, done(d.ActionBefore), d.RuleBefore, done(d.ActionAfter), d.RuleAfter)
	if len(d.Conditions) > 0 {
		text += "; it depends on " + strings.Join(d.Conditions, ", ")
	}
	return text
}

// done is what an action does, as something that was done.
func done(action string) string {
	switch action {
	case Allow:
		return "allowed"
	case "deny":
		return "denied"
	case "drop":
		return "dropped"
	}
	return "stopped (" + action + ")"
}

// conditions are what the configuration does not tell of a rule.
func (r *Rule) conditions() []string {
	var out []string
	add := func(label string, names []string) {
		if len(names) > 0 {
			out = append(out, label+" "+few(names))
		}
	}
	add("source", unknownSets(r.Source))
	add("destination", r.Destination.Sets) // the blocked sources, too: which sources are blocked is a case of its own, where sessions lead to is not
	add("application filter", r.Filters)
	add("service", r.Services.Unknown)
	if r.Services.Default {
		out = append(out, "the default ports of "+few(r.Applications))
	}
	add("user", r.Users)
	add("URL category", r.Categories)
	return append(out, r.Conditions...)
}

func unknownSets(a Addresses) []string {
	return slices.DeleteFunc(slices.Clone(a.Sets), func(set string) bool { return set == Blocked })
}

func few(names []string) string {
	if len(names) == 0 {
		return "any"
	}
	text := strings.Join(names[:min(len(names), maxTold)], ", ")
	if more := len(names) - maxTold; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// zonesText groups pairs of zones: what leads from several to the same is told once.
func (w *world) zonesText(pairs numbers) string {
	n := number(len(w.zones))
	from, order := map[string][]string{}, []string{}
	for i, name := range w.zones {
		row := number(i) * n
		var to []string
		for j, other := range w.zones {
			if one := row + number(j); pairs.meets(numbers{{one, one}}) {
				to = append(to, other)
			}
		}
		if len(to) == 0 {
			continue
		}
		text := few(to)
		switch {
		case len(to) == 1 && to[0] == name:
			text = ""
		case len(to) == len(w.zones):
			text = "any zone"
		case len(to) == len(w.zones)-1 && len(to) > 1 && !slices.Contains(to, name):
			text = "any other zone"
		}
		if from[text] == nil {
			order = append(order, text)
		}
		from[text] = append(from[text], name)
	}
	var parts []string
	for _, to := range order {
		if to == "" {
			parts = append(parts, "within "+few(from[to]))
			continue
		}
		parts = append(parts, "from "+few(from[to])+" to "+to)
	}
	return strings.Join(parts, "; ")
}

// addressText names the addresses of one end; "": any, or any of the family that the other end tells.
func addressText(s, other addresses) string {
	whole := family(s)
	rest := whole.less(s)
	switch {
	case len(rest) > 0 && len(rest) < len(s):
		return "any but " + few(spansText(rest))
	case len(rest) > 0:
		return few(spansText(s))
	case len(whole) == len(allAddresses) || len(whole.less(other)) > 0:
		return ""
	}
	return few(spansText(whole))
}

// family gives all addresses of the families of some.
func family(s addresses) addresses {
	return slices.DeleteFunc(slices.Clone(allAddresses), func(all span[netip.Addr]) bool { return !s.meets(addresses{all}) })
}

var allAddresses = addresses{
	{netip.IPv4Unspecified(), netip.MustParseAddr("255.255.255.255")},
	{netip.IPv6Unspecified(), netip.MustParseAddr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")},
}

func spansText(s addresses) []string {
	var out []string
	for _, a := range s {
		out = append(out, spanText(a.first, a.last))
	}
	return out
}

func spanText(first, last netip.Addr) string {
	for bits := range first.BitLen() + 1 {
		if p := netip.PrefixFrom(first, bits); p.Masked() == p && lastOf(p) == last {
			if p.IsSingleIP() {
				return first.String()
			}
			return p.String()
		}
	}
	return first.String() + "-" + last.String()
}

// lastOf gives the last address of a network.
func lastOf(p netip.Prefix) netip.Addr {
	bytes := p.Addr().AsSlice()
	for i := p.Bits(); i < p.Addr().BitLen(); i++ {
		bytes[i/8] |= 0x80 >> (i % 8)
	}
	last, _ := netip.AddrFromSlice(bytes)
	return last
}

func (w *world) applicationText(s numbers) string {
	all := numbers{{0, number(len(w.applications)) - 1}}
	rest := all.less(s)
	if len(rest) == 0 {
		return ""
	}
	names := func(s numbers) []string {
		var out []string
		for i, name := range w.applications {
			if s.meets(numbers{{number(i), number(i)}}) {
				out = append(out, name)
			}
		}
		return out
	}
	if s.meets(numbers{{all[0].last, all[0].last}}) { // any other
		return "any but " + few(names(rest))
	}
	return few(names(s))
}

var portProtocols = []struct {
	name   string
	number uint8
}{{"tcp", TCP}, {"udp", UDP}, {"sctp", SCTP}}

func serviceText(s numbers) string {
	rest := allServices.less(s)
	if len(rest) == 0 {
		return ""
	}
	if s.meets(numbers{{0, place(TCP, 0) - 1}}) { // other protocols, which rules have no service for
		return "any but " + few(portText(rest))
	}
	return few(portText(s))
}

func portText(s numbers) []string {
	var out []string
	for _, p := range portProtocols {
		for _, ports := range s.and(numbers{{place(p.number, 0), place(p.number, 0xffff)}}) {
			first, last := int(ports.first&0xffff), int(ports.last&0xffff)
			switch {
			case first == 0 && last == 0xffff:
				out = append(out, p.name)
			case first == last:
				out = append(out, p.name+"/"+strconv.Itoa(first))
			default:
				out = append(out, fmt.Sprintf("%s/%d-%d", p.name, first, last))
			}
		}
	}
	return out
}

// example gives a flow of a box, as one that a reader may meet if it holds one: between addresses of examples (RFC 5737, RFC
// 3849), to a port of HTTPS or another of TCP or UDP, of no application that rules name.
func (w *world) example(b box, blocked, usual bool) Flow {
	pair, n := b.zones[0].first, number(len(w.zones))
	service := b.services[0].first
	for _, p := range portProtocols {
		if some := b.services.and(numbers{{place(p.number, 1), place(p.number, 0xffff)}}); len(some) > 0 {
			service = first(some, place(p.number, 443))
			break
		}
	}
	if usual {
		service = 0
	}
	return Flow{
		From: w.zones[pair/n], To: w.zones[pair%n],
		Source:      first(b.source, netip.AddrFrom4([4]byte{203, 0, 113, 10}), netip.AddrFrom4([4]byte{192, 0, 2, 10}), netip.MustParseAddr("2001:db8::10")),
		Destination: first(b.destination, netip.AddrFrom4([4]byte{198, 51, 100, 10}), netip.AddrFrom4([4]byte{192, 0, 2, 20}), netip.MustParseAddr("2001:db8:1::10")),
		SourceIn:    map[string]bool{Blocked: blocked}, Protocol: uint8(service >> 16), Port: uint16(service),
		Application: w.applications[first(b.applications, number(len(w.applications))-1)],
	}
}

// first gives the first of the preferred points that the set holds, else its own first one; of a network not its name.
func first[T point[T]](s set[T], preferred ...T) T {
	for _, p := range preferred {
		if s.meets(set[T]{{p, p}}) {
			return p
		}
	}
	if _, isAddress := any(s[0].first).(netip.Addr); isAddress && s[0].first.Compare(s[0].last) < 0 {
		return s[0].first.Next()
	}
	return s[0].first
}

func exampleText(f Flow) string {
	ends := fmt.Sprintf(" from %s (%s) to %s (%s)", f.Source, f.From, f.Destination, f.To)
	if f.Protocol == 0 {
		return cmp.Or(f.Application, "any application") + " at its default port" + ends
	}
	protocol := "protocol " + strconv.Itoa(int(f.Protocol))
	for _, p := range portProtocols {
		if p.number == f.Protocol {
			protocol = fmt.Sprintf("%s/%d", p.name, f.Port)
		}
	}
	text := protocol + ends
	if f.Application != "" {
		text += ", application " + f.Application
	}
	return text
}
