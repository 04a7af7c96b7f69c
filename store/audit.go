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

// Audit is one change of the blacklist.
type Audit struct {
	Time       time.Time
	Action     string // "block", "release" or "change" (of reason and expiry)
	Address    netip.Prefix
	By, Reason string
}

// EvidenceOf gives the lines an entry rests on, in the order in which they were stored.
func (s *Store) EvidenceOf(ctx context.Context, entryID int64) (list []Evidence, err error) {
	err = s.view(ctx, "read the evidence", func(ctx context.Context, tx *sql.Tx) error {
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
	return c.inChunks(ctx, c.tx, `INSERT INTO evidence (entry, n, time, device, line) VALUES `, "", nil, rows, nil)
}

// AuditOf gives all changes for exactly this address or network, oldest first.
func (s *Store) AuditOf(ctx context.Context, address netip.Prefix) (list []Audit, err error) {
	if address, err = canonical(address); err != nil {
		return nil, err
	}
	err = s.view(ctx, "read the audit trail", func(ctx context.Context, tx *sql.Tx) error {
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
	return c.inChunks(ctx, c.tx, `INSERT INTO audit (time, action, address, done_by, reason) VALUES `, "", nil, rows, nil)
}
