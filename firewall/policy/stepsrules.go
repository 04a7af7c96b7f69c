package policy

import (
	"fmt"
	"slices"
	"strings"

	"activedefense/firewall/xmlapi"
)

// rulesPath is where security rules stand below a virtual system.
const rulesPath = "/rulebase/security/rules"

func (p *provisioner) rulePath(name string) string {
	return p.vsys + rulesPath + xmlapi.EntryNamed(name)
}

// dropRule is a rule of ours, from the internet to anywhere.
func (p *provisioner) dropRule(name, description string, sources []string, profile string) *xmlapi.Node {
	from := p.zones.zones
	n := xmlapi.NamedEntry(name, xmlapi.MemberList("from", from...), xmlapi.MemberList("to", anything), xmlapi.MemberList("source", sources...), xmlapi.MemberList("destination", anything),
		xmlapi.MemberList("source-user", anything), xmlapi.MemberList("category", anything), xmlapi.MemberList("application", anything), xmlapi.MemberList("service", anything),
		xmlapi.Leaf("action", "drop"), xmlapi.Leaf("log-end", "yes"), xmlapi.Leaf("description", description))
	if profile != "" {
		n.Children = append(n.Children, xmlapi.Leaf("log-setting", profile))
	}
	return n
}

// ourRule tells of a local rule that bears our name; whether it stands, and whether it is enabled.
func (p *provisioner) ourRule(name string) bool {
	return slices.ContainsFunc(slices.Concat(p.p.rules, p.p.inactive), func(r rule) bool { return r.layer == layerLocal && r.name == name })
}

// dropBlocked makes the rule that drops what is blocked, first of all.
func (p *provisioner) dropBlocked(sources []string, profile string) {
	n := p.want.Names
	if len(sources) == 0 {
		return
	}
	detail := fmt.Sprintf("first rule, from %s, source %s, to any: drop", quoteAll(p.zones.zones), quoteAll(sources))
	entry := p.dropRule(n.Block, "drops the sources blocked by Active Defense", sources, profile)
	missing := len(p.gaps(func(t traffic) bool { return p.block[t] >= 0 })) > 0
	switch {
	case missing && p.ourRule(n.Block):
		p.step(ActionChange, "security rule", n.Block, detail, false, xmlapi.Replace(p.rulePath(n.Block), entry)).to(p.rulePath(n.Block), xmlapi.MoveTop)
		return
	case missing:
		p.create("security rule", n.Block, detail, p.vsys+rulesPath, entry).to(p.rulePath(n.Block), xmlapi.MoveTop)
		return
	}
	var f findings
	if p.blockPosition(&f); len(f.fails) > 0 {
		p.moveUp(f.fails)
	}
	p.putLogs(p.blockRules(), profile)
}

// to has the rule moved after the edits.
func (s *Step) to(xpath, where string) { s.move, s.where = xpath, where }

// moveUp puts the block rules on top that stand below an allow. Above what Panorama pushed as Pre Rules no rule of the
// firewall's own can stand.
func (p *provisioner) moveUp(why []string) {
	local, pushed := p.allowsAbove()
	for _, r := range p.blockRules() {
		if r.layer != layerLocal {
			p.person("security rule "+r.String(), "On Panorama: move it to the top of the Pre Rules, then push: "+strings.Join(why, "; "))
			continue
		}
		if local {
			p.step(ActionMove, "security rule", r.name, "to the top: "+strings.Join(why, "; "), r.name != p.want.Names.Block).to(p.rulePath(r.name), xmlapi.MoveTop)
		}
		if pushed {
			p.person("security rule "+r.String(), "On Panorama: make the same rule first of all Pre Rules, for the firewall's own stand below these, then push: "+strings.Join(why, "; "))
		}
	}
}

// allowsAbove tells of rules that let the internet in above the block rules: whether they are the firewall's own, and whether
// Panorama pushed them.
func (p *provisioner) allowsAbove() (local, pushed bool) {
	for _, t := range p.pairs {
		for _, i := range p.asked[t] {
			if r := p.p.rules[i]; i < p.block[t] && p.evades(r) {
				local, pushed = local || r.layer == layerLocal, pushed || r.layer.pushed()
			}
		}
	}
	return local, pushed
}

// putLogs has rules log to us: by our log forwarding profile, or by the one that they have, which somebody else reads too.
func (p *provisioner) putLogs(rules []rule, profile string) {
	for _, r := range rules {
		faults := p.logFaults(r)
		if len(faults) == 0 || profile == "" {
			continue
		}
		if other := p.otherLogs(r); other != nil {
			if p.join(*other); len(faults) == 1 {
				continue
			}
			profile = other.name
		}
		detail := "log forwarding profile " + profile + ", at session end: it " + strings.Join(faults, ", ")
		switch {
		case r.layer == layerDefault:
		case r.layer != layerLocal:
			p.person("security rule "+r.String(), "On Panorama: "+detail)
		default:
			p.step(ActionChange, "security rule", r.name, detail, r.name != p.want.Names.Block && r.name != p.want.Names.Sensor,
				xmlapi.Set(p.rulePath(r.name), xmlapi.Leaf("log-setting", profile)), xmlapi.Set(p.rulePath(r.name), xmlapi.Leaf("log-end", "yes")))
		}
	}
}

// otherLogs is the log forwarding profile of a rule that does not send to us; nil if there is none.
func (p *provisioner) otherLogs(r rule) *logProfile {
	for _, l := range p.p.logProfiles() {
		if l.name == r.logProfile && l.name != p.want.Names.Logs && !slices.ContainsFunc(p.logs, func(ours logProfile) bool { return ours.name == l.name }) {
			return &l
		}
	}
	return nil
}

// sensorRule makes the rule that logs what nothing else allowed, last of all.
func (p *provisioner) sensorRule(profile string) {
	n := p.want.Names
	deciding := map[traffic]int{}
	for _, t := range p.pairs {
		deciding[t] = p.asked[t][len(p.asked[t])-1]
	}
	missing, named := false, map[string]bool{}
	for _, t := range p.pairs {
		r := p.p.rules[deciding[t]]
		switch {
		case p.sensorFaults(r) == nil || named[r.String()]:
		case r.layer == layerDefault || r.layer == layerLocal && r.name == n.Sensor:
			missing = true
		case r.layer == layerLocal && !r.allows():
			named[r.String()] = true
			p.putLogs([]rule{r}, profile)
		default:
			named[r.String()] = true
			p.person("security rule "+r.String(), "It matches all traffic from the internet, so no rule below it is ever reached. "+p.sensorRemedy(deciding))
		}
	}
	entry := p.dropRule(n.Sensor, "drops and logs what no other rule allowed, so that Active Defense sees scans", []string{anything}, profile)
	detail := fmt.Sprintf("last rule, from %s, any to any: drop and log", quoteAll(p.zones.zones))
	switch {
	case profile == "":
	case missing && p.ourRule(n.Sensor):
		p.step(ActionChange, "security rule", n.Sensor, detail, false, xmlapi.Replace(p.rulePath(n.Sensor), entry)).to(p.rulePath(n.Sensor), xmlapi.MoveBottom)
	case missing:
		p.create("security rule", n.Sensor, detail, p.vsys+rulesPath, entry).to(p.rulePath(n.Sensor), xmlapi.MoveBottom)
	default:
		if below := p.belowSensor(deciding); len(below) > 0 {
			p.step(ActionMove, "security rule", n.Sensor, "to the bottom, below "+quoteAll(below)+", which it keeps from allowing traffic from the internet", false).to(p.rulePath(n.Sensor), xmlapi.MoveBottom)
		}
	}
}

// belowSensor gives the rules that our sensor rule keeps from ever being reached, as allowsBelow names them, and that it
// would stand below at the bottom: the firewall's own.
func (p *provisioner) belowSensor(deciding map[traffic]int) (names []string) {
	for _, t := range p.pairs {
		if s := p.p.rules[deciding[t]]; s.layer != layerLocal || s.name != p.want.Names.Sensor || s.allows() {
			continue
		}
		for _, x := range p.p.rules[deciding[t]+1:] {
			if x.layer == layerLocal && x.allows() && !isAny(x.from) && x.matches(t.from, t.to) && !slices.Contains(names, x.name) {
				names = append(names, x.name)
			}
		}
	}
	return names
}

// internet puts our log forwarding profile on the rules that let the internet in.
func (p *provisioner) internet(profile string) {
	reached := map[int]bool{}
	for _, t := range p.pairs {
		for _, i := range p.asked[t] {
			reached[i] = true
		}
	}
	for _, i := range sortedKeys(reached) {
		if r := p.p.rules[i]; r.allows() && p.p.maybePublic(r) {
			p.putLogs([]rule{r}, profile)
		}
	}
}
