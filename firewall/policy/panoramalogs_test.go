package policy

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// Our log forwarding profile of the device group is mended where somebody narrowed it, or took a part of it away.
func TestOurLogProfileOnPanoramaIsMended(t *testing.T) {
	l := newPanoramaLab(t, managed{local: withoutCleanup(), branches: preRules(letIn("hq", "dmz"))})
	l.want.Adopt = true
	if _, err := l.carryOut(true); err != nil {
		t.Fatal(err)
	}
	at := groupsOfPanorama + "/entry[@name='branches']/log-settings/profiles/entry[@name='active-defense-panorama']/match-list"
	fails := func() bool {
		return slices.ContainsFunc(l.fails(), func(f string) bool { return strings.Contains(f, CheckForwarding) })
	}
	for _, edit := range [][3]string{
		{"edit", at + "/entry[@name='traffic']/filter", `<filter>(action eq deny)</filter>`},
		{"delete", at + "/entry[@name='threat']", ""},
		{"delete", at + "/entry[@name='traffic']", ""},
	} {
		if err := l.panorama.Config().Edit("boss", edit[0], edit[1], edit[2]); err != nil {
			t.Fatal(err)
		}
		if err := l.panorama.Config().Commit("boss"); err != nil {
			t.Fatal(err)
		}
		if err := l.panorama.Push("branches"); err != nil {
			t.Fatal(err)
		}
		if !fails() {
			t.Fatalf("%s: verify sees no fault", edit[1])
		}
		plan, err := l.carryOut(false)
		if err != nil || len(plan.Steps) == 0 || fails() {
			t.Errorf("%s: steps %v, %v; then %v", edit[1], plan.Steps, err, l.fails())
		}
		if again := l.whole(); len(again.Steps) != 0 {
			t.Errorf("%s: the second plan is %v", edit[1], again.Steps)
		}
	}
}

// A rule's log forwarding profile may stand above it: the step that has it send to us, too, tells whom that reaches, and what a firewall with
// another template needs.
func TestWhomALogProfileAboveItsRuleReaches(t *testing.T) {
	const profile = `<log-settings><profiles><entry name="siem"><match-list><entry name="t"><log-type>traffic</log-type><filter>All Logs</filter><send-syslog><member>siem</member></send-syslog></entry></match-list></entry></profiles></log-settings>`
	rule := preRules(strings.Replace(letIn("web", "dmz"), "<action>", "<log-end>yes</log-end><log-setting>siem</log-setting><action>", 1))
	template := `<log-settings><syslog><entry name="siem"><server><entry name="s"><server>192.0.2.9</server></entry></server></entry></syslog></log-settings>`
	for where, c := range map[string]struct {
		m     managed
		reach string
	}{
		"shared":   {managed{shared: profile, branches: rule}, "its log forwarding profile stands in Shared: it reaches every firewall that this Panorama manages; to a firewall whose template has no syslog server profile"},
		"hq":       {managed{hq: profile, branches: rule}, "its log forwarding profile stands in device group hq: it reaches every firewall of device group hq"},
		"branches": {managed{branches: profile + rule}, "it also reaches "},
	} {
		c.m.local, c.m.template = withoutCleanup(), template
		l := newPanoramaLab(t, c.m)
		i := slices.IndexFunc(l.whole().Steps, func(s Step) bool { return strings.HasPrefix(s.Object, `security rule "web"`) })
		if steps := l.whole().Steps; i < 0 || !strings.Contains(steps[i].Detail, c.reach) || where == "branches" && strings.Contains(steps[i].Detail, "stands in") {
			t.Errorf("profile in %s, %d: %v", where, i, steps)
		}
	}
}

// What verify tells Panorama's administrator to do names what is there: the log forwarding profile of the device group, no block rule among
// the Pre Rules before there is one.
func TestRemediesOnPanorama(t *testing.T) {
	l := newPanoramaLab(t, managed{local: withoutCleanup(), branches: preRules(letIn("hq", "dmz"))})
	remedies := func(check string) string {
		for _, c := range Verify(ReadFacts(t.Context(), l.device, l.want), l.want) {
			if c.Check == check {
				return c.Remedy
			}
		}
		return ""
	}
	plan := l.whole()
	l.apply(plan.Steps, false)
	l.commit()
	if text := remedies(CheckInternetRules); !strings.Contains(text, `"hq" > Actions: Log at Session End, Log Forwarding a profile of its device group that sends all`) {
		t.Errorf("nothing of ours is on Panorama: %s", text)
	}
	if text := remedies(CheckBlockPosition); !strings.Contains(text, `make the same rule above "hq"`) || strings.Contains(text, "move") {
		t.Errorf("no block rule is there: %s", text)
	}
	if _, err := l.carryOut(false); err != nil {
		t.Fatal(err)
	}
	if text := remedies(CheckInternetRules); !strings.Contains(text, `"hq" > Actions: Log at Session End, Log Forwarding active-defense-panorama; then push.`) {
		t.Errorf("our profile is there: %s", text)
	}
	rules := groupsOfPanorama + "/entry[@name='branches']/pre-rulebase/security/rules"
	for _, name := range []string{"active-defense-block-" + serial, "active-defense-block-list-" + serial} {
		if err := l.itself().Move(t.Context(), "lower it", rules+"/entry[@name='"+name+"']", "bottom"); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(l.panorama.Config().Commit("svc-activedefense"), l.panorama.Push("branches")); err != nil {
		t.Fatal(err)
	}
	if text := remedies(CheckBlockPosition); !strings.Contains(text, `Pre Rules: move "active-defense-block`) {
		t.Errorf("they stand below: %s", text)
	}
}

// Each object that is made on Panorama is a step with its sign: what it is for comes behind it, and none is twice there.
func TestEachObjectOnPanoramaIsAStep(t *testing.T) {
	l := newPanoramaLab(t, managed{local: withoutCleanup(), branches: preRules(letIn("hq", "dmz"))})
	plan := l.whole()
	var made []string
	for _, s := range plan.Steps {
		if !s.change.Empty() && !s.Foreign {
			made = append(made, s.Action+" "+s.Object)
			if s.Detail == "" || s.change.InTemplate() != strings.Contains(s.Detail, "the template base reaches") {
				t.Errorf("%v", s)
			}
		}
	}
	want := []string{
		`create certificate "active-defense-ca"`, `create certificate profile "active-defense"`, `create syslog server profile "active-defense"`,
		`create address group "active-defense-panorama"`, `create log forwarding profile "active-defense-panorama"`, `create security rule "active-defense-block"`,
		`create external dynamic list "active-defense-list-panorama"`, `create security rule "active-defense-block-list"`,
	}
	slices.Sort(made)
	if slices.Sort(want); !slices.Equal(made, want) {
		t.Errorf("steps\n%q, want\n%q", made, want)
	}
	if _, err := l.carryOut(false); err != nil {
		t.Fatal(err)
	}
	if again := l.whole(); slices.ContainsFunc(again.Steps, func(s Step) bool { return !s.Foreign }) {
		t.Errorf("the second plan is %v", again.Steps)
	}
}

// A log forwarding profile of our name on Panorama that sends a part of the logs, and to us alone, is ours: it is completed, rules name it in the
// same run, wherever it stands, and the second plan is empty.
func TestOurLogProfileOnPanoramaIsCompleted(t *testing.T) {
	const part = `<log-settings><profiles><entry name="active-defense-panorama"><match-list><entry name="some"><log-type>traffic</log-type><filter>(action eq deny)</filter><send-syslog><member>loghost</member></send-syslog></entry></match-list></entry></profiles></log-settings>`
	logged := strings.Replace(deny("logged"), "<action>", "<log-setting>active-defense-panorama</log-setting><action>", 1)
	for name, m := range map[string]managed{
		"in the group above":    {hq: part + preRules(letIn("hq", "dmz")+logged)},
		"in the group below it": {hq: preRules(letIn("hq", "dmz")), branches: part + preRules(logged)},
	} {
		m.local, m.template = withoutCleanup(), strings.NewReplacer(`"siem"`, `"loghost"`, "127.0.0.2</server>", "127.0.0.1</server><port>5514</port>").Replace(theirServer)
		l := newPanoramaLab(t, m)
		if _, err := l.carryOut(false); err != nil {
			t.Fatal(err)
		}
		if left := writable(l.whole().Steps, false); len(left) > 0 || !strings.Contains(l.panorama.Config().Running(), `"active-defense-block-`+serial) {
			t.Errorf("%s: the second plan has %v", name, left)
		}
	}
}

// One of our name that somebody else has in the group above stays, and with --adopt ours is made below it: to push that is no push of theirs.
func TestOurLogProfileOnPanoramaBelowTheirs(t *testing.T) {
	theirs := strings.Replace(toSIEM, `"to-siem"`, `"active-defense-panorama"`, 1)
	l := newPanoramaLab(t, managed{local: withoutCleanup(), template: theirServer, hq: theirs + preRules(deny("ssh")), branches: preRules(letIn("hq", "dmz"))})
	if _, err := l.carryOut(true); err != nil {
		t.Fatal(err)
	}
	for level, name := range map[string]string{"hq": ">siem<", "branches": ">active-defense<"} {
		n, err := l.itself().Show(t.Context(), "look", groupsOfPanorama+"/entry[@name='"+level+"']/log-settings/profiles/entry[@name='active-defense-panorama']")
		if err != nil || n == nil || !strings.Contains(n.XML(), name) {
			t.Errorf("%s: %v, %v", level, n, err)
		}
	}
}
