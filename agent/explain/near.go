package explain

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"

	"activedefense/agent/display"
	"activedefense/detect"
	"activedefense/store"
)

// Near is how near to being blocked by a rule a source came at its worst, by the records that were looked through.
type Near struct {
	Rule   string `json:"rule"`
	Found  int    `json:"found"`  // ports, addresses, pairs or failures within Window; of pairs, what was answered is not taken away
	Needed int    `json:"needed"` // for a verdict
	Window string `json:"window"`
	Text   string `json:"text"` // in words
	// From and To are the times of the first and the last of Found, and Events how many of each event of a rule of the operator's own are among its records then, those of
	// which there is none with 0.
	From   time.Time      `json:"from"`
	To     time.Time      `json:"to"`
	Events map[string]int `json:"events,omitempty"`
	Told   bool           `json:"told"` // that was enough, and the rule's mode is notice: it was told, and blocks nobody
}

// sighting is a record as a rule counts it: how many values there are of one key within the window.
type sighting struct {
	at         time.Time
	key, value string
	event      string // as a custom rule names it
	again      int    // how many times more it counts: a message that came repeatedly
}

// counter is a rule that counts, and what it counts of a record.
type counter struct {
	rule   string
	needed int
	window time.Duration
	of     func(*store.Record) (key, value string) // nil: as [detect.Counting] says
	what   string                                  // what is counted, one of it, in words
	within string                                  // and of what
	single bool                                    // it counts events, and not distinct values
	tells  bool                                    // its mode is notice
	events []string                                // of a custom rule
}

func countersOf(s *detect.Settings) []counter {
	pair := func(r *store.Record) string { return netip.AddrPortFrom(r.Dst, r.DstPort).String() }
	list := []counter{
		{"port-scan", s.PortScan.Ports + 1, s.PortScan.Window, func(r *store.Record) (string, string) { return r.Dst.String(), pair(r) }, "port", " of one address", false, false, nil},
		{"host-sweep", s.HostSweep.Hosts, s.HostSweep.Window, func(r *store.Record) (string, string) { return fmt.Sprint(r.DstPort), pair(r) }, "address", " on one port", false, false, nil},
		{"probe", s.Probe.Targets, s.Probe.Window, func(r *store.Record) (string, string) { return "", pair(r) }, "pair", " of address and port", false, false, nil},
		{"login", s.Login.Failures + 1, s.Login.Window, func(r *store.Record) (string, string) { return "", place(r) }, "failed login", "", true, false, nil},
	}
	for i := range s.Custom {
		r := &s.Custom[i]
		c := counter{r.Name, r.MoreThan + 1, r.Window, nil, "event", "", len(r.Distinct) == 0, r.Mode == detect.Notice, r.Events}
		if len(r.Distinct) > 0 {
			c.what = "distinct value"
		}
		if len(r.Per) > 0 {
			var per []string
			for _, f := range r.Per {
				per = append(per, f.String())
			}
			c.within = " of one " + strings.Join(per, " and ")
		}
		list = append(list, c)
	}
	return list
}

// place tells records apart.
func place(r *store.Record) string { return fmt.Sprint(r.File, " ", r.Offset) }

// nearness collects what rules count of the records of a source.
type nearness struct {
	counters  []counter
	counts    func(*store.Record) []detect.Counting
	sightings map[string][]sighting
}

func newNearness(s *detect.Settings, counts func(*store.Record) []detect.Counting) *nearness {
	return &nearness{counters: countersOf(s), counts: counts, sightings: make(map[string][]sighting)}
}

// add takes in a record. Each IPv4 source is counted for itself.
func (n *nearness) add(r *store.Record) {
	source := ""
	if r.Src.Is4() {
		source = r.Src.String() + " "
	}
	for _, c := range n.counts(r) {
		if i := slices.IndexFunc(n.counters, func(k counter) bool { return k.rule == c.Rule }); i >= 0 && c.Counts {
			key, value := c.Key, cmp.Or(c.Value, place(r))
			if of := n.counters[i].of; of != nil {
				key, value = of(r)
			}
			again := uint32(0)
			if n.counters[i].single {
				again = max(r.Repeat, 1) - 1
			}
			n.sightings[c.Rule] = append(n.sightings[c.Rule], sighting{r.Time, source + key, value, eventOf(r), int(again)})
		}
	}
}

// eventOf is how custom rules name the event of a record.
func eventOf(r *store.Record) string {
	switch r.Type {
	case detect.TypeTraffic.String():
		return detect.EventTraffic
	case detect.TypeThreat.String():
		return detect.EventThreat
	case detect.TypeLog.String():
		return r.Subtype
	}
	return detect.EventLogin
}

// list gives those of the rules of which there is anything.
func (n *nearness) list() []Near {
	all := []Near{}
	for i := range n.counters {
		c := &n.counters[i]
		found, among := most(n.sightings[c.rule], c.window)
		if found == 0 {
			continue
		}
		window := strings.NewReplacer("h0m0s", "h", "m0s", "m").Replace(c.window.String())
		near := Near{Rule: c.rule, Found: found, Needed: c.needed, Window: window, Told: c.tells && found >= c.needed, From: among[0].at, To: among[len(among)-1].at,
			Text: fmt.Sprintf("%s%s within %s, of %d needed", english.Plural(found, c.what, ""), c.within, window, c.needed)}
		if c.events != nil {
			near.Events = make(map[string]int)
			for _, s := range among {
				near.Events[s.event] += 1 + s.again
			}
			var of []string
			for _, event := range c.events {
				near.Events[event] += 0
				if count := near.Events[event]; count > 0 {
					of = append(of, fmt.Sprintf("%d %s", count, event))
				} else {
					of = append(of, "no "+event)
				}
			}
			near.Text += fmt.Sprintf(" (%s, from %s to %s)", strings.Join(of, ", "), display.LocalTime(near.From), display.LocalTime(near.To))
		}
		all = append(all, near)
	}
	return all
}

// most gives the largest number of distinct values of one key, and of what counts again, in sightings whose times differ by less than the window, and
// the first such sightings, by time.
func most(all []sighting, window time.Duration) (largest int, among []sighting) {
	if window <= 0 {
		return 0, nil
	}
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b sighting) int { return a.at.Compare(b.at) })
	type state struct {
		from   int
		held   []sighting
		values map[string]int
		again  int
	}
	keys := make(map[string]*state)
	for _, s := range all {
		k := keys[s.key]
		if k == nil {
			k = &state{values: make(map[string]int)}
			keys[s.key] = k
		}
		k.held = append(k.held, s)
		k.values[s.value]++
		k.again += s.again
		for ; s.at.Sub(k.held[k.from].at) >= window; k.from++ {
			k.again -= k.held[k.from].again
			if gone := k.held[k.from].value; k.values[gone] == 1 {
				delete(k.values, gone)
			} else {
				k.values[gone]--
			}
		}
		if n := len(k.values) + k.again; n > largest {
			largest, among = n, k.held[k.from:]
		}
	}
	return largest, among
}
