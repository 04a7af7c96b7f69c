package schema

import (
	"slices"
	"strings"
	"testing"

	"activedefense/firewall/panosim/xmltree"
)

const vsys = "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']"

func config(t *testing.T, shared, inVSys string) *xmltree.Element {
	t.Helper()
	root, err := xmltree.ParseConfig(`<config><shared>` + shared + `</shared><devices><entry name="localhost.localdomain"><vsys><entry name="vsys1">` +
		inVSys + `</entry></vsys></entry></devices></config>`)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func nothingMore(string) []*xmltree.Element { return nil }

func path(t *testing.T, text string) xmltree.Path {
	t.Helper()
	x, err := xmltree.ParsePath(text)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// What a commit would find wrong, in the lines of a firewall.
func TestInvalid(t *testing.T) {
	const rule = `<from><member>any</member></from><to><member>any</member></to><source><member>any</member></source><destination>` +
		`<member>any</member></destination><application><member>any</member></application><service><member>any</member></service><action>drop</action>`
	rules := func(fields string) string {
		return `<rulebase><security><rules><entry name="r">` + fields + `</entry></rules></security></rulebase>`
	}
	for _, c := range []struct{ shared, vsys, want string }{
		{`<tag><entry name="t"><color>color1</color></entry></tag>`, rules(rule), ""},
		{`<tag><entry name="t"><color>red</color></entry></tag>`, "", "tag -> t -> color 'red' is not an allowed keyword"},
		{`<tag><entry name="t"><shape>round</shape></entry></tag>`, "", "tag -> t -> shape unexpected here"},
		{"", `<address><entry name="a"/></address>`, "address -> a is missing one of 'ip-netmask', 'ip-range', 'fqdn', 'ip-wildcard'"},
		{"", `<address><entry name="a"><fqdn>x</fqdn><ip-netmask>192.0.2.1</ip-netmask></entry></address>`, "Node ip-netmask and fqdn are mutually exclusive"},
		{"", `<address><entry name="a"><ip-netmask>192.0.2</ip-netmask></entry></address>`, "'192.0.2' is an invalid ipv4/v6 address"},
		{"", `<address><entry name="a"><ip-range>192.0.2.9-192.0.2.1</ip-range></entry></address>`, "is an invalid ipv4/v6 address range"},
		{"", `<address><entry name="a"><fqdn>x</fqdn></entry><entry name="a"><fqdn>y</fqdn></entry></address>`, "'a' is a duplicate node"},
		{"", `<address><entry name="a,b"><fqdn>x</fqdn></entry></address>`, "address -> a,b is an invalid name"},
		{"", `<address-group><entry name="g"><static/></entry></address-group>`, "Static Address Groups cannot be empty"},
		{"", `<address-group><entry name="g"><static><member>no</member></static></entry></address-group>`, "'no' is not a valid reference"},
		{"", `<address-group><entry name="g"><dynamic/></entry></address-group>`, "is missing 'filter'"},
		{`<address><entry name="a"><fqdn>x</fqdn></entry></address>`, `<address-group><entry name="g"><static><member>a</member></static></entry></address-group>`, ""},
		{"", rules(strings.Replace(rule, "drop", "maybe", 1)), "action 'maybe' is not an allowed keyword"},
		{"", rules(strings.Replace(rule, "<action>drop</action>", "", 1)), "rules -> r is missing 'action'"},
		{"", rules(strings.Replace(rule, "<from><member>any", "<from><member>inside", 1)), "'inside' is not a valid reference"},
		{"", rules(strings.Replace(rule, "<source><member>any", "<source><member>192.0.2.0/24", 1)), ""},
		{"", rules(strings.Replace(rule, "<source><member>any", "<source><member>NL", 1)), ""},
		{"", rules(rule + "<log-setting>no</log-setting>"), "log-setting 'no' is not a valid reference"},
		{"<unknown><thing/></unknown>", "<other>text</other>", ""},
	} {
		root := config(t, c.shared, c.vsys)
		lines := Invalid(root, NewInventory(root, nothingMore))
		found := slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, c.want) })
		if (c.want == "") != (lines == nil) || c.want != "" && !found {
			t.Errorf("%s%s: %q, want %q", c.shared, c.vsys, lines, c.want)
		}
	}
}

func TestPlaces(t *testing.T) {
	for text, want := range map[string]struct {
		scope string
		ok    bool
	}{
		"/config/shared/address/entry[@name='a']":  {SharedScope, true},
		vsys + "/address/entry[@name='a']/fqdn":    {"vsys1", true},
		vsys + "/address/entry[@name='a']/nothing": {"", false},
		vsys + "/anything/below":                   {"vsys1", true},
		"/other":                                   {"", false},
	} {
		if _, scope, ok := Firewall.At(path(t, text)); ok != want.ok || ok && scope != want.scope {
			t.Errorf("%s: scope %q, %v", text, scope, ok)
		}
	}
}

// An object that is in use cannot be deleted, but together with all that uses it; the nearest of a name is meant.
func TestInUse(t *testing.T) {
	root := config(t, `<address><entry name="a"><fqdn>x</fqdn></entry><entry name="free"><fqdn>x</fqdn></entry></address>`,
		`<address><entry name="a"><fqdn>y</fqdn></entry></address><address-group><entry name="g"><static><member>a</member></static></entry>`+
			`<entry name="outer"><static><member>g</member></static></entry></address-group>`)
	for text, want := range map[string]string{
		vsys + "/address/entry[@name='a']":           "a cannot be deleted because of references from:|vsys -> vsys1 -> address-group -> g -> static",
		"/config/shared/address/entry[@name='a']":    "", // the group means the other one
		"/config/shared/address/entry[@name='free']": "",
		vsys + "/address-group/entry[@name='g']":     "g cannot be deleted because of references from:|vsys -> vsys1 -> address-group -> outer -> static",
		vsys + "/address-group":                      "",
		vsys + "/address":                            "a cannot be deleted because of references from:|vsys -> vsys1 -> address-group -> g -> static",
	} {
		if got := strings.Join(InUse(root, path(t, text).Find(root)), "|"); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
