package transfer

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"activedefense/store"
)

// A PostgreSQL has many blocks where a daemon was ended before it sealed them. They are read ahead, and all by the one connection that
// sees the state that is copied.
func TestManyBlocksOfPostgreSQLAreCopied(t *testing.T) {
	t.Parallel()
	pg := newPostgres(t)
	pg.Path, pg.Blocks = filepath.Join(t.TempDir(), "activedefense.db"), true
	st := open(t, pg)
	const blocks, each = 300, 3
	for i := range int64(blocks) {
		b := &store.Batch{Seq: i + 1, After: i}
		for n := range int64(each) {
			id := i*each + n + 1
			b.Records = append(b.Records, store.Record{Time: today.Add(time.Duration(id) * time.Second), SrcUser: fmt.Sprint("user ", id), Repeat: 1, Offset: id})
		}
		_, err := st.Commit(t.Context(), b)
		must(t, err)
	}
	must(t, st.Close())
	for range 3 { // it depends on how fast they are read
		lite := newSQLite(t)
		_, err := Copy(t.Context(), pg, lite, Options{})
		must(t, err)
		id := int64(blocks * each)
		must(t, open(t, lite).Records(t.Context(), store.RecordFilter{}, func(r *store.Record) error {
			if r.ID != id || r.SrcUser != fmt.Sprint("user ", id) || r.Offset != id {
				t.Errorf("record %d is %+v", id, r)
			}
			id--
			return nil
		}))
		if id != 0 {
			t.Errorf("%d records are missing", id)
		}
	}
}
