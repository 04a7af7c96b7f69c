package panos

import (
	"net/netip"
	"time"

	"activedefense/detect"
)

// loginMark begins the formats of the logs that hold logins.
const loginMark = "Type"

// parseKV reads a record in one of the key=value formats.
func (p *Parser) parseKV(h *header, at time.Time, ev *detect.Event) error {
	if hasPrefix(h.body, loginMark) {
		if ours, err := p.parseLogin(h, at, ev); ours {
			return err
		}
	}
	v := &p.values
	more, err := p.layout(h.body, v)
	if err != nil {
		return err
	}
	for k := range numKeys {
		if b := v[k]; untidy(b) {
			v[k] = fieldValue(k, b)
		}
	}
	if ev.Type = recordType(v[keyType]); ev.Type == detect.TypeUnknown {
		return otherType(v[keyType])
	}
	if err := setEndpoints(ev, v[keySrcIP], v[keySrcPort], v[keyDstIP], v[keyDstPort]); err != nil {
		return err
	}
	n := &p.names
	ev.SrcCountry = n.region.get(v[keySrcLocation])
	ev.DstCountry = n.region.get(v[keyDstLocation])
	p.setUser(ev, v[keySrcUser])
	ev.Action = n.action.get(v[keyAction])
	ev.Rule = n.rule.get(v[keyRuleName])
	ev.RuleID = n.ruleID.get(v[keyRuleID])
	name, id := threatPair(v[keyThreatName], v[keyThreatID])
	ev.ThreatName = n.threat.get(name)
	ev.ThreatID = n.threatID.get(id)
	ev.Severity = n.severity.get(v[keySeverity])
	ev.Subtype = n.subtype.get(v[keySubtype])
	ev.Device = n.device.get(h.host)
	if more != nil {
		p.setTail(more, v, ev)
		return p.setGenerated(ev, recordTimes{received: v[keyTimeReceived], generated: v[keyTimeGenerated], precise: v[keyTimePrecise]}, h, at)
	}
	return p.setTime(ev, v[keyTimeReceived], h, at)
}

// setTail sets the fields that the longer formats have, but the time.
func (p *Parser) setTail(more tail, v *values, ev *detect.Event) {
	for _, k := range more {
		if b := v[k]; untidy(b) {
			v[k] = fieldValue(k, b)
		}
	}
	n := &p.names
	ev.Application = n.application.get(v[keyApplication])
	ev.SrcZone = n.zone.get(v[keySrcZone])
	ev.DstZone = n.zone.get(v[keyDstZone])
	ev.Protocol = protocol(v[keyProtocol])
	ev.NATSrc, ev.NATSrcPort = translated(v[keySrcIP], v[keySrcPort], v[keyNATSrcIP], v[keyNATSrcPort])
	ev.NATDst, ev.NATDstPort = translated(v[keyDstIP], v[keyDstPort], v[keyNATDstIP], v[keyNATDstPort])
	ev.Traffic = counters(v[keyBytesSent], v[keyBytesReceived], v[keyPacketsSent], v[keyPacketsReceived])
	ev.EndReason = n.endReason.get(v[keyEndReason])
	ev.Direction = direction(v[keyDirection])
	ev.Category = n.category.get(v[keyCategory])
}

// untidy says whether fieldValue may have something to take off. Most values have nothing.
func untidy(b []byte) bool {
	return len(b) == 0 || b[0] <= ' ' || b[0] == '$' || b[0] == '\\' || b[len(b)-1] <= ' '
}

// setEndpoints sets addresses and ports. A record may lack all but the source.
func setEndpoints(ev *detect.Event, src, srcPort, dst, dstPort []byte) error {
	if len(src) == 0 {
		return ErrNoSource
	}
	var ok bool
	if ev.Src, ok = address(src); !ok {
		return ErrBadAddress
	}
	if len(dst) > 0 {
		if ev.Dst, ok = address(dst); !ok {
			return ErrBadAddress
		}
	}
	if ev.SrcPort, ok = port(srcPort); !ok {
		return ErrBadPort
	}
	if ev.DstPort, ok = port(dstPort); !ok {
		return ErrBadPort
	}
	return nil
}

// fieldValue trims a value and empties it if the firewall wrote the name of the
// variable in place of it. Where a value may be free text only its own variable's
// name counts: users may begin with a dollar sign.
func fieldValue(k key, b []byte) []byte {
	b = trimLeft(trimRight(b))
	if len(b) == 0 {
		return nil
	}
	variable := b
	if b[0] == '\\' {
		variable = b[1:]
	}
	if len(variable) > 0 && variable[0] == '$' && (!keyTable[k].free || string(variable) == keyTable[k].variable) {
		return nil
	}
	return b
}

// otherType tells a record of another log from one whose type was lost.
func otherType(b []byte) error {
	if beginsFold("TRAFFIC", b) || beginsFold("THREAT", b) {
		return ErrTruncated
	}
	return ErrIgnored
}

// address reads an address as the format has it. A space behind its first colon is
// rsyslog's: when the address is in the first word of a message, that word looks
// like a tag, and rsyslog puts a space behind a tag's colon.
func address(b []byte) (netip.Addr, bool) {
	a, ok := parseAddr(b)
	if ok || len(b) > 64 {
		return a, ok
	}
	var joined [64]byte
	for i := range b {
		if b[i] == ':' {
			if i+1 < len(b) && b[i+1] == ' ' {
				n := copy(joined[:], b[:i+1])
				n += copy(joined[n:], b[i+2:])
				return parseAddr(joined[:n])
			}
			break
		}
	}
	return a, false
}
