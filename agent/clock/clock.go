// Package clock tells how far the clock of this host can be believed. Blocks end when a source has been quiet for weeks, so a
// clock that jumps ahead by weeks would end all of them.
package clock

import (
	"sync"
	"time"
)

// Tolerance is by how much a clock may be set, and still be believed at once.
const Tolerance = time.Hour

// A Clock is what can be believed of the host's clock. It goes on as long as time has passed by the host's monotonic clock, which nobody
// sets. Where the host's clock is further ahead, because it was set or because the program did not run, it follows only as far as
// the newest event has come that the firewalls logged: they have clocks of their own. It is never ahead of the host's clock.
//
// It is safe for concurrent use.
type Clock struct {
	read func() (wall time.Time, running time.Duration)

	mu       sync.Mutex
	running  time.Duration // when it was read last
	believed time.Time     // then
	ahead    time.Duration // by how much the host's clock was further, then, beyond Tolerance; below 0: it was behind
	since    time.Time     // by the host's clock: since when that is so
	agreed   bool          // a firewall logged an event at the time that the host's clock had
}

// New makes a clock. read gives the host's clock, and its monotonic clock since some moment. At first all is believed.
func New(read func() (wall time.Time, running time.Duration)) *Clock {
	wall, running := read()
	return &Clock{read: read, running: running, believed: wall.Round(0)}
}

// Resume has nothing believed but that it is later than a time when the program ran before; the zero time changes nothing.
func (c *Clock) Resume(last time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !last.IsZero() && last.Before(c.believed) {
		c.believed = last
	}
	c.step()
}

// Heard tells of an event that was logged by now, the newest of a firewall. One that is later than the host's clock proves nothing: the
// firewall's is wrong.
func (c *Clock) Heard(event time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall := c.step()
	c.agreed = c.agreed || event.Sub(wall).Abs() <= Tolerance
	if event.After(c.believed) && event.Sub(wall) <= Tolerance {
		c.believed = event
	}
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

// Agreed tells whether a firewall has logged an event at the time that the host's clock had, and that was not set back since. Else it may
// be far behind, as one without a battery is at the start, and what looks as if it were in the future is not.
func (c *Clock) Agreed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.step()
	return c.agreed && c.ahead >= 0
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
