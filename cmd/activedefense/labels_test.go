package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
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

// check says what is odd in a label file, which a daemon takes over without a word.
func TestCheckSaysWhatIsOddInALabelFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "scanners.txt")
	if err := os.WriteFile(file, []byte("203.0.113.2/24\n10.0.0.7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	a := &app{stdout: &said, stderr: &said, environ: []string{"ACTIVEDEFENSE_STATE_DIR=" + t.TempDir(), "ACTIVEDEFENSE_LABELS__0__FILE=" + file, "ACTIVEDEFENSE_LABELS__0__LABEL=x"}}
	if err := check(t.Context(), a); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"labels[0].file: warning: " + file + ": 1 network has host bits set", "labels[0].file: warning: " + file + ": 1 entry is not public"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, said.String())
		}
	}
}
