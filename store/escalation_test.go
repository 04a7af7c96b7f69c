package store

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// doubled doubles a month with each return, up to a hundred days.
var doubled = Escalation{Factor: 2, Max: 100 * oneDay, Length: 30 * oneDay}

// escalating is a block of the address that the tests use.
func escalating(at time.Time, expires bool) Block {
	b := blockOf("203.0.113.9", at)
	b.FirstSeen, b.BlockedAt, b.Escalation = at, at, doubled
	if expires {
		b.ExpiresAt = at.Add(doubled.Length)
	}
	return b
}

// letGo releases what is due at a time, and fails the test where that is not what was expected.
func letGo(t testing.TB, s *Store, at time.Time, want int) {
	t.Helper()
	list, err := s.ReleaseQuiet(context.Background(), at, doubled.Length, 0)
	must(t, err)
	if len(list) != want {
		t.Errorf("%d entries are released at %s, want %d", len(list), at, want)
	}
}

// inForce is the one entry that is in force.
func inForce(t testing.TB, s *Store) Entry {
	t.Helper()
	list, _ := changes(t, s, 0)
	if len(list) != 1 {
		t.Fatalf("%d entries in force", len(list))
	}
	return list[0]
}

func TestEachReturnLengthensABlock(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		at := noon()
		for _, expires := range []bool{false, true} {
			for i, c := range []struct {
				days int
				why  string
			}{{30, ""}, {60, "second block within a year: 2 times the time"}, {100, "third block within a year: 100d, the longest (blacklist.escalate.max)"}} {
				t.Run(fmt.Sprintf("expires %t, block %d", expires, i+1), func(t *testing.T) {
					b := escalating(at, expires)
					commit(t, s, &Batch{Blocks: []Block{b}})
					ends := at.Add(time.Duration(c.days) * oneDay)
					e := inForce(t, s)
					equal(t, "why", e.Escalation, c.why)
					equal(t, "end", e.ReleaseAt(doubled.Length), ends)
					equal(t, "expires", !e.ExpiresAt.IsZero(), expires)
					// It goes on: activity while it is blocked prolongs a block without an end of its own, and is no return.
					commit(t, s, &Batch{Blocks: []Block{b}, Touches: []Touch{{Address: b.Address, LastSeen: at.Add(oneDay), Hits: 1}}})
					if e = inForce(t, s); e.Escalation != c.why {
						t.Errorf("activity made it %q", e.Escalation)
					}
					if !expires {
						ends = ends.Add(oneDay)
					}
					letGo(t, s, ends.Add(-time.Microsecond), 0)
					letGo(t, s, ends, 1)
					at = ends.Add(oneDay)
				})
			}
			at = at.Add(2 * OffenceAge)
		}
	})
}

// What is a return, and what is not.
func TestWhatCountsAsAReturn(t *testing.T) {
	ctx, address := context.Background(), prefix("203.0.113.9")
	byHand := func(t *testing.T, s *Store, at time.Time) {
		_, err := s.Release(ctx, address, "anna", "a mistake", at)
		must(t, err)
	}
	quiet := func(t *testing.T, s *Store, at time.Time) { letGo(t, s, at, 1) }
	for _, c := range []struct {
		name  string
		first func(b *Block)
		end   func(t *testing.T, s *Store, at time.Time)
		after time.Duration // from the end of the first block to the second
		then  func(b *Block)
		want  string
	}{
		{name: "quiet", end: quiet, after: time.Hour, want: "second block within a year: 2 times the time"},
		{name: "almost a year ago", end: quiet, after: OffenceAge - time.Second, want: "second block within a year: 2 times the time"},
		{name: "a year ago", end: quiet, after: OffenceAge},
		{name: "released by a person", end: byHand, after: time.Hour},
		{name: "lifted, for it is protected", end: func(t *testing.T, s *Store, at time.Time) {
			_, err := s.Release(ctx, address, ByDetector, "it is on the allow-list", at)
			must(t, err)
		}, after: time.Hour},
		{name: "was blocked by hand", first: func(b *Block) { b.By = "anna" }, end: quiet, after: time.Hour},
		{name: "is blocked by hand", end: quiet, after: time.Hour, then: func(b *Block) { b.By = "anna" }},
		{name: "was held", first: func(b *Block) { b.State, b.Hold = Held, "it is a partner" }, end: quiet, after: time.Hour},
		{name: "is observed", end: quiet, after: time.Hour, then: func(b *Block) { b.State = Observed }},
		{name: "of another rule", end: quiet, after: time.Hour, then: func(b *Block) { b.Rule = "login" }, want: "second block within a year: 2 times the time"},
		{name: "another address", end: quiet, after: time.Hour, then: func(b *Block) { b.Address = prefix("203.0.113.8") }},
		{name: "evidence from before the end", end: quiet, after: time.Hour, then: func(b *Block) { b.FirstSeen = b.FirstSeen.Add(-2 * time.Hour) }},
		{name: "since the end, by a clock that is behind", end: quiet, after: time.Hour, then: func(b *Block) { b.FirstSeen, b.Behind = b.FirstSeen.Add(-2*time.Hour), 2*time.Hour }, want: "second block within a year: 2 times the time"},
		{name: "escalation is off", end: quiet, after: time.Hour, then: func(b *Block) { b.Escalation.Factor = 1 }},
		{name: "longer than the longest already", end: quiet, after: time.Hour, then: func(b *Block) { b.Escalation.Max = oneDay }},
	} {
		t.Run(c.name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, db emptyDatabase) {
				s, at := db.open("one"), noon()
				first := escalating(at, false)
				if c.first != nil {
					c.first(&first)
				}
				commit(t, s, &Batch{Blocks: []Block{first}})
				end := at.Add(doubled.Length)
				c.end(t, s, end)
				second := escalating(end.Add(c.after), false)
				if c.then != nil {
					c.then(&second)
				}
				commit(t, s, &Batch{Blocks: []Block{second}})
				e := inForce(t, s)
				equal(t, "why", e.Escalation, c.want)
				equal(t, "lengthened", e.QuietFor > 0, c.want != "")
			})
		})
	}
}

// A person's release takes back what was before it, too; and what a person says of a lengthened block holds.
func TestAPersonsWordEndsEscalation(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		ctx, s, at := context.Background(), db.open("one"), noon()
		again := func(want string) {
			t.Helper()
			at = at.Add(doubled.Length)
			b := escalating(at, false)
			commit(t, s, &Batch{Blocks: []Block{b}})
			equal(t, "why", inForce(t, s).Escalation, want)
		}
		again("")
		at = at.Add(doubled.Length)
		letGo(t, s, at, 1)
		again("second block within a year: 2 times the time")
		_, err := s.Release(ctx, prefix("203.0.113.9"), "anna", "a mistake", at)
		must(t, err)
		again("")
		at = at.Add(doubled.Length)
		letGo(t, s, at, 1)
		again("second block within a year: 2 times the time")
		b := escalating(at, true)
		b.By = "anna"
		e, _, err := s.Block(ctx, b)
		must(t, err)
		equal(t, "renewed", []any{e.Escalation, e.QuietFor, e.ExpiresAt}, []any{"", time.Duration(0), b.ExpiresAt})
	})
}

// The time was over, and nobody noticed for a while: what was seen since is a return, what was seen before is not.
func TestABlockEndsWhenItsTimeIsOver(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s, at := db.open("one"), noon()
		first := escalating(at, true)
		commit(t, s, &Batch{Blocks: []Block{first}})
		letGo(t, s, first.ExpiresAt.Add(5*oneDay), 1)
		before, after := escalating(first.ExpiresAt.Add(-time.Second), true), escalating(first.ExpiresAt, true)
		commit(t, s, &Batch{Blocks: []Block{before}})
		equal(t, "before", inForce(t, s).Escalation, "")
		_, err := s.Release(context.Background(), first.Address, ByDetector, "for the next case", at)
		must(t, err)
		commit(t, s, &Batch{Blocks: []Block{after}})
		equal(t, "after", inForce(t, s).Escalation, "second block within a year: 2 times the time")
	})
}

// However often a source returns, its block is never shorter than the one before, nor than a first one, nor longer than allowed.
func TestLengthsGrowUpToTheLongest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := Escalation{Factor: rapid.IntRange(0, 100).Draw(t, "factor"),
			Length: time.Duration(rapid.Int64Range(1, int64(365*oneDay)).Draw(t, "length")), Max: time.Duration(rapid.Int64Range(1, int64(3650*oneDay)).Draw(t, "max"))}
		before := x.Length
		for returns := range 40 {
			length, why := x.lengthened(returns)
			if (length == 0) != (why == "") {
				t.Fatalf("after %d returns: %s, %q", returns, length, why)
			}
			if length == 0 {
				if returns > 0 && x.Factor > 1 && x.Length < x.Max {
					t.Fatalf("after %d returns it is not lengthened", returns)
				}
				continue
			}
			if length < before || length > x.Max || length != x.Max && length != before*time.Duration(x.Factor) {
				t.Fatalf("after %d returns %s, before %s", returns, length, before)
			}
			before = length
		}
	})
}

func TestOrdinals(t *testing.T) {
	for n, want := range map[int]string{2: "second", 10: "tenth", 11: "11th", 12: "12th", 13: "13th", 21: "21st", 22: "22nd", 23: "23rd", 24: "24th", 111: "111th"} {
		equal(t, "ordinal", ordinal(n), want)
	}
}

// A database of an earlier version opens: what was released there by itself counts as such, what a person released does not.
func TestUpgradeOfADatabaseWithoutLengths(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		at := noon()
		fillOldDatabase(t, db, at, 6)
		d, _, err := connectOf(db)
		must(t, err)
		_, err = d.writer.ExecContext(context.Background(), `UPDATE blacklist SET released_at = $1, released_by = 'detector', release_reason = 'no activity for 30d'`, d.stamp(at.Add(time.Hour)))
		must(t, err)
		must(t, d.close())
		s := db.open("one")
		commit(t, s, &Batch{Blocks: []Block{escalating(at.Add(oneDay), false)}})
		equal(t, "why", inForce(t, s).Escalation, "second block within a year: 2 times the time")
	})
}

func connectOf(db emptyDatabase) (*database, recordTable, error) {
	if db.URL != "" {
		return connectPostgres(context.Background(), db.Options)
	}
	return connectSQLite(context.Background(), db.Options)
}
