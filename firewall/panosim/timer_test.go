package panosim

import (
	"strings"
	"sync"
	"testing"
	"time"

	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/userid"
)

// clock is a firewall's clock that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func TestTimers(t *testing.T) {
	c := newClock()
	s := start(t, Options{Now: c.Now})
	p := newPeer(t, s)
	p.uid(`<register>` + entryXML("192.0.2.1", "a", "60") + entryXML("192.0.2.2", "a", "0") + entryXML("192.0.2.3", "a", "2592000") + entryXML("192.0.2.4", "a", "") + `</register>`)
	got := s.Addresses().Tagged("", "a")
	for ip, want := range map[string]time.Time{"192.0.2.1": c.now.Add(time.Minute), "192.0.2.2": {}, "192.0.2.3": c.now.Add(userid.MaxTimeout), "192.0.2.4": {}} {
		if tag := got[prefix(ip)]; !tag.Expires.Equal(want) || !tag.Persistent {
			t.Errorf("%s: %+v, want to expire at %v", ip, tag, want)
		}
	}
	c.advance(time.Minute - time.Nanosecond)
	if n := s.Addresses().Count(); n != 4 {
		t.Errorf("%d stand just before the first expires", n)
	}
	c.advance(time.Nanosecond)
	expect(t, "after a minute", p.registered(`<ip>192.0.2.1</ip>`), `<response status="success"><result/></response>`)
	c.advance(userid.MaxTimeout)
	expect(t, "after a month", standing(s, "192.0.2.2", "192.0.2.4"), "192.0.2.2:a 192.0.2.4:a")
}

func TestRenewal(t *testing.T) {
	for _, c := range []struct {
		dialect dialect.Dialect
		resets  bool
	}{
		{dialect.Dialect{}, true},
		{dialect.Dialect{Renewal: dialect.RenewalIgnored}, false},
		{dialect.Dialect{Duplicates: dialect.LegacyOthersApplied}, true},
		{dialect.Dialect{Duplicates: dialect.LegacyOthersApplied, Renewal: dialect.RenewalIgnored}, false},
		{dialect.Dialect{Duplicates: dialect.LegacyEntrySkipped}, true},
		{dialect.Dialect{Duplicates: dialect.LegacyEntrySkipped, Renewal: dialect.RenewalIgnored}, false},
		{dialect.Dialect{Duplicates: dialect.LegacyMessageRejected}, false},
	} {
		now := newClock()
		s := start(t, Options{Dialect: c.dialect, Now: now.Now})
		p := newPeer(t, s)
		message := `<register>` + entryXML("192.0.2.1", "a", "60") + `</register>`
		p.uid(message)
		now.advance(40 * time.Second)
		p.uid(message)
		now.advance(40 * time.Second)
		if resets := s.Addresses().Count() == 1; resets != c.resets {
			t.Errorf("%v: renewed %v, want %v", c.dialect, resets, c.resets)
		}
	}
}

func TestTimeoutsOutOfRange(t *testing.T) {
	month := userid.MaxTimeout
	for _, c := range []struct {
		Version, timeout string
		dialect          dialect.Dialect
		want             string        // in the answer
		stands           bool          // the entry
		remains          time.Duration // until it expires; 0: never
	}{
		{"9.0.0", "2592000", dialect.Dialect{}, emptyRegister, true, month},
		{"9.0.0", "2592001", dialect.Dialect{}, "timeout 2592001 of tag a is invalid", false, 0},
		{"9.0.0", "-1", dialect.Dialect{}, "timeout -1 of tag a is invalid", false, 0},
		{"9.0.0", "1h", dialect.Dialect{}, "timeout 1h of tag a is invalid", false, 0},
		{"9.0.0", "2592001", dialect.Dialect{Timeout: dialect.LongTimeoutMalformed}, malformed, false, 0},
		{"9.0.0", "2592001", dialect.Dialect{Timeout: dialect.LongTimeoutClamped}, emptyRegister, true, month},
		{"8.1.0", "60", dialect.Dialect{}, emptyRegister, true, 0},
		{"8.1.0", "60", dialect.Dialect{OldTimeout: dialect.OldTimeoutMalformed}, malformed, false, 0},
	} {
		now := newClock()
		s := start(t, Options{Version: c.Version, Dialect: c.dialect, Now: now.Now})
		answer := newPeer(t, s).uid(`<register>` + entryXML("192.0.2.1", "a", c.timeout) + `</register>`)
		tag, stands := s.Addresses().Tagged("", "a")[prefix("192.0.2.1")]
		remains := time.Duration(0)
		if !tag.Expires.IsZero() {
			remains = tag.Expires.Sub(now.now)
		}
		if !strings.Contains(answer, c.want) || stands != c.stands || remains != c.remains {
			t.Errorf("%s %s %v: stands %v for %v, answer %s", c.Version, c.timeout, c.dialect, stands, remains, answer)
		}
	}
}

func TestReboot(t *testing.T) {
	for timer, want := range map[dialect.TimerOverReboot][2]time.Duration{ // Expires after the start, of a timer of 60 s
		dialect.TimerGoesOn: {60 * time.Second, 1}, dialect.TimerRestarts: {100 * time.Second, 1}, dialect.TimerForgotten: {0, 1}, dialect.TimerDropsTag: {0, 0},
	} {
		c := newClock()
		begin := c.Now()
		s := start(t, Options{Now: c.Now, Dialect: dialect.Dialect{TimerOverReboot: timer}})
		newPeer(t, s).uid(`<register>` + entryXML("192.0.2.1", "timed", "60") + entryXML("192.0.2.2", "lasting", "") +
			`<entry ip="192.0.2.3" persistent="0"><tag><member>lost</member></tag></entry></register>`)
		c.advance(40 * time.Second)
		s.Reboot()
		tag, stands := s.Addresses().Tagged("", "timed")[prefix("192.0.2.1")]
		if stands != (want[1] == 1) {
			t.Errorf("%v: timed tag stands: %v", s.dialect, stands)
		}
		if got := tag.Expires; want[0] == 0 && !got.IsZero() || want[0] != 0 && !got.Equal(begin.Add(want[0])) {
			t.Errorf("%v: expires %v after the start, want %v", s.dialect, got.Sub(begin), want[0])
		}
		if len(s.Addresses().Tagged("", "lasting")) != 1 || len(s.Addresses().Tagged("", "lost")) != 0 {
			t.Errorf("%v: after a restart %v", s.dialect, s.Addresses().Registered(""))
		}
	}
}
