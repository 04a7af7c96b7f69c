package firewall

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// maxMembers is how many members a static address group takes on most models (product specifications).
const maxMembers = 2500

// nobody keeps the group from being empty, which PAN-OS refuses. It belongs to a documentation range.
var nobody = netip.MustParsePrefix("192.0.2.255/32")

// groupState is what a configuration, candidate or running, holds of ours.
type groupState struct {
	exists  bool                    // the group is there
	dynamic bool                    // it is no static one, and so not ours
	members []string                // of the group, in its order
	objects map[string]netip.Prefix // our address objects by name
	foreign map[string]bool         // names that we would use, of objects that are not ours
	tag     bool                    // the tag object is there
}

// readGroup reads a state from the elements tag, address and address-group of a virtual system; nil: not there.
func readGroup(n Names, tags, addresses, groups *node) groupState {
	s := groupState{objects: map[string]netip.Prefix{}, foreign: map[string]bool{}, tag: tags.entry(n.Tag) != nil}
	if g := groups.entry(n.Group); g != nil {
		s.exists, s.dynamic = true, g.child("dynamic") != nil
		s.members = g.child("static").members()
	}
	for _, e := range addresses.entries() {
		name := e.attr("name")
		if !strings.HasPrefix(name, n.Group+"-") {
			continue
		}
		p, ok := parseAddress(e.value("ip-netmask"))
		switch {
		case !ok || !slices.Contains(e.child("tag").members(), n.Tag):
			s.foreign[name] = true
		case name == n.Nobody || name == n.object(p):
			s.objects[name] = p
		default:
			s.foreign[name] = true
		}
	}
	return s
}

// blocked gives what the group blocks by objects of ours.
func (s groupState) blocked(n Names) map[netip.Prefix]bool {
	set := make(map[netip.Prefix]bool, len(s.members))
	for _, m := range s.members {
		if p, ok := s.objects[m]; ok && m != n.Nobody {
			set[p] = true
		}
	}
	return set
}

// groupPlan is what to edit so that the candidate configuration holds what is desired.
type groupPlan struct {
	create      []object // address objects to be made, sorted
	members     []string // the whole group as it shall be, sorted; nil: as it is
	delete      []string // address objects of ours that nothing needs, sorted
	blocked     map[netip.Prefix]bool
	unsupported []Unsupported
	refused     []Refused
	braked      *Brake
}

// object is an address object of ours.
type object struct {
	name   string
	prefix netip.Prefix
}

// empty tells whether the candidate configuration is as it shall be.
func (p groupPlan) empty() bool { return len(p.create) == 0 && p.members == nil && len(p.delete) == 0 }

// planGroup compares what is desired with what stands. Where more is desired than a group holds, what was quiet
// longest is left out. Members that are not ours stay: somebody put them there.
func planGroup(n Names, desired []Entry, now groupState, most, percent int) groupPlan {
	plan := groupPlan{blocked: map[netip.Prefix]bool{}}
	names := map[string]bool{n.Nobody: true}
	foreign := 0
	for _, m := range now.members {
		if _, ours := now.objects[m]; !ours {
			names[m] = true
			foreign++
		}
	}
	standing := now.blocked(n)
	for _, e := range quietLast(desired) {
		name := n.object(e.Prefix)
		switch {
		case now.foreign[name]:
			plan.refused = append(plan.refused, Refused{e.Prefix, "an address object " + name + " exists that is not ours"})
		case len(plan.blocked)+foreign+1 >= most:
			plan.unsupported = append(plan.unsupported, Unsupported{e.Prefix, fmt.Sprintf("an address group holds %d members", most)})
		default:
			names[name], plan.blocked[e.Prefix] = true, true
		}
	}
	plan.brake(standing, percent, func(p netip.Prefix) { names[n.object(p)], plan.blocked[p] = true, true })
	for p := range plan.blocked {
		if _, there := now.objects[n.object(p)]; !there {
			plan.create = append(plan.create, object{n.object(p), p})
		}
	}
	if _, there := now.objects[n.Nobody]; !there {
		plan.create = append(plan.create, object{n.Nobody, nobody})
	}
	if !now.exists || !sameMembers(now.members, names) {
		for name := range names {
			plan.members = append(plan.members, name)
		}
	}
	// Left-overs go with the next change: they block nobody, and are not worth a commit.
	for name := range now.objects {
		if !names[name] && plan.members != nil {
			plan.delete = append(plan.delete, name)
		}
	}
	slices.SortFunc(plan.create, func(a, b object) int { return cmp.Compare(a.name, b.name) })
	slices.Sort(plan.members)
	slices.Sort(plan.delete)
	return plan
}

// brake keeps what stands when too much of it would go at once.
func (plan *groupPlan) brake(standing map[netip.Prefix]bool, percent int, keep func(netip.Prefix)) {
	var gone []netip.Prefix
	for p := range standing {
		if !plan.blocked[p] {
			gone = append(gone, p)
		}
	}
	if plan.braked = braked(len(gone), len(standing), percent); plan.braked != nil {
		for _, p := range gone {
			keep(p)
		}
	}
}

// quietLast gives what can be held, each once, with what was quiet longest at the end.
func quietLast(desired []Entry) []Entry {
	latest := make(map[netip.Prefix]Entry, len(desired))
	for _, e := range desired {
		p, ok := normal(e.Prefix)
		if !ok {
			continue
		}
		e.Prefix = p
		if old, twice := latest[p]; !twice || before(old, e) {
			latest[p] = e
		}
	}
	out := make([]Entry, 0, len(latest))
	for _, e := range latest {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b Entry) int {
		return cmp.Or(compareEnds(b.Until, a.Until), b.Since.Compare(a.Since), comparePrefixes(a.Prefix, b.Prefix))
	})
	return out
}

func sameMembers(have []string, want map[string]bool) bool {
	if len(have) != len(want) {
		return false
	}
	for _, m := range have {
		if !want[m] {
			return false
		}
	}
	return true
}

// edits gives the plan in two messages: the first blocks and releases; the second clears away objects, which fails
// as long as somebody uses one of them, and then costs nothing else.
func (plan groupPlan) edits(n Names, vsys string, now groupState) (change, clear []edit) {
	v := vsysPath(vsys)
	if !now.tag {
		change = append(change, edit{actionSet, v + "/tag", entryOf(n.Tag, leaf("comments", "owned by Active Defense"))})
	}
	for part := range slices.Chunk(plan.create, maxEdits) {
		list := element("address")
		for _, o := range part {
			list.children = append(list.children, entryOf(o.name, leaf("ip-netmask", address(o.prefix)), memberList("tag", n.Tag)))
		}
		change = append(change, edit{actionSet, v, list})
	}
	group := v + "/address-group"
	switch {
	case plan.members == nil:
	case now.exists:
		change = append(change, edit{actionEdit, group + "/entry" + byName(n.Group) + "/static", memberList("static", plan.members...)})
	default:
		change = append(change, edit{actionSet, group, entryOf(n.Group, memberList("static", plan.members...), memberList("tag", n.Tag))})
	}
	for _, name := range plan.delete {
		clear = append(clear, edit{actionDelete, v + "/address/entry" + byName(name), nil})
	}
	return change, clear
}
