package main

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/agent/explain"
	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/traffic"
)

// The closed loop: packets of attackers meet the policy of a simulated firewall, which forwards its logs into the file
// that the daemon reads; what the daemon then does lets the same policy drop them.

const (
	blockRule  = "active-defense-block"
	sensorRule = "interzone-default"
	openRule   = "web" // of the firewall's own: HTTPS from the internet to the servers
)

// loopConfig is a firewall before it has heard of us: two zones and a web server. more goes into config/shared.
const loopConfig = `<config version="10.2.0"><mgt-config><users>%s</users></mgt-config><shared>%s</shared>
<devices><entry name="localhost.localdomain"><network><interface><ethernet><entry name="ethernet1/1"><layer3><dhcp-client/></layer3></entry></ethernet></interface></network>
<vsys><entry name="vsys1"><zone><entry name="untrust"><network><layer3><member>ethernet1/1</member></layer3></network></entry><entry name="dmz"><network><layer3/></network></entry></zone>
<rulebase><security><rules><entry name="` + openRule + `"><from><member>untrust</member></from><to><member>dmz</member></to>
<source><member>any</member></source><destination><member>any</member></destination><source-user><member>any</member></source-user>
<category><member>any</member></category><application><member>any</member></application><service><member>service-https</member></service>
<profile-setting><profiles><vulnerability><member>strict</member></vulnerability></profiles></profile-setting>
<action>allow</action></entry></rules></security></rulebase>
</entry></vsys></entry></devices></config>`

// newLoop makes a world whose firewall forwards the logs of its traffic into the log file. o may say more of it.
func newLoop(t *testing.T, mode string, o panosim.Options) *world {
	t.Helper()
	w := newWorld(t, "sqlite", "")
	w.append(nil)
	file, err := os.OpenFile(w.log, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	if o.Config == "" {
		o.Config = fmt.Sprintf(loopConfig, "", "")
	}
	o.CommitTime = 100 * time.Millisecond
	o.Now = func() time.Time { return time.Now().UTC() } // as the world's inputs are configured
	o.OnLog = func(line []byte) {
		// As a syslog server writes it: without the priority. One write a line, so that concurrent ones do not mix.
		_, line, _ = bytes.Cut(line, []byte(">"))
		if _, err := file.Write(append(bytes.Clone(line), '\n')); err != nil {
			t.Error(err)
		}
	}
	w.sim.Close()          // newWorld's knows no policy
	o.Listen = freePort(t) // one that it gets again when it was down
	if w.sim, err = panosim.Start(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.sim.Close)
	w.write(w.dir+"/fw.key", []byte(w.sim.Key()))
	w.write(w.dir+"/fw-ca.pem", w.sim.CA())
	w.configure(mode)
	return w
}

// ready waits until the list is served, so that it can be fetched, has the firewall provisioned, and waits until it is
// level with the blacklist.
func (w *world) ready() {
	w.t.Helper()
	w.until("the list is served", func() bool { s := w.status(); return s != nil && s.Ready && s.List.Loaded })
	if stdout, stderr, code := w.run("provision", "--apply", "--adopt", "--commit"); code != 0 {
		w.t.Fatalf("provision: exit status %d\n%s%s", code, stdout, stderr)
	}
	w.until("the firewall is level", func() bool { s := w.status(); return s != nil && s.Firewalls[0].Up })
}

// packet sends one from the internet to a server, and gives the rule that decided.
func (w *world) packet(source, destination string, port int, more func(*traffic.Packet)) traffic.Verdict {
	w.t.Helper()
	p := traffic.Packet{From: "untrust", To: "dmz", Source: netip.MustParseAddr(source), Destination: netip.MustParseAddr(destination),
		SourcePort: 40000, DestinationPort: uint16(port), SourceCountry: "Netherlands", DestinationCountry: "Australia", Short: true}
	if more != nil {
		more(&p)
	}
	v := w.sim.Traffic().Packet(p)
	if v.Lines == 0 {
		w.t.Errorf("the packet of %s was decided by %q, which forwarded no log", source, v.Rule)
	}
	return v
}

// browse is a connection to the web server.
func (w *world) browse(source string) traffic.Verdict {
	return w.packet(source, "198.51.100.7", 443, nil)
}

// attackers are one for each rule of detection, with what they send first.
var attackers = map[string]func(w *world, source string) []traffic.Verdict{
	"203.0.113.66": func(w *world, source string) (all []traffic.Verdict) { // a port scan
		for i := range testPorts + 1 {
			all = append(all, w.packet(source, "198.51.100.7", 8000+i, nil))
		}
		return all
	},
	"203.0.113.67": func(w *world, source string) (all []traffic.Verdict) { // a host sweep
		for i := range testHosts {
			all = append(all, w.packet(source, fmt.Sprintf("198.51.100.%d", 20+i), 3389, nil))
		}
		return all
	},
	"2001:db8:bad::7": func(w *world, source string) []traffic.Verdict { // an exploit
		return []traffic.Verdict{w.packet(source, "2001:db8:1::7", 443, func(p *traffic.Packet) {
			p.Threat = &traffic.Threat{Name: "GlobalProtect OS Command Injection Vulnerability", ID: 95187}
		})}
	},
}

func TestTheLoopClosesInEveryMode(t *testing.T) {
	for _, mode := range []string{"dynamic-tag", "address-group", "edl"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel() // it waits for processes and commits
			w := newLoop(t, mode, panosim.Options{Hostname: "LAB-FW-01"})
			d := w.start()
			w.ready()

			const friend = "203.0.113.10"
			passers := func(n int) {
				t.Helper()
				for i := range n {
					if v := w.browse(friend); v.Rule != openRule || !v.Allowed {
						t.Fatalf("a customer's connection: %+v", v)
					}
					source := fmt.Sprintf("198.18.%d.%d", i/250, i%250)
					if v := w.packet(source, "198.51.100.7", 22+i%3, nil); v.Rule != sensorRule {
						t.Fatalf("a single probe of %s: %+v", source, v)
					}
				}
			}
			passers(scaled(2500))
			for source, attack := range attackers {
				for i, v := range attack(w, source) {
					if v.Allowed || v.Rule != sensorRule && !v.Threat {
						t.Fatalf("packet %d of %s's attack: %+v", i, source, v)
					}
				}
			}
			for source := range attackers {
				w.until("the next packet of "+source+" is dropped by the first rule", func() bool {
					return w.packet(source, "198.51.100.9", 8080, nil).Rule == blockRule
				})
				if v := w.browse(source); v.Rule != blockRule || v.Allowed {
					t.Errorf("%s still reaches the web server: %+v", source, v)
				}
			}
			passers(scaled(2500))

			w.expectBlocked(slices.Collect(maps.Keys(attackers))...)
			for source := range attackers {
				w.expectLine("SrcIP="+source+";", "Action=drop;", "RuleName="+blockRule+";")
			}
			w.expectActivity(slices.Collect(maps.Keys(attackers))...)
			lets := map[string]string{"dynamic-tag": "the tag expires", "address-group": "until it is released", "edl": "until it is released"}[mode]
			if text, _, code := w.run("blacklist", "show", "203.0.113.66"); code != 0 || !strings.Contains(text, lets) {
				t.Errorf("blacklist show (exit status %d) does not say %q:\n%s", code, lets, text)
			}

			w.fetchList() // as the firewall does by itself every five minutes
			const released = "203.0.113.66"
			if _, stderr, code := w.run("blacklist", "remove", released, "--reason", "a partner's scanner"); code != 0 {
				t.Fatalf("blacklist remove: exit status %d: %s", code, stderr)
			}
			w.until("the released source is let in again", func() bool { v := w.browse(released); return v.Rule == openRule && v.Allowed })
			for source := range attackers {
				if v := w.browse(source); (v.Rule == blockRule) != (source != released) {
					t.Errorf("after the release of %s, %s: %+v", released, source, v)
				}
			}
			passers(10)
			w.expectBlocked(slices.DeleteFunc(slices.Collect(maps.Keys(attackers)), func(s string) bool { return s == released })...)
			if code, took := d.stop(); code != 0 || took > 10*time.Second {
				t.Errorf("stop: exit status %d after %s", code, took)
			}
		})
	}
}

// expectBlocked waits until every line is read, and checks that these are on the blacklist and nobody else.
func (w *world) expectBlocked(want ...string) {
	w.t.Helper()
	w.until("all lines are read", func() bool {
		size, err := os.Stat(w.log)
		s := w.status()
		return err == nil && s != nil && len(s.Inputs) == 1 && s.Inputs[0].Behind == 0 && s.Inputs[0].Lines >= uint64(w.lines(size.Size()))
	})
	var got []string
	for _, e := range jsonLines[explain.BlacklistEntry](w, "blacklist", "list") {
		got = append(got, e.Address)
	}
	for i, source := range want {
		want[i] = entryOf(source)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		w.t.Errorf("on the blacklist are %v instead of %v", got, want)
	}
}

// lines counts those in the first so many bytes of the log file.
func (w *world) lines(size int64) int {
	data, err := os.ReadFile(w.log)
	if err != nil {
		w.t.Fatal(err)
	}
	return bytes.Count(data[:size], []byte("\n"))
}

// expectLine looks for a line in the log file that holds all of the texts.
func (w *world) expectLine(texts ...string) {
	w.t.Helper()
	data, err := os.ReadFile(w.log)
	if err != nil {
		w.t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if !slices.ContainsFunc(texts, func(s string) bool { return !strings.Contains(line, s) }) {
			return
		}
	}
	w.t.Errorf("no line of the log holds %q", texts)
}

// expectActivity checks that packets of blocked sources, dropped as they are, move last_seen, and with it the release.
// entryOf is what is blocked for a source: an IPv6 one's network.
func entryOf(source string) string {
	if a := netip.MustParseAddr(source); a.Is6() {
		return netip.PrefixFrom(a, 64).Masked().String()
	}
	return source
}

func (w *world) expectActivity(sources ...string) {
	w.t.Helper()
	entries := func() map[string]explain.BlacklistEntry {
		m := map[string]explain.BlacklistEntry{}
		for _, e := range jsonLines[explain.BlacklistEntry](w, "blacklist", "list") {
			m[e.Address] = e
		}
		return m
	}
	before := entries()
	w.until("last_seen moves of all that are blocked", func() bool {
		for _, source := range sources {
			if v := w.browse(source); v.Rule != blockRule {
				w.t.Fatalf("%s is let through: %+v", source, v)
			}
		}
		now := entries()
		return !slices.ContainsFunc(sources, func(s string) bool {
			s = entryOf(s)
			return !now[s].LastSeen.After(before[s].LastSeen) || !now[s].ReleaseAt.After(*before[s].ReleaseAt) || now[s].Hits <= before[s].Hits
		})
	})
}

// fetchList has the firewall fetch the list, in which rules may name a source beside what the mode writes, until it holds
// all attackers.
func (w *world) fetchList() {
	w.t.Helper()
	client := &http.Client{Transport: w.sim.Transport()}
	defer client.CloseIdleConnections()
	w.until("the firewall holds the list", func() bool {
		response, err := client.PostForm(w.sim.URL()+"/api/", url.Values{"type": {"op"}, "key": {w.sim.Key()}, "cmd": {
			"<request><system><external-list><refresh><type><ip><name>active-defense-list</name></ip></type></refresh></external-list></system></request>"}})
		if err != nil {
			w.t.Fatal(err)
		}
		response.Body.Close()
		held, ok := w.sim.Lists().State("vsys1", "active-defense-list")
		return ok && held.Entries == len(attackers)
	})
}

// A firewall that has no room for the whole list says so, and so do the status and the metrics.
func TestEntriesThatAFirewallHasNoRoomForAreCounted(t *testing.T) {
	t.Parallel()
	w := newLoop(t, "edl", panosim.Options{Hostname: "LAB-FW-01", MaxListEntries: 2})
	d := w.start()
	w.ready()
	for _, address := range []string{"203.0.113.1", "203.0.113.2", "203.0.113.3"} {
		if _, stderr, code := w.run("blacklist", "add", address, "--reason", "test"); code != 0 {
			t.Fatal(stderr)
		}
	}
	w.until("the firewall has ignored one", func() bool { f := w.status().Firewalls[0]; return f.ListIgnored == 1 && !f.Up })
	if f := w.status().Firewalls[0]; !strings.Contains(f.Error, "1 ignored") || f.ListInvalid != 0 {
		t.Errorf("status %+v", f)
	}
	if text, _, _ := w.run("status"); !strings.Contains(text, "does not accept: 1 ignored, 0 invalid") {
		t.Errorf("status says\n%s", text)
	}
	if _, text := w.get("/metrics"); !strings.Contains(text, `activedefense_firewall_list_not_taken{firewall="LAB-FW-01",why="ignored"} 1`) {
		t.Error("the metrics do not say it")
	}
	d.stop()
}

// Whom a small firewall has no room for is said by status, show and the metrics, as a trouble too; who is released leaves its room at
// once.
func TestWhomAFirewallHasNoRoomForIsSaid(t *testing.T) {
	t.Parallel()
	w := newLoop(t, "dynamic-tag", panosim.Options{Hostname: "LAB-FW-01", MaxRegistered: 2, Dialect: dialect.Dialect{Limits: dialect.LimitsTold}})
	d := w.start()
	w.ready()
	must := func(args ...string) string {
		t.Helper()
		stdout, stderr, code := w.run(args...)
		if code != 0 {
			t.Fatalf("%q: %s", args, stderr)
		}
		return stdout
	}
	left := func(n int) func() bool {
		return func() bool { f := w.status().Firewalls[0]; return f.LeftOut == n && f.Tags == 2 }
	}
	for _, address := range []string{"203.0.113.1", "203.0.113.2", "203.0.113.3"} {
		must("blacklist", "add", address, "--reason", "test")
	}
	w.until("one is left out", left(1))
	var out, in string
	for _, address := range []string{"203.0.113.1", "203.0.113.2", "203.0.113.3"} {
		if text := must("blacklist", "show", address, "--json"); strings.Contains(text, `"state":"left-out"`) {
			out = address
		} else {
			in = address
		}
	}
	if out == "" || in == "" {
		t.Fatalf("show names neither: %q, %q", out, in)
	}
	text := must("status")
	for _, say := range []string{"1 LEFT OUT for want of room", "2 of 2 used", "is running out of room: 2 of 2 used (as the firewall says): 1 blocked source is left out"} {
		if !strings.Contains(text, say) {
			t.Errorf("status lacks %q:\n%s", say, text)
		}
	}
	if _, text := w.get("/metrics"); !strings.Contains(text, `activedefense_firewall_left_out{firewall="LAB-FW-01"} 1`) {
		t.Error("the metrics do not say it")
	}
	must("blacklist", "remove", in, "--reason", "test")
	w.until("none is left out", left(0))
	if text := must("blacklist", "show", out, "--json"); strings.Contains(text, "left-out") {
		t.Errorf("it has the room now: %s", text)
	}
	d.stop()
}
