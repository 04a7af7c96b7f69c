package panos

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"regexp"
	"slices"
	"testing"
	"time"

	"activedefense/detect"
)

// busyEvent is one of a busy firewall's: of many sources, users, rules and pages, with numbers of every length; what no event holds is in the values of variables.
func busyEvent(r *rand.Rand, n int, kind detect.Type) (ev detect.Event, v map[string]string) {
	addr := func() netip.Addr {
		return netip.AddrFrom4([4]byte{byte(1 + r.IntN(222)), byte(r.IntN(256)), byte(r.IntN(256)), byte(r.IntN(256))})
	}
	amount := func() uint64 { return uint64(1) << r.IntN(24) * uint64(1+r.IntN(9)) / uint64(1+r.IntN(7)) }
	rule := int(r.ExpFloat64() * 6) // few take most sessions
	ev = detect.Event{
		Time: benchTime().Add(time.Duration(n/16) * time.Second), Type: kind, Device: pick(r, "LAB-FW-01", "FW-BRANCH-7"), Src: addr(), Dst: addr(), SrcPort: uint16(1024 + r.IntN(64000)),
		DstPort: uint16(pick(r, 443, 443, 53, 80, r.IntN(65536))), Protocol: pick(r, detect.TCP, detect.TCP, detect.UDP), Rule: fmt.Sprintf("%s %d", []string{"Outbound web", "dns", "Block inbound", "site to site"}[rule%4], rule),
		RuleID: fmt.Sprintf("%08x-801e-1c89-%04x-efb2%08x", uint32(rule+1)*2654435761, rule*rule*7919%65536, uint32(rule+7)*2246822519), Application: pick(r, "ssl", "web-browsing", "dns-base", "google-base", "incomplete", "ms-office365", "not-applicable"),
		SrcZone: pick(r, "trust", "untrust", "guest wifi"), DstZone: pick(r, "untrust", "dmz"), SrcCountry: pick(r, "Germany", "10.0.0.0-10.255.255.255", "United States"), DstCountry: pick(r, "United States", "Korea Republic Of", "Ireland"),
	}
	if r.IntN(3) > 0 {
		ev.SrcUser = fmt.Sprintf(`example\%s%d`, pick(r, "alice", "bob", "svc-backup", "j.mueller"), int(r.ExpFloat64()*20))
		ev.NATSrc, ev.NATSrcPort, ev.NATDst, ev.NATDstPort = netip.MustParseAddr("192.0.2.7"), uint16(1024+r.IntN(64000)), ev.Dst, ev.DstPort
	}
	if kind == detect.TypeTraffic {
		ev.Subtype, ev.Action, ev.EndReason = pick(r, "end", "end", "start", "drop", "deny"), pick(r, "allow", "allow", "deny", "reset-both"), pick(r, "aged-out", "tcp-fin", "tcp-rst-from-client", "policy-deny")
		ev.Traffic = detect.Traffic{Counted: true, BytesSent: amount(), BytesReceived: amount(), PacketsSent: amount() / 512, PacketsReceived: amount() / 512}
	} else {
		ev.Subtype, ev.Action, ev.ThreatID = "url", pick(r, "alert", "block-url"), "9999"
		ev.Severity, ev.Direction, ev.Category = pick(r, "informational", "low"), detect.ClientToServer, "any"
	}
	v = valuesOfEvent(&ev)
	page := fmt.Sprintf("%s.example.com/%s", pick(r, "www", "cdn-7", "login.portal", "api"), pick(r, "", "assets/app.js", "search", "v2/items/export"))
	for i := range r.IntN(6) {
		page += fmt.Sprintf("%c%s=%x", "?&&&&&"[i], pick(r, "q", "utm_source", "session", "id"), r.IntN(1<<(4*r.IntN(8))+1))
	}
	maps.Copy(v, map[string]string{
		"misc": page, "url": page, "sessionid": fmt.Sprint(r.IntN(4_000_000)), "seqno": fmt.Sprint(7_012_345_678_000_000_000 + n), "bytes": fmt.Sprint(ev.Traffic.BytesSent + ev.Traffic.BytesReceived),
		"packets": fmt.Sprint(ev.Traffic.PacketsSent + ev.Traffic.PacketsReceived), "elapsed": fmt.Sprint(r.IntN(1 << r.IntN(12))), "flags": pick(r, "0x19", "0x400053", "0x0"), "serial": "007051000012345",
		"category": pick(r, "any", "search-engines", "business-and-economy", "low-risk"), "vsys_name": "", "outbound_if": pick(r, "ethernet1/1", "ae1.110"), "inbound_if": pick(r, "ethernet1/3", "ae2"), "dstuser": "",
		"repeatcnt": "1", "dg_hier_level_1": "12", "dg_hier_level_2": "0", "dg_hier_level_3": "0", "dg_hier_level_4": "0", "actionflags": "0x8000000000000000", "http_method": "get", "contenttype": "text/html",
		"user_agent": pick(r, "Mozilla/5.0 (Windows NT 10.0; Win64; x64)", "curl/8.5.0", ""), "parent_session_id": "0", "tunnelid": "0", "http2_connection": "0", "link_change_count": "0", "assoc_id": "0", "chunks": "0", "chunks_sent": "0", "chunks_received": "0",
	})
	return ev, v
}

// busyCSV writes such an event in the default format, as PAN-OS 10.2 does.
func busyCSV(ev *detect.Event, v map[string]string) string {
	cells := map[int]string{0: "1", 1: v["receive_time"], 2: v["serial"], 3: v["type"], 4: v["subtype"], 5: "2561", 6: v["time_generated"], 7: v["src"], 8: v["dst"], 9: v["natsrc"], 10: v["natdst"], 11: v["rule"], 12: v["srcuser"],
		14: v["app"], 15: v["vsys"], 16: v["from"], 17: v["to"], 18: v["inbound_if"], 19: v["outbound_if"], 20: v["logset"], 21: v["time_received"], 22: v["sessionid"], 23: "1", 24: v["sport"], 25: v["dport"],
		26: v["natsport"], 27: v["natdport"], 28: v["flags"], 29: v["proto"], 30: v["action"]}
	if ev.Type == detect.TypeThreat {
		maps.Copy(cells, map[int]string{31: `"` + v["misc"] + `"`, 32: v["threatid"], 33: v["category"], 34: v["severity"], 35: v["direction"], 36: v["seqno"], 37: v["actionflags"], 38: v["srcloc"], 39: v["dstloc"], 41: v["contenttype"], 42: "0",
			46: v["user_agent"], 55: "12", 59: v["device_name"], 65: "N/A", 69: v["thr_category"], 70: "AppThreat-8700-1", 76: v["rule_uuid"], 77: "0", 107: v["high_res_timestamp"]})
		return csvLine(121, nil, cells)
	}
	maps.Copy(cells, map[int]string{31: v["bytes"], 32: v["bytes_sent"], 33: v["bytes_received"], 34: v["packets"], 35: v["time_generated"], 36: v["elapsed"], 37: v["category"], 39: v["seqno"], 40: v["actionflags"], 41: v["srcloc"], 42: v["dstloc"],
		44: v["pkts_sent"], 45: v["pkts_received"], 46: v["session_end_reason"], 47: "12", 48: "0", 49: "0", 50: "0", 52: v["device_name"], 53: v["action_source"], 57: "0", 59: "0", 61: "N/A", 62: "0", 63: "0", 64: "0", 65: v["rule_uuid"],
		66: "0", 67: "0", 102: v["high_res_timestamp"]})
	return csvLine(115, nil, cells)
}

// BenchmarkBesideCSV has the same events in CSV and in another format, a few of either in turn: of_CSV is how many lines a second it reads of those that CSV does, the
// median of all turns. The lines are many more than a processor foresees, and copied ahead of each turn, so that they are in its cache as what was just read is. PAN-OS's template
// of CEF as it is published is longer than the 2,048 characters that a server profile holds; "fitting" is without what tells of SCTP and SD-WAN.
func BenchmarkBesideCSV(b *testing.B) {
	fitting := regexp.MustCompile(` Pan(OSSCTP|SDWAN|Link|Policy)[A-Za-z]*=[^ ]*`).ReplaceAllString(cefTraffic, "")
	if len(fitting) > 2048 {
		b.Fatalf("%d characters", len(fitting))
	}
	for _, c := range []struct {
		name, format string
		kind         detect.Type
	}{
		{"traffic/CEF", cefTraffic, detect.TypeTraffic}, {"traffic/CEF/fitting", fitting, detect.TypeTraffic}, {"traffic/CEF/custom", cefCustom, detect.TypeTraffic}, {"traffic/CEF/Strata", lfTraffic, detect.TypeTraffic},
		{"traffic/LEEF", leefTraffic, detect.TypeTraffic}, {"traffic/LEEF/Strata", cloudTraffic, detect.TypeTraffic},
		{"URL/CEF", cefURL, detect.TypeThreat}, {"URL/CEF/Strata", lfThreat, detect.TypeThreat}, {"URL/CEF/Strata/long", lfLong, detect.TypeThreat}, {"URL/LEEF", leefThreat, detect.TypeThreat}, {"URL/LEEF/Strata", cloudThreat, detect.TypeThreat},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 2))
			var inCSV, other [2048][]byte
			for i := range inCSV {
				ev, v := busyEvent(r, i, c.kind)
				head := ev.Time.Format("Jan _2 15:04:05") + " LAB-FW-01 "
				inCSV[i], other[i] = []byte(head+busyCSV(&ev, v)), []byte(head+written(c.format, v))
			}
			besideCSV(b, inCSV[:], other[:])
		})
	}
}

// besideCSV reads lines in turn with those of CSV.
func besideCSV(b *testing.B, inCSV, other [][]byte) {
	const batch = 32
	p, at := New(Options{Location: time.UTC}), benchTime()
	var ev detect.Event
	var text []byte
	lines := make([][]byte, batch)
	turn := func(from [][]byte) time.Duration {
		text = text[:0]
		for i, line := range from {
			start := len(text)
			text = append(text, line...)
			lines[i] = text[start:]
		}
		begin := time.Now()
		for _, line := range lines {
			if err := p.Parse(line, at, &ev); err != nil {
				b.Fatalf("%s: %v", line, err)
			}
		}
		return time.Since(begin)
	}
	for first := 0; first < len(inCSV); first += batch {
		turn(inCSV[first : first+batch])
		turn(other[first : first+batch])
	}
	ratios := make([]float64, 0, 1<<16)
	var theirs, ours time.Duration
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		if len(ratios) == cap(ratios) {
			ratios = ratios[:0]
		}
		first := n % len(inCSV)
		csv, took := turn(inCSV[first:first+batch]), turn(other[first:first+batch])
		ratios = append(ratios, float64(csv)/float64(took))
		theirs, ours = theirs+csv, ours+took
		n += batch
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "of_CSV")
	b.ReportMetric(float64(theirs.Nanoseconds())/float64(n), "CSV_ns/line")
	b.ReportMetric(float64(ours.Nanoseconds())/float64(n), "ns/line")
	b.ReportMetric(0, "ns/op")
}
