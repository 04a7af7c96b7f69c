package block

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// parquetMagic begins and ends a file.
const parquetMagic = "PAR1"

// join writes the groups of files one after the other, byte by byte, and a footer that says where they are now. (The library copies groups, too, but none whose
// bloom filters are of another size than it would make them.)
func (w *Writer) join(ctx context.Context, files []*File) error {
	j := &joiner{Writer: w, meta: *files[0].parquet.Metadata(), columns: files[0].columns}
	j.meta.RowGroups, j.meta.NumRows = nil, 0
	if err := j.write([]byte(parquetMagic)); err != nil {
		return w.failed(err)
	}
	for _, p := range byTime(files) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := j.group(p.file, p.group); err != nil {
			return err
		}
	}
	for _, f := range files {
		w.info.add(f.info.Info)
	}
	return w.failedOr(j.footer())
}

// joiner is what join has written so far.
type joiner struct {
	*Writer
	meta    format.FileMetaData
	columns int                  // of each group
	places  []format.OffsetIndex // of the columns of all groups
	room    []byte
}

func (j *joiner) write(b []byte) error {
	_, err := j.sums.Write(b)
	return err
}

// group copies one with what belongs to it.
func (j *joiner) group(f *File, n int) error {
	g := f.parquet.Metadata().RowGroups[n]
	g.Columns = slices.Clone(g.Columns)
	g.Ordinal, g.FileOffset = int16(len(j.meta.RowGroups)), j.sums.written
	for i := range g.Columns {
		if err := j.column(f, &g.Columns[i]); err != nil {
			return err
		}
	}
	j.meta.RowGroups = append(j.meta.RowGroups, g)
	j.meta.NumRows += g.NumRows
	return nil
}

// column copies the pages of a column, its bloom filter and the bounds of its pages, and notes where they are now.
func (j *joiner) column(f *File, c *format.ColumnChunk) error {
	begin := c.MetaData.DataPageOffset
	if d := c.MetaData.DictionaryPageOffset; d != 0 {
		begin = d
	}
	moved, err := j.copied(f, begin, c.MetaData.TotalCompressedSize)
	if err != nil {
		return err
	}
	moved -= begin
	c.MetaData.DataPageOffset += moved
	if c.MetaData.DictionaryPageOffset != 0 {
		c.MetaData.DictionaryPageOffset += moved
	}
	if c.MetaData.BloomFilterLength > 0 {
		if c.MetaData.BloomFilterOffset, err = j.copied(f, c.MetaData.BloomFilterOffset, int64(c.MetaData.BloomFilterLength)); err != nil {
			return err
		}
	}
	if c.ColumnIndexOffset, err = j.copied(f, c.ColumnIndexOffset, int64(c.ColumnIndexLength)); err != nil {
		return err
	}
	var places format.OffsetIndex
	index := make([]byte, c.OffsetIndexLength)
	if _, err := f.checked.ReadAt(index, c.OffsetIndexOffset); err != nil {
		return f.failed(err)
	}
	if err := thrift.Unmarshal(new(thrift.CompactProtocol), index, &places); err != nil {
		return f.failed(fmt.Errorf("%w: where its pages are: %w", ErrDamaged, err))
	}
	for i := range places.PageLocations {
		places.PageLocations[i].Offset += moved
	}
	j.places = append(j.places, places)
	return nil
}

// copied copies bytes and gives where they are now.
func (j *joiner) copied(f *File, from, size int64) (at int64, err error) {
	at = j.sums.written
	j.room = slices.Grow(j.room[:0], int(size))[:size]
	if _, err := f.checked.ReadAt(j.room, from); err != nil {
		return 0, f.failed(err)
	}
	return at, j.failedOr(j.write(j.room))
}

// footer writes where the pages are, and what Parquet wants at the end.
func (j *joiner) footer() error {
	protocol := new(thrift.CompactProtocol)
	for i := range j.places {
		data, err := thrift.Marshal(protocol, &j.places[i])
		if err != nil {
			return err
		}
		c := &j.meta.RowGroups[i/j.columns].Columns[i%j.columns]
		c.OffsetIndexOffset, c.OffsetIndexLength = j.sums.written, int32(len(data))
		if err := j.write(data); err != nil {
			return err
		}
	}
	data, err := thrift.Marshal(protocol, &j.meta)
	if err != nil {
		return err
	}
	data = binary.LittleEndian.AppendUint32(data, uint32(len(data)))
	return j.write(append(data, parquetMagic...))
}
