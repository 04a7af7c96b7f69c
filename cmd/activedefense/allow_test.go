package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/agent/api"
	"activedefense/agent/trouble"
	"activedefense/firewall/panosim"
)

// isTagged tells whether the firewall has a source tagged.
func (w *world) isTagged(source string) bool { return slices.Contains(w.tagged(), source) }

// drops writes so many refused connections of a source, each to a port of its own from the first on, and waits until they were counted.
func (w *world) drops(source string, first, n int, marker string) {
	w.t.Helper()
	now := time.Now().UTC()
	for k := range n {
		w.append(sample{at: now, src: source, dst: "198.51.100.7", port: first + k, typ: "TRAFFIC", subtype: "drop"}.line())
	}
	// Something that must be blocked follows: when it is, the lines before it were counted.
	w.append(sample{at: now, src: marker, dst: "198.51.100.9", port: 443, typ: "THREAT", subtype: "vulnerability", severity: "critical"}.line())
	w.until("the marker is blocked", func() bool { return w.isTagged(marker) })
}

// What a person allows leaves the firewall and the list at once and is named, wins over a hand, and is blocked again only for what it does
// after that has ended, also over a restart; with a daemon and without one.
func TestAllowingLiftsBlocksAtOnce(t *testing.T) {
	t.Parallel()
	for _, kind := range stores {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			const attacker = "203.0.113.7"
			w := newWorld(t, kind, "")
			w.append(nil)
			d := w.start()
			w.until("the agent is ready", func() bool { s := w.status(); return s != nil && s.Ready && s.Firewalls[0].Up })
			w.attack(attacker)
			w.until("the scan is enforced", func() bool { return w.isTagged(attacker) })
			w.expectRun(0, "is blocked", "blacklist", "add", "20.1.2.64/26", "--reason", "x")
			for _, wrong := range []struct {
				code int
				says string
				args string
			}{
				{1, "would allow every address", "0.0.0.0/0"}, {1, "would allow every address", "::/0"}, {1, "16.0.0.0/4 is wider than /8", "16.0.0.0/4"},
				{1, "is wider than /16", "2000::/3"}, {1, "is no host's name", "a,.example.com"}, {1, "the network is 192.0.2.0/24", "192.0.2.1/24"}, {1, "nor a host's full name", "localhost"},
				{2, "--for and --until", "192.0.2.1 --for 1h --until 2099-01-31"}, {2, "is over", "192.0.2.1 --until 2020-01-31"}, {2, "--for takes a duration", "192.0.2.1 --until 24h"}, {2, "--for \"x\"", "192.0.2.1 --for x"},
			} {
				w.expectRun(wrong.code, wrong.says, append([]string{"allow", "add"}, strings.Fields(wrong.args)...)...)
			}
			out, stderr, code := w.run("allow", "add", attacker, "20.1.2.99", "0.0.0.0/0", "--reason", "the branch")
			for _, want := range []string{attacker + " is never blocked", attacker + " is released; it was on the blacklist since", "20.1.2.64/26 is released"} {
				if code != 1 || !strings.Contains(out, want) || !strings.Contains(stderr, "1 entry of 3 not allowed") {
					t.Errorf("exit status %d, and it is not said that %s: %s%s", code, want, out, stderr)
				}
			}
			w.until("both have left the firewall and the list", func() bool {
				_, list := w.list()
				return len(w.tagged()) == 0 && !slices.Contains(list, attacker)
			})
			w.expectRun(1, "is on the allow-list", "blacklist", "add", attacker, "--reason", "x")
			w.expectRun(1, "contains 20.1.2.99, which is on the allow-list", "blacklist", "add", "20.1.2.0/24", "--reason", "x")
			w.drops(attacker, 1000, testPorts+1, "20.0.0.1")
			w.drops(attacker, 2000, testPorts, "20.0.0.2")
			if w.isTagged(attacker) {
				t.Error("it is blocked although it is allowed")
			}
			d.stop()
			w.expectRun(0, "is no longer allowed", "allow", "remove", attacker, "--reason", "closed")
			w.expectRun(1, "not on the allow-list", "allow", "remove", attacker)
			w.start()
			w.drops(attacker, 3000, testPorts, "20.0.0.3")
			if w.isTagged(attacker) {
				t.Error("what it did while it was allowed is evidence")
			}
			w.drops(attacker, 4000, 1, "20.0.0.4")
			w.until("what it did afterwards is", func() bool { return w.isTagged(attacker) })
			w.expectRun(0, attacker+" is released", "allow", "add", attacker, "--for", "3s")
			w.until("it has left the firewall", func() bool { return !w.isTagged(attacker) })
			w.drops(attacker, 2000, testPorts, "20.0.0.5")
			w.until("it ends by itself", func() bool {
				_, said, _ := w.run("blacklist", "accept", attacker) // the daemon's own guard says whether it may be
				return strings.Contains(said, "not held")
			})
			w.expectRun(0, "the time it was allowed for is over", "blacklist", "show", attacker)
			w.drops(attacker, 3000, testPorts, "20.0.0.6")
			if w.isTagged(attacker) {
				t.Error("what it did while it was allowed for a time is evidence")
			}
			list := jsonLines[api.Allowed](w, "allow", "list")
			if len(list) != 1 || list[0].Entry != "20.1.2.99" || list[0].Reason != "the branch" || list[0].Until != nil || time.Since(list[0].Since) > time.Hour {
				t.Errorf("listed is %+v", list)
			}
		})
	}
}

// What is blocked is carried to another database and back; many are released together; lines that are refused are named, and the history has who
// did what.
func TestExportImportRemoveAndHistory(t *testing.T) {
	t.Parallel()
	for _, running := range []bool{true, false} {
		w, socket := quietWorld(t, "")
		w.environ = []string{"ACTIVEDEFENSE_ADMIN__SOCKET=" + socket}
		d := w.start()
		w.until("the daemon runs", func() bool { return ready(w) })
		if !running {
			d.stop()
		}
		w.expectRun(0, "is blocked", "blacklist", "add", "20.0.0.1", "20.0.1.0/24", "--reason", "=by hand, \"x\"", "--for", "24h")
		path := filepath.Join(w.dir, "list.csv")
		csv, _, _ := w.run("blacklist", "export")
		w.write(path, []byte(csv+"10.0.0.1,,,,,,,,,,,,,\nx,,,,,,,,,,,,,\n20.0.0.9\n20.0.0.2,login,guesses,,,,,,,,,detector,proven,blocked\n"))
		w.expectRun(0, "2 entries released or dismissed", "blacklist", "remove", "--rule", "manual", "--yes", "--reason", "moved")
		_, stderr, code := w.run("blacklist", "import", path)
		for _, want := range []string{path + ":4: 10.0.0.1 is not public", path + `:5: "x" is neither an address`, path + ":6: it has 1 values", "3 entries of 6 not imported"} {
			if code != 1 || !strings.Contains(stderr, want) {
				t.Errorf("exit status %d, and it is not said that %s: %s", code, want, stderr)
			}
		}
		if again, _, _ := w.run("blacklist", "export", "--rule", "manual"); again != csv {
			t.Errorf("exported is %s instead of %s", again, csv)
		}
		w.expectRun(0, "20.0.1.0/24\n20.0.0.1\n20.0.0.2\n", "blacklist", "export", "--format", "text")
		w.expectRun(2, "--format", "blacklist", "export", "--format", "xml")
		w.expectRun(1, "nothing was released (--yes does not ask)", "blacklist", "remove", "--since", "1h")
		w.expectRun(2, "and not both", "blacklist", "remove", "20.0.0.1", "--rule", "manual")
		w.expectRun(2, "the rules are", "blacklist", "remove", "--rule", "manul", "--yes")
		w.expectRun(1, "nothing on the blacklist is like that", "blacklist", "remove", "--device", "FW", "--yes")
		w.expectRun(1, "nothing on the blacklist is like that", "blacklist", "remove", "--rule", "probe", "--yes")
		w.write(path, []byte("20.0.0.1 # a partner\n0.0.0.0/0\n20.0.3.0/24\n"))
		out, stderr, code := w.run("allow", "import", path, "--reason", "of the file")
		if code != 1 || !strings.Contains(out, "20.0.0.1 is released") || !strings.Contains(stderr, path+":2: 0.0.0.0/0 would allow every address") {
			t.Errorf("exit status %d: %s%s", code, out, stderr)
		}
		w.expectRun(1, "20.0.0.1 is on the allow-list", "blacklist", "import", path)
		if list := jsonLines[api.Allowed](w, "allow", "list"); len(list) != 2 || list[0].Reason != "a partner" || list[1].Reason != "of the file" {
			t.Errorf("allowed is %+v", list)
		}
		var whole []string
		for _, x := range jsonLines[api.Change](w, "blacklist", "history", "20.0.0.1") {
			whole = append(whole, x.Action+" "+x.Reason)
		}
		if want := "release allowed: a partner, allow a partner, import as " + operator() + " blocked it elsewhere, release moved, block =by hand, \"x\""; strings.Join(whole, ", ") != want {
			t.Errorf("the history is %s", strings.Join(whole, ", "))
		}
		w.expectRun(0, "WHY", "blacklist", "history", "--since", "1h", "--limit", "3")
		w.expectRun(0, "nothing was changed", "blacklist", "history", "20.0.0.77")
		w.expectRun(2, "is neither an address", "blacklist", "history", "x")
	}
}

// A pause takes everything off firewall and list, more than any brake lets go, over a restart, while what attacks is found; it is a trouble, is
// seen where an address is shown, and ends by a word or by itself.
func TestAPauseTakesEverythingOffForATime(t *testing.T) {
	t.Parallel()
	for _, kind := range stores {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, kind, "")
			w.append(nil)
			d := w.start()
			w.until("the agent is ready", func() bool { s := w.status(); return s != nil && s.Ready && s.Firewalls[0].Up })
			var lines strings.Builder
			const many = 200 // of which a brake lets 60 go at once
			for i := range many {
				fmt.Fprintf(&lines, "20.0.0.%d # by hand\n", i)
			}
			path := filepath.Join(w.dir, "many.txt")
			w.write(path, []byte(lines.String()))
			w.expectRun(0, "200 entries blocked", "blacklist", "import", path)
			enforced := func(n int) func() bool {
				return func() bool { _, list := w.list(); return len(w.tagged()) == n && len(list) == n }
			}
			off := func() bool {
				code, list := w.list()
				return len(w.tagged()) == 0 && code == http.StatusOK && len(list) == 1 && strings.HasPrefix(list[0], "192.0.2.255 ")
			}
			w.until("all are enforced", enforced(many))
			w.expectRun(0, "nothing is paused", "blacklist", "resume")
			w.expectRun(2, "--for", "blacklist", "pause", "--for", "soon")
			w.expectRun(2, "a pause lasts from 1s to 7d", "blacklist", "pause", "--for", "30d")
			w.expectRun(0, "Everything leaves the firewalls and the list now", "blacklist", "pause", "--reason", "a test")
			w.until("nothing is enforced", off)
			w.attack("203.0.113.7")
			w.until("the attack is found", func() bool { s := w.status(); return s.Blacklist != nil && *s.Blacklist == many+1 })
			if s := w.status(); s.Paused == nil || s.Paused.Reason != "a test" || time.Until(s.Paused.Until) < 59*time.Minute ||
				!slices.ContainsFunc(s.Troubles, func(t trouble.Trouble) bool { return strings.HasPrefix(t.What, "paused: nothing is enforced") }) {
				t.Errorf("status says %+v, and the troubles are %+v", s.Paused, s.Troubles)
			}
			w.expectRun(0, "PAUSED: a person has taken everything off", "blacklist", "show", "203.0.113.7")
			d.stop()
			d = w.start()
			w.until("it runs again, and enforces nothing", func() bool {
				s := w.status()
				return s != nil && s.Ready && s.Firewalls[0].Up && s.Paused != nil && off()
			})
			w.expectRun(0, "What is blocked is enforced again", "blacklist", "resume")
			w.until("all are enforced again", enforced(many+1))
			d.stop()
			w.expectRun(0, "comes back by itself", "blacklist", "pause", "--for", "5s")
			w.start()
			w.until("nothing is enforced", off)
			w.until("it ends by itself", enforced(many+1))
			w.until("the history has that", func() bool {
				out, _, _ := w.run("blacklist", "history", "--limit", "1")
				return strings.Contains(out, "resume") && strings.Contains(out, "everything") && strings.Contains(out, "the time of the pause is over")
			})
			if s := w.status(); s.Paused != nil || s.Firewalls[0].Braked != 0 {
				t.Errorf("status says %+v, and that the brake holds %d", s.Paused, s.Firewalls[0].Braked)
			}
		})
	}
}

// In each mode the firewall's own policy lets through whom it dropped while there is a pause, and drops him again afterwards.
func TestAPauseInEachMode(t *testing.T) {
	for _, mode := range []string{"dynamic-tag", "address-group", "edl"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel() // it waits for commits
			w := newLoop(t, mode, panosim.Options{})
			w.start()
			w.ready()
			var lines strings.Builder
			lines.WriteString("address,blocked_at\n") // so long ago that a firewall is expected to have them
			for i := range 100 {
				fmt.Fprintf(&lines, "20.0.0.%d,%s\n", i, time.Now().Add(-time.Hour).Format(time.RFC3339))
			}
			path := filepath.Join(w.dir, "many.csv")
			w.write(path, []byte(lines.String()))
			w.expectRun(0, "100 entries blocked", "blacklist", "import", path)
			decided := func(rule string) func() bool {
				return func() bool { return w.browse("20.0.0.1").Rule == rule && w.browse("20.0.0.99").Rule == rule }
			}
			w.until("they are blocked", decided(blockRule))
			w.expectRun(0, "Everything leaves", "blacklist", "pause")
			w.until("they are let through", decided(openRule))
			w.until("nothing is wrong with that", func() bool { _, _, code := w.run("verify"); return code == 0 })
			w.expectRun(0, "enforced again", "blacklist", "resume")
			w.until("they are blocked again", decided(blockRule))
			w.expectRun(0, "20.0.0.1 is released", "allow", "add", "20.0.0.0/24")
			w.until("they are let through as they are allowed", decided(openRule))
		})
	}
}
