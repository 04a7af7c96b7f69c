package byhand

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"activedefense/firewall/xmlapi"
	"pgregory.net/rapid"
)

const (
	vsys1    = xmlapi.DevicePath + "/vsys/entry[@name='vsys1']"
	vsys2    = xmlapi.DevicePath + "/vsys/entry[@name='vsys2']"
	rules    = vsys1 + "/rulebase/security/rules"
	gateways = xmlapi.NetworkPath + "/tunnel/global-protect-gateway"
	branches = xmlapi.DevicePath + "/device-group/entry[@name='branches']"
	base     = xmlapi.DevicePath + "/template/entry[@name='base']"
	running  = `<config version="11.1.0"><mgt-config><users><entry name="admin"><phash>x</phash></entry></users></mgt-config>
<shared><address><entry name="web"><ip-netmask>198.51.100.7</ip-netmask><tag><member>a</member><member>b</member></tag></entry></address></shared>
<devices><entry name="localhost.localdomain"><deviceconfig><system><hostname>fw</hostname></system></deviceconfig>
<network><tunnel><global-protect-gateway><entry name="gw"><configs><entry name="admins"/><entry name="all"/></configs><ip-pool><member>a</member><member>b</member></ip-pool></entry></global-protect-gateway></tunnel></network>
<vsys><entry name="vsys1"><rulebase><security><rules><entry name="one" uuid="1"><action>allow</action></entry><entry name="two"><action>deny</action></entry><entry name="three"><action>deny</action></entry></rules></security></rulebase></entry>
<entry name="vsys2"><include-exclude-network><entry name="a"/><entry name="b"/></include-exclude-network><setting><ssl>yes</ssl></setting></entry></vsys>
<device-group><entry name="branches"><devices><entry name="007"/></devices></entry></device-group>
<template><entry name="base"><config/></entry></template><template-stack><entry name="all"><templates><member>base</member><member>more</member></templates></entry></template-stack>
</entry></devices><readonly><devices><entry name="localhost.localdomain"><device-group><entry name="branches"><parent-dg>hq</parent-dg></entry></device-group></entry></devices></readonly></config>`
)

func parsed(t interface{ Fatal(...any) }, text string) *xmlapi.Node {
	n, err := xmlapi.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Whatever is edited by hand is named, wherever it stands; what a plan makes is not, nor what changes nothing.
func TestWhatIsEditedByHandIsNamed(t *testing.T) {
	set := func(at, text string) Change { return Change{Edits: []xmlapi.Edit{xmlapi.Set(at, parsed(t, text))}} }
	replace := func(at, text string) Change {
		return Change{Edits: []xmlapi.Edit{xmlapi.Replace(at, parsed(t, text))}}
	}
	away := func(at string) Change { return Change{Edits: []xmlapi.Edit{xmlapi.Delete(at)}} }
	named := func(name string) string { return xmlapi.EntryNamed(name) }
	block := set(rules, `<entry name="block"><action>drop</action></entry>`)
	top := Change{Move: rules + named("block"), Where: xmlapi.MoveTop}
	for name, c := range map[string]struct {
		hand   []Change
		writes []Change // before the commit
		plans  [][]Change
		want   string
	}{
		"nothing":                             {},
		"a plan":                              {writes: []Change{block, top}, plans: [][]Change{{block, top}}},
		"a plan that is not ours to make":     {writes: []Change{block, top}, want: `security rule "block" (vsys1)`},
		"what a run before wrote":             {hand: []Change{block}, writes: []Change{top}, plans: [][]Change{{block, top}}},
		"a run that ended between two":        {hand: []Change{block}, plans: [][]Change{{block, set(rules+named("block"), "<log-end>yes</log-end>")}}},
		"ours, by hand":                       {hand: []Change{block, replace(rules+named("block")+"/action", "<action>allow</action>")}, plans: [][]Change{{block, top}}, want: `security rule "block" (vsys1)`},
		"ours, by hand, that a plan mends":    {hand: []Change{set(rules+named("two"), "<action>allow</action>")}, writes: []Change{replace(rules+named("two")+"/action", "<action>deny</action>")}},
		"a rule that is gone":                 {hand: []Change{away(rules + named("two"))}, want: `security rule "two" (vsys1)`},
		"the order":                           {hand: []Change{{Move: rules + named("three"), Where: xmlapi.MoveTop}}, want: "the order of security rules (vsys1)"},
		"the order as a plan has it":          {hand: []Change{{Move: rules + named("three"), Where: xmlapi.MoveTop}}, plans: [][]Change{{{Move: rules + named("three"), Where: xmlapi.MoveTop}}}},
		"the order of a plan without one":     {hand: []Change{{Move: rules + named("three"), Where: xmlapi.MoveTop}}, plans: [][]Change{{away(rules + named("three"))}}, want: "the order of security rules (vsys1)"},
		"a new rule, by hand":                 {hand: []Change{block, {Move: rules + named("block"), Where: xmlapi.MoveTop}}, plans: [][]Change{{block}}, want: "the order of security rules (vsys1)"},
		"a new rule, not yet moved":           {hand: []Change{block}, plans: [][]Change{{{Edits: block.Edits, Move: top.Move, Where: top.Where}}}},
		"two new rules of two plans":          {hand: []Change{block, top}, writes: []Change{set(rules, `<entry name="last"/>`)}, plans: [][]Change{{block, top}, {set(rules, `<entry name="last"/>`)}}},
		"the order within an object":          {hand: []Change{replace(gateways+named("gw")+"/configs", `<configs><entry name="all"/><entry name="admins"/></configs>`)}, want: `global protect gateway "gw"`},
		"the order of members that has one":   {hand: []Change{replace(gateways+named("gw")+"/ip-pool", `<ip-pool><member>b</member><member>a</member></ip-pool>`)}, want: `global protect gateway "gw"`},
		"the order of networks":               {hand: []Change{{Move: vsys2 + "/include-exclude-network" + named("b"), Where: xmlapi.MoveTop}}, want: "the order of include-exclude-network (vsys2)"},
		"a default rule":                      {hand: []Change{set(vsys2+"/rulebase/default-security-rules/rules", `<entry name="intrazone-default"><action>deny</action></entry>`)}, want: `default rule "intrazone-default" (vsys2)`},
		"another vsys":                        {hand: []Change{set(vsys2+"/rulebase/nat/rules", `<entry name="x"/>`)}, want: `nat rule "x" (vsys2)`},
		"a vsys":                              {hand: []Change{set(xmlapi.DevicePath+"/vsys", `<entry name="vsys3"/>`)}, want: `vsys "vsys3"`},
		"shared":                              {hand: []Change{replace("/config/shared/address"+named("web")+"/ip-netmask", "<ip-netmask>0.0.0.0/0</ip-netmask>")}, want: `address "web" (shared)`},
		"a setting":                           {hand: []Change{set(xmlapi.DevicePath+"/deviceconfig/system", "<hostname>evil</hostname>")}, want: "deviceconfig system hostname"},
		"a setting of a vsys":                 {hand: []Change{away(vsys2 + "/setting")}, want: "setting ssl (vsys2)"},
		"an administrator":                    {hand: []Change{away("/config/mgt-config/users" + named("admin"))}, want: `users "admin"`},
		"the network":                         {hand: []Change{set(xmlapi.NetworkPath+"/profiles/zone-protection-profile", `<entry name="strict"/>`)}, want: `zone protection profile "strict"`},
		"log settings":                        {hand: []Change{set("/config/shared/log-settings/syslog", `<entry name="s"/>`), set("/config/shared/log-settings/system/match-list", `<entry name="m"/>`), set("/config/shared/log-settings/profiles", `<entry name="p"/>`)}, want: `log forwarding profile "p" (shared), syslog server profile "s" (shared), system log settings "m" (shared)`},
		"another device group":                {hand: []Change{set(xmlapi.DevicePath+"/device-group", `<entry name="dc"><pre-rulebase><security><rules><entry name="cut"/></rules></security></pre-rulebase></entry>`)}, want: `security rule "cut" (device group dc)`},
		"an empty device group":               {hand: []Change{set(xmlapi.DevicePath+"/device-group", `<entry name="dc"/>`)}, want: `device group "dc"`},
		"a member of one":                     {hand: []Change{away(branches + "/devices" + named("007"))}, want: `firewall "007" (device group branches)`},
		"its parent":                          {hand: []Change{replace("/config/readonly/devices/entry[@name='localhost.localdomain']/device-group/entry[@name='branches']/parent-dg", "<parent-dg>dc</parent-dg>")}, want: "parent-dg (device group branches)"},
		"a template":                          {hand: []Change{set(base+"/config"+strings.TrimPrefix(vsys1, "/config")+"/zone", `<entry name="guests"/>`), set(base+"/config/shared/certificate", `<entry name="c"/>`)}, want: `certificate "c" (template base), zone "guests" (template base, vsys1)`},
		"the order of templates":              {hand: []Change{replace(xmlapi.DevicePath+"/template-stack/entry[@name='all']/templates", "<templates><member>more</member><member>base</member></templates>")}, want: "templates (template stack all)"},
		"members in another order":            {hand: []Change{replace("/config/shared/address"+named("web")+"/tag", "<tag><member>b</member><member>a</member></tag>")}},
		"a list that was emptied":             {hand: []Change{set(vsys1+"/tag", `<entry name="x"/>`), away(vsys1 + "/tag" + named("x")), set(vsys2+"/log-settings/profiles", `<entry name="x"/>`), away(vsys2 + "/log-settings/profiles" + named("x"))}},
		"a name with control characters":      {hand: []Change{set("/config/shared/tag", "<entry name=\"a&#10;b\"/>")}, want: `tag "a b" (shared)`},
		"an element that is empty":            {hand: []Change{set(vsys2+"/captive-portal/mode", "<transparent/>")}, want: "captive-portal mode transparent (vsys2)"},
		"what others in the same plan do not": {hand: []Change{set("/config/shared/tag", `<entry name="x"/>`)}, plans: [][]Change{{block}, {set("/config/shared/tag", `<entry name="y"/>`)}}, want: `tag "x" (shared)`},
	} {
		t.Run(name, func(t *testing.T) {
			r := parsed(t, running)
			candidate, err := Made(r, c.hand)
			if err != nil {
				t.Fatal(err)
			}
			for _, xpaths := range [][]string{{Everything}, xpathsOf(c.hand)} {
				got, err := Commit{r, parsed(t, strings.Replace(candidate.XML(), `name="one"`, `name="one" dirtyId="3"`, 1)), xpaths, c.writes}.Edited(c.plans...)
				if err != nil || strings.Join(got, ", ") != c.want {
					t.Errorf("of %q: %q, %v", xpaths, got, err)
				}
			}
			if r.XML() != parsed(t, running).XML() {
				t.Error("the running configuration was changed")
			}
		})
	}
	if _, err := (Commit{Running: parsed(t, running), Changes: []Change{{Move: "rules"}}}).Edited(); err == nil {
		t.Error("a bad xpath is read")
	}
}

// xpathsOf are those that a device would name for changes.
func xpathsOf(changes []Change) (all []string) {
	for _, c := range changes {
		for _, e := range c.Edits {
			at := e.XPath()
			if n := e.Element(); n != nil && n.Name == "entry" && !strings.HasSuffix(at, "]") {
				at += xmlapi.EntryNamed(n.Attr("name"))
			}
			all = append(all, at)
		}
		if c.Move != "" {
			all = append(all, c.Move)
		}
	}
	return all
}

// Of random edits of three, who each have objects and rules of their own: ours by a plan, of which any part was written before, and by hand,
// and those of somebody else: exactly what is by hand is named. With everything taken along, what somebody else edited is named, too.
func TestExactlyWhatIsByHandIsNamed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lists := map[string]string{vsys1 + "/address": "address %q (vsys1)", vsys2 + "/address": "address %q (vsys2)", "/config/shared/tag": "tag %q (shared)", rules: "security rule %q (vsys1)"}
		paths := []string{vsys1 + "/address", vsys2 + "/address", "/config/shared/tag", rules}
		edits := func(of string, least int) (changes []Change) {
			taken := map[string]bool{} // a plan makes nothing that it takes away, and a rule that is made anew has another place
			for range rapid.IntRange(least, 5).Draw(t, "edits of "+of) {
				list := rapid.SampledFrom(paths).Draw(t, "list")
				name := fmt.Sprint(of, rapid.IntRange(0, 3).Draw(t, "name"))
				kind := rapid.IntRange(0, 3).Draw(t, "kind")
				switch at := list + xmlapi.EntryNamed(name); {
				case taken[at] && (of == "plan" || list == rules):
				case kind == 0 && (of != "other" || list != rules): // else whether it was he who moved a rule of ours cannot be told
					taken[at] = true
					changes = append(changes, Change{Edits: []xmlapi.Edit{xmlapi.Delete(at)}})
				case kind == 1:
					changes = append(changes, Change{Edits: []xmlapi.Edit{xmlapi.Set(list, xmlapi.NamedEntry(name)), xmlapi.Replace(at, xmlapi.NamedEntry(name, xmlapi.MemberList("static", "x")))}})
				default:
					value := fmt.Sprint(rapid.IntRange(0, 2).Draw(t, "value"))
					changes = append(changes, Change{Edits: []xmlapi.Edit{xmlapi.Set(list, xmlapi.NamedEntry(name, xmlapi.Leaf("value", value)))}})
				}
			}
			return changes
		}
		make := func(config *xmlapi.Node, changes []Change) *xmlapi.Node {
			config, err := Made(config, changes)
			if err != nil {
				t.Fatal(err)
			}
			return config
		}
		r := make(parsed(t, running), slices.Concat(edits("plan", 0), edits("hand", 0), edits("other", 0)))
		plan, hand, others := edits("plan", 0), edits("hand", 0), edits("other", 0)
		written := plan[:rapid.IntRange(0, len(plan)).Draw(t, "written")]
		candidate := make(r, slices.Concat(others, written, hand))
		// What differs, by brute force.
		changed := func(by []Change) (names []string) {
			is := make(r, by)
			for list, text := range lists {
				said := func(config *xmlapi.Node) (out map[string]string, order []string) {
					steps, err := xmlapi.ParseXPath(strings.TrimPrefix(list, "/config"))
					if err != nil {
						t.Fatal(err)
					}
					for _, s := range steps {
						if s.Name == "entry" {
							config = config.Entry(s.Attr("name"))
						} else {
							config = config.Child(s.Name)
						}
					}
					out = map[string]string{}
					for _, e := range config.Entries() {
						order = append(order, e.Attr("name"))
						var parts []string
						for _, c := range e.Children {
							parts = append(parts, c.XML())
						}
						slices.Sort(parts)
						out[e.Attr("name")] = "there " + strings.Join(parts, "")
					}
					return out, order
				}
				was, before := said(r)
				now, after := said(is)
				alone := func(name string) bool { return was[name] == "" || now[name] == "" }
				if list == rules && !slices.Equal(slices.DeleteFunc(before, alone), slices.DeleteFunc(after, alone)) {
					names = append(names, "the order of security rules (vsys1)")
				}
				for _, of := range []string{"plan", "hand", "other"} {
					for i := range 4 {
						if name := fmt.Sprint(of, i); was[name] != now[name] {
							names = append(names, fmt.Sprintf(text, name))
						}
					}
				}
			}
			slices.Sort(names)
			return names
		}
		got, err := Commit{r, candidate, xpathsOf(slices.Concat(written, hand)), plan}.Edited(plan)
		if want := changed(hand); err != nil || !slices.Equal(got, want) {
			t.Fatalf("it names %q, want %q: %v", got, want, err)
		}
		if got, err = (Commit{r, candidate, []string{Everything}, plan}).Edited(plan); err != nil || !slices.Equal(got, changed(slices.Concat(others, hand))) {
			t.Fatalf("of everything: %q, want %q: %v", got, changed(slices.Concat(others, hand)), err)
		}
	})
}
