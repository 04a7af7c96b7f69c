package detect

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"activedefense/detect/memory"

	"pgregory.net/rapid"
)

// everyRule has low thresholds, so that everything happens in few events.
func everyRule() Settings {
	refused := Policy{RefusedOnly: true}
	return Settings{
		Vulnerability: Vulnerability{Severity: VulnerabilityCritical, ThreatIDs: []uint32{40015}, Policy: refused},
		PortScan:      PortScan{Ports: 3, Window: 10 * time.Minute, Policy: refused},
		HostSweep:     HostSweep{Hosts: 4, Window: 10 * time.Minute, Policy: refused},
		Probe:         Probe{Targets: 9, Window: 24 * time.Hour, Policy: refused},
		Login:         Login{Failures: 3, Window: 10 * time.Minute, Policy: refused},
		IPv6Prefix:    64,
		Custom: []CustomRule{
			{Name: "guess", Events: []string{"ssh-failed", EventLogin}, Per: []Field{FieldSrcUser}, MoreThan: 4, Window: 20 * time.Hour, Policy: refused},
			{Name: "wide", Events: []string{"ssh-failed", EventTraffic, EventThreat}, Distinct: []Field{FieldDst, FieldDstPort}, MoreThan: 5, Window: 5 * time.Minute, Policy: refused},
		},
	}
}

// A world has a few strangers, a few of ours, and a clock that runs on.
type world struct {
	dice *rand.Rand
	now  time.Time
	pace time.Duration
	ref  uint64
}

var (
	strangers = []netip.Addr{
		netip.MustParseAddr("203.0.113.5"), netip.MustParseAddr("203.0.113.6"), netip.MustParseAddr("192.0.2.7"),
		netip.MustParseAddr("2001:db8:9::1"), netip.MustParseAddr("2001:db8:9::2"), netip.MustParseAddr("2001:db8:8::1"),
	}
	company  = NewOurs([]netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")})
	insiders = []netip.Addr{netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("198.51.100.8"), netip.MustParseAddr("10.0.0.5")}
)

func pick[T any](w *world, list []T) T { return list[w.dice.IntN(len(list))] }

// next is a record of something: an outgoing session, an incoming one, a refusal, a threat, a login.
func (w *world) next() Event {
	w.now = w.now.Add(time.Duration(w.dice.Int64N(int64(w.pace))))
	w.ref++
	ev := Event{Time: w.now, Device: pick(w, []string{"fw1", "fw2"}), Ref: w.ref, Type: TypeTraffic, Subtype: "end", Action: "allow",
		Protocol: pick(w, []Protocol{TCP, TCP, UDP}), Application: pick(w, []string{"ssl", "incomplete", "dns", ""}), Repeat: uint32(w.dice.IntN(3)),
		Src: pick(w, strangers), SrcPort: pick(w, []uint16{53, 443, 40000}),
		Dst: netip.AddrFrom4([4]byte{198, 51, 100, byte(7 + w.dice.IntN(6))}), DstPort: pick(w, []uint16{0, 22, 80, 443, 3389, 5000, 5001, 5002})}
	switch w.dice.IntN(8) {
	case 0, 1:
		ev.Src, ev.Dst, ev.DstPort, ev.SrcPort = pick(w, insiders), ev.Src, ev.SrcPort, pick(w, []uint16{5000, 5001, 5002})
		if w.dice.IntN(2) == 0 {
			ev.NATSrc, ev.NATSrcPort = insiders[0], pick(w, []uint16{5000, 5001, 5002})
		}
	case 2, 3, 4:
		ev.Action, ev.Subtype, ev.Application = "deny", "drop", pick(w, []string{"not-applicable", "ssl"})
	case 5:
		ev.Type, ev.Subtype, ev.Severity = TypeThreat, pick(w, []string{"vulnerability", "scan", "spyware", "flood"}), pick(w, []string{"low", "low", "critical"})
		ev.Direction, ev.ThreatID = pick(w, []Direction{ClientToServer, ServerToClient}), pick(w, []string{"1", "2", "40001", "8001"})
	case 6:
		ev.Type, ev.Subtype, ev.Action = pick(w, []Type{TypeGlobalProtect, TypeSystem}), "portal-auth", pick(w, []string{"failure", "success"})
		ev.Dst, ev.SrcUser = netip.Addr{}, pick(w, []string{"ann", "bob", "pre-logon"})
	case 7:
		ev.Type, ev.Subtype, ev.Action, ev.SrcUser, ev.Proven = TypeLog, pick(w, []string{"ssh-failed", "web-probe"}), "", pick(w, []string{"ann", "Bob", ""}), w.dice.IntN(2) == 0
	}
	return ev
}

// A machine is an engine with what a daemon keeps of it: the parts and journals of its memory, the records, the blacklist.
type machine struct {
	settings Settings
	engine   *Engine
	counters []byte
	parts    map[int][]byte
	written  map[int]int
	journals [][]byte
	records  []Event
	blocked  []netip.Prefix
}

func newMachine(s Settings) *machine {
	m := &machine{settings: s, parts: map[int][]byte{}, written: map[int]int{}}
	m.engine = New(s)
	m.engine.Know(company, nil)
	m.engine.Memory().Keep()
	m.counters = m.engine.Memory().Counters(nil)
	return m
}

// take observes one event and gives what came of it, in words.
func (m *machine) take(ev Event) string {
	r := m.engine.Observe(&ev)
	told := fmt.Sprint(r.Outcome, " ", r.Session, " ", r.Grade)
	if v := r.Verdict; v != nil {
		told += fmt.Sprintf(" %+v", *v)
		if v.stands() {
			m.engine.Block(v.Source)
			m.blocked = append(m.blocked, v.Source)
		}
	}
	ev.Session = r.Session
	if r.Session == SessionBegun {
		ev.Session = SessionUnjudged
	}
	m.records = append(m.records, ev)
	return told
}

// seal is the end of a batch; part is written whole, unless it is negative.
func (m *machine) seal(part int) {
	mem := m.engine.Memory()
	m.journals = append(m.journals, mem.Journal(nil))
	if part >= 0 {
		m.parts[part], m.written[part] = mem.Part(nil, part), len(m.journals)
	}
}

// restart makes the engine anew of what was kept.
func (m *machine) restart(t *rapid.T) {
	m.engine = New(m.settings)
	m.engine.Know(company, nil)
	mem := m.engine.Memory()
	mem.Keep()
	if err := mem.LoadCounters(m.counters); err != nil {
		t.Fatal(err)
	}
	for n, data := range m.parts {
		if err := mem.Load(n, data, 0); err != nil {
			t.Fatal(err)
		}
	}
	for i, j := range m.journals {
		if err := mem.Apply(j, func(part int) bool { return i >= m.written[part] }); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range m.blocked {
		m.engine.Block(p)
	}
	if len(m.records) == 0 {
		return
	}
	from := m.records[len(m.records)-1].Time.Add(-m.engine.Horizon())
	for i := range m.records {
		if ev := m.records[i]; ev.Time.After(from) && slices.Contains(m.engine.Recalled(), ev.Type) {
			if r := m.engine.Recall(&ev); r.Verdict != nil {
				t.Fatalf("recalled, record %d fires again: %+v", ev.Ref, *r.Verdict)
			}
		}
	}
}

// keep writes all that a daemon keeps once its rules have caught up.
func (m *machine) keep() {
	m.engine.Memory().CaughtUp()
	m.counters = m.engine.Memory().Counters(nil)
	m.seal(-1)
	for part := range memory.Parts {
		m.seal(part)
	}
}

// tell tells rules that are behind of a record again.
func (m *machine) tell(ev Event) {
	if _, types, counts := m.engine.Behind(); !slices.Contains(types, ev.Type) || !counts(&ev) {
		return
	}
	if r := m.engine.CatchUp(&ev); r.Verdict != nil {
		m.engine.Block(r.Verdict.Source)
		m.blocked = append(m.blocked, r.Verdict.Source)
	}
}

// A rule that was changed blocks whom it would have blocked had it been so from the beginning, however the records of before are told among
// those that come, and the rules beside it go on from what is remembered. When it has caught up, it goes on so over a restart.
func TestARuleThatIsBehindCatchesUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{dice: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 7)), now: oracleStart,
			pace: rapid.SampledFrom([]time.Duration{4 * time.Second, time.Minute, 10 * time.Minute}).Draw(t, "pace")}
		s := Settings{IPv6Prefix: 64, Custom: []CustomRule{
			{Name: "guess", Events: []string{"ssh-failed", EventLogin}, Per: []Field{FieldSrcUser}, MoreThan: 6, Window: 20 * time.Hour},
			{Name: "wide", Events: []string{"ssh-failed", EventTraffic, EventThreat}, Distinct: []Field{FieldDst, FieldDstPort}, MoreThan: 12, Window: 2 * time.Hour},
			{Name: "web", Events: []string{"web-probe"}, MoreThan: 9, Window: 3 * time.Hour},
		}}
		before := s
		before.Custom = slices.Clone(s.Custom)
		before.Custom[rapid.IntRange(0, 2).Draw(t, "changed")].MoreThan = 40
		straight, changed := newMachine(s), newMachine(before)
		events, told := rapid.IntRange(1, 300).Draw(t, "events before"), 0
		for i := range events {
			ev := w.next()
			straight.take(ev)
			if changed.take(ev); i%20 == 19 {
				changed.seal(w.dice.IntN(memory.Parts))
			}
		}
		changed.seal(-1)
		changed.settings = s
		changed.restart(t)
		if behind, _, _ := changed.engine.Behind(); behind == 0 {
			t.Fatal("no rule is behind")
		}
		for told < events {
			for range min(w.dice.IntN(5), events-told) {
				changed.tell(changed.records[told])
				told++
			}
			ev := w.next()
			straight.take(ev)
			changed.take(ev)
		}
		changed.keep()
		changed.restart(t)
		if behind, _, _ := changed.engine.Behind(); behind != 0 {
			t.Fatalf("rules are behind by %s", behind)
		}
		for range 100 {
			ev := w.next()
			straight.take(ev)
			changed.take(ev)
		}
		if want, got := distinct(straight.blocked), distinct(changed.blocked); !slices.Equal(got, want) {
			t.Fatalf("blocked %v, want %v", got, want)
		}
	})
}

func distinct(list []netip.Prefix) []netip.Prefix {
	list = slices.Clone(list)
	slices.SortFunc(list, netip.Prefix.Compare)
	return slices.Compact(list)
}

// Whatever the batches and wherever a restart falls, what becomes of every single record and every verdict is the same.
func TestARestartChangesNoVerdict(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{dice: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 7)), now: oracleStart,
			pace: rapid.SampledFrom([]time.Duration{4 * time.Second, time.Minute, 10 * time.Minute}).Draw(t, "pace")}
		s := everyRule()
		observed := rapid.SampledFrom([]string{"", RulePortScan, RuleHostSweep, RuleLogin, RuleVulnerability}).Draw(t, "observed")
		for i := range s.Custom {
			s.Custom[i].Mode = rapid.SampledFrom([]Mode{Block, Observe, Notice}).Draw(t, s.Custom[i].Name)
		}
		for name, p := range map[string]*Policy{RulePortScan: &s.PortScan.Policy, RuleHostSweep: &s.HostSweep.Policy, RuleLogin: &s.Login.Policy, RuleVulnerability: &s.Vulnerability.Policy} {
			if name == observed {
				p.Mode = Observe
			}
		}
		straight, restarted := newMachine(s), newMachine(s)
		batch := rapid.IntRange(1, 40).Draw(t, "batch")
		for i := range rapid.SampledFrom([]int{50, 300, 900}).Draw(t, "events") {
			ev := w.next()
			want, got := straight.take(ev), restarted.take(ev)
			if got != want {
				t.Fatalf("record %d %+v:\n%s\nafter restarts, without:\n%s", i, ev, got, want)
			}
			if i%batch == batch-1 {
				restarted.seal(w.dice.IntN(2*memory.Parts) - memory.Parts)
				if w.dice.IntN(4) == 0 {
					restarted.restart(t)
				}
			}
		}
		if !slices.Equal(straight.blocked, restarted.blocked) {
			t.Fatalf("blocked %v, want %v", restarted.blocked, straight.blocked)
		}
	})
}

// What happens in such a world is worth being compared: every rule fires, and everything that a verdict may be.
func TestTheWorldIsEventful(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(60) {
		w := &world{dice: rand.New(rand.NewPCG(seed, 7)), now: oracleStart, pace: []time.Duration{4 * time.Second, time.Minute, 10 * time.Minute}[seed%3]}
		m := newMachine(everyRule())
		for range 900 {
			ev := w.next()
			r := m.engine.Observe(&ev)
			seen[r.Session.String()] = true
			if v := r.Verdict; v != nil {
				seen[v.Rule], seen[v.Grade.String()], seen[v.Source.String()] = true, true, true
				if v.Hold != "" {
					seen["held"] = true
				}
				if v.stands() && w.dice.IntN(3) == 0 {
					m.engine.Block(v.Source)
				}
			}
		}
	}
	for _, want := range []string{RuleVulnerability, RulePortScan, RuleHostSweep, RuleProbe, RuleLogin, "guess", "wide", "proven", "forgeable", "held", "late-answer", "answered", "2001:db8:9::/64"} {
		if !seen[want] {
			t.Errorf("never seen: %s", want)
		}
	}
}
