package store

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"testing"
	"time"
)

// blockOf is a detector's block with all fields set.
func blockOf(address string, at time.Time) Block {
	return Block{Address: prefix(address), Rule: "port-scan", Reason: "11 ports of 192.0.2.10 within 10m", By: ByDetector, Device: "LAB-FW-01",
		Target: "192.0.2.10", FirstSeen: at.Add(-time.Minute), LastSeen: at, BlockedAt: at.Add(time.Second), Hits: 11, Count: 11, Grade: Forgeable,
		Evidence: []Evidence{{at.Add(-time.Minute), "LAB-FW-01", "first line"}, {at, "LAB-FW-02", "second line"}}}
}

func entryOf(b Block, id, version int64) Entry {
	return Entry{ID: id, Address: b.Address, Rule: b.Rule, Reason: b.Reason, By: b.By, Device: b.Device, Target: b.Target, FirstSeen: b.FirstSeen,
		LastSeen: b.LastSeen, BlockedAt: b.BlockedAt, ExpiresAt: b.ExpiresAt, Hits: b.Hits, Count: b.Count, Grade: b.Grade,
		State: b.State, Version: version}
}

func TestEntriesKeepGradeAndState(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		at := noon()
		var blocks []Block
		var want []Entry
		for i, state := range []State{Blocked, Held, Observed} {
			b := blockOf([]string{"203.0.113.1", "203.0.113.2", "203.0.113.3"}[i], at)
			b.Grade, b.State = Grade(i), state
			blocks = append(blocks, b)
			want = append([]Entry{entryOf(b, int64(i+1), 1)}, want...)
		}
		commit(t, s, &Batch{Blocks: blocks})
		equal(t, "entries", allEntries(t, s, EntryFilter{}), want)
		var words []string
		for _, e := range want {
			words = append(words, e.State.String()+" "+e.Grade.String())
		}
		equal(t, "in words", words, []string{"observed proven", "held forgeable", "blocked "})
		released, err := s.Release(context.Background(), prefix("203.0.113.2"), ByOperator, "a mistake", at)
		must(t, err)
		equal(t, "released", []any{released.State, released.Grade}, []any{Held, Forgeable})
	})
}

func TestHistoryOfAnAddress(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		ctx, at := context.Background(), noon()
		b := blockOf("203.0.113.9", at)
		result := commit(t, s, &Batch{Blocks: []Block{b}})
		equal(t, "first block", result, CommitResult{Blocked: []netip.Prefix{b.Address}, Version: 1})
		want := entryOf(b, 1, 1)
		equal(t, "entries", allEntries(t, s, EntryFilter{}), []Entry{want})

		// A second block is activity; its evidence and reason are not taken over.
		second := blockOf("203.0.113.9", at.Add(time.Hour))
		second.Reason, second.Hits, second.Evidence = "other", 5, []Evidence{{Line: "third"}}
		equal(t, "second block", commit(t, s, &Batch{Blocks: []Block{second}}), CommitResult{Version: 2})
		want.LastSeen, want.Hits, want.Version = at.Add(time.Hour), 16, 2
		equal(t, "entries", allEntries(t, s, EntryFilter{}), []Entry{want})

		// Touches add up, also within one batch; time does not go back.
		commit(t, s, &Batch{Touches: []Touch{{Address: b.Address, LastSeen: at, Hits: 1}, {Address: prefix("203.0.113.77"), LastSeen: at, Hits: 1}, {Address: b.Address, LastSeen: at.Add(2 * time.Hour), Hits: 2}, {Address: b.Address, LastSeen: at, Hits: 4}}})
		want.LastSeen, want.Hits, want.Version = at.Add(2*time.Hour), 23, 3
		equal(t, "entries", allEntries(t, s, EntryFilter{}), []Entry{want})
		commit(t, s, &Batch{Touches: []Touch{{Address: b.Address, LastSeen: at, Hits: 1}}})
		want.Hits, want.Version = 24, 4
		equal(t, "entries", allEntries(t, s, EntryFilter{}), []Entry{want})

		released, err := s.Release(ctx, b.Address, ByOperator, "a mistake", at.Add(3*time.Hour))
		must(t, err)
		want.ReleasedAt, want.ReleasedBy, want.ReleaseReason, want.Version = at.Add(3*time.Hour), ByOperator, "a mistake", 5
		equal(t, "released", released, want)
		equal(t, "in force", allEntries(t, s, EntryFilter{}), []Entry(nil))

		if _, err := s.Release(ctx, b.Address, ByOperator, "again", at); !errors.Is(err, ErrNotBlocked) || Transient(err) {
			t.Errorf("releasing twice gives %v", err)
		}
		commit(t, s, &Batch{Touches: []Touch{{Address: b.Address, LastSeen: at.Add(4 * time.Hour), Hits: 1}}}) // too late: changes nothing
		third := blockOf("203.0.113.9", at.Add(5*time.Hour))
		commit(t, s, &Batch{Blocks: []Block{third}})
		version, err := s.Version(ctx)
		must(t, err)
		again := entryOf(third, 2, version)
		history, err := s.Covering(ctx, b.Address.Addr())
		must(t, err)
		if len(history) == 2 {
			again.ID = history[0].ID // PostgreSQL's numbers have gaps
		}
		equal(t, "history", history, []Entry{again, want})

		evidence, err := s.EvidenceOf(ctx, want.ID)
		must(t, err)
		equal(t, "evidence of the first", evidence, b.Evidence)
		evidence, err = s.EvidenceOf(ctx, again.ID)
		must(t, err)
		equal(t, "evidence of the second", evidence, third.Evidence)
		audit, err := s.AuditOf(ctx, b.Address)
		must(t, err)
		equal(t, "audit", audit, []Audit{
			{b.BlockedAt, "block", b.Address, ByDetector, b.Reason},
			{at.Add(3 * time.Hour), "release", b.Address, ByOperator, "a mistake"},
			{third.BlockedAt, "block", b.Address, ByDetector, third.Reason}})

		changes := func(f AuditFilter) (texts []string) {
			must(t, s.Audits(ctx, f, func(a *Noted) error {
				texts = append(texts, a.Action+" "+a.Address.String()+" "+a.By)
				return nil
			}))
			return texts
		}
		newest := "block " + b.Address.String() + " detector"
		equal(t, "history of it, newest first", changes(AuditFilter{Address: b.Address}), []string{newest, "release " + b.Address.String() + " operator", newest})
		equal(t, "the newest change", changes(AuditFilter{Limit: 1}), []string{newest})
		equal(t, "changes since", changes(AuditFilter{Address: b.Address, Since: at.Add(time.Hour)}), []string{newest, "release " + b.Address.String() + " operator"})
		equal(t, "changes of another", changes(AuditFilter{Address: prefix("192.0.2.9")}), []string(nil))
	})
}

func TestSameAddressTwiceInOneBatch(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		at := noon()
		b := []Block{blockOf("203.0.113.9", at), blockOf("198.51.100.1", at), blockOf("203.0.113.9", at.Add(time.Minute))}
		result := commit(t, s, &Batch{Blocks: b, Touches: []Touch{{Address: prefix("203.0.113.9"), LastSeen: at, Hits: 1}}})
		equal(t, "result", result, CommitResult{Blocked: []netip.Prefix{b[0].Address, b[1].Address}, Version: 1})
		list := allEntries(t, s, EntryFilter{Address: b[0].Address})
		if len(list) != 1 || list[0].Hits != 23 || !list[0].LastSeen.Equal(at.Add(time.Minute)) {
			t.Errorf("%+v", list)
		}
	})
}

func TestBlockByHand(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		ctx, at := context.Background(), noon()
		s.now = func() time.Time { return at }
		entry, added, err := s.Block(ctx, Block{Address: prefix("203.0.113.0/24"), Reason: "by hand", By: ByOperator, ExpiresAt: at.Add(time.Hour)})
		must(t, err)
		want := Entry{ID: 1, Address: prefix("203.0.113.0/24"), Reason: "by hand", By: ByOperator, FirstSeen: at, LastSeen: at, BlockedAt: at,
			ExpiresAt: at.Add(time.Hour), Version: 1}
		equal(t, "entry", entry, want)
		equal(t, "added", added, true)

		at = at.Add(time.Minute)
		entry, added, err = s.Block(ctx, Block{Address: prefix("203.0.113.7/24"), Reason: "longer", By: ByOperator})
		must(t, err)
		want.Reason, want.ExpiresAt, want.LastSeen, want.Version = "longer", time.Time{}, at, 2
		equal(t, "entry", entry, want)
		equal(t, "added", added, false)
		audit, err := s.AuditOf(ctx, want.Address)
		must(t, err)
		equal(t, "audit", audit, []Audit{{at.Add(-time.Minute), "block", want.Address, ByOperator, "by hand"}, {at, "change", want.Address, ByOperator, "longer"}})

		if _, _, err := s.Block(ctx, Block{}); err == nil {
			t.Error("an invalid address was blocked")
		}
	})
}

func TestCoveringFindsNetworks(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		ctx, at := context.Background(), noon()
		for _, a := range []string{"203.0.113.9", "203.0.113.0/24", "203.0.0.0/16", "203.0.114.0/24", "0.0.0.0/0", "2001:db8::/32", "2001:db8::1", "::/0"} {
			commit(t, s, &Batch{Blocks: []Block{blockOf(a, at)}})
		}
		for _, c := range []struct {
			of   string
			want []netip.Prefix
		}{
			{"203.0.113.9", []netip.Prefix{prefix("0.0.0.0/0"), prefix("203.0.0.0/16"), prefix("203.0.113.0/24"), prefix("203.0.113.9")}},
			{"::ffff:203.0.113.8", []netip.Prefix{prefix("0.0.0.0/0"), prefix("203.0.0.0/16"), prefix("203.0.113.0/24")}},
			{"2001:db8::2", []netip.Prefix{prefix("::/0"), prefix("2001:db8::/32")}},
		} {
			list, err := s.Covering(ctx, addr(c.of))
			must(t, err)
			equal(t, c.of, prefixes(list), c.want)
		}
		list, err := s.Covering(ctx, netip.Addr{})
		must(t, err)
		equal(t, "of no address", list, []Entry{})
	})
}

func TestEntriesFilter(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		ctx, at := context.Background(), noon()
		for i, a := range []string{"203.0.113.1", "203.0.113.2", "198.51.100.1", "2001:db8::1", "203.0.113.0/24"} {
			b := blockOf(a, at)
			if i%2 == 1 {
				b.Rule = "host-sweep"
			}
			commit(t, s, &Batch{Blocks: []Block{b}})
		}
		_, err := s.Release(ctx, prefix("203.0.113.2"), ByOperator, "", at)
		must(t, err)
		inOrder := func(f EntryFilter) (list []netip.Prefix) {
			for _, e := range allEntries(t, s, f) {
				list = append(list, e.Address)
			}
			return list
		}
		for _, c := range []struct {
			f    EntryFilter
			want []netip.Prefix
		}{
			{EntryFilter{}, []netip.Prefix{prefix("203.0.113.0/24"), prefix("2001:db8::1"), prefix("198.51.100.1"), prefix("203.0.113.1")}},
			{EntryFilter{Limit: 2}, []netip.Prefix{prefix("203.0.113.0/24"), prefix("2001:db8::1")}},
			{EntryFilter{Rule: "host-sweep"}, []netip.Prefix{prefix("2001:db8::1")}},
			{EntryFilter{All: true, Rule: "host-sweep"}, []netip.Prefix{prefix("2001:db8::1"), prefix("203.0.113.2")}},
			{EntryFilter{Address: prefix("203.0.113.1")}, []netip.Prefix{prefix("203.0.113.1")}},
			{EntryFilter{All: true, Address: prefix("203.0.113.0/24")}, []netip.Prefix{prefix("203.0.113.0/24"), prefix("203.0.113.2"), prefix("203.0.113.1")}},
			{EntryFilter{All: true, Address: prefix("203.0.113.0/25"), Limit: 1}, []netip.Prefix{prefix("203.0.113.2")}},
		} {
			equal(t, "entries", inOrder(c.f), c.want)
		}
		stop := errors.New("stop")
		if err := s.Entries(ctx, EntryFilter{}, func(*Entry) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("fn's error came back as %v", err)
		}
	})
}

func TestReleaseQuiet(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		ctx, at := context.Background(), noon()
		const after = 24 * time.Hour
		add := func(address, by string, lastSeen, expires time.Time) {
			commit(t, s, &Batch{Blocks: []Block{{Address: prefix(address), By: by, BlockedAt: at, LastSeen: lastSeen, ExpiresAt: expires}}})
		}
		add("203.0.113.1", ByDetector, at.Add(-after), time.Time{})                  // quiet, on the dot
		add("203.0.113.2", ByDetector, at.Add(-after+time.Microsecond), time.Time{}) // not yet
		add("203.0.113.3", ByOperator, at.Add(-after), time.Time{})                  // an operator's without expiry
		add("203.0.113.4", ByOperator, at.Add(-30*after), at.Add(time.Microsecond))  // long quiet, but it has an expiry
		add("203.0.113.5", ByOperator, at, at)                                       // expired, though active
		add("203.0.113.6", ByDetector, at.Add(-2*after), time.Time{})                // quiet longest
		add("203.0.113.7", ByDetector, at.Add(-30*after), at.Add(time.Hour))         // the same for the detector's
		var want []netip.Prefix
		must(t, s.Entries(ctx, EntryFilter{}, func(e *Entry) error {
			if !e.ReleaseAt(after).After(at) {
				want = append([]netip.Prefix{e.Address}, want...)
			}
			return nil
		}))
		equal(t, "due by ReleaseAt", want, []netip.Prefix{prefix("203.0.113.1"), prefix("203.0.113.3"), prefix("203.0.113.5"), prefix("203.0.113.6")})

		var quiet []netip.Prefix
		must(t, s.Quiet(ctx, at, after, func(p netip.Prefix) { quiet = append(quiet, p) }))
		slices.SortFunc(quiet, comparePrefix)
		equal(t, "quiet", quiet, []netip.Prefix{prefix("203.0.113.1"), prefix("203.0.113.3"), prefix("203.0.113.6")})

		list, err := s.ReleaseQuiet(ctx, at, after, 2)
		must(t, err)
		equal(t, "the first two", prefixes(list), []netip.Prefix{prefix("203.0.113.5"), prefix("203.0.113.6")})
		before, err := s.Version(ctx)
		must(t, err)
		list, err = s.ReleaseQuiet(ctx, at, 0, 0)
		must(t, err)
		equal(t, "with inactivity off", prefixes(list), []netip.Prefix(nil))
		version, err := s.Version(ctx)
		must(t, err)
		equal(t, "version when there is nothing to do", version, before)
		list, err = s.ReleaseQuiet(ctx, at, after, 0)
		must(t, err)
		equal(t, "the rest", prefixes(list), []netip.Prefix{prefix("203.0.113.1"), prefix("203.0.113.3")})
		for _, e := range list {
			if !e.ReleasedAt.Equal(at) || e.ReleasedBy != ByDetector || e.ReleaseReason != "no activity for 1d" {
				t.Errorf("released as %+v", e)
			}
		}
		audit, err := s.AuditOf(ctx, prefix("203.0.113.5"))
		must(t, err)
		equal(t, "audit", audit[1:], []Audit{{at, "release", prefix("203.0.113.5"), ByDetector, "the time it was blocked for is over"}})
		equal(t, "still in force", prefixes(allEntries(t, s, EntryFilter{})), []netip.Prefix{prefix("203.0.113.2"), prefix("203.0.113.4"), prefix("203.0.113.7")})
	})
}

// What lines said of a source in the future counts once that time has come, for those that are still blocked.
func TestWhatLinesSaidOfTheFuture(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		ctx, at := context.Background(), noon()
		const after, behind = 24 * time.Hour, 35 * 24 * time.Hour
		right := at.Add(behind)
		var b Batch
		for i, expires := range []time.Time{{}, {}, at.Add(after), {}} {
			p := prefix("203.0.113." + strconv.Itoa(i+1))
			block := Block{Address: p, By: ByDetector, BlockedAt: at, LastSeen: at, ExpiresAt: expires}
			if !expires.IsZero() {
				block.Begun, block.OrBegun = at, right
			}
			b.Blocks = append(b.Blocks, block)
			b.Dated = append(b.Dated, Dated{p, right.Add(-time.Hour)}, Dated{p, right.Add(100 * after)}, Dated{p, right}, Dated{p, right.Add(-time.Minute)})
		}
		b.Dated = append(b.Dated, Dated{prefix("203.0.113.9"), right}) // it is not blocked
		commit(t, s, &b)
		commit(t, s, &Batch{Touches: []Touch{{Address: prefix("203.0.113.2"), LastSeen: at.Add(time.Second)}}, Dated: []Dated{{prefix("203.0.113.2"), at.Add(400 * after)}}})
		_, err := s.Release(ctx, prefix("203.0.113.4"), "root", "test", at)
		must(t, err)
		early, err := s.ReleaseQuiet(ctx, right.Add(-soon), after, 0) // what is soon to be dated anew is not due
		must(t, err)
		equal(t, "released before", prefixes(early), []netip.Prefix{prefix("203.0.113.2")})
		commit(t, s, &Batch{Blocks: []Block{{Address: prefix("203.0.113.2"), By: ByDetector, BlockedAt: at, LastSeen: at.Add(time.Second)}}})
		commit(t, s, &Batch{Blocks: []Block{{Address: prefix("203.0.113.4"), By: ByDetector, BlockedAt: at, LastSeen: at}}}) // by lines that say so
		redate := func(when string, now time.Time, want int64) {
			t.Helper()
			n, err := s.Redate(ctx, now)
			must(t, err)
			equal(t, when, n, want)
		}
		redate("before that time", right.Add(-time.Microsecond), 0)
		before, err := s.Version(ctx)
		must(t, err)
		redate("at that time", right, 2)
		version, err := s.Version(ctx)
		must(t, err)
		equal(t, "version", version, before+1)
		redate("again", right, 0)
		version, err = s.Version(ctx)
		must(t, err)
		equal(t, "version when there is nothing to do", version, before+1)
		seen := make(map[netip.Prefix][]time.Time)
		for _, e := range allEntries(t, s, EntryFilter{}) {
			seen[e.Address] = []time.Time{e.LastSeen, e.ExpiresAt}
		}
		equal(t, "last seen, and the end", seen, map[netip.Prefix][]time.Time{
			prefix("203.0.113.1"): {right, time.Time{}},
			prefix("203.0.113.2"): {at.Add(time.Second), time.Time{}}, // its lines say another year
			prefix("203.0.113.3"): {right, right.Add(after)},
			prefix("203.0.113.4"): {at, time.Time{}},
		})
		list, err := s.ReleaseQuiet(ctx, right.Add(after-time.Microsecond), after, 0)
		must(t, err)
		equal(t, "quiet by then", prefixes(list), []netip.Prefix{prefix("203.0.113.2"), prefix("203.0.113.4")})
	})
}

// A block for a time that may have begun later did, once that time has come: whatever its source does meanwhile, and as the last block says that was placed.
func TestABlockThatBeganLater(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		const length, behind = 24 * time.Hour, 35 * 24 * time.Hour
		s, at := db.open("one"), noon()
		right, address := at.Add(behind), prefix("203.0.113.1")
		timed := func(state State, begun, or time.Time) Block {
			return Block{Address: address, By: ByDetector, State: state, BlockedAt: begun, LastSeen: begun, ExpiresAt: begun.Add(length), Begun: begun, OrBegun: or}
		}
		ends := func(when string, now, want time.Time) {
			t.Helper()
			_, err := s.Redate(context.Background(), now)
			must(t, err)
			equal(t, when, inForce(t, s).ExpiresAt, want)
		}
		commit(t, s, &Batch{Blocks: []Block{timed(Observed, at, right)}})
		commit(t, s, &Batch{Blocks: []Block{timed(Blocked, at.Add(time.Minute), time.Time{})}}) // which is certain
		ends("raised", right, at.Add(time.Minute+length))
		letGo(t, s, right, 1)

		commit(t, s, &Batch{Blocks: []Block{timed(Observed, at, time.Time{})}})
		commit(t, s, &Batch{Blocks: []Block{timed(Blocked, at.Add(time.Minute), right.Add(time.Minute))}})
		commit(t, s, &Batch{Blocks: []Block{timed(Blocked, at.Add(time.Hour), right.Add(400*length))}}) // it is blocked already
		commit(t, s, &Batch{Touches: []Touch{{Address: address, LastSeen: at.Add(2 * time.Hour)}}, Dated: []Dated{{address, right.Add(2 * time.Hour)}}})
		ends("before that time", right, at.Add(time.Minute+length))
		commit(t, s, &Batch{Touches: []Touch{{Address: address, LastSeen: right.Add(90 * time.Minute)}}}) // the clock is right by now
		ends("at that time", right.Add(time.Minute), right.Add(time.Minute+length))
		equal(t, "last seen", inForce(t, s).LastSeen, right.Add(90*time.Minute))
		ends("when all is over", right.Add(2*time.Hour), right.Add(time.Minute+length))
		equal(t, "last seen", inForce(t, s).LastSeen, right.Add(2*time.Hour))
	})
}

// What may not be blocked is released in one go, each for its reason; who is faster changes nothing.
func TestReleaseAll(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		ctx, at := context.Background(), noon()
		commit(t, s, &Batch{Blocks: []Block{{Address: prefix("203.0.113.1"), By: ByDetector, BlockedAt: at}, {Address: prefix("203.0.113.2"), By: ByOperator, BlockedAt: at},
			{Address: prefix("203.0.113.3"), By: ByDetector, BlockedAt: at, State: Held, Hold: "a partner"}, {Address: prefix("203.0.113.4"), By: ByDetector, BlockedAt: at}}})
		reasons := map[netip.Prefix]string{prefix("203.0.113.1"): "ours", prefix("203.0.113.2"): "a peer", prefix("203.0.113.3"): "ours, too", prefix("203.0.113.9"): "never blocked"}
		before, err := s.Version(ctx)
		must(t, err)
		list, err := s.ReleaseAll(ctx, reasons, at)
		must(t, err)
		equal(t, "released", prefixes(list), []netip.Prefix{prefix("203.0.113.1"), prefix("203.0.113.2"), prefix("203.0.113.3")})
		for _, e := range list {
			if e.ReleaseReason != reasons[e.Address] || e.ReleasedBy != ByDetector || !e.ReleasedAt.Equal(at) || e.Version != before+1 {
				t.Errorf("released as %+v", e)
			}
		}
		equal(t, "still in force", prefixes(allEntries(t, s, EntryFilter{})), []netip.Prefix{prefix("203.0.113.4")})
		list, err = s.ReleaseAll(ctx, reasons, at)
		must(t, err)
		version, err := s.Version(ctx)
		must(t, err)
		if len(list) > 0 || version != before+1 {
			t.Errorf("again: %v, version %d after %d", list, version, before)
		}
	})
}

func TestReleaseAt(t *testing.T) {
	at := noon()
	for _, c := range []struct {
		e     Entry
		after time.Duration
		want  time.Time
	}{
		{Entry{LastSeen: at}, time.Hour, at.Add(time.Hour)},
		{Entry{LastSeen: at, ExpiresAt: at.Add(time.Minute)}, time.Hour, at.Add(time.Minute)},
		{Entry{LastSeen: at}, 0, time.Time{}},
	} {
		if got := c.e.ReleaseAt(c.after); !got.Equal(c.want) {
			t.Errorf("%+v ends at %v, not %v", c.e, got, c.want)
		}
	}
}

func TestEnforced(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		ctx, at := context.Background(), noon()
		a, b, network := prefix("203.0.113.9"), prefix("2001:db8::1"), prefix("198.51.100.0/24")
		must(t, s.SaveEnforced(ctx, "fw1", []Enforcement{{Address: b, Since: at}, {Address: a, Since: at, Until: at.Add(time.Hour)}, {Address: network, Since: at}}, nil))
		must(t, s.SaveEnforced(ctx, "fw2", []Enforcement{{Firewall: "ignored", Address: a, Since: at}}, nil))
		// Renewed: Until moves, Since stays.
		must(t, s.SaveEnforced(ctx, "fw1", []Enforcement{{Address: a, Since: at.Add(time.Minute), Until: at.Add(2 * time.Hour)}}, []netip.Prefix{network, prefix("192.0.2.1")}))
		must(t, s.SaveEnforced(ctx, "fw1", nil, nil))
		got, err := s.Enforced(ctx, "fw1")
		must(t, err)
		equal(t, "fw1", got, []Enforcement{{Firewall: "fw1", Address: a, Since: at, Until: at.Add(2 * time.Hour)}, {Firewall: "fw1", Address: b, Since: at}})
		got, err = s.EnforcedOn(ctx, netip.PrefixFrom(addr("::ffff:203.0.113.9"), 128))
		must(t, err)
		equal(t, "on a", got, []Enforcement{{Firewall: "fw1", Address: a, Since: at, Until: at.Add(2 * time.Hour)}, {Firewall: "fw2", Address: a, Since: at}})
		got, err = s.EnforcedOn(ctx, prefix("198.51.100.0/24"))
		must(t, err)
		equal(t, "on the network", got, []Enforcement(nil))
	})
}

// A thousand addresses need several statements.
func TestManyAddressesAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		ctx, at := context.Background(), noon()
		var b Batch
		var put []Enforcement
		var drop []netip.Prefix
		for i := range 1000 {
			a := netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)}), 32)
			b.Blocks = append(b.Blocks, Block{Address: a, BlockedAt: at, Hits: 1, Evidence: []Evidence{{at, "d", a.String()}}})
			b.Touches = append(b.Touches, Touch{Address: a, LastSeen: at.Add(time.Hour), Hits: int64(i)})
			put, drop = append(put, Enforcement{Address: a}), append(drop, a)
		}
		result := commit(t, s, &b)
		if len(result.Blocked) != 1000 {
			t.Errorf("%d blocked", len(result.Blocked))
		}
		list := allEntries(t, s, EntryFilter{})
		var hits int64
		for _, e := range list {
			hits += e.Hits
			evidence, err := s.EvidenceOf(ctx, e.ID)
			must(t, err)
			equal(t, "evidence", evidence, []Evidence{{at, "d", e.Address.String()}})
		}
		if len(list) != 1000 || hits != 1000+999*1000/2 {
			t.Errorf("%d entries with %d hits", len(list), hits)
		}
		must(t, s.SaveEnforced(ctx, "fw", put, nil))
		must(t, s.SaveEnforced(ctx, "fw", nil, drop[1:]))
		held, err := s.Enforced(ctx, "fw")
		must(t, err)
		if len(held) != 1 || held[0].Address != drop[0] {
			t.Errorf("held: %+v", held)
		}
	})
}

// What was blocked elsewhere is blocked here in the order of the file, once, and many are released together but those that a label file lists.
func TestImportAndReleaseOfMany(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		ctx, s, at := context.Background(), db.open("one"), noon()
		var blocks []Block
		for i := range 2*importStep + 10 {
			blocks = append(blocks, Block{Address: netip.PrefixFrom(netip.AddrFrom4([4]byte{20, 0, byte(i >> 8), byte(i)}), 32), Rule: "login", Reason: "guesses", By: ByDetector, Grade: Proven, BlockedAt: at.Add(-time.Hour)})
		}
		blocks = append(blocks, blocks[0])
		tried, err := s.TryImport(ctx, blocks, "anna", at)
		must(t, err)
		if list := allEntries(t, s, EntryFilter{All: true}); len(list) > 0 && list[0].By != ByDetector {
			t.Errorf("trying it left %v", list[0])
		}
		blocked, err := s.Import(ctx, blocks, "anna", at)
		equal(t, "what was tried", tried, blocked)
		must(t, err)
		equal(t, "blocked", len(blocked), len(blocks)-1)
		list := allEntries(t, s, EntryFilter{})
		equal(t, "the first of the file is listed first", []netip.Prefix{list[0].Address, list[len(list)-1].Address}, []netip.Prefix{blocks[0].Address, blocks[len(blocks)-2].Address})
		again, err := s.Import(ctx, blocks, "anna", at)
		must(t, err)
		equal(t, "again", len(again), 0)
		_, err = s.List(ctx, LabelFile{Path: "/x", Label: "bad"}, []netip.Prefix{prefix("192.0.2.200/32")}, at)
		must(t, err)
		all := []netip.Prefix{prefix("192.0.2.200/32"), prefix("192.0.2.201/32")}
		for _, b := range blocks {
			all = append(all, b.Address)
		}
		released, listed, err := s.ReleaseEach(ctx, all, "berta", "moved", at)
		must(t, err)
		if len(released) != len(blocked) || len(listed) != 1 || listed[0].Address != all[0] || len(listed[0].Files) != 1 || released[0].ReleasedBy != "berta" {
			t.Errorf("%d are released, listed are %v", len(released), listed)
		}
		version, err := s.Version(ctx)
		must(t, err)
		_, _, err = s.ReleaseEach(ctx, all, "berta", "moved", at)
		must(t, err)
		now, err := s.Version(ctx)
		must(t, err)
		equal(t, "nothing to release", now, version)
	})
}
