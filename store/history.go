package store

import (
	"context"
	"database/sql"
	"math"
	"net/netip"
	"time"
)

// Evidence is a line of log that a block rests on.
type Evidence struct {
	Time   time.Time
	Device string
	Line   string
}

// EvidenceOf gives the lines an entry rests on, in the order in which they were stored.
func (l *blacklist) EvidenceOf(ctx context.Context, entryID int64) (list []Evidence, err error) {
	err = l.view(ctx, "read the evidence", func(ctx context.Context, tx *sql.Tx) error {
		return forEach(ctx, tx, func(rows *sql.Rows) error {
			var e Evidence
			err := rows.Scan(intoTime{&e.Time}, &e.Device, &e.Line)
			list = append(list, e)
			return err
		}, `SELECT time, device, line FROM evidence WHERE entry = $1 ORDER BY n`, entryID)
	})
	return list, err
}

func (c *change) evidenceRows(entryID int64, evidence []Evidence) (rows [][]any) {
	for i, e := range evidence {
		rows = append(rows, []any{entryID, i, c.stamp(e.Time), clean(e.Device), clean(e.Line)})
	}
	return rows
}

func (c *change) saveEvidence(ctx context.Context, rows [][]any) error {
	return c.forRows(ctx, c.tx, `INSERT INTO evidence (entry, n, time, device, line) `, "",
		[]string{"bigint", "integer", "timestamptz", "text", "text"}, rows, nil)
}

// evidenceStep is of how many released blocks one transaction of PruneEvidence removes the evidence; of more, if they were
// released at one moment.
const evidenceStep = 200

// PruneEvidence removes the log lines, and the members, of the blocks that were released before that time, of all agents, and gives how many.
// The blocks themselves stay, and so does the audit trail. It goes in small steps between which others can write, so that
// it may take long and may have done a part when it returns an error.
func (l *blacklist) PruneEvidence(ctx context.Context, before time.Time) (removed int64, err error) {
	for {
		began := time.Now()
		n, more, err := l.pruneEvidence(ctx, before)
		if removed += n; err != nil || !more {
			return removed, err
		}
		if err := yield(ctx, time.Since(began)); err != nil {
			return removed, l.failed("remove old evidence", err)
		}
	}
}

// pruneEvidence goes on from the release at which the last step ended; more is false when no block is left.
func (l *blacklist) pruneEvidence(ctx context.Context, before time.Time) (removed int64, more bool, err error) {
	err = l.update(ctx, "remove old evidence", func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		removed, more = 0, false
		var done int64
		// Locks the counter: another agent waits, and goes on from there.
		if err := tx.QueryRowContext(ctx, `UPDATE counters SET value = value WHERE name = 'evidence' RETURNING value`).Scan(&done); err != nil {
			return err
		}
		from, to := l.stamp(time.UnixMicro(done)), l.stamp(clamp(before))
		var last time.Time
		if err := tx.QueryRowContext(ctx, `SELECT max(released_at) FROM (SELECT released_at FROM blacklist
			WHERE released_at >= $1 AND released_at < $2 ORDER BY released_at LIMIT $3) AS step`, from, to, evidenceStep).Scan(intoTime{&last}); err != nil || last.IsZero() {
			return err
		}
		more = true
		result, err := tx.ExecContext(ctx, `DELETE FROM evidence WHERE entry IN (SELECT id FROM blacklist WHERE released_at >= $1 AND released_at <= $2)`,
			from, l.stamp(last))
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM members WHERE entry IN (SELECT id FROM blacklist WHERE released_at >= $1 AND released_at <= $2)`,
			from, l.stamp(last)); err != nil {
			return err
		}
		if removed, err = result.RowsAffected(); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE counters SET value = $1 WHERE name = 'evidence'`, last.UnixMicro()+1)
		return err
	})
	return removed, more, err
}

// Audit is one change of the blacklist.
type Audit struct {
	Time time.Time
	// Action is "block", "hold" or "observe", "accept" of what was held, "change" (of reason and expiry of a block), "release",
	// or "dismiss" (a person's release of what was held or observed); "import", beside the block that was made elsewhere; "notice", of whom a rule of mode notice told; "late", of a block that never was in force (Entry.Past); "allow" and "disallow", "pause" and "resume".
	Action     string
	Address    netip.Prefix
	By, Reason string
}

// A Noted change is one of the blacklist, the allow-list or the pause.
type Noted struct {
	Audit
	Subject string // what it is about that is no address, so that Address counts for nothing: a name, or everything; else empty
}

// AuditOf gives all changes for exactly this address or network, oldest first.
func (l *blacklist) AuditOf(ctx context.Context, address netip.Prefix) (list []Audit, err error) {
	if address, err = canonical(address); err != nil {
		return nil, err
	}
	err = l.view(ctx, "read the audit trail", func(ctx context.Context, tx *sql.Tx) error {
		return forEach(ctx, tx, func(rows *sql.Rows) error {
			a := Audit{Address: address}
			err := rows.Scan(intoTime{&a.Time}, &a.Action, &a.By, &a.Reason)
			list = append(list, a)
			return err
		}, `SELECT time, action, done_by, reason FROM audit WHERE address = $1 ORDER BY id`, address.String())
	})
	return list, err
}

// AuditFilter says which changes are meant.
type AuditFilter struct {
	Address netip.Prefix // only of exactly this address or network; invalid: any
	Since   time.Time    // only from this time on
	Limit   int          // 0: no limit
}

// Audits calls fn for changes of the blacklist, the allow-list and the pause, the newest first. An error of fn ends the reading, and is returned.
func (l *blacklist) Audits(ctx context.Context, f AuditFilter, fn func(*Noted) error) error {
	var w where
	if f.Address.IsValid() {
		address, err := canonical(f.Address)
		if err != nil {
			return err
		}
		w.add("address = ?", address.String())
	}
	if !f.Since.IsZero() {
		w.add("time >= ?", l.stamp(f.Since))
	}
	left, before := f.Limit, int64(math.MaxInt64)
	for {
		var page []Noted
		next := w.clone()
		next.add("id < ?", before)
		err := l.view(ctx, "read the history", func(ctx context.Context, tx *sql.Tx) error {
			page = nil
			return forEach(ctx, tx, func(rows *sql.Rows) error {
				var a Noted
				err := rows.Scan(&before, intoTime{&a.Time}, &a.Action, intoPrefix{&a.Address}, &a.By, &a.Reason, &a.Subject)
				page = append(page, a)
				return err
			}, `SELECT id, time, action, address, done_by, reason, subject FROM audit`+next.String()+` ORDER BY id DESC LIMIT 1000`, next.args...)
		})
		if err != nil || len(page) == 0 {
			return err
		}
		for i := range page {
			if err := fn(&page[i]); err != nil {
				return err
			}
			if left--; left == 0 {
				return nil
			}
		}
	}
}

func (c *change) auditRow(a Audit) []any {
	return []any{c.stamp(a.Time), a.Action, a.Address.String(), a.By, a.Reason}
}

func (c *change) saveAudit(ctx context.Context, rows [][]any) error {
	return c.forRows(ctx, c.tx, `INSERT INTO audit (time, action, address, done_by, reason) `, "",
		[]string{"timestamptz", "text", "cidr", "text", "text"}, rows, nil)
}

// Progress is how far a database has come, as one transaction sees it.
type Progress struct {
	Version int64 // of the blacklist
	Changed int64 // the version at which an entry changed last: without it the entries may have been lost, and the version not
	Batch   int64 // Seq of the last batch of this instance
	Trail   Trail // the last entry of the audit trail; the zero Trail: there is none
}

// A Trail is an entry of the audit trail, to tell a database with the history that is known from one that only has come as far: the trail
// is never shortened, and each entry has its number, time and address.
type Trail struct {
	ID    int64  `json:"id"`
	Entry string `json:"entry"`
}

func newTrail(id int64, at time.Time, action, address string) Trail {
	return Trail{ID: id, Entry: at.UTC().Format(time.RFC3339Nano) + " " + action + " " + address}
}

// Expect has every other database refused from now on than one that has come so far, and holds that entry of the audit trail (the zero
// Trail: whatever it holds) and the identity that it had when it was opened: what begins a transaction in another fails with ErrRefused, as does everything after it.
func (s *Store) Expect(known Progress) { s.gate.expect(s.agent, s.place.Identity, known) }

// Expected is how far, at least, the database has come that is expected, with what was committed since; the zero Progress: any will do.
func (s *Store) Expected() Progress {
	s.gate.mu.Lock()
	defer s.gate.mu.Unlock()
	if s.gate.known == nil {
		return Progress{}
	}
	return *s.gate.known
}

// Refuse has everything fail from now on with an error that wraps ErrRefused and why.
func (s *Store) Refuse(why error) { _ = s.gate.refuse(why) }

// Progress tells how far the database is, and whether it holds that entry of the audit trail; the zero Trail is held by any that has the
// identity that it had when it was opened. It is given of one that is refused, too.
func (s *Store) Progress(ctx context.Context, known Trail) (p Progress, holds bool, err error) {
	err = s.look(ctx, "read how far the database is", func(ctx context.Context, tx *sql.Tx) error {
		if p, holds = (Progress{}), known == (Trail{}); s.bare {
			return nil
		}
		if err := tx.QueryRowContext(ctx, `SELECT (SELECT value FROM counters WHERE name = 'blacklist'), coalesce((SELECT seq FROM agents WHERE id = $1), 0), `+lastChange, s.agent).Scan(&p.Version, &p.Batch, &p.Changed); err != nil {
			return err
		}
		id, err := identity(ctx, tx, s.place.Identity)
		if err != nil {
			return err
		}
		defer func() { holds = holds && id == s.place.Identity }()
		return forEach(ctx, tx, func(rows *sql.Rows) error {
			var t Trail
			var at time.Time
			var action, address string
			if err := rows.Scan(&t.ID, intoTime{&at}, &action, &address); err != nil {
				return err
			}
			t = newTrail(t.ID, at, action, address)
			p.Trail, holds = t, holds || t == known
			return nil
		}, `SELECT id, time, action, CAST(address AS text) FROM audit WHERE id = $1 OR id = (SELECT MAX(id) FROM audit) ORDER BY id`, known.ID)
	})
	return p, holds, err
}
