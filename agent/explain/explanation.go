// Package explain gathers what the store knows of one address: the block, why, the log lines that made it, where it is enforced and
// what happened to it; and of an address without any, what is known of it and why it is not blocked. It changes nothing.
package explain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"activedefense/agent/display"
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
	ReleaseAt     *time.Time `json:"release_at"` // null: it ends with others, as a neighbourhood does, or when no label file lists it
	Device        string     `json:"device"`
	Hits          int64      `json:"hits"`
	By            string     `json:"by"`                    // detector, label-file or operator
	AcceptedBy    string     `json:"accepted_by,omitempty"` // who decided that it is blocked, where it was held
	Grade         string     `json:"grade"`                 // proven, forgeable, or empty
	State         string     `json:"state"`                 // blocked, held, observed or released
	Hold          string     `json:"hold,omitempty"`        // why a person has to decide, or had to
	BlockedAt     time.Time  `json:"blocked_at"`
	Escalation    string     `json:"escalation,omitempty"` // why it lasts longer than others
	Tag           string     `json:"tag,omitempty"`        // of its rule, on firewalls of mode dynamic-tag
	Target        string     `json:"target,omitempty"`
	Country       string     `json:"country,omitempty"` // of its source, as the log or geo.file has it
	Port          int        `json:"port,omitempty"`    // of ours, that all of its evidence is about; -1: several
	Expires       bool       `json:"expires"`           // released at release_at whatever it does
	ReleasedAt    *time.Time `json:"released_at,omitempty"`
	ReleasedBy    string     `json:"released_by,omitempty"`
	ReleaseReason string     `json:"release_reason,omitempty"`
	NeverInForce  bool       `json:"never_in_force,omitempty"` // its time was over when it was found: it counts when its source returns
}

// stateReleased is what the state of an entry is called when it is over.
const stateReleased = "released"

// NewBlacklistEntry renders an entry of the store.
func NewBlacklistEntry(e *store.Entry, releaseAfter time.Duration) BlacklistEntry {
	out := BlacklistEntry{
		Address: detect.AddressText(e.Address), Rule: e.Rule, Reason: e.Reason, FirstSeen: e.FirstSeen, LastSeen: e.LastSeen,
		Device: e.Device, Hits: e.Hits, By: e.By, AcceptedBy: e.AcceptedBy, BlockedAt: e.BlockedAt, Escalation: e.Escalation, Tag: e.Tag,
		Grade: e.Grade.String(), State: e.State.String(), Hold: e.Hold, Target: e.Target, Country: e.Country, Port: e.Port, Expires: !e.ExpiresAt.IsZero(), ReleasedBy: e.ReleasedBy, ReleaseReason: e.ReleaseReason, NeverInForce: e.Past(),
	}
	if at := e.ReleaseAt(releaseAfter); !at.IsZero() {
		out.ReleaseAt = &at
	}
	if !e.ReleasedAt.IsZero() {
		released := e.ReleasedAt
		out.ReleasedAt, out.State = &released, stateReleased
	}
	return out
}

// Made says who made the entry, and who decided that it is blocked, where it was held.
func (e *BlacklistEntry) Made() string {
	if e.AcceptedBy == "" {
		return e.By
	}
	return e.By + ", accepted by " + e.AcceptedBy
}

// Release says when the entry is released, in words.
func (e *BlacklistEntry) Release() string {
	switch {
	case e.NeverInForce:
		return "never in force: its time was over when it was found, " + display.LocalTime(*e.ReleasedAt)
	case e.ReleasedAt != nil:
		return "released " + display.LocalTime(*e.ReleasedAt)
	case e.By == store.ByLabelFile:
		return "when no label file lists it any more"
	case e.ReleaseAt == nil:
		return "with the last of its blocked sources"
	case e.Expires:
		return display.LocalTime(*e.ReleaseAt)
	}
	return display.LocalTime(*e.ReleaseAt) + ", later if it is seen again"
}

// Explanation is everything that is known of one address: the answer to "why is it blocked?".
type Explanation struct {
	Program  string           `json:"-"` // how a reader calls this program; "": activedefense
	Address  string           `json:"address"`
	Blocked  bool             `json:"blocked"`           // enforced: neither held nor observed
	Entries  []BlacklistEntry `json:"entries"`           // the present one, if any, then those before, newest first
	Members  []netip.Addr     `json:"members,omitempty"` // of the first, if it is a network: what was seen to attack, the newest first
	Evidence []EvidenceLine   `json:"evidence"`          // the log lines that made the first of them, oldest first
	Earlier  []Earlier        `json:"earlier,omitempty"` // those of the same address or network before the first whose lines are kept, newest first
	Enforced []Enforced       `json:"enforced"`
	Audit    []AuditLine      `json:"audit"` // oldest first
	// Others are the other addresses and networks among Entries, the narrowest first, each with the story of its first entry: the address
	// itself where a network is why it is blocked, and the networks that it is or was in.
	Others []*Explanation `json:"others,omitempty"`
	// Itself is what is known of the address where none of Entries is its own, but those of networks that it is in; nil: one is.
	Itself *Unlisted `json:"itself,omitempty"`

	// Was is the state of the first entry before it was released; empty: it is not.
	Was string `json:"was,omitempty"`
}

// Earlier is an entry before the present one, or before the newest, with the log lines that made it. They are kept for
// store.keep_records after its release.
type Earlier struct {
	Rule      string         `json:"rule"`
	BlockedAt time.Time      `json:"blocked_at"`
	Evidence  []EvidenceLine `json:"evidence"` // oldest first, at least one
}

// EvidenceLine is one log line that made a block.
type EvidenceLine struct {
	Time   time.Time `json:"time"`
	Device string    `json:"device"`
	Line   string    `json:"line"`
}

// Enforced says whether a firewall holds the address, or has no room for it.
type Enforced struct {
	Firewall string    `json:"firewall"`
	State    string    `json:"state"`            // enforced, pending, left-out, paused or unknown
	Address  string    `json:"address"`          // what is held or left out: the entry, or an address of it where it cannot hold the network
	Since    time.Time `json:"since,omitzero"`   // zero: nothing is noted
	SeenAt   time.Time `json:"seen_at,omitzero"` // when the firewall was last read and held it; zero: not since it was written
	Until    time.Time `json:"until,omitzero"`   // when the firewall lets go by itself unless it is renewed; zero: it does not
	// Fault: why no rule of the firewall stops what it holds, as its policy was looked at at PolicyAt; empty: one does, or nobody looked.
	Fault    string    `json:"fault,omitempty"`
	PolicyAt time.Time `json:"policy_at,omitzero"`
	// Unknown: the configuration has no such firewall. It is another agent's on the same database, or was renamed or
	// removed, and what it holds was last known by that name.
	Unknown bool `json:"unknown,omitempty"`
	// Maintenance: it is left alone, as firewalls[].maintenance says: nothing is sent to it, and what is noted is of before.
	Maintenance bool `json:"maintenance,omitempty"`
}

// What Enforced.State says.
const (
	stateEnforced = "enforced"
	statePending  = "pending"  // written, and not read back yet; or no rule of the firewall uses it yet
	stateUnknown  = "unknown"  // nothing is noted: not written yet, or refused, which status tells
	stateLeftOut  = "left-out" // the firewall has no room for it
	statePaused   = "paused"   // a person has taken everything off the firewalls for a time
)

// AuditLine is one change of an entry: see store.Audit.
type AuditLine struct {
	Time   time.Time `json:"time"`
	Action string    `json:"action"`
	By     string    `json:"by"`
	Reason string    `json:"reason"`
}

// ErrUnknownAddress means that an address is not on the blacklist and never was.
var ErrUnknownAddress = errors.New("not on the blacklist, and never was")

// Of gathers what the store knows of an address, or of a network that was blocked as such.
func Of(ctx context.Context, st *store.Store, prefix netip.Prefix, releaseAfter time.Duration) (*Explanation, error) {
	entries, err := entriesOf(ctx, st, prefix)
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("%s: %w", detect.AddressText(prefix), ErrUnknownAddress)
	}
	x, err := storyOf(ctx, st, entries, releaseAfter)
	if err != nil {
		return nil, err
	}
	x.Address = detect.AddressText(prefix)
	seen := []netip.Prefix{entries[0].Address}
	for _, e := range entries {
		if slices.Contains(seen, e.Address) {
			continue
		}
		seen = append(seen, e.Address)
		its := slices.DeleteFunc(slices.Clone(entries), func(other store.Entry) bool { return other.Address != e.Address })
		other, err := storyOf(ctx, st, its, releaseAfter)
		if err != nil {
			return nil, err
		}
		x.Others = append(x.Others, other)
	}
	slices.SortStableFunc(x.Others, func(a, b *Explanation) int { return cmp.Compare(b.bits(), a.bits()) })
	return x, nil
}

// storyOf tells the story of the first of some entries, and lists them all.
func storyOf(ctx context.Context, st *store.Store, entries []store.Entry, releaseAfter time.Duration) (*Explanation, error) {
	first := &entries[0]
	x := &Explanation{Address: detect.AddressText(first.Address), Blocked: first.ReleasedAt.IsZero() && first.State == store.Blocked,
		Enforced: []Enforced{}, Audit: []AuditLine{}}
	if !first.ReleasedAt.IsZero() {
		x.Was = first.State.String()
	}
	for i := range entries {
		x.Entries = append(x.Entries, NewBlacklistEntry(&entries[i], releaseAfter))
		if e := &entries[i]; i > 0 && e.Address == first.Address {
			switch lines, err := evidenceOf(ctx, st, e); {
			case err != nil:
				return nil, err
			case len(lines) > 0:
				x.Earlier = append(x.Earlier, Earlier{e.Rule, e.BlockedAt, lines})
			}
		}
	}
	return x, x.gather(ctx, st, first)
}

// Own tells whether one of the entries is the address's own, and not only those of networks that it is in.
func (x *Explanation) Own() bool {
	return slices.ContainsFunc(x.Entries, func(e BlacklistEntry) bool { return e.Address == x.Address })
}

// bits is how long the network of the first entry is; of an address, all of it.
func (x *Explanation) bits() int {
	if p, err := netip.ParsePrefix(x.Entries[0].Address); err == nil {
		return p.Bits()
	}
	a, err := netip.ParseAddr(x.Entries[0].Address)
	if err != nil {
		return 0 // it was rendered from one
	}
	return a.BitLen()
}

// InForce tells whether an entry is in force: blocked, held or observed.
func (x *Explanation) InForce() bool { return x.Entries[0].ReleasedAt == nil }

// entriesOf finds the history of an address or network, with the networks that contain it: what is in
// force first, and of each the newest first.
func entriesOf(ctx context.Context, st *store.Store, prefix netip.Prefix) ([]store.Entry, error) {
	entries, err := st.Covering(ctx, prefix.Addr())
	if err != nil {
		return nil, err
	}
	// A narrower entry covers the first address of the network, not the network.
	entries = slices.DeleteFunc(entries, func(e store.Entry) bool { return e.Address.Bits() > prefix.Bits() })
	// An address that is held inside a network that is blocked is blocked.
	place := func(e store.Entry) int {
		switch {
		case !e.ReleasedAt.IsZero():
			return 2
		case e.State != store.Blocked:
			return 1
		}
		return 0
	}
	slices.SortStableFunc(entries, func(a, b store.Entry) int {
		// Blocked by itself and with its neighbourhood, or no more by either: its own reason says more.
		return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(b.Address.Bits(), a.Address.Bits()))
	})
	return entries, nil
}

func (x *Explanation) gather(ctx context.Context, st *store.Store, of *store.Entry) error {
	var err error
	if x.Evidence, err = evidenceOf(ctx, st, of); err != nil {
		return err
	}
	if x.Members, err = st.MembersOf(ctx, of.ID); err != nil {
		return err
	}
	if err := x.gatherEnforced(ctx, st, of.Address); err != nil {
		return err
	}
	for _, m := range x.Members {
		if err := x.gatherEnforced(ctx, st, netip.PrefixFrom(m, m.BitLen())); err != nil {
			return err
		}
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

// evidenceOf are the log lines that made an entry, as far as they are kept.
func evidenceOf(ctx context.Context, st *store.Store, of *store.Entry) ([]EvidenceLine, error) {
	evidence, err := st.EvidenceOf(ctx, of.ID)
	lines := make([]EvidenceLine, len(evidence))
	for i, e := range evidence {
		lines[i] = EvidenceLine(e)
	}
	return lines, err
}

// gatherEnforced adds which firewalls hold an address or network, or have no room for it.
func (x *Explanation) gatherEnforced(ctx context.Context, st *store.Store, address netip.Prefix) error {
	enforced, err := st.EnforcedOn(ctx, address)
	for _, e := range enforced {
		row := Enforced{Firewall: e.Firewall, State: stateEnforced, Address: detect.AddressText(address), Since: e.Since, SeenAt: e.Seen, Until: e.Until, Fault: e.Fault, PolicyAt: e.Looked}
		switch {
		case e.LeftOut:
			row.State = stateLeftOut
		case e.Seen.IsZero() || e.Fault != "":
			row.State = statePending
		}
		x.Enforced = append(x.Enforced, row)
	}
	return err
}

// Known takes the names of the firewalls of the configuration: what is enforced on others is marked as of unknown ones, and those
// that hold nothing of a blocked address, as far as is noted, are named too.
func (x *Explanation) Known(firewalls []string) {
	for _, other := range x.Others {
		other.Known(firewalls)
	}
	for i := range x.Enforced {
		x.Enforced[i].Unknown = !slices.Contains(firewalls, x.Enforced[i].Firewall)
	}
	for _, name := range firewalls {
		if x.Blocked && !slices.ContainsFunc(x.Enforced, func(e Enforced) bool { return e.Firewall == name }) {
			x.Enforced = append(x.Enforced, Enforced{Firewall: name, State: stateUnknown, Address: x.Address})
		}
	}
}

// Maintenance takes which firewalls are left alone, by their names.
func (x *Explanation) Maintenance(leftAlone func(name string) bool) {
	for _, other := range x.Others {
		other.Maintenance(leftAlone)
	}
	for i := range x.Enforced {
		e := &x.Enforced[i]
		e.Maintenance = leftAlone(strings.TrimSuffix(e.Firewall, " (peer)"))
	}
}

// Paused says of firewalls that hold nothing of a blocked address why: enforcement is paused. What a firewall holds yet it holds, and
// one in maintenance is not told of the pause.
func (x *Explanation) Paused() {
	for _, other := range x.Others {
		other.Paused()
	}
	for i := range x.Enforced {
		if x.Enforced[i].State == stateUnknown && !x.Enforced[i].Maintenance {
			x.Enforced[i].State = statePaused
		}
	}
}
