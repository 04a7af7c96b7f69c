package panos

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"activedefense/detect"
)

func berlin(t *testing.T) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// parseIn reads a line of a firewall whose clock is in loc, soon after the clock was set back in 2026.
func parseIn(t *testing.T, loc *time.Location, line string) detect.Event {
	t.Helper()
	var ev detect.Event
	if err := New(Options{Location: loc}).Parse([]byte(line), time.Date(2026, 10, 25, 9, 0, 0, 0, time.UTC), &ev); err != nil {
		t.Fatalf("%s\n%v", line, err)
	}
	return ev
}

// times are the columns of a TRAFFIC record that say when it was.
func times(received, generated, precise string) map[int]string {
	return map[int]string{1: received, 6: generated, 102: precise}
}

func TestGenerationTime(t *testing.T) {
	utc := func(h, m, s, ns int) time.Time { return time.Date(2026, 7, 1, h, m, s, ns, time.UTC) }
	for name, c := range map[string]struct {
		received, generated, precise string
		want                         time.Time
	}{
		"generated alone":            {"2026/07/01 12:00:00", "2026/07/01 11:00:00", "", utc(9, 0, 0, 0)},
		"high resolution":            {"2026/07/01 12:00:00", "2026/07/01 11:00:00", "2026-07-01T11:00:00.123+02:00", utc(9, 0, 0, 123e6)},
		"without a fraction":         {"2026/07/01 12:00:00", "2026/07/01 11:00:00", "2026-07-01T11:00:00+02:00", utc(9, 0, 0, 0)},
		"microseconds":               {"2026/07/01 12:00:00", "2026/07/01 11:00:00", "2026-07-01T11:00:00.123456+02:00", utc(9, 0, 0, 123456e3)},
		"a second later":             {"2026/07/01 12:00:00", "2026/07/01 11:00:00", "2026-07-01T11:00:01.123+02:00", utc(9, 0, 1, 123e6)},
		"in UTC":                     {"2026/07/01 12:00:00", "2026/07/01 11:00:00", "2026-07-01T09:00:00.123Z", utc(9, 0, 0, 123e6)},
		"of a clock in another zone": {"2026/07/01 12:00:00", "2026/07/01 11:00:00", "2026-07-01T11:00:00.123-04:00", utc(15, 0, 0, 123e6)},
		"does not agree":             {"2026/07/01 12:00:00", "2026/07/01 11:00:00", "2026-07-01T11:05:00.123+02:00", utc(9, 0, 0, 0)},
		"the receive time's":         {"2026/07/01 12:00:00", "2026/07/01 11:00:00", "2026-07-01T12:00:00.123+02:00", utc(9, 0, 0, 0)},
		"unset":                      {"2026/07/01 12:00:00", "2026/07/01 11:00:00", "1970-01-01T10:00:00.000+10:00", utc(9, 0, 0, 0)},
		"without a zone":             {"2026/07/01 12:00:00", "2026/07/01 11:00:00", "2026-07-01T11:00:00.123", utc(9, 0, 0, 0)},
		"no digits":                  {"2026/07/01 12:00:00", "2026/07/01 11:00:00", "2026-07-01T11:00:00.1x3+02:00", utc(9, 0, 0, 0)},
		"high resolution alone":      {"", "", "2026-07-01T11:00:00.123+02:00", utc(9, 0, 0, 123e6)},
		"received alone":             {"2026/07/01 12:00:00", "", "", utc(10, 0, 0, 0)},
		"generated unset":            {"2026/07/01 12:00:00", "1970/01/01 01:00:00", "", utc(10, 0, 0, 0)},
		"none":                       {"", "", "", utc(10, 0, 5, 0)},
		"by a spreadsheet":           {"9/16/19 10:00", "9/16/19 10:00", "", time.Date(2019, 9, 16, 8, 0, 0, 0, time.UTC)},
		"received by a spreadsheet":  {"9/16/19 10:00", "", "", time.Date(2019, 9, 16, 8, 0, 0, 0, time.UTC)},
	} {
		p := New(Options{Location: berlin(t)})
		for range 2 { // the second is from memory
			var ev detect.Event
			line := "Jul  1 12:00:05 relay " + trafficLine(times(c.received, c.generated, c.precise))
			if err := p.Parse([]byte(line), time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC), &ev); err != nil || !ev.Time.Equal(c.want) || ev.Later != 0 {
				t.Errorf("%s: %v, want %v (%v)", name, ev.Time, c.want, err)
			}
		}
	}
	ev := mustParse(t, "Jul  1 12:00:05 relay "+threatLine(map[int]string{6: "2025/11/21 01:59:58", 107: "2025-11-21T01:59:58.125+00:00"}))
	if want := time.Date(2025, 11, 21, 1, 59, 58, 125e6, time.UTC); !ev.Time.Equal(want) {
		t.Errorf("THREAT: %v, want %v", ev.Time, want)
	}
}

// TestATimeThatCannotBeRead: a record that tells its time in a way that is not known takes that of its header, unless that has
// no year and the record has another one than this.
func TestATimeThatCannotBeRead(t *testing.T) {
	for text, unknown := range map[string]bool{
		"16/9/19 10:00": true, "16.9.2019 10:00": true, "2019-09-16 10:00": true, "9/16/19": true, "Sep 16 2019 10:00": true, "26/6/19 10:00": true, "2019/09/31 10:00:00": true,
		"": false, "1.7.2026 10:00": false, "31.12.2026 x": false, "2026/06/31 10:00:00": false, "Sep 16 10:00:00": false, "$time_received": false, "unknown": false, "0": false, "1970/01/01 01:00:00": false, "9/16/19 10:00": false, "2019/09/16 10:00:00": false,
	} {
		for form, line := range map[string]string{
			"CSV":       trafficLine(times(text, text, "")),
			"key=value": plainRecord().with(keyTimeReceived, text).line(),
			"received":  trafficLine(times(text, "", "")),
			"generated": trafficLine(times("", text, "")),
		} {
			for header, dated := range map[string]bool{"": false, "Jul  1 12:00:05 relay ": false, "Jul  1 2026 12:00:05 relay ": true, "2026-07-01T12:00:05+02:00 relay ": true} {
				var ev detect.Event
				err := New(Options{Location: berlin(t)}).Parse([]byte(header+line), time.Date(2026, 7, 1, 10, 0, 9, 0, time.UTC), &ev)
				if want := unknown && !dated; errors.Is(err, ErrBadTime) != want || !want && err != nil {
					t.Errorf("%q, %s, behind %q: at %v, %v", text, form, header, ev.Time, err)
				}
				if unknown && dated && !ev.Time.Equal(time.Date(2026, 7, 1, 10, 0, 5, 0, time.UTC)) {
					t.Errorf("%q, %s, behind %q: at %v", text, form, header, ev.Time)
				}
			}
		}
	}
}

// TestHighResolutionIsNotMixedUp: what is remembered of one second serves no other.
func TestHighResolutionIsNotMixedUp(t *testing.T) {
	p := New(Options{Location: berlin(t)})
	for i := range 500 {
		generated := time.Date(2026, 7, 1, 10, 0, i%3, 0, time.UTC)
		precise := generated.Add(time.Duration(i%2)*time.Second + time.Duration(i%7)*time.Millisecond).In(time.FixedZone("", (i%5/4+1)*3600))
		line := trafficLine(times("", generated.In(precise.Location()).Format("2006/01/02 15:04:05"), precise.Format("2006-01-02T15:04:05.000-07:00")))
		var ev detect.Event
		if err := p.Parse([]byte(line), readAt(), &ev); err != nil || !ev.Time.Equal(precise) {
			t.Fatalf("%d: %v, want %v (%v)", i, ev.Time, precise, err)
		}
	}
}

// TestBufferedRecords: a firewall that was cut off from its collector sends an hour's records in one second.
func TestBufferedRecords(t *testing.T) {
	for _, precise := range []bool{false, true} {
		for minute := 0; minute < 60; minute += 6 {
			want := time.Date(2026, 7, 1, 8, minute, 0, 0, time.UTC)
			columns := times("2026/07/01 09:00:01", want.Format("2006/01/02 15:04:05"), "")
			if precise {
				columns[102] = want.Format("2006-01-02T15:04:05.000-07:00")
			}
			if ev := parseIn(t, time.UTC, "Jul  1 09:00:01 FW-01 "+trafficLine(columns)); !ev.Time.Equal(want) {
				t.Errorf("%v, want %v", ev.Time, want)
			}
		}
	}
}

// TestClockSetBack: in Berlin 02:00 to 03:00 was there twice on 25 October 2026, first two hours ahead of UTC, then one.
func TestClockSetBack(t *testing.T) {
	const summer, winter, either = 0, 1, 2
	for name, c := range map[string]struct {
		header, received, generated, precise string
		want                                 int
	}{
		"high resolution, summer":                  {"Oct 25 02:05:00", "2026/10/25 02:58:00", "2026/10/25 02:58:00", "2026-10-25T02:58:00.000+02:00", summer},
		"high resolution, winter":                  {"Oct 25 02:05:00", "2026/10/25 02:58:00", "2026/10/25 02:58:00", "2026-10-25T02:58:00.000+01:00", winter},
		"header's offset, summer":                  {"2026-10-25T02:58:00.1+02:00", "", "2026/10/25 02:58:00", "", summer},
		"header's offset, winter":                  {"2026-10-25T02:58:00.1+01:00", "", "2026/10/25 02:58:00", "", winter},
		"header of a relay in UTC, summer":         {"2026-10-25T00:58:00Z", "", "2026/10/25 02:58:00", "", summer},
		"header of a relay in UTC, winter":         {"2026-10-25T01:58:00Z", "", "2026/10/25 02:58:00", "", winter},
		"header by a clock behind":                 {"2026-10-25T02:55:00+02:00", "", "2026/10/25 02:58:00", "", summer},
		"header half an hour later":                {"2026-10-25T02:40:00+01:00", "", "2026/10/25 02:10:00", "", winter},
		"header half an hour later, in summer":     {"2026-10-25T02:40:00+02:00", "", "2026/10/25 02:10:00", "", summer},
		"kept for half an hour across the change":  {"2026-10-25T02:20:00+01:00", "", "2026/10/25 02:50:00", "", summer},
		"kept for hours":                           {"2026-10-25T08:20:00+01:00", "", "2026/10/25 02:50:00", "", either},
		"header without offset, after the hour":    {"Oct 25 03:00:01", "", "2026/10/25 02:59:59", "", winter},
		"header without offset, before the hour":   {"Oct 25 01:59:58", "", "2026/10/25 02:00:01", "", summer},
		"header without offset, across the change": {"Oct 25 02:05:00", "", "2026/10/25 02:58:00", "", summer},
		"header without offset, in the hour":       {"Oct 25 02:58:02", "", "2026/10/25 02:58:00", "", either},
		"received across the change":               {"Oct 25 02:58:02", "2026/10/25 02:05:00", "2026/10/25 02:58:00", "", summer},
		"received after the hour":                  {"Oct 25 02:58:02", "2026/10/25 03:00:01", "2026/10/25 02:59:59", "", winter},
		"no header":                                {"", "2026/10/25 02:58:00", "2026/10/25 02:58:00", "", either},
		"received alone":                           {"2026-10-25T02:58:00.1+01:00", "2026/10/25 02:58:00", "", "", winter},
	} {
		header := c.header
		if header != "" {
			header += " FW-01 "
		}
		lines := []string{header + trafficLine(times(c.received, c.generated, c.precise))}
		if c.received == "" {
			lines = append(lines, header+plainRecord().with(keyTimeReceived, c.generated).line())
		}
		for _, line := range lines {
			ev := parseIn(t, berlin(t), line)
			local := c.generated
			if local == "" {
				local = c.received
			}
			first, err := time.Parse("2006/01/02 15:04:05-07:00", local+"+02:00")
			if err != nil {
				t.Fatal(err)
			}
			want, later := first.Add(time.Duration(c.want%2)*time.Hour), time.Duration(0)
			if c.want == either {
				later = time.Hour
			}
			if !ev.Time.Equal(want) || ev.Later != later {
				t.Errorf("%s: %v and %v, want %v and %v", name, ev.Time, ev.Later, want, later)
			}
		}
	}
}

// TestTimesAreOfTheLineAlone: whatever other lines a parser has read, a line says the same.
func TestTimesAreOfTheLineAlone(t *testing.T) {
	var lines []string
	for i := range 240 {
		at := time.Date(2026, 10, 24, 23, 0, 0, 0, time.UTC).Add(time.Duration(i) * time.Minute).In(berlin(t))
		stamp := at.Format("2006/01/02 15:04:05")
		lines = append(lines, trafficLine(times(stamp, stamp, "")), at.Format(time.Stamp)+" FW-01 "+trafficLine(times(stamp, stamp, "")),
			at.Format(time.RFC3339)+" FW-01 "+plainRecord().with(keyTimeReceived, stamp).line(), trafficLine(times(stamp, stamp, at.Format(time.RFC3339))))
	}
	describe := func(ev detect.Event) string { return fmt.Sprint(ev.Time, ev.Later) }
	forward, backward := New(Options{Location: berlin(t)}), New(Options{Location: berlin(t)})
	at := time.Date(2026, 10, 25, 9, 0, 0, 0, time.UTC)
	said := make([]string, len(lines))
	for i, line := range lines {
		var ev detect.Event
		if err := forward.Parse([]byte(line), at, &ev); err != nil {
			t.Fatal(err)
		}
		said[i] = describe(ev)
	}
	for i := len(lines) - 1; i >= 0; i-- {
		var ev detect.Event
		if err := backward.Parse([]byte(lines[i]), at, &ev); err != nil || describe(ev) != said[i] {
			t.Fatalf("%s\n%s, but read backwards %s (%v)", lines[i], said[i], describe(ev), err)
		}
	}
}
