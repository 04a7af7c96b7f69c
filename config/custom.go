package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// CustomRule is one of the operator's own rules: more than MoreThan events, or distinct values of the fields Count, of one source, and of one
// value of each of the fields Per, within Window.
type CustomRule struct {
	Rule     // its Mode may be notice, too: it is told, and blocks nobody
	Name     string
	Event    []string // traffic, threat, login, or events of patterns; at least one
	Where    []Condition
	Not      []Condition // none of them may hold
	Count    []string    // fields; empty: events are counted
	Per      []string    // fields beside src
	MoreThan int         // 0 to 1000
	Window   time.Duration
	Escalate *Escalate // nil: as of Blacklist
}

// perFields are those by which a rule may count apart, beside src.
var perFields = []string{"dst", "dst_port", "src_user", "device"}

// reservedRules are the names of rules that are not in the configuration.
var reservedRules = []string{"neighbourhood", "label", "manual"}

// customRules reads the operator's own rules.
func customRules(s section, key, outcome string) []CustomRule {
	sections := s.elements(key)
	if len(sections) > maxCustom {
		s.fault(key, "has %d entries; use at most %d", len(sections), maxCustom)
		return nil
	}
	rules := make([]CustomRule, len(sections))
	taken := make(map[string]string)
	for i, e := range sections {
		rules[i] = customReader{ruleReader{e}}.rule(outcome)
		name := strings.ToLower(rules[i].Name)
		if other, is := taken[name]; is && name != "" {
			e.fault("name", "%q is also the name of %s; each rule needs a name of its own", clip(rules[i].Name), other)
			continue
		}
		taken[name] = strings.TrimSuffix(e.at, ".")
	}
	return rules
}

// customNames are the names that stand below a key, whatever is wrong with the rules.
func customNames(s section, key string) (names []string) {
	for _, e := range s.elements(key) {
		if name := e.text("name"); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// customReader reads one rule.
type customReader struct{ ruleReader }

func (s customReader) rule(outcome string) CustomRule {
	r := CustomRule{Name: s.name(), Event: s.events(), Window: s.window(), Rule: s.common("", ownModes), Escalate: s.escalate()}
	r.Rule.Outcome = s.outcome("outcome", outcome)
	where, _ := s.k.Get("where").(map[string]any)
	r.Where = s.conditions("where", where)
	not, _ := where["not"].(map[string]any)
	r.Not = s.conditions("where.not", not)
	r.Count, r.Per = s.count(), s.per()
	if s.k.Exists("more_than") {
		r.MoreThan = s.integer("more_than", 0, maxMoreThan)
	} else {
		s.fault("more_than", "is missing; set it to how many may come within the window without consequence, 0 to %d", maxMoreThan)
	}
	if r.Mode == "notice" {
		for _, key := range []string{"block_for", "tag", "escalate"} {
			if s.k.Exists(key) && s.text(key) != "" && s.text(key) != "0" {
				s.l.warn(s.at+key, "has no effect: a rule of mode notice blocks nobody")
			}
		}
	}
	return r
}

func (s customReader) name() string {
	name := s.filled("name", "what verdicts, reports and metrics call the rule, such as ssh-guessing")
	odd := strings.ContainsFunc(name, func(r rune) bool {
		return !strings.ContainsRune("-_.", r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
	switch lower := strings.ToLower(name); {
	case strings.TrimSpace(name) == "":
	case odd, len(name) > 63:
		s.fault("name", "%q is not a name for a rule; use letters, digits and - _ . , at most 63", clip(name))
	case slices.Contains(ruleNames, lower), slices.Contains(reservedRules, lower):
		s.fault("name", "%q is a rule that there is already; use another name", name)
	}
	return name
}

func (s customReader) window() time.Duration {
	if !s.k.Exists("window") {
		s.fault("window", "is missing; set it to the time within which events count together, such as 10m, 1s to 24h")
		return 0
	}
	return s.duration("window", minWindow, maxWindow)
}

// events reads the names of events; which there are is known when all is read.
func (s customReader) events() []string {
	names := s.k.Strings("event")
	if len(names) == 0 {
		s.fault("event", "is missing; set it to traffic, threat, login or the event of a pattern, or to several in a list")
	}
	if len(names) > maxEvents {
		s.fault("event", "names %d events; use at most %d", len(names), maxEvents)
		return nil
	}
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			s.fault(fmt.Sprintf("event[%d]", i), "%q is named twice; remove one", clip(name))
		}
	}
	return names
}

// ofPatterns tells whether the rule names events that are not the firewalls'.
func (s customReader) ofPatterns() bool {
	return slices.ContainsFunc(s.k.Strings("event"), func(event string) bool { return typesOf[event] == nil })
}

// count reads what is counted: events, which is nil, or fields.
func (s customReader) count() []string {
	names := s.k.Strings("count")
	if len(names) == 0 || len(names) == 1 && names[0] == "events" {
		return nil
	}
	for i, name := range names {
		key := fmt.Sprintf("count[%d]", i)
		switch _, known := recordFieldNamed(name); {
		case name == "events":
			s.fault(key, "events are counted alone; remove it, or the fields")
		case name == "src":
			s.fault(key, "a rule counts for each source by itself, so that there is one src; name what each of them may have many of, such as dst_port")
		case !known:
			s.fault(key, "%q is no field; use events, or one of the fields: %s", clip(name), meantField(name))
		case slices.Contains(names[:i], name):
			s.fault(key, "%q is named twice; remove one", name)
		}
	}
	return names
}

// per reads by what events are counted apart, without src.
func (s customReader) per() (fields []string) {
	names := s.k.Strings("per")
	for i, name := range names {
		switch {
		case name == "src":
			continue
		case !slices.Contains(perFields, name):
			s.fault(fmt.Sprintf("per[%d]", i), "%q cannot be counted by; use src, alone or with %s", clip(name), strings.Join(perFields, ", "))
		case slices.Contains(names[:i], name):
			s.fault(fmt.Sprintf("per[%d]", i), "%q is named twice; remove one", name)
		}
		fields = append(fields, name)
	}
	if len(names) > 0 && !slices.Contains(names, "src") {
		s.fault("per", "lacks src: who is blocked is a source, so that a rule counts for each by itself; write [src, %s]", strings.Join(names, ", "))
	}
	return fields
}

func (s customReader) escalate() *Escalate {
	if !s.k.Exists("escalate.factor") && !s.k.Exists("escalate.max") {
		return nil
	}
	x := &Escalate{Factor: 1, Max: maxBlockFor}
	if s.k.Exists("escalate.factor") {
		x.Factor = s.integer("escalate.factor", 1, maxFactor)
	}
	if s.k.Exists("escalate.max") {
		x.Max = s.duration("escalate.max", minRelease, maxEscalated)
	}
	return x
}
