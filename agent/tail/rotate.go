package tail

import (
	"errors"
	"slices"
	"time"
)

// timeSlack is by how much a modification time may have been rounded where it was stored.
const timeSlack = time.Millisecond

// succeed makes the file that lies at the path now the last one to be read, after everything that lay there between it
// and the one before.
//
// A file that came after the listing is as good as the one listed, unless the path is that of a generation: there it
// may be one that another stream has to read first, and is left to the next look.
func (st *Stream) succeed(e entry) {
	s := st.set
	f := st.takeOver(e)
	if f == nil {
		return
	}
	// The handle of the new file is held: whatever happens to the names from here on, it will be read.
	renew(st)
	st.files.gone(s.now())
	known := st.horizon.until()
	if known.IsZero() && !st.fromEnd {
		known = s.since
	}
	before := st.files.cur
	st.files.cur = nil
	if st.held {
		st.horizon.doubt(known) // its copies are looked for together with what lay there since
	} else {
		st.account(f)
		listed := s.folders.around(st.path)
		if !e.is(f.key, f.born) {
			listed = nil // what was listed was rotated since
		}
		unseen := s.between(st, listed, known, f)
		if len(unseen) > 0 && before != nil && before.outlived() {
			s.lost++
			s.log.Warn().Str("path", st.path).Msg("rotated more than once while not watched, and deleted; what was written between may be lost")
		}
		st.files.push(unseen...)
	}
	st.files.present(f)
	st.fromEnd = false
	st.horizon.stamp = f.stamp
	st.number()
}

// renew gives what the present file holds now an identity, if that was replaced, before positions name what came after it.
func renew(st *Stream) {
	if c := st.files.cur; c != nil && c.h != nil && errors.Is(st.set.intact(c), errReplaced) {
		st.truncated(c)
	}
}

// takeOver opens what lies at the path, nil if that is not to be read, or not now.
func (st *Stream) takeOver(e entry) *file {
	s := st.set
	if owner := s.known.reading(e.key); owner != nil {
		if owner.stream == st && owner.zip == nil {
			st.remove(owner)
			st.files.present(owner)
			owner.gone = time.Time{}
			return nil
		}
		s.excluded.name(e.path, "passed over: "+errTaken.Error())
		st.vanished()
		return nil
	}
	if s.excluded.has(e) {
		st.vanished()
		return nil
	}
	listed := false
	for _, path := range basePaths(st.path) {
		if base := s.streams[path]; base != nil {
			if listed = true; base.held || base.files.cur != nil && base.files.cur.outdated(base.path) {
				s.watch.dirty.Store(true)
				return nil
			}
		}
	}
	if !st.admit() {
		return nil
	}
	f, err := s.claim(st, e, listed)
	if err == nil {
		return f
	}
	s.room.yield(st)
	switch {
	case passedOver(err):
		s.excluded.settle(e.path, e.state())
		s.excluded.name(e.path, "passed over: "+err.Error())
		st.vanished()
	case errors.Is(err, errMoved):
		s.watch.dirty.Store(true)
	case vanishedError(err, e):
		st.vanished()
	default:
		st.health.scan = err
	}
	return nil
}

// account clears up, as something else lies at the path now, what became of the known files that are not found: what is
// left of them is in a copy, or it is lost.
func (st *Stream) account(present *file) {
	st.findRests()
	for _, old := range slices.Clone(st.files.waiting) {
		switch {
		case old.found || old.fault != nil:
		case present.offset >= old.offset && old.begins(present.seen):
			st.remove(old) // an older copy of what is there
			st.delivery.conclude(old)
		default:
			st.lose(old)
		}
	}
}

func passedOver(err error) bool {
	for _, kind := range [...]error{errNotRegular, errCompressed, errTaken, errFinished, errCopy} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// resume opens the known files that are not open, wherever they lie now.
func (st *Stream) resume() {
	s := st.set
	for _, f := range slices.Clone(st.files.waiting) {
		f.found = s.now().Before(f.retryAt)
		if f.found || f.key == (inode{}) {
			continue
		}
		places := s.folders.find(f.key)
		if e, ok := s.folders.entry(f.path); ok && e.key == f.key {
			places = append([]entry{e}, places...)
		}
		if len(places) == 0 && len(s.folders.around(f.path)) > 1 {
			places = s.folders.find(f.key) // in a folder below
		}
		for _, e := range places {
			if s.known.reading(e.key) != nil {
				continue
			}
			if st.rest(f, e) {
				break
			}
			if f.found = !st.admit(); f.found {
				break
			}
			done := st.resumeAt(f, e)
			s.room.yield(st)
			if done {
				break
			}
		}
		if !f.found && !f.done && f.h == nil && f.looked.IsZero() {
			st.horizon.doubt(f.stamp) // what took its place may be older than what is known of the path
		}
	}
}

// resumeAt opens a known file where it may lie now, and tells whether it need not be looked for elsewhere.
func (st *Stream) resumeAt(f *file, e entry) bool {
	s := st.set
	o, err := openPlain(e.path)
	if err != nil {
		if !vanishedError(err, e) && !passedOver(err) {
			f.found, st.health.scan = true, err
		}
		return false
	}
	if s.known.match(o) != f {
		o.h.Close()
		return false
	}
	if f.sumLen == 0 && (e.path != f.path || s.known.awaited(e.path, o)) {
		// It was empty, so nothing but the inode speaks for it, which may serve another file now. If this is a
		// generation of the path, or a copy of a file that is looked for, it is to be read, but where it belongs.
		o.h.Close()
		st.reorder(f, e)
		return true
	}
	st.goOn(f, e, o)
	return true
}

// reorder gives up an identity that is uncertain; what it may have been is found as a generation that is not known.
func (st *Stream) reorder(f *file, e entry) {
	st.remove(f)
	f.size = 0
	st.delivery.conclude(f)
	st.horizon.doubt(f.stamp)
	st.horizon.doubt(e.mtime) // which the clock that was set back gave it
}

// goOn reads on in a known file that was found.
func (st *Stream) goOn(f *file, e entry, o *opened) {
	fault, stamp := f.fault, f.stamp
	st.set.attach(f, st, e.path, o)
	f.fault = fault // until something was read
	if e.path != st.path || st.files.cur != nil {
		st.files.enqueue(f)
		return
	}
	if f.offset == 0 {
		// Nothing but the inode says that it was not truncated meanwhile: then what it held is in a copy.
		st.files.push(st.set.between(st, st.set.folders.around(st.path), stamp, f)...)
	}
	st.files.present(f)
	st.horizon.stamp = f.stamp
	st.number()
}

// truncated gives the content that replaced what was consumed of an open file an identity of its own.
func (st *Stream) truncated(f *file) {
	s := st.set
	s.log.Info().Str("path", f.where).Int64("offset", f.offset).Msg("truncated or rewritten in place; reading from the beginning")
	g := s.known.create(f.path)
	f.fingerprint()
	g.fresh = true // it may have been overwritten with a copy of another one
	g.stream, g.where, g.h, g.born, g.stamp, g.gone, g.idle = st, f.where, f.h, f.born, f.stamp, f.gone, s.now()
	s.known.rekey(g, f.key)
	s.known.opened(g)
	st.reader.drop(f)
	f.whole = f.size <= f.offset
	f.h, f.long, f.size = nil, nil, f.offset
	if st.former != nil && st.former.h == nil && st.former.zip == nil {
		st.former.seen = nil
	}
	st.former = f // its first bytes tell the copy that was made of it, even if that is shorter
	st.files.replace(f, g)
	// What was not read may be in the copy that was made before, and it may have been truncated more than once: when the
	// folders were listed again, that is looked for, and before then nothing is read. A copy that was held back is looked at
	// again.
	st.await(f)
	st.horizon.doubt(f.stamp)
	st.held = true
	s.excluded.reconsider()
	s.watch.dirty.Store(true)
	s.more.Store(true)
}

// judge tells, when the first bytes of a file come, whether it is to be read: it may be a copy or compressed.
func (st *Stream) judge(f *file, n int) (int, error) {
	s := st.set
	f.fresh = false
	if compressed(f.seen) {
		s.excluded.settle(f.where, state{f.key, f.size, f.mtime})
		return 0, errCompressed
	}
	o := &opened{h: f.h, stat: stat{key: f.key, size: f.size}, head: f.seen}
	_, from, err := s.copyOf(st, f.where, o)
	if err != nil {
		s.excluded.settle(f.where, state{f.key, f.size, f.mtime})
		return 0, err
	}
	if from > 0 && !f.earlier { // of one that an earlier run knew the other may be the copy
		f.offset, f.start = from, from
		st.reader.empty()
	}
	s.known.pair(f)
	return n, nil
}
