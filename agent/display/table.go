// Package display writes for people: aligned tables, times in the local zone, and what strangers chose without what would drive a
// terminal. It knows nothing of what it shows.
package display

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

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

// LocalTime writes a time in the local zone; "-" for none.
func LocalTime(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05 MST") // clocks are changed: without the zone an hour would be two
}
