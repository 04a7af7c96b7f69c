package main

import (
	"context"
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/agent"
	"activedefense/agent/api"
	"activedefense/agent/output"
	"activedefense/store"
)

// recordsApp is the command line on a database that holds so many records.
func recordsApp(t *testing.T, records int) *app {
	t.Helper()
	b := &store.Batch{}
	for range records {
		b.Records = append(b.Records, store.Record{Time: time.Now(), Device: "LAB-FW-01", Type: "TRAFFIC"})
	}
	return appOver(t, b)
}

// appOver is the command line on a database that holds a batch.
func appOver(t *testing.T, b *store.Batch) *app {
	t.Helper()
	dir := t.TempDir()
	st, err := store.Open(t.Context(), store.Options{Path: filepath.Join(dir, agent.DatabaseFile)})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if _, err := st.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	return &app{stderr: t.Output(), environ: []string{"ACTIVEDEFENSE_STATE_DIR=" + dir, "ACTIVEDEFENSE_ADMIN__LISTEN=127.0.0.1:1"}} // no daemon of this host has a say
}

// The table is written while the records are read, not held until all are there.
func TestATableOfAllRecordsIsWrittenInPages(t *testing.T) {
	const records = 2*output.Page + 1
	r := &recordsCommand{app: recordsApp(t, records), flags: recordsFlags{within: "1m"}}
	var text strings.Builder
	r.stdout = &text
	if err := r.search(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, heads := strings.Count(text.String(), "LAB-FW-01"), strings.Count(text.String(), "DEVICE"); n != records || heads != 1 {
		t.Errorf("%d rows under %d headings instead of %d under one", n, heads, records)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r.stdout = writerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil })
	if err := r.search(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("all was read before anything was written (%v)", err)
	}
	gone := errors.New("nobody reads on")
	r.stdout = writerFunc(func([]byte) (int, error) { return 0, gone })
	if err := r.search(t.Context()); !errors.Is(err, gone) {
		t.Errorf("an output that takes nothing: %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (w writerFunc) Write(p []byte) (int, error) { return w(p) }

// Each flag takes one value or several, all flags together narrow the search, and --json writes what the log said of
// the session.
func TestRecordsAreFoundByTheirSession(t *testing.T) {
	full := store.Record{Time: time.Now().UTC().Truncate(time.Microsecond), Device: "LAB-FW-01", Src: netip.MustParseAddr("203.0.113.9"), SrcPort: 40000,
		Dst: netip.MustParseAddr("198.51.100.7"), DstPort: 443, Action: "reset-both", Rule: "web, public", ThreatID: "40017", Severity: "medium",
		Subtype: "vulnerability", Type: "THREAT", Application: "ssl", FromZone: "internet", ToZone: "dmz", SessionEndReason: "threat", Outcome: store.Refused, Grade: store.Proven}
	other := store.Record{Time: full.Time, Device: "LAB-FW-02", Action: "deny", Type: "TRAFFIC", Application: "not-applicable", FromZone: "dmz",
		Src: netip.MustParseAddr("2001:db8:1::7"), Outcome: store.LateAnswer, Grade: store.Forgeable, SessionEndReason: "policy-deny"}
	a := appOver(t, &store.Batch{Records: []store.Record{full, other}})
	a.json = true
	for flags, want := range map[string]string{
		"": "LAB-FW-02 LAB-FW-01", "--application SSL": "LAB-FW-01", "--application ssl,not-applicable": "LAB-FW-02 LAB-FW-01",
		"--zone internet": "LAB-FW-01", "--zone DMZ": "LAB-FW-02 LAB-FW-01", "--zone nowhere,dmz --type threat": "LAB-FW-01",
		"--subtype vulnerability,spyware": "LAB-FW-01", "--threat-id 40017": "LAB-FW-01", "--threat-id 4001": "", "--action deny,reset-both": "LAB-FW-02 LAB-FW-01",
		`--rule "web, public"`: "LAB-FW-01", "--dst-port 443,80": "LAB-FW-01", "--dst-port 440-443": "LAB-FW-01", "--dst-port 22,444-65535": "", "--src-port 40000-40001 --dst-port 80,400-500": "LAB-FW-01", "--dst-port 0-442": "LAB-FW-02", "--severity high,medium": "LAB-FW-01", "--type threat,traffic --device lab-fw-02": "LAB-FW-02",
		"--zone internet --zone dmz --limit 1": "LAB-FW-02", "--user nobody,*": "LAB-FW-02 LAB-FW-01",
		"--src 192.0.2.1,203.0.113.0/24": "LAB-FW-01", "--src 203.0.113.9 --dst 198.51.100.7,192.0.2.0/24": "LAB-FW-01", "--src 192.0.2.1,192.0.2.2": "",
		"--src 2001:db8:1::/64": "LAB-FW-02", "--src 2001:db8:1::9/64": "LAB-FW-02", "--src 2001:db8:1::9": "",
		"--outcome refused": "LAB-FW-01", "--outcome Late-Answer": "LAB-FW-02", "--outcome refused,late-answer": "LAB-FW-02 LAB-FW-01", "--outcome answered": "",
		"--grade proven": "LAB-FW-01", "--grade proven --outcome late-answer": "", "--end-reason policy-deny": "LAB-FW-02",
	} {
		var text strings.Builder
		a.stdout = &text
		c := newRecordsCommand(a)
		c.SetArgs(flagsOf(flags))
		if err := c.ExecuteContext(t.Context()); err != nil {
			t.Errorf("%s: %v", flags, err)
			continue
		}
		var devices []string
		for line := range strings.Lines(text.String()) {
			var r api.Record
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatal(err)
			}
			if devices = append(devices, r.Device); r.Device == full.Device && r != api.RecordOf(&full) {
				t.Errorf("the record became %+v", r)
			}
		}
		if got := strings.Join(devices, " "); got != want {
			t.Errorf("%s finds %q instead of %q", flags, got, want)
		}
	}
	text, err := json.Marshal(api.RecordOf(&full))
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{`"application":"ssl"`, `"from_zone":"internet"`, `"to_zone":"dmz"`, `"session_end_reason":"threat"`, `"outcome":"refused"`, `"grade":"proven"`} {
		if !strings.Contains(string(text), field) {
			t.Errorf("%s is missing in %s", field, text)
		}
	}
}

// Every format tells the same fields of the same records; what strangers chose stays text in a terminal and a spreadsheet.
func TestRecordsInEveryFormat(t *testing.T) {
	at := time.Now().UTC().Truncate(time.Microsecond)
	odd := store.Record{Time: at, Device: "LAB-FW-01", Src: netip.MustParseAddr("203.0.113.9"), SrcUser: "=cmd|'/c calc'!A1", ThreatName: "a, \"b\"\x1b[2J",
		Type: "THREAT", Application: "ssl", Outcome: store.Answered}
	plain := store.Record{Time: at.Add(-time.Second), Device: "LAB-FW-02", Type: "TRAFFIC"}
	a := appOver(t, &store.Batch{Records: []store.Record{odd, plain}})
	run := func(flags string) string {
		t.Helper()
		var text strings.Builder
		a.stdout = &text
		c := newRecordsCommand(a)
		c.SetArgs(flagsOf(flags))
		if err := c.ExecuteContext(t.Context()); err != nil {
			t.Errorf("%s: %v", flags, err)
		}
		return text.String()
	}
	rows, err := csv.NewReader(strings.NewReader(run("--format csv"))).ReadAll()
	if err != nil || len(rows) != 3 {
		t.Fatalf("%d rows: %v", len(rows), err)
	}
	field := func(row []string, name string) string { return row[slices.Index(rows[0], name)] }
	for name, want := range map[string]string{"time": at.Format(time.RFC3339Nano), "device": "LAB-FW-01", "src": "203.0.113.9", "src_port": "0", "dst": "",
		"dst_port": "", "src_user": "'=cmd|'/c calc'!A1", "threat_name": `a, "b"\u001b[2J`, "application": "ssl", "outcome": "answered", "type": "THREAT"} {
		if got := field(rows[1], name); got != want {
			t.Errorf("%s is %q instead of %q", name, got, want)
		}
	}
	if got := field(rows[2], "device"); got != "LAB-FW-02" {
		t.Errorf("the second is of %s", got)
	}
	var object map[string]any
	if err := json.Unmarshal([]byte(run("--format json --limit 1")), &object); err != nil || len(object) != len(rows[0]) {
		t.Errorf("%d fields in JSON and %d in CSV (%v)", len(object), len(rows[0]), err)
	}
	full := run("--full")
	for _, s := range []string{"application", "answered", "src_user", "LAB-FW-02", "\n\n"} {
		if !strings.Contains(full, s) {
			t.Errorf("--full does not tell %q:\n%s", s, full)
		}
	}
	if strings.Contains(full, "dst_port") || strings.Contains(full, "\x1b") {
		t.Errorf("--full tells what is empty, or moves the cursor:\n%q", full)
	}
	for flags, want := range map[string]string{"--device nobody": "no records match\n", "--device nobody --full": "no records match\n",
		"--device nobody --format csv": strings.Join(rows[0], ",") + "\n", "--device nobody --format json": ""} {
		if got := run(flags); got != want {
			t.Errorf("%s gives %q instead of %q", flags, got, want)
		}
	}
}

// A count is a number that a script can take, of all that match, and a slip or a stop is not taken for one.
func TestRecordsAreCounted(t *testing.T) {
	a := recordsApp(t, api.DefaultLimit)
	for flags, want := range map[string]string{
		"--count": "100\n", "--count --json": "{\"count\":100}\n", "--count --device nobody": "0\nno record of this time fits --device \"nobody\": records have LAB-FW-01\n",
		"--count --within 1ns": "stopped after 1ns of counting", "--count --limit 5": "[count limit]", "--count --format csv": "[count format]",
	} {
		var text strings.Builder
		a.stdout, a.stderr, a.json = &text, &text, false
		c := a.command()
		c.SilenceErrors, c.SilenceUsage = true, true
		c.SetArgs(append([]string{"records"}, flagsOf(flags)...))
		err := c.ExecuteContext(t.Context())
		if got := text.String(); err == nil && got != want || err != nil && (got != "" || !strings.Contains(err.Error(), want)) {
			t.Errorf("records %s: %q, %v; want %q", flags, got, err, want)
		}
	}
}

// What is found beside records that are damaged is shown in every format, and that it is not all.
func TestRecordsBesideDamageAreShown(t *testing.T) {
	at := time.Now().UTC()
	a := appOver(t, &store.Batch{Records: []store.Record{{Time: at, Device: "LAB-FW-01", Type: "TRAFFIC"}}})
	path := filepath.Join(strings.TrimPrefix(a.environ[0], "ACTIVEDEFENSE_STATE_DIR="), agent.DatabaseFile)
	st, err := store.Open(t.Context(), store.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	_, err = st.Commit(t.Context(), &store.Batch{Records: []store.Record{{Time: at.Add(time.Second), Device: "LAB-FW-02", Type: "TRAFFIC"}}})
	if err := errors.Join(err, st.Close()); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), `UPDATE blocks SET data = zeroblob(length(data)) WHERE first_id = 1`)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	for _, flags := range []string{"", "--full", "--format csv", "--format json", "--count"} {
		var text strings.Builder
		a.stdout = &text
		c := newRecordsCommand(a)
		c.SetArgs(flagsOf(flags))
		want := "LAB-FW-02"
		if flags == "--count" {
			want = "1\n"
		}
		if err := c.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "records 1 to 1") || !strings.Contains(text.String(), want) {
			t.Errorf("records %s: %v, and shows\n%s", flags, err, &text)
		}
	}
}

// Whoever searches by a name of the configuration, or of a rule of detection, is told which name is meant.
func TestNamesThatTheLogDoesNotHave(t *testing.T) {
	a := recordsApp(t, 1)
	file := filepath.Join(t.TempDir(), "c.yaml")
	text := "firewalls: [{name: edge-1, url: https://192.0.2.1, api_key: secret}]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	const device, rule = `--device is the name that the firewall gives itself in the log`, `--rule is the name of the firewall's security rule, and "`
	for flags, want := range map[string]string{
		"records --device other,EDGE-1": device, "records --rule port-scan": rule + `port-scan"`, "records --rule edge-1": rule + `edge-1"`,
		"records --device nobody": `no record of this time fits --device "nobody": records have LAB-FW-01`, "records --rule web": `no record of this time fits --rule "web": nothing is known there`, "records": "",
		"records --user nobody": `no record of this time fits --user "nobody": it is as the firewall logs it`, "records --user corp*,*x": `no record of this time fits --user "*x": it is as`,
		"blacklist list": "nothing is blocked\n", "blacklist list --device edge-1": device, "blacklist list --device x": "nothing that matches is blocked\n",
		"blacklist list --held --since 1h": "nothing that matches is held\n", "blacklist list --all --device x": "nothing that matches is blocked, held or observed, and nothing was\n",
	} {
		var out, said strings.Builder
		a.stdout, a.stderr = &out, &said
		c := a.command()
		c.SetArgs(append(flagsOf(flags), "--config", file))
		if err := c.ExecuteContext(t.Context()); err != nil {
			t.Errorf("%s: %v", flags, err)
		}
		if both := out.String() + said.String(); !strings.Contains(both, want) || want == "" && said.String() != "" {
			t.Errorf("%s does not say %q:\n%s", flags, want, both)
		}
	}
}

// A search for what a field cannot have would find nothing, and say that there is nothing.
func TestRecordsRefuseWhatAFieldCannotHave(t *testing.T) {
	a := recordsApp(t, 1)
	a.stdout = io.Discard
	for flags, says := range map[string]string{
		"--outcome denied": `--outcome "denied": the outcomes are refused, answered, late-answer`, "--grade high": `--grade "high": the grades are proven, forgeable`,
		"--dst-port 8003-8000": `--dst-port "8003-8000": give a port from 0 to 65535, a range such as 8000-8003`, "--src-port 22,65536": `--src-port "65536"`,
		"--dst-port ssh": "see activedefense records --help", "--dst-port -1": `--dst-port "-1"`,
		"--grade proven,": "the grades are", "--src 203.0.113.9/33": "neither an address nor a network",
		"--src 300.1.1.1": `--src: "300.1.1.1" is neither`, "--dst 203.0.113.9/24": "--dst: 203.0.113.9/24 has host bits", "--until 1h --since 30m": "--until 1h is not after --since 30m", "--until 2d": "--until 2d is not after --since 24h", "--type tcp": "the types are",
	} {
		c := newRecordsCommand(a)
		c.SilenceErrors, c.SilenceUsage = true, true
		c.SetArgs(flagsOf(flags))
		err := c.ExecuteContext(t.Context())
		if coded := (*statusError)(nil); !errors.As(err, &coded) || coded.code != exitUsage || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", flags, err)
		}
	}
}

// flagsOf splits a command line at its spaces, those in quotes apart.
func flagsOf(line string) []string {
	quoted := false
	fields := strings.FieldsFunc(line, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == ' ' && !quoted
	})
	return append([]string{}, fields...)
}

// Records are found by the file that they were read from, in every format it is told, and of one that is not followed that is said.
func TestRecordsAreFoundByFile(t *testing.T) {
	now := time.Now()
	a := appOver(t, &store.Batch{Positions: []store.Position{{ID: 1, Path: "/var/log/Firewall/192.0.2.1.log"}, {ID: 2, Path: "/var/log/Firewall/192.0.2.2.log"}},
		Records: []store.Record{{Time: now, File: 1, Device: "LAB-FW-01"}, {Time: now, File: 2, Device: "LAB-FW-02"}}})
	for flags, want := range map[string]string{
		"--file 192.0.2.1.log --format csv": ",LAB-FW-01,", "--file 192.0.2.1.log --format json": `"file":"/var/log/Firewall/192.0.2.1.log"`, "--file /var/log/*.2.log --full": "/var/log/Firewall/192.0.2.2.log",
		"--file x,192.0.2.2.log": "LAB-FW-02", "--file fw.log": `no log file that is followed fits --file "fw.log": /var/log/Firewall/192.0.2.1.log, /var/log/Firewall/192.0.2.2.log`,
		"--file 192.0.2.1.log --device LAB-FW-02": "no records match\n",
	} {
		var text strings.Builder
		a.stdout, a.stderr = &text, &text
		c := newRecordsCommand(a)
		c.SetArgs(flagsOf(flags))
		if err := c.ExecuteContext(t.Context()); err != nil || !strings.Contains(text.String(), want) || strings.Count(text.String(), "LAB-FW-0") > 1 {
			t.Errorf("%s: %v, does not say %q:\n%s", flags, err, want, text.String())
		}
	}
}

// A search that took too long says how far it came and what to do, and never that there is nothing.
func TestASearchThatTakesTooLongSaysSo(t *testing.T) {
	a := recordsApp(t, 10)
	for _, format := range []string{"table", "csv", "json"} {
		var text strings.Builder
		a.stdout = &text
		c := newRecordsCommand(a)
		c.SilenceErrors, c.SilenceUsage = true, true
		c.SetArgs(flagsOf("--within 1ns --format " + format))
		err := c.ExecuteContext(t.Context())
		if coded := (*statusError)(nil); !errors.As(err, &coded) || coded.code != exitFailed || !strings.HasPrefix(err.Error(), "stopped after 1ns of searching, with nothing found so far: narrow it by --since") {
			t.Errorf("%s: %v", format, err)
		}
		if strings.Contains(text.String(), "no records") || strings.Contains(text.String(), "LAB-FW-01") {
			t.Errorf("%s: %s", format, text.String())
		}
	}
	at := time.Date(2026, 11, 29, 12, 0, 0, 0, time.Local)
	if text := stoppedAfter(time.Minute, 34, at).Error(); !strings.HasPrefix(text, "stopped after 1m of searching, with 34 records found down to 2026-11-29 12:00:00") {
		t.Error(text)
	}
	c := newRecordsCommand(a)
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs([]string{"--within", "soon"})
	if err := c.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), `--within "soon": use a duration such as 30s`) {
		t.Errorf("%v", err)
	}
}

// Where no person looks there is no progress of a search.
func TestThereIsNoProgressWithoutATerminal(t *testing.T) {
	r := &recordsCommand{app: recordsApp(t, 1)}
	r.stdout, r.stderr = io.Discard, &strings.Builder{}
	if p, _ := r.showProgress(); p != nil {
		t.Error("there is progress without a terminal")
	}
}

// A value that nothing has is no good news: it is said, with what records have.
func TestAValueThatNoRecordHasIsSaid(t *testing.T) {
	r := &recordsCommand{app: recordsApp(t, 3), flags: recordsFlags{within: "1m", texts: map[string]*[]string{"action": {"dropp"}, "device": {"lab-fw-01"}}}}
	var text, said strings.Builder
	r.stdout, r.stderr = &text, &said
	if err := r.search(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(flagOf("src_country"), flagOf("src_user"), flagOf("from_zone"), flagOf("session_end_reason"), flagOf("device")); got != "--src-country--user--zone--end-reason--device" {
		t.Errorf("the flags are %s", got)
	}
	if text.String() != "no records match\n" || !strings.HasPrefix(said.String(), `no record of this time fits --action "dropp": `) || strings.Count(said.String(), "\n") != 1 {
		t.Errorf("%s%s", text.String(), said.String())
	}
}

// An address alone is that of the source; a slip beside a value that is found is said too, and what a country looks like.
func TestRecordsTakeAnAddressAndSaySlips(t *testing.T) {
	b := &store.Batch{}
	for _, src := range []string{"203.0.113.66", "203.0.113.67"} {
		b.Records = append(b.Records, store.Record{Time: time.Now(), Device: "LAB-FW-01", Type: "TRAFFIC", Subtype: "drop", Src: netip.MustParseAddr(src)})
	}
	a := appOver(t, b)
	a.configPath = filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(a.configPath, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const slip = "--subtype \"frop\": records have drop\n"
	for line, want := range map[string]struct{ out, not, said string }{
		"203.0.113.66":                           {"203.0.113.66", "203.0.113.67", ""},
		"203.0.113.66 203.0.113.67":              {"203.0.113.67", "no records", ""},
		"--subtype drop,frop --device lab-fw-01": {"203.0.113.66", "no records", "no record of this time fits " + slip},
		"--src-country NL":                       {"no records match", "203.0.113.66", "mostly a name such as Netherlands"},
	} {
		out, said, status := a.whole(t, append([]string{"records"}, strings.Fields(line)...)...)
		if status != 0 || !strings.Contains(out, want.out) || strings.Contains(out, want.not) || !strings.Contains(said, want.said) || want.said == "" && said != "" || strings.Count(said, "\n") > 1 {
			t.Errorf("%s: exit status %d, %s%s", line, status, out, said)
		}
	}
	if _, said, status := a.whole(t, "records", "somewhere"); status != exitUsage || !strings.Contains(said, "--src") {
		t.Errorf("exit status %d, %s", status, said)
	}
}
