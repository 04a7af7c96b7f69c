package watch

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"

	"activedefense/agent"
	"activedefense/agent/enforce"
	"activedefense/agent/explain"
	"activedefense/agent/line"
	"activedefense/agent/trouble"
)

var update = flag.Bool("update", false, "write testdata/*.screen anew")

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// hostile are texts that strangers chose.
var hostile = []string{"\x1b[2J\x1b]0;owned\a", "\u202egnp.exe", "a\nb\tc", "\u009b31m\x9b", "日本語日本語日本語日本語", "e\u0301\u200b\U000e0041", strings.Repeat("x", 300)}

// screenOf is a screen of that size.
func screenOf(width, height int) *Model {
	return New(Options{At: "/run/activedefense/activedefense.sock", Zone: time.UTC, Advice: func(s string) string { return s },
		Explain: func(address string) tea.Msg {
			return Explained{address, address + " is blocked\n\nwhy\t11 ports\nlog\t" + hostile[0] + "\n" + strings.Repeat("a log line\n", 50)}
		}}, width, height)
}

// entry is one of the blacklist that was blocked so long before noon.
func entry(address, rule, reason, country string, port int, hits int64, ago time.Duration) explain.BlacklistEntry {
	return explain.BlacklistEntry{Address: address, Rule: rule, Reason: reason, Country: country, Port: port, Hits: hits, State: "blocked", By: "detector", Device: "LAB-FW-01", BlockedAt: noon.Add(-ago), LastSeen: noon.Add(-ago)}
}

// happens has things happen.
func (m *Model) happens(messages ...tea.Msg) {
	for _, msg := range messages {
		if _, cmd := m.Update(msg); cmd != nil {
			if answer := cmd(); answer != nil {
				m.Update(answer)
			}
		}
	}
}

// presses presses keys.
func (m *Model) presses(keys ...string) (quit bool) {
	special := map[string]rune{"enter": tea.KeyEnter, "esc": tea.KeyEscape, "down": tea.KeyDown, "up": tea.KeyUp, "backspace": tea.KeyBackspace, "pgdown": tea.KeyPgDown, "end": tea.KeyEnd, "home": tea.KeyHome}
	for _, name := range keys {
		k := tea.KeyPressMsg{Text: name, Code: []rune(name)[0]}
		if code, is := special[name]; is {
			k = tea.KeyPressMsg{Code: code}
		}
		if name == "ctrl+c" {
			k = tea.KeyPressMsg{Code: 'c', Mod: tea.ModCtrl}
		}
		_, cmd := m.Update(k)
		if cmd == nil {
			continue
		}
		answer := cmd()
		if _, is := answer.(tea.QuitMsg); is {
			return true
		}
		m.Update(answer)
	}
	return false
}

// busy is a screen of a day like any other.
func busy(width, height int) *Model {
	m := screenOf(width, height)
	held := entry("198.51.100.66", "port-scan", "11 ports of 192.0.2.7 within 10m (more than 10)", "Chile", -1, 11, time.Minute)
	held.State, held.Hold = "held", "it is a partner"
	released := entry("203.0.113.80", "manual", "test", "", 0, 0, 25*time.Hour)
	at := noon.Add(-30 * time.Second)
	released.ReleasedAt, released.ReleaseReason, released.State = &at, "a customer", "released"
	blocked, heldNow := 1234, 1
	since, silent := noon.Add(-3*time.Minute), noon.Add(-20*time.Minute)
	s := &agent.Status{Blacklist: &blocked, Held: &heldNow,
		Troubles:  []trouble.Trouble{{Since: since, What: "firewall-down: LAB-FW-02 does not answer", Remedy: "See whether it is reachable"}, {Since: silent, What: "input-silent: no line comes from /var/log/Firewall/b.log any more", Remedy: "Look at the sender"}},
		Firewalls: []enforce.Status{{Name: "LAB-FW-01", State: "up", Up: true, Tags: 1234, Desired: 1234}, {Name: "LAB-FW-02", State: "down", Since: since, Tags: 1200, Desired: 1234}},
		Files:     line.FileSums{Files: 2, Silent: 1, Behind: 2048},
		Inputs:    []line.InputStatus{{Path: "/var/log/Firewall/b.log", Silent: &silent}, {Path: "/var/log/Firewall/a.log", Behind: 2048, Lines: 7}}}
	entries := []explain.BlacklistEntry{held}
	for i := range 60 {
		e := entry(fmt.Sprintf("203.0.113.%d", i), "host-sweep", "12 addresses on port 22 within 10m (at least 10)", []string{"Norway", "Netherlands", "Chile", ""}[i%4], []int{22, 443, -1, 0, 3389}[i%5], int64(100*i), time.Duration(i+2)*time.Minute)
		entries = append(entries, e)
	}
	m.happens(Tick(noon), Connected{entries}, State{s})
	for i := range 100 {
		m.happens(Rate(float64(i * i % 1500)))
	}
	m.happens(Rate(1234), Event{"release", released}, Event{"block", entry("2001:db8:7::/64", "login", "12 failed logins within 10m (more than 10)", "Sweden", 443, 12, time.Second)})
	return m
}

// plain is what is on the screen, without colours.
func (m *Model) plain() string { return ansi.Strip(m.View().Content) }

// The screens are what was looked at by eye.
func TestTheScreens(t *testing.T) {
	gone := func(m *Model) {
		m.happens(Lost{errors.New("dial unix: connection refused")}, Tick(noon.Add(75*time.Second)))
	}
	for name, c := range map[string]struct {
		width, height int
		do            func(*Model)
	}{
		"80x24":      {80, 24, func(*Model) {}},
		"120x40":     {120, 40, func(*Model) {}},
		"40x10":      {40, 10, func(*Model) {}},
		"80x24-gone": {80, 24, gone},
		"80x24-gone-well": {80, 24, func(m *Model) {
			calm := *m.live.status
			calm.Troubles = nil
			m.happens(State{&calm})
			gone(m)
		}},
		"80x24-search": {80, 24, func(m *Model) { m.presses("/", "n", "o", "r", "w", "enter", "down", "p") }},
		"80x24-detail": {80, 24, func(m *Model) { m.presses("enter", "down") }},
		"80x24-help":   {80, 24, func(m *Model) { m.presses("?") }},
	} {
		m := busy(c.width, c.height)
		c.do(m)
		var lines []string
		for line := range strings.SplitSeq(m.plain(), "\n") {
			lines = append(lines, strings.TrimRight(line, " "))
		}
		got, file := strings.Join(lines, "\n")+"\n", filepath.Join("testdata", name+".screen")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s is not %s; go test -run TheScreens -update writes it:\n%s", name, file, got)
		}
	}
}

// style is what may stand in a screen beside text.
var style = regexp.MustCompile("\x1b\\[[0-9;]*m")

// Whatever strangers wrote, whatever the size, and whatever keys are pressed: the screen has as many lines as the terminal, none is wider,
// and nothing but colours drives it.
func TestNothingDrivesTheTerminal(t *testing.T) {
	keys := []string{"down", "up", "j", "k", "enter", "esc", "/", "x", "p", "?", "pgdown", "end", "home", "g", "G", " ", "backspace"}
	rapid.Check(t, func(t *rapid.T) {
		width, height := rapid.IntRange(0, 150).Draw(t, "width"), rapid.IntRange(0, 50).Draw(t, "height")
		text := func(name string) string {
			return rapid.SampledFrom(append(hostile, "", "port-scan", "Norway")).Draw(t, name)
		}
		m := screenOf(width, height)
		n := rapid.IntRange(0, 5).Draw(t, "firewalls")
		s := &agent.Status{}
		for range n {
			s.Firewalls = append(s.Firewalls, enforce.Status{Name: text("name"), State: "down"})
			s.Inputs = append(s.Inputs, line.InputStatus{Path: text("path"), Error: text("error")})
			s.Troubles = append(s.Troubles, trouble.Trouble{What: text("what"), Remedy: text("remedy")})
		}
		var entries []explain.BlacklistEntry
		for i := range rapid.IntRange(0, 40).Draw(t, "entries") {
			e := entry(fmt.Sprint("203.0.113.", i), text("rule"), text("reason"), text("country"), i, int64(i), time.Duration(i)*time.Hour)
			e.State = rapid.SampledFrom([]string{"blocked", "held", "observed", "released"}).Draw(t, "state")
			e.Hold, e.ReleaseReason = text("hold"), text("release")
			entries = append(entries, e)
		}
		m.happens(Tick(noon), Connected{entries}, State{s}, Rate(5))
		for range rapid.IntRange(0, 20).Draw(t, "steps") {
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0:
				m.happens(tea.WindowSizeMsg{Width: rapid.IntRange(0, 150).Draw(t, "new width"), Height: rapid.IntRange(0, 50).Draw(t, "new height")})
			case 1:
				m.happens(Event{"block", entry(fmt.Sprint("203.0.113.", rapid.IntRange(0, 99).Draw(t, "address")), text("rule"), text("reason"), text("country"), 22, 7, 0)})
			case 2:
				m.happens(Lost{errors.New(text("why"))})
			case 3:
				m.happens(tea.PasteMsg{Content: text("pasted")})
			default:
				m.presses(rapid.SampledFrom(keys).Draw(t, "key"))
			}
		}
		content := m.View().Content
		lines := strings.Split(content, "\n")
		if m.width > 0 && len(lines) != max(1, m.height) {
			t.Fatalf("%d lines on a terminal of %d", len(lines), m.height)
		}
		for _, line := range lines {
			if w := ansi.StringWidth(line); w > m.width {
				t.Fatalf("a line is %d wide on a terminal of %d: %q", w, m.width, line)
			}
			if rest := style.ReplaceAllString(line, ""); strings.ContainsFunc(rest, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }) {
				t.Fatalf("%q drives a terminal", rest)
			}
		}
	})
}

// The cursor stays at what it is on while others come, and at the newest where it is at the top.
func TestTheCursorStaysAtItsRow(t *testing.T) {
	m := busy(80, 24)
	at := func() string { rows := m.rows(); return rows[m.cursor(rows)].Address }
	m.happens(Event{"block", entry("203.0.113.200", "login", "x", "", 0, 0, 0)})
	if at() != "203.0.113.200" {
		t.Errorf("at the top is %s", at())
	}
	m.presses("j", "down", "k")
	chosen := at()
	m.happens(Event{"block", entry("203.0.113.201", "login", "x", "", 0, 0, 0)})
	if at() != chosen || chosen != "2001:db8:7::/64" {
		t.Errorf("it was at %s, and is at %s", chosen, at())
	}
	m.presses("up", "up")
	m.happens(Event{"block", entry("203.0.113.202", "login", "x", "", 0, 0, 0)})
	if at() != "203.0.113.202" {
		t.Errorf("back at the top is %s", at())
	}
	m.presses("end")
	if at() != "203.0.113.59" || !strings.Contains(m.plain(), "203.0.113.59") {
		t.Errorf("the oldest is %s:\n%s", at(), m.plain())
	}
	m.presses("pgdown", "home")
	if at() != "203.0.113.202" {
		t.Errorf("the newest is %s", at())
	}
}

// A paused screen stays as it was, and shows all that has come when it goes on.
func TestAPausedScreenStays(t *testing.T) {
	m := busy(80, 24)
	for range mostRates {
		m.happens(Rate(3)) // from here on the oldest go
	}
	m.presses("p")
	before := m.plain()
	for i := range 2 * mostRates {
		m.happens(Rate(float64(i)))
	}
	m.happens(Tick(noon.Add(time.Hour)), Event{"block", entry("203.0.113.200", "login", "x", "", 0, 0, 0)}, Lost{errors.New("away")}, State{&agent.Status{}})
	if m.plain() != before || !strings.Contains(before, "SCREEN PAUSED") {
		t.Errorf("it has become\n%s", m.plain())
	}
	m.presses("p")
	if got := m.plain(); !strings.Contains(got, "203.0.113.200") || !strings.Contains(got, "NO ANSWER") || strings.Contains(got, "PAUSED") {
		t.Errorf("it goes on with\n%s", got)
	}
}

// An entry has one row, however often something becomes of it, and there are no more than are kept.
func TestRowsAreBounded(t *testing.T) {
	m := screenOf(80, 24)
	m.happens(Tick(noon), Connected{})
	if !strings.Contains(m.plain(), "nothing is blocked") {
		t.Error(m.plain())
	}
	for i := range mostRows + 10 {
		e := entry(fmt.Sprintf("203.0.%d.%d", i/256, i%256), "login", "x", "Norway", 22, 1, 0)
		m.happens(Event{"hold", e}, Event{"block", e})
	}
	if len(m.live.rows) != mostRows || m.live.rows[0].Address != "203.0.3.241" {
		t.Errorf("%d rows, the first %s", len(m.live.rows), m.live.rows[0].Address)
	}
}

// An entry that ended stands where it did so, however long before it was blocked: its time is that of the end.
func TestRowsAreInTheOrderOfTheirTimes(t *testing.T) {
	released := entry("203.0.113.80", "manual", "test", "", 0, 0, 25*time.Hour)
	at := noon.Add(-30 * time.Second)
	released.ReleasedAt, released.State = &at, "released"
	m := screenOf(80, 24)
	m.happens(Tick(noon), Connected{[]explain.BlacklistEntry{entry("203.0.113.1", "login", "x", "", 0, 0, time.Second), entry("203.0.113.2", "login", "x", "", 0, 0, time.Minute), released}})
	var got []string
	for _, r := range m.live.rows {
		got = append(got, r.Address)
	}
	if want := "203.0.113.1 203.0.113.80 203.0.113.2"; strings.Join(got, " ") != want {
		t.Errorf("the order is %v, want %s", got, want)
	}
}

func TestSearching(t *testing.T) {
	m := busy(80, 24)
	for text, want := range map[string]int{"203.0.113.0/28": 16, "203.0.113.7": 1, "2001:db8:7::99": 1, "chile": 16, "port 3389": 12, "HELD": 1, "a customer": 1, "nothing": 0, "": 63} {
		m.presses("/")
		m.happens(tea.PasteMsg{Content: text})
		m.presses("enter")
		if got := len(m.rows()); got != want {
			t.Errorf("%q finds %d instead of %d", text, got, want)
		}
		m.presses("esc")
	}
	m.presses("/", "q", "?", "backspace", "enter")
	if m.search != "q" {
		t.Errorf("typed is %q", m.search)
	}
	m.presses("esc", "/")
	if m.happens(tea.PasteMsg{Content: hostile[0]}); !strings.Contains(m.plain(), `/\u001b[2J`) || strings.Contains(style.ReplaceAllString(m.View().Content, ""), "\x1b") {
		t.Errorf("what is pasted is shown as %q", m.plain())
	}
	m.presses("esc")
	// An address that is not in the list is looked up.
	m.presses("esc", "/")
	m.happens(tea.PasteMsg{Content: "192.0.2.99\n"})
	if m.presses("enter"); m.detail == nil || m.detail.address != "192.0.2.99/32" && m.detail.address != "192.0.2.99" {
		t.Fatalf("shown is\n%s", m.plain())
	}
	m.presses("G")
	if got := m.plain(); !strings.Contains(got, "line 33 of 54") {
		t.Errorf("its end is\n%s", got)
	}
	if m.presses("q") || m.detail != nil {
		t.Error("q does not lead back")
	}
	if !m.presses("q") || !m.presses("/", "ctrl+c") {
		t.Error("it does not quit")
	}
}

// An answer that comes when nobody waits for it any more is not shown.
func TestALateExplanation(t *testing.T) {
	m := busy(80, 24)
	_, cmd := m.Update(tea.KeyPressMsg{Code: tea.KeyEnter})
	if !strings.Contains(m.plain(), "asking") {
		t.Errorf("shown is\n%s", m.plain())
	}
	m.presses("esc")
	m.happens(cmd())
	if m.detail != nil {
		t.Error("it is shown")
	}
}
