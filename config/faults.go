package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Fault is one thing that keeps a configuration from being used.
type Fault struct {
	// Key is the path of the key, such as firewalls[1].api_key_file; for an unknown variable its
	// name; for a file that cannot be read or is no YAML the file, with its line where there is one.
	Key string
	// Text says what is wrong and what would be right. It never holds a secret.
	Text string
	// Denied is the file that this user may not read, or the key that names it, where nothing else is wrong as far
	// as he may see.
	Denied string
}

// Error gives key and text.
func (f Fault) Error() string { return f.Key + ": " + f.Text }

// Faults is the error of Load: all that is wrong, at least one.
type Faults []Fault

// Error gives all faults, one a line when there are several.
func (fs Faults) Error() string {
	if len(fs) == 1 {
		return fs[0].Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d faults in the configuration:", len(fs))
	for _, f := range fs {
		b.WriteString("\n  " + f.Error())
	}
	return b.String()
}

// Denied gives the files that this user may not read, if an error of Load says nothing else; none: it says something else.
func Denied(err error) (files []string) {
	var faults Faults
	errors.As(err, &faults)
	for _, f := range faults {
		if f.Denied == "" {
			return nil
		}
		if !slices.Contains(files, f.Denied) {
			files = append(files, f.Denied)
		}
	}
	return files
}

// Unwrap gives the single faults to errors.As and errors.Is.
func (fs Faults) Unwrap() []error {
	all := make([]error, len(fs))
	for i, f := range fs {
		all[i] = f
	}
	return all
}

// Warning is something that works but deserves a look.
type Warning struct{ Key, Text string }

// String gives key and text.
func (w Warning) String() string { return w.Key + ": " + w.Text }

// clip shortens what a fault quotes, so that one runaway value does not bury the others.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "..."
}

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
