package explain

import (
	"cmp"
	"io"
	"slices"

	"activedefense/agent/display"
	"activedefense/store"
)

// WriteText writes the explanation for people: of several addresses and networks the address itself first.
func (x *Explanation) WriteText(w io.Writer) error {
	t := display.NewTable(w)
	t.Line("%s %s", x.Address, x.State())
	stories := append([]*Explanation{x}, x.Others...)
	slices.SortStableFunc(stories, func(a, b *Explanation) int { return cmp.Compare(b.bits(), a.bits()) })
	if x.Itself != nil {
		t.Line("\n%s itself was never on the blacklist: %s", x.Address, x.Itself.WhyNot)
		x.Itself.Program = x.Program
		x.Itself.write(t)
	}
	for _, story := range stories {
		t.Line("")
		if e := &story.Entries[0]; x.Itself != nil || len(stories) > 1 {
			alone := Explanation{Address: e.Address, Entries: story.Entries[:1], Was: story.Was}
			t.Line("%s %s", e.Address, alone.State())
			t.Line("")
		}
		story.write(t)
	}
	return t.Flush()
}

// write writes the story of the first entry.
func (x *Explanation) write(t *display.Table) {
	e := &x.Entries[0]
	t.Row("rule", e.Rule)
	t.Row("why", e.Reason)
	if e.Grade != "" {
		t.Row("grade", e.Grade)
	}
	switch {
	case e.Hold == "":
	case e.State == store.Held.String():
		t.Row("why held", e.Hold)
	default:
		t.Row("held before", e.Hold)
	}
	x.writeChoice(t)
	if e.Tag != "" {
		t.Row("tag of its rule", e.Tag)
	}
	if e.Target != "" {
		t.Row("target", e.Target)
	}
	t.Row("seen by", cmp.Or(e.Device, "-"))
	t.Row("first seen", display.LocalTime(e.FirstSeen))
	t.Row("last seen", display.LocalTime(e.LastSeen))
	t.Row("records", e.Hits)
	state := e.State
	if state == stateReleased {
		state = x.Was
	}
	if e.NeverInForce {
		state = "found"
	}
	t.Row(state, display.LocalTime(e.BlockedAt)+" by "+e.Made())
	if e.Escalation != "" {
		t.Row("length", e.Escalation)
	}
	switch {
	case e.NeverInForce:
		t.Row("never in force", e.ReleaseReason)
	case e.ReleasedAt != nil:
		t.Row("released", display.LocalTime(*e.ReleasedAt)+" by "+e.ReleasedBy+": "+e.ReleaseReason)
	case e.State != store.Blocked.String():
		t.Row(e.State+" until", e.Release()) // then it is forgotten, whether a person decided or not
	default:
		t.Row("release", e.Release())
	}
	x.writeLists(t)
}

// State is the answer in a sentence, behind the address.
func (x *Explanation) State() string {
	e := &x.Entries[0]
	var state string
	switch {
	case e.State == store.Held.String():
		state = "is held, and not blocked: a person has to decide"
	case e.State == store.Observed.String():
		state = "is observed, and not blocked: the rule's mode is observe"
	case e.ReleasedAt == nil:
		state = "is blocked"
	case x.Was != store.Blocked.String():
		state = "is not blocked, and was not: it was " + x.Was + " until " + display.LocalTime(*e.ReleasedAt)
	case e.NeverInForce:
		state = "is not blocked, and was not: the time to be blocked for was over when what it did was found, " + display.LocalTime(*e.ReleasedAt)
	default:
		state = "is not blocked now; it was until " + display.LocalTime(*e.ReleasedAt)
	}
	if e.Address != x.Address {
		state += ", by the network " + e.Address
	}
	return state
}

// program is how a reader calls this program.
func (x *Explanation) program() string { return cmp.Or(x.Program, "activedefense") }

// writeChoice says what a person can do about an entry that is not enforced.
func (x *Explanation) writeChoice(t *display.Table) {
	e := &x.Entries[0]
	switch e.State {
	case store.Held.String():
		t.Row("to block it", x.program()+" blacklist accept "+e.Address)
		t.Row("to dismiss it", x.program()+" blacklist remove "+e.Address)
	case store.Observed.String():
		t.Row("to block it", x.program()+" blacklist add "+e.Address+" --reason TEXT")
		t.Row("to dismiss it", x.program()+" blacklist remove "+e.Address)
	}
}

func (x *Explanation) writeLists(t *display.Table) {
	if len(x.Members) > 0 {
		t.Line("\nAddresses of it that were seen to attack, the newest first (%d; at most 16 are kept)", len(x.Members))
		for _, m := range x.Members {
			t.Line("  %s", m)
		}
	}
	t.Line("\nEnforced on")
	for _, f := range x.Enforced {
		if why := f.missing(x.program()); why != "" {
			t.Row("  "+f.Firewall, why)
			continue
		}
		ends := "until it is released"
		if f.State == stateLeftOut {
			ends = "LEFT OUT: the firewall has no room for it"
		} else if !f.Until.IsZero() {
			ends = "the tag expires " + display.LocalTime(f.Until) + " unless it is renewed"
		}
		name := f.Firewall
		if f.Unknown {
			name += " (not in this configuration)"
		}
		if f.Address != "" && f.Address != x.Entries[0].Address {
			name += ", " + f.Address + " alone"
		}
		seen := ""
		switch {
		case f.State == statePending && f.SeenAt.IsZero():
			seen = "PENDING: written, not read back yet"
		case f.State != stateLeftOut:
			seen = "seen " + display.LocalTime(f.SeenAt)
		}
		t.Row("  "+name, "since "+display.LocalTime(f.Since), seen, ends)
		f.writeRemarks(t, x.program())
	}
	switch {
	case slices.ContainsFunc(x.Enforced, func(e Enforced) bool { return e.State != stateUnknown }):
	case x.Blocked && len(x.Enforced) > 0:
		t.Line("  The list has it, where one is served; whether a rule of a firewall uses the list: %s verify", x.program())
	case x.Blocked:
		t.Line("  no firewall is configured or noted; the list has it, where one is served")
	case x.Was == store.Blocked.String() && !x.Entries[0].NeverInForce:
		t.Line("  no firewall, as far as is noted; whether a rule of one drops it by an old copy of the list: %s verify", x.program())
	default:
		t.Line("  no firewall")
	}
	if len(x.Evidence) > 0 {
		writeEvidence(t, "it", x.Evidence)
	}
	for _, e := range x.Earlier {
		writeEvidence(t, "that of "+display.LocalTime(e.BlockedAt)+" before it, rule "+e.Rule, e.Evidence)
	}
	t.Line("\nHistory")
	for _, e := range x.Audit {
		t.Row("  "+display.LocalTime(e.Time), e.Action, "by "+e.By, e.Reason)
	}
}

// writeRemarks writes what else there is to say of what a firewall holds.
func (f *Enforced) writeRemarks(t *display.Table, program string) {
	if f.Maintenance {
		t.Line("    IN MAINTENANCE (firewalls[].maintenance): nothing is sent to it, and this was noted before")
	}
	if f.State == statePending && f.Fault != "" {
		t.Line("    PENDING: no rule in force is known to stop it there: %s (as looked at %s, and again within six minutes of a commit, at once after systemctl reload activedefense; %s verify says what to do)", display.Harmless(f.Fault), display.LocalTime(f.PolicyAt), program)
	}
}

func writeEvidence(t *display.Table, of string, lines []EvidenceLine) {
	t.Line("\nLog lines that led to %s (%d)", display.Harmless(of), len(lines))
	for _, e := range lines {
		t.Line("  %s", display.Harmless(e.Line))
	}
}

// missing says why it is not known to hold anything; empty: it is.
func (f *Enforced) missing(program string) string {
	switch {
	case f.State == stateUnknown && f.Maintenance:
		return "UNKNOWN: it is in maintenance (firewalls[].maintenance): nothing is sent to it"
	case f.State == statePaused:
		return "PAUSED: a person has taken everything off the firewalls and the list for a time; " + program + " blacklist resume ends it"
	case f.State == stateUnknown:
		return "UNKNOWN: nothing is noted; " + program + " status says whether it is written to"
	}
	return ""
}
