package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"activedefense/agent"
	"activedefense/detect"
	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/userid"
)

// beCommand makes the test binary be the command itself: the end-to-end tests run it as a process of
// its own, so that it can be killed.
const beCommand = "BE_THE_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(beCommand) != "" {
		signal.Ignore(syscall.SIGXFSZ) // a test limits the size of files; the error is what it is about
		if file := os.Getenv(hostClockFile); file != "" {
			clock, err := openHostClock(file)
			if err == nil {
				err = clock.wear()
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(99)
			}
		}
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		profiled := profile(os.Getenv("REPLAY_PROFILE"))
		code := execute(ctx, os.Args[1:])
		profiled()
		stop()
		os.Exit(code)
	}
	flag.Parse()
	if !given("test.parallel") {
		flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))) // the daemons that are tested mostly wait
	}
	os.Exit(m.Run())
}

// given tells whether a flag was.
func given(name string) (is bool) {
	flag.Visit(func(f *flag.Flag) { is = is || f.Name == name })
	return is
}

// profile keeps what this process uses the processor for, until the function that it gives is called, in a folder; "": not.
func profile(dir string) (stop func()) {
	if dir == "" {
		return func() {}
	}
	f, err := os.CreateTemp(dir, "*.cpu")
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	if err != nil {
		panic(err)
	}
	return func() {
		pprof.StopCPUProfile()
		f.Close()
	}
}

// patience bounds every wait for something that must happen.
const patience = 90 * time.Second

// A world is what an agent lives in: a folder, a log file, a firewall, a database.
type world struct {
	t          testing.TB
	dir        string
	log        string // the log file
	config     string
	admin, edl string // host:port
	sim        *panosim.Sim
	socket     string   // where the daemon is asked; a short path, whatever the test is called
	environ    []string // beside that of this process
	terse      bool     // a failure shows no daemon's log
}

// stores are the databases that the end-to-end tests run on.
var stores = []string{"sqlite", "postgresql"}

// newWorld makes a world; extra is more YAML for the configuration's top level.
func newWorld(t testing.TB, database string, extra string) *world {
	t.Helper()
	return newWorldWith(t, database, extra, nil)
}

// newWorldWith makes a world in which onChange hears of every tag.
func newWorldWith(t testing.TB, database string, extra string, onChange func(userid.Change)) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), admin: freePort(t), edl: freePort(t)}
	w.log = filepath.Join(w.dir, "logs", "LAB-FW-01.log")
	w.config = filepath.Join(w.dir, "activedefense.yaml")
	sim, err := panosim.Start(panosim.Options{Listen: freePort(t), MaxRegistered: 100_000, OnChange: onChange})
	if err != nil {
		t.Fatal(err)
	}
	w.sim = sim
	t.Cleanup(func() { sim.Close() })
	url := ""
	if database == "postgresql" {
		url = newDatabase(t)
	}
	w.write(filepath.Join(w.dir, "fw.key"), []byte(sim.Key()))
	w.write(filepath.Join(w.dir, "fw-ca.pem"), sim.CA())
	if err := os.Mkdir(filepath.Dir(w.log), 0o700); err != nil {
		t.Fatal(err)
	}
	w.write(w.config, fmt.Appendf(nil, `state_dir: %[1]s/state
store: {url: %[2]q}
log: {level: info, format: json}
inputs: [{path: %[1]s/logs/*.log, timezone: UTC}]
edl: {listen: %[3]q}
admin: {listen: %[4]q}
firewalls: [{name: LAB-FW-01, url: %[5]q, api_key_file: %[1]s/fw.key, ca_file: %[1]s/fw-ca.pem}]
%[6]s
`, w.dir, url, w.edl, w.admin, sim.URL(), extra))
	return w
}

func (w *world) write(path string, data []byte) {
	w.t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// append adds to the log file as it is.
func (w *world) append(data []byte) {
	w.t.Helper()
	f, err := os.OpenFile(w.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		w.t.Fatal(err)
	}
}

// freePort gives an address at which nobody listens, each one once.
func freePort(t testing.TB) string {
	t.Helper()
	for range 1000 {
		address := fmt.Sprintf("127.0.0.1:%d", 12_000+int(nextPort.Add(1))%20_000)
		l, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return address
	}
	t.Fatal("no port is free")
	return ""
}

// nextPort goes through the ports that nothing gets without asking for it: those from 32768 on are taken by any connection, and so may be
// taken before a daemon listens. Each process of tests begins elsewhere.
var nextPort = func() *atomic.Int64 {
	var n atomic.Int64
	n.Store(int64(os.Getpid()) * 211)
	return &n
}()

// newDatabase makes a PostgreSQL database of its own for one test and gives its URL.
func newDatabase(t testing.TB) string {
	t.Helper()
	base := os.Getenv("TEST_POSTGRES_URL")
	if base == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("TEST_POSTGRES_URL is not set")
		}
		t.Skip("TEST_POSTGRES_URL is not set")
	}
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, base)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	name := fmt.Sprintf("e2e_%d_%d", os.Getpid(), time.Now().UnixNano())
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn, err := pgx.Connect(ctx, base)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close(ctx)
		if _, err := conn.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	u := conn.Config().Copy()
	return fmt.Sprintf("postgres://%s@%s:%d/%s?sslmode=disable", u.User, u.Host, u.Port, name)
}

// A daemon is a running `activedefense run`.
type daemon struct {
	w    *world
	cmd  *exec.Cmd
	done chan struct{}

	mu     sync.Mutex
	stderr bytes.Buffer
}

func (w *world) command(args ...string) *exec.Cmd {
	w.t.Helper()
	if w.socket == "" {
		dir, err := os.MkdirTemp("", "w")
		if err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(func() { os.RemoveAll(dir) })
		w.socket = filepath.Join(dir, "s")
	}
	cmd := exec.Command(os.Args[0], append([]string{"--config", w.config}, args...)...)
	cmd.Env = append(commandEnviron(w.socket), w.environ...)
	return cmd
}

// commandEnviron has this program be the command, whose daemon is at a socket. Under the race detector a process would wait a second at its
// end for what other goroutines still do (go.dev/doc/articles/race_detector, atexit_sleep_ms).
func commandEnviron(socket string) []string {
	return append(os.Environ(), beCommand+"=1", "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"), "ACTIVEDEFENSE_ADMIN__SOCKET="+socket)
}

// whereItIs has the daemon be where it is without admin.socket: in state_dir.
var whereItIs = []string{"ACTIVEDEFENSE_ADMIN__SOCKET="}

func (w *world) start() *daemon {
	w.t.Helper()
	d := &daemon{w: w, cmd: w.command("run"), done: make(chan struct{})}
	pipe, err := d.cmd.StderrPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		defer close(d.done)
		lines := bufio.NewReader(pipe)
		for {
			line, err := lines.ReadBytes('\n')
			d.mu.Lock()
			d.stderr.Write(line)
			d.mu.Unlock()
			if err != nil {
				d.cmd.Wait()
				return
			}
		}
	}()
	w.t.Cleanup(func() {
		d.cmd.Process.Kill()
		<-d.done
		w.secret("the daemon's log", d.log())
		if w.t.Failed() && !w.terse {
			w.t.Logf("the daemon's log:\n%s", tailOf(strings.Join(notBlocking(d.log()), "\n"), 4000))
		}
	})
	return d
}

// secret makes sure that the firewall's key does not stand in what the program says.
func (w *world) secret(what, text string) {
	w.t.Helper()
	if w.sim != nil && strings.Contains(text, w.sim.Key()) {
		w.t.Errorf("%s holds the API key", what)
	}
}

func tailOf(s string, n int) string {
	if len(s) > n {
		return "..." + s[len(s)-n:]
	}
	return s
}

func (d *daemon) log() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stderr.String()
}

// kill is kill -9.
func (d *daemon) kill() {
	d.cmd.Process.Kill()
	<-d.done
}

// stop is SIGTERM; it gives the exit status and how long it took.
func (d *daemon) stop() (int, time.Duration) {
	d.w.t.Helper()
	begun := time.Now()
	d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.done:
	case <-time.After(patience):
		d.w.t.Fatal("the daemon does not stop")
	}
	return d.cmd.ProcessState.ExitCode(), time.Since(begun)
}

// until waits for something observable.
func (w *world) until(what string, is func() bool) {
	w.t.Helper()
	deadline := time.Now().Add(patience)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !is() {
		if time.Now().After(deadline) {
			w.t.Fatalf("not within %s: %s", patience, what)
		}
		<-ticker.C
	}
}

// status asks the running daemon; nil if it does not answer.
func (w *world) status() *agent.Status {
	s, err := fetchStatus(context.Background(), "http://"+w.admin, statusTimeout)
	if err != nil {
		return nil
	}
	return s
}

// get fetches from the admin interface.
func (w *world) get(path string) (int, string) {
	response, err := http.Get("http://" + w.admin + path)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(body)
}

// list fetches the list as a firewall does, trusting the agent's CA.
func (w *world) list() (int, []string) {
	w.t.Helper()
	ca, err := os.ReadFile(filepath.Join(w.dir, "state", "ca.crt"))
	if err != nil {
		return 0, nil
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}}
	response, err := client.Get("https://" + w.edl + "/files/blacklist.txt")
	if err != nil {
		return 0, nil
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, nil
	}
	var entries []string
	for line := range strings.Lines(string(body)) {
		entries = append(entries, strings.TrimSpace(line))
	}
	return response.StatusCode, entries
}

// tagged is what the firewall holds with our tag, sorted.
func (w *world) tagged() []string {
	var out []string
	for p := range w.sim.Addresses().Tagged("vsys1", "active-defense") {
		out = append(out, detect.AddressText(p))
	}
	slices.Sort(out)
	return out
}

// run runs another subcommand to its end.
func (w *world) run(args ...string) (stdout, stderr string, code int) {
	w.t.Helper()
	cmd := w.command(args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	if _, ok := err.(*exec.ExitError); err != nil && !ok {
		w.t.Fatal(err)
	}
	w.secret("what it prints", out.String()+errOut.String())
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

// jsonLines runs a subcommand with --json and decodes its objects.
func jsonLines[T any](w *world, args ...string) []T {
	w.t.Helper()
	stdout, stderr, code := w.run(append(args, "--json")...)
	if code != 0 {
		w.t.Fatalf("%v: exit status %d: %s", args, code, stderr)
	}
	var out []T
	decoder := json.NewDecoder(strings.NewReader(stdout))
	for decoder.More() {
		var v T
		if err := decoder.Decode(&v); err != nil {
			w.t.Fatalf("%v: %v", args, err)
		}
		out = append(out, v)
	}
	return out
}

// hangup is SIGHUP: read the configuration again.
func (d *daemon) hangup() { d.cmd.Process.Signal(syscall.SIGHUP) }

// notBlocking is the log without what is logged for every block.
func notBlocking(log string) []string {
	return slices.DeleteFunc(strings.Split(log, "\n"), func(line string) bool {
		return strings.Contains(line, `"blocking: `) || strings.Contains(line, "firewall in sync")
	})
}
