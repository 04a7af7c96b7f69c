package pattern

import (
	"regexp/syntax"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	minText  = 2  // bytes of a fixed text that is worth looking for
	maxText  = 32 // bytes of one that are looked for
	maxTexts = 64 // of one pattern: beyond that it is tried on every line
)

// needOf gives texts one of which is in every line that a regular expression matches, regardless of the case of ASCII letters, which
// are lower here; none: it is not known. They are the longest that there are.
func needOf(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		return literal(re)
	case syntax.OpCapture, syntax.OpPlus:
		return needOf(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return needOf(re.Sub[0])
		}
	case syntax.OpConcat:
		var best []string
		for _, sub := range re.Sub {
			if need := needOf(sub); better(need, best) {
				best = need
			}
		}
		return best
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			need := needOf(sub)
			if need == nil || len(all)+len(need) > maxTexts {
				return nil
			}
			all = append(all, need...)
		}
		return all
	}
	return nil
}

// better tells whether texts leave fewer lines over than others.
func better(need, than []string) bool {
	a, b := shortest(need), shortest(than)
	return a > b || a == b && a > 0 && len(need) < len(than)
}

func shortest(texts []string) int {
	if len(texts) == 0 {
		return 0
	}
	least := maxText
	for _, t := range texts {
		least = min(least, len(t))
	}
	return least
}

// literal gives the longest part of a fixed text that is found whatever the case.
func literal(re *syntax.Regexp) []string {
	best, run := "", strings.Builder{}
	end := func() {
		if run.Len() > len(best) {
			best = run.String()
		}
		run.Reset()
	}
	for _, r := range re.Rune {
		if re.Flags&syntax.FoldCase != 0 && foldsBeyondASCII(r) {
			end()
			continue
		}
		if r < utf8.RuneSelf {
			r = unicode.ToLower(r)
		}
		run.WriteRune(r)
	}
	end()
	if best = best[:min(len(best), maxText)]; len(best) < minText {
		return nil
	}
	return []string{best}
}

// foldsBeyondASCII tells whether a letter of any case may be written as one that is not ASCII, as k and s may.
func foldsBeyondASCII(r rune) bool {
	for f := unicode.SimpleFold(r); ; f = unicode.SimpleFold(f) {
		if f >= utf8.RuneSelf {
			return true
		}
		if f == r {
			return false
		}
	}
}
