package policy

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"activedefense/firewall/xmlapi"
)

// logChecks look at how the firewall's logs come to us.
type logChecks struct{ *verifier }

func (v logChecks) forwarding(f *findings) {
	if f.unasked(v.f.policyError()) || len(v.logs) == 0 && f.unasked(v.f.template.err) {
		return
	}
	if len(v.logs) == 0 && v.want.SyslogAddress == "" {
		f.warn(addressRemedy, "whether logs are sent to us cannot be told: "+addressUnknown)
		return
	}
	if len(v.logs) == 0 {
		missing := logProfile{name: v.want.Names.Logs}
		f.fail(v.forwardingRemedy(missing, logTraffic), "no log forwarding profile sends logs to us")
		f.remedy(v.forwardingRemedy(missing, logThreat))
		return
	}
	for _, l := range v.usedLogs() {
		for _, kind := range []string{logTraffic, logThreat} {
			switch how, filters := l.forwards(kind, v.servers); how {
			case forwardsNothing:
				f.fail(v.forwardingRemedy(l, kind), "the profile %s sends no %s logs to us", quoteAll([]string{l.name}), kind)
			case forwardsSome:
				f.fail(v.forwardingRemedy(l, kind), "the profile %s sends us only those %s logs that match %s", quoteAll([]string{l.name}), kind, quoteAll(filters))
			}
		}
		f.note("the profile %s sends all traffic and threat logs to us", quoteAll([]string{l.name}))
	}
	v.logins(f)
}

// usedLogs gives those of our log forwarding profiles that rules use; if none is used, all.
func (v *verifier) usedLogs() []logProfile {
	return firstMatching(v.logs,
		func(l logProfile) bool {
			return slices.ContainsFunc(v.p.rules, func(x rule) bool { return x.logProfile == l.name && v.fromInternet(x) })
		},
		func(logProfile) bool { return true })
}

func (v logChecks) forwardingRemedy(l logProfile, kind string) string {
	profile, server := l.name, v.serverName()
	if l.scope.pushed {
		return fmt.Sprintf("On Panorama, Objects > Log Forwarding > %s > Add, in its device group: log type %s, filter All Logs, Syslog %s; then push.", profile, kind, word(server))
	}
	return v.cli.or(fmt.Sprintf("Objects > Log Forwarding > %s > Add: log type %s, filter All Logs, Syslog %s. ", profile, kind, word(server)) +
		v.cli.set(`log-settings profiles %s match-list %s log-type %s filter "All Logs" send-syslog %s`, word(profile), kind, kind, word(server)))
}

// serverName is the server profile that a remedy names: one in Shared if there is any, which everything can name.
func (v *verifier) serverName() string {
	if i := slices.IndexFunc(v.servers, func(s syslogProfile) bool { return !s.scope.inVSys }); i >= 0 {
		return v.servers[i].name
	}
	if len(v.servers) > 0 {
		return v.servers[0].name
	}
	return v.want.Names.Syslog
}

func (v logChecks) format(f *findings) {
	if f.unasked(v.f.policyError()) || len(v.servers) == 0 && f.unasked(v.f.template.err) {
		return
	}
	switch {
	case len(v.servers) == 0 && v.want.SyslogAddress == "":
		f.warn(addressRemedy, "which syslog server profile is ours cannot be told: "+addressUnknown)
		return
	case len(v.servers) == 0:
		f.fail(v.serverRemedy(), "no syslog server profile sends to %s", v.want.SyslogAddress)
		return
	}
	v.clock(f)
	for _, s := range v.servers {
		v.server(f, s)
		for _, kind := range v.formatted() {
			v.oneFormat(f, s, kind)
		}
		if s.escaped != "" {
			f.warn("Device > Server Profiles > Syslog > "+quoteAll([]string{s.name})+" > Custom Log Format: clear Escaping.",
				"the profile %s escapes %s, which is not reversed when the logs are read", quoteAll([]string{s.name}), quoteAll([]string{s.escaped}))
		}
	}
}

// clock looks whether an input reads times in the zone of the firewall's clock: in any other, records without a zone of their own
// lie hours off.
func (v logChecks) clock(f *findings) {
	name := xmlapi.Tidy(v.f.zone.value)
	zone, err := time.LoadLocation(v.f.zone.value)
	switch {
	case len(v.want.Zones) == 0:
	case v.f.zone.err != nil:
		f.note("the time zone of its clock could not be read: %s", cause(v.f.zone.err))
	case name == "":
		f.note("no time zone is set, so which one its clock has is not known")
	case err != nil:
		f.note("the time zone %s of its clock is not known here", name)
	case !slices.ContainsFunc(v.want.Zones, func(other *time.Location) bool { return sameTime(zone, other, v.want.Now) }):
		f.warn("Set inputs[].timezone to "+name+" where the logs of this firewall are read; or Device > Setup > Management > General Settings > Time Zone.",
			"its clock is set to %s, and no input reads times in that zone (inputs[].timezone): records whose time has no zone lie hours off", name)
	default:
		f.note("its clock is set to %s, and an input reads times so", name)
	}
}

// sameTime tells whether clocks in two zones show the same the whole year from a time on.
func sameTime(a, b *time.Location, from time.Time) bool {
	for day := range 366 {
		at := from.AddDate(0, 0, day)
		_, x := at.In(a).Zone()
		if _, y := at.In(b).Zone(); x != y {
			return false
		}
	}
	return true
}

// server looks whether the profile sends to us.
func (v logChecks) server(f *findings, s syslogProfile) {
	var all []string
	for _, server := range s.servers {
		if server.is(v.want.SyslogAddress) {
			f.note("the profile %s sends to %s", quoteAll([]string{s.name}), server)
			return
		}
		all = append(all, server.String())
	}
	switch {
	case len(all) == 0:
		f.fail(v.serverRemedy(), "the profile %s has no server", quoteAll([]string{s.name}))
	case v.want.SyslogAddress == "":
		f.warn(addressRemedy, "the profile %s sends to %s; whether that is us cannot be told: "+addressUnknown, quoteAll([]string{s.name}), quoteAll(all))
	default:
		f.fail(v.serverRemedy(), "the profile %s sends to %s, not to %s", quoteAll([]string{s.name}), quoteAll(all), v.want.SyslogAddress)
	}
}

// What is said where it is not known to which address the firewall shall send.
const (
	addressUnknown = "syslog_address of this firewall is not set"
	addressRemedy  = "Set syslog_address of this firewall to the address to which it sends its logs."
)

func (v logChecks) serverRemedy() string {
	address := v.want.SyslogAddress
	if address == "" {
		address = "ADDRESS-OF-THIS-HOST"
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		host, port = strings.Trim(address, "[]"), defaultSyslogPort
	}
	if len(v.servers) > 0 && v.servers[0].scope.pushed {
		return fmt.Sprintf("On Panorama, Device > Server Profiles > Syslog > %s > Servers, in its template: %s, port %s; then push.", v.serverName(), host, port)
	}
	return v.cli.or(fmt.Sprintf("Device > Server Profiles > Syslog > %s > Servers: %s, port %s. ", v.serverName(), host, port) +
		cliPrefix + fmt.Sprintf("set shared log-settings syslog %s server %s server %s port %s", word(v.serverName()), word(v.want.Names.Syslog), host, port))
}

// formatted gives the types of log whose formats matter.
func (v *verifier) formatted() []string {
	kinds := []string{logTraffic, logThreat}
	if v.want.Formats.Logins {
		kinds = append(kinds, v.f.loginLogs()...)
	}
	return kinds
}

// oneFormat looks at the format of one type of log. Of a log of logins a wrong one is a warning: all else goes on.
func (v logChecks) oneFormat(f *findings, s syslogProfile, kind string) {
	have, want := s.formats[kind], v.want.Formats.of(kind)
	blame := f.fail
	if kind != logTraffic && kind != logThreat {
		blame = f.warn
	}
	profile := quoteAll([]string{s.name})
	remedy := func(format string) string {
		if s.scope.pushed {
			return fmt.Sprintf("On Panorama, Device > Server Profiles > Syslog > %s > Custom Log Format, in its template: %s; then push.", s.name, format)
		}
		return v.cli.or(fmt.Sprintf("Device > Server Profiles > Syslog > %s > Custom Log Format > %s: %s", s.name, sectionTitle(kind), format))
	}
	others := v.want.Formats.others()
	template := "Palo Alto Networks' template of " + others
	switch {
	case v.want.Formats.also(have) != "":
		if missing := withoutVariables(have, kind); len(missing) > 0 {
			blame(remedy(template), "%s: the %s format is %s without %s", profile, kind, v.want.Formats.also(have), strings.Join(missing, ", "))
			return
		}
		f.note("%s logs use %s", kind, v.want.Formats.also(have))
	case want == "" && !v.want.Formats.Default && others != "":
		blame(remedy(template), "%s: the %s format is not %s", profile, kind, others)
	case have == "" && (want == "" || v.want.Formats.Default):
		f.note("%s logs use the default format", kind)
	case have == "":
		blame(remedy(want), "%s: %s logs use the default format instead of the custom one", profile, kind)
	case want == "":
		blame(remedy("Default"), "%s: %s logs use a custom format instead of the default one", profile, kind)
	case sameFormat(have, want):
		f.note("%s logs use the expected custom format", kind)
	case v.want.Formats.Shorter != "" && sameFormat(have, v.want.Formats.Shorter) && (kind == logTraffic || kind == logThreat):
		f.warn(remedy(want), "%s: the %s format is the shorter one, which does not say what became of a session (application, zones, end reason, protocol): "+
			"refused and served sessions, and proven and forgeable evidence, are not told apart", profile, kind)
	default:
		blame(remedy(want), "%s: the %s format differs from the expected one: %s", profile, kind, formatDiff(have, want))
	}
}

// withoutVariables gives what a custom format in CEF or LEEF lacks of what no record of the log can be read without.
func withoutVariables(format, kind string) []string {
	need := []string{"$type", "$src", "$dst", "$dport", "$action"}
	switch kind {
	case logGlobalProtect:
		need = []string{"$type", "$eventid", "$public_ip", "$status"}
	case logSystem:
		need = []string{"$type", "$subtype", "$opaque"}
	}
	return slices.DeleteFunc(need, func(variable string) bool {
		for rest := format; ; {
			i := strings.Index(rest, variable)
			if i < 0 {
				return false
			}
			if rest = rest[i+len(variable):]; rest == "" || !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz_", rune(rest[0])) {
				return true
			}
		}
	})
}

// formatDiff tells two formats apart by their fields, which end with semicolons: "-" is what the profile has and we do
// not read, "+" what it lacks.
func formatDiff(have, want string) string {
	fields := func(text string) []string {
		var out []string
		for _, f := range strings.Split(text, ";") {
			if f = plainFormat(f); f != "" {
				out = append(out, f)
			}
		}
		return out
	}
	h, w := fields(have), fields(want)
	var parts []string
	for _, f := range h {
		if !slices.Contains(w, f) {
			parts = append(parts, "-"+xmlapi.Tidy(f))
		}
	}
	for _, f := range w {
		if !slices.Contains(h, f) {
			parts = append(parts, "+"+xmlapi.Tidy(f))
		}
	}
	switch {
	case len(parts) > 0:
		return strings.Join(parts[:min(len(parts), maxNamed)], " ")
	case len(h) != len(w):
		return "duplicate field"
	case !slices.Equal(h, w):
		return "the same fields in a different order"
	}
	return "missing or extra space after a semicolon"
}
