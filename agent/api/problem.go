package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"activedefense/agent/display"
)

// A Fault is why a request was not done, as application/problem+json (RFC 9457) has it. Its type is always about:blank: the status says
// what kind it is.
type Fault struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	// Faults are those of a configuration that was refused.
	Faults []string `json:"faults,omitempty"`

	allow   string // with 405, the methods that there are
	passing bool   // nothing was done, and it may be asked for again at once
}

// Error gives the detail.
func (f *Fault) Error() string { return f.Detail }

func faultf(status int, format string, args ...any) *Fault {
	return &Fault{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: fmt.Errorf(format, args...).Error()}
}

// Usagef is a fault of what was asked.
func Usagef(format string, args ...any) *Fault { return faultf(http.StatusBadRequest, format, args...) }

// retryAtOnce is the Retry-After of what passes in a moment.
const retryAtOnce = "0"

// refuse answers with a fault; an error that is none is one of ours.
func refuse(w http.ResponseWriter, err error) {
	f, ok := errors.AsType[*Fault](err)
	if !ok {
		f = faultf(http.StatusInternalServerError, "%w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	switch {
	case f.passing:
		h.Set("Retry-After", retryAtOnce)
	case f.Status == http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="activedefense"`)
	case f.Status == http.StatusServiceUnavailable, f.Status == http.StatusTooManyRequests:
		h.Set("Retry-After", "5")
	case f.allow != "":
		h.Set("Allow", f.allow)
	}
	w.WriteHeader(f.Status)
	encoder := json.NewEncoder(display.NewGuard(w))
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(f) // an error means that the client has gone
}
