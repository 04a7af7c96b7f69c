package detect

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Counting says whether and how a rule counts one record.
type Counting struct {
	Rule   string
	Counts bool
	Text   string // one plain sentence without a full stop
	Grade  Grade  // of the record as evidence; GradeUnknown where the rule does not count it
	// Key and Value are, where a custom rule counts the record, what it counts together, and what of it: "" where it counts events.
	Key, Value string
}

// Explain says for each rule, in order of precedence, whether it counts the record and how, as if the source were not blocked
// yet, and as far as one record tells: whether it is a late answer, and whether the source is a partner, only those before it
// say. g and o may be nil. A source that the guard protects is counted like any other, and the text says that it will not be
// blocked.
func (s Settings) Explain(ev *Event, g *Guard, o *Ours) []Counting {
	e := newExplanation(&s, g, o)
	return e.countings(ev)
}

// WhyNot gives a function that says why no rule counts a record; "" if one does. It is what Explain says for a rule that could
// have counted it: login for a login, a custom rule for an event of a pattern, and one of those that count destinations for any other. g and o may be nil. One goroutine
// may call the function at a time.
func (s Settings) WhyNot(g *Guard, o *Ours) func(*Event) string {
	e := newExplanation(&s, g, o)
	return func(ev *Event) string {
		why := becauseOff
		if ev.Type == TypeLog {
			why = "no rule counts the event " + ev.Subtype
		}
		for i, c := range e.countings(ev) {
			if c.Counts {
				return ""
			}
			if i >= len(precedence) {
				if set := e.customs[i-len(precedence)].set; ev.Type == TypeLog && slices.Contains(set.Events, ev.Subtype) {
					why = c.Rule + ": " + c.Text
				}
				continue
			}
			if r := precedence[i]; ev.Type != TypeLog && r != vulnerability && (r == login) == isLogin(ev) && c.Text != becauseOff {
				why = c.Text
			}
		}
		return why
	}
}

// countings is what Explain gives for a record.
func (e *explanation) countings(ev *Event) []Counting {
	e.ev, e.party = ev, party{}
	e.who(ev, &e.party)
	var list []Counting
	for _, r := range precedence {
		c := Counting{Rule: ruleNames[r], Text: e.not(r)}
		if c.Text == "" {
			c.Counts, c.Text, c.Grade = true, e.how(r), grade(ev)
			if err := e.guard.CheckAddr(e.party.addr); err != nil {
				c.Text += "; but it is never blocked: " + err.Error()
			}
		}
		list = append(list, c)
	}
	for i := range e.customs {
		list = append(list, e.counting(&e.customs[i]))
	}
	// What fires at once leaves nothing to count.
	if list[0].Counts && e.does(vulnerability) == "blocked" {
		for i := range list[1:] {
			list[1+i] = Counting{Rule: list[1+i].Rule, Text: "the record fires the rule vulnerability, which goes first"}
		}
	}
	return list
}

// explanation is what is asked of one record after the other.
type explanation struct {
	known
	rules   [rulesInAll]rule
	customs []custom // those that are off, too
	guard   *Guard
	ev      *Event
	party   party
}

func newExplanation(s *Settings, g *Guard, o *Ours) explanation {
	e := explanation{known: newKnown(s), rules: s.rules(), guard: g}
	e.ours, e.crowded = o, g.crowded(s.IPv6Prefix)
	for i := range s.Custom {
		e.customs = append(e.customs, newCustom(&s.Custom[i]))
	}
	return e
}

// not says why a rule does not count the record; "" if it does.
func (e *explanation) not(r int) string {
	if why := e.notHeld(); why != "" {
		return why
	}
	why := e.notCounted(r)
	if why == "" {
		if set, by := e.ignoring(e.ev, &e.party); set.has(r) {
			why = "an entry of detect.ignore says so: " + by.Reason
		}
	}
	return why
}

// notHeld says why the record is held against nobody; "" if it is held against its source.
func (e *explanation) notHeld() string {
	switch why := e.notAgainst(e.ev, &e.party); why {
	case "":
	case becausePrivate:
		return "the source " + e.party.addr.String() + " is not public (" + notPublic(single(e.party.addr)) + ")"
	default:
		return why
	}
	return ""
}

func (e *explanation) notCounted(r int) string {
	if e.rules[r].window == 0 {
		return becauseOff
	}
	switch r {
	case vulnerability:
		return e.notVulnerability(e.ev, &e.party)
	case login:
		return notLogin(e.ev)
	}
	if why := notReaching(e.ev, &e.party); why != "" {
		return why
	}
	if e.rules[r].RefusedOnly {
		if why := notRefused(e.ev, sessionOf(e.ev)); why != "" {
			return why
		}
	}
	if r == portScan && e.party.dstPort == 0 {
		return "port 0 is no port"
	}
	return ""
}

// how says how a rule counts the record.
func (e *explanation) how(r int) string {
	src, dst, port := e.counted(), plain(e.party.dst).String(), strconv.Itoa(int(e.party.dstPort))
	need, s := e.rules[r].need, e.settings
	text := ""
	switch r {
	case vulnerability:
		text = "blocks " + src + " at once: " + attack(e.ev, &e.party)
		if e.does(r) == "observed" {
			text = "observes " + src + ": " + attack(e.ev, &e.party)
		}
		return text + e.graded(r)
	case portScan:
		text = "counts port " + port + " of " + dst + " for " + src + ", which is " + e.does(r) + " at more than " + strconv.Itoa(need-1) + " within " + short(s.PortScan.Window)
	case hostSweep:
		text = "counts address " + dst + " on port " + port + " for " + src + ", which is " + e.does(r) + " at " + strconv.Itoa(need) + " or more within " + short(s.HostSweep.Window)
	case probe:
		text = "counts port " + port + " of " + dst + " among what refused " + src + ", which is " + e.does(r) + " at " + strconv.Itoa(need) +
			" or more beyond what answered it within " + short(min(s.Probe.Window, day))
	case login:
		text = "counts a failed login of " + src + ", which is " + e.does(r) + " at more than " + strconv.Itoa(need-1) + " within " + short(s.Login.Window)
	}
	return text + e.graded(r)
}

// counted is the source as it is counted: an address, or of IPv6 a network, and where it is not the one around it, why.
func (e *explanation) counted() string {
	addr := e.party.addr
	network, whole := e.networkOf(addr), e.around(addr)
	switch {
	case !network.IsSingleIP():
		return network.String() + " (the network of " + addr.String() + ")"
	case network != whole:
		return addr.String() + " (by itself: " + e.guard.Check(whole).Error() + ")"
	case teredo.Contains(addr):
		return addr.String() + " (by itself: Teredo relays for many hosts)"
	}
	return addr.String()
}

func (e *explanation) does(r int) string { return e.done(&e.rules[r]) }

// done says what becomes of a source that fires a rule.
func (e *explanation) done(r *rule) string {
	switch {
	case r.Mode == Notice:
		return "told"
	case r.Mode == Observe || e.party.proxied:
		return "observed"
	}
	return "blocked"
}

// graded says what the grade of the record means, where it means anything.
func (e *explanation) graded(r int) string { return e.gradedBy(&e.rules[r], r != vulnerability) }

func (e *explanation) gradedBy(r *rule, mayBeLate bool) string {
	if !r.RefusedOnly {
		return ""
	}
	if grade(e.ev) == Proven {
		return " (proven: there was a session with the source)"
	}
	text := " (forgeable: a partner is held"
	if mayBeLate && e.ev.Type != TypeUnknown {
		text += ", and it does not count if it is a late answer to a session of ours"
	}
	return text + ")"
}

// counting is what a custom rule makes of the record.
func (e *explanation) counting(r *custom) Counting {
	c := Counting{Rule: r.set.Name, Text: e.notCustom(r)}
	if c.Text != "" {
		return c
	}
	what, distinct := "an event "+eventOf(e.ev), ""
	if len(r.set.Distinct) > 0 {
		what, distinct = e.values(r.set.Distinct), " distinct"
	}
	text := "counts " + what + " of " + e.counted()
	if len(r.set.Per) > 0 {
		text += " with " + e.values(r.set.Per)
	}
	text += ", which is " + e.done(&r.rule) + " at more than " + strconv.Itoa(r.need-1) + distinct + " within " + short(r.set.Window)
	c.Counts, c.Grade, c.Key, c.Value = true, grade(e.ev), e.values(r.set.Per), e.values(r.set.Distinct)
	c.Text = text + e.gradedBy(&r.rule, e.ev.Type == TypeTraffic || e.ev.Type == TypeThreat)
	if err := e.guard.CheckAddr(e.party.addr); err != nil && r.Mode != Notice {
		c.Text += "; but it is never blocked: " + err.Error()
	}
	return c
}

// values writes fields of the record with their values.
func (e *explanation) values(fields []Field) string {
	var list []string
	for _, f := range fields {
		list = append(list, f.String()+" "+f.value(e.ev, &e.party, sessionOf(e.ev)))
	}
	return strings.Join(list, " and ")
}

// notCustom says why a custom rule does not count the record; "" if it does.
func (e *explanation) notCustom(r *custom) string {
	event, became := eventOf(e.ev), sessionOf(e.ev)
	if why := e.notHeld(); why != "" {
		return why
	}
	switch {
	case r.window == 0:
		return becauseOff
	case !slices.Contains(r.set.Events, event):
		return "it counts " + strings.Join(r.set.Events, " or ") + ", and this is " + cmp.Or(event, "none that rules know")
	}
	if why := notEvent(e.ev, &e.party); why != "" {
		return why
	}
	for i := range r.set.Where {
		if c := &r.set.Where[i]; !c.holds(e.ev, &e.party, became) {
			return "where: " + e.is(c.Field) + ", and the rule wants " + c.String()
		}
	}
	for i := range r.set.Not {
		if c := &r.set.Not[i]; c.holds(e.ev, &e.party, became) {
			return "where.not: " + e.is(c.Field) + ", and the rule counts none of " + c.String()
		}
	}
	if f := r.lacks(e.ev, &e.party, became); f != "" {
		return "the record has no " + f + ", which the rule counts by"
	}
	if why := r.notFor(e.ev, became); why != "" {
		return why
	}
	if by := e.spares(r.set.Name, e.ev, &e.party); by != nil {
		return "an entry of detect.ignore says so: " + by.Reason
	}
	return ""
}

// is says what a field of the record is.
func (e *explanation) is(f Field) string {
	if became := sessionOf(e.ev); f.has(e.ev, &e.party, became) {
		return "its " + f.String() + " is " + f.value(e.ev, &e.party, became)
	}
	return "it has no " + f.String()
}

// mostListed is how many values of a condition are written out.
const mostListed = 5

// String writes the values of a condition, the first of them.
func (c *Condition) String() string {
	var list []string
	for _, p := range c.Networks {
		list = append(list, AddressText(p))
	}
	for _, r := range c.Numbers {
		text := strconv.FormatUint(uint64(r.First), 10)
		if r.Last != r.First {
			text += "-" + strconv.FormatUint(uint64(r.Last), 10)
		}
		list = append(list, text)
	}
	list = append(list, c.Texts...)
	if more := len(list) - mostListed; more > 0 {
		list = append(list[:mostListed], strconv.Itoa(more)+" more")
	}
	return strings.Join(list, ", ")
}
