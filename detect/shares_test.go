package detect

import "testing"

// Refused records are counted by whether their source is on the blacklist, and by whether they are anything of ours; what our
// own are refused, what is served, and logins are no part of it.
func TestSharesOfRefusedRecords(t *testing.T) {
	s, err := newScenario("port-scan 2 in 10m\nlogin 10 in 10m\nrefused\nours 198.51.100.0/24")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.line([]string{"block", "203.0.113.1/32"}); err != nil {
		t.Fatal(err)
	}
	for _, words := range scenarioLines(`
0s  203.0.113.1 > 198.51.100.7:1-5 deny
0s  203.0.113.1 > 192.0.2.7:1 deny
0s  203.0.113.1 > 198.51.100.7:1 app=ssl back=900
0s  203.0.113.1 > 198.51.100.7:1 subtype=start app=ssl
0s  203.0.113.1 > - portal-auth=failure
0s  203.0.113.2 > 198.51.100.7:1-2 deny
0s  203.0.113.2 > 192.0.2.7:1-3 deny
0s  203.0.113.2 > - portal-auth=failure
0s  203.0.113.2 > 198.51.100.7:443 threat=vulnerability/low action=drop
0s  198.51.100.7 > 203.0.113.9:1-9 deny
0s  10.0.0.7 > 203.0.113.9:1-9 deny`) {
		if err := s.line(words); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.engine.Stats(); got.Refused != 12 || got.RefusedBlocked != 6 || got.RefusedElsewhere != 4 {
		t.Errorf("%d refused, %d of them of blocked sources, %d of nobody of ours", got.Refused, got.RefusedBlocked, got.RefusedElsewhere)
	}
}
