package panosim

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/jobs"
	"activedefense/firewall/panosim/xmltree"
)

// rule is a security rule of a name, and of what else it has.
func pushRule(name, rest string) string {
	return `<entry name="` + name + `"><action>deny</action>` + rest + `</entry>`
}

func pushRules(base, rules string) string {
	return `<` + base + `><security><rules>` + rules + `</rules></security></` + base + `>`
}

// groupsConfig is a Panorama with the shared rules s-pre and s-post, a shared address, and the device groups given.
func groupsConfig(groups string) string {
	return `<config><shared><address><entry name="s-net"><ip-netmask>198.51.100.0/24</ip-netmask></entry></address>` +
		pushRules("pre-rulebase", pushRule("s-pre", "")) + pushRules("post-rulebase", pushRule("s-post", "")) +
		`</shared><devices><entry name="localhost.localdomain"><device-group>` + groups + `</device-group></entry></devices></config>`
}

// group is a device group with a rule before and one behind, for the devices given.
func group(name, devices, preRules string) string {
	return `<entry name="` + name + `"><devices>` + devices + `</devices><address><entry name="` + name + `-net"><ip-netmask>192.0.2.0/24</ip-netmask></entry></address>` +
		pushRules("pre-rulebase", pushRule(name+"-pre", "")+preRules) + pushRules("post-rulebase", pushRule(name+"-post", "")) + `</entry>`
}

func panorama(t *testing.T, o PanoramaOptions) *Panorama {
	t.Helper()
	p, err := StartPanorama(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// through sends a form to the Panorama for a firewall.
func through(t *testing.T, p *Panorama, target string, pairs ...string) string {
	t.Helper()
	form := url.Values{"key": {p.Key()}}
	if target != "" {
		form.Set("target", target)
	}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return newPeer(t, p.Sim).post(form).body
}

func TestPanoramaForwards(t *testing.T) {
	a, b := start(t, Options{Serial: "001", Hostname: "fw-a", VSys: []string{"vsys1", "vsys2"}}), start(t, Options{Serial: "002", Hostname: "fw-b"})
	p := panorama(t, PanoramaOptions{Managed: []*Sim{a, b}})
	if got := through(t, p, "", "type", "op", "cmd", showInfo); !strings.Contains(got, "<model>Panorama</model>") || !strings.Contains(got, "<hostname>lab-panorama</hostname>") {
		t.Errorf("itself: %s", got)
	}
	if got := through(t, p, "001", "type", "op", "cmd", showInfo); !strings.Contains(got, "<hostname>fw-a</hostname>") || !strings.Contains(got, "<serial>001</serial>") {
		t.Errorf("a firewall: %s", got)
	}
	register := uidMessage(`<register>` + tags("192.0.2.1", "a") + `</register>`)
	expect(t, "register there", through(t, p, "001", "type", "user-id", "vsys", "vsys2", "cmd", register), emptyRegister)
	expect(t, "register on its own", through(t, p, "", "type", "user-id", "cmd", register), emptyRegister)
	if len(a.Addresses().Registered("vsys2")) != 1 || len(a.Addresses().Registered("")) != 0 || b.Addresses().Count() != 0 || p.Addresses().Count() != 1 {
		t.Errorf("registered %v, %v, %v, %v", a.Addresses().Registered("vsys2"), a.Addresses().Registered(""), b.Addresses().Registered(""), p.Addresses().Registered(""))
	}
	expect(t, "set there", through(t, p, "002", "type", "config", "action", "set", "xpath", oneAddress("x"), "element", "<ip-netmask>192.0.2.9</ip-netmask>"),
		`<response status="success" code="20"><msg>command succeeded</msg></response>`)
	if b.Config().Pending("admin") != 1 || a.Config().Pending("") != 0 || p.Config().Pending("") != 0 {
		t.Errorf("pending %d, %d, %d", b.Config().Pending("admin"), a.Config().Pending(""), p.Config().Pending(""))
	}
	if got := through(t, p, "002", "type", "commit", "cmd", "<commit/>"); !strings.Contains(got, "<job>") {
		t.Errorf("commit there: %s", got)
	}
	if got, own := through(t, p, "002", "type", "log"), through(t, p, "", "type", "log"); got != own {
		t.Errorf("log with target: %s, without: %s", got, own)
	}
	if got := through(t, p, "001", "type", "op", "cmd", "<show><weather/></show>"); !strings.Contains(got, `code="17"`) {
		t.Errorf("no command: %s", got)
	}
	if got := a.Stats(); got.Calls[KindUserID] != 1 || got.Calls[KindSystemInfo] != 1 || got.InFlight != 0 {
		t.Errorf("stats of the firewall: %+v", got)
	}
	p.Config().SetRole("admin", RightOperation)
	if got := through(t, p, "001", "type", "user-id", "cmd", register); !strings.Contains(got, `status="unauth"`) {
		t.Errorf("without the right: %s", got)
	}
	// To a firewall the parameter means nothing.
	if got := newPeer(t, a).post(url.Values{"type": {"op"}, "cmd": {showInfo}, "key": {a.Key()}, "target": {"002"}}).body; !strings.Contains(got, "fw-a") {
		t.Errorf("target to a firewall: %s", got)
	}
}

func TestPanoramaCannotReach(t *testing.T) {
	fw := start(t, Options{Serial: "001", Latency: time.Millisecond})
	p := panorama(t, PanoramaOptions{Managed: []*Sim{fw}})
	fails := func(what, serial, text string) {
		t.Helper()
		expect(t, what, through(t, p, serial, "type", "op", "cmd", showInfo), `<response status="error" code="17"><msg><line>`+serial+" "+text+`</line></msg></response>`)
	}
	connected := func(want bool) {
		t.Helper()
		if got := through(t, p, "", "type", "op", "cmd", "<show><devices><connected/></devices></show>"); strings.Contains(got, `<entry name="001">`) != want {
			t.Errorf("connected devices: %s", got)
		}
		yes := map[bool]string{true: "yes", false: "no"}[want]
		if got := through(t, p, "", "type", "op", "cmd", "<show><devices><all/></devices></show>"); !strings.Contains(got, `<serial>001</serial><connected>`+yes) {
			t.Errorf("all devices: %s", got)
		}
	}
	fails("unknown", "009", "is not a managed device")
	connected(true)
	if err := p.Disconnect("001", true); err != nil {
		t.Fatal(err)
	}
	fails("cut", "001", "not connected")
	connected(false)
	if err := p.Disconnect("001", false); err != nil {
		t.Fatal(err)
	}
	fw.Down()
	fails("down", "001", "not connected")
	if err := fw.Up(); err != nil {
		t.Fatal(err)
	}
	connected(true)
	if err := p.Disconnect("009", true); err == nil {
		t.Error("an unknown firewall is cut off")
	}
	if err := p.Manage(start(t, Options{Serial: "001"})); err == nil || strings.Join(p.Serials(), " ") != "001" {
		t.Errorf("two firewalls of one serial number: %v, %v", err, p.Serials())
	}
	fw.Close()
	fails("closed", "001", "not connected")
	if got := newPeer(t, start(t, Options{})).op("<show><devices><all/></devices></show>"); !strings.Contains(got, `code="17"`) {
		t.Errorf("devices of a firewall: %s", got)
	}
}

// names lists the rules or objects that stand somewhere below, by name and origin.
func names(t *testing.T, xml string, path ...string) string {
	t.Helper()
	root, err := xmltree.Parse(xml)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range root.Down(path...).Entries() {
		name := e.ID()
		if loc := e.Attributes["loc"]; loc != "" {
			name += "@" + loc
		}
		out = append(out, name)
	}
	return strings.Join(out, " ")
}

const (
	pushedBare = `<show><config><pushed-shared-policy/></config></show>`
	pushedVSys = `<show><config><pushed-shared-policy><vsys>vsys1</vsys></pushed-shared-policy></config></show>`
	nothing    = `<response status="success"><result>No shared policy pushed to device</result></response>`
)

func TestPushedToOneVirtualSystem(t *testing.T) {
	fw := start(t, Options{Serial: "001"})
	p := panorama(t, PanoramaOptions{Options: Options{Config: groupsConfig(group("dg", `<entry name="001"/>`, ""))}, Managed: []*Sim{fw}})
	peer := newPeer(t, fw)
	expect(t, "before, bare", peer.op(pushedBare), nothing)
	expect(t, "before", peer.op(pushedVSys), nothing)
	before := fw.Config().Running()
	if err := p.Push("dg"); err != nil {
		t.Fatal(err)
	}
	got := peer.op(pushedBare)
	expect(t, "both forms", peer.op(pushedVSys), got)
	expect(t, "pre", names(t, got, "result", "policy", "panorama", "pre-rulebase", "security", "rules"), "dg-pre@dg")
	expect(t, "address", names(t, got, "result", "policy", "panorama", "address"), "dg-net@dg")
	expect(t, "shared pre", names(t, got, "result", "policy", "shared", "pre-rulebase", "security", "rules"), "s-pre@Shared")
	expect(t, "shared address", names(t, got, "result", "policy", "shared", "address"), "s-net@Shared")
	fw.SetDialect(dialect.Dialect{PushedRules: dialect.PushedRulesFolded})
	got = peer.op(pushedVSys)
	expect(t, "folded pre", names(t, got, "result", "policy", "panorama", "pre-rulebase", "security", "rules"), "s-pre@Shared dg-pre@dg")
	expect(t, "folded post", names(t, got, "result", "policy", "panorama", "post-rulebase", "security", "rules"), "dg-post@dg s-post@Shared")
	expect(t, "folded shared", names(t, got, "result", "policy", "shared", "pre-rulebase", "security", "rules"), "")
	expect(t, "running", fw.Config().Running(), before)
	expect(t, "candidate", fw.Config().Candidate(), before)
	for _, action := range []string{"get", "show"} {
		if got := peer.post(url.Values{"type": {"config"}, "action": {action}, "xpath": {"/config"}, "key": {fw.Key()}}).body; strings.Contains(got, "dg-pre") {
			t.Errorf("%s: %s", action, got)
		}
	}
	effective := peer.op("<show><config><effective-running/></config></show>")
	expect(t, "effective", names(t, effective, "result", "config", "devices", "entry=localhost.localdomain", "vsys", "entry=vsys1", "rulebase", "security", "rules"),
		"s-pre@Shared dg-pre@dg dg-post@dg s-post@Shared")
	p.Withdraw(fw)
	expect(t, "withdrawn", peer.op(pushedBare), nothing)
}

func TestPushedToSeveralVirtualSystems(t *testing.T) {
	fw := start(t, Options{Serial: "001", VSys: []string{"vsys1", "vsys2", "vsys3"}})
	p := panorama(t, PanoramaOptions{
		Options: Options{Config: groupsConfig(group("one", `<entry name="001"><vsys><entry name="vsys1"/></vsys></entry>`, "") +
			group("three", `<entry name="001"><vsys><entry name="vsys3"/><entry name="vsys9"/></vsys></entry>`, ""))}, Managed: []*Sim{fw},
	})
	for _, name := range []string{"one", "three"} {
		if err := p.Push(name); err != nil {
			t.Fatal(err)
		}
	}
	ask := func(cmd, vsys string) string {
		return newPeer(t, fw).post(url.Values{"type": {"op"}, "cmd": {cmd}, "vsys": {vsys}, "key": {fw.Key()}}).body
	}
	rules := func(xml string, path ...string) string {
		return names(t, xml, append(path, "pre-rulebase", "security", "rules")...)
	}
	expect(t, "bare", rules(ask(pushedBare, ""), "result", "shared"), "s-pre@Shared")
	expect(t, "vsys1", rules(ask(pushedVSys, "vsys1"), "result", "policy", "panorama"), "one-pre@one")
	three := strings.Replace(pushedVSys, "vsys1", "vsys3", 1)
	expect(t, "vsys3", rules(ask(three, "vsys3"), "result", "policy", "panorama"), "three-pre@three")
	expect(t, "without the parameter it is the first", ask(three, ""), ask(pushedVSys, "vsys1"))
	expect(t, "no group", ask(strings.Replace(pushedVSys, "vsys1", "vsys2", 1), "vsys2"), nothing)
	expect(t, "unknown", ask(strings.Replace(pushedVSys, "vsys1", "vsys9", 1), "vsys9"), `<response status="error" code="17"><msg><line>vsys9 is invalid vsys</line></msg></response>`)
	for _, cmd := range []string{pushedBare, pushedVSys} {
		expect(t, "unknown parameter", ask(cmd, "vsys9"), `<response status="error" code="17"><msg><line>vsys9 is invalid vsys</line></msg></response>`)
	}
	fw.SetDialect(dialect.Dialect{PushedRules: dialect.PushedRulesFolded})
	expect(t, "folded", rules(ask(pushedVSys, "vsys1"), "result", "policy", "panorama"), "s-pre@Shared one-pre@one")
	expect(t, "folded, bare", rules(ask(pushedBare, ""), "result", "shared"), "s-pre@Shared")
}

// nested is a Panorama with the device groups "child", "parent" and "top", each below the next one, with a rule before
// and one behind, an address of its own and an address "common" each.
func nested(t *testing.T, fw *Sim) *Panorama {
	t.Helper()
	level := func(name, devices, address string) string {
		common := `<address><entry name="common"><ip-netmask>` + address + `</ip-netmask></entry>`
		return strings.Replace(group(name, devices, ""), "<address>", common, 1)
	}
	override := `<post-rulebase><default-security-rules><rules><entry name="interzone-default"><action>allow</action></entry></rules></default-security-rules>`
	top := strings.Replace(level("top", "", "192.0.2.1"), "<post-rulebase>", override, 1)
	config := groupsConfig(top + level("parent", "", "192.0.2.2") + level("child", `<entry name="001"/>`, "192.0.2.3"))
	config = strings.Replace(config, "</config>", `<readonly><devices><entry name="localhost.localdomain"><device-group>
		<entry name="top"><id>11</id></entry><entry name="child"><id>12</id><parent-dg>parent</parent-dg></entry>
		<entry name="parent"><id>13</id><parent-dg>top</parent-dg></entry></device-group></entry></devices></readonly></config>`, 1)
	return panorama(t, PanoramaOptions{Options: Options{Config: config}, Managed: []*Sim{fw}})
}

func TestNestedDeviceGroups(t *testing.T) {
	fw := start(t, Options{Serial: "001", Config: deviceConfig("", "", pushRule("own", ""))})
	p := nested(t, fw)
	if err := p.Push("child"); err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, r := range fw.Traffic().Rules("") {
		order = append(order, r.Name+"@"+r.Location)
	}
	expect(t, "order of rules", strings.Join(order, " "), "s-pre@Shared top-pre@top parent-pre@parent child-pre@child own@ "+
		"child-post@child parent-post@parent top-post@top s-post@Shared")
	pushed := newPeer(t, fw).op(pushedBare)
	expect(t, "rules", names(t, pushed, "result", "policy", "panorama", "post-rulebase", "security", "rules"), "child-post@child parent-post@parent top-post@top")
	expect(t, "objects", names(t, pushed, "result", "policy", "panorama", "address"), "common@child child-net@child parent-net@parent top-net@top")
	if !strings.Contains(pushed, "192.0.2.3<") || strings.Contains(pushed, "192.0.2.2<") {
		t.Errorf("the nearest object of a name does not count: %s", pushed)
	}
	if err := p.Push("parent"); err == nil {
		t.Error("a group that names no firewall is pushed")
	}
}

func TestInheritedDefaultRules(t *testing.T) {
	fw := start(t, Options{Serial: "001", Config: deviceConfig("", "", "")})
	p := nested(t, fw)
	if err := p.Push("child"); err != nil {
		t.Fatal(err)
	}
	for _, d := range []dialect.Dialect{{}, {PushedRules: dialect.PushedRulesFolded}} {
		fw.SetDialect(d)
		got := names(t, newPeer(t, fw).op(pushedBare), "result", "policy", "panorama", "post-rulebase", "default-security-rules", "rules")
		expect(t, d.String(), got, "interzone-default@top")
	}
}

func TestReferencesToInheritedObjects(t *testing.T) {
	p := nested(t, start(t, Options{Serial: "001"}))
	const groups = "/config/devices/entry[@name='localhost.localdomain']/device-group/entry[@name='"
	collect := func(group, member string) error {
		return p.Config().Edit("admin", "set", groups+group+"']/address-group", `<entry name="g-`+group+`"><static><member>`+member+`</member></static></entry>`)
	}
	if err := collect("child", "top-net"); err != nil {
		t.Errorf("an inherited object cannot be named: %v", err)
	}
	if err := collect("top", "child-net"); err == nil {
		t.Error("an object of a group below can be named")
	}
	if err := p.Config().Edit("admin", "delete", groups+"top']/address/entry[@name='top-net']", ""); err == nil || !strings.Contains(err.Error(), "g-child") {
		t.Errorf("an object that a group below uses is deleted: %v", err)
	}
	if err := collect("child", "common"); err != nil {
		t.Fatal(err)
	}
	if err := p.Config().Edit("admin", "delete", groups+"top']/address/entry[@name='common']", ""); err != nil {
		t.Errorf("an object that another one hides cannot be deleted: %v", err)
	}
}

func TestPushTargets(t *testing.T) {
	target := func(devices, negate string) string {
		return `<target><devices>` + devices + `</devices><negate>` + negate + `</negate></target>`
	}
	a, b := start(t, Options{Serial: "001"}), start(t, Options{Serial: "002"})
	config := groupsConfig(group("dg", `<entry name="001"/><entry name="002"/><entry name="003"/>`,
		pushRule("only-a", target(`<entry name="001"/>`, "no"))+pushRule("not-a", target(`<entry name="001"/>`, "yes"))+
			pushRule("a-vsys2", target(`<entry name="001"><vsys><entry name="vsys2"/></vsys></entry>`, "no"))+pushRule("all", target("", "no"))) +
		`<entry name="empty"/>`)
	p := panorama(t, PanoramaOptions{Options: Options{Config: config}, Managed: []*Sim{a, b}})
	err := p.Push("dg")
	if err == nil || !strings.Contains(err.Error(), "003 is not a managed device") || strings.Contains(err.Error(), "002") {
		t.Errorf("push: %v", err)
	}
	for s, want := range map[*Sim]string{a: "dg-pre@dg only-a@dg all@dg", b: "dg-pre@dg not-a@dg all@dg"} {
		expect(t, s.opts.Serial, names(t, newPeer(t, s).op(pushedBare), "result", "policy", "panorama", "pre-rulebase", "security", "rules"), want)
	}
	for _, name := range []string{"empty", "none"} {
		if err := p.Push(name); err == nil {
			t.Errorf("device group %s is pushed", name)
		}
	}
}

func TestCommitAll(t *testing.T) {
	fw := start(t, Options{Serial: "001"})
	p := panorama(t, PanoramaOptions{Options: Options{Config: groupsConfig(group("dg", `<entry name="001"/>`, ""))}, Managed: []*Sim{fw}})
	const path = "/config/devices/entry[@name='localhost.localdomain']/device-group/entry[@name='dg']/pre-rulebase/security/rules/entry[@name='late']"
	set := through(t, p, "", "type", "config", "action", "set", "xpath", path, "element",
		"<from><member>any</member></from><to><member>any</member></to><source><member>any</member></source><destination><member>any</member></destination>"+
			"<application><member>any</member></application><service><member>any</member></service><action>deny</action>")
	if !strings.Contains(set, `code="20"`) {
		t.Fatalf("set: %s", set)
	}
	all := func(group string) string {
		return through(t, p, "", "type", "commit", "action", "all", "cmd", `<commit-all><shared-policy><device-group><entry name="`+group+`"/></device-group></shared-policy></commit-all>`)
	}
	ended := func(id int) jobs.Job {
		var found jobs.Job
		until(t, "the job has ended", func() bool {
			for _, j := range p.Jobs() {
				if j.ID == id {
					found = j
				}
			}
			return found.Status == "FIN"
		})
		return found
	}
	expect(t, "enqueued", all("dg"), `<response status="success" code="19"><result><msg><line>Job enqueued with jobid 1</line></msg><job>1</job></result></response>`)
	if j := ended(1); j.Result != "OK" || j.Type != "CommitAll" {
		t.Errorf("job %+v", j)
	}
	rules := func() string {
		return names(t, newPeer(t, fw).op(pushedBare), "result", "policy", "panorama", "pre-rulebase", "security", "rules")
	}
	expect(t, "what is not committed is not pushed", rules(), "dg-pre@dg")
	if err := p.Config().Commit("admin"); err != nil {
		t.Fatal(err)
	}
	all("dg")
	ended(3)
	expect(t, "committed and pushed", rules(), "dg-pre@dg late@dg")
	all("none")
	if j := ended(4); j.Result != "FAIL" || !strings.Contains(strings.Join(j.Details, " "), "none of that name") {
		t.Errorf("job %+v", j)
	}
	for _, cmd := range []string{"<commit-all/>", "<commit/>", "<", ""} {
		if got := through(t, p, "", "type", "commit", "action", "all", "cmd", cmd); !strings.Contains(got, `status="error"`) {
			t.Errorf("%q: %s", cmd, got)
		}
	}
}

// templated is a Panorama with two templates in a stack of two firewalls, which are in one device group.
func templated(t *testing.T, a, b *Sim) *Panorama {
	t.Helper()
	server := func(name, address string) string {
		return `<entry name="` + name + `"><server><entry name="s"><server>` + address + `</server></entry></server></entry>`
	}
	template := func(name, shared string) string {
		return `<entry name="` + name + `"><config><shared><log-settings>` + shared + `</log-settings></shared><devices><entry name="localhost.localdomain"><vsys><entry name="vsys1"><zone><entry name="` +
			name + `-zone"/></zone></entry></vsys></entry></devices></config></entry>`
	}
	config := strings.Replace(groupsConfig(group("dg", `<entry name="001"/><entry name="002"/>`, "")), "<device-group>", `<template>`+
		template("high", `<syslog>`+server("common", "192.0.2.1")+`</syslog>`)+template("low", `<syslog>`+server("common", "192.0.2.2")+server("siem", "192.0.2.3")+`</syslog>`)+
		`</template><template-stack><entry name="stack"><templates><member>high</member><member>low</member></templates><devices><entry name="001"/><entry name="002"/></devices></entry></template-stack><device-group>`, 1)
	return panorama(t, PanoramaOptions{Options: Options{Config: config}, Managed: []*Sim{a, b}})
}

func TestPushedTemplates(t *testing.T) {
	a, b := start(t, Options{Serial: "001"}), start(t, Options{Serial: "002"})
	p := templated(t, a, b)
	const show = `<show><config><pushed-template/></config></show>`
	push := func(cmd string) jobs.Job {
		t.Helper()
		if got := through(t, p, "", "type", "commit", "action", "all", "cmd", cmd); !strings.Contains(got, `code="19"`) {
			t.Fatalf("%s: %s", cmd, got)
		}
		var last jobs.Job
		until(t, "the job has ended", func() bool {
			for _, j := range p.Jobs() {
				if j.ID >= last.ID {
					last = j
				}
			}
			return last.Status == "FIN"
		})
		return last
	}
	if got := newPeer(t, a).op(show); !strings.Contains(got, `status="error"`) {
		t.Errorf("before: %s", got)
	}
	if j := push(`<commit-all><template-stack><name>stack</name><device><member>001</member></device></template-stack></commit-all>`); j.Result != "OK" {
		t.Fatalf("the push: %+v", j)
	}
	got := newPeer(t, a).op(show)
	expect(t, "server profiles", names(t, got, "result", "template", "config", "shared", "log-settings", "syslog"), "common siem")
	expect(t, "zones", names(t, got, "result", "template", "config", "devices", "entry=localhost.localdomain", "vsys", "entry=vsys1", "zone"), "high-zone low-zone")
	if !strings.Contains(got, "192.0.2.1<") || strings.Contains(got, "192.0.2.2<") {
		t.Errorf("the higher template does not win: %s", got)
	}
	if got := newPeer(t, b).op(show); !strings.Contains(got, `status="error"`) {
		t.Errorf("a firewall that was not named got it: %s", got)
	}
	const profile = `<entry name="p"><match-list><entry name="m"><log-type>traffic</log-type><send-syslog><member>siem</member></send-syslog></entry></match-list></entry>`
	const profiles = "/config/shared/log-settings/profiles"
	if err := a.Config().Edit("admin", "set", profiles, profile); err != nil {
		t.Errorf("what the template brought cannot be named: %v", err)
	}
	if err := b.Config().Edit("admin", "set", profiles, profile); err == nil {
		t.Error("what no template brought can be named")
	}
	for cmd, want := range map[string]string{
		`<commit-all><template><name>low</name></template></commit-all>`:                                                                                       "names no firewall",
		`<commit-all><template><name>none</name></template></commit-all>`:                                                                                      "none of that name",
		`<commit-all><template-stack><name>stack</name><device><member>009</member></device></template-stack></commit-all>`:                                    "does not name 009",
		`<commit-all><shared-policy><device-group><entry name="dg"><devices><entry name="009"/></devices></entry></device-group></shared-policy></commit-all>`: "does not name 009",
	} {
		if j := push(cmd); j.Result != "FAIL" || !strings.Contains(strings.Join(j.Details, " "), want) {
			t.Errorf("%s: %+v", cmd, j)
		}
	}
	push(`<commit-all><shared-policy><device-group><entry name="dg"><devices><entry name="002"/></devices></entry></device-group></shared-policy></commit-all>`)
	if got := newPeer(t, a).op(pushedBare) + newPeer(t, b).op(pushedBare); strings.Count(got, `"dg-pre"`) != 1 {
		t.Errorf("a device group pushed to one of its firewalls: %s", got)
	}
	p.Withdraw(a)
	if got := newPeer(t, a).op(show); !strings.Contains(got, `status="error"`) {
		t.Errorf("withdrawn: %s", got)
	}
}

// A certificate is imported into a template, whose objects know one another; what a device group names of a template cannot be
// taken away.
func TestTemplatesHoldObjects(t *testing.T) {
	p := templated(t, start(t, Options{Serial: "001"}), start(t, Options{Serial: "002"}))
	const low = "/config/devices/entry[@name='localhost.localdomain']/template/entry[@name='low']/config/shared"
	const dg = "/config/devices/entry[@name='localhost.localdomain']/device-group/entry[@name='dg']"
	importTo := func(template string) string {
		return newPeer(t, p.Sim).importing(url.Values{"key": {p.Key()}, "category": {"certificate"}, "certificate-name": {"ca"}, "format": {"pem"}, "target-tpl": {template}}, "ca.pem", string(p.CA()))
	}
	if got := importTo("none"); !strings.Contains(got, "target-tpl") {
		t.Errorf("into no template: %s", got)
	}
	if got := importTo("low"); !strings.Contains(got, "Successfully imported ca") {
		t.Fatalf("import: %s", got)
	}
	get := func(xpath string) string { return through(t, p, "", "type", "config", "action", "get", "xpath", xpath) }
	if got := get(low + "/certificate"); !strings.Contains(got, "BEGIN CERTIFICATE") || strings.Contains(get("/config/shared"), "BEGIN CERTIFICATE") {
		t.Errorf("the certificate in the template: %s", got)
	}
	for _, c := range []struct {
		action, path, content, refused string
	}{
		{"set", low + "/certificate-profile", `<entry name="p"><CA><entry name="ca"/></CA></entry>`, ""},
		{"set", low + "/certificate-profile", `<entry name="q"><CA><entry name="other"/></CA></entry>`, "not a valid reference"},
		{"set", low + "/log-settings/system/match-list", `<entry name="m"><filter>x</filter><send-syslog><member>siem</member></send-syslog></entry>`, ""},
		{"set", low + "/log-settings/system/match-list", `<entry name="n"><weather>x</weather></entry>`, "unexpected here"},
		{"set", dg + "/log-settings/profiles", `<entry name="l"><match-list><entry name="m"><send-syslog><member>siem</member></send-syslog></entry></match-list></entry>`, ""},
		{"set", dg + "/log-settings/profiles", `<entry name="k"><match-list><entry name="m"><send-syslog><member>none</member></send-syslog></entry></match-list></entry>`, "not a valid reference"},
		{"delete", low + "/log-settings/syslog/entry[@name='siem']", "", "l"},
		{"delete", low + "/certificate/entry[@name='ca']", "", "cannot be deleted"},
	} {
		err := p.Config().Edit("admin", c.action, c.path, c.content)
		if (err == nil) != (c.refused == "") || err != nil && !strings.Contains(err.Error(), c.refused) {
			t.Errorf("%s %s %s: %v, want %q", c.action, c.path, c.content, err, c.refused)
		}
	}
	if err := p.Config().Commit("admin"); err != nil {
		t.Errorf("commit: %v", err)
	}
	for _, of := range []string{"device-group", "template-stack"} {
		found := get("/config/devices/entry[@name='localhost.localdomain']/" + of + "/entry[devices/entry[@name='002']]")
		if none := get("/config/devices/entry[@name='localhost.localdomain']/" + of + "/entry[devices/entry[@name='009']]"); !strings.Contains(found, `total-count="1"`) || !strings.Contains(none, `code="7"`) {
			t.Errorf("%s of a firewall: %s, of none: %s", of, found, none)
		}
	}
}
