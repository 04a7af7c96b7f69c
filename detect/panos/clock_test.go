package panos

import (
	"math/rand/v2"
	"testing"
	"time"

	"activedefense/detect"
)

// TestOffsets holds the remembered offsets against time.Date, to the minute around
// every change of summer time of two years, and at random elsewhere. Lord Howe
// changes by half an hour, Troll by two; Apia left a day out in 2011, Nepal is off by
// a quarter, Casablanca changes twice around Ramadan.
func TestOffsets(t *testing.T) {
	for _, name := range []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Sydney", "Australia/Lord_Howe", "Antarctica/Troll",
		"America/St_Johns", "Pacific/Apia", "Asia/Kathmandu", "Africa/Casablanca", "America/Sao_Paulo", "Asia/Tehran"} {
		loc, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		k := clock{loc: loc}
		check := func(local time.Time) {
			want := time.Date(local.Year(), local.Month(), local.Day(), local.Hour(), local.Minute(), local.Second(), 0, loc)
			got, ok := k.instant(civil{year: local.Year(), month: int(local.Month()), day: local.Day(),
				hour: local.Hour(), minute: local.Minute(), second: local.Second()})
			// What the clock passed twice has two readings, the first of which counts. time.Date gives one of them.
			first, later := want, time.Duration(0)
			for _, step := range []time.Duration{30 * time.Minute, time.Hour, 2 * time.Hour} {
				if want.Add(-step).Format(time.DateTime) == local.Format(time.DateTime) {
					first, later = want.Add(-step), step
				}
				if want.Add(step).Format(time.DateTime) == local.Format(time.DateTime) {
					later = step
				}
			}
			if !ok || !got.t.Equal(first) || got.later != later {
				t.Fatalf("%s %s: %v, want %v and %v later", name, local.Format(time.DateTime), got, first, later)
			}
		}
		for _, year := range []int{2011, 2024, 2025} {
			changes := 0
			previous := time.Date(year, 1, 1, 0, 0, 0, 0, loc)
			for h := range 366 * 24 {
				now := previous.Add(time.Hour)
				_, a := previous.Zone()
				if _, b := now.Zone(); a != b {
					changes++
					local := time.Unix(now.Unix()+int64(a), 0).UTC().Add(-5 * time.Hour)
					for m := range 10 * 60 {
						check(local.Add(time.Duration(m)*time.Minute + time.Duration(h%60)*time.Second))
					}
				}
				previous = now
			}
			if changes == 0 && (name == "Europe/Berlin" || name == "Australia/Lord_Howe") {
				t.Fatalf("%s: no change in %d", name, year)
			}
		}
		r := rand.New(rand.NewPCG(3, 4))
		first, last := time.Date(firstYear, 1, 1, 0, 0, 0, 0, time.UTC).Unix(), time.Date(lastYear+1, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
		for range 20_000 {
			check(time.Unix(first+r.Int64N(last-first), 0).UTC())
		}
	}
}

func TestEveryDay(t *testing.T) {
	for d := time.Date(firstYear, 1, 1, 6, 7, 8, 0, time.UTC); d.Year() <= lastYear; d = d.AddDate(0, 0, 1) {
		c := civil{year: d.Year(), month: int(d.Month()), day: d.Day(), hour: 6, minute: 7, second: 8}
		if !c.valid() || c.seconds() != d.Unix() {
			t.Fatalf("%v: %d, want %d", d, c.seconds(), d.Unix())
		}
	}
	for _, c := range []civil{{year: 2025, month: 2, day: 29}, {year: 2100, month: 2, day: 29}, {year: 2025, month: 4, day: 31}, {year: 2025, month: 13, day: 1},
		{year: 2025, day: 1}, {year: 2025, month: 1}, {year: 2025, month: 1, day: 1, hour: 24}, {year: 2025, month: 1, day: 1, minute: 60},
		{year: 2025, month: 1, day: 1, second: 61}} {
		if c.valid() {
			t.Errorf("%+v is valid", c)
		}
	}
}

func TestTimeReceived(t *testing.T) {
	sydney, err := time.LoadLocation("Australia/Sydney")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2025, 11, 21, 2, 0, 30, 0, time.UTC)
	header := time.Date(2025, 11, 20, 13, 0, 7, 0, time.UTC) // 00:00:07 in Sydney
	local := func(ns int) time.Time { return time.Date(2025, 6, 20, 15, 22, 38, ns, sydney) }
	for text, want := range map[string]time.Time{
		"2025/06/20 15:22:38":                  local(0),
		"2025/6/20 15:22:38":                   local(0),
		"2025-06-20 15:22:38":                  local(0),
		"2025/06/20 15:22:38.5":                local(5e8),
		"2025/06/20 05:22:38 GMT":              local(0),
		"2025-06-20T15:22:38+10:00":            local(0),
		"2025-06-20T15:22:38.250+10:00":        local(25e7),
		"2025-06-20T05:22:38Z":                 local(0),
		"2025-06-20T15:22:38":                  local(0),
		"Jun 20 2025 05:22:38 GMT":             local(0),
		"Jun 20 2025 05:22:38 UTC":             local(0),
		"Jun 20 2025 15:22:38":                 local(0),
		"1750396958":                           local(0),
		"1750396958250":                        local(25e7),
		"6/20/25 15:22":                        local(0).Truncate(time.Minute),
		"6/20/25 15:22:38":                     local(0),
		"06/20/2025 3:22:38 PM":                local(0),
		"6/20/25 3:22 PM":                      local(0).Truncate(time.Minute),
		"6/20/25 12:22 AM":                     time.Date(2025, 6, 20, 0, 22, 0, 0, sydney),
		"":                                     header,
		"$time_received":                       header,
		"1970/01/01 00:00:00":                  header,
		"1989/12/31 23:59:59":                  header,
		"2101/01/01 00:00:00":                  header,
		"2025/13/20 15:22:38":                  header,
		"2025/06/31 15:22:38":                  header,
		"2025/06/20 15:22":                     header,
		"2025/06/20 15:22:38 x":                header,
		"2025/06-20 15:22:38":                  header,
		"2025-06-20T15:22:38+99:00":            header,
		"Jun 20 15:22:38":                      header,
		"Jux 20 2025 15:22:38":                 header,
		"12345678":                             header,
		"9999999999999":                        header,
		"99999999999999999999999999":           header,
		"yesterday at noon":                    header,
		"2025/06/20 15:22:38+10:00+10:00+10:0": header,
	} {
		p := New(Options{Location: sydney})
		line := []byte("Nov 21 00:00:07 LAB-FW-01 " + plainRecord().with(keyTimeReceived, text).line())
		for range 2 { // the second is from memory
			var ev detect.Event
			if err := p.Parse(line, at, &ev); err != nil || !ev.Time.Equal(want) {
				t.Errorf("%q: %v %v, want %v", text, err, ev.Time, want)
			}
			if ev.Time.Location() != time.UTC {
				t.Errorf("%q: in %v", text, ev.Time.Location())
			}
		}
	}
}

// TestHeaderYears reads the header of every hour of three years a little later, in
// several zones.
func TestHeaderYears(t *testing.T) {
	for _, offset := range []int{-11 * 3600, 0, 14 * 3600} {
		k := clock{loc: time.FixedZone("", offset)}
		for h := range 3 * 365 * 24 {
			at := time.Date(2023, 6, 1, h, 30, 0, 0, time.UTC)
			for _, off := range []time.Duration{-23 * time.Hour, -time.Minute, time.Hour, 360 * 24 * time.Hour} {
				want := at.Add(-off).Truncate(time.Second)
				got, ok := k.header([]byte(want.In(k.loc).Format(time.Stamp)), at)
				if !ok || !got.t.Equal(want) {
					t.Fatalf("%v read at %v: %v", want, at, got)
				}
			}
		}
	}
	// Half a time is none: the time of reading stands in.
	for _, text := range []string{"2025-11-21T02:00:0x", "2025-11-21T02:00:00+9", "2025-11-21T02:00:00Zulu", "Nov 21 02:00:0x"} {
		ev, err := parse(text + " LAB-FW-01 SrcIP=203.0.113.5; Type=TRAFFIC")
		if err != nil || !ev.Time.Equal(readAt()) {
			t.Errorf("%q: %v %v", text, err, ev.Time)
		}
	}
	// A time of reading that is none gives no year.
	ev := detect.Event{}
	if err := New(Options{Location: time.UTC}).Parse([]byte("Nov 21 02:00:00 LAB-FW-01 SrcIP=203.0.113.5; Type=TRAFFIC"), time.Time{}, &ev); err != nil || !ev.Time.IsZero() {
		t.Errorf("%v %v", err, ev.Time)
	}
}

// TestLocalIsTheDefault: without a Location, times are the machine's.
func TestLocalIsTheDefault(t *testing.T) {
	var ev detect.Event
	if err := New(Options{}).Parse([]byte(plainRecord().line()), readAt(), &ev); err != nil {
		t.Fatal(err)
	}
	if want := time.Date(2025, 11, 21, 2, 0, 0, 0, time.Local); !ev.Time.Equal(want) {
		t.Errorf("%v, want %v", ev.Time, want)
	}
}
