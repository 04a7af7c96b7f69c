package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A daemon that refuses its database is asked by operators who may read neither that nor the configuration: it changes nothing, says why and
// what to do, and shows what is there, where that can be read.
func TestOperatorsOfADaemonThatRefusesItsDatabase(t *testing.T) {
	if os.Geteuid() != 0 {
		return // who is not root cannot be somebody else
	}
	t.Parallel()
	for when, c := range map[string]struct {
		list  int // exit status
		shown string
	}{"at its start": {1, "cannot be read: the database is of an earlier version of this program, or empty"}, "while it runs": {0, "203.0.113.8"}} {
		t.Run(when, func(t *testing.T) {
			w, socket := quietWorld(t, ", operators: ['64001']")
			as := func(args ...string) (string, int) { return w.as(socket, 65533, 64001, args...) }
			d := w.start()
			w.until("the daemon runs", func() bool { return ready(w) })
			keep, putBack := w.backup("sqlite")
			for _, address := range []string{"203.0.113.8", "203.0.113.9"} {
				if out, code := as("blacklist", "add", address, "--reason", "x"); code != 0 {
					t.Fatal(out)
				}
				if address == "203.0.113.8" {
					keep()
				}
			}
			if when == "while it runs" {
				w.until("it is seen how far the database is", func() bool { _, err := os.Stat(filepath.Join(w.dir, "state", "database.now")); return err == nil })
				putBack()
			} else {
				d.stop()
				w.replaceDatabase("sqlite")
				d = w.start()
			}
			w.until("it is refused", func() bool { s := w.status(); return s != nil && s.Store.Refused != "" })
			begun := time.Now()
			for _, args := range []string{"blacklist pause", "blacklist resume", "blacklist remove 203.0.113.9", "blacklist add 203.0.113.10 --reason x",
				"blacklist accept --all", "allow add 203.0.113.10 --reason x", "allow remove 203.0.113.10", "members forget x"} {
				if out, code := as(strings.Fields(args)...); code != 1 || !strings.Contains(out, "nothing was changed: the daemon refuses this database") || !strings.Contains(out, " store accept") {
					t.Errorf("%s: exit status %d, %s", args, code, out)
				}
			}
			for _, args := range []string{"blacklist list", "blacklist show 203.0.113.8", "blacklist history"} {
				if out, code := as(strings.Fields(args)...); code != c.list || !strings.Contains(out, "the daemon refuses this database") || !strings.Contains(out, " store accept") || !strings.Contains(out, c.shown) {
					t.Errorf("%s: exit status %d, %s", args, code, out)
				}
			}
			if out, code := as("status"); code != 1 || !strings.Contains(out, "NOT READY") {
				t.Errorf("status: exit status %d, %s", code, out)
			}
			if code, page := w.get("/"); code != 200 || !strings.Contains(page, "activedefense store accept") || !strings.Contains(page, c.shown) {
				t.Errorf("the page, %d: %s", code, page)
			}
			if took := time.Since(begun); took > patience {
				t.Errorf("all of it took %s", took)
			}
			if code, _ := d.stop(); code != 0 {
				t.Errorf("exit status %d", code)
			}
		})
	}
}
