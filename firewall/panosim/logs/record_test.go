package logs

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"activedefense/detect"
	"activedefense/detect/panos"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/traffic"
)

// sampleFormat is the custom format that operators are asked to set.
const sampleFormat = "SrcLocation=$srcloc; SrcIP=$src; SrcPort=$sport; SrcUser=$srcuser; DstLocation=$dstloc; DstIP=$dst; DstPort=$dport; " +
	"Action=$action; RuleName=$rule; RuleID=$rule_uuid; TimeReceived=$time_received; ThreatName=$threat_name; ThreatID=$threatid; " +
	"Severity=$severity; Subtype=$subtype; Type=$type;"

// sampleRecord is an attack that was found in an allowed session, or (with log TRAFFIC) a denied packet.
func sampleRecord(log, versionText string, d dialect.Dialect) *Record {
	versionText = cmp.Or(versionText, "10.2.9-h1")
	v, err := dialect.ParseVersion(versionText)
	if err != nil {
		panic(err)
	}
	now := time.Date(2026, 3, 1, 13, 0, 5, 250e6, time.FixedZone("", 3600))
	r := &Record{
		Device:  Device{Serial: "007000000000001", Hostname: "lab-fw-01", Version: versionText, Release: v},
		Dialect: d, Log: log, Subtype: "drop", Action: "drop", VSys: "vsys1", Rule: "sensor, last",
		UUID: "4f3c", Setting: "to-us", App: "not-applicable", Seq: 7, Reason: "policy-deny", Began: now, Time: now,
		Packet: &traffic.Packet{
			From: "untrust", To: "dmz", Source: netip.MustParseAddr("203.0.113.5"), Destination: netip.MustParseAddr("198.51.100.7"),
			SourcePort: 40000, DestinationPort: 443, Protocol: "tcp", User: `example\someone`, SourceCountry: "Netherlands", DestinationCountry: "Australia",
		},
	}
	if log == Threat {
		r.Subtype, r.Action, r.App, r.Session = "vulnerability", "reset-both", "ssl", 12
		r.Packet.Threat = &traffic.Threat{Name: "Remote Code Execution, a \"test\"", ID: 95187, Severity: "critical"}
	}
	return r
}

// logDialects lists the ways in which lines can differ.
func logDialects() []dialect.Dialect {
	return []dialect.Dialect{
		{}, {TimeReceived: dialect.TimeReceivedEmpty}, {TimeReceived: dialect.TimeReceivedLiteral}, {TimeReceived: dialect.TimeReceivedRFC3339},
		{ThreatFields: dialect.ThreatFieldsSplit}, {Foreign: dialect.ForeignLiteral},
	}
}

// longerFormats are those that provision sets.
var longerFormats = map[string]string{Traffic: panos.TrafficFormat, Threat: panos.ThreatFormat}

func TestLinesAreReadBack(t *testing.T) {
	parser := panos.New(panos.Options{Location: time.FixedZone("", 3600)})
	for _, log := range []string{Traffic, Threat} {
		for _, version := range []string{"6.0.0", "8.1.3", "9.0.0", "9.1.0", "10.0.0", "10.2.9-h1", "11.1.13-h3"} {
			for _, d := range logDialects() {
				r := sampleRecord(log, version, d)
				for name, text := range map[string]string{"csv": r.csv(), "custom": r.render(sampleFormat, escaping{}), "longer": r.render(longerFormats[log], escaping{})} {
					for _, format := range []string{"BSD", "IETF"} {
						line := r.headed("LOG_USER", format, "LAB-FW-01", text)
						var ev detect.Event
						if err := parser.Parse(line, r.Time, &ev); err != nil {
							t.Fatalf("%s %s %v: %v in %s", name, version, d, err, line)
						}
						got := fmt.Sprint(ev.Src, " ", ev.Dst, " ", ev.DstPort, " ", ev.Action, " ", ev.Rule)
						if want := "203.0.113.5 198.51.100.7 443 " + r.Action + " sensor, last"; got != want {
							t.Errorf("%s %s %s: %s, want %s", log, name, version, got, want)
						}
						if want := r.Time.Truncate(time.Second); !ev.Time.Truncate(time.Second).Equal(want) {
							t.Errorf("%s %s %s %v: at %v, want %v", log, name, version, d, ev.Time, want)
						}
					}
				}
			}
		}
	}
}

func TestCSVHasTheColumnsOfItsVersion(t *testing.T) {
	for version, c := range map[string][2]int{
		"6.0.0": {46, 45}, "6.1.0": {47, 45}, "7.1.0": {54, 61}, "8.0.0": {61, 72}, "8.1.3": {65, 75}, "9.0.0": {67, 78},
		"9.1.0": {75, 79}, "10.0.0": {105, 120}, "10.2.9-h1": {115, 120}, "11.1.13-h3": {121, 123},
	} {
		for log, want := range map[string]int{Traffic: c[0], Threat: c[1]} {
			r := sampleRecord(log, version, dialect.Dialect{})
			r.Rule = "sensor"
			if log == Threat {
				r.Packet.Threat.Name = "Remote Code Execution"
			}
			if got := strings.Count(r.csv(), ",") + 1; got != want {
				t.Errorf("%s of %s has %d columns, want %d", log, version, got, want)
			}
		}
	}
	// Places that every reader relies on, from lines of real devices.
	for _, c := range []struct {
		log  string
		at   int
		want string
	}{
		{Traffic, 5, "2561"}, {Traffic, 39, "7"}, {Traffic, 41, "Netherlands"}, {Traffic, 46, "policy-deny"}, {Traffic, 52, "lab-fw-01"},
		{Traffic, 65, "4f3c"}, {Traffic, 102, "2026-03-01T13:00:05.250+01:00"},
		{Threat, 32, "Remote Code Execution(95187)"}, {Threat, 34, "critical"}, {Threat, 35, "client-to-server"}, {Threat, 38, "Netherlands"},
		{Threat, 59, "lab-fw-01"}, {Threat, 69, "code-execution"}, {Threat, 76, "4f3c"}, {Threat, 107, "2026-03-01T13:00:05.250+01:00"},
	} {
		r := sampleRecord(c.log, "10.1.0", dialect.Dialect{})
		r.Rule = "sensor"
		if c.log == Threat {
			r.Packet.Threat.Name = "Remote Code Execution"
		}
		if got := strings.Split(r.csv(), ",")[c.at]; got != c.want {
			t.Errorf("%s column %d is %q, want %q", c.log, c.at, got, c.want)
		}
	}
}

func TestEveryFieldOfTheTablesIsAVariable(t *testing.T) {
	for log, fields := range map[string][]string{Traffic: trafficFields, Threat: threatFields} {
		for _, name := range fields {
			if name == "-" || name == "1" || name == "csv-threatid" {
				continue
			}
			_, common := variables[name]
			_, own := sampleRecord(log, "", dialect.Dialect{}).own()[name]
			if !common && !own {
				t.Errorf("%s: %s is no variable", log, name)
			}
		}
	}
}

func TestCustomFormat(t *testing.T) {
	for _, c := range []struct {
		log, format, want string
		dialect           dialect.Dialect
		escaping          escaping
	}{
		{Traffic, "a $src:$sport$", "a 203.0.113.5:40000$", dialect.Dialect{}, escaping{}},
		{Traffic, "$unheard_of $src_x", "$unheard_of $src_x", dialect.Dialect{}, escaping{}},
		{Traffic, "<$severity|$threatid>", "<|>", dialect.Dialect{}, escaping{}},
		{Traffic, "<$severity|$threatid>", "<$severity|$threatid>", dialect.Dialect{Foreign: dialect.ForeignLiteral}, escaping{}},
		{Traffic, "$time_received", "2026/03/01 13:00:05", dialect.Dialect{}, escaping{}},
		{Traffic, "<$time_received>", "<>", dialect.Dialect{TimeReceived: dialect.TimeReceivedEmpty}, escaping{}},
		{Traffic, "$time_received", "$time_received", dialect.Dialect{TimeReceived: dialect.TimeReceivedLiteral}, escaping{}},
		{Traffic, "$time_received", "2026-03-01T13:00:05.250+01:00", dialect.Dialect{TimeReceived: dialect.TimeReceivedRFC3339}, escaping{}},
		{Traffic, "$cef-formatted-receive_time", "Mar 01 2026 12:00:05 GMT", dialect.Dialect{}, escaping{}},
		{Threat, "$threat_name|$threatid|$number-of-severity", `Remote Code Execution, a "test"(95187)|Remote Code Execution, a "test"(95187)|5`, dialect.Dialect{}, escaping{}},
		{Threat, "$threat_name|$threatid", `Remote Code Execution, a "test"|95187`, dialect.Dialect{ThreatFields: dialect.ThreatFieldsSplit}, escaping{}},
		{Traffic, `$srcuser; $rule`, `example\\someone; sensor\, last`, dialect.Dialect{}, escaping{`\,;`, `\`}},
		{Traffic, `$srcuser`, `example\someone`, dialect.Dialect{}, escaping{`\`, ""}},
	} {
		check(t, c.format, sampleRecord(c.log, "", c.dialect).render(c.format, c.escaping), c.want)
	}
}

func TestHeaders(t *testing.T) {
	for _, c := range []struct{ log, severity, facility, format, host, want string }{
		{Traffic, "", "LOG_USER", "BSD", "fw", "<14>Mar  1 13:00:05 fw text"},
		{Traffic, "", "", "BSD", "", "<14>Mar  1 13:00:05 text"},
		{Traffic, "", "LOG_LOCAL7", "IETF", "fw", "<190>1 2026-03-01T13:00:05+01:00 fw - - - -  text"},
		{Traffic, "", "LOG_USER", "IETF", "", "<14>1 2026-03-01T13:00:05+01:00 - - - - -  text"},
		{Threat, "critical", "LOG_USER", "BSD", "fw", "<10>Mar  1 13:00:05 fw text"},
		{Threat, "low", "LOG_USER", "BSD", "fw", "<13>Mar  1 13:00:05 fw text"},
		{Threat, "informational", "LOG_USER", "BSD", "fw", "<14>Mar  1 13:00:05 fw text"},
	} {
		r := sampleRecord(c.log, "", dialect.Dialect{})
		if c.log == Threat {
			r.Packet.Threat.Severity = c.severity
		}
		check(t, c.format, string(r.headed(c.facility, c.format, c.host, "text")), c.want)
	}
	check(t, "a line end in a value", string(sampleRecord(Traffic, "", dialect.Dialect{}).headed("", "BSD", "fw", "a\nb\rc")), "<14>Mar  1 13:00:05 fw a b c")
}

func FuzzLogFilter(f *testing.F) {
	f.Add("(severity geq high) and not (addr.src in 10.0.0.0/8)")
	r := sampleRecord(Threat, "", dialect.Dialect{})
	f.Fuzz(func(t *testing.T, text string) {
		if filter, err := parseLogFilter(text); err == nil {
			filter(r)
		}
	})
}

// check compares texts.
func check(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
}

func TestLogFilters(t *testing.T) {
	dropped := sampleRecord(Traffic, "", dialect.Dialect{}) // by a rule called "sensor, last"
	for filter, want := range map[string]bool{
		"All Logs": true, "": true, "(action neq allow)": true, "(action eq allow)": false, "action eq drop": true,
		"(severity geq informational)": true, "( severity geq high )": false, "(severity eq informational)": true,
		"(subtype eq end) or (subtype eq drop)": true, "(subtype eq drop) and (zone.src eq trust)": false,
		"(rule eq 'sensor, last')": true, "(from eq untrust) and (to eq dmz)": true,
		"(addr.src in 203.0.113.0/24)": true, "(addr.src notin 203.0.113.0/24)": false, "(addr.dst in 198.51.100.7)": true,
		"(addr in 198.51.100.0/24)": true, "(addr.src in 198.51.100.7)": false,
		"(port.dst eq 443)": true, "(port.src eq 443)": false, "not (app eq ssl)": true, "!(action eq drop)": false,
	} {
		passes, err := parseLogFilter(filter)
		if err != nil || passes(dropped) != want {
			t.Errorf("%q: passes %v, error %v", filter, !want, err)
		}
	}
	attack := sampleRecord(Threat, "", dialect.Dialect{})
	for severity, want := range map[string]string{"low": "(severity leq low)", "high": "(severity eq high)", "critical": "(severity geq high)"} {
		attack.Packet.Threat.Severity = severity
		if passes, err := parseLogFilter(want); err != nil || !passes(attack) {
			t.Errorf("%s: %s does not pass, error %v", want, severity, err)
		}
	}
	for _, filter := range []string{"(dg_hier_1 eq 5)", "(action", "(action eq drop) (", "(severity geq huge)", "(addr.src in nowhere)", "(action contains a)"} {
		if _, err := parseLogFilter(filter); err == nil {
			t.Errorf("%q is understood", filter)
		}
	}
}
