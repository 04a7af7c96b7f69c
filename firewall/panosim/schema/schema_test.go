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
		{"", rules(strings.Replace(rule, "<action>drop</action>", "", 1)), ""}, // it allows
		{"", rules(strings.Replace(rule, "<service><member>any</member></service>", "", 1)), "rules -> r is missing 'service'"},
		{"", rules(strings.Replace(rule, "<from><member>any", "<from><member>inside", 1)), "'inside' is not a valid reference"},
		{"", rules(strings.Replace(rule, "<source><member>any", "<source><member>192.0.2.0/24", 1)), ""},
		{"", rules(strings.Replace(rule, "<source><member>any", "<source><member>NL", 1)), ""},
		{"", rules(rule + `<target><devices><entry name="007000000000001"><vsys><entry name="vsys1"/></vsys></entry></devices><negate>no</negate></target>`), ""},
		{"", rules(rule + "<target><device/></target>"), "target -> device unexpected here"},
		{"", rules(rule + "<qos><marking><ip-dscp>af11</ip-dscp><ip-precedence>cs1</ip-precedence></marking></qos>"), "mutually exclusive"},
		{"", rules(rule + "<log-setting>no</log-setting>"), "log-setting 'no' is not a valid reference"},
		{"<unknown><thing/></unknown>", "<other>text</other>", ""},
	} {
		root := config(t, c.shared, c.vsys)
		lines := Invalid(root, NewInventory(root, nothingMore), false)
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

// One that refuses each kind of condition, and one that takes what is just within it.
func TestConditions(t *testing.T) {
	long := func(n int) string { return strings.Repeat("é", n) }
	list := func(fields string) string {
		return `<external-list><entry name="l"><type><ip>` + fields + `<recurring><hourly/></recurring></ip></type></entry></external-list>`
	}
	zone := func(fields string) string {
		return `<network><profiles><zone-protection-profile><entry name="z">` + fields + `</entry></zone-protection-profile></profiles></network>`
	}
	scan := func(name, fields string) string {
		return zone(`<scan><entry name="` + name + `">` + fields + `</entry></scan>`)
	}
	settings := func(log, fields string) string {
		return "<log-settings><" + log + `><match-list><entry name="m">` + fields + "</entry></match-list></" + log + "></log-settings>"
	}
	tagging := func(registration string) string {
		return `<actions><entry name="a"><type><tagging><registration>` + registration + `</registration></tagging></type></entry></actions>`
	}
	at := func(hour string) string {
		return `<external-list><entry name="l"><type><ip><url>x</url><recurring><daily><at>` + hour + `</at></daily></recurring></ip></type></entry></external-list>`
	}
	tags := strings.Repeat("x", 65)
	for i := range 65 {
		tags = strings.Replace(tags, "x", "<member>t"+strings.Repeat("1", i)+"</member>", 1)
	}
	for _, c := range []struct{ shared, device, want string }{
		{list("<url>" + long(255) + "</url>"), "", ""},
		{list("<url>" + long(256) + "</url>"), "", "url '" + long(256) + "' can be at most 255 characters"},
		{list("<url>x</url><auth><username></username></auth>"), "", "must be at least 1 characters"},
		{list("<url>x</url><certificate-profile>None</certificate-profile>"), "", ""},
		{list("<url>x</url><certificate-profile>mine</certificate-profile>"), "", "'mine' is not a valid reference"},
		{list(""), "", "is missing 'url'"},
		{`<external-list><entry name="l"><type/></entry></external-list>`, "", "is missing one of"},
		{`<certificate><entry name="c"><public-key>x</public-key><common-name>y</common-name><ca>yes</ca></entry></certificate>`, "", ""},
		{`<certificate><entry name="c"><public-key>x</public-key><format>pem</format></entry></certificate>`, "", "certificate -> c -> format unexpected here"},
		{`<certificate><entry name="c"><public-key>` + long(16385) + `</public-key></entry></certificate>`, "", "at most 16384"},
		{`<certificate><entry name="` + strings.Repeat("c", 64) + `"/></certificate>`, "", "at most 63 characters, but current length: 64"},
		{`<log-settings><syslog><entry name="` + strings.Repeat("s", 32) + `"/></syslog></log-settings>`, "", "at most 31 characters, but current length: 32"},
		{`<log-settings><syslog><entry name="s"><server><entry name="x"><server>h</server><port>0</port></entry></server></entry></syslog></log-settings>`, "", "port '0' is not in the range 1..65535"},
		{`<log-settings><system><match-list><entry name="m"><action-desc>x</action-desc></entry></match-list></system></log-settings>`, "", "action-desc unexpected here"},
		{`<tag><entry name="t"><color>color18</color></entry></tag>`, "", "'color18' is not an allowed keyword"},
		{`<tag><entry name="` + long(127) + `"/></tag>`, "", ""},
		{`<tag><entry name="` + long(128) + `"/></tag>`, "", "at most 127"},
		{`<address><entry name="a"><fqdn>x</fqdn><tag>` + tags + `</tag></entry></address>`, "", "can have at most 64 members"},
		{`<admin-role><entry name="r"><role><device><xmlapi><import>enable</import></xmlapi></device></role></entry></admin-role>`, "", ""},
		{`<admin-role><entry name="r"><role><device><xmlapi><imports>enable</imports></xmlapi></device></role></entry></admin-role>`, "", "imports unexpected here"},
		{`<admin-role><entry name="r"><role><device><xmlapi><import>yes</import></xmlapi></device></role></entry></admin-role>`, "", "'yes' is not an allowed keyword"},
		{settings("system", "<filter>"+long(1023)+"</filter><send-to-panorama>no</send-to-panorama>"), "", ""},
		{settings("system", "<filter>"+long(1024)+"</filter>"), "", "at most 1023"},
		{settings("globalprotect", "<filter>"+long(1024)+"</filter><quarantine>yes</quarantine>"), "", ""},
		{settings("globalprotect", "<filter>"+long(1025)+"</filter>"), "", "at most 1024"},
		{settings("globalprotect", tagging("<remote><http-profile>h</http-profile></remote>")), "", ""},
		{settings("globalprotect", tagging("<remote/><localhost/>")), "", "mutually exclusive"},
		{settings("globalprotect", tagging("<elsewhere/>")), "", "elsewhere unexpected here"},
		{settings("system", tagging("<localhost/>")), "", "tagging unexpected here"}, // a system log has no address to tag
		{settings("config", "<actions/>"), "", "actions unexpected here"}, {settings("config", "<quarantine>no</quarantine>"), "", "quarantine unexpected here"},
		{settings("correlation", "<send-to-panorama>no</send-to-panorama>"), "", "send-to-panorama unexpected here"},
		{at("23"), "", ""}, {at("24"), "", "at '24' is not in the range 0..23"}, {at("7"), "", "at least 2"},
		{`<log-settings><syslog><entry name="s"><format><escaping><escape-character></escape-character></escaping></format></entry></syslog></log-settings>`, "", "at least 1"},
		{`<address-group><entry name="g"><dynamic><filter>'t'</filter></dynamic><disable-override>yes</disable-override></entry></address-group>`, "", "'yes' is not an allowed keyword"},
		{"", `<deviceconfig><system><timezone>America/Argentina/Buenos_Aires</timezone></system><setting><management><hostname-type-in-syslog>hostname</hostname-type-in-syslog></management></setting></deviceconfig>`, ""},
		{"", `<deviceconfig><system><timezone>UTC +1</timezone></system></deviceconfig>`, "'UTC +1' is an invalid time zone"},
		{"", `<deviceconfig><setting><management><hostname-type-in-syslog>name</hostname-type-in-syslog></management></setting></deviceconfig>`, "not an allowed keyword"},
		{"", `<deviceconfig><setting><config><rematch>on</rematch></config></setting></deviceconfig>`, "rematch 'on'"},
		{"", zone("<flood><tcp-syn><enable>yes</enable><syn-cookies><activate-rate>0</activate-rate></syn-cookies></tcp-syn></flood><scan-white-list><entry name=\"w\"><ipv4>192.0.2.1</ipv4></entry></scan-white-list>"), ""},
		{"", zone("<flood><udp><red><activate-rate>0</activate-rate></red></udp></flood>"), "activate-rate '0' is not in the range 1..2000000"},
		{"", zone("<flood><tcp-syn><red/><syn-cookies/></tcp-syn></flood>"), "mutually exclusive"},
		{"", scan("8003", "<interval>2</interval><threshold>65535</threshold>"), ""},
		{"", scan("8004", ""), "8004 is not an allowed keyword"},
		{"", scan("8001", "<interval>1</interval>"), "'1' is not in the range 2..65535"},
		{"", scan("8001", "<action><alert/><block/></action>"), "mutually exclusive"},
	} {
		root := config(t, c.shared, "")
		if c.device != "" {
			part, err := xmltree.ParseConfig(c.device)
			if err != nil {
				t.Fatal(err)
			}
			device := root.Child("devices").Entries()[0]
			device.Children = append(device.Children, part)
		}
		lines := slices.DeleteFunc(Invalid(root, NewInventory(root, nothingMore), false), func(l string) bool {
			return strings.HasPrefix(c.want, "can have") && strings.HasSuffix(l, "is not a valid reference")
		})
		found := slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, c.want) })
		if (c.want == "") != (lines == nil) || c.want != "" && !found {
			t.Errorf("%.200s%s: %.300q, want %.100q", c.shared, c.device, lines, c.want)
		}
	}
}

// An element without text may be one without a value.
func TestEmptyText(t *testing.T) {
	root := config(t, `<log-settings><syslog><entry name="s"><format><escaping><escaped-characters>'</escaped-characters><escape-character/></escaping></format></entry></syslog></log-settings>`, "")
	for empty, want := range map[bool]bool{false: true, true: false} {
		if lines := Invalid(root, NewInventory(root, nothingMore), empty); (lines != nil) != want {
			t.Errorf("taken %v: %q", empty, lines)
		}
	}
}

// A schema that says something that nobody understands, or not where it is from, is refused with its line.
func TestWrittenSchema(t *testing.T) {
	for text, want := range map[string]string{
		"a open | CG x\n  b text":                        "line 2: b says not where it is from",
		"a open | somebody":                              "line 1: a says not",
		"a | CG x":                                       "line 1: expected name, form",
		"a what | CG x":                                  `line 1: "what" is no form`,
		"a text max=x | CG x":                            `line 1: a: "x" is no number`,
		"a text range=5..1 | CG x":                       `line 1: a: "5..1" is no range`,
		"a text check=x | CG x":                          `line 1: a: no check is called "x"`,
		"a text long | CG x":                             `line 1: a: "long" is no condition`,
		"a group uses=b | CG x":                          "line 1: there is no type b",
		"a text | CG x\n  b text | CG x":                 "line 1: a text holds no elements",
		"a group | CG x\n      b text | CG x":            "line 2: b is indented too deep",
		"type t\n  b what | CG x\na group uses=t | CG x": `line 2: "what" is no form`,
	} {
		if _, err := read(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
