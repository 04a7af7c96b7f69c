package display

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Harmless writes out what would drive a terminal, turn its text round, or stand in it unseen, as JSON does: control characters, the
// bidirectional controls, the two line separators of Unicode, and what has no width and no look, so that two names that differ look it. What is no UTF-8 becomes U+FFFD, for a terminal may take its bytes for control
// characters. Strangers choose parts of log lines.
func Harmless(s string) string {
	if strings.IndexFunc(s, drives) < 0 && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		writeHarmless(&b, r)
	}
	return b.String()
}

func writeHarmless(b *strings.Builder, r rune) {
	if drives(r) {
		for _, half := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(b, `\u%04x`, half)
		}
		return
	}
	b.WriteRune(r)
}

// drives says whether a character does something to a terminal beside being shown, or is not to be seen.
func drives(r rune) bool {
	if r < utf8.RuneSelf {
		return r < ' ' || r == 0x7f
	}
	return r < 0xa0 || r == '\u2028' || r == '\u2029' || unicode.In(r, unseen...) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}

// unseen are the characters of format, those that control the direction among them, and others that nothing is shown for; signs of Arabic
// and of Syriac that are to be seen are among the first.
var unseen = []*unicode.RangeTable{unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector}

// A Guard passes text on to where a person or a program reads it, as Harmless leaves it, lines and tabs aside. JSON stays what it is:
// there, these characters only stand within strings, and mean the same written out. It is safe for concurrent use, as the file behind it is.
type Guard struct {
	behind io.Writer

	mu   sync.Mutex
	rest []byte // the beginning of a character whose other bytes are yet to come
}

// NewGuard makes a guard before a writer.
func NewGuard(behind io.Writer) *Guard { return &Guard{behind: behind} }

// Behind is the writer that the guard writes to: to ask what it is, and for what is to drive a terminal.
func (g *Guard) Behind() io.Writer { return g.behind }

// Write passes text on. The beginning of a character at its end waits for the rest.
func (g *Guard) Write(text []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.rest) == 0 && utf8.Valid(text) && bytes.IndexFunc(text, func(r rune) bool { return drives(r) && r != '\n' && r != '\t' }) < 0 {
		return g.behind.Write(text) // as nearly all is
	}
	all := append(g.rest, text...)
	end := len(all)
	for back := 1; back < utf8.UTFMax && back <= len(all); back++ {
		if c := all[len(all)-back]; utf8.RuneStart(c) {
			if !utf8.FullRune(all[len(all)-back:]) {
				end = len(all) - back
			}
			break
		}
	}
	g.rest = append([]byte(nil), all[end:]...)
	var b strings.Builder
	for _, r := range string(all[:end]) {
		if r == '\n' || r == '\t' {
			b.WriteRune(r)
		} else {
			writeHarmless(&b, r)
		}
	}
	if _, err := io.WriteString(g.behind, b.String()); err != nil {
		return 0, err
	}
	return len(text), nil
}

// HarmlessMessage is the text of a log line's message, as zerolog's console writer gives it; nil: it has none.
func HarmlessMessage(message any) string {
	text, _ := message.(string)
	return Harmless(text)
}
