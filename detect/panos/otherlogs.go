package panos

import (
	"bytes"
	"cmp"
	"net/netip"
	"time"
)

// What readers of other logs share with this package: the header that syslog puts before a message, times, addresses and texts.

// SyslogHeader takes apart what syslog put before a message, as in the lines of a firewall's log: the time as text and the host, either nil
// where there is none, and where the message begins, with its tag (of RFC 5424: with the name of its program). The times that journalctl writes (short to short-full) are among them.
func SyslogHeader(line []byte) (stamp, host []byte, message int) {
	b := trimLeft(trimMark(line))
	b = skipPriority(skipOctetCount(b))
	if len(b) > 2 && b[0] == '1' && b[1] == ' ' {
		b = b[2:]
	}
	n := cmp.Or(stampLength(b), fullLength(b))
	if n == 0 {
		return nil, nil, len(line) - len(b)
	}
	stamp, b = b[:n], skipVerbose(trimLeft(b[n:]))
	if name := token(b); len(name) < len(b) && isHost(name) {
		b = trimLeft(b[len(name):])
		if string(name) != "-" { // that of RFC 5424 for none
			host = name
		}
	}
	return stamp, host, len(line) - len(b)
}

// Address reads an address: without zone, and IPv4 in IPv6 as IPv4. It may stand in brackets, with its zone in them.
func Address(b []byte) (netip.Addr, bool) {
	if n := len(b); n > 1 && b[0] == '[' && b[n-1] == ']' {
		b = b[1 : n-1]
	}
	return parseAddr(b)
}

// Port reads a port; 0 for what is none.
func Port(b []byte) uint16 {
	n, ok := port(b)
	if !ok {
		return 0
	}
	return n
}

// Clean makes text of any bytes as the strings of an event are: see [Parser.Parse].
func Clean(b []byte) string { return clean(b) }

// Texts makes the strings of one field, and hands out one string for equal values. Its memory is bounded. It is not safe for concurrent use.
type Texts struct{ table table }

// Get gives the text of a value; "" for none.
func (t *Texts) Get(b []byte) string { return t.table.get(b) }

// Clock makes instants of the times in a log. It is not safe for concurrent use.
type Clock struct{ clock clock }

// NewClock makes one for times in a zone; nil: time.Local.
func NewClock(loc *time.Location) *Clock {
	if loc == nil {
		loc = time.Local
	}
	return &Clock{clock{loc: loc}}
}

// fullLength gives the length of what looks like the time of journalctl's short-full, Sun 2026-11-29 12:00:00 CET; 0 if b begins otherwise.
func fullLength(b []byte) int {
	if len(b) < 26 || !isLetter(b[0]) || b[3] != ' ' || b[8] != '-' || b[11] != '-' || b[14] != ' ' || b[17] != ':' || b[20] != ':' || b[23] != ' ' {
		return 0
	}
	if n := len(token(b[24:])); n > 0 && 24+n < len(b) {
		return 24 + n
	}
	return 0
}

// full reads such a time. Letters that are neither UTC nor those of the clock's zone at that time are of another zone: not ok.
func (c *Clock) full(b []byte) (m moment, ok bool) {
	s, n := yearFirst(b[4:])
	if n != 19 {
		return m, false
	}
	name := string(b[24:])
	if zone(b[23:], &s)+23 == len(b) || zone(b[24:], &s)+24 == len(b) || name[0] != '+' && name[0] != '-' {
		if m, ok = c.clock.instant(s); s.zoned || !ok {
			return m, ok
		}
		for _, t := range []time.Time{m.t, m.t.Add(m.later)} {
			if of, _ := t.In(c.clock.loc).Zone(); of == name {
				return moment{t: t}, true
			}
		}
		return m, false
	}
	hours, end := number(b, 25, 2) // some zones have no letters: -03
	if s.zoned, s.offset = true, hours*3600; name[0] == '-' {
		s.offset = -s.offset
	}
	m, ok = c.clock.instant(s)
	return m, ok && end == len(b)
}

// Header gives the time of a syslog header; later as [detect.Event] has it. One without a year gets the latest that puts it at most a
// day after at.
func (c *Clock) Header(stamp []byte, at time.Time) (t time.Time, later time.Duration, ok bool) {
	if len(stamp) > 24 && stamp[3] == ' ' && stamp[8] == '-' {
		m, ok := c.full(stamp)
		return m.t, m.later, ok
	}
	m, ok := c.clock.header(stamp, at)
	return m.t, m.later, ok
}

// Any reads a time in any of the forms that logs have: those of a record of a firewall, RFC 3339 among them; that of the common log format
// (29/Nov/2026:12:00:00 +0100, also with a fraction or without a zone); a date and time with its zone behind a blank; that of asctime (Sun Nov 29 12:00:00 2026, also with a
// fraction); seconds or milliseconds since 1970, also with a fraction; and that of a syslog header, as Header reads it. A fraction may stand behind a comma.
func (c *Clock) Any(b []byte, at time.Time) (t time.Time, later time.Duration, ok bool) {
	if m, ok := c.clock.parse(b); ok {
		return m.t, m.later, true
	}
	if s, ok := otherTime(b); ok {
		m, ok := c.clock.instant(s)
		return m.t, m.later, ok
	}
	if whole, fraction, cut := bytes.Cut(b, []byte(".")); cut && isNumber(whole) && isNumber(fraction) {
		t, ok := epoch(whole)
		return t, 0, ok
	}
	if whole, fraction, cut := bytes.Cut(b, []byte(",")); cut && isNumber(fraction) {
		m, ok := c.clock.parse(whole)
		return m.t, m.later, ok
	}
	return c.Header(b, at)
}

// Local gives the instant of a date and time of day that says no zone.
func (c *Clock) Local(t time.Time) (instant time.Time, later time.Duration, ok bool) {
	m, ok := c.clock.instant(civil{year: t.Year(), month: int(t.Month()), day: t.Day(), hour: t.Hour(), minute: t.Minute(), second: t.Second(), nano: t.Nanosecond()})
	return m.t, m.later, ok
}

// otherTime reads the forms that only other logs have.
func otherTime(b []byte) (c civil, ok bool) {
	switch {
	case len(b) > 19 && b[2] == '/' && b[6] == '/' && b[11] == ':':
		return commonTime(b)
	case len(b) > 19 && b[3] == ' ' && isLetter(b[0]):
		return asctime(b)
	case len(b) > 20 && (b[len(b)-5] == ' ' || b[len(b)-6] == ' '):
		at := bytes.LastIndexByte(b, ' ')
		c, n := yearFirst(b[:at])
		return c, n == at && zone(b[at+1:], &c) == len(b)-at-1
	}
	return c, false
}

// commonTime reads 29/Nov/2026:12:00:00 +0100.
func commonTime(b []byte) (c civil, ok bool) {
	var n int
	if c.day, n = number(b, 0, 2); n != 2 {
		return c, false
	}
	if c.month = month(b[3:]); c.month == 0 {
		return c, false
	}
	if c.year, n = number(b, 7, 4); n != 11 {
		return c, false
	}
	if n = timeOfDay(b, 12, &c); n < 0 {
		return c, false
	}
	if n < len(b) && b[n] == ' ' {
		n++
		if zone(b[n:], &c) == 0 {
			return c, false
		}
	}
	n += zone(b[n:], &c)
	return c, n == len(b)
}

// asctime reads Sun Nov 29 12:00:00 2026.
func asctime(b []byte) (c civil, ok bool) {
	c, n := monthFirst(b[4:])
	if n == 0 || c.year != 0 || 4+n >= len(b) || b[4+n] != ' ' {
		return c, false
	}
	end := 0
	c.year, end = number(b, 5+n, 4)
	return c, end == len(b) && end == 9+n
}
