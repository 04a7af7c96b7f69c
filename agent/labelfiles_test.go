package agent

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/labels"
	"activedefense/agent/listing"
	"activedefense/agent/loop"
	"activedefense/agent/own"
	"activedefense/config"
	"activedefense/detect"
	"activedefense/firewall/room"
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
	whole, part := "", "203.0.113.0\n"
	for n := range 10 {
		whole += fmt.Sprintf("203.0.113.%d\n", n)
	}
	cfg, file := labelled(t, whole)
	cfg.Inputs = []config.Input{{Path: filepath.Join(t.TempDir(), "*.log"), Format: "auto", Location: time.UTC}}
	last := netip.MustParseAddr("203.0.113.2")
	for _, content := range []string{whole, part, part} {
		replace(t, file, content)
		a, err := New(t.Context(), cfg, Options{})
		if err != nil {
			t.Fatal(err)
		}
		a.lookAtLabels()
		if a.guard.Load().CheckAddr(last) == nil || guardOf(t, cfg).CheckAddr(last) == nil {
			t.Errorf("with %q, %s may be blocked", content, last)
		}
		if all := a.Status().Troubles; (len(all) == 0) != (content == whole) || content != whole && (!strings.Contains(all[0].What, "it has 1, and had 10") || all[0].Since.IsZero() || all[0].Remedy == "") {
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

// What a file of mode block lists is enforced below what is proven, for as long as it is listed, and said as one line; what comes
// to be protected is lifted for that reason.
func TestWhatALabelFileListsAsBlockIsEnforced(t *testing.T) {
	cfg, partners := labelled(t, "203.0.113.9\n")
	botnet := filepath.Join(filepath.Dir(partners), "botnet.txt")
	replace(t, botnet, "203.0.113.1\n203.0.113.2\n203.0.113.9\n")
	cfg.Labels = append(cfg.Labels, config.Label{File: botnet, Label: "botnet", Mode: "block"})
	var log lockedBuffer
	a := &Agent{cfg: cfg, now: time.Now, own: own.New(cfg, nil), relist: loop.NewWakeup(), log: zerolog.New(&log)}
	a.labels = a.followLabels()
	f, _ := newTestFeed(t)
	f.guard, f.log, f.loaded = a.guard.Load, a.log, true
	keeper := listing.New(f.store, a.now)
	round := func(want string) {
		t.Helper()
		if a.lookAtLabels() {
			f.recheck()
			if len(a.relist) != 1 {
				t.Error("what is listed is not looked at again")
			}
		}
		if err := a.blockListedOnce(t.Context(), keeper, f); err != nil {
			t.Fatal(err)
		}
		if err := f.syncOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range f.current.Load().Entries {
			got = append(got, detect.AddressText(e.Prefix))
			if e.Rank != room.Listed || !e.Until.IsZero() {
				t.Errorf("%+v", e)
			}
		}
		if slices.Sort(got); strings.Join(got, " ") != want {
			t.Errorf("enforced are %s, want %s", got, want)
		}
	}
	round("203.0.113.1 203.0.113.2")
	for text, want := range map[string]int{`"blocked":2,"released":0`: 1, "203.0.113.1": 0, `left out is what may never be blocked, 1 of 3 entries, such as: 203.0.113.9 is listed as \"partner\"`: 1} {
		if n := log.count(text); n != want {
			t.Errorf("%d lines of the log have %s", n, text)
		}
	}
	replace(t, partners, "203.0.113.9\n203.0.113.2\n")
	round("203.0.113.1")
	history, err := f.store.AuditOf(t.Context(), netip.MustParsePrefix("203.0.113.2/32"))
	if err != nil || len(history) != 2 || history[1].By != store.ByDetector || !strings.Contains(history[1].Reason, `listed as "partner"`) {
		t.Errorf("%+v, %v", history, err)
	}
	replace(t, partners, "203.0.113.9\n203.0.113.8\n")
	replace(t, botnet, "203.0.113.2\n203.0.113.4\n203.0.113.9\n")
	round("203.0.113.2 203.0.113.4")
}
