// Package day proves what detection does with a day of traffic of which it is known, by how it is made, who attacks and who
// does not. It holds tests alone: a generator of such days, written as firewalls log them, and what has to come of one.
package day

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"activedefense/detect/panos"
)

// berlin is the zone of the firewalls' clocks. On the day that is generated they pass an hour twice.
var berlin = func() *time.Location {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		panic(err)
	}
	return zone
}()

// An entry is what a firewall tells of, in either format.
type entry struct {
	generated, received time.Time
	firewall            int
	log, subtype        string // "TRAFFIC", "end"

	src, dst, natSrc, natDst             netip.Addr
	srcPort, dstPort, natSPort, natDPort int
	client                               netip.Addr // that a proxy named
	rule, app, protocol, action, end     string
	from, to, country                    string
	sent, got                            int // bytes
	packetsSent, packetsGot              int

	threat, severity, direction, category string // of THREAT; threat is "Name(ID)"

	event, status, method, user, reason string // of logins; of SYSTEM, reason is the description
	untranslated                        bool   // the site's key=value format says nothing of translation
}

func firewallName(n int) string { return "EDGE-FW-0" + strconv.Itoa(n+1) }

// local is a time as PAN-OS writes it: of the firewall's clock, without a zone.
func local(t time.Time) string { return t.In(berlin).Format("2006/01/02 15:04:05") }

func precise(t time.Time) string { return t.In(berlin).Format("2006-01-02T15:04:05.000-07:00") }

// header is what rsyslog puts ahead of a line.
func (e *entry) header() string {
	return e.received.In(berlin).Format("2006-01-02T15:04:05.000000-07:00") + " " + firewallName(e.firewall) + " "
}

// addr writes an address; PAN-OS has 0.0.0.0 where there is none.
func addr(a netip.Addr) string {
	if !a.IsValid() {
		return "0.0.0.0"
	}
	return a.String()
}

// columns of a record in the default format, by their numbers.
type columns map[int]string

func (c columns) line(n int) string {
	fields := make([]string, n)
	for i, v := range c {
		if strings.ContainsAny(v, `,"`) {
			v = `"` + strings.ReplaceAll(v, `"`, `""`) + `"`
		}
		fields[i] = v
	}
	return strings.Join(fields, ",")
}

// csv is the entry in the default format of PAN-OS 11.
func (e *entry) csv() string {
	c := columns{0: "1", 1: local(e.received), 2: "001801000001", 3: e.log, 4: e.subtype, 5: "2816", 6: local(e.generated)}
	switch e.log {
	case "GLOBALPROTECT":
		c[4], c[7], c[8], c[9], c[10], c[12], c[13] = "0", "vsys1", e.event, "login", e.method, e.user, e.country
		c[15], c[16], c[17], c[18] = addr(e.src), "0.0.0.0", "0.0.0.0", "0.0.0.0"
		if e.src.Is6() {
			c[15], c[16] = "", addr(e.src)
		}
		c[24], c[27], c[28], c[30], c[32], c[33], c[34], c[35] = "1", e.reason, e.status, "0", "0", "GP-PORTAL", "77", "0x0"
		c[36], c[47] = precise(e.generated), firewallName(e.firewall)
		return e.header() + c.line(49)
	case "SYSTEM":
		c[8], c[12], c[13], c[14], c[15], c[16] = e.event, "general", "medium", e.reason, "78", "0x0"
		c[22], c[25] = firewallName(e.firewall), precise(e.generated)
		return e.header() + c.line(26)
	}
	c[7], c[8], c[9], c[10] = addr(e.src), addr(e.dst), addr(e.natSrc), addr(e.natDst)
	c[11], c[14], c[15], c[16], c[17] = e.rule, e.app, "vsys1", e.from, e.to
	c[24], c[25] = strconv.Itoa(e.srcPort), strconv.Itoa(e.dstPort)
	c[26], c[27] = strconv.Itoa(e.natSPort), strconv.Itoa(e.natDPort)
	c[22], c[23], c[28], c[29], c[30] = "1", "1", "0x0", e.protocol, e.action
	if e.log == "THREAT" {
		c[32], c[33], c[34], c[35], c[38], c[39] = e.threat, "any", e.severity, e.direction, e.country, "Germany"
		c[59], c[69], c[107] = firewallName(e.firewall), e.category, precise(e.generated)
		if e.client.IsValid() {
			c[79] = e.client.String()
		}
		return e.header() + c.line(121)
	}
	c[31], c[32], c[33] = strconv.Itoa(e.sent+e.got), strconv.Itoa(e.sent), strconv.Itoa(e.got)
	c[34], c[44], c[45] = strconv.Itoa(e.packetsSent+e.packetsGot), strconv.Itoa(e.packetsSent), strconv.Itoa(e.packetsGot)
	c[41], c[42], c[46], c[52] = e.country, "Germany", e.end, firewallName(e.firewall)
	c[102] = precise(e.generated)
	if e.client.IsValid() {
		c[75] = e.client.String()
	}
	return e.header() + c.line(115)
}

// A template is a format of a syslog server profile, taken apart at its variables.
type template struct {
	texts []string // one more than variables
	names []string
}

var variable = regexp.MustCompile(`\$[a-z0-9_]+`)

func newTemplate(format string) (t template) {
	from := 0
	for _, at := range variable.FindAllStringIndex(format, -1) {
		t.texts = append(t.texts, format[from:at[0]])
		t.names = append(t.names, format[at[0]:at[1]])
		from = at[1]
	}
	t.texts = append(t.texts, format[from:])
	return t
}

// templates are the formats that firewalls are asked to send, by their logs.
var templates = map[string]template{
	"TRAFFIC": newTemplate(panos.TrafficFormat), "THREAT": newTemplate(panos.ThreatFormat),
	"GLOBALPROTECT": newTemplate(panos.GlobalProtectFormat), "SYSTEM": newTemplate(panos.SystemFormat),
}

// kv is the entry in the key=value format.
func (e *entry) kv() string {
	t := templates[e.log]
	var b strings.Builder
	b.WriteString(e.header())
	for i, name := range t.names {
		b.WriteString(t.texts[i])
		b.WriteString(e.value(name))
	}
	b.WriteString(t.texts[len(t.names)])
	return b.String()
}

// value is what a firewall writes for a variable. One that is not known here is a fault of the test.
func (e *entry) value(name string) string {
	switch name {
	case "$type":
		return e.log
	case "$subtype":
		return e.subtype
	case "$eventid":
		return e.event
	case "$srcloc", "$srcregion":
		return e.country
	case "$dstloc":
		return "Germany"
	case "$src", "$public_ip":
		if e.log == "GLOBALPROTECT" && e.src.Is6() {
			return ""
		}
		return addr(e.src)
	case "$public_ipv6":
		if e.src.Is6() {
			return addr(e.src)
		}
		return "0.0.0.0"
	case "$srcuser":
		if e.client.IsValid() {
			return "x-fwd-for: " + e.client.String()
		}
		return e.user
	case "$dst":
		return addr(e.dst)
	case "$time_received", "$receive_time":
		return local(e.received)
	case "$time_generated":
		return local(e.generated)
	case "$high_res_timestamp":
		return precise(e.generated)
	case "$rule_uuid", "$error":
		return ""
	case "$repeatcnt":
		return "1"
	case "$opaque":
		return e.reason
	}
	return e.sessionValue(name)
}

// sessionValue is what TRAFFIC and THREAT have beside, and the rest of the logins.
func (e *entry) sessionValue(name string) string {
	switch name {
	case "$action":
		return e.action
	case "$rule":
		return e.rule
	case "$threat_name", "$threatid":
		return e.threat
	case "$severity":
		return e.severity
	case "$app":
		return e.app
	case "$from":
		return e.from
	case "$to":
		return e.to
	case "$proto":
		return e.protocol
	case "$session_end_reason":
		return e.end
	case "$direction":
		return e.direction
	case "$thr_category":
		return e.category
	case "$status":
		return e.status
	case "$auth_method":
		return e.method
	case "$natsrc":
		return addr(e.seen(e.natSrc))
	case "$natdst":
		return addr(e.seen(e.natDst))
	}
	return strconv.Itoa(e.number(name))
}

// seen is a translated address where the site's format has them.
func (e *entry) seen(a netip.Addr) netip.Addr {
	if e.untranslated {
		return netip.Addr{}
	}
	return a
}

func (e *entry) number(name string) int {
	switch name {
	case "$sport":
		return e.srcPort
	case "$dport":
		return e.dstPort
	case "$bytes_sent":
		return e.sent
	case "$bytes_received":
		return e.got
	case "$pkts_sent":
		return e.packetsSent
	case "$pkts_received":
		return e.packetsGot
	}
	switch {
	case name != "$natsport" && name != "$natdport":
		panic("no value is known for " + name)
	case e.untranslated:
		return 0
	case name == "$natsport":
		return e.natSPort
	}
	return e.natDPort
}
