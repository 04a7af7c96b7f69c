package tail

import (
	"bytes"
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

const (
	// bufferSize is how much is read at once. Measured: larger buffers bring nothing more, smaller ones cost.
	bufferSize = 256 << 10
	// bufferBudget is what the buffers of all streams take together: files that are behind are read side by side, each with
	// its buffer. The more of it is taken the smaller are those that are made, down to bufferLeast, which grows where a line
	// is longer.
	bufferBudget = 16 << 20
	bufferLeast  = 2 << 10
	// bufferSpare bounds those that are kept for later.
	bufferSpare = 8 << 20
)

// buffers are those of streams that have nothing to read now, for those that have. Its users hold Set.mu.
type buffers struct {
	spare [][]byte
	kept  int // bytes of spare
	held  int // bytes of those that streams have
	most  int // bytes of one, if it is more than bufferSize: the longest line is to have room
}

// size is what a buffer that is made now gets.
func (b *buffers) size() int { return min(bufferSize, max(bufferLeast, (bufferBudget-b.held)/64)) }

func (b *buffers) take() []byte {
	size := b.size()
	var buf []byte
	if n := len(b.spare); n > 0 && len(b.spare[n-1]) <= 4*size {
		buf = b.spare[n-1]
		b.spare, b.kept = b.spare[:n-1], b.kept-len(buf)
	} else {
		buf = make([]byte, size)
	}
	b.held += len(buf)
	return buf
}

func (b *buffers) give(buf []byte) {
	b.held -= len(buf)
	if b.kept+len(buf) <= bufferSpare {
		b.spare, b.kept = append(b.spare, buf), b.kept+len(buf)
	}
}

// grow gives a larger buffer with the same bytes.
func (b *buffers) grow(buf []byte) []byte {
	larger := make([]byte, min(4*len(buf), max(bufferSize, b.most)))
	copy(larger, buf)
	b.held += len(larger) - len(buf)
	return larger
}

// spent tells whether those with large buffers should do without between two reads.
func (b *buffers) spent() bool { return b.held > bufferBudget }

// reader cuts lines out of one file after another, through a buffer that it has only while there is something to read.
// Which file is next, and what an error means, is not its business. Its user holds Set.mu.
type reader struct {
	buffers *buffers
	maxLine int
	active  *file  // whose bytes are in buf; nil: none
	buf     []byte // nil: handed on
	r, w    int    // what is unread in buf
}

// take cuts the next complete line out of the buffer, and sets it; false leaves it as it is.
func (rd *reader) take(line *Line) bool {
	a := rd.active
	if a == nil || rd.r == rd.w {
		return false
	}
	chunk := rd.buf[rd.r:rd.w]
	i := bytes.IndexByte(chunk, '\n')
	switch {
	case a.long != nil:
		return rd.takeLong(line, chunk, i)
	case i >= 0:
		rd.r += i + 1
		data := chunk[:i:i]
		if i > 0 && chunk[i-1] == '\r' {
			data = chunk[: i-1 : i-1]
		}
		text := bytes.TrimLeft(data, hole)
		line.File, line.Offset, line.Next = a.id, a.offset+int64(len(data)-len(text)), a.offset+int64(i)+1
		line.Cut = len(text) > rd.maxLine
		line.Data = text[:min(len(text), rd.maxLine)]
		a.offset = line.Next
		return true
	case len(chunk) > rd.maxLine+1:
		// Even if the last byte is the CR of the line's end, it is too long, but for a hole: keep the head, pass over the rest.
		a.long, a.hole = []byte{}, 0
		a.lengthen(chunk, rd.maxLine)
		a.scan = a.offset + int64(len(chunk))
		rd.r = rd.w
	}
	return false
}

// takeLong looks for the end of a line that is longer than MaxLine: in the bytes given, at i.
func (rd *reader) takeLong(line *Line, chunk []byte, i int) bool {
	a := rd.active
	if i < 0 {
		a.lengthen(chunk, rd.maxLine)
		a.scan += int64(len(chunk))
		rd.r = rd.w
		return false
	}
	rd.r += i + 1
	a.lengthen(chunk[:i], rd.maxLine)
	data := bytes.TrimSuffix(a.long, []byte{'\r'})
	*line = Line{File: a.id, Offset: a.offset + a.hole, Next: a.scan + int64(i) + 1, Data: data[:min(len(data), rd.maxLine)], Cut: len(data) > rd.maxLine}
	a.offset, a.long = line.Next, nil
	return true
}

// hole is what a writer leaves that did not notice that its file was truncated, as many NULs as the file was long. Ahead of a line
// they are none of it.
const hole = "\x00"

// lengthen adds to a long line what comes next of it. Kept is two bytes more than is given: one may be the CR of its end, the other tells
// that it is too long.
func (f *file) lengthen(chunk []byte, most int) {
	if len(f.long) == 0 {
		text := bytes.TrimLeft(chunk, hole)
		f.hole += int64(len(chunk) - len(text))
		chunk = text
	}
	f.long = append(f.long, chunk[:min(len(chunk), most+2-len(f.long))]...)
}

// load reads on in a plain file, whose size was looked at, and tells at which offset. 0 bytes: there is nothing more now.
func (rd *reader) load(f *file) (n int, at int64, err error) {
	rd.activate(f)
	if f.size < f.base()+int64(rd.w-rd.r) {
		rd.empty() // what went away was not consumed: no line of it was complete
		f.long = nil
	}
	rd.compact()
	at = f.base() + int64(rd.w)
	if f.long != nil && (len(f.long) == 0 || len(f.long) == rd.maxLine+2) { // nothing of it is kept
		at = overHole(f, at, f.size)
	}
	n, err = f.h.ReadAt(rd.buf[rd.w:], at)
	if n == 0 {
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, at, err
		}
		f.end = at
		return 0, at, nil
	}
	f.end = -1
	f.note(at, rd.buf[rd.w:rd.w+n])
	rd.w += n
	return n, at, nil
}

// unpack reads on in a compressed file, passing over what was consumed. 0: it is at its end.
func (rd *reader) unpack(f *file) (int, error) {
	rd.activate(f)
	p := f.zip
	if p.stale {
		if err := p.rewind(); err != nil {
			return 0, err
		}
	}
	rd.compact()
	into := rd.buf[rd.w:]
	n, err := 0, error(nil)
	for n == 0 && err == nil {
		n, err = p.z.Read(into)
	}
	if n == 0 {
		if errors.Is(err, io.EOF) {
			return 0, nil
		}
		return 0, err
	}
	at := p.at
	p.at += int64(n)
	f.note(at, into[:n])
	skip := min(max(0, f.base()+int64(rd.w)-at), int64(n))
	rd.w += copy(into, into[skip:n])
	return n, nil
}

// activate gives the buffer to a file.
func (rd *reader) activate(f *file) {
	if rd.active == f {
		return
	}
	rd.leave()
	rd.active = f
	if rd.buf == nil {
		rd.buf = rd.buffers.take()
	}
}

// leave lets go of the present file: what is unread in the buffer is read again. The buffer stays, as the line returned
// last lies in it.
func (rd *reader) leave() {
	if rd.active != nil && rd.active.zip != nil {
		rd.active.zip.stale = true
	}
	rd.active = nil
	rd.empty()
}

// drop leaves a file if it is the present one.
func (rd *reader) drop(f *file) {
	if rd.active == f {
		rd.leave()
	}
}

// empty forgets what is unread.
func (rd *reader) empty() { rd.r, rd.w = 0, 0 }

// compact moves the beginning of an incomplete line to the front of the buffer, and sees to it that there is room behind it.
func (rd *reader) compact() {
	if rd.r > 0 {
		rd.w = copy(rd.buf, rd.buf[rd.r:rd.w])
		rd.r = 0
	}
	if rd.w == len(rd.buf) {
		rd.buf = rd.buffers.grow(rd.buf)
	}
}

// relieve lets go of a large buffer when all of them together take too much; the line returned last is not valid any more,
// and what is unread is read again.
func (rd *reader) relieve() {
	if rd.buffers.spent() && len(rd.buf) > bufferLeast {
		rd.release()
	}
}

// release hands the buffer on while there is nothing to read. An incomplete line is read again when it is complete.
func (rd *reader) release() {
	rd.leave()
	if rd.buf != nil {
		rd.buffers.give(rd.buf)
	}
	rd.buf = nil
}

// base is the offset of the first byte in the buffer, were the file active.
func (f *file) base() int64 {
	if f.long != nil {
		return f.scan
	}
	return f.offset
}

// overHole passes over a hole of a sparse file, in which there can be no newline.
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
	if len(f.long) == 0 {
		f.hole += data - at
	}
	return data
}
