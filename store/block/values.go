package block

import "github.com/parquet-go/parquet-go"

// listKnown makes the values of the different texts of a column, if it has texts.
func (w *Writer) listKnown(c *Columns, column int) {
	if column < firstText {
		return
	}
	w.known = w.known[:0]
	for _, s := range c.texts[column-firstText].different {
		w.known = append(w.known, parquet.ValueOf(s).Level(0, 0, column))
	}
}

// valuesOf gives the values of a column from one record up to before another, in w's room.
func (w *Writer) valuesOf(c *Columns, column, from, until int) []parquet.Value {
	to := w.values[:0]
	switch column {
	case colTime:
		return int64Values(to, column, c.time[from:until])
	case colID:
		return int64Values(to, column, c.id[from:until])
	case colAgent:
		return int64Values(to, column, c.agent[from:until])
	case colFile:
		return int64Values(to, column, c.file[from:until])
	case colOffset:
		return int64Values(to, column, c.offset[from:until])
	case colSrc:
		return c.src.v4Values(to, column, from, until)
	case colDst:
		return c.dst.v4Values(to, column, from, until)
	case colSrc6:
		return c.src.v6Values(to, column, from, until)
	case colDst6:
		return c.dst.v6Values(to, column, from, until)
	case colSrcPort:
		return uintValues(to, column, c.ports[0][from:until])
	case colDstPort:
		return uintValues(to, column, c.ports[1][from:until])
	case colRepeat:
		return uintValues(to, column, c.repeat[from:until])
	}
	t := &c.texts[column-firstText]
	for i := from; i < until; i++ {
		to = append(to, w.known[t.code(i)])
	}
	return to
}

func int64Values(to []parquet.Value, column int, numbers []int64) []parquet.Value {
	for _, n := range numbers {
		to = append(to, parquet.Int64Value(n).Level(0, 0, column))
	}
	return to
}

func uintValues[T ~uint16 | ~uint32](to []parquet.Value, column int, numbers []T) []parquet.Value {
	for _, n := range numbers {
		to = append(to, parquet.Int32Value(int32(n)).Level(0, 0, column))
	}
	return to
}

func (a *addresses) v4Values(to []parquet.Value, column, from, until int) []parquet.Value {
	null := parquet.NullValue().Level(0, 0, column)
	for i := from; i < until; i++ {
		if a.family[i] != 4 {
			to = append(to, null)
			continue
		}
		to = append(to, parquet.Int32Value(int32(a.v4[i])).Level(0, 1, column))
	}
	return to
}

func (a *addresses) v6Values(to []parquet.Value, column, from, until int) []parquet.Value {
	null := parquet.NullValue().Level(0, 0, column)
	for i := from; i < until; i++ {
		if a.family[i] != 6 {
			to = append(to, null)
			continue
		}
		to = append(to, parquet.FixedLenByteArrayValue(a.v6[i][:]).Level(0, 1, column))
	}
	return to
}
