package edl

import (
	"fmt"
	"time"
)

// behind is the list that a pause keeps from being served, and until when.
type behind struct {
	until   time.Time
	entries []Entry // as arranged
	left    int
}

// PublishPaused serves an empty list until a time, and then entries, also where nothing is published by then: after a restart without the store,
// too. The rest is as with Publish.
func (s *Server) PublishPaused(entries []Entry, at, until time.Time) {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	s.succeed()
	list, left := arrange(entries, s.opts.MaxEntries)
	s.pause(&behind{until: until, entries: list, left: len(left)}, at, false)
	s.saver.mark(s.kept(), s.now())
}

// pause serves nothing before a list that waits for the end of a pause. It is called with publishing held.
func (s *Server) pause(b *behind, at time.Time, lastGood bool) {
	s.current.Store(s.prepare(nil, 0, at, lastGood))
	s.behind.Store(b)
}

// list gives what is served now; nil: nothing is. A pause that is over ends here.
func (s *Server) list() *snapshot {
	if b := s.behind.Load(); b != nil && !s.now().Before(b.until) {
		s.publishing.Lock()
		defer s.publishing.Unlock()
		if s.behind.CompareAndSwap(b, nil) {
			s.current.Store(s.prepare(b.entries, b.left, s.current.Load().updated, true))
		}
	}
	return s.current.Load()
}

// kept gives what is served, and what a pause keeps from that, as it is kept in a file. It is called with publishing held.
func (s *Server) kept() *lastGood {
	now := s.current.Load()
	l := &lastGood{updated: now.updated, since: s.keep.modified, exact: s.keep.exact, etag: s.keep.etag, left: now.left, entries: s.keep.entries}
	l.content = l.etag
	if b := s.behind.Load(); b != nil {
		l.paused, l.left, l.entries = b.until.UTC(), b.left, b.entries
		l.content = fmt.Sprint(b.until.UnixNano(), entityTag(render(b.entries, s.opts.EmptyEntry)))
	}
	return l
}
