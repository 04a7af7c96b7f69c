package detect

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A scanner that spreads over 1000 hosts and 1000 ports at random, fast or slow, is
// found at the same event as by brute force.
func TestRandomizedScan(t *testing.T) {
	hosts := addresses("198.51.0.1", 1000)
	rapid.Check(t, func(t *rapid.T) {
		dice := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		gap := rapid.SampledFrom([]time.Duration{time.Microsecond, time.Second, 3 * time.Second}).Draw(t, "gap")
		late := rapid.SampledFrom([]time.Duration{1, 10 * time.Minute}).Draw(t, "late")
		engine, oracle := New(defaults), newOracle(defaults)
		for i := range 6000 {
			ev := Event{Type: TypeTraffic, Src: oracleSources[0], Ref: uint64(i),
				Time: oracleStart.Add(time.Duration(i) * gap).Add(-time.Duration(dice.Int64N(int64(late)))),
				Dst:  hosts[dice.IntN(1000)], DstPort: uint16(1 + dice.IntN(1000))}
			got := engine.Observe(&ev)
			outcome, rule := oracle.observe(&ev)
			if got.Outcome != outcome || outcome == Fired && got.Verdict.Rule != rule {
				t.Fatalf("event %d: engine says %+v, brute force %d %q", i, got, outcome, rule)
			}
			if outcome == Fired {
				return
			}
		}
	})
}

func TestEvidenceNamesEveryValueAsFarAsRoomAllows(t *testing.T) {
	for _, c := range []struct{ twice, once, want int }{
		{0, 11, 11},
		{10, 1, 21},
		{50, 11, 64}, // the values that come last must not be crowded out
		{0, 100, 64},
	} {
		e := New(Settings{PortScan: PortScan{Ports: c.twice + c.once - 1, Window: 10 * time.Minute}})
		var ports []uint16
		for n := range 2*c.twice + c.once {
			port := n
			if n >= c.twice {
				port = n - c.twice
			}
			ports = append(ports, uint16(1+port))
		}
		var v *Verdict
		for i, port := range ports {
			at := oracleStart.Add(time.Duration(i) * time.Second)
			v = e.Observe(&Event{Type: TypeTraffic, Time: at, Src: publicSource(1), Dst: target(1), DstPort: port, Ref: uint64(i)}).Verdict
		}
		if v == nil {
			t.Fatalf("%+v: no verdict", c)
		}
		distinct := map[uint16]bool{}
		for _, r := range v.Evidence {
			distinct[ports[r]] = true
		}
		if len(v.Evidence) != c.want || len(distinct) != min(c.twice+c.once, maxEvidence) || !slices.IsSorted(v.Evidence) || v.Evidence[len(v.Evidence)-1] != uint64(len(ports)-1) {
			t.Errorf("%+v: %d records for %d ports: %v", c, len(v.Evidence), len(distinct), v.Evidence)
		}
		if v.Count != c.twice+c.once || v.Hits != len(ports) {
			t.Errorf("%+v: %+v", c, v)
		}
	}
}

// Times at the ends of what fits neither overflow nor meet each other.
func TestTimesAtTheEnds(t *testing.T) {
	s := Settings{PortScan: PortScan{Ports: 1, Window: math.MaxInt64}, HostSweep: HostSweep{Hosts: 2, Window: time.Second}}
	early, late := time.Unix(0, 0), time.Unix(0, math.MaxInt64)
	observe := func(e *Engine, at time.Time, port uint16) Result {
		return e.Observe(&Event{Type: TypeTraffic, Time: at, Src: publicSource(1), Dst: target(1), DstPort: port})
	}
	e := New(s)
	observe(e, early, 1)
	if got := observe(e, late, 2).Outcome; got != Counted {
		t.Errorf("the ends of time are the window apart, not less: %d", got)
	}
	if got := observe(e, late.Add(-1), 3); got.Outcome != Fired || !got.Verdict.LastSeen.Equal(late) {
		t.Errorf("%+v", got)
	}
	for _, at := range []time.Time{{}, time.Unix(-1, 0), time.Date(-5000, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if got := nanoseconds(at); got != 0 {
			t.Errorf("%v: %d", at, got)
		}
	}
	for _, at := range []time.Time{late.Add(time.Second), time.Date(99_999, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if got := nanoseconds(at); got != math.MaxInt64 {
			t.Errorf("%v: %d", at, got)
		}
	}
	if at := time.Date(2036, 2, 7, 6, 28, 16, 123456789, time.UTC); !clock(nanoseconds(at)).Equal(at) {
		t.Errorf("%v became %v", at, clock(nanoseconds(at)))
	}
	if got := e.Horizon(); got < math.MaxInt64-1 {
		t.Errorf("horizon %v", got)
	}
	if got := New(Settings{}).Horizon(); got != 0 {
		t.Errorf("horizon %v with all rules off", got)
	}
	e = New(Settings{Custom: []CustomRule{{Name: "a", Events: []string{"a"}, Window: time.Hour}, {Name: "b", Events: []string{"a"}, Window: 2 * time.Hour, Policy: Policy{Mode: Off}}}})
	if got, types, _ := e.Behind(); got != 0 || types != nil {
		t.Errorf("from the beginning rules are behind by %s, of %v", got, types)
	}
	e.Memory().LoseCounters()
	if got, types, counts := e.Behind(); got != 2*time.Hour || !slices.Equal(types, []Type{TypeLog}) || !counts(&Event{Type: TypeLog, Subtype: "a"}) || counts(&Event{Type: TypeLog, Subtype: "b"}) {
		t.Errorf("horizon %v of a custom rule", got)
	}
	for _, c := range []struct {
		s    Settings
		want []Type
	}{
		{Settings{PortScan: PortScan{Ports: 10, Window: time.Hour}}, []Type{TypeThreat, TypeTraffic}},
		{Settings{Login: Login{Failures: 3, Window: time.Hour}}, []Type{TypeThreat, TypeGlobalProtect, TypeSystem}},
		{Settings{Custom: []CustomRule{{Name: "a", Events: []string{"a", EventTraffic}, Window: time.Hour}}}, []Type{TypeThreat}},
	} {
		if got := New(c.s).Recalled(); !slices.Equal(got, c.want) {
			t.Errorf("%+v: recalled are %v, want %v", c.s, got, c.want)
		}
	}
	if got := New(Settings{HostSweep: HostSweep{Hosts: 10, Window: time.Hour}, PortScan: PortScan{Ports: 10, Window: time.Minute}}).Horizon(); got != 2*time.Hour {
		t.Errorf("horizon %v", got)
	}
}

// Thresholds that make no sense do not do harm.
func TestOddSettings(t *testing.T) {
	for _, c := range []struct {
		s    Settings
		want string
	}{
		{Settings{PortScan: PortScan{Ports: -3, Window: time.Second}}, RulePortScan},
		{Settings{HostSweep: HostSweep{Hosts: -3, Window: time.Second}}, RuleHostSweep},
		{Settings{PortScan: PortScan{Ports: math.MaxInt, Window: time.Second}, HostSweep: HostSweep{Hosts: math.MaxInt, Window: 1}, MaxSources: math.MaxInt}, ""},
		{Settings{PortScan: PortScan{Ports: 0, Window: -time.Second}, MaxSources: -1}, ""},
	} {
		v := New(c.s).Observe(&Event{Type: TypeTraffic, Time: oracleStart, Src: publicSource(1), Dst: target(1), DstPort: 1}).Verdict
		if got := ""; v != nil && v.Rule != c.want || v == nil && c.want != got {
			t.Errorf("%+v: %+v", c.s, v)
		}
	}
	e := New(defaults)
	e.Block(netip.Prefix{})
	e.Release(netip.Prefix{})
	if res := e.Observe(&Event{Type: TypeTraffic}); res.Outcome != Ignored || e.Stats().Blocked != 0 {
		t.Errorf("%+v %+v", res, e.Stats())
	}
}

func TestWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		10 * time.Minute: "10m", time.Hour: "1h", 90 * time.Minute: "1h30m", 30 * time.Second: "30s", 24 * time.Hour: "24h",
		time.Hour + time.Second: "1h0m1s", 20 * time.Minute: "20m", 1500 * time.Millisecond: "1.5s", 100 * time.Minute: "1h40m", 0: "0s",
	} {
		if got := short(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	if got := several(1, "port", "ports") + several(2, "port", "ports"); got != "1 port2 ports" {
		t.Errorf("%q", got)
	}
	for got, want := range map[string]string{
		TypeTraffic.String(): "TRAFFIC", TypeThreat.String(): "THREAT", TypeUnknown.String(): "",
		ClientToServer.String(): "client-to-server", ServerToClient.String(): "server-to-client", DirectionUnknown.String() + ".": ".",
		VulnerabilityCritical.String(): "critical", VulnerabilityHigh.String(): "high", VulnerabilityOff.String(): "off",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
