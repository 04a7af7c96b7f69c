package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"activedefense/detect"
	"activedefense/store"
)

// BlacklistEntry is one block as the command line's JSON gives it. The fields on release are there for
// released entries only.
type BlacklistEntry struct {
	Address       string     `json:"address"`
	Rule          string     `json:"rule"`
	Reason        string     `json:"reason"`
	FirstSeen     time.Time  `json:"first_seen"`
	LastSeen      time.Time  `json:"last_seen"`
	ReleaseAt     time.Time  `json:"release_at"`
	Device        string     `json:"device"`
	Hits          int64      `json:"hits"`
	By            string     `json:"by"`    // detector or operator
	Grade         string     `json:"grade"` // proven, forgeable, or empty
	State         string     `json:"state"` // blocked, held, observed or released
	BlockedAt     time.Time  `json:"blocked_at"`
	Target        string     `json:"target,omitempty"`
	Expires       bool       `json:"expires"` // released at release_at whatever it does
	ReleasedAt    *time.Time `json:"released_at,omitempty"`
	ReleasedBy    string     `json:"released_by,omitempty"`
	ReleaseReason string     `json:"release_reason,omitempty"`
}

// stateReleased is what the state of an entry is called when it is over.
const stateReleased = "released"

// NewBlacklistEntry renders an entry of the store.
func NewBlacklistEntry(e *store.Entry, releaseAfter time.Duration) BlacklistEntry {
	out := BlacklistEntry{
		Address: detect.AddressText(e.Address), Rule: e.Rule, Reason: e.Reason, FirstSeen: e.FirstSeen, LastSeen: e.LastSeen,
		ReleaseAt: e.ReleaseAt(releaseAfter), Device: e.Device, Hits: e.Hits, By: e.By, BlockedAt: e.BlockedAt,
		Grade: e.Grade.String(), State: e.State.String(), Target: e.Target, Expires: !e.ExpiresAt.IsZero(), ReleasedBy: e.ReleasedBy, ReleaseReason: e.ReleaseReason,
	}
	if !e.ReleasedAt.IsZero() {
		released := e.ReleasedAt
		out.ReleasedAt, out.State = &released, stateReleased
	}
	return out
}

// Release says when the entry is released, in words.
func (e *BlacklistEntry) Release() string {
	switch {
	case e.ReleasedAt != nil:
		return "released " + LocalTime(*e.ReleasedAt)
	case e.Expires:
		return LocalTime(e.ReleaseAt)
	}
	return LocalTime(e.ReleaseAt) + ", later if it is seen again"
}

// Explanation is everything that is known of one address: the answer to "why is it blocked?".
type Explanation struct {
	Address  string           `json:"address"`
	Blocked  bool             `json:"blocked"`
	Entries  []BlacklistEntry `json:"entries"`  // the present block, if any, then those before, newest first
	Evidence []EvidenceLine   `json:"evidence"` // the log lines that made the first of them, oldest first
	Enforced []Enforced       `json:"enforced"`
	Audit    []AuditLine      `json:"audit"` // oldest first
}

// EvidenceLine is one log line that made a block.
type EvidenceLine struct {
	Time   time.Time `json:"time"`
	Device string    `json:"device"`
	Line   string    `json:"line"`
}

// Enforced says that a firewall holds the address.
type Enforced struct {
	Firewall string    `json:"firewall"`
	Since    time.Time `json:"since"`
	Until    time.Time `json:"until,omitzero"` // when the firewall lets go by itself unless it is renewed; zero: it does not
	// Unknown: the configuration has no such firewall. It is another agent's on the same database, or was renamed or
	// removed, and what it holds was last known by that name.
	Unknown bool `json:"unknown,omitempty"`
}

// AuditLine is one block, release or change.
type AuditLine struct {
	Time   time.Time `json:"time"`
	Action string    `json:"action"`
	By     string    `json:"by"`
	Reason string    `json:"reason"`
}

// ErrUnknownAddress means that an address is not on the blacklist and never was.
var ErrUnknownAddress = errors.New("not on the blacklist, and never was")

// Explain gathers what the store knows of an address, or of a network that was blocked as such.
func Explain(ctx context.Context, st *store.Store, prefix netip.Prefix, releaseAfter time.Duration) (*Explanation, error) {
	entries, err := entriesOf(ctx, st, prefix)
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("%s: %w", detect.AddressText(prefix), ErrUnknownAddress)
	}
	first := &entries[0]
	x := &Explanation{Address: detect.AddressText(prefix), Blocked: first.ReleasedAt.IsZero(),
		Evidence: []EvidenceLine{}, Enforced: []Enforced{}, Audit: []AuditLine{}}
	for i := range entries {
		x.Entries = append(x.Entries, NewBlacklistEntry(&entries[i], releaseAfter))
	}
	return x, x.gather(ctx, st, first)
}

// entriesOf finds the history of an address or network, with the networks that contain it: what is in
// force first, and of each the newest first.
func entriesOf(ctx context.Context, st *store.Store, prefix netip.Prefix) ([]store.Entry, error) {
	entries, err := st.Covering(ctx, prefix.Addr())
	if err != nil {
		return nil, err
	}
	// A narrower entry covers the first address of the network, not the network.
	entries = slices.DeleteFunc(entries, func(e store.Entry) bool { return e.Address.Bits() > prefix.Bits() })
	slices.SortStableFunc(entries, func(a, b store.Entry) int {
		return cmp.Compare(oneIf(!a.ReleasedAt.IsZero()), oneIf(!b.ReleasedAt.IsZero()))
	})
	return entries, nil
}

func (x *Explanation) gather(ctx context.Context, st *store.Store, of *store.Entry) error {
	evidence, err := st.EvidenceOf(ctx, of.ID)
	if err != nil {
		return err
	}
	for _, e := range evidence {
		x.Evidence = append(x.Evidence, EvidenceLine(e))
	}
	enforced, err := st.EnforcedOn(ctx, of.Address)
	if err != nil {
		return err
	}
	for _, e := range enforced {
		x.Enforced = append(x.Enforced, Enforced{Firewall: e.Firewall, Since: e.Since, Until: e.Until})
	}
	audit, err := st.AuditOf(ctx, of.Address)
	if err != nil {
		return err
	}
	for _, e := range audit {
		x.Audit = append(x.Audit, AuditLine{e.Time, e.Action, e.By, e.Reason})
	}
	return nil
}

// Known marks what is enforced on firewalls of other names than these as of unknown ones.
func (x *Explanation) Known(firewalls []string) {
	for i := range x.Enforced {
		x.Enforced[i].Unknown = !slices.Contains(firewalls, x.Enforced[i].Firewall)
	}
}

// WriteText writes the explanation for people.
func (x *Explanation) WriteText(w io.Writer) error {
	e := &x.Entries[0]
	state := "is blocked"
	if !x.Blocked {
		state = "is not blocked now; it was until " + LocalTime(*e.ReleasedAt)
	}
	if e.Address != x.Address {
		state += ", by the network " + e.Address
	}
	t := NewTable(w)
	t.Line("%s %s", x.Address, state)
	t.Line("")
	t.Row("rule", e.Rule)
	t.Row("why", e.Reason)
	if e.Target != "" {
		t.Row("target", e.Target)
	}
	t.Row("seen by", cmp.Or(e.Device, "-"))
	t.Row("first seen", LocalTime(e.FirstSeen))
	t.Row("last seen", LocalTime(e.LastSeen))
	t.Row("records", e.Hits)
	t.Row("blocked", LocalTime(e.BlockedAt)+" by "+e.By)
	if x.Blocked {
		t.Row("release", e.Release())
	} else {
		t.Row("released", LocalTime(*e.ReleasedAt)+" by "+e.ReleasedBy+": "+e.ReleaseReason)
	}
	x.writeLists(t)
	return t.Flush()
}

func (x *Explanation) writeLists(t *Table) {
	t.Line("\nEnforced on")
	for _, f := range x.Enforced {
		ends := "until it is released"
		if !f.Until.IsZero() {
			ends = "the tag expires " + LocalTime(f.Until) + " unless it is renewed"
		}
		name := f.Firewall
		if f.Unknown {
			name += " (not in this configuration)"
		}
		t.Row("  "+name, "since "+LocalTime(f.Since), ends)
	}
	switch {
	case len(x.Enforced) > 0:
	case x.Blocked:
		t.Line("  no firewall directly; it is on the list")
	default:
		t.Line("  no firewall")
	}
	if len(x.Evidence) > 0 {
		t.Line("\nLog lines that led to the block (%d)", len(x.Evidence))
		for _, e := range x.Evidence {
			t.Line("  %s", Harmless(e.Line))
		}
	}
	t.Line("\nHistory")
	for _, e := range x.Audit {
		t.Row("  "+LocalTime(e.Time), e.Action, "by "+e.By, e.Reason)
	}
}

// A Table is aligned text for people. Cells come from logs, so what would drive a terminal is made
// harmless.
type Table struct {
	w *tabwriter.Writer
}

// NewTable begins a table; columns are its heading, if any.
func NewTable(w io.Writer, columns ...string) *Table {
	t := &Table{w: tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)}
	if len(columns) > 0 {
		fmt.Fprintln(t.w, strings.Join(columns, "\t"))
	}
	return t
}

// Row adds a row. Write errors show at Flush.
func (t *Table) Row(cells ...any) {
	texts := make([]string, len(cells))
	for i, c := range cells {
		texts[i] = Harmless(fmt.Sprint(c))
	}
	fmt.Fprintln(t.w, strings.Join(texts, "\t"))
}

// Line adds a line that is no row: it ends the columns above it.
func (t *Table) Line(format string, args ...any) {
	fmt.Fprintf(t.w, format+"\n", args...)
}

// Flush writes the table.
func (t *Table) Flush() error { return t.w.Flush() }

// Harmless replaces control characters: strangers choose parts of log lines.
func Harmless(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 {
			return '·'
		}
		return r
	}, s)
}

// LocalTime writes a time in the local zone; "-" for none.
func LocalTime(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05 MST") // clocks are changed: without the zone an hour would be two
}
