package userid

import (
	"strings"
	"testing"

	"activedefense/firewall/panosim/filter"
)

func TestGroupFilter(t *testing.T) {
	tags := func(list string) map[string]bool {
		m := map[string]bool{}
		for tag := range strings.SplitSeq(list, ",") {
			m[tag] = true
		}
		return m
	}
	for _, c := range []struct {
		filter, matches, not string
	}{
		{"'active-defense'", "active-defense a,active-defense", "active defense"},
		{"active-defense", "active-defense", "active"},
		{`"two words"`, "two,two words", "two words too"},
		{"a AND b", "a,b", "a b"},
		{"'a' or 'b' and 'c'", "a b,c", "b c"},
		{"('a' or 'b') and 'c'", "a,c b,c", "a b c"},
		{"not 'a'", "b", "a"},
		{"'a' and not ('b' or 'c')", "a", "a,b a,c b"},
		{"not not a", "a", "b"},
		{"'and' or 'not'", "and not", "or"},
		{"('it''s')", "", ""}, // two quoted tags in a row
	} {
		f, err := parseGroupFilter(c.filter)
		if c.matches == "" {
			if err == nil {
				t.Errorf("%s is accepted", c.filter)
			}
			continue
		}
		if err != nil {
			t.Error(err)
			continue
		}
		// "two words" is one set with a blank in it; the others are separated by blanks.
		sets := func(list string) []string {
			if strings.Contains(c.filter, "words") {
				return []string{list}
			}
			return strings.Fields(list)
		}
		for _, set := range sets(c.matches) {
			if !f(tags(set)) {
				t.Errorf("%s does not match %s", c.filter, set)
			}
		}
		for _, set := range sets(c.not) {
			if f(tags(set)) {
				t.Errorf("%s matches %s", c.filter, set)
			}
		}
	}
}

func TestGroupFilterRefuses(t *testing.T) {
	for _, c := range []struct{ filter, want string }{
		{"", "ends where a tag is expected"},
		{"a and", "ends where a tag is expected"},
		{"or a", `unexpected "or"`},
		{"(a", "a parenthesis is not closed"},
		{"a)", `unexpected ")"`},
		{"a b", `unexpected "b"`},
		{"'a", "no closing quote"},
		{strings.Repeat("(", 100+1) + "a", "nested deeper"},
		{strings.Repeat("not ", 100+1) + "a", "nested deeper"},
		{strings.Repeat("a", filter.MaxLength+1), "at most"},
	} {
		if _, err := parseGroupFilter(c.filter); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.40s: %v, want %s", c.filter, err, c.want)
		}
	}
}

func FuzzGroupFilter(f *testing.F) {
	f.Add("'a' and (b or not \"c d\")")
	f.Fuzz(func(t *testing.T, text string) {
		if filter, err := parseGroupFilter(text); err == nil {
			filter(map[string]bool{"a": true})
		}
	})
}
