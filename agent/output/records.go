// Package output writes what the command line gives: records, plans of provision, verdicts of a replay; for people, for a spreadsheet and
// for programs. It asks nobody, and knows of a terminal only its width.
package output

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"activedefense/agent/api"
	"activedefense/agent/display"
)

// Records writes the records that a search finds, one after the other.
type Records interface {
	Write(*api.Record) error
	// End writes what is still held back. With whole set, all was looked at: there are no more.
	End(whole bool) error
}

// The formats of records.
const (
	FormatTable = "table"
	FormatCSV   = "csv"
	FormatJSON  = "json"
)

// Page is how many rows of the table are aligned with one another: the alignment has to hold them in memory, and a search for all may give
// millions.
const Page = 1000

// NewRecords begins to write records in a format; "" is a table. With full set, each record of the table is one of its fields, one below the
// other. width is how many columns the terminal has for which it is; 0: it is read by something else, which takes any. An error
// says that there is no such format.
func NewRecords(to io.Writer, format string, full bool, width int) (Records, error) {
	switch {
	case format == FormatJSON:
		return &jsonRecords{to}, nil
	case format == FormatCSV:
		return newCSVRecords(to), nil
	case format != "" && format != FormatTable:
		return nil, fmt.Errorf("--format %q: the formats are table, csv and json", format)
	case full:
		return &fullRecords{to: to}, nil
	}
	return newTableRecords(to, width), nil
}

// JSON writes one object on one line.
func JSON(to io.Writer, v any) error {
	encoder := json.NewEncoder(to)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// jsonRecords writes one object a line.
type jsonRecords struct{ to io.Writer }

func (w *jsonRecords) Write(r *api.Record) error { return JSON(w.to, r) }
func (w *jsonRecords) End(bool) error            { return nil }

// tableRecords writes a table, aligned page by page: the alignment holds a page in memory.
type tableRecords struct {
	to   io.Writer
	t    *display.Table
	wide bool // with what became of the session and what it was, each in a column
	n    int
}

// wideTable is how many columns a terminal needs for the wide table.
const wideTable = 200

// newTableRecords begins a table for a terminal of so many columns; 0: it is read by something else, which takes any.
func newTableRecords(to io.Writer, width int) *tableRecords {
	w := &tableRecords{to: to, wide: width == 0 || width >= wideTable}
	columns := []string{"TIME", "DEVICE", "SOURCE", "DESTINATION", "TYPE", "ACTION", "OUTCOME", "RULE", "SEVERITY", "THREAT"}
	if w.wide {
		columns = slices.Insert(columns, afterOutcome, "GRADE", "APPLICATION/METHOD", "ZONES", "END REASON/LOGIN ERROR")
	}
	w.t = display.NewTable(to, columns...)
	return w
}

// afterOutcome is where in a row the columns of the wide table stand.
const afterOutcome = 7

func (w *tableRecords) Write(r *api.Record) error {
	w.n++
	row := []any{display.LocalTime(r.Time), r.Device, Endpoint(addrOf(r.Src), r.SrcPort, r.SrcCountry), Endpoint(addrOf(r.Dst), r.DstPort, ""),
		r.Type + " " + r.Subtype, r.Action, r.Outcome, r.Rule, r.Severity, r.ThreatName}
	if w.wide {
		row = slices.Insert(row, afterOutcome, any(r.Grade), any(r.Application), any(Zones(r.FromZone, r.ToZone)), any(r.SessionEndReason))
	}
	w.t.Row(row...)
	if w.n%Page == 0 {
		return w.t.Flush() // an error is that of the output: nobody reads on
	}
	return nil
}

func (w *tableRecords) End(whole bool) error {
	if w.n == 0 {
		return sayNone(w.to, whole)
	}
	return w.t.Flush()
}

// fullRecords writes each record as a table of its fields, those that are empty left out.
type fullRecords struct {
	to io.Writer
	n  int
}

func (w *fullRecords) Write(r *api.Record) error {
	if w.n++; w.n > 1 {
		fmt.Fprintln(w.to)
	}
	t := display.NewTable(w.to)
	names, values := recordFields(*r, display.LocalTime)
	for i, value := range values {
		if value != "" {
			t.Row(names[i], value)
		}
	}
	return t.Flush()
}

func (w *fullRecords) End(whole bool) error {
	if w.n == 0 {
		return sayNone(w.to, whole)
	}
	return nil
}

func sayNone(to io.Writer, whole bool) error {
	if !whole {
		return nil // nobody knows
	}
	_, err := fmt.Fprintln(to, "no records match")
	return err
}

// csvRecords writes a line of comma-separated values a record, below one of the fields' names.
type csvRecords struct {
	csv *csv.Writer
	n   int
}

func newCSVRecords(to io.Writer) *csvRecords {
	w := &csvRecords{csv: csv.NewWriter(to)}
	names, _ := recordFields(api.Record{}, rfc3339)
	_ = w.csv.Write(names) // an error stays until Flush
	return w
}

func (w *csvRecords) Write(r *api.Record) error {
	_, values := recordFields(*r, rfc3339)
	for i := range values {
		values[i] = inert(values[i])
	}
	if err := w.csv.Write(values); err != nil {
		return err
	}
	if w.n++; w.n%Page == 0 {
		return w.End(true)
	}
	return nil
}

func (w *csvRecords) End(bool) error {
	w.csv.Flush()
	return w.csv.Error()
}

// inert makes of a text that strangers chose one that neither a terminal nor a spreadsheet carries out: the latter takes
// what begins with one of these for a formula, unless an apostrophe stands before it.
func inert(s string) string {
	s = display.Harmless(s)
	if s != "" && strings.ContainsRune("=+-@", rune(s[0])) {
		return "'" + s
	}
	return s
}

func rfc3339(t time.Time) string { return t.Format(time.RFC3339Nano) }

// recordFields gives a record's fields by their names in JSON, so that every format has the same ones. A port is empty
// where its address is.
func recordFields(r api.Record, timeText func(time.Time) string) (names, values []string) {
	v := reflect.ValueOf(r)
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("json")
		value := fmt.Sprint(v.Field(i).Interface())
		if t, ok := v.Field(i).Interface().(time.Time); ok {
			value = timeText(t)
		}
		if side, isPort := strings.CutSuffix(name, "_port"); isPort && (side == "src" && r.Src == "" || side == "dst" && r.Dst == "") {
			value = ""
		}
		names, values = append(names, name), append(values, value)
	}
	return names, values
}

// addrOf reads an address as the API writes it; that of a missing one is none.
func addrOf(text string) netip.Addr {
	a, _ := netip.ParseAddr(text)
	return a
}

// Endpoint writes "203.0.113.7:443 (Country)"; "" where there is no address.
func Endpoint(addr netip.Addr, port uint16, country string) string {
	if !addr.IsValid() {
		return ""
	}
	text := netip.AddrPortFrom(addr, port).String()
	if port == 0 {
		text = addr.String() // of a protocol or a log without ports
	}
	if country != "" {
		text += " (" + country + ")"
	}
	return text
}

// Zones writes "from internet to dmz"; "" where neither is known.
func Zones(from, to string) string {
	if from != "" {
		from = "from " + from
	}
	if to != "" {
		to = "to " + to
	}
	return strings.TrimSpace(from + " " + to)
}
