package labels

import (
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"time"
)

// Every is how often files should be looked at.
const Every = time.Minute

// mostEntries bounds what all files hold together, some 32 bytes each.
const mostEntries = 2_000_000

// mostBlocked bounds what all files of mode block list together: more than a firewall, or a list that it fetches, has room for.
const mostBlocked = 100_000

// leastKept is the share of its entries, in percent, that a file must still have to be taken over. A file that had fewer than
// fewEntries may lose any, but not all: a share of two or three says nothing.
const (
	leastKept  = 70
	fewEntries = 10
)

// mostLifted is how many blocks a list may lift at once: one that is poisoned, or not the one that was meant, lifts many.
const mostLifted = 50

// Mode says what it means to be on a list.
type Mode uint8

const (
	// Label: the addresses are told with their label.
	Label Mode = iota
	// Never: they are never blocked.
	Never
	// Block: they are blocked.
	Block
)

// CopyName is what the copy of a file is kept under: one that gets another mode begins without the copy of before, and is held to
// what such a file may not do at once.
func (f *File) CopyName() string {
	switch f.Mode {
	case Never:
		return f.Path
	case Block:
		return f.Path + " (block)"
	}
	return f.Path + " (label)"
}

// ParseMode reads the word that the configuration uses: label, never or block.
func ParseMode(word string) (Mode, error) {
	switch word {
	case "label":
		return Label, nil
	case "never":
		return Never, nil
	case "block":
		return Block, nil
	}
	return Label, fmt.Errorf("%q is no mode of a label file: label, never or block", word)
}

// File is one list.
type File struct {
	Path  string
	Label string
	Mode  Mode
}

// Options say what a set works with. Only Now must be set.
type Options struct {
	Files  []File
	Now    func() time.Time // for troubles
	Copies Copies           // nil: none are kept
	// Blocked are the networks that are blocked now; nil: none. A file of mode never that would lift very many of them at once
	// is not taken over.
	Blocked iter.Seq[netip.Prefix]
}

// Set follows some files. Restore and Refresh are called by one goroutine at a time; the other methods by any.
type Set struct {
	opts     Options
	files    []*followed
	lists    atomic.Pointer[Lists]
	troubles atomic.Pointer[[]Trouble]
	remarks  atomic.Pointer[[]Trouble]
}

// followed is one file between two looks.
type followed struct {
	File
	entries []netip.Prefix
	loaded  bool     // it was read once, or its copy was
	seen    identity // of the file when last read, whether it was taken over or not; zero: it is to be read again
	refused *Trouble // why it was not taken over
	partial *Trouble // what of it was left out
	unsaved *Trouble // why there is no copy of it
	odd     []Trouble
}

// identity tells whether a file is still the same.
type identity struct {
	device, inode uint64
	size          int64
	modified      time.Time
}

// New makes a set that has read nothing yet.
func New(opts Options) *Set {
	s := &Set{opts: opts}
	for _, f := range opts.Files {
		s.files = append(s.files, &followed{File: f})
	}
	s.publish(true)
	return s
}

// Lists gives what the files hold, as last read: the same as before where nothing changed. It is never nil.
func (s *Set) Lists() *Lists { return s.lists.Load() }

// Troubles gives what is wrong with the files, in their order.
func (s *Set) Troubles() []Trouble { return *s.troubles.Load() }

// Remarks gives what is odd in the files and no trouble, for whoever writes them.
func (s *Set) Remarks() []Trouble { return *s.remarks.Load() }

// Refresh looks at every file and reads those that are new or have changed. It tells whether the lists did.
func (s *Set) Refresh() (changed bool) {
	for _, f := range s.files {
		changed = s.look(f) || changed
	}
	s.publish(changed)
	return changed
}

// look reads one file, unless it is as it was.
func (s *Set) look(f *followed) (changed bool) {
	file, id, err := open(f.Path)
	if err != nil {
		f.seen = identity{} // it is tried again at the next look
		f.refuse(s.opts.Now(), fmt.Sprintf("%s cannot be read: %v", f.Path, reason(err)), "Restore the file, and let the daemon's user read it")
		return false
	}
	defer file.Close() // it was only read
	if id == f.seen {
		if f.unsaved != nil {
			s.save(f)
		}
		return false
	}
	c, err := parse(file)
	if err == nil {
		err = s.fits(f, c)
	}
	if again, statErr := identify(file); statErr != nil || again != id {
		if err != nil || f.loaded {
			return false // it is being written; the next look will find it whole
		}
		id = identity{}
	}
	f.seen = id
	if errors.Is(err, errLifts) || errors.Is(err, errTotal) || errors.Is(err, errBlocked) {
		f.seen = identity{} // whether it can be taken over is not up to the file alone
	}
	if err != nil {
		f.refuse(s.opts.Now(), fmt.Sprintf("%s was not taken over: %v", f.Path, err), s.remedyOf(f, err))
		return false
	}
	changed = !slices.Equal(f.entries, c.entries)
	f.entries, f.loaded, f.refused = c.entries, true, nil
	f.leftOut(s.opts.Now(), c)
	f.remark(s.opts.Now(), c)
	if changed || f.unsaved != nil {
		s.save(f)
	}
	return changed
}

var (
	errNothing = errors.New("no line of it begins with an address")
	errShrunk  = errors.New("it lost too many of its entries")
	errLifts   = fmt.Errorf("it would lift more than %d blocks at once", mostLifted)
	errTotal   = fmt.Errorf("all label files together would have more than %d entries", mostEntries)
	errBlocked = fmt.Errorf("all label files of mode block together would have more than %d entries", mostBlocked)
	errEmptied = errors.New("it lists nothing any more")
)

// fits tells why what a file has now cannot be taken over.
func (s *Set) fits(f *followed, c content) error {
	total, blocked := len(c.entries), len(c.entries)
	for _, other := range s.files {
		if other != f {
			total += len(other.entries)
		}
		if other != f && other.Mode == Block {
			blocked += len(other.entries)
		}
	}
	switch {
	case total > mostEntries:
		return errTotal
	case f.Mode == Block && blocked > mostBlocked:
		return errBlocked
	case len(c.entries) == 0 && c.bad.lines > 0:
		return fmt.Errorf("%w; line %d: %q", errNothing, c.bad.first, c.bad.text)
	case len(c.entries) == 0 && len(f.entries) > 0:
		return fmt.Errorf("%w: it has 0, and had %d", errEmptied, len(f.entries))
	case len(f.entries) >= fewEntries && len(c.entries)*100 < len(f.entries)*leastKept:
		return fmt.Errorf("%w: it has %d, and had %d", errShrunk, len(c.entries), len(f.entries))
	}
	if n := s.lifts(f, c.entries); n > mostLifted {
		return fmt.Errorf("%w: %d", errLifts, n)
	}
	return nil
}

// lifts counts the blocks that would end if a file had these entries.
func (s *Set) lifts(f *followed, entries []netip.Prefix) (n int) {
	if f.Mode != Never || s.opts.Blocked == nil {
		return 0
	}
	for p := range s.opts.Blocked {
		if overlaps(entries, p) {
			n++
		}
	}
	return n
}

// publish makes what was read visible to others; changed tells whether the lists are to be made anew.
func (s *Set) publish(changed bool) {
	lists, troubles, remarks := &Lists{}, []Trouble{}, []Trouble{}
	for _, f := range s.files {
		lists.files = append(lists.files, Listing{f.File, f.entries})
		remarks = append(remarks, f.odd...)
		for _, t := range []*Trouble{f.refused, f.partial, f.unsaved} {
			if t != nil {
				troubles = append(troubles, *t)
			}
		}
	}
	if changed {
		s.lists.Store(lists)
	}
	s.troubles.Store(&troubles)
	s.remarks.Store(&remarks)
}

// open opens a file that can be read to its end.
func open(path string) (*os.File, identity, error) {
	// A pipe without a writer must not hold up the others.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, identity{}, err
	}
	id, err := identify(file)
	if err != nil {
		return nil, identity{}, errors.Join(err, file.Close())
	}
	return file, id, nil
}

func identify(file *os.File) (identity, error) {
	info, err := file.Stat()
	if err != nil {
		return identity{}, err
	}
	if !info.Mode().IsRegular() {
		return identity{}, errors.New("it is no regular file")
	}
	id := identity{size: info.Size(), modified: info.ModTime()}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		id.device, id.inode = uint64(stat.Dev), stat.Ino
	}
	return id, nil
}
