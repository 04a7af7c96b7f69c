package policy

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/xmlapi"
)

const ourAdmin = "svc-activedefense"

// mayTakeAlong holds a plan, and one to take all away, to what they name as edited by hand and whether the commit is refused.
func (l *provisionLab) mayTakeAlong(what, provision, remove string) {
	l.t.Helper()
	for i, want := range []string{provision, remove} {
		plan, err := Provision(l.t.Context(), l.device, l.want)
		if i == 1 {
			plan, err = Remove(l.t.Context(), l.device, l.want, false)
		}
		refused := plan.MayTakeAlong(l.device)
		if err != nil || plan.TakesAlong() != want || (refused != nil) != (want != "") || refused != nil && !strings.Contains(refused.Error(), want) {
			l.t.Errorf("%s: it names %q, want %q; %v, %v", what, plan.TakesAlong(), want, refused, err)
		}
	}
}

// Whatever our administrator edits by hand is named and stops the commit, where it stands in another virtual system or in none as well, and where
// it is of an object of ours; a plan that takes that object away has no more to name.
func TestEditsByHandAreNamedAnywhere(t *testing.T) {
	const (
		vsys2  = "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys2']"
		device = "/config/devices/entry[@name='localhost.localdomain']"
		block  = vsys1 + rulesPath + "/entry[@name='active-defense-block']"
		rule   = `security rule "active-defense-block" (vsys1)`
		list   = vsys1 + "/external-list/entry[@name='active-defense-list']"
		ca     = "/config/shared/certificate/entry[@name='active-defense-ca']"
	)
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) {
		o.VSys, o.Config = []string{"vsys1", "vsys2"}, rulesOfOthers
	})
	l.want.Admin = ourAdmin
	l.apply(l.plan(), false)
	l.commit()
	l.mayTakeAlong("nothing", "", "")
	for _, c := range []struct{ action, path, element, named, removal string }{
		{"edit", block + "/source", "<source><member>any</member></source>", rule, rule},
		{"edit", block + "/action", "<action>allow</action>", rule, rule},
		{"set", block, "<negate-source>yes</negate-source>", rule, rule},
		{"edit", block + "/from", "<from><member>any</member></from>", rule, ""}, // it is ours still, and goes
		{"edit", vsys1 + "/address-group/entry[@name='active-defense']/dynamic/filter", "<filter>'active-defense' or 'partner'</filter>", `address group "active-defense" (vsys1)`, `address group "active-defense" (vsys1)`},
		{"edit", list + "/type/ip", "<ip><url>https://lists.example.net/x</url><recurring><hourly/></recurring></ip>", `external dynamic list "active-defense-list" (vsys1)`, `external dynamic list "active-defense-list" (vsys1)`},
		{"edit", list + "/type/ip/url", "<url>https://lists.example.net/x</url>", "", ""}, // it is ours still, and the plan has it be fetched from us
		{"set", vsys1 + defaultRulesPath + "/entry[@name='intrazone-default']", "<action>deny</action>", `default rule "intrazone-default" (vsys1)`, `default rule "intrazone-default" (vsys1)`},
		{"edit", ca + "/ca", "<ca>no</ca>", `certificate "active-defense-ca" (shared)`, ""},
		{"set", ca, "<private-key>x</private-key>", `certificate "active-defense-ca" (shared)`, ""},
		{"set", vsys2 + rulesPath, letIn("cut", "any"), `security rule "cut" (vsys2)`, `security rule "cut" (vsys2)`},
		{"set", vsys1 + "/rulebase/dos/rules", `<entry name="d"><from><zone><member>untrust</member></zone></from><to><zone><member>dmz</member></zone></to><source><member>any</member></source><destination><member>any</member></destination><service><member>any</member></service><action><deny/></action></entry>`, `dos rule "d" (vsys1)`, `dos rule "d" (vsys1)`},
		{"set", vsys1 + "/address-group", `<entry name="dyn"><dynamic><filter>'x'</filter></dynamic></entry>`, `address group "dyn" (vsys1)`, `address group "dyn" (vsys1)`},
		{"set", "/config/shared/application-group", `<entry name="ag"><members><member>ssl</member></members></entry>`, `application group "ag" (shared)`, `application group "ag" (shared)`},
		{"set", device + "/deviceconfig/system", "<hostname>another</hostname>", "deviceconfig system hostname", "deviceconfig system hostname"},
		{"set", device + "/network/virtual-router", `<entry name="default"><routing-table><ip><static-route><entry name="d"><destination>10.0.0.0/8</destination><nexthop><discard/></nexthop></entry></static-route></ip></routing-table></entry>`, `virtual router "default"`, `virtual router "default"`},
	} {
		if err := l.sim.Config().Edit(ourAdmin, c.action, c.path, c.element); err != nil {
			t.Fatalf("%s: %v", c.path, err)
		}
		l.mayTakeAlong(c.path, c.named, c.removal)
		if err := l.device.Revert(t.Context(), ourAdmin); err != nil {
			t.Fatal(err)
		}
	}
	l.mayTakeAlong("taken back", "", "")
}

// Without --apply a commit takes what stands there: an edit by hand that the plan would mend is none with it. What an earlier run adopted is no
// edit by hand for one that does not.
func TestACommitAloneTakesWhatStandsThere(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Config = rulesOfOthers })
	l.want.Admin = ourAdmin
	l.apply(l.plan(), true)
	for _, l.want.CommitAlone = range []bool{false, true} {
		if plan, err := Provision(t.Context(), l.device, l.want); err != nil || plan.TakesAlong() != "" || !plan.Uncommitted {
			t.Errorf("what was adopted, commit alone %v: %q, uncommitted %v, %v", l.want.CommitAlone, plan.TakesAlong(), plan.Uncommitted, err)
		}
	}
	l.commit()
	if err := l.sim.Config().Edit(ourAdmin, "delete", vsys1+rulesPath+"/entry[@name='active-defense-block']/log-setting", ""); err != nil {
		t.Fatal(err)
	}
	for alone, want := range map[bool]string{false: "", true: `security rule "active-defense-block" (vsys1)`} {
		l.want.CommitAlone = alone
		if plan, err := Provision(t.Context(), l.device, l.want); err != nil || len(plan.Steps) != 1 || plan.TakesAlong() != want {
			t.Errorf("commit alone %v: %q, %v, %v", alone, plan.TakesAlong(), plan.Steps, err)
		}
	}
}

// An address that is named like those of the group in ModeGroup is no more than any other: in the other modes none is left out, and there what the
// daemon writes alone, in its group.
func TestAnAddressNamedLikeOursIsByHand(t *testing.T) {
	const entry, ours = `<entry name="active-defense-%s"><ip-netmask>%s</ip-netmask>%s</entry>`, "<tag><member>active-defense</member></tag>"
	for _, c := range []struct {
		mode, name, address, more string
		grouped, member           bool
	}{
		{firewall.ModeTag, "0.0.0.0-0", "0.0.0.0/0", ours, false, false},
		{firewall.ModeTag, "203.0.113.66", "203.0.113.66", ours, false, false},
		{firewall.ModeList, "203.0.113.66", "203.0.113.66", ours, false, false},
		{firewall.ModeGroup, "0.0.0.0-0", "0.0.0.0/0", ours, true, false},
		{firewall.ModeGroup, "203.0.113.66", "203.0.113.66/1", ours, true, false},
		{firewall.ModeGroup, "2001_db8__-32", "2001:db8::/32", ours, true, false},
		{firewall.ModeGroup, "203.0.113.66", "203.0.113.66", ours, true, true},
		{firewall.ModeGroup, "203.0.113.0-24", "203.0.113.0/24", ours, true, true},
		{firewall.ModeGroup, "2001_db8__-64", "2001:db8::/64", ours, true, true},
		{firewall.ModeGroup, "203.0.113.66", "203.0.113.66", ours, false, false},
		{firewall.ModeGroup, "203.0.113.66", "203.0.113.66", "<tag><member>active-defense</member><member>trusted</member></tag>", true, false},
		{firewall.ModeGroup, "203.0.113.0-24", "203.0.113.0/24", "<tag><member>trusted</member><member>active-defense</member></tag>", false, false},
		{firewall.ModeGroup, "203.0.113.66", "203.0.113.66", "<tag><member>trusted</member></tag>", true, false},
		{firewall.ModeGroup, "203.0.113.66", "203.0.113.66", ours + "<description>by hand</description>", true, false},
		{firewall.ModeGroup, "203.0.113.66", "203.0.113.66", "", true, false},
	} {
		l := newProvisionLab(t, c.mode, func(o *panosim.Options) { o.Config = rulesOfOthers })
		l.want.Admin = ourAdmin
		l.apply(l.plan(), false)
		l.commit()
		if err := errors.Join(l.sim.Config().Edit("boss", "set", vsys1+"/tag", `<entry name="active-defense"/><entry name="trusted"/>`), l.sim.Config().Commit("boss")); err != nil {
			t.Fatal(err)
		}
		edits := []error{l.sim.Config().Edit(ourAdmin, "set", vsys1+"/address", fmt.Sprintf(entry, c.name, c.address, c.more))}
		if c.grouped {
			edits = append(edits, l.sim.Config().Edit(ourAdmin, "set", vsys1+"/address-group/entry[@name='active-defense']", "<static><member>active-defense-"+c.name+"</member></static>"))
		}
		if err := errors.Join(edits...); err != nil {
			t.Fatal(err)
		}
		plan, err := Provision(t.Context(), l.device, l.want)
		if err != nil || (plan.MayTakeAlong(l.device) == nil) != c.member || !c.member && !strings.Contains(plan.TakesAlong(), `address "active-defense-`+c.name+`" (vsys1)`) {
			t.Errorf("%+v: it names %q, %v", c, plan.TakesAlong(), err)
		}
	}
}

// Between two calls of the daemon's an address stands in no group: one that was in force until it is deleted, one that is new where the version takes no
// two edits in one call. One that was in force otherwise than the daemon writes it, or is so now, is by hand.
func TestAnAddressOfTheDaemonsOutsideItsGroup(t *testing.T) {
	const (
		name, group = "active-defense-203.0.113.66", vsys1 + "/address-group/entry[@name='active-defense']"
		at          = vsys1 + "/address/entry[@name='" + name + "']"
		member      = `<entry name="` + name + `"><ip-netmask>203.0.113.66</ip-netmask><tag><member>active-defense</member></tag></entry>`
		tagged      = `<entry name="` + name + `"><ip-netmask>203.0.113.66</ip-netmask><tag><member>active-defense</member><member>trusted</member></tag></entry>`
		byHand      = `address "` + name + `" (vsys1)`
	)
	for _, c := range []struct {
		what, before string
		edit         [][3]string // by our administrator
		version      string      // "": one that takes several
		named        string
	}{
		{"taken out of the group", member, [][3]string{{"delete", group + "/static/member[text()='" + name + "']", ""}}, "", ""},
		{"deleted", member, [][3]string{{"delete", group + "/static/member[text()='" + name + "']", ""}, {"delete", at, ""}}, "", ""},
		{"a tag more", member, [][3]string{{"edit", at + "/tag", "<tag><member>active-defense</member><member>trusted</member></tag>"}}, "", byHand},
		{"a tag less", tagged, [][3]string{{"edit", at + "/tag", "<tag><member>active-defense</member></tag>"}}, "", byHand},
		{"deleted with its tag", tagged, [][3]string{{"delete", group + "/static/member[text()='" + name + "']", ""}, {"delete", at, ""}}, "", byHand + `, address group "active-defense" (vsys1)`},
		{"made", "", [][3]string{{"set", vsys1 + "/address", member}}, "", byHand},
		{"made by an old version", "", [][3]string{{"set", vsys1 + "/address", member}}, "10.1.4", ""},
		{"with a tag, by an old version", "", [][3]string{{"set", vsys1 + "/address", tagged}}, "10.1.4", byHand},
	} {
		l := newProvisionLab(t, firewall.ModeGroup, func(o *panosim.Options) { o.Config, o.Version = rulesOfOthers, c.version })
		l.want.Admin = ourAdmin
		l.apply(l.plan(), false)
		l.commit()
		edits := []error{l.sim.Config().Edit("boss", "set", vsys1+"/tag", `<entry name="trusted"/>`)}
		if c.before != "" {
			edits = append(edits, l.sim.Config().Edit("boss", "set", vsys1+"/address", c.before), l.sim.Config().Edit("boss", "set", group, "<static><member>"+name+"</member></static>"))
		}
		edits = append(edits, l.sim.Config().Commit("boss"))
		for _, e := range c.edit {
			edits = append(edits, l.sim.Config().Edit(ourAdmin, e[0], e[1], e[2]))
		}
		if err := errors.Join(edits...); err != nil {
			t.Fatal(c.what, err)
		}
		if plan, err := Provision(t.Context(), l.device, l.want); err != nil || plan.TakesAlong() != c.named || (plan.MayTakeAlong(l.device) == nil) != (c.named == "") {
			t.Errorf("%s: it names %q, want %q; %v", c.what, plan.TakesAlong(), c.named, err)
		}
	}
}

// A firewall may list what was given another name by the old one alone, and not what follows it: nothing of it goes along unsaid, be it of an object
// that an earlier run of ours wrote, or beside edits of others.
func TestWhatIsGivenAnotherNameByHandIsNamed(t *testing.T) {
	const block = vsys1 + rulesPath + "/entry[@name='active-defense-block']"
	for _, renamed := range []dialect.Renamed{dialect.RenamedLeaves, dialect.RenamedFollows} {
		for _, alone := range []bool{false, true} {
			l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Config, o.Dialect.Renamed = rulesOfOthers, renamed })
			l.want.Admin, l.want.CommitAlone = ourAdmin, alone
			l.apply(l.plan(), false)
			if err := errors.Join(l.sim.Config().Edit("boss", "set", vsys1+"/tag", `<entry name="theirs"/>`), l.sim.Config().Edit(ourAdmin, "edit", block+"/source", "<source><member>any</member></source>"),
				l.sim.Config().Edit(ourAdmin, "rename", block, "cutall")); err != nil {
				t.Fatal(err)
			}
			if plan, err := Provision(t.Context(), l.device, l.want); err != nil || plan.MayTakeAlong(l.device) == nil || plan.TakesAlong() != `security rule "cutall" (vsys1)` {
				t.Errorf("%v, commit alone %v: it names %q, %v", renamed, alone, plan.TakesAlong(), err)
			}
		}
	}
}

// What others edited above or around an edit of ours does not explain what may be ours: a new name that the firewall does not list. Whose edits stand
// there is said; where ours have nothing to do with them they stay theirs.
func TestWhatOthersEditedAboveOursMayBeOurs(t *testing.T) {
	const rules, addresses = vsys1 + rulesPath, vsys1 + "/address"
	named := func(name string) string { return rules + "/entry[@name='" + name + "']" }
	for name, c := range map[string]struct {
		edits [][4]string // admin, action, path, element; of the list of rules: with the one that was made, and a description
		want  string
		above bool
	}{
		"renamed below":        {[][4]string{{"boss", "edit", rules}, {ourAdmin, "set", rules, letIn("tmp", "any")}, {ourAdmin, "rename", named("tmp"), "maintenance"}}, `security rule "maintenance" (vsys1), security rule "web" (vsys1)`, true},
		"renamed, then above":  {[][4]string{{ourAdmin, "set", rules, letIn("tmp", "any")}, {ourAdmin, "rename", named("tmp"), "maintenance"}, {"boss", "edit", rules}}, `security rule "maintenance" (vsys1), security rule "web" (vsys1)`, true},
		"renamed, then it":     {[][4]string{{ourAdmin, "set", rules, letIn("tmp", "any")}, {ourAdmin, "rename", named("tmp"), "maintenance"}, {"boss", "edit", named("maintenance"), letIn("maintenance", "dmz")}}, `security rule "maintenance" (vsys1)`, true},
		"an address below":     {[][4]string{{"boss", "edit", addresses, `<address><entry name="a"><fqdn>a.example.net</fqdn></entry></address>`}, {ourAdmin, "set", addresses, `<entry name="tmp"><fqdn>b.example.net</fqdn></entry>`}, {ourAdmin, "rename", addresses + "/entry[@name='tmp']", "b"}}, `address "a" (vsys1), address "b" (vsys1)`, true},
		"elsewhere":            {[][4]string{{"boss", "edit", rules}, {ourAdmin, "set", addresses, `<entry name="b"><fqdn>b.example.net</fqdn></entry>`}}, `address "b" (vsys1)`, false},
		"renamed elsewhere":    {[][4]string{{"boss", "edit", rules}, {ourAdmin, "set", addresses, `<entry name="tmp"><fqdn>b.example.net</fqdn></entry>`}, {ourAdmin, "rename", addresses + "/entry[@name='tmp']", "b"}}, `address "b" (vsys1)`, false},
		"beside":               {[][4]string{{"boss", "set", rules, letIn("theirs", "dmz")}, {ourAdmin, "set", rules, letIn("ours", "dmz")}}, `security rule "ours" (vsys1)`, false},
		"below":                {[][4]string{{ourAdmin, "edit", named("web"), letIn("web", "any")}, {"boss", "set", named("web"), "<description>theirs</description>"}, {ourAdmin, "set", addresses, `<entry name="tmp"><fqdn>b.example.net</fqdn></entry>`}, {ourAdmin, "rename", addresses + "/entry[@name='tmp']", "b"}}, `address "b" (vsys1), security rule "web" (vsys1)`, false},
		"made and deleted":     {[][4]string{{ourAdmin, "set", addresses, `<entry name="tmp"><fqdn>b.example.net</fqdn></entry>`}, {ourAdmin, "delete", addresses + "/entry[@name='tmp']"}, {"boss", "set", addresses, `<entry name="a"><fqdn>a.example.net</fqdn></entry>`}}, `address "a" (vsys1)`, true},
		"we, asked for":        {[][4]string{{ourAdmin, "set", vsys1 + "/tag", `<entry name="active-defense-admin"/>`}, {ourAdmin, "delete", vsys1 + "/tag/entry[@name='active-defense-admin']"}, {ourAdmin, "set", addresses, `<entry name="b"><fqdn>b.example.net</fqdn></entry>`}, {"boss", "set", vsys1 + "/tag", `<entry name="theirs"/>`}}, `address "b" (vsys1)`, false},
		"renamed, made again":  {[][4]string{{ourAdmin, "set", rules, letIn("tmp", "any")}, {ourAdmin, "rename", named("tmp"), "maintenance"}, {"boss", "set", rules, letIn("tmp", "any")}, {"boss", "delete", named("tmp")}, {"boss", "set", named("maintenance"), "<description>theirs</description>"}}, `security rule "maintenance" (vsys1)`, true},
		"again by us":          {[][4]string{{ourAdmin, "set", rules, letIn("tmp", "any")}, {ourAdmin, "rename", named("tmp"), "maintenance"}, {ourAdmin, "set", rules, letIn("tmp", "any")}, {ourAdmin, "delete", named("tmp")}, {"boss", "set", named("maintenance"), "<description>theirs</description>"}}, `security rule "maintenance" (vsys1)`, true},
		"again in force":       {[][4]string{{ourAdmin, "rename", named("web"), "maintenance"}, {"boss", "set", rules, letIn("web", "any")}, {"boss", "delete", named("web")}, {"boss", "set", named("maintenance"), "<description>theirs</description>"}}, `security rule "maintenance" (vsys1), security rule "web" (vsys1)`, true},
		"another in its place": {[][4]string{{"boss", "set", addresses, `<entry name="old"><fqdn>a.example.net</fqdn></entry><entry name="other"><fqdn>a.example.net</fqdn></entry>`}, {"boss", "commit"}, {ourAdmin, "rename", addresses + "/entry[@name='old']", "b"}, {"boss", "rename", addresses + "/entry[@name='other']", "old"}, {"boss", "set", addresses + "/entry[@name='b']", "<description>theirs</description>"}}, `address "b" (vsys1)`, true},
		"in force, renamed":    {[][4]string{{ourAdmin, "rename", named("web"), "maintenance"}, {"boss", "set", named("maintenance"), "<description>theirs</description>"}}, `security rule "maintenance" (vsys1), security rule "web" (vsys1)`, true},
		"deleted":              {[][4]string{{ourAdmin, "delete", named("web")}, {"boss", "set", rules, letIn("theirs", "dmz")}}, `security rule "web" (vsys1)`, false},
		"theirs alone":         {[][4]string{{"boss", "edit", addresses, `<address><entry name="a"><fqdn>a.example.net</fqdn></entry></address>`}}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) {
				o.Config = strings.Replace(rulesOfOthers, `name="web"`, `name="web" uuid="8b5c9a4e-1f0d-4a7e-9c55-0d5e2f6a7b31"`, 1)
			})
			l.want.Admin = ourAdmin
			l.apply(l.plan(), true)
			l.commit()
			for _, e := range c.edits {
				if e[2] == rules && e[3] == "" {
					_, list, _ := strings.Cut(l.sim.Config().Running(), "<security><rules>")
					list, _, _ = strings.Cut(list, "</rules>")
					if strings.Contains(l.sim.Config().Candidate(), `"maintenance"`) {
						list += letIn("maintenance", "any")
					}
					e[3] = "<rules>" + strings.Replace(list, "<action>allow</action>", "<action>allow</action><description>theirs</description>", 1) + "</rules>"
				}
				edit := func() error { return l.sim.Config().Edit(e[0], e[1], e[2], e[3]) }
				if e[1] == "commit" {
					edit = func() error { return l.sim.Config().Commit(e[0]) }
				}
				if err := edit(); err != nil {
					t.Fatalf("%v: %v", e, err)
				}
			}
			for _, l.want.CommitAlone = range []bool{false, true} {
				plan, err := Provision(t.Context(), l.device, l.want)
				if err != nil || plan.TakesAlong() != c.want {
					t.Errorf("it names %q, want %q; %v", plan.TakesAlong(), c.want, err)
				}
				refused := plan.MayTakeAlong(l.device)
				if (refused != nil) != (c.want != "") || refused != nil && !strings.Contains(refused.Error(), plan.Above()) || (plan.Above() != "") != c.above {
					t.Errorf("it is refused by %v", refused)
				}
			}
		})
	}
}

// A rule of ours that was given another name by hand, and then described by somebody else, is named where the plan takes ours away or writes it anew, and
// when it stands there anew: of one in force the identifier tells, of one that is not what others did to it, as far as that is not to have made it.
func TestARuleOfOursThatWasGivenAnotherNameIsNamed(t *testing.T) {
	named := func(name string) string { return vsys1 + rulesPath + "/entry[@name='" + name + "']" }
	for _, isCommitted := range []bool{false, true} {
		l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Config = rulesOfOthers })
		l.want.Admin = ourAdmin
		l.apply(l.plan(), false)
		last := [3]string{"boss", "move", named("cutall")}
		if isCommitted {
			l.commit()
			last = [3]string{"boss", "set", named("cutall")}
		}
		if err := errors.Join(l.sim.Config().Edit(ourAdmin, "edit", named("active-defense-block")+"/source", "<source><member>any</member></source>"),
			l.sim.Config().Edit(ourAdmin, "rename", named("active-defense-block"), "cutall"),
			l.sim.Config().Edit(last[0], last[1], last[2], map[string]string{"move": "bottom", "set": "<description>theirs</description>"}[last[1]])); err != nil {
			t.Fatal(err)
		}
		const rule = `security rule "cutall" (vsys1)`
		l.mayTakeAlong(fmt.Sprint("committed before ", isCommitted), rule, rule)
		l.apply(l.plan(), false)
		for _, l.want.CommitAlone = range []bool{false, true} {
			if plan, err := Provision(t.Context(), l.device, l.want); err != nil || !strings.HasPrefix(plan.TakesAlong(), rule) || plan.MayTakeAlong(l.device) == nil {
				t.Errorf("committed before %v, ours written anew, commit alone %v: it names %q, %v", isCommitted, l.want.CommitAlone, plan.TakesAlong(), err)
			}
		}
	}
}

// The place of a rule of ours that is not committed yet is the plan's, or it is by hand.
func TestARuleOfOursMovedByHandIsNamed(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) {
		o.Config = fmt.Sprintf(strings.Replace(servingFirewall, "<bgp><enable>yes", "<bgp><enable>no", 1), "", "")
	})
	l.want.Admin, l.want.InternetZones, l.want.Sensor = ourAdmin, []string{"provider"}, SensorDrop
	l.apply(l.plan(), false)
	l.mayTakeAlong("applied", "", "")
	if err := l.device.Move(t.Context(), "by hand", vsys1+rulesPath+"/entry[@name='active-defense-sensor']", xmlapi.MoveTop); err != nil {
		t.Fatal(err)
	}
	for _, l.want.CommitAlone = range []bool{false, true} {
		if plan, err := Provision(t.Context(), l.device, l.want); err != nil || plan.TakesAlong() != "the order of security rules (vsys1)" || plan.MayTakeAlong(l.device) == nil {
			t.Errorf("commit alone %v: it names %q; %v", l.want.CommitAlone, plan.TakesAlong(), err)
		}
	}
}

// A configuration that cannot be read whole refuses the commit of what may be by hand, and says so.
func TestWhatCannotBeReadIsNotCommitted(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Config = rulesOfOthers })
	l.want.Admin = ourAdmin
	l.apply(l.plan(), false)
	refused := 0
	for skip := range 20 {
		l.sim.SetFault(panosim.Fault{Effect: panosim.Refuse, Kind: panosim.KindConfigRead, Skip: skip, Calls: 1, Text: "it is too long"})
		plan, err := Provision(t.Context(), l.device, l.want)
		l.sim.ClearFaults()
		if err == nil && plan.TakesAlong() != "" {
			if err := plan.MayTakeAlong(l.device); err == nil || !strings.Contains(err.Error(), "what cannot be told, for the whole configuration was not read: read what a commit takes along: it is too long") {
				t.Errorf("with call %d refused: %v", skip+1, err)
			}
			refused++
		}
	}
	if refused != 2 {
		t.Errorf("%d of the two calls that read it refuse the commit", refused)
	}
}

// Nothing is said to wait for our commit where it is an edit of somebody else's that a step is not needed for.
func TestOthersEditsAreNotOursToCommit(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Config = rulesOfOthers })
	l.want.Admin = ourAdmin
	l.apply(l.plan(), false)
	l.commit()
	if err := l.sim.Config().Edit("boss", "delete", vsys1+rulesPath+"/entry[@name='web']", ""); err != nil {
		t.Fatal(err)
	}
	for _, ours := range []bool{false, true} {
		if ours {
			if err := l.sim.Config().Edit(ourAdmin, "set", vsys1+"/tag", `<entry name="x"/>`); err != nil {
				t.Fatal(err)
			}
		}
		if plan, err := Provision(t.Context(), l.device, l.want); err != nil || !plan.Pending || plan.Uncommitted {
			t.Errorf("beside an edit of ours %v: uncommitted %v, %v", ours, plan.Uncommitted, err)
		}
	}
}

// Nor is a removal said to wait for a commit of which nothing was written, where it is not known whose the edits are: what only --adopt would take away
// is none.
func TestNothingOfARemovalWaitsThatWasNotWritten(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) {
		o.Config = strings.Replace(rulesOfOthers, "<action>allow", "<tag><member>active-defense</member></tag><action>allow", 1)
	})
	l.apply(l.plan(), false)
	l.commit()
	if err := l.sim.Config().Edit("boss", "set", vsys1+"/tag", `<entry name="theirs"/>`); err != nil {
		t.Fatal(err)
	}
	for _, isWritten := range []bool{false, true} {
		if isWritten {
			l.apply(l.removal(false), false)
		}
		if plan, err := Remove(t.Context(), l.device, l.want, false); err != nil || plan.Ourselves != "" || plan.Uncommitted != isWritten {
			t.Errorf("written %v: uncommitted %v, we are %q, %v", isWritten, plan.Uncommitted, plan.Ourselves, err)
		}
	}
}

// What the daemon writes into its group in ModeGroup is not by hand; what somebody else's object has to do there is.
func TestTheDaemonsGroupIsNotEditedByHand(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeGroup, func(o *panosim.Options) { o.Config = rulesOfOthers })
	l.want.Admin = ourAdmin
	l.apply(l.plan(), false)
	l.mayTakeAlong("an interrupted run", "", "")
	l.commit()
	for name, named := range map[string]string{"active-defense-203.0.113.5": "", "partner": `address "partner" (vsys1), address group "active-defense" (vsys1)`} {
		if err := errors.Join(l.sim.Config().Edit(ourAdmin, "set", vsys1+"/address", `<entry name="`+name+`"><ip-netmask>203.0.113.5</ip-netmask><tag><member>active-defense</member></tag></entry>`),
			l.sim.Config().Edit(ourAdmin, "set", vsys1+"/address-group/entry[@name='active-defense']", "<static><member>"+name+"</member></static>")); err != nil {
			t.Fatal(err)
		}
		l.mayTakeAlong(name, named, named)
		if err := l.device.Revert(t.Context(), ourAdmin); err != nil {
			t.Fatal(err)
		}
	}
}

// What an interrupted run made, and stays for a rule of somebody else's refers to it, is no edit by hand for one that takes all away.
func TestWhatStaysOfAnInterruptedRunIsNotByHand(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) {
		o.Config = strings.Replace(rulesOfOthers, "<action>allow", "<tag><member>active-defense</member></tag><action>allow", 1)
	})
	l.want.Admin = ourAdmin
	l.apply(l.plan(), false)
	plan, err := Remove(t.Context(), l.device, l.want, false)
	if err != nil || plan.TakesAlong() != "" || stepFor(t, plan.Steps, `tag "active-defense"`).Action != ActionPerson {
		t.Errorf("it names %q, of %v, %v", plan.TakesAlong(), plan.Steps, err)
	}
}

// On Panorama, too: in other device groups, of whom a group is made, in Panorama itself, and of our own rule and group there, for a plan to take
// all away as well.
func TestEditsByHandAreNamedAnywhereOnPanorama(t *testing.T) {
	const (
		branches = groupsOfPanorama + "/entry[@name='branches']"
		block    = branches + "/pre-rulebase/security/rules/entry[@name='active-defense-block-" + serial + "']"
		rule     = `on Panorama security rule "active-defense-block-` + serial + `" (device group branches)`
	)
	l := newPanoramaLab(t, managed{local: withoutCleanup(), branches: preRules(letIn("hq", "dmz"))})
	l.want.Admin = ourAdmin
	if _, err := l.carryOut(false); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ action, path, element, named string }{
		{"edit", block + "/source", "<source><member>any</member></source>", rule},
		{"edit", block + "/target", "<target><devices><entry name='" + sister + "'/></devices></target>", rule},
		{"edit", branches + "/address-group/entry[@name='active-defense-panorama']/dynamic/filter", "<filter>'active-defense' or 'partner'</filter>", `on Panorama address group "active-defense-panorama" (device group branches)`},
		{"set", groupsOfPanorama, `<entry name="dc">` + preRules(letIn("cut", "any")) + `</entry>`, `on Panorama security rule "cut" (device group dc)`},
		{"delete", branches + "/devices/entry[@name='" + sister + "']", "", `on Panorama firewall "` + sister + `" (device group branches)`},
		{"set", "/config/devices/entry[@name='localhost.localdomain']/deviceconfig/system", "<hostname>another</hostname>", "on Panorama deviceconfig system hostname"},
		{"set", "/config/readonly/devices/entry[@name='localhost.localdomain']/device-group/entry[@name='branches']", "<parent-dg>other</parent-dg>", "on Panorama parent-dg (device group branches)"},
	} {
		if err := l.panorama.Config().Edit(ourAdmin, c.action, c.path, c.element); err != nil {
			t.Fatalf("%s: %v", c.path, err)
		}
		want := c.named
		if strings.Contains(c.path, "/filter") { // it is ours still, and goes
			want = ""
		}
		plan, err := Remove(t.Context(), l.device, l.want, false)
		if refused := plan.MayTakeAlong(l.device); err != nil || plan.TakesAlong() != want || (refused == nil) != (want == "") {
			t.Errorf("%s: it names %q, want %q; %v, %v", c.path, plan.TakesAlong(), want, refused, err)
		}
		before := l.panorama.Config().Running()
		if plan := l.whole(); plan.Panorama != nil && plan.TakesAlong() != c.named {
			t.Errorf("%s: provision names %q, want %q", c.path, plan.TakesAlong(), c.named)
		}
		if _, err := l.carryOut(false); err == nil && l.panorama.Config().Running() != before {
			t.Errorf("%s: it is committed", c.path)
		}
		if err := l.itself().Revert(t.Context(), ourAdmin); err != nil {
			t.Fatal(err)
		}
	}
}

// A group that Panorama does not delete, for a rule of another firewall names it, is committed as it stands there: where it was edited by hand, it is
// not.
func TestAGroupThatStaysIsNotCommittedAsEditedByHand(t *testing.T) {
	const branches = groupsOfPanorama + "/entry[@name='branches']"
	l := newPanoramaLab(t, managed{local: withoutCleanup(), branches: preRules(letIn("hq", "dmz"))})
	l.want.Admin = ourAdmin
	if _, err := l.carryOut(false); err != nil {
		t.Fatal(err)
	}
	l.edited(branches+"/pre-rulebase/security/rules", strings.ReplaceAll(namedAsOurs("drop", "active-defense-panorama", sister), "active-defense-block-"+serial, "another"), true)
	if err := l.panorama.Push("branches"); err != nil {
		t.Fatal(err)
	}
	if err := l.panorama.Config().Edit(ourAdmin, "edit", branches+"/address-group/entry[@name='active-defense-panorama']/dynamic/filter", "<filter>'partner' or 'active-defense'</filter>"); err != nil {
		t.Fatal(err)
	}
	plan, err := Remove(t.Context(), l.device, l.want, false)
	if err == nil {
		_, err = TakeOnPanorama(t.Context(), l.itself(), plan.Steps, false)
	}
	if err != nil {
		t.Fatal(err)
	}
	before := l.panorama.Config().Running()
	if _, err := CommitOnPanorama(t.Context(), l.itself(), plan.Panorama, l.want, ourAdmin); err == nil || !strings.Contains(err.Error(), `address group "active-defense-panorama" (device group branches)`) || l.panorama.Config().Running() != before {
		t.Errorf("it is not refused: %v", err)
	}
}
