package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"net/netip"
	"slices"
	"time"
)

// Enforcement says that a firewall holds a block, or has no room for it.
type Enforcement struct {
	Firewall string
	Address  netip.Prefix
	Since    time.Time // zero when saving: now
	Until    time.Time // when the firewall lets go by itself; zero: it does not
	Seen     time.Time // when it was last read and held it; zero: it was written, and not read back since
	LeftOut  bool      // it does not hold it for want of room, since Since

	// Fault is why no rule in force on the firewall stops what it holds, as its policy was looked at then; "": one does, or nobody looked
	// yet. SavePolicy notes it.
	Fault  string
	Looked time.Time
}

// enforced is what is noted of all agents' firewalls. A note does not say whose firewall it is of.
type enforced struct {
	*database
	self int64 // number of the instance that asks: whether there are others decides what may be dropped
}

// SaveEnforced records what a firewall now holds or leaves out (put) and what it does neither with any longer (drop), in one
// transaction. For an address of which the same was noted already only Until changes, and Since if it is earlier.
func (n *enforced) SaveEnforced(ctx context.Context, firewall string, put []Enforcement, drop []netip.Prefix) error {
	if len(put)+len(drop) == 0 {
		return nil
	}
	return n.SaveRead(ctx, firewall, time.Time{}, put, drop)
}

// SaveRead does what SaveEnforced does, of a firewall of which all that it holds was read at that time: what was noted before
// and is not dropped was seen then. A zero time: it was not read.
func (n *enforced) SaveRead(ctx context.Context, firewall string, at time.Time, put []Enforcement, drop []netip.Prefix) error {
	firewall = clean(firewall)
	held := make(map[netip.Prefix]Enforcement, len(put))
	for _, e := range put {
		address, err := canonical(e.Address)
		if err != nil {
			return err
		}
		if e.Since.IsZero() {
			e.Since = n.now()
		}
		held[address] = e // the last of each counts
	}
	var rows, gone [][]any
	for address, e := range held {
		rows = append(rows, []any{firewall, address.String(), n.stamp(e.Since), n.stampOrNull(e.Until), bit(e.LeftOut), n.stampOrNull(e.Seen)})
	}
	for _, p := range drop {
		address, err := canonical(p)
		if err != nil {
			return err
		}
		gone = append(gone, []any{firewall, address.String()})
	}
	// Two agents that serve the same firewall take the rows in the same order.
	byAddress := func(a, b []any) int { return cmp.Compare(a[1].(string), b[1].(string)) }
	slices.SortFunc(rows, byAddress)
	slices.SortFunc(gone, byAddress)
	return n.update(ctx, "save what "+firewall+" enforces", func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		err := n.forRows(ctx, tx, `DELETE FROM enforced WHERE (firewall, address) IN (`, `)`, []string{"text", "cidr"}, gone, nil)
		if err == nil && !at.IsZero() {
			err = n.noteRead(ctx, tx, firewall, at)
		}
		if err != nil {
			return err
		}
		return n.forRows(ctx, tx, `INSERT INTO enforced (firewall, address, since, held_until, left_out, seen_at) `,
			` ON CONFLICT (firewall, address) DO UPDATE SET held_until = excluded.held_until, left_out = excluded.left_out, seen_at = excluded.seen_at,
				since = CASE WHEN excluded.left_out <> enforced.left_out OR excluded.since < enforced.since THEN excluded.since ELSE enforced.since END`,
			[]string{"text", "cidr", "timestamptz", "timestamptz", "smallint", "timestamptz"}, rows, nil)
	})
}

// noteRead notes that all rows of a firewall were seen at that time.
func (n *enforced) noteRead(ctx context.Context, tx *sql.Tx, firewall string, at time.Time) error {
	_, err := tx.ExecContext(ctx, `UPDATE enforced SET seen_at = $2 WHERE firewall = $1 AND seen_at IS NULL AND left_out = 0`, firewall, n.stamp(at))
	if err == nil {
		_, err = tx.ExecContext(ctx, `INSERT INTO enforced_reads (firewall, read_at) VALUES ($1, $2)
			ON CONFLICT (firewall) DO UPDATE SET read_at = excluded.read_at`, firewall, n.stamp(at))
	}
	return err
}

// SavePolicy notes what a look at a firewall's policy found: why no rule in force stops what it holds, "": one does.
func (n *enforced) SavePolicy(ctx context.Context, firewall string, at time.Time, fault string) error {
	return n.update(ctx, "save what the policy of "+clean(firewall)+" is like", func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO policies (firewall, looked_at, fault) VALUES ($1, $2, $3)
			ON CONFLICT (firewall) DO UPDATE SET looked_at = excluded.looked_at, fault = excluded.fault`, clean(firewall), n.stamp(at), clean(fault))
		return err
	})
}

// DropEnforced removes what is noted of other firewalls than those given: they were renamed, or are served no more.
// A name does not tell whose it is, so where other agents work on the same PostgreSQL, only what such a firewall
// has let go of by itself is removed.
func (n *enforced) DropEnforced(ctx context.Context, except []string) (dropped int64, err error) {
	var w where
	for _, firewall := range except {
		w.add("firewall <> ?", clean(firewall))
	}
	if n.kind == kindPostgres { // an SQLite file is one agent's
		w.add("(held_until < ? OR NOT EXISTS (SELECT 1 FROM agents WHERE id <> ? AND seq > 0))", n.stamp(n.now()), n.self)
	}
	err = n.update(ctx, "drop what firewalls no longer served enforced", func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `DELETE FROM enforced`+w.String(), w.args...)
		if err == nil {
			dropped, err = result.RowsAffected()
		}
		for _, table := range []string{"enforced_reads", "policies"} { // what is thus forgotten of a firewall that stays is noted anew
			if err == nil {
				_, err = tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE NOT EXISTS (SELECT 1 FROM enforced e WHERE e.firewall = `+table+`.firewall)`)
			}
		}
		return err
	})
	return dropped, err
}

// EnforcedOn tells which firewalls hold exactly this address or network, or have no room for it, by name.
func (n *enforced) EnforcedOn(ctx context.Context, address netip.Prefix) ([]Enforcement, error) {
	address, err := canonical(address)
	if err != nil {
		return nil, err
	}
	return n.enforcements(ctx, ` WHERE address = $1`, address.String())
}

// Enforced gives what a firewall holds or has no room for, by address.
func (n *enforced) Enforced(ctx context.Context, firewall string) ([]Enforcement, error) {
	return n.enforcements(ctx, ` WHERE firewall = $1`, clean(firewall))
}

func (n *enforced) enforcements(ctx context.Context, condition string, arg any) (list []Enforcement, err error) {
	err = n.view(ctx, "read what is enforced", func(ctx context.Context, tx *sql.Tx) error {
		return forEach(ctx, tx, func(rows *sql.Rows) error {
			var e Enforcement
			var left int
			var read time.Time
			err := rows.Scan(&e.Firewall, intoPrefix{&e.Address}, intoTime{&e.Since}, intoTime{&e.Until}, &left, intoTime{&e.Seen}, intoTime{&read}, &e.Fault, intoTime{&e.Looked})
			e.LeftOut = left != 0
			if !e.Seen.IsZero() && read.After(e.Seen) {
				e.Seen = read
			}
			list = append(list, e)
			return err
		}, `SELECT firewall, address, since, held_until, left_out, seen_at, read_at, coalesce(fault, ''), looked_at
			FROM enforced LEFT JOIN enforced_reads USING (firewall) LEFT JOIN policies USING (firewall)`+condition, arg)
	})
	slices.SortFunc(list, func(a, b Enforcement) int {
		return cmp.Or(cmp.Compare(a.Firewall, b.Firewall), comparePrefix(a.Address, b.Address))
	})
	return list, err
}

// NeverBlocked gives those of the addresses and networks that were never blocked, by whatever entry of the blacklist, and are not noted as
// enforced on the firewall either. An IPv6 address counts as blocked with a network that holds it.
func (n *enforced) NeverBlocked(ctx context.Context, firewall string, addresses []netip.Prefix) (never []netip.Prefix, err error) {
	as := make(map[netip.Prefix][]netip.Prefix) // what may be found, and whom that is for
	for _, p := range addresses {
		address, err := canonical(p)
		if err != nil {
			return nil, err
		}
		as[address] = append(as[address], p)
		for bits := address.Bits() - 1; address.Addr().Is6() && bits >= widestIPv6; bits-- {
			network := netip.PrefixFrom(address.Addr(), bits).Masked()
			as[network] = append(as[network], p)
		}
	}
	rows := make([][]any, 0, len(as))
	for p := range as {
		rows = append(rows, []any{p.String(), clean(firewall)})
	}
	known := make(map[netip.Prefix]bool)
	err = n.view(ctx, "look up what was ever blocked", func(ctx context.Context, tx *sql.Tx) error {
		return n.forRows(ctx, tx, `SELECT t.column1 FROM (`, `) AS t WHERE EXISTS (SELECT 1 FROM blacklist AS b WHERE b.address = t.column1 AND b.state = 0)
			OR EXISTS (SELECT 1 FROM enforced AS e WHERE e.firewall = t.column2 AND e.address = t.column1 AND e.left_out = 0)`, []string{"cidr", "text"}, rows, func(rows *sql.Rows) error {
			var p netip.Prefix
			err := rows.Scan(intoPrefix{&p})
			for _, of := range as[p] {
				known[of] = true
			}
			return err
		})
	})
	return slices.DeleteFunc(slices.Clone(addresses), func(p netip.Prefix) bool { return known[p] }), err
}

// widestIPv6 is the widest IPv6 network that is ever blocked.
const widestIPv6 = 32

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// A FirewallState is how a firewall was seen to be, for as long as somebody looked.
type FirewallState struct {
	Firewall     string
	State        string
	Began, Until time.Time
}

// keepStates is how long NoteStates keeps what it noted: a year and a month, to compare a month with the one a year ago.
const keepStates = 400 * 24 * time.Hour

// NoteStates notes how this instance's firewalls are at that time; Began and Until count for nothing. A state that was noted at most gap before has gone on, or ended now;
// what is older ended when it was noted last, and until now is not known.
func (n *enforced) NoteStates(ctx context.Context, at time.Time, gap time.Duration, states []FirewallState) error {
	now, recent := n.stamp(at), n.stamp(at.Add(-gap))
	return n.update(ctx, "note how the firewalls are", func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		for _, s := range states {
			firewall, state := clean(s.Firewall), clean(s.State)
			var went string
			err := tx.QueryRowContext(ctx, `UPDATE firewall_states SET until = CASE WHEN until > $1 THEN until ELSE $1 END WHERE agent = $2 AND firewall = $3 AND until >= $4
				AND began = (SELECT max(began) FROM firewall_states WHERE agent = $2 AND firewall = $3) RETURNING state`, now, n.self, firewall, recent).Scan(&went)
			if err == nil && went == state {
				continue
			}
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			if _, err := tx.ExecContext(ctx, `DELETE FROM firewall_states WHERE agent = $1 AND until < $2`, n.self, n.stamp(at.Add(-keepStates))); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO firewall_states (agent, firewall, began, until, state) VALUES ($1, $2, $3, $3, $4)
				ON CONFLICT (agent, firewall, began) DO UPDATE SET state = excluded.state`, n.self, firewall, now, state); err != nil {
				return err
			}
		}
		return nil
	})
}

// States calls fn for how all agents' firewalls were seen to be from since on and before until, by firewall, then in the order of time.
func (n *enforced) States(ctx context.Context, since, until time.Time, fn func(*FirewallState) error) error {
	return n.view(ctx, "read how the firewalls were", func(ctx context.Context, tx *sql.Tx) error {
		return forEach(ctx, tx, func(rows *sql.Rows) error {
			var s FirewallState
			if err := rows.Scan(&s.Firewall, &s.State, intoTime{&s.Began}, intoTime{&s.Until}); err != nil {
				return err
			}
			return fn(&s)
		}, `SELECT firewall, state, began, until FROM firewall_states WHERE until >= $1 AND began < $2 ORDER BY firewall, began, agent`, n.stamp(since), n.stamp(until))
	})
}
