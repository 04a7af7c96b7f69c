package store

import (
	"context"
	"database/sql"
	"net/netip"
	"slices"
	"time"
)

// change is one change of the blacklist: the transaction that it is made in, and the version that every
// entry bears which it adds or alters. Evidence and audit trail are written with the entries they belong to.
type change struct {
	*dialect
	tx      *sql.Tx
	version int64
	noted   map[netip.Prefix]bool // what place does not put into the audit trail, which has it
}

// newChange begins a change of the blacklist. The counter's row is a lock: on PostgreSQL whoever
// changes the blacklist next waits here until this transaction has ended, so that versions become visible
// in their order, and no two transactions ever wait for each other's entries.
func newChange(ctx context.Context, d *dialect, tx *sql.Tx) (*change, error) {
	c := &change{dialect: d, tx: tx}
	err := tx.QueryRowContext(ctx, `UPDATE counters SET value = value + 1 WHERE name = 'blacklist' RETURNING value`).Scan(&c.version)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// insert adds what has no entry yet, and gives the new entries' ids. Evidence and audit trail are for the caller to write.
func (c *change) insert(ctx context.Context, blocks []Block) (added map[netip.Prefix]int64, err error) {
	var rows [][]any
	for i := range blocks {
		rows = append(rows, c.blockRow(&blocks[i]))
	}
	added = make(map[netip.Prefix]int64)
	err = c.forRows(ctx, c.tx,
		`INSERT INTO blacklist (address, rule, reason, blocked_by, device, target, first_seen, last_seen, blocked_at, expires_at,
			hits, seen_count, grade, state, hold, version, quiet_for, escalation, tag, neighbourhood, country, port) `,
		` ON CONFLICT (address) WHERE released_at IS NULL DO NOTHING RETURNING id, address`,
		blockTypes, rows, intoIDs(added))
	return added, err
}

// blockTypes are those of blockRow.
var blockTypes = []string{"cidr", "text", "text", "text", "text", "text", "timestamptz", "timestamptz", "timestamptz",
	"timestamptz", "bigint", "bigint", "smallint", "smallint", "text", "bigint", "bigint", "text", "text", "cidr", "text", "integer"}

// blockRow gives the columns of a block in the order in which insert and raise name them.
func (c *change) blockRow(b *Block) []any {
	return []any{b.Address.String(), b.Rule, b.Reason, b.By, b.Device, b.Target, c.stamp(b.FirstSeen), c.stamp(b.LastSeen), c.stamp(b.BlockedAt),
		c.stampOrNull(b.ExpiresAt), b.Hits, b.Count, int(b.Grade), int(b.State), b.Hold, c.version, b.quietFor.Microseconds(), b.escalation, b.Tag, b.neighbourhood(), b.Country, b.Port}
}

// intoIDs takes in the ids of entries, by address.
func intoIDs(ids map[netip.Prefix]int64) func(*sql.Rows) error {
	return func(rows *sql.Rows) error {
		var id int64
		var p netip.Prefix
		err := rows.Scan(&id, intoPrefix{&p})
		ids[p] = id
		return err
	}
}

// touch moves entries forward, whatever their state.
func (c *change) touch(ctx context.Context, touches []Touch) error {
	var rows [][]any
	for _, t := range merged(touches) {
		rows = append(rows, []any{t.Address.String(), c.stamp(t.LastSeen), t.Hits, c.version})
	}
	err := c.forRows(ctx, c.tx, `UPDATE blacklist SET
			last_seen = CASE WHEN t.column2 > last_seen THEN t.column2 ELSE last_seen END,
			hits = hits + t.column3, version = t.column4 FROM (`,
		`) AS t WHERE address = t.column1 AND released_at IS NULL`,
		[]string{"cidr", "timestamptz", "bigint", "bigint"}, rows, nil)
	if err != nil {
		return err
	}
	return c.touchMembers(ctx, touches)
}

// renew gives a blocked entry a new reason, by whom, and expiry. What a label file blocked is then blocked by rule of b.
func (c *change) renew(ctx context.Context, b *Block) error {
	if err := c.touch(ctx, []Touch{b.touch()}); err != nil {
		return err
	}
	_, err := c.tx.ExecContext(ctx, `UPDATE blacklist SET reason = $1, blocked_by = $2, expires_at = $3, quiet_for = 0, escalation = '',
		rule = CASE WHEN blocked_by = 'label-file' THEN $5 ELSE rule END WHERE address = $4 AND released_at IS NULL`,
		b.Reason, b.By, c.stampOrNull(b.ExpiresAt), b.Address.String(), b.Rule)
	if err != nil {
		return err
	}
	return c.saveAudit(ctx, [][]any{c.auditRow(Audit{b.BlockedAt, "change", b.Address, b.By, b.Reason})})
}

// An ending says how entries are released.
type ending struct {
	by, reason string
	at         time.Time
	served     int // 1: by themselves, as their time was over
}

// release ends the entries in force that w selects.
func (c *change) release(ctx context.Context, how ending, w where) (released []Entry, err error) {
	by, reason, at := clean(how.by), clean(how.reason), how.at
	w.add("released_at IS NULL")
	query := `UPDATE blacklist SET released_at = ` + w.arg(c.stamp(at)) + `, released_by = ` + w.arg(by) + `, release_reason = ` + w.arg(reason) +
		`, version = ` + w.arg(c.version) + `, served = ` + w.arg(how.served) + `, release_record = ` + c.lastRecord + w.String() + ` RETURNING ` + entryColumns
	var audit [][]any
	err = forEach(ctx, c.tx, func(rows *sql.Rows) error {
		var e Entry
		if err := scanEntry(rows, &e); err != nil {
			return err
		}
		released = append(released, e)
		audit = append(audit, c.auditRow(Audit{at, e.State.endedBy(by), e.Address, by, reason}))
		return nil
	}, query, w.args...)
	if err != nil {
		return nil, err
	}
	return released, c.saveAudit(ctx, audit)
}

// carryOut makes the changes that a batch asks for, and gives those of its blocks that were not there already, or stood lower.
func (c *change) carryOut(ctx context.Context, p *plan) (placed []*Block, err error) {
	touches := p.touches
	for _, round := range p.rounds {
		done, err := c.place(ctx, round)
		if err != nil {
			return nil, err
		}
		for i := range round {
			b := &round[i]
			if done[b.Address] {
				placed = append(placed, b)
				continue
			}
			touches = append(touches, b.touch())
			touches = append(touches, b.memberTouches()...)
		}
	}
	return placed, c.touch(ctx, touches)
}

// merged joins the touches of each entry and sorts them by its address.
func merged(touches []Touch) []Touch {
	touches = slices.Clone(touches)
	slices.SortStableFunc(touches, func(a, b Touch) int { return comparePrefix(a.Address, b.Address) })
	var out []Touch
	for _, t := range touches {
		if n := len(out); n > 0 && out[n-1].Address == t.Address {
			out[n-1].Hits += t.Hits
			if t.LastSeen.After(out[n-1].LastSeen) {
				out[n-1].LastSeen = t.LastSeen
			}
			continue
		}
		out = append(out, t)
	}
	return out
}
