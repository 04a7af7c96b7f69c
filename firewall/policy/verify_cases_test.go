package policy

import (
	"fmt"
	"strings"
	"testing"
)

// change edits the text of a device file.
type change func(t *testing.T, text string) string

// swap replaces a text that must be there exactly once.
func swap(old, with string) change {
	return func(t *testing.T, text string) string {
		t.Helper()
		if n := strings.Count(text, old); n != 1 {
			t.Fatalf("%q is there %d times", old, n)
		}
		return strings.Replace(text, old, with, 1)
	}
}

// every replaces a text that must be there at least once.
func every(old, with string) change {
	return func(t *testing.T, text string) string {
		t.Helper()
		if !strings.Contains(text, old) {
			t.Fatalf("%q is not there", old)
		}
		return strings.ReplaceAll(text, old, with)
	}
}

const ruleIndent = "\n                      " // of the entries of security rules

// ruleAt finds the rule of that name: from its line break to that behind it.
func ruleAt(t *testing.T, text, name string) (from, to int) {
	t.Helper()
	from = strings.Index(text, ruleIndent+`<entry name="`+name+`"`)
	if from < 0 {
		t.Fatalf("there is no rule %q", name)
	}
	end := ruleIndent + "</entry>"
	return from, from + strings.Index(text[from:], end) + len(end)
}

// in edits the text of one rule.
func in(name string, edit change) change {
	return func(t *testing.T, text string) string {
		t.Helper()
		from, to := ruleAt(t, text, name)
		return text[:from] + edit(t, text[from:to]) + text[to:]
	}
}

// drop removes a rule.
func drop(name string) change { return in(name, func(*testing.T, string) string { return "" }) }

// moveBefore moves a rule to stand before another.
func moveBefore(name, other string) change {
	return func(t *testing.T, text string) string {
		t.Helper()
		from, to := ruleAt(t, text, name)
		moved := text[from:to]
		text = text[:from] + text[to:]
		at, _ := ruleAt(t, text, other)
		return text[:at] + moved + text[at:]
	}
}

// insert puts a new rule before another; its elements are written in one line.
func insert(name, other, elements string) change {
	return func(t *testing.T, text string) string {
		t.Helper()
		at, _ := ruleAt(t, text, other)
		return text[:at] + ruleIndent + `<entry name="` + name + `">` + ruleIndent + "  " + elements + ruleIndent + "</entry>" + text[at:]
	}
}

// add puts elements into a rule.
func add(name, elements string) change {
	return in(name, swap("<action>", elements+ruleIndent+"  <action>"))
}

// members writes elements of members: "from", "untrust", "to", "any".
func members(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		b.WriteString("<" + pairs[i] + ">")
		for _, m := range strings.Split(pairs[i+1], ",") {
			b.WriteString("<member>" + m + "</member>")
		}
		b.WriteString("</" + pairs[i] + ">")
	}
	return b.String()
}

const (
	unrestricted = "<application><member>any</member></application><service><member>any</member></service>"
	logsToUs     = "<log-setting>active-defense</log-setting>"
	protects     = "<profile-setting><group><member>default</member></group></profile-setting>"
)

// The rules of ours in base.xml.
const block, blockList, sensor = "active-defense-block", "active-defense-block-list", "active-defense-sensor"

// secondLine is a router of its own with its default route by the zone office.
func secondLine(t *testing.T, text string) string {
	t.Helper()
	text = swap("</ethernet>", `<entry name="ethernet1/3"><layer3><ip><entry name="192.0.2.130/29"/></ip></layer3></entry></ethernet>`)(t, text)
	text = swap("</virtual-router>", `<entry name="second"><interface><member>ethernet1/3</member></interface><routing-table><ip><static-route><entry name="backup"><nexthop>`+
		`<ip-address>192.0.2.129</ip-address></nexthop><destination>0.0.0.0/0</destination></entry></static-route></ip></routing-table></entry></virtual-router>`)(t, text)
	return swap(`<entry name="office"/>`, `<entry name="office"><network><layer3><member>ethernet1/3</member></layer3></network></entry>`)(t, text)
}

// allow is a rule that lets everything in, logged and protected.
func allow(from, to, source string) string {
	return members("from", from, "to", to, "source", source, "destination", "any") + unrestricted + "<action>allow</action>" + protects + logsToUs
}

// web is a rule that lets the web in, logged and protected.
func web(from, to, source string) string {
	return strings.Replace(allow(from, to, source), "<application><member>any", "<application><member>ssl", 1)
}

// zone adds one to the virtual system.
func zone(name string) change {
	return swap(`<entry name="dmz"/>`, `<entry name="dmz"/><entry name="`+name+`"/>`)
}

// given names the internet zones in the expectation.
func given(zones string) change { return swap("<internet-zones/>", members("internet-zones", zones)) }

// refuse has the firewall refuse a question.
func refuse(answer, text string) change {
	return func(t *testing.T, s string) string {
		t.Helper()
		for _, open := range []string{"<" + answer + ">", "<" + answer + " ", "<" + answer + "/>"} {
			if i := strings.LastIndex(s, "\n    "+open); i >= 0 {
				at := i + len("\n    <") + len(answer)
				return s[:at] + ` refused="` + text + `"` + s[at:]
			}
		}
		t.Fatalf("there is no answer %q", answer)
		return ""
	}
}

const refusedRole = "role: Type [op] not authorized for user role"

// pushed has Panorama push to the device group, with the root of a firewall with one virtual system.
func pushed(pre, post, objects string) change {
	return swap("<pushed-vsys><result>No shared policy pushed to device</result></pushed-vsys>",
		"<pushed-vsys><result><policy><panorama>"+pushedBody(pre, post, objects)+"</panorama></policy></result></pushed-vsys>")
}

func pushedBody(pre, post, objects string) string {
	rules := func(name, entries string) string {
		return fmt.Sprintf("\n<%[1]s><security><rules>\n%[2]s\n</rules></security></%[1]s>\n", name, entries)
	}
	return rules("pre-rulebase", pre) + rules("post-rulebase", post) + objects
}

func pushedRule(name, loc, elements string) string {
	return fmt.Sprintf(`<entry name="%s" uuid="uuid-of-%s" loc="%s">%s</entry>`, name, name, loc, elements)
}

// mode changes to another one, with what the base file lacks for it.
func groupMode(t *testing.T, text string) string {
	t.Helper()
	for _, c := range []change{
		swap(`mode="dynamic-tag"`, `mode="address-group"`),
		swap("<dynamic>\n                      <filter>'active-defense'</filter>\n                    </dynamic>",
			"<static><member>active-defense-nobody</member><member>active-defense-203.0.113.66</member></static>"),
		swap(`<entry name="web-server">`, `<entry name="active-defense-nobody"><ip-netmask>192.0.2.255</ip-netmask></entry>
                  <entry name="active-defense-203.0.113.66"><ip-netmask>203.0.113.66</ip-netmask></entry>
                  <entry name="web-server">`),
	} {
		text = c(t, text)
	}
	return text
}

var listMode = swap(`mode="dynamic-tag"`, `mode="edl"`)

// fail and warn are what one check shall find; the detail is a part of what it shall say.
func fail(check, detail string) []expected { return []expected{{check, ResultFail, detail}} }
func warn(check, detail string) []expected { return []expected{{check, ResultWarn, detail}} }

// untrustAddress is the firewall's own address in zone untrust, as an end of something.
const untrustAddress = "<local-address><interface>ethernet1/1</interface><ip>203.0.113.2/29</ip></local-address>"

// peering gives it an IKE gateway and a BGP peer.
func peering(t *testing.T, text string) string {
	t.Helper()
	text = swap("</interface>\n              <virtual-router>", `</interface>
              <ike><gateway><entry name="branch">`+untrustAddress+`<peer-address><ip>192.0.2.7</ip></peer-address></entry></gateway></ike>
              <virtual-router>`)(t, text)
	return swap("</static-route></ip></routing-table>", `</static-route></ip></routing-table>
                  <protocol><bgp><enable>yes</enable><peer-group><entry name="up"><peer><entry name="isp">`+untrustAddress+
		`<peer-address><ip>203.0.113.1</ip></peer-address></entry></peer></entry></peer-group></bgp></protocol>`)(t, text)
}

// staticPeering gives it these, and no routing protocol runs.
func staticPeering(t *testing.T, text string) string {
	t.Helper()
	return swap("<bgp><enable>yes</enable>", "<bgp><enable>no</enable>")(t, peering(t, text))
}

// stops is a rule that denies everything from a source.
func stops(from, to, source string) string {
	return members("from", from, "to", to, "source", source, "destination", "any") + unrestricted + "<action>deny</action>"
}

// between swaps a text between two others.
func between(from, to, old, with string) change {
	return func(t *testing.T, text string) string {
		t.Helper()
		a := strings.Index(text, from)
		b := a + strings.Index(text[a:], to)
		return text[:a] + swap(old, with)(t, text[a:b]) + text[b:]
	}
}

// groupMember puts an address into our dynamic group.
func groupMember(addr string) change {
	const one = `<entry name="203.0.113.66" type="registered-ip"/>`
	return swap(one, one+`<entry name="`+addr+`" type="registered-ip"/>`)
}

// othersGroup is somebody else's dynamic group with one member.
func othersGroup(member string) change {
	return func(t *testing.T, text string) string {
		t.Helper()
		text = swap("<address-group>", `<address-group><entry name="quarantined"><dynamic><filter>quarantine</filter></dynamic></entry>`)(t, text)
		return swap("<dyn-addr-grp>", `<dyn-addr-grp><entry><vsys>vsys1</vsys><group-name>quarantined</group-name><filter>quarantine</filter><member-list><entry name="`+member+`"/></member-list></entry>`)(t, text)
	}
}

// verifyCase is one device file.
type verifyCase struct {
	name    string // of the file
	differs string // from base.xml
	changes []change
	expect  []expected
	others  string
}

func verifyCases() []verifyCase {
	return []verifyCase{
		// api
		{"api-unreachable", "nobody answers at the management address", []change{refuse("info", "unreachable: connection refused")}, fail(CheckAPI, "connection refused"), ResultWarn},
		{"api-key-refused", "the API key is refused", []change{refuse("info", "auth: Invalid Credential")}, fail(CheckAPI, "Invalid Credential"), ResultWarn},
		{"api-certificate", "its certificate is signed by an unknown authority", []change{refuse("info", "tls: certificate signed by unknown authority")}, fail(CheckAPI, "unknown authority"), ResultWarn},
		{"api-too-old", "PAN-OS 8.1", []change{refuse("info", "unsupported: PAN-OS 8.1.19 does not support timeouts of registered tags")}, fail(CheckAPI, "8.1.19"), ResultWarn},
		{"api-not-verified", "its certificate is not verified", []change{swap(`multi-vsys="no"`, `multi-vsys="no" insecure="yes"`)}, warn(CheckAPI, "not verified"), ""},

		// api-role
		{"role-no-user-id", "the role does not allow User-ID messages", []change{swap(`user-id="yes"`, `user-id="no"`)}, fail(CheckRole, "User-ID"), ""},
		{"role-superuser", "the administrator is a superuser", []change{swap(`superuser="no"`, `superuser="yes"`)}, warn(CheckRole, "superuser"), ""},
		{"role-least", "the role does not allow configuration calls, which tags do not need", []change{swap(`config="yes"`, `config="no"`)}, nil, ""},
		{"role-no-config", "the role does not allow configuration calls, and we shall provision", []change{swap(`config="yes"`, `config="no"`), swap(`may-provision="no"`, `may-provision="yes"`)}, fail(CheckRole, "no permission to read and write the configuration"), ""},
		{"role-group-mode", "address-group mode, and the role does not allow configuration calls", []change{groupMode, swap(`config="yes"`, `config="no"`)}, fail(CheckRole, "no permission to read and write the configuration"), ""},

		// block-source
		{"source-other-tag", "the group's filter names another tag", []change{swap("<filter>'active-defense'</filter>\n                    </dynamic>", "<filter>'malicious'</filter>\n                    </dynamic>")}, append(fail(CheckBlockSource, `"'malicious'"`), warn(CheckMembers, "there is no group to look at")...), ""},
		{"source-two-tags", "the group's filter demands a second tag", []change{swap("<filter>'active-defense'</filter>\n                    </dynamic>", "<filter>'active-defense' and 'confirmed'</filter>\n                    </dynamic>")}, append(fail(CheckBlockSource, "confirmed"), warn(CheckMembers, "there is no group to look at")...), ""},
		{"source-broken-filter", "the group's filter is not closed", []change{swap("<filter>'active-defense'</filter>\n                    </dynamic>", "<filter>('active-defense'</filter>\n                    </dynamic>")}, append(fail(CheckBlockSource, "no dynamic address group"), warn(CheckMembers, "there is no group to look at")...), ""},
		{"source-other-name", "the group has another name, with a space, and a longer filter", []change{
			swap(`<entry name="active-defense">
                    <dynamic>
                      <filter>'active-defense'</filter>`, `<entry name="Blocked now">
                    <dynamic>
                      <filter>(active-defense OR "active-defense") and not 'partner'</filter>`),
			in(block, swap("<member>active-defense</member>", "<member>Blocked now</member>")),
			swap("<group-name>active-defense</group-name>", "<group-name>Blocked now</group-name>"),
		}, nil, ""},
		{"source-wider", "the group's filter matches another tag as well", []change{swap("<filter>'active-defense'</filter>\n                    </dynamic>", "<filter>'active-defense' or 'partner'</filter>\n                    </dynamic>")},
			append(fail(CheckBlockSource, `"active-defense" matches what does not bear our tag, too`), warn(CheckBlockRule, `more than what is blocked and no proof that it is (filter "'active-defense' or 'partner'")`)[0], warn(CheckMembers, "there is no group to look at")[0]), ""},
		{"source-wider-beside", "another group matches another tag as well, and has a rule of its own", []change{
			swap(`<entry name="active-defense">
                    <dynamic>`, `<entry name="both"><dynamic><filter>('active-defense' or 'partner') and not 'trusted'</filter></dynamic></entry>
                  <entry name="active-defense">
                    <dynamic>`),
			insert("both", block, "<from><member>untrust</member></from><to><member>any</member></to><source><member>both</member></source><destination><member>any</member></destination><application><member>any</member></application><service><member>any</member></service><action>drop</action><log-setting>active-defense</log-setting>"),
		}, warn(CheckBlockRule, `"both" stops what address group "both" matches`), ""},
		{"source-shared", "the group is shared by all virtual systems", []change{
			swap(`<entry name="active-defense">
                    <dynamic>
                      <filter>'active-defense'</filter>
                    </dynamic>
                  </entry>`, ""),
			swap("<shared>", `<shared><address-group><entry name="active-defense"><dynamic><filter>'active-defense'</filter></dynamic></entry></address-group>`),
		}, nil, ""},
		{"source-list-url", "edl mode, and the list is fetched from another host", []change{listMode, swap("<url>https://agent.example.com:8443", "<url>https://old-agent.example.com:8443")}, append(fail(CheckBlockSource, "old-agent"), fail(CheckList, "also after its release")...), ""},
		{"source-list-same-url", "edl mode, with the URL in other letters", []change{listMode, swap("<url>https://agent.example.com:8443", "<url>HTTPS://Agent.Example.COM:8443")}, nil, ""},
		{"source-list-path", "edl mode, and the path is in other letters, which is another path", []change{listMode, swap("8443/files/blacklist.txt</url>", "8443/Files/blacklist.txt</url>")}, append(fail(CheckBlockSource, "/Files/"), fail(CheckList, "also after its release")...), ""},
		{"source-group", "address-group mode", []change{groupMode}, nil, ""},
		{"source-group-dynamic", "address-group mode, and the group is still the dynamic one", []change{swap(`mode="dynamic-tag"`, `mode="address-group"`)}, fail(CheckBlockSource, "is not static"), ""},

		// block-rule
		{"block-missing", "there is no block rule", []change{drop(block)}, fail(CheckBlockRule, "no rule drops"), ""},
		{"block-disabled", "the block rule is disabled", []change{add(block, "<disabled>yes</disabled>")}, fail(CheckBlockRule, "is disabled"), ""},
		{"block-allows", "the block rule allows", []change{in(block, swap("<action>drop</action>", "<action>allow</action>"+protects))}, fail(CheckBlockRule, "has action allow"), ""},
		{"block-negated", "the block rule has a negated source", []change{add(block, "<negate-source>yes</negate-source>")}, fail(CheckBlockRule, "has a negated source"), ""},
		{"block-application", "the block rule is for two applications", []change{in(block, swap("<application><member>any</member>", "<application><member>ssl</member><member>ssh</member>"))}, fail(CheckBlockRule, `application "ssl", "ssh"`), ""},
		{"block-service", "the block rule is for the applications' default ports", []change{in(block, swap("<service><member>any</member>", "<service><member>application-default</member>"))}, fail(CheckBlockRule, "application-default"), ""},
		{"block-user", "the block rule is for known users", []change{in(block, swap("<source-user><member>any</member>", "<source-user><member>known-user</member>"))}, fail(CheckBlockRule, "known-user"), ""},
		{"block-category", "the block rule is for a URL category", []change{in(block, swap("<category><member>any</member>", "<category><member>malware</member>"))}, fail(CheckBlockRule, "malware"), ""},
		{"block-schedule", "the block rule has a schedule", []change{add(block, "<schedule>office hours</schedule>")}, fail(CheckBlockRule, "office hours"), ""},
		{"block-hip", "the block rule is for devices with a HIP profile", []change{add(block, members("source-hip", "unpatched"))}, fail(CheckBlockRule, "unpatched"), ""},
		{"block-destination", "the block rule protects one server", []change{in(block, swap("<destination><member>any</member>", "<destination><member>web-server</member>"))}, fail(CheckBlockRule, "web-server"), ""},
		{"block-destination-negated", "the block rule protects all but one server", []change{
			in(block, swap("<destination><member>any</member>", "<destination><member>web-server</member>")), add(block, "<negate-destination>yes</negate-destination>"),
		}, fail(CheckBlockRule, "destination not"), ""},
		{"block-from", "the block rule is from another zone", []change{in(block, swap("<from><member>untrust</member>", "<from><member>trust</member>"))}, fail(CheckBlockRule, "does not match source zone"), ""},
		{"block-to", "the block rule is to one zone", []change{in(block, swap("<to><member>any</member>", "<to><member>dmz</member>"))}, fail(CheckBlockRule, `matches only destination zone "dmz"`), ""},
		{"block-interzone", "the block rule is of type interzone", []change{add(block, "<rule-type>interzone</rule-type>")}, fail(CheckBlockRule, "interzone"), ""},
		{"block-two-types", "the block rule is one of type interzone and one of type intrazone", []change{
			add(block, "<rule-type>interzone</rule-type>"),
			insert("block within", block, members("from", "any", "source", "active-defense", "destination", "any")+unrestricted+"<rule-type>intrazone</rule-type><action>reset-both</action>"+logsToUs),
		}, nil, ""},
		{"block-any-zone", "the block rule is from any zone", []change{in(block, swap("<from><member>untrust</member>", "<from><member>any</member>"))}, nil, ""},
		{"block-other-source", "the block rule has another source", []change{in(block, swap("<member>active-defense</member>", "<member>partner</member>"))}, fail(CheckBlockRule, "no rule drops"), ""},
		{"block-nested", "the block rule's source is a group that holds ours", []change{
			in(block, swap("<member>active-defense</member>", "<member>all blocked</member>")),
			swap("<address-group>", `<address-group><entry name="all blocked"><static><member>partner</member><member>inner</member></static></entry>
                  <entry name="inner"><static><member>active-defense</member></static></entry>`),
		}, nil, ""},
		{"block-zone-given", "two internet zones are given, and the block rule is from one of them", []change{
			zone("isp2"), given("untrust,isp2"), in(sensor, swap("<from><member>untrust</member>", "<from><member>any</member>")),
		}, []expected{{CheckBlockRule, ResultFail, `"isp2" to any zone`}, {CheckList, ResultFail, `"active-defense-block-list" is ours, and does not do its work: it does not match source zone "isp2"`}}, ""},
		{"zones-named", "a second zone sounds like the internet, and no default route leaves by it", []change{zone("WAN-backup")}, nil, ""},
		{"zones-renamed", "the zone by which the default route leaves is called inside", []change{every("untrust", "inside")}, nil, ""},
		{"block-zone-routed", "a second router has its default route by a zone that the block rule is not from", []change{
			zone("office"), in(sensor, swap("<from><member>untrust</member>", "<from><member>any</member>")), secondLine,
		}, []expected{{CheckBlockRule, ResultFail, `"office" to any zone`}, {CheckList, ResultFail, `"active-defense-block-list" is ours, and does not do its work: it does not match source zone "office"`}}, ""},
		{"zones-forwarded", "policy-based forwarding sends everything out by a second line", []change{
			zone("office"), func(t *testing.T, text string) string {
				text = swap("<destination>0.0.0.0/0</destination></entry></static-route></ip></routing-table></entry></virtual-router>", "<destination>10.0.0.0/8</destination></entry></static-route></ip></routing-table></entry></virtual-router>")(t, secondLine(t, text))
				return swap("<rulebase>", `<rulebase><pbf><rules><entry name="backup"><destination><member>any</member></destination><application><member>any</member></application>`+
					`<service><member>any</member></service><action><forward><egress-interface>ethernet1/3</egress-interface></forward></action></entry></rules></pbf>`)(t, text)
			},
		}, warn(CheckBlockRule, `may leave by zone "office" (policy-based forwarding by ethernet1/3)`), ""},
		{"block-both", "the block rule holds the group and the list", []change{
			drop(blockList), in(block, swap("<member>active-defense</member>", "<member>active-defense</member><member>active-defense-list</member>")),
		}, warn(CheckBlockRule, "PAN-274213"), ""},
		{"block-zone-unknown", "an internet zone is given that the firewall does not have", []change{given("untrust,internet2")}, fail(CheckBlockRule, `"internet2"`), ""},
		{"block-per-zone", "two internet zones, each with a block rule", []change{
			zone("isp2"), given("untrust,isp2"), in(sensor, swap("<member>untrust</member>", "<member>untrust</member><member>isp2</member>")),
			insert("block isp2", block, members("from", "isp2", "to", "any", "source", "active-defense", "destination", "any")+unrestricted+"<action>deny</action>"+logsToUs),
		}, []expected{{CheckList, ResultFail, `"active-defense-block-list" is ours, and does not do its work: it does not match source zone "isp2"`}}, ""},
		{"zones-unknown", "no default route leaves by any interface", []change{swap("<destination>0.0.0.0/0</destination>", "<destination>10.0.0.0/8</destination>")}, []expected{
			{CheckBlockRule, ResultFail, "no internet zone"}, {CheckBlockPosition, ResultWarn, "no internet zone"},
			{CheckSensor, ResultWarn, "no internet zone"}, {CheckInternetRules, ResultWarn, "no internet zone"},
		}, ""},

		// block-rule-position
		{"position-allow-above", "a rule above lets the web in", []change{moveBefore("web-in", block)}, fail(CheckBlockPosition, `"web-in"`), ""},
		{"position-two-above", "two rules above let the internet in", []change{moveBefore("web-in", block), moveBefore("vpn-in", block)}, fail(CheckBlockPosition, `"vpn-in"`), ""},
		{"position-partner-above", "a rule above lets a partner in", []change{insert("partner", block, allow("untrust", "dmz", "partner"))}, fail(CheckBlockPosition, `"partner"`), ""},
		{"position-private-above", "a rule above lets private addresses in, which are never blocked", []change{insert("branch", block, allow("untrust", "dmz", "branch,10.99.0.1-10.99.0.9"))}, nil, ""},
		{"position-others-above", "a rule above lets in all that is not blocked", []change{
			insert("not blocked", block, "<negate-source>yes</negate-source>"+allow("untrust", "dmz", "active-defense")),
		}, nil, ""},
		{"position-disabled-above", "a rule above would let the internet in, but is disabled", []change{insert("old", block, "<disabled>yes</disabled>"+allow("any", "any", "any"))}, nil, ""},
		{"position-inside-above", "a rule above lets the inside out", []change{moveBefore("out", block)}, nil, ""},
		{"position-pushed-above", "a pre-rule of Panorama's lets the internet in", []change{pushed(pushedRule("hq-web", "branches", web("untrust", "dmz", "any")), "", "")}, fail(CheckBlockPosition, "device group branches"), ""},
		{"position-pushed-elsewhere", "a pre-rule of Panorama's lets the internet in on other firewalls", []change{
			pushed(pushedRule("hq-web", "branches", web("untrust", "dmz", "any")+`<target><devices><entry name="012801000099"/></devices></target>`), "", ""),
		}, nil, ""},
		{"position-pushed-not-elsewhere", "a pre-rule of Panorama's lets the internet in on all firewalls but one", []change{
			pushed(pushedRule("hq-web", "branches", web("untrust", "dmz", "any")+`<target><devices><entry name="012801000099"/></devices><negate>yes</negate></target>`), "", ""),
		}, fail(CheckBlockPosition, "hq-web"), ""},

		// block-rule-logs
		{"block-logs-none", "the block rule has no log forwarding profile", []change{in(block, swap(logsToUs, ""))}, warn(CheckBlockLogs, "has no log forwarding profile"), ""},
		{"block-logs-off", "the block rule does not log the end of sessions", []change{add(block, "<log-end>no</log-end>")}, warn(CheckBlockLogs, "does not log sessions"), ""},
		{"block-logs-start", "the block rule logs the start of sessions alone", []change{add(block, "<log-start>yes</log-start><log-end>no</log-end>")}, warn(CheckBlockLogs, "only at session start"), ""},
		{"block-logs-elsewhere", "the block rule's profile does not send to us", []change{in(block, swap(logsToUs, "<log-setting>local-only</log-setting>"))}, warn(CheckBlockLogs, `"local-only"`), ""},

		// sensor-rule
		{"sensor-missing", "there is no sensor rule", []change{drop(sensor)}, fail(CheckSensor, `what no rule allows is not logged to us, from "untrust" to any zone: "interzone-default" decides, and has no log forwarding profile`), ""},
		{"sensor-default-logs", "the default rules log, and decide as they come", []change{
			drop(sensor),
			swap("<rulebase>", `<rulebase><default-security-rules><rules>
                    <entry name="intrazone-default"><action>allow</action><log-end>yes</log-end>`+logsToUs+`</entry>
                    <entry name="interzone-default"><action>deny</action><log-end>yes</log-end>`+logsToUs+`</entry>
                  </rules></default-security-rules>`),
		}, nil, ""},
		{"sensor-default-siem", "the default rules log to somebody else", []change{
			drop(sensor),
			swap("<rulebase>", `<rulebase><default-security-rules><rules>
                    <entry name="intrazone-default"><action>allow</action><log-end>yes</log-end><log-setting>local-only</log-setting></entry>
                    <entry name="interzone-default"><action>drop</action><log-end>no</log-end><log-setting>local-only</log-setting></entry>
                  </rules></default-security-rules>`),
		}, fail(CheckSensor, `uses log forwarding profile "local-only"`), ""},
		{"sensor-default-pushed", "Panorama's device group overrides the default rules, and they do not log to us", []change{
			drop(sensor),
			swap("<pushed-vsys><result>No shared policy pushed to device</result></pushed-vsys>", `<pushed-vsys><result><policy><panorama><post-rulebase><default-security-rules><rules>
<entry name="intrazone-default" loc="branches"><action>deny</action></entry><entry name="interzone-default" loc="branches"><action>deny</action></entry>
</rules></default-security-rules></post-rulebase></panorama></policy></result></pushed-vsys>`),
		}, fail(CheckSensor, `"intrazone-default" (pushed by Panorama, device group branches) decides`), ""},
		{"sensor-cuts", "the sensor rule drops what the firewall serves, and no rule allows what stays within the zone", []change{
			drop("vpn-in"), swap("<virtual-router>", `<ike><gateway><entry name="branch"><local-address><interface>ethernet1/1</interface></local-address></entry></gateway></ike><virtual-router>`),
		}, warn(CheckSensor, `"active-defense-sensor" drops what the firewall itself serves: IKE gateway branch on ethernet1/1`), ""},
		{"multicast", "a rule lets multicast in, unlogged and unprotected", []change{
			insert("channels", "out", members("from", "untrust", "to", "multicast", "source", "any", "destination", "any", "application", "pim", "service", "any")+"<action>allow</action>"),
		}, warn(CheckInternetRules, `"channels"`), ""},
		{"sensor-disabled", "the sensor rule is disabled", []change{add(sensor, "<disabled>yes</disabled>")}, fail(CheckSensor, `"active-defense-sensor" is disabled`), ""},
		{"sensor-shadowed-by-allow", "a rule above the sensor rule allows everything", []change{insert("temporary", sensor, allow("untrust", "any", "any"))}, fail(CheckSensor, `"temporary" shadows "active-defense-sensor"`), ""},
		{"sensor-shadowed-by-deny", "a rule above the sensor rule denies everything without a log", []change{
			insert("clean up", sensor, members("from", "any", "to", "any", "source", "any", "destination", "any")+unrestricted+"<action>deny</action>"),
		}, fail(CheckSensor, `"clean up" shadows "active-defense-sensor"`), ""},
		{"sensor-above-allow", "the sensor rule stands above a rule that lets the internet in", []change{moveBefore(sensor, "vpn-in")}, fail(CheckSensor, `is above "vpn-in"`), ""},
		{"sensor-service", "the sensor rule is for one service", []change{in(sensor, swap("<service><member>any</member>", "<service><member>service-http</member>"))}, fail(CheckSensor, "service-http"), ""},
		{"sensor-to", "the sensor rule is to one zone", []change{in(sensor, swap("<to><member>any</member>", "<to><member>dmz</member>"))}, fail(CheckSensor, `matches only destination zone "dmz"`), ""},
		{"sensor-source", "the sensor rule is for one source", []change{in(sensor, swap("<source><member>any</member>", "<source><member>partner</member>"))}, fail(CheckSensor, "only some sources"), ""},
		{"sensor-logs", "the sensor rule has no log forwarding profile", []change{in(sensor, swap(logsToUs, ""))}, fail(CheckSensor, "has no log forwarding profile"), ""},
		{"sensor-log-end", "the sensor rule does not log", []change{add(sensor, "<log-end>no</log-end>")}, fail(CheckSensor, "does not log sessions"), ""},
		{"sensor-log-start", "the sensor rule logs the start of sessions alone", []change{add(sensor, "<log-start>yes</log-start><log-end>no</log-end>")}, warn(CheckSensor, "only at session start"), ""},
		{"sensor-default-rules", "the default rules deny and log, in place of a sensor rule", []change{
			drop(sensor),
			swap("<rulebase>", `<rulebase><default-security-rules><rules>
                    <entry name="intrazone-default"><action>drop</action><log-end>yes</log-end>`+logsToUs+`</entry>
                    <entry name="interzone-default"><action>drop</action><log-end>yes</log-end>`+logsToUs+`</entry>
                  </rules></default-security-rules>`),
		}, nil, ""},
		{"sensor-interzone-default", "only the default rule between zones logs", []change{
			drop(sensor),
			swap("<rulebase>", `<rulebase><default-security-rules><rules>
                    <entry name="interzone-default"><action>deny</action><log-end>yes</log-end>`+logsToUs+`</entry>
                  </rules></default-security-rules>`),
		}, fail(CheckSensor, `"untrust" to "untrust"`), ""},

		// log-forwarding
		{"forwarding-no-threat", "the profile has no match list for threat logs", []change{swap("<log-type>threat</log-type>", "<log-type>url</log-type>")}, fail(CheckForwarding, "no threat logs"), ""},
		{"forwarding-no-traffic", "the profile has no match list for traffic logs", []change{swap("<log-type>traffic</log-type>", "<log-type>auth</log-type>")}, fail(CheckForwarding, "no traffic logs"), ""},
		{"forwarding-filter", "the profile sends traffic logs of allowed sessions alone", []change{swap("<log-type>traffic</log-type>\n                          <filter>All Logs</filter>", "<log-type>traffic</log-type>\n                          <filter>(action eq allow)</filter>")}, fail(CheckForwarding, "(action eq allow)"), ""},
		{"forwarding-severity", "the profile sends severe threat logs alone, and so no scans", []change{swap("<log-type>threat</log-type>\n                          <filter>All Logs</filter>", "<log-type>threat</log-type>\n                          <filter>(severity geq high)</filter>")}, fail(CheckForwarding, "(severity geq high)"), ""},
		{"forwarding-informational", "the profile sends threat logs of every severity", []change{swap("<log-type>threat</log-type>\n                          <filter>All Logs</filter>", "<log-type>threat</log-type>\n                          <filter>( severity geq informational )</filter>")}, nil, ""},
		{"forwarding-no-filter", "the match lists have no filter", []change{every("\n                          <filter>All Logs</filter>", "")}, nil, ""},
		{"forwarding-halves", "two match lists of opposite filters send all traffic logs", []change{swap("<log-type>traffic</log-type>\n                          <filter>All Logs</filter>",
			"<log-type>traffic</log-type><filter>(action eq allow)</filter><send-syslog><member>active-defense</member></send-syslog></entry>\n"+
				`                        <entry name="denied"><log-type>traffic</log-type><filter>(action neq allow)</filter>`)}, nil, ""},
		{"forwarding-elsewhere", "the profile sends threat logs to another server", []change{
			swap("<syslog>", `<syslog><entry name="siem"><server><entry name="siem"><server>192.0.2.77</server></entry></server></entry>`),
			swap(`<log-type>threat</log-type>
                          <filter>All Logs</filter>
                          <send-to-panorama>no</send-to-panorama>
                          <send-syslog>
                            <member>active-defense</member>`, `<log-type>threat</log-type>
                          <filter>All Logs</filter>
                          <send-syslog>
                            <member>siem</member>`),
		}, fail(CheckForwarding, "no threat logs"), ""},

		// syslog-format
		{"format-field", "the threat format lacks the severity", []change{inServer("<threat>", swap(" Severity=$severity;", ""))}, fail(CheckFormat, "+Severity=$severity"), ""},
		{"format-order", "the traffic format has two fields in another order", []change{inServer("<traffic>", swap("SrcPort=$sport; SrcUser=$srcuser;", "SrcUser=$srcuser; SrcPort=$sport;"))}, fail(CheckFormat, "a different order"), ""},
		{"format-variable", "the traffic format has the translated source", []change{inServer("<traffic>", swap("SrcIP=$src;", "SrcIP=$natsrc;"))}, fail(CheckFormat, "-SrcIP=$natsrc +SrcIP=$src"), ""},
		{"format-wrapped", "the formats are wrapped, as the web interface shows them", []change{inServer("<traffic>", every("; Dst", ";\nDst")), inServer("<threat>", swap("Type=$type;", "Type= $type;"))}, nil, ""},
		{"format-default", "traffic logs come in the default format, which is not read", []change{inServer("<traffic>", func(*testing.T, string) string { return "<traffic>Default" })}, fail(CheckFormat, "default format"), ""},
		{"format-default-read", "logs come in the default format, which is read", []change{
			inServer("<traffic>", func(*testing.T, string) string { return "<traffic>" }), inServer("<threat>", func(*testing.T, string) string { return "<threat>" }),
			swap(`read-default="no"`, `read-default="yes"`),
		}, nil, ""},
		{"format-escaping", "the server profile escapes characters", []change{swap("<server>192.0.2.10</server>", "<server>192.0.2.10</server>"), inServer("</threat>",
			func(*testing.T, string) string {
				return "</threat><escaping><escaped-characters>=;</escaped-characters><escape-character>\\</escape-character></escaping>"
			})}, warn(CheckFormat, "escapes"), ""},
		{"format-server", "the server is another host", []change{swap("<server>192.0.2.10</server>", "<server>192.0.2.11</server>")}, fail(CheckFormat, "192.0.2.11:514"), ""},
		{"format-port", "the server is another port", []change{swap(`syslog-address="192.0.2.10"`, `syslog-address="192.0.2.10:5514"`)}, fail(CheckFormat, "not to 192.0.2.10:5514"), ""},
		{"format-server-ipv6", "the server is an IPv6 address, written otherwise", []change{swap("<server>192.0.2.10</server>", "<server>2001:DB8:0::10</server>"), swap(`syslog-address="192.0.2.10"`, `syslog-address="[2001:db8::10]:514"`)}, nil, ""},
		{"format-server-unchecked", "it is not known where firewalls send to", []change{swap(`syslog-address="192.0.2.10"`, `syslog-address=""`), swap("<server>192.0.2.10</server>", "<server>logs.example.com</server>")}, warn(CheckFormat, "whether that is us cannot be told"), ""},

		{"format-clock-elsewhere", "the firewall's clock is in a zone in which no input reads times", []change{swap("<internet-zones/>", "<internet-zones/><timezones><member>UTC</member><member>America/New_York</member></timezones>"),
			swap("            <network>", "            <deviceconfig><system><timezone>Europe/Berlin</timezone></system></deviceconfig>\n            <network>")}, warn(CheckFormat, "its clock is set to Europe/Berlin, and no input reads times in that zone"), ""},
		{"format-clock", "the firewall's clock is in a zone that has the time of one in which an input reads", []change{swap("<internet-zones/>", "<internet-zones/><timezones><member>UTC</member><member>Europe/Amsterdam</member></timezones>"),
			swap("            <network>", "            <deviceconfig><system><timezone>Europe/Berlin</timezone></system></deviceconfig>\n            <network>")}, nil, ""},

		// internet-rules
		{"internet-no-content", "the firewall has no threat content", []change{swap(`multi-vsys="no"/>`, `multi-vsys="no" threat-version="0"/>`)}, warn(CheckInternetRules, "the firewall has no threat content"), ""},
		{"internet-no-logs", "a rule that lets the web in has no log forwarding profile", []change{in("web-in", swap(logsToUs, ""))}, warn(CheckInternetRules, `"web-in" has no log forwarding profile`), ""},
		{"internet-log-off", "a rule that lets the web in logs no sessions", []change{add("web-in", "<log-end>no</log-end>")}, warn(CheckInternetRules, `"web-in" does not log sessions`), ""},
		{"internet-no-profile", "a rule that lets the web in has no security profile", []change{in("web-in", swap(protects, ""))}, warn(CheckInternetRules, `"web-in" has no vulnerability protection`), ""},
		{"internet-other-group", "a rule that lets the web in has a profile group without vulnerability protection", []change{in("web-in", swap("<member>default</member>", "<member>files-only</member>"))}, warn(CheckInternetRules, `"web-in" has no vulnerability protection`), ""},
		{"internet-two-rules", "two rules that let the internet in have no log forwarding profile", []change{in("web-in", swap(logsToUs, "")), in("vpn-in", swap(logsToUs, ""))}, warn(CheckInternetRules, `"vpn-in" has no log forwarding profile`), ""},
		{"internet-any-zone", "a rule from any zone neither logs nor protects", []change{
			insert("ping", sensor, members("from", "any", "to", "any", "source", "any", "destination", "any", "application", "ping", "service", "any")+"<action>allow</action>"),
		}, warn(CheckInternetRules, `"ping"`), ""},
		{"internet-private", "a rule for private addresses neither logs nor protects", []change{
			insert("branch", sensor, members("from", "untrust", "to", "any", "source", "branch", "destination", "any", "application", "any", "service", "any")+"<action>allow</action>"),
		}, nil, ""},

		// edl-source
		{"list-no-profile", "the list has no certificate profile", []change{swap("<certificate-profile>active-defense</certificate-profile>", "")}, fail(CheckList, "no certificate profile"), ""},
		{"list-other-authority", "the list's certificate profile holds another authority", []change{swap("<certificate-profile>active-defense</certificate-profile>", "<certificate-profile>company</certificate-profile>")}, fail(CheckList, "does not contain our CA"), ""},
		{"list-authority-missing", "the certificate profile names a certificate that is gone", []change{swap(`<entry name="active-defense-ca"/>`, `<entry name="gone"/>`)}, fail(CheckList, "does not contain our CA"), ""},
		{"list-authority-member", "the certificate profile is written with members", []change{swap(`<entry name="active-defense-ca"/>`, `<member>company-ca</member><member>active-defense-ca</member>`)}, nil, ""},
		{"list-certificate-ends", "our certificate ends in three weeks", []change{swap("2026-09-01T00:00:00Z", "2026-03-22T00:00:00Z")}, fail(CheckList, "2026-03-22"), ""},
		{"list-never-fetched", "the list was never fetched", []change{
			swap("<total-valid>3</total-valid>", "<total-valid>0</total-valid>"), swap("<total-invalid>0</total-invalid>", "<total-invalid>1</total-invalid>"),
			validMembers("<invalid-members><member>Couldn't connect to server</member></invalid-members>"),
		}, fail(CheckList, "the list is not in effect: Couldn't connect"), ""},
		{"list-missing", "an entry of the list is missing", []change{swap("<total-valid>3</total-valid>", "<total-valid>2</total-valid>"), swap("<member>203.0.113.66/32</member>", "")}, fail(CheckList, "1 of 3 entries is missing on the firewall, which has 2: 203.0.113.66"), ""},
		{"list-young", "an entry of the list is missing, but only for minutes", []change{
			swap("<total-valid>3</total-valid>", "<total-valid>2</total-valid>"), swap("<member>203.0.113.66/32</member>", ""), swap("2026-02-27T08:00:00Z", "2026-03-01T11:57:00Z"),
		}, nil, ""},
		{"list-extra", "the list holds an entry that is not blocked any more", []change{held("203.0.113.99")}, warn(CheckList, "1 entry is on the firewall but no longer blocked: 203.0.113.99"), ""},
		{"list-two-extra", "the list holds two entries that are not blocked any more", []change{held("203.0.113.99", "203.0.113.98")}, warn(CheckList, "2 entries are on the firewall but no longer blocked: 203.0.113.98, 203.0.113.99"), ""},
		{"list-released", "the list holds an entry that was released minutes ago", []change{held("203.0.113.99"), released("203.0.113.99", "2026-03-01T11:51:00Z")}, nil, ""},
		{"list-released-long-ago", "the list holds an entry that was released an hour ago", []change{held("203.0.113.99"), released("203.0.113.99", "2026-03-01T11:00:00Z")}, warn(CheckList, "203.0.113.99"), ""},
		{"list-another-released", "the list holds an entry that is not blocked any more, and another one was released minutes ago", []change{held("203.0.113.99"), released("203.0.113.98", "2026-03-01T11:51:00Z")}, warn(CheckList, "203.0.113.99"), ""},
		{"list-released-sometime", "the list holds an entry that was released, nobody knows when", []change{held("203.0.113.99"), released("203.0.113.99", "")}, warn(CheckList, "203.0.113.99"), ""},
		{"list-cut", "an entry of the list is missing, but the list serves two", []change{
			swap("<total-valid>3</total-valid>", "<total-valid>2</total-valid>"), swap("<member>203.0.113.66/32</member>", ""), swap(`mode="dynamic-tag"`, `mode="dynamic-tag" max-entries="2"`),
		}, nil, ""},
		{"list-cut-missing", "two entries of the list are missing, of which it serves two", []change{
			swap("<total-valid>3</total-valid>", "<total-valid>1</total-valid>"), swap("<member>203.0.113.66/32</member>", ""), swap("<member>198.51.100.0/24</member>", ""),
			swap(`mode="dynamic-tag"`, `mode="dynamic-tag" max-entries="2"`),
		}, fail(CheckList, "1 of 2 entries is missing on the firewall, which has 1"), ""},
		{"list-short-page", "the firewall shows one entry of three", []change{validMembers("<valid-members><member>203.0.113.66</member></valid-members>")}, nil, ""},
		{"list-short-page-missing", "the firewall shows one entry of two, of three", []change{
			swap("<total-valid>3</total-valid>", "<total-valid>2</total-valid>"), validMembers("<valid-members><member>203.0.113.66</member></valid-members>"),
		}, fail(CheckList, "1 of 3 entries is missing"), ""},
		{"list-no-number", "the firewall does not say how many entries it holds", []change{swap("<total-valid>3</total-valid>", "")}, []expected{{CheckList, ResultWarn, "no count of valid entries"}, {CheckPeers, ResultWarn, "no count of valid entries"}}, ""},
		{"list-unused", "no rule names the list, which was never fetched", []change{
			drop(blockList), swap("<total-valid>3</total-valid>", "<total-valid>0</total-valid>"),
			validMembers("<invalid-members><member>Couldn't connect to server</member></invalid-members>"),
		}, nil, ""},
		{"list-failed", "the last fetch of the list failed", []change{swap("<result>OK</result>\n          <details/>", "<result>FAIL</result><details><line>active-defense-list: Unable to fetch external list. Using old copy for refresh.</line></details>")}, fail(CheckList, "Unable to fetch"), ""},
		{"list-another-failed", "the last fetch of some list failed", []change{swap("<result>OK</result>\n          <details/>", "<result>FAIL</result><details><line>Unable to fetch external list</line></details>")}, warn(CheckList, "possibly of this one"), ""},
		{"list-empty", "nothing is blocked, and the list holds its one harmless line", []change{
			listMode, emptied, swap("<total-valid>3</total-valid>", "<total-valid>1</total-valid>"), swap(`mode="edl"`, `mode="edl" empty-entry="192.0.2.255"`),
			validMembers("<valid-members><member>192.0.2.255</member></valid-members>"),
		}, nil, ""},

		// committed
		{"committed-others", "somebody else's change waits for a commit", []change{swap("<pending>no</pending>", "<pending>yes</pending>"), candidate(swap("192.0.2.80", "192.0.2.81"))}, nil, ""},
		{"committed-rule", "the block rule was disabled without a commit", []change{swap("<pending>no</pending>", "<pending>yes</pending>"), candidate(add(block, "<disabled>yes</disabled>"))}, warn(CheckCommitted, `security rule "active-defense-block" was changed`), ""},
		{"committed-removed", "the tag was removed without a commit", []change{swap("<pending>no</pending>", "<pending>yes</pending>"), candidate(swap("<tag>\n                  <entry name=\"active-defense\"/>", "<tag>"))}, warn(CheckCommitted, `tag "active-defense" was deleted`), ""},
		{"committed-made", "the sensor rule was made without a commit", []change{swap("<pending>no</pending>", "<pending>yes</pending>"), candidate(func(_ *testing.T, s string) string { return s }), drop(sensor)},
			[]expected{{CheckCommitted, ResultWarn, "was added but not committed"}, {CheckSensor, ResultFail, ""}}, ""},
		{"committed-marks", "the candidate carries marks of an edit that changed nothing of ours", []change{swap("<pending>no</pending>", "<pending>yes</pending>"),
			candidate(swap(`<entry name="active-defense-block">`, `<entry name="active-defense-block" admin="somebody" dirtyId="3" time="2026/03/01 11:45:11">`))}, nil, ""},

		// capacity
		{"capacity-over", "it holds two registered addresses", []change{swap("0x30d40", "2")}, fail(CheckCapacity, "1 are left out"), ""},
		{"capacity-near", "others have registered nearly all it holds", []change{swap("Total: 3 registered", "Total: 190000 registered")}, warn(CheckCapacity, "95 %"), ""},
		{"capacity-model", "the firewall does not tell its limits, the model does", []change{swap("cfg.general.max-registered-ip-address: 0x30d40", ""), swap(`model="PA-3220"`, `model="PA-820"`), swap("Total: 3 registered", "Total: 950 registered")}, warn(CheckCapacity, "950 of 1000"), ""},
		{"capacity-unknown", "nobody tells the limits", []change{swap("cfg.general.max-registered-ip-address: 0x30d40", ""), swap(`model="PA-3220"`, `model="PA-1420"`)}, warn(CheckCapacity, "could not be checked: 3 registered addresses are needed, and the limit of model PA-1420 is not known"), ""},
		{"capacity-old-version", "PAN-OS 9.1, which takes no networks", []change{swap(`version="10.2.9-h1"`, `version="9.1.16"`), swap(`<entry name="198.51.100.0/24" type="registered-ip"/>`, "")}, nil, ""},
		{"capacity-group", "address-group mode, with 2,400 addresses", []change{groupMode, swap(`<entry name="203.0.113.66" since="2026-02-27T08:00:00Z"/>`, `<entry name="203.0.113.66" since="2026-03-01T11:55:00Z" count="2400"/>`)}, warn(CheckCapacity, "members of an address group"), ""},
		{"capacity-list", "edl mode on a small model, with 51,000 addresses", []change{listMode, swap(`model="PA-3220"`, `model="PA-850"`), swap(`<entry name="203.0.113.66" since="2026-02-27T08:00:00Z"/>`, `<entry name="203.0.113.66" since="2026-03-01T11:55:00Z" count="51000"/>`)}, fail(CheckCapacity, "1002 are left out"), ""},

		// dag-members
		{"members-missing", "an address has not got into the group", []change{swap(`<entry name="203.0.113.66" type="registered-ip"/>`, "")}, fail(CheckMembers, "addresses are not in the group: 203.0.113.66"), ""},
		{"members-young", "an address has not got into the group in half a minute", []change{swap(`<entry name="203.0.113.66" type="registered-ip"/>`, ""), swap("2026-02-27T08:00:00Z", "2026-03-01T11:59:30Z")}, nil, ""},
		{"members-no-group", "the firewall keeps no members of the group", []change{swap("<group-name>active-defense</group-name>", "<group-name>other</group-name>")}, fail(CheckMembers, "reports no members"), ""},
		{"members-other-vsys", "the members are those of another virtual system's group", []change{swap("<vsys>vsys1</vsys>\n            <group-name>", "<vsys>vsys2</vsys>\n            <group-name>")}, fail(CheckMembers, "reports no members"), ""},

		// peers: IKE with 192.0.2.7, BGP with 203.0.113.1, both at 203.0.113.2 in zone untrust
		{"peers", "it has an IKE gateway and a BGP peer", []change{peering}, nil, ""},
		{"peers-nameless", "peers of IKE gateways have a name, or call from anywhere", []change{peering, swap("<ip>192.0.2.7</ip>", "<dynamic/>"),
			swap("<ike><gateway>", `<ike><gateway><entry name="cloud">`+untrustAddress+`<peer-address><fqdn>vpn.example.net</fqdn></peer-address></entry>`)},
			[]expected{{CheckPeers, ResultPass, "not checked, for the configuration has no address of them: peer of IKE gateway cloud vpn.example.net, server of External Dynamic List active-defense-list agent.example.com, peer of IKE gateway branch"}}, ""},
		{"peers-without-a-way", "the IKE gateway's own address is in no zone", []change{peering, between("<ike>", "</ike>", "<interface>ethernet1/1</interface><ip>203.0.113.2/29</ip>", "<interface>loopback.7</interface>")},
			[]expected{{CheckPeers, ResultPass, "rules were not checked for what reaches the firewall at an address or by a zone that is not known: peer of IKE gateway branch 192.0.2.7"}}, ""},
		{"peers-tagged", "the IKE peer has been tagged", []change{peering, groupMember("192.0.2.7")}, fail(CheckPeers, `192.0.2.7, peer of IKE gateway branch, is blocked: it stands in dynamic address group "active-defense" as 192.0.2.7`), ""},
		{"peers-in-a-network", "a network that holds the syslog server has been tagged", []change{peering, groupMember("192.0.2.0/28")}, fail(CheckPeers, `192.0.2.10, syslog server, is blocked: it stands in dynamic address group "active-defense" as 192.0.2.0/28`), ""},
		{"peers-tagged-unused", "the IKE peer has been tagged, and no rule uses the group", []change{peering, groupMember("192.0.2.7"), drop(block)}, []expected{{CheckBlockRule, ResultFail, ""}}, ""},
		{"peers-listed", "the firewall holds the IKE peer on the list", []change{peering, swap("<total-valid>3<", "<total-valid>4<"), swap("<member>203.0.113.66/32</member>", "<member>203.0.113.66/32</member><member>192.0.2.7</member>")},
			[]expected{{CheckList, ResultWarn, "192.0.2.7"}, {CheckPeers, ResultFail, `it stands in the list "active-defense-list" as 192.0.2.7`}}, ""},
		{"peers-listed-twice", "another list with our URL stands ahead of the one by which a rule stops traffic, which holds the IKE peer", []change{peering, swap("\n                <external-list>", `
                <external-list><entry name="aaa"><type><ip><url>https://agent.example.com:8443/files/blacklist.txt</url><recurring><five-minute/></recurring></ip></type></entry>`),
			swap("<total-valid>3<", "<total-valid>4<"), swap("<member>203.0.113.66/32</member>", "<member>203.0.113.66/32</member><member>192.0.2.7</member>")},
			[]expected{{CheckList, ResultWarn, "192.0.2.7"}, {CheckPeers, ResultFail, `it stands in the list "active-defense-list" as 192.0.2.7`}}, ""},
		{"peers-listed-edl", "edl mode, and the firewall holds a network with the BGP peer on the list", []change{peering, listMode, swap("<total-valid>3<", "<total-valid>4<"), swap("<member>203.0.113.66/32</member>", "<member>203.0.113.66/32</member><member>203.0.113.0/30</member>")},
			[]expected{{CheckList, ResultWarn, "203.0.113.0/30"}, {CheckPeers, ResultFail, `203.0.113.1, BGP peer isp, is blocked: it stands in the list "active-defense-list" as 203.0.113.0/30`}}, ""},
		{"peers-listed-unshown", "the firewall shows less of the list than it holds", []change{peering, swap("<total-valid>3<", "<total-valid>5<")},
			[]expected{{CheckPeers, ResultPass, `not checked: 2 entries of the list "active-defense-list" that the firewall does not show`}}, ""},
		{"peers-leftover", "no list is served, and a rule stops what is on ours", []change{peering, swap(` list-url="https://agent.example.com:8443/files/blacklist.txt"`, ` list-url=""`)},
			[]expected{{CheckList, ResultWarn, "also after its release"}, {CheckPeers, ResultPass, `not checked, for the configuration of Active Defense does not block by it: "active-defense-list", from which a rule stops traffic`}}, ""},
		{"peers-in-the-group", "address-group mode, and somebody has put a range with the BGP peer into the group", []change{peering, groupMode, swap("<static><member>", "<static><member>office range</member><member>"),
			swap(`<entry name="branch">`+"\n                    <ip-netmask>10", `<entry name="office range"><ip-range>203.0.112.200-203.0.113.1</ip-range></entry>
                  <entry name="branch">`+"\n                    <ip-netmask>10")},
			fail(CheckPeers, `203.0.113.1, BGP peer isp, is blocked: it stands in address group "active-defense" as 203.0.112.200-203.0.113.1`), ""},
		{"peers-denied", "a rule denies a network with the IKE peer", []change{peering, insert("no-neighbours", "web-in", stops("untrust", "untrust", "192.0.2.0/28"))},
			warn(CheckPeers, `"no-neighbours" stops IKE (udp/500, udp/4500, ESP) from 192.0.2.7, peer of IKE gateway branch, to 203.0.113.2`), ""},
		{"peers-denied-bgp", "a rule denies BGP from the peers", []change{peering, insert("no-bgp", "web-in", strings.Replace(stops("untrust", "any", "203.0.113.1,192.0.2.7"), "<application><member>any", "<application><member>bgp", 1))},
			warn(CheckPeers, `"no-bgp" stops BGP (tcp/179) from 203.0.113.1, BGP peer isp, to 203.0.113.2; not checked`), ""},
		{"peers-allowed-above", "a rule denies the IKE peer, below one that allows it", []change{peering, insert("vpn", "web-in", strings.Replace(allow("untrust", "untrust", "192.0.2.7"), "<application><member>any", "<application><member>ike</member><member>ipsec", 1)),
			insert("no-neighbours", "web-in", stops("untrust", "untrust", "192.0.2.0/28"))}, nil, ""},
		{"peers-learned", "a rule denies the peers' networks from another zone, by which a learned route may lead", []change{peering, insert("spoofed", "web-in", stops("trust", "any", "192.0.2.0/28"))},
			warn(CheckPeers, `"spoofed" may stop IKE (udp/500, udp/4500, ESP) from 192.0.2.7, peer of IKE gateway branch, to 203.0.113.2: it depends on whether that arrives by zone "trust"`), ""},
		{"peers-forwarded", "a rule denies the peers' networks from another zone, by which policy-based forwarding leads", []change{staticPeering, swap("<rulebase>", `<rulebase><pbf><rules><entry name="backup"><destination><member>192.0.2.0/28</member></destination>`+
			`<application><member>any</member></application><service><member>any</member></service><action><forward><egress-interface>ethernet1/2</egress-interface></forward></action></entry></rules></pbf>`), insert("spoofed", "web-in", stops("trust", "any", "192.0.2.0/28"))},
			warn(CheckPeers, `"spoofed" may stop IKE (udp/500, udp/4500, ESP) from 192.0.2.7, peer of IKE gateway branch, to 203.0.113.2: it depends on whether that arrives by zone "trust"`), ""},
		{"peers-denied-inside", "a rule denies the peers' networks from another zone, and to another address", []change{staticPeering, insert("spoofed", "web-in", stops("trust", "any", "192.0.2.0/28")),
			insert("not-the-web", "web-in", strings.Replace(stops("untrust", "any", "192.0.2.0/28"), "<destination><member>any", "<destination><member>web-server", 1))}, nil, ""},
		{"peers-region", "a rule denies a region", []change{peering, insert("regions", "web-in", stops("untrust", "any", "KP"))}, warn(CheckPeers, `"regions" may stop IKE (udp/500, udp/4500, ESP) from 192.0.2.7, peer of IKE gateway branch, to 203.0.113.2: it depends on "KP"`), ""},
		{"peers-negated", "a rule denies all but a network", []change{peering, insert("ours-only", "web-in", stops("untrust", "any", "203.0.113.0/24")+"<negate-source>yes</negate-source>")}, warn(CheckPeers, `"ours-only" stops IKE`), ""},
		{"peers-others-list", "a rule denies somebody else's list", []change{peering, insert("threats", "web-in", stops("untrust", "any", "threat-list")),
			swap("<external-list>\n                  ", `<external-list><entry name="threat-list"><type><ip><url>https://lists.example.net/drop.txt</url></ip></type></entry>`)},
			warn(CheckPeers, `"threats" may stop BGP (tcp/179) from 203.0.113.1, BGP peer isp, to 203.0.113.2: it depends on external dynamic list "threat-list"`), ""},
		{"peers-others-group", "a rule denies somebody else's dynamic group, in which the IKE peer is", []change{peering, othersGroup("192.0.2.7"), insert("quarantine", "web-in", stops("untrust", "any", "quarantined"))},
			warn(CheckPeers, `"quarantine" stops IKE (udp/500, udp/4500, ESP) from 192.0.2.7, peer of IKE gateway branch, to 203.0.113.2; not checked`), ""},
		{"peers-others-group-without", "a rule denies somebody else's dynamic group, in which no peer is", []change{peering, othersGroup("192.0.2.99"), insert("quarantine", "web-in", stops("untrust", "any", "quarantined"))}, nil, ""},
		{"peers-beside-ours", "our block rule names the network of the IKE peer, too", []change{peering, in(block, swap("<member>active-defense</member>", "<member>active-defense</member><member>192.0.2.0/28</member>"))},
			[]expected{{CheckBlockRule, ResultWarn, `"active-defense-block" stops "192.0.2.0/28" as well, which is nothing of ours`}, {CheckPeers, ResultWarn, `"active-defense-block" stops IKE (udp/500, udp/4500, ESP) from 192.0.2.7, peer of IKE gateway branch, to 203.0.113.2`}}, ""},
		{"peers-category", "a rule denies the peers' networks for a category of URLs", []change{peering, insert("no-games", "web-in", stops("untrust", "any", "192.0.2.0/28")+members("category", "games"))}, nil, ""},
		{"peers-ours-negated", "our block rule has a negated source", []change{peering, add(block, "<negate-source>yes</negate-source>")},
			[]expected{{CheckBlockRule, ResultFail, "negated"}, {CheckPeers, ResultFail, `"active-defense-block" stops IKE`}}, ""},
		{"peers-ours-any", "our block rule has any source", []change{peering, in(block, swap("<member>active-defense</member>", "<member>any</member>"))},
			[]expected{{CheckBlockRule, ResultFail, ""}, {CheckSensor, ResultFail, "never reached"}, {CheckPeers, ResultFail, `"active-defense-block" stops BGP (tcp/179) from 203.0.113.1`}}, ""},

		// what is refused costs its checks alone
		{"refused-pushed", "the firewall does not tell what Panorama pushed", []change{refuse("pushed-vsys", refusedRole)}, []expected{
			{CheckBlockSource, ResultWarn, "not authorized"}, {CheckBlockRule, ResultWarn, "not authorized"}, {CheckBlockPosition, ResultWarn, "not authorized"},
			{CheckBlockLogs, ResultWarn, "not authorized"}, {CheckSensor, ResultWarn, "not authorized"}, {CheckForwarding, ResultWarn, "not authorized"},
			{CheckFormat, ResultWarn, "not authorized"}, {CheckInternetRules, ResultWarn, "not authorized"}, {CheckList, ResultWarn, "not authorized"},
			{CheckMembers, ResultWarn, "not authorized"}, {CheckPeers, ResultWarn, "not authorized"},
		}, ""},
		{"refused-members", "the firewall does not tell the members of groups", []change{refuse("members", "timeout: the request timed out")}, []expected{{CheckMembers, ResultWarn, "the request timed out"}, {CheckPeers, ResultWarn, "the request timed out"}}, ""},
		{"refused-list", "the firewall does not tell what it holds of the list", []change{refuse("list", refusedRole)}, []expected{{CheckList, ResultWarn, "not authorized"}, {CheckPeers, ResultWarn, "not authorized"}}, ""},
		{"refused-jobs", "the firewall does not tell its jobs", []change{refuse("jobs", refusedRole)}, warn(CheckList, "not authorized"), ""},
		{"refused-pending", "the firewall does not tell whether changes wait", []change{refuse("pending", refusedRole)}, warn(CheckCommitted, "not authorized"), ""},
		{"refused-limits", "the firewall does not tell its limits", []change{refuse("limits", "api: state is unexpected")}, nil, ""},

		// several virtual systems, Panorama, names
		{"vsys2", "everything stands in the second of two virtual systems", []change{
			swap(`<firewall name="LAB-FW-01" vsys="vsys1">`, `<firewall name="LAB-FW-01" vsys="vsys2">`), swap(`multi-vsys="no"`, `multi-vsys="yes"`),
			swap(`<entry name="vsys1">`, `<entry name="vsys1"><zone><entry name="outside"/></zone></entry><entry name="vsys2">`),
			swap("<vsys>vsys1</vsys>\n            <group-name>", "<vsys>vsys2</vsys>\n            <group-name>"),
		}, nil, ""},
		{"vsys2-block-disabled", "the block rule of the second virtual system is disabled", []change{
			swap(`<firewall name="LAB-FW-01" vsys="vsys1">`, `<firewall name="LAB-FW-01" vsys="vsys2">`), swap(`multi-vsys="no"`, `multi-vsys="yes"`),
			swap(`<entry name="vsys1">`, `<entry name="vsys1"><zone><entry name="outside"/></zone></entry><entry name="vsys2">`),
			swap("<vsys>vsys1</vsys>\n            <group-name>", "<vsys>vsys2</vsys>\n            <group-name>"),
			add(block, "<disabled>yes</disabled>"),
		}, fail(CheckBlockRule, "is disabled"), ""},
		{"panorama", "the rules, the group and the list come from Panorama, zones, servers and certificates from its template", panoramaBase(), nil, ""},
		{"panorama-post-sensor", "as panorama, but the sensor rule stands below a post-rule that allows everything", append(panoramaBase(),
			swap(`<entry name="active-defense-sensor" uuid`, pushedRule("legacy", "branches", allow("any", "any", "any"))+"\n"+`<entry name="active-defense-sensor" uuid`)),
			fail(CheckSensor, `"legacy" (pushed by Panorama, device group branches) shadows`), ""},
		{"panorama-shared-post", "as panorama, but a shared post-rule, which comes behind those of the device group, allows everything", append(panoramaBase(),
			swap(`<entry name="active-defense-sensor" uuid`, pushedRule("legacy", "shared", allow("any", "any", "any"))+"\n"+`<entry name="active-defense-sensor" uuid`)), nil, ""},
		{"panorama-local-allow", "as panorama, but a rule of the firewall's own lets the internet in unlogged, below the block rule", append(panoramaBase(),
			swap("<rules/>", "<rules>"+ruleIndent+`<entry name="local web">`+members("from", "untrust", "to", "dmz", "source", "any", "destination", "web-server", "application", "ssl", "service", "any")+"<action>allow</action></entry></rules>")),
			warn(CheckInternetRules, `"local web"`), ""},
		{"panorama-shared-twice", "a firewall with several virtual systems tells of the same shared pre-rule in both answers", []change{
			swap(`multi-vsys="no"`, `multi-vsys="yes"`),
			swap("<pushed-vsys><result>No shared policy pushed to device</result></pushed-vsys>", "<pushed-vsys><result><policy><panorama>"+pushedBody(pushedRule("hq-web", "Shared", web("untrust", "dmz", "any")), "", "")+"</panorama></policy></result></pushed-vsys>"),
			swap("<pushed-shared><result>No shared policy pushed to device</result></pushed-shared>", "<pushed-shared><result><shared>"+pushedBody(pushedRule("hq-web", "Shared", web("untrust", "dmz", "any")), "", "")+"</shared></result></pushed-shared>"),
		}, fail(CheckBlockPosition, `"hq-web" (pushed by Panorama, Shared)`), ""},
		{"panorama-shared-alone", "a firewall with one virtual system and no device group of its own has a shared pre-rule, told in both answers", []change{
			swap("<pushed-vsys><result>No shared policy pushed to device</result></pushed-vsys>", "<pushed-vsys><result><policy><panorama/><shared>"+pushedBody(`<entry name="hq-web">`+web("untrust", "dmz", "any")+"</entry>", "", "")+"</shared></policy></result></pushed-vsys>"),
			swap("<pushed-shared><result>No shared policy pushed to device</result></pushed-shared>", "<pushed-shared><result><policy><panorama/><shared>"+pushedBody(`<entry name="hq-web">`+web("untrust", "dmz", "any")+"</entry>", "", "")+"</shared></policy></result></pushed-shared>"),
		}, fail(CheckBlockPosition, `"hq-web" (pushed by Panorama, Shared) is above`), ""},
		{"names-with-spaces", "rules, profiles and zones have names with spaces", []change{
			every(`"active-defense-block"`, `"Active Defense Deny"`), every(`"active-defense-sensor"`, `"Active Defense sensor"`),
			every("<log-setting>active-defense</log-setting>", "<log-setting>Active Defense logs</log-setting>"),
			swap("<profiles>\n                    <entry name=\"active-defense\">", "<profiles>\n                    <entry name=\"Active Defense logs\">"),
			every("untrust", "Untrust zone 1"),
		}, nil, ""},
		{"empty", "nobody has configured it", []change{nothingConfigured}, []expected{
			{CheckBlockSource, ResultFail, "no dynamic address group"}, {CheckBlockRule, ResultFail, "no rule drops"}, {CheckSensor, ResultFail, "what no rule allows is not logged"},
			{CheckForwarding, ResultFail, "no log forwarding profile"}, {CheckFormat, ResultFail, "no syslog server profile"},
			{CheckBlockPosition, ResultWarn, "no block rule to look at"}, {CheckBlockLogs, ResultWarn, "no block rule to look at"}, {CheckMembers, ResultWarn, "no group to look at"},
		}, ""},
	}
}

// inServer edits one format of the server profile, from its first tag on; the expectation holds the same text.
func inServer(tag string, edit change) change {
	return func(t *testing.T, text string) string {
		t.Helper()
		start := strings.Index(text, "<running>")
		from := start + strings.Index(text[start:], tag)
		to := from + len(tag) + strings.IndexByte(text[from+len(tag):], '<')
		return text[:from] + edit(t, text[from:to]) + text[to:]
	}
}

// validMembers replaces what the firewall holds of the list.
func validMembers(with string) change {
	return func(t *testing.T, text string) string {
		t.Helper()
		from, end := strings.Index(text, "<valid-members>"), "</valid-members>"
		return text[:from] + with + text[strings.Index(text, end)+len(end):]
	}
}

// held has the list hold more than is blocked.
func held(more ...string) change {
	return func(t *testing.T, text string) string {
		t.Helper()
		text = swap("<total-valid>3</total-valid>", fmt.Sprintf("<total-valid>%d</total-valid>", 3+len(more)))(t, text)
		const first = "<member>203.0.113.66/32</member>"
		return swap(first, first+"<member>"+strings.Join(more, "</member><member>")+"</member>")(t, text)
	}
}

// released says that an entry was released then.
func released(entry, at string) change {
	return swap("</entries>", `</entries>
    <released>
      <entry name="`+entry+`" at="`+at+`"/>
    </released>`)
}

// emptied blocks nothing.
func emptied(t *testing.T, text string) string {
	t.Helper()
	from, end := strings.Index(text, "<entries>"), "</entries>"
	return text[:from] + "<entries/>" + text[strings.Index(text, end)+len(end):]
}

// candidate fills in the candidate configuration: the running one, edited.
func candidate(edit change) change {
	return func(t *testing.T, text string) string {
		t.Helper()
		from, to := strings.Index(text, "\n      <config "), strings.Index(text, "\n    </running>")
		return swap("<candidate/>", "<candidate>"+edit(t, text[from:to])+"\n    </candidate>")(t, text)
	}
}

// panoramaBase moves what decides from the firewall to Panorama.
func panoramaBase() []change {
	return []change{func(t *testing.T, text string) string {
		t.Helper()
		cut := func(open, end string) string {
			t.Helper()
			from := strings.Index(text, open)
			to := from + strings.Index(text[from:], end) + len(end)
			part := text[from:to]
			text = text[:from] + text[to:]
			return part
		}
		zones, shared := cut("<zone>", "</zone>"), cut("<shared>", "</shared>")
		objects := cut("<address-group>", "</address-group>") + cut("<external-list>", "</external-list>") +
			cut("<profile-group>", "</profile-group>") + cut("\n                <log-settings>", "</log-settings>")
		from, to := strings.Index(text, "<rules>"), strings.Index(text, "</rules>")
		rules := text[from+len("<rules>") : to]
		text = text[:from] + "<rules/>" + text[to+len("</rules>"):]
		rules = strings.ReplaceAll(rules, `">`+ruleIndent+"  <from>", `" uuid="0" loc="branches">`+ruleIndent+"  <from>")
		for _, name := range []string{"active-defense-block", "active-defense-block-list", "web-in", "vpn-in", "out", "active-defense-sensor"} {
			rules = swap(`"`+name+`" uuid="0"`, `"`+name+`" uuid="uuid-of-`+name+`"`)(t, rules)
		}
		split, _ := ruleAt(t, rules, "active-defense-sensor")
		text = pushed(rules[:split], rules[split:], objects)(t, text)
		return swap("<pushed-template><result/></pushed-template>", "<pushed-template><result><template><config>"+shared+
			`<devices><entry name="localhost.localdomain"><vsys><entry name="vsys1">`+zones+"</entry></vsys></entry></devices></config></template></result></pushed-template>")(t, text)
	}}
}

// nothingConfigured leaves the zones.
func nothingConfigured(t *testing.T, text string) string {
	t.Helper()
	from, to := strings.Index(text, "<shared>"), strings.Index(text, "</shared>")
	text = text[:from] + "<shared>" + text[to:]
	from, to = strings.Index(text, "<tag>"), strings.Index(text, "</rulebase>")+len("</rulebase>")
	return text[:from] + text[to:]
}
