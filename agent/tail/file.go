package tail

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sort"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// fingerprintMax is how many of a file's first bytes identify it: several lines, with their times and serial numbers.
const fingerprintMax = 1024

// inode is where the file system keeps a file. The zero value stands for a file known by its content only.
type inode struct{ dev, ino uint64 }

func inodeOf(fi fs.FileInfo) inode {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return inode{uint64(st.Dev), uint64(st.Ino)}
	}
	return inode{}
}

// stat is what the system tells of a file in one call. The zero value: of none.
type stat struct {
	key   inode
	kind  uint16 // a type of inode(7), S_IFREG
	size  int64
	mtime time.Time
	// When it was made, in nanoseconds since 1970 by the clock of the file system; 0 where that does not say (as NFS). With the
	// inode it tells a file from every other one, unless both were made within one tick of that clock, 4 or 10 ms.
	born int64
}

func (s stat) regular() bool { return s.kind == unix.S_IFREG }

// statAt looks at a name below an open folder, or at an open file itself, as statx(2) takes them and its flags.
func statAt(dir int, name string, flags int) (stat, error) {
	var st unix.Statx_t
	err := again(func() error { return unix.Statx(dir, name, flags, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st) })
	if err == unix.ENOSYS || err == unix.EPERM { // an old filter of a container does not let the call through
		return statBefore(dir, name, flags)
	}
	if err != nil {
		return stat{}, err
	}
	s := stat{key: inode{unix.Mkdev(st.Dev_major, st.Dev_minor), st.Ino}, kind: st.Mode & unix.S_IFMT, size: int64(st.Size),
		mtime: time.Unix(st.Mtime.Sec, int64(st.Mtime.Nsec))}
	if st.Mask&unix.STATX_BTIME != 0 {
		s.born = st.Btime.Sec*1e9 + int64(st.Btime.Nsec)
	}
	return s, nil
}

// statBefore is statAt where there is no statx(2): nothing tells when a file was made.
func statBefore(dir int, name string, flags int) (stat, error) {
	var st unix.Stat_t
	if err := again(func() error { return unix.Fstatat(dir, name, &st, flags) }); err != nil {
		return stat{}, err
	}
	return stat{key: inode{st.Dev, st.Ino}, kind: uint16(st.Mode) & unix.S_IFMT, size: st.Size,
		mtime: time.Unix(st.Mtim.Unix())}, nil
}

// again makes a call until no signal interrupts it.
func again(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

// statOpen looks at an open file.
func statOpen(h *os.File) (stat, error) {
	s, err := statAt(int(h.Fd()), "", unix.AT_EMPTY_PATH)
	if err != nil {
		return s, &fs.PathError{Op: "stat", Path: h.Name(), Err: err}
	}
	return s, nil
}

// unlinked tells whether no name leads to an open file any more.
func unlinked(fi fs.FileInfo) bool {
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && st.Nlink == 0
}

// file is one identity: content that begins at one point and only grows.
type file struct {
	id     int64
	path   string // of the stream it belongs to
	key    inode
	offset int64 // after the last line returned
	done   bool
	born   int64     // see stat; 0: it was not open yet
	stamp  time.Time // modification time when last seen under path

	sum    []byte // SHA-256 of the first sumLen bytes
	sumLen int
	seen   []byte // the first bytes as they were read, at most fingerprintMax; while open

	index *index              // in which it is found; nil: none
	heads [][sha256.Size]byte // under which it is found there

	stored bool // the caller may have stored it under this number
	stream *Stream
	h      *os.File // nil: not open, or read from a compressed copy
	zip    *packed  // nil: not read from a compressed copy
	where  string   // where h or zip was opened

	end   int64     // bytes seen up to its end when there was no more complete line; -1: it was not read to its end
	size  int64     // when last looked at
	mtime time.Time // when last looked at
	long  []byte    // head of a line longer than MaxLine, or behind a hole, whose newline was not found yet; else nil
	hole  int64     // with long: NULs ahead of it
	scan  int64     // with long: up to where there is no newline

	gone    time.Time // since when path leads elsewhere; zero: it leads here
	idle    time.Time // when something last came from it
	since   time.Time // since when it is looked for in vain
	found   bool      // while not open: it is there but cannot be opened
	looked  time.Time // folder's modification time when a copy of it was last looked for
	retryAt time.Time // not to be opened again before
	tries   int       // how often a compressed copy of it was found broken
	fault   error     // why it could not be read when that was last tried
	rested  bool      // let go while there was nothing to read
	left    bool      // it was let go, for whatever reason, where it lay at its path
	whole   bool      // it was truncated when all that was seen of it had been read
	fresh   bool      // it was empty when it was opened: what it is shows when something is written
	refuted state     // an entry with its inode that is not it
	start   int64     // where it was begun, behind what it has got from another one; of one that an earlier run began, at most there
	earlier bool      // an earlier run began it
	alike   *file     // another path's file that is read and begins as this one: one may be a copy of the other; else nil
	after   *file     // it is a newer copy of this one, and goes on where that one ends; else nil
}

func fileAt(p Position) *file {
	f := &file{id: p.ID, path: p.Path, key: inode{p.Device, p.Inode}, offset: p.Offset, done: p.Done, stamp: p.Updated, stored: true,
		sum: bytes.Clone(p.Fingerprint), sumLen: p.FingerprintLen, end: -1, size: p.Offset, start: p.Offset, earlier: true}
	return f
}

func (f *file) position() Position {
	if f.h != nil && f.offset == 0 && len(f.seen) < fingerprintMax {
		// So that it is known again even if it is renamed and compressed before anything of it was read.
		head := make([]byte, fingerprintMax)
		if n, err := f.h.ReadAt(head, 0); n > len(f.seen) && (err == nil || errors.Is(err, io.EOF)) {
			f.saw(head[:n])
		}
	}
	f.fingerprint()
	f.stored = true
	return Position{ID: f.id, Path: f.path, Device: f.key.dev, Inode: f.key.ino, Fingerprint: bytes.Clone(f.sum),
		FingerprintLen: f.sumLen, Offset: f.offset, Done: f.done, Updated: f.stamp}
}

// consumed is what was consumed of the first bytes, while open.
func (f *file) consumed() []byte { return f.seen[:min(int64(len(f.seen)), f.offset)] }

// head is what is certain of the first bytes, while open: complete lines. What follows the last newline of a file that
// is being written to may be taken back.
func (f *file) head() []byte {
	if f.zip != nil || (f.stream != nil && f.stream.files.cur != f) {
		return f.seen
	}
	return f.seen[:max(len(f.consumed()), bytes.LastIndexByte(f.seen, '\n')+1)]
}

// fingerprint brings sum up to date with what is certain.
func (f *file) fingerprint() {
	if head := f.head(); len(head) > f.sumLen {
		sum := sha256.Sum256(head)
		f.sum, f.sumLen = sum[:], len(head)
	}
}

// note keeps the first bytes as they come by; data was read at offset at.
func (f *file) note(at int64, data []byte) {
	if at > int64(len(f.seen)) || at >= fingerprintMax {
		return
	}
	if f.seen == nil {
		f.seen = make([]byte, 0, fingerprintMax)
	}
	f.saw(append(f.seen[:at], data[:min(len(data), fingerprintMax-int(at))]...))
}

// saw sets what is seen of the first bytes.
func (f *file) saw(head []byte) {
	f.seen = head
	if len(head) == fingerprintMax && f.index != nil {
		f.index.saw(f, sha256.Sum256(head))
	}
}

// begins tells whether content with this head is that of f, as far as f is known. Nothing known is no proof.
func (f *file) begins(head []byte) bool {
	f.fingerprint()
	if f.sumLen == 0 || f.sumLen > len(head) {
		return false
	}
	sum := sha256.Sum256(head[:f.sumLen])
	return bytes.Equal(sum[:], f.sum)
}

// contains tells whether a head that is shorter than the fingerprint is the beginning of what is known.
func (f *file) contains(head []byte) bool {
	return len(head) > 0 && len(head) < f.sumLen && bytes.HasPrefix(f.head(), head)
}

// shares tells whether what is now in an open file, consumed or not, begins like this, as far as both go.
func (f *file) shares(head []byte) bool {
	if f.h == nil {
		head, now := head, f.seen
		n := min(len(head), len(now))
		return f.zip != nil && n > 0 && bytes.Equal(head[:n], now[:n])
	}
	now := make([]byte, fingerprintMax)
	n, err := f.h.ReadAt(now, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return false
	}
	n = min(n, len(head))
	return n > 0 && bytes.Equal(head[:n], now[:n])
}

// full tells whether the fingerprint is of full length, hence unmistakable.
func (f *file) full() bool {
	f.fingerprint()
	return f.sumLen == fingerprintMax
}

// outdated tells whether a path leads elsewhere than to a file that it was last seen to lead to.
func (f *file) outdated(path string) bool {
	fi, err := os.Stat(path)
	if err != nil {
		return f.gone.IsZero()
	}
	return inodeOf(fi) != f.key
}

// startAfter sets where a newer copy of a file goes on, now that that one was read to its end.
func (f *file) startAfter() {
	if f.offset == 0 && f.after.offset <= f.size && boundary(f.h, f.after.offset) {
		f.offset = f.after.offset
	}
	f.after = nil
}

// close releases the handle and keeps the fingerprint.
func (f *file) close() error {
	f.fingerprint()
	f.seen, f.long, f.end = nil, nil, -1
	var err error
	if f.h != nil {
		err = f.h.Close()
		f.h = nil
	}
	if f.zip != nil {
		err = errors.Join(err, f.zip.close())
		f.zip = nil
	}
	return err
}

var (
	errNotRegular = errors.New("not a regular file")
	errCompressed = errors.New("compressed")
	errTaken      = errors.New("same file as another path")
	errFinished   = errors.New("already read")
	errCopy       = errors.New("copy of a file that is being read")
)

// opened is a regular file with its first bytes, not yet identified.
type opened struct {
	h *os.File
	stat
	head []byte
}

// openPlain opens a file that holds lines as they are. Without blocking: the path may have become a pipe since it was
// looked at.
func openPlain(path string) (*opened, error) {
	h, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	o := &opened{h: h}
	if err := o.look(); err != nil {
		h.Close()
		return nil, err
	}
	return o, nil
}

func (o *opened) look() error {
	var err error
	if o.stat, err = statOpen(o.h); err != nil {
		return err
	}
	if !o.regular() {
		return errNotRegular
	}
	o.head = make([]byte, fingerprintMax)
	n, err := o.h.ReadAt(o.head, 0)
	o.head = o.head[:n]
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if compressed(o.head) {
		return errCompressed
	}
	return nil
}

// boundary tells whether a line can begin at the offset.
func boundary(r io.ReaderAt, offset int64) bool {
	if offset == 0 {
		return true
	}
	var b [1]byte
	n, err := r.ReadAt(b[:], offset-1)
	return n == 1 && (err == nil || errors.Is(err, io.EOF)) && b[0] == '\n'
}

// sameBefore tells whether two files agree in the last bytes before an offset that both have.
func sameBefore(a, b io.ReaderAt, offset int64) bool {
	n := min(offset, fingerprintMax)
	x, y := make([]byte, n), make([]byte, n)
	if _, err := a.ReadAt(x, offset-n); err != nil && !errors.Is(err, io.EOF) {
		return false
	}
	if _, err := b.ReadAt(y, offset-n); err != nil && !errors.Is(err, io.EOF) {
		return false
	}
	return bytes.Equal(x, y)
}

// compared bounds how many bytes of two files are compared one by one.
const compared = 64 << 20

// parting gives up to where two files are alike, of the bytes that both have, from where they are known to be. Where they have
// much in common it takes for granted that they are not alike again behind where they part, as lines with their times are not,
// so that it has to look at few places.
func parting(a, b io.ReaderAt, from, size int64) int64 {
	if size-from > compared {
		blocks := int((size - from) / fingerprintMax)
		from += int64(sort.Search(blocks, func(i int) bool { return !sameBefore(a, b, from+int64(i+1)*fingerprintMax) })) * fingerprintMax
		size = min(size, from+fingerprintMax)
	}
	x, y := make([]byte, 64<<10), make([]byte, 64<<10)
	for from < size {
		n, _ := a.ReadAt(x, from) // an error shows when it is read for good
		m, _ := b.ReadAt(y, from)
		n = int(min(int64(n), int64(m), size-from))
		for i := range n {
			if x[i] != y[i] {
				return from + int64(i)
			}
		}
		if n == 0 {
			break
		}
		from += int64(n)
	}
	return from
}

// lineBefore gives where the line begins that holds an offset, or ends there; the offset itself where that is too far to look.
func lineBefore(r io.ReaderAt, offset int64) int64 {
	if from, err := endOfLines(r, offset); err == nil {
		return from
	}
	return offset
}

// endOfLines gives the offset after the last newline before size: where to start at the end of a file. Where there is
// none in the last 16 MiB, a line is under way that is not worth its head: then it is size.
func endOfLines(r io.ReaderAt, size int64) (int64, error) {
	const farthest = 16 << 20
	block := make([]byte, 64<<10)
	for end := size; end > 0; {
		from := max(0, end-int64(len(block)))
		n, err := r.ReadAt(block[:end-from], from)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, fmt.Errorf("find the last line: %w", err)
		}
		if i := bytes.LastIndexByte(block[:n], '\n'); i >= 0 {
			return from + int64(i) + 1, nil
		}
		if size-from >= farthest {
			return size, nil
		}
		end = from
	}
	return 0, nil
}
