package devicegroup

import (
	"strings"
	"testing"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/xmltree"
)

func parsed(t *testing.T, text string) *xmltree.Element {
	t.Helper()
	e, err := xmltree.ParseConfig(text)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func rules(base string, names ...string) string {
	var b strings.Builder
	for _, name := range names {
		b.WriteString(`<entry name="` + name + `"/>`)
	}
	return "<" + base + "><security><rules>" + b.String() + "</rules></security></" + base + ">"
}

func names(list []*xmltree.Element) string {
	var out []string
	for _, e := range list {
		out = append(out, e.ID()+"@"+e.Attributes["loc"])
	}
	return strings.Join(out, " ")
}

func TestLineage(t *testing.T) {
	groups, parents := "", ""
	for _, pair := range []string{"a:b", "b:c", "c:d", "d:e", "e:", "loop:loop"} {
		name, parent, _ := strings.Cut(pair, ":")
		groups += `<entry name="` + name + `"/>`
		parents += `<entry name="` + name + `"><parent-dg>` + parent + `</parent-dg></entry>`
	}
	const device = `<devices><entry name="localhost.localdomain"><device-group>`
	root := parsed(t, `<config>`+device+groups+`</device-group></entry></devices><readonly>`+device+parents+`</device-group></entry></devices></readonly></config>`)
	for group, want := range map[string]string{"a": "a b c d", "d": "d e", "e": "e", "loop": "loop loop loop loop", "none": ""} {
		var got []string
		for _, e := range Lineage(root, group) {
			got = append(got, e.ID())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", group, got, want)
		}
	}
}

// Shared, parent, group; the firewall's own rules; group, parent, Shared.
func TestRulesAreEnclosed(t *testing.T) {
	p := NewPushed("007", []string{"vsys1", "vsys2"})
	group := parsed(t, `<entry name="dg"><address><entry name="a"/></address><devices/>`+rules("pre-rulebase", "g1", "g2")+rules("post-rulebase", "g3")+`</entry>`)
	parent := parsed(t, `<entry name="up"><address><entry name="a"><fqdn>parents</fqdn></entry><entry name="b"/></address>`+rules("pre-rulebase", "p1")+rules("post-rulebase", "p2")+`</entry>`)
	shared := parsed(t, `<shared>`+rules("pre-rulebase", "s1")+rules("post-rulebase", "s2")+`</shared>`)
	p.Take(shared, []*xmltree.Element{group, parent}, []string{"vsys1", "vsys9"}, nil)
	pre, post, objects := p.Rules("vsys1")
	if got, want := names(pre)+" | "+names(post), "s1@Shared p1@up g1@dg g2@dg | g3@dg p2@up s2@Shared"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if len(objects) != 2 || names(objects[0].Child("address").Entries()) != "a@dg b@up" {
		t.Errorf("objects: %v", objects)
	}
	if pre, post, objects = p.Rules("vsys2"); names(pre)+names(post) != "s1@Shareds2@Shared" || len(objects) != 1 {
		t.Errorf("of the other virtual system: %s, %s, %v", names(pre), names(post), objects)
	}
	p.Withdraw()
	if group, shared := p.Of("vsys1"); group != nil || shared != nil || len(p.Objects("vsys1")) != 0 {
		t.Error("something is left")
	}
}

// Of rules with a target only those come that are for the firewall.
func TestTargets(t *testing.T) {
	for target, comes := range map[string]bool{
		`<tags><member>edge</member></tags>`:                      true,
		`<tags><member>other</member></tags>`:                     false,
		`<tags><member>edge</member></tags><negate>yes</negate>`:  false,
		`<tags><member>other</member></tags><negate>yes</negate>`: true,
		"":                                       true,
		`<devices><entry name="007"/></devices>`: true,
		`<devices><entry name="008"/></devices>`: false,
		`<devices><entry name="008"/></devices><negate>yes</negate>`:                                         true,
		`<devices><entry name="007"/></devices><negate>yes</negate>`:                                         false,
		`<devices><entry name="007"><vsys><entry name="vsys1"/></vsys></entry></devices>`:                    true,
		`<devices><entry name="007"><vsys><entry name="vsys2"/></vsys></entry></devices>`:                    false,
		`<devices><entry name="007"><vsys><entry name="vsys2"/></vsys></entry></devices><negate>no</negate>`: false,
	} {
		p := NewPushed("007", []string{"vsys1"})
		p.Take(nil, []*xmltree.Element{parsed(t, `<entry name="dg"><pre-rulebase><security><rules><entry name="r"><target>`+target+`</target></entry></rules></security></pre-rulebase></entry>`)}, nil, map[string][]string{"vsys1": {"edge"}})
		if pre, _, _ := p.Rules("vsys1"); (len(pre) == 1) != comes {
			t.Errorf("%s: %s", target, names(pre))
		}
	}
}

func TestShown(t *testing.T) {
	show := func(p *Pushed, command string) string {
		e := parsed(t, "<pushed-shared-policy>"+command+"</pushed-shared-policy>")
		return string(p.Show(answer.Request{Command: e, At: e}, &dialect.Dialect{}).Body)
	}
	p := NewPushed("007", []string{"vsys1"})
	if got := show(p, ""); !strings.Contains(got, "No shared policy pushed to device") {
		t.Error(got)
	}
	p.Take(parsed(t, "<shared/>"), []*xmltree.Element{parsed(t, `<entry name="dg">`+rules("pre-rulebase", "r")+`</entry>`)}, nil, nil)
	if got, want := show(p, ""), `<response status="success"><result><policy><panorama><pre-rulebase><security><rules><entry name="r" loc="dg"/></rules></security>`+
		`</pre-rulebase></panorama><shared/></policy></result></response>`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := show(p, "<vsys>vsys9</vsys>"); !strings.Contains(got, "vsys9 is invalid vsys") {
		t.Error(got)
	}
}
