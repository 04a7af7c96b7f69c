package detect

import (
	"fmt"
	"strings"
	"testing"
)

// evasionSettings are the rules as they are by default.
const evasionSettings = `
port-scan 10 in 10m
host-sweep 10 in 10m
probe 30 in 24h
login 10 in 10m
vulnerability critical
ids 40015
refused
ours 198.51.100.0/24 2001:db8:ffff::/48
never 2001:db8:0:1::53
proxy 192.0.2.0/28
ipv6-prefix 64
`

// Each row is an attack, once as it is, and once with what is done to hide it or to have it blamed on somebody else. What that
// buys is written out, and is no more than the rules say.
func TestWhatEvasionBuys(t *testing.T) {
	for _, c := range []struct {
		name, buys   string
		trick        string // ahead of the attack, or woven into it
		attack       string
		without, had string // who is found without it, and with it
	}{
		{"one session opened to a scanner", "nothing",
			"-1m 198.51.100.7 > 203.0.113.1:443 sport=40001 app=ssl proto=tcp back=900",
			"0s 203.0.113.1 > 198.51.100.7:1-11 deny",
			"203.0.113.1 port-scan forgeable blocked", "203.0.113.1 port-scan forgeable blocked"},
		{"one session, and the scan from the port that it went to", "the one port that the session came from",
			"-1m 198.51.100.7 > 203.0.113.1:443 sport=40001 app=ssl proto=tcp back=900",
			"0s 203.0.113.1 > 198.51.100.7:40001-40011 sport=443 deny",
			"203.0.113.1 port-scan forgeable blocked", ""},
		{"the same, and one port more", "nothing beyond it",
			"-1m 198.51.100.7 > 203.0.113.1:443 sport=40001 app=ssl proto=tcp back=900",
			"0s 203.0.113.1 > 198.51.100.7:40001-40012 sport=443 deny",
			"203.0.113.1 port-scan forgeable blocked", "203.0.113.1 port-scan forgeable blocked"},
		{"two sessions a minute apart", "nothing: they are in one hour",
			"-20m 198.51.100.7 > 203.0.113.1:443 app=ssl back=900\n-19m 198.51.100.7 > 203.0.113.1:443 app=ssl back=900",
			"0s 203.0.113.1 > 198.51.100.7:1-11 deny",
			"203.0.113.1 port-scan forgeable blocked", "203.0.113.1 port-scan forgeable blocked"},
		{"two sessions in two hours", "a hold of what may be forged, and nothing else",
			"-3h 198.51.100.7 > 203.0.113.1:443 app=ssl back=900\n-20m 198.51.100.7 > 203.0.113.1:443 app=ssl back=900",
			"0s 203.0.113.1 > 198.51.100.7:1-11 deny\n1s 203.0.113.1 > 198.51.100.7:22 threat=vulnerability/high id=40015 c2s app=ssh proto=tcp",
			"203.0.113.1 port-scan forgeable blocked", "203.0.113.1 port-scan forgeable held\n203.0.113.1 vulnerability proven blocked"},
		{"two sessions a minute apart, over the turn of an hour", "a hold of what may be forged: they are in two hours",
			"-30s 198.51.100.7 > 203.0.113.1:443 app=ssl back=900\n30s 198.51.100.7 > 203.0.113.1:443 app=ssl back=900",
			"1m 203.0.113.1 > 198.51.100.7:1-11 deny",
			"203.0.113.1 port-scan forgeable blocked", "203.0.113.1 port-scan forgeable held"},
		{"two sessions in two hours, while it scans", "nothing: it attacked first",
			"-5m 203.0.113.1 > 198.51.100.7:99 deny\n-4m 198.51.100.7 > 203.0.113.1:443 app=ssl back=900\n1m 198.51.100.7 > 203.0.113.1:443 app=ssl back=900",
			"2m 203.0.113.1 > 198.51.100.7:1-11 deny",
			"203.0.113.1 port-scan forgeable blocked", "203.0.113.1 port-scan forgeable blocked"},
		{"answers on every port to a host of ours behind translation that is not told", "one record for each session that ours opened",
			"-1m 10.0.0.5 > 203.0.113.1:1-30 sport=5000 app=ssl back=900",
			answersFrom(1, 30, 41000),
			"203.0.113.1 port-scan forgeable blocked", ""},
		{"the same, twice", "nothing for the second round",
			"-1m 10.0.0.5 > 203.0.113.1:1-30 sport=5000 app=ssl back=900",
			answersFrom(1, 30, 41000) + answersFrom(1, 30, 42000),
			"203.0.113.1 port-scan forgeable blocked", "203.0.113.1 port-scan forgeable blocked"},
		{"a session to port 53, and a sweep from port 53", "the one port that the session came from",
			"-1m 198.51.100.7 > 203.0.113.1:53 sport=40001 app=dns proto=udp back=80",
			"0s 203.0.113.1 > 198.51.100.1-9:40001 sport=53 deny\n1s 203.0.113.1 > 198.51.100.10:40001 sport=53 deny",
			"203.0.113.1 host-sweep forgeable blocked", ""},
		{"the same, over more hosts and ports", "nothing beyond it",
			"-1m 198.51.100.7 > 203.0.113.1:53 sport=40001 app=dns proto=udp back=80",
			"0s 203.0.113.1 > 198.51.100.1-11:40001 sport=53 deny\n1s 203.0.113.1 > 198.51.100.7:1-20 sport=53 deny",
			"203.0.113.1 host-sweep forgeable blocked", "203.0.113.1 host-sweep forgeable blocked"},
		{"a session to port 53 whose translation is not told, and a scan from port 53", "one record, to a port of 1024 and above",
			"-1m 10.0.0.5 > 203.0.113.1:53 sport=40001 app=dns proto=udp back=80",
			"0s 203.0.113.1 > 198.51.100.7:1020-1032 sport=53 deny",
			"203.0.113.1 port-scan forgeable blocked", "203.0.113.1 port-scan forgeable blocked"},
		{"the same, with ten ports more than that", "no more than the one",
			"-1m 10.0.0.5 > 203.0.113.1:53 sport=40001 app=dns proto=udp back=80",
			"0s 203.0.113.1 > 198.51.100.7:2001-2011 sport=53 deny",
			"203.0.113.1 port-scan forgeable blocked", ""},
		{"a served session beside a scan", "nothing: neither the outcome of the scan, nor its grade",
			"0s 203.0.113.1 > 198.51.100.7:443 app=ssl proto=tcp back=900",
			"1s 203.0.113.1 > 198.51.100.7:1-11 deny",
			"203.0.113.1 port-scan forgeable blocked", "203.0.113.1 port-scan forgeable blocked"},
		{"five served sessions beside a slow scan", "five targets of the rule probe",
			"-1m 203.0.113.1 > 198.51.100.1-5:443 app=ssl proto=tcp back=900",
			slowScan(34),
			"203.0.113.1 probe forgeable blocked", ""},
		{"the same, and one target more", "nothing beyond them",
			"-1m 203.0.113.1 > 198.51.100.1-5:443 app=ssl proto=tcp back=900",
			slowScan(35),
			"203.0.113.1 probe forgeable blocked", "203.0.113.1 probe forgeable blocked"},
		{"sixty-five served targets beside a slow scan", "that probe concludes nothing for a day: more answered than it remembers",
			"-1m 203.0.113.1 > 198.51.100.1-65:443 app=ssl proto=tcp back=900",
			slowScan(90),
			"203.0.113.1 probe forgeable blocked", ""},
		{"the same, and a scan", "nothing against the other rules",
			"-1m 203.0.113.1 > 198.51.100.1-65:443 app=ssl proto=tcp back=900",
			"0s 203.0.113.1 > 198.51.100.7:1-11 deny",
			"203.0.113.1 port-scan forgeable blocked", "203.0.113.1 port-scan forgeable blocked"},
		{"targets reached more slowly than the window of a scan", "29 of them a day", "", slowScan(29), "", ""},
		{"a header that names somebody else", "nothing, and nobody else is counted", "",
			"0s 203.0.113.1 > 198.51.100.7:1-11 deny xff=203.0.113.99\n1s 203.0.113.99 > 198.51.100.7:1-10 deny",
			"203.0.113.1 port-scan forgeable blocked", "203.0.113.1 port-scan forgeable blocked"},
		{"the same through a proxy in front of us", "that somebody is observed; the proxy and he are blocked for nothing", "",
			"0s 192.0.2.1 > 198.51.100.7:1-11 deny xff=203.0.113.99\n1s 192.0.2.1 > 198.51.100.7:443 threat=vulnerability/critical c2s xff=203.0.113.99 app=ssl proto=tcp",
			"203.0.113.99 port-scan forgeable observed\n203.0.113.99 vulnerability proven observed", "203.0.113.99 port-scan forgeable observed\n203.0.113.99 vulnerability proven observed"},
		{"a neighbour in the /64 that may never be blocked", "that its addresses are counted and blocked singly", "",
			"0s 2001:db8:0:1::1 > [2001:db8:ffff::7]:1-11 deny\n1s 2001:db8:0:1::2 > [2001:db8:ffff::7]:1-10 deny",
			"2001:db8:0:1::1 port-scan forgeable blocked", "2001:db8:0:1::1 port-scan forgeable blocked"},
		{"many addresses of a /64", "nothing without such a neighbour", "",
			"0s 2001:db8:0:2::1 > [2001:db8:ffff::7]:1-4 deny\n1s 2001:db8:0:2::2 > [2001:db8:ffff::7]:5-8 deny\n2s 2001:db8:0:2:3:4:5:6 > [2001:db8:ffff::7]:9-11 deny",
			"2001:db8:0:2::/64 port-scan forgeable blocked", "2001:db8:0:2::/64 port-scan forgeable blocked"},
		{"a source port of a server's", "nothing against passwords", "",
			"0s 198.51.100.7 > 203.0.113.1:443 sport=22 threat=vulnerability/high id=40015 s2c app=ssh proto=tcp",
			"203.0.113.1 vulnerability proven blocked", "203.0.113.1 vulnerability proven blocked"},
		{"the user pre-logon", "attempts on the one user who has no password",
			"0s 203.0.113.1 > - portal-auth=failure user=pre-logon repeat=100",
			"1s 203.0.113.1 > - portal-auth=failure user=alice repeat=11",
			"203.0.113.1 login proven blocked", "203.0.113.1 login proven blocked"},
		{"another user for each attempt, by portal and gateway", "nothing", "", spray(11),
			"203.0.113.1 login proven blocked", "203.0.113.1 login proven blocked"},
		{"one attempt fewer", "ten within ten minutes", "", spray(10), "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := foundBy(t, c.attack); got != c.without {
				t.Errorf("without it:\n%s\nwant\n%s", got, c.without)
			}
			if got := foundBy(t, c.trick+"\n"+c.attack); got != c.had {
				t.Errorf("it buys %s; got\n%s\nwant\n%s", c.buys, got, c.had)
			}
		})
	}
}

// foundBy runs events and tells of each verdict the source, the rule, the grade, and what becomes of the source.
func foundBy(t *testing.T, events string) string {
	t.Helper()
	s, err := newScenario(evasionSettings)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, words := range scenarioLines(events) {
		list, err := scenarioEvents(words)
		if err != nil {
			t.Fatalf("%q: %v", words, err)
		}
		for i := range list {
			v := s.engine.Observe(&list[i]).Verdict
			if v == nil {
				continue
			}
			s.decide(v)
			state := "held"
			switch _, blocked := s.engine.blocked.coveringPrefix(v.Source); {
			case blocked:
				state = "blocked"
			case v.Mode == Observe:
				state = "observed"
			}
			found = append(found, fmt.Sprint(AddressText(v.Source), " ", v.Rule, " ", v.Grade, " ", state))
		}
	}
	return strings.Join(found, "\n")
}

// answersFrom are records from ports in a row, each to a port of its own.
func answersFrom(first, last, to int) string {
	var b strings.Builder
	for port := first; port <= last; port++ {
		fmt.Fprintf(&b, "0s 203.0.113.1 > 198.51.100.7:%d sport=%d deny\n", to+port, port)
	}
	return b.String()
}

// slowScan reaches n targets, one every fifteen minutes.
func slowScan(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%dm 203.0.113.1 > 198.51.100.%d:%d deny\n", 15*i, 1+i, 1000+i)
	}
	return b.String()
}

// spray are n failed logins, each of another user.
func spray(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%ds 203.0.113.1 > - %s=failure user=u%d\n", i, []string{"portal-auth", "gateway-auth"}[i%2], i)
	}
	return b.String()
}
