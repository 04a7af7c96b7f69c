package ours

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"activedefense/firewall/xmlapi"
)

// A range is split into networks that hold each of its addresses once, and no other: brute force over a small world.
func TestARangeIsSplitExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := func(n int) netip.Addr {
			if n > 0xffff {
				return netip.AddrFrom4([4]byte{255, 255, 255, byte(n)})
			}
			return netip.AddrFrom4([4]byte{20, 0, byte(n >> 8), byte(n)})
		}
		from := rapid.IntRange(0, 2000).Draw(t, "from")
		to := rapid.IntRange(from, 2000).Draw(t, "to")
		if rapid.Bool().Draw(t, "at the end") {
			from, to = from%256+0x10000, 0x100ff
		}
		next := at(from)
		for _, p := range split(at(from), at(to)) {
			if p.Addr() != next || p.Masked() != p {
				t.Fatalf("%s instead of %s", p, next)
			}
			next = lastOf(p).Next()
		}
		if next != at(to).Next() {
			t.Fatalf("it ends before %s instead of at %s", next, at(to))
		}
	})
	if n := len(split(netip.MustParseAddr("::1"), netip.MustParseAddr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe"))); n != 254 {
		t.Errorf("nearly all of IPv6 is %d networks", n)
	}
}

// What a firewall names is bounded, whatever it names, and what is left out is said.
func TestWhatIsTakenOverIsBounded(t *testing.T) {
	var members, hosts, lost strings.Builder
	for i := range mostEntries + 100 {
		fmt.Fprintf(&members, "<member>20.%d.%d.%d</member>", i>>16, i>>8&255, i&255)
	}
	for i := range mostNames + 10 {
		fmt.Fprintf(&hosts, `<entry name="%d"><server><entry name="s"><server>h%[1]d.example.net</server></entry></server></entry>`, i)
	}
	for i := range mostTroubles + 10 {
		fmt.Fprintf(&lost, "<member>lost-%d</member>", i)
	}
	rule := func(members string) string {
		return `<rulebase><nat><rules><entry name="r"><source-translation><dynamic-ip><translated-address>` + members + `</translated-address></dynamic-ip></source-translation></entry></rules></nat></rulebase>`
	}
	for name, c := range map[string]struct {
		parts                             parts
		entries, names, troubles, leftOut int
	}{
		"addresses": {parts{vsys: rule(members.String())}, mostEntries, 0, 1, 0},
		"names":     {parts{shared: "<log-settings><syslog>" + hosts.String() + "</syslog></log-settings>"}, 0, mostNames, 10, 0},
		"troubles":  {parts{vsys: rule(lost.String())}, 0, 0, mostTroubles, 10},
	} {
		a := c.parts.facts(t).Read()
		if len(a.Entries) != c.entries || len(a.Names) != c.names || len(a.Troubles) != c.troubles || a.LeftOut != c.leftOut {
			t.Errorf("%s: %d entries, %d names, %d troubles, %d left out", name, len(a.Entries), len(a.Names), len(a.Troubles), a.LeftOut)
		}
	}
}

// No configuration makes reading fail, and nothing wide, unspecified or unmasked comes out of one.
func FuzzRead(f *testing.F) {
	f.Add(staticLines+defaultRoute, twoZones, "203.0.113.0/24")
	f.Add(`<interface><ethernet><entry><layer3><ip><entry name="0.0.0.0/0"/></ip></layer3></entry></ethernet></interface>`, "<global-protect><x/></global-protect>", "::-::1")
	f.Add(`<dns-proxy><entry name="a"><default><primary>[::ffff:192.0.2.1%eth0]</primary></default></entry></dns-proxy>`, "<zone/>", "1.2.3.4-1.2.3.3")
	f.Fuzz(func(t *testing.T, network, vsys, member string) {
		rule := `<rulebase><nat><rules><entry name="r"><source-translation><dynamic-ip><translated-address><member>` + xmlapi.Escape(member) +
			`</member></translated-address></dynamic-ip></source-translation></entry></rules></nat></rulebase>`
		config, err := xmlapi.Parse([]byte("<config><devices><entry><network>" + network + "</network><vsys><entry name='vsys1'>" + vsys + rule + "</entry></vsys></entry></devices></config>"))
		if err != nil {
			return
		}
		facts := &Facts{templateVSysName: "vsys1"}
		facts.take(config, "vsys1")
		for _, e := range facts.Read().Entries {
			if tooWide(e.Prefix) != "" || e.Prefix.Masked() != e.Prefix || e.Prefix.Addr().Is4In6() || e.Prefix.Addr().Zone() != "" || e.Prefix.Addr().IsUnspecified() {
				t.Errorf("%+v", e)
			}
		}
		if in := facts.Internet(); (len(in.Zones) == 0) != (in.Why != "") {
			t.Errorf("%+v", in)
		}
		for _, s := range append(facts.Services(), facts.Unproven("untrust")...) {
			if s.What == "" {
				t.Errorf("%+v", s)
			}
		}
	})
}
