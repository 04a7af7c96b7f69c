package report

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"activedefense/agent/display"
)

// Formats are those that a report is written in; the first is that for a terminal.
var Formats = []string{"text", "csv", "html"}

// Write writes the report in one of Formats.
func (r *Report) Write(w io.Writer, format string) error {
	switch format {
	case "text":
		return r.text(w)
	case "csv":
		return r.csv(w)
	case "html":
		return r.html(w)
	}
	return fmt.Errorf("%q: the formats are %s", format, strings.Join(Formats, ", "))
}

// A list is one of the report's lists of counts.
type list struct {
	Title  string // for people
	Name   string // in CSV
	Column string
	Counts []Count
	Of     int64 // the blocks of all values
}

func (r *Report) lists() []list {
	return []list{{"Blocks by rule", "rule", "Rule", r.Rules, r.Blocks}, {"Blocks by country", "country", "Country", r.Countries, r.Blocks},
		{"Blocks by port", "port", "Port", r.Ports, r.Blocks}, {"Blocks by firewall", "firewall", "Firewall", r.Firewalls, r.Blocks}}
}

// Others are the blocks of the values that are not in the list.
func (l list) Others() int64 {
	left := l.Of
	for _, c := range l.Counts {
		left -= c.Blocks
	}
	return max(0, left)
}

// Share is how much of all blocks that is, in words.
func (l list) Share(blocks int64) string { return share(blocks, l.Of) }

func share(part, of int64) string {
	if of == 0 {
		return "-"
	}
	return percent(float64(part) / float64(of))
}

func percent(x float64) string {
	text := strconv.FormatFloat(100*x, 'f', 1, 64)
	if text == "100.0" && x < 1 {
		text = "99.9" // what was missing is not to be rounded away
	}
	return text + " %"
}

// Available is the share of the time, in words.
func (a *Availability) available() string {
	if a.Available == nil {
		return Unknown
	}
	return percent(*a.Available)
}

func seconds(s float64) string {
	if s == 0 {
		return "-"
	}
	return display.Span(time.Duration(s * float64(time.Second)))
}

// A sum is one number of the whole time.
type sum struct {
	Text, Name string
	Value      int64
}

func (r *Report) sums() []sum {
	return []sum{{"blocks", "blocks", r.Blocks}, {"sources blocked", "sources", r.Sources}, {"log records of them", "records", r.Records},
		{"blocks that ended", "released", r.Released}, {"of these by hand", "released_by_hand", r.ByHand},
		{"blocked now", "blocked_now", r.Standing}, {"held now, for a person to decide", "held_now", r.Held}, {"observed now", "observed_now", r.Observed}}
}

// Period is the time of the report, in words.
func (r *Report) Period() string { return minute(r.From) + " to " + minute(r.Until) + " UTC" }

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

// barWidth is how many characters the longest bar of the text has.
const barWidth = 30

func (r *Report) text(w io.Writer) error {
	t := display.NewTable(w)
	t.Line("Active Defense, %s", r.Period())
	t.Line("")
	for _, s := range r.sums() {
		t.Row(s.Text, display.Grouped(s.Value))
	}
	for _, l := range r.lists() {
		t.Line("\n%s", l.Title)
		for _, c := range l.Counts {
			t.Row(c.Name, display.Grouped(c.Blocks), l.Share(c.Blocks))
		}
		if n := l.Others(); n > 0 {
			t.Row("others", display.Grouped(n), l.Share(n))
		}
		if len(l.Counts) == 0 {
			t.Line("none")
		}
	}
	t.Line("\nBlocks by day (UTC)")
	most := r.busiest()
	for _, d := range r.Days {
		t.Row(d.Name, display.Grouped(d.Blocks), strings.Repeat("#", int((d.Blocks*barWidth+most-1)/most)))
	}
	t.Line("\nSources with the most records")
	if len(r.Top) == 0 {
		t.Line("none")
	} else {
		t.Row("ADDRESS", "COUNTRY", "RULE", "BLOCKS", "RECORDS", "LAST SEEN (UTC)")
	}
	for _, s := range r.Top {
		t.Row(s.Address, s.Country, s.Rule, display.Grouped(s.Blocks), display.Grouped(s.Records), minute(s.Last))
	}
	t.Line("\nAvailability of enforcement, as far as it is known")
	if len(r.Availability) == 0 {
		t.Line("unknown: nothing was noted in this time")
	} else {
		t.Row("FIREWALL", "TOOK BLOCKS", "UP", "DOWN", "OUTAGES", "LONGEST", "NO RULE", "PAUSED", "MAINTENANCE", "STANDBY", "UNKNOWN")
	}
	for i := range r.Availability {
		a := &r.Availability[i]
		t.Row(a.Firewall, a.available(), seconds(a.Up), seconds(a.Down), a.Outages, seconds(a.Longest), seconds(a.Unenforced), seconds(a.Paused), seconds(a.Maintenance), seconds(a.Standby), seconds(a.Unknown))
	}
	return t.Flush()
}

// busiest is the most blocks of a day; at least 1.
func (r *Report) busiest() int64 {
	most := int64(1)
	for _, d := range r.Days {
		most = max(most, d.Blocks)
	}
	return most
}

// csv writes a value a line: section, name, measure, value.
func (r *Report) csv(to io.Writer) error {
	w := csv.NewWriter(to)
	put := func(section, name, measure string, value any) {
		_ = w.Write([]string{section, inert(name), measure, inert(fmt.Sprint(value))}) // an error stays in the writer
	}
	_ = w.Write([]string{"section", "name", "measure", "value"})
	put("period", "", "from", r.From.Format(time.RFC3339))
	put("period", "", "until", r.Until.Format(time.RFC3339))
	for _, s := range r.sums() {
		put("total", "", s.Name, s.Value)
	}
	for _, l := range append(r.lists(), list{Name: "day", Counts: r.Days}) {
		for _, c := range l.Counts {
			put(l.Name, c.Name, "blocks", c.Blocks)
		}
	}
	for _, s := range r.Top {
		put("source", s.Address, "blocks", s.Blocks)
		put("source", s.Address, "records", s.Records)
		put("source", s.Address, "country", s.Country)
		put("source", s.Address, "rule", s.Rule)
		put("source", s.Address, "last_seen", s.Last.UTC().Format(time.RFC3339))
	}
	for i := range r.Availability {
		a := &r.Availability[i]
		available := Unknown
		if a.Available != nil {
			available = strconv.FormatFloat(*a.Available, 'f', 6, 64)
		}
		put("availability", a.Firewall, "available", available)
		put("availability", a.Firewall, "outages", a.Outages)
		for _, m := range []struct {
			name  string
			value float64
		}{{"up_seconds", a.Up}, {"down_seconds", a.Down}, {"longest_outage_seconds", a.Longest}, {"unenforced_seconds", a.Unenforced}, {"paused_seconds", a.Paused},
			{"maintenance_seconds", a.Maintenance}, {"standby_seconds", a.Standby}, {"unknown_seconds", a.Unknown}} {
			put("availability", a.Firewall, m.name, strconv.FormatFloat(m.value, 'f', 0, 64))
		}
	}
	w.Flush()
	return w.Error()
}

// inert makes of a text that strangers chose one that neither a terminal nor a spreadsheet carries out: an apostrophe before what the
// latter would take for a formula.
func inert(s string) string {
	if s = display.Harmless(s); s != "" && strings.IndexByte("=+-@", s[0]) >= 0 {
		return "'" + s
	}
	return s
}

//go:embed report.html
var page string

var pageTemplate = template.Must(template.New("report").Funcs(template.FuncMap{"grouped": display.Grouped[int64], "harmless": display.Harmless, "minute": minute, "seconds": seconds,
	"available": (*Availability).available}).Parse(page))

// The size of the chart of days, in its own units.
const (
	chartWidth  = 720
	chartHeight = 180
)

// A column is a day's in the chart.
type column struct {
	X, Y, Width, Height string
	Day                 string
	Blocks              int64
}

// columns lay out the days.
func (r *Report) columns() (columns []column) {
	most, wide := float64(r.busiest()), chartWidth/float64(max(1, len(r.Days)))
	for i, d := range r.Days {
		height := chartHeight * float64(d.Blocks) / most
		columns = append(columns, column{units(float64(i) * wide), units(chartHeight - height), units(max(0.5, wide*0.85)), units(height), d.Name, d.Blocks})
	}
	return columns
}

// LastDay is the last of Days, of which there is one.
func (r *Report) LastDay() string { return r.Days[len(r.Days)-1].Name }

func units(x float64) string { return strconv.FormatFloat(x, 'f', 2, 64) }

// A part is a stretch of a firewall's bar.
type part struct{ X, Width, Class, Text string }

// parts lay out how a firewall did, in percents of the time.
func (a *Availability) parts(whole float64) (parts []part) {
	at := 0.0
	for _, p := range []struct {
		seconds     float64
		class, text string
	}{{a.Up, "up", "took blocks"}, {a.Standby, "standby", "standby"}, {a.Maintenance, "maintenance", "maintenance"}, {a.Paused, "paused", "paused"},
		{a.Unenforced, "unenforced", "up without a rule that stops anything"}, {a.Down, "down", "down"}, {a.Unknown, "unknown", "unknown"}} {
		if wide := 100 * p.seconds / max(whole, 1); p.seconds > 0 {
			parts = append(parts, part{units(at), units(wide), p.class, p.text + ": " + seconds(p.seconds)})
			at += wide
		}
	}
	return parts
}

func (r *Report) html(w io.Writer) error {
	type firewall struct {
		*Availability
		Parts []part
	}
	type row struct {
		Name, Share, Width string
		Blocks             int64
	}
	type table struct {
		list
		Rows []row
	}
	data := struct {
		*Report
		Sums          []sum
		Tables        []table
		Columns       []column
		Busiest       int64
		Width, Height int
		Firewalls     []firewall
	}{r, r.sums(), nil, r.columns(), r.busiest(), chartWidth, chartHeight, nil}
	for _, l := range r.lists() {
		t := table{list: l}
		counts := slices.Clone(l.Counts)
		if n := l.Others(); n > 0 {
			counts = append(counts, Count{"others", n})
		}
		for _, c := range counts {
			t.Rows = append(t.Rows, row{c.Name, l.Share(c.Blocks), units(100 * float64(c.Blocks) / float64(max(1, l.Of))), c.Blocks})
		}
		data.Tables = append(data.Tables, t)
	}
	for i := range r.Availability {
		data.Firewalls = append(data.Firewalls, firewall{&r.Availability[i], r.Availability[i].parts(r.Until.Sub(r.From).Seconds())})
	}
	return pageTemplate.Execute(w, data)
}
