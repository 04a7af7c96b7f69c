package main

import (
	"activedefense/agent/explain"
	"slices"
	"strings"
	"testing"
	"time"
)

// A source that goes quiet is released by itself from the list and the firewall, and starts anew from
// there; one that keeps sending, at which nobody needs to look any more, stays blocked.
func TestWhoGoesQuietIsReleasedAndWhoKeepsSendingIsNot(t *testing.T) {
	for _, database := range stores {
		t.Run(database, func(t *testing.T) {
			t.Parallel() // it waits for time to pass
			w := newWorld(t, database, "blacklist: {release_after: 1m}")
			const quiet, busy = "203.0.113.7", "203.0.113.8"
			from := func(source string, at time.Time, ports ...int) {
				for _, port := range ports {
					w.append(sample{at: at.UTC(), src: source, dst: "198.51.100.7", port: port, typ: "TRAFFIC", subtype: "drop"}.line())
				}
			}
			var scan []int
			for k := range testPorts + 1 {
				scan = append(scan, 1000+k)
			}
			w.append(nil)
			w.start()
			w.until("the agent is ready", func() bool { s := w.status(); return s != nil && s.Ready })

			begun := time.Now().Add(-40 * time.Second) // quiet for most of the minute already
			from(quiet, begun, scan...)
			from(busy, begun, scan...)
			w.until("both are blocked", func() bool {
				_, list := w.list()
				return slices.Equal(list, []string{quiet, busy}) && slices.Equal(w.tagged(), []string{quiet, busy})
			})
			last := time.Now()
			w.until("the quiet one is released, from the list and from the firewall", func() bool {
				if time.Since(last) > time.Second {
					last = time.Now()
					from(busy, last, 443)
				}
				_, list := w.list()
				return !slices.Contains(list, quiet) && !slices.Contains(w.tagged(), quiet)
			})
			if early := time.Minute - time.Since(begun.Truncate(time.Second)); early > 0 {
				t.Errorf("it was released %s too early", early)
			}
			if _, list := w.list(); !slices.Equal(list, []string{busy}) || !slices.Equal(w.tagged(), []string{busy}) {
				t.Errorf("the one that keeps sending: on the list %v, on the firewall %v", list, w.tagged())
			}
			text, _, code := w.run("blacklist", "show", quiet)
			for _, s := range []string{"is not blocked now", "by detector", "no activity for 1m", "no firewall"} {
				if code != 0 || !strings.Contains(text, s) {
					t.Errorf("blacklist show (exit status %d) does not say %q:\n%s", code, s, text)
				}
			}

			from(quiet, time.Now(), scan...)
			w.until("a new attack blocks it again", func() bool {
				_, list := w.list()
				return slices.Equal(list, []string{quiet, busy}) && slices.Equal(w.tagged(), []string{quiet, busy})
			})
			history := slices.DeleteFunc(jsonLines[explain.BlacklistEntry](w, "blacklist", "list", "--all"),
				func(e explain.BlacklistEntry) bool { return e.Address != quiet })
			if len(history) != 2 || history[0].ReleasedAt != nil || history[1].ReleasedAt == nil || history[1].ReleasedBy != "detector" {
				t.Errorf("its history: %+v", history)
			}
		})
	}
}
