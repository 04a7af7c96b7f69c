package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func loadParts(t *testing.T, yaml string, environ []string, parts ...Part) (*Config, Faults, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	return LoadPart(Options{Path: path, Environ: environ, WithoutFiles: true}, parts...)
}

// A fault stops what needs the key that it is of, or perhaps is of, and nothing else.
func TestAFaultStopsWhatNeedsIt(t *testing.T) {
	parts := map[string]Part{"store": PartStore, "admin": PartAdmin, "release": PartRelease, "rules": PartRules, "ours": PartOurs, "inputs": PartInputs, "guard": PartGuard}
	for _, c := range []struct{ yaml, variable, stopped string }{
		{"neverblock: [192.0.2.1]", "", "guard"},
		{"allow: [192.0.2.1]", "", "guard inputs"}, // edl.allow and inputs[].allow are like it
		{"whatever: 1", "", "guard"},
		{"stat_dir: /x", "", "guard store"},
		{"Store: {url: x}", "", "guard store"},
		{"store.url: x", "", "guard store"},
		{"store: x", "", "store"},
		{"store: {ulr: x}", "", "store"},
		{"store: {database: x}", "", "store"},
		{"store: {keep_record: 90d}", "", ""},
		{"store: {keep_records: 1h}", "", ""},
		{"store: {url_file: /nowhere}", "", "store"},
		{"admin: {listen: nonsense}", "", "admin"},
		{"admin: {port: 9400}", "", "admin rules"},
		{"networks: {what: ever}", "", "guard ours"},
		{"listn: 127.0.0.1:9", "", "admin guard inputs"}, // or that of edl or an input
		{"blacklist: {release_aftr: 1d}", "", "release"},
		{"blacklist: {surge: {additions: many}}", "", ""},
		{"detect: {port_scan: {portz: 1}}", "", "rules"},
		{"networks: {onw: [203.0.113.0/24]}", "", "guard ours"},
		{"never_block: [203.0.113.7/24]", "", "guard"},
		{"labels: [{file: x, modus: never}]", "", "guard"},
		{"firewalls: [{name: a, url: x}]", "", "guard"},
		{"inputs: [{path: /a, timezone: Mars}]", "", "inputs"},
		{"edl: {pth: /x}", "", ""},
		{"", "ACTIVEDEFENSE_STORE__ULR=x", "guard store"},
		{"", "ACTIVEDEFENSE_WHATEVER=x", "guard"},
		{"", "ACTIVEDEFENSE_EDL__MAX_ENTRIES=x", ""},
	} {
		for name, part := range parts {
			got, elsewhere, err := loadParts(t, c.yaml, []string{c.variable}, part)
			if stopped := strings.Contains(c.stopped, name); stopped != (err != nil) || stopped != (got == nil) || stopped == (len(elsewhere) > 0) {
				t.Errorf("%s%s: %s: %v, elsewhere %v", c.yaml, c.variable, name, err, elsewhere)
			}
		}
	}
}

func TestWhatStandsBesideAFaultIsRead(t *testing.T) {
	c, elsewhere, err := loadParts(t, "state_dir: /x\nneverblock: [192.0.2.1]\nadmin: {listen: 127.0.0.1:9}\nedl: {max_entries: -1}\n", nil, PartStore, PartAdmin)
	if err != nil || len(elsewhere) != 2 || c.StateDir != "/x" || c.Admin.Listen != "127.0.0.1:9" {
		t.Errorf("%v, %v, %+v", err, elsewhere, c)
	}
	_, _, err = loadParts(t, "neverblock: []\nstore: {ulr: x}\n", nil, PartStore)
	if faults := faultsOf(t, err); len(faults) != 2 || faults[0].Key != "store.ulr" {
		t.Errorf("what stops it does not come first: %v", err)
	}
}

// Where nothing can be read, or not all faults are listed, nothing is known of what a command needs.
func TestNothingGoesOnWithAFileThatCannotBeRead(t *testing.T) {
	many := strings.Repeat("x", mostFaults)
	for i := range many {
		many += "\nk" + strings.Repeat("i", i%7) + string(rune('a'+i%26)) + strings.Repeat("z", i/182) + ": 1"
	}
	for _, yaml := range []string{"a: [", "a: 1\na: 1\n", many[mostFaults:] + "\nlast: 1\n"} {
		if c, _, err := loadParts(t, yaml, nil, PartStore); err == nil || c != nil {
			t.Errorf("%.20s: %v", yaml, err)
		}
	}
	if _, _, err := LoadPart(Options{Path: filepath.Join(t.TempDir(), "none")}, PartStore); err == nil {
		t.Error("a file that is not there")
	}
}
