package edl

import (
	"activedefense/agent/durable"
	"activedefense/firewall/room"
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// In a pause nothing is served, and from its end on what is blocked, which came in the meantime too: after a restart without the store, and
// through another server in this process.
func TestAPauseIsOverWithoutTheStore(t *testing.T) {
	o, clk, _ := testOptions(t)
	first := mustNew(t, o)
	none := string(render(nil, first.opts.EmptyEntry))
	until := clk.now().Add(time.Hour)
	first.Publish(entries("192.0.2.1"), clk.now())
	first.PublishPaused(entries("192.0.2.1"), clk.now(), until)
	first.saveOnce()
	first.PublishPaused(entries("192.0.2.1", "192.0.2.2"), clk.now(), until)
	if first.saveOnce(); string(first.list().body) != none {
		t.Errorf("in the pause: %s", first.list().body)
	}
	o.After = first
	second := mustNew(t, o)
	o.After = nil
	third := mustNew(t, o)
	for _, s := range []*Server{second, third} {
		if n, _, err := s.LoadLastGood(); n != 0 || err != nil || string(s.list().body) != none {
			t.Errorf("after a restart: %d, %v, %s", n, err, s.list().body)
		}
	}
	paused := third.list()
	clk.move(time.Hour)
	for _, s := range []*Server{first, second, third} {
		if l := s.list(); string(l.body) != "192.0.2.1\n192.0.2.2\n" || l.etag == paused.etag || s.Status().Entries != 2 {
			t.Errorf("after the pause: %s", l.body)
		}
	}
	if n, _, err := mustNew(t, o).LoadLastGood(); n != 2 || err != nil {
		t.Errorf("a restart after the pause: %d, %v", n, err)
	}
	third.PublishPaused(entries("192.0.2.1"), clk.now(), clk.now().Add(time.Hour))
	third.Publish(entries("192.0.2.1"), clk.now())
	if string(third.list().body) != "192.0.2.1\n" {
		t.Errorf("resumed before its end: %s", third.list().body)
	}
}

// saved publishes a list, saves it as Run does, and returns the file's content.
func saved(t *testing.T, s *Server, list []Entry, at time.Time) []byte {
	t.Helper()
	s.Publish(list, at)
	if !s.saveOnce() {
		t.Fatal(s.Status().SaveError)
	}
	b, err := os.ReadFile(s.lastGoodFile())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestLastGoodIsServedAfterARestart(t *testing.T) {
	o, clk, _ := testOptions(t)
	first := mustNew(t, o)
	stop := run(t, first)
	first.Publish(manyEntries(500), clk.now())
	before := get(t, client(t, first), first)
	stop()
	if info, err := os.Stat(first.lastGoodFile()); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info, err)
	}

	savedAt := clk.now()
	clk.move(24 * time.Hour)
	second := mustNew(t, o)
	run(t, second)
	if a := get(t, client(t, second), second); a.status != 503 {
		t.Fatalf("before it is loaded: %+v", a)
	}
	n, at, err := second.LoadLastGood()
	if err != nil || n != 500 || !at.Equal(savedAt) {
		t.Fatalf("%d entries of %v, %v", n, at, err)
	}
	after := get(t, client(t, second), second)
	for _, key := range []string{"ETag", "Last-Modified", "Content-Length"} {
		if before.header.Get(key) != after.header.Get(key) {
			t.Errorf("%s: %q became %q", key, before.header.Get(key), after.header.Get(key))
		}
	}
	if after.body != before.body {
		t.Error("another list is served")
	}
	if st := second.Status(); !st.LastGood || !st.Loaded || !st.Updated.Equal(savedAt) {
		t.Errorf("status %+v", st)
	}

	// What the store says then takes its place, and the old one cannot come back.
	second.Publish(entries("192.0.2.1"), clk.now())
	if st := second.Status(); st.LastGood || st.Entries != 1 {
		t.Errorf("status %+v", st)
	}
	if _, _, err := second.LoadLastGood(); !errors.Is(err, ErrLoaded) || second.Status().Entries != 1 {
		t.Errorf("loaded over a newer list: %v", err)
	}
}

// What could not be saved is served on when the configuration is reloaded: the file is older than what firewalls have fetched.
func TestTheListGoesOnThroughAReloadThoughItCouldNotBeSaved(t *testing.T) {
	o, clk, _ := testOptions(t)
	first := mustNew(t, o)
	saved(t, first, manyEntries(500), clk.now())
	clk.move(time.Minute)
	full := first.lastGoodFile() + ".new" // where it would be written
	if err := os.MkdirAll(filepath.Join(full, "something"), 0o700); err != nil {
		t.Fatal(err)
	}
	first.Publish(manyEntries(700), clk.now())
	published := clk.now()
	run(t, first)
	before := get(t, client(t, first), first)
	waitFor(t, "the fetch is counted", func() bool { return first.Status().Fetches == 1 })
	fetched := first.Status()
	for n := range 2 { // nothing is saved in between, either
		o.After = first
		o.After = mustNew(t, o) // which is stopped before it serves anything
		next := mustNew(t, o)
		clk.move(time.Minute)
		if entries, at, err := next.LoadLastGood(); entries != 700 || err != nil || !at.Equal(published) {
			t.Fatalf("%d of %v, %v", entries, at, err)
		}
		if st := next.Status(); st.Fetches != fetched.Fetches || !st.LastFetch.Equal(fetched.LastFetch) || len(st.Clients) != 1 {
			t.Errorf("reload %d: who fetched it is %+v, was %+v", n, st, fetched)
		}
		run(t, next)
		after := get(t, client(t, next), next)
		waitFor(t, "the fetch is counted", func() bool { return next.Status().Fetches == fetched.Fetches+1 })
		fetched = next.Status()
		if after.body != before.body || after.header.Get("ETag") != before.header.Get("ETag") || after.header.Get("Last-Modified") != before.header.Get("Last-Modified") {
			t.Errorf("reload %d: another list is served: %v, then %v", n, before.header, after.header)
		}
		first = next
	}
	if err := os.Rename(full, full+".away"); err != nil { // at once, for the running one may save at any moment
		t.Fatal(err)
	}
	if !first.saveOnce() {
		t.Fatal(first.Status().SaveError)
	}
	o.After = nil
	if n, _, err := mustNew(t, o).LoadLastGood(); n != 700 || err != nil {
		t.Errorf("saved later: %d, %v", n, err)
	}
}

func TestLastGoodMissing(t *testing.T) {
	o, _, _ := testOptions(t)
	s := mustNew(t, o)
	if _, _, err := s.LoadLastGood(); !errors.Is(err, os.ErrNotExist) || s.Status().Loaded {
		t.Fatalf("%v", err)
	}
}

// A pipe in its place is not waited for, at the start as when it is looked up, and the next list takes its place.
func TestLastGoodIsNoPipe(t *testing.T) {
	o, clk, _ := testOptions(t)
	saved(t, mustNew(t, o), nil, clk.now())
	pipe(t, o.StateDir, "blacklist.txt")
	s := mustNew(t, o)
	if _, _, err := s.LoadLastGood(); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Fatalf("%v", err)
	}
	saved(t, s, manyEntries(2), clk.now())
	if n, _, err := mustNew(t, o).LoadLastGood(); n != 2 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

func TestEmptyListIsKeptToo(t *testing.T) {
	o, clk, _ := testOptions(t)
	saved(t, mustNew(t, o), nil, clk.now())
	s := mustNew(t, o)
	if n, _, err := s.LoadLastGood(); n != 0 || err != nil || !s.Status().Loaded {
		t.Fatalf("%d %v", n, err)
	}
}

// Cut off anywhere, the file is refused: a part of the list is not the list.
func TestTruncatedLastGoodIsRefused(t *testing.T) {
	o, clk, _ := testOptions(t)
	s := mustNew(t, o)
	b := saved(t, s, manyEntries(20), clk.now())
	for n := range len(b) {
		if _, err := decodeLastGood(b[:n]); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "checksum") {
			t.Fatalf("the first %d of %d bytes: %v", n, len(b), err)
		}
	}
	if err := os.WriteFile(s.lastGoodFile(), b[:len(b)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	next := mustNew(t, o)
	if _, _, err := next.LoadLastGood(); !errors.Is(err, ErrDamaged) || next.Status().Loaded {
		t.Fatalf("%v", err)
	}
}

// What is too large is refused before any of it is in memory.
func TestHugeLastGoodIsRefusedUnread(t *testing.T) {
	o, _, _ := testOptions(t)
	s := mustNew(t, o)
	f, err := os.Create(s.lastGoodFile())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(1 << 40); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err = s.LoadLastGood()
	runtime.ReadMemStats(&after)
	if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "larger") || s.Status().Loaded {
		t.Errorf("%v", err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d bytes were allocated", n)
	}
}

func TestChangedLastGoodIsRefused(t *testing.T) {
	o, clk, _ := testOptions(t)
	b := saved(t, mustNew(t, o), entries("192.0.2.1", "192.0.2.2", "2001:db8::/32"), clk.now())
	for i := range b {
		changed := slices.Clone(b)
		changed[i] ^= 1
		if _, err := decodeLastGood(changed); !errors.Is(err, ErrDamaged) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
	}
	lines := bytes.SplitAfter(b, []byte("\n"))
	without := slices.Concat(lines[0], lines[2], lines[3], lines[4])
	if _, err := decodeLastGood(without); !errors.Is(err, ErrDamaged) {
		t.Errorf("a line removed: %v", err)
	}
	if _, err := decodeLastGood(append(slices.Clone(b), "192.0.2.9 1\n"...)); !errors.Is(err, ErrDamaged) {
		t.Errorf("a line appended: %v", err)
	}
}

// Even with a checksum that fits, what is not such a file is refused.
func TestWellSummedNonsenseIsRefused(t *testing.T) {
	title := strings.TrimSuffix(string((&lastGood{since: time.Unix(0, 0), updated: time.Unix(0, 0), etag: `"x"`}).encode()), "\n")
	title, _, _ = strings.Cut(title, "\n")
	one := strings.Replace(title, "entries=0", "entries=1", 1) + "\n"
	for name, text := range map[string]string{
		"another title":        "# something else\n",
		"later version":        strings.Replace(one, "list 1 ", "list 2 ", 1) + "192.0.2.1 1\n",
		"too few entries":      one,
		"too many entries":     one + "192.0.2.1 1\n192.0.2.2 1\n",
		"no address":           one + "example 1\n",
		"no time":              one + "192.0.2.1\n",
		"bits behind mask":     strings.Replace(one, "x", "y", 1) + "192.0.2.1/24 01\n",
		"single with mask":     one + "192.0.2.1/32 1\n",
		"absurd count":         strings.Replace(title, "entries=0", "entries=999999999999999", 1) + "\n",
		"negative count":       strings.Replace(title, "entries=0", "entries=-1", 1) + "\n",
		"not a time of change": strings.Replace(one, "since=1970", "since=never", 1) + "192.0.2.1 1\n",
	} {
		if _, err := decodeLastGood(summed(text)); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if l, err := decodeLastGood(summed(one + "192.0.2.1 1\n")); err != nil || len(l.entries) != 1 {
		t.Errorf("the good one: %v", err)
	}
}

func TestLastGoodRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var list []Entry
		for _, p := range rapid.SliceOfN(rapid.Custom(drawPrefix), 0, 30).Draw(t, "prefixes") {
			list = append(list, Entry{Prefix: p, LastSeen: time.Unix(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "seen"), 0).UTC(),
				Rank: room.Rank(rapid.IntRange(-2, 1).Draw(t, "rank"))})
		}
		list, _ = arrange(list, 0)
		want := &lastGood{
			updated: time.Unix(rapid.Int64Range(0, 1<<32).Draw(t, "updated"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC(),
			since:   time.Unix(rapid.Int64Range(0, 1<<32).Draw(t, "since"), 0).UTC(),
			exact:   rapid.Bool().Draw(t, "exact"), etag: entityTag(render(list, netip.IPv4Unspecified())),
			left: rapid.IntRange(0, 1<<30).Draw(t, "left"), entries: list,
		}
		got, err := decodeLastGood(want.encode())
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.entries, want.entries) || !got.updated.Equal(want.updated) || !got.since.Equal(want.since) ||
			got.exact != want.exact || got.etag != want.etag || got.left != want.left {
			t.Fatalf("got %+v\nwant %+v", got, want)
		}
	})
}

// The file keeps rank and activity, so that a smaller limit cuts rightly also without the store.
func TestLastGoodWithASmallerLimit(t *testing.T) {
	o, clk, log := testOptions(t)
	list := entries("192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1")
	list[1].LastSeen = list[1].LastSeen.Add(-time.Hour)
	list[0].LastSeen = list[0].LastSeen.Add(-time.Minute)
	list[0].Rank, list[2].Rank = room.Manual, room.Forgeable
	saved(t, mustNew(t, o), list, clk.now())
	o.MaxEntries = 2
	s := mustNew(t, o)
	n, _, err := s.LoadLastGood()
	if st := s.Status(); err != nil || n != 2 || st.LeftOut != 2 || string(s.current.Load().body) != "192.0.2.1\n2001:db8::1\n" {
		t.Fatalf("%d %v %+v", n, err, st)
	}
	if log.count("exceeds max_entries") != 1 {
		t.Error("not logged")
	}
}

// The allow-list of today wins over the list of yesterday.
func TestLastGoodAsksWhatMayBeBlocked(t *testing.T) {
	o, clk, _ := testOptions(t)
	saved(t, mustNew(t, o), entries("192.0.2.1", "203.0.113.5"), clk.now())
	o.MayBlock = func(p netip.Prefix) bool { return p.Addr().String() != "203.0.113.5" }
	s := mustNew(t, o)
	if n, _, err := s.LoadLastGood(); n != 1 || err != nil || string(s.current.Load().body) != "192.0.2.1\n" {
		t.Fatalf("%d %v %s", n, err, s.current.Load().body)
	}
}

// What was served is in the file, so that a kill at any moment leaves nothing out. A disk that hangs holds up a list for a moment, and none after it
// until it goes on.
func TestWhatIsServedWasSavedBefore(t *testing.T) {
	o, _, log := testOptions(t)
	synctest.Test(t, func(t *testing.T) {
		o.Now = time.Now
		s := mustNew(t, o)
		write, hangs := s.saver.write, make(chan struct{})
		close(hangs)
		s.saver.write = func(path string, data []byte) error {
			<-hangs
			<-time.After(20 * time.Millisecond)
			return write(path, data)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); s.saveLoop(ctx) }()
		synctest.Wait()
		publish := func(n int) (took time.Duration) {
			began := time.Now()
			s.Publish(manyEntries(n), time.Now())
			if st := s.Status(); st.Entries != n {
				t.Errorf("%d entries are served, not %d", st.Entries, n)
			}
			return time.Since(began)
		}
		for n := range 50 {
			publish(n + 1)
			if l, err := readLastGood(s.lastGoodFile()); err != nil || len(l.entries) < n+1 {
				t.Fatalf("%d entries are served, and saved is %+v, %v", n+1, l, err)
			}
		}
		if took := publish(49); took > 0 {
			t.Errorf("a list that has lost an entry waits for %s", took)
		}
		<-time.After(time.Second)
		hangs = make(chan struct{})
		if took := publish(60); took != savePatience {
			t.Errorf("a disk that hangs holds the list up for %s", took)
		}
		for n := range 3 {
			if took := publish(61 + n); took > 0 {
				t.Errorf("a disk that hangs holds a further list up for %s", took)
			}
		}
		close(hangs)
		<-time.After(time.Second)
		publish(70)
		if l, err := readLastGood(s.lastGoodFile()); err != nil || len(l.entries) != 70 {
			t.Errorf("when the disk goes on, saved is %+v, %v", l, err)
		}
		cancel()
		<-done
		if took := publish(71); took > 0 || log.count("cannot be saved") > 0 {
			t.Errorf("with nobody who saves, it waits for %s", took)
		}
	})
}

// A list that is published while another one is being written, and has the content of the one before, was in the file when
// it was marked, and is not any more.
func TestListThatComesBackWhileAnotherIsBeingSavedIsSaved(t *testing.T) {
	o, clk, _ := testOptions(t)
	s := mustNew(t, o)
	saved(t, s, entries("192.0.2.1"), clk.now())
	s.Publish(entries("192.0.2.2"), clk.now())
	<-s.saver.wake
	writing := s.saver.take()
	s.Publish(entries("192.0.2.1"), clk.now())
	s.saver.done(writing, durable.Write(s.lastGoodFile(), writing.encode(), 0o600, (*os.File).Sync), clk.now())
	select {
	case <-s.saver.wake:
	default:
		t.Error("the file keeps a list that is not served any more")
	}
}

// Content that does not change is written once an hour, to tell until when it was right.
func TestUnchangedListIsSavedOnceAnHour(t *testing.T) {
	o, _, _ := testOptions(t)
	synctest.Test(t, func(t *testing.T) {
		o.Now = time.Now
		s := mustNew(t, o)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); s.saveLoop(ctx) }()
		writes, before := 0, time.Time{}
		for range 180 {
			s.Publish(manyEntries(3), time.Now())
			synctest.Wait()
			if at := s.Status().Saved; !at.Equal(before) {
				before = at
				writes++
			}
			<-time.After(time.Minute)
		}
		if writes != 3 {
			t.Errorf("%d writes within 3 h", writes)
		}
		last := s.Status().Updated
		cancel()
		<-done
		if l, err := readLastGood(s.lastGoodFile()); err != nil || !l.updated.Equal(last) {
			t.Errorf("at the end: %+v %v", l, err)
		}
	})
}

func TestFailureToSaveIsToldOnceAndTriedAgain(t *testing.T) {
	o, _, log := testOptions(t)
	synctest.Test(t, func(t *testing.T) {
		o.Now = time.Now
		s := mustNew(t, o)
		// A folder in the place of the file cannot be replaced by rename, not even by root.
		if err := os.MkdirAll(filepath.Join(s.lastGoodFile(), "x"), 0o700); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); s.saveLoop(ctx) }()
		s.Publish(entries("192.0.2.1"), time.Now())
		<-time.After(time.Minute)
		synctest.Wait()
		st := s.Status()
		if st.SaveError == "" || !st.Saved.IsZero() || !st.Loaded || log.count("cannot be saved") != 1 {
			t.Errorf("%+v, logged %d times", st, log.count("cannot be saved"))
		}
		if _, err := os.Stat(s.lastGoodFile() + ".new"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a temporary file stays: %v", err)
		}
		if err := os.RemoveAll(s.lastGoodFile()); err != nil {
			t.Fatal(err)
		}
		<-time.After(saveRetry + time.Second)
		synctest.Wait()
		if st := s.Status(); st.SaveError != "" || st.Saved.IsZero() {
			t.Errorf("after it is mended: %+v", st)
		}
		cancel()
		<-done
	})
}

// A crash while writing leaves the old file and a temporary one, which does not stand in the way.
func TestLeftoverTemporaryFile(t *testing.T) {
	o, clk, _ := testOptions(t)
	s := mustNew(t, o)
	if err := os.WriteFile(s.lastGoodFile()+".new", []byte("half"), 0o644); err != nil {
		t.Fatal(err)
	}
	saved(t, s, entries("192.0.2.1"), clk.now())
	if info, err := os.Stat(s.lastGoodFile()); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info, err)
	}
}

func FuzzLastGood(f *testing.F) {
	list, _ := arrange(manyEntries(20), 0)
	f.Add((&lastGood{updated: time.Unix(1, 5), since: time.Unix(1, 0), etag: `"e"`, entries: list}).encode())
	f.Add((&lastGood{updated: time.Unix(1, 5), since: time.Unix(1, 0), etag: `"e"`, left: 3, exact: true}).encode())
	f.Add([]byte("192.0.2.1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		check := func(b []byte) {
			l, err := decodeLastGood(b)
			if err == nil && !bytes.Equal(l.encode(), b) {
				t.Fatalf("accepted what is not written so:\n%q\n%q", b, l.encode())
			}
			if err != nil && !errors.Is(err, ErrDamaged) {
				t.Fatalf("%v", err)
			}
		}
		check(b)
		check(summed(string(b))) // the checksum hides the rest of the reader from the fuzzer
	})
}
