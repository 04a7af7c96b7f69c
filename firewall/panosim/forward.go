package panosim

import (
	"net"
	"net/netip"
	"strings"

	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/xmltree"
)

// syslogServer is where lines go, and how.
type syslogServer struct {
	address   string // host and port
	transport string // UDP, TCP or SSL
}

// syslogLine is one message on its way to a server.
type syslogLine struct {
	to   syslogServer
	text []byte
}

// forward gives the lines by which the rule's log forwarding profile sends a log entry. No profile, no lines.
// host is the name in headers; complain is told once of each filter that is not understood.
func forward(p *policy, r *record, host string, complain func(text string)) []syslogLine {
	if r.setting == "" {
		return nil
	}
	var lines []syslogLine
	for _, match := range p.find(r.setting, "log-settings", "profiles").Child("match-list").Entries() {
		if match.Value("log-type") != strings.ToLower(r.log) || !forwards(p, r, match, complain) {
			continue
		}
		for _, name := range match.Child("send-syslog").Members() {
			if profile := p.find(name, "log-settings", "syslog"); profile != nil {
				lines = append(lines, linesOf(profile, r, host)...)
			}
		}
	}
	return lines
}

// forwards says whether the filter of a match list lets the entry through. One that is not understood lets
// nothing through, and says so once.
func forwards(p *policy, r *record, match *xmltree.Element, complain func(text string)) bool {
	text := match.Value("filter")
	through, err := parseLogFilter(text)
	if err != nil {
		if !p.warned[text] {
			p.warned[text] = true
			complain("simulator: log forwarding profile " + r.setting + ", match list " + match.ID() +
				" forwards nothing: " + err.Error())
		}
		return false
	}
	return through(r)
}

// linesOf writes the entry for each server of a syslog server profile.
func linesOf(profile *xmltree.Element, r *record, host string) []syslogLine {
	text := r.csv()
	format := profile.Child("format")
	if custom := format.Value(strings.ToLower(r.log)); custom != "" {
		e := format.Child("escaping")
		text = r.render(custom, escaping{e.Value("escaped-characters"), e.Value("escape-character")})
	}
	var lines []syslogLine
	for _, server := range profile.Child("server").Entries() {
		to := syslogServer{transport: strings.ToUpper(server.Value("transport"))}
		if to.transport == "" {
			to.transport = "UDP"
		}
		port := server.Value("port")
		if port == "" {
			port = "514"
		}
		to.address = net.JoinHostPort(server.Value("server"), port)
		lines = append(lines, syslogLine{to, r.headed(server.Value("facility"), server.Value("format"), host, text)})
	}
	return lines
}

// syslogHost is the name that a firewall gives itself in headers, by its running configuration: by default its full name.
func syslogHost(running *xmltree.Element, hostname string) string {
	device := running.Down("devices", "entry="+dialect.Localhost, "deviceconfig")
	switch device.Down("setting", "management").Value("hostname-type-in-syslog") {
	case "none":
		return ""
	case "hostname":
		return hostname
	case "ipv4-address":
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}).String()
	case "ipv6-address":
		return netip.IPv6Loopback().String()
	}
	if domain := device.Child("system").Value("domain"); domain != "" {
		return hostname + "." + domain
	}
	return hostname
}
