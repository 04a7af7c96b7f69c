package panos

import (
	"bytes"

	"activedefense/detect"
)

// maxRepeat bounds what one line can claim to stand for.
const maxRepeat = 1_000_000

const (
	repeatMark = " message repeated "
	timesMark  = " times: ["
)

// undoRepeat puts a message together again that rsyslog merged with its like
// ($RepeatedMsgReduction), and sets ev.Repeat. rsyslog takes the first word of a
// message for its tag and prints
//
//	SrcLocation=United message repeated 3 times: [ States; SrcIP=...; Type=TRAFFIC;]
//
// that is, its text stands inside the first value; a message of RFC 5424 has the
// tag "-" and begins behind the bracket (measured with rsyslogd 8.2302, which also
// cuts the bracketed text at 800 characters). Text further into the record that
// looks the same is part of a value and stays.
func (p *Parser) undoRepeat(h header, ev *detect.Event) header {
	first := h.body[:len(h.body)-len(fromSpace(h.body))]
	rest := h.body[len(first):]
	if h.kind == kindRepeat {
		first, rest = nil, h.body[len(repeatMark)-1:]
	} else {
		rest = rest[len(repeatMark):]
	}
	n := digitRun(rest)
	if n == 0 || !hasPrefix(rest[n:], timesMark) || rest[len(rest)-1] != ']' {
		return h
	}
	count := 0
	for _, c := range rest[:n] {
		count = min(count*10+int(c-'0'), maxRepeat)
	}
	ev.Repeat = uint32(max(count, 1))
	inner := trimEnd(rest[n+len(timesMark) : len(rest)-1])
	if h.kind == kindRepeat {
		h.body = trimLeft(inner)
	} else {
		p.joined = append(append(p.joined[:0], first...), inner...)
		h.body = p.joined
	}
	h.kind = recordKind(h.body)
	return h
}

// fromSpace is b from its first space on, or nothing.
func fromSpace(b []byte) []byte {
	if i := bytes.IndexByte(b, ' '); i >= 0 {
		return b[i:]
	}
	return nil
}
