package detect

import (
	"encoding/binary"
	"strings"

	"activedefense/detect/memory"
)

const (
	attemptsEach = 4       // for each that fires: records that can still matter, with clocks that differ
	maxAttempts  = 1 << 20 // over all sources
)

// loginOf is what is remembered of a failed login.
func loginOf(e *Engine, ev *Event, w *watched) memory.Login {
	return memory.Login{Time: w.time, Ref: ev.Ref, Who: spreadWho(e, ev), Weight: w.weight, System: ev.Type == TypeSystem}
}

// gatherLogins fills the window with what a source failed around a time.
func gatherLogins(e *Engine, w *watched) {
	e.window.points = e.window.points[:0]
	number := uint64(0)
	for l := e.attempts.Newest(w.hash, &w.key); l != nil; l = e.attempts.Before(l) {
		if apart(l.Time, w.time) >= e.rules[login].window {
			continue
		}
		// A record that stands for several is as many values.
		for range min(int(l.Weight), e.rules[login].need) {
			v := valued{point: point{l.Time, l.Ref, 1}, proven: true}
			number++
			binary.BigEndian.PutUint64(v.value[8:], number)
			e.window.points = append(e.window.points, v)
		}
	}
}

// loginsBetween counts the failures of a source from one time to another, both included, as often as the records say.
func loginsBetween(e *Engine, w *watched, from, to int64) (n int) {
	for l := e.attempts.Newest(w.hash, &w.key); l != nil; l = e.attempts.Before(l) {
		if from <= l.Time && l.Time <= to {
			n += int(l.Weight)
		}
	}
	return n
}

// bareUser is a user without the domain, in small letters: one log may have the name as it was typed, and the other as the
// firewall completed it.
func bareUser(user string) string {
	if i := strings.LastIndexByte(user, '\\'); i >= 0 {
		user = user[i+1:]
	}
	if i := strings.IndexByte(user, '@'); i > 0 {
		user = user[:i]
	}
	return strings.ToLower(user)
}

// spreadWho makes a number of who tried to log in, and where.
func spreadWho(e *Engine, ev *Event) uint32 {
	var room [128]byte
	b := append(append(room[:0], bareUser(ev.SrcUser)...), 0)
	// One log may name the firewall by its full name, and the other by its first.
	host, _, _ := strings.Cut(ev.Device, ".")
	b = append(b, strings.ToLower(host)...)
	return uint32(e.seed.Sum(b))
}

// watchLogin counts the record of a login for the rule login.
func (e *Engine) watchLogin(ev *Event, w *watched, r *Result) {
	if e.rules[login].window == 0 || notLogin(ev) != "" {
		return
	}
	if len(e.settings.Ignore) > 0 {
		if ignored, _ := e.ignoring(ev, &w.party); ignored.has(login) {
			return
		}
	}
	w.grade = Proven
	if e.recalling && !e.unspent(w, 1<<login).has(login) {
		return
	}
	if _, _, counts := e.attempts.Add(w.hash, &w.key, loginOf(e, ev, w)); !counts {
		return
	}
	r.Outcome, r.Grade = Counted, Proven
	gatherLogins(e, w)
	from, to, ok := e.window.find(e.rules[login].need, e.rules[login].window, w.time)
	if !ok {
		return
	}
	v := e.judged(e.loginVerdict(ev, w, finding{login, from, to, Proven}), login)
	r.fired(v)
	if v.stands() {
		settle(e, v)
		return
	}
	e.attempts.Forget(w.hash, &w.key)
	e.spend(w, login, v)
}
