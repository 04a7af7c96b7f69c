package explain

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"activedefense/agent/display"
	"activedefense/detect"
	"activedefense/store"
)

// The largest number within a window is what a count over all windows gives.
func TestMostWithinAWindow(t *testing.T) {
	start := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		window := time.Duration(rapid.IntRange(0, 5).Draw(t, "window")) * time.Second
		var all []sighting
		for range rapid.IntRange(0, 12).Draw(t, "sightings") {
			all = append(all, sighting{start.Add(time.Duration(rapid.IntRange(0, 9).Draw(t, "second")) * time.Second),
				rapid.SampledFrom([]string{"a", "b"}).Draw(t, "key"), rapid.SampledFrom([]string{"1", "2", "3", "4"}).Draw(t, "value"), "", rapid.IntRange(0, 3).Draw(t, "again")})
		}
		want := 0
		for _, first := range all {
			values, again := make(map[string]bool), 0
			for _, s := range all {
				if d := s.at.Sub(first.at); s.key == first.key && d >= 0 && d < window {
					values[s.value], again = true, again+s.again
				}
			}
			want = max(want, len(values)+again)
		}
		if got, _ := most(all, window); got != want {
			t.Fatalf("%d instead of %d", got, want)
		}
	})
}

// Each rule is told with what it counts, those that counted nothing not at all, and each IPv4 source for itself.
func TestHowNearASourceCame(t *testing.T) {
	start := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	settings := &detect.Settings{PortScan: detect.PortScan{Ports: 10, Window: 10 * time.Minute}, HostSweep: detect.HostSweep{Hosts: 10, Window: 90 * time.Second}, Probe: detect.Probe{Targets: 30, Window: 24 * time.Hour},
		Login: detect.Login{Failures: 5, Window: time.Minute}, Custom: []detect.CustomRule{{Name: "mine", Events: []string{"ssh-failed", "login"}, MoreThan: 8, Window: 3 * time.Second}}}
	n := newNearness(settings, func(r *store.Record) (all []detect.Counting) {
		for _, rule := range []string{"vulnerability", "port-scan", "host-sweep", "probe", "login"} {
			all = append(all, detect.Counting{Rule: rule, Counts: (rule == "login") == (r.Type == "SYSTEM")})
		}
		all = append(all, detect.Counting{Rule: "mine", Counts: r.Type == "SYSTEM"})
		return all
	})
	for i, r := range []store.Record{
		{Src: netip.MustParseAddr("203.0.113.1"), Dst: netip.MustParseAddr("192.0.2.1"), DstPort: 22}, {Src: netip.MustParseAddr("203.0.113.1"), Dst: netip.MustParseAddr("192.0.2.1"), DstPort: 23},
		{Src: netip.MustParseAddr("203.0.113.1"), Dst: netip.MustParseAddr("192.0.2.2"), DstPort: 22}, {Src: netip.MustParseAddr("203.0.113.2"), Dst: netip.MustParseAddr("192.0.2.1"), DstPort: 24},
		{Src: netip.MustParseAddr("203.0.113.2"), Type: "SYSTEM"}, {Src: netip.MustParseAddr("203.0.113.2"), Type: "SYSTEM", Offset: 7, Repeat: 3},
	} {
		r.Time = start.Add(time.Duration(i) * time.Second)
		n.add(&r)
	}
	var got []string
	for _, near := range n.list() {
		got = append(got, fmt.Sprintf("%s: %s (%d of %d in %s)", near.Rule, near.Text, near.Found, near.Needed, near.Window))
	}
	if want := "[port-scan: 2 ports of one address within 10m, of 11 needed (2 of 11 in 10m) host-sweep: 2 addresses on one port within 1m30s, of 10 needed (2 of 10 in 1m30s)" +
		" probe: 3 pairs of address and port within 24h, of 30 needed (3 of 30 in 24h) login: 4 failed logins within 1m, of 6 needed (4 of 6 in 1m)" +
		" mine: 4 events within 3s, of 9 needed (no ssh-failed, 4 login, from " + display.LocalTime(start.Add(4*time.Second)) + " to " + display.LocalTime(start.Add(5*time.Second)) + ") (4 of 9 in 3s)]"; fmt.Sprint(got) != want {
		t.Errorf("%s\ninstead of\n%s", got, want)
	}
}
