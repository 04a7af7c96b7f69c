package detect

import "strings"

// Session says what became of the session that a record is of, as far as the record tells: whether anybody on our side
// answered.
type Session uint8

const (
	// SessionUnjudged is the zero value: [Event.Judge] was not called.
	SessionUnjudged Session = iota
	// SessionBegun: the record is of a start, which says nothing yet.
	SessionBegun
	// SessionRefused: nothing was served. The firewall stopped it, or nobody took part beyond opening it.
	SessionRefused
	// SessionAnswered: the source was served.
	SessionAnswered
	// SessionLate: nothing was served, but the record is the late answer to a session that ours opened. A record alone does not
	// tell that: the engine does (see [Result]), and records that were stored.
	SessionLate
)

// String gives the word of the records' outcome: "refused", "answered" or "late-answer"; "" for the others.
func (s Session) String() string {
	switch s {
	case SessionRefused:
		return "refused"
	case SessionAnswered:
		return "answered"
	case SessionLate:
		return "late-answer"
	}
	return ""
}

// Judge sets Session, if it is not set yet. What an engine says does not depend on whether it was called; it is for those
// who want to keep the answer, or to have it found beside the engine.
func (ev *Event) Judge() { ev.Session = sessionOf(ev) }

// sessionOf says what became of a session, from the other fields of a record if nobody did before.
//
// Refused is a TRAFFIC record whose action is not allow, whose subtype is drop or deny or whose end reason is
// policy-deny, and one that was allowed and whose application never became more than incomplete, whatever bytes came
// back (a half-open scan of an open port), or to which no byte came back where bytes are counted. No other end reason
// matters. A line of another log says nothing of a session. A THREAT record is refused when the firewall stopped it, or it tells of a scan. A login that failed is refused,
// and one that succeeded answered.
func sessionOf(ev *Event) Session {
	switch {
	case ev.Session != SessionUnjudged:
		return ev.Session
	case ev.Type == TypeLog: // its action is whatever word its program has
		return SessionUnjudged
	case isLogin(ev):
		return loginOutcome(ev.Action)
	case ev.Type == TypeThreat:
		return refusedIf(stopped(ev.Action) || tellsOfScan(ev))
	case strings.EqualFold(ev.Subtype, "start") && allowed(ev.Action):
		return SessionBegun
	}
	return refusedIf(unserved(ev))
}

func refusedIf(refused bool) Session {
	if refused {
		return SessionRefused
	}
	return SessionAnswered
}

// unserved says whether a TRAFFIC record is of a session in which nothing was served.
func unserved(ev *Event) bool {
	switch {
	case !allowed(ev.Action), strings.EqualFold(ev.Subtype, "drop"), strings.EqualFold(ev.Subtype, "deny"),
		strings.EqualFold(ev.EndReason, "policy-deny"):
		return true
	case strings.EqualFold(ev.Application, "incomplete"):
		return true
	}
	return ev.Traffic.Counted && ev.Traffic.BytesReceived == 0
}

// allowed says whether an action let a session pass. An empty one is what a relay has cut off, and lets nobody in.
func allowed(action string) bool { return strings.EqualFold(action, "allow") }

// stopped says whether the action of a THREAT record ended what it is about. Those that only tell of it, or that the user
// went past, did not (PAN-OS documentation, "Threat Log Fields").
func stopped(action string) bool {
	switch strings.ToLower(action) {
	case "", "alert", "allow", "continue", "override", "syncookie-sent":
		return false
	}
	return true
}
