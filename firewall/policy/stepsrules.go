package policy

import (
	"fmt"
	"slices"
	"strings"

	"activedefense/firewall"
	"activedefense/firewall/policy/byhand"
	"activedefense/firewall/xmlapi"
)

// rulesPath is where security rules stand below a virtual system.
const rulesPath = "/rulebase/security/rules"

// defaultRulesPath is where overrides of the default rules stand below a virtual system.
const defaultRulesPath = "/rulebase/default-security-rules/rules"

func (p *provisioner) rulePath(name string) string {
	return p.vsys + rulesPath + xmlapi.EntryNamed(name)
}

// Descriptions of our rules.
const (
	describesBlock  = "drops the sources blocked by Active Defense"
	describesSensor = "drops and logs what no other rule allowed, so that Active Defense sees scans"
)

// dropRule is a rule of ours, from the internet to anywhere.
func (p *provisioner) dropRule(name, description string, sources []string, profile string) *xmlapi.Node {
	from := p.zones.zones
	n := xmlapi.NamedEntry(name, xmlapi.MemberList("from", from...), xmlapi.MemberList("to", anything), xmlapi.MemberList("source", sources...), xmlapi.MemberList("destination", anything),
		xmlapi.MemberList("source-user", anything), xmlapi.MemberList("category", anything), xmlapi.MemberList("application", anything), xmlapi.MemberList("service", anything),
		xmlapi.Leaf("action", actionDrop), xmlapi.Leaf("log-end", "yes"), xmlapi.Leaf("description", description))
	if profile != "" {
		n.Children = append(n.Children, xmlapi.Leaf("log-setting", profile))
	}
	return n
}

// owned tells what of that which bears our names is ours, and makes ours where somebody else's may be.
type owned struct{ *provisioner }

// named gives the firewall's own rule of that name, enabled or not; ok: there is one.
func (p owned) named(name string) (r rule, ok bool) {
	all := slices.Concat(p.p.rules, p.p.inactive)
	i := slices.IndexFunc(all, func(r rule) bool { return r.layer == layerLocal && r.name == name })
	if i < 0 {
		return rule{}, false
	}
	return all[i], true
}

// notAsWeMakeIt is what a plan says of what bears our name and is somebody else's.
const notAsWeMakeIt = "it bears our name, and is not as we make it"

// replace has the rule of our name be this one, or makes it. One that is not as we make it is somebody else's.
func (p owned) replace(name, detail string, entry *xmlapi.Node) *Step {
	old, stands := p.named(name)
	if !stands {
		return p.create("security rule", name, detail, p.vsys+rulesPath, entry)
	}
	faults := ownRules{p.verifier}.workFaults(old)
	if old.disabled {
		detail += "; somebody disabled it, and this enables it again"
		faults = slices.DeleteFunc(faults, func(f string) bool { return f == isDisabled })
	}
	if len(faults) > 0 && name != p.want.Names.Sensor {
		detail += "; the one that stands " + strings.Join(faults, ", ")
	}
	foreign := !p.ours(old)
	if foreign {
		detail += "; " + notAsWeMakeIt
	}
	return p.step(ActionChange, "security rule", name, detail, foreign, xmlapi.Replace(p.rulePath(name), entry))
}

// dropBlocked makes a rule that drops what is blocked from these sources, first of all. first is the rule that does, for each traffic.
func (p *provisioner) dropBlocked(name string, sources []string, first map[traffic]int, profile string) {
	if len(sources) == 0 || len(p.gaps(func(t traffic) bool { return first[t] >= 0 })) == 0 {
		return
	}
	detail := fmt.Sprintf("at the top of the rules, from %s, source %s, to any: drop", quoteAll(p.zones.zones), quoteAll(sources))
	entry := p.dropRule(name, describesBlock, sources, profile)
	for _, m := range sources {
		if g := p.p.scopes.find(m, "address-group"); g.Child("static") != nil && p.names[m] && p.borrowed[m] {
			detail += fmt.Sprintf("; address group %s %s holds %s, which is stopped then", quoteAll([]string{m}), g.scope, quoteAll(owned{p}.notOurs(g.Node)))
		}
	}
	if p.want.Mode == firewall.ModeTag && name == p.want.Names.Block {
		detail += p.stopsTagged()
	}
	s := owned{p}.replace(name, detail, entry)
	s.to(p.rulePath(name), xmlapi.MoveTop)
	s.Foreign = s.Foreign || slices.ContainsFunc(sources, func(m string) bool { return p.borrowed[m] })
}

// split takes the list out of our own block rule, where that stays as it is otherwise: the list has a rule of its own.
func (p *provisioner) split() {
	n := p.want.Names
	for _, r := range p.p.rules {
		if r.layer != layerLocal || r.name != n.Block || !p.holdsBoth(r) || p.planned(n.Block) {
			continue
		}
		left := slices.DeleteFunc(slices.Clone(r.source), func(m string) bool { return p.lists[m] })
		if len(left) == len(r.source) || len(left) == 0 {
			p.person("security rule "+r.String(), p.splitRemedy(r))
			continue
		}
		p.step(ActionChange, "security rule", n.Block, fmt.Sprintf("source %s, without the list: a firewall may match only one of them in one rule (PAN-274213)", quoteAll(left)), !owned{p}.ours(r),
			xmlapi.Replace(p.rulePath(n.Block)+"/source", xmlapi.MemberList("source", left...)))
	}
}

// nameOurs has our own rules that name what Panorama has for rules of its own name what is the firewall's.
func nameOurs(p *provisioner, sources []string, list string) {
	for _, r := range slices.Concat(p.p.rules, p.p.inactive) {
		by := sources
		if r.name == p.want.Names.Listed {
			by = []string{list}
		}
		theirs := panoramasSources(p.verifier, r)
		if len(theirs) == 0 || r.name != p.want.Names.Block && r.name != p.want.Names.Listed || p.planned(r.name) || len(by) == 0 || by[0] == "" {
			continue
		}
		p.step(ActionChange, "security rule", r.name, fmt.Sprintf("source %s, in place of %s, which Panorama has for rules of its own and which goes with these", quoteAll(by), quoteAll(theirs)),
			!owned{p}.ours(r), xmlapi.Replace(p.rulePath(r.name)+"/source", xmlapi.MemberList("source", by...)))
	}
}

// panoramasSources are those of the sources of a rule of the firewall's own that Panorama has for rules of its own.
func panoramasSources(v *verifier, r rule) (names []string) {
	for _, m := range r.source {
		if r.layer == layerLocal && (forPanorama(v, "external-list", m) || forPanorama(v, "address-group", m)) {
			names = append(names, m)
		}
	}
	return names
}

// planned tells whether a step changes the security rule of that name already.
func (p *provisioner) planned(name string) bool {
	return slices.ContainsFunc(p.steps, func(s Step) bool {
		return s.Action != ActionPerson && s.Object == "security rule "+quoteAll([]string{name})
	})
}

// orderBlocks moves the block rules that stand to the top, if anything above lets what they would drop through, and has them log to us.
func (p *provisioner) orderBlocks(profile string) {
	p.moveUp()
	ofPanorama{p}.forBoth()
	p.putLogs(slices.DeleteFunc(p.blockRules(), func(r rule) bool { return r.layer == layerLocal && p.planned(r.name) }), profile)
}

// to has the rule moved after the edits.
func (s *Step) to(xpath, where string) { s.move, s.where = xpath, where }

// moveUp puts the block rules on top that stand below an allow of the firewall's own. Above what Panorama pushed as Pre Rules none of the
// firewall's own can stand, whether it stands already or is planned.
func (p *provisioner) moveUp() {
	n := p.want.Names
	for _, set := range []struct {
		name  string
		first map[traffic]int
		names map[string]bool
	}{{n.Listed, p.listed, p.lists}, {n.Block, p.block, p.names}} {
		local, pushed, level := p.allowsAbove(set.name, set.first, set.names)
		moved, stops := map[int]bool{}, ""
		if set.name == n.Block && p.want.Mode == firewall.ModeTag {
			stops = p.stopsTagged()
		}
		for _, t := range p.pairs {
			i := set.first[t]
			if i < 0 || moved[i] || len(local)+len(pushed) == 0 {
				continue
			}
			moved[i] = true
			switch r := p.p.rules[i]; {
			case r.layer != layerLocal:
				at := level
				if len(pushed) == 0 {
					at = ofPanorama{p}.levelOf(r)
				}
				change, theirs := ofPanorama{p}.raise(r, set.name, at)
				ofPanorama{p}.step("security rule "+r.String(), "On Panorama: move it to the top of the Pre Rules, then push: it stands below "+strings.Join(slices.Concat(pushed, local), ", "), ofPanorama{p}.reachOfPre(at, theirs, change)+stops, theirs || stops != "", change).made = "on Panorama, to the top of the Pre Rules: it stands below " + strings.Join(slices.Concat(pushed, local), ", ")
			case len(local) > 0 && !p.planned(r.name):
				p.step(ActionMove, "security rule", r.name, "to the top: it stands below "+strings.Join(local, ", ")+", and what is blocked gets in"+stops, stops != "" || !owned{p}.ours(r)).to(p.rulePath(r.name), xmlapi.MoveTop)
			}
		}
		standsHere := slices.ContainsFunc(sortedKeys(moved), func(i int) bool { return p.p.rules[i].layer == layerLocal })
		if len(pushed) > 0 && (standsHere || p.planned(set.name)) {
			detail := "On Panorama: make the same rule first of all Pre Rules, then push: the firewall's own stands below " + strings.Join(pushed, ", ") + ", and what is blocked gets in"
			if p.want.Mode == firewall.ModeGroup && set.name == n.Block {
				detail += "; a rule of Panorama cannot name the firewall's own static address group: have it name the list, or use mode dynamic-tag"
			}
			change, theirs := ofPanorama{p}.preRule(set.name, level)
			ofPanorama{p}.step("security rule "+quoteAll([]string{set.name}), detail, ofPanorama{p}.reachOfPre(level, theirs, change)+stops, theirs || stops != "", change).made =
				"on Panorama, the same rule first of all Pre Rules: the firewall's own stands below " + strings.Join(pushed, ", ") + ", and what is blocked gets in"
		}
	}
}

// allowsAbove gives the rules that let in what block rules, of which ours has that name, would have dropped, above those, or above one of ours that is planned to be the first
// of the firewall's own: the firewall's, and Panorama's. level is where the first of Panorama's stands.
func (p *provisioner) allowsAbove(name string, first map[traffic]int, names map[string]bool) (local, pushed []string, level string) {
	seen, top, planned := map[int]bool{}, len(p.p.rules), p.planned(name)
	for _, t := range p.pairs {
		for _, i := range p.asked[t] {
			r := p.p.rules[i]
			above := i < first[t] || first[t] < 0 && planned && r.layer < layerLocal
			if !above || seen[i] || name != p.want.Names.Block && p.blocks(r) || !p.evades(r, names) { // what has our group as its source is the other rule's matter
				continue
			}
			if seen[i] = true; r.layer == layerLocal {
				local = append(local, r.String())
			} else {
				pushed = append(pushed, r.String())
				if i < top {
					top, level = i, ofPanorama{p}.levelOf(r)
				}
			}
		}
	}
	return local, pushed, level
}

// ours tells whether a rule of the firewall's is ours: it bears our name, and drops what we block and nothing else, as every version of
// ours made it; or it is the sensor rule of an earlier one. What else it narrows does no harm, from the internet zones. From other zones it is
// as we make it otherwise: the line came to another zone since. Where the internet zones are not known, it may be from any zones.
func (p owned) ours(r rule) bool {
	n, zones := p.want.Names, p.zones.zones
	elsewhere := len(zones) > 0 && !isAny(r.from) && slices.ContainsFunc(r.from, func(z string) bool { return !slices.Contains(zones, z) })
	asMade := (r.description == describesBlock || r.description == describesSensor) && r.kind == kindUniversal && isAny(r.to) && len(r.narrow) == 0 && !r.disabled
	if r.layer != layerLocal || r.action != actionDrop || r.notSource || r.notDestination || elsewhere && !asMade {
		return false
	}
	switch r.name {
	case n.Sensor:
		return r.total() && isAny(r.to)
	case n.Block, n.Listed:
		return !slices.ContainsFunc(r.source, func(m string) bool { return !p.ourSource(m) })
	}
	return false
}

// ourSource tells whether the source of a rule stands for what we block, and nothing else.
func (p owned) ourSource(name string) bool {
	for _, kind := range []string{"address-group", "external-list"} {
		if o := p.p.scopes.find(name, kind); o.Node != nil {
			return p.p.namesake(kind, name) == "" && (kind == "address-group" && p.ourGroup(o.Node) || kind == "external-list" && p.ourList(o.Node))
		}
	}
	return p.p.namesake("", name) == "" && (name == p.want.Names.Group || name == p.want.Names.List) // it is gone
}

// ourGroup tells whether a group holds what we block, as any mode fills it, and nothing else.
func (p owned) ourGroup(g *xmlapi.Node) bool {
	if g.Child("dynamic") != nil {
		matches, others := filterMatches(g.Value("dynamic", "filter"), p.want.Names.Tag)
		return matches && !others
	}
	return len(p.notOurs(g)) == 0
}

// notOurs are the members of a static group that are not addresses of ours, as mode address-group makes them.
func (p owned) notOurs(g *xmlapi.Node) []string {
	return slices.DeleteFunc(slices.Clone(g.Child("static").Members()), func(m string) bool {
		return isMember(p.want.Names, p.p.scopes.find(m, "address").Node)
	})
}

// ourList tells whether an external dynamic list is fetched from us, or was before edl.url changed. Where our URL is not known, the certificate profile tells.
func (p owned) ourList(l *xmlapi.Node) bool {
	if p.want.ListURL == "" {
		return l.Value("type", "ip", "certificate-profile") == p.want.Names.CertProf
	}
	return firewall.SameListURL(l.Value("type", "ip", "url"), p.want.ListURL) || isFormerList(l, p.want)
}

// isFormerList tells whether a list is ours, fetched from a URL that edl.url was before: it bears our name and is as we make it in all but that, whatever
// description and exceptions somebody gave it.
func isFormerList(l *xmlapi.Node, want Expectation) bool {
	n, ip, name := want.Names, l.At("type", "ip"), l.Attr("name")
	url := ip.Value("url")
	if name != n.List && name != n.List+panoramaNames || url == "" || want.ListURL == "" || firewall.SameListURL(url, want.ListURL) {
		return false
	}
	made := listEntry(name, url, n.CertProf).At("type", "ip")
	return !slices.ContainsFunc(slices.Concat(ip.Children, made.Children), func(c *xmlapi.Node) bool {
		return c.Name != "description" && c.Name != "exception-list" && !byhand.Alike(ip.Child(c.Name), made.Child(c.Name))
	})
}

// putLogs has rules log to us: by our log forwarding profile, or where somebody else's is in use, by that one.
func (p *provisioner) putLogs(rules []rule, profile string) {
	for _, r := range rules {
		faults := p.logFaults(r)
		if len(faults) == 0 || profile == "" {
			continue
		}
		foreign := !owned{p}.ours(r)
		detail := "log forwarding profile " + profile + ", at session end: it " + strings.Join(faults, ", ")
		switch {
		case r.layer == layerDefault:
		case r.layer != layerLocal:
			change := ofPanorama{p}.remoteLogging(r)
			ofPanorama{p}.step("security rule "+r.String(), "On Panorama: a log forwarding profile that sends all traffic and threat logs to us, at session end: it "+strings.Join(faults, ", "),
				ofPanorama{p}.reachOfLogging(r, change), !ofPanorama{p}.isOwn(r), change)
		case foreign && r.logProfile != "" && !forPanorama(p.verifier, logProfiles, r.logProfile):
			p.join(r, p.rulePath(r.name))
		default:
			p.step(ActionChange, "security rule", r.name, detail, foreign,
				xmlapi.Set(p.rulePath(r.name), xmlapi.Leaf("log-setting", profile)), xmlapi.Set(p.rulePath(r.name), xmlapi.Leaf("log-end", "yes")))
		}
	}
}

// join has the log forwarding profile that a rule of somebody else's uses send to us as well, where it does not: taken off the rule,
// whoever reads it now would read no more. The rule then logs at the end of sessions.
func (p *provisioner) join(r rule, xpath string) {
	if !slices.ContainsFunc(p.logs, func(l logProfile) bool { return l.name == r.logProfile }) && !p.joined[r.logProfile] {
		p.joined[r.logProfile] = true
		all := p.p.logProfiles()
		i := slices.IndexFunc(all, func(l logProfile) bool { return l.name == r.logProfile })
		if i < 0 {
			p.person("security rule "+r.String(), "It names log forwarding profile "+quoteAll([]string{r.logProfile})+", which does not exist; have it send all traffic and threat logs to "+p.sendTo[0]+".")
			return
		}
		for _, kind := range []string{logTraffic, logThreat} {
			p.matchList(all[i], kind)
		}
	}
	if !r.logEnd && !r.logStart {
		p.step(ActionChange, "security rule", r.name, "log at session end; log forwarding profile "+r.logProfile+" stays", true, xmlapi.Set(xpath, xmlapi.Leaf("log-end", "yes")))
	}
}

// sensorRule has what nothing else decided over logged to us: by the default rules, or by a last rule that drops.
func (p *provisioner) sensorRule(profile string) {
	deciding, named := p.deciding(), map[string]bool{}
	for _, t := range p.pairs {
		r := p.p.rules[deciding[t]]
		switch {
		case p.sensorFaults(r) == nil || named[r.String()] || r.layer == layerDefault:
		case r.layer == layerLocal && !r.allows():
			named[r.String()] = true
			p.putLogs([]rule{r}, profile)
		default:
			named[r.String()] = true
			p.person("security rule "+r.String(), "It matches all traffic from the internet, so no rule below it is ever reached. "+p.sensorRemedy(deciding))
		}
	}
	silent := p.silentDefaults(deciding)
	if len(silent) > 0 && profile != "" {
		p.makeSensor(silent, deciding, profile)
	}
	n := p.want.Names.Sensor
	if _, stands := (owned{p}).named(n); stands && !p.planned(n) {
		var f findings
		if p.cutsOwn(&f, deciding); len(f.warns) > 0 {
			withoutSensor(p, strings.Join(f.warns, "; "), strings.Join(f.remedies, " "))
			f = findings{}
		} else if cut := inForceCut(p.f.inForce, p.want, nil); len(cut) > 0 {
			withoutSensor(p, "it would cut "+strings.Join(cut[:min(len(cut), maxNamed)], ", "), "")
		}
		if p.allowsBelow(&f, deciding); len(f.fails) > 0 {
			p.person("security rule "+quoteAll([]string{n}), "It keeps rules from being reached, which a move would have allow again: "+strings.Join(f.fails, "; ")+". If they are meant to: "+strings.Join(f.remedies, " ")+
				" Or delete it, and provision has the default rules log in its place.")
		}
	}
}

// withoutSensor takes our sensor rule away again that cuts and is not in force yet; of one that is, a person decides.
func withoutSensor(p *provisioner, cuts, remedy string) {
	n := p.want.Names.Sensor
	r, _ := (owned{p}).named(n)
	if p.f.inForce != nil && (owned{p}).ours(r) {
		if _, inForce := (owned{&provisioner{verifier: newVerifier(p.f.inForce, p.want)}}).named(n); !inForce {
			p.step(ActionDelete, "security rule", n, "taken away again before it is in force: "+cuts, false, xmlapi.Delete(p.rulePath(n))).cuts = cuts
			return
		}
	}
	if remedy == "" {
		return // what is in force cuts nothing that is not cut already
	}
	p.person("security rule "+quoteAll([]string{n}), cuts+". "+remedy)
	p.steps[len(p.steps)-1].cuts = cuts
}

// makeSensor has the default rules log, or where that is asked for and cuts nothing, makes the rule that drops and logs.
func (p *provisioner) makeSensor(silent []rule, deciding map[traffic]int, profile string) {
	n, why := p.want.Names, ""
	if p.want.Sensor == SensorDrop {
		cut := p.wouldCut(deciding)
		cut = append(cut, inForceCut(p.f.inForce, p.want, cut)...)
		if len(cut) == 0 {
			entry := p.dropRule(n.Sensor, describesSensor, []string{anything}, profile)
			detail := fmt.Sprintf("last rule, from %s, any to any: drop and log", quoteAll(p.zones.zones))
			owned{p}.replace(n.Sensor, detail, entry).to(p.rulePath(n.Sensor), xmlapi.MoveBottom)
			return
		}
		why = "; no rule that drops, as sensor: drop asks for, because it would cut " + strings.Join(cut[:min(len(cut), maxNamed)], ", ")
	}
	for _, r := range silent {
		p.logDefault(r, profile, why)
	}
}

// logDefault has a default rule log to us, and decide as it does now. An override states the action, so it is written as it is. One that
// we make bears our tag, by which Remove knows it.
func (p *provisioner) logDefault(r rule, profile, why string) {
	at := p.vsys + defaultRulesPath + xmlapi.EntryNamed(r.name)
	detail := "log at session end, log forwarding profile " + profile + "; the action stays " + r.action + why
	if r.name == intrazoneDefault {
		detail += "; every session within a zone that no rule decides over is logged from then on"
	}
	switch {
	case r.overridden.pushed():
		ofPanorama{p}.logDefault(r, why)
	case r.overridden == layerDefault:
		p.tag()
		p.create("security rule", r.name, "override: "+detail, p.vsys+defaultRulesPath,
			xmlapi.NamedEntry(r.name, xmlapi.Leaf("action", r.action), xmlapi.Leaf("log-start", "no"), xmlapi.Leaf("log-end", "yes"), xmlapi.Leaf("log-setting", profile), xmlapi.MemberList("tag", p.want.Names.Tag)))
	case r.logProfile != "" && r.logProfile != profile && !forPanorama(p.verifier, logProfiles, r.logProfile):
		p.join(r, at)
	default:
		p.step(ActionChange, "security rule", r.name, detail, r.logProfile == "", xmlapi.Set(at, xmlapi.Leaf("log-setting", profile)), xmlapi.Set(at, xmlapi.Leaf("log-end", "yes")))
	}
}

// wouldCut is what a last rule that drops from the internet zones would take away from what the default rules, and the rules that
// Panorama puts behind the firewall's own, allow now; empty: nothing.
func (p *provisioner) wouldCut(deciding map[traffic]int) (cut []string) {
	for _, r := range p.p.rules {
		below := r.layer == layerGroupPost || r.layer == layerSharedPost
		if below && r.allows() && slices.ContainsFunc(p.pairs, func(t traffic) bool { return r.matches(t.from, t.to) }) {
			cut = append(cut, "what "+r.String()+" below it allows")
		}
	}
	last := map[int]bool{}
	for _, i := range deciding {
		last[i] = true
	}
	for _, i := range sortedKeys(last) {
		switch r := p.p.rules[i]; {
		case r.layer != layerDefault || !r.allows():
		case r.name == interzoneDefault:
			cut = append(cut, "what "+r.String()+" allows")
		case p.f.lines.value == nil:
			cut = append(cut, "what the firewall itself serves, which is not known")
		default:
			cut = append(cut, p.ownTraffic()...)
		}
	}
	return cut
}

// inForceCut is what it would take away from what the running configuration allows, where edits of others are not committed, with which
// the plan is made: a commit of ours leaves them waiting. What is known is left out.
func inForceCut(inForce *Facts, want Expectation, known []string) (cut []string) {
	if inForce == nil {
		return nil
	}
	running := &provisioner{verifier: newVerifier(inForce, want)}
	for _, what := range running.wouldCut(running.deciding()) {
		if slices.Contains(known, what) { // it stands in both
			continue
		}
		cut = append(cut, what+" in the running configuration, from which somebody's edits take it that are not committed")
	}
	return cut
}

// ownTraffic is what stays within the internet zones: what the firewall itself serves there, what nobody knows not to, and what passes
// between interfaces.
func (p *provisioner) ownTraffic() (out []string) {
	services := p.f.lines.value.Services()
	for _, zone := range p.zones.zones {
		for _, s := range services {
			if s.Zone == zone {
				out = append(out, s.What+" on "+s.Interface)
			}
		}
		for _, s := range p.f.lines.value.Unproven(zone) {
			out = append(out, "perhaps "+s.What+" on "+s.Interface)
		}
		if within := betweenInterfaces(p.f.lines.value, zone); within != "" {
			out = append(out, within)
		} else if len(p.f.lines.value.InterfacesOf(zone)) == 0 {
			out = append(out, "what passes within zone "+quoteAll([]string{zone})+", whose interfaces are not known")
		}
	}
	return out
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
