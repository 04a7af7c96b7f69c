package detect

import (
	"activedefense/detect/memory"
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Outcome says what became of an event.
type Outcome uint8

const (
	// Ignored: no rule counts the record, or its source can never be blocked.
	Ignored Outcome = iota
	// Counted: the record is evidence against its source.
	Counted
	// Blocked: the source is on the blacklist; the record counts for no rule.
	Blocked
	// Fired: the record completed the evidence of a rule.
	Fired
)

// Result of observing one event.
type Result struct {
	Outcome Outcome
	Entry   netip.Prefix // Blocked: the narrowest entry of the blacklist that covers the source
	Verdict *Verdict     // Fired
	Session Session      // what became of the session, late answers told apart
	Grade   Grade        // of the record as evidence; GradeUnknown: it is none
}

// Verdict is the finding that a source should be blocked. All times are in UTC.
type Verdict struct {
	Source netip.Prefix // a single address, as /32 or /128, or the network as which IPv6 is counted
	Rule   string
	Time   time.Time // of the record that completed it
	// FirstSeen and LastSeen are the earliest and the latest time of the evidence.
	// Late arrivals may make LastSeen later than Time.
	FirstSeen, LastSeen time.Time
	Device              string // of the completing record
	Country             string // of the source, as that record names it; "" where no log says it
	Count               int    // distinct ports, hosts or targets; failed logins; 1 for vulnerability
	// Hits is how many records it rests on, repeats included. Records of one port of
	// one address that came close together are merged, and then counted where the
	// last of them is, up to 65,535 for each sighting.
	Hits     int
	Target   string   // "198.51.100.7", "port 443", or the threat's name and id
	Reason   string   // one plain sentence without a full stop
	Evidence []uint64 // Event.Ref of at most 64 records, oldest first

	Grade Grade
	// Mode of the rule: Block, Observe or Notice.
	Mode Mode
	// Hold says why a person has to decide, as one plain sentence without a full stop; "" if nobody has to.
	Hold string
	// BlockFor is how long the block lasts from Time on; 0: until the source is quiet.
	BlockFor time.Duration
	// Tag is that of the rule on the firewalls; "" for the usual one.
	Tag string
	// Escalate is that of a custom rule; nil: as of all rules.
	Escalate *Escalate
	// Addresses are those of Source that were seen to attack, the newest first and at most 16, set by whoever has the
	// records; empty where Source is a single address.
	Addresses []netip.Addr
	// Port is the one of ours that all of the evidence is about, -1 where there are several, and 0 where there is none or it is not
	// known. It is set by whoever has the records.
	Port int
}

// finding is the part of the window that fired a rule.
type finding struct {
	rule, from, to int
	grade          Grade
}

// verdict begins one, of a record that completed it.
func (e *Engine) verdict(ev *Event, w *watched, rule string, g Grade) *Verdict {
	v := &Verdict{Source: e.networkOf(w.addr), Rule: rule, Time: ev.Time.UTC(), Device: ev.Device, Country: ev.SrcCountry, Grade: g}
	v.FirstSeen, v.LastSeen = v.Time, v.Time
	if w.reversed {
		v.Country = ev.DstCountry
	}
	if w.proxied {
		v.Country = ""
		v.Mode = Observe // the address is what a proxy says; the firewall sees the proxy
	}
	return v
}

// take fills in what the window holds.
func (w *window) take(v *Verdict, completing uint64, found finding) {
	points := w.points[found.from:found.to]
	v.FirstSeen, v.LastSeen = clock(points[0].time), clock(points[len(points)-1].time)
	v.Evidence = evidence(points, completing)
	distinct := make(map[int32]struct{})
	for i := range points {
		v.Hits += int(points[i].weight)
		distinct[points[i].id] = struct{}{}
	}
	v.Count = len(distinct)
}

// scanVerdict words what the window holds.
func (e *Engine) scanVerdict(ev *Event, w *watched, completing uint64, found finding) *Verdict {
	v := e.verdict(ev, w, ruleNames[found.rule], found.grade)
	e.window.take(v, completing, found)
	need := e.rules[found.rule].need
	if found.rule == portScan {
		v.Target = plain(w.dst).String()
		v.Reason = several(v.Count, "port", "ports") + " of " + v.Target + " within " +
			short(e.settings.PortScan.Window) + " (more than " + strconv.Itoa(need-1) + ")"
	} else {
		v.Target = "port " + strconv.Itoa(int(w.dstPort))
		v.Reason = several(v.Count, "address", "addresses") + " on " + v.Target + " within " +
			short(e.settings.HostSweep.Window) + " (at least " + strconv.Itoa(need) + ")"
	}
	return v
}

// probeVerdict words what the memory holds.
func (e *Engine) probeVerdict(ev *Event, w *watched, n memory.Probed, g Grade) *Verdict {
	v := e.verdict(ev, w, RuleProbe, g)
	list := e.memory.Refused(&w.key, w.time)
	slices.SortFunc(list, func(a, b memory.Refusal) int { return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Ref, b.Ref)) })
	if g == Proven {
		list = slices.DeleteFunc(list, func(r memory.Refusal) bool { return !r.Proven })
	}
	// Of each target the latest refusal is remembered; of all the first.
	v.FirstSeen = clock(min(list[0].Time, max(e.memory.Begun(&w.key), w.time-e.rules[probe].window+1)))
	v.LastSeen = clock(list[len(list)-1].Time)
	v.Count = len(list) - n.Answered
	for _, r := range list {
		v.Hits += r.Records
	}
	for _, r := range list[max(0, len(list)-maxEvidence):] {
		v.Evidence = append(v.Evidence, r.Ref)
	}
	v.Target = several(len(list), "target", "targets")
	v.Reason = several(len(list), "target", "targets") + " (address and port) refused it within " + short(min(e.settings.Probe.Window, day))
	if n.Answered > 0 {
		v.Reason += ", " + strconv.Itoa(n.Answered) + " answered it before"
	}
	v.Reason += " (at least " + strconv.Itoa(e.rules[probe].need) + " more refused than answered)"
	return v
}

// loginVerdict words what the window holds.
func (e *Engine) loginVerdict(ev *Event, w *watched, found finding) *Verdict {
	v := e.verdict(ev, w, RuleLogin, Proven)
	e.window.take(v, ev.Ref, found)
	v.Evidence = slices.Compact(v.Evidence) // a record that stands for several is several values
	v.Hits = loginsBetween(e, w, nanoseconds(v.FirstSeen), nanoseconds(v.LastSeen))
	v.Count = v.Hits
	v.Target = "logins of " + cmp.Or(ev.Device, "the firewall")
	v.Reason = several(v.Count, "failed login", "failed logins") + " within " + short(e.settings.Login.Window) +
		" (more than " + strconv.Itoa(e.rules[login].need-1) + ")"
	return v
}

// customVerdict begins that of a custom rule.
func (e *Engine) customVerdict(ev *Event, w *watched, rule *custom, became Session, found finding) *Verdict {
	v := e.verdict(ev, w, rule.set.Name, found.grade)
	e.window.take(v, ev.Ref, found)
	v.Evidence = slices.Compact(v.Evidence) // a record that stands for several is several values
	v.Escalate = rule.set.Escalate
	var common []string
	for _, f := range rule.set.Per {
		common = append(common, f.String()+" "+f.value(ev, &w.party, became))
	}
	v.Target = strings.Join(common, ", ")
	return v
}

// reason words why a rule fired, with so many events or values, of what they have in common.
func (r *custom) reason(n int, target string) string {
	s := r.set
	events := strings.Join(s.Events, " or ")
	text := several(n, "event", "events") + " (" + events + ")"
	if len(s.Distinct) > 0 {
		text = several(n, "distinct value", "distinct values") + " of " + fieldList(s.Distinct) + " (" + events + ")"
	}
	if target != "" {
		text += " with " + target
	}
	return text + " within " + short(s.Window) + " (more than " + strconv.Itoa(clamped(s.MoreThan)) + ")"
}

func fieldList(fields []Field) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.String()
	}
	return strings.Join(names, " and ")
}

func vulnerabilityVerdict(e *Engine, ev *Event, w *watched) *Verdict {
	v := e.verdict(ev, w, RuleVulnerability, w.grade)
	v.Count, v.Hits = 1, int(w.weight)
	v.Target, v.Reason = threat(ev), attack(ev, &w.party)
	v.Evidence = []uint64{ev.Ref}
	return v
}

// attack describes a vulnerability record: "critical vulnerability attack: NAME (ID)
// against 198.51.100.7 port 443", without what the record does not hold.
func attack(ev *Event, p *party) string {
	var b strings.Builder
	b.WriteString(strings.ToLower(ev.Severity) + " vulnerability attack")
	if name := threat(ev); name != "" {
		b.WriteString(": " + name)
	}
	if p.dst.IsValid() {
		b.WriteString(" against " + plain(p.dst).String())
		if p.dstPort != 0 {
			b.WriteString(" port " + strconv.Itoa(int(p.dstPort)))
		}
	}
	return b.String()
}

// threat names a threat by name and id. Some formats write both into both fields, as
// in "Name(123)", so the id is added only where it is missing.
func threat(ev *Event) string {
	switch {
	case ev.ThreatName == "":
		return ev.ThreatID
	case ev.ThreatID == "" || strings.Contains(ev.ThreatName, ev.ThreatID):
		return ev.ThreatName
	}
	return ev.ThreatName + " (" + ev.ThreatID + ")"
}

func several(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// short writes a duration without its empty parts: 10m, 1h, 1h30m, 30s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Grade says how well the source of evidence is known.
type Grade uint8

const (
	// GradeUnknown is the zero value: nothing was counted.
	GradeUnknown Grade = iota
	// Forgeable: single packets from a forged source would have looked the same.
	Forgeable
	// Proven: there was a session with the source, so that it was really there.
	Proven
)

// String gives "forgeable" or "proven", "" for GradeUnknown.
func (g Grade) String() string {
	switch g {
	case Forgeable:
		return "forgeable"
	case Proven:
		return "proven"
	}
	return ""
}

// Mode says what a rule does with a source that fires it.
type Mode uint8

const (
	// Block is the zero value: the source is blocked, or held where that needs a person.
	Block Mode = iota
	// Observe: it is kept, and goes on being counted.
	Observe
	// Notice: it is told, and goes on being counted. Only custom rules have it.
	Notice
	// Off: the rule counts nothing.
	Off
)

// String gives the word that the configuration uses.
func (m Mode) String() string {
	switch m {
	case Observe:
		return "observe"
	case Notice:
		return "notice"
	case Off:
		return "off"
	}
	return "block"
}
