package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// A database of the version before sessions were kept opens; its records and blocks stay as they are, with nothing
// known of what is new, and new ones are kept beside them.
func TestUpgradeOfADatabaseWithoutSessions(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		at := noon()
		fillOldDatabase(t, db, at, 2)
		s := db.open("one")
		old := Record{ID: 1, Time: at, Device: "LAB-FW-01", Src: addr("203.0.113.9"), Dst: addr("192.0.2.10"), SrcPort: 40000, DstPort: 443,
			SrcUser: "anna", SrcCountry: "DE", DstCountry: "US", Action: "deny", Rule: "outside-in", RuleID: "r-1", ThreatName: "Some Threat",
			ThreatID: "40017", Severity: "medium", Subtype: "brute-force", Direction: "client-to-server", Type: "THREAT", Repeat: 2, File: 7, Offset: 4200}
		equal(t, "old record", allRecords(t, s, RecordFilter{}), []Record{old})

		fresh := old
		fresh.ID, fresh.Time, fresh.Application, fresh.FromZone, fresh.Outcome = 2, at.Add(time.Second), "ssl", "internet", Refused
		farOff := fresh // in the partition that was made before the upgrade, or in none
		farOff.ID, farOff.Time = 3, at.Add(-1000*oneDay)
		commit(t, s, &Batch{Records: []Record{fresh, farOff}})
		equal(t, "old and new", allRecords(t, s, RecordFilter{}), []Record{fresh, old, farOff})
		equal(t, "those of an application", allRecords(t, s, RecordFilter{Conditions: Conditions{Application: []string{"SSL"}}}), []Record{fresh, farOff})
		equal(t, "those without one", allRecords(t, s, RecordFilter{Conditions: Conditions{Application: []string{""}}}), []Record{old})

		var ids []int64
		must(t, s.Sightings(context.Background(), []Interval{{From: at.Add(-time.Hour)}}, nil, func(r *Record) error {
			ids = append(ids, r.ID)
			return nil
		}))
		equal(t, "sightings", ids, []int64{1, 2})
		equal(t, "old block", allEntries(t, s, EntryFilter{}), []Entry{{ID: 1, Address: prefix("203.0.113.9"), Rule: "port-scan", Reason: "because",
			By: ByDetector, Device: "LAB-FW-01", FirstSeen: at, LastSeen: at, BlockedAt: at, Hits: 11, Count: 11, Version: 1}})
	})
}

// A database is looked at before anything is written to it, whatever its schema: what is refused stays as it is.
func TestWhatIsRefusedIsNotUpgraded(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		no := errors.New("not this one")
		refuse := func(want Progress) {
			t.Helper()
			asked := false
			o := db.Options
			o.Instance = "two"
			o.Before = func(ctx context.Context, s *Store) error {
				asked = true
				p, holds, err := s.Progress(ctx, Trail{})
				p.Trail = Trail{}
				if err != nil || !holds || p != want || s.Place().Database == "" {
					t.Errorf("it is at %+v, %t, in %+v: %v", p, holds, s.Place(), err)
				}
				return no
			}
			if s, err := Open(t.Context(), o); !errors.Is(err, no) || s != nil || !asked {
				t.Errorf("opened: %v, asked %t", err, asked)
			}
		}
		refuse(Progress{})
		fillOldDatabase(t, db, noon(), 3)
		refuse(Progress{Version: 1, Changed: 1})
		o := db.Options
		o.AsIs, o.Instance = true, CommandLine
		looked, err := Open(t.Context(), o)
		must(t, err)
		p, holds, err := looked.Progress(t.Context(), Trail{})
		if p.Trail = (Trail{}); err != nil || !holds || p != (Progress{Version: 1, Changed: 1}) || !errors.Is(Older(looked), ErrSchemaOlder) {
			t.Errorf("as it is, it is at %+v, %t, %v; older: %v", p, holds, err, Older(looked))
		}
		if _, err := looked.Resume(t.Context()); !errors.Is(err, errAsIs) {
			t.Errorf("it is written to: %v", err)
		}
		must(t, looked.Close())
		connect := connectSQLite
		if db.URL != "" {
			connect = connectPostgres
		}
		d, _, err := connect(t.Context(), db.Options)
		must(t, err)
		have, err := d.schema(t.Context())
		var agents int
		must(t, errors.Join(err, d.readers.QueryRowContext(t.Context(), `SELECT count(*) FROM agents`).Scan(&agents), d.close()))
		if have != 3 || agents != 1 {
			t.Errorf("the schema is number %d, and there are %d agents", have, agents)
		}
		db.Options.Before = func(ctx context.Context, s *Store) error { return nil }
		s := db.open("one")
		if p, _, err := s.Progress(t.Context(), Trail{}); err != nil || p.Version != 1 || s.Place().Identity == "" {
			t.Errorf("taken, it is at %+v, %v", p, err)
		}
	})
}

// A database of the version before anything was held opens: what was blocked is, with a grade that is not known, and what
// comes is kept beside it.
func TestUpgradeOfADatabaseWithoutHolds(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		at := noon()
		fillOldDatabase(t, db, at, 3)
		s := db.open("one")
		old := Entry{ID: 1, Address: prefix("203.0.113.9"), Rule: "port-scan", Reason: "because", By: ByDetector, Device: "LAB-FW-01",
			FirstSeen: at, LastSeen: at, BlockedAt: at, Hits: 11, Count: 11, Grade: GradeUnknown, State: Blocked, Version: 1}
		list, version := changes(t, s, 0)
		equal(t, "blocks", list, []Entry{old})
		commit(t, s, &Batch{Blocks: []Block{inState(Held, at), inState(Observed, at)}}) // never lowered
		list, _ = changes(t, s, version)
		old.Hits, old.Version = 33, 2
		equal(t, "after other verdicts", list, []Entry{old})
	})
}

// What was kept before records had a category and a client is read with neither: rows, and a block of that version. What comes then has both.
func TestUpgradeOfADatabaseWithoutCategories(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		at := noon()
		fillOldDatabase(t, db, at, 19)
		old := 1
		if db.URL == "" {
			data, err := os.ReadFile(filepath.Join("block", "testdata", "first.block")) // 300 records
			must(t, err)
			d, _, err := connectOf(db)
			must(t, err)
			_, err = d.writer.ExecContext(t.Context(), `INSERT INTO blocks (first_id, records, agent, oldest, newest, data) VALUES (2, 300, 1, $1, $1 + 29900, $2)`,
				time.Date(2026, 11, 30, 12, 0, 0, 100_000, time.UTC).UnixMicro(), data)
			must(t, err)
			_, err = d.writer.ExecContext(t.Context(), `UPDATE counters SET value = 301 WHERE name = 'records'`)
			must(t, err)
			must(t, d.close())
			old += 300
		}
		s := db.open("one")
		later := Record{Time: at, Device: "LAB-FW-01", Type: "THREAT", Category: "brute-force", Client: "203.0.113.77", Repeat: 1}
		commit(t, s, &Batch{Records: []Record{later}})
		for how, list := range map[string][]Record{"a search": allRecords(t, s, RecordFilter{}), "a restart": sightings(t, s, Interval{})} {
			with := slices.DeleteFunc(slices.Clone(list), func(r Record) bool { return r.Category+r.Client == "" })
			if len(list) != old+1 || len(with) != 1 || with[0].Category != later.Category || with[0].Client != later.Client {
				t.Errorf("%s gives %d records, with a category or a client %+v", how, len(list), with)
			}
		}
	})
}

// fillOldDatabase makes a database of that schema, 2 or later, with one record, of an agent called "one", and one block.
func fillOldDatabase(t *testing.T, db emptyDatabase, at time.Time, schema int) {
	ctx := context.Background()
	connect, folder, src, dst := connectSQLite, "sqlite", `x'cb007109'`, `x'c000020a'`
	if db.URL != "" {
		connect, folder, src, dst = connectPostgres, "postgres", `'203.0.113.9'`, `'192.0.2.10'`
	}
	d, records, err := connect(ctx, db.Options)
	must(t, err)
	defer func() { must(t, d.close()) }()
	known, err := knownMigrations(folder)
	must(t, err)
	must(t, d.migrateTo(ctx, known[:schema]))
	must(t, records.ready(ctx, []Record{{Time: at}}))
	exec := func(query string, args ...any) {
		t.Helper()
		_, err := d.writer.ExecContext(ctx, query, args...)
		must(t, err)
	}
	exec(`INSERT INTO agents (name) VALUES ('one')`)
	id := [2]string{"id, ", "1, "}
	if d.kind == kindPostgres {
		id = [2]string{} // a sequence gives it
	} else {
		exec(`UPDATE counters SET value = 1 WHERE name = 'records'`)
	}
	exec(fmt.Sprintf(`INSERT INTO records (%stime, agent, src, dst, src_port, dst_port, repeat, file, file_offset, device, src_user, src_country,
			dst_country, action, rule, rule_id, threat_name, threat_id, severity, subtype, direction, type)
		VALUES (%s$1, 1, %s, %s, 40000, 443, 2, 7, 4200, 'LAB-FW-01', 'anna', 'DE', 'US', 'deny', 'outside-in', 'r-1', 'Some Threat', '40017',
			'medium', 'brute-force', 'client-to-server', 'THREAT')`, id[0], id[1], src, dst), d.stamp(at))
	exec(`UPDATE counters SET value = 1 WHERE name = 'blacklist'`)
	exec(`INSERT INTO blacklist (address, rule, reason, blocked_by, device, target, first_seen, last_seen, blocked_at, hits, seen_count, version)
		VALUES ('203.0.113.9/32', 'port-scan', 'because', 'detector', 'LAB-FW-01', '', $1, $1, $1, 11, 11, 1)`, d.stamp(at))
}
