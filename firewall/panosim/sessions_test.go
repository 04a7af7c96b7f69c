package panosim

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

func sessionSim(t *testing.T, o Options) (*Sim, *peer) {
	o.Config = deviceConfig("", "", ruleXML("web", "allow", ""))
	s := start(t, o)
	return s, newPeer(t, s)
}

const cleared = "<response status=\"success\"><result>\n  <member>sessions cleared</member>\n</result></response>"

func TestSessionsOfOneSourceAreCleared(t *testing.T) {
	s, p := sessionSim(t, Options{})
	for i := range 3 {
		s.Traffic().Packet(inbound(fmt.Sprintf("192.0.2.%d", i)))
	}
	s.Traffic().Packet(inbound("2001:db8::1"))
	answer := p.op("<show><session><all><filter><source>192.0.2.1</source></filter></all></session></show>")
	if strings.Count(answer, "<entry>") != 1 || !strings.Contains(answer, "<source>192.0.2.1</source>") || !strings.Contains(answer, "<idx>2</idx>") ||
		!strings.Contains(answer, "<security-rule>web</security-rule>") {
		t.Error(answer)
	}
	expect(t, "clear", p.op("<clear><session><all><filter><source>192.0.2.1</source></filter></all></session></clear>"), cleared)
	expect(t, "what stands", fmt.Sprint(s.Traffic().Sessions()), "[1 3 4]")
	expect(t, "clear none", p.op("<clear><session><all><filter><source>192.0.2.1</source></filter></all></session></clear>"), cleared)
	expect(t, "clear IPv6", p.op("<clear><session><all><filter><source>2001:db8:0::1</source></filter></all></session></clear>"), cleared)
	expect(t, "what stands", fmt.Sprint(s.Traffic().Sessions()), "[1 3]")
	if got := p.op("<clear><session><id>3</id></session></clear>"); !strings.Contains(got, `status="success"`) {
		t.Error(got)
	}
	if got := p.op("<clear><session><id>3</id></session></clear>"); !strings.Contains(got, `status="error"`) {
		t.Error(got)
	}
	if got := p.op("<show><session><id>1</id></session></show>"); !strings.Contains(got, "<idx>1</idx>") {
		t.Error(got)
	}
	if got := p.op("<show><session><id>9</id></session></show>"); !strings.Contains(got, `status="error"`) {
		t.Error(got)
	}
	expect(t, "clear all", p.op("<clear><session><all/></session></clear>"), cleared)
	expect(t, "show none", p.op("<show><session><all/></session></show>"), `<response status="success"><result></result></response>`)
	if calls := s.Stats().Calls; calls[KindClearSessions] != 6 || calls[KindSessions] != 4 {
		t.Errorf("%v", calls)
	}
}

func TestSessionFilters(t *testing.T) {
	s, p := sessionSim(t, Options{VSys: []string{"vsys1"}})
	s.Traffic().Packet(inbound("192.0.2.1"))
	for _, c := range []struct {
		filter string
		want   string // in the answer
	}{
		{"<source>192.0.2.1</source><destination>198.51.100.7</destination><count>yes</count>", "<member>1</member>"},
		{"<source-port>40000</source-port><destination-port>443</destination-port><protocol>6</protocol><count>yes</count>", "<member>1</member>"},
		{"<from>untrust</from><to>dmz</to><rule>web</rule><application>ssl</application><count>yes</count>", "<member>1</member>"},
		{"<destination>198.51.100.8</destination><count>yes</count>", "<member>0</member>"},
		{"<protocol>17</protocol><count>yes</count>", "<member>0</member>"},
		{"<source>192.0.2.0/24</source>", `code="17"`},
		{"<destination-port>70000</destination-port>", `code="17"`},
		{"<colour>red</colour>", "show -&gt; session -&gt; all -&gt; filter -&gt; colour is unexpected"},
	} {
		if got := p.op("<show><session><all><filter>" + c.filter + "</filter></all></session></show>"); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s", c.filter, got)
		}
	}
	if got := p.op("<clear><session><all><filter><source>all of them</source></filter></all></session></clear>"); !strings.Contains(got, `code="17"`) || len(s.Traffic().Sessions()) != 1 {
		t.Errorf("a filter that cannot be read: %s, %v stand", got, s.Traffic().Sessions())
	}
}

func TestSessionsOfAVirtualSystem(t *testing.T) {
	config := strings.Replace(deviceConfig("", "", ruleXML("web", "allow", "")), "</entry></vsys>", `</entry><entry name="vsys2"><rulebase><security><rules>`+
		ruleXML("web", "allow", "")+`</rules></security></rulebase></entry></vsys>`, 1)
	s := start(t, Options{VSys: []string{"vsys1", "vsys2"}, Config: config})
	s.Traffic().Packet(inbound("192.0.2.1"))
	second := inbound("192.0.2.1")
	second.VSys = "vsys2"
	s.Traffic().Packet(second)
	clear := func(vsys string) string {
		return newPeer(t, s).post(url.Values{"type": {"op"}, "key": {s.Key()}, "vsys": {vsys}, "cmd": {
			"<clear><session><all><filter><source>192.0.2.1</source></filter></all></session></clear>"}}).body
	}
	expect(t, "clear in vsys2", clear("vsys2"), cleared)
	expect(t, "what stands", fmt.Sprint(s.Traffic().Sessions()), "[1]")
	if got := clear("vsys9"); !strings.Contains(got, "vsys9 is invalid vsys") {
		t.Error(got)
	}
}

func TestSessionsEndOnce(t *testing.T) {
	s, _ := sessionSim(t, Options{})
	v := s.Traffic().Packet(inbound("192.0.2.1"))
	second := s.Traffic().Packet(inbound("192.0.2.2")).Session
	s.Reboot()
	if len(s.Traffic().Sessions()) != 0 || s.Traffic().EndSession(second) {
		t.Error("a session outlives a restart")
	}
	if v = s.Traffic().Packet(inbound("192.0.2.1")); v.Session <= second {
		t.Errorf("number %d is given again", v.Session)
	}
	if !s.Traffic().EndSession(v.Session) || s.Traffic().EndSession(v.Session) || len(s.Traffic().Sessions()) != 0 {
		t.Error("a session ends once")
	}
}
