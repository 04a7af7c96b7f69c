package filter

import (
	"errors"
	"strings"
	"testing"
)

// word is an operand: it passes if the text holds it.
func word(tokens []Token) (Filter[string], int, error) {
	if len(tokens) == 0 {
		return nil, 0, errors.New("ends where a word is expected")
	}
	return func(text string) bool { return strings.Contains(text, tokens[0].Text) }, 1, nil
}

func TestPrecedence(t *testing.T) {
	for _, c := range []struct{ filter, passes, not string }{
		{"a or b and c", "a b+c a+b", "b c"},
		{"(a or b) and c", "a+c b+c", "a b a+b"},
		{"a AND NOT (b Or c)", "a", "a+b a+c b"},
		{"not not a", "a", "b"},
		{"! a", "b", "a"},
		{"'a b' or \"c'd\"", "c'd", "a"},
		{"'(' or 'and'", "( and", "a"},
	} {
		f, err := Parse(c.filter, word, "not", "!")
		if err != nil {
			t.Error(err)
			continue
		}
		for _, text := range strings.Fields(c.passes) {
			if !f(text) {
				t.Errorf("%s does not let %s pass", c.filter, text)
			}
		}
		for _, text := range strings.Fields(c.not) {
			if f(text) {
				t.Errorf("%s lets %s pass", c.filter, text)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "ends where a word is expected",
		"a or":                                "ends where a word is expected",
		"(a":                                  "a parenthesis is not closed",
		"a b":                                 `unexpected "b"`,
		"a )":                                 `unexpected ")"`,
		"'a":                                  "no closing quote",
		"! ! a":                               `unexpected "!"`,
		"a 'or'":                              `unexpected "or"`,
		strings.Repeat("(", maxDepth+1) + "a": "nested deeper",
		strings.Repeat("a", MaxLength+1):      "at most",
	} {
		if _, err := Parse(text, word, "not"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %v, want %s", text, err, want)
		}
	}
}
