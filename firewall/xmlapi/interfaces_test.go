package xmlapi

import (
	"fmt"
	"strings"
	"testing"
)

func TestDefaultRoutes(t *testing.T) {
	entry := func(destination, flags, by string) string {
		return "<entry><virtual-router>default</virtual-router><destination>" + destination + "</destination><nexthop>203.0.113.1</nexthop><metric/><flags>" + flags +
			"</flags><age>77</age><interface>" + by + "</interface><route-table>unicast</route-table></entry>"
	}
	const begin, end = `<response status="success"><result><flags>flags: A:active, B:bgp</flags>`, `</result></response>`
	table := begin + entry("0.0.0.0/0", "A B E ", "ethernet1/1") + entry("0.0.0.0/0", "  B", "ethernet1/2") + entry("0.0.0.0/0", "A?B", "ethernet1/3") + entry("10.0.0.0/8", "A B", "ethernet1/4") + end
	for name, c := range map[string]struct{ answer, want, kind string }{
		"one that is used":     {table, "[{vr:default ethernet1/1}]", ""},
		"none":                 {begin + end, "[]", ""},
		"another engine":       {`<response status="success"><result>Command deprecated</result></response>`, "[]", ""},
		"an engine that minds": {`<response status="error" code="17"><msg><line>show -&gt; routing is unexpected</line></msg></response>`, "[]", ""},
		"logical routers": {`<response status="success"><result><json>{"default":{"0.0.0.0/0":[{"prefix":"0.0.0.0/0","protocol":"bgp","nexthops":[
{"ip":"203.0.113.1","interfaceName":"ethernet1/1","active":true},{"ip":"198.51.100.1","interfaceName":"ethernet1/2","active":false}]}],"10.0.0.0/8":[{"nexthops":[{"interfaceName":"ethernet1/4"}]}]}}</json></result></response>`,
			"[{lr:default ethernet1/1}]", ""},
		"cut": {strings.TrimSuffix(table, end), "[]", KindMalformed},
	} {
		s := newScript(t, always(c.answer))
		all, err := DefaultRoutes(t.Context(), s.Device)
		if got := fmt.Sprint(all); Kind(err) != c.kind || got != c.want {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}

func TestInterfaces(t *testing.T) {
	const answer = `<response status="success"><result><ifnet>
<entry><name>ethernet1/1</name><zone>untrust</zone><fwd>vr:default</fwd><vsys>1</vsys><dyn-addr/><addr6><member>fe80::1/64</member>
<member>2001:db8::1/64</member></addr6><tag>0</tag><ip>203.0.113.2/29</ip><id>16</id><addr><member>203.0.113.3/29</member></addr></entry>
<entry><name>ethernet1/2</name><zone/><ip>N/A</ip><addr/><dyn-addr><member>198.51.100.7</member></dyn-addr><addr6/></entry>
<entry><name>tunnel.1</name><zone>vpn</zone><ip>0.0.0.0/0</ip></entry><entry><zone>nameless</zone><ip>192.0.2.1/24</ip></entry>
</ifnet><hw><entry><name>ethernet1/1</name></entry></hw></result></response>`
	for name, c := range map[string]struct{ answer, want string }{
		"some": {answer, "[{ethernet1/1 untrust 1 vr:default [203.0.113.2/29 203.0.113.3/29 2001:db8::1/64]} {ethernet1/2    [198.51.100.7/32]} {tunnel.1 vpn   []}]"},
		"none": {success, "[]"},
	} {
		s := newScript(t, always(c.answer))
		all, err := Interfaces(t.Context(), s.Device)
		if got := fmt.Sprint(all); err != nil || got != c.want {
			t.Errorf("%s: %s, %v", name, got, err)
		}
		if s.calls[0].Has("vsys") {
			t.Errorf("%s: sent %v", name, s.calls[0])
		}
	}
	s := newScript(t, always(strings.TrimSuffix(answer, "</result></response>")))
	if _, err := Interfaces(t.Context(), s.Device); Kind(err) != KindMalformed {
		t.Errorf("cut: %v", err)
	}
}
