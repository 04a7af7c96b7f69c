package main

import (
	"fmt"
	"strings"
	"testing"

	"activedefense/agent/report"
)

// sweeps are records of a host sweep of one port by a source in a country, and of a port scan by another one.
func sweeps(port int) string {
	var b strings.Builder
	for i := range 12 {
		sweep := strings.Replace(countryLine("203.0.113.66", "Norway"), "DstIP=198.51.100.7", fmt.Sprint("DstIP=198.51.100.", 10+i), 1)
		b.WriteString(strings.Replace(sweep, "DstPort=22", fmt.Sprint("DstPort=", port), 1))
		b.WriteString(strings.Replace(countryLine("203.0.113.67", "Chile"), "DstPort=22", fmt.Sprint("DstPort=", 100+i), 1))
	}
	return b.String()
}

// A manager gets the blocks by what the lines said, and how the firewall did; with and without a daemon, from either database.
func TestReportOfWhatWasBlocked(t *testing.T) {
	t.Parallel()
	for _, database := range stores {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, database, "")
			w.append([]byte(sweeps(443)))
			d := w.start()
			var r report.Report
			w.until("both are blocked, and the firewall is up", func() bool {
				if s := w.status(); s == nil || s.Blacklist == nil || *s.Blacklist < 2 {
					return false
				}
				r = jsonLines[report.Report](w, "report", "--since", "1h")[0]
				return len(r.Availability) == 1 && r.Availability[0].Firewall == "LAB-FW-01"
			})
			got := fmt.Sprint(r.Blocks, r.Sources, r.Rules, r.Countries, r.Ports, len(r.Top))
			if want := "2 2 [{host-sweep 1} {port-scan 1}] [{Chile 1} {Norway 1}] [{several 1} {443 1}] 2"; got != want {
				t.Errorf("%s instead of %s", got, want)
			}
			if n := r.Days[len(r.Days)-1].Blocks + r.Days[0].Blocks; n != 2 && len(r.Days) > 1 || r.Availability[0].Down > 0 {
				t.Errorf("the days are %v, the availability %+v", r.Days, r.Availability)
			}
			d.stop()
			for format, want := range map[string]string{"text": "host-sweep", "csv": "rule,host-sweep,blocks,1", "html": "<td>host-sweep</td>"} {
				if stdout, stderr, code := w.run("report", "--format", format); code != 0 || !strings.Contains(stdout, want) || !strings.Contains(stdout, "Chile") {
					t.Errorf("%s: %d %s%s", format, code, stdout, stderr)
				}
			}
		})
	}
}

func TestReportSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite", "")
	d := w.start()
	w.until("it is ready", func() bool { s := w.status(); return s != nil && s.Ready })
	for args, want := range map[string]string{"--format pdf": "the formats are text, csv, html", "--since x": `--since "x": use a duration`, "--since 20y": "use a duration", "--json --format csv": "give one of them", "extra": "unknown command"} {
		if stdout, stderr, code := w.run(append([]string{"report"}, strings.Fields(args)...)...); code != 2 || !strings.Contains(stderr, want) || stdout != "" {
			t.Errorf("%s: %d %s%s", args, code, stdout, stderr)
		}
	}
	d.stop()
}
