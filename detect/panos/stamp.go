package panos

import "time"

// parse reads the time of a record in any form that a log format can be made to
// write: 2025/7/10 12:00:00 (also with dashes, a fraction or a zone behind it), RFC
// 3339, seconds or milliseconds since 1970, and Jun 20 2025 05:22:38 GMT.
func (k *clock) parse(b []byte) (time.Time, bool) {
	if len(b) < 8 {
		return time.Time{}, false
	}
	if len(b) == k.length && string(b) == string(k.text[:k.length]) {
		return k.last, true
	}
	t, ok := k.read(b)
	if ok && len(b) <= len(k.text) {
		k.length, k.last = copy(k.text[:], b), t
	}
	return t, ok
}

// read is parse without the memory of what was read last.
func (k *clock) read(b []byte) (time.Time, bool) {
	if isLetter(b[0]) {
		c, n := monthFirst(b)
		if n == 0 || c.year == 0 {
			return time.Time{}, false
		}
		if n += zone(b[n:], &c); n != len(b) {
			return time.Time{}, false
		}
		return k.instant(c)
	}
	if isNumber(b) {
		return epoch(b)
	}
	c, n := yearFirst(b)
	if n == 0 {
		return time.Time{}, false
	}
	if n += zone(b[n:], &c); n != len(b) {
		return time.Time{}, false
	}
	return k.instant(c)
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
