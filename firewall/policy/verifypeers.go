package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"activedefense/firewall"
	"activedefense/firewall/decision"
	"activedefense/firewall/ours"
)

// peerChecks look whether what the firewall itself talks to is cut by what blocks.
type peerChecks struct{ *verifier }

// peers looks at what blocks: at what the firewall holds of ours, and at the rules that stop some sources alone. A rule that stops any
// source is the policy's own decision; that of the default rules is none of ours.
func (v peerChecks) peers(f *findings) {
	if f.unasked(v.f.policyError()) || f.unasked(v.f.lines.err) {
		return
	}
	if v.f.lines.value == nil {
		f.unasked(errNotAsked)
		return
	}
	answer := v.f.lines.value.Read()
	var peers []ours.Entry
	for _, e := range answer.Entries {
		if e.Kind == ours.Peer {
			peers = append(peers, e)
		}
	}
	sessions := v.f.lines.value.Sessions()
	f.note("%s, and none is cut by what blocks", plural(len(peers), "peer has an address", "peers have an address"))
	if len(peers) > 0 {
		v.blockedPeers(f, peers)
	}
	v.stoppedPeers(f, sessions)
	v.unknownPeers(f, answer, sessions)
	v.leftovers(f)
}

// leftovers names what bears our names, stands in a rule, and is none of what we block by now, as the group of another mode: nobody was
// asked who is in it.
func (v peerChecks) leftovers(f *findings) {
	lists := v.p.lists(v.want.ListURL)
	for _, name := range []string{v.want.Names.Group, v.want.Names.List} {
		ours := v.names[name] || slices.ContainsFunc(lists, func(l placed) bool { return l.Attr("name") == name })
		exists := v.p.scopes.find(name, "address-group").Node != nil || v.p.scopes.find(name, "external-list").Node != nil
		if exists && !ours && v.p.stops(name) {
			f.unknown = append(f.unknown, "not checked, for the configuration of Active Defense does not block by it: "+quoteAll([]string{name})+", from which a rule stops traffic")
		}
	}
}

// heldSource is what the firewall holds of what we block by one object, or by several of a kind.
type heldSource struct {
	what  string                                    // for a reader
	holds func(netip.Prefix) (entry string, h bool) // the entry that an address stands in
	undo  string                                    // how somebody takes an entry away that is not on the blacklist
}

// blockedPeers finds those that stand in what we block by.
func (v peerChecks) blockedPeers(f *findings, peers []ours.Entry) {
	for _, held := range v.heldSources(f) {
		for _, peer := range peers {
			entry, found := held.holds(peer.Prefix)
			if !found {
				continue
			}
			who := firewall.FormatAddress(peer.Prefix)
			remedy := fmt.Sprintf("Add %s to never_block and reload, which lifts the block and keeps it from coming back.", who)
			i := slices.IndexFunc(v.want.Entries, func(e firewall.Entry) bool { return e.Prefix.Overlaps(peer.Prefix) })
			if i >= 0 {
				remedy += fmt.Sprintf(` Now, and once: activedefense blacklist remove %s --reason "%s".`, firewall.FormatAddress(v.want.Entries[i].Prefix), peer.What)
			} else {
				remedy += fmt.Sprintf(" If activedefense blacklist show %s does not know it: %s.", who, held.undo)
			}
			f.fail(remedy, "%s, %s, is blocked: it stands in %s as %s", who, peer.What, held.what, entry)
		}
	}
}

// heldSources gives what is in force: what no rule stops by blocks nobody.
func (v peerChecks) heldSources(f *findings) (out []heldSource) {
	var groups []string
	for _, s := range v.sources {
		if v.want.Mode != firewall.ModeList && v.p.stops(s.name) {
			groups = append(groups, s.name)
		}
	}
	switch {
	case len(groups) == 0:
	case v.want.Mode == firewall.ModeGroup:
		out = append(out, v.staticGroups(groups))
	case v.f.standsBy: // the active member tells it
	case !f.unasked(v.f.members.err):
		held, _ := capacityChecks(v).groupMembers()
		out = append(out, heldSource{"dynamic address group " + quoteAll(groups), heldBy(held),
			"whoever gave it the tag " + word(v.want.Names.Tag) + " takes that off; CLI: show object registered-ip tag " + word(v.want.Names.Tag)})
	}
	if lists := v.p.lists(v.want.ListURL); len(lists) > 0 && v.p.stops(lists[0].Attr("name")) && !f.unasked(v.f.list.err) {
		name := lists[0].Attr("name")
		held, err := firewall.ParseHeldList(v.f.list.value)
		if err != nil {
			f.warn("", "the list %s could not be checked: %v", quoteAll([]string{name}), err)
			return out
		}
		if !held.Complete {
			f.unknown = append(f.unknown, fmt.Sprintf("not checked: %d entries of the list %s that the firewall does not show", held.Valid-len(held.Entries), quoteAll([]string{name})))
		}
		out = append(out, heldSource{"the list " + quoteAll([]string{name}), heldBy(held.Entries), "CLI: request system external-list refresh type ip name " + word(name)})
	}
	return out
}

// staticGroups looks into address groups for all that stands there, by whomever.
func (v peerChecks) staticGroups(names []string) heldSource {
	r := v.p.resolver(v.want)
	clear(r.blocked) // else what is ours is one set
	var held []decision.Range
	for _, name := range names {
		held = append(held, r.address(name).Ranges...)
	}
	return heldSource{"address group " + quoteAll(names), func(p netip.Prefix) (string, bool) {
		for _, one := range held {
			if own, _ := parseRange(p.String()); own.First.BitLen() == one.First.BitLen() && own.First.Compare(one.Last) <= 0 && one.First.Compare(own.Last) <= 0 {
				return rangeText(one), true
			}
		}
		return "", false
	}, "whoever put it into the address group takes it out, and commits"}
}

// rangeText writes a range as short as it can be.
func rangeText(r decision.Range) string {
	for bits := range r.First.BitLen() + 1 {
		p := netip.PrefixFrom(r.First, bits)
		if whole, _ := parseRange(p.String()); whole == r {
			return firewall.FormatAddress(p)
		}
	}
	return r.First.String() + "-" + r.Last.String()
}

// heldBy gives the entry in which an address or network stands, or which lies in it.
func heldBy(held map[netip.Prefix]bool) func(netip.Prefix) (string, bool) {
	return func(p netip.Prefix) (string, bool) {
		for bits := range p.Bits() + 1 {
			if wider, err := p.Addr().Prefix(bits); err == nil && held[wider] {
				return firewall.FormatAddress(wider), true
			}
		}
		if p.IsSingleIP() {
			return "", false
		}
		var within []netip.Prefix
		for one := range held {
			if p.Contains(one.Addr()) {
				within = append(within, one)
			}
		}
		return examples(within), len(within) > 0
	}
}

// peerFlow is the first packet of something that a peer sends.
type peerFlow struct {
	name, application string
	protocol          uint8
	port              uint16
}

var peerFlows = map[ours.Protocol][]peerFlow{
	ours.IKE:  {{"udp/500", "ike", decision.UDP, 500}, {"udp/4500", "ipsec-esp-udp", decision.UDP, 4500}, {"ESP", "ipsec-esp", 50, 0}},
	ours.GRE:  {{"protocol 47", "gre", 47, 0}},
	ours.BGP:  {{"tcp/179", "bgp", decision.TCP, 179}},
	ours.OSPF: {{"protocol 89", "ospf", 89, 0}},
}

// verdict is that a rule, by index, stops a session, by index: surely, or maybe.
type verdict struct {
	rule, session int
	certain       bool
	by            string // zone by which the session may arrive; "": it does, by one of Session.From
}

// stoppedPeers finds the rules that stop what peers send, and not what anybody sends.
func (v peerChecks) stoppedPeers(f *findings, sessions []ours.Session) {
	if !slices.ContainsFunc(sessions, isWhole) {
		return
	}
	policy, groups := v.p.decisions(v.want, false), v.dynamicGroups()
	for i, r := range policy.Rules {
		if slices.Contains(r.Applications, "ipsec") { // which stands for these
			policy.Rules[i].Applications = append(slices.Clone(r.Applications), "ike", "ipsec-esp", "ipsec-esp-udp")
		}
	}
	services, order := map[verdict][]string{}, []verdict{}
	for n, s := range sessions {
		if !isWhole(s) {
			continue
		}
		flow := decision.Flow{To: s.To, Source: s.Remote, Destination: s.Local, Category: anything, // no URL has one
			SourceIn: map[string]bool{decision.Blocked: false, dynamicGroup(v.want.Names.Group): false, externalList(v.want.Names.List): false}}
		for set, held := range groups {
			_, flow.SourceIn[set] = heldBy(held)(netip.PrefixFrom(s.Remote, s.Remote.BitLen()))
		}
		for z, zone := range slices.Concat(s.From, s.Perhaps) {
			by := ""
			if flow.From = zone; z >= len(s.From) {
				by = zone
			}
			for _, first := range peerFlows[s.Protocol] {
				flow.Application, flow.Protocol, flow.Port = first.application, first.protocol, first.port
				decided := policy.Decide(flow)
				passes := slices.ContainsFunc(decided, func(i int) bool { return v.p.rules[i].allows() })
				for at, i := range decided { // only the last matches surely
					key := verdict{i, n, by == "" && !passes && at == len(decided)-1, by}
					if by != "" && (services[verdict{i, n, true, ""}] != nil || services[verdict{i, n, false, ""}] != nil) {
						continue // it is told already
					}
					if services[key] == nil {
						order = append(order, key)
					}
					if !slices.Contains(services[key], first.name) {
						services[key] = append(services[key], first.name)
					}
				}
			}
		}
	}
	for _, key := range order {
		v.tellStopped(f, key, sessions[key.session], services[key], policy.Rules[key.rule].Source.Sets)
	}
}

// isWhole tells whether it is known of a session between which ends it is.
func isWhole(s ours.Session) bool {
	return s.Remote.IsValid() && s.Local.IsValid() && len(s.From)+len(s.Perhaps) > 0
}

// dynamicGroups gives the members of dynamic address groups by the names that their sets have in a policy, as far as the firewall tells.
func (v peerChecks) dynamicGroups() map[string]map[netip.Prefix]bool {
	out := map[string]map[netip.Prefix]bool{}
	for _, g := range v.f.members.value.Child("dyn-addr-grp").Entries() {
		name := g.Value("group-name")
		if vsys := g.Value("vsys"); vsys != "" && vsys != v.f.VSys || v.f.standsBy {
			continue
		}
		held := map[netip.Prefix]bool{}
		for _, m := range g.Child("member-list").Entries() {
			if p, ok := firewall.ParseAddress(m.Attr("name")); ok {
				held[p] = true
			}
		}
		out[dynamicGroup(name)] = held
	}
	return out
}

// tellStopped says what a rule does with a session. One of ours that stops what is not blocked is at fault; one of others that singles
// peers out may be meant so.
func (v peerChecks) tellStopped(f *findings, at verdict, s ours.Session, services, sets []string) {
	x := v.p.rules[at.rule]
	holds := v.blocks(x) || v.p.holds(x.source, v.lists)
	wide := isAny(x.source) || x.notSource
	own := wide && (holds || x.name == v.want.Names.Block || x.name == v.want.Names.Listed)
	if x.allows() || x.everySource() && !own {
		return
	}
	text := fmt.Sprintf("%s stops %s (%s) from %s, %s, to %s", x, s.Protocol, strings.Join(services, ", "), s.Remote, s.What, s.Local)
	if !at.certain {
		text = strings.Replace(text, " stops ", " may stop ", 1)
		if at.by != "" {
			text += fmt.Sprintf(": it depends on whether that arrives by zone %s, as policy-based forwarding, a learned route or a second line may have it", quoteAll([]string{at.by}))
		}
		if sets = slices.DeleteFunc(slices.Clone(sets), func(set string) bool { return set == decision.Blocked }); len(sets) > 0 {
			text += ": it depends on " + strings.Join(sets[:min(len(sets), maxNamed)], ", ")
		}
	}
	name, on := quoteAll([]string{x.name}), ""
	if at.by != "" {
		on = "If it does arrive there: "
	}
	if x.layer.pushed() {
		on += "On Panorama, "
	}
	switch {
	case own && at.certain:
		f.fail(v.cli.or(fmt.Sprintf("%sPolicies > Security > %s: Source %s alone, Negate off.", on, name, words(v.sourceOf(x)))), "%s", text)
	case own:
		f.warn(v.cli.or(fmt.Sprintf("%sPolicies > Security > %s: Source %s alone, Negate off.", on, name, words(v.sourceOf(x)))), "%s", text)
	default:
		f.warn(fmt.Sprintf("%sPolicies > Security: above %s, a rule that allows %s from %s to %s; or take it out of the source of %s.", on, name, s.Protocol, s.Remote, s.Local, name), "%s", text)
	}
}

// sourceOf gives what a rule of ours shall have as source.
func (v peerChecks) sourceOf(x rule) []string {
	if x.name == v.want.Names.Listed || v.want.Mode == firewall.ModeList || v.p.holds(x.source, v.lists) {
		return []string{v.want.Names.List}
	}
	return []string{v.want.Names.Group}
}

// unknownPeers says of which peers it cannot be told.
func (v peerChecks) unknownPeers(f *findings, answer ours.Answer, sessions []ours.Session) {
	var nameless, wayless []string
	for _, n := range answer.Names {
		if n.Kind == ours.Peer {
			nameless = append(nameless, n.What)
		}
	}
	for _, s := range sessions {
		switch {
		case !s.Remote.IsValid() && s.Host == "":
			nameless = append(nameless, s.What)
		case s.Remote.IsValid() && !isWhole(s):
			wayless = append(wayless, s.What+" "+s.Remote.String())
		}
	}
	for _, part := range []struct {
		names []string
		text  string
	}{{nameless, "not checked, for the configuration has no address of them: "}, {wayless, "rules were not checked for what reaches the firewall at an address or by a zone that is not known: "}} {
		if more := len(part.names) - maxNamed; more > 0 {
			part.names = append(slices.Clone(part.names[:maxNamed]), fmt.Sprintf("and %d more", more))
		}
		if len(part.names) > 0 {
			f.unknown = append(f.unknown, part.text+strings.Join(part.names, ", "))
		}
	}
}
