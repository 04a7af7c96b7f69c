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
	tagged  bool                    // it bears our tag
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
		s.members, s.tagged = g.Child("static").Members(), slices.Contains(g.Child("tag").Members(), n.Tag)
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

// isOurs tells whether a static group is the one that we fill: it bears our tag, or holds an object of ours.
func (s groupState) isOurs() bool {
	return s.tagged || slices.ContainsFunc(s.members, func(m string) bool { _, ours := s.objects[m]; return ours })
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

// after gives the members when the changes were made.
func (s groupState) after(changes groupChangeset) []string {
	gone := make(map[string]bool, len(changes.remove))
	for _, name := range changes.remove {
		gone[name] = true
	}
	out := slices.DeleteFunc(slices.Clone(s.members), func(m string) bool { return gone[m] })
	return append(out, changes.add...)
}

// groupChangeset is what to edit so that the candidate configuration holds what is desired.
type groupChangeset struct {
	create      []object // address objects to be made, sorted
	add, remove []string // members of the group, all of them ours, sorted
	delete      []string // address objects of ours that nothing needs, sorted
	blocked     map[netip.Prefix]bool
	unsupported []Unsupported // for want of room
	refused     []Refused
	braked      *Brake
}

// leftOut gives what is not held for want of room.
func (p groupChangeset) leftOut() (list []netip.Prefix) {
	for _, u := range p.unsupported {
		list = append(list, u.Prefix)
	}
	slices.SortFunc(list, ComparePrefixes)
	return list
}

// object is an address object of ours.
type object struct {
	name   string
	prefix netip.Prefix
}

// empty tells whether the candidate configuration is as it shall be.
func (p groupChangeset) empty() bool {
	return len(p.create)+len(p.add)+len(p.remove)+len(p.delete) == 0
}

// compareGroup compares what is desired with what stands. Where more is desired than a group holds, package room says what
// is left out, and what stands makes way in steps that the brake would let go of. Members that are not ours stay: somebody put them there.
func compareGroup(n Names, desired []Entry, now groupState, most, percent int, may mayBlock) groupChangeset {
	var changes groupChangeset
	wanted, standing := byClaim(desired), now.blocked(n)
	maps.DeleteFunc(standing, func(p netip.Prefix, _ bool) bool { return !may.allows(p) })
	members := make(map[string]bool, len(now.members))
	foreign := 0
	for _, m := range now.members {
		members[m] = true
		if _, ours := now.objects[m]; !ours {
			foreign++
		}
	}
	kept, gone := settledIn(wanted, standing, max(brakeFrom, percent*len(standing)/100))
	changes.choose(n, wanted, now, most, foreign, kept)
	if changes.braked = Braked(gone, len(standing), percent); changes.braked != nil {
		changes.choose(n, wanted, now, most, foreign, standing)
	}
	names := map[string]bool{n.Nobody: true}
	for p := range changes.blocked {
		names[n.object(p)] = true
		if _, there := now.objects[n.object(p)]; !there {
			changes.create = append(changes.create, object{n.object(p), p})
		}
	}
	if _, there := now.objects[n.Nobody]; !there {
		changes.create = append(changes.create, object{n.Nobody, nobody})
	}
	changes.memberChanges(names, members, now)
	slices.SortFunc(changes.create, func(a, b object) int { return cmp.Compare(a.name, b.name) })
	return changes
}

// choose decides what is blocked: what is kept in any case, and of what is wanted as much as there is room for beside
// foreign members and nobody.
func (changes *groupChangeset) choose(n Names, wanted []Entry, now groupState, most, foreign int, kept map[netip.Prefix]bool) {
	changes.refused, changes.unsupported, changes.blocked = nil, nil, make(map[netip.Prefix]bool, len(wanted))
	maps.Copy(changes.blocked, kept)
	for _, e := range wanted {
		switch name := n.object(e.Prefix); {
		case changes.blocked[e.Prefix]:
		case now.foreign[name]:
			changes.refused = append(changes.refused, Refused{e.Prefix, "address object " + name + " exists and is not ours"})
		case len(changes.blocked)+foreign+1 >= most:
			changes.unsupported = append(changes.unsupported, Unsupported{e.Prefix, fmt.Sprintf("the address group is limited to %d members", most)})
		default:
			changes.blocked[e.Prefix] = true
		}
	}
}

// memberChanges gives the members that come and go, and the objects that nothing needs then. Left-overs go with the next
// change: they block nobody, and are not worth a commit.
func (changes *groupChangeset) memberChanges(names, members map[string]bool, now groupState) {
	for name := range names {
		if !members[name] {
			changes.add = append(changes.add, name)
		}
	}
	var unused []string
	for name := range now.objects {
		if names[name] {
			continue
		}
		unused = append(unused, name)
		if members[name] {
			changes.remove = append(changes.remove, name)
		}
	}
	if len(changes.add)+len(changes.remove) > 0 {
		changes.delete = unused
	}
	slices.Sort(changes.add)
	slices.Sort(changes.remove)
	slices.Sort(changes.delete)
}

// settledIn gives what stands and is wanted, but for so many as may make way for others, those with the lowest claims; and how
// many stand that are not wanted.
func settledIn(wanted []Entry, standing map[netip.Prefix]bool, mayGo int) (kept map[netip.Prefix]bool, gone int) {
	kept = make(map[netip.Prefix]bool, len(standing))
	var stay []netip.Prefix
	for _, e := range wanted {
		if standing[e.Prefix] {
			stay = append(stay, e.Prefix)
		}
	}
	for _, p := range stay[:max(len(stay)-mayGo, 0)] {
		kept[p] = true
	}
	return kept, len(standing) - len(stay)
}

// byClaim gives what can be held, each once, with what is left out first at the end.
func byClaim(desired []Entry) []Entry {
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
		return cmp.Or(b.claim().Compare(a.claim()), compareEnds(b.Until, a.Until), b.Since.Compare(a.Since), ComparePrefixes(a.Prefix, b.Prefix))
	})
	return out
}

// edits gives the changes in two messages: the first blocks and releases; the second clears away objects, which fails
// as long as somebody uses one of them, and then costs nothing else. Members come and go one by one, never the group as a
// whole: another administrator may have edited it, and what is not ours in it must become no edit of ours.
func (changes groupChangeset) edits(n Names, vsys string, now groupState) (edits, clear []xmlapi.Edit) {
	v := xmlapi.VSysPath(vsys)
	if !now.tag {
		edits = append(edits, xmlapi.Set(v+"/tag", n.TagEntry()))
	}
	for part := range slices.Chunk(changes.create, xmlapi.MaxEdits) {
		list := xmlapi.Element("address")
		for _, o := range part {
			list.Children = append(list.Children, n.addressEntry(o.name, o.prefix))
		}
		edits = append(edits, xmlapi.Set(v, list))
	}
	group := v + "/address-group"
	if len(changes.add) > 0 {
		entry := xmlapi.NamedEntry(n.Group, xmlapi.MemberList("static", changes.add...))
		if !now.exists {
			entry.Children = append(entry.Children, xmlapi.MemberList("tag", n.Tag))
		}
		edits = append(edits, xmlapi.Set(group, entry))
	}
	for _, name := range changes.remove {
		edits = append(edits, xmlapi.Delete(group+xmlapi.EntryNamed(n.Group)+"/static/member[text()='"+name+"']"))
	}
	for _, name := range changes.delete {
		clear = append(clear, xmlapi.Delete(v+"/address"+xmlapi.EntryNamed(name)))
	}
	return edits, clear
}
