package panos

import (
	"unicode"
	"unicode/utf8"
)

// MaxValue bounds every string of an event, in bytes. The longest that PAN-OS
// documents is below it; the rest of a longer value is dropped.
const MaxValue = 1024

const (
	// maxShared bounds the strings that are kept to be handed out again; longer
	// ones are copied each time.
	maxShared = 256
	// maxEntries bounds a table, which is emptied when full: strangers choose users
	// and threat names, and may choose a new one for each line.
	maxEntries = 2048
	// slots of the small table in front, by a cheap hash; a power of two.
	slots = 64
)

// names holds the strings seen before, by field, so that a flood of new values in
// one leaves the others alone.
type names struct {
	region, user, action, rule, ruleID, threat, threatID, severity, subtype, device table
	application, zone, endReason, category                                          table
}

// table hands out one string for equal values.
type table struct {
	front [slots]name
	all   map[string]name
}

// name is a value as it stands in the log and the text made of it.
type name struct{ raw, text string }

// get gives the text of a value; "" for none.
func (t *table) get(b []byte) string {
	n := len(b)
	if n == 0 {
		return ""
	}
	// The first and last bytes and the length tell most words apart.
	f := &t.front[(uint(b[0])*7+uint(b[n-1])*31+uint(b[n/2])*13+uint(n))%slots]
	if string(b) == f.raw {
		return f.text
	}
	if n > maxShared {
		return clean(b)
	}
	v, ok := t.all[string(b)]
	if !ok {
		v.raw = string(b)
		v.text = v.raw
		if !isClean(b) {
			v.text = escape(b)
		}
		if len(t.all) >= maxEntries {
			clear(t.all)
		}
		if t.all == nil {
			t.all = make(map[string]name)
		}
		t.all[v.raw] = v
	}
	*f = v
	return v.text
}

// isClean says whether b can be stored and shown as it is: UTF-8 without control
// characters.
func isClean(b []byte) bool {
	ascii := true
	for _, c := range b {
		if c < ' ' || c == 0x7f {
			return false
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	if ascii {
		return true
	}
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size == 1 || unicode.IsControl(r) {
			return false
		}
		b = b[size:]
	}
	return true
}

// clean makes text of any bytes, at most MaxValue of them.
func clean(b []byte) string {
	if len(b) <= MaxValue && isClean(b) {
		return string(b)
	}
	return escape(b)
}

// escape is clean for what is not clean or too long: bytes that are no UTF-8
// are read as Latin-1, which older systems send; control characters, which
// PostgreSQL or a terminal would take amiss, are written as rsyslog does, as '#' and
// three octal digits.
func escape(b []byte) string {
	out := make([]byte, 0, min(len(b), MaxValue))
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		var enc [8]byte
		text := enc[:0]
		switch {
		case r == utf8.RuneError && size == 1 && b[0] >= 0xa0:
			text = utf8.AppendRune(text, rune(b[0]))
		case r == utf8.RuneError && size == 1 || unicode.IsControl(r):
			for _, c := range b[:size] {
				text = append(text, '#', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
			}
		default:
			text = append(text, b[:size]...)
		}
		if len(out)+len(text) > MaxValue {
			break
		}
		out = append(out, text...)
		b = b[size:]
	}
	return string(out)
}
