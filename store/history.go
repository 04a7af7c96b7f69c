package store

import (
	"context"
	"database/sql"
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
	// or "dismiss" (a person's release of what was held or observed).
	Action     string
	Address    netip.Prefix
	By, Reason string
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

func (c *change) auditRow(a Audit) []any {
	return []any{c.stamp(a.Time), a.Action, a.Address.String(), a.By, a.Reason}
}

func (c *change) saveAudit(ctx context.Context, rows [][]any) error {
	return c.forRows(ctx, c.tx, `INSERT INTO audit (time, action, address, done_by, reason) `, "",
		[]string{"timestamptz", "text", "cidr", "text", "text"}, rows, nil)
}
