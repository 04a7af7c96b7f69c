package panos

import (
	"bytes"
	"errors"
	"net/netip"
)

// Statuses of a login, as GLOBALPROTECT records have them.
const (
	success = "success"
	failure = "failure"
)

// fullDescription is the length, in bytes, from which on a description may have been cut: PAN-OS documents 512. A user
// who is long enough has the client's address cut off, and may hold one himself.
const fullDescription = 500

// errNotLogin says that a description is no login in any words that are known.
var errNotLogin = errors.New("no login")

// loginText is what the description of a SYSTEM record says of a login.
type loginText struct {
	status               string
	user, reason, method []byte
	client               netip.Addr
}

// The texts are the firewall's around names that strangers choose. Where the client's address stands behind the user it is
// read from the end of the text, and where it stands ahead of him from its beginning: never out of the middle. The address
// of the server that was asked for the password is in there, too, and is nobody's who logs in.
//
//	failed authentication for user 'U'. Reason: R. auth profile 'P', ..., server address '192.0.2.1', auth protocol 'PAP', From: 203.0.113.5.
//	authenticated for user 'U'.   auth profile 'P', ..., From: 203.0.113.5.
//	GlobalProtect portal user authentication failed. Login from: 203.0.113.5, User name: U, Reason: R , Auth type: profile.
//	User U logged in via Web from 203.0.113.5 using https
const (
	failedFor     = "failed authentication for user "
	succeededFor  = "authenticated for user "
	globalProtect = "GlobalProtect "
	authFailed    = " user authentication failed. Login from: "
	authSucceeded = " user authentication succeeded. Login from: "
	fromMark      = "From: "
	reasonMark    = "Reason: "
	userMark      = "User name: "
	systemMark    = ", Client OS version: "
	typeMark      = ", Auth type: "
	userOf        = "User "
	loggedIn      = " logged in via "
)

// details are what stands, each with a value, between the reason and the address; the values are named by administrators.
var details = [...]string{"auth profile ", "vsys ", "server profile ", "server address ", "auth protocol ", "admin role "}

// readLogin reads a description. The error is ErrCut where it is of a login that failed, and does not end as it must for the
// address to be the firewall's; errNotLogin where it is of something else, or of a success from nowhere, as on the console.
func readLogin(b []byte) (loginText, error) {
	whole := len(b) < fullDescription
	b = trimRight(b)
	var t loginText
	var ok bool
	switch {
	case hasPrefix(b, failedFor):
		t, ok = endingInAddress(b[len(failedFor):])
		t.status = failure
		ok = ok && t.splitReason()
	case hasPrefix(b, succeededFor):
		t, ok = endingInAddress(b[len(succeededFor):])
		t.status = success
		ok = ok && t.splitDetails()
	case hasPrefix(b, globalProtect):
		status := bytes.Index(b, []byte(authFailed))
		mark := authFailed
		t.status = failure
		if status < 0 {
			status, mark, t.status = bytes.Index(b, []byte(authSucceeded)), authSucceeded, success
		}
		if status < len(globalProtect) || bytes.IndexByte(b[len(globalProtect):status], ' ') >= 0 {
			return t, errNotLogin // the two share a space where the component is missing
		}
		ok = t.beginningWithAddress(b[status+len(mark):])
	case hasPrefix(b, userOf) && bytes.Contains(b, []byte(loggedIn)):
		ok = t.byProtocol(b[len(userOf):])
	default:
		return t, errNotLogin
	}
	switch {
	case ok && whole:
		return t, nil
	case t.status == success:
		return t, errNotLogin
	}
	return t, ErrCut
}

// endingInAddress takes the client's address from the end of a text. What stands ahead of it is left in user.
func endingInAddress(b []byte) (t loginText, ok bool) {
	i := bytes.LastIndex(b, []byte(fromMark))
	if i < 0 || b[len(b)-1] != '.' {
		return t, false
	}
	t.client, ok = clientIn(b[i+len(fromMark) : len(b)-1])
	t.user = trimRight(b[:i])
	return t, ok
}

// splitReason takes the reason and the details from the end of user. What stands behind the last "Reason: " no stranger
// wrote.
func (t *loginText) splitReason() bool {
	i := bytes.LastIndex(t.user, []byte(reasonMark))
	if i < 0 {
		return false
	}
	var ok bool
	t.reason, t.method, ok = cutDetails(t.user[i+len(reasonMark):])
	t.user = userBefore(t.user[:i])
	return ok
}

// splitDetails takes the details from the end of user.
func (t *loginText) splitDetails() bool {
	i := bytes.LastIndex(t.user, []byte(details[0]))
	if i < 0 {
		t.user = userBefore(t.user)
		return true
	}
	var ok bool
	_, t.method, ok = cutDetails(t.user[i:])
	t.user = userBefore(t.user[:i])
	return ok
}

// userBefore takes off a user what ends the sentence behind him.
func userBefore(b []byte) []byte {
	return trimQuotes(bytes.TrimSuffix(trimRight(b), []byte{'.'}))
}

// cutDetails takes the details off the end of a text, and gives what stands ahead of them without its full stop. False:
// what stands there is nothing that is known.
func cutDetails(b []byte) (before, method []byte, ok bool) {
	begin := -1
	for _, d := range details {
		if i := bytes.Index(b, []byte(d)); i >= 0 && (begin < 0 || i < begin) && (i == 0 || b[i-1] == ' ') {
			begin = i
		}
	}
	if begin < 0 {
		b = trimRight(b)
		return bytes.TrimSuffix(b, []byte{'.'}), nil, len(b) > 0 && b[len(b)-1] == '.'
	}
	before = trimRight(b[:begin])
	if begin > 0 && (len(before) == 0 || before[len(before)-1] != '.') {
		return nil, nil, false
	}
	for rest := b[begin:]; len(rest) > 0; {
		var detail []byte
		if detail, rest, ok = bytes.Cut(rest, []byte{','}); ok {
			rest = trimLeft(rest)
		}
		name, value := detailOf(trimRight(detail))
		if name == "" {
			return nil, nil, false
		}
		if name == "auth protocol " {
			method = value
		}
	}
	return bytes.TrimSuffix(before, []byte{'.'}), method, true
}

// detailOf takes a detail apart; "" for the name of none that is known.
func detailOf(b []byte) (name string, value []byte) {
	for _, name = range details {
		if hasPrefix(b, name) {
			return name, trimQuotes(b[len(name):])
		}
	}
	return "", nil
}

// beginningWithAddress reads what older releases say of GlobalProtect, behind "Login from: ". Such a text is cut early, at
// the type of authentication; the address and the reason are ahead of that. A user who holds a reason has none.
func (t *loginText) beginningWithAddress(b []byte) bool {
	addr, rest, found := bytes.Cut(b, []byte{','})
	if !found {
		addr = bytes.TrimSuffix(b, []byte{'.'})
	}
	var ok bool
	if t.client, ok = clientIn(addr); !ok {
		return false
	}
	if rest = trimLeft(rest); !hasPrefix(rest, userMark) {
		return true
	}
	rest = rest[len(userMark):]
	const reason = ", " + reasonMark
	first, last := bytes.Index(rest, []byte(reason)), bytes.LastIndex(rest, []byte(reason))
	if last < 0 {
		t.user, _, _ = bytes.Cut(rest, []byte(typeMark))
		return true
	}
	if t.user = rest[:last]; first == last {
		t.reason, _, _ = bytes.Cut(rest[last+len(reason):], []byte(typeMark))
		t.reason = trimRight(t.reason)
	}
	if i := bytes.LastIndex(t.user, []byte(systemMark)); i >= 0 {
		t.user = t.user[:i]
	}
	return true
}

// byProtocol reads "U logged in via Web from 203.0.113.5 using https".
func (t *loginText) byProtocol(b []byte) bool {
	const from, using = " from ", " using "
	t.status = success
	at := bytes.LastIndex(b, []byte(loggedIn))
	end := bytes.LastIndex(b, []byte(using))
	begin := bytes.LastIndex(b, []byte(from))
	if at < 0 || begin < at || end < begin+len(from) {
		return false
	}
	var ok bool
	t.client, ok = clientIn(b[begin+len(from) : end])
	t.user = b[:at]
	return ok
}

// clientIn reads the address of a client.
func clientIn(b []byte) (netip.Addr, bool) {
	a, ok := parseAddr(bytes.TrimSpace(b))
	return a, ok && !a.IsUnspecified()
}
