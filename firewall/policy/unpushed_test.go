package policy

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

const (
	templatesOfPanorama = "/config/devices/entry[@name='localhost.localdomain']/template"
	hqGroup             = groupsOfPanorama + "/entry[@name='hq']"
	branchesGroup       = groupsOfPanorama + "/entry[@name='branches']"
	parentGroup         = "/config/readonly/devices/entry[@name='localhost.localdomain']/device-group/entry[@name='branches']"
	otherGroup          = `<entry name="dc"><pre-rulebase><security><rules/></security></pre-rulebase></entry>`
)

// named is a rule of which lists name something else than any.
func named(rule string, members ...string) string {
	for i := 0; i < len(members); i += 2 {
		if list := "<" + members[i] + "><member>"; strings.Contains(rule, list) {
			rule = strings.Replace(rule, list+"any", list+members[i+1], 1)
		} else {
			rule = strings.Replace(rule, "<action>", list+members[i+1]+"</member></"+members[i]+"><action>", 1)
		}
	}
	return rule
}

// refused carries out a plan while others have something on Panorama that is not pushed; where that is named, nothing is written there, and the firewall decides as
// before. Once it is pushed, nothing is refused.
func (l *panoramaLab) refused(told string) {
	l.t.Helper()
	before, decided := l.panorama.Config().Candidate(), flows(l.sim)
	plan := l.whole()
	if strings.Join(plan.Panorama.Unpushed, "; ") != told {
		l.t.Errorf("it names %q, want %q", plan.Panorama.Unpushed, told)
	}
	_, err := l.carryOut(false)
	if told == "" {
		if err != nil {
			l.t.Errorf("it is refused: %v", err)
		}
		return
	}
	if err == nil || !strings.Contains(err.Error(), strings.Join(plan.Panorama.Unpushed, ", ")) || l.panorama.Config().Candidate() != before || !slices.Equal(flows(l.sim), decided) {
		l.t.Errorf("it is not refused: %v", err)
	}
}

// An object of whatever kind that others changed goes along with no push of ours, nor a new one that does something: by a name that is used, one that
// PAN-OS itself gives among them, by its tags, or by itself. One that nothing names holds nobody up.
func TestOthersObjectsOfEveryKind(t *testing.T) {
	const (
		hip  = `<profiles><hip-objects><entry name="o"><host-info><criteria><managed>yes</managed></criteria></host-info></entry></hip-objects><hip-profiles><entry name="h"><match>"o"</match></entry></hip-profiles></profiles>`
		user = `<dynamic-user-group><entry name="u"><filter>'good'</filter></entry></dynamic-user-group>`
		app  = `<category>business-systems</category><subcategory>general-business</subcategory><technology>client-server</technology><default><port><member>tcp/1-65535</member></port></default></entry>`
		spy  = `<profiles><spyware><entry name="s"><rules><entry name="first"><action><alert/></action><severity><member>any</member></severity></entry><entry name="second"><action><reset-both/></action><severity><member>any</member></severity></entry></rules></entry></spyware></profiles>`
	)
	for name, c := range map[string]struct{ objects, rule, action, path, element, told string }{
		"a HIP profile":          {hip, named(letIn("hq", "dmz"), "source-hip", "h"), "edit", "/profiles/hip-profiles/entry[@name='h']/match", `<match>not "o"</match>`, `hip profiles "h" of branches`},
		"a HIP object":           {hip, named(letIn("hq", "dmz"), "source-hip", "h"), "edit", "/profiles/hip-objects/entry[@name='o']/host-info/criteria/managed", "<managed>no</managed>", `hip objects "o" of branches`},
		"a dynamic user group":   {user, named(letIn("hq", "dmz"), "source-user", "u"), "edit", "/dynamic-user-group/entry[@name='u']/filter", "<filter>'good' or 'any'</filter>", `dynamic user group "u" of branches`},
		"a device":               {`<device-object><entry name="cam"><category><member>Camera</member></category></entry></device-object>`, letIn("hq", "dmz"), "edit", "/device-object/entry[@name='cam']/category", "<category><member>Phone</member></category>", `device object "cam" of branches`},
		"the rules of a profile": {spy, letIn("hq", "dmz"), "move", "/profiles/spyware/entry[@name='s']/rules/entry[@name='second']", "top", `spyware "s" of branches`},
		"its comment":            {user, letIn("hq", "dmz"), "set", "/dynamic-user-group/entry[@name='u']", "<description>x</description>", ""},
		"a predefined service":   {"", named(letIn("hq", "dmz"), "service", "service-https"), "set", "/service", `<entry name="service-https"><protocol><tcp><port>1-65535</port></tcp></protocol></entry>`, `service "service-https" of branches, which is new and has a name that is in use`},
		"a group in its place":   {"", named(letIn("hq", "dmz"), "service", "service-https"), "set", "/service-group", `<entry name="service-https"><members><member>service-http</member></members></entry>`, `service group "service-https" of branches, which is new and has a name that is in use`},
		"a predefined region":    {"", named(deny("hq"), "source", "RU"), "set", "/region", `<entry name="RU"><address><member>203.0.113.0/24</member></address></entry>`, `region "RU" of branches, which is new and has a name that is in use`},
		"an address in place":    {"", named(deny("hq"), "source", "RU"), "set", "/address", `<entry name="RU"><ip-netmask>203.0.113.0/24</ip-netmask></entry>`, `address "RU" of branches, which is new and has a name that is in use`},
		"an application":         {"", letIn("hq", "dmz"), "set", "/application", `<entry name="new">` + app, `application "new" of branches, which is new and may act by itself`},
		"tags of an application": {"", letIn("hq", "dmz"), "set", "/application-tag", `<entry name="ssl"><tag><member>x</member></tag></entry>`, `application tag "ssl" of branches, which is new and may act by itself`},
		"what a filter excludes": {`<address-group><entry name="g"><dynamic><filter>not 'x'</filter></dynamic></entry></address-group>`, letIn("hq", "dmz"), "set", "/address", `<entry name="new"><ip-netmask>198.51.100.9</ip-netmask></entry>`, `address "new" of branches, which is new and may be matched by a filter that says not`},
		"a filter in capitals":   {`<address-group><entry name="g"><dynamic><filter>NOT'x'</filter></dynamic></entry></address-group>`, letIn("hq", "dmz"), "set", "/address", `<entry name="new"><ip-netmask>198.51.100.9</ip-netmask><tag><member>y</member></tag></entry>`, `address "new" of branches, which is new and may be matched by a filter that says not`},
		"a filter of two tags":   {`<address-group><entry name="g"><dynamic><filter>'z' And('y')</filter></dynamic></entry></address-group>`, letIn("hq", "dmz"), "set", "/address", `<entry name="new"><ip-netmask>198.51.100.9</ip-netmask><tag><member>y</member></tag></entry>`, `address "new" of branches, which is new and bears tags`},
		"a filter of others":     {`<address-group><entry name="g"><dynamic><filter>'z' and not 'x'</filter></dynamic></entry></address-group>`, letIn("hq", "dmz"), "set", "/address", `<entry name="new"><ip-netmask>198.51.100.9</ip-netmask><tag><member>y</member></tag></entry>`, ""},
		"the tag of a rule":      {"", named(letIn("hq", "dmz"), "tag", "y"), "set", "/address", `<entry name="new"><ip-netmask>198.51.100.9</ip-netmask><tag><member>y</member></tag></entry>`, ""},
		"the name of a zone":     {"", letIn("hq", "dmz"), "set", "/address", `<entry name="dmz"><ip-netmask>198.51.100.0/24</ip-netmask></entry>`, ""},
		"of an application":      {"", named(letIn("hq", "dmz"), "application", "ssl"), "set", "/service", `<entry name="ssl"><protocol><tcp><port>443</port></tcp></protocol></entry>`, ""},
		"the next hop of PBF":    {`<post-rulebase><pbf><rules><entry name="p"><from><zone><member>untrust</member></zone></from><source><member>any</member></source><destination><member>any</member></destination><service><member>any</member></service><application><member>any</member></application><action><forward><nexthop><ip-address>new</ip-address></nexthop><egress-interface>ethernet1/1</egress-interface></forward></action></entry></rules></pbf></post-rulebase>`, letIn("hq", "dmz"), "set", "/address", `<entry name="new"><ip-netmask>198.51.100.9</ip-netmask></entry>`, `address "new" of branches, which is new and has a name that is in use`},
		"a group of that name":   {"", named(letIn("hq", "dmz"), "application", "ssl"), "set", "/application-group", `<entry name="ssl"><members><member>web-browsing</member></members></entry>`, `application group "ssl" of branches, which is new and has a name that is in use`},
		"tags that no one asks":  {"", letIn("hq", "dmz"), "set", "/address", `<entry name="new"><ip-netmask>198.51.100.9</ip-netmask><tag><member>x</member></tag></entry>`, ""},
		"an unused service":      {"", letIn("hq", "dmz"), "set", "/service", `<entry name="new"><protocol><tcp><port>1-65535</port></tcp></protocol></entry>`, ""},
		"an unused profile":      {"", letIn("hq", "dmz"), "set", "/profiles/hip-profiles", `<entry name="h"><match>"o"</match></entry>`, ""},
		"a rule's option":        {"", letIn("hq", "dmz"), "set", "/pre-rulebase/security/rules/entry[@name='hq']", "<icmp-unreachable>yes</icmp-unreachable>", "pre-rulebase of branches"},
		"a disabled rule":        {"", letIn("hq", "dmz"), "set", "/pre-rulebase/security/rules", strings.Replace(letIn("off", "untrust"), "<action>", "<disabled>yes</disabled><action>", 1), ""},
	} {
		t.Run(name, func(t *testing.T) {
			l := newPanoramaLab(t, managed{local: withoutCleanup(), branches: c.objects + `<tag><entry name="y"/></tag>` + preRules(c.rule+letIn("more", "dmz"))})
			if strings.Contains(c.element, "<tag>") {
				l.changed("set", "/config/shared/tag", `<entry name="x"/>`)
			}
			l.unhindered()
			l.changed(c.action, branchesGroup+c.path, c.element)
			l.refused(c.told)
		})
	}
}

// The roles of Panorama's own administrators are pushed to no firewall, and where a match list stands in a profile says nothing.
func TestWhatIsPanoramasOwnHoldsNobodyUp(t *testing.T) {
	const (
		lists   = `<entry name="t"><log-type>traffic</log-type><filter>All Logs</filter></entry><entry name="u"><log-type>threat</log-type><filter>All Logs</filter></entry>`
		profile = branchesGroup + "/log-settings/profiles/entry[@name='p']/match-list/entry[@name='u']"
	)
	l := newPanoramaLab(t, managed{local: withoutCleanup(), branches: `<log-settings><profiles><entry name="p"><match-list>` + lists + `</match-list></entry></profiles></log-settings>` + preRules(letIn("hq", "dmz"))})
	l.changed("set", "/config/shared/admin-role", `<entry name="readers"><role><device><webui/></device></role></entry>`)
	l.changed("delete", profile, "")
	l.changed("set", branchesGroup+"/log-settings/profiles/entry[@name='p']/match-list", `<entry name="u"><log-type>threat</log-type><filter>All Logs</filter></entry>`)
	l.changed("delete", strings.Replace(profile, "'u'", "'t'", 1), "")
	l.changed("set", branchesGroup+"/log-settings/profiles/entry[@name='p']/match-list", `<entry name="t"><log-type>traffic</log-type><filter>All Logs</filter></entry>`)
	l.refused("")
}

// Of two objects of a name, the nearer one counts, and behind it what is shared, for other virtual systems.
func TestOthersObjectsOfOneName(t *testing.T) {
	const object = `<address><entry name="web"><ip-netmask>198.51.100.7</ip-netmask></entry></address>`
	for told, c := range map[string]struct{ action, path, element string }{
		`address "web" of shared`:                                                       {"edit", "/config/shared/address/entry[@name='web']/ip-netmask", "<ip-netmask>0.0.0.0/0</ip-netmask>"},
		`address "web" of shared, which is gone there`:                                  {"delete", "/config/shared/address/entry[@name='web']", ""},
		`address "web" of hq, which is nearer to the firewall than the one that it has`: {"set", hqGroup + "/address", `<entry name="web"><ip-netmask>0.0.0.0/0</ip-netmask></entry>`},
		"": {"delete", branchesGroup + "/address/entry[@name='web']", ""},
	} {
		m := managed{local: withoutCleanup(), shared: object, branches: preRules(letIn("hq", "dmz"))}
		if c.action != "set" {
			m.branches += object
		}
		l := newPanoramaLab(t, m)
		l.unhindered()
		l.changed(c.action, c.path, c.element)
		l.refused(told)
	}
	l := newPanoramaLab(t, managed{local: withoutCleanup(), shared: object, branches: strings.Replace(object, ".7", ".8", 1) + preRules(letIn("hq", "dmz"))})
	l.changed("delete", branchesGroup+"/address/entry[@name='web']", "")
	l.refused(`address "web" of shared`)
}

// A push to a firewall is for all virtual systems that its device group names, and what is shared for all that it has: what it brings to each counts.
func TestOthersCommitsForOtherVirtualSystems(t *testing.T) {
	const (
		here   = branchesGroup + "/devices/entry[@name='" + serial + "']/vsys"
		pre    = "/pre-rulebase/security/rules"
		region = `<entry name="RU"><address><member>203.0.113.0/24</member></address></entry>`
		tags   = "/config/mgt-config/devices/entry[@name='" + serial + "']/vsys/entry[@name='vsys2']/tags"
		second = `<entry name="vsys2"/>`
		target = `<target><devices><entry name="` + serial + `"><vsys>` + second + `</vsys></entry></devices></target><action>`
		first  = `<target><devices><entry name="` + serial + `"><vsys><entry name="vsys1"/></vsys></entry></devices></target>`

		sharedTarget = "/config/shared" + pre + "/entry[@name='alone']/target"
	)
	local := strings.Replace(withoutCleanup(), "</entry></vsys>", `</entry><entry name="vsys2"><zone><entry name="untrust"/><entry name="dmz"/></zone><rulebase><security><rules>`+
		named(letIn("local", "dmz"), "source", "RU")+`</rules></security></rulebase></entry></vsys>`, 1)
	alone, tagged := strings.Replace(letIn("alone", "dmz"), "<action>", target, 1), strings.Replace(letIn("tagged", "dmz"), "<action>", `<target><tags><member>second</member></tags></target><action>`, 1)
	type edit struct{ action, path, element string }
	join := edit{"set", here, second}
	for name, c := range map[string]struct {
		before, after []edit // what is pushed, and what is not
		told          string
	}{
		"it joins":                  {nil, []edit{join}, "pre-rulebase of branches"},
		"it leaves":                 {[]edit{join}, []edit{{"delete", here + "/entry[@name='vsys2']", ""}}, "the virtual systems of device group branches, of which vsys2 is none any more"},
		"it is there":               {[]edit{join}, nil, ""},
		"a rule for it":             {[]edit{join}, []edit{{"set", branchesGroup + pre, alone}}, "pre-rulebase of branches"},
		"one it has":                {[]edit{join, {"set", branchesGroup + pre, alone}}, nil, ""},
		"not in the group":          {nil, []edit{{"set", branchesGroup + pre, alone}}, ""},
		"a shared rule for it":      {nil, []edit{{"set", "/config/shared" + pre, alone}}, "pre-rulebase of shared"},
		"one for its tag":           {[]edit{{"set", tags, "<member>second</member>"}}, []edit{{"set", "/config/shared" + pre, tagged}}, "pre-rulebase of shared"},
		"one that it has":           {[]edit{{"set", tags, "<member>second</member>"}, {"set", "/config/shared" + pre, tagged}}, nil, ""},
		"the target of one":         {[]edit{{"set", "/config/shared" + pre, alone}}, []edit{{"edit", sharedTarget, first}}, "pre-rulebase of shared"},
		"one for it and the other":  {[]edit{{"set", "/config/shared" + pre, alone}}, []edit{{"set", sharedTarget + "/devices/entry[@name='" + serial + "']/vsys", `<entry name="vsys1"/>`}}, "pre-rulebase of shared"},
		"one for any":               {[]edit{{"set", "/config/shared" + pre, alone}}, []edit{{"edit", sharedTarget, "<target><negate>no</negate></target>"}}, "pre-rulebase of shared"},
		"one that was for any":      {[]edit{{"set", "/config/shared" + pre, letIn("alone", "dmz")}}, []edit{{"set", sharedTarget[:len(sharedTarget)-len("/target")], first}}, "pre-rulebase of shared"},
		"a shared one that it has":  {[]edit{{"set", "/config/shared" + pre, alone}}, []edit{{"set", sharedTarget, "<negate>no</negate>"}}, ""},
		"the tag of a shared one":   {[]edit{{"set", tags, "<member>second</member>"}, {"set", tags, "<member>other</member>"}, {"set", "/config/shared" + pre, tagged}}, []edit{{"set", "/config/shared" + pre + "/entry[@name='tagged']/target", "<tags><member>other</member></tags>"}}, "pre-rulebase of shared"},
		"what its rule names":       {nil, []edit{{"set", "/config/shared/region", region}}, `region "RU" of shared, which is new and has a name that is in use`},
		"what its pushed rule does": {[]edit{join, {"set", branchesGroup + pre, named(alone, "source", "CN")}}, []edit{{"set", branchesGroup + "/region", strings.Replace(region, "RU", "CN", 1)}}, `region "CN" of branches, which is new and has a name that is in use`},
	} {
		t.Run(name, func(t *testing.T) {
			l := newPanoramaLab(t, managed{local: local, several: true, branches: preRules(letIn("hq", "dmz"))})
			for _, e := range c.before {
				l.changed(e.action, e.path, e.element)
			}
			if err := l.panorama.Push("branches"); err != nil {
				t.Fatal(err)
			}
			l.unhindered()
			for _, e := range c.after {
				l.changed(e.action, e.path, e.element)
			}
			byTag := "Which virtual systems have the rules of Shared for tags (tagged), the firewall does not tell"
			if said := strings.Contains(strings.Join(l.whole().Panorama.Notes, " "), byTag); said != strings.Contains(l.panorama.Config().Running(), `name="tagged"`) {
				t.Errorf("that it does not tell: %v", said)
			}
			l.refused(c.told)
		})
	}
}

// What is said of virtual systems holds for those that stand in a template or are named by Panorama alone, too. One that somebody makes on the firewall and did
// not commit has nothing of Panorama's.
func TestOthersCommitsForAVirtualSystemOfATemplate(t *testing.T) {
	const (
		here   = branchesGroup + "/devices/entry[@name='" + serial + "']/vsys"
		second = `<entry name="vsys2"><zone><entry name="untrust"/><entry name="dmz"/></zone></entry>`
		third  = "/config/devices/entry[@name='localhost.localdomain']/vsys"
		target = `<target><devices><entry name="` + serial + `"><vsys><entry name="vsys2"/></vsys></entry></devices></target><action>`
	)
	for name, c := range map[string]struct {
		joined, template bool // before
		path, element    string
		told             string
	}{
		"it joins":                 {false, true, here, `<entry name="vsys2"/>`, "pre-rulebase of branches"},
		"one joins":                {false, false, here, `<entry name="vsys2"/>`, "pre-rulebase of branches"},
		"a rule for it":            {true, true, branchesGroup + "/pre-rulebase/security/rules", strings.Replace(letIn("alone", "dmz"), "<action>", target, 1), "pre-rulebase of branches"},
		"one for that":             {true, false, branchesGroup + "/pre-rulebase/security/rules", strings.Replace(letIn("alone", "dmz"), "<action>", target, 1), "pre-rulebase of branches"},
		"one of all":               {false, true, branchesGroup + "/pre-rulebase/security/rules", strings.Replace(letIn("alone", "dmz"), "<action>", target, 1), "pre-rulebase of branches"},
		"one is not there":         {false, false, here, `<entry name="vsys7"/>`, "virtual system vsys7, which device group branches names and the firewall does not have: take it out of that group, for no push ends this"},
		"tags of one that is gone": {false, false, "/config/mgt-config/devices", `<entry name="` + serial + `"><vsys><entry name="vsys7"><tags><member>edge</member></tags></entry></vsys></entry>`, ""},
		"nothing":                  {true, true, branchesGroup + "/tag", `<entry name="x"/>`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			l := newPanoramaLab(t, managed{local: withoutCleanup(), several: true, branches: preRules(letIn("hq", "dmz"))})
			if c.template {
				l.changed("set", templatesOfPanorama+"/entry[@name='base']/config/devices/entry[@name='localhost.localdomain']/vsys", second)
			}
			if c.joined {
				l.changed("set", here, `<entry name="vsys2"/>`)
			}
			if name == "one of all" || name == "tags of one that is gone" {
				l.changed("delete", here, "")
			}
			if err := errors.Join(l.panorama.PushTemplate("all"), l.panorama.Push("branches"), l.sim.Config().Edit("boss", "set", third, `<entry name="vsys3"/>`)); err != nil {
				t.Fatal(err)
			}
			l.unhindered()
			l.changed("set", c.path, c.element)
			l.refused(c.told)
		})
	}
}

// Our rule for one virtual system of several is made, and moved to where it belongs, though the others have none.
func TestOurRuleForOneOfSeveralVirtualSystems(t *testing.T) {
	for level, m := range map[string]managed{branchesGroup: {branches: preRules(letIn("hq", "dmz"))}, "/config/shared": {shared: preRules(letIn("hq", "dmz"))}} {
		m.local, m.several = withoutCleanup(), true
		l := newPanoramaLab(t, m)
		l.changed("set", branchesGroup+"/devices/entry[@name='"+serial+"']/vsys", `<entry name="vsys2"/>`)
		if err := l.panorama.Push("branches"); err != nil {
			t.Fatal(err)
		}
		l.refused("")
		l.changed("move", level+"/pre-rulebase/security/rules/entry[@name='active-defense-block-"+serial+"-vsys1']", "bottom")
		if err := l.panorama.Push("branches"); err != nil {
			t.Fatal(err)
		}
		l.refused("")
		if first := l.sim.Traffic().Rules("")[0].Name; first != "active-defense-block-"+serial+"-vsys1" {
			t.Errorf("%s: the first rule is %s", level, first)
		}
	}
}

// unhindered holds that nothing was named so far.
func (l *panoramaLab) unhindered() {
	l.t.Helper()
	if plan := l.whole(); len(plan.Panorama.Unpushed) > 0 {
		l.t.Fatalf("before: %q", plan.Panorama.Unpushed)
	}
}

// Where the firewall is managed from was changed by others: a push would take away what it has from where it was, and bring what stands where it is now. It is refused
// while that is edited alone, too, for a push goes by what is committed.
func TestAnotherPlaceIsNotPushed(t *testing.T) {
	const (
		place = "the device group of the firewall, the groups above that, its virtual systems there, its templates or its tags, which are edited and not committed"
		stack = stacksOfPanorama + "/entry[@name='all']"
		here  = "/devices/entry[@name='" + serial + "']"
		nat   = `<pre-rulebase><nat><rules><entry name="n"><from><member>untrust</member></from><to><member>untrust</member></to><source><member>any</member></source><destination><member>any</member></destination><service>any</service></entry></rules></nat></pre-rulebase>`
		list  = `<address><entry name="a"><ip-netmask>198.51.100.9</ip-netmask></entry></address>`
	)
	post := strings.ReplaceAll(preRules(deny("hq-deny")), "pre-rulebase", "post-rulebase")
	type edit struct{ action, path, element string }
	noParent := []edit{{"delete", parentGroup + "/parent-dg", ""}}
	for name, c := range map[string]struct {
		hq      string
		edits   []edit
		pending bool // the last is not committed
		told    string
	}{
		"no parent":                                       {preRules(deny("hq-deny")), noParent, false, "pre-rulebase of hq"},
		"no parent with post rules":                       {post, noParent, false, "post-rulebase of hq"},
		"no parent with nat rules":                        {nat, noParent, false, "nat rules in pre-rulebase of hq"},
		"no parent with defaults":                         {strings.Replace(pushedDefaults, "allow", "deny", 1), noParent, false, `default rule "interzone-default"; default rule "intrazone-default"`},
		"no parent with objects":                          {list, noParent, false, `address "a", which is gone there`},
		"no parent with nothing":                          {"", noParent, false, ""},
		"another parent":                                  {preRules(deny("hq-deny")), []edit{{"set", groupsOfPanorama, strings.Replace(otherGroup, "<rules/>", "<rules>"+letIn("dc", "untrust")+"</rules>", 1)}, {"edit", parentGroup + "/parent-dg", "<parent-dg>dc</parent-dg>"}}, false, "pre-rulebase of dc; pre-rulebase of hq"},
		"another group":                                   {"", []edit{{"set", groupsOfPanorama, otherGroup}, {"delete", branchesGroup + here, ""}, {"set", groupsOfPanorama + "/entry[@name='dc']/devices", `<entry name="` + serial + `"/>`}}, false, "pre-rulebase of branches"},
		"another name":                                    {preRules(deny("hq-deny")), []edit{{"rename", hqGroup, "top"}}, false, "pre-rulebase of hq"},
		"no parent, not committed":                        {"", noParent, true, place},
		"the parent's rule, and no parent, not committed": {"", []edit{{"set", hqGroup + "/pre-rulebase/security/rules", letIn("new", "untrust")}, noParent[0]}, true, place + "; pre-rulebase of hq"},
		"a template, not committed":                       {"", []edit{{"set", templatesOfPanorama, `<entry name="over"><config/></entry>`}, {"edit", stack + "/templates", "<templates><member>over</member><member>base</member></templates>"}}, true, place},
		"a template above ours": {"", []edit{{"set", templatesOfPanorama, `<entry name="over"><config><shared><log-settings><syslog><entry name="siem"><server><entry name="s"><server>203.0.113.99</server></entry></server></entry></syslog></log-settings></shared></config></entry>`},
			{"edit", stack + "/templates", "<templates><member>over</member><member>base</member></templates>"}}, false, `syslog server profile "siem" of template over`},
		"a profile of our name":  {"", []edit{{"set", templatesOfPanorama + "/entry[@name='base']/config/shared/log-settings/syslog", `<entry name="active-defense"><server><entry name="s"><server>203.0.113.99</server></entry></server></entry>`}}, false, `syslog server profile "active-defense" of template base`},
		"and one of the stack":   {"", []edit{{"set", stack + "/config/shared/log-settings/syslog", `<entry name="active-defense"><server><entry name="s"><server>203.0.113.99</server></entry></server></entry>`}}, false, `syslog server profile "active-defense" of template stack all`},
		"a setting of the stack": {"", []edit{{"set", stack + "/config/shared/log-settings/syslog", `<entry name="siem"><server><entry name="s"><server>203.0.113.99</server></entry></server></entry>`}}, false, `syslog server profile "siem" of template stack all`},
	} {
		t.Run(name, func(t *testing.T) {
			l := newPanoramaLab(t, managed{local: withoutCleanup(), hq: c.hq, branches: preRules(letIn("hq", "dmz"))})
			l.unhindered()
			for i, e := range c.edits {
				if !c.pending || i < len(c.edits)-1 {
					l.changed(e.action, e.path, e.element)
				} else if err := l.panorama.Config().Edit("boss", e.action, e.path, e.element); err != nil {
					t.Fatal(err)
				}
			}
			l.refused(c.told)
		})
	}
}

// What the firewall has by a tag that it no longer bears, the push takes away.
func TestARuleForATagThatIsGoneIsNotPushed(t *testing.T) {
	const tags = "/config/mgt-config/devices/entry[@name='" + serial + "']/vsys/entry[@name='vsys1']/tags"
	for _, negate := range []string{"no", "yes"} {
		l := newPanoramaLab(t, managed{local: withoutCleanup()})
		l.changed("set", tags, "<member>x</member>")
		if negate == "no" {
			l.changed("set", tags, "<member>edge</member>")
		}
		l.changed("set", branchesGroup+"/pre-rulebase/security/rules", strings.Replace(letIn("tagged", "dmz"), "<action>", "<target><tags><member>edge</member></tags><negate>"+negate+"</negate></target><action>", 1))
		if err := l.panorama.Push("branches"); err != nil {
			t.Fatal(err)
		}
		l.unhindered()
		if negate == "no" {
			l.changed("delete", tags+"/member[text()='edge']", "")
		} else {
			l.changed("set", tags, "<member>edge</member>")
		}
		l.refused("pre-rulebase of branches")
		if err := l.panorama.Push("branches"); err != nil {
			t.Fatal(err)
		}
		l.unhindered()
	}
}

// Where a rule of ours stands counts, too, once it is committed: others may move it before the push.
func TestOurRuleThatWasMovedIsNotPushed(t *testing.T) {
	l := newPanoramaLab(t, managed{local: withoutCleanup(), branches: preRules(letIn("hq", "dmz"))})
	plan := l.whole()
	if _, err := TakeOnPanorama(t.Context(), l.itself(), plan.Steps, false); err != nil {
		t.Fatal(err)
	}
	if err := l.panorama.Config().Commit("svc-activedefense"); err != nil {
		t.Fatal(err)
	}
	l.changed("move", branchesGroup+"/pre-rulebase/security/rules/entry[@name='active-defense-block-"+serial+"']", "bottom")
	if pushed, err := CommitOnPanorama(t.Context(), l.itself(), plan.Panorama, l.want, ""); pushed || err == nil || !strings.Contains(err.Error(), "(the order of security rules in pre-rulebase of branches)") {
		t.Errorf("pushed %v, %v", pushed, err)
	}
}
