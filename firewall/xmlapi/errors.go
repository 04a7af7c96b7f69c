package xmlapi

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Kinds of trouble with a firewall, as Kind reports them.
const (
	KindUnreachable = "unreachable" // no connection, or it broke off
	KindTLS         = "tls"         // the certificate does not verify, or there is no TLS at all
	KindAuth        = "auth"        // the key, or user name and password, is refused
	KindRole        = "role"        // the administrator's role does not allow the call
	KindHTTP        = "http"        // a status other than 200 that is not PAN-OS's own error
	KindMalformed   = "malformed"   // the answer is not a complete PAN-OS XML document
	KindOversize    = "oversize"    // the answer is longer than its kind may be
	KindAPI         = "api"         // PAN-OS understood the call and refused it
	KindTimeout     = "timeout"     // no answer within Options.Timeout, or the caller's deadline passed
	KindCapacity    = "capacity"    // the platform's limit of registered addresses is reached
	KindBusy        = "busy"        // another commit is running, another administrator holds a lock, or the like: it passes by itself
	KindCommit      = "commit"      // a commit was carried out and failed; Text holds its details
	KindPassive     = "passive"     // a member of a pair that takes no changes now
	KindUnsupported = "unsupported" // not a PAN-OS firewall, or one that is too old
	KindCanceled    = "canceled"    // the caller gave up
)

// maxText bounds what is quoted from a firewall's answer, in bytes.
const maxText = 512

// Error is every error that leaves this package after Open. Its text names the firewall and what was being done, and
// holds neither key nor password.
type Error struct {
	Firewall string // Options.Name
	Op       string // what was being done: "register 12 addresses"
	Kind     string // one of the Kind constants, here or of the package that made it with Fail
	Code     int    // PAN-OS's code, or the HTTP status if Kind is "http"; 0: none
	Text     string // the reason, in the firewall's or the operating system's words
	Err      error  // the cause, for errors.Is; nil if the firewall itself answered
}

// Error gives "firewall NAME: what was being done: reason".
func (e *Error) Error() string {
	var b strings.Builder
	if e.Firewall != "" {
		b.WriteString("firewall " + e.Firewall + ": ")
	}
	if e.Op != "" {
		b.WriteString(e.Op + ": ")
	}
	b.WriteString(e.Text)
	if e.Code != 0 && e.Kind != KindHTTP {
		fmt.Fprintf(&b, " (code %d)", e.Code)
	}
	return b.String()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Kind tells what sort of trouble err is; "" if it does not come from this package.
func Kind(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}

// Transient tells whether the same call may succeed without anybody changing anything. Even what is not transient
// deserves another try now and then: a firewall that has just started refuses valid keys for a while, and the other
// kinds end when an operator fixes them.
func Transient(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Kind {
	case KindUnreachable, KindTimeout, KindMalformed, KindCanceled, KindBusy:
		return true
	case KindHTTP:
		return transientStatus(e.Code)
	case KindAPI:
		return transientCode(e.Code)
	}
	return false
}

func transientStatus(status int) bool { return status >= 500 || status == http.StatusTooManyRequests }

// transientCode tells internal errors and the session timeout from refusals (PAN-OS documentation, "PAN-OS XML API
// Error Codes").
func transientCode(code int) bool {
	switch code {
	case 2, 3, 4, 5, 11, 21, 22:
		return true
	}
	return false
}

// Rejected tells whether the firewall refused a message for what it holds, so that a smaller one may fare better.
func Rejected(err error) bool {
	const invalidCommand = 17 // such as an unknown vsys: no content can be at fault
	e, ok := err.(*Error)
	return ok && (e.Kind == KindAPI || e.Kind == KindCapacity) && !transientCode(e.Code) && e.Code != invalidCommand
}

// failed turns a connection's error into ours. attempt is the context of this one attempt, whose deadline is
// Options.Timeout; caller is the context it was made from.
func failed(caller, attempt context.Context, err error) *Error {
	if cause := caller.Err(); cause != nil {
		if errors.Is(cause, context.DeadlineExceeded) {
			return &Error{Kind: KindTimeout, Text: "the operation timed out", Err: cause}
		}
		return &Error{Kind: KindCanceled, Text: "canceled", Err: cause}
	}
	if attempt.Err() != nil {
		return &Error{Kind: KindTimeout, Text: "the request timed out", Err: attempt.Err()}
	}
	if isTLS(err) {
		return &Error{Kind: KindTLS, Text: err.Error(), Err: err}
	}
	var n net.Error
	if errors.As(err, &n) && n.Timeout() {
		return &Error{Kind: KindTimeout, Text: err.Error(), Err: err}
	}
	return &Error{Kind: KindUnreachable, Text: err.Error(), Err: err}
}

func isTLS(err error) bool {
	var (
		verification *tls.CertificateVerificationError
		record       tls.RecordHeaderError
		alert        tls.AlertError
		authority    x509.UnknownAuthorityError
		host         x509.HostnameError
		invalid      x509.CertificateInvalidError
	)
	return errors.As(err, &verification) || errors.As(err, &record) || errors.As(err, &alert) ||
		errors.As(err, &authority) || errors.As(err, &host) || errors.As(err, &invalid) ||
		strings.Contains(err.Error(), "tls: ") || strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}

// Tidy makes foreign text fit to print: on one line, without control characters, at most 512 bytes.
func Tidy(text string) string { return tidy(text, nil) }

// tidy makes foreign text fit to print: without secrets, on one line, bounded.
func tidy(text string, secrets *secrets) string {
	text = secrets.scrub(text)
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxText {
		cut := maxText
		for !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut] + "..."
	}
	return text
}
