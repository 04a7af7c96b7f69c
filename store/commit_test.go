package store

import (
	"context"
	"errors"
	"math"
	"net/netip"
	"testing"
	"time"
)

func TestCommitKeepsEveryField(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		at := noon().Add(123456 * time.Microsecond)
		full := Record{Time: at, Device: "LAB-FW-01", Src: addr("2001:db8::1"), Dst: addr("198.51.100.7"), SrcPort: 65535, DstPort: 1,
			SrcUser: `lab\anna`, SrcCountry: "DE", DstCountry: "United States", Action: "reset-both", Rule: "outside-in", RuleID: "0a1b",
			ThreatName: "Some Exploit; DstIP=1", ThreatID: "30001", Severity: "critical", Subtype: "vulnerability", Type: "THREAT",
			Direction: "client-to-server", Application: "web-browsing", FromZone: "internet", ToZone: "dmz", SessionEndReason: "threat",
			Protocol: OtherProtocol, Outcome: Answered, Grade: Proven, Repeat: math.MaxUint32, File: 9, Offset: math.MaxInt64}
		commit(t, s, &Batch{Records: []Record{full, {Time: at.Add(-time.Second + 999*time.Nanosecond)}}})
		got := allRecords(t, s, RecordFilter{})
		full.ID = 1
		equal(t, "records", got, []Record{full, {ID: 2, Time: at.Add(-time.Second)}})
	})
}

func TestCommitKeepsPositions(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s, other := db.open("one"), db.open("two")
		at := noon()
		first := Position{ID: 1, Path: "/var/log/\xff\x00odd.log", Device: math.MaxUint64, Inode: 1 << 63, Fingerprint: []byte{0, 1, 255},
			FingerprintLen: 1024, Offset: 5_000_000_000, Updated: at, LastTime: at.Add(-time.Hour)}
		second := Position{ID: 2, Path: "/var/log/b.log", Fingerprint: []byte{}, Offset: 10}
		third := Position{ID: 3, Path: "/var/log/c.log", Fingerprint: []byte{}}
		commit(t, s, &Batch{Positions: []Position{first, second, third}})
		commit(t, other, &Batch{Positions: []Position{{ID: 1, Path: "/elsewhere", Fingerprint: []byte{}}}})
		earlier := second
		second.Offset, second.Done = 20, true
		commit(t, s, &Batch{Positions: []Position{earlier, second}, Forget: []int64{3}})
		got, err := s.Positions(context.Background())
		must(t, err)
		equal(t, "positions", got, []Position{first, second})
		got, err = other.Positions(context.Background())
		must(t, err)
		equal(t, "positions of the other", got, []Position{{ID: 1, Path: "/elsewhere", Fingerprint: []byte{}}})
	})
}

// A commit that is cut off at any moment leaves all or nothing.
func TestCancelledCommitLeavesAllOrNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		at := noon()
		batch := &Batch{Seq: 1, Positions: []Position{{ID: 1, Path: "a", Offset: 10}},
			Blocks:  []Block{{Address: prefix("203.0.113.9"), Rule: "port-scan", Evidence: []Evidence{{Line: "x"}}}},
			Touches: []Touch{{Address: prefix("203.0.113.10"), LastSeen: at, Hits: 1}}}
		for range 2000 {
			batch.Records = append(batch.Records, line(at, "203.0.113.9"))
		}
		nothing, all := state{}, state{seq: 1, offset: 10, records: 2000, offsets: 1, blocks: 1, evidence: 1}
		cut := 0
		for limit := 100 * time.Microsecond; ; limit += limit / 6 {
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			_, err := s.Commit(ctx, batch)
			cancel()
			if err == nil {
				break
			}
			if !errors.Is(err, context.DeadlineExceeded) || Transient(err) {
				t.Fatalf("cut off after %v: %v", limit, err)
			}
			cut++
			if now := s.testState(t); now == all {
				break // the time ran out between the commit and its answer
			} else if now != nothing {
				t.Fatalf("cut off after %v: %+v", limit, now)
			}
		}
		equal(t, "in the end", s.testState(t), all)
		if cut < 3 {
			t.Errorf("only %d commits were cut off", cut)
		}
	})
}

// A row that the database refuses, after others were accepted, undoes the whole batch.
func TestRefusedRowLeavesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		ctx := context.Background()
		_, err := s.writer.ExecContext(ctx, `DROP TABLE evidence`)
		must(t, err)
		_, err = s.Commit(ctx, &Batch{Seq: 1, Records: []Record{line(noon(), "203.0.113.9")}, Positions: []Position{{ID: 1}},
			Blocks: []Block{{Address: prefix("203.0.113.9"), Evidence: []Evidence{{Line: "x"}}}}})
		if err == nil || Transient(err) {
			t.Fatalf("a missing table gives %v", err)
		}
		positions, err := s.Positions(ctx)
		must(t, err)
		seq, err := s.LastSeq(ctx)
		must(t, err)
		version, err := s.Version(ctx)
		must(t, err)
		if n := count(t, s); n != 0 || len(positions) != 0 || seq != 0 || version != 0 || len(allEntries(t, s, EntryFilter{All: true})) != 0 {
			t.Errorf("left behind: %d records, %d positions, seq %d, version %d", n, len(positions), seq, version)
		}
	})
}

// Two agents with one name, of which one has a copy of the other's state folder, do not take each other's batches for their
// own: what one has committed stops the other, and nothing is dropped as committed before.
func TestTwoAgentsOfOneNameLoseNoBatch(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		one, copied := db.open("one"), db.open("one")
		ctx := context.Background()
		last, err := one.Resume(ctx)
		must(t, err)
		other, err := copied.Resume(ctx)
		must(t, err)
		equal(t, "both begin", other, last)
		commit(t, one, &Batch{Seq: last + 1000, After: last, Records: []Record{line(noon(), "203.0.113.9")}})
		mine := &Batch{Seq: last + 2000, After: last, Records: []Record{line(noon(), "203.0.113.10")}}
		for range 2 {
			if _, err := copied.Commit(ctx, mine); !errors.Is(err, ErrOtherBatches) || Transient(err) {
				t.Errorf("the copy's batch: %v", err)
			}
		}
		if n := count(t, one); n != 1 {
			t.Errorf("%d records", n)
		}
		mine.After, err = copied.Resume(ctx) // as a restart does
		must(t, err)
		equal(t, "after a restart", commit(t, copied, mine), CommitResult{})
	})
}

func TestSameBatchTwiceIsRecordedOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s, other := db.open("one"), db.open("two")
		ctx := context.Background()
		batch := &Batch{Seq: 5, Records: []Record{line(noon(), "203.0.113.9")}, Blocks: []Block{{Address: prefix("203.0.113.9"), Hits: 3}}}
		if r := commit(t, s, batch); r.AlreadyDone || r.Version != 1 || len(r.Blocked) != 1 {
			t.Errorf("first time: %+v", r)
		}
		equal(t, "second time", commit(t, s, batch), CommitResult{AlreadyDone: true})
		for what, b := range map[string]*Batch{"an older one": {Seq: 4}, "one after another than the last": {Seq: 7, After: 6}} {
			b.Records = batch.Records
			if _, err := s.Commit(ctx, b); !errors.Is(err, ErrOtherBatches) || Transient(err) {
				t.Errorf("%s: %v", what, err)
			}
		}
		equal(t, "another instance's", commit(t, other, &Batch{Seq: 5, Records: batch.Records}), CommitResult{})
		equal(t, "without a number", commit(t, s, &Batch{Records: batch.Records}), CommitResult{})
		if n := count(t, s); n != 3 {
			t.Errorf("%d records", n)
		}
		if e := allEntries(t, s, EntryFilter{}); len(e) != 1 || e[0].Hits != 3 {
			t.Errorf("entries %+v", e)
		}
		again := db.open("one")
		seq, err := again.LastSeq(ctx)
		must(t, err)
		if seq != 5 {
			t.Errorf("last number %d", seq)
		}
	})
}

func TestOddBytesAndTimesAreStored(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("o\x00dd\xff")
		at := noon()
		odd := "a\x00b\xff\xfe\xc3(é\u2028💥"
		mended := "a\uFFFDb\uFFFD(é\u2028💥"
		in := []Record{{Time: at, Device: odd, SrcUser: odd, SrcCountry: odd, DstCountry: odd, Action: odd, Rule: odd, RuleID: odd,
			ThreatName: odd, ThreatID: odd, Severity: odd, Subtype: odd, Direction: odd, Type: odd,
			Application: odd, FromZone: odd, ToZone: odd, SessionEndReason: odd, Src: addr("::ffff:203.0.113.9"), Dst: addr("fe80::1%eth0")},
			{Time: time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC)},
			{Time: time.Time{}},
			{Time: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)},
			{Time: time.Date(200000, 1, 1, 0, 0, 0, 0, time.UTC)},
		}
		result := commit(t, s, &Batch{Records: in,
			Blocks: []Block{{Address: netip.PrefixFrom(addr("::ffff:203.0.113.9"), 128), Rule: odd, Reason: odd, By: odd, Device: odd, Target: odd,
				FirstSeen: in[4].Time, LastSeen: in[1].Time, ExpiresAt: in[4].Time, BlockedAt: at, Evidence: []Evidence{{Time: in[4].Time, Device: odd, Line: odd}}}}})
		equal(t, "blocked", result.Blocked, []netip.Prefix{prefix("203.0.113.9")})

		last := time.Date(9999, 12, 30, 23, 59, 59, 999999000, time.UTC)
		got := allRecords(t, s, RecordFilter{})
		equal(t, "records", got, []Record{{ID: 5, Time: last}, {ID: 4, Time: last},
			{ID: 1, Time: at, Device: mended, SrcUser: mended, SrcCountry: mended, DstCountry: mended, Action: mended, Rule: mended, RuleID: mended,
				ThreatName: mended, ThreatID: mended, Severity: mended, Subtype: mended, Direction: mended, Type: mended,
				Application: mended, FromZone: mended, ToZone: mended, SessionEndReason: mended, Src: addr("203.0.113.9"), Dst: addr("fe80::1")},
			{ID: 3}, {ID: 2}})
		entries := allEntries(t, s, EntryFilter{})
		equal(t, "entries", entries, []Entry{{ID: 1, Address: prefix("203.0.113.9"), Rule: mended, Reason: mended, By: mended, Device: mended,
			Target: mended, FirstSeen: last, BlockedAt: at, ExpiresAt: last, Version: 1}})
		evidence, err := s.EvidenceOf(context.Background(), 1)
		must(t, err)
		equal(t, "evidence", evidence, []Evidence{{last, mended, mended}})
	})
}

func TestInvalidAddressToBlockIsRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		for _, b := range []*Batch{{Blocks: []Block{{}}}, {Touches: []Touch{{}}}} {
			if _, err := s.Commit(context.Background(), b); err == nil || Transient(err) {
				t.Errorf("%+v gives %v", b, err)
			}
		}
	})
}
