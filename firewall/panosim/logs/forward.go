package logs

import (
	"net"
	"net/netip"
	"strings"

	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/traffic"
	"activedefense/firewall/panosim/xmltree"
)

// server is where lines go, and how.
type server struct {
	address   string // host and port
	transport string // UDP, TCP or SSL
}

// Line is one message on its way to a server.
type Line struct {
	to   server
	text []byte
}

// Forward gives the lines by which the rule's log forwarding profile sends a log entry. No profile, no lines.
// host is the name in headers; complain is told once of each filter that is not understood.
func Forward(p *traffic.Policy, r *Record, host string, complain func(text string)) []Line {
	if r.Setting == "" {
		return nil
	}
	var lines []Line
	for _, match := range p.Find(r.Setting, "log-settings", "profiles").Child("match-list").Entries() {
		if match.Value("log-type") == strings.ToLower(r.Log) && forwards(p, r, match, complain) {
			lines = append(lines, matched(p, r, match, host)...)
		}
	}
	return lines
}

// ForwardLogin gives the lines by which the match lists of the device send an entry of a login: its own, and those of its template.
func ForwardLogin(p *traffic.Policy, r *Record, host string, complain func(text string)) []Line {
	var lines []Line
	for _, match := range p.Scope.All("log-settings", strings.ToLower(r.Log), "match-list") {
		if forwards(p, r, match, complain) {
			lines = append(lines, matched(p, r, match, host)...)
		}
	}
	return lines
}

// matched gives the lines for the servers that a match list names.
func matched(p *traffic.Policy, r *Record, match *xmltree.Element, host string) (lines []Line) {
	for _, name := range match.Child("send-syslog").Members() {
		if profile := p.Find(name, "log-settings", "syslog"); profile != nil {
			lines = append(lines, linesOf(profile, r, host)...)
		}
	}
	return lines
}

// forwards says whether the filter of a match list lets the entry through. One that is not understood lets
// nothing through, and says so once.
func forwards(p *traffic.Policy, r *Record, match *xmltree.Element, complain func(text string)) bool {
	text := match.Value("filter")
	through, err := parseLogFilter(text)
	if err != nil {
		if p.Once(text) {
			where := "log forwarding profile " + r.Setting
			if r.Login != nil {
				where = strings.ToLower(r.Log) + " log settings"
			}
			complain("simulator: " + where + ", match list " + match.ID() +
				" forwards nothing: " + err.Error())
		}
		return false
	}
	return through(r)
}

// linesOf writes the entry for each server of a syslog server profile.
func linesOf(profile *xmltree.Element, r *Record, host string) []Line {
	text := r.csv()
	format := profile.Child("format")
	if custom := format.Value(strings.ToLower(r.Log)); custom != "" {
		e := format.Child("escaping")
		text = r.render(custom, escaping{e.Value("escaped-characters"), e.Value("escape-character")})
	}
	var lines []Line
	for _, e := range profile.Child("server").Entries() {
		to := server{transport: strings.ToUpper(e.Value("transport"))}
		if to.transport == "" {
			to.transport = "UDP"
		}
		port := e.Value("port")
		if port == "" {
			port = "514"
		}
		to.address = net.JoinHostPort(e.Value("server"), port)
		lines = append(lines, Line{to, r.headed(e.Value("facility"), e.Value("format"), host, text)})
	}
	return lines
}

// HostName is the name that a firewall gives itself in headers, by its running configuration: by default its full name.
func HostName(running *xmltree.Element, hostname string) string {
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
