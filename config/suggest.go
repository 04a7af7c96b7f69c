package config

import (
	"slices"
	"strings"
)

// suggestion says what an unknown key was perhaps meant to be. It is looked for when the fault is written
// out, since of very many faults not all are.
type suggestion struct{ key, at, in string }

// String gives what was perhaps meant, or else what is known here.
func (s suggestion) String() string {
	siblings, sibling, elsewhere := s.look()
	switch {
	case sibling != "":
		return "did you mean " + s.at + sibling + "?"
	case len(elsewhere) > 0:
		return "did you mean " + elsewhere[0] + "?"
	}
	return "known keys: " + strings.Join(siblings, ", ")
}

// look gives the keys beside the unknown one, that of them which is spelt alike or has it as a word of its name, or else the paths of the
// same key in other sections.
func (s suggestion) look() (siblings []string, sibling string, elsewhere []string) {
	var others []string
	for _, f := range schema {
		if rest, here := strings.CutPrefix(f.path, s.in); here {
			name, _, _ := strings.Cut(strings.TrimSuffix(rest, "[]"), ".")
			name, _, _ = strings.Cut(name, "[]")
			if len(siblings) == 0 || siblings[len(siblings)-1] != name {
				siblings = append(siblings, name)
			}
		}
		if !strings.HasPrefix(f.path, "detect.ignore[].") && !strings.HasPrefix(f.path, "rules[].") { // which are words for many things
			others = append(others, f.path)
		}
	}
	whole := func(name string) string { return name }
	if best, ok := nearest(strings.ToLower(s.key), siblings, whole, 1+len(s.key)/4); ok {
		return siblings, best, nil
	}
	for _, name := range siblings {
		if word := strings.TrimSuffix(strings.ToLower(s.key), "s"); slices.Contains(strings.Split(name, "_"), word) {
			return siblings, name, nil
		}
	}
	lastPart := func(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }
	if best, ok := nearest(strings.ToLower(s.key), others, lastPart, 1); ok {
		elsewhere = slices.DeleteFunc(others, func(path string) bool { return lastPart(path) != lastPart(best) })
	}
	return siblings, "", elsewhere
}

// unknown is the key as the parts of a configuration see it, whose fault is that of a key.
func (s suggestion) unknown(fault string) unknownKey {
	_, sibling, others := s.look()
	if sibling != "" {
		sibling = s.in + sibling
	}
	return unknownKey{fault, s.in, sibling, others}
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
