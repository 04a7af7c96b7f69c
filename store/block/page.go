package block

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// groupReader reads one group of a file, page by page. It is for one goroutine, which closes it.
type groupReader struct {
	from   *File
	number int
	chunks []parquet.ColumnChunk
	pages  [numColumns]*parquet.FilePages
	rows   int

	page    int // the one in Columns; -1 before the first
	Columns     // what was loaded of that page; the different texts are those of the group
	loaded  [numColumns]bool
	have    [numTexts]bool // the different texts of the column
}

// group begins to read a group of the file, in the room of a reader that was closed, if there is one.
func (f *File) group(n int, g *groupReader) *groupReader {
	if g == nil {
		g = new(groupReader)
	}
	*g = groupReader{from: f, number: n, chunks: f.parquet.RowGroups()[n].ColumnChunks(), rows: f.groups[n].rows, page: -1, Columns: g.Columns}
	return g
}

// close gives back what the reader has.
func (g *groupReader) close() {
	for i, p := range g.pages {
		if p != nil {
			_ = p.Close() // of what was only read
			g.pages[i] = nil
		}
	}
	for i := range g.texts {
		clear(g.texts[i].different)
	}
}

// columns implements unit.
func (g *groupReader) columns() *Columns { return &g.Columns }

// begins implements unit.
func (g *groupReader) begins(page int) int { return page * g.from.pageRows }

// place implements unit.
func (g *groupReader) place(row int) (page, i int) {
	return row / g.from.pageRows, row % g.from.pageRows
}

// sorted implements unit.
func (g *groupReader) sorted() bool { return true }

func (g *groupReader) pageCount() int { return (g.rows + g.from.pageRows - 1) / g.from.pageRows }

// turn goes to a page and gives how many records it has.
func (g *groupReader) turn(page int) int {
	if page != g.page {
		g.page, g.loaded = page, [numColumns]bool{}
	}
	return min(g.from.pageRows, g.rows-page*g.from.pageRows)
}

// open begins to read a column.
func (g *groupReader) open(column int) (*parquet.FilePages, error) {
	if g.pages[column] == nil {
		pages, is := g.chunks[column].Pages().(*parquet.FilePages)
		if !is {
			return nil, errors.New("it is not read as the column of a file")
		}
		g.pages[column] = pages
	}
	return g.pages[column], nil
}

// different reads the different texts of a column, of the whole group.
func (g *groupReader) different(text int) ([]string, error) {
	t := &g.texts[text]
	if g.have[text] {
		return t.different, nil
	}
	if one, is := g.constant(firstText + text); is {
		t.different, g.have[text] = append(t.different[:0], string(one)), true
		return t.different, nil
	}
	pages, err := g.open(firstText + text)
	if err != nil {
		return nil, err
	}
	d, err := pages.ReadDictionary()
	if err != nil {
		return nil, fmt.Errorf("column %s: %w", textNames[text], noEOF(err))
	}
	if d == nil {
		return nil, fmt.Errorf("%w: the column %s has no list of its texts", ErrDamaged, textNames[text])
	}
	data := d.Page().Data()
	values, offsets := data.ByteArray()
	all := string(values)
	t.different = slices.Grow(t.different[:0], len(offsets))
	for i := range len(offsets) - 1 {
		t.different = append(t.different, all[offsets[i]:offsets[i+1]])
	}
	g.have[text] = true
	return t.different, nil
}

// load reads a column of the page, if that was not done before; with addresses of IPv4 those of IPv6.
func (g *groupReader) load(column int) error {
	if g.loaded[column] {
		return nil
	}
	if one, is := g.constant(column); is && column != colSrc6 && column != colDst6 {
		g.fill(column, one)
	} else if err := g.loadOne(column); err != nil {
		return fmt.Errorf("column %s: %w", g.from.parquet.Schema().Columns()[column][0], err)
	}
	g.loaded[column] = true
	if six := column + 1; (column == colSrc || column == colDst) && !g.allNull(six) {
		return g.load(six)
	}
	return nil
}

func (g *groupReader) statistics(column int) *format.Statistics {
	return &g.from.parquet.Metadata().RowGroups[g.number].Columns[column].MetaData.Statistics
}

// allNull tells whether the group has nothing but null in a column.
func (g *groupReader) allNull(column int) bool {
	return g.statistics(column).NullCount == int64(g.rows)
}

// constant gives the one value that a column has in the whole group, nil for null, if it has one alone. Most columns of a group do: nothing has to be read of
// them. (The bounds of a column are whole, however long its texts are; only those of its pages are cut.)
func (g *groupReader) constant(column int) (one []byte, is bool) {
	if column >= g.from.columns { // a text that its version does not have
		return []byte{}, true
	}
	s := g.statistics(column)
	if s.NullCount > 0 {
		return nil, g.allNull(column)
	}
	return s.MinValue, s.MinValue != nil && bytes.Equal(s.MinValue, s.MaxValue)
}

// fill sets a column of the page to one value.
func (g *groupReader) fill(column int, one []byte) {
	n := g.turn(g.page)
	number := int64(0)
	switch {
	case column >= firstText:
		g.texts[column-firstText].codes = filled(g.texts[column-firstText].codes, n, 0)
		if _, err := g.different(column - firstText); err != nil {
			return // of a constant nothing is read
		}
		return
	case len(one) == 8:
		number = int64(binary.LittleEndian.Uint64(one))
	case len(one) == 4:
		number = int64(binary.LittleEndian.Uint32(one))
	}
	switch column {
	case colTime:
		g.time = filled(g.time, n, number)
	case colID:
		g.id = filled(g.id, n, number)
	case colAgent:
		g.agent = filled(g.agent, n, number)
	case colFile:
		g.file = filled(g.file, n, number)
	case colOffset:
		g.offset = filled(g.offset, n, number)
	case colSrc:
		g.src.fill(n, one)
	case colDst:
		g.dst.fill(n, one)
	case colSrcPort:
		g.ports[0] = filled(g.ports[0], n, uint16(number))
	case colDstPort:
		g.ports[1] = filled(g.ports[1], n, uint16(number))
	case colRepeat:
		g.repeat = filled(g.repeat, n, uint32(number))
	}
}

// fill sets the addresses to one of IPv4, or to none.
func (a *addresses) fill(n int, one []byte) {
	family, v4 := uint8(0), uint32(0)
	if one != nil {
		family, v4 = 4, binary.LittleEndian.Uint32(one)
	}
	a.family, a.v4, a.v6 = filled(a.family, n, family), filled(a.v4, n, v4), a.v6[:0]
}

func filled[T any](to []T, n int, one T) []T {
	to = slices.Grow(to[:0], n)[:n]
	for i := range to {
		to[i] = one
	}
	return to
}

func (g *groupReader) loadOne(column int) error {
	if column >= firstText {
		if _, err := g.different(column - firstText); err != nil {
			return err
		}
	}
	pages, err := g.open(column)
	if err != nil {
		return err
	}
	if _, err := g.chunks[column].OffsetIndex(); err != nil { // without it every page before is read
		return err
	}
	if err := pages.SeekToRow(int64(g.page * g.from.pageRows)); err != nil {
		return err
	}
	page, err := pages.ReadPage()
	if err != nil {
		return noEOF(err)
	}
	defer parquet.Release(page)
	if n := g.turn(g.page); page.NumRows() != int64(n) {
		return fmt.Errorf("%w: a page has %d records where %d belong", ErrDamaged, page.NumRows(), n)
	}
	return g.take(column, page)
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// take sets a column to a page of it.
func (g *groupReader) take(column int, page parquet.Page) (err error) {
	switch column {
	case colTime:
		g.time, err = int64s(g.time, page)
	case colID:
		g.id, err = int64s(g.id, page)
	case colAgent:
		g.agent, err = int64s(g.agent, page)
	case colFile:
		g.file, err = int64s(g.file, page)
	case colOffset:
		g.offset, err = int64s(g.offset, page)
	case colSrc:
		err = g.src.takeV4(page)
	case colDst:
		err = g.dst.takeV4(page)
	case colSrc6:
		g.src.takeV6(page)
	case colDst6:
		g.dst.takeV6(page)
	case colSrcPort:
		g.ports[0], err = uints(g.ports[0], page)
	case colDstPort:
		g.ports[1], err = uints(g.ports[1], page)
	case colRepeat:
		g.repeat, err = uints(g.repeat, page)
	default:
		t := &g.texts[column-firstText]
		t.codes, err = codes(t.codes, page, len(t.different))
	}
	return err
}

// codes gives the numbers of a page in a list of so many.
func codes(to []uint32, page parquet.Page, different int) ([]uint32, error) {
	to = to[:0]
	data := page.Data()
	for _, code := range data.Int32() {
		if uint(code) >= uint(different) {
			return nil, fmt.Errorf("%w: a number is too high for its list", ErrDamaged)
		}
		to = append(to, uint32(code))
	}
	return to, nil
}

// int64s gives the numbers of a page, be they in a list or not.
func int64s(to []int64, page parquet.Page) ([]int64, error) {
	d, data := page.Dictionary(), page.Data()
	if d == nil {
		return append(to[:0], data.Int64()...), nil
	}
	list := d.Page().Data()
	return listed(to[:0], list.Int64(), data.Int32())
}

func uints[T ~uint16 | ~uint32](to []T, page parquet.Page) ([]T, error) {
	d, data := page.Dictionary(), page.Data()
	if d != nil {
		list := d.Page().Data()
		return listed(to[:0], list.Uint32(), data.Int32())
	}
	to = to[:0]
	for _, n := range data.Uint32() {
		to = append(to, T(n))
	}
	return to, nil
}

func listed[T, L ~int64 | ~uint32 | ~uint16](to []T, list []L, numbers []int32) ([]T, error) {
	for _, n := range numbers {
		if uint(n) >= uint(len(list)) {
			return nil, fmt.Errorf("%w: a number is too high for its list", ErrDamaged)
		}
		to = append(to, T(list[n]))
	}
	return to, nil
}

// takeV4 sets the addresses to those of IPv4, and to none where there is null.
func (a *addresses) takeV4(page parquet.Page) (err error) {
	if a.v4, err = uints(a.v4, page); err != nil {
		return err
	}
	n := int(page.NumValues())
	a.family, a.v6 = slices.Grow(a.family[:0], n)[:n], a.v6[:0]
	if page.NumNulls() == 0 {
		for i := range a.family {
			a.family[i] = 4
		}
		return nil
	}
	a.v4 = slices.Grow(a.v4, n-len(a.v4))
	some := len(a.v4)
	a.v4 = a.v4[:n]
	levels := page.DefinitionLevels()
	for i := n - 1; i >= 0; i-- { // from the end, since they move up
		a.family[i] = 4 * levels[i]
		if levels[i] == 0 {
			a.v4[i] = 0
			continue
		}
		some--
		a.v4[i] = a.v4[some]
	}
	return nil
}

// takeV6 adds those of IPv6.
func (a *addresses) takeV6(page parquet.Page) {
	if page.NumNulls() == page.NumValues() {
		return
	}
	a.room6()
	data := page.Data()
	all, _ := data.FixedLenByteArray()
	for i, level := range page.DefinitionLevels() {
		if level > 0 {
			a.family[i], a.v6[i] = 6, [16]byte(all)
			all = all[16:]
		}
	}
}
