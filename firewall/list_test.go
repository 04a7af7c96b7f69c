package firewall_test

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/xmlapi"
)

// listLab is a lab whose firewall fetches a list over TLS.
type listLab struct {
	*lab
	*listServer
	list *firewall.List
}

func newListLab(t *testing.T, sim func(*panosim.Options), list func(*firewall.ListOptions)) *listLab {
	t.Helper()
	l := &listLab{listServer: newListServer(t)}
	l.lab = newLab(t, func(o *panosim.Options) {
		o.Config, o.FetchTimeout = l.config("their-name", ""), 10*time.Second
		if sim != nil {
			sim(o)
		}
	}, nil)
	l.opts.Pause = briefly
	l.restart()
	l.list = l.newList(t, list)
	return l
}

// newList makes a List that remembers nothing.
func (l *listLab) newList(t *testing.T, change func(*firewall.ListOptions)) *firewall.List {
	t.Helper()
	opts := firewall.ListOptions{Names: firewall.NamesFor(tag), URL: l.url}
	if change != nil {
		change(&opts)
	}
	list, err := firewall.NewList(l.device, opts)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// briefly waits a moment whatever it is told: the list is fetched in real time.
func briefly(ctx context.Context, _ time.Duration) bool {
	timer := time.NewTimer(2 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func TestListIsFetchedWhenItChangesInEveryDialect(t *testing.T) {
	for _, d := range firewall.EveryDialect() {
		t.Run(d.String(), func(t *testing.T) {
			l := newListLab(t, func(o *panosim.Options) { o.Dialect = d }, nil)
			desired := l.serve("192.0.2.1/32", "198.51.100.0/24", "2001:db8::/48")
			r, err := l.list.Reconcile(t.Context(), desired, false)
			if err != nil || r.Standing != 3 || len(r.Registered) != 3 {
				t.Fatalf("%+v, %v", r, err)
			}
			if r, err = l.list.Reconcile(t.Context(), desired, false); err != nil || r.Calls != 0 {
				t.Fatalf("nothing changed: %+v, %v", r, err)
			}
			desired = l.serve("192.0.2.2/32")
			if r, err = l.list.Reconcile(t.Context(), desired, false); err != nil || r.Waiting != time.Minute || r.Calls != 0 {
				t.Fatalf("too early: %+v, %v", r, err)
			}
			l.clock.move(time.Minute)
			if r, err = l.list.Reconcile(t.Context(), desired, false); err != nil || r.Standing != 1 || len(r.Registered) != 1 || len(r.Unregistered) != 3 {
				t.Fatalf("changed: %+v, %v", r, err)
			}
		})
	}
}

func TestListSaysWhenTheFirewallDoesNotHaveIt(t *testing.T) {
	l := newListLab(t, nil, nil)
	if _, err := l.list.Reconcile(t.Context(), l.serve("192.0.2.1/32"), false); err != nil {
		t.Fatal(err)
	}
	l.fail(503)
	l.clock.move(time.Minute)
	desired := l.serve("192.0.2.1/32", "192.0.2.2/32")
	_, err := l.list.Reconcile(t.Context(), desired, false)
	if xmlapi.Kind(err) != firewall.KindList {
		t.Fatalf("a list that cannot be fetched: %v", err)
	}
	l.fail(well)
	l.clock.move(time.Minute)
	if r, err := l.list.Reconcile(t.Context(), desired, false); err != nil || r.Standing != 2 {
		t.Fatalf("fetched again: %+v, %v", r, err)
	}
}

// A pass that is too early for the next try must not look as if all were well.
func TestListThatFailedStaysFailedUntilTheNextTry(t *testing.T) {
	l := newListLab(t, nil, nil)
	l.fail(503)
	desired := l.serve("192.0.2.1/32")
	_, first := l.list.Reconcile(t.Context(), desired, false)
	for range 3 {
		r, err := l.list.Reconcile(t.Context(), desired, true)
		if err == nil || fmt.Sprint(err) != fmt.Sprint(first) || r.Waiting != time.Minute || r.Calls != 0 || r.Full {
			t.Fatalf("before the next try is due: %+v, %v; the first error was %v", r, err, first)
		}
	}
	l.fail(well)
	l.clock.move(time.Minute)
	if r, err := l.list.Reconcile(t.Context(), desired, false); err != nil || r.Standing != 1 || !r.Full {
		t.Fatalf("the next try: %+v, %v", r, err)
	}
}

// What an earlier run noted is not new, and what no longer stands is told.
func TestListGoesOnWithWhatWasNoted(t *testing.T) {
	l := newListLab(t, nil, nil)
	noted := map[netip.Prefix]time.Time{netip.MustParsePrefix("192.0.2.1/32"): {}, netip.MustParsePrefix("192.0.2.9/32"): {}}
	l.list.Restore(noted)
	r, err := l.list.Reconcile(t.Context(), l.serve("192.0.2.1/32", "192.0.2.2/32"), true)
	if err != nil || len(r.Registered) != 1 || !reflect.DeepEqual(r.Registered[0], firewall.Entry{Prefix: netip.MustParsePrefix("192.0.2.2/32")}) ||
		fmt.Sprint(r.Unregistered) != "[192.0.2.9/32]" {
		t.Fatalf("%+v, %v", r, err)
	}
	// A certificate that no longer verifies has the firewall stop: nothing is held any more.
	if err := l.sim.Config().Edit("admin", "delete", "/config/shared/certificate-profile/entry[@name='cp']/CA/entry[@name='ca']", ""); err != nil {
		t.Fatal(err)
	}
	if err := l.sim.Config().Commit("admin"); err != nil {
		t.Fatal(err)
	}
	l.clock.move(time.Minute)
	r, err = l.list.Reconcile(t.Context(), l.serve("192.0.2.1/32", "192.0.2.2/32"), true)
	if xmlapi.Kind(err) != firewall.KindList || fmt.Sprint(r.Gone) != "[192.0.2.1/32 192.0.2.2/32]" {
		t.Fatalf("stopped: %+v, %v", r, err)
	}
}

// A firewall whose job says that all went well, as some may, and that holds as many entries as it should, but old ones.
func TestListOfTheRightLengthAndTheWrongEntries(t *testing.T) {
	l := newListLab(t, nil, nil)
	if _, err := l.list.Reconcile(t.Context(), l.serve("192.0.2.1/32", "192.0.2.2/32"), false); err != nil {
		t.Fatal(err)
	}
	l.fail(http.StatusNotFound)
	l.clock.move(time.Minute)
	desired := l.serve("192.0.2.1/32", "192.0.2.3/32")
	r, err := l.list.Reconcile(t.Context(), desired, false)
	if xmlapi.Kind(err) != firewall.KindList || !strings.Contains(err.Error(), "lacks 1 of 2 entries and still has 1 released entry (2 valid, ") ||
		r.Standing != 2 || len(r.Registered)+len(r.Unregistered)+len(r.Gone) > 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	l.fail(well)
	l.clock.move(time.Minute)
	r, err = l.list.Reconcile(t.Context(), desired, false)
	if err != nil || fmt.Sprint(r.Unregistered) != "[192.0.2.2/32]" || len(r.Registered) != 1 || r.Registered[0].Prefix != netip.MustParsePrefix("192.0.2.3/32") {
		t.Fatalf("fetched again: %+v, %v", r, err)
	}
}

// A release that the firewall did not fetch keeps somebody out, so that it is an error too.
func TestListThatStillHoldsWhatWasReleased(t *testing.T) {
	l := newListLab(t, nil, nil)
	if _, err := l.list.Reconcile(t.Context(), l.serve("192.0.2.1/32", "192.0.2.2/32"), false); err != nil {
		t.Fatal(err)
	}
	l.fail(unreachable)
	l.clock.move(time.Minute)
	_, err := l.list.Reconcile(t.Context(), l.serve("192.0.2.1/32"), false)
	if xmlapi.Kind(err) != firewall.KindList || !strings.Contains(err.Error(), ": the firewall still has 1 released entry (2 valid") {
		t.Fatal(err)
	}
}

// The list goes on to change while it is fetched: what the firewall holds then is no error, and nothing is fetched again for
// what it holds already.
func TestListThatChangesWhileItIsFetched(t *testing.T) {
	first := []string{"192.0.2.1/32", "192.0.2.2/32"}
	for _, test := range []struct {
		name             string
		desired, served  []string
		registered, gone string
	}{
		{"a block", []string{"192.0.2.1/32", "192.0.2.3/32"}, []string{"192.0.2.1/32", "192.0.2.3/32", "192.0.2.4/32"}, "[192.0.2.4/32]", "[]"},
		{"a release", []string{"192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32"}, []string{"192.0.2.2/32", "192.0.2.3/32"}, "[]", "[192.0.2.1/32]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newListLab(t, nil, nil)
			if _, err := l.list.Reconcile(t.Context(), l.serve(first...), false); err != nil {
				t.Fatal(err)
			}
			l.clock.move(time.Minute)
			before, after := l.serve(test.desired...), l.serve(test.served...)
			r, err := l.list.Reconcile(t.Context(), before, false)
			if err != nil || r.Waiting != time.Minute || fmt.Sprint(r.Gone) != test.gone || len(r.Registered) != 1 || !r.Full {
				t.Fatalf("fetched: %+v, %v", r, err)
			}
			r, err = l.list.Reconcile(t.Context(), after, false)
			if err != nil || r.Calls != 0 || r.Waiting != 0 || fmt.Sprint(prefixes(r.Registered)) != test.registered || len(r.Unregistered)+len(r.Gone) > 0 {
				t.Errorf("when it is known: %+v, %v", r, err)
			}
		})
	}
}

// What was lost without a release is an error when it is missing the next time, too.
func TestListThatLosesEntries(t *testing.T) {
	l := newListLab(t, nil, nil)
	desired := l.serve("192.0.2.1/32", "192.0.2.2/32")
	if _, err := l.list.Reconcile(t.Context(), desired, false); err != nil {
		t.Fatal(err)
	}
	l.serve("192.0.2.1/32")
	for try := range 3 {
		l.clock.move(time.Minute)
		r, err := l.list.Reconcile(t.Context(), desired, try == 0)
		if try == 0 && (err != nil || fmt.Sprint(r.Gone) != "[192.0.2.2/32]") || try > 0 && xmlapi.Kind(err) != firewall.KindList {
			t.Fatalf("try %d: %+v, %v", try, r, err)
		}
	}
}

// While a job still fetches lists no other is begun. One that never ends is waited for a few minutes, and no longer.
func TestListIsNotFetchedWhileListsAreFetched(t *testing.T) {
	for _, kind := range []string{"EDLRefresh", "EDLFetch"} {
		t.Run(kind, func(t *testing.T) { notFetchedDuring(t, kind) })
	}
}

func notFetchedDuring(t *testing.T, kind string) {
	l := newListLab(t, nil, nil)
	end := l.sim.AddJob(kind, "somebody")
	desired := l.serve("192.0.2.1/32")
	told := func() int { return l.sim.Stats().Calls[panosim.KindListRefresh] }
	for range 9 {
		r, err := l.list.Reconcile(t.Context(), desired, false)
		if xmlapi.Kind(err) != xmlapi.KindBusy || !strings.Contains(err.Error(), "(job 1, "+kind) || told() != 0 || r.Calls > 14 {
			t.Fatalf("while lists are fetched: told %d times, %d calls, %v", told(), r.Calls, err)
		}
		l.clock.move(time.Minute)
	}
	other := l.newList(t, nil)
	l.clock.move(time.Minute)
	if r, err := l.list.Reconcile(t.Context(), desired, false); err != nil || told() != 1 || r.Standing != 1 {
		t.Errorf("given up: told %d times, %v", told(), err)
	}
	if _, err := other.Reconcile(t.Context(), desired, false); xmlapi.Kind(err) != xmlapi.KindBusy {
		t.Errorf("one that has not seen it before gives it up at once: %v", err)
	}
	end(true)
	l.clock.move(time.Minute)
	if _, err := other.Reconcile(t.Context(), desired, false); err != nil || told() != 2 {
		t.Errorf("when it has ended: told %d times, %v", told(), err)
	}
}

// A firewall whose job says that it could not fetch is asked nevertheless what it holds: nothing, after a certificate that it
// cannot verify.
func TestListWhoseJobFails(t *testing.T) {
	l := newListLab(t, func(o *panosim.Options) { o.Dialect.ListJob = dialect.ListJobFails }, nil)
	desired := l.serve("192.0.2.1/32", "192.0.2.2/32")
	if _, err := l.list.Reconcile(t.Context(), desired, false); err != nil {
		t.Fatal(err)
	}
	l.fail(foreign)
	l.clock.move(time.Minute)
	r, err := l.list.Reconcile(t.Context(), desired, true)
	if xmlapi.Kind(err) != firewall.KindList || !strings.Contains(err.Error(), "unknown authority") || r.Standing != 0 || fmt.Sprint(r.Gone) != "[192.0.2.1/32 192.0.2.2/32]" {
		t.Fatalf("%+v, %v", r, err)
	}
}

// Two virtual systems are told of the same change at the same time: neither takes the other's failure, or the other's end,
// for its own.
func TestListsThatAreFetchedAtTheSameTime(t *testing.T) {
	for _, well := range []bool{true, false} {
		l := newListLab(t, func(o *panosim.Options) { o.Dialect.ListJob = dialect.ListJobFails }, nil)
		desired := l.serve("192.0.2.1/32")
		l.listServer.mu.Lock() // nothing is served until ours was asked for
		serve := sync.OnceFunc(l.listServer.mu.Unlock)
		refreshed, asked := false, 0
		newFront(t, l.lab, func(_ http.ResponseWriter, _ *http.Request, form url.Values) bool {
			switch cmd := form.Get("cmd"); {
			case strings.Contains(cmd, "<external-list><refresh>"):
				refreshed = true
			case refreshed && strings.Contains(cmd, "<show><jobs><all>"):
				l.sim.AddJob("EDLRefresh", "admin")(well, "another list")
			case strings.Contains(cmd, "<show><jobs><id>"):
				if asked++; asked == 3 {
					serve()
				}
			}
			return false
		})
		l.list = l.newList(t, nil)
		r, err := l.list.Reconcile(t.Context(), desired, false)
		if serve(); err != nil || r.Standing != 1 || asked < 3 {
			t.Errorf("another one ended, well: %v: %+v, %v, after %d questions", well, r, err, asked)
		}
	}
}

func prefixes(entries []firewall.Entry) []netip.Prefix {
	out := make([]netip.Prefix, len(entries))
	for i, e := range entries {
		out[i] = e.Prefix
	}
	return out
}

// Nothing blocked is served as one harmless line, whichever.
func TestListThatIsEmpty(t *testing.T) {
	l := newListLab(t, nil, nil)
	desired := l.serve("192.0.2.1/32")
	for _, step := range []struct {
		name         string
		desired      []firewall.Entry
		served       string
		standing     int
		failed       bool
		registered   int
		unregistered int
	}{
		{"empty from the beginning", nil, "192.0.2.255/32", 1, false, 0, 0},
		{"one block", desired, "192.0.2.1/32", 1, false, 1, 0},
		{"not fetched after its release", nil, "192.0.2.1/32", 1, true, 0, 0},
		{"fetched after its release", nil, "192.0.2.255/32", 1, false, 0, 1},
		{"no line at all", nil, "", 0, true, 0, 0},
	} {
		if step.served == "" {
			l.serve()
		} else {
			l.serve(step.served)
		}
		l.clock.move(time.Minute)
		r, err := l.list.Reconcile(t.Context(), step.desired, true)
		if (err != nil) != step.failed || r.Waiting != 0 || r.Standing != step.standing || len(r.Registered) != step.registered || len(r.Unregistered) != step.unregistered {
			t.Errorf("%s: %+v, %v", step.name, r, err)
		}
	}
}

// The list serves less than is blocked, and the firewall has room for less than is served: the one is as it shall be, the
// other is an error.
func TestListThatIsCut(t *testing.T) {
	for served, failed := range map[int]bool{3: false, 2: true} {
		l := newListLab(t, func(o *panosim.Options) { o.MaxListEntries = 10 }, func(o *firewall.ListOptions) { o.MaxEntries = 3 })
		desired := l.serve("192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32", "192.0.2.4/32", "192.0.2.5/32")
		l.publish(desired[5-served:])
		r, err := l.list.Reconcile(t.Context(), desired, false)
		if (err != nil) != failed || len(r.Registered) != served || r.Standing != served {
			t.Errorf("%d served: %+v, %v", served, r, err)
		}
	}
	// A block more is served in place of the one that was quiet longest, and has to be fetched.
	l := newListLab(t, nil, func(o *firewall.ListOptions) { o.MaxEntries = 1 })
	if _, err := l.list.Reconcile(t.Context(), append(l.serve("192.0.2.2/32"), firewall.Entry{Prefix: netip.MustParsePrefix("192.0.2.1/32")}), false); err != nil {
		t.Fatal(err)
	}
	l.clock.move(time.Minute)
	desired := append(l.serve("192.0.2.3/32"), firewall.Entry{Prefix: netip.MustParsePrefix("192.0.2.2/32")}, firewall.Entry{Prefix: netip.MustParsePrefix("192.0.2.1/32")})
	if r, err := l.list.Reconcile(t.Context(), desired, false); err != nil || fmt.Sprint(prefixes(r.Registered), r.Gone) != "[192.0.2.3/32] [192.0.2.2/32]" {
		t.Errorf("a block more: %+v, %v", r, err)
	}
	for _, overflow := range []dialect.ListOverflow{dialect.ListOverflowIgnored, dialect.ListOverflowSilent} {
		l := newListLab(t, func(o *panosim.Options) { o.MaxListEntries, o.Dialect.ListOverflow = 2, overflow }, nil)
		r, err := l.list.Reconcile(t.Context(), l.serve("192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32"), false)
		if xmlapi.Kind(err) != firewall.KindList || fmt.Sprint(prefixes(r.Registered)) != "[192.0.2.1/32 192.0.2.2/32]" {
			t.Errorf("room for two of three: %+v, %v", r, err)
		}
	}
}

// Versions that show less of a list than they are asked for are taken at their word about how many entries it has.
func TestListOfWhichOnlyAPartIsShown(t *testing.T) {
	l := newListLab(t, nil, nil)
	newFront(t, l.lab, func(w http.ResponseWriter, _ *http.Request, form url.Values) bool {
		if !strings.Contains(form.Get("cmd"), "<external-list><show>") {
			return false
		}
		state, _ := l.sim.Lists().State("", "their-name")
		return say(w, fmt.Sprintf(`<response status="success"><result><external-list><total-valid>%d</total-valid>`+
			`<valid-members><member>192.0.2.1</member></valid-members></external-list></result></response>`, state.Entries))
	})
	l.list = l.newList(t, nil)
	r, err := l.list.Reconcile(t.Context(), l.serve("192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32"), false)
	if err != nil || len(r.Registered) != 3 || r.Standing != 3 {
		t.Fatalf("all of it: %+v, %v", r, err)
	}
	l.fail(http.StatusServiceUnavailable)
	l.clock.move(time.Minute)
	r, err = l.list.Reconcile(t.Context(), l.serve("192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32", "192.0.2.4/32"), false)
	if xmlapi.Kind(err) != firewall.KindList || !strings.Contains(err.Error(), "lacks 1 of 4 entries (3 valid") || len(r.Registered)+len(r.Gone) > 0 {
		t.Fatalf("one too few: %+v, %v", r, err)
	}
}

// An answer that cannot be read says nothing about what the firewall holds.
func TestListWithoutANumber(t *testing.T) {
	l := newListLab(t, nil, nil)
	f := newFront(t, l.lab, nil)
	l.list = l.newList(t, nil)
	desired := l.serve("192.0.2.1/32", "192.0.2.2/32")
	if _, err := l.list.Reconcile(t.Context(), desired, false); err != nil {
		t.Fatal(err)
	}
	for _, number := range []string{"", "<total-valid>-1</total-valid>", "<total-valid>many</total-valid>"} {
		f.set(func(w http.ResponseWriter, _ *http.Request, form url.Values) bool {
			return strings.Contains(form.Get("cmd"), "<external-list><show>") &&
				say(w, `<response status="success"><result><external-list>`+number+`</external-list></result></response>`)
		})
		l.clock.move(time.Minute)
		r, err := l.list.Reconcile(t.Context(), desired, true)
		if xmlapi.Kind(err) != xmlapi.KindMalformed || r.Standing != 2 || len(r.Gone)+len(r.Unregistered) > 0 {
			t.Errorf("%q: %+v, %v", number, r, err)
		}
	}
	f.set(nil)
	l.clock.move(time.Minute)
	if r, err := l.list.Reconcile(t.Context(), desired, false); err != nil || !r.Full || len(r.Registered) > 0 {
		t.Errorf("asked again: %+v, %v", r, err)
	}
}

func TestListIsFoundByItsURLOrName(t *testing.T) {
	l := newListLab(t, nil, func(o *firewall.ListOptions) { o.URL = "" })
	if _, err := l.list.Reconcile(t.Context(), nil, false); xmlapi.Kind(err) != firewall.KindList || !strings.Contains(err.Error(), tag+"-list") {
		t.Errorf("without a URL, and under another name: %v", err)
	}
	l = newListLab(t, nil, func(o *firewall.ListOptions) { o.URL, o.Names.List = "", "their-name" })
	if _, err := l.list.Reconcile(t.Context(), l.serve("192.0.2.1/32"), false); err != nil {
		t.Errorf("by its name: %v", err)
	}
}

func TestListOfManyVirtualSystems(t *testing.T) {
	l := newListLab(t, func(o *panosim.Options) { o.VSys = []string{"vsys1", "vsys2"} }, nil)
	if r, err := l.list.Reconcile(t.Context(), l.serve("192.0.2.1/32"), false); err != nil || r.Standing != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}
