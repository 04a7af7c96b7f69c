package state

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/loop"
	"activedefense/store"
)

// How often a Sealer looks whether there is something to do, and what it waits at most after a failure; it begins with sealEvery.
const (
	sealEvery   = time.Second
	sealAtLeast = time.Minute
)

// A Sealer has what was recorded made into files.
type Sealer struct {
	Store *store.Store
	Log   zerolog.Logger
	Now   func() time.Time

	mu    sync.Mutex
	since time.Time // of the failure
	err   error     // why it fails; nil: it does not
}

// Run works until ctx ends. A database without files has nothing for it to do.
func (s *Sealer) Run(ctx context.Context) error {
	archive := s.Store.Archive()
	if archive == nil {
		return nil
	}
	told, pause := 0, sealEvery
	for {
		more, err := archive.Step(ctx, time.Now()) // whose time no clock sets back
		if ctx.Err() != nil {
			return nil
		}
		s.note(err)
		s.logMissed()
		if len(archive.Faults()) > told {
			_, what, remedy := s.Trouble()
			s.Log.Error().Msg(what + "; " + remedy)
		}
		told = len(archive.Faults())
		switch {
		case err != nil:
			pause = min(2*pause, sealAtLeast)
		case more:
			pause = 0
		default:
			pause = sealEvery
		}
		if !loop.Pause(ctx, pause) {
			return nil
		}
		pause = max(pause, sealEvery)
	}
}

// logMissed says which blocks had gone before they became files, each once, with what is known of them.
func (s *Sealer) logMissed() {
	for _, m := range s.Store.Archive().TakeMissed() {
		for _, b := range m.Blocks {
			s.Log.Warn().Int64("block", b.FirstID).Int64("records", b.Records).Time("oldest", b.Oldest).Time("newest", b.Newest).Int64("first", m.First).Int64("last", m.Last).
				Msg("a block of records was gone from the database before it became a file; if store.keep_records or store.max_size has not just removed its records, save the database and report this")
		}
	}
}

// note remembers how it went, and logs when it begins to fail and when it is over.
func (s *Sealer) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil && s.err == nil:
		s.since = s.Now()
		s.Log.Error().Err(err).Msg("cannot make files of records; they stay in the database, and it is tried again")
	case err == nil && s.err != nil:
		s.Log.Info().Msg("files of records are made again")
	}
	s.err = err
}

// Trouble tells what a person should see to, and since when; empty: nothing.
func (s *Sealer) Trouble() (since time.Time, what, remedy string) {
	s.mu.Lock()
	since, err := s.since, s.err
	s.mu.Unlock()
	if err != nil {
		remedy = "nothing is lost, the database grows meanwhile; see to the folder, it goes on by itself"
		if store.DiskFull(err) {
			remedy = "free space there; nothing is lost, and it goes on by itself"
		}
		return since, "store: records cannot be written to files: " + err.Error(), remedy
	}
	if s.Store.Archive() == nil {
		return time.Time{}, "", ""
	}
	faults := s.Store.Archive().Faults()
	if len(faults) == 0 {
		return time.Time{}, "", ""
	}
	first := faults[0]
	what = "store: " + first.Err.Error()
	if len(faults) > 1 {
		what += fmt.Sprintf(" (and %d more files or blocks)", len(faults)-1)
	}
	if first.File.ID == 0 {
		return first.Since, what, "searches go on without them; look for their lines in the log, and check this host's disk and memory; they go with store.keep_records"
	}
	return first.Since, what, "searches go on without its records; put the file back from a backup, else it goes with store.keep_records"
}
