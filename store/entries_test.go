package store

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"
)

func TestChanges(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		ctx, at := context.Background(), noon()
		list, v0 := changes(t, s, 0)
		equal(t, "of nothing", list, []Entry(nil))
		commit(t, s, &Batch{Blocks: []Block{blockOf("203.0.113.1", at), blockOf("203.0.113.2", at), blockOf("203.0.113.3", at)}})
		list, v1 := changes(t, s, v0)
		equal(t, "added", prefixes(list), []netip.Prefix{prefix("203.0.113.1"), prefix("203.0.113.2"), prefix("203.0.113.3")})
		version, err := s.Version(ctx)
		must(t, err)
		equal(t, "version", v1, version)

		list, v2 := changes(t, s, v1)
		equal(t, "since then", list, []Entry(nil))
		equal(t, "version", v2, v1)
		commit(t, s, &Batch{Records: []Record{line(at, "203.0.113.1")}, Positions: []Position{{ID: 1}}})
		_, v2 = changes(t, s, v1)
		equal(t, "version after records only", v2, v1)

		// Several changes of one entry are one change, in its last state.
		commit(t, s, &Batch{Touches: []Touch{{Address: prefix("203.0.113.1"), LastSeen: at.Add(time.Minute), Hits: 1}}})
		commit(t, s, &Batch{Touches: []Touch{{Address: prefix("203.0.113.1"), LastSeen: at.Add(time.Hour), Hits: 1}}})
		_, err = s.Release(ctx, prefix("203.0.113.2"), ByOperator, "", at)
		must(t, err)
		list, v3 := changes(t, s, v2)
		equal(t, "changed", prefixes(list), []netip.Prefix{prefix("203.0.113.1"), prefix("203.0.113.2")})
		if len(list) == 2 && (list[0].Hits != 13 || list[1].ReleasedAt.IsZero() || list[0].Version <= v2 || list[1].Version > v3) {
			t.Errorf("changed: %+v", list)
		}
		list, _ = changes(t, s, 0)
		equal(t, "from the beginning, in force only", prefixes(list), []netip.Prefix{prefix("203.0.113.1"), prefix("203.0.113.3")})
		list, version = changes(t, s, v3+1000)
		equal(t, "of an older database", list, []Entry(nil))
		equal(t, "version of an older database", version, v3)

		stop := errors.New("stop")
		if _, err := s.Changes(ctx, 0, func(*Entry) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("fn's error came back as %v", err)
		}
	})
}

func TestRulesAreThoseThatEntriesHaveOrHad(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		for _, rule := range []string{"probe", "Zmap", "manual", "probe"} {
			b := blockOf("203.0.113.1", noon())
			b.Rule = rule
			commit(t, s, &Batch{Blocks: []Block{b}})
			_, err := s.Release(t.Context(), b.Address, ByOperator, "", noon())
			must(t, err)
		}
		rules, err := s.Rules(t.Context())
		must(t, err)
		equal(t, "rules", rules, []string{"Zmap", "manual", "probe"})
	})
}

func TestReleased(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		ctx, at := context.Background(), noon()
		commit(t, s, &Batch{Blocks: []Block{blockOf("203.0.113.1", at), blockOf("203.0.113.2", at), blockOf("203.0.113.3", at), blockOf("203.0.113.4", at)}})
		for address, when := range map[string]time.Time{"203.0.113.1": at.Add(2 * time.Minute), "203.0.113.2": at.Add(time.Minute), "203.0.113.3": at.Add(-time.Microsecond)} {
			_, err := s.Release(ctx, prefix(address), ByOperator, "", when)
			must(t, err)
		}
		list, err := s.Released(ctx, at)
		must(t, err)
		if len(list) != 2 || list[0].Address != prefix("203.0.113.2") || list[1].Address != prefix("203.0.113.1") || !list[0].ReleasedAt.Equal(at.Add(time.Minute)) {
			t.Errorf("since then: %+v", list)
		}
		list, err = s.Released(ctx, at.Add(time.Hour))
		must(t, err)
		equal(t, "since the last", list, []Entry(nil))
	})
}

// Several agents and the command line write at once, several of them the same addresses. A reader that
// only follows the changes must see, in the end, what the table says; nothing may fail or wait for ever.
func TestNoChangeIsMissed(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		const writers, rounds = 4, 25
		stores := make([]*Store, writers)
		for i := range stores {
			stores[i] = db.open(fmt.Sprint("agent", i))
		}
		reader := db.open("reader")
		ctx := t.Context()
		at := noon()
		var group sync.WaitGroup
		for w, s := range stores {
			group.Go(func() {
				for i := range rounds {
					b := &Batch{Seq: int64(i + 1), After: int64(i), Records: []Record{line(at, "203.0.113.9")}}
					// Opposite orders in different writers: without one order of locking, deadlocks.
					for k := range 10 {
						n := (i + k) % 20
						if w%2 == 1 {
							n = 19 - n
						}
						a := netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(n)}), 32)
						b.Blocks = append(b.Blocks, Block{Address: a, BlockedAt: at, LastSeen: at.Add(time.Duration(i) * time.Second), Hits: 1})
					}
					if _, err := s.Commit(ctx, b); err != nil {
						t.Errorf("writer %d, round %d: %v", w, i, err)
						return
					}
					_, err := s.Release(ctx, b.Blocks[0].Address, ByOperator, "", at)
					if err != nil && !errors.Is(err, ErrNotBlocked) {
						t.Errorf("writer %d, round %d: %v", w, i, err)
					}
				}
			})
		}
		done := make(chan struct{})
		go func() { group.Wait(); close(done) }()
		mirror := make(map[netip.Prefix]Entry)
		version := int64(0)
		follow := func() {
			next, err := reader.Changes(ctx, version, func(e *Entry) error {
				if e.Version <= version && version > 0 {
					t.Errorf("an entry of version %d came after version %d", e.Version, version)
				}
				if e.ReleasedAt.IsZero() {
					mirror[e.Address] = *e
				} else if mirror[e.Address].ID <= e.ID {
					delete(mirror, e.Address)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			if next < version {
				t.Errorf("version fell from %d to %d", version, next)
			}
			version = next
		}
		for running := true; running; {
			select {
			case <-done:
				running = false
			default:
			}
			follow()
		}
		inForce := allEntries(t, reader, EntryFilter{})
		if len(inForce) == 0 || len(inForce) != len(mirror) {
			t.Errorf("%d entries in force, %d followed", len(inForce), len(mirror))
		}
		for _, e := range inForce {
			equal(t, e.Address.String(), mirror[e.Address], e)
		}
		if n := count(t, reader); n != writers*rounds {
			t.Errorf("%d records", n)
		}
		// No address is in force twice, and no entry of the history was lost from its audit trail.
		for _, e := range inForce {
			history, err := reader.Covering(ctx, e.Address.Addr())
			must(t, err)
			audit, err := reader.AuditOf(ctx, e.Address)
			must(t, err)
			if len(audit) != 2*len(history)-1 {
				t.Errorf("%s: %d entries, %d lines of audit", e.Address, len(history), len(audit))
			}
		}
	})
}

// The command line changes the blacklist while the daemon has the same database open.
func TestCommandLineBesideDaemon(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		ctx, at := context.Background(), noon()
		daemon := db.open("one")
		commit(t, daemon, &Batch{Blocks: []Block{blockOf("203.0.113.1", at)}})
		_, since := changes(t, daemon, 0)

		line := db.open("one")
		_, _, err := line.Block(ctx, Block{Address: prefix("203.0.113.2"), By: ByOperator})
		must(t, err)
		_, err = line.Release(ctx, prefix("203.0.113.1"), ByOperator, "", at)
		must(t, err)
		list, _ := changes(t, daemon, since)
		equal(t, "noticed by the daemon", prefixes(list), []netip.Prefix{prefix("203.0.113.1"), prefix("203.0.113.2")})
	})
}

// A neighbourhood ends with the last of its blocked sources, and not for being quiet; what a person says of it is known.
func TestANeighbourhoodEndsWithTheLastOfItsSources(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		ctx, s, at := context.Background(), db.open("one"), noon()
		network := Block{Address: prefix("203.0.113.0/24"), Rule: RuleNeighbourhood, Reason: "three sources", By: ByDetector, Grade: Proven, FirstSeen: at, LastSeen: at, BlockedAt: at}
		source := func(address string, grade Grade, state State, by string, until time.Duration) Block {
			b := blockOf(address, at)
			b.Grade, b.State, b.By, b.ExpiresAt = grade, state, by, at.Add(until)
			return b
		}
		commit(t, s, &Batch{Blocks: []Block{
			source("203.0.113.1", Proven, Blocked, ByDetector, time.Hour), source("203.0.113.2", Proven, Blocked, ByDetector, 2*time.Hour),
			// None of these is one of them.
			source("203.0.113.3", Forgeable, Blocked, ByDetector, 1000*oneDay), source("203.0.113.4", Proven, Observed, ByDetector, 1000*oneDay),
			source("203.0.113.5", Proven, Blocked, "anna", 1000*oneDay), source("203.0.112.6", Proven, Blocked, ByDetector, 1000*oneDay),
		}})
		commit(t, s, &Batch{Blocks: []Block{network}})
		e := allEntries(t, s, EntryFilter{Rule: RuleNeighbourhood})[0]
		equal(t, "end", e.ReleaseAt(oneDay), time.Time{})
		release := func(after, quiet time.Duration, limit int, want ...string) {
			t.Helper()
			list, err := s.ReleaseQuiet(ctx, at.Add(after), quiet, limit)
			must(t, err)
			var got []string
			for _, e := range list {
				got = append(got, e.Address.String())
			}
			equal(t, "released", got, want)
		}
		release(time.Hour, time.Minute, 0, "203.0.113.1/32")
		release(time.Hour, time.Minute, 0)
		release(2*time.Hour, 0, 1, "203.0.113.2/32")
		release(2*time.Hour, 0, 1, "203.0.113.0/24")
		times, err := s.NeighbourhoodsReleased(ctx)
		must(t, err)
		equal(t, "by persons", len(times), 0)

		commit(t, s, &Batch{Blocks: []Block{network}})
		_, err = s.Release(ctx, network.Address, "anna", "our landlord", at.Add(3*time.Hour))
		must(t, err)
		times, err = s.NeighbourhoodsReleased(ctx)
		must(t, err)
		equal(t, "by persons", times, map[netip.Prefix]time.Time{network.Address: at.Add(3 * time.Hour)})
	})
}

func TestWhichNetworkASourceIsCountedIn(t *testing.T) {
	for source, want := range map[string]string{
		"203.0.113.9/32": "203.0.113.0/24", "203.0.113.0/25": "203.0.113.0/24", "203.0.113.0/24": "", "203.0.112.0/23": "",
		"2001:db8:1:2::/64": "2001:db8:1::/48", "2001:db8:1:2::7/128": "2001:db8:1::/48", "2001:db8:1::/48": "",
	} {
		got, ok := NeighbourhoodOf(netip.MustParsePrefix(source))
		if ok != (want != "") || ok && got.String() != want {
			t.Errorf("%s is counted in %s, %t", source, got, ok)
		}
	}
}

// Blocks are given with when they began, released ones too; what is held or observed is none.
func TestBeganGivesBlocks(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s, at := db.open("one"), noon()
		held := blockOf("203.0.113.4", at)
		held.State = Held
		commit(t, s, &Batch{Blocks: []Block{blockOf("203.0.113.1", at.Add(-time.Microsecond)), blockOf("203.0.113.2", at), blockOf("203.0.113.3", at.Add(time.Hour)), held}})
		_, err := s.Release(t.Context(), prefix("203.0.113.2"), ByOperator, "", at)
		must(t, err)
		began := map[string]int{}
		at = at.Add(time.Second) // a block begins a second after it was first seen
		must(t, s.Began(t.Context(), at, func(b time.Time) error {
			began[b.Sub(at).String()]++
			return nil
		}))
		equal(t, "began", began, map[string]int{"0s": 1, "1h0m0s": 1})
	})
}
