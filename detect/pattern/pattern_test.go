package pattern

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"testing"
)

const sshFailed = `Failed password for (?:invalid user )?(?P<src_user>.*) from (?P<src>\S+) port (?P<src_port>\d+)(?: ssh2)?$`

func setOf(t testing.TB, patterns ...Pattern) *Set {
	t.Helper()
	s, faults := Compile(patterns)
	if faults != nil {
		t.Fatalf("%+v", faults)
	}
	return s
}

func TestWhatIsWrongWithAPatternIsNamed(t *testing.T) {
	for _, c := range []struct {
		pattern   Pattern
		key, says string
	}{
		{Pattern{Regexp: `(?P<src>\S+)`}, "event", "is missing"},
		{Pattern{Event: "SSH failed", Regexp: `(?P<src>\S+)`}, "event", "lower-case letters"},
		{Pattern{Event: "login", Regexp: `(?P<src>\S+)`}, "event", "firewalls' logs"},
		{Pattern{Event: "a"}, "regexp", "is missing"},
		{Pattern{Event: "a", Regexp: `from \S+`}, "regexp", "no group (?P<src>...)"},
		{Pattern{Event: "a", Regexp: `(?P<src>\S+) (?P<user>\S+)`}, "regexp", `a group "user", which is no field of a record; use src, dst,`},
		{Pattern{Event: "a", Regexp: `^(?:from (?P<src>\S+)|by (?P<src>\S+))$`}, "regexp", "group (?P<src>...) more than once"},
		{Pattern{Event: "a", Regexp: `(?P<src>\S+) (?P<action>\S+) (?P<action>\S+)`}, "regexp", "group (?P<action>...) more than once"},
		{Pattern{Event: "a", Regexp: `(?P<src>\S+) (?P<repeat>\d+) (?P<repeat>\d+)`}, "regexp", "group (?P<repeat>...) more than once"},
		{Pattern{Event: "a", Regexp: `(?P<src>\S+`}, "regexp", "is no regular expression: missing closing )"},
		{Pattern{Event: "a", Regexp: `(?P<src>\S+) (?!x)`}, "regexp", "without look-around"},
		{Pattern{Event: "a", Regexp: `(?P<src>\S+) a++`}, "regexp", "possessive"},
		{Pattern{Event: "a", Regexp: `(?P<src>\S+) \1`}, "regexp", "is no regular expression"},
		{Pattern{Event: "a", Regexp: `(?P<src>(a{1000}){1000})`}, "regexp", "is too large"},
		{Pattern{Event: "a", Regexp: `(?P<src>((a{10}){10}){100})`}, "regexp", "is too large"},
		{Pattern{Event: "a", Regexp: `(?P<src>(?:abcdefghi){900})`}, "regexp", "more than 4000 instructions"},
		{Pattern{Event: "a", Regexp: `(?P<src>` + strings.Repeat("x", maxLength) + `)`}, "regexp", "use at most 10000"},
		{Pattern{Event: "a", Regexp: `(?P<src>` + strings.Repeat("(", 1500) + strings.Repeat(")", 1500) + `)`}, "regexp", "is no regular expression"},
		{Pattern{Event: "a", Regexp: "failed\nfrom (?P<src>.*)"}, "regexp", "an event over several lines cannot be read"},
		{Pattern{Event: "a", Regexp: `(?P<src>\S+)`, TimeFormat: time822}, "time_format", "no group (?P<time>...)"},
		{Pattern{Event: "a", Regexp: `(?P<src>\S+) (?P<time>.*)`, TimeFormat: "%d/%b/%Y"}, "time_format", "does not tell the day and time of day"},
		{Pattern{Event: "a", Regexp: `(?P<src>\S+) (?P<time>.*)`, TimeFormat: "2006-01-02 15:04 MST"}, "time_format", "belong to several"},
	} {
		_, faults := Compile([]Pattern{c.pattern})
		if len(faults) != 1 || faults[0].Key != c.key || faults[0].Pattern != 0 || !strings.Contains(faults[0].Text, c.says) {
			t.Errorf("%.60q: %+v, want %s: %s", c.pattern.Regexp, faults, c.key, c.says)
		}
	}
	if _, faults := Compile(slices.Repeat([]Pattern{{Event: "a", Regexp: `x(?P<src>\S+)`}}, 10_000)); len(faults) != 1 || faults[0].Pattern != -1 || !strings.Contains(faults[0].Text, "10000 patterns; use at most 1000") {
		t.Errorf("ten thousand: %+v", faults)
	}
	if _, faults := Compile(slices.Repeat([]Pattern{{Event: "a", Regexp: `x{900}(?P<src>\S+)`}}, 1000)); len(faults) != 1 || faults[0].Pattern != -1 || !strings.Contains(faults[0].Text, "too large together") {
		t.Errorf("large ones: %+v", faults)
	}
	if _, faults := Compile([]Pattern{{}, {Event: "a", Regexp: `x`}}); len(faults) != 3 {
		t.Errorf("all at once: %+v", faults)
	}
}

const time822 = "02 Jan 06 15:04 -0700"

func TestAFixedTextIsFoundInARegularExpression(t *testing.T) {
	for text, want := range map[string]string{
		sshFailed:                                "failed password for ",
		`(?i)Failed (?P<src>.*)`:                 "failed ",
		`(?i)task rejected (?P<src>.*)`:          " rejected ", // k and s may be written as letters that are not ASCII
		`(?:alpha|gamma-ray) (?P<src>.*)`:        "alpha |gamma-ray ",
		`(?:alpha|\d+) from (?P<src>.*)`:         " from ",
		`" (?P<action>404) (?P<src>.*)`:          `" 404 `,
		`/(?P<src>.*)\.(?:env|git/)`:             ".env|.git/",
		`(?P<src>.*) [ab]x?c`:                    " ac| bc| axc| bxc",
		`(?P<src>.*)`:                            "",
		`(?P<src>.*) [a-z]`:                      "",
		`(?P<src>.*)(?:word|)`:                   "",
		`(?:word)*(?P<src>.*)`:                   "",
		`(?:word)+(?P<src>.*)`:                   "word",
		`(?:word){2,3}(?P<src>.*)`:               "word",
		`(?:word){0,3}(?P<src>.*)`:               "",
		`É ist (?P<src>.*)`:                      "É ist ",
		`(?P<src>.*) ` + strings.Repeat("y", 50): " " + strings.Repeat("y", 31),
	} {
		s := setOf(t, Pattern{Event: "a", Regexp: text})
		tree, _, _ := parse(text)
		if got := needs([]*syntax.Regexp{tree})[0]; strings.Join(got, "|") != want || s.Slow(0) != (want == "") {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// Of several texts that is looked for which the other patterns do not need as well, unless it is short.
func TestTheFixedTextIsOneThatTellsPatternsApart(t *testing.T) {
	var trees []*syntax.Regexp
	for status := range 8 {
		tree, _, why := parse(fmt.Sprintf(`^\S+ haproxy: (?P<src>\S+) \d+ 40%d -`, status))
		if why != "" {
			t.Fatal(why)
		}
		trees = append(trees, tree)
	}
	if got, alone := needs(trees)[4], needs(trees[:1])[0]; got[0] != " 404 -" || alone[0] != " haproxy: " {
		t.Errorf("%q, alone %q", got, alone)
	}
}

// What the filter lets through holds all that matches.
func TestTheFilterPassesOverNothing(t *testing.T) {
	words := []string{"failed", "Failed", "for", "from", "user", "a", "aa", "aab", "ab", "b", "ssh", "K", "k", "s", "Kelvin \u212a", "\u017f", "é", "\xff", "x", "1"}
	draw := rand.New(rand.NewPCG(1, 2))
	text := func(n int) string {
		var b strings.Builder
		for range n {
			b.WriteString(words[draw.IntN(len(words))])
			if draw.IntN(3) == 0 {
				b.WriteByte(' ')
			}
		}
		return b.String()
	}
	for range 300 {
		var patterns []Pattern
		for range 1 + draw.IntN(100) {
			re := regexp.QuoteMeta(strings.ToValidUTF8(text(1+draw.IntN(3)), ""))
			switch draw.IntN(4) {
			case 0:
				re = "(?i)" + re
			case 1:
				re = "(?:" + re + "|" + regexp.QuoteMeta(strings.ToValidUTF8(text(2), "")) + ")"
			}
			patterns = append(patterns, Pattern{Event: "a", Regexp: re + "(?P<src>.*)"})
		}
		s := setOf(t, patterns...)
		p := New(s, Options{})
		for range 20 {
			line := []byte(text(draw.IntN(12)))
			want := slices.IndexFunc(s.patterns, func(c compiled) bool { return c.re.Match(line) })
			p.match(line)
			if p.took != want {
				t.Fatalf("%q: taken by %d, want %d (%s)", line, p.took, want, patterns[max(want, 0)].Regexp)
			}
			for i := range patterns {
				if p.Tries(i, line) != s.patterns[i].re.Match(trimEnd(line)) {
					t.Fatalf("%q alone: %s", line, patterns[i].Regexp)
				}
			}
		}
	}
}

func TestASetTellsItsEventsAndFields(t *testing.T) {
	s := setOf(t, Pattern{Event: "b", Regexp: `(?P<src>\S+) port (?P<src_port>\d+)`}, Pattern{Event: "a", Regexp: `(?P<src>\S+)`}, Pattern{Event: "b", Regexp: `(?P<time>\S+) (?P<src>\S+)`})
	if got := fmt.Sprint(s.Events(), s.Fields("b"), s.Fields("a"), s.Fields("c"), s.Len()); got != "[a b] [src src_port time] [src] [] 3" {
		t.Error(got)
	}
}

// A pattern that is open ahead of src and behind it takes a source from a stranger's text that is written behind the true one.
func TestALoosePatternIsToldFromOthers(t *testing.T) {
	for text, want := range map[string]bool{
		`^.*login failed user="(?P<src_user>.*)" ip=(?P<src>\S+) `:                 true,
		`^\S+ app: login failed user="(?P<src_user>.*)" ip=(?P<src>\S+) `:          true,
		`^\S+ app: login failed user="(?P<src_user>[^"]*)" ip=(?P<src>\S+) `:       false,
		`^\S+ app: login failed user="(?P<src_user>[^"]*)" ip=(?P<src>\S+) .*$`:    false,
		`^\S+ app: login failed user=(?P<src_user>\S+) ip=(?P<src>\S+) `:           false,
		`^\S+ app: login failed user=(?P<src_user>\S+),ip=(?P<src>[^,]+),`:         true,
		`^\S+ app: login failed user=(?P<src_user>[^,]+),ip=(?P<src>[^,]+),`:       false,
		`^.* failed user=(?P<src_user>.*) ip=(?P<src>\S+)$`:                        false,
		`^.* failed user=(?P<src_user>.*) ip=(?P<src>\S+) port (?P<src_port>\d+)$`: false,
		`^.* failed user=(?P<src_user>.*) ip=(?P<src>\S+) agent=.*$`:               true,
		`^.* failed user=(?P<src_user>.*) ip=(?P<src>\S+) agent=\S*$`:              false,
		`from (?P<src>\S+)`:              true,
		`from (?P<src>\S+)$`:             false,
		`(?:^a|b) from (?P<src>\S+)`:     true,
		`^(?:a|b)\s+from (?P<src>\S+) `:  false,
		`^(?:\S+ )?app: (?P<src>\S+) - `: false,
		`^(?P<src>\S+) - .* "GET`:        false,
		sshFailed:                        false,
	} {
		if s := setOf(t, Pattern{Event: "a", Regexp: text}); s.Loose(0) != want {
			t.Errorf("%s: loose %t", text, s.Loose(0))
		}
	}
}
