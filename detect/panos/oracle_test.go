package panos

import (
	"cmp"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"activedefense/detect"
)

// cells are the columns of a record as package encoding/csv finds them.
type cells []string

func (c cells) at(i int) string {
	if i < len(c) {
		return c[i]
	}
	return ""
}

// masked says whether a THREAT record has something else in place of the rule's id, as some samples do: nothing is read
// from there on.
func (c cells) masked() bool { return c[3] == "THREAT" && c.at(76) != "" && len(c.at(76)) != 36 }

// loginFields are what the documented columns of a GLOBALPROTECT record hold.
func (c cells) loginFields() map[string]string {
	want := map[string]string{"type": c.at(3), "subtype": c.at(8), "application": c.at(10), "user": c.at(12), "source region": c.at(13), "source": c.at(15),
		"action": c.at(28), "end reason": cmp.Or(c.at(26), c.at(27), c.at(25)), "destination": "invalid IP", "nat": "", "traffic": "", "rule": ""}
	if c.at(47) != "" {
		want["device"] = c.at(47)
	}
	return want
}

// fields are what the documented columns hold.
func (c cells) fields() map[string]string {
	if c[3] == "GLOBALPROTECT" {
		return c.loginFields()
	}
	want := map[string]string{
		"type": c.at(3), "subtype": c.at(4), "source": c.at(7), "destination": c.at(8), "rule": c.at(11), "user": c.at(12),
		"application": c.at(14), "source zone": c.at(16), "destination zone": c.at(17), "protocol": protocolNamed(c.at(29)),
		"source port": c.at(24), "destination port": c.at(25), "action": c.at(30), "nat": "",
	}
	if source, target := natNamed(c.at(7), c.at(24), c.at(9), c.at(26)), natNamed(c.at(8), c.at(25), c.at(10), c.at(27)); source+target != ":0:0" {
		want["nat"] = source + ">" + target
	}
	device := c.at(52)
	if c[3] == "THREAT" {
		device = c.at(59)
		want["source region"], want["destination region"] = c.at(38), c.at(39)
		want["severity"], want["direction"], want["category"] = c.at(34), c.at(35), c.at(69)
		if want["rule id"] = c.at(76); c.masked() {
			want["rule id"] = ""
		}
		name, id, _ := cutLast(c.at(32), "(")
		if id = strings.TrimSuffix(id, ")"); name == id {
			name = ""
		}
		want["threat"], want["threat id"] = name, id
	} else {
		want["source region"], want["destination region"], want["rule id"], want["end reason"] = c.at(41), c.at(42), c.at(65), c.at(46)
		if want["traffic"] = ""; c.at(32) != "" && c.at(33) != "" {
			want["traffic"] = fmt.Sprintf("%s/%s %s/%s", c.at(32), c.at(33), cmp.Or(c.at(44), "0"), cmp.Or(c.at(45), "0"))
		}
	}
	if device != "" {
		want["device"] = device
	}
	return want
}

// time is that of generation, high-resolution where it is there.
func (c cells) time() (time.Time, error) {
	precise, err := time.Parse(time.RFC3339, c.at(102))
	if c[3] == "THREAT" {
		precise, err = time.Parse(time.RFC3339, c.at(107))
	}
	if c[3] == "GLOBALPROTECT" {
		precise, err = time.Parse(time.RFC3339, c.at(36))
	}
	if err == nil && !c.masked() {
		return precise, nil
	}
	return time.Parse("2006/1/2 15:04:05", c.at(6))
}

// fieldsOf are what an event holds of them.
func fieldsOf(ev *detect.Event) map[string]string {
	return map[string]string{
		"type": ev.Type.String(), "subtype": ev.Subtype, "source": ev.Src.String(), "destination": ev.Dst.String(), "rule": ev.Rule, "user": ev.SrcUser,
		"source port": strconv.Itoa(int(ev.SrcPort)), "destination port": strconv.Itoa(int(ev.DstPort)), "action": ev.Action,
		"source region": ev.SrcCountry, "destination region": ev.DstCountry, "rule id": ev.RuleID, "severity": ev.Severity,
		"direction": ev.Direction.String(), "threat": ev.ThreatName, "threat id": ev.ThreatID, "device": ev.Device,
		"application": ev.Application, "source zone": ev.SrcZone, "destination zone": ev.DstZone, "protocol": ev.Protocol.String(),
		"end reason": ev.EndReason, "category": ev.Category, "nat": natOf(ev), "traffic": trafficOf(ev),
	}
}

// TestSamplesAgainstEncodingCSV reads every comma-separated sample a second time, with
// package encoding/csv and the documented column numbers written out.
func TestSamplesAgainstEncodingCSV(t *testing.T) {
	start := regexp.MustCompile(`(?:^|[ >\t])[0-9],[0-9]{4}/`)
	read := map[detect.Type]int{}
	for _, s := range readSamples(t) {
		at := start.FindIndex(s.line)
		ev, err := parse(string(s.line))
		if at == nil || err != nil {
			continue
		}
		columns, err := lazyColumns([]byte(strings.TrimLeft(string(s.line[at[0]:]), " >\t")))
		if err != nil {
			t.Fatal(err)
		}
		read[ev.Type]++
		c := cells(columns)
		if want, err := c.time(); err != nil || !ev.Time.Equal(want) {
			t.Errorf("%s: %v, want %v (%v)", s.where, ev.Time, want, err)
		}
		got := fieldsOf(&ev)
		for field, want := range c.fields() {
			if got[field] != strings.TrimSpace(want) {
				t.Errorf("%s: %s is %q, want %q", s.where, field, got[field], want)
			}
		}
	}
	if read[detect.TypeTraffic] < 60 || read[detect.TypeThreat] < 70 || read[detect.TypeGlobalProtect] < 4 {
		t.Errorf("only %v were read", read)
	}
}

// protocolNamed is what an event calls the protocol of a log.
func protocolNamed(word string) string {
	if word == "tcp" || word == "udp" || word == "icmp" || word == "" {
		return word
	}
	return "other"
}

// natNamed is what natOf says of one end of a session.
func natNamed(addr, at, nat, natAt string) string {
	a, err := netip.ParseAddr(nat)
	if err != nil || a.IsUnspecified() || nat == addr && (natAt == at || natAt == "0") {
		return ":0"
	}
	return nat + ":" + natAt
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// TestCrowdsecAssertions holds the two crowdsec samples against what crowdsec's own
// parser finds in them.
func TestCrowdsecAssertions(t *testing.T) {
	dir := filepath.Join(samplesDir(t), "crowdsecurity-hub")
	lines, err := os.ReadFile(filepath.Join(dir, "palo-alto-threat.log"))
	if err != nil {
		t.Fatal(err)
	}
	asserts, err := os.ReadFile(filepath.Join(dir, "parser.assert"))
	if err != nil {
		t.Fatal(err)
	}
	var events []detect.Event
	for line := range strings.Lines(string(lines)) {
		events = append(events, mustParse(t, strings.TrimSuffix(line, "\n")))
	}
	checked := 0
	for _, m := range regexp.MustCompile(`(?m)^results\["s01-parse"\]\["crowdsecurity/palo-alto-threat-log"\]\[(\d)\]\.Evt\.Parsed\["(\w+)"\] == "(.*)"$`).FindAllStringSubmatch(string(asserts), -1) {
		i, _ := strconv.Atoi(m[1])
		ev, want := events[i], m[3]
		var got string
		switch m[2] {
		case "src_ip":
			got = ev.Src.String()
		case "dst_ip":
			got = ev.Dst.String()
		case "src_port":
			got = strconv.Itoa(int(ev.SrcPort))
		case "dst_port":
			got = strconv.Itoa(int(ev.DstPort))
		case "src_country":
			got = ev.SrcCountry
		case "dst_country":
			got = ev.DstCountry
		case "rule":
			got = ev.Rule
		case "action":
			got = ev.Action
		case "severity":
			got = ev.Severity
		case "direction":
			got = ev.Direction.String()
		case "log_type":
			got = ev.Type.String()
		case "log_subtype":
			got = ev.Subtype
		case "threat_id":
			got = ev.ThreatName + "(" + ev.ThreatID + ")"
		case "generation_timestamp":
			got = ev.Time.Format("2006/01/02 15:04:05")
		default:
			continue
		}
		checked++
		if got != want {
			t.Errorf("line %d: %s is %q, want %q", i+1, m[2], got, want)
		}
	}
	if checked < 20 {
		t.Errorf("only %d assertions were checked", checked)
	}
	if events[0].Src != netip.MustParseAddr("1.2.3.2") {
		t.Errorf("first source %v", events[0].Src)
	}
}
