package panos

import (
	"errors"
	"strings"
	"testing"
	"time"

	"activedefense/detect"
)

// TestHeaders puts everything that may precede a record before one without a time or
// device of its own: both then come from the header.
func TestHeaders(t *testing.T) {
	at := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	day := func(year int, month time.Month, day, h, m, s, ns int) time.Time {
		return time.Date(year, month, day, h, m, s, ns, time.UTC)
	}
	nov := day(2025, 11, 21, 2, 0, 0, 0)
	cases := []struct {
		header, host string
		time         time.Time
	}{
		{"", "", at},
		{"Nov 21 02:00:00 LAB-FW-01 ", "LAB-FW-01", nov},
		{"Nov  1 02:00:00 LAB-FW-01 ", "LAB-FW-01", day(2025, 11, 1, 2, 0, 0, 0)},
		{"Nov 1 02:00:00 LAB-FW-01 ", "LAB-FW-01", day(2025, 11, 1, 2, 0, 0, 0)},
		{"Nov 01 02:00:00 LAB-FW-01 ", "LAB-FW-01", day(2025, 11, 1, 2, 0, 0, 0)},
		{"Nov 21 2025 02:00:00 LAB-FW-01 ", "LAB-FW-01", nov},
		{"May 30 2017 00:07:27 LAB-FW-01 ", "LAB-FW-01", day(2017, 5, 30, 0, 7, 27, 0)},
		{"Jan  3 11:00:00 LAB-FW-01 ", "LAB-FW-01", day(2026, 1, 3, 11, 0, 0, 0)}, // less than a day ahead
		{"Jan  3 13:00:00 LAB-FW-01 ", "LAB-FW-01", day(2025, 1, 3, 13, 0, 0, 0)}, // more
		{"Feb 29 13:00:00 LAB-FW-01 ", "LAB-FW-01", day(2024, 2, 29, 13, 0, 0, 0)},
		{"Nov 21 02:00:00 192.0.2.1 ", "192.0.2.1", nov},
		{"Nov 21 02:00:00 2001:db8::9 ", "2001:db8::9", nov},
		{"Nov 21 02:00:00 fw.example.com ", "fw.example.com", nov},
		{"Nov 21 02:00:00 fw_1.example.com   ", "fw_1.example.com", nov},
		{"Nov 21 02:00:00 <local0.info> LAB-FW-01 ", "LAB-FW-01", nov}, // FreeBSD's syslogd -vv, and -v
		{"Nov 21 02:00:00 <16.6> LAB-FW-01 ", "LAB-FW-01", nov},
		{"Nov 21 02:00:00 ", "", nov}, // no host
		{"Nov 21 02:00:00 LAB-FW-01  : ", "LAB-FW-01", nov},
		{"Nov 21 02:00:00 : ", "", nov},
		{": ", "", at},
		{"LAB-FW-01  : ", "LAB-FW-01", at},
		{"Nov 21 02:00:00 LAB-FW-01 - ", "LAB-FW-01", nov}, // RFC 5424 through rsyslog
		{"Nov 21 02:00:00 LAB-FW-01 - - - - ", "LAB-FW-01", nov},
		{"Nov 21 02:00:00 LAB-FW-01 - \xef\xbb\xbf", "LAB-FW-01", nov},
		{"<14>Nov 21 02:00:00 LAB-FW-01 ", "LAB-FW-01", nov},
		{"<14> Nov 21 02:00:00 LAB-FW-01 ", "LAB-FW-01", nov},
		{"<14>", "", at},
		{"1028 <142>Nov 21 02:00:00 LAB-FW-01 ", "LAB-FW-01", nov},
		{"\xef\xbb\xbfNov 21 02:00:00 LAB-FW-01 ", "LAB-FW-01", nov},
		{"2025-11-21T02:00:00Z LAB-FW-01 ", "LAB-FW-01", nov},
		{"2025-11-21T04:00:00+02:00 LAB-FW-01 ", "LAB-FW-01", nov},
		{"2025-11-20T21:30:00-0430 LAB-FW-01 ", "LAB-FW-01", nov},
		{"2025-11-21T02:00:00 LAB-FW-01 ", "LAB-FW-01", nov}, // in the Location
		{"2025-11-21T02:00:00.123456+00:00 LAB-FW-01 ", "LAB-FW-01", day(2025, 11, 21, 2, 0, 0, 123456000)},
		{"2025-11-21T02:00:00.1234567891Z LAB-FW-01 - ", "LAB-FW-01", day(2025, 11, 21, 2, 0, 0, 123456789)},
		{"<14>1 2025-11-21T02:00:00Z LAB-FW-01 - - - - ", "LAB-FW-01", nov},
		{"<14>1 2025-11-21T02:00:00Z LAB-FW-01 - - - -  ", "LAB-FW-01", nov},
		{"1037 <14>1 2025-11-21T02:00:00Z LAB-FW-01 - - - - \xef\xbb\xbf", "LAB-FW-01", nov},
		{`<14>1 2025-11-21T02:00:00Z LAB-FW-01 app 1 id [a@1 b="]\"" c="2"][d] `, "LAB-FW-01", nov},
		{"<14>1 - - - - - - ", "", at},
		{"<14>1 2025-11-21T02:00:00Z - logforwarder - panwlogs - ", "", nov},
		{"1 2025-11-21T02:00:00Z LAB-FW-01 - - - - ", "LAB-FW-01", nov}, // a relay that drops priorities
		{"<14>1 2025-11-21T02:00:00Z LAB-FW-01 ", "LAB-FW-01", nov},
		{"Nov 99 02:00:00 LAB-FW-01 ", "LAB-FW-01", at}, // no such day: the time of reading
		{"2525-11-21T02:00:00Z LAB-FW-01 ", "LAB-FW-01", at},
	}
	for _, c := range cases {
		p := New(Options{Location: time.UTC})
		for _, record := range []string{"SrcLocation=Germany; SrcIP=203.0.113.5; Type=TRAFFIC;", trafficLine(map[int]string{1: "", 6: "", 52: "", 102: ""})} {
			var ev detect.Event
			if err := p.Parse([]byte(c.header+record), at, &ev); err != nil {
				t.Errorf("%q: %v", c.header, err)
			} else if ev.Device != c.host || !ev.Time.Equal(c.time) {
				t.Errorf("%q: host %q at %v, want %q at %v", c.header, ev.Device, ev.Time, c.host, c.time)
			}
		}
	}
	// What stood before the record in the line before changes nothing, also where it is the same, or the beginning of it.
	p, records := New(Options{Location: time.UTC}), []string{trafficLine(map[int]string{1: "", 6: "", 52: "", 102: ""}), trafficLine(map[int]string{0: "2025"}),
		"SrcIP=203.0.113.5; Type=TRAFFIC;", " 1,", "- 1,", "x", ""}
	for _, before := range cases {
		for _, c := range cases {
			for _, record := range records {
				var ev, want detect.Event
				_ = p.Parse([]byte(before.header+records[0]), at, &ev)
				err, wanted := p.Parse([]byte(c.header+record), at, &ev), New(Options{Location: time.UTC}).Parse([]byte(c.header+record), at, &want)
				if err != wanted || err == nil && ev != want {
					t.Errorf("%q after %q: %+v, %v, want %+v, %v", c.header+record, before.header, ev, err, want, wanted)
				}
			}
		}
	}
}

// TestRecordsBehindRelays: a relay made a message of RFC 5424 of the firewall's; what rsyslog makes of a tag was measured.
func TestRecordsBehindRelays(t *testing.T) {
	const cef, leef, kv = "0|Palo Alto Networks|PAN-OS|11.1|drop|TRAFFIC|1|src=203.0.113.5 dst=198.51.100.7 spt=1 dpt=2 act=deny", "1.0|Palo Alto Networks|PAN-OS Syslog Integration|11|deny|cat=TRAFFIC|src=203.0.113.5|dst=198.51.100.7|srcPort=1|dstPort=2|action=deny",
		"SrcIP=203.0.113.5; SrcPort=1; DstIP=198.51.100.7; DstPort=2; Action=deny; Type=TRAFFIC;"
	csv := trafficLine(map[int]string{1: "2025/11/21 02:00:00", 52: ""})
	for _, data := range []string{"- ", "-  ", `[meta sequenceId="1"] `, `[a@1 b="]\""][d] `, "- \xef\xbb\xbf", "-  \xef\xbb\xbf ", `[d] ` + "\xef\xbb\xbf"} {
		for _, c := range []struct{ tag, text string }{
			{"CEF", cef}, {"LEEF", leef}, {"SrcLocation=Germany;", kv}, {"SrcLocation=;", kv}, {"SrcLocation=United", "States; " + kv}, {"-", "CEF:" + cef}, {"-", "LEEF:" + leef}, {"-", "SrcLocation=Germany; " + kv},
			{"CEF", "message repeated 3 times: [ " + cef + "]"}, {"1,2025", csv[strings.IndexByte(csv, ' '):]},
		} {
			line := "<14>1 2025-11-21T02:00:00+00:00 LAB-FW-01 " + c.tag + " - - " + data + c.text
			ev := mustParse(t, line)
			if ev.Src.String() != "203.0.113.5" || ev.Device != "LAB-FW-01" || ev.Type != detect.TypeTraffic || ev.Time.Format(time.RFC3339) != "2025-11-21T02:00:00Z" && c.tag != "1,2025" || strings.Contains(c.text, "repeated") && ev.Repeat != 3 ||
				strings.HasPrefix(c.text, "States") && ev.SrcCountry != "United States" {
				t.Errorf("%s\n%+v", line, ev)
			}
		}
	}
	for _, text := range []string{"sshd 7 - - CEF:" + cef[:9], "sshd 7 - - Invalid user CEF:" + cef, "CEF - - - ", "SrcLocation - - - =x", "x - - - " + cef} {
		if ev, err := parse("<14>1 2025-11-21T02:00:00+00:00 h " + text); err == nil || ev.Src.IsValid() {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestNoRecord holds lines of other programs, some with a record in what a stranger
// chose: only the places that a firewall's message begins at are looked at.
func TestNoRecord(t *testing.T) {
	kv, csv := plainRecord().line(), trafficLine(nil)
	for _, line := range []string{
		"Nov 21 02:00:00 gate sshd[812]: Invalid user " + kv + " from 192.0.2.8 port 4",
		"Nov 21 02:00:00 gate sshd[812]: " + kv,
		"Nov 21 02:00:00 gate login: " + csv,
		"Nov 21 02:00:00 gate login " + csv,
		"gate: " + csv,
		"Nov 21 02:00:00 " + strings.Repeat("x", 256) + " " + csv,
		"Nov 21 02:00:00 a/b " + csv,
		"Nov 21 02:00:00 LAB-FW-01 - - - - - " + csv,
		`<14>1 2025-11-21T02:00:00Z LAB-FW-01 app 1 id [a b="] ` + kv,
		"<14>1 2025-11-21T02:00:00Z gate sshd 812 - - Invalid user " + kv,
		"Nov 21 02:00:00 gate last message repeated 3 times",
		"Nov 21 02:00:00 gate message repeated 3 times: [" + kv,
		"Nov 21 02:00:00 LAB-FW-01 timestamp=2021/05/04 04:24:37, type=TRAFFIC, network.client.ip=10.70.255.70",
		"Nov 21 02:00:00 LAB-FW-01", "Nov 21 02:00:00", "<14>", "<14>1", "<14>1 ", "1", "-", "x", "SrcIP", "<>1,", "<1234>" + csv,
	} {
		if ev, err := parse(line); !errors.Is(err, ErrNoFormat) {
			t.Errorf("%s\n%v %+v", line, err, ev)
		}
	}
}

// TestRepeated undoes what rsyslog does to messages that it merges.
func TestRepeated(t *testing.T) {
	kv, csv := plainRecord().with(keySrcLocation, "Korea Republic Of").line(), trafficLine(nil)
	splice := func(record, count string) string {
		first, rest, _ := strings.Cut(record, " ")
		return first + " message repeated " + count + " times: [ " + rest + "]"
	}
	const head = "Nov 21 02:00:05 LAB-FW-01 "
	for _, c := range []struct {
		line   string
		like   string
		repeat uint32
	}{
		{head + splice(kv, "3"), kv, 3},
		{head + splice(csv, "3"), csv, 3},
		{head + splice(kv+"#015", "3"), kv, 3},
		{head + splice(kv, "3") + "\r", kv, 3},
		{head + "- message repeated 3 times: [" + kv + "]", kv, 3},
		{head + "- message repeated 12 times: [ " + csv + "]", csv, 12},
		{head + splice(kv, "0"), kv, 1},
		{head + splice(kv, "99999999999999999999999"), kv, 1_000_000},
		{head + splice("SrcIP=2001: db8::1; "+kv[len("SrcLocation=Korea Republic Of; SrcIP=203.0.113.5; "):], "2"),
			"SrcIP=2001:db8::1; " + kv[len("SrcLocation=Korea Republic Of; SrcIP=203.0.113.5; "):], 2},
	} {
		want := mustParse(t, head+c.like)
		want.Repeat = c.repeat
		if ev, err := parse(c.line); err != nil || ev != want {
			t.Errorf("%s: %v\ngot  %+v\nwant %+v", c.line, err, ev, want)
		}
	}

	// The same words in a value are the value's.
	user := `x message repeated 9 times: [ y]`
	if ev := mustParse(t, head+plainRecord().with(keySrcUser, user).line()); ev.SrcUser != user || ev.Repeat != 1 {
		t.Errorf("user %q, repeat %d", ev.SrcUser, ev.Repeat)
	}
	// rsyslog cuts the merged text at 800 characters.
	long := plainRecord().with(keyThreatName, strings.Repeat("x", 900)).with(keySrcLocation, "Korea Republic Of").line()
	if _, err := parse(head + splice(long[:850], "3")); !errors.Is(err, ErrTruncated) {
		t.Errorf("cut: %v", err)
	}
	if ev := mustParse(t, head+splice(csv[:300], "3")); ev.Repeat != 3 || ev.DstPort != 443 {
		t.Errorf("cut behind what is needed: %+v", ev)
	}
}

// TestTheLineAheadChangesNothing: what stands before a record is taken from the line ahead only where it means the same in any line.
func TestTheLineAheadChangesNothing(t *testing.T) {
	csv := string(csvLines(1)[0][len("Nov 21 02:00:00 LAB-FW-01 "):])
	cef := written(cefTraffic, injectedValues("TRAFFIC"))
	leef := written(leefTraffic, injectedValues("TRAFFIC"))
	records := []string{csv, cef, leef, strings.Replace(csv, " 02", " - - - 02", 1), "CEF - - - " + cef[len("CEF:"):], strings.Replace(cef, "Palo ", "Palo - - - ", 1), "LEEF:1.0|x - - [x] " + leef, "logforwarder " + cef, "- " + cef, "SSL", cef[:9]}
	for _, front := range []string{"Nov 21 02:00:00 fw ", "<14>1 2025-11-21T02:00:00Z fw ", "<14>1 2025-11-21T02:00:00Z fw - - - - ", "<14>1 2025-11-21T02:00:00Z fw logforwarder - panwlogs - ", ""} {
		for _, first := range records {
			for _, second := range records {
				used := New(Options{Location: time.UTC})
				var ev, want detect.Event
				_ = used.Parse([]byte(front+first), readAt(), &ev)
				err := used.Parse([]byte(front+second), readAt(), &ev)
				wantErr := New(Options{Location: time.UTC}).Parse([]byte(front+second), readAt(), &want)
				if err != wantErr || err == nil && ev != want {
					t.Errorf("behind %s%.20s: %s%.60s\ngot  %v %+v\nwant %v %+v", front, first, front, second, err, ev, wantErr, want)
				}
			}
		}
	}
}
