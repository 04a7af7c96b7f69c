package policy

import (
	"slices"
	"strings"
	"testing"

	"activedefense/firewall"
	"activedefense/firewall/panosim"
)

// two is a lab of two firewalls of a device group, each with a tag of its own: the other one is provisioned through Panorama, and Panorama's
// administrator pushes the group to both, as every day.
func two(t *testing.T, m managed) (own, other *panoramaLab) {
	t.Helper()
	own = newPanoramaLab(t, m)
	other = own.as(sister, own.sister)
	own.want.Names = firewall.NamesFor("ad-9")
	if _, err := other.carryOut(false); err != nil {
		t.Fatal(err)
	}
	if err := own.panorama.Push("branches"); err != nil {
		t.Fatal(err)
	}
	if err := own.panorama.PushTemplate("all"); err != nil {
		t.Fatal(err)
	}
	return own, other
}

// forOne is a rule that Panorama has for one firewall alone.
func forOne(serial, rule string) string {
	return strings.Replace(rule, "<action>", `<target><devices><entry name="`+serial+`"/></devices></target><action>`, 1)
}

// What Panorama has for the rules of a firewall with another tag, a firewall's own rules and profiles never name: it goes with those rules.
func TestNothingOfOurOwnNamesWhatAnotherTagHasOnPanorama(t *testing.T) {
	for name, c := range map[string]struct {
		rules, mode string
	}{
		"rules of its own alone":             {forOne(sister, letIn("hq", "dmz")), firewall.ModeTag},
		"rules of its own alone, by a list":  {forOne(sister, letIn("hq", "dmz")), firewall.ModeList},
		"rules of its own, and on Panorama":  {letIn("hq", "dmz"), firewall.ModeTag},
		"by a list, with rules on Panorama ": {letIn("hq", "dmz"), firewall.ModeList},
	} {
		t.Run(name, func(t *testing.T) {
			l, other := two(t, managed{mode: c.mode, local: withoutCleanup(), branches: preRules(c.rules)})
			if _, err := l.carryOut(false); err != nil {
				t.Fatal(err)
			}
			if running := l.sim.Config().Running(); strings.Contains(running, "-panorama<") || !strings.Contains(running, "<member>ad-9-list</member>") != (c.rules != forOne(sister, letIn("hq", "dmz"))) {
				t.Errorf("the firewall has\n%s", running)
			}
			if again := taken(l.whole().Steps, false); len(again) != 0 {
				t.Errorf("left: %q", shorts(again))
			}
			decided := flows(l.sim)
			other.takeAway(false)
			if running := l.panorama.Config().Running(); strings.Contains(running, `"active-defense-panorama"`) || strings.Contains(running, `"active-defense-list-panorama"`) {
				t.Errorf("Panorama has\n%s", running)
			}
			if err := l.panorama.Push("branches"); err != nil {
				t.Fatal(err)
			}
			if again := taken(l.whole().Steps, false); len(again) != 0 || !slices.Equal(flows(l.sim), decided) {
				t.Errorf("once the other firewall's are gone: %q; decided %v, before %v", shorts(again), flows(l.sim), decided)
			}
		})
	}
}

// Where rules of a firewall's own name it, as earlier versions made them, verify says so and the plan mends them.
func TestOwnRulesThatNameWhatAnotherTagHasOnPanorama(t *testing.T) {
	for _, mode := range []string{firewall.ModeTag, firewall.ModeList} {
		l, _ := two(t, managed{mode: mode, local: withoutCleanup(), branches: preRules(forOne(sister, letIn("hq", "dmz")))})
		if _, err := l.carryOut(false); err != nil {
			t.Fatal(err)
		}
		before := l.sim.Config().Running()
		rule := map[string]string{firewall.ModeTag: "ad-9-block-list", firewall.ModeList: "ad-9-block"}[mode]
		at := "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']/rulebase"
		for path, element := range map[string]string{
			"/security/rules/entry[@name='" + rule + "']/source":                         "<source><member>active-defense-list-panorama</member></source>",
			"/security/rules/entry[@name='" + rule + "']/log-setting":                    "<log-setting>active-defense-panorama</log-setting>",
			"/default-security-rules/rules/entry[@name='intrazone-default']/log-setting": "<log-setting>active-defense-panorama</log-setting>",
			"/default-security-rules/rules/entry[@name='interzone-default']/log-setting": "<log-setting>active-defense-panorama</log-setting>",
		} {
			if err := l.sim.Config().Edit("boss", "edit", at+path, element); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.sim.Config().Commit("boss"); err != nil {
			t.Fatal(err)
		}
		checks := Verify(ReadFacts(t.Context(), l.device, l.want), l.want)
		for check, told := range map[string]string{
			CheckBlockRule: `"` + rule + `" names external dynamic list "active-defense-list-panorama"`,
			CheckBlockLogs: `log forwarding profile "active-defense-panorama"`, CheckSensor: `log forwarding profile "active-defense-panorama"`,
		} {
			if c := result(checks, check); c.Result == ResultPass || !strings.Contains(c.Detail, told) || strings.Contains(c.Remedy, "Forwarding active-defense-panorama") {
				t.Errorf("%s: %+v", mode, c)
			}
		}
		if _, err := l.carryOut(false); err != nil {
			t.Fatal(err)
		}
		if after := l.sim.Config().Running(); strings.Contains(after, "-panorama<") || strings.Count(after, "<entry") != strings.Count(before, "<entry") || len(taken(l.whole().Steps, false)) != 0 {
			t.Errorf("%s: mended: %s\nleft: %q", mode, after, shorts(l.whole().Steps))
		}
	}
}

// What a rule of another virtual system's own names, as earlier versions made them, is not deleted on Panorama.
func TestWhatAnotherVirtualSystemNamesStaysOnPanorama(t *testing.T) {
	l := newPanoramaLab(t, managed{several: true, local: withoutCleanup(), branches: preRules(letIn("hq", "dmz"))})
	l.changed("set", branchesGroup+"/devices/entry[@name='"+serial+"']/vsys", `<entry name="vsys2"/>`)
	if err := l.panorama.Push("branches"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.carryOut(false); err != nil {
		t.Fatal(err)
	}
	if err := l.panorama.Push("branches"); err != nil {
		t.Fatal(err)
	}
	rule := strings.Replace(strings.Replace(letIn("ad-2-block-list", "any"), "<source><member>any", "<source><member>active-defense-list-panorama", 1), "allow", "drop", 1)
	if err := l.sim.Config().Edit("boss", "set", "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys2']/rulebase/security/rules", rule); err != nil {
		t.Fatal(err)
	}
	if err := l.sim.Config().Commit("boss"); err != nil {
		t.Fatal(err)
	}
	left := l.takeAway(false)
	s := stepFor(t, left.Steps, `external dynamic list "active-defense-list-panorama"`)
	if s.Action != ActionPerson || !strings.Contains(s.Detail, `security rule "ad-2-block-list" in virtual system "vsys2" still refers to it`) || !strings.Contains(l.panorama.Config().Running(), `"active-defense-list-panorama"`) {
		t.Errorf("left: %v", left.Steps)
	}
}

// twoTags is a firewall with two virtual systems, of which each has a tag of its own, provisioned one after the other.
func twoTags(t *testing.T, shared, vsys string) *provisionLab {
	t.Helper()
	const zones = `<zone><entry name="untrust"/><entry name="dmz"/></zone>`
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) {
		o.VSys = []string{"vsys1", "vsys2"}
		o.Config = `<config version="10.2.0"><shared>` + shared + `</shared><devices><entry name="localhost.localdomain"><vsys><entry name="vsys1">` + zones + vsys + `</entry><entry name="vsys2">` + zones + vsys + `</entry></vsys></entry></devices></config>`
	})
	for _, v := range []string{"1", "2"} {
		l.at(v)
		l.want.Adopt = true
		l.apply(l.plan(), true)
		l.commit()
		l.want.Adopt = false
	}
	return l
}

// at has the lab look after a virtual system by its number, with the tag of that.
func (l *provisionLab) at(number string) {
	l.opts.VSys, l.want.Names = "vsys"+number, firewall.NamesFor("ad-"+number)
	l.restart()
}

// What one virtual system made in Shared, and another with another tag lives on, stays, and is named; it goes once that is gone.
func TestWhatAnotherTagLivesOnStays(t *testing.T) {
	web := `<rulebase><security><rules>` + strings.Replace(letIn("web", "dmz"), "<action>", "<log-setting>to-siem</log-setting><log-end>yes</log-end><action>", 1) + `</rules></security></rulebase>`
	for name, c := range map[string]struct{ shared, vsys, list string }{
		"logins":                    {"", "", `system log settings "ad-1"`},
		"somebody's log forwarding": {`<log-settings><syslog><entry name="siem"><server><entry name="s"><server>192.0.2.9</server></entry></server></entry></syslog>` + strings.TrimPrefix(toSIEM, "<log-settings>"), web, `log forwarding profile "to-siem"`},
	} {
		t.Run(name, func(t *testing.T) {
			l := twoTags(t, c.shared, c.vsys)
			before := l.fails()
			for _, adopt := range []bool{false, true} {
				l.at("1")
				left := l.removal(adopt)
				s := stepFor(t, left, c.list)
				if s.Action != ActionPerson || !strings.Contains(s.Detail, `virtual system "vsys2"`) {
					t.Errorf("adopt %v: %v", adopt, s)
				}
				l.apply(left, adopt)
				l.commitRemoval()
				for _, s := range l.removal(adopt) {
					if s.Action != ActionPerson || !strings.Contains(s.Detail, "It stays") || strings.Contains(s.Detail, "--adopt") {
						t.Errorf("adopt %v, left: %v", adopt, s)
					}
				}
				l.at("2")
				if left, after := l.plan(), l.fails(); len(left) != 0 || !slices.Equal(after, before) {
					t.Errorf("adopt %v: the other one lacks %v, %q, before %q", adopt, left, after, before)
				}
			}
			l.apply(l.removal(true), true)
			l.commitRemoval()
			l.at("1")
			l.apply(l.removal(true), true)
			l.commitRemoval()
			if running := l.sim.Config().Running(); strings.Contains(running, `"ad-1`) || strings.Contains(running, `"ad-2`) {
				t.Errorf("left of ours:\n%s", running)
			}
		})
	}
}

// What one has of its own for that, the other does not keep.
func TestWhatNoOtherTagLivesOnGoes(t *testing.T) {
	l := twoTags(t, "", `<rulebase><security><rules>`+letIn("-block", "dmz")+`</rules></security></rulebase>`)
	for _, kind := range []string{logGlobalProtect, logSystem} {
		if err := l.sim.Config().Edit("boss", "set", loginListPath(kind), `<entry name="ad-2"><filter>All Logs</filter><send-syslog><member>ad-1</member></send-syslog></entry>`); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.sim.Config().Commit("boss"); err != nil {
		t.Fatal(err)
	}
	l.at("1")
	if s := stepFor(t, l.removal(false), `system log settings "ad-1"`); s.Action != ActionDelete {
		t.Errorf("%v", s)
	}
	if s := stepFor(t, l.removal(true), `system log settings "ad-2"`); s.Action != ActionPerson || !strings.Contains(s.Detail, `"vsys2"`) {
		t.Errorf("the other one's own: %v", s)
	}
}

// parted is a firewall of which a Panorama has two virtual systems in a device group each, below a common parent with a Pre Rule.
func parted(t *testing.T, m managed, local string) *panoramaLab {
	t.Helper()
	vsys2 := `</entry><entry name="vsys2"><zone><entry name="untrust"/><entry name="dmz"/></zone>` + local + `</entry></vsys>`
	m.several, m.local, m.hq = true, strings.Replace(withoutCleanup(), "</entry></vsys>", vsys2, 1), m.hq+preRules(m.rules+letIn("hq", "dmz"))
	l := newPanoramaLab(t, m)
	l.changed("set", groupsOfPanorama, `<entry name="dept-b"><devices><entry name="`+serial+`"><vsys><entry name="vsys2"/></vsys></entry></devices></entry>`)
	l.changed("set", "/config/readonly/devices/entry[@name='localhost.localdomain']/device-group", `<entry name="dept-b"><parent-dg>hq</parent-dg></entry>`)
	l.push("dept-b")
	return l
}

func (l *panoramaLab) push(group string) {
	l.t.Helper()
	if err := l.panorama.Push(group); err != nil {
		l.t.Fatal(err)
	}
}

// What one virtual system made on Panorama, and another with another tag lives on, stays, and so does what that made there itself; it goes once that is gone.
func TestWhatAnotherTagLivesOnStaysOnPanorama(t *testing.T) {
	web := strings.Replace(letIn("web", "dmz"), "<action>", "<log-setting>to-siem</log-setting><log-end>yes</log-end><action>", 1)
	for name, m := range map[string]managed{"its own": {}, "somebody's log forwarding": {template: theirServer, hq: toSIEM, rules: web}} {
		t.Run(name, func(t *testing.T) {
			l := parted(t, m, "")
			for _, v := range []string{"1", "2"} {
				l.at(v)
				if _, err := l.carryOut(m.rules != ""); err != nil {
					t.Fatal(err)
				}
				l.push("dept-b")
			}
			before := l.fails()
			for _, adopt := range []bool{false, true} {
				l.at("1")
				left := l.takeAway(adopt)
				for _, s := range left.Steps {
					if own := adopt || s.Object != `security rule "web"` && s.Object != `log forwarding profile "ad-1"`; own && (s.Action != ActionPerson || strings.Contains(s.Detail, "--adopt")) || strings.Contains(s.Object, "ad-2") {
						t.Errorf("adopt %v, left: %v", adopt, s)
					}
				}
				server := left.Steps[slices.IndexFunc(left.Steps, func(s Step) bool {
					return s.Object == `syslog server profile "ad-1"` && strings.Contains(s.Detail, "Panorama")
				})]
				if !strings.Contains(server.Detail, map[bool]string{true: `"to-siem"`, false: `"ad-2-panorama"`}[m.rules != ""]) || server.Commands != nil {
					t.Errorf("adopt %v: %v", adopt, server)
				}
				if list := `match list "ad-1-traffic" of log forwarding profile "to-siem"`; m.rules != "" {
					if s := stepFor(t, left.Steps, list); !strings.Contains(s.Detail, `virtual system "vsys2"`) {
						t.Errorf("adopt %v: %v", adopt, s)
					}
				}
				l.push("dept-b")
				l.at("2")
				if again, after := taken(l.whole().Steps, false), l.fails(); len(again) != 0 || !slices.Equal(after, before) {
					t.Errorf("adopt %v: the other one lacks %q, %q, before %q", adopt, shorts(again), after, before)
				}
			}
			l.takeAway(true)
			l.push("branches")
			l.at("1")
			for _, s := range l.takeAway(true).Steps {
				if s.Action != ActionPerson || len(s.Commands) != 1 {
					t.Errorf("left: %v", s)
				}
			}
			if groups, _, _ := strings.Cut(l.panorama.Config().Running(), "<template>"); strings.Contains(groups, "ad-1") || strings.Contains(groups, "ad-2") {
				t.Errorf("left of ours:\n%s", groups)
			}
		})
	}
}

// What a run made at a common parent of two device groups for one virtual system holds up no push to the other one, which has nothing that names it; what that
// names does.
func TestWhatAnotherVirtualSystemHasOfACommonParent(t *testing.T) {
	l := parted(t, managed{}, `<rulebase><security><rules>`+named(letIn("local", "dmz"), "source", "RU")+`</rules></security></rulebase>`)
	l.at("1")
	if _, err := l.carryOut(false); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(l.panorama.Config().Running(), `"ad-1-list-panorama"`) {
		t.Fatal("nothing was made for the first one")
	}
	l.at("2")
	const regions = groupsOfPanorama + "/entry[@name='hq']/region"
	l.changed("set", regions, `<entry name="RU"><address><member>203.0.113.0/24</member></address></entry>`)
	if err := l.panorama.Push("branches"); err != nil {
		t.Fatal(err)
	}
	l.refused(`region "RU" of hq, which is new and has a name that is in use`)
	l.changed("delete", regions+"/entry[@name='RU']", "")
	if err := l.panorama.Push("branches"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.carryOut(false); err != nil {
		t.Fatal(err)
	}
	if again := taken(l.whole().Steps, false); len(again) != 0 || len(l.sim.Traffic().Rules("vsys2")) == 0 || !strings.HasPrefix(l.sim.Traffic().Rules("vsys2")[0].Name, "ad-2-block") {
		t.Errorf("left: %q, rules %v", shorts(again), l.sim.Traffic().Rules("vsys2"))
	}
}

// What a removal took from a common parent of two device groups for one virtual system holds up none for the other one, in which nothing names it; what that
// names does.
func TestRemovalsBelowACommonParent(t *testing.T) {
	l := parted(t, managed{}, `<rulebase><security><rules>`+named(letIn("local", "dmz"), "source", "RU")+`</rules></security></rulebase>`)
	const regions = groupsOfPanorama + "/entry[@name='hq']/region"
	for _, v := range []string{"1", "2"} {
		l.at(v)
		if _, err := l.carryOut(false); err != nil {
			t.Fatal(err)
		}
	}
	l.at("1")
	l.takeAway(false)
	l.at("2")
	l.changed("set", regions, `<entry name="RU"><address><member>203.0.113.0/24</member></address></entry>`)
	l.push("dept-b")
	l.at("1")
	if _, err := l.carryOut(false); err != nil {
		t.Fatal(err)
	}
	l.push("branches")
	l.at("2")
	l.push("dept-b")
	l.at("1")
	l.takeAway(false)
	l.changed("delete", regions+"/entry[@name='RU']", "")
	l.push("branches")
	l.at("2")
	plan, err := Remove(t.Context(), l.device, l.want, false)
	if err != nil {
		t.Fatal(err)
	}
	if err = plan.Panorama.MayPush(l.device); err == nil || !strings.Contains(err.Error(), `region "RU", which is gone there`) || strings.Contains(err.Error(), "ad-1") {
		t.Errorf("a region that a local rule names: %v", err)
	}
	l.changed("set", regions, `<entry name="RU"><address><member>203.0.113.0/24</member></address></entry>`)
	if plan, err = Remove(t.Context(), l.device, l.want, false); err == nil {
		err = plan.Panorama.MayPush(l.device)
	}
	if err != nil {
		t.Fatal(err)
	}
	l.takeAway(false)
	if running := l.panorama.Config().Running(); strings.Contains(running, `-panorama"`) {
		t.Errorf("Panorama has %s", running)
	}
}
