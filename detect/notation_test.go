package detect

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// notation is what the settings of a scenario say; see testdata/README.md.
type notation struct {
	settings    Settings
	ours, never []netip.Prefix
	surge       Surge
	refuse      bool
}

func scenarioLines(text string) [][]string {
	var lines [][]string
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		if words := strings.Fields(line); len(words) > 0 {
			lines = append(lines, words)
		}
	}
	return lines
}

func (n *notation) setting(words []string) (err error) {
	conf, rest := &n.settings, words[1:]
	switch words[0] {
	case "port-scan":
		conf.PortScan.Ports, conf.PortScan.Window, err = threshold(words)
	case "host-sweep":
		conf.HostSweep.Hosts, conf.HostSweep.Window, err = threshold(words)
	case "probe":
		conf.Probe.Targets, conf.Probe.Window, err = threshold(words)
	case "login":
		conf.Login.Failures, conf.Login.Window, err = threshold(words)
	case "surge":
		n.surge.Additions, n.surge.Window, err = threshold(words)
	case "vulnerability":
		conf.Vulnerability.Severity = map[string]Threshold{"critical": VulnerabilityCritical, "high": VulnerabilityHigh}[rest[0]]
	case "ids":
		err = each(rest, func(word string) error {
			id, err := strconv.ParseUint(word, 10, 32)
			conf.Vulnerability.ThreatIDs = append(conf.Vulnerability.ThreatIDs, uint32(id))
			return err
		})
	case "refused":
		err = n.policies(rest, func(p *Policy) { p.RefusedOnly = true })
	case "all":
		err = n.policies(rest, func(p *Policy) { p.RefusedOnly = false })
	case "observe":
		err = n.policies(rest, func(p *Policy) { p.Mode = Observe })
	case "ours":
		err = each(rest, appendNetwork(&n.ours))
	case "never":
		err = each(rest, appendNetwork(&n.never))
	case "proxy":
		err = each(rest, appendNetwork(&conf.Proxies))
	case "ignore":
		err = n.ignore(rest)
	case "max-sources":
		conf.MaxSources, err = strconv.Atoi(rest[0])
	case "ipv6-prefix":
		conf.IPv6Prefix, err = strconv.Atoi(rest[0])
	case "guard-refuses":
		n.refuse = true
	default:
		err = errors.New("unknown")
	}
	return err
}

func each(words []string, do func(string) error) error {
	for _, word := range words {
		if err := do(word); err != nil {
			return err
		}
	}
	return nil
}

func appendNetwork(list *[]netip.Prefix) func(string) error {
	return func(word string) error {
		p, err := netip.ParsePrefix(word)
		if err != nil {
			var addr netip.Addr
			addr, err = netip.ParseAddr(word)
			p = single(addr)
		}
		*list = append(*list, p)
		return err
	}
}

// policies changes those of the rules named, or of all.
func (n *notation) policies(rules []string, change func(*Policy)) error {
	all := map[string]*Policy{RulePortScan: &n.settings.PortScan.Policy, RuleHostSweep: &n.settings.HostSweep.Policy, RuleProbe: &n.settings.Probe.Policy,
		RuleLogin: &n.settings.Login.Policy, RuleVulnerability: &n.settings.Vulnerability.Policy}
	if len(rules) == 0 {
		rules = ruleNames[:]
	}
	return each(rules, func(name string) error {
		if all[name] == nil {
			return fmt.Errorf("unknown rule %q", name)
		}
		change(all[name])
		return nil
	})
}

// threshold reads "port-scan 10 in 10m".
func threshold(words []string) (n int, window time.Duration, err error) {
	if len(words) != 4 || words[2] != "in" {
		return 0, 0, errors.New("want RULE NUMBER in DURATION")
	}
	if n, err = strconv.Atoi(words[1]); err == nil {
		window, err = time.ParseDuration(words[3])
	}
	return n, window, err
}

// ignore reads the conditions of one entry, "src=192.0.2.0/24 until=1h"; conditions of the same name are values of one.
func (n *notation) ignore(words []string) error {
	var ig Ignore
	err := each(words, func(word string) error {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "src":
			return appendNetwork(&ig.Src)(value)
		case "dst":
			return appendNetwork(&ig.Dst)(value)
		case "port":
			from, to, ok := strings.Cut(value, "-")
			if !ok {
				to = from
			}
			a, err := strconv.ParseUint(from, 10, 16)
			b, err2 := strconv.ParseUint(to, 10, 16)
			ig.DstPort = append(ig.DstPort, PortRange{uint16(a), uint16(b)})
			return errors.Join(err, err2)
		case "id":
			id, err := strconv.ParseUint(value, 10, 32)
			ig.ThreatID = append(ig.ThreatID, uint32(id))
			return err
		case "until":
			d, err := time.ParseDuration(value)
			ig.Until = scenarioStart.Add(d)
			return err
		}
		list := map[string]*[]string{"device": &ig.Device, "zone": &ig.Zone, "app": &ig.Application, "rule": &ig.FirewallRule, "subtype": &ig.Subtype, "rules": &ig.Rules}[key]
		if list == nil {
			return fmt.Errorf("unknown condition %q", key)
		}
		*list = append(*list, value)
		return nil
	})
	n.settings.Ignore = append(n.settings.Ignore, ig)
	return err
}

// scenarioEvents reads "TIME SOURCE > TARGET [WORD...]".
func scenarioEvents(words []string) ([]Event, error) {
	if len(words) < 4 || words[2] != ">" {
		return nil, errors.New("want TIME SOURCE > TARGET [WORD...]")
	}
	template := Event{Type: TypeTraffic, Subtype: "end", Action: "allow", Device: "fw1"}
	offset, err := time.ParseDuration(words[0])
	if err != nil {
		return nil, err
	}
	template.Time = scenarioStart.Add(offset)
	if err := describe(&template, words[4:]); err != nil {
		return nil, err
	}
	var events []Event
	for _, source := range spanHosts(words[1]) {
		if template.Src, err = netip.ParseAddr(source); err != nil {
			return nil, err
		}
		some, err := expand(template, words[3])
		if err != nil {
			return nil, err
		}
		events = append(events, some...)
	}
	return events, nil
}

// globalProtect are the events that make a record one of GLOBALPROTECT, and system those that make it one of SYSTEM.
var (
	globalProtect = []string{"portal-prelogin", "portal-auth", "portal-getconfig", "gateway-prelogin", "gateway-auth", "gw-auth", "gateway-hip-check", "clientlessvpn-login"}
	system        = []string{"auth-fail", "auth-success", "globalprotectportal-auth-fail"}
)

// describe reads the words after the target.
func describe(ev *Event, words []string) error {
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		text := strings.ReplaceAll(value, "_", " ")
		field := map[string]*string{"name": &ev.ThreatName, "why": &ev.EndReason, "method": &ev.Application, "id": &ev.ThreatID, "action": &ev.Action,
			"app": &ev.Application, "subtype": &ev.Subtype, "end": &ev.EndReason, "device": &ev.Device, "zone": &ev.SrcZone, "to-zone": &ev.DstZone, "user": &ev.SrcUser,
			"rule": &ev.Rule, "category": &ev.Category}[key]
		var err error
		switch {
		case key == "name" || key == "why" || key == "user":
			*field = text
		case field != nil:
			*field = value
		case slices.Contains(globalProtect, key):
			ev.Type, ev.Subtype, ev.Action = TypeGlobalProtect, key, value
		case slices.Contains(system, key):
			ev.Type, ev.Subtype, ev.Action = TypeSystem, key, map[bool]string{true: "success", false: "failure"}[key == "auth-success"]
		default:
			err = describeMore(ev, key, value)
		}
		if err != nil {
			return fmt.Errorf("word %q: %w", word, err)
		}
	}
	return nil
}

// describeMore reads the words that are not the text of one field.
func describeMore(ev *Event, key, value string) error {
	switch key {
	case "threat":
		ev.Type = TypeThreat
		ev.Subtype, ev.Severity, _ = strings.Cut(value, "/")
	case "s2c":
		ev.Direction = ServerToClient
	case "c2s":
		ev.Direction = ClientToServer
	case "deny":
		ev.Action = "deny"
	case "proto":
		for p := ProtocolUnknown; p <= OtherProtocol; p++ {
			if p.String() == value {
				ev.Protocol = p
			}
		}
	case "nat":
		p, err := netip.ParseAddrPort(value)
		ev.NATSrc, ev.NATSrcPort = p.Addr(), p.Port()
		return err
	case "xff":
		addr, err := netip.ParseAddr(value)
		ev.Client = addr
		return err
	case "sport", "back", "repeat":
		n, err := strconv.ParseUint(value, 10, 32)
		switch key {
		case "sport":
			ev.SrcPort = uint16(n)
		case "back":
			ev.Traffic = Traffic{Counted: true, BytesReceived: n}
		default:
			ev.Repeat = uint32(n)
		}
		return err
	default:
		return errors.New("unknown")
	}
	return nil
}

// expand reads a target: "ADDR:PORT", "[ADDR]:PORT" or "-"; the last number of an
// IPv4 address and the port may be ranges such as 1-10.
func expand(template Event, target string) ([]Event, error) {
	if target == "-" {
		return []Event{template}, nil
	}
	colon := strings.LastIndex(target, ":")
	if colon < 0 {
		return nil, fmt.Errorf("target %q has no port", target)
	}
	hosts, ports := strings.Trim(target[:colon], "[]"), target[colon+1:]
	var events []Event
	for _, host := range spanHosts(hosts) {
		for _, port := range span(ports) {
			ev := template
			var err error
			if ev.Dst, err = netip.ParseAddr(host); err != nil {
				return nil, err
			}
			n, err := strconv.ParseUint(port, 10, 16)
			if err != nil {
				return nil, err
			}
			ev.DstPort = uint16(n)
			events = append(events, ev)
		}
	}
	return events, nil
}

// spanHosts writes out the last number of an IPv4 address.
func spanHosts(hosts string) []string {
	dot := strings.LastIndex(hosts, ".")
	if dot < 0 || strings.Contains(hosts, ":") {
		return []string{hosts}
	}
	list := span(hosts[dot+1:])
	for i := range list {
		list[i] = hosts[:dot+1] + list[i]
	}
	return list
}

// span writes out a range of numbers; anything else stands for itself.
func span(s string) []string {
	from, to, ok := strings.Cut(s, "-")
	if !ok {
		return []string{s}
	}
	a, errA := strconv.Atoi(from)
	b, errB := strconv.Atoi(to)
	if errA != nil || errB != nil {
		return []string{s}
	}
	var list []string
	for ; a <= b; a++ {
		list = append(list, strconv.Itoa(a))
	}
	return list
}
