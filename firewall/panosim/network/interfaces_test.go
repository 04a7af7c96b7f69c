package network

import (
	"net/netip"
	"strings"
	"testing"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/xmltree"
)

const config = `<config><shared><address><entry name="wan6"><ip-netmask>2001:db8::2/64</ip-netmask></entry></address></shared>
<devices><entry name="localhost.localdomain"><network><interface>
<ethernet><entry name="ethernet1/1"><layer3><dhcp-client><enable>yes</enable></dhcp-client><ipv6><address><entry name="wan6"/></address></ipv6></layer3></entry>
<entry name="ethernet1/2"><layer3><ip><entry name="198.51.100.1/27"/><entry name="198.51.100.33/27"/></ip><units><entry name="ethernet1/2.5"><ip><entry name="10.5.0.1/24"/></ip></entry></units></layer3></entry>
<entry name="ethernet1/3"><layer2/></entry></ethernet><loopback><units><entry name="loopback.1"><ip><entry name="203.0.113.9"/></ip></entry></units></loopback>
</interface></network><vsys><entry name="vsys1"><zone><entry name="untrust"><network><layer3><member>ethernet1/1</member></layer3></network></entry></zone></entry></vsys></entry></devices></config>`

func TestShowInterfaces(t *testing.T) {
	root, err := xmltree.ParseConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	command, err := xmltree.Parse("<show><interface>all</interface></show>")
	if err != nil {
		t.Fatal(err)
	}
	n := New(func() *xmltree.Element { return root })
	show := func() string {
		return string(n.Show(answer.Request{Command: command, At: command.At([]string{"show", "interface"})}).Body)
	}
	entry := func(name, zone, rest string) string {
		return "<entry><name>" + name + "</name><zone>" + zone + "</zone><fwd>vr:default</fwd><vsys>1</vsys><dyn-addr></dyn-addr>" + rest + "</entry>"
	}
	answered := func(ip string) string {
		return `<response status="success"><result><ifnet>` +
			entry("ethernet1/1", "untrust", "<addr6><member>2001:db8::2/64</member></addr6><tag>0</tag><ip>"+ip+"</ip>") +
			entry("ethernet1/2", "", "<tag>0</tag><ip>198.51.100.1/27</ip><addr><member>198.51.100.33/27</member></addr>") +
			entry("ethernet1/2.5", "", "<tag>0</tag><ip>10.5.0.1/24</ip>") +
			entry("loopback.1", "", "<tag>0</tag><ip>203.0.113.9</ip>") + `</ifnet><hw/></result></response>`
	}
	if got := show(); got != answered("N/A") {
		t.Errorf("without a lease: %s", got)
	}
	n.Lease("ethernet1/1", netip.MustParsePrefix("203.0.113.77/22"))
	n.Lease("ethernet1/2", netip.MustParsePrefix("203.0.113.78/22")) // it does not ask for one
	if got := show(); got != answered("203.0.113.77/22") {
		t.Errorf("with one: %s", got)
	}
	n.Lease("ethernet1/1", netip.Prefix{})
	if got := show(); got != answered("N/A") {
		t.Errorf("when it has run out: %s", got)
	}
	management, err := xmltree.Parse("<show><interface>management</interface></show>")
	if err != nil {
		t.Fatal(err)
	}
	if got := string(n.Show(answer.Request{Command: management, At: management.Child("interface")}).Body); !strings.Contains(got, "<info><name>Management Interface</name>") {
		t.Errorf("of the management interface: %s", got)
	}
	other, err := xmltree.Parse("<show><interface>ethernet1/1</interface></show>")
	if err != nil {
		t.Fatal(err)
	}
	if got := string(n.Show(answer.Request{Command: other, At: other.Child("interface")}).Body); got != `<response status="error" code="17"><msg><line>show -&gt; interface is unexpected</line></msg></response>` {
		t.Errorf("of one interface: %s", got)
	}
}
