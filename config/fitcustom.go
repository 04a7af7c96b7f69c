package config

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"activedefense/detect/pattern"
)

// fitCustom refuses rules that can never fire, and warns of what only some of their events do.
func (l *loader) fitCustom(c *Config) {
	if l.faultedBelow("inputs") {
		return // what is missing there was perhaps meant
	}
	values := valuesOf{config: c, of: make(map[[2]string]func(string) bool)}
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
		if !l.damaged[at] {
			l.fitTexts(values, r, at)
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
	l.fitOrder(c)
}

// fitOrder warns of rules that fire for nobody whom another has not dealt with by then.
func (l *loader) fitOrder(c *Config) {
	type placed struct {
		*CustomRule
		what string
	}
	var rules []placed // those that are on
	if d := &c.Detect.Login; d.Mode == "block" && d.Window > 0 {
		rules = append(rules, placed{&CustomRule{Rule: d.Rule, Name: RuleLogin, Event: []string{"login"}, MoreThan: d.Failures, Window: d.Window}, "detect.login"})
	}
	at := make(map[*CustomRule]string)
	for i := range c.Detect.Custom {
		r := &c.Detect.Custom[i]
		if key := fmt.Sprintf("rules[%d]", i); r.Mode != "off" && !l.damaged[key+"."] {
			at[r] = key
			rules = append(rules, placed{r, fmt.Sprintf("%s (%s)", key, r.Name)})
		}
	}
	byEvent := make(map[string][]int) // the places of the rules that name it
	for i, r := range rules {
		for _, event := range r.Event {
			byEvent[event] = append(byEvent[event], i)
		}
	}
	for j, second := range rules {
		if at[second.CustomRule] == "" {
			continue
		}
		for _, i := range byEvent[second.Event[0]] {
			first := rules[i]
			if rank, other := slices.Index(ownModeOrder, first.Mode), slices.Index(ownModeOrder, second.Mode); i == j || rank > other || rank == other && i > j || c.sparesApart(first.Name, second.Name) {
				continue
			}
			if why := first.goesBefore(second.CustomRule); why != "" {
				l.warn(at[second.CustomRule], "%s; change one of them, or set mode: \"off\"", fmt.Sprintf(why, first.what))
				break
			}
		}
	}
}

// ownModeOrder is which of several rules that one event fires is the one, by their modes.
var ownModeOrder = []string{"block", "observe", "notice"}

// sparesApart tells whether detect.ignore has a rule count less than another one.
func (c *Config) sparesApart(rule, other string) bool {
	return slices.ContainsFunc(c.Detect.Ignore, func(i Ignore) bool { return contains(i.Rules, rule) && !contains(i.Rules, other) })
}

// goesBefore says, with a place for what the rule is called, why another one fires for nobody whom it has not dealt with, given that it is ahead; "" where that is not certain.
// After a verdict of mode block what was counted of the source begins anew; after one of another mode, and where it is held, each rule goes on with what it has.
func (r *CustomRule) goesBefore(other *CustomRule) string {
	switch {
	case !r.counts(other):
	case r.MoreThan == other.MoreThan && r.Window == other.Window && other.counts(r):
		return "is never the one: %s counts the same, and goes before it"
	case r.Mode == "block" && r.MoreThan <= other.MoreThan && r.Window >= other.Window:
		return "fires for nobody whom %s has not blocked or held before: that counts all that it counts, with a more_than no higher and a window no shorter"
	}
	return ""
}

// counts tells whether a rule counts as many as another one at least, of the same records, whatever they hold.
func (r *CustomRule) counts(other *CustomRule) bool {
	within := func(all, some []string) bool {
		return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
	}
	switch {
	case !within(r.Event, other.Event), !within(other.Per, r.Per):
		return false
	case len(r.Count) > 0 && (len(other.Count) == 0 || !within(r.Count, other.Count) || !within(other.Count, r.Count)):
		return false
	case r.Outcome == "refused" && other.Outcome != "refused": // which also has what is forgeable of a partner held
		return false
	}
	narrower := func(cond Condition) bool {
		met := other.condition(cond.Field)
		return met != nil && cond.covers(*met)
	}
	excluded := func(cond Condition) bool {
		return slices.ContainsFunc(other.Not, func(not Condition) bool { return not.Field == cond.Field && not.covers(cond) })
	}
	return !slices.ContainsFunc(r.Where, func(cond Condition) bool { return !narrower(cond) }) &&
		!slices.ContainsFunc(r.Not, func(cond Condition) bool { return !excluded(cond) })
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
			if r.Mode != "notice" || !slices.ContainsFunc(cond.Networks, somePublic) || coversNetworks(c.Networks.Own, cond.Networks) { // which tells of others who are never blocked
				why = c.spares(cond.Networks)
			}
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

// valuesOf tells which texts the fields of events can have, as far as the configuration says.
type valuesOf struct {
	config *Config
	of     map[[2]string]func(string) bool // by event and field, those of patterns
}

// has tells whether an event can have a text in a field, and else whether that is certain: a version to come may log other actions.
func (v valuesOf) has(event, field, text string) (can, certain bool) {
	f, _ := recordFieldNamed(field)
	switch {
	case typesOf[event] != nil && !slices.Contains(f.events, event):
		return false, true
	case typesOf[event] != nil && field == "action":
		return event != "login" && contains(actions, text) || event == "login" && strings.EqualFold(text, "failure"), event == "login"
	case typesOf[event] != nil:
		return f.values == nil || contains(f.values, text), true
	case !slices.Contains(pattern.Groups, field): // the header's, or found out
		return true, true
	}
	key := [2]string{event, field}
	if v.of[key] == nil {
		v.of[key] = v.config.valuesOfPatterns(event, field)
	}
	return v.of[key](text), true
}

// valuesOfPatterns tells which texts patterns of any input can give a field of an event.
func (c *Config) valuesOfPatterns(event, field string) func(string) bool {
	var all []func(string) bool
	for _, in := range c.Inputs {
		if in.Patterns != nil {
			all = append(all, in.Patterns.Values(event, field))
		}
	}
	return func(text string) bool {
		return slices.ContainsFunc(all, func(can func(string) bool) bool { return can(text) })
	}
}

// fitTexts refuses conditions on texts that no event of a rule can have, and warns of single texts and of what is not certain.
func (l *loader) fitTexts(v valuesOf, r *CustomRule, at string) {
	for n, conds := range [][]Condition{r.Where, r.Not} {
		for _, cond := range conds {
			key, unmet := at+[]string{"where.", "where.not."}[n]+cond.Field, 0
			var warnings []Warning
			for i, text := range cond.Texts {
				can, certain := false, true
				for _, event := range r.Event {
					is, sure := v.has(event, cond.Field, text)
					can, certain = can || is, certain && sure
				}
				if can {
					continue
				}
				if certain {
					unmet++
				}
				warnings = append(warnings, Warning{fmt.Sprintf("%s[%d]", key, i), v.noneHas(r, cond.Field, text)})
			}
			if n == 0 && unmet > 0 && unmet == len(cond.Texts) {
				l.fault(key, "is never met: %s; correct it, or set mode: \"off\"", warnings[0].Text)
				continue
			}
			l.warnings = append(l.warnings, warnings...)
		}
	}
}

// noneHas says what is wrong with a text.
func (v valuesOf) noneHas(r *CustomRule, field, text string) string {
	known := threatSeverities
	if field == "action" {
		known = actions
	}
	ofFirewalls := slices.ContainsFunc(r.Event, func(event string) bool { return event == "traffic" || event == "threat" })
	if !ofFirewalls {
		return fmt.Sprintf("%q is none that the field has in an event %s (activedefense patterns show has what the regular expressions take)", clip(text), strings.Join(r.Event, " or "))
	}
	meant := "known are " + strings.Join(known, ", ")
	if best, ok := nearest(strings.ToLower(text), known, func(s string) string { return s }, 1+len(text)/4); ok {
		meant = "did you mean " + best + "?"
	}
	return fmt.Sprintf("%q is no %s that is known of an event %s; %s", clip(text), field, strings.Join(r.Event, " or "), meant)
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
	if most, bounded = len(f.values), f.values != nil && (field != "severity" || !slices.ContainsFunc(r.Event, func(event string) bool { return typesOf[event] == nil })); !bounded {
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
