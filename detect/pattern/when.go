package pattern

import (
	"fmt"
	"strings"
	"time"

	"activedefense/detect"
	"activedefense/detect/panos"
)

// layout is a layout of package time; the zero value is none.
type layout struct {
	text   string
	zoned  bool // it has a zone
	yearly bool // it has a year
}

// layoutOf finds out what a layout tells, by writing a time and reading it again.
func layoutOf(text string) (l layout, why string) {
	if text == "" {
		return l, ""
	}
	if strings.Contains(text, "MST") {
		return l, fmt.Sprintf("%q has a zone by its letters, which belong to several; use -0700 or Z07:00, or let inputs[].timezone say it", clip(text))
	}
	written := time.Date(2019, 8, 23, 17, 41, 0, 0, time.FixedZone("", 5*3600))
	read, err := time.Parse(text, written.Format(text))
	if err != nil || read.Month() != written.Month() || read.Day() != written.Day() || read.Hour() != written.Hour() || read.Minute() != written.Minute() {
		return l, fmt.Sprintf("%q does not tell the day and time of day; write how Go's reference time would stand in the log, such as 2006-01-02 15:04:05 or 02/Jan/2006:15:04:05 -0700", clip(text))
	}
	_, offset := read.Zone()
	l = layout{text: text, zoned: offset != 0, yearly: read.Year() == written.Year()}
	return l, ""
}

// read reads a time. One without a year gets the latest that puts it at most a day after at.
func (l *layout) read(clock *panos.Clock, b []byte, at time.Time) (t time.Time, later time.Duration, ok bool) {
	text := string(b)
	if !l.yearly {
		return l.withYear(clock, text, at)
	}
	t, err := time.Parse(l.text, text)
	if err != nil || l.zoned {
		return t, 0, err == nil && t.Year() >= firstYear && t.Year() <= lastYear
	}
	return clock.Local(t)
}

// Years beyond these are a fault of a clock or of a layout, as with the firewalls' own times.
const (
	firstYear = 1990
	lastYear  = 2100
)

// withYear tries the years back from the next one. Nine of them hold a 29 February, even around 2100.
func (l *layout) withYear(clock *panos.Clock, text string, at time.Time) (t time.Time, later time.Duration, ok bool) {
	for year := at.Year() + 1; year >= at.Year()-9; year-- {
		t, err := time.Parse("2006 "+l.text, fmt.Sprintf("%04d %s", year, text))
		if err != nil {
			continue
		}
		if !l.zoned {
			if t, later, ok = clock.Local(t); !ok {
				continue
			}
		}
		if !t.After(at.Add(24 * time.Hour)) {
			return t, later, true
		}
	}
	return t, 0, false
}

// setTime sets the event's time from the first that gives one: the group time, the syslog header, the time of reading.
func (p *Parser) setTime(ev *detect.Event, c *compiled, text, stamp []byte, at time.Time) error {
	if len(text) > 0 {
		read := p.clock.Any
		if c.layout.text != "" {
			read = func(b []byte, at time.Time) (time.Time, time.Duration, bool) { return c.layout.read(p.clock, b, at) }
		}
		t, later, ok := read(text, at)
		if !ok {
			return fmt.Errorf("the group time of the pattern for %s took %q, which is no time that is known; expected RFC 3339, the common log format, asctime, that of syslog or seconds since 1970, or what time_format says", c.Event, clip(panos.Clean(text)))
		}
		ev.Time, ev.Later = t.UTC(), later
		return nil
	}
	if t, later, ok := p.clock.Header(stamp, at); ok {
		ev.Time, ev.Later = t.UTC(), later
		return nil
	}
	ev.Time = at.UTC()
	return nil
}
