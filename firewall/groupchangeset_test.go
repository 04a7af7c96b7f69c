package firewall

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"activedefense/firewall/room"
	"activedefense/firewall/xmlapi"
)

var groupNames = NamesFor("active-defense")

func TestNames(t *testing.T) {
	seen := map[string]string{}
	for _, tag := range []string{
		"active-defense", "a", "Blocked_by-us", "active defense", "active.defense", "active/defense", strings.Repeat("x", 127), strings.Repeat("x", 126),
		"-dash", "ünï", "   .", "active-defense-for-edge-2",
	} {
		n := NamesFor(tag)
		names := []string{n.Group, n.Nobody, n.List, n.Block, n.Listed, n.Sensor, n.Logs, n.Syslog, n.CertProf, n.CA,
			n.object(netip.MustParsePrefix("2001:db8:1111:2222:3333:4444:5555:6666/127")), n.object(netip.MustParsePrefix("192.0.2.0/24"))}
		for i, name := range names {
			most := 31
			if i > 9 {
				most = 63
			}
			if len(name) > most || strings.ContainsFunc(name, func(r rune) bool {
				return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", r)
			}) || strings.ContainsAny(name[:1], "-_.") {
				t.Errorf("tag %q: %q is no name of an object", tag, name)
			}
		}
		if other, taken := seen[n.Group]; taken {
			t.Errorf("tags %q and %q share the name %q", tag, other, n.Group)
		}
		seen[n.Group] = tag
	}
	if n := NamesFor("active-defense"); n.Group != "active-defense" || n.object(netip.MustParsePrefix("2001:db8::1/128")) != "active-defense-2001_db8__1" {
		t.Errorf("a plain tag gives %+v", n)
	}
}

// apply makes of a state what the edits of a changeset make of it.
func (s groupState) apply(changes groupChangeset) groupState {
	out := groupState{exists: true, tag: true, members: s.after(changes), objects: map[string]netip.Prefix{}, foreign: s.foreign}
	for name, p := range s.objects {
		out.objects[name] = p
	}
	for _, o := range changes.create {
		out.objects[o.name] = o.prefix
	}
	for _, name := range changes.delete {
		delete(out.objects, name)
	}
	return out
}

// Whatever stands and whatever is desired: the changes bring the group to exactly that, keeps members of others, is never
// empty, never larger than allowed, and leaves nothing to do.
func TestGroupChangesetReachesWhatIsDesired(t *testing.T) {
	at := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	address := rapid.Custom(func(t *rapid.T) netip.Prefix {
		n := rapid.IntRange(0, 9).Draw(t, "n")
		form := rapid.SampledFrom([]string{"203.0.113.%d/32", "198.51.%d.0/24", "2001:db8::%d/128"}).Draw(t, "form")
		return netip.MustParsePrefix(fmt.Sprintf(form, n))
	})
	rapid.Check(t, func(t *rapid.T) {
		now := groupState{objects: map[string]netip.Prefix{}, foreign: map[string]bool{}}
		if now.exists = rapid.Bool().Draw(t, "exists"); now.exists {
			for _, p := range rapid.SliceOfDistinct(address, func(p netip.Prefix) netip.Prefix { return p }).Draw(t, "stand") {
				now.objects[groupNames.object(p)] = p
				now.members = append(now.members, groupNames.object(p))
			}
			now.members = append(now.members, rapid.SampledFrom([][]string{nil, {"somebody"}}).Draw(t, "theirs")...)
		}
		for _, p := range rapid.SliceOf(address).Draw(t, "left over") {
			now.objects[groupNames.object(p)] = p
		}
		var desired []Entry
		for i, p := range rapid.SliceOf(address).Draw(t, "desired") {
			desired = append(desired, Entry{Prefix: p, Until: at.Add(time.Duration(i) * time.Hour)})
		}
		most := rapid.IntRange(3, 12).Draw(t, "most")
		theirs := slices.Contains(now.members, "somebody")
		changes := compareGroup(groupNames, desired, now, most, 100, nil)
		after := now.apply(changes)
		want := map[netip.Prefix]bool{}
		for _, e := range desired {
			want[e.Prefix] = true
		}
		got := after.blocked(groupNames)
		for p := range got {
			if !want[p] {
				t.Fatalf("%v is blocked and not desired", p)
			}
		}
		if len(got)+len(changes.unsupported) != len(want) {
			t.Fatalf("%d blocked and %d left out of %d desired", len(got), len(changes.unsupported), len(want))
		}
		room := most - 1
		if theirs {
			room--
		}
		if len(changes.unsupported) > 0 && len(got) < room {
			t.Fatalf("%d left out although there is room for %d and only %d stand", len(changes.unsupported), room, len(got))
		}
		for _, m := range after.members {
			if _, ours := after.objects[m]; !ours && m != "somebody" {
				t.Fatalf("member %s has no object", m)
			}
		}
		if !slices.Contains(after.members, groupNames.Nobody) || theirs != slices.Contains(after.members, "somebody") {
			t.Fatalf("members %v", after.members)
		}
		if again := compareGroup(groupNames, desired, after, most, 100, nil); !again.empty() {
			t.Fatalf("the second changeset is not empty: %+v", again)
		}
	})
}

// groupOf is a group that holds so many addresses, 203.0.113.0 and up, and those.
func groupOf(n int) (s groupState, held []Entry) {
	s = groupState{exists: true, objects: map[string]netip.Prefix{groupNames.Nobody: nobody}, members: []string{groupNames.Nobody}}
	for i := range n {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), 32)
		s.objects[groupNames.object(p)] = p
		s.members = append(s.members, groupNames.object(p))
		held = append(held, Entry{Prefix: p})
	}
	return s, held
}

func TestGroupChangesetBrakes(t *testing.T) {
	now, held := groupOf(200)
	desired := held[70:]
	changes := compareGroup(groupNames, desired, now, 1000, 30, nil)
	if changes.braked == nil || changes.braked.Remove != 70 || changes.braked.Standing != 200 || !changes.empty() {
		t.Errorf("70 of 200 with 30 %%: %+v", changes)
	}
	fresh := Entry{Prefix: netip.MustParsePrefix("198.51.100.1/32")}
	if changes = compareGroup(groupNames, append(desired, fresh), now, 1000, 30, nil); len(changes.create) != 1 || len(changes.add) != 1 || len(changes.remove) != 0 {
		t.Errorf("a new block beside the brake: %+v", changes)
	}
	if changes = compareGroup(groupNames, desired, now, 1000, 35, nil); changes.braked != nil || len(changes.delete) != 70 {
		t.Errorf("70 of 200 with 35 %%: %+v", changes)
	}
}

// What the brake holds back takes its room: a group that is larger than PAN-OS takes would fail every commit.
func TestGroupChangesetBrakesWithinTheGroup(t *testing.T) {
	now, _ := groupOf(100)
	var desired []Entry
	for i := range 100 {
		desired = append(desired, Entry{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), 32)})
	}
	changes := compareGroup(groupNames, desired, now, 111, 30, nil)
	if after := now.apply(changes); changes.braked == nil || len(after.members) != 111 || len(after.blocked(groupNames)) != 110 || len(changes.unsupported) != 90 {
		t.Errorf("braked %v, %d members, %d blocked, %d left out", changes.braked, len(after.members), len(after.blocked(groupNames)), len(changes.unsupported))
	}
}

// A group that is full makes room for what is proven, by what is forgeable and quiet, in steps that the brake would let go of;
// and none for forged sources.
func TestGroupMakesRoomForWhatIsProven(t *testing.T) {
	now, held := groupOf(200)
	at := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for i := range held {
		held[i].Rank, held[i].LastSeen = room.Forgeable, at.Add(-time.Duration(i)*time.Hour)
	}
	var proven, flood []Entry
	for i := range 100 {
		proven = append(proven, Entry{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), 32), LastSeen: at.Add(-1000 * time.Hour)})
		flood = append(flood, Entry{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 32), Rank: room.Forgeable, LastSeen: at.Add(-200 * time.Hour)})
	}
	desired := slices.Concat(held, flood, proven)
	for step, want := range []struct{ came, went int }{{60, 60}, {40, 40}, {0, 0}} {
		changes := compareGroup(groupNames, desired, now, 201, 30, nil)
		if changes.braked != nil || len(changes.create) != want.came || len(changes.remove) != want.went || len(changes.leftOut()) != 200 {
			t.Fatalf("step %d: %d come, %d go, %d are left out, braked %v", step, len(changes.create), len(changes.remove), len(changes.leftOut()), changes.braked)
		}
		now = now.apply(changes)
	}
	stands := now.blocked(groupNames)
	for i := range 100 {
		if !stands[proven[i].Prefix] || !stands[held[i].Prefix] || stands[held[100+i].Prefix] || stands[flood[i].Prefix] {
			t.Fatalf("at %d: proven %t, active %t, quiet %t, of the flood %t", i, stands[proven[i].Prefix], stands[held[i].Prefix], stands[held[100+i].Prefix], stands[flood[i].Prefix])
		}
	}
}

func TestGroupKeepsOffWhatIsForeign(t *testing.T) {
	addresses, err := xmlapi.Parse([]byte(`<address>
		<entry name="active-defense-203.0.113.1"><ip-netmask>203.0.113.1</ip-netmask></entry>
		<entry name="active-defense-203.0.113.2"><ip-netmask>203.0.113.99</ip-netmask><tag><member>active-defense</member></tag></entry>
		<entry name="active-defense-203.0.113.3"><ip-netmask>203.0.113.3/32</ip-netmask><tag><member>x</member><member>active-defense</member></tag></entry>
		<entry name="active-defense-web"><fqdn>www.example.com</fqdn><tag><member>active-defense</member></tag></entry>
		<entry name="web"><ip-netmask>203.0.113.4</ip-netmask><tag><member>active-defense</member></tag></entry>
	</address>`))
	if err != nil {
		t.Fatal(err)
	}
	s := readGroup(groupNames, nil, addresses, nil)
	if len(s.objects) != 1 || len(s.foreign) != 3 {
		t.Fatalf("ours %v, foreign %v", s.objects, s.foreign)
	}
	entry := func(a string) Entry { return Entry{Prefix: netip.MustParsePrefix(a)} }
	changes := compareGroup(groupNames, []Entry{entry("203.0.113.1/32"), entry("203.0.113.2/32"), entry("203.0.113.3/32")}, s, 100, 30, nil)
	if len(changes.refused) != 2 || len(changes.blocked) != 1 {
		t.Errorf("refused %v, blocked %v", changes.refused, changes.blocked)
	}
}
