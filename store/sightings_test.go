package store

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"testing"
	"time"
)

func sightings(t testing.TB, s *Store, in ...Interval) (list []Record) {
	t.Helper()
	must(t, s.Sightings(context.Background(), in, nil, func(r *Record) error {
		list = append(list, *r)
		return nil
	}))
	return list
}

// seen lists ids and sources.
func seen(list []Record) (out []string) {
	for _, r := range list {
		out = append(out, fmt.Sprint(r.ID, " ", r.Src))
	}
	return out
}

func TestSightingsInOrderOfCommit(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s, other := db.open("one"), db.open("two")
		at := noon()
		full := line(at.Add(time.Minute), "203.0.113.1")
		full.Type, full.Subtype, full.Severity, full.Repeat = "THREAT", "vulnerability", "critical", 3
		full.Direction, full.ThreatID, full.Application, full.FromZone, full.SessionEndReason = "server-to-client", "40017", "ssl", "internet", "threat"
		full.Protocol, full.Outcome, full.Grade, full.SrcUser, full.ThreatName, full.ToZone = TCP, Refused, Proven, "pre-logon", "SSH", "dmz"
		full.Category, full.Client = "brute-force", "203.0.113.77"
		commit(t, s, &Batch{Records: []Record{full, line(at, "203.0.113.2"), {Time: at}}})
		commit(t, other, &Batch{Records: []Record{line(at, "203.0.113.3")}}) // not ours
		commit(t, s, &Batch{Records: []Record{line(at.Add(-time.Hour), "203.0.113.4"), line(at.Add(time.Hour), "203.0.113.5"), line(at.Add(-2*oneDay), "203.0.113.6")}})

		around := Interval{at.Add(-time.Minute), at.Add(2 * time.Minute)}
		want := Record{ID: 1, Time: full.Time, Device: full.Device, Src: full.Src, Dst: full.Dst, SrcPort: full.SrcPort, DstPort: full.DstPort, Type: full.Type,
			Subtype: full.Subtype, Direction: full.Direction, Severity: full.Severity, Action: full.Action, Rule: full.Rule, ThreatID: "40017",
			Application: "ssl", FromZone: "internet", SessionEndReason: "threat", SrcUser: "pre-logon", SrcCountry: full.SrcCountry, DstCountry: full.DstCountry,
			RuleID: full.RuleID, ThreatName: "SSH", ToZone: "dmz", Category: "brute-force", Client: "203.0.113.77", Protocol: TCP, Outcome: Refused, Grade: Proven, Repeat: 3, File: full.File, Offset: full.Offset}
		got := sightings(t, s, around)
		equal(t, "the first", got[0], want)
		equal(t, "around", seen(got), []string{"1 203.0.113.1", "2 203.0.113.2", "3 invalid IP"})
		equal(t, "overlapping intervals", seen(sightings(t, s, around, Interval{From: at, To: at.Add(time.Hour)}, around)), seen(got))
		equal(t, "edges", seen(sightings(t, s, Interval{at, at.Add(time.Minute)})), []string{"2 203.0.113.2", "3 invalid IP"})
		equal(t, "open", seen(sightings(t, s, Interval{From: at.Add(time.Minute)}, Interval{at.Add(-time.Hour), at.Add(-time.Hour).Add(1)})),
			[]string{"1 203.0.113.1", "6 203.0.113.5"})
		equal(t, "two apart", seen(sightings(t, s, Interval{at.Add(-3 * oneDay), at.Add(-oneDay)}, Interval{at.Add(-2 * time.Hour), at})),
			[]string{"5 203.0.113.4", "7 203.0.113.6"})
		equal(t, "everything", len(sightings(t, s, Interval{})), 6)
		equal(t, "no interval", seen(sightings(t, s)), []string(nil))
		equal(t, "empty interval", seen(sightings(t, s, Interval{at, at})), []string(nil))
		equal(t, "of the other", seen(sightings(t, other, Interval{})), []string{"4 203.0.113.3"})
		commit(t, s, &Batch{Records: []Record{{Time: at, Type: "LOG"}}})
		for i, types := range [][]string{{"LOG"}, {"threat"}, {"Traffic", "THREAT"}, {"SYSTEM"}} {
			var of []Record
			must(t, s.Sightings(t.Context(), []Interval{around}, types, func(r *Record) error { of = append(of, *r); return nil }))
			equal(t, fmt.Sprint("of ", types), seen(of), [][]string{{"8 invalid IP"}, {"1 203.0.113.1"}, {"1 203.0.113.1", "2 203.0.113.2"}, nil}[i])
		}
		stop := errors.New("stop")
		if err := s.Sightings(context.Background(), []Interval{{}}, nil, func(*Record) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("fn's error came back as %v", err)
		}
	})
}

// A URL that allows a single connection must not make a reader wait for itself.
func TestSightingsThroughSmallPool(t *testing.T) {
	db := newPostgresOnly(t)
	u, err := url.Parse(db.URL)
	must(t, err)
	q := u.Query()
	q.Set("pool_max_conns", "1")
	u.RawQuery = q.Encode()
	db.URL = u.String()
	s := db.open("one")
	commit(t, s, &Batch{Records: []Record{line(noon(), "203.0.113.1")}})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	must(t, s.Sightings(ctx, []Interval{{}}, nil, func(*Record) error {
		return s.Records(ctx, RecordFilter{}, func(*Record) error { return nil }) // as whoever looks for evidence does
	}))
}

func TestReleasedEvidenceNoLongerCounts(t *testing.T) {
	onAll(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		ctx, at := context.Background(), noon()
		all := []string{"203.0.113.1", "203.0.113.2", "198.51.100.1", "2001:db8::1", "2001:db8:1::1"}
		record := func() {
			b := &Batch{Records: []Record{{Time: at}}}
			for _, a := range all {
				b.Records = append(b.Records, line(at, a))
			}
			commit(t, s, b)
		}
		blockAndRelease := func(a string) {
			commit(t, s, &Batch{Blocks: []Block{blockOf(a, at)}})
			_, err := s.Release(ctx, prefix(a), ByOperator, "", at)
			must(t, err)
		}
		blockAndRelease("203.0.113.1") // before anything was recorded
		commit(t, s, &Batch{Records: []Record{line(at, "203.0.113.1")}})
		equal(t, "one record", seen(sightings(t, s, Interval{})), []string{"1 203.0.113.1"})
		blockAndRelease("203.0.113.1")
		equal(t, "the same, released", seen(sightings(t, s, Interval{})), []string(nil))
		record()
		equal(t, "at first", seen(sightings(t, s, Interval{})), []string{"2 invalid IP", "3 203.0.113.1", "4 203.0.113.2", "5 198.51.100.1", "6 2001:db8::1", "7 2001:db8:1::1"})
		blockAndRelease("203.0.113.1")
		blockAndRelease("203.0.113.0/31")
		blockAndRelease("2001:db8::/48")
		blockAndRelease("0.0.0.0/8")
		equal(t, "after the releases", seen(sightings(t, s, Interval{})), []string{"2 invalid IP", "4 203.0.113.2", "5 198.51.100.1", "7 2001:db8:1::1"})
		record()
		blockAndRelease("203.0.113.2")
		equal(t, "after more", seen(sightings(t, s, Interval{})), []string{"2 invalid IP", "5 198.51.100.1", "7 2001:db8:1::1",
			"8 invalid IP", "9 203.0.113.1", "11 198.51.100.1", "12 2001:db8::1", "13 2001:db8:1::1"})
		commit(t, s, &Batch{Blocks: []Block{blockOf("198.51.100.1", at)}}) // blocked, not released: still there
		equal(t, "with a block in force", len(sightings(t, s, Interval{})), 8)

		// Ids must not begin anew when all records are gone, or new ones would look older than a release.
		_, err := s.PruneRecords(ctx, at.Add(10*oneDay))
		must(t, err)
		equal(t, "records after pruning", count(t, s), int64(0))
		record()
		equal(t, "after pruning", len(sightings(t, s, Interval{})), 6)
	})
}

// The releases are compared with a model over many random steps.
func TestCutoffsCoverWhatTheModelSays(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		at := noon()
		last := make(map[netip.Prefix]int64)
		var records []Record
		for i := range 60 {
			a := fmt.Sprintf("203.0.%d.%d", 113+i%3, i*7%5)
			commit(t, s, &Batch{Records: []Record{line(at, a)}})
			records = append(records, Record{ID: int64(i + 1), Src: addr(a)})
			p, err := addr(fmt.Sprintf("203.0.%d.%d", 113+i*5%3, i*11%5)).Prefix(24 + i%9)
			must(t, err)
			if i%4 == 0 {
				commit(t, s, &Batch{Blocks: []Block{{Address: p}}})
				_, err := s.Release(context.Background(), p, ByOperator, "", at)
				must(t, err)
				last[p] = int64(i + 1)
			}
		}
		var want []string
		for _, r := range records {
			counts := true
			for p, id := range last {
				counts = counts && !(p.Contains(r.Src) && r.ID <= id)
			}
			if counts {
				want = append(want, fmt.Sprint(r.ID, " ", r.Src))
			}
		}
		if len(want) == 0 || len(want) == len(records) {
			t.Fatalf("the model tells nothing: %d of %d", len(want), len(records))
		}
		equal(t, "sightings", seen(sightings(t, s, Interval{})), want)
	})
}

func TestUnionOfIntervals(t *testing.T) {
	at := noon()
	hour := func(n int) time.Time { return at.Add(time.Duration(n) * time.Hour) }
	for _, c := range []struct{ in, want []Interval }{
		{nil, nil},
		{[]Interval{{hour(2), hour(1)}, {hour(3), hour(3)}}, nil},
		{[]Interval{{hour(5), hour(6)}, {hour(1), hour(2)}}, []Interval{{hour(1), hour(2)}, {hour(5), hour(6)}}},
		{[]Interval{{hour(1), hour(3)}, {hour(3), hour(4)}, {hour(2), hour(3)}}, []Interval{{hour(1), hour(4)}}},
		{[]Interval{{hour(1), time.Time{}}, {hour(3), hour(4)}}, []Interval{{hour(1), time.Time{}}}},
		{[]Interval{{hour(1), hour(4)}, {hour(3), time.Time{}}, {hour(8), hour(9)}}, []Interval{{hour(1), time.Time{}}}},
	} {
		equal(t, fmt.Sprint(c.in), union(c.in), c.want)
	}
}
