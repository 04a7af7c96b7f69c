package panosim

import (
	"strings"
	"testing"
	"time"

	"activedefense/firewall/panosim/dialect"
)

const blockGroup = `<address-group><entry name="blocked"><dynamic><filter>'bad' and not 'friend'</filter></dynamic></entry></address-group>`

func groupSim(t *testing.T, o Options) *Sim {
	o.Config = deviceConfig("", blockGroup+`<address>
		<entry name="host"><ip-netmask>198.18.0.1</ip-netmask><tag><member>bad</member></tag></entry>
		<entry name="net"><ip-netmask>198.18.1.0/24</ip-netmask><tag><member>other</member></tag></entry></address>`,
		ruleXML("block", "drop", fieldXML("source", "blocked"))+ruleXML("rest", "allow", ""))
	return start(t, o)
}

// ruleFor gives the rule that a packet from there meets.
func ruleFor(s *Sim, source string) string { return s.Traffic().Packet(inbound(source)).Rule }

func TestGroupMembership(t *testing.T) {
	s := groupSim(t, Options{})
	p := newPeer(t, s)
	p.uid("<register>" + entryXML("192.0.2.1", "bad", "") + entryXML("192.0.2.2", "bad", "") + entryXML("192.0.2.2", "friend", "") +
		entryXML("203.0.113.0/24", "bad", "") + entryXML("203.0.113.9", "friend", "") + entryXML("10.0.0.5-10.0.0.7", "bad", "") +
		entryXML("2001:db8::1", "bad", "") + entryXML("198.18.1.0/25", "bad", "") + entryXML("198.18.1.0/24", "good", "") + "</register>")
	for source, want := range map[string]string{
		"192.0.2.1": "block", "192.0.2.2": "rest", "192.0.2.3": "rest",
		"203.0.113.5": "block",
		"203.0.113.9": "block", // the host inherits "bad" and is a friend, but the network that holds it is a member
		"10.0.0.4":    "rest", "10.0.0.5": "block", "10.0.0.7": "block", "10.0.0.8": "rest",
		"2001:db8::1": "block", "2001:db8::2": "rest",
		"198.18.0.1": "block", // an address object with the tag
		"198.18.1.5": "block", "198.18.1.200": "rest",
	} {
		if got := ruleFor(s, source); got != want {
			t.Errorf("%s meets %s, want %s", source, got, want)
		}
	}
	expect(t, "shown", p.op("<show><object><dynamic-address-group><all></all></dynamic-address-group></object></show>"),
		`<response cmd="status" status="success"><result><dyn-addr-grp><entry><vsys>vsys1</vsys><group-name>blocked</group-name>`+
			`<filter>&#39;bad&#39; and not &#39;friend&#39;</filter><member-list>`+
			`<entry name="10.0.0.5-10.0.0.7" type="registered-ip"/><entry name="192.0.2.1" type="registered-ip"/>`+
			`<entry name="198.18.1.0/25" type="registered-ip"/><entry name="203.0.113.0/24" type="registered-ip"/>`+
			`<entry name="2001:db8::1" type="registered-ip"/><entry name="host" type="address-object"/></member-list></entry></dyn-addr-grp></result></response>`)
	p.uid("<unregister>" + entryXML("192.0.2.1", "bad", "") + entryXML("10.0.0.5-10.0.0.7", "bad", "") + "</unregister>")
	if ruleFor(s, "192.0.2.1") != "rest" || ruleFor(s, "10.0.0.5") != "rest" {
		t.Error("what was unregistered is still a member")
	}
}

func TestAnObjectInheritsTheTagsOfNetworks(t *testing.T) {
	s := start(t, Options{Config: deviceConfig("", `<address-group><entry name="blocked"><dynamic><filter>'a' and 'b'</filter></dynamic></entry></address-group>
		<address><entry name="net"><ip-netmask>198.18.1.0/24</ip-netmask><tag><member>a</member></tag></entry></address>`,
		ruleXML("block", "drop", fieldXML("source", "blocked"))+ruleXML("rest", "allow", ""))})
	newPeer(t, s).uid("<register>" + entryXML("192.0.2.1", "a", "") + entryXML("192.0.0.0/16", "b", "") + entryXML("198.18.0.0/15", "b", "") + "</register>")
	for source, want := range map[string]string{"192.0.2.1": "block", "192.0.2.2": "rest", "198.18.1.77": "block", "198.18.2.1": "rest"} {
		if got := ruleFor(s, source); got != want {
			t.Errorf("%s meets %s, want %s", source, got, want)
		}
	}
}

func TestGroupsLagBehind(t *testing.T) {
	c := newClock()
	s := groupSim(t, Options{Now: c.Now, GroupLag: 30 * time.Second})
	p := newPeer(t, s)
	p.uid("<register>" + entryXML("192.0.2.1", "bad", "40") + "</register>")
	steps := []struct {
		advance time.Duration
		want    string
	}{
		{0, "rest"}, {29 * time.Second, "rest"}, {time.Second, "block"},
		// The timer ran out at 40 s; groups know 30 s later, whenever anybody looks.
		{39 * time.Second, "block"}, {time.Second, "rest"},
	}
	for i, step := range steps {
		c.advance(step.advance)
		if got := ruleFor(s, "192.0.2.1"); got != step.want {
			t.Errorf("step %d: %s, want %s", i, got, step.want)
		}
	}
	p.uid("<register>" + entryXML("192.0.2.2", "bad", "40") + "</register>")
	c.advance(60 * time.Second)
	p.uid("<register>" + entryXML("192.0.2.3", "bad", "") + "</register>")
	c.advance(10 * time.Second) // 70 s after .2 came: it expired at 40 s, and that is known
	if got := ruleFor(s, "192.0.2.2"); got != "rest" {
		t.Errorf("an old timer that was noticed late: %s", got)
	}
	c.advance(20 * time.Second)
	if got := ruleFor(s, "192.0.2.3"); got != "block" {
		t.Errorf("a registration after it: %s", got)
	}
	p.uid("<register>" + entryXML("192.0.2.4", "bad", "") + "</register><unregister>" + entryXML("192.0.2.3", "bad", "") + "</unregister>")
	if answer := p.op("<show><object><dynamic-address-group><name>blocked</name></dynamic-address-group></object></show>"); !strings.Contains(answer, "192.0.2.3") || strings.Contains(answer, "192.0.2.4") {
		t.Errorf("shown before they know: %s", answer)
	}
	if s.Addresses().Count() != 1 {
		t.Errorf("%d registered", s.Addresses().Count())
	}
}

func TestGroupsThatNoRuleNames(t *testing.T) {
	const show = "<show><object><dynamic-address-group><all/></dynamic-address-group></object></show>"
	for _, c := range []struct {
		dialect dialect.Dialect
		rules   string
		want    bool
	}{
		{dialect.Dialect{}, ruleXML("rest", "allow", ""), false},
		{dialect.Dialect{}, ruleXML("off", "drop", fieldXML("source", "blocked")+"<disabled>yes</disabled>"), false},
		{dialect.Dialect{}, ruleXML("block", "drop", fieldXML("source", "blocked")), true},
		{dialect.Dialect{}, ruleXML("block", "drop", fieldXML("destination", "outer")), true},
		{dialect.Dialect{Groups: dialect.GroupsAll}, ruleXML("rest", "allow", ""), true},
	} {
		s := start(t, Options{Dialect: c.dialect, Config: deviceConfig("", strings.Replace(blockGroup, "</address-group>",
			`<entry name="outer"><static><member>blocked</member></static></entry></address-group>`, 1), c.rules)})
		p := newPeer(t, s)
		p.uid("<register>" + entryXML("192.0.2.1", "bad", "") + "</register>")
		answer := p.op(show)
		if got := strings.Contains(answer, `<entry name="192.0.2.1"`); got != c.want || !strings.Contains(answer, "<group-name>blocked</group-name>") {
			t.Errorf("%v %s: %s", c.dialect, c.rules, answer)
		}
	}
	s := groupSim(t, Options{})
	p := newPeer(t, s)
	if answer := p.op("<show><object><dynamic-address-group><name>none</name></dynamic-address-group></object></show>"); !strings.Contains(answer, "<dyn-addr-grp></dyn-addr-grp>") {
		t.Errorf("a group that is not there: %s", answer)
	}
	if answer := p.op("<show><object><dynamic-address-group/></object></show>"); !strings.Contains(answer, `code="17"`) {
		t.Errorf("neither all nor one: %s", answer)
	}
}

func TestARestartTakesMembersAway(t *testing.T) {
	s := groupSim(t, Options{})
	newPeer(t, s).uid(`<register><entry ip="192.0.2.1" persistent="0"><tag><member>bad</member></tag></entry>` + entryXML("192.0.2.2", "bad", "") + `</register>`)
	s.Reboot()
	if ruleFor(s, "192.0.2.1") != "rest" || ruleFor(s, "192.0.2.2") != "block" {
		t.Error("groups do not follow what a restart dropped")
	}
}
