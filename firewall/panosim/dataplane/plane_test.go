package dataplane

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"activedefense/firewall/panosim/devicegroup"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/edl"
	"activedefense/firewall/panosim/logs"
	"activedefense/firewall/panosim/traffic"
	"activedefense/firewall/panosim/userid"
	"activedefense/firewall/panosim/xmltree"
)

// newPlane is the data plane of a firewall that runs the configuration, and never another one.
func newPlane(t *testing.T, config string) *Plane {
	t.Helper()
	running, err := xmltree.ParseConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	var lock sync.Mutex
	vsys, d, log := []string{"vsys1"}, &dialect.Dialect{}, func(string, string, string) {}
	policies := traffic.NewPolicies(vsys, func() *xmltree.Element { return running }, devicegroup.NewPushed("", vsys))
	return New(Options{
		Now: time.Now, Device: logs.Device{Release: dialect.Version{Major: 10, Minor: 2}}, Dialect: d, Policies: policies,
		Registry: userid.New(userid.Options{Now: time.Now, Dialect: d, VSys: vsys, MaxRegistered: 1, Log: log}),
		Lists:    edl.New(edl.Options{Now: time.Now, Dialect: d, VSys: vsys, Policies: policies, Lock: &lock, Log: log}),
		HostName: func() string { return "fw" }, Log: log,
	})
}

// deviceConfig wraps the content of vsys1, of shared and of the rulebase.
func deviceConfig(shared, vsys, rules string) string {
	return `<config version="10.2.0"><shared>` + shared + `</shared><devices><entry name="localhost.localdomain"><vsys><entry name="vsys1">` +
		vsys + `<rulebase><security><rules>` + rules + `</rules></security></rulebase></entry></vsys></entry></devices></config>`
}

// ruleXML is a rule from and to any zone; fields are further elements, or others instead of the first ones.
func ruleXML(name, action, fields string) string {
	var b strings.Builder
	for _, field := range []string{"from", "to", "source", "destination", "application", "service", "source-user", "category"} {
		if !strings.Contains(fields, "<"+field+">") {
			fmt.Fprintf(&b, "<%s><member>any</member></%s>", field, field)
		}
	}
	return `<entry name="` + name + `" uuid="uuid-of-` + name + `">` + b.String() + fields + `<action>` + action + `</action></entry>`
}

// fieldXML is an element with members.
func fieldXML(name string, members ...string) string {
	return "<" + name + "><member>" + strings.Join(members, "</member><member>") + "</member></" + name + ">"
}

// inbound is a packet from the internet to a server of ours.
func inbound(source string) traffic.Packet {
	return traffic.Packet{
		From: "untrust", To: "dmz", Source: netip.MustParseAddr(source), Destination: netip.MustParseAddr("198.51.100.7"),
		SourcePort: 40000, DestinationPort: 443,
	}
}

// passes sums up which of the sources the first rule meets, of a policy with this rule before an allow.
func passes(t *testing.T, shared, vsys, fields string, packets ...traffic.Packet) string {
	t.Helper()
	plane := newPlane(t, deviceConfig(shared, vsys, ruleXML("first", "deny", fields)+ruleXML("second", "allow", "")))
	var out []string
	for _, p := range packets {
		v, _ := plane.Packet(p)
		if v.Allowed != (v.Rule == "second") || v.UUID != "uuid-of-"+v.Rule {
			t.Errorf("%+v", v)
		}
		if v.Rule == "first" {
			out = append(out, p.Source.String())
		}
	}
	return strings.Join(out, " ")
}

func TestSourcesOfEveryKind(t *testing.T) {
	const shared = `<address><entry name="s"><ip-netmask>203.0.113.0/28</ip-netmask></entry><entry name="a"><ip-netmask>192.0.2.99</ip-netmask></entry></address>`
	const vsys = `<address>
		<entry name="a"><ip-netmask>192.0.2.1</ip-netmask></entry>
		<entry name="n"><ip-netmask>192.0.2.77/28</ip-netmask></entry>
		<entry name="r"><ip-range>192.0.2.10-192.0.2.12</ip-range></entry>
		<entry name="f"><fqdn>example.com</fqdn></entry>
		<entry name="w"><ip-wildcard>10.0.7.5/0.255.0.255</ip-wildcard></entry>
		<entry name="six"><ip-netmask>2001:db8::/64</ip-netmask></entry></address>
		<address-group><entry name="g"><static><member>a</member><member>inner</member></static></entry>
		<entry name="inner"><static><member>r</member><member>g</member></static></entry></address-group>`
	packets := []traffic.Packet{
		inbound("192.0.2.1"), inbound("192.0.2.64"), inbound("192.0.2.11"), inbound("203.0.113.5"), inbound("10.99.7.200"),
		inbound("2001:db8::5"), inbound("192.0.2.99"), inbound("8.8.8.8"),
	}
	for _, c := range []struct{ fields, want string }{
		{fieldXML("source", "a"), "192.0.2.1"}, // the virtual system's own object hides the shared one
		{fieldXML("source", "n"), "192.0.2.64"},
		{fieldXML("source", "r"), "192.0.2.11"},
		{fieldXML("source", "f"), ""},
		{fieldXML("source", "w"), "10.99.7.200"},
		{fieldXML("source", "six"), "2001:db8::5"},
		{fieldXML("source", "s"), "203.0.113.5"},
		{fieldXML("source", "g"), "192.0.2.1 192.0.2.11"}, // a circle of groups ends
		{fieldXML("source", "8.8.8.8", "192.0.2.96/30"), "192.0.2.99 8.8.8.8"},
		{fieldXML("source", "nothing-of-that-name"), ""},
		{fieldXML("source", "a") + "<negate-source>yes</negate-source>", "192.0.2.64 192.0.2.11 203.0.113.5 10.99.7.200 2001:db8::5 192.0.2.99 8.8.8.8"},
		{fieldXML("destination", "s"), ""},
		{fieldXML("destination", "198.51.100.7") + fieldXML("source", "a", "r"), "192.0.2.1 192.0.2.11"},
		{fieldXML("destination", "198.51.100.7") + "<negate-destination>yes</negate-destination>", ""},
		{fieldXML("source", "a") + "<disabled>yes</disabled>", ""},
		{fieldXML("source", "a") + "<disabled>no</disabled>", "192.0.2.1"},
	} {
		if got := passes(t, shared, vsys, c.fields, packets...); got != c.want {
			t.Errorf("%s: %s, want %s", c.fields, got, c.want)
		}
	}
}

func TestOtherConditions(t *testing.T) {
	const objects = `<service><entry name="alt"><protocol><tcp><port>8000-8010,9000</port><source-port>40000</source-port></tcp></protocol></entry>
		<entry name="u"><protocol><udp><port>53</port></udp></protocol></entry></service>
		<service-group><entry name="sg"><members><member>alt</member><member>u</member></members></entry></service-group>
		<application-group><entry name="ag"><members><member>ssl</member></members></entry></application-group>`
	p := func(change func(*traffic.Packet)) traffic.Packet {
		out := inbound("192.0.2.1")
		change(&out)
		return out
	}
	plain := p(func(*traffic.Packet) {})
	dns := p(func(p *traffic.Packet) { p.Protocol, p.DestinationPort = "udp", 53 })
	alt := p(func(p *traffic.Packet) { p.DestinationPort = 8005 })
	user := p(func(p *traffic.Packet) { p.User = `example\one` })
	within := p(func(p *traffic.Packet) { p.To = "untrust" })
	for _, c := range []struct {
		name, fields string
		packet       traffic.Packet
		meets        bool
	}{
		{"zone", fieldXML("from", "untrust", "x"), plain, true},
		{"other zone", fieldXML("from", "trust"), plain, false},
		{"to zone", fieldXML("to", "dmz"), plain, true},
		{"to other zone", fieldXML("to", "trust"), plain, false},
		{"intrazone", "<rule-type>intrazone</rule-type>", plain, false},
		{"intrazone within", "<rule-type>intrazone</rule-type>" + fieldXML("from", "untrust"), within, true},
		{"intrazone has no other zone", "<rule-type>intrazone</rule-type>" + fieldXML("to", "dmz"), within, true},
		{"interzone", "<rule-type>interzone</rule-type>", plain, true},
		{"interzone within", "<rule-type>interzone</rule-type>", within, false},
		{"service", fieldXML("service", "alt"), alt, true},
		{"service, other port", fieldXML("service", "alt"), plain, false},
		{"service, other source port", fieldXML("service", "alt"), p(func(p *traffic.Packet) { p.DestinationPort, p.SourcePort = 9000, 1 }), false},
		{"service, other protocol", fieldXML("service", "u"), p(func(p *traffic.Packet) { p.DestinationPort = 53 }), false},
		{"service group", fieldXML("service", "sg"), dns, true},
		{"predefined service", fieldXML("service", "service-https"), plain, true},
		{"predefined service, other port", fieldXML("service", "service-http"), plain, false},
		{"unknown service", fieldXML("service", "nothing"), plain, false},
		{"application-default", fieldXML("service", "application-default"), plain, true},
		{"application-default, other port", fieldXML("service", "application-default"), p(func(p *traffic.Packet) { p.Application, p.DestinationPort = "ssl", 8443 }), false},
		{"application-default, unknown", fieldXML("service", "application-default"), alt, true},
		{"application", fieldXML("application", "ssl"), plain, true},
		{"application group", fieldXML("application", "ag"), plain, true},
		{"other application", fieldXML("application", "ssh"), plain, false},
		{"user", fieldXML("source-user", `example\one`), user, true},
		{"other user", fieldXML("source-user", `example\two`), user, false},
		{"no user", fieldXML("source-user", `example\one`), plain, false},
		{"known-user", fieldXML("source-user", "known-user"), user, true},
		{"unknown user", fieldXML("source-user", "unknown"), plain, true},
		{"a category", fieldXML("category", "malware"), plain, false},
		{"a host profile", fieldXML("source-hip", "x"), plain, false},
	} {
		got := passes(t, objects, "", c.fields, c.packet) != ""
		if got != c.meets {
			t.Errorf("%s: meets %v, want %v", c.name, got, c.meets)
		}
	}
}

func TestNothingToDecideAbout(t *testing.T) {
	plane := newPlane(t, deviceConfig("", "", ruleXML("all", "allow", "")))
	other := inbound("192.0.2.1")
	other.VSys = "vsys9"
	for _, p := range []traffic.Packet{{}, {Source: other.Source}, other} {
		if v, lines := plane.Packet(p); v != (traffic.Verdict{}) || lines != nil {
			t.Errorf("%+v: %+v, %d lines", p, v, len(lines))
		}
	}
}

func TestSessionsOutliveNoRestart(t *testing.T) {
	plane := newPlane(t, deviceConfig("", "", ruleXML("all", "allow", "")))
	first, _ := plane.Packet(inbound("192.0.2.1"))
	plane.Restart()
	second, _ := plane.Packet(inbound("192.0.2.1"))
	if _, stands := plane.EndSession(first.Session); stands || second.Session <= first.Session || fmt.Sprint(plane.Sessions()) != fmt.Sprintf("[%d]", second.Session) {
		t.Errorf("sessions %d and %d, standing %v", first.Session, second.Session, plane.Sessions())
	}
	if _, stands := plane.EndSession(second.Session); !stands || len(plane.Sessions()) != 0 {
		t.Errorf("a session that was ended stands: %v", plane.Sessions())
	}
}

// The oldest goes first.
func TestSessionsAreBounded(t *testing.T) {
	var table sessionTable
	for range maxSessions + 10 {
		old := table.add(&session{id: table.number()})
		if int(table.last) <= maxSessions != (old == nil) || old != nil && old.id != table.last-maxSessions {
			t.Fatalf("session %d puts out %v", table.last, old)
		}
	}
}
