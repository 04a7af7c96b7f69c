package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
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

// Allowed is an entry of the allow-list, which persons keep beside the configuration's never_block.
type Allowed struct {
	Entry     string         // as people write it: an address, a network, or a name
	Addresses []netip.Prefix // that one, or those that the name resolved to last
	Reason    string
	By        string // who added it, or said last until when
	Since     time.Time
	Until     time.Time // zero: until somebody removes it
	Resolved  time.Time // of a name, when its addresses were found last; zero: it is none
	Due       time.Time // and when it is to be resolved again
	Trouble   string    // and what was wrong with the last answer; empty: nothing
}

// ErrNotAllowed means that something is not on the allow-list.
var ErrNotAllowed = errors.New("not on the allow-list")

// allowing is the allow-list and the pause: what persons say to all agents on one database. Each change is in the audit trail, and is
// noticed by Versions as a change of what is never blocked.
type allowing struct{ *database }

// Allow puts entries on the allow-list, or gives those that are on it a new reason and end, and releases in the same transaction, in the
// name of by, what is blocked, held or observed and overlaps them. Of each, Entry, Addresses, Reason, Until and, of a name, Due and Trouble count.
func (l *allowing) Allow(ctx context.Context, entries []Allowed, by string, at time.Time) (lifted []Entry, err error) {
	allowed := make(map[netip.Prefix]*Allowed)
	for i := range entries {
		for j, address := range entries[i].Addresses {
			if address, err = canonical(address); err != nil {
				return nil, err
			}
			entries[i].Addresses[j] = address
			allowed[address] = &entries[i]
		}
	}
	err = l.update(ctx, "allow", func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		if err := guardsChanged(ctx, tx); err != nil { // first: its row is a lock
			return err
		}
		for i := range entries {
			if err := l.allowOne(ctx, tx, &entries[i], clean(by), at); err != nil {
				return err
			}
		}
		var notices []Notice
		if lifted, notices, err = l.liftOverlapping(ctx, tx, allowed, by, at); err != nil {
			return err
		}
		return l.tell(ctx, tx, notices)
	})
	return lifted, err
}

func (l *allowing) allowOne(ctx context.Context, tx *sql.Tx, a *Allowed, by string, at time.Time) error {
	var id int64
	resolved := time.Time{}
	if !a.Due.IsZero() {
		resolved = at
	}
	if err := tx.QueryRowContext(ctx, `INSERT INTO allowed (entry, reason, added_by, since, ends_at, resolved_at, due_at, trouble) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (entry) WHERE ended_at IS NULL DO UPDATE SET reason = excluded.reason, added_by = excluded.added_by, ends_at = excluded.ends_at,
			resolved_at = excluded.resolved_at, due_at = excluded.due_at, trouble = excluded.trouble RETURNING id`,
		clean(a.Entry), clean(a.Reason), by, l.stamp(at), l.stampOrNull(a.Until), l.stampOrNull(resolved), l.stampOrNull(a.Due), clean(a.Trouble)).Scan(&id); err != nil {
		return err
	}
	if err := l.saveAllowed(ctx, tx, id, a.Addresses, at); err != nil {
		return err
	}
	why := a.Reason
	if !a.Until.IsZero() {
		why += " (until " + a.Until.UTC().Format(time.RFC3339) + ")"
	}
	return l.audit(ctx, tx, "allow", a.Entry, by, why, at)
}

// saveAllowed makes these the addresses of an entry. Those that are no more end.
func (l *allowing) saveAllowed(ctx context.Context, tx *sql.Tx, id int64, addresses []netip.Prefix, at time.Time) error {
	var has []netip.Prefix
	err := forEach(ctx, tx, func(rows *sql.Rows) error {
		var p netip.Prefix
		err := rows.Scan(intoPrefix{&p})
		has = append(has, p)
		return err
	}, `SELECT address FROM allowed_addresses WHERE allowed = $1 AND ended_at IS NULL`, id)
	if err != nil {
		return err
	}
	for _, p := range has {
		if slices.Contains(addresses, p) {
			continue
		}
		if err := l.endAddresses(ctx, tx, at, `allowed = $2 AND address = $3`, id, p.String()); err != nil {
			return err
		}
	}
	for _, p := range addresses {
		if slices.Contains(has, p) {
			continue
		}
		has = append(has, p)
		if _, err := tx.ExecContext(ctx, `INSERT INTO allowed_addresses (allowed, address) VALUES ($1, $2)`, id, p.String()); err != nil {
			return err
		}
	}
	return nil
}

// endAddresses ends addresses: what they did until now is no evidence.
func (l *allowing) endAddresses(ctx context.Context, tx *sql.Tx, at time.Time, condition string, args ...any) error {
	_, err := tx.ExecContext(ctx, `UPDATE allowed_addresses SET ended_at = $1, end_record = `+l.lastRecord+` WHERE ended_at IS NULL AND `+condition,
		append([]any{l.stamp(at)}, args...)...)
	return err
}

// liftOverlapping releases what is in force and overlaps one of these, for its reason, and gives what there is to tell of it.
func (l *allowing) liftOverlapping(ctx context.Context, tx *sql.Tx, allowed map[netip.Prefix]*Allowed, by string, at time.Time) (lifted []Entry, notices []Notice, err error) {
	bits := make(map[int]bool) // the lengths that occur
	for p := range allowed {
		bits[p.Bits()] = true
	}
	lifts := make(map[netip.Prefix]*Allowed)
	err = forEach(ctx, tx, func(rows *sql.Rows) error {
		var p netip.Prefix
		if err := rows.Scan(intoPrefix{&p}); err != nil {
			return err
		}
		for n := range bits {
			if network, err := p.Addr().Prefix(n); err == nil && allowed[network] != nil {
				lifts[p] = allowed[network]
			}
		}
		if p.IsSingleIP() {
			return nil
		}
		for inside, why := range allowed { // a network that is blocked, of which there are few
			if p.Overlaps(inside) {
				lifts[p] = why
			}
		}
		return nil
	}, `SELECT address FROM blacklist WHERE released_at IS NULL`)
	if err != nil || len(lifts) == 0 {
		return nil, nil, err
	}
	c, err := newChange(ctx, &l.dialect, tx)
	if err != nil {
		return nil, nil, err
	}
	for _, p := range slices.SortedFunc(maps.Keys(lifts), comparePrefix) {
		var w where
		w.add("address = ?", p.String())
		one, err := c.release(ctx, ending{by: by, reason: strings.TrimSuffix("allowed: "+lifts[p].Reason, ": "), at: at}, w)
		if err != nil {
			return nil, nil, err
		}
		lifted = append(lifted, one...)
		for _, n := range releasedNotices(one, by, at) {
			n.Allowed = clean(lifts[p].Entry)
			notices = append(notices, n)
		}
	}
	return lifted, notices, nil
}

// everything is what stands in the audit trail for the address of what has none.
const everything = "0.0.0.0/0"

// audit notes what somebody did to something that may be no address.
func (l *allowing) audit(ctx context.Context, tx *sql.Tx, action, subject, by, reason string, at time.Time) error {
	address := everything
	if p, err := netip.ParsePrefix(subject); err == nil {
		address, subject = p.String(), ""
	} else if a, err := netip.ParseAddr(subject); err == nil {
		address, subject = netip.PrefixFrom(a, a.BitLen()).String(), ""
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO audit (time, action, address, done_by, reason, subject) VALUES ($1, $2, $3, $4, $5, $6)`,
		l.stamp(at), action, address, clean(by), clean(reason), clean(subject))
	return err
}

// Disallow takes an entry off the allow-list, written as it is there. What its addresses did until now is no evidence. If it is not there, the
// error wraps ErrNotAllowed.
func (l *allowing) Disallow(ctx context.Context, entry, by, reason string, at time.Time) (Allowed, error) {
	ended, err := l.disallow(ctx, by, reason, at, `entry = $1`, clean(entry))
	if err == nil && len(ended) == 0 {
		err = fmt.Errorf("%s: %w", entry, ErrNotAllowed)
	}
	if err != nil {
		return Allowed{}, err
	}
	return ended[0], nil
}

// EndAllowed takes off the allow-list, in the name of the detector, what was allowed until now or earlier. With nothing to end it only reads.
func (l *allowing) EndAllowed(ctx context.Context, now time.Time) ([]Allowed, error) {
	return l.disallow(ctx, ByDetector, "the time it was allowed for is over", now, `ends_at <= $1`, l.stamp(now))
}

func (l *allowing) disallow(ctx context.Context, by, reason string, at time.Time, condition string, arg any) (ended []Allowed, err error) {
	var found bool
	err = l.view(ctx, "look at the allow-list", func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM allowed WHERE ended_at IS NULL AND `+condition+`)`, arg).Scan(&found)
	})
	if err != nil || !found {
		return nil, err
	}
	err = l.update(ctx, "take off the allow-list", func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		if err := guardsChanged(ctx, tx); err != nil { // first: its row is a lock
			return err
		}
		ids, err := l.allowedWhere(ctx, tx, &ended, condition, arg)
		if err != nil {
			return err
		}
		for i, id := range ids {
			if _, err := tx.ExecContext(ctx, `UPDATE allowed SET ended_at = $1 WHERE id = $2`, l.stamp(at), id); err != nil {
				return err
			}
			if err := l.endAddresses(ctx, tx, at, `allowed = $2`, id); err != nil {
				return err
			}
			if err := l.audit(ctx, tx, "disallow", ended[i].Entry, by, reason, at); err != nil {
				return err
			}
		}
		return nil
	})
	return ended, err
}

// Allowed gives what is on the allow-list and ends after now, in order of the entries.
func (l *allowing) Allowed(ctx context.Context, now time.Time) (list []Allowed, err error) {
	return l.allowed(ctx, "read the allow-list", `(ends_at IS NULL OR ends_at > $1)`, l.stamp(now))
}

// Due gives the names on the allow-list that are to be resolved again by now.
func (l *allowing) Due(ctx context.Context, now time.Time) (list []Allowed, err error) {
	return l.allowed(ctx, "read which names are due", `due_at <= $1`, l.stamp(now))
}

func (l *allowing) allowed(ctx context.Context, doing, condition string, arg any) (list []Allowed, err error) {
	err = l.view(ctx, doing, func(ctx context.Context, tx *sql.Tx) error {
		_, err := l.allowedWhere(ctx, tx, &list, condition, arg)
		return err
	})
	slices.SortFunc(list, byEntry)
	return list, err
}

// byEntry is the order of the allow-list: databases differ in how they order texts.
func byEntry(a, b Allowed) int { return cmp.Compare(a.Entry, b.Entry) }

// An AllowList is the allow-list as it was read last, for who follows it. The zero value was not read yet.
type AllowList struct {
	of      *database
	entries []Allowed
	seen    int64 // the last entry of the audit trail that changed it
}

// mostFollowed is how many changes of the allow-list are followed one by one; of more all of it is read.
const mostFollowed = 5000

// Follow brings list up to date and gives all of it, as Allowed does, but for what is over and not yet ended. Only what changed is read: what the
// audit trail names, and names, which come to have other addresses without an entry there. What is given is not to be changed.
func (l *allowing) Follow(ctx context.Context, list *AllowList) (all []Allowed, err error) {
	now := AllowList{of: l.database}
	err = l.view(ctx, "follow the allow-list", func(ctx context.Context, tx *sql.Tx) error {
		now.entries, now.seen = nil, list.seen
		var changed []string
		if list.of == l.database {
			if changed, now.seen, err = l.changedSince(ctx, tx, list.seen); err != nil {
				return err
			}
		}
		if list.of != l.database || len(changed) > mostFollowed {
			if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(id), 0) FROM audit WHERE action IN ('allow', 'disallow')`).Scan(&now.seen); err != nil {
				return err
			}
			_, err := l.allowedWhere(ctx, tx, &now.entries, `1 = 1`)
			return err
		}
		_, err := l.allowedWhere(ctx, tx, &now.entries, `resolved_at IS NOT NULL`)
		for part := range slices.Chunk(changed, maxArgs) {
			if err != nil {
				return err
			}
			var w where
			marks := make([]string, len(part))
			for i, entry := range part {
				marks[i] = w.arg(entry)
			}
			var fresh []Allowed
			_, err = l.allowedWhere(ctx, tx, &fresh, `resolved_at IS NULL AND entry IN (`+strings.Join(marks, ",")+`)`, w.args...)
			now.entries = append(now.entries, fresh...)
		}
		for i := range list.entries {
			if e := &list.entries[i]; e.Resolved.IsZero() && !isIn(changed, e.Entry) {
				now.entries = append(now.entries, *e)
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(now.entries, byEntry)
	*list = now
	return now.entries, nil
}

// isIn tells whether a text is among sorted ones.
func isIn(sorted []string, text string) bool {
	_, in := slices.BinarySearch(sorted, text)
	return in
}

// changedSince gives, in order, what was allowed and disallowed since an entry of the audit trail, and which is the last one of that.
func (l *allowing) changedSince(ctx context.Context, tx *sql.Tx, seen int64) (entries []string, last int64, err error) {
	last = seen
	err = forEach(ctx, tx, func(rows *sql.Rows) error {
		var address netip.Prefix
		var entry string
		err := rows.Scan(&last, intoPrefix{&address}, &entry)
		if entry == "" {
			entry = addressText(address)
		}
		entries = append(entries, entry)
		return err
	}, `SELECT id, address, subject FROM audit WHERE id > $1 AND action IN ('allow', 'disallow') ORDER BY id`, seen)
	slices.Sort(entries)
	return slices.Compact(entries), last, err
}

// allowedWhere reads entries in force, with their addresses, and gives their ids.
func (l *allowing) allowedWhere(ctx context.Context, tx *sql.Tx, list *[]Allowed, condition string, args ...any) (ids []int64, err error) {
	*list = nil
	place := make(map[int64]int)
	err = forEach(ctx, tx, func(rows *sql.Rows) error {
		var id int64
		var a Allowed
		err := rows.Scan(&id, &a.Entry, &a.Reason, &a.By, intoTime{&a.Since}, intoTime{&a.Until}, intoTime{&a.Resolved}, intoTime{&a.Due}, &a.Trouble)
		place[id] = len(*list)
		ids, *list = append(ids, id), append(*list, a)
		return err
	}, `SELECT id, entry, reason, added_by, since, ends_at, resolved_at, due_at, trouble FROM allowed WHERE ended_at IS NULL AND `+condition+` ORDER BY id`, args...)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	return ids, forEach(ctx, tx, func(rows *sql.Rows) error {
		var id int64
		var p netip.Prefix
		if err := rows.Scan(&id, intoPrefix{&p}); err != nil {
			return err
		}
		if at, in := place[id]; in {
			(*list)[at].Addresses = append((*list)[at].Addresses, p)
		}
		return nil
	}, `SELECT allowed, address FROM allowed_addresses WHERE ended_at IS NULL AND allowed IN (SELECT id FROM allowed WHERE ended_at IS NULL AND `+condition+`) ORDER BY address`, args...)
}

// Disallowed gives the addresses and networks that ceased to be allowed at that time or later.
func (l *allowing) Disallowed(ctx context.Context, since time.Time) (list []netip.Prefix, err error) {
	err = l.view(ctx, "read what is no longer allowed", func(ctx context.Context, tx *sql.Tx) error {
		return forEach(ctx, tx, func(rows *sql.Rows) error {
			var p netip.Prefix
			err := rows.Scan(intoPrefix{&p})
			list = append(list, p)
			return err
		}, `SELECT address FROM allowed_addresses WHERE ended_at >= $1`, l.stamp(since))
	})
	return list, err
}

// Resolved notes what a name on the allow-list resolved to, and when it is to be resolved again. Addresses that it has no more end; none
// at all: the answer was of no use, and it keeps those that it has. One that is not on the list any more it passes over.
func (l *allowing) Resolved(ctx context.Context, entry string, addresses []netip.Prefix, trouble string, at, due time.Time) error {
	return l.update(ctx, "note what "+entry+" resolves to", func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE counters SET value = value WHERE name = 'guards'`); err != nil { // first: its row is a lock
			return err
		}
		var was []Allowed
		ids, err := l.allowedWhere(ctx, tx, &was, `entry = $1`, clean(entry))
		if err != nil || len(ids) == 0 {
			return err
		}
		resolved := at
		if len(addresses) == 0 {
			resolved, addresses = was[0].Resolved, was[0].Addresses
		}
		if _, err := tx.ExecContext(ctx, `UPDATE allowed SET resolved_at = $1, due_at = $2, trouble = $3 WHERE id = $4`, l.stamp(resolved), l.stamp(due), clean(trouble), ids[0]); err != nil {
			return err
		}
		slices.SortFunc(addresses, comparePrefix)
		if slices.SortFunc(was[0].Addresses, comparePrefix); slices.Equal(addresses, was[0].Addresses) {
			return nil // and nobody has to look at it
		}
		if err := guardsChanged(ctx, tx); err != nil {
			return err
		}
		return l.saveAllowed(ctx, tx, ids[0], addresses, at)
	})
}

// A Pause says that nothing is enforced for a time, whatever is blocked.
type Pause struct {
	Since, Until time.Time
	By, Reason   string
}

// subjectAll is what a pause is about, in the audit trail.
const subjectAll = "everything"

// Pause begins a pause, or gives the one that there is another end; Since counts where there is none.
func (l *allowing) Pause(ctx context.Context, p Pause, at time.Time) error {
	return l.update(ctx, "pause", func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		if err := guardsChanged(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO paused (only_one, since, ends_at, paused_by, reason) VALUES (1, $1, $2, $3, $4)
			ON CONFLICT (only_one) DO UPDATE SET ends_at = excluded.ends_at, paused_by = excluded.paused_by, reason = excluded.reason`,
			l.stamp(p.Since), l.stamp(p.Until), clean(p.By), clean(p.Reason)); err != nil {
			return err
		}
		return l.audit(ctx, tx, "pause", subjectAll, p.By, fmt.Sprintf("until %s: %s", p.Until.UTC().Format(time.RFC3339), p.Reason), at)
	})
}

// Unpause ends the pause, and gives it; nil: there is none.
func (l *allowing) Unpause(ctx context.Context, by, reason string, at time.Time) (*Pause, error) {
	return l.resume(ctx, by, reason, at, maxTime)
}

// EndPause ends, in the name of the detector, a pause whose time is over, and gives it; nil: there is none. With nothing to end it only reads.
func (l *allowing) EndPause(ctx context.Context, now time.Time) (*Pause, error) {
	return l.resume(ctx, ByDetector, "the time of the pause is over", now, now)
}

// maxTime is later than any pause ends.
var maxTime = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

func (l *allowing) resume(ctx context.Context, by, reason string, at, latest time.Time) (was *Pause, err error) {
	if was, err = l.Paused(ctx); err != nil || was == nil || was.Until.After(latest) {
		return nil, err
	}
	err = l.update(ctx, "resume", func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		if err := guardsChanged(ctx, tx); err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, `DELETE FROM paused WHERE ends_at <= $1`, l.stamp(latest))
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			was = nil // somebody else was faster, or has prolonged it
			return cmp.Or(err, errNothingDone)
		}
		if err := l.tellPause(ctx, tx, was, at); err != nil {
			return err
		}
		return l.audit(ctx, tx, "resume", subjectAll, by, reason, at)
	})
	if errors.Is(err, errNothingDone) {
		err = nil
	}
	return was, err
}

// tellPause writes the notices of a pause that ends and that nobody has told to have begun: it was over before anyone looked.
func (l *allowing) tellPause(ctx context.Context, tx *sql.Tx, p *Pause, at time.Time) error {
	var told int
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM notice_troubles WHERE key = 'paused|'`).Scan(&told); err != nil || told > 0 {
		return err
	}
	what := fmt.Sprintf("paused: nothing was enforced, on firewalls and list, for %s (%s: %s)", at.Sub(p.Since).Round(time.Millisecond), p.By, p.Reason)
	return l.tell(ctx, tx, []Notice{{Event: "paused", Time: at, Since: p.Since, Subject: what}, {Event: "resumed", Time: at, Since: p.Since, Over: true, Subject: "over: " + what}})
}

// Paused gives the pause, also one whose time is over and that nobody has ended; nil: there is none.
func (l *allowing) Paused(ctx context.Context) (p *Pause, err error) {
	err = l.view(ctx, "look whether enforcement is paused", func(ctx context.Context, tx *sql.Tx) error {
		p = nil
		return forEach(ctx, tx, func(rows *sql.Rows) error {
			p = &Pause{}
			return rows.Scan(intoTime{&p.Since}, intoTime{&p.Until}, &p.By, &p.Reason)
		}, `SELECT since, ends_at, paused_by, reason FROM paused`)
	})
	return p, err
}
