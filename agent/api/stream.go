package api

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"activedefense/agent/display"
)

// writeWithin bounds one write to a client: who does not read is not waited for.
const writeWithin = 30 * time.Second

// patient bounds each write, not all of them together.
type patient struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (p *patient) Unwrap() http.ResponseWriter { return p.ResponseWriter }

func (p *patient) Write(b []byte) (int, error) {
	_ = p.control.SetWriteDeadline(time.Now().Add(writeWithin)) // in this process there is none
	return p.ResponseWriter.Write(b)
}

// encode writes JSON that drives no terminal.
func encode(w io.Writer, v any) error { return encoderOf(w).Encode(v) }

func encoderOf(w io.Writer) *json.Encoder {
	encoder := json.NewEncoder(display.NewGuard(w))
	encoder.SetEscapeHTML(false)
	return encoder
}

// answer answers with one object. An error means that the client has gone.
func (c *call) answer(status int, v any) error {
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(status)
	_ = encode(c.w, v)
	return nil
}

// A list is an answer of which one field holds many objects, written as they come: {"notes": [...], "NAME": [...], ...}.
type list struct {
	c       *call
	out     *bufio.Writer
	encoder *json.Encoder
	name    string
	n       int
	handed  handed // who takes the objects themselves; nil: nobody
	begun   bool   // something is written
	sent    bool   // and has left
}

// Write sends what the list has gathered. The first of it begins the answer.
func (l *list) Write(b []byte) (int, error) {
	if !l.sent {
		l.sent = true
		l.c.w.Header().Set("Content-Type", "application/json")
		l.c.w.WriteHeader(http.StatusOK)
	}
	return l.c.w.Write(b)
}

// newList begins an answer whose many objects are called so. Nothing is written before the first of them, so that a fault before it can
// still be said.
func (c *call) newList(name string) *list {
	l := &list{c: c, name: name}
	l.out = bufio.NewWriterSize(l, 32<<10)
	l.encoder = encoderOf(l.out)
	l.handed, _ = c.r.Context().Value(handedKey{}).(handed)
	return l
}

// begin writes what stands before the objects.
func (l *list) begin() {
	l.begun = true
	l.out.WriteString(`{"` + l.name + "\": [\n") // an error stays in the writer
}

// add writes one object.
func (l *list) add(v any) error {
	l.n++
	if l.handed != nil {
		if taken, err := l.handed(v); taken {
			return err
		}
	}
	if l.begun {
		l.out.WriteByte(',')
	} else {
		l.begin()
	}
	return l.encoder.Encode(v)
}

// end writes what stands behind the objects: the fields of rest, and why there are not all of them, if there are not.
func (l *list) end(rest any, err error) error {
	if l.n == 0 && err != nil {
		return err
	}
	return l.whole(rest, err)
}

// whole is end where rest says something even if there are no objects.
func (l *list) whole(rest any, err error) error {
	if err != nil && !l.sent && l.handed == nil {
		if stops := l.c.leaving(); stops != nil {
			return stops // what was read may have been closed meanwhile, and can be asked for again
		}
	}
	if !l.begun {
		l.begin()
	}
	l.out.WriteByte(']')
	why := struct {
		Error string `json:"error,omitempty"`
	}{}
	if err != nil {
		why.Error = err.Error()
	}
	if text := both(rest, why); len(text) > len("{}") {
		l.out.WriteByte(',')
		_, _ = display.NewGuard(l.out).Write(text[1:])
	} else {
		l.out.WriteByte('}')
	}
	l.out.WriteByte('\n')
	_ = l.out.Flush() // an error means that the client has gone
	return nil
}

// both are the fields of several objects as one. What is given is ours, and can be written.
func both(objects ...any) json.RawMessage {
	all := []byte{'{'}
	for _, o := range objects {
		var text bytes.Buffer
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		_ = encoder.Encode(o)
		inner := bytes.TrimSuffix(bytes.TrimPrefix(bytes.TrimSpace(text.Bytes()), []byte{'{'}), []byte{'}'})
		if len(inner) > 0 && len(all) > 1 {
			all = append(all, ',')
		}
		all = append(all, inner...)
	}
	return append(all, '}')
}

// encodeIndented is encode for people who look at it as it is.
func encodeIndented(w io.Writer, v any) error {
	encoder := json.NewEncoder(display.NewGuard(w))
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}
