package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"activedefense/agent/members"
	"activedefense/agent/trouble"
)

// twoWorlds makes two agents that share one database: north, and south with the firewall LAB-FW-02.
func twoWorlds(t *testing.T) (north, south *world) {
	north, south = newWorld(t, "postgresql", "name: north"), newWorld(t, "sqlite", "name: south\nnetworks: {own: [198.51.100.0/28]}")
	south.change(`"LAB-FW-01|LAB-FW-01`, "LAB-FW-02")
	south.change(`store: \{url: ""\}`, `store: {url: "`+north.databaseURL()+`"}`)
	return north, south
}

// databaseURL is the one of the configuration.
func (w *world) databaseURL() string {
	w.t.Helper()
	data, err := os.ReadFile(w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(regexp.MustCompile(`url: "(postgres[^"]*)"`).FindSubmatch(data)[1])
}

// change replaces in the configuration what matches.
func (w *world) change(pattern, by string) {
	w.t.Helper()
	data, err := os.ReadFile(w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	w.write(w.config, regexp.MustCompile(pattern).ReplaceAll(data, []byte(by)))
}

// untilMember waits until an agent sees another one so.
func (w *world) untilMember(name, state string) {
	w.t.Helper()
	w.until("agent "+name+" is "+state, func() bool {
		s := w.status()
		return s != nil && slices.ContainsFunc(s.Members, func(m members.Status) bool { return m.Name == name && m.State == state })
	})
}

// silence makes as if an agent had given no sign of life for two minutes.
func (w *world) silence(name string) {
	w.t.Helper()
	conn, err := pgx.Connect(w.t.Context(), w.databaseURL())
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(w.t.Context(), `UPDATE agent_signs SET seen_at = clock_timestamp() - interval '2 minutes' WHERE name = $1`, name); err != nil {
		w.t.Fatal(err)
	}
}

// expectRun runs a command and checks its exit status and what it says.
func (w *world) expectRun(code int, says string, args ...string) {
	w.t.Helper()
	if stdout, stderr, got := w.run(args...); got != code || !strings.Contains(stdout+stderr, says) {
		w.t.Errorf("%v: exit status %d instead of %d, and it does not say %q: %s%s", args, got, code, says, stdout, stderr)
	}
}

// Two agents on one PostgreSQL know of each other: neither blocks what the other never blocks, also when that one was killed; and
// what waits for one that is gone ends with a command.
func TestTwoAgentsOnOneDatabase(t *testing.T) {
	t.Parallel() // it waits for time to pass
	north, south := twoWorlds(t)
	north.append(nil)
	south.append(nil)
	n, s := north.start(), south.start()
	for _, w := range []*world{north, south} {
		w.until("the agent is ready", func() bool { s := w.status(); return s != nil && s.Ready && s.Firewalls[0].Up })
		w.until("both are seen", func() bool { s := w.status(); return s != nil && len(s.Members) == 2 })
	}
	text, _, _ := north.run("status", "--all")
	for _, want := range []string{"2 agents on this database", "north (this one)", "south", "LAB-FW-02"} {
		if !strings.Contains(text, want) {
			t.Errorf("status does not say %q:\n%s", want, text)
		}
	}

	north.expectRun(0, "", "blacklist", "add", "203.0.113.66", "203.0.113.77", "--reason", "by hand")
	for _, w := range []*world{north, south} {
		w.until("both firewalls hold both", func() bool { return slices.Equal(w.tagged(), []string{"203.0.113.66", "203.0.113.77"}) })
	}
	begun := time.Now()
	south.change(`name: south`, "name: south\nnever_block: [203.0.113.66]")
	s.hangup()
	for _, w := range []*world{south, north} {
		w.until("what one of them allows is lifted everywhere", func() bool { return slices.Equal(w.tagged(), []string{"203.0.113.77"}) })
		t.Logf("lifted %s after the reload was asked for", time.Since(begun))
	}
	north.expectRun(1, "203.0.113.66 is in never_block, as agent south says", "blacklist", "add", "203.0.113.66", "--reason", "by hand")
	north.expectRun(1, "ours (networks.own), as agent south says", "blacklist", "add", "198.51.100.5", "--reason", "by hand")
	north.expectRun(1, "agent south on", "members", "forget", "south")
	north.expectRun(2, `no agent is called "west": this database has north (on `, "members", "forget", "west")

	s.kill()
	n.kill()
	south.silence("south")
	north.start()
	north.untilMember("south", members.Silent)
	north.until("what waits, and the command that ends it, is told", func() bool {
		s := north.status()
		return s != nil && s.Ready && strings.Contains(s.Waiting, "activedefense members forget south")
	})
	if _, text := north.get("/metrics"); !strings.Contains(text, `activedefense_members{state="silent"} 1`) {
		t.Error("no metric tells of it")
	}
	if s := north.status(); len(s.Troubles) == 0 || !strings.Contains(s.Troubles[0].Remedy, "activedefense members forget south") {
		t.Errorf("troubles %+v", s.Troubles)
	}
	north.attack("203.0.113.66", "203.0.113.88")
	north.until("who is not allowed is blocked", func() bool { return slices.Contains(north.tagged(), "203.0.113.88") })
	if slices.Contains(north.tagged(), "203.0.113.66") {
		t.Error("what the silent one allows is blocked")
	}

	north.expectRun(0, "Forgot agent south", "members", "forget", "south")
	north.until("nothing waits any more", func() bool { s := north.status(); return s != nil && s.Waiting == "" && len(s.Members) == 1 })
	north.expectRun(0, "", "blacklist", "add", "203.0.113.66", "--reason", "by hand")
	north.until("what nobody allows is blocked", func() bool { return slices.Contains(north.tagged(), "203.0.113.66") })
	south.start()
	for _, w := range []*world{north, south} {
		w.until("back again, its word counts", func() bool { return slices.Equal(w.tagged(), []string{"203.0.113.77", "203.0.113.88"}) })
	}
	if list := jsonLines[members.Status](north, "members", "list"); len(list) != 2 || list[1].Name != "south" || list[1].Host == "" || list[1].Guarded < 2 {
		t.Errorf("members list: %+v", list)
	}
}

// Two agents with the same tag on one firewall that do not share a database: the second, whose database is empty, takes nothing away of the
// first, nor the first of the second. A person who says that all of it is left from a former database has it taken away.
func TestAnEmptyDatabaseTakesNothingOfAnother(t *testing.T) {
	for _, mode := range []string{"dynamic-tag", "address-group"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel() // it waits for time to pass
			north, south := newWorld(t, "sqlite", ""), newWorld(t, "sqlite", "")
			south.change(regexp.QuoteMeta(south.sim.URL()), north.sim.URL())
			south.write(filepath.Join(south.dir, "fw.key"), []byte(north.sim.Key()))
			south.write(filepath.Join(south.dir, "fw-ca.pem"), north.sim.CA())
			for _, w := range []*world{north, south} {
				w.change(`name: LAB-FW-01,`, "name: LAB-FW-01, commit_interval: 1s, mode: "+mode+",")
				w.append(nil)
			}
			holds := func(what string, want ...string) {
				t.Helper()
				var got []string
				deadline := time.Now().Add(patience)
				for got = north.holds(mode); !slices.Equal(got, want); got = north.holds(mode) {
					if time.Now().After(deadline) {
						t.Fatalf("%s: the firewall holds %v instead of %v", what, got, want)
					}
				}
			}
			n := north.start()
			north.until("the agent is ready", func() bool { s := north.status(); return s != nil && s.Ready && s.Firewalls[0].Up })
			north.expectRun(0, "", "blacklist", "add", "203.0.113.1", "203.0.113.2", "203.0.113.3", "--reason", "by hand")
			holds("the first agent", "203.0.113.1", "203.0.113.2", "203.0.113.3")

			s := south.start()
			south.until("it is told that another blocks there", func() bool {
				s := south.status()
				return s != nil && s.Ready && s.Firewalls[0].Strays == 3 && slices.ContainsFunc(s.Troubles, func(t trouble.Trouble) bool {
					return strings.Contains(t.What, "203.0.113.1, 203.0.113.2, 203.0.113.3") && strings.Contains(t.Remedy, "activedefense store accept")
				})
			})
			if _, text := south.get("/metrics"); !strings.Contains(text, `activedefense_firewall_strays{firewall="LAB-FW-01"} 3`) {
				t.Error("the metric does not count them")
			}
			south.expectRun(0, "", "blacklist", "add", "203.0.113.8", "203.0.113.9", "--reason", "by hand")
			holds("both", "203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.8", "203.0.113.9")
			south.expectRun(0, "", "blacklist", "remove", "203.0.113.8")
			holds("a release of the second", "203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.9")
			n.kill()
			n = north.start()
			north.until("the first is told of the second", func() bool { s := north.status(); return s != nil && s.Ready && s.Firewalls[0].Strays == 1 })
			north.expectRun(0, "", "blacklist", "remove", "203.0.113.3")
			holds("a release of the first", "203.0.113.1", "203.0.113.2", "203.0.113.9")

			n.stop()
			if mode == "address-group" { // the other way: a start takes it over
				s.stop()
			}
			south.expectRun(0, "taken for its own", "store", "accept")
			if mode == "address-group" {
				south.start()
			}
			holds("when a person says so", "203.0.113.9")
			south.until("the trouble is over", func() bool { s := south.status(); return s != nil && s.Firewalls[0].Strays == 0 })
		})
	}
}

// holds is what the firewall blocks in a mode.
func (w *world) holds(mode string) []string {
	if mode == "dynamic-tag" {
		return w.tagged()
	}
	var out []string
	for _, m := range regexp.MustCompile(`<member>active-defense-([0-9.]+)</member>`).FindAllStringSubmatch(w.sim.Config().Running(), -1) {
		out = append(out, m[1])
	}
	slices.Sort(out)
	return slices.DeleteFunc(out, func(a string) bool { return a == "192.0.2.255" })
}

// attack writes a scan of each source.
func (w *world) attack(sources ...string) {
	for _, source := range sources {
		for k := range testPorts + 1 {
			w.append(sample{at: time.Now().UTC(), src: source, dst: "198.51.100.7", port: 1000 + k, typ: "TRAFFIC", subtype: "drop"}.line())
		}
	}
}
