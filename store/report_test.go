package store

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"
)

// counted is a block of a source, as a report counts it.
func counted(address, rule, country string, port int, at time.Time, hits int64) Block {
	return Block{Address: prefix(address), Rule: rule, Reason: "it scans", By: ByDetector, Device: "LAB-FW-01", Country: country, Port: port,
		FirstSeen: at, LastSeen: at.Add(time.Minute), BlockedAt: at, Hits: hits}
}

func TestBlocksAreCounted(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s, at := db.open("one"), noon()
		before := at.Add(-72 * time.Hour)
		early := counted("203.0.113.1", "probe", "Norway", 22, before, 7)
		again := counted("203.0.113.1", "port-scan", "Sweden", SeveralPorts, at, 11)
		unknown := counted("203.0.113.3", "port-scan", "", 0, at.Add(-24*time.Hour), 100)
		unknown.Device = "LAB-FW-02"
		held := counted("203.0.113.4", "port-scan", "Norway", 22, at, 1)
		held.State, held.Hold = Held, "it is a partner"
		observed := counted("203.0.113.5", "login", "Norway", 22, at, 1)
		observed.State = Observed
		ctx := context.Background()
		commit(t, s, &Batch{Blocks: []Block{early}})
		_, err := s.Release(ctx, early.Address, "anna", "a customer", at.Add(-time.Hour))
		must(t, err)
		commit(t, s, &Batch{Blocks: []Block{again, unknown, held, observed, counted("2001:db8:1::/64", "host-sweep", "Norway", 22, at, 5)}})
		dismissed := counted("203.0.113.9", "login", "Norway", 22, at, 1)
		dismissed.State = Observed
		commit(t, s, &Batch{Blocks: []Block{dismissed}})
		_, err = s.Release(ctx, dismissed.Address, "anna", "no block that ends", at)
		must(t, err)
		_, err = s.Release(ctx, unknown.Address, ByDetector, "no activity", at.Add(time.Minute))
		must(t, err)

		c, err := s.Count(ctx, before, at.Add(time.Hour), 10)
		must(t, err)
		equal(t, "the sums", fmt.Sprint(c.Blocks, c.Sources, c.Hits, c.Released, c.ByHand, c.Standing, c.Held, c.Observed), "4 3 123 2 1 2 1 1")
		equal(t, "the rules", c.Rules, []Tally{{"port-scan", 2}, {"host-sweep", 1}, {"probe", 1}})
		equal(t, "the countries", c.Countries, []Tally{{"Norway", 2}, {"", 1}, {"Sweden", 1}})
		equal(t, "the ports", c.Ports, []Tally{{"22", 2}, {"-1", 1}, {"0", 1}})
		equal(t, "the devices", c.Devices, []Tally{{"LAB-FW-01", 3}, {"LAB-FW-02", 1}})
		equal(t, "the days", c.Days, []Tally{{before.Format(time.DateOnly), 1}, {at.Add(-24 * time.Hour).Format(time.DateOnly), 1}, {at.Format(time.DateOnly), 2}})
		equal(t, "the first sources", c.Top, []SourceTally{{prefix("203.0.113.3"), "", "port-scan", 1, 100, at.Add(time.Minute - 24*time.Hour)},
			{prefix("203.0.113.1"), "Sweden", "port-scan", 2, 18, at.Add(time.Minute)}, {prefix("2001:db8:1::/64"), "Norway", "host-sweep", 1, 5, at.Add(time.Minute)}})

		c, err = s.Count(ctx, at, at.Add(time.Hour), 1)
		must(t, err)
		equal(t, "what is counted of today alone", fmt.Sprint(c.Blocks, c.Rules, len(c.Top)), "2 [{host-sweep 1}] 1")
		c, err = s.Count(ctx, at.Add(time.Hour), at.Add(2*time.Hour), 1)
		must(t, err)
		equal(t, "what is counted of a time without any", fmt.Sprintf("%+v", c), "{Blocks:0 Sources:0 Hits:0 Released:0 ByHand:0 Standing:2 Held:1 Observed:1 Rules:[] Countries:[] Ports:[] Devices:[] Days:[] Top:[]}")
		got := allEntries(t, s, EntryFilter{Rule: "host-sweep"})
		equal(t, "the entry", fmt.Sprint(got[0].Country, " ", got[0].Port), "Norway 22")
	})
}

// What was held is blocked for other evidence, of which its country and port are then.
func TestARaisedEntryHasItsOwnCountryAndPort(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		held := counted("203.0.113.4", "port-scan", "", SeveralPorts, noon(), 1)
		held.State, held.Hold = Held, "it is a partner"
		commit(t, s, &Batch{Blocks: []Block{held}})
		commit(t, s, &Batch{Blocks: []Block{counted("203.0.113.4", "login", "Norway", 443, noon(), 1)}})
		e := allEntries(t, s, EntryFilter{})[0]
		equal(t, "the entry", fmt.Sprint(e.State, " ", e.Country, " ", e.Port), "blocked Norway 443")
	})
}

func TestTheStatesOfFirewalls(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s, at := db.open("one"), noon()
		ctx, gap := context.Background(), 3*time.Minute
		note := func(after time.Duration, firewall, state string) {
			t.Helper()
			must(t, s.NoteStates(ctx, at.Add(after), gap, []FirewallState{{Firewall: firewall, State: state}}))
		}
		list := func(since, until time.Duration) (list []string) {
			t.Helper()
			must(t, s.States(ctx, at.Add(since), at.Add(until), func(f *FirewallState) error {
				list = append(list, fmt.Sprint(f.Firewall, " ", f.State, " ", f.Began.Sub(at), "-", f.Until.Sub(at)))
				return nil
			}))
			return list
		}
		note(0, "b", "up")
		note(time.Minute, "b", "up")
		note(2*time.Minute, "b", "down")
		note(2*time.Minute, "a", "up")
		note(3*time.Minute, "b", "down")
		note(10*time.Minute, "b", "down") // nobody looked for seven minutes
		note(8*time.Minute, "b", "down")  // the clock was set back
		equal(t, "the states with the clock set back", list(9*time.Minute, time.Hour), "[b down 10m0s-10m0s]")
		note(11*time.Minute, "b", "up")
		equal(t, "the states", list(0, time.Hour), "[a up 2m0s-2m0s b up 0s-2m0s b down 2m0s-3m0s b down 10m0s-11m0s b up 11m0s-11m0s]")
		equal(t, "those of a while", list(4*time.Minute, 11*time.Minute), "[b down 10m0s-11m0s]")
		note(2*keepStates, "b", "up")
		equal(t, "what is kept", len(list(0, 3*keepStates)), 1)
	})
}

// However many records there were, they are counted, in all and of each source.
func TestASumOfHitsThatNoNumberHoldsIsTheLargest(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s, at := db.open("one"), noon()
		const most = 1<<53 - 1 // of an entry that is imported
		count := func(name string, want, top int64) {
			t.Helper()
			c, err := s.Count(context.Background(), at.Add(-time.Hour), at.Add(time.Hour), 1)
			must(t, err)
			equal(t, name, fmt.Sprint(c.Hits, c.Top[0].Hits), fmt.Sprint(want, top))
		}
		var blocks []Block
		for i := range 2000 {
			blocks = append(blocks, counted(fmt.Sprintf("203.0.%d.%d", i/250, 1+i%250), "probe", "", 22, at.Add(time.Duration(i)*time.Millisecond), most))
		}
		_, err := s.Import(context.Background(), blocks[:1000], "anna", at)
		must(t, err)
		count("of those that it holds", 1000*most, most)
		_, err = s.Import(context.Background(), blocks[1000:], "anna", at)
		must(t, err)
		count("of more", math.MaxInt64, most)
		// As if so many of them had been of one, each after the other was released.
		_, err = s.writer.ExecContext(context.Background(), `UPDATE blacklist SET released_at = $1, released_by = 'anna', address = (SELECT address FROM blacklist ORDER BY id LIMIT 1)
			WHERE id IN (SELECT id FROM blacklist ORDER BY id LIMIT 1100)`, s.stamp(at))
		must(t, err)
		count("of one source", math.MaxInt64, math.MaxInt64)
	})
}

// past is a block whose time was over when it was found.
func past(address string, at time.Time) Block {
	b := counted(address, "port-scan", "Norway", 22, at, 3)
	b.FirstSeen, b.LastSeen, b.BlockedAt, b.ExpiresAt, b.Late = at.Add(-2*time.Hour), at.Add(-2*time.Hour), at, at.Add(-time.Hour), at
	return b
}

// What never was in force is no block of the time when it was found, nor one that ended then, and hides none.
func TestWhatNeverWasInForceIsNotCounted(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s, at, ctx := db.open("one"), noon(), context.Background()
		stands := past("203.0.113.1", at)
		stands.FirstSeen, stands.LastSeen, stands.ExpiresAt, stands.Late = at, at, at.Add(time.Hour), time.Time{}
		commit(t, s, &Batch{Blocks: []Block{stands, past("203.0.113.1", at), past("203.0.113.2", at)}})
		if list := allEntries(t, s, EntryFilter{All: true, Address: prefix("203.0.113.2")}); len(list) != 1 || !list[0].Past() {
			t.Fatalf("the entries are %+v", list)
		}
		c, err := s.Count(ctx, at.Add(-time.Hour), at.Add(time.Hour), 10)
		must(t, err)
		equal(t, "the sums", fmt.Sprint(c.Blocks, c.Sources, c.Hits, c.Released, c.ByHand, c.Standing, c.Days[0].Blocks, len(c.Top)), "1 1 3 0 0 1 1 1")
		began := 0
		must(t, s.Began(ctx, at.Add(-time.Hour), func(time.Time) error { began++; return nil }))
		equal(t, "began", began, 1)
		history, err := s.AuditOf(ctx, prefix("203.0.113.2"))
		must(t, err)
		if len(history) != 1 || history[0].Action != "late" {
			t.Errorf("the history is %+v", history)
		}
	})
}

// A block that was released, and imported as it was exported, is one block.
func TestABlockThatIsImportedAgainCountsOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s, at, ctx := db.open("one"), noon(), context.Background()
		b := counted("203.0.113.1", "probe", "Norway", 22, at, 12)
		commit(t, s, &Batch{Blocks: []Block{b}})
		_, err := s.Release(ctx, b.Address, "anna", "moved", at.Add(time.Minute))
		must(t, err)
		_, err = s.Import(ctx, []Block{b}, "anna", at.Add(2*time.Minute))
		must(t, err)
		c, err := s.Count(ctx, at, at.Add(time.Hour), 1)
		must(t, err)
		equal(t, "the sums", fmt.Sprint(c.Blocks, c.Sources, c.Hits, c.Released, c.ByHand, c.Standing, c.Rules, c.Top[0].Blocks, c.Top[0].Hits), "1 1 12 1 1 1 [{probe 1}] 1 12")
		whole, err := s.AuditOf(ctx, b.Address)
		must(t, err)
		var actions []string
		for _, one := range whole {
			actions = append(actions, one.Action)
		}
		equal(t, "the history", fmt.Sprint(actions), "[block release import]")
	})
}
