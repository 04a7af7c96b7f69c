package detect

import (
	"net/netip"
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
}

// Verdict is the finding that a source should be blocked. All times are in UTC.
type Verdict struct {
	Source netip.Prefix // a single address, as /32 or /128
	Rule   string
	Time   time.Time // of the record that completed it
	// FirstSeen and LastSeen are the earliest and the latest time of the evidence.
	// Late arrivals may make LastSeen later than Time.
	FirstSeen, LastSeen time.Time
	Device              string // of the completing record
	Country             string // of the source, as that record names it; set by whoever feeds the engine, "" where no log says it
	Count               int    // distinct ports or hosts; 1 for vulnerability
	// Hits is how many records it rests on, repeats included. Records of one port of
	// one address that came close together are merged, and then counted where the
	// last of them is, up to 65,535 for each sighting.
	Hits     int
	Target   string   // "198.51.100.7", "port 443", or the threat's name and id
	Reason   string   // one plain sentence without a full stop
	Evidence []uint64 // Event.Ref of at most 64 records, oldest first

	Grade Grade
	// Mode of the rule: Block or Observe.
	Mode Mode
	// Hold says why a person has to decide, as one plain sentence without a full stop; "" if nobody has to.
	Hold string
	// BlockFor is how long the block lasts from Time on; 0: until the source is quiet.
	BlockFor time.Duration
	// Tag is that of the rule on the firewalls; "" for the usual one.
	Tag string
	// Addresses are those of Source that were seen to attack, the newest first and at most 16; empty where Source is a
	// single address.
	Addresses []netip.Addr
}

// finding is the part of the window that fired a rule.
type finding struct{ rule, from, to int }

// scanVerdict words what the window holds.
func (e *Engine) scanVerdict(ev *Event, src netip.Addr, completing uint64, found finding) *Verdict {
	points := e.window.points[found.from:found.to]
	v := &Verdict{
		Source:    single(src),
		Rule:      ruleNames[found.rule],
		Time:      ev.Time.UTC(),
		FirstSeen: clock(points[0].time),
		LastSeen:  clock(points[len(points)-1].time),
		Device:    ev.Device,
		Evidence:  evidence(points, completing),
	}
	distinct := make(map[int32]struct{}, e.rules[found.rule].need)
	for i := range points {
		v.Hits += int(points[i].weight)
		distinct[points[i].id] = struct{}{}
	}
	v.Count = len(distinct)
	if found.rule == portScan {
		v.Target = plain(ev.Dst).String()
		v.Reason = several(v.Count, "port", "ports") + " of " + v.Target + " within " +
			short(e.settings.PortScan.Window) + " (more than " + strconv.Itoa(e.rules[portScan].need-1) + ")"
	} else {
		v.Target = "port " + strconv.Itoa(int(ev.DstPort))
		v.Reason = several(v.Count, "address", "addresses") + " on " + v.Target + " within " +
			short(e.settings.HostSweep.Window) + " (at least " + strconv.Itoa(e.rules[hostSweep].need) + ")"
	}
	return v
}

func vulnerabilityVerdict(ev *Event, src netip.Addr) *Verdict {
	at := ev.Time.UTC()
	return &Verdict{
		Source:    single(src),
		Rule:      RuleVulnerability,
		Time:      at,
		FirstSeen: at,
		LastSeen:  at,
		Device:    ev.Device,
		Count:     1,
		Hits:      int(max(ev.Repeat, 1)),
		Target:    threat(ev),
		Reason:    attack(ev),
		Evidence:  []uint64{ev.Ref},
	}
}

// attack describes a vulnerability record: "critical vulnerability attack: NAME (ID)
// against 198.51.100.7 port 443", without what the record does not hold.
func attack(ev *Event) string {
	var b strings.Builder
	b.WriteString(strings.ToLower(ev.Severity) + " vulnerability attack")
	if name := threat(ev); name != "" {
		b.WriteString(": " + name)
	}
	if ev.Dst.IsValid() {
		b.WriteString(" against " + plain(ev.Dst).String())
		if ev.DstPort != 0 {
			b.WriteString(" port " + strconv.Itoa(int(ev.DstPort)))
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
