package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"
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

// Who can replace the database, the CA or the last list decides who is blocked.
func TestAStateFolderThatAllMayWriteIsRefused(t *testing.T) {
	dir := t.TempDir()
	for mode, refused := range map[os.FileMode]bool{0o700: false, 0o755: false, 0o775: false, 0o777: true, 0o702: true, 0o777 | os.ModeSticky: true} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		lock, _, err := Open(t.Context(), dir, zerolog.Nop())
		if err == nil {
			lock.Close()
		}
		if (err != nil) != refused || refused && !strings.Contains(err.Error(), "chmod 0700 "+dir) {
			t.Errorf("mode %s: %v", mode, err)
		}
	}
	if err := Check(filepath.Join(dir, "not there yet")); err != nil {
		t.Error(err)
	}
}

// A name that is not the one that was written would have every line read and recorded again.
func TestADamagedNameIsNotTakenForAnother(t *testing.T) {
	dir := t.TempDir()
	for _, text := range []string{"", "0123", "0123456789abcdex\n", "0123456789abcdef0\n", "\x00\x01\xff"} {
		if err := os.WriteFile(filepath.Join(dir, instanceFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if name, err := instanceOf(dir, (*os.File).Sync); err == nil || !strings.Contains(err.Error(), filepath.Join(dir, instanceFile)+", which") {
			t.Errorf("%q: the name %q, %v", text, name, err)
		}
	}
}

// While a folder is held no agent starts with it, and while one runs it is not to be held.
func TestAFolderIsHeldOrInUse(t *testing.T) {
	dir := t.TempDir()
	name, release, err := Hold(dir)
	if err != nil || name != "" || release() != nil {
		t.Fatalf("a new one: %q, %v", name, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("holding it left %v, %v", left, err)
	}
	lock, own, err := Open(t.Context(), dir, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Hold(dir); !errors.Is(err, ErrRunning) || !strings.Contains(err.Error(), dir) {
		t.Errorf("with an agent: %v", err)
	}
	lock.Close()
	if name, release, err = Hold(dir); err != nil || name != own {
		t.Fatalf("%q instead of %q: %v", name, own, err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if lock, _, err := Open(stopped, dir, zerolog.Nop()); err == nil {
		lock.Close()
		t.Error("an agent starts while it is held")
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if lock, _, err = Open(t.Context(), dir, zerolog.Nop()); err != nil {
		t.Fatal(err)
	}
	lock.Close()
}
