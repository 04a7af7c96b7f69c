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
		lists.lists = append(lists.lists, matchList{m.Attr("name"), kind, m.Value("filter"), m.Child("send-syslog").Members()})
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
func (p *provisioner) logins(servers []string) {
	if len(servers) == 0 || !p.want.Formats.Logins {
		return
	}
	var known []syslogProfile
	for _, name := range servers {
		known = append(known, syslogProfile{name: name})
	}
	for _, kind := range p.f.loginLogs() {
		filter := p.f.loginFilter(kind)
		if how, _ := p.p.loginsForwarded(kind, filter, known); how == forwardsAll {
			continue
		}
		p.loginList(kind, filter, servers[0])
	}
}

// loginList makes the match list for one log, or has ours be as it should.
func (p *provisioner) loginList(kind, filter, server string) {
	name, object := p.want.Names.Logs, kind+" log settings"
	detail := filter + " to " + server
	entry := func(server string) *xmlapi.Node {
		return xmlapi.NamedEntry(name, xmlapi.Leaf("filter", filter), xmlapi.Leaf("send-to-panorama", "no"), xmlapi.MemberList("send-syslog", server))
	}
	switch old := p.p.scopes.find(name, "log-settings", kind, "match-list"); {
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

// loginListPath is where the match lists of such a log stand.
func loginListPath(kind string) string {
	return xmlapi.SharedPath + "/log-settings/" + kind + "/match-list"
}
