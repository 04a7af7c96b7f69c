package pattern

import (
	"cmp"
	"math/bits"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	minText  = 2  // bytes of a fixed text that is worth looking for
	maxText  = 32 // bytes of one that are looked for
	maxTexts = 64 // that are looked for at once
)

// needs gives, for each regular expression, texts one of which is in every line that it matches, regardless of the case of ASCII letters, which are lower here;
// none: it is not known. They are long ones that few of the others need as well: what all lines of a program have leaves nothing out.
func needs(trees []*syntax.Regexp) [][]string {
	all := make([][][]string, len(trees))
	shared := map[string]int{}
	name := func(texts []string) string { return strings.Join(texts, "\x00") }
	for i, tree := range trees {
		all[i] = needsOf(tree)
		for _, texts := range all[i] {
			shared[name(texts)]++
		}
	}
	best := make([][]string, len(trees))
	for i := range trees {
		most := -1 << 30
		for _, texts := range all[i] {
			if score := shortest(texts) - 2*bits.Len(uint(shared[name(texts)]-1)); score > most {
				best[i], most = texts, score
			}
		}
	}
	return best
}

// needsOf gives sets of texts, of each of which one is in every line that is matched.
func needsOf(re *syntax.Regexp) (all [][]string) {
	if texts := exact(re); texts != nil {
		return worth(all, texts)
	}
	switch re.Op {
	case syntax.OpLiteral:
		return worth(nil, []string{plainPart(re)})
	case syntax.OpCapture, syntax.OpPlus:
		return needsOf(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return needsOf(re.Sub[0])
		}
	case syntax.OpConcat:
		run := []string{""}
		for _, sub := range re.Sub {
			texts := exact(sub)
			if longer := cross(run, texts); longer != nil {
				run = longer
				continue
			}
			all = worth(all, run)
			if run = texts; texts == nil {
				all, run = append(all, needsOf(sub)...), []string{""}
			}
		}
		return worth(all, run)
	case syntax.OpAlternate:
		var either []string
		for _, sub := range re.Sub {
			var best []string
			for _, texts := range needsOf(sub) {
				if shortest(texts) > shortest(best) {
					best = texts
				}
			}
			if either = append(either, best...); best == nil || len(either) > maxTexts {
				return nil
			}
		}
		return worth(nil, either)
	}
	return all
}

// worth adds a set of texts that are long enough to be looked for.
func worth(all [][]string, texts []string) [][]string {
	if shortest(texts) < minText {
		return all
	}
	cut := make([]string, len(texts))
	for i, t := range texts {
		cut[i] = t[:min(len(t), maxText)]
	}
	slices.SortFunc(cut, func(a, b string) int { return cmp.Or(len(a)-len(b), strings.Compare(a, b)) })
	var few []string // a text that holds another says nothing beside it
	for _, t := range cut {
		if !slices.ContainsFunc(few, func(f string) bool { return strings.Contains(t, f) }) {
			few = append(few, t)
		}
	}
	return append(all, few)
}

func shortest(texts []string) int {
	if len(texts) == 0 {
		return 0
	}
	return len(slices.MinFunc(texts, func(a, b string) int { return len(a) - len(b) }))
}

// exact gives all texts that an expression matches, if they are few; else none.
func exact(re *syntax.Regexp) (texts []string) {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginText, syntax.OpEndText, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return []string{""}
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase != 0 && slices.ContainsFunc(re.Rune, foldsBeyondASCII) {
			return nil
		}
		return []string{lower(string(re.Rune))}
	case syntax.OpCharClass:
		for i := 0; i < len(re.Rune); i += 2 {
			for r := re.Rune[i]; r <= re.Rune[i+1]; r++ {
				if text := lower(string(r)); !slices.Contains(texts, text) { // S and s are no two
					texts = append(texts, text)
				}
				if r >= utf8.RuneSelf || len(texts) > 8 {
					return nil
				}
			}
		}
		return texts
	case syntax.OpCapture:
		return exact(re.Sub[0])
	case syntax.OpQuest:
		if texts = exact(re.Sub[0]); texts != nil {
			texts = append(texts, "")
		}
	case syntax.OpConcat:
		texts = []string{""}
		for _, sub := range re.Sub {
			if texts = cross(texts, exact(sub)); texts == nil {
				return nil
			}
		}
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			some := exact(sub)
			if texts = append(texts, some...); some == nil {
				return nil
			}
		}
	}
	if len(texts) > maxTexts {
		return nil
	}
	return texts
}

// cross gives each of some texts followed by each of others; none where these are none, or all are too many.
func cross(texts, others []string) (all []string) {
	if len(texts)*len(others) > maxTexts {
		return nil
	}
	for _, t := range texts {
		for _, o := range others {
			all = append(all, t+o)
		}
	}
	return all
}

// plainPart is the longest part of a fixed text that is found whatever its case.
func plainPart(re *syntax.Regexp) (best string) {
	parts := strings.FieldsFunc(string(re.Rune), foldsBeyondASCII)
	for _, part := range parts {
		if len(part) > len(best) {
			best = part
		}
	}
	return lower(best)
}

// lower makes lower-case letters of ASCII ones.
func lower(text string) string {
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf {
			return unicode.ToLower(r)
		}
		return r
	}, text)
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
