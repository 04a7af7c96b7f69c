package decision

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// one gives a range.
func one(first, last string) Range {
	return Range{netip.MustParseAddr(first), netip.MustParseAddr(last)}
}

func listed(ranges ...Range) Addresses { return Addresses{Listed: true, Ranges: ranges} }

func ported(protocol uint8, port uint16) Services {
	return Services{Listed: true, Objects: []Service{{Protocol: protocol, Ports: []Ports{{port, port}}}}}
}

// withDefaults ends a policy as every firewall does.
func withDefaults(rules ...Rule) *Policy {
	for i := range rules {
		if rules[i].Name = rules[i].ID; rules[i].Kind == "" {
			rules[i].Kind = Universal
		}
	}
	return &Policy{Zones: []string{"untrust", "dmz", "trust"}, Rules: append(rules,
		Rule{ID: "intrazone-default", Name: "intrazone-default", Kind: Intrazone, Action: Allow},
		Rule{ID: "interzone-default", Name: "interzone-default", Kind: Interzone, Action: "deny"})}
}

func texts(list []Difference) string {
	var lines []string
	for _, d := range list {
		lines = append(lines, fmt.Sprintf("%v %v %s", d.BlockedSources, d.Certain, d))
	}
	return strings.Join(lines, "\n")
}

func TestCompareTellsWhatANewRuleCuts(t *testing.T) {
	web := Rule{ID: "web", Action: Allow, From: []string{"untrust"}, To: []string{"dmz"}, Destination: listed(one("198.51.100.0", "198.51.100.255")), Services: ported(TCP, 443)}
	night := Rule{ID: "night", Action: Allow, From: []string{"untrust"}, To: []string{"trust"}, Services: ported(UDP, 500), Conditions: []string{"schedule nights"}}
	block := Rule{ID: "block", Action: "drop", From: []string{"untrust"}, Source: Addresses{Listed: true, Sets: []string{Blocked}}}
	sensor := Rule{ID: "sensor", Action: "drop", From: []string{"untrust"}}
	list, rest := block, Rule{ID: "rest", Action: "deny"}
	list.ID = "list"
	ssh := Rule{ID: "ssh", Action: Allow, From: []string{"untrust"}, To: []string{"dmz"}, Applications: []string{"ssh"}, Services: Services{Listed: true, Default: true}}
	region, inside := ssh, ssh
	region.Source, region.Services = Addresses{Listed: true, Sets: []string{"DE"}}, Services{}
	inside.From = []string{"trust"}
	for _, c := range []struct {
		name          string
		before, after *Policy
		want          string
	}{
		{"nothing", withDefaults(web, night), withDefaults(web, night), ""},
		{"a block rule first", withDefaults(web, night), withDefaults(block, web, night),
			`true true from untrust to dmz, blocked sources, destination 198.51.100.0/24, service tcp/443: allowed by rule web, would be dropped by block; for example tcp/443 from 203.0.113.10 (untrust) to 198.51.100.10 (dmz)
true false from untrust to trust, blocked sources, service udp/500: may be allowed by rule night, and would then be dropped by block; it depends on schedule nights
true true within untrust, blocked sources: allowed by rule intrazone-default, would be dropped by block; for example tcp/443 from 203.0.113.10 (untrust) to 198.51.100.10 (untrust)
true true from untrust to any other zone, blocked sources: denied by rule interzone-default, would be dropped by block; for example tcp/443 from 203.0.113.10 (untrust) to 198.51.100.10 (trust)`},
		{"a sensor rule last", withDefaults(web), withDefaults(web, sensor),
			`false true within untrust: allowed by rule intrazone-default, would be dropped by sensor; for example tcp/443 from 203.0.113.10 (untrust) to 198.51.100.10 (untrust)
false true from untrust to any other zone: denied by rule interzone-default, would be dropped by sensor; for example tcp/443 from 203.0.113.10 (untrust) to 198.51.100.10 (trust)`},
		{"a sensor rule above another", withDefaults(sensor, web), withDefaults(web, sensor),
			`false true from untrust to dmz, destination 198.51.100.0/24, service tcp/443: dropped by rule sensor, would be allowed by web`},
		{"a rule that decides nothing", withDefaults(web), withDefaults(web, Rule{ID: "late", Action: "drop", From: []string{"untrust"}, To: []string{"dmz"}, Destination: listed(one("198.51.100.7", "198.51.100.7")), Services: ported(TCP, 443)}), ""},
		{"a rule that stays above the new one", withDefaults(night), withDefaults(night, Rule{ID: "late", Action: "drop", From: []string{"untrust"}, To: []string{"trust"}, Services: ported(UDP, 500)}),
			`false false from untrust to trust, service udp/500: may be denied by rule interzone-default, and would then be dropped by late`},
		{"behind a rule for a list", withDefaults(Rule{ID: "theirs", Action: "deny", Source: Addresses{Listed: true, Sets: []string{"list x"}}}),
			withDefaults(Rule{ID: "theirs", Action: "deny", Source: Addresses{Listed: true, Sets: []string{"list x"}}}, sensor),
			`false true within untrust: allowed by rule intrazone-default, would be dropped by sensor
false true from untrust to any other zone: denied by rule interzone-default, would be dropped by sensor`},
		{"a rule for default ports", withDefaults(Rule{ID: "vpn", Action: Allow, From: []string{"untrust"}, To: []string{"untrust"}, Applications: []string{"ike"}, Services: Services{Listed: true, Default: true}}),
			withDefaults(Rule{ID: "cut", Action: "drop", From: []string{"untrust"}, Applications: []string{"ike"}},
				Rule{ID: "vpn", Action: Allow, From: []string{"untrust"}, To: []string{"untrust"}, Applications: []string{"ike"}, Services: Services{Listed: true, Default: true}}),
			`false true within untrust, application ike: allowed by rule vpn, would be dropped by cut; for example ike at its default port from 203.0.113.10 (untrust) to 198.51.100.10 (untrust)
false false within untrust, application ike: may be allowed by rule intrazone-default, and would then be dropped by cut
false true from untrust to any other zone, application ike: denied by rule interzone-default, would be dropped by cut`},
		{"two rules for blocked sources past one for default ports", withDefaults(ssh, list, block, rest), withDefaults(list, block, ssh, rest),
			`true true from untrust to dmz, blocked sources, application ssh: allowed by rule ssh, would be dropped by list; for example ssh at its default port from 203.0.113.10 (untrust)`},
		{"and back", withDefaults(list, block, ssh, rest), withDefaults(ssh, list, block, rest),
			`true true from untrust to dmz, blocked sources, application ssh: dropped by rule list, would be allowed by ssh`},
		{"past one for a region", withDefaults(region, list, block, rest), withDefaults(list, block, region, rest),
			`true false from untrust to dmz, blocked sources, application ssh: may be allowed by rule ssh, and would then be dropped by list; it depends on source DE`},
		{"past one from a zone that they are not for", withDefaults(inside, list, block, rest), withDefaults(list, block, inside, rest), ""},
		{"a rule for default ports behind what decides the same", withDefaults(ssh, list, block, rest), withDefaults(list, block, rest, ssh),
			`false true from untrust to dmz, application ssh: allowed by rule ssh, would be denied by rest
true true from untrust to dmz, blocked sources, application ssh: allowed by rule ssh, would be dropped by list`},
		{"an override of a default rule", withDefaults(), func() *Policy { p := withDefaults(); p.Rules[0].Action = "drop"; return p }(),
			`false true within untrust, dmz, trust: allowed by rule intrazone-default, would be dropped by intrazone-default`},
	} {
		got := texts(Compare(c.before, c.after))
		if strings.Count(got, "\n") != strings.Count(c.want, "\n") || (got == "") != (c.want == "") {
			t.Errorf("%s: it is told\n%s", c.name, got)
		}
		for line := range strings.Lines(c.want) {
			if !strings.Contains(got, strings.TrimSpace(line)) {
				t.Errorf("%s: it is not told that\n%sbut\n%s", c.name, line, got)
			}
		}
	}
}

// small is a world in which every flow can be tried.
type small struct{ *rand.Rand }

func (s small) some(of ...string) []string {
	var out []string
	for _, x := range of {
		if s.IntN(2) == 0 {
			out = append(out, x)
		}
	}
	return out
}

var smallAddresses = []string{"0.0.0.0", "10.0.0.1", "10.0.0.2", "203.0.113.9", "2001:db8::1"}

func (s small) addresses() Addresses {
	a := Addresses{Listed: s.IntN(3) > 0, Negate: s.IntN(4) == 0}
	for range s.IntN(3) {
		a.Ranges = append(a.Ranges, [...]Range{one("10.0.0.1", "10.0.0.1"), one("10.0.0.0", "10.255.255.255"), one("203.0.113.0", "203.0.113.255"), one("::", "ffff::")}[s.IntN(4)])
	}
	if s.IntN(6) == 0 {
		a.Sets = append(a.Sets, "FQDN example.com")
	}
	return a
}

func (s small) rule(id string) Rule {
	r := Rule{ID: id, Name: id, Action: []string{Allow, "drop", "deny"}[s.IntN(3)], Kind: []string{Universal, Universal, Interzone, Intrazone}[s.IntN(4)],
		From: s.some("untrust", "dmz"), To: s.some("untrust", "dmz"), Source: s.addresses(), Destination: s.addresses(), Applications: s.some("ssl", "ssh")}
	if s.IntN(8) == 0 {
		r.Source.Listed, r.Source.Sets = true, []string{Blocked}
	}
	switch s.IntN(5) {
	case 0:
		r.Services = ported(TCP, 443)
	case 1:
		r.Services = ported(UDP, 500)
	case 2:
		r.Services = Services{Listed: true, Default: true}
	}
	if s.IntN(8) == 0 {
		r.Conditions = []string{"schedule nights"}
	}
	return r
}

// everyFlow gives the flows of the small world.
func everyFlow(each func(Flow)) {
	for _, zones := range [][2]string{{"untrust", "untrust"}, {"untrust", "dmz"}, {"dmz", "untrust"}, {"dmz", "dmz"}} {
		for i, source := range smallAddresses {
			for j, destination := range smallAddresses {
				if (i == len(smallAddresses)-1) != (j == len(smallAddresses)-1) {
					continue // of two families
				}
				for _, service := range []Flow{{Protocol: TCP, Port: 443}, {Protocol: UDP, Port: 500}, {Protocol: 1}} {
					for _, application := range []string{"ssl", "ssh", "other"} {
						for _, blocked := range []bool{false, true} {
							each(Flow{From: zones[0], To: zones[1], Source: netip.MustParseAddr(source), Destination: netip.MustParseAddr(destination),
								SourceIn: map[string]bool{Blocked: blocked}, Protocol: service.Protocol, Port: service.Port, Application: application})
						}
					}
				}
			}
		}
	}
}

// What Compare predicts is what is decided: each difference that it calls certain is one, by its example; and of every flow
// that is decided otherwise, surely or perhaps, it tells the rules and the actions.
func TestComparePredictsEveryFlow(t *testing.T) {
	told, uncertain, atDefault := 0, 0, 0
	for seed := range uint64(150) {
		s := small{rand.New(rand.NewPCG(seed, 1))}
		var rules []Rule
		for n := range 1 + s.IntN(7) {
			rules = append(rules, s.rule(fmt.Sprint("rule ", n)))
		}
		before := withDefaults(slices.Clone(rules)...)
		for range 1 + s.IntN(2) {
			at := s.IntN(len(rules))
			switch s.IntN(3) {
			case 0:
				rules = slices.Insert(rules, at, s.rule(fmt.Sprint("new ", len(rules))))
			case 1:
				moved := rules[at]
				rules = append(slices.Delete(rules, at, at+1), moved)
			case 2:
				rules[at] = s.rule(rules[at].ID)
			}
		}
		after := withDefaults(slices.Clone(rules)...)
		before.Ports = map[string][]Service{"ssl": {{Protocol: TCP, Ports: []Ports{{443, 443}}}}}
		after.Ports = before.Ports
		differences, hasty := Compare(before, after), compare(before, after, int(seed%20))
		for _, d := range differences {
			b, bySure := before.Decide(d.Flow).Rule()
			a, sure := after.Decide(d.Flow).Rule()
			if d.Certain && d.Flow.Protocol == 0 { // it is one of them at the default port, whichever that is
				for _, service := range []Service{{Protocol: TCP, Ports: []Ports{{1, 1}}}, {Protocol: UDP, Ports: []Ports{{500, 500}}}, {Protocol: TCP, Ports: []Ports{{443, 443}}}} {
					x, y := *before, *after
					x.Ports = map[string][]Service{d.Flow.Application: {service}, "ssl": before.Ports["ssl"]}
					y.Ports, d.Flow.Protocol, d.Flow.Port = x.Ports, service.Protocol, service.Ports[0].First
					if b, _ := x.Decide(d.Flow).Rule(); b != d.Before {
						t.Fatalf("seed %d: %s\nbut %+v is decided by %v", seed, d, d.Flow, x.Decide(d.Flow))
					}
					if a, _ := y.Decide(d.Flow).Rule(); a != d.After {
						t.Fatalf("seed %d: %s\nbut %+v is then decided by %v", seed, d, d.Flow, y.Decide(d.Flow))
					}
				}
				atDefault++
			} else if d.Certain && (!bySure || !sure || b != d.Before || a != d.After) {
				t.Fatalf("seed %d: %s\nbut the example is decided by %v, and then by %v", seed, d, before.Decide(d.Flow), after.Decide(d.Flow))
			}
			if told++; !d.Certain {
				uncertain++
			}
		}
		everyFlow(func(f Flow) {
			b, a := before.Decide(f), after.Decide(f)
			x, bySure := b.Rule()
			y, sure := a.Rule()
			if !bySure || !sure || before.Rules[x].Action == after.Rules[y].Action {
				return
			}
			if !slices.ContainsFunc(hasty, func(d Difference) bool {
				return d.Before == x && d.After == y && (!d.BlockedSources || f.SourceIn[Blocked])
			}) {
				t.Fatalf("seed %d: %+v is decided by %s, and then by %s, which is not told in a hurry:\n%s", seed, f, before.Rules[x].ID, after.Rules[y].ID, texts(hasty))
			}
			if !slices.ContainsFunc(differences, func(d Difference) bool {
				return d.Before == x && d.After == y && d.Certain && (!d.BlockedSources || f.SourceIn[Blocked])
			}) {
				t.Fatalf("seed %d: %+v is decided by %s, and then by %s, which is not told:\n%s", seed, f, before.Rules[x].ID, after.Rules[y].ID, texts(differences))
			}
		})
	}
	if told < 100 || uncertain == 0 || uncertain == told || atDefault == 0 {
		t.Errorf("%d differences were told, %d of them uncertain, %d at default ports: the test shows too little", told, uncertain, atDefault)
	}
}

// settled is a policy in which all is known that its configuration does not tell: ports are the default ones of every application, and a schedule
// holds or not.
func (p *Policy) settled(ports []Service, schedule bool) *Policy {
	out := &Policy{Rules: slices.Clone(p.Rules), Ports: map[string][]Service{"ssl": ports, "ssh": ports, "other": ports}}
	maps.Copy(out.Ports, p.Ports)
	for i := range out.Rules {
		r := &out.Rules[i]
		if len(r.Conditions) > 0 && !schedule {
			r.From = []string{}
		}
		r.Conditions = nil
	}
	return out
}

// Whatever it turns out to be that the configuration does not tell, each flow that is then decided otherwise was told.
func TestCompareTellsWhateverHolds(t *testing.T) {
	seen := 0
	for seed := range uint64(60) {
		s := small{rand.New(rand.NewPCG(seed, 2))}
		rules := []Rule{
			{ID: "block", Action: "drop", From: []string{"untrust"}, Source: Addresses{Listed: true, Sets: []string{Blocked}}},
			{ID: "list", Action: "drop", From: []string{"untrust"}, Source: Addresses{Listed: true, Sets: []string{Blocked}}},
		}
		for n := range 1 + s.IntN(5) {
			r := s.rule(fmt.Sprint("rule ", n))
			if s.IntN(2) == 0 {
				r.Services = Services{Listed: true, Default: true}
			}
			rules = append(rules, r)
		}
		s.Shuffle(len(rules), func(i, j int) { rules[i], rules[j] = rules[j], rules[i] })
		before := withDefaults(slices.Clone(rules)...)
		s.Shuffle(len(rules), func(i, j int) { rules[i], rules[j] = rules[j], rules[i] })
		after := withDefaults(slices.Clone(rules)...)
		differences := Compare(before, after)
		for n := range 8 {
			fqdn := map[string]bool{"FQDN example.com": n&1 > 0}
			ports := []Service{{Protocol: TCP, Ports: []Ports{{443, 443}}}}
			if n&2 > 0 {
				ports = []Service{{Protocol: UDP, Ports: []Ports{{500, 500}}}}
			}
			b, a := before.settled(ports, n&4 > 0), after.settled(ports, n&4 > 0)
			everyFlow(func(f Flow) {
				maps.Copy(f.SourceIn, fqdn)
				f.DestinationIn = map[string]bool{Blocked: false, "FQDN example.com": n&1 > 0}
				x, bySure := b.Decide(f).Rule()
				y, sure := a.Decide(f).Rule()
				if !bySure || !sure {
					t.Fatalf("seed %d: %+v is decided by %v, and then by %v", seed, f, b.Decide(f), a.Decide(f))
				}
				if b.Rules[x].Action == a.Rules[y].Action {
					return
				}
				seen++
				if !slices.ContainsFunc(differences, func(d Difference) bool {
					return d.Before == x && d.After == y && (!d.BlockedSources || f.SourceIn[Blocked])
				}) {
					t.Fatalf("seed %d, %d: %+v is decided by %s, and then by %s, which is not told:\n%s", seed, n, f, b.Rules[x].ID, a.Rules[y].ID, texts(differences))
				}
			})
		}
	}
	if seen < 1000 {
		t.Errorf("%d flows were decided otherwise: the test shows too little", seen)
	}
}

// A rule that decides blocked sources alone may stand anywhere: of others nothing is told, whatever stands between.
func TestCompareTellsNothingOfOthersWhereBlockRulesMove(t *testing.T) {
	told := 0
	for seed := range uint64(200) {
		s := small{rand.New(rand.NewPCG(seed, 3))}
		var rules []Rule
		for n := range 2 + s.IntN(6) {
			rules = append(rules, s.rule(fmt.Sprint("rule ", n)))
		}
		with := func() *Policy {
			all := slices.Clone(rules)
			for _, id := range []string{"block", "list"} {
				all = slices.Insert(all, s.IntN(len(all)+1), Rule{ID: id, Action: "drop", From: []string{"untrust"}, Source: Addresses{Listed: true, Sets: []string{Blocked}}})
			}
			return withDefaults(all...)
		}
		for _, d := range Compare(with(), with()) {
			if told++; !d.BlockedSources {
				t.Fatalf("seed %d: %s", seed, d)
			}
		}
	}
	if told < 100 {
		t.Errorf("%d differences of blocked sources: the test shows too little", told)
	}
}

// A long policy is compared by what differs: the work is bounded, and what is found is right.
func TestCompareOfALongPolicy(t *testing.T) {
	var rules []Rule
	for n := range 2000 {
		rules = append(rules, Rule{ID: fmt.Sprint("rule ", n), Action: Allow, From: []string{"untrust"}, To: []string{"dmz"},
			Destination: listed(one(fmt.Sprintf("198.51.%d.%d", n/250, n%250), fmt.Sprintf("198.51.%d.%d", n/250, n%250))), Services: ported(TCP, uint16(n))})
	}
	before := withDefaults(slices.Clone(rules)...)
	after := withDefaults(append(slices.Clone(rules), Rule{ID: "sensor", Action: "drop", From: []string{"untrust"}, To: []string{"dmz"}})...)
	got := Compare(before, after)
	if len(got) != 1 || !got[0].Certain || got[0].RuleBefore != "interzone-default" || got[0].RuleAfter != "sensor" {
		t.Errorf("%s", texts(got))
	}
}

// Hundreds of rules that one new rule stands before are told in one line for each decision and each pair of zones, and a bounded number of
// lines; what is alone is told as it is.
func TestLinesTellTogetherWhatIsAlike(t *testing.T) {
	block := Rule{ID: "block", Action: "drop", From: []string{"untrust"}, Source: Addresses{Listed: true, Sets: []string{Blocked}}}
	var rules []Rule
	for i := range 300 {
		to := []string{"dmz", "trust"}[i%2]
		r := Rule{ID: fmt.Sprintf("web-%03d", i), Action: Allow, From: []string{"untrust"}, To: []string{to}, Services: ported(TCP, uint16(1000+i))}
		if i == 7 {
			r.Conditions = []string{"schedule nights"}
		}
		rules = append(rules, r)
	}
	before := withDefaults(rules...)
	after := withDefaults(append([]Rule{block}, rules...)...)
	for _, c := range []struct {
		name          string
		before, after *Policy
		want          string
	}{
		{"a rule is made", before, after, `from untrust to dmz, blocked sources: allowed by 150 rules (web-000, web-002, web-004, web-006, web-008, web-010, web-012, web-014, web-016, web-018 and 140 more), would be dropped by block; the first: from untrust to dmz, blocked sources, service tcp/1000, for example tcp/1000 from 203.0.113.10 (untrust) to 198.51.100.10 (dmz)
from untrust to trust, blocked sources: allowed by 149 rules (web-001, web-003, web-005, web-009, web-011, web-013, web-015, web-017, web-019, web-021 and 139 more), would be dropped by block; the first: from untrust to trust, blocked sources, service tcp/1001, for example tcp/1001 from 203.0.113.10 (untrust) to 198.51.100.10 (trust)
from untrust to trust, blocked sources, service tcp/1007: may be allowed by rule web-007, and would then be dropped by block; it depends on schedule nights
within untrust, blocked sources: allowed by rule intrazone-default, would be dropped by block; for example tcp/443 from 203.0.113.10 (untrust) to 198.51.100.10 (untrust)
from untrust to any other zone, blocked sources: denied by rule interzone-default, would be dropped by block; for example tcp/443 from 203.0.113.10 (untrust) to 198.51.100.10 (trust)`},
		{"and taken away", after, before, `from untrust to dmz, blocked sources: dropped by rule block, would be allowed by 150 rules (web-000,`},
	} {
		all := Compare(c.before, c.after)
		lines, more := Lines(all, 50)
		if text := strings.Join(lines, "\n"); !strings.HasPrefix(text, c.want) || len(lines) != 5 || more != 0 {
			t.Errorf("%s: %d differences are\n%s\nwant\n%s", c.name, len(all), text, c.want)
		}
		if lines, more := Lines(all, 2); len(lines) != 2 || more != 3 {
			t.Errorf("%s: %d lines, %d more", c.name, len(lines), more)
		}
	}
}
