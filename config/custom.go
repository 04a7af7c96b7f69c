package config

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
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

// Condition is met by a record whose field has one of the values. Which of them is set depends on the field.
type Condition struct {
	Field    string
	Networks []netip.Prefix
	Numbers  []NumberRange
	Texts    []string // compared without regard to case
}

// NumberRange are the numbers from First to Last, both included.
type NumberRange struct{ First, Last uint32 }

// Kinds of the fields of a record.
const (
	fieldText = iota
	fieldNetwork
	fieldPort
	fieldID
)

// recordField is a field of a record that rules may name, and which events have it.
type recordField struct {
	name   string
	kind   int
	events []string // of the firewalls' logs; a pattern's have what it names, and inAll
	values []string // the only ones that it can have; nil: any
}

// inAll are the fields that an event of a pattern has in any case.
var inAll = []string{"device", "src", "src_country", "subtype", "type"}

var recordFields = func() []recordField {
	all := []string{"traffic", "threat", "login"}
	sessions := all[:2]
	return []recordField{
		{"device", fieldText, all, nil}, {"src", fieldNetwork, all, nil}, {"src_port", fieldPort, sessions, nil}, {"src_user", fieldText, all, nil},
		{"src_country", fieldText, all, nil}, {"dst", fieldNetwork, sessions, nil}, {"dst_port", fieldPort, sessions, nil}, {"dst_country", fieldText, sessions, nil},
		{"action", fieldText, all, nil}, {"rule", fieldText, sessions, nil}, {"rule_id", fieldText, sessions, nil},
		{"threat_name", fieldText, all[1:2], nil}, {"threat_id", fieldID, all[1:2], nil},
		{"severity", fieldText, all[1:2], []string{"critical", "high", "medium", "low", "informational"}},
		{"subtype", fieldText, all, nil}, {"type", fieldText, all, []string{"TRAFFIC", "THREAT", "GLOBALPROTECT", "SYSTEM", "LOG"}},
		{"application", fieldText, all, nil}, {"from_zone", fieldText, sessions, nil}, {"to_zone", fieldText, sessions, nil},
		{"session_end_reason", fieldText, []string{"traffic", "login"}, nil},
		{"outcome", fieldText, all, []string{"refused", "answered"}},
	}
}()

// typesOf are the types that records of the firewalls' events have, and typeOfPattern that of others.
var typesOf = map[string][]string{"traffic": {"TRAFFIC"}, "threat": {"THREAT"}, "login": {"GLOBALPROTECT", "SYSTEM"}}

const typeOfPattern = "LOG"

// perFields are those by which a rule may count apart, beside src.
var perFields = []string{"dst", "dst_port", "src_user", "device"}

// reservedRules are the names of rules that are not in the configuration.
var reservedRules = []string{"neighbourhood", "label", "manual"}

func fieldNames() (names []string) {
	for _, f := range recordFields {
		names = append(names, f.name)
	}
	return names
}

func recordFieldNamed(name string) (recordField, bool) {
	i := slices.IndexFunc(recordFields, func(f recordField) bool { return f.name == name })
	if i < 0 {
		return recordField{}, false
	}
	return recordFields[i], true
}

// shapeConditions checks a section of fields, each with a value or several, and below not another one.
func (l *loader) shapeConditions(at string, value any, nested bool) (any, bool) {
	section, ok := value.(map[string]any)
	if !ok {
		l.fault(at, "must be a section of fields and values, such as {dst_port: [22], action: [deny, drop]}")
		return nil, false
	}
	for _, key := range slices.Sorted(maps.Keys(section)) {
		_, known := recordFieldNamed(key)
		switch {
		case key == "not" && !nested:
			if section[key], ok = l.shapeConditions(at+".not", section[key], true); !ok {
				delete(section, key)
			}
		case !known:
			l.fault(at+"."+plainKey(key), "unknown field; %s", meantField(key))
			delete(section, key)
		case section[key] == nil:
			l.fault(at+"."+key, "has no value; set one, or remove the key")
			delete(section, key)
		default:
			if section[key], ok = l.shapeValues(at+"."+key, section[key]); !ok {
				delete(section, key)
			}
		}
	}
	return section, true
}

// conditionTexts shows conditions as settings.
func conditionTexts(before string, value any) []string {
	section, _ := value.(map[string]any)
	texts := []string{}
	for _, f := range recordFields {
		if values, is := section[f.name].([]string); is {
			texts = append(texts, before+f.name+": "+strings.Join(values, ", "))
		}
	}
	if not, is := section["not"]; is {
		texts = append(texts, conditionTexts("not "+before, not)...)
	}
	return texts
}

// meantField says what an unknown field was perhaps meant to be.
func meantField(name string) string {
	names := fieldNames()
	if best, ok := nearest(strings.ToLower(name), names, func(s string) string { return s }, 1+len(name)/4); ok {
		return "did you mean " + best + "?"
	}
	return "the fields are " + strings.Join(names, ", ")
}

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

// conditions reads those of a section, in the order of the fields.
func (s customReader) conditions(key string, fields map[string]any) (list []Condition) {
	for _, f := range recordFields {
		texts, is := fields[f.name].([]string)
		if !is {
			continue
		}
		at := key + "." + f.name
		if len(texts) == 0 || len(texts) > maxValues {
			s.fault(at, "has %d values; use 1 to %d", len(texts), maxValues)
			continue
		}
		c := Condition{Field: f.name}
		switch f.kind {
		case fieldNetwork:
			c.Networks = s.networks(at)
		case fieldPort:
			c.Numbers = s.numbers(at, texts, 0, maxPorts, "a port or a range of ports; use one such as 443 or 1000-2000")
		case fieldID:
			c.Numbers = s.numbers(at, texts, 1, maxThreatID, "the id of a threat or a range of them; use the number that the log shows, such as 40015")
		default:
			c.Texts = s.words(at, texts, f.values)
		}
		list = append(list, c)
	}
	return list
}

// numbers reads numbers and ranges of them.
func (s customReader) numbers(key string, texts []string, least, most uint64, right string) (ranges []NumberRange) {
	for i, t := range texts {
		low, high, several := strings.Cut(t, "-")
		if !several {
			high = low
		}
		first, err := strconv.ParseUint(strings.TrimSpace(low), 10, 32)
		last, err2 := strconv.ParseUint(strings.TrimSpace(high), 10, 32)
		if err != nil || err2 != nil || first < least || last > most || first > last {
			s.fault(fmt.Sprintf("%s[%d]", key, i), "%q is not %s", clip(t), right)
			continue
		}
		ranges = append(ranges, NumberRange{uint32(first), uint32(last)})
	}
	return ranges
}

// words reads texts; of is what they may be, where not all may.
func (s customReader) words(key string, texts, of []string) []string {
	for i, t := range texts {
		one := fmt.Sprintf("%s[%d]", key, i)
		if strings.TrimSpace(t) == "" {
			s.fault(one, "is empty; set a value, or remove it")
		} else if of != nil && !slices.ContainsFunc(of, func(v string) bool { return strings.EqualFold(v, t) }) {
			s.fault(one, "%q is none that the field can have; use one of %s", clip(t), strings.Join(of, ", "))
		}
	}
	return texts
}

// fitCustom refuses rules that can never fire, and warns of what only some of their events do.
func (l *loader) fitCustom(c *Config) {
	if l.faultedBelow("inputs") {
		return // what is missing there was perhaps meant
	}
	for i := range c.Detect.Custom {
		r := &c.Detect.Custom[i]
		at := fmt.Sprintf("rules[%d].", i)
		if r.Mode == "off" || l.damaged[at] {
			continue
		}
		if l.fitEvents(c, r, at); !l.damaged[at] {
			l.fitFields(c, r, at)
		}
		if !l.damaged[at] {
			l.fitConditions(c, r, at)
		}
		if longest := c.Blacklist.ReleaseAfter; r.Escalate != nil && r.Escalate.Factor > 1 {
			if r.BlockFor > 0 {
				longest = r.BlockFor
			}
			if r.Escalate.Max < longest {
				l.fault(at+"escalate.max", "%s is shorter than a first block, so that the block of a source that returns would be shorter; use at least %s",
					FormatDuration(r.Escalate.Max), FormatDuration(longest))
			}
		}
	}
}

// fitEvents refuses events that nothing gives.
func (l *loader) fitEvents(c *Config, r *CustomRule, at string) {
	patterns := c.patternEvents()
	for i, event := range r.Event {
		key := fmt.Sprintf("%sevent[%d]", at, i)
		_, ofFirewalls := typesOf[event]
		_, ofPattern := patterns[event]
		switch {
		case ofFirewalls && !c.readsFirewalls():
			l.fault(key, "no input reads the logs of firewalls, so that there is no event %s; add one (format: auto)", event)
		case !ofFirewalls && !ofPattern:
			all := append(slices.Sorted(maps.Keys(typesOf)), slices.Sorted(maps.Keys(patterns))...)
			meant := "the events are " + strings.Join(all[:min(len(all), 30)], ", ") + "; a pattern of an input (inputs[].patterns) gives others"
			if best, ok := nearest(strings.ToLower(event), all, func(s string) string { return s }, 1+len(event)/4); ok {
				meant = "did you mean " + best + "?"
			}
			l.fault(key, "no input gives an event %q; %s", clip(event), meant)
		}
	}
}

// readsFirewalls tells whether any input does.
func (c *Config) readsFirewalls() bool {
	return slices.ContainsFunc(c.Inputs, func(in Input) bool { return in.Format != "pattern" })
}

// patternEvents are the events that patterns of inputs give, each with the fields that it can have.
func (c *Config) patternEvents() map[string][]string {
	all := make(map[string][]string)
	for _, in := range c.Inputs {
		if in.Patterns == nil {
			continue
		}
		for _, event := range in.Patterns.Events() {
			all[event] = append(all[event], in.Patterns.Fields(event)...)
		}
	}
	return all
}

// lacking gives those of a rule's events that never have a field.
func (c *Config) lacking(r *CustomRule, field string) (events []string) {
	f, _ := recordFieldNamed(field)
	patterns := c.patternEvents()
	for _, event := range r.Event {
		has := slices.Contains(f.events, event)
		if fields, ofPattern := patterns[event]; ofPattern {
			has = slices.Contains(fields, field) || slices.Contains(inAll, field) || field == "dst_country" && slices.Contains(fields, "dst")
		}
		if !has {
			events = append(events, event)
		}
	}
	return events
}

// fitFields refuses fields that no event of a rule has, and warns where some have none.
func (l *loader) fitFields(c *Config, r *CustomRule, at string) {
	look := func(key, field, so string) {
		switch events := c.lacking(r, field); {
		case len(events) == len(r.Event):
			l.fault(at+key, "no event %s has a field %s, so that %s", strings.Join(events, " or "), field, so)
		case len(events) > 0 && so == neverCounts:
			l.warn(at+key, "an event %s has no field %s, and never counts for the rule", strings.Join(events, " or "), field)
		}
	}
	for _, cond := range r.Where {
		look("where."+cond.Field, cond.Field, neverCounts)
	}
	for _, cond := range r.Not {
		look("where.not."+cond.Field, cond.Field, "the condition has no effect; remove it")
	}
	for i, field := range r.Count {
		look(fmt.Sprintf("count[%d]", i), field, neverCounts)
	}
	for _, field := range r.Per {
		look("per", field, neverCounts)
	}
}

const neverCounts = "the rule never fires"

// fitConditions refuses conditions that no record that counts meets.
func (l *loader) fitConditions(c *Config, r *CustomRule, at string) {
	overSessions := !slices.ContainsFunc(r.Event, func(event string) bool { return event != "traffic" && event != "threat" })
	for _, cond := range r.Where {
		key, why := at+"where."+cond.Field, ""
		switch cond.Field {
		case "src":
			why = c.spares(cond.Networks)
		case "dst":
			if overSessions && c.elsewhere(cond.Networks) {
				why = "it is neither yours (networks.own) nor private, and what goes elsewhere counts for nobody"
			}
		case "type":
			if !slices.ContainsFunc(r.Event, func(event string) bool {
				return slices.ContainsFunc(typesOfEvent(event), func(t string) bool { return contains(cond.Texts, t) })
			}) {
				why = "events " + strings.Join(r.Event, " and ") + " have another type"
			}
		case "outcome":
			if !slices.ContainsFunc(r.outcomes(), func(o string) bool { return contains(cond.Texts, o) }) {
				why = "the rule counts refused records alone"
				if overSessions {
					why += " (set outcome: all)"
				}
			}
		case "action":
			why = r.neverOfAction(cond.Texts)
		case "subtype":
			why = r.neverOfSubtype(cond.Texts)
		}
		if i := slices.IndexFunc(r.Not, func(not Condition) bool { return not.Field == cond.Field }); i >= 0 && why == "" && r.Not[i].covers(cond) {
			why = "where.not." + cond.Field + " excludes all of it"
		}
		if why != "" {
			l.fault(key, "is never met: %s; correct it, or set mode: \"off\"", why)
		}
	}
	for _, not := range r.Not {
		if r.excludesAll(not, overSessions) {
			l.fault(at+"where.not."+not.Field, "excludes all records, so that the rule never fires; correct it, or set mode: \"off\"")
		}
	}
	l.fitCount(r, at)
	if action, app := r.condition("action"), r.condition("application"); r.Outcome == "refused" && len(r.Event) == 1 && r.Event[0] == "traffic" &&
		action != nil && app != nil && !contains(app.Texts, "incomplete") && !slices.ContainsFunc(action.Texts, func(a string) bool { return !strings.EqualFold(a, "allow") }) {
		l.warn(at+"outcome", "refused counts, of what was allowed, only sessions to which no byte came back, of which most applications have none; set all to count those that were served")
	}
}

// condition gives that on a field; nil: there is none.
func (r *CustomRule) condition(field string) *Condition {
	if i := slices.IndexFunc(r.Where, func(c Condition) bool { return c.Field == field }); i >= 0 {
		return &r.Where[i]
	}
	return nil
}

// noScan tells whether the conditions leave out scans, which count as refused whatever the action.
func (r *CustomRule) noScan() bool {
	subtype := r.condition("subtype")
	return subtype != nil && !contains(subtype.Texts, "scan") && r.condition("threat_id") == nil
}

// fitCount refuses a rule whose conditions leave fewer values than it counts.
func (l *loader) fitCount(r *CustomRule, at string) {
	for _, field := range r.Per {
		if n, bounded := r.values(field); bounded && n == 0 {
			l.fault(at+"per", "a record that where.%s lets in has no %s to count by, so that the rule never fires; correct one of them, or set mode: \"off\"", field, field)
			return
		}
	}
	most := 1
	for _, field := range r.Count {
		n, bounded := r.values(field)
		if slices.Contains(r.Per, field) {
			n, bounded = min(n, 1), true
		}
		if !bounded {
			return
		}
		most = min(most*n, maxMoreThan+1)
	}
	if len(r.Count) > 0 && most <= r.MoreThan {
		l.fault(at+"count", "of %s there are %d that differ where all conditions are met, which is never more than %d (more_than), so that the rule never fires; correct one of them, or set mode: \"off\"",
			strings.Join(r.Count, " and "), most, r.MoreThan)
	}
}

// values bounds how many values, other than none, a field can have in records that meet the conditions; at most one more than can be counted.
func (r *CustomRule) values(field string) (most int, bounded bool) {
	f, _ := recordFieldNamed(field)
	if most, bounded = len(f.values), f.values != nil; !bounded {
		most = maxMoreThan + 1
	}
	cond := r.condition(field)
	if cond == nil || f.kind == fieldNetwork {
		return most, bounded
	}
	if f.kind == fieldText {
		var differ []string
		for _, text := range cond.Texts {
			if strings.ContainsFunc(text, func(r rune) bool { return r >= 0x80 }) {
				return most, bounded // which are counted as they are written
			}
			if !contains(differ, text) {
				differ = append(differ, text)
			}
		}
		return len(differ), true
	}
	n := uint64(0)
	for _, of := range cond.Numbers {
		n += uint64(of.Last) - uint64(max(of.First, 1)) + 1 // 0 is that of a record without one
	}
	return int(min(n, maxMoreThan+1)), true
}

// outcomes are those that records which the rule counts can have; "" is that of a start, of an answer that came late, and of a pattern's event.
func (r *CustomRule) outcomes() []string {
	if slices.ContainsFunc(r.Event, func(event string) bool {
		return typesOf[event] == nil || event != "login" && r.Outcome != "refused"
	}) {
		return []string{"refused", "answered", ""}
	}
	return []string{"refused"}
}

// excludesAll tells whether what may not be met is met by every record that the rule counts.
func (r *CustomRule) excludesAll(not Condition, overSessions bool) bool {
	switch not.Field {
	case "src", "dst":
		return (not.Field == "src" || overSessions) && coversNetworks(not.Networks, []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")})
	case "src_port", "dst_port":
		return not.covers(Condition{Numbers: []NumberRange{{0, maxPorts}}})
	case "type":
		return !slices.ContainsFunc(r.Event, func(event string) bool {
			return slices.ContainsFunc(typesOfEvent(event), func(t string) bool { return !contains(not.Texts, t) })
		})
	case "outcome":
		return !slices.ContainsFunc(r.outcomes(), func(o string) bool { return !contains(not.Texts, o) })
	}
	return false
}

// unstopped are the actions of threat records that tell of what went on: see stopped in detect.
var unstopped = []string{"alert", "allow", "continue", "override", "syncookie-sent"}

// neverOfAction says why no record of some actions counts.
func (r *CustomRule) neverOfAction(actions []string) string {
	if len(r.Event) != 1 {
		return ""
	}
	switch event := r.Event[0]; {
	case event == "login" && !contains(actions, "failure"):
		return "only failed logins count, whose action is failure"
	case event == "threat" && r.Outcome == "refused" && !slices.ContainsFunc(actions, func(a string) bool { return !contains(unstopped, a) }) && r.noScan():
		return "the rule counts what the firewall stopped alone (set outcome: all)"
	}
	return ""
}

func typesOfEvent(event string) []string {
	if types, ok := typesOf[event]; ok {
		return types
	}
	return []string{typeOfPattern}
}

// infections are the subtypes of records that tell of an infected host, which rules that count refused records alone pass over.
var infections = []string{"spyware", "virus", "wildfire", "wildfire-virus", "ml-virus", "corrective"}

// neverOfSubtype says why no record of some subtypes counts.
func (r *CustomRule) neverOfSubtype(subtypes []string) string {
	if len(r.Event) != 1 {
		return ""
	}
	among := func(known ...string) bool {
		return !slices.ContainsFunc(subtypes, func(s string) bool { return !contains(known, s) })
	}
	switch event := r.Event[0]; {
	case event == "threat" && among("flood"):
		return "records of a flood never count, for their sources are forged at will"
	case event == "threat" && r.Outcome == "refused" && among(infections...):
		return "such a record tells of an infected host, and counts only with outcome: all"
	case event == "traffic" && r.Outcome == "refused" && among("start"):
		return "the start of a session says nothing yet, and counts only with outcome: all"
	case typesOf[event] == nil && !contains(subtypes, event):
		return "the subtype of an event of a pattern is its name, " + event
	}
	return ""
}

// contains tells whether a text is one of some, without regard to case.
func contains(texts []string, text string) bool {
	return slices.ContainsFunc(texts, func(t string) bool { return strings.EqualFold(t, text) })
}

// covers tells whether every value of another condition on the same field meets this one.
func (c Condition) covers(other Condition) bool {
	switch {
	case len(other.Networks) > 0:
		return coversNetworks(c.Networks, other.Networks)
	case len(other.Numbers) > 0:
		return !slices.ContainsFunc(other.Numbers, func(r NumberRange) bool {
			return !slices.ContainsFunc(c.Numbers, func(w NumberRange) bool { return w.First <= r.First && r.Last <= w.Last })
		})
	}
	return len(other.Texts) > 0 && !slices.ContainsFunc(other.Texts, func(t string) bool { return !contains(c.Texts, t) })
}
