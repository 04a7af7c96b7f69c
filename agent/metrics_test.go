package agent

import (
	"strings"
	"testing"
	"time"
)

// A label must be UTF-8, and a collector that cannot make a metric takes the whole program with it.
func TestAFileNameThatIsNoTextIsNoFaultOfTheMetrics(t *testing.T) {
	a := &Agent{stats: newStats(), calls: newCallCounts(), lookout: &lookout{}, now: time.Now}
	for _, path := range []string{"/var/log/Firewall/\xff.log", "/var/log/Firewall/\xfe.log", "/var/log/Firewall/ä \"b\".log"} {
		a.stats.input(path).lines.Add(1)
	}
	families, err := newMetrics(a).Gather()
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, f := range families {
		if f.GetName() == "activedefense_file_up" {
			for _, m := range f.GetMetric() {
				files = append(files, m.GetLabel()[0].GetValue())
			}
		}
	}
	if got, want := strings.Join(files, " "), `/var/log/Firewall/\xfe.log /var/log/Firewall/\xff.log /var/log/Firewall/ä "b".log`; got != want {
		t.Errorf("files %s", got)
	}
}
