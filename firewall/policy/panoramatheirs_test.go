package policy

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"activedefense/firewall"
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

// What bears the name of our group or list on Panorama and is not ours is never written: a person is told what is in the way, and no rule
// is made that would name it.
func TestSomebodyElsesSourceOnPanorama(t *testing.T) {
	const (
		group   = `<address-group><entry name="active-defense-panorama"><dynamic><filter>'partner'</filter></dynamic></entry></address-group>`
		wider   = `<address-group><entry name="active-defense-panorama"><dynamic><filter>'active-defense' or 'partner'</filter></dynamic></entry></address-group>`
		list    = `<external-list><entry name="active-defense-list-panorama"><type><ip><url>https://lists.example.net/x</url><recurring><hourly/></recurring></ip></type></entry></external-list>`
		address = `<address><entry name="active-defense-panorama"><ip-netmask>198.18.0.0/24</ip-netmask></entry></address>`
	)
	for name, c := range map[string]struct {
		mode, theirs, named, said string
		waits                     bool
	}{
		"group":             {firewall.ModeTag, group, "active-defense-panorama", `address group "active-defense-panorama" (pushed by Panorama)`, false},
		"wider group":       {firewall.ModeTag, wider, "active-defense-panorama", `address group "active-defense-panorama" (pushed by Panorama)`, false},
		"address":           {firewall.ModeTag, address, "active-defense-panorama", `address object "active-defense-panorama" (pushed by Panorama)`, false},
		"list":              {firewall.ModeList, list, "active-defense-list-panorama", `external dynamic list "active-defense-list-panorama" (pushed by Panorama)`, false},
		"group, not pushed": {firewall.ModeTag, group, "active-defense-panorama", `address group "active-defense-panorama" (on Panorama, device group branches)`, true},
	} {
		t.Run(name, func(t *testing.T) {
			pushed, object := c.theirs, map[string]string{firewall.ModeTag: "address group ", firewall.ModeList: "external dynamic list "}[c.mode]+quoteAll([]string{c.named})
			if c.waits {
				pushed = ""
			}
			l := newPanoramaLab(t, managed{mode: c.mode, branches: pushed + preRules(letIn("hq", "dmz"))})
			inner := strings.TrimSuffix(c.theirs[strings.Index(c.theirs, ">")+1:], "</address-group>")
			if c.waits {
				l.edited(groupsOfPanorama+"/entry[@name='branches']/address-group", inner, true)
			}
			for _, mode := range []string{PanoramaPlan, PanoramaApply} {
				l.want.Panorama = mode
				plan := l.whole()
				if s := stepFor(t, plan.Steps, object); s.Action != ActionPerson || !strings.Contains(s.Detail, c.said) || !strings.Contains(s.Detail, "rename it there and push, or give this firewall another tag") {
					t.Errorf("%s: the step is %v", mode, s)
				}
				if plan.Panorama == nil {
					continue
				}
				for _, line := range plan.Panorama.Commands {
					if strings.Contains(line, "address-group "+tag) && c.mode == firewall.ModeTag || strings.Contains(line, "external-list "+tag) && c.mode == firewall.ModeList || strings.Contains(line, "source "+c.named) {
						t.Errorf("%s: %s", mode, line)
					}
				}
			}
			if _, err := l.carryOut(true); err != nil {
				t.Fatal(err)
			}
			candidate := l.panorama.Config().Candidate()
			if !strings.Contains(candidate, inner) || strings.Contains(candidate, "<source><member>"+c.named+"<") {
				t.Errorf("theirs stands: %v; Panorama has %s", strings.Contains(candidate, inner), candidate)
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

// What an interrupted run wrote on Panorama is taken away though it was never pushed, and what others have there stays.
func TestRemoveWhatWaitsOnPanorama(t *testing.T) {
	l := newPanoramaLab(t, managed{hq: preRules(letIn("hq", "dmz"))})
	before := withoutOurs(t, l.panorama.Config().Candidate())
	if _, err := TakeOnPanorama(t.Context(), l.itself(), l.whole().Steps, false); err != nil {
		t.Fatal(err)
	}
	l.edited("/config/shared/pre-rulebase/security/rules", namedAsOurs("allow", "198.18.0.0/24", sister), false)
	for _, mode := range []string{PanoramaPlan, PanoramaApply} {
		l.want.Panorama = mode
		plan, err := Remove(t.Context(), l.device, l.want, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, object := range []string{`security rule "active-defense-block-` + serial + `"`, `address group "active-defense-panorama"`, `log forwarding profile "active-defense-panorama"`} {
			if s := stepFor(t, plan.Steps, object); s.change.Empty() || !strings.Contains(s.Detail, "not pushed to this firewall") {
				t.Errorf("%s: %v", mode, s)
			}
		}
		for object, command := range map[string]string{
			`syslog server profile "active-defense"`: "log-settings syslog", `certificate profile "active-defense"`: "certificate-profile", `certificate "active-defense-ca"`: "certificate",
		} {
			s := stepFor(t, plan.Steps, object)
			if s.Action != ActionPerson || !strings.Contains(s.Detail, "in template base: delete it, unless another firewall needs it, then commit; it stands in Panorama's candidate configuration and is not pushed") ||
				len(s.Commands) != 1 || !strings.HasPrefix(s.Commands[0], "delete template base config shared "+command+" active-defense") {
				t.Errorf("%s: %v, %q", mode, s, s.Commands)
			}
		}
		other := stepFor(t, plan.Steps, `security rule "active-defense-block-`+serial+`" (Shared)`)
		if other.Action != ActionPerson || !other.change.Empty() || !strings.Contains(other.Detail, "its target is not this firewall") ||
			!slices.Contains(plan.Panorama.Commands, "delete device-group hq pre-rulebase security rules active-defense-block-"+serial) {
			t.Errorf("%s: %v of %v, %v", mode, other, plan.Steps, plan.Panorama)
		}
	}
	left := l.takeAway(false)
	if i := slices.IndexFunc(left.Steps, func(s Step) bool { return !s.change.Empty() && !s.theirs }); i >= 0 {
		t.Errorf("left: %v", left.Steps[i])
	}
	if after := l.panorama.Config().Candidate(); strings.Contains(after, `"active-defense-panorama`) || strings.Count(after, `"active-defense-block-`+serial) != 1 || withoutOurs(t, after) != before {
		t.Errorf("Panorama has\n%s\nbefore\n%s", after, before)
	}
	f := l.facts()
	f.standingUnknown = errors.New("the role does not allow it")
	if s := stepFor(t, removal(f, l.want, false, nil), "Panorama"); s.Action != ActionPerson || !strings.Contains(s.Detail, "the role does not allow it") {
		t.Errorf("the step is %v", s)
	}
}
