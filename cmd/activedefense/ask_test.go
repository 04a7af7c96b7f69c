package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"activedefense/agent"
	"activedefense/agent/api"
	"activedefense/agent/explain"
	"activedefense/config"
)

// quietWorld is a world of a daemon that reads nothing and calls nobody, with its socket in a folder that all may enter.
func quietWorld(t *testing.T, admin string) (w *world, socket string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "ask")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	socket = filepath.Join(dir, "s")
	w = &world{t: t, dir: t.TempDir(), admin: freePort(t), socket: socket}
	w.config = filepath.Join(w.dir, "c.yaml")
	w.write(w.config, fmt.Appendf(nil, "state_dir: %s/state\nlog: {format: json}\ninputs: [{path: %[1]s/*.log}]\nedl: {listen: \"\"}\nadmin: {listen: %s, socket: %s%s}\n", w.dir, w.admin, socket, admin))
	return w, socket
}

// as runs a subcommand as another user, who can read neither the configuration nor the database. The socket he is told, as one below /run
// he would find.
func (w *world) as(socket string, uid, group uint32, args ...string) (output string, code int) {
	w.t.Helper()
	program := filepath.Join(filepath.Dir(socket), "activedefense")
	if err := os.Link(os.Args[0], program); err != nil && !os.IsExist(err) {
		w.t.Fatal(err)
	}
	cmd := exec.Command(program, append([]string{"--config", w.config}, args...)...)
	cmd.Env = commandEnviron(socket)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid, Groups: []uint32{group}}}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if _, ok := err.(*exec.ExitError); err != nil && !ok {
		w.t.Fatal(err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// Nobody needs root, the configuration or the database's password: members of the groups do it over the socket, and the history has who did.
func TestMembersOfTheGroupsNeedNoDatabase(t *testing.T) {
	if os.Geteuid() != 0 {
		return // who is not root cannot be somebody else; agent/api has the table of roles
	}
	t.Parallel()
	w, socket := quietWorld(t, ", operators: ['64001'], viewers: ['64002']")
	w.start()
	w.until("the daemon runs", func() bool { return ready(w) })
	const somebody, operators, viewers = 65533, 64001, 64002
	for _, c := range []struct {
		group uint32
		args  string
		code  int
		says  string
	}{
		{viewers, "blacklist list", 0, "nothing is blocked"},
		{viewers, "blacklist add 203.0.113.9 --reason x", 1, "user 65533 may not do this: it takes a member of the group 64001"},
		{somebody, "blacklist list", 1, "it takes a member of the group 64002 or 64001"},
		{somebody, "status", 1, "it takes a member of the group"},
		{operators, "blacklist add 203.0.113.9 10.0.0.1 --reason x", 1, "not blocked: 10.0.0.1 is not public"},
		{operators, "blacklist add 203.0.113.9 --reason scans", 0, "203.0.113.9 is blocked"},
		{operators, "blacklist add 203.0.113.9 --reason more --for 1h", 0, "was already blocked"},
		{viewers, "blacklist show 203.0.113.9", 0, "by user 65533"},
		{viewers, "blacklist show 203.0.113.10", 1, "no record of it is stored"},
		{operators, "blacklist accept 203.0.113.9", 1, "not held, and so not accepted: 203.0.113.9 is blocked"},
		{operators, "blacklist remove 203.0.113.9 203.0.113.10", 1, "203.0.113.10 is not blocked, held or observed"},
		{viewers, "records", 0, "no records match"},
		{viewers, "records --severity bad", 2, "--severity"},
		{viewers, "members list", 0, "AGENT"},
		{operators, "members forget gone", 2, `no agent is called "gone"`},
		{operators, "verify", 2, "none is configured"},
		{viewers, "status", 0, "ready"},
		{viewers, "reload", 1, "may not do this"},
		{somebody, "explain x", 1, "it takes a member of the group"},
		{viewers, "explain x", 1, "the line cannot be parsed"},
		{viewers, "provision", 1, "may not do this"},
		{operators, "provision --detailed-exit-code", 1, "none is configured"},
		{viewers, "notify test", 1, "may not do this"},
		{operators, "notify test", 1, "names nobody to tell"},
	} {
		if out, code := w.as(socket, somebody, c.group, strings.Fields(c.args)...); code != c.code || !strings.Contains(out, c.says) {
			t.Errorf("%s, group %d: exit status %d, %s", c.args, c.group, code, out)
		}
	}
	line := strings.TrimSpace(string(generate(1, time.Now().UTC(), rand.New(rand.NewPCG(1, 2)))[0].line()))
	here, _, _ := w.run("explain", line)
	if out, code := w.as(socket, somebody, viewers, "explain", line); code != 0 || out != here || !strings.Contains(out, "port-scan") {
		t.Errorf("explained to a viewer, %d:\n%s\nto root:\n%s", code, out, here)
	}
}

// Who may not read the configuration is told that no daemon answers, or why the one that runs cannot, and of no fault in a file that is none.
func TestMembersOfTheGroupsAreToldWhyTheDaemonDoesNotAnswer(t *testing.T) {
	if os.Geteuid() != 0 {
		return // who is not root cannot be somebody else
	}
	t.Parallel()
	commands := []string{"blacklist list", "blacklist show 203.0.113.9", "blacklist remove 203.0.113.9", "blacklist add 203.0.113.9 --reason x",
		"blacklist pause", "allow list", "records", "report", "verify", "explain x", "provision", "status"}
	expect := func(w *world, socket, says string, commands ...string) {
		t.Helper()
		for _, c := range commands {
			if out, code := w.as(socket, 65533, 64001, strings.Fields(c)...); code != 1 || !strings.Contains(out, says) || !strings.Contains(out, "which you may not read") || strings.Contains(out, "fault") {
				t.Errorf("%s: exit status %d, %s", c, code, out)
			}
		}
	}
	w, socket := quietWorld(t, "")
	expect(w, socket, "systemctl status activedefense; without one this needs "+w.config, commands...)
	serveStatus(t, socket, config.Admin{Operators: []string{"64001"}}, agent.Status{})
	expect(w, socket, "cannot answer: it has not reached its database yet;", commands[:len(commands)-3]...)

	w, socket = quietWorld(t, "") // one whose configuration all may read, and not the keys
	key := filepath.Join(w.dir, "fw.key")
	text, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	w.config = filepath.Join(filepath.Dir(socket), "c.yaml")
	w.write(key, []byte("LUFRPT1..."))
	w.write(w.config, fmt.Appendf(text, "firewalls: [{name: A, url: 'https://192.0.2.1', api_key_file: %[1]s}, {name: B, url: 'https://192.0.2.2', api_key_file: %[1]s}, {name: C, url: 'https://192.0.2.3', api_key_file: %[1]s2}]\n", key))
	if err := os.Chmod(w.config, 0o644); err != nil {
		t.Fatal(err)
	}
	expect(w, socket, "systemctl status activedefense; without one this needs "+key+" and 1 more file", "provision", "verify")
}

// serveStatus answers at a socket for a daemon of this state until the test ends.
func serveStatus(t *testing.T, socket string, admin config.Admin, status agent.Status) {
	t.Helper()
	served := api.New(api.Options{Config: &config.Config{Admin: admin}, Status: func() any { return status }})
	server, err := served.Listen(api.ServerOptions{Socket: socket})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A daemon goes on with the configuration that it has: what is wrong in the file meanwhile stops no command that asks it, and is not its
// business. Only where none runs it is.
func TestAFaultyFileStopsNothingThatTheDaemonAnswers(t *testing.T) {
	t.Parallel()
	w, _ := quietWorld(t, "")
	d := w.start()
	w.until("the daemon runs", func() bool { return ready(w) })
	for _, yaml := range []string{"neverblock: [192.0.2.0/24]\nstate_dir: /nowhere\nstore: {ulr: x}\n", "a: [\n"} {
		w.write(w.config, []byte(yaml))
		for _, args := range []string{"blacklist add 203.0.113.9 --reason x", "blacklist list", "blacklist show 203.0.113.9", "blacklist remove 203.0.113.9", "records", "members list", "status"} {
			if stdout, stderr, code := w.run(strings.Fields(args)...); code != 0 || strings.Contains(stderr, "fault") {
				t.Errorf("%s: exit status %d, %s%s", args, code, stdout, stderr)
			}
		}
	}
	stdout, stderr, code := w.run("reload")
	if code != 1 || stdout != "" || !strings.Contains(stderr, w.config) || !strings.Contains(stderr, "the daemon refuses the new configuration, which has 1 fault") {
		t.Errorf("reload: exit status %d, %s%s", code, stdout, stderr)
	}
	d.stop()
	w.expectRun(2, "", "blacklist", "list")
	w.expectRun(1, "no daemon responds on its socket", "reload")
}

// reload waits for the outcome: the new configuration is in use, or it is said why it is not.
func TestReloadWaitsForTheOutcome(t *testing.T) {
	t.Parallel()
	w, _ := quietWorld(t, "")
	sound, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	w.start()
	w.until("the daemon runs", func() bool { return ready(w) })
	w.expectRun(0, "the daemon runs with "+w.config, "reload")
	if stdout, stderr, code := w.run("reload", "--json"); code != 0 || !strings.Contains(stdout, `"reloaded":true`) {
		t.Errorf("exit status %d, %s%s", code, stdout, stderr)
	}
	w.write(w.config, append(bytes.Clone(sound), "nothing: 1\nblacklist: {release_after: 1s}\n"...))
	if stdout, stderr, code := w.run("reload", "--json"); code != 1 || !strings.Contains(stdout, `"reloaded":false`) || !strings.Contains(stderr, "nothing: ") || !strings.Contains(stderr, "has 2 faults") {
		t.Errorf("exit status %d, %s%s", code, stdout, stderr)
	}
	// There is no fault in it, and it cannot work here: the address is another program's.
	w.write(w.config, bytes.Replace(sound, []byte("edl: {listen: \"\"}"), fmt.Appendf(nil, "edl: {listen: %s}", w.taken()), 1))
	if stdout, stderr, code := w.run("reload"); code != 1 || !strings.Contains(stderr, "edl.listen") {
		t.Errorf("exit status %d, %s%s", code, stdout, stderr)
	}
}

// Who asks or has something done while the configuration is reloaded does not notice it.
func TestWhoAsksDoesNotNoticeAReload(t *testing.T) {
	t.Parallel()
	w, socket := quietWorld(t, "")
	w.start()
	w.until("the daemon runs", func() bool { return ready(w) })
	client := api.Dial(socket)
	client.Known = true
	ended := make(chan struct{})
	var group errgroup.Group
	added := 0
	ask := func(n int) error {
		added = n
		address := fmt.Sprintf("20.1.%d.%d", n/250, n%250+1)
		if err := client.Post(t.Context(), "blacklist", api.Blocking{Address: address, Reason: "test"}, &api.Blocked{}); err != nil {
			return fmt.Errorf("add: %w", err)
		}
		return api.Each(t.Context(), client, "blacklist", nil, "entries", &api.Listed{}, func(*api.Entry) error { return nil })
	}
	group.Go(func() error {
		for n := 0; ; n++ {
			select {
			case <-ended:
				return nil
			default:
				if err := ask(n); err != nil {
					return fmt.Errorf("%d: %w", n, err)
				}
			}
		}
	})
	for range 4 {
		w.expectRun(0, "the daemon runs with", "reload")
	}
	close(ended)
	if err := group.Wait(); err != nil || added == 0 {
		t.Errorf("%d were added: %v", added, err)
	}
}

// taken is an address at which another program listens until the test ends.
func (w *world) taken() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// Whoever adds or removes tokens at the same time as others loses none of theirs.
func TestTokensThatAreMadeAtOnceAreAllKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	var group errgroup.Group
	for i := range 20 {
		group.Go(func() error { return rewriteTokens(path, "", fmt.Sprintf("n%d viewer x", i)) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || bytes.Count(text, []byte("\n")) != 20 {
		t.Errorf("%v\n%s", err, text)
	}
	if err := rewriteTokens(path, "", "n7 operator y"); err == nil {
		t.Error("a name is there twice")
	}
}

// A token that is made can be used at once, does what its role may, and is over when it is removed.
func TestTokensAreMadeAndRemoved(t *testing.T) {
	t.Parallel()
	w, _ := quietWorld(t, "")
	w.expectRun(2, "admin.tokens_file is empty", "token", "add", "anna", "operator")
	w, _ = quietWorld(t, ", tokens_file: "+filepath.Join(t.TempDir(), "tokens"))
	for _, wrong := range [][]string{{"add", "anna"}, {"add", "anna", "root"}, {"add", "an na", "viewer"}, {"remove", "nobody"}} {
		w.expectRun(2, "", append([]string{"token"}, wrong...)...)
	}
	make := func(name, role string) string {
		stdout, stderr, code := w.run("token", "add", name, role)
		if code != 0 || !strings.Contains(stderr, "which is shown this once") || len(strings.TrimSpace(stdout)) != 43 {
			t.Fatalf("exit status %d, %s%s", code, stdout, stderr)
		}
		return strings.TrimSpace(stdout)
	}
	reader := make("reader", "viewer")
	w.start()
	w.until("the daemon runs", func() bool { code, _ := w.get("/readyz"); return code == http.StatusOK })
	anna := make("anna", "operator")
	w.expectRun(1, "there is a token called anna already", "token", "add", "anna", "viewer")
	if stdout, _, _ := w.run("token", "list", "--json"); stdout != `{"name":"reader","role":"viewer"}`+"\n"+`{"name":"anna","role":"operator"}`+"\n" {
		t.Errorf("listed are %s", stdout)
	}
	ask := func(method, path, token, body string) int {
		request, err := http.NewRequest(method, "http://"+w.admin+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		if body != "" {
			request.Header.Set("Content-Type", "application/json")
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response.StatusCode
	}
	const block = `{"address": "203.0.113.9", "reason": "x"}`
	for _, c := range []struct {
		method, path, token, body string
		want                      int
	}{
		{"GET", "/status", "", "", 401}, {"GET", "/metrics", "", "", 401}, {"GET", "/metrics", reader, "", 200}, {"GET", "/healthz", "", "", 200},
		{"GET", "/api/v1/blacklist", reader, "", 200}, {"POST", "/api/v1/blacklist", reader, block, 403}, {"POST", "/api/v1/blacklist", anna, block, 200},
	} {
		if got := ask(c.method, c.path, c.token, c.body); got != c.want {
			t.Errorf("%s %s is answered %d instead of %d", c.method, c.path, got, c.want)
		}
	}
	if list := jsonLines[explain.BlacklistEntry](w, "blacklist", "list"); len(list) != 1 || list[0].By != "anna" {
		t.Errorf("listed is %+v", list)
	}
	w.expectRun(0, "the token of anna is removed", "token", "remove", "anna")
	if got := ask("POST", "/api/v1/blacklist", anna, block); got != 401 {
		t.Errorf("a token that was removed is answered %d", got)
	}
}

// Over the socket the daemon plans what a firewall lacks with its own key, and checks its policy; over HTTPS it is served with the list's
// certificate, which no other program may ask to plan.
func TestADaemonOfAFirewallPlansAndChecks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite", "")
	tokens := filepath.Join(w.dir, "tokens")
	text, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	w.write(w.config, bytes.Replace(text, fmt.Appendf(nil, "admin: {listen: %q}", w.admin), fmt.Appendf(nil, "admin: {listen: %q, tls: true, tokens_file: %q, operators: ['64001']}", w.admin, tokens), 1))
	anna, _, _ := w.run("token", "add", "anna", "operator")
	w.start()
	w.until("the daemon runs", func() bool { _, _, code := w.run("status"); return code == 0 })
	client := api.Dial(w.socket)
	plans := 0
	var rest api.Provisioned
	if err := api.EachOf(t.Context(), client, "POST", "provision", nil, api.Provisioning{Firewall: "LAB-FW-01"}, "plans", &rest, func(p *api.Planned) error {
		if plans++; p.Firewall != "LAB-FW-01" || p.Plan == nil || len(p.Steps) == 0 {
			t.Errorf("planned is %+v", p)
		}
		return nil
	}); err != nil || plans != 1 || len(rest.Left) == 0 {
		t.Errorf("%d plans, %d steps left, %v", plans, len(rest.Left), err)
	}
	if os.Geteuid() == 0 { // else nobody is another user, who may read no configuration and asks the daemon
		if err := os.Chmod(filepath.Dir(w.socket), 0o755); err != nil {
			t.Fatal(err)
		}
		stdout, stderr, want := w.run("provision")
		if out, code := w.as(w.socket, 65533, 64001, "provision"); code != want || out != stdout+stderr || !strings.Contains(out, "--apply writes") {
			t.Errorf("an operator's plan, exit status %d:\n%s\nroot's:\n%s%s", code, out, stdout, stderr)
		}
	}
	if stdout, _, code := w.run("verify", "--json"); code != 1 || !strings.Contains(stdout, `"check":"block-rule"`) {
		t.Errorf("exit status %d, %s", code, stdout)
	}
	ca, err := os.ReadFile(filepath.Join(w.dir, "state", "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	https := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}}
	for path, want := range map[string]int{"GET /api/v1/status": 200, "POST /api/v1/provision": 403} {
		method, path, _ := strings.Cut(path, " ")
		request, err := http.NewRequest(method, "https://"+w.admin+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(anna))
		response, err := https.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s is answered %s", path, response.Status)
		}
	}
}

// A state folder whose name leaves none for a socket is said so.
func TestAStateFolderWithALongName(t *testing.T) {
	w := &world{t: t, dir: t.TempDir(), environ: whereItIs}
	w.config = filepath.Join(w.dir, "c.yaml")
	w.write(w.config, fmt.Appendf(nil, "state_dir: %s/%s\nedl: {listen: \"\"}\nadmin: {listen: %s}\n", w.dir, strings.Repeat("x", 100), freePort(t)))
	w.expectRun(1, "the system takes at most 107 as the name of a socket; set admin.socket to a shorter path such as /run/activedefense/activedefense.sock", "run")
}

// The daemon below /run is the one that is meant, unless --config names another file than it began with; what admin.socket names is, whatever
// it began with, and is asked first.
func TestWhichDaemonIsMeant(t *testing.T) {
	dir, err := os.MkdirTemp("", "ask")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	serve := func(name, began string) string {
		socket := filepath.Join(dir, name)
		serveStatus(t, socket, config.Admin{}, agent.Status{Configuration: agent.ConfigurationStatus{Path: began}})
		return socket
	}
	ours, faulty := filepath.Join(dir, "ours.yaml"), filepath.Join(dir, "faulty.yaml")
	for path, yaml := range map[string]string{ours: "state_dir: " + filepath.Join(dir, "state") + "\n", faulty: "a: [\n"} {
		if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
	run, custom := serve("run", ours), serve("custom", "/etc/another.yaml")
	serve("faulty", faulty)
	state := serve(filepath.Join("state", api.SocketName), "/etc/whatever.yaml")
	for name, c := range map[string]struct {
		config, service, variable, want string
	}{
		"below /run":                {ours, run, "", run},
		"with no file named":        {"", custom, "", custom},
		"another's below /run":      {ours, custom, "", state},
		"admin.socket":              {ours, run, custom, custom},
		"nobody at admin.socket":    {ours, run, filepath.Join(dir, "gone"), run},
		"a file that says nothing":  {faulty, filepath.Join(dir, "faulty"), "", filepath.Join(dir, "faulty")},
		"nor is it that one's":      {faulty, run, "", ""},
		"a file that is not there":  {filepath.Join(dir, "none.yaml"), run, "", ""},
		"below /run with long name": {ours, "/" + strings.Repeat("x", 200), "", state},
	} {
		a := &app{configPath: c.config, serviceSocket: c.service, environ: []string{"ACTIVEDEFENSE_ADMIN__SOCKET=" + c.variable}}
		found, err := a.running(t.Context())
		if got := ""; err != nil || found == nil != (c.want == "") || found != nil && found.At != c.want {
			if found != nil {
				got = found.At
			}
			t.Errorf("%s: asked is %q instead of %q, %v", name, got, c.want, err)
		}
	}
}
