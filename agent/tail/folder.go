package tail

import (
	"errors"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// entry is one name in a folder, and the file that it leads to.
type entry struct {
	path string
	stat       // of what the name leads to
	link bool  // the name is a symbolic link
	err  error // what the symbolic link leads to cannot be looked at
}

func (e entry) regular() bool { return e.err == nil && e.stat.regular() }

// state is what an entry looked like when it was decided to pass it over; it is looked at again when that changed.
type state struct {
	key   inode
	size  int64
	mtime time.Time
}

// is tells whether an open file is the one that the name led to when it was listed. Its inode does not say it: where a file was
// removed since, it may serve another one.
func (e entry) is(key inode, born int64) bool { return e.key == key && e.born == born }

func (e entry) state() state { return state{e.key, e.size, e.mtime} }

// folder is a listing.
type folder struct {
	path    string
	key     inode
	mtime   time.Time
	entries map[string]entry // by name
	err     error            // why it could not be listed; entries then holds what was asked for by name
	quiet   bool             // no change in the folder can have gone unnoticed since the listing began
	aside   bool             // it is in another one, and listed for what was rotated into it
	subs    []string         // names of the folders in it
	names   []string         // of the entries, sorted; nil: not asked for yet
}

// mostBelow bounds in how many folders below another one files are looked for.
const mostBelow = 32

// below gives the names of the folders in it, into which files may be rotated (olddir of logrotate).
func (d *folder) below() []string { return d.subs[:min(len(d.subs), mostBelow)] }

// beginning gives the entries whose names begin so, sorted by name.
func (d *folder) beginning(prefix string) iter.Seq2[string, entry] {
	if d.names == nil {
		d.names = slices.Sorted(maps.Keys(d.entries))
	}
	from, _ := slices.BinarySearch(d.names, prefix)
	return func(yield func(string, entry) bool) {
		for _, name := range d.names[from:] {
			if !strings.HasPrefix(name, prefix) || !yield(name, d.entries[name]) {
				return
			}
		}
	}
}

// quietAfter is more than the steps in which file systems keep time: a change as long after the last one as this shows
// in the folder's modification time.
const quietAfter = 100 * time.Millisecond

// listFolder lists a folder, or of its names those that are wanted; nil: all. If that is not allowed, the names given are
// still looked at.
func listFolder(path string, names []string, wanted func(name string) bool) *folder {
	d := &folder{path: path, entries: map[string]entry{}}
	began := time.Now()
	now, err := statAt(unix.AT_FDCWD, path, 0)
	if err != nil {
		d.err = &fs.PathError{Op: "stat", Path: path, Err: err}
		return d
	}
	d.key, d.mtime = now.key, now.mtime
	age := began.Sub(d.mtime)
	d.quiet = age > quietAfter
	h, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		d.err = err
		if errors.Is(err, fs.ErrPermission) {
			for _, name := range names {
				d.add(unix.AT_FDCWD, filepath.Join(path, name))
			}
		}
		return d
	}
	defer h.Close()
	list, err := h.ReadDir(-1)
	if err != nil {
		d.err = err
		return d
	}
	dir := int(h.Fd())
	for _, item := range list {
		if item.IsDir() {
			d.subs = append(d.subs, item.Name())
		}
		if item.IsDir() || (wanted != nil && !wanted(item.Name())) {
			continue
		}
		d.add(dir, item.Name())
	}
	return d
}

// steady lists a folder again until two listings in a row hold the same: a name may be missing from one that is made
// while files are renamed.
func (d *folder) steady(wanted func(name string) bool) *folder {
	for range movedTries {
		last := d
		d = listFolder(d.path, nil, wanted)
		if maps.EqualFunc(d.entries, last.entries, func(a, b entry) bool { return a.key == b.key }) {
			break
		}
	}
	return d
}

// add looks at a name, relative to an open folder as statx(2) takes it. One that is gone by now was renamed or deleted meanwhile,
// which the folder's time will show.
func (d *folder) add(dir int, name string) {
	e := entry{path: filepath.Join(d.path, filepath.Base(name))}
	var err error
	if e.stat, err = statAt(dir, name, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return
	}
	if e.link = e.kind == unix.S_IFLNK; e.link {
		if e.stat, err = statAt(dir, name, 0); err != nil {
			e.err = &fs.PathError{Op: "stat", Path: e.path, Err: err}
		}
	}
	d.entries[filepath.Base(name)] = e
}

// changed tells whether the folder may hold other names than when it was listed.
func (d *folder) changed() bool {
	if d.err != nil || !d.quiet {
		return true
	}
	now, err := statAt(unix.AT_FDCWD, d.path, 0)
	return err != nil || now.key != d.key || !now.mtime.Equal(d.mtime)
}

// missing tells whether the folder is not there, which is no trouble if it was never asked for by its full path.
func (d *folder) missing() bool { return errors.Is(d.err, fs.ErrNotExist) }
