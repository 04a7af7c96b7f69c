package policy

import (
	"slices"
	"strings"
	"testing"
)

// What others committed in a template goes along with no push of ours: an element that holds nothing may be a choice, and the order of some lists
// says what is tried first.
func TestOthersSettingsAreNotPushed(t *testing.T) {
	const (
		device   = templatesOfPanorama + "/entry[@name='base']/config/devices/entry[@name='localhost.localdomain']"
		system   = device + "/deviceconfig/system"
		networks = device + "/vsys/entry[@name='vsys1']/user-id-collector/include-exclude-network"
	)
	type edit struct{ action, path, element string }
	const servers = templatesOfPanorama + "/entry[@name='base']/config/shared/server-profile/radius/entry[@name='r']/server"
	set := func(path, element string) edit { return edit{"set", path, element} }
	over := func(first, second string) edit {
		return edit{"edit", stacksOfPanorama + "/entry[@name='all']/templates", "<templates><member>" + first + "</member><member>" + second + "</member></templates>"}
	}
	two, swapped := []edit{set(templatesOfPanorama, `<entry name="over"><config/></entry>`), over("over", "base")}, []edit{over("base", "over")}
	for name, c := range map[string]struct {
		before, after []edit
		told          string
	}{
		"a choice":               {[]edit{set(system, "<type><static/></type>")}, []edit{{"edit", system + "/type", "<type><dhcp-client/></type>"}}, "setting devices localhost.localdomain deviceconfig system type dhcp-client of template base; setting devices localhost.localdomain deviceconfig system type static of the templates, which is gone there"},
		"a first choice":         {[]edit{set(system, "<hostname>a</hostname>")}, []edit{set(system, "<type><dhcp-client/></type>")}, "setting devices localhost.localdomain deviceconfig system type dhcp-client of template base"},
		"a choice with more":     {[]edit{set(system+"/update-schedule/threats", "<recurring><none/></recurring>")}, []edit{{"edit", system + "/update-schedule/threats/recurring", "<recurring><weekly><at>02:00</at></weekly></recurring>"}}, "setting devices localhost.localdomain deviceconfig system update-schedule threats recurring none of the templates, which is gone there; setting devices localhost.localdomain deviceconfig system update-schedule threats recurring weekly at of template base"},
		"the order of a list":    {[]edit{set(networks, `<entry name="a"><discovery>exclude</discovery></entry>`), set(networks, `<entry name="b"><discovery>include</discovery></entry>`)}, []edit{{"move", networks + "/entry[@name='b']", "top"}}, "the order of devices localhost.localdomain vsys vsys1 user-id-collector include-exclude-network of template base"},
		"the order of a set":     {[]edit{set(device+"/network/virtual-router", `<entry name="a"><interface><member>x</member><member>y</member></interface></entry>`)}, []edit{{"edit", device + "/network/virtual-router/entry[@name='a']/interface", "<interface><member>y</member><member>x</member></interface>"}}, ""},
		"what is no certificate": {[]edit{set(templatesOfPanorama+"/entry[@name='base']/config/shared/certificate", `<entry name="x"><public-key>one</public-key></entry>`)}, []edit{{"edit", templatesOfPanorama + "/entry[@name='base']/config/shared/certificate/entry[@name='x']/public-key", "<public-key>other</public-key>"}}, `certificate "x" of template base`},
		"the order of templates": {append(two, set(networks, `<entry name="b"><discovery>include</discovery></entry>`), set(strings.Replace(networks, "'base'", "'over'", 1), `<entry name="a"><discovery>exclude</discovery></entry>`)),
			swapped, "the order of devices localhost.localdomain vsys vsys1 user-id-collector include-exclude-network of template base, template over"},
		"and in a profile":    {append(two, set(servers, `<entry name="b"><server>192.0.2.2</server></entry>`), set(strings.Replace(servers, "'base'", "'over'", 1), `<entry name="a"><server>192.0.2.1</server></entry>`)), swapped, `radius "r" of template base, template over`},
		"that say the same":   {append(two, set(networks, `<entry name="b"><discovery>include</discovery></entry>`)), swapped, ""},
		"a name that is used": {[]edit{set(device+"/network/ike/gateway", `<entry name="dc"><local-address><interface>dc</interface></local-address></entry>`)}, []edit{set(branchesGroup+"/address", `<entry name="dc"><ip-netmask>198.51.100.7</ip-netmask></entry>`)}, ""},
		"of an interface":     {[]edit{set(device+"/network/interface/ethernet", `<entry name="ethernet1/9"><layer3><ip><entry name="dc"/></ip></layer3></entry>`)}, []edit{set(branchesGroup+"/address", `<entry name="dc"><ip-netmask>198.51.100.7</ip-netmask></entry>`)}, `address "dc" of branches, which is new and has a name that is in use`},
		"an empty list":       {nil, []edit{set(templatesOfPanorama+"/entry[@name='base']/config/shared/log-settings", "<syslog/>")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			l := newPanoramaLab(t, managed{local: withoutCleanup(), branches: preRules(letIn("hq", "dmz"))})
			for _, e := range c.before {
				l.changed(e.action, e.path, e.element)
			}
			if err := l.panorama.PushTemplate("all"); err != nil {
				t.Fatal(err)
			}
			l.unhindered()
			for _, e := range c.after {
				l.changed(e.action, e.path, e.element)
			}
			l.refused(c.told)
		})
	}
}

// Secrets cannot be compared: what holds one is named where it is written otherwise, and holds nobody up.
func TestSecretsOfTemplatesAreNamed(t *testing.T) {
	const gateway = templatesOfPanorama + "/entry[@name='base']/config/devices/entry[@name='localhost.localdomain']/network/ike/gateway"
	l := newPanoramaLab(t, managed{local: withoutCleanup(), branches: preRules(letIn("hq", "dmz"))})
	for name, secret := range map[string]string{"changed": "-AQ==one", "other": "-AQ==two"} {
		l.changed("set", gateway, `<entry name="`+name+`"><authentication><pre-shared-key><key>`+secret+`</key></pre-shared-key></authentication></entry>`)
	}
	if err := l.panorama.PushTemplate("all"); err != nil {
		t.Fatal(err)
	}
	const note = "Passwords, keys and other secrets in the templates cannot be compared"
	said := func() string {
		notes := l.whole().Panorama.Notes
		return notes[slices.IndexFunc(notes, func(n string) bool { return strings.HasPrefix(n, note) })]
	}
	if text := said(); strings.Contains(text, "Look at these") {
		t.Errorf("before: %s", text)
	}
	l.changed("edit", gateway+"/entry[@name='changed']/authentication/pre-shared-key/key", "<key>-AQ==three</key>")
	if text := said(); !strings.HasSuffix(text, `Look at these, which hold one: gateway "changed".`) {
		t.Error(text)
	}
	l.refused("")
}
