package agent

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"path/filepath"

	"activedefense/config"
)

// maxLine is how much of a line is read, as in the daemon; the rest of a longer one is passed over.
const maxLine = 64 << 10

// A lineReader gives the lines of a file that no longer grows.
type lineReader struct {
	in *bufio.Reader
}

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{in: bufio.NewReaderSize(r, 4*maxLine)}
}

// next gives a line without its end, valid until the next call, and its size in the file. The end of
// the file is io.EOF.
func (l *lineReader) next() (line []byte, size int64, cut bool, err error) {
	data, err := l.in.ReadSlice('\n')
	size = int64(len(data))
	for full := errors.Is(err, bufio.ErrBufferFull); full; full = errors.Is(err, bufio.ErrBufferFull) {
		if !cut {
			line, cut = bytes.Clone(data[:maxLine]), true
		}
		data, err = l.in.ReadSlice('\n')
		size += int64(len(data))
	}
	if err != nil && (err != io.EOF || size == 0) {
		return nil, size, false, err
	}
	if cut {
		return line, size, true, nil
	}
	data = bytes.TrimSuffix(data, []byte("\n"))
	data = bytes.TrimSuffix(data, []byte("\r"))
	if len(data) > maxLine {
		return data[:maxLine], size, true, nil
	}
	return data, size, false, nil
}

// decompress reads through gzip if the file is compressed that way, as rotated logs are.
func decompress(r io.Reader) (io.Reader, error) {
	buffered := bufio.NewReaderSize(r, 256<<10)
	head, err := buffered.Peek(2)
	if err != nil || head[0] != 0x1f || head[1] != 0x8b {
		return buffered, nil // too short for gzip, or not gzip; a read error shows with the first line
	}
	return gzip.NewReader(buffered)
}

// inputFor finds the configured input that a file belongs to.
func inputFor(cfg *config.Config, path string) config.Input {
	abs, err := filepath.Abs(path)
	if err == nil {
		for _, in := range cfg.Inputs {
			if ok, _ := filepath.Match(in.Path, abs); ok {
				return in
			}
		}
	}
	if len(cfg.Inputs) > 0 {
		return cfg.Inputs[0]
	}
	return config.Input{Format: "auto"}
}
