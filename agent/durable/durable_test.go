package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
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
