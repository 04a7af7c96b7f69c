package policy

import (
	"slices"
	"strings"
	"testing"

	"activedefense/firewall"
	"activedefense/firewall/panosim"
)

// confOf is a firewall with two zones, one rule that lets the internet in, and what stands in Shared and in its virtual system.
func confOf(shared, vsys string) string {
	return strings.NewReplacer("<shared/>", "<shared>"+shared+"</shared>", "<rulebase>", vsys+"<rulebase>").Replace(rulesOfOthers)
}

// stepFor gives the step for an object.
func stepFor(t *testing.T, steps []Step, object string) Step {
	t.Helper()
	i := slices.IndexFunc(steps, func(s Step) bool { return s.Object == object })
	if i < 0 {
		t.Fatalf("no step for %s: %v", object, steps)
	}
	return steps[i]
}

// An object of another kind that bears the name of our group or list is not ours, and a rule that names ours could mean it: it is
// named, with what to do, and no rule is made that would name it.
func TestNamesakesOfOurSources(t *testing.T) {
	const theirs = `<ip-netmask>198.51.100.0/24</ip-netmask>`
	address := func(name string) string {
		return `<address><entry name="` + name + `">` + theirs + `</entry></address>`
	}
	list := func(name string) string {
		return `<external-list><entry name="` + name + `"><type><ip><url>https://lists.example.net/x</url><recurring><hourly/></recurring></ip></type></entry></external-list>`
	}
	group := func(name string) string {
		return `<address><entry name="partner">` + theirs + `</entry></address><address-group><entry name="` + name + `"><static><member>partner</member></static></entry></address-group>`
	}
	for name, c := range map[string]struct {
		mode, shared, vsys string
		object, said       string
		never              string // the name that no rule may have as its source
	}{
		"address in Shared as our group":      {firewall.ModeTag, address(tag), "", `address group "active-defense"`, `address object "active-defense" (in Shared)`, tag},
		"address in vsys as our group":        {firewall.ModeTag, "", address(tag), `address group "active-defense"`, `address object "active-defense" (in this virtual system)`, tag},
		"list as our group":                   {firewall.ModeTag, list(tag), "", `address group "active-defense"`, `external dynamic list "active-defense" (in Shared)`, tag},
		"address as our static group":         {firewall.ModeGroup, address(tag), "", `address group "active-defense"`, `address object "active-defense" (in Shared)`, tag},
		"address as our list":                 {firewall.ModeTag, address(tag + "-list"), "", `external dynamic list "active-defense-list"`, `address object "active-defense-list" (in Shared)`, tag + "-list"},
		"group as our list":                   {firewall.ModeList, "", group(tag + "-list"), `external dynamic list "active-defense-list"`, `address group "active-defense-list" (in this virtual system)`, tag + "-list"},
		"group in Shared as our static group": {firewall.ModeGroup, group(tag), "", `address group "active-defense"`, `address group "active-defense" (in Shared)`, tag},
		"another network as nobody":           {firewall.ModeGroup, "", address(tag + "-nobody"), `address "active-defense-nobody"`, `which is not 192.0.2.255`, tag},
	} {
		t.Run(name, func(t *testing.T) {
			l := newProvisionLab(t, c.mode, func(o *panosim.Options) { o.Config = confOf(c.shared, c.vsys) })
			steps := l.plan()
			if s := stepFor(t, steps, c.object); s.Action != ActionPerson || !strings.Contains(s.Detail, c.said) || !strings.Contains(s.Detail, "rename it, or give this firewall another tag") {
				t.Errorf("the step is %v", s)
			}
			l.apply(steps, true)
			candidate := l.sim.Config().Candidate()
			if strings.Contains(candidate, "<source><member>"+c.never+"</member>") {
				t.Errorf("a rule names it:\n%s", candidate)
			}
			if !strings.Contains(candidate, c.shared+c.vsys) {
				t.Errorf("theirs was changed:\n%s", candidate)
			}
			l.commit()
			if fails := l.fails(); c.never == tag && !slices.ContainsFunc(fails, func(f string) bool { return strings.HasPrefix(f, CheckBlockRule+" fail") }) {
				t.Errorf("verify takes it for blocking: %v", fails)
			}
		})
	}
}

// A rule whose source is a namesake blocks nothing of ours, and verify says what is in the way.
func TestVerifyNamesTheNamesake(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeTag, nil)
	l.apply(l.plan(), false)
	l.commit()
	if err := l.sim.Config().Edit("somebody", "set", "/config/shared/address", `<entry name="active-defense"><ip-netmask>198.51.100.0/24</ip-netmask></entry>`); err != nil {
		t.Fatal(err)
	}
	if err := l.sim.Config().Commit("somebody"); err != nil {
		t.Fatal(err)
	}
	fails := l.fails()
	if !slices.ContainsFunc(fails, func(f string) bool {
		return strings.HasPrefix(f, `block-source fail: there is an address object "active-defense" (in Shared)`)
	}) {
		t.Errorf("found: %v", fails)
	}
}

// A static group of our name that we do not fill is somebody else's: it and the rule that names it wait for --adopt.
func TestSomebodyElsesStaticGroup(t *testing.T) {
	const partner, group = `<address><entry name="partner"><ip-netmask>198.51.100.9</ip-netmask></entry></address>`,
		`<address-group><entry name="` + tag + `"><static><member>partner</member></static></entry></address-group>`
	for _, c := range []struct{ mode, shared, vsys, where string }{
		{firewall.ModeTag, partner + group, "", "in Shared"}, {firewall.ModeTag, "", partner + group, "in this virtual system"}, {firewall.ModeGroup, "", partner + group, "in this virtual system"},
	} {
		l := newProvisionLab(t, c.mode, func(o *panosim.Options) { o.Config = confOf(c.shared, c.vsys) })
		steps := l.plan()
		if s := stepFor(t, steps, `address group "active-defense"`); !s.Foreign || !strings.Contains(s.Detail, c.where+`, which is static, with "partner"`) {
			t.Errorf("%s: %v", c.mode, s)
		}
		l.apply(steps, false)
		if candidate := l.sim.Config().Candidate(); !strings.Contains(candidate, "<member>partner</member>") || strings.Contains(candidate, "<source><member>"+tag+"</member>") {
			t.Errorf("%s: without --adopt:\n%s", c.mode, candidate)
		}
		l.apply(l.plan(), true)
		l.commit()
		if left := l.plan(); len(left) != 0 {
			t.Errorf("%s: left: %v", c.mode, left)
		}
	}
}

// theirProfile is a syslog server profile that sends to us.
func theirProfile(name string) string {
	return `<log-settings><syslog><entry name="` + name + `"><server><entry name="us"><server>127.0.0.1</server><port>5514</port></entry></server></entry></syslog></log-settings>`
}

// What is in Shared cannot name a server profile of a virtual system: a plan makes one that it can, or what names it stands in the
// virtual system too; the match lists of the device are left to a person then.
func TestServerProfileOfAVirtualSystem(t *testing.T) {
	for name, c := range map[string]struct {
		vsys    string
		created []string // objects
		person  []string
	}{
		"of another name": {theirProfile("loghost"), []string{`syslog server profile "active-defense"`, `log forwarding profile "active-defense"`, `system log settings "active-defense"`}, nil},
		"of our name":     {theirProfile(tag), []string{`log forwarding profile "active-defense"`}, []string{`globalprotect log settings "active-defense"`, `system log settings "active-defense"`}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Config = confOf("", c.vsys) })
			steps := l.plan()
			for _, object := range c.created {
				if s := stepFor(t, steps, object); s.Action != ActionCreate {
					t.Errorf("%v", s)
				}
			}
			for _, object := range c.person {
				if s := stepFor(t, steps, object); s.Action != ActionPerson || !strings.Contains(s.Detail, "Location Shared") {
					t.Errorf("%v", s)
				}
			}
			l.apply(steps, true)
			l.commit()
			for _, s := range l.plan() {
				if s.Action != ActionPerson {
					t.Errorf("left: %v", s)
				}
			}
			for _, check := range Verify(ReadFacts(t.Context(), l.device, l.want), l.want) {
				if check.Result == ResultFail || check.Check == CheckForwarding && strings.Contains(check.Remedy, "with Location Shared") != (c.person != nil) {
					t.Errorf("%+v", check)
				}
			}
		})
	}
}

// A log forwarding profile of somebody else's in Shared gets a match list that names a server profile in Shared.
func TestSharedLogForwardingNamesASharedServer(t *testing.T) {
	const siem = `<log-settings><syslog><entry name="siem"><server><entry name="siem"><server>192.0.2.77</server></entry></server></entry></syslog>` +
		`<profiles><entry name="to-siem"><match-list><entry name="traffic"><log-type>traffic</log-type><send-syslog><member>siem</member></send-syslog></entry></match-list></entry></profiles></log-settings>`
	for _, name := range []string{"loghost", tag} {
		l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) {
			o.Config = strings.ReplaceAll(confOf(siem, theirProfile(name)), "</action></entry>", "</action><log-setting>to-siem</log-setting></entry>")
		})
		steps := l.plan()
		if s := stepFor(t, steps, `log forwarding profile "to-siem"`); (s.Action == ActionPerson) != (name == tag) {
			t.Errorf("%s: %v", name, s)
		}
		l.apply(steps, true)
		l.commit()
		for _, s := range l.plan() {
			if s.Action != ActionPerson {
				t.Errorf("%s: left: %v", name, s)
			}
		}
	}
}

// theirAuthority is a certificate of somebody else's, and a profile of that name in which it is trusted.
func theirAuthority(t *testing.T, name, profile string) (certificate, trusting string) {
	t.Helper()
	pem := strings.ReplaceAll(string(ourAuthority(t, 7)), "\n", "&#10;")
	return `<certificate><entry name="` + name + `"><public-key>` + pem + `</public-key><ca>yes</ca></entry></certificate>`,
		`<certificate-profile><entry name="` + profile + `"><CA><entry name="` + name + `"/></CA></entry></certificate-profile>`
}

// What is somebody else's is as it was without --adopt, also where it bears our exact name; a match list of theirs stays with it, too.
func TestWhatBearsOurNamesIsChangedOnlyWhenAdopted(t *testing.T) {
	const list = `<filter>All Logs</filter><send-syslog><member>siem</member></send-syslog></entry></match-list>`
	const logs = `<log-settings><syslog><entry name="siem"><server><entry name="siem"><server>192.0.2.77</server></entry></server></entry></syslog>` +
		`<profiles><entry name="to-siem"><match-list><entry name="active-defense-traffic"><log-type>traffic</log-type>` + list + `</entry></profiles>` +
		`<system><match-list><entry name="active-defense">` + list + `</system><globalprotect><match-list><entry name="active-defense">` + list + `</globalprotect></log-settings>`
	certificate, profile := theirAuthority(t, "company-ca", tag)
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) {
		o.Config = strings.ReplaceAll(confOf(logs+certificate+profile, ""), "</action></entry>", "</action><log-setting>to-siem</log-setting></entry>")
	})
	before := strings.Count(l.sim.Config().Running(), list)
	steps := l.plan()
	if s := stepFor(t, steps, `certificate profile "active-defense"`); !s.Foreign || !strings.Contains(s.Detail, `in Shared is somebody else's, and trusts "company-ca"`) {
		t.Errorf("%v", s)
	}
	for _, object := range []string{`external dynamic list "active-defense-list"`, `security rule "active-defense-block-list"`} {
		if s := stepFor(t, steps, object); !s.Foreign {
			t.Errorf("it would name a list that is not trusted: %v", s)
		}
	}
	l.apply(steps, false)
	candidate := l.sim.Config().Candidate()
	for _, theirs := range []string{`<CA><entry name="company-ca"/></CA>`, `<entry name="to-siem"><match-list><entry name="active-defense-traffic"><log-type>traffic</log-type>` + list} {
		if !strings.Contains(candidate, theirs) {
			t.Errorf("without --adopt it was changed: %s\n%s", theirs, candidate)
		}
	}
	l.apply(l.plan(), true)
	l.commit()
	running := l.sim.Config().Running()
	if after := strings.Count(running, list) + strings.Count(running, strings.TrimSuffix(list, "</match-list>")+`<entry name="active-defense-`); after < before {
		t.Errorf("of %d match lists of theirs %d are as they were:\n%s", before, after, running)
	}
	if left := l.plan(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	for _, f := range l.fails() {
		if strings.Contains(f, " fail: ") {
			t.Error(f)
		}
	}
	l.apply(l.removal(true), true)
	l.commitRemoval()
	if after := l.sim.Config().Running(); strings.Count(after, list) != before || strings.Contains(after, another+`"`) {
		t.Errorf("after the removal:\n%s", after)
	}
}

// A certificate profile or certificate of our name in the virtual system hides one in Shared: the first is the one that is changed,
// of the second a person is told, and the rest is planned.
func TestCertificatesOfOurNamesInAVirtualSystem(t *testing.T) {
	certificate, profile := theirAuthority(t, "company-ca", tag)
	hidden, _ := theirAuthority(t, tag+"-ca", tag)
	for name, c := range map[string]struct{ shared, vsys, object, want string }{
		"profile that trusts another":   {certificate, profile, `certificate profile "active-defense"`, "!change"},
		"profile that trusts nobody":    {"", `<certificate-profile><entry name="active-defense"/></certificate-profile>`, `certificate profile "active-defense"`, "!change"},
		"certificate":                   {"", hidden, `certificate "active-defense-ca"`, "person"},
		"profile that trusts that name": {"", `<certificate-profile><entry name="active-defense"><CA><entry name="active-defense-ca"/></CA></entry></certificate-profile>` + hidden, `certificate "active-defense-ca"`, "person"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Config = confOf(c.shared, c.vsys) })
			steps := l.plan()
			if s := stepFor(t, steps, c.object); short(s) != c.want+" "+c.object {
				t.Errorf("%v", s)
			}
			stepFor(t, steps, `security rule "active-defense-block"`)
			l.apply(steps, true)
			l.commit()
			for _, s := range l.plan() {
				if s.Action != ActionPerson {
					t.Errorf("left: %v", s)
				}
			}
		})
	}
}

// A group that matches another tag as well as ours stops more than we block, and is no source of ours: a plan makes one, and a rule for it.
func TestSomebodyElsesWiderGroupIsNoSource(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) {
		o.Config = strings.Replace(confOf("", `<tag><entry name="partner"/></tag><address-group><entry name="both"><dynamic><filter>'active-defense' or 'partner'</filter></dynamic></entry></address-group>`),
			`<entry name="web">`, `<entry name="theirs"><from><member>any</member></from><to><member>any</member></to><source><member>both</member></source><destination><member>any</member></destination>`+
				`<application><member>any</member></application><service><member>any</member></service><action>drop</action></entry><entry name="web">`, 1)
	})
	steps := l.plan()
	stepFor(t, steps, `address group "active-defense"`)
	if s := stepFor(t, steps, `security rule "active-defense-block"`); !strings.Contains(s.Detail, `source "active-defense"`) {
		t.Errorf("%v", s)
	}
	l.apply(steps, true)
	l.commit()
	if left := l.plan(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if f := l.fails(); !slices.ContainsFunc(f, func(f string) bool {
		return strings.HasPrefix(f, CheckBlockRule+` warn: "theirs" stops what address group "both" matches`)
	}) {
		t.Errorf("nothing is said of the rule that stops partners: %v", f)
	}
}

// However a tag is quoted in the filter of its group, what a plan does to blocked sources is told once.
func TestDifferencesOfATagWithASpace(t *testing.T) {
	for _, filter := range []string{`'bad guys'`, `"bad guys"`, ` ( 'bad guys' ) `} {
		l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) {
			o.Config = confOf("", `<tag><entry name="bad guys"/></tag><address-group><entry name="blocked"><dynamic><filter>`+filter+`</filter></dynamic></entry></address-group>`)
		})
		l.want.Names = firewall.NamesFor("bad guys")
		plan, err := Provision(t.Context(), l.device, l.want)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range plan.Differences {
			if !d.BlockedSources {
				t.Errorf("%s: it is told of others, too: %v", filter, d)
			}
		}
		if len(plan.Differences) == 0 {
			t.Errorf("%s: no difference is told", filter)
		}
	}
}

// An override of a default rule that logs by our profile, and does not bear our tag, is taken away only with --adopt: somebody may have
// made it for the same end.
func TestRemoveLeavesDefaultRulesThatOthersOverrode(t *testing.T) {
	const override = `<entry name="interzone-default"><action>deny</action><log-start>no</log-start><log-end>yes</log-end>`
	rules, _, _ := strings.Cut(rulesOfOthers, `<entry name="cleanup">`)
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) {
		o.Config = rules + `</rules></security><default-security-rules><rules>` + override + `</entry></rules></default-security-rules></rulebase></entry></vsys></entry></devices></config>`
	})
	l.apply(l.plan(), true)
	l.commit()
	steps := l.removal(false)
	if s := stepFor(t, steps, `override of default rule "intrazone-default"`); s.Foreign || s.Action != ActionDelete {
		t.Errorf("the one that we made: %v", s)
	}
	if s := stepFor(t, steps, `override of default rule "interzone-default"`); !s.Foreign || !strings.Contains(s.Detail, "does not bear our tag") {
		t.Errorf("the one that was there: %v", s)
	}
	l.apply(steps, false)
	l.commitRemoval()
	if running := l.sim.Config().Running(); !strings.Contains(running, override+`<log-setting>active-defense`) || strings.Contains(running, "intrazone-default") {
		t.Errorf("after the removal:\n%s", running)
	}
	l.apply(l.removal(true), true)
	l.commitRemoval()
	if running := l.sim.Config().Running(); strings.Contains(running, tag) || !strings.Contains(running, override) {
		t.Errorf("left of ours, or gone of theirs:\n%s", running)
	}
}

// What bears our names, refers to nothing of ours and is not as we make it stays without --adopt.
func TestRemoveLeavesWhatOnlyBearsOurNames(t *testing.T) {
	const name = `<entry name="` + tag
	certificate, profile := theirAuthority(t, "company-ca", tag)
	theirs := map[string]string{
		`certificate "active-defense-ca"`:             `<certificate>` + name + `-ca"><public-key>unreadable</public-key></entry></certificate>`,
		`certificate profile "active-defense"`:        certificate + profile,
		`external dynamic list "active-defense-list"`: `<external-list>` + name + `-list"><type><ip><url>https://lists.example.net/x</url><recurring><hourly/></recurring></ip></type></entry></external-list>`,
		`address group "active-defense"`:              `<address-group>` + name + `"><dynamic><filter>'active-defense' or 'partner'</filter></dynamic></entry></address-group>`,
		`syslog server profile "active-defense"`:      `<log-settings><syslog>` + name + `"><server><entry name="siem"><server>192.0.2.77</server></entry></server></entry></syslog></log-settings>`,
	}
	for object, element := range theirs {
		l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) {
			o.Config = confOf(element, "")
		})
		before := l.sim.Config().Candidate()
		steps := l.removal(false)
		if s := stepFor(t, steps, object); !s.Foreign {
			t.Errorf("%v", s)
		}
		if l.apply(steps, false); l.sim.Config().Candidate() != before {
			t.Errorf("%s is gone", object)
		}
		if l.apply(l.removal(true), true); strings.Contains(l.sim.Config().Candidate(), name) {
			t.Errorf("%s is left", object)
		}
	}
}

// A rule of our name that is not as we make it is somebody else's, also where it drops: without --adopt a plan leaves it, and so does a
// removal, which would otherwise open what it drops.
func TestARuleOfOurNameIsOursByItsContent(t *testing.T) {
	const group = `<address-group><entry name="active-defense"><dynamic><filter>'active-defense'</filter></dynamic></entry></address-group>`
	members := func(names ...string) string {
		return `<member>` + strings.Join(names, `</member><member>`) + `</member>`
	}
	for name, c := range map[string]struct {
		rule, from, action, more string
		source                   []string
		ours                     bool
	}{
		"as we make it":                 {tag + "-block", "untrust", "drop", "", []string{tag}, true},
		"of an earlier version":         {tag + "-block", "any", "drop", "", []string{tag, tag + "-list"}, true},
		"sensor of an earlier version":  {tag + "-sensor", "untrust", "drop", "", []string{"any"}, true},
		"allows":                        {tag + "-block", "untrust", "allow", "", []string{"203.0.113.7"}, false},
		"allows what we block":          {tag + "-block", "untrust", "allow", "", []string{tag}, false},
		"drops others":                  {tag + "-block-list", "untrust", "drop", "", []string{"203.0.113.0/24"}, false},
		"drops others beside ours":      {tag + "-block", "untrust", "drop", "", []string{tag, "203.0.113.9"}, false},
		"drops all but what we block":   {tag + "-block", "untrust", "drop", `<negate-source>yes</negate-source>`, []string{tag}, false},
		"from another zone":             {tag + "-block", "dmz", "drop", "", []string{tag}, false},
		"a sensor that allows":          {tag + "-sensor", "untrust", "allow", "", []string{"any"}, false},
		"a sensor for one source alone": {tag + "-sensor", "untrust", "drop", "", []string{"203.0.113.9"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			theirs := `<entry name="` + c.rule + `"><from>` + members(c.from) + `</from><to><member>any</member></to><source>` + members(c.source...) + `</source><destination><member>any</member></destination>` +
				`<application><member>any</member></application><service><member>any</member></service><action>` + c.action + `</action><log-end>no</log-end>` + c.more + `</entry>`
			l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) {
				o.Config = strings.Replace(confOf("", group), `<entry name="web">`, theirs+`<entry name="web">`, 1)
			})
			l.want.Sensor = SensorDrop
			object := `security rule "` + c.rule + `"`
			plan := l.plan()
			for _, s := range plan {
				if s.Object == object && s.Action != ActionPerson && s.Foreign == c.ours {
					t.Errorf("provision: %v, foreign %t", s, s.Foreign)
				}
			}
			l.apply(plan, false)
			if stands := strings.Contains(l.sim.Config().Candidate(), theirs); !c.ours && !stands {
				t.Errorf("changed without --adopt:\n%s", l.sim.Config().Candidate())
			}
			if c.from == "dmz" { // a removal does not ask which zones face the internet: all that it drops is what we block
				return
			}
			removal, err := Remove(t.Context(), l.device, l.want, false)
			if err != nil {
				t.Fatal(err)
			}
			if s := stepFor(t, removal.Steps, object); s.Foreign == c.ours {
				t.Errorf("removal: %v, foreign %t", s, s.Foreign)
			}
		})
	}
}

// A syslog server profile, or a log forwarding profile, of our name that sends to somebody else stays as it is, and nothing of ours names
// it: ours takes another name, with which the firewall is whole, and which a removal finds again.
func TestLogsGoToNoStranger(t *testing.T) {
	server := func(profile, name, address string) string {
		return `<syslog><entry name="` + profile + `"><server><entry name="` + name + `"><server>` + address + `</server><transport>UDP</transport><port>514</port></entry></server></entry></syslog>`
	}
	const lists = `<profiles><entry name="active-defense"><match-list><entry name="t"><log-type>traffic</log-type><filter>All Logs</filter><send-syslog><member>siem</member></send-syslog></entry></match-list></entry></profiles>`
	for name, theirs := range map[string]string{
		"server profile":                         server(tag, "siem", "192.0.2.77"),
		"server profile, its server of our name": server(tag, tag, "192.0.2.77"),
		"log forwarding profile":                 server("siem", "siem", "192.0.2.77") + lists,
	} {
		t.Run(name, func(t *testing.T) {
			l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) {
				o.Config = confOf("<log-settings>"+theirs+"</log-settings>", "")
			})
			l.apply(l.plan(), false)
			l.commit()
			running := l.sim.Config().Running()
			for _, node := range []string{"<log-setting>" + tag + "</log-setting>", "<send-syslog><member>" + tag + "</member></send-syslog>"} {
				if strings.Contains(theirs, "<profiles>") == strings.Contains(node, "log-setting") && strings.Contains(running, node) {
					t.Errorf("%s:\n%s", node, running)
				}
			}
			if fails := l.fails(); slices.ContainsFunc(fails, func(f string) bool {
				return strings.HasPrefix(f, CheckForwarding) || strings.HasPrefix(f, CheckBlockLogs) || strings.HasPrefix(f, CheckFormat)
			}) {
				t.Errorf("it is not whole: %q", fails)
			}
			l.apply(l.removal(false), false)
			l.commitRemoval()
			running = l.sim.Config().Running()
			if strings.Contains(running, "-own") || !strings.Contains(running, `<server>192.0.2.77</server>`) {
				t.Errorf("after the removal:\n%s", running)
			}
		})
	}
}

// A list of our name that is fetched from elsewhere is somebody else's, whatever certificate profile it has.
func TestAListOfOurNameFromElsewhere(t *testing.T) {
	const theirs = `<external-list><entry name="active-defense-list"><type><ip><url>https://SECRET:SECRET@lists.example.net:8443/SECRET/x?key=SECRET</url><certificate-profile>active-defense</certificate-profile><recurring><hourly/></recurring></ip></type></entry></external-list>`
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) {
		o.Config = confOf("<certificate-profile><entry name=\"active-defense\"/></certificate-profile>", theirs)
	})
	for what, steps := range map[string][]Step{"provision": l.plan(), "removal": l.removal(false)} {
		if s := stepFor(t, steps, `external dynamic list "active-defense-list"`); !s.Foreign || strings.Contains(s.Detail, "SECRET") {
			t.Errorf("%s: %v", what, s)
		}
	}
	l.want.Mode = firewall.ModeList
	for _, c := range Verify(ReadFacts(t.Context(), l.device, l.want), l.want) {
		if c.Check == CheckBlockSource && (!strings.HasSuffix(c.Detail, "is fetched from https://lists.example.net:8443") || strings.Contains(c.Detail, "SECRET")) {
			t.Errorf("%+v", c)
		}
	}
}

// Our server profile follows our address: our formats tell that it is ours.
func TestOurServerProfileFollowsOurAddress(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeTag, nil)
	l.apply(l.plan(), false)
	l.want.SyslogAddress = "192.0.2.99:5514"
	if got := shorts(l.plan()); !slices.Equal(got, []string{`change syslog server profile "active-defense"`}) {
		t.Errorf("%q", got)
	}
}

// An address object of others that bears our tag is matched by our group: what would stop it says so and waits for --adopt, wherever it stands,
// and verify tells of it where it is stopped.
func TestAddressesOfOthersThatBearOurTag(t *testing.T) {
	const partner = `<address><entry name="partner"><ip-netmask>203.0.113.67</ip-netmask><tag><member>active-defense</member></tag></entry></address>`
	const said = `it stops address "partner" as well, which we did not make: our group matches what bears the tag active-defense`
	const block = `security rule "active-defense-block"`
	group := `<address-group><entry name="active-defense"><dynamic><filter>'active-defense'</filter></dynamic></entry></address-group>`
	below := strings.NewReplacer("<source><member>any", "<source><member>active-defense", "allow<", "drop<").Replace(letIn("active-defense-block", "any"))
	for name, change := range map[string]*strings.Replacer{
		"in the virtual system": strings.NewReplacer("</rulebase>", "</rulebase>"+partner),
		"in Shared":             strings.NewReplacer("<shared/>", "<shared>"+partner+"</shared>"),
		"a rule that moves up":  strings.NewReplacer("</rulebase>", "</rulebase>"+partner+group, `<entry name="cleanup">`, below+`<entry name="cleanup">`),
		"a group that changes":  strings.NewReplacer("</rulebase>", "</rulebase>"+partner+`<address-group><entry name="active-defense"><static><member>partner</member></static></entry></address-group>`),
	} {
		t.Run(name, func(t *testing.T) {
			l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Config = change.Replace(rulesOfOthers) })
			before := flows(l.sim)
			steps := l.plan()
			if s := stepFor(t, steps, block); !s.Foreign || !strings.Contains(s.Detail, said) {
				t.Errorf("the step is %v", s)
			}
			l.apply(steps, false)
			l.commit()
			if after := flows(l.sim); after[1] != before[1] {
				t.Errorf("without --adopt it decides %q, before %q", after, before)
			}
			l.apply(l.plan(), true)
			l.commit()
			found := func() string {
				return strings.Join(slices.DeleteFunc(l.fails(), func(text string) bool { return !strings.HasPrefix(text, CheckBlockSource) }), "; ")
			}
			if after := flows(l.sim); !strings.HasPrefix(after[1], "drop by active-defense-block") || !strings.Contains(found(), `which is blocked with it: address "partner"`) {
				t.Errorf("with --adopt it decides %q, and verify finds %q", after, found())
			}
			at := vsys1
			if strings.Contains(name, "Shared") {
				at = "/config/shared"
			}
			l.edit("delete", at+"/address/entry[@name='partner']/tag", "")
			if found() != "" || len(l.plan()) > 0 {
				t.Errorf("without the tag, verify finds %q, and the plan is %v", found(), l.plan())
			}
		})
	}
}

// So it is with a rule on Panorama.
func TestAddressesOfOthersThatBearOurTagOnPanorama(t *testing.T) {
	l := newPanoramaLab(t, managed{local: withoutCleanup(), branches: `<address><entry name="partner"><ip-netmask>203.0.113.67</ip-netmask><tag><member>active-defense</member></tag></entry></address>` + preRules(letIn("hq", "dmz"))})
	for _, adopt := range []bool{false, true} {
		if _, err := l.carryOut(adopt); err != nil {
			t.Fatal(err)
		}
		running := l.panorama.Config().Running()
		if strings.Contains(running, `"active-defense-block-`+serial) != adopt || !strings.Contains(running, `"active-defense-block-list-`+serial) {
			t.Errorf("adopt %v: Panorama has %s", adopt, running)
		}
	}
}
