package xmlapi

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const (
	// maxDepth bounds the nesting of an answer's elements; a whole configuration stays below 40.
	maxDepth = 256
	// maxReason bounds what is collected of an answer's message, before tidy cuts it.
	maxReason = 8 << 10
)

// head is what every answer of PAN-OS tells about itself.
type head struct {
	Status string // "success", "error", "failed", "unauth"
	Code   int    // 0: none given
	Reason string // the texts below msg, joined; "" if there are none
	UID    bool   // holds a uid-response, that is: per-address results
}

// ok tells whether the call was done. Code 7 (no such object) comes with status "success" and is left to the caller.
func (h head) ok() bool {
	switch h.Status {
	case "error", "failed", "unauth":
		return false
	}
	return h.Code == 0 || h.Code == 7 || h.Code == 19 || h.Code == 20
}

// codePassive: "running a command that is not allowed on a passive device" (PAN-OS documentation, "PAN-OS XML API Error
// Codes").
const codePassive = 15

// err gives the refusal as an error without a firewall's name; nil if h is none.
func (h head) err() *Error {
	if h.ok() {
		return nil
	}
	e := &Error{Kind: KindAPI, Code: h.Code, Text: h.Reason}
	reason := strings.ToLower(h.Reason)
	switch {
	case h.Status == "unauth" || h.Code == 16 || strings.Contains(reason, "not authorized"):
		e.Kind = KindRole
	case h.Code == http.StatusForbidden || strings.Contains(reason, "invalid credential"):
		e.Kind = KindAuth
	case strings.Contains(reason, "for the platform reached"):
		e.Kind = KindCapacity
	case !transientCode(h.Code) && busy(reason):
		e.Kind = KindBusy
	case h.Code == codePassive:
		e.Kind = KindPassive
	}
	if e.Text == "" {
		e.Text = "PAN-OS returned status " + strconv.Quote(h.Status) + " without a message"
	}
	return e
}

// passing are what a refusal says that passes by itself. Recorded: those that pan-os-python knows (classify_exception), the lock
// for which panos scripts wait, the daemon of release note PAN-253485, and the job of a demisto test.
var passing = []string{
	"in progress", "is currently locked", "configuration is locked", "locked by", "commit lock", "other administrators are holding",
	"while getting config lock", "try again later", "failed to synchronize running configuration", "session timed out", "client is not available",
	configdRestart,
}

// configdRestart is why a job failed that no fault of its own ended.
const configdRestart = "configd restart"

// busy tells whether a refusal will pass by itself: what is asked for waits for a commit, an installation, a
// synchronisation, a lock of somebody else's or a daemon of the firewall. reason is in lower case.
func busy(reason string) bool {
	return slices.ContainsFunc(passing, func(text string) bool { return strings.Contains(reason, text) })
}

var errNotPANOS = errors.New("the response is not PAN-OS XML")

// inspect reads a whole answer: it must be one well-formed document whose root is response.
func inspect(body []byte) (head, error) {
	var h head
	dec := xml.NewDecoder(bytes.NewReader(body))
	var path []xml.Name
	var reason []string
	size, done := 0, false
	fine := false // inside a part of a multi-config answer that reports success: its text is no reason
	for {
		tok, err := dec.RawToken()
		if err == io.EOF {
			break
		}
		if err != nil {
			return h, fmt.Errorf("%w: %w", errNotPANOS, err)
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if len(path) == 0 && (done || t.Name.Local != "response") {
				return h, fmt.Errorf("%w: unexpected root element <%.40s>", errNotPANOS, t.Name.Local)
			}
			if len(path) >= maxDepth {
				return h, fmt.Errorf("%w: nested more than %d elements deep", errNotPANOS, maxDepth)
			}
			if len(path) == 0 {
				h.Status, h.Code = rootAttrs(t.Attr)
			} else if t.Name.Local == "response" {
				status, code := rootAttrs(t.Attr)
				fine = head{Status: status, Code: code}.ok()
			}
			h.UID = h.UID || t.Name.Local == "uid-response"
			path = append(path, t.Name)
		case xml.EndElement:
			if len(path) == 0 || path[len(path)-1] != t.Name {
				return h, fmt.Errorf("%w: unexpected closing tag </%.40s>", errNotPANOS, t.Name.Local)
			}
			path = path[:len(path)-1]
			done = len(path) == 0
		case xml.CharData:
			text := bytes.TrimSpace(t)
			if len(path) == 0 && len(text) > 0 {
				return h, fmt.Errorf("%w: text outside the root element", errNotPANOS)
			}
			if len(text) > 0 && size < maxReason && inMessage(path, fine) {
				text = text[:min(len(text), maxReason-size)]
				size += len(text)
				reason = append(reason, string(text))
			}
		case xml.Directive:
			return h, fmt.Errorf("%w: it contains a directive", errNotPANOS)
		}
	}
	if !done {
		return h, fmt.Errorf("%w: empty or truncated", errNotPANOS)
	}
	h.Reason = strings.Join(reason, " | ")
	return h, nil
}

func rootAttrs(attrs []xml.Attr) (status string, code int) {
	for _, a := range attrs {
		switch a.Name.Local {
		case "status":
			status = a.Value
		case "code":
			// A code that is no number says nothing that the status does not.
			code, _ = strconv.Atoi(a.Value)
		}
	}
	return status, code
}

// inMessage tells whether path is at or below response/msg or response/result/msg, where PAN-OS puts its texts; or
// below response/response/msg, where a multi-config answer puts those of its parts, unless the part is fine.
func inMessage(path []xml.Name, fine bool) bool {
	path = path[1:]
	if len(path) > 0 && path[0].Local == "response" {
		if fine {
			return false
		}
		path = path[1:]
	}
	return len(path) > 0 && path[0].Local == "msg" || len(path) > 1 && path[0].Local == "result" && path[1].Local == "msg"
}

// streamed is where the answer to a call is put whose caller wants a tree: its text is not held beside it.
type streamed struct {
	root *Node
	head head
}

// fill reads an answer, and refuses what inspect does. An error that is not of the answer's form is one of reading.
func (s *streamed) fill(r io.Reader) error {
	from := &notedReader{Reader: r}
	root, err := parse(from)
	switch {
	case from.err != nil:
		return from.err
	case err != nil:
		err = fmt.Errorf("%w: %w", errNotPANOS, err)
	case root.Name != "response":
		err = fmt.Errorf("%w: unexpected root element <%.40s>", errNotPANOS, root.Name)
	default:
		s.root, s.head = root, headOf(root)
		return nil
	}
	return &Error{Kind: KindMalformed, Text: err.Error(), Err: err}
}

// notedReader remembers why it ended.
type notedReader struct {
	io.Reader
	err error // nil: it did not, or at its end
}

// Read implements io.Reader.
func (n *notedReader) Read(p []byte) (int, error) {
	count, err := n.Reader.Read(p)
	if err != nil && err != io.EOF {
		n.err = err
	}
	return count, err
}

// headOf is what inspect finds, of a tree.
func headOf(root *Node) head {
	var h head
	h.Status, h.Code = rootAttrs(root.Attrs)
	for _, parent := range []*Node{root, root.Child("result")} {
		if parent == nil {
			continue
		}
		for _, c := range parent.Children {
			if c.Name == "msg" {
				h.Reason = strings.TrimPrefix(h.Reason+" | "+strings.Join(c.Texts(), " | "), " | ")
			}
		}
	}
	if len(h.Reason) > maxReason {
		h.Reason = h.Reason[:maxReason]
	}
	return h
}

// check judges one HTTP answer. An error of PAN-OS's own with HTTP status 200 passes: it is the caller's to read.
func check(status int, body []byte) (head, *Error) {
	h, err := inspect(body)
	if status == http.StatusOK {
		if err != nil {
			return h, &Error{Kind: KindMalformed, Text: err.Error(), Err: err}
		}
		return h, nil
	}
	text := fmt.Sprintf("HTTP %d %s", status, http.StatusText(status))
	if err == nil {
		if e := h.err(); e != nil && !transientStatus(status) {
			if e.Kind == KindAPI && forbidden(status) {
				e.Kind = KindAuth
			}
			return h, e
		}
		if h.Reason != "" {
			text += ": " + h.Reason
		}
	}
	if forbidden(status) {
		return h, &Error{Kind: KindAuth, Code: status, Text: text}
	}
	return h, &Error{Kind: KindHTTP, Code: status, Text: text}
}

func forbidden(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden
}
