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
// matters. A line of another log says nothing of a session. A THREAT record is refused when the firewall stopped it, or it
// tells of a scan. A login that failed is refused, and one that succeeded answered.
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

// outages are the words by which a firewall says that the server it asks for passwords did not answer: whoever tried to
// log in then has guessed nothing. Lower case.
var outages = [...]string{"timed out", "internal error", "server down", "server is down", "unreachable", "failed to connect", "dns failure"}

// isLogin tells whether a record is of one of the logs that hold logins.
func isLogin(ev *Event) bool { return ev.Type == TypeGlobalProtect || ev.Type == TypeSystem }

// notLogin says why a record is no failed login that counts; "" if it is one. Whether the client's address may be blocked
// is another question.
//
// The event id and the status decide, and what the firewall itself says of the attempt: the method, and the reason. Of
// what the stranger wrote only the user pre-logon matters, for whom there are no passwords to guess.
func notLogin(ev *Event) string {
	switch {
	case !isLogin(ev):
		return "only GLOBALPROTECT and SYSTEM records tell of logins"
	case !ev.Src.IsValid():
		return "the record does not say where the client is"
	case ev.Type == TypeGlobalProtect && !authenticates(ev.Subtype):
		return "the event is no login to a portal, a gateway or the clientless VPN"
	case strings.EqualFold(ev.Action, "success"):
		return "the login succeeded"
	case !strings.EqualFold(ev.Action, "failure"):
		return "the record does not say that the login failed"
	case strings.EqualFold(ev.Application, "cookie"):
		return "a cookie was refused, as happens when it expires: no password was tried"
	case strings.EqualFold(ev.SrcUser, "pre-logon"):
		return "pre-logon is a machine that connects before its user logs in: no password was tried"
	case outage(ev):
		return "the authentication server did not answer, so the login failed whoever tried"
	}
	return ""
}

// authenticates tells whether a GLOBALPROTECT event is of a user who shows who he is. What comes before (prelogin) anyone
// gets who looks at the page, and what comes behind (configuration, tunnel, state of the host) fails for other reasons.
func authenticates(event string) bool {
	switch strings.ToLower(event) {
	case "portal-auth", "gateway-auth", "gw-auth", "clientlessvpn-login":
		return true
	}
	return false
}

// outage tells whether the reason of a failure is the authentication server's. What the user wrote is no reason, should
// the firewall repeat it there.
func outage(ev *Event) bool {
	reason := strings.ToLower(without(ev.EndReason, ev.SrcUser))
	for _, words := range outages {
		if strings.Contains(reason, words) {
			return true
		}
	}
	return false
}

// without takes a word out of a text, where it stands by itself.
func without(text, word string) string {
	if word == "" {
		return text
	}
	letter := func(at int) bool {
		return at >= 0 && at < len(text) && (text[at]|0x20 >= 'a' && text[at]|0x20 <= 'z' || text[at] >= '0' && text[at] <= '9')
	}
	for from := 0; ; {
		i := strings.Index(text[from:], word)
		if i < 0 {
			return text
		}
		i += from
		if letter(i-1) || letter(i+len(word)) {
			from = i + 1
			continue
		}
		text = text[:i] + text[i+len(word):]
		from = i
	}
}

// loginOutcome says what became of a login, and of what else GLOBALPROTECT tells: a failure is refused, a success answered.
// A record that says neither, as of an address that was put into quarantine, is left unjudged.
func loginOutcome(action string) Session {
	switch {
	case strings.EqualFold(action, "failure"):
		return SessionRefused
	case strings.EqualFold(action, "success"):
		return SessionAnswered
	}
	return SessionUnjudged
}
