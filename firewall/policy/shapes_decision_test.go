package policy

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/firewall/decision"
	"activedefense/firewall/xmlapi"
)

// The evaluator never rules out the rule that was worked out by hand, and where it is sure it names that one.
func TestShapesAreDecidedByTheEvaluator(t *testing.T) {
	sure, total := 0, 0
	for _, name := range shapeNames(t) {
		t.Run(name, func(t *testing.T) {
			s := readShape(t, name)
			sim := s.start(t)
			policies := map[string]*decision.Policy{}
			want := shapeExpects(t)
			for _, vsys := range s.vsys {
				d, err := xmlapi.Open(xmlapi.Options{Name: name, URL: sim.URL(), VSys: vsys, APIKey: sim.Key(), CA: sim.CA(), Now: newClock().Now, RetryWait: time.Millisecond})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(d.Close)
				policies[vsys] = ReadFacts(t.Context(), d, want).policy().decisions(want, false)
			}
			for _, f := range s.flows {
				p := policies[f.packet.VSys]
				var protocols = map[string]uint8{"icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "icmp6": 58, "ospf": 89, "pim": 103, "vrrp": 112}
				blocked := slices.ContainsFunc(s.blocked, func(b netip.Prefix) bool { return b.Contains(f.packet.Source) })
				got := p.Decide(decision.Flow{
					From: f.packet.From, To: f.packet.To, Source: f.packet.Source, Destination: f.packet.Destination,
					SourceIn: map[string]bool{decision.Blocked: blocked}, DestinationIn: map[string]bool{decision.Blocked: false},
					Protocol: protocols[f.packet.Protocol], Port: f.packet.DestinationPort, SourcePort: f.packet.SourcePort, Application: f.packet.Application, User: f.packet.User,
				})
				var names []string
				for _, i := range got {
					names = append(names, strings.Split(p.Rules[i].Name, `"`)[1])
				}
				total++
				if len(got) == 1 {
					sure++
				}
				if !slices.Contains(names, f.rule) {
					t.Errorf("%s: %q, worked out: %q", f.at, names, f.rule)
				}
			}
		})
	}
	if sure < 400 || total < 600 {
		t.Errorf("of %d flows only %d are surely decided", total, sure)
	}
}
