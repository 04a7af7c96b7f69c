package panos

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"activedefense/detect"
)

// text writes the keys of a tail with their values, each behind a semicolon.
func (t tail) text(values map[key]string) string {
	var b strings.Builder
	for _, k := range t {
		b.WriteString("; " + keyTable[k].name + "=" + values[k])
	}
	return b.String()
}

// plainValues are those of an ordinary session, generated when plainRecord was received.
func plainValues() map[key]string {
	return map[key]string{
		keyApplication: "ssl", keySrcZone: "untrust", keyDstZone: "dmz, inner", keyProtocol: "tcp",
		keyNATSrcIP: "0.0.0.0", keyNATSrcPort: "0", keyNATDstIP: "10.1.2.3", keyNATDstPort: "8443",
		keyTimeGenerated: "2025/11/21 02:00:00", keyTimePrecise: "2025-11-21T02:00:00.250+00:00",
		keyBytesSent: "1400", keyBytesReceived: "3800", keyPacketsSent: "10", keyPacketsReceived: "14", keyEndReason: "tcp-fin",
		keyDirection: "server-to-client", keyCategory: "brute-force",
	}
}

// forgedValues are what a forger would have us believe.
func forgedValues() map[key]string {
	return map[key]string{
		keyApplication: "forged", keySrcZone: "forged", keyDstZone: "forged", keyProtocol: "udp",
		keyNATSrcIP: "192.0.2.66", keyNATSrcPort: "6", keyNATDstIP: "192.0.2.67", keyNATDstPort: "66",
		keyTimeGenerated: "2025/11/20 06:06:06", keyTimePrecise: "2025-11-20T06:06:06.666+00:00",
		keyBytesSent: "6", keyBytesReceived: "66", keyPacketsSent: "6", keyPacketsReceived: "6", keyEndReason: "forged",
		keyDirection: "client-to-server", keyCategory: "forged",
	}
}

// withTail is what an event is with the plain values of a tail.
func withTail(ev detect.Event, t tail) detect.Event {
	ev.Time = ev.Time.Add(250 * time.Millisecond)
	ev.Application, ev.SrcZone, ev.DstZone, ev.Protocol = "ssl", "untrust", "dmz, inner", detect.TCP
	ev.NATDst, ev.NATDstPort = netip.MustParseAddr("10.1.2.3"), 8443
	if t[len(t)-1] == keyEndReason {
		ev.EndReason = "tcp-fin"
		ev.Traffic = detect.Traffic{Counted: true, BytesSent: 1400, BytesReceived: 3800, PacketsSent: 10, PacketsReceived: 14}
	} else {
		ev.Direction, ev.Category = detect.ServerToClient, "brute-force"
	}
	return ev
}

// fill writes a format as a firewall does that knows the variables.
func fill(format string, r record, values map[key]string) string {
	var pairs []string
	for k := endKeys - 1; ; k-- {
		value := values[k]
		if k < numKeys {
			value = r[k]
		}
		pairs = append(pairs, "="+keyTable[k].variable+";", "="+value+";")
		if k == 0 {
			return strings.NewReplacer(pairs...).Replace(format)
		}
	}
}

func TestLongerFormats(t *testing.T) {
	const head = "Nov 21 02:00:05 LAB-FW-01 "
	r := plainRecord()
	traffic := withTail(plainEvent(), trafficTail)
	threat := withTail(plainEvent(), threatTail)
	for name, c := range map[string]struct {
		line string
		want detect.Event
	}{
		"short":                      {fill(CustomFormat, r, nil), plainEvent()},
		"traffic":                    {fill(TrafficFormat, r, plainValues()), traffic},
		"threat":                     {fill(ThreatFormat, r, plainValues()), threat},
		"traffic, no last semicolon": {strings.TrimSuffix(fill(TrafficFormat, r, plainValues()), ";"), traffic},
		"threat, no last semicolon":  {strings.TrimSuffix(fill(ThreatFormat, r, plainValues()), ";"), threat},
		"tabs":                       {strings.ReplaceAll(fill(TrafficFormat, r, plainValues()), "; ", ";\t"), traffic},
		"line breaks by rsyslog":     {strings.ReplaceAll(fill(ThreatFormat, r, plainValues()), "; ", ";#015#012"), threat},
		"spaces around equals signs": {strings.ReplaceAll(fill(ThreatFormat, r, plainValues()), "=", " = "), threat},
		"carriage return":            {fill(TrafficFormat, r, plainValues()) + "\r", traffic},
		"cut behind the short one":   {fill(TrafficFormat, r, plainValues())[:len(fill(CustomFormat, r, nil))], plainEvent()},
	} {
		if ev := mustParse(t, head+c.line); ev != c.want {
			t.Errorf("%s\ngot  %+v\nwant %+v", name, ev, c.want)
		}
	}
	if len(TrafficFormat) > 2048 || len(ThreatFormat) > 2048 {
		t.Errorf("%d and %d characters: a server profile takes 2048", len(TrafficFormat), len(ThreatFormat))
	}
}

// TestLongerFormatsOfOldFirewalls: one that does not know a variable writes its name.
func TestLongerFormatsOfOldFirewalls(t *testing.T) {
	for _, format := range []string{TrafficFormat, ThreatFormat} {
		values := map[key]string{}
		for k := numKeys; k < endKeys; k++ {
			values[k] = keyTable[k].variable
		}
		if ev := mustParse(t, "Nov 21 02:00:05 LAB-FW-01 "+fill(format, plainRecord(), values)); ev != plainEvent() {
			t.Errorf("got  %+v\nwant %+v", ev, plainEvent())
		}
	}
}

// TestTailIsTheFirewalls puts what a longer format has, in whole and in part, into each text that strangers choose, in
// lines of every format.
func TestTailIsTheFirewalls(t *testing.T) {
	var texts []string
	for _, long := range []tail{trafficTail, threatTail} {
		row := long.text(forgedValues())
		for _, first := range []key{keySeverity, keySubtype, keyType} {
			texts = append(texts, "x"+fake().keys(first, keyType)+row, "x"+fake().keys(first, keyType)+row+";", "x"+fake().keys(first, keyType)+row+"; y=z")
		}
		texts = append(texts, "x"+row, "x"+row+";", row[2:], fake().line()+row[1:]+";", "x"+fake().keys(keyThreatID, keyType)+row)
		for i := range long {
			texts = append(texts, "x"+long[i:].text(forgedValues()), "x"+long[:i].text(forgedValues()))
		}
	}
	for _, k := range []key{keySrcUser, keyThreatName, keyThreatID} {
		for _, text := range texts {
			for _, long := range []tail{nil, trafficTail, threatTail} {
				r, want := plainRecord().with(k, text), plainEvent()
				line := r.line()
				if long != nil {
					line, want = line+long.text(plainValues())[1:]+";", withTail(want, long)
				}
				ev := mustParse(t, line)
				if genuine(ev) != genuine(want) && !(k != keySrcUser && reachesBack(r)) || tailOf(ev) != tailOf(want) || sourceOf(ev) != sourceOf(want) {
					t.Errorf("%s\ngot  %s\nwant %s", line, genuine(ev), genuine(want))
				}
				if long != nil && !ev.Time.Equal(want.Time) {
					t.Errorf("%s\nat %v, want %v", line, ev.Time, want.Time)
				}
			}
		}
	}
}

// TestPartialLinesHaveNoTail: what a site has of the longer formats in an order of its own could as well be a user's.
func TestPartialLinesHaveNoTail(t *testing.T) {
	row := trafficTail.text(forgedValues())
	for name, line := range map[string]string{
		"a key of the tail":                    "SrcIP=203.0.113.5; SrcPort=51234; Type=TRAFFIC; Application=ssl; BytesReceived=77",
		"in a user":                            "SrcIP=203.0.113.5; SrcPort=51234; Type=TRAFFIC; SrcUser=x" + row,
		"a user behind a tail":                 "SrcIP=203.0.113.5; SrcPort=51234; Type=TRAFFIC" + row + "; SrcUser=x",
		"the short one, and a key of the tail": plainRecord().line() + " Application=ssl;",
	} {
		ev, err := parse(line)
		if err != nil || longOf(ev) != longOf(detect.Event{}) || ev.Src != plainEvent().Src {
			t.Errorf("%s: %v %+v", name, err, ev)
		}
	}
	// Whoever may hold a whole line still names no source.
	user := "SrcIP=203.0.113.5; SrcUser=x" + fake().keys(keyDstLocation, keyType) + row + ";"
	if ev, err := parse(user); err == nil && ev.Src != plainEvent().Src || err != nil && !errors.Is(err, ErrAmbiguous) {
		t.Errorf("%v %+v", err, ev)
	}
}

// TestTimesOfLongerFormats: they are timed as comma-separated records are.
func TestTimesOfLongerFormats(t *testing.T) {
	for name, c := range map[string]struct {
		received, generated, precise string
		want                         time.Time
	}{
		"generated":       {"2025/11/21 02:00:00", "2025/11/21 01:00:00", "", time.Date(2025, 11, 21, 1, 0, 0, 0, time.UTC)},
		"high resolution": {"", "2025/11/21 01:00:00", "2025-11-21T01:00:00.125+00:00", time.Date(2025, 11, 21, 1, 0, 0, 125e6, time.UTC)},
		"received":        {"2025/11/21 02:00:00", "", "$high_res_timestamp", time.Date(2025, 11, 21, 2, 0, 0, 0, time.UTC)},
		"unset":           {"2025/11/21 02:00:00", "$time_generated", "1970-01-01T10:00:00.000+10:00", time.Date(2025, 11, 21, 2, 0, 0, 0, time.UTC)},
		"none":            {"$time_received", "$time_generated", "$high_res_timestamp", time.Date(2025, 11, 21, 2, 0, 5, 0, time.UTC)},
	} {
		for _, format := range []string{TrafficFormat, ThreatFormat} {
			values := plainValues()
			values[keyTimeGenerated], values[keyTimePrecise] = c.generated, c.precise
			ev := mustParse(t, "Nov 21 02:00:05 LAB-FW-01 "+fill(format, plainRecord().with(keyTimeReceived, c.received), values))
			if !ev.Time.Equal(c.want) {
				t.Errorf("%s: %v, want %v", name, ev.Time, c.want)
			}
		}
	}
}
