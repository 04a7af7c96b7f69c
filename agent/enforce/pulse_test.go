package enforce

import (
	"errors"
	"testing"
	"time"

	"activedefense/agent/loop"
	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/xmlapi"
)

// What a firewall is known to be, and since when, after each thing that happens to it.
func TestStatesOfAFirewall(t *testing.T) {
	s := newStatusTest()
	s.state.Since = s.clock.now()
	silence := &xmlapi.Error{Kind: xmlapi.KindTimeout, Text: "no answer"}
	refusal := &xmlapi.Error{Kind: xmlapi.KindRole, Text: "not allowed"}
	began := s.clock.now()
	since := began
	for _, step := range []struct {
		what    string
		happens func()
		state   string
		changes bool // since is now
		success bool // the last success is
	}{
		{"nothing has happened", func() {}, StateUnknown, false, false},
		{"a pass that had nothing to ask", func() { s.show(firewall.Report{}, 1, nil) }, StateUnknown, false, false},
		{"it does not answer a pass", func() { s.show(firewall.Report{}, 1, silence) }, StateUnknown, false, false},
		{"it does not answer between passes", func() { s.heard(silence) }, StateUnknown, false, false},
		{"it answers", func() { s.heard(nil) }, StateUnknown, false, false},
		{"it refuses", func() { s.show(firewall.Report{}, 1, refusal) }, StateDown, true, false},
		{"it is level", func() { s.show(firewall.Report{Calls: 2}, 1, nil) }, StateUp, true, true},
		{"a pass that had nothing to ask", func() { s.show(firewall.Report{}, 1, nil) }, StateUp, false, false},
		{"it stops answering", func() { s.heard(silence) }, StateDown, true, false},
		{"it goes on not to answer", func() { s.heard(silence) }, StateDown, false, false},
		{"a pass that had nothing to ask", func() { s.show(firewall.Report{}, 1, nil) }, StateDown, false, false},
		{"a pass fails too", func() { s.show(firewall.Report{}, 1, silence) }, StateDown, false, false},
		{"it answers again", func() { s.heard(nil) }, StateDown, false, false},
		{"it is level again", func() { s.show(firewall.Report{Full: true}, 1, nil) }, StateUp, true, true},
	} {
		s.clock.add(time.Minute)
		step.happens()
		if step.changes {
			since = s.clock.now()
		}
		st := s.Status()
		if st.State != step.state || !st.Since.Equal(since) || st.Up != (step.state == StateUp) || step.success != (st.LastSuccess != nil && st.LastSuccess.Equal(s.clock.now())) {
			t.Errorf("%s: %+v, want %s since %s", step.what, st, step.state, since)
		}
		if st.Up != (st.Error == "") && st.State != StateUnknown {
			t.Errorf("%s: %s with the error %q", step.what, st.State, st.Error)
		}
	}
	if n := s.log.count("has stopped answering"); n != 1 {
		t.Errorf("that it stopped is logged %d times", n)
	}
	if n := s.log.count("firewall is back and in sync"); n != 2 {
		t.Errorf("that it is back is logged %d times", n)
	}
}

// A firewall that hangs while there is nothing to do is found to be down, and brought level when it is back, without a wait of a
// pass being over.
func TestAFirewallThatStopsIsFoundBetweenPasses(t *testing.T) {
	e := newEnforceTest(t)
	e.want("203.0.113.1/32")
	calls := NewCalls()
	e.device.OnCall = calls.observer("fw1")
	e.make(e.store)
	e.calls = calls
	ask := make(chan time.Time)
	o := Options{Calls: calls, Timer: func(time.Duration) loop.Timer {
		return loop.Timer{C: ask, Reset: func(time.Duration) bool { return true }, Stop: func() bool { return true }}
	}}
	var err error
	if e.pulse, err = o.newPulse(e.Enforcer); err != nil {
		t.Fatal(err)
	}
	e.start()
	e.passed()
	e.sim.Down()
	for range 2 {
		ask <- time.Time{}
	}
	until(t, "it is down", func() bool { return e.Status().State == StateDown })
	if err := e.sim.Up(); err != nil {
		t.Fatal(err)
	}
	ask <- time.Time{}
	e.passed()
	if st := e.Status(); st.State != StateUp || st.Error != "" || !st.LastFull.Equal(e.clock.now()) {
		t.Errorf("%+v", st)
	}
	if n := e.passes.Load(); n != 2 {
		t.Errorf("%d passes", n)
	}
}

// A commit of anybody's that has ended since the jobs were last asked for is told once; a job of another kind is none, and what a
// firewall forgets, or does not tell, is no change.
func TestACommitIsNoticed(t *testing.T) {
	sim := startSim(t, panosim.Options{})
	device, err := newDevices("test", NewCalls(), time.Now).member(entryFor("fw1", firewall.ModeTag, sim), "fw1", sim.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(device.Close)
	told := 0
	p := &pulse{members: []*xmlapi.Device{device}, commits: map[string]map[uint]bool{}, changed: func() { told++ }}
	commit := func() {
		if err := sim.Config().Edit("somebody", "set", xmlapi.VSysPath("vsys1")+"/tag", `<entry name="x"/>`); err != nil {
			t.Error(err)
		}
		if err := sim.Config().Commit("somebody"); err != nil {
			t.Error(err)
		}
	}
	for i, c := range []struct {
		happens func()
		want    int
	}{
		{commit, 0}, // before anything is known
		{func() {}, 0}, {commit, 1}, {func() {}, 1},
		{func() { sim.AddJob("EDLRefresh", "")(true, "") }, 1},
		{func() { sim.SetFault(panosim.Fault{Effect: panosim.Forbidden}) }, 1},
		{sim.ClearFaults, 1},
		{commit, 2},
	} {
		c.happens()
		if p.commitsOnce(t.Context()); told != c.want {
			t.Errorf("after step %d, told %d times instead of %d", i, told, c.want)
		}
	}
}

// A refusal is an answer, and so is one to another call while this one waits.
func TestWhatCountsAsAnAnswer(t *testing.T) {
	sim := startSim(t, panosim.Options{})
	calls := NewCalls()
	open := newDevices("test", calls, time.Now)
	device, err := open.member(entryFor("fw1", firewall.ModeTag, sim), "fw1", sim.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(device.Close)
	p := &pulse{members: []*xmlapi.Device{device}, calls: calls}
	for _, c := range []struct {
		fault    panosim.Effect
		answered bool
		want     bool
	}{{0, false, true}, {panosim.Forbidden, false, true}, {panosim.Reset, false, false}, {panosim.Reset, true, true}} {
		sim.ClearFaults()
		if c.fault != 0 {
			sim.SetFault(panosim.Fault{Effect: c.fault})
		}
		if c.answered {
			calls.answers.Store("fw1", time.Now().Add(time.Hour))
		}
		if err := p.askOnce(t.Context()); (err == nil) != c.want {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if sum := pulseEvery + pulseWithin; sum > 15*time.Second {
		t.Errorf("one that stops is known to be down after %s", sum)
	}
	for err, want := range map[error]bool{nil: false, &xmlapi.Error{Kind: xmlapi.KindCanceled}: true, errors.New("other"): false, &xmlapi.Error{Kind: xmlapi.KindTLS}: true} {
		if got := unanswered(err); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
}

// While a commit of ours runs, the status says so, until the pass that ordered it is over.
func TestOurCommitIsSaid(t *testing.T) {
	calls := NewCalls()
	s := newStatusTest()
	device, err := xmlapi.Open(xmlapi.Options{Name: "fw1", URL: "https://192.0.2.1", APIKey: "k"})
	if err != nil {
		t.Fatal(err)
	}
	s.devices, s.calls = []*xmlapi.Device{device}, calls
	tell := calls.observer("fw1")
	var said []bool
	for _, do := range []func(){func() {}, func() { tell(xmlapi.CallCommit, 0, errors.New("no")) }, func() { tell(xmlapi.CallCommit, 0, nil) }, func() { calls.committed(s.devices) }} {
		do()
		said = append(said, s.Status().Committing)
	}
	if said[0] || said[1] || !said[2] || said[3] {
		t.Errorf("said %v", said)
	}
}
