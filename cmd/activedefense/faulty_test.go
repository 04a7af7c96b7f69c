package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// whole runs a command line in this process, and gives what it wrote and its exit status.
func (a *app) whole(t *testing.T, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	var out, said bytes.Buffer
	one := *a
	one.stdout, one.stderr = &out, &said
	c := one.command()
	c.SetArgs(append([]string{"--config", a.configPath}, args...))
	err := c.ExecuteContext(t.Context())
	if err != nil {
		status = exitFailed
		if coded := (*statusError)(nil); errors.As(err, &coded) {
			status = coded.code
		}
		fmt.Fprintln(&said, err)
	}
	return out.String(), said.String(), status
}

// faulted gives a command line over a database, whose configuration file holds this.
func faulted(t *testing.T, yaml string) *app {
	a := heldApp(t)
	a.configPath = filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(a.configPath, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// A daemon whose reload was refused goes on: what a person has to do meanwhile goes on too, and what blocks does not, while a fault may
// hide what may never be blocked.
func TestAFaultStopsOnlyWhatNeedsWhatItIsIn(t *testing.T) {
	a := faulted(t, "neverblock: [192.0.2.0/24]\nedl: {max_entries: -1}\n")
	const line = "Type=TRAFFIC; SrcIP=203.0.113.7; SrcPort=1; DstIP=198.51.100.1; DstPort=22; Action=drop"
	for _, c := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"blacklist", "list"}, 0, "203.0.113.1"},
		{[]string{"blacklist", "show", "203.0.113.1"}, 0, "is blocked"},
		{[]string{"blacklist", "add", "203.0.113.77", "--reason", "x"}, exitUsage, "what may never be blocked is not known for certain"},
		{[]string{"blacklist", "accept", "203.0.113.2"}, exitUsage, "what may never be blocked is not known for certain"},
		{[]string{"blacklist", "remove", "203.0.113.1"}, 0, "203.0.113.1 is released"},
		{[]string{"records"}, 0, "192.0.2.8"},
		{[]string{"explain", line}, 0, "port-scan"},
		{[]string{"check"}, exitUsage, "has 2 faults"},
		{[]string{"replay", a.configPath}, exitUsage, "has 2 faults"},
		{[]string{"verify"}, exitUsage, "has 2 faults"},
		{[]string{"provision"}, exitUsage, "has 2 faults"},
	} {
		out, said, status := a.whole(t, c.args...)
		if status != c.status || !strings.Contains(out+said, c.says) {
			t.Errorf("%v: exit status %d, %s%s", c.args, status, out, said)
		}
		if n := strings.Count(said, "neverblock: unknown key"); n != 1 || strings.Count(said, "edl.max_entries: ") != 1 || (c.status == 0) != strings.Contains(said, "warning: the configuration "+a.configPath+" has 2 faults") {
			t.Errorf("%v names the faults %d times:\n%s", c.args, n, said)
		}
	}
	for yaml, stops := range map[string][]string{
		"store: {ulr: x}\n":                {"blacklist remove 203.0.113.1", "records", "blacklist list"},
		"admin: {listn: x}\n":              {"blacklist remove 203.0.113.1", "status"},
		"networks: {onw: []}\n":            {"blacklist add 203.0.113.77 --reason x"},
		"detect: {port_scan: {port: 1}}\n": {"explain " + strings.ReplaceAll(line, " ", "")},
	} {
		a := faulted(t, yaml)
		for _, args := range stops {
			if out, said, status := a.whole(t, strings.Fields(args)...); status != exitUsage {
				t.Errorf("%s: %s: exit status %d, %s%s", yaml, args, status, out, said)
			}
		}
	}
}

// Where the configuration does not say where the daemon is, the one at the usual place is asked if it began with that very file.
func TestStatusWithAConfigurationThatCannotBeRead(t *testing.T) {
	a := faulted(t, "admin: [\n")
	began := a.configPath
	daemon := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"version": "1", "ready": true, "configuration": {"path": %q}}`, began)
	}))
	defer daemon.Close()
	a.environ = append(a.environ, "ACTIVEDEFENSE_ADMIN__LISTEN="+daemon.Listener.Addr().String())
	if out, said, status := a.whole(t, "status"); status != 0 || !strings.Contains(out, "ready") || !strings.Contains(said, "warning: ") || !strings.Contains(said, a.configPath+":1: ") {
		t.Errorf("exit status %d, %s%s", status, out, said)
	}
	began = "/etc/another.yaml"
	if out, said, status := a.whole(t, "status"); status != exitUsage || out != "" {
		t.Errorf("another daemon: exit status %d, %s%s", status, out, said)
	}
	daemon.Close()
	if out, said, status := a.whole(t, "status"); status != exitUsage {
		t.Errorf("no daemon: exit status %d, %s%s", status, out, said)
	}
	if _, said, status := a.whole(t, "blacklist", "remove", "203.0.113.1"); status != exitUsage {
		t.Errorf("the store is not known: exit status %d, %s", status, said)
	}
}
