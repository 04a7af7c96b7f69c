package policy

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/firewall/xmlapi"
)

var shapeKey = regexp.MustCompile(`(?s)-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----`)

// unprovenShapes are those where sensor: drop would cut nothing, and a plan cannot prove it, or needs no rule of ours.
var unprovenShapes = []string{"drop-all-at-end", "ipv6-uplink", "universal-from-any"}

// The plan of each shape, carried out on the simulator, decides no flow otherwise, but those of blocked sources; a second plan leaves
// nothing to us, and verify finds what it was made for.
func TestNoPlanForAShapeCutsTraffic(t *testing.T) {
	for _, sensor := range []string{SensorLog, SensorDrop} {
		for _, name := range shapeNames(t) {
			t.Run(sensor+" "+name, func(t *testing.T) {
				s := readShape(t, name)
				url, authority := agentList(t, "192.0.2.255\n")
				s.running = strings.ReplaceAll(s.running, "https://agent.example.com:8443/files/blacklist.txt", url)
				s.running = shapeKey.ReplaceAllString(s.running, strings.TrimSpace(string(authority)))
				// nothing leaves the test: our server and the SIEM are on this host
				s.running = strings.NewReplacer("<server>192.0.2.10</server>", "<server>127.0.0.1</server>", "<server>10.0.0.40</server>", "<server>127.0.0.2</server>", "https://lists.example.net/drop.txt", url).Replace(s.running)
				sim := s.start(t)
				for _, vsys := range s.vsys {
					c := newClock()
					d, err := xmlapi.Open(xmlapi.Options{Name: name, URL: sim.URL(), VSys: vsys, APIKey: sim.Key(), CA: sim.CA(), Now: c.Now, RetryWait: time.Millisecond})
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(d.Close)
					want := shapeExpects(t)
					want.SyslogAddress, want.ListURL, want.CA, want.Sensor, want.Now = "127.0.0.1", url, authority, sensor, c.Now()
					plan, err := Provision(t.Context(), d, want)
					if err != nil {
						t.Errorf("%s: no plan: %v", vsys, err)
						continue
					}
					halves := [][]Step{plan.Steps[:len(plan.Steps)/2], plan.Steps}
					for i, steps := range halves { // interrupted, and then ended
						if _, err = Take(t.Context(), d, steps, true); err == nil {
							plan, err = Provision(t.Context(), d, want)
						}
						if err != nil || plan.TakesAlong() != "" {
							t.Errorf("%s: after %d of 2 runs the commit takes along %s, %v", vsys, i+1, plan.TakesAlong(), err)
						}
						if i == 0 {
							halves[1] = plan.Steps
						}
					}
					if _, err := Commit(t.Context(), d, want, ""); err != nil {
						t.Errorf("%s: %v", vsys, err)
					}
					sim.Lists().Fetch()
					rules := sim.Traffic().Rules(vsys)
					drops := false
					for _, r := range rules {
						drops = drops || r.Name == want.Names.Sensor
					}
					if e := s.expect[vsys]; drops && !(e.drop && sensor == SensorDrop) && !strings.HasPrefix(name, "ours-") {
						t.Errorf("%s: sensor %s made a drop rule: %v; worked out: %v: %s", vsys, sensor, drops, e.drop, e.dropWhy)
					}
					if sensor == SensorDrop && s.expect[vsys].drop && !drops && !slices.Contains(unprovenShapes, name) {
						t.Errorf("%s: no drop rule, where nothing rests on the default rules: %v", vsys, plan.Steps)
					}
					again, err := Provision(t.Context(), d, want)
					if err != nil {
						t.Fatal(err)
					}
					for _, step := range again.Steps {
						if !strings.HasPrefix(step.String(), "person") {
							t.Errorf("%s: still to do: %v", vsys, step)
						}
					}
					left := slices.ContainsFunc(again.Steps, func(step Step) bool { return strings.HasPrefix(step.Object, "security rule") }) // to a person
					for _, check := range Verify(ReadFacts(t.Context(), d, want), want) {
						cut := check.Check == CheckPeers && s.expect[vsys].checks[CheckPeers].result != ResultPass // no plan's matter
						if check.Result != ResultPass && !cut && !left && s.expect[vsys].internet != nil && !strings.HasSuffix(check.Detail, "has no vulnerability protection") && slices.Contains(shapeChecks, check.Check) {
							t.Errorf("%s: after the plan: %s %s: %s", vsys, check.Check, check.Result, check.Detail)
						}
					}
				}
				for _, f := range s.flows {
					if sensor == SensorDrop && f.serves == "" && f.rule == "intrazone-default" {
						continue // a scan of what the firewall does not serve may be dropped then
					}
					v := sim.Traffic().Packet(f.packet)
					if (v.Action == "allow") != (f.action == "allow") && !(slices.ContainsFunc(s.blocked, func(p netip.Prefix) bool { return p.Contains(f.packet.Source) })) {
						t.Errorf("%s: %s by %q now, before: %s by %q", f.at, v.Action, v.Rule, f.action, f.rule)
					}
				}
			})
		}
	}
}
