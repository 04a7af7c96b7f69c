package firewall_test

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/xmlapi"
)

// groupLab is a lab whose firewall is brought level by an address group.
type groupLab struct {
	*lab
	group *firewall.Group
}

func newGroupLab(t *testing.T, sim func(*panosim.Options)) *groupLab {
	t.Helper()
	l := &groupLab{lab: newLab(t, func(o *panosim.Options) {
		o.Admin = "svc-activedefense"
		if sim != nil {
			sim(o)
		}
	}, func(o *labOptions) { o.Timeout = 2 * time.Second })}
	l.opts.Pause = func(ctx context.Context, d time.Duration) bool {
		l.clock.move(d)
		return ctx.Err() == nil
	}
	l.restart()
	return l
}

// restart gives a Group that remembers nothing.
func (l *groupLab) restart() {
	l.t.Helper()
	l.lab.restart()
	l.group = l.over(l.device)
}

func (l *groupLab) over(devices ...*xmlapi.Device) *firewall.Group {
	l.t.Helper()
	g, err := firewall.NewGroup(firewall.GroupOptions{Names: firewall.NamesFor(tag), CommitInterval: time.Minute}, devices...)
	if err != nil {
		l.t.Fatal(err)
	}
	return g
}

// What bears the name of our group and is somebody else's is neither filled nor hidden.
func TestGroupOfSomebodyElse(t *testing.T) {
	const vsys, shared = "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']", "/config/shared"
	for path, element := range map[string]string{
		vsys + "/address-group": `<entry name="` + tag + `"><static><member>partner</member></static></entry>`,
		vsys + "/external-list": `<entry name="` + tag + `"><type><ip><url>https://lists.example.net/x</url><recurring><hourly/></recurring></ip></type></entry>`,
		shared + "/address":     `<entry name="` + tag + `"><ip-netmask>198.51.100.9</ip-netmask></entry>`,
		shared + "/region":      `<entry name="` + tag + `"><address><member>198.51.100.0/24</member></address></entry>`,
	} {
		l := newGroupLab(t, nil)
		for _, edit := range [][2]string{{vsys + "/address", `<entry name="partner"><ip-netmask>198.51.100.8</ip-netmask></entry>`}, {path, element}} {
			if err := l.sim.Config().Edit("somebody", "set", edit[0], edit[1]); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.sim.Config().Commit("somebody"); err != nil {
			t.Fatal(err)
		}
		before := l.sim.Config().Candidate()
		_, err := l.group.Reconcile(t.Context(), []firewall.Entry{{Prefix: netip.MustParsePrefix("203.0.113.9/32")}}, true)
		if xmlapi.Kind(err) != xmlapi.KindUnsupported || !strings.Contains(err.Error(), "rename it, or give this firewall another tag") {
			t.Errorf("%s: %v", path, err)
		}
		if l.sim.Config().Candidate() != before {
			t.Errorf("%s: the configuration was changed", path)
		}
	}
}

func (l *groupLab) pass(desired []firewall.Entry, full bool) firewall.Report {
	l.t.Helper()
	r, err := l.group.Reconcile(l.t.Context(), desired, full)
	if err != nil {
		l.t.Fatalf("reconcile: %v", err)
	}
	return r
}

// blocked is what the group of the running configuration blocks.
func (l *groupLab) blocked() []string {
	l.t.Helper()
	var out []string
	for _, name := range members(l.t, l.sim.Config().Running()) {
		if address, ours := strings.CutPrefix(name, tag+"-"); ours && address != "nobody" {
			out = append(out, address)
		}
	}
	slices.Sort(out)
	return out
}

// members gives those of our group in a configuration; nil if there is none.
func members(t *testing.T, config string) []string {
	t.Helper()
	_, rest, found := strings.Cut(config, "<address-group>")
	if !found {
		return nil
	}
	rest, _, _ = strings.Cut(rest, "</address-group>")
	var out []string
	for _, part := range strings.Split(rest, "<member")[1:] {
		_, part, _ = strings.Cut(part, ">")
		name, _, _ := strings.Cut(part, "<")
		if name != tag {
			out = append(out, name)
		}
	}
	return out
}

func (l *groupLab) wants(addresses ...string) {
	l.t.Helper()
	slices.Sort(addresses)
	if got := l.blocked(); !slices.Equal(got, addresses) {
		l.t.Fatalf("the running group blocks %v, want %v", got, addresses)
	}
}

// commits counts those that were carried out.
func (l *groupLab) commits() int {
	n := 0
	for _, j := range l.sim.Jobs() {
		if j.Type == "Commit" && j.Result == "OK" {
			n++
		}
	}
	return n
}

func (l *groupLab) block(addresses ...string) []firewall.Entry {
	var out []firewall.Entry
	for _, a := range addresses {
		p, err := netip.ParsePrefix(a)
		if err != nil {
			addr := netip.MustParseAddr(a)
			p = netip.PrefixFrom(addr, addr.BitLen())
		}
		out = append(out, firewall.Entry{Prefix: p, Until: l.clock.Now().Add(time.Hour)})
	}
	return out
}

func TestGroupBlocksAndReleasesInEveryDialect(t *testing.T) {
	for _, o := range everyFirewall() {
		t.Run(o.Version+" "+o.Dialect.String(), func(t *testing.T) {
			l := newGroupLab(t, func(options *panosim.Options) { options.Dialect, options.Version = o.Dialect, o.Version })
			r := l.pass(l.block("203.0.113.1", "198.51.100.0/24", "2001:db8::1"), false)
			if len(r.Registered) != 3 || r.Standing != 3 || !r.Full {
				t.Fatalf("first pass: %+v", r)
			}
			l.wants("203.0.113.1", "198.51.100.0-24", "2001_db8__1")
			if r = l.pass(l.block("203.0.113.1", "203.0.113.2"), false); r.Waiting != time.Minute || r.Standing != 3 {
				t.Fatalf("right after a commit: %+v", r)
			}
			l.clock.move(time.Minute)
			if r = l.pass(l.block("203.0.113.1", "203.0.113.2"), false); len(r.Registered) != 1 || len(r.Unregistered) != 2 {
				t.Fatalf("a minute later: %+v", r)
			}
			l.wants("203.0.113.1", "203.0.113.2")
			l.clock.move(time.Hour)
			l.pass(nil, false)
			l.wants()
			if got := members(t, l.sim.Config().Running()); len(got) != 1 {
				t.Errorf("an empty blacklist leaves the members %v, want the one that is nobody", got)
			}
			if n := l.commits(); n != 3 {
				t.Errorf("%d commits, want 3", n)
			}
			if running := l.sim.Config().Running(); strings.Contains(running, tag+"-2") {
				t.Error("address objects stay behind")
			}
		})
	}
}

func TestGroupCostsNothingWhileNothingChanges(t *testing.T) {
	l := newGroupLab(t, nil)
	desired := l.block("203.0.113.1")
	l.pass(desired, false)
	if r := l.pass(desired, false); r.Calls != 0 {
		t.Errorf("nothing to do cost %d calls", r.Calls)
	}
	l.clock.move(time.Hour)
	l.restart()
	if r := l.pass(desired, true); len(r.Registered) != 0 || r.Standing != 1 {
		t.Errorf("after a restart: %+v", r)
	}
	if n := l.commits(); n != 1 {
		t.Errorf("%d commits, want 1", n)
	}
}

// What the crash of an earlier run left in the candidate configuration is put into force.
func TestGroupGoesOnWhereItWasKilled(t *testing.T) {
	l := newGroupLab(t, nil)
	l.pass(l.block("203.0.113.1"), false)
	if r := l.pass(l.block("203.0.113.1", "203.0.113.2"), false); r.Waiting == 0 {
		t.Fatalf("the second batch did not wait: %+v", r)
	}
	l.restart()
	l.pass(l.block("203.0.113.1", "203.0.113.2"), false)
	l.wants("203.0.113.1", "203.0.113.2")
}

const (
	vsys1       = "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']"
	otherXPath  = vsys1 + "/address"
	otherObject = `<entry name="theirs"><ip-netmask>192.0.2.77</ip-netmask></entry>`
)

// Edits of others that are not committed are neither published nor dropped, whatever becomes of ours.
func TestGroupLeavesOthersAlone(t *testing.T) {
	l := newGroupLab(t, nil)
	if err := l.sim.Config().Edit("somebody", "set", otherXPath, otherObject); err != nil {
		t.Fatal(err)
	}
	theirs := func(when string, running bool) {
		t.Helper()
		if strings.Contains(l.sim.Config().Running(), "theirs") != running || !strings.Contains(l.sim.Config().Candidate(), "theirs") {
			t.Fatalf("%s: the edit of somebody else is published %v, pending %v", when,
				strings.Contains(l.sim.Config().Running(), "theirs"), l.sim.Config().Pending("somebody") > 0)
		}
	}
	l.pass(l.block("203.0.113.1"), false)
	theirs("after a commit", false)
	l.clock.move(time.Hour)
	l.sim.Config().FailCommit("vsys1", "disk is full")
	if _, err := l.group.Reconcile(t.Context(), l.block("203.0.113.2"), false); xmlapi.Kind(err) != xmlapi.KindCommit {
		t.Fatalf("a commit that fails: %v", err)
	}
	theirs("after a commit that failed", false)
	if n := l.sim.Config().Pending("svc-activedefense"); n != 0 {
		t.Errorf("%d edits of ours are left after a commit that failed", n)
	}
	l.wants("203.0.113.1")
	if err := l.sim.Config().Commit("somebody"); err != nil {
		t.Fatal(err)
	}
	theirs("after their own commit", true)
}

// What somebody's rule names cannot be deleted: the address is released all the same, and told as what it is.
func TestGroupReleasesWhatSomebodyNames(t *testing.T) {
	l := newGroupLab(t, nil)
	l.pass(l.block("203.0.113.1", "203.0.113.2"), true)
	l.wants("203.0.113.1", "203.0.113.2")
	rule := `<entry name="theirs"><from><member>any</member></from><to><member>any</member></to><source><member>` + tag + `-203.0.113.1</member></source><destination><member>any</member></destination><application><member>any</member></application><service><member>any</member></service><action>deny</action></entry>`
	if err := l.sim.Config().Edit("somebody", "set", "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']"+"/rulebase/security/rules", rule); err != nil {
		t.Fatal(err)
	}
	if err := l.sim.Config().Commit("somebody"); err != nil {
		t.Fatal(err)
	}
	l.clock.move(time.Hour)
	r := l.pass(l.block("203.0.113.2"), true)
	l.wants("203.0.113.2")
	if len(r.Refused) != 0 || len(r.Undeleted) != 1 || r.Undeleted[0].Prefix.String() != "203.0.113.1/32" || !strings.Contains(r.Undeleted[0].Message, "cannot be deleted") {
		t.Errorf("refused %v, not deleted %v", r.Refused, r.Undeleted)
	}
}

// Another administrator edits our own group and goes for lunch. The key tells nobody's name.
func TestGroupThatSomebodyElseEdits(t *testing.T) {
	const group = vsys1 + "/address-group/entry[@name='" + tag + "']"
	for _, d := range firewall.EveryDialect() {
		t.Run(d.String(), func(t *testing.T) {
			l := newGroupLab(t, func(o *panosim.Options) { o.Dialect = d })
			l.pass(l.block("203.0.113.1", "203.0.113.2"), false)
			for _, edit := range [][2]string{{otherXPath, otherObject}, {group + "/static", "<member>theirs</member>"}, {group, "<description>why?</description>"}} {
				if err := l.sim.Config().Edit("somebody", "set", edit[0], edit[1]); err != nil {
					t.Fatal(err)
				}
			}
			pending, commits := l.sim.Config().Pending("somebody"), l.commits()
			l.restart()
			if r := l.pass(l.block("203.0.113.1", "203.0.113.2"), true); r.Standing != 2 || l.commits() != commits {
				t.Fatalf("nothing of ours to commit: %+v, %d commits", r, l.commits()-commits)
			}
			for _, addresses := range [][]string{{"203.0.113.1", "203.0.113.3"}, {"203.0.113.3"}} {
				l.clock.move(time.Hour)
				l.pass(l.block(addresses...), true)
				l.wants(addresses...)
			}
			if l.sim.Config().Pending("somebody") != pending || strings.Contains(l.sim.Config().Running(), "theirs") || strings.Contains(l.sim.Config().Running(), "why?") {
				t.Fatalf("%d edits of somebody else are pending, of %d: %s", l.sim.Config().Pending("somebody"), pending, l.sim.Config().Running())
			}
			if strings.Contains(l.sim.Config().Running(), "-admin") || l.sim.Config().Pending("svc-activedefense") != 0 {
				t.Error("finding out who we are leaves something behind")
			}
			if err := l.sim.Config().Commit("somebody"); err != nil {
				t.Fatal(err)
			}
			l.clock.move(time.Hour)
			l.pass(l.block("203.0.113.4"), true)
			if got := members(t, l.sim.Config().Running()); !slices.Contains(got, "theirs") || !slices.Contains(got, tag+"-203.0.113.4") || len(got) != 3 {
				t.Errorf("after their commit and ours, the members are %v", got)
			}
		})
	}
}

// Writing below a virtual system that is not there could make it.
func TestGroupInAnUnknownVirtualSystem(t *testing.T) {
	l := newGroupLab(t, nil)
	l.opts.VSys = "vsys9"
	l.restart()
	before := l.sim.Config().Candidate()
	_, err := l.group.Reconcile(t.Context(), l.block("203.0.113.1"), false)
	if xmlapi.Kind(err) != xmlapi.KindUnsupported || !strings.Contains(err.Error(), "LAB-FW-01") || !strings.Contains(err.Error(), "vsys9") {
		t.Errorf("got %v", err)
	}
	if l.sim.Config().Candidate() != before {
		t.Error("something was written")
	}
}

// A commit of an earlier run still goes on: it is waited for, and not sent again.
func TestGroupWaitsForItsOwnCommit(t *testing.T) {
	l := newGroupLab(t, func(o *panosim.Options) { o.CommitTime = 10 * time.Minute })
	ctx, kill := context.WithCancel(t.Context())
	pause := l.opts.Pause
	l.opts.Pause = func(context.Context, time.Duration) bool { kill(); return false }
	l.restart()
	began := time.Now()
	if _, err := l.group.Reconcile(ctx, l.block("203.0.113.1"), false); xmlapi.Kind(err) != xmlapi.KindCanceled || time.Since(began) > 10*time.Second {
		t.Fatalf("stopped while the commit goes on: %v after %s", err, time.Since(began))
	}
	l.opts.Pause = pause
	l.restart()
	l.pass(l.block("203.0.113.1"), false)
	l.wants("203.0.113.1")
	onceCommitted(t, l.sim.Jobs())
}

// What an earlier run noted and is in force is no news; what is not any more is told, and what was not noted.
func TestGroupGoesOnWithWhatWasNoted(t *testing.T) {
	l := newGroupLab(t, nil)
	l.pass(l.block("203.0.113.1", "203.0.113.2"), false)
	l.restart()
	l.group.Restore(map[netip.Prefix]time.Time{netip.MustParsePrefix("203.0.113.2/32"): {}, netip.MustParsePrefix("203.0.113.9/32"): {}})
	r := l.pass(l.block("203.0.113.1", "203.0.113.2"), true)
	if fmt.Sprint(r.Gone) != "[203.0.113.9/32]" || len(r.Registered) != 0 || len(r.Renewed) != 1 || !reflect.DeepEqual(r.Renewed[0], firewall.Entry{Prefix: netip.MustParsePrefix("203.0.113.1/32")}) {
		t.Errorf("%+v", r)
	}
}

func TestGroupTellsWhyACommitFailed(t *testing.T) {
	l := newGroupLab(t, nil)
	l.sim.Config().FailCommit("Validation Error:", " rule 'x' is bad")
	_, err := l.group.Reconcile(t.Context(), l.block("203.0.113.1"), false)
	if xmlapi.Kind(err) != xmlapi.KindCommit || !strings.Contains(fmt.Sprint(err), "rule 'x' is bad") {
		t.Fatalf("got %v", err)
	}
	calls := len(l.sim.Stats().Calls)
	r, again := l.group.Reconcile(t.Context(), l.block("203.0.113.1"), false)
	if fmt.Sprint(again) != fmt.Sprint(err) || len(l.sim.Stats().Calls) != calls || r.Waiting <= 0 {
		t.Errorf("before the next batch is due: %v after %d calls, waiting %v", again, len(l.sim.Stats().Calls)-calls, r.Waiting)
	}
	l.clock.move(time.Minute)
	l.pass(l.block("203.0.113.1"), false)
	l.wants("203.0.113.1")
}

// The answer to a commit can be late or lost although it was taken: it is not sent again.
func TestGroupFindsTheCommitWhoseAnswerWasLost(t *testing.T) {
	for name, fault := range map[string]panosim.Fault{
		"late":       {Effect: panosim.Hang, Applied: true, Delay: 10 * time.Second},
		"reset":      {Effect: panosim.Reset, Applied: true},
		"502":        {Effect: panosim.HTML, Status: 502, Applied: true},
		"broken off": {Effect: panosim.Break},
	} {
		t.Run(name, func(t *testing.T) {
			l := newGroupLab(t, func(o *panosim.Options) { o.CommitTime = 30 * time.Second })
			fault.Kind, fault.Calls = panosim.KindCommit, 1
			l.sim.SetFault(fault)
			l.pass(l.block("203.0.113.1"), false)
			l.wants("203.0.113.1")
			if jobs := l.sim.Jobs(); len(jobs) != 1 {
				t.Errorf("jobs %+v, want one commit", jobs)
			}
		})
	}
	t.Run("never arrived", func(t *testing.T) {
		l := newGroupLab(t, nil)
		l.sim.SetFault(panosim.Fault{Effect: panosim.Reset, Kind: panosim.KindCommit, Calls: 1})
		if _, err := l.group.Reconcile(t.Context(), l.block("203.0.113.1"), false); xmlapi.Kind(err) != xmlapi.KindUnreachable {
			t.Fatalf("got %v", err)
		}
		l.clock.move(time.Minute)
		l.pass(l.block("203.0.113.1"), false)
		l.wants("203.0.113.1")
	})
}

// A right that is taken away while a commit runs ends the wait for it, and not the deadline of twenty minutes.
func TestGroupDoesNotWaitForARightThatIsGone(t *testing.T) {
	l := newGroupLab(t, func(o *panosim.Options) { o.CommitTime = time.Hour })
	l.opts.Pause = func(ctx context.Context, d time.Duration) bool { // the first is between two looks at the job
		l.sim.Deny("op")
		l.clock.move(d)
		return ctx.Err() == nil
	}
	l.restart()
	began := l.clock.Now()
	_, err := l.group.Reconcile(t.Context(), l.block("203.0.113.1"), false)
	if xmlapi.Kind(err) != xmlapi.KindRole || l.clock.Now().Sub(began) > time.Minute {
		t.Errorf("after %s: %v", l.clock.Now().Sub(began), err)
	}
}

func TestGroupWaitsForLocksAndOtherCommits(t *testing.T) {
	tests := map[string]struct{ lock, unlock func(*panosim.Sim) }{
		"configuration": {func(s *panosim.Sim) { s.Config().LockConfig("somebody", "vsys1") }, func(s *panosim.Sim) { s.Config().UnlockConfig("vsys1") }},
		"everything":    {func(s *panosim.Sim) { s.Config().LockConfig("somebody", "") }, func(s *panosim.Sim) { s.Config().UnlockConfig("") }},
		"commits":       {func(s *panosim.Sim) { s.Config().LockCommit("somebody", "") }, func(s *panosim.Sim) { s.Config().UnlockCommit("") }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := newGroupLab(t, nil)
			test.lock(l.sim)
			_, err := l.group.Reconcile(t.Context(), l.block("203.0.113.1"), false)
			if xmlapi.Kind(err) != xmlapi.KindBusy || !xmlapi.Transient(err) {
				t.Fatalf("locked: %v", err)
			}
			test.unlock(l.sim)
			l.pass(l.block("203.0.113.1"), false)
			l.wants("203.0.113.1")
		})
	}
}

func TestGroupWritesToTheActiveMember(t *testing.T) {
	l := newGroupLab(t, nil)
	other, err := panosim.Start(panosim.Options{Now: l.clock.Now, Admin: "svc-activedefense", APIKey: l.sim.Key(), Serial: "007000000000002"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	pair := panosim.Pair(l.sim, other, panosim.PairOptions{})
	options := l.opts.Options
	options.Name, options.URL, options.CA = "LAB-FW-02", other.URL(), other.CA()
	peer, err := xmlapi.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(peer.Close)
	l.group = l.over(peer, l.device) // the passive one first
	l.pass(l.block("203.0.113.1"), true)
	l.wants("203.0.113.1")
	if err := pair.Failover(); err != nil {
		t.Fatal(err)
	}
	l.clock.move(time.Hour)
	before := l.sim.Config().Running()
	if _, err := l.group.Reconcile(t.Context(), l.block("203.0.113.2"), false); err == nil || l.sim.Config().Running() != before {
		t.Errorf("after the failover, committed to the member that is passive now, with error %v", err)
	}
	l.pass(l.block("203.0.113.2"), true)
	if got := members(t, other.Config().Running()); !slices.Contains(got, tag+"-203.0.113.2") {
		t.Errorf("after the failover the new active member has %v", got)
	}
}

// Two virtual systems of one firewall behind a Panorama, under one account: each group is committed, and neither spoils
// the other's work.
func TestGroupsOfSeveralVirtualSystemsBehindAPanorama(t *testing.T) {
	l := newGroupLab(t, func(o *panosim.Options) { o.VSys = []string{"vsys1", "vsys2"}; o.CommitTime = time.Minute })
	panorama, err := panosim.StartPanorama(panosim.PanoramaOptions{Options: panosim.Options{Now: l.clock.Now, Admin: "svc-activedefense"}, Managed: []*panosim.Sim{l.sim}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(panorama.Close)
	l.opts.URL, l.opts.CA, l.opts.APIKey, l.opts.Target = panorama.URL(), panorama.CA(), panorama.Key(), "007000000000001"
	l.restart()
	options := l.opts.Options
	options.Name, options.VSys = "second", "vsys2"
	second, err := l.device.Sibling(options)
	if err != nil {
		t.Fatal(err)
	}
	groups := []*firewall.Group{l.group, l.over(second)}
	for round := range 3 {
		l.clock.move(time.Hour)
		errs := make([]error, len(groups))
		var both sync.WaitGroup
		for i, g := range groups {
			both.Go(func() { _, errs[i] = g.Reconcile(t.Context(), l.block(fmt.Sprintf("203.0.113.%d", 10*i+round)), false) })
		}
		both.Wait()
		if errs[0] != nil || errs[1] != nil {
			t.Fatalf("round %d: %v", round, errs)
		}
	}
	running := l.sim.Config().Running()
	for _, name := range []string{tag + "-203.0.113.2", tag + "-203.0.113.12"} {
		if strings.Count(running, "<member>"+name+"</member>") != 1 {
			t.Errorf("%s is in %d groups", name, strings.Count(running, "<member>"+name+"</member>"))
		}
	}
}

// The first commit may hold no block; it is reported all the same.
func TestACommitIsReported(t *testing.T) {
	l := newGroupLab(t, nil)
	if r := l.pass(nil, false); !r.Committed || len(r.Registered) != 0 {
		t.Errorf("the first pass: %+v", r)
	}
	if r := l.pass(nil, true); r.Committed {
		t.Errorf("a pass without a change: %+v", r)
	}
}
