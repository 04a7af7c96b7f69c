package detect

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Ignore names records that never count. A record is ignored when it meets each condition that is set, and a condition is met
// by any of its values. Texts are compared without regard to case.
type Ignore struct {
	Src, Dst     []netip.Prefix // who did it, and to whom
	DstPort      []PortRange
	Device       []string
	Zone         []string // of the source
	Application  []string
	FirewallRule []string
	Subtype      []string
	ThreatID     []uint32
	Rules        []string  // the rules that do not count it; empty: none does
	Until        time.Time // by event time; zero: for ever
	Reason       string
}

// PortRange are the ports from From to To.
type PortRange struct{ From, To uint16 }

// ruleSet gives the rules that an entry keeps from counting.
func (ig *Ignore) ruleSet() (set ruleSet) {
	for r, name := range ruleNames {
		if len(ig.Rules) == 0 || slices.Contains(ig.Rules, name) {
			set |= 1 << r
		}
	}
	return set
}

// meets tells whether a record meets all conditions.
func (ig *Ignore) meets(ev *Event, p *party) bool {
	return (ig.Until.IsZero() || ev.Time.Before(ig.Until)) &&
		holds(ig.Src, p.addr) && holds(ig.Dst, plain(p.dst)) &&
		(len(ig.DstPort) == 0 || slices.ContainsFunc(ig.DstPort, func(r PortRange) bool { return r.From <= p.dstPort && p.dstPort <= r.To })) &&
		says(ig.Device, ev.Device) && says(ig.Zone, ev.SrcZone) && says(ig.Application, ev.Application) &&
		says(ig.FirewallRule, ev.Rule) && says(ig.Subtype, ev.Subtype) &&
		(len(ig.ThreatID) == 0 || ev.Type == TypeThreat && slices.Contains(ig.ThreatID, threatID(ev)))
}

func holds(networks []netip.Prefix, addr netip.Addr) bool {
	return len(networks) == 0 || slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(addr) })
}

func says(values []string, value string) bool {
	return len(values) == 0 || slices.ContainsFunc(values, func(v string) bool { return strings.EqualFold(v, value) })
}

// ignoring gives the rules that do not count a record, and the first entry that says so.
func (k *known) ignoring(ev *Event, p *party) (set ruleSet, by *Ignore) {
	for i := range k.settings.Ignore {
		ig := &k.settings.Ignore[i]
		if ig.meets(ev, p) {
			if set |= ig.ruleSet(); by == nil {
				by = ig
			}
		}
	}
	return set, by
}
