package block

import "testing"

func TestMatchStars(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"ab", "ab", true}, {"ab", "abc", false}, {"*", "", true}, {"a*", "a", true}, {"a*a", "a", false}, {"a*a", "aa", true},
		{"*b*", "abc", true}, {"*b*b*", "abc", false}, {"a**c", "abc", true}, {"*ab", "aab", true}, {"", "a", false},
	} {
		if got := MatchStars(c.pattern, c.s); got != c.want {
			t.Errorf("MatchStars(%q, %q) = %v", c.pattern, c.s, got)
		}
	}
}
