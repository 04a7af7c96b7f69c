package display

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestHarmless(t *testing.T) {
	for given, want := range map[string]string{
		"plain, é, 日本, 💥 \"x\" \\":      "plain, é, 日本, 💥 \"x\" \\",
		"\x1b[2J":                       `\u001b[2J`,
		"a\tb\nc\x7f":                   `a\u0009b\u000ac\u007f`,
		"\u009b31m":                     `\u009b31m`,
		"\x9b31m":                       "\ufffd31m",
		"user\u202egnp.exe":             `user\u202egnp.exe`,
		"\u2066a\u2069 \u200fb\u061c":   `\u2066a\u2069 \u200fb\u061c`,
		"a\u2028b\u2029":                `a\u2028b\u2029`,
		"ad\u200bmin\u2060\u00ad\ufeff": `ad\u200bmin\u2060\u00ad\ufeff`,
		"a\u200d\u200cb\u034f\ufe0f":    `a\u200d\u200cb\u034f\ufe0f`,
		"a\U000e0041\u3164":             `a\udb40\udc41\u3164`,
		"\u0600\u0661, e\u0301":         "\u0600\u0661, e\u0301",
	} {
		if got := Harmless(given); got != want {
			t.Errorf("%q becomes %q, want %q", given, got, want)
		}
	}
}

// Whatever is written, and in whatever pieces: nothing comes through that drives a terminal but lines and tabs, and it is the
// same as in one piece.
func TestGuardInPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom([]rune{'a', 'é', '日', '💥', '\n', '\t', 0x1b, 0x9b, 0x202e, 0x2028, 0x200b, 0xe0041})).Draw(t, "text")
		if rapid.Bool().Draw(t, "not UTF-8") {
			text += "\xff\x9b" + text
		}
		var whole, pieces strings.Builder
		if n, err := NewGuard(&whole).Write([]byte(text + "\n")); n != len(text)+1 || err != nil {
			t.Fatalf("%d bytes of %d: %v", n, len(text)+1, err)
		}
		g := NewGuard(&pieces)
		for rest := text + "\n"; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "piece")
			if _, err := g.Write([]byte(rest[:n])); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if pieces.String() != whole.String() {
			t.Fatalf("%q in pieces is %q, whole %q", text, pieces.String(), whole.String())
		}
		if !utf8.ValidString(whole.String()) || strings.ContainsFunc(strings.NewReplacer("\n", "", "\t", "").Replace(whole.String()), drives) {
			t.Fatalf("%q lets through %q", text, whole.String())
		}
	})
}

func TestGuardLeavesJSONAsItIs(t *testing.T) {
	const user = "a\x1b\u009b\u202eb\u200b\U000e0041\u2028\n\"\\é"
	var out strings.Builder
	if err := json.NewEncoder(NewGuard(&out)).Encode(user); err != nil {
		t.Fatal(err)
	}
	var got string
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil || got != user {
		t.Fatalf("%s is read as %q: %v", out.String(), got, err)
	}
	if strings.ContainsFunc(strings.TrimSuffix(out.String(), "\n"), drives) {
		t.Fatalf("%q lets something through", out.String())
	}
}

// Several goroutines log by one guard: each of their lines comes through whole.
func TestGuardOfSeveral(t *testing.T) {
	var out strings.Builder
	g := NewGuard(&out)
	var writers sync.WaitGroup
	for _, line := range []string{"one \u00e9\n", "two \x1b\n", "three\n"} {
		writers.Go(func() {
			for range 100 {
				if _, err := g.Write([]byte(line)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	for _, line := range []string{"one \u00e9\n", `two \u001b` + "\n", "three\n"} {
		if n := strings.Count("\n"+out.String(), "\n"+line[:len(line)-1]); n != 100 {
			t.Errorf("%q comes %d times", line, n)
		}
	}
}
