package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// What lies under the name by which a file is written goes, be it what a crash left or a pipe that would be waited for; a failure
// leaves the old content, and nothing beside it.
func TestAFileIsReplacedAsAWholeOrNotAtAll(t *testing.T) {
	for name, put := range map[string]func(temporary string) error{
		"nothing":             func(string) error { return nil },
		"what a crash left":   func(p string) error { return os.WriteFile(p, []byte("half of something long"), 0o666) },
		"a pipe":              func(p string) error { return syscall.Mkfifo(p, 0o600) },
		"a link to elsewhere": func(p string) error { return os.Symlink(filepath.Join(filepath.Dir(p), "elsewhere"), p) },
	} {
		path := filepath.Join(t.TempDir(), "file")
		if err := errors.Join(os.WriteFile(path, []byte("old"), 0o600), put(path+".new")); err != nil {
			t.Fatal(err)
		}
		if err := Write(path, []byte("new"), 0o600, func(*os.File) error { return syscall.ENOSPC }); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: on a full disk: %v", name, err)
		}
		if have, err := Read(path); string(have) != "old" || err != nil {
			t.Errorf("%s: after a failure it is %q, %v", name, have, err)
		}
		if err := Write(path, []byte("new"), 0o640, (*os.File).Sync); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		info, err := os.Stat(path)
		if have, unreadable := Read(path); string(have) != "new" || errors.Join(err, unreadable) != nil || info.Mode() != 0o640 {
			t.Errorf("%s: it is %q, %v, %v", name, have, info, errors.Join(err, unreadable))
		}
		if left, err := os.ReadDir(filepath.Dir(path)); len(left) != 1 || err != nil {
			t.Errorf("%s: beside it is %v, %v", name, left, err)
		}
	}
}

// A disk that hangs holds up nobody for long, nothing else is written under the name that a write which was left behind has, and the last one
// wins.
func TestADiskThatHangsIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		path, thaw := filepath.Join(dir, "file"), make(chan struct{})
		hang := func(*os.File) error { <-thaw; return nil }
		begun := time.Now()
		if err := Write(path, []byte("first"), 0o600, hang); !errors.Is(err, ErrUnanswered) || time.Since(begun) != writePatience {
			t.Errorf("it took %s: %v", time.Since(begun), err)
		}
		if err := Write(path, []byte("second"), 0o600, (*os.File).Sync); !errors.Is(err, ErrUnanswered) || time.Since(begun) != writePatience {
			t.Errorf("another one took %s: %v", time.Since(begun), err)
		}
		if err := Write(filepath.Join(dir, "other"), nil, 0o600, (*os.File).Sync); err != nil {
			t.Errorf("another file: %v", err)
		}
		if at, since := Unanswered(dir); at != path || !since.Equal(begun) {
			t.Errorf("it waits for %s since %s", at, since)
		}
		if at, _ := Unanswered(dir[:len(dir)-1]); at != "" {
			t.Errorf("in a folder beside, it waits for %s", at)
		}
		close(thaw)
		synctest.Wait()
		have, err := Read(path)
		if at, _ := Unanswered(dir); at != "" || string(have) != "first" || err != nil {
			t.Errorf("after that it waits for %q, and is %q, %v", at, have, err)
		}
		if err := Write(path, []byte("second"), 0o600, (*os.File).Sync); err != nil {
			t.Error(err)
		}
		if have, err = Read(path); string(have) != "second" || err != nil {
			t.Errorf("in the end it is %q, %v", have, err)
		}
	})
}

// What another process writes under the same name is left to it.
func TestTwoProcessesDoNotWriteUnderOneName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "file")
		other, err := claim(path+".new", 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if err := Write(path, []byte("ours"), 0o600, (*os.File).Sync); err == nil {
			t.Error("written all the same")
		}
		if now, err := other.Stat(); err != nil {
			t.Error(err)
		} else if there, err := os.Stat(path + ".new"); err != nil || !os.SameFile(now, there) {
			t.Errorf("it is not there any more: %v", err)
		}
		if err := errors.Join(other.Close(), Write(path, []byte("ours"), 0o600, (*os.File).Sync)); err != nil {
			t.Errorf("when it is not written any more: %v", err)
		}
	})
}

func TestWhatIsNoFileIsNotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if have, err := Read(path); err == nil {
		t.Errorf("a pipe gives %q", have)
	}
	if _, err := Read(path + "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing gives %v", err)
	}
}

// Once a write has returned it is not waited for any more.
func TestAWriteThatHasReturnedIsNotUnderWay(t *testing.T) {
	dir := t.TempDir()
	for range 300 {
		if err := Write(filepath.Join(dir, "file"), nil, 0o600, func(*os.File) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if at, _ := Unanswered(dir); at != "" {
			t.Fatalf("it waits for %s", at)
		}
	}
}
