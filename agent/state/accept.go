package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"activedefense/agent/durable"
	"activedefense/store"
)

// Accept goes on with the database that is there, whatever was known of it: a start takes it, and a daemon that has stopped for it opens it
// anew within seconds. One that is put in its place later is not taken. A nil store: there is none, and one that is empty is. What it
// leaves belongs to whom the folder belongs, the daemon's user, also where root does it. already: it was accepted as it is before.
func Accept(ctx context.Context, dir string, st *store.Store) (already bool, err error) {
	known, _ := readMark(filepath.Join(dir, MarkFile)) // a damaged one is no reason not to
	taken := mark{Seen: known.Seen, Accepted: true}
	if st != nil {
		now, _, err := st.Progress(ctx, store.Trail{})
		if err != nil {
			return false, err
		}
		taken.Version, taken.Changed, taken.Trail, taken.Identity = now.Version, now.Changed, now.Trail, st.Place().Identity
	}
	return known == taken, taken.leave(dir)
}

// leave writes a mark for the daemon of this folder, which may be another user.
func (m mark) leave(dir string) error {
	path := filepath.Join(dir, MarkFile)
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := durable.Write(path, append(data, '\n'), 0o600, (*os.File).Sync); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		return os.Chown(path, int(owner.Uid), int(owner.Gid))
	}
	return nil
}

// Moved has what is known of a database that the daemon would take hold for an equal copy of it, which is st, where it is bound to the
// identity of the former one: a person accepted that one, or it is again what it was, after another one was refused.
func Moved(ctx context.Context, dir string, st *store.Store) error {
	known, err := readMark(filepath.Join(dir, MarkFile))
	switch {
	case err != nil || !known.Accepted && !known.Refused:
		return err
	case known.Accepted:
		_, err = Accept(ctx, dir, st)
		return err
	}
	known.Identity = ""
	return known.leave(dir)
}

// Refused tells why the daemon that keeps its state in dir would not take this database, by what the last run of it left: an error that
// wraps ErrBehind, or ErrUnknown where that is damaged; nil if it is not behind what was known, if it is the one that a person accepted, and
// for who may not read what is known.
func Refused(ctx context.Context, dir string, st *store.Store) error {
	path := filepath.Join(dir, MarkFile)
	known, err := readMark(path)
	if errors.Is(err, fs.ErrPermission) || err == nil && known == (mark{}) {
		return nil
	}
	if err != nil {
		return err
	}
	if known.Accepted {
		if known.Identity != "" && known.Identity != st.Place().Identity {
			return fmt.Errorf("%w: the one that was accepted, or that store copy made of it, is another one, which the configuration has to name (%s)", ErrBehind, path)
		}
		return nil
	}
	least, _, _ := known.least(filepath.Join(dir, LatestFile))
	p, holds, err := st.Progress(ctx, least.Trail)
	now := mark{Version: p.Version, Changed: p.Changed} // whose batches it has is the daemon's affair
	if err == nil && (now.behind(least) || !holds || known.elsewhere(st.Place().Identity)) {
		err = fmt.Errorf("%w: it is at blacklist version %d, and is not the one that was at version %d (%s)", ErrBehind, now.Version, least.Version, path)
	}
	return err
}
