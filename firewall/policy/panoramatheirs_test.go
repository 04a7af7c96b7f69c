package policy

import (
	"slices"
	"strings"
	"testing"
)

// ourGroup is a group of a device group that holds what is blocked, and nothing else.
const ourGroup = `<address-group><entry name="blacklist"><dynamic><filter>active-defense</filter></dynamic></entry></address-group>`

// namedAsOurs is a Pre Rule with the name of ours for the firewall.
func namedAsOurs(action, source, target string) string {
	if target != "" {
		target = `<target><devices><entry name="` + target + `"/></devices></target>`
	}
	return strings.NewReplacer("<source><member>any", "<source><member>"+source, "<to><member>dmz", "<to><member>any", "<destination><member>198.51.100.7", "<destination><member>any",
		"<action>allow", target+"<action>"+action).Replace(letIn("active-defense-block-"+serial, "dmz"))
}

// edited has an administrator change Panorama, and commit that.
func (l *panoramaLab) edited(path, entry string, commit bool) {
	l.t.Helper()
	err := l.panorama.Config().Edit("boss", "set", path, entry)
	if err == nil && commit {
		err = l.panorama.Config().Commit("boss")
	}
	if err != nil {
		l.t.Fatal(err)
	}
}

// A Pre Rule that bears our name and is not as we make it is somebody else's, whether it was pushed or waits on Panorama: it is told so, and
// replaced only with --adopt.
func TestSomebodyElsesPreRuleOfOurName(t *testing.T) {
	rules := groupsOfPanorama + "/entry[@name='branches']/pre-rulebase/security/rules"
	for name, c := range map[string]struct {
		rule    string
		waits   bool // in Panorama's candidate configuration
		foreign bool
		said    string // of whose it is
	}{
		"as we make it":          {namedAsOurs("drop", "blacklist", serial), false, false, "a rule of its own in device group branches"},
		"allows":                 {namedAsOurs("allow", "198.18.0.0/24", serial), false, true, "that we did not make"},
		"another source":         {namedAsOurs("drop", "198.18.0.0/24", serial), false, true, "that we did not make"},
		"negated source":         {strings.Replace(namedAsOurs("drop", "blacklist", serial), "<action>", "<negate-source>yes</negate-source><action>", 1), false, true, "that we did not make"},
		"all but another":        {strings.Replace(namedAsOurs("allow", "blacklist", sister), "</target>", "<negate>yes</negate></target>", 1), false, true, "that we did not make"},
		"every firewall":         {namedAsOurs("drop", "blacklist", ""), false, true, "it is somebody else's"},
		"another firewall's too": {strings.Replace(namedAsOurs("drop", "blacklist", serial), "</devices>", `<entry name="`+sister+`"/></devices>`, 1), false, true, "it is somebody else's"},
		"allows, not pushed":     {namedAsOurs("allow", "198.18.0.0/24", ""), true, true, "that we did not make"},
		"as we make, not pushed": {namedAsOurs("drop", "blacklist", serial), true, false, "a rule of its own in device group branches"},
	} {
		t.Run(name, func(t *testing.T) {
			pushed := letIn("hq", "dmz")
			if !c.waits {
				pushed += c.rule
			}
			l := newPanoramaLab(t, managed{branches: ourGroup + preRules(pushed)})
			if c.waits {
				l.edited(rules, c.rule, false)
			}
			for _, mode := range []string{PanoramaPlan, PanoramaApply} {
				l.want.Panorama = mode
				i := slices.IndexFunc(l.whole().Steps, func(s Step) bool { return strings.HasSuffix(s.change.Top, "[@name='active-defense-block-"+serial+"']") })
				if i < 0 {
					t.Fatalf("%s: no step for the rule", mode)
				}
				if s := l.whole().Steps[i]; s.theirs != c.foreign || mode == PanoramaApply && s.Foreign != c.foreign || !strings.Contains(s.Detail, c.said) {
					t.Errorf("%s: %+v", mode, s)
				}
			}
			standing := func() string {
				n, err := l.itself().Get(t.Context(), "look", preRuleAt("branches", "active-defense-block-"+serial))
				if err != nil || n == nil {
					t.Fatal(n, err)
				}
				return n.XML()
			}
			before := standing()
			if c.waits && !c.foreign {
				return // another's edit, with which ours cannot be committed
			}
			if _, err := l.carryOut(false); err != nil {
				t.Fatal(err)
			}
			if after := standing(); c.foreign && after != before {
				t.Errorf("without --adopt it is %s, before %s", after, before)
			}
			if c.waits || strings.HasPrefix(c.said, "it is") {
				return
			}
			if _, err := l.carryOut(true); err != nil {
				t.Fatal(err)
			}
			if after := standing(); strings.Contains(after, "198.18.0.0") || !strings.Contains(after, ">drop<") || !strings.Contains(after, serial) || strings.Contains(after, sister) || strings.Contains(after, "negate-source") {
				t.Errorf("with --adopt it is %s", after)
			}
		})
	}
}

// A rule of others that was committed on Panorama and not pushed goes along with no push of ours, whatever it is called; one that they
// changed, neither, though we move it.
func TestOthersRulesOfOurNamesAreNotPushed(t *testing.T) {
	rules := groupsOfPanorama + "/entry[@name='branches']/pre-rulebase/security/rules"
	theirs := strings.NewReplacer("<source><member>any", "<source><member>blacklist", "<destination><member>198.51.100.7", "<destination><member>any", "<to><member>dmz", "<to><member>any", "allow<", "drop<").Replace(letIn("theirs", "dmz"))
	for name, c := range map[string]struct{ branches, rule string }{
		"longer name":    {preRules(letIn("hq", "dmz")), strings.Replace(letIn("active-defense-block-legacy", "dmz"), "allow<", "drop<", 1)},
		"every firewall": {preRules(letIn("hq", "dmz")), namedAsOurs("drop", "any", "")},
		"moved":          {ourGroup + preRules(letIn("hq", "dmz")+theirs), strings.Replace(theirs, ">drop<", ">allow<", 1)},
	} {
		t.Run(name, func(t *testing.T) {
			l := newPanoramaLab(t, managed{branches: c.branches})
			l.edited(rules, c.rule, true)
			before := l.panorama.Config().Running()
			if _, err := l.carryOut(true); err == nil || !strings.Contains(err.Error(), "pre-rulebase of branches") || l.panorama.Config().Running() != before {
				t.Errorf("it is not refused: %v", err)
			}
			if err := l.panorama.Push("branches"); err != nil {
				t.Fatal(err)
			}
			if _, err := l.carryOut(true); err != nil {
				t.Errorf("once it is pushed: %v", err)
			}
		})
	}
}
