package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// offenceAge is how long a block of a source counts against it, from its end on.
const offenceAge = 365 * oneDay

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
			rows = append(rows, []any{b.Address.String(), c.stamp(b.LastSeen.Add(-offenceAge)), c.stamp(b.FirstSeen)})
		}
	}
	// A block ended when its time was over, also if it was noticed later: evidence from before that is no return.
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
