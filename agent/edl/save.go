package edl

import (
	"context"
	"os"
	"sync"
	"time"

	"activedefense/agent/durable"
)

// saver writes the last good list, from Run's goroutine, so that Publish never waits for a disk.
type saver struct {
	wake chan struct{} // holds one element: something is to be saved

	mu      sync.Mutex
	pending *lastGood // newest list that is not saved; nil: all is saved
	etag    string    // of the list that is in the file, once this process wrote one
	saved   time.Time
	failed  string
}

const (
	// A burst of lists is written once a second: only the last one counts.
	saveEvery = time.Second
	saveRetry = 10 * time.Second
	// A list whose content does not change is written again now and then, so that the file tells until when it was right.
	saveRefresh = time.Hour
)

// mark notes a list to be saved. Content that is in the file already waits for the refresh or the end.
func (v *saver) mark(l *lastGood, now time.Time) {
	v.mu.Lock()
	v.pending = l
	due := l.etag != v.etag || v.failed != "" || now.Sub(v.saved) >= saveRefresh
	v.mu.Unlock()
	if due {
		v.ring()
	}
}

func (v *saver) ring() {
	select {
	case v.wake <- struct{}{}:
	default:
	}
}

func (v *saver) state() (saved time.Time, failed string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.saved, v.failed
}

// saveLoop saves what Publish marks until ctx ends, and what is left then.
func (s *Server) saveLoop(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			s.saveOnce()
			return
		case <-s.saver.wake:
		}
		pause := saveEvery
		if !s.saveOnce() {
			pause = saveRetry
			s.saver.ring()
		}
		select {
		case <-ctx.Done(): // the outer select ends the loop
		case <-time.After(pause):
		}
	}
}

// take gives the list that is to be saved; nil: none is.
func (v *saver) take() *lastGood {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.pending
}

// done notes what became of the writing of a list, and gives why the attempt before failed; "": it did not.
func (v *saver) done(l *lastGood, err error, now time.Time) (before string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	before = v.failed
	if err != nil {
		v.failed = err.Error()
		return before
	}
	v.failed, v.etag, v.saved = "", l.etag, now
	if v.pending == l {
		v.pending = nil
	} else if v.pending.etag != l.etag {
		v.ring() // when it was marked, it may have been in the file, which now has another one
	}
	return before
}

// saveOnce writes the pending list, if there is one. A failure is logged when it is new and shown in Status; the list is
// served all the same.
func (s *Server) saveOnce() bool {
	l := s.saver.take()
	if l == nil {
		return true
	}
	err := durable.Write(s.lastGoodFile(), l.encode(), 0o600, (*os.File).Sync)
	before := s.saver.done(l, err, s.now())
	switch {
	case err != nil && before == "":
		s.log.Error().Err(err).Msg("the list cannot be saved; it is served, but a restart without the store would serve an older one")
	case err == nil && before != "":
		s.log.Info().Msg("the list can be saved again")
	}
	return err == nil
}
