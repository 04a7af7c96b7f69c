package detect

import (
	"net/netip"
	"strings"
)

// becausePrivate is all that is said of a source that is not public; [Settings.Explain] says more.
const becausePrivate = "the source is not public"

const becauseOff = "the rule is off"

// Why a record counts for no rule, or not for one, as plain sentences without a full stop; "" where it counts. The order is that in
// which they are asked.

// notAgainst says why a record is held against nobody, whatever the rule.
func (k *known) notAgainst(ev *Event, p *party) string {
	switch {
	case p.proxied && !p.addr.IsValid():
		return "it comes from a proxy of ours (networks.proxies), which names no client"
	case !p.addr.IsValid() && isLogin(ev):
		return "the record does not say where the client is"
	case !p.addr.IsValid():
		return "the record has no source address"
	case p.proxied && k.isProxy(p.addr):
		return "the client that a proxy of ours names is a proxy of ours"
	case k.ours.Contains(p.addr):
		return "the source is ours"
	case !canBeSource(p.addr):
		return becausePrivate
	case !isLogin(ev) && ev.Type != TypeLog && k.elsewhere(p.dst):
		return "the destination is not known to be ours; if it is, name its network in networks.own (activedefense status --all lists what is taken as ours)"
	}
	return ""
}

// elsewhere tells whether a destination is not ours. Where nothing public is known to be ours, all are.
func (k *known) elsewhere(dst netip.Addr) bool {
	return k.ours.Known() && dst.IsValid() && !k.inside(dst)
}

func (k *known) isProxy(addr netip.Addr) bool {
	_, ok := k.proxies.covering(addr, addr.As16())
	return ok
}

// notVulnerability says why the record is no vulnerability attack that blocks its source.
func (k *known) notVulnerability(ev *Event, p *party) string {
	v := &k.settings.Vulnerability
	switch {
	case v.Mode == Off || v.Severity == VulnerabilityOff && len(k.threats) == 0:
		return becauseOff
	case ev.Type != TypeThreat:
		return "only THREAT records count"
	case !strings.EqualFold(ev.Subtype, "vulnerability"):
		return "only subtype vulnerability counts"
	case !k.severe(ev):
		if v.Severity == VulnerabilityOff {
			return "its id is none of threat_ids"
		}
		return "the severity is below " + v.Severity.String()
	case ev.Direction == ServerToClient && !p.refusal:
		// Seen in the server's answer: the sender may be our own server's victim,
		// or a site that one of our users went to.
		return "the direction is server-to-client, so the source need not be the attacker"
	}
	return ""
}

func (k *known) severe(ev *Event) bool {
	severity := k.settings.Vulnerability.Severity
	if severity != VulnerabilityOff && strings.EqualFold(ev.Severity, "critical") ||
		severity == VulnerabilityHigh && strings.EqualFold(ev.Severity, "high") {
		return true
	}
	if len(k.threats) == 0 {
		return false
	}
	id := threatID(ev)
	for _, wanted := range k.threats {
		if id == wanted {
			return true
		}
	}
	return false
}

// notReaching says why a record does not tell of its source reaching out to its destination.
func notReaching(ev *Event, p *party) string {
	switch {
	case ev.Type != TypeTraffic && ev.Type != TypeThreat:
		return "only TRAFFIC and THREAT records count"
	case !p.dst.IsValid():
		return "the record has no destination address"
	case ev.Type == TypeTraffic:
		return ""
	case strings.EqualFold(ev.Subtype, "flood"):
		return "records of a flood never count: their sources are forged at will"
	case ev.Direction == ServerToClient && !p.refusal && !tellsOfScan(ev):
		// A server that answers sends to the client's ephemeral ports; counted, a
		// busy web server would look like a scan of its own visitors.
		return "the direction is server-to-client: the source answers, it does not reach out"
	}
	return ""
}

// The reasons for which a rule that counts refused records alone passes over a record.
const (
	becauseServed = "the session was served, and only refused ones count (detect.outcome)"
	becauseBegun  = "it is the start of a session: what becomes of it, its end will say"
	becauseLate   = "it is the late answer to a session that ours opened"
	becauseCaller = "a record of spyware or a virus tells of an infected host, not of who reached out"
)

// notRefused says why a rule that counts refused records alone does not count a record that reaches out.
func notRefused(ev *Event, became Session) string {
	switch became {
	case SessionBegun:
		return becauseBegun
	case SessionLate:
		return becauseLate
	case SessionRefused:
	default:
		return becauseServed
	}
	if ev.Type == TypeThreat && tellsOfInfection(ev.Subtype) {
		return becauseCaller
	}
	return ""
}

func tellsOfInfection(subtype string) bool {
	switch strings.ToLower(subtype) {
	case "spyware", "virus", "wildfire", "wildfire-virus", "ml-virus", "corrective":
		return true
	}
	return false
}
