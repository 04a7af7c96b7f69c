package enforce

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/loop"
	"activedefense/config"
	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/policy"
	"activedefense/firewall/xmlapi"
)

// A policyTest is the looks at one simulated firewall, whose waits end when the test says so.
type policyTest struct {
	*Watcher
	t       *testing.T
	sim     *panosim.Sim
	of      Status // of the firewall
	clock   *testClock
	log     lockedBuffer
	waits   chan time.Duration // what the loop is going to wait, after each look or refusal to
	elapsed chan time.Time
	noted   []string // of whether a rule stops what is blocked, while no look is in progress
}

func newPolicyTest(t *testing.T) *policyTest {
	t.Helper()
	p := &policyTest{t: t, clock: newTestClock(), waits: make(chan time.Duration, 1), elapsed: make(chan time.Time)}
	sim, err := panosim.Start(panosim.Options{Now: p.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	device, err := xmlapi.Open(xmlapi.Options{Name: "fw1", URL: sim.URL(), APIKey: sim.Key(), CA: sim.CA(), Now: p.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(device.Close)
	p.sim = sim
	p.Watcher = &Watcher{way: &access{device: device, now: p.clock.now}, name: "fw1", state: func() Status { return p.of }, device: device, log: zerolog.New(&p.log), now: p.clock.now, wakeup: loop.NewWakeup(), commit: loop.NewWakeup(),
		want: func(context.Context) policy.Expectation {
			return policy.Expectation{Mode: firewall.ModeTag, Names: firewall.NamesFor(testTag), InternetZones: []string{"untrust"}, Now: p.clock.now()}
		},
		note: func(_ context.Context, at time.Time, fault string) error {
			p.noted = append(p.noted, at.Format(time.TimeOnly)+" "+fault)
			return nil
		},
		timer: func(d time.Duration) loop.Timer {
			p.waits <- d
			return loop.Timer{C: p.elapsed, Reset: func(d time.Duration) bool { p.waits <- d; return true }, Stop: func() bool { return true }}
		},
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the looks ended with %v", err)
		}
	})
	return p
}

// waited gives how long the loop is going to wait.
func (p *policyTest) waited() time.Duration {
	p.t.Helper()
	select {
	case d := <-p.waits:
		return d
	case <-time.After(patience):
		p.t.Fatal("no look ends")
		return 0
	}
}

// elapse lets that time go by, at whose end the loop looks, and gives how long it waits then.
func (p *policyTest) elapse(d time.Duration) time.Duration {
	p.t.Helper()
	p.clock.add(d)
	p.elapsed <- time.Time{}
	return p.waited()
}

// change has somebody put this in the place of what stands at path of the virtual system, and commit it.
func (p *policyTest) change(path, xml string) {
	p.t.Helper()
	if err := p.sim.Config().Edit("somebody", "edit", xmlapi.VSysPath("vsys1")+path, xml); err != nil {
		p.t.Fatal(err)
	}
	if err := p.sim.Config().Commit("somebody"); err != nil {
		p.t.Fatal(err)
	}
}

// calls is how many calls the firewall got.
func (p *policyTest) calls() (n int) {
	for _, of := range p.sim.Stats().Calls {
		n += of
	}
	return n
}

func TestPoliciesAreLookedAtWhenTheFirewallIsLevelAndThenNowAndThen(t *testing.T) {
	p := newPolicyTest(t)
	if d := p.waited(); d != verifyFirst {
		t.Errorf("it looks first after %s at the latest", d)
	}
	p.of = Status{State: StateUnknown, Since: p.clock.now()}
	if s := p.Status(); s.State != StateUnknown || !s.Since.Equal(p.of.Since) || s.Checks != nil || s.At != nil {
		t.Errorf("before the first look: %+v", s)
	}
	p.wakeup.Wake()
	if d := p.waited(); d != verifyAgain {
		t.Errorf("after the first look it waits %s", d)
	}
	p.of = Status{Up: true}
	s := p.Status()
	checks, at := s.Checks, s.At
	if len(checks) != 15 || at == nil || !at.Equal(p.clock.now()) {
		t.Errorf("the first look found %v at %v", checks, at)
	}
	if d := p.elapse(verifyAgain); d != verifySoon {
		t.Errorf("after the second look, which found faults, it waits %s", d)
	}
	calls := p.calls()
	p.wakeup.Wake() // it comes and goes
	if d := p.waited(); d != verifyAgain {
		t.Errorf("a firewall that was looked at a moment ago is looked at after %s", d)
	}
	if n := p.calls() - calls; n != 0 {
		t.Errorf("a firewall that was looked at a moment ago gets %d calls", n)
	}
	if d := p.elapse(verifyAgain); d != verifySoon {
		t.Errorf("then it waits %s", d)
	}
}

// After a commit on the firewall it is looked at once more, at the latest five minutes after the look before, and when nothing fails
// otherwise every hour.
func TestPoliciesAreLookedAtAfterACommit(t *testing.T) {
	p := newPolicyTest(t)
	p.waited()
	p.elapse(verifyFirst)
	if _, err := Provision(t.Context(), &config.Config{Firewalls: []config.Firewall{func() config.Firewall {
		fw := entryFor("fw1", firewall.ModeTag, p.sim)
		fw.InternetZones, fw.SyslogAddress = []string{"untrust"}, "127.0.0.1"
		return fw
	}()}}, ProvisionOptions{Apply: true, Commit: true}); err != nil {
		t.Fatal(err)
	}
	if d := p.elapse(verifySoon); d != verifyEvery {
		t.Errorf("where nothing fails any more it waits %s: %+v", d, p.Status().Checks)
	}
	p.clock.add(time.Minute)
	p.commit.Wake()
	if d := p.waited(); d != verifySoon-time.Minute {
		t.Errorf("a minute after a look, it waits for %s because of a commit", d)
	}
	p.elapse(verifySoon - time.Minute)
	p.clock.add(verifySoon)
	calls := p.calls()
	p.commit.Wake()
	if d := p.waited(); d != verifyEvery || p.calls() == calls {
		t.Errorf("%d calls because of a commit, and then it waits %s", p.calls()-calls, d)
	}
}

func TestOnlyChangesOfChecksAreLogged(t *testing.T) {
	p := newPolicyTest(t)
	p.waited()
	p.elapse(verifyFirst)
	if n := p.log.count(`"check":"block-source","result":"fail"`); n != 1 {
		t.Fatalf("a check that fails is logged %d times", n)
	}
	if n := p.log.count(`"check":"api"`); n != 0 {
		t.Errorf("a check that passes is logged %d times", n)
	}
	p.elapse(verifyEvery)
	if n := p.log.count(`"check":"block-source"`); n != 1 {
		t.Errorf("the same result is logged %d times", n)
	}
	names := firewall.NamesFor(testTag)
	if err := p.sim.Config().Edit("somebody", "set", "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']/address-group/entry[@name='"+
		names.Group+"']", "<dynamic><filter>'"+testTag+"'</filter></dynamic>"); err != nil {
		t.Fatal(err)
	}
	if err := p.sim.Config().Commit("somebody"); err != nil {
		t.Fatal(err)
	}
	p.elapse(verifyEvery)
	if n := p.log.count(`"check":"block-source","result":"pass"`); n != 1 {
		t.Errorf("that it passes now is logged %d times", n)
	}
}

// Each look that could tell notes whether a rule in force stops what is blocked; one that could not leaves what was noted.
func TestWhetherARuleStopsWhatIsBlockedIsNoted(t *testing.T) {
	p := newPolicyTest(t)
	p.waited()
	p.elapse(verifyFirst)
	names := firewall.NamesFor(testTag)
	rule := func(name, source, rest string) string {
		return `<entry name="` + name + `"><from><member>any</member></from><to><member>any</member></to><source><member>` + source + `</member></source><destination><member>any</member></destination>` +
			`<application><member>any</member></application><service><member>any</member></service>` + rest + `</entry>`
	}
	block := rule(names.Block, names.Group, "<action>drop</action>")
	p.change("/address-group", `<address-group><entry name="`+names.Group+`"><dynamic><filter>'`+testTag+`'</filter></dynamic></entry></address-group>`)
	for i, c := range []struct{ rules, fault string }{
		{block, ""},
		{rule("allow-web", "any", "<action>allow</action>") + block, `"allow-web" is above "` + names.Block + `" and allows traffic from the internet`},
		{rule(names.Block, names.Group, "<action>drop</action><rule-type>interzone</rule-type>"), "is of rule type interzone"},
		{block, ""},
	} {
		p.change("/rulebase", "<rulebase><security><rules>"+c.rules+"</rules></security></rulebase>")
		p.elapse(verifyEvery)
		if len(p.noted) != i+2 || !strings.Contains(p.noted[i+1], c.fault) || (c.fault == "") != strings.HasSuffix(p.noted[i+1], " ") {
			t.Fatalf("after change %d, noted: %q", i, p.noted)
		}
	}
	p.sim.Close()
	p.elapse(verifyEvery)
	if len(p.noted) != 5 || !strings.Contains(p.noted[0], `no dynamic address group has a filter that matches tag "`+testTag+`" alone`) {
		t.Errorf("noted: %q", p.noted)
	}
}

// A firewall is given the same time to take in what it is told at a start as after a block.
func TestWhatIsPutIntoForceAtTheStartIsNotMissedAtOnce(t *testing.T) {
	start := newTestClock().now()
	entries := []firewall.Entry{{Prefix: netip.MustParsePrefix("203.0.113.1/32"), Since: start.Add(-time.Hour)},
		{Prefix: netip.MustParsePrefix("203.0.113.2/32"), Since: start.Add(time.Hour)}, {Prefix: netip.MustParsePrefix("203.0.113.3/32")}}
	before := slices.Clone(entries)
	var since []time.Time
	for _, e := range notBefore(entries, start) {
		since = append(since, e.Since)
	}
	if !slices.Equal(since, []time.Time{start, start.Add(time.Hour), start}) {
		t.Errorf("they count from %v", since)
	}
	if !reflect.DeepEqual(entries, before) {
		t.Error("what others hold too was changed")
	}
}

// A look that a stop breaks off has seen half a firewall: it says nothing about the policies.
func TestALookThatIsBrokenOffIsForgotten(t *testing.T) {
	p := newPolicyTest(t)
	p.waited()
	p.elapse(verifyFirst)
	was := p.Status()
	before, at := was.Checks, was.At
	logged := p.log.text()
	p.clock.add(time.Minute)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	p.verifyOnce(ctx)
	if again := p.Status(); !slices.Equal(before, again.Checks) || !again.At.Equal(*at) || p.log.text() != logged {
		t.Errorf("it found %+v", again)
	}
}

// A result is news when it is another than before, or has another reason; that all was well from the start is none.
func TestWhatIsNewsAboutAPolicy(t *testing.T) {
	check := func(result, detail string) policy.Check {
		return policy.Check{Check: "block-rule", Result: result, Detail: detail, Remedy: "do it"}
	}
	pass, fail, warn := check(policy.ResultPass, "well"), check(policy.ResultFail, "no rule"), check(policy.ResultWarn, "late")
	for _, c := range []struct {
		before, now policy.Check
		level       string // "": it is not logged
	}{
		{policy.Check{}, pass, ""}, {pass, pass, ""}, {pass, check(policy.ResultPass, "well, with another rule"), ""},
		{policy.Check{}, fail, "error"}, {pass, fail, "error"}, {fail, fail, ""}, {fail, check(policy.ResultFail, "disabled"), "error"},
		{policy.Check{}, warn, "warn"}, {fail, warn, "warn"}, {warn, warn, ""}, {fail, pass, "info"}, {warn, pass, "info"},
	} {
		var log lockedBuffer
		w := &Watcher{log: zerolog.New(&log)}
		w.report(c.before, c.now)
		want := ""
		if c.level != "" {
			want = fmt.Sprintf(`{"level":%q,"check":"block-rule","result":%q,"remedy":"do it","message":"policy: %s"}`, c.level, c.now.Result, c.now.Detail)
		}
		if got := strings.TrimSpace(log.text()); got != want {
			t.Errorf("after %+v, %+v is logged as %s instead of %s", c.before, c.now, got, want)
		}
	}
}

// What was found is never shown as what is: the state is known only as long as the firewall can be asked, and has its own beginning.
func TestPoliciesAreUnknownWhileTheFirewallCannotBeAsked(t *testing.T) {
	p := newPolicyTest(t)
	p.waited()
	began := p.clock.now()
	p.of = Status{State: StateUnknown, Since: began}
	look := func() PolicyStatus {
		p.clock.add(10 * time.Minute)
		p.wakeup.Wake()
		p.waited()
		return p.Status()
	}
	expect := func(what string, s PolicyStatus, state string, since, at time.Time) {
		t.Helper()
		if s.State != state || !s.Since.Equal(since) || !s.At.Equal(at) || s.Firewall != "fw1" {
			t.Errorf("%s: %+v, want %s since %s, looked at %s", what, s, state, since, at)
		}
	}
	first := look() // of a firewall without any policy
	found := p.clock.now()
	expect("the first look", first, policy.ResultFail, found, found)
	p.of = Status{State: StateUp, Up: true, Since: found}
	expect("the second look", look(), policy.ResultFail, found, p.clock.now())
	looked := p.clock.now()
	p.clock.add(5 * time.Minute)
	p.of = Status{State: StateDown, Since: p.clock.now()}
	expect("it went down", p.Status(), StateUnknown, p.clock.now(), looked)
	if n := len(p.Status().Checks); n == 0 {
		t.Error("what was found is lost")
	}
	p.sim.Down()
	p.of = Status{State: StateUp, Up: true, Since: p.clock.now()}
	unasked := look()
	expect("it could not be asked", unasked, StateUnknown, p.clock.now(), p.clock.now())
}
