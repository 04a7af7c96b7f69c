package panos

import (
	"net/netip"
	"testing"

	"activedefense/detect"
)

func TestProtocols(t *testing.T) {
	for text, want := range map[string]detect.Protocol{
		"": detect.ProtocolUnknown, "tcp": detect.TCP, "TCP": detect.TCP, "6": detect.TCP, "udp": detect.UDP, "17": detect.UDP,
		"icmp": detect.ICMP, "1": detect.ICMP, "icmp6": detect.ICMP, "ipv6-icmp": detect.ICMP, "58": detect.ICMP,
		"gre": detect.OtherProtocol, "47": detect.OtherProtocol, "sctp": detect.OtherProtocol, "N/A": detect.OtherProtocol,
	} {
		for name, line := range map[string]string{"TRAFFIC": trafficLine(map[int]string{29: text}), "THREAT": threatLine(map[int]string{29: text})} {
			if ev := mustParse(t, line); ev.Protocol != want {
				t.Errorf("%s %q: %v, want %v", name, text, ev.Protocol, want)
			}
		}
	}
}

// TestTranslations: source and destination are 203.0.113.5:51234 and 198.51.100.7:443.
func TestTranslations(t *testing.T) {
	for _, c := range []struct{ src, srcPort, dst, dstPort, want string }{
		{"", "", "", "", ""},
		{"0.0.0.0", "0", "0.0.0.0", "0", ""},
		{"::", "0", "::", "0", ""},
		{"203.0.113.5", "51234", "198.51.100.7", "443", ""},
		{"203.0.113.5", "0", "198.51.100.7", "0", ""},
		{"203.0.113.5", "51234", "10.1.2.3", "8443", ":0>10.1.2.3:8443"},
		{"192.0.2.1", "40001", "198.51.100.7", "443", "192.0.2.1:40001>:0"},
		{"192.0.2.1", "40001", "2001:db8::7", "", "192.0.2.1:40001>2001:db8::7:0"},
		{"203.0.113.5", "51234", "198.51.100.7", "20077", ":0>198.51.100.7:20077"}, // a service of the firewall itself
		{"::ffff:192.0.2.1", "40001", "x", "443", "192.0.2.1:40001>:0"},
		{"192.0.2.1", "-1", "198.51.100.7", "99999", "192.0.2.1:0>:0"},
	} {
		changes := map[int]string{9: c.src, 10: c.dst, 26: c.srcPort, 27: c.dstPort}
		for _, line := range []string{trafficLine(changes), threatLine(changes)} {
			if ev := mustParse(t, line); natOf(&ev) != c.want {
				t.Errorf("%v: %s", c, natOf(&ev))
			}
		}
	}
}

func TestTrafficIsCounted(t *testing.T) {
	for _, c := range []struct{ bytesSent, bytesReceived, packetsSent, packetsReceived, want string }{
		{"1400", "3800", "10", "14", "1400/3800 10/14"},
		{"54", "0", "1", "0", "54/0 1/0"},
		{"0", "0", "0", "0", "0/0 0/0"},
		{"1400", "3800", "", "", "1400/3800 0/0"},
		{"1400", "3800", "-1", "x", "1400/3800 0/0"},
		{"1234567890123456789", "1", "1", "1", "1234567890123456789/1 1/1"},
		{"12345678901234567890", "1", "1", "1", ""},
		{"-1", "-1", "-1", "-1", ""},
		{"1400", "-1", "10", "14", ""},
		{"", "3800", "10", "14", ""},
		{"1400", "N/A", "10", "14", ""},
		{"", "", "", "", ""},
	} {
		ev := mustParse(t, trafficLine(map[int]string{32: c.bytesSent, 33: c.bytesReceived, 44: c.packetsSent, 45: c.packetsReceived}))
		if trafficOf(&ev) != c.want || !ev.Traffic.Counted && ev.Traffic != (detect.Traffic{}) {
			t.Errorf("%v: %+v", c, ev.Traffic)
		}
	}
	// A THREAT record has other things in these columns.
	if ev := mustParse(t, threatLine(map[int]string{44: "10", 45: "14"})); ev.Traffic.Counted {
		t.Errorf("THREAT: %+v", ev.Traffic)
	}
}

// TestRepeatedSessions: the repeat count of a record is of sessions that were not told apart, not of messages.
func TestRepeatedSessions(t *testing.T) {
	for _, line := range []string{trafficLine(map[int]string{23: "6"}), threatLine(map[int]string{23: "1009"})} {
		if ev := mustParse(t, line); ev.Repeat != 1 {
			t.Errorf("repeat %d", ev.Repeat)
		}
	}
}

func TestForwardedClient(t *testing.T) {
	for _, c := range []struct{ user, xff, wantUser, want string }{
		{"", "", "", ""},
		{"", "0.0.0.0", "", ""},
		{"", "::", "", ""},
		{"", "192.0.2.9", "", "192.0.2.9"},
		{"", "2001:db8::9", "", "2001:db8::9"},
		{"", "::ffff:192.0.2.9", "", "192.0.2.9"},
		{"", "unknown", "", ""},
		{`example\alice`, "192.0.2.9", `example\alice`, "192.0.2.9"},
		{"x-fwd-for: 192.0.2.9", "", "", "192.0.2.9"},
		{"x-fwd-for:   192.0.2.9", "", "", "192.0.2.9"},
		{"x-fwd-for: 192.0.2.9", "0.0.0.0", "", "192.0.2.9"},
		{"x-fwd-for: 192.0.2.9", "192.0.2.10", "", "192.0.2.10"},
		{"x-fwd-for: 2001:db8::9", "", "", "2001:db8::9"},
		{"x-fwd-for: 0.0.0.0", "", "x-fwd-for: 0.0.0.0", ""},
		{"x-fwd-for: unknown", "", "x-fwd-for: unknown", ""},
		{"x-fwd-for: ", "", "x-fwd-for:", ""},
		{"X x-fwd-for: 192.0.2.9", "", "X x-fwd-for: 192.0.2.9", ""},
	} {
		for name, line := range map[string]string{
			"TRAFFIC": trafficLine(map[int]string{12: c.user, 75: c.xff}), "THREAT": threatLine(map[int]string{12: c.user, 79: c.xff}),
		} {
			if ev := mustParse(t, line); ev.SrcUser != c.wantUser || addrText(ev.Client) != c.want {
				t.Errorf("%s %v: user %q, client %v", name, c, ev.SrcUser, ev.Client)
			}
		}
		if ev := mustParse(t, plainRecord().with(keySrcUser, c.user).line()); c.xff == "" && (ev.SrcUser != c.wantUser || addrText(ev.Client) != c.want) {
			t.Errorf("key=value %v: user %q, client %v", c, ev.SrcUser, ev.Client)
		}
	}
	// The header itself, in the THREAT records of some versions, says it where nothing else does: its last address, which the proxy added.
	for _, c := range []struct {
		header, xff, id, want string
	}{
		{"192.0.2.9", "", trueID, "192.0.2.9"}, {"192.0.2.9", "0.0.0.0", trueID, "192.0.2.9"}, {"192.0.2.9", "192.0.2.10", "", "192.0.2.10"},
		{`"192.0.2.66, 192.0.2.67, 192.0.2.9"`, "", trueID, "192.0.2.9"}, {`"192.0.2.66,2001:db8::9 "`, "", trueID, "2001:db8::9"}, {`"192.0.2.66, unknown"`, "", trueID, ""},
		{"192.0.2.9, 192.0.2.66", "", trueID, ""}, // without quotes it moved the others
		{"192.0.2.66", "", "7", ""}, {"192.0.2.66", "", "", ""}, {"unknown", "", trueID, ""}, {`192.0.2.66"x"`, "", trueID, ""},
	} {
		if ev := mustParse(t, threatLine(map[int]string{48: c.header, 76: c.id, 79: c.xff})); addrText(ev.Client) != c.want {
			t.Errorf("%v: client %v", c, ev.Client)
		}
	}
	for _, agent := range []string{`Mozilla "5", x,192.0.2.66`, `"Mozilla" 5,x,192.0.2.66`, "Mozilla 5,x,192.0.2.66"} {
		if ev := mustParse(t, threatLine(map[int]string{46: agent, 76: trueID})); ev.Client.IsValid() {
			t.Errorf("%s: client %v", agent, ev.Client)
		}
	}
	for header, want := range map[string]string{"192.0.2.9": "192.0.2.9", `"192.0.2.66, 192.0.2.9"`: "192.0.2.9", "192.0.2.66, 192.0.2.9": ""} { // before 9.0, without the rule's id
		line := csvLine(72, map[int]string{3: "THREAT", 4: "vulnerability", 32: "x(7)", 34: "high", 35: "client-to-server"}, map[int]string{48: header})
		if ev := mustParse(t, line); addrText(ev.Client) != want {
			t.Errorf("%s: client %v", header, ev.Client)
		}
	}
	// What a stranger's header says is never the source.
	if ev := mustParse(t, trafficLine(map[int]string{75: "192.0.2.9"})); ev.Src != netip.MustParseAddr("203.0.113.5") {
		t.Errorf("source %v", ev.Src)
	}
}
