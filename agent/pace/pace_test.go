package pace

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

var at = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// Lines are counted by the hour, with the time in which was looked; what came while nobody did belongs to no hour.
func TestLinesAreCountedByTheHour(t *testing.T) {
	p := Open(filepath.Join(t.TempDir(), FileName), zerolog.Nop())
	p.Look(1000, at.Add(-20*time.Second)) // as many as there were before
	p.Look(1010, at.Add(-10*time.Second))
	p.Look(1030, at.Add(5*time.Second))
	p.Look(5000, at.Add(2*time.Hour)) // this host slept
	p.Look(5001, at.Add(2*time.Hour+10*time.Second))
	p.Look(5002, at) // the clock was set back
	p.Look(5005, at.Add(10*time.Second))
	p.Look(3, at.Add(20*time.Second)) // counted anew
	want := []Hour{{at.Add(-time.Hour), 10, 10}, {at, 23, 25}}
	if got := p.Hours(); !reflect.DeepEqual(got, want) {
		t.Errorf("the hours are %v, want %v", got, want)
	}
	p.Look(4, at.Add(Kept+time.Hour))
	p.Look(5, at.Add(Kept+time.Hour+time.Second))
	if got := p.Hours(); len(got) != 1 || got[0].Lines != 1 {
		t.Errorf("what is older than 30 days is kept: %v", got)
	}
}

// What was counted is there after a restart, and a file that cannot be read is begun anew.
func TestItLastsOverARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	p := Open(path, zerolog.Nop())
	p.Look(0, at)
	p.Look(7, at.Add(time.Second))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Run(ctx, func() uint64 { return 7 }); err != nil {
		t.Fatal(err)
	}
	if got := Open(path, zerolog.Nop()).Hours(); !reflect.DeepEqual(got, p.Hours()) || len(got) != 1 {
		t.Errorf("after a restart the hours are %v", got)
	}
	for _, content := range []string{"", "{", `"x"`, "[{}"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if p := Open(path, zerolog.Nop()); len(p.Hours()) != 0 {
			t.Errorf("%q gives %v", content, p.Hours())
		}
	}
}
