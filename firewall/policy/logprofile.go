package policy

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"activedefense/firewall/xmlapi"
)

// Types of log, as match lists name them.
const (
	logTraffic = "traffic"
	logThreat  = "threat"
)

// syslogProfile is a syslog server profile.
type syslogProfile struct {
	name    string
	scope   scope
	servers []syslogServer
	formats map[string]string // custom ones by type of log; "": the default format
	escaped string            // characters that the firewall escapes; "": none
}

type syslogServer struct{ address, port string }

// String gives host:port.
func (s syslogServer) String() string { return net.JoinHostPort(s.address, s.port) }

// is tells whether the server is the one at host, or host:port.
func (s syslogServer) is(address string) bool {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		host, port = strings.Trim(address, "[]"), ""
	}
	return sameHost(host, s.address) && (port == "" || port == s.port)
}

func sameHost(a, b string) bool {
	x, errX := netip.ParseAddr(a)
	y, errY := netip.ParseAddr(b)
	if errX == nil && errY == nil {
		return x.Unmap() == y.Unmap()
	}
	return strings.EqualFold(strings.TrimSuffix(a, "."), strings.TrimSuffix(b, "."))
}

// defaultSyslogPort is the one of a server that names none.
const defaultSyslogPort = "514"

// syslogProfiles gives all of them. The format "Default", as the web interface shows it, is none.
func (p *vsysPolicy) syslogProfiles() []syslogProfile {
	custom := func(n *xmlapi.Node, kind string) string {
		if text := n.Value("format", kind); !strings.EqualFold(text, "default") {
			return text
		}
		return ""
	}
	var out []syslogProfile
	for _, n := range p.scopes.all("log-settings", "syslog") {
		s := syslogProfile{name: n.Attr("name"), scope: n.scope, formats: map[string]string{}}
		for _, kind := range []string{logTraffic, logThreat, logGlobalProtect, logSystem} {
			s.formats[kind] = custom(n.Node, kind)
		}
		if n.At("format", "escaping", "escape-character") != nil {
			s.escaped = n.Value("format", "escaping", "escaped-characters")
		}
		for _, e := range n.Child("server").Entries() {
			port := e.Value("port")
			if port == "" {
				port = defaultSyslogPort
			}
			s.servers = append(s.servers, syslogServer{e.Value("server"), port})
		}
		out = append(out, s)
	}
	return out
}

// ourSyslog gives the server profiles that shall send to us: those with our address; else the one that bears our
// name; else those with our format. Where our address is not known, only the name makes one ours: another may be a SIEM's.
func (p *vsysPolicy) ourSyslog(want Expectation) []syslogProfile {
	all := p.syslogProfiles()
	return firstMatching(all,
		func(s syslogProfile) bool {
			return want.SyslogAddress != "" && slices.ContainsFunc(s.servers, func(v syslogServer) bool { return v.is(want.SyslogAddress) })
		},
		func(s syslogProfile) bool { return s.name == want.Names.Syslog },
		func(s syslogProfile) bool { return want.SyslogAddress != "" && s.inFormat(want) })
}

// inFormat tells whether a profile has a custom format of ours.
func (s syslogProfile) inFormat(want Expectation) bool {
	return slices.ContainsFunc([]string{logTraffic, logThreat}, func(kind string) bool {
		have := s.formats[kind]
		return have != "" && (sameFormat(have, want.Formats.of(kind)) || sameFormat(have, want.Formats.Shorter))
	})
}

// firstMatching gives what the first of the tests that anything passes lets through.
func firstMatching[T any](all []T, tests ...func(T) bool) []T {
	for _, test := range tests {
		var out []T
		for _, v := range all {
			if test(v) {
				out = append(out, v)
			}
		}
		if len(out) > 0 {
			return out
		}
	}
	return nil
}

// sameFormat compares custom formats as a reader of key=value lines would: a line break counts as a space, where the
// web interface wraps a format, and neither spaces around = nor a semicolon at the end matter.
func sameFormat(a, b string) bool { return plainFormat(a) == plainFormat(b) }

func plainFormat(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	text = strings.ReplaceAll(strings.ReplaceAll(text, " =", "="), "= ", "=")
	return strings.TrimRight(text, "; ")
}

// logProfile is a log forwarding profile.
type logProfile struct {
	name  string
	scope scope
	lists []matchList
}

// matchList sends the logs of one type that pass its filter.
type matchList struct {
	name, kind, filter string
	syslog             []string // syslog server profiles
	entry              *xmlapi.Node
}

func (p *vsysPolicy) logProfiles() []logProfile {
	var out []logProfile
	for _, n := range p.scopes.all("log-settings", "profiles") {
		out = append(out, readLogProfile(n))
	}
	return out
}

func readLogProfile(n placed) logProfile {
	l := logProfile{name: n.Attr("name"), scope: n.scope}
	for _, m := range n.Child("match-list").Entries() {
		l.lists = append(l.lists, matchList{m.Attr("name"), m.Value("log-type"), m.Value("filter"), m.Child("send-syslog").Members(), m})
	}
	return l
}

// ourLogs gives the log forwarding profiles that send to us anything at all; if none does, the one that bears our name.
func (p *vsysPolicy) ourLogs(want Expectation) []logProfile {
	servers := p.ourSyslog(want)
	return firstMatching(p.logProfiles(),
		func(l logProfile) bool {
			return slices.ContainsFunc(l.lists, func(m matchList) bool { return sendsTo(m, servers) })
		},
		func(l logProfile) bool { return l.name == want.Names.Logs })
}

func sendsTo(m matchList, servers []syslogProfile) bool {
	return slices.ContainsFunc(servers, func(s syslogProfile) bool { return slices.Contains(m.syslog, s.name) })
}

// forwarded tells how much of one type of log a profile sends to the servers.
type forwarded int

const (
	forwardsNothing forwarded = iota
	forwardsSome              // a filter leaves lines out
	forwardsAll
)

// forwards gives also the filters in the way, if it is not everything.
func (l logProfile) forwards(kind string, servers []syslogProfile) (forwarded, []string) {
	var filters []string
	for _, m := range l.lists {
		if m.kind == kind && sendsTo(m, servers) {
			filters = append(filters, m.filter)
		}
	}
	switch {
	case len(filters) == 0:
		return forwardsNothing, nil
	case coverEverything(filters):
		return forwardsAll, nil
	}
	return forwardsSome, filters
}

// coverEverything tells whether every line passes one of the filters: one lets all pass, or two are each other's
// opposite. A filter that is not understood counts as one that leaves lines out.
func coverEverything(filters []string) bool {
	for i, f := range filters {
		f = plainFilter(f)
		if f == "" || f == "all logs" || f == "severity geq informational" {
			return true
		}
		for _, other := range filters[:i] {
			if opposite(f, plainFilter(other)) {
				return true
			}
		}
	}
	return false
}

// plainFilter takes off case, outer parentheses and spaces that do not matter.
func plainFilter(text string) string {
	text = strings.Join(strings.Fields(strings.ToLower(text)), " ")
	for strings.HasPrefix(text, "(") && strings.HasSuffix(text, ")") && strings.Count(text, "(") == 1 {
		text = strings.TrimSpace(text[1 : len(text)-1])
	}
	return text
}

// opposite tells whether one filter is "attribute eq value" and the other "attribute neq value".
func opposite(a, b string) bool {
	x, y := strings.Fields(a), strings.Fields(b)
	if len(x) != 3 || len(y) != 3 || x[0] != y[0] || x[2] != y[2] {
		return false
	}
	return x[1] == "eq" && y[1] == "neq" || x[1] == "neq" && y[1] == "eq"
}
