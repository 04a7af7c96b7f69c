// Package report makes of what the store has counted the account for who pays for it all: who was blocked, why, from where, and for how
// much of the time the firewalls took blocks. It writes it as text, as CSV, and as one HTML file that asks for nothing else. It is pure:
// it reads no store and has no clock.
package report

import (
	"cmp"
	"strconv"
	"time"

	"activedefense/store"
)

// Most is how many values each list of a report has; what is beyond is in its sum alone.
const Most = 15

// Report is an account of a time. Texts are as logs have them: they are made harmless where they are written.
type Report struct {
	From      time.Time `json:"from"`
	Until     time.Time `json:"until"`
	Blocks    int64     `json:"blocks"`           // that began in that time
	Sources   int64     `json:"sources"`          // distinct addresses and networks among them
	Records   int64     `json:"records"`          // log records of these while they were blocked, and those that led to it
	Released  int64     `json:"released"`         // blocks that ended in it
	ByHand    int64     `json:"released_by_hand"` // of these, by a person
	Standing  int64     `json:"blocked_now"`      // whenever they began
	Held      int64     `json:"held_now"`         // that wait for a person
	Observed  int64     `json:"observed_now"`
	Rules     []Count   `json:"rules"` // this and the next three: those with the most blocks, the most first
	Countries []Count   `json:"countries"`
	Ports     []Count   `json:"ports"`
	Firewalls []Count   `json:"firewalls"` // as the log names them
	Days      []Count   `json:"days"`      // every day of UTC in their order
	Top       []Source  `json:"top_sources"`
	// Availability is of each firewall of which anything is known, by name.
	Availability []Availability `json:"availability"`
}

// Count is how many blocks have something in common.
type Count struct {
	Name   string `json:"name"`
	Blocks int64  `json:"blocks"`
}

// Source is an address or network that was blocked.
type Source struct {
	Address string    `json:"address"`
	Country string    `json:"country"`
	Rule    string    `json:"rule"` // of its last block
	Blocks  int64     `json:"blocks"`
	Records int64     `json:"records"`
	Last    time.Time `json:"last_seen"`
}

// Availability is how a firewall did, in seconds of the report's time.
type Availability struct {
	Firewall    string   `json:"firewall"`
	Up          float64  `json:"up_seconds"`          // it took blocks
	Down        float64  `json:"down_seconds"`        // it did not answer, or could not be brought level
	Unenforced  float64  `json:"unenforced_seconds"`  // it was up, and no rule of it stopped what it held
	Paused      float64  `json:"paused_seconds"`      // a person had everything taken off it
	Maintenance float64  `json:"maintenance_seconds"` // nothing was sent to it, because the configuration said so
	Standby     float64  `json:"standby_seconds"`     // the passive member of a pair
	Unknown     float64  `json:"unknown_seconds"`     // nobody looked: the daemon did not run, or did not note it yet
	Outages     int      `json:"outages"`             // how many times it went down
	Longest     float64  `json:"longest_outage_seconds"`
	Available   *float64 `json:"available"` // Up as a share of Up, Down, Unenforced and Paused, 0 to 1; null: nothing of these is known
}

// Unknown is what a value is called that no log gave.
const Unknown = "unknown"

// A Maker makes a report of what it is given, of states of firewalls by firewall and in the order of time.
type Maker struct {
	r   Report
	end time.Time // until when the last of the firewalls is accounted for
	out float64   // seconds that its present outage has lasted
}

// New begins a report of what was from then and before until.
func New(from, until time.Time) *Maker {
	return &Maker{r: Report{From: from.UTC(), Until: until.UTC(), Rules: []Count{}, Countries: []Count{}, Ports: []Count{}, Firewalls: []Count{},
		Days: []Count{}, Top: []Source{}, Availability: []Availability{}}}
}

// Count takes in what blocks there were.
func (m *Maker) Count(c *store.Counts) {
	r := &m.r
	r.Blocks, r.Sources, r.Records, r.Released, r.ByHand = c.Blocks, c.Sources, c.Hits, c.Released, c.ByHand
	r.Standing, r.Held, r.Observed = c.Standing, c.Held, c.Observed
	r.Rules, r.Countries, r.Firewalls = named(c.Rules, plainName), named(c.Countries, plainName), named(c.Devices, plainName)
	r.Ports = named(c.Ports, portName)
	blocks := make(map[string]int64)
	for _, d := range c.Days {
		blocks[d.Value] = d.Blocks
	}
	for day := r.From.Truncate(24 * time.Hour); day.Before(r.Until); day = day.Add(24 * time.Hour) {
		name := day.Format(time.DateOnly)
		r.Days = append(r.Days, Count{name, blocks[name]})
	}
	for _, t := range c.Top {
		address := t.Address.String()
		if t.Address.IsSingleIP() {
			address = t.Address.Addr().String()
		}
		r.Top = append(r.Top, Source{address, plainName(t.Country), t.Rule, t.Blocks, t.Hits, t.Last})
	}
}

func named(list []store.Tally, name func(string) string) []Count {
	counts := []Count{}
	for _, t := range list {
		counts = append(counts, Count{name(t.Value), t.Blocks})
	}
	return counts
}

func plainName(value string) string { return cmp.Or(value, Unknown) }

// portName is how the port of a block is called.
func portName(value string) string {
	switch value {
	case strconv.Itoa(store.SeveralPorts):
		return "several"
	case "0":
		return "none or " + Unknown
	}
	return value
}

// State takes in how a firewall was. Where several agents look after one, what was seen first counts.
func (m *Maker) State(s *store.FirewallState) {
	r := &m.r
	if n := len(r.Availability); n == 0 || r.Availability[n-1].Firewall != s.Firewall {
		r.Availability = append(r.Availability, Availability{Firewall: s.Firewall})
		m.end, m.out = r.From, 0
	}
	a := &r.Availability[len(r.Availability)-1]
	began, until := later(s.Began, m.end), s.Until
	if until.After(r.Until) {
		until = r.Until
	}
	seen := until.Sub(began).Seconds()
	if seen < 0 {
		return
	}
	if began.After(m.end) {
		m.out = 0
	}
	m.end = until
	if s.State != "down" {
		m.out = 0
	} else {
		if m.out == 0 {
			a.Outages++
		}
		m.out += max(seen, 1e-6) // one that was only just noticed has begun
		a.Longest = max(a.Longest, seen, m.out-1e-6)
	}
	if sum := a.of(s.State); sum != nil {
		*sum += seen
	}
}

// of is the sum of a state; nil: nobody knows that state.
func (a *Availability) of(state string) *float64 {
	switch state {
	case "up":
		return &a.Up
	case "down":
		return &a.Down
	case "unenforced":
		return &a.Unenforced
	case "paused":
		return &a.Paused
	case "maintenance":
		return &a.Maintenance
	case "standby":
		return &a.Standby
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Report is the report.
func (m *Maker) Report() *Report {
	r := m.r
	whole := r.Until.Sub(r.From).Seconds()
	for i := range r.Availability {
		a := &r.Availability[i]
		a.Unknown = max(0, whole-a.Up-a.Down-a.Unenforced-a.Paused-a.Maintenance-a.Standby)
		if wanted := a.Up + a.Down + a.Unenforced + a.Paused; wanted > 0 {
			a.Available = new(a.Up / wanted)
		}
	}
	return &r
}
