package panosim

import (
	"maps"
	"slices"
	"sync"
)

// Stats counts what clients did since Start or ResetStats.
type Stats struct {
	Calls       map[string]int // by kind of call, refused ones included
	InFlight    int            // calls in progress now
	MaxInFlight int            // most calls in progress at once
	Largest     int64          // bytes of the largest request body
	Refused     int            // calls with a wrong key, or without one
	Exposed     int            // calls whose key stood in the URL or the body, which others may log
	Faulted     int            // calls that a fault met
	Messages    int            // User-ID messages that could be read
	Entries     int            // entries in them
	MaxEntries  int            // entries in the largest
	Recent      []int          // entries in each of the last 1000 messages, oldest first
	Lines       int            // syslog lines that a server took, as far as the protocol tells
	LinesLost   int            // syslog lines that none took
}

// recentMessages bounds Stats.Recent.
const recentMessages = 1000

// meter keeps the statistics.
type meter struct {
	mu sync.Mutex
	Stats
}

// begin counts a call in; the function that it gives counts it out.
func (m *meter) begin() func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.InFlight++
	m.MaxInFlight = max(m.MaxInFlight, m.InFlight)
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.InFlight--
	}
}

// call counts what was understood of a call.
func (m *meter) call(c *call) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Calls == nil {
		m.Calls = map[string]int{}
	}
	m.Calls[c.kind]++
	if c.exposed() {
		m.Exposed++
	}
	m.Largest = max(m.Largest, c.size)
}

func (m *meter) refused() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.Refused++
}

func (m *meter) faulted() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.Faulted++
}

// message counts a User-ID message and its entries.
func (m *meter) message(entries int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.Messages++
	m.Entries += entries
	m.MaxEntries = max(m.MaxEntries, entries)
	if len(m.Recent) == recentMessages {
		m.Recent = slices.Delete(m.Recent, 0, 1)
	}
	m.Recent = append(m.Recent, entries)
}

// logged counts a syslog line.
func (m *meter) logged(taken bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if taken {
		m.Lines++
	} else {
		m.LinesLost++
	}
}

// Stats gives a copy of the counts.
func (s *Sim) Stats() Stats {
	s.meter.mu.Lock()
	defer s.meter.mu.Unlock()
	out := s.meter.Stats
	out.Calls = maps.Clone(out.Calls)
	if out.Calls == nil {
		out.Calls = map[string]int{}
	}
	out.Recent = slices.Clone(out.Recent)
	return out
}

// ResetStats begins to count anew; calls in progress stay in progress.
func (s *Sim) ResetStats() {
	s.meter.mu.Lock()
	defer s.meter.mu.Unlock()
	s.meter.Stats = Stats{InFlight: s.meter.InFlight, MaxInFlight: s.meter.InFlight}
}
