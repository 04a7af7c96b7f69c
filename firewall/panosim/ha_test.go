package panosim

import (
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/traffic"
	"activedefense/firewall/panosim/userid"
	"activedefense/firewall/panosim/xmltree"
)

const (
	showState = `<show><high-availability><state/></high-availability></show>`
	suspend   = `<request><high-availability><state><suspend/></state></high-availability></request>`
	resume    = `<request><high-availability><state><functional/></state></high-availability></request>`
	syncNow   = `<request><high-availability><sync-to-remote><running-config/></sync-to-remote></high-availability></request>`
)

// pairOf starts two firewalls and pairs them, the first active.
func pairOf(t *testing.T, o Options, how PairOptions) (a, b *Sim, h *HA) {
	t.Helper()
	o.Hostname, o.Serial = "lab-fw-01", "007000000000001"
	a = start(t, o)
	o.Hostname, o.Serial = "lab-fw-02", "007000000000002"
	b = start(t, o)
	return a, b, Pair(a, b, how)
}

// haState reads what a member says of itself and of its peer: "active passive synchronized up".
func haState(t *testing.T, s *Sim) string {
	t.Helper()
	answer, err := xmltree.Parse(newPeer(t, s).op(showState))
	if err != nil {
		t.Fatal(err)
	}
	group := answer.Down("result", "group")
	return strings.Join([]string{group.Child("local-info").Value("state"), group.Child("peer-info").Value("state"),
		group.Value("running-sync"), group.Child("peer-info").Value("conn-status")}, " ")
}

func TestNoPair(t *testing.T) {
	s := start(t, Options{})
	p := newPeer(t, s)
	expect(t, "state", p.op(showState), `<response status="success"><result><enabled>no</enabled></result></response>`)
	for _, cmd := range []string{suspend, resume, syncNow} {
		if got := p.op(cmd); !strings.Contains(got, `status="error"`) {
			t.Errorf("%s: %s", cmd, got)
		}
	}
}

func TestPairStates(t *testing.T) {
	a, b, h := pairOf(t, Options{}, PairOptions{})
	say := func(what, wantA, wantB string) {
		t.Helper()
		expect(t, what+", a", haState(t, a), wantA)
		expect(t, what+", b", haState(t, b), wantB)
	}
	say("paired", "active passive synchronized up", "passive active synchronized up")
	if err := h.Failover(); err != nil {
		t.Fatal(err)
	}
	say("failed over", "passive active synchronized up", "active passive synchronized up")
	if h.Active() != b || h.State(a) != HAPassive || h.State(b) != HAActive {
		t.Errorf("active %v, state of a %s", h.Active(), h.State(a))
	}
	if err := h.Suspend(b); err != nil {
		t.Fatal(err)
	}
	say("active suspended", "active suspended synchronized up", "suspended active synchronized up")
	if err := h.Failover(); err == nil {
		t.Error("fails over to a suspended member")
	}
	if err := h.Set(a, HANonFunctional); err != nil {
		t.Fatal(err)
	}
	say("nobody left", "non-functional suspended synchronized up", "suspended non-functional synchronized up")
	if h.Active() != nil {
		t.Error("there is an active member")
	}
	if err := h.Resume(b); err != nil {
		t.Fatal(err)
	}
	say("resumed alone", "non-functional active synchronized up", "active non-functional synchronized up")
	if err := h.Resume(a); err != nil {
		t.Fatal(err)
	}
	say("resumed beside the active", "passive active synchronized up", "active passive synchronized up")
	if err := h.Set(start(t, Options{}), HAActive); err == nil {
		t.Error("a stranger is set active")
	}
	lines := a.SystemLog()
	expect(t, "last line of the log", lines[len(lines)-1].Text, "HA Group 1: Moved from state Non-functional to state Passive")
}

func TestPairOverTheWire(t *testing.T) {
	c := newClock()
	a, b, _ := pairOf(t, Options{Now: c.Now}, PairOptions{Group: 7})
	c.advance(time.Minute)
	expect(t, "suspend", newPeer(t, a).op(suspend), `<response status="success"><result>Successfully changed HA state to suspended</result></response>`)
	c.advance(90 * time.Second)
	for _, want := range []string{
		"<enabled>yes</enabled><group><mode>Active-Passive</mode><local-info>", "<priority>90</priority>", "<state>suspended</state>",
		"<state-duration>90</state-duration>", "<last-error-state>suspended</last-error-state><last-error-reason>User requested</last-error-reason>",
		"<peer-info>", "<priority>100</priority><state>active</state>", "<conn-ha1><conn-status>up</conn-status>",
		"<running-sync>synchronized</running-sync><running-sync-enabled>yes</running-sync-enabled></group>",
	} {
		if got := newPeer(t, a).op(showState); !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	expect(t, "functional", newPeer(t, a).op(resume), `<response status="success"><result>Successfully changed HA state to functional</result></response>`)
	expect(t, "b", haState(t, b), "active passive synchronized up")
}

func TestMemberDown(t *testing.T) {
	a, b, h := pairOf(t, Options{}, PairOptions{})
	a.Down()
	expect(t, "the other one", haState(t, b), "active unknown synchronized down")
	if err := a.Up(); err != nil {
		t.Fatal(err)
	}
	expect(t, "back", haState(t, a), "passive active synchronized up")
	r := b.Restart(RestartOptions{})
	for _, want := range []Phase{PhaseGateway, PhaseLocked} {
		r.expectNext(t, want)
		expect(t, "while it restarts", haState(t, a), "active unknown synchronized down")
	}
	if err := h.Set(b, HAActive); err == nil {
		t.Error("a restarting member becomes active")
	}
	r.expectNext(t, PhaseUp)
	expect(t, "after the restart", haState(t, b), "passive active synchronized up")
	a.Down()
	b.Down()
	if h.Active() != nil {
		t.Error("a member is active that is down")
	}
	for _, s := range []*Sim{a, b} {
		if err := s.Up(); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, "the first to come back", haState(t, a), "active passive synchronized up")
}

const addressesPath = "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']/address"

func oneAddress(name string) string { return addressesPath + "/entry[@name='" + name + "']" }

// change commits one address object.
func change(t *testing.T, s *Sim, name string) {
	t.Helper()
	if err := s.Config().Edit("admin", "set", oneAddress(name), `<ip-netmask>192.0.2.9</ip-netmask>`); err != nil {
		t.Fatal(err)
	}
	if err := s.Config().Commit("admin"); err != nil {
		t.Fatal(err)
	}
}

func TestConfigurationIsSynchronised(t *testing.T) {
	own := func(name string) string {
		return `<config><devices><entry name="localhost.localdomain"><deviceconfig><system><hostname>` + name + `</hostname></system></deviceconfig>` +
			`<vsys><entry name="vsys1"/></vsys></entry></devices></config>`
	}
	a, b := start(t, Options{Config: own("a")}), start(t, Options{Config: own("b")})
	change(t, a, "before")
	h := Pair(a, b, PairOptions{})
	has := func(s *Sim, name, host string) bool {
		return strings.Contains(s.Config().Running(), `<entry name="`+name+`">`) && strings.Contains(s.Config().Running(), "<hostname>"+host+"</hostname>")
	}
	if !has(b, "before", "b") {
		t.Errorf("paired: %s", b.Config().Running())
	}
	change(t, a, "after")
	until(t, "the commit is on the peer", func() bool { return has(b, "after", "b") })
	until(t, "they are level", func() bool { return haState(t, a) == "active passive synchronized up" })
	h.SetSync(SyncOff)
	change(t, a, "alone")
	expect(t, "switched off", haState(t, b), "passive active not synchronized up")
	if got := newPeer(t, b).op(showState); !strings.Contains(got, "<running-sync-enabled>no</running-sync-enabled>") {
		t.Errorf("switched off: %s", got)
	}
	expect(t, "by hand", newPeer(t, a).op(syncNow), `<response status="success"><result><msg><line>HA synchronization job has been queued on peer. `+
		`Please check job status on peer.</line></msg></result></response>`)
	if !has(b, "alone", "b") {
		t.Errorf("by hand: %s", b.Config().Running())
	}
	h.SetSync(SyncStuck)
	change(t, a, "stuck")
	expect(t, "stuck", haState(t, a), "active passive synchronization in progress up")
	if got := newPeer(t, a).op(syncNow); !strings.Contains(got, "already in progress") {
		t.Errorf("by hand while stuck: %s", got)
	}
	h.SetSync(SyncOn)
	if !has(b, "stuck", "b") || !has(a, "stuck", "a") {
		t.Errorf("on again: %s", b.Config().Running())
	}
}

// Of a commit over the wire nobody needs to ask how it went for the peer to get it.
func TestCommitOverTheWireIsSynchronised(t *testing.T) {
	a, b, _ := pairOf(t, Options{}, PairOptions{})
	p := newPeer(t, a)
	for _, form := range []url.Values{
		{"type": {"config"}, "action": {"set"}, "xpath": {addressesPath}, "element": {`<entry name="wired"><ip-netmask>192.0.2.9</ip-netmask></entry>`}},
		{"type": {"commit"}, "cmd": {"<commit/>"}},
	} {
		form.Set("key", a.Key())
		if got := p.post(form).body; !strings.Contains(got, "success") {
			t.Fatalf("%v: %s", form, got)
		}
	}
	until(t, "they are level", func() bool { return haState(t, b) == "passive active synchronized up" })
	if !strings.Contains(b.Config().Running(), `<entry name="wired">`) {
		t.Errorf("b runs %s", b.Config().Running())
	}
}

// What a member missed while it was down it gets when it is back, from the one that took over.
func TestConfigurationAfterAnOutage(t *testing.T) {
	a, b, _ := pairOf(t, Options{}, PairOptions{})
	a.Down()
	change(t, b, "meanwhile")
	expect(t, "while a is down", haState(t, b), "active unknown not synchronized down")
	if err := a.Up(); err != nil {
		t.Fatal(err)
	}
	expect(t, "back", haState(t, a), "passive active synchronized up")
	if !strings.Contains(a.Config().Running(), "meanwhile") {
		t.Errorf("a runs %s", a.Config().Running())
	}
}

func TestPassiveMemberRefusesConfiguration(t *testing.T) {
	a, b, _ := pairOf(t, Options{}, PairOptions{})
	ask := func(s *Sim, pairs ...string) string {
		form := url.Values{"key": {s.Key()}}
		for i := 0; i < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		return newPeer(t, s).post(form).body
	}
	denied := `<response status="error" code="15"><msg><line>` + textPassive + `</line></msg></response>`
	for _, action := range []string{"set", "edit", "delete", "move", "multi-config", ""} {
		expect(t, action, ask(b, "type", "config", "action", action, "xpath", addressesPath, "element", "<x/>"), denied)
	}
	expect(t, "commit", ask(b, "type", "commit", "cmd", "<commit/>"), denied)
	for _, action := range []string{"get", "show"} {
		if got := ask(b, "type", "config", "action", action, "xpath", addressesPath); strings.Contains(got, `code="15"`) {
			t.Errorf("%s: %s", action, got)
		}
	}
	if got := ask(a, "type", "commit", "cmd", "<commit/>"); strings.Contains(got, `code="15"`) {
		t.Errorf("commit on the active one: %s", got)
	}
	if got := newPeer(t, b).uid(`<register>` + tags("192.0.2.1", "a") + `</register>`); got != emptyRegister {
		t.Errorf("registering on the passive one: %s", got)
	}
	b.SetDialect(dialect.Dialect{PassiveTags: dialect.PassiveTagsRefused})
	expect(t, "registering on a passive one that takes no tags",
		ask(b, "type", "user-id", "cmd", "<uid-message><type>update</type><payload><register/></payload></uid-message>"), denied)
	b.SetDialect(dialect.Dialect{PassiveWrites: dialect.PassiveWritesLost})
	if got := ask(b, "type", "commit", "cmd", "<commit/>"); strings.Contains(got, `code="15"`) {
		t.Errorf("the other dialect: %s", got)
	}
	change(t, b, "lost")
	if err := b.Config().Edit("admin", "set", oneAddress("edited"), `<ip-netmask>192.0.2.9</ip-netmask>`); err != nil {
		t.Fatal(err)
	}
	change(t, a, "kept")
	until(t, "they are level", func() bool { return haState(t, a) == "active passive synchronized up" })
	if got := b.Config().Candidate(); strings.Contains(got, "lost") || strings.Contains(got, "edited") || !strings.Contains(got, "kept") || b.Config().Pending("") != 0 {
		t.Errorf("after the next synchronisation: %s", got)
	}
}

func TestTagsStayApart(t *testing.T) {
	a, b, h := pairOf(t, Options{}, PairOptions{})
	newPeer(t, a).uid(`<register>` + tags("192.0.2.1", "a") + `</register>`)
	expect(t, "on the passive one", standing(b), "")
	if err := h.Failover(); err != nil {
		t.Fatal(err)
	}
	expect(t, "after a failover", standing(b), "")
}

func TestTagsAreSynchronised(t *testing.T) {
	c := newClock()
	var told atomic.Int32
	d := dialect.Dialect{PairTags: dialect.PairTagsSynced}
	a := start(t, Options{Now: c.Now, Dialect: d})
	b := start(t, Options{Now: c.Now, Dialect: d, OnChange: func(userid.Change) { told.Add(1) }})
	newPeer(t, a).uid(`<register>` + tags("192.0.2.1", "before") + `</register>`)
	newPeer(t, b).uid(`<register>` + tags("192.0.2.7", "theirs") + `</register>`)
	h := Pair(a, b, PairOptions{})
	expect(t, "paired", standing(b, "192.0.2.1"), "192.0.2.1:before")
	newPeer(t, a).uid(`<register>` + entryXML("192.0.2.2", "a", "60") + entryXML("10.0.0.1-10.0.0.9", "a", "") +
		`<entry ip="192.0.2.3" persistent="0"><tag><member>a</member></tag></entry></register><unregister>` + tags("192.0.2.1", "before") + `</unregister>`)
	c.advance(20 * time.Second)
	got := b.Addresses().Tagged("", "a")
	if len(got) != 2 || !got[prefix("192.0.2.2")].Expires.Equal(c.Now().Add(40*time.Second)) || got[prefix("192.0.2.3")].Persistent {
		t.Errorf("on the passive one: %v", got)
	}
	if ranges := b.Addresses().Ranges(""); len(ranges) != 1 || len(b.Addresses().Registered("")) != 2 {
		t.Errorf("on the passive one: %v, %v", ranges, b.Addresses().Registered(""))
	}
	if n := told.Load(); n != 7 { // its own, two when it was paired, and the four above
		t.Errorf("%d changes reported of the passive one", n)
	}
	// What is registered on the passive one alone stays until the active one changes the same.
	newPeer(t, b).uid(`<register>` + tags("192.0.2.5", "astray") + `</register>`)
	newPeer(t, a).uid(`<unregister>` + tags("192.0.2.3", "a") + `</unregister>`)
	expect(t, "astray", standing(b, "192.0.2.2", "192.0.2.5"), "192.0.2.2:a 192.0.2.5:astray")
	b.Down()
	newPeer(t, a).uid(`<register>` + tags("192.0.2.8", "missed") + entryXML("192.0.2.6", "timed", "600") + `</register>`)
	c.advance(10 * time.Second)
	if len(b.Addresses().Tagged("", "missed")) != 0 {
		t.Error("a member that is down hears of it")
	}
	if err := b.Up(); err != nil {
		t.Fatal(err)
	}
	expect(t, "back", standing(b, "192.0.2.2", "192.0.2.6", "192.0.2.8"), "192.0.2.2:a 192.0.2.6:timed 192.0.2.8:missed")
	if got := b.Addresses().Tagged("", "timed")[prefix("192.0.2.6")].Expires; !got.Equal(c.Now().Add(590 * time.Second)) {
		t.Errorf("the timer was begun anew: it expires in %v", got.Sub(c.Now()))
	}
	c.advance(time.Hour)
	if err := h.Failover(); err != nil {
		t.Fatal(err)
	}
	newPeer(t, b).uid(`<register>` + tags("192.0.2.9", "new") + `</register>`)
	expect(t, "the other way round", standing(a, "192.0.2.8", "192.0.2.9"), "192.0.2.8:missed 192.0.2.9:new")
}

// What the members of a pair make of the same packet: the rule that decided on each, and how many lines each logged.
func TestOnlyTheActiveMemberForwards(t *testing.T) {
	addr, got := udpServer(t)
	config := deviceConfig(serverXML(addr, "UDP", "", ""), "", ruleXML("only", "deny", forwarded))
	a, b, h := pairOf(t, Options{Config: config}, PairOptions{})
	decides := func(what string, active *Sim) {
		t.Helper()
		for _, s := range []*Sim{a, b} {
			v := s.Traffic().Packet(inbound("192.0.2.1"))
			if want := s == active; (v.Rule == "only") != want || (v.Lines == 1) != want || !want && v != (traffic.Verdict{}) {
				t.Errorf("%s: %s decides %+v", what, s.opts.Hostname, v)
			}
		}
		if active != nil && !strings.Contains(receive(t, got), active.opts.Hostname) {
			t.Errorf("%s: another than the active member logs", what)
		}
	}
	decides("paired", a)
	if err := h.Failover(); err != nil {
		t.Fatal(err)
	}
	decides("failed over", b)
	if err := h.Suspend(b); err != nil {
		t.Fatal(err)
	}
	decides("suspended", a)
	if err := h.Set(a, HANonFunctional); err != nil {
		t.Fatal(err)
	}
	decides("nobody left", nil)
	if err := h.Resume(b); err != nil {
		t.Fatal(err)
	}
	decides("resumed", b)
}

func TestKeysOfAPair(t *testing.T) {
	a, b := start(t, Options{}), start(t, Options{})
	ask := func(key string) string {
		return newPeer(t, b).post(url.Values{"type": {"op"}, "cmd": {showInfo}, "key": {key}}).body
	}
	for _, keys := range []dialect.PairKeys{dialect.PairKeysApart, dialect.PairKeysShared} {
		b.SetDialect(dialect.Dialect{PairKeys: keys})
		if got := ask(a.Key()); strings.Contains(got, "<model>") {
			t.Errorf("%v: alone, the key of another firewall is good", keys)
		}
	}
	Pair(a, b, PairOptions{})
	for keys, good := range map[dialect.PairKeys]bool{dialect.PairKeysApart: false, dialect.PairKeysShared: true} {
		b.SetDialect(dialect.Dialect{PairKeys: keys})
		if got := ask(a.Key()); strings.Contains(got, "<model>") != good {
			t.Errorf("%v: the peer's key: %s", keys, got)
		}
		if got := ask("wrong"); strings.Contains(got, "<model>") {
			t.Errorf("%v: a wrong key is good", keys)
		}
	}
}
