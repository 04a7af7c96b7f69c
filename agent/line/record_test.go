package line

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"activedefense/detect"
	"activedefense/store"
)

// What the engine may judge by is the same after a restart.
func TestARecordGivesBackItsEvent(t *testing.T) {
	at := Place{Origin: 3, Offset: 4200}
	seen := detect.Event{Time: noon, Device: "fw1", Src: netip.MustParseAddr("203.0.113.7"), Dst: netip.MustParseAddr("198.51.100.1"), SrcPort: 40000, DstPort: 443, SrcUser: "pre-logon",
		Action: "reset-both", Rule: "outside-in", ThreatName: "Some Threat", ThreatID: "40017", Severity: "medium", Subtype: "vulnerability",
		Application: "ssl", SrcZone: "internet", DstZone: "dmz", EndReason: "threat", Category: "brute-force", Client: netip.MustParseAddr("203.0.113.9"), Repeat: 2, Ref: at.ref()}
	for _, typ := range []detect.Type{detect.TypeUnknown, detect.TypeTraffic, detect.TypeThreat, detect.TypeGlobalProtect, detect.TypeSystem, detect.TypeLog} {
		for d := detect.DirectionUnknown; d <= detect.ServerToClient; d++ {
			for p := detect.ProtocolUnknown; p <= detect.OtherProtocol; p++ {
				seen.Type, seen.Direction, seen.Protocol, seen.Proven = typ, d, p, typ == detect.TypeLog && d == detect.ClientToServer
				var r store.Record
				setRecord(&r, &seen, detect.Result{Session: seen.Session}, at)
				if r.Protocol.String() != p.String() {
					t.Errorf("%s is kept as %s", p, r.Protocol)
				}
				if got := EventOf(&r); got != seen {
					t.Errorf("%+v came back as %+v", seen, got)
				}
			}
		}
	}
}

// A batch's records are made in those of an earlier batch, of which nothing stays.
func TestARecordHasNothingOfTheOneBefore(t *testing.T) {
	var used, fresh store.Record
	fill := reflect.ValueOf(&used).Elem()
	for i := range fill.NumField() {
		v := fill.Field(i)
		switch v.Interface().(type) {
		case time.Time:
			v.Set(reflect.ValueOf(noon))
		case netip.Addr:
			v.Set(reflect.ValueOf(netip.MustParseAddr("192.0.2.1")))
		default:
			switch {
			case v.CanInt():
				v.SetInt(7)
			case v.CanUint():
				v.SetUint(7)
			default:
				v.SetString("left")
			}
		}
	}
	ev := detect.Event{Type: detect.TypeTraffic}
	setRecord(&used, &ev, detect.Result{}, Place{})
	if setRecord(&fresh, &ev, detect.Result{}, Place{}); used != fresh {
		t.Errorf("of %+v is left %+v", fresh, used)
	}
	b := newBatch()
	b.record(&detect.Event{SrcUser: "anna", Repeat: 3}, detect.Result{}, Place{1, 2})
	b.reset()
	if b.record(&ev, detect.Result{}, Place{}); len(b.Records) != 1 || b.Records[0] != fresh {
		t.Errorf("the second batch has %+v", b.Records)
	}
}

// An allowed session into which no byte came back is refused, and stays it although its bytes are not kept. What an
// earlier version kept, and a start, are judged again by the engine.
func TestWhatBecameOfASessionStays(t *testing.T) {
	seen := detect.Event{Type: detect.TypeTraffic, Action: "allow", Application: "ssl", Traffic: detect.Traffic{Counted: true, BytesSent: 60, PacketsSent: 1}}
	seen.Judge()
	var r store.Record
	setRecord(&r, &seen, detect.Result{Session: seen.Session}, Place{})
	if got := EventOf(&r); r.Outcome != store.Refused || got.Session != detect.SessionRefused {
		t.Errorf("it is kept as %q and comes back as %q", r.Outcome, got.Session)
	}
	for session, want := range map[detect.Session]detect.Session{detect.SessionAnswered: detect.SessionAnswered, detect.SessionLate: detect.SessionLate,
		detect.SessionBegun: detect.SessionUnjudged, detect.SessionUnjudged: detect.SessionUnjudged} {
		seen.Session = session
		var r store.Record
		setRecord(&r, &seen, detect.Result{Session: seen.Session}, Place{})
		if got := EventOf(&r).Session; got != want {
			t.Errorf("%d comes back as %d", session, got)
		}
	}
}

// randomEvent is an event of any log, with all that rules may judge by.
func randomEvent(r *rand.Rand) detect.Event {
	text := func(of ...string) string { return of[r.IntN(len(of))] }
	address := func() netip.Addr {
		return []netip.Addr{netip.MustParseAddr("203.0.113.5"), netip.MustParseAddr("2001:db8:9::1"), netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("10.0.0.5"),
			netip.MustParseAddr("192.0.2.1"), {}}[r.IntN(6)] // two strangers, two of ours, a proxy, none
	}
	port := func() uint16 { return []uint16{0, 22, 443, 3389, 40000}[r.IntN(5)] }
	number := func() uint64 { return r.Uint64N(2) * 60 }
	ev := detect.Event{Time: noon.Add(time.Duration(r.IntN(1000)) * time.Second), Device: text("fw1", "fw2"), Type: detect.Type(r.IntN(6)), Direction: detect.Direction(r.IntN(3)),
		Protocol: detect.Protocol(r.IntN(5)), Proven: r.IntN(2) == 0, Repeat: uint32(r.IntN(3)),
		Src: address(), SrcPort: port(), Dst: address(), DstPort: port(), NATSrc: address(), NATSrcPort: port(), NATDst: address(), NATDstPort: port(), Client: address(),
		Traffic: detect.Traffic{Counted: r.IntN(2) == 0, BytesSent: number(), BytesReceived: number(), PacketsSent: number(), PacketsReceived: number()},
		SrcUser: text("", "ann", `lab\Bob`, "pre-logon"), SrcCountry: text("", "Sweden"), DstCountry: text("", "Norway"), Action: text("allow", "deny", "alert", "reset-both", "failure", "success"),
		Rule: text("", "in"), RuleID: text("", "r-1"), ThreatName: text("", "Some Threat"), ThreatID: text("", "40001", "Name(40018)", "41001", "8001"), Severity: text("", "low", "critical"),
		Application: text("", "ssl", "incomplete", "not-applicable", "cookie"), EndReason: text("", "aged-out", "policy-deny", "server timed out"), Category: text("", "brute-force", "Brute-Force", "dos"),
		SrcZone: text("", "internet"), DstZone: text("", "dmz")}
	switch ev.Type {
	case detect.TypeTraffic, detect.TypeUnknown:
		ev.Subtype = text("start", "end", "drop", "deny")
	case detect.TypeThreat:
		ev.Subtype = text("vulnerability", "vulnerability", "scan", "flood", "spyware")
	case detect.TypeLog:
		ev.Subtype = text("ssh-failed", "web-probe")
	default:
		ev.Subtype = text("portal-auth", "gateway-auth", "auth-fail", "portal-prelogin")
	}
	if ev.Type != detect.TypeLog {
		ev.Proven = false // it is the word of patterns alone
	}
	return ev
}

// Whatever an event is, what is kept of it is judged as it was: by the rules of the table, which are told of it again after a restart, and by a rule that a reload
// brings, which is told of what was before.
func TestARecordIsJudgedAsItsEvent(t *testing.T) {
	st, r := newTestStore(t), rand.New(rand.NewPCG(28, 13))
	window := time.Hour
	policy := detect.Policy{RefusedOnly: true}
	common := detect.Settings{IPv6Prefix: 64, Proxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}, MaxSources: 16, MaxSessions: 16, MaxPartners: 16, MaxProbes: 16}
	table, reloaded := common, common
	table.Vulnerability = detect.Vulnerability{Severity: detect.VulnerabilityCritical, ThreatIDs: []uint32{41001}, Policy: policy}
	table.HostSweep, table.Login = detect.HostSweep{Hosts: 1, Window: window, Policy: policy}, detect.Login{Window: window, Policy: policy}
	reloaded.Custom = []detect.CustomRule{{Name: "any", Events: []string{detect.EventTraffic, detect.EventThreat, detect.EventLogin, "ssh-failed"}, Window: window, Policy: policy}}
	for f := detect.FieldDevice; f <= detect.FieldOutcome; f++ { // one that counts each value by itself, for what is said of it
		one := reloaded.Custom[0]
		one.Name, one.Per = f.String(), []detect.Field{f}
		reloaded.Custom = append(reloaded.Custom, one)
	}
	ours := detect.NewOurs([]netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")})
	engine := func(s detect.Settings) *detect.Engine {
		e := detect.New(s)
		e.Know(ours, nil)
		return e
	}
	none := engine(table).Memory().Counters(nil)
	behind := func() *detect.Engine { // as after a reload that brought the rules
		e := engine(reloaded)
		if err := e.Memory().LoadCounters(none); err != nil {
			t.Fatal(err)
		}
		return e
	}
	said := func(r detect.Result) string {
		if r.Verdict == nil {
			return fmt.Sprint(r.Outcome, r.Grade)
		}
		return fmt.Sprintf("%v %v %+v", r.Outcome, r.Grade, *r.Verdict)
	}
	explained := func(ev *detect.Event) string {
		list := append(table.Explain(ev, nil, ours), reloaded.Explain(ev, nil, ours)...)
		for i := range list {
			list[i].Text = "" // which may name what is not kept, such as how many bytes came back
		}
		return fmt.Sprintf("%+v", list)
	}
	var events []detect.Event
	var live [][2]string
	fired := map[string]int{}
	batch := &store.Batch{}
	for i := range 3000 {
		ev, place := randomEvent(r), Place{Origin: 3, Offset: int64(i)}
		ev.Ref = place.ref()
		counted, byRule := engine(table).Observe(&ev), engine(reloaded).Observe(&ev)
		for _, v := range []*detect.Verdict{counted.Verdict, byRule.Verdict} {
			if v != nil {
				fired[v.Rule]++
				fired[fmt.Sprint(ev.Type, " by a proxy ", ev.Src == common.Proxies[0].Addr())]++
				fired[fmt.Sprintf("%s %s %q", ev.Type, ev.Direction, ev.Category)]++
			}
		}
		var rec store.Record
		setRecord(&rec, &ev, counted, place)
		batch.Records = append(batch.Records, rec)
		events, live = append(events, ev), append(live, [2]string{said(counted), said(byRule)})
	}
	if _, err := st.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	n := 0
	err := st.Sightings(t.Context(), []store.Interval{{From: noon.Add(-window)}}, nil, func(rec *store.Record) error {
		seen, back := events[n], EventOf(rec)
		if got := [2]string{said(engine(table).Recall(&back)), said(behind().CatchUp(&back))}; got != live[n] {
			t.Errorf("%+v\nwas %q\nnow %q", seen, live[n], got)
		}
		if was, now := explained(&seen), explained(&back); was != now {
			t.Errorf("%+v\nwas %s\nnow %s", seen, was, now)
		}
		n++
		return nil
	})
	if err != nil || n != len(events) {
		t.Fatalf("%d records of %d: %v", n, len(events), err)
	}
	for _, want := range []string{detect.RuleVulnerability, detect.RuleHostSweep, detect.RuleLogin, "any", "TRAFFIC by a proxy true", "THREAT by a proxy true", "LOG by a proxy true",
		`THREAT server-to-client "brute-force"`, `THREAT server-to-client "Brute-Force"`, `THREAT server-to-client ""`} {
		if fired[want] == 0 {
			t.Errorf("none was judged so: %s", want)
		}
	}
}
