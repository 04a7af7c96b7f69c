package policy

import (
	"slices"
	"strings"
	"testing"

	"activedefense/firewall"
	"activedefense/firewall/panosim"
)

// from has a rule be from this source, which it is from any.
func from(rule, source string) string {
	return strings.Replace(rule, "<source><member>any</member>", "<source><member>"+source+"</member>", 1)
}

// A rule of others above ours that lets in what is blocked, and names our own group, is no exception: ours moves above it.
func TestAnAllowOfOurGroupIsNoException(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Config = rulesOfOthers })
	l.apply(l.plan(), false)
	for _, e := range [][3]string{
		{"set", vsys1 + "/rulebase/security/rules", from(letIn("exception", "dmz"), tag)},
		{"delete", vsys1 + "/rulebase/security/rules/entry[@name='active-defense-block']/log-setting", ""}, // so that there is something else to do as well
	} {
		if err := l.sim.Config().Edit("svc-activedefense", e[0], e[1], e[2]); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.sim.Config().Edit("svc-activedefense", "move", vsys1+"/rulebase/security/rules/entry[@name='exception']", "top"); err != nil {
		t.Fatal(err)
	}
	l.commit()
	s := stepFor(t, l.plan(), `security rule "active-defense-block"`)
	if s.Action != ActionMove || s.Foreign || !strings.Contains(s.Detail, `below "exception"`) {
		t.Errorf("the step is %+v", s)
	}
	l.apply(l.plan(), false)
	l.commit()
	if fails := l.fails(); slices.ContainsFunc(fails, func(f string) bool {
		return strings.HasPrefix(f, CheckBlockPosition) || strings.HasPrefix(f, CheckBlockLogs)
	}) {
		t.Error(fails)
	}
}

// So it is where the rule is a Pre Rule of Panorama: there is a plan.
func TestAnAllowOfOurGroupOnPanorama(t *testing.T) {
	for _, mode := range []string{PanoramaPlan, PanoramaApply} {
		l := newPanoramaLab(t, managed{branches: ourGroup + preRules(from(letIn("exception", "dmz"), "blacklist"))})
		l.want.Panorama = mode
		if !slices.ContainsFunc(l.whole().Steps, func(s Step) bool {
			return strings.HasPrefix(s.Object, `security rule "active-defense-block`) && strings.Contains(s.Detail, `"exception"`)
		}) {
			t.Errorf("%s: no step for our rule below the exception", mode)
		}
	}
}

// In mode address-group, a group of our name with our tag into which others put addresses is somebody else's until it is adopted, and so
// is a rule of ours that would stop these.
func TestNoRuleOfOursStopsWhatOthersPutIntoItsGroup(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeGroup, func(o *panosim.Options) {
		o.Config = confOf(`<address><entry name="partner"><ip-netmask>198.51.100.9</ip-netmask></entry></address><tag><entry name="active-defense"/></tag>`+
			`<address-group><entry name="active-defense"><static><member>partner</member></static><tag><member>active-defense</member></tag></entry></address-group>`, "")
	})
	steps := l.plan()
	if s := stepFor(t, steps, `security rule "active-defense-block"`); !s.Foreign || !strings.Contains(s.Detail, `holds "partner"`) {
		t.Errorf("the step is %+v", s)
	}
	l.apply(steps, false)
	if candidate := l.sim.Config().Candidate(); strings.Contains(candidate, `"active-defense-block"`) {
		t.Error("the rule was made without --adopt")
	}
}

// Where what a rule of ours names cannot be made, and others have a rule of its name, the plan says what is in the way.
func TestAPlanSaysWhatIsInTheWayOfOurRule(t *testing.T) {
	const logs = `<entry name="NAME"><match-list><entry name="t"><log-type>traffic</log-type><filter>All Logs</filter><send-syslog><member>siem</member></send-syslog></entry></match-list></entry>`
	for object, shared := range map[string]string{
		`address group "active-defense"`: `<address-group><entry name="active-defense"><dynamic><filter>'other'</filter></dynamic></entry></address-group>`,
		`log forwarding profile "active-defense"`: `<log-settings><syslog><entry name="siem"><server><entry name="s"><server>127.0.0.2</server></entry></server></entry></syslog><profiles>` +
			strings.Replace(logs, "NAME", "active-defense", 1) + strings.Replace(logs, "NAME", "active-defense-own", 1) + `</profiles></log-settings>`,
	} {
		t.Run(object, func(t *testing.T) {
			mode, rule := firewall.ModeGroup, strings.Replace(letIn("active-defense-block", "any"), "<action>allow", "<action>drop", 1)
			if strings.HasPrefix(object, "log") {
				mode, rule = firewall.ModeTag, strings.Replace(rule, "<action>", "<log-setting>active-defense</log-setting><action>", 1)
			}
			before, rules, _ := strings.Cut(confOf(shared, ""), "<rules>")
			_, after, _ := strings.Cut(rules, "</rules>")
			l := newProvisionLab(t, mode, func(o *panosim.Options) { o.Config = before + "<rules>" + rule + "</rules>" + after })
			l.want.Adopt = true
			if s := stepFor(t, l.plan(), object); s.Action != ActionPerson {
				t.Errorf("the step is %+v", s)
			}
		})
	}
}
