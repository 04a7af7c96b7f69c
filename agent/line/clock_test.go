package line

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"activedefense/detect"
)

func TestClockWarningNamesTheZoneThatFits(t *testing.T) {
	utc := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	kolkata := time.FixedZone("", 5*3600+1800)
	for _, c := range []struct {
		off  time.Duration
		at   time.Time
		want string
	}{
		{10 * time.Hour, utc, "10h0m0s ahead of this host's clock; a timezone with UTC+10:00 would fit"},
		{-5*time.Hour - 20*time.Second, utc, "5h0m20s behind this host's clock; a timezone with UTC-05:00 would fit"},
		{-3*time.Hour - 30*time.Minute, utc.In(kolkata), "a timezone with UTC+02:00 would fit"},
		{22 * time.Minute, utc, "22m0s ahead of this host's clock; check the firewall's clock"},
		{72 * time.Hour, utc, "check the firewall's clock"},
		{-45 * time.Minute, utc, "45m0s behind this host's clock; check the firewall's clock"},
		{-3*time.Hour - 30*time.Minute, utc, "a timezone with UTC-03:30 would fit"},
		{13*time.Hour + 45*time.Minute, utc, "a timezone with UTC+13:45 would fit"},
		{15 * time.Hour, utc, "15h0m0s ahead of this host's clock; check the firewall's clock"},
		{time.Hour, time.Date(2026, 11, 21, 12, 0, 0, 0, time.FixedZone("", -3600)), "a timezone with UTC+00:00 would fit"},
	} {
		if got := clockText(c.off, c.at); !strings.Contains(got, c.want) {
			t.Errorf("%s off in %s: %q does not say %q", c.off, c.at.Location(), got, c.want)
		}
	}
}

func TestClockWarnerIgnoresBacklogAndSingleLines(t *testing.T) {
	var log bytes.Buffer
	clock, end := newTestClock(), &ends{}
	now := clock.now()
	end.reached(now)
	w := newClockWarner(zerolog.New(&log), clock.now, end)
	l := testLane(false)
	off := &detect.Event{Time: now.Add(2 * time.Hour)}
	for range 100 {
		w.look(l, off, now)
	}
	l.live.caught = true
	for range clockStreak - 1 {
		w.look(l, off, now)
	}
	w.look(l, &detect.Event{Time: now}, now)
	for range clockStreak - 1 {
		w.look(l, off, now)
	}
	if log.Len() > 0 {
		t.Fatalf("warned too early: %s", log.String())
	}
	for range 100 {
		w.look(l, off, now)
	}
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "fw.log") {
		t.Errorf("warned %d times: %s", n, log.String())
	}
	if clock := l.live.stats.row().clock; clock == "" {
		t.Error("status does not show it")
	}
	w.look(l, &detect.Event{Time: now}, now)
	if clock := l.live.stats.row().clock; clock != "" {
		t.Error("status shows it after the clock was mended")
	}
}

// Lines that had to wait for us, while the store was away or this host asleep, are old without any clock being wrong.
func TestClockWarnerIgnoresWhatIsReadLate(t *testing.T) {
	var log bytes.Buffer
	clock, end := newTestClock(), &ends{}
	w := newClockWarner(zerolog.New(&log), clock.now, end)
	l := testLane(true)
	before := clock.now()
	end.reached(before)
	clock.add(2 * time.Hour)
	for line := before; line.Before(clock.now()); line = line.Add(time.Minute) {
		w.look(l, &detect.Event{Time: line}, before) // the pipeline's own time is that of before the wait
		w.look(l, &detect.Event{Time: line}, clock.now())
	}
	if log.Len() > 0 {
		t.Errorf("warned of lines that were read late: %s", log.String())
	}
	end.reached(clock.now())
	for range clockStreak {
		w.look(l, &detect.Event{Time: before}, clock.now())
	}
	if !strings.Contains(log.String(), "UTC-02:00 would fit") {
		t.Errorf("no warning of what is wrong when all is read: %s", log.String())
	}
}

// testLane is a lane of a file that was read to its end, or was not.
func testLane(caught bool) *lane {
	l := newLane(nil, "fw.log", nil)
	l.live = &followed{input: Input{Location: time.UTC}, caught: caught, stats: &inputStats{}}
	return l
}
