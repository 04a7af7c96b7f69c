// Package clock tells how far the clock of this host can be believed. Blocks end when a source has been quiet for weeks, so a
// clock that jumps ahead by weeks would end all of them.
package clock

import (
	"slices"
	"sync"
	"time"
)

// Tolerance is by how much a clock may be set, and still be believed at once.
const Tolerance = time.Hour

// Zones is by how much two time zones differ at most.
const Zones = 26 * time.Hour

const (
	// Patience is for how long log lines have to say the same, by the monotonic clock, before they are believed; alone is for how long where
	// only one of several sources has any.
	Patience = 10 * time.Minute
	alone    = time.Hour
	// wordOf is for how long a firewall counts that has logged nothing since.
	wordOf = 24 * time.Hour
	// turns is at how many moments they have to, with turnEvery between them: a few lines of a moment are easily forged, or wrong.
	turns     = 5
	turnEvery = time.Minute
)

// A Clock is what can be believed of the host's clock. It goes on as long as time has passed by the host's monotonic clock, which nobody
// sets. Where the host's clock is further ahead, because it was set or because the program did not run, it follows only as far as
// the events have come that the firewalls log, which have clocks of their own: half of those that log anything, for as long as Patience. What other
// hosts log counts only where no firewall has logged anything for a day: the host may be this one, and its word be that of the clock in question.
// After a stop that is so within twice Patience of the time at which all was read. It is never ahead of the host's clock.
//
// It is safe for concurrent use.
type Clock struct {
	read func() (wall time.Time, running time.Duration)

	mu       sync.Mutex
	running  time.Duration      // when it was read last
	believed time.Time          // then
	ahead    time.Duration      // by how much the host's clock was further, then, beyond Tolerance; below 0: it was behind
	since    time.Time          // by the host's clock: since when that is so
	agreed   bool               // no fewer firewalls logged events at the time that the host's clock had, and that was believed, than later ones
	later    time.Duration      // by how much their events are later than the host's clock, where it is not
	said     time.Duration      // that, when it was looked at last
	saidAt   time.Duration      // when that was, by the monotonic clock
	saidBy   bool               // it was firewalls that did
	certain  bool               // firewalls have agreed
	sources  map[string]*source // that have logged anything, by name
	server   time.Time          // what the clock of the database's server said when it was asked last; zero: nobody asked
	asked    time.Duration      // then, by the monotonic clock
	course   course
}

// A source is what is known of one.
type source struct {
	firewall bool
	newest   time.Time     // its newest event when it was last heard
	heard    time.Duration // when that was another than before, by the monotonic clock
}

// A course is what the sources have said in one go while the host's clock was ahead.
type course struct {
	begun, turned time.Duration // by the monotonic clock; turned: when the last turn was
	turns         int
	said          map[string]time.Time // the newest event of each source that had one in it
	least         time.Duration        // by how much, at least, their events were ahead of what was believed
}

// New makes a clock. read gives the host's clock, and its monotonic clock since some moment. At first all is believed.
func New(read func() (wall time.Time, running time.Duration)) *Clock {
	wall, running := read()
	return &Clock{read: read, running: running, believed: wall.Round(0), sources: make(map[string]*source)}
}

// Resume has nothing believed but that it is later than a time when the program ran before, which a clock that was set back is not; the zero time changes nothing.
func (c *Clock) Resume(last time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !last.IsZero() {
		c.believed = last
	}
	c.step()
}

// Asked tells what the clock of the database's server says now: another host's, as a rule; the zero time: it has none. It is believed against this host's where no firewalls agree with that.
func (c *Clock) Asked(server time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.step()
	c.server, c.asked = server, c.running
}

// behindServer is by how much the clock of the database's server is later than the host's, where that counts and is more than Tolerance.
func (c *Clock) behindServer(wall time.Time) time.Duration {
	if by := c.server.Add(c.running - c.asked).Sub(wall); by > Tolerance && !c.server.IsZero() && !c.certain {
		return by
	}
	return 0
}

// Heard tells of the newest event of each source that has logged any by now: of firewalls, and of others, which may be this host. One that is later
// than the host's clock does not have that followed: the firewall's is wrong, or the host's is behind, see Agreed.
func (c *Clock) Heard(firewalls, others map[string]time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall := c.step()
	news := make(map[string]time.Time)
	for name, event := range firewalls {
		c.note(name, event, true, news)
	}
	for name, event := range others {
		c.note(name, event, false, news)
	}
	for name := range c.sources {
		if firewalls[name].IsZero() && others[name].IsZero() {
			delete(c.sources, name)
		}
	}
	voices := c.voices()
	c.compare(voices, wall)
	if c.ahead <= 0 {
		c.course = course{}
		return
	}
	said := false
	for name, event := range news {
		if voices[name] == nil || event.Sub(wall) > Tolerance {
			continue
		}
		if c.course.said == nil {
			c.course = course{begun: c.running, turned: c.running - turnEvery, said: make(map[string]time.Time), least: c.ahead}
		}
		c.course.said[name], said = event, true
	}
	if said {
		c.goOn(len(voices))
	}
}

// note keeps the newest event of a source, and adds it to news where it is another than before.
func (c *Clock) note(name string, event time.Time, firewall bool, news map[string]time.Time) {
	s := c.sources[name]
	if s == nil {
		s = &source{firewall: firewall}
		c.sources[name] = s
	}
	if !s.newest.Equal(event) {
		s.newest, s.heard, news[name] = event, c.running, event
	}
}

// voices are the sources whose word counts: the firewalls, or where none of them has logged anything for wordOf, the others.
func (c *Clock) voices() map[string]*source {
	firewalls, others := make(map[string]*source), make(map[string]*source)
	for name, s := range c.sources {
		switch {
		case !s.firewall:
			others[name] = s
		case c.running-s.heard < wordOf:
			firewalls[name] = s
		}
	}
	if len(firewalls) > 0 {
		return firewalls
	}
	return others
}

// compare notes whether those that have logged something lately say that the host's clock is not behind. Firewalls that do are no fewer than those that are ahead of it; of
// other hosts none may be, since those that agree may be this one.
func (c *Clock) compare(voices map[string]*source, wall time.Time) {
	if c.later, c.certain = 0, c.certain && c.ahead == 0; c.ahead != 0 {
		return
	}
	var later []time.Duration
	same, firewalls := 0, false
	for _, s := range voices {
		firewalls = s.firewall // as all of them, or none
		switch off := s.newest.Sub(wall); {
		case off > Tolerance:
			later = append(later, off)
		case off >= -Tolerance:
			same++
		}
	}
	wrong := 0 // of the later ones, at most
	if firewalls {
		wrong = same
	}
	if same+len(later) > 0 {
		c.agreed = len(later) <= wrong
		c.certain = c.agreed && firewalls
	}
	if len(later) > wrong {
		slices.Sort(later)
		now := later[(len(later)-1)/2]
		if c.later = now; c.said > 0 && c.saidBy == firewalls && c.running-c.saidAt < turnEvery {
			c.later = min(now, c.said) // one line that says more is wrong, and the next will not say so
		}
		c.said, c.saidAt, c.saidBy = now, c.running, firewalls
	}
}

// goOn takes in what the sources say now, and believes at the end of a course what they said all along.
func (c *Clock) goOn(voices int) {
	u := &c.course
	var said []time.Time
	for _, event := range u.said {
		said = append(said, event)
	}
	slices.SortFunc(said, time.Time.Compare)
	u.least = min(u.least, said[(len(said)-1)/2].Sub(c.believed))
	if c.running-u.turned >= turnEvery {
		u.turned, u.turns = c.running, u.turns+1
	}
	long := Patience
	if len(u.said) == 1 && voices > 1 {
		long = alone
	}
	if c.running-u.begun < long || u.turns < turns {
		return
	}
	if u.least > 0 {
		c.believed = c.believed.Add(u.least)
	}
	c.course = course{}
	c.step()
}

// Time is the time as far as it can be believed.
func (c *Clock) Time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if wall := c.step(); wall.Before(c.believed) {
		return wall
	}
	return c.believed
}

// Agreed tells whether firewalls log events at the time that the host's clock has, while that is believed, and no more of them later ones, and that it was not set
// back since, nor behind the database's server. Else it may be far behind, as one without a battery is at the start, and what looks as if it were in the future is not.
func (c *Clock) Agreed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.behindServer(c.step()) == 0 && c.agreed && c.ahead >= 0
}

// Later is by how much it may be later than the host's clock says, where that is more than Tolerance: it was set back, or most firewalls log events that are later, or the database's server says so. Else it is 0.
func (c *Clock) Later() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	server := c.behindServer(c.step())
	return max(-c.ahead, c.later, server, 0)
}

// Ahead is by how much the host's clock is ahead of what can be believed, and since when by that clock; below 0: it was set back. Up to
// Tolerance it is 0.
func (c *Clock) Ahead() (by time.Duration, since time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.step()
	return c.ahead, c.since
}

// step goes on by the time that has passed, and gives the host's clock.
func (c *Clock) step() (wall time.Time) {
	wall, running := c.read()
	wall = wall.Round(0) // without the monotonic clock, by which two times are compared that have it: nothing would be seen of a clock that is set
	c.believed = c.believed.Add(max(running-c.running, 0))
	c.running = running
	ahead := wall.Sub(c.believed)
	switch {
	case ahead.Abs() <= Tolerance:
		c.believed, ahead = wall, 0
		c.since = time.Time{}
	case c.since.IsZero():
		c.since = wall
	}
	c.ahead = ahead
	return wall
}
