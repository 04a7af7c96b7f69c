package panos

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"activedefense/detect"
)

// TestNoAllocation: a line whose strings were all seen before costs no memory.
func TestNoAllocation(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	const head = "Nov 21 02:00:05 LAB-FW-01 "
	kv := plainRecord()
	traffic := randomEvent(rand.New(rand.NewPCG(1, 2)), 1)
	threat := traffic
	traffic.Type, threat.Type, threat.Severity, threat.ThreatName, threat.ThreatID = detect.TypeTraffic, detect.TypeThreat, "high", "A b", "7"
	for name, lines := range map[string][]string{
		"kv":                   {head + kv.line(), head + kv.with(keySrcUser, `example\bob`).line()},
		"kv, IPv6":             {head + kv.with(keySrcIP, "2001:db8::5").with(keyDstIP, "2001: db8::1").line()},
		"kv, hostile":          {head + kv.with(keySrcUser, "x; DstIP=192.0.2.1; y").line()},
		"kv, Latin-1":          {head + kv.with(keySrcUser, "M\xfcller").line()},
		"kv, header's time":    {head + kv.with(keyTimeReceived, "").line(), "Nov 20 11:00:05 LAB-FW-01 " + kv.with(keyTimeReceived, "").line()},
		"kv, two times":        {head + kv.line(), head + kv.with(keyTimeReceived, "2025/11/20 03:04:05").line()},
		"kv, repeated":         {head + "SrcLocation=Korea message repeated 3 times: [ Republic Of" + strings.TrimPrefix(kv.line(), "SrcLocation=Germany") + "]"},
		"kv, fault":            {head + kv.with(keyDstPort, "130000").line()},
		"csv":                  {head + trafficLine(nil), head + threatLine(nil)},
		"csv, quotes":          {head + threatLine(map[int]string{12: `"Jane ""J"" Doe"`, 32: `"A, ""b""(7)"`})},
		"csv, high resolution": {head + threatLine(map[int]string{1: ""})},
		"cef":                  {head + written(cefTraffic, valuesOfEvent(&traffic)), head + written(cefThreat, valuesOfEvent(&threat)), head + written(lfTraffic, valuesOfEvent(&traffic))},
		"leef":                 {head + written(leefTraffic, valuesOfEvent(&traffic)), head + written(cloudThreat, valuesOfEvent(&threat)), head + strings.ReplaceAll(written(cloudTraffic, valuesOfEvent(&traffic)), "\t", "#011")},
		"cef, logins":          {head + written(cefGlobalProtect, gpValues("alice")), head + written(lfGlobalProtect, gpValues(`example\\alice`))},
		"cef, fault":           {head + strings.Replace(written(cefTraffic, valuesOfEvent(&traffic)), "src=", "src=x", 1), head + "CEF:0|Example|Gateway|1|2|3|4|"},
		"no record":            {"Nov 21 02:00:05 gate sshd[812]: Invalid user"},
	} {
		p := New(Options{Location: berlin})
		var ev detect.Event
		data := make([][]byte, len(lines))
		for i := range lines {
			data[i] = []byte(lines[i])
		}
		got := testing.AllocsPerRun(100, func() {
			for _, line := range data {
				_ = p.Parse(line, readAt(), &ev)
			}
		})
		if got != 0 {
			t.Errorf("%s: %v allocations", name, got)
		}
	}
}

// TestTheLineIsNotKept overwrites the line behind the event's back.
func TestTheLineIsNotKept(t *testing.T) {
	p := New(Options{Location: time.UTC})
	for _, line := range []string{plainRecord().line(), plainRecord().with(keySrcUser, strings.Repeat("u", 700)).line(), trafficLine(nil)} {
		var ev detect.Event
		data := []byte(line)
		if err := p.Parse(data, readAt(), &ev); err != nil {
			t.Fatal(err)
		}
		before := describe(&ev, nil)
		before = strings.Clone(before)
		for i := range data {
			data[i] = '!'
		}
		if after := describe(&ev, nil); after != before {
			t.Errorf("%s\nbecame %s", before, after)
		}
	}
}

// TestMemoryIsBounded gives every field a new value on every line.
func TestMemoryIsBounded(t *testing.T) {
	p := New(Options{Location: time.UTC})
	var ev detect.Event
	feed := func(n int) {
		for i := range n {
			r := plainRecord()
			for _, k := range []key{keySrcLocation, keySrcUser, keyDstLocation, keyAction, keyRuleName, keyRuleID, keyThreatName, keyThreatID, keySeverity, keySubtype} {
				r[k] = fmt.Sprintf("%d %s", i, strings.Repeat("x", 200))
			}
			if err := p.Parse([]byte(r.line()), readAt(), &ev); err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf("%d %s", i, strings.Repeat("x", 200)); ev.SrcUser != want || ev.Rule != want {
				t.Fatalf("line %d: user %q, rule %q", i, ev.SrcUser, ev.Rule)
			}
		}
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	feed(2 * maxEntries)
	before := heap()
	feed(6*maxEntries + 7)
	if after := heap(); after > before+8<<20 {
		t.Errorf("grew from %d to %d bytes", before, after)
	}
	for _, table := range []*table{&p.names.user, &p.names.region, &p.names.threat} {
		if n := len(table.all); n > maxEntries {
			t.Errorf("%d entries", n)
		}
	}
}

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"Türkiye":                "Türkiye",
		"T\xfcrkiye":             "Türkiye", // Latin-1
		"a\tb":                   "a#011b",
		"\x1b[31mred":            "#033[31mred",
		"a\x00b":                 "a#000b",
		"a\x7fb":                 "a#177b",
		"a\x9bb":                 "a#233b",     // a control character of Latin-1
		"a\u009bb":               "a#302#233b", // and of Unicode
		"日本":                     "日本",
		"\xe6\x97":               "æ#227",
		strings.Repeat("é", 600): strings.Repeat("é", 512),
		"#011":                   "#011",
	} {
		ev := mustParse(t, plainRecord().with(keySrcUser, in).line())
		if ev.SrcUser != want {
			t.Errorf("%q: %q, want %q", in, ev.SrcUser, want)
		}
	}
}

func TestAddressesAgainstNetip(t *testing.T) {
	for _, s := range []string{
		"0.0.0.0", "255.255.255.255", "1.2.3.4", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.256", "1..3.4", ".1.2.3", "1.2.3.", "", "::", "::1", "1::", "1::2::3",
		":1", "1:", ":::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1::2:3:4:5:6:7:8", "::1.2.3.4",
		"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4", "::ffff:1.2.3.4", "::1.2.3.4:5", "12345::", "g::", "FE80::ABCD", "1:2:3:4:5:6:7:8::",
		"fe80::1%eth0", "fe80::1%", "1.2.3.4%eth0", "%eth0", "::ffff:1.2.3.4%1", "1:2:3:4:5:6::1.2.3.4", "1 ::", "0000001::",
	} {
		if err := checkAddr([]byte(s)); err != nil {
			t.Error(err)
		}
	}
}

// checkAddr holds parseAddr against netip.ParseAddr.
func checkAddr(b []byte) error {
	got, ok := parseAddr(b)
	want, err := netip.ParseAddr(string(b))
	want = want.WithZone("").Unmap()
	if ok != (err == nil) || got != want {
		return fmt.Errorf("%q: %v %v, want %v %v", b, got, ok, want, err)
	}
	return nil
}

func FuzzAddr(f *testing.F) {
	for _, s := range []string{"1.2.3.4", "2001:db8::1", "::ffff:1.2.3.4", "fe80::1%eth0"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := checkAddr(b); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzParse: no line makes the parser panic, and what it reads is fit to be stored
// and shown.
func FuzzParse(f *testing.F) {
	for _, line := range []string{
		"Nov 21 02:00:05 LAB-FW-01 " + plainRecord().line(),
		"<14>1 2025-11-21T02:00:00Z LAB-FW-01 - - - - " + trafficLine(nil),
		"2025-11-21T02:00:00.1+01:00 LAB-FW-01 - " + threatLine(map[int]string{12: `"a,""b"""`}),
		"1028 <14>Nov 21 02:00:05 LAB-FW-01 SrcLocation=Korea message repeated 3 times: [ Republic Of; SrcIP=2001: db8::1; Type=TRAFFIC;]",
		"Nov 21 2025 02:00:05 : SrcIP=203.0.113.5; SrcLocation=x;#011SrcUser=\xff\x00; Type= THREAT #015",
		plainRecord().with(keySrcUser, "x"+fake().keys(keySrcLocation, keyType)).line(),
		fill(TrafficFormat, plainRecord(), plainValues()), fill(ThreatFormat, plainRecord(), plainValues()),
		gpLine(49, map[int]string{12: `"a,""b"""`}), earlyLine(nil), gpLine(36, map[int]string{15: "", 16: "2001:db8::5"}),
		systemLine("auth", "auth-fail", authFail("x'. From: 8.8.8.8.", wrongPassword, "203.0.113.5")),
		systemLine("globalprotect", "globalprotectportal-auth-fail", "GlobalProtect portal user authentication failed. Login from: 203.0.113.5, User name: x, Reason: y, Auth type: p"),
		systemLine("globalprotect", "globalprotectportal-auth-fail", "GlobalProtect user authentication failed. Login from: 203.0.113.5"), // names no component
		systemLine("general", "general", "User x logged in via Web from 203.0.113.5 using https"), systemLine("general", "general", "User x logged in via Web from using https"),
		fillLogin(GlobalProtectFormat, gpValues(`x; SrcIP=8.8.8.8`)), fillLogin(SystemFormat, systemValues(authFail("x; Type=TRAFFIC", wrongPassword, "203.0.113.5"))),
		"CEF: 0|Palo Alto Networks|PAN-OS|", "CEF:0|Palo Alto Networks|PAN-OS|10|x(1)|THREAT|1|src=203.0.113.5 dpt=1 act=drop request=a cat=b", "LEEF:2.0|Palo Alto Networks|LF|1|x|^|cat=THREAT^src=203.0.113.5^dstPort=1^action=drop", "2021-10-27T19:20:59.000000Z,no-serial,TRAFFIC,end",
	} {
		f.Add([]byte(line), int64(1763690430))
	}
	shared := New(Options{Location: time.UTC})
	f.Fuzz(func(t *testing.T, line []byte, at int64) {
		before := string(line)
		ev := detect.Event{Ref: 7}
		err := shared.Parse(line, time.Unix(at, 0), &ev)
		if string(line) != before {
			t.Fatal("the line was changed")
		}
		if ev.Ref != 7 {
			t.Fatal("Ref was changed")
		}
		var again detect.Event
		again.Ref = 7
		if e := New(Options{Location: time.UTC}).Parse(line, time.Unix(at, 0), &again); e != err || err == nil && again != ev {
			t.Fatalf("a new parser reads it otherwise: %v %+v\n%v %+v", err, ev, e, again)
		}
		if err != nil {
			if strings.HasPrefix(errorName(err), "unnamed") {
				t.Fatal(err)
			}
			return
		}
		if !ev.Src.IsValid() && ev.Type != detect.TypeGlobalProtect || ev.Src.Is4In6() || ev.Src.Zone() != "" || ev.Dst.Is4In6() || ev.Dst.Zone() != "" {
			t.Fatalf("addresses %v %v", ev.Src, ev.Dst)
		}
		if ev.Type == detect.TypeUnknown || ev.Repeat < 1 || ev.Repeat > maxRepeat {
			t.Fatalf("type %v, repeat %d", ev.Type, ev.Repeat)
		}
		for _, s := range []string{ev.Application, ev.EndReason, ev.Category, ev.SrcZone, ev.DstZone, ev.Device, ev.SrcUser, ev.SrcCountry, ev.DstCountry, ev.Action, ev.Rule, ev.RuleID, ev.ThreatName, ev.ThreatID, ev.Severity, ev.Subtype} {
			if len(s) > MaxValue || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
				t.Fatalf("%q", s)
			}
		}
	})
}
