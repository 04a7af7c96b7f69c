package policy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"activedefense/firewall/ours"
	"activedefense/firewall/xmlapi"
)

func TestChooseZones(t *testing.T) {
	known := []string{"trust", "Untrust-2", "INTERNET", "dmz", "outside_isp", "MyWAN1", "guest"}
	routed := ours.New("fw", "vsys1", nil, ours.Configuration{
		Network: node(t, `<network><interface><ethernet><entry name="ethernet1/1"><layer3><dhcp-client/></layer3></entry></ethernet></interface></network>`),
		VSys:    node(t, `<entry name="vsys1"><zone><entry name="guest"><network><layer3><member>ethernet1/1</member></layer3></network></entry></zone></entry>`),
	})
	tests := []struct {
		name           string
		given          []string
		lines          *ours.Facts
		zones, unknown []string
		says           string
	}{
		{"names tell nothing", nil, ours.New("fw", "vsys1", nil, ours.Configuration{}), nil, nil, "no internet zone can be told: no default route leaves by any interface: neither a static one, nor one by DHCP, PPPoE or a routing protocol"},
		{"the network is not known", nil, nil, nil, nil, "no internet zone can be told: the network configuration was not read"},
		{"the default route", nil, routed, []string{"guest"}, nil, `internet zones "guest" (the default route that ethernet1/1 asks its provider for)`},
		{"given", []string{"guest", "dmz"}, routed, []string{"dmz", "guest"}, nil, `internet zones "dmz", "guest"`},
		{"given in other letters is another zone", []string{"internet"}, routed, nil, []string{"internet"}, "no internet zone"},
		{"one unknown", []string{"dmz", "nowhere"}, nil, []string{"dmz"}, []string{"nowhere"}, `internet zones "dmz"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := chooseZones(test.given, known, test.lines)
			if !slices.Equal(c.zones, test.zones) || !slices.Equal(c.unknown, test.unknown) || c.String() != test.says {
				t.Errorf("took %q, unknown %q: %s", c.zones, c.unknown, c)
			}
		})
	}
}

func TestTagFilter(t *testing.T) {
	tests := []struct {
		filter string
		want   bool // for an address with the tag x alone
		broken bool
		others bool // also for some without the tag x
	}{
		{"'x'", true, false, false}, {"x", true, false, false}, {`"x"`, true, false, false}, {" ( 'x' ) ", true, false, false},
		{"'x' or 'y'", true, false, true}, {"'y' OR 'x'", true, false, true}, {"'x' and 'y'", false, false, false},
		{"'x' and not 'y'", true, false, false}, {"not 'x'", false, false, false}, {"not not 'x'", true, false, false},
		{"'y' and 'z' or 'x'", true, false, true}, {"'y' and ('z' or 'x')", false, false, false},
		{"'x' or 'y' and 'x'", true, false, false}, {"'x' or 'y' and not 'y'", true, false, false}, {"not 'y'", true, false, true},
		{"'x'" + strings.Repeat(" and not 'y' or 'x'", 20), true, false, false}, {"'x' or 'a' and 'b' and 'c' and 'd' and 'e' and 'f' and 'g' and 'h' and 'i' and 'j' and 'k' and 'l' and 'm' and not 'a'", true, false, true}, // too many to try
		{"'X'", false, false, false}, {"'x y'", false, false, false}, {"'and' or 'x'", true, false, true},
		{"", false, true, false}, {"'x", false, true, false}, {"('x'", false, true, false}, {"'x')", false, true, false}, {"'x' 'y'", false, true, false},
		{"and", false, true, false}, {"'x' and", false, true, false}, {"''", false, true, false}, {"()", false, true, false},
		{strings.Repeat("(", 100_000), false, true, false}, {strings.Repeat("not ", 100_000) + "x", false, true, false},
	}
	for _, test := range tests {
		f, _, err := parseTagFilter(test.filter)
		if matches, others := filterMatches(test.filter, "x"); matches != test.want || others != test.others {
			t.Errorf("%q matches: %v, others: %v", test.filter, matches, others)
		}
		switch {
		case (err != nil) != test.broken:
			t.Errorf("%.40q: %v", test.filter, err)
		case err == nil && f(map[string]bool{"x": true}) != test.want:
			t.Errorf("%q matches: %v", test.filter, !test.want)
		}
	}
}

func TestFilterCovers(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, "All Logs": true, "all logs": true, "(severity geq informational)": true, "( severity  geq  informational )": true,
		"(severity geq low)": false, "(action eq allow)": false, "(action eq allow) or (action neq allow)": false,
		"(action eq allow)|(action neq allow)": true, "(action eq allow)|(action neq deny)": false, "(action eq allow)|(app neq allow)": false,
		"(zone.src eq untrust)|All Logs": true, "((": false, "(": false,
	} {
		if got := coverEverything(strings.Split(text, "|")); got != want {
			t.Errorf("%q covers everything: %v", text, got)
		}
	}
}

func TestPrivateOnly(t *testing.T) {
	for text, want := range map[string]bool{
		"10.1.2.3": true, "10.0.0.0/8": true, "10.0.0.0/7": false, "192.168.1.1-192.168.1.9": true, "10.0.0.1-11.0.0.1": false,
		"fd00::1": true, "2001:db8::1": false, "203.0.113.1": false, "0.0.0.0/0": false, "fqdn.example.com": false, "": false, "-": false,
	} {
		if got := privateOnly(text); got != want {
			t.Errorf("%q is private: %v", text, got)
		}
	}
}

func TestServerIs(t *testing.T) {
	s := syslogServer{"2001:db8::10", "514"}
	for text, want := range map[string]bool{
		"2001:DB8:0::10": true, "[2001:db8::10]": true, "[2001:db8::10]:514": true, "[2001:db8::10]:515": false, "2001:db8::11": false, "": false,
	} {
		if s.is(text) != want {
			t.Errorf("%s is %q: %v", s, text, !want)
		}
	}
	if named := (syslogServer{"Logs.Example.com.", "6514"}); !named.is("logs.example.com") || named.is("logs.example.com:514") {
		t.Error("names are not compared as names")
	}
}

// A policy of thousands of rules and fifty internet zones is judged in a moment; the hourly check shares two cores with
// the rest.
func TestVerifyLargePolicy(t *testing.T) {
	base, err := os.ReadFile(filepath.Join(verifyDir, "base.xml"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(base)
	var zones, rules strings.Builder
	for i := range 50 {
		zones.WriteString(`<entry name="wan` + strings.Repeat("x", i) + `"/>`)
	}
	for range 2000 {
		rules.WriteString(ruleIndent + `<entry name="r">` + members("from", "trust", "to", "dmz", "source", "partner,branch", "destination", "any", "application", "ssl", "service", "any") +
			"<action>allow</action>" + ruleIndent + "</entry>")
	}
	text = strings.Replace(text, `<entry name="untrust"/>`, `<entry name="untrust"/>`+zones.String(), 1)
	at, _ := ruleAt(t, text, "active-defense-sensor")
	doc, err := xmlapi.Parse([]byte(text[:at] + rules.String() + text[at:]))
	if err != nil {
		t.Fatal(err)
	}
	d := readDevice(doc)
	began := time.Now()
	checks := Verify(d.facts, d.want)
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
	for _, c := range checks {
		if len(c.Detail) > 64<<10 || len(c.Remedy) > 64<<10 {
			t.Errorf("%s: a detail of %d bytes and a remedy of %d", c.Check, len(c.Detail), len(c.Remedy))
		}
	}
}

// The zero Now of an expectation is the clock's.
func TestVerifyClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := loadDevice(t, filepath.Join(verifyDir, "base.xml"))
		d.want.Now = time.Time{}
		d.want.CertificateEnds = time.Now().Add(certificateMargin - time.Second)
		checks := Verify(d.facts, d.want)
		if i := slices.Index(checkNames, CheckList); checks[i].Result != ResultFail {
			t.Errorf("a certificate that ends within 30 days: %+v", checks[i])
		}
	})
}

// Our CA is warned of long before it ends: a new one has to be imported.
func TestVerifyWarnsBeforeOurCAEnds(t *testing.T) {
	for left, warns := range map[time.Duration]bool{59 * 24 * time.Hour: true, 61 * 24 * time.Hour: false} {
		d := loadDevice(t, filepath.Join(verifyDir, "base.xml"))
		d.want.CA = ourAuthority(t, 1) // until 2036
		d.want.Now = time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC).Add(-left)
		c := Verify(d.facts, d.want)[slices.Index(checkNames, CheckList)]
		if strings.Contains(c.Detail, "our CA, which signs the list's certificate, ends on 2036-01-01") != warns || strings.Contains(c.Remedy, "ca.crt and ca.key") != warns {
			t.Errorf("%s before its end: %+v", left, c)
		}
	}
}

// FuzzVerify: no firewall, whatever it answers, ends the program.
func FuzzVerify(f *testing.F) {
	for _, text := range []string{
		`<firewall/>`,
		`<firewall><want mode="edl" list-url="http://x"/><answers><info/><pending>yes</pending></answers></firewall>`,
		`<f vsys="v"><want tag="t"/><answers><running><config><devices><entry><vsys><entry name="v"><zone><entry name="wan"/></zone></entry></vsys></entry></devices></config></running></answers></f>`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if doc, err := xmlapi.Parse(text); err == nil {
			verifyAnything(t, doc)
		}
	})
}

// FuzzVerifyDamaged does the same with device files in which elements are missing, doubled, or mixed up: two bytes for
// each damage, which element and how.
func FuzzVerifyDamaged(f *testing.F) {
	var docs [][]byte
	for _, name := range []string{"base", "panorama", "vsys2", "committed-rule", "source-group", "list-empty", "sensor-default-rules", "block-nested"} {
		text, err := os.ReadFile(filepath.Join(verifyDir, name+".xml"))
		if err != nil {
			f.Fatal(err)
		}
		docs = append(docs, text)
	}
	for i := range docs {
		f.Add(uint8(i), []byte{1, 0, 2, 1, 3, 2, 200, 3, 77, 4})
	}
	f.Fuzz(func(t *testing.T, file uint8, damage []byte) {
		doc, err := xmlapi.Parse(docs[int(file)%len(docs)])
		if err != nil {
			t.Fatal(err)
		}
		at := 0
		for i := 0; i+1 < len(damage) && i < 64; i += 2 {
			at += int(damage[i])
			hurt(doc, at, damage[i+1])
		}
		verifyAnything(t, doc)
	})
}

// hurt changes the element with that number.
func hurt(doc *xmlapi.Node, number int, how byte) {
	var all []*xmlapi.Node
	var walk func(n *xmlapi.Node)
	walk = func(n *xmlapi.Node) {
		all = append(all, n)
		for _, c := range n.Children {
			walk(c)
		}
	}
	walk(doc)
	n := all[number%len(all)]
	other := all[(number*7+int(how))%len(all)]
	switch how % 8 {
	case 0:
		n.Children = nil
	case 1:
		n.Children = append(n.Children, n.Children...)
	case 2:
		n.Text = other.Text
	case 3:
		n.Name = other.Name
	case 4:
		n.Attrs = nil
	case 5:
		n.Text = strings.Repeat("(not ", int(how)) + n.Text
	case 6:
		if len(n.Children) > 0 {
			n.Children = n.Children[1:]
		}
	default:
		copied := *other // not other itself, which may hold n
		copied.Children = nil
		n.Children = append(n.Children, &copied)
	}
}

func verifyAnything(t *testing.T, doc *xmlapi.Node) {
	t.Helper()
	d := readDevice(doc)
	checks := Verify(d.facts, d.want)
	if len(checks) != len(checkNames) {
		t.Fatalf("%d checks", len(checks))
	}
	for _, c := range checks {
		if c.Detail == "" || strings.ContainsAny(c.Detail, "\x00\n") || strings.ContainsAny(c.Remedy, "\x00\n") {
			t.Errorf("%s: detail %q, remedy %q", c.Check, c.Detail, c.Remedy)
		}
	}
	if d.facts.policyError() != nil {
		return
	}
	if _, after, _, err := planned(d.facts, d.want); err == nil { // an error names an xpath
		for _, x := range differences(d.facts, after, d.want) {
			if x.ActionBefore == x.ActionAfter || x.Traffic == "" {
				t.Errorf("told as a difference: %+v", x)
			}
		}
	}
}
