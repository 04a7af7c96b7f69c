package report

import (
	"bytes"
	"encoding/csv"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
	"pgregory.net/rapid"

	"activedefense/store"
)

var update = flag.Bool("update", false, "write testdata/report.* anew")

var until = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// hostile are texts that strangers chose.
var hostile = []string{"=HYPERLINK(\"https://evil.example\",\"x\")", "+1", "@SUM(A1)", "-2+3", "<script>alert(1)</script>", "\"><img src=https://evil.example/x onerror=alert(1)>", "\x1b[2Jgone\u202e", "a,b\"c\nd"}

// example is a report of ten days with everything in it.
func example() *Report {
	from := until.Add(-10 * 24 * time.Hour)
	m := New(from, until)
	c := &store.Counts{Blocks: 1234, Sources: 1200, Hits: 98765, Released: 300, ByHand: 2, Standing: 934, Held: 3, Observed: 1,
		Rules:     []store.Tally{{Value: "port-scan", Blocks: 1000}, {Value: "login", Blocks: 200}, {Value: "manual", Blocks: 34}},
		Countries: []store.Tally{{Value: "Norway", Blocks: 700}, {Value: "", Blocks: 300}},
		Ports:     []store.Tally{{Value: "-1", Blocks: 900}, {Value: "22", Blocks: 300}, {Value: "0", Blocks: 34}},
		Devices:   []store.Tally{{Value: "LAB-FW-01", Blocks: 1234}},
		Days:      []store.Tally{{Value: "2026-11-21", Blocks: 34}, {Value: "2026-11-24", Blocks: 1000}, {Value: "2026-11-30", Blocks: 200}},
		Top: []store.SourceTally{{Address: netip.MustParsePrefix("203.0.113.66/32"), Country: "Norway", Rule: "port-scan", Blocks: 2, Hits: 40000, Last: until.Add(-time.Hour)},
			{Address: netip.MustParsePrefix("2001:db8:1::/64"), Rule: "login", Blocks: 1, Hits: 11, Last: until.Add(-50 * time.Hour)}}}
	for i, text := range hostile {
		c.Rules = append(c.Rules, store.Tally{Value: text})
		c.Devices = append(c.Devices, store.Tally{Value: text})
		c.Top = append(c.Top, store.SourceTally{Address: netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), 32), Country: text, Rule: text, Last: until})
	}
	m.Count(c)
	day := func(n float64) time.Time { return from.Add(time.Duration(n * 24 * float64(time.Hour))) }
	for _, s := range []store.FirewallState{
		{Firewall: "LAB-FW-01", State: "up", Began: day(-3), Until: day(4)}, {Firewall: "LAB-FW-01", State: "down", Began: day(4), Until: day(4.5)},
		{Firewall: "LAB-FW-01", State: "up", Began: day(4.5), Until: day(8)}, {Firewall: "LAB-FW-01", State: "paused", Began: day(8), Until: day(8.25)},
		{Firewall: "LAB-FW-01", State: "up", Began: day(8.25), Until: day(11)},
		{Firewall: "LAB-FW-02", State: "standby", Began: day(5), Until: day(6)},
		{Firewall: hostile[4], State: "unenforced", Began: day(5), Until: day(6)}, {Firewall: hostile[0], State: "maintenance", Began: day(5), Until: day(6)},
	} {
		m.State(&s)
	}
	return m.Report()
}

// written is a report in a format.
func written(t *testing.T, r *Report, format string) string {
	t.Helper()
	var b strings.Builder
	if err := r.Write(&b, format); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// What is written of the example is what was looked at by eye.
func TestTheReport(t *testing.T) {
	for _, format := range Formats {
		got, file := written(t, example(), format), filepath.Join("testdata", "report."+format)
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
			t.Errorf("%s is not %s; go test -run TheReport -update writes it:\n%s", format, file, got)
		}
	}
	if err := example().Write(&bytes.Buffer{}, "pdf"); err == nil || !strings.Contains(err.Error(), "text, csv, html") {
		t.Errorf("a format that there is not: %v", err)
	}
}

// A report of nothing says that there was nothing, and of what is not known that it is not.
func TestAnEmptyReport(t *testing.T) {
	m := New(until.Add(-time.Hour), until)
	m.Count(&store.Counts{})
	for format, want := range map[string]string{"text": "unknown: nothing was noted in this time", "csv": "day,2026-11-30,blocks,0", "html": "unknown: nothing was noted in this time"} {
		if got := written(t, m.Report(), format); !strings.Contains(got, want) {
			t.Errorf("%s: %s", format, got)
		}
	}
}

// attributes calls fn for each element and attribute of a document, and text for what is between.
func attributes(n *html.Node, fn func(n *html.Node), text *strings.Builder) {
	switch n.Type {
	case html.ElementNode:
		fn(n)
	case html.TextNode:
		text.WriteString(n.Data)
	}
	for child := range n.ChildNodes() {
		attributes(child, fn, text)
	}
}

// The page asks for nothing, runs nothing, is whole, and shows what strangers chose as text.
func TestThePageIsSelfContained(t *testing.T) {
	page := written(t, example(), "html")
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	count := make(map[string]int)
	attributes(root, func(n *html.Node) {
		count[n.Data]++
		for _, a := range n.Attr {
			if slices.Contains([]string{"src", "href", "srcset", "action", "data", "poster", "background", "style"}, a.Key) || strings.HasPrefix(a.Key, "on") {
				t.Errorf("%s has %s=%q", n.Data, a.Key, a.Val)
			}
		}
	}, &text)
	for _, forbidden := range []string{"script", "img", "link", "iframe", "object", "image", "use", "foreignobject", "form", "base"} {
		if count[forbidden] > 0 {
			t.Errorf("there are %d %s", count[forbidden], forbidden)
		}
	}
	if count["rect"] < 11 || count["svg"] < 10 || count["title"] < 12 || count["h1"] != 1 || count["table"] != 6 {
		t.Errorf("the charts are not there: %v", count)
	}
	if strings.Contains(page, "url(") || strings.Contains(page, "@import") || strings.ContainsAny(page, "\x1b\u202e") {
		t.Error("the page loads something, or drives a terminal")
	}
	if !strings.Contains(text.String(), hostile[4]) || !strings.Contains(text.String(), `\u001b[2Jgone\u202e`) {
		t.Errorf("what strangers chose is not shown as it is: %s", text.String())
	}
	// What the parser had to mend would not be what was written.
	for _, element := range []string{"section", "table", "tr", "td", "svg", "rect", "dl", "div"} {
		if open := strings.Count(page, "<"+element+" ") + strings.Count(page, "<"+element+">"); open != count[element] {
			t.Errorf("%d %s are written, and %d read", open, element, count[element])
		}
	}
}

func TestTheTableForSpreadsheets(t *testing.T) {
	rows, err := csv.NewReader(strings.NewReader(written(t, example(), "csv"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(rows[0], []string{"section", "name", "measure", "value"}) {
		t.Errorf("the columns are %q", rows[0])
	}
	seen := make(map[string]bool)
	for _, row := range rows[1:] {
		if key := strings.Join(row[:3], "\x00"); seen[key] {
			t.Errorf("%q stands twice", row)
		} else {
			seen[key] = true
		}
		for _, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				t.Errorf("%q is a formula", cell)
			}
		}
	}
}

// However the states of a firewall lie, each moment is counted once: sums make up the time of the report.
func TestEachMomentIsCountedOnce(t *testing.T) {
	states := []string{"up", "down", "unenforced", "paused", "maintenance", "standby"}
	rapid.Check(t, func(t *rapid.T) {
		from := until.Add(-1000 * time.Second)
		m := New(from, until)
		seen := make(map[int]string)
		began := -100
		for range rapid.IntRange(0, 20).Draw(t, "states") {
			began += rapid.IntRange(0, 150).Draw(t, "began")
			length, state := rapid.IntRange(0, 200).Draw(t, "length"), rapid.SampledFrom(states).Draw(t, "state")
			for s := max(0, began); s < min(began+length, 1000); s++ {
				if seen[s] == "" {
					seen[s] = state
				}
			}
			if began >= 1000 || began+length < 0 {
				continue // the store does not give it
			}
			m.State(&store.FirewallState{Firewall: "a", State: state, Began: from.Add(time.Duration(began) * time.Second), Until: from.Add(time.Duration(began+length) * time.Second)})
		}
		r := m.Report()
		if len(r.Availability) == 0 {
			return
		}
		want := make(map[string]int)
		for _, state := range seen {
			want[state]++
		}
		a := &r.Availability[0]
		for _, state := range states {
			if *a.of(state) != float64(want[state]) {
				t.Fatalf("%s for %v s instead of %d", state, *a.of(state), want[state])
			}
		}
		if a.Unknown != float64(1000-len(seen)) || a.Longest > a.Down || a.Longest > 0 && a.Outages == 0 {
			t.Fatalf("unknown for %v s of %d, outages %d, the longest %v s of %v s", a.Unknown, 1000-len(seen), a.Outages, a.Longest, a.Down)
		}
	})
}

func TestOutages(t *testing.T) {
	from := until.Add(-1000 * time.Second)
	at := func(s int) time.Time { return from.Add(time.Duration(s) * time.Second) }
	m := New(from, until)
	for _, s := range []struct {
		firewall, state string
		began, until    int
	}{{"a", "down", -50, 100}, {"a", "up", 100, 200}, {"a", "down", 200, 250}, {"a", "down", 250, 400}, {"a", "up", 400, 401}, {"a", "down", 401, 401}, {"b", "down", 900, 1000}, {"c", "up", 0, 999}, {"c", "down", 999, 1001}, {"d", "down", -5, 10}, {"d", "down", 20, 30}, {"d", "up", 30, 1000}} {
		m.State(&store.FirewallState{Firewall: s.firewall, State: s.state, Began: at(s.began), Until: at(s.until)})
	}
	got := ""
	for _, a := range m.Report().Availability {
		got += fmt.Sprintf("%s %d %.0f %s; ", a.Firewall, a.Outages, a.Longest, a.available())
	}
	if want := "a 3 200 25.2 %; b 1 100 0.0 %; c 1 1 99.9 %; d 2 10 98.0 %; "; got != want {
		t.Errorf("%s instead of %s", got, want)
	}
	if percent(0.99999) != "99.9 %" || percent(1) != "100.0 %" {
		t.Error("what was missing is rounded away")
	}
}
