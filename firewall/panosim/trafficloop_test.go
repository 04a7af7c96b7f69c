package panosim

import (
	"strings"
	"testing"
	"time"

	"activedefense/firewall/panosim/traffic"
)

// A firewall set up as operators are asked to: what blocks on top, the sensor at the bottom, both logged to us.
func loopConfig(shared string, source string) string {
	return deviceConfig(shared, `<address-group><entry name="attackers"><dynamic><filter>'active-defense'</filter></dynamic></entry></address-group>`,
		ruleXML("Active Defense block", "drop", fieldXML("from", "untrust")+fieldXML("source", source)+forwarded)+
			ruleXML("web", "allow", fieldXML("from", "untrust")+fieldXML("service", "service-https")+forwarded)+
			ruleXML("Active Defense sensor", "deny", fieldXML("from", "untrust")+forwarded))
}

const loopFormat = "SrcIP=$src; DstPort=$dport; Action=$action; RuleName=$rule; RuleID=$rule_uuid;"

// probe is a packet to a port that nobody serves.
func probe(source string) traffic.Packet {
	p := inbound(source)
	p.DestinationPort = 3389
	return p
}

func TestTheLoopByTag(t *testing.T) {
	address, got := udpServer(t)
	c := newClock()
	s := start(t, Options{Now: c.Now, GroupLag: 2 * time.Second, Config: loopConfig(serverXML(address, "UDP", "", customXML(loopFormat)), "attackers")})
	see := func(want string) {
		t.Helper()
		s.Traffic().Packet(probe("203.0.113.66"))
		if line := receive(t, got); !strings.HasSuffix(line, want) {
			t.Errorf("%q, want %q", line, want)
		}
	}
	const sensor = "SrcIP=203.0.113.66; DstPort=3389; Action=deny; RuleName=Active Defense sensor; RuleID=uuid-of-Active Defense sensor;"
	const block = "SrcIP=203.0.113.66; DstPort=3389; Action=drop; RuleName=Active Defense block; RuleID=uuid-of-Active Defense block;"
	see(sensor)
	open := s.Traffic().Packet(inbound("203.0.113.66"))
	if !open.Allowed {
		t.Fatalf("%+v", open)
	}
	p := newPeer(t, s)
	p.uid("<register>" + entryXML("203.0.113.66", "active-defense", "60") + "</register>")
	see(sensor)
	c.advance(2 * time.Second)
	see(block)
	if v := s.Traffic().Packet(inbound("203.0.113.66")); v.Allowed || v.Rule != "Active Defense block" {
		t.Errorf("to a port that is served: %+v", v)
	}
	receive(t, got)
	if v := s.Traffic().Packet(inbound("198.51.100.200")); !v.Allowed {
		t.Errorf("another source: %+v", v)
	}
	if n := len(s.Traffic().Sessions()); n != 2 {
		t.Errorf("%d sessions: the one that stood is not ended by the block", n)
	}
	p.op("<clear><session><all><filter><source>203.0.113.66</source></filter></all></session></clear>")
	if line := receive(t, got); !strings.Contains(line, "SrcIP=203.0.113.66; DstPort=443; Action=allow; RuleName=web;") {
		t.Errorf("the session that was cleared: %q", line)
	}
	c.advance(60 * time.Second)
	see(sensor) // the timer let it go by itself
}

func TestTheLoopByList(t *testing.T) {
	address, got := udpServer(t)
	l := newListServer(t, time.Time{})
	l.set(200, "192.0.2.1\n")
	s := start(t, Options{Config: loopConfig(authorityXML(l.authority)+listXML("bl", l.URL, profiled)+serverXML(address, "UDP", "", customXML(loopFormat)), "bl")})
	s.Lists().Fetch()
	p := newPeer(t, s)
	see := func(want string) {
		t.Helper()
		s.Traffic().Packet(probe("203.0.113.66"))
		if line := receive(t, got); !strings.Contains(line, "RuleName="+want+";") {
			t.Errorf("%q, want %q", line, want)
		}
	}
	see("Active Defense sensor")
	l.set(200, "192.0.2.1\n203.0.113.66 port-scan\n")
	see("Active Defense sensor")
	p.refresh("bl")
	see("Active Defense block")
	l.set(503, "")
	p.refresh("bl")
	see("Active Defense block")
	l.set(403, "")
	p.refresh("bl")
	see("Active Defense sensor")
	l.set(200, "203.0.113.66\n")
	p.refresh("bl")
	see("Active Defense block")
	if answer := p.showList("bl", ""); !strings.Contains(answer, "<member>203.0.113.66</member>") {
		t.Error(answer)
	}
}
