package detect

import (
	"activedefense/detect/memory"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A source that a surge had no room for goes on being counted, and what it proves blocks it: whoever fills the room with forged
// sources saves nobody who is really there.
func TestASurgeKeepsWhatIsProven(t *testing.T) {
	s := everyRule()
	s.Login.Failures, s.Custom = 10, nil
	surge := Surge{Additions: 1, Window: time.Hour}
	e := New(s)
	e.Know(company, nil)
	e.Limit(&surge)
	surge.Note(oracleStart)
	src, blocked, held := netip.MustParseAddr("203.0.113.5"), 0, 0
	for i := range 60 {
		at := oracleStart.Add(time.Duration(i) * time.Second)
		ev := Event{Time: at, Type: TypeGlobalProtect, Subtype: "portal-auth", Action: "failure", Src: src, SrcUser: "ann", Ref: uint64(i)}
		if i%6 == 5 { // a packet that anyone can forge
			ev = Event{Time: at, Type: TypeTraffic, Subtype: "drop", Action: "deny", Src: src, Dst: netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), DstPort: 22, Ref: uint64(i)}
		}
		if v := e.Observe(&ev).Verdict; v != nil && v.stands() {
			if blocked++; v.Rule != RuleLogin || i != 12 {
				t.Errorf("record %d: blocked by %s", i, v.Rule)
			}
			e.Block(v.Source)
		} else if v != nil {
			held++
		}
	}
	if blocked != 1 {
		t.Errorf("blocked %d times, held %d times", blocked, held)
	}
}

// Two firewalls, the clock of one two hours ahead, and a flood of forged sources at each: neither clock sees more than a surge in any
// window, and neither takes the room of the other.
func TestASurgeWithAClockThatIsAhead(t *testing.T) {
	const additions, window, ahead = 5, 10 * time.Minute, 2 * time.Hour
	surge := Surge{Additions: additions, Window: window}
	e := New(Settings{PortScan: PortScan{Ports: 1, Window: time.Minute}})
	e.Limit(&surge)
	admitted := map[time.Duration][]time.Time{}
	for i := range 60 * 8 { // for an hour
		for clock, offset := range []time.Duration{ahead, 0} {
			at := oracleStart.Add(offset + time.Duration(i)*time.Minute/8)
			src := netip.AddrFrom4([4]byte{20, byte(clock), byte(i >> 8), byte(i)})
			for port := range uint16(2) {
				if v := e.Observe(&Event{Time: at, Type: TypeTraffic, Src: src, Dst: insiders[0], DstPort: 20 + port}).Verdict; v != nil && surge.Admit(v) == "" && v.stands() {
					admitted[offset] = append(admitted[offset], at)
				}
			}
		}
	}
	for offset, times := range admitted {
		for i := additions; i < len(times); i++ {
			if times[i].Sub(times[i-additions]) < window {
				t.Errorf("clock %s: more than %d within %s", offset, additions, window)
			}
		}
	}
	if len(admitted[0]) != 6*additions || len(admitted[ahead]) != 6*additions {
		t.Errorf("admitted %d on time, %d ahead", len(admitted[0]), len(admitted[ahead]))
	}
}

// In whatever order of times they come, those are admitted with which no window holds more than a surge; what had to be forgotten
// makes no room.
func TestASurgeIsWhatCountingGives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		additions := rapid.IntRange(1, 4).Draw(t, "additions")
		surge := Surge{Additions: additions, Window: 10}
		var admitted []int64
		for _, at := range rapid.SliceOfN(rapid.Int64Range(1, 100), 0, 120).Draw(t, "times") {
			room := true
			for from := at - 9; from <= at; from++ {
				n := 0
				for _, other := range admitted {
					if other >= from && other < from+10 {
						n++
					}
				}
				room = room && n < additions
			}
			v := &Verdict{Time: time.Unix(0, at).UTC(), Mode: Block, Grade: Forgeable}
			switch got := surge.Admit(v) == ""; {
			case got && !room, !got && room && surge.forgotten == 0:
				t.Fatalf("at %d after %v: %v", at, admitted, got)
			case got:
				admitted = append(admitted, at)
			}
			if len(surge.times) > surge.Remembered() {
				t.Fatalf("%d are remembered", len(surge.times))
			}
		}
	})
	surge := Surge{Additions: 1, Window: time.Second}
	for i := range surge.Remembered() + 1 {
		surge.Note(oracleStart.Add(time.Duration(i) * time.Second))
	}
	if surge.Admit(&Verdict{Time: oracleStart.Add(-time.Millisecond), Mode: Block, Grade: Forgeable}) == "" || len(surge.times) != surge.Remembered() {
		t.Error("what was forgotten makes room")
	}
}

// What is protected, and with it how IPv6 is counted, may change: whom ours spoke to stays known.
func TestAPartnerStaysOneWhenItsNetworkIsCrowded(t *testing.T) {
	e := New(everyRule())
	e.Know(company, nil)
	partner := netip.MustParseAddr("2001:db8:5::25")
	at := oracleStart
	for range 2 {
		at = at.Add(time.Hour)
		e.Observe(&Event{Time: at, Type: TypeTraffic, Subtype: "end", Action: "allow", Application: "ssl", Protocol: TCP, Src: insiders[0], SrcPort: 5000, Dst: partner, DstPort: 443})
	}
	e.Know(company, NewGuard([]netip.Prefix{netip.MustParsePrefix("2001:db8:5::1/128")}, nil))
	for port := range uint16(8) {
		ev := Event{Time: at.Add(time.Minute), Type: TypeTraffic, Subtype: "drop", Action: "deny", Src: partner, Dst: insiders[0], DstPort: 20 + port}
		if v := e.Observe(&ev).Verdict; v != nil && v.Hold == "" {
			t.Fatalf("a partner is blocked: %+v", *v)
		}
	}
}

// A partner is one also where IPv6 carries its address: what may be forged of it is held.
func TestAPartnerIsOneInIPv6Too(t *testing.T) {
	for source, held := range map[string]bool{"203.0.113.25": true, "2002:cb00:7119:1::5": true, "2001:0:808:808:0:1234:34ff:8ee6": true, "2002:cb00:711a::5": false, "2001:0:808:808:0:1234:34ff:8ee5": false} {
		e := New(everyRule())
		e.Know(company, nil)
		at := oracleStart
		for range 2 {
			at = at.Add(time.Hour)
			e.Observe(&Event{Time: at, Type: TypeTraffic, Subtype: "end", Action: "allow", Application: "ssl", Protocol: TCP, Src: insiders[0], SrcPort: 5000, Dst: netip.MustParseAddr("203.0.113.25"), DstPort: 443})
		}
		verdicts := 0
		for port := range uint16(8) {
			ev := Event{Time: at.Add(time.Minute), Type: TypeTraffic, Subtype: "drop", Action: "deny", Src: netip.MustParseAddr(source), Dst: insiders[0], DstPort: 20 + port}
			if v := e.Observe(&ev).Verdict; v != nil {
				if verdicts++; (v.Hold != "") != held {
					t.Errorf("%s: held for %q", source, v.Hold)
				}
			}
		}
		if verdicts == 0 {
			t.Errorf("%s: no verdict", source)
		}
	}
}

// Whom ours spoke to only after the attack began is no partner for it, though each target refused it once more since.
func TestAPartnerIsOneFromBeforeTheAttack(t *testing.T) {
	for _, before := range []bool{true, false} {
		s := everyRule()
		s.PortScan.Window, s.HostSweep.Window = 0, 0
		e := New(s)
		e.Know(company, nil)
		src, at := netip.MustParseAddr("203.0.113.5"), oracleStart
		speak := func() {
			for range 2 {
				at = at.Add(time.Hour)
				e.Observe(&Event{Time: at, Type: TypeTraffic, Subtype: "end", Action: "allow", Application: "ssl", Protocol: TCP, Src: insiders[0], SrcPort: 5000, Dst: src, DstPort: 443})
			}
		}
		var last *Verdict
		refuse := func(ports int) {
			for port := range ports {
				ev := Event{Time: at.Add(time.Minute), Type: TypeTraffic, Subtype: "drop", Action: "deny", Src: src, Dst: insiders[0], DstPort: uint16(20 + port)}
				if v := e.Observe(&ev).Verdict; v != nil {
					last = v
				}
			}
		}
		need := s.Probe.Targets
		if before {
			speak()
			refuse(need - 1)
		} else {
			refuse(need - 1)
			speak()
		}
		refuse(need)
		if last == nil || (last.Hold != "") != before {
			t.Errorf("spoken to before the attack %v: %+v", before, last)
		}
	}
}

// What only a proxy says of an address is no evidence beside what is known of it, in neither direction.
func TestAProxysWordStandsAlone(t *testing.T) {
	for _, lastBy := range []string{"the proxy", "itself"} {
		s := everyRule()
		s.Proxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/28")}
		e := New(s)
		e.Know(company, nil)
		src := netip.MustParseAddr("203.0.113.5")
		send := func(byProxy bool, port uint16) *Verdict {
			ev := Event{Time: oracleStart, Type: TypeTraffic, Subtype: "drop", Action: "deny", Src: src, Dst: insiders[0], DstPort: port}
			if byProxy {
				ev.Src, ev.Client = netip.MustParseAddr("192.0.2.1"), src
			}
			return e.Observe(&ev).Verdict
		}
		for port := range uint16(3) {
			if v := send(lastBy == "itself", 20+port); v != nil {
				t.Fatalf("%+v", *v)
			}
		}
		if v := send(lastBy == "the proxy", 80); v != nil {
			t.Errorf("with the last record by %s: %+v", lastBy, *v)
		}
	}
}

// A line that comes late counts what was so at its own time: an answer that has been given again since still excuses.
func TestALateLineBlocksNobodyByProbes(t *testing.T) {
	s := Settings{Probe: Probe{Targets: 3, Window: time.Hour, Policy: Policy{RefusedOnly: true}}}
	e := New(s)
	e.Know(company, nil)
	src := netip.MustParseAddr("203.0.113.5")
	send := func(at time.Duration, port uint16, action string) *Verdict {
		ev := Event{Time: oracleStart.Add(at), Type: TypeTraffic, Subtype: "end", Action: action, Application: "ssl", Src: src, Dst: insiders[0], DstPort: port}
		return e.Observe(&ev).Verdict
	}
	send(0, 80, "allow")
	for port := range uint16(3) {
		send(time.Minute, 20+port, "deny")
	}
	send(10*time.Minute, 80, "allow")
	if v := send(9*time.Minute, 20, "deny"); v != nil {
		t.Errorf("a late line: %+v", *v)
	}
	for _, minutes := range []time.Duration{70, 130, 185} {
		send(minutes*time.Minute, 1000+uint16(minutes), "deny")
	}
	if v := send(128*time.Minute, 999, "deny"); v != nil {
		t.Errorf("targets of two hours: %+v", *v)
	}
}

// Where every record counts nothing is remembered for a day, and a surge bounds what is forgeable all the same.
func TestASurgeNeedsNoMemory(t *testing.T) {
	surge := Surge{Additions: 1, Window: time.Hour}
	e := New(Settings{PortScan: PortScan{Ports: 1, Window: time.Hour}})
	e.Limit(&surge)
	surge.Note(oracleStart)
	for port := range uint16(4) {
		ev := Event{Time: oracleStart, Type: TypeTraffic, Src: netip.MustParseAddr("203.0.113.5"), Dst: insiders[0], DstPort: 20 + port}
		if v := e.Observe(&ev).Verdict; (v != nil) != (port%2 == 1) || v != nil && v.Hold == "" {
			t.Errorf("port %d: %+v", port, v)
		}
	}
}

// A late line, and targets that refused once more since, by what anyone can forge: what is proven of them counts then, not now.
func TestALateLineAmongProvenTargets(t *testing.T) {
	e := New(Settings{Probe: Probe{Targets: 3, Window: time.Hour, Policy: Policy{RefusedOnly: true}}, IPv6Prefix: 64})
	e.Know(company, nil)
	src := netip.MustParseAddr("203.0.113.5")
	send := func(port uint16) *Verdict {
		ev := Event{Time: oracleStart.Add(2 * time.Minute), Type: TypeTraffic, Subtype: "deny", Action: "deny", Protocol: UDP, Src: src, Dst: insiders[0], DstPort: port}
		return e.Observe(&ev).Verdict
	}
	for port := range uint16(3) { // proven, and forged once more later on
		e.memory.Refuse(refusal(src, 30+port, oracleStart.Add(time.Minute), true), new(uint32))
		e.memory.Refuse(refusal(src, 30+port, oracleStart.Add(9*time.Minute), false), new(uint32))
	}
	send(20)
	send(21)
	if v := send(22); v == nil || v.Grade != Forgeable || v.Count != 3 {
		t.Errorf("%+v", v)
	}
}

// refusal is of a target that refused a source.
func refusal(src netip.Addr, port uint16, at time.Time, proven bool) *memory.Target {
	return &memory.Target{Key: src.As16(), Dst: insiders[0].As16(), Port: port, Time: nanoseconds(at), Proven: proven}
}
