package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestProtected(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s, ctx := db.open("one"), t.Context()
		first := time.Now().UTC().Truncate(time.Second)
		second := first.Add(time.Hour)
		pool := Protected{Firewall: "fw1", Kind: ProtectedNetwork, What: "NAT rule out translation", Address: prefix("198.51.100.0/28")}
		dns := Protected{Firewall: "fw1", Kind: ProtectedPeer, What: "DNS server", Address: prefix("2001:db8::53/128")}
		other := Protected{Firewall: "fw2", Kind: ProtectedManagement, What: "management address", Address: prefix("203.0.113.1/32")}
		since := func(p Protected, at time.Time) Protected { p.Since = at; return p }
		holds := func(what string, want []Protected, asked map[string]time.Time) {
			t.Helper()
			got, at, err := s.Protected(ctx)
			must(t, err)
			equal(t, what, got, want)
			equal(t, what+": asked", at, asked)
		}
		holds("at the start", nil, map[string]time.Time{})
		must(t, s.NoteAwaited(ctx, []string{"fw1", "fw3"}))
		must(t, s.SaveProtected(ctx, "fw1", first, []Protected{pool, pool, {Kind: dns.Kind, What: dns.What, Address: dns.Address}}))
		must(t, s.SaveProtected(ctx, "fw2", first, []Protected{other}))
		must(t, s.NoteAwaited(ctx, []string{"fw1"}))
		holds("two firewalls", []Protected{since(pool, first), since(dns, first), since(other, first)},
			map[string]time.Time{"fw1": first, "fw2": first, "fw3": {}})

		ntp := Protected{Firewall: "fw1", Kind: ProtectedPeer, What: "NTP server", Address: prefix("2001:db8::53/128")}
		must(t, s.SaveProtected(ctx, "fw1", second, []Protected{pool, ntp}))
		holds("what stays keeps its time", []Protected{since(pool, first), since(ntp, second), since(other, first)},
			map[string]time.Time{"fw1": second, "fw2": first, "fw3": {}})

		must(t, s.SaveProtected(ctx, "fw2", second, nil))
		holds("one that names nothing has answered", []Protected{since(pool, first), since(ntp, second)},
			map[string]time.Time{"fw1": second, "fw2": second, "fw3": {}})

		if err := s.SaveProtected(ctx, "fw1", second, []Protected{{}}); err == nil {
			t.Error("no address is taken for one")
		}
		holds("after a fault", []Protected{since(pool, first), since(ntp, second)}, map[string]time.Time{"fw1": second, "fw2": second, "fw3": {}})
	})
}

// Thousands of addresses, as of a large address group in a NAT rule, are saved at once, and not written again while they stay.
func TestManyProtected(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s, ctx, at := db.open("one"), t.Context(), time.Now().UTC().Truncate(time.Second)
		var entries []Protected
		for i := range 5000 {
			entries = append(entries, Protected{Kind: ProtectedNetwork, What: "static route", Address: prefix(fmt.Sprintf("10.%d.%d.0/24", i>>8, i&255))})
		}
		for hour := range 3 {
			must(t, s.SaveProtected(ctx, "fw1", at.Add(time.Duration(hour)*time.Hour), entries))
		}
		got, _, err := s.Protected(ctx)
		must(t, err)
		if len(got) != 5000 || !got[0].Since.Equal(at) || !got[4999].Since.Equal(at) {
			t.Errorf("%d entries, the first since %s", len(got), got[0].Since)
		}
	})
}

func TestDropProtected(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		one, two := db.open("one"), db.open("two")
		ctx, at := t.Context(), time.Now().UTC().Truncate(time.Second)
		for _, firewall := range []string{"fw1", "renamed"} {
			must(t, one.SaveProtected(ctx, firewall, at, []Protected{{Kind: ProtectedPeer, What: "DNS server", Address: prefix("203.0.113.53")}}))
		}
		left := func() (names []string) {
			entries, _, err := one.Protected(ctx)
			must(t, err)
			for _, p := range entries {
				names = append(names, p.Firewall)
			}
			return names
		}
		if one.Kind() == kindPostgres { // it may be the other agent's
			_, err := two.Commit(ctx, &Batch{Seq: 1, Touches: []Touch{{Address: prefix("192.0.2.1")}}})
			must(t, err)
			n, err := one.DropProtected(ctx, []string{"fw1"})
			must(t, err)
			equal(t, "beside another agent", left(), []string{"fw1", "renamed"})
			equal(t, "dropped beside another agent", n, int64(0))
			return
		}
		n, err := one.DropProtected(ctx, []string{"fw1"})
		must(t, err)
		equal(t, "left", left(), []string{"fw1"})
		equal(t, "dropped", n, int64(1))
	})
}

// What a person allows is lifted in the same transaction, whatever it is; while it is allowed and when it ends, by itself or by hand, what was
// recorded of it is no evidence, and the history has who did what.
func TestTheAllowList(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		ctx, s, at := context.Background(), db.open("one"), noon()
		_, guards, err := s.Versions(ctx)
		must(t, err)
		changed := func(what string, want bool) {
			t.Helper()
			_, now, err := s.Versions(ctx)
			must(t, err)
			if (now != guards) != want {
				t.Errorf("%s: the version of what is never blocked went from %d to %d", what, guards, now)
			}
			guards = now
		}
		held := inState(Held, at)
		held.Address = prefix("203.0.113.9/32")
		commit(t, s, &Batch{Records: []Record{{ID: 1, Time: at, Src: addr("198.51.100.7"), Dst: addr("192.0.2.1")}}, Blocks: []Block{held}})
		for _, p := range []string{"203.0.113.64/26", "198.51.100.7/32", "192.0.2.9/32"} {
			_, _, err := s.Block(ctx, Block{Address: prefix(p), Rule: "manual", Reason: "x", By: "anna", BlockedAt: at})
			must(t, err)
		}
		lifted, err := s.Allow(ctx, []Allowed{
			{Entry: "203.0.113.0/24", Addresses: []netip.Prefix{prefix("203.0.113.0/24")}, Reason: "branch"},
			{Entry: "vpn.example.com", Addresses: []netip.Prefix{prefix("198.51.100.7/32"), prefix("198.51.100.8/32")}, Due: at.Add(time.Minute), Reason: "partner", Until: at.Add(time.Hour)},
			{Entry: "2001:db8::1", Addresses: []netip.Prefix{prefix("2001:db8::1/128")}},
		}, "berta", at)
		must(t, err)
		changed("allow", true)
		var texts []string
		for _, e := range lifted {
			texts = append(texts, e.Address.String()+" "+e.ReleasedBy+" "+e.ReleaseReason)
		}
		equal(t, "lifted", texts, []string{"198.51.100.7/32 berta allowed: partner", "203.0.113.9/32 berta allowed: branch", "203.0.113.64/26 berta allowed: branch"})
		list, err := s.Allowed(ctx, at)
		must(t, err)
		equal(t, "on the list", list, []Allowed{
			{Entry: "2001:db8::1", Addresses: []netip.Prefix{prefix("2001:db8::1/128")}, By: "berta", Since: at},
			{Entry: "203.0.113.0/24", Addresses: []netip.Prefix{prefix("203.0.113.0/24")}, Reason: "branch", By: "berta", Since: at},
			{Entry: "vpn.example.com", Addresses: []netip.Prefix{prefix("198.51.100.7/32"), prefix("198.51.100.8/32")}, Reason: "partner", By: "berta", Since: at, Until: at.Add(time.Hour), Resolved: at, Due: at.Add(time.Minute)},
		})
		_, err = s.Allow(ctx, []Allowed{{Entry: "203.0.113.0/24", Addresses: []netip.Prefix{prefix("203.0.113.0/24")}, Reason: "branch office", Until: at.Add(time.Minute)}}, "anna", at.Add(time.Second))
		must(t, err)
		list, err = s.Allowed(ctx, at)
		must(t, err)
		equal(t, "renewed", list[1], Allowed{Entry: "203.0.113.0/24", Addresses: []netip.Prefix{prefix("203.0.113.0/24")}, Reason: "branch office", By: "anna", Since: at, Until: at.Add(time.Minute)})
		changed("again", true)

		commit(t, s, &Batch{Records: []Record{{ID: 2, Time: at, Src: addr("203.0.113.77"), Dst: addr("192.0.2.1")}, {ID: 3, Time: at, Src: addr("2001:db8::1"), Dst: addr("192.0.2.1")}, {ID: 4, Time: at, Src: addr("192.0.2.9"), Dst: addr("192.0.2.1")}}})
		ended, err := s.EndAllowed(ctx, at.Add(30*time.Second))
		must(t, err)
		equal(t, "before its end", len(ended), 0)
		changed("before its end", false)
		ended, err = s.EndAllowed(ctx, at.Add(2*time.Minute))
		must(t, err)
		equal(t, "ended", len(ended), 1)
		changed("an end", true)
		gone, err := s.Disallow(ctx, "2001:db8::1", "anna", "enough", at.Add(3*time.Minute))
		must(t, err)
		equal(t, "removed", gone.Entry, "2001:db8::1")
		changed("a removal", true)
		if _, err := s.Disallow(ctx, "203.0.113.0/24", "anna", "", at); !errors.Is(err, ErrNotAllowed) {
			t.Errorf("what has ended is removed: %v", err)
		}
		changed("nothing to remove", false)
		since, err := s.Disallowed(ctx, at.Add(2*time.Minute))
		must(t, err)
		equal(t, "ended since", len(since), 2)
		commit(t, s, &Batch{Records: []Record{{ID: 5, Time: at, Src: addr("203.0.113.77"), Dst: addr("192.0.2.1")}}})
		var ids []int64
		must(t, s.Sightings(ctx, []Interval{{From: at.Add(-time.Hour)}}, nil, func(r *Record) error {
			ids = append(ids, r.ID)
			return nil
		}))
		equal(t, "evidence", ids, []int64{4, 5})
		var history []string
		must(t, s.Audits(ctx, AuditFilter{Limit: 2}, func(n *Noted) error {
			history = append(history, n.Action+" "+n.Address.String()+n.Subject+" "+n.By+" "+n.Reason)
			return nil
		}))
		equal(t, "history", history, []string{"disallow 2001:db8::1/128 anna enough", "disallow 203.0.113.0/24 detector the time it was allowed for is over"})
	})
}

// Who follows the allow-list has all of it after every change, whatever the change was.
func TestTheAllowListIsFollowed(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		ctx, s, at := context.Background(), db.open("one"), noon()
		var list AllowList
		one := func(entry, reason string, until time.Time, addresses ...string) func() error {
			a := Allowed{Entry: entry, Reason: reason, Until: until}
			for _, p := range addresses {
				a.Addresses = append(a.Addresses, prefix(p))
			}
			if strings.HasSuffix(entry, ".example") {
				a.Due = at.Add(time.Minute)
			}
			return func() error { _, err := s.Allow(ctx, []Allowed{a}, "anna", at); return err }
		}
		end := func(entry string) func() error {
			return func() error { _, err := s.Disallow(ctx, entry, "anna", "", at); return err }
		}
		resolved := func(addresses ...string) func() error {
			var found []netip.Prefix
			for _, p := range addresses {
				found = append(found, prefix(p))
			}
			return func() error { return s.Resolved(ctx, "vpn.example", found, "", at, at.Add(time.Hour)) }
		}
		for i, do := range []func() error{
			func() error { return nil }, one("203.0.113.9", "x", time.Time{}, "203.0.113.9/32"), one("203.0.113.0/24", "y", at.Add(time.Hour), "203.0.113.0/24"),
			one("vpn.example", "z", time.Time{}, "198.51.100.7/32"), one("2001:db8::1", "", time.Time{}, "2001:db8::1/128"), one("203.0.113.9", "another reason", time.Time{}, "203.0.113.9/32"),
			resolved("198.51.100.8/32", "198.51.100.9/32"), end("203.0.113.9"), one("192.0.2.1", "x", time.Time{}, "192.0.2.1/32"), resolved("198.51.100.7/32"), end("vpn.example"), end("2001:db8::1"),
			one("203.0.113.9", "again", time.Time{}, "203.0.113.9/32"), func() error { _, err := s.EndAllowed(ctx, at.Add(2*time.Hour)); return err },
		} {
			must(t, do())
			got, err := s.Follow(ctx, &list)
			must(t, err)
			want, err := s.Allowed(ctx, at)
			must(t, err)
			equal(t, fmt.Sprint("after change ", i), got, want)
		}
		if changed, _, err := readChanged(s, list.seen); err != nil || len(changed) > 0 {
			t.Errorf("%v would be read once more: %v", changed, err)
		}
		other := db.open("two") // as after a restart
		got, err := other.Follow(ctx, &list)
		must(t, err)
		equal(t, "of a store that was opened anew", len(got), 2)
	})
}

// readChanged asks what changed on the allow-list since.
func readChanged(s *Store, seen int64) (changed []string, last int64, err error) {
	err = s.allowing.view(context.Background(), "look", func(ctx context.Context, tx *sql.Tx) (err error) {
		changed, last, err = s.changedSince(ctx, tx, seen)
		return err
	})
	return changed, last, err
}

// A pause is seen by all, has one end, which the latest word decides, and ends by itself or by hand, once.
func TestPause(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		ctx, s, at := context.Background(), db.open("one"), noon()
		paused := func(what string, want *Pause) {
			t.Helper()
			got, err := s.Paused(ctx)
			must(t, err)
			equal(t, what, got, want)
		}
		paused("at first", nil)
		_, before, err := s.Versions(ctx)
		must(t, err)
		first := Pause{Since: at, Until: at.Add(time.Hour), By: "anna", Reason: "a test"}
		must(t, s.Pause(ctx, first, at))
		paused("paused", &first)
		_, now, err := s.Versions(ctx)
		must(t, err)
		if now == before {
			t.Error("nobody notices the pause")
		}
		second := Pause{Since: at.Add(time.Minute), Until: at.Add(2 * time.Hour), By: "berta", Reason: "longer"}
		must(t, s.Pause(ctx, second, at.Add(time.Minute)))
		second.Since = at
		paused("prolonged", &second)
		ended, err := s.EndPause(ctx, at.Add(time.Hour))
		must(t, err)
		equal(t, "before its end", ended, nil)
		ended, err = s.EndPause(ctx, at.Add(2*time.Hour))
		must(t, err)
		equal(t, "at its end", ended, &second)
		paused("over", nil)
		ended, err = s.Unpause(ctx, "anna", "enough", at.Add(2*time.Hour))
		must(t, err)
		equal(t, "nothing to resume", ended, nil)
		must(t, s.Pause(ctx, first, at))
		ended, err = s.Unpause(ctx, "anna", "enough", at.Add(2*time.Hour))
		must(t, err)
		equal(t, "resumed", ended, &first)
		var history []string
		must(t, s.Audits(ctx, AuditFilter{Limit: 3}, func(n *Noted) error {
			history = append(history, n.Action+" "+n.Subject+" "+n.By+" "+n.Reason)
			return nil
		}))
		equal(t, "history", history, []string{"resume everything anna enough", "pause everything anna until " + at.Add(time.Hour).Format(time.RFC3339) + ": a test", "resume everything detector the time of the pause is over"})
	})
}

// A pause that is over before anybody looked is told with its end; one that was told to have begun is not told again.
func TestAShortPauseIsTold(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s, at, ctx := db.open("one"), noon(), context.Background()
		setReceivers(t, s, "mail")
		p := Pause{Since: at, Until: at.Add(time.Hour), By: "anna", Reason: "a test"}
		must(t, s.Pause(ctx, p, at))
		_, err := s.Unpause(ctx, "anna", "enough", at.Add(900*time.Millisecond))
		must(t, err)
		const what = "paused: nothing was enforced, on firewalls and list, for 900ms (anna: a test)"
		want := []string{"paused " + what, "resumed over: " + what}
		equal(t, "told", told(undelivered(t, s, "mail")), want)
		must(t, s.Pause(ctx, p, at))
		must(t, s.TellTroubles(ctx, ToldTrouble{Key: "paused|", Notice: Notice{Event: "paused", Time: at, Since: at, Subject: "by who looked"}}))
		_, err = s.EndPause(ctx, at.Add(time.Hour))
		must(t, err)
		equal(t, "told of the other", told(undelivered(t, s, "mail")), append(want, "paused by who looked"))
	})
}

// What is lifted for an entry without a reason was allowed, and the text does not end in the middle.
func TestAnEntryNeedsNoReason(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		ctx, s, at := context.Background(), db.open("one"), noon()
		p := prefix("192.0.2.9/32")
		_, _, err := s.Block(ctx, Block{Address: p, Rule: "manual", Reason: "x", By: "anna", BlockedAt: at})
		must(t, err)
		lifted, err := s.Allow(ctx, []Allowed{{Entry: "192.0.2.9", Addresses: []netip.Prefix{p}}}, "berta", at)
		must(t, err)
		if len(lifted) != 1 || lifted[0].ReleaseReason != "allowed" {
			t.Errorf("lifted is %+v", lifted)
		}
	})
}
