package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The daemon is on this host or in the management network: a proxy that the environment names for the internet
// would not find it, and is not to see its state.
func TestStatusAsksTheDaemonAndNoProxy(t *testing.T) {
	asked := false
	daemon := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked = true
		w.Write([]byte(`{"version": "1", "ready": true}`))
	}))
	defer daemon.Close()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("the proxy is asked for %s", r.URL)
	}))
	defer proxy.Close()
	w := newWorld(t, "sqlite", "")
	data, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	// A name of this host for which a proxy would be used: only localhost, in small letters, is exempt.
	_, port, _ := strings.Cut(daemon.Listener.Addr().String(), ":")
	w.write(w.config, []byte(strings.Replace(string(data), w.admin, "LOCALHOST:"+port, 1)))
	t.Setenv("HTTP_PROXY", proxy.URL) // read once a process: the command is one of its own
	if stdout, stderr, code := w.run("status", "--json"); code != 0 || !asked {
		t.Errorf("exit status %d: %s%s", code, stdout, stderr)
	}
}

// Who asks with a configuration of his own is told whose state he sees.
func TestStatusSaysThatTheDaemonRunsWithAnotherConfiguration(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.yaml", "b.yaml"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a.yaml", filepath.Join(dir, "link.yaml")); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	a := filepath.Join(dir, "a.yaml")
	for ours, theirs := range map[string]string{a: a, "a.yaml": a, "link.yaml": a, "": ""} {
		var said strings.Builder
		if (&statusCommand{app: &app{configPath: ours, stderr: &said}}).sayOther("http://x", theirs); said.Len() > 0 {
			t.Errorf("%q beside %q: %s", ours, theirs, said.String())
		}
	}
	for ours, want := range map[string]string{"b.yaml": "runs with " + a + ", not with " + filepath.Join(dir, "b.yaml") + ":", "": "not with the built-in defaults:"} {
		var said strings.Builder
		if (&statusCommand{app: &app{configPath: ours, stderr: &said}}).sayOther("http://x", a); !strings.Contains(said.String(), want) {
			t.Errorf("%q: %q", ours, said.String())
		}
	}
}

func TestNumbersAndWordsAgree(t *testing.T) {
	for got, want := range map[string]string{
		plural(1, "entry"): "1 entry", plural(0, "entry"): "0 entries", plural(uint64(1234), "address"): "1,234 addresses", plural(int64(2), "late answer"): "2 late answers",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// status --watch asks again and again, over a restart of the daemon, until it is interrupted; what is no terminal is not driven.
func TestStatusWatchesUntilInterrupted(t *testing.T) {
	asked := 0
	daemon := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked == 2 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		fmt.Fprintf(w, `{"version": "%d", "ready": false}`, asked)
	}))
	defer daemon.Close()
	ctx, interrupt := context.WithCancel(t.Context())
	var out, fault strings.Builder
	ticks := 0
	c := &statusCommand{app: &app{stdout: &out, stderr: &fault}, tick: func() <-chan time.Time {
		tick := make(chan time.Time, 1)
		if ticks++; ticks == 3 {
			interrupt()
		} else {
			tick <- time.Time{}
		}
		return tick
	}}
	first, err := fetchStatus(ctx, daemon.URL, statusTimeout)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.keepWatching(ctx, first, asking(daemon.URL)); err != nil || asked != 3 {
		t.Errorf("asked %d times: %v", asked, err)
	}
	if text := out.String(); strings.Count(text, "agent      1,") != 1 || strings.Count(text, "agent      3,") != 1 || strings.Contains(text, "\x1b") || !strings.Contains(fault.String(), "502") {
		t.Errorf("written:\n%s\nand %s", text, fault.String())
	}
}
