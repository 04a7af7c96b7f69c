package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"activedefense/firewall/panosim"
)

// patience bounds every wait for something that must happen, but for the reading of lines.
const patience = time.Minute

// A home is what a daemon needs: a folder with its state, its configuration and its log files, and addresses.
type home struct {
	program, dir, config string
	admin, list          string // host:port
}

// newHome makes one below dir; store are the settings of that section. With a firewall, it is the daemon's.
func (b *bench) newHome(store string, sim *panosim.Sim) (*home, error) {
	dir, err := os.MkdirTemp(b.dir, "home-")
	if err != nil {
		return nil, err
	}
	h := &home{program: b.program, dir: dir, config: filepath.Join(dir, "activedefense.yaml")}
	for _, address := range []*string{&h.admin, &h.list} {
		if *address, err = freeAddress(); err != nil {
			return nil, err
		}
	}
	text := fmt.Sprintf("state_dir: %[1]s/state\nstore: {%[2]s}\nlog: {level: warn, format: json}\ninputs: [{path: %[1]s/logs/*.log, timezone: UTC}]\n"+
		"networks: {own: [198.51.100.0/24]}\nblacklist: {surge: {additions: 0}}\nedl: {listen: %[3]q}\nadmin: {listen: %[4]q, socket: %[1]s/s}\n", dir, store, h.list, h.admin)
	files := map[string][]byte{}
	if sim != nil {
		text += fmt.Sprintf("firewalls: [{name: LAB-FW-01, url: %[2]q, api_key_file: %[1]s/fw.key, ca_file: %[1]s/fw-ca.pem}]\n", dir, sim.URL())
		files["fw.key"], files["fw-ca.pem"] = []byte(sim.Key()), sim.CA()
	}
	files["activedefense.yaml"] = []byte(text)
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return nil, err
		}
	}
	return h, os.Mkdir(filepath.Join(dir, "logs"), 0o700)
}

// freeAddress is one at which nobody listens.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// logFile is where its lines are read.
func (h *home) logFile() string { return filepath.Join(h.dir, "logs", "LAB-FW-01.log") }

// A daemon is a running `activedefense run`, or another program that goes on until it is stopped.
type daemon struct {
	*home
	cmd   *exec.Cmd
	begun time.Time
	said  bytes.Buffer  // on standard error; to be read when it has ended
	ended chan struct{} // closed then
}

func (h *home) start() (*daemon, error) {
	d, err := begin(exec.Command(h.program, "--config", h.config, "run"))
	if err != nil {
		return nil, err
	}
	d.home = h
	return d, nil
}

// begin starts a program that goes on until it is stopped; its home, if it has one, is the caller's to set.
func begin(cmd *exec.Cmd) (*daemon, error) {
	d := &daemon{cmd: cmd, begun: time.Now(), ended: make(chan struct{})}
	d.cmd.Stderr = &d.said
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = d.cmd.Wait() // how it ended, stop sees
		close(d.ended)
	}()
	return d, nil
}

// stop has it end as systemd would. What it said stands in the error, if it did not end well.
func (d *daemon) stop() error {
	_ = d.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-d.ended:
	case <-time.After(patience):
		_ = d.cmd.Process.Kill()
		<-d.ended
		return fmt.Errorf("the daemon did not stop within %s", patience)
	}
	if code := d.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("the daemon ended with status %d: %s", code, lastOf(d.said.String()))
	}
	return nil
}

// kill ends it at once where something has failed already.
func (d *daemon) kill() {
	_ = d.cmd.Process.Kill()
	<-d.ended
}

// lastOf is the end of what a program said.
func lastOf(text string) string {
	text = strings.TrimSpace(text)
	return text[max(0, len(text)-500):]
}

// until waits until something is so, and looks the more seldom the longer that takes: to be asked costs the daemon time.
func (d *daemon) until(ctx context.Context, what string, within time.Duration, is func() bool) error {
	began := time.Now()
	for !is() {
		waited := time.Since(began)
		if waited > within {
			return fmt.Errorf("not within %s: %s", within, what)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-d.ended:
			return fmt.Errorf("the daemon ended before %s: %s", what, lastOf(d.said.String()))
		case <-time.After(min(max(time.Millisecond, waited/50), 50*time.Millisecond)):
		}
	}
	return nil
}

// client trusts any certificate: it is the daemon's own, on loopback, and nothing is sent.
var client = &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}

// get fetches something, of which there are at most 64 MiB.
func get(ctx context.Context, url string) (status int, body []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(io.LimitReader(response.Body, 64<<20))
	return response.StatusCode, body, err
}

// answers tells whether a URL gives 200.
func answers(ctx context.Context, url string) bool {
	status, _, err := get(ctx, url)
	return err == nil && status == http.StatusOK
}

func (d *daemon) ready(ctx context.Context) error {
	return d.until(ctx, "the daemon is ready", patience, func() bool { return answers(ctx, "http://"+d.admin+"/readyz") })
}

// stored is how many records were committed since it started; -1: it does not say.
func (d *daemon) stored(ctx context.Context) int {
	status, body, err := get(ctx, "http://"+d.admin+"/status")
	s := struct{ Stored int }{-1}
	if err != nil || status != http.StatusOK || json.Unmarshal(body, &s) != nil {
		return -1
	}
	return s.Stored
}

// processorTime is what it has used, in seconds, as Linux counts it.
func (d *daemon) processorTime() (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", d.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the name may hold anything else
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", d.cmd.Process.Pid, len(fields))
	}
	const ticks = 100 // a second, on every Linux that Go runs on
	ours, err := strconv.ParseFloat(fields[11], 64)
	if err != nil {
		return 0, err
	}
	kernels, err := strconv.ParseFloat(fields[12], 64)
	return (ours + kernels) / ticks, err
}

// peakMemory is the most that it had in memory, in MiB.
func (d *daemon) peakMemory() (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status does not say VmHWM", d.cmd.Process.Pid)
}

// onDisk is the room that a folder takes, in bytes; what vanishes meanwhile takes none.
func onDisk(dir string) (bytes float64) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if info, err := e.Info(); err == nil {
			if s, ok := info.Sys().(*syscall.Stat_t); ok {
				bytes += float64(s.Blocks) * 512
			}
		}
		return nil
	})
	return bytes
}
