package detect

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// customOracle keeps every event and asks every interval, for the custom rules alone.
type customOracle struct {
	rules []CustomRule
	seen  map[netip.Prefix]map[string][]customSighting // by source, and by rule with the values of Per
}

type customSighting struct {
	time   time.Time
	value  string
	proven bool
}

// observe gives the rule that fires, and the grade.
func (o *customOracle) observe(source netip.Prefix, ev *Event) (rule string, grade Grade) {
	var best *CustomRule
	for i := range o.rules {
		r := &o.rules[i]
		if !slices.Contains(r.Events, eventOf(ev)) || !plainly(r, ev) {
			continue
		}
		text := func(fields []Field) string {
			list := []string{r.Name}
			for _, f := range fields {
				list = append(list, strings.ToLower(f.value(ev, &party{addr: ev.Src, dst: ev.Dst, dstPort: ev.DstPort, port: ev.SrcPort}, 0)))
			}
			return strings.Join(list, "\x00")
		}
		key, value := text(r.Per), text(r.Distinct)
		if o.seen[source] == nil {
			o.seen[source] = map[string][]customSighting{}
		}
		for n := range max(ev.Repeat, 1) {
			if len(r.Distinct) == 0 {
				value = fmt.Sprint(ev.Ref, " ", n)
			}
			o.seen[source][key] = append(o.seen[source][key], customSighting{ev.Time, value, ev.Proven})
		}
		found := GradeUnknown
		if customFires(o.seen[source][key], r, true) {
			found = Proven
		} else if customFires(o.seen[source][key], r, false) {
			found = Forgeable
		}
		if found == GradeUnknown {
			continue
		}
		if best == nil || r.Mode < best.Mode {
			best, grade = r, found
		}
		if r.Mode == Block {
			delete(o.seen, source)
			break
		}
		delete(o.seen[source], key)
	}
	if best == nil {
		return "", GradeUnknown
	}
	return best.Name, grade
}

// compare wants the same of both.
func (o *customOracle) compare(t *rapid.T, engine *Engine, ev *Event) {
	v := engine.Observe(ev).Verdict
	rule, grade := o.observe(engine.networkOf(ev.Src), ev)
	if v == nil && rule != "" || v != nil && (v.Rule != rule || v.Grade != grade) {
		t.Fatalf("event %+v: engine says %+v, brute force %q %v", ev, v, rule, grade)
	}
	if v != nil && !slices.Contains(v.Evidence, ev.Ref) {
		t.Fatalf("event %+v is not in the evidence of %+v", ev, v)
	}
}

// plainly is meets, said again.
func plainly(r *CustomRule, ev *Event) bool {
	for _, c := range r.Where {
		if !plainlyHolds(c, ev) {
			return false
		}
	}
	for _, c := range r.Not {
		if plainlyHolds(c, ev) {
			return false
		}
	}
	for _, f := range slices.Concat(r.Distinct, r.Per) {
		if f == FieldSrcUser && ev.SrcUser == "" || f == FieldDstPort && ev.DstPort == 0 || f == FieldDst && !ev.Dst.IsValid() {
			return false
		}
	}
	return true
}

func plainlyHolds(c Condition, ev *Event) bool {
	switch c.Field {
	case FieldDstPort:
		for _, n := range c.Numbers {
			if uint32(ev.DstPort) >= n.First && uint32(ev.DstPort) <= n.Last {
				return true
			}
		}
	case FieldDst:
		for _, p := range c.Networks {
			if p.Contains(ev.Dst) {
				return true
			}
		}
	case FieldSrcUser:
		for _, t := range c.Texts {
			if strings.EqualFold(t, ev.SrcUser) {
				return true
			}
		}
	}
	return false
}

// customFires asks every interval that begins at a sighting.
func customFires(list []customSighting, r *CustomRule, provenAlone bool) bool {
	for i := range list {
		values := map[string]bool{}
		for _, s := range list {
			if d := s.time.Sub(list[i].time); d >= 0 && d < r.Window && (s.proven || !provenAlone) {
				values[s.value] = true
			}
		}
		if len(values) > r.MoreThan {
			return true
		}
	}
	return false
}

func drawCustoms(t *rapid.T) (rules []CustomRule) {
	networks := []netip.Prefix{netip.MustParsePrefix("198.51.100.0/30")}
	where := [][]Condition{nil, nil, {{Field: FieldDstPort, Numbers: []NumberRange{{1, 1}}}}, {{Field: FieldDstPort, Numbers: []NumberRange{{2, 7}}}},
		{{Field: FieldSrcUser, Texts: []string{"Ann", "nobody"}}}, {{Field: FieldDst, Networks: networks}, {Field: FieldSrcUser, Texts: []string{"bob", "ann"}}}}
	for i := range rapid.IntRange(1, 3).Draw(t, "rules") {
		rules = append(rules, CustomRule{
			Name:     fmt.Sprint("rule ", i),
			Events:   rapid.SampledFrom([][]string{{"ssh-failed"}, {"web-probe"}, {"ssh-failed", "web-probe"}}).Draw(t, "events"),
			Where:    rapid.SampledFrom(where).Draw(t, "where"),
			Not:      rapid.SampledFrom(where).Draw(t, "not"),
			Distinct: rapid.SampledFrom([][]Field{nil, nil, {FieldDstPort}, {FieldDst, FieldDstPort}, {FieldSrcUser}}).Draw(t, "distinct"),
			Per:      rapid.SampledFrom([][]Field{nil, nil, {FieldDst}, {FieldSrcUser, FieldDstPort}}).Draw(t, "per"),
			MoreThan: rapid.SampledFrom([]int{1, 2, 3, 5, 8, 12}).Draw(t, "more than"),
			Window:   rapid.SampledFrom([]time.Duration{time.Minute, 10 * time.Minute}).Draw(t, "window"),
			Policy:   Policy{Mode: rapid.SampledFrom([]Mode{Block, Block, Observe, Notice}).Draw(t, "mode")},
		})
	}
	return rules
}

// The engine says of every single event what a count over all of them says, with several rules and files, out of order by less than
// the window and with repeated messages.
func TestCustomRulesCountAsBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Settings{Custom: drawCustoms(t), IPv6Prefix: 64}
		engine, oracle := New(s), &customOracle{rules: s.Custom, seen: map[netip.Prefix]map[string][]customSighting{}}
		dice := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		pace := rapid.SampledFrom([]time.Duration{time.Second, 5 * time.Second, 20 * time.Second}).Draw(t, "pace")
		late := rapid.SampledFrom([]time.Duration{1, 30 * time.Second, 59 * time.Second}).Draw(t, "late by less than")
		sources := []netip.Addr{netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")}
		now := oracleStart
		for i := range rapid.SampledFrom([]int{30, 300, 800}).Draw(t, "events") {
			now = now.Add(time.Duration(dice.Int64N(int64(pace))))
			ev := Event{Type: TypeLog, Subtype: []string{"ssh-failed", "web-probe", "other"}[dice.IntN(3)], Time: now.Add(-time.Duration(dice.Int64N(int64(late)))).Truncate(time.Second),
				Src: sources[dice.IntN(3)], Dst: oracleTargets[dice.IntN(6)], DstPort: uint16(dice.IntN(11)), SrcUser: []string{"", "ann", "ANN", "bob", "eve"}[dice.IntN(5)],
				Proven: dice.IntN(2) == 0, Repeat: uint32(max(dice.IntN(12)-8, 0)), Ref: uint64(i)}
			oracle.compare(t, engine, &ev)
		}
	})
}

// One group and few values, near the threshold all the time: what is redundant and what is not decides here.
func TestCustomRulesWithFewValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		need := rapid.IntRange(1, 4).Draw(t, "more than")
		rules := []CustomRule{{Name: "few", Events: []string{"ssh-failed"}, Distinct: []Field{FieldDstPort}, MoreThan: need, Window: 10 * time.Minute,
			Policy: Policy{Mode: rapid.SampledFrom([]Mode{Block, Observe}).Draw(t, "mode")}}}
		grain := time.Minute * 10 / time.Duration(rapid.SampledFrom([]int{3, 5, 8}).Draw(t, "grain"))
		pace := rapid.SampledFrom([]int{1, 2, 4, 8}).Draw(t, "pace")
		dice := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		for range 10 {
			engine, oracle := New(Settings{Custom: rules}), &customOracle{rules: rules, seen: map[netip.Prefix]map[string][]customSighting{}}
			now := oracleStart
			for i := range 60 {
				now = now.Add(time.Duration(dice.IntN(pace)) * grain)
				late := time.Duration(dice.IntN(int(10*time.Minute/grain))) * grain
				oracle.compare(t, engine, failure(0, "203.0.113.9", func(ev *Event) {
					ev.Time, ev.DstPort, ev.Ref, ev.Proven = now.Add(-late), uint16(1+dice.IntN(need+1)), uint64(i), dice.IntN(3) == 0
				}))
			}
		}
	})
}

func failure(at time.Duration, src string, change func(*Event)) *Event {
	ev := &Event{Type: TypeLog, Subtype: "ssh-failed", Time: oracleStart.Add(at), Src: netip.MustParseAddr(src), DstPort: 22, SrcUser: "root", Proven: true, Ref: uint64(at)}
	if change != nil {
		change(ev)
	}
	return ev
}

// Three failures in one file and three requests in another are six events of one rule.
func TestEventsOfOneRuleAddUp(t *testing.T) {
	e := New(Settings{Custom: []CustomRule{{Name: "guessing", Events: []string{"ssh-failed", "web-probe"}, MoreThan: 5, Window: 10 * time.Minute,
		Policy: Policy{BlockFor: time.Hour, Tag: "guess"}, Escalate: &Escalate{2, 24 * time.Hour}}}})
	for i := range 6 {
		r := e.Observe(failure(time.Duration(i)*time.Minute, "203.0.113.9", func(ev *Event) {
			if i%2 == 1 {
				ev.Subtype = "web-probe"
			}
			ev.Device = "host" + fmt.Sprint(i)
		}))
		if i < 5 {
			if r.Outcome != Counted || r.Grade != Proven {
				t.Fatalf("event %d: %+v", i, r)
			}
			continue
		}
		v := r.Verdict
		if v == nil || v.Rule != "guessing" || v.Grade != Proven || v.Count != 6 || v.Hits != 6 || len(v.Evidence) != 6 || v.BlockFor != time.Hour || v.Tag != "guess" ||
			v.Escalate == nil || v.Escalate.Factor != 2 || v.Reason != "6 events (ssh-failed or web-probe) within 10m (more than 5)" {
			t.Fatalf("%+v", v)
		}
	}
	if fired := e.Stats().Fired["guessing"]; fired != 1 {
		t.Errorf("fired %d times", fired)
	}
}

// Of several rules that one event fires, the first that blocks goes before one that observes, and that before one that tells; those
// of the table go first.
func TestCustomRulesInTheirOrder(t *testing.T) {
	rule := func(name string, mode Mode) CustomRule {
		return CustomRule{Name: name, Events: []string{"ssh-failed", EventLogin}, Window: time.Minute, MoreThan: 0, Policy: Policy{Mode: mode}}
	}
	for _, c := range []struct {
		rules []CustomRule
		want  string
	}{
		{[]CustomRule{rule("tell", Notice), rule("observe", Observe), rule("second", Block), rule("third", Block)}, "second"},
		{[]CustomRule{rule("off", Off), rule("tell", Notice), rule("observe", Observe)}, "observe"},
		{[]CustomRule{rule("tell", Notice), rule("tell 2", Notice)}, "tell"},
	} {
		if v := New(Settings{Custom: c.rules}).Observe(failure(0, "203.0.113.9", nil)).Verdict; v == nil || v.Rule != c.want {
			t.Errorf("fired %+v, want %s", v, c.want)
		}
	}
	s := Settings{Login: Login{Failures: 0, Window: time.Minute}, Custom: []CustomRule{rule("mine", Block)}}
	login := Event{Type: TypeGlobalProtect, Subtype: "portal-auth", Action: "failure", Time: oracleStart, Src: netip.MustParseAddr("203.0.113.9"), SrcUser: "ann"}
	if v := New(s).Observe(&login).Verdict; v == nil || v.Rule != RuleLogin {
		t.Errorf("fired %+v, want login", v)
	}
	s.Login.Mode = Observe
	if v := New(s).Observe(&login).Verdict; v == nil || v.Rule != "mine" {
		t.Errorf("fired %+v, want mine, for the other only observes", v)
	}
}

// A login that two logs of a firewall tell of is one, whichever comes first.
func TestACustomRuleCountsALoginOnce(t *testing.T) {
	s := Settings{Custom: []CustomRule{{Name: "spray", Events: []string{EventLogin}, Window: time.Hour, MoreThan: 2}}}
	for _, systemFirst := range []bool{true, false} {
		e := New(s)
		for i := range 3 {
			at := oracleStart.Add(time.Duration(i) * time.Minute)
			pair := []Event{{Type: TypeSystem, Subtype: "auth-fail", Action: "failure", Time: at, SrcUser: "CORP\\ann"}, {Type: TypeGlobalProtect, Subtype: "portal-auth", Action: "failure", Time: at, SrcUser: "ann"}}
			if !systemFirst {
				slices.Reverse(pair)
			}
			for j := range pair {
				pair[j].Src, pair[j].Device, pair[j].Ref = netip.MustParseAddr("203.0.113.9"), "fw", uint64(10*i+j)
				v := e.Observe(&pair[j]).Verdict
				if fires := i == 2 && j == 0; fires != (v != nil) {
					t.Errorf("system first %v: record %d of pair %d fires %v, want %v", systemFirst, j, i, v != nil, fires)
				}
				if v != nil {
					e.Block(v.Source)
				}
			}
		}
	}
}

// Traffic counts by what became of it, unless the rule says otherwise.
func TestACustomRuleOverTraffic(t *testing.T) {
	rule := CustomRule{Name: "rdp", Events: []string{EventTraffic}, Where: []Condition{{Field: FieldDstPort, Numbers: []NumberRange{{3389, 3389}}}, {Field: FieldAction, Texts: []string{"DENY", "drop"}}},
		Not: []Condition{{Field: FieldSrc, Networks: []netip.Prefix{netip.MustParsePrefix("203.0.113.128/25")}}}, Window: time.Minute, MoreThan: 0, Policy: Policy{RefusedOnly: true}}
	for _, c := range []struct {
		name   string
		change func(*Event)
		fires  bool
	}{
		{"refused", func(*Event) {}, true},
		{"another port", func(ev *Event) { ev.DstPort = 22 }, false},
		{"allowed", func(ev *Event) { ev.Action = "allow" }, false},
		{"spared by not", func(ev *Event) { ev.Src = netip.MustParseAddr("203.0.113.200") }, false},
		{"elsewhere", func(ev *Event) { ev.Dst = netip.MustParseAddr("192.0.2.1") }, false},
		{"private source", func(ev *Event) { ev.Src = netip.MustParseAddr("10.1.2.3") }, false},
	} {
		e := New(Settings{Custom: []CustomRule{rule}})
		e.Know(company, nil)
		ev := Event{Type: TypeTraffic, Subtype: "drop", Action: "deny", Time: oracleStart, Src: netip.MustParseAddr("203.0.113.9"), Dst: insiders[0], DstPort: 3389}
		c.change(&ev)
		r := e.Observe(&ev)
		if (r.Verdict != nil) != c.fires {
			t.Errorf("%s: %+v", c.name, r)
		}
		counts := Settings{Custom: []CustomRule{rule}}.Explain(&ev, nil, company)[rulesInAll]
		if counts.Rule != "rdp" || counts.Counts != c.fires || counts.Text == "" {
			t.Errorf("%s: explained as %+v", c.name, counts)
		}
	}
	served := Event{Type: TypeTraffic, Subtype: "end", Action: "allow", Application: "ms-rdp", Time: oracleStart, Src: netip.MustParseAddr("203.0.113.9"), Dst: insiders[0], DstPort: 3389}
	rule.Where = rule.Where[:1]
	if r := New(Settings{Custom: []CustomRule{rule}}).Observe(&served); r.Verdict != nil {
		t.Errorf("a served session fires %+v", r.Verdict)
	}
	rule.RefusedOnly = false
	if r := New(Settings{Custom: []CustomRule{rule}}).Observe(&served); r.Verdict == nil {
		t.Error("a served session does not fire a rule that counts all")
	}
}

// What detect.ignore names does not count: for all rules, or for those that it names.
func TestIgnoredForACustomRule(t *testing.T) {
	for _, c := range []struct {
		rules []string
		fires bool
	}{{nil, false}, {[]string{"mine"}, false}, {[]string{RuleLogin}, true}} {
		s := Settings{Custom: []CustomRule{{Name: "mine", Events: []string{"ssh-failed"}, Window: time.Minute}},
			Ignore: []Ignore{{Src: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}, Rules: c.rules, Reason: "test"}}}
		if v := New(s).Observe(failure(0, "203.0.113.9", nil)).Verdict; (v != nil) != c.fires {
			t.Errorf("%v: %+v", c.rules, v)
		}
	}
}

// A rule of 1,000 sources at once, and one source with ever new groups: memory keeps its bounds, and what was forgotten is counted.
func TestCustomRulesKeepTheirBounds(t *testing.T) {
	s := Settings{MaxSources: 100, Custom: []CustomRule{{Name: "mine", Events: []string{"ssh-failed"}, Per: []Field{FieldSrcUser}, Window: time.Hour, MoreThan: 3}}}
	e := New(s)
	for i := range 1000 {
		e.Observe(failure(time.Duration(i), publicSource(i).String(), nil))
	}
	if got := e.Stats(); got.Sources > 100 || got.Sources < 50 || got.Sightings != got.Sources || got.Evicted != uint64(1000-got.Sources) {
		t.Errorf("%+v", got)
	}
	const mostOfSource = 32_768
	for i := range 3 * mostOfSource {
		e.Observe(failure(time.Duration(i), "203.0.113.9", func(ev *Event) { ev.SrcUser = fmt.Sprint("user ", i) }))
		if got := e.Stats().Sightings; got > mostOfSource+200 { // and those of other sources
			t.Fatalf("%d sightings", got)
		}
	}
	if got := e.Stats(); got.Dropped == 0 {
		t.Errorf("%+v", got)
	}
}

// What may be forged of a partner is held, and so is what a surge has no room for; what is proven is not, nor where all records count.
func TestACustomRuleHoldsWhatMayBeForged(t *testing.T) {
	for _, c := range []struct {
		name                        string
		partner, surge, proven, all bool
		held                        bool
	}{
		{name: "a stranger"},
		{name: "a partner", partner: true, held: true},
		{name: "a partner, proven", partner: true, proven: true},
		{name: "a partner, where all records count", partner: true, all: true},
		{name: "beyond the surge", surge: true, held: true},
		{name: "beyond the surge, proven", surge: true, proven: true},
	} {
		e := New(Settings{Custom: []CustomRule{{Name: "mine", Events: []string{"ssh-failed"}, Window: time.Hour, Policy: Policy{RefusedOnly: !c.all}}}})
		e.Know(company, nil)
		src := netip.MustParseAddr("203.0.113.9")
		for hour := range 2 {
			if c.partner {
				e.Observe(&Event{Type: TypeTraffic, Subtype: "end", Action: "allow", Application: "ssl", Time: oracleStart.Add(time.Duration(hour-3) * time.Hour),
					Src: insiders[0], SrcPort: 5000, Dst: src, DstPort: 443, Protocol: TCP})
			}
		}
		if c.surge {
			surge := &Surge{Additions: 1, Window: time.Hour}
			surge.Note(oracleStart)
			e.Limit(surge)
		}
		v := e.Observe(failure(time.Minute, src.String(), func(ev *Event) { ev.Proven = c.proven })).Verdict
		if v == nil || (v.Hold != "") != c.held || v.Mode != Block {
			t.Errorf("%s: %+v, want held %v", c.name, v, c.held)
		}
	}
}

// What check warns of: behind a rule that blocks and counts all that another one counts, with no more needed and no less time, and behind its like in any mode, a rule
// never fires, in whatever order the lines come and whenever the source is released.
func TestARuleBehindAnotherNeverFires(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(what string, from, to int) int { return rapid.IntRange(from, to).Draw(t, what) }
		first := CustomRule{Name: "first", Events: []string{"x", "y"}, MoreThan: draw("more than", 0, 4), Window: time.Duration(draw("window", 1, 20)) * time.Minute}
		second := first
		second.Name = "second"
		if rapid.Bool().Draw(t, "its like") {
			first.Mode = rapid.SampledFrom([]Mode{Block, Observe, Notice}).Draw(t, "mode")
			second.Mode = rapid.SampledFrom([]Mode{Block, Observe, Notice}[first.Mode:]).Draw(t, "its mode")
		} else {
			second.Events, second.MoreThan, second.Window = second.Events[:draw("events", 1, 2)], first.MoreThan+draw("more", 0, 3), max(first.Window-time.Duration(draw("less", 0, 5))*time.Minute, time.Minute)
			second.Mode, second.Per = rapid.SampledFrom([]Mode{Block, Observe, Notice}).Draw(t, "its mode"), []Field{FieldSrcUser}[:draw("per", 0, 1)]
		}
		e := New(Settings{Custom: []CustomRule{first, second}})
		at := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
		for range draw("lines", 1, 60) {
			at = at.Add(time.Duration(draw("seconds", -300, 600)) * time.Second)
			r := e.Observe(&Event{Time: at, Src: netip.MustParseAddr("203.0.113.7"), Type: TypeLog, Subtype: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "event"),
				SrcUser: rapid.SampledFrom([]string{"anna", "ben"}).Draw(t, "user"), Repeat: uint32(draw("repeat", 1, 3)), Proven: rapid.Bool().Draw(t, "proven")})
			switch {
			case r.Outcome == Blocked && draw("release", 0, 3) == 0:
				e.Release(r.Entry)
			case r.Outcome != Fired:
			case r.Verdict.Rule == "second":
				t.Fatalf("%+v fires behind %+v", second, first)
			case r.Verdict.Mode == Block:
				e.Block(r.Verdict.Source)
			}
		}
	})
}

// Of a verdict whose block is over, what its source did before the end of that is gone, for all rules, and what it did since stays.
func TestEvidenceSinceABlockThatIsOverStays(t *testing.T) {
	attack := map[string]func(n uint16) *Event{
		RulePortScan: func(n uint16) *Event {
			return &Event{Type: TypeTraffic, Action: "deny", Dst: target(1), DstPort: 100 + n}
		},
		RuleLogin: func(uint16) *Event {
			return &Event{Type: TypeGlobalProtect, Subtype: "portal-auth", Action: "failure", SrcUser: "anna"}
		},
		RuleProbe: func(n uint16) *Event {
			return &Event{Type: TypeTraffic, Action: "deny", Dst: target(int(n)), DstPort: 100 + n}
		},
		"other": func(uint16) *Event {
			return failure(0, publicSource(1).String(), func(ev *Event) { ev.Subtype = "other" })
		},
	}
	for rule, next := range attack {
		for _, each := range []int{10, 30} { // of pairs, 60 have an index
			e := New(Settings{PortScan: PortScan{Ports: 2 * each, Window: time.Hour}, Login: Login{Failures: 2 * each, Window: time.Hour}, Probe: Probe{Targets: 2*each + 1, Window: time.Hour},
				Custom: []CustomRule{{Name: "guessing", Events: []string{"ssh-failed"}, Window: time.Hour}, {Name: "other", Events: []string{"other"}, MoreThan: 2 * each, Window: time.Hour}}})
			e.Expire(func(v *Verdict) (time.Time, bool) { return oracleStart.Add(10 * time.Minute), v.Rule == "guessing" })
			n := uint16(0)
			observe := func(at time.Duration) *Verdict {
				ev := next(n)
				ev.Time, ev.Src, ev.Ref = oracleStart.Add(at+time.Duration(n)*time.Second), publicSource(1), uint64(n)
				n++
				return e.Observe(ev).Verdict
			}
			for _, at := range []time.Duration{0, 20 * time.Minute} {
				for range each {
					if v := observe(at); v != nil {
						t.Fatalf("%s of %d: %+v", rule, each, v)
					}
				}
			}
			if v := e.Observe(failure(0, publicSource(1).String(), nil)).Verdict; v == nil || v.Rule != "guessing" {
				t.Fatalf("the verdict is %+v", v)
			}
			more, v := 0, (*Verdict)(nil)
			for v == nil && more < 100 {
				v = observe(30 * time.Minute)
				more++
			}
			if more != each+1 || v.Rule != rule {
				t.Errorf("%s with %d since then and before fires after %d more: %+v", rule, each, more, v)
			}
		}
	}
}

// Records of a time for which a source would have been blocked do not count, in whatever order they come; those of before and after of others do, and of how many sources that
// is known has an end.
func TestRecordsOfATimeThatIsServedDoNotCount(t *testing.T) {
	e := New(Settings{IPv6Prefix: 64, Custom: []CustomRule{{Name: "guessing", Events: []string{"ssh-failed"}, MoreThan: 1, Window: 24 * time.Hour}}})
	source := netip.MustParsePrefix("2001:db8::/64")
	e.Served(source, oracleStart.Add(time.Hour))
	e.Served(source, oracleStart.Add(time.Minute)) // never shorter
	for _, c := range []struct {
		at   time.Duration
		src  string
		want Outcome
	}{
		{30 * time.Minute, "2001:db8::5", Blocked}, {30 * time.Minute, "2001:db8:0:1::5", Counted}, {time.Hour, "2001:db8::6", Counted},
		{time.Hour - time.Second, "2001:db8::7", Blocked}, {time.Hour + time.Second, "2001:db8::5", Fired},
	} {
		if r := e.Observe(failure(c.at, c.src, nil)); r.Outcome != c.want || c.want == Blocked && r.Entry != source {
			t.Errorf("%s after %s: %+v", c.src, c.at, r)
		}
	}
	for i := range maxServed {
		e.Served(single(netip.AddrFrom4([4]byte{203, byte(i >> 16), byte(i >> 8), byte(i)})), oracleStart)
	}
	if n := len(e.served); n > maxServed {
		t.Errorf("%d are known", n)
	}
}
