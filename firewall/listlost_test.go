package firewall_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/xmlapi"
)

// An order to fetch whose answer is lost is not given again while it may be carried out: its job is looked for, and followed. Only one
// that has not arrived is given again, once.
func TestAFetchWhoseAnswerIsLost(t *testing.T) {
	for name, c := range map[string]struct {
		fault panosim.Fault
		told  int
		kind  string // of the error
	}{
		"it arrived, and the connection broke":   {panosim.Fault{Effect: panosim.Reset, Applied: true, Calls: 1}, 1, ""},
		"it arrived, and the answer is cut":      {panosim.Fault{Effect: panosim.Truncate, Applied: true, Calls: 1}, 1, ""},
		"it arrived, and a proxy says 502":       {panosim.Fault{Effect: panosim.HTML, Status: 502, Applied: true, Calls: 1}, 1, ""},
		"it did not arrive":                      {panosim.Fault{Effect: panosim.Reset, Calls: 1}, 2, ""},
		"it did not arrive, and again":           {panosim.Fault{Effect: panosim.Reset, Calls: 2}, 2, xmlapi.KindUnreachable},
		"it is refused":                          {panosim.Fault{Effect: panosim.Refuse, Text: "no", Status: 17, Calls: 1}, 1, xmlapi.KindAPI},
		"it is refused, for it may not be given": {panosim.Fault{Effect: panosim.Forbidden, Calls: 1}, 1, xmlapi.KindAuth},
	} {
		t.Run(name, func(t *testing.T) {
			l := newListLab(t, nil, nil)
			desired := l.serve("192.0.2.1/32")
			c.fault.Kind = panosim.KindListRefresh
			l.sim.SetFault(c.fault)
			r, err := l.list.Reconcile(t.Context(), desired, true)
			if told := l.sim.Stats().Calls[panosim.KindListRefresh]; told != c.told || xmlapi.Kind(err) != c.kind || err == nil && r.Standing != 1 {
				t.Errorf("told %d times, %d stand, %v", told, r.Standing, err)
			}
			l.sim.ClearFaults()
			l.clock.move(time.Minute)
			if r, err := l.list.Reconcile(t.Context(), desired, false); err != nil || r.Standing != 1 {
				t.Errorf("the next time %d stand, %v", r.Standing, err)
			}
		})
	}
}

// A job that the firewall forgets, as when it restarts, and one that does not end, are given up, and the next fetch is told when it is
// due: behind one that does not end not before ten minutes, for two at a time hang some versions.
func TestAFetchWhoseJobIsLost(t *testing.T) {
	for name, c := range map[string]struct {
		kind  string
		waits int // minutes
	}{"forgotten": {xmlapi.KindMalformed, 1}, "never ends": {xmlapi.KindTimeout, 11}} {
		t.Run(name, func(t *testing.T) {
			l := newListLab(t, func(o *panosim.Options) { o.Dialect.JobsOverReboot = dialect.JobsForgotten }, nil)
			desired := l.serve("192.0.2.1/32")
			told := func() int { return l.sim.Stats().Calls[panosim.KindListRefresh] }
			l.listServer.mu.Lock() // nothing is served, so that the fetch goes on
			serve := sync.OnceFunc(l.listServer.mu.Unlock)
			t.Cleanup(serve)
			waited := 0
			l.opts.Pause = func(ctx context.Context, d time.Duration) bool {
				if waited++; name == "forgotten" && waited == 1 {
					l.sim.Reboot()
				}
				return waited%20 != 0 && ctx.Err() == nil // the twentieth is the last of a deadline
			}
			l.restart()
			l.list = l.newList(t, nil)
			if _, err := l.list.Reconcile(t.Context(), desired, true); xmlapi.Kind(err) != c.kind || told() != 1 {
				t.Fatalf("told %d times, %v", told(), err)
			}
			for minute := 1; minute < c.waits; minute++ {
				waited = 0
				l.clock.move(time.Minute)
				if _, err := l.list.Reconcile(t.Context(), desired, false); xmlapi.Kind(err) != xmlapi.KindBusy || told() != 1 {
					t.Fatalf("minute %d: told %d times, %v", minute, told(), err)
				}
			}
			waited = 0
			l.clock.move(time.Minute)
			if name == "forgotten" {
				serve()
			}
			if _, err := l.list.Reconcile(t.Context(), desired, false); told() != 2 || xmlapi.Kind(err) == xmlapi.KindBusy {
				t.Errorf("given up: told %d times, %v", told(), err)
			}
		})
	}
}
