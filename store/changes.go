package store

import (
	"cmp"
	"context"
	"database/sql"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// Version is a number that grows with every commit that changes the blacklist: blocks, releases, new
// expiries, and touches. It is cheap enough to be asked several times a second.
func (s *Store) Version(ctx context.Context) (version int64, err error) {
	err = s.bound(ctx, func(ctx context.Context) error {
		return s.readers.QueryRowContext(ctx, `SELECT value FROM counters WHERE name = 'blacklist'`).Scan(&version)
	})
	return version, s.failed("read the blacklist's version", err)
}

// Changes calls fn for the entries, in force or released, that changed after version since, each once in
// its present state, and returns the version up to which this is complete: pass that the next time. Since
// 0 gives the entries in force, all of one moment. A version returned that is lower than since means that
// the database was replaced by an older one: begin again with 0. An error of fn ends the reading.
func (s *Store) Changes(ctx context.Context, since int64, fn func(*Entry) error) (version int64, err error) {
	condition := ` WHERE version > $1 ORDER BY version, id`
	if since == 0 {
		condition = ` WHERE version > $1 AND released_at IS NULL ORDER BY id`
	}
	err = s.view(ctx, "read the blacklist's changes", func(ctx context.Context, tx *sql.Tx) error {
		if err := tx.QueryRowContext(ctx, `SELECT value FROM counters WHERE name = 'blacklist'`).Scan(&version); err != nil {
			return err
		}
		return eachEntry(ctx, tx, fn, `SELECT `+entryColumns+` FROM blacklist`+condition, since)
	})
	return version, err
}

func eachEntry(ctx context.Context, q querier, fn func(*Entry) error, query string, args ...any) error {
	return forEach(ctx, q, func(rows *sql.Rows) error {
		var e Entry
		if err := scanEntry(rows, &e); err != nil {
			return err
		}
		return fn(&e)
	}, query, args...)
}

// EntryFilter selects entries.
type EntryFilter struct {
	All     bool         // also those that were released
	Rule    string       // empty: any
	Address netip.Prefix // only this address, or what lies in this network; invalid: any
	Limit   int          // 0: no limit
}

// Entries calls fn for entries of the blacklist, newest first. An error of fn ends the reading. What changes
// while fn works may be seen or not.
func (s *Store) Entries(ctx context.Context, f EntryFilter, fn func(*Entry) error) error {
	var w where
	if !f.All {
		w.add("released_at IS NULL")
	}
	if f.Rule != "" {
		w.add("rule = ?", clean(f.Rule))
	}
	within := func(*Entry) bool { return true }
	if f.Address.IsValid() {
		network, err := canonical(f.Address)
		if err != nil {
			return err
		}
		// SQLite knows no networks, and the list is short enough to look through.
		within = func(e *Entry) bool {
			return e.Address.Bits() >= network.Bits() && network.Contains(e.Address.Addr())
		}
	}
	left, before := f.Limit, int64(math.MaxInt64)
	for {
		page, err := s.entriesBefore(ctx, w, before)
		if err != nil || len(page) == 0 {
			return err
		}
		before = page[len(page)-1].ID
		for i := range page {
			if !within(&page[i]) {
				continue
			}
			if err := fn(&page[i]); err != nil {
				return s.failed("list the blacklist", err)
			}
			if left--; left == 0 {
				return nil
			}
		}
	}
}

// Released gives the entries that were released at that time or later, in the order of their release.
func (s *Store) Released(ctx context.Context, since time.Time) (list []Entry, err error) {
	err = s.view(ctx, "read what was released", func(ctx context.Context, tx *sql.Tx) error {
		return eachEntry(ctx, tx, func(e *Entry) error {
			list = append(list, *e)
			return nil
		}, `SELECT `+entryColumns+` FROM blacklist WHERE released_at >= $1 ORDER BY released_at, id`, s.stamp(clamp(since)))
	})
	return list, err
}

// entriesBefore gives a page of the entries that w selects and whose id is lower, newest first: whoever
// looks at them for hours keeps no reading open (see searchPage).
func (s *Store) entriesBefore(ctx context.Context, w where, id int64) (page []Entry, err error) {
	w = w.clone()
	w.add("id < ?", id)
	err = s.view(ctx, "list the blacklist", func(ctx context.Context, tx *sql.Tx) error {
		return eachEntry(ctx, tx, func(e *Entry) error {
			page = append(page, *e)
			return nil
		}, `SELECT `+entryColumns+` FROM blacklist`+w.String()+` ORDER BY id DESC LIMIT `+w.arg(int64(searchPage)), w.args...)
	})
	return page, err
}

// Covering gives the entries, in force and released, that are the address or a network that holds it,
// newest first.
func (s *Store) Covering(ctx context.Context, a netip.Addr) (list []Entry, err error) {
	a = canonicalAddr(a)
	list = []Entry{}
	if !a.IsValid() {
		return list, nil
	}
	query := `SELECT ` + entryColumns + ` FROM blacklist WHERE address IN (`
	var args []any
	for bits := range a.BitLen() + 1 {
		p, err := a.Prefix(bits)
		if err != nil {
			return nil, err
		}
		args = append(args, p.String())
		query += "$" + strconv.Itoa(bits+1) + ","
	}
	err = s.view(ctx, "look up "+a.String(), func(ctx context.Context, tx *sql.Tx) error {
		return eachEntry(ctx, tx, func(e *Entry) error {
			list = append(list, *e)
			return nil
		}, query[:len(query)-1]+`) ORDER BY id DESC`, args...)
	})
	return list, err
}

// ReleaseQuiet releases, in the name of the detector, at most limit entries (0: all) whose ReleaseAt has
// come by now, and returns them by ID. With nothing to release it only reads. If releaseAfter is not
// positive, only what has an expiry is released.
func (s *Store) ReleaseQuiet(ctx context.Context, now time.Time, releaseAfter time.Duration, limit int) ([]Entry, error) {
	var expired, quiet where
	expired.add("expires_at <= ?", s.stamp(now))
	quiet.add("expires_at IS NULL AND last_seen <= ?", s.stamp(now.Add(-releaseAfter)))
	kinds := []struct {
		reason string
		where
	}{{"the time it was blocked for is over", expired}, {"no activity for " + inDays(releaseAfter), quiet}}
	if releaseAfter <= 0 {
		kinds = kinds[:1]
	}
	var released []Entry
	for _, k := range kinds {
		if limit > 0 && len(released) == limit {
			break
		}
		list, err := s.releaseDue(ctx, now, k.reason, k.where, limit-len(released), limit == 0)
		if err != nil {
			return released, err
		}
		released = append(released, list...)
	}
	slices.SortFunc(released, func(a, b Entry) int { return cmp.Compare(a.ID, b.ID) })
	return released, nil
}

// releaseDue releases the oldest of what is due. It looks first without any lock, then again under that
// of the version: an entry touched in between stays.
func (s *Store) releaseDue(ctx context.Context, now time.Time, reason string, due where, limit int, all bool) (released []Entry, err error) {
	due.add("released_at IS NULL")
	pick := `SELECT id FROM blacklist` + due.String()
	if !all {
		pick += ` ORDER BY last_seen, id LIMIT ` + due.arg(int64(limit))
	}
	var found bool
	err = s.view(ctx, "look for quiet entries", func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT EXISTS (`+pick+`)`, due.args...).Scan(&found)
	})
	if err != nil || !found {
		return nil, err
	}
	err = s.update(ctx, "release quiet entries", func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		c, err := newChange(ctx, &s.dialect, tx)
		if err != nil {
			return err
		}
		released, err = c.release(ctx, ByDetector, reason, now, where{terms: []string{"id IN (" + pick + ")"}, args: slices.Clone(due.args)})
		return err
	})
	return released, err
}

// inDays writes a duration as the configuration does.
func inDays(d time.Duration) string {
	if day := 24 * time.Hour; d%day == 0 {
		return strconv.Itoa(int(d/day)) + "d"
	}
	return d.String()
}
