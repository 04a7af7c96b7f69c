package panos

import "time"

// Times outside these years are taken for faults of a clock or of a format: PAN-OS
// writes an unset high-resolution time as 1970 in local time.
const (
	firstYear = 1990
	lastYear  = 2100
)

// civil is a date and time of day as a log writes them. Year 0 means that it has
// none; offset, in seconds east of UTC, counts only if zoned.
type civil struct {
	year, month, day     int
	hour, minute, second int
	nano                 int
	offset               int
	zoned                bool
}

// clock makes instants of civil times.
type clock struct {
	loc *time.Location
	// hours remembers the offset of hours of local time, by hour since 1970; 0 is
	// none, since that hour is before firstYear.
	hours [64]struct {
		hour   int64
		offset int64
	}
	// text is the time read last and what it said: the same second is read again
	// and again.
	text   [32]byte
	length int
	last   time.Time
}

// instant gives the time that c stands for, in loc if it has no zone of its own. A
// time that summer time skips or repeats is what time.Date makes of it.
func (k *clock) instant(c civil) (time.Time, bool) {
	if c.year < firstYear || c.year > lastYear || !c.valid() {
		return time.Time{}, false
	}
	s := c.seconds()
	if c.zoned {
		s -= int64(c.offset)
	} else {
		s -= k.offset(s)
	}
	return time.Unix(s, int64(c.nano)), true
}

// offset of loc from UTC at a local time, given in seconds as if it were UTC.
func (k *clock) offset(local int64) int64 {
	if k.loc == time.UTC {
		return 0
	}
	hour := local / 3600
	h := &k.hours[hour%int64(len(k.hours))]
	if h.hour == hour {
		return h.offset
	}
	first, last := k.lookUp(hour*3600), k.lookUp(hour*3600+3599)
	if first != last {
		return k.lookUp(local)
	}
	h.hour, h.offset = hour, first
	return first
}

// lookUp asks package time.
func (k *clock) lookUp(local int64) int64 {
	t := time.Unix(local, 0).UTC()
	return local - time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, k.loc).Unix()
}

// header gives the time of a syslog header. One without a year gets the latest that
// puts it at most a day after `at`: clocks differ a little, and last December is
// read in January.
func (k *clock) header(b []byte, at time.Time) (time.Time, bool) {
	c, n := headerTime(b)
	if n != len(b) {
		return time.Time{}, false
	}
	if c.year != 0 {
		return k.instant(c)
	}
	limit := at.Add(24 * time.Hour)
	// Nine years hold a 29 February, even around 1900 and 2100.
	c.year = at.In(k.loc).Year() + 1
	for range 10 {
		if t, ok := k.instant(c); ok && !t.After(limit) {
			return t, true
		}
		c.year--
	}
	return time.Time{}, false
}

// valid says whether there is such a date and time of day. A leap second is valid.
func (c *civil) valid() bool {
	return c.month >= 1 && c.month <= 12 && c.day >= 1 && c.day <= daysIn(c.year, c.month) &&
		c.hour < 24 && c.minute < 60 && c.second <= 60
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// seconds since 1970 as if the time were UTC.
func (c *civil) seconds() int64 {
	// Counting years from March puts the leap day at the end of a year; an era of
	// 400 years has 146097 days.
	y, m := c.year, c.month-3
	if m < 0 {
		y, m = y-1, m+12
	}
	era, yearOfEra := y/400, y%400
	days := era*146097 + yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + (153*m+2)/5 + c.day - 1 - 719468
	return int64(days)*86400 + int64(c.hour*3600+c.minute*60+c.second)
}
