package store

import (
	"cmp"
	"context"
	"database/sql"
	"net/netip"
	"slices"
	"time"
)

// Kinds of protected addresses.
const (
	ProtectedNetwork    = "network"    // ours
	ProtectedManagement = "management" // an address by which a device of ours is managed
	ProtectedPeer       = "peer"       // something that a firewall talks to
)

// Protected is an address or network that a firewall named, and that is not to be blocked.
type Protected struct {
	Firewall string
	Kind     string // ProtectedNetwork, ProtectedManagement or ProtectedPeer
	What     string // what it is there, such as "interface ethernet1/1"
	Address  netip.Prefix
	Since    time.Time // when the firewall first named it, without a break
}

// protected is what the firewalls of all agents named. A note does not say whose firewall it is of.
type protected struct {
	*database
	self int64 // number of the instance that asks: whether there are others decides what may be dropped
}

// SaveProtected replaces what a firewall named with what it named at the time asked. Firewall and Since of the entries
// given are not looked at: what stood before keeps its own Since.
func (n *protected) SaveProtected(ctx context.Context, firewall string, asked time.Time, entries []Protected) error {
	firewall = clean(firewall)
	rows, err := protectedRows(firewall, entries)
	if err != nil {
		return err
	}
	return n.update(ctx, "save what "+firewall+" names", func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		// First, for it makes another agent that saves the same firewall's wait.
		if err := n.noteAsked(ctx, tx, firewall, n.stamp(asked)); err != nil {
			return err
		}
		before, err := n.protectedOf(ctx, tx, ` WHERE firewall = $1`, firewall)
		if err != nil {
			return err
		}
		since := make(map[Protected]time.Time, len(before))
		for _, p := range before {
			at := p.Since
			p.Since = time.Time{}
			since[p] = at
		}
		same := len(rows) == len(before)
		var values [][]any
		for _, p := range rows {
			was, known := since[p]
			same = same && known
			if !known {
				was = asked
			}
			values = append(values, []any{p.Firewall, p.Kind, p.What, p.Address.String(), n.stamp(was)})
		}
		if same {
			return nil
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM protected WHERE firewall = $1`, firewall); err != nil {
			return err
		}
		if err := guardsChanged(ctx, tx); err != nil {
			return err
		}
		return n.forRows(ctx, tx, `INSERT INTO protected (firewall, kind, what, address, since) `, ``,
			[]string{"text", "text", "text", "cidr", "timestamptz"}, values, nil)
	})
}

// protectedRows gives the entries in the form in which they are stored, each once and without Since.
func protectedRows(firewall string, entries []Protected) ([]Protected, error) {
	seen := make(map[Protected]bool, len(entries))
	var rows []Protected
	for _, p := range entries {
		address, err := canonical(p.Address)
		if err != nil {
			return nil, err
		}
		row := Protected{Firewall: firewall, Kind: clean(p.Kind), What: clean(p.What), Address: address}
		if !seen[row] {
			seen[row] = true
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// NoteAwaited notes firewalls that were waited for and did not answer, unless they have answered before.
func (n *protected) NoteAwaited(ctx context.Context, firewalls []string) error {
	if len(firewalls) == 0 {
		return nil
	}
	return n.update(ctx, "note which firewalls were waited for", func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		for _, firewall := range firewalls {
			_, err := tx.ExecContext(ctx, `INSERT INTO protected_asked (firewall, asked_at) VALUES ($1, NULL) ON CONFLICT (firewall) DO NOTHING`, clean(firewall))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (n *protected) noteAsked(ctx context.Context, tx *sql.Tx, firewall string, asked any) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO protected_asked (firewall, asked_at) VALUES ($1, $2)
		ON CONFLICT (firewall) DO UPDATE SET asked_at = excluded.asked_at`, firewall, asked)
	return err
}

// Protected gives what all firewalls named, by firewall, kind and address, and when each last answered; the zero time of
// one that was waited for and never answered.
func (n *protected) Protected(ctx context.Context) (entries []Protected, asked map[string]time.Time, err error) {
	asked = map[string]time.Time{}
	err = n.view(ctx, "read what the firewalls name", func(ctx context.Context, tx *sql.Tx) error {
		err := forEach(ctx, tx, func(rows *sql.Rows) error {
			var firewall string
			var at time.Time
			err := rows.Scan(&firewall, intoTime{&at})
			asked[firewall] = at
			return err
		}, `SELECT firewall, asked_at FROM protected_asked`)
		if err != nil {
			return err
		}
		entries, err = n.protectedOf(ctx, tx, ``)
		return err
	})
	return entries, asked, err
}

func (n *protected) protectedOf(ctx context.Context, q querier, condition string, args ...any) (entries []Protected, err error) {
	err = forEach(ctx, q, func(rows *sql.Rows) error {
		var p Protected
		err := rows.Scan(&p.Firewall, &p.Kind, &p.What, intoPrefix{&p.Address}, intoTime{&p.Since})
		entries = append(entries, p)
		return err
	}, `SELECT firewall, kind, what, address, since FROM protected`+condition, args...)
	slices.SortFunc(entries, func(a, b Protected) int {
		return cmp.Or(cmp.Compare(a.Firewall, b.Firewall), cmp.Compare(a.Kind, b.Kind), comparePrefix(a.Address, b.Address), cmp.Compare(a.What, b.What))
	})
	return entries, err
}

// DropProtected removes what other firewalls than those given named: they were renamed, or are served no more. Where other
// agents work on the same PostgreSQL it removes nothing, for those may be theirs.
func (n *protected) DropProtected(ctx context.Context, except []string) (dropped int64, err error) {
	var w where
	for _, firewall := range except {
		w.add("firewall <> ?", clean(firewall))
	}
	if n.kind == kindPostgres { // an SQLite file is one agent's
		w.add("NOT EXISTS (SELECT 1 FROM agents WHERE id <> ? AND seq > 0)", n.self)
	}
	err = n.update(ctx, "drop what firewalls no longer served named", func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM protected`+w.String(), w.args...); err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, `DELETE FROM protected_asked`+w.String(), w.args...)
		if err != nil {
			return err
		}
		if dropped, err = result.RowsAffected(); err != nil || dropped == 0 {
			return err
		}
		return guardsChanged(ctx, tx)
	})
	return dropped, err
}
