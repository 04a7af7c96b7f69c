package policy

import (
	"fmt"
	"slices"
	"strings"

	"activedefense/firewall"
)

func (v *verifier) blockSource(f *findings) {
	if f.unasked(v.f.policyError()) {
		return
	}
	for _, s := range v.sources {
		f.note("%s %s", s.kind, quoteAll([]string{s.name}))
		taggedByOthers(v, f, s)
	}
	if len(v.sources) > 0 {
		return
	}
	n, c := v.want.Names, v.cli
	own, list, label := n.Group, "address-group", "address group"
	if v.want.Mode == firewall.ModeList {
		own, list, label = n.List, "external-list", "external dynamic list"
	}
	if other := v.p.namesake(list, own); other != "" {
		f.fail("Rename it, or give this firewall another tag (firewalls[].tag), which our names follow from.",
			"there is an %s: a rule that names our %s could mean that", other, label)
		return
	}
	switch v.want.Mode {
	case firewall.ModeGroup:
		text := "address group " + quoteAll([]string{n.Group}) + " does not exist"
		if v.p.scopes.find(n.Group, "address-group").Node != nil {
			text = "address group " + quoteAll([]string{n.Group}) + " is not static"
		}
		if g := v.p.scopes.find(n.Group, "address-group"); g.Child("static") != nil {
			f.fail("Rename it, or give this firewall another tag (firewalls[].tag), which our names follow from.",
				"address group %s (%s) is somebody else's: it neither bears our tag nor holds an address of ours", quoteAll([]string{n.Group}), g.scope)
			return
		}
		f.fail(c.or("Objects > Address Groups: delete any dynamic group of that name; the static one is created with the first block."), "%s", text)
	case firewall.ModeList:
		text := "no external dynamic list is fetched from " + v.want.ListURL
		if v.want.ListURL == "" {
			f.fail("Set edl.url to the URL at which the firewalls reach the list.",
				"edl.url is not set, or no list is served (edl.listen)")
			return
		}
		if l := v.p.scopes.find(n.List, "external-list"); l.Node != nil {
			text += "; " + quoteAll([]string{n.List}) + " is fetched from " + withoutSecrets(l.Value("type", "ip", "url"), v.want.ListURL)
		}
		f.fail(c.or(v.profileClicks()+fmt.Sprintf("Objects > External Dynamic Lists > Add: name %s, type IP List, source %s, certificate profile %s, every five minutes. ",
			n.List, v.want.ListURL, n.CertProf)+c.set("external-list %s type ip url %s certificate-profile %s recurring five-minute",
			word(n.List), v.want.ListURL, word(n.CertProf))), "%s", text)
	default:
		text := "no dynamic address group has a filter that matches tag " + quoteAll([]string{n.Tag}) + " alone"
		if g := v.p.scopes.find(n.Group, "address-group"); g.Child("dynamic") != nil {
			text += "; the filter of " + quoteAll([]string{n.Group}) + " is " + quoteAll([]string{g.Value("dynamic", "filter")})
		}
		for _, g := range v.wider {
			text += fmt.Sprintf("; %s matches what does not bear our tag, too", quoteAll([]string{g.Attr("name")}))
		}
		f.fail(c.or(fmt.Sprintf("Objects > Address Groups > Add: name %s, type Dynamic, match '%s'. ", n.Group, n.Tag)+
			c.set(`address-group %s dynamic filter "'%s'"`, word(n.Group), n.Tag)), "%s", text)
	}
}

// taggedByOthers warns of address objects of others that a dynamic group through which we block matches.
func taggedByOthers(v *verifier, f *findings, s blockSource) {
	if v.want.Mode != firewall.ModeTag {
		return
	}
	if others := v.p.tagged(v.want.Names, v.p.scopes.find(s.name, "address-group").Value("dynamic", "filter")); len(others) > 0 {
		f.warn("Objects > Addresses: take the tag "+v.want.Names.Tag+" off them if they shall not be blocked, or give this firewall another tag (firewalls[].tag).",
			"%s matches also what we did not make, which is blocked with it: address %s", quoteAll([]string{s.name}), quoteAll(others))
	}
}

// sourceNames are what the source of a block rule may be called: the objects through which we block, and the one that
// bears our name even if it is faulty, for which another check stands.
func (v *verifier) sourceNames() map[string]bool {
	list, names := "address-group", map[string]bool{v.want.Names.Group: true}
	if v.want.Mode == firewall.ModeList {
		list, names = "external-list", map[string]bool{v.want.Names.List: true}
	}
	for name := range v.names {
		names[name] = true
	}
	if v.want.Mode == firewall.ModeList {
		formerOnPanorama(v, names)
	}
	return v.p.withoutNamesakes(list, names)
}

// listNames are what the list may be called in the source of a rule of its own; none: no list is served, or the mode has no other
// source.
func (v *verifier) listNames() map[string]bool {
	names := map[string]bool{}
	if v.want.Mode == firewall.ModeList || v.want.ListURL == "" {
		return names
	}
	names[v.want.Names.List] = true
	for _, l := range v.p.lists(v.want.ListURL) {
		names[l.Attr("name")] = true
	}
	formerOnPanorama(v, names)
	return v.p.withoutNamesakes("external-list", names)
}

// formerOnPanorama adds the name of our list of Panorama's where it is fetched from what edl.url was before, as it is our list still: another check says so.
func formerOnPanorama(v *verifier, names map[string]bool) {
	if l := v.p.scopes.find(v.want.Names.List+panoramaNames, "external-list"); l.scope.pushed && isFormerList(l.Node, v.want) {
		names[l.Attr("name")] = true
	}
}

// holdsBoth tells whether a rule has the list beside another source of ours, of which a firewall may match only one (PAN-274213, fixed
// in PAN-OS 11.1.11 and 11.2.8).
func (v *verifier) holdsBoth(r rule) bool { return v.p.holds(r.source, v.lists) && v.blocks(r) }

// blocks tells whether a rule was meant to block what we block.
func (v *verifier) blocks(r rule) bool { return v.p.holds(r.source, v.sourceNames()) }

// isDisabled is what is said of a rule that is.
const isDisabled = "is disabled"

// blockFaults is why a rule that was meant to block does not block everything between its zones; nil: it does.
func blockFaults(r rule) []string {
	var faults []string
	if r.disabled {
		faults = append(faults, isDisabled)
	}
	if r.allows() {
		faults = append(faults, "has action allow")
	}
	if r.notSource {
		faults = append(faults, "has a negated source")
	}
	for _, n := range r.narrow {
		faults = append(faults, "matches only "+n)
	}
	return faults
}

// blockers finds the first rule that blocks each traffic from sources of these names, and holds none of the others.
func (v *verifier) blockers(names, others map[string]bool) map[traffic]int {
	var rules []int
	for i, r := range v.p.rules {
		if blockFaults(r) == nil && v.p.holds(r.source, names) && !v.p.holds(r.source, others) {
			rules = append(rules, i)
		}
	}
	first := make(map[traffic]int, len(v.pairs))
	for _, t := range v.pairs {
		first[t] = -1
		if i := slices.IndexFunc(rules, func(i int) bool { return v.p.rules[i].matches(t.from, t.to) }); i >= 0 {
			first[t] = rules[i]
		}
	}
	return first
}

// blockRules gives the rules that block anything from the internet, each once.
func (v *verifier) blockRules() []rule {
	var out []rule
	seen := map[int]bool{}
	for _, first := range []map[traffic]int{v.block, v.listed} {
		for _, t := range v.pairs {
			if i := first[t]; i >= 0 && !seen[i] {
				seen[i] = true
				out = append(out, v.p.rules[i])
			}
		}
	}
	return out
}

func (v *verifier) blockRule(f *findings) {
	if f.unasked(v.f.policyError()) {
		return
	}
	if len(v.zones.unknown) > 0 {
		f.fail(v.zonesRemedy(), "the firewall has no zone %s; it has %s", quoteAll(v.zones.unknown), zoneList(v.p.zones))
	}
	blame := f.fail
	if v.f.standsBy { // it learns no routes, so that nothing may tell its internet zones; the active member says it
		blame = f.warn
	}
	if v.blindly(f, blame) {
		return
	}
	for _, z := range v.zones.perhaps {
		f.warn("If zone "+word(z.Name)+" faces the internet, set internet_zones of this firewall to "+strings.Join(append(slices.Clone(v.zones.zones), z.Name), ", ")+"; else to "+strings.Join(v.zones.zones, ", ")+".",
			"traffic to anywhere may leave by zone %s (%s), which is not taken for an internet zone", quoteAll([]string{z.Name}), z.Why)
	}
	for _, x := range v.p.rules {
		if v.holdsBoth(x) && !x.allows() {
			f.warn(v.splitRemedy(x), "%s holds both the list and another source of ours, and may match only one of them (PAN-274213, fixed in PAN-OS 11.1.11 and 11.2.8)", x)
		}
	}
	widerRules(v, f)
	borrowingRules(v, f)
	gaps := v.gaps(func(t traffic) bool { return v.block[t] >= 0 })
	for _, rule := range v.blockRules() {
		f.note("rule %s", rule)
	}
	f.note("%s", v.zones)
	if len(gaps) == 0 {
		for _, x := range (ownRules{v}).idle(v.want.Names.Block) {
			f.warn("Delete "+x.String()+", for another rule does its work; or: "+v.blockRemedy([]rule{x}), "%s is ours, and does not do its work: it %s", x, strings.Join(ownRules{v}.workFaults(x), ", "))
		}
		ownRules{v}.beyondOurs(f)
		return
	}
	meant := v.meantToBlock()
	for _, x := range (ownRules{v}).undone(v.want.Names.Block) {
		if !slices.ContainsFunc(meant, func(m rule) bool { return m.name == x.name && m.layer == x.layer }) {
			meant = append(meant, x)
		}
	}
	text := fmt.Sprintf("no rule drops blocked sources from %s", gaps)
	if faults := v.describe(meant, ownRules{v}.workFaults); faults != "" {
		text += ": " + faults
	}
	f.fail(v.blockRemedy(meant), "%s; %s", text, v.zones)
}

// ownRules look at what bears the names of our rules, and whether it does what they are for.
type ownRules struct{ *verifier }

// workFaults is why a rule that was meant to block does not block all that we block from all internet zones; nil: it does.
func (v ownRules) workFaults(x rule) []string {
	faults := append(blockFaults(x), v.zoneFaults(x)...)
	names, what := v.sourceNames(), "our group"
	if x.name == v.want.Names.Listed && len(v.lists) > 0 || v.want.Mode == firewall.ModeList {
		what = "our list"
	}
	if x.name == v.want.Names.Listed && len(v.lists) > 0 {
		names = v.lists
	}
	if !v.p.holds(x.source, names) {
		faults = append(faults, "has source "+quoteAll(x.source)+" and not "+what)
	}
	return faults
}

// undone gives the firewall's own rules of this name, which is one of ours, that do not do their work, whatever other rule does it.
func (v ownRules) undone(name string) []rule {
	return slices.DeleteFunc(slices.Concat(v.p.rules, v.p.inactive), func(x rule) bool {
		return x.layer != layerLocal || x.name != name || v.workFaults(x) == nil
	})
}

// idle gives those of them that stop nothing that we block; one for some zones alone may be one of several.
func (v ownRules) idle(name string) []rule {
	return slices.DeleteFunc(v.undone(name), func(x rule) bool { return blockFaults(x) == nil })
}

// beyondOurs warns of sources that somebody added to a rule of ours: it stops them whatever we know of them, and provision and a removal
// leave it alone.
func (v ownRules) beyondOurs(f *findings) {
	ours := v.sourceNames()
	for name := range v.lists {
		ours[name] = true
	}
	for _, x := range v.p.rules {
		if x.layer != layerLocal || x.allows() || x.name != v.want.Names.Block && x.name != v.want.Names.Listed {
			continue
		}
		others := slices.DeleteFunc(slices.Clone(x.source), func(m string) bool { return ours[m] })
		if len(others) < len(x.source) && len(others) > 0 {
			f.warn("Policies > Security > "+quoteAll([]string{x.name})+": take "+words(others)+" out of its source, into a rule with a name of its own.",
				"%s stops %s as well, which is nothing of ours; it counts as somebody else's, and no removal takes it away without --adopt", x, quoteAll(others))
		}
	}
}

// widerRules warns of rules that stop more than what is blocked, by a group that matches other tags as well.
func widerRules(v *verifier, f *findings) {
	for _, g := range v.wider {
		name := quoteAll([]string{g.Attr("name")})
		for _, x := range v.p.rules {
			if x.allows() || x.notSource || !v.p.holds(x.source, map[string]bool{g.Attr("name"): true}) {
				continue
			}
			f.warn(fmt.Sprintf("If what bears the other tags alone shall not be stopped: Policies > Security > %s: source %s in place of %s.", quoteAll([]string{x.name}), word(v.want.Names.Group), name),
				"%s stops what address group %s matches, which is more than what is blocked and no proof that it is (filter %s)", x, name, quoteAll([]string{g.Value("dynamic", "filter")}))
		}
	}
}

// borrowingRules warns of rules of the firewall's own that name what Panorama has for rules of its own.
func borrowingRules(v *verifier, f *findings) {
	for _, x := range slices.Concat(v.p.rules, v.p.inactive) {
		names := panoramasSources(v, x)
		if len(names) == 0 {
			continue
		}
		own, kind := v.want.Names.List, "external dynamic list"
		if v.p.scopes.find(names[0], "external-list").Node == nil {
			own, kind = v.want.Names.Group, "address group"
		}
		f.warn(v.cli.or(fmt.Sprintf("Policies > Security > %s: source %s in place of %s.", quoteAll([]string{x.name}), word(own), words(names))),
			"%s names %s %s, which Panorama has for rules of its own and which goes with these: then it stops nothing, and Panorama can push nothing to this firewall", x, kind, quoteAll(names))
	}
}

// splitRemedy gives the list a rule of its own.
func (v *verifier) splitRemedy(x rule) string {
	var lists []string
	for _, m := range x.source {
		if v.lists[m] {
			lists = append(lists, m)
		}
	}
	text := fmt.Sprintf("Policies > Security > %s: Clone as %s with the source %s alone, and take that out of the source of %s.", quoteAll([]string{x.name}), v.want.Names.Listed, words(lists), quoteAll([]string{x.name}))
	if x.layer.pushed() {
		return "On Panorama, " + text
	}
	return v.cli.or(text)
}

// meantToBlock gives the rules with our source, disabled ones included.
func (v *verifier) meantToBlock() []rule {
	var out []rule
	for _, x := range slices.Concat(v.p.rules, v.p.inactive) {
		if v.blocks(x) {
			out = append(out, x)
		}
	}
	return out
}

// meantToLog gives these, and the rules for the list.
func (v *verifier) meantToLog() []rule {
	out := v.meantToBlock()
	for _, x := range v.blockRules() {
		if !slices.ContainsFunc(out, func(y rule) bool { return y.name == x.name && y.layer == x.layer }) {
			out = append(out, x)
		}
	}
	return out
}

// blockRemedy fixes the rule that there is, or makes one.
func (v *verifier) blockRemedy(meant []rule) string {
	n := v.want.Names
	name, place := n.Block, "Policies > Security > Add: "
	if len(meant) > 0 {
		name, place = meant[0].name, "Policies > Security > "+quoteAll([]string{meant[0].name})+": "
		if meant[0].layer.pushed() {
			place = "on Panorama, Policies > Security > Pre Rules > " + quoteAll([]string{name}) + ": "
		}
	}
	source := n.Group
	if v.want.Mode == firewall.ModeList {
		source = n.List
	}
	if len(v.sources) > 0 {
		source = v.sources[0].name
	}
	if name == n.Listed && len(v.lists) > 0 {
		source = n.List
	}
	if len(meant) > 0 && !meant[0].layer.pushed() {
		only := meant[0]
		if only.disabled = false; meant[0].disabled && len(ownRules{v}.workFaults(only)) == 0 {
			return v.cli.or("Policies > Security > " + quoteAll([]string{name}) + " > Enable. " + v.cli.set("rulebase security rules %s disabled no", word(name)))
		}
	}
	text := fmt.Sprintf("%senabled, source zone %s, source %s, destination zone, address, user, application, service and category any, action Drop; then move it to the top.",
		place, v.zones.orAny(), word(source))
	if len(meant) > 0 && meant[0].layer.pushed() {
		return text
	}
	anew := ""
	if len(meant) > 0 && (name == n.Block || name == n.Listed) { // what set does not name stays: a schedule, or members of a list
		anew = v.cli.command("delete ", "rulebase security rules %s", word(name)) + ", then "
	}
	set := v.cli.set("rulebase security rules %s from %s to any source %s destination any application any service any action drop disabled no log-setting %s",
		word(name), v.zones.orAny(), word(source), word(v.logName()))
	if anew != "" {
		set = strings.TrimPrefix(set, cliPrefix)
	}
	return v.cli.or(text + " " + anew + set + ", then " + strings.TrimPrefix(v.cli.move("rulebase security rules %s top", word(name)), cliPrefix))
}

// evades tells whether a rule lets sources through that the block rule for sources of these names would have dropped.
func (v *verifier) evades(x rule, names map[string]bool) bool {
	if !x.allows() || !v.p.maybePublic(x) {
		return false
	}
	return !x.notSource || !v.p.holds(x.source, names)
}

// above gives the rules that let through what a block rule below them would have dropped, with that one; found: there is a
// block rule.
func (v *verifier) above() (above map[int]int, found bool) {
	above = map[int]int{}
	for _, t := range v.pairs {
		block := max(v.block[t], v.listed[t])
		found = found || block >= 0
		for _, i := range v.asked[t] {
			x := v.p.rules[i]
			if i < v.block[t] && v.evades(x, v.names) {
				above[i] = v.block[t]
			} else if i < v.listed[t] && !v.blocks(x) && v.evades(x, v.lists) { // one that has our group as its source is the other rule's matter
				above[i] = v.listed[t]
			}
		}
	}
	return above, found
}

func (v *verifier) blockPosition(f *findings) {
	if v.blind(f) {
		return
	}
	above, found := v.above()
	if !found {
		f.nothing("block rule", CheckBlockRule)
		return
	}
	f.note("no rule above it allows traffic from %s", quoteAll(v.zones.zones))
	for _, i := range sortedKeys(above) {
		x, block := v.p.rules[i], v.p.rules[above[i]]
		remedy := v.cli.or("Policies > Security > " + quoteAll([]string{block.name}) + " > Move > Move Top. " + v.cli.move("rulebase security rules %s top", word(block.name)))
		switch isPre := x.layer == layerGroupPre || x.layer == layerSharedPre; {
		case isPre && block.layer == x.layer && block.group == x.group:
			remedy = "On Panorama, Policies > Security > Pre Rules: move " + quoteAll([]string{block.name}) + " to the top, then push."
		case isPre:
			remedy = "On Panorama, Policies > Security > Pre Rules: make the same rule above " + quoteAll([]string{x.name}) + ", with this firewall as its target, then push; rules of a firewall's own stand below all of those. provision has it in its plan."
		case block.layer.pushed():
			remedy = "On Panorama, Policies > Security > Pre Rules: make the same rule as " + quoteAll([]string{block.name}) + " there, with this firewall as its target, then push."
		}
		f.fail(remedy, "%s is above %s and allows traffic from the internet", x, block)
	}
}

func (v *verifier) blockLogs(f *findings) {
	if f.unasked(v.f.policyError()) {
		return
	}
	meant := v.meantToLog()
	if len(meant) == 0 {
		f.nothing("block rule", CheckBlockRule)
		return
	}
	for _, x := range meant {
		if x.allows() {
			f.note("%s has action allow, so its logging does not matter", x)
			continue
		}
		faults := v.logFaults(x)
		if startOnly(x) {
			faults = append(faults, startOnlyText)
		}
		if len(faults) > 0 {
			f.warn(v.logRemedy(x), "%s %s, so activity of a blocked source is not seen and does not extend its block", x, strings.Join(faults, ", "))
		}
		f.note("%s logs to us through %s", x, quoteAll([]string{x.logProfile}))
	}
}
