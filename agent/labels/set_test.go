package labels

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fixture is a set over files in a folder of the test.
type fixture struct {
	*Set
	files   []File
	options Options
	t       *testing.T
	dir     string
	time    time.Time
}

func newFixture(t *testing.T, files ...File) *fixture {
	f := &fixture{t: t, dir: t.TempDir(), time: time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)}
	for i := range files {
		files[i].Path = filepath.Join(f.dir, files[i].Path)
	}
	f.files, f.options = files, Options{Files: files, Now: func() time.Time { return f.time }}
	f.Set = New(f.options)
	return f
}

// write replaces a file, as a download does; its time of change is another one each time.
func (f *fixture) write(name, content string) {
	f.t.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		f.t.Fatal(err)
	}
}

// refresh looks a minute later, and checks what is then known and wrong.
func (f *fixture) refresh(changed bool, entries string, trouble string) {
	f.t.Helper()
	f.time = f.time.Add(Every)
	if got := f.Refresh(); got != changed {
		f.t.Errorf("changed = %v", got)
	}
	var have []string
	for _, mode := range []Mode{Label, Never, Block} {
		for _, e := range f.Lists().Entries(mode) {
			have = append(have, e.Network.String())
		}
	}
	if got := strings.Join(have, " "); got != entries {
		f.t.Errorf("entries %q, want %q", got, entries)
	}
	all := f.Troubles()
	if trouble == "" && len(all) > 0 || trouble != "" && (len(all) != 1 || !strings.Contains(all[0].What, trouble) || all[0].Remedy == "") {
		f.t.Errorf("troubles %+v, want one with %q", all, trouble)
	}
}

// lines are so many different addresses.
func lines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "192.0.2.%d\n", i)
	}
	return b.String()
}

// texts are the entries of lines.
func texts(n int) string {
	return strings.TrimSuffix(strings.ReplaceAll(lines(n), "\n", "/32 "), " ")
}

func TestAFileIsReadAgainWhenItChanges(t *testing.T) {
	f := newFixture(t, File{Path: "a", Label: "known scanner"})
	f.write("a", "192.0.2.1\n")
	f.refresh(true, "192.0.2.1/32", "")
	f.refresh(false, "192.0.2.1/32", "")
	f.write("a", "192.0.2.1\n192.0.2.2\n")
	f.refresh(true, "192.0.2.1/32 192.0.2.2/32", "")
	if got := f.Lists().Lookup(netip.MustParsePrefix("::ffff:192.0.2.2/128")); fmt.Sprint(got) != "[known scanner]" {
		t.Errorf("labels %v", got)
	}
	before := f.Lists()
	f.write("a", "192.0.2.2\n192.0.2.1 # other words\n")
	f.refresh(false, "192.0.2.1/32 192.0.2.2/32", "")
	if f.Lists() != before {
		t.Error("lists that did not change are made anew")
	}
}

// Whatever happens to a file, what it had stays, and it is said since when.
func TestWhatAFileHadStays(t *testing.T) {
	ten := texts(10)
	for name, c := range map[string]struct {
		spoil   func(f *fixture, path string)
		trouble string
	}{
		"vanishes": {func(f *fixture, path string) { os.Remove(path) }, "cannot be read: no such file or directory; its 10 entries stay"},
		"is a folder": {func(f *fixture, path string) {
			os.Remove(path)
			os.Mkdir(path, 0o700)
		}, "it is no regular file"},
		"is a pipe": {func(f *fixture, path string) {
			os.Remove(path)
			if err := syscall.Mkfifo(path, 0o600); err != nil {
				f.t.Error(err)
			}
		}, "it is no regular file"},
		"is emptied":       {func(f *fixture, path string) { f.write("a", "") }, "it has 0, and had 10"},
		"shrinks":          {func(f *fixture, path string) { f.write("a", lines(6)) }, "it has 6, and had 10"},
		"is an error page": {func(f *fixture, path string) { f.write("a", "<html>\n<h1>404</h1>\n") }, `no line of it begins with an address; line 1: "<html>"`},
		"has no end of it": {func(f *fixture, path string) { f.write("a", strings.Repeat("192.0.2.1\n", mostLines+1)) }, "more than 1000000 lines"},
		"is very large":    {func(f *fixture, path string) { os.Truncate(path, 1<<40) }, "larger than 64 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, File{Path: "a", Label: "x", Mode: Never})
			path := filepath.Join(f.dir, "a")
			f.write("a", lines(10))
			f.refresh(true, ten, "")
			c.spoil(f, path)
			f.refresh(false, ten, c.trouble)
			since := f.time
			f.refresh(false, ten, c.trouble)
			if all := f.Troubles(); len(all) != 1 || !all[0].Since.Equal(since) || all[0].File != path {
				t.Errorf("troubles %+v, want one since %s", all, since)
			}
			os.Remove(path)
			f.write("a", lines(7)) // 30 % may go
			f.refresh(true, texts(7), "")
		})
	}
}

// Of a short file any entries may go, but not all of them.
func TestAShortFileMayLoseAllButOne(t *testing.T) {
	f := newFixture(t, File{Path: "a", Label: "x", Mode: Never})
	f.write("a", lines(9))
	f.refresh(true, texts(9), "")
	f.write("a", lines(1))
	f.refresh(true, texts(1), "")
	f.write("a", "")
	f.refresh(false, texts(1), "it lists nothing any more: it has 0, and had 1; its 1 entry stays as it was")
}

// What is wrong at the first look is said as well, and mended at the next.
func TestAFileThatIsNotThereYet(t *testing.T) {
	f := newFixture(t, File{Path: "a", Label: "x"})
	f.refresh(false, "", "cannot be read: no such file or directory")
	f.write("a", "192.0.2.1\n")
	f.refresh(true, "192.0.2.1/32", "")
}

func TestWhatIsLeftOutOfAFileIsNamed(t *testing.T) {
	f := newFixture(t, File{Path: "a", Label: "x"})
	f.write("a", "192.0.2.1\n10.0.0.0/8\n0.0.0.0/0\nnonsense\n")
	f.refresh(true, "192.0.2.1/32", `2 entries are wider than /16 (IPv6 /32) and left out, the first in line 2: "10.0.0.0/8"`)
	f.write("a", "192.0.2.1\nnonsense\n")
	f.refresh(false, "192.0.2.1/32", `1 line begins with no address and is left out, the first in line 2: "nonsense"`)
	f.write("a", "192.0.2.1\n")
	f.refresh(false, "192.0.2.1/32", "")
}

// What is odd in a file is said to whoever writes it; it is taken over.
func TestWhatIsOddInAFileIsRemarked(t *testing.T) {
	f := newFixture(t, File{Path: "a", Label: "x"})
	f.write("a", "192.0.2.9/24\n198.51.100.0/24\n::ffff:203.0.113.0/120\n2001:db8::1/64\n10.1.0.0/16 # office\n2001:db8::1\nfd00::/48\n100.64.0.1\n9.255.255.0-10.0.0.0")
	f.Refresh()
	var said []string
	for _, r := range f.Remarks() {
		said = append(said, r.What)
	}
	path := f.files[0].Path
	want := path + `: 2 networks have host bits set, and all of the network is meant; the first is line 1: "192.0.2.9/24"` + "\n" +
		path + `: 4 entries are not public, so that nothing in there is ever blocked; the first is line 5: "10.1.0.0/16"`
	if got := strings.Join(said, "\n"); got != want || len(f.Troubles()) > 0 {
		t.Errorf("remarks\n%s\nwant\n%s\ntroubles %v", got, want, f.Troubles())
	}
	f.files[0].Mode = Block // what of it may not be blocked is said anyway
	f.Set = New(f.options)
	if f.Refresh(); len(f.Remarks()) != 1 || !strings.Contains(f.Remarks()[0].What, "host bits") {
		t.Errorf("remarks %v", f.Remarks())
	}
	f.Set = New(f.options)
	f.write("a", "192.0.2.0/24\n198.51.100.0/24\n203.0.113.0/24\n2001:db8::/64\n192.0.2.1\n")
	f.Refresh()
	if len(f.Remarks()) > 0 {
		t.Errorf("remarks %v", f.Remarks())
	}
}

// Each mode has the entries of its files alone, and an address the labels of all of them.
func TestFilesOfSeveralModes(t *testing.T) {
	f := newFixture(t, File{Path: "a", Label: "scanner"}, File{Path: "b", Label: "partner", Mode: Never}, File{Path: "c", Label: "botnet", Mode: Block})
	f.write("a", "192.0.2.0/24")
	f.write("b", "192.0.2.7")
	f.write("c", "198.51.100.0-198.51.100.3")
	f.refresh(true, "192.0.2.0/24 192.0.2.7/32 198.51.100.0/30", "")
	if e := f.Lists().Entries(Never); len(e) != 1 || e[0].Label != "partner" || e[0].File != filepath.Join(f.dir, "b") {
		t.Errorf("never: %+v", e)
	}
	for address, want := range map[string]string{"192.0.2.7/32": "[scanner partner]", "198.51.100.3/32": "[botnet]", "198.51.100.4/32": "[]", "192.0.0.0/16": "[scanner partner]"} {
		if got := fmt.Sprint(f.Lists().Lookup(netip.MustParsePrefix(address))); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}

// All files together are bounded too: the one that is too much is as it was.
func TestAllFilesTogetherAreBounded(t *testing.T) {
	f := newFixture(t, File{Path: "a", Label: "a"}, File{Path: "b", Label: "b"}, File{Path: "c", Label: "c"})
	var b strings.Builder
	for i := range 900_000 {
		fmt.Fprintf(&b, "%d.%d.%d.7\n", 1+i>>16, i>>8&255, i&255)
	}
	for _, name := range []string{"a", "b", "c"} {
		f.write(name, b.String())
	}
	f.Refresh()
	if all := f.Troubles(); len(all) != 1 || !strings.HasSuffix(all[0].File, "/c") || !strings.Contains(all[0].What, "more than 2000000 entries") {
		t.Errorf("troubles %+v", all)
	}
	if got := fmt.Sprint(f.Lists().Lookup(netip.MustParsePrefix("1.0.1.7/32"))); got != "[a b]" {
		t.Errorf("labels %s", got)
	}
}

// What files of mode block list together is bounded by what a firewall has room for.
func TestFilesOfModeBlockAreBounded(t *testing.T) {
	f := newFixture(t, File{Path: "a", Label: "a", Mode: Block}, File{Path: "b", Label: "b", Mode: Block}, File{Path: "c", Label: "c"})
	most := func(first byte, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "%d.%d.%d.%d\n", first, i>>16, i>>8&255, i&255)
		}
		return b.String()
	}
	f.write("a", most(20, mostBlocked-10))
	f.write("b", most(21, 11))
	f.write("c", most(22, mostBlocked+1))
	f.Refresh()
	if all := f.Troubles(); len(all) != 1 || !strings.HasSuffix(all[0].File, "/b") || !strings.Contains(all[0].What, "of mode block together would have more than 100000 entries") {
		t.Errorf("troubles %+v", all)
	}
	f.write("a", most(20, mostBlocked-11)) // then there is room for the other, which is as it was
	f.Refresh()
	if all := f.Troubles(); len(all) != 0 || len(f.Lists().Entries(Block)) != mostBlocked {
		t.Errorf("%d entries, troubles %+v", len(f.Lists().Entries(Block)), all)
	}
}

// copies is what survives a restart.
type copies map[string][]byte

func (c copies) Save(path string, entries []byte) error {
	if c == nil {
		return errors.New("no space left on device")
	}
	c[path] = entries
	return nil
}

func (c copies) Load(path string) ([]byte, error) {
	if data, ok := c[path]; ok {
		return data, nil
	}
	return nil, fs.ErrNotExist
}

func (c copies) Where(path string) string { return "the copy of " + path }

// restart makes the set anew, as a start of the daemon does.
func (f *fixture) restart() {
	f.Set = New(f.options)
	f.Restore()
}

// A file that gets mode never is held to what one may lift at once, though it was read before in another mode.
func TestAnotherModeBeginsWithoutTheCopy(t *testing.T) {
	blocked, lines := []netip.Prefix(nil), ""
	for i := range byte(mostLifted + 1) {
		addr := netip.AddrFrom4([4]byte{203, 0, 113, i})
		blocked, lines = append(blocked, netip.PrefixFrom(addr, 32)), lines+addr.String()+"\n"
	}
	for _, mode := range []Mode{Label, Block} {
		f := newFixture(t, File{Path: "a", Label: "partner", Mode: mode})
		f.options.Copies = copies{}
		f.options.Blocked = func(yield func(netip.Prefix) bool) { slices.Values(blocked)(yield) }
		f.restart()
		if err := os.WriteFile(f.files[0].Path, []byte(lines), 0o600); err != nil {
			t.Fatal(err)
		}
		if f.Refresh(); len(f.Lists().Files(mode)[0].Entries) != len(blocked) {
			t.Fatal("the file was not read")
		}
		f.options.Files[0].Mode = Never
		if f.restart(); len(f.Lists().Files(Never)[0].Entries) != 0 {
			t.Error("the copy of another mode is taken")
		}
		if f.Refresh(); len(f.Lists().Files(Never)[0].Entries) != 0 || len(f.Troubles()) != 1 {
			t.Errorf("the file lifts %d blocks at once: %v", len(blocked), f.Troubles())
		}
	}
}

// What a file had when it was last good is there after a restart without it, until it is back.
func TestAFileThatIsGoneAtAStartHasItsCopy(t *testing.T) {
	kept := copies{}
	f := newFixture(t, File{Path: "a", Label: "partner", Mode: Never})
	path := f.files[0].Path
	f.options.Copies = kept
	content, entries := "192.0.2.0-192.0.2.2 # us\n2001:db8::/32\n", "192.0.2.0/31 192.0.2.2/32"
	for i := range 7 {
		content += fmt.Sprintf("198.51.100.%d\n", i)
		entries += fmt.Sprintf(" 198.51.100.%d/32", i)
	}
	entries += " 2001:db8::/32"
	for name, spoil := range map[string]func(){
		"gone":       func() { os.Remove(path) },
		"error page": func() { f.write("a", "<html>") },
		"empty":      func() { f.write("a", "# nothing\n") },
	} {
		t.Run(name, func(t *testing.T) {
			f.t = t
			f.restart()
			f.write("a", content)
			f.Refresh()
			spoil()
			f.restart()
			if n := len(f.Lists().Entries(Never)); n != 10 {
				t.Errorf("%d entries before the first look", n)
			}
			f.refresh(false, entries, "its 10 entries stay")
			f.refresh(false, entries, "its 10 entries stay")
			// Nor does a restart or a reload take what lost much, but for a person who says so.
			f.write("a", "192.0.2.0/30")
			f.refresh(false, entries, "it has 1, and had 10; its 10 entries stay as they were")
			f.restart()
			f.refresh(false, entries, "it has 1, and had 10; its 10 entries stay as they were")
			if remedy := f.Troubles()[0].Remedy; !strings.Contains(remedy, "delete what the daemon keeps of it, the copy of "+path) {
				t.Error(remedy)
			}
			delete(kept, path)
			f.restart()
			f.refresh(true, "192.0.2.0/30", "")
		})
	}
	// The copy of what is still there is no change.
	f.t = t
	f.restart()
	f.refresh(false, "192.0.2.0/30", "")
	// One that is damaged too, or that cannot be kept, is said.
	kept[path] = []byte("nonsense\n" + strings.Repeat("#\n", mostLines))
	f.restart()
	f.refresh(true, "192.0.2.0/30", "")
	if string(kept[path]) != "192.0.2.0/30\n" {
		t.Errorf("the copy is %.100q", kept[path])
	}
	f.options.Copies = copies(nil)
	f.restart()
	f.refresh(true, "192.0.2.0/30", "no copy of "+path+" can be kept for a restart without it: no space left on device")
}

// The copy of a file that is named no longer goes; the others stay.
func TestCopiesOfOtherFilesAreDeleted(t *testing.T) {
	folder := Folder{Dir: filepath.Join(t.TempDir(), "labels"), Write: func(path string, data []byte) error { return os.WriteFile(path, data, 0o600) }}
	if err := folder.Keep(nil); err != nil {
		t.Errorf("without a folder: %v", err)
	}
	a, b := File{Path: "/a"}, File{Path: "/b"}
	for _, file := range []File{a, b} {
		if err := folder.Save(file.CopyName(), []byte("192.0.2.1\n")); err != nil {
			t.Fatal(err)
		}
	}
	if err := folder.Keep([]File{b, {Path: "/c"}}); err != nil {
		t.Error(err)
	}
	if _, err := folder.Load(a.CopyName()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the copy of what is named no longer: %v", err)
	}
	if _, err := folder.Load(b.CopyName()); err != nil {
		t.Error(err)
	}
}

// A list that would lift very many blocks is perhaps not the one that was meant.
func TestAFileThatWouldLiftManyBlocksIsNotTakenOver(t *testing.T) {
	f := newFixture(t, File{Path: "a", Label: "partner", Mode: Never}, File{Path: "b", Label: "scanner"})
	blocked := make([]netip.Prefix, mostLifted+1)
	for i := range blocked {
		blocked[i] = netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), 32)
	}
	f.options.Blocked = func(yield func(netip.Prefix) bool) { slices.Values(blocked)(yield) }
	f.Set = New(f.options)
	f.write("b", "203.0.113.0/24")
	f.write("a", "192.0.2.1")
	f.refresh(true, "203.0.113.0/24 192.0.2.1/32", "")
	f.write("a", "192.0.2.1\n203.0.113.0/24\n")
	f.refresh(false, "203.0.113.0/24 192.0.2.1/32", "would lift more than 50 blocks at once: 51; its 1 entry stays as it was")
	blocked = blocked[1:]
	f.refresh(true, "203.0.113.0/24 192.0.2.1/32 203.0.113.0/24", "")
}
