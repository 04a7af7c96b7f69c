package ours

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/firewall/panosim"
	"activedefense/firewall/xmlapi"
)

const simulated = `<config version="10.2.0"><shared><server-profile><radius><entry name="r"><server><entry name="s"><ip-address>192.0.2.63</ip-address></entry></server></entry></radius></server-profile></shared>
<devices><entry name="localhost.localdomain"><deviceconfig><system><dns-setting><servers><primary>192.0.2.53</primary></servers></dns-setting></system></deviceconfig>
<network><interface><ethernet><entry name="ethernet1/1"><layer3><dhcp-client/></layer3></entry>
<entry name="ethernet1/2"><layer3><ip><entry name="198.51.100.1/27"/></ip></layer3></entry></ethernet></interface></network>
<vsys><entry name="vsys1"><zone><entry name="untrust"><network><layer3><member>ethernet1/1</member></layer3></network></entry>
<entry name="dmz"><network><layer3><member>ethernet1/2</member></layer3></network></entry></zone><rulebase><security><rules/></security><nat><rules>
<entry name="out"><from><member>dmz</member></from><to><member>untrust</member></to><source-translation><dynamic-ip><translated-address><member>203.0.113.128/28</member></translated-address></dynamic-ip></source-translation></entry>
</rules></nat></rulebase></entry></vsys></entry></devices></config>`

func startSim(t *testing.T) (*panosim.Sim, *xmlapi.Device) { return startWith(t, simulated) }

func startWith(t *testing.T, config string) (*panosim.Sim, *xmlapi.Device) {
	t.Helper()
	sim, err := panosim.Start(panosim.Options{Config: config})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	d, err := xmlapi.Open(xmlapi.Options{Name: "fw1", URL: sim.URL(), APIKey: sim.Key(), CA: sim.CA(), RetryWait: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return sim, d
}

// What a firewall says is the same whether the administrator may read the configuration or only use operational commands.
func TestAsk(t *testing.T) {
	sim, d := startSim(t)
	sim.Lease("ethernet1/1", netip.MustParsePrefix("203.0.113.77/22"))
	want := []string{
		"management 127.0.0.1/32: management address",
		"network 198.51.100.0/27: network of interface ethernet1/2",
		"network 198.51.100.1/32: interface ethernet1/2",
		"network 203.0.113.77/32: interface ethernet1/1",
		"network 203.0.113.128/28: NAT rule out source translation",
		"peer 192.0.2.53/32: DNS server",
		"peer 192.0.2.63/32: RADIUS server",
	}
	ask := func(when string, zones []string, want []string) {
		t.Helper()
		f, err := Ask(t.Context(), d, zones)
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		if got := lines(f.Read()); !slices.Equal(got, want) {
			t.Errorf("%s:\n%s", when, strings.Join(got, "\n"))
		}
	}
	ask("with the right to the configuration", nil, want)
	sim.Config().SetRole("admin", panosim.RightOperation)
	ask("without it", nil, want)
	sim.Lease("ethernet1/1", netip.Prefix{})
	pending := append(slices.DeleteFunc(slices.Clone(want), func(line string) bool { return strings.Contains(line, "ethernet1/1") }), "network pending: interface ethernet1/1")
	ask("without a lease", nil, pending)
}

// A router that learns its default route is asked which it has. While it has none, what was told by it stays.
func TestARouterThatLearnsItsDefaultRoute(t *testing.T) {
	const router = `<virtual-router><entry name="edge"><interface><member>ethernet1/1</member><member>ethernet1/2</member></interface><protocol><bgp><enable>yes</enable></bgp></protocol>
<routing-table><ip><static-route><entry name="branch"><destination>203.0.113.128/26</destination><nexthop><ip-address>198.51.100.2</ip-address></nexthop></entry></static-route></ip></routing-table></entry></virtual-router>`
	static := strings.Replace(strings.Replace(simulated, "<dhcp-client/>", `<ip><entry name="192.0.2.2/30"/></ip>`, 1), "</interface></network>", "</interface>"+router+"</network>", 1)
	sim, d := startWith(t, static)
	ask := func(when string, want ...string) {
		t.Helper()
		f, err := Ask(t.Context(), d, nil)
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		got := slices.DeleteFunc(lines(f.Read()), func(line string) bool {
			return !strings.Contains(line, "network of interface") && !strings.Contains(line, ": static route")
		})
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n%s", when, strings.Join(got, "\n"))
		}
	}
	pending := []string{"network pending: network of interface ethernet1/1", "network pending: network of interface ethernet1/2", "network pending: static route branch"}
	ask("without one", pending...)
	sim.Learn("edge", "ethernet1/1")
	ask("with one", "network 198.51.100.0/27: network of interface ethernet1/2", "network 203.0.113.128/26: static route branch")
	sim.Learn("edge", "")
	sim.Learn("other", "ethernet1/9")
	ask("when its neighbour is away", pending...)
	for skip := range 2 {
		sim.SetFault(panosim.Fault{Kind: panosim.KindNetwork, Skip: 1 + skip, Effect: panosim.Truncate, Applied: true})
		if _, err := Ask(t.Context(), d, nil); err == nil {
			t.Errorf("an answer that is cut in question %d is one", skip)
		}
		sim.ClearFaults()
	}
	before := sim.Stats().Calls[panosim.KindNetwork]
	if _, err := Ask(t.Context(), d, []string{"untrust"}); err != nil || sim.Stats().Calls[panosim.KindNetwork] != before+1 {
		t.Errorf("with zones that are set it is asked for routes: %v", err)
	}
}

// Half of an answer would name less than there is: whichever answer is cut, refused or does not come, there is none at all.
func TestAnAnswerThatIsCutIsNone(t *testing.T) {
	sim, d := startSim(t)
	kinds := map[string]int{panosim.KindConfigRead: 4, panosim.KindNetwork: 1, panosim.KindSystemInfo: 2}
	for kind, calls := range kinds {
		for skip := range calls {
			for _, effect := range []panosim.Effect{panosim.Truncate, panosim.Empty, panosim.InternalError, panosim.HTML, panosim.OtherDevice} {
				t.Run(fmt.Sprintf("%s %d %s", kind, skip, effect), func(t *testing.T) {
					sim.SetFault(panosim.Fault{Kind: kind, Skip: skip, Effect: effect, Applied: true})
					if f, err := Ask(t.Context(), d, nil); err == nil {
						t.Errorf("it gives %+v", f.Read())
					}
				})
			}
		}
	}
	sim.ClearFaults()
	sim.Down()
	if _, err := Ask(t.Context(), d, nil); xmlapi.Kind(err) != xmlapi.KindUnreachable {
		t.Errorf("away: %v", err)
	}
}

func TestAVirtualSystemThatDoesNotExist(t *testing.T) {
	sim, _ := startSim(t)
	d, err := xmlapi.Open(xmlapi.Options{Name: "fw1", URL: sim.URL(), APIKey: sim.Key(), CA: sim.CA(), VSys: "vsys9"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	if _, err := Ask(t.Context(), d, nil); err == nil || !strings.Contains(err.Error(), "vsys9") {
		t.Errorf("%v", err)
	}
}
