package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"activedefense/firewall/policy/panorama"
)

// blind reports that the policy could not be read, or that it cannot be told which traffic comes from the internet, which is a
// warning: for the block rule, without which nothing is blocked, it fails (see blockRule).
func (v *verifier) blind(f *findings) bool { return v.blindly(f, f.warn) }

func (v *verifier) blindly(f *findings, blame func(remedy, format string, args ...any)) bool {
	if f.unasked(v.f.policyError()) {
		return true
	}
	if len(v.zones.zones) > 0 {
		return false
	}
	if len(v.want.InternetZones) == 0 && f.unasked(cmp.Or(v.f.lines.err, v.f.template.err)) || len(v.p.zones) == 0 && f.unasked(v.f.template.err) {
		return true
	}
	blame(v.zonesRemedy(), "cannot be checked: %s; the firewall has %s", v.zones, zoneList(v.p.zones))
	return true
}

func (v *verifier) zonesRemedy() string {
	return "Set internet_zones of this firewall to the zones that face the internet; they are listed under Network > Zones."
}

func zoneList(zones []string) string {
	if len(zones) == 0 {
		return "no zones at all"
	}
	return "the zones " + quoteAll(zones)
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
		faults = append(faults, "does not match source zone "+quoteAll(missing))
	}
	if !isAny(x.to) {
		faults = append(faults, "matches only destination zone "+quoteAll(x.to))
	}
	switch x.kind {
	case kindInterzone:
		faults = append(faults, "is of rule type interzone, so it does not match what is sent to the firewall's own addresses (GlobalProtect, IKE), which stays within the zone")
	case kindIntrazone:
		faults = append(faults, "is of rule type intrazone, so it matches nothing that leaves the zone")
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

// String names them after "from".
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
			out = append(out, zoneGap{from, to, len(to) == len(v.p.to)})
		}
	}
	return out
}

// logName is the log forwarding profile to be put on rules.
func (v *verifier) logName() string {
	for _, l := range v.logs {
		if !forPanorama(v, logProfiles, l.name) {
			return l.name
		}
	}
	return v.want.Names.Logs
}

func sortedKeys[V any](m map[int]V) []int {
	keys := make([]int, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// logFaults is why the logs of a rule do not reach us; nil: they do, as far as the rule goes, or nobody here reads them.
func (v *verifier) logFaults(x rule) []string {
	if v.want.Formats.none() {
		return nil
	}
	var faults []string
	switch ours := slices.ContainsFunc(v.logs, func(l logProfile) bool { return l.name == x.logProfile }); {
	case x.logProfile == "":
		faults = append(faults, "has no log forwarding profile")
	case ours && forPanorama(v, logProfiles, x.logProfile) && (x.layer == layerLocal || x.layer == layerDefault && x.overridden == layerLocal):
		faults = append(faults, "uses log forwarding profile "+quoteAll([]string{x.logProfile})+", which Panorama has for rules of its own and which goes with these")
	case !ours:
		faults = append(faults, "uses log forwarding profile "+quoteAll([]string{x.logProfile})+", which does not send to us")
	}
	if !x.logEnd && !x.logStart {
		faults = append(faults, "does not log sessions")
	}
	return faults
}

// startOnly tells whether a rule that denies logs the start of sessions alone. What is then logged of a session that is
// never let in, no source says.
func startOnly(x rule) bool { return !x.allows() && x.logStart && !x.logEnd }

const startOnlyText = "logs only at session start, which may not cover denied sessions"

func (v *verifier) logRemedy(x rule) string {
	switch {
	case x.logProfile != "" && x.logProfile != v.want.Names.Logs && !slices.ContainsFunc(v.logs, func(l logProfile) bool { return l.name == x.logProfile }):
		// Somebody else reads what it sends: it stays, and sends to us as well.
		where := ""
		if x.layer.pushed() || x.layer == layerDefault && x.overridden.pushed() {
			where = "On Panorama, "
		}
		return where + "Objects > Log Forwarding > " + quoteAll([]string{x.logProfile}) + " > Add, for log type traffic and again for threat: filter All Logs, Syslog " + word(v.serverName()) +
			"; provision --adopt does it. The rule: Log at Session End."
	case x.layer == layerDefault && x.overridden.pushed():
		return pushedDefaultRemedy(x)
	case x.layer == layerDefault:
		return v.cli.or("Policies > Security > " + quoteAll([]string{x.name}) + " > Override > Actions: Log at Session End, Log Forwarding " + word(v.logName()) +
			"; the action stays " + x.action + ". " + v.cli.set("rulebase default-security-rules rules %s action %s log-end yes log-setting %s", word(x.name), x.action, word(v.logName())))
	case x.layer.pushed():
		return "On Panorama, Policies > Security > " + quoteAll([]string{x.name}) + " > Actions: Log at Session End, Log Forwarding " + pushedLogs(v, x) + "; then push."
	}
	return v.cli.or("Policies > Security > " + quoteAll([]string{x.name}) + " > Actions: Log at Session End, Log Forwarding " + word(v.logName()) + ". " +
		v.cli.set("rulebase security rules %s log-end yes log-setting %s", word(x.name), word(v.logName())))
}

// pushedLogs is the log forwarding profile to be put on a rule of Panorama's, which can name only one of its device group, or of one above.
func pushedLogs(v *verifier, x rule) string {
	for _, l := range v.logs {
		at := v.p.scopes.find(l.name, "log-settings", "profiles").Attr("loc")
		if l.scope.pushed && (at == "" || panorama.IsShared(at) || at == x.group) {
			return word(l.name)
		}
	}
	return "a profile of its device group that sends all traffic and threat logs to us"
}

// pushedDefaultRemedy is for Panorama's administrator, where the override of a default rule is pushed.
func pushedDefaultRemedy(x rule) string {
	where, at := "the device group that overrides it", "device-group GROUP"
	switch {
	case x.overridden == layerSharedPost:
		where, at = "Shared", "shared"
	case x.group != "":
		where, at = "device group "+x.group, "device-group "+word(x.group)
	}
	return fmt.Sprintf("On Panorama, Policies > Security > Default Rules > %q in %s > Actions: Log at Session End, and a Log Forwarding profile that sends all traffic and threat logs to us; the action stays %s; then push. "+
		"CLI of Panorama, configure mode: set %s post-rulebase default-security-rules rules %s log-end yes log-setting PROFILE", x.name, where, x.action, at, x.name)
}

func (v *verifier) internetRules(f *findings) {
	if v.blind(f) {
		return
	}
	reached := map[int]bool{}
	for _, t := range v.pairs {
		for _, i := range v.asked[t] {
			reached[i] = true
		}
	}
	if v.f.info.value.ThreatVersion == "0" {
		f.warn("Device > Dynamic Updates > Applications and Threats: Download and Install; it needs a Threat Prevention license.",
			"the firewall has no threat content (threat-version 0): it never logs an attack, whatever the profiles say")
	}
	count := 0
	for _, i := range sortedKeys(reached) {
		x := v.p.rules[i]
		if !x.allows() || x.layer == layerDefault || !v.p.maybePublic(x) {
			continue
		}
		count++
		if faults := v.logFaults(x); len(faults) > 0 {
			f.warn(v.logRemedy(x), "%s %s", x, strings.Join(faults, ", "))
		}
		if !v.p.protects(x) {
			remedy := "Policies > Security > " + quoteAll([]string{x.name}) + " > Actions > Profile Setting: a Vulnerability Protection profile, or a group that contains one."
			if x.layer.pushed() {
				remedy = "On Panorama, " + remedy
			} else {
				remedy += " " + v.cli.set("rulebase security rules %s profile-setting profiles vulnerability strict", word(x.name))
			}
			f.warn(remedy, "%s has no vulnerability protection", x)
		}
	}
	if count == 0 {
		f.note("no rule allows traffic from the internet")
		return
	}
	with := "logging and vulnerability protection"
	if v.want.Formats.none() {
		with = "vulnerability protection"
	}
	f.note("%s traffic from the internet, with "+with, plural(count, "rule allows", "rules allow"))
}
