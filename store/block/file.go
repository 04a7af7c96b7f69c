package block

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"strconv"
	"sync"
	"syscall"

	"github.com/parquet-go/parquet-go"
)

// File is a file of records that is open for reading. Several goroutines may use it.
type File struct {
	path    string
	info    FileInfo
	file    *os.File
	checked *checked
	parquet *parquet.File
	groups  []groupInfo

	pageRows int
	columns  int // so many of ours it has, the first
}

// groupInfo is what is known of a group without reading it.
type groupInfo struct {
	rows           int
	oldest, newest int64 // times in microseconds
	lowest         int64 // id
}

// Open opens a file that was written as info says, which is what Writer.Close gave. An error names the file: it wraps fs.ErrNotExist where
// there is none, and ErrDamaged where it is not what was written. Every read is held against info, so that damage is told whenever it is met. Its
// caller closes the file, after the last use.
func Open(path string, info FileInfo) (*File, error) {
	f := &File{path: path, info: info}
	if err := f.open(); err != nil {
		if f.file != nil {
			_ = f.file.Close() // only read
		}
		return nil, f.failed(err)
	}
	return f, nil
}

// failed says which file an error is of.
func (f *File) failed(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the records file %s with %d records is missing: %w", f.path, f.info.Records, err)
	}
	return fmt.Errorf("the records file %s with %d records: %w", f.path, f.info.Records, err)
}

func (f *File) open() (err error) {
	if f.file, err = os.OpenFile(f.path, os.O_RDONLY|syscall.O_NONBLOCK, 0); err != nil { // a pipe would wait for its writer
		return err
	}
	stat, err := f.file.Stat()
	if err != nil {
		return err
	}
	switch {
	case stat.IsDir():
		return fmt.Errorf("%w: it is a folder", ErrDamaged)
	case !stat.Mode().IsRegular():
		return fmt.Errorf("%w: it is no regular file (%s)", ErrDamaged, stat.Mode())
	}
	if stat.Size() != f.info.Bytes {
		return fmt.Errorf("%w: it has %d bytes where %d were written", ErrDamaged, stat.Size(), f.info.Bytes)
	}
	if n := (f.info.Bytes + sumRange - 1) / sumRange * sumSize; int64(len(f.info.Sums)) != n {
		return fmt.Errorf("%w: what is known of it has %d bytes of checksums where %d belong", ErrDamaged, len(f.info.Sums), n)
	}
	f.checked = &checked{file: f.file, info: &f.info}
	f.parquet, err = parquet.OpenFile(f.checked, f.info.Bytes, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true), parquet.ReadBufferSize(sumRange))
	if err != nil {
		return err
	}
	switch v, _ := f.parquet.Lookup(metaVersion); v {
	case SchemaVersion:
		f.columns = numColumns
	case schemaVersionFirst:
		f.columns = numColumnsFirst
	default:
		return fmt.Errorf("its columns are those of version %q, where this program reads version %q: a newer version of it wrote the file", v, SchemaVersion)
	}
	if n := len(f.parquet.Schema().Columns()); n != f.columns {
		return fmt.Errorf("%w: it has %d columns where its version has %d", ErrDamaged, n, f.columns)
	}
	page, _ := f.parquet.Lookup(metaPage)
	if f.pageRows, err = strconv.Atoi(page); err != nil || f.pageRows <= 0 {
		return fmt.Errorf("%w: it says that a page has %q records", ErrDamaged, page)
	}
	var rows int64
	for _, g := range f.parquet.Metadata().RowGroups {
		times, ids := g.Columns[colTime].MetaData.Statistics, g.Columns[colID].MetaData.Statistics
		if len(times.MinValue) != 8 || len(times.MaxValue) != 8 || len(ids.MinValue) != 8 {
			return fmt.Errorf("%w: a group does not say which times and ids it has", ErrDamaged)
		}
		number := func(b []byte) int64 { return int64(binary.LittleEndian.Uint64(b)) }
		f.groups = append(f.groups, groupInfo{int(g.NumRows), number(times.MinValue), number(times.MaxValue), number(ids.MinValue)})
		rows += g.NumRows
	}
	if rows != f.info.Records {
		return fmt.Errorf("%w: it has %d records", ErrDamaged, rows)
	}
	return nil
}

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }

// Is tells whether this is the file that was found under a name.
func (f *File) Is(found fs.FileInfo) bool {
	stat, err := f.file.Stat()
	return err == nil && os.SameFile(stat, found)
}

// Path is where the file is.
func (f *File) Path() string { return f.path }

// Info is what Open was given.
func (f *File) Info() FileInfo { return f.info }

// checked reads a file and holds every range of it against its checksum.
type checked struct {
	file   *os.File
	info   *FileInfo
	ranges sync.Pool // of *[sumRange]byte
}

// ReadAt implements io.ReaderAt.
func (c *checked) ReadAt(b []byte, at int64) (n int, err error) {
	for n < len(b) {
		if at >= c.info.Bytes {
			return n, io.EOF
		}
		begin := at / sumRange * sumRange
		size := min(sumRange, c.info.Bytes-begin)
		if at == begin && int64(len(b)-n) >= size { // a whole one
			if err := c.read(b[n:n+int(size)], begin); err != nil {
				return n, err
			}
			n, at = n+int(size), at+size
			continue
		}
		room, _ := c.ranges.Get().(*[sumRange]byte)
		if room == nil {
			room = new([sumRange]byte)
		}
		err := c.read(room[:size], begin)
		if err == nil {
			some := copy(b[n:], room[at-begin:size])
			n, at = n+some, at+int64(some)
		}
		c.ranges.Put(room)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// read reads one range.
func (c *checked) read(b []byte, at int64) error {
	if _, err := c.file.ReadAt(b, at); err != nil {
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%w: it was cut short while it was open", ErrDamaged)
		}
		return err
	}
	if crc32.Checksum(b, castagnoli()) != binary.LittleEndian.Uint32(c.info.Sums[at/sumRange*sumSize:]) {
		return fmt.Errorf("%w: its bytes from %d to %d have another checksum", ErrDamaged, at, at+int64(len(b)))
	}
	return nil
}

// Verify reads the whole file and tells whether it is as it was written.
func (f *File) Verify(ctx context.Context) error {
	room := make([]byte, sumRange)
	for at := int64(0); at < f.info.Bytes; at += sumRange {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := f.checked.read(room[:min(sumRange, f.info.Bytes-at)], at); err != nil {
			return f.failed(err)
		}
	}
	return nil
}
