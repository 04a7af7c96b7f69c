package line

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAPathThatIsNoLongerReadIsForgotten(t *testing.T) {
	dir, at := t.TempDir(), time.Now()
	l := newTestLive(t, dir, "logs/*.log")
	paths := func() (out []string) {
		for _, in := range l.Stats.Status(at).Inputs {
			out = append(out, strings.TrimPrefix(in.Path, dir)+" "+in.Error)
		}
		return out
	}
	l.look(at)
	if got := paths(); len(got) != 1 || !strings.HasPrefix(got[0], "/logs/*.log look for files") {
		t.Fatalf("a folder that is missing: %q", got)
	}
	if err := os.Mkdir(filepath.Join(dir, "logs"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "logs", "a.log"), []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	at = at.Add(time.Minute)
	l.look(at)
	if got := fmt.Sprintf("%q", paths()); got != `["/logs/*.log " "/logs/a.log "]` {
		t.Errorf("when it is there: %s", got)
	}
	l.look(at.Add(keptInputs - time.Minute))
	if got := paths(); len(got) != 2 {
		t.Errorf("before a day has passed: %q", got)
	}
	l.look(at.Add(keptInputs + forgetEvery))
	if got := fmt.Sprintf("%q", paths()); got != `["/logs/a.log "]` {
		t.Errorf("then: %s", got)
	}
}

func TestOfManyPathsThatAreGoneTheLatestAreKept(t *testing.T) {
	s, at := NewStats(), time.Now()
	name := func(i int) string { return fmt.Sprintf("/logs/%05d.log", i) }
	for i := range mostInputs + 20 {
		s.left(s.input(name(i)), at.Add(time.Duration(i)*time.Second))
	}
	s.input(name(3)) // is back
	s.forget(at.Add(time.Hour))
	all := s.allInputs()
	if len(all) != mostInputs || all[0].path != name(3) || all[1].path != name(21) {
		t.Errorf("%d kept, from %s, %s on", len(all), all[0].path, all[1].path)
	}
	// What is being read is never forgotten, however much it is.
	s = NewStats()
	for i := range mostInputs + 20 {
		s.input(name(i))
	}
	s.forget(at.Add(time.Hour))
	if all := s.allInputs(); len(all) != mostInputs+20 {
		t.Errorf("%d of the files that are read", len(all))
	}
}
