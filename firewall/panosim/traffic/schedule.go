package traffic

import (
	"slices"
	"strings"
	"time"

	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/xmltree"
)

// schedule is when a rule holds. The zero value is never, nil is always.
type schedule struct {
	days  [7][]span   // by weekday, from Sunday
	dates [][2]string // first and last minute as "2006/01/02@15:04"
}

// span is a part of a day, both minutes included, as "15:04". That one may go over midnight no source says: it holds never.
type span struct{ from, to string }

// newSchedule compiles an object schedule (the CLI has "schedule-type recurring daily 08:00-17:00", "recurring weekly
// monday 08:00-17:00" and "non-recurring 2026/03/01@08:00-2026/03/02@17:00"). One that is not there never holds; none is
// always.
func (p *Policy) newSchedule(name string) *schedule {
	if name == "" {
		return nil
	}
	kind := p.Find(name, "schedule").Child("schedule-type")
	s := &schedule{}
	for day := range s.days {
		name := strings.ToLower(time.Weekday(day).String())
		for _, from := range [][]string{{"recurring", "daily"}, {"recurring", "weekly", name}} {
			for _, text := range kind.Down(from...).Members() {
				if first, last, ok := strings.Cut(text, "-"); ok {
					s.days[day] = append(s.days[day], span{first, last})
				}
			}
		}
	}
	for _, text := range kind.Child("non-recurring").Members() {
		if first, last, ok := strings.Cut(text, "-"); ok {
			s.dates = append(s.dates, [2]string{first, last})
		}
	}
	return s
}

// holds says whether the schedule holds at a time, by the firewall's clock.
func (s *schedule) holds(at time.Time) bool {
	if s == nil {
		return true
	}
	date, clock := at.Format("2006/01/02@15:04"), at.Format("15:04")
	if slices.ContainsFunc(s.dates, func(d [2]string) bool { return d[0] <= date && date <= d[1] }) {
		return true
	}
	return slices.ContainsFunc(s.days[at.Weekday()], func(d span) bool { return d.from <= clock && clock <= d.to })
}

// timeZone is that of the firewall's clock: UTC where the configuration names none that is known.
func timeZone(config *xmltree.Element) *time.Location {
	name := config.Down("devices", "entry="+dialect.Localhost, "deviceconfig", "system").Value("timezone")
	if zone, err := time.LoadLocation(name); err == nil {
		return zone
	}
	return time.UTC
}
