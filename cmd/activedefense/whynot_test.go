package main

import (
	"activedefense/agent/api"
	"activedefense/detect/panos"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Columns of records in the firewall's default format, counted from 0.
const (
	csvType, csvSubtype, csvSrc, csvDst, csvNATSrc, csvNATDst, csvApplication = 3, 4, 7, 8, 9, 10, 14
	csvSrcPort, csvDstPort, csvProtocol, csvAction                            = 24, 25, 29, 30
	csvBytesReceived, csvEndReason                                            = 33, 46
	csvThreat, csvSeverity, csvDirection, csvThreatCategory, csvThreatXFF     = 32, 34, 35, 69, 79
	gpEvent, gpMethod, gpUser, gpIPv4, gpReason, gpStatus                     = 8, 10, 12, 15, 27, 28
)

// csvRecord writes a record of n columns; the time and the like are filled in.
func csvRecord(n int, cells, changes map[int]string) string {
	line := make([]string, n)
	for column, value := range map[int]string{0: "1", 1: "2026/11/21 12:00:00", 2: "007", 6: "2026/11/21 12:00:00"} {
		line[column] = value
	}
	for _, some := range []map[int]string{cells, changes} {
		for column, value := range some {
			line[column] = value
		}
	}
	return strings.Join(line, ",")
}

// refusedLine is a TRAFFIC record that counts, but for its changes.
func refusedLine(changes map[int]string) string {
	return csvRecord(80, map[int]string{csvType: "TRAFFIC", csvSubtype: "drop", csvSrc: "203.0.113.1", csvDst: "198.51.100.7", csvApplication: "not-applicable",
		csvSrcPort: "40000", csvDstPort: "22", csvProtocol: "tcp", csvAction: "deny", csvBytesReceived: "0", csvEndReason: "policy-deny"}, changes)
}

// attackLine is a THREAT record that blocks, but for its changes.
func attackLine(changes map[int]string) string {
	return csvRecord(81, map[int]string{csvType: "THREAT", csvSubtype: "vulnerability", csvSrc: "203.0.113.1", csvDst: "198.51.100.7", csvApplication: "web-browsing",
		csvSrcPort: "40000", csvDstPort: "443", csvProtocol: "tcp", csvAction: "reset-both", csvThreat: "Some Attack(31337)", csvSeverity: "critical",
		csvDirection: "client-to-server"}, changes)
}

// failedLine is a failed login that counts, but for its changes.
func failedLine(changes map[int]string) string {
	return csvRecord(49, map[int]string{csvType: "GLOBALPROTECT", csvSubtype: "0", 7: "vsys1", gpEvent: "gateway-auth", 9: "login", gpMethod: "LDAP", gpUser: "alice", gpIPv4: "203.0.113.1",
		16: "0.0.0.0", 17: "0.0.0.0", 18: "0.0.0.0", 24: "1", gpReason: `"Authentication failed: Invalid username or password"`, gpStatus: "failure", 30: "0", 32: "0", 33: "GW",
		34: "7591924912046022975", 35: "0x0", 36: "2026-11-21T12:00:00.250+00:00"}, changes)
}

// kvLine is a record in the key=value format that is in use.
func kvLine(src, action, subtype, typ string) string {
	return "Nov 21 12:00:00 LAB-FW-01 SrcLocation=Netherlands; SrcIP=" + src + "; SrcPort=40000; SrcUser=; DstLocation=Australia; DstIP=198.51.100.7; DstPort=22; Action=" + action +
		"; RuleName=web; RuleID=; TimeReceived=2026/11/21 12:00:00; ThreatName=; ThreatID=; Severity=; Subtype=" + subtype + "; Type=" + typ + ";"
}

// filled is a record in one of the key=value formats that provision sets up; variables without a value are empty.
func filled(format string, values map[string]string) string {
	text := os.Expand(format, func(variable string) string {
		if value, ok := values[variable]; ok || !strings.HasSuffix(variable, "_time") {
			return value
		}
		return "2026/11/21 12:00:00"
	})
	return "Nov 21 12:00:00 LAB-FW-01 " + text
}

// A whyNot is one reason for which a rule does not count a record, with a line of which it is true.
type whyNot struct {
	name, line string
	rule       string // that says so
	text       string // part of what it says
	detect     string // settings of detection beside the usual ones
}

var whyNots = []whyNot{
	// Who it is.
	{"ours", refusedLine(map[int]string{csvSrc: "198.51.100.9", csvDst: "203.0.113.1"}), "port-scan", "the source is ours", ""},
	{"a private source", refusedLine(map[int]string{csvSrc: "10.0.0.1"}), "port-scan", "the source 10.0.0.1 is not public (private, 10.0.0.0/8)", ""},
	{"carrier-grade NAT", kvLine("100.64.0.1", "deny", "drop", "TRAFFIC"), "host-sweep", "is not public (carrier-grade NAT, 100.64.0.0/10)", ""},
	{"elsewhere", refusedLine(map[int]string{csvDst: "192.0.2.200"}), "port-scan", "the destination is not known to be ours; if it is, name its network in networks.own (activedefense status --all lists what is taken as ours)", ""},
	{"a proxy", refusedLine(map[int]string{csvSrc: "192.0.2.1"}), "port-scan", "it comes from a proxy of ours (networks.proxies), which names no client", ""},
	{"a proxy behind a proxy", attackLine(map[int]string{csvSrc: "192.0.2.1", csvThreatXFF: "192.0.2.2"}), "vulnerability", "the client that a proxy of ours names is a proxy of ours", ""},
	{"our own behind a proxy", attackLine(map[int]string{csvSrc: "192.0.2.1", csvThreatXFF: "198.51.100.9"}), "vulnerability", "the source is ours", ""},
	// What became of it.
	{"begun", refusedLine(map[int]string{csvSubtype: "start", csvAction: "allow", csvApplication: "ssl", csvEndReason: "n/a"}), "port-scan",
		"it is the start of a session: what becomes of it, its end will say", ""},
	{"served", refusedLine(map[int]string{csvSubtype: "end", csvAction: "allow", csvApplication: "ssl", csvBytesReceived: "900", csvEndReason: "tcp-fin"}), "probe",
		"the session was served, and only refused ones count (detect.outcome)", ""},
	{"served, without an application", kvLine("203.0.113.1", "allow", "end", "TRAFFIC"), "host-sweep", "the session was served", ""},
	{"an alert", attackLine(map[int]string{csvAction: "alert", csvSeverity: "low"}), "port-scan", "the session was served", ""},
	// What it is of.
	{"flood", attackLine(map[int]string{csvSubtype: "flood"}), "port-scan", "records of a flood never count: their sources are forged at will", ""},
	{"flood as an attack", attackLine(map[int]string{csvSubtype: "flood"}), "vulnerability", "only subtype vulnerability counts", ""},
	{"server to client", attackLine(map[int]string{csvDirection: "server-to-client"}), "port-scan", "the direction is server-to-client: the source answers, it does not reach out", ""},
	{"an attack from server to client", attackLine(map[int]string{csvDirection: "server-to-client"}), "vulnerability",
		"the direction is server-to-client, so the source need not be the attacker", ""},
	{"a stranger's server refuses a login of ours", attackLine(map[int]string{csvDirection: "server-to-client", csvSrcPort: "21", csvDstPort: "40000", csvThreat: "FTP(40001)", csvThreatCategory: "brute-force"}), "vulnerability",
		"the direction is server-to-client, so the source need not be the attacker", ""},
	{"spyware", attackLine(map[int]string{csvSubtype: "spyware"}), "probe", "a record of spyware or a virus tells of an infected host, not of who reached out", ""},
	{"virus", attackLine(map[int]string{csvSubtype: "virus"}), "port-scan", "a record of spyware or a virus", ""},
	{"a severity below", attackLine(map[int]string{csvSeverity: "high"}), "vulnerability", "the severity is below critical", ""},
	{"none of the ids", attackLine(nil), "vulnerability", "its id is none of threat_ids", "vulnerability: {severity: off, threat_ids: [40015]}"},
	{"TRAFFIC is no attack", refusedLine(nil), "vulnerability", "only THREAT records count", ""},
	{"a login is no scan", failedLine(nil), "port-scan", "only TRAFFIC and THREAT records count", ""},
	{"no destination", refusedLine(map[int]string{csvDst: ""}), "port-scan", "the record has no destination address", ""},
	{"port 0", refusedLine(map[int]string{csvSrcPort: "0", csvDstPort: "0", csvProtocol: "icmp"}), "port-scan", "port 0 is no port", ""},
	{"an attack fires by itself", attackLine(nil), "port-scan", "the record fires the rule vulnerability, which goes first", ""},
	// Logins.
	{"TRAFFIC is no login", refusedLine(nil), "login", "only GLOBALPROTECT and SYSTEM records tell of logins", ""},
	{"a login from nowhere", failedLine(map[int]string{gpIPv4: "0.0.0.0"}), "login", "the record does not say where the client is", ""},
	{"prelogin", failedLine(map[int]string{gpEvent: "portal-prelogin"}), "login", "the event is no login to a portal, a gateway or the clientless VPN", ""},
	{"HIP", failedLine(map[int]string{gpEvent: "gateway-hip-check"}), "login", "the event is no login to a portal", ""},
	{"success", failedLine(map[int]string{gpStatus: "success", gpReason: ""}), "login", "the login succeeded", ""},
	{"no status", filled(panos.GlobalProtectFormat, map[string]string{"type": "GLOBALPROTECT", "public_ip": "203.0.113.1", "eventid": "portal-auth", "srcuser": "alice"}), "login",
		"the record does not say that the login failed", ""},
	{"cookie", failedLine(map[int]string{gpMethod: "Cookie"}), "login", "a cookie was refused, as happens when it expires: no password was tried", ""},
	{"pre-logon", failedLine(map[int]string{gpUser: "pre-logon"}), "login", "pre-logon is a machine that connects before its user logs in: no password was tried", ""},
	{"outage", failedLine(map[int]string{gpReason: `"Authentication failed: Authentication request is timed out"`}), "login",
		"the authentication server did not answer, so the login failed whoever tried", ""},
	{"cut off", strings.TrimSpace(loginLine(whyNotTime, strings.Repeat("x", 500), true)), "login", "the firewall cut the record off: a login without the client's address", ""},
	{"a login of ours", failedLine(map[int]string{gpIPv4: "198.51.100.9"}), "login", "the source is ours", ""},
	// The same by key=value.
	{"served, in the longer format", filled(panos.TrafficFormat, map[string]string{"type": "TRAFFIC", "subtype": "end", "src": "203.0.113.1", "sport": "40000", "dst": "198.51.100.7", "dport": "22", "action": "allow", "app": "ssh", "proto": "tcp",
		"bytes_sent": "900", "bytes_received": "900"}), "probe", "the session was served", ""},
	{"server to client, in the longer format", filled(panos.ThreatFormat, map[string]string{"type": "THREAT", "subtype": "vulnerability", "severity": "critical", "src": "203.0.113.1", "sport": "443", "dst": "198.51.100.7", "dport": "40000",
		"action": "alert", "app": "ssl", "proto": "tcp", "direction": "server-to-client"}), "vulnerability", "the direction is server-to-client", ""},
	{"cookie, by key=value", filled(panos.GlobalProtectFormat, map[string]string{"type": "GLOBALPROTECT", "public_ip": "203.0.113.1", "eventid": "portal-auth", "status": "failure", "auth_method": "Cookie", "srcuser": "alice"}),
		"login", "a cookie was refused", ""},
	{"cut off, by key=value", filled(panos.SystemFormat, map[string]string{"type": "SYSTEM", "subtype": "auth", "eventid": "auth-fail", "severity": "medium", "opaque": "failed authentication for user '" + strings.Repeat("x", 480)}),
		"login", "the firewall cut the record off", ""},
	// What was configured.
	{"ignored", refusedLine(map[int]string{csvSrc: "203.0.113.240"}), "probe", "an entry of detect.ignore says so: our own scanner", ""},
	{"off", refusedLine(nil), "probe", "the rule is off", "probe: {mode: off}"},
	{"off by its window", refusedLine(nil), "host-sweep", "the rule is off", "host_sweep: {window: 0}"},
	{"an attack with the rule off", attackLine(nil), "vulnerability", "the rule is off", "vulnerability: {mode: off}"},
}

// whyNotTime is far from any change of the clock.
var whyNotTime = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// untold are what no single line is told, with the reason.
var untold = map[string]string{
	"it is the late answer to a session that ours opened": "only the records before it say so: records and search carry it as their outcome",
	"the source is not public":                            "explain says which range it is of",
	"the record has no source address":                    "a line without one cannot be read, and explain says that",
	"; but it is never blocked: ":                         "it counts: TestWhatCountsIsSaid",
}

// explainedRules are those of one line's `explain --json`, by name.
func explainedRules(t *testing.T, c *whyNot) map[string]api.LineCounting {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	w.config = filepath.Join(w.dir, "c.yaml")
	detection := "detect:\n  ignore: [{src: 203.0.113.240, reason: our own scanner}]\n"
	if c.detect != "" {
		detection += "  " + c.detect + "\n"
	}
	w.write(w.config, []byte("state_dir: "+w.dir+"\nnetworks: {own: [198.51.100.0/24], ask_firewalls: false, proxies: [192.0.2.0/28]}\nnever_block: [203.0.113.250]\n"+detection))
	lines := jsonLines[api.ExplainedLine](w, "explain", c.line)
	if len(lines) != 1 || len(lines[0].Rules) != 5 {
		t.Fatalf("%+v", lines)
	}
	rules := make(map[string]api.LineCounting)
	for _, r := range lines[0].Rules {
		rules[r.Rule] = r
	}
	return rules
}

// For each reason for which a record does not count, one line whose explanation names it; and none that is in the source and
// not here.
func TestEveryWhyNot(t *testing.T) {
	t.Parallel()
	var told []string
	for _, c := range whyNots {
		told = append(told, c.text)
		t.Run(c.name, func(t *testing.T) {
			got := explainedRules(t, &c)[c.rule]
			if got.Counts || !strings.Contains(got.Text, c.text) {
				t.Errorf("%s\n%s counts: %v, %q; want %q", c.line, c.rule, got.Counts, got.Text, c.text)
			}
		})
	}
	reasons := reasonsInTheSource(t)
	for _, reason := range reasons {
		isTold := slices.ContainsFunc(told, func(text string) bool { return strings.Contains(text, strings.TrimSpace(reason)) })
		if _, isUntold := untold[reason]; isTold == isUntold {
			t.Errorf("%q: a line tells it: %v, it is listed as untold: %v; add a line of which it is true", reason, isTold, isUntold)
		}
	}
	for reason := range untold {
		if !slices.Contains(reasons, reason) {
			t.Errorf("%q is in the source no more", reason)
		}
	}
}

// What counts and is never blocked says that, too; and what these tests change lines from counts.
func TestWhatCountsIsSaid(t *testing.T) {
	t.Parallel()
	for _, c := range []whyNot{
		{"refused", refusedLine(nil), "port-scan", "counts port 22 of 198.51.100.7 for 203.0.113.1", ""},
		{"refused, by key=value", kvLine("203.0.113.1", "deny", "drop", "TRAFFIC"), "probe", "counts port 22 of 198.51.100.7 among what refused 203.0.113.1", ""},
		{"attack", attackLine(nil), "vulnerability", "blocks 203.0.113.1 at once", ""},
		{"login", failedLine(nil), "login", "counts a failed login of 203.0.113.1", ""},
		{"never blocked", refusedLine(map[int]string{csvSrc: "203.0.113.250"}), "port-scan", "but it is never blocked: 203.0.113.250 is in never_block (203.0.113.250)", ""},
		{"behind a proxy", attackLine(map[int]string{csvSrc: "192.0.2.1", csvThreatXFF: "203.0.113.1"}), "vulnerability", "observes 203.0.113.1", ""},
		{"our server's refusal", attackLine(map[int]string{csvDirection: "server-to-client", csvSrc: "198.51.100.7", csvSrcPort: "22", csvDst: "203.0.113.1", csvDstPort: "40000", csvThreat: "SSH(40015)",
			csvThreatCategory: "brute-force", csvSeverity: "medium"}), "vulnerability", "blocks 203.0.113.1 at once", ""},
		{"port 0 in a sweep", refusedLine(map[int]string{csvDstPort: "0"}), "host-sweep", "counts address 198.51.100.7 on port 0", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := explainedRules(t, &c)[c.rule]; !got.Counts || !strings.Contains(got.Text, c.text) {
				t.Errorf("%s\n%s counts: %v, %q; want %q", c.line, c.rule, got.Counts, got.Text, c.text)
			}
		})
	}
}

// reasonsInTheSource are the texts that package detect gives for why a rule does not count a record: what the functions
// return that ask it, and the constants.
func reasonsInTheSource(t *testing.T) []string {
	t.Helper()
	var reasons []string
	for name, functions := range map[string][]string{"reasons.go": nil, "session.go": {"notLogin"}, "explain.go": {"countings", "not", "notCounted"}} {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "detect", name), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		before := len(reasons)
		for _, declared := range file.Decls {
			switch d := declared.(type) {
			case *ast.FuncDecl:
				if functions != nil && !slices.Contains(functions, d.Name.Name) {
					continue
				}
			case *ast.GenDecl:
				if d.Tok != token.CONST {
					continue
				}
			}
			ast.Inspect(declared, func(n ast.Node) bool {
				if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
					if text, err := strconv.Unquote(literal.Value); err == nil && strings.Contains(strings.TrimSpace(text), " ") {
						reasons = append(reasons, text)
					}
				}
				return true
			})
		}
		if len(reasons) == before {
			t.Fatal(fmt.Sprint("no reason is in ", name))
		}
	}
	return reasons
}
