package policy

import (
	"fmt"
	"slices"
	"strings"

	"activedefense/firewall/policy/panorama"
	"activedefense/firewall/xmlapi"
)

// The logs that hold logins. No rule and no zone sends them: they have match lists of the device's own.
const (
	logGlobalProtect = "globalprotect"
	logSystem        = "system"
)

// Filters of those match lists. Of the system log we need the logins alone; before PAN-OS 9.1 those to GlobalProtect are
// there, too.
const (
	everyLog           = "All Logs"
	authentication     = "(subtype eq auth)"
	authenticationOrGP = "(subtype eq auth) or (subtype eq globalprotect)"
)

// loginLogs gives those that this version has: GlobalProtect has a log of its own since PAN-OS 9.1.
func (f *Facts) loginLogs() []string {
	if f.version.AtLeast(9, 1, 0) {
		return []string{logGlobalProtect, logSystem}
	}
	return []string{logSystem}
}

// loginFilter is what a match list for such a log lets through.
func (f *Facts) loginFilter(kind string) string {
	switch {
	case kind == logGlobalProtect:
		return everyLog
	case f.version.AtLeast(9, 1, 0):
		return authentication
	}
	return authenticationOrGP
}

// loginsForwarded tells how much of such a log goes to the servers, and if it is not what we need, by which filters.
func (p *vsysPolicy) loginsForwarded(kind, need string, servers []syslogProfile) (forwarded, []string) {
	lists := logProfile{}
	for _, m := range p.scopes.all("log-settings", kind, "match-list") {
		lists.lists = append(lists.lists, matchList{m.Attr("name"), kind, m.Value("filter"), m.Child("send-syslog").Members(), m.Node})
	}
	how, filters := lists.forwards(kind, servers)
	if how == forwardsSome && coverAlternatives(filters, need) {
		return forwardsAll, nil
	}
	return how, filters
}

// coverAlternatives tells whether everything that a filter of alternatives lets through passes one of the filters, which
// may be of alternatives, too.
func coverAlternatives(filters []string, need string) bool {
	var passed []string
	for _, f := range filters {
		passed = append(passed, alternatives(f)...)
	}
	for _, a := range alternatives(need) {
		if !slices.Contains(passed, a) {
			return false
		}
	}
	return true
}

func alternatives(filter string) []string {
	parts := strings.Split(strings.ToLower(filter), " or ")
	for i, part := range parts {
		parts[i] = plainFilter(part)
	}
	return parts
}

// logins looks whether the logs that hold logins come to us. Nothing that we promise breaks without them, but that those
// who guess passwords are found.
func (v logChecks) logins(f *findings) {
	if !v.want.Formats.Logins {
		return
	}
	for _, kind := range v.f.loginLogs() {
		how, filters := v.p.loginsForwarded(kind, v.f.loginFilter(kind), v.servers)
		switch how {
		case forwardsAll:
			f.note("the logins in %s logs are sent to us", kind)
		case forwardsNothing:
			f.warn(v.loginRemedy(kind), "no %s logs are sent to us, so that nobody who guesses passwords there is found", kind)
		default:
			f.warn(v.loginRemedy(kind), "only those %s logs are sent to us that match %s", kind, quoteAll(filters))
		}
	}
	switch {
	case v.f.version == (xmlapi.Version{}):
		f.note("globalprotect logs were not looked at: the version of PAN-OS is not known")
	case !v.f.version.AtLeast(9, 1, 0):
		f.note("there is no globalprotect log before PAN-OS 9.1: its logins are in the system log")
	}
}

func (v logChecks) loginRemedy(kind string) string {
	filter, server := v.f.loginFilter(kind), word(v.serverName())
	if len(v.servers) > 0 && !slices.ContainsFunc(v.servers, func(s syslogProfile) bool { return !s.scope.inVSys }) {
		return v.cli.or(fmt.Sprintf("Device > Server Profiles > Syslog: make one like %s with Location Shared, which Device > Log Settings can name; then Device > Log Settings > %s > Add: filter %s, Syslog that one.", server, sectionTitle(kind), filter))
	}
	return v.cli.or(fmt.Sprintf("Device > Log Settings > %s > Add: filter %s, Syslog %s. ", sectionTitle(kind), filter, server) +
		cliPrefix + fmt.Sprintf(`set shared log-settings %s match-list %s filter "%s" send-syslog %s`, kind, word(v.want.Names.Logs), filter, server))
}

// sectionTitle is how the web interface calls a section of a server profile, and a log.
func sectionTitle(kind string) string {
	if kind == logGlobalProtect {
		return "GlobalProtect"
	}
	return strings.ToUpper(kind[:1]) + kind[1:]
}

// logins makes the match lists that send the logs which hold logins.
func (p *provisioner) logins() {
	if len(p.sendTo) == 0 || !p.want.Formats.Logins {
		return
	}
	var known []syslogProfile
	for _, name := range p.sendTo {
		known = append(known, syslogProfile{name: name})
	}
	for _, kind := range p.f.loginLogs() {
		filter := p.f.loginFilter(kind)
		if how, _ := p.p.loginsForwarded(kind, filter, known); how == forwardsAll {
			continue
		}
		if server := p.serverFor(scope{}); server != "" {
			p.loginList(kind, filter, server)
		} else {
			p.unreachable(kind+" log settings "+quoteAll([]string{p.want.Names.Logs}), filter+" to "+p.sendTo[0])
		}
	}
}

// loginList makes the match list for one log, or has ours be as it should. One of somebody else's that bears its name stays, and ours
// takes another.
func (p *provisioner) loginList(kind, filter, server string) {
	object, detail, name := kind+" log settings", filter+" to "+server, p.want.Names.Logs
	find := func(name string) placed { return p.p.scopes.find(name, "log-settings", kind, "match-list") }
	old := find(name)
	if old.Node != nil && !sendsToAlone(old.Node, (owned{p}).ourServers()) {
		detail += "; " + quoteAll([]string{name}) + " is somebody else's, and stays"
		name += another
		old = find(name)
	}
	entry := func(server string) *xmlapi.Node {
		return xmlapi.NamedEntry(name, xmlapi.Leaf("filter", filter), xmlapi.Leaf("send-to-panorama", "no"), xmlapi.MemberList("send-syslog", server))
	}
	switch {
	case old.Node == nil:
		p.create(object, name, detail, loginListPath(kind), entry(server))
	case old.scope.pushed:
		server, edits := ofPanorama{p}.remoteServer()
		list := p.f.place.TemplatePath() + "/shared/log-settings/" + kind + "/match-list"
		ofPanorama{p}.step(object+" "+quoteAll([]string{name}), "On Panorama: "+detail, p.f.place.ReachOfTemplate(), true,
			panorama.Change{Edits: append(edits, xmlapi.Delete(list+xmlapi.EntryNamed(name)), xmlapi.Set(list, entry(server)))})
	default:
		p.step(ActionChange, object, name, detail, false, xmlapi.Replace(loginListPath(kind)+xmlapi.EntryNamed(name), entry(server)))
	}
}

// another is what the name of a match list of ours ends in where somebody else's has its name.
const another = "-2"

// sendsToAlone tells whether a match list does nothing but send to these syslog server profiles.
func sendsToAlone(m *xmlapi.Node, servers []string) bool {
	for _, c := range m.Children {
		switch isSend := strings.HasPrefix(c.Name, "send-"); {
		case c.Name == "actions", isSend && c.Name != "send-syslog" && c.Text != "no":
			return false
		case c.Name == "send-syslog" && slices.ContainsFunc(c.Members(), func(name string) bool { return !slices.Contains(servers, name) }):
			return false
		}
	}
	return true
}

// loginListPath is where the match lists of such a log stand.
func loginListPath(kind string) string {
	return xmlapi.SharedPath + "/log-settings/" + kind + "/match-list"
}
