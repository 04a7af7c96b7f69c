package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"activedefense/config"
	"activedefense/firewall"
)

func TestTheNameOfAnAgentLastsBeforeItIsUsed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "instance")
	var synced []string
	name, err := instanceOf(dir, func(f *os.File) error {
		content, err := os.ReadFile(f.Name())
		if f.Name() == dir {
			content, err = os.ReadFile(path) // the folder's turn comes when the file has its name
		} else if f.Name() == path {
			t.Error("the file has its name before its content lasts")
		}
		if err != nil {
			return err
		}
		synced = append(synced, fmt.Sprintf("%t %s", f.Name() == dir, content))
		return f.Sync()
	})
	if want := fmt.Sprint([]string{"false " + name + "\n", "true " + name + "\n"}); err != nil || len(name) != 16 || fmt.Sprint(synced) != want {
		t.Errorf("name %q, synced %q: %v", name, synced, err)
	}
	if again, err := instanceOf(dir, func(*os.File) error { return errors.New("nothing is to be written") }); err != nil || again != name {
		t.Errorf("the second time %q: %v", again, err)
	}
}

func TestANameThatCannotBeKeptIsNotUsed(t *testing.T) {
	full := errors.New("no space left")
	for _, fails := range []int{1, 2} { // the file, the folder
		calls := 0
		if name, err := instanceOf(t.TempDir(), func(*os.File) error {
			if calls++; calls == fails {
				return full
			}
			return nil
		}); !errors.Is(err, full) || name != "" {
			t.Errorf("the name %q is used though sync %d failed: %v", name, fails, err)
		}
	}
}

// What is noted of a firewall is found again by its name.
func TestFirewallNamesAreThoseThatHoldBlocks(t *testing.T) {
	for _, mode := range []string{firewall.ModeTag, firewall.ModeGroup, firewall.ModeList} {
		cfg := &config.Config{Firewalls: []config.Firewall{
			{Name: "alone", URL: "https://192.0.2.1", APIKey: "k", Mode: mode, Tag: "active-defense"},
			{Name: "pair", URL: "https://192.0.2.2", PeerURL: "https://192.0.2.3", APIKey: "k", Mode: mode, Tag: "active-defense"},
		}}
		cfg.EDL.URL = "https://192.0.2.9:8443/files/blacklist.txt"
		a := &Agent{cfg: cfg, calls: newCallCounts()}
		enforcers, err := a.newEnforcers()
		if err != nil {
			t.Fatal(mode, err)
		}
		var held []string
		for _, e := range enforcers {
			held = append(held, e.name)
		}
		if names := FirewallNames(cfg); fmt.Sprint(names) != fmt.Sprint(held) {
			t.Errorf("%s: %q instead of %q", mode, names, held)
		}
	}
}

func TestTwoRunsAfterTheSameBatchNumberTheirsDifferently(t *testing.T) {
	one, other := firstSeq(7), firstSeq(7)
	if one <= 7 || other <= 7 || one == other {
		t.Errorf("after batch 7 come %d and %d", one, other)
	}
}
