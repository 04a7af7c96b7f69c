package main

import (
	"activedefense/agent/explain"
	"activedefense/agent/state"
	"activedefense/agent/trouble"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

func TestAFaultyConfigurationExitsTwoWithEveryFault(t *testing.T) {
	w := &world{t: t, dir: t.TempDir()}
	w.config = filepath.Join(w.dir, "faulty.yaml")
	w.write(w.config, []byte(`
inputs: [{path: /var/log/Firewall/*.log, timezone: Mars/Olympus}]
never_block: [203.0.113.7/24]
detekt: {}
firewalls:
  - {name: a, url: "https://192.0.2.1", api_key_file: /nowhere/key}
  - {name: a, url: "http://192.0.2.2", api_key: k}
`))
	for _, command := range []string{"check", "run", "status"} {
		_, stderr, code := w.run(command)
		if code != 2 && command != "status" || code == 0 { // which needs admin.listen alone, and finds no daemon
			t.Errorf("%s: exit status %d", command, code)
		}
		keys := []string{"inputs[0].timezone", "never_block[0]", "detekt", "firewalls[1].name", "firewalls[1].url"}
		if command != "status" { // which needs no key
			keys = append(keys, "firewalls[0].api_key_file")
		}
		for _, key := range keys {
			if !strings.Contains(stderr, key) {
				t.Errorf("%s does not name %s:\n%s", command, key, stderr)
			}
		}
	}
}

// A key, a password or a certificate that is missing stops only what needs it.
func TestAMissingKeyStopsNoOtherCommand(t *testing.T) {
	w := &world{t: t, dir: t.TempDir()}
	w.config = filepath.Join(w.dir, "c.yaml")
	w.write(w.config, []byte(`state_dir: `+w.dir+`
edl: {tls: {cert_file: /nowhere/cert, key_file: /nowhere/key}}
firewalls:
  - {name: a, url: "https://192.0.2.1", api_key_file: /nowhere/key, ca_file: /nowhere/ca}
  - {name: b, url: "https://192.0.2.2", username: svc, password_file: /nowhere/password}
`))
	const line = "Type=TRAFFIC; SrcIP=203.0.113.7; SrcPort=1; DstIP=198.51.100.1; DstPort=22; Action=drop"
	for _, args := range [][]string{{"explain", line}, {"replay", w.config}, {"blacklist", "show", "203.0.113.7"}, {"records"}, {"status"}} {
		if _, stderr, code := w.run(args...); code == 2 || strings.Contains(stderr, "/nowhere") {
			t.Errorf("%s: exit status %d: %s", args[0], code, stderr)
		}
	}
	for _, command := range []string{"check", "run", "verify", "provision"} {
		_, stderr, code := w.run(command)
		if code != 2 || strings.Count(stderr, "/nowhere") < 4 {
			t.Errorf("%s: exit status %d: %s", command, code, stderr)
		}
	}
}

// A default configuration that is there and cannot be read is not as good as none.
func TestAnUnreadableDefaultConfigurationIsAFault(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, exits := range map[string]bool{filepath.Join(dir, "none.yaml"): false, file: false, filepath.Join(file, "below.yaml"): true, dir: true} {
		var said bytes.Buffer
		a := &app{stdout: io.Discard, stderr: &said, defaultConfig: path}
		_, err := a.load()
		if (err != nil) != exits || exits && !strings.Contains(said.String(), "cannot be read") {
			t.Errorf("%s: %v, %s", path, err, said.String())
		}
	}
}

// The rsyslog configuration names who may send: the addresses given, and the firewalls' where the configuration can be read.
func TestTheRsyslogConfigurationNamesTheSenders(t *testing.T) {
	w := &world{t: t, dir: t.TempDir()}
	w.config = filepath.Join(w.dir, "c.yaml")
	w.write(w.config, []byte("firewalls: [{name: a, url: \"https://192.0.2.1\", api_key: k}, {name: b, url: \"https://b.example\", api_key: k}]\n"))
	for _, c := range []struct{ args, senders, said string }{
		{"", `["192.0.2.1"]`, "b.example"},
		{"2001:db8::1", `["192.0.2.1", "2001:db8::1"]`, "b.example"},
	} {
		stdout, stderr, code := w.run(append([]string{"config", "--rsyslog"}, strings.Fields(c.args)...)...)
		if code != 0 || !strings.Contains(stdout, "if not ($fromhost-ip == "+c.senders+") then stop") || !strings.Contains(stderr, c.said) {
			t.Errorf("%q: exit status %d, %s\n%s", c.args, code, stdout, stderr)
		}
	}
	w.write(w.config, []byte("firewalls: [{name: a}]\n"))
	if _, stderr, code := w.run("config", "--rsyslog"); code != 2 || !strings.Contains(stderr, "firewalls[0].url") {
		t.Errorf("a faulty configuration: exit status %d, %s", code, stderr)
	}
	if stdout, stderr, code := w.run("config", "--rsyslog", "192.0.2.7"); code != 0 || !strings.Contains(stdout, `["192.0.2.7"]`) || !strings.Contains(stderr, "left out") {
		t.Errorf("a faulty configuration and an address: exit status %d, %s", code, stderr)
	}
}

// What keeps nobody from starting but costs a network dearly is said, with what to do.
func TestCheckWarnsOfWhatIsLegalAndUnwise(t *testing.T) {
	w := &world{t: t, dir: t.TempDir()}
	w.config = filepath.Join(w.dir, "c.yaml")
	w.write(w.config, []byte("state_dir: "+w.dir+"\n"))
	stdout, stderr, code := w.run("check")
	if code != 0 || !strings.Contains(stdout, "valid, with 3 warnings") || strings.Count(stderr, "\n") != 3 || !strings.Contains(stderr, "notify: warning: names nobody") ||
		!strings.Contains(stderr, "networks.own: warning: no public address is known to be yours") ||
		!strings.Contains(stderr, "never_block: warning: is empty") {
		t.Errorf("exit status %d, %s%s", code, stdout, stderr)
	}
	w.write(w.config, []byte("state_dir: "+w.dir+"\nnetworks: {own: [198.51.100.0/24]}\nnever_block: [192.0.2.1]\nnotify: {syslog: {url: 'udp://192.0.2.20'}}\n"))
	if stdout, stderr, code = w.run("check"); code != 0 || !strings.Contains(stdout, "valid, with 0 warnings") || stderr != "" {
		t.Errorf("exit status %d, %s%s", code, stdout, stderr)
	}
}

func TestCheckLooksAtTheLabelFiles(t *testing.T) {
	w := &world{t: t, dir: t.TempDir()}
	w.config = filepath.Join(w.dir, "c.yaml")
	list := filepath.Join(w.dir, "scanners.txt")
	w.write(list, []byte("192.0.2.7\n10.0.0.0/8\n"))
	w.write(w.config, []byte("state_dir: "+w.dir+"\nnetworks: {own: [198.51.100.0/24]}\nnever_block: [192.0.2.1]\n"+
		"labels: [{file: "+list+", label: a}, {file: "+w.dir+"/missing, label: b, mode: never}]\n"))
	stdout, stderr, code := w.run("check")
	if code != 0 || !strings.Contains(stdout, "3 warnings") || !strings.Contains(stderr, "labels[0].file: warning: "+list+": 1 entry is wider than /16") ||
		!strings.Contains(stderr, "labels[1].file: warning: "+w.dir+"/missing cannot be read: no such file") {
		t.Errorf("exit status %d, %s%s", code, stdout, stderr)
	}
}

func TestWrongUsageExitsTwo(t *testing.T) {
	w := newWorld(t, "sqlite", "")
	for _, args := range [][]string{
		{"nonsense"}, {"run", "extra"}, {"replay"}, {"blacklist", "show"}, {"records", "--bogus"}, {"blacklist", "show", "not-an-address"},
		{"blacklist", "add", "203.0.113.9"}, {"blacklist", "add", "203.0.113.9/24", "--reason", "x"},
		{"records", "--since", "yesterday-ish"}, {"records", "--dst-port", "70000"}, {"records", "--type", "config"}, {"blacklist", "list", "--rule", "luck"},
		{"records", "--type", "traffic,config"}, {"records", "--src-port", "22,-1"}, {"records", "--dst-port", "22,ssh"}, {"records", "--severity", "high,worst"},
		{"records", "--threat-id", "40017,brute-force"}, {"records", "--zone", `internet,"dmz`},
		{"records", "--format", "xml"}, {"records", "--src", "203.0.113.9,here"}, {"records", "--dst", "203.0.113.9/24"}, {"records", "--json", "--format", "csv"},
	} {
		if _, stderr, code := w.run(args...); code != 2 || stderr == "" {
			t.Errorf("%v: exit status %d, says %q", args, code, stderr)
		}
	}
}

// A word that is spelt wrongly is said with what was perhaps meant; one that is like nothing, alone.
func TestWhatWasPerhapsMeantIsSaid(t *testing.T) {
	w := newWorld(t, "sqlite", "")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"staus"}, `unknown command "staus" for "activedefense" (did you mean status?)`}, {[]string{"nonsense"}, `unknown command "nonsense" for "activedefense"; see`},
		{[]string{"blacklist", "lst"}, `unknown command "lst" for "activedefense blacklist" (did you mean list?)`},
		{[]string{"records", "--sevrity", "high"}, "unknown flag: --sevrity (did you mean --severity?)"}, {[]string{"records", "--bogus"}, "unknown flag: --bogus\n"},
		{[]string{"status", "--wtch"}, "unknown flag: --wtch (did you mean --watch?)"}, {[]string{"records", "-x"}, "unknown shorthand flag: 'x' in -x"},
	} {
		if _, stderr, code := w.run(c.args...); code != 2 || !strings.Contains(stderr, c.want) {
			t.Errorf("%v: exit status %d, says %q instead of %q", c.args, code, stderr, c.want)
		}
	}
}

// A shell gives an empty value for a variable that is not set, which is not to mean everything; and what else no value can be, is said in words.
func TestValuesThatAreNoneAreRefusedInWords(t *testing.T) {
	w := newWorld(t, "sqlite", "")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"records", "--src", ""}, "--src has an empty value"}, {[]string{"records", "--rule", " "}, "--rule has an empty value"},
		{[]string{"records", "--rule", ","}, "--rule has an empty value"}, {[]string{"records", "--user", "a,,b"}, "--user has an empty value"},
		{[]string{"records", "--until="}, "--until has an empty value"}, {[]string{"blacklist", "list", "--rule", ""}, "--rule has an empty value"},
		{[]string{"blacklist", "add", "203.0.113.9", "--reason", "x", "--for", ""}, "--for has an empty value"},
		{[]string{"records", "--limit", strings.Repeat("9", 30)}, `--limit "` + strings.Repeat("9", 30) + `": give a whole number from 0 to `},
		{[]string{"records", "--rule", `"web`}, `--rule "web: a double quote stands around a whole value`},
	} {
		if _, stderr, code := w.run(c.args...); code != 2 || !strings.Contains(stderr, c.want) || strings.Contains(stderr, "strconv") {
			t.Errorf("%q: exit status %d, says %q instead of %q", c.args, code, stderr, c.want)
		}
	}
}

// The version is a command, and a flag as people try it first.
func TestTheVersionIsAFlagToo(t *testing.T) {
	w := newWorld(t, "sqlite", "")
	command, _, _ := w.run("version")
	if flag, stderr, code := w.run("--version"); code != 0 || stderr != "" || flag != command || !strings.HasPrefix(flag, "activedefense dev (go") {
		t.Errorf("exit status %d: %q instead of %q; %s", code, flag, command, stderr)
	}
}

// What is missing on a command line is said, and not only counted.
func TestMissingArgumentsAreNamed(t *testing.T) {
	for line, says := range map[string]string{
		"blacklist show": "blacklist show needs an address or a network; see activedefense blacklist show --help", "blacklist show 192.0.2.1 192.0.2.2": "takes one argument, an address or a network, and 2 were given",
		"blacklist add": "blacklist add needs an address or a network", "blacklist remove": "blacklist remove needs an address or a network", "replay": "replay needs a log file",
		"keygen": "keygen needs the file to write the key to", "explain SrcIP=192.0.2.1; SrcPort=1": "put the line in quotes",
	} {
		a := &app{stdout: io.Discard, stderr: io.Discard}
		c := a.command()
		c.SetArgs(strings.Fields(line))
		err := c.ExecuteContext(t.Context())
		if coded := (*statusError)(nil); !errors.As(err, &coded) || coded.code != exitUsage || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestAListedAddressIsExplainedAndReleased(t *testing.T) {
	t.Parallel()
	for _, database := range stores {
		t.Run(database, func(t *testing.T) {
			w := newWorld(t, database, "never_block: [203.0.200.0/24]")
			samples := generate(5000, time.Now().UTC(), rand.New(rand.NewPCG(5, 6)))
			w.append(text(samples))
			w.start()
			w.expect(samples)

			scanner := portScanner(samples)
			list := jsonLines[explain.BlacklistEntry](w, "blacklist", "list")
			if want := judge(samples); len(list) != len(want) {
				t.Errorf("blacklist list has %d entries instead of %d", len(list), len(want))
			}
			i := slices.IndexFunc(list, func(e explain.BlacklistEntry) bool { return e.Address == scanner })
			if i < 0 || list[i].Rule != "port-scan" || list[i].By != "detector" || list[i].Device != "LAB-FW-01" || list[i].Hits < 11 {
				t.Fatalf("%s is not listed as it should be: %+v", scanner, list)
			}
			text, _, code := w.run("blacklist", "show", scanner)
			for _, s := range []string{"is blocked", "11 ports of 198.51.100.7", "SrcIP=" + scanner + ";", "LAB-FW-01", "unless it is renewed", "block"} {
				if code != 0 || !strings.Contains(text, s) {
					t.Errorf("blacklist show (exit status %d) does not say %q:\n%s", code, s, text)
				}
			}
			if strings.Count(text, "SrcIP="+scanner+";") != 11 {
				t.Errorf("blacklist show does not have the 11 log lines:\n%s", text)
			}
			w.releaseAndBlockAgain(scanner)

			if _, stderr, code := w.run("blacklist", "show", "192.0.2.77"); code != 1 || !strings.Contains(stderr, "never was") {
				t.Errorf("an unknown address: exit status %d, %q", code, stderr)
			}
			for _, refused := range []string{"203.0.200.7", "2002:cb00:c807::/48", "2001:0:808:808:0:1:34ff:37f8", "64:ff9b::cb00:c807", "10.1.2.3", "127.0.0.1", "203.0.0.0/8", "203.0.0.0/15", "2001:db8::/31", "203.0.200.0/25"} {
				if _, stderr, code := w.run("blacklist", "add", refused, "--reason", "test"); code != 1 && code != 2 || !strings.Contains(stderr, "not blocked") && code == 1 {
					t.Errorf("blacklist add %s: exit status %d, %q", refused, code, stderr)
				}
			}
		})
	}
}

// portScanner is a source that is blocked for scanning ports.
func portScanner(samples []sample) string {
	blocked := judge(samples)
	return blocked[slices.IndexFunc(blocked, func(s string) bool { return strings.HasPrefix(s, "203.0.113.") })]
}

// releaseAndBlockAgain releases a source by hand: what it did before no longer counts, what it does
// from then on does.
func (w *world) releaseAndBlockAgain(source string) {
	w.t.Helper()
	if _, stderr, code := w.run("blacklist", "remove", source, "--reason", "a partner"); code != 0 {
		w.t.Fatalf("blacklist remove: exit status %d: %s", code, stderr)
	}
	held := func() bool { return slices.Contains(w.tagged(), source) }
	w.until("the firewall lets go", func() bool { return !held() })
	w.until("the list lets go", func() bool { _, l := w.list(); return !slices.Contains(l, source) })
	now := time.Now().UTC()
	for k := range testPorts {
		w.append(sample{at: now, src: source, dst: "198.51.100.7", port: 2000 + k, typ: "TRAFFIC", subtype: "drop"}.line())
	}
	// Something that must be blocked follows: when it is, the lines before it were counted.
	marker := sample{at: now, src: "192.0.2.99", dst: "198.51.100.9", port: 443, typ: "THREAT", subtype: "vulnerability", severity: "critical"}
	w.append(marker.line())
	w.until("the marker is blocked", func() bool { return slices.Contains(w.tagged(), marker.src) })
	if held() {
		w.t.Errorf("%s was blocked again by ten ports: evidence before its release counted", source)
	}
	w.append(sample{at: now, src: source, dst: "198.51.100.7", port: 3000, typ: "TRAFFIC", subtype: "drop"}.line())
	w.until("the eleventh port blocks it again", held)
}

func TestBlockingByHandIsEnforcedAndExpires(t *testing.T) {
	t.Parallel() // it waits for time to pass
	w := newWorld(t, "sqlite", "")
	w.append(nil)
	w.start()
	w.until("the agent is ready", func() bool { s := w.status(); return s != nil && s.Ready && s.Firewalls[0].Up })
	for _, address := range []string{"203.0.113.0/24", "192.0.2.5", "2001:db8:7::/48"} {
		if _, stderr, code := w.run("blacklist", "add", address, "--reason", "by hand", "--for", "3s"); code != 0 {
			t.Fatalf("blacklist add %s: %s", address, stderr)
		}
	}
	w.until("what a tag can hold is tagged", func() bool { return slices.Equal(w.tagged(), []string{"192.0.2.5", "203.0.113.0/24"}) })
	w.until("the network that no tag can hold is named", func() bool {
		s := w.status()
		return s.Firewalls[0].UnsupportedCount == 1 && strings.Contains(s.Firewalls[0].Unsupported[0], "2001:db8:7::/48")
	})
	w.until("all are on the list", func() bool {
		_, l := w.list()
		return slices.Equal(l, []string{"192.0.2.5", "203.0.113.0/24", "2001:db8:7::/48"})
	})
	w.until("all are released when their time is up", func() bool {
		code, l := w.list()
		return code == 200 && len(l) > 0 && strings.HasPrefix(l[0], "192.0.2.255") && len(w.tagged()) == 0
	})
}

func TestALineThatCannotBeParsedIsCountedAndShown(t *testing.T) {
	w := newWorld(t, "sqlite", "")
	for i := range 30 {
		w.append(fmt.Appendf(nil, "Nov 21 02:00:00 LAB-FW-01 this is no record %d\n", i))
	}
	w.append([]byte("Nov 21 02:00:00 LAB-FW-01 1,2026/11/21 02:00:00,007,SYSTEM,general,2561,2026/11/21 02:00:00,,x,,0,0,general,informational,text,1,0x0,0,0,0,0,,fw,0,0,2026\n"))
	good := sample{at: time.Now().UTC(), src: "192.0.2.1", dst: "198.51.100.1", port: 1, typ: "TRAFFIC", subtype: "drop"}
	w.append(good.line())
	w.start()
	w.until("the good line is recorded", func() bool {
		s := w.status()
		return s != nil && len(s.Inputs) == 1 && s.Inputs[0].Records == 1 && s.Inputs[0].Bad == 30 && s.Inputs[0].Ignored == 1
	})
	out, _, code := w.run("status", "--all")
	if code != 0 || strings.Count(out, "this is no record") != 20 || !strings.Contains(out, "no record 0") {
		t.Errorf("status (exit status %d) does not show the first 20 lines:\n%s", code, out)
	}
	if _, metrics := w.get("/metrics"); !strings.Contains(metrics, `outcome="bad"} 30`) {
		t.Errorf("the metrics do not count them:\n%s", metrics)
	}
}

func TestAFileThatCannotBeReadIsNamedAndRetried(t *testing.T) {
	w := newWorld(t, "sqlite", "")
	// A link that leads nowhere cannot be read by anyone, not even root.
	if err := os.Symlink(filepath.Join(w.dir, "later.log"), w.log); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.until("status names the file", func() bool {
		s := w.status()
		return s != nil && len(s.Inputs) == 1 && s.Inputs[0].Path == w.log && s.Inputs[0].Error != ""
	})
	w.append(sample{at: time.Now().UTC(), src: "192.0.2.1", dst: "198.51.100.1", port: 1, typ: "TRAFFIC", subtype: "drop"}.line())
	w.until("the file is read when it can be", func() bool {
		s := w.status()
		return s.Inputs[0].Error == "" && s.Inputs[0].Records == 1
	})
}

func TestTheStoreAwayAtStartNeverEmptiesTheList(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite", "")
	samples := generate(5000, time.Now().UTC(), rand.New(rand.NewPCG(7, 8)))
	w.append(text(samples))
	d := w.start()
	w.expect(samples)
	d.stop()

	// The same agent, now told to use a database that nobody serves.
	data, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	w.write(w.config, []byte(strings.Replace(string(data), `url: ""`, `url: "postgres://nobody@`+freePort(t)+`/nothing"`, 1)))
	d = w.start()
	w.until("the saved list is served", func() bool {
		code, list := w.list()
		slices.Sort(list)
		return code == 200 && slices.Equal(list, judge(samples))
	})
	if code, body := w.get("/readyz"); code != 503 {
		t.Errorf("/readyz answers %d %s", code, body)
	}
	if code, _ := w.get("/healthz"); code != 200 {
		t.Errorf("/healthz answers %d", code)
	}

	// Without a saved list it is 503, never an empty one.
	d.stop()
	if err := os.Remove(filepath.Join(w.dir, "state", "blacklist.txt")); err != nil {
		t.Fatal(err)
	}
	d = w.start()
	w.until("the list is answered with 503 and no body", func() bool {
		code, list := w.list()
		return code == 503 && len(list) == 0
	})
	if code, _ := d.stop(); code != 0 {
		t.Errorf("exit status %d", code)
	}
}

func TestHangupTakesOverAConfigurationAndKeepsTheOldOneIfFaulty(t *testing.T) {
	w := newWorld(t, "sqlite", "")
	samples := generate(5000, time.Now().UTC(), rand.New(rand.NewPCG(9, 10)))
	w.append(text(samples))
	d := w.start()
	w.expect(samples)
	data, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	w.write(w.config, append(slices.Clone(data), "\nnonsense: 1\n"...))
	d.hangup()
	w.until("the fault is logged", func() bool {
		return strings.Contains(d.log(), `"key":"nonsense"`) && strings.Contains(d.log(), "the new configuration is refused")
	})
	w.expect(samples)

	scanner := portScanner(samples)
	w.write(w.config, append(slices.Clone(data), "\nnever_block: ["+scanner+"]\n"...))
	d.hangup()
	w.until("never_block lifts what stands", func() bool {
		_, list := w.list()
		return len(list) == len(judge(samples))-1 && !slices.Contains(w.tagged(), scanner)
	})
}

func TestHangupKeepsTheOldConfigurationIfTheNewOneCannotWorkHere(t *testing.T) {
	w := newWorld(t, "sqlite", "")
	lines := text(generate(100, time.Now().UTC(), rand.New(rand.NewPCG(1, 2))))
	w.append(lines)
	d := w.start()
	served := func() bool {
		code, _ := w.list()
		s := w.status()
		return code == 200 && s != nil && s.Ready && len(s.Inputs) == 1 && s.Inputs[0].Lines == uint64(bytes.Count(lines, []byte("\n"))) && s.Stored == s.Inputs[0].Records && s.Firewalls[0].State == "up"
	}
	w.until("the list is served", served)
	before := w.status()
	data, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	for _, own := range []string{w.edl, w.admin} { // an address that this host does not have
		w.write(w.config, bytes.Replace(data, []byte(own), []byte("203.0.113.1:8443"), 1))
		said := strings.Count(d.log(), "cannot start with the new configuration")
		d.hangup()
		w.until("it says so", func() bool { return strings.Count(d.log(), "cannot start with the new configuration") > said })
		w.until("it goes on with the one before", served)
		after := w.status()
		if !after.Started.Equal(before.Started) || after.Inputs[0].Lines != before.Inputs[0].Lines || after.Stored != before.Stored || !after.Firewalls[0].Since.Equal(before.Firewalls[0].Since) {
			t.Errorf("a refused reload begins anew: %+v, %+v, was %+v, %+v", after.Started, after.Inputs[0], before.Started, before.Inputs[0])
		}
		if i := slices.IndexFunc(after.Troubles, func(tr trouble.Trouble) bool { return tr.Kind() == "reload-refused" }); i < 0 || !strings.Contains(after.Troubles[i].Remedy, "cannot work on this host") {
			t.Errorf("the remedy of %+v", after.Troubles)
		}
	}
	w.write(w.config, data)
	d.hangup()
	w.until("the configuration is in use", func() bool { s := w.status(); return served() && s != nil && s.Configuration.RefusedAt == nil })
	if s := w.status(); !s.Started.Equal(before.Started) || !s.Configuration.LoadedAt.After(before.Configuration.LoadedAt) {
		t.Errorf("a reload is a start: %+v", s)
	}
}

func TestExplainSaysWhoIsNeverBlocked(t *testing.T) {
	w := newWorld(t, "sqlite", "never_block: [203.0.113.0/24]")
	type explained struct {
		Guard string `json:"guard"`
		Rules []struct {
			Rule   string `json:"rule"`
			Counts bool   `json:"counts"`
		} `json:"rules"`
	}
	for source, why := range map[string]string{"203.0.113.9": "203.0.113.9 is in never_block (203.0.113.0/24)", "192.0.2.9": ""} {
		line := sample{at: time.Now().UTC(), src: source, dst: "198.51.100.7", port: 443, typ: "TRAFFIC", subtype: "drop"}.line()
		x := jsonLines[explained](w, "explain", string(line))
		if len(x) != 1 || x[0].Guard != why || len(x[0].Rules) != 5 || !x[0].Rules[1].Counts {
			t.Errorf("%s: %+v", source, x)
		}
	}
}

func TestReplaySaysWhoWouldHaveBeenBlocked(t *testing.T) {
	w := newWorld(t, "sqlite", "")
	samples := generate(20_000, time.Now().UTC(), rand.New(rand.NewPCG(11, 12)))
	first, second := filepath.Join(w.dir, "a.log"), filepath.Join(w.dir, "b.log")
	var a, b []byte
	for i, s := range samples { // two files, to be combined by time
		if i%3 == 0 {
			a = append(a, s.line()...)
		} else {
			b = append(b, s.line()...)
		}
	}
	w.write(first, a)
	w.write(second, b)
	var got []string
	for _, v := range jsonLines[replayJSON](w, "replay", first, second) {
		got = append(got, v.Address)
	}
	slices.Sort(got)
	if want := judge(samples); !slices.Equal(got, want) {
		t.Errorf("replay: %s", diff(got, want))
	}
	if _, err := os.Stat(filepath.Join(w.dir, "state")); err == nil {
		t.Error("replay wrote a state folder")
	}
}

func TestReplayNamesAFewOfThoseThatMayNotBeBlocked(t *testing.T) {
	w := newWorld(t, "sqlite", "never_block: [192.0.2.0/24]")
	log := filepath.Join(w.dir, "a.log")
	var lines []byte
	for i := range maxSpared + 5 {
		attack := sample{at: time.Now().UTC(), src: fmt.Sprintf("192.0.2.%d", i+1), dst: "198.51.100.9", port: 443, typ: "THREAT", subtype: "vulnerability", severity: "critical"}
		lines = append(lines, attack.line()...)
	}
	w.write(log, lines)
	_, stderr, code := w.run("replay", log)
	if n := strings.Count(stderr, "is in never_block"); code != 0 || n != maxSpared || !strings.Contains(stderr, "and 5 more that may not be blocked") {
		t.Errorf("exit status %d, %d are named:\n%s", code, n, stderr)
	}
}

// What strangers wrote drives no terminal, wherever it is said: in an error, in what is explained, and as JSON, which means the same.
func TestNoOutputDrivesATerminal(t *testing.T) {
	w := &world{t: t, dir: t.TempDir()}
	w.config = filepath.Join(w.dir, "c.yaml")
	w.write(w.config, []byte("state_dir: "+w.dir+"\n"))
	line := "1,2026/03/01 10:00:00,007,THREAT,vulnerability,2560,2026/03/01 10:00:00,203.0.113.7,198.51.100.1,,,r,\"u\x1b[2J\u202e\u009b\",,,vsys1,a,b,,,,,1,1,1,443,,,,tcp,drop,,x(1),any,critical,client-to-server,,,A,B"
	for _, args := range [][]string{{"explain", line}, {"explain", "--json", line}, {"blacklist", "show", "\x1b]0;x\x07"}, {"replay", w.dir + "/\x1b[2J.log"}} {
		stdout, stderr, _ := w.run(args...)
		said := stdout + stderr
		if strings.ContainsAny(said, "\x1b\x07\u202e\u009b") || !strings.Contains(said, `\u`) && !strings.Contains(said, `\x1b`) {
			t.Errorf("%q says %q", args, said)
		}
	}
}

// A command that another configuration leads to another store is refused while the daemon runs: what it did there would have no effect.
func TestNoCommandUsesAnotherStoreThanTheDaemon(t *testing.T) {
	w := &world{t: t, dir: t.TempDir(), environ: whereItIs}
	w.config = filepath.Join(w.dir, "c.yaml")
	w.admin = freePort(t)
	configuration := func(dir string) []byte {
		return []byte("state_dir: " + filepath.Join(w.dir, dir) + "\nadmin: {listen: " + w.admin + "}\nedl: {listen: \"\"}\n")
	}
	w.write(w.config, configuration("other"))
	d := w.start() // leaves a database behind
	w.until("the other daemon runs", func() bool { return ready(w) })
	d.cmd.Process.Signal(os.Interrupt)
	<-d.done
	other := filepath.Join(w.dir, "other.yaml")
	w.write(other, configuration("other"))
	w.write(w.config, configuration("state"))
	w.start()
	w.until("the daemon runs", func() bool { return ready(w) })
	if _, stderr, code := w.run("blacklist", "add", "203.0.113.7", "--reason", "test"); code != 0 {
		t.Errorf("exit status %d: %s", code, stderr)
	}
	none := filepath.Join(w.dir, "none.yaml") // of which there is no database at all
	w.write(none, configuration("none"))
	ours := w.config
	for i, args := range [][]string{{"blacklist", "add", "203.0.113.8", "--reason", "test"}, {"blacklist", "list"}, {"records"}, {"store", "accept"}, {"records"}, {"blacklist", "list"}} {
		w.config = map[bool]string{false: other, true: none}[i > 3]
		stdout, stderr, code := w.run(args...)
		if code != 2 || stdout != "" || !strings.Contains(stderr, "uses another store (sqlite "+filepath.Join(w.dir, "state")) || !strings.Contains(stderr, "--config "+ours) {
			t.Errorf("%v: exit status %d, %s%s", args, code, stdout, stderr)
		}
	}
	w.config = ours
	w.expectRun(0, "There is nothing to accept", "store", "accept") // nor is a later one accepted by it
	if mark, err := os.ReadFile(filepath.Join(w.dir, "state", state.MarkFile)); err != nil || bytes.Contains(mark, []byte("accepted")) {
		t.Errorf("%s %v", mark, err)
	}
	w.write(other, bytes.Replace(configuration("none"), []byte("edl:"), []byte("store: {url: \"\"}\nedl:"), 1))
	if err := os.Mkdir(filepath.Join(w.dir, "none"), 0o700); err != nil {
		t.Fatal(err)
	}
	w.config = other
	w.expectRun(2, "uses another store", "store", "accept")
}

func ready(w *world) bool {
	s, err := fetchStatus(w.t.Context(), "http://"+w.admin, statusTimeout)
	return err == nil && s.Ready
}

// The configuration is valid, so the service manager may go on trying: a person mends the folder meanwhile.
func TestAWorldWritableStateFolderIsAFault(t *testing.T) {
	w := &world{t: t, dir: t.TempDir()}
	w.config = filepath.Join(w.dir, "c.yaml")
	w.write(w.config, []byte("state_dir: "+w.dir+"\nedl: {listen: \"\"}\nadmin: {listen: "+freePort(t)+"}\n"))
	if err := os.Chmod(w.dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"check", "run"} {
		if _, stderr, code := w.run(command); code != 1 || !strings.Contains(stderr, "state_dir: every user of this host can write in "+w.dir) {
			t.Errorf("%s: exit status %d, %s", command, code, stderr)
		}
	}
}

// The operator's page has the exit statuses of every command.
func TestExitStatusesAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../config/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| command | 0 | 1 |")
	table, _, _ = strings.Cut(table, "\n\n")
	var named func(c *cobra.Command)
	named = func(c *cobra.Command) {
		for _, below := range c.Commands() {
			named(below)
		}
		if name := pathBelow(c); !c.HasSubCommands() && !strings.Contains(table, "`"+name+"`") {
			t.Errorf("%s is not in the table", name)
		}
	}
	named((&app{stdout: io.Discard, stderr: io.Discard}).command())
}

// The daemon's user cannot read one of the logs, and the list's certificate ended months ago: check names both, and a daemon that shows
// the list to nobody is not ready.
func TestCheckNamesWhatTheDaemonCannotUse(t *testing.T) {
	w := newWorld(t, "sqlite", "networks: {own: [198.51.100.0/24]}\nnever_block: [192.0.2.1]")
	// A link that leads nowhere cannot be read by anyone, not even root.
	if err := os.Symlink(filepath.Join(w.dir, "later.log"), w.log); err != nil {
		t.Fatal(err)
	}
	w.write(filepath.Join(filepath.Dir(w.log), "other.log"), nil)
	private, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	end := time.Now().AddDate(0, -2, 0)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: end.AddDate(0, -2, 0), NotAfter: end, DNSNames: []string{"list.example"}}
	der, err := x509.CreateCertificate(crand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	w.write(filepath.Join(w.dir, "list.crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	w.write(filepath.Join(w.dir, "list.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	yaml, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	w.write(w.config, bytes.Replace(yaml, []byte("edl: {"), fmt.Appendf(nil, "edl: {url: 'https://list.example/files/blacklist.txt', tls: {cert_file: %[1]s/list.crt, key_file: %[1]s/list.key}, ", w.dir), 1))
	stdout, stderr, code := w.run("check")
	if code != 0 || !strings.Contains(stdout, "valid, with 3 warnings") || !strings.Contains(stderr, "cannot read 1 of 2 files, the first is "+w.log+" (no such file") ||
		!strings.Contains(stderr, "edl.tls.cert_file: warning: ended at "+end.UTC().Format("2006-01-02")) {
		t.Errorf("exit status %d, %s%s", code, stdout, stderr)
	}
	w.start()
	w.until("it is not ready for its certificate alone", func() bool {
		code, text := w.get("/readyz")
		return code == 503 && strings.Contains(text, "the list's certificate: the certificate expired at") && !strings.Contains(text, "the inputs")
	})
	if s := w.status(); s == nil || len(s.Troubles) == 0 || !strings.Contains(fmt.Sprint(s.Troubles), "certificate: that of the list is not valid") {
		t.Errorf("status: %+v", s)
	}
}

// A command that a text names works as it stands: with the configuration of the one that prints it.
func TestCommandsThatTextsNameHaveTheConfiguration(t *testing.T) {
	var known []string
	for _, c := range (&app{}).command().Commands() {
		known = append(known, c.Name())
	}
	for _, name := range strings.Split(subcommands, "|") {
		if !slices.Contains(known, name) {
			t.Errorf("there is no command %s", name)
		}
	}
	if len(strings.Split(subcommands, "|")) != len(known) {
		t.Errorf("the commands are %v, those known to texts %s", known, subcommands)
	}
	const text = "systemctl reload activedefense, and activedefense verify --firewall fw; or activedefense blacklist show 192.0.2.7, not activedefense versions"
	for path, want := range map[string]string{
		"":          text,
		"a.yaml":    "systemctl reload activedefense, and activedefense --config a.yaml verify --firewall fw; or activedefense --config a.yaml blacklist show 192.0.2.7, not activedefense versions",
		"a 'b'$1.y": `systemctl reload activedefense, and activedefense --config 'a '\''b'\''$1.y' verify --firewall fw; or activedefense --config 'a '\''b'\''$1.y' blacklist show 192.0.2.7, not activedefense versions`,
	} {
		if got := (&app{configPath: path}).advice(text); got != want {
			t.Errorf("with %q: %s\nwant %s", path, got, want)
		}
	}
}

// Where no daemon has ever run with a configuration, there is nothing to accept.
func TestAcceptingWithoutAStateFolderSaysSo(t *testing.T) {
	w := newWorld(t, "sqlite", "")
	yaml, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	w.write(w.config, regexp.MustCompile("(?m)^state_dir: .*$").ReplaceAll(yaml, []byte("state_dir: "+w.dir+"/never")))
	w.expectRun(1, "state_dir "+w.dir+"/never is not there: no daemon has run with this configuration yet", "store", "accept")
}
