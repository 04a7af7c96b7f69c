// Package durable writes small files that a power cut leaves as they were or as they are to be.
package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// ErrUnanswered: the disk has not answered a write.
var ErrUnanswered = errors.New("the disk gives no answer")

// errHeld: another process is writing the same file.
var errHeld = errors.New("another process is writing it")

// writePatience is how long a write may take before it is left behind.
const writePatience = 5 * time.Second

// Read reads a file as [Open] opens it.
func Read(path string) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// Open opens a file to be read, and nothing that is anything else: a pipe would be waited for for ever.
func Open(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file (%s): remove it", path, info.Mode().Type())
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Write replaces a file as a whole: after a power cut there is the old content or the new one, never an
// empty file, and once this has returned without an error it is the new one. sync is (*os.File).Sync; it is called for the file
// before the rename, which may otherwise reach the disk first, and for the folder after it. The name under which it is written is fixed, so
// that crashes do not leave more than one behind; whatever lies there goes, unless another process is writing it.
//
// A disk that hangs is left alone after a few seconds with ErrUnanswered: the write may still be done when it answers, and until then
// no other of that path is begun by this process. See Unanswered.
func Write(path string, data []byte, mode fs.FileMode, sync func(*os.File) error) error {
	for other := running.begin(path); other != nil; other = running.begin(path) {
		patience := time.NewTimer(writePatience - time.Since(other.since))
		select {
		case <-other.ended:
			patience.Stop()
		case <-patience.C:
			return fmt.Errorf("write %s: %w since %s", path, ErrUnanswered, other.since.Format(time.TimeOnly))
		}
	}
	done := make(chan error, 1)
	go func() { // ends when the disk answers
		err := replace(path, data, mode, sync)
		running.end(path) // before anybody goes on: it is not waited for any more
		done <- err
	}()
	patience := time.NewTimer(writePatience)
	defer patience.Stop()
	select {
	case err := <-done:
		return err
	case <-patience.C:
		return fmt.Errorf("write %s: %w for %s", path, ErrUnanswered, writePatience)
	}
}

// replace is Write, however long it takes.
func replace(path string, data []byte, mode fs.FileMode, sync func(*os.File) error) error {
	temporary := path + ".new"
	f, err := claim(temporary, mode)
	for begun := time.Now(); errors.Is(err, errHeld) && time.Since(begun) < time.Second; f, err = claim(temporary, mode) {
		time.Sleep(10 * time.Millisecond) // another process will have done
	}
	if err != nil {
		return err
	}
	defer f.Close() // and with it the claim, when all is done
	if _, err = f.Write(data); err == nil {
		err = sync(f)
	}
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		_ = os.Remove(temporary) // it takes room on a disk that may be full
		return err
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	if err := errors.Join(sync(folder), folder.Close()); err != nil {
		return fmt.Errorf("sync %s: %w", filepath.Dir(path), err)
	}
	return nil
}

// claim makes a file that nobody else writes, removes or renames who comes by this function, in this process or another, until it is closed.
func claim(path string, mode fs.FileMode) (*os.File, error) {
	if left, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0); err == nil {
		held := hold(left, path)
		if held == nil {
			held = os.Remove(path)
		}
		if err := errors.Join(held, left.Close()); err != nil {
			return nil, err
		}
	} else if !errors.Is(err, fs.ErrNotExist) { // a link, or not ours to read
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s: %w", path, errHeld)
	}
	if err != nil {
		return nil, err
	}
	if err := hold(f, path); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// hold locks an open file, and tells whether it still lies at its path.
func hold(f *os.File, path string) error {
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("%s: %w (%w)", path, errHeld, err)
	}
	open, err := f.Stat()
	if err != nil {
		return err
	}
	if at, err := os.Lstat(path); err != nil || !os.SameFile(open, at) {
		return fmt.Errorf("%s: %w", path, errHeld)
	}
	return nil
}
