package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"activedefense/firewall"
	"activedefense/firewall/xmlapi"
)

// What a person is told to do follows from where the fault stands: on the firewall, on Panorama, in our own configuration.
func TestRemedies(t *testing.T) {
	base := readFile(t, "base")
	lacking := strings.Replace(web("untrust", "dmz", "any"), logsToUs, "", 1)
	tests := []struct {
		name           string
		changes        []change
		want           func(*Expectation)
		check, result  string
		detail, remedy string
	}{
		{"a list without a URL", []change{listMode}, func(w *Expectation) { w.ListURL = "" }, CheckBlockSource, ResultFail, "edl.url is not set", "Set edl.url"},
		{"a list without a URL, its rule", []change{listMode}, func(w *Expectation) { w.ListURL = "" }, CheckList, ResultWarn, `edl.url is not set, or no list is served: what stands in its last copy is dropped by "active-defense-block-list", also after its release`, "delete"},
		{"a list in the clear", []change{every("https://agent.example.com:8443", "http://agent.example.com")}, nil, CheckList, ResultPass, "the firewall has 3 entries", ""},
		{"a list's profile that is not there", []change{swap("<certificate-profile>active-defense</certificate-profile>", "<certificate-profile>gone</certificate-profile>")}, nil,
			CheckList, ResultFail, `"gone" of the list "active-defense-list" does not exist`, "Certificate Profile active-defense"},
		{"a list's profile that a template may hold", []change{swap("<certificate-profile>active-defense</certificate-profile>", "<certificate-profile>gone</certificate-profile>"), refuse("pushed-template", refusedRole)}, nil,
			CheckList, ResultWarn, "not authorized", "enable Operational Requests and Configuration"},
		{"a certificate of their own", nil, func(w *Expectation) { w.CA = nil }, CheckList, ResultPass, "is not checked: our CA is not known", ""},
		{"no block rule in list mode", []change{listMode, drop(block), drop(blockList)}, nil, CheckBlockRule, ResultFail, "no rule drops blocked sources", "source active-defense-list, destination zone"},
		{"Panorama's block rule is narrow", []change{drop(block), pushed(pushedRule("from-hq", "branches", members("from", "untrust", "to", "dmz", "source", "active-defense", "destination", "any")+
			unrestricted+"<action>drop</action>"+logsToUs), "", "")}, nil, CheckBlockRule, ResultFail, `matches only destination zone "dmz"`, `on Panorama, Policies > Security > Pre Rules > "from-hq": enabled`},
		{"Panorama's rule lacks logs and protection", []change{pushed("", pushedRule("hq", "branches", strings.Replace(lacking, protects, "", 1)), ""), drop(sensor)}, nil,
			CheckInternetRules, ResultWarn, "has no log forwarding profile", `On Panorama, Policies > Security > "hq" > Actions: Log at Session End`},
		{"Panorama's rule lacks protection", []change{pushed(pushedRule("hq", "branches", strings.Replace(web("untrust", "dmz", "any"), protects, "", 1)), "", "")}, nil,
			CheckInternetRules, ResultWarn, "has no vulnerability protection", `On Panorama, Policies > Security > "hq" > Actions > Profile Setting`},
		{"an allow rule decides over everything", []change{drop(sensor), insert("temporary", "out", allow("untrust", "any", "any"))}, nil,
			CheckSensor, ResultFail, `"temporary" matches all of it, and has action allow`, "limit it to the traffic it is meant for, rule by rule"},
		{"a default rule as it comes", []change{drop(sensor)}, nil, CheckSensor, ResultFail, `"intrazone-default" decides`,
			"set rulebase default-security-rules rules intrazone-default action allow log-end yes log-setting active-defense"},
		{"a default rule that logs to somebody else", []change{drop(sensor), swap("</security>\n                </rulebase>", `</security><default-security-rules><rules>`+
			`<entry name="interzone-default"><action>deny</action><log-end>yes</log-end><log-setting>siem</log-setting></entry></rules></default-security-rules></rulebase>`)}, nil, CheckSensor, ResultFail, `"interzone-default" decides`,
			`Also: Objects > Log Forwarding > "siem" > Add, for log type traffic and again for threat: filter All Logs, Syslog active-defense; provision --adopt does it.`},
		{"a default rule of Panorama's Shared", []change{drop(sensor), swap("<pushed-shared><result>No shared policy pushed to device</result></pushed-shared>",
			"<pushed-shared><result><shared><post-rulebase><default-security-rules><rules><entry name=\"interzone-default\"><action>drop</action></entry></rules></default-security-rules></post-rulebase></shared></result></pushed-shared>")},
			nil, CheckSensor, ResultFail, `"interzone-default" (pushed by Panorama, Shared) decides`,
			"the action stays drop; then push. CLI of Panorama, configure mode: set shared post-rulebase default-security-rules rules interzone-default log-end yes"},
		{"a block rule between zones alone", []change{add(block, "<rule-type>interzone</rule-type>")}, nil, CheckBlockRule, ResultFail, "the firewall's own addresses (GlobalProtect, IKE)", "action Drop"},
		{"a block rule with the group and the list", []change{drop(blockList), in(block, swap("<member>active-defense</member>", "<member>active-defense</member><member>active-defense-list</member>"))}, nil,
			CheckBlockRule, ResultWarn, "may match only one of them", "Clone as active-defense-block-list with the source active-defense-list alone"},
		{"Panorama's allow below the sensor", []change{pushed("", pushedRule("hq", "branches", web("untrust", "dmz", "any")), "")}, nil, CheckSensor, ResultFail, "is never reached", "which cannot stand below Panorama's Post Rules, and run activedefense provision"},
		{"a default rule that starts only", []change{drop(sensor), swap("</security>\n                </rulebase>", `</security><default-security-rules><rules>`+
			`<entry name="interzone-default"><action>deny</action><log-start>yes</log-start>`+logsToUs+`</entry><entry name="intrazone-default"><action>deny</action><log-start>yes</log-start>`+logsToUs+
			`</entry></rules></default-security-rules></rulebase>`)}, nil, CheckSensor, ResultWarn, startOnlyText, "set rulebase default-security-rules rules"},
		{"Panorama's forwarding profile", []change{swap("<log-type>threat</log-type>\n                          <filter>All Logs</filter>", "<log-type>url</log-type>\n                          <filter>All Logs</filter>"),
			pushedObjects("\n                <log-settings>", "</log-settings>")}, nil, CheckForwarding, ResultFail, "sends no threat logs to us", "On Panorama, Objects > Log Forwarding > active-defense > Add"},
		{"Panorama's server profile", []change{func(t *testing.T, text string) string {
			return pushedObjects("<log-settings>\n            <syslog>", "</log-settings>")(t, strings.Replace(text, "<server>192.0.2.10</server>", "<server>192.0.2.99</server>", 1))
		}}, nil, CheckFormat, ResultFail, `sends to "192.0.2.99:514", not to 192.0.2.10`, "On Panorama, Device > Server Profiles > Syslog > active-defense > Servers"},
		{"Panorama's format", []change{inServer("<traffic>", func(*testing.T, string) string { return "<traffic>$type" }), pushedObjects("<log-settings>\n            <syslog>", "</log-settings>")}, nil,
			CheckFormat, ResultFail, "the traffic format differs", "On Panorama, Device > Server Profiles > Syslog > active-defense > Custom Log Format"},
		{"a server profile without a server", []change{func(t *testing.T, text string) string {
			from := strings.Index(text, "<server>\n                  <entry name")
			to := from + strings.Index(text[from:], "</entry>\n                </server>") + len("</entry>\n                </server>")
			return text[:from] + text[to:]
		}}, nil, CheckFormat, ResultFail, "has no server", "192.0.2.10, port 514"},
		{"a server profile without a server, and no address", []change{func(t *testing.T, text string) string {
			from := strings.Index(text, "<server>\n                  <entry name")
			to := from + strings.Index(text[from:], "</entry>\n                </server>") + len("</entry>\n                </server>")
			return text[:from] + text[to:]
		}}, func(w *Expectation) { w.SyslogAddress = "" }, CheckFormat, ResultFail, "has no server", "ADDRESS-OF-THIS-HOST, port 514"},
		{"zones that a template may hold", []change{func(t *testing.T, text string) string {
			from, to := strings.Index(text, "<zone>"), strings.Index(text, "</zone>")
			return text[:from] + "<zone>" + text[to:]
		}, refuse("pushed-template", refusedRole)}, nil, CheckBlockRule, ResultWarn, "not authorized", ""},
		{"capacity of a group, the policy unread", []change{groupMode, refuse("pushed-vsys", refusedRole)}, nil, CheckCapacity, ResultWarn, "not authorized", ""},
		{"IPv6 networks and a list that the firewall does not fetch", nil, func(w *Expectation) { w.Entries, w.ListURL = ipv6Networks, "https://other.example.com/list" }, CheckList, ResultFail,
			"2 IPv6 networks are blocked, and registered addresses cannot hold networks: only the addresses of them that were seen are blocked: 2001:db8:1::/64, 2001:db8:2::/64", "a block rule of its own, active-defense-block-list"},
		{"IPv6 networks and no list", nil, func(w *Expectation) { w.Entries, w.ListURL = ipv6Networks[:1], "" }, CheckList, ResultWarn, "1 IPv6 network is blocked", "Set edl.listen and edl.url"},
		{"IPv6 networks in list mode", []change{listMode, drop(blockList)}, func(w *Expectation) { w.Entries, w.ListURL = ipv6Networks, "" }, CheckList, ResultPass, "not checked", ""},
		{"single IPv6 addresses and no list", []change{drop(blockList)}, func(w *Expectation) { w.Entries, w.ListURL = ipv6Networks[2:], "" }, CheckList, ResultPass, "not checked", ""},
		{"a tagged peer that is on the blacklist", []change{peering, groupMember("192.0.2.7")}, func(w *Expectation) {
			w.Entries = append(w.Entries, firewall.Entry{Prefix: netip.MustParsePrefix("192.0.2.7/32")})
		}, CheckPeers, ResultFail, "192.0.2.7, peer of IKE gateway branch, is blocked", `Add 192.0.2.7 to never_block and reload, which lifts the block and keeps it from coming back. Now, and once: activedefense blacklist remove 192.0.2.7 --reason "peer of IKE gateway branch".`},
		{"a tagged peer that is not", []change{peering, groupMember("192.0.2.7")}, nil, CheckPeers, ResultFail, "is blocked", "If activedefense blacklist show 192.0.2.7 does not know it: whoever gave it the tag active-defense takes that off; CLI: show object registered-ip tag active-defense"},
		{"a peer in a network that is on the blacklist", []change{peering, groupMember("192.0.2.0/28")}, func(w *Expectation) {
			w.Entries = append(w.Entries, firewall.Entry{Prefix: netip.MustParsePrefix("192.0.2.0/28")})
		}, CheckPeers, ResultFail, "192.0.2.7, peer of IKE gateway branch, is blocked", `Add 192.0.2.7 to never_block and reload, which lifts the block and keeps it from coming back. Now, and once: activedefense blacklist remove 192.0.2.0/28 --reason`},
		{"a peer that a rule denies", []change{peering, insert("no-neighbours", "web-in", stops("untrust", "untrust", "192.0.2.0/28"))}, nil, CheckPeers, ResultWarn, "stops IKE",
			`Policies > Security: above "no-neighbours", a rule that allows IKE from 192.0.2.7 to 203.0.113.2; or take it out of the source of "no-neighbours".`},
		{"a peer that a rule of Panorama's denies", []change{peering, pushed(pushedRule("no-neighbours", "branches", stops("untrust", "untrust", "192.0.2.0/28")), "", "")}, nil, CheckPeers, ResultWarn, "stops IKE", "On Panorama, Policies > Security: above"},
		{"a rule of ours with a negated source", []change{peering, add(blockList, "<negate-source>yes</negate-source>")}, nil, CheckPeers, ResultFail, `"active-defense-block-list" stops IKE`,
			`Policies > Security > "active-defense-block-list": Source active-defense-list alone, Negate off.`},
		{"a rule of ours that may stop a peer", []change{peering, add(block, "<negate-source>yes</negate-source><schedule>nights</schedule>")}, nil, CheckPeers, ResultWarn, `"active-defense-block" may stop IKE`, "Source active-defense alone, Negate off."},
		{"we may make it", []change{drop(block)}, func(w *Expectation) { w.MayProvision = true }, CheckBlockRule, ResultFail, "no rule drops", "activedefense provision --firewall LAB-FW-01 shows the changes needed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := deviceOf(t, base, test.changes...)
			if test.want != nil {
				test.want(&d.want)
			}
			c := result(Verify(d.facts, d.want), test.check)
			if c.Result != test.result || !strings.Contains(c.Detail, test.detail) || !strings.Contains(c.Remedy, test.remedy) {
				t.Errorf("%s: %s\n%s\nwant %s, %q and %q", c.Result, c.Detail, c.Remedy, test.result, test.detail, test.remedy)
			}
		})
	}
}

// A member of a pair that stands by learns no routes: that its internet zones cannot be told is no fault of its policy.
func TestAMemberThatStandsByLearnsNoRoutes(t *testing.T) {
	d := deviceOf(t, readFile(t, "zones-unknown"))
	for standsBy, want := range map[bool]string{false: ResultFail, true: ResultWarn} {
		d.facts.standsBy = standsBy
		if c := result(Verify(d.facts, d.want), CheckBlockRule); c.Result != want {
			t.Errorf("stands by %v: %+v", standsBy, c)
		}
	}
}

// A role for the daemon alone is not offered to one who may provision as if it did for that.
func TestTheRoleOfASuperuserWhoProvisions(t *testing.T) {
	d := deviceOf(t, readFile(t, "base"))
	d.facts.rights.superuser = learn(true, nil)
	for _, d.want.MayProvision = range []bool{false, true} {
		if c := result(Verify(d.facts, d.want), CheckRole); strings.Contains(c.Remedy, "active-defense-provision") == d.want.MayProvision || strings.Contains(c.Remedy, "Import") != d.want.MayProvision {
			t.Errorf("may provision %v: %s", d.want.MayProvision, c.Remedy)
		}
	}
}

// Rights whose trial went wrong are not taken for refused ones.
func TestRightsThatCouldNotBeTried(t *testing.T) {
	timeout := &xmlapi.Error{Kind: xmlapi.KindTimeout, Op: "try it", Text: "the request timed out"}
	d := deviceOf(t, readFile(t, "base"))
	d.facts.rights.userID = learn(false, error(timeout))
	if c := result(Verify(d.facts, d.want), CheckRole); c.Result != ResultWarn || c.Detail != "could not be checked: try it: the request timed out" || c.Remedy != `Fix "api" first.` {
		t.Errorf("the right to send messages: %+v", c)
	}
	d = deviceOf(t, readFile(t, "base"))
	d.facts.rights.superuser = learn(false, error(timeout))
	if c := result(Verify(d.facts, d.want), CheckRole); c.Result != ResultPass || !strings.Contains(c.Detail, "could not be determined") {
		t.Errorf("a superuser's right: %+v", c)
	}
	d = deviceOf(t, readFile(t, "committed-rule"))
	for i := range d.facts.candidate {
		d.facts.candidate[i].err = timeout
	}
	if c := result(Verify(d.facts, d.want), CheckCommitted); c.Result != ResultWarn || !strings.Contains(c.Detail, "the request timed out") {
		t.Errorf("the candidate: %+v", c)
	}
}

func TestGranted(t *testing.T) {
	for kind, want := range map[string]bool{
		"": true, xmlapi.KindAPI: true, xmlapi.KindBusy: true, xmlapi.KindPassive: true, xmlapi.KindRole: false, xmlapi.KindAuth: false, xmlapi.KindTimeout: false,
	} {
		var err error
		if kind != "" {
			err = &xmlapi.Error{Kind: kind}
		}
		if got := granted(err); got.value != want || want && got.err != nil || !want && got.err == nil {
			t.Errorf("%q: %+v", kind, got)
		}
	}
}

// A detail names twenty findings at most, and each remedy once.
func TestFindingsAreBounded(t *testing.T) {
	var f findings
	for i := range maxNamed + 5 {
		f.warn("do it", "finding %d", i)
	}
	f.note("all is well")
	c := f.check("LAB-FW-01", CheckAPI)
	if c.Result != ResultWarn || strings.Count(c.Detail, "finding") != maxNamed || !strings.HasSuffix(c.Detail, "and 5 more") || c.Remedy != "do it" {
		t.Errorf("%+v", c)
	}
	f.fail("or that", "worse")
	if c := f.check("LAB-FW-01", CheckAPI); c.Result != ResultFail || !strings.HasPrefix(c.Detail, "worse; ") || c.Remedy != "do it Also: or that" {
		t.Errorf("%+v", c)
	}
	if f.unasked(nil) {
		t.Error("nothing was asked in vain")
	}
}

func TestCause(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{nil, "it was refused"}, {errNotAsked, "not requested"}, {&xmlapi.Error{Firewall: "LAB-FW-01", Op: "ask", Text: "no\nway", Code: 17}, "ask: no way (code 17)"},
		{fmt.Errorf("and then: %w", &xmlapi.Error{Firewall: "LAB-FW-01", Op: "ask", Text: "no"}), "ask: no"}, {errors.New("a\x00b"), "a b"},
	} {
		if got := cause(test.err); got != test.want {
			t.Errorf("%v: %q, want %q", test.err, got, test.want)
		}
	}
}

func TestWordsOfACommandLine(t *testing.T) {
	for want, names := range map[string][]string{"any": nil, "untrust": {"untrust"}, `"my zone"`: {"my zone"}, `[ a "b c" ]`: {"a", "b c"}, `""`: {""}} {
		if got := words(names); got != want {
			t.Errorf("%q: %s, want %s", names, got, want)
		}
	}
	c := cli{vsys: "vsys2", multi: true}
	if got := c.set("tag %s", "x"); got != "CLI, configure mode: set vsys vsys2 tag x" {
		t.Errorf("in the second virtual system: %s", got)
	}
}

func TestExamples(t *testing.T) {
	var prefixes []netip.Prefix
	for i := 9; i > 0; i-- {
		prefixes = append(prefixes, netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), 32))
	}
	if got := examples(prefixes); got != "203.0.113.1, 203.0.113.2, 203.0.113.3, 203.0.113.4, 203.0.113.5, and 4 more" {
		t.Error(got)
	}
}

func TestFormatDiff(t *testing.T) {
	for _, test := range []struct{ have, want, diff string }{
		{"A=$a; B=$b;", "A=$a; C=$c;", "-B=$b +C=$c"}, {"A=$a; A=$a;", "A=$a;", "duplicate field"}, {"B=$b; A=$a;", "A=$a; B=$b;", "the same fields in a different order"},
		{"A=$a;B=$b;", "A=$a; B=$b;", "missing or extra space after a semicolon"},
	} {
		if got := formatDiff(test.have, test.want); got != test.diff {
			t.Errorf("%s and %s: %s, want %s", test.have, test.want, got, test.diff)
		}
	}
}

// The server profiles that send to us are told by their address, then by name, then by format; any other may be a SIEM's. Where
// our address is not known, only the name tells.
func TestWhichServersAreOurs(t *testing.T) {
	profile := func(name, address, format string) string {
		return `<entry name="` + name + `"><server><entry name="s"><server>` + address + `</server></entry></server><format><traffic>` + format + `</traffic></format></entry>`
	}
	want := Expectation{Names: firewall.NamesFor("active-defense"), SyslogAddress: "192.0.2.10", Formats: Formats{Traffic: "A=$a;"}}
	for ours, profiles := range map[string]string{
		"byaddress":        profile("byaddress", "192.0.2.10", "x") + profile("active-defense", "192.0.2.9", "A=$a;"),
		"active-defense":   profile("active-defense", "192.0.2.9", "x") + profile("byformat", "192.0.2.8", "A=$a;"),
		"byformat":         profile("other", "192.0.2.9", "Default") + profile("byformat", "192.0.2.8", "A=$a"),
		"":                 profile("one", "192.0.2.9", "x") + profile("two", "192.0.2.8", "y"),
		"? ":               profile("siem", "192.0.2.10", "A=$a;"),
		"? active-defense": profile("siem", "192.0.2.10", "A=$a;") + profile("active-defense", "192.0.2.9", "x"),
	} {
		want := want
		ours, unknown := strings.CutPrefix(ours, "? ")
		if unknown {
			want.SyslogAddress = ""
		}
		shared := node(t, "<shared><log-settings><syslog>"+profiles+"</syslog></log-settings></shared>")
		var got []string
		for _, s := range newPolicy(sources{vsys: "vsys1", shared: shared}).ourSyslog(want) {
			got = append(got, s.name)
		}
		if strings.Join(got, " ") != ours {
			t.Errorf("took %q, want %s", got, ours)
		}
	}
}

func node(t *testing.T, text string) *xmlapi.Node {
	t.Helper()
	n, err := xmlapi.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A source can be public if anything that it holds can be, however deep; what is not known counts as public.
func TestMaybePublic(t *testing.T) {
	var nested strings.Builder
	for i := range maxNesting + 3 {
		fmt.Fprintf(&nested, `<entry name="deep%d"><static><member>deep%d</member></static></entry>`, i, i+1)
	}
	p := newPolicy(sources{vsys: "vsys1", own: node(t, `<entry name="vsys1"><address><entry name="private"><ip-netmask>10.0.0.0/8</ip-netmask></entry>`+
		`<entry name="range"><ip-range>10.0.0.1-10.0.0.9</ip-range></entry><entry name="wide"><ip-range>10.0.0.1-198.51.100.1</ip-range></entry>`+
		`<entry name="named"><fqdn>example.com</fqdn></entry></address><address-group><entry name="inside"><static><member>private</member><member>range</member></static></entry>`+
		`<entry name="mixed"><static><member>inside</member><member>wide</member></static></entry><entry name="tagged"><dynamic><filter>'x'</filter></dynamic></entry>`+
		nested.String()+`</address-group></entry>`)})
	for source, want := range map[string]bool{
		"any": true, "private": false, "range": false, "wide": true, "named": true, "inside": false, "mixed": true, "tagged": true, "unknown": true, "192.168.1.1": false, "deep0": true,
	} {
		if got := p.maybePublic(rule{source: []string{source}}); got != want {
			t.Errorf("%s: %v", source, got)
		}
	}
	if !p.maybePublic(rule{source: []string{"private"}, notSource: true}) {
		t.Error("all but what is private is private")
	}
}

// Groups that hold the same groups over and over are looked into once, not once for each way to them: 6 to the power of 14 here.
func TestGroupsAreLookedIntoOnce(t *testing.T) {
	const levels, width = 14, 6
	var groups strings.Builder
	for i := range levels {
		for k := range width {
			fmt.Fprintf(&groups, `<entry name="g%dx%d"><static>`, i, k)
			for j := range width {
				fmt.Fprintf(&groups, `<member>g%dx%d</member>`, i+1, j)
			}
			groups.WriteString(`</static></entry>`)
		}
	}
	for k := range width {
		fmt.Fprintf(&groups, `<entry name="g%dx%d"><static><member>10.0.0.%d</member></static></entry>`, levels, k, k)
	}
	p := newPolicy(sources{vsys: "vsys1", own: node(t, `<entry name="vsys1"><address-group>`+groups.String()+`</address-group></entry>`)})
	if p.holds([]string{"g0x0"}, map[string]bool{"203.0.113.9": true}) || !p.holds([]string{"g0x0"}, map[string]bool{"10.0.0.5": true}) {
		t.Error("what it holds")
	}
	if p.maybePublic(rule{source: []string{"g0x0"}}) {
		t.Error("it is private")
	}
	if got := p.resolver(Expectation{}).address("g0x0"); len(got.Ranges) != width || len(got.Sets) != 0 {
		t.Errorf("%+v", got)
	}
}

// Panorama can push a rule for some firewalls, for some of their virtual systems, or for all but those.
func TestTargets(t *testing.T) {
	for text, want := range map[string][3]bool{ // for this one's vsys1, its vsys2, and another firewall
		"": {true, true, true}, "<target/>": {true, true, true}, `<target><devices/></target>`: {true, true, true},
		`<target><devices><entry name="1"/></devices></target>`:                                                              {true, true, false},
		`<target><devices><entry name="1"/></devices><negate>yes</negate></target>`:                                          {false, false, true},
		`<target><devices><entry name="1"><vsys><entry name="vsys2"/></vsys></entry></devices></target>`:                     {false, true, false},
		`<target><devices><entry name="1"><vsys><entry name="vsys2"/></vsys></entry></devices><negate>yes</negate></target>`: {true, false, true},
	} {
		r := readRule(node(t, `<entry name="r">`+text+`</entry>`), layerGroupPre)
		if got := [3]bool{r.targets("1", "vsys1"), r.targets("1", "vsys2"), r.targets("2", "vsys1")}; got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
		if !r.targets("", "vsys1") {
			t.Errorf("%s: a firewall that does not tell its serial number is left out", text)
		}
	}
}

func TestReadRule(t *testing.T) {
	r := readRule(node(t, `<entry name="r" loc="branches"><destination><member>web</member></destination><negate-destination>yes</negate-destination>`+
		`<schedule>nights</schedule><hip-profiles><member>any</member></hip-profiles><category><member>news</member></category><saas-user-list><member>any</member></saas-user-list>`+
		`<saas-tenant-list><member>ours</member></saas-tenant-list></entry>`), layerGroupPost)
	if r.kind != kindUniversal || r.action != "allow" || !r.logEnd || r.logStart || r.group != "branches" || !r.allows() || !r.everySource() || r.total() {
		t.Errorf("what is absent means otherwise: %+v", r)
	}
	if want := `[destination not "web" URL category "news" SaaS tenant "ours" schedule "nights"]`; fmt.Sprint(r.narrow) != want {
		t.Errorf("it matches only %v, want %s", r.narrow, want)
	}
	for want, r := range map[string]rule{
		`"r"`: {name: "r", layer: layerLocal}, `"r" (pushed by Panorama, Shared)`: {name: "r", layer: layerSharedPost, group: "x"},
		`"r" (pushed by Panorama, device group x)`: {name: "r", layer: layerGroupPre, group: "x"}, `"r" (pushed by Panorama)`: {name: "r", layer: layerGroupPost},
	} {
		if r.String() != want {
			t.Errorf("%s, want %s", r, want)
		}
	}
}

func TestMatches(t *testing.T) {
	for kind, want := range map[string][2]bool{kindUniversal: {true, true}, kindIntrazone: {true, false}, kindInterzone: {false, true}} { // within a zone, and between two
		r := rule{kind: kind, from: []string{"untrust"}, to: []string{anything}}
		if got := [2]bool{r.matches("untrust", "untrust"), r.matches("untrust", "dmz")}; got != want {
			t.Errorf("%s: %v, want %v", kind, got, want)
		}
		if r.matches("trust", "dmz") || (rule{kind: kind, from: []string{anything}, to: []string{"dmz"}}).matches("trust", "untrust") {
			t.Errorf("%s: it matches other zones", kind)
		}
	}
}

func TestTemplateRoot(t *testing.T) {
	for text, found := range map[string]bool{
		"<config/>": true, "<result><config/></result>": true, "<result><template><name/><config/></template></result>": true, "<result/>": false,
		"<a><b><c><d><e><config/></e></d></c></b></a>": false,
	} {
		if got := xmlapi.ParseTemplate(node(t, text)); (got != nil) != found {
			t.Errorf("%s: %v", text, got)
		}
	}
	if xmlapi.ParseTemplate(nil) != nil {
		t.Error("nothing holds a template")
	}
}

// Only what stands on the firewall itself can be an edit of ours, and in list mode the lists are.
func TestOwnObjects(t *testing.T) {
	d := deviceOf(t, readFile(t, "panorama"))
	for _, o := range d.facts.policy().ownObjects(d.want) {
		if !strings.HasPrefix(o.xpath, "/config/") || o.batched {
			t.Errorf("%s at %s", o.what, o.xpath)
		}
	}
	d = deviceOf(t, readFile(t, "source-list-same-url"))
	var all strings.Builder
	for _, o := range d.facts.policy().ownObjects(d.want) {
		all.WriteString(o.what + "\n")
	}
	for _, s := range d.facts.policy().blockSources(d.want.Mode, d.want.Names, d.want.ListURL) {
		if !strings.Contains(all.String(), `external dynamic list "`+s.name+`"`) {
			t.Errorf("%s is missing among\n%s", s.name, all.String())
		}
	}
}

func TestTakeEndsWithAnError(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeTag, nil)
	steps := l.plan()
	l.sim.Config().LockConfig("somebody", "vsys1")
	taken, err := Take(t.Context(), l.device, steps, false)
	if xmlapi.Kind(err) != xmlapi.KindBusy || taken >= len(steps) {
		t.Errorf("locked: %d of %d steps, %v", taken, len(steps), err)
	}
	if done, err := Commit(t.Context(), l.device, l.want, ""); done && err == nil {
		t.Error("something was committed")
	}
}

// Where no edit of ours waits, there is nothing to commit, and nobody is asked who we are.
func TestCommitOfNothing(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeTag, nil)
	before := l.sim.Config().Candidate()
	if done, err := Commit(t.Context(), l.device, l.want, ""); err != nil || done || l.sim.Config().Candidate() != before {
		t.Errorf("done %v, %v", done, err)
	}
	l.device.Close()
	if _, err := Provision(t.Context(), l.device, l.want); xmlapi.Kind(err) != xmlapi.KindCanceled {
		t.Errorf("closed: %v", err)
	}
	if _, err := Commit(t.Context(), l.device, l.want, ""); xmlapi.Kind(err) != xmlapi.KindCanceled {
		t.Errorf("closed: %v", err)
	}
}

// ipv6Networks are two that are blocked, and a single address.
var ipv6Networks = []firewall.Entry{{Prefix: netip.MustParsePrefix("2001:db8:1::/64")}, {Prefix: netip.MustParsePrefix("2001:db8:2::/64")},
	{Prefix: netip.MustParsePrefix("2001:db8:3::1/128")}}
