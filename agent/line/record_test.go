package line

import (
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
		Application: "ssl", SrcZone: "internet", DstZone: "dmz", EndReason: "threat", Repeat: 2, Ref: at.ref()}
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
