package detect

import (
	"activedefense/detect/memory"
	"net/netip"
	"testing"
	"time"
)

// A source that a surge had no room for goes on being counted, and what it proves blocks it: whoever fills the room with forged
// sources saves nobody who is really there.
func TestASurgeKeepsWhatIsProven(t *testing.T) {
	s := everyRule()
	s.Login.Failures = 10
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
