package panos

import "time"

// parse reads the time of a record in any form that a log format can be made to
// write: 2025/7/10 12:00:00 (also with dashes, a fraction or a zone behind it), RFC
// 3339, seconds or milliseconds since 1970, Jun 20 2025 05:22:38 GMT, and 9/16/19 10:00,
// which spreadsheets make of the first.
func (k *clock) parse(b []byte) (moment, bool) {
	if len(b) < 8 {
		return moment{}, false
	}
	if len(b) == k.length && string(b) == string(k.text[:k.length]) {
		return moment{t: k.last}, true
	}
	m, ok := k.read(b)
	if ok && m.later == 0 && len(b) <= len(k.text) {
		k.length, k.last = copy(k.text[:], b), m.t
	}
	return m, ok
}

// read is parse without the memory of what was read last.
func (k *clock) read(b []byte) (moment, bool) {
	if isNumber(b) {
		t, ok := epoch(b)
		return moment{t: t}, ok
	}
	c, ok := civilTime(b)
	if !ok {
		return moment{}, false
	}
	return k.instant(c)
}

// civilTime reads a date and time of day with its year, alone in b.
func civilTime(b []byte) (c civil, ok bool) {
	if len(b) < 8 {
		return c, false
	}
	n := 0
	switch {
	case isLetter(b[0]):
		if c, n = monthFirst(b); c.year == 0 {
			return c, false
		}
	case b[1] == '/' || b[2] == '/':
		c, n = monthDayYear(b)
		return c, n == len(b)
	default:
		c, n = yearFirst(b)
	}
	if n == 0 {
		return c, false
	}
	n += zone(b[n:], &c)
	return c, n == len(b)
}

// monthDayYear reads 9/16/19 10:00 as spreadsheets in American English write times; year, seconds and the half of the
// day may be there in full. n is 0 if there is none. Without it such a line would take the year of its header, or
// today's.
func monthDayYear(b []byte) (c civil, n int) {
	if c.month, n = number(b, 0, 2); n < 0 || n >= len(b) || b[n] != '/' {
		return c, 0
	}
	if c.day, n = number(b, n+1, 2); n < 0 || n >= len(b) || b[n] != '/' {
		return c, 0
	}
	start := n + 1
	if c.year, n = number(b, start, 4); n < 0 || n >= len(b) || b[n] != ' ' {
		return c, 0
	}
	if n-start == 2 {
		c.year += 2000
	}
	if c.hour, n = number(b, n+1, 2); n < 0 || n >= len(b) || b[n] != ':' {
		return c, 0
	}
	if c.minute, n = number(b, n+1, 2); n < 0 {
		return c, 0
	}
	if n < len(b) && b[n] == ':' {
		if c.second, n = number(b, n+1, 2); n < 0 {
			return c, 0
		}
	}
	afternoon := hasPrefix(b[n:], " PM")
	if (afternoon || hasPrefix(b[n:], " AM")) && c.hour >= 1 && c.hour <= 12 {
		if c.hour %= 12; afternoon {
			c.hour += 12
		}
		n += 3
	}
	return c, n
}

// epoch reads seconds since 1970, ten digits for all years of interest, or
// milliseconds, thirteen.
func epoch(b []byte) (time.Time, bool) {
	if len(b) < 9 || len(b) > 13 {
		return time.Time{}, false
	}
	var n int64
	for _, c := range b {
		n = n*10 + int64(c-'0')
	}
	t := time.Unix(n, 0)
	if len(b) > 10 {
		t = time.UnixMilli(n)
	}
	y := t.UTC().Year()
	return t, y >= firstYear && y <= lastYear
}

// headerTime reads the time of a syslog header; n is its length, 0 if there is none.
func headerTime(b []byte) (c civil, n int) {
	if len(b) > 0 && isDigit(b[0]) {
		return isoTime(b)
	}
	return monthFirst(b)
}

// isoTime reads a time of RFC 3339, to the nanosecond; the zone may be missing.
func isoTime(b []byte) (c civil, n int) {
	c, n = yearFirst(b)
	if n == 0 || b[4] != '-' || b[10] != 'T' {
		return c, 0
	}
	return c, n + zone(b[n:], &c)
}

// yearFirst reads 2025/7/10 12:00:00 and the like, up to the zone.
func yearFirst(b []byte) (c civil, n int) {
	if len(b) < 14 || b[4] != '/' && b[4] != '-' {
		return c, 0
	}
	if c.year, n = number(b, 0, 4); n != 4 {
		return c, 0
	}
	if c.month, n = number(b, 5, 2); n < 0 || n >= len(b) || b[n] != b[4] {
		return c, 0
	}
	if c.day, n = number(b, n+1, 2); n < 0 || n >= len(b) || b[n] != ' ' && b[n] != 'T' {
		return c, 0
	}
	if n = timeOfDay(b, n+1, &c); n < 0 {
		return c, 0
	}
	return c, n
}

// monthFirst reads "Jan _2 15:04:05", with a year behind the day if there is one.
func monthFirst(b []byte) (c civil, n int) {
	if len(b) < 14 || b[3] != ' ' {
		return c, 0
	}
	if c.month = month(b); c.month == 0 {
		return c, 0
	}
	n = 4
	if b[n] == ' ' {
		n++
	}
	if c.day, n = number(b, n, 2); n < 0 || n >= len(b) || b[n] != ' ' {
		return c, 0
	}
	n++
	if y, end := number(b, n, 4); end == n+4 && end < len(b) && b[end] == ' ' {
		c.year, n = y, end+1
	}
	if n = timeOfDay(b, n, &c); n < 0 {
		return c, 0
	}
	return c, n
}

// timeOfDay reads 15:04:05 and a fraction, from n on, and gives the place behind; -1
// if there is none.
func timeOfDay(b []byte, n int, c *civil) int {
	if c.hour, n = number(b, n, 2); n < 0 || n >= len(b) || b[n] != ':' {
		return -1
	}
	if c.minute, n = number(b, n+1, 2); n < 0 || n >= len(b) || b[n] != ':' {
		return -1
	}
	if c.second, n = number(b, n+1, 2); n < 0 {
		return -1
	}
	if n+1 < len(b) && b[n] == '.' && isDigit(b[n+1]) {
		scale := 100_000_000
		for n++; n < len(b) && isDigit(b[n]); n++ {
			c.nano += int(b[n]-'0') * scale
			scale /= 10
		}
	}
	return n
}

// zone reads Z, +hh:mm, +hhmm, GMT or UTC, the latter two behind a space, and gives
// its length; 0 if there is none.
func zone(b []byte, c *civil) int {
	switch {
	case len(b) == 0:
		return 0
	case b[0] == 'Z' || b[0] == 'z':
		c.zoned = true
		return 1
	case hasPrefix(b, " GMT") || hasPrefix(b, " UTC"):
		c.zoned = true
		return 4
	case b[0] != '+' && b[0] != '-':
		return 0
	}
	h, n := number(b, 1, 2)
	if n != 3 {
		return 0
	}
	if n < len(b) && b[n] == ':' {
		n++
	}
	m, end := number(b, n, 2)
	if end != n+2 || h > 23 || m > 59 {
		return 0
	}
	c.zoned, c.offset = true, h*3600+m*60
	if b[0] == '-' {
		c.offset = -c.offset
	}
	return end
}

// month reads the English name of a month, of three letters.
func month(b []byte) int {
	const all = "JanFebMarAprMayJunJulAugSepOctNovDec"
	for i := 0; i < len(all); i += 3 {
		if string(b[:3]) == all[i:i+3] {
			return i/3 + 1
		}
	}
	return 0
}

// number reads one to width digits from n on, and gives the place behind; -1 if
// there are none.
func number(b []byte, n, width int) (value, next int) {
	start := n
	for n < len(b) && n < start+width && isDigit(b[n]) {
		value = value*10 + int(b[n]-'0')
		n++
	}
	if n == start {
		return 0, -1
	}
	return value, n
}
