package panorama

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"activedefense/firewall/xmlapi"
)

func parse(t *testing.T, text string) *xmlapi.Node {
	t.Helper()
	n, err := xmlapi.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A value a line, quoted where the CLI needs it, a list in brackets; and what is deleted and moved.
func TestCommands(t *testing.T) {
	dg := LevelPath("all branches")
	c := Change{
		Edits: []xmlapi.Edit{
			xmlapi.Delete(dg + "/pre-rulebase/security/rules" + xmlapi.EntryNamed("r")),
			xmlapi.Set(dg+"/pre-rulebase/security/rules", xmlapi.NamedEntry("r", xmlapi.MemberList("from", "untrust", "guest wifi"), xmlapi.MemberList("to", "any"), xmlapi.Leaf("action", "drop"),
				xmlapi.Element("recurring", xmlapi.Element("five-minute")), Place{Serial: "001", VSys: "vsys2"}.Target())),
			xmlapi.Set(LevelPath("Shared")+"/address-group", xmlapi.NamedEntry("g", xmlapi.Element("dynamic", xmlapi.Leaf("filter", "'tag'")))),
			xmlapi.ImportInto("", Place{}.TemplatePath()+"/shared", "ca", []byte("-----BEGIN\nMII\n")),
			xmlapi.Delete(Place{Template: "base"}.TemplatePath() + "/shared/log-settings/syslog/entry[@name='s']/format/traffic"),
			xmlapi.Set(LevelPath("")+"/tag", xmlapi.NamedEntry("t", xmlapi.Leaf("comments", `says "no"`))),
		},
		Top: dg + "/pre-rulebase/security/rules" + xmlapi.EntryNamed("r"),
	}
	want := []string{
		`delete device-group "all branches" pre-rulebase security rules r`,
		`set device-group "all branches" pre-rulebase security rules r from [ untrust "guest wifi" ]`,
		`set device-group "all branches" pre-rulebase security rules r to any`,
		`set device-group "all branches" pre-rulebase security rules r action drop`,
		`set device-group "all branches" pre-rulebase security rules r recurring five-minute`,
		`set device-group "all branches" pre-rulebase security rules r target devices 001 vsys vsys2`,
		`set device-group "all branches" pre-rulebase security rules r target negate no`,
		`set shared address-group g dynamic filter "'tag'"`,
		"set template TEMPLATE config shared certificate ca public-key \"-----BEGIN\nMII\"",
		`set template TEMPLATE config shared certificate ca ca yes`,
		`delete template base config shared log-settings syslog s format traffic`,
		`set device-group DEVICE-GROUP tag t comments 'says "no"'`,
		`move device-group "all branches" pre-rulebase security rules r top`,
	}
	if got := c.Commands(); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if !(Place{}).InGroups(c) || (Place{Former: []string{"all branches", "DEVICE-GROUP", Shared}}).InGroups(c) || !c.InTemplate() || (Change{Top: c.Top}).InTemplate() || !(Change{}).Empty() {
		t.Error("where it changes what is not told")
	}
}

// The pushes are to this firewall alone, the template first; a name that is not known has a placeholder.
func TestSession(t *testing.T) {
	inGroup := Change{Edits: []xmlapi.Edit{xmlapi.Delete(LevelPath("dg") + "/tag/entry[@name='t']")}}
	inTemplate := Change{Edits: []xmlapi.Edit{xmlapi.Delete(Place{Template: "base"}.TemplatePath() + "/shared/tag")}}
	known := Place{Serial: "001", Group: "dg", Template: "base", Told: true}
	stack := known
	stack.Stack = "all"
	for _, c := range []struct {
		at      Place
		changes []Change
		want    []string
	}{
		{stack, nil, []string{}},
		{stack, []Change{inGroup, inTemplate, inGroup}, []string{"configure", "delete device-group dg tag t", "delete template base config shared tag", "commit partial admin NAME", "exit", "commit-all template-stack name all device 001", "commit-all shared-policy device-group dg devices 001"}},
		{known, []Change{inTemplate}, []string{"configure", "delete template base config shared tag", "commit partial admin NAME", "exit", "commit-all template name base device 001"}},
		{Place{Serial: "001"}, []Change{inGroup, inTemplate}, []string{"configure", "delete device-group dg tag t", "delete template base config shared tag", "commit partial admin NAME", "exit", "commit-all template-stack name TEMPLATE-STACK device 001", "commit-all shared-policy device-group DEVICE-GROUP devices 001"}},
	} {
		if got := c.at.Session(c.changes); !slices.Equal(got, c.want) {
			t.Errorf("got %q\nwant %q", got, c.want)
		}
		pushes := []string{}
		for _, line := range c.want {
			if words := strings.Fields(line); words[0] == "commit-all" && words[1] != "shared-policy" {
				pushes = append(pushes, strings.ReplaceAll(words[1], "-", " ")+" "+words[3])
			} else if words[0] == "commit-all" {
				pushes = append(pushes, "device group "+words[3])
			}
		}
		if got := c.at.Pushes(c.changes); !slices.Equal(got, pushes) {
			t.Errorf("named %q, pushed %q", got, pushes)
		}
	}
}

// What was pushed tells the group that is the nearest to the firewall's own rules, whatever stands only behind them.
func TestFromPushed(t *testing.T) {
	rules := func(base string, locs ...string) string {
		out := "<" + base + "><security><rules>"
		for _, loc := range locs {
			out += `<entry name="r-` + loc + `" loc="` + loc + `"/>`
		}
		return out + "</rules></security></" + base + ">"
	}
	template := parse(t, `<config><shared ptpl="base" src="tpl"/></config>`)
	for _, c := range []struct{ pushed, want string }{
		{rules("pre-rulebase", "Shared", "top", "branches"), "branches"},
		{rules("post-rulebase", "branches", "top", "Shared"), "branches"},
		{`<post-rulebase><default-security-rules><rules><entry name="intrazone-default" loc="top"/></rules></default-security-rules></post-rulebase>`, "top"},
		{rules("pre-rulebase", "Shared"), ""},
		{"", ""},
	} {
		at := FromPushed([]xmlapi.Pushed{{Node: parse(t, "<panorama>"+c.pushed+"</panorama>")}}, template, "001", "")
		if at.Group != c.want || at.Template != "base" || at.Told || at.Serial != "001" {
			t.Errorf("%s: %+v, want %s", c.pushed, at, c.want)
		}
	}
}

// Whom a change in the device group reaches besides the firewall is said as far as it is known.
func TestReach(t *testing.T) {
	at := Place{Group: "dg edge", Told: true}
	for want, change := range map[string]func(*Place){
		`it reaches no other firewall: none is in device group "dg edge", and no group is below that`:                   func(*Place) {},
		`no other firewall is in device group "dg edge"; it also reaches the firewalls of the groups below that (a, b)`: func(p *Place) { p.Below = []string{"a", "b"} },
		`it also reaches 002, 003 in device group "dg edge"`:                                                            func(p *Place) { p.Others = []string{"002", "003"} },
		`it also reaches 002 in device group "dg edge", and the firewalls of the groups below that (a)`:                 func(p *Place) { p.Others, p.Below = []string{"002"}, []string{"a"} },
		`it reaches every firewall of device group "dg edge" and of those below it`:                                     func(p *Place) { p.Told = false },
	} {
		p := at
		if change(&p); p.Reach("dg edge") != want {
			t.Errorf("%s\nwant %s", p.Reach("dg edge"), want)
		}
	}
}

// What stands in a device group can be named there and below it, what is shared everywhere.
func TestOver(t *testing.T) {
	at := Place{Group: "branches", Parents: []string{"hq", "top"}}
	for _, c := range []struct {
		level, other string
		want         bool
	}{
		{"Shared", "branches", true}, {"hq", "branches", true}, {"top", "hq", true}, {"hq", "hq", true}, {"branches", "hq", false},
		{"branches", "shared", false}, {"elsewhere", "branches", false}, {"elsewhere", "elsewhere", true}, {"", "", false},
	} {
		if got := at.Over(c.level, c.other); got != c.want {
			t.Errorf("%q over %q: %v", c.level, c.other, got)
		}
	}
}

// An entry that stands and has something else in it is a conflict, unless the change takes it away first.
func TestConflict(t *testing.T) {
	at := Place{Serial: "001", Group: "dg", Template: "base"}
	v := View{
		VSys:     []xmlapi.Pushed{{Node: parse(t, `<panorama><tag><entry name="t" loc="dg"><comments>theirs</comments><color>red</color></entry></tag></panorama>`)}},
		Template: parse(t, `<config><shared><certificate><entry name="ca"><public-key>another</public-key></entry></certificate></shared></config>`),
	}
	tag := func(level, comment string) xmlapi.Edit {
		return xmlapi.Set(LevelPath(level)+"/tag", xmlapi.NamedEntry("t", xmlapi.Leaf("comments", comment)))
	}
	imported := func(pem string) xmlapi.Edit {
		return xmlapi.ImportInto("base", at.TemplatePath()+"/shared", "ca", []byte(pem))
	}
	for _, c := range []struct {
		edits []xmlapi.Edit
		want  string
	}{
		{[]xmlapi.Edit{tag("dg", "ours")}, "t"},
		{[]xmlapi.Edit{tag("dg", "theirs")}, ""},
		{[]xmlapi.Edit{tag("shared", "ours")}, ""},
		{[]xmlapi.Edit{xmlapi.Delete(LevelPath("dg") + "/tag/entry[@name='t']"), tag("dg", "ours")}, ""},
		{[]xmlapi.Edit{xmlapi.Delete(LevelPath("dg") + "/tag/entry[@name='u']"), tag("dg", "ours")}, "t"},
		{[]xmlapi.Edit{imported("ours")}, "ca"},
		{[]xmlapi.Edit{xmlapi.Set(at.TemplatePath()+"/shared/log-settings/syslog", xmlapi.NamedEntry("s"))}, ""},
		{[]xmlapi.Edit{xmlapi.Set(LevelPath("dg")+"/tag/entry[@name='t']", xmlapi.Leaf("comments", "ours"))}, ""},
	} {
		if got := v.Conflict(at, Change{Edits: c.edits}, nil); got != c.want {
			t.Errorf("%v: conflict %q, want %q", c.edits, got, c.want)
		}
	}
	if len(v.VSys) != 1 {
		t.Error("to look has changed the view")
	}
}

// A rule of the same name that comes from the group above is another one: what a change takes away, makes and moves is that of its level.
func TestARuleOfTheSameNameInTheGroupAbove(t *testing.T) {
	v := View{VSys: []xmlapi.Pushed{{Node: parse(t, `<policy><pre-rulebase><security><rules><entry name="r" loc="hq"><action>allow</action></entry><entry name="x" loc="branches"/></rules></security></pre-rulebase></policy>`)}}}
	at, list := Place{Group: "branches", Parents: []string{"hq"}}, LevelPath("branches")+"/pre-rulebase/security/rules"
	rule := xmlapi.NamedEntry("r", xmlapi.Leaf("action", "drop"))
	if name := v.Conflict(at, Change{Edits: []xmlapi.Edit{xmlapi.Set(list, rule)}}, nil); name != "" {
		t.Errorf("%s conflicts", name)
	}
	for _, edits := range [][]xmlapi.Edit{{xmlapi.Set(list, rule)}, {xmlapi.Delete(list + xmlapi.EntryNamed("r")), xmlapi.Set(list, rule)}} {
		after, err := v.After(at, Change{Edits: edits, Top: list + xmlapi.EntryNamed("r")})
		if err != nil {
			t.Fatal(err)
		}
		var rules []string
		for _, e := range after.VSys[0].Node.At("pre-rulebase", "security", "rules").Entries() {
			rules = append(rules, e.Attr("loc")+" "+e.Attr("name")+" "+e.Value("action"))
		}
		if want := []string{"hq r allow", "branches r drop", "branches x "}; !slices.Equal(rules, want) {
			t.Errorf("%q, want %q", rules, want)
		}
	}
}

// Of thousands of firewalls that a change reaches, some are named, with the number of the others.
func TestReachOfMany(t *testing.T) {
	p := Place{Group: "branches", Told: true}
	for i := range 3000 {
		p.Others, p.Below = append(p.Others, fmt.Sprintf("0139%08d", i)), append(p.Below, fmt.Sprintf("g%d", i))
	}
	if text := p.Reach("branches"); len(text) > 500 || strings.Count(text, " and 2990 more") != 2 || !strings.Contains(text, "013900000000, ") {
		t.Errorf("%d characters: %.600s", len(text), text)
	}
	if p.Alone("branches") || (Place{Group: "branches", Told: true}).Alone("hq") || (Place{Group: "branches"}).Alone("branches") || !(Place{Group: "branches", Told: true}).Alone("branches") {
		t.Error("whether it reaches others")
	}
}

// Two objects are the same where nothing differs that may decide anything: the order of elements does not matter, nor that of the members of a group, of
// descriptions or secrets; all else does.
func TestMeaning(t *testing.T) {
	for _, c := range []struct {
		one, other string
		same       bool
	}{
		{`<entry name="a"><x>1</x><y>2</y></entry>`, `<entry name="a" loc="hq"><y>2</y><x>1</x><description>text</description></entry>`, true},
		{`<entry name="a"><static><member>b</member><member>c</member></static></entry>`, `<entry name="a"><static><member>c</member><member>b</member></static></entry>`, true},
		{`<entry name="a"><list><member>b</member><member>c</member></list></entry>`, `<entry name="a"><list><member>c</member><member>b</member></list></entry>`, false},
		{`<entry name="a"><rules><entry name="b"/><entry name="c"/></rules></entry>`, `<entry name="a"><rules><entry name="c"/><entry name="b"/></rules></entry>`, false},
		{`<entry name="a"><negate-source>no</negate-source></entry>`, `<entry name="a"/>`, true},
		{`<entry name="a"><log-end>no</log-end></entry>`, `<entry name="a"/>`, false},
		{`<entry name="a"><secret>-AQ==one</secret></entry>`, `<entry name="a"><secret>-AQ==other</secret></entry>`, true},
		{`<entry name="a"><password>one</password></entry>`, `<entry name="a"/>`, false},
		{`<entry name="a"><m>b</m></entry>`, `<entry name="a"><m>b c</m></entry>`, false},
	} {
		if got := isAmong(parse(t, c.one), []*xmlapi.Node{parse(t, c.other)}); got != c.same {
			t.Errorf("%s is as %s: %v", c.one, c.other, got)
		}
	}
}

// A setting of several templates is that of the first, and a variable stands for what the firewall's entry in the stack says, else the stack, else a template.
func TestTemplatesTogether(t *testing.T) {
	stack := parse(t, `<entry name="all"><devices><entry name="001"><variable><entry name="$a"><type><ip-netmask>192.0.2.1</ip-netmask></type></entry></variable></entry></devices><variable><entry name="$a"><type><ip-netmask>192.0.2.2</ip-netmask></type></entry><entry name="$b"><type><fqdn>b.example</fqdn></type></entry></variable></entry>`)
	first := parse(t, `<entry name="first"><config><shared><x><entry name="e"><ip>$a</ip></entry></x></shared></config></entry>`)
	second := parse(t, `<entry name="second"><config><shared><x><entry name="e"><ip>$none</ip><host>$b</host></entry><entry name="$a"><m><member>$c</member></m></entry></x></shared></config></entry>`)
	for serial, want := range map[string]string{
		"001": `<config><shared><x><entry name="e"><ip>192.0.2.1</ip><host>b.example</host></entry><entry name="192.0.2.1"><m><member>$c</member></m></entry></x></shared></config>`,
		"002": `<config><shared><x><entry name="e"><ip>192.0.2.2</ip><host>b.example</host></entry><entry name="192.0.2.2"><m><member>$c</member></m></entry></x></shared></config>`,
	} {
		all := overlaid(overlaid(nil, first.Child("config")), second.Child("config"))
		if got := filled(all, variablesOf([]committed{{"stack", stack}, {"first", first}, {"second", second}}, serial)).XML(); got != want {
			t.Errorf("%s: %s, want %s", serial, got, want)
		}
	}
	var found []string
	for u := range settingsOf(parse(t, `<config><shared><x><entry name="e"/><on>yes</on></x></shared><devices><entry name="localhost.localdomain"><vsys><entry name="vsys1"><zone><entry name="z"/></zone></entry></vsys><empty><list/></empty></entry></devices></config>`)) {
		found = append(found, u.String())
	}
	slices.Sort(found)
	if want := []string{`setting devices localhost.localdomain empty list`, `setting shared x on`, `x "e"`, `zone "z"`}; !slices.Equal(found, want) {
		t.Errorf("settings %q, want %q", found, want)
	}
}

// A rule of ours that another virtual system does not have moves nothing there.
func TestWhatIsNotThereIsNotMoved(t *testing.T) {
	v := View{VSys: []xmlapi.Pushed{{Node: parse(t, `<panorama><pre-rulebase><security><rules><entry name="a" loc="hq"/><entry name="b" loc="hq"/><entry name="c" loc="branches"/></rules></security></pre-rulebase></panorama>`)}}}
	after, err := v.After(Place{Group: "branches", Parents: []string{"hq"}}, Change{Top: LevelPath("branches") + "/pre-rulebase/security/rules" + xmlapi.EntryNamed("ours")})
	if err != nil || after.VSys[0].Node.XML() != v.VSys[0].Node.XML() {
		t.Errorf("%s, %v", after.VSys[0].Node.XML(), err)
	}
}

// Where the tags of the firewall may not be read, a rule for tags counts as one for it, whatever they are.
func TestTagsThatMayNotBeRead(t *testing.T) {
	of := func(tags error) Place {
		at, err := read("001", "", func(_, xpath string) ([]*xmlapi.Node, error) {
			if strings.Contains(xpath, "mgt-config") {
				return nil, tags
			}
			return nil, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	there := parse(t, `<pre-rulebase><security><rules><entry name="r"><target><tags><member>edge</member></tags></target></entry></rules></security></pre-rulebase>`)
	for tags, want := range map[error]string{
		nil:                                  "",
		&xmlapi.Error{Kind: xmlapi.KindRole}: "pre-rulebase of shared, where rules for tags count, for our role on Panorama may not read the tags of the firewall",
	} {
		p := Push{At: of(tags), Targets: func(*xmlapi.Node, string, []string) bool { return false }, systems: []string{""}}
		if got := strings.Join(p.rules(Shared, "pre-rulebase", there), "; "); got != want {
			t.Errorf("tags %v: %q, want %q", tags, got, want)
		}
	}
}
