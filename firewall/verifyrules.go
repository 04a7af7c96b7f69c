package firewall

import (
	"fmt"
	"slices"
	"strings"
)

// blind reports that the policy could not be read, or that it cannot be told which traffic comes from the internet.
func (v *verifier) blind(r *report) bool {
	if r.unasked(v.f.policyError()) {
		return true
	}
	if len(v.zones.zones) > 0 {
		return false
	}
	if len(v.p.zones) == 0 && r.unasked(v.f.template.err) {
		return true
	}
	r.warn(v.zonesRemedy(), "cannot be judged: %s among %s", v.zones, zoneList(v.p.zones))
	return true
}

func (v *verifier) zonesRemedy() string {
	return "Name the zones that face the internet in internet_zones of this firewall's configuration; they are listed under Network > Zones."
}

func zoneList(zones []string) string {
	if len(zones) == 0 {
		return "no zones at all"
	}
	return "the zones " + quoteAll(zones)
}

func (v *verifier) blockSource(r *report) {
	if r.unasked(v.f.policyError()) {
		return
	}
	for _, s := range v.sources {
		r.note("%s %s", s.kind, quoteAll([]string{s.name}))
	}
	if len(v.sources) > 0 {
		return
	}
	n, c := v.want.Names, v.cli
	switch v.want.Mode {
	case ModeGroup:
		text := "there is no address group " + quoteAll([]string{n.Group})
		if v.p.scopes.find(n.Group, "address-group").node != nil {
			text = "the address group " + quoteAll([]string{n.Group}) + " is not a static one"
		}
		r.fail(c.or("Objects > Address Groups: delete a dynamic group of that name; the static one is made with the first block."), "%s", text)
	case ModeList:
		text := "no external dynamic list is fetched from " + v.want.ListURL
		if v.want.ListURL == "" {
			text = "no list is served (edl.listen)"
		} else if l := v.p.scopes.find(n.List, "external-list"); l.node != nil {
			text += "; " + quoteAll([]string{n.List}) + " is fetched from " + tidy(l.value("type", "ip", "url"), nil)
		}
		r.fail(c.or(fmt.Sprintf("Objects > External Dynamic Lists > Add: name %s, type IP List, source %s, certificate profile with our CA, every five minutes. ",
			n.List, v.want.ListURL)+c.set("external-list %s type ip url %s recurring five-minute", word(n.List), v.want.ListURL)), "%s", text)
	default:
		text := "no dynamic address group has a filter that matches the tag " + quoteAll([]string{n.Tag}) + " alone"
		if g := v.p.scopes.find(n.Group, "address-group"); g.child("dynamic") != nil {
			text += "; that of " + quoteAll([]string{n.Group}) + " is " + quoteAll([]string{g.value("dynamic", "filter")})
		}
		r.fail(c.or(fmt.Sprintf("Objects > Address Groups > Add: name %s, type Dynamic, match '%s'. ", n.Group, n.Tag)+
			c.set(`address-group %s dynamic filter "'%s'"`, word(n.Group), n.Tag)), "%s", text)
	}
}

// sourceNames are what the source of a block rule may be called: the objects through which we block, and the one that
// bears our name even if it is faulty, for which another check stands.
func (v *verifier) sourceNames() map[string]bool {
	names := map[string]bool{v.want.Names.Group: true}
	if v.want.Mode == ModeList {
		names = map[string]bool{v.want.Names.List: true}
	}
	for name := range v.names {
		names[name] = true
	}
	return names
}

// blocks tells whether a rule was meant to block what we block.
func (v *verifier) blocks(r rule) bool { return v.p.holds(r.source, v.sourceNames()) }

// blockFaults is why a rule that was meant to block does not block everything between its zones; nil: it does.
func blockFaults(r rule) []string {
	var faults []string
	if r.disabled {
		faults = append(faults, "is disabled")
	}
	if r.allows() {
		faults = append(faults, "allows")
	}
	if r.notSource {
		faults = append(faults, "negates its source")
	}
	for _, n := range r.narrow {
		faults = append(faults, "matches only "+n)
	}
	return faults
}

// blockers finds the first rule that blocks each traffic.
func (v *verifier) blockers() map[traffic]int {
	var rules []int
	for i, r := range v.p.rules {
		if blockFaults(r) == nil && v.blocks(r) {
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

// firstBlock gives the first rule that blocks the traffic; -1: none does.
func (v *verifier) firstBlock(t traffic) int { return v.block[t] }

// blockRules gives the rules that block anything from the internet, each once.
func (v *verifier) blockRules() []rule {
	var out []rule
	seen := map[int]bool{}
	for _, t := range v.pairs {
		if i := v.firstBlock(t); i >= 0 && !seen[i] {
			seen[i] = true
			out = append(out, v.p.rules[i])
		}
	}
	return out
}

func (v *verifier) blockRule(r *report) {
	if r.unasked(v.f.policyError()) {
		return
	}
	if len(v.zones.unknown) > 0 {
		r.fail(v.zonesRemedy(), "there is no zone %s on it, but %s", quoteAll(v.zones.unknown), zoneList(v.p.zones))
	}
	if v.blind(r) {
		return
	}
	gaps := v.gaps(func(t traffic) bool { return v.firstBlock(t) >= 0 })
	for _, rule := range v.blockRules() {
		r.note("rule %s", rule)
	}
	r.note("%s", v.zones)
	if len(gaps) == 0 {
		return
	}
	meant := v.meantToBlock()
	text := fmt.Sprintf("no rule drops what is blocked from %s", gaps)
	if faults := v.describe(meant, func(x rule) []string { return append(blockFaults(x), v.zoneFaults(x)...) }); faults != "" {
		text += ": " + faults
	}
	v.gap(r, gaps, v.blockRemedy(meant), text)
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

// zoneFaults is what a rule lacks of the internet zones, and of everywhere as destination.
func (v *verifier) zoneFaults(x rule) []string {
	var faults, missing []string
	for _, z := range v.zones.zones {
		if !isAny(x.from) && !slices.Contains(x.from, z) {
			missing = append(missing, z)
		}
	}
	if len(missing) > 0 {
		faults = append(faults, "is not from "+quoteAll(missing))
	}
	if !isAny(x.to) {
		faults = append(faults, "is only to "+quoteAll(x.to))
	}
	if x.kind != kindUniversal {
		faults = append(faults, "is of type "+x.kind)
	}
	return faults
}

// describe gives what is wrong with each rule, as one sentence; "" if there are none.
func (v *verifier) describe(rules []rule, faults func(rule) []string) string {
	var parts []string
	for _, x := range rules[:min(len(rules), 5)] {
		if f := faults(x); len(f) > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", x, strings.Join(f, ", ")))
		}
	}
	return strings.Join(parts, "; ")
}

// zoneGaps are internet zones with the destinations that something is lacking for; nil: every destination.
type zoneGaps []zoneGap

type zoneGap struct {
	from string
	to   []string
	all  bool
}

func (g zoneGaps) String() string {
	var parts []string
	for _, gap := range g {
		if gap.all {
			parts = append(parts, quoteAll([]string{gap.from})+" to any zone")
		} else {
			parts = append(parts, quoteAll([]string{gap.from})+" to "+quoteAll(gap.to))
		}
	}
	return strings.Join(parts, ", nor from ")
}

// gaps gives the traffic from the internet zones for which something does not hold.
func (v *verifier) gaps(holds func(traffic) bool) zoneGaps {
	var out zoneGaps
	for _, from := range v.zones.zones {
		var to []string
		for _, t := range v.pairs {
			if t.from == from && !holds(t) {
				to = append(to, t.to)
			}
		}
		if len(to) > 0 {
			out = append(out, zoneGap{from, to, len(to) == len(v.p.zones)})
		}
	}
	return out
}

// gap fails; it only warns if all that is lacking are zones of which we merely guess that they face the internet,
// while others that we guess have what is needed.
func (v *verifier) gap(r *report, gaps zoneGaps, remedy, text string) {
	if v.zones.guessed && len(gaps) < len(v.zones.zones) && !slices.ContainsFunc(gaps, func(g zoneGap) bool { return !g.all }) {
		r.warn(remedy+" If that zone does not face the internet: "+v.zonesRemedy(), "%s; %s", text, v.zones)
		return
	}
	r.fail(remedy, "%s; %s", text, v.zones)
}

// blockRemedy mends the rule that there is, or makes one.
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
	if v.want.Mode == ModeList {
		source = n.List
	}
	if len(v.sources) > 0 {
		source = v.sources[0].name
	}
	text := fmt.Sprintf("%senabled, source zone %s, source %s, destination zone, address, user, application, service and category any, action Drop; then move it to the top.",
		place, v.zones.orAny(), word(source))
	if len(meant) > 0 && meant[0].layer.pushed() {
		return text
	}
	return v.cli.or(text + " " + v.cli.set("rulebase security rules %s from %s to any source %s destination any application any service any action drop disabled no log-setting %s",
		word(name), v.zones.orAny(), word(source), word(v.logName())))
}

// logName is the log forwarding profile to be put on rules.
func (v *verifier) logName() string {
	if len(v.logs) > 0 {
		return v.logs[0].name
	}
	return v.want.Names.Logs
}

// evades tells whether a rule lets sources through that the block rule would have dropped.
func (v *verifier) evades(x rule) bool {
	if !x.allows() || !v.p.maybePublic(x) {
		return false
	}
	return !x.notSource || !v.p.holds(x.source, v.names)
}

func (v *verifier) blockPosition(r *report) {
	if v.blind(r) {
		return
	}
	above := map[int]int{} // rules that allow, with the block rule below them
	found := false
	for _, t := range v.pairs {
		block := v.firstBlock(t)
		found = found || block >= 0
		for _, i := range v.asked[t] {
			if i < block && v.evades(v.p.rules[i]) {
				above[i] = block
			}
		}
	}
	if !found {
		r.note(`there is no rule to look at, see "%s"`, CheckBlockRule)
		return
	}
	r.note("no rule above it allows traffic from %s", quoteAll(v.zones.zones))
	for _, i := range sortedKeys(above) {
		x, block := v.p.rules[i], v.p.rules[above[i]]
		remedy := v.cli.or("Policies > Security > " + quoteAll([]string{block.name}) + " > Move > Move Top. " + v.cli.move("rulebase security rules %s top", word(block.name)))
		if x.layer.pushed() || block.layer.pushed() {
			remedy = "On Panorama, Policies > Security > Pre Rules: make the block rule the first, in Shared if others stand there, and push."
		}
		r.fail(remedy, "%s stands above %s and allows traffic from the internet", x, block)
	}
}

func sortedKeys[V any](m map[int]V) []int {
	keys := make([]int, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// logFaults is why the logs of a rule do not reach us; nil: they do, as far as the rule goes.
func (v *verifier) logFaults(x rule) []string {
	var faults []string
	switch ours := slices.ContainsFunc(v.logs, func(l logProfile) bool { return l.name == x.logProfile }); {
	case x.logProfile == "":
		faults = append(faults, "has no log forwarding profile")
	case !ours:
		faults = append(faults, "has the log forwarding profile "+quoteAll([]string{x.logProfile})+", which does not send to us")
	}
	if !x.logEnd && !x.logStart {
		faults = append(faults, "logs no sessions")
	}
	return faults
}

// startOnly tells whether a rule that denies logs the start of sessions alone. What is then logged of a session that is
// never let in, no source says.
func startOnly(x rule) bool { return !x.allows() && x.logStart && !x.logEnd }

const startOnlyText = "logs only the start of sessions, and it is not known whether denied ones have one"

func (v *verifier) logRemedy(x rule) string {
	if x.layer.pushed() {
		return "On Panorama, Policies > Security > " + quoteAll([]string{x.name}) + " > Actions: Log at Session End, Log Forwarding " + word(v.logName()) + "."
	}
	rules := "rulebase security rules"
	if x.layer == layerDefault {
		rules = "rulebase default-security-rules rules"
	}
	return v.cli.or("Policies > Security > " + quoteAll([]string{x.name}) + " > Actions: Log at Session End, Log Forwarding " + word(v.logName()) + ". " +
		v.cli.set("%s %s log-end yes log-setting %s", rules, word(x.name), word(v.logName())))
}

func (v *verifier) blockLogs(r *report) {
	if r.unasked(v.f.policyError()) {
		return
	}
	meant := v.meantToBlock()
	if len(meant) == 0 {
		r.note(`there is no rule to look at, see "%s"`, CheckBlockRule)
		return
	}
	for _, x := range meant {
		if x.allows() {
			r.note("%s allows, and its logs do not matter", x)
			continue
		}
		faults := v.logFaults(x)
		if startOnly(x) {
			faults = append(faults, startOnlyText)
		}
		if len(faults) > 0 {
			r.warn(v.logRemedy(x), "%s %s, so that activity of a blocked source is not seen and does not prolong its block", x, strings.Join(faults, ", "))
		}
		r.note("%s logs to us by %s", x, quoteAll([]string{x.logProfile}))
	}
}

func (v *verifier) internetRules(r *report) {
	if v.blind(r) {
		return
	}
	reached := map[int]bool{}
	for _, t := range v.pairs {
		for _, i := range v.asked[t] {
			reached[i] = true
		}
	}
	count := 0
	for _, i := range sortedKeys(reached) {
		x := v.p.rules[i]
		if !x.allows() || x.layer == layerDefault || !v.p.maybePublic(x) {
			continue
		}
		count++
		if faults := v.logFaults(x); len(faults) > 0 {
			r.warn(v.logRemedy(x), "%s %s", x, strings.Join(faults, ", "))
		}
		if !v.p.protects(x) {
			remedy := "Policies > Security > " + quoteAll([]string{x.name}) + " > Actions > Profile Setting: a Vulnerability Protection profile, or a group that holds one."
			if x.layer.pushed() {
				remedy = "On Panorama, " + remedy
			} else {
				remedy += " " + v.cli.set("rulebase security rules %s profile-setting profiles vulnerability strict", word(x.name))
			}
			r.warn(remedy, "%s has no vulnerability protection", x)
		}
	}
	r.note("%s let the internet in, with logs and vulnerability protection", plural(count, "rule", ""))
}
