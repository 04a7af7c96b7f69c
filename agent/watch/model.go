// Package watch is the live screen of `watch`: lines a second, blocks as they happen and why, where they come from, how the firewalls
// and inputs are, and first what a person should see to.
//
// A [Model] is the screen: it takes what happens as messages and asks nobody, so that it is tested as it is. [Follow] gets what happens
// from a daemon's API, and goes on when that has been away. [Run] is both at a terminal.
package watch

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"activedefense/agent"
	"activedefense/agent/display"
	"activedefense/agent/explain"
)

const (
	mostRows  = 1000 // of the blacklist that are kept, the newest
	mostRates = 600  // seconds of lines a second
)

// What happens, as messages of a Model.
type (
	// Tick is the time.
	Tick time.Time
	// Connected is that a daemon answers, with the newest of its blacklist.
	Connected struct{ Entries []explain.BlacklistEntry }
	// Lost is that it does not, and why.
	Lost struct{ Err error }
	// State is how it is.
	State struct{ Status *agent.Status }
	// Rate is how many lines it has read in a second.
	Rate float64
	// Event is what has become of an address: block, hold, observe or release.
	Event struct {
		Name  string
		Entry explain.BlacklistEntry
	}
	// Several are messages in their order.
	Several []tea.Msg
	// Explained is what is known of an address.
	Explained struct{ Address, Text string }
)

// Options are what a Model needs. All must be set.
type Options struct {
	At      string                // where the daemon is
	Zone    *time.Location        // of times that are shown
	Explain func(string) tea.Msg  // gives Explained of an address; called beside the screen
	Advice  func(s string) string // a text in which commands of this program work as they stand
}

// A row is what has become of an address.
type row struct {
	explain.BlacklistEntry
	what string    // blocked, held, observed, released
	at   time.Time // when
}

// key tells a row from others.
type key struct {
	address string
	blocked int64
}

func (r *row) key() key { return key{r.Address, r.BlockedAt.UnixNano()} }

// news is what is shown; what is shown is never changed, so that a paused screen stays.
type news struct {
	now    time.Time
	status *agent.Status
	rates  []float64
	rows   []*row // what happened last first
	lost   error  // why the daemon does not answer; nil: it does
	since  time.Time
	heard  bool // it has answered once
}

// Model is the screen.
type Model struct {
	opts          Options
	width, height int
	live          news
	frozen        *news // what a paused screen shows; nil: it is not paused

	chosen    key // where the cursor is; the zero key: at the top, whatever is there
	top       int // of the list: the first row that is shown
	search    string
	typing    bool
	help      bool
	detail    *detail // nil: the list is shown
	explained string  // whose explanation is waited for
}

// detail is what is known of an address.
type detail struct {
	address string
	lines   []string
	top     int
}

// New makes a screen of a terminal of so many columns and lines; a tea.WindowSizeMsg changes that.
func New(o Options, width, height int) *Model { return &Model{opts: o, width: width, height: height} }

// Init implements tea.Model.
func (m *Model) Init() tea.Cmd { return nil }

// Update implements tea.Model.
func (m *Model) Update(message tea.Msg) (tea.Model, tea.Cmd) {
	n := &m.live
	switch msg := message.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case Tick:
		n.now = time.Time(msg)
	case Connected:
		n.lost, n.heard = nil, true
		n.rows = nil
		for i := range msg.Entries[:min(len(msg.Entries), mostRows)] {
			n.rows = append(n.rows, newRow(msg.Entries[i]))
		}
		slices.SortStableFunc(n.rows, func(a, b *row) int { return b.at.Compare(a.at) }) // an entry that ended stands where it did so
	case Lost:
		if n.lost == nil {
			n.since = n.now
		}
		n.lost = msg.Err
	case State:
		n.status = msg.Status
	case Rate:
		n.rates = append(n.rates, float64(msg))
		if extra := len(n.rates) - mostRates; extra > 0 {
			n.rates = slices.Clone(n.rates[extra:])
		}
	case Several:
		for _, one := range msg {
			m.Update(one)
		}
	case Event:
		n.add(newRow(msg.Entry))
	case Explained:
		if msg.Address == m.explained {
			m.explained = ""
			m.detail = &detail{address: msg.Address, lines: strings.Split(strings.TrimRight(msg.Text, "\n"), "\n")}
		}
	case tea.PasteMsg:
		m.typed(msg.Content)
	case tea.KeyPressMsg:
		return m, m.press(msg)
	}
	return m, nil
}

func newRow(e explain.BlacklistEntry) *row {
	r := &row{BlacklistEntry: e, what: e.State, at: e.BlockedAt}
	if e.ReleasedAt != nil {
		r.at = *e.ReleasedAt
	}
	return r
}

// add puts a row on top, in place of what was known of the same entry.
func (n *news) add(r *row) {
	rows := make([]*row, 1, min(len(n.rows)+1, mostRows))
	rows[0] = r
	for _, other := range n.rows {
		if other.key() != r.key() && len(rows) < mostRows {
			rows = append(rows, other)
		}
	}
	n.rows = rows
}

// shown is what is on the screen.
func (m *Model) shown() *news {
	if m.frozen != nil {
		return m.frozen
	}
	return &m.live
}

// press does what a key is for.
func (m *Model) press(k tea.KeyPressMsg) tea.Cmd {
	name := k.String()
	switch {
	case name == "ctrl+c":
		return tea.Quit
	case m.typing:
		return m.pressTyping(k, name)
	case m.help:
		m.help = false
	case m.detail != nil || m.explained != "":
		m.pressDetail(name)
	default:
		return m.pressList(name)
	}
	return nil
}

func (m *Model) pressTyping(k tea.KeyPressMsg, name string) tea.Cmd {
	switch name {
	case "enter":
		m.typing = false
		if p, ok := prefixOf(m.search); ok && len(m.rows()) == 0 {
			m.search = ""
			return m.explain(p.String())
		}
	case "esc":
		m.typing, m.search = false, ""
	case "backspace":
		if r := []rune(m.search); len(r) > 0 {
			m.search = string(r[:len(r)-1])
		}
	case "ctrl+u":
		m.search = ""
	default:
		m.typed(k.Text)
	}
	return nil
}

// mostTyped bounds what is searched for.
const mostTyped = 100

// typed adds to what is searched for.
func (m *Model) typed(text string) {
	if text != " " {
		text = strings.Join(strings.Fields(text), " ") // what is pasted may have lines
	}
	if m.typing && len(m.search)+len(text) <= mostTyped {
		m.search += text
	}
}

func (m *Model) pressDetail(name string) {
	switch name {
	case "q", "esc", "enter", "left", "backspace":
		m.detail, m.explained = nil, ""
		return
	case "?":
		m.help = true
	}
	if m.detail == nil {
		return
	}
	page := max(1, m.height-3)
	by := map[string]int{"down": 1, "j": 1, "up": -1, "k": -1, "pgdown": page, "space": page, "pgup": -page, "home": -len(m.detail.lines), "g": -len(m.detail.lines), "end": len(m.detail.lines), "G": len(m.detail.lines)}[name]
	m.detail.top = max(0, m.detail.top+by) // what is shown bounds it the other way
}

func (m *Model) pressList(name string) tea.Cmd {
	page := max(1, m.height/2)
	switch name {
	case "q":
		return tea.Quit
	case "?":
		m.help = true
	case "/":
		m.typing = true
	case "esc":
		m.search = ""
	case "p":
		if m.frozen != nil {
			m.frozen = nil
		} else {
			frozen := m.live
			m.frozen = &frozen
		}
	case "down", "j":
		m.move(1)
	case "up", "k":
		m.move(-1)
	case "pgdown", "space":
		m.move(page)
	case "pgup":
		m.move(-page)
	case "home", "g":
		m.chosen = key{}
	case "end", "G":
		m.move(mostRows)
	case "enter":
		if rows := m.rows(); len(rows) > 0 {
			return m.explain(rows[m.cursor(rows)].Address)
		}
	}
	return nil
}

// explain asks for what is known of an address.
func (m *Model) explain(address string) tea.Cmd {
	m.explained = address
	return func() tea.Msg { return m.opts.Explain(address) }
}

// rows are those that are searched for.
func (m *Model) rows() (rows []*row) {
	n := m.shown()
	wanted := strings.ToLower(strings.TrimSpace(m.search))
	network, isNetwork := prefixOf(wanted)
	if wanted == "" {
		return n.rows
	}
	for _, r := range n.rows {
		at, _ := prefixOf(r.Address)
		if isNetwork && at.IsValid() && network.Overlaps(at) || strings.Contains(r.text(), wanted) {
			rows = append(rows, r)
		}
	}
	return rows
}

// text is what a search looks at.
func (r *row) text() string {
	return strings.ToLower(strings.Join([]string{r.Address, r.what, r.Rule, r.Country, r.Reason, r.why(), r.Device, r.Made(), r.Target, fmt.Sprint("port ", r.Port)}, "\x00"))
}

// prefixOf reads an address or a network.
func prefixOf(text string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a.WithZone(""), a.BitLen()), true
	}
	p, err := netip.ParsePrefix(text)
	return p, err == nil
}

// cursor is which of the rows is chosen; 0 where the one that was is gone.
func (m *Model) cursor(rows []*row) int {
	return max(0, slices.IndexFunc(rows, func(r *row) bool { return r.key() == m.chosen }))
}

// move moves the cursor. At the top it stays there, whatever comes.
func (m *Model) move(by int) {
	rows := m.rows()
	if len(rows) == 0 {
		return
	}
	at := min(max(0, m.cursor(rows)+by), len(rows)-1)
	m.chosen = key{}
	if at > 0 {
		m.chosen = rows[at].key()
	}
}

// harmless is a text of strangers on one line.
func harmless(text string) string { return display.Harmless(text) }
