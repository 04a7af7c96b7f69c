package edl

import (
	"context"
	"sync"
	"time"
)

// saver writes the last good list, from Run's goroutine. Publish waits for it with a list that has more than the one before, so that a kill
// and a store that is away leave nothing out that was served; but not long, for a disk may hang.
type saver struct {
	wake  chan struct{} // holds one element: something is to be saved
	write func(path string, data []byte) error

	mu      sync.Mutex
	running bool          // saveLoop is
	late    bool          // it was waited for in vain, and nothing was saved since
	told    chan struct{} // closed when the state is another
	pending *lastGood     // newest list that is not saved; nil: all is saved
	content string        // of the list that is in the file, once this process wrote one
	saved   time.Time
	failed  string
}

const (
	savePatience = 250 * time.Millisecond // for which a list waits to be saved before it is served
	saveRetry    = 10 * time.Second
	// A list whose content does not change is written again now and then, so that the file tells until when it was right.
	saveRefresh = time.Hour
)

// mark notes a list to be saved. Content that is in the file already waits for the refresh or the end.
func (v *saver) mark(l *lastGood, now time.Time) {
	v.mu.Lock()
	v.pending = l
	due := l.content != v.content || v.failed != "" || now.Sub(v.saved) >= saveRefresh
	v.mu.Unlock()
	if due {
		v.ring()
	}
}

// await waits until a list is saved that was marked, where that can be expected soon.
func (v *saver) await(l *lastGood) {
	patience := time.NewTimer(savePatience)
	defer patience.Stop()
	for {
		v.mu.Lock()
		told, soon := v.told, v.running && v.failed == "" && !v.late && v.content != l.content
		v.mu.Unlock()
		if !soon {
			return
		}
		select {
		case <-told:
		case <-patience.C:
			v.mu.Lock()
			v.late = true
			v.mu.Unlock()
		}
	}
}

// tell wakes those that await; v.mu is held.
func (v *saver) tell() {
	close(v.told)
	v.told = make(chan struct{})
}

// run notes whether saveLoop is running.
func (v *saver) run(is bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.running = is
	v.tell()
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
	s.saver.run(true)
	defer s.saver.run(false)
	for {
		select {
		case <-ctx.Done():
			s.saveOnce()
			return
		case <-s.saver.wake:
		}
		if s.saveOnce() {
			continue
		}
		s.saver.ring()
		select {
		case <-ctx.Done(): // the outer select ends the loop
		case <-time.After(saveRetry):
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
	defer v.tell()
	v.late = false
	before = v.failed
	if err != nil {
		v.failed = err.Error()
		return before
	}
	v.failed, v.content, v.saved = "", l.content, now
	if v.pending == l {
		v.pending = nil
	} else if v.pending.content != l.content {
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
	err := s.saver.write(s.lastGoodFile(), l.encode())
	before := s.saver.done(l, err, s.now())
	switch {
	case err != nil && before == "":
		s.log.Error().Err(err).Msg("the list cannot be saved; it is served, but a restart without the store would serve an older one")
	case err == nil && before != "":
		s.log.Info().Msg("the list can be saved again")
	}
	return err == nil
}
