package xmltree

import (
	"strings"
	"testing"
)

const document = `<config><shared><tag><entry name="t"/></tag></shared><devices><entry name="localhost.localdomain"><vsys>` +
	`<entry name="vsys1"><address><entry name="a"><ip-netmask>192.0.2.1</ip-netmask></entry><entry name="b"/><entry name="it's"/></address>` +
	`<address-group><entry name="g"><static><member>a</member><member>b</member></static></entry></address-group></entry>` +
	`<entry name="vsys2"><address><entry name="a"/></address></entry></vsys></entry></devices></config>`

const vsys1 = "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']"

func parsed(t testing.TB, text string) *Element {
	t.Helper()
	e, err := ParseConfig(text)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// fataler is what the tests of this package and those of rapid have in common.
type fataler interface {
	Helper()
	Fatal(...any)
}

func path(t fataler, text string) Path {
	t.Helper()
	x, err := ParsePath(text)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestPathsFind(t *testing.T) {
	root := parsed(t, document)
	for text, want := range map[string]string{
		vsys1 + "/address/entry[@name='a']":                         `<entry name="a"><ip-netmask>192.0.2.1</ip-netmask></entry>`,
		vsys1 + `/address/entry[@name="it's"]`:                      `<entry name="it's"/>`,
		vsys1 + "/address/entry[@name='b' or @name='a']/@name":      `<entry name="a"/><entry name="b"/>`,
		vsys1 + "/address/entry/@name":                              `<entry name="a"/><entry name="b"/><entry name="it's"/>`,
		vsys1 + "/address-group/entry/static/member[text()='b']":    `<member>b</member>`,
		"/config/devices/entry/vsys/entry/address/entry[@name='a']": `<entry name="a"><ip-netmask>192.0.2.1</ip-netmask></entry><entry name="a"/>`,
		"/config/*/tag":                   `<tag><entry name="t"/></tag>`,
		"/config/shared/tag/@uuid":        "",
		"/config/shared/tag/entry/x":      "",
		"/other":                          "",
		"/config/entry[@name='x']/shared": "",
	} {
		x := path(t, text)
		var b strings.Builder
		if n := x.Write(&b, x.Find(root), nil); b.String() != want || (n == 0) != (want == "") {
			t.Errorf("%s: %d elements, %s, want %s", text, n, b.String(), want)
		}
	}
}

func TestPathsThatAreNone(t *testing.T) {
	for _, text := range []string{
		"", " ", "/", "config", "/config/", "//config", "/config[", "/config[]", "/config/entry[@name=a]", "/config/entry[@name='a]",
		"/config/entry[@name='a'x]", "/config/entry[@name='a']x", "/config/entry[@id='a']", "/config/member[@name='a']",
		"/config/entry[text()='a']", "/config/entry[1]", "/config/@", "/config/@name/x", "/con fig", "/config/entry[@name='\x01']",
		strings.Repeat("/a", MaxSteps+1), "/" + strings.Repeat("a", maxPath),
	} {
		if x, err := ParsePath(text); err == nil {
			t.Errorf("%.60q is read as %s", text, x)
		}
	}
}

func TestWhatAPathMeans(t *testing.T) {
	for text, single := range map[string]bool{
		vsys1: true, vsys1 + "/address": true, "/config/devices/entry": false, vsys1 + "/address/entry[@name='a' or @name='b']": false,
		"/config/*": false, vsys1 + "/@name": false,
	} {
		if got := path(t, text).Single(); got != single {
			t.Errorf("%s means at most one element: %v", text, got)
		}
	}
	x := path(t, vsys1)
	if got, want := x.Last().Key(), (Key{"entry", "vsys1"}); got != want {
		t.Errorf("the last step means %v, want %v", got, want)
	}
	if got, want := x.Parent().String(), strings.TrimSuffix(vsys1, "/entry[@name='vsys1']"); got != want {
		t.Errorf("the parent is %s, want %s", got, want)
	}
}

func FuzzPath(f *testing.F) {
	for _, seed := range []string{
		vsys1 + "/address/entry[@name='a' or @name=\"b\"]/@name", vsys1 + "/address-group/entry[@name='g']/static/member[text()='a' or text()='b']",
		"/config/*/x", "/", "//a", "/a[", "/entry[@name=''']", "/entry[@name='a'or @name='b']", "/a/@", "/member[text()='ü']",
	} {
		f.Add(seed)
	}
	root := parsed(f, document)
	before := root.String()
	f.Fuzz(func(t *testing.T, text string) {
		x, err := ParsePath(text)
		if err != nil {
			return
		}
		again, err := ParsePath(x.String())
		if err != nil || again.String() != x.String() {
			t.Errorf("%q is written %q, which is read as %q, %v", text, x, again, err)
		}
		x.Find(root)
		if root.String() != before {
			t.Error("finding changes the configuration")
		}
	})
}
