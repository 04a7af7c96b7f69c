package policy

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"testing"

	"activedefense/firewall"
	"activedefense/firewall/policy/panorama"
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

// replaced is edited with an element in place of the one that stands.
func (l *panoramaLab) replaced(path, element string, commit bool) {
	l.t.Helper()
	err := l.panorama.Config().Edit("boss", "edit", path, element)
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
		"tagged firewalls' too":  {strings.Replace(namedAsOurs("drop", "blacklist", serial), "</target>", "<tags><member>all</member></tags></target>", 1), false, true, "it is somebody else's"},
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
	for name, c := range map[string]struct{ branches, rule, said string }{
		"longer name":    {preRules(letIn("hq", "dmz")), strings.Replace(letIn("active-defense-block-legacy", "dmz"), "allow<", "drop<", 1), "pre-rulebase of branches"},
		"every firewall": {preRules(letIn("hq", "dmz")), namedAsOurs("drop", "any", ""), `security rule "active-defense-block-` + serial + `" of branches`},
		"moved":          {ourGroup + preRules(letIn("hq", "dmz")+theirs), strings.Replace(theirs, ">drop<", ">allow<", 1), `security rule "theirs" of branches`},
	} {
		t.Run(name, func(t *testing.T) {
			l := newPanoramaLab(t, managed{branches: c.branches})
			l.edited(rules, c.rule, true)
			before := l.panorama.Config().Running()
			if _, err := l.carryOut(true); err == nil || !strings.Contains(err.Error(), c.said) || l.panorama.Config().Running() != before {
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

// A log forwarding profile of others' that would send to us only once it is adopted is none for rules of ours, and a rule of ours that names
// one gets ours: without --adopt theirs stays as it is, whatever the run, and the second plan has nothing of ours.
func TestOthersLogProfileOnPanoramaStays(t *testing.T) {
	l := newPanoramaLab(t, managed{template: strings.Replace(siem, "192.0.2.50", "127.0.0.2", 1), branches: pushedSIEM +
		preRules(strings.Replace(letIn("hq", "dmz"), "<action>", "<log-setting>hq-logs</log-setting><log-end>yes</log-end><action>", 1))})
	theirs := func() string {
		n, err := l.itself().Show(t.Context(), "look", groupsOfPanorama+"/entry[@name='branches']/log-settings/profiles/entry[@name='hq-logs']")
		if err != nil {
			t.Fatal(err)
		}
		return n.XML()
	}
	before, at := theirs(), preRuleAt("branches", "active-defense-block-list-"+serial)
	carriedOut := func(when string) {
		t.Helper()
		if _, err := l.carryOut(false); err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		rule, err := l.itself().Show(t.Context(), "look", at)
		if err != nil || rule.Value("log-setting") != "active-defense-panorama" || theirs() != before {
			t.Errorf("%s: %v; the rule is %s, their profile %s", when, err, rule.XML(), theirs())
		}
		if left := writable(l.whole().Steps, false); len(left) > 0 {
			t.Errorf("%s: the second plan has %v", when, left)
		}
	}
	carriedOut("at first")
	l.replaced(at+"/log-setting", "<log-setting>hq-logs</log-setting>", true) // as an earlier version had it
	if err := l.panorama.Push("branches"); err != nil {
		t.Fatal(err)
	}
	carriedOut("with theirs")
}

// What was committed on Panorama of a rule or an object of ours, and not pushed, goes along with no push of ours, adopted or not, unless it
// is as we make it: it is named, and nothing is written.
func TestWhatOthersMadeOfOursOnPanoramaIsNotPushed(t *testing.T) {
	const (
		branches = groupsOfPanorama + "/entry[@name='branches']"
		rules    = branches + "/pre-rulebase/security/rules"
		rule     = rules + "/entry[@name='active-defense-block-" + serial + "']"
		ofRule   = "pre-rulebase of branches"
		listed   = rules + "/entry[@name='active-defense-block-list-" + serial + "']"
		template = "/config/devices/entry[@name='localhost.localdomain']/template/entry[@name='base']/config/shared"
	)
	all := []string{listed, branches + "/external-list/entry[@name='active-defense-list-panorama']", template + "/certificate-profile/entry[@name='active-defense']"}
	for name, c := range map[string]struct{ action, path, element, named, adopted string }{
		"every source":          {"edit", rule + "/source", "<source><member>any</member></source>", ofRule, ""},
		"all but the blocked":   {"set", rule, "<negate-source>yes</negate-source>", ofRule, ""},
		"another action":        {"edit", rule + "/action", "<action>allow</action>", ofRule, ""},
		"every zone":            {"edit", rule + "/from", "<from><member>any</member></from>", ofRule, ""},
		"for another firewall":  {"edit", rule + "/target/devices", `<devices><entry name="` + sister + `"/></devices>`, ofRule, ""},
		"taken away":            {"delete", rule, "", ofRule, ""},
		"below what lets in":    {"move", rule, "bottom", ofRule, ""},
		"back, otherwise":       {"set", rules, strings.ReplaceAll(namedAsOurs("drop", "any", serial), "active-defense-block-", "active-defense-block-list-"), ofRule, `security rule "active-defense-block-list-` + serial + `" of branches`},
		"a wider group":         {"edit", branches + "/address-group/entry[@name='active-defense-panorama']/dynamic/filter", "<filter>'active-defense' or 'partner'</filter>", `address group "active-defense-panorama" of branches`, ""},
		"another list":          {"edit", branches + "/external-list/entry[@name='active-defense-list-panorama']/type/ip/url", "<url>https://lists.example.net/x</url>", `external list "active-defense-list-panorama" of branches`, ""},
		"another log profile":   {"delete", branches + "/log-settings/profiles/entry[@name='active-defense-panorama']/match-list/entry[@name='threat']", "", `log forwarding profile "active-defense-panorama" of branches`, ""},
		"another syslog server": {"edit", template + "/log-settings/syslog/entry[@name='active-defense']/server/entry[@name='active-defense']/server", "<server>192.0.2.77</server>", `syslog server profile "active-defense" of template base`, ""},
		"another authority":     {"edit", template + "/certificate/entry[@name='active-defense-ca']/public-key", "<public-key>another</public-key>", "", `certificate "active-defense-ca" of template base`},
		"its comment":           {"edit", rule + "/description", "<description>x</description>", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			l := newPanoramaLab(t, managed{local: withoutCleanup(), branches: preRules(letIn("hq", "dmz"))})
			boss := func(action, path, element string) {
				t.Helper()
				err := l.panorama.Config().Edit("boss", action, path, element)
				if err == nil {
					err = l.panorama.Config().Commit("boss")
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			push := func() {
				t.Helper()
				if err := errors.Join(l.panorama.Push("branches"), l.panorama.PushTemplate("all")); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := l.carryOut(false); err != nil {
				t.Fatal(err)
			}
			missing := all[:1]
			if strings.HasPrefix(c.path, template) {
				missing = all
			}
			for _, path := range missing {
				boss("delete", path, "")
			}
			push()
			if plan := l.whole(); plan.Panorama == nil || len(plan.Panorama.changes) == 0 || len(plan.Panorama.Unpushed) > 0 {
				t.Fatalf("before: %+v", plan.Panorama)
			}
			boss(c.action, c.path, c.element)
			before := l.panorama.Config().Running()
			for _, adopt := range []bool{false, true} {
				l.want.Adopt = adopt
				named := c.named
				if adopt {
					named = cmp.Or(c.adopted, named)
				}
				if plan := l.whole(); strings.Join(plan.Panorama.Unpushed, "; ") != named || (plan.Panorama.MayPush(l.device) == nil) != (named == "") {
					t.Errorf("adopt %v: unpushed %q", adopt, plan.Panorama.Unpushed)
				}
				if _, err := l.carryOut(adopt); (err != nil) != (named != "") || err != nil && l.panorama.Config().Running() != before {
					t.Errorf("adopt %v: carried out: %v", adopt, err)
				}
				before = l.panorama.Config().Running()
				if c.named+c.adopted == "" {
					return
				}
			}
		})
	}
}

// So it is with what would hide an object of ours: one nearer to the firewall, or of another kind.
func TestWhatHidesOursOnPanoramaIsNotPushed(t *testing.T) {
	for where, c := range map[string]struct{ list, element, named string }{
		"branches": {"/address-group", `<entry name="active-defense-panorama"><dynamic><filter>'active-defense' or 'partner'</filter></dynamic></entry>`, `address group "active-defense-panorama" of branches, which is nearer to the firewall than the one that it has`},
		"hq":       {"/address", `<entry name="active-defense-panorama"><ip-netmask>0.0.0.0/0</ip-netmask></entry>`, `address "active-defense-panorama" of hq, which is new and has a name that is in use`},
	} {
		l := newPanoramaLab(t, managed{local: withoutCleanup(), hq: preRules(letIn("hq", "dmz"))})
		if _, err := l.carryOut(false); err != nil {
			t.Fatal(err)
		}
		l.replaced(groupsOfPanorama+"/entry[@name='hq']/pre-rulebase/security/rules/entry[@name='active-defense-block-list-"+serial+"']/destination", "<destination><member>198.51.100.9</member></destination>", true)
		if err := l.panorama.Push("branches"); err != nil {
			t.Fatal(err)
		}
		l.edited(groupsOfPanorama+"/entry[@name='"+where+"']"+c.list, c.element, true)
		if plan := l.whole(); len(plan.Panorama.changes) == 0 || !slices.Equal(plan.Panorama.Unpushed, []string{c.named}) {
			t.Errorf("%s: unpushed %q", where, plan.Panorama.Unpushed)
		}
	}
}

// What others made of a rule of ours that we are to replace goes along with no push either where it was not replaced.
func TestWhatWasNotReplacedIsNotPushed(t *testing.T) {
	const rule = groupsOfPanorama + "/entry[@name='branches']/pre-rulebase/security/rules/entry[@name='active-defense-block-" + serial + "']"
	l := newPanoramaLab(t, managed{local: withoutCleanup(), branches: preRules(letIn("hq", "dmz"))})
	if _, err := l.carryOut(false); err != nil {
		t.Fatal(err)
	}
	l.replaced(rule+"/destination", "<destination><member>198.51.100.9</member></destination>", true)
	if err := l.panorama.Push("branches"); err != nil {
		t.Fatal(err)
	}
	l.replaced(rule+"/destination", "<destination><member>any</member></destination>", true)
	l.edited(rule, "<negate-destination>yes</negate-destination>", true)
	plan := l.whole()
	if !slices.ContainsFunc(plan.Panorama.own, func(c panorama.Change) bool { return c.Replaces(rule) }) || plan.Panorama.MayPush(l.device) != nil {
		t.Fatalf("the plan is %+v", plan.Panorama)
	}
	if pushed, err := CommitOnPanorama(t.Context(), l.itself(), plan.Panorama, l.want, ""); pushed || err == nil || !strings.Contains(err.Error(), `(security rule "active-defense-block-`+serial+`" of branches); a push of ours would take it along, so nothing is pushed`) {
		t.Errorf("commit alone: %v, %v", pushed, err)
	}
	if _, err := l.carryOut(false); err != nil {
		t.Errorf("where it is replaced: %v", err)
	}
}

// What others made a default rule do on Panorama since it was pushed stays, committed or not: we have it log, and write no action; one that
// they took away is not made again.
func TestWhatADefaultRuleDoesOnPanoramaStays(t *testing.T) {
	const rules = groupsOfPanorama + "/entry[@name='branches']/post-rulebase/default-security-rules/rules"
	for name, commit := range map[string]bool{"committed": true, "edited": false} {
		t.Run(name, func(t *testing.T) {
			l := newPanoramaLab(t, managed{local: withoutCleanup(), branches: pushedDefaults})
			l.want.Adopt = true
			l.replaced(rules+"/entry[@name='intrazone-default']/action", "<action>deny</action>", commit)
			plan := l.whole()
			if s := stepFor(t, plan.Steps, `security rule "intrazone-default" (pushed by Panorama, device group branches)`); !s.Foreign || !strings.Contains(s.Detail, "the action stays deny, as it is there, where this firewall still has allow") {
				t.Errorf("the step is %v", s)
			}
			if s := stepFor(t, plan.Steps, `security rule "interzone-default" (pushed by Panorama, device group branches)`); !strings.Contains(s.Detail, "the action stays deny; ") {
				t.Errorf("the step is %v", s)
			}
			if i := slices.IndexFunc(plan.Panorama.Commands, func(line string) bool {
				return strings.Contains(line, "default-security-rules") && strings.Contains(line, " action ")
			}); i >= 0 || !strings.Contains(strings.Join(plan.Panorama.Commands, "\n"), "intrazone-default log-setting active-defense-panorama") {
				t.Errorf("the commands are %q", plan.Panorama.Commands)
			}
			_, _ = TakeOnPanorama(t.Context(), l.itself(), plan.Steps, true)
			if n, err := l.itself().Get(t.Context(), "look", rules+"/entry[@name='intrazone-default']"); err != nil || n.Value("action") != "deny" || n.Value("log-setting") == "" {
				t.Errorf("Panorama has %s, %v", n.XML(), err)
			}
		})
	}
	l := newPanoramaLab(t, managed{local: withoutCleanup(), branches: pushedDefaults})
	if err := l.panorama.Config().Edit("boss", "delete", rules+"/entry[@name='intrazone-default']", ""); err != nil {
		t.Fatal(err)
	}
	if s := stepFor(t, l.whole().Steps, `security rule "intrazone-default" (pushed by Panorama, device group branches)`); s.Action != ActionPerson || !strings.Contains(s.Detail, "is gone there") || !s.change.Empty() {
		t.Errorf("the step is %v", s)
	}
}

// Whatever else decides over traffic and was committed by others goes along with no push of ours. A rule for firewalls that bear a tag is for this one only where Panorama has given it the tag.
func TestOthersCommitsAreNotPushed(t *testing.T) {
	const (
		branches = groupsOfPanorama + "/entry[@name='branches']"
		defaults = "/post-rulebase/default-security-rules/rules"
		nat      = `<entry name="in"><from><member>untrust</member></from><to><member>untrust</member></to><source><member>any</member></source><destination><member>203.0.113.1</member></destination><service>any</service></entry>`
		network  = "/config/devices/entry[@name='localhost.localdomain']/template/entry[@name='base']/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']"
		tags     = "/config/mgt-config/devices/entry[@name='" + serial + "']/vsys/entry[@name='vsys1']/tags"
	)
	tagged := strings.Replace(letIn("tagged", "untrust"), "<action>", `<target><tags><member>dc</member></tags><negate>no</negate></target><action>`, 1)
	type edit struct{ path, element string }
	for name, c := range map[string]struct {
		hq    string
		edits []edit
		named string
	}{
		"a default rule":             {pushedDefaults, []edit{{groupsOfPanorama + "/entry[@name='hq']" + defaults + "/entry[@name='interzone-default']", "<action>allow</action>"}}, `default rule "interzone-default"`},
		"its logs":                   {pushedDefaults, []edit{{groupsOfPanorama + "/entry[@name='hq']" + defaults + "/entry[@name='interzone-default']", "<log-end>yes</log-end>"}}, `default rule "interzone-default"`},
		"an override that is nearer": {pushedDefaults, []edit{{branches + defaults, `<entry name="intrazone-default"><action>deny</action></entry>`}}, `default rule "intrazone-default"`},
		"the first override":         {"", []edit{{"/config/shared" + defaults, `<entry name="intrazone-default"><action>deny</action></entry>`}}, `default rule "intrazone-default"`},
		"one as it is anyway":        {"", []edit{{"/config/shared" + defaults, `<entry name="intrazone-default"><action>allow</action></entry>`}}, ""},
		"a translation":              {nat, []edit{{groupsOfPanorama + "/entry[@name='hq']/pre-rulebase/nat/rules/entry[@name='in']", "<service>service-https</service>"}}, "nat rules in pre-rulebase of hq"},
		"its description":            {nat, []edit{{groupsOfPanorama + "/entry[@name='hq']/pre-rulebase/nat/rules/entry[@name='in']", "<description>x</description>"}}, ""},
		"the first translation":      {"", []edit{{branches + "/pre-rulebase/nat/rules", nat}}, "nat rules in pre-rulebase of branches"},
		"a zone":                     {"", []edit{{network + "/zone", `<entry name="guests"/>`}}, `zone "guests" of template base`},
		"another firewall's tag":     {"", []edit{{branches + "/pre-rulebase/security/rules", tagged}}, ""},
		"the firewall's tag":         {"", []edit{{tags, "<member>dc</member>"}, {branches + "/pre-rulebase/security/rules", tagged}}, "pre-rulebase of branches"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newPanoramaLab(t, managed{local: withoutCleanup(), hq: strings.Replace(c.hq+preRules(letIn("hq", "dmz")), nat+"<pre-rulebase>", "<pre-rulebase><nat><rules>"+nat+"</rules></nat>", 1)})
			l.unhindered()
			for _, e := range c.edits {
				l.edited(e.path, e.element, true)
			}
			if named := strings.Join(l.whole().Panorama.Unpushed, "; "); named != c.named {
				t.Errorf("unpushed %q", named)
			}
			before := l.panorama.Config().Running()
			if _, err := l.carryOut(false); (err != nil) != (c.named != "") || err != nil && l.panorama.Config().Running() != before {
				t.Errorf("carried out: %v", err)
			}
		})
	}
}

// What a commit on Panorama would take along that our administrator, or one who may be he, edited there by hand is told, and stops the commit; what others edited stays, and what we wrote before does not stop it.
func TestACommitOnPanoramaTakesAlongNoEditsByHand(t *testing.T) {
	const (
		ours     = "svc-activedefense"
		branches = groupsOfPanorama + "/entry[@name='branches']"
		rules    = branches + "/pre-rulebase/security/rules"
		zone     = "/config/devices/entry[@name='localhost.localdomain']/template/entry[@name='base']/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']/zone"
	)
	for name, c := range map[string]struct {
		admin, action, path, element string
		applied, unknown             bool // ours, what --adopt adds included, is written; as whom we act is not known
		named                        string
	}{
		"none":                 {},
		"ours, written before": {applied: true},
		"a rule":               {ours, "set", rules, letIn("byhand", "untrust"), false, false, `security rule "byhand" (device group branches)`},
		"a rule, beside ours":  {ours, "set", rules, letIn("byhand", "untrust"), true, false, `security rule "byhand" (device group branches)`},
		"somebody's":           {"boss", "set", rules, letIn("byhand", "untrust"), true, false, ""},
		"perhaps ours":         {"boss", "set", rules, letIn("byhand", "untrust"), false, true, `security rule "byhand" (device group branches)`},
		"a rule above":         {ours, "set", "/config/shared/post-rulebase/security/rules", letIn("byhand", "untrust"), false, false, `security rule "byhand" (shared)`},
		"a default rule":       {ours, "edit", branches + "/post-rulebase/default-security-rules/rules/entry[@name='interzone-default']/action", "<action>allow</action>", false, false, `default rule "interzone-default" (device group branches)`},
		"the order":            {ours, "move", rules + "/entry[@name='ssh']", "top", false, false, "the order of security rules (device group branches)"},
		"an address":           {ours, "edit", branches + "/address/entry[@name='web']/ip-netmask", "<ip-netmask>198.51.100.0/24</ip-netmask>", false, false, `address "web" (device group branches)`},
		"a zone":               {ours, "set", zone, `<entry name="guests"/>`, false, false, `zone "guests" (template base, vsys1)`},
		"nothing that decides": {ours, "set", branches + "/tag", `<entry name="x"/>`, false, false, `tag "x" (device group branches)`},
	} {
		t.Run(name, func(t *testing.T) {
			l := newPanoramaLab(t, managed{local: withoutCleanup(), branches: `<address><entry name="web"><ip-netmask>198.51.100.7</ip-netmask></entry></address>` + pushedDefaults + preRules(letIn("hq", "dmz")+deny("ssh"))})
			if l.want.Admin = ours; c.unknown {
				l.want.Admin = ""
			}
			if c.applied {
				if _, err := TakeOnPanorama(t.Context(), l.itself(), l.whole().Steps, true); err != nil {
					t.Fatal(err)
				}
			}
			if c.action != "" {
				if err := l.panorama.Config().Edit(c.admin, c.action, c.path, c.element); err != nil {
					t.Fatal(err)
				}
			}
			plan, before := l.whole(), l.panorama.Config().Running()
			said := strings.Join(plan.Panorama.EditedByHand, "; ")
			if !strings.HasPrefix(said, c.named) || c.named == "" && said != "" {
				t.Errorf("it names %q", said)
			}
			if err := plan.MayTakeAlong(l.device); (err != nil) != (c.named != "") || err != nil && !strings.Contains(err.Error(), "by hand (on Panorama "+c.named) {
				t.Errorf("before the first write: %v", err)
			}
			_, err := l.carryOut(false)
			if refused := c.named != "" && !c.unknown; (err != nil) != refused || refused && (l.panorama.Config().Running() != before || !strings.Contains(err.Error(), "what our administrator svc-activedefense edited by hand")) {
				t.Errorf("the commit: %v", err)
			}
			if strings.Contains(l.panorama.Config().Running(), "byhand") {
				t.Error("it is committed")
			}
		})
	}
}

// Another agent's CA and syslog server profile of our names are somebody else's, too, where they stand in the template on Panorama and were
// not pushed to this firewall.
func TestOthersObjectsInTheTemplateStay(t *testing.T) {
	const at = "/config/devices/entry[@name='localhost.localdomain']/template/entry[@name='base']/config/shared"
	for name, commit := range map[string]bool{"committed": true, "edited": false} {
		t.Run(name, func(t *testing.T) {
			l := newPanoramaLab(t, managed{branches: preRules(letIn("hq", "dmz"))})
			l.edited(at+"/certificate", `<entry name="active-defense-ca"><public-key>another</public-key><ca>yes</ca></entry>`, false)
			l.edited(at+"/log-settings/syslog", `<entry name="active-defense"><server><entry name="other"><server>192.0.2.99</server></entry></server></entry>`, commit)
			if commit {
				if err := l.panorama.PushTemplate("all", sister); err != nil {
					t.Fatal(err)
				}
			}
			template := func() string {
				n, err := l.itself().Get(t.Context(), "look", at)
				if err != nil {
					t.Fatal(err)
				}
				return n.Clean().XML()
			}
			before, plan := template(), l.whole()
			for object, theirs := range map[string]string{`certificate "active-defense-ca"`: "active-defense-ca", `security rule "active-defense-block"`: "active-defense"} {
				if i := slices.IndexFunc(plan.Steps, func(s Step) bool { return s.Object == object && !s.change.Empty() }); i < 0 || !plan.Steps[i].Foreign ||
					!strings.Contains(plan.Steps[i].Detail, `something else named "`+theirs+`" stands there`) {
					t.Errorf("%s: %v", object, plan.Steps)
				}
			}
			if _, err := l.carryOut(false); err != nil {
				t.Fatal(err)
			}
			if after := template(); after != before {
				t.Errorf("the template is\n%s\nbefore\n%s", after, before)
			}
		})
	}
}

// Names may hold spaces: one object in place of two is another rule.
func TestARuleThatNamesAnotherObjectIsUnpushed(t *testing.T) {
	named := func(sources string) string {
		return strings.Replace(letIn("in", "dmz"), "<source><member>any", "<source><member>"+sources, 1)
	}
	l := newPanoramaLab(t, managed{branches: `<address><entry name="branch"><ip-netmask>203.0.113.1</ip-netmask></entry><entry name="office"><ip-netmask>203.0.113.2</ip-netmask></entry><entry name="branch office"><ip-netmask>203.0.113.64/26</ip-netmask></entry></address>` +
		preRules(letIn("hq", "dmz")+named("branch</member><member>office"))})
	if plan := l.whole(); len(plan.Panorama.Unpushed) > 0 {
		t.Fatalf("before: %q", plan.Panorama.Unpushed)
	}
	l.replaced(groupsOfPanorama+"/entry[@name='branches']/pre-rulebase/security/rules/entry[@name='in']/source", "<source><member>branch office</member></source>", true)
	if plan := l.whole(); !slices.Equal(plan.Panorama.Unpushed, []string{"pre-rulebase of branches"}) {
		t.Errorf("unpushed: %q", plan.Panorama.Unpushed)
	}
}

// A firewall that was moved to another device group leaves nothing of ours in the old one when it is removed, but for what another firewall
// there needs.
func TestRemoveFromTheDeviceGroupBefore(t *testing.T) {
	for _, to := range []string{"another", ""} {
		l := newPanoramaLab(t, managed{branches: preRules(letIn("hq", "dmz"))})
		if _, err := l.carryOut(false); err != nil {
			t.Fatal(err)
		}
		sister := strings.ReplaceAll(namedAsOurs("drop", "active-defense-panorama", sister), "active-defense-block-"+serial, "active-defense-block-"+sister)
		l.edited(groupsOfPanorama+"/entry[@name='branches']/pre-rulebase/security/rules", sister, true)
		if err := l.panorama.Config().Edit("boss", "delete", groupsOfPanorama+"/entry[@name='branches']/devices/entry[@name='"+serial+"']", ""); err != nil {
			t.Fatal(err)
		}
		if l.panorama.Withdraw(l.sim); to != "" {
			l.edited(groupsOfPanorama, `<entry name="another"><devices><entry name="`+serial+`"/></devices></entry>`, false)
		}
		if err := l.panorama.Config().Commit("boss"); err != nil {
			t.Fatal(err)
		}
		if to != "" {
			if err := l.panorama.Push(to); err != nil {
				t.Fatal(err)
			}
		}
		l.takeAway(false)
		after := l.panorama.Config().Running()
		for name, stays := range map[string]bool{"active-defense-block-" + serial: false, "active-defense-block-list-" + serial: false, "active-defense-list-panorama": false, "active-defense-panorama": true, "hq": true} {
			if strings.Contains(after, `"`+name+`"`) != stays {
				t.Errorf("moved to %q: %s stands: %v", to, name, !stays)
			}
		}
	}
}

// A rule of ours that others have changed on Panorama, whether they pushed that or not, is theirs by now: it is taken away only with --adopt.
func TestRemoveLeavesWhatOthersMadeOfOurRuleOnPanorama(t *testing.T) {
	at := preRuleAt("branches", "active-defense-block-"+serial)
	for name, c := range map[string]struct {
		path, element string
		push          bool
	}{
		"for a tag, pushed":    {at + "/target", "<tags><member>all-branches</member></tags>", true},
		"for a tag":            {at + "/target", "<tags><member>all-branches</member></tags>", false},
		"allows, not pushed":   {at, "<action>allow</action>", false},
		"for another firewall": {at + "/target/devices", `<entry name="` + sister + `"/>`, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := newPanoramaLab(t, managed{branches: preRules(letIn("hq", "dmz"))})
			if _, err := l.carryOut(false); err != nil {
				t.Fatal(err)
			}
			foreign := func() bool {
				plan, err := Remove(t.Context(), l.device, l.want, false)
				if err != nil {
					t.Fatal(err)
				}
				return stepFor(t, plan.Steps, `security rule "active-defense-block-`+serial+`" (pushed by Panorama, device group branches)`).Foreign
			}
			if foreign() {
				t.Fatal("it is ours before")
			}
			if l.edited(c.path, c.element, true); c.push {
				if err := l.panorama.Push("branches"); err != nil {
					t.Fatal(err)
				}
			}
			if !foreign() {
				t.Error("it is taken away as ours")
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
