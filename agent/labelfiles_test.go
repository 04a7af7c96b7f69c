package agent

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"activedefense/agent/labels"
	"activedefense/agent/own"
	"activedefense/config"
	"activedefense/detect"
	"activedefense/store"
)

// labelled is a configuration with one label file of mode never.
func labelled(t *testing.T, content string) (cfg *config.Config, file string) {
	dir := t.TempDir()
	file = filepath.Join(dir, "partners.txt")
	replace(t, file, content)
	return &config.Config{StateDir: filepath.Join(dir, "state"), Labels: []config.Label{{File: file, Label: "partner", Mode: "never"}}}, file
}

// replace writes a file as a download does.
func replace(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// guardOf is the guard of a command.
func guardOf(t *testing.T, cfg *config.Config) *detect.Guard {
	t.Helper()
	known, err := Known(t.Context(), cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	return known.Guard
}

func TestWhatALabelFileListsAsNeverIsNotBlocked(t *testing.T) {
	cfg, file := labelled(t, "203.0.113.0/28\n")
	err := guardOf(t, cfg).CheckAddr(netip.MustParseAddr("203.0.113.7"))
	if want := `203.0.113.7 is in 203.0.113.0/28, which is listed as "partner" in ` + file; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if err := guardOf(t, cfg).CheckAddr(netip.MustParseAddr("203.0.113.16")); err != nil {
		t.Error(err)
	}
	cfg.Labels[0].Mode = "label"
	if err := guardOf(t, cfg).CheckAddr(netip.MustParseAddr("203.0.113.7")); err != nil {
		t.Errorf("a list that only labels protects: %v", err)
	}
}

// A list that lost much is kept over a restart, as a reload is one: by the daemon, by a command beside it, and status says so.
func TestAListThatLostMuchIsKeptOverARestart(t *testing.T) {
	cfg, file := labelled(t, "203.0.113.1\n203.0.113.2\n")
	cfg.Inputs = []config.Input{{Path: filepath.Join(t.TempDir(), "*.log"), Format: "auto", Location: time.UTC}}
	last := netip.MustParseAddr("203.0.113.2")
	for _, content := range []string{"203.0.113.1\n203.0.113.2\n", "203.0.113.1\n", "203.0.113.1\n"} {
		replace(t, file, content)
		a, err := New(t.Context(), cfg, Options{})
		if err != nil {
			t.Fatal(err)
		}
		a.lookAtLabels()
		if a.guard.Load().CheckAddr(last) == nil || guardOf(t, cfg).CheckAddr(last) == nil {
			t.Errorf("with %q, %s may be blocked", content, last)
		}
		whole := strings.Contains(content, last.String())
		if all := a.Status().Troubles; (len(all) == 0) != whole || !whole && (!strings.Contains(all[0].What, "it has 1, and had 2") || all[0].Since.IsZero() || all[0].Remedy == "") {
			t.Errorf("with %q, status tells %+v", content, all)
		}
		a.Close()
	}
}

// What the daemon does not take over for what is blocked now, a command beside it does not take over either.
func TestACommandDecidesAboutAListAsTheDaemonDoes(t *testing.T) {
	cfg, _ := labelled(t, "203.0.113.0/24\n")
	st, err := store.Open(t.Context(), store.Options{Path: filepath.Join(t.TempDir(), DatabaseFile)})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	address := netip.MustParseAddr("203.0.113.1")
	for n := range 51 {
		if known, err := Known(t.Context(), cfg, st); err != nil || known.Guard.CheckAddr(address) == nil {
			t.Fatalf("with %d blocked, the list does not count (%v)", n, err)
		}
		if _, _, err := st.Block(t.Context(), store.Block{Address: netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(n)}), 32), Rule: "manual", By: store.ByOperator}); err != nil {
			t.Fatal(err)
		}
	}
	known, err := Known(t.Context(), cfg, st)
	if err != nil || known.Guard.CheckAddr(address) != nil {
		t.Errorf("a list that would lift 51 blocks counts (%v)", err)
	}
	set, err := Labels(t.Context(), cfg, st)
	if err != nil || len(set.Troubles()) != 1 || !strings.Contains(set.Troubles()[0].What, "it would lift more than 50 blocks at once: 51") {
		t.Errorf("troubles %+v, %v", set.Troubles(), err)
	}
}

// A list that changes changes what may be blocked within a minute; one that vanishes takes no protection away, over a
// restart either.
func TestALabelFileIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, file := labelled(t, "203.0.113.1\n")
		a := &Agent{cfg: cfg, now: time.Now, own: own.New(cfg, nil)}
		f := newFeed(nil)
		stop := func() {}
		restart := func() {
			stop()
			a.labels = a.followLabels()
			a.own = own.New(cfg, nil)
			a.own.Spare(own.Listed(a.labels.Lists()))
			a.renew()
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				a.refreshGuard(ctx, f)
			}()
			stop = func() {
				cancel()
				<-ended
			}
		}
		restart()
		defer func() { stop() }()
		spared := func(want string) {
			t.Helper()
			time.Sleep(labels.Every + time.Second)
			synctest.Wait()
			var got []string
			for _, address := range []string{"203.0.113.1", "203.0.113.2"} {
				if a.guard.Load().CheckAddr(netip.MustParseAddr(address)) != nil {
					got = append(got, address)
				}
			}
			if text := strings.Join(got, " "); text != want {
				t.Errorf("never blocked are %q, want %q", text, want)
			}
		}
		spared("203.0.113.1")
		replace(t, file, "203.0.113.1\n203.0.113.2\n")
		spared("203.0.113.1 203.0.113.2")
		if !f.checkAll.Load() {
			t.Error("what is blocked is not held against the new list")
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		spared("203.0.113.1 203.0.113.2")
		if all := a.labels.Troubles(); len(all) != 1 || all[0].File != file {
			t.Errorf("troubles %+v", all)
		}
		restart()
		spared("203.0.113.1 203.0.113.2")
		// A command beside the daemon knows what the daemon knows.
		if err := guardOf(t, cfg).CheckAddr(netip.MustParseAddr("203.0.113.2")); err == nil {
			t.Error("a command does not know the copy")
		}
	})
}
