package policy

import (
	"fmt"
	"slices"
	"strings"
)

// sensorFaults is why a rule does not log to us all that nothing above it allowed; nil: it does, between its zones.
func (v *verifier) sensorFaults(x rule) []string {
	var faults []string
	if x.disabled {
		faults = append(faults, "is disabled")
	}
	if x.allows() {
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
// that must be one that denies and logs to us.
func (v *verifier) sensor(f *findings) {
	if v.blind(f) {
		return
	}
	deciding := map[traffic]int{}
	for _, t := range v.pairs {
		deciding[t] = v.asked[t][len(v.asked[t])-1] // the default rules decide over everything, so there is one
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
		v.gap(f, gaps, v.sensorRemedy(deciding), fmt.Sprintf("no rule denies and logs to us all remaining traffic from %s%s", gaps, v.whyNoSensor(deciding)))
	}
	v.allowsBelow(f, deciding)
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
			if x.layer.pushed() || sensor.layer.pushed() {
				remedy = "On Panorama, Policies > Security: move the sensor rule to the bottom of the Post Rules, then push."
			}
			f.fail(remedy, "%s is above %s, which allows traffic from the internet and is never reached", sensor, x)
		}
	}
}

// sensorRemedy is for the rule that stands in the way, if there is one, or makes a sensor rule.
func (v *verifier) sensorRemedy(deciding map[traffic]int) string {
	for _, t := range v.pairs {
		x := v.p.rules[deciding[t]]
		switch {
		case x.layer == layerDefault || v.sensorFaults(x) == nil:
		case x.layer.pushed():
			return "On Panorama, Policies > Security > " + quoteAll([]string{x.name}) + ": limit it to the traffic it is meant for, or have it log to us if it is meant to be the last rule, then push."
		case x.allows():
			return "Policies > Security > " + quoteAll([]string{x.name}) + ": limit it to the traffic it is meant for. " + v.cli.set("rulebase security rules %s disabled yes", word(x.name)) + " disables it."
		default:
			return v.logRemedy(x)
		}
	}
	n := v.want.Names
	return v.cli.or(fmt.Sprintf("Policies > Security > Add, as the last rule: name %s, source zone %s, everything else any, action Drop, Log at Session End, Log Forwarding %s. ",
		n.Sensor, v.zones.orAny(), word(v.logName())) +
		v.cli.set("rulebase security rules %s from %s to any source any destination any application any service any action drop log-setting %s",
			word(n.Sensor), v.zones.orAny(), word(v.logName())))
}
