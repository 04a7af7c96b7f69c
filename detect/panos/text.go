package panos

import (
	"bytes"
)

func isDigit(c byte) bool  { return c-'0' < 10 }
func isLetter(c byte) bool { return (c|0x20)-'a' < 26 }

// isNumber says whether b is digits only, at least one.
func isNumber(b []byte) bool { return len(b) > 0 && digitRun(b) == len(b) }

// digitRun counts the digits that b begins with.
func digitRun(b []byte) int {
	n := 0
	for n < len(b) && isDigit(b[n]) {
		n++
	}
	return n
}

func hasPrefix(b []byte, s string) bool {
	return len(b) >= len(s) && string(b[:len(s)]) == s
}

// equalFold compares with s, which is upper-case letters.
func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i := range b {
		if b[i] != s[i] && (b[i] != s[i]|0x20) {
			return false
		}
	}
	return true
}

// beginsFold says whether s, which is upper-case letters, begins with b.
func beginsFold(s string, b []byte) bool {
	return len(b) <= len(s) && equalFold(b, s[:len(b)])
}

func trimMark(b []byte) []byte { return bytes.TrimPrefix(b, []byte(byteOrderMark)) }

// trimLeft drops spaces and tabs.
func trimLeft(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	return b
}

// trimRight drops spaces and tabs.
func trimRight(b []byte) []byte {
	for n := len(b); n > 0 && (b[n-1] == ' ' || b[n-1] == '\t'); n-- {
		b = b[:n-1]
	}
	return b
}

// trimEnd drops what senders and relays leave at the end of a line: blanks, carriage
// returns, newlines and the NUL of C programs, raw or as rsyslog writes them (#015,
// #012, #000).
func trimEnd(b []byte) []byte {
	for n := len(b); n > 0; n = len(b) {
		switch c := b[n-1]; {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == 0:
			b = b[:n-1]
		case n >= 4 && (isBlankEscape(b[n-4:]) || hasPrefix(b[n-4:], "#000")):
			b = b[:n-4]
		default:
			return b
		}
	}
	return b
}

// isBlankEscape says whether b begins with a tab, newline or carriage return as
// rsyslog writes control characters: '#' and three octal digits.
func isBlankEscape(b []byte) bool {
	return len(b) >= 4 && b[0] == '#' && b[1] == '0' && b[2] == '1' &&
		(b[3] == '1' || b[3] == '2' || b[3] == '5')
}
