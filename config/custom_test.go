package config

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestCustomRules(t *testing.T) {
	c, warnings, err := loadBytes([]byte(`
networks: {own: [198.51.100.0/24]}
detect:
  outcome: all
  ignore: [{src: 203.0.113.0/24, rules: [Spray.1], reason: test}]
never_block: [192.0.2.1]
rules:
  - name: rdp
    event: traffic
    where: {dst_port: [3389, 4000-4010], action: deny, not: {src: [203.0.113.0/25, 2001:db8::/32], src_country: [DE]}}
    more_than: 0
    window: 10m
  - name: Spray.1
    event: [login, threat]
    where: {type: [system, THREAT]}
    count: [src_user, device]
    per: [device, src]
    more_than: 1000
    window: 24h
    mode: notice
    outcome: refused
  - {name: third, event: login, per: src, count: events, more_than: 3, window: 1s, mode: observe, block_for: 1h, tag: third, escalate: {factor: 3}}
`))
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, warnings %v", err, warnings)
	}
	p := netip.MustParsePrefix
	want := []CustomRule{
		{Name: "rdp", Event: []string{"traffic"}, Rule: Rule{Mode: "block", Outcome: "all"}, Window: 10 * time.Minute,
			Where: []Condition{{Field: "dst_port", Numbers: []NumberRange{{3389, 3389}, {4000, 4010}}}, {Field: "action", Texts: []string{"deny"}}},
			Not:   []Condition{{Field: "src", Networks: []netip.Prefix{p("203.0.113.0/25"), p("2001:db8::/32")}}, {Field: "src_country", Texts: []string{"DE"}}}},
		{Name: "Spray.1", Event: []string{"login", "threat"}, Rule: Rule{Mode: "notice", Outcome: "refused"}, Window: 24 * time.Hour, MoreThan: 1000,
			Where: []Condition{{Field: "type", Texts: []string{"system", "THREAT"}}}, Count: []string{"src_user", "device"}, Per: []string{"device"}},
		{Name: "third", Event: []string{"login"}, Rule: Rule{Mode: "observe", Outcome: "all", BlockFor: time.Hour, Tag: "third"}, Window: time.Second, MoreThan: 3,
			Escalate: &Escalate{3, maxBlockFor}},
	}
	if got := c.Detect.Custom; !reflect.DeepEqual(got, want) {
		t.Errorf("rules are\n%+v\nwant\n%+v", got, want)
	}
	where := slices.IndexFunc(c.Settings(), func(s Setting) bool { return s.Key == "rules[0].where" })
	if shown := c.Settings()[where].Value; !reflect.DeepEqual(shown, []string{"dst_port: 3389, 4000-4010", "action: deny", "not src: 203.0.113.0/25, 2001:db8::/32", "not src_country: DE"}) {
		t.Errorf("shown as %q", shown)
	}
	if longest := c.Detect.LongestWindow(); longest != 24*time.Hour {
		t.Errorf("a restart looks back twice %s", longest)
	}
	if tags := c.Detect.Tags(); !reflect.DeepEqual(tags, []string{"third"}) {
		t.Errorf("tags %v", tags)
	}
}

// Each fault is named with its key, all of them at once; a rule that can never fire is one.
func TestCustomRuleFaults(t *testing.T) {
	for rule, want := range map[string]string{
		`{event: traffic, more_than: 1, window: 1m}`:                                                                     "rules[0].name: is missing",
		`{name: Port-Scan, event: traffic, more_than: 1, window: 1m}`:                                                    `rules[0].name: "Port-Scan" is a rule that there is already`,
		`{name: neighbourhood, event: traffic, more_than: 1, window: 1m}`:                                                `rules[0].name: "neighbourhood" is a rule`,
		`{name: a b, event: traffic, more_than: 1, window: 1m}`:                                                          `rules[0].name: "a b" is not a name`,
		`{name: a, more_than: 1, window: 1m}`:                                                                            "rules[0].event: is missing",
		`{name: a, event: trafic, more_than: 1, window: 1m}`:                                                             `rules[0].event[0]: no input gives an event "trafic"; did you mean traffic?`,
		`{name: a, event: [traffic, ssh-failed], more_than: 1, window: 1m}`:                                              `rules[0].event[1]: no input gives an event "ssh-failed"; the events are login, threat, traffic`,
		`{name: a, event: [traffic, traffic], more_than: 1, window: 1m}`:                                                 `rules[0].event[1]: "traffic" is named twice`,
		`{name: a, event: traffic, window: 1m}`:                                                                          "rules[0].more_than: is missing",
		`{name: a, event: traffic, more_than: 1001, window: 1m}`:                                                         "rules[0].more_than: 1001 is out of range; use 0 to 1000",
		`{name: a, event: traffic, more_than: 1}`:                                                                        "rules[0].window: is missing",
		`{name: a, event: traffic, more_than: 1, window: 25h}`:                                                           "rules[0].window: 1d1h is too long; use at most 1d",
		`{name: a, event: traffic, more_than: 1, window: 0}`:                                                             "rules[0].window: 0 is too short",
		`{name: a, event: traffic, more_than: 1, window: 1m, mode: tell}`:                                                `rules[0].mode: "tell" is not one of block, observe, notice, off`,
		`{name: a, event: traffic, more_than: 1, window: 1m, count: ports}`:                                              `rules[0].count[0]: "ports" is no field`,
		`{name: a, event: traffic, more_than: 1, window: 1m, count: src}`:                                                "rules[0].count[0]: a rule counts for each source",
		`{name: a, event: traffic, more_than: 1, window: 1m, per: [dst]}`:                                                "rules[0].per: lacks src",
		`{name: a, event: traffic, more_than: 1, window: 1m, per: [src, action]}`:                                        `rules[0].per[1]: "action" cannot be counted by`,
		`{name: a, event: traffic, more_than: 1, window: 1m, where: {dstport: 22}}`:                                      "rules[0].where.dstport: unknown field; did you mean dst_port?",
		`{name: a, event: traffic, more_than: 1, window: 1m, where: {not: {not: {dst_port: 22}}}}`:                       "rules[0].where.not.not: unknown field",
		`{name: a, event: traffic, more_than: 1, window: 1m, where: {dst_port: []}}`:                                     "rules[0].where.dst_port: has 0 values",
		`{name: a, event: traffic, more_than: 1, window: 1m, where: [22]}`:                                               "rules[0].where: must be a section",
		`{name: a, event: traffic, more_than: 1, window: 1m, where: {dst_port: }}`:                                       "rules[0].where.dst_port: has no value",
		`{name: a, event: traffic, more_than: 1, window: 1m, where: {dst_port: [70000]}}`:                                `rules[0].where.dst_port[0]: "70000" is not a port`,
		`{name: a, event: traffic, more_than: 1, window: 1m, where: {src: [host]}}`:                                      `rules[0].where.src[0]: "host" is not an address`,
		`{name: a, event: threat, more_than: 1, window: 1m, where: {severity: [grave]}}`:                                 `rules[0].where.severity[0]: "grave" is none that the field can have; use one of critical, high`,
		`{name: a, event: traffic, more_than: 1, window: 1m, where: {severity: [high]}}`:                                 "rules[0].where.severity: no event traffic has a field severity, so that the rule never fires",
		`{name: a, event: login, more_than: 1, window: 1m, count: dst_port}`:                                             "rules[0].count[0]: no event login has a field dst_port",
		`{name: a, event: login, more_than: 1, window: 1m, per: [src, dst]}`:                                             "rules[0].per: no event login has a field dst",
		`{name: a, event: login, more_than: 1, window: 1m, where: {not: {dst_port: 1}}}`:                                 "rules[0].where.not.dst_port: no event login has a field dst_port, so that the condition has no effect",
		`{name: a, event: traffic, more_than: 1, window: 1m, where: {type: THREAT}}`:                                     "rules[0].where.type: is never met: events traffic have another type",
		`{name: a, event: traffic, more_than: 1, window: 1m, where: {src: 10.0.0.0/8}}`:                                  "rules[0].where.src: is never met: src is not public",
		`{name: a, event: traffic, more_than: 1, window: 1m, where: {outcome: answered}}`:                                "rules[0].where.outcome: is never met: the rule counts refused records alone (set outcome: all)",
		`{name: a, event: threat, more_than: 1, window: 1m, where: {subtype: [virus]}}`:                                  "rules[0].where.subtype: is never met: such a record tells of an infected host",
		`{name: a, event: traffic, more_than: 1, window: 1m, where: {dst_port: [22, 80-90], not: {dst_port: [20-100]}}}`: "rules[0].where.dst_port: is never met: where.not.dst_port excludes all of it",
		`{name: a, event: traffic, more_than: 1, window: 1m, where: {action: deny, not: {action: DENY}}}`:                "rules[0].where.action: is never met",
		`{name: a, event: threat, more_than: 1, window: 1m, where: {threat_id: 1000000000}}`:                             `rules[0].where.threat_id[0]: "1000000000" is not the id of a threat`,
		`{name: a, event: threat, more_than: 1, window: 1m, where: {subtype: vulnerability, action: alert}}`:             "rules[0].where.action: is never met: the rule counts what the firewall stopped alone",
		`{name: a, event: login, more_than: 1, window: 1m, where: {outcome: answered}}`:                                  "rules[0].where.outcome: is never met: the rule counts refused records alone;",
		`{name: a, event: login, more_than: 1, window: 1m, where: {action: success}}`:                                    "rules[0].where.action: is never met: only failed logins count",
		`{name: a, event: traffic, more_than: 2, window: 1m, count: dst_port, where: {dst_port: [22, 23]}}`:              "rules[0].count: of dst_port there are 2 that differ where all conditions are met, which is never more than 2",
		`{name: a, event: login, more_than: 1, window: 1m, count: src_user, where: {src_user: [root, ROOT]}}`:            "rules[0].count: of src_user there are 1",
		`{name: a, event: threat, more_than: 5, window: 1m, count: severity}`:                                            "rules[0].count: of severity there are 5",
		`{name: a, event: traffic, more_than: 1, window: 1m, count: dst_port, per: [src, dst_port]}`:                     "rules[0].count: of dst_port there are 1",
		`{name: a, event: traffic, more_than: 0, window: 1m, count: dst_port, where: {dst_port: 0}}`:                     "rules[0].count: of dst_port there are 0",
		`{name: a, event: traffic, more_than: 0, window: 1m, per: [src, dst_port], where: {dst_port: 0}}`:                "rules[0].per: a record that where.dst_port lets in has no dst_port",
		`{name: a, event: traffic, more_than: 0, window: 1m, where: {not: {src: [0.0.0.0/0, "::/0"]}}}`:                  "rules[0].where.not.src: excludes all records",
		`{name: a, event: traffic, more_than: 0, window: 1m, where: {not: {dst_port: 0-65535}}}`:                         "rules[0].where.not.dst_port: excludes all records",
		`{name: a, event: traffic, more_than: 0, window: 1m, where: {not: {type: TRAFFIC}}}`:                             "rules[0].where.not.type: excludes all records",
		`{name: a, event: login, more_than: 0, window: 1m, where: {not: {outcome: refused}}}`:                            "rules[0].where.not.outcome: excludes all records",
		`{name: a, event: traffic, more_than: 1, window: 1m, tag: active-defense}`:                                       "rules[0].tag: is firewalls[0].tag",
		`{name: a, event: traffic, more_than: 1, window: 1m, block_for: 2h, escalate: {factor: 2, max: 1h}}`:             "rules[0].escalate.max: 1h is shorter than a first block",
		`{name: a, event: traffic, more_than: 1, window: 1m, escalate: {factr: 2}}`:                                      "rules[0].escalate.factr: unknown key; did you mean rules[0].escalate.factor?",
		`{name: a, event: traffic, more_than: 1, window: 1m, wher: {}}`:                                                  "rules[0].wher: unknown key; did you mean rules[0].where?",
	} {
		_, _, err := loadBytes([]byte("networks: {own: [198.51.100.0/24]}\nfirewalls: [{name: a, url: \"https://192.0.2.1\", api_key: k}]\nrules: [" + rule + "]"))
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s:\n%v\nwant %s", rule, err, want)
		}
	}
	_, _, err := loadBytes([]byte("rules: [{name: a, event: x, more_than: -1, window: 1m}, {name: A, event: traffic, more_than: 1, window: 1m}, {name: c, mode: \"off\", event: x, more_than: 1, window: 1m}]\ninputs: [{path: /a, format: kv}]"))
	if err == nil || !strings.Contains(err.Error(), "rules[0].more_than") || !strings.Contains(err.Error(), `rules[1].name: "A" is also the name of rules[0]`) || strings.Contains(err.Error(), "rules[2]") {
		t.Errorf("several at once: %v", err)
	}
	_, _, err = loadBytes([]byte("rules: [" + strings.Repeat("{name: a}, ", 1001) + "]"))
	if err == nil || !strings.HasPrefix(err.Error(), "rules: has 1001 entries; use at most 1000") {
		t.Errorf("too many: %.200v", err)
	}
	_, _, err = loadBytes([]byte("store: {keep_records: 24h}\nrules: [{name: a, event: traffic, more_than: 1, window: 24h}]"))
	if err == nil || !strings.HasPrefix(err.Error(), "store.keep_records: 1d is too short") {
		t.Errorf("records that are not kept: %v", err)
	}
}

// What can fire is no fault, however near to those that cannot it is.
func TestCustomRulesThatCanFire(t *testing.T) {
	for rule, warned := range map[string]string{
		`{name: a, event: traffic, more_than: 1, window: 1m, count: dst_port, where: {dst_port: [22, 23]}}`:                              "",
		`{name: a, event: traffic, more_than: 1000, window: 1m, count: [dst_port, dst], where: {dst_port: [22, 23]}}`:                    "",
		`{name: a, event: traffic, more_than: 3, window: 1m, count: [dst_port, action], where: {dst_port: 1-2, action: [deny, drop]}}`:   "",
		`{name: a, event: traffic, more_than: 0, window: 1m, where: {dst_port: 0}}`:                                                      "",
		`{name: a, event: threat, more_than: 4, window: 1m, count: severity, where: {threat_id: 999999999}}`:                             "",
		`{name: a, event: threat, more_than: 1, window: 1m, where: {action: alert}}`:                                                     "",
		`{name: a, event: threat, more_than: 1, window: 1m, outcome: all, where: {subtype: vulnerability, action: alert}}`:               "",
		`{name: a, event: [login, threat], more_than: 0, window: 1m, where: {action: success, outcome: refused}}`:                        "rules[0].where.action[0]",
		`{name: a, event: [traffic, login], more_than: 0, window: 1m, where: {not: {src: 0.0.0.0/0, dst_port: 1-65535, type: TRAFFIC}}}`: "",
		`{name: a, event: traffic, more_than: 0, window: 1m, outcome: all, where: {not: {outcome: [refused, answered]}}}`:                "",
		`{name: a, event: [login, x], more_than: 0, window: 1m, where: {not: {outcome: refused}}}`:                                       "",
		`{name: a, event: login, more_than: 1, window: 1m, count: src_user, where: {src_user: [Ü]}}`:                                     "",
		`{name: a, event: traffic, more_than: 1, window: 1m, where: {action: allow, application: incomplete}}`:                           "",
		`{name: a, event: traffic, more_than: 1, window: 1m, where: {action: allow, application: ssh}}`:                                  "rules[0].outcome",
	} {
		_, warnings, err := loadBytes([]byte("networks: {own: [198.51.100.0/24]}\nnever_block: [192.0.2.1]\n" +
			"inputs: [{path: /a}, {path: /b, format: pattern, patterns: [{event: x, regexp: '^from (?P<src>.*)$'}]}]\nrules: [" + rule + "]"))
		if err != nil || keysOf(warnings) != warned {
			t.Errorf("%s:\n%v, warnings %v", rule, err, warnings)
		}
	}
}

// Values that no event can have are named: a fault where the patterns say so of all of them, else a warning.
func TestValuesThatNoEventHas(t *testing.T) {
	for rule, want := range map[string]string{
		`event: traffic, where: {action: [dropp, drop]}`:                     `warning rules[0].where.action[0]: "dropp" is no action that is known of an event traffic; did you mean drop?`,
		`event: threat, where: {not: {action: reset_both}}`:                  `warning rules[0].where.not.action[0]: "reset_both" is no action that is known of an event threat; did you mean reset-both?`,
		`event: traffic, where: {action: [Deny, "reset both", "drop ICMP"]}`: "",
		`event: http-not-found, where: {action: "403"}`:                      `rules[0].where.action: is never met: "403" is none that the field has in an event http-not-found (activedefense patterns show has what the regular expressions take); correct it, or set mode: "off"`,
		`event: http-not-found, where: {action: ["404", "403"]}`:             `warning rules[0].where.action[1]: "403" is none that the field has`,
		`event: [http-not-found, http-forbidden], where: {action: "403"}`:    "",
		`event: wordpress-login, where: {threat_name: /WP-login.php}`:        "",
		`event: wordpress-login, where: {threat_name: /wp-admin}`:            `rules[0].where.threat_name: is never met`,
		`event: http-not-found, where: {threat_name: /é}`:                    "",
		`event: [traffic, http-not-found], where: {action: "403"}`:           `warning rules[0].where.action[0]: "403" is no action that is known of an event traffic or http-not-found; known are alert, allow`,
		`event: mine, where: {severity: [grave, WARN]}`:                      "",
		`event: mine, where: {severity: 7x}`:                                 `rules[0].where.severity: is never met`,
		`event: [mine, threat], count: severity, more_than: 9`:               "",
		`event: [mine, threat], where: {severity: critcal}`:                  "",
		`event: [edged, threat], where: {severity: "9"}`:                     "",
		`event: edged, where: {src_user: DENY}`:                              "",
		`event: threat, where: {severity: critcal}`:                          `rules[0].where.severity[0]: "critcal" is none that the field can have`,
		`event: traffic, mode: notice, where: {src: 192.0.2.1}`:              "",
		`event: traffic, where: {src: 192.0.2.1}`:                            "rules[0].where.src: is never met: all of src is in never_block",
		`event: traffic, mode: notice, where: {src: 198.51.100.9}`:           "rules[0].where.src: is never met: all of src is in networks.own",
		`event: traffic, mode: notice, where: {src: 10.0.0.0/8}`:             "rules[0].where.src: is never met: src is not public",
	} {
		if !strings.Contains(rule, "more_than") {
			rule += ", more_than: 1"
		}
		_, warnings, err := loadBytes([]byte(`networks: {own: [198.51.100.0/24]}
never_block: [192.0.2.1]
inputs:
  - {path: /a}
  - {path: /b, format: pattern, patterns: nginx-access}
  - {path: /c, format: pattern, patterns: [{event: mine, regexp: '^from (?P<src>\S*) (?P<severity>[a-z]+)'}, {event: edged, regexp: '^at (?P<src>\S*) (?P<severity>\b\w+) (?P<src_user>(?-i:deny))'}]}
rules: [{name: a, window: 1m, ` + rule + "}]"))
		got := ""
		if err != nil {
			got = err.Error()
		} else if len(warnings) > 0 {
			got = "warning " + warnings[0].String()
		}
		if !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%s:\n%s\nwant %s", rule, got, want)
		}
	}
}

// A rule that fires for nobody whom another has not dealt with is warned of, and none that may be the first is.
func TestRulesBehindOthers(t *testing.T) {
	const before, same = "fires for nobody whom rules[0] (a) has not blocked or held before", "is never the one: rules[0] (a) counts the same, and goes before it"
	for rules, want := range map[string]string{
		`{name: a, more_than: 4, window: 10m}, {name: b, more_than: 5, window: 5m, mode: notice}`:                                                 "rules[1]: " + before,
		`{name: a, more_than: 4, window: 10m}, {name: b, more_than: 4, window: 10m, mode: notice}`:                                                "rules[1]: " + same,
		`{name: a, more_than: 4, window: 10m}, {name: b, more_than: 8, window: 10m, where: {dst_port: 1-100}, count: dst_port, per: [src, dst]}`:  "rules[1]: " + before,
		`{name: a, more_than: 4, window: 10m, where: {dst_port: 1-100}}, {name: b, more_than: 4, window: 10m, where: {dst_port: [22, 80-90]}}`:    "rules[1]: " + before,
		`{name: a, more_than: 4, window: 10m, event: [traffic, threat]}, {name: b, more_than: 4, window: 1m}`:                                     "rules[1]: " + before,
		`{name: b, more_than: 8, window: 1m, mode: observe}, {name: a, more_than: 4, window: 10m}`:                                                "rules[0]: fires for nobody whom rules[1] (a) has",
		`{name: a, more_than: 4, window: 1m, mode: notice}, {name: b, more_than: 4, window: 1m, mode: notice}`:                                    "rules[1]: " + same,
		`{name: a, more_than: 4, window: 1m, outcome: all}, {name: b, more_than: 4, window: 1m}`:                                                  "rules[1]: " + before,
		`{name: a, more_than: 10, window: 10m, event: login}`:                                                                                     "rules[0]: fires for nobody whom detect.login has not blocked or held before",
		`{name: a, more_than: 4, window: 10m, where: {not: {dst_port: 22}}}, {name: b, more_than: 4, window: 1m, where: {not: {dst_port: 1-99}}}`: "rules[1]: " + before,
		// Those that may be the first.
		`{name: a, more_than: 5, window: 10m}, {name: b, more_than: 4, window: 10m, mode: notice}`:                            "",
		`{name: a, more_than: 4, window: 5m}, {name: b, more_than: 5, window: 10m}`:                                           "",
		`{name: a, more_than: 3, window: 1m, mode: notice}, {name: b, more_than: 4, window: 1m, mode: notice}`:                "",
		`{name: a, more_than: 3, window: 1m, mode: notice}, {name: b, more_than: 4, window: 1m}`:                              "",
		`{name: a, more_than: 3, window: 1m, mode: observe}, {name: b, more_than: 4, window: 1m, mode: notice}`:               "",
		`{name: b, more_than: 8, window: 1m, block_for: 7d}, {name: a, more_than: 4, window: 10m, block_for: 1h}`:             "",
		`{name: a, more_than: 4, window: 10m, per: [src, dst]}, {name: b, more_than: 4, window: 10m}`:                         "",
		`{name: a, more_than: 4, window: 10m, count: dst_port}, {name: b, more_than: 4, window: 10m}`:                         "",
		`{name: a, more_than: 4, window: 10m, count: dst_port}, {name: b, more_than: 4, window: 10m, count: [dst_port, dst]}`: "",
		`{name: a, more_than: 4, window: 10m}, {name: b, more_than: 4, window: 10m, outcome: all}`:                            "",
		`{name: a, more_than: 4, window: 10m, where: {dst_port: 22}}, {name: b, more_than: 4, window: 10m}`:                   "",
		`{name: a, more_than: 4, window: 10m, where: {not: {dst_port: 22}}}, {name: b, more_than: 4, window: 1m}`:             "",
		`{name: a, more_than: 4, window: 10m}, {name: b, more_than: 4, window: 10m, event: [traffic, threat]}`:                "",
		`{name: a, more_than: 4, window: 10m, mode: "off"}, {name: b, more_than: 4, window: 10m}`:                             "",
		`{name: spared, more_than: 4, window: 10m}, {name: b, more_than: 4, window: 1m}`:                                      "",
		`{name: a, more_than: 9, window: 10m, event: login}`:                                                                  "",
	} {
		list := strings.Split(rules, "}, {name")
		for i, rule := range list {
			if !strings.Contains(rule, "event:") {
				list[i] = strings.Replace(rule, "more_than:", "event: traffic, more_than:", 1)
			}
		}
		rules = strings.Join(list, "}, {name")
		ignore := ""
		if strings.Contains(rules, "spared") {
			ignore = "detect: {ignore: [{rules: [spared], src: 203.0.113.7, reason: r}]}\n"
		}
		_, warnings, err := loadBytes([]byte("networks: {own: [198.51.100.0/24]}\nnever_block: [192.0.2.1]\n" + ignore + "rules: [" + rules + "]"))
		got := ""
		if len(warnings) > 0 {
			got = warnings[0].String()
		}
		if err != nil || !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%s:\n%s, %v\nwant %s", rules, got, err, want)
		}
	}
}
