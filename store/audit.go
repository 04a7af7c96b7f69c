package store

import (
	"context"
	"database/sql"
	"net/netip"
	"time"
)

// Audit is one change of the blacklist.
type Audit struct {
	Time       time.Time
	Action     string // "block", "release" or "change" (of reason and expiry)
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
	return c.inChunks(ctx, c.tx, `INSERT INTO audit (time, action, address, done_by, reason) VALUES `, "", nil, rows, nil)
}
