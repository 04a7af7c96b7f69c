package watch

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"activedefense/agent/display"
)

// Colours are those of the terminal, and nothing is told by colour alone.
var (
	bold   = lipgloss.NewStyle().Bold(true)
	faint  = lipgloss.NewStyle().Faint(true)
	red    = lipgloss.NewStyle().Foreground(lipgloss.Red)
	green  = lipgloss.NewStyle().Foreground(lipgloss.Green)
	yellow = lipgloss.NewStyle().Foreground(lipgloss.Yellow)
	chosen = lipgloss.NewStyle().Reverse(true)
)

// View implements tea.Model.
func (m *Model) View() tea.View {
	v := tea.NewView(m.screen())
	v.AltScreen = true
	return v
}

// screen is as many lines as the terminal has, each as wide at most.
func (m *Model) screen() string {
	if m.width <= 0 || m.height <= 0 {
		return ""
	}
	var lines []string
	switch {
	case m.help:
		lines = m.helpText()
	case m.detail != nil || m.explained != "":
		lines = m.detailText()
	default:
		lines = m.list()
	}
	for len(lines) < m.height {
		lines = append(lines, "")
	}
	for i, line := range lines {
		lines[i] = ansi.Truncate(line, m.width, "…")
	}
	return strings.Join(lines[:m.height], "\n")
}

// list is the screen of what happens.
func (m *Model) list() []string {
	n := m.shown()
	head := append([]string{m.title(n), m.reading(n)}, m.troubles(n)...)
	foot := []string{m.keys()}
	room := m.height - len(head) - len(foot)
	var sums []string
	switch {
	case m.width >= wideFrom && m.height >= tallFrom:
		sums = m.columns(n)
	case room >= 10:
		sums = m.sums(n)
	}
	rows := room - len(sums)
	lines := append(head, m.table(rows)...)
	return append(append(lines, sums...), foot...)
}

// From this size on there are lists of what is a line each else.
const (
	wideFrom = 110
	tallFrom = 32
	listRows = 8 // of each
)

func (m *Model) title(n *news) string {
	left := bold.Render("Active Defense") + "  " + harmless(m.opts.At)
	var right []string
	if s := n.status; s != nil {
		if s.Blacklist != nil && s.Held != nil {
			right = append(right, display.Grouped(*s.Blacklist)+" blocked")
			if *s.Held > 0 {
				right = append(right, yellow.Render(display.Grouped(*s.Held)+" HELD"))
			}
		}
	}
	if m.frozen != nil {
		right = append([]string{chosen.Render(" SCREEN PAUSED ")}, right...)
	}
	return apart(left, strings.Join(append(right, n.now.In(m.opts.Zone).Format("15:04:05")), "  "), m.width)
}

// apart writes two texts at the two ends of a line; the left one is cut first.
func apart(left, right string, width int) string {
	room := width - ansi.StringWidth(right) - 1
	if room < 1 {
		return right
	}
	left = ansi.Truncate(left, room, "…")
	return left + strings.Repeat(" ", max(1, width-ansi.StringWidth(left)-ansi.StringWidth(right))) + right
}

// reading is lines a second, or that nobody knows.
func (m *Model) reading(n *news) string {
	switch {
	case n.lost != nil:
		return red.Render(fmt.Sprintf("NO ANSWER for %s, below is what was known before; asking again: %s", display.Span(n.now.Sub(n.since)), harmless(n.lost.Error())))
	case !n.heard:
		return "asking the daemon"
	case len(n.rates) == 0:
		return "lines a second: not known yet"
	}
	text := fmt.Sprintf("%8s lines/s  ", display.Grouped(int64(n.rates[len(n.rates)-1]+0.5)))
	room := max(0, m.width-len(text))
	rates := n.rates[max(0, len(n.rates)-room):]
	return text + green.Render(sparkline(rates))
}

// sparkline draws values; the highest is the highest bar, and what is not 0 is to be seen.
func sparkline(values []float64) string {
	bars := []rune("▁▂▃▄▅▆▇█")
	most := slices.Max(append([]float64{1e-9}, values...))
	var b strings.Builder
	for _, v := range values {
		if v <= 0 {
			b.WriteByte(' ')
			continue
		}
		b.WriteRune(bars[min(len(bars)-1, int(v/most*float64(len(bars))))])
	}
	return b.String()
}

// troubles are what a person should see to, as many as fit.
func (m *Model) troubles(n *news) (lines []string) {
	if n.status == nil {
		return nil
	}
	all := n.status.Troubles
	if len(all) == 0 && n.lost != nil {
		return nil // whether there are any now, nobody knows
	}
	if len(all) == 0 {
		return []string{green.Render("no troubles")}
	}
	most := max(1, m.height/6)
	for i, t := range all[:min(len(all), most)] {
		mark := "! "
		if left := len(all) - most; i == most-1 && left > 0 {
			mark = fmt.Sprintf("! (and %s more) ", display.Grouped(left))
		}
		lines = append(lines, red.Render(mark+harmless(t.What)+" (for "+display.Span(n.now.Sub(t.Since))+"). "+harmless(m.opts.Advice(t.Remedy))))
	}
	return lines
}

// table are the rows of the blacklist, as many as there is room for, the heading included.
func (m *Model) table(room int) (lines []string) {
	if room <= 0 {
		return nil
	}
	rows := m.rows()
	at := m.cursor(rows)
	most := max(1, room-1)
	m.top = min(m.top, at)             // the cursor is to be seen,
	m.top = max(m.top, at-most+1)      // from either side,
	m.top = min(m.top, len(rows)-most) // and no room to be left below the last
	m.top = max(m.top, 0)
	widths := m.widths(rows)
	heading := m.line(widths, "TIME", "ADDRESS", "WHAT", "RULE", "COUNTRY", "REASON")
	lines = append(lines, faint.Render(heading))
	for i := m.top; i < len(rows) && len(lines) < room; i++ {
		r := rows[i]
		text := m.line(widths, m.clock(r.at), r.Address, r.state(), r.Rule, r.Country, r.why())
		switch {
		case i == at && m.chosen != key{}:
			text = chosen.Render(text)
		case r.what == "held":
			text = yellow.Render(text)
		case r.what == "released":
			text = faint.Render(text)
		}
		lines = append(lines, text)
	}
	if len(rows) == 0 && len(lines) < room {
		switch {
		case m.search != "" && m.shown().heard:
			lines = append(lines, fmt.Sprintf("none of the newest %s matches; an address is looked up with enter", display.Plural(len(m.shown().rows), "entry")))
		case m.shown().heard:
			lines = append(lines, "nothing is blocked")
		}
	}
	for len(lines) < room {
		lines = append(lines, "")
	}
	return lines[:room]
}

// state is what has become of it; what a person has to see to is written large.
func (r *row) state() string {
	if r.what == "held" {
		return "HELD"
	}
	return r.what
}

// why is the reason for what has become of it.
func (r *row) why() string {
	switch {
	case r.ReleaseReason != "":
		return r.ReleaseReason
	case r.what == "held" && r.Hold != "":
		return r.Hold + "; " + r.Reason
	}
	return r.Reason
}

// clock writes a time, with its day where that is another one.
func (m *Model) clock(t time.Time) string {
	t, now := t.In(m.opts.Zone), m.shown().now.In(m.opts.Zone)
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04:05")
	}
	return t.Format("01-02 15:04")
}

// widths are those of the columns but for the last.
func (m *Model) widths(rows []*row) []int {
	widths := []int{8, 15, 8, 10, 8}
	for _, r := range rows[m.top:min(len(rows), m.top+m.height)] {
		for i, text := range []string{m.clock(r.at), r.Address, r.state(), r.Rule, r.Country} {
			widths[i] = max(widths[i], ansi.StringWidth(harmless(text)))
		}
	}
	for i, most := range []int{11, m.width / 4, 8, m.width / 6, m.width / 7} {
		widths[i] = min(widths[i], max(most, 8))
	}
	return widths
}

// line writes cells in columns, the last as it is.
func (m *Model) line(widths []int, cells ...string) string {
	var b strings.Builder
	for i, cell := range cells {
		cell = harmless(cell)
		if i == len(widths) {
			b.WriteString(cell)
			break
		}
		cell = ansi.Truncate(cell, widths[i], "…")
		b.WriteString(cell + strings.Repeat(" ", widths[i]-ansi.StringWidth(cell)+2))
	}
	return ansi.Truncate(b.String(), m.width, "…")
}

// tally is how many rows have a value.
type tally struct {
	name string
	n    int64
}

// tallied counts rows, the most first; what has no value is left out.
func tallied(rows []*row, of func(*row) (string, int64)) (list []tally) {
	counts := make(map[string]int64)
	for _, r := range rows {
		if name, n := of(r); name != "" {
			counts[name] += n
		}
	}
	for name, n := range counts {
		list = append(list, tally{name, n})
	}
	slices.SortFunc(list, func(a, b tally) int { return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.name, b.name)) })
	return list
}

func source(r *row) (string, int64)  { return r.Address, r.Hits }
func country(r *row) (string, int64) { return r.Country, 1 }

func port(r *row) (string, int64) {
	switch {
	case r.Port > 0:
		return strconv.Itoa(r.Port), 1
	case r.Port < 0:
		return "several", 1
	}
	return "", 1
}

// A board is a list of what there is most of, or how things are.
type board struct {
	title string
	rows  []string
}

// tops are those of the newest of the blacklist.
func tops(n *news) (boards []board) {
	for _, b := range []struct {
		title string
		of    func(*row) (string, int64)
	}{{"sources", source}, {"countries", country}, {"ports", port}} {
		one := board{title: b.title}
		for _, t := range tallied(n.rows, b.of) {
			one.rows = append(one.rows, fmt.Sprintf("%s (%s)", t.name, display.Grouped(t.n)))
		}
		boards = append(boards, one)
	}
	return boards
}

// parts are how firewalls and inputs are, those that are not well first.
func parts(n *news) []board {
	firewalls, inputs := board{title: "firewalls"}, board{title: "inputs"}
	if s := n.status; s != nil {
		var well []string
		for i := range s.Firewalls {
			f := &s.Firewalls[i]
			text := fmt.Sprintf("%s %s %s of %s", f.Name, f.State, display.Grouped(f.Tags), display.Grouped(f.Desired))
			if f.Up {
				well = append(well, text)
				continue
			}
			firewalls.rows = append(firewalls.rows, fmt.Sprintf("%s %s for %s", f.Name, strings.ToUpper(f.State), display.Span(n.now.Sub(f.Since))))
		}
		firewalls.rows = append(firewalls.rows, well...)
		all := &s.Files
		inputs.rows = append(inputs.rows, fmt.Sprintf("%s, %s behind, %s in trouble, %s silent", display.Plural(all.Files, "file"), display.Bytes(all.Behind), display.Grouped(all.InTrouble), display.Grouped(all.Silent)))
		for i := range s.Inputs {
			in := &s.Inputs[i]
			state := display.Plural(in.Lines, "line")
			switch {
			case in.Error != "":
				state = "ERROR " + in.Error
			case in.Silent != nil:
				state = "SILENT for " + display.Span(n.now.Sub(*in.Silent))
			case in.Behind > 0:
				state = display.Bytes(in.Behind) + " behind"
			}
			inputs.rows = append(inputs.rows, filepath.Base(in.Path)+" "+state)
		}
	}
	return []board{firewalls, inputs}
}

// sums is a line of each board.
func (m *Model) sums(n *news) (lines []string) {
	for _, b := range append(parts(n), tops(n)...) {
		text := strings.Join(b.rows[:min(len(b.rows), listRows)], ", ")
		lines = append(lines, faint.Render(fmt.Sprintf("%-10s", b.title))+harmless(cmp.Or(text, "-")))
	}
	return lines
}

// columns are the boards beside one another.
func (m *Model) columns(n *news) (lines []string) {
	boards := append(parts(n), tops(n)...)
	wide := m.width / len(boards)
	for i := range listRows + 1 {
		var b strings.Builder
		for _, one := range boards {
			cell := faint.Render(strings.ToUpper(one.title))
			switch {
			case i > len(one.rows):
				cell = ""
			case i == listRows && len(one.rows) > listRows:
				cell = fmt.Sprintf("and %s more", display.Grouped(len(one.rows)-listRows+1))
			case i > 0:
				cell = harmless(one.rows[i-1])
			}
			cell = ansi.Truncate(cell, wide-2, "…")
			b.WriteString(cell + strings.Repeat(" ", wide-ansi.StringWidth(cell)))
		}
		lines = append(lines, strings.TrimRight(b.String(), " "))
	}
	return append([]string{""}, lines...)
}

// keys is the last line.
func (m *Model) keys() string {
	switch {
	case m.typing:
		return "/" + harmless(m.search) + "█"
	case m.search != "":
		return "/" + harmless(m.search) + faint.Render("   esc all  / another  enter why  q quit")
	}
	return faint.Render("q quit  ↑↓ move  / search  enter why  p pause the screen  ? help")
}

func (m *Model) helpText() []string {
	return []string{bold.Render("Active Defense: keys"), "",
		"↑ ↓  j k       move the cursor; at the top it stays with the newest",
		"pgup pgdown    a page; home end, g G: to the newest, the oldest",
		"enter          why an address is blocked, with its log lines",
		"/              search addresses, networks, rules, countries, reasons;",
		"               enter looks an address up that is not in the list; esc: all",
		"p              pause the screen, and go on; blocking goes on meanwhile",
		"q  ctrl+c      quit", "",
		fmt.Sprintf("The list has the newest %s entries of the blacklist, and lists of sources,", display.Grouped(mostRows)),
		"countries and ports count these. Sources count log records.", "",
		faint.Render("any key: back")}
}

// detailText is what is known of an address.
func (m *Model) detailText() []string {
	d := m.detail
	if d == nil {
		return []string{bold.Render(harmless(m.explained)), "", "asking"}
	}
	page := max(1, m.height-2)
	var wrapped []string
	for _, line := range d.lines {
		wrapped = append(wrapped, strings.Split(ansi.Wrap(harmless(strings.ReplaceAll(line, "\t", "    ")), m.width, ""), "\n")...)
	}
	d.top = max(0, min(d.top, len(wrapped)-page))
	lines := append([]string{bold.Render(harmless(d.address))}, wrapped[d.top:min(len(wrapped), d.top+page)]...)
	for len(lines) < m.height-1 {
		lines = append(lines, "")
	}
	where := ""
	if len(wrapped) > page {
		where = fmt.Sprintf("  line %d of %d", d.top+1, len(wrapped))
	}
	return append(lines, faint.Render("q back  ↑↓ scroll"+where))
}
