package policy

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"activedefense/firewall"
	"activedefense/firewall/decision"
	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/dialect"
	simulator "activedefense/firewall/panosim/traffic"
	"activedefense/firewall/policy/panorama"
	"activedefense/firewall/xmlapi"
)

const (
	groupsOfPanorama = "/config/devices/entry[@name='localhost.localdomain']/device-group"
	stacksOfPanorama = "/config/devices/entry[@name='localhost.localdomain']/template-stack"

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

// deny is a rule that stops SSH.
func deny(name string) string {
	return strings.NewReplacer("<service><member>any", "<service><member>service-ssh", "allow<", "deny<").Replace(letIn(name, "dmz"))
}

func preRules(rules string) string {
	return `<pre-rulebase><security><rules>` + rules + `</rules></security></pre-rulebase>`
}

// managed is what a Panorama has, each as XML of what stands there: the firewall is in device group branches, which is below hq, and has
// the template base by the stack all.
type managed struct {
	mode                           string // "": ModeTag
	local                          string // configuration of the firewalls themselves; "": rulesOfOthers
	shared, hq, branches, template string
	noGroup, noTemplate            bool   // Panorama has the firewall in none
	rules                          string // Pre Rules of hq, see parted
	several                        bool   // the firewalls have vsys1 and vsys2, and the group has vsys1 of each
	dialect                        dialect.Dialect
}

func newPanoramaLab(t *testing.T, m managed) *panoramaLab {
	t.Helper()
	m.mode, m.local = cmp.Or(m.mode, firewall.ModeTag), cmp.Or(m.local, rulesOfOthers)
	l := &panoramaLab{provisionLab: newProvisionLab(t, m.mode, func(o *panosim.Options) {
		if o.Serial, o.Config, o.Dialect = serial, m.local, m.dialect; m.several {
			o.VSys = []string{"vsys1", "vsys2"}
		}
	})}
	vsys, err := "", error(nil)
	others := panosim.Options{Serial: sister, Config: m.local, Now: l.clock.Now, Dialect: m.dialect}
	if m.several {
		others.VSys, vsys = []string{"vsys1", "vsys2"}, `<vsys><entry name="vsys1"/></vsys>`
	}
	if l.sister, err = panosim.Start(others); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.sister.Close)
	devices := `<devices><entry name="` + serial + `"/><entry name="` + sister + `"/></devices>`
	members := strings.ReplaceAll(devices, `"/>`, `">`+vsys+`</entry>`)
	config := `<config><shared>` + m.shared + `</shared><devices><entry name="localhost.localdomain"><device-group><entry name="hq">` + m.hq + `</entry><entry name="branches">` + members + strings.ReplaceAll(m.branches, "LISTURL", l.want.ListURL) +
		`</entry></device-group><template><entry name="base"><config><shared>` + m.template + `</shared></config></entry></template><template-stack><entry name="all"><templates><member>base</member></templates>` +
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
	for list, out := range map[string]bool{groupsOfPanorama + "/entry[@name='branches']": m.noGroup, stacksOfPanorama + "/entry[@name='all']": m.noTemplate} {
		if out {
			l.changed("delete", list+"/devices/entry[@name='"+serial+"']", "")
		}
	}
	l.opts.URL, l.opts.CA, l.opts.APIKey, l.opts.Target = l.panorama.URL(), l.panorama.CA(), l.panorama.Key(), serial
	l.restart()
	l.want.Panorama, l.want.Admin = PanoramaApply, "svc-activedefense"
	return l
}

// changed has another administrator edit Panorama and commit that.
func (l *panoramaLab) changed(action, path, element string) {
	l.t.Helper()
	err := l.panorama.Config().Edit("boss", action, path, element)
	if err == nil {
		err = l.panorama.Config().Commit("boss")
	}
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *panoramaLab) whole() Plan {
	l.t.Helper()
	plan, err := Provision(l.t.Context(), l.device, l.want)
	if err != nil {
		l.t.Fatal(err)
	}
	return plan
}

// facts are those of a plan.
func (l *panoramaLab) facts() *Facts {
	l.t.Helper()
	f, err := candidateFacts(l.t.Context(), l.device, l.want)
	if err == nil {
		err = f.readPlace(l.t.Context(), l.device, l.want)
	}
	if err != nil {
		l.t.Fatal(err)
	}
	return f
}

// predicted are the rules as the plan has them once it is carried out.
func (l *panoramaLab) predicted() (rules []string) {
	l.t.Helper()
	_, after, _, err := planned(l.facts(), l.want)
	if err != nil {
		l.t.Fatal(err)
	}
	for _, r := range after.policy().rules {
		rules = append(rules, r.String())
	}
	return rules
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
	old := l.want.Adopt
	l.want.Adopt = old || adopt
	defer func() { l.want.Adopt = old }()
	ctx, plan := l.t.Context(), l.whole()
	if err := plan.MayTakeAlong(l.device); err != nil && l.want.Admin != "" {
		return plan, err
	}
	if err := plan.Panorama.MayPush(l.device); err != nil {
		return plan, err
	}
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
		of    managed
		level string
	}{
		"below others":    {managed{shared: preRules(deny("s")), hq: preRules(deny("p")), branches: preRules(deny("b") + letIn("hq", "dmz"))}, "branches"},
		"folded":          {managed{shared: preRules(letIn("hq", "dmz")), dialect: dialect.Dialect{PushedRules: dialect.PushedRulesFolded}}, panorama.Shared},
		"several vsys":    {managed{branches: preRules(letIn("hq", "dmz")), several: true}, "branches"},
		"several, folded": {managed{shared: preRules(letIn("hq", "dmz")), several: true, dialect: dialect.Dialect{PushedRules: dialect.PushedRulesFolded}}, panorama.Shared},
		"group":           {managed{branches: preRules(letIn("hq", "dmz"))}, "branches"},
		"parent":          {managed{hq: preRules(letIn("hq", "dmz")), branches: preRules(letIn("more", "dmz"))}, "hq"},
		"shared":          {managed{shared: preRules(letIn("hq", "dmz"))}, panorama.Shared},
		"list":            {managed{mode: firewall.ModeList, branches: preRules(letIn("hq", "dmz"))}, "branches"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newPanoramaLab(t, c.of)
			blocked := netip.MustParsePrefix("203.0.113.66/32")
			for _, sim := range []*panosim.Sim{l.sim, l.sister} {
				if err := sim.Addresses().Register("vsys1", blocked, tag, 0); err != nil {
					t.Fatal(err)
				}
			}
			before, others := flows(l.sim), flows(l.sister)
			foreign := l.panorama.Config().Running()
			predicted := l.predicted()
			plan, err := l.carryOut(true)
			if err != nil {
				t.Fatal(err)
			}
			rules := l.sim.Traffic().Rules("")
			first := slices.IndexFunc(rules, func(r simulator.Rule) bool { return strings.HasPrefix(r.Name, "active-defense-block") })
			own := "-" + serial
			if c.of.several {
				own += "-vsys1"
			}
			above := 0 // what stands in the levels above and lets nothing in
			if name == "below others" {
				above = 2
			}
			if first != above || !strings.HasSuffix(rules[first].Name, own) || !strings.EqualFold(rules[first].Location, c.level) {
				t.Errorf("the rules are %v, want ours in %s", rules, c.level)
			}
			var stands []string
			for _, r := range l.facts().policy().rules {
				stands = append(stands, r.String())
			}
			if !slices.Equal(stands, predicted) {
				t.Errorf("the rules are    %q\npredicted were %q", stands, predicted)
			}
			if err := errors.Join(l.panorama.PushTemplate("all"), l.panorama.Push("branches")); err != nil { // as its administrator does, some day
				t.Fatal(err)
			}
			after := flows(l.sim)
			if c.of.mode == "" && !strings.HasPrefix(after[0], "drop by active-defense-block"+own) {
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

// setFormat is a configuration as the CLI shows it with "set cli config-output-format set".
func setFormat(t *testing.T, config string) map[string]bool {
	t.Helper()
	root, err := xmlapi.Parse([]byte(config))
	if err != nil {
		t.Fatal(err)
	}
	quote := func(text string) string {
		if text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:") == "" {
			return text
		}
		return `"` + text + `"`
	}
	lines := map[string]bool{}
	var walk func(before string, n *xmlapi.Node)
	walk = func(before string, n *xmlapi.Node) {
		var members []string
		for _, c := range n.Children {
			switch {
			case c.Name == "member":
				members = append(members, quote(c.Text))
			case c.Name == "entry" && n.Name == "devices" && before == "set devices": // the one device
				walk("set", c)
			case c.Name == "entry":
				walk(before+" "+quote(c.Attr("name")), c)
			default:
				walk(before+" "+c.Name, c)
			}
		}
		switch {
		case len(members) == 1:
			lines[before+" "+members[0]] = true
		case len(members) > 1:
			lines[before+" [ "+strings.Join(members, " ")+" ]"] = true
		case len(n.Children) == 0 && n.Text != "":
			lines[before+" "+quote(n.Text)] = true
		case len(n.Children) == 0:
			lines[before] = true
		}
	}
	walk("set", root)
	return lines
}

// pushedRulesOfOthers are default rules that a device group overrides, and a log forwarding profile that sends to a SIEM alone.
const (
	pushedDefaults = `<post-rulebase><default-security-rules><rules><entry name="intrazone-default"><action>allow</action></entry><entry name="interzone-default"><action>deny</action><log-end>no</log-end></entry></rules></default-security-rules></post-rulebase>`
	pushedSIEM     = `<log-settings><profiles><entry name="hq-logs"><match-list><entry name="all"><log-type>traffic</log-type><filter>All Logs</filter><send-syslog><member>siem</member></send-syslog></entry></match-list></entry></profiles></log-settings>`
	siem           = `<log-settings><syslog><entry name="siem"><server><entry name="s"><server>192.0.2.50</server></entry></server></entry></syslog></log-settings>`
)

// withoutCleanup has the default rules decide over what no rule allows.
func withoutCleanup() string {
	rules, rest, _ := strings.Cut(rulesOfOthers, `<entry name="cleanup">`)
	_, rest, _ = strings.Cut(rest, `</entry>`)
	return rules + rest
}

// states are Panoramas whose firewalls lack something that only Panorama can change; check is what fails for it.
func states() map[string]struct {
	of    managed
	check string
} {
	ours := `<entry name="active-defense"><server><entry name="active-defense"><server>SERVER</server><transport>UDP</transport><port>5514</port></entry></server>FORMAT</entry>`
	syslog := func(server, format string) string {
		return `<log-settings><syslog>` + strings.NewReplacer("SERVER", server, "FORMAT", format).Replace(ours) + `</syslog></log-settings>`
	}
	return map[string]struct {
		of    managed
		check string
	}{
		"pre rule":      {managed{branches: preRules(letIn("hq", "dmz"))}, CheckBlockPosition},
		"default rules": {managed{local: withoutCleanup(), branches: pushedDefaults}, CheckSensor},
		"block rule of theirs": {managed{branches: `<address-group><entry name="blacklist"><dynamic><filter>active-defense</filter></dynamic></entry></address-group>` + preRules(letIn("hq", "dmz")+
			strings.NewReplacer("<source><member>any", "<source><member>blacklist", "<destination><member>198.51.100.7", "<destination><member>any", "<to><member>dmz", "<to><member>any", "allow<", "drop<").Replace(letIn("theirs", "dmz")))}, CheckBlockPosition},
		"list that trusts another": {managed{branches: `<external-list><entry name="theirs"><type><ip><url>LISTURL</url><certificate-profile>other</certificate-profile><recurring><five-minute/></recurring></ip></type></entry></external-list>`,
			template: `<certificate-profile><entry name="other"/></certificate-profile>`}, CheckList},
		"default rules with somebody's profile": {managed{local: withoutCleanup(), template: siem,
			branches: strings.ReplaceAll(pushedDefaults, "</action>", "</action><log-setting>hq-logs</log-setting>") + pushedSIEM}, CheckSensor},
		"rule with somebody's profile": {managed{template: siem, branches: preRules(strings.Replace(letIn("hq", "dmz"), "<action>", "<log-setting>hq-logs</log-setting><action>", 1)) + pushedSIEM}, CheckInternetRules},
		"server":                       {managed{template: syslog("192.0.2.99", "")}, CheckFormat},
		"format":                       {managed{template: syslog("127.0.0.1", `<format><traffic>$src</traffic></format>`)}, CheckFormat},
		"logins":                       {managed{template: `<log-settings><system><match-list><entry name="active-defense"><filter>(severity eq high)</filter></entry></match-list></system></log-settings>`}, CheckForwarding},
	}
}

// What only Panorama can change is made there, whatever it is; the commands of the plan are the same as what is written over the API.
func TestStatesOfPanorama(t *testing.T) {
	for name, c := range states() {
		t.Run(name, func(t *testing.T) {
			l := newPanoramaLab(t, c.of)
			l.want.Adopt = true
			before, decided := setFormat(t, l.panorama.Config().Running()), flows(l.sister)
			plan := l.whole()
			if plan.Panorama == nil || len(plan.Panorama.Commands) == 0 {
				t.Fatalf("no commands: %+v, %v", plan.Panorama, plan.Steps)
			}
			l.want.Panorama = PanoramaPlan
			if alone := l.whole(); !slices.Equal(alone.Panorama.Commands, plan.Panorama.Commands) || slices.ContainsFunc(alone.Steps, func(s Step) bool { return !s.change.Empty() && s.Action != ActionPerson }) {
				t.Errorf("as a plan: %q\nas what is made: %q", alone.Panorama.Commands, plan.Panorama.Commands)
			}
			l.want.Panorama = PanoramaApply
			for _, s := range plan.Steps { // what we do ourselves is no order to a person
				orders := slices.ContainsFunc([]string{"On Panorama", "then push", "import ca.crt", "delete it", "Select "}, func(text string) bool { return strings.Contains(s.Detail, text) })
				if s.Action != ActionPerson && (orders || !s.change.Empty() && !strings.HasPrefix(s.Detail, "on Panorama, ")) {
					t.Errorf("%s", s)
				}
			}
			here, there, then := plan.Writes(true)
			if taken, err := Take(t.Context(), l.device, plan.Steps, true); err != nil || taken != here {
				t.Fatalf("%d taken of %d: %v", taken, here, err)
			}
			if taken, err := TakeOnPanorama(t.Context(), l.itself(), plan.Steps, true); err != nil || taken != there || there == 0 || here+there+then != len(plan.Steps) {
				t.Fatalf("%d taken of %d, and %d then, of %d: %v", taken, there, then, len(plan.Steps), err)
			}
			sameAsCommands(t, plan.Panorama.Commands, before, l.panorama.Config().Candidate())
			l.restart()
			if _, err := l.carryOut(true); err != nil {
				t.Fatal(err)
			}
			if again := l.whole(); len(again.Steps) != 0 || again.Panorama != nil {
				t.Errorf("the second plan has %v", again.Steps)
			}
			for _, f := range l.fails() {
				if strings.HasPrefix(f, c.check+" fail") || c.check == CheckForwarding && strings.HasPrefix(f, c.check) {
					t.Error(f)
				}
			}
			if after := flows(l.sister); !slices.Equal(after, decided) {
				t.Errorf("another firewall decides %v, before %v", after, decided)
			}
		})
	}
}

// sameAsCommands holds what was written on a Panorama against the commands that stand for it.
func sameAsCommands(t *testing.T, commands []string, before map[string]bool, config string) {
	t.Helper()
	after, typed := setFormat(t, config), map[string]bool{}
	var top []string // rules as they were moved, the last one first
	for _, line := range commands {
		verb, at, _ := strings.Cut(line, " ")
		if name, ok := strings.CutPrefix(at, "device-group branches pre-rulebase security rules "); ok && verb == "move" {
			top = slices.Insert(top, 0, strings.TrimSuffix(name, " top"))
		} else if !slices.Contains([]string{"configure", "set", "delete", "commit", "exit", "commit-all"}, verb) {
			t.Errorf("typed: %s", line)
		}
		if typed[line] = true; verb == "set" && !after[line] {
			t.Errorf("typed and not written: %s", line)
		}
		if verb == "delete" {
			for had := range before {
				if strings.HasPrefix(had, "set "+at+" ") && after[had] && !typed[had] && !slices.Contains(commands, had) {
					t.Errorf("%s: and it still has %s", line, had)
				}
			}
		}
	}
	root, err := xmlapi.Parse([]byte(config))
	if err != nil {
		t.Fatal(err)
	}
	for i, rule := range root.Child("devices").FirstEntry().Child("device-group").Entry("branches").At("pre-rulebase", "security", "rules").Entries() {
		if name := rule.Attr("name"); i < len(top) && name != top[i] || i >= len(top) && strings.HasPrefix(name, tag) {
			t.Errorf("rule %d is %s, moved were %q", i+1, rule.Attr("name"), top)
		}
	}
	for line := range after {
		certificate := strings.HasPrefix(line, "set template base config shared certificate active-defense-ca ") // of which Panorama fills in more
		if !before[line] && !typed[line] && !certificate {
			t.Errorf("written and not typed: %s", line)
		}
	}
}

// Where a name is not known, the command has a placeholder, it is said, and nothing is made on Panorama.
func TestNamesOnPanorama(t *testing.T) {
	pre := preRules(letIn("hq", "dmz"))
	for name, c := range map[string]struct {
		of       managed
		direct   bool // the firewall is reached itself
		commands []string
		notes    []string
		made     bool
	}{
		"told by Panorama": {managed{branches: pre}, false, []string{"set device-group branches address-group", "set template base config shared log-settings syslog", "commit-all template-stack name all device " + serial, "commit-all shared-policy device-group branches devices " + serial}, nil, true},
		"no device group":  {managed{hq: pre, noGroup: true}, false, []string{"set device-group hq pre-rulebase", "commit-all shared-policy device-group DEVICE-GROUP devices " + serial}, []string{"put its name in place of DEVICE-GROUP"}, false},
		"no template":      {managed{branches: pre, noTemplate: true}, false, []string{"set template TEMPLATE config shared", "commit-all template-stack name TEMPLATE-STACK device"}, []string{"in place of TEMPLATE"}, false},
		"told by the rules that were pushed": {managed{branches: pre}, true, []string{"set device-group branches address-group", "set template TEMPLATE config shared", "commit-all shared-policy device-group branches devices " + serial},
			[]string{"in place of TEMPLATE"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := newPanoramaLab(t, c.of)
			if c.direct {
				l.opts.URL, l.opts.CA, l.opts.APIKey, l.opts.Target = l.sim.URL(), l.sim.CA(), l.sim.Key(), ""
				l.want.Panorama = PanoramaPlan
				l.restart()
			}
			before := l.panorama.Config().Candidate()
			plan := l.whole()
			commands, notes := strings.Join(plan.Panorama.Commands, "\n"), strings.Join(plan.Panorama.Notes, "\n")
			for _, want := range c.commands {
				if !strings.Contains(commands, want) {
					t.Errorf("no command has %q:\n%s", want, commands)
				}
			}
			for _, want := range c.notes {
				if !strings.Contains(notes, want) {
					t.Errorf("it is not said that %q: %s", want, notes)
				}
			}
			if unknown := strings.Contains(notes, "not known"); unknown != (c.notes != nil) {
				t.Errorf("notes: %s", notes)
			}
			pre := slices.IndexFunc(plan.Steps, func(s Step) bool { return s.change.Top != "" })
			if made := pre >= 0 && plan.Steps[pre].Action == ActionCreate; made != c.made {
				t.Errorf("steps %q", shorts(plan.Steps))
			}
			if c.made || c.direct {
				return
			}
			if _, err := l.carryOut(false); err != nil {
				t.Fatal(err)
			}
			if after := l.panorama.Config().Candidate(); strings.Contains(after, "active-defense-block") || after == "" {
				t.Errorf("it was made on Panorama: %s, before %s", after, before)
			}
		})
	}
}

// broken runs "provision --apply --commit" while something goes wrong with Panorama, and again when it does not: the second run ends
// it, and what others edit there is neither published nor changed.
func broken(t *testing.T, wrong, right func(*panosim.Panorama)) (stopped bool) {
	t.Helper()
	l := newPanoramaLab(t, managed{branches: preRules(letIn("hq", "dmz"))})
	theirs := groupsOfPanorama + "/entry[@name='branches']/address"
	if err := l.panorama.Config().Edit("somebody", "set", theirs, `<entry name="theirs"><ip-netmask>192.0.2.1</ip-netmask></entry>`); err != nil {
		t.Fatal(err)
	}
	whole := func() error {
		plan, err := l.tryOut()
		if err == nil && slices.ContainsFunc(plan.Steps, func(s Step) bool { return s.change.Top != "" }) {
			t.Errorf("it is called done, and what Panorama has to push is missing: %q", shorts(plan.Steps))
		}
		return err
	}
	wrong(l.panorama)
	err := whole()
	right(l.panorama)
	if stopped = err != nil; stopped {
		l.restart() // another process
		if err := whole(); err != nil {
			t.Errorf("the second run: %v, after %v", err, l.panorama.Config().Candidate())
		}
	}
	running := l.panorama.Config().Running()
	rules := l.sim.Traffic().Rules("")
	if names := []string{rules[0].Name, rules[1].Name}; !slices.Contains(names, "active-defense-block-"+serial) || !slices.Contains(names, "active-defense-block-list-"+serial) {
		t.Errorf("the first rules of the firewall: %v", rules[:2])
	}
	if strings.Contains(running, "theirs") || l.panorama.Config().Pending("somebody") != 1 || l.panorama.Config().Pending("svc-activedefense") != 0 {
		t.Errorf("somebody has %d edits, ours are %d: %s", l.panorama.Config().Pending("somebody"), l.panorama.Config().Pending("svc-activedefense"), running)
	}
	return stopped
}

// tryOut is carryOut with the plan that is left.
func (l *panoramaLab) tryOut() (Plan, error) {
	plan, err := Provision(l.t.Context(), l.device, l.want)
	if err != nil {
		return plan, err
	}
	if _, err = Take(l.t.Context(), l.device, plan.Steps, false); err != nil {
		return plan, err
	}
	if plan.Panorama != nil {
		if _, err = TakeOnPanorama(l.t.Context(), l.itself(), plan.Steps, false); err == nil {
			_, err = CommitOnPanorama(l.t.Context(), l.itself(), plan.Panorama, l.want, "")
		}
		if err != nil {
			return plan, err
		}
	}
	return Provision(l.t.Context(), l.device, l.want)
}

// Panorama goes away for a while, from any call on, or refuses what it is asked.
func TestPanoramaIsInterruptedAnywhere(t *testing.T) {
	stopped := 0
	const every = 7 * callStep // calls apart: from each of them on would take too long
	for _, applied := range []bool{false, true} {
		for skip := 0; skip < 80; skip += every {
			outage := panosim.Fault{Effect: panosim.Reset, Skip: skip, Calls: 60, Applied: applied}
			if broken(t, func(p *panosim.Panorama) { p.SetFault(outage) }, func(p *panosim.Panorama) { p.ClearFaults() }) {
				stopped++
			}
			if t.Failed() {
				t.Fatalf("from call %d on, applied %v", skip+1, applied)
			}
		}
	}
	if stopped < 10/callStep {
		t.Errorf("only %d runs were stopped", stopped)
	}
	for name, c := range map[string]struct{ wrong, right func(*panosim.Panorama) }{
		"commit fails":          {func(p *panosim.Panorama) { p.Config().FailCommit("Validation Error:", "something is invalid") }, func(*panosim.Panorama) {}},
		"configuration locked":  {func(p *panosim.Panorama) { p.Config().LockConfig("somebody", "branches") }, func(p *panosim.Panorama) { p.Config().UnlockConfig("branches") }},
		"commit locked":         {func(p *panosim.Panorama) { p.Config().LockCommit("somebody", "shared") }, func(p *panosim.Panorama) { p.Config().UnlockCommit("shared") }},
		"firewall disconnected": {func(p *panosim.Panorama) { _ = p.Disconnect(serial, true) }, func(p *panosim.Panorama) { _ = p.Disconnect(serial, false) }},
	} {
		t.Run(name, func(t *testing.T) {
			if !broken(t, c.wrong, c.right) {
				t.Error("it did not matter")
			}
		})
	}
}

// as is the lab of the other firewall.
func (l *panoramaLab) as(serial string, sim *panosim.Sim) *panoramaLab {
	l.t.Helper()
	inner := *l.provisionLab
	other := &panoramaLab{provisionLab: &inner, panorama: l.panorama}
	other.sim, other.opts.Target, other.opts.Name = sim, serial, "LAB-FW-02"
	other.restart()
	return other
}

// takeAway does what "provision --remove --apply --commit" does, and gives the plan that is left.
func (l *panoramaLab) takeAway(adopt bool) Plan {
	l.t.Helper()
	ctx := l.t.Context()
	plan, err := Remove(ctx, l.device, l.want, adopt)
	if err == nil && l.want.Admin != "" {
		err = plan.MayTakeAlong(l.device)
	}
	if err == nil {
		_, err = Take(ctx, l.device, plan.Steps, adopt)
	}
	if err == nil {
		_, err = Commit(ctx, l.device, l.want, "")
	}
	for pushed := true; err == nil && pushed; {
		if pushed = false; plan.Panorama != nil {
			if _, err = TakeOnPanorama(ctx, l.itself(), plan.Steps, adopt); err == nil {
				pushed, err = CommitOnPanorama(ctx, l.itself(), plan.Panorama, l.want, "")
			}
		}
		if err == nil {
			plan, err = Remove(ctx, l.device, l.want, adopt)
		}
	}
	if err != nil {
		l.t.Fatal(err)
	}
	return plan
}

// templatePath is what a command deletes in the template base, by its last word.
func templatePath(command string) string {
	words := strings.Fields(strings.TrimPrefix(command, "delete template base config "))
	last := len(words) - 1
	return "/config/devices/entry[@name='localhost.localdomain']/template/entry[@name='base']/config/" + strings.Join(words[:last], "/") + "/entry[@name='" + words[last] + "']"
}

// Two firewalls of a device group are provisioned, and ours is taken away from one, then from the other: what one needs stays while it
// does, and at the end Panorama is as it was but for what is in the template.
func TestRemoveFromPanorama(t *testing.T) {
	a := newPanoramaLab(t, managed{local: withoutCleanup(), hq: preRules(letIn("hq", "dmz")), branches: pushedDefaults})
	b := a.as(sister, a.sister)
	before := withoutOurs(t, a.panorama.Config().Running())
	for _, sim := range []*panosim.Sim{a.sim, b.sim} {
		if err := sim.Addresses().Register("vsys1", netip.MustParsePrefix("203.0.113.66/32"), tag, 0); err != nil {
			t.Fatal(err)
		}
	}
	decided := flows(a.sim)
	for _, l := range []*panoramaLab{a, b} {
		if _, err := l.carryOut(true); err != nil {
			t.Fatal(err)
		}
		if again := l.whole(); len(again.Steps) != 0 {
			t.Errorf("left: %q", again.Steps)
		}
	}
	blocked := flows(b.sim)
	if blocked[0] != "drop by active-defense-block-"+sister {
		t.Fatalf("the other firewall: %v", blocked)
	}
	if plan, err := Remove(t.Context(), a.device, a.want, false); err != nil || !slices.Contains(shorts(plan.Steps), `delete security rule "active-defense-block-`+serial+`" (pushed by Panorama, device group hq)`) ||
		!strings.Contains(strings.Join(plan.Panorama.Commands, "\n"), "delete device-group hq pre-rulebase security rules active-defense-block-"+serial+"\n") ||
		slices.Contains(shorts(plan.Steps), `delete address group "active-defense-panorama"`) || !strings.Contains(plan.LeftOut, "on Panorama stays address group \"active-defense-panorama\", external dynamic list \"active-defense-list-panorama\", log forwarding profile \"active-defense-panorama\", which rules of others name (active-defense-block-"+sister+", active-defense-block-list-"+sister+")") || strings.Contains(strings.Join(plan.Panorama.Commands, "\n"), "log-setting") {
		t.Errorf("the plan of a removal: %q, %v", shorts(plan.Steps), err)
	}
	left := a.takeAway(false)
	if after := flows(a.sim); !slices.Equal(after, decided) || !slices.Equal(flows(b.sim), blocked) {
		t.Errorf("decided %v, before %v; on the other firewall %v, before %v", after, decided, flows(b.sim), blocked)
	}
	if i := slices.IndexFunc(left.Steps, func(s Step) bool { return strings.Contains(s.Object, "security rule \"active-defense") }); i >= 0 {
		t.Errorf("left: %v", left.Steps[i])
	}
	if i := slices.IndexFunc(left.Steps, func(s Step) bool { return strings.Contains(s.Object, "-panorama") }); i >= 0 || !strings.Contains(left.LeftOut, "which rules of others name") {
		t.Errorf("of what the other firewall needs there is left %v, %q", left.Steps, left.LeftOut)
	}
	if again := b.whole(); len(again.Steps) != 0 {
		t.Errorf("the other firewall lacks %q", again.Steps)
	}
	left = b.takeAway(true)
	if after := flows(b.sim); !slices.Equal(after, decided) {
		t.Errorf("the other firewall decides %v, before %v", after, decided)
	}
	for _, s := range left.Steps {
		if s.Action != ActionPerson || len(s.Commands) != 1 || !strings.HasPrefix(s.Commands[0], "delete template base config shared ") || !strings.HasPrefix(s.Detail, "On Panorama, in template base: delete it, unless another firewall needs it") || !strings.HasSuffix(s.Detail, s.Commands[0]) {
			t.Errorf("left: %v", s)
		}
		if err := a.panorama.Config().Edit("boss", "delete", templatePath(s.Commands[0]), ""); err != nil {
			t.Errorf("%s: %v", s.Commands[0], err)
		}
	}
	if len(left.Steps) != 3 || strings.Contains(a.panorama.Config().Candidate(), tag) {
		t.Errorf("left: %v; once the commands were typed Panorama has\n%s", left.Steps, a.panorama.Config().Candidate())
	}
	if running := a.panorama.Config().Running(); strings.Contains(running, `"active-defense-panorama`) || withoutOurs(t, running) != before {
		t.Errorf("Panorama has\n%s\nbefore\n%s", running, before)
	}
}

// What is somebody else's on Panorama is among the commands only where it is adopted, and said where it is not.
func TestOthersObjectsAreNotAmongTheCommands(t *testing.T) {
	l := newPanoramaLab(t, managed{branches: preRules(letIn("allow-web", "dmz"))})
	const theirs = "set device-group branches pre-rulebase security rules allow-web log-setting "
	isTheirs := func(s Step) bool { return strings.HasPrefix(s.Object, `security rule "allow-web"`) }
	for _, l.want.Panorama = range []string{PanoramaPlan, PanoramaApply} {
		for _, l.want.Adopt = range []bool{false, true} {
			plan := l.whole()
			i := slices.IndexFunc(plan.Steps, isTheirs)
			if i < 0 || !plan.Steps[i].Foreign || len(plan.Steps[i].Commands) > 0 != l.want.Adopt {
				t.Errorf("%s, adopted %v: the step is %+v", l.want.Panorama, l.want.Adopt, plan.Steps)
			}
			commands, notes := strings.Join(plan.Panorama.Commands, "\n"), strings.Join(plan.Panorama.Notes, "\n")
			if strings.Contains(commands, theirs) != l.want.Adopt || strings.Contains(notes, `Left out is what is somebody else's (security rule "allow-web"`) == l.want.Adopt {
				t.Errorf("%s, adopted %v:\n%s\n%s", l.want.Panorama, l.want.Adopt, commands, notes)
			}
			if !strings.Contains(commands, "security rules active-defense-block-"+serial) || !slices.Contains(plan.Panorama.Commands, "commit partial admin NAME") || slices.Contains(plan.Panorama.Commands, "commit") || strings.Contains(notes, "in place of NAME") != (l.want.Panorama == PanoramaPlan) {
				t.Errorf("%s, adopted %v:\n%s\n%s", l.want.Panorama, l.want.Adopt, commands, notes)
			}
		}
	}
}

// What the commands for a person decide otherwise is told with them, and is what the plan tells where we do the same.
func TestDifferencesOfCommandsForPanorama(t *testing.T) {
	l := newPanoramaLab(t, managed{branches: preRules(letIn("allow-web", "dmz"))})
	if err := l.sim.Addresses().Register("vsys1", netip.MustParsePrefix("203.0.113.66/32"), tag, 0); err != nil {
		t.Fatal(err)
	}
	cut := func(all []decision.Difference, of string) bool {
		return slices.ContainsFunc(all, func(d decision.Difference) bool {
			before, after := d.RuleBefore, d.RuleAfter
			if of == ActionDelete {
				before, after = after, before
			}
			return d.BlockedSources && strings.HasPrefix(before, "\"allow-web\"") && strings.Contains(after, "active-defense-block-")
		})
	}
	plans := func(of string, make func() Plan) {
		t.Helper()
		l.want.Panorama = PanoramaApply
		made := make()
		l.want.Panorama = PanoramaPlan
		if alone := make(); !cut(made.Differences, of) || made.Panorama.ByHand || len(made.Panorama.Differences) > 0 || cut(alone.Differences, of) || !alone.Panorama.ByHand || !cut(alone.Panorama.Differences, of) ||
			alone.Panorama.DifferencesTotal != len(alone.Panorama.Differences) {
			t.Errorf("to %s: we decide otherwise %v, the plan alone %v, and on Panorama %v", of, made.Differences, alone.Differences, alone.Panorama.Differences)
		}
		l.want.Panorama = PanoramaApply
	}
	plans(ActionCreate, l.whole)
	if _, err := l.carryOut(false); err != nil {
		t.Fatal(err)
	}
	plans(ActionDelete, func() Plan {
		plan, err := Remove(t.Context(), l.device, l.want, false)
		if err != nil {
			t.Fatal(err)
		}
		return plan
	})
}

// What others have committed on Panorama and not pushed goes along with no push of ours.
func TestOthersRulesAreNotPushed(t *testing.T) {
	l := newPanoramaLab(t, managed{hq: preRules(letIn("hq", "dmz") + strings.Replace(letIn("off", "dmz"), "<action>", "<disabled>yes</disabled><action>", 1))})
	rule := strings.Replace(letIn("new", "dmz"), "<service>", `<target><devices><entry name="SERIAL"/></devices></target><service>`, 1)
	for _, c := range []struct {
		path, rule string
		goesAlong  bool
	}{
		{"/config/shared/post-rulebase/security/rules", strings.Replace(rule, "SERIAL", sister, 1), false},
		{groupsOfPanorama + "/entry[@name='hq']/pre-rulebase/security/rules", strings.Replace(rule, "SERIAL", serial, 1), true},
	} {
		if err := l.panorama.Config().Edit("boss", "set", c.path, c.rule); err != nil {
			t.Fatal(err)
		}
		if err := l.panorama.Config().Commit("boss"); err != nil {
			t.Fatal(err)
		}
		if !c.goesAlong {
			continue
		}
		if plan := l.whole(); !slices.Equal(plan.Panorama.Unpushed, []string{"pre-rulebase of hq"}) || plan.Panorama.MayPush(l.device) == nil || !strings.Contains(strings.Join(plan.Panorama.Notes, "\n"), "not pushed to this firewall yet (pre-rulebase of hq)") {
			t.Errorf("the plan does not say it: %+v", plan.Panorama)
		}
		_, err := l.carryOut(false)
		if err == nil || !strings.Contains(err.Error(), "pre-rulebase of hq") || !strings.Contains(err.Error(), "push it there first") || strings.Contains(err.Error(), "post-rulebase") || strings.Contains(l.panorama.Config().Running(), "active-defense-block") {
			t.Errorf("it is not refused: %v", err)
		}
	}
	if err := l.panorama.Push("branches"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.carryOut(false); err != nil {
		t.Errorf("once they are pushed: %v", err)
	}
}

// An object of others by which a rule decides, committed on Panorama and not pushed, goes along with no push of ours either: it is named, and
// nothing is written before it is pushed. One that decides nothing holds nobody up.
func TestOthersObjectsAreNotPushed(t *testing.T) {
	const (
		hq       = groupsOfPanorama + "/entry[@name='hq']"
		branches = groupsOfPanorama + "/entry[@name='branches']"
		objects  = `<address><entry name="web"><ip-netmask>198.51.100.7</ip-netmask><description>the web</description></entry><entry name="mail"><ip-netmask>198.51.100.8</ip-netmask></entry></address>
<address-group><entry name="servers"><static><member>web</member><member>mail</member></static></entry></address-group><service><entry name="odd"><protocol><tcp><port>8443</port><override><no/></override></tcp></protocol></entry></service>`
	)
	for name, c := range map[string]struct{ action, path, entry, named string }{
		"an address":          {"edit", hq + "/address/entry[@name='web']/ip-netmask", "<ip-netmask>198.51.100.0/24</ip-netmask>", `address "web" of hq`},
		"a group":             {"edit", hq + "/address-group/entry[@name='servers']/static", "<static><member>web</member></static>", `address group "servers" of hq`},
		"a service":           {"edit", hq + "/service/entry[@name='odd']/protocol/tcp/port", "<port>1-65535</port>", `service "odd" of hq`},
		"a tagged address":    {"set", branches + "/address", `<entry name="new"><ip-netmask>198.51.100.9</ip-netmask><tag><member>blue</member></tag></entry>`, `address "new" of branches, which is new and bears tags`},
		"another of its name": {"set", branches + "/address", `<entry name="servers"><ip-netmask>0.0.0.0/0</ip-netmask></entry>`, `address "servers" of branches, which is new and has a name that is in use`},
		"one that goes":       {"delete", hq + "/service/entry[@name='odd']", "", `service "odd", which is gone there`},
		"what nothing names":  {"set", branches + "/address", `<entry name="new"><ip-netmask>198.51.100.9</ip-netmask></entry>`, ""},
		"a comment":           {"edit", hq + "/address/entry[@name='web']/description", "<description>web and more</description>", ""},
		"the order of a list": {"edit", hq + "/address-group/entry[@name='servers']/static", "<static><member>mail</member><member>web</member></static>", ""},
		"one that hides":      {"set", branches + "/address", `<entry name="web"><ip-netmask>198.51.100.9</ip-netmask></entry>`, `address "web" of branches, which is nearer to the firewall than the one that it has`},
	} {
		t.Run(name, func(t *testing.T) {
			l := newPanoramaLab(t, managed{hq: objects + preRules(letIn("hq", "dmz")), branches: `<tag><entry name="blue"/></tag><address-group><entry name="blues"><dynamic><filter>'blue'</filter></dynamic></entry></address-group>`})
			l.unhindered()
			if err := l.panorama.Config().Edit("boss", c.action, c.path, c.entry); err != nil {
				t.Fatal(err)
			}
			if err := l.panorama.Config().Commit("boss"); err != nil {
				t.Fatal(err)
			}
			plan := l.whole()
			if strings.Join(plan.Panorama.Unpushed, "; ") != c.named || !strings.Contains(strings.Join(plan.Panorama.Notes, "\n"), c.named) {
				t.Errorf("%+v", plan.Panorama)
			}
			before := l.panorama.Config().Running()
			if _, err := l.carryOut(false); (err == nil) != (c.named == "") || err != nil && (!strings.Contains(err.Error(), c.named) || l.panorama.Config().Running() != before) {
				t.Errorf("carried out: %v", err)
			}
			if err := l.panorama.Push("branches"); err != nil {
				t.Fatal(err)
			}
			if _, err := l.carryOut(false); err != nil {
				t.Errorf("once it is pushed: %v", err)
			}
		})
	}
}

// What was written on Panorama and not committed, or committed and not pushed, is said by the next plan.
func TestWrittenOnPanorama(t *testing.T) {
	l := newPanoramaLab(t, managed{branches: preRules(letIn("hq", "dmz"))})
	says := func(when string, pending, uncommitted bool, note string) {
		t.Helper()
		plan := l.whole()
		notes := strings.Join(plan.Panorama.Notes, "\n")
		if plan.Panorama.Pending != pending || plan.Panorama.Uncommitted != uncommitted || !strings.Contains(notes, note) || note == "" && strings.Contains(notes, "changes on Panorama") {
			t.Errorf("%s: pending %v, uncommitted %v, %s", when, plan.Panorama.Pending, plan.Panorama.Uncommitted, notes)
		}
	}
	says("nothing is written", false, false, "")
	if err := l.panorama.Config().Edit("boss", "set", groupsOfPanorama+"/entry[@name='branches']/tag", `<entry name="theirs"/>`); err != nil {
		t.Fatal(err)
	}
	says("somebody else edits", true, false, "")
	plan := l.whole()
	all := len(slices.DeleteFunc(slices.Clone(plan.Steps), func(s Step) bool { return s.change.Empty() }))
	taken, err := TakeOnPanorama(t.Context(), l.itself(), plan.Steps, false)
	if err != nil || taken == 0 || taken == all {
		t.Fatalf("%d of %d taken: %v", taken, all, err)
	}
	says("ours is written", true, true, fmt.Sprintf("%d of the %d changes on Panorama stand in its candidate configuration already, and need a commit there and a push to this firewall; --commit does that.", taken, all))
	again := l.whole()
	if _, writes, _ := again.Writes(false); writes != 0 {
		t.Errorf("%d are to be written again: %v", writes, again.Steps)
	}
	if taken, err := TakeOnPanorama(t.Context(), l.itself(), again.Steps, false); err != nil || taken != 0 {
		t.Errorf("%d were taken again: %v", taken, err)
	}
	l.want.Panorama = PanoramaPlan
	says("where we may not", true, true, "the last lines of the commands do that")
	l.want.Panorama = PanoramaApply
	if err := l.panorama.Config().Commit("svc-activedefense"); err != nil {
		t.Fatal(err)
	}
	says("it is committed", false, false, fmt.Sprintf("%d of the %d changes on Panorama are committed there already, and need a push", taken, all))
}

// What bears a name of ours on Panorama and is not as we make it is somebody's: another agent's CA in the template, say.
func TestOthersObjectsOnPanorama(t *testing.T) {
	const theirs = `<certificate><entry name="active-defense-ca"><public-key>another</public-key><ca>yes</ca></entry></certificate><certificate-profile><entry name="active-defense"><CA><entry name="active-defense-ca"/></CA></entry></certificate-profile>`
	l := newPanoramaLab(t, managed{template: theirs, branches: preRules(letIn("hq", "dmz"))})
	plan := l.whole()
	i := slices.IndexFunc(plan.Steps, func(s Step) bool { return s.Object == `certificate "active-defense-ca"` })
	if i < 0 || !plan.Steps[i].Foreign || !strings.Contains(plan.Steps[i].Detail, `something else named "active-defense-ca" stands there`) {
		t.Errorf("steps %v", plan.Steps)
	}
	if _, err := l.carryOut(false); err != nil {
		t.Fatal(err)
	}
	if running := l.panorama.Config().Running(); !strings.Contains(running, ">another<") || !strings.Contains(running, "active-defense-block-"+serial) {
		t.Errorf("without --adopt: %s", running)
	}
	if _, err := l.carryOut(true); err != nil {
		t.Fatal(err)
	}
	if running := l.panorama.Config().Running(); strings.Contains(running, ">another<") {
		t.Errorf("with --adopt: %s", running)
	}
}

// So it is where it waits in Panorama's candidate configuration.
func TestOthersObjectsThatWaitInTheTemplate(t *testing.T) {
	const shared = "/config/devices/entry[@name='localhost.localdomain']/template/entry[@name='base']/config/shared"
	l := newPanoramaLab(t, managed{branches: preRules(letIn("hq", "dmz"))})
	l.edited(shared+"/log-settings/syslog", `<entry name="active-defense"><server><entry name="siem"><server>192.0.2.77</server></entry></server></entry>`, false)
	i := slices.IndexFunc(l.whole().Steps, func(s Step) bool {
		return strings.Contains(strings.Join(s.change.Commands(), " "), "log-settings syslog active-defense")
	})
	if i < 0 || !l.whole().Steps[i].Foreign || !strings.Contains(l.whole().Steps[i].Detail, `something else named "active-defense" stands there`) {
		t.Errorf("steps %v", l.whole().Steps)
	}
}

// The time zone of the firewall's clock is that of its template, where it has none of its own.
func TestTheTimeZoneOfATemplate(t *testing.T) {
	l := newPanoramaLab(t, managed{})
	zone := func() string {
		f := ReadFacts(t.Context(), l.device, l.want)
		return f.zone.value
	}
	if got := zone(); got != "" {
		t.Errorf("without one: %q", got)
	}
	l.changed("set", templatesOfPanorama+"/entry[@name='base']/config/devices/entry[@name='localhost.localdomain']/deviceconfig/system", "<timezone>Europe/Amsterdam</timezone>")
	if err := l.panorama.PushTemplate("all"); err != nil {
		t.Fatal(err)
	}
	if got := zone(); got != "Europe/Amsterdam" {
		t.Errorf("of the template: %q", got)
	}
	if err := errors.Join(l.sim.Config().Edit("boss", "set", xmlapi.SystemPath+"/system", "<timezone>Asia/Tokyo</timezone>"), l.sim.Config().Commit("boss")); err != nil {
		t.Fatal(err)
	}
	if got := zone(); got != "Asia/Tokyo" {
		t.Errorf("of its own: %q", got)
	}
}

// A sensor rule of the firewall's own cannot be moved below what Panorama pushes behind it: the remedy is another.
func TestALocalSensorRuleAboveAPostRule(t *testing.T) {
	sensor := strings.NewReplacer("RULE", "active-defense-sensor").Replace(`<entry name="RULE"><from><member>untrust</member></from><to><member>any</member></to><source><member>any</member></source><destination><member>any</member></destination><application><member>any</member></application><service><member>any</member></service><action>drop</action></entry></rules></security></rulebase>`)
	l := newPanoramaLab(t, managed{local: strings.Replace(withoutCleanup(), "</rules></security></rulebase>", sensor, 1),
		branches: `<post-rulebase><security><rules>` + strings.Replace(letIn("late", "dmz"), "<from><member>any", "<from><member>untrust", 1) + `</rules></security></post-rulebase>`})
	c := result(Verify(ReadFacts(t.Context(), l.device, l.want), l.want), CheckSensor)
	if !strings.Contains(c.Detail, `is above "late"`) || !strings.Contains(c.Remedy, `Delete "active-defense-sensor", which cannot stand below Panorama's Post Rules`) || strings.Contains(c.Remedy, "bottom of the Post Rules") {
		t.Errorf("%+v", c)
	}
}
