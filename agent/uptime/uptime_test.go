package uptime

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/enforce"
	"activedefense/firewall/policy"
	"activedefense/store"
)

func TestTheStatesOfFirewalls(t *testing.T) {
	unstopped := []policy.Check{{Firewall: "a", Check: policy.CheckBlockRule, Result: policy.ResultFail, Detail: "no rule drops the sources"}}
	if fault, known := policy.Stops(unstopped); !known || fault == "" {
		t.Fatalf("the checks say %q, %v", fault, known)
	}
	up := enforce.Status{Name: "a", State: enforce.StateUp, Up: true}
	for _, c := range []struct {
		name     string
		firewall enforce.Status
		checks   []policy.Check
		paused   bool
		want     string
	}{
		{"up", up, nil, false, "[a:up]"},
		{"without a rule that stops anything", up, unstopped, false, "[a:unenforced]"},
		{"paused", up, unstopped, true, "[a:paused]"},
		{"down while it is paused", enforce.Status{Name: "a", State: enforce.StateDown}, unstopped, true, "[a:down]"},
		{"standing by", enforce.Status{Name: "a", State: enforce.StateStandby, Up: true, Standby: true}, unstopped, true, "[a:standby]"},
		{"not known", enforce.Status{Name: "a", State: enforce.StateUnknown}, nil, false, "[]"},
	} {
		got := []string{}
		for _, s := range StatesOf([]enforce.Status{c.firewall}, []enforce.PolicyStatus{{Firewall: "b"}, {Firewall: "a", Checks: c.checks}}, c.paused) {
			got = append(got, s.Firewall+":"+s.State)
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("%s: %v instead of %s", c.name, got, c.want)
		}
	}
}

// What is seen is in the store: each change at once, what goes on once a minute.
func TestStatesAreNoted(t *testing.T) {
	st, err := store.Open(t.Context(), store.Options{Path: filepath.Join(t.TempDir(), "test.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	begun := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	now, state := begun, "up"
	r := &Recorder{Store: st, Now: func() time.Time { return now }, Log: zerolog.Nop(), Look: func() []store.FirewallState { return []store.FirewallState{{Firewall: "a", State: state}} }}
	noted := func() (list string) {
		err := st.States(context.Background(), begun.Add(-time.Hour), begun.Add(time.Hour), func(s *store.FirewallState) error {
			list += fmt.Sprint(s.State, " ", s.Began.Sub(begun), "-", s.Until.Sub(begun), " ")
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	for _, c := range []struct {
		after time.Duration
		state string
		want  string
	}{
		{0, "up", "up 0s-0s "},
		{30 * time.Second, "up", "up 0s-0s "},
		{60 * time.Second, "up", "up 0s-1m0s "},
		{65 * time.Second, "down", "up 0s-1m5s down 1m5s-1m5s "},
		{70 * time.Second, "up", "up 0s-1m5s down 1m5s-1m10s up 1m10s-1m10s "},
	} {
		now, state = begun.Add(c.after), c.state
		if r.once(t.Context()); noted() != c.want {
			t.Errorf("after %s: %q instead of %q", c.after, noted(), c.want)
		}
	}
}
