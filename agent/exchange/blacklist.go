package exchange

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"activedefense/agent/explain"
	"activedefense/detect"
	"activedefense/store"
)

// columns are those of the blacklist in CSV, called as in JSON.
var columns = []string{"address", "rule", "reason", "first_seen", "last_seen", "blocked_at", "release_at", "expires", "device", "target", "hits", "by", "grade", "state"}

// A Writer writes entries of the blacklist to a file.
type Writer struct {
	format string
	out    *bufio.Writer
	csv    *csv.Writer
}

// NewWriter writes in a format; Auto is CSV.
func NewWriter(out io.Writer, format string) (*Writer, error) {
	w := &Writer{format: format, out: bufio.NewWriter(out)}
	switch format {
	case JSON, Text:
		return w, nil
	case CSV, Auto, "":
		w.csv = csv.NewWriter(w.out)
		return w, w.csv.Write(columns)
	}
	return nil, fmt.Errorf("the formats are %s, %s and %s", CSV, JSON, Text)
}

// Write writes one entry.
func (w *Writer) Write(e *explain.BlacklistEntry) error {
	switch w.format {
	case JSON:
		encoder := json.NewEncoder(w.out)
		encoder.SetEscapeHTML(false)
		return encoder.Encode(e)
	case Text:
		_, err := fmt.Fprintln(w.out, e.Address)
		return err
	}
	release := ""
	if e.ReleaseAt != nil {
		release = e.ReleaseAt.Format(time.RFC3339Nano)
	}
	return w.csv.Write([]string{e.Address, harmlessCell(e.Rule), harmlessCell(e.Reason), e.FirstSeen.Format(time.RFC3339Nano), e.LastSeen.Format(time.RFC3339Nano), e.BlockedAt.Format(time.RFC3339Nano),
		release, strconv.FormatBool(e.Expires), harmlessCell(e.Device), harmlessCell(e.Target), strconv.FormatInt(e.Hits, 10), harmlessCell(e.By), e.Grade, e.State})
}

// harmlessCell is a text that a spreadsheet takes for a formula, which strangers can have written, behind a quote.
func harmlessCell(text string) string {
	if isFormula(text) {
		return "'" + text
	}
	return text
}

func isFormula(text string) bool { return text != "" && strings.IndexByte("=+-@\t\r", text[0]) >= 0 }

// cell is the text of one.
func cell(text string) string {
	if rest, quoted := strings.CutPrefix(text, "'"); quoted && isFormula(rest) {
		return rest
	}
	return text
}

// Flush writes what is left.
func (w *Writer) Flush() error {
	if w.csv != nil {
		w.csv.Flush()
		if err := w.csv.Error(); err != nil {
			return err
		}
	}
	return w.out.Flush()
}

// mostHits is the largest number that JSON keeps for everybody (RFC 8259, section 6), and leaves room for what is counted from then on.
const mostHits = 1<<53 - 1

// Entry reads a row as an entry of the blacklist; of what it does not say the fields are empty.
func (r *Row) Entry() (e explain.BlacklistEntry, err error) {
	if r.Err != nil {
		return e, r.Err
	}
	if e.Address = r.Address(); e.Address == "" {
		return e, errors.New("it has no address")
	}
	e.Rule, e.Reason, e.Device, e.Target = r.Of("rule"), r.Of("reason"), r.Of("device"), r.Of("target")
	e.By, e.Grade, e.State, e.Expires = r.Of("by"), r.Of("grade"), r.Of("state"), r.Of("expires") == "true"
	if text := r.Of("hits"); text != "" {
		if e.Hits, err = strconv.ParseInt(text, 10, 64); err != nil || e.Hits < 0 || e.Hits > mostHits {
			return e, fmt.Errorf("hits %q: a number of records is meant, at most %d", text, int64(mostHits))
		}
	}
	var release time.Time
	for name, at := range map[string]*time.Time{"first_seen": &e.FirstSeen, "last_seen": &e.LastSeen, "blocked_at": &e.BlockedAt, "release_at": &release} {
		text := r.Of(name)
		if text == "" {
			continue
		}
		if *at, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return e, fmt.Errorf("%s %q: a time is written as in RFC 3339, such as 2026-01-31T12:00:00Z", name, text)
		}
	}
	if !release.IsZero() {
		e.ReleaseAt = &release
	}
	return e, nil
}

// Rules is what an import goes by.
type Rules struct {
	Guard        *detect.Guard
	By           string        // who imports
	Reason       string        // of entries that have none
	ReleaseAfter time.Duration // of sources without activity
	Now          time.Time
	Try          bool // nothing is changed
}

// ahead is how far in the future a firewall's times may be.
const ahead = 24 * time.Hour

// Import blocks entries as they were elsewhere, and keeps their rule, reason, times and who blocked them where they say so. It gives those that were
// not blocked before, how many were, and by their places the others, and why they are not blocked.
func Import(ctx context.Context, st *store.Store, entries []explain.BlacklistEntry, r Rules) (blocked []netip.Prefix, already int, refused map[int]error, err error) {
	refused = make(map[int]error)
	blocks := make([]store.Block, 0, len(entries))
	for i := range entries {
		b, err := r.block(&entries[i])
		if err != nil {
			refused[i] = err
			continue
		}
		blocks = append(blocks, b)
	}
	do := st.Import
	if r.Try {
		do = st.TryImport
	}
	blocked, err = do(ctx, blocks, r.By, r.Now)
	return blocked, len(blocks) - len(blocked), refused, err
}

// block makes a block of an entry.
func (r *Rules) block(e *explain.BlacklistEntry) (b store.Block, err error) {
	if b.Address, err = netip.ParsePrefix(e.Address); err != nil {
		addr, err := netip.ParseAddr(e.Address)
		if err != nil {
			return b, fmt.Errorf("%q is neither an address nor a network such as 203.0.113.0/24", e.Address)
		}
		addr = addr.Unmap().WithZone("")
		b.Address = netip.PrefixFrom(addr, addr.BitLen())
	}
	if err := r.Guard.Check(b.Address); err != nil {
		return b, err
	}
	b.Rule, b.Reason, b.By, b.Device, b.Target, b.Hits = e.Rule, e.Reason, e.By, e.Device, e.Target, e.Hits
	b.FirstSeen, b.LastSeen, b.BlockedAt = e.FirstSeen, e.LastSeen, e.BlockedAt
	for _, preset := range []struct {
		to   *string
		then string
	}{{&b.Rule, "manual"}, {&b.Reason, r.Reason}, {&b.Reason, "imported"}, {&b.By, r.By}} {
		if *preset.to == "" {
			*preset.to = preset.then
		}
	}
	switch {
	case e.State != "" && e.State != store.Blocked.String():
		return b, fmt.Errorf("%s is %s, and not blocked", e.Address, e.State)
	case b.By == store.ByLabelFile:
		return b, fmt.Errorf("%s comes of a label file: name that file in labels of the configuration", e.Address)
	case b.Rule == store.RuleNeighbourhood:
		return b, fmt.Errorf("%s is a neighbourhood, which is blocked for the sources in it: blacklist.neighbourhood does that", e.Address)
	}
	switch e.Grade {
	case store.Proven.String():
		b.Grade = store.Proven
	case store.Forgeable.String():
		b.Grade = store.Forgeable
	}
	return b, r.times(e, &b)
}

// times completes the times of a block, and refuses one that would be over at once, or never.
func (r *Rules) times(e *explain.BlacklistEntry, b *store.Block) error {
	for _, at := range []*time.Time{&b.BlockedAt, &b.LastSeen, &b.FirstSeen} {
		if at.IsZero() {
			*at = r.Now
		}
		if at.After(r.Now.Add(ahead)) {
			return fmt.Errorf("%s: %s is in the future", e.Address, at.Format(time.RFC3339))
		}
	}
	if b.FirstSeen.After(b.LastSeen) {
		b.FirstSeen = b.LastSeen
	}
	switch quiet := b.LastSeen.Add(r.ReleaseAfter); {
	case e.Expires && e.ReleaseAt != nil:
		if b.ExpiresAt = *e.ReleaseAt; !b.ExpiresAt.After(r.Now) {
			return fmt.Errorf("%s was blocked until %s, which is over", e.Address, b.ExpiresAt.Format(time.RFC3339))
		}
	case r.ReleaseAfter > 0 && !quiet.After(r.Now):
		return fmt.Errorf("%s was last seen %s, longer ago than blacklist.release_after: it would be released at once", e.Address, b.LastSeen.Format(time.RFC3339))
	}
	return nil
}
