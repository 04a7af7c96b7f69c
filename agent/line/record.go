package line

import (
	"net/netip"
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

// setRecord makes of a record, whatever it was, that of one line, of which detection said r. What a session carried, of which the outcome tells, and
// its translated addresses, which the memory has, are not kept. Each field is set where it lies: to make a record elsewhere and copy it costs half as much again.
func setRecord(rec *store.Record, ev *detect.Event, r detect.Result, at Place) {
	if ev.Type == detect.TypeLog { // its grade is its pattern's word, whether a rule counts it or not, and a restart has it from here
		r.Grade = detect.GradeOf(ev)
	}
	rec.ID, rec.Agent, rec.Path = 0, 0, "" // the store's
	rec.Time, rec.Device = ev.Time, ev.Device
	rec.Src, rec.Dst, rec.SrcPort, rec.DstPort = ev.Src, ev.Dst, ev.SrcPort, ev.DstPort
	rec.SrcUser, rec.SrcCountry, rec.DstCountry = ev.SrcUser, ev.SrcCountry, ev.DstCountry
	rec.Action, rec.Rule, rec.RuleID = ev.Action, ev.Rule, ev.RuleID
	rec.ThreatName, rec.ThreatID, rec.Severity = ev.ThreatName, ev.ThreatID, ev.Severity
	rec.Subtype, rec.Type, rec.Direction = ev.Subtype, ev.Type.String(), ev.Direction.String()
	rec.Application, rec.FromZone, rec.ToZone, rec.SessionEndReason = ev.Application, ev.SrcZone, ev.DstZone, ev.EndReason
	if rec.Category, rec.Client = ev.Category, ""; ev.Client.IsValid() {
		rec.Client = ev.Client.String()
	}
	rec.Protocol, rec.Outcome, rec.Grade = protocols[ev.Protocol], outcomes[r.Session], grades[r.Grade]
	rec.Repeat, rec.File, rec.Offset = max(ev.Repeat, 1), at.Origin, at.Offset
}

// EventOf turns a stored record back into what the engine saw, as far as the store gives it for a restart.
func EventOf(r *store.Record) detect.Event {
	ev := detect.Event{
		Time: r.Time, Device: r.Device, Src: r.Src, Dst: r.Dst, SrcPort: r.SrcPort, DstPort: r.DstPort, SrcUser: r.SrcUser,
		SrcCountry: r.SrcCountry, DstCountry: r.DstCountry, Action: r.Action, Rule: r.Rule, RuleID: r.RuleID, ThreatName: r.ThreatName, ThreatID: r.ThreatID, Severity: r.Severity, Subtype: r.Subtype,
		Application: r.Application, SrcZone: r.FromZone, DstZone: r.ToZone, EndReason: r.SessionEndReason, Category: r.Category,
		Repeat: r.Repeat, Ref: Place{r.File, r.Offset}.ref(),
	}
	if r.Client != "" {
		ev.Client, _ = netip.ParseAddr(r.Client) // the zero Addr for what is none
	}
	for typ := detect.TypeTraffic; typ <= detect.TypeLog; typ++ {
		if strings.EqualFold(r.Type, typ.String()) {
			ev.Type = typ
			break
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
