package block

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// written writes a file of records, in small groups and pages, and opens it.
func written(t testing.TB, path string, groupRows, pageRows int, batches ...[]Record) *File {
	t.Helper()
	info := write(t, path, groupRows, pageRows, batches...)
	f, err := Open(path, info)
	must(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

func write(t testing.TB, path string, groupRows, pageRows int, batches ...[]Record) FileInfo {
	t.Helper()
	w, err := Create(path)
	must(t, err)
	w.groupRows, w.pageRows = groupRows, pageRows
	for _, list := range batches {
		must(t, w.Append(columnsOf(list), time.Time{}, time.Time{}))
	}
	info, err := w.Close()
	must(t, err)
	return info
}

func columnsOf(list []Record) *Columns {
	c := new(Columns)
	for i := range list {
		c.Append(&list[i])
	}
	return c
}

// blockOf encodes records, which have one agent and ids that follow each other.
func blockOf(t testing.TB, list []Record) Block {
	e, _ := newCoders(t)
	data, info, err := e.Encode(nil, list)
	must(t, err)
	return Block{Info: info, FirstID: list[0].ID, Agent: list[0].Agent, Load: func(context.Context) ([]byte, error) { return data, nil }}
}

// newestFirst sorts records as a search gives them.
func newestFirst(list []Record) []Record {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Record) int {
		return keyOf(b).compare(keyOf(a))
	})
	return list
}

// matches is what Filter says, as plainly as it can be written.
func matches(f *Filter, r *Record) bool {
	within := func(networks []netip.Prefix, a netip.Addr) bool {
		return len(networks) == 0 || slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	port := func(ranges []PortRange, p uint16) bool {
		return len(ranges) == 0 || slices.ContainsFunc(ranges, func(r PortRange) bool { return r.First <= p && p <= r.Last })
	}
	same := func(want []string, got ...string) bool {
		return len(want) == 0 || slices.ContainsFunc(want, func(w string) bool {
			return slices.ContainsFunc(got, func(g string) bool { return MatchText(w, g, false) })
		})
	}
	return (f.Since.IsZero() || !r.Time.Before(f.Since)) && (f.Until.IsZero() || r.Time.Before(f.Until)) && within(f.Src, r.Src) && within(f.Dst, r.Dst) &&
		port(f.SrcPort, r.SrcPort) && port(f.DstPort, r.DstPort) && same(f.SrcCountry, r.SrcCountry) && same(f.DstCountry, r.DstCountry) &&
		same(f.Severity, r.Severity) && same(f.Device, r.Device) && same(f.Action, r.Action) && same(f.Type, r.Type) && same(f.Subtype, r.Subtype) &&
		same(f.Rule, r.Rule) && same(f.ThreatID, r.ThreatID) && same(f.Application, r.Application) && same(f.Zone, r.FromZone, r.ToZone) && same(f.EndReason, r.SessionEndReason) &&
		(len(f.User) == 0 || slices.ContainsFunc(f.User, func(w string) bool { return MatchText(w, r.SrcUser, true) })) &&
		(len(f.Outcome) == 0 || slices.Contains(f.Outcome, r.Outcome)) && (len(f.Grade) == 0 || slices.Contains(f.Grade, r.Grade)) &&
		(f.Files == nil || slices.Contains(f.Files, FileKey{r.Agent, r.File}))
}

// drawFilter sets each field seldom, so that most filters match something.
func drawFilter(t *rapid.T) (f Filter) {
	maybe := func(name string) bool { return rapid.IntRange(0, 6).Draw(t, name) == 0 }
	for _, to := range []*time.Time{&f.Since, &f.Until} {
		if maybe("time") {
			*to = noon().Add(time.Duration(rapid.IntRange(-2000, 2000).Draw(t, "minutes"))*time.Minute + time.Duration(rapid.IntRange(-1, 1).Draw(t, "ns")))
		}
	}
	networks := []string{"203.0.113.1/32", "203.0.113.0/24", "203.0.113.0/25", "0.0.0.0/0", "::/0", "2001:db8::/32", "2001:db8::/64", "2001:db8::1/128", "192.0.2.0/24", "198.51.100.1/32", "0.0.0.0/32", "192.0.2.7/32"}
	for name, to := range map[string]*[]netip.Prefix{"src": &f.Src, "dst": &f.Dst} {
		if maybe(name) {
			for range rapid.IntRange(1, 3).Draw(t, "networks") {
				*to = append(*to, netip.MustParsePrefix(rapid.SampledFrom(networks).Draw(t, name)))
			}
		}
	}
	for name, to := range map[string]*[]PortRange{"src port": &f.SrcPort, "dst port": &f.DstPort} {
		if maybe(name) {
			first := rapid.Uint16Range(0, 3).Draw(t, name)
			*to = append(*to, PortRange{first, rapid.Uint16Range(first, 4).Draw(t, "last")}, PortRange{65535, 65535})
		}
	}
	texts := []string{"", "deny", "DROP", "königreich", `LAB\ANNA`, "a*b", "100%", "nothing", "k"}
	for i, to := range []*[]string{&f.SrcCountry, &f.DstCountry, &f.Severity, &f.Device, &f.Action, &f.Type, &f.Subtype, &f.Rule, &f.ThreatID, &f.Application, &f.Zone, &f.EndReason} {
		if rapid.IntRange(0, 12).Draw(t, fmt.Sprint("text ", i)) == 0 {
			*to = rapid.SliceOfN(rapid.SampledFrom(texts), 1, 3).Draw(t, "texts")
		}
	}
	if maybe("user") {
		f.User = rapid.SliceOfN(rapid.SampledFrom([]string{"user 1*", "*anna", "*", "deny", "K*reich", "*Ö*"}), 1, 2).Draw(t, "users")
	}
	if maybe("outcome") {
		f.Outcome = []Outcome{Outcome(rapid.IntRange(0, 4).Draw(t, "of"))}
	}
	if maybe("grade") {
		f.Grade = []Grade{Grade(rapid.IntRange(0, 3).Draw(t, "of")), Proven}
	}
	if maybe("files") {
		f.Files = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) FileKey {
			return FileKey{rapid.Int64Range(1, 3).Draw(t, "agent"), rapid.Int64Range(0, 4).Draw(t, "id")}
		}), 0, 4).Draw(t, "files")
	}
	return f
}

// spread puts records into blocks and into files of many groups, whose times overlap.
func spread(t testing.TB, all []Record) (from Sources) {
	n := len(all) / 2
	for i := range all[n:] {
		all[n+i].Agent = 1 // those of a block have one
	}
	for some := range slices.Chunk(all[n:], 97) {
		from.Blocks = append(from.Blocks, blockOf(t, some))
	}
	folder := t.TempDir()
	for i, sizes := range [][2]int{{100, 7}, {64, 64}, {250, 100}} {
		from.Files = append(from.Files, written(t, filepath.Join(folder, fmt.Sprintf("%d.parquet", i)), sizes[0], sizes[1], all[n*i/3:n*i/3+20], all[n*i/3+20:n*(i+1)/3]))
	}
	return from
}

// Whatever is asked for, a search gives what a look at every record gives, in the same order, and a count says how many there are; also where less may be
// held than is found.
func TestASearchFindsWhatThereIs(t *testing.T) {
	all := odd(1000, 7)
	from := spread(t, all)
	sorted := newestFirst(all)
	found, passes := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		f, limit := drawFilter(rt), rapid.SampledFrom([]int{0, 0, 1, 5, 100}).Draw(rt, "limit")
		var want []Record
		for i := range sorted {
			if matches(&f, &sorted[i]) {
				want = append(want, sorted[i])
			}
		}
		n, err := Count(t.Context(), from, f)
		must(t, err)
		if n != int64(len(want)) {
			rt.Fatalf("%d records counted, want %d", n, len(want))
		}
		if limit > 0 {
			want = want[:min(limit, len(want))]
		}
		s := newSearch(from, &f, false)
		s.hold = rapid.SampledFrom([]int{mostPending, 40, 3}).Draw(rt, "hold")
		var got []Record
		must(t, s.run(t.Context(), limit, func(r *Record) error { got = append(got, *r); return nil }))
		if found += len(got); s.hold < len(got) {
			passes++
		}
		if len(got) != len(want) {
			rt.Fatalf("%d records, want %d", len(got), len(want))
		}
		for i := range got {
			if got[i] != want[i] {
				rt.Fatalf("record %d is\n%+v, want\n%+v", i, got[i], want[i])
			}
		}
	})
	if found == 0 || passes == 0 {
		t.Errorf("%d records were found, %d times more than may be held", found, passes)
	}
}

// In the order of ids all that matches is given, once, whatever may be held.
func TestByID(t *testing.T) {
	all := odd(800, 11)
	from := spread(t, all)
	for _, f := range []Filter{{}, {Since: noon().Add(-1000 * time.Minute), Until: noon().Add(300 * time.Minute)}, {Action: []string{"deny"}}} {
		for _, hold := range []int{mostGathered, 40, 3} {
			var want, got []Record
			for i := range all { // ids grow
				if matches(&f, &all[i]) {
					want = append(want, all[i])
				}
			}
			o := &inOrder{search: newSearch(from, &f, true), hold: hold, fn: func(r *Record) error { got = append(got, *r); return nil }}
			must(t, o.run(t.Context()))
			if len(got) == 0 || !slices.Equal(got, want) {
				t.Errorf("%+v, of which %d may be held: %d records, want %d", f, hold, len(got), len(want))
			}
		}
	}
	n := int64(0)
	must(t, ByID(t.Context(), from, Filter{}, func(r *Record) error {
		if n++; r.ID != n {
			t.Fatalf("record %d where %d belongs", r.ID, n)
		}
		return nil
	}))
}

// More than may be held at once is found all the same, where groups follow each other too.
func TestASearchGoesOnBelowWhatItHolds(t *testing.T) {
	list := sessions(1).some(300)
	for name, from := range map[string]Sources{
		"file": {Files: []*File{written(t, filepath.Join(t.TempDir(), "a"), 100, 20, list)}}, "block": {Blocks: []Block{blockOf(t, list)}},
	} {
		for _, limit := range []int{0, 250} {
			s := newSearch(from, &Filter{}, false)
			s.hold = 7
			next, n := int64(300), 0
			must(t, s.run(t.Context(), limit, func(r *Record) error {
				if n++; r.ID != next {
					t.Fatalf("%s: record %d where %d belongs", name, r.ID, next)
				}
				next--
				return nil
			}))
			if want := map[int]int{0: 300, 250: 250}[limit]; n != want {
				t.Errorf("%s: %d records, want %d", name, n, want)
			}
		}
	}
}

// What is newest is given before older files are read, and nothing more is read when it is enough or nobody waits for it.
func TestASearchReadsWhatItNeeds(t *testing.T) {
	g := sessions(1)
	var from Sources
	loads := make(chan int64, 1000)
	for range 100 {
		b := blockOf(t, g.some(2000)) // a second each
		load := b.Load
		b.Load = func(ctx context.Context) ([]byte, error) { loads <- b.FirstID; return load(ctx) }
		from.Blocks = append(from.Blocks, b)
	}
	read := func(what string, most int) {
		t.Helper()
		if n := len(loads); n > most || n == 0 {
			t.Errorf("%s: %d blocks were read", what, n)
		}
		for len(loads) > 0 {
			<-loads
		}
	}
	var last Record
	must(t, Search(t.Context(), from, Filter{}, 10, func(r *Record) error { last = *r; return nil }))
	if last.ID != 200_000-9 {
		t.Errorf("the tenth is %d", last.ID)
	}
	read("a limit", 20)
	enough, n := errors.New("enough"), 0
	if err := Search(t.Context(), from, Filter{}, 0, func(*Record) error { n++; return enough }); !errors.Is(err, enough) || n != 1 {
		t.Errorf("%d calls, then %v", n, err)
	}
	read("an error", 1)
	ctx, cancel := context.WithCancel(t.Context())
	if err := Search(ctx, from, Filter{}, 0, func(*Record) error { cancel(); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	read("cancelled", 20)
	hangs := from.Blocks[97] // what is newest is in the two after it
	from.Blocks[97].Load = func(ctx context.Context) ([]byte, error) { loads <- 0; <-ctx.Done(); return nil, ctx.Err() }
	must(t, Search(t.Context(), from, Filter{}, 10, func(*Record) error { return nil }))
	read("one that hangs", 20)
	from.Blocks[97] = hangs
	must(t, Search(t.Context(), from, Filter{Since: noon().Add(50 * time.Second), Until: noon().Add(52 * time.Second)}, 0, func(*Record) error { return nil }))
	read("two seconds", 6) // each for its places and for its records
}

// Where all of them is given, in either order, blocks are read once, but for some whose last record has the time of the first of the next: how many
// hangs on which core comes first. Places and records read by themselves would be twice as many.
func TestBlocksAreReadOnce(t *testing.T) {
	g := sessions(1)
	var from Sources
	var loads atomic.Int64
	for range 60 {
		b := blockOf(t, g.some(500))
		load := b.Load
		b.Load = func(ctx context.Context) ([]byte, error) { loads.Add(1); return load(ctx) }
		from.Blocks = append(from.Blocks, b)
	}
	for name, read := range map[string]func(fn func(*Record) error) error{
		"by time": func(fn func(*Record) error) error { return Search(t.Context(), from, Filter{}, 0, fn) },
		"by id":   func(fn func(*Record) error) error { return ByID(t.Context(), from, Filter{}, fn) },
	} {
		loads.Store(0)
		n := 0
		must(t, read(func(*Record) error { n++; return nil }))
		if n != 60*500 || loads.Load() > 90 {
			t.Errorf("%s: %d records, %d blocks were read", name, n, loads.Load())
		}
	}
}

// A block that may have something has those columns decoded that are asked for.
func TestASearchDecodesWhatItAsksFor(t *testing.T) {
	from := Sources{Blocks: []Block{blockOf(t, sessions(1).some(2000))}}
	for name, c := range map[string]struct {
		f    Filter
		want []int
	}{
		"nobody":  {Filter{User: []string{"nobody"}}, nil},
		"a port":  {Filter{DstPort: []PortRange{{1, 1}}}, []int{colDstPort}},
		"a user":  {Filter{User: []string{`example\user1`}, Src: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}}, []int{colSrc}},
		"a time":  {Filter{Since: noon().Add(time.Second), Action: []string{"deny"}, DstCountry: []string{"nowhere"}}, nil},
		"a count": {Filter{Action: []string{"deny"}}, []int{firstText + 3}},
	} {
		s := newSearch(from, &c.f, false)
		_, err := s.count(t.Context())
		must(t, err)
		var got []int
		for column, is := range s.decoded[0].loaded {
			if is {
				got = append(got, column)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: the columns %v are decoded, want %v", name, got, c.want)
		}
		s.close()
	}
}

// What cannot be read is named, and everything else is found.
func TestASearchGoesAroundDamage(t *testing.T) {
	g := scans(1)
	folder := t.TempDir()
	good, bad := written(t, filepath.Join(folder, "good.parquet"), 100, 50, g.some(300)), written(t, filepath.Join(folder, "bad.parquet"), 100, 50, g.some(300))
	block := blockOf(t, g.some(100))
	gone := blockOf(t, g.some(100))
	gone.Load = func(context.Context) ([]byte, error) { return nil, errors.New("its row is gone") }
	cut := blockOf(t, g.some(100))
	load := cut.Load
	cut.Load = func(ctx context.Context) ([]byte, error) { data, err := load(ctx); return data[:50], err }
	truncate(t, bad.Path(), 1000)
	n := 0
	err := Search(t.Context(), Sources{Files: []*File{good, bad}, Blocks: []Block{block, gone, cut}}, Filter{}, 0, func(*Record) error { n++; return nil })
	if n != 400 || !errors.Is(err, ErrDamaged) {
		t.Errorf("%d records, %v", n, err)
	}
	for _, want := range []string{"bad.parquet", "cut short", "records 701 to 800: its row is gone", "records 801 to 900"} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%q is not said in: %v", want, err)
		}
	}
	everyPort := Filter{DstPort: []PortRange{{0, 65535}}} // so that something is read
	if n, err := Count(t.Context(), Sources{Files: []*File{good, bad}}, everyPort); n != 300 || !errors.Is(err, ErrDamaged) {
		t.Errorf("%d records counted, %v", n, err)
	}
}
