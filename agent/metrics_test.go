package agent

import (
	"strings"
	"testing"

	"activedefense/agent/line"
)

// A label must be UTF-8, and a collector that cannot make a metric takes the whole program with it.
func TestAFileNameThatIsNoTextIsNoFaultOfTheMetrics(t *testing.T) {
	status := Status{NotShown: 500}
	for _, path := range []string{"/var/log/Firewall/\xff.log", "/var/log/Firewall/\xfe.log", "/var/log/Firewall/ä \"b\".log"} {
		status.Inputs = append(status.Inputs, line.InputStatus{Path: path})
	}
	families, err := newMetrics(func() Status { return status }).Gather()
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, f := range families {
		switch f.GetName() {
		case "activedefense_file_up":
			for _, m := range f.GetMetric() {
				files = append(files, m.GetLabel()[0].GetValue())
			}
		case "activedefense_files_not_shown":
			if v := f.GetMetric()[0].GetGauge().GetValue(); v != 500 {
				t.Errorf("%v files said to be left out", v)
			}
		}
	}
	if got, want := strings.Join(files, " "), `/var/log/Firewall/\xfe.log /var/log/Firewall/\xff.log /var/log/Firewall/ä "b".log`; got != want {
		t.Errorf("files %s", got)
	}
}
