package dataplane

import (
	"time"

	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/logs"
	"activedefense/firewall/panosim/traffic"
	"activedefense/firewall/panosim/userid"
	"activedefense/firewall/panosim/xmltree"
)

// Options says what a data plane needs of its firewall.
type Options struct {
	Now      func() time.Time
	Device   logs.Device
	Dialect  *dialect.Dialect
	Policies *traffic.Policies
	Registry *userid.Registry
	Lists    traffic.Lists
	Running  func() *xmltree.Element              // the running configuration
	HostName func() string                        // that the firewall gives itself in syslog headers
	Log      func(severity, subtype, text string) // writes to the system log
	Keep     func(*logs.Record)                   // told of every log entry, which it must not change; nil: nobody is
}

// Plane is the data plane: it decides over packets, and keeps the sessions that they make.
//
// The caller of every method holds the lock that guards the options. Log lines that methods give are to be sent after it
// is given back.
type Plane struct {
	o        Options
	sessions sessionTable
	logged   uint64 // sequence number of the last log entry
}

// New makes one without sessions.
func New(o Options) *Plane {
	if o.Keep == nil {
		o.Keep = func(*logs.Record) {}
	}
	return &Plane{o: o}
}

// Restart is what a restart does to the data plane: sessions are gone.
func (d *Plane) Restart() { d.sessions = sessionTable{last: d.sessions.last} }

// Packet decides about a new session, by the policy that runs now, and gives the log lines that are to be sent. A packet
// of a virtual system that does not exist, or without both addresses, is nothing to decide about: the Verdict is zero.
func (d *Plane) Packet(p traffic.Packet) (traffic.Verdict, []logs.Line) {
	now := d.o.Now()
	vsys := d.o.Registry.Name(p.VSys)
	policy := d.o.Policies.Of(vsys)
	if policy == nil || !p.Source.IsValid() || !p.Destination.IsValid() {
		return traffic.Verdict{}, nil
	}
	members := d.o.Registry.Members(vsys)
	p.Complete()
	if p.At.IsZero() {
		p.At = now
	}
	rule := policy.Decide(&p, d.o.Lists, members)
	v := traffic.Verdict{Rule: rule.Name, UUID: rule.UUID, Action: rule.Action, Allowed: rule.Action == "allow"}
	session := &session{vsys: vsys, packet: p, rule: rule, began: now}
	var lines []logs.Line
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
func (d *Plane) deny(p *traffic.Policy, session *session, now time.Time) []logs.Line {
	r := session.rule
	if !r.LogEnd && !r.LogStart {
		return nil
	}
	entry := d.record(session, now)
	entry.Subtype, entry.Action, entry.App, entry.Reason = "drop", r.Action, "not-applicable", "policy-deny"
	if r.Applications != nil {
		entry.Subtype, entry.App = "deny", session.packet.Application
		entry.Session = d.sessions.number()
	}
	return d.forward(p, entry)
}

// allow makes the session, finds the threat in it, and logs.
func (d *Plane) allow(p *traffic.Policy, session *session, v *traffic.Verdict, now time.Time) []logs.Line {
	table := &d.sessions
	session.id = table.number()
	v.Session = session.id
	var lines []logs.Line
	if session.rule.LogStart {
		entry := d.record(session, now)
		entry.Subtype, entry.Action = "start", "allow"
		lines = d.forward(p, entry)
	}
	end := ""
	if session.packet.Short {
		end = "tcp-fin"
	}
	if found := session.packet.Threat; found != nil && session.rule.Vulnerability {
		entry := d.record(session, now)
		entry.Log, entry.Subtype, entry.Action = logs.Threat, "vulnerability", found.Action
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
func (d *Plane) end(session *session, reason string, now time.Time) []logs.Line {
	policy := d.o.Policies.Of(session.vsys)
	if !session.rule.LogEnd || policy == nil {
		return nil
	}
	entry := d.record(session, now)
	entry.Subtype, entry.Action, entry.Reason = "end", "allow", reason
	return d.forward(policy, entry)
}

// record begins a log entry about a session.
func (d *Plane) record(session *session, now time.Time) *logs.Record {
	d.logged++
	return &logs.Record{
		Device: d.o.Device, Dialect: *d.o.Dialect, Packet: &session.packet, Log: logs.Traffic, VSys: session.vsys,
		Rule: session.rule.Name, UUID: session.rule.UUID, Setting: session.rule.Setting, App: session.packet.Application,
		Session: session.id, Seq: d.logged, Began: session.began, Time: now,
	}
}

// EndSession ends a session as its two sides do; false: there is none of that number.
func (d *Plane) EndSession(id uint32) ([]logs.Line, bool) {
	session := d.sessions.remove(id)
	if session == nil {
		return nil, false
	}
	return d.end(session, "tcp-fin", d.o.Now()), true
}

// Sessions gives the numbers of the sessions that stand, oldest first.
func (d *Plane) Sessions() []uint32 { return d.sessions.order() }

// forward gives the lines by which a log entry is sent.
func (d *Plane) forward(p *traffic.Policy, entry *logs.Record) []logs.Line {
	d.o.Keep(entry)
	if entry.Setting == "" {
		return nil
	}
	return logs.Forward(p, entry, d.o.HostName(), func(text string) { d.o.Log("high", "general", text) })
}
