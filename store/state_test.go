package store

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// inState is a detector's block of the address that the tests use, by a rule and with a line that name the state.
func inState(state State, at time.Time) Block {
	b := blockOf("203.0.113.9", at)
	b.State, b.Rule, b.Reason, b.Grade = state, "rule-"+state.String(), "reason of "+state.String(), Grade(state)
	b.Evidence = []Evidence{{at, "LAB-FW-01", "line of " + state.String()}}
	if state == Held {
		b.Hold = "it is a partner"
	}
	return b
}

func auditOf(t *testing.T, s *Store, address netip.Prefix) (actions []string) {
	t.Helper()
	audit, err := s.AuditOf(context.Background(), address)
	must(t, err)
	for _, a := range audit {
		actions = append(actions, a.Action+" by "+a.By)
	}
	return actions
}

// Whatever comes after what: an entry is in the highest state that was asked for, with the rule, the reason and the evidence
// of the first that asked for it, and the audit trail keeps each rise.
func TestAnEntryIsRaisedAndNeverLowered(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		at := noon()
		for _, first := range []State{Observed, Held, Blocked} {
			for _, second := range []State{Observed, Held, Blocked} {
				for _, together := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s, then %s, in one batch %t", first, second, together), func(t *testing.T) {
						expectRise(t, s, inState(first, at), inState(second, at.Add(time.Hour)), together)
					})
				}
			}
		}
	})
}

func expectRise(t *testing.T, s *Store, first, second Block, together bool) {
	t.Helper()
	ctx := context.Background()
	earlier := len(auditOf(t, s, first.Address))
	if together {
		commit(t, s, &Batch{Blocks: []Block{first, second}})
	} else {
		commit(t, s, &Batch{Blocks: []Block{first}})
		got := commit(t, s, &Batch{Blocks: []Block{second}}).Blocked
		equal(t, "became blocked", len(got) == 1, second.State == Blocked && first.State != Blocked)
	}
	want, actions := first, []string{first.State.action() + " by detector"}
	if second.State < first.State {
		want, actions = second, append(actions, second.State.action()+" by detector")
	}
	list, _ := changes(t, s, 0)
	if len(list) != 1 {
		t.Fatalf("%d entries in force", len(list))
	}
	entry := entryOf(want, list[0].ID, list[0].Version)
	entry.Hold = max(first.Hold, second.Hold) // why it was held is kept by what was raised from it
	if first.State == Blocked {
		entry.Hold = ""
	}
	entry.FirstSeen, entry.LastSeen, entry.Hits = first.FirstSeen, second.LastSeen, first.Hits+second.Hits
	equal(t, "entry", list[0], entry)
	evidence, err := s.EvidenceOf(ctx, entry.ID)
	must(t, err)
	equal(t, "evidence", evidence, want.Evidence)
	equal(t, "audit", auditOf(t, s, want.Address)[earlier:], actions)
	_, err = s.Release(ctx, want.Address, ByDetector, "for the next case", second.LastSeen)
	must(t, err)
}

// Against a model: whatever batches come, in whatever order, each address is in the highest state of its verdicts since its
// last release, and its hits are theirs and the touches'.
func TestStatesAgreeWithAModel(t *testing.T) {
	s := newSQLite(t).open("one")
	at := noon()
	rapid.Check(t, func(r *rapid.T) {
		ctx := context.Background()
		type known struct {
			state State
			hits  int64
		}
		model := map[netip.Prefix]known{}
		address := rapid.SampledFrom([]netip.Prefix{prefix("203.0.113.1"), prefix("203.0.113.2"), prefix("2001:db8:1::/64")})
		for range rapid.IntRange(1, 12).Draw(r, "batches") {
			var b Batch
			for range rapid.IntRange(0, 4).Draw(r, "blocks") {
				p, state := address.Draw(r, "address"), State(rapid.IntRange(0, 2).Draw(r, "state"))
				b.Blocks = append(b.Blocks, Block{Address: p, BlockedAt: at, State: state, Hits: 1})
				if k, ok := model[p]; !ok || state < k.state {
					model[p] = known{state, k.hits + 1}
				} else {
					model[p] = known{k.state, k.hits + 1}
				}
			}
			if p := address.Draw(r, "touched"); rapid.Bool().Draw(r, "touch") {
				b.Touches = append(b.Touches, Touch{Address: p, LastSeen: at, Hits: 10})
				if k, ok := model[p]; ok {
					model[p] = known{k.state, k.hits + 10}
				}
			}
			if _, err := s.Commit(ctx, &b); err != nil {
				r.Fatal(err)
			}
			if p := address.Draw(r, "released"); rapid.IntRange(0, 4).Draw(r, "release") == 0 {
				if _, err := s.Release(ctx, p, ByOperator, "", at); err != nil && !errors.Is(err, ErrNotBlocked) {
					r.Fatal(err)
				}
				delete(model, p)
			}
		}
		got := map[netip.Prefix]known{}
		if _, err := s.Changes(ctx, 0, func(e *Entry) error {
			got[e.Address] = known{e.State, e.Hits}
			return nil
		}); err != nil {
			r.Fatal(err)
		}
		if fmt.Sprint(got) != fmt.Sprint(model) {
			r.Fatalf("got %v, want %v", got, model)
		}
		for p := range model {
			if _, err := s.Release(ctx, p, ByOperator, "", at); err != nil {
				r.Fatal(err)
			}
		}
	})
}

func TestWhatIsHeldIsTouchedAndAges(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		at := noon()
		b := inState(Held, at)
		commit(t, s, &Batch{Blocks: []Block{b}})
		commit(t, s, &Batch{Touches: []Touch{{Address: b.Address, LastSeen: at.Add(time.Hour), Hits: 4}}})
		list := allEntries(t, s, EntryFilter{States: []State{Held}})
		want := entryOf(b, list[0].ID, 2)
		want.Hold, want.LastSeen, want.Hits = b.Hold, at.Add(time.Hour), b.Hits+4
		equal(t, "touched", list, []Entry{want})
		equal(t, "blocked", allEntries(t, s, EntryFilter{States: []State{Blocked}}), []Entry(nil))

		released, err := s.ReleaseQuiet(context.Background(), at.Add(2*time.Hour), time.Hour, 0)
		must(t, err)
		equal(t, "aged", prefixes(released), []netip.Prefix{b.Address})
		equal(t, "audit", auditOf(t, s, b.Address), []string{"hold by detector", "release by detector"})
	})
}

func TestAccept(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		ctx, at := context.Background(), noon()
		held := []string{"203.0.113.1", "203.0.113.2", "203.0.113.3", "2001:db8:1::/64"}
		for _, address := range held {
			b := blockOf(address, at)
			b.State, b.Hold = Held, "too many forgeable verdicts"
			commit(t, s, &Batch{Blocks: []Block{b}})
		}
		observed := blockOf("203.0.113.50", at)
		observed.State = Observed
		commit(t, s, &Batch{Blocks: []Block{observed, blockOf("203.0.113.60", at)}})
		before, err := s.Version(ctx)
		must(t, err)

		// Nothing that is held: nothing changes, and above all not everything.
		for _, addresses := range [][]netip.Prefix{nil, {}, {prefix("203.0.113.50"), prefix("203.0.113.60"), prefix("198.51.100.1")}} {
			list, err := s.Accept(ctx, addresses, "anna", at)
			must(t, err)
			equal(t, "accepted", list, []Entry(nil))
		}
		_, version := changes(t, s, 0)
		equal(t, "version", version, before)

		list, err := s.Accept(ctx, []netip.Prefix{prefix("203.0.113.2"), prefix("203.0.113.50"), prefix("2001:db8:1::5/64")}, "anna", at.Add(time.Hour))
		must(t, err)
		equal(t, "accepted", prefixes(list), []netip.Prefix{prefix("203.0.113.2"), prefix("2001:db8:1::/64")})
		equal(t, "by", list[0].AcceptedBy, "anna")
		changed, _ := changes(t, s, before)
		equal(t, "changed", prefixes(changed), prefixes(list))
		for _, e := range changed {
			equal(t, "state, since when, why it was held, and who decided", []any{e.State, e.BlockedAt, e.Hold, e.Grade, e.By, e.AcceptedBy}, []any{Blocked, at.Add(time.Hour), "too many forgeable verdicts", Forgeable, ByDetector, "anna"})
		}
		equal(t, "audit", auditOf(t, s, prefix("203.0.113.2")), []string{"hold by detector", "accept by anna"})

		of := func(address string) []any {
			e := allEntries(t, s, EntryFilter{Address: prefix(address)})[0]
			return []any{e.State, e.AcceptedBy}
		}
		equal(t, "nobody has decided about what is held", of("203.0.113.1"), []any{Held, ""})
		proven := blockOf("203.0.113.1", at.Add(90*time.Minute)) // which decides by itself
		proven.Grade = Proven
		commit(t, s, &Batch{Blocks: []Block{proven}})
		equal(t, "the detector has", of("203.0.113.1"), []any{Blocked, ""})

		list, err = s.AcceptAll(ctx, "bert", at.Add(2*time.Hour))
		must(t, err)
		equal(t, "the rest", prefixes(list), []netip.Prefix{prefix("203.0.113.3")})
		equal(t, "still held", allEntries(t, s, EntryFilter{States: []State{Held}}), []Entry(nil))
		if _, err := s.Accept(ctx, []netip.Prefix{{}}, "anna", at); err == nil {
			t.Error("an invalid address was accepted")
		}
	})
}

func TestAcceptedSince(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		ctx, at := context.Background(), noon()
		for i, address := range []string{"203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4"} {
			b := blockOf(address, at)
			b.State = Held
			commit(t, s, &Batch{Blocks: []Block{b}})
			_, err := s.Accept(ctx, []netip.Prefix{b.Address}, "anna", at.Add(time.Duration(i)*time.Hour))
			must(t, err)
		}
		release := func(address, by string) {
			t.Helper()
			_, err := s.Release(ctx, prefix(address), by, "", at.Add(10*time.Hour))
			must(t, err)
		}
		release("203.0.113.2", ByDetector) // quiet: a person's word stands
		release("203.0.113.3", "bert")     // who takes it back
		list, err := s.AcceptedSince(ctx, at.Add(time.Hour))
		must(t, err)
		equal(t, "accepted", list, []Acceptance{{prefix("203.0.113.2"), at.Add(time.Hour)}, {prefix("203.0.113.4"), at.Add(3 * time.Hour)}})
	})
}

// Of what room for forgeable sources is bounded by, only the detector's own forgeable blocks count, by the time of their evidence.
func TestForgeableTimes(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		ctx, at := context.Background(), noon()
		for i, change := range []func(*Block){
			func(*Block) {}, func(*Block) {},
			func(b *Block) { b.Grade = Proven }, func(b *Block) { b.State = Held }, func(b *Block) { b.By = ByOperator }, func(b *Block) { b.Hold = "why" },
			func(*Block) {},
			func(b *Block) { b.ExpiresAt, b.Late = at.Add(-6*time.Hour), at }, // was over when it was found
		} {
			b := blockOf(fmt.Sprintf("203.0.113.%d", i), at.Add(-time.Duration(i)*time.Hour))
			change(&b)
			commit(t, s, &Batch{Blocks: []Block{b}})
		}
		_, err := s.Release(ctx, prefix("203.0.113.1"), ByDetector, "", at)
		must(t, err)
		for most, want := range map[int][]time.Time{
			10: {at.Add(-6 * time.Hour), at.Add(-time.Hour), at}, 2: {at.Add(-6 * time.Hour), at.Add(-time.Hour)}} {
			times, err := s.ForgeableTimes(ctx, most)
			must(t, err)
			equal(t, "times", times, want)
		}
	})
}

// A person who releases what is held dismisses it: what was seen up to then counts no more.
func TestDismissal(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		ctx, at := context.Background(), noon()
		b := inState(Held, at)
		commit(t, s, &Batch{Records: []Record{line(at, "203.0.113.9"), line(at, "203.0.113.10")}, Blocks: []Block{b}})
		_, err := s.Release(ctx, b.Address, "anna", "our partner's scanner", at.Add(time.Minute))
		must(t, err)
		commit(t, s, &Batch{Records: []Record{line(at.Add(time.Hour), "203.0.113.9")}})
		var ids []int64
		must(t, s.Sightings(ctx, []Interval{{From: at.Add(-time.Hour)}}, nil, func(r *Record) error {
			ids = append(ids, r.ID)
			return nil
		}))
		equal(t, "sightings", ids, []int64{2, 3})
		equal(t, "audit", auditOf(t, s, b.Address), []string{"hold by detector", "dismiss by anna"})
	})
}

func TestBlockByHandOfWhatIsHeld(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		b := inState(Held, noon())
		commit(t, s, &Batch{Blocks: []Block{b}})
		entry, added, err := s.Block(context.Background(), Block{Address: b.Address, Rule: "manual", Reason: "by hand", By: ByOperator})
		must(t, err)
		equal(t, "entry", []any{added, entry.State, entry.Rule, entry.Reason, entry.By}, []any{true, Blocked, "manual", "by hand", ByOperator})
		equal(t, "audit", auditOf(t, s, b.Address), []string{"hold by detector", "block by operator"})
	})
}

func TestMembersOfANetwork(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		ctx, at := context.Background(), noon()
		member := func(i int) netip.Addr { return addr(fmt.Sprintf("2001:db8:1::%x", i)) }
		b := blockOf("2001:db8:1::/64", at)
		b.Members = []netip.Addr{member(2), member(1)}
		other := blockOf("2001:db8:2::/64", at)
		other.Members = []netip.Addr{addr("2001:db8:2::1")}
		single := blockOf("203.0.113.9", at)
		single.Members = []netip.Addr{addr("203.0.113.9")}
		commit(t, s, &Batch{Blocks: []Block{b, other, single}})
		equal(t, "of the block", membersInForce(t, s), map[netip.Prefix][]netip.Addr{b.Address: b.Members, other.Address: other.Members, single.Address: nil})

		// Seen again, out of order, and by far too many: the newest stay.
		commit(t, s, &Batch{Touches: []Touch{{Address: b.Address, LastSeen: at.Add(time.Hour), Hits: 1, Member: member(1)},
			{Address: b.Address, LastSeen: at.Add(-time.Hour), Hits: 1, Member: member(1)}}})
		var touches []Touch
		want := []netip.Addr{member(1)}
		for i := range 40 {
			touches = append(touches, Touch{Address: b.Address, LastSeen: at.Add(time.Duration(i) * time.Second), Member: member(100 + i)})
			if i < 15 {
				want = append(want, member(139-i))
			}
		}
		commit(t, s, &Batch{Touches: touches})
		got := membersInForce(t, s)
		equal(t, "the newest", got[b.Address], want)
		equal(t, "of the other", got[other.Address], other.Members)
		entries := allEntries(t, s, EntryFilter{Address: b.Address})
		list, err := s.MembersOf(ctx, entries[0].ID)
		must(t, err)
		equal(t, "of the entry", list, want)
		// One of another network costs no batch.
		commit(t, s, &Batch{Touches: []Touch{{Address: b.Address, LastSeen: at.Add(2 * time.Hour), Member: addr("2001:db8:9::1")}}})
		equal(t, "after one of another network", membersInForce(t, s)[b.Address], want)
	})
}

func membersInForce(t *testing.T, s *Store) map[netip.Prefix][]netip.Addr {
	t.Helper()
	list, _ := changes(t, s, 0)
	members := make(map[netip.Prefix][]netip.Addr)
	for _, e := range list {
		members[e.Address] = e.Members
	}
	return members
}

// What a firewall has no room for is noted beside what it holds.
func TestLeftOutIsNoted(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		ctx, at := context.Background(), noon()
		a, b := prefix("203.0.113.9"), prefix("203.0.113.10")
		must(t, s.SaveEnforced(ctx, "fw1", []Enforcement{{Address: a, Since: at}, {Address: b, Since: at, LeftOut: true}}, nil))
		got, err := s.Enforced(ctx, "fw1")
		must(t, err)
		equal(t, "noted", got, []Enforcement{{Firewall: "fw1", Address: a, Since: at}, {Firewall: "fw1", Address: b, Since: at, LeftOut: true}})
		// Room came for the one, at the cost of the other: the time is that of the change.
		must(t, s.SaveEnforced(ctx, "fw1", []Enforcement{{Address: a, Since: at.Add(time.Hour), LeftOut: true}, {Address: b, Since: at.Add(time.Hour)}}, nil))
		for _, want := range []Enforcement{{Firewall: "fw1", Address: a, Since: at.Add(time.Hour), LeftOut: true}, {Firewall: "fw1", Address: b, Since: at.Add(time.Hour)}} {
			got, err := s.EnforcedOn(ctx, want.Address)
			must(t, err)
			equal(t, "on "+want.Address.String(), got, []Enforcement{want})
		}
	})
}

// The members go with the evidence of what was released long ago; those of what is in force stay.
func TestMembersGoWithTheEvidence(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		ctx, at := context.Background(), noon()
		for _, network := range []string{"2001:db8:1::/64", "2001:db8:2::/64"} {
			b := blockOf(network, at)
			b.Members = []netip.Addr{prefix(network).Addr().Next()}
			commit(t, s, &Batch{Blocks: []Block{b}})
		}
		released, err := s.Release(ctx, prefix("2001:db8:1::/64"), ByOperator, "", at)
		must(t, err)
		_, err = s.PruneEvidence(ctx, at.Add(time.Hour))
		must(t, err)
		gone, err := s.MembersOf(ctx, released.ID)
		must(t, err)
		equal(t, "of the released one", gone, []netip.Addr(nil))
		equal(t, "of the other", membersInForce(t, s), map[netip.Prefix][]netip.Addr{prefix("2001:db8:2::/64"): {addr("2001:db8:2::1")}})
	})
}

// The tag of its rule comes with a block, and with what raises one.
func TestAnEntryHasTheTagOfItsRule(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s, at := db.open("one"), noon()
		for _, c := range []struct {
			state     State
			tag, want string
		}{{Held, "slow", "slow"}, {Blocked, "guessing\x00", "guessing\uFFFD"}, {Blocked, "later", "guessing\uFFFD"}} {
			b := inState(c.state, at)
			b.Tag = c.tag
			commit(t, s, &Batch{Blocks: []Block{b}})
			if list, _ := changes(t, s, 0); len(list) != 1 || list[0].Tag != c.want {
				t.Errorf("after %q the tag is %q", c.tag, list[0].Tag)
			}
		}
	})
}

// A database that has come as far by another way does not hold the last entry of the audit trail.
func TestProgress(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("a")
		block := func(address string) {
			t.Helper()
			if _, _, err := s.Block(t.Context(), Block{Address: netip.MustParsePrefix(address), Reason: "x", By: ByOperator}); err != nil {
				t.Fatal(err)
			}
		}
		look := func(known Trail, held bool, version int64) Trail {
			t.Helper()
			p, holds, err := s.Progress(t.Context(), known)
			if err != nil || holds != held || p.Version != version || (p.Trail == Trail{}) != (version == 0) {
				t.Errorf("%+v, holds %t: %v", p, holds, err)
			}
			return p.Trail
		}
		look(Trail{}, true, 0)
		look(Trail{ID: 1, Entry: "x"}, false, 0)
		block("203.0.113.1/32")
		first := look(Trail{}, true, 1)
		block("203.0.113.2/32")
		if second := look(first, true, 2); second == first || look(second, true, 2) != second {
			t.Errorf("the trail stands at %+v", second)
		}
		look(Trail{first.ID, "another"}, false, 2)
	})
}
