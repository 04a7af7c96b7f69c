package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// everyColumn are records whose columns all differ, of sources of both families that fall, with some that have none and some with a text longer than what the
// driver reads at once.
func everyColumn(n int) []Record {
	list := someRecords(n, noon())
	for i := range list {
		r := &list[i]
		r.Time = noon().Add(-time.Duration(i) * time.Millisecond)
		r.SrcPort, r.DstPort, r.Repeat, r.File, r.Offset = uint16(1<<16-1-i), uint16(i), 1<<32-1-uint32(i), 1<<62+int64(i), -int64(i)
		r.Protocol = Protocol(i % 5)
		for k, text := range r.Texts() {
			*text = fmt.Sprintf("%d %d é", k, i/3)
		}
		if i%700 == 5 {
			r.ThreatName, r.Src = strings.Repeat("long ", 30_000), r.Src.Prev()
		}
	}
	return list
}

// However rows are written, the ids are in the order of the lines, and each column has its own value.
func TestRecordsComeBackAsTheyWereInTheirOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		want := everyColumn(1500)
		rest := want
		for _, n := range []int{1000, 1, fewRows - 1, fewRows, len(want) - 1000 - 2*fewRows} { // few in their order, many sorted
			commit(t, s, &Batch{Records: rest[:n]})
			rest = rest[n:]
		}
		for i := range want {
			want[i].ID = int64(i + 1)
		}
		equal(t, "records", allRecords(t, s, RecordFilter{}), want) // the first is the newest
	})
}

// What the driver is given does not depend on how much it reads at once, and it is given nothing when the records are the caller's again.
func TestCopyRowsAreReadInAnyPieces(t *testing.T) {
	records := everyColumn(20)
	rows := func() *copyRows {
		c := &copyRows{agent: 7, records: records, order: inPlace(records)}
		for i := range records {
			c.ids = append(c.ids, int64(i))
		}
		return c
	}
	whole, err := io.ReadAll(rows())
	must(t, err)
	pieces, err := io.ReadAll(iotest.OneByteReader(rows()))
	must(t, err)
	if !bytes.Equal(whole, pieces) || len(whole) < 150_000 || !bytes.HasSuffix(whole, []byte{0xff, 0xff}) {
		t.Errorf("%d bytes at once, %d one by one", len(whole), len(pieces))
	}
	stopped := rows()
	_, err = stopped.Read(make([]byte, 100))
	must(t, err)
	stopped.stop()
	if n, err := stopped.Read(make([]byte, 100)); n != 0 || !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("when it was stopped, %d bytes were read: %v", n, err)
	}
}
