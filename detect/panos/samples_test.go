package panos

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"activedefense/detect"
)

var update = flag.Bool("update", false, "write testdata/samples.golden anew")

// sample is one record of the public samples, by file and line.
type sample struct {
	where string
	line  []byte
}

// samplesDir is where the samples lie; they are others' and no part of this project.
func samplesDir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("TEST_PANOS_SAMPLES")
	if dir == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("TEST_PANOS_SAMPLES is not set")
		}
		t.Skip("TEST_PANOS_SAMPLES is not set")
	}
	return dir
}

// sampleFiles are the files with records, and what stands around them: a name and a
// tab before each, places that a template's user fills in, or JSON. The others repeat
// these or explain them.
func sampleFiles() []struct{ name, around string } {
	return []struct{ name, around string }{
		{"apache-metron/BasicPaloAltoFirewallParserTest.strings.log", ""},
		{"apache-metron/PaloaltoOutput.log", ""},
		{"apache-metron/palo.cef", ""},
		{"cribl-palo-alto-networks/all_raw.log", ""},
		{"cribl-palo-alto-networks/61hEQ9.json", "json"},
		{"cribl-palo-alto-networks/6rAgpv.json", "json"},
		{"crowdsecurity-hub/palo-alto-threat.log", ""},
		{"datadog-integrations-core/pan.firewall.kv.log", ""},
		{"pan-os-syslog-haskell/samples.tsv", "named"},
		{"rsyslog-experiment/file-format.log", ""},
		{"rsyslog-experiment/repeated-msg-reduction.log", ""},
		{"rsyslog-experiment/traditional-file-format.log", ""},
		{"splunk-apps/pan_adversaries.samplelog", ""},
		{"splunk-connect-for-syslog/test_leef.txt", "template"},
		{"splunk-connect-for-syslog/test_palo_alto.comment-samples.log", ""},
		{"splunk-connect-for-syslog/test_palo_alto.jinja-templates.txt", "template"},
	}
}

func readSamples(t *testing.T) []sample {
	t.Helper()
	dir := samplesDir(t)
	fill := strings.NewReplacer(
		"{{ mark }}", "<134>", "{{ bsd }}", "Mar  5 06:07:08", "{{ iso }}", "2025-03-05T06:07:08.123+01:00",
		"{{ host }}", "filled-host", "{{ time }}", "2025/03/05 06:07:09", "{{ recv_time }}", "2025/03/05 06:07:09",
		"{{ high_res_time }}", "2025-03-05T06:07:09.456+01:00", "{{ epoch }}", "1741154829")
	var all []sample
	for _, f := range sampleFiles() {
		data, err := os.ReadFile(filepath.Join(dir, f.name))
		if err != nil {
			t.Fatal(err)
		}
		if f.around == "json" {
			var events []struct {
				Raw string `json:"_raw"`
			}
			if err := json.Unmarshal(data, &events); err != nil {
				t.Fatal(err)
			}
			data = nil
			for _, e := range events {
				data = append(append(data, e.Raw...), '\n')
			}
		}
		sc := bufio.NewScanner(bytes.NewReader(data))
		for n := 1; sc.Scan(); n++ {
			s := sample{where: fmt.Sprintf("%s:%d", f.name, n), line: bytes.Clone(sc.Bytes())}
			switch f.around {
			case "named":
				name, rest, _ := bytes.Cut(s.line, []byte("\t"))
				s.where, s.line = s.where+":"+string(name), rest
			case "template":
				s.line = []byte(fill.Replace(string(s.line)))
				if bytes.Contains(s.line, []byte("{{")) {
					t.Fatalf("%s: a place of the template is not filled", s.where)
				}
			}
			all = append(all, s)
		}
		if err := sc.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// describe writes an event, or the error, as one readable line.
func describe(ev *detect.Event, err error) string {
	if err != nil {
		return "error " + errorName(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s/%s %s %s:%d", ev.Type, ev.Subtype, ev.Time.Format(time.RFC3339Nano), ev.Src, ev.SrcPort)
	if ev.Dst.IsValid() {
		fmt.Fprintf(&b, " -> %s:%d", ev.Dst, ev.DstPort)
	}
	for _, f := range []struct{ name, value string }{
		{"device", ev.Device}, {"user", ev.SrcUser}, {"from", ev.SrcCountry}, {"to", ev.DstCountry}, {"action", ev.Action},
		{"rule", ev.Rule}, {"rule-id", ev.RuleID}, {"threat", ev.ThreatName}, {"threat-id", ev.ThreatID}, {"severity", ev.Severity},
		{"direction", ev.Direction.String()}, {"app", ev.Application}, {"end", ev.EndReason}, {"category", ev.Category},
		{"zones", ev.SrcZone + ">" + ev.DstZone}, {"nat", natOf(ev)}, {"client", addrText(ev.Client)}, {"protocol", ev.Protocol.String()}, {"traffic", trafficOf(ev)},
	} {
		if f.value != "" && f.value != ">" {
			fmt.Fprintf(&b, " %s=%q", f.name, f.value)
		}
	}
	if ev.Repeat != 1 {
		fmt.Fprintf(&b, " repeat=%d", ev.Repeat)
	}
	return b.String()
}

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func natOf(ev *detect.Event) string {
	if !ev.NATSrc.IsValid() && !ev.NATDst.IsValid() {
		return ""
	}
	return fmt.Sprintf("%s:%d>%s:%d", addrText(ev.NATSrc), ev.NATSrcPort, addrText(ev.NATDst), ev.NATDstPort)
}

func trafficOf(ev *detect.Event) string {
	if !ev.Traffic.Counted {
		return ""
	}
	return fmt.Sprintf("%d/%d %d/%d", ev.Traffic.BytesSent, ev.Traffic.BytesReceived, ev.Traffic.PacketsSent, ev.Traffic.PacketsReceived)
}

func errorName(err error) string {
	for _, e := range []struct {
		err  error
		name string
	}{
		{ErrIgnored, "ignored"}, {ErrCut, "cut"}, {ErrColumns, "columns"}, {ErrJSON, "json"}, {ErrUncertain, "uncertain"}, {ErrUncertainLogin, "uncertain-login"}, {ErrOtherProduct, "other-product"}, {ErrExtensionHeader, "extension-header"}, {ErrNoFormat, "no-format"}, {ErrCloudFormat, "cloud-format"},
		{ErrTruncated, "truncated"}, {ErrAmbiguous, "ambiguous"}, {ErrKeyOrder, "key-order"}, {ErrNoSource, "no-source"}, {ErrBadAddress, "bad-address"}, {ErrBadPort, "bad-port"}, {ErrBadTime, "bad-time"},
	} {
		if errors.Is(err, e.err) {
			return e.name
		}
	}
	return "unnamed: " + err.Error()
}

// TestSamples compares what is read from each public sample with testdata/
// samples.golden, which was checked by eye and against encoding/csv
// (TestSamplesAgainstEncodingCSV) and crowdsec's own assertions.
func TestSamples(t *testing.T) {
	p := New(Options{Location: time.UTC})
	at := time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)
	var got []string
	for _, s := range readSamples(t) {
		var ev detect.Event
		err := p.Parse(s.line, at, &ev)
		got = append(got, s.where+" "+describe(&ev, err))
	}
	golden := filepath.Join("testdata", "samples.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(strings.Join(got, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	if len(got) != len(want) {
		t.Errorf("%d records, want %d", len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Errorf("got  %s\nwant %s", got[i], want[i])
		}
	}
}
