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

// moment is what a time in a log means. Where the firewall's clock was set back it passed an hour twice: then t is the
// first time and later says how much later the second was; else later is 0.
type moment struct {
	t     time.Time
	later time.Duration
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
	fine   fineTime
}

// instant gives the time that c stands for, in loc if it has no zone of its own. A
// time that summer time skips is what time.Date makes of it.
func (k *clock) instant(c civil) (moment, bool) {
	if c.year < firstYear || c.year > lastYear || !c.valid() {
		return moment{}, false
	}
	s := c.seconds()
	if c.zoned {
		return moment{t: time.Unix(s-int64(c.offset), int64(c.nano))}, true
	}
	offset, later := k.offset(s)
	return moment{time.Unix(s-offset, int64(c.nano)), later}, true
}

// offset of loc from UTC at a local time, given in seconds as if it were UTC: the first, and how much later the second
// is, in whole seconds.
func (k *clock) offset(local int64) (int64, time.Duration) {
	if k.loc == time.UTC {
		return 0, 0
	}
	hour := local / 3600
	h := &k.hours[hour%int64(len(k.hours))]
	if h.hour == hour {
		return h.offset, 0
	}
	if offset, ok := k.throughout(hour); ok {
		h.hour, h.offset = hour, offset
		return offset, 0
	}
	return k.lookUp(local)
}

// throughout gives the offset of an hour of local time if it has only one. No clock was ever set by less than a quarter
// of an hour in the years of interest.
func (k *clock) throughout(hour int64) (int64, bool) {
	offset, later := k.lookUp(hour*3600 + 3599)
	for quarter := int64(0); quarter < 4 && later == 0; quarter++ {
		var other int64
		if other, later = k.lookUp(hour*3600 + quarter*900); other != offset {
			return 0, false
		}
	}
	return offset, later == 0
}

// lookUp asks package time.
func (k *clock) lookUp(local int64) (int64, time.Duration) {
	t := time.Unix(local, 0).UTC()
	made := time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, k.loc).Unix()
	// The largest step in use is two hours, so what holds three hours away is what was before a step, and after it.
	before, after := k.zoneAt(made-3*3600), k.zoneAt(made+3*3600)
	if before > after && k.zoneAt(local-before) == before && k.zoneAt(local-after) == after {
		return before, time.Duration(before-after) * time.Second
	}
	return local - made, 0
}

// zoneAt gives the offset of loc from UTC at an instant, both in seconds.
func (k *clock) zoneAt(unix int64) int64 {
	_, offset := time.Unix(unix, 0).In(k.loc).Zone()
	return int64(offset)
}

// header gives the time of a syslog header. One without a year gets the latest that
// puts it at most a day after `at`: clocks differ a little, and last December is
// read in January.
func (k *clock) header(b []byte, at time.Time) (moment, bool) {
	c, n := headerTime(b)
	if n == 0 || n != len(b) {
		return moment{}, false
	}
	if c.year != 0 {
		return k.instant(c)
	}
	limit := at.Add(24 * time.Hour)
	// Nine years hold a 29 February, even around 1900 and 2100.
	c.year = at.In(k.loc).Year() + 1
	for range 10 {
		if m, ok := k.instant(c); ok && !m.t.After(limit) {
			return m, true
		}
		c.year--
	}
	return moment{}, false
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
