package block

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func noon() time.Time { return time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC) }

func v4(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

// A generator makes records that follow each other.
type generator func() Record

// scans are those of the benchmarks of the store: a log of denied scans, 10,000 a second; half of the sources are of 256, half random; every
// port is random. An ideal code takes 8.5 bytes for each: 20.5 bits the source, 8 the destination, 32 the ports, 3 the country and 1 which half.
func scans(seed uint64) generator {
	r := rand.New(rand.NewPCG(seed, 1))
	countries := []string{"DE", "US", "CN", "RU", "BR", "FR", "NL", "United Kingdom"}
	i := int64(0)
	return func() Record {
		src := r.Uint32()
		if i++; i%2 == 0 {
			src = 0xcb007100 | src&0xff
		}
		return Record{ID: i, Agent: 1, Time: noon().Add(time.Duration(i) * 100 * time.Microsecond), Device: "LAB-FW-01", Src: v4(src), Dst: netip.AddrFrom4([4]byte{192, 0, 2, byte(r.UintN(256))}),
			SrcPort: uint16(r.UintN(1 << 16)), DstPort: uint16(r.UintN(1 << 16)), SrcCountry: countries[r.IntN(8)], DstCountry: "DE", Action: "deny",
			Rule: "interzone-default", RuleID: "5f3c7a8e-1234-4a4b-9c1d-aabbccddeeff", Subtype: "drop", Type: "TRAFFIC", Repeat: 1, File: 1, Offset: i * 420,
			Application: "not-applicable", FromZone: "outside", ToZone: "inside", SessionEndReason: "policy-deny", Protocol: TCP, Outcome: Refused, Grade: Forgeable}
	}
}

// sessions are like a firewall's log of everything, 2,000 a second with the time in seconds: 6 in 10 are sessions of 3,000 of ours to 200,000 servers, the known ones
// more often (Zipf, 1.1), of 24 applications and 500 users; 4 in 10 are refused, from 50,000 strangers (Zipf, 1.05) of 40 countries to one of 256 addresses, half of them to one
// of 20 ports. Lines are 350 to 480 bytes. One in 1,000 is a threat.
func sessions(seed uint64) generator {
	r := rand.New(rand.NewPCG(seed, 2))
	servers, strangers, small := rand.NewZipf(r, 1.1, 8, 200_000-1), rand.NewZipf(r, 1.05, 8, 50_000-1), rand.NewZipf(r, 1.3, 2, 39)
	offset, i := int64(0), int64(0)
	return func() Record {
		i++
		offset += 350 + r.Int64N(130)
		rec := Record{ID: i, Agent: 1, Time: noon().Add(time.Duration(i/2000) * time.Second), Device: "LAB-FW-01", SrcPort: uint16(1024 + r.UintN(64000)), Type: "TRAFFIC", Repeat: 1,
			File: 1, Offset: offset, Protocol: TCP, Grade: Forgeable}
		if r.IntN(10) < 6 {
			host, server := r.Uint32N(3000), uint32(servers.Uint64())
			rec.Src, rec.Dst, rec.DstPort = v4(0x0a000000|host), v4(0x17000000+server*2654435761%0x60000000), 443
			rec.SrcUser, rec.SrcCountry, rec.DstCountry = fmt.Sprintf(`example\user%d`, host%500), "10.0.0.0-10.255.255.255", fmt.Sprintf("Country %d", server%40)
			rec.Action, rec.Rule, rec.RuleID, rec.Subtype, rec.SessionEndReason = "allow", "clients out", "6f3c2a91-8b7e-4f64-9d3a-1f2e3d4c5b6a", "end", "tcp-fin"
			rec.Application, rec.FromZone, rec.ToZone, rec.Outcome, rec.Grade = fmt.Sprintf("app-%d", small.Uint64()%24), "trust", "untrust", Answered, Proven
			return rec
		}
		stranger := uint32(strangers.Uint64())
		rec.Src, rec.Dst, rec.DstPort = v4(0x2d000000+stranger*2654435761%0x80000000), v4(0xc6336400|r.Uint32N(256)), uint16(r.UintN(1<<16))
		if r.IntN(2) == 0 {
			rec.DstPort = uint16(20 + r.UintN(20))
		}
		rec.SrcCountry, rec.DstCountry, rec.Action, rec.Rule, rec.RuleID = fmt.Sprintf("Country %d", stranger%40), "Germany", "deny", "interzone-default", "5f3c7a8e-1234-4a4b-9c1d-aabbccddeeff"
		rec.Subtype, rec.Application, rec.FromZone, rec.ToZone, rec.SessionEndReason, rec.Outcome = "drop", "not-applicable", "untrust", "dmz", "policy-deny", Refused
		if r.IntN(400) == 0 {
			rec.Type, rec.Subtype, rec.Severity, rec.Direction, rec.Action = "THREAT", "vulnerability", "critical", "client-to-server", "reset-both"
			rec.Category = [...]string{"code-execution", "brute-force", "info-leak", "overflow"}[stranger%4]
			rec.ThreatID, rec.ThreatName = fmt.Sprint(30000+small.Uint64()), fmt.Sprintf("Threat number %d of many, with a name as long as theirs", small.Uint64())
		}
		return rec
	}
}

func (g generator) some(n int) []Record {
	list := make([]Record, n)
	for i := range list {
		list[i] = g()
	}
	return list
}

// odd are records that differ from each other in everything, and have what is seldom.
func odd(n int, seed uint64) []Record {
	r := rand.New(rand.NewPCG(seed, 3))
	some := []string{"", "deny", "DENY", "Drop", "Königreich", "KÖNIGREICH", `lab\anna`, "a*b", "100%", "K"}
	addresses := []string{"203.0.113.1", "203.0.113.2", "203.0.113.200", "198.51.100.1", "2001:db8::1", "2001:db8::ffff", "2001:db8:1::1", "cb00:7100::1", "0.0.0.0", "255.255.255.255", "::"}
	list := make([]Record, n)
	for i := range list {
		rec := Record{ID: int64(i) + 1, Agent: 1 + r.Int64N(3), Time: noon().Add(time.Duration(r.IntN(4000)-2000) * time.Minute), SrcPort: uint16(r.IntN(3)), DstPort: uint16(r.IntN(3)), Repeat: r.Uint32N(3), File: r.Int64N(4),
			Offset: r.Int64() >> r.IntN(63), Protocol: Protocol(r.IntN(6)), Outcome: Outcome(r.IntN(5)), Grade: Grade(r.IntN(4))}
		for k, s := range rec.Texts() {
			if *s = some[r.IntN(len(some))]; k == 12 && r.IntN(2) == 0 {
				*s = fmt.Sprintf("user %d", r.Uint32())
			}
		}
		if r.IntN(10) > 0 {
			rec.Src, rec.Dst = netip.MustParseAddr(addresses[r.IntN(len(addresses))]), netip.MustParseAddr(addresses[r.IntN(len(addresses))])
		}
		if r.IntN(50) == 0 {
			rec.Time = []time.Time{{}, Clamp(time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)), time.Unix(0, 0).UTC()}[r.IntN(3)]
		}
		list[i] = rec
	}
	return list
}
