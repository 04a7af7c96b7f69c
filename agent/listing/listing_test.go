package listing

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/agent/labels"
	"activedefense/detect"
	"activedefense/store"
)

// fixture is a set of label files with a keeper on a real SQLite file.
type fixture struct {
	t      *testing.T
	dir    string
	files  []labels.File
	set    *labels.Set
	st     *store.Store
	keeper *Keeper
	guard  *detect.Guard
	copies labels.Copies // nil: none are kept
}

func newFixture(t *testing.T, files ...labels.File) *fixture {
	f := &fixture{t: t, dir: t.TempDir(), guard: detect.NewGuard(nil, nil)}
	for i := range files {
		files[i].Path = filepath.Join(f.dir, files[i].Path)
	}
	var err error
	if f.st, err = store.Open(t.Context(), store.Options{Path: filepath.Join(f.dir, "test.db")}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.st.Close() })
	f.restart(files...)
	return f
}

// restart is what a start of the daemon does, with these files in the configuration.
func (f *fixture) restart(files ...labels.File) {
	f.files = files
	f.set = labels.New(labels.Options{Files: files, Now: time.Now, Copies: f.copies})
	f.set.Restore()
	f.keeper = New(f.st, time.Now)
}

func (f *fixture) path(name string) string { return filepath.Join(f.dir, name) }

func (f *fixture) write(name string, addresses ...string) {
	f.t.Helper()
	if err := os.WriteFile(f.path(name)+".new", []byte(strings.Join(addresses, "\n")), 0o600); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(f.path(name)+".new", f.path(name)); err != nil {
		f.t.Fatal(err)
	}
}

// sync reads the files, has the blacklist follow, and checks what of each changed, "file +blocked -released", what is blocked
// then, and what is said of the files.
func (f *fixture) sync(changes, blocked, trouble string) {
	f.t.Helper()
	f.set.Refresh()
	list, err := f.keeper.Sync(f.t.Context(), f.set.Lists(), f.guard)
	if err != nil {
		f.t.Fatal(err)
	}
	var got []string
	for _, c := range list {
		got = append(got, fmt.Sprintf("%s +%d -%d", filepath.Base(c.File.Path), c.Blocked, c.Released))
	}
	if text := strings.Join(got, ", "); text != changes {
		f.t.Errorf("changes %q, want %q", text, changes)
	}
	if text := strings.Join(f.blocked(), " "); text != blocked {
		f.t.Errorf("blocked %q, want %q", text, blocked)
	}
	all := f.keeper.Troubles()
	if trouble == "" && len(all) > 0 || trouble != "" && (len(all) != 1 || !strings.Contains(all[0].What, trouble) || all[0].Remedy == "" || all[0].Since.IsZero()) {
		f.t.Errorf("troubles %+v, want one with %q", all, trouble)
	}
}

func (f *fixture) blocked() (list []string) {
	f.t.Helper()
	if err := f.st.Entries(f.t.Context(), store.EntryFilter{}, func(e *store.Entry) error {
		list = append(list, detect.AddressText(e.Address))
		return nil
	}); err != nil {
		f.t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

func (f *fixture) version() int64 {
	f.t.Helper()
	version, err := f.st.Version(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return version
}

// last gives the last change of an address.
func (f *fixture) last(address string) string {
	f.t.Helper()
	all, err := f.st.AuditOf(f.t.Context(), netip.MustParsePrefix(address))
	if err != nil || len(all) == 0 {
		f.t.Fatal(all, err)
	}
	a := all[len(all)-1]
	return a.Action + " by " + a.By + ": " + a.Reason
}

func file(name, label string) labels.File {
	return labels.File{Path: name, Label: label, Mode: labels.Block}
}

func TestTheBlacklistFollowsTheFiles(t *testing.T) {
	f := newFixture(t, file("a", "botnet"), file("b", "scanner"), labels.File{Path: "c", Label: "partner", Mode: labels.Never})
	f.write("a", "203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4", "198.51.100.0/30")
	f.write("b", "203.0.113.9")
	f.write("c", "192.0.2.7")
	f.sync("a +5 -0, b +1 -0", "198.51.100.0/30 203.0.113.1 203.0.113.2 203.0.113.3 203.0.113.4 203.0.113.9", "")
	// Read again, also after a restart, nothing is written: not even a version.
	before := f.version()
	f.write("a", "198.51.100.0/30", "203.0.113.4", "203.0.113.3", "203.0.113.2", "203.0.113.1 # other words")
	f.sync("", "198.51.100.0/30 203.0.113.1 203.0.113.2 203.0.113.3 203.0.113.4 203.0.113.9", "")
	f.restart(f.files...)
	f.sync("", "198.51.100.0/30 203.0.113.1 203.0.113.2 203.0.113.3 203.0.113.4 203.0.113.9", "")
	if after := f.version(); after != before {
		t.Errorf("version %d, was %d", after, before)
	}
	// What moves to another file stays.
	f.write("a", "203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.5")
	f.write("b", "203.0.113.9", "203.0.113.4")
	f.sync("a +1 -1, b +0 -0", "203.0.113.1 203.0.113.2 203.0.113.3 203.0.113.4 203.0.113.5 203.0.113.9", "")
	if got, want := f.last("198.51.100.0/30"), "release by label-file: no longer listed in "+f.path("a"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := f.last("203.0.113.4/32"), `change by label-file: listed as "scanner" in `+f.path("b"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// A file that is not there, cannot be used or lists nothing takes nothing back, also at a start without a copy of it.
func TestAFileWithoutEntriesReleasesNothing(t *testing.T) {
	for name, spoil := range map[string]func(f *fixture){
		"gone":       func(f *fixture) { os.Remove(f.path("a")) },
		"empty":      func(f *fixture) { f.write("a") },
		"error page": func(f *fixture) { f.write("a", "<html>") },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, file("a", "botnet"))
			f.sync("", "", "")
			f.guard = detect.NewGuard(nil, nil)
			f.sync("", "", "") // it never listed anything
			f.write("a", "203.0.113.1", "203.0.113.2")
			f.sync("a +2 -0", "203.0.113.1 203.0.113.2", "")
			spoil(f)
			f.sync("", "203.0.113.1 203.0.113.2", "") // the set says why, and keeps its entries
			f.restart(f.files...)
			f.sync("", "203.0.113.1 203.0.113.2", "has no entry that could be used; the 2 that it listed stay blocked")
			f.write("a", "203.0.113.2", "203.0.113.3")
			f.sync("a +1 -1", "203.0.113.2 203.0.113.3", "")
		})
	}
}

// A file that lost much releases nothing, over restarts either, until a person deletes its copy.
func TestAFileThatLostMuchReleasesNothing(t *testing.T) {
	f := newFixture(t, file("a", "botnet"))
	folder := labels.Folder{Dir: f.path("copies"), Write: func(path string, data []byte) error { return os.WriteFile(path, data, 0o600) }}
	f.copies = folder
	f.restart(f.files...)
	var all []string
	for n := range 10 {
		all = append(all, fmt.Sprintf("203.0.113.%d", n))
	}
	f.write("a", all...)
	f.sync("a +10 -0", strings.Join(all, " "), "")
	f.write("a", all[:6]...)
	f.sync("", strings.Join(all, " "), "")
	f.restart(f.files...)
	f.sync("", strings.Join(all, " "), "")
	if said := f.set.Troubles(); len(said) != 1 || !strings.Contains(said[0].What, "it has 6, and had 10; its 10 entries stay") || !strings.Contains(said[0].Remedy, folder.Where(f.files[0].CopyName())) {
		t.Errorf("troubles %+v", said)
	}
	if err := os.Remove(folder.Where(f.files[0].CopyName())); err != nil {
		t.Fatal(err)
	}
	f.restart(f.files...)
	f.sync("a +0 -4", strings.Join(all[:6], " "), "")
}

// What is taken out of the configuration, or is of another mode, blocks no more, also when that was while the daemon was down;
// under another label it goes on.
func TestAFileThatIsNoLongerConfigured(t *testing.T) {
	f := newFixture(t, file("a", "botnet"), file("b", "scanner"))
	f.write("a", "203.0.113.1", "203.0.113.2")
	f.write("b", "203.0.113.2", "203.0.113.3")
	f.sync("a +2 -0, b +1 -0", "203.0.113.1 203.0.113.2 203.0.113.3", "")
	a, b := f.files[0], f.files[1]
	a.Mode = labels.Label
	f.restart(a, b)
	f.sync("a +0 -1", "203.0.113.2 203.0.113.3", "")
	if got, want := f.last("203.0.113.1/32"), "release by label-file: "+f.path("a")+" no longer blocks what it lists: see labels in the configuration"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	b.Label = "bad scanner"
	f.restart(b)
	f.sync("b +0 -0, b +0 -0", "203.0.113.2 203.0.113.3", "")
	if got, want := f.last("203.0.113.3/32"), `change by label-file: listed as "bad scanner" in `+f.path("b"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	f.restart()
	f.sync("b +0 -2", "", "")
}

// What may never be blocked is left out and said, and the rest stands. What becomes protected is left to whoever lifts blocks,
// who knows why; when it is not protected any more it is blocked.
func TestWhatIsProtectedIsNeverBlocked(t *testing.T) {
	f := newFixture(t, file("a", "botnet"))
	never := []netip.Prefix{netip.MustParsePrefix("203.0.113.1/32")}
	f.guard = detect.NewGuard(never, nil)
	f.write("a", "203.0.113.1", "203.0.113.2", "203.0.113.3", "10.0.0.7")
	f.sync("a +2 -0", "203.0.113.2 203.0.113.3", "left out is what may never be blocked, 2 of 4 entries, such as: 10.0.0.7 is not public")
	since := f.keeper.Troubles()[0].Since
	f.guard = detect.NewGuard(append(never, netip.MustParsePrefix("203.0.113.2/32")), nil)
	f.sync("a +0 -0", "203.0.113.2 203.0.113.3", "3 of 4 entries")
	if _, err := f.st.Release(t.Context(), netip.MustParsePrefix("203.0.113.2/32"), store.ByDetector, "it is in never_block", time.Now()); err != nil {
		t.Fatal(err)
	}
	f.sync("", "203.0.113.3", "3 of 4 entries")
	f.guard = detect.NewGuard(nil, nil)
	f.sync("a +2 -0", "203.0.113.1 203.0.113.2 203.0.113.3", "1 of 4 entries")
	f.guard = detect.NewGuard([]netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}, nil)
	f.sync("a +0 -0", "203.0.113.1 203.0.113.2 203.0.113.3", "4 of 4 entries")
	if now := f.keeper.Troubles()[0].Since; !now.Equal(since) {
		t.Errorf("it is said since %s, and was since %s", now, since)
	}
	files, err := f.st.Listed(t.Context())
	if err != nil || len(files) != 0 {
		t.Errorf("listed are %v, %v", files, err)
	}
}

// What another lifted while its file goes on to list it, as an agent does to which it is protected, is blocked again at a
// start, and not each minute.
func TestWhatWasLiftedElsewhereIsBlockedAgainAtAStart(t *testing.T) {
	f := newFixture(t, file("a", "botnet"))
	f.write("a", "203.0.113.1", "203.0.113.2")
	f.sync("a +2 -0", "203.0.113.1 203.0.113.2", "")
	if _, err := f.st.Release(t.Context(), netip.MustParsePrefix("203.0.113.1/32"), store.ByDetector, "ours", time.Now()); err != nil {
		t.Fatal(err)
	}
	f.write("a", "203.0.113.1", "203.0.113.2", "203.0.113.3")
	f.sync("a +1 -0", "203.0.113.2 203.0.113.3", "")
	f.restart(f.files...)
	f.sync("a +1 -0", "203.0.113.1 203.0.113.2 203.0.113.3", "")
}

// An error of the store leaves a part to be done, and the next round does it, whatever the file lists then.
func TestARoundThatFailsIsDoneAgain(t *testing.T) {
	f := newFixture(t, file("a", "botnet"))
	f.write("a", "203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4")
	f.sync("a +4 -0", "203.0.113.1 203.0.113.2 203.0.113.3 203.0.113.4", "")
	f.write("a", "203.0.113.2", "203.0.113.3", "203.0.113.4")
	f.guard = detect.NewGuard([]netip.Prefix{netip.MustParsePrefix("203.0.113.4/32")}, nil)
	f.set.Refresh()
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	f.keeper.now = func() time.Time {
		if calls++; calls == 3 { // one for what is said of the file, one for what it does not list any more
			cancel()
		}
		return time.Now()
	}
	changes, err := f.keeper.Sync(ctx, f.set.Lists(), f.guard)
	if err == nil || len(changes) != 1 || changes[0].Released != 1 {
		t.Fatalf("%+v, %v", changes, err)
	}
	f.write("a", "203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4")
	f.sync("a +1 -0", "203.0.113.1 203.0.113.2 203.0.113.3 203.0.113.4", "1 of 4 entries") // the last is left to be lifted
}
