package pattern

import (
	"regexp/syntax"
	"slices"
)

// Loose tells whether a stranger's text in a line may name another source: ahead of src the pattern leaves open how much of the line it passes over,
// and behind src it is not held to the line's end. That a repetition can hold what follows it makes it open: .* or [^"]* ahead of a space, not \S+ there.
func (s *Set) Loose(i int) bool { return s.patterns[i].loose }

func isLoose(tree *syntax.Regexp) bool {
	l := looseness{ahead: !anchored(tree, syntax.OpBeginText), behind: !anchored(tree, syntax.OpEndText)}
	l.walk(tree, nil)
	return l.ahead && l.behind
}

// looseness is what was found ahead of src, and behind it.
type looseness struct {
	seen          bool // src was passed
	ahead, behind bool // a part that is open is there
	lead          []rune
}

// walk looks through an expression from left to right; next is what follows it.
func (l *looseness) walk(re *syntax.Regexp, next []*syntax.Regexp) {
	switch re.Op {
	case syntax.OpLiteral:
		if !l.seen {
			l.lead = re.Rune
		}
	case syntax.OpCapture:
		if re.Name == Groups[src] {
			l.seen = true
			return
		}
		l.walk(re.Sub[0], next)
	case syntax.OpConcat:
		for i, sub := range re.Sub {
			l.walk(sub, append(slices.Clone(re.Sub[i+1:]), next...))
		}
	case syntax.OpStar, syntax.OpPlus, syntax.OpRepeat:
		held := runesOf(re.Sub[0])
		endless := re.Op != syntax.OpRepeat || re.Max < 0 || re.Max > 15
		switch {
		case !endless:
		case l.seen:
			l.behind = l.behind || len(l.lead) == 0 || holds(held, l.lead)
		default:
			l.ahead = l.ahead || !parted(held, next)
		}
		l.walk(re.Sub[0], next)
	default:
		for _, sub := range re.Sub {
			l.walk(sub, next)
		}
	}
}

// runesOf gives the runes that what an expression matches is made of, as pairs of the first and the last of a range.
func runesOf(re *syntax.Regexp) (pairs []rune) {
	switch re.Op {
	case syntax.OpCharClass:
		return re.Rune
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return []rune{0, 0x10ffff}
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			pairs = append(pairs, r, r)
		}
	}
	for _, sub := range re.Sub {
		pairs = append(pairs, runesOf(sub)...)
	}
	return pairs
}

func has(pairs []rune, r rune) bool {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i] <= r && r <= pairs[i+1] {
			return true
		}
	}
	return false
}

// holds tells whether a text can be made of these runes alone.
func holds(pairs, text []rune) bool {
	return !slices.ContainsFunc(text, func(r rune) bool { return !has(pairs, r) })
}

// parted tells whether a repetition of these runes ends where what follows it begins, wherever that stands.
func parted(pairs []rune, next []*syntax.Regexp) bool {
	if len(next) == 0 {
		return false
	}
	first, rest := next[0], next[1:]
	with := func(sub *syntax.Regexp) bool { return parted(pairs, append([]*syntax.Regexp{sub}, rest...)) }
	switch first.Op {
	case syntax.OpLiteral:
		return !holds(pairs, first.Rune)
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return disjoint(pairs, runesOf(first))
	case syntax.OpCapture, syntax.OpPlus:
		return with(first.Sub[0])
	case syntax.OpConcat:
		return parted(pairs, append(slices.Clone(first.Sub), rest...))
	case syntax.OpAlternate:
		return !slices.ContainsFunc(first.Sub, func(sub *syntax.Regexp) bool { return !with(sub) })
	case syntax.OpStar, syntax.OpQuest:
		return with(first.Sub[0]) && parted(pairs, rest)
	case syntax.OpRepeat:
		return with(first.Sub[0]) && (first.Min > 0 || parted(pairs, rest))
	case syntax.OpEndText, syntax.OpEndLine:
		return true
	}
	return parted(pairs, rest)
}

func disjoint(a, b []rune) bool {
	for i := 0; i+1 < len(a); i += 2 {
		for j := 0; j+1 < len(b); j += 2 {
			if a[i] <= b[j+1] && b[j] <= a[i+1] {
				return false
			}
		}
	}
	return true
}

// anchored tells whether all that an expression matches begins, or ends, where the line does.
func anchored(re *syntax.Regexp, op syntax.Op) bool {
	switch re.Op {
	case op:
		return true
	case syntax.OpCapture, syntax.OpPlus:
		return anchored(re.Sub[0], op)
	case syntax.OpConcat:
		return slices.ContainsFunc(re.Sub, func(sub *syntax.Regexp) bool { return anchored(sub, op) })
	case syntax.OpAlternate:
		return !slices.ContainsFunc(re.Sub, func(sub *syntax.Regexp) bool { return !anchored(sub, op) })
	}
	return false
}
