// Package tail turns paths into endless sources of lines. A path is followed across everything that rotation does to
// it (rename, several renames while nobody looked, compression, copy and truncate, deletion), and every complete line
// is given exactly once, also across restarts: the caller stores the positions it is given in the transaction that
// stores the lines, and hands them back to [Open]. It may read ahead: positions are those of the line that it says it has
// used.
//
// A file is known by device, inode and a fingerprint of the first bytes that were consumed of it. So a reused inode is
// a new file, and a copy of what was read already, compressed or not, is not read again. Between the listing of a folder
// and the opening of a file its inode may go to another one: what was listed is told from that by when it was made.
//
// The package does not parse lines, does not decide which of several files goes first, and starts no goroutine but the
// one that listens for file system events. Events only wake; what is read is decided by looking at the files.
package tail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/rs/zerolog"
)

const (
	defaultMaxLine = 64 << 10
	defaultPoll    = time.Second
	// graceAtLeast is how long a file that has a successor is still watched for late writers: syslog daemons go on
	// writing into the renamed file until they are told to reopen it.
	graceAtLeast = 10 * time.Second
	// goneGrace is how long a file is kept open, or looked for, that nothing has replaced.
	goneGrace = time.Hour
	// silentFor is how long a file must have been silent to be closed, though it is still there: with a new file every
	// hour, they would otherwise all stay open. It is opened again when it grows.
	silentFor = 24 * time.Hour
)

// Input is one configured path.
type Input struct {
	Pattern  string // as of [filepath.Match], in every part of the path; files that appear later are picked up
	MaxFiles int    // that are followed at once, those with news first; the others are read in their turn. 0: 10,000
	FromEnd  bool   // a file that is there when the input is first opened starts after its last complete line
	Sealed   bool   // what was renamed is not written to any more: it is done when it was read to its end
	Ending   bool   // nothing is written there any more, and what was read is deleted, in the end with its folder: that it is missing is no trouble
	Tag      int    // the caller's number of this input; see [Stream.Tag]
}

// Options configure a [Set]. The zero value of every field is usable.
type Options struct {
	Inputs       []Input       // where several match one path, the first counts
	MaxLine      int           // bytes of a line that are given; 0: 64 KiB
	PollInterval time.Duration // 0: 1 s
	Logger       zerolog.Logger
	// Since, if not zero, is when the caller ran for the first time. It counts as long as no position was stored: what
	// was rotated since then was there to be read, and is read before what lies at its path now. Without it, a caller that
	// is killed before its first positions last would not know of the files that are renamed then.
	Since time.Time

	now         func() time.Time                  // nil: time.Now; for grace periods only, never compared with times of files
	descriptors int                               // paths that can be followed at once; 0: as many as the limit of open files leaves room for
	newWatcher  func() (*fsnotify.Watcher, error) // nil: fsnotify.NewWatcher
}

// Position says how far one file was read. It is a snapshot for the caller to store, together with everything up to
// the line that it has used last.
type Position struct {
	ID     int64  // number of this file (its identity), unique among the positions given to Open and made since
	Path   string // of the stream that reads it, which is not where a rotated file lies now
	Device uint64 // 0, with Inode 0: known by its content only, as it is read from a compressed copy
	Inode  uint64
	// Fingerprint is the SHA-256 of the first FingerprintLen bytes, at most 1024: what was consumed, and complete lines
	// that were seen beyond Offset, so that a file of which nothing was consumed yet is known again.
	Fingerprint    []byte
	FingerprintLen int
	Offset         int64     // bytes used; the next line begins here
	Done           bool      // renamed away, deleted or replaced, and read to its end; kept so that it is not read again
	Updated        time.Time // modification time of the file when it was last seen under Path; times of generations are compared with it
}

// Line is one complete line of a file.
type Line struct {
	File   int64  // Position.ID
	Offset int64  // of its first byte; NULs ahead of a line, as copytruncate leaves them under a writer that does not append, are none of it
	Next   int64  // of the byte after its newline
	Data   []byte // without the newline and one CR before it; valid until the next Next on the same stream
	Cut    bool   // longer than MaxLine: Data is its head, the rest was skipped
}

// Set is the streams of all inputs. Its methods and those of its streams may be called from several goroutines, but
// Wait from one only, and a Line's Data is valid until the next call of Next on the same stream. What several of its parts
// have a say in, such as which identity a file at a path is, is decided here; each part owns its own state.
type Set struct {
	inputs  inputs
	maxLine int
	poll    time.Duration
	grace   time.Duration
	log     zerolog.Logger
	now     func() time.Time
	since   time.Time // Options.Since; zero: a position is known
	watch   *watch

	more atomic.Bool // a stream stopped at its read budget: there is more to do without any event

	mu        sync.Mutex // guards what follows, what changes of inputs, what is watched, and all of the streams and files
	known     registry
	streams   map[string]*Stream
	order     []*Stream // the same, by path if sorted
	sorted    bool
	news      news
	room      room
	crowds    []Crowd
	lost      uint64 // files of which lines may be lost that were not read
	round     int    // of Refresh
	unsettled bool   // a path has trouble, or a known file is looked for
	folders   folders
	excluded  exclusions
	searched  time.Time        // when folders were last listed for LineAt
	heads     map[state][]byte // of compressed files, as restPacked found them; while what is there is compared
	buffers   buffers
	scratch   [fingerprintMax]byte
	closed    bool
}

// Open begins to follow the inputs at the positions given, which are all that the caller has, those of paths that are
// no longer configured included (they are left alone). The error is about an invalid pattern, or the context's when that
// ended first; trouble with files is in [Stream.Status]. The caller must Close the Set.
func Open(ctx context.Context, o Options, positions []Position) (*Set, error) {
	s := &Set{
		maxLine: o.MaxLine, poll: o.PollInterval, log: o.Logger, now: o.now,
		known: newRegistry(positions), streams: map[string]*Stream{}, news: newNews(), excluded: newExclusions(o.Logger),
	}
	if s.maxLine <= 0 {
		s.maxLine = defaultMaxLine
	}
	s.buffers.most = s.maxLine + 4096
	if s.poll <= 0 {
		s.poll = defaultPoll
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.grace = max(5*s.poll, graceAtLeast)
	if len(positions) == 0 {
		s.since = o.Since
	}
	var err error
	if s.inputs, err = newInputs(o.Inputs); err != nil {
		return nil, err
	}
	s.restore()
	s.room.most = cmp.Or(o.descriptors, roomForAll())
	s.watch = startWatch(o.newWatcher, s.inputs.list, s.log)
	s.mu.Lock()
	err = s.scan(ctx)
	s.inputs.opening = false
	s.mu.Unlock()
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// restore makes a stream for each configured path that is known and was not read to its end.
func (s *Set) restore() {
	for _, f := range s.known.byID() {
		in := s.inputs.of(f.path)
		if in == nil {
			continue
		}
		in.known = true
		if f.done {
			continue
		}
		st := s.streams[f.path]
		if st == nil {
			st = s.addStream(newStream(s, f.path, in))
		}
		st.await(f)
	}
	for i := range s.inputs.list {
		if in := &s.inputs.list[i]; in.literal && s.streams[in.Pattern] == nil {
			s.addStream(newStream(s, in.Pattern, in)).horizon.stamp = s.known.lastSeen(in.Pattern)
		}
	}
	for _, st := range s.order {
		st.fromEnd = s.inputs.startsAtEnd(st.path)
	}
}

// Streams gives one stream for each path, sorted by path. A pattern whose folder cannot be read is represented by a
// stream without lines that carries the trouble, and is named after the pattern.
func (s *Set) Streams() []*Stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ordered())
}

// Changed gives the streams that came and those that went since it was last asked; one that did both is in neither.
func (s *Set) Changed() (came, went []*Stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.news.changed()
}

// Ready gives, in no order, the streams that may have lines that they had not when Next or Each last gave none, each once:
// what it gives is to be read until there are none. Where no stream is ready nothing has to be done, however many there are.
func (s *Set) Ready() []*Stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	for path := range s.watch.fed() {
		st, other := s.streams[path], s.watch.readAt(path)
		if st != nil {
			s.news.of(st)
		}
		if other != nil && s.streams[other.path] == other {
			s.news.of(other)
		}
		if other == nil && (st == nil || !st.files.holds()) {
			s.reconsider(path)
		}
	}
	return s.news.take()
}

// Forget drops finished files that were last modified before the time given and are in no folder that is looked at any
// more, and returns their IDs: their stored positions are of no more use. It is for keeping that table short.
func (s *Set) Forget(before time.Time) []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	there := s.folders.inodes()
	var ids []int64
	for _, f := range s.known.byID() {
		if d := s.folders.of(f.path); d != nil && d.err != nil {
			continue // what cannot be seen may still be there: its folder may not be mounted now
		}
		if st := s.streams[f.path]; st != nil && st.delivery.reports(f) {
			continue
		}
		if f.done && f.h == nil && !there[f.key] && f.stamp.Before(before) && s.inputs.of(f.path) != nil {
			s.known.forget(f)
			ids = append(ids, f.id)
		}
	}
	return ids
}

// Close releases files and watches. Streams give no more lines afterwards; their positions remain readable.
func (s *Set) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	var errs []error
	for _, f := range s.known.files {
		errs = append(errs, f.close())
	}
	s.mu.Unlock()
	errs = append(errs, s.watch.close())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close followed files: %w", err)
	}
	return nil
}

var errClosed = fmt.Errorf("followed files: %w", os.ErrClosed)
