package output

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"activedefense/agent/api"
	"activedefense/agent/display"
)

// How far a search is stands on a line of its own, which is gone before anything else is written; where there is none, nothing is noted.
func TestTheProgressOfASearchMakesWay(t *testing.T) {
	var screen strings.Builder
	p := NewProgress(&screen, time.Date(2026, 11, 29, 12, 0, 0, 0, time.Local))
	out := &BehindProgress{&screen, p}
	ticks, done, over := make(chan time.Time), make(chan struct{}), make(chan struct{})
	go func() { defer close(over); p.Run(ticks, done) }()
	expect := func(when, want string) {
		t.Helper()
		p.mu.Lock()
		defer p.mu.Unlock()
		if screen.String() != want {
			t.Errorf("%s: %q instead of %q", when, screen.String(), want)
		}
		screen.Reset()
	}
	tick := func(s int) {
		ticks <- p.began.Add(time.Duration(s) * time.Second)
		ticks <- p.began.Add(time.Duration(s) * time.Second) // is taken when the one before was shown
	}
	const clear = "\r\x1b[K"
	tick(2)
	close(done)
	<-over
	if got := screen.String(); !strings.HasPrefix(got, clear+"searching for 2s, nothing found yet") || !strings.HasSuffix(got, clear) {
		t.Errorf("%q", got)
	}
	screen.Reset()
	p.Note(&api.Record{Time: p.began.Add(-time.Hour)})
	p.show(p.began.Add(3 * time.Second))
	expect("a record", clear+"searching for 3s, 1 record down to "+display.LocalTime(p.began.Add(-time.Hour)))
	fmt.Fprintln(out, "a row")
	fmt.Fprintln(out, "another")
	expect("rows", clear+"a row\nanother\n")
	p = nil
	p.Note(&api.Record{})
}
