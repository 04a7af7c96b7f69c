package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/agent/explain"
	"activedefense/config"
	"activedefense/store"
)

// heldApp is the command line on a database with one blocked address, two held and one observed, and records of another.
func heldApp(t *testing.T) *app {
	at := time.Now().Add(-time.Hour)
	entry := func(address string, state store.State, grade store.Grade, device string) store.Block {
		b := store.Block{Address: netip.MustParsePrefix(address), Rule: "port-scan", Reason: "11 ports of 198.51.100.7 within 10m", By: store.ByDetector,
			Device: device, State: state, Grade: grade, FirstSeen: at, LastSeen: at, BlockedAt: at, Hits: 11,
			Evidence: []store.Evidence{{Time: at, Line: "the line of " + address}}}
		if state == store.Held {
			b.Hold = "it is a partner: ours opened sessions to it"
		}
		return b
	}
	network := entry("2001:db8:1::/64", store.Held, store.Forgeable, "LAB-FW-02")
	network.Members = []netip.Addr{netip.MustParseAddr("2001:db8:1::7")}
	network.BlockedAt = at.Add(-48 * time.Hour)
	record := func(src, dst string, outcome store.Outcome) store.Record {
		return store.Record{Time: at, Device: "LAB-FW-01", Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr(dst), DstPort: 443, Type: "TRAFFIC", Outcome: outcome}
	}
	return appOver(t, &store.Batch{
		Blocks: []store.Block{entry("203.0.113.1/32", store.Blocked, store.Proven, "LAB-FW-01"), entry("203.0.113.2/32", store.Held, store.Forgeable, "LAB-FW-01"),
			entry("203.0.113.3/32", store.Observed, store.Forgeable, "LAB-FW-01"), network},
		Records: []store.Record{record("192.0.2.8", "198.51.100.1", store.Refused), record("192.0.2.8", "198.51.100.2", store.Answered),
			record("192.0.2.9", "198.51.100.1", store.Answered), record("192.0.2.11", "198.51.100.1", store.LateAnswer), record("192.0.2.11", "198.51.100.1", store.LateAnswer)},
	})
}

// blacklist runs `blacklist ARGS`, as JSON if asked, and gives what it wrote and its exit status.
func (a *app) blacklist(t *testing.T, asJSON bool, args ...string) (stdout string, status int) {
	t.Helper()
	var out, said bytes.Buffer
	one := *a
	one.json, one.stdout, one.stderr = asJSON, &out, &said
	c := newBlacklistCommand(&one)
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs(args)
	c.SetOut(&out)
	c.SetErr(&said)
	err := c.ExecuteContext(t.Context())
	if err == nil {
		return out.String(), 0
	}
	status = exitFailed
	if coded := (*statusError)(nil); errors.As(err, &coded) {
		status = coded.code
	}
	return out.String() + err.Error(), status
}

func TestBlacklistListSelects(t *testing.T) {
	a := heldApp(t)
	for _, c := range []struct {
		args string
		want string // addresses with states, as listed: newest first
	}{
		{"", "203.0.113.1 blocked"},
		{"--held", "2001:db8:1::/64 held, 203.0.113.2 held"},
		{"--observed", "203.0.113.3 observed"},
		{"--held --observed", "2001:db8:1::/64 held, 203.0.113.3 observed, 203.0.113.2 held"},
		{"--all", "2001:db8:1::/64 held, 203.0.113.3 observed, 203.0.113.2 held, 203.0.113.1 blocked"},
		{"--all --device lab-fw-02", "2001:db8:1::/64 held"},
		{"--held --since 2h", "203.0.113.2 held"},
		{"--all --limit 1", "2001:db8:1::/64 held"},
		{"--all --rule host-sweep", ""},
	} {
		t.Run(c.args, func(t *testing.T) {
			out, status := a.blacklist(t, true, append([]string{"list"}, strings.Fields(c.args)...)...)
			var got []string
			for line := range strings.Lines(out) {
				var e explain.BlacklistEntry
				if err := json.Unmarshal([]byte(line), &e); err != nil {
					t.Fatalf("%s: %v", line, err)
				}
				got = append(got, e.Address+" "+e.State)
				if (e.State == "held") != strings.Contains(e.Hold, "partner") || e.Grade == "" {
					t.Errorf("%+v", e)
				}
			}
			if text := strings.Join(got, ", "); text != c.want || status != 0 {
				t.Errorf("listed are %q, exit status %d", text, status)
			}
		})
	}
	if out, status := a.blacklist(t, false, "list", "--held"); status != 0 || !strings.Contains(out, "held: it is a partner") {
		t.Errorf("exit status %d:\n%s", status, out)
	}
	st, err := a.open(t.Context(), &config.Config{StateDir: strings.TrimPrefix(a.environ[0], "ACTIVEDEFENSE_STATE_DIR=")}, reads)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if _, _, err := st.Block(t.Context(), store.Block{Address: netip.MustParsePrefix("203.0.113.4/32"), Rule: "botnets", By: store.ByLabelFile}); err != nil {
		t.Fatal(err)
	}
	for rule, says := range map[string]string{"botnets": "203.0.113.4", "neighbourhood": "nothing is and nothing was on the blacklist by rule neighbourhood\n",
		"luck": `--rule "luck": the rules are vulnerability, port-scan, host-sweep, probe, login, neighbourhood, label, manual, botnets`} {
		if out, status := a.blacklist(t, false, "list", "--rule", rule); !strings.Contains(out, says) || (status == exitUsage) != (rule == "luck") {
			t.Errorf("--rule %s: exit status %d, %s", rule, status, out)
		}
	}
	for _, wrong := range []string{"--since never", "--limit -1", "--rule luck"} {
		if out, status := a.blacklist(t, false, append([]string{"list"}, strings.Fields(wrong)...)...); status != exitUsage {
			t.Errorf("list %s: exit status %d, %s", wrong, status, out)
		}
	}
}

// What is held is shown, accepted or dismissed by name; and nothing else is touched.
func TestAPersonDecidesAboutWhatIsHeld(t *testing.T) {
	a := heldApp(t)
	steps := []struct {
		args   string
		status int
		says   []string
	}{
		{"show 203.0.113.2", 0, []string{"203.0.113.2 is held, and not blocked: a person has to decide", "forgeable", "why held", "it is a partner",
			"blacklist accept 203.0.113.2", "blacklist remove 203.0.113.2", "the line of 203.0.113.2", "hold", "\nheld until "}},
		{"show 203.0.113.3", 0, []string{"is observed, and not blocked", "blacklist add 203.0.113.3 --reason", "\nobserved until "}},
		{"show 203.0.113.1", 0, []string{"\nrelease "}},
		{"show 2001:db8:1::9", 0, []string{"is held", "by the network 2001:db8:1::/64", "2001:db8:1::7"}},
		{"accept", exitUsage, []string{"--all"}},
		{"accept --all 203.0.113.2", exitUsage, []string{"--all"}},
		{"accept 10.0.0.1 203.0.113.2", exitFailed, []string{"nothing was accepted", "10.0.0.1 is not public"}},
		{"accept 203.0.113.1 203.0.113.3 203.0.113.77 2001:db8:1::7", exitFailed, []string{"203.0.113.1 is blocked", "203.0.113.3 is observed",
			"203.0.113.77 is not on the blacklist", "2001:db8:1::7 is held as 2001:db8:1::/64"}},
		{"list --held", 0, []string{"203.0.113.2 ", "2001:db8:1::/64 ", " UNTIL "}},
		{"accept 203.0.113.2", 0, []string{"203.0.113.2 is blocked (port-scan: 11 ports"}},
		{"show 203.0.113.2", 0, []string{"203.0.113.2 is blocked\n", "accept", "it was held: it is a partner", "held before", "by detector, accepted by " + operator()}},
		{"list", 0, []string{"detector, accepted by " + operator()}},
		{"remove 203.0.113.3", 0, []string{"203.0.113.3 is dismissed; it was observed since"}},
		{"show 203.0.113.3", 0, []string{"is not blocked, and was not: it was observed until", "dismiss"}},
		{"accept --all", 0, []string{"2001:db8:1::/64 is blocked"}},
		{"accept --all", 0, []string{"nothing is held"}},
		{"add 203.0.113.90 10.0.0.1 --reason x", exitFailed, []string{"not blocked: 10.0.0.1 is not public"}},
		{"show 203.0.113.90", exitFailed, []string{"never was"}},
		{"add 203.0.113.90 203.0.113.91 --reason x", 0, []string{"203.0.113.90 is blocked", "203.0.113.91 is blocked"}},
		{"remove 203.0.113.3 203.0.113.1", exitFailed, []string{"203.0.113.3 is not blocked, held or observed", "203.0.113.1 is released; it was blocked since"}},
		{"list --held", 0, []string{"nothing is held"}},
	}
	for _, s := range steps {
		out, status := a.blacklist(t, false, strings.Fields(s.args)...)
		for _, says := range s.says {
			if !strings.Contains(out, says) || status != s.status {
				t.Errorf("%s (exit status %d) does not say %q:\n%s", s.args, status, says, out)
			}
		}
	}
}

// Of an address without an entry it is said what is known of it, and the exit status is what it was.
func TestShowSaysWhyAnAddressIsNotBlocked(t *testing.T) {
	a := heldApp(t)
	for address, why := range map[string]string{
		"192.0.2.8":  "no rule found enough within its window",
		"192.0.2.9":  "its sessions were answered, and none refused",
		"192.0.2.10": "no record of it is stored",
		"192.0.2.11": "what was refused of it are late answers to sessions that ours opened, which are no attack",
		"10.1.2.3":   "it may never be blocked: 10.1.2.3 is not public (private, 10.0.0.0/8)",
	} {
		out, status := a.blacklist(t, true, "show", address)
		var u explain.Unlisted
		first, rest, _ := strings.Cut(out, "\n")
		if err := json.Unmarshal([]byte(first), &u); err != nil || u.Address != address || u.Blocked || u.WhyNot != why || status != exitFailed || !strings.Contains(rest, "never was") {
			t.Errorf("%s: exit status %d, %v\n%s", address, status, err, out)
		}
		if address == "192.0.2.8" && fmt.Sprint(u.Records, u.Refused, u.Answered, u.Destinations, u.Ports) != "2 1 1 2 1" {
			t.Errorf("%+v", u)
		}
		if address == "192.0.2.11" && u.LateAnswers != 2 {
			t.Errorf("%+v", u)
		}
		if text, _ := a.blacklist(t, false, "show", address); !strings.Contains(text, address+" is not blocked: "+why) ||
			address == "192.0.2.11" && !strings.Contains(text, "0 refused, 0 answered, 2 late answers") {
			t.Error(text)
		}
	}
}

// Of refused records it is said how many count, and of the others why they do not.
func TestShowSaysWhyRecordsDoNotCount(t *testing.T) {
	b := &store.Batch{}
	add := func(n int, src, dst, typ string, outcome store.Outcome) {
		for i := range n {
			b.Records = append(b.Records, store.Record{Time: time.Now(), Device: "LAB-FW-01", Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr(dst),
				DstPort: uint16(1 + i), Type: typ, Subtype: "drop", Action: "deny", Outcome: outcome})
		}
	}
	add(20, "203.0.113.1", "192.0.2.200", "TRAFFIC", store.Refused)
	add(2, "203.0.113.2", "198.51.100.1", "TRAFFIC", store.Refused)
	add(3, "203.0.113.2", "192.0.2.200", "TRAFFIC", store.Refused)
	add(1, "203.0.113.2", "198.51.100.1", "TRAFFIC", store.Answered)
	add(4, "203.0.113.240", "198.51.100.1", "TRAFFIC", store.Refused)
	add(1, "203.0.113.240", "192.0.2.200", "TRAFFIC", store.Refused)
	a := appOver(t, b)
	a.configPath = filepath.Join(t.TempDir(), "c.yaml")
	text := "networks: {own: [198.51.100.0/24], ask_firewalls: false}\ndetect: {ignore: [{src: 203.0.113.240, reason: our scanner}]}\n"
	if err := os.WriteFile(a.configPath, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	const elsewhere, ignored = "the destination is not known to be ours; if it is, name its network in networks.own (activedefense status --all lists what is taken as ours)", "an entry of detect.ignore says so: our scanner"
	for address, want := range map[string]struct {
		says    string
		counted int
		not     []explain.NotCounted
	}{
		"203.0.113.1":   {"none of its refused records counts: " + elsewhere, 0, []explain.NotCounted{{Reason: elsewhere, Records: 20}}},
		"203.0.113.2":   {"no rule found enough within its window", 2, []explain.NotCounted{{Reason: elsewhere, Records: 3}}},
		"203.0.113.240": {"none of its refused records counts", 0, []explain.NotCounted{{Reason: ignored, Records: 4}, {Reason: elsewhere, Records: 1}}},
	} {
		out, _ := a.blacklist(t, true, "show", address)
		first, _, _ := strings.Cut(out, "\n")
		var u explain.Unlisted
		if err := json.Unmarshal([]byte(first), &u); err != nil || u.WhyNot != want.says || u.Counted != want.counted || !slices.Equal(u.NotCounted, want.not) {
			t.Errorf("%s: %v\n%s", address, err, out)
		}
		text, _ := a.blacklist(t, false, "show", address)
		if near := fmt.Sprint(u.Near); address == "203.0.113.2" && (len(u.Near) != 3 || u.Near[0].Found != 2 || u.Near[0].Needed != 11 || !strings.Contains(text, "port-scan: at most 2 ports of one address within 10m, of 11 needed")) ||
			address == "203.0.113.1" && len(u.Near) != 0 {
			t.Errorf("%s is near %s:\n%s", address, near, text)
		}
		says := []string{address + " is not blocked: " + want.says, fmt.Sprintf("%d of the %d refused", want.counted, u.Refused)}
		for _, n := range want.not {
			says = append(says, fmt.Sprintf("%d: %s", n.Records, n.Reason))
		}
		for _, s := range says {
			if !strings.Contains(text, s) {
				t.Errorf("%s does not say %q:\n%s", address, s, text)
			}
		}
	}
}

// Whoever wants to release an address inside a blocked network is told which it is, and how that ends.
func TestRemoveNamesTheNetworkThatHoldsTheAddress(t *testing.T) {
	a := heldApp(t)
	a.blacklist(t, false, "add", "198.51.100.0/24", "--reason", "all of it")
	cfg, err := a.load()
	if err != nil {
		t.Fatal(err)
	}
	st, err := a.open(t.Context(), cfg, reads)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	listed := store.Block{Address: netip.MustParsePrefix("192.0.2.0/25"), Rule: store.RuleLabel, Reason: `listed as "botnet" in list.txt`, By: store.ByLabelFile}
	if _, _, err := st.Block(t.Context(), listed); err != nil {
		t.Fatal(err)
	}
	a.blacklist(t, false, "add", "198.51.100.77", "--reason", "itself")
	if out, status := a.blacklist(t, false, "remove", "198.51.100.77"); status != 0 || !strings.Contains(out, "It is released itself, but the network 198.51.100.0/24 is blocked") {
		t.Errorf("exit status %d:\n%s", status, out)
	}
	for address, says := range map[string][]string{
		"198.51.100.9":    {"198.51.100.9 is not blocked, held or observed itself, but the network 198.51.100.0/24 is blocked (manual: all of it", "activedefense blacklist remove 198.51.100.0/24 ends that", "put 198.51.100.9 into never_block"},
		"192.0.2.9":       {`the network 192.0.2.0/25 is blocked (label: listed as "botnet" in list.txt): it ends when it is taken out of the file`},
		"2001:db8:1::7":   {"the network 2001:db8:1::/64 is held"},
		"198.51.100.0/23": {"is not blocked, held or observed"},
	} {
		out, status := a.blacklist(t, false, "remove", address)
		for _, s := range says {
			if status != exitFailed || !strings.Contains(out, s) || strings.Contains(out, "itself") == strings.HasSuffix(address, "/23") {
				t.Errorf("%s: exit status %d, it does not say %q:\n%s", address, status, s, out)
			}
		}
	}
}
