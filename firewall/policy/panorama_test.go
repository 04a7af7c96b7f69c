package policy

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"activedefense/firewall"
	"activedefense/firewall/panosim"
	simulator "activedefense/firewall/panosim/traffic"
	"activedefense/firewall/policy/panorama"
	"activedefense/firewall/xmlapi"
)

const (
	serial = "012801000001"
	sister = "012801000002" // another firewall of the same device group
)

// panoramaLab is a firewall that is reached through a Panorama, and another of its device group.
type panoramaLab struct {
	*provisionLab
	panorama *panosim.Panorama
	sister   *panosim.Sim
}

// letIn is a rule that lets everything in to a zone, of dmz to one address, from Panorama.
func letIn(name, to string) string {
	destination := "any"
	if to == "dmz" {
		destination = "198.51.100.7"
	}
	return `<entry name="` + name + `"><from><member>any</member></from><to><member>` + to + `</member></to><source><member>any</member></source><destination><member>` + destination + `</member></destination>` +
		`<application><member>any</member></application><service><member>any</member></service><action>allow</action></entry>`
}

func preRules(rules string) string {
	return `<pre-rulebase><security><rules>` + rules + `</rules></security></pre-rulebase>`
}

// onPanorama has a Panorama manage the lab's firewall: in device group branches below hq, with the template base in the stack all.
// Each is XML of what stands there.
func newPanoramaLab(t *testing.T, mode, shared, hq, branches, template string) *panoramaLab {
	t.Helper()
	l := &panoramaLab{provisionLab: newProvisionLab(t, mode, func(o *panosim.Options) { o.Serial, o.Config = serial, rulesOfOthers })}
	var err error
	if l.sister, err = panosim.Start(panosim.Options{Serial: sister, Config: rulesOfOthers, Now: l.clock.Now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.sister.Close)
	devices := `<devices><entry name="` + serial + `"/><entry name="` + sister + `"/></devices>`
	config := `<config><shared>` + shared + `</shared><devices><entry name="localhost.localdomain"><device-group><entry name="hq">` + hq + `</entry><entry name="branches">` + devices + branches +
		`</entry></device-group><template><entry name="base"><config><shared>` + template + `</shared></config></entry></template><template-stack><entry name="all"><templates><member>base</member></templates>` +
		devices + `</entry></template-stack></entry></devices><readonly><devices><entry name="localhost.localdomain"><device-group><entry name="branches"><parent-dg>hq</parent-dg></entry></device-group></entry></devices></readonly></config>`
	if l.panorama, err = panosim.StartPanorama(panosim.PanoramaOptions{Options: panosim.Options{Config: config, Admin: "svc-activedefense", Now: l.clock.Now}, Managed: []*panosim.Sim{l.sim, l.sister}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.panorama.Close)
	if err := l.panorama.Push("branches"); err != nil {
		t.Fatal(err)
	}
	if err := l.panorama.PushTemplate("all"); err != nil {
		t.Fatal(err)
	}
	l.opts.URL, l.opts.CA, l.opts.APIKey, l.opts.Target = l.panorama.URL(), l.panorama.CA(), l.panorama.Key(), serial
	l.restart()
	l.want.Panorama = PanoramaApply
	return l
}

func (l *panoramaLab) whole() Plan {
	l.t.Helper()
	plan, err := Provision(l.t.Context(), l.device, l.want)
	if err != nil {
		l.t.Fatal(err)
	}
	return plan
}

// itself is the Panorama.
func (l *panoramaLab) itself() *xmlapi.Device {
	l.t.Helper()
	d, err := Panorama(l.device)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(d.Close)
	return d
}

// carryOut does what "provision --apply --commit" does, and gives what Panorama was told.
func (l *panoramaLab) carryOut(adopt bool) (Plan, error) {
	l.t.Helper()
	ctx, plan := l.t.Context(), l.whole()
	if _, err := Take(ctx, l.device, plan.Steps, adopt); err != nil {
		return plan, err
	}
	if plan.Panorama != nil {
		itself := l.itself()
		if _, err := TakeOnPanorama(ctx, itself, plan.Steps, adopt); err != nil {
			return plan, err
		}
		if _, err := CommitOnPanorama(ctx, itself, plan.Panorama, l.want, ""); err != nil {
			return plan, err
		}
		again := l.whole()
		if _, err := Take(ctx, l.device, again.Steps, adopt); err != nil {
			return plan, err
		}
	}
	_, err := Commit(ctx, l.device, l.want, "")
	l.sim.Lists().Fetch()
	return plan, err
}

// flows are some packets to a firewall and how it decides over them, by address of the source.
func flows(sim *panosim.Sim) (out []string) {
	for _, p := range []simulator.Packet{
		{From: "untrust", To: "dmz", Source: netip.MustParseAddr("203.0.113.66"), Destination: netip.MustParseAddr("198.51.100.7"), DestinationPort: 443},
		{From: "untrust", To: "dmz", Source: netip.MustParseAddr("203.0.113.67"), Destination: netip.MustParseAddr("198.51.100.7"), DestinationPort: 443},
		{From: "untrust", To: "untrust", Source: netip.MustParseAddr("203.0.113.67"), Destination: netip.MustParseAddr("198.51.100.1"), DestinationPort: 500},
		{From: "dmz", To: "untrust", Source: netip.MustParseAddr("198.51.100.7"), Destination: netip.MustParseAddr("203.0.113.67"), DestinationPort: 443},
	} {
		v := sim.Traffic().Packet(p)
		out = append(out, v.Action+" by "+v.Rule)
	}
	return out
}

// A Pre Rule that lets everything in stands above ours, in the group, in the group above it and in Shared: the rule that blocks is made
// above it, for this firewall alone; the second plan is empty, and the other firewall decides as before.
func TestPreRulesOnPanorama(t *testing.T) {
	for name, c := range map[string]struct {
		mode, shared, hq, branches string
		level                      string
	}{
		"group":  {firewall.ModeTag, "", "", preRules(letIn("hq", "dmz")), "branches"},
		"parent": {firewall.ModeTag, "", preRules(letIn("hq", "dmz")), preRules(letIn("more", "dmz")), "hq"},
		"shared": {firewall.ModeTag, preRules(letIn("hq", "dmz")), "", "", panorama.Shared},
		"list":   {firewall.ModeList, "", "", preRules(letIn("hq", "dmz")), "branches"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newPanoramaLab(t, c.mode, c.shared, c.hq, c.branches, "")
			blocked := netip.MustParsePrefix("203.0.113.66/32")
			for _, sim := range []*panosim.Sim{l.sim, l.sister} {
				if err := sim.Addresses().Register("vsys1", blocked, tag, 0); err != nil {
					t.Fatal(err)
				}
			}
			before, others := flows(l.sim), flows(l.sister)
			foreign := l.panorama.Config().Running()
			plan, err := l.carryOut(true)
			if err != nil {
				t.Fatal(err)
			}
			rules := l.sim.Traffic().Rules("")
			first := slices.IndexFunc(rules, func(r simulator.Rule) bool { return strings.HasPrefix(r.Name, "active-defense-block") })
			if first != 0 || !strings.HasSuffix(rules[0].Name, "-"+serial) || !strings.EqualFold(rules[0].Location, c.level) {
				t.Errorf("the first rules are %v, want ours in %s", rules[:2], c.level)
			}
			after := flows(l.sim)
			if c.mode == firewall.ModeTag && !strings.HasPrefix(after[0], "drop by active-defense-block-"+serial) {
				t.Errorf("a blocked source: %s, before %s", after[0], before[0])
			}
			if !slices.Equal(after[1:], before[1:]) || !slices.Equal(flows(l.sister), others) {
				t.Errorf("decided otherwise: %v, before %v; on the other firewall: %v, before %v", after, before, flows(l.sister), others)
			}
			for _, d := range plan.Differences {
				if !d.BlockedSources {
					t.Errorf("the plan decides otherwise: %s", d)
				}
			}
			if again := l.whole(); len(again.Steps) != 0 || again.Panorama != nil {
				t.Errorf("the second plan has %v", again.Steps)
			}
			for _, f := range l.fails() {
				if !strings.HasPrefix(f, "api-role warn") && !strings.HasPrefix(f, CheckInternetRules) {
					t.Error(f)
				}
			}
			if left := withoutOurs(t, l.panorama.Config().Running()); left != withoutOurs(t, foreign) {
				t.Errorf("what others made on Panorama was changed:\n%s\nbefore\n%s", left, foreign)
			}
		})
	}
}

// withoutOurs is a configuration without entries and log forwarding of our names, and without what holds nothing.
func withoutOurs(t *testing.T, config string) string {
	t.Helper()
	root, err := xmlapi.Parse([]byte(config))
	if err != nil {
		t.Fatal(err)
	}
	var clean func(n *xmlapi.Node) *xmlapi.Node
	clean = func(n *xmlapi.Node) *xmlapi.Node {
		if n.Name == "entry" && strings.HasPrefix(n.Attr("name"), tag) {
			return nil
		}
		out := &xmlapi.Node{Name: n.Name, Attrs: n.Attrs, Text: n.Text}
		for _, c := range n.Children {
			if kept := clean(c); kept != nil {
				out.Children = append(out.Children, kept)
			}
		}
		if n.Name != "entry" && len(out.Children) == 0 && (len(n.Children) > 0 || n.Text == "" || strings.HasPrefix(n.Text, tag) || n.Name == "log-end") {
			return nil
		}
		return out
	}
	return clean(root).XML()
}
