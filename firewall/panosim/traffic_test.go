package panosim

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"activedefense/firewall/panosim/traffic"
	"activedefense/firewall/panosim/xmltree"
)

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

func TestDefaultRules(t *testing.T) {
	s := start(t, Options{Config: deviceConfig("", "", "")})
	if v := s.Traffic().Packet(inbound("192.0.2.1")); v.Rule != "interzone-default" || v.Action != "deny" || v.Allowed || v.Session != 0 {
		t.Errorf("between zones: %+v", v)
	}
	p := inbound("192.0.2.1")
	p.To = p.From
	if v := s.Traffic().Packet(p); v.Rule != "intrazone-default" || !v.Allowed || v.Session == 0 {
		t.Errorf("within a zone: %+v", v)
	}
	override := `<rulebase><default-security-rules><rules><entry name="intrazone-default"><action>drop</action></entry></rules></default-security-rules></rulebase>`
	s = start(t, Options{Config: strings.Replace(deviceConfig("", "", ""), "<rulebase>", strings.TrimSuffix(override, "</rulebase>"), 1)})
	if v := s.Traffic().Packet(p); v.Rule != "intrazone-default" || v.Action != "drop" {
		t.Errorf("overridden: %+v", v)
	}
	if v := s.Traffic().Packet(traffic.Packet{VSys: "vsys9", Source: p.Source, Destination: p.Destination}); v != (traffic.Verdict{}) {
		t.Errorf("of a virtual system that is not there: %+v", v)
	}
	if v := s.Traffic().Packet(traffic.Packet{}); v != (traffic.Verdict{}) {
		t.Errorf("without addresses: %+v", v)
	}
}

// A rule without an action allows, as the vendor's schema has it.
func TestARuleWithoutAnActionAllows(t *testing.T) {
	s := start(t, Options{Config: deviceConfig("", "", "")})
	rule := strings.NewReplacer("<action>drop</action>", "", ">g<", ">any<", ">trust<", ">any<", ">untrust<", ">any<").Replace(ruleOne)
	if err := s.Config().Edit("admin", "set", rulesPath, rule); err != nil {
		t.Fatal(err)
	}
	if err := s.Config().Commit("admin"); err != nil {
		t.Fatal(err)
	}
	if v := s.Traffic().Packet(inbound("192.0.2.1")); v.Rule != "one" || !v.Allowed {
		t.Errorf("decided %+v", v)
	}
	if rules := s.Traffic().Rules(""); len(rules) != 1 || rules[0].Action != "allow" {
		t.Errorf("shown as %+v", rules)
	}
}

// commitConfig has another configuration run, as a commit does.
func commitConfig(t *testing.T, s *Sim, config string) {
	t.Helper()
	root, err := xmltree.ParseConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config.SetRunning(root)
}

func TestACommitChangesWhatDecides(t *testing.T) {
	rules := ruleXML("all", "allow", "")
	s := start(t, Options{Config: deviceConfig("", "", rules)})
	if v := s.Traffic().Packet(inbound("192.0.2.1")); v.Rule != "all" {
		t.Errorf("before the commit: %+v", v)
	}
	commitConfig(t, s, deviceConfig("", "", ruleXML("block", "deny", fieldXML("source", "192.0.2.1"))+rules))
	if v := s.Traffic().Packet(inbound("192.0.2.1")); v.Rule != "block" {
		t.Errorf("after the commit: %+v", v)
	}
	if n := len(s.Traffic().Sessions()); n != 1 {
		t.Errorf("the session that stood before went: %d stand", n)
	}
}

func TestPushedRulesEncloseTheFirewallsOwn(t *testing.T) {
	s := start(t, Options{Config: deviceConfig("", "", ruleXML("own", "allow", fieldXML("source", "192.0.2.1", "192.0.2.2")))})
	if v := s.Traffic().Packet(inbound("192.0.2.2")); v.Rule != "own" {
		t.Errorf("before the push: %+v", v)
	}
	group, err := xmltree.ParseConfig(`<entry name="dg"><address><entry name="pushed"><ip-netmask>192.0.2.2</ip-netmask></entry></address>
		<pre-rulebase><security><rules>` + ruleXML("pre", "deny", fieldXML("source", "pushed")) + `</rules></security></pre-rulebase>
		<post-rulebase><security><rules>` + ruleXML("post", "reset-both", fieldXML("source", "192.0.2.1", "192.0.2.3")) + `</rules></security>
		<default-security-rules><rules><entry name="interzone-default"><action>allow</action></entry></rules></default-security-rules></post-rulebase></entry>`)
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.pushed.Take(nil, []*xmltree.Element{group}, nil, nil)
	s.mu.Unlock()
	for source, want := range map[string]string{"192.0.2.1": "own", "192.0.2.2": "pre", "192.0.2.3": "post", "192.0.2.4": "interzone-default"} {
		if v := s.Traffic().Packet(inbound(source)); v.Rule != want {
			t.Errorf("%s: %+v, want %s", source, v, want)
		}
	}
}

func TestThreatsNeedAProfile(t *testing.T) {
	const groups = `<profile-group><entry name="g"><vulnerability><member>strict</member></vulnerability></entry></profile-group>`
	for _, c := range []struct {
		fields          string
		action          string
		threat, allowed bool
	}{
		{"", "", false, true},
		{"<profile-setting><profiles><vulnerability><member>strict</member></vulnerability></profiles></profile-setting>", "", true, false},
		{"<profile-setting><profiles><vulnerability><member>strict</member></vulnerability></profiles></profile-setting>", "alert", true, true},
		{"<profile-setting><group><member>g</member></group></profile-setting>", "", true, false},
		{"<profile-setting><group><member>other</member></group></profile-setting>", "", false, true},
	} {
		s := start(t, Options{Config: deviceConfig(groups, "", ruleXML("web", "allow", c.fields))})
		p := inbound("192.0.2.1")
		p.Threat = &traffic.Threat{Name: "Remote Code Execution", ID: 95187, Action: c.action}
		v := s.Traffic().Packet(p)
		if v.Threat != c.threat || v.Allowed != c.allowed || v.Action != "allow" || (len(s.Traffic().Sessions()) == 1) != c.allowed {
			t.Errorf("%s %s: %+v, %d sessions", c.fields, c.action, v, len(s.Traffic().Sessions()))
		}
		if p.Threat.Severity != "" {
			t.Error("the caller's threat was changed")
		}
	}
}

func TestAGroupOfFiftyThousandIsCompiledQuickly(t *testing.T) {
	var objects, members strings.Builder
	for i := range 50_000 {
		a := host(i).Addr().String()
		fmt.Fprintf(&objects, `<entry name="ad-%s"><ip-netmask>%s</ip-netmask></entry>`, a, a)
		fmt.Fprintf(&members, `<member>ad-%s</member>`, a)
	}
	s := start(t, Options{Config: deviceConfig("", `<address>`+objects.String()+`</address><address-group><entry name="g"><static>`+members.String()+`</static></entry></address-group>`,
		ruleXML("block", "deny", fieldXML("source", "g")))})
	began := time.Now()
	if got := ruleFor(s, "10.0.195.79"); got != "block" {
		t.Errorf("the last of the group meets %s", got)
	}
	if got := ruleFor(s, "10.0.195.80"); got == "block" {
		t.Error("an address beside the group is blocked")
	}
	// One lookup after the other would take minutes.
	if d := time.Since(began); d > 10*time.Second {
		t.Errorf("took %v", d)
	}
}

func TestLimitsOfModels(t *testing.T) {
	for _, c := range []struct {
		o                Options
		registered, list int
	}{
		{Options{}, 2500, 50_000},
		{Options{Model: "PA-440"}, 50_000, 50_000},
		{Options{Model: "PA-5220"}, 500_000, 150_000},
		{Options{Model: "PA-9999"}, 2500, 50_000},
		{Options{Model: "PA-5220", MaxRegistered: 7, MaxListEntries: 8}, 7, 8},
	} {
		o := c.o.withDefaults()
		if o.MaxRegistered != c.registered || o.MaxListEntries != c.list {
			t.Errorf("%s: %d registered, %d entries", c.o.Model, o.MaxRegistered, o.MaxListEntries)
		}
	}
}

// decides is which rule decides over packets, each from a zone to a zone as in "untrust dmz 203.0.113.9 tcp/443 ssl".
func decides(t *testing.T, s *Sim, at time.Time, want map[string]string) {
	t.Helper()
	for text, rule := range want {
		p := traffic.Packet{At: at, Destination: netip.MustParseAddr("198.51.100.7")}
		var source, service string
		if _, err := fmt.Sscan(text, &p.From, &p.To, &source, &service, &p.Application); err != nil {
			t.Fatal(err)
		}
		var port string
		p.Source = netip.MustParseAddr(source)
		p.Protocol, port, _ = strings.Cut(service, "/")
		if port != "" {
			if _, err := fmt.Sscan(port, &p.DestinationPort); err != nil {
				t.Fatal(err)
			}
		}
		if v := s.Traffic().Packet(p); v.Rule != rule || v.Allowed != (v.Action == "allow") {
			t.Errorf("%s: %+v, want %s", text, v, rule)
		}
	}
}

// A rule that has no action in the running configuration allows.
func TestABareRuleAllows(t *testing.T) {
	rule := strings.Replace(ruleXML("bare", "", ""), "<action></action>", "", 1)
	s := start(t, Options{Config: deviceConfig("", "", rule)})
	decides(t, s, time.Time{}, map[string]string{"untrust dmz 192.0.2.1 tcp/443 ssl": "bare"})
	if rules := s.Traffic().Rules(""); len(rules) != 1 || rules[0].Action != "allow" {
		t.Errorf("shown as %+v", rules)
	}
}

func TestRulesKeepTheirSchedule(t *testing.T) {
	const schedules = `<schedule>
		<entry name="office"><schedule-type><recurring><weekly><monday><member>08:00-11:59</member><member>13:00-17:00</member></monday></weekly></recurring></schedule-type></entry>
		<entry name="lunch"><schedule-type><recurring><daily><member>12:00-12:59</member></daily></recurring></schedule-type></entry>
		<entry name="visit"><schedule-type><non-recurring><member>2026/03/03@20:00-2026/03/04@06:00</member></non-recurring></schedule-type></entry></schedule>`
	rules := ""
	for _, name := range []string{"office", "lunch", "visit", "gone"} {
		rules += ruleXML(name, "allow", "<schedule>"+name+"</schedule>")
	}
	config := deviceConfig("", schedules, rules)
	config = strings.Replace(config, "<vsys>", "<deviceconfig><system><timezone>Europe/Berlin</timezone></system></deviceconfig><vsys>", 1)
	s := start(t, Options{Config: config})
	// The firewall's clock is an hour ahead of UTC; 2 March 2026 is a Monday.
	for at, rule := range map[string]string{
		"2026-03-02T06:59:59Z": "interzone-default", "2026-03-02T07:00:00Z": "office", "2026-03-02T10:59:59Z": "office",
		"2026-03-02T11:00:00Z": "lunch", "2026-03-02T16:00:59Z": "office", "2026-03-02T16:01:00Z": "interzone-default",
		"2026-03-03T08:00:00Z": "interzone-default", "2026-03-03T11:30:00Z": "lunch", "2026-03-03T18:59:59Z": "interzone-default",
		"2026-03-03T19:00:00Z": "visit", "2026-03-04T05:00:59Z": "visit", "2026-03-04T05:01:00Z": "interzone-default",
	} {
		when, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		decides(t, s, when, map[string]string{"untrust dmz 192.0.2.1 tcp/443 ssl": rule})
	}
}

// What the firewall's own services look like to App-ID, and the containers by whose name a rule means its functions.
func TestApplicationDefaultAndContainers(t *testing.T) {
	const usual = "<service><member>application-default</member></service>"
	s := start(t, Options{Config: deviceConfig("", "",
		ruleXML("tunnels", "allow", fieldXML("application", "ipsec")+usual)+ruleXML("portal", "allow", fieldXML("application", "panos-global-protect")+usual)+
			ruleXML("routing", "allow", fieldXML("application", "bgp", "ospfigp")+usual)+ruleXML("names", "allow", fieldXML("application", "dns")+usual))})
	decides(t, s, time.Time{}, map[string]string{
		"untrust dmz 192.0.2.1 udp/500 ike": "tunnels", "untrust dmz 192.0.2.1 udp/4500 ipsec-esp-udp": "tunnels", "untrust dmz 192.0.2.1 esp ipsec-esp": "tunnels", "untrust dmz 192.0.2.1 udp/4501 ipsec-esp-udp": "tunnels",
		"untrust dmz 192.0.2.1 udp/501 ike": "interzone-default", "untrust dmz 192.0.2.1 tcp/443 panos-global-protect": "portal",
		"untrust dmz 192.0.2.1 tcp/8443 panos-global-protect": "interzone-default", "untrust dmz 192.0.2.1 tcp/179 bgp": "routing",
		"untrust dmz 192.0.2.1 ospf ospfigp": "routing", "untrust dmz 192.0.2.1 udp/53 dns-base": "names", "untrust dmz 192.0.2.1 tcp/5353 dns-base": "interzone-default",
		"untrust untrust 192.0.2.1 tcp/179 ssl": "intrazone-default",
	})
}

func TestCustomRegions(t *testing.T) {
	const region = `<region><entry name="branches"><address><member>192.0.2.0/25</member><member>203.0.113.7</member></address></entry></region>`
	s := start(t, Options{Config: deviceConfig("", region, ruleXML("not-from-branches", "drop", fieldXML("source", "branches")+"<negate-source>yes</negate-source>")+ruleXML("rest", "allow", ""))})
	decides(t, s, time.Time{}, map[string]string{
		"untrust dmz 192.0.2.127 tcp/443 ssl": "rest", "untrust dmz 203.0.113.7 tcp/443 ssl": "rest",
		"untrust dmz 192.0.2.128 tcp/443 ssl": "not-from-branches", "untrust dmz 2001:db8::7 tcp/443 ssl": "not-from-branches",
	})
}
