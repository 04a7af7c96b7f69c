package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
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
	err = c.forRows(ctx, c.tx, `INSERT INTO blacklist (`+blockColumns+`) `,
		` ON CONFLICT (address) WHERE released_at IS NULL DO NOTHING RETURNING id, address`,
		blockTypes, rows, intoIDs(added))
	return added, err
}

// blockColumns are those of blockRow, blockTypes their types.
const blockColumns = `address, rule, reason, blocked_by, device, target, first_seen, last_seen, blocked_at, expires_at,
	hits, seen_count, grade, state, hold, version, quiet_for, escalation, tag, neighbourhood, country, port`

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

// saveDoubts notes what may be another time than entries and blocks have that were placed.
func (c *change) saveDoubts(ctx context.Context, dated []Dated, placed []*Block) error {
	if err := c.saveDated(ctx, dated); err != nil {
		return err
	}
	return c.saveBegun(ctx, placed)
}

// saveDated notes what lines say of when entries were last seen, until that time has come. The newest counts, unless those that come after it are a day earlier: then it was a wrong one.
func (c *change) saveDated(ctx context.Context, dated []Dated) error {
	latest := make(map[netip.Prefix]time.Time, len(dated))
	for _, d := range dated {
		p, err := canonical(d.Address)
		if err != nil {
			return err
		}
		if before := latest[p]; d.Seen.After(before) || before.Sub(d.Seen) > oneDay {
			latest[p] = d.Seen
		}
	}
	var rows [][]any
	for _, p := range slices.SortedFunc(maps.Keys(latest), comparePrefix) {
		rows = append(rows, []any{p.String(), c.stamp(latest[p])})
	}
	return c.forRows(ctx, c.tx, `INSERT INTO dated (address, seen) SELECT t.column1, t.column2 FROM (`,
		`) AS t WHERE EXISTS (SELECT 1 FROM blacklist WHERE address = t.column1 AND released_at IS NULL)
			ON CONFLICT (address) DO UPDATE SET seen = excluded.seen WHERE excluded.seen > dated.seen OR dated.seen > excluded.seen + `+c.day,
		[]string{"cidr", "timestamptz"}, rows, nil)
}

// saveBegun notes of blocks for a time that were placed when they may have begun by another clock, and of the others nothing more.
func (c *change) saveBegun(ctx context.Context, placed []*Block) error {
	var rows, certain [][]any
	for _, b := range placed {
		if b.OrBegun.IsZero() {
			certain = append(certain, []any{b.Address.String()})
		} else {
			rows = append(rows, []any{b.Address.String(), c.stamp(b.LastSeen), c.stamp(b.OrBegun), c.stamp(b.Begun)})
		}
	}
	var noted bool
	if err := c.tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM dated WHERE begun IS NOT NULL)`).Scan(&noted); err != nil {
		return err
	}
	if noted {
		err := c.forRows(ctx, c.tx, `UPDATE dated SET begun = NULL, begun_host = NULL WHERE begun IS NOT NULL AND address IN (`, `)`, []string{"cidr"}, certain, nil)
		if err != nil {
			return err
		}
	}
	return c.forRows(ctx, c.tx, `INSERT INTO dated (address, seen, begun, begun_host) SELECT t.column1, t.column2, t.column3, t.column4 FROM (`,
		`) AS t WHERE true ON CONFLICT (address) DO UPDATE SET begun = excluded.begun, begun_host = excluded.begun_host`,
		[]string{"cidr", "timestamptz", "timestamptz", "timestamptz"}, rows, nil)
}

// dueDated are the rows of dated of which the time has come, $1 being now.
const dueDated = `(begun <= $1 OR begun IS NULL AND seen <= $1)`

// redate has entries last seen when their lines said, and blocks for a time begun, where that time has come by now.
func (c *change) redate(ctx context.Context, now time.Time) (entries int64, err error) {
	done, err := c.tx.ExecContext(ctx, `UPDATE blacklist SET version = $2,
			expires_at = CASE WHEN blocked_by = '`+ByDetector+`' AND d.begun <= $1 THEN expires_at + (d.begun - d.begun_host) ELSE expires_at END,
			last_seen = CASE WHEN d.seen <= $1 AND d.seen > last_seen THEN d.seen ELSE last_seen END
			FROM (SELECT * FROM dated WHERE `+dueDated+`) AS d
			WHERE blacklist.address = d.address AND released_at IS NULL AND (d.begun IS NOT NULL OR d.seen > last_seen)`, c.stamp(now), c.version)
	if err != nil {
		return 0, err
	}
	if _, err := c.tx.ExecContext(ctx, `DELETE FROM dated WHERE seen <= $1 AND `+dueDated, c.stamp(now)); err != nil {
		return 0, err
	}
	if _, err := c.tx.ExecContext(ctx, `UPDATE dated SET begun = NULL, begun_host = NULL WHERE begun <= $1`, c.stamp(now)); err != nil {
		return 0, err
	}
	return done.RowsAffected()
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
	var audit, addresses [][]any
	err = forEach(ctx, c.tx, func(rows *sql.Rows) error {
		var e Entry
		if err := scanEntry(rows, &e); err != nil {
			return err
		}
		released = append(released, e)
		addresses = append(addresses, []any{e.Address.String()})
		audit = append(audit, c.auditRow(Audit{at, e.State.endedBy(by), e.Address, by, reason}))
		return nil
	}, query, w.args...)
	if err != nil {
		return nil, err
	}
	if err := c.forRows(ctx, c.tx, `DELETE FROM dated WHERE address IN (`, `)`, []string{"cidr"}, addresses, nil); err != nil {
		return nil, err
	}
	return released, c.saveAudit(ctx, audit)
}

// carryOut makes the changes that a batch asks for, and gives those of its blocks that were not there already, or stood lower.
func (c *change) carryOut(ctx context.Context, p *plan) (placed []*Block, err error) {
	touches := p.touches
	for _, round := range p.rounds {
		if round, err = c.lengthened(ctx, round); err != nil {
			return nil, err
		}
		if round, err = c.withoutPast(ctx, round); err != nil {
			return nil, err
		}
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

// OffenceAge is how long a block of a source counts against it, from its end on.
const OffenceAge = 365 * oneDay

// Escalation lengthens a block for each time that its source returned: it was on the blacklist, blocked by the detector, within
// the last year, and was released by itself, because its time was over or it was quiet. What it does while it is blocked is no
// return, and what a person has released counts no more, nor does what was before. The zero value lengthens nothing.
type Escalation struct {
	Factor int           // by which each return multiplies Length; below 2: none does
	Max    time.Duration // the longest that comes of it
	Length time.Duration // of a first block: from its beginning to ExpiresAt, or without activity where there is none
	Key    string        // where Max is set; empty: blacklist.escalate.max
}

// lengthened gives the length of a block after so many returns, and why it is that, in words; a block that is not longer has
// neither.
func (x Escalation) lengthened(returns int) (length time.Duration, why string) {
	if returns == 0 || x.Factor < 2 || x.Length <= 0 || x.Length >= x.Max {
		return 0, ""
	}
	why = ordinal(returns+1) + " block within a year: "
	times, length := 1, x.Length
	for range returns {
		if length > x.Max/time.Duration(x.Factor) {
			return x.Max, why + inDays(x.Max) + ", the longest (" + cmp.Or(x.Key, "blacklist.escalate.max") + ")"
		}
		times, length = times*x.Factor, length*time.Duration(x.Factor)
	}
	return length, why + strconv.Itoa(times) + " times the time"
}

// After is how long a block lasts after so many returns.
func (x Escalation) After(returns int) time.Duration {
	length, _ := x.lengthened(returns)
	return max(length, x.Length)
}

// ordinal writes which one it is of several, from the second on.
func ordinal(n int) string {
	words := [...]string{2: "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"}
	switch {
	case n < len(words):
		return words[n]
	case n%10 == 1 && n%100 != 11:
		return fmt.Sprintf("%dst", n)
	case n%10 == 2 && n%100 != 12:
		return fmt.Sprintf("%dnd", n)
	case n%10 == 3 && n%100 != 13:
		return fmt.Sprintf("%drd", n)
	}
	return fmt.Sprintf("%dth", n)
}

// escalates tells whether the length of a block depends on earlier ones. What is held or observed is not lengthened: nobody
// was blocked before a person says so. A neighbourhood ends with others.
func (b *Block) escalates() bool {
	return b.Escalation.Factor > 1 && b.By == ByDetector && b.State == Blocked && b.Rule != RuleNeighbourhood
}

// lengthened gives the blocks as they are, but those of sources that returned with their length.
func (c *change) lengthened(ctx context.Context, blocks []Block) ([]Block, error) {
	var rows [][]any
	for i := range blocks {
		if b := &blocks[i]; b.escalates() {
			rows = append(rows, []any{b.Address.String(), c.stamp(b.LastSeen.Add(-OffenceAge)), c.stamp(b.FirstSeen.Add(b.Behind))})
		}
	}
	// A block ended when its time was over, also if it was noticed later: evidence from before that is no return. The end is by the clock of who blocked.
	returns := make(map[netip.Prefix]int)
	err := c.forRows(ctx, c.tx, `SELECT t.column1, count(*) FROM (`,
		`) AS t JOIN blacklist AS b ON b.address = t.column1
			WHERE b.served = 1 AND b.state = 0 AND b.blocked_by = 'detector'
				AND coalesce(b.expires_at, b.released_at) > t.column2 AND coalesce(b.expires_at, b.released_at) <= t.column3
				AND NOT EXISTS (SELECT 1 FROM blacklist AS p WHERE p.address = t.column1 AND p.id > b.id
					AND p.released_at IS NOT NULL AND p.released_by NOT IN ('`+ByDetector+`', '`+ByLabelFile+`'))
			GROUP BY t.column1`,
		[]string{"cidr", "timestamptz", "timestamptz"}, rows, func(rows *sql.Rows) error {
			var p netip.Prefix
			var n int
			err := rows.Scan(intoPrefix{&p}, &n)
			returns[p] = n
			return err
		})
	if err != nil || len(returns) == 0 {
		return blocks, err
	}
	blocks = slices.Clone(blocks) // of a transaction that may be tried again
	for i := range blocks {
		b := &blocks[i]
		if !b.escalates() {
			continue
		}
		length, why := b.Escalation.lengthened(returns[b.Address])
		switch {
		case why == "":
		case b.ExpiresAt.IsZero():
			b.quietFor, b.escalation = length, why
		default:
			b.ExpiresAt, b.escalation = b.ExpiresAt.Add(length-b.Escalation.Length), why
		}
	}
	return blocks, nil
}

// past tells of a block that was found too late, and has its length, whether it is over.
func (b *Block) past() bool {
	return !b.Late.IsZero() && b.By == ByDetector && b.State == Blocked && !b.ExpiresAt.IsZero() && !b.ExpiresAt.After(b.Late)
}

// withoutPast notes those of some blocks that are over as what ended by itself, so that they count when their sources return, and gives the others. What falls into the
// time of another block of its source, from the evidence of that on, was part of it, and what a person has released since counts no more: of those nothing is noted. No release
// is theirs for Sightings: what their sources did since goes on counting.
func (c *change) withoutPast(ctx context.Context, blocks []Block) (others []Block, err error) {
	var past []Block
	var rows [][]any
	for i := range blocks {
		if b := &blocks[i]; b.past() {
			past = append(past, *b)
			rows = append(rows, []any{b.Address.String(), c.stamp(b.FirstSeen), c.stamp(b.LastSeen)})
		} else {
			others = append(others, *b)
		}
	}
	if len(past) == 0 {
		return blocks, nil
	}
	part := make(map[netip.Prefix]bool)
	err = c.forRows(ctx, c.tx, `SELECT DISTINCT t.column1 FROM (`,
		`) AS t JOIN blacklist AS b ON b.address = t.column1
			WHERE b.state = 0 AND b.first_seen <= t.column3
				AND (b.released_at IS NULL OR CASE WHEN b.served = 1 THEN coalesce(b.expires_at, b.released_at) ELSE b.released_at END > t.column2)
			OR b.released_at > t.column2 AND b.released_by NOT IN ('`+ByDetector+`', '`+ByLabelFile+`')`,
		[]string{"cidr", "timestamptz", "timestamptz"}, rows, func(rows *sql.Rows) error {
			var p netip.Prefix
			err := rows.Scan(intoPrefix{&p})
			part[p] = true
			return err
		})
	if err != nil {
		return nil, err
	}
	return others, c.insertPast(ctx, slices.DeleteFunc(past, func(b Block) bool { return part[b.Address] }))
}

// insertPast adds entries that are released.
func (c *change) insertPast(ctx context.Context, blocks []Block) error {
	const why = "the time to be blocked for was over when this was found; it counts as a block if the source returns"
	var rows, evidence, audit [][]any
	for i := range blocks {
		b := &blocks[i]
		b.BlockedAt = b.Late // by which Entry.Past knows it
		rows = append(rows, append(c.blockRow(b), c.stamp(b.Late), ByDetector, why, 1))
		audit = append(audit, c.auditRow(Audit{b.Late, "late", b.Address, b.By, b.Reason + "; " + why}))
	}
	ids := make(map[netip.Prefix]int64)
	err := c.forRows(ctx, c.tx, `INSERT INTO blacklist (`+blockColumns+`, released_at, released_by, release_reason, served) `, ` RETURNING id, address`,
		append(slices.Clone(blockTypes), "timestamptz", "text", "text", "smallint"), rows, intoIDs(ids))
	if err != nil {
		return err
	}
	for i := range blocks {
		evidence = append(evidence, c.evidenceRows(ids[blocks[i].Address], blocks[i].Evidence)...)
	}
	if err := c.saveEvidence(ctx, evidence); err != nil {
		return err
	}
	return c.saveAudit(ctx, audit)
}
