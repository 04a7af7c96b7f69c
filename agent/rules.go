package agent

import (
	"activedefense/config"
	"activedefense/detect"
	"activedefense/store"
)

// severities by the words of the configuration; what is not there is off.
var severities = map[string]detect.Threshold{"critical": detect.VulnerabilityCritical, "high": detect.VulnerabilityHigh}

// modes by the words of the configuration; what is not there blocks.
var modes = map[string]detect.Mode{"observe": detect.Observe, "notice": detect.Notice, "off": detect.Off}

// Settings are the rules as the configuration sets them.
func Settings(cfg *config.Config) detect.Settings {
	d := &cfg.Detect
	return detect.Settings{
		Vulnerability: detect.Vulnerability{
			Severity: severities[d.Vulnerability.Severity], ThreatIDs: d.Vulnerability.ThreatIDs, Policy: policyOf(d.Vulnerability.Rule, d.Outcome),
		},
		PortScan:    detect.PortScan{Ports: d.PortScan.Ports, Window: d.PortScan.Window, Policy: policyOf(d.PortScan.Rule, d.Outcome)},
		HostSweep:   detect.HostSweep{Hosts: d.HostSweep.Hosts, Window: d.HostSweep.Window, Policy: policyOf(d.HostSweep.Rule, d.Outcome)},
		Probe:       detect.Probe{Targets: d.Probe.Targets, Window: d.Probe.Window, Policy: policyOf(d.Probe.Rule, d.Outcome)},
		Login:       detect.Login{Failures: d.Login.Failures, Window: d.Login.Window, Policy: policyOf(d.Login.Rule, d.Outcome)},
		Custom:      customRules(d),
		Ignore:      ignored(d.Ignore),
		Proxies:     cfg.Networks.Proxies,
		IPv6Prefix:  cfg.Blacklist.IPv6Prefix,
		MaxSources:  d.MaxSources,
		MaxSessions: d.MaxSessions, MaxPartners: d.MaxPartners, MaxProbes: d.MaxProbes,
	}
}

// policyOf gives what each rule has beside its thresholds. A rule that does not say which records count does as all do.
func policyOf(r config.Rule, outcome string) detect.Policy {
	if r.Outcome != "" {
		outcome = r.Outcome
	}
	return detect.Policy{Mode: modes[r.Mode], RefusedOnly: outcome == "refused", BlockFor: r.BlockFor, Tag: r.Tag}
}

// customRules are the operator's own.
func customRules(d *config.Detect) []detect.CustomRule {
	var out []detect.CustomRule
	for i := range d.Custom {
		r := &d.Custom[i]
		rule := detect.CustomRule{Name: r.Name, Events: r.Event, Where: conditions(r.Where), Not: conditions(r.Not), Distinct: fields(r.Count), Per: fields(r.Per),
			MoreThan: r.MoreThan, Window: r.Window, Policy: policyOf(r.Rule, d.Outcome)}
		if r.Escalate != nil {
			rule.Escalate = &detect.Escalate{Factor: r.Escalate.Factor, Max: r.Escalate.Max}
		}
		out = append(out, rule)
	}
	return out
}

func fields(names []string) []detect.Field {
	var out []detect.Field
	for _, name := range names {
		out = append(out, detect.FieldNamed(name))
	}
	return out
}

func conditions(list []config.Condition) []detect.Condition {
	var out []detect.Condition
	for _, c := range list {
		condition := detect.Condition{Field: detect.FieldNamed(c.Field), Networks: c.Networks, Texts: c.Texts}
		for _, n := range c.Numbers {
			condition.Numbers = append(condition.Numbers, detect.NumberRange(n))
		}
		out = append(out, condition)
	}
	return out
}

func ignored(list []config.Ignore) []detect.Ignore {
	var out []detect.Ignore
	for _, ig := range list {
		entry := detect.Ignore{
			Src: ig.Src, Dst: ig.Dst, Device: ig.Device, Zone: ig.Zone, Application: ig.Application, FirewallRule: ig.FirewallRule,
			Subtype: ig.Subtype, ThreatID: ig.ThreatID, Rules: ig.Rules, Until: ig.Until, Reason: ig.Reason,
		}
		for _, r := range ig.DstPort {
			entry.DstPort = append(entry.DstPort, detect.PortRange{From: r.First, To: r.Last})
		}
		out = append(out, entry)
	}
	return out
}

// surge bounds how many forgeable verdicts block.
func surge(cfg *config.Config) detect.Surge {
	return detect.Surge{Additions: cfg.Blacklist.Surge.Additions, Window: cfg.Blacklist.Surge.Window}
}

// escalation lengthens the blocks of sources that return.
func escalation(cfg *config.Config) store.Escalation {
	return store.Escalation{Factor: cfg.Blacklist.Escalate.Factor, Max: cfg.Blacklist.Escalate.Max}
}
