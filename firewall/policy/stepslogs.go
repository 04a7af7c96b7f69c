package policy

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strings"

	"activedefense/firewall/policy/panorama"
	"activedefense/firewall/xmlapi"
)

// server makes the syslog server profile, and gives the names of those that send to us, those that everything can name first; none:
// it cannot be done.
func (p *provisioner) server() []string {
	n, to := p.want.Names, p.want.SyslogAddress
	var ours, local []string
	for _, s := range sendingTo(to, p.servers) {
		p.formats(s)
		if p.local[s.name] = s.scope.inVSys; s.scope.inVSys {
			local = append(local, s.name)
		} else {
			ours = append(ours, s.name)
		}
	}
	old := p.p.scopes.find(n.Syslog, "log-settings", "syslog")
	if len(ours) > 0 || len(local) > 0 && (to == "" || old.Node != nil) {
		return append(ours, local...)
	}
	if to == "" {
		p.person("syslog server profile", addressRemedy)
		return nil
	}
	profile, detail := serverEntry(p)
	if !(owned{p}).ourServer(n.Syslog) { // nothing of ours may name it: it sends to somebody else
		name := ourNames(n.Syslog)[1]
		if !(owned{p}).ourServer(name) {
			p.person("syslog server profile "+quoteAll([]string{n.Syslog}), fmt.Sprintf("It sends to somebody else, and so does %s: rename one, or give this firewall another tag (firewalls[].tag), which our names follow from. Until then nothing sends logs to us.", quoteAll([]string{name})))
			return local
		}
		detail += "; " + quoteAll([]string{n.Syslog}) + " is somebody else's, and stays"
		p.create("syslog server profile", name, detail, sharedSyslog, xmlapi.NamedEntry(name, profile.Children...))
		return append([]string{name}, local...)
	}
	switch p.local[n.Syslog] = old.scope.inVSys; {
	case old.Node == nil:
		p.create("syslog server profile", n.Syslog, detail, sharedSyslog, profile)
	case old.scope.pushed:
		at := p.f.place.TemplatePath() + "/shared/log-settings/syslog" + xmlapi.EntryNamed(n.Syslog)
		ofPanorama{p}.step("syslog server profile "+quoteAll([]string{n.Syslog}), "On Panorama: "+detail, p.f.place.ReachOfTemplate(), true, panorama.Change{Edits: []xmlapi.Edit{xmlapi.Set(at, profile.Child("server"))}})
	default:
		p.step(ActionChange, "syslog server profile", n.Syslog, detail, false, xmlapi.Set(old.scope.path+"/log-settings/syslog"+xmlapi.EntryNamed(n.Syslog), profile.Child("server")))
	}
	return append([]string{n.Syslog}, local...)
}

// sendingTo are those of our server profiles that send to this address; "": to any.
func sendingTo(to string, servers []syslogProfile) []syslogProfile {
	return slices.DeleteFunc(slices.Clone(servers), func(s syslogProfile) bool {
		return !(to == "" && len(s.servers) > 0 || slices.ContainsFunc(s.servers, func(server syslogServer) bool { return server.is(to) }))
	})
}

// ourNames are the names that an object of ours may have: the second where somebody else's has the first.
func ourNames(name string) []string { return []string{name, name + "-own"} }

// ourServer tells whether the syslog server profile of that name, one of ours, sends to us and to nobody else, or did when our address
// was another, which our formats tell; true also where there is none.
func (p owned) ourServer(name string) bool {
	all := p.p.syslogProfiles()
	i := slices.IndexFunc(all, func(s syslogProfile) bool { return s.name == name })
	if i < 0 || len(all[i].servers) <= 1 && all[i].inFormat(p.want) {
		return true
	}
	return !slices.ContainsFunc(all[i].servers, func(s syslogServer) bool { return p.want.SyslogAddress == "" || !s.is(p.want.SyslogAddress) })
}

// ourServers are the syslog server profiles to which match lists of ours send.
func (p owned) ourServers() []string {
	theirs := func(name string) bool { return !p.ourServer(name) }
	return append(slices.DeleteFunc(ourNames(p.want.Names.Syslog), theirs), p.sendTo...)
}

// ourLogs tells whether all that a log forwarding profile of our name does is to send to us.
func (p owned) ourLogs(profile *xmlapi.Node) bool {
	servers := p.ourServers()
	return !slices.ContainsFunc(profile.Child("match-list").Entries(), func(m *xmlapi.Node) bool { return !sendsToAlone(m, servers) })
}

// serverEntry is the syslog server profile that sends to us, and what it does.
func serverEntry(p *provisioner) (profile *xmlapi.Node, detail string) {
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

// serverFor gives the server profile that an object of a scope can name; "": none, for what is in Shared can name only what is there.
func (p *provisioner) serverFor(in scope) string {
	i := slices.IndexFunc(p.sendTo, func(name string) bool { return in.inVSys || !p.local[name] })
	if i < 0 {
		return ""
	}
	return p.sendTo[i]
}

// unreachable leaves to a person what is in Shared, where no server profile that sends to us is.
func (p *provisioner) unreachable(object, detail string) {
	p.person(object, fmt.Sprintf("%s: it is in Shared, and can name no server profile of a virtual system, as %s is: make one with Location Shared "+
		"(Device > Server Profiles > Syslog), and run this again.", detail, quoteAll(p.sendTo)))
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
		if want == "" && !p.want.Formats.Default {
			p.person(object, found+": "+strings.Join(f.remedies, " "))
			continue
		}
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
		p.step(ActionChange, object, s.name, found, !slices.Contains(ourNames(p.want.Names.Syslog), s.name), change)
	}
}

// known are the server profiles that send to us and stand already.
func (p *provisioner) known() []syslogProfile {
	return slices.DeleteFunc(slices.Clone(p.servers), func(s syslogProfile) bool { return !slices.Contains(p.sendTo, s.name) })
}

// forwarding makes the log forwarding profile that sends to us, and gives its name; "": it cannot be.
func (p *provisioner) forwarding() string {
	n := p.want.Names
	if len(p.sendTo) == 0 {
		return ""
	}
	known := p.known()
	var ours []logProfile
	for _, l := range p.usedLogs() {
		if l.name == n.Logs+panoramaNames && l.scope.pushed { // rules of Panorama alone name it
			p.matchList(l, logTraffic)
			p.matchList(l, logThreat)
		} else if forPanorama(p.verifier, logProfiles, l.name) { // and it is for them alone
			continue
		} else if slices.ContainsFunc(l.lists, func(m matchList) bool { return sendsTo(m, known) }) {
			ours = append(ours, l)
		}
	}
	if len(ours) == 0 {
		return owned{p}.ownLogs()
	}
	for _, l := range ours {
		for _, kind := range []string{logTraffic, logThreat} {
			p.matchList(l, kind)
		}
	}
	return ours[0].name
}

// ownLogs makes the log forwarding profile of our name where none sends to us yet, and gives its name; "": it cannot be.
func (p owned) ownLogs() string {
	for _, name := range ourNames(p.want.Names.Logs) {
		old := p.p.scopes.find(name, "log-settings", "profiles")
		if old.Node == nil {
			to, at := p.serverFor(scope{}), sharedLogs
			if to == "" {
				to, at = p.sendTo[0], p.vsys+"/log-settings/profiles"
			}
			p.create("log forwarding profile", name, "all traffic and threat logs to "+to, at, logsEntry(name, to))
			return name
		}
		if !p.ourLogs(old.Node) {
			continue // what named it would send logs of ours to somebody else
		}
		for _, l := range p.p.logProfiles() {
			if l.name == name {
				p.matchList(l, logTraffic)
				p.matchList(l, logThreat)
			}
		}
		return name
	}
	p.person("log forwarding profile "+quoteAll([]string{p.want.Names.Logs}), fmt.Sprintf("It sends to somebody else, and so does %s: rename one, or give this firewall another tag (firewalls[].tag), "+
		"which our names follow from. Until then no rule logs to us.", quoteAll(ourNames(p.want.Names.Logs)[1:])))
	return ""
}

// matchList adds what a log forwarding profile lacks for one type of log.
func (p *provisioner) matchList(l logProfile, kind string) {
	how, filters := l.forwards(kind, p.known())
	if how != forwardsNothing && how != forwardsSome {
		return
	}
	server := p.serverFor(l.scope)
	detail := "also send all " + kind + " logs to " + cmp.Or(server, p.sendTo[0])
	if how == forwardsSome {
		detail += "; currently only those matching " + quoteAll(filters)
	}
	if l.scope.pushed {
		profile := p.p.scopes.find(l.name, "log-settings", "profiles")
		isOurs := l.name == p.want.Names.Logs+panoramaNames && owned{p}.ourLogs(profile.Node)
		ofPanorama{p}.step("log forwarding profile "+quoteAll([]string{l.name}), "On Panorama: "+detail, ofPanorama{p}.reachOfLogs(ofPanorama{p}.levelOfObject(profile.Node)), !isOurs,
			panorama.Change{Edits: ofPanorama{p}.remoteMatchList(profile, kind)})
		return
	}
	if server == "" {
		p.unreachable("log forwarding profile "+quoteAll([]string{l.name}), detail)
		return
	}
	n, servers := p.want.Names, owned{p}.ourServers()
	names := []string{n.Logs + "-" + kind, n.Logs + "-" + kind + another}
	foreign := true
	if slices.Contains(ourNames(n.Logs), l.name) {
		names = append([]string{kind}, names...)
		foreign = len(l.lists) > 0 && !slices.ContainsFunc(l.lists, func(m matchList) bool { return sendsToAlone(m.entry, servers) })
	}
	free := slices.IndexFunc(names, func(name string) bool {
		return !slices.ContainsFunc(l.lists, func(m matchList) bool {
			return m.name == name && (name == kind || !sendsToAlone(m.entry, servers))
		})
	})
	if free < 0 {
		p.person("log forwarding profile "+quoteAll([]string{l.name}), detail+": its match lists "+quoteAll(names)+" are somebody else's; add one by hand.")
		return
	}
	p.step(ActionChange, "log forwarding profile", l.name, detail+", as match list "+quoteAll([]string{names[free]}), foreign,
		xmlapi.Set(l.scope.path+"/log-settings/profiles"+xmlapi.EntryNamed(l.name)+"/match-list", allLogs(names[free], kind, server)))
}

// logsEntry is a log forwarding profile of ours.
func logsEntry(name, server string) *xmlapi.Node {
	return xmlapi.NamedEntry(name, xmlapi.Element("match-list", allLogs(logTraffic, logTraffic, server), allLogs(logThreat, logThreat, server)))
}

// allLogs is a match list that sends everything of one type.
func allLogs(name, kind, server string) *xmlapi.Node {
	return xmlapi.NamedEntry(name, xmlapi.Leaf("log-type", kind), xmlapi.Leaf("filter", "All Logs"), xmlapi.Leaf("send-to-panorama", "no"), xmlapi.MemberList("send-syslog", server))
}
