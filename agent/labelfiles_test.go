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
