// Package state keeps what an agent leaves in its state folder for the next run: the lock, its own name in a database, and how far the
// database was; and it keeps the database within its bounds.
package state

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/durable"
	"activedefense/agent/loop"
)

// DatabaseFile is the name of the SQLite database in the state folder.
const DatabaseFile = "activedefense.db"

// instanceFile, in the state folder, holds the agent's own name in a database. It is written once.
const instanceFile = "instance"

// nameBytes is the length of that name, which is written in hexadecimal digits.
const nameBytes = 8

// lockWait is how long a start waits for another agent to be gone.
const lockWait = 15 * time.Second

// lockQuiet is how long it waits without a word.
const lockQuiet = time.Second

// Check refuses a state folder in which everybody may write: who can replace the database, the CA or the last list decides who is
// blocked. A folder that is not there yet is none of that.
func Check(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("state_dir: %w", err)
	case !info.IsDir():
		return fmt.Errorf("state_dir: %s is not a folder; name one that only the daemon's user can write", dir)
	case info.Mode().Perm()&0o002 != 0:
		return fmt.Errorf("state_dir: every user of this host can write in %[1]s (mode %04[2]o), and so decide who is blocked; "+
			"give it to the daemon's user alone: chmod 0700 %[1]s, and look whether its files are still yours", dir, info.Mode().Perm())
	}
	return nil
}

// Open makes the state folder, takes its lock, so that no two agents work on one state, and gives
// the agent's own name in a database that it may share with others.
func Open(ctx context.Context, dir string, log zerolog.Logger) (lock *os.File, instance string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, "", fmt.Errorf("state_dir: %w", err)
	}
	if err := Check(dir); err != nil {
		return nil, "", err
	}
	path := filepath.Join(dir, "lock")
	lock, err = os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) { // else not asked for: where the disk is frozen, that would wait for it
		lock, err = os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	}
	if err != nil {
		return nil, "", fmt.Errorf("state_dir: %w", err)
	}
	// An agent that was just told to stop, or killed, may need a moment to be gone.
	for begun, told := time.Now(), false; ; {
		if err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
			break
		}
		if waited := time.Since(begun); waited < lockWait && loop.Pause(ctx, 50*time.Millisecond) {
			if waited > lockQuiet && !told {
				told = true
				log.Warn().Str("state_dir", dir).Msg("another agent is running with this state_dir; waiting for it to stop")
			}
			continue
		}
		lock.Close()
		return nil, "", fmt.Errorf("state_dir: another agent is running with %s (cannot lock %s: %w)", dir, path, err)
	}
	if instance, err = instanceOf(dir, (*os.File).Sync); err != nil {
		lock.Close()
		return nil, "", err
	}
	return lock, instance, nil
}

// ErrRunning: an agent runs with the state folder.
var ErrRunning = errors.New("a daemon is running with this state_dir")

// Hold keeps an agent from starting with a state folder until release is called, and gives the agent's own name in a database; "": none has
// run with it yet, and nothing is held. An agent that runs is ErrRunning.
func Hold(dir string) (instance string, release func() error, err error) {
	lock, err := os.Open(filepath.Join(dir, "lock"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", func() error { return nil }, nil
	}
	if err != nil {
		return "", nil, fmt.Errorf("state_dir: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = fmt.Errorf("%w (%s)", ErrRunning, dir)
		}
		return "", nil, err
	}
	name, err := durable.Read(filepath.Join(dir, instanceFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", nil, errors.Join(fmt.Errorf("state_dir: %w", err), lock.Close())
	}
	return strings.TrimSpace(string(name)), lock.Close, nil
}

// instanceOf reads the name under which the agent with this state folder keeps its read positions, and
// makes one at the first start. It lasts before it is used: an agent that came back under another name would
// read everything again. sync is (*os.File).Sync.
func instanceOf(dir string, sync func(*os.File) error) (string, error) {
	path := filepath.Join(dir, instanceFile)
	data, err := durable.Read(path)
	if err == nil {
		name := strings.TrimSpace(string(data))
		if raw, err := hex.DecodeString(name); err != nil || len(raw) != nameBytes {
			return "", fmt.Errorf("state_dir: %s, which holds this agent's name in the database, is damaged: expected %d hexadecimal digits; restore it from a backup, "+
				"or delete it: then all log files are read again, and recorded once more", path, 2*nameBytes)
		}
		return name, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("state_dir: %w", err)
	}
	raw := make([]byte, nameBytes)
	rand.Read(raw)
	name := hex.EncodeToString(raw)
	if err := durable.Write(path, []byte(name+"\n"), 0o600, sync); err != nil {
		return "", fmt.Errorf("state_dir: %w", err)
	}
	return name, nil
}

// FirstStart is when the agent with this state folder ran for the first time, as its name tells; zero if that cannot be
// told.
func FirstStart(dir string) time.Time {
	info, err := os.Stat(filepath.Join(dir, instanceFile))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
