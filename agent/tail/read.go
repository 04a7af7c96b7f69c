package tail

import (
	"bytes"
	"errors"
	"io"
	"slices"
)

// readBudget is how much one Next may read without coming upon a line, so that a line of gigabytes holds up neither the
// other streams nor a shutdown.
const readBudget = 64 << 20

// errReplaced says that an open file no longer holds what was consumed of it.
var errReplaced = errors.New("truncated or rewritten")

// refill reads until a line is complete, within the budget, and sets it.
func (st *Stream) refill(line *Line) bool {
	for left := readBudget; left > 0; {
		n := st.fill()
		if n == 0 {
			st.reader.release()
			return false
		}
		left -= n
		if st.reader.take(line) {
			return true
		}
	}
	st.set.more.Store(true)
	st.set.news.of(st)
	return false
}

// fill reads on in the file whose turn it is, and tells how many bytes.
func (st *Stream) fill() int {
	if st.files.round != st.set.round {
		st.files.round = st.set.round
		if n := st.fillLate(); n > 0 {
			return n
		}
	}
	for len(st.files.queue) > 0 && !st.held {
		f := st.files.queue[0]
		n, again := st.pull(f)
		switch {
		case n > 0:
			return n
		case again:
			continue
		case f == st.files.cur:
			return st.fillLate()
		case f.zip != nil:
			st.finish(f)
		default:
			st.files.pass(f, st.set.now())
		}
	}
	return st.fillLate()
}

// fillLate reads what was written late into files that had been read to their ends.
func (st *Stream) fillLate() int {
	for i := 0; i < len(st.files.late) && !st.held; i++ {
		n, again := st.pull(st.files.late[i])
		if n > 0 {
			return n
		}
		if again {
			i = -1 // the list changed; no file changes it twice
		}
	}
	return 0
}

// pull reads on in a file. again says that the lists of files have changed instead.
func (st *Stream) pull(f *file) (n int, again bool) {
	var err error
	if f.zip != nil {
		n, err = st.reader.unpack(f)
	} else {
		n, err = st.load(f)
	}
	switch {
	case errors.Is(err, errReplaced):
		st.truncated(f)
		return 0, true
	case passedOver(err):
		st.discard(f, err)
		return 0, true
	case err != nil:
		st.setAside(f, err)
		return 0, true
	}
	if n > 0 {
		f.idle = st.set.now()
	}
	if f.fault != nil {
		f.fault = nil
		st.health.report(st.err())
	}
	return n, false
}

// load reads on in a plain file. 0: there is nothing more now.
func (st *Stream) load(f *file) (int, error) {
	fi, err := f.h.Stat()
	if err != nil {
		return 0, err
	}
	size := fi.Size()
	if f.end == size && fi.ModTime().Equal(f.mtime) {
		return 0, nil
	}
	if err := st.set.intact(f); err != nil {
		return 0, err
	}
	f.size, f.mtime = size, fi.ModTime()
	if old := f.after; old != nil {
		f.startAfter()
		if slices.Contains(st.files.late, old) {
			st.finish(old) // it has no name any more, and here is all that it had
		}
	}
	f.passShared(&st.reader)
	n, at, err := st.reader.load(f)
	if n > 0 && at == 0 && f.fresh {
		return st.judge(f, n)
	}
	return n, err
}

// intact tells by size and first bytes whether an open file still holds what was consumed of it.
func (s *Set) intact(f *file) error {
	fi, err := f.h.Stat()
	if err != nil {
		return err
	}
	head, least := f.consumed(), f.offset
	if f.offset == 0 {
		head, least = f.seen, f.size // nothing was consumed, but what was seen may be in a copy now
	}
	if fi.Size() < least {
		return errReplaced
	}
	if len(head) == 0 {
		return nil
	}
	now := s.scratch[:len(head)]
	n, err := f.h.ReadAt(now, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if !bytes.Equal(now[:n], head) {
		return errReplaced
	}
	return nil
}
