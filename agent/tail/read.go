package tail

import (
	"bytes"
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

// errReplaced says that an open file no longer holds what was consumed of it.
var errReplaced = errors.New("truncated or rewritten")

// take cuts the next complete line out of the buffer.
func (st *Stream) take() (Line, bool) {
	a := st.active
	if a == nil || st.r == st.w {
		return Line{}, false
	}
	chunk := st.buf[st.r:st.w]
	i := bytes.IndexByte(chunk, '\n')
	switch {
	case a.long != nil:
		return st.takeLong(a, chunk, i)
	case i >= 0:
		st.r += i + 1
		line := Line{File: a.id, Offset: a.offset, Next: a.offset + int64(i) + 1, Data: chunk[:i:i]}
		if i > 0 && chunk[i-1] == '\r' {
			line.Data = chunk[: i-1 : i-1]
		}
		if len(line.Data) > st.set.maxLine {
			line.Data, line.Cut = line.Data[:st.set.maxLine], true
			st.cuts++
		}
		a.offset = line.Next
		st.hand(line)
		return line, true
	case len(chunk) > st.set.maxLine+1:
		// Even if the last byte is the CR of the line's end, it is too long: keep the head, pass over the rest.
		a.long = bytes.Clone(chunk[:st.set.maxLine])
		a.scan = a.offset + int64(len(chunk))
		st.r = st.w
	}
	return Line{}, false
}

// takeLong looks for the end of a line that is longer than MaxLine.
func (st *Stream) takeLong(a *file, chunk []byte, i int) (Line, bool) {
	if i < 0 {
		a.scan += int64(len(chunk))
		st.r = st.w
		return Line{}, false
	}
	st.r += i + 1
	line := Line{File: a.id, Offset: a.offset, Next: a.scan + int64(i) + 1, Data: a.long, Cut: true}
	a.offset, a.long = line.Next, nil
	st.cuts++
	st.hand(line)
	return line, true
}

// refill reads until a line is complete, within the budget.
func (st *Stream) refill() (Line, bool) {
	for left := readBudget; left > 0; {
		n := st.fill()
		if n == 0 {
			st.release()
			return Line{}, false
		}
		left -= n
		if line, ok := st.take(); ok {
			return line, true
		}
	}
	st.set.more.Store(true)
	return Line{}, false
}

// fill reads on in the file whose turn it is, and tells how many bytes.
func (st *Stream) fill() int {
	if st.lateFirst {
		st.lateFirst = false
		if n := st.fillLate(); n > 0 {
			return n
		}
	}
	for len(st.queue) > 0 {
		f := st.queue[0]
		n, again := st.pull(f)
		switch {
		case n > 0:
			return n
		case again:
			continue
		case f == st.cur:
			return st.fillLate()
		}
		st.pass(f)
	}
	return st.fillLate()
}

// pass goes on to the next file, as this one is at its end and that one was seen before this was found.
func (st *Stream) pass(f *file) {
	if f.zip != nil {
		st.finish(f)
		return
	}
	st.queue = st.queue[1:]
	f.idle = st.set.now()
	st.late = append(st.late, f)
}

// fillLate reads what was written late into files that had been read to their ends.
func (st *Stream) fillLate() int {
	for i := 0; i < len(st.late); i++ {
		n, again := st.pull(st.late[i])
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
		n, err = st.unpack(f)
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
		st.report()
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
	if f.after != nil {
		st.startAfter(f)
	}
	st.activate(f)
	if size < f.base()+int64(st.w-st.r) {
		st.r, st.w, f.long = 0, 0, nil // what went away was not consumed: no line of it was complete
	}
	st.compact()
	at := f.base() + int64(st.w)
	if f.long != nil {
		at = overHole(f, at, size)
	}
	n, err := f.h.ReadAt(st.buf[st.w:], at)
	if n == 0 {
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		f.end = at
		return 0, nil
	}
	f.end = -1
	f.note(at, st.buf[st.w:st.w+n])
	first := at == 0 && f.fresh
	st.w += n
	if first {
		return st.judge(f, n)
	}
	return n, nil
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

// base is the offset of the first byte in the buffer, were the file active.
func (f *file) base() int64 {
	if f.long != nil {
		return f.scan
	}
	return f.offset
}

// overHole passes over a hole of a sparse file, in which there can be no newline: a writer that did not notice that
// its file was truncated leaves one as large as the file was.
func overHole(f *file, at, size int64) int64 {
	data, err := f.h.Seek(at, unix.SEEK_DATA)
	switch {
	case errors.Is(err, unix.ENXIO):
		data = size // nothing but hole to the end
	case err != nil:
		return at // the file system does not know
	}
	data = min(max(at, data), max(at, size))
	f.scan += data - at
	return data
}

// activate gives the buffer to a file.
func (st *Stream) activate(f *file) {
	if st.active == f {
		return
	}
	if st.active != nil && st.active.zip != nil {
		st.active.zip.stale = true
	}
	st.active, st.r, st.w = f, 0, 0
	if st.buf != nil {
		return
	}
	s := st.set
	if n := len(s.spare); n > 0 {
		st.buf, s.spare = s.spare[n-1], s.spare[:n-1]
		return
	}
	st.buf = make([]byte, max(min(bufferSize, bufferBudget/max(1, len(s.order))), s.maxLine+4096))
}

// compact moves the beginning of an incomplete line to the front of the buffer.
func (st *Stream) compact() {
	if st.r > 0 {
		st.w = copy(st.buf, st.buf[st.r:st.w])
		st.r = 0
	}
}

// release hands the buffer on while there is nothing to read. An incomplete line is read again when it is complete.
func (st *Stream) release() {
	if st.active != nil && st.active.zip != nil {
		st.active.zip.stale = true
	}
	if st.buf != nil {
		st.set.spare = append(st.set.spare, st.buf)
	}
	st.active, st.buf, st.r, st.w = nil, nil, 0, 0
}
