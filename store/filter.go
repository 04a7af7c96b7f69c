package store

import (
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"activedefense/store/block"
)

// RecordFilter selects records, and says how they are searched for.
type RecordFilter struct {
	// Conditions are what the records meet. Networks may be written in any form. Files is set by the search, from File.
	Conditions
	// File is the path of the log file, or its name without folders, as it is called now; "*" stands for any characters. What was
	// read from a file that is gone has no file any more.
	File  []string
	Paths bool // Record.Path is to be given
	Limit int  // 0: no limit
	// Within bounds the search, what its caller does with the records not counted; 0: no bound.
	Within time.Duration
	AtOnce bool // it waits for no other search: what detection asks for
}

// What records can be asked for stands with the columns in which they are kept.
type (
	Conditions = block.Filter
	FileKey    = block.FileKey
	PortRange  = block.PortRange
)

// textFilter is one text condition of a filter: one of these columns holds one of the wanted texts.
type textFilter struct {
	columns []string
	want    []string
	of      func(*Record) []string // what the columns hold
	stars   bool                   // whether "*" stands for any characters
}

func (f *RecordFilter) textFilters() []textFilter {
	one := func(column string, want []string, of func(*Record) string) textFilter {
		return textFilter{columns: []string{column}, want: want, of: func(r *Record) []string { return []string{of(r)} }}
	}
	user := one("src_user", f.User, func(r *Record) string { return r.SrcUser })
	user.stars = true
	all := []textFilter{
		one("src_country", f.SrcCountry, func(r *Record) string { return r.SrcCountry }),
		one("dst_country", f.DstCountry, func(r *Record) string { return r.DstCountry }),
		user,
		one("severity", f.Severity, func(r *Record) string { return r.Severity }),
		one("device", f.Device, func(r *Record) string { return r.Device }),
		one("action", f.Action, func(r *Record) string { return r.Action }),
		one("type", f.Type, func(r *Record) string { return r.Type }),
		one("subtype", f.Subtype, func(r *Record) string { return r.Subtype }),
		one("rule", f.Rule, func(r *Record) string { return r.Rule }),
		one("threat_id", f.ThreatID, func(r *Record) string { return r.ThreatID }),
		one("application", f.Application, func(r *Record) string { return r.Application }),
		{columns: []string{"from_zone", "to_zone"}, want: f.Zone, of: func(r *Record) []string { return []string{r.FromZone, r.ToZone} }},
		one("session_end_reason", f.EndReason, func(r *Record) string { return r.SessionEndReason }),
	}
	var set []textFilter
	for _, t := range all {
		if len(t.want) > 0 {
			t.want = slices.Clone(t.want)
			for i, want := range t.want {
				t.want[i] = clean(want)
			}
			set = append(set, t)
		}
	}
	return set
}

// inGo gives the conditions that are left to this side: those with a pattern of other letters than ASCII's,
// because the two databases do not agree on the lower case of those.
func (f *RecordFilter) inGo() (matchers []func(*Record) bool) {
	for _, t := range f.textFilters() {
		if !t.isASCII() {
			matchers = append(matchers, t.matches)
		}
	}
	return matchers
}

// meetsAll tells whether a record meets all that inGo gave.
func meetsAll(matchers []func(*Record) bool, r *Record) bool {
	return !slices.ContainsFunc(matchers, func(matches func(*Record) bool) bool { return !matches(r) })
}

func (t *textFilter) isASCII() bool { return !slices.ContainsFunc(t.want, block.IsNotASCII) }

// matches tells whether a record meets the condition. A pattern of ASCII alone is compared as the databases do.
func (t *textFilter) matches(r *Record) bool {
	return slices.ContainsFunc(t.of(r), func(got string) bool {
		return slices.ContainsFunc(t.want, func(want string) bool { return block.MatchText(want, got, t.stars) })
	})
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

// anyOf appends the condition that one of these holds, whose arguments were added; none without any.
func (w *where) anyOf(terms []string) {
	if len(terms) > 0 {
		w.terms = append(w.terms, "("+strings.Join(terms, " OR ")+")")
	}
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

// addTimes appends the condition that a record's time is one that a filter asks for.
func (w *where) addTimes(d *dialect, f *RecordFilter) {
	if !f.Since.IsZero() {
		w.add("time >= ?", d.stamp(f.Since))
	}
	if !f.Until.IsZero() {
		w.add("time < ?", d.stamp(f.Until))
	}
}

// canonicalAll gives networks in the one form in which they are stored.
func canonicalAll(networks []netip.Prefix) (list []netip.Prefix, err error) {
	for _, n := range networks {
		p, err := canonical(n)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

// addNumbers appends the condition that a column holds one of these numbers; none without any.
func addNumbers[T ~uint8](w *where, column string, numbers []T) {
	var args []string
	for _, n := range numbers {
		args = append(args, w.arg(int64(n)))
	}
	if len(args) > 0 {
		w.terms = append(w.terms, column+" IN ("+strings.Join(args, ",")+")")
	}
}

// addPorts appends the condition that a column holds a port of one of these ranges; none without any.
func (w *where) addPorts(column string, ranges []PortRange) {
	var terms []string
	for _, r := range ranges {
		terms = append(terms, column+" BETWEEN "+w.arg(int64(r.First))+" AND "+w.arg(int64(r.Last)))
	}
	w.anyOf(terms)
}

// addFiles appends the condition that a record was read from one of the files that a filter names. The numbers are ours, so they
// need not be arguments, of which there may be ten thousand.
func (w *where) addFiles(f *RecordFilter) {
	if f.Files == nil {
		return
	}
	ids := make(map[int64][]string)
	for _, k := range f.Files {
		ids[k.Agent] = append(ids[k.Agent], strconv.FormatInt(k.ID, 10))
	}
	terms := []string{"1 = 0"}
	for _, agent := range slices.Sorted(maps.Keys(ids)) {
		terms = append(terms, "agent = "+strconv.FormatInt(agent, 10)+" AND file IN ("+strings.Join(ids[agent], ",")+")")
	}
	w.anyOf(terms)
}

// isOf tells whether a path is that of a wanted file.
func isOf(path string, wanted []string) bool {
	return slices.ContainsFunc(wanted, func(want string) bool {
		return block.MatchStars(want, path) || block.MatchStars(want, filepath.Base(path))
	})
}

// addFilter appends what both databases say alike: numbers and texts. lower is the expression that turns
// ASCII letters of a column into lower case and leaves all others.
func (w *where) addFilter(f *RecordFilter, lower string) {
	w.addPorts("src_port", f.SrcPort)
	w.addPorts("dst_port", f.DstPort)
	addNumbers(w, "outcome", f.Outcome)
	addNumbers(w, "grade", f.Grade)
	w.addFiles(f)
	for _, t := range f.textFilters() {
		if t.isASCII() {
			w.addTexts(&t, lower)
		}
	}
}

// addTexts appends a condition whose patterns are all of ASCII; lower is as in addFilter.
func (w *where) addTexts(t *textFilter, lower string) {
	var terms []string
	for _, column := range t.columns {
		column = strings.Replace(lower, "?", column, 1)
		var equal []string
		for _, want := range t.want {
			want = strings.ToLower(want)
			if t.stars && strings.Contains(want, "*") {
				want = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`, `*`, `%`).Replace(want)
				terms = append(terms, column+" LIKE "+w.arg(want)+` ESCAPE '\'`)
				continue
			}
			equal = append(equal, w.arg(want))
		}
		if len(equal) > 0 {
			terms = append(terms, column+" IN ("+strings.Join(equal, ",")+")")
		}
	}
	w.anyOf(terms)
}
