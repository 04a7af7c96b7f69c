package store

import (
	"cmp"
	"context"
	"database/sql"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Version is a number that grows with every commit that changes the blacklist: blocks, releases, new
// expiries, and touches. It is cheap enough to be asked several times a second.
func (l *blacklist) Version(ctx context.Context) (version int64, err error) {
	version, _, err = l.Versions(ctx)
	return version, err
}

// Versions gives Version, and a number that grows with every change of what Guards or Protected give.
func (l *blacklist) Versions(ctx context.Context) (version, guards int64, err error) {
	err = l.view(ctx, "read the blacklist's version", func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT (SELECT value FROM counters WHERE name = 'blacklist'), (SELECT value FROM counters WHERE name = 'guards')`).Scan(&version, &guards)
	})
	return version, guards, err
}

// Changes calls fn for the entries, in force or released, that changed after version since, each once in
// its present state, and returns the version up to which this is complete: pass that the next time. Since
// 0 gives the entries in force, all of one moment. A version returned that is lower than since means that
// the database was replaced by an older one: begin again with 0. An error of fn ends the reading.
func (l *blacklist) Changes(ctx context.Context, since int64, fn func(*Entry) error) (version int64, err error) {
	condition := ` WHERE version > $1 ORDER BY version, id`
	if since == 0 {
		condition = ` WHERE version > $1 AND released_at IS NULL ORDER BY id`
	}
	err = l.view(ctx, "read the blacklist's changes", func(ctx context.Context, tx *sql.Tx) error {
		if err := tx.QueryRowContext(ctx, `SELECT value FROM counters WHERE name = 'blacklist'`).Scan(&version); err != nil {
			return err
		}
		members, err := membersWhere(ctx, tx, `entry IN (SELECT id FROM blacklist WHERE version > $1 AND released_at IS NULL)`, since)
		if err != nil {
			return err
		}
		return eachEntry(ctx, tx, func(e *Entry) error {
			e.Members = members[e.ID]
			return fn(e)
		}, `SELECT `+entryColumns+` FROM blacklist`+condition, since)
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
	States  []State      // only these; empty: any
	Rule    string       // empty: any
	Device  string       // empty: any; without regard to ASCII case
	Since   time.Time    // only what was last blocked, held or observed at this time or later
	Address netip.Prefix // only this address, or what lies in this network; invalid: any
	Limit   int          // 0: no limit
}

// Entries calls fn for entries of the blacklist, newest first. An error of fn ends the reading. What changes
// while fn works may be seen or not.
func (l *blacklist) Entries(ctx context.Context, f EntryFilter, fn func(*Entry) error) error {
	var w where
	if !f.All {
		w.add("released_at IS NULL")
	}
	if f.Rule != "" {
		w.add("rule = ?", clean(f.Rule))
	}
	if f.Device != "" {
		w.add("lower(device) = lower(?)", clean(f.Device))
	}
	if !f.Since.IsZero() {
		w.add("blocked_at >= ?", l.stamp(f.Since))
	}
	if len(f.States) > 0 {
		var marks []string
		for _, s := range f.States {
			marks = append(marks, w.arg(int(s)))
		}
		w.terms = append(w.terms, "state IN ("+strings.Join(marks, ",")+")")
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
		page, err := l.entriesBefore(ctx, w, before)
		if err != nil || len(page) == 0 {
			return err
		}
		before = page[len(page)-1].ID
		for i := range page {
			if !within(&page[i]) {
				continue
			}
			if err := fn(&page[i]); err != nil {
				return l.failed("list the blacklist", err)
			}
			if left--; left == 0 {
				return nil
			}
		}
	}
}

// Began calls fn with when each block began, from a time on and whether it was released since or not, in no order. What is held or observed is
// no block, nor is what never was in force.
func (l *blacklist) Began(ctx context.Context, since time.Time, fn func(time.Time) error) error {
	return l.view(ctx, "read when blocks began", func(ctx context.Context, tx *sql.Tx) error {
		return forEach(ctx, tx, func(rows *sql.Rows) error {
			var at time.Time
			if err := rows.Scan(intoTime{&at}); err != nil {
				return err
			}
			return fn(at)
		}, `SELECT blocked_at FROM blacklist WHERE state = $1 AND blocked_at >= $2 AND`+wasInForce("blacklist"), int(Blocked), l.stamp(since))
	})
}

// Ended gives the blocks of a source that count when it returns (see Escalation): from their first evidence to their end.
func (l *blacklist) Ended(ctx context.Context, source netip.Prefix) (list []Interval, err error) {
	err = l.view(ctx, "read earlier blocks of "+source.String(), func(ctx context.Context, tx *sql.Tx) error {
		return forEach(ctx, tx, func(rows *sql.Rows) error {
			var in Interval
			err := rows.Scan(intoTime{&in.From}, intoTime{&in.To})
			list = append(list, in)
			return err
		}, `SELECT first_seen, coalesce(expires_at, released_at) FROM blacklist AS b WHERE address = $1 AND served = 1 AND state = 0 AND blocked_by = $2
			AND NOT EXISTS (SELECT 1 FROM blacklist AS p WHERE p.address = b.address AND p.id > b.id AND p.released_at IS NOT NULL AND p.released_by NOT IN ($2, $3)) ORDER BY id`,
			source.String(), ByDetector, ByLabelFile)
	})
	return list, err
}

// Rules gives the rules that entries have or had, in order of their names.
func (l *blacklist) Rules(ctx context.Context) (rules []string, err error) {
	err = l.view(ctx, "read the rules of the blacklist", func(ctx context.Context, tx *sql.Tx) error {
		return forEach(ctx, tx, func(rows *sql.Rows) error {
			var rule string
			err := rows.Scan(&rule)
			rules = append(rules, rule)
			return err
		}, `SELECT DISTINCT rule FROM blacklist`)
	})
	slices.Sort(rules) // databases differ in how they order texts
	return rules, err
}

// Released gives the entries that were released at that time or later, in the order of their release.
func (l *blacklist) Released(ctx context.Context, since time.Time) (list []Entry, err error) {
	err = l.view(ctx, "read what was released", func(ctx context.Context, tx *sql.Tx) error {
		return eachEntry(ctx, tx, func(e *Entry) error {
			list = append(list, *e)
			return nil
		}, `SELECT `+entryColumns+` FROM blacklist WHERE released_at >= $1 ORDER BY released_at, id`, l.stamp(clamp(since)))
	})
	return list, err
}

// entriesBefore gives a page of the entries that w selects and whose id is lower, newest first: whoever
// looks at them for hours keeps no reading open (see searchPage).
func (l *blacklist) entriesBefore(ctx context.Context, w where, id int64) (page []Entry, err error) {
	w = w.clone()
	w.add("id < ?", id)
	err = l.view(ctx, "list the blacklist", func(ctx context.Context, tx *sql.Tx) error {
		return eachEntry(ctx, tx, func(e *Entry) error {
			page = append(page, *e)
			return nil
		}, `SELECT `+entryColumns+` FROM blacklist`+w.String()+` ORDER BY id DESC LIMIT `+w.arg(int64(searchPage)), w.args...)
	})
	return page, err
}

// Covering gives the entries, in force and released, that are the address or a network that holds it,
// newest first.
func (l *blacklist) Covering(ctx context.Context, a netip.Addr) (list []Entry, err error) {
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
	err = l.view(ctx, "look up "+a.String(), func(ctx context.Context, tx *sql.Tx) error {
		return eachEntry(ctx, tx, func(e *Entry) error {
			list = append(list, *e)
			return nil
		}, query[:len(query)-1]+`) ORDER BY id DESC`, args...)
	})
	return list, err
}

// NeighbourhoodOf gives the network whose neighbours a source is counted among: its /24, of IPv6 its /48. There is none of what
// is as wide itself.
func NeighbourhoodOf(source netip.Prefix) (network netip.Prefix, ok bool) {
	bits := 24
	if source.Addr().Is6() {
		bits = 48
	}
	if source.Bits() <= bits {
		return network, false
	}
	network, err := source.Addr().Prefix(bits)
	return network, err == nil
}

// neighbourhood gives that of a block as an argument: NULL where its evidence proves nothing of who is there.
func (b *Block) neighbourhood() any {
	network, ok := NeighbourhoodOf(b.Address)
	if !ok || b.By != ByDetector || b.Grade != Proven {
		return nil
	}
	return network.String()
}

// Counts tells whether an entry counts among the neighbours of its network: it is blocked by the detector for proven evidence.
func (e *Entry) Counts() bool {
	_, ok := NeighbourhoodOf(e.Address)
	return ok && e.By == ByDetector && e.Grade == Proven && e.State == Blocked && e.ReleasedAt.IsZero() && e.Rule != RuleNeighbourhood
}

// NeighbourhoodsReleased gives when persons last released neighbourhoods. What was blocked before that is no reason to block one again.
func (l *blacklist) NeighbourhoodsReleased(ctx context.Context) (times map[netip.Prefix]time.Time, err error) {
	times = make(map[netip.Prefix]time.Time)
	err = l.view(ctx, "read which neighbourhoods were released", func(ctx context.Context, tx *sql.Tx) error {
		return forEach(ctx, tx, func(rows *sql.Rows) error {
			var p netip.Prefix
			var at time.Time
			err := rows.Scan(intoPrefix{&p}, intoTime{&at})
			times[p] = at
			return err
		}, `SELECT address, max(released_at) FROM blacklist WHERE rule = $1 AND released_at IS NOT NULL AND released_by <> $2 GROUP BY address`,
			RuleNeighbourhood, ByDetector)
	})
	return times, err
}

// A Tally is how many blocks have a value.
type Tally struct {
	Value  string
	Blocks int64
}

// A SourceTally is what is known of a source that was blocked.
type SourceTally struct {
	Address netip.Prefix
	Country string // as its last block has it
	Rule    string // of the last block
	Blocks  int64
	Hits    int64 // records of it while it was blocked, and those that led to it
	Last    time.Time
}

// Counts is what became of blocks within a time. Lists have the most first, and not all values where there are many.
type Counts struct {
	Blocks, Sources, Hits    int64 // that began in that time: blocks, distinct addresses and networks, records of them
	Released, ByHand         int64 // that ended in it, and those of them that a person ended
	Standing, Held, Observed int64 // now, whenever they began
	Rules, Countries, Ports  []Tally
	Devices                  []Tally // firewalls as the log names them
	Days                     []Tally // of UTC, as 2006-01-02, in their order; those with blocks
	Top                      []SourceTally
}

// sumHits is the sum of the hits of rows, or the largest number where it would be larger: sum alone fails there in both databases. The digits below and
// above 2^20 are summed apart, neither of which overflows within 10^8 rows.
const sumHits = `CAST(CASE WHEN coalesce(sum(hits / 1048576), 0) < 8796000000000 THEN coalesce(sum(hits / 1048576) * 1048576 + sum(hits % 1048576), 0) ELSE 9223372036854775807 END AS bigint)`

// Count counts the blocks that began from since on and before until, at most so many values of a list (days aside). One that was released and imported
// again is one block, as it stands now, and one that never was in force is none. A sum of hits ends at the largest int64.
func (l *blacklist) Count(ctx context.Context, since, until time.Time, most int) (c Counts, err error) {
	day := `blocked_at / 86400000000`
	if l.kind == kindPostgres {
		day = `CAST(floor(extract(epoch FROM blocked_at) / 86400) AS bigint)`
	}
	from, to := l.stamp(since), l.stamp(until)
	within := ` FROM blacklist WHERE state = 0 AND blocked_at >= $1 AND blocked_at < $2 AND` + wasInForce("blacklist") + ` AND NOT EXISTS (SELECT 1 FROM blacklist AS again WHERE again.address = blacklist.address
		AND again.blocked_at = blacklist.blocked_at AND again.rule = blacklist.rule AND again.state = 0 AND again.id > blacklist.id AND` + wasInForce("again") + `)`
	err = l.view(ctx, "count blocks", func(ctx context.Context, tx *sql.Tx) error {
		c = Counts{}
		if err := l.countAll(ctx, tx, &c, within, from, to); err != nil {
			return err
		}
		for _, list := range []struct {
			to     *[]Tally
			column string
		}{{&c.Rules, "rule"}, {&c.Countries, "country"}, {&c.Ports, "CAST(port AS text)"}, {&c.Devices, "device"}} {
			err := forEach(ctx, tx, func(rows *sql.Rows) error {
				var t Tally
				err := rows.Scan(&t.Value, &t.Blocks)
				*list.to = append(*list.to, t)
				return err
			}, `SELECT `+list.column+`, count(*)`+within+` GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT $3`, from, to, most)
			if err != nil {
				return err
			}
			slices.SortFunc(*list.to, func(a, b Tally) int { return cmp.Or(cmp.Compare(b.Blocks, a.Blocks), cmp.Compare(a.Value, b.Value)) }) // databases differ in how they order texts
		}
		err := forEach(ctx, tx, func(rows *sql.Rows) error {
			var n int64
			var t Tally
			err := rows.Scan(&n, &t.Blocks)
			t.Value = time.Unix(n*86400, 0).UTC().Format(time.DateOnly)
			c.Days = append(c.Days, t)
			return err
		}, `SELECT `+day+`, count(*)`+within+` GROUP BY 1 ORDER BY 1`, from, to)
		if err != nil {
			return err
		}
		return forEach(ctx, tx, func(rows *sql.Rows) error {
			var t SourceTally
			err := rows.Scan(intoPrefix{&t.Address}, &t.Blocks, &t.Hits, intoTime{&t.Last}, &t.Country, &t.Rule)
			c.Top = append(c.Top, t)
			return err
		}, `SELECT t.address, t.blocks, t.hits, t.last, b.country, b.rule FROM (SELECT address, count(*) AS blocks, `+sumHits+` AS hits,
			max(last_seen) AS last, max(id) AS id`+within+` GROUP BY address ORDER BY 3 DESC, 5 LIMIT $3) AS t JOIN blacklist AS b ON b.id = t.id ORDER BY t.hits DESC, t.id`, from, to, most)
	})
	return c, err
}

// countAll counts what needs no list.
func (l *blacklist) countAll(ctx context.Context, tx *sql.Tx, c *Counts, within string, from, to any) error {
	err := tx.QueryRowContext(ctx, `SELECT count(*), count(DISTINCT address), `+sumHits+within, from, to).Scan(&c.Blocks, &c.Sources, &c.Hits)
	if err != nil {
		return err
	}
	err = tx.QueryRowContext(ctx, `SELECT count(*), coalesce(sum(CASE WHEN released_by IN ($3, $4) THEN 0 ELSE 1 END), 0) FROM blacklist
		WHERE state = 0 AND released_at >= $1 AND released_at < $2 AND`+wasInForce("blacklist"), from, to, ByDetector, ByLabelFile).Scan(&c.Released, &c.ByHand)
	if err != nil {
		return err
	}
	return forEach(ctx, tx, func(rows *sql.Rows) error {
		var state State
		var n int64
		err := rows.Scan(&state, &n)
		switch state {
		case Blocked:
			c.Standing = n
		case Held:
			c.Held = n
		case Observed:
			c.Observed = n
		}
		return err
	}, `SELECT state, count(*) FROM blacklist WHERE released_at IS NULL GROUP BY state`)
}
