package clock

import (
	"maps"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// host is a host whose clock can be set.
type host struct {
	wall    time.Time
	running time.Duration
}

func newHost() *host { return &host{wall: time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)} }

func (h *host) read() (time.Time, time.Duration) { return h.wall, h.running }

func (h *host) pass(d time.Duration) { h.wall, h.running = h.wall.Add(d), h.running+d }

const day = 24 * time.Hour

func TestAClockThatIsSet(t *testing.T) {
	h := newHost()
	begun := h.wall
	c := New(h.read)
	expect := func(when string, believed time.Time, ahead time.Duration) {
		t.Helper()
		got := c.Time()
		if by, since := c.Ahead(); !got.Equal(believed) || by != ahead || since.IsZero() != (ahead == 0) {
			t.Errorf("%s: %s is believed, want %s; ahead by %s since %v, want %s", when, got, believed, by, since, ahead)
		}
	}
	expect("at first", begun, 0)
	h.pass(3 * day)
	expect("after three days", begun.Add(3*day), 0)
	h.wall = h.wall.Add(Tolerance)
	expect("set ahead by an hour", begun.Add(3*day+Tolerance), 0)
	h.wall = h.wall.Add(35 * day)
	expect("set ahead by 35 days", begun.Add(3*day+Tolerance), 35*day)
	h.pass(day)
	expect("a day later", begun.Add(4*day+Tolerance), 35*day)
	_, since := c.Ahead()
	if want := begun.Add(38*day + Tolerance); !since.Equal(want) {
		t.Errorf("ahead since %s, want %s", since, want)
	}
	log := func(by time.Duration) { // for half an hour, by a clock that differs by this
		for range 30 {
			h.pass(time.Minute)
			c.Heard(map[string]time.Time{"fw1": h.wall.Add(by)}, nil)
		}
		begun = begun.Add(30 * time.Minute)
	}
	log(-35 * day)
	expect("old events are heard", begun.Add(4*day+Tolerance), 35*day)
	log(-29 * day)
	expect("events half-way are heard", begun.Add(10*day+Tolerance), 29*day)
	log(1000 * day)
	expect("events of the future are heard", begun.Add(10*day+Tolerance), 29*day)
	log(Tolerance)
	expect("events of now, by a clock that is a little ahead", h.wall, 0)
	h.wall = h.wall.Add(-35 * day)
	expect("set back by 35 days", h.wall, -35*day)
	h.wall = h.wall.Add(35 * day)
	expect("and ahead again", h.wall, 0)
}

func TestATimeWithoutTheProgram(t *testing.T) {
	h := newHost()
	begun := h.wall
	c := New(h.read)
	c.Resume(time.Time{})
	if at := c.Time(); !at.Equal(begun) {
		t.Errorf("%s is believed of a program that never ran", at)
	}
	c.Resume(begun.Add(-Tolerance))
	if by, _ := c.Ahead(); by != 0 || !c.Time().Equal(begun) {
		t.Errorf("ahead by %s after an hour's stop", by)
	}
	c.Resume(begun.Add(-10 * day))
	if by, _ := c.Ahead(); by != 10*day || !c.Time().Equal(begun.Add(-10*day)) {
		t.Errorf("ahead by %s after ten days' stop: %s", by, c.Time())
	}
	// What was logged meanwhile is read within a few minutes, then what comes now.
	for i := range 22 {
		c.Heard(map[string]time.Time{"fw1": h.wall.Add(-10*day + min(10, time.Duration(i+1)*2)*day)}, nil)
		h.pass(time.Minute)
	}
	if by, _ := c.Ahead(); by != 0 || !c.Time().Equal(h.wall) {
		t.Errorf("ahead by %s when events were heard for twenty minutes: %s", by, c.Time())
	}
}

// A host that starts with its clock behind, after a run with a right one, says so, and what is dated later is not taken for wrong.
func TestAClockThatIsBehindAtTheStart(t *testing.T) {
	h := newHost()
	c := New(h.read)
	c.Resume(h.wall.Add(35 * day))
	if by, since := c.Ahead(); by != -35*day || !since.Equal(h.wall) || !c.Time().Equal(h.wall) {
		t.Errorf("ahead by %s since %s: %s", by, since, c.Time())
	}
	c.Heard(map[string]time.Time{"fw1": h.wall}, nil)
	if c.Agreed() {
		t.Error("it is taken for right")
	}
	h.wall = h.wall.Add(35 * day)
	if by, _ := c.Ahead(); by != 0 || !c.Time().Equal(h.wall) {
		t.Errorf("ahead by %s when it was set right: %s", by, c.Time())
	}
}

// Whether a clock that was set ahead by 35 days is believed, by what the sources log. Each step is ten seconds.
func TestAFewLinesMakeNoClockRight(t *testing.T) {
	const right, wrong = 0, -35 * day // of a source, compared with the host's clock
	type logs map[string]time.Duration
	for _, c := range []struct {
		name  string
		steps int
		says  func(step int) logs
		want  bool
	}{
		{"nobody logs", 1000, func(int) logs { return nil }, false},
		{"one line", 1000, func(step int) logs { return map[bool]logs{true: {"a": right}}[step == 1] }, false},
		{"lines for a minute", 1000, func(step int) logs { return map[bool]logs{true: {"a": right}}[step < 7] }, false},
		{"lines for nine minutes", 54, func(int) logs { return logs{"a": right} }, false},
		{"lines for ten minutes", 61, func(int) logs { return logs{"a": right} }, true},
		{"a line each quarter of an hour", 1000, func(step int) logs { return map[bool]logs{true: {"a": right}}[step%90 == 0] }, true},
		{"four lines, an hour apart", 1500, func(step int) logs { return map[bool]logs{true: {"a": right}}[step%360 == 0 && step < 1440] }, false},
		{"one of two for half an hour", 180, func(step int) logs {
			return map[bool]logs{true: {"a": right, "b": wrong}, false: {"a": right}}[step == 0]
		}, false},
		{"one of two for ever, and the other has stopped", 1000, func(step int) logs {
			return map[bool]logs{true: {"a": right, "b": wrong}, false: {"a": right}}[step == 0]
		}, true},
		{"two that do not agree", 1000, func(int) logs { return logs{"a": right, "b": wrong} }, false},
		{"two of three", 200, func(int) logs { return logs{"a": right, "b": wrong, "c": right} }, true},
		{"one of three", 1000, func(int) logs { return logs{"a": right, "b": wrong, "c": wrong} }, false},
		{"true lines now and then among others", 1000, func(step int) logs { return logs{"a": map[bool]time.Duration{true: wrong, false: right}[step%30 == 0]} }, false},
	} {
		h := newHost()
		clock := New(h.read)
		h.wall = h.wall.Add(35 * day)
		newest := make(map[string]time.Time)
		for step := range c.steps {
			for source, by := range c.says(step) {
				newest[source] = h.wall.Add(by)
			}
			clock.Heard(maps.Clone(newest), nil)
			h.pass(10 * time.Second)
		}
		if by, _ := clock.Ahead(); (by == 0) != c.want {
			t.Errorf("%s: ahead by %s", c.name, by)
		}
	}
}

// Whatever is set and heard: what is believed goes no further than time has passed or events have come, and is never ahead of the
// host's clock.
func TestWhatIsBelieved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHost()
		c := New(h.read)
		bound, spans := h.wall, rapid.Int64Range(-int64(60*day), int64(60*day))
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.IntRange(0, 2).Draw(t, "step") {
			case 0:
				d := time.Duration(rapid.Int64Range(0, int64(3*day)).Draw(t, "passes"))
				h.pass(d)
				bound = bound.Add(d)
			case 1:
				h.wall = h.wall.Add(time.Duration(spans.Draw(t, "set by")))
			case 2:
				event := h.wall.Add(time.Duration(spans.Draw(t, "heard")))
				c.Heard(map[string]time.Time{rapid.SampledFrom([]string{"a", "b"}).Draw(t, "source"): event}, nil)
				if event.After(bound) {
					bound = event
				}
			}
			at := c.Time()
			// Each look may take the host's word for as much as Tolerance.
			if bound = bound.Add(Tolerance); at.After(bound) || at.After(h.wall) {
				t.Fatalf("%s is believed; the host says %s, and no more than %s has passed or was heard", at, h.wall, bound)
			}
		}
	})
}

// This host's own logs have its own clock: as long as firewalls log, their word alone counts, and once none has for a day, that of all.
func TestTheHostsOwnLogsProveNothing(t *testing.T) {
	h := newHost()
	c := New(h.read)
	own := func() map[string]time.Time { return map[string]time.Time{"auth.log": h.wall, "access.log": h.wall} }
	c.Heard(nil, own())
	if !c.Agreed() {
		t.Error("where no firewall logs, the host's clock is not agreed with")
	}
	c.Heard(nil, map[string]time.Time{"auth.log": h.wall, "access.log": h.wall, "other.log": h.wall.Add(2 * day)})
	if c.Agreed() || c.Later() != 2*day {
		t.Errorf("another host logs later events: agreed %v, it may be later by %s", c.Agreed(), c.Later())
	}
	firewall := map[string]time.Time{"fw1": h.wall.Add(35 * day)}
	c.Heard(firewall, own())
	if c.Agreed() || c.Later() != 35*day {
		t.Errorf("a firewall logs later events: agreed %v, it may be later by %s", c.Agreed(), c.Later())
	}
	h.wall = h.wall.Add(70 * day)
	step := func(steps int) time.Duration {
		for range steps {
			h.pass(10 * time.Second)
			c.Heard(firewall, own())
		}
		by, _ := c.Ahead()
		return by
	}
	if by := step(1000); by != 70*day || c.Later() != 0 {
		t.Errorf("ahead by %s, later by %s, by what the host itself says", by, c.Later())
	}
	if by := step(8640); by != 0 {
		t.Errorf("ahead by %s, a day after the last word of a firewall", by)
	}
}

// Firewalls that log later events than the host's clock are wrong, unless they are more than those that agree with it.
func TestWhoIsRight(t *testing.T) {
	for _, c := range []struct {
		says   []time.Duration // what each firewall's clock differs
		agreed bool
		later  time.Duration
	}{
		{nil, false, 0},
		{[]time.Duration{0}, true, 0},
		{[]time.Duration{-2 * day}, false, 0},
		{[]time.Duration{Tolerance}, true, 0},
		{[]time.Duration{2 * day}, false, 2 * day},
		{[]time.Duration{0, 2 * day}, true, 0},
		{[]time.Duration{0, 2 * day, 3 * day}, false, 2 * day},
		{[]time.Duration{-2 * day, 2 * day, 1000 * day, 3 * day}, false, 3 * day},
		{[]time.Duration{0, 0, 2 * day, 3 * day}, true, 0},
	} {
		h := newHost()
		clock, says := New(h.read), make(map[string]time.Time)
		for i, by := range c.says {
			says[string(rune('a'+i))] = h.wall.Add(by)
		}
		clock.Heard(says, nil)
		if clock.Agreed() != c.agreed || clock.Later() != c.later {
			t.Errorf("%v: agreed %v, later by %s", c.says, clock.Agreed(), clock.Later())
		}
	}
	h := newHost()
	clock := New(h.read)
	clock.Heard(map[string]time.Time{"a": h.wall}, nil)
	h.wall = h.wall.Add(-2 * day)
	if clock.Agreed() || clock.Later() != 2*day {
		t.Errorf("set back: agreed %v, later by %s", clock.Agreed(), clock.Later())
	}
}

// The clock of the database's server is another host's: it is believed against this host's, unless firewalls agree with that.
func TestTheDatabasesServerHasAClock(t *testing.T) {
	h := newHost()
	c := New(h.read)
	c.Asked(time.Time{})
	c.Heard(nil, map[string]time.Time{"auth.log": h.wall})
	if !c.Agreed() || c.Later() != 0 {
		t.Errorf("a database without a server: agreed %v, later by %s", c.Agreed(), c.Later())
	}
	c.Asked(h.wall.Add(Tolerance))
	if !c.Agreed() || c.Later() != 0 {
		t.Errorf("an hour later: agreed %v, later by %s", c.Agreed(), c.Later())
	}
	c.Asked(h.wall.Add(2 * day))
	h.pass(time.Hour)
	if c.Agreed() || c.Later() != 2*day {
		t.Errorf("two days later: agreed %v, later by %s", c.Agreed(), c.Later())
	}
	c.Heard(map[string]time.Time{"fw1": h.wall}, nil)
	if !c.Agreed() || c.Later() != 0 {
		t.Errorf("a firewall agrees with the host: agreed %v, later by %s", c.Agreed(), c.Later())
	}
	h.wall = h.wall.Add(-day)
	if c.Agreed() || c.Later() != day {
		t.Errorf("set back by a day since: agreed %v, later by %s", c.Agreed(), c.Later())
	}
	c.Heard(map[string]time.Time{"fw1": h.wall}, nil)
	if c.Later() != 3*day {
		t.Errorf("heard again: later by %s", c.Later())
	}
	h.wall = h.wall.Add(3 * day)
	if c.Later() != 0 {
		t.Errorf("set right: later by %s", c.Later())
	}
}

// One line of a firewall that says years more than the others is not followed.
func TestOneLineIsNotFollowed(t *testing.T) {
	h := newHost()
	c := New(h.read)
	for i, says := range []time.Duration{35 * day, 1000 * day, 35 * day} {
		c.Heard(map[string]time.Time{"fw1": h.wall.Add(says)}, nil)
		if c.Later() != 35*day {
			t.Errorf("line %d: later by %s", i, c.Later())
		}
		h.pass(time.Second)
	}
}
