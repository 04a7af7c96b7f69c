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

// Block puts an address or network on the blacklist by hand. If it is there already, its reason and
// expiry are replaced, and its last activity and hits moved on; the second result is false then.
func (s *Store) Block(ctx context.Context, b Block) (entry Entry, added bool, err error) {
	b, err = b.stored(s.now())
	if err != nil {
		return entry, false, err
	}
	err = s.update(ctx, "block "+b.Address.String(), func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		c, err := newChange(ctx, &s.dialect, tx)
		if err != nil {
			return err
		}
		ids, err := c.insert(ctx, []Block{b})
		if err != nil {
			return err
		}
		if _, added = ids[b.Address]; !added {
			if err := c.renew(ctx, &b); err != nil {
				return err
			}
		}
		return forEach(ctx, tx, func(rows *sql.Rows) error { return scanEntry(rows, &entry) },
			`SELECT `+entryColumns+` FROM blacklist WHERE address = $1 AND released_at IS NULL`, b.Address.String())
	})
	return entry, added, err
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
		c, err := newChange(ctx, &s.dialect, tx)
		if err != nil {
			return err
		}
		var w where
		w.add("address = ?", address.String())
		released, err = c.release(ctx, by, reason, at, w)
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
