package tail

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// finish ends the reading of a file.
func (st *Stream) finish(f *file) {
	if left := f.sizeNow() - f.offset; left > 0 && f.zip == nil && (f != st.files.cur || !f.gone.IsZero()) {
		st.set.log.Info().Str("path", f.where).Int64("bytes", left).Msg("file ends without a newline; the incomplete last line is not read")
	}
	f.left = f.left || f == st.files.cur && f.gone.IsZero()
	st.remove(f)
	f.size = max(f.sizeNow(), f.offset)
	st.set.shut(f)
	st.delivery.conclude(f)
	if st.in.Sealed {
		st.set.news.of(st) // the caller is to store that it is done, though no line may come any more
	}
}

// discard ends the reading of a file that turned out not to be one to read before anything was consumed of it.
func (st *Stream) discard(f *file, why error) {
	st.set.excluded.name(f.where, "passed over: "+why.Error())
	st.remove(f)
	f.size = f.sizeNow()
	st.set.shut(f)
	st.delivery.conclude(f)
}

// expire lets go of files from which nothing comes any more, and of those that cannot be found.
func (st *Stream) expire() {
	s := st.set
	now := s.now()
	for _, f := range slices.Clone(st.files.late) {
		grace := s.grace
		if st.in.Sealed {
			grace = 0
		}
		if f.offset == 0 && !s.inputs.queued() {
			grace = goneGrace // without a fingerprint it would not be recognised after a restart when it is written to after all
		}
		if now.Sub(f.idle) >= grace && f.atEnd() {
			st.finish(f)
		}
	}
	if c := st.files.cur; c != nil && !c.gone.IsZero() && st.files.alone(c) && c.atEnd() {
		grace := goneGrace
		if c.deleted() || s.inputs.queued() && s.folders.holds(c) { // should it grow, that is noticed by its inode
			grace = s.grace
		}
		if now.Sub(c.gone) >= grace && now.Sub(c.idle) >= grace {
			st.finish(c)
		}
	}
	if c := st.files.cur; c != nil && c.gone.IsZero() && !st.literal && st.files.alone(c) && c.silent(now) {
		st.finish(c)
	}
	for _, f := range slices.Clone(st.files.waiting) {
		if (!f.found && now.Sub(f.since) >= goneGrace) || f.tries >= zipTries {
			st.lose(f)
		}
	}
	st.delivery.expire(now)
}

// silent tells whether nothing has come from a file for so long that it is closed though it is still there.
func (f *file) silent(now time.Time) bool {
	return f.offset > 0 && now.Sub(f.idle) >= silentFor && now.Sub(f.mtime) >= silentFor && f.atEnd()
}

// atEnd tells whether everything that is in an open file was looked at and no complete line is left.
func (f *file) atEnd() bool {
	if f.h == nil || f.end < 0 {
		return false
	}
	fi, err := f.h.Stat()
	return err == nil && fi.Size() == f.end
}

// deleted tells whether no name leads to an open file any more.
func (f *file) deleted() bool {
	if f.h == nil {
		return false
	}
	fi, err := f.h.Stat()
	return err == nil && unlinked(fi)
}

// lose gives up what was not read of a file that cannot be found.
func (st *Stream) lose(f *file) {
	st.remove(f)
	f.size = f.offset
	st.delivery.conclude(f)
	// What was passed over as a copy of it may hold what was not read.
	st.set.excluded.reconsider()
	st.set.watch.dirty.Store(true)
	if f.whole {
		return
	}
	st.set.lost++
	what := "deleted or truncated and no copy was found; lines not read before are lost"
	if f.offset == 0 && f.sumLen == 0 {
		what = "deleted or moved away, and it was empty when it was last seen; lines written to it since may be lost"
	}
	st.set.log.Warn().Str("path", st.path).Int64("offset", f.offset).Msg(what)
}

// outlived tells whether a file has no name any more and no copy: if generations came after it, rotation deletes them, and may have
// deleted some that were not seen.
func (f *file) outlived() bool {
	if f.offset == 0 || !f.deleted() {
		return false
	}
	copied := false
	walk(nil, f.path, f.stamp.Add(-timeSlack), -1, func(c candidate) (bool, error) {
		if !c.packed {
			return true, nil
		}
		left, err := restPacked(f.stream.set, f, c.entry)
		if left != nil && left.zip != nil {
			left.zip.close()
		}
		copied = left != nil || !strings.HasSuffix(c.path, ".gz")
		return !copied, err
	})
	return !copied
}

// setAside closes a file that cannot be read; it is looked for and opened again with every Refresh.
func (st *Stream) setAside(f *file, err error) {
	st.remove(f)
	if f.zip != nil {
		f.tries++
		f.retryAt = st.set.now().Add(zipRetry)
	}
	st.set.shut(f)
	f.fault = fmt.Errorf("read %s: %w", f.where, err)
	f.since = st.set.now()
	f.looked = time.Time{}
	st.files.waiting = append(st.files.waiting, f)
	st.set.unsettled = true
	st.health.report(st.err())
	st.set.news.of(st)
}

// shut closes a file.
func (s *Set) shut(f *file) {
	s.known.closed(f)
	if err := f.close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		s.log.Warn().Str("path", f.where).Err(err).Msg("cannot close the file")
	}
}
