// Package screen writes the state of an agent for people: what they should see to first, then sums, then the worst and the newest rows,
// as many as there is room for. It asks nobody, and knows what a terminal is only by its size.
package screen

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"activedefense/agent"
	"activedefense/agent/display"
)

// Options say how much is shown. The zero value is for what is no terminal.
type Options struct {
	Width  int  // longer lines are cut, and troubles broken; 0: neither
	Height int  // lines to do with, as far as there is anything to leave out; 0: 40
	All    bool // every row there is
}

// usualHeight is what is done with where nobody knows the height.
const usualHeight = 40

// A view is one state that is being written.
type view struct {
	*agent.Status
	opts Options
}

// Write writes a state.
func Write(w io.Writer, s *agent.Status, o Options) error {
	if o.Height <= 0 {
		o.Height = usualHeight
	}
	v := &view{s, o}
	var out bytes.Buffer
	if err := v.head(&out); err != nil {
		return err
	}
	sections := []*section{v.members(), v.files(), v.listeners(), v.firewalls(), v.policies(), v.notices(), v.named(), v.badLines()}
	room := o.Height - bytes.Count(out.Bytes(), []byte("\n"))
	var wants []int
	for _, s := range sections {
		wants = append(wants, len(s.rows))
		if len(s.rows)+len(s.sum) > 0 {
			room -= 4 // a line between, the sum, the heading, and how many more there are
		}
	}
	for i, n := range shares(room, wants) {
		if o.All {
			n = wants[i]
		}
		if err := sections[i].write(&out, n); err != nil {
			return err
		}
	}
	_, err := w.Write(cut(out.Bytes(), o.Width))
	return err
}

// leastRows is how many rows of a section are shown, however little room there is.
const leastRows = 2

// shares divides room among those who want some, evenly.
func shares(room int, wants []int) []int {
	got := make([]int, len(wants))
	for more := true; more; {
		more = false
		for i, want := range wants {
			if got[i] < want && (room > 0 || got[i] < leastRows) {
				got[i]++
				room--
				more = true
			}
		}
	}
	return got
}

// A section is a table under its sum.
type section struct {
	sum     string // one line; empty: none
	columns []string
	rows    [][]any // the worst first
	beyond  int     // that are not among rows
}

// write writes the first rows.
func (s *section) write(w io.Writer, most int) error {
	if s.sum == "" && len(s.rows) == 0 {
		return nil
	}
	fmt.Fprintf(w, "\n%s\n", display.Harmless(s.sum))
	if len(s.rows) > 0 {
		t := display.NewTable(w, s.columns...)
		for _, row := range s.rows[:most] {
			t.Row(row...)
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	if left := len(s.rows) - most; left > 0 {
		fmt.Fprintf(w, "and %s more: --all\n", display.Grouped(left))
	}
	if s.beyond > 0 {
		fmt.Fprintf(w, "and %s more\n", display.Grouped(s.beyond))
	}
	return nil
}

// head writes what there is one of, after what a person should see to.
func (v *view) head(w io.Writer) error {
	ready := "ready"
	if !v.Ready {
		ready = "NOT READY: " + v.saidAbove(strings.Join(v.NotReady, "; "), "the database is refused, see TROUBLE")
	}
	t := display.NewTable(w)
	t.Row("agent", fmt.Sprintf("%s, up %s, %s", v.Version, display.Span(v.Now.Sub(v.Started)), ready))
	lines, shown := 0, 0
	for _, one := range v.Troubles {
		text := wrapped(one.What+" (since "+display.LocalTime(one.Since)+"). "+one.Remedy, v.opts.Width-len("TROUBLE    "))
		if lines += len(text); lines > v.opts.Height/3 && shown > 0 && !v.opts.All {
			t.Row("", fmt.Sprintf("and %s more: --all", display.Grouped(len(v.Troubles)-shown)))
			break
		}
		shown++
		for i, line := range text {
			t.Row([]string{"TROUBLE", ""}[min(i, 1)], line)
		}
	}
	store := "ok"
	switch {
	case v.Store.NoAnswer > 0:
		store = v.Store.Error
	case !v.Store.OK:
		store = fmt.Sprintf("UNAVAILABLE since %s: %s", display.LocalTimeOrNone(v.Store.Since), v.saidAbove(v.Store.Error, "refused, see TROUBLE"))
	}
	if v.Store.Kind != "" {
		store = display.Place(v.Store.Kind, v.Store.Host, v.Store.Database) + ", " + store
	}
	t.Row("store", fmt.Sprintf("%s, last commit %s", store, display.LocalTimeOrNone(v.Store.LastCommit)))
	t.Row("reading", fmt.Sprintf("%.0f lines/s; %s in memory, %s evicted", v.Rate, display.Plural(v.Detect.Sources, "source"), display.Grouped(v.Detect.Evicted)))
	title := "detection"
	for text := range strings.SplitSeq(v.detection(), "\n") {
		t.Row(title, text)
		title = ""
	}
	t.Row("blacklist", v.blacklist())
	for _, line := range v.ours() {
		t.Row("ours", line)
	}
	if v.Waiting != "" {
		t.Row("releases", "WAITING (except those at a fixed time) for what was not read: "+v.Waiting)
	}
	if l := v.List; l != nil {
		t.Row("list", fmt.Sprintf("%s (%s left out), last fetched %s, certificate until %s", display.Plural(l.Entries, "entry"), display.Grouped(l.LeftOut),
			display.LocalTime(l.LastFetch), display.LocalTime(l.CertNotAfter)))
	}
	return t.Flush()
}

// saidAbove gives a text in short where it ends with why the database is refused, and with the remedy, which a trouble tells.
func (v *view) saidAbove(text, short string) string {
	why := v.Store.Refused
	before, _, found := strings.Cut(text, why)
	if why == "" || !found {
		return text
	}
	for i := range v.Troubles {
		if strings.Contains(v.Troubles[i].What, why) {
			return before + short
		}
	}
	return text
}

// detection is how near others are to being blocked, and how much of what is refused comes from those who are.
func (v *view) detection() string {
	text := display.Plural(v.Detect.NearThreshold, "source") + " near a threshold (with half of it or more)"
	if blocked, _, ok := v.Detect.Shares(); ok {
		text += fmt.Sprintf("; %.0f %% of the refused records are of blocked sources", 100*blocked)
	}
	if v.Detect.PartnersSince != nil {
		text += "\npartners known since " + display.LocalTimeOrNone(v.Detect.PartnersSince) + " (24 h needed): until then one whose address is forged may be blocked"
	}
	return text
}

// blacklist is how many are blocked, and how many are not.
func (v *view) blacklist() string {
	if v.Blacklist == nil || v.Held == nil || v.Observed == nil {
		return "unknown: it was not read from the database yet; what is served was saved before"
	}
	text := display.Grouped(*v.Blacklist)
	if *v.Held > 0 {
		text += fmt.Sprintf("; %s HELD: see \"blacklist list --held\", then accept or remove them", display.Grouped(*v.Held))
	}
	if *v.Observed > 0 {
		text += fmt.Sprintf("; %s observed", display.Grouped(*v.Observed))
	}
	return text
}

// ours says what is known to be ours, and which firewalls have not said it; what is wrong is among the troubles.
func (v *view) ours() []string {
	o := &v.Ours
	from := "networks.own and the firewalls"
	if !v.opts.All {
		from += "; --all lists them"
	}
	first := fmt.Sprintf("%s (%s), and %s that are never blocked", addresses(len(o.Networks)), from, display.Plural(len(o.Peers), "peer"))
	if o.NotShown > 0 {
		first += fmt.Sprintf("; and %s more", display.Grouped(o.NotShown))
	}
	if !o.Known {
		first = "NO PUBLIC ADDRESS IS KNOWN TO BE OURS: records to any destination count; name your public networks in networks.own"
	}
	texts := []string{first}
	for _, a := range o.Asked {
		switch {
		case a.AskedAt == nil:
			texts = append(texts, a.Firewall+" has not said yet which addresses are ours")
		case a.Error != "":
			texts = append(texts, fmt.Sprintf("%s last said it at %s: %s", a.Firewall, display.LocalTimeOrNone(a.AskedAt), a.Error))
		}
	}
	if len(texts) > 3 && !v.opts.All {
		texts = append(texts[:2], fmt.Sprintf("and %s more firewalls that have not said it, or not lately: --all", display.Grouped(len(texts)-2)))
	}
	return texts
}

// addresses writes "1 address or network", "2 addresses and networks".
func addresses(n int) string {
	if n == 1 {
		return "1 address or network"
	}
	return display.Grouped(n) + " addresses and networks"
}

// wrapped breaks a text into lines of at most width characters; a width that is too small for that breaks none.
func wrapped(text string, width int) (lines []string) {
	if width < 20 {
		return []string{text}
	}
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// cut shortens lines to at most width characters; 0: none.
func cut(text []byte, width int) []byte {
	if width <= 0 {
		return text
	}
	var out bytes.Buffer
	for line := range bytes.Lines(text) {
		runes := []rune(strings.TrimSuffix(string(line), "\n"))
		if len(runes) > width {
			runes = append(runes[:width-1], '…')
		}
		out.WriteString(string(runes) + "\n")
	}
	return out.Bytes()
}
