package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"activedefense/agent"
	"activedefense/agent/display"
	"activedefense/agent/line"
	"activedefense/agent/trouble"
)

// What a person should see to stands at the top.
func TestStatusBeginsWithTroubles(t *testing.T) {
	since := time.Date(2026, 11, 29, 12, 0, 0, 0, time.Local)
	var text strings.Builder
	s := &agent.Status{Ready: true, Troubles: []trouble.Trouble{{Since: since, What: "partners.txt was not taken over", Remedy: "Restore the file"}}}
	if err := (&statusCommand{&app{stdout: &text}}).writeText(s); err != nil {
		t.Fatal(err)
	}
	if want := "partners.txt was not taken over (since " + display.LocalTime(since) + "). Restore the file\n"; !strings.Contains(text.String(), want) ||
		strings.Index(text.String(), "TROUBLE") > strings.Index(text.String(), "\nstore") {
		t.Errorf("it says\n%s", text.String())
	}
}

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

func TestNumbersAndWordsAgree(t *testing.T) {
	for got, want := range map[string]string{
		plural(1, "entry"): "1 entry", plural(0, "entry"): "0 entries", plural(uint64(1234), "address"): "1,234 addresses", plural(int64(2), "late answer"): "2 late answers",
		detectionText(&line.DetectStatus{NearThreshold: 1}): "1 source near a threshold",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestStatusSaysSinceWhenPartnersAreKnown(t *testing.T) {
	since := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	d := line.DetectStatus{NearThreshold: 3}
	if got := detectionText(&d); got != "3 sources near a threshold" {
		t.Error(got)
	}
	d.PartnersSince = &since
	const want = "\npartners known since %s (24 h needed): until then one whose address is forged may be blocked"
	if got := detectionText(&d); got != "3 sources near a threshold"+fmt.Sprintf(want, localPtr(&since)) {
		t.Error(got)
	}
	d.Refused, d.Elsewhere = 1000, 500
	if got := strings.Split(detectionText(&d), "\n"); len(got) != 3 || !strings.HasPrefix(got[1], "TROUBLE: ") || "\n"+got[2] != fmt.Sprintf(want, localPtr(&since)) {
		t.Errorf("%q", got)
	}
}
