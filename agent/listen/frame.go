package listen

import (
	"bytes"
	"errors"
	"fmt"
)

const (
	// MaxMessage is how many bytes of a message are kept. Of a longer one a byte more is written, so that its reader takes it for one that was cut.
	MaxMessage = 64 << 10
	// bufferLeast is what each connection has, bufferMost what it takes to hold a whole message with its length.
	bufferLeast = 8 << 10
	bufferMost  = MaxMessage + 1<<10
	// longestCount is how many digits the length of a message may have.
	longestCount = 10
)

// framing is how the messages of a connection are told from one another.
type framing uint8

const (
	undecided framing = iota // too little was seen
	lines                    // each ends in a newline
	counted                  // each is preceded by its length and a space
)

// errFraming says that what stands where the length of the next message should is none: where it begins is not known any more.
var errFraming = errors.New("no length where one was expected")

// A framer cuts messages out of the bytes of one connection. What is read goes into room; its memory is at most bufferMost. grow and shrink
// are asked for what is beyond bufferLeast.
type framer struct {
	buf  []byte
	r, w int     // what is unread in buf
	seen int     // of it, in which there is no newline
	kind framing // as the first bytes told
	skip int64   // bytes of a message that are passed over; -1: up to the next newline
}

// room gives where to put what is read next, after a call of next that gave nothing. borrow is asked for more memory, and may refuse: then a
// message that does not fit is passed over, which dropped tells.
func (f *framer) room(borrow func(n int) bool) (space []byte, dropped bool) {
	if f.buf == nil {
		f.buf = make([]byte, bufferLeast)
	}
	if f.r > 0 {
		f.w = copy(f.buf, f.buf[f.r:f.w])
		f.r = 0
	}
	if f.w == len(f.buf) {
		size := min(2*len(f.buf), bufferMost)
		if borrow(size - len(f.buf)) {
			larger := make([]byte, size)
			copy(larger, f.buf)
			f.buf = larger
		} else {
			f.passOver()
			dropped = true
		}
	}
	return f.buf[f.w:], dropped
}

// passOver gives up the message that is in the buffer.
func (f *framer) passOver() {
	f.skip = -1
	if f.kind == counted {
		size, at, _ := readCount(f.buf[:f.w]) // it was read before
		f.skip = size - int64(f.w-at)
	}
	f.r, f.w, f.seen = 0, 0, 0
}

// took notes how much was put there.
func (f *framer) took(n int) { f.w += n }

// idle gives back what a connection has beyond bufferLeast when nothing of a message is in it, and tells how much that is.
func (f *framer) idle() (returned int) {
	if f.r != f.w || len(f.buf) <= bufferLeast {
		return 0
	}
	returned = len(f.buf) - bufferLeast
	f.buf, f.r, f.w, f.seen = nil, 0, 0, 0
	return returned
}

// next gives the next whole message, nil where there is none yet. One longer than MaxMessage is given when so much of it is there, with one byte more.
// A message is valid until room is called.
func (f *framer) next() ([]byte, error) {
	for {
		b := f.buf[f.r:f.w]
		if f.skip != 0 {
			if !f.pass(b) {
				return nil, nil
			}
			continue
		}
		if f.kind == undecided {
			f.kind = tell(b)
		}
		var msg []byte
		var more bool
		var err error
		switch f.kind {
		case undecided:
			return nil, nil
		case lines:
			msg, more = f.line(b)
		default:
			msg, more, err = f.frame(b)
		}
		if !more || err != nil {
			return nil, err
		}
		if msg = trimEnd(msg); len(msg) > 0 {
			return msg, nil
		}
	}
}

// pass passes over what is left of a message; false: there is more of it to come.
func (f *framer) pass(b []byte) bool {
	if f.skip > 0 {
		n := min(f.skip, int64(len(b)))
		f.r, f.skip = f.r+int(n), f.skip-n
		return f.skip == 0
	}
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		f.r = f.w
		return false
	}
	f.r, f.skip = f.r+i+1, 0
	return true
}

// line takes a message that ends in a newline.
func (f *framer) line(b []byte) (msg []byte, ok bool) {
	i := bytes.IndexByte(b[f.seen:], '\n')
	switch {
	case i >= 0:
		i += f.seen
		f.r, f.seen = f.r+i+1, 0
		return b[:min(i, MaxMessage+1)], true
	case len(b) > MaxMessage+1: // even if the last byte is the CR of its end
		f.r, f.seen, f.skip = f.w, 0, -1
		return b[:MaxMessage+1], true
	}
	f.seen = len(b)
	return nil, false
}

// frame takes a message that is preceded by its length.
func (f *framer) frame(b []byte) (msg []byte, ok bool, err error) {
	for len(b) > 0 && (b[0] == '\n' || b[0] == '\r' || b[0] == 0) { // some end their messages all the same
		b, f.r = b[1:], f.r+1
	}
	size, at, err := readCount(b)
	if err != nil || at == 0 {
		return nil, false, err
	}
	body := b[at:]
	switch {
	case int64(len(body)) >= size:
		f.r += at + int(size)
		return body[:min(size, MaxMessage+1)], true, nil
	case len(body) > MaxMessage:
		f.r, f.skip = f.w, size-int64(len(body))
		return body[:MaxMessage+1], true, nil
	}
	return nil, false, nil
}

// rest gives what a connection that was ended in good order left without a newline; ok is false where it left part of a message that it had announced.
func (f *framer) rest() (msg []byte, ok bool) {
	if f.kind == counted {
		return nil, f.r == f.w && f.skip == 0
	}
	if f.skip != 0 {
		return nil, true
	}
	return trimEnd(f.buf[f.r:f.w]), true
}

// tell tells by the first bytes of a connection how its messages are framed: a length stands before a message that begins with a priority (RFC
// 6587 3.4.1, RFC 5424 6). A number alone does not tell: PAN-OS's own format and some dates begin with one.
func tell(b []byte) framing {
	n := digits(b)
	switch {
	case len(b) == 0:
		return undecided
	case n == 0 || n > longestCount || b[0] == '0':
		return lines
	case n == len(b):
		return undecided
	case b[n] != ' ':
		return lines
	case n+1 == len(b):
		return undecided
	case b[n+1] != '<':
		return lines
	}
	return counted
}

// readCount reads the length of a message and tells where it begins; 0: not all of it is there.
func readCount(b []byte) (size int64, at int, err error) {
	n := digits(b)
	if n > longestCount || n < len(b) && (n == 0 || b[n] != ' ') {
		return 0, 0, fmt.Errorf("%w, but %q", errFraming, b[:min(len(b), 20)])
	}
	if n == len(b) {
		return 0, 0, nil
	}
	for _, c := range b[:n] {
		size = 10*size + int64(c-'0')
	}
	return size, n + 1, nil
}

func digits(b []byte) (n int) {
	for n < len(b) && n <= longestCount && b[n] >= '0' && b[n] <= '9' {
		n++
	}
	return n
}

// trimEnd takes off what ends a message and is none of it.
func trimEnd(msg []byte) []byte { return bytes.TrimRight(msg, "\r\n\x00") }

// appendLine appends a message as a line.
func appendLine(to, msg []byte) []byte {
	from := 0
	for i, c := range msg {
		if c >= ' ' && c != 0x7f || c == '\t' {
			continue
		}
		to = append(append(to, msg[from:i]...), '#', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
		from = i + 1
	}
	return append(append(to, msg[from:]...), '\n')
}
