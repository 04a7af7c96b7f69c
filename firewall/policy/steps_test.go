package policy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/xmlapi"
)

// stepsOfFiles are the steps that are missing on the device files, each as action and object; "!" is somebody else's. What
// is not named needs none.
var stepsOfFiles = map[string][]string{
	"block-allows": {`!change security rule "active-defense-block"`}, "block-application": {`change security rule "active-defense-block"`},
	"block-category": {`change security rule "active-defense-block"`}, "block-destination-negated": {`!change security rule "active-defense-block"`},
	"block-destination": {`change security rule "active-defense-block"`}, "block-disabled": {`change security rule "active-defense-block"`},
	"block-from": {`!change security rule "active-defense-block"`}, "block-hip": {`change security rule "active-defense-block"`},
	"block-interzone": {`change security rule "active-defense-block"`}, "block-logs-elsewhere": {`change security rule "active-defense-block"`},
	"block-logs-none": {`change security rule "active-defense-block"`}, "block-logs-off": {`change security rule "active-defense-block"`},
	"block-missing": {`create security rule "active-defense-block"`}, "block-negated": {`!change security rule "active-defense-block"`},
	"block-other-source": {`!change security rule "active-defense-block"`}, "block-schedule": {`change security rule "active-defense-block"`},
	"block-service": {`change security rule "active-defense-block"`}, "block-to": {`change security rule "active-defense-block"`},
	"block-both": {`create security rule "active-defense-block-list"`, `change security rule "active-defense-block"`}, "block-per-zone": {`change security rule "active-defense-block-list"`},
	"multicast":             {`!change security rule "channels"`},
	"list-unused":           {`create security rule "active-defense-block-list"`},
	"sensor-default-pushed": {`!person security rule "intrazone-default" (pushed by Panorama, device group branches)`, `!person security rule "interzone-default" (pushed by Panorama, device group branches)`},
	"sensor-default-siem":   {`!change log forwarding profile "local-only"`, `!change log forwarding profile "local-only"`, `!change security rule "interzone-default"`},
	"block-user":            {`change security rule "active-defense-block"`}, "block-zone-given": {`change security rule "active-defense-block-list"`, `change security rule "active-defense-block"`},
	"block-zone-routed": {`change security rule "active-defense-block-list"`, `change security rule "active-defense-block"`}, "block-zone-unknown": {`person zones`},
	"committed-made": {`create security rule "intrazone-default"`, `create security rule "interzone-default"`},
	"empty": {
		`create tag "active-defense"`, `create address group "active-defense"`, `create certificate "active-defense-ca"`,
		`create certificate profile "active-defense"`, `create external dynamic list "active-defense-list"`, `create syslog server profile "active-defense"`,
		`create log forwarding profile "active-defense"`, `create security rule "active-defense-block-list"`, `create security rule "active-defense-block"`, `create security rule "intrazone-default"`, `create security rule "interzone-default"`,
	},
	"format-default": {`change syslog server profile "active-defense"`}, "format-field": {`change syslog server profile "active-defense"`},
	"format-order": {`change syslog server profile "active-defense"`}, "format-variable": {`change syslog server profile "active-defense"`},
	"format-port": {`change syslog server profile "active-defense"`}, "format-server": {`change syslog server profile "active-defense"`},
	"forwarding-elsewhere": {`change log forwarding profile "active-defense"`}, "forwarding-filter": {`change log forwarding profile "active-defense"`},
	"forwarding-no-threat": {`change log forwarding profile "active-defense"`}, "forwarding-no-traffic": {`change log forwarding profile "active-defense"`},
	"forwarding-severity": {`change log forwarding profile "active-defense"`},
	"internet-any-zone":   {`!change security rule "ping"`}, "internet-log-off": {`!change security rule "web-in"`},
	"internet-no-logs": {`!change security rule "web-in"`}, "internet-two-rules": {`!change security rule "web-in"`, `!change security rule "vpn-in"`},
	"list-authority-missing": {`!change certificate profile "active-defense"`},
	"list-no-profile":        {`change external dynamic list "active-defense-list"`}, "list-other-authority": {`change external dynamic list "active-defense-list"`},
	"panorama-local-allow":  {`!change security rule "local web"`},
	"panorama-post-sensor":  {`person security rule "legacy" (pushed by Panorama, device group branches)`},
	"panorama-shared-alone": {`person security rule "active-defense-block-list"`, `person security rule "active-defense-block"`}, "panorama-shared-twice": {`person security rule "active-defense-block-list"`, `person security rule "active-defense-block"`},
	"peers-ours-any": {`!change security rule "active-defense-block"`, `person security rule "active-defense-sensor"`}, "peers-ours-negated": {`!change security rule "active-defense-block"`},
	"peers-tagged-unused":  {`create security rule "active-defense-block"`},
	"position-allow-above": {`move security rule "active-defense-block-list"`, `move security rule "active-defense-block"`}, "position-partner-above": {`move security rule "active-defense-block-list"`, `move security rule "active-defense-block"`},
	"position-pushed-above": {`person security rule "active-defense-block-list"`, `person security rule "active-defense-block"`}, "position-pushed-not-elsewhere": {`person security rule "active-defense-block-list"`, `person security rule "active-defense-block"`},
	"position-two-above": {`move security rule "active-defense-block-list"`, `move security rule "active-defense-block"`},
	"sensor-above-allow": {`person security rule "active-defense-sensor"`}, "sensor-cuts": {`person security rule "active-defense-sensor"`}, "sensor-disabled": {`create security rule "intrazone-default"`, `create security rule "interzone-default"`},
	"sensor-interzone-default": {`create security rule "intrazone-default"`}, "sensor-log-end": {`!change security rule "active-defense-sensor"`},
	"sensor-logs": {`!change security rule "active-defense-sensor"`}, "sensor-missing": {`create security rule "intrazone-default"`, `create security rule "interzone-default"`},
	"sensor-service": {`create security rule "intrazone-default"`, `create security rule "interzone-default"`}, "sensor-shadowed-by-allow": {`person security rule "temporary"`},
	"sensor-shadowed-by-deny": {`!change security rule "clean up"`}, "sensor-source": {`create security rule "intrazone-default"`, `create security rule "interzone-default"`},
	"sensor-to":            {`create security rule "intrazone-default"`, `create security rule "interzone-default"`},
	"source-broken-filter": {`!change address group "active-defense"`}, "source-group-dynamic": {`change address group "active-defense"`},
	"source-list-path": {`change external dynamic list "active-defense-list"`}, "source-list-url": {`change external dynamic list "active-defense-list"`},
	"source-other-tag": {`!change address group "active-defense"`}, "source-wider": {`!change address group "active-defense"`}, "source-two-tags": {`!change address group "active-defense"`},
	"vsys2-block-disabled": {`change security rule "active-defense-block"`}, "zones-unknown": {`person zones`},
}

// short is a step as action and object.
func short(s Step) string {
	text := s.Action + " " + s.Object
	if s.Foreign {
		return "!" + text
	}
	return text
}

func shorts(steps []Step) []string {
	var out []string
	for _, s := range steps {
		out = append(out, short(s))
	}
	return out
}

// sound holds every step to what any step is: said in one line, with something to be done unless a person does it.
func sound(t *testing.T, d device, steps []Step) {
	t.Helper()
	all, after, left, err := planned(d.facts, d.want)
	if err != nil {
		t.Fatal(err)
	}
	if faults := judge(d.facts, after, d.want, all, left); faults != "" {
		t.Errorf("the plan does not do what it is made for: %s", faults)
	}
	for _, s := range steps {
		if does := len(s.edits) > 0 || s.move != ""; does == (s.Action == ActionPerson) || s.Detail == "" || s.Firewall != d.facts.Firewall {
			t.Errorf("%+v", s)
		}
		if (s.Action == ActionMove) != (len(s.edits) == 0 && s.move != "") {
			t.Errorf("a move with edits, or none without: %+v", s)
		}
		if text := s.String(); !strings.HasPrefix(text, s.Action+" "+s.Object+": ") || strings.ContainsAny(text, "\n") {
			t.Errorf("in one line: %q", text)
		}
	}
}

// Of a firewall that could be asked, the steps follow from its device file.
func TestStepsOfDeviceFiles(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(verifyDir, "*.xml"))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".xml")
		d := loadDevice(t, path)
		if d.facts.info.err != nil {
			continue // Provision does not get this far
		}
		steps := missingSteps(d.facts, d.want)
		sound(t, d, steps)
		if want := stepsOfFiles[name]; !slices.Equal(shorts(steps), want) {
			t.Errorf("%s:\n got %q\nwant %q", name, shorts(steps), want)
		}
		if stepsOfFiles[name] != nil {
			seen++
		}
	}
	if seen != len(stepsOfFiles) {
		t.Errorf("%d device files need steps, %d are named", seen, len(stepsOfFiles))
	}
}

// pushedObjects replaces objects of the firewall's own by the same from Panorama's device group.
func pushedObjects(open, end string) change {
	return func(t *testing.T, text string) string {
		t.Helper()
		from := strings.Index(text, open)
		to := from + strings.Index(text[from:], end) + len(end)
		objects := text[from:to]
		return pushed("", "", objects)(t, text[:from]+text[to:])
	}
}

// bare is the base file without anything of ours.
func bare(changes ...change) []change { return append([]change{nothingConfigured}, changes...) }

func TestSteps(t *testing.T) {
	blockOfPanorama := pushedRule("active-defense-block", "branches", members("from", "untrust", "to", "any", "source", "active-defense", "destination", "any")+unrestricted+
		"<action>drop</action>"+logsToUs)
	drops := func(w *Expectation) { w.Sensor = SensorDrop }
	tests := []struct {
		name    string
		changes []change
		want    func(*Expectation)
		steps   []string
		details []string // parts of what the steps say, and of what they write
	}{
		{"nothing is known of the list, in its own mode", bare(listMode), func(w *Expectation) { w.ListURL = "" }, []string{
			`person external dynamic list`, `create syslog server profile "active-defense"`, `create log forwarding profile "active-defense"`,
			`create tag "active-defense"`, `create security rule "intrazone-default"`, `create security rule "interzone-default"`,
		}, []string{"Set edl.url"}},
		{"nothing is known of the list, in another mode", nil, func(w *Expectation) { w.ListURL = "" }, nil, nil},
		{"the list in its own mode", bare(listMode), nil, []string{
			`create certificate "active-defense-ca"`, `create certificate profile "active-defense"`, `create external dynamic list "active-defense-list"`,
			`create syslog server profile "active-defense"`, `create log forwarding profile "active-defense"`, `create security rule "active-defense-block"`,
			`create tag "active-defense"`, `create security rule "intrazone-default"`, `create security rule "interzone-default"`,
		}, []string{`source "active-defense-list", to any: drop`}},
		{"a certificate of their own", bare(), func(w *Expectation) { w.CA = nil }, []string{
			`create tag "active-defense"`, `create address group "active-defense"`, `person certificate profile`, `create syslog server profile "active-defense"`,
			`create log forwarding profile "active-defense"`, `create security rule "active-defense-block"`, `create security rule "intrazone-default"`, `create security rule "interzone-default"`,
		}, []string{"import its CA on the firewall"}},
		{"our certificate has changed", []change{func(t *testing.T, text string) string {
			from, to := strings.LastIndex(text, `<entry name="active-defense-ca">`), strings.Index(text, `<entry name="company-ca">`)
			_, other, _ := strings.Cut(text[to:], "<public-key>")
			other, _, _ = strings.Cut(other, "</public-key>")
			return text[:from] + `<entry name="active-defense-ca"><public-key>` + other + `</public-key></entry>` + text[to:]
		}}, nil, []string{`change certificate "active-defense-ca"`}, []string{"our current CA"}},
		{"a static group", bare(swap(`mode="dynamic-tag"`, `mode="address-group"`)), nil, []string{
			`create tag "active-defense"`, `create address group "active-defense"`, `create certificate "active-defense-ca"`,
			`create certificate profile "active-defense"`, `create external dynamic list "active-defense-list"`, `create syslog server profile "active-defense"`,
			`create log forwarding profile "active-defense"`, `create security rule "active-defense-block-list"`, `create security rule "active-defense-block"`, `create security rule "intrazone-default"`, `create security rule "interzone-default"`,
		}, []string{"so that it is never empty", "<ip-netmask>192.0.2.255</ip-netmask>", "<static><member>active-defense-nobody</member></static>"}},
		{"no address for logs", bare(), func(w *Expectation) { w.SyslogAddress, w.ListURL = "", "" }, []string{
			`create tag "active-defense"`, `create address group "active-defense"`, `person syslog server profile`, `create security rule "active-defense-block"`,
		}, []string{"Set syslog_address"}},
		{"an address for logs with a port", bare(), func(w *Expectation) { w.SyslogAddress, w.ListURL = "[2001:db8::10]:5514", "" }, []string{
			`create tag "active-defense"`, `create address group "active-defense"`, `create syslog server profile "active-defense"`,
			`create log forwarding profile "active-defense"`, `create security rule "active-defense-block"`, `create security rule "intrazone-default"`, `create security rule "interzone-default"`,
		}, []string{"UDP to [2001:db8::10]:5514", "<server>2001:db8::10</server>", "<port>5514</port>"}},
		{"the default format", bare(), func(w *Expectation) { w.Formats, w.ListURL = Formats{Default: true}, "" }, []string{
			`create tag "active-defense"`, `create address group "active-defense"`, `create syslog server profile "active-defense"`,
			`create log forwarding profile "active-defense"`, `create security rule "active-defense-block"`, `create security rule "intrazone-default"`, `create security rule "interzone-default"`,
		}, []string{"UDP to 192.0.2.10:514"}},
		{"a custom format where the default one is read", nil, func(w *Expectation) { w.Formats = Formats{Default: true} }, []string{
			`change syslog server profile "active-defense"`, `change syslog server profile "active-defense"`,
		}, []string{"custom format instead of the default one"}},
		{"somebody else's server profile", []change{
			every(`<entry name="active-defense">`+"\n                <server>", `<entry name="company">`+"\n                <server>"), every("<member>active-defense</member>\n                          </send-syslog>", "<member>company</member>\n                          </send-syslog>"),
			inServer("<traffic>", func(*testing.T, string) string { return "<traffic>$type" }),
		}, nil, []string{`!change syslog server profile "company"`}, []string{"the traffic format differs"}},
		{"the logs of rules go to a profile that filters", []change{
			swap(`<entry name="threat">
                          <log-type>threat</log-type>
                          <filter>All Logs</filter>`, `<entry name="traffic-old">
                          <log-type>threat</log-type>
                          <filter>(severity geq high)</filter>`),
		}, nil, []string{`change log forwarding profile "active-defense"`}, []string{`currently only those matching "(severity geq high)"`, `<entry name="threat">`}},
		{"another match list has the name that ours would have", []change{
			swap(`<entry name="threat">
                          <log-type>threat</log-type>`, `<entry name="threat">
                          <log-type>url</log-type>`),
		}, nil, []string{`change log forwarding profile "active-defense"`}, []string{`<entry name="active-defense-threat">`}},
		{"our profile sends nothing", []change{every("<member>active-defense</member>\n                          </send-syslog>", "<member>company</member>\n                          </send-syslog>")}, nil,
			[]string{`create log forwarding profile "active-defense-own"`}, []string{"all traffic and threat logs to active-defense"}},
		{"the group comes from Panorama, and is another", []change{swap("<filter>'active-defense'</filter>\n                    </dynamic>", "<filter>'other'</filter></dynamic>"),
			pushedObjects("<address-group>", "</address-group>")}, nil, []string{`person address group "active-defense"`}, []string{"Panorama pushed a different group of that name"}},
		{"the list comes from Panorama, and trusts another", []change{swap("<certificate-profile>active-defense</certificate-profile>", "<certificate-profile>company</certificate-profile>"),
			pushedObjects("<external-list>", "</external-list>")}, nil, []string{`!person external dynamic list "active-defense-list"`}, []string{"On Panorama: ", "Certificate Profile active-defense"}},
		{"the forwarding profile comes from Panorama, and lacks threats", []change{
			swap("<log-type>threat</log-type>\n                          <filter>All Logs</filter>", "<log-type>url</log-type>\n                          <filter>All Logs</filter>"),
			pushedObjects("\n                <log-settings>", "</log-settings>")}, nil, []string{`!person log forwarding profile "active-defense"`}, []string{"On Panorama: also send all threat logs"}},
		{"the server profile comes from Panorama, and sends elsewhere", []change{
			func(t *testing.T, text string) string {
				return pushedObjects("<log-settings>\n            <syslog>", "</log-settings>")(t, strings.Replace(text, "<server>192.0.2.10</server>", "<server>192.0.2.99</server>", 1))
			}}, nil, []string{`!person syslog server profile "active-defense"`}, []string{"On Panorama: UDP to 192.0.2.10:514"}},
		{"the server profile comes from Panorama, in another format", []change{
			inServer("<traffic>", func(*testing.T, string) string { return "<traffic>$type" }), pushedObjects("<log-settings>\n            <syslog>", "</log-settings>")}, nil,
			[]string{`person syslog server profile "active-defense"`}, []string{"On Panorama: ", "the traffic format differs"}},
		{"the block rule of Panorama stands below an allow", []change{drop(block), pushed(pushedRule("hq", "branches", web("untrust", "dmz", "any"))+blockOfPanorama, "", "")}, nil,
			[]string{`person security rule "active-defense-block-list"`, `!person security rule "active-defense-block" (pushed by Panorama, device group branches)`}, []string{"move it to the top of the Pre Rules"}},
		{"the block rule of Panorama is not logged", []change{drop(block), pushed(strings.Replace(blockOfPanorama, logsToUs, "", 1), "", "")}, nil,
			[]string{`!person security rule "active-defense-block" (pushed by Panorama, device group branches)`}, []string{"On Panorama: a log forwarding profile that sends all traffic and threat logs to us"}},
		{"somebody else's block rule stands below an allow", []change{
			in(block, swap(`"active-defense-block"`, `"theirs"`)), moveBefore("web-in", "theirs"),
		}, nil, []string{`move security rule "active-defense-block-list"`, `!move security rule "theirs"`}, []string{"to the top"}},
		{"a last rule that drops, where it cuts nothing", []change{drop(sensor)}, drops, []string{`create security rule "active-defense-sensor"`}, []string{"last rule, from \"untrust\", any to any: drop and log"}},
		{"a last rule would cut what the firewall serves", []change{drop(sensor), swap("<virtual-router>", `<ike><gateway><entry name="branch"><local-address><interface>ethernet1/1</interface></local-address></entry></gateway></ike><virtual-router>`),
			swap(`<entry name="203.0.113.2/29"/></ip>`, `<entry name="203.0.113.2/29"/></ip><interface-management-profile>ping</interface-management-profile>`)}, drops, []string{`create security rule "intrazone-default"`, `create security rule "interzone-default"`},
			[]string{"the action stays allow; no rule that drops, as sensor: drop asks for, because it would cut IKE gateway branch on ethernet1/1, management profile ping on ethernet1/1"}},
		{"a last rule would cut what the default rule allows", []change{drop(sensor), swap("<rulebase>", `<rulebase><default-security-rules><rules><entry name="interzone-default"><action>allow</action></entry></rules></default-security-rules>`)}, drops,
			[]string{`create security rule "intrazone-default"`, `!change security rule "interzone-default"`}, []string{"it would cut what \"interzone-default\" allows"}},
		{"a last rule would cut what Panorama allows below it", []change{drop(sensor), pushed("", pushedRule("hq", "branches", web("any", "any", "branch")), "")}, drops,
			[]string{`create security rule "intrazone-default"`, `create security rule "interzone-default"`}, []string{"it would cut what \"hq\" (pushed by Panorama, device group branches) below it allows"}},
		{"a last rule would cut what passes between two lines of one zone", []change{drop(sensor), swap("<layer3><member>ethernet1/1</member>", "<layer3><member>ethernet1/1</member><member>ethernet1/2</member>"), swap("<network><layer3><member>ethernet1/2</member></layer3></network>", "")}, drops,
			[]string{`create security rule "intrazone-default"`, `create security rule "interzone-default"`}, []string{"within zone \"untrust\" between its 2 interfaces"}},
		{"a last rule where the default rules deny what stays in the zone", []change{drop(sensor), swap("<virtual-router>", `<ike><gateway><entry name="branch"><local-address><interface>ethernet1/1</interface></local-address></entry></gateway></ike><virtual-router>`),
			swap("<rulebase>", `<rulebase><default-security-rules><rules><entry name="intrazone-default"><action>deny</action></entry></rules></default-security-rules>`)}, drops,
			[]string{`create security rule "active-defense-sensor"`}, nil},
		{"a default rule that is overridden here keeps its profile", []change{drop(sensor), swap("<rulebase>", `<rulebase><default-security-rules><rules><entry name="intrazone-default"><action>allow</action><log-end>yes</log-end><log-setting>local-only</log-setting></entry></rules></default-security-rules>`)}, nil,
			[]string{`!change log forwarding profile "local-only"`, `!change log forwarding profile "local-only"`, `create security rule "interzone-default"`},
			[]string{"also send all traffic logs to active-defense", "/rulebase/default-security-rules/rules <entry name=\"interzone-default\"><action>deny</action><log-start>no</log-start><log-end>yes</log-end><log-setting>active-defense</log-setting><tag><member>active-defense</member></tag></entry>"}},
		{"an allow rule that logs to somebody else keeps its profile", []change{in("web-in", swap(logsToUs, "<log-setting>local-only</log-setting>"))}, nil,
			[]string{`!change log forwarding profile "local-only"`, `!change log forwarding profile "local-only"`}, []string{"also send all threat logs to active-defense"}},
		{"an allow rule whose profile does not exist", []change{in("web-in", swap(logsToUs, "<log-setting>gone</log-setting>"))}, nil, []string{`person security rule "web-in"`}, []string{"names log forwarding profile \"gone\", which does not exist"}},
		{"the block rule's group holds the list", []change{drop(blockList), in(block, swap("<member>active-defense</member>", "<member>both</member>")), swap("<address-group>", `<address-group><entry name="both"><static><member>active-defense</member><member>active-defense-list</member></static></entry>`)}, nil,
			[]string{`create security rule "active-defense-block-list"`, `person security rule "active-defense-block"`}, []string{"take that out of the source"}},
		{"where no zone can be told there are no rules", bare(swap("<destination>0.0.0.0/0</destination>", "<destination>10.0.0.0/8</destination>")), func(w *Expectation) { w.ListURL = "" }, []string{
			`create tag "active-defense"`, `create address group "active-defense"`, `create syslog server profile "active-defense"`, `create log forwarding profile "active-defense"`, `person zones`}, []string{"no default route leaves by any interface", "Set internet_zones"}},
		{"a rule of nobody's own decides over everything", []change{drop(sensor), insert("clean", "out", members("from", "any", "to", "any", "source", "any", "destination", "any")+unrestricted+"<action>deny</action>"+logsToUs)}, nil, nil, nil},
		{"the default rule denies and logs", []change{drop(sensor), swap("</security>\n                </rulebase>", `</security><default-security-rules><rules><entry name="interzone-default"><action>deny</action><log-end>yes</log-end>`+logsToUs+
			`</entry><entry name="intrazone-default"><action>deny</action><log-end>yes</log-end>`+logsToUs+`</entry></rules></default-security-rules></rulebase>`)}, nil, nil, nil},
	}
	base, err := os.ReadFile(filepath.Join(verifyDir, "base.xml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := deviceOf(t, string(base), test.changes...)
			if test.want != nil {
				test.want(&d.want)
			}
			steps := missingSteps(d.facts, d.want)
			sound(t, d, steps)
			if !slices.Equal(shorts(steps), test.steps) {
				t.Errorf("\n got %q\nwant %q", shorts(steps), test.steps)
			}
			all := written(steps)
			for _, detail := range test.details {
				if !strings.Contains(all, detail) {
					t.Errorf("%q is not in\n%s", detail, all)
				}
			}
		})
	}
}

// written is what the steps say and write.
func written(steps []Step) string {
	var b strings.Builder
	for _, s := range steps {
		b.WriteString(s.String() + "\n")
		for _, e := range s.edits {
			b.WriteString("  " + e.String() + "\n")
		}
	}
	return b.String()
}

// deviceOf reads a device file whose text was changed.
func deviceOf(t *testing.T, text string, changes ...change) device {
	t.Helper()
	for _, c := range changes {
		text = c(t, text)
	}
	doc, err := xmlapi.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return readDevice(doc)
}

// The step that makes a block rule of ours work again says what is amiss with the one that stands.
func TestTheStepSaysWhatIsAmissWithOurRule(t *testing.T) {
	for amiss, told := range map[string]string{
		"<disabled>yes</disabled>":                                  "; somebody disabled it, and this enables it again",
		"<service><member>service-http</member></service>":          "; the one that stands matches only service \"service-http\"",
		"<action>allow</action>":                                    "; the one that stands has action allow; it bears our name, and is not as we make it",
		"<from><member>dmz</member></from><disabled>yes</disabled>": "; somebody disabled it, and this enables it again; the one that stands does not match source zone \"untrust\"; it bears our name, and is not as we make it",
	} {
		l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Config = rulesOfOthers })
		l.apply(l.plan(), false)
		l.commit()
		whole, err := xmlapi.Parse([]byte("<x>" + amiss + "</x>"))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range whole.Children {
			at := xmlapi.VSysPath("vsys1") + "/rulebase/security/rules/entry[@name='active-defense-block']"
			_ = l.sim.Config().Edit("boss", "delete", at+"/"+e.Name, "") // where it is
			if err := l.sim.Config().Edit("boss", "set", at, e.XML()); err != nil {
				t.Fatal(err)
			}
		}
		if s := stepFor(t, l.plan(), `security rule "active-defense-block"`); !strings.HasSuffix(s.Detail, told) {
			t.Errorf("%s: %s", amiss, s.Detail)
		}
	}
}
