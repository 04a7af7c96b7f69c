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
// flight than the firewall may be given, no commit was sent again, and no secret is in an error.
func TestStorm(t *testing.T) {
	for seed := range uint64(8) {
		for _, mode := range []string{firewall.ModeTag, firewall.ModeGroup} {
			t.Run(fmt.Sprint(mode, " seed ", seed), func(t *testing.T) {
				t.Parallel()
				storm(t, mode, seed)
			})
		}
	}
}

func storm(t *testing.T, mode string, seed uint64) {
	dice := rand.New(rand.NewPCG(seed, 11))
	dialects := panosim.Dialects()
	dialect := dialects[dice.IntN(len(dialects))]
	dialect.CandidateOverReboot = panosim.CandidateKept // or the edits of others would be lost, and not by us
	t.Logf("dialect %s", dialect)
	l := newLab(t, func(o *panosim.Options) {
		o.Dialect, o.Admin = dialect, "svc-activedefense"
		o.Config = `<config version="10.2.0"><shared/><devices><entry name="localhost.localdomain"><vsys><entry name="vsys1">` + theirObject + theirGroup +
			`</entry></vsys></entry></devices></config>`
	}, func(o *labOptions) { o.Timeout, o.BatchSize = 200*time.Millisecond, 40 })
	l.opts.Pause = func(ctx context.Context, d time.Duration) bool { l.clock.move(d); return ctx.Err() == nil }
	l.restart()
	theirs := newOthers(t, l)
	desired := l.entries(0, 100)
	keeper := stormKeeper(t, l, mode)
	more := stormRounds(t)
	l.sim.Storm(seed, storms)
	for round := 0; more(round); round++ {
		if i := dice.IntN(len(desired)); dice.IntN(2) == 0 && len(desired) > 80 {
			desired = slices.Delete(slices.Clone(desired), i, i+1)
		} else {
			desired = append(desired, l.entries(1000+dice.IntN(5000), 1)...)
		}
		if dice.IntN(8) == 0 { // killed and started again
			l.restart()
			keeper = stormKeeper(t, l, mode)
		}
		report, err := keeper.Reconcile(t.Context(), desired, dice.IntN(3) == 0)
		if report.Braked != nil {
			t.Fatalf("round %d: braked: %v", round, report.Braked)
		}
		if err != nil {
			inspectError(t, l, err)
		}
		l.clock.move(time.Duration(dice.IntN(90)) * time.Second)
	}
	t.Logf("%d calls, %d of them met by a fault", total(l.sim.Stats().Calls), l.sim.Stats().Faulted)
	l.sim.ClearFaults()
	l.calm(keeper, desired)
	switch mode {
	case firewall.ModeTag:
		l.stands(desired)
	default:
		l.blocks(desired)
	}
	theirs.untouched()
	if n := l.sim.Stats().MaxInFlight; n > 5 {
		t.Errorf("%d calls in flight", n)
	}
	onceCommitted(t, l.sim.Jobs())
}

func stormKeeper(t *testing.T, l *lab, mode string) reconciler {
	t.Helper()
	if mode == firewall.ModeTag {
		return l.fw
	}
	g, err := firewall.NewGroup(firewall.GroupOptions{Names: firewall.NamesFor(tag), CommitInterval: time.Second}, l.device)
	if err != nil {
		t.Fatal(err)
	}
	return g
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
	_, running, _ := strings.Cut(l.sim.Running(), `<entry name="`+tag+`"><static>`)
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
func onceCommitted(t *testing.T, jobs []panosim.Job) {
	t.Helper()
	var last panosim.Job
	for _, j := range jobs {
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
	tags     map[netip.Prefix][]string
	existing string
}

const theirEdit = `<entry name="their-edit"><ip-netmask>192.0.2.88</ip-netmask></entry>`

// newOthers registers tags of their own and leaves an edit uncommitted.
func newOthers(t *testing.T, l *lab) *others {
	t.Helper()
	o := &others{l: l, tags: map[netip.Prefix][]string{}}
	for i := range 30 {
		if err := l.sim.Register("vsys1", host(i), theirTag, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.sim.Edit("somebody", "set", otherXPath, theirEdit); err != nil {
		t.Fatal(err)
	}
	o.edits = entryText(t, l.sim.Candidate(), "their-edit")
	o.existing = entryText(t, l.sim.Running(), "theirs") + entryText(t, l.sim.Running(), "their-group")
	return o
}

// untouched compares all of it with what it was.
func (o *others) untouched() {
	t := o.l.t
	t.Helper()
	tagged := o.l.sim.Tagged("vsys1", theirTag)
	for i := range 30 {
		if _, stands := tagged[host(i)]; !stands {
			t.Errorf("somebody else's tag is gone from %v", host(i))
		}
	}
	if got := entryText(t, o.l.sim.Candidate(), "their-edit"); got != o.edits {
		t.Errorf("somebody else's edit is %s, was %s", got, o.edits)
	}
	if strings.Contains(o.l.sim.Running(), "their-edit") {
		t.Error("somebody else's edit was committed")
	}
	if got := entryText(t, o.l.sim.Running(), "theirs") + entryText(t, o.l.sim.Running(), "their-group"); got != o.existing {
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
