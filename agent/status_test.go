package agent

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"activedefense/agent/tail"
)

func TestStatusAndMetricsOfVeryManyFilesAreBounded(t *testing.T) {
	const files = mostInputs + 500
	a := &Agent{stats: newStats(), calls: newCallCounts(), lookout: &lookout{}, now: time.Now}
	for i := range files {
		in := a.stats.input(fmt.Sprintf("/logs/%05d.log", i))
		switch i {
		case files - 1:
			in.publish(tail.Status{Err: errors.New("permission denied")}, time.Now())
		case files - 2:
			in.setClock("an hour behind")
		case files - 3:
			in.publish(tail.Status{Behind: 7}, time.Now())
		}
	}
	s := a.Status()
	if len(s.Inputs) != mostInputs || s.NotShown != files-mostInputs {
		t.Fatalf("%d files, %d not shown", len(s.Inputs), s.NotShown)
	}
	if s.Inputs[0].Clock == "" || s.Inputs[1].Error == "" || s.Inputs[2].Behind != 7 || s.Inputs[3].Path != "/logs/00000.log" {
		t.Errorf("the first are %+v", s.Inputs[:4])
	}
	families, err := newMetrics(a).Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		switch n := len(f.GetMetric()); f.GetName() {
		case "activedefense_file_up":
			if n != mostInputs {
				t.Errorf("metrics of %d files", n)
			}
		case "activedefense_files_not_shown":
			if v := f.GetMetric()[0].GetGauge().GetValue(); v != files-mostInputs {
				t.Errorf("%v files said to be left out", v)
			}
		}
	}
}
