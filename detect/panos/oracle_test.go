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
		cells, err := lazyColumns([]byte(strings.TrimLeft(string(s.line[at[0]:]), " >\t")))
		if err != nil {
			t.Fatal(err)
		}
		cell := func(i int) string {
			if i < len(cells) {
				return cells[i]
			}
			return ""
		}
		read[ev.Type]++
		// Some samples have something else in place of the rule's id: nothing is read from there on.
		masked := ev.Type == detect.TypeThreat && cell(76) != "" && len(cell(76)) != 36
		want := map[string]string{
			"type": cell(3), "subtype": cell(4), "source": cell(7), "destination": cell(8), "rule": cell(11), "user": cell(12),
			"application": cell(14), "source zone": cell(16), "destination zone": cell(17), "protocol": protocolNamed(cell(29)),
			"source port": cell(24), "destination port": cell(25), "action": cell(30),
			"source region": cell(41), "destination region": cell(42), "rule id": cell(65),
		}
		device := cell(52)
		if ev.Type == detect.TypeTraffic {
			want["end reason"] = cell(46)
			want["traffic"] = fmt.Sprintf("%s/%s %s/%s", cell(32), cell(33), cmp.Or(cell(44), "0"), cmp.Or(cell(45), "0"))
			if cell(32) == "" || cell(33) == "" {
				want["traffic"] = ""
			}
		}
		if ev.Type == detect.TypeThreat {
			want["source region"], want["destination region"], want["rule id"] = cell(38), cell(39), cell(76)
			want["severity"], want["direction"], want["category"] = cell(34), cell(35), cell(69)
			device = cell(59)
			if masked {
				want["rule id"] = ""
			}
			name, id, _ := cutLast(cell(32), "(")
			if id = strings.TrimSuffix(id, ")"); name == id {
				name = ""
			}
			want["threat"], want["threat id"] = name, id
		}
		want["nat"] = ""
		if source, target := natNamed(cell(7), cell(24), cell(9), cell(26)), natNamed(cell(8), cell(25), cell(10), cell(27)); source+target != ":0:0" {
			want["nat"] = source + ">" + target
		}
		if device != "" {
			want["device"] = device
		}
		generated, err := time.Parse("2006/1/2 15:04:05", cell(6))
		if err != nil {
			t.Fatal(err)
		}
		precise, err := time.Parse(time.RFC3339, cell(102))
		if ev.Type == detect.TypeThreat {
			precise, err = time.Parse(time.RFC3339, cell(107))
		}
		if err == nil && !masked {
			generated = precise
		}
		if !ev.Time.Equal(generated) {
			t.Errorf("%s: %v, want %v", s.where, ev.Time, generated)
		}
		got := map[string]string{
			"type": ev.Type.String(), "subtype": ev.Subtype, "source": ev.Src.String(), "destination": ev.Dst.String(), "rule": ev.Rule, "user": ev.SrcUser,
			"source port": strconv.Itoa(int(ev.SrcPort)), "destination port": strconv.Itoa(int(ev.DstPort)), "action": ev.Action,
			"source region": ev.SrcCountry, "destination region": ev.DstCountry, "rule id": ev.RuleID, "severity": ev.Severity,
			"direction": ev.Direction.String(), "threat": ev.ThreatName, "threat id": ev.ThreatID, "device": ev.Device,
			"application": ev.Application, "source zone": ev.SrcZone, "destination zone": ev.DstZone, "protocol": ev.Protocol.String(),
			"end reason": ev.EndReason, "category": ev.Category, "nat": natOf(&ev), "traffic": trafficOf(&ev),
		}
		for field, w := range want {
			if got[field] != strings.TrimSpace(w) {
				t.Errorf("%s: %s is %q, want %q", s.where, field, got[field], w)
			}
		}
	}
	if read[detect.TypeTraffic] < 60 || read[detect.TypeThreat] < 70 {
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
