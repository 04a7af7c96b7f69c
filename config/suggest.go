package config

import (
	"slices"
	"strings"
)

// suggestion says what an unknown key was perhaps meant to be. It is looked for when the fault is written
// out, since of very many faults not all are.
type suggestion struct{ key, at, in string }

// String gives a sibling that is spelt alike or has it as a word of its name, the same key in another section, or else what is known here.
func (s suggestion) String() string {
	var siblings, elsewhere []string
	for _, f := range schema {
		if rest, here := strings.CutPrefix(f.path, s.in); here {
			name, _, _ := strings.Cut(strings.TrimSuffix(rest, "[]"), ".")
			name, _, _ = strings.Cut(name, "[]")
			if len(siblings) == 0 || siblings[len(siblings)-1] != name {
				siblings = append(siblings, name)
			}
		}
		if !strings.HasPrefix(f.path, "detect.ignore[].") { // which are words for many things
			elsewhere = append(elsewhere, f.path)
		}
	}
	whole := func(name string) string { return name }
	if best, ok := nearest(strings.ToLower(s.key), siblings, whole, 1+len(s.key)/4); ok {
		return "did you mean " + s.at + best + "?"
	}
	for _, name := range siblings {
		if word := strings.TrimSuffix(strings.ToLower(s.key), "s"); slices.Contains(strings.Split(name, "_"), word) {
			return "did you mean " + s.at + name + "?"
		}
	}
	lastPart := func(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }
	if best, ok := nearest(strings.ToLower(s.key), elsewhere, lastPart, 1); ok {
		return "did you mean " + best + "?"
	}
	return "known keys: " + strings.Join(siblings, ", ")
}

// nearest finds the candidate at the smallest edit distance, by what of gives of it, if at most the
// given number of letters would have to change. The first of several wins.
func nearest(word string, candidates []string, of func(string) string, most int) (string, bool) {
	best, least := "", most+1
	for _, c := range candidates {
		if d := distance(word, of(c)); d < least {
			best, least = c, d
		}
	}
	return best, best != ""
}

// distance counts the bytes to insert, drop or change to make b of a (Levenshtein), at most as far
// as lengths that differ hopelessly.
func distance(a, b string) int {
	const longest = 128
	if len(a) > longest || len(b) > longest {
		return longest
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
