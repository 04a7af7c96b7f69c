package explain

import (
	"encoding/json"
	"errors"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"activedefense/store"
)

func TestAnExplanationIsOfTheAddressAskedFor(t *testing.T) {
	st, now := newTestStore(t), time.Now()
	block := func(prefix, reason string) {
		t.Helper()
		if _, _, err := st.Block(t.Context(), store.Block{Address: netip.MustParsePrefix(prefix), Rule: "manual", Reason: reason,
			By: store.ByOperator, BlockedAt: now}); err != nil {
			t.Fatal(err)
		}
	}
	// An address inside of a blocked network that was blocked by itself later, and released again.
	block("203.0.113.0/24", "the network")
	block("203.0.113.9/32", "the address")
	if _, err := st.Release(t.Context(), netip.MustParsePrefix("203.0.113.9/32"), store.ByOperator, "a slip", now); err != nil {
		t.Fatal(err)
	}
	block("198.51.100.7/32", "alone in its network")

	for _, c := range []struct {
		asked, by, says string
		entries         int
	}{
		{"203.0.113.9/32", "203.0.113.0/24", "203.0.113.9 is blocked, by the network 203.0.113.0/24", 2},
		{"203.0.113.8/32", "203.0.113.0/24", "203.0.113.8 is blocked, by the network 203.0.113.0/24", 1},
		{"203.0.113.0/24", "203.0.113.0/24", "203.0.113.0/24 is blocked\n", 1},
		{"203.0.113.128/25", "203.0.113.0/24", "203.0.113.128/25 is blocked, by the network 203.0.113.0/24", 1},
		{"203.0.112.0/23", "", "", 0},
		{"198.51.100.7/32", "198.51.100.7", "198.51.100.7 is blocked\n", 1},
		{"198.51.100.0/24", "", "", 0}, // blocked is an address in it, not the network
	} {
		x, err := Of(t.Context(), st, netip.MustParsePrefix(c.asked), time.Hour)
		if c.entries == 0 {
			if !errors.Is(err, ErrUnknownAddress) {
				t.Errorf("%s: %+v, %v", c.asked, x, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.asked, err)
			continue
		}
		var text strings.Builder
		if err := x.WriteText(&text); err != nil {
			t.Fatal(err)
		}
		if !x.Blocked || len(x.Entries) != c.entries || x.Entries[0].Address != c.by || !strings.HasPrefix(text.String(), c.says) {
			t.Errorf("%s: blocked %t, entries %+v\n%s", c.asked, x.Blocked, x.Entries, text.String())
		}
	}
}

// A tag ends by itself; a group and a list do not. What was not read back since it was written is not said to be enforced.
func TestAnExplanationSaysWhenAFirewallLetsGo(t *testing.T) {
	st, now := newTestStore(t), time.Now()
	blocked := netip.MustParsePrefix("203.0.113.9/32")
	if _, _, err := st.Block(t.Context(), store.Block{Address: blocked, Rule: "manual", Reason: "by hand", By: store.ByOperator, BlockedAt: now}); err != nil {
		t.Fatal(err)
	}
	for firewall, until := range map[string]time.Time{"by-tag": now.Add(time.Hour), "by-group": {}} {
		noted := store.Enforcement{Firewall: firewall, Address: blocked, Since: now, Until: until}
		if firewall == "by-group" {
			noted.Seen = now
		}
		if err := st.SaveEnforced(t.Context(), firewall, []store.Enforcement{noted}, nil); err != nil {
			t.Fatal(err)
		}
	}
	x, err := Of(t.Context(), st, blocked, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := x.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text.String()) {
		tag, group := strings.Contains(line, "by-tag"), strings.Contains(line, "by-group")
		if tag != strings.Contains(line, "the tag expires") || group != strings.Contains(line, "until it is released") ||
			tag != strings.Contains(line, "PENDING: written, not read back yet") || group != strings.Contains(line, "  seen ") {
			t.Error(line)
		}
	}
	if encoded, err := json.Marshal(x); err != nil || strings.Count(string(encoded), `"until"`) != 1 || strings.Count(string(encoded), `"seen_at"`) != 1 ||
		strings.Count(string(encoded), `"state":"enforced"`) != 1 || strings.Count(string(encoded), `"state":"pending"`) != 1 {
		t.Errorf("%s, %v", encoded, err)
	}
}

// What a firewall holds and no rule of it stops is not said to be enforced, whatever was read back.
func TestAnExplanationKnowsOfPoliciesThatStopNothing(t *testing.T) {
	st, now := newTestStore(t), time.Now()
	blocked := netip.MustParsePrefix("203.0.113.9/32")
	if _, _, err := st.Block(t.Context(), store.Block{Address: blocked, Rule: "manual", Reason: "by hand", By: store.ByOperator, BlockedAt: now}); err != nil {
		t.Fatal(err)
	}
	for _, firewall := range []string{"fw1", "fw2"} {
		if err := st.SaveEnforced(t.Context(), firewall, []store.Enforcement{{Address: blocked, Since: now, Seen: now}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	for fault, want := range map[string]string{"no rule drops it": `"state":"pending"`, "": `"state":"enforced"`} {
		if err := st.SavePolicy(t.Context(), "fw1", now, fault); err != nil {
			t.Fatal(err)
		}
		x, err := Of(t.Context(), st, blocked, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		if err := x.WriteText(&text); err != nil {
			t.Fatal(err)
		}
		encoded, err := json.Marshal(x.Enforced[0])
		if err != nil || !strings.Contains(string(encoded), want) || !strings.Contains(string(encoded), `"seen_at"`) || strings.Contains(string(encoded), `"fault":"no rule drops it"`) != (fault != "") {
			t.Errorf("%q: %s, %v", fault, encoded, err)
		}
		if strings.Contains(text.String(), "PENDING: no rule in force is known to stop it there: no rule drops it (as looked at ") != (fault != "") || strings.Contains(text.String(), "at once after systemctl reload activedefense; activedefense verify says") != (fault != "") || x.Enforced[1].State != stateEnforced {
			t.Errorf("%q: %s", fault, text.String())
		}
	}
}

// Every firewall of the configuration is named: of one of which nothing is noted it is not known whether it holds a blocked address.
func TestAnExplanationNamesEveryFirewall(t *testing.T) {
	for _, blocked := range []bool{true, false} {
		x := &Explanation{Address: "203.0.113.9", Entries: []BlacklistEntry{{Address: "203.0.113.9"}}, Blocked: blocked,
			Enforced: []Enforced{{Firewall: "fw1", State: stateEnforced, Address: "203.0.113.9"}}}
		x.Known([]string{"fw1", "fw2"})
		var text strings.Builder
		if err := x.WriteText(&text); err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(x.Enforced)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(text.String(), "fw2  UNKNOWN: nothing is noted") != blocked || strings.Contains(string(data), `{"firewall":"fw2","state":"unknown","address":"203.0.113.9"}`) != blocked {
			t.Errorf("blocked %t: %s\n%s", blocked, data, text.String())
		}
	}
}

// One in maintenance is said to be, whatever is noted of it, and is not told of a pause.
func TestAnExplanationNamesFirewallsInMaintenance(t *testing.T) {
	for noted, want := range map[bool]string{true: "IN MAINTENANCE (firewalls[].maintenance): nothing is sent to it", false: "UNKNOWN: it is in maintenance (firewalls[].maintenance)"} {
		x := &Explanation{Address: "203.0.113.9", Entries: []BlacklistEntry{{Address: "203.0.113.9"}}, Blocked: true}
		if noted {
			x.Enforced = []Enforced{{Firewall: "fw1 (peer)", State: stateEnforced, Address: "203.0.113.9"}}
		}
		x.Known([]string{"fw1 (peer)", "fw2"})
		x.Maintenance(func(name string) bool { return name == "fw1" })
		x.Paused()
		var text strings.Builder
		if err := x.WriteText(&text); err != nil || strings.Count(text.String(), want) != 1 || strings.Contains(text.String(), "nothing is noted") || !x.Enforced[0].Maintenance || x.Enforced[1].Maintenance || x.Enforced[1].State != statePaused {
			t.Errorf("%v, %+v\n%s", err, x.Enforced, text.String())
		}
	}
}

// Of a blocked address of which nothing is noted, no firewall is said to have nothing, or to use the list.
func TestAnExplanationSaysNoMoreThanWasSeen(t *testing.T) {
	for want, firewalls := range map[string][]string{"  The list has it, where one is served; whether a rule of a firewall uses the list: activedefense verify\n": {"fw1"},
		"  no firewall is configured or noted; the list has it, where one is served\n": nil} {
		x := &Explanation{Address: "203.0.113.9", Entries: []BlacklistEntry{{Address: "203.0.113.9"}}, Blocked: true}
		x.Known(firewalls)
		var text strings.Builder
		if err := x.WriteText(&text); err != nil || !strings.Contains(text.String(), want) || strings.Contains(text.String(), "no firewall directly") {
			t.Errorf("%q: %s, %v", firewalls, text.String(), err)
		}
	}
}

// Of a released address it is not known whether a firewall drops it still by a copy of the list; one that was never blocked is on none.
func TestAnExplanationOfAReleasedAddressIsNotSureOfFirewalls(t *testing.T) {
	for was, want := range map[store.State]string{store.Blocked: "  no firewall, as far as is noted; whether a rule of one drops it by an old copy of the list: activedefense verify\n", store.Held: "  no firewall\n"} {
		x := &Explanation{Address: "203.0.113.9", Entries: []BlacklistEntry{{Address: "203.0.113.9"}}, Was: was.String()}
		var text strings.Builder
		if err := x.WriteText(&text); err != nil || !strings.Contains(text.String(), want) {
			t.Errorf("%v: %s, %v", was, text.String(), err)
		}
	}
}

func TestAnExplanationDoesNotVouchForFirewallsItDoesNotKnow(t *testing.T) {
	x := &Explanation{Entries: []BlacklistEntry{{}}, Blocked: true, Enforced: []Enforced{{Firewall: "fw1"}, {Firewall: "fw1 (peer)"}, {Firewall: "old"}}}
	x.Known([]string{"fw1", "fw1 (peer)"})
	var text strings.Builder
	if err := x.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(x.Enforced)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(text.String(), "not in this configuration") != 1 || !strings.Contains(text.String(), "old (not in this configuration)") ||
		strings.Count(string(data), `"unknown":true`) != 1 {
		t.Errorf("%s\n%s", data, text.String())
	}
}

func TestAnEntryTellsItsGradeAndState(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		entry store.Entry
		want  string
	}{
		{store.Entry{}, `"grade":"","state":"blocked"`},
		{store.Entry{Grade: store.Proven}, `"grade":"proven","state":"blocked"`},
		{store.Entry{Grade: store.Forgeable, State: store.Held}, `"grade":"forgeable","state":"held"`},
		{store.Entry{State: store.Observed}, `"grade":"","state":"observed"`},
		{store.Entry{Grade: store.Proven, State: store.Held, ReleasedAt: now}, `"grade":"proven","state":"released"`},
	} {
		c.entry.Address = netip.MustParsePrefix("203.0.113.9/32")
		text, err := json.Marshal(NewBlacklistEntry(&c.entry, time.Hour))
		if err != nil || !strings.Contains(string(text), c.want) {
			t.Errorf("%s is not in %s (%v)", c.want, text, err)
		}
	}
}

// What never was in force is not said to have been.
func TestAnExplanationOfWhatNeverWasInForce(t *testing.T) {
	st, now := newTestStore(t), time.Now()
	b := blockOf("203.0.113.9/32", store.Blocked, now)
	b.FirstSeen, b.LastSeen, b.ExpiresAt, b.Late = now.Add(-2*time.Hour), now.Add(-2*time.Hour), now.Add(-time.Hour), now
	if _, err := st.Commit(t.Context(), &store.Batch{Blocks: []store.Block{b}}); err != nil {
		t.Fatal(err)
	}
	x, err := Of(t.Context(), st, b.Address, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := x.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if got := text.String(); !strings.Contains(got, "203.0.113.9 is not blocked, and was not: the time to be blocked for was over") || !strings.Contains(got, "never in force") ||
		strings.Contains(got, "it was until") || strings.Contains(got, "\n  blocked ") || strings.Contains(got, "an old copy of the list") || !x.Entries[0].NeverInForce {
		t.Errorf("it says %s", got)
	}
}

// Of a network, the addresses that were seen are named, and where a firewall holds those alone; and who has no room for it.
func TestAnExplanationOfANetworkNamesItsAddresses(t *testing.T) {
	st, now := newTestStore(t), time.Now()
	b := blockOf("2001:db8:1::/64", store.Blocked, now)
	b.Members = []netip.Addr{netip.MustParseAddr("2001:db8:1::7")}
	if _, err := st.Commit(t.Context(), &store.Batch{Blocks: []store.Block{b}}); err != nil {
		t.Fatal(err)
	}
	if err := st.SaveEnforced(t.Context(), "by-tag", []store.Enforcement{{Address: netip.MustParsePrefix("2001:db8:1::7/128"), Since: now, Seen: now}}, nil); err != nil {
		t.Fatal(err)
	}
	if err := st.SaveEnforced(t.Context(), "full", []store.Enforcement{{Address: b.Address, Since: now, LeftOut: true}}, nil); err != nil {
		t.Fatal(err)
	}
	x, err := Of(t.Context(), st, netip.MustParsePrefix("2001:db8:1::9/128"), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := x.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for _, says := range []string{"2001:db8:1::9 is blocked, by the network 2001:db8:1::/64", "seen to attack, the newest first (1;", "\n  2001:db8:1::7\n",
		"by-tag, 2001:db8:1::7 alone", "LEFT OUT: the firewall has no room for it"} {
		if !strings.Contains(text.String(), says) {
			t.Errorf("it does not say %q:\n%s", says, text.String())
		}
	}
	data, err := json.Marshal(x.Enforced)
	if err != nil || strings.Count(string(data), `"state":"left-out"`) != 1 || strings.Count(string(data), `"state":"enforced","address":"2001:db8:1::7"`) != 1 {
		t.Errorf("%s, %v", data, err)
	}
}

// newTestStore makes a real SQLite file.
func newTestStore(t *testing.T) *store.Store {
	t.Helper()
	st, err := store.Open(t.Context(), store.Options{Path: filepath.Join(t.TempDir(), "test.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

func blockOf(address string, state store.State, at time.Time) store.Block {
	b := store.Block{Address: netip.MustParsePrefix(address), Rule: "port-scan", Reason: "test", By: store.ByDetector, State: state,
		FirstSeen: at, LastSeen: at, BlockedAt: at}
	if state == store.Held {
		b.Hold = "too many forgeable verdicts"
	}
	return b
}

// A block that lasts longer than others says so, and until when.
func TestAnExplanationSaysWhyABlockLastsLonger(t *testing.T) {
	st, at := newTestStore(t), time.Now().Add(-100*time.Hour)
	for range 2 {
		b := blockOf("203.0.113.9/32", store.Blocked, at)
		b.Escalation = store.Escalation{Factor: 4, Max: 1000 * time.Hour, Length: 10 * time.Hour}
		if _, err := st.Commit(t.Context(), &store.Batch{Blocks: []store.Block{b}}); err != nil {
			t.Fatal(err)
		}
		at = at.Add(20 * time.Hour)
		if _, err := st.ReleaseQuiet(t.Context(), at, 10*time.Hour, 0); err != nil {
			t.Fatal(err)
		}
	}
	x, err := Of(t.Context(), st, netip.MustParsePrefix("203.0.113.9/32"), 10*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if e := x.Entries[0]; !e.ReleaseAt.Equal(e.LastSeen.Add(40*time.Hour)) || e.ReleasedAt != nil {
		t.Errorf("the entry is %+v", e)
	}
	var text strings.Builder
	if err := x.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if want := "second block within a year: 4 times the time"; !strings.Contains(text.String(), want) {
		t.Errorf("it does not say %q:\n%s", want, text.String())
	}
}

// Of an address that is blocked by itself and with its neighbourhood, its own block is told first; the neighbourhood ends with others.
func TestAnExplanationBeginsWithTheAddressItself(t *testing.T) {
	st, at := newTestStore(t), time.Now()
	own, whole := blockOf("203.0.113.9/32", store.Blocked, at), blockOf("203.0.113.0/24", store.Blocked, at)
	whole.Rule, whole.Reason = store.RuleNeighbourhood, "3 sources"
	if _, err := st.Commit(t.Context(), &store.Batch{Blocks: []store.Block{own, whole}}); err != nil {
		t.Fatal(err)
	}
	for asked, want := range map[string]string{"203.0.113.9/32": "203.0.113.9 203.0.113.0/24", "203.0.113.8/32": "203.0.113.0/24"} {
		x, err := Of(t.Context(), st, netip.MustParsePrefix(asked), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range x.Entries {
			got = append(got, e.Address)
			text, err := json.Marshal(e)
			if ends := !strings.Contains(string(text), `"release_at":null`); err != nil || ends != (e.Rule != store.RuleNeighbourhood) ||
				!ends && e.Release() != "with the last of its blocked sources" {
				t.Errorf("%s, %q: %v", text, e.Release(), err)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("of %s is told %q", asked, got)
		}
	}
}

// The log lines of blocks before the present one are told as long as they are kept, whoever made the present one.
func TestAnExplanationHasTheLinesOfEarlierBlocks(t *testing.T) {
	st, at := newTestStore(t), time.Now().Add(-time.Hour)
	address := netip.MustParsePrefix("203.0.113.9/32")
	for i, line := range []string{"a line of the first", "a line of the second"} {
		b := blockOf(address.String(), store.Blocked, at.Add(time.Duration(i)*time.Minute))
		b.Evidence = []store.Evidence{{Time: b.BlockedAt, Device: "LAB-FW-01", Line: line}}
		if _, err := st.Commit(t.Context(), &store.Batch{Blocks: []store.Block{b}}); err != nil {
			t.Fatal(err)
		}
		if _, err := st.Release(t.Context(), address, "anna", "a slip", b.BlockedAt.Add(time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := st.Block(t.Context(), store.Block{Address: address, Rule: "manual", Reason: "again", By: "anna", BlockedAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	x, err := Of(t.Context(), st, address, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := x.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for _, got := range []string{text.String(), string(encoded)} {
		first, second := strings.Index(got, "a line of the first"), strings.Index(got, "a line of the second")
		if second < 0 || first < second {
			t.Errorf("the lines of the second and of the first block are not there, the newest first:\n%s", got)
		}
	}
	if !strings.Contains(string(encoded), `"evidence":[],"earlier":[{"rule":"`) {
		t.Errorf("the lines are not those of earlier entries:\n%s", encoded)
	}
}
