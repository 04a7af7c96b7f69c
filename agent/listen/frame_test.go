package listen

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// read gives what a framer takes out of a connection that sends these pieces and then ends.
func read(pieces ...string) (messages []string, err error) {
	var f framer
	for _, p := range pieces {
		for rest := []byte(p); len(rest) > 0; {
			space, _ := f.room(func(int) bool { return true })
			n := copy(space, rest)
			f.took(n)
			rest = rest[n:]
			for {
				msg, err := f.next()
				if err != nil {
					return messages, err
				}
				if msg == nil {
					break
				}
				messages = append(messages, string(msg))
			}
			f.idle()
		}
	}
	msg, ok := f.rest()
	if len(msg) > 0 {
		messages = append(messages, string(msg))
	}
	if !ok {
		err = errors.New("half a message")
	}
	return messages, err
}

func TestFramingIsToldByTheFirstBytes(t *testing.T) {
	long := strings.Repeat("x", MaxMessage)
	for name, c := range map[string]struct {
		sent string
		want []string
		bad  bool
	}{
		"newlines":                            {sent: "<14>one\n<14>two\r\n", want: []string{"<14>one", "<14>two"}},
		"a last line without one":             {sent: "<14>one\n<14>two", want: []string{"<14>one", "<14>two"}},
		"empty lines":                         {sent: "\n\n<14>one\n\r\n\x00\n", want: []string{"<14>one"}},
		"a trailing NUL":                      {sent: "<14>one\x00\n", want: []string{"<14>one"}},
		"no header, a number":                 {sent: "1,2026/11/29 12:00:00,0070\n2,x\n", want: []string{"1,2026/11/29 12:00:00,0070", "2,x"}},
		"no header, a date":                   {sent: "29 Nov 2026 x\n30 Nov\n", want: []string{"29 Nov 2026 x", "30 Nov"}},
		"a count in a line":                   {sent: "<14>one\n7 <14>two\n", want: []string{"<14>one", "7 <14>two"}},
		"lengths":                             {sent: "7 <14>one8 <14>t\nwo", want: []string{"<14>one", "<14>t\nwo"}},
		"lengths and newlines":                {sent: "7 <14>one\n8 <14>two\n\n7 <14>six\r\n", want: []string{"<14>one", "<14>two", "<14>six"}},
		"a length that is none":               {sent: "7 <14>onex", want: []string{"<14>one"}, bad: true},
		"a length without end":                {sent: "7 <14>one12345678901", want: []string{"<14>one"}, bad: true},
		"half a message":                      {sent: "7 <14>one9 <14>", want: []string{"<14>one"}, bad: true},
		"half a length":                       {sent: "7 <14>one9", want: []string{"<14>one"}, bad: true},
		"a number and nothing more":           {sent: "12", want: []string{"12"}},
		"as long as may be":                   {sent: long + "\nnext\n", want: []string{long, "next"}},
		"too long":                            {sent: long + "yz" + long + "\nnext\n", want: []string{long + "y", "next"}},
		"too long, no end":                    {sent: long + long, want: []string{long + "x"}},
		"as long as may be, with a length":    {sent: "7 <14>one" + fmt.Sprint(MaxMessage) + " " + long + "3 end", want: []string{"<14>one", long, "end"}},
		"too long by a byte, with a length":   {sent: "7 <14>one" + fmt.Sprint(MaxMessage+1) + " " + long + "y3 end", want: []string{"<14>one", long + "y", "end"}},
		"too long, with a length":             {sent: "7 <14>one" + fmt.Sprint(2*MaxMessage) + " " + long + long + "3 end", want: []string{"<14>one", long + "x", "end"}},
		"as long as may be before a CR":       {sent: long + "\r\nnext\n", want: []string{long, "next"}},
		"a length of nothing":                 {sent: "7 <14>one0 7 <14>two", want: []string{"<14>one", "<14>two"}},
		"newlines in what looks like a count": {sent: "12 \n13\n", want: []string{"12 ", "13"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{len(c.sent), 1 << 12, 5, 1} {
				if size == 1 && len(c.sent) > 1<<17 {
					continue
				}
				var pieces []string
				for rest := c.sent; len(rest) > 0; {
					n := min(size, len(rest))
					pieces, rest = append(pieces, rest[:n]), rest[n:]
				}
				got, err := read(pieces...)
				if strings.Join(got, "|") != strings.Join(c.want, "|") || (err != nil) != c.bad {
					t.Fatalf("in pieces of %d: %d messages %.200q, %v", size, len(got), got, err)
				}
			}
		})
	}
}

// What was sent is what comes, whatever the pieces.
func TestFramingProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		byLength := rapid.Bool().Draw(t, "by length")
		text := rapid.StringMatching(`<[0-9]{1,3}>[ -~]{0,40}[!-~]`)
		if byLength {
			text = rapid.StringMatching(`<[0-9]{1,3}>[ -~\n\x00]{0,40}[!-~]`)
		}
		want := rapid.SliceOfN(text, 1, 20).Draw(t, "messages")
		var sent bytes.Buffer
		for _, m := range want {
			if byLength {
				fmt.Fprintf(&sent, "%d %s", len(m), m)
			} else {
				fmt.Fprintf(&sent, "%s\n", m)
			}
		}
		var pieces []string
		for sent.Len() > 0 {
			pieces = append(pieces, string(sent.Next(rapid.IntRange(1, 60).Draw(t, "piece"))))
		}
		got, err := read(pieces...)
		if err != nil || strings.Join(got, "|") != strings.Join(want, "|") {
			t.Fatalf("%q, %v; want %q", got, err, want)
		}
	})
}

// Where there is no memory for a long message it is passed over, and the next ones are not.
func TestWithoutMemoryALongMessageIsPassedOver(t *testing.T) {
	long := strings.Repeat("x", 3*bufferLeast)
	for _, sent := range []string{long + "\nnext\n", "7 <14>one" + fmt.Sprint(len(long)) + " " + long + "4 next"} {
		var f framer
		var got []string
		dropped := 0
		for rest := []byte(sent); len(rest) > 0; {
			space, drop := f.room(func(int) bool { return false })
			if drop {
				dropped++
			}
			n := copy(space, rest)
			f.took(n)
			rest = rest[n:]
			for msg, _ := f.next(); msg != nil; msg, _ = f.next() {
				got = append(got, string(msg))
			}
		}
		if dropped != 1 || len(got) == 0 || got[len(got)-1] != "next" || len(f.buf) != bufferLeast {
			t.Errorf("dropped %d, got %.40q, with %d bytes", dropped, got, len(f.buf))
		}
	}
}

func TestControlCharactersAreWrittenAsRsyslogDoes(t *testing.T) {
	for msg, want := range map[string]string{
		"plain":            "plain\n",
		"a\nb\x00c\x1bd":   "a#012b#000c#033d\n",
		"tab\tstays":       "tab\tstays\n",
		"\x7f":             "#177\n",
		"ä\xff #012 stays": "ä\xff #012 stays\n",
	} {
		if got := string(appendLine([]byte("> "), []byte(msg))); got != "> "+want {
			t.Errorf("%q became %q", msg, got)
		}
	}
}

func FuzzFramer(f *testing.F) {
	f.Add([]byte("7 <14>one8 <14>t\nwo"), uint8(3))
	f.Add([]byte("<14>one\ntwo"), uint8(1))
	f.Fuzz(func(t *testing.T, sent []byte, piece uint8) {
		var pieces []string
		for rest := sent; len(rest) > 0; {
			n := min(int(piece)+1, len(rest))
			pieces, rest = append(pieces, string(rest[:n])), rest[n:]
		}
		got, _ := read(pieces...)
		whole, _ := read(string(sent))
		if strings.Join(got, "|") != strings.Join(whole, "|") {
			t.Fatalf("%q in pieces, %q as a whole", got, whole)
		}
		for _, m := range got {
			if len(m) == 0 || len(m) > MaxMessage+1 {
				t.Fatalf("a message of %d bytes", len(m))
			}
		}
	})
}
