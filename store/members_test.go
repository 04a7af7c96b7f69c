package store

import (
	"context"
	"testing"
	"time"
)

// onPostgres runs a test on a fresh PostgreSQL database: SQLite has one agent.
func onPostgres(t *testing.T, test func(t *testing.T, db emptyDatabase)) {
	if base := postgresURL(t); base != "" {
		test(t, newPostgres(t, base))
	}
}

// A SQLite file has one agent: one that has lost its name leaves none behind that would be waited for.
func TestASQLiteFileHasOneMember(t *testing.T) {
	db := newSQLite(t)
	_, two := signs(t, db)
	list, err := two.Members(t.Context())
	must(t, err)
	if len(list) != 1 || list[0].Name != "south" || !list[0].Self {
		t.Errorf("members: %+v", list)
	}
	if guards, err := two.Guards(t.Context()); err != nil || len(guards) > 0 {
		t.Errorf("it guards what nobody names: %v, %v", guards, err)
	}
}

// signs opens two agents on one database.
func signs(t *testing.T, db emptyDatabase) (one, two *Store) {
	t.Helper()
	one, two = db.open("one"), db.open("two")
	must(t, one.Announce(t.Context(), Sign{Name: "north", Host: "log1", Version: "1.2", Firewalls: []string{"FW-1", "FW-2"}, Uptime: time.Hour, Behind: "3 files"},
		[]Guarded{{Address: prefix("203.0.113.9"), What: "in never_block"}, {Address: prefix("198.51.100.0/24"), What: "ours"}, {Address: prefix("203.0.113.9"), What: "named again"}}))
	must(t, two.Announce(t.Context(), Sign{Name: "south", Host: "log2", Version: "1.3"}, nil))
	return one, two
}

func TestMembersKnowOfEachOther(t *testing.T) {
	onPostgres(t, func(t *testing.T, db emptyDatabase) {
		one, two := signs(t, db)
		one.now = func() time.Time { return time.Now().Add(-time.Hour) } // hosts whose clocks differ
		two.now = func() time.Time { return time.Now().Add(time.Hour) }
		_, err := one.SignOfLife(t.Context(), "3 files")
		must(t, err)
		list, err := two.Members(t.Context())
		must(t, err)
		for i := range list {
			m := &list[i]
			if m.Silence < 0 || m.Silence > time.Minute || m.Seen.IsZero() {
				t.Errorf("%s was last seen at %s, %s ago", m.Name, m.Seen, m.Silence)
			}
			if up := m.Seen.Sub(m.Started); m.Name == "north" && (up < time.Hour || up > time.Hour+time.Minute) {
				t.Errorf("%s has been up for %s", m.Name, up)
			}
			m.ID, m.Seen, m.Started, m.Silence = 0, time.Time{}, time.Time{}, 0
		}
		equal(t, "members", list, []Member{
			{Name: "north", Host: "log1", Version: "1.2", Firewalls: []string{"FW-1", "FW-2"}, Behind: "3 files", Guarded: 2},
			{Name: "south", Host: "log2", Version: "1.3", Self: true}})
		guards, err := two.Guards(t.Context())
		must(t, err)
		equal(t, "what the other never blocks", guards, []Guarded{{"north", prefix("198.51.100.0/24"), "ours"}, {"north", prefix("203.0.113.9"), "in never_block"}})
		if guards, err = one.Guards(t.Context()); err != nil || len(guards) > 0 {
			t.Errorf("its own is told as another's: %v, %v", guards, err)
		}
	})
}

// Each change of what is never blocked is heard of, and nothing else is: a sign of life has nobody read it again.
func TestTheVersionOfTheGuardsTellsOfChangesAlone(t *testing.T) {
	onPostgres(t, func(t *testing.T, db emptyDatabase) {
		one, two := signs(t, db)
		last := int64(-1)
		step := func(what string, news bool, do func() error) {
			t.Helper()
			must(t, do())
			_, now, err := two.Versions(t.Context())
			must(t, err)
			if (now != last) != news {
				t.Errorf("%s: the version went from %d to %d", what, last, now)
			}
			last = now
		}
		sign := Sign{Name: "north"}
		nine := []Guarded{{Address: prefix("203.0.113.9"), What: "in never_block"}}
		step("the first look", true, func() error { return nil })
		step("a sign of life", false, func() error { _, err := one.SignOfLife(t.Context(), ""); return err })
		step("less", true, func() error { return one.Announce(t.Context(), sign, nine) })
		step("the same", false, func() error { return one.Announce(t.Context(), sign, nine) })
		nine[0].What = "this host"
		step("for another reason", true, func() error { return one.Announce(t.Context(), sign, nine) })
		named := []Protected{{Kind: ProtectedPeer, What: "DNS server", Address: prefix("192.0.2.53")}}
		step("a firewall names something", true, func() error { return one.SaveProtected(t.Context(), "FW-1", noon(), named) })
		step("it names the same", false, func() error { return one.SaveProtected(t.Context(), "FW-1", noon(), named) })
	})
}

// An agent is forgotten only while it is silent, by the database's clock; one that comes back finds that it is not known, and
// what it never blocks counts again when it has said so.
func TestForget(t *testing.T) {
	onPostgres(t, func(t *testing.T, db emptyDatabase) {
		one, two := signs(t, db)
		list, err := two.Members(t.Context())
		must(t, err)
		if done, err := two.Forget(t.Context(), list[0].ID, time.Minute); err != nil || done {
			t.Fatalf("one that lives is forgotten: %t, %v", done, err)
		}
		named := []Protected{{Kind: ProtectedPeer, What: "DNS server", Address: prefix("192.0.2.53")}}
		for _, firewall := range []string{"FW-1", "FW-2", "FW-3"} { // the second is of both, the third of the other alone
			must(t, one.SaveProtected(t.Context(), firewall, noon(), named))
		}
		must(t, two.Announce(t.Context(), Sign{Name: "south", Firewalls: []string{"FW-2", "FW-3"}}, nil))
		silent(t, two, list[0].ID, 2*time.Minute)
		if list, err = two.Members(t.Context()); err != nil || list[0].Silence < 2*time.Minute || list[0].Silence > 3*time.Minute {
			t.Fatalf("the silence of two minutes is told as %s, %v", list[0].Silence, err)
		}
		if done, err := two.Forget(t.Context(), list[0].ID, time.Minute); err != nil || !done {
			t.Fatalf("one that is silent is not forgotten: %t, %v", done, err)
		}
		if guards, err := two.Guards(t.Context()); err != nil || len(guards) > 0 {
			t.Errorf("what it never blocked is still guarded: %v, %v", guards, err)
		}
		left, asked, err := two.Protected(t.Context())
		must(t, err)
		if len(left) != 2 || left[0].Firewall != "FW-2" || left[1].Firewall != "FW-3" || len(asked) != 2 {
			t.Errorf("left of what the firewalls named: %v, asked %v", left, asked)
		}
		if known, err := one.SignOfLife(t.Context(), ""); err != nil || known {
			t.Errorf("back again, it is known: %t, %v", known, err)
		}
		must(t, one.Announce(t.Context(), Sign{Name: "north"}, []Guarded{{Address: prefix("203.0.113.9"), What: "in never_block"}}))
		if guards, err := two.Guards(t.Context()); err != nil || len(guards) != 1 {
			t.Errorf("what it never blocks is not guarded again: %v, %v", guards, err)
		}
	})
}

// silent makes as if an agent had given no sign of life for so long.
func silent(t *testing.T, s *Store, id int64, d time.Duration) {
	t.Helper()
	at := time.Now()
	if s.kind == kindPostgres {
		must(t, s.readers.QueryRowContext(context.Background(), `SELECT clock_timestamp()`).Scan(&at))
	}
	_, err := s.writer.ExecContext(context.Background(), `UPDATE agent_signs SET seen_at = $1 WHERE agent = $2`, s.stamp(at.Add(-d)), id)
	must(t, err)
}
