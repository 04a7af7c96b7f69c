package store

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Record is one line of a log as it is kept. The zero Src and Dst mean that the line had none. Times
// outside of the years 1 to 9999 are moved into them, and bytes that are no UTF-8 text become U+FFFD:
// a line with odd bytes is stored like any other.
type Record struct {
	ID               int64 // given by Commit, growing; across several agents on one PostgreSQL only nearly in the order of commits
	Time             time.Time
	Device           string
	Src, Dst         netip.Addr
	SrcPort, DstPort uint16
	SrcUser          string
	SrcCountry       string
	DstCountry       string
	Action           string
	Rule, RuleID     string
	ThreatName       string
	ThreatID         string
	Severity         string
	Subtype, Type    string
	Direction        string // client-to-server or server-to-client; empty: the log does not say
	Repeat           uint32
	File, Offset     int64 // where the line was read: Position.ID of this instance, and the byte where it begins
}

// stored gives r in the form in which both databases keep it.
func (r *Record) stored() Record {
	c := *r
	c.Time = clamp(c.Time)
	c.Src, c.Dst = canonicalAddr(c.Src), canonicalAddr(c.Dst)
	for _, s := range c.texts() {
		*s = clean(*s)
	}
	return c
}

// textColumns and texts name the text fields in the same order.
const textColumns = "device, src_user, src_country, dst_country, action, rule, rule_id, threat_name, threat_id, severity, subtype, direction, type"

func (r *Record) texts() [13]*string {
	return [...]*string{&r.Device, &r.SrcUser, &r.SrcCountry, &r.DstCountry, &r.Action, &r.Rule, &r.RuleID,
		&r.ThreatName, &r.ThreatID, &r.Severity, &r.Subtype, &r.Direction, &r.Type}
}

// RecordFilter selects records: those that meet every field that is set. Texts are compared without
// regard to case; User matches exactly, unless it contains "*", which stands for any characters.
type RecordFilter struct {
	Since, Until           time.Time // from Since on, before Until
	Src, Dst               netip.Prefix
	SrcPort, DstPort       *uint16
	SrcCountry, DstCountry string
	User                   string
	Severity, Device       string
	Action, Type           string
	Limit                  int // 0: no limit
}

// errEnough stops a search when the limit is reached.
var errEnough = errors.New("limit reached")

func enough(err error) error {
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// Records calls fn for the records that match, newest first by their time. The record is valid during
// the call only. An error of fn ends the search and is returned. What is stored or pruned while fn works may
// be among them or not.
func (s *Store) Records(ctx context.Context, f RecordFilter, fn func(*Record) error) error {
	limit, left := f.Limit, f.Limit
	rest := f.inGo()
	if len(rest) > 0 {
		limit = 0
	}
	err := s.records.search(ctx, &f, limit, func(r *Record) error {
		for _, m := range rest {
			if !m(r) {
				return nil
			}
		}
		if err := fn(r); err != nil {
			return err
		}
		if left--; left == 0 {
			return errEnough
		}
		return nil
	})
	return s.failed("search the records", enough(err))
}

// PruneRecords removes the records older than before, in small steps between which others can write, so
// that it may take long and may have done a part when it returns an error. PostgreSQL drops the
// partitions of whole days; records of the day in which before lies are kept until that day is over,
// unless before is less than two days ago. There, the number of removed records is an estimate for
// partitions above 64 MB.
func (s *Store) PruneRecords(ctx context.Context, before time.Time) (removed int64, err error) {
	removed, err = s.records.prune(ctx, clamp(before))
	return removed, s.failed("remove old records", err)
}

// textFilter is one text condition of a filter.
type textFilter struct {
	column string
	want   string
	of     func(*Record) string
}

func (f *RecordFilter) textFilters() []textFilter {
	all := []textFilter{
		{"src_country", f.SrcCountry, func(r *Record) string { return r.SrcCountry }},
		{"dst_country", f.DstCountry, func(r *Record) string { return r.DstCountry }},
		{"src_user", f.User, func(r *Record) string { return r.SrcUser }},
		{"severity", f.Severity, func(r *Record) string { return r.Severity }},
		{"device", f.Device, func(r *Record) string { return r.Device }},
		{"action", f.Action, func(r *Record) string { return r.Action }},
		{"type", f.Type, func(r *Record) string { return r.Type }},
	}
	var set []textFilter
	for _, t := range all {
		if t.want != "" {
			t.want = clean(t.want)
			set = append(set, t)
		}
	}
	return set
}

// inGo gives the conditions that are left to this side: a pattern with other letters than ASCII's,
// because the two databases do not agree on the lower case of those.
func (f *RecordFilter) inGo() (matchers []func(*Record) bool) {
	for _, t := range f.textFilters() {
		if isASCII(t.want) {
			continue
		}
		want := strings.ToLower(t.want)
		matchers = append(matchers, func(r *Record) bool {
			got := strings.ToLower(t.of(r))
			if t.column == "src_user" {
				return matchStars(want, got)
			}
			return got == want
		})
	}
	return matchers
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > 127 })
}

// matchStars tells whether s matches a pattern in which "*" stands for any characters.
func matchStars(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return s == pattern
	}
	first, last := parts[0], parts[len(parts)-1]
	s, ok := strings.CutPrefix(s, first)
	if !ok {
		return false
	}
	for _, part := range parts[1 : len(parts)-1] {
		if _, s, ok = strings.Cut(s, part); !ok {
			return false
		}
	}
	return strings.HasSuffix(s, last)
}

// where collects conditions and their arguments.
type where struct {
	terms []string
	args  []any
}

// add appends a condition; each "?" in it is numbered and takes one argument.
func (w *where) add(term string, args ...any) {
	for _, a := range args {
		term = strings.Replace(term, "?", w.arg(a), 1)
	}
	w.terms = append(w.terms, term)
}

// clone gives a copy that can be added to.
func (w *where) clone() where { return where{slices.Clone(w.terms), slices.Clone(w.args)} }

// arg adds an argument and gives its placeholder.
func (w *where) arg(a any) string {
	w.args = append(w.args, a)
	return "$" + strconv.Itoa(len(w.args))
}

// String is the WHERE clause.
func (w *where) String() string {
	if len(w.terms) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.terms, " AND ")
}

// addFilter appends what both databases say alike: ports and texts. lower is the expression that turns
// ASCII letters of a column into lower case and leaves all others.
func (w *where) addFilter(f *RecordFilter, lower string) {
	if f.SrcPort != nil {
		w.add("src_port = ?", int64(*f.SrcPort))
	}
	if f.DstPort != nil {
		w.add("dst_port = ?", int64(*f.DstPort))
	}
	for _, t := range f.textFilters() {
		if !isASCII(t.want) {
			continue
		}
		column, want := strings.Replace(lower, "?", t.column, 1), strings.ToLower(t.want)
		if t.column == "src_user" && strings.Contains(want, "*") {
			want = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`, `*`, `%`).Replace(want)
			w.add(column+` LIKE ? ESCAPE '\'`, want)
			continue
		}
		w.add(column+" = ?", want)
	}
}
