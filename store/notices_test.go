package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// setReceivers says who gets notices.
func setReceivers(t testing.TB, s *Store, names ...string) []Replaced {
	t.Helper()
	gone, err := s.SetReceivers(context.Background(), names)
	must(t, err)
	return gone
}

// undelivered gives what a receiver has not got yet, of all events.
func undelivered(t testing.TB, s *Store, receiver string, events ...string) Queue {
	t.Helper()
	q, err := s.Undelivered(context.Background(), receiver, events, 0, 1000)
	must(t, err)
	return q
}

// told writes the notices of a queue as "event address".
func told(q Queue) (list []string) {
	for _, n := range q.Notices {
		list = append(list, strings.TrimSpace(n.Event+" "+n.Address+n.Subject))
	}
	return list
}

// What is blocked, held, accepted and released by a person is written with it, each once; what is observed, released by itself, listed
// in a file or blocked already is not, nor what was done before there was anybody to tell.
func TestNoticesAreWrittenWithWhatTheyTell(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		ctx := context.Background()
		s := db.open("one")
		at := noon()
		commit(t, s, &Batch{Blocks: []Block{blockOf("203.0.113.1", at)}})
		setReceivers(t, s, "mail", "hook")
		b := blockOf("203.0.113.2", at)
		b.Country, b.Grade, b.Device = "Netherlands", Proven, "LAB-FW-01"
		b.Evidence = []Evidence{{at, "LAB-FW-01", "one"}, {at, "LAB-FW-01", strings.Repeat("é", 1000)}, {at, "", "three"}, {at, "", "four"}}
		held, observed := inState(Held, at), inState(Observed, at)
		observed.Address = prefix("203.0.113.3")
		commit(t, s, &Batch{Seq: 1, Blocks: []Block{b, held, observed, blockOf("203.0.113.1", at)}})
		commit(t, s, &Batch{Seq: 1, Blocks: []Block{b, held, observed}}) // its answer was lost
		commit(t, s, &Batch{Blocks: []Block{b}})                         // again
		_, err := s.List(ctx, LabelFile{"/l", "bad"}, addressesOf("198.51.100.1"), at)
		must(t, err)
		_, err = s.Accept(ctx, addressesOf("203.0.113.9"), "anna", at)
		must(t, err)
		_, err = s.Release(ctx, prefix("203.0.113.2"), "anna", "a partner", at)
		must(t, err)
		_, _, err = s.Block(ctx, Block{Address: prefix("2001:db8::/32"), Rule: "manual", Reason: "by hand", By: "anna"})
		must(t, err)
		_, err = s.Allow(ctx, []Allowed{{Entry: "2001:db8::/29", Addresses: addressesOf("2001:db8::/29"), Reason: "ours"}}, "anna", at)
		must(t, err)
		_, err = s.ReleaseQuiet(ctx, at.Add(1000*time.Hour), time.Hour, 0)
		must(t, err)

		q := undelivered(t, s, "mail")
		equal(t, "told", told(q), []string{"block 203.0.113.2", "held 203.0.113.9", "block 203.0.113.9", "release-by-hand 203.0.113.2", "block 2001:db8::/32", "release-by-hand 2001:db8::/32"})
		if q.Waiting != 6 || q.Oldest != q.Notices[0].Time {
			t.Errorf("%d wait, the oldest since %v", q.Waiting, q.Oldest)
		}
		n := q.Notices[0]
		if n.Country != "Netherlands" || n.Grade != "proven" || n.Rule != b.Rule || n.Device != "LAB-FW-01" || len(n.Lines) != noticeLines || len(n.Lines[1]) > noticeLineLen+3 || n.By != ByDetector {
			t.Errorf("the notice is %+v", n)
		}
		if held := q.Notices[1]; held.Hold != "it is a partner" || q.Notices[2].By != "anna" || q.Notices[3].Reason != "a partner" || q.Notices[3].Allowed != "" || q.Notices[5].Allowed != "2001:db8::/29" {
			t.Errorf("what was held: %+v", held)
		}
		ids := make(map[string]bool)
		for _, n := range q.Notices {
			ids[n.ID] = true
		}
		if len(ids) != 6 || ids[""] || strings.Contains(q.Notices[0].ID, ".") {
			t.Errorf("the ids are %v", ids)
		}
		equal(t, "the same again", undelivered(t, s, "mail"), q)
	})
}

// addressesOf reads one address as a list.
func addressesOf(s string) (list []netip.Prefix) { return []netip.Prefix{prefix(s)} }

// A receiver gets what comes from when it was first named, also over a restart, and nothing twice; what all have is removed. One that
// wants few events has the others, too. Another agent's notices are its own; what the command line does, an agent tells.
func TestReceiversGetTheirNotices(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		ctx := context.Background()
		s, cli := db.open("one"), db.open(CommandLine)
		setReceivers(t, s, "mail", "hook")
		add := func(s *Store, address string) {
			t.Helper()
			_, _, err := s.Block(ctx, Block{Address: prefix(address), Rule: "manual", Reason: "by hand", By: "anna"})
			must(t, err)
		}
		add(s, "203.0.113.1")
		add(cli, "203.0.113.2")
		q := undelivered(t, s, "hook")
		must(t, s.Delivered(ctx, "hook", q.Notices[0].Number, "so far"))
		must(t, s.Delivered(ctx, "hook", 0, "so far")) // late, and no step back
		add(s, "203.0.113.3")
		setReceivers(t, s, "hook", "new")
		add(s, "203.0.113.4")
		equal(t, "hook", told(undelivered(t, s, "hook")), []string{"block 203.0.113.2", "block 203.0.113.3", "block 203.0.113.4"})
		equal(t, "its state", undelivered(t, s, "hook").State, "so far")
		equal(t, "new", told(undelivered(t, s, "new")), []string{"block 203.0.113.4"})
		none := undelivered(t, s, "new", "held", "clock")
		if len(none.Notices) > 0 || none.Upto != undelivered(t, s, "hook").Upto {
			t.Errorf("one that wants others has up to %d: %v", none.Upto, told(none))
		}
		first, err := s.Undelivered(ctx, "hook", nil, 0, 2)
		must(t, err)
		if len(first.Notices) != 2 || first.Waiting != 3 || first.Upto != first.Notices[1].Number {
			t.Errorf("of two: %d of %d, up to %d", len(first.Notices), first.Waiting, first.Upto)
		}
		must(t, s.Delivered(ctx, "new", none.Upto, ""))
		must(t, s.PruneNotices(ctx, 100))
		equal(t, "after pruning", told(undelivered(t, s, "hook")), []string{"block 203.0.113.2", "block 203.0.113.3", "block 203.0.113.4"})
		must(t, s.Delivered(ctx, "hook", first.Upto, ""))
		must(t, s.PruneNotices(ctx, 100))
		equal(t, "rows", rowsOf(t, s, "notices"), 1)
		if db.URL != "" { // SQLite's file is one agent's
			other := db.open("two")
			setReceivers(t, other, "hook")
			add(other, "203.0.113.5")
			equal(t, "the other's", told(undelivered(t, other, "hook")), []string{"block 203.0.113.5"})
		}
		equal(t, "one's", told(undelivered(t, s, "hook")), []string{"block 203.0.113.4"})
		if db.URL == "" { // whose agent has lost its name
			renamed := db.open("three")
			setReceivers(t, renamed, "hook", "new")
			equal(t, "under another name", told(undelivered(t, renamed, "hook")), []string{"block 203.0.113.4"})
			setReceivers(t, s, "hook", "new")
		}
		setReceivers(t, s)
		add(s, "203.0.113.6")
		setReceivers(t, s, "hook")
		equal(t, "one that was away", told(undelivered(t, s, "hook")), []string(nil))
	})
}

// A receiver that is only known otherwise from now on, such as a webhook whose URL was corrected, gets what waits, and remembers what it had to; what waits for one that
// is gone for good is said.
func TestACorrectedReceiverGetsWhatWaits(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		ctx := context.Background()
		s := db.open("one")
		add := func(address string) {
			t.Helper()
			_, _, err := s.Block(ctx, Block{Address: prefix(address), Rule: "manual", Reason: "by hand", By: "anna"})
			must(t, err)
		}
		setReceivers(t, s, "webhook a", "webhook b", "mail")
		add("203.0.113.1")
		add("203.0.113.2")
		q := undelivered(t, s, "webhook a")
		must(t, s.Delivered(ctx, "webhook b", q.Upto, ""))
		must(t, s.Delivered(ctx, "webhook a", q.Notices[0].Number, "so far"))
		equal(t, "gone", setReceivers(t, s, "webhook c", "webhook b", "mail", "syslog"), []Replaced{{"webhook a", 1, []string{"webhook c"}}})
		equal(t, "the corrected one has", told(undelivered(t, s, "webhook c")), []string{"block 203.0.113.2"})
		equal(t, "its state", undelivered(t, s, "webhook c").State, "so far")
		equal(t, "another kind has", told(undelivered(t, s, "syslog")), []string(nil))
		equal(t, "gone", setReceivers(t, s, "webhook d", "webhook e", "mail anna", "mail bob"),
			[]Replaced{{"mail", 2, []string{"mail anna", "mail bob"}}, {"syslog", 0, nil}, {"webhook b", 0, []string{"webhook d", "webhook e"}}, {"webhook c", 1, []string{"webhook d", "webhook e"}}})
		equal(t, "each of several has", told(undelivered(t, s, "webhook e")), []string{"block 203.0.113.2"})
		equal(t, "the state of several", undelivered(t, s, "webhook e").State, "")
		equal(t, "each mail has", told(undelivered(t, s, "mail bob")), []string{"block 203.0.113.1", "block 203.0.113.2"})
		first := undelivered(t, s, "mail bob").Notices[0].Number
		q, err := s.Undelivered(ctx, "mail bob", nil, first, 10)
		must(t, err)
		equal(t, "behind the first", told(q), []string{"block 203.0.113.2"})
		equal(t, "gone", setReceivers(t, s, "mail anna", "mail bob"), []Replaced{{"webhook d", 1, nil}, {"webhook e", 1, nil}})
	})
}

func rowsOf(t testing.TB, s *Store, table string) (n int) {
	t.Helper()
	must(t, s.readers.QueryRowContext(context.Background(), `SELECT count(*) FROM `+table).Scan(&n))
	return n
}

// However long nobody takes them, a bounded number of notices is kept; the oldest of the blacklist become a number, and no trouble is lost.
func TestNoticesThatNobodyTakesAreBounded(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		ctx := context.Background()
		s := db.open("one")
		setReceivers(t, s, "mail")
		at := noon()
		must(t, s.TellTroubles(ctx, ToldTrouble{"a", Notice{Event: "clock", Time: at, Subject: "the clock is wrong"}}))
		for round := range 4 {
			var blocks []Block
			for i := range 10 {
				blocks = append(blocks, blockOf(fmt.Sprintf("203.0.113.%d", round*10+i), at.Add(time.Duration(round)*time.Hour)))
			}
			commit(t, s, &Batch{Blocks: blocks})
			must(t, s.PruneNotices(ctx, 12))
			if n := rowsOf(t, s, "notices"); n > 12 {
				t.Errorf("%d are kept", n)
			}
		}
		q := undelivered(t, s, "mail")
		var stands int64
		for _, n := range q.Notices {
			stands += n.Stands
		}
		if stands != 41 || q.Notices[0].Event != "clock" || q.Notices[1].Stands != 30 || !strings.HasPrefix(q.Notices[1].Subject, "30 notices of ") || !strings.HasPrefix(q.Notices[2].Address, "203.0.113.3") {
			t.Errorf("they stand for %d: %v", stands, told(q))
		}
	})
}

// Many are removed, and many become one, in steps.
func TestManyNoticesArePrunedInSteps(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		ctx := context.Background()
		s := db.open("one")
		setReceivers(t, s, "mail")
		add := func(net byte) {
			b := &Batch{}
			for i := range noticeStep + 500 {
				b.Blocks = append(b.Blocks, Block{Address: netip.PrefixFrom(netip.AddrFrom4([4]byte{203, net, byte(i >> 8), byte(i)}), 32), Rule: "port-scan", By: ByDetector})
			}
			commit(t, s, b)
		}
		add(1)
		must(t, s.PruneNotices(ctx, 100))
		q := undelivered(t, s, "mail")
		if q.Waiting != 100 || q.Notices[0].Stands != noticeStep+401 {
			t.Errorf("%d are kept, the first stands for %d", q.Waiting, q.Notices[0].Stands)
		}
		add(2)
		q = undelivered(t, s, "mail")
		last, err := s.LastNotice(ctx)
		must(t, err)
		must(t, s.Delivered(ctx, "mail", last, ""))
		must(t, s.PruneNotices(ctx, 100))
		if n := rowsOf(t, s, "notices"); n != 0 || q.Waiting != noticeStep+600 {
			t.Errorf("%d of %d are left", n, q.Waiting)
		}
	})
}

// A trouble is told once, and once that it is over, also when an answer was lost or the agent was started anew.
func TestATroubleIsToldOnceAndItsEnd(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		ctx := context.Background()
		s := db.open("one")
		setReceivers(t, s, "mail")
		at := noon()
		down := ToldTrouble{"firewall-down|fw1", Notice{Event: "firewall-down", Time: at, Since: at, Subject: "fw1 is down"}}
		up := ToldTrouble{"firewall-down|fw1", Notice{Event: "firewall-up", Time: at, Subject: "fw1 is up", Over: true}}
		must(t, s.TellTroubles(ctx, up)) // nobody was told that it is down
		must(t, s.TellTroubles(ctx, down))
		must(t, s.TellTroubles(ctx, down))
		list, err := db.open("one").ToldTroubles(ctx)
		must(t, err)
		if len(list) != 1 || list[0].Key != down.Key || list[0].Notice.Event != "firewall-down" || !list[0].Notice.Since.Equal(at) || list[0].Notice.Subject != "fw1 is down" {
			t.Errorf("told: %+v", list)
		}
		must(t, s.TellTroubles(ctx, up))
		must(t, s.TellTroubles(ctx, up, down, down, up))
		equal(t, "told", told(undelivered(t, s, "mail")), []string{"firewall-down fw1 is down", "firewall-up fw1 is up", "firewall-down fw1 is down", "firewall-up fw1 is up"})
	})
}

// Agents that write at the same time and a receiver that reads meanwhile: it gets every notice once, in one order, and never one behind its position.
func TestNoReceiverMissesWhatCommitsLate(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		ctx := context.Background()
		s := db.open("one")
		setReceivers(t, s, "mail")
		const writers, each = 4, 25
		done := make(chan error, writers)
		for w := range writers {
			mine := s
			if db.URL != "" {
				mine = db.open("one") // with connections of its own
			}
			go func() {
				var err error
				for i := range each {
					b := Block{Address: prefix(fmt.Sprintf("203.0.%d.%d", w, i)), Rule: "manual", Reason: "by hand", By: "anna"}
					if rand.IntN(3) == 0 {
						at := time.Now()
						err = mine.TellTroubles(ctx, ToldTrouble{b.Address.String(), Notice{Event: "clock", Time: at}})
					} else if rand.IntN(2) == 0 {
						_, err = mine.Commit(ctx, &Batch{Records: []Record{line(noon(), "203.0.113.1")}, Blocks: []Block{b}})
					} else {
						_, _, err = mine.Block(ctx, b)
					}
					if err != nil {
						break
					}
				}
				done <- err
			}()
		}
		var numbers []int64
		for left := writers; ; {
			ended := left == 0
			q := undelivered(t, s, "mail")
			for _, n := range q.Notices {
				numbers = append(numbers, n.Number)
			}
			must(t, s.Delivered(ctx, "mail", q.Upto, ""))
			if ended {
				break
			}
			select {
			case err := <-done:
				must(t, err)
				left--
			default:
			}
		}
		if len(numbers) != writers*each || !slices.IsSorted(numbers) || len(slices.Compact(numbers)) != writers*each {
			t.Errorf("it got %d notices of %d", len(numbers), writers*each)
		}
	})
}
