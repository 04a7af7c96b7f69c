package policy

import (
	"fmt"
	"slices"
	"strings"

	"activedefense/firewall/ours"
)

// sensorFaults is why a rule does not log to us all that nothing above it decided; nil: it does, between its zones. A default rule
// may allow: what it lets pass is seen, and it decides as it did.
func (v *verifier) sensorFaults(x rule) []string {
	var faults []string
	if x.disabled {
		faults = append(faults, "is disabled")
	}
	if x.allows() && x.layer != layerDefault {
		faults = append(faults, "has action allow")
	}
	if !x.everySource() {
		faults = append(faults, "matches only some sources")
	}
	for _, n := range x.narrow {
		faults = append(faults, "matches only "+n)
	}
	return append(faults, v.logFaults(x)...)
}

// sensor looks, for all traffic from the internet, at the rule that decides over what no rule above it decided over:
// that must be one that denies, or a default rule, and logs to us.
func (v *verifier) sensor(f *findings) {
	if v.blind(f) {
		return
	}
	deciding := v.deciding()
	if v.want.Formats.none() {
		f.note(logsUnread)
		v.cutsOwn(f, deciding)
		return
	}
	sensors := map[int]bool{}
	gaps := v.gaps(func(t traffic) bool {
		if v.sensorFaults(v.p.rules[deciding[t]]) != nil {
			return false
		}
		sensors[deciding[t]] = true
		return true
	})
	for _, i := range sortedKeys(sensors) {
		x := v.p.rules[i]
		f.note("rule %s", x)
		if startOnly(x) {
			f.warn(v.logRemedy(x), "%s %s", x, startOnlyText)
		}
	}
	f.note("%s", v.zones)
	if len(gaps) > 0 {
		f.fail(v.sensorRemedy(deciding), "what no rule allows is not logged to us, from %s%s; %s", gaps, v.whyNoSensor(deciding), v.zones)
	}
	v.allowsBelow(f, deciding)
	v.cutsOwn(f, deciding)
}

// cutsOwn warns of our own sensor rule where it drops what the firewall itself serves, or what passes between interfaces, which intrazone-default would allow, and no rule
// above it allows anything that stays within the zone.
func (v *verifier) cutsOwn(f *findings, deciding map[traffic]int) {
	if !slices.ContainsFunc(v.p.rules, func(r rule) bool { return r.layer == layerDefault && r.name == intrazoneDefault && r.allows() }) {
		return
	}
	for _, zone := range v.zones.zones {
		t := traffic{zone, zone}
		x := v.p.rules[deciding[t]]
		allowed := slices.ContainsFunc(v.asked[t], func(i int) bool { return v.p.rules[i].allows() })
		if x.layer == layerDefault || x.name != v.want.Names.Sensor || x.allows() || allowed || v.f.lines.value == nil {
			continue
		}
		var cut []string
		for _, s := range v.f.lines.value.Services() {
			if s.Zone == zone {
				cut = append(cut, s.What+" on "+s.Interface)
			}
		}
		for _, s := range v.f.lines.value.Unproven(zone) {
			cut = append(cut, "perhaps "+s.What+" on "+s.Interface)
		}
		serves := "what the firewall itself serves: "
		if within := betweenInterfaces(v.f.lines.value, zone); within != "" {
			if cut = append(cut, within); len(cut) == 1 {
				serves = ""
			}
		}
		if len(cut) > 0 {
			f.warn("Delete "+x.String()+", and run activedefense provision, which has the default rules log in its place; or allow these above it.",
				"%s drops "+serves+"%s", x, strings.Join(cut[:min(len(cut), maxNamed)], ", "))
		}
	}
}

// betweenInterfaces names what passes within a zone that has several interfaces; "": it has not.
func betweenInterfaces(lines *ours.Facts, zone string) string {
	if all := lines.InterfacesOf(zone); len(all) > 1 {
		return fmt.Sprintf("what passes within zone %s between its %d interfaces", quoteAll([]string{zone}), len(all))
	}
	return ""
}

// deciding gives for each traffic the rule by index that decides over what no rule above it decided over. The default rules decide over
// everything, so there is one.
func (v *verifier) deciding() map[traffic]int {
	last := map[traffic]int{}
	for _, t := range v.pairs {
		last[t] = v.asked[t][len(v.asked[t])-1]
	}
	return last
}

// whyNoSensor names the rules that stand in the way of a sensor rule, or that are nearly one.
func (v *verifier) whyNoSensor(deciding map[traffic]int) string {
	var parts []string
	say := func(format string, args ...any) {
		if text := fmt.Sprintf(format, args...); !slices.Contains(parts, text) {
			parts = append(parts, text)
		}
	}
	for _, t := range v.pairs {
		x := v.p.rules[deciding[t]]
		if v.sensorFaults(x) == nil {
			continue
		}
		below := slices.IndexFunc(v.p.rules[deciding[t]+1:], func(y rule) bool { return y.matches(t.from, t.to) && v.sensorFaults(y) == nil })
		switch {
		case below >= 0:
			say("%s shadows %s", x, v.p.rules[deciding[t]+1+below])
		case x.layer != layerDefault:
			say("%s matches all of it, and %s", x, strings.Join(v.sensorFaults(x), ", "))
		default:
			say("%s decides, and %s", x, strings.Join(v.sensorFaults(x), ", "))
		}
	}
	for _, x := range slices.Concat(v.p.rules, v.p.inactive) {
		near := x.name == v.want.Names.Sensor || !x.allows() && x.everySource()
		if faults := append(v.sensorFaults(x), v.zoneFaults(x)...); near && x.layer != layerDefault && len(faults) > 0 && v.fromInternet(x) && len(parts) < 5 {
			if !slices.ContainsFunc(parts, func(p string) bool { return strings.HasPrefix(p, x.String()) }) {
				say("%s %s", x, strings.Join(faults, ", "))
			}
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, "; ")
}

// fromInternet tells whether a rule is from any of the internet zones.
func (v *verifier) fromInternet(x rule) bool {
	return isAny(x.from) || slices.ContainsFunc(x.from, func(z string) bool { return slices.Contains(v.zones.zones, z) })
}

// allowsBelow names rules that were meant to let the internet in and never do, because the sensor rule stands above
// them. Rules from any zone are not among them: they may be meant for the other zones.
func (v *verifier) allowsBelow(f *findings, deciding map[traffic]int) {
	said := map[string]bool{}
	for _, t := range v.pairs {
		sensor := v.p.rules[deciding[t]]
		if sensor.allows() || sensor.layer == layerDefault {
			continue
		}
		for _, x := range v.p.rules[deciding[t]+1:] {
			if !x.allows() || isAny(x.from) || !x.matches(t.from, t.to) || said[x.String()] {
				continue
			}
			said[x.String()] = true
			remedy := v.cli.or("Policies > Security > " + quoteAll([]string{sensor.name}) + " > Move > Move Bottom. " + v.cli.move("rulebase security rules %s bottom", word(sensor.name)))
			switch {
			case sensor.layer == layerLocal && x.layer.pushed() && sensor.name == v.want.Names.Sensor:
				remedy = "Delete " + sensor.String() + ", which cannot stand below Panorama's Post Rules, and run activedefense provision, which has the default rules log in its place."
			case sensor.layer == layerLocal && x.layer.pushed():
				remedy = "Policies > Security > " + quoteAll([]string{sensor.name}) + ": limit it to the traffic it is meant for, or delete it: it cannot stand below Panorama's Post Rules."
			case x.layer.pushed() || sensor.layer.pushed():
				remedy = "On Panorama, Policies > Security: move the sensor rule to the bottom of the Post Rules, then push."
			}
			f.fail(remedy, "%s is above %s, which allows traffic from the internet and is never reached", sensor, x)
		}
	}
}

// sensorRemedy is for the rule that stands in the way, if there is one, else for the default rules.
func (v *verifier) sensorRemedy(deciding map[traffic]int) string {
	for _, t := range v.pairs {
		x := v.p.rules[deciding[t]]
		switch {
		case x.layer == layerDefault || v.sensorFaults(x) == nil:
		case x.layer.pushed():
			return "On Panorama, Policies > Security > " + quoteAll([]string{x.name}) + ": limit it to the traffic it is meant for, or have it log to us if it is meant to be the last rule, then push."
		case x.allows():
			return "Policies > Security > " + quoteAll([]string{x.name}) + ": limit it to the traffic it is meant for, rule by rule, so that what is left reaches the default rules."
		default:
			return v.logRemedy(x)
		}
	}
	var remedies []string
	for _, x := range v.silentDefaults(deciding) {
		remedies = append(remedies, v.logRemedy(x))
	}
	return strings.Join(remedies, " Also: ")
}

// silentDefaults gives the default rules that decide over traffic from the internet and do not log it to us.
func (v *verifier) silentDefaults(deciding map[traffic]int) (out []rule) {
	found := map[int]bool{}
	for _, t := range v.pairs {
		if i := deciding[t]; v.p.rules[i].layer == layerDefault && v.sensorFaults(v.p.rules[i]) != nil {
			found[i] = true
		}
	}
	for _, i := range sortedKeys(found) {
		out = append(out, v.p.rules[i])
	}
	return out
}
