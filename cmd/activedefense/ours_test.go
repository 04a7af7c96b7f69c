package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/agent/own"
)

// What a firewall says of itself is protected from then on: by the daemon, by the commands beside it, and after a start without the
// firewall, which waits for nobody.
func TestWhatAFirewallSaysOfItselfOutlivesIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite", "")
	const rules = `<nat><rules><entry name="out"><from><member>trust</member></from><to><member>untrust</member></to><source-translation><dynamic-ip>` +
		`<translated-address><member>198.51.100.128/28</member></translated-address></dynamic-ip></source-translation></entry></rules></nat>`
	const rulebase = "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']/rulebase"
	if err := w.sim.Config().Edit("somebody", "set", rulebase, rules); err != nil {
		t.Fatal(err)
	}
	if err := w.sim.Config().Commit("somebody"); err != nil {
		t.Fatal(err)
	}
	w.append(nil)
	pool := own.Network{Network: "198.51.100.128/28", From: "firewall LAB-FW-01: NAT rule out source translation"}
	const refusal = "198.51.100.130 is in 198.51.100.128/28, which is firewall LAB-FW-01's NAT rule out source translation"
	known := func(when string) {
		t.Helper()
		w.until(when+" the pool is known", func() bool {
			s := w.status()
			return s != nil && s.Ready && s.Ours.Known && slices.Contains(s.Ours.Networks, pool)
		})
		if _, stderr, code := w.run("blacklist", "add", "198.51.100.130", "--reason", "test"); code != 1 || !strings.Contains(stderr, refusal) {
			t.Errorf("%s an address of the pool is blocked: exit status %d, %s", when, code, stderr)
		}
		if stdout, _, _ := w.run("status"); !strings.Contains(stdout, "never blocked") || strings.Contains(stdout, "NO PUBLIC ADDRESS") {
			t.Errorf("%s status says: %s", when, stdout)
		}
	}
	d := w.start()
	known("with the firewall")
	d.stop()
	w.sim.Down()
	begun := time.Now()
	d = w.start()
	known("without it")
	if took := time.Since(begun); took > 45*time.Second {
		t.Errorf("a firewall that has answered before is waited for: %s", took)
	}
	d.stop()
	type explained struct {
		Guard string `json:"guard"`
	}
	line := sample{at: time.Now().UTC(), src: "198.51.100.130", dst: "198.51.100.7", port: 443, typ: "TRAFFIC", subtype: "drop"}.line()
	if x := jsonLines[explained](w, "explain", string(line)); len(x) != 1 || x[0].Guard != refusal {
		t.Errorf("explain without a daemon: %+v", x)
	}
}
