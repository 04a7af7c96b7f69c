package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// By whom entries are made and released.
const (
	ByDetector = "detector"
	ByOperator = "operator"
)

// Block is a source, or a network, to be put on the blacklist.
type Block struct {
	Address             netip.Prefix
	Rule, Reason        string
	By                  string // ByDetector or ByOperator
	Device, Target      string
	FirstSeen, LastSeen time.Time // zero: BlockedAt
	BlockedAt           time.Time // zero: now
	ExpiresAt           time.Time // zero: none, then release is by inactivity
	Hits                int64
	Count               int
	Evidence            []Evidence // oldest first
}

// Entry is a line of the blacklist, in force or history.
type Entry struct {
	ID                        int64
	Address                   netip.Prefix
	Rule, Reason              string
	By                        string // who made it
	Device, Target            string
	FirstSeen, LastSeen       time.Time
	BlockedAt                 time.Time
	ExpiresAt                 time.Time // zero: release is by inactivity
	Hits                      int64
	Count                     int
	ReleasedAt                time.Time // zero: in force
	ReleasedBy, ReleaseReason string
	Version                   int64 // of the blacklist when the entry changed last
}

// ReleaseAt is when the entry ends if no activity follows: ExpiresAt if set, else releaseAfter past
// LastSeen, and never (the zero time) if releaseAfter is not positive.
func (e *Entry) ReleaseAt(releaseAfter time.Duration) time.Time {
	if !e.ExpiresAt.IsZero() {
		return e.ExpiresAt
	}
	if releaseAfter <= 0 {
		return time.Time{}
	}
	return e.LastSeen.Add(releaseAfter)
}

const entryColumns = `id, address, rule, reason, blocked_by, device, target, first_seen, last_seen, blocked_at, expires_at,
	hits, seen_count, released_at, released_by, release_reason, version`

func scanEntry(rows *sql.Rows, e *Entry) error {
	return rows.Scan(&e.ID, intoPrefix{&e.Address}, &e.Rule, &e.Reason, &e.By, &e.Device, &e.Target, intoTime{&e.FirstSeen},
		intoTime{&e.LastSeen}, intoTime{&e.BlockedAt}, intoTime{&e.ExpiresAt}, &e.Hits, &e.Count, intoTime{&e.ReleasedAt},
		&e.ReleasedBy, &e.ReleaseReason, &e.Version)
}

// stored gives b in the form in which both databases keep it.
func (b *Block) stored(now time.Time) (Block, error) {
	c := *b
	var err error
	if c.Address, err = canonical(b.Address); err != nil {
		return c, fmt.Errorf("block: %w", err)
	}
	for _, s := range []*string{&c.Rule, &c.Reason, &c.By, &c.Device, &c.Target} {
		*s = clean(*s)
	}
	if c.BlockedAt.IsZero() {
		c.BlockedAt = now
	}
	if c.FirstSeen.IsZero() {
		c.FirstSeen = c.BlockedAt
	}
	if c.LastSeen.IsZero() {
		c.LastSeen = c.BlockedAt
	}
	return c, nil
}

func (b *Block) touch() Touch { return Touch{b.Address, b.LastSeen, b.Hits} }

// nextVersion begins a change of the blacklist. The counter's row is a lock: on PostgreSQL whoever
// changes the blacklist next waits here until this transaction has ended, so that versions become visible
// in their order, and no two transactions ever wait for each other's entries.
func (s *Store) nextVersion(ctx context.Context, tx *sql.Tx) (version int64, err error) {
	err = tx.QueryRowContext(ctx, `UPDATE counters SET value = value + 1 WHERE name = 'blacklist' RETURNING value`).Scan(&version)
	return version, err
}

// insertBlocks adds what is not blocked yet, with evidence and audit, and gives the new entries' ids.
func (s *Store) insertBlocks(ctx context.Context, tx *sql.Tx, version int64, blocks []Block) (added map[netip.Prefix]int64, err error) {
	var rows, evidence, audit [][]any
	for i := range blocks {
		b := &blocks[i]
		rows = append(rows, []any{b.Address.String(), b.Rule, b.Reason, b.By, b.Device, b.Target, s.stamp(b.FirstSeen),
			s.stamp(b.LastSeen), s.stamp(b.BlockedAt), s.stampOrNull(b.ExpiresAt), b.Hits, b.Count, version})
	}
	added = make(map[netip.Prefix]int64)
	err = s.inChunks(ctx, tx,
		`INSERT INTO blacklist (address, rule, reason, blocked_by, device, target, first_seen, last_seen, blocked_at, expires_at,
			hits, seen_count, version) VALUES `,
		` ON CONFLICT (address) WHERE released_at IS NULL DO NOTHING RETURNING id, address`,
		nil, rows, func(rows *sql.Rows) error {
			var id int64
			var p netip.Prefix
			err := rows.Scan(&id, intoPrefix{&p})
			added[p] = id
			return err
		})
	if err != nil {
		return nil, err
	}
	for i := range blocks {
		b := &blocks[i]
		if id, ok := added[b.Address]; ok {
			evidence = append(evidence, s.evidenceRows(id, b.Evidence)...)
			audit = append(audit, s.auditRow(Audit{b.BlockedAt, "block", b.Address, b.By, b.Reason}))
		}
	}
	if err := s.saveEvidence(ctx, tx, evidence); err != nil {
		return nil, err
	}
	return added, s.saveAudit(ctx, tx, audit)
}

// touch moves entries forward. The addresses must be different ones.
func (s *Store) touch(ctx context.Context, tx *sql.Tx, version int64, touches []Touch) error {
	var rows [][]any
	for _, t := range touches {
		rows = append(rows, []any{t.Address.String(), s.stamp(t.LastSeen), t.Hits, version})
	}
	return s.inChunks(ctx, tx, `UPDATE blacklist SET
			last_seen = CASE WHEN t.column2 > last_seen THEN t.column2 ELSE last_seen END,
			hits = hits + t.column3, version = t.column4 FROM (VALUES `,
		`) AS t WHERE address = t.column1 AND released_at IS NULL`,
		[]string{"cidr", "timestamptz", "bigint", "bigint"}, rows, nil)
}

// Block puts an address or network on the blacklist by hand. If it is there already, its reason and
// expiry are replaced, and its last activity and hits moved on; the second result is false then.
func (s *Store) Block(ctx context.Context, b Block) (entry Entry, added bool, err error) {
	b, err = b.stored(s.now())
	if err != nil {
		return entry, false, err
	}
	err = s.update(ctx, "block "+b.Address.String(), func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		version, err := s.nextVersion(ctx, tx)
		if err != nil {
			return err
		}
		ids, err := s.insertBlocks(ctx, tx, version, []Block{b})
		if err != nil {
			return err
		}
		if _, added = ids[b.Address]; !added {
			if err := s.renew(ctx, tx, version, &b); err != nil {
				return err
			}
		}
		return forEach(ctx, tx, func(rows *sql.Rows) error { return scanEntry(rows, &entry) },
			`SELECT `+entryColumns+` FROM blacklist WHERE address = $1 AND released_at IS NULL`, b.Address.String())
	})
	return entry, added, err
}

// renew gives an entry in force a new reason and expiry.
func (s *Store) renew(ctx context.Context, tx *sql.Tx, version int64, b *Block) error {
	if err := s.touch(ctx, tx, version, []Touch{b.touch()}); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `UPDATE blacklist SET reason = $1, expires_at = $2 WHERE address = $3 AND released_at IS NULL`,
		b.Reason, s.stampOrNull(b.ExpiresAt), b.Address.String())
	if err != nil {
		return err
	}
	return s.saveAudit(ctx, tx, [][]any{s.auditRow(Audit{b.BlockedAt, "change", b.Address, b.By, b.Reason})})
}

// Release takes an address or network off the blacklist; it must be written as the entry is. What was
// recorded of it up to now is no longer among the Sightings. If it is not blocked, the error wraps
// ErrNotBlocked.
func (s *Store) Release(ctx context.Context, address netip.Prefix, by, reason string, at time.Time) (Entry, error) {
	address, err := canonical(address)
	if err != nil {
		return Entry{}, fmt.Errorf("release: %w", err)
	}
	var released []Entry
	doing := "release " + address.String()
	err = s.update(ctx, doing, func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		var w where
		w.add("address = ?", address.String())
		released, err = s.release(ctx, tx, by, reason, at, w)
		if err == nil && len(released) == 0 {
			return ErrNotBlocked // and the version stays
		}
		return err
	})
	if errors.Is(err, ErrNotBlocked) {
		return Entry{}, fmt.Errorf("%s: %w", doing, ErrNotBlocked)
	}
	if err != nil {
		return Entry{}, err
	}
	return released[0], nil
}

// release ends the entries in force that w selects, under a new version.
func (s *Store) release(ctx context.Context, tx *sql.Tx, by, reason string, at time.Time, w where) (released []Entry, err error) {
	version, err := s.nextVersion(ctx, tx)
	if err != nil {
		return nil, err
	}
	by, reason = clean(by), clean(reason)
	w.add("released_at IS NULL")
	query := `UPDATE blacklist SET released_at = ` + w.arg(s.stamp(at)) + `, released_by = ` + w.arg(by) + `, release_reason = ` + w.arg(reason) +
		`, version = ` + w.arg(version) + `, release_record = ` + s.lastRecord + w.String() + ` RETURNING ` + entryColumns
	var audit [][]any
	err = forEach(ctx, tx, func(rows *sql.Rows) error {
		var e Entry
		if err := scanEntry(rows, &e); err != nil {
			return err
		}
		released = append(released, e)
		audit = append(audit, s.auditRow(Audit{at, "release", e.Address, by, reason}))
		return nil
	}, query, w.args...)
	if err != nil {
		return nil, err
	}
	return released, s.saveAudit(ctx, tx, audit)
}
