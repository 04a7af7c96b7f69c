package pattern

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// Bounds of what Compile takes.
const (
	MaxPatterns = 1000    // of one input
	maxLength   = 10_000  // bytes of a regular expression
	maxSize     = 4000    // instructions of the program that it becomes
	maxSizes    = 100_000 // of those of an input together
	maxName     = 63      // bytes of an event's name
)

// Pattern takes the lines of one kind.
type Pattern struct {
	Event      string // what its events are called: lower-case letters, digits and hyphens
	Regexp     string // as of [regexp/syntax], with the groups of Groups; src is required
	Proven     bool   // a line like this needs a session with the source; else anyone could have forged it
	TimeFormat string // of the group time, a layout of package time; "": one of the forms that are known
}

// Groups are the named groups that a regular expression may have: what of the line a field of the record is.
var Groups = []string{"src", "dst", "src_port", "dst_port", "src_user", "action", "severity", "threat_name", "time"}

// The fields, by their places in Groups.
const (
	src = iota
	dst
	srcPort
	dstPort
	srcUser
	action
	severity
	threatName
	when
	groups
)

// repeatGroup is a group beside Groups, of how many attempts a line tells: the event's Repeat, at most maxRepeat of one line. It is no field of the record.
const (
	repeatGroup = "repeat"
	maxRepeat   = 1000
)

// firewallEvents are how the events of the firewalls' own logs are called.
var firewallEvents = []string{"traffic", "threat", "login"}

// A Fault says what is wrong with a pattern.
type Fault struct {
	Pattern int    // its place; -1: it is of all of them
	Key     string // event, regexp or time_format; "" of all of them
	Text    string // one plain sentence without its subject
}

// Set is some patterns, of which the first that matches takes a line. It does not change, and any goroutine may use it.
type Set struct {
	patterns []compiled
	filter   *filter
}

type compiled struct {
	Pattern
	re     *regexp.Regexp
	groups [groups]int // the number of the group; 0: it has none
	repeat int         // that of repeatGroup; 0: it has none
	layout layout
	loose  bool
}

// Patterns gives those that the set was made of.
func (s *Set) Patterns() (all []Pattern) {
	for i := range s.patterns {
		all = append(all, s.patterns[i].Pattern)
	}
	return all
}

// Compile makes a set, or says all that is wrong with its patterns.
func Compile(patterns []Pattern) (*Set, []Fault) {
	if len(patterns) > MaxPatterns {
		return nil, []Fault{{-1, "", fmt.Sprintf("are %d patterns; use at most %d for one input", len(patterns), MaxPatterns)}}
	}
	var faults []Fault
	s := &Set{patterns: make([]compiled, len(patterns))}
	trees, size := make([]*syntax.Regexp, len(patterns)), 0
	for i := range patterns {
		c := &s.patterns[i]
		c.Pattern = patterns[i]
		fault := func(key, format string, args ...any) {
			faults = append(faults, Fault{i, key, fmt.Sprintf(format, args...)})
		}
		if why := notEvent(c.Event); why != "" {
			fault("event", "%s", why)
		}
		tree, n, why := parse(c.Regexp)
		if why != "" {
			fault("regexp", "%s", why)
			continue
		}
		size += n
		trees[i], c.loose = tree, isLoose(tree)
		if slices.ContainsFunc(needsOf(tree), breaks) {
			fault("regexp", "needs a line break, and lines are read one by one: an event over several lines cannot be read")
		}
		if c.groups, c.repeat, why = groupsOf(tree); why != "" {
			fault("regexp", "%s", why)
		}
		if c.layout, why = layoutOf(c.TimeFormat); why != "" {
			fault("time_format", "%s", why)
		} else if c.TimeFormat != "" && c.groups[when] == 0 && why == "" {
			fault("time_format", "is of no use: regexp has no group (?P<time>...)")
		}
		var err error
		if c.re, err = regexp.Compile(c.Regexp); err != nil { // it was parsed before
			fault("regexp", "is no regular expression: %v", err)
		}
	}
	if size > maxSizes {
		faults = append(faults, Fault{-1, "", fmt.Sprintf("are too large together (%d instructions); use patterns with at most %d, by shorter repetitions such as {1,10}", size, maxSizes)})
	}
	if len(faults) > 0 {
		return nil, faults
	}
	s.filter = newFilter(needs(trees))
	return s, nil
}

// breaks tells whether all of some texts have a line break.
func breaks(texts []string) bool {
	return !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(text, "\n") })
}

// notEvent says why a text is no name of an event.
func notEvent(name string) string {
	odd := strings.ContainsFunc(name, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' })
	switch {
	case name == "":
		return "is missing; set it to what the lines tell of, such as ssh-failed"
	case odd || len(name) > maxName:
		return fmt.Sprintf("%q is not a name of an event; use at most %d lower-case letters, digits and hyphens, such as ssh-failed", clip(name), maxName)
	case slices.Contains(firewallEvents, name):
		return fmt.Sprintf("%q is what the events of the firewalls' logs are called; use another name", name)
	}
	return ""
}

// parse reads a regular expression, and says how large its program becomes.
func parse(text string) (tree *syntax.Regexp, size int, why string) {
	switch {
	case text == "":
		return nil, 0, "is missing; set it to a regular expression with the group (?P<src>...)"
	case len(text) > maxLength:
		return nil, 0, fmt.Sprintf("has %d bytes; use at most %d, and several patterns where one is not enough", len(text), maxLength)
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, 0, notRegexp(err)
	}
	if size = sizeOf(tree); size > maxSize {
		return nil, 0, fmt.Sprintf("is too large: its program has more than %d instructions; use shorter repetitions such as {1,10}, or * and +", maxSize)
	}
	return tree, size, ""
}

// notRegexp says what is wrong with the text of a regular expression, and what of other dialects there is not.
func notRegexp(err error) string {
	text := clip(strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	var fault *syntax.Error
	if e, ok := err.(*syntax.Error); ok {
		fault = e
	}
	switch {
	case fault == nil:
	case fault.Code == syntax.ErrLarge || fault.Code == syntax.ErrInvalidRepeatSize:
		return "is too large (" + text + "); use shorter repetitions such as {1,10}, or * and +"
	case fault.Code == syntax.ErrInvalidPerlOp || fault.Code == syntax.ErrMissingRepeatArgument || fault.Code == syntax.ErrInvalidRepeatOp:
		return "is no regular expression as Go reads them (RE2, without look-around, back references and possessive quantifiers): " + text
	}
	return "is no regular expression: " + text
}

// sizeOf is about how many instructions a program has, without making it; at most a little above maxSize, however large it is.
func sizeOf(re *syntax.Regexp) int {
	size := 1
	for _, sub := range re.Sub {
		size = min(size+sizeOf(sub), maxSize+1)
	}
	switch re.Op {
	case syntax.OpLiteral:
		size += len(re.Rune)
	case syntax.OpRepeat:
		size *= max(re.Min, re.Max, 1)
	}
	return min(size, maxSize+1)
}

// groupsOf finds the fields of a regular expression, and repeatGroup.
func groupsOf(tree *syntax.Regexp) (found [groups]int, repeat int, why string) {
	for number, name := range tree.CapNames() {
		if name == "" {
			continue
		}
		if name == repeatGroup && repeat == 0 {
			repeat = number
			continue
		}
		field := slices.Index(Groups, name)
		if field < 0 && name != repeatGroup {
			return found, 0, fmt.Sprintf("has a group %q, which is no field of a record; use %s, or an unnamed group (?:...)", clip(name), strings.Join(Groups, ", "))
		}
		if field < 0 || found[field] > 0 {
			return found, 0, fmt.Sprintf("has the group (?P<%s>...) more than once, and only the last of them would count; use it once, with the alternatives inside it, or write a pattern for each of them", name)
		}
		found[field] = number
	}
	if found[src] == 0 {
		return found, 0, "has no group (?P<src>...): name the part of the line that is the source's address"
	}
	return found, repeat, ""
}

// clip shortens a text that is quoted.
func clip(text string) string {
	const most = 60
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}

// Len is how many patterns there are.
func (s *Set) Len() int { return len(s.patterns) }

// At is one of them, from 0 on.
func (s *Set) At(i int) Pattern { return s.patterns[i].Pattern }

// Fields gives what the patterns of an event may tell of it, in the order of Groups; none: there is no such event.
func (s *Set) Fields(event string) (fields []string) {
	for field, name := range Groups {
		if slices.ContainsFunc(s.patterns, func(c compiled) bool { return c.Event == event && c.groups[field] > 0 }) {
			fields = append(fields, name)
		}
	}
	return fields
}

// Values tells which texts a field of an event can have, without regard to case, by what its groups take: false is certain. A field without a group can have none.
func (s *Set) Values(event, field string) (can func(text string) bool) {
	var res []*regexp.Regexp
	for i := range s.patterns {
		c := &s.patterns[i]
		at := slices.Index(Groups, field)
		if c.Event != event || at < 0 || c.groups[at] == 0 {
			continue
		}
		re := taken(c.Regexp, c.groups[at])
		if re == nil {
			return func(string) bool { return true }
		}
		res = append(res, re)
	}
	return func(text string) bool {
		odd := len(text) > maxJudged || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' || r == '\\' }) // which records may hold otherwise than lines do
		return odd && len(res) > 0 || slices.ContainsFunc(res, func(re *regexp.Regexp) bool { return re.MatchString(text) })
	}
}

// maxJudged is how long a text is at most, in bytes, of which Values is certain.
const maxJudged = 100

// taken gives a regular expression of all that a group can take, in any case; nil: what it takes depends on what stands around it, or on the case.
func taken(text string, group int) *regexp.Regexp {
	tree, err := syntax.Parse(text, syntax.Perl|syntax.FoldCase)
	if err != nil || strings.Contains(text, "(?-") || strings.Contains(text, "-i") {
		return nil
	}
	sub := groupIn(tree, group)
	if sub == nil || looksAround(sub) {
		return nil
	}
	re, err := regexp.Compile(`\A(?:` + sub.String() + `)\z`)
	if err != nil {
		return nil
	}
	return re
}

func groupIn(tree *syntax.Regexp, group int) *syntax.Regexp {
	if tree.Op == syntax.OpCapture && tree.Cap == group {
		return tree
	}
	for _, sub := range tree.Sub {
		if found := groupIn(sub, group); found != nil {
			return found
		}
	}
	return nil
}

// looksAround tells whether there is something in a regular expression that takes nothing, such as a word's end.
func looksAround(tree *syntax.Regexp) bool {
	return tree.Op >= syntax.OpBeginLine && tree.Op <= syntax.OpNoWordBoundary || slices.ContainsFunc(tree.Sub, looksAround)
}

// Events gives the names of the events, sorted, each once.
func (s *Set) Events() (names []string) {
	for i := range s.patterns {
		names = append(names, s.patterns[i].Event)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Slow tells whether a pattern is tried on every line, for want of a fixed text that must be in those that it takes.
func (s *Set) Slow(i int) bool { return s.filter.always[i/64]>>(i%64)&1 == 1 }
