package firewall_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/jobs"
	"activedefense/firewall/panosim/traffic"
)

// A storm is rounds of changes while everything goes wrong that can: 40, or as many as fit into the time that
// TEST_STORM says, such as 2m. The seed makes it the same each time, as far as the wall clock lets it.
func stormRounds(t *testing.T) func(round int) bool {
	t.Helper()
	text := os.Getenv("TEST_STORM")
	if text == "" {
		return func(round int) bool { return round < 40 }
	}
	length, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("TEST_STORM: %v", err)
	}
	end := time.Now().Add(length)
	return func(int) bool { return time.Now().Before(end) }
}

// reconciler is any of the modes.
type reconciler interface {
	Reconcile(ctx context.Context, desired []firewall.Entry, full bool) (firewall.Report, error)
}

// What others made on the firewall, and edit at the same time.
const (
	theirTag    = "their-tag"
	theirObject = `<address><entry name="theirs"><ip-netmask>192.0.2.77</ip-netmask></entry></address>`
	theirGroup  = `<address-group><entry name="their-group"><static><member>theirs</member></static></entry></address-group>`
)

var storms = panosim.StormOptions{MaxDelay: 300 * time.Millisecond, MaxSize: 1 << 16, Restarts: 150}

// Through any order of faults, restarts included, and people who work on the firewall at the same time: in the end it
// blocks exactly what is on the blacklist, what others made or edit is as it was to the byte, no more calls were in
// flight than the firewall may be given, no commit was sent again, and no secret is in an error. In edl mode, whose list
// cannot be fetched at times, nothing was written at all.
func TestStorm(t *testing.T) {
	for seed := range uint64(8) {
		for _, mode := range []string{firewall.ModeTag, firewall.ModeGroup, firewall.ModeList} {
			t.Run(fmt.Sprint(mode, " seed ", seed), func(t *testing.T) {
				t.Parallel()
				storm(t, mode, seed)
			})
		}
	}
}

func storm(t *testing.T, mode string, seed uint64) {
	dice := rand.New(rand.NewPCG(seed, 11))
	dialects := dialect.All()
	d := dialects[dice.IntN(len(dialects))]
	d.CandidateOverReboot = dialect.CandidateKept // or the edits of others would be lost, and not by us
	if mode == firewall.ModeList {
		d.ListJob, d.ListStopped = dialect.ListJob(dice.IntN(2)), dialect.ListStopped(dice.IntN(2))
		d.ListTarget, d.ListHost = dialect.ListTarget(dice.IntN(3)), dialect.ListHost(dice.IntN(2))
	}
	t.Logf("dialect %s", d)
	l := newStormLab(t, mode, d)
	theirs := newOthers(t, l.lab)
	desired := l.entries(0, 100)
	l.publish(desired)
	keeper := l.keeper()
	more := stormRounds(t)
	l.sim.Storm(seed, storms)
	for round := 0; more(round); round++ {
		if i := dice.IntN(len(desired)); dice.IntN(2) == 0 && len(desired) > 80 {
			desired = slices.Delete(slices.Clone(desired), i, i+1)
		} else if e := l.entries(1000+dice.IntN(5000), 1)[0]; !slices.ContainsFunc(desired, func(d firewall.Entry) bool { return d.Prefix == e.Prefix }) {
			desired = append(desired, e)
		}
		if l.publish(desired); mode == firewall.ModeList {
			l.fail(append(troubles, well, well, well, well, well, well)[dice.IntN(len(troubles)+6)])
		}
		if dice.IntN(8) == 0 { // killed and started again
			if l.restart(); dice.IntN(4) == 0 {
				clear(l.noted) // and what it had written down is lost
			}
			keeper = l.keeper()
		}
		report, err := keeper.Reconcile(t.Context(), desired, dice.IntN(3) == 0)
		if report.Braked != nil {
			t.Fatalf("round %d: braked: %v", round, report.Braked)
		}
		if err != nil {
			inspectError(t, l.lab, err)
		}
		if mode == firewall.ModeList && err == nil && report.Waiting == 0 && !l.listed(desired) {
			t.Fatalf("round %d: the firewall was found to hold what it does not", round)
		}
		l.clock.move(time.Duration(dice.IntN(90)) * time.Second)
	}
	t.Logf("%d calls, %d of them met by a fault", total(l.sim.Stats().Calls), l.sim.Stats().Faulted)
	l.sim.ClearFaults()
	l.fail(well)
	l.calm(keeper, desired)
	switch mode {
	case firewall.ModeTag:
		l.stands(desired)
	case firewall.ModeGroup:
		l.blocks(desired)
	default:
		if !l.listed(desired) {
			t.Error("the firewall does not hold the list")
		}
		if _, known := l.noted[desired[0].Prefix]; !known || len(l.noted) != len(desired) {
			t.Errorf("by all reports the firewall holds %d entries, of %d", len(l.noted), len(desired))
		}
		theirs.alone()
	}
	theirs.untouched()
	if n := l.sim.Stats().MaxInFlight; n > 5 {
		t.Errorf("%d calls in flight", n)
	}
	if n := l.sim.Stats().Exposed; n > 0 {
		t.Errorf("the key stood in the URL or body of %d calls", n)
	}
	onceCommitted(t, l.sim.Jobs())
}

// stormLab is a firewall in one of the modes.
type stormLab struct {
	*lab
	*listServer // of the list, in edl mode
	mode        string
	noted       map[netip.Prefix]time.Time // what the firewall holds by all reports, in edl mode
}

func newStormLab(t *testing.T, mode string, d dialect.Dialect) stormLab {
	t.Helper()
	s := stormLab{mode: mode, listServer: newListServer(t), noted: map[netip.Prefix]time.Time{}}
	s.lab = newLab(t, func(o *panosim.Options) {
		o.Dialect, o.Admin = d, "svc-activedefense"
		o.Config = `<config version="10.2.0"><shared/><devices><entry name="localhost.localdomain"><vsys><entry name="vsys1">` + theirObject + theirGroup +
			`</entry></vsys></entry></devices></config>`
		if mode == firewall.ModeList {
			o.Config, o.FetchTimeout = s.config(listName, theirObject+theirGroup), 50*time.Millisecond
			o.VSys = []string{"vsys1", "vsys2"} // so that one has to be chosen
		}
	}, func(o *labOptions) { o.Timeout, o.BatchSize = 200*time.Millisecond, 40 })
	s.opts.Pause = func(ctx context.Context, d time.Duration) bool { s.clock.move(d); return ctx.Err() == nil }
	if mode == firewall.ModeList {
		s.opts.Pause = briefly
	}
	s.restart()
	return s
}

// keeper makes one that remembers nothing.
func (l stormLab) keeper() reconciler {
	l.t.Helper()
	names := firewall.NamesFor(tag)
	var (
		made reconciler
		err  error
	)
	switch l.mode {
	case firewall.ModeGroup:
		made, err = firewall.NewGroup(firewall.GroupOptions{Names: names, CommitInterval: time.Second}, l.device)
	case firewall.ModeList:
		var list *firewall.List
		if list, err = firewall.NewList(l.device, firewall.ListOptions{Names: names, URL: l.url}); err == nil {
			list.Restore(l.noted)
		}
		made = noting{list, l.noted}
	default:
		made = l.fw
	}
	if err != nil {
		l.t.Fatal(err)
	}
	return made
}

// noting writes down what the reports of a list say.
type noting struct {
	*firewall.List
	noted map[netip.Prefix]time.Time
}

func (n noting) Reconcile(ctx context.Context, desired []firewall.Entry, full bool) (firewall.Report, error) {
	r, err := n.List.Reconcile(ctx, desired, full)
	for _, e := range r.Registered {
		n.noted[e.Prefix] = time.Time{}
	}
	for _, p := range slices.Concat(r.Unregistered, r.Gone) {
		delete(n.noted, p)
	}
	return r, err
}

const listName = "their-name-of-the-list"

// listed tells whether what is desired is in force, and nothing else of the list.
func (l stormLab) listed(desired []firewall.Entry) bool {
	l.t.Helper()
	state, _ := l.sim.Lists().State("vsys1", listName)
	if state.Stopped || state.Entries != len(desired) {
		l.t.Logf("the firewall holds %+v, not %d entries", state, len(desired))
		return false
	}
	for _, e := range desired {
		if v := l.sim.Traffic().Packet(traffic.Packet{From: "untrust", To: "dmz", Source: e.Prefix.Addr(), Destination: netip.MustParseAddr("192.0.2.1"), Short: true}); v.Rule != "block" {
			l.t.Logf("%v is met by the rule %q", e.Prefix, v.Rule)
			return false
		}
	}
	return true
}

func total(calls map[string]int) (n int) {
	for _, c := range calls {
		n += c
	}
	return n
}

// calm makes passes until two in a row leave nothing to do.
func (l *lab) calm(keeper reconciler, desired []firewall.Entry) {
	l.t.Helper()
	for clean, tries := 0, 0; clean < 2; tries++ {
		l.clock.move(2 * time.Minute)
		r, err := keeper.Reconcile(l.t.Context(), desired, true)
		// The short timeout that lets faults pass quickly can be too short for a busy machine.
		if err == nil && r.Backlog == 0 && r.Waiting == 0 {
			clean++
		} else if tries > 300 {
			l.t.Fatalf("not level after %d passes: %v", tries, err)
		}
	}
}

// blocks compares the running group with what is desired.
func (l *lab) blocks(desired []firewall.Entry) {
	l.t.Helper()
	want := map[string]bool{tag + "-nobody": true}
	for _, e := range desired {
		want[tag+"-"+e.Prefix.Addr().String()] = true
	}
	got := map[string]bool{}
	_, running, _ := strings.Cut(l.sim.Config().Running(), `<entry name="`+tag+`"><static>`)
	running, _, _ = strings.Cut(running, "</static>")
	for _, part := range strings.Split(running, "<member>")[1:] {
		name, _, _ := strings.Cut(part, "<")
		got[name] = true
	}
	for name := range want {
		if !got[name] {
			l.t.Errorf("%s is not in the group", name)
		}
	}
	for name := range got {
		if !want[name] {
			l.t.Errorf("%s is in the group", name)
		}
	}
}

// onceCommitted fails if a commit of ours was sent while another one of ours was not over.
func onceCommitted(t *testing.T, listed []jobs.Job) {
	t.Helper()
	var last jobs.Job
	for _, j := range listed {
		if j.Type != "Commit" || j.User != "svc-activedefense" {
			continue
		}
		if last.ID != 0 && (last.Ended.IsZero() || j.Queued.Before(last.Ended)) {
			t.Errorf("commit %d was sent before %d was over", j.ID, last.ID)
		}
		last = j
	}
}

// others are people who work on the same firewall.
type others struct {
	l        *lab
	edits    string
	existing string

	running, candidate string // all of it
}

const theirEdit = `<entry name="their-edit"><ip-netmask>192.0.2.88</ip-netmask></entry>`

// newOthers registers tags of their own and leaves an edit uncommitted.
func newOthers(t *testing.T, l *lab) *others {
	t.Helper()
	o := &others{l: l}
	for i := range 30 {
		if err := l.sim.Addresses().Register("vsys1", host(i), theirTag, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.sim.Config().Edit("somebody", "set", otherXPath, theirEdit); err != nil {
		t.Fatal(err)
	}
	o.edits = entryText(t, l.sim.Config().Candidate(), "their-edit")
	o.existing = entryText(t, l.sim.Config().Running(), "theirs") + entryText(t, l.sim.Config().Running(), "their-group")
	o.running, o.candidate = l.sim.Config().Running(), l.sim.Config().Candidate()
	return o
}

// alone makes sure that nobody else wrote to the configuration, or committed.
func (o *others) alone() {
	t := o.l.t
	t.Helper()
	if o.l.sim.Config().Candidate() != o.candidate || o.l.sim.Config().Running() != o.running {
		t.Error("the configuration was written to")
	}
	if n := o.l.calls(panosim.KindCommit); n > 0 {
		t.Errorf("%d commits were sent", n)
	}
}

// untouched compares all of it with what it was.
func (o *others) untouched() {
	t := o.l.t
	t.Helper()
	tagged := o.l.sim.Addresses().Tagged("vsys1", theirTag)
	for i := range 30 {
		if _, stands := tagged[host(i)]; !stands {
			t.Errorf("somebody else's tag is gone from %v", host(i))
		}
	}
	if got := entryText(t, o.l.sim.Config().Candidate(), "their-edit"); got != o.edits {
		t.Errorf("somebody else's edit is %s, was %s", got, o.edits)
	}
	if strings.Contains(o.l.sim.Config().Running(), "their-edit") {
		t.Error("somebody else's edit was committed")
	}
	if got := entryText(t, o.l.sim.Config().Running(), "theirs") + entryText(t, o.l.sim.Config().Running(), "their-group"); got != o.existing {
		t.Errorf("somebody else's objects are %s, were %s", got, o.existing)
	}
}

// entryText is an entry of a configuration, to the byte.
func entryText(t *testing.T, config, name string) string {
	t.Helper()
	at := bytes.Index([]byte(config), []byte(`<entry name="`+name+`"`))
	if at < 0 {
		t.Fatalf("no entry %s", name)
	}
	end := strings.Index(config[at:], "</entry>")
	return config[at : at+end]
}
