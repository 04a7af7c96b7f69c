package listen

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/durable"
)

const (
	// largestSegment is the size at which a file is sealed, and an eighth of the spool is, if that is less.
	largestSegment = 64 << 20
	// leastSegments is into how many parts a spool is divided at least.
	leastSegments = 8
	// smallest is the part of the spool below which a file is not sealed to make room, so that there are never many.
	smallest = 4096
	// sealAfter is the age at which it is, and keepFor how long a sealed one is kept after it was read and stored, while less than half of the spool is
	// taken: what a verdict rests on is read again.
	sealAfter = 24 * time.Hour
	keepFor   = 15 * time.Minute
	// mostSenders is how many addresses have a file of their own at once; further ones share one. An empty file goes after forgetAfter, and
	// when there are so many.
	mostSenders = 1000
	forgetAfter = 30 * 24 * time.Hour
	// fullTold is how often it is logged at most that the spool is full, and askWithin how long the database may take to say how far it is.
	fullTold  = time.Minute
	fullOver  = 10 * time.Second // after what did not fit last it is over
	askWithin = 10 * time.Second

	signatureLen = 65

	others = "others"
	suffix = ".log"
)

var errFull = errors.New("the spool is full")

// spool is the files of one listener: of each sender one that is written to, and those that were sealed. A file is open only while it is written to, so
// that there may be many.
type spool struct {
	dir     string
	segment int64
	log     zerolog.Logger
	now     func() time.Time
	room

	reading   []byte      // of the input: how what is spooled is read
	described atomic.Bool // that lies beside it

	mu      sync.Mutex
	senders map[string]*sender
	sealed  []sealed
	last    int64         // number of the file sealed last
	freed   chan struct{} // closed when there is room again
	full    time.Time     // since when there is none; zero: there is
	refused time.Time     // when something last did not fit
	told    time.Time     // when it was last logged that nothing does
	failed  error         // why a file cannot be written, of the last try
	wake    chan struct{} // holds one: the keeper is to look
}

// offer writes lines of a sender, and gives those that were not written, which begin with a whole one: with errFull where there is no room, else
// with what the system said.
func (s *spool) offer(from netip.Addr, lines []byte) (rest []byte, err error) {
	for {
		f := s.sender(from)
		f.mu.Lock()
		if f.gone { // since it was given
			f.mu.Unlock()
			continue
		}
		rest, err = s.write(f, lines)
		f.mu.Unlock()
		s.report(err)
		return rest, err
	}
}

// put is offer that waits for room until ctx ends, and gives what was not written then.
func (s *spool) put(ctx context.Context, from netip.Addr, lines []byte) (rest []byte) {
	for {
		s.mu.Lock()
		freed := s.freed
		s.mu.Unlock()
		var err error
		if lines, err = s.offer(from, lines); err == nil {
			return nil
		}
		select {
		case <-freed:
		case <-time.After(time.Second): // the disk may have room again
		case <-ctx.Done():
			return lines
		}
	}
}

// report notes what came of a write.
func (s *spool) report(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		if s.failed != nil {
			s.recover()
		}
		return
	}
	if s.full.IsZero() {
		s.full = s.now()
	}
	s.refused = s.now()
	if s.full.Sub(s.told) >= fullTold { // while what was received is caught up with, it is full again and again
		s.told = s.full
		s.log.Error().Str("spool", s.dir).Int64("bytes", s.used.Load()).Int64("most", s.max).Int64("disk_free", s.free.Load()).Int64("disk_reserved", s.reserve.Load()).Err(err).Msg("cannot spool: senders over TCP wait, messages over UDP are dropped")
	}
	if s.failed = err; errors.Is(err, errFull) {
		s.failed = nil
	}
	s.rouse()
}

// recover notes that lines are written again. Its caller holds mu.
func (s *spool) recover() {
	s.failed = nil
	if s.full.Equal(s.told) {
		s.log.Info().Str("spool", s.dir).Msg("spooling again")
	}
	s.full = time.Time{}
}

// rouse wakes the keeper.
func (s *spool) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// keepOnce seals what is old, or all that is large enough where room is wanted, and deletes what was read and stored. positions is asked only where that
// may be something.
func (s *spool) keepOnce(ctx context.Context, positions func(context.Context) ([]Position, error)) error {
	now := s.now()
	s.look(s.dir)
	pressed := s.pressed()
	err := errors.Join(s.describe(), s.sealDue(now, pressed))
	s.mu.Lock()
	due := slices.ContainsFunc(s.sealed, func(f sealed) bool { return pressed || f.old(now) })
	s.mu.Unlock()
	if due && positions != nil {
		asked, cancel := context.WithTimeout(ctx, askWithin)
		known, e := positions(asked)
		cancel()
		if e != nil {
			return cmp.Or(err, e)
		}
		err = errors.Join(err, s.remove(known, now, pressed))
	}
	s.mu.Lock()
	for s.dismiss(now.Add(-forgetAfter)) {
	}
	if used, room := s.used.Load(), s.most.Load(); used < room {
		if !s.full.IsZero() && s.failed == nil && used < room/10*9 && now.Sub(s.refused) >= fullOver {
			s.recover()
		}
		close(s.freed)
		s.freed = make(chan struct{})
	}
	s.mu.Unlock()
	return err
}

// describe writes beside the lines how they are read.
func (s *spool) describe() error {
	if s.described.Load() || len(s.reading) == 0 {
		return nil
	}
	err := describe(s.dir, s.reading)
	s.described.Store(err == nil)
	return err
}

// describe writes into a folder how the lines in it are read, if that does not lie there.
func describe(dir string, reading []byte) error {
	path := filepath.Join(dir, readingFile)
	if there, err := durable.Read(path); err == nil && bytes.Equal(there, reading) {
		return nil
	}
	if err := durable.Write(path, reading, 0o600, (*os.File).Sync); err != nil {
		return fmt.Errorf("note how the lines of a spool are read: %w", err)
	}
	return nil
}
