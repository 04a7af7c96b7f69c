// Package ahead takes what a sender has at the sender's pace and keeps it for a reader that has its own, such as a person at a pager: the
// sender waits for nobody who rests. It knows nothing of what goes through it.
package ahead

import (
	"errors"
	"io"
	"os"
	"sync"
)

const (
	// inMemory is how much is kept in memory, and onDisk how much beyond that in a temporary file, bytes: the answer of some two million records.
	inMemory = 1 << 20
	onDisk   = 2 << 30
	// chunk is what is taken at once, bytes.
	chunk = 64 << 10
)

// Take begins to read a source, ahead of who reads what it gives. What does not fit in memory goes into a file in the folder for temporary
// ones (TMPDIR), which nobody else can open and which is gone with the process; where that takes no more, the source is read at the
// reader's pace. Close closes the source and ends the reading; the source's Close must end a Read that waits.
func Take(source io.ReadCloser) io.ReadCloser { return take(source, inMemory, onDisk) }

func take(source io.ReadCloser, most int, mostOnDisk int64) *reader {
	r := &reader{source: source, most: most, mostOnDisk: mostOnDisk, done: make(chan struct{})}
	r.changed = sync.NewCond(&r.mu)
	go r.fill()
	return r
}

// A reader holds what was taken and is not read: first what is in memory, then what is in the file.
type reader struct {
	source     io.ReadCloser
	most       int
	mostOnDisk int64
	done       chan struct{} // closed: nothing more is taken

	mu            sync.Mutex
	changed       *sync.Cond // something was taken or read, or it has ended
	memory        []byte
	file          *os.File // nil: none was needed yet
	written, read int64    // bytes of the file
	full          bool     // the file took no more
	end           error    // what the source ended with; nil: it goes on
	closed        bool
}

// fill takes all that the source has.
func (r *reader) fill() {
	defer close(r.done)
	buffer := make([]byte, chunk)
	for {
		n, err := r.source.Read(buffer)
		r.mu.Lock()
		for taken := buffer[:n]; len(taken) > 0 && !r.closed; {
			kept := r.keep(taken)
			if taken = taken[kept:]; kept == 0 {
				r.changed.Wait() // for the reader
			}
			r.changed.Broadcast()
		}
		closed := r.closed
		r.end = err
		r.changed.Broadcast()
		r.mu.Unlock()
		if err != nil || closed {
			return
		}
	}
}

// keep keeps what there is room for, and gives how much that is. mu is held.
func (r *reader) keep(p []byte) int {
	if r.written == r.read { // all that was taken is in memory, which holds what is older than the file's
		if n := min(len(p), r.most-len(r.memory)); n > 0 {
			r.memory = append(r.memory, p[:n]...)
			return n
		}
	}
	if r.full || r.written+int64(len(p)) > r.mostOnDisk {
		return 0
	}
	if r.file == nil {
		file, err := os.CreateTemp("", "activedefense-*")
		if err != nil {
			r.full = true // there is no folder for it
			return 0
		}
		r.file = file
		if err := os.Remove(file.Name()); err != nil {
			r.full = true
			return 0
		}
	}
	n, err := r.file.WriteAt(p, r.written)
	r.written += int64(n)
	r.full = err != nil
	return n
}

// Read gives what was taken, waits for more, and gives what the source ended with.
func (r *reader) Read(p []byte) (n int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.memory) == 0 && r.written == r.read && r.end == nil && !r.closed {
		r.changed.Wait()
	}
	switch {
	case r.closed:
		return 0, os.ErrClosed
	case len(r.memory) > 0:
		n = copy(p, r.memory)
		if r.memory = r.memory[n:]; len(r.memory) == 0 {
			r.memory = nil
		}
	case r.read < r.written:
		n, err = r.file.ReadAt(p[:min(int64(len(p)), r.written-r.read)], r.read)
		if r.read += int64(n); r.read == r.written {
			// It begins anew; what cannot be cut is written over.
			_ = r.file.Truncate(0)
			r.read, r.written, r.full = 0, 0, false
		}
		if n > 0 {
			err = nil
		} else if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF // somebody has cut the file
		}
	default:
		return 0, r.end
	}
	r.changed.Broadcast()
	return n, err
}

// Close ends it.
func (r *reader) Close() error {
	r.mu.Lock()
	r.closed = true
	r.changed.Broadcast()
	r.mu.Unlock()
	err := r.source.Close()
	<-r.done
	if r.file != nil {
		r.file.Close() // it is gone already
	}
	return err
}
