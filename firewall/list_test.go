package firewall_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/firewall"
	"activedefense/firewall/panosim"
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
		o.Config, o.FetchTimeout = l.config("their-name", ""), 100*time.Millisecond
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
			if r, err = l.list.Reconcile(t.Context(), desired, false); err != nil || r.Waiting != 15*time.Second || r.Calls != 0 {
				t.Fatalf("too early: %+v, %v", r, err)
			}
			l.clock.move(15 * time.Second)
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
	if firewall.Kind(err) != firewall.KindList {
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
		if err == nil || fmt.Sprint(err) != fmt.Sprint(first) || r.Waiting != 15*time.Second || r.Calls != 0 || r.Full {
			t.Fatalf("before the next try is due: %+v, %v; the first error was %v", r, err, first)
		}
	}
	l.fail(well)
	l.clock.move(15 * time.Second)
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
	if err != nil || len(r.Registered) != 1 || r.Registered[0] != (firewall.Entry{Prefix: netip.MustParsePrefix("192.0.2.2/32")}) ||
		fmt.Sprint(r.Unregistered) != "[192.0.2.9/32]" {
		t.Fatalf("%+v, %v", r, err)
	}
	// A certificate that no longer verifies has the firewall stop: nothing is held any more.
	if err := l.sim.Edit("admin", "delete", "/config/shared/certificate-profile/entry[@name='cp']/CA/entry[@name='ca']", ""); err != nil {
		t.Fatal(err)
	}
	if err := l.sim.Commit("admin"); err != nil {
		t.Fatal(err)
	}
	l.clock.move(time.Minute)
	r, err = l.list.Reconcile(t.Context(), l.serve("192.0.2.1/32", "192.0.2.2/32"), true)
	if firewall.Kind(err) != firewall.KindList || fmt.Sprint(r.Gone) != "[192.0.2.1/32 192.0.2.2/32]" {
		t.Fatalf("stopped: %+v, %v", r, err)
	}
}

func TestListIsFoundByItsURLOrName(t *testing.T) {
	l := newListLab(t, nil, func(o *firewall.ListOptions) { o.URL = "" })
	if _, err := l.list.Reconcile(t.Context(), nil, false); firewall.Kind(err) != firewall.KindList || !strings.Contains(err.Error(), tag+"-list") {
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

func TestClearSessionsOfOneSource(t *testing.T) {
	const allow = `<rulebase><security><rules><entry name="web"><from><member>any</member></from><to><member>any</member></to><source><member>any</member></source>` +
		`<destination><member>any</member></destination><application><member>any</member></application><service><member>any</member></service><action>allow</action></entry></rules></security></rulebase>`
	l := newLab(t, func(o *panosim.Options) {
		o.Config = `<config version="10.2.0"><shared/><devices><entry name="localhost.localdomain"><vsys><entry name="vsys1">` + allow + `</entry></vsys></entry></devices></config>`
	}, nil)
	open := func(source string) uint32 {
		v := l.sim.Packet(panosim.Packet{From: "untrust", To: "dmz", Source: netip.MustParseAddr(source), Destination: netip.MustParseAddr("198.51.100.7"),
			SourcePort: 40000, DestinationPort: 443})
		if !v.Allowed {
			t.Fatalf("the packet from %s is not allowed: %+v", source, v)
		}
		return v.Session
	}
	open("203.0.113.1")
	open("203.0.113.1")
	stays := []uint32{open("203.0.113.10"), open("203.0.113.2")}
	if err := l.device.ClearSessions(t.Context(), netip.MustParseAddr("::ffff:203.0.113.1")); err != nil {
		t.Fatal(err)
	}
	if got := l.sim.Sessions(); !slices.Equal(got, stays) {
		t.Errorf("sessions %v stand, want those of the other sources, %v", got, stays)
	}
	for _, bad := range []netip.Addr{{}, netip.IPv4Unspecified(), netip.IPv6Unspecified(), netip.MustParseAddr("fe80::1%eth0")} {
		if err := l.device.ClearSessions(t.Context(), bad); firewall.Kind(err) != firewall.KindUnsupported {
			t.Errorf("%v: %v", bad, err)
		}
	}
	if got := l.sim.Sessions(); len(got) != 2 {
		t.Errorf("what names no source has ended sessions: %v stand", got)
	}
}
