package main

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/agent/trouble"
)

// Who attacks while this host's clock is a month ahead is blocked all the same, and that the clock is wrong is told: in a daemon that runs,
// and in one that is started then.
func TestAHostClockThatIsAheadBlindsNobody(t *testing.T) {
	t.Parallel() // it waits for processes
	w := newWorld(t, "sqlite", "")
	file := filepath.Join(w.dir, "clock")
	clock, err := newHostClock(file)
	if errors.Is(err, errors.ErrUnsupported) {
		return // there is none to be set here
	} else if err != nil {
		t.Fatal(err)
	}
	w.environ = []string{hostClockFile + "=" + file}
	attack := func(src string) {
		t.Helper()
		for k := range testPorts + 1 {
			w.append(sample{at: time.Now().UTC(), src: src, dst: "198.51.100.7", port: 1000 + k, typ: "TRAFFIC", subtype: "drop", id: k}.line())
		}
		w.until(src+" is blocked", func() bool {
			if _, body := w.get("/metrics"); strings.Contains(body, `outcome="too-old"`) {
				t.Fatalf("%s is taken for one of long ago", src)
			}
			out, _, _ := w.run("blacklist", "list", "--json")
			return strings.Contains(out, `"`+src+`"`)
		})
	}
	d := w.start()
	w.until("it reads", func() bool { s := w.status(); return s != nil && s.Ready })
	attack("203.0.113.1")
	clock.set(35 * 86400)
	attack("203.0.113.2")
	w.until("the clock is told", func() bool {
		return slices.ContainsFunc(w.status().Troubles, func(t trouble.Trouble) bool { return t.Kind() == "clock" })
	})
	if code, _ := d.stop(); code != 0 { // of one that is killed within its first seconds, it is not known when it ran
		t.Errorf("exit status %d", code)
	}
	w.start()
	w.until("it reads again", func() bool { s := w.status(); return s != nil && s.Ready })
	attack("203.0.113.3")
}
