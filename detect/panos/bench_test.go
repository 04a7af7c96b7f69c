package panos

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"activedefense/detect"
)

// benchTime is the time of reading in the benchmarks.
func benchTime() time.Time { return time.Date(2025, 11, 21, 2, 0, 0, 0, time.UTC) }

// kvLines are n lines as a scan leaves them: a few regions, rules and users, every
// address and port another.
// Sixteen of them share a second.
func kvLines(n int) [][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	regions := []string{"United States", "Germany", "Korea Republic Of", "Australia", "10.0.0.0-10.255.255.255", "Russian Federation"}
	users := []string{"", "", `example\alice`, `example\bob`}
	lines := make([][]byte, n)
	for i := range lines {
		lines[i] = fmt.Appendf(nil, "Nov 21 02:%02d:%02d LAB-FW-01 SrcLocation=%s; SrcIP=203.0.113.%d; SrcPort=%d; SrcUser=%s; "+
			"DstLocation=%s; DstIP=198.51.100.%d; DstPort=%d; Action=deny; RuleName=Block inbound; RuleID=321ef4bf-801e-1c89-b341-efb2898ba2be; "+
			"TimeReceived=2025/11/21 02:%02d:%02d; ThreatName=; ThreatID=; Severity=; Subtype=drop; Type=TRAFFIC;",
			i/960%60, i/16%60, regions[r.IntN(6)], r.IntN(256), r.IntN(65536), users[r.IntN(4)], regions[r.IntN(6)], r.IntN(256), r.IntN(65536), i/960%60, i/16%60)
	}
	return lines
}

func csvLines(n int) [][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	lines := make([][]byte, n)
	for i := range lines {
		lines[i] = fmt.Appendf(nil, "Nov 21 02:%02d:%02d LAB-FW-01 1,2025/11/21 02:%02d:%02d,007,TRAFFIC,drop,2562,2025/11/21 02:%02d:%02d,"+
			"203.0.113.%d,198.51.100.%d,0.0.0.0,0.0.0.0,Block inbound,,,not-applicable,vsys1,untrust,trust,ethernet1/3,,forward,"+
			"2025/11/21 02:00:00,0,1,%d,%d,0,0,0x0,tcp,deny,54,54,0,1,2025/11/21 02:00:00,0,any,0,730275,0x0,Germany,Australia,0,1,0,"+
			"policy-deny,0,0,0,0,,LAB-FW-01,from-policy,,,0,,0,,N/A,0,0,0,0,321ef4bf-801e-1c89-b341-efb2898ba2be,0,0,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,"+
			"2025-11-21T02:%02d:%02d.%03d+00:00,,,unknown,unknown,unknown,1,,,not-applicable,no,no,0",
			i/960%60, i/16%60, i/960%60, i/16%60, i/960%60, i/16%60, r.IntN(256), r.IntN(256), r.IntN(65536), r.IntN(65536),
			i/960%60, i/16%60, i%16*60)
	}
	return lines
}

func benchmark(b *testing.B, lines [][]byte) {
	p, at := New(Options{Location: time.UTC}), benchTime()
	var ev detect.Event
	var size int
	for _, l := range lines {
		if err := p.Parse(l, at, &ev); err != nil {
			b.Fatalf("%s: %v", l, err)
		}
		size += len(l)
	}
	b.SetBytes(int64(size / len(lines)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if p.Parse(lines[i%len(lines)], at, &ev) != nil {
			b.Fatal("no longer parses")
		}
	}
}

func BenchmarkParseKV(b *testing.B) { benchmark(b, kvLines(4096)) }

// BenchmarkParseKVISO has the header that Debian's rsyslog writes.
func BenchmarkParseKVISO(b *testing.B) {
	lines := kvLines(4096)
	for i, line := range lines {
		lines[i] = append([]byte("2025-11-21T02:00:00.123456+00:00"), line[len("Nov 21 02:00:00"):]...)
	}
	benchmark(b, lines)
}

// BenchmarkParseKVHostile has a user in each line that holds a whole line.
func BenchmarkParseKVHostile(b *testing.B) {
	lines := kvLines(4096)
	for i, line := range lines {
		lines[i] = bytes.Replace(line, []byte("; DstLocation"), []byte(fake().keys(keySrcLocation, keyType)+"; DstLocation"), 1)
	}
	benchmark(b, lines)
}

func BenchmarkParseCSV(b *testing.B) { benchmark(b, csvLines(4096)) }

// BenchmarkParseKVLonger has the lines of BenchmarkParseKV in the format of the Traffic section that adds what became of a
// session.
func BenchmarkParseKVLonger(b *testing.B) {
	lines := kvLines(4096)
	for i, line := range lines {
		lines[i] = fmt.Appendf(line, " Application=not-applicable; SrcZone=untrust; DstZone=trust; Protocol=tcp; NATSrcIP=0.0.0.0; NATSrcPort=0; NATDstIP=0.0.0.0; NATDstPort=0; "+
			"TimeGenerated=2025/11/21 02:%02d:%02d; TimePrecise=2025-11-21T02:%02d:%02d.%03d+00:00; BytesSent=54; BytesReceived=0; PacketsSent=1; PacketsReceived=0; EndReason=policy-deny;",
			i/960%60, i/16%60, i/960%60, i/16%60, i%16*60)
	}
	benchmark(b, lines)
}

// BenchmarkParseLogins has failed logins in every format.
func BenchmarkParseLogins(b *testing.B) {
	for name, line := range map[string]func(user, addr string) string{
		"GlobalProtect/CSV": func(user, addr string) string { return gpLine(49, map[int]string{12: user, 15: addr}) },
		"System/CSV": func(user, addr string) string {
			return systemLine("auth", "auth-fail", authFail(user, wrongPassword, addr))
		},
		"GlobalProtect/KV": func(user, addr string) string {
			v := gpValues(user)
			v["$public_ip"] = addr
			return fillLogin(GlobalProtectFormat, v)
		},
		"System/KV": func(user, addr string) string {
			return fillLogin(SystemFormat, systemValues(authFail(user, wrongPassword, addr)))
		},
	} {
		b.Run(name, func(b *testing.B) {
			lines := make([][]byte, 512)
			for i := range lines {
				lines[i] = []byte(relayHead + line(fmt.Sprintf("user%d", i), fmt.Sprintf("203.0.113.%d", i%256)))
			}
			benchmark(b, lines)
		})
	}
}
