package edl

import (
	"cmp"
	"crypto/sha256"
	"net/http"
	"net/netip"
	"strconv"
	"time"
)

// snapshot is one version of the list. It is complete and never changed, so a reader that holds it gets a body that fits
// its ETag whatever is published meanwhile.
type snapshot struct {
	body []byte
	etag string
	// modified is when the content last changed, in whole seconds, because HTTP dates have no finer ones. It never goes back,
	// not even when the clock does.
	modified time.Time
	// exact: no other content was served with this same modified time, so that it alone tells whether a client's copy is
	// current.
	exact    bool
	updated  time.Time // when it was last known to be right
	entries  int
	left     int
	lastGood bool // read from the file of the last run

	header http.Header
}

// kept is what Publish remembers from one call to the next. Entries are not in the snapshot, so that a slow reader of an
// old snapshot does not hold them.
type kept struct {
	entries  []Entry
	etag     string
	modified time.Time
	exact    bool
}

// Publish makes entries the list that is served, known to be right at `at`. It takes the slice over: the caller does not
// use it again. Order does not matter; an entry given twice counts once. While Run runs, a list with entries that the one before had not is in the last
// good file before it is served, unless that takes longer than a quarter of a second; other lists are soon, and the last one is at the end of Run.
func (s *Server) Publish(entries []Entry, at time.Time) {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	s.succeed()
	list, left := arrange(entries, s.opts.MaxEntries)
	grows := hasMore(list, s.keep.entries)
	next := s.prepare(list, len(left), at, false)
	s.logCut(left)
	l := &lastGood{updated: at.UTC(), since: s.keep.modified, exact: s.keep.exact, etag: s.keep.etag, content: s.keep.etag, left: len(left), entries: list}
	s.saver.mark(l, s.now())
	if grows {
		s.saver.await(l)
	}
	s.current.Store(next)
	s.behind.Store(nil)
}

// hasMore tells whether a list has entries that another one has not.
func hasMore(list, other []Entry) bool {
	for _, e := range list {
		for len(other) > 0 && precedes(other[0].Prefix, e.Prefix) {
			other = other[1:]
		}
		if len(other) == 0 || other[0].Prefix != e.Prefix {
			return true
		}
	}
	return false
}

// precedes tells whether a prefix stands before another one in a list (see inOrder).
func precedes(p, other netip.Prefix) bool {
	return cmp.Or(p.Addr().Compare(other.Addr()), cmp.Compare(p.Bits(), other.Bits())) < 0
}

// prepare makes a list ready to be served. It is called with publishing held.
func (s *Server) prepare(list []Entry, left int, at time.Time, lastGood bool) *snapshot {
	old := s.current.Load()
	next := &snapshot{updated: at.UTC(), entries: len(list), left: left, lastGood: lastGood}
	if old != nil && samePrefixes(s.keep.entries, list) {
		next.body, next.etag = old.body, old.etag
	} else {
		next.body = render(list, s.opts.EmptyEntry)
		next.etag = entityTag(next.body)
	}
	s.keep.entries = list
	s.keep.date(next.etag, at)
	next.modified, next.exact = s.keep.modified, s.keep.exact
	next.header = http.Header{
		"Content-Type":           {"text/plain; charset=utf-8"},
		"Content-Length":         {strconv.Itoa(len(next.body))},
		"Etag":                   {next.etag},
		"Last-Modified":          {next.modified.Format(http.TimeFormat)},
		"Cache-Control":          {"no-cache"}, // a proxy may keep it, but must ask each time
		"X-Content-Type-Options": {"nosniff"},
	}
	return next
}

// date tells when the content with this tag was first served. Content that came in the same second as other content, or
// after a clock was set back, gets the time of that other content and is marked as not exact.
func (k *kept) date(etag string, at time.Time) {
	if etag == k.etag {
		return
	}
	second := at.UTC().Truncate(time.Second)
	k.etag, k.exact = etag, second.After(k.modified)
	if k.exact {
		k.modified = second
	}
}

// cutLog remembers which entries were last named as left out.
type cutLog struct {
	digest [sha256.Size]byte
	at     time.Time
	cut    bool
}

// logCut names what MaxEntries left out, when that changed, at most once a minute: during an attack it may change with
// every list.
func (s *Server) logCut(left []Entry) {
	const named = 5
	if len(left) == 0 {
		if s.cut.cut {
			s.log.Info().Msg("the list is within max_entries again: nothing is left out")
		}
		s.cut = cutLog{}
		return
	}
	text := render(left, s.opts.EmptyEntry)
	digest, now := sha256.Sum256(text), s.now()
	if s.cut.cut && (digest == s.cut.digest || now.Sub(s.cut.at) < time.Minute) {
		return
	}
	s.cut = cutLog{digest: digest, at: now, cut: true}
	first := make([]string, 0, named)
	for _, e := range left[:min(named, len(left))] {
		first = append(first, string(appendPrefix(nil, e.Prefix)))
	}
	s.log.Warn().Int("left_out", len(left)).Int("max_entries", s.opts.MaxEntries).Strs("first", first).
		Msg("the list exceeds max_entries: forgeable entries are left out before proven ones, those inactive longest first")
}
