package policy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"activedefense/firewall"
	"activedefense/firewall/decision"
	"activedefense/firewall/panosim"
	"activedefense/firewall/xmlapi"
)

func (l *provisionLab) removal(adopt bool) []Step {
	l.t.Helper()
	plan, err := Remove(l.t.Context(), l.device, l.want, adopt)
	if err != nil {
		l.t.Fatal(err)
	}
	isBlocked := func(d decision.Difference) bool { return d.BlockedSources }
	if i := slices.IndexFunc(plan.Differences, isBlocked); i > 0 || i < 0 && slices.ContainsFunc(plan.Steps, func(s Step) bool { return s.Object == `security rule "active-defense-block"` }) {
		l.t.Errorf("what would be decided otherwise: %v", plan.Differences)
	}
	return plan.Steps
}

// What provision made is taken away again, in every mode and dialect, and nothing else is.
func TestRemoveLeavesWhatWasThereBefore(t *testing.T) {
	for _, mode := range modes {
		for _, o := range everyFirewall() {
			t.Run(mode+" "+o.Version+" "+o.Dialect.String(), func(t *testing.T) {
				l := newProvisionLab(t, mode, func(options *panosim.Options) {
					options.Dialect, options.Version, options.Config = o.Dialect, o.Version, rulesOfOthers
				})
				before := names(l.sim.Config().Running())
				l.apply(l.plan(), false)
				l.commit()
				steps := l.removal(false)
				if slices.ContainsFunc(steps, func(s Step) bool {
					return s.Action != ActionDelete && s.Object != `default rule "interzone-default"` || s.Foreign
				}) {
					t.Errorf("not ours, or not taken away: %v", steps)
				}
				if running := l.sim.Config().Running(); !strings.Contains(running, tag) {
					t.Fatal("a plan has changed the configuration")
				}
				// At no step does anything refer to what is gone: each could be committed.
				for i := range steps {
					l.apply(steps[i:i+1], false)
					if err := l.sim.Config().Commit("svc-activedefense"); err != nil {
						t.Fatalf("after step %d, %v: %v", i+1, steps[i], err)
					}
				}
				if again := l.removal(false); len(again) != 0 {
					t.Errorf("left: %v", again)
				}
				if after := l.sim.Config().Running(); strings.Contains(after, tag) || !slices.Equal(names(after), before) {
					t.Errorf("left of ours, or gone of others:\n%s", after)
				}
			})
		}
	}
}

// An override of a default rule that is there for the logging alone goes as a whole; what else one says stays.
func TestRemoveOfDefaultRules(t *testing.T) {
	rules, _, _ := strings.Cut(rulesOfOthers, `<entry name="cleanup">`)
	config := rules + `</rules></security><default-security-rules><rules><entry name="intrazone-default"><action>deny</action></entry></rules></default-security-rules></rulebase></entry></vsys></entry></devices></config>`
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Config = config })
	before := l.sim.Config().Running()
	l.apply(l.plan(), true)
	l.commit()
	if running := l.sim.Config().Running(); strings.Count(running, "-default\"><action>") != 2 {
		t.Fatalf("the default rules were not overridden:\n%s", running)
	}
	l.apply(l.removal(true), true)
	l.commitRemoval()
	after := l.sim.Config().Running()
	if !slices.Equal(names(after), names(before)) || strings.Contains(after, tag) || !strings.Contains(after, `<entry name="intrazone-default"><action>deny</action>`) {
		t.Errorf("after the removal:\n%s", after)
	}
}

// Of an override of ours all that we set goes, whatever others have made of it since; what they said stays. One that says nothing then is gone,
// and the default rule decides as before.
func TestRemoveOfDefaultRulesThatOthersChanged(t *testing.T) {
	const at = vsys1 + "/rulebase/default-security-rules/rules/entry[@name='intrazone-default']"
	const theirs = `<entry name="siem"><match-list><entry name="t"><log-type>traffic</log-type><filter>All Logs</filter><send-syslog><member>siem</member></send-syslog></entry></match-list></entry>`
	for name, c := range map[string]struct{ action, path, element, left string }{
		"nothing":             {"", "", "", ""},
		"decides otherwise":   {"edit", at + "/action", "<action>deny</action>", "<action>deny</action>"},
		"bears a tag":         {"set", at + "/tag", "<member>theirs</member>", "<action>allow</action><tag><member>theirs</member></tag>"},
		"no longer logs":      {"delete", at + "/log-setting", "", ""},
		"logs to others":      {"edit", at + "/log-setting", "<log-setting>siem</log-setting>", "<action>allow</action><log-start>no</log-start><log-end>yes</log-end><log-setting>siem</log-setting>"},
		"logs at the start":   {"edit", at + "/log-start", "<log-start>yes</log-start>", ""},
		"neither, and denies": {"edit", at, `<entry name="intrazone-default"><action>deny</action><tag><member>active-defense</member></tag></entry>`, "<action>deny</action>"},
	} {
		t.Run(name, func(t *testing.T) {
			rules, _, _ := strings.Cut(rulesOfOthers, `<entry name="cleanup">`)
			config := strings.Replace(rules, "<shared/>", `<shared><log-settings><syslog><entry name="siem"><server><entry name="s"><server>192.0.2.50</server></entry></server></entry></syslog><profiles>`+theirs+`</profiles></log-settings></shared>`, 1) +
				`</rules></security></rulebase><tag><entry name="theirs"/></tag></entry></vsys></entry></devices></config>`
			l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Config = config })
			l.apply(l.plan(), false)
			l.commit()
			if c.action != "" {
				if err := errors.Join(l.sim.Config().Edit("boss", c.action, c.path, c.element), l.sim.Config().Commit("boss")); err != nil {
					t.Fatal(err)
				}
			}
			before := flows(l.sim)[2] // within a zone
			plan, err := Remove(t.Context(), l.device, l.want, false)
			if err != nil || slices.ContainsFunc(plan.Differences, func(d decision.Difference) bool { return !d.BlockedSources }) {
				t.Errorf("%v, %v", plan.Differences, err)
			}
			l.apply(plan.Steps, false)
			l.commitRemoval()
			n, err := l.device.Show(t.Context(), "look", at)
			left := ""
			if n != nil {
				left = strings.TrimSuffix(strings.TrimPrefix(n.Clean().XML(), `<entry name="intrazone-default">`), "</entry>")
			}
			if err != nil || left != c.left {
				t.Errorf("left is %s, want %s, %v", left, c.left, err)
			}
			if after := flows(l.sim)[2]; after != before || strings.Contains(l.sim.Config().Running(), tag) {
				t.Errorf("decides %s, before %s:\n%s", after, before, l.sim.Config().Running())
			}
		})
	}
}

// names are those of all entries of a configuration, in their order.
func names(config string) (list []string) {
	for _, part := range strings.Split(config, `<entry name="`)[1:] {
		name, _, _ := strings.Cut(part, `"`)
		list = append(list, name)
	}
	return list
}

// What others' objects refer to stays, and with it what that needs, until the reference is taken off: of log forwarding by
// us, where it is adopted; of addresses, only by them.
func TestRemoveNeverTakesFromOthersWhatTheyUse(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Config = rulesOfOthers })
	l.apply(l.plan(), true)
	l.commit()
	const rule = vsys1 + "/rulebase/security/rules/entry[@name='web']/source"
	if err := l.sim.Config().Edit("somebody", "edit", rule, "<source><member>"+tag+"</member></source>"); err != nil {
		t.Fatal(err)
	}
	if err := l.sim.Config().Commit("somebody"); err != nil {
		t.Fatal(err)
	}
	steps := l.removal(false)
	for want, how := range map[string]string{
		`security rule "web"`: "not ours", `security rule "cleanup"`: "not ours",
		`log forwarding profile "active-defense"`: `"web", security rule "cleanup" still refers`,
		`syslog server profile "active-defense"`:  `It stays: log forwarding profile "active-defense" still refers`,
		`address group "active-defense"`:          `security rule "web" still refers`,
	} {
		i := slices.IndexFunc(steps, func(s Step) bool { return s.Object == want })
		switch {
		case i < 0:
			t.Errorf("nothing is said of %s: %v", want, steps)
		case how == "not ours" && (!steps[i].Foreign || steps[i].Action != ActionChange), how != "not ours" && (steps[i].Action != ActionPerson || !strings.Contains(steps[i].Detail, how)):
			t.Errorf("of %s: %+v, want %s", want, steps[i], how)
		}
	}
	l.apply(steps, false)
	l.commitRemoval()
	left := l.removal(true)
	l.apply(left, true)
	l.commitRemoval()
	left = l.removal(true)
	if len(left) != 1 || left[0].Object != `address group "active-defense"` || left[0].Action != ActionPerson {
		t.Errorf("left: %v", left)
	}
	for _, name := range []string{"web", "cleanup"} {
		if rule := ruleOf(t, l.sim.Config().Running(), name); strings.Contains(rule, "log-setting") {
			t.Errorf("still logs to us: %s", rule)
		}
	}
	if err := l.sim.Config().Edit("somebody", "edit", rule, "<source><member>any</member></source>"); err != nil {
		t.Fatal(err)
	}
	if err := l.sim.Config().Commit("somebody"); err != nil {
		t.Fatal(err)
	}
	l.apply(l.removal(false), false)
	l.commitRemoval()
	if running := l.sim.Config().Running(); strings.Contains(running, tag) {
		t.Errorf("left of ours:\n%s", running)
	}
}

const vsys1 = "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']"

func (l *provisionLab) commitRemoval() {
	l.t.Helper()
	if _, err := Commit(l.t.Context(), l.device, l.want, ""); err != nil {
		l.t.Fatal(err)
	}
}

// What was changed of others alone is committed too, though nothing bears our name, and by us alone.
func TestAdoptedChangesAloneAreCommitted(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Config = rulesOfOthers })
	l.apply(l.plan(), false)
	l.commit()
	if err := l.sim.Config().Edit("somebody", "set", vsys1+"/tag", `<entry name="theirs"/>`); err != nil {
		t.Fatal(err)
	}
	l.apply(l.plan(), true)
	if done, err := Commit(t.Context(), l.device, l.want, ""); err != nil || !done {
		t.Errorf("committed: %v, %v", done, err)
	}
	running := l.sim.Config().Running()
	if rule := ruleOf(t, running, "web"); !strings.Contains(rule, "log-setting") || strings.Contains(running, "theirs") {
		t.Errorf("the running configuration is\n%s", running)
	}
	if left := l.plan(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// A rule that logs to somebody else goes on doing so, and its profile sends to us as well; --remove takes that away again.
func TestSomebodyElsesLogForwardingIsJoined(t *testing.T) {
	const siem = `<shared><log-settings><syslog><entry name="siem"><server><entry name="siem"><server>192.0.2.77</server></entry></server></entry></syslog>` +
		`<profiles><entry name="to-siem"><match-list><entry name="traffic"><log-type>traffic</log-type><filter>All Logs</filter><send-syslog><member>siem</member></send-syslog></entry></match-list></entry></profiles></log-settings></shared>`
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) {
		o.Config = strings.ReplaceAll(strings.Replace(rulesOfOthers, "<shared/>", siem, 1), "</action></entry>", "</action><log-setting>to-siem</log-setting></entry>")
	})
	before := l.sim.Config().Running()
	l.apply(l.plan(), true)
	l.commit()
	running := l.sim.Config().Running()
	for _, name := range []string{"web", "cleanup"} {
		if rule := ruleOf(t, running, name); !strings.Contains(rule, "<log-setting>to-siem</log-setting>") {
			t.Errorf("the SIEM is blind: %s", rule)
		}
	}
	if n := strings.Count(running, "<member>siem</member>"); n != 1 {
		t.Errorf("the SIEM is sent to by %d match lists", n)
	}
	for _, name := range []string{tag + "-traffic", tag + "-threat"} {
		if !strings.Contains(running, `<entry name="`+name+`"><log-type>`) {
			t.Errorf("no match list %s", name)
		}
	}
	for _, f := range l.fails() {
		if !strings.HasPrefix(f, "api-role warn") && !strings.Contains(f, `"web" has no vulnerability protection`) {
			t.Error(f)
		}
	}
	if left := l.plan(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	l.apply(l.removal(false), false)
	l.commitRemoval()
	if after := l.sim.Config().Running(); !slices.Equal(names(after), names(before)) || !strings.Contains(ruleOf(t, after, "web"), "to-siem") {
		t.Errorf("after the removal:\n%s", after)
	}
}

// A rule of somebody else's to or from our group stops nothing more once the registered addresses are gone: that is among what is decided otherwise.
func TestRemoveTellsWhatRulesOfOthersOnOurGroupNoLongerStop(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Config = rulesOfOthers })
	l.apply(l.plan(), false)
	l.commit()
	rules := xmlapi.VSysPath("vsys1") + "/rulebase/security/rules"
	home := strings.NewReplacer("<from><member>any", "<from><member>dmz", "<destination><member>any", "<destination><member>"+tag, "allow<", "deny<").Replace(letIn("no calls home", "untrust"))
	out := strings.Replace(letIn("out", "untrust"), "<from><member>any", "<from><member>dmz", 1)
	for _, e := range []error{l.sim.Config().Edit("boss", "set", rules, home), l.sim.Config().Edit("boss", "set", rules, out),
		l.sim.Config().Edit("boss", "move", rules+xmlapi.EntryNamed("out"), "top"), l.sim.Config().Edit("boss", "move", rules+xmlapi.EntryNamed("no calls home"), "top"), l.sim.Config().Commit("boss")} {
		if e != nil {
			t.Fatal(e)
		}
	}
	plan, err := Remove(t.Context(), l.device, l.want, false)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(plan.Differences, func(d decision.Difference) bool { return strings.Contains(d.RuleBefore, "no calls home") })
	if i < 0 || plan.Differences[i].RuleAfter != `"out"` || plan.Differences[i].ActionAfter != "allow" || !slices.Contains(plan.Differences[i].Conditions, "destination blocked sources") {
		t.Errorf("decided otherwise: %+v", plan.Differences)
	}
}

// What is shared stays as long as another virtual system has rules of ours, and its own objects of our names are not touched.
func TestRemoveLeavesOtherVirtualSystemsArmed(t *testing.T) {
	const zones = `<zone><entry name="untrust"/><entry name="dmz"/></zone>`
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) {
		o.VSys = []string{"vsys1", "vsys2"}
		o.Config = `<config version="10.2.0"><shared/><devices><entry name="localhost.localdomain"><vsys><entry name="vsys1">` + zones + `</entry><entry name="vsys2">` + zones + `</entry></vsys></entry></devices></config>`
	})
	l.want.InternetZones = []string{"untrust"}
	for _, vsys := range []string{"vsys1", "vsys2"} {
		l.opts.VSys = vsys
		l.restart()
		l.apply(l.plan(), false)
		l.commit()
	}
	l.apply(l.removal(true), true)
	l.commitRemoval()
	l.opts.VSys = "vsys1"
	l.restart()
	if left := l.plan(); len(left) != 0 {
		t.Errorf("the other virtual system lacks: %v", left)
	}
	l.apply(l.removal(true), true)
	l.commitRemoval()
	if running := l.sim.Config().Running(); strings.Contains(running, `"`+tag+`-block"`) || strings.Contains(running, `"`+tag+`-ca"`) {
		t.Errorf("left of ours:\n%s", running)
	}
}

// What somebody else put into an object that blocks is dropped like what is blocked, and a plan tells of it.
func TestWhatOthersBlockByOurTagIsTold(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) {
		o.Config = strings.Replace(rulesOfOthers, "<rulebase>", `<address><entry name="partner"><ip-netmask>203.0.113.9/32</ip-netmask><tag><member>`+tag+`</member></tag></entry></address><rulebase>`, 1)
	})
	plan, err := Provision(t.Context(), l.device, l.want)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(plan.Differences, func(d decision.Difference) bool {
		return !d.BlockedSources && strings.Contains(d.Traffic, "203.0.113.9")
	}) {
		t.Errorf("nothing is told of the partner who bears our tag: %v", plan.Differences)
	}
}

// What bears our names and is not as we make it is somebody else's: it goes only with --adopt, tags off others' objects included.
func TestRemoveOfWhatBearsOurNames(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) {
		o.Config = strings.Replace(strings.Replace(rulesOfOthers, "<rulebase>", `<tag><entry name="`+tag+`"><comments>SOC team</comments></entry></tag><address><entry name="`+tag+
			`-mgmt"><ip-netmask>192.0.2.9</ip-netmask><tag><member>`+tag+`</member></tag></entry></address><rulebase>`, 1), `<action>allow</action>`, `<action>allow</action><tag><member>`+tag+`</member></tag>`, 1)
	})
	for _, adopt := range []bool{false, true} {
		l.apply(l.removal(adopt), adopt)
		l.commitRemoval()
		running := l.sim.Config().Running()
		if !strings.Contains(running, tag+"-mgmt") || strings.Contains(running, "SOC team") == adopt || strings.Contains(ruleOf(t, running, "web"), tag) == adopt {
			t.Errorf("adopt %v:\n%s", adopt, running)
		}
	}
	l = newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) {
		o.Config = strings.Replace(rulesOfOthers, "<rulebase>", `<tag><entry name="`+tag+`"><comments>SOC team</comments></entry></tag><rulebase>`, 1)
	})
	if l.apply(l.removal(false), false); !strings.Contains(l.sim.Config().Candidate(), "SOC team") {
		t.Error("a tag that nobody uses, and that is not as we make it, is gone")
	}
}

// An address of our name stays, adopted or not, where it is not as the daemon writes it, or a dynamic address group of somebody else's holds it: by a
// rule with such a group what it allows would be cut.
func TestRemoveLeavesAnAddressThatOthersHold(t *testing.T) {
	const tags, group = `<tag><entry name="active-defense"/><entry name="trusted"/></tag>`, `<address-group><entry name="partners"><dynamic><filter>%s</filter></dynamic></entry></address-group>`
	entry := `<entry name="active-defense-192.0.2.%d"><ip-netmask>192.0.2.%[1]d</ip-netmask><tag><member>active-defense</member>%s</tag></entry>`
	for _, mode := range modes {
		for _, c := range []struct {
			name, filter string
			all, tagged  bool // all addresses stay; the one of others, where it is adopted, with our tag
		}{
			{"by another tag", "'trusted'", false, false},
			{"by ours or another", "'active-defense' or 'trusted'", true, false},
			{"by ours", "'active-defense' and 'trusted'", false, true},
			{"by what it does not bear", "not 'trusted'", true, false},
		} {
			l := newProvisionLab(t, mode, func(o *panosim.Options) {
				o.Config = strings.Replace(rulesOfOthers, "<rulebase>", tags+fmt.Sprintf(group, c.filter)+"<address>"+fmt.Sprintf(entry, 20, "<member>trusted</member>")+fmt.Sprintf(entry, 21, "")+fmt.Sprintf(entry, 22, "")+"</address><rulebase>", 1)
			})
			for _, adopt := range []bool{false, true} {
				steps := l.removal(adopt)
				if says := func(s Step) bool {
					return s.Object == `address "active-defense-192.0.2.20"` && s.Action == ActionPerson
				}; !slices.ContainsFunc(steps, says) {
					t.Errorf("%s, %s, adopt %v: nothing is said of what stays: %v", mode, c.name, adopt, steps)
				}
				l.apply(steps, adopt)
				left := l.sim.Config().Candidate()
				if !strings.Contains(left, `"active-defense-192.0.2.20"`) || strings.Contains(left, `"active-defense-192.0.2.21"`) != c.all {
					t.Errorf("%s, %s, adopt %v: left is %s", mode, c.name, adopt, left)
				}
				if bears := strings.Contains(left, "<tag><member>active-defense</member><member>trusted</member></tag>"); bears != (c.tagged || !adopt) {
					t.Errorf("%s, %s, adopt %v: it bears our tag: %v", mode, c.name, adopt, bears)
				}
			}
		}
	}
}

// The last tag of an address stays where a filter may hold it without one, too: whether a firewall asks what bears no tag no source says.
func TestRemoveLeavesTheLastTagThatAFilterMayNeed(t *testing.T) {
	for filter, stays := range map[string]bool{"not 'x'": true, "'x'": false} {
		l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) {
			o.Config = strings.Replace(rulesOfOthers, "<rulebase>", `<tag><entry name="active-defense"/><entry name="x"/></tag><address><entry name="partner"><ip-netmask>192.0.2.20</ip-netmask><tag><member>active-defense</member></tag></entry></address>`+
				`<address-group><entry name="partners"><dynamic><filter>`+filter+`</filter></dynamic></entry></address-group><rulebase>`, 1)
		})
		step := stepFor(t, l.removal(true), `address "partner"`)
		if (step.Action == ActionPerson) != stays || stays && !strings.Contains(step.Detail, `address group "partners"`) {
			t.Errorf("%s: %s", filter, step)
		}
	}
}

// What is shared keeps our tag, or stays, where a dynamic address group may hold it by that which Panorama pushed to another virtual system.
func TestRemoveAsksWhatPanoramaPushedToOtherVirtualSystems(t *testing.T) {
	const groups = `<address-group><entry name="grp"><dynamic><filter>'active-defense'</filter></dynamic></entry></address-group>`
	for _, of := range []string{"vsys1", "vsys2"} {
		local := strings.Replace(withoutCleanup(), "<shared/>", `<shared><address><entry name="partner"><ip-netmask>192.0.2.20</ip-netmask><tag><member>active-defense</member></tag></entry></address><tag><entry name="active-defense"/></tag></shared>`, 1)
		local = strings.Replace(local, "</entry></vsys>", `</entry><entry name="vsys2"><zone><entry name="dmz"/></zone></entry></vsys>`, 1)
		l := newPanoramaLab(t, managed{several: true, local: local, branches: groups + preRules(letIn("hq", "dmz"))})
		l.changed("edit", groupsOfPanorama+"/entry[@name='branches']/devices/entry[@name='"+serial+"']/vsys", `<vsys><entry name="`+of+`"/></vsys>`)
		err := l.panorama.Push("branches")
		if of != "vsys1" {
			l.changed("set", groupsOfPanorama, `<entry name="another"><devices><entry name="`+serial+`"><vsys><entry name="vsys1"/></vsys></entry></devices>`+preRules(letIn("hq", "dmz"))+`</entry>`)
			err = errors.Join(err, l.panorama.Push("another"))
		}
		if err != nil {
			t.Fatal(err)
		}
		plan, err := Remove(t.Context(), l.device, l.want, true)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"vsys1": `address group "grp" of Panorama's tells`, "vsys2": `address group "grp" of Panorama's in virtual system "vsys2" tells`}[of]
		if step := stepFor(t, plan.Steps, `address "partner"`); step.Action != ActionPerson || !strings.Contains(step.Detail, want) {
			t.Errorf("%s: %s", of, step)
		}
	}
}

// A virtual system that a colleague makes, and that is not in force, stops no removal.
func TestRemoveBesideANewVirtualSystem(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.VSys, o.Config = []string{"vsys1", "vsys2"}, rulesOfOthers })
	if err := l.sim.Config().Edit("boss", "set", xmlapi.DevicePath+"/vsys", `<entry name="vsys3"/>`); err != nil {
		t.Fatal(err)
	}
	if _, err := Remove(t.Context(), l.device, l.want, false); err != nil {
		t.Error(err)
	}
}

// A commit alone, asked to take away, does not put in force what an earlier run wrote to block; with what takes it away, it is no edit by hand.
func TestRemoveCommitsNoProvisioning(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Config = rulesOfOthers })
	l.want.Admin = ourAdmin
	l.apply(l.plan(), false)
	for _, l.want.CommitAlone = range []bool{true, false} {
		plan, err := Remove(t.Context(), l.device, l.want, false)
		if named := strings.Contains(plan.TakesAlong(), `security rule "active-defense-block" (vsys1)`); err != nil || named != l.want.CommitAlone || (plan.MayTakeAlong(l.device) != nil) != named {
			t.Errorf("commit alone %v: it names %q, %v", l.want.CommitAlone, plan.TakesAlong(), err)
		}
	}
	plan, err := Remove(t.Context(), l.device, l.want, false)
	if err != nil {
		t.Fatal(err)
	}
	l.apply(plan.Steps, false)
	l.want.CommitAlone = true
	if plan, err := Remove(t.Context(), l.device, l.want, false); err != nil || plan.TakesAlong() != "" {
		t.Errorf("taken away: it names %q, %v", plan.TakesAlong(), err)
	}
}

// So it is on Panorama.
func TestRemoveCommitsNoProvisioningOnPanorama(t *testing.T) {
	l := newPanoramaLab(t, managed{local: withoutCleanup(), branches: preRules(letIn("hq", "dmz"))})
	l.want.Admin = ourAdmin
	if _, err := TakeOnPanorama(t.Context(), l.itself(), l.whole().Steps, false); err != nil {
		t.Fatal(err)
	}
	for _, l.want.CommitAlone = range []bool{true, false} {
		plan, err := Remove(t.Context(), l.device, l.want, false)
		if named := strings.Contains(plan.TakesAlong(), `on Panorama `) && strings.Contains(plan.TakesAlong(), `security rule "active-defense-block-`+serial+`"`); err != nil || named != l.want.CommitAlone || (plan.MayTakeAlong(l.device) != nil) != named {
			t.Errorf("commit alone %v: it names %q, %v", l.want.CommitAlone, plan.TakesAlong(), err)
		}
	}
}

// The members of a group are taken away in one step and a few calls, those that somebody still uses excepted.
func TestRemoveOfALargeGroup(t *testing.T) {
	const full = 600 // more than one message holds
	var objects, members strings.Builder
	for i := range full {
		name := fmt.Sprintf("%s-198.18.%d.%d", tag, i/256, i%256)
		fmt.Fprintf(&objects, `<entry name="%s"><ip-netmask>198.18.%d.%d</ip-netmask><tag><member>%s</member></tag></entry>`, name, i/256, i%256, tag)
		fmt.Fprintf(&members, `<member>%s</member>`, name)
	}
	l := newProvisionLab(t, firewall.ModeGroup, func(o *panosim.Options) {
		o.Config = strings.Replace(confOf("", `<tag><entry name="`+tag+`"/></tag><address>`+objects.String()+`</address><address-group><entry name="`+tag+`"><static>`+members.String()+`</static></entry></address-group>`),
			"<member>198.51.100.7</member>", "<member>"+tag+"-198.18.0.7</member>", 1)
	})
	steps := l.removal(false)
	if s := stepFor(t, steps, fmt.Sprintf("%d addresses", full-1)); s.Action != ActionDelete || s.Foreign || len(s.Detail) > 500 {
		t.Errorf("%v", s)
	}
	if s := stepFor(t, steps, `address "active-defense-198.18.0.7"`); s.Action != ActionPerson {
		t.Errorf("%v", s)
	}
	l.sim.ResetStats()
	l.apply(steps, false)
	calls := 0
	for _, n := range l.sim.Stats().Calls {
		calls += n
	}
	if calls > 20 {
		t.Errorf("%d calls", calls)
	}
	if left := strings.Count(l.sim.Config().Candidate(), `<ip-netmask>198.18.`); left != 1 {
		t.Errorf("%d addresses are left", left)
	}
}

// What was written and not committed is told, of a plan and of a removal; what others edited is not ours.
func TestWhatIsNotCommittedIsTold(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeTag, nil)
	told := func(when string, remove, want bool) {
		t.Helper()
		plan, err := Provision(t.Context(), l.device, l.want)
		if remove {
			plan, err = Remove(t.Context(), l.device, l.want, false)
		}
		if err != nil || plan.Uncommitted != want {
			t.Errorf("%s: uncommitted: %v, %v", when, plan.Uncommitted, err)
		}
	}
	told("nothing is written", false, false)
	if err := l.sim.Config().Edit("somebody", "set", vsys1+"/tag", `<entry name="theirs"/>`); err != nil {
		t.Fatal(err)
	}
	told("somebody's edit", false, false)
	l.apply(l.plan(), false)
	told("written", false, true)
	l.commit()
	told("committed", false, false)
	told("committed, a removal", true, false)
	l.apply(l.removal(false), false)
	told("removed", true, true)
	l.commitRemoval()
	told("the removal is committed", true, false)
}

// A log forwarding action of somebody else's that gives our tag refers to the tag, and to no group of that name: the group goes, and the
// tag stays with those who are named.
func TestATagThatLogForwardingGivesIsNoGroup(t *testing.T) {
	const theirs = `<log-settings><profiles><entry name="partner"><match-list><entry name="t"><log-type>traffic</log-type><filter>All Logs</filter><actions><entry name="x"><type><tagging>` +
		`<action>add-tag</action><target>source-address</target><registration><localhost/></registration><tags><member>active-defense</member></tags></tagging></type></entry></actions></entry></match-list></entry></profiles></log-settings>`
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Config = confOf(theirs, "") })
	l.apply(l.plan(), false)
	l.commit()
	steps := l.removal(true)
	if s := stepFor(t, steps, `address group "active-defense"`); s.Action != ActionDelete {
		t.Errorf("%v", s)
	}
	if s := stepFor(t, steps, `tag "active-defense"`); s.Action != ActionPerson || !strings.Contains(s.Detail, `log forwarding profile "partner" still refers`) {
		t.Errorf("%v", s)
	}
	l.apply(steps, true)
	l.commitRemoval()
	if running := l.sim.Config().Running(); !strings.Contains(running, "<tags><member>active-defense</member></tags>") {
		t.Errorf("theirs was changed:\n%s", running)
	}
}

// Where log forwarding and syslog server profiles of others send to us already, what we made with them is taken away too, and they stay.
func TestRemoveTakesWhatLogsToUsByProfilesOfOthers(t *testing.T) {
	const loghost = `<syslog><entry name="loghost"><server><entry name="us"><server>127.0.0.1</server><port>5514</port></entry></server></entry></syslog>`
	const logs = `<profiles><entry name="logs"><match-list><entry name="t"><log-type>traffic</log-type><filter>All Logs</filter><send-syslog><member>loghost</member></send-syslog></entry></match-list></entry></profiles>`
	for name, settings := range map[string]string{"syslog server": loghost, "log forwarding": loghost + logs} {
		for _, adopt := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, adopt %v", name, adopt), func(t *testing.T) {
				rules, _, _ := strings.Cut(rulesOfOthers, `<entry name="cleanup">`)
				config := strings.Replace(rules, "<shared/>", "<shared><log-settings>"+settings+"</log-settings></shared>", 1) + `</rules></security></rulebase></entry></vsys></entry></devices></config>`
				if settings != loghost {
					config = strings.Replace(config, "<action>allow", "<log-setting>logs</log-setting><action>allow", 1)
				}
				l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Config = config })
				before := names(l.sim.Config().Running())
				l.apply(l.plan(), adopt)
				l.commit()
				if running := l.sim.Config().Running(); strings.Count(running, `-default"><action>`) != 2 || !strings.Contains(running, "<system><match-list>") {
					t.Fatalf("the default rules or the system log do not log to us:\n%s", running)
				}
				steps := l.removal(adopt)
				if i := slices.IndexFunc(steps, func(s Step) bool { return s.Foreign && !adopt || s.Action == ActionPerson }); i >= 0 {
					t.Errorf("not ours: %v", steps[i])
				}
				l.apply(steps, adopt)
				l.commitRemoval()
				if left := l.removal(adopt); len(left) != 0 {
					t.Errorf("left: %v", left)
				}
				if after := l.sim.Config().Running(); strings.Contains(after, tag) || !slices.Equal(names(after), before) {
					t.Errorf("left of ours, or gone of others:\n%s", after)
				}
			})
		}
	}
}

// A zone, a service or an application of our name refers to nothing of ours, and keeps it from nothing.
func TestRemoveWithAZoneOfOurName(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) {
		o.Config = strings.NewReplacer(`"dmz"`, `"`+tag+`"`, ">dmz<", ">"+tag+"<").Replace(rulesOfOthers)
	})
	before := names(l.sim.Config().Running())
	l.apply(l.plan(), false)
	l.commit()
	steps := l.removal(false)
	l.apply(steps, false)
	l.commitRemoval()
	if left := l.removal(false); len(left) != 0 || !slices.Equal(names(l.sim.Config().Running()), before) {
		t.Errorf("left: %v\n%s", left, l.sim.Config().Running())
	}
}

// A device whose configuration is longer than an answer may be is read in the parts that matter; where one of these is, it is said what to do.
func TestRemoveOfALargeConfiguration(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Config = fmt.Sprintf(servingFirewall, "", "") })
	l.want.InternetZones = []string{"provider"}
	l.apply(l.plan(), false)
	want, err := Remove(t.Context(), l.device, l.want, false)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := wholeDevice(t.Context(), "read it", l.device.Get)
	if err != nil {
		t.Fatal(err)
	}
	for _, long := range [][]string{{xmlapi.DevicePath}, {xmlapi.DevicePath, xmlapi.NetworkPath + "/interface"}} {
		read := func(ctx context.Context, what, xpath string) (*xmlapi.Node, error) {
			if slices.Contains(long, xpath) {
				return nil, l.device.Fail(what, &xmlapi.Error{Kind: xmlapi.KindOversize, Text: "too long"})
			}
			return l.device.Get(ctx, what, xpath)
		}
		device, err := wholeDevice(t.Context(), "read it", read)
		if len(long) > 1 {
			if xmlapi.Kind(err) != xmlapi.KindOversize || !strings.Contains(err.Error(), "Nothing was changed; what is ours can be taken away by hand") {
				t.Errorf("%v", err)
			}
			continue
		}
		if err != nil || device.Child("network").Child("interface").XML() != whole.Child("network").Child("interface").XML() || device.Child("vsys").XML() != whole.Child("vsys").XML() || device.Child("network").Child("profiles") != nil {
			t.Errorf("it reads %v, %v", device, err)
		}
		f, err := candidateFacts(t.Context(), l.device, l.want)
		if err != nil {
			t.Fatal(err)
		}
		if got := removal(f, l.want, false, device); fmt.Sprint(got) != fmt.Sprint(want.Steps) || len(got) == 0 {
			t.Errorf("the plan is %v, want %v", got, want.Steps)
		}
	}
}
