package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Ignore names records that never count. A record is one of them if it meets every condition that is set, and a condition
// if it meets one of its values. At least one condition beside Rules is set.
type Ignore struct {
	Src, Dst     []netip.Prefix // masked and unmapped
	DstPort      []PortRange
	Device       []string
	Zone         []string // of the source
	Application  []string
	FirewallRule []string // names of the firewall's own rules
	Subtype      []string
	ThreatID     []uint32
	Rules        []string  // names of the rules for which they do not count; empty: for none
	Until        time.Time // in UTC, the first moment at which they count again, by event time; zero: never
	Reason       string    // never empty
}

// PortRange are the ports of First to Last, both included. Port 0 is that of protocols without ports.
type PortRange struct{ First, Last uint16 }

// Contains tells whether a port is one of them.
func (r PortRange) Contains(port uint16) bool { return r.First <= port && port <= r.Last }

// ignored reads what never counts.
func ignored(s section, key string) []Ignore {
	sections := s.elements(key)
	if len(sections) > maxIgnored {
		s.fault(key, "has %d entries; use at most %d, as each is compared with every record: put several values into one entry", len(sections), maxIgnored)
		return nil
	}
	ignored := make([]Ignore, len(sections))
	for n, e := range sections {
		ignored[n] = ignoreReader{e}.ignore()
		if s.l.damaged[e.at] {
			continue
		}
		for m := range n { // few enough: maxIgnored
			at, other := strings.TrimSuffix(e.at, "."), strings.TrimSuffix(sections[m].at, ".")
			if !s.l.damaged[sections[m].at] && ignored[m].covers(ignored[n]) {
				s.l.warn(at, "is covered by %s, which ignores all of it; remove it", other)
				break
			}
			if !s.l.damaged[sections[m].at] && ignored[n].covers(ignored[m]) {
				s.l.warn(other, "is covered by %s, which ignores all of it; remove it", at)
				break
			}
		}
	}
	return ignored
}

// ignoreReader reads one entry.
type ignoreReader struct{ section }

func (s ignoreReader) ignore() Ignore {
	i := Ignore{
		Src: s.networks("src"), Dst: s.networks("dst"), DstPort: s.ports("dst_port"),
		Device: s.texts("device"), Zone: s.texts("zone"), Application: s.texts("application"),
		FirewallRule: s.texts("firewall_rule"), Subtype: s.texts("subtype"), ThreatID: s.threatIDs("threat_id"),
		Rules: s.rules("rules"), Until: s.until("until"), Reason: s.filled("reason", "why these records are harmless, such as \"monitoring of the provider\""),
	}
	if !s.l.damaged[s.at] {
		s.fitIgnore(i)
	}
	return i
}

// fitIgnore refuses an entry that ignores everything, and warns of one that ignores very much.
func (s ignoreReader) fitIgnore(i Ignore) {
	for _, c := range []struct {
		key    string
		values int
	}{
		{"src", len(i.Src)}, {"dst", len(i.Dst)}, {"dst_port", len(i.DstPort)}, {"device", len(i.Device)}, {"zone", len(i.Zone)},
		{"application", len(i.Application)}, {"firewall_rule", len(i.FirewallRule)}, {"subtype", len(i.Subtype)},
		{"threat_id", len(i.ThreatID)}, {"rules", len(i.Rules)},
	} {
		if s.k.Exists(c.key) && c.values == 0 {
			s.fault(c.key, "has no value; set one, or remove the key")
			return
		}
	}
	if i.narrowedByText() {
		return
	}
	at := strings.TrimSuffix(s.at, ".")
	everything := "ignores every record there is, so that nobody would be blocked"
	if len(i.Rules) > 0 {
		everything = "ignores every record for " + strings.Join(i.Rules, ", ") + "; to switch a rule off, set its mode to off"
	}
	wholeSrc, wholeDst, allPorts := whole(i.Src), whole(i.Dst), allPorts(i.DstPort)
	narrow := len(i.Src) > 0 && !wholeSrc || len(i.Dst) > 0 && !wholeDst || len(i.DstPort) > 0 && !allPorts
	switch {
	case narrow:
	case wholeSrc:
		s.fault("src", "covers all addresses of a family: the entry %s; name the networks that it is meant for", everything)
		return
	case wholeDst:
		s.fault("dst", "covers all addresses of a family: the entry %s; name the networks that it is meant for", everything)
		return
	case allPorts:
		s.fault("dst_port", "covers every port: the entry %s; name the ports that it is meant for", everything)
		return
	default:
		s.l.fault(at, "has no condition beside rules, until and reason: it %s; add one such as src or dst_port", everything)
		return
	}
	for _, p := range i.Src {
		if len(i.Dst) == 0 && len(i.DstPort) == 0 && wider(p, widestV4, widestV6) {
			s.l.warn(s.at+"src", "%s is very wide, and nobody in it is counted; name the networks that it is meant for, or add a condition", p)
		}
	}
}

func (i Ignore) narrowedByText() bool {
	return len(i.Device)+len(i.Zone)+len(i.Application)+len(i.FirewallRule)+len(i.Subtype)+len(i.ThreatID) > 0
}

// whole tells whether networks cover every address of a family.
func whole(networks []netip.Prefix) bool {
	v4, v6 := share(networks)
	return v4 >= 1 || v6 >= 1
}

func allPorts(ranges []PortRange) bool { return len(ranges) == 1 && ranges[0] == PortRange{0, 65535} }

// fitIgnored warns of entries that no record meets, or none that would count.
func (l *loader) fitIgnored(c *Config) {
	if l.faultedBelow("detect") || l.faultedBelow("networks") || l.faultedBelow("never_block") {
		return
	}
	off := c.Detect.off()
	for n, i := range c.Detect.Ignore {
		why := c.spares(i.Src)
		switch {
		case why != "":
		case len(i.Rules) > 0 && len(off) > 0 && coversValues(off, i.Rules):
			why = "rules names none that is on: " + strings.Join(i.Rules, ", ")
		case c.elsewhere(i.Dst):
			why = "dst is neither yours (networks.own) nor private, and what goes elsewhere counts for nobody"
		default:
			why = i.contradiction()
		}
		if why != "" {
			l.warn(fmt.Sprintf("detect.ignore[%d]", n), "has no effect: %s; correct it, or remove it", why)
		}
	}
}

// spares says why nobody in some networks is blocked in any case; "" if somebody may be, or there are none.
func (c *Config) spares(networks []netip.Prefix) string {
	if len(networks) == 0 {
		return ""
	}
	for _, s := range []struct {
		key      string
		networks []netip.Prefix
	}{{"networks.own", c.Networks.Own}, {"networks.proxies", c.Networks.Proxies}, {"never_block", c.NeverBlock}} {
		if len(s.networks) > 0 && coversNetworks(s.networks, networks) {
			return "all of src is in " + s.key + ", and never blocked anyway"
		}
	}
	if !slices.ContainsFunc(networks, somePublic) {
		return "src is not public, and never blocked anyway"
	}
	return ""
}

// elsewhere tells whether none of some networks is ours or private, where the configuration alone says what is ours.
func (c *Config) elsewhere(networks []netip.Prefix) bool {
	if c.Networks.AskFirewalls && len(c.Firewalls) > 0 || !slices.ContainsFunc(c.Networks.Own, public) || len(networks) == 0 {
		return false
	}
	own := disjoint(c.Networks.Own)
	return !slices.ContainsFunc(networks, func(p netip.Prefix) bool {
		_, ours := overlapping(p, own)
		return ours || !public(p)
	})
}

// contradiction says why no record that counts meets all conditions; "" if one may.
func (i Ignore) contradiction() string {
	v4 := func(p netip.Prefix) bool { return p.Addr().Is4() }
	v6 := func(p netip.Prefix) bool { return p.Addr().Is6() }
	only := func(rule string) bool { return len(i.Rules) == 1 && i.Rules[0] == rule }
	among := func(texts []string) bool { // all subtypes are
		return len(i.Subtype) > 0 && !slices.ContainsFunc(i.Subtype, func(s string) bool { return !slices.Contains(texts, strings.ToLower(s)) })
	}
	atPort0 := len(i.DstPort) == 0 || i.DstPort[0].First == 0
	switch {
	case len(i.Src) > 0 && len(i.Dst) > 0 && (!slices.ContainsFunc(i.Src, v4) && !slices.ContainsFunc(i.Dst, v6) || !slices.ContainsFunc(i.Src, v6) && !slices.ContainsFunc(i.Dst, v4)):
		return "src and dst are never of the same family"
	case among([]string{"flood"}):
		return "records of a flood never count"
	case len(i.ThreatID) > 0 && among([]string{"start", "end", "drop", "deny"}):
		return "a record of subtype " + strings.Join(i.Subtype, ", ") + " has no threat_id"
	case only(RuleVulnerability) && len(i.Subtype) > 0 && !slices.ContainsFunc(i.Subtype, func(s string) bool { return strings.EqualFold(s, "vulnerability") }):
		return "vulnerability counts records of subtype vulnerability alone"
	case only(RuleLogin) && (len(i.Dst)+len(i.Zone)+len(i.FirewallRule)+len(i.ThreatID) > 0 || !atPort0):
		return "records of logins have no dst, dst_port, zone, firewall_rule or threat_id"
	case only(RulePortScan) && len(i.DstPort) == 1 && i.DstPort[0] == (PortRange{}):
		return "port-scan never counts port 0"
	}
	return ""
}

// covers tells whether every record that other ignores is ignored by i too.
func (i Ignore) covers(other Ignore) bool {
	return coversNetworks(i.Src, other.Src) && coversNetworks(i.Dst, other.Dst) && coversPorts(i.DstPort, other.DstPort) &&
		coversValues(i.Device, other.Device) && coversValues(i.Zone, other.Zone) && coversValues(i.Application, other.Application) &&
		coversValues(i.FirewallRule, other.FirewallRule) && coversValues(i.Subtype, other.Subtype) &&
		coversValues(i.ThreatID, other.ThreatID) && coversValues(i.Rules, other.Rules) &&
		(i.Until.IsZero() || !other.Until.IsZero() && !i.Until.Before(other.Until))
}

// A condition without values is met by everything.

func coversValues[V comparable](wide, narrow []V) bool {
	if len(wide) == 0 || len(narrow) == 0 {
		return len(wide) == 0
	}
	return !slices.ContainsFunc(narrow, func(v V) bool { return !slices.Contains(wide, v) })
}

func coversNetworks(wide, narrow []netip.Prefix) bool {
	if len(wide) == 0 || len(narrow) == 0 {
		return len(wide) == 0
	}
	apart := disjoint(wide)
	return !slices.ContainsFunc(narrow, func(p netip.Prefix) bool { return !covered(p, apart) })
}

func coversPorts(wide, narrow []PortRange) bool {
	if len(wide) == 0 || len(narrow) == 0 {
		return len(wide) == 0
	}
	return !slices.ContainsFunc(narrow, func(r PortRange) bool {
		return !slices.ContainsFunc(wide, func(w PortRange) bool { return w.First <= r.First && r.Last <= w.Last })
	})
}

// texts reads values that are compared as they are.
func (s ignoreReader) texts(key string) []string {
	texts := s.k.Strings(key)
	for n, t := range texts {
		if strings.TrimSpace(t) == "" {
			s.fault(fmt.Sprintf("%s[%d]", key, n), "is empty; set a value, or remove it")
		}
	}
	return texts
}

// ports reads ports and ranges of them, and joins what touches.
func (s ignoreReader) ports(key string) []PortRange {
	var ranges []PortRange
	for n, t := range s.k.Strings(key) {
		low, high, several := strings.Cut(t, "-")
		if !several {
			high = low
		}
		first, err := strconv.ParseUint(strings.TrimSpace(low), 10, 16)
		last, err2 := strconv.ParseUint(strings.TrimSpace(high), 10, 16)
		if err != nil || err2 != nil || first > last {
			s.fault(fmt.Sprintf("%s[%d]", key, n), "%q is not a port or a range of ports; use one such as 443 or 1000-2000", clip(t))
			continue
		}
		ranges = append(ranges, PortRange{uint16(first), uint16(last)})
	}
	slices.SortFunc(ranges, func(a, b PortRange) int { return int(a.First) - int(b.First) })
	joined := ranges[:0]
	for _, r := range ranges {
		if n := len(joined) - 1; n >= 0 && int(r.First) <= int(joined[n].Last)+1 {
			joined[n].Last = max(joined[n].Last, r.Last)
			continue
		}
		joined = append(joined, r)
	}
	return joined
}

// threatIDs reads the ids of threats, as numbers.
func (s section) threatIDs(key string) []uint32 {
	var ids []uint32
	for n, t := range s.k.Strings(key) {
		id, err := strconv.ParseUint(t, 10, 32)
		if err != nil || id == 0 {
			s.fault(fmt.Sprintf("%s[%d]", key, n), "%q is not the id of a threat; use the number that the log shows, such as 40015", clip(t))
			continue
		}
		ids = append(ids, uint32(id))
	}
	return ids
}

// rules reads the names of rules.
func (s ignoreReader) rules(key string) []string {
	names := s.k.Strings(key)
	all := slices.Concat(ruleNames, s.l.custom)
	for n, name := range names {
		if slices.Contains(all, name) {
			continue
		}
		meant := "the rules are " + strings.Join(all, ", ")
		if best, ok := nearest(strings.ToLower(name), all, func(s string) string { return s }, 1+len(name)/4); ok {
			meant = "did you mean " + best + "?"
		}
		s.fault(fmt.Sprintf("%s[%d]", key, n), "%q is not the name of a rule; %s", clip(name), meant)
	}
	return names
}

// until reads the last day of an entry; zero if there is none.
func (s ignoreReader) until(key string) time.Time {
	v := s.text(key)
	if v == "" {
		return time.Time{}
	}
	d, err := time.Parse(time.DateOnly, v)
	if err != nil {
		s.fault(key, "%q is not a day; use one such as 2027-01-31, to whose end in UTC the entry holds", clip(v))
		return time.Time{}
	}
	end := d.AddDate(0, 0, 1)
	if !s.l.now.Before(end) {
		s.l.warn(s.at+key, "%s is over: the entry has no effect on what happens now; remove it", v)
	}
	return end
}
