package notify

import (
	"time"

	"activedefense/store"
)

// contentError is that a receiver refuses what it was told for good. Whether for what it says, or as it refuses everything, the next attempts show.
type contentError struct {
	error
	large bool // it says that it is too much
}

func (e *contentError) Unwrap() error { return e.error }

const (
	windows = 8 // parts of a refused call that are tried one after another without what strangers wrote
	growth  = 8 // how many times as many go in the next call, when one of few was taken
)

// care is how notices are told to a receiver that refuses them: strangers choose user names, URLs and what else is in the lines of a log, and a filter between us and
// the receiver that takes offence at one of them must not silence all that comes behind it. What is refused is tried again
//
//	with one part of it after another without what strangers wrote, then with all of it so, whereupon it is delivered;
//	if that is refused too, something else is told in its place. A receiver that refuses this as well refuses everything: all of it waits;
//	if it takes that, the notices are halved, until the one that it refuses is alone, and given up when it was refused once more in either way.
//
// What is too large is halved at once.
type care struct {
	head   string // ID of the first notice, which this is about
	size   int    // of the calls about it; 0: it was not refused yet
	step   int    // 0: as it is; then by parts; then without what strangers wrote; then something else
	proved bool   // it took something else since
	most   int    // notices of a call; 0: each
	shut   bool   // it refused everything
}

// An attempt is a call as it is made.
type attempt struct {
	notices  []store.Notice
	from, to int  // of those that are without what strangers wrote
	proof    bool // it is something else
}

func (a *attempt) bare(i int) bool { return i >= a.from && i < a.to }

// attempt makes the next call of these notices, of which at most each go in one.
func (c *care) attempt(list []store.Notice, each int) attempt {
	if list[0].ID != c.head {
		*c = care{head: list[0].ID, most: c.most, shut: c.shut}
	}
	n := min(len(list), each)
	for _, bound := range []int{c.most, c.size} {
		if bound > 0 {
			n = min(n, bound)
		}
	}
	a := attempt{notices: list[:n]}
	part, parts := inParts(n)
	switch {
	case c.step == 0:
		return a
	case c.step <= parts:
		a.from, a.to = (c.step-1)*part, min(c.step*part, n)
	case c.step == parts+1:
		a.to = n
	default:
		return attempt{notices: []store.Notice{inPlaceOf(&list[0])}, proof: true}
	}
	a.notices = append([]store.Notice(nil), a.notices...)
	for i := a.from; i < a.to; i++ {
		a.notices[i] = bare(&a.notices[i])
	}
	return a
}

// inParts gives how many notices a part of so many has, and how many parts there are; one alone has none.
func inParts(n int) (part, parts int) {
	if n == 1 {
		return 1, 0
	}
	part = (n + windows - 1) / windows
	return part, (n + part - 1) / part
}

// came takes in what came of an attempt. again: the next one is due soon, for it is another one; lost: its only notice is to be given up.
func (c *care) came(a *attempt, done, each int, err error) (again, lost bool) {
	n := len(a.notices)
	_, parts := inParts(n)
	refused, ok := err.(*contentError)
	switch {
	case done > 0:
		*c = care{most: c.most * growth}
		if c.most >= each {
			c.most = 0
		}
	case a.proof && err == nil:
		c.proved, c.shut, c.step = true, false, 0
	case !ok: // it says nothing of what it was told
	case a.proof: // however few and whatever they say
		c.shut, c.most, c.size, c.step = true, 0, 0, 0
	case refused.large && n > 1 && !c.shut:
		c.halve(n)
		return true, false
	case c.proved && c.step == parts+1 && n == 1:
		*c = care{}
		return false, true
	case c.proved && c.step == parts+1:
		c.halve(n)
		return true, false
	case c.shut:
		c.size, c.step = n, parts+2
		return true, false
	default:
		c.size = n
		c.step++
		return true, false
	}
	return false, false
}

// halve has half as many tried. What it took before one was alone proves nothing of that.
func (c *care) halve(n int) {
	c.most, c.size, c.step, c.proved = n/2, 0, 0, c.proved && n/2 > 1
}

// bare is a notice without anything that a stranger may have written.
func bare(n *store.Notice) store.Notice {
	b := store.Notice{Number: n.Number, ID: n.ID, Event: n.Event, Time: n.Time, Stands: n.Stands, Since: n.Since, Over: n.Over,
		Address: n.Address, Source: n.Source, Rule: n.Rule, By: n.By, Grade: n.Grade, Hits: n.Hits, Seen: n.Seen}
	if n.Address == "" {
		b.Subject, b.Remedy = n.Event+": its text was refused and is left out", "activedefense status has it, and the log"
		if n.Over {
			b.Subject = "over: " + b.Subject
		}
	} else {
		b.Reason = "its text was refused and is left out; activedefense blacklist show " + n.Address + " has it"
	}
	return b
}

// inPlaceOf is what is told in place of a notice that is refused in any form. It has an ID of its own, always the same: the notice may be taken yet.
func inPlaceOf(n *store.Notice) store.Notice {
	return store.Notice{ID: n.ID + "R", Event: "notice", Time: n.Time, Stands: 1, Subject: "a notice is refused here, also without its text: " + n.Event + " of " + n.Time.UTC().Format(time.RFC3339),
		Remedy: "activedefense blacklist history has who is blocked, activedefense status what is wrong"}
}
