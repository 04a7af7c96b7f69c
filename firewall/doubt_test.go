package firewall_test

import (
	"net/netip"
	"testing"
	"time"

	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/xmlapi"
)

// TestWhatWeDoNotKnowOf meets registrations, and their absence, that memory has wrong: one quick pass does what it
// was asked for all the same.
func TestWhatWeDoNotKnowOf(t *testing.T) {
	for _, repeat := range []dialect.Repeat{dialect.Modern, dialect.LegacyOthersApplied, dialect.LegacyEntrySkipped, dialect.LegacyMessageRejected} {
		for _, renewal := range []dialect.Renewal{dialect.RenewalResets, dialect.RenewalIgnored} {
			d := dialect.Dialect{Duplicates: repeat, Missing: repeat, Renewal: renewal}
			t.Run(d.String(), func(t *testing.T) {
				l := newLab(t, func(o *panosim.Options) { o.Dialect = d }, nil)
				desired := l.entries(0, 40)
				l.level(desired)
				for i := 50; i < 55; i++ {
					if err := l.sim.Addresses().Register("vsys1", host(i), tag, time.Hour); err != nil {
						t.Fatal(err)
					}
				}
				for i := 0; i < 3; i++ {
					if err := l.sim.Addresses().Unregister("vsys1", host(i), tag); err != nil {
						t.Fatal(err)
					}
				}
				// 0 to 9 are released, of which three are gone; 45 to 59 are new, of which five stand.
				desired = append(desired[10:], l.entries(45, 15)...)
				r := l.pass(desired, false)
				if len(r.Unregistered) != 10 || r.Standing != 45 || len(r.Refused) != 0 {
					t.Errorf("unregistered %d, standing %d, refused %v", len(r.Unregistered), r.Standing, r.Refused)
				}
				if want := map[bool]int{true: 15, false: 10}[repeat == dialect.Modern]; len(r.Registered) != want || len(r.Renewed) != 15-want {
					t.Errorf("registered %d, renewed %d: want %d, and the rest renewed", len(r.Registered), len(r.Renewed), want)
				}
				l.stands(desired)
				if repeat == dialect.Modern && renewal == dialect.RenewalIgnored {
					return // such a firewall gives no sign at all
				}
				for _, e := range desired {
					if got := l.sim.Addresses().Tagged("vsys1", tag)[e.Prefix]; got.Expires.Before(e.Until) {
						t.Errorf("%s stands until %v, want %v", e.Prefix, got.Expires, e.Until)
					}
				}
			})
		}
	}
}

func TestIgnoredRenewalIsLearned(t *testing.T) {
	l := newLab(t, func(o *panosim.Options) { o.Dialect.Renewal = dialect.RenewalIgnored }, nil)
	desired := l.entries(0, 60)
	lost := 0
	for day := range 90 {
		for i := range desired {
			desired[i].Until = l.clock.Now().Add(30 * 24 * time.Hour)
		}
		if day > 0 && len(l.sim.Addresses().Tagged("vsys1", tag)) < len(desired) {
			lost++
		}
		l.level(desired)
		l.stands(desired)
		l.clock.move(24 * time.Hour)
	}
	if lost != 1 {
		t.Errorf("blocks ran out on %d days of 90, want one: it shows that this firewall ignores renewals", lost)
	}
}

func TestWhatRunsOutByItself(t *testing.T) {
	l := newLab(t, nil, nil)
	desired := l.entries(0, 2)
	l.level(desired)
	l.clock.move(25 * time.Hour)
	// One was released in time and costs no call; the other is overdue and still wanted, so that it stands again.
	r := l.pass(desired[:1], false)
	if r.Calls != 1 || len(r.Registered) != 1 || len(r.Gone) != 2 || len(r.Unregistered) != 0 || r.Standing != 1 {
		t.Errorf("%+v", r)
	}
	l.stands(desired[:1])
}

func TestAfterAnErrorEverythingIsReadAgain(t *testing.T) {
	l := newLab(t, nil, nil)
	desired := l.entries(0, 10)
	l.level(desired)
	l.sim.Addresses().Clear("vsys1")
	l.sim.SetFault(panosim.Fault{Effect: panosim.Reset, Kind: panosim.KindUserID})
	desired = append(desired, l.entries(20, 1)...)
	if r, err := l.fw.Reconcile(t.Context(), desired, false); xmlapi.Kind(err) != xmlapi.KindUnreachable || r.Full {
		t.Fatalf("%+v, %v", r, err)
	}
	l.sim.ClearFaults()
	if r := l.pass(desired, false); !r.Full || len(r.Registered) != 11 {
		t.Fatalf("%+v", r)
	}
	l.stands(desired)
	if r := l.pass(desired, false); r.Full {
		t.Error("a pass after a good one reads everything again")
	}
}

// TestLostAnswer: the message arrived, and its answer did not. What is sent again is answered as a duplicate.
func TestLostAnswer(t *testing.T) {
	for _, repeat := range []dialect.Repeat{dialect.Modern, dialect.LegacyOthersApplied, dialect.LegacyEntrySkipped, dialect.LegacyMessageRejected} {
		l := newLab(t, func(o *panosim.Options) { o.Dialect = dialect.Dialect{Duplicates: repeat, Missing: repeat} }, nil)
		desired := l.entries(0, 30)
		l.level(desired[:20])
		l.sim.AddFaults(panosim.Fault{Effect: panosim.Reset, Kind: panosim.KindUserID, Calls: 1, Applied: true})
		r := l.pass(desired, false)
		if len(r.Registered)+len(r.Renewed) != 10 || r.Standing != 30 {
			t.Errorf("registered %d, renewed %d, standing %d", len(r.Registered), len(r.Renewed), r.Standing)
		}
		l.stands(desired)
		l.sim.AddFaults(panosim.Fault{Effect: panosim.Truncate, Kind: panosim.KindUserID, Calls: 1})
		if r := l.pass(desired[:25], false); len(r.Unregistered) != 5 {
			t.Errorf("unregistered %v", r.Unregistered)
		}
		l.stands(desired[:25])
	}
}

// TestRepeatedEntriesInWhatIsDesired: the same address in several forms is one registration.
func TestRepeatedEntriesInWhatIsDesired(t *testing.T) {
	l := newLab(t, nil, nil)
	e := l.entries(0, 1)[0]
	mapped := firewall.Entry{Prefix: netip.PrefixFrom(netip.AddrFrom16(e.Prefix.Addr().As16()), 128), Until: e.Until}
	r := l.pass([]firewall.Entry{e, mapped, e}, true)
	if len(r.Registered) != 1 || r.Registered[0].Prefix != e.Prefix || len(r.Unsupported) != 0 {
		t.Errorf("%+v", r)
	}
	l.stands([]firewall.Entry{e})
}
