package labels

import (
	"errors"
	"fmt"
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

// leastKept is the share of its entries, in percent, that a file must still have to be taken over.
const leastKept = 70

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

// Set follows some files. Refresh is called by one goroutine; the other methods by any.
type Set struct {
	now      func() time.Time
	copies   Copies // nil: none are kept
	files    []*followed
	lists    atomic.Pointer[Lists]
	troubles atomic.Pointer[[]Trouble]
}

// followed is one file between two looks.
type followed struct {
	File
	entries  []netip.Prefix
	loaded   bool     // it was read once, or its copy was
	restored bool     // its copy was looked for
	seen     identity // of the file when last read, whether it was taken over or not; zero: it is to be read again
	refused  *Trouble // why it was not taken over
	partial  *Trouble // what of it was left out
	unsaved  *Trouble // why there is no copy of it
}

// identity tells whether a file is still the same.
type identity struct {
	device, inode uint64
	size          int64
	modified      time.Time
}

// New makes a set that has read nothing yet. now is the clock, for troubles; copies may be nil.
func New(files []File, now func() time.Time, copies Copies) *Set {
	s := &Set{now: now, copies: copies}
	for _, f := range files {
		s.files = append(s.files, &followed{File: f})
	}
	s.publish()
	return s
}

// Lists gives what the files hold, as last read. It is never nil.
func (s *Set) Lists() *Lists { return s.lists.Load() }

// Troubles gives what is wrong with the files, in their order.
func (s *Set) Troubles() []Trouble { return *s.troubles.Load() }

// Refresh looks at every file and reads those that are new or have changed. It tells whether the lists did.
func (s *Set) Refresh() (changed bool) {
	for _, f := range s.files {
		if f.loaded {
			changed = s.look(f) || changed
			continue
		}
		read := s.look(f)
		changed = !f.loaded && s.restore(f) || read || changed
	}
	s.publish()
	return changed
}

// look reads one file, unless it is as it was.
func (s *Set) look(f *followed) (changed bool) {
	file, id, err := open(f.Path)
	if err != nil {
		f.seen = identity{} // it is tried again at the next look
		f.refuse(s.now(), fmt.Sprintf("%s cannot be read: %v", f.Path, reason(err)), "Restore the file, and let the daemon's user read it")
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
	if err != nil {
		f.refuse(s.now(), fmt.Sprintf("%s was not taken over: %v", f.Path, err), remedyOf(err))
		return false
	}
	changed = !f.loaded && len(c.entries) > 0 || f.loaded && !slices.Equal(f.entries, c.entries)
	f.entries, f.loaded, f.refused = c.entries, true, nil
	f.leftOut(s.now(), c)
	if changed || f.unsaved != nil {
		s.save(f)
	}
	return changed
}

var (
	errNothing = errors.New("no line of it begins with an address")
	errShrunk  = errors.New("it lost too many of its entries")
	errTotal   = fmt.Errorf("all label files together would have more than %d entries", mostEntries)
)

// fits tells why what a file has now cannot be taken over.
func (s *Set) fits(f *followed, c content) error {
	total := len(c.entries)
	for _, other := range s.files {
		if other != f {
			total += len(other.entries)
		}
	}
	switch {
	case total > mostEntries:
		return errTotal
	case len(c.entries) == 0 && c.bad.lines > 0:
		return fmt.Errorf("%w; line %d: %q", errNothing, c.bad.first, c.bad.text)
	case len(c.entries)*100 < len(f.entries)*leastKept:
		return fmt.Errorf("%w: it has %d, and had %d", errShrunk, len(c.entries), len(f.entries))
	}
	return nil
}

// publish makes what was read visible to others.
func (s *Set) publish() {
	lists, troubles := &Lists{}, []Trouble{}
	for _, f := range s.files {
		lists.files = append(lists.files, list{f.File, f.entries})
		for _, t := range []*Trouble{f.refused, f.partial, f.unsaved} {
			if t != nil {
				troubles = append(troubles, *t)
			}
		}
	}
	s.lists.Store(lists)
	s.troubles.Store(&troubles)
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
