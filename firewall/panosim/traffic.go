package panosim

import (
	"slices"
	"time"
)

// Packet has the firewall decide about a new session, by the policy that runs now, and write the logs that it would
// write. A packet of a virtual system that does not exist, or without both addresses, is nothing to decide about:
// the Verdict is zero. So it is where no traffic is forwarded: by a member of a pair that is not the active one, by a
// firewall that restarts, until it has started, and by a Panorama.
//
// Not simulated: address translation, decryption, zone and DoS protection, schedules (a rule with one always
// holds), regions, URL categories and host profiles (a rule with one never matches), how policy changes reach
// sessions that stand already (they go on until they are cleared), and that a pair hands sessions over.
func (s *Sim) Packet(p Packet) Verdict {
	s.mu.Lock()
	now := s.opts.Now()
	changes := s.expireLocked(now)
	var verdict Verdict
	var lines []syslogLine
	if s.forwardsTraffic() {
		verdict, lines = s.packetLocked(&p, now)
	}
	s.mu.Unlock()
	s.tell(changes)
	s.deliver(lines)
	return verdict
}

// forwardsTraffic says whether packets pass through the firewall at all.
func (s *Sim) forwardsTraffic() bool {
	m := s.seat.Load()
	return s.panorama == nil && (m == nil || m.active.Load()) && s.boot.forwards()
}

func (s *Sim) packetLocked(p *Packet, now time.Time) (Verdict, []syslogLine) {
	vsys := s.name(p.VSys)
	policy := s.policyLocked(vsys)
	if policy == nil || !p.Source.IsValid() || !p.Destination.IsValid() {
		return Verdict{}, nil
	}
	s.plane.groups[vsys].settle(now)
	p.complete()
	rule := s.decide(policy, p)
	v := Verdict{Rule: rule.name, UUID: rule.uuid, Action: rule.action, Allowed: rule.action == "allow"}
	session := &session{vsys: vsys, packet: *p, rule: rule, began: now}
	var lines []syslogLine
	if v.Allowed {
		lines = s.allowLocked(policy, session, &v, now)
	} else {
		lines = s.denyLocked(policy, session, now)
	}
	v.Lines = len(lines)
	return v, lines
}

// complete fills in what a packet may leave open.
func (p *Packet) complete() {
	p.Source, p.Destination = p.Source.Unmap().WithZone(""), p.Destination.Unmap().WithZone("")
	if p.Protocol == "" {
		p.Protocol = "tcp"
	}
	if p.Application == "" {
		p.Application = guessApplication(p)
	}
	if p.Threat != nil {
		t := *p.Threat
		if t.Severity == "" {
			t.Severity = "critical"
		}
		if t.Action == "" {
			t.Action = "reset-both"
		}
		p.Threat = &t
	}
}

// denyLocked logs a session that is refused. Where the rule says nothing about applications the first packet is
// enough to refuse it: it is dropped before the application is known, and no session is made.
func (s *Sim) denyLocked(p *policy, session *session, now time.Time) []syslogLine {
	r := session.rule
	if !r.logEnd && !r.logStart {
		return nil
	}
	entry := s.recordLocked(session, now)
	entry.subtype, entry.action, entry.app, entry.reason = "drop", r.action, "not-applicable", "policy-deny"
	if r.applications != nil {
		entry.subtype, entry.app = "deny", session.packet.Application
		entry.session = s.plane.sessions.number()
	}
	return s.forwardLocked(p, entry)
}

// allowLocked makes the session, finds the threat in it, and logs.
func (s *Sim) allowLocked(p *policy, session *session, v *Verdict, now time.Time) []syslogLine {
	table := &s.plane.sessions
	session.id = table.number()
	v.Session = session.id
	var lines []syslogLine
	if session.rule.logStart {
		entry := s.recordLocked(session, now)
		entry.subtype, entry.action = "start", "allow"
		lines = s.forwardLocked(p, entry)
	}
	end := ""
	if session.packet.Short {
		end = "tcp-fin"
	}
	if found := session.packet.Threat; found != nil && session.rule.vulnerability {
		entry := s.recordLocked(session, now)
		entry.log, entry.subtype, entry.action = threat, "vulnerability", found.Action
		lines = append(lines, s.forwardLocked(p, entry)...)
		v.Threat = true
		if found.Action != "alert" && found.Action != "allow" {
			v.Allowed, end = false, "threat"
		}
	}
	if end != "" {
		return append(lines, s.endLocked(session, end, now)...)
	}
	if old := table.add(session); old != nil {
		lines = append(lines, s.endLocked(old, "resources-unavailable", now)...)
	}
	return lines
}

// endLocked logs that a session which was allowed is over.
func (s *Sim) endLocked(session *session, reason string, now time.Time) []syslogLine {
	policy := s.policyLocked(session.vsys)
	if !session.rule.logEnd || policy == nil {
		return nil
	}
	entry := s.recordLocked(session, now)
	entry.subtype, entry.action, entry.reason = "end", "allow", reason
	return s.forwardLocked(policy, entry)
}

// recordLocked begins a log entry about a session.
func (s *Sim) recordLocked(session *session, now time.Time) *record {
	s.plane.logged++
	return &record{
		device: &s.opts, version: s.version, dialect: s.dialect, packet: &session.packet, log: traffic, vsys: session.vsys,
		rule: session.rule.name, uuid: session.rule.uuid, setting: session.rule.setting, app: session.packet.Application,
		session: session.id, seq: s.plane.logged, began: session.began, time: now,
	}
}

// EndSession ends a session as its two sides do, which is logged; false: there is none of that number.
func (s *Sim) EndSession(id uint32) bool {
	s.mu.Lock()
	var lines []syslogLine
	session := s.plane.sessions.remove(id)
	if session != nil {
		lines = s.endLocked(session, "tcp-fin", s.opts.Now())
	}
	s.mu.Unlock()
	s.deliver(lines)
	return session != nil
}

// Sessions gives the numbers of the sessions that stand, oldest first.
func (s *Sim) Sessions() []uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.plane.sessions.order())
}
