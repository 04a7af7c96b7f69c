package detect

import "strconv"

// Counting says whether and how a rule counts one record.
type Counting struct {
	Rule   string
	Counts bool
	Text   string // one plain sentence without a full stop
	Grade  Grade  // of the record as evidence; GradeUnknown where the rule does not count it
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
// have counted it: login for a login, and one of those that count destinations for any other. g and o may be nil. One goroutine
// may call the function at a time.
func (s Settings) WhyNot(g *Guard, o *Ours) func(*Event) string {
	e := newExplanation(&s, g, o)
	return func(ev *Event) string {
		why := becauseOff
		for i, c := range e.countings(ev) {
			if c.Counts {
				return ""
			}
			if r := precedence[i]; r != vulnerability && (r == login) == isLogin(ev) && c.Text != becauseOff {
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
	rules [rulesInAll]rule
	guard *Guard
	ev    *Event
	party party
}

func newExplanation(s *Settings, g *Guard, o *Ours) explanation {
	e := explanation{known: newKnown(s), rules: s.rules(), guard: g}
	e.ours, e.crowded = o, g.crowded(s.IPv6Prefix)
	return e
}

// not says why a rule does not count the record; "" if it does.
func (e *explanation) not(r int) string {
	switch why := e.notAgainst(e.ev, &e.party); why {
	case "":
	case becausePrivate:
		return "the source " + e.party.addr.String() + " is not public (" + notPublic(single(e.party.addr)) + ")"
	default:
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

func (e *explanation) does(r int) string {
	if e.rules[r].Mode == Observe || e.party.proxied {
		return "observed"
	}
	return "blocked"
}

// graded says what the grade of the record means, where it means anything.
func (e *explanation) graded(r int) string {
	if !e.rules[r].RefusedOnly {
		return ""
	}
	if grade(e.ev) == Proven {
		return " (proven: there was a session with the source)"
	}
	text := " (forgeable: a partner is held"
	if r != vulnerability && e.ev.Type != TypeUnknown {
		text += ", and it does not count if it is a late answer to a session of ours"
	}
	return text + ")"
}
