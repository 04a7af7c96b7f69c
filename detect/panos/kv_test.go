package panos

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"activedefense/detect"
)

// record is what a firewall fills into the documented format, in order.
type record [numKeys]string

// plainRecord is an ordinary one; tests change single values.
func plainRecord() record {
	return record{
		keySrcLocation: "Germany", keySrcIP: "203.0.113.5", keySrcPort: "51234", keySrcUser: `example\alice`,
		keyDstLocation: "United States", keyDstIP: "198.51.100.7", keyDstPort: "443", keyAction: "deny",
		keyRuleName: "Block inbound", keyRuleID: "321ef4bf-801e-1c89-b341-efb2898ba2be", keyTimeReceived: "2025/11/21 02:00:00",
		keyThreatName: "SCAN: Host Sweep", keyThreatID: "8002", keySeverity: "medium", keySubtype: "scan", keyType: "THREAT",
	}
}

// with returns the record with one value changed.
func (r record) with(k key, value string) record {
	r[k] = value
	return r
}

// line writes the record as the firewall would.
func (r record) line() string {
	var b strings.Builder
	for k, v := range r {
		if k > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(keyTable[k].name + "=" + v + ";")
	}
	return b.String()
}

// readAt is the time of reading in these tests.
func readAt() time.Time { return time.Date(2025, 11, 21, 2, 0, 30, 0, time.UTC) }

// parse reads one line with a new parser whose firewall's clock is in UTC.
func parse(line string) (detect.Event, error) {
	var ev detect.Event
	err := New(Options{Location: time.UTC}).Parse([]byte(line), readAt(), &ev)
	return ev, err
}

func mustParse(t *testing.T, line string) detect.Event {
	t.Helper()
	ev, err := parse(line)
	if err != nil {
		t.Fatalf("%s\n%v", line, err)
	}
	return ev
}

// plainEvent is what plainRecord means.
func plainEvent() detect.Event {
	return detect.Event{
		Time: time.Date(2025, 11, 21, 2, 0, 0, 0, time.UTC), Device: "LAB-FW-01",
		Src: netip.MustParseAddr("203.0.113.5"), Dst: netip.MustParseAddr("198.51.100.7"), SrcPort: 51234, DstPort: 443,
		SrcUser: `example\alice`, SrcCountry: "Germany", DstCountry: "United States",
		Action: "deny", Rule: "Block inbound", RuleID: "321ef4bf-801e-1c89-b341-efb2898ba2be",
		ThreatName: "SCAN: Host Sweep", ThreatID: "8002", Severity: "medium", Subtype: "scan",
		Type: detect.TypeThreat, Repeat: 1,
	}
}

func TestKVGivesEveryField(t *testing.T) {
	ev := detect.Event{Ref: 77, SrcUser: "left over", Direction: detect.ServerToClient}
	err := New(Options{Location: time.UTC}).Parse([]byte("Nov 21 02:00:05 LAB-FW-01 "+plainRecord().line()), readAt(), &ev)
	if err != nil {
		t.Fatal(err)
	}
	want := plainEvent()
	want.Ref = 77
	if ev != want {
		t.Errorf("got  %+v\nwant %+v", ev, want)
	}
}

func TestKVTolerates(t *testing.T) {
	const head = "Nov 21 02:00:05 LAB-FW-01 "
	line := head + plainRecord().line()
	for name, line := range map[string]string{
		"no final semicolon":            strings.TrimSuffix(line, ";"),
		"space behind Type=":            strings.Replace(line, "Type=THREAT", "Type= THREAT", 1),
		"no space behind semicolons":    head + strings.ReplaceAll(plainRecord().line(), "; ", ";"),
		"spaces before semicolons":      head + strings.ReplaceAll(plainRecord().line(), ";", " ;"),
		"spaces around equals signs":    head + strings.NewReplacer("=", " = ").Replace(plainRecord().line()),
		"carriage return":               line + "\r",
		"carriage return by rsyslog":    line + "#015",
		"NULs by rsyslog":               strings.TrimSuffix(line, ";") + "#000#000#000",
		"a NUL":                         line + "\x00",
		"trailing spaces":               line + "  ",
		"tabs between fields":           head + strings.ReplaceAll(plainRecord().line(), "; ", ";\t"),
		"tabs by rsyslog":               head + strings.ReplaceAll(plainRecord().line(), "; ", ";#011"),
		"line breaks in the format":     head + strings.ReplaceAll(plainRecord().line(), "; ", ";#015#012 "),
		"text behind the record":        line + " a#011b#012c",
		"type in small letters":         strings.Replace(line, "THREAT", "threat", 1),
		"threat and id alike":           head + plainRecord().with(keyThreatName, "SCAN: Host Sweep(8002)").with(keyThreatID, "SCAN: Host Sweep(8002)").line(),
		"name with id, id bare":         head + plainRecord().with(keyThreatName, "SCAN: Host Sweep(8002)").line(),
		"id with name, name empty":      head + plainRecord().with(keyThreatName, "").with(keyThreatID, "SCAN: Host Sweep(8002)").line(),
		"name with id, id not expanded": head + plainRecord().with(keyThreatName, "SCAN: Host Sweep(8002)").with(keyThreatID, "$threatid").line(),
		"mapped address":                head + plainRecord().with(keySrcIP, "::ffff:203.0.113.5").line(),
		"another order": head + "SrcIP=203.0.113.5; SrcPort=51234; SrcLocation=Germany; DstIP=198.51.100.7; DstPort=443; DstLocation=United States; " +
			`Type=THREAT; Subtype=scan; Severity=medium; SrcUser=example\alice; ThreatID=8002; ThreatName=SCAN: Host Sweep; ` +
			"TimeReceived=2025/11/21 02:00:00; RuleID=321ef4bf-801e-1c89-b341-efb2898ba2be; RuleName=Block inbound; Action=deny",
		"a user at the end": head + "SrcIP=203.0.113.5; SrcPort=51234; SrcLocation=Germany; DstIP=198.51.100.7; DstPort=443; DstLocation=United States; " +
			"Type=THREAT; Subtype=scan; Severity=medium; ThreatID=8002; ThreatName=SCAN: Host Sweep; TimeReceived=2025/11/21 02:00:00; " +
			`RuleID=321ef4bf-801e-1c89-b341-efb2898ba2be; RuleName=Block inbound; Action=deny; SrcUser=example\alice;`,
		"keys of the site's own": head + strings.NewReplacer("Action=", "App=ssl; Action=", "Type=THREAT;", "Type=THREAT; Zone=dmz;").Replace(plainRecord().line()),
	} {
		ev, err := parse(line)
		if want := plainEvent(); err != nil || ev != want {
			t.Errorf("%s: %v\ngot  %+v\nwant %+v", name, err, ev, want)
		}
	}
}

func TestKVEmptyAndUnexpanded(t *testing.T) {
	var empty record
	for k := range empty {
		empty[k] = keyTable[k].variable
	}
	empty[keySrcIP], empty[keyType] = "203.0.113.5", "TRAFFIC"
	want := detect.Event{Time: readAt(), Src: netip.MustParseAddr("203.0.113.5"), Type: detect.TypeTraffic, Repeat: 1}
	blank := record{keySrcIP: "203.0.113.5", keyType: "TRAFFIC"}
	for _, line := range []string{
		empty.line(), blank.line(), "SrcIP=203.0.113.5; Type=TRAFFIC",
		empty.with(keyRuleID, "$rule uuid").with(keyDstIP, `\$dst`).with(keySrcUser, `\$srcuser`).line(),
	} {
		if ev := mustParse(t, line); ev != want {
			t.Errorf("%s\ngot  %+v\nwant %+v", line, ev, want)
		}
	}
	if ev := mustParse(t, blank.with(keySrcUser, "$admin").line()); ev.SrcUser != "$admin" {
		t.Errorf("user %q: only its own variable's name is none", ev.SrcUser)
	}
}

func TestKVAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"2001:db8::1":          "2001:db8::1",
		"2001: db8::1":         "2001:db8::1", // rsyslog took "SrcIP=2001:" for a tag
		"fe80::1%ethernet1/1":  "fe80::1",
		"::ffff:198.51.100.1":  "198.51.100.1",
		"::ffff:c633:6401":     "198.51.100.1",
		"2001:db8:0:0:0:0:0:1": "2001:db8::1",
	} {
		ev := mustParse(t, "Nov 21 02:00:05 LAB-FW-01 SrcIP="+text+"; DstIP="+text+"; Type=TRAFFIC;")
		if ev.Src.String() != want || ev.Dst != ev.Src {
			t.Errorf("%s: %s and %s, want %s", text, ev.Src, ev.Dst, want)
		}
	}
}

func TestKVFaults(t *testing.T) {
	r := plainRecord()
	for _, c := range []struct {
		name, line string
		want       error
	}{
		{"port above 65535", r.with(keyDstPort, "130000").line(), ErrBadPort},
		{"source port above 65535", r.with(keySrcPort, "65536").line(), ErrBadPort},
		{"port with a sign", r.with(keyDstPort, "-1").line(), ErrBadPort},
		{"port no number", r.with(keyDstPort, "https").line(), ErrBadPort},
		{"source no address", r.with(keySrcIP, "203.0.113.256").line(), ErrBadAddress},
		{"source a name", r.with(keySrcIP, "host").line(), ErrBadAddress},
		{"destination no address", r.with(keyDstIP, "198.51.100").line(), ErrBadAddress},
		{"source empty", r.with(keySrcIP, "").line(), ErrNoSource},
		{"source not expanded", r.with(keySrcIP, "$src").line(), ErrNoSource},
		{"no source", "SrcLocation=Germany; Type=TRAFFIC;", ErrNoSource},
		{"no type", "SrcLocation=Germany; SrcIP=203.0.113.5;", ErrTruncated},
		{"type empty", r.with(keyType, "").line(), ErrTruncated},
		{"type not expanded", r.with(keyType, "$type").line(), ErrTruncated},
		{"type cut", strings.TrimSuffix(r.with(keyType, "TRAFF").line(), ";"), ErrTruncated},
		{"type cut, of a threat", strings.TrimSuffix(r.with(keyType, "THREA").line(), ";"), ErrTruncated},
		{"type cut, in small letters", strings.TrimSuffix(r.with(keyType, "thr").line(), ";"), ErrTruncated},
		{"cut in the middle", r.line()[:200], ErrTruncated},
		{"another log", r.with(keyType, "SYSTEM").line(), ErrIgnored},
		{"a key twice", "SrcIP=203.0.113.5; SrcUser=x; Action=deny; Action=allow; Type=TRAFFIC", ErrAmbiguous},
		{"a key twice, and more behind", r.with(keySrcUser, "x; DstIP=192.0.2.1").line() + " Zone=dmz; Site=x;", ErrAmbiguous},
		{"user before source", "SrcUser=x; SrcIP=203.0.113.5; Type=TRAFFIC", ErrKeyOrder},
		{"threat before source", "ThreatName=x; SrcIP=203.0.113.5; Type=TRAFFIC", ErrKeyOrder},
	} {
		if _, err := parse(c.line); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestKVThreatNames(t *testing.T) {
	for _, c := range []struct{ name, id, wantName, wantID string }{
		{"", "", "", ""},
		{"EICAR Test File Detection(86708)", "EICAR Test File Detection(86708)", "EICAR Test File Detection", "86708"},
		{"EICAR Test File Detection", "86708", "EICAR Test File Detection", "86708"},
		{"EICAR Test File Detection", "EICAR Test File Detection(86708)", "EICAR Test File Detection", "86708"},
		{"Windows Executable (EXE)(52020)", "52020", "Windows Executable (EXE)", "52020"},
		{"Windows Executable (EXE)", "52020", "Windows Executable (EXE)", "52020"},
		{"Worm (2017)", "52020", "Worm (2017)", "52020"}, // parentheses of its own
		{"(9999)", "(9999)", "", "9999"},
		{"9999(9999)", "9999", "", "9999"},
		{"", "Some Threat", "Some Threat", ""},
		{"Some Threat", "custom", "Some Threat", "custom"},
		{"Some Threat(12a)", "", "Some Threat(12a)", ""},
		{"Some Threat ()", "", "Some Threat ()", ""},
		{"Query (generic:example.com)(320511141)", "", "Query (generic:example.com)", "320511141"},
	} {
		ev := mustParse(t, plainRecord().with(keyThreatName, c.name).with(keyThreatID, c.id).line())
		if ev.ThreatName != c.wantName || ev.ThreatID != c.wantID {
			t.Errorf("%q and %q: %q and %q, want %q and %q", c.name, c.id, ev.ThreatName, ev.ThreatID, c.wantName, c.wantID)
		}
	}
}

func TestFormats(t *testing.T) {
	for text, want := range map[string]Format{"": Auto, "auto": Auto, "KV": KV, "csv": CSV, "Cef": CEF, "leef": LEEF} {
		if f, err := ParseFormat(text); err != nil || f != want {
			t.Errorf("%q: %v, %v", text, f, err)
		}
	}
	if _, err := ParseFormat("json"); err == nil || !strings.Contains(err.Error(), "json") {
		t.Errorf("json: %v", err)
	}
	kv, csv := plainRecord().line(), "Nov 21 02:00:05 LAB-FW-01 "+trafficLine(nil)
	cef := "Nov 21 02:00:05 LAB-FW-01 CEF: 0|Palo Alto Networks|PAN-OS|10.2|end|TRAFFIC|1|src=203.0.113.5 dpt=443 act=deny"
	leef := "LEEF:1.0|Palo Alto Networks|PAN-OS Syslog Integration|10.2|deny|cat=TRAFFIC|src=203.0.113.5|dstPort=443"
	for _, c := range []struct {
		format Format
		line   string
		want   error
	}{
		{Auto, kv, nil}, {KV, kv, nil}, {CSV, kv, ErrNoFormat}, {CEF, kv, ErrNoFormat}, {LEEF, kv, ErrNoFormat},
		{Auto, csv, nil}, {CSV, csv, nil}, {KV, csv, ErrNoFormat}, {CEF, csv, ErrNoFormat},
		{Auto, cef, nil}, {CEF, cef, nil}, {KV, cef, ErrNoFormat}, {LEEF, cef, ErrNoFormat},
		{Auto, leef, nil}, {LEEF, leef, nil}, {CSV, leef, ErrNoFormat}, {CEF, leef, ErrNoFormat},
		{Auto, "LEEF:1.0|Palo Alto Networks|PAN-OS", ErrExtensionHeader}, {Auto, "CEF:0|Palo Alto Networks|PAN-OS|11.1|end", ErrExtensionHeader},
		{Auto, "CEF:0|Example|Gateway|1|1|TRAFFIC|1|src=203.0.113.5", ErrOtherProduct}, {CEF, "LEEF:1.0|Example|Gateway|1|1|src=203.0.113.5", ErrNoFormat},
		{Auto, "Nov 21 02:00:05 LAB-FW-01 {\"SourceAddress\": \"203.0.113.5\"}", ErrJSON}, {KV, "{}", ErrJSON},
		{CEF, "", ErrIgnored}, {Auto, " \t\r", ErrIgnored},
	} {
		var ev detect.Event
		if err := New(Options{Format: c.format}).Parse([]byte(c.line), readAt(), &ev); !errors.Is(err, c.want) {
			t.Errorf("%v %.60q: %v, want %v", c.format, c.line, err, c.want)
		}
	}
}

// TestKeyWords: a key is known by every one of its bytes.
func TestKeyWords(t *testing.T) {
	for k := range endKeys {
		text := []byte(keyTable[k].name + "=")
		line := append(text, "value; more"...)
		for other := range endKeys {
			if n := keyWords[other].in(line); (n > 0) != (other == k) || n > 0 && n != len(text) {
				t.Errorf("%s in %s: %d", keyTable[other].name, line, n)
			}
		}
		for i := range text {
			line[i] ^= 1
			if n := keyWords[k].in(line); n != 0 {
				t.Errorf("%s in %s: %d", keyTable[k].name, line, n)
			}
			line[i] ^= 1
		}
		for cut := range len(text) {
			if n := keyWords[k].in(line[:cut]); n != 0 {
				t.Errorf("%s in %s: %d", keyTable[k].name, line[:cut], n)
			}
		}
	}
}
