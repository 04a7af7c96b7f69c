package panos

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"testing"
	"time"

	"activedefense/detect"
)

// csvLine writes a record of n columns; changes are by column.
func csvLine(n int, base, changes map[int]string) string {
	all := map[int]string{
		0: "1", 1: "2025/11/21 02:00:00", 2: "007", 6: "2025/11/21 01:59:58", 7: "203.0.113.5", 8: "198.51.100.7", 9: "0.0.0.0",
		11: "Block inbound", 12: `example\alice`, 14: "not-applicable", 15: "vsys1", 16: "untrust", 17: "dmz", 23: "1", 24: "51234", 25: "443", 29: "tcp", 30: "deny",
	}
	maps.Copy(all, base)
	maps.Copy(all, changes)
	cells := make([]string, n)
	for i := range cells {
		cells[i] = all[i]
	}
	return strings.Join(cells, ",")
}

// trafficLine is a TRAFFIC record of PAN-OS 10.2 in length.
func trafficLine(changes map[int]string) string {
	return csvLine(115, map[int]string{
		3: "TRAFFIC", 4: "drop", 31: "5200", 32: "1400", 33: "3800", 34: "24", 41: "Germany", 42: "United States", 44: "10", 45: "14", 46: "policy-deny", 52: "LAB-FW-01",
		65: "321ef4bf-801e-1c89-b341-efb2898ba2be", 102: "2025-11-21T02:00:00.250+00:00",
	}, changes)
}

// threatLine is a THREAT record of PAN-OS 10.2 in length.
func threatLine(changes map[int]string) string {
	return csvLine(121, map[int]string{
		3: "THREAT", 4: "vulnerability", 31: `""`, 32: "SCAN: Host Sweep(8002)", 33: "any", 34: "medium", 35: "client-to-server",
		38: "Germany", 39: "United States", 59: "LAB-FW-01", 69: "scan", 76: "321ef4bf-801e-1c89-b341-efb2898ba2be", 107: "2025-11-21T02:00:00.250+00:00",
	}, changes)
}

func TestCSVGivesEveryField(t *testing.T) {
	want := plainEvent()
	want.Time = want.Time.Add(250 * time.Millisecond)
	want.Subtype, want.Direction = "vulnerability", detect.ClientToServer
	want.Application, want.SrcZone, want.DstZone, want.Protocol, want.Category = "not-applicable", "untrust", "dmz", detect.TCP, "scan"
	if ev := mustParse(t, "Nov 21 02:00:05 relay "+threatLine(nil)); ev != want {
		t.Errorf("THREAT\ngot  %+v\nwant %+v", ev, want)
	}
	want.Type, want.Subtype, want.Direction, want.ThreatName, want.ThreatID, want.Severity = detect.TypeTraffic, "drop", 0, "", "", ""
	want.Category, want.EndReason = "", "policy-deny"
	want.Traffic = detect.Traffic{Counted: true, BytesSent: 1400, BytesReceived: 3800, PacketsSent: 10, PacketsReceived: 14}
	if ev := mustParse(t, "Nov 21 02:00:05 relay "+trafficLine(nil)); ev != want {
		t.Errorf("TRAFFIC\ngot  %+v\nwant %+v", ev, want)
	}
}

// TestCSVOfEveryLength cuts records at each column: what is there is read, what is
// not is empty, and below 26 columns nothing is read.
func TestCSVOfEveryLength(t *testing.T) {
	for _, full := range []string{trafficLine(nil), threatLine(nil)} {
		cells := strings.Split(full, ",")
		isThreat := cells[3] == "THREAT"
		for n := 5; n <= len(cells); n++ {
			ev, err := parse("Nov 21 02:00:05 relay " + strings.Join(cells[:n], ","))
			if n < 26 {
				if !errors.Is(err, ErrTruncated) {
					t.Fatalf("%d columns: %v", n, err)
				}
				continue
			}
			if err != nil || ev.DstPort != 443 || ev.Src != netip.MustParseAddr("203.0.113.5") {
				t.Fatalf("%d columns: %v %+v", n, err, ev)
			}
			device := "relay"
			if isThreat && n > 59 || !isThreat && n > 52 {
				device = "LAB-FW-01"
			}
			if ev.Device != device || (ev.Action != "") != (n > 30) || (ev.Severity != "") != (isThreat && n > 34) ||
				(ev.ThreatID != "") != (isThreat && n > 32) || ev.Traffic.Counted != (!isThreat && n > 33) || (ev.EndReason != "") != (!isThreat && n > 46) ||
				(ev.Category != "") != (isThreat && n > 69) || (ev.Protocol != 0) != (n > 29) || (ev.RuleID != "") != (n > 76 || !isThreat && n > 65) {
				t.Errorf("%d columns: %+v", n, ev)
			}
		}
	}
}

func TestCSVValues(t *testing.T) {
	for name, c := range map[string]struct {
		changes map[int]string
		got     func(*detect.Event) any
		want    any
	}{
		"first column 0":             {map[int]string{0: "0"}, func(e *detect.Event) any { return e.Rule }, "Block inbound"},
		"first column of later use":  {map[int]string{0: "2562"}, func(e *detect.Event) any { return e.Rule }, "Block inbound"},
		"user with a comma":          {map[int]string{12: `"Doe, Jane"`}, func(e *detect.Event) any { return e.SrcUser }, "Doe, Jane"},
		"user with quotes":           {map[int]string{12: `"Jane ""J"" Doe"`}, func(e *detect.Event) any { return e.SrcUser }, `Jane "J" Doe`},
		"user with a lone quote":     {map[int]string{12: `5"disk`}, func(e *detect.Event) any { return e.SrcUser }, `5"disk`},
		"user of columns":            {map[int]string{12: `"x,,ssl,vsys1,a,b,c,d,e,f,1,1,1,2"`}, func(e *detect.Event) any { return e.DstPort }, uint16(443)},
		"user behind a proxy":        {map[int]string{12: "x-fwd-for: 192.0.2.9"}, func(e *detect.Event) any { return e.SrcUser + "|" + e.Client.String() }, "|192.0.2.9"},
		"url with commas and quotes": {map[int]string{31: `"www.example.com/?q=""a"",any,critical"`}, func(e *detect.Event) any { return e.Severity }, "medium"},
		"url unquoted":               {map[int]string{31: `www.example.com/`}, func(e *detect.Event) any { return e.Severity }, "medium"},
		"nested parentheses":         {map[int]string{32: "Windows Executable (EXE)(52020)"}, func(e *detect.Event) any { return e.ThreatName + "|" + e.ThreatID }, "Windows Executable (EXE)|52020"},
		"url's threat id":            {map[int]string{32: "(9999)"}, func(e *detect.Event) any { return e.ThreatName + "|" + e.ThreatID }, "|9999"},
		"number for a name":          {map[int]string{32: "428148050(428148050)"}, func(e *detect.Event) any { return e.ThreatName + "|" + e.ThreatID }, "|428148050"},
		"quoted threat":              {map[int]string{32: `"Some, Threat(77)"`}, func(e *detect.Event) any { return e.ThreatName + "|" + e.ThreatID }, "Some, Threat|77"},
		"server to client":           {map[int]string{35: "server-to-client"}, func(e *detect.Event) any { return e.Direction }, detect.ServerToClient},
		"direction unknown":          {map[int]string{35: "0"}, func(e *detect.Event) any { return e.Direction }, detect.DirectionUnknown},
		"severity as in the log":     {map[int]string{34: "Critical"}, func(e *detect.Event) any { return e.Severity }, "Critical"},
		"no destination":             {map[int]string{8: ""}, func(e *detect.Event) any { return e.Dst }, netip.Addr{}},
		"IPv6":                       {map[int]string{7: "2001:db8::5"}, func(e *detect.Event) any { return e.Src }, netip.MustParseAddr("2001:db8::5")},
		"no ports":                   {map[int]string{24: "", 25: "0"}, func(e *detect.Event) any { return e.SrcPort + e.DstPort }, uint16(0)},
		"device empty":               {map[int]string{59: ""}, func(e *detect.Event) any { return e.Device }, "relay"},
		"cut in a late value":        {map[int]string{50: `"Mozilla`}, func(e *detect.Event) any { return e.Severity + "|" + e.Device }, "medium|relay"},
		"cut in the url":             {map[int]string{31: `"www.example.com/,Forged(1),any,critical`}, func(e *detect.Event) any { return e.Severity + "|" + e.ThreatID }, "|"},
		"unpadded time":              {map[int]string{1: "", 6: "2025/11/2 2:03:04", 107: ""}, func(e *detect.Event) any { return e.Time }, time.Date(2025, 11, 2, 2, 3, 4, 0, time.UTC)},
		"no receive time":            {map[int]string{1: ""}, func(e *detect.Event) any { return e.Time }, time.Date(2025, 11, 21, 2, 0, 0, 250e6, time.UTC)},
		"no time":                    {map[int]string{1: "", 6: "", 107: "1970-01-01T10:00:00.000+10:00"}, func(e *detect.Event) any { return e.Time }, time.Date(2025, 11, 21, 2, 0, 5, 0, time.UTC)},
	} {
		ev := mustParse(t, "Nov 21 02:00:05 relay "+threatLine(c.changes))
		if got := c.got(&ev); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestCSVFaults(t *testing.T) {
	for _, c := range []struct {
		name, line string
		want       error
	}{
		{"cut in the user", csvLine(13, map[int]string{3: "TRAFFIC"}, map[int]string{12: `"x,,ssl,vsys1,a,b,c,d,e,f,g,h,i,1,1,1,2,3,4,5,6,7,8`}), ErrTruncated},
		{"cut in the destination port", csvLine(26, map[int]string{3: "TRAFFIC"}, map[int]string{25: `"44`}), ErrTruncated},
		{"four columns", "1,2025/07/10 12:00:00,007,TRAFFIC", ErrTruncated},
		{"two columns", "1,2025/07/10 12:00:00", ErrTruncated},
		{"one column", "1,", ErrTruncated},
		{"port", trafficLine(map[int]string{25: "130000"}), ErrBadPort},
		{"source port", trafficLine(map[int]string{24: "x"}), ErrBadPort},
		{"source", trafficLine(map[int]string{7: "x"}), ErrBadAddress},
		{"source empty", trafficLine(map[int]string{7: ""}), ErrNoSource},
		{"destination", trafficLine(map[int]string{8: "1.2.3"}), ErrBadAddress},
		{"cloud time behind the 1", trafficLine(map[int]string{1: "2021-10-27T19:20:59.000000Z"}), ErrCloudFormat},
		{"cloud", "<14>1 2021-10-27T19:21:00.034Z stream-1 logforwarder - panwlogs - 2021-10-27T19:20:59.000000Z,no-serial,TRAFFIC,end,10.0", ErrCloudFormat},
		{"cloud, bare", "2021-10-27T19:20:59.000000Z,no-serial,TRAFFIC,end,10.0", ErrCloudFormat},
		{"GLOBALPROTECT, cut", "1,2025/07/10 12:00:00,007,GLOBALPROTECT,x", ErrTruncated},
		{"no log", trafficLine(map[int]string{3: "198.51.100.7"}), ErrNoFormat},
		{"no log at all", "1,2,3,4,5", ErrNoFormat},
	} {
		if _, err := parse(c.line); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	for _, log := range []string{"SYSTEM", "CONFIG", "USERID", "HIP-MATCH", "HIPMATCH", "CORRELATION", "DECRYPTION", "AUTHENTICATION", "GTP", "SCTP", "IPTAG", "TUNNEL", "AUDIT"} {
		if _, err := parse("1,2025/07/10 12:00:00,007," + log + ",x"); !errors.Is(err, ErrIgnored) {
			t.Errorf("%s: %v", log, err)
		}
	}
}

// lazyColumns are the columns that encoding/csv finds.
func lazyColumns(line []byte) ([]string, error) {
	r := csv.NewReader(bytes.NewReader(line))
	r.LazyQuotes, r.FieldsPerRecord = true, -1
	return r.Read()
}

// checkColumns holds the splitter against encoding/csv, but for the blanks around values. A last value whose quotes
// never close is where they differ: ours does not count it.
func checkColumns(line []byte) error {
	want, err := lazyColumns(line)
	if err != nil {
		return fmt.Errorf("encoding/csv: %w", err)
	}
	p := new(Parser)
	s := &p.csv
	s.split(line)
	if s.n > len(want) || s.n < min(len(want), maxColumns)-1 {
		return fmt.Errorf("%d columns, want %d", s.n, len(want))
	}
	for i := range s.n {
		if got, want := string(p.column(i)), strings.Trim(want[i], " \t"); got != want {
			return fmt.Errorf("column %d is %q, want %q", i, got, want)
		}
	}
	return nil
}

func TestSplitterAgainstEncodingCSV(t *testing.T) {
	for _, line := range []string{
		"a,b,c", ",", ",,", "a", `"a"`, `"a,b",c`, `"a""b"`, `""""`, `"a"b,c",d`, `a"b,c`, ` "a,b"`, `"a" ,b`, `"",""`, `a,"b`, `a,"b""`, `"`, `,"`,
		`"a,""b"",c",d,"e"`, strings.Repeat("x,", 200),
	} {
		if err := checkColumns([]byte(line)); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func FuzzColumns(f *testing.F) {
	f.Add([]byte(trafficLine(nil)))
	f.Add([]byte(`1,"a,""b",c"d,"e""`))
	f.Fuzz(func(t *testing.T, line []byte) {
		if len(line) == 0 || bytes.ContainsAny(line, "\r\n") {
			return // a line holds none, and encoding/csv reads them its own way
		}
		if err := checkColumns(line); err != nil {
			t.Fatal(err)
		}
	})
}
