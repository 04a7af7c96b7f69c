package members

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/loop"
	"activedefense/agent/own"
	"activedefense/config"
	"activedefense/store"
)

func TestStates(t *testing.T) {
	for _, c := range []struct {
		what   string
		m      store.Member
		ago    time.Duration
		state  string
		waited string // what nobody is found quiet for; "": for nothing
	}{
		{"well", store.Member{Silence: SilentAfter}, 0, OK, ""},
		{"behind", store.Member{Behind: "not all lines have been read"}, 0, Behind, "agent south on log2 is behind: not all lines have been read"},
		{"silent", store.Member{Silence: SilentAfter + 1}, 0, Silent, "agent south on log2 is silent (if it is gone for good: activedefense members forget south)"},
		{"silent and behind", store.Member{Silence: SilentAfter + 1, Behind: "x"}, 0, Silent, "agent south on log2 is silent (if it is gone for good: activedefense members forget south)"},
		{"read a while ago", store.Member{}, SilentAfter, OK, ""},
		{"not read for so long that it may be silent", store.Member{}, SilentAfter + 1, Unknown, ""},
		{"silent when it was last read", store.Member{Silence: time.Hour}, time.Hour, Silent, "agent south on log2 is silent (if it is gone for good: activedefense members forget south)"},
		{"itself", store.Member{Self: true, Behind: "x"}, 0, Behind, ""},
	} {
		c.m.Name, c.m.Host = "south", "log2"
		s := Of(&c.m, c.ago)
		if waited := Waiting([]Status{s}); s.State != c.state || waited != c.waited {
			t.Errorf("%s: %s, waits for %q", c.what, s.State, waited)
		}
		if want := (c.m.Silence + c.ago).Seconds(); s.Silence != want {
			t.Errorf("%s: silent for %g s, not %g", c.what, s.Silence, want)
		}
	}
}

func TestANameIsQuotedForAShell(t *testing.T) {
	for name, want := range map[string]string{"log-1.example": "log-1.example", "two words": "'two words'", "it's": `'it'\''s'`, "$(x)": "'$(x)'"} {
		if got := (&Status{Name: name}).Forget(); got != "activedefense members forget "+want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// An agent that was forgotten while it was away is a member again with its next sign of life, and what it never blocks with it.
func TestOneThatComesBackIsAMemberAgain(t *testing.T) {
	st, err := store.Open(t.Context(), store.Options{Path: filepath.Join(t.TempDir(), "test.db"), Instance: "one"})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	cfg, _, err := config.Load(config.Options{Environ: []string{"ACTIVEDEFENSE_NEVER_BLOCK=203.0.113.9"}})
	if err != nil {
		t.Fatal(err)
	}
	known := own.New(cfg, nil).Known()
	behind, back := "3 files", 0
	m := New(Options{Store: st, Sign: store.Sign{Name: "north", Host: "log1", Version: "test"}, Started: time.Now(), Now: time.Now, Log: zerolog.Nop(),
		Behind: func() string { return behind }, Known: func() *own.Known { return known }, Back: func() { back++ }, Asked: func(time.Time) {}}, loop.NewWakeup())
	once := func() Status {
		t.Helper()
		if err := m.once(t.Context()); err != nil {
			t.Fatal(err)
		}
		all := m.Status()
		if len(all) != 1 || !all[0].Self || all[0].Guarded != 1 {
			t.Fatalf("members %+v", all)
		}
		return all[0]
	}
	first := once()
	if first.State != Behind || first.Behind != behind || first.Since.IsZero() {
		t.Errorf("first %+v", first)
	}
	if again := once(); again.Since != first.Since {
		t.Errorf("it is behind since %s, and not since %s", again.Since, first.Since)
	}
	// Of itself it knows, whatever the database was told last.
	behind = ""
	if now := m.Status()[0]; now.State != OK || now.Behind != "" || now.Since.Equal(first.Since) {
		t.Errorf("before it has said so it is %+v", now)
	}
	if now := once(); now.State != OK || now.Since.Equal(first.Since) {
		t.Errorf("then %+v", now)
	}
	list, err := st.Members(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if done, err := st.Forget(t.Context(), list[0].ID, 0); err != nil || !done {
		t.Fatal(done, err)
	}
	if back > 0 {
		t.Error("it is back, and was never away")
	}
	if once(); back != 1 {
		t.Errorf("that it is back was told %d times", back)
	}
	if why, err := m.Waits(t.Context()); err != nil || strings.TrimSpace(why) != "" {
		t.Errorf("it waits for itself: %q, %v", why, err)
	}
}
