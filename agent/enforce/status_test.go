package enforce

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"activedefense/firewall"
	"activedefense/firewall/xmlapi"
)

// A statusTest is an enforcer of which only what it says of its passes matters.
type statusTest struct {
	*Enforcer
	clock *testClock
	log   lockedBuffer
}

func newStatusTest() *statusTest {
	s := &statusTest{clock: newTestClock()}
	s.Enforcer = newEnforcer("fw1", zerolog.New(&s.log))
	s.now = s.clock.now
	return s
}

// unsupported and refused make so many addresses that are.
func unsupported(n int) (all []firewall.Unsupported) {
	for i := range n {
		all = append(all, firewall.Unsupported{Prefix: netip.MustParsePrefix(fmt.Sprintf("2001:db8:%d::/48", i)), Reason: "a network"})
	}
	return all
}

func refused(from, n int) (all []firewall.Refused) {
	for i := range n {
		all = append(all, firewall.Refused{Prefix: netip.MustParsePrefix(fmt.Sprintf("203.0.113.%d/32", from+i)), Message: "no room"})
	}
	return all
}

func TestACommitWithoutABlockIsLogged(t *testing.T) {
	s := newStatusTest()
	s.show(firewall.Report{}, 0, nil)
	if n := s.log.count("firewall in sync"); n != 0 {
		t.Errorf("a pass that changed nothing is logged %d times", n)
	}
	s.show(firewall.Report{Committed: true}, 0, nil)
	if n := s.log.count("firewall in sync after a commit"); n != 1 {
		t.Errorf("a commit is logged %d times", n)
	}
}

// What cannot be enforced is named, the first of many, and logged when there is more or less of it.
func TestWhatIsNotSupportedIsNamedAndLoggedWhenItChanges(t *testing.T) {
	s := newStatusTest()
	var logged []int
	for _, n := range []int{0, 2, 2, 9, 9, 0, 1} {
		s.show(firewall.Report{Unsupported: unsupported(n)}, n, nil)
		logged = append(logged, s.log.count("not enforceable in this firewall's mode"))
		st := s.Status()
		if st.UnsupportedCount != n || len(st.Unsupported) != min(n, namedRefusals) {
			t.Errorf("of %d it names %d and counts %d", n, len(st.Unsupported), st.UnsupportedCount)
		}
		if n > 0 && st.Unsupported[0] != "2001:db8::/48: a network" {
			t.Errorf("the first is %q", st.Unsupported[0])
		}
	}
	if want := []int{0, 1, 1, 2, 2, 2, 3}; !slices.Equal(logged, want) {
		t.Errorf("logged %v times instead of %v", logged, want)
	}
	if n := s.log.count(`"count":9,"addresses":["2001:db8::/48: a network"`); n != 1 {
		t.Errorf("that there are nine is logged %d times", n)
	}
}

// A full pass tries everything anew; what the passes in between refuse comes on top of it.
func TestWhatIsRefusedAddsUpUntilEverythingIsTriedAnew(t *testing.T) {
	s := newStatusTest()
	for _, step := range []struct {
		name         string
		report       firewall.Report
		count, named int
		logged       int // all in all
	}{
		{"nothing", firewall.Report{Full: true}, 0, 0, 0},
		{"a full pass", firewall.Report{Full: true, Refused: refused(1, 3)}, 3, 3, 1},
		{"nothing new", firewall.Report{}, 3, 3, 1},
		{"more in between", firewall.Report{Refused: refused(4, 4)}, 7, 5, 2},
		{"more than is named", firewall.Report{Refused: refused(8, 1)}, 8, 5, 3},
		{"the same anew", firewall.Report{Full: true, Refused: refused(1, 8)}, 8, 5, 3},
		{"less", firewall.Report{Full: true, Refused: refused(1, 1)}, 1, 1, 4},
		{"no more", firewall.Report{Full: true}, 0, 0, 4},
		{"again", firewall.Report{Refused: refused(1, 1)}, 1, 1, 5},
	} {
		s.show(step.report, 10, nil)
		st := s.Status()
		if st.RefusedCount != step.count || len(st.Refused) != step.named || s.log.count("refused by the firewall") != step.logged {
			t.Errorf("%s: %d are counted, %d named, and it is logged %d times", step.name, st.RefusedCount, len(st.Refused), s.log.count("refused by the firewall"))
		}
		if step.named > 0 && st.Refused[0] != "203.0.113.1: no room" {
			t.Errorf("%s: the first is %q", step.name, st.Refused[0])
		}
	}
}

func TestTheBrakeIsLoggedWhenItHoldsAndWhenItLetsGo(t *testing.T) {
	s := newStatusTest()
	for _, step := range []struct {
		braked  *firewall.Brake
		on, off int // logged, all in all
	}{
		{nil, 0, 0}, {&firewall.Brake{Remove: 100, Standing: 200, Percent: 30, Share: 50}, 1, 0}, {&firewall.Brake{Remove: 101, Standing: 200, Percent: 30, Share: 51}, 1, 0},
		{nil, 1, 1}, {nil, 1, 1}, {&firewall.Brake{Remove: 100, Standing: 200, Percent: 30, Share: 50}, 2, 1},
	} {
		s.show(firewall.Report{Braked: step.braked}, 100, nil)
		want := ""
		if step.braked != nil {
			want = step.braked.String() + "; held back until firewalls[].max_removal_percent of fw1 is raised"
		}
		if st := s.Status(); st.Brake != want || step.braked != nil && st.Braked != step.braked.Remove || step.braked == nil && st.Braked != 0 {
			t.Errorf("status says %d, %q instead of %q", st.Braked, st.Brake, want)
		}
		if on, off := s.log.count("BRAKE: "), s.log.count("brake off"); on != step.on || off != step.off {
			t.Errorf("that it holds is logged %d times instead of %d, that it lets go %d times instead of %d", on, step.on, off, step.off)
		}
	}
}

// What goes on while a firewall cannot be brought level depends on the mode and on whether a list is served.
func TestAFailedPassSaysWhatBlocksMeanwhile(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Enforcer)
		text   string
	}{
		"no list is served": {func(e *Enforcer) {}, "there is no fallback, because no list is served (edl.listen)"},
		"a list is served":  {func(e *Enforcer) { e.fallback = newFallback(nil, nil, zerolog.Nop()) }, "the list serves as fallback"},
		"the list itself":   {func(e *Enforcer) { e.state.Mode = firewall.ModeList }, "it keeps the list it fetched last, if any"},
	} {
		s := newStatusTest()
		c.change(s.Enforcer)
		s.show(firewall.Report{}, 1, &xmlapi.Error{Kind: xmlapi.KindAuth, Text: "no"})
		if n := s.log.count("cannot synchronize the firewall; retrying; " + c.text); n != 1 {
			t.Errorf("%s: it is logged %d times: %s", name, n, s.log.text())
		}
	}
}

// Trouble is told when it begins and when it is of another kind, and status knows since when and how often.
func TestTroubleIsLoggedOnceAKindAndItsEndOnce(t *testing.T) {
	s := newStatusTest()
	began := s.clock.now()
	for i, step := range []struct {
		kind   string
		logged int
	}{{xmlapi.KindAuth, 1}, {xmlapi.KindAuth, 1}, {xmlapi.KindTimeout, 2}, {xmlapi.KindAuth, 3}} {
		s.show(firewall.Report{}, 1, &xmlapi.Error{Kind: step.kind, Text: "trouble " + step.kind})
		st := s.Status()
		if st.Up || st.Failures != uint64(i+1) || st.ErrorKind != step.kind || st.Error != "trouble "+step.kind || !st.ErrorSince.Equal(began) {
			t.Errorf("status %+v", st)
		}
		if n := s.log.count("cannot synchronize the firewall"); n != step.logged {
			t.Errorf("after %d failures it is logged %d times", i+1, n)
		}
		s.clock.add(time.Minute)
	}
	for range 2 {
		s.show(firewall.Report{Full: true, Standing: 1}, 1, nil)
	}
	if n := s.log.count(`"failures":4,"away":240000,"message":"firewall is back`); n != 1 {
		t.Errorf("its return is logged %d times: %s", n, s.log.text())
	}
	if st := s.Status(); !st.Up || st.Failures != 0 || st.Error != "" || st.ErrorKind != "" || st.ErrorSince != nil {
		t.Errorf("status %+v", st)
	}
}

// Standing by is no trouble, ends trouble, and is told once; so is its end.
func TestStandingByIsNoTrouble(t *testing.T) {
	s := newStatusTest()
	s.paired, s.devices = true, make([]*xmlapi.Device, 1)
	device, err := xmlapi.Open(xmlapi.Options{Name: "fw1", URL: "https://192.0.2.1", APIKey: "k"})
	if err != nil {
		t.Fatal(err)
	}
	s.devices[0] = device
	passive := &xmlapi.Error{Kind: xmlapi.KindPassive, Text: "passive"}
	s.show(firewall.Report{}, 1, &xmlapi.Error{Kind: xmlapi.KindAuth, Text: "no"})
	for range 2 {
		s.show(firewall.Report{Waiting: 3 * time.Second}, 2, passive)
		if st := s.Status(); !st.Up || !st.Standby || st.Failures != 0 || st.Error != "" || st.ErrorKind != "" || st.ErrorSince != nil || st.LastSuccess != nil ||
			st.Desired != 2 || st.Waiting != 3 {
			t.Errorf("status %+v", st)
		}
	}
	s.show(firewall.Report{}, 1, errors.New("something else"))
	if st := s.Status(); st.Up || st.Standby || st.Error != "something else" {
		t.Errorf("status %+v", st)
	}
	s.show(firewall.Report{}, 1, passive)
	s.show(firewall.Report{Calls: 1}, 1, nil)
	if st := s.Status(); !st.Up || st.Standby || !st.LastSuccess.Equal(s.clock.now()) {
		t.Errorf("status %+v", st)
	}
	if begun, ended := s.log.count("passive and does not accept tags"), s.log.count("accepts tags now"); begun != 2 || ended != 1 {
		t.Errorf("that it begins is logged %d times, that it ends %d times", begun, ended)
	}
}

// Both members of a group write through the active one: that one of them is passive is trouble.
func TestOnlyAMemberOfAPairThatIsKeptAloneStandsBy(t *testing.T) {
	passive := &xmlapi.Error{Kind: xmlapi.KindPassive}
	for _, c := range []struct {
		paired  bool
		members int
		err     error
		want    bool
	}{
		{true, 1, passive, true}, {true, 1, fmt.Errorf("a pass: %w", passive), true}, {false, 1, passive, false}, {true, 2, passive, false},
		{true, 1, &xmlapi.Error{Kind: xmlapi.KindAPI}, false}, {true, 1, nil, false},
	} {
		s := newStatusTest()
		s.paired, s.devices = c.paired, make([]*xmlapi.Device, c.members)
		if got := s.standsBy(c.err); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// Whoever reads the status may keep and change it.
func TestAStatusIsACopy(t *testing.T) {
	s := newStatusTest()
	s.show(firewall.Report{Unsupported: unsupported(1), Refused: refused(1, 1)}, 2, nil)
	st := s.Status()
	st.Unsupported[0], st.Refused[0] = "changed", "changed"
	if again := s.Status(); strings.Contains(again.Unsupported[0]+again.Refused[0], "changed") {
		t.Errorf("status %+v", again)
	}
}

func TestAStatusHasTheNumbersOfTheLastPass(t *testing.T) {
	s := newStatusTest()
	some := blockedSince(s.clock.now(), "203.0.113.1/32", "203.0.113.2/32", "203.0.113.3/32")
	r := firewall.Report{Full: true, Registered: some[:1], Renewed: some[1:], Unregistered: []netip.Prefix{some[0].Prefix},
		Standing: 12, Ignored: 5, Invalid: 6, Waiting: 90 * time.Second}
	s.show(r, 20, nil)
	st := s.Status()
	if st.Name != "fw1" || st.PlanAdd != 3 || st.PlanRemove != 1 || st.Tags != 12 || st.ListIgnored != 5 || st.ListInvalid != 6 || st.Waiting != 90 || st.Desired != 20 {
		t.Errorf("status %+v", st)
	}
	full := s.clock.now()
	s.clock.add(time.Minute)
	s.show(firewall.Report{Calls: 1, Standing: 13}, 20, nil)
	if st = s.Status(); !st.LastFull.Equal(full) || !st.LastSuccess.Equal(full.Add(time.Minute)) || st.Tags != 13 || st.PlanAdd != 0 {
		t.Errorf("status %+v", st)
	}
	s.fallback = newFallback(nil, nil, zerolog.Nop())
	s.fallback.active.Store(true)
	s.show(firewall.Report{}, 20, nil)
	if !s.Status().Fallback {
		t.Error("that the list stands in is not said")
	}
}
