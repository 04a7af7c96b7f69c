package line

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
)

// maxLine is how much of a line is read, as in the daemon; the rest of a longer one is passed over.
const maxLine = 64 << 10

// An oldFile is a [Source] that does not grow. Its last line counts also without a newline.
type oldFile struct {
	lineReader
	origin int64
	offset int64
}

// readOldFile reads lines, through gzip if they are compressed that way, as rotated logs are.
func readOldFile(from io.Reader, origin int64) (*oldFile, error) {
	plain, err := decompress(from)
	if err != nil {
		return nil, err
	}
	return &oldFile{lineReader: newLineReader(plain), origin: origin}, nil
}

// Read gives the next lines; io.EOF with the last of them.
func (f *oldFile) Read(most int, take func(Line)) (n int, err error) {
	for ; n < most; n++ {
		line, size, cut, err := f.next()
		if err != nil {
			return n, err
		}
		take(Line{Place: Place{f.origin, f.offset}, Size: size, Data: line, Cut: cut})
		f.offset += size
	}
	return n, nil
}

// EachLine gives the lines of what does not grow, through gzip if it is compressed that way, as they are read from files; each is valid during the call.
// An error of take ends the reading and is returned.
func EachLine(from io.Reader, take func(line []byte) error) error {
	plain, err := decompress(from)
	if err != nil {
		return err
	}
	lines := newLineReader(plain)
	for {
		line, _, _, err := lines.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := take(line); err != nil {
			return err
		}
	}
}

// A lineReader gives the lines of what no longer grows.
type lineReader struct {
	in *bufio.Reader
}

func newLineReader(r io.Reader) lineReader {
	return lineReader{in: bufio.NewReaderSize(r, 4*maxLine)}
}

// next gives a line without its end, valid until the next call, and its size in the file. The end of
// the file is io.EOF.
func (l *lineReader) next() (line []byte, size int64, cut bool, err error) {
	data, err := l.in.ReadSlice('\n')
	size = int64(len(data))
	for errors.Is(err, bufio.ErrBufferFull) {
		line = lengthen(line, data)
		data, err = l.in.ReadSlice('\n')
		size += int64(len(data))
	}
	if err != nil && (err != io.EOF || size == 0) {
		return nil, size, false, err
	}
	if size > int64(len(data)) {
		data = lengthen(line, data)
	}
	data = bytes.TrimSuffix(data, []byte("\n"))
	data = bytes.TrimSuffix(data, []byte("\r"))
	data = bytes.TrimLeft(data, hole)
	return data[:min(len(data), maxLine)], size, len(data) > maxLine, nil
}

// hole is what stands ahead of a line, and is none of it, where the writer did not notice that its file was truncated.
const hole = "\x00"

// lengthen adds to a long line what comes next of it. Kept is three bytes more than is given: two may be its end, another one tells that
// it is too long.
func lengthen(line, more []byte) []byte {
	if len(line) == 0 {
		more = bytes.TrimLeft(more, hole)
	}
	return append(line, more[:min(len(more), maxLine+3-len(line))]...)
}

// decompress reads through gzip if the file is compressed that way.
func decompress(r io.Reader) (io.Reader, error) {
	buffered := bufio.NewReaderSize(r, 256<<10)
	head, err := buffered.Peek(2)
	if err != nil || head[0] != 0x1f || head[1] != 0x8b {
		return buffered, nil // too short for gzip, or not gzip; a read error shows with the first line
	}
	return gzip.NewReader(buffered)
}
