package panosim

import (
	"net/http"
	"strings"
	"time"

	"activedefense/firewall/panosim/answer"
)

// floodSize is the default size of a Flood, in bytes.
const floodSize = 100 << 20

// dripPause is the default time between two bytes of a Drip.
const dripPause = 100 * time.Millisecond

// otherPage is what stands at an address where a firewall was expected.
const otherPage = `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Storage console - sign in</title></head>
<body><form method="post" action="/login"><label>User <input name="user"></label>
<label>Password <input name="password" type="password"></label><button>Sign in</button></form></body></html>
`

// flood sends a well-formed answer of that many bytes without holding it, until the client has had enough. Its
// entries are those of registered addresses, so that a client which reads as they come has something to keep.
func flood(w http.ResponseWriter, size int) {
	const (
		head  = `<response status="success"><result>`
		entry = `<entry ip="198.51.100.1" from_agent="0" persistent="1"><tag><member>flood</member></tag></entry>` + "\n"
		tail  = `</result></response>`
	)
	w.Header().Set("Content-Type", answer.ContentType)
	w.WriteHeader(http.StatusOK)
	block := []byte(strings.Repeat(entry, 1000))
	if _, err := w.Write([]byte(head)); err != nil {
		return
	}
	for left := size - len(head) - len(tail); left > 0; {
		// Whole entries, and white space for what is left of the last one.
		n := min(len(block), left) / len(entry) * len(entry)
		part := block[:n]
		if n == 0 {
			part = []byte(strings.Repeat(" ", left))
		}
		if _, err := w.Write(part); err != nil {
			return
		}
		left -= len(part)
	}
	_, _ = w.Write([]byte(tail))
}

// drip sends the answer a byte at a time, until the client has had enough.
func drip(w http.ResponseWriter, r *http.Request, a answer.Answer, pause time.Duration, life *lifetime) {
	if pause <= 0 {
		pause = dripPause
	}
	w.Header().Set("Content-Type", a.ContentType)
	w.WriteHeader(a.Status)
	flush := http.NewResponseController(w)
	for i := range a.Body {
		if i > 0 && !life.wait(r.Context(), pause) {
			panic(http.ErrAbortHandler)
		}
		if _, err := w.Write(a.Body[i : i+1]); err != nil {
			return
		}
		_ = flush.Flush()
	}
}
