package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/agent/explain"
	"activedefense/store"
)

// Labels are told beside an entry, and beside what is not blocked.
func TestLabelsAreTold(t *testing.T) {
	a := heldApp(t)
	scanners, missing := filepath.Join(t.TempDir(), "scanners.txt"), filepath.Join(t.TempDir(), "missing.txt")
	if err := os.WriteFile(scanners, []byte("203.0.113.2 # a search engine\n2001:db8:1::/48\n192.0.2.8\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, _ := a.blacklist(t, false, "list", "--all"); strings.Contains(out, "LABELS") {
		t.Errorf("labels without a file:\n%s", out)
	}
	a.environ = append(a.environ, "ACTIVEDEFENSE_LABELS__0__FILE="+scanners, "ACTIVEDEFENSE_LABELS__0__LABEL=known scanner",
		"ACTIVEDEFENSE_LABELS__1__FILE="+missing, "ACTIVEDEFENSE_LABELS__1__LABEL=x")
	out, status := a.blacklist(t, false, "list", "--all")
	if status != 0 || strings.Count(out, "known scanner") != 2 || !strings.Contains(out, "LABELS") {
		t.Errorf("exit status %d:\n%s", status, out)
	}
	for address, want := range map[string]bool{"203.0.113.2": true, "2001:db8:1::/64": true, "203.0.113.1": false, "192.0.2.8": true} {
		out, _ := a.blacklist(t, false, "show", address)
		if got := strings.HasPrefix(out, address+" is labelled: known scanner\n"); got != want {
			t.Errorf("show %s:\n%s", address, out)
		}
		if out, _ = a.blacklist(t, true, "show", address); !strings.HasPrefix(out, "{") {
			t.Errorf("show --json %s: %s", address, out)
		}
	}
}

// A file of mode block has its addresses blocked like any other, over restarts, until they are not listed any more.
func TestALabelFileBlocks(t *testing.T) {
	t.Parallel()
	for _, database := range stores {
		t.Run(database, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "botnet.txt")
			labels := "labels: [{file: " + file + ", label: botnet, mode: block}]"
			w := newWorld(t, database, labels)
			w.write(file, []byte("203.0.113.1\n203.0.113.2\n203.0.113.4\n10.0.0.1 # a mistake\n"))
			w.append(nil)
			d := w.start()
			w.blocksAlone("203.0.113.1", "203.0.113.2", "203.0.113.4")
			w.listedIsActive(file)

			d.kill()
			w.write(file, []byte("203.0.113.1\n203.0.113.3\n203.0.113.4\n"))
			d = w.start()
			w.blocksAlone("203.0.113.1", "203.0.113.3", "203.0.113.4")
			w.lastChange("203.0.113.2", "release", "no longer listed in "+file)

			d.kill()
			config, err := os.ReadFile(w.config)
			if err != nil {
				t.Fatal(err)
			}
			w.write(w.config, []byte(strings.Replace(string(config), labels, "", 1)))
			w.start()
			w.blocksAlone()
			w.lastChange("203.0.113.1", "release", file+" no longer blocks what it lists: see labels in the configuration")
			if kept, err := os.ReadDir(filepath.Join(w.dir, "state", "labels")); err != nil || len(kept) > 0 {
				t.Errorf("what is named no longer is kept: %v, %v", kept, err)
			}
		})
	}
}

// blocksAlone waits until these are tagged and on the list, and no others.
func (w *world) blocksAlone(want ...string) {
	w.t.Helper()
	w.until(fmt.Sprintf("%s are tagged and on the list", want), func() bool {
		_, l := w.list()
		empty := len(want) == 0 && len(l) == 1 && strings.HasPrefix(l[0], "192.0.2.255 ")
		return slices.Equal(w.tagged(), want) && (empty || slices.Equal(l, want))
	})
}

// listedIsActive has a listed address scan: that is activity of a blocked source, and no evidence. It stays what it is, and a
// person is told how to release it.
func (w *world) listedIsActive(file string) {
	w.t.Helper()
	now := time.Now().UTC()
	for port := range 3 * testPorts {
		w.append(sample{at: now, src: "203.0.113.1", dst: "198.51.100.7", port: 2000 + port, typ: "TRAFFIC", subtype: "drop"}.line())
	}
	var e explain.BlacklistEntry
	w.until("its records are counted", func() bool {
		for _, e = range jsonLines[explain.BlacklistEntry](w, "blacklist", "list", "--rule", "label") {
			if e.Address == "203.0.113.1" && e.Hits == int64(3*testPorts) {
				return true
			}
		}
		return false
	})
	if e.By != store.ByLabelFile || e.ReleaseAt != nil || e.Grade != "" || e.State != "blocked" || e.Reason != `listed as "botnet" in `+file {
		w.t.Errorf("%+v", e)
	}
	for command, want := range map[string]string{
		"blacklist show 203.0.113.1":   "when no label file lists it any more",
		"blacklist remove 203.0.113.1": `203.0.113.1 stays: it is listed as "botnet" in ` + file + ". Take it out of the file, or put it into never_block and reload",
		"status":                       file + ": left out is what may never be blocked, 1 of 4 entries, such as: 10.0.0.1 is not public",
		"check":                        "labels[0].file: warning: " + file + ": left out is what may never be blocked, 1 of 4 entries, such as: 10.0.0.1 is not public",
	} {
		stdout, stderr, code := w.run(strings.Fields(command)...)
		if !strings.Contains(stdout+stderr, want) || (code != 0) != strings.Contains(command, "remove") {
			w.t.Errorf("%s: exit status %d, %s%s", command, code, stdout, stderr)
		}
	}
}

// lastChange checks the last change of an address in its history.
func (w *world) lastChange(address, action, reason string) {
	w.t.Helper()
	all := jsonLines[explain.Explanation](w, "blacklist", "show", address)
	if len(all) != 1 || len(all[0].Audit) == 0 {
		w.t.Fatalf("%+v", all)
	}
	if last := all[0].Audit[len(all[0].Audit)-1]; last.Action != action || last.By != store.ByLabelFile || last.Reason != reason {
		w.t.Errorf("%+v", last)
	}
}

// A replay finds nobody whom a label file blocks anyway, and of two configurations none blocks alone whom the other lists.
func TestReplayDoesNotFindWhatIsListed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "botnet.txt")
	labels := "labels: [{file: " + file + ", label: botnet, mode: block}]"
	w := newWorld(t, "sqlite", labels)
	w.write(file, []byte("203.0.113.0/24\n"))
	log, other := filepath.Join(w.dir, "a.log"), filepath.Join(w.dir, "other.yaml")
	var lines []byte
	for _, src := range []string{"203.0.113.1", "192.0.2.1"} {
		for port := range 3 * testPorts {
			lines = append(lines, sample{at: time.Now().UTC(), src: src, dst: "198.51.100.7", port: 2000 + port, typ: "TRAFFIC", subtype: "drop"}.line()...)
		}
	}
	w.write(log, lines)
	config, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	w.write(other, []byte(strings.Replace(string(config), labels, "", 1)))
	found := func(want string, args ...string) {
		t.Helper()
		var got []string
		for _, v := range jsonLines[replayJSON](w, append([]string{"replay"}, args...)...) {
			got = append(got, v.Address+v.Only)
		}
		if slices.Sort(got); strings.Join(got, " ") != want {
			t.Errorf("replay %s: %s, want %s", args, got, want)
		}
	}
	found("192.0.2.1", log)
	found("", "--compare", other, log)
	if _, stderr, _ := w.run("replay", log); !strings.Contains(stderr, "what label files list: 1 entry\n") {
		t.Error(stderr)
	}
	w.config = other
	found("192.0.2.1 203.0.113.1", log)
}

// check says what is odd in a label file, which a daemon takes over without a word, and what of one it never blocks for another.
func TestCheckSaysWhatIsOddInALabelFile(t *testing.T) {
	dir := t.TempDir()
	file, botnet := filepath.Join(dir, "partners.txt"), filepath.Join(dir, "botnet.txt")
	if err := errors.Join(os.WriteFile(file, []byte("203.0.113.2/24\n10.0.0.7\n"), 0o600), os.WriteFile(botnet, []byte("203.0.113.7"), 0o600)); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	a := &app{stdout: &said, stderr: &said, environ: []string{"ACTIVEDEFENSE_STATE_DIR=" + t.TempDir(), "ACTIVEDEFENSE_ADMIN__LISTEN=127.0.0.1:1", "ACTIVEDEFENSE_LABELS__0__FILE=" + file, "ACTIVEDEFENSE_LABELS__0__LABEL=x", "ACTIVEDEFENSE_LABELS__0__MODE=never",
		"ACTIVEDEFENSE_LABELS__1__FILE=" + botnet, "ACTIVEDEFENSE_LABELS__1__LABEL=y", "ACTIVEDEFENSE_LABELS__1__MODE=block"}}
	if err := check(t.Context(), a); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"labels[0].file: warning: " + file + ": 1 network has host bits set", "labels[0].file: warning: " + file + ": 1 entry is not public",
		"labels[1].file: warning: " + botnet + `: left out is what may never be blocked, 1 of 1 entry, such as: 203.0.113.7 is in 203.0.113.0/24, which is listed as "x"`} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, said.String())
		}
	}
}
