package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"activedefense/agent/api"
	"activedefense/agent/display"
)

// recordsWriter writes the records that a search finds, one after the other.
type recordsWriter interface {
	write(*api.Record) error
	// end writes what is still held back. With whole set, all was looked at: there are no more.
	end(whole bool) error
}

// The formats of `records`.
const (
	formatTable = "table"
	formatCSV   = "csv"
	formatJSON  = "json"
)

// writer gives that of the format asked for.
func (r *recordsCommand) writer() (recordsWriter, error) {
	format := r.flags.format
	if r.json {
		if format != "" && format != formatJSON {
			return nil, usageErrorf("--json and --format %s: give one of them", format)
		}
		format = formatJSON
	}
	switch {
	case format == formatJSON:
		return &jsonRecords{r.app}, nil
	case format == formatCSV:
		return newCSVRecords(r.stdout)
	case format != "" && format != formatTable:
		return nil, usageErrorf("--format %q: the formats are table, csv and json", format)
	case r.flags.full:
		return &fullRecords{stdout: r.stdout}, nil
	}
	return newTableRecords(r.stdout, widthOf(r.stdout)), nil
}

// jsonRecords writes one object a line.
type jsonRecords struct{ *app }

func (w *jsonRecords) write(r *api.Record) error { return w.printJSON(r) }
func (w *jsonRecords) end(bool) error            { return nil }

// tableRecords writes a table, aligned page by page: the alignment holds a page in memory.
type tableRecords struct {
	stdout io.Writer
	t      *display.Table
	wide   bool // with what became of the session and what it was, each in a column
	n      int
}

// wideTable is how many columns a terminal needs for the wide table.
const wideTable = 200

// newTableRecords begins a table for a terminal of so many columns; 0: it is read by something else, which takes any.
func newTableRecords(to io.Writer, width int) *tableRecords {
	w := &tableRecords{stdout: to, wide: width == 0 || width >= wideTable}
	columns := []string{"TIME", "DEVICE", "SOURCE", "DESTINATION", "TYPE", "ACTION", "OUTCOME", "RULE", "SEVERITY", "THREAT"}
	if w.wide {
		columns = slices.Insert(columns, afterOutcome, "GRADE", "APPLICATION/METHOD", "ZONES", "END REASON/LOGIN ERROR")
	}
	w.t = display.NewTable(to, columns...)
	return w
}

// afterOutcome is where in a row the columns of the wide table stand.
const afterOutcome = 7

// widthOf is how many columns a terminal has; 0 if it is none.
func widthOf(w io.Writer) int {
	f, ok := unguarded(w).(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

func (w *tableRecords) write(r *api.Record) error {
	w.n++
	row := []any{display.LocalTime(r.Time), r.Device, endpoint(addrOf(r.Src), r.SrcPort, r.SrcCountry), endpoint(addrOf(r.Dst), r.DstPort, ""),
		r.Type + " " + r.Subtype, r.Action, r.Outcome, r.Rule, r.Severity, r.ThreatName}
	if w.wide {
		row = slices.Insert(row, afterOutcome, any(r.Grade), any(r.Application), any(zones(r.FromZone, r.ToZone)), any(r.SessionEndReason))
	}
	w.t.Row(row...)
	if w.n%recordsPage == 0 {
		return w.t.Flush() // an error is that of the output: nobody reads on
	}
	return nil
}

func (w *tableRecords) end(whole bool) error {
	if w.n == 0 {
		return sayNone(w.stdout, whole)
	}
	return w.t.Flush()
}

// fullRecords writes each record as a table of its fields, those that are empty left out.
type fullRecords struct {
	stdout io.Writer
	n      int
}

func (w *fullRecords) write(r *api.Record) error {
	if w.n++; w.n > 1 {
		fmt.Fprintln(w.stdout)
	}
	t := display.NewTable(w.stdout)
	names, values := recordFields(*r, display.LocalTime)
	for i, value := range values {
		if value != "" {
			t.Row(names[i], value)
		}
	}
	return t.Flush()
}

func (w *fullRecords) end(whole bool) error {
	if w.n == 0 {
		return sayNone(w.stdout, whole)
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

func newCSVRecords(to io.Writer) (*csvRecords, error) {
	w := &csvRecords{csv: csv.NewWriter(to)}
	names, _ := recordFields(api.Record{}, rfc3339)
	return w, w.csv.Write(names)
}

func (w *csvRecords) write(r *api.Record) error {
	_, values := recordFields(*r, rfc3339)
	for i := range values {
		values[i] = inert(values[i])
	}
	if err := w.csv.Write(values); err != nil {
		return err
	}
	if w.n++; w.n%recordsPage == 0 {
		return w.end(true)
	}
	return nil
}

func (w *csvRecords) end(bool) error {
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

// progressEvery is how often a search says at a terminal how far it is.
const progressEvery = time.Second

// A progress says on a line of a terminal how far a search is, and takes it away before anything else is written there.
type progress struct {
	w io.Writer // the terminal itself, for the line moves its cursor

	mu    sync.Mutex
	began time.Time
	found int
	last  time.Time // of the last record found
	shown bool
}

// note takes in a record that was found. A nil progress is none.
func (p *progress) note(r *api.Record) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.found, p.last = p.found+1, r.Time
}

// run shows it with every tick until done is closed.
func (p *progress) run(ticks <-chan time.Time, done <-chan struct{}) {
	for {
		select {
		case <-done:
			p.mu.Lock()
			defer p.mu.Unlock()
			p.hide()
			return
		case now := <-ticks:
			p.show(now)
		}
	}
}

func (p *progress) show(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := fmt.Sprintf("searching for %s, nothing found yet", span(now.Sub(p.began)))
	if p.found > 0 {
		text = fmt.Sprintf("searching for %s, %s down to %s", span(now.Sub(p.began)), plural(p.found, "record"), display.LocalTime(p.last))
	}
	fmt.Fprint(p.w, "\r\x1b[K"+text)
	p.shown = true
}

// hide is called with mu held.
func (p *progress) hide() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}

// A behindProgress writes where a progress may stand.
type behindProgress struct {
	io.Writer
	p *progress
}

func (w *behindProgress) Write(b []byte) (int, error) {
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	w.p.hide()
	return w.Writer.Write(b)
}

// showProgress shows the progress of a search at a terminal; done ends it, and may be called again. Where standard error is none,
// there is nothing to show; nor where the records go through a pipe, for behind it may be what shows them on the same terminal.
func (r *recordsCommand) showProgress() (p *progress, done func()) {
	if !isTerminal(r.stderr) || isPipe(r.stdout) {
		return nil, func() {}
	}
	p = &progress{w: unguarded(r.stderr), began: time.Now()}
	guarded := *r.app
	guarded.stdout = &behindProgress{r.stdout, p}
	r.app = &guarded
	tick := time.NewTicker(progressEvery)
	ended, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		p.run(tick.C, ended)
	}()
	return p, sync.OnceFunc(func() {
		tick.Stop()
		close(ended)
		<-over
	})
}

func isPipe(w io.Writer) bool {
	f, ok := unguarded(w).(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeNamedPipe != 0
}
