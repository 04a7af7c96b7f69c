package archive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"activedefense/store/block"
)

// Rows of an earlier version are sealed by so many, as many as one transaction deletes in about rowsStep, for which commits wait.
const (
	rowsLeast = 1 << 13
	rowsMost  = 100_000
	rowsStep  = 200 * time.Millisecond
)

// rowPace is how many rows are sealed at once.
type rowPace struct {
	most int
	done bool // there are none, and none come
}

// sealRows makes files of the rows with the lowest ids, if there are rows.
func (a *Archive) sealRows(ctx context.Context, _ time.Time) (more bool, err error) {
	s := &a.sealer.rows
	if s.done {
		return false, nil
	}
	s.most = max(s.most, rowsLeast)
	var c block.Columns
	var rows Rows
	err = a.registry.EachRow(ctx, s.most, func(r *block.Record) error {
		if rows.Count == 0 {
			rows.First = r.ID
		}
		rows.Last = r.ID
		rows.Count++
		c.Append(r)
		return nil
	})
	if err != nil {
		return false, err
	}
	if rows.Count == 0 {
		s.done = true
		return false, nil
	}
	change := Change{Rows: rows}
	var written time.Duration // when the files were
	err = a.add(ctx, &change, 2, rows.First, rows.Last, func(name func(time.Time) string) ([]block.Sealed, error) {
		files, err := block.SealColumns(&c, name)
		written = sinceStart()
		return files, err
	})
	if errors.Is(err, ErrChanged) {
		return true, nil // retention took some of them meanwhile
	}
	if err != nil {
		return false, fmt.Errorf("seal the rows of an earlier version: %w", err)
	}
	took := max(sinceStart()-written, time.Millisecond)
	s.most = min(max(int(float64(s.most)*float64(rowsStep)/float64(took)), s.most/2, rowsLeast), 2*s.most, rowsMost)
	return true, nil
}
