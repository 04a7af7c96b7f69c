package notify

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"

	"activedefense/agent/display"
	"activedefense/store"
)

// inFull is how many notices a mail writes out; more are in the table that comes with it.
const inFull = 20

// letter is a mail as it is read.
type letter struct {
	id      string
	subject string
	plain   string
	html    string
	csv     []byte // nil: all is written out
}

//go:embed letter.html
var letterHTML string

// item is one notice for a reader.
type item struct {
	Subject, Why string
	Facts        []fact
	Lines        []string
	Undo         []string
}

type fact struct{ Name, Value string }

// newLetter writes a mail of notices, at least one.
func newLetter(agent string, notices []store.Notice) *letter {
	l := &letter{id: notices[0].ID + "." + notices[len(notices)-1].ID, subject: "Active Defense on " + clip(display.Harmless(agent), 100) + ": " + summary(notices)}
	var items []item
	for i := range notices[:min(len(notices), inFull)] {
		items = append(items, itemOf(&notices[i]))
	}
	more := ""
	if len(notices) > inFull {
		more = fmt.Sprintf("and %s more; all %s are in the attached table", display.Grouped(len(notices)-inFull), display.Grouped(len(notices)))
		l.csv = table(notices)
	}
	l.plain = plain(items, more)
	var html bytes.Buffer
	// The template is ours, and bytes.Buffer takes everything.
	_ = template.Must(template.New("letter").Parse(letterHTML)).Execute(&html, map[string]any{"Subject": l.subject, "Items": items, "More": more})
	l.html = html.String()
	return l
}

// summary tells of notices in one line.
func summary(notices []store.Notice) string {
	if len(notices) == 1 {
		return subject(&notices[0])
	}
	var blocks, holds, releases, others int64
	for i := range notices {
		switch n := &notices[i]; n.Event {
		case store.EventBlock:
			blocks += n.Stands
		case store.EventHeld:
			holds += n.Stands
		case store.EventReleased:
			releases += n.Stands
		default:
			others += n.Stands
		}
	}
	var parts []string
	if blocks > 0 {
		parts = append(parts, display.Plural(blocks, "source")+" blocked")
	}
	if holds > 0 {
		parts = append(parts, display.Plural(holds, "source")+" held")
	}
	if releases > 0 {
		parts = append(parts, display.Plural(releases, "source")+" released")
	}
	if others > 0 {
		parts = append(parts, display.Plural(others, "notice"))
	}
	return strings.Join(parts, ", ")
}

func itemOf(n *store.Notice) item {
	it := item{Subject: subject(n), Why: why(n), Undo: undo(n)}
	add := func(name, value string) {
		if value != "" {
			it.Facts = append(it.Facts, fact{name, clip(display.Harmless(value), 300)})
		}
	}
	add("when", n.Time.UTC().Format(time.RFC3339))
	if !n.Since.IsZero() {
		add("since", n.Since.UTC().Format(time.RFC3339))
	}
	add("rule", n.Rule)
	add("grade", n.Grade)
	add("country", n.Country)
	add("device", n.Device)
	if n.Hits > 0 {
		add("records", strconv.FormatInt(n.Hits, 10))
	}
	for _, line := range n.Lines {
		it.Lines = append(it.Lines, display.Harmless(line))
	}
	return it
}

// plain writes items as text.
func plain(items []item, more string) string {
	var b strings.Builder
	for i, it := range items {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(it.Subject + "\n")
		if it.Why != "" {
			b.WriteString("  " + it.Why + "\n")
		}
		for _, f := range it.Facts {
			fmt.Fprintf(&b, "  %s: %s\n", f.Name, f.Value)
		}
		for _, line := range it.Lines {
			b.WriteString("  | " + line + "\n")
		}
		for _, command := range it.Undo {
			b.WriteString("  $ " + command + "\n")
		}
	}
	if more != "" {
		b.WriteString("\n" + more + "\n")
	}
	return b.String()
}

// table names every notice, one a row.
func table(notices []store.Notice) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	// bytes.Buffer takes everything.
	_ = w.Write([]string{"time", "event", "address", "rule", "grade", "reason", "device", "country", "records", "id"})
	for i := range notices {
		n := &notices[i]
		reason := why(n)
		if n.Address == "" {
			reason = subject(n)
		}
		_ = w.Write([]string{n.Time.UTC().Format(time.RFC3339), n.Event, n.Address, cell(n.Rule), n.Grade, cell(reason), cell(n.Device), cell(n.Country), strconv.FormatInt(n.Hits, 10), n.ID})
	}
	w.Flush()
	return b.Bytes()
}

// cell writes a text so that a spreadsheet takes it for no formula: strangers choose parts of it.
func cell(s string) string {
	s = display.Harmless(s)
	if s != "" && strings.ContainsRune("=+-@", rune(s[0])) {
		return "'" + s
	}
	return s
}
