package policy

import (
	"os"
	"regexp"
	"slices"
	"testing"
	"time"

	"activedefense/firewall"
	"activedefense/firewall/xmlapi"
)

// shapeExpects is what verify is asked with, as README.md of the shapes says.
func shapeExpects(t *testing.T) Expectation {
	t.Helper()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```text\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	return Expectation{
		Mode: firewall.ModeTag, Names: firewall.NamesFor(tag), ListURL: "https://agent.example.com:8443/files/blacklist.txt", SyslogAddress: "192.0.2.10",
		Formats: Formats{Traffic: m[0][1], Threat: m[1][1], GlobalProtect: m[2][1], System: m[3][1], Default: true, Logins: true},
	}
}

// Verify finds of each shape what was worked out by hand; internet_zones is not set, so that the default routes decide.
func TestShapesVerifyAsWorkedOut(t *testing.T) {
	for _, name := range shapeNames(t) {
		t.Run(name, func(t *testing.T) {
			s := readShape(t, name)
			sim := s.start(t)
			for _, vsys := range s.vsys {
				d, err := xmlapi.Open(xmlapi.Options{Name: name, URL: sim.URL(), VSys: vsys, APIKey: sim.Key(), CA: sim.CA(), Now: newClock().Now, RetryWait: time.Millisecond})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(d.Close)
				want := shapeExpects(t)
				checks := Verify(ReadFacts(t.Context(), d, want), want)
				for _, e := range s.expect[vsys].checks {
					i := slices.IndexFunc(checks, func(c Check) bool { return c.Check == e.check })
					if c := checks[i]; c.Result != e.result {
						t.Errorf("%s: %s: %s (%s), worked out: %s (%s)", vsys, c.Check, c.Result, c.Detail, e.result, e.detail)
					}
				}
			}
		})
	}
}
