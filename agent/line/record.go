package line

import (
	"strings"

	"activedefense/detect"
	"activedefense/store"
)

// protocols are those of the store, by those of detection.
var protocols = [...]store.Protocol{
	detect.ProtocolUnknown: store.ProtocolUnknown,
	detect.TCP:             store.TCP,
	detect.UDP:             store.UDP,
	detect.ICMP:            store.ICMP,
	detect.OtherProtocol:   store.OtherProtocol,
}

// outcomes are what the store keeps of what became of a session. Of a start nothing is kept: its subtype says it.
var outcomes = [...]store.Outcome{
	detect.SessionUnjudged: store.OutcomeUnknown,
	detect.SessionBegun:    store.OutcomeUnknown,
	detect.SessionRefused:  store.Refused,
	detect.SessionAnswered: store.Answered,
	detect.SessionLate:     store.LateAnswer,
}

// recordOf gives the record of one line, of which detection said r. What a session carried and its translated addresses are not kept.
func recordOf(ev *detect.Event, r detect.Result, at Place) store.Record {
	if ev.Type == detect.TypeLog { // its grade is its pattern's word, whether a rule counts it or not, and a restart has it from here
		r.Grade = detect.GradeOf(ev)
	}
	return store.Record{
		Time: ev.Time, Device: ev.Device,
		Src: ev.Src, Dst: ev.Dst, SrcPort: ev.SrcPort, DstPort: ev.DstPort,
		SrcUser: ev.SrcUser, SrcCountry: ev.SrcCountry, DstCountry: ev.DstCountry,
		Action: ev.Action, Rule: ev.Rule, RuleID: ev.RuleID,
		ThreatName: ev.ThreatName, ThreatID: ev.ThreatID, Severity: ev.Severity,
		Subtype: ev.Subtype, Type: ev.Type.String(), Direction: ev.Direction.String(),
		Application: ev.Application, FromZone: ev.SrcZone, ToZone: ev.DstZone, SessionEndReason: ev.EndReason,
		Protocol: protocols[ev.Protocol], Outcome: outcomes[r.Session], Grade: grades[r.Grade],
		Repeat: max(ev.Repeat, 1), File: at.Origin, Offset: at.Offset,
	}
}

// EventOf turns a stored record back into what the engine saw, as far as the store gives it for a restart.
func EventOf(r *store.Record) detect.Event {
	ev := detect.Event{
		Time: r.Time, Device: r.Device, Src: r.Src, Dst: r.Dst, SrcPort: r.SrcPort, DstPort: r.DstPort, SrcUser: r.SrcUser,
		SrcCountry: r.SrcCountry, DstCountry: r.DstCountry, Action: r.Action, Rule: r.Rule, RuleID: r.RuleID, ThreatName: r.ThreatName, ThreatID: r.ThreatID, Severity: r.Severity, Subtype: r.Subtype,
		Application: r.Application, SrcZone: r.FromZone, DstZone: r.ToZone, EndReason: r.SessionEndReason,
		Repeat: r.Repeat, Ref: Place{r.File, r.Offset}.ref(),
	}
	for typ := detect.TypeTraffic; typ <= detect.TypeLog; typ++ {
		if strings.EqualFold(r.Type, typ.String()) {
			ev.Type = typ
		}
	}
	ev.Proven = ev.Type == detect.TypeLog && r.Grade == store.Proven
	for _, d := range []detect.Direction{detect.ClientToServer, detect.ServerToClient} {
		if r.Direction == d.String() {
			ev.Direction = d
		}
	}
	for p, stored := range protocols {
		if r.Protocol == stored {
			ev.Protocol = detect.Protocol(p)
		}
	}
	switch r.Outcome { // of an earlier version's records, which have none, the engine judges again
	case store.Refused:
		ev.Session = detect.SessionRefused
	case store.Answered:
		ev.Session = detect.SessionAnswered
	case store.LateAnswer:
		ev.Session = detect.SessionLate
	}
	return ev
}
