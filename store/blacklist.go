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
	"strconv"
	"strings"
	"time"
)

// By whom entries are made and released; anything else is the name of a person.
const (
	ByDetector  = "detector"
	ByLabelFile = "label-file" // a list of addresses says that they are to be blocked
	ByOperator  = "operator"
)

// ByPerson tells whether it was a person who made or released an entry.
func ByPerson(by string) bool { return by != ByDetector && by != ByLabelFile }

// RuleNeighbourhood is the rule of a network that is blocked for the sources in it. It is released with the last of them, and
// not for being quiet.
const RuleNeighbourhood = "neighbourhood"

// Block is a source, or a network, to be put on the blacklist.
type Block struct {
	Address             netip.Prefix
	Rule, Reason        string
	By                  string
	Device, Target      string
	FirstSeen, LastSeen time.Time     // zero: BlockedAt
	BlockedAt           time.Time     // zero: now
	ExpiresAt           time.Time     // zero: none, then release is by inactivity
	Begun, OrBegun      time.Time     // since when ExpiresAt is counted, and another time that may be right instead, see Store.Redate; OrBegun zero: none
	Late                time.Time     // of one by the detector that was found too late: if it is over by then, it is kept as released; see Entry.Past. Zero: it is in force
	Behind              time.Duration // how far the log's times were behind the clock by which ExpiresAt is; what came before the end of another block is told by that. Zero: not at all
	Hits                int64
	Count               int
	Grade               Grade
	State               State
	Hold                string       // why a person has to decide; set where State is Held
	Members             []netip.Addr // of a network, those that were seen to attack, the newest first; the first 16 are kept
	Evidence            []Evidence   // oldest first
	Country             string       // of its source, as the log has it; empty: not known
	Port                int          // of ours, that all of its evidence is about: see Entry
	Tag                 string       // of its rule, on the firewalls beside the one of all; empty: none
	Escalation          Escalation   // how much longer the block lasts for each time that its source returned

	quietFor   time.Duration // as lengthened; 0: as the configuration says
	escalation string        // why it lasts longer
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
	ExpiresAt                 time.Time     // zero: release is by inactivity
	Tag                       string        // of its rule, on the firewalls beside the one of all; empty: none
	Country                   string        // of its source; empty: not known
	Port                      int           // of ours, that all of its evidence is about; SeveralPorts, or 0: none, or not known
	QuietFor                  time.Duration // longer than that of others, since its source returned; 0: as the configuration says
	Escalation                string        // why it lasts longer than others, such as "third block within a year: 4 times the time"
	Hits                      int64
	Count                     int
	Grade                     Grade     // GradeUnknown also for what a person or an earlier version blocked
	State                     State     // what it was, of one that is released
	Hold                      string    // why a person had to decide, also when that is done; empty: nobody had to
	AcceptedBy                string    // who decided that it is blocked; empty: nobody did
	ReleasedAt                time.Time // zero: in force
	ReleasedBy, ReleaseReason string
	Version                   int64 // of the blacklist when the entry changed last
	// Members are, of a network, the addresses that were seen to attack, the newest first and at most 16. Changes and
	// MembersOf give them.
	Members []netip.Addr
}

// ReleaseAt is when the entry ends if no activity follows: ExpiresAt if set, else releaseAfter, or QuietFor if that is
// longer, past LastSeen, and the zero time if releaseAfter is not positive, or the entry ends with others
// (RuleNeighbourhood), or when no label file lists it any more (ByLabelFile).
func (e *Entry) ReleaseAt(releaseAfter time.Duration) time.Time {
	if !e.ExpiresAt.IsZero() {
		return e.ExpiresAt
	}
	if releaseAfter <= 0 || e.Rule == RuleNeighbourhood || e.By == ByLabelFile {
		return time.Time{}
	}
	return e.LastSeen.Add(max(releaseAfter, e.QuietFor))
}

// Past tells whether an entry never was in force: its time was over when it was found (Block.Late), and it is kept because it counts when its source
// returns. Another entry of its address may be in force.
func (e *Entry) Past() bool {
	return e.By == ByDetector && e.ReleasedBy == ByDetector && e.ReleasedAt.Equal(e.BlockedAt) && !e.ExpiresAt.IsZero() && !e.ExpiresAt.After(e.BlockedAt)
}

// wasInForce is the condition that leaves out, of a table, the entries that never were; see Entry.Past.
func wasInForce(table string) string {
	return strings.ReplaceAll(` NOT (?.released_at IS NOT NULL AND ?.released_at = ?.blocked_at AND ?.expires_at IS NOT NULL AND ?.expires_at <= ?.blocked_at
		AND ?.blocked_by = '`+ByDetector+`' AND ?.released_by = '`+ByDetector+`')`, "?", table)
}

// SeveralPorts is the port of an entry whose evidence is about more than one.
const SeveralPorts = -1

const entryColumns = `id, address, rule, reason, blocked_by, device, target, first_seen, last_seen, blocked_at, expires_at,
	hits, seen_count, grade, state, hold, quiet_for, escalation, tag, country, port, released_at, released_by, release_reason, version,
	CASE WHEN hold <> '' AND state = 0 THEN coalesce((SELECT max(a.done_by) FROM audit AS a WHERE a.address = blacklist.address AND a.action = 'accept' AND a.time = blacklist.blocked_at), '') ELSE '' END`

func scanEntry(rows *sql.Rows, e *Entry) error {
	return rows.Scan(&e.ID, intoPrefix{&e.Address}, &e.Rule, &e.Reason, &e.By, &e.Device, &e.Target, intoTime{&e.FirstSeen},
		intoTime{&e.LastSeen}, intoTime{&e.BlockedAt}, intoTime{&e.ExpiresAt}, &e.Hits, &e.Count, &e.Grade, &e.State, &e.Hold,
		intoMicroseconds{&e.QuietFor}, &e.Escalation, &e.Tag, &e.Country, &e.Port, intoTime{&e.ReleasedAt},
		&e.ReleasedBy, &e.ReleaseReason, &e.Version, &e.AcceptedBy)
}

// stored gives b in the form in which both databases keep it.
func (b *Block) stored(now time.Time) (Block, error) {
	c := *b
	var err error
	if c.Address, err = canonical(b.Address); err != nil {
		return c, fmt.Errorf("block: %w", err)
	}
	for _, s := range []*string{&c.Rule, &c.Reason, &c.By, &c.Device, &c.Target, &c.Hold, &c.Tag, &c.Country} {
		*s = clean(*s)
	}
	c.Members = membersOf(c.Address, b.Members)
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

func (b *Block) touch() Touch { return Touch{Address: b.Address, LastSeen: b.LastSeen, Hits: b.Hits} }

// blacklist is what is blocked, held or observed, and was, with the evidence, the members and the audit trail of it: four tables and the counter of
// versions. What is written to them goes through a change; an agent's records and positions it does not know.
type blacklist struct{ *database }

// Block puts an address or network on the blacklist by hand. If it is blocked already, its reason, who blocked it and the
// expiry are replaced, and its last activity and hits moved on; the second result is false then. One that is held or
// observed becomes blocked.
func (l *blacklist) Block(ctx context.Context, b Block) (entry Entry, added bool, err error) {
	b, err = b.stored(l.now())
	if err != nil {
		return entry, false, err
	}
	err = l.update(ctx, "block "+b.Address.String(), func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		c, err := newChange(ctx, &l.dialect, tx)
		if err != nil {
			return err
		}
		done, err := c.place(ctx, []Block{b})
		if err != nil {
			return err
		}
		if added = done[b.Address]; added {
			err = l.tell(ctx, tx, noticesOf([]*Block{&b}))
		} else {
			err = c.renew(ctx, &b)
		}
		if err != nil {
			return err
		}
		return forEach(ctx, tx, func(rows *sql.Rows) error { return scanEntry(rows, &entry) },
			`SELECT `+entryColumns+` FROM blacklist WHERE address = $1 AND released_at IS NULL`, b.Address.String())
	})
	return entry, added, err
}

// Release takes an address or network off the blacklist; it must be written as the entry is. What was
// recorded of it up to now is no longer among the Sightings. One that is held or observed is dismissed by it. If there is
// no entry, the error wraps ErrNotBlocked. What label files list no person can release: the error wraps a ListedError.
func (l *blacklist) Release(ctx context.Context, address netip.Prefix, by, reason string, at time.Time) (Entry, error) {
	address, err := canonical(address)
	if err != nil {
		return Entry{}, fmt.Errorf("release: %w", err)
	}
	var released []Entry
	doing := "release " + address.String()
	err = l.update(ctx, doing, func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		c, err := newChange(ctx, &l.dialect, tx)
		if err != nil {
			return err
		}
		var w where
		w.add("address = ?", address.String())
		released, err = c.release(ctx, ending{by: by, reason: reason, at: at}, w)
		switch {
		case err == nil && len(released) == 0:
			return ErrNotBlocked // and the version stays
		case err != nil || !ByPerson(by):
			return err
		}
		files, err := listedIn(ctx, tx, address)
		if err == nil && len(files) > 0 {
			return &ListedError{address, files}
		}
		if err != nil {
			return err
		}
		return l.tell(ctx, tx, []Notice{noticeOf(EventReleased, by, at, &released[0])})
	})
	if errors.Is(err, ErrNotBlocked) {
		return Entry{}, fmt.Errorf("%s: %w", doing, ErrNotBlocked)
	}
	if err != nil {
		return Entry{}, err
	}
	return released[0], nil
}

// ReleaseAll is Release, in the name of the detector and in one transaction, of all these addresses, each for its reason. Those
// that have no entry are passed over.
func (l *blacklist) ReleaseAll(ctx context.Context, reasons map[netip.Prefix]string, at time.Time) (released []Entry, err error) {
	if len(reasons) == 0 {
		return nil, nil
	}
	err = l.update(ctx, "release what may not be blocked", func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		c, err := newChange(ctx, &l.dialect, tx)
		if err != nil {
			return err
		}
		released = nil
		for _, address := range slices.SortedFunc(maps.Keys(reasons), comparePrefix) {
			var w where
			w.add("address = ?", address.String())
			one, err := c.release(ctx, ending{by: ByDetector, reason: reasons[address], at: at}, w)
			if err != nil {
				return err
			}
			released = append(released, one...)
		}
		if len(released) == 0 {
			return ErrNotBlocked // and the version stays
		}
		return nil
	})
	if errors.Is(err, ErrNotBlocked) {
		return nil, nil
	}
	return released, err
}

// ReleaseQuiet releases, in the name of the detector, at most limit entries (0: all) whose ReleaseAt has
// come by now, but those that are to be dated anew (see Redate), and neighbourhoods of which no source is blocked any more, and returns them by ID. What label files list is
// blocked anew for that reason, in the same transaction. With nothing to release it
// only reads. If releaseAfter is not positive, nothing is released for being quiet.
func (l *blacklist) ReleaseQuiet(ctx context.Context, now time.Time, releaseAfter time.Duration, limit int) ([]Entry, error) {
	var expired, left where
	expired.add("expires_at <= ?", l.stamp(now))
	left.add("expires_at IS NULL AND rule = 'neighbourhood' AND NOT EXISTS (SELECT 1 FROM blacklist AS m WHERE m.neighbourhood = blacklist.address AND m.released_at IS NULL AND m.state = 0)")
	quiet, lengthened := l.quiet(now, releaseAfter)
	kinds := []struct {
		reason string
		where
	}{{"the time it was blocked for is over", expired}, {"the last of its blocked sources was released", left}, {"no activity for " + inDays(releaseAfter), quiet},
		{"no activity for as long as its returns called for", lengthened}}
	if releaseAfter <= 0 {
		kinds = kinds[:2]
	}
	var released []Entry
	for _, k := range kinds {
		if limit > 0 && len(released) >= limit {
			break
		}
		list, err := l.releaseDue(ctx, now, k.reason, k.where, limit-len(released), limit == 0)
		if err != nil {
			return released, err
		}
		released = append(released, list...)
	}
	slices.SortFunc(released, func(a, b Entry) int { return cmp.Compare(a.ID, b.ID) })
	return released, nil
}

// quiet are the conditions of what has been quiet for releaseAfter, and of what had to be for longer.
func (l *blacklist) quiet(now time.Time, releaseAfter time.Duration) (quiet, lengthened where) {
	quiet.add("expires_at IS NULL AND blocked_by <> 'label-file' AND rule <> 'neighbourhood' AND quiet_for = 0 AND last_seen <= ?", l.stamp(now.Add(-releaseAfter)))
	lengthened.add("expires_at IS NULL AND blocked_by <> 'label-file' AND quiet_for > 0 AND last_seen <= ?", l.stamp(now.Add(-releaseAfter)))
	lengthened.add(l.quietEnd+" <= ?", l.stamp(now))
	return quiet, lengthened
}

// Quiet calls fn for what is blocked and ReleaseQuiet would release for having been quiet, in no order.
func (l *blacklist) Quiet(ctx context.Context, now time.Time, releaseAfter time.Duration, fn func(netip.Prefix)) error {
	quiet, lengthened := l.quiet(now, releaseAfter)
	return l.view(ctx, "look for quiet entries", func(ctx context.Context, tx *sql.Tx) error {
		for _, due := range []where{quiet, lengthened} {
			due.add("released_at IS NULL")
			due.add("state = 0")
			err := forEach(ctx, tx, func(rows *sql.Rows) error {
				var p netip.Prefix
				err := rows.Scan(intoPrefix{&p})
				if err == nil {
					fn(p)
				}
				return err
			}, `SELECT address FROM blacklist`+due.String(), due.args...)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Redate has entries last seen when their lines said, where this host's clock, which has come to that time by now, had not when they were read (see
// Dated), and those that the detector blocked for a fixed time end as much later as that began: at Block.OrBegun and not at Block.Begun. It gives how many. What is wrong is then found to have been the
// host's clock; where it is a firewall's, whoever it saw stays for as long as that is ahead, unless release came first.
func (l *blacklist) Redate(ctx context.Context, now time.Time) (entries int64, err error) {
	var due bool
	err = l.view(ctx, "look for entries whose time has come", func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM dated WHERE `+dueDated+`)`, l.stamp(now)).Scan(&due)
	})
	if err != nil || !due {
		return 0, err
	}
	err = l.update(ctx, "have entries last seen when their lines said", func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		c, err := newChange(ctx, &l.dialect, tx)
		if err == nil {
			entries, err = c.redate(ctx, now)
		}
		return err
	})
	return entries, err
}

// soon is how near the time has to be at which an entry is dated anew for it not to be released before: of several agents each has its own clock, and now was a moment ago.
const soon = time.Hour

// releaseDue releases the oldest of what is due. It looks first without any lock, then again under that
// of the version: an entry touched in between stays.
func (l *blacklist) releaseDue(ctx context.Context, now time.Time, reason string, due where, limit int, all bool) (released []Entry, err error) {
	due.add("released_at IS NULL")
	due.add("NOT EXISTS (SELECT 1 FROM dated AS d WHERE d.address = blacklist.address AND (d.begun <= ? OR d.begun IS NULL AND d.seen <= ?))", l.stamp(now.Add(soon)), l.stamp(now.Add(soon))) // Redate comes first
	pick := `SELECT id FROM blacklist` + due.String()
	if !all {
		pick += ` ORDER BY last_seen, id LIMIT ` + due.arg(int64(limit))
	}
	var found bool
	err = l.view(ctx, "look for quiet entries", func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT EXISTS (`+pick+`)`, due.args...).Scan(&found)
	})
	if err != nil || !found {
		return nil, err
	}
	err = l.update(ctx, "release quiet entries", func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		c, err := newChange(ctx, &l.dialect, tx)
		if err != nil {
			return err
		}
		released, err = c.release(ctx, ending{by: ByDetector, reason: reason, at: now, served: 1}, where{terms: []string{"id IN (" + pick + ")"}, args: slices.Clone(due.args)})
		if err != nil {
			return err
		}
		return c.keepListed(ctx, released, now)
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

// releasedNotices are those of what somebody released by hand.
func releasedNotices(released []Entry, by string, at time.Time) (notices []Notice) {
	for i := range released {
		notices = append(notices, noticeOf(EventReleased, by, at, &released[i]))
	}
	return notices
}

// importStep is how many entries one transaction imports or releases.
const importStep = 250

// Import puts blocks on the blacklist as they were made elsewhere, and gives the addresses of those that were not blocked before; what is stays
// as it is. Who imports them is in the audit trail, beside who made them; no notice is written, for it was told where it was seen. What was here before, as it is, is in the trail once. It goes in steps, and may have done a part when it returns an error.
func (l *blacklist) Import(ctx context.Context, blocks []Block, by string, at time.Time) (blocked []netip.Prefix, err error) {
	return l.importAll(ctx, blocks, by, at, false)
}

// TryImport gives what Import would, and changes nothing.
func (l *blacklist) TryImport(ctx context.Context, blocks []Block, by string, at time.Time) (blocked []netip.Prefix, err error) {
	return l.importAll(ctx, blocks, by, at, true)
}

func (l *blacklist) importAll(ctx context.Context, blocks []Block, by string, at time.Time, try bool) (blocked []netip.Prefix, err error) {
	stored := make([]Block, 0, len(blocks))
	seen := make(map[netip.Prefix]bool, len(blocks))
	for i := range blocks {
		b, err := blocks[i].stored(at)
		if err != nil {
			return nil, err
		}
		if b.State = Blocked; !seen[b.Address] {
			stored = append(stored, b)
		}
		seen[b.Address] = true
	}
	slices.Reverse(stored) // the first of them is listed first
	for part := range slices.Chunk(stored, importStep) {
		var done map[netip.Prefix]bool
		err := l.update(ctx, "import entries", func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
			c, err := newChange(ctx, &l.dialect, tx)
			if err != nil {
				return err
			}
			if err = c.noteAgain(ctx, part); err != nil {
				return err
			}
			if done, err = c.place(ctx, part); err != nil {
				return err
			}
			if len(done) == 0 || try {
				return errNothingDone // and the version stays
			}
			var audit [][]any
			for _, b := range part {
				if done[b.Address] {
					audit = append(audit, c.auditRow(Audit{at, "import", b.Address, clean(by), "as " + b.By + " blocked it elsewhere"}))
				}
			}
			return c.saveAudit(ctx, audit)
		})
		if err != nil && !errors.Is(err, errNothingDone) {
			return blocked, err
		}
		for _, b := range part {
			if done[b.Address] {
				blocked = append(blocked, b.Address)
			}
		}
	}
	return blocked, nil
}

// noteAgain notes which of some blocks were here before, as they are: those are in the audit trail.
func (c *change) noteAgain(ctx context.Context, blocks []Block) error {
	c.noted = make(map[netip.Prefix]bool)
	var rows [][]any
	for i := range blocks {
		rows = append(rows, []any{blocks[i].Address.String(), c.stamp(blocks[i].BlockedAt), clean(blocks[i].Rule)})
	}
	return c.forRows(ctx, c.tx, `SELECT b.address FROM (`, `) AS t JOIN blacklist AS b ON b.address = t.column1 AND b.blocked_at = t.column2 AND b.rule = t.column3 AND b.state = 0`,
		[]string{"cidr", "timestamptz", "text"}, rows, func(rows *sql.Rows) error {
			var p netip.Prefix
			err := rows.Scan(intoPrefix{&p})
			c.noted[p] = true
			return err
		})
}

// ReleaseEach is Release of many, for one reason. What is not on the blacklist it passes over; listed is what label files list, with them. It goes in
// steps, and may have done a part when it returns an error.
func (l *blacklist) ReleaseEach(ctx context.Context, addresses []netip.Prefix, by, reason string, at time.Time) (released []Entry, listed []*ListedError, err error) {
	for part := range slices.Chunk(addresses, importStep) {
		var step []Entry
		var held []*ListedError
		err := l.update(ctx, "release entries", func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
			step, held = nil, nil
			c, err := newChange(ctx, &l.dialect, tx)
			if err != nil {
				return err
			}
			for _, address := range part {
				if address, err = canonical(address); err != nil {
					return err
				}
				files, err := listedIn(ctx, tx, address)
				if err != nil {
					return err
				}
				if len(files) > 0 {
					held = append(held, &ListedError{address, files})
					continue
				}
				var w where
				w.add("address = ?", address.String())
				one, err := c.release(ctx, ending{by: by, reason: reason, at: at}, w)
				if err != nil {
					return err
				}
				step = append(step, one...)
			}
			if len(step) == 0 {
				return errNothingDone // and the version stays
			}
			return l.tell(ctx, tx, releasedNotices(step, by, at))
		})
		if err != nil && !errors.Is(err, errNothingDone) {
			return released, listed, err
		}
		released, listed = append(released, step...), append(listed, held...)
	}
	return released, listed, nil
}
