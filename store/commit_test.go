package store

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"net/netip"
	"strconv"
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
			Category: "brute-force", Client: "2001:db8::7", Protocol: OtherProtocol, Outcome: Answered, Grade: Proven, Repeat: math.MaxUint32, File: 9, Offset: math.MaxInt64}
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

// floodOf is so many sources that are held, from one on.
func floodOf(first string, n int) (blocks []Block) {
	for a := addr(first); len(blocks) < n; a = a.Next() {
		blocks = append(blocks, Block{Address: netip.PrefixFrom(a, a.BitLen()), Rule: "port-scan", By: ByDetector, State: Held, BlockedAt: noon(), Hits: 1,
			Evidence: []Evidence{{Time: noon(), Line: "one of " + a.String()}, {Time: noon(), Line: "another"}}})
	}
	return blocks
}

// More verdicts than one statement takes are stored, each with what belongs to it.
func TestCommitKeepsEveryVerdictOfAFlood(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		blocks := floodOf("20.0.0.1", mostRows+1)
		commit(t, s, &Batch{Blocks: blocks})
		touches := make([]Touch, len(blocks))
		for i := range touches {
			touches[i] = Touch{Address: blocks[i].Address, LastSeen: noon().Add(time.Hour), Hits: int64(i)}
		}
		commit(t, s, &Batch{Touches: touches})
		n := 0
		must(t, s.Entries(t.Context(), EntryFilter{}, func(e *Entry) error {
			n++
			if i := int64(addressNumber(e.Address.Addr()) - addressNumber(blocks[0].Address.Addr())); e.State != Held || e.Hits != 1+i || !e.LastSeen.Equal(noon().Add(time.Hour)) {
				t.Fatalf("number %d is %+v", i, e)
			}
			return nil
		}))
		equal(t, "entries", n, len(blocks))
		for _, b := range []Block{blocks[0], blocks[mostRows/2], blocks[mostRows]} {
			entries, err := s.Covering(t.Context(), b.Address.Addr())
			must(t, err)
			evidence, err := s.EvidenceOf(t.Context(), entries[0].ID)
			must(t, err)
			equal(t, "evidence of "+b.Address.String(), evidence, b.Evidence)
		}
	})
}

// addressNumber is an IPv4 address as a number.
func addressNumber(a netip.Addr) uint32 {
	four := a.As4()
	return binary.BigEndian.Uint32(four[:])
}

// However many verdicts come at once, PostgreSQL gets the same few statements: what it has prepared for one it has for all.
func TestPostgresPreparesAFloodOnce(t *testing.T) {
	s := newPostgres(t, postgresURL(t)).open("one")
	prepared := func() (n int) {
		// Of the connection that was used last.
		must(t, s.writer.QueryRowContext(t.Context(), `SELECT count(*) FROM pg_prepared_statements`).Scan(&n))
		return n
	}
	flood := func(first string, n int) {
		b := &Batch{Blocks: floodOf(first, n)}
		for i := range n {
			b.Touches = append(b.Touches, Touch{Address: b.Blocks[i].Address, LastSeen: noon(), Hits: 1})
		}
		commit(t, s, b)
	}
	flood("20.0.0.1", 1)
	few := prepared()
	if few < 3 {
		t.Fatalf("%d statements are prepared", few)
	}
	for i := range 20 {
		flood("21."+strconv.Itoa(i)+".0.1", 2+7*i)
	}
	equal(t, "prepared statements", prepared(), few)
}

// A commit that is cut off at any moment leaves all or nothing.
func TestCancelledCommitLeavesAllOrNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		at := noon()
		batch := &Batch{Seq: 1, Positions: []Position{{ID: 1, Path: "a", Offset: 10}},
			Touches: []Touch{{Address: prefix("203.0.113.10"), LastSeen: at, Hits: 1}}}
		for range 2000 {
			batch.Records = append(batch.Records, line(at, "203.0.113.9"))
		}
		for i := range 500 {
			a := netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)})
			batch.Blocks = append(batch.Blocks, Block{Address: netip.PrefixFrom(a, 32), Rule: "port-scan", Evidence: []Evidence{{Line: "x"}}})
		}
		nothing, all := state{}, state{seq: 1, offset: 10, records: 2000, offsets: 1, blocks: 500, evidence: 500}
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
		for what, c := range map[string]struct {
			batch *Batch
			is    error
		}{"an older one": {&Batch{Seq: 4}, ErrOtherBatches}, "one after a batch that the database has lost": {&Batch{Seq: 7, After: 6}, ErrLost}} {
			c.batch.Records = batch.Records
			if _, err := s.Commit(ctx, c.batch); !errors.Is(err, c.is) || Transient(err) {
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
