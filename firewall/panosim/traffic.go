package panosim

import (
	"time"

	"activedefense/firewall/panosim/dialect"
)

// PlaneOptions says what a data plane needs of its firewall.
type PlaneOptions struct {
	Now      func() time.Time
	Device   Device
	Dialect  *dialect.Dialect
	Policies *policies
	Registry *registry
	Lists    lists
	HostName func() string                        // that the firewall gives itself in syslog headers
	Log      func(severity, subtype, text string) // writes to the system log
}

// plane is the data plane: it decides over packets, and keeps the sessions that they make.
//
// The caller of every method holds the lock that guards the options. Log lines that methods give are to be sent after it
// is given back.
type plane struct {
	o        PlaneOptions
	sessions sessionTable
	logged   uint64 // sequence number of the last log entry
}

// newPlane makes one without sessions.
func newPlane(o PlaneOptions) *plane { return &plane{o: o} }

// Restart is what a restart does to the data plane: sessions are gone.
func (d *plane) Restart() { d.sessions = sessionTable{last: d.sessions.last} }

// Packet decides about a new session, by the policy that runs now, and gives the log lines that are to be sent. A packet
// of a virtual system that does not exist, or without both addresses, is nothing to decide about: the Verdict is zero.
func (d *plane) Packet(p Packet) (Verdict, []syslogLine) {
	now := d.o.Now()
	vsys := d.o.Registry.name(p.VSys)
	policy := d.o.Policies.Of(vsys)
	if policy == nil || !p.Source.IsValid() || !p.Destination.IsValid() {
		return Verdict{}, nil
	}
	members := d.o.Registry.Members(vsys)
	p.complete()
	rule := policy.decide(&p, d.o.Lists, members)
	v := Verdict{Rule: rule.name, UUID: rule.uuid, Action: rule.action, Allowed: rule.action == "allow"}
	session := &session{vsys: vsys, packet: p, rule: rule, began: now}
	var lines []syslogLine
	if v.Allowed {
		lines = d.allow(policy, session, &v, now)
	} else {
		lines = d.deny(policy, session, now)
	}
	v.Lines = len(lines)
	return v, lines
}

// deny logs a session that is refused. Where the rule says nothing about applications the first packet is
// enough to refuse it: it is dropped before the application is known, and no session is made.
func (d *plane) deny(p *policy, session *session, now time.Time) []syslogLine {
	r := session.rule
	if !r.logEnd && !r.logStart {
		return nil
	}
	entry := d.record(session, now)
	entry.subtype, entry.action, entry.app, entry.reason = "drop", r.action, "not-applicable", "policy-deny"
	if r.applications != nil {
		entry.subtype, entry.app = "deny", session.packet.Application
		entry.session = d.sessions.number()
	}
	return d.forward(p, entry)
}

// allow makes the session, finds the threat in it, and logs.
func (d *plane) allow(p *policy, session *session, v *Verdict, now time.Time) []syslogLine {
	table := &d.sessions
	session.id = table.number()
	v.Session = session.id
	var lines []syslogLine
	if session.rule.logStart {
		entry := d.record(session, now)
		entry.subtype, entry.action = "start", "allow"
		lines = d.forward(p, entry)
	}
	end := ""
	if session.packet.Short {
		end = "tcp-fin"
	}
	if found := session.packet.Threat; found != nil && session.rule.vulnerability {
		entry := d.record(session, now)
		entry.log, entry.subtype, entry.action = threat, "vulnerability", found.Action
		lines = append(lines, d.forward(p, entry)...)
		v.Threat = true
		if found.Action != "alert" && found.Action != "allow" {
			v.Allowed, end = false, "threat"
		}
	}
	if end != "" {
		return append(lines, d.end(session, end, now)...)
	}
	if old := table.add(session); old != nil {
		lines = append(lines, d.end(old, "resources-unavailable", now)...)
	}
	return lines
}

// end logs that a session which was allowed is over.
func (d *plane) end(session *session, reason string, now time.Time) []syslogLine {
	policy := d.o.Policies.Of(session.vsys)
	if !session.rule.logEnd || policy == nil {
		return nil
	}
	entry := d.record(session, now)
	entry.subtype, entry.action, entry.reason = "end", "allow", reason
	return d.forward(policy, entry)
}

// record begins a log entry about a session.
func (d *plane) record(session *session, now time.Time) *record {
	d.logged++
	return &record{
		device: d.o.Device, dialect: *d.o.Dialect, packet: &session.packet, log: traffic, vsys: session.vsys,
		rule: session.rule.name, uuid: session.rule.uuid, setting: session.rule.setting, app: session.packet.Application,
		session: session.id, seq: d.logged, began: session.began, time: now,
	}
}

// EndSession ends a session as its two sides do; false: there is none of that number.
func (d *plane) EndSession(id uint32) ([]syslogLine, bool) {
	session := d.sessions.remove(id)
	if session == nil {
		return nil, false
	}
	return d.end(session, "tcp-fin", d.o.Now()), true
}

// Sessions gives the numbers of the sessions that stand, oldest first.
func (d *plane) Sessions() []uint32 { return d.sessions.order() }

// forward gives the lines by which a log entry is sent.
func (d *plane) forward(p *policy, entry *record) []syslogLine {
	if entry.setting == "" {
		return nil
	}
	return forward(p, entry, d.o.HostName(), func(text string) { d.o.Log("high", "general", text) })
}
