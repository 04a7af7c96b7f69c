package exchange

import (
	"bytes"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"activedefense/agent/explain"
	"activedefense/detect"
	"activedefense/store"
)

// What was written is read again as it was, whatever strangers have written into it.
func TestWhatIsWrittenIsRead(t *testing.T) {
	at := time.Date(2026, 11, 30, 8, 0, 0, 123000, time.UTC)
	release := at.Add(time.Hour)
	entries := []explain.BlacklistEntry{
		{Address: "203.0.113.9", Rule: "port-scan", Reason: "11 ports, \"all\"\nof them", FirstSeen: at, LastSeen: at, BlockedAt: at, ReleaseAt: &release, Expires: true, Device: "=cmd()", Target: "'x", Hits: 11, By: "detector", Grade: "proven", State: "blocked"},
		{Address: "2001:db8::/64", Rule: "@sum", Reason: "-1", FirstSeen: at, LastSeen: at, BlockedAt: at, By: "anna", State: "blocked"},
	}
	for _, format := range []string{CSV, JSON, Text} {
		var file bytes.Buffer
		w, err := NewWriter(&file, format)
		for i := range entries {
			if err == nil {
				err = w.Write(&entries[i])
			}
		}
		if err == nil {
			err = w.Flush()
		}
		rows, err2 := Read(&file, Auto)
		if err != nil || err2 != nil || len(rows) != len(entries) {
			t.Fatalf("%s: %v, %v, %d rows", format, err, err2, len(rows))
		}
		for i := range rows {
			got, err := rows[i].Entry()
			want := entries[i]
			if format == Text {
				want = explain.BlacklistEntry{Address: want.Address}
			}
			show := func(e explain.BlacklistEntry) string {
				at := e.ReleaseAt
				if e.ReleaseAt = nil; at == nil {
					at = &time.Time{}
				}
				return fmt.Sprintf("%+v %v", e, at)
			}
			if err != nil || show(got) != show(want) {
				t.Errorf("%s: %s instead of %s, %v", format, show(got), show(want), err)
			}
		}
	}
	if _, err := NewWriter(nil, "xml"); err == nil {
		t.Error("XML is written")
	}
}

// A faulty line costs itself, and has its number.
func TestFaultyFiles(t *testing.T) {
	for _, c := range []struct{ format, file, want string }{
		{Auto, "# a list\n203.0.113.9 # scans; and more\n\n203.0.113.0/24\r\n", "2 203.0.113.9 scans; and more <nil>, 4 203.0.113.0/24  <nil>"},
		{Auto, "\xef\xbb\xbfAddress,reason\n203.0.113.9,\"a\nb\"\n203.0.113.8\n203.0.113.7,x\"y\n203.0.113.6,z\n", "2 203.0.113.9 a\nb <nil>, 4 203.0.113.8  it has 1 values, and the first line names 2, 5 203.0.113.7  bare \" in non-quoted-field, 6 203.0.113.6 z <nil>"},
		{Auto, "{\"address\": \"203.0.113.9\", \"hits\": 12, \"release_at\": null}\n7\n{\"entry\": \"a.example\"}\n{x}\n{\"address\": \"1.1.1.1\"}", "1 203.0.113.9  <nil>, 2   json: cannot unmarshal number into Go value of type map[string]interface {}, 3 a.example  <nil>, 4   invalid character 'x' looking for beginning of object key string"},
		{Auto, "[{\"address\": \"203.0.113.9\"},\n {\"address\": \"203.0.113.8\"}]", "1 203.0.113.9  <nil>, 2 203.0.113.8  <nil>"},
		{CSV, "203.0.113.9\n", "! name the columns"},
		{CSV, "", "! name the columns"},
		{"xml", "x", "! the formats are"},
		{Auto, strings.Repeat("\n", MaxSize+1), "! more than 64 MiB"},
	} {
		rows, err := Read(strings.NewReader(c.file), c.format)
		if reason, fails := strings.CutPrefix(c.want, "! "); fails {
			if err == nil || !strings.Contains(err.Error(), reason) {
				t.Errorf("%.20q: %v", c.file, err)
			}
			continue
		}
		var got []string
		for _, r := range rows {
			got = append(got, fmt.Sprint(r.Line, " ", r.Address(), " ", r.Of("reason"), " ", r.Err))
		}
		if text := strings.Join(got, ", "); err != nil || text != c.want {
			t.Errorf("%.40q gives %s, %v", c.file, text, err)
		}
	}
	for _, values := range []map[string]string{{"reason": "x"}, {"address": "x", "hits": "-1"}, {"address": "x", "hits": "9007199254740992"}, {"address": "x", "last_seen": "yesterday"}} {
		if _, err := (&Row{Values: values}).Entry(); err == nil {
			t.Errorf("%v is an entry", values)
		}
	}
}

// An import keeps what a file says, names what it refuses, and changes nothing that is blocked already.
func TestImport(t *testing.T) {
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Second)
	st, err := store.Open(ctx, store.Options{Path: filepath.Join(t.TempDir(), "test.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	before, over, far := now.Add(-time.Hour), now.Add(-time.Minute), now.Add(48*time.Hour)
	later := now.Add(time.Hour)
	entries := []explain.BlacklistEntry{
		{Address: "203.0.113.9", Rule: "port-scan", Reason: "11 ports", FirstSeen: before, LastSeen: before, BlockedAt: before, By: "detector", Grade: "proven", Hits: 11, Device: "FW", State: "blocked"},
		{Address: "203.0.113.8"}, {Address: "203.0.113.8/32", Reason: "twice"},
		{Address: "203.0.113.7", Expires: true, ReleaseAt: &later},
		{Address: "10.0.0.1"}, {Address: "198.51.100.7"}, {Address: "x"}, {Address: "203.0.113.9/24"}, {Address: "203.0.113.6", State: "held"},
		{Address: "203.0.113.5", By: "label-file"}, {Address: "203.0.113.0/24", Rule: "neighbourhood"}, {Address: "203.0.113.4", Expires: true, ReleaseAt: &over},
		{Address: "203.0.113.3", LastSeen: now.Add(-48 * time.Hour)}, {Address: "203.0.113.2", LastSeen: far}, {Address: "0.0.0.0/0"},
	}
	rules := Rules{Guard: detect.NewGuard([]netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}, nil), By: "anna", Reason: "of the neighbour", ReleaseAfter: 24 * time.Hour, Now: now}
	blocked, already, refused, err := Import(ctx, st, entries, rules)
	if err != nil || len(blocked) != 3 || already != 1 || len(refused) != 11 {
		t.Fatalf("blocked are %v, %d were, refused %v, %v", blocked, already, refused, err)
	}
	for i, want := range []string{4: "10.0.0.1 is not public", "is in never_block", `"x" is neither`, "the network is 203.0.113.0/24", "is held, and not blocked", "label file", "neighbourhood", "which is over",
		"longer ago than blacklist.release_after", "is in the future", "which is in never_block"} {
		if want != "" && (refused[i] == nil || !strings.Contains(refused[i].Error(), want)) {
			t.Errorf("%s: %v", entries[i].Address, refused[i])
		}
	}
	var got []string
	_ = st.Entries(ctx, store.EntryFilter{}, func(e *store.Entry) error {
		got = append(got, fmt.Sprint(e.Address, " ", e.Rule, " ", e.Reason, " ", e.By, " ", e.Grade, " ", e.Hits, " ", now.Sub(e.FirstSeen), " ", now.Sub(e.BlockedAt), " ", e.ExpiresAt.Equal(later)))
		return nil
	})
	if want := "203.0.113.9/32 port-scan 11 ports detector proven 11 1h0m0s 1h0m0s false, 203.0.113.8/32 manual of the neighbour anna  0 0s 0s false, 203.0.113.7/32 manual of the neighbour anna  0 0s 0s true"; strings.Join(got, ", ") != want {
		t.Errorf("blocked is\n%s\ninstead of\n%s", strings.Join(got, ", "), want)
	}
	version, _ := st.Version(ctx)
	if blocked, already, _, err = Import(ctx, st, entries[:4], rules); err != nil || len(blocked) != 0 || already != 4 {
		t.Errorf("again, blocked are %v, %d were, %v", blocked, already, err)
	}
	if now, _ := st.Version(ctx); now != version {
		t.Error("an import of nothing new changes the blacklist")
	}
	audit, err := st.AuditOf(ctx, netip.MustParsePrefix("203.0.113.9/32"))
	if err != nil || len(audit) != 2 || audit[0].By != "detector" || audit[1].Action != "import" || audit[1].By != "anna" {
		t.Errorf("the history is %+v, %v", audit, err)
	}
}
