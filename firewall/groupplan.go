package firewall

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"activedefense/firewall/xmlapi"
)

// MaxGroupMembers is how many members we give a static address group: a bound of ours, for no source names that of the models.
const MaxGroupMembers = 2500

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
func readGroup(n Names, tags, addresses, groups *xmlapi.Node) groupState {
	s := groupState{objects: map[string]netip.Prefix{}, foreign: map[string]bool{}, tag: tags.Entry(n.Tag) != nil}
	if g := groups.Entry(n.Group); g != nil {
		s.exists, s.dynamic = true, g.Child("dynamic") != nil
		s.members = g.Child("static").Members()
	}
	for _, e := range addresses.Entries() {
		name := e.Attr("name")
		if !strings.HasPrefix(name, n.Group+"-") {
			continue
		}
		p, ok := ParseAddress(e.Value("ip-netmask"))
		switch {
		case !ok || !slices.Contains(e.Child("tag").Members(), n.Tag):
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

// after gives the members when a plan was carried out.
func (s groupState) after(plan groupPlan) []string {
	gone := make(map[string]bool, len(plan.remove))
	for _, name := range plan.remove {
		gone[name] = true
	}
	out := slices.DeleteFunc(slices.Clone(s.members), func(m string) bool { return gone[m] })
	return append(out, plan.add...)
}

// groupPlan is what to edit so that the candidate configuration holds what is desired.
type groupPlan struct {
	create      []object // address objects to be made, sorted
	add, remove []string // members of the group, all of them ours, sorted
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
func (p groupPlan) empty() bool { return len(p.create)+len(p.add)+len(p.remove)+len(p.delete) == 0 }

// planGroup compares what is desired with what stands. Where more is desired than a group holds, what was quiet
// longest is left out. Members that are not ours stay: somebody put them there.
func planGroup(n Names, desired []Entry, now groupState, most, percent int) groupPlan {
	var plan groupPlan
	wanted, standing := quietLast(desired), now.blocked(n)
	members := make(map[string]bool, len(now.members))
	foreign := 0
	for _, m := range now.members {
		members[m] = true
		if _, ours := now.objects[m]; !ours {
			foreign++
		}
	}
	plan.choose(n, wanted, now, most, foreign, nil)
	gone := 0
	for p := range standing {
		if !plan.blocked[p] {
			gone++
		}
	}
	if plan.braked = braked(gone, len(standing), percent); plan.braked != nil {
		plan.choose(n, wanted, now, most, foreign, standing)
	}
	names := map[string]bool{n.Nobody: true}
	for p := range plan.blocked {
		names[n.object(p)] = true
		if _, there := now.objects[n.object(p)]; !there {
			plan.create = append(plan.create, object{n.object(p), p})
		}
	}
	if _, there := now.objects[n.Nobody]; !there {
		plan.create = append(plan.create, object{n.Nobody, nobody})
	}
	plan.change(names, members, now)
	slices.SortFunc(plan.create, func(a, b object) int { return cmp.Compare(a.name, b.name) })
	return plan
}

// choose decides what is blocked: what is kept in any case, and of what is wanted as much as there is room for beside
// foreign members and nobody.
func (plan *groupPlan) choose(n Names, wanted []Entry, now groupState, most, foreign int, kept map[netip.Prefix]bool) {
	plan.refused, plan.unsupported, plan.blocked = nil, nil, make(map[netip.Prefix]bool, len(wanted))
	maps.Copy(plan.blocked, kept)
	for _, e := range wanted {
		switch name := n.object(e.Prefix); {
		case plan.blocked[e.Prefix]:
		case now.foreign[name]:
			plan.refused = append(plan.refused, Refused{e.Prefix, "an address object " + name + " exists that is not ours"})
		case len(plan.blocked)+foreign+1 >= most:
			plan.unsupported = append(plan.unsupported, Unsupported{e.Prefix, fmt.Sprintf("an address group holds %d members", most)})
		default:
			plan.blocked[e.Prefix] = true
		}
	}
}

// change gives the members that come and go, and the objects that nothing needs then. Left-overs go with the next
// change: they block nobody, and are not worth a commit.
func (plan *groupPlan) change(names, members map[string]bool, now groupState) {
	for name := range names {
		if !members[name] {
			plan.add = append(plan.add, name)
		}
	}
	var unused []string
	for name := range now.objects {
		if names[name] {
			continue
		}
		unused = append(unused, name)
		if members[name] {
			plan.remove = append(plan.remove, name)
		}
	}
	if len(plan.add)+len(plan.remove) > 0 {
		plan.delete = unused
	}
	slices.Sort(plan.add)
	slices.Sort(plan.remove)
	slices.Sort(plan.delete)
}

// quietLast gives what can be held, each once, with what was quiet longest at the end.
func quietLast(desired []Entry) []Entry {
	latest := make(map[netip.Prefix]Entry, len(desired))
	for _, e := range desired {
		p, ok := Normalize(e.Prefix)
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
		return cmp.Or(compareEnds(b.Until, a.Until), b.Since.Compare(a.Since), ComparePrefixes(a.Prefix, b.Prefix))
	})
	return out
}

// edits gives the plan in two messages: the first blocks and releases; the second clears away objects, which fails
// as long as somebody uses one of them, and then costs nothing else. Members come and go one by one, never the group as a
// whole: another administrator may have edited it, and what is not ours in it must become no edit of ours.
func (plan groupPlan) edits(n Names, vsys string, now groupState) (change, clear []xmlapi.Edit) {
	v := xmlapi.VSysPath(vsys)
	if !now.tag {
		change = append(change, xmlapi.Set(v+"/tag", n.TagEntry()))
	}
	for part := range slices.Chunk(plan.create, xmlapi.MaxEdits) {
		list := xmlapi.Element("address")
		for _, o := range part {
			list.Children = append(list.Children, n.addressEntry(o.name, o.prefix))
		}
		change = append(change, xmlapi.Set(v, list))
	}
	group := v + "/address-group"
	if len(plan.add) > 0 {
		entry := xmlapi.NamedEntry(n.Group, xmlapi.MemberList("static", plan.add...))
		if !now.exists {
			entry.Children = append(entry.Children, xmlapi.MemberList("tag", n.Tag))
		}
		change = append(change, xmlapi.Set(group, entry))
	}
	for _, name := range plan.remove {
		change = append(change, xmlapi.Delete(group+xmlapi.EntryNamed(n.Group)+"/static/member[text()='"+name+"']"))
	}
	for _, name := range plan.delete {
		clear = append(clear, xmlapi.Delete(v+"/address"+xmlapi.EntryNamed(name)))
	}
	return change, clear
}
