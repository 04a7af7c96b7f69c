package block

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding"
	"github.com/parquet-go/parquet-go/format"
)

// A file is written in groups of groupRows records (the last may have fewer), each in the order of time and id, and each column of it in pages of
// pageRows, which begin at the same records in all columns.
const (
	groupRows = 1 << 17
	pageRows  = 1 << 13
	groupSize = 64 << 20 // bytes of memory; records with long texts make a group full before
)

// FileInfo is what there is to know of a file without reading it, and by which it is known whether it is as it was written.
type FileInfo struct {
	Info
	Bytes int64
	Sums  []byte // the CRC-32C of each sumRange bytes of the file, 4 bytes each, lowest first
}

// sumRange is how many bytes of a file have a checksum: what is read is read in such pieces.
const sumRange = 16 << 10

// Writer writes one file. It holds one group of records. It is for one goroutine.
type Writer struct {
	path    string
	file    *os.File
	buffer  *bufio.Writer
	sums    summer
	parquet *parquet.GenericWriter[any] // nil before the first group
	pending Columns
	sorted  Columns
	rows    []int
	values  []parquet.Value
	known   []parquet.Value
	info    FileInfo

	groupRows, pageRows int
}

// partSuffix is what the name of a file ends in that is not complete. Nobody needs one that was left behind.
const partSuffix = ".part"

// Create begins the file of that path, under another name until Close; a file that is there is never written over. Its caller calls Close, or Abort if it
// comes to nothing.
func Create(path string) (*Writer, error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = fs.ErrExist
		}
		return nil, fmt.Errorf("begin the records file %s: %w", path, err)
	}
	f, err := os.OpenFile(path+partSuffix, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("begin the records file %s: %w", path, err)
	}
	w := &Writer{path: path, file: f, groupRows: groupRows, pageRows: pageRows}
	w.buffer = bufio.NewWriterSize(f, 1<<18)
	w.sums.to = w.buffer
	return w, nil
}

// Append adds the records whose time is since or later and before until; the zero Time of either is no bound.
func (w *Writer) Append(c *Columns, since, until time.Time) error {
	w.rows = w.rows[:0]
	for i, t := range c.time {
		if (since.IsZero() || t >= since.UnixMicro()) && (until.IsZero() || t < until.UnixMicro()) {
			w.rows = append(w.rows, i)
		}
	}
	for some := range slices.Chunk(w.rows, 1<<12) { // so that a group of long texts is not much longer than it may be
		for len(some) > 0 {
			n := min(len(some), w.groupRows-w.pending.Len())
			w.pending.appendFrom(c, some[:n])
			some = some[n:]
			if w.pending.Len() == w.groupRows || w.pending.Size() > groupSize {
				if err := w.flush(); err != nil {
					return w.failed(err)
				}
			}
		}
	}
	return nil
}

func (w *Writer) failed(err error) error {
	return fmt.Errorf("write the records file %s: %w", w.path, err)
}

func (w *Writer) failedOr(err error) error {
	if err == nil {
		return nil
	}
	return w.failed(err)
}

// Close completes the file: all of it is written and synced before it has its name, and then its name is. A file of no records is an error.
func (w *Writer) Close() (FileInfo, error) {
	if err := w.complete(); err != nil {
		w.Abort()
		return FileInfo{}, w.failed(err)
	}
	return w.info, nil
}

func (w *Writer) complete() error {
	if w.pending.Len() > 0 {
		if err := w.flush(); err != nil {
			return err
		}
	}
	if w.info.Records == 0 {
		return errors.New("it would have no records")
	}
	if w.parquet != nil {
		if err := w.parquet.Close(); err != nil {
			return err
		}
	}
	if err := w.buffer.Flush(); err != nil {
		return err
	}
	if err := w.file.Sync(); err != nil {
		return err
	}
	if err := w.file.Close(); err != nil {
		return err
	}
	if err := os.Rename(w.path+partSuffix, w.path); err != nil {
		return err
	}
	w.info.Bytes, w.info.Sums = w.sums.written, w.sums.all()
	return syncFolder(filepath.Dir(w.path))
}

// syncFolder makes the names in a folder last.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Abort removes what there is of a file that is not complete. After Close it does nothing.
func (w *Writer) Abort() {
	_ = w.file.Close() // what was written of it is removed
	_ = os.Remove(w.path + partSuffix)
}

// flush writes the pending records as one group.
func (w *Writer) flush() error {
	c := &w.pending
	if rows := c.order(); rows != nil {
		w.sorted.Reset()
		w.sorted.appendFrom(c, rows)
		c = &w.sorted
	}
	if w.parquet == nil {
		w.begin(c)
	}
	for i, to := range w.parquet.ColumnWriters() {
		w.listKnown(c, i)
		for from := 0; from < c.Len(); from += w.pageRows {
			w.values = w.valuesOf(c, i, from, min(from+w.pageRows, c.Len()))
			if _, err := to.WriteRowValues(w.values); err != nil {
				return err
			}
			if err := to.Flush(); err != nil {
				return err
			}
		}
	}
	w.info.add(c.Info())
	w.pending.Reset()
	return w.parquet.Flush()
}

// begin makes the writer of a file whose first group is c. As numbers in a list, src and dst are shorter where many come again, and longer where not. The
// bloom filters have filterBits for each different address; where there is a list Parquet knows how many that are, else what the first group has
// is taken for all.
func (w *Writer) begin(c *Columns) {
	var how [2]encoding.Encoding
	var filters []parquet.BloomFilterColumn
	for i, a := range [...]*addresses{&c.src, &c.dst} {
		n, bits := a.different(), filterBits
		how[i] = &parquet.RLEDictionary
		if n > c.Len()*3/10 {
			how[i], bits = &parquet.Plain, (filterBits*n+c.Len()-1)/c.Len()
		}
		filters = append(filters, parquet.SplitBlockFilter(uint(bits), [...]string{"src", "dst"}[i]))
	}
	w.parquet = parquet.NewGenericWriter[any](&w.sums, schema(how[0], how[1]), parquet.Compression(&codec{}), parquet.DataPageStatistics(false), parquet.WriteBufferSize(0),
		parquet.PageBufferSize(w.pageRows*16+1), // pages end where flush says, and not before
		parquet.BloomFilters(filters...), parquet.CreatedBy("activedefense", SchemaVersion, ""), parquet.KeyValueMetadata(metaVersion, SchemaVersion),
		parquet.KeyValueMetadata(metaPage, strconv.Itoa(w.pageRows)))
}

// filterBits is the size of a bloom filter for each different value: of 100 that are not in it, it takes one as if it were.
const filterBits = 10

// add counts more of a file.
func (i *Info) add(more Info) {
	if i.Records == 0 || more.Oldest.Before(i.Oldest) {
		i.Oldest = more.Oldest
	}
	if i.Records == 0 || more.Newest.After(i.Newest) {
		i.Newest = more.Newest
	}
	i.Records += more.Records
}

// different is how many IPv4 addresses there are.
func (a *addresses) different() int {
	seen := make(map[uint32]struct{})
	last := uint32(0)
	for _, v := range a.v4 {
		if v != last {
			seen[v], last = struct{}{}, v
		}
	}
	return min(len(seen)+1, len(a.v4))
}

// summer adds up what it passes on.
type summer struct {
	to      *bufio.Writer
	written int64
	sums    []byte
	sum     uint32 // of what came since the last whole range
}

// Write implements io.Writer.
func (s *summer) Write(b []byte) (int, error) {
	n, err := s.to.Write(b)
	for rest := b[:n]; len(rest) > 0; {
		some := rest[:min(int64(len(rest)), sumRange-s.written%sumRange)]
		rest = rest[len(some):]
		s.sum = crc32.Update(s.sum, castagnoli(), some)
		if s.written += int64(len(some)); s.written%sumRange == 0 {
			s.sums, s.sum = binary.LittleEndian.AppendUint32(s.sums, s.sum), 0
		}
	}
	return n, err
}

// all gives the sums, that of the last range included.
func (s *summer) all() []byte {
	if s.written%sumRange == 0 {
		return s.sums
	}
	return binary.LittleEndian.AppendUint32(s.sums, s.sum)
}

// codec is zstd at its fastest level. That level leaves what has no repetitions as it is; addresses and ports have none, and yet not all bytes alike often.
type codec struct{ encoder *zstd.Encoder }

// String implements compress.Codec.
func (*codec) String() string { return "ZSTD" }

// CompressionCodec implements compress.Codec.
func (*codec) CompressionCodec() format.CompressionCodec { return format.Zstd }

// Encode implements compress.Codec.
func (c *codec) Encode(to, from []byte) ([]byte, error) {
	if c.encoder == nil {
		var err error
		c.encoder, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithAllLitEntropyCompression(true), zstd.WithEncoderConcurrency(1),
			zstd.WithEncoderCRC(false), zstd.WithWindowSize(1<<20))
		if err != nil {
			return nil, err
		}
	}
	return c.encoder.EncodeAll(from, to[:0]), nil
}

// Decode implements compress.Codec.
func (*codec) Decode(to, from []byte) ([]byte, error) {
	return parquet.Zstd.Decode(to, from)
}
