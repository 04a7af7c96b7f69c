package store

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

var botnet, scanners = LabelFile{"/etc/botnet.txt", "botnet"}, LabelFile{"/etc/scanners.txt", "scanner"}

func prefixesOf(texts ...string) (list []netip.Prefix) {
	for _, s := range texts {
		list = append(list, prefix(s))
	}
	return list
}

// lists has a file list addresses, and checks how many became blocked by it.
func (db emptyDatabase) lists(s *Store, f LabelFile, want int, addresses ...string) {
	db.t.Helper()
	n, err := s.List(context.Background(), f, prefixesOf(addresses...), noon())
	must(db.t, err)
	equal(db.t, "how many became blocked", n, want)
}

// unlists is lists for what a file does not list any more.
func (db emptyDatabase) unlists(s *Store, f LabelFile, want int, addresses ...string) {
	db.t.Helper()
	n, err := s.Unlist(context.Background(), f, prefixesOf(addresses...), "no longer listed in "+f.Path, noon().Add(time.Hour))
	must(db.t, err)
	equal(db.t, "how many were released", n, want)
}

// standing gives what is on the blacklist as "address by: reason", by address.
func standing(t *testing.T, s *Store) string {
	t.Helper()
	var list []string
	entries := allEntries(t, s, EntryFilter{})
	for _, p := range prefixes(entries) {
		for _, e := range entries {
			if e.Address == p {
				list = append(list, fmt.Sprintf("%s %s %s: %s", p.Addr(), e.State, e.By, e.Reason))
			}
		}
	}
	return strings.Join(list, "; ")
}

// audits gives the history of an address.
func audits(t *testing.T, s *Store, address string) string {
	t.Helper()
	var list []string
	all, err := s.AuditOf(context.Background(), prefix(address))
	must(t, err)
	for _, a := range all {
		list = append(list, a.Action+" by "+a.By+": "+a.Reason)
	}
	return strings.Join(list, "; ")
}

func TestWhatALabelFileListsIsBlockedUntilItIsNot(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		db.lists(s, botnet, 2, "203.0.113.7", "2001:db8::/48", "::ffff:203.0.113.7")
		want := []Entry{{ID: 2, Address: prefix("2001:db8::/48"), Rule: RuleLabel, Reason: `listed as "botnet" in /etc/botnet.txt`, By: ByLabelFile,
			FirstSeen: noon(), LastSeen: noon(), BlockedAt: noon(), Version: 1}, {}}
		want[1] = want[0]
		want[1].ID, want[1].Address = 1, prefix("203.0.113.7")
		equal(t, "entries", allEntries(t, s, EntryFilter{}), want)
		files, err := s.Listed(context.Background())
		must(t, err)
		equal(t, "listed", files, map[LabelFile][]Listing{botnet: {{prefix("203.0.113.7"), true}, {prefix("2001:db8::/48"), true}}})
		if end := want[0].ReleaseAt(time.Hour); !end.IsZero() {
			t.Errorf("it is to be released at %s", end)
		}
		db.unlists(s, botnet, 1, "203.0.113.7", "203.0.113.8")
		equal(t, "history", audits(t, s, "203.0.113.7"), `block by label-file: listed as "botnet" in /etc/botnet.txt; release by label-file: no longer listed in /etc/botnet.txt`)
		equal(t, "left", prefixes(allEntries(t, s, EntryFilter{})), prefixesOf("2001:db8::/48"))
		db.unlists(s, botnet, 1, "2001:db8::/48")
		files, err = s.Listed(context.Background())
		must(t, err)
		equal(t, "listed at the end", files, map[LabelFile][]Listing{})
	})
}

// Two agents on one PostgreSQL, and two files of one agent, list the same address: it is blocked until the last lets go, for
// the reason of one that lists it.
func TestWhatSeveralListStaysUntilTheLastLetsGo(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		one, two := db.open("one"), db.open("two")
		db.lists(one, botnet, 1, "203.0.113.7")
		db.lists(one, scanners, 0, "203.0.113.7")
		db.lists(two, botnet, 1, "203.0.113.7", "203.0.113.8")
		files, err := one.Listed(context.Background())
		must(t, err)
		equal(t, "of one agent", files, map[LabelFile][]Listing{botnet: {{prefix("203.0.113.7"), true}}, scanners: {{prefix("203.0.113.7"), true}}})
		db.unlists(two, scanners, 0, "203.0.113.7") // which is the other agent's
		db.unlists(one, botnet, 0, "203.0.113.7")
		equal(t, "when one let go", standing(t, one), `203.0.113.7 blocked label-file: listed as "scanner" in /etc/scanners.txt; 203.0.113.8 blocked label-file: listed as "botnet" in /etc/botnet.txt`)
		db.unlists(one, scanners, 0, "203.0.113.7", "203.0.113.8")
		db.unlists(two, botnet, 1, "203.0.113.7")
		equal(t, "when the last let go", standing(t, one), `203.0.113.8 blocked label-file: listed as "botnet" in /etc/botnet.txt`)
		equal(t, "history", audits(t, one, "203.0.113.7"), strings.Join([]string{`block by label-file: listed as "botnet" in /etc/botnet.txt`,
			`change by label-file: listed as "scanner" in /etc/scanners.txt`, `change by label-file: listed as "botnet" in /etc/botnet.txt`,
			`release by label-file: no longer listed in /etc/botnet.txt`}, "; "))
	})
}

// What stands for another reason stays as it is when a file lists it, and when it does not any more; and when that reason is
// over while a file lists it, it stays blocked as listed. A file's own blocks are not released for being quiet.
func TestAListedBlockBesideOtherReasons(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s, ctx := db.open("one"), context.Background()
		found := blockOf("203.0.113.1", noon())
		held := blockOf("203.0.113.2", noon())
		held.State, held.Hold = Held, "a partner"
		commit(t, s, &Batch{Blocks: []Block{found, held, blockOf("203.0.113.3", noon())}})
		timed := Block{Address: prefix("203.0.113.4"), Rule: "manual", Reason: "by hand", By: "anna", BlockedAt: noon(), ExpiresAt: noon().Add(time.Hour)}
		_, _, err := s.Block(ctx, timed)
		must(t, err)
		db.lists(s, botnet, 2, "203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4", "203.0.113.5")
		listed := `listed as "botnet" in /etc/botnet.txt`
		equal(t, "listed", standing(t, s), "203.0.113.1 blocked detector: 11 ports of 192.0.2.10 within 10m; 203.0.113.2 blocked label-file: "+listed+
			"; 203.0.113.3 blocked detector: 11 ports of 192.0.2.10 within 10m; 203.0.113.4 blocked anna: by hand; 203.0.113.5 blocked label-file: "+listed)
		db.unlists(s, botnet, 1, "203.0.113.2", "203.0.113.3")
		released, err := s.ReleaseQuiet(ctx, noon().Add(2*time.Hour), time.Hour, 0)
		must(t, err)
		equal(t, "quiet or over", prefixes(released), prefixesOf("203.0.113.1", "203.0.113.3", "203.0.113.4"))
		equal(t, "left", standing(t, s), "203.0.113.1 blocked label-file: "+listed+"; 203.0.113.4 blocked label-file: "+listed+"; 203.0.113.5 blocked label-file: "+listed)
		released, err = s.ReleaseQuiet(ctx, noon().Add(1000*time.Hour), time.Hour, 0)
		must(t, err)
		equal(t, "released for being quiet", prefixes(released), []netip.Prefix(nil))
		equal(t, "history", audits(t, s, "203.0.113.4"), "block by anna: by hand; release by detector: the time it was blocked for is over; block by label-file: "+listed)
		db.unlists(s, botnet, 3, "203.0.113.1", "203.0.113.4", "203.0.113.5")
		equal(t, "at the end", standing(t, s), "")
	})
}

// A person cannot release what a file lists, for it would be on the blacklist again; what may not be blocked is lifted all the
// same, and is blocked again when its file lists it anew.
func TestWhoReleasesWhatIsListed(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s, ctx := db.open("one"), context.Background()
		commit(t, s, &Batch{Blocks: []Block{blockOf("203.0.113.1", noon())}})
		db.lists(s, botnet, 2, "203.0.113.1", "203.0.113.2", "203.0.113.3")
		for _, address := range []string{"203.0.113.1", "203.0.113.2"} {
			_, err := s.Release(ctx, prefix(address), "anna", "a partner", noon())
			if e, ok := errors.AsType[*ListedError](err); !ok || !strings.HasSuffix(err.Error(), address+`/32 is listed as "botnet" in /etc/botnet.txt`) || len(e.Files) != 1 {
				t.Errorf("release of %s: %v", address, err)
			}
		}
		if n := len(allEntries(t, s, EntryFilter{})); n != 3 {
			t.Errorf("%d are left", n)
		}
		_, err := s.Release(ctx, prefix("203.0.113.9"), "anna", "", noon())
		if !errors.Is(err, ErrNotBlocked) {
			t.Error(err)
		}
		_, err = s.Release(ctx, prefix("203.0.113.2"), ByDetector, "it is in never_block", noon())
		must(t, err)
		files, err := s.Listed(ctx)
		must(t, err)
		equal(t, "listed", files[botnet], []Listing{{prefix("203.0.113.1"), true}, {prefix("203.0.113.2"), false}, {prefix("203.0.113.3"), true}})
		n, err := s.Unlist(ctx, botnet, prefixesOf("203.0.113.1", "203.0.113.2", "203.0.113.3"), "", noon())
		must(t, err)
		equal(t, "released without a reason", n, 0)
		equal(t, "left for whoever lifts it", prefixes(allEntries(t, s, EntryFilter{})), prefixesOf("203.0.113.1", "203.0.113.3"))
		db.lists(s, botnet, 1, "203.0.113.2")
		in, err := s.ListedIn(ctx, prefix("203.0.113.2"))
		must(t, err)
		equal(t, "files", in, []LabelFile{botnet})
	})
}

// A person who blocks what is listed takes it over, and what is accepted stays so whatever files list.
func TestAPersonsBlockStandsAboveTheFile(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s, ctx := db.open("one"), context.Background()
		db.lists(s, botnet, 1, "203.0.113.1")
		entry, added, err := s.Block(ctx, Block{Address: prefix("203.0.113.1"), Rule: "manual", Reason: "seen it", By: "anna", BlockedAt: noon()})
		must(t, err)
		if added || entry.Rule != "manual" || entry.By != "anna" {
			t.Errorf("added: %t, %+v", added, entry)
		}
		db.unlists(s, botnet, 0, "203.0.113.1")
		equal(t, "blocked", standing(t, s), "203.0.113.1 blocked anna: seen it")

		held := blockOf("203.0.113.2", noon())
		held.State = Held
		commit(t, s, &Batch{Blocks: []Block{held}})
		_, err = s.Accept(ctx, prefixesOf("203.0.113.2"), "anna", noon())
		must(t, err)
		_, err = s.ReleaseQuiet(ctx, noon().Add(oneDay), time.Hour, 0)
		must(t, err)
		db.lists(s, botnet, 1, "203.0.113.2")
		db.unlists(s, botnet, 1, "203.0.113.2")
		accepted, err := s.AcceptedSince(ctx, noon().Add(-time.Hour))
		must(t, err)
		equal(t, "accepted", len(accepted), 1)
	})
}

// A long list goes in steps, and an error between them leaves what was done; listing it all again completes it.
func TestALongListGoesInSteps(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		var long []netip.Prefix
		for i := range 2*listStep + 1 {
			long = append(long, netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)}), 32))
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := s.List(ctx, botnet, long, noon()); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		n, err := s.List(context.Background(), botnet, long, noon())
		must(t, err)
		version, err := s.Version(context.Background())
		must(t, err)
		if n != len(long) || version != 3 {
			t.Errorf("%d blocked in %d steps", n, version)
		}
		n, err = s.List(context.Background(), botnet, long, noon())
		must(t, err)
		equal(t, "blocked again", n, 0)
		if n, err = s.Unlist(context.Background(), botnet, long, "gone", noon()); n != len(long) || err != nil {
			t.Error(n, err)
		}
		if _, err := s.List(context.Background(), botnet, []netip.Prefix{{}}, noon()); err == nil {
			t.Error("no address is listed without an error")
		}
	})
}

// A listed block says nothing of what its source does: it counts for no surge, no neighbourhood and no return.
func TestAListedBlockCountsForNothingElse(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s, ctx := db.open("one"), context.Background()
		db.lists(s, botnet, 2, "203.0.113.9", "203.0.113.0/24")
		for _, e := range allEntries(t, s, EntryFilter{}) {
			if e.Counts() {
				t.Errorf("%s counts among its neighbours", e.Address)
			}
		}
		db.unlists(s, botnet, 2, "203.0.113.9", "203.0.113.0/24")
		times, err := s.ForgeableTimes(ctx, 10)
		must(t, err)
		networks, err := s.NeighbourhoodsReleased(ctx)
		must(t, err)
		if len(times)+len(networks) != 0 {
			t.Errorf("forgeable blocks %v, neighbourhoods released %v", times, networks)
		}
		// Nor does it take a return back that the source has.
		first := escalating(noon().Add(-40*oneDay), true)
		commit(t, s, &Batch{Blocks: []Block{first}})
		letGo(t, s, first.ExpiresAt, 1)
		db.lists(s, botnet, 1, "203.0.113.9")
		db.unlists(s, botnet, 1, "203.0.113.9")
		commit(t, s, &Batch{Blocks: []Block{escalating(noon().Add(2*time.Hour), true)}})
		equal(t, "why it lasts longer", inForce(t, s).Escalation, "second block within a year: 2 times the time")
	})
}

// What the label files of an agent list that is gone for good ends with it; what another's list, too, stays.
func TestWhatAnAgentListedThatIsGone(t *testing.T) {
	onPostgres(t, func(t *testing.T, db emptyDatabase) {
		one, two := db.open("one"), db.open("two")
		db.lists(one, botnet, 2, "203.0.113.1", "203.0.113.2")
		db.lists(one, scanners, 1, "203.0.113.2", "203.0.113.3")
		db.lists(two, botnet, 0, "203.0.113.1")
		n, err := two.UnlistAll(t.Context(), one.agent, "agent north, which listed it, was forgotten", noon())
		must(t, err)
		equal(t, "released", n, 2)
		equal(t, "standing", standing(t, two), `203.0.113.1 blocked label-file: listed as "botnet" in /etc/botnet.txt`)
		left, err := one.Listed(t.Context())
		must(t, err)
		equal(t, "left of its lists", len(left), 0)
	})
}
