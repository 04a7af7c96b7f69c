package agent

import (
	"strings"
	"testing"
	"time"

	"activedefense/agent/clock"
	"activedefense/agent/line"
	"activedefense/agent/trouble"
	"activedefense/config"
)

// A clock that was set is a trouble, ahead and back, until log lines or time itself agree with it.
func TestAClockThatIsSetIsATrouble(t *testing.T) {
	wall, running := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), time.Duration(0)
	a := &Agent{stats: line.NewStats(), clock: clock.New(func() (time.Time, time.Duration) { return wall, running })}
	if trouble, is := troubleOf(a.clock); is || a.ahead() != 0 {
		t.Errorf("at first: %+v", trouble)
	}
	wall = wall.Add(35 * 24 * time.Hour)
	trouble, is := troubleOf(a.clock)
	if !is || !strings.Contains(trouble.What, "clock: this host's clock is 840h0m0s ahead") || !trouble.Since.Equal(wall) || trouble.Remedy == "" || a.ahead() != 35*24*time.Hour {
		t.Errorf("ahead: %+v", trouble)
	}
	if at := a.believed(); !at.Equal(wall.Add(-35 * 24 * time.Hour)) {
		t.Errorf("%s is believed", at)
	}
	wall = wall.Add(-70 * 24 * time.Hour)
	if trouble, is := troubleOf(a.clock); !is || !strings.Contains(trouble.What, "840h0m0s behind what it was") || a.ahead() != 0 {
		t.Errorf("set back: %+v", trouble)
	}
	wall = wall.Add(35 * 24 * time.Hour)
	for _, by := range []time.Duration{27 * time.Hour, 26 * time.Hour, -time.Hour} {
		want := by > 26*time.Hour // up to there it may be a time zone, which is told by file
		a.clock.Heard(map[string]time.Time{"fw1": wall.Add(by)}, nil)
		if trouble, is := troubleOf(a.clock); is != want || want && !strings.Contains(trouble.What, "are 27h0m0s later") {
			t.Errorf("a firewall that is %s ahead: %+v", by, trouble)
		}
	}
}

func troubleOf(c *clock.Clock) (t trouble.Trouble, is bool) {
	by, since := c.Ahead()
	for _, t := range trouble.Clock(by, since, c.Later()) {
		return t, true
	}
	return t, false
}

// The enforcers count by this host's clock how long a firewall is to hold an address: where it is ahead, the end is later by as much.
func TestAClockAheadShortensNothingOnTheFirewalls(t *testing.T) {
	f, _ := newTestFeed(t, "203.0.113.1/32")
	if err := f.syncOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	until := func() time.Time { return f.current.Load().Entries[0].Until }
	before := until()
	now, ahead := time.Now().Add(time.Hour), 35*24*time.Hour
	f.now, f.ahead = func() time.Time { return now }, func() time.Duration { return ahead }
	if err := f.syncOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if at := until(); before.IsZero() || !at.Equal(before.Add(ahead)) {
		t.Errorf("it ends at %s, and %s with the clock ahead", before, at)
	}
	now, ahead = now.Add(time.Hour), 0
	if err := f.syncOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if at := until(); !at.Equal(before) {
		t.Errorf("it ends at %s, and %s when the clock is right again", before, at)
	}
}

func TestTheListLosesAsMuchAtOnceAsTheFirewallThatMayLoseMost(t *testing.T) {
	cfg := &config.Config{}
	if p := releasePercent(cfg); p != 30 {
		t.Errorf("without firewalls %d", p)
	}
	cfg.Firewalls = []config.Firewall{{MaxRemovalPercent: 10}, {MaxRemovalPercent: 100}, {MaxRemovalPercent: 30}}
	if p := releasePercent(cfg); p != 100 {
		t.Errorf("with 10, 100 and 30 %% it is %d", p)
	}
}
