package line

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"activedefense/agent/tail"
)

func TestStatusOfVeryManyFilesIsBounded(t *testing.T) {
	const files = mostInputs + 500
	stats := NewStats()
	for i := range files {
		in := stats.input(fmt.Sprintf("/logs/%05d.log", i))
		switch i {
		case files - 1:
			in.publish(tail.Status{Err: errors.New("permission denied")}, time.Now())
		case files - 2:
			in.setClock("an hour behind")
		case files - 3:
			in.publish(tail.Status{Behind: 7}, time.Now())
		}
	}
	s := stats.Status(time.Now())
	if len(s.Inputs) != mostInputs || s.NotShown != files-mostInputs {
		t.Fatalf("%d files, %d not shown", len(s.Inputs), s.NotShown)
	}
	if s.Inputs[0].Clock == "" || s.Inputs[1].Error == "" || s.Inputs[2].Behind != 7 || s.Inputs[3].Path != "/logs/00000.log" {
		t.Errorf("the first are %+v", s.Inputs[:4])
	}
}
