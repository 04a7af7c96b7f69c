package notify

import (
	"encoding/json"
	"slices"
	"time"
)

// gatherFor is the usual hold.
const gatherFor = time.Second

// A pace keeps mails apart: one follows another by every at least, and after most of them within an hour the next waits until an hour has passed since the
// first of these.
type pace struct {
	every time.Duration
	most  int           // 0: no bound
	hold  time.Duration // how long a mail waits for what comes in the same moment
	times []time.Time
	began bool // to gather
}

// wait is how long until the next mail may leave. A mail that left later than now did so by a clock that was set back since, and counts as if it had left
// now: from now on, no wait is longer than its period.
func (p *pace) wait(now time.Time) time.Duration {
	for i := range p.times {
		if p.times[i].After(now) {
			p.times[i] = now
		}
	}
	var wait time.Duration
	if n := len(p.times); n > 0 {
		wait = p.times[n-1].Add(p.every).Sub(now)
		if p.most > 0 && n >= p.most {
			wait = max(wait, p.times[n-p.most].Add(time.Hour).Sub(now))
		}
	}
	return max(wait, 0)
}

// gather tells whether to wait for more, once before each mail.
func (p *pace) gather() bool {
	p.began = !p.began
	return p.began
}

// sent notes that a mail left.
func (p *pace) sent(now time.Time) {
	p.began = false
	p.times = append(p.times, now)
	if keep := max(p.most, 1); len(p.times) > keep {
		p.times = slices.Delete(p.times, 0, len(p.times)-keep)
	}
}

// state is what a restart has to know.
func (p *pace) state() string {
	var seconds []int64
	for _, t := range p.times {
		seconds = append(seconds, t.Unix())
	}
	text, _ := json.Marshal(seconds) // numbers can always be written
	return string(text)
}

// restore takes in what state gave. What cannot be read is as if no mail had left.
func (p *pace) restore(state string) {
	var seconds []int64
	if json.Unmarshal([]byte(state), &seconds) != nil {
		return
	}
	var earlier []time.Time
	for _, s := range seconds {
		earlier = append(earlier, time.Unix(s, 0))
	}
	p.times = append(earlier, p.times...)
}
