package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program is one that runs, in this process or in its own.
type program struct {
	*testing.T
	in    io.Writer
	lines chan string
	seen  []string
}

// watchLines gives every line of the output.
func (p *program) watchLines(out io.Reader) {
	p.lines = make(chan string, 10000)
	go func() {
		defer close(p.lines)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			p.lines <- scanner.Text()
		}
	}()
}

// expect waits for a line that matches, and gives what the pattern's group matched, if it has one.
func (p *program) expect(pattern string) string {
	p.Helper()
	deadline := time.After(30 * time.Second)
	for re := regexp.MustCompile(pattern); ; {
		select {
		case line, open := <-p.lines:
			if !open {
				p.Fatalf("ended without a line like %s:\n%s", pattern, strings.Join(p.seen, "\n"))
			}
			p.seen = append(p.seen, line)
			if found := re.FindStringSubmatch(line); found != nil {
				return found[len(found)-1]
			}
		case <-deadline:
			p.Fatalf("no line like %s:\n%s", pattern, strings.Join(p.seen, "\n"))
		}
	}
}

// type types a command.
func (p *program) command(text string) {
	p.Helper()
	if _, err := io.WriteString(p.in, text+"\n"); err != nil {
		p.Fatal(err)
	}
}

// call sends a form with the key, trusting the authorities of the file alone.
func (p *program) call(address, keyFile, caFile string, form url.Values) string {
	p.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(p.read(caFile)))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequest(http.MethodPost, address+"/api/", strings.NewReader(form.Encode()))
	if err != nil {
		p.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("X-PAN-KEY", strings.TrimSpace(p.read(keyFile)))
	response, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Do(request)
	if err != nil {
		p.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		p.Fatal(err)
	}
	return string(body)
}

func (p *program) read(path string) string {
	p.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		p.Fatal(err)
	}
	return string(data)
}

var showInfo = url.Values{"type": {"op"}, "cmd": {"<show><system><info/></system></show>"}}

// register sets one tag.
func register(address string) url.Values {
	return url.Values{"type": {"user-id"}, "cmd": {`<uid-message><type>update</type><payload><register><entry ip="` + address +
		`"><tag><member timeout="60">bad</member></tag></entry></register></payload></uid-message>`}}
}

// The program as it is built: started, called, and stopped by a signal.
func TestBuiltProgram(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "panosim")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), binary)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &program{T: t}
	p.watchLines(out)
	address := p.expect(`listens at (https://127\.0\.0\.1:\d+)`)
	keyFile, caFile := p.expect(`key file (.+)`), p.expect(`CA file (.+)`)
	if got := p.call(address, keyFile, caFile, showInfo); !strings.Contains(got, "<model>PA-VM</model>") {
		t.Errorf("answer: %s", got)
	}
	p.call(address, keyFile, caFile, register("203.0.113.66"))
	p.expect(`lab-fw-01 +register vsys1 203\.0\.113\.66/32 bad for 1m0s$`)
	if info, err := os.Stat(keyFile); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v", info, err)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	p.expect(`panosim +stopped`)
	if err := cmd.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
	if _, err := os.Stat(filepath.Dir(keyFile)); !os.IsNotExist(err) {
		t.Errorf("the temporary directory is left: %v", err)
	}
}

// within runs the program in this process, until its end or the test's.
func within(t *testing.T, args ...string) (p *program, ended chan int) {
	t.Helper()
	inRead, in := io.Pipe()
	outRead, out := io.Pipe()
	p = &program{T: t, in: in}
	p.watchLines(outRead)
	ctx, cancel := context.WithCancel(context.Background())
	ended = make(chan int, 1)
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		ended <- execute(ctx, args, inRead, out, out)
		_ = out.Close()
	}()
	t.Cleanup(func() {
		cancel()
		_ = in.Close()
		<-finished
	})
	return p, ended
}

const rules = `<config><devices><entry name="localhost.localdomain"><vsys><entry name="vsys1">
<address-group><entry name="blocked"><dynamic><filter>'bad'</filter></dynamic></entry></address-group>
<rulebase><security><rules>
<entry name="block"><from><member>untrust</member></from><to><member>any</member></to><source><member>blocked</member></source><destination><member>any</member></destination><application><member>any</member></application><service><member>any</member></service><action>drop</action></entry>
<entry name="serve"><from><member>any</member></from><to><member>any</member></to><source><member>any</member></source><destination><member>any</member></destination><application><member>any</member></application><service><member>any</member></service><profile-setting><profiles><vulnerability><member>strict</member></vulnerability></profiles></profile-setting><action>allow</action></entry>
</rules></security></rulebase></entry></vsys></entry></devices></config>`

func TestCommands(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "config.xml")
	if err := os.WriteFile(config, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	p, ended := within(t, "--dir", dir, "--config", config, "--restart-time", "1ms")
	address := p.expect(`listens at (https://.+)`)
	keyFile, caFile := p.expect(`key file (.+)`), p.expect(`CA file (.+)`)
	do := func(command, pattern string) {
		t.Helper()
		p.command(command)
		p.expect(pattern)
	}
	do("help", `packet SOURCE DESTINATION PORT`)
	do("packet 203.0.113.66 198.51.100.7 443", `allow by rule serve, as session (1); 0 log lines sent`)
	do("sessions", `sessions that stand: \[1\]`)
	do("scan 203.0.113.66 198.51.100.7 2", `allow by rule serve; 0 log lines sent`)
	do("attack 203.0.113.66 198.51.100.7 443", `allow by rule serve, and an attack was found; 0 log lines sent`)
	do("login 203.0.113.66 alice", `1 failed logins of alice from 203\.0\.113\.66; 0 log lines sent`)
	do("login 203.0.113.66 alice admin 3", `3 failed logins of alice from 203\.0\.113\.66; 0 log lines sent`)
	do("tag 203.0.113.66 bad 1h", `register vsys1 203\.0\.113\.66/32 bad for 1h0m0s by another owner`)
	do("packet 203.0.113.66 198.51.100.7 443", `drop by rule block;`)
	do("packet 203.0.113.66 198.51.100.7 443 trust untrust", `allow by rule serve, as session 5;`)
	do("rules", `vsys1 1 block: from untrust blocked to any any: drop`)
	do("tags bad", `vsys1 203\.0\.113\.66/32 bad`)
	do("tags other", `vsys1: 0 addresses`)
	do("lists", `vsys1: 0 lists`)
	do("untag 203.0.113.66", `unregister vsys1 203\.0\.113\.66/32 bad`)
	do("status", `lab-fw-01 +https://.*, alone, 0 addresses registered, 0 edits pending, 0 calls`)
	p.command("fault internal-error")
	do("use lab-fw-01", `commands are about this one now`) // the fault is set once this is answered
	if got := p.call(address, keyFile, caFile, showInfo); !strings.Contains(got, `code="11"`) {
		t.Errorf("with a fault: %s", got)
	}
	if got := p.call(address, keyFile, caFile, showInfo); !strings.Contains(got, "success") {
		t.Errorf("after it: %s", got)
	}
	do("commit", `job 2 Commit of admin: FIN OK`)
	do("edit mallory set /config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']/tag <entry name='odd one'/>", `1 edits of mallory wait for a commit`)
	do("candidate", `<entry name="odd one"`)
	do("commit mallory", `job 3 Commit of mallory: FIN OK`)
	do("jobs", `3 jobs`)
	do("config", `<config><devices>.*<entry name="odd one"/>`)
	do("lock config mallory", `mallory holds the config lock`)
	do("edit eve delete /config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']/tag/entry[@name='x']", `error: edit: .*locked by mallory`)
	do("unlock", `no lock is held`)
	do("role admin op commit", `admin has a role with op, commit alone`)
	p.call(address, keyFile, caFile, register("203.0.113.66"))
	do("tags", `vsys1: 0 addresses`)
	do("role admin superuser", `admin is a superuser`)
	p.call(address, keyFile, caFile, register("203.0.113.66"))
	do("tags", `vsys1: 1 addresses`)
	do("dialect limit=per-entry-error", `dialect limit=per-entry-error`)
	do("reboot", `system critical general: System restart`)
	for command, pattern := range map[string]string{
		"dance": `error: no command "dance"`, "use": `usage: use NAME`, "use me": `no machine is called me`, "use lab-fw-01 vsys2": `no virtual system is called vsys2; there is vsys1`,
		"scan 192.0.2.1 192.0.2.2 0": `not a number of ports`, "attack 192.0.2.1": `usage: attack SOURCE`, "edit admin set": `usage: edit ADMIN`,
		"login 203.0.113.66": `usage: login CLIENT`, "login x alice": `ParseAddr`, "login 203.0.113.66 alice door": `usage: login CLIENT`, "login 203.0.113.66 alice admin 0": `not a number of logins`,
		"role admin fly": `no right is called "fly"`, "role admin": `usage: role ADMIN`, "lock door admin": `usage: lock config`,
		"packet a b c": `error: packet: ParseAddr`, "packet 192.0.2.1 192.0.2.2 99999": `not a number from 0 to 65535`,
		"tag 192.0.2.1": `usage: tag ADDRESS`, "fault explode": `no effect is called`, "fault html x": `not a number of calls`,
		"storm x": `not a seed`, "latency x": `invalid duration`, "dialect x": `no field "x"`, "certificate x": `usage: certificate valid`,
		"failover": `there is no pair`, "suspend": `there is no pair`, "push x": `there is no Panorama`,
	} {
		do(command, "error: .*"+regexp.QuoteMeta(strings.TrimPrefix(pattern, "error: ")))
	}
	p.command("quit")
	p.expect("stopped")
	if code := <-ended; code != 0 {
		t.Errorf("ended with %d", code)
	}
	// The next run takes the same key.
	key := p.read(keyFile)
	again, _ := within(t, "--dir", dir)
	again.expect(`CA file`)
	if p.read(keyFile) != key {
		t.Error("another key is made")
	}
}

func TestPairBehindPanorama(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "panorama.xml")
	if err := os.WriteFile(config, []byte(`<config><devices><entry name="localhost.localdomain"><device-group><entry name="dg"><devices><entry name="007000000000001"/></devices>`+
		`<pre-rulebase><security><rules><entry name="first"><action>deny</action></entry></rules></security></pre-rulebase></entry></device-group></entry></devices></config>`), 0o600); err != nil {
		t.Fatal(err)
	}
	p, _ := within(t, "--pair", "--panorama", "--panorama-config", config, "--dialect", "pair-tags=synced", "--latency", "1ms")
	p.expect(`lab-fw-01 .*listens at`)
	p.expect(`lab-fw-02 .*listens at`)
	address := p.expect(`lab-panorama .*manages 007000000000001 and 007000000000002, listens at (.+)`)
	keyFile, caFile := p.expect(`key file (.+)`), p.expect(`CA file (.+)`)
	form := register("203.0.113.66")
	form.Set("target", "007000000000001")
	p.call(address, keyFile, caFile, form)
	p.expect(`lab-fw-02 +register vsys1 203\.0\.113\.66/32 bad|lab-fw-01 +register vsys1 203\.0\.113\.66/32 bad`)
	p.expect(`lab-fw-02 +register vsys1 203\.0\.113\.66/32 bad|lab-fw-01 +register vsys1 203\.0\.113\.66/32 bad`)
	p.command("push dg")
	p.command("rules")
	p.expect(`lab-fw-01 +vsys1 1 first: from +to +: deny dg`)
	p.command("failover")
	p.command("packet 203.0.113.66 198.51.100.7 443")
	p.expect(`error: packet: nothing is forwarded here`)
	p.command("status")
	p.expect(`lab-fw-01 .*, passive, 1 addresses`)
	p.expect(`lab-fw-02 .*, active, 1 addresses`)
	p.expect(`lab-panorama .*, Panorama, 0 addresses`)
	p.command("use lab-fw-02")
	p.command("suspend")
	p.command("status")
	p.expect(`lab-fw-02 .*, suspended,`)
	p.command("resume")
	p.command("status")
	p.expect(`lab-fw-02 .*, passive,`)
}

// A Panorama without a configuration of its own has an example, which is in force on the firewalls.
func TestTheExampleOfAPanorama(t *testing.T) {
	p, _ := within(t, "--panorama")
	p.expect(`lab-panorama .*manages 007000000000001, listens at`)
	p.command("rules")
	p.expect(`lab-fw-01 +vsys1 1 hq-web: from untrust any to any 198.51.100.7: allow branches`)
}

// Tags and packets are about the virtual system that was chosen.
func TestVirtualSystems(t *testing.T) {
	p, _ := within(t, "--vsys", "vsys1,vsys2")
	p.expect(`CA file`)
	p.command("use lab-fw-01 vsys2")
	p.command("tag 203.0.113.66 bad")
	p.expect(`register vsys2 203\.0\.113\.66/32 bad`)
	p.command("tags")
	p.expect(`vsys1: 0 addresses`)
	p.expect(`vsys2: 1 addresses`)
	p.command("packet 203.0.113.66 198.51.100.7 443")
	p.expect(`by rule interzone-default`)
	p.command("use lab-fw-01")
	p.command("tag 203.0.113.67 bad")
	p.expect(`register vsys1 203\.0\.113\.67/32 bad`)
}

const logging = `<config><shared><log-settings>
<syslog><entry name="host"><server><entry name="host"><server>127.0.0.1</server><transport>UDP</transport><port>9</port><format>BSD</format><facility>LOG_USER</facility></entry></server></entry></syslog>
<profiles><entry name="all"><match-list><entry name="traffic"><log-type>traffic</log-type><filter>All Logs</filter><send-syslog><member>host</member></send-syslog></entry></match-list></entry></profiles>
</log-settings></shared><devices><entry name="localhost.localdomain"><vsys><entry name="vsys1"><rulebase><security><rules>
<entry name="deny"><from><member>any</member></from><to><member>any</member></to><source><member>any</member></source><destination><member>any</member></destination><application><member>any</member></application><service><member>any</member></service><action>deny</action><log-setting>all</log-setting></entry>
</rules></security></rulebase></entry></vsys></entry></devices></config>`

// The file holds what a syslog server would have written: the time of receipt, the host, the message.
func TestLogFile(t *testing.T) {
	dir := t.TempDir()
	config, file := filepath.Join(dir, "config.xml"), filepath.Join(dir, "fw.log")
	if err := os.WriteFile(config, []byte(logging), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, ended := within(t, "--config", config, "--log-file", file)
	p.expect(`CA file`)
	p.command("scan 203.0.113.66 198.51.100.7 2")
	p.expect(`deny by rule deny; 1 log lines sent`)
	p.expect(`deny by rule deny; 1 log lines sent`)
	p.command("quit")
	if code := <-ended; code != 0 {
		t.Errorf("ended with %d", code)
	}
	line := `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d) lab-fw-01 .*203\.0\.113\.66.*\n`
	if got := p.read(file); !regexp.MustCompile(`^before\n` + line + line + `$`).MatchString(got) {
		t.Errorf("the file: %s", got)
	}
}

func TestWrongUsage(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(dir, "broken.xml")
	if err := os.WriteFile(broken, []byte("<config>"), 0o600); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"--config " + broken:               `with the configuration that was given`,
		"--dialect x=y":                    `--dialect: dialect "x=y": no field "x"`,
		"--user admin":                     `--user: expected NAME:PASSWORD`,
		"--listen 127.0.0.1":               `--listen: `,
		"--listen 127.0.0.1:x":             `--listen: port "x" is not a number`,
		"--version ten":                    `version "ten"`,
		"--config " + dir + "/none":        `--config: open `,
		"--config " + empty:                `--config: ` + empty + ` is empty`,
		"--key-file " + empty:              `is empty; remove it`,
		"--panorama-config " + empty:       `add --panorama`,
		"--log-file " + dir:                `--log-file: open `,
		"--no-such-flag":                   `unknown flag`,
		"argument":                         `unknown command "argument"`,
		"--dir " + empty + "/below --pair": `--dir: `,
	} {
		p, ended := within(t, strings.Fields(args)...)
		p.expect(regexp.QuoteMeta(want))
		if code := <-ended; code != exitUsage {
			t.Errorf("%s: ended with %d", args, code)
		}
	}
}
