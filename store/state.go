package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// State is that of an entry of the blacklist, as long as it is not released. The numbers are those of the database; a lower
// one stands above a higher one.
type State uint8

// Blocked is the zero value: the entry is to be enforced. One that is held waits for a person; one that is observed is
// only told.
const (
	Blocked State = iota
	Held
	Observed
)

// String gives "blocked", "held" or "observed".
func (s State) String() string { return word(s, "blocked", "held", "observed") }

// above tells whether a verdict of state s raises an entry of state t.
func (s State) above(t State) bool { return s < t }

// action is what the audit trail says of an entry that comes into this state.
func (s State) action() string { return word(s, "block", "hold", "observe") }

// endedBy is what it says of one that leaves the blacklist: a person who ends what is not blocked dismisses it.
func (s State) endedBy(by string) string {
	if s != Blocked && ByPerson(by) {
		return "dismiss"
	}
	return "release"
}

// place puts blocks on the blacklist where there is no entry, or one that they raise, with evidence, members and audit
// trail, and tells of which addresses. The addresses must be different ones.
func (c *change) place(ctx context.Context, blocks []Block) (done map[netip.Prefix]bool, err error) {
	ids, err := c.insert(ctx, blocks)
	if err != nil {
		return nil, err
	}
	raised, err := c.raise(ctx, slices.DeleteFunc(slices.Clone(blocks), func(b Block) bool { return ids[b.Address] != 0 }))
	if err != nil {
		return nil, err
	}
	done = make(map[netip.Prefix]bool, len(ids)+len(raised))
	var evidence, audit [][]any
	var touches []Touch
	for i := range blocks {
		b := &blocks[i]
		id := max(ids[b.Address], raised[b.Address])
		if id == 0 {
			continue
		}
		done[b.Address] = true
		evidence = append(evidence, c.evidenceRows(id, b.Evidence)...)
		if !c.noted[b.Address] {
			audit = append(audit, c.auditRow(Audit{b.BlockedAt, b.State.action(), b.Address, b.By, b.Reason}))
		}
		touches = append(touches, b.memberTouches()...)
	}
	if err := c.saveEvidence(ctx, evidence); err != nil {
		return nil, err
	}
	if err := c.touchMembers(ctx, touches); err != nil {
		return nil, err
	}
	return done, c.saveAudit(ctx, audit)
}

// raise gives entries in force that stand below what a block says. Their old evidence goes; what made them is in the audit
// trail. When they were first seen stays, and hits add up.
func (c *change) raise(ctx context.Context, blocks []Block) (raised map[netip.Prefix]int64, err error) {
	var rows, gone [][]any
	for i := range blocks {
		if blocks[i].State.above(Observed) {
			rows = append(rows, c.blockRow(&blocks[i]))
		}
	}
	raised = make(map[netip.Prefix]int64)
	err = c.forRows(ctx, c.tx, `UPDATE blacklist SET rule = t.column2, reason = t.column3, blocked_by = t.column4, device = t.column5, target = t.column6,
			first_seen = CASE WHEN t.column7 < first_seen THEN t.column7 ELSE first_seen END,
			last_seen = CASE WHEN t.column8 > last_seen THEN t.column8 ELSE last_seen END,
			blocked_at = t.column9, expires_at = t.column10, hits = hits + t.column11, seen_count = t.column12, grade = t.column13,
			state = t.column14, hold = CASE WHEN t.column15 = '' THEN hold ELSE t.column15 END, version = t.column16, quiet_for = t.column17, escalation = t.column18,
			tag = t.column19, neighbourhood = t.column20, country = t.column21, port = t.column22 FROM (`,
		`) AS t WHERE address = t.column1 AND released_at IS NULL AND state > t.column14 RETURNING id, address`,
		blockTypes, rows, intoIDs(raised))
	if err != nil {
		return nil, err
	}
	for _, id := range raised {
		gone = append(gone, []any{id})
	}
	return raised, c.forRows(ctx, c.tx, `DELETE FROM evidence WHERE entry IN (`, `)`, []string{"bigint"}, gone, nil)
}

// Accept has what is held enforced, of these addresses, written as the entries are. It gives those that it accepted, by ID;
// what is not held it passes over.
func (l *blacklist) Accept(ctx context.Context, addresses []netip.Prefix, by string, at time.Time) ([]Entry, error) {
	only, err := canonicalAll(addresses)
	if err != nil {
		return nil, fmt.Errorf("accept: %w", err)
	}
	var conditions []where
	for part := range slices.Chunk(only, maxArgs/2) {
		var w where
		w.addAddresses(part)
		conditions = append(conditions, w)
	}
	return l.accept(ctx, conditions, by, at)
}

// AcceptAll is Accept for all that is held.
func (l *blacklist) AcceptAll(ctx context.Context, by string, at time.Time) ([]Entry, error) {
	return l.accept(ctx, []where{{}}, by, at)
}

func (l *blacklist) accept(ctx context.Context, conditions []where, by string, at time.Time) (accepted []Entry, err error) {
	by = clean(by)
	err = l.update(ctx, "accept what is held", func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		accepted = nil
		c, err := newChange(ctx, &l.dialect, tx)
		if err != nil {
			return err
		}
		var audit [][]any
		var notices []Notice
		for _, w := range conditions {
			w = w.clone()
			w.add("released_at IS NULL AND state = 1")
			query := `UPDATE blacklist SET state = 0, blocked_at = ` + w.arg(c.stamp(at)) + `, version = ` + w.arg(c.version) + w.String() + ` RETURNING ` + entryColumns
			if err := eachEntry(ctx, tx, func(e *Entry) error {
				e.AcceptedBy = by // which the audit trail says from now on
				accepted = append(accepted, *e)
				audit = append(audit, c.auditRow(Audit{at, "accept", e.Address, by, "it was held: " + e.Hold}))
				notices = append(notices, noticeOf(EventBlock, by, at, e))
				return nil
			}, query, w.args...); err != nil {
				return err
			}
		}
		if len(accepted) == 0 {
			return errNothingDone // and the version stays
		}
		if err := c.saveAudit(ctx, audit); err != nil {
			return err
		}
		return l.tell(ctx, tx, notices)
	})
	if errors.Is(err, errNothingDone) {
		return nil, nil
	}
	slices.SortFunc(accepted, func(a, b Entry) int { return cmp.Compare(a.ID, b.ID) })
	return accepted, err
}

// errNothingDone ends a transaction that would have changed nothing.
var errNothingDone = errors.New("nothing to do")

// Acceptance says that a person had what was held enforced.
type Acceptance struct {
	Address netip.Prefix
	At      time.Time
}

// AcceptedSince gives the addresses and networks that a person accepted at that time or later, the last time of each, and that
// no person has released since.
func (l *blacklist) AcceptedSince(ctx context.Context, since time.Time) (list []Acceptance, err error) {
	err = l.view(ctx, "read what was accepted", func(ctx context.Context, tx *sql.Tx) error {
		return forEach(ctx, tx, func(rows *sql.Rows) error {
			var a Acceptance
			err := rows.Scan(intoPrefix{&a.Address}, intoTime{&a.At})
			list = append(list, a)
			return err
		}, `SELECT address, max(time) FROM audit AS a WHERE action = 'accept' AND time >= $1 AND NOT EXISTS (
			SELECT 1 FROM audit AS b WHERE b.address = a.address AND b.id > a.id AND b.action IN ('release', 'dismiss') AND b.done_by NOT IN ('detector', 'label-file'))
			GROUP BY address`, l.stamp(clamp(since)))
	})
	slices.SortFunc(list, func(a, b Acceptance) int { return comparePrefix(a.Address, b.Address) })
	return list, err
}

// ForgeableTimes gives when the evidence was complete of the newest forgeable blocks, released or not, which the detector made
// and nobody had to decide about: at most so many, the earliest first. What never was in force is none of them, and pushes none out.
func (l *blacklist) ForgeableTimes(ctx context.Context, most int) (times []time.Time, err error) {
	err = l.view(ctx, "read the newest forgeable blocks", func(ctx context.Context, tx *sql.Tx) error {
		return forEach(ctx, tx, func(rows *sql.Rows) error {
			var at time.Time
			err := rows.Scan(intoTime{&at})
			times = append(times, at)
			return err
		}, `SELECT (SELECT max(time) FROM evidence WHERE entry = b.id) FROM blacklist AS b
			WHERE blocked_by = 'detector' AND grade = 1 AND state = 0 AND hold = '' AND EXISTS (SELECT 1 FROM evidence WHERE entry = b.id) AND`+wasInForce("b")+`
			ORDER BY id DESC LIMIT $1`, int64(most))
	})
	slices.SortFunc(times, time.Time.Compare)
	return times, err
}

// mostMembers is how many addresses of a network are kept.
const mostMembers = 16

// membersOf gives addresses in the form in which they are stored. Those outside of the network are passed over, as no batch
// may fail over them, and a single address has none.
func membersOf(p netip.Prefix, addresses []netip.Addr) (members []netip.Addr) {
	if p.IsSingleIP() {
		return nil
	}
	for _, a := range addresses[:min(len(addresses), mostMembers)] {
		if a = canonicalAddr(a); p.Contains(a) {
			members = append(members, a)
		}
	}
	return members
}

// memberTouches has the members of a block noted, the first as the newest.
func (b *Block) memberTouches() (touches []Touch) {
	for i, m := range b.Members {
		touches = append(touches, Touch{Address: b.Address, LastSeen: b.LastSeen.Add(-time.Duration(i) * time.Microsecond), Member: m})
	}
	return touches
}

// touchMembers notes which addresses of networks were seen when, and keeps the newest of each.
func (c *change) touchMembers(ctx context.Context, touches []Touch) error {
	type member struct {
		entry   netip.Prefix
		address netip.Addr
	}
	latest, named := make(map[member]time.Time), make(map[netip.Prefix]bool)
	for _, t := range touches {
		if k := (member{t.Address, t.Member}); t.Member.IsValid() && !t.LastSeen.Before(latest[k]) {
			latest[k] = t.LastSeen
		}
	}
	var rows, entries [][]any
	for m, seen := range latest {
		rows = append(rows, []any{m.entry.String(), netip.PrefixFrom(m.address, m.address.BitLen()).String(), c.stamp(seen)})
		if !named[m.entry] {
			named[m.entry] = true
			entries = append(entries, []any{m.entry.String()})
		}
	}
	err := c.forRows(ctx, c.tx, `INSERT INTO members (entry, address, seen) SELECT b.id, t.column2, t.column3 FROM (`,
		`) AS t JOIN blacklist AS b ON b.address = t.column1 AND b.released_at IS NULL WHERE true
			ON CONFLICT (entry, address) DO UPDATE SET seen = CASE WHEN excluded.seen > members.seen THEN excluded.seen ELSE members.seen END`,
		[]string{"cidr", "cidr", "timestamptz"}, rows, nil)
	if err != nil {
		return err
	}
	return c.forRows(ctx, c.tx, `DELETE FROM members WHERE (entry, address) IN (SELECT entry, address FROM (
			SELECT m.entry, m.address, row_number() OVER (PARTITION BY m.entry ORDER BY m.seen DESC, m.address) AS place
			FROM members AS m JOIN blacklist AS b ON b.id = m.entry AND b.released_at IS NULL WHERE b.address IN (`,
		`)) AS ranked WHERE place > 16)`, []string{"cidr"}, entries, nil)
}

// MembersOf gives the addresses of an entry's network that were seen to attack, the newest first and at most 16.
func (l *blacklist) MembersOf(ctx context.Context, entryID int64) (list []netip.Addr, err error) {
	err = l.view(ctx, "read the members of a network", func(ctx context.Context, tx *sql.Tx) error {
		members, err := membersWhere(ctx, tx, `entry = $1`, entryID)
		list = members[entryID]
		return err
	})
	return list, err
}

// membersWhere gives members by entry, the newest first.
func membersWhere(ctx context.Context, q querier, condition string, args ...any) (map[int64][]netip.Addr, error) {
	members := make(map[int64][]netip.Addr)
	err := forEach(ctx, q, func(rows *sql.Rows) error {
		var id int64
		var p netip.Prefix
		err := rows.Scan(&id, intoPrefix{&p})
		members[id] = append(members[id], p.Addr())
		return err
	}, `SELECT entry, address FROM members WHERE `+condition+` ORDER BY entry, seen DESC, address`, args...)
	return members, err
}

// word gives that of a small number; "" for one that a later version may have written.
func word[T ~uint8](n T, words ...string) string {
	if int(n) < len(words) {
		return words[n]
	}
	return ""
}
