package panos

import (
	"bytes"
	"strconv"
	"time"

	"activedefense/detect"
)

const (
	// skew is by how much clocks may differ, and a record still be taken for older than what was written behind it.
	skew = 10 * time.Minute
	// agreement is how far the high-resolution time, which is taken a little later, may be from the time of generation.
	agreement = 60
)

// setTime sets the event's time from the first source that gives one: the record's
// own text, the header, the time of reading. Where the text is a time that cannot be read and names another year than a header without
// one is taken for, nothing stands in for it: an old record would be of this year.
func (p *Parser) setTime(ev *detect.Event, text []byte, h *header, at time.Time) error {
	m, ok := p.clock.parse(text)
	switch {
	case ok:
		m = p.beforeHeader(m, h, at)
	default:
		if m = p.headerTime(h, at); unreadable(text) && !h.hasYear() && !hasYearOf(text, m.t) {
			return ErrBadTime
		}
	}
	ev.Time, ev.Later = m.t.UTC(), m.later
	return nil
}

// unreadable says whether a text that is no time may tell one with a year: in a way that is not known, or one that there never was.
// What PAN-OS writes where it has none, the beginning of 1970, tells nothing.
func unreadable(text []byte) bool {
	if c, ok := civilTime(text); ok {
		return c.year >= firstYear && c.year <= lastYear
	}
	_, n := monthFirst(text) // without a year, as a syslog header
	return n != len(text) && !isNumber(text) && bytes.ContainsAny(text, "0123456789")
}

// hasYearOf says whether a text has the year of t, or of the day before or behind it.
func hasYearOf(text []byte, t time.Time) bool {
	return bytes.Contains(text, strconv.AppendInt(nil, int64(t.AddDate(0, 0, -1).Year()), 10)) ||
		bytes.Contains(text, strconv.AppendInt(nil, int64(t.AddDate(0, 0, 1).Year()), 10))
}

// hasYear says whether the header's time has a year.
func (h *header) hasYear() bool {
	c, _ := headerTime(h.stamp)
	return c.year != 0
}

// recordTimes are the times that a record has of itself, as text.
type recordTimes struct{ received, generated, precise []byte }

// setGenerated sets the event's time to that of its generation: what a firewall kept and sent late has one receive time.
func (p *Parser) setGenerated(ev *detect.Event, r recordTimes, h *header, at time.Time) error {
	if t, ok := p.clock.highResolution(r.generated, r.precise); ok {
		ev.Time = t.UTC()
		return nil
	}
	m, ok := p.clock.parse(r.generated)
	if !ok {
		if len(r.received) == 0 {
			r.received = r.generated
		}
		return p.setTime(ev, r.received, h, at)
	}
	if m = p.beforeHeader(m, h, at); m.later != 0 {
		if received, ok := p.clock.parse(r.received); ok {
			m = m.before(received)
		}
	}
	ev.Time, ev.Later = m.t.UTC(), m.later
	return nil
}

// headerTime gives the time of the header, else the time of reading.
func (p *Parser) headerTime(h *header, at time.Time) moment {
	if h.stamp != nil {
		if m, ok := p.clock.header(h.stamp, at); ok {
			return m
		}
	}
	return moment{t: at}
}

// beforeHeader decides between the two readings of a record's time by the header, which was written behind it.
func (p *Parser) beforeHeader(m moment, h *header, at time.Time) moment {
	if m.later == 0 || h.stamp == nil {
		return m
	}
	if limit, ok := p.clock.header(h.stamp, at); ok {
		return m.before(limit)
	}
	return m
}

// before decides between the two readings of m, which something written at limit followed soon. The second is out of the
// question where it would be younger than that; the first is where the second is young enough and the first was long
// ago. Where what followed came so late that either fits, or may itself be read in two ways, nothing is decided.
func (m moment) before(limit moment) moment {
	if m.later == 0 {
		return m
	}
	second := m.t.Add(m.later)
	switch {
	case second.After(limit.t.Add(limit.later + skew)):
		return moment{t: m.t}
	case limit.later == 0 && limit.t.Sub(second) < m.later:
		return moment{t: second}
	}
	return m
}

// fineTime remembers a time of generation and a high-resolution time that agrees with it, but for the milliseconds:
// a busy firewall has many of one second.
type fineTime struct {
	generated [19]byte // 2025/11/21 02:00:00
	head      [20]byte // 2025-11-21T02:00:00.
	zone      [6]byte  // +01:00
	unix      int64
}

// highResolution gives the high-resolution time of a record if it has one that agrees with the time of generation, or
// if that cannot be read. PAN-OS writes 1970 where it has none.
func (k *clock) highResolution(generated, precise []byte) (time.Time, bool) {
	if len(precise) < 19 {
		return time.Time{}, false
	}
	f := &k.fine
	usual := len(precise) == 29 && len(generated) == len(f.generated) && precise[19] == '.' && digitRun(precise[20:23]) == 3
	if usual && string(generated) == string(f.generated[:]) && string(precise[:20]) == string(f.head[:]) && string(precise[23:]) == string(f.zone[:]) {
		return time.Unix(f.unix, milliseconds(precise[20:23])), true
	}
	c, ok := civilTime(precise)
	if !ok || !c.zoned {
		return time.Time{}, false
	}
	m, ok := k.instant(c)
	if !ok || !k.agree(generated, c, m.t) {
		return time.Time{}, false
	}
	if usual {
		copy(f.generated[:], generated)
		copy(f.head[:], precise)
		copy(f.zone[:], precise[23:])
		f.unix = m.t.Unix()
	}
	return m.t, true
}

// milliseconds gives three digits of them, in nanoseconds.
func milliseconds(b []byte) int64 {
	return (int64(b[0]-'0')*100 + int64(b[1]-'0')*10 + int64(b[2]-'0')) * 1_000_000
}

// agree says whether a time of generation says the same as t, which is c with its zone: on the firewall's clock, whatever
// zone that is in, or as an instant.
func (k *clock) agree(generated []byte, c civil, t time.Time) bool {
	m, ok := k.parse(generated)
	if !ok {
		return true
	}
	if g, ok := civilTime(generated); ok && !g.zoned && near(g.seconds(), c.seconds()) {
		return true
	}
	return near(m.t.Unix(), t.Unix()) || near(m.t.Add(m.later).Unix(), t.Unix())
}

func near(a, b int64) bool { return max(a-b, b-a) <= agreement }
