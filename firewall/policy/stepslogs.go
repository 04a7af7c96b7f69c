package policy

import (
	"net"
	"slices"
	"strings"

	"activedefense/firewall/policy/panorama"
	"activedefense/firewall/xmlapi"
)

// server makes the syslog server profile, and gives the names of those that send to us; none: it cannot be done.
func (p *provisioner) server() []string {
	n, to := p.want.Names, p.want.SyslogAddress
	var ours []string
	for _, s := range p.servers {
		if to == "" && len(s.servers) > 0 || slices.ContainsFunc(s.servers, func(server syslogServer) bool { return server.is(to) }) {
			ours = append(ours, s.name)
			p.formats(s)
		}
	}
	if len(ours) > 0 {
		return ours
	}
	if to == "" {
		p.person("syslog server profile", addressRemedy)
		return nil
	}
	profile, detail := p.serverEntry()
	if old := p.p.scopes.find(n.Syslog, "log-settings", "syslog"); old.Node == nil {
		p.create("syslog server profile", n.Syslog, detail, sharedSyslog, profile)
	} else if old.scope.pushed {
		at := p.f.place.TemplatePath() + "/shared/log-settings/syslog" + xmlapi.EntryNamed(n.Syslog)
		ofPanorama{p}.step("syslog server profile "+quoteAll([]string{n.Syslog}), "On Panorama: "+detail, p.f.place.ReachOfTemplate(), true, panorama.Change{Edits: []xmlapi.Edit{xmlapi.Set(at, profile.Child("server"))}})
	} else {
		p.step(ActionChange, "syslog server profile", n.Syslog, detail, true, xmlapi.Set(old.scope.path+"/log-settings/syslog"+xmlapi.EntryNamed(n.Syslog), profile.Child("server")))
	}
	return []string{n.Syslog}
}

// serverEntry is the syslog server profile that sends to us, and what it does.
func (p *provisioner) serverEntry() (profile *xmlapi.Node, detail string) {
	n, to := p.want.Names, p.want.SyslogAddress
	host, port, err := net.SplitHostPort(to)
	if err != nil {
		host, port = strings.Trim(to, "[]"), defaultSyslogPort
	}
	// Every syslog server of firewalls takes UDP, TCP not every one; who has made sure changes it, and is not contradicted.
	server := xmlapi.NamedEntry(n.Syslog, xmlapi.Leaf("server", host), xmlapi.Leaf("transport", "UDP"), xmlapi.Leaf("port", port), xmlapi.Leaf("format", "BSD"), xmlapi.Leaf("facility", "LOG_USER"))
	profile, detail = xmlapi.NamedEntry(n.Syslog, xmlapi.Element("server", server)), "UDP to "+net.JoinHostPort(host, port)
	if formats, kinds := p.customFormats(); len(kinds) > 0 { // else the default format is read
		profile.Children = append(profile.Children, formats)
		detail += ", with the custom formats for " + strings.Join(kinds, ", ") + " logs"
	}
	return profile, detail
}

// customFormats are those of a profile of ours, and the types of log that have one.
func (p *provisioner) customFormats() (formats *xmlapi.Node, kinds []string) {
	formats = xmlapi.Element("format")
	for _, kind := range p.formatted() {
		if text := p.want.Formats.of(kind); text != "" {
			formats.Children = append(formats.Children, xmlapi.Leaf(kind, text))
			kinds = append(kinds, kind)
		}
	}
	return formats, kinds
}

// formats fixes custom formats that we cannot read, or that lack what we need.
func (p *provisioner) formats(s syslogProfile) {
	logs := logChecks{p.verifier}
	for _, kind := range p.formatted() {
		var f findings
		logs.oneFormat(&f, s, kind)
		found := strings.Join(slices.Concat(f.fails, f.warns), "; ")
		if found == "" {
			continue
		}
		want := p.want.Formats.of(kind)
		object := "syslog server profile"
		if s.scope.pushed {
			at := p.f.place.TemplatePath() + "/shared/log-settings/syslog" + xmlapi.EntryNamed(s.name) + "/format"
			change := xmlapi.Set(at, xmlapi.Leaf(kind, want))
			if want == "" {
				change = xmlapi.Delete(at + "/" + kind)
			}
			ofPanorama{p}.step(object+" "+quoteAll([]string{s.name}), "On Panorama: "+found, p.f.place.ReachOfTemplate(), s.name != p.want.Names.Syslog, panorama.Change{Edits: []xmlapi.Edit{change}})
			continue
		}
		at := s.scope.path + "/log-settings/syslog" + xmlapi.EntryNamed(s.name) + "/format"
		change := xmlapi.Set(at, xmlapi.Leaf(kind, want))
		if want == "" {
			change = xmlapi.Delete(at + "/" + kind) // absent, it is the default one
		}
		p.step(ActionChange, object, s.name, found, s.name != p.want.Names.Syslog, change)
	}
}

// forwarding makes the log forwarding profile that sends by these server profiles, and gives its name; "": it cannot be.
func (p *provisioner) forwarding(servers []string) string {
	n := p.want.Names
	if len(servers) == 0 {
		return ""
	}
	var known []syslogProfile
	for _, s := range p.servers {
		if slices.Contains(servers, s.name) {
			known = append(known, s)
		}
	}
	var ours []logProfile
	for _, l := range p.usedLogs() {
		if l.name != n.Logs+panoramaNames && slices.ContainsFunc(l.lists, func(m matchList) bool { return sendsTo(m, known) }) {
			ours = append(ours, l)
		}
	}
	if len(ours) == 0 {
		for _, l := range p.p.logProfiles() {
			if l.name == n.Logs {
				ours = append(ours, l)
			}
		}
	}
	if len(ours) == 0 {
		p.create("log forwarding profile", n.Logs, "all traffic and threat logs to "+servers[0], sharedLogs,
			logsEntry(n.Logs, servers[0]))
		return n.Logs
	}
	for _, l := range ours {
		for _, kind := range []string{logTraffic, logThreat} {
			p.matchList(l, kind, known, servers[0])
		}
	}
	return ours[0].name
}

// matchList adds what a log forwarding profile lacks for one type of log.
func (p *provisioner) matchList(l logProfile, kind string, known []syslogProfile, server string) {
	how, filters := l.forwards(kind, known)
	if how != forwardsNothing && how != forwardsSome {
		return
	}
	detail := "also send all " + kind + " logs to " + server
	if how == forwardsSome {
		detail += "; currently only those matching " + quoteAll(filters)
	}
	if l.scope.pushed {
		profile := p.p.scopes.find(l.name, "log-settings", "profiles")
		ofPanorama{p}.step("log forwarding profile "+quoteAll([]string{l.name}), "On Panorama: "+detail, p.f.place.Reach(ofPanorama{p}.levelOfObject(profile.Node)), l.name != p.want.Names.Logs+panoramaNames,
			panorama.Change{Edits: ofPanorama{p}.remoteMatchList(profile, kind)})
		return
	}
	name := kind
	if l.name != p.want.Names.Logs || slices.ContainsFunc(l.lists, func(m matchList) bool { return m.name == name }) {
		name = p.want.Names.Logs + "-" + kind
	}
	p.step(ActionChange, "log forwarding profile", l.name, detail, l.name != p.want.Names.Logs,
		xmlapi.Set(l.scope.path+"/log-settings/profiles"+xmlapi.EntryNamed(l.name)+"/match-list", allLogs(name, kind, server)))
}

// logsEntry is a log forwarding profile of ours.
func logsEntry(name, server string) *xmlapi.Node {
	return xmlapi.NamedEntry(name, xmlapi.Element("match-list", allLogs(logTraffic, logTraffic, server), allLogs(logThreat, logThreat, server)))
}

// allLogs is a match list that sends everything of one type.
func allLogs(name, kind, server string) *xmlapi.Node {
	return xmlapi.NamedEntry(name, xmlapi.Leaf("log-type", kind), xmlapi.Leaf("filter", "All Logs"), xmlapi.Leaf("send-to-panorama", "no"), xmlapi.MemberList("send-syslog", server))
}
