package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// The values of which records and filters are made: few, so that they meet often.
var (
	someAddrs = []string{"203.0.113.1", "203.0.113.2", "203.0.113.200", "198.51.100.1", "2001:db8::1", "2001:db8::ffff", "2001:db8:1::1",
		"cb00:7100::1"} // the last sorts between the IPv4 addresses 203.0.113.0 and 203.0.113.255 as bytes
	someNetworks = []string{"203.0.113.1/32", "203.0.113.0/24", "203.0.113.0/25", "0.0.0.0/0", "::/0", "2001:db8::/32", "2001:db8::/64",
		"2001:db8::1/128", "::ffff:203.0.113.0/120", "192.0.2.0/24"}
	someUsers    = []string{"", `lab\anna`, `LAB\Anna`, `lab\bert`, "lab_anna", "müller", "MÜLLER", "100%", "a*b", "K"}
	userPatterns = []string{`lab\anna`, `LAB\*`, "*anna", "lab_anna", "lab?anna", "*", "**", "m*R", "MÜller", "*Ü*", "100%", "1*%", "a*b", "k"}
	someTexts    = []string{"", "deny", "DENY", "Drop", "Königreich", "KÖNIGREICH"}
)

func someRecords(n int, at time.Time) (list []Record) {
	r := rand.New(rand.NewPCG(1, 2)) // the same ones in every run
	pick := func(from []string) string { return from[r.IntN(len(from))] }
	for range n {
		rec := Record{Time: at.Add(time.Duration(r.IntN(100)-50) * time.Hour), Device: pick(someTexts), SrcPort: uint16(r.IntN(3)), DstPort: uint16(r.IntN(3)),
			SrcUser: pick(someUsers), SrcCountry: pick(someTexts), DstCountry: pick(someTexts), Action: pick(someTexts), Severity: pick(someTexts), Type: pick(someTexts),
			Subtype: pick(someTexts), Rule: pick(someTexts), ThreatID: pick(someTexts), Application: pick(someTexts), FromZone: pick(someTexts), ToZone: pick(someTexts),
			SessionEndReason: pick(someTexts), Outcome: Outcome(r.IntN(4)), Grade: Grade(r.IntN(3))}
		if r.IntN(10) > 0 {
			rec.Src, rec.Dst = addr(pick(someAddrs)), addr(pick(someAddrs))
		}
		if r.IntN(20) == 0 {
			rec.Time = at.Add(time.Duration(r.IntN(20000)-10000) * time.Hour) // without a partition
		}
		list = append(list, rec)
	}
	return list
}

// matches is what RecordFilter says, as plainly as it can be written.
func matches(f *RecordFilter, r *Record) bool {
	within := func(networks []netip.Prefix, a netip.Addr) bool {
		return len(networks) == 0 || slices.ContainsFunc(networks, func(p netip.Prefix) bool {
			p, err := canonical(p)
			return err == nil && p.Contains(a)
		})
	}
	fold := func(s string, ascii bool) string {
		return strings.Map(func(r rune) rune {
			if ascii && r > 127 {
				return r
			}
			return []rune(strings.ToLower(string(r)))[0]
		}, s)
	}
	isASCII := func(s string) bool { return !strings.ContainsFunc(s, func(r rune) bool { return r > 127 }) }
	same := func(wants []string, got ...string) bool {
		for _, want := range wants {
			for _, got := range got {
				if fold(want, isASCII(want)) == fold(got, isASCII(want)) {
					return true
				}
			}
		}
		return len(wants) == 0
	}
	outcome := len(f.Outcome) == 0 || slices.Contains(f.Outcome, r.Outcome)
	grade := len(f.Grade) == 0 || slices.Contains(f.Grade, r.Grade)
	port := func(wants []PortRange, got uint16) bool {
		return len(wants) == 0 || slices.ContainsFunc(wants, func(w PortRange) bool { return w.First <= got && got <= w.Last })
	}
	var like func(pattern, s string) bool
	like = func(pattern, s string) bool {
		if pattern == "" {
			return s == ""
		}
		if pattern[0] == '*' {
			return like(pattern[1:], s) || s != "" && like(pattern, s[1:])
		}
		return s != "" && s[0] == pattern[0] && like(pattern[1:], s[1:])
	}
	user := func(want string) bool { return like(fold(want, isASCII(want)), fold(r.SrcUser, isASCII(want))) }
	return (f.Since.IsZero() || !r.Time.Before(f.Since)) && (f.Until.IsZero() || r.Time.Before(f.Until)) &&
		within(f.Src, r.Src) && within(f.Dst, r.Dst) &&
		port(f.SrcPort, r.SrcPort) && port(f.DstPort, r.DstPort) &&
		same(f.SrcCountry, r.SrcCountry) && same(f.DstCountry, r.DstCountry) && same(f.Severity, r.Severity) &&
		same(f.Device, r.Device) && same(f.Action, r.Action) && same(f.Type, r.Type) &&
		same(f.Subtype, r.Subtype) && same(f.Rule, r.Rule) && same(f.ThreatID, r.ThreatID) &&
		same(f.Application, r.Application) && same(f.Zone, r.FromZone, r.ToZone) &&
		same(f.EndReason, r.SessionEndReason) && outcome && grade &&
		(len(f.User) == 0 || slices.ContainsFunc(f.User, user))
}

// drawFilter sets each field with a low probability, so that most filters match something.
func drawFilter(t *rapid.T, at time.Time) (f RecordFilter) {
	maybe := func(name string, set func()) {
		if rapid.IntRange(0, 5).Draw(t, name) == 0 {
			set()
		}
	}
	few := func(name string, to *[]string, of []string) {
		maybe(name, func() { *to = rapid.SliceOfN(rapid.SampledFrom(of), 1, 3).Draw(t, name) })
	}
	text := func(name string, to *[]string) { few(name, to, someTexts) }
	network := func(name string, to *[]netip.Prefix) {
		maybe(name, func() {
			for range rapid.IntRange(1, 3).Draw(t, name+" count") {
				*to = append(*to, netip.MustParsePrefix(rapid.SampledFrom(someNetworks).Draw(t, name)))
			}
		})
	}
	port := func(name string, to *[]PortRange) {
		maybe(name, func() {
			for range rapid.IntRange(1, 2).Draw(t, name+" count") {
				first := rapid.Uint16Range(0, 3).Draw(t, name)
				*to = append(*to, PortRange{First: first, Last: rapid.Uint16Range(first, 4).Draw(t, name+" last")})
			}
		})
	}
	moment := func(name string, to *time.Time) {
		maybe(name, func() { *to = at.Add(time.Duration(rapid.IntRange(-60, 60).Draw(t, name)) * time.Hour) })
	}
	moment("since", &f.Since)
	moment("until", &f.Until)
	network("src", &f.Src)
	network("dst", &f.Dst)
	port("src port", &f.SrcPort)
	port("dst port", &f.DstPort)
	text("src country", &f.SrcCountry)
	text("dst country", &f.DstCountry)
	text("severity", &f.Severity)
	text("device", &f.Device)
	text("action", &f.Action)
	text("type", &f.Type)
	text("subtype", &f.Subtype)
	text("rule", &f.Rule)
	text("threat id", &f.ThreatID)
	text("application", &f.Application)
	text("zone", &f.Zone)
	text("end reason", &f.EndReason)
	maybe("outcome", func() {
		f.Outcome = rapid.SliceOfN(rapid.SampledFrom([]Outcome{Refused, Answered, LateAnswer}), 1, 2).Draw(t, "outcome")
	})
	maybe("grade", func() { f.Grade = rapid.SliceOfN(rapid.SampledFrom([]Grade{Forgeable, Proven}), 1, 2).Draw(t, "grade") })
	few("user", &f.User, userPatterns)
	maybe("limit", func() { f.Limit = rapid.IntRange(0, 20).Draw(t, "limit") })
	return f
}

func TestSearchAgainstOracle(t *testing.T) {
	onAll(t, func(t *testing.T, db emptyDatabase) {
		at := noon()
		records := someRecords(3000, at)
		for i := range records {
			records[i].ID = int64(i + 1)
		}
		rest := records
		if db.Blocks { // a part was kept before
			before := db
			before.Blocks = false
			commit(t, before.open("one"), &Batch{Records: records[:1000]})
			rest = records[1000:]
		}
		s := db.open("one")
		if s.kind == kindSQLite { // a part as an earlier version kept it, the rest in several blocks
			insertRows(t, s, records[:1000])
			rest = records[1000:]
		}
		for some := range slices.Chunk(rest, 700) {
			commit(t, s, &Batch{Records: some})
			if db.Blocks && some[0].ID == 1001 { // and one is a file
				newStepper(t, s).seal()
				equal(t, "blocks", blocksLeft(t, s), 0)
			}
		}
		slices.SortFunc(records, func(a, b Record) int { return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(b.ID, a.ID)) })
		found := 0
		rapid.Check(t, func(rt *rapid.T) {
			f := drawFilter(rt, at)
			var want []Record
			for i := range records {
				if matches(&f, &records[i]) {
					want = append(want, records[i])
				}
			}
			if n, err := s.CountRecords(t.Context(), f); err != nil || n != int64(len(want)) {
				rt.Fatalf("%d records are counted, want %d: %v", n, len(want), err)
			}
			if f.Limit > 0 {
				want = want[:min(f.Limit, len(want))]
			}
			got := allRecords(t, s, f)
			found += len(got)
			if fmt.Sprint(got) != fmt.Sprint(want) {
				rt.Fatalf("%d records, want %d", len(got), len(want))
			}
		})
		if found == 0 {
			t.Error("no filter found anything")
		}
	})
}

// What a filter asks for and no record of its time has is named, with what they have.
func TestUnseen(t *testing.T) {
	onAll(t, func(t *testing.T, db emptyDatabase) {
		s, at := db.open("one"), noon()
		commit(t, s, &Batch{Records: []Record{
			{Time: at, Action: "deny", FromZone: "untrust", ToZone: "dmz", SrcUser: "anna"}, {Time: at, Action: "Drop"},
			{Time: at.Add(-time.Hour), Action: "allow"}, {Time: at.Add(time.Hour), Action: "reset-both"},
		}})
		if s.kind == kindSQLite {
			toRows(t, s, 1, false)
		}
		f := RecordFilter{Conditions: Conditions{Since: at, Until: at.Add(time.Minute), Action: []string{"drop", "DENY", "allow", ""}, Zone: []string{"DMZ", "trust"}, User: []string{"bob", "ANNA", "a*", "b*"}, Rule: []string{"x"}}}
		got, err := s.Unseen(context.Background(), f)
		must(t, err)
		equal(t, "unseen", got, []Unseen{{"src_user", "bob", nil}, {"src_user", "b*", nil}, {"action", "allow", []string{"Drop", "deny"}}, {"rule", "x", []string{}}, {"from_zone", "trust", []string{"dmz", "untrust"}}})
		// What a login has there is found, and not offered as what a session has.
		commit(t, s, &Batch{Records: []Record{{Time: at, Type: "TRAFFIC", Application: "ssl", SessionEndReason: "aged-out"}, {Time: at, Type: "SYSTEM", Application: "LDAP", SessionEndReason: "invalid password"}}})
		got, err = s.Unseen(context.Background(), RecordFilter{Conditions: Conditions{Since: at, Until: at.Add(time.Minute), Application: []string{"ssh", "ldap"}, EndReason: []string{"aged"}}})
		must(t, err)
		equal(t, "unseen of sessions", got, []Unseen{{"application", "ssh", []string{"ssl"}}, {"session_end_reason", "aged", []string{"aged-out"}}})
	})
}

// A search by file goes by what the files of all agents are called now, and tells it where it is asked to.
func TestRecordsAreFoundByTheirFile(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		one, at := db.open("one"), noon()
		read := func(s *Store, path string, id int64, device string) {
			commit(t, s, &Batch{Positions: []Position{{ID: id, Path: path}}, Records: []Record{{Time: at, File: id, Device: device}}})
		}
		read(one, "/var/log/Firewall/192.0.2.1.log", 1, "a")
		read(one, "/var/log/Firewall/192.0.2.1.log.1", 2, "b")
		read(one, "/srv/192.0.2.2.log", 3, "c")
		read(db.open("two"), "/var/log/Firewall/192.0.2.2.log", 1, "d")
		commit(t, one, &Batch{Records: []Record{{Time: at, File: 9, Device: "gone"}}})
		for want, files := range map[string][]string{
			"a": {"192.0.2.1.log"}, "b a": {"192.0.2.1.log*"}, "d c": {"192.0.2.2.log"}, "c": {"/srv/192.0.2.2.log"}, "d b a": {"/var/log/*"}, "d c a": {"nothing", "*.log"}, "": {"nothing", "192.0.2.1"},
		} {
			var got []string
			for _, r := range allRecords(t, one, RecordFilter{File: files}) {
				if got = append(got, r.Device); r.Path != "" {
					t.Errorf("a path that nobody asked for: %q", r.Path)
				}
			}
			equal(t, fmt.Sprint(files), strings.Join(got, " "), want)
		}
		var paths []string
		for _, r := range allRecords(t, one, RecordFilter{Paths: true}) {
			paths = append(paths, r.Path)
		}
		equal(t, "paths", paths, []string{"", "/var/log/Firewall/192.0.2.2.log", "/srv/192.0.2.2.log", "/var/log/Firewall/192.0.2.1.log.1", "/var/log/Firewall/192.0.2.1.log"})
		got, err := one.Unseen(t.Context(), RecordFilter{File: []string{"x.log", "*.1"}})
		must(t, err)
		equal(t, "unseen", got, []Unseen{{"file", "x.log", []string{"/srv/192.0.2.2.log", "/var/log/Firewall/192.0.2.1.log", "/var/log/Firewall/192.0.2.1.log.1", "/var/log/Firewall/192.0.2.2.log"}}})
	})
}

// A search ends when it has had its time, and what its caller does with the records does not count.
func TestASearchHasABound(t *testing.T) {
	onAll(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		commit(t, s, &Batch{Records: someRecords(3*searchPage, noon())})
		for name, f := range map[string]RecordFilter{"by time": {Within: time.Nanosecond}, "by source": {Within: time.Nanosecond, Conditions: Conditions{Src: []netip.Prefix{prefix("203.0.113.1")}}}} {
			if err := s.Records(t.Context(), f, func(*Record) error { return nil }); !errors.Is(err, ErrStopped) {
				t.Errorf("%s: %v", name, err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Records(ctx, RecordFilter{Within: time.Hour}, func(*Record) error { return nil }); !errors.Is(err, context.Canceled) || errors.Is(err, ErrStopped) {
			t.Errorf("cancelled: %v", err)
		}
	})
	path := filepath.Join(t.TempDir(), "test.db")
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(t.Context(), Options{Path: path})
		must(t, err)
		defer s.Close()
		commit(t, s, &Batch{Records: someRecords(3*searchPage, noon())})
		n := 0
		if err := s.Records(t.Context(), RecordFilter{Within: time.Second}, func(*Record) error { n++; time.Sleep(time.Minute); return nil }); err != nil || n != 3*searchPage {
			t.Errorf("%d records: %v", n, err)
		}
	})
}

func TestSearchStopsOnError(t *testing.T) {
	onAll(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		commit(t, s, &Batch{Records: someRecords(100, noon())})
		stop, calls := errors.New("stop"), 0
		err := s.Records(context.Background(), RecordFilter{}, func(*Record) error {
			calls++
			return stop
		})
		if !errors.Is(err, stop) || calls != 1 {
			t.Errorf("%d calls, then %v", calls, err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		err = s.Records(ctx, RecordFilter{}, func(*Record) error { cancel(); return nil })
		if !errors.Is(err, context.Canceled) || Transient(err) {
			t.Errorf("cancelled: %v", err)
		}
		// A reader may write: neither database makes it wait for itself.
		must(t, s.Records(context.Background(), RecordFilter{Limit: 3}, func(r *Record) error {
			_, err := s.Commit(context.Background(), &Batch{Records: []Record{*r}})
			return err
		}))
		if n := count(t, s); n < 101 {
			t.Errorf("%d records", n)
		}
	})
}

// A person may look at the first of many results for hours. SQLite cannot empty the WAL while somebody reads,
// and it must not fill the disk.
func TestReaderStandsStillAndWALStaysSmall(t *testing.T) {
	for name, read := range map[string]func(s *Store, fn func() error) error{
		"by time": func(s *Store, fn func() error) error {
			return s.Records(t.Context(), RecordFilter{}, func(*Record) error { return fn() })
		},
		"by source": func(s *Store, fn func() error) error {
			return s.Records(t.Context(), RecordFilter{Conditions: Conditions{Src: []netip.Prefix{prefix("203.0.113.1")}}}, func(*Record) error { return fn() })
		},
		"blacklist": func(s *Store, fn func() error) error {
			return s.Entries(t.Context(), EntryFilter{}, func(*Entry) error { return fn() })
		},
	} {
		t.Run(name, func(t *testing.T) {
			db := newSQLite(t)
			s := db.open("one")
			_, err := s.writer.ExecContext(t.Context(), `PRAGMA wal_autocheckpoint = 20`)
			must(t, err)
			b := &Batch{Records: someRecords(100, noon())}
			for i := range 10 {
				b.Blocks = append(b.Blocks, Block{Address: netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)}), 32)})
			}
			commit(t, s, b)
			stop := errors.New("stop")
			err = read(s, func() error {
				for range 40 {
					commit(t, s, &Batch{Records: b.Records})
				}
				return stop
			})
			if !errors.Is(err, stop) {
				t.Fatal(err)
			}
			info, err := os.Stat(db.Path + "-wal")
			must(t, err)
			if info.Size() > 1<<20 {
				t.Errorf("the WAL has %d KB", info.Size()>>10)
			}
		})
	}
}

// Pages begin and end anywhere, also among records of one time; what came before is not given again.
func TestSearchGoesOnFromPageToPage(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		at := noon()
		var b Batch
		for i := range 2*searchPage + 107 {
			b.Records = append(b.Records, line(at.Add(time.Duration(i/(searchPage+3))*time.Second), "203.0.113.1"))
			b.Blocks = append(b.Blocks, Block{Address: netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)}), 32)})
		}
		commit(t, s, &b)
		for _, f := range []RecordFilter{{}, {Conditions: Conditions{Src: []netip.Prefix{prefix("203.0.113.1")}}}, {Limit: 2*searchPage + 1},
			{Conditions: Conditions{Src: []netip.Prefix{prefix("203.0.113.0/24"), prefix("203.0.113.0/25")}}, Limit: 2 * searchPage}} {
			want := len(b.Records)
			if f.Limit > 0 {
				want = f.Limit
			}
			next := int64(len(b.Records))
			for _, r := range allRecords(t, s, f) {
				if r.ID != next {
					t.Fatalf("record %d where %d belongs", r.ID, next)
				}
				next--
			}
			equal(t, "records", len(b.Records)-int(next), want)
		}
		entries := allEntries(t, s, EntryFilter{})
		equal(t, "entries", len(entries), len(b.Blocks))
		for i, e := range entries[1:] {
			if e.ID >= entries[i].ID {
				t.Fatalf("entry %d after %d", e.ID, entries[i].ID)
			}
		}
		equal(t, "entries with a limit", len(allEntries(t, s, EntryFilter{Limit: searchPage + 1})), searchPage+1)
	})
}

// The stretches that a search on PostgreSQL goes through cover the time asked for, once and newest first.
func TestStretches(t *testing.T) {
	now := noon()
	rapid.Check(t, func(t *rapid.T) {
		moment := func(name string) (m time.Time) {
			if rapid.Bool().Draw(t, name+" set") {
				m = now.Add(time.Duration(rapid.Int64Range(-400*24*60, 5*24*60).Draw(t, name)) * time.Minute)
			}
			return m
		}
		since, until := moment("since"), moment("until")
		oldest := now.Add(-time.Duration(rapid.Int64Range(0, 100*24*60).Draw(t, "oldest")) * time.Minute)
		grow := rapid.Bool().Draw(t, "grow")
		list := stretches(since, until, now, oldest, grow)
		if !until.IsZero() && !since.Before(until) {
			if len(list) > 0 {
				t.Fatalf("nothing lies between, yet %v", list)
			}
			return
		}
		if len(list) == 0 || !list[0].To.Equal(until) || !list[len(list)-1].From.Equal(since) {
			t.Fatalf("from %v to %v: %v", since, until, list)
		}
		for i := range list[1:] {
			if !list[i].From.Equal(list[i+1].To) || !list[i].From.After(list[i+1].From) {
				t.Fatalf("a gap or an empty stretch at %d: %v", i, list)
			}
		}
		if limit := 14; grow && len(list) > limit {
			t.Fatalf("%d stretches", len(list))
		}
	})
}

func TestLastAddr(t *testing.T) {
	for in, want := range map[string]string{"203.0.113.0/24": "203.0.113.255", "203.0.113.7/32": "203.0.113.7", "0.0.0.0/0": "255.255.255.255",
		"198.51.100.128/29": "198.51.100.135", "2001:db8::/33": "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff"} {
		if got := lastAddr(netip.MustParsePrefix(in)); got != addr(want) {
			t.Errorf("last address of %s is %s, not %s", in, got, want)
		}
	}
}
