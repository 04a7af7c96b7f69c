package panosim

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/xmltree"
)

const (
	vsysPath    = "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']"
	rulesPath   = vsysPath + "/rulebase/security/rules"
	addressPath = vsysPath + "/address"
	groupPath   = vsysPath + "/address-group"
)

// config makes a call of type=config, with pairs of names and values beside action and xpath.
func (p *peer) config(action, path string, pairs ...string) string {
	p.Helper()
	form := url.Values{"type": {"config"}, "action": {action}, "xpath": {path}, "key": {p.sim.Key()}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return p.post(form).body
}

// multi makes a call with action=multi-config.
func (p *peer) multi(parts string, pairs ...string) string {
	p.Helper()
	return p.config("multi-config", "", append(pairs, "element", "<multi-configure-request>"+parts+"</multi-configure-request>")...)
}

const (
	succeeded  = `<response status="success" code="20"><msg>command succeeded</msg></response>`
	notThere   = `<response status="success" code="7"><msg>Object doesn't exist</msg></response>`
	noneFound  = `<response status="success" code="7"><result/></response>`
	noSuchNode = `<response status="error"><msg><line>No such node</line></msg></response>`
)

// refused is the answer of an error with these lines.
func refused(code int, lines ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<response status="error" code="%d"><msg>`, code)
	for _, line := range lines {
		b.WriteString("<line><![CDATA[ " + line + "]]></line>")
	}
	return b.String() + "</msg></response>"
}

// found is the answer of a get that found so many elements.
func found(n int, elements string) string {
	return fmt.Sprintf(`<response status="success" code="19"><result total-count="%[1]d" count="%[1]d">%s</result></response>`, n, elements)
}

const (
	hostA   = `<entry name="a"><ip-netmask>192.0.2.1</ip-netmask></entry>`
	hostB   = `<entry name="b"><fqdn>example.com</fqdn></entry>`
	groupG  = `<entry name="g"><static><member>a</member></static></entry>`
	ruleOne = `<entry name="one"><from><member>untrust</member></from><to><member>any</member></to><source><member>g</member></source>` +
		`<destination><member>any</member></destination><application><member>any</member></application>` +
		`<service><member>any</member></service><action>drop</action></entry>`
)

// configured starts a firewall without marks whose running configuration has what the constants say.
func configured(t *testing.T, o Options) (*Sim, *peer) {
	t.Helper()
	if o.Dialect.Marking == dialect.MarkTouched {
		o.Dialect.Marking = dialect.MarkNothing
	}
	s := start(t, o)
	for _, e := range []struct{ path, content string }{
		{addressPath, hostA + hostB}, {groupPath, groupG}, {rulesPath, ruleOne},
	} {
		if err := s.Config().Edit("setup", "set", e.path, e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Config().Commit("setup"); err != nil {
		t.Fatal(err)
	}
	return s, newPeer(t, s)
}

func TestReadConfig(t *testing.T) {
	s, p := configured(t, Options{})
	if err := s.Config().Edit("bob", "set", addressPath, `<entry name="c"><ip-range>192.0.2.1-192.0.2.9</ip-range></entry>`); err != nil {
		t.Fatal(err)
	}
	hostC := `<entry name="c"><ip-range>192.0.2.1-192.0.2.9</ip-range></entry>`
	for _, c := range []struct{ what, action, path, want string }{
		{"one", "get", addressPath + "/entry[@name='a']", found(1, hostA)},
		{"double quotes", "get", addressPath + `/entry[@name="a"]`, found(1, hostA)},
		{"spaces", "get", addressPath + `/entry[ @name = "a" ]`, found(1, hostA)},
		{"several", "get", addressPath + "/entry[@name='a' or @name='c' or @name='x']", found(2, hostA+hostC)},
		{"all", "get", addressPath + "/entry", found(3, hostA+hostB+hostC)},
		{"names", "get", addressPath + "/entry/@name", found(3, `<entry name="a"/><entry name="b"/><entry name="c"/>`)},
		{"an attribute that nothing has", "get", addressPath + "/entry/@color", noneFound},
		{"the container", "get", addressPath, found(1, "<address>"+hostA+hostB+hostC+"</address>")},
		{"any element", "get", groupPath + "/entry[@name='g']/*/member", found(1, "<member>a</member>")},
		{"a member", "get", groupPath + "/entry[@name='g']/static/member[text()='a']", found(1, "<member>a</member>")},
		{"no such member", "get", groupPath + "/entry[@name='g']/static/member[text()='b']", noneFound},
		{"a leaf", "get", addressPath + "/entry[@name='a']/ip-netmask", found(1, "<ip-netmask>192.0.2.1</ip-netmask>")},
		{"missing", "get", addressPath + "/entry[@name='x']", noneFound},
		{"another root", "get", "/response", noneFound},
		{"running", "show", addressPath + "/entry[@name='a']", "<response status=\"success\"><result>" + hostA + "</result></response>"},
		{"running container", "show", addressPath, "<response status=\"success\"><result><address>" + hostA + hostB + "</address></result></response>"},
		{"not committed", "show", addressPath + "/entry[@name='c']", noSuchNode},
		{"no slash", "get", "config", refused(6, "Bad XPath")},
		{"open bracket", "get", addressPath + "/entry[@name='a'", refused(6, "Bad XPath")},
		{"open quote", "get", addressPath + "/entry[@name='a]", refused(6, "Bad XPath")},
		{"a quote in a name", "get", addressPath + "/entry[@name='it's']", refused(6, "Bad XPath")},
		{"another axis", "get", "//entry", refused(6, "Bad XPath")},
		{"a function", "get", addressPath + "/entry[contains(@name,'a')]", refused(6, "Bad XPath")},
		{"no path", "get", "", `<response status = 'error' code = '400'><result><msg>Missing value for parameter &#34;xpath&#34;.</msg></result></response>`},
		{"no element", "set", addressPath, `<response status = 'error' code = '400'><result><msg>Missing value for parameter &#34;element&#34;.</msg></result></response>`},
		{"another action", "dance", addressPath, `<response status = 'error' code = '400'><result><msg>Illegal value for parameter &#34;action&#34;.</msg></result></response>`},
	} {
		expect(t, c.what, p.config(c.action, c.path), c.want)
	}
	s.SetDialect(dialect.Dialect{BadPath: dialect.BadPathMissing})
	expect(t, "bad path, get", p.config("get", "//entry"), noneFound)
	expect(t, "bad path, show", p.config("show", "//entry"), noSuchNode)
}

func TestMarks(t *testing.T) {
	s, p := configured(t, Options{Now: fixed})
	path := addressPath + "/entry[@name='b']"
	if err := s.Config().Edit(`o"neil`, "set", path, "<description>x</description>"); err != nil {
		t.Fatal(err)
	}
	mark := ` admin="o&quot;neil" dirtyId="4" time="2026/11/21 10:00:00"`
	for marking, want := range map[dialect.Marking]string{
		dialect.MarkTouched: `<entry name="b"` + mark + `><fqdn>example.com</fqdn><description` + mark + `>x</description></entry>`,
		dialect.MarkEntries: `<entry name="b"` + mark + `><fqdn>example.com</fqdn><description>x</description></entry>`,
		dialect.MarkNothing: `<entry name="b"><fqdn>example.com</fqdn><description>x</description></entry>`,
	} {
		s.SetDialect(dialect.Dialect{Marking: marking})
		expect(t, "get", p.config("get", path), found(1, want))
	}
	s.SetDialect(dialect.Dialect{})
	// A client that sends back what it has read sends the marks, too.
	candidate := p.config("get", path)
	entry := candidate[strings.Index(candidate, "<entry"):strings.Index(candidate, "</result>")]
	expect(t, "edit", p.config("edit", path, "element", strings.Replace(entry, ">x<", ">y<", 1)), succeeded)
	if err := s.Config().Commit("admin"); err != nil {
		t.Fatal(err)
	}
	plain := `<entry name="b"><fqdn>example.com</fqdn><description>y</description></entry>`
	expect(t, "committed", p.config("get", path), found(1, plain))
}

// Steps are carried out one after the other; state is what address and address-group of the candidate hold then,
// "" if the step changes nothing.
func TestWriteConfig(t *testing.T) {
	type step struct{ what, action, path, content, want, state string }
	for name, steps := range map[string][]step{
		"set": {
			{"merges", "set", addressPath + "/entry[@name='a']", "<description>d</description>", succeeded,
				`<address><entry name="a"><ip-netmask>192.0.2.1</ip-netmask><description>d</description></entry>` + hostB + `</address><address-group>` + groupG + `</address-group>`},
			{"again", "set", addressPath + "/entry[@name='a']", "<description>d</description>", succeeded, ""},
			{"replaces a leaf", "set", addressPath, `<entry name="a"><description>e</description></entry>`, succeeded,
				`<address><entry name="a"><ip-netmask>192.0.2.1</ip-netmask><description>e</description></entry>` + hostB + `</address><address-group>` + groupG + `</address-group>`},
			{"replaces a choice", "set", addressPath + "/entry[@name='a']", "<ip-range>192.0.2.1-192.0.2.2</ip-range>", succeeded,
				`<address><entry name="a"><description>e</description><ip-range>192.0.2.1-192.0.2.2</ip-range></entry>` + hostB + `</address><address-group>` + groupG + `</address-group>`},
			{"adds a member", "set", groupPath + "/entry[@name='g']/static", "<member>b</member>", succeeded,
				`<address><entry name="a"><description>e</description><ip-range>192.0.2.1-192.0.2.2</ip-range></entry>` + hostB + `</address>` +
					`<address-group><entry name="g"><static><member>a</member><member>b</member></static></entry></address-group>`},
		},
		"set of many": {
			{"in one container", "set", vsysPath, "<address><entry name=\"c\"><ip-netmask>192.0.2.3</ip-netmask></entry></address>" +
				"<address-group><entry name=\"h\"><static><member>c</member></static></entry></address-group>", succeeded,
				"<address>" + hostA + hostB + `<entry name="c"><ip-netmask>192.0.2.3</ip-netmask></entry></address>` +
					`<address-group>` + groupG + `<entry name="h"><static><member>c</member></static></entry></address-group>`},
		},
		"edit": {
			{"replaces", "edit", addressPath + "/entry[@name='b']", `<entry name="b"><ip-netmask>192.0.2.8/29</ip-netmask></entry>`, succeeded,
				`<address>` + hostA + `<entry name="b"><ip-netmask>192.0.2.8/29</ip-netmask></entry></address><address-group>` + groupG + `</address-group>`},
			{"another node", "edit", addressPath + "/entry[@name='b']", hostA, refused(12, "Edit breaks config validity"), ""},
			{"another element", "edit", addressPath + "/entry[@name='b']", "<address/>", refused(12, "Edit breaks config validity"), ""},
			{"one that is not there", "edit", addressPath + "/entry[@name='c']", `<entry name="c"><fqdn>c.example</fqdn></entry>`, succeeded,
				`<address>` + hostA + `<entry name="b"><ip-netmask>192.0.2.8/29</ip-netmask></entry><entry name="c"><fqdn>c.example</fqdn></entry></address><address-group>` + groupG + `</address-group>`},
			{"broken", "edit", addressPath, "<address>", `Malformed element`, ""},
			{"several at once", "edit", addressPath + "/entry[@name='a' or @name='b']", hostA, refused(12, "Invalid Object"), ""},
		},
		"delete": {
			{"in use", "delete", addressPath + "/entry[@name='a']", "", refused(10, "a cannot be deleted because of references from:",
				"vsys -> vsys1 -> address-group -> g -> static"), ""},
			{"the list, in use", "delete", addressPath, "", refused(10, "a cannot be deleted because of references from:",
				"vsys -> vsys1 -> address-group -> g -> static"), ""},
			{"a group in use", "delete", groupPath + "/entry[@name='g']", "", refused(10, "g cannot be deleted because of references from:",
				"vsys -> vsys1 -> rulebase -> security -> rules -> one -> source"), ""},
			{"missing", "delete", addressPath + "/entry[@name='x']", "", notThere, ""},
			{"free", "delete", addressPath + "/entry[@name='b']", "", succeeded, "<address>" + hostA + "</address><address-group>" + groupG + "</address-group>"},
			{"again", "delete", addressPath + "/entry[@name='b']", "", notThere, ""},
			{"a zone in use", "delete", vsysPath + "/zone/entry[@name='untrust']", "", refused(10,
				"untrust cannot be deleted because of references from:", "vsys -> vsys1 -> rulebase -> security -> rules -> one -> from"), ""},
			{"the rule", "delete", rulesPath + "/entry[@name='one']", "", succeeded, ""},
			{"the member, then", "delete", groupPath + "/entry[@name='g']/static/member[text()='a']", "", succeeded,
				"<address>" + hostA + `</address><address-group><entry name="g"><static/></entry></address-group>`},
			{"the address, then", "delete", addressPath + "/entry[@name='a']", "", succeeded,
				`<address/><address-group><entry name="g"><static/></entry></address-group>`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, p := configured(t, Options{})
			state := "<address>" + hostA + hostB + "</address><address-group>" + groupG + "</address-group>"
			for _, step := range steps {
				got := p.config(step.action, step.path, "element", step.content)
				if step.want != got && !(strings.HasPrefix(step.want, "Malformed") && strings.Contains(got, step.want)) {
					t.Errorf("%s: %s\nwant %s", step.what, got, step.want)
				}
				if step.state != "" {
					state = step.state
				}
				expect(t, step.what+": address", p.config("get", addressPath), found(1, state[:strings.Index(state, "<address-group>")]))
				expect(t, step.what+": address-group", p.config("get", groupPath), found(1, state[strings.Index(state, "<address-group>"):]))
			}
		})
	}
}

func TestSchema(t *testing.T) {
	_, p := configured(t, Options{})
	long := strings.Repeat("x", 64)
	shared := "/config/shared"
	for _, c := range []struct {
		what, path, content string
		lines               []string // nil: it is taken
	}{
		{"address", addressPath, `<entry name="x"><ip-netmask>2001:db8::/32</ip-netmask><description>d</description></entry>`, nil},
		{"longest name", addressPath, `<entry name="` + long[:63] + `"><ip-netmask>192.0.2.1</ip-netmask></entry>`, nil},
		{"name too long", addressPath, `<entry name="` + long + `"/>`, []string{long + " can be at most 63 characters, but current length: 64"}},
		{"no name", addressPath, `<entry><ip-netmask>192.0.2.1</ip-netmask></entry>`, []string{"is missing a name"}},
		{"bad name", addressPath, `<entry name="a/b"/>`, []string{"a/b is an invalid name"}},
		{"twice", addressPath, hostA + hostA, []string{"'a' is a duplicate node"}},
		{"bad address", addressPath, `<entry name="x"><ip-netmask>192.0.2.300</ip-netmask></entry>`,
			[]string{"x -> ip-netmask '192.0.2.300' is an invalid ipv4/v6 address", "x -> ip-netmask is invalid", "x is invalid"}},
		{"bad range", addressPath, `<entry name="x"><ip-range>192.0.2.9-192.0.2.1</ip-range></entry>`,
			[]string{"x -> ip-range '192.0.2.9-192.0.2.1' is an invalid ipv4/v6 address range", "x -> ip-range is invalid", "x is invalid"}},
		{"unknown element", addressPath, `<entry name="x"><colour>red</colour></entry>`, []string{"x -> colour unexpected here", "x is invalid"}},
		{"no list", addressPath, `<member>a</member>`, []string{"member unexpected here"}},
		{"unknown tag", addressPath, `<entry name="x"><tag><member>t</member></tag></entry>`,
			[]string{"x -> tag 't' is not a valid reference", "x -> tag is invalid", "x is invalid"}},
		{"bad color", vsysPath + "/tag", `<entry name="t"><color>red</color></entry>`,
			[]string{"t -> color 'red' is not an allowed keyword", "t -> color is invalid", "t is invalid"}},
		{"tag", vsysPath + "/tag", `<entry name="it's ours"><color>color5</color></entry>`, nil},
		{"list", vsysPath + "/external-list", `<entry name="l"><type><ip><url>https://x/</url><recurring><five-minute/></recurring></ip></type></entry>`, nil},
		{"list in both ways", vsysPath + "/external-list", `<entry name="l2"><type><ip><url>x</url><certificate-profile>none</certificate-profile></ip></type></entry>`,
			[]string{"l2 -> type -> ip -> certificate-profile 'none' is not a valid reference", "l2 -> type -> ip -> certificate-profile is invalid",
				"l2 -> type -> ip is invalid", "l2 -> type is invalid", "l2 is invalid"}},
		{"certificate", shared + "/certificate", `<entry name="ca"><public-key>x</public-key><ca>yes</ca></entry>`, nil},
		{"profile of it", shared + "/certificate-profile", `<entry name="cp"><CA><entry name="ca"/></CA><use-crl>no</use-crl></entry>`, nil},
		{"profile of another", shared + "/certificate-profile", `<entry name="cq"><CA><entry name="cb"/></CA></entry>`,
			[]string{"cq -> CA 'cb' is not a valid reference", "cq -> CA is invalid", "cq is invalid"}},
		{"profile in a list", vsysPath + "/external-list/entry[@name='l']/type/ip", `<certificate-profile>cp</certificate-profile>`, nil},
		{"syslog", shared + "/log-settings/syslog", `<entry name="s"><server><entry name="x"><server>192.0.2.1</server><transport>UDP</transport>` +
			`<port>514</port></entry></server><format><threat>$type </threat></format></entry>`, nil},
		{"syslog port", shared + "/log-settings/syslog/entry[@name='s']/server/entry[@name='x']", `<port>70000</port>`,
			[]string{"port '70000' is not in the range 1..65535", "port is invalid"}},
		{"forwarding", shared + "/log-settings/profiles", `<entry name="f"><match-list><entry name="m"><log-type>threat</log-type>` +
			`<send-syslog><member>s</member></send-syslog></entry></match-list></entry>`, nil},
		{"forwarding of nothing", shared + "/log-settings/profiles", `<entry name="f"><match-list><entry name="m"><log-type>gossip</log-type></entry></match-list></entry>`,
			[]string{"f -> match-list -> m -> log-type 'gossip' is not an allowed keyword", "f -> match-list -> m -> log-type is invalid",
				"f -> match-list -> m is invalid", "f -> match-list is invalid", "f is invalid"}},
		{"rule", rulesPath + "/entry[@name='one']", `<log-setting>f</log-setting><source><member>l</member><member>192.0.2.0/24</member><member>US</member></source>`, nil},
		{"rule in an unknown zone", rulesPath + "/entry[@name='one']/from", `<member>internet</member>`,
			[]string{"from 'internet' is not a valid reference", "from is invalid"}},
		{"action", rulesPath + "/entry[@name='one']", `<action>block</action>`, []string{"action 'block' is not an allowed keyword", "action is invalid"}},
		{"bulk", vsysPath + "/rulebase/security", `<rules><entry name="two"><action>block</action></entry></rules>`,
			[]string{"rules -> two -> action 'block' is not an allowed keyword", "rules -> two -> action is invalid", "rules -> two is invalid", "rules is invalid"}},
		{"unknown path", addressPath + "/entry[@name='a']/colour", `<x/>`, []string{"Could not find schema node for xpath " + addressPath + "/entry[@name='a']/colour"}},
		{"open path", vsysPath + "/something/new", `<x><y/></x>`, nil},
	} {
		want := succeeded
		if c.lines != nil {
			want = refused(12, c.lines...)
		}
		expect(t, c.what, p.config("set", c.path, "element", c.content), want)
	}
	expect(t, "text keeps its spaces", p.config("get", shared+"/log-settings/syslog/entry[@name='s']/format/threat"), found(1, "<threat>$type </threat>"))
	for _, c := range []struct{ path, name, from string }{
		{vsysPath + "/external-list/entry[@name='l']", "l", "vsys -> vsys1 -> rulebase -> security -> rules -> one -> source"},
		{shared + "/certificate/entry[@name='ca']", "ca", "certificate-profile -> cp -> CA -> ca"},
		{shared + "/certificate-profile/entry[@name='cp']", "cp", "vsys -> vsys1 -> external-list -> l -> type -> ip -> certificate-profile"},
		{shared + "/log-settings/syslog/entry[@name='s']", "s", "log-settings -> profiles -> f -> match-list -> m -> send-syslog"},
		{shared + "/log-settings/profiles/entry[@name='f']", "f", "vsys -> vsys1 -> rulebase -> security -> rules -> one -> log-setting"},
	} {
		expect(t, "delete "+c.name, p.config("delete", c.path), refused(10, c.name+" cannot be deleted because of references from:", c.from))
	}
}

func TestMoveAndRename(t *testing.T) {
	s, p := configured(t, Options{})
	for _, name := range []string{"two", "three"} {
		expect(t, "set", p.config("set", rulesPath, "element", strings.Replace(ruleOne, `"one"`, `"`+name+`"`, 1)), succeeded)
	}
	for _, c := range []struct{ what, SecurityRule, where, dst, want, order string }{
		{"top", "three", "top", "", succeeded, "three one two"},
		{"top again", "three", "top", "", refused(14, "already at the top"), "three one two"},
		{"bottom", "three", "bottom", "", succeeded, "one two three"},
		{"bottom again", "three", "bottom", "", refused(14, "already at the bottom"), "one two three"},
		{"before", "three", "before", "two", succeeded, "one three two"},
		{"before where it is", "three", "before", "two", succeeded, "one three two"},
		{"after", "one", "after", "two", succeeded, "three two one"},
		{"after the last", "three", "after", "one", succeeded, "two one three"},
		{"after a missing one", "three", "after", "x", notThere, "two one three"},
		{"itself", "three", "after", "three", refused(14, "cannot move three after itself"), "two one three"},
		{"a missing one", "x", "top", "", notThere, "two one three"},
		{"nowhere", "two", "left", "", refused(17, `invalid value for "where"`), "two one three"},
	} {
		expect(t, c.what, p.config("move", rulesPath+"/entry[@name='"+c.SecurityRule+"']", "where", c.where, "dst", c.dst), c.want)
		var order []string
		for _, part := range strings.Split(p.config("get", rulesPath+"/entry/@name"), `name="`)[1:] {
			order = append(order, part[:strings.Index(part, `"`)])
		}
		expect(t, c.what+": order", strings.Join(order, " "), c.order)
	}
	expect(t, "rename", p.config("rename", addressPath+"/entry[@name='a']", "newname", "z"), succeeded)
	expect(t, "references follow", p.config("get", groupPath+"/entry[@name='g']/static"), found(1, "<static><member>z</member></static>"))
	expect(t, "rename to what is there", p.config("rename", addressPath+"/entry[@name='z']", "newname", "b"), refused(8, "b already exists"))
	expect(t, "rename what is not there", p.config("rename", addressPath+"/entry[@name='a']", "newname", "c"), notThere)
	s.SetDialect(dialect.Dialect{Renamed: dialect.RenamedLeaves, Marking: dialect.MarkNothing})
	expect(t, "rename", p.config("rename", addressPath+"/entry[@name='z']", "newname", "y"), succeeded)
	expect(t, "references stay", p.config("get", groupPath+"/entry[@name='g']/static"), found(1, "<static><member>z</member></static>"))
	if err := s.Config().Commit("admin"); err == nil || !strings.Contains(err.Error(), "'z' is not a valid reference") {
		t.Errorf("commit: %v", err)
	}
}

func TestMultiConfig(t *testing.T) {
	s, p := configured(t, Options{})
	before := s.Config().Candidate()
	part := func(action, id, path, content string) string {
		return `<` + action + ` id="` + id + `" xpath="` + xmltree.EscapeAttribute(path) + `">` + content + `</` + action + `>`
	}
	answer := func(outer string, parts ...string) string { return outer + strings.Join(parts, "") + "</response>" }
	withID := func(body, id string) string { return strings.Replace(body, "><msg>", ` id="`+id+`"><msg>`, 1) }
	const good, bad = `<response status="success" code="20">`, `<response status="error" code="13">`

	expect(t, "refused", p.multi(part("set", "1", addressPath, `<entry name="c"><fqdn>c.example</fqdn></entry>`)+
		part("delete", "2", addressPath+"/entry[@name='x']", "")+part("set", "3", addressPath, "<test-new/>")+part("set", "4", addressPath, hostA)),
		answer(bad, withID(succeeded, "1"), withID(notThere, "2"), withID(refused(12, "test-new unexpected here"), "3")))
	expect(t, "nothing stays", s.Config().Candidate(), before)

	expect(t, "carried out", p.multi(part("set", "a", addressPath, `<entry name="c"><fqdn>c.example</fqdn></entry>`)+
		part("edit", "b", groupPath+"/entry[@name='g']", `<entry name="g"><static><member>c</member></static></entry>`)+
		part("delete", "c", addressPath+"/entry[@name='a']", "")),
		answer(good, withID(succeeded, "a"), withID(succeeded, "b"), withID(succeeded, "c")))
	expect(t, "group", p.config("get", groupPath+"/entry/static/member"), found(1, "<member>c</member>"))
	expect(t, "no action", p.multi("<dance/>"), answer(bad, refused(12, "dance unexpected here")))
	expect(t, "no request", p.config("multi-config", "", "element", "<x/>"), refused(12, "multi-configure-request is invalid"))

	// Strict: what the administrator had not committed is dropped first, what others had stays.
	if err := s.Config().Edit("bob", "set", addressPath, `<entry name="bobs"><fqdn>bob.example</fqdn></entry>`); err != nil {
		t.Fatal(err)
	}
	expect(t, "strict", p.multi(part("set", "1", addressPath, `<entry name="d"><fqdn>d.example</fqdn></entry>`), "strict-transactional", "yes"),
		answer(good, withID(succeeded, "1")))
	expect(t, "names", p.config("get", addressPath+"/entry/@name"), found(4, `<entry name="a"/><entry name="b"/><entry name="bobs"/><entry name="d"/>`))
	old := newPeer(t, start(t, Options{Version: "10.1.4"}))
	if got := old.multi(""); !strings.Contains(got, "Illegal value") {
		t.Errorf("multi-config before 10.1.5: %s", got)
	}
}

// fixed is a clock that stands still.
func fixed() time.Time { return time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC) }
