package detect

import "strings"

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
