package trouble

import (
	"net/netip"
	"testing"
	"time"

	"activedefense/agent/edl"
	"activedefense/agent/enforce"
	"activedefense/agent/silence"
)

// After a start nothing is over that was not looked at yet.
func TestWhatWasNotLookedAtIsNotOver(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	seen := Seen{Started: at, Now: at.Add(time.Hour), Reading: true,
		Firewalls: []enforce.Status{{Name: "up", Up: true, Access: []enforce.Access{{Firewall: "up", Key: enforce.KeyUnlimited}}}, {Name: "new", State: enforce.StateUnknown}, {Name: "left", State: enforce.StateMaintenance}},
		Policies:  []enforce.PolicyStatus{{Firewall: "up", State: "pass"}, {Firewall: "new", State: enforce.StateUnknown}},
		Heard:     []silence.Status{{Pattern: "/r/*.log", Spared: 1}}, LeftAlone: func(name string) bool { return name == "192.0.2.9" },
		List: &edl.Status{Clients: []edl.Client{{Addr: netip.MustParseAddr("192.0.2.1")}}}}
	early := seen
	early.Now = at.Add(time.Minute)
	closed := seen
	closed.Reading = false
	for _, c := range []struct {
		key                   string
		later, early, notOpen bool
	}{
		{"firewall-down|up", false, false, false}, {"firewall-down|new", true, true, true}, {"firewall-down|removed", false, false, false},
		{"verify-failed|up", false, false, false}, {"verify-failed|new", true, true, true}, {"verify-failed|removed", false, false, false},
		{"firewall-down|left", true, true, true}, {"verify-failed|left (peer)", true, true, true}, {"networks|left\x00too wide", true, true, true}, {"capacity|left", true, true, true},
		{"key-expiry|up\x00ends", false, true, true}, {"certificate|up\x00certificate", true, true, true}, {"key-expiry|removed\x00ends", false, true, true},
		{"paused|", false, false, true}, {"input-silent|/r/*.log", true, true, true}, {"list-unfetched|192.0.2.9", true, true, true},
		{"brake|new", true, true, true}, {"brake|", false, true, true}, {"capacity|up", false, false, false},
		{"store|", false, false, false}, {"reload-refused|", false, false, false},
		{"input-silent|/l/*.log", false, true, true}, {"clock|", false, true, true}, {"|a label", false, true, true},
		{"networks|", true, true, true}, {"networks|fw1", false, true, false},
		{"list-unfetched|192.0.2.1", false, false, false}, {"list-unfetched|192.0.2.2", false, true, false}, {"certificate|url", false, true, true},
	} {
		if a, b, d := seen.Unsure(c.key), early.Unsure(c.key), closed.Unsure(c.key); a != c.later || b != c.early || d != c.notOpen {
			t.Errorf("%s: unsure after an hour %v, after a minute %v, before the inputs are open %v", c.key, a, b, d)
		}
	}
}
