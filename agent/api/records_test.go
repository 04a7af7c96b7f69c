package api

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"activedefense/store"
)

// How many records match is told without giving them, however few may be given; what nobody has is told as by a search, and so is what cannot be read.
func TestRecordsAreCounted(t *testing.T) {
	s := newStage(t, nil)
	now := time.Now()
	for i := range 3 {
		b := &store.Batch{Records: make([]store.Record, 50)}
		for k := range b.Records {
			b.Records[k] = store.Record{Time: now.Add(-time.Hour), Type: "TRAFFIC", Src: netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), Action: []string{"deny", "allow"}[min(k, 1)]}
		}
		if _, err := s.store.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	c := s.api.Here(Caller{Role: Viewer})
	count := func(query string) (n int64, rest Searched, err error) {
		t.Helper()
		q, err := url.ParseQuery("count=true&limit=7&" + query)
		if err != nil {
			t.Fatal(err)
		}
		err = Each(t.Context(), c, "records", q, "records", &rest, func(r *Record) error { return fmt.Errorf("%+v is given", *r) })
		if n = -1; rest.Count != nil {
			n = *rest.Count
		}
		return n, rest, err
	}
	for query, want := range map[string]int64{"": 150, "action=deny": 3, "action=deny,allow": 0, "action=deny&action=allow": 150, "src=203.0.113.1&src=203.0.113.2": 100, "since=30m": 0, "within=1ns": -1, "offset=9": 150} {
		n, rest, err := count(query)
		if err != nil || n != want || rest.Stopped != (want < 0) || len(rest.Unseen) > 0 != (query == "action=deny,allow") {
			t.Errorf("%q: %d records, want %d: %+v, %v", query, n, want, rest, err)
		}
	}
	if _, _, err := count("src=x"); err == nil {
		t.Error("a search for no address is counted")
	}
	if err := c.Get(t.Context(), "records", url.Values{"count": {"all"}}, &Searched{}); err == nil || !strings.Contains(err.Error(), `count "all"`) {
		t.Errorf("a count of all: %v", err)
	}
	damage := func(how string) {
		t.Helper()
		db, err := sql.Open("sqlite", filepath.Join(s.dir, "test.db"))
		if err == nil {
			_, err = db.ExecContext(t.Context(), how)
			err = errors.Join(err, db.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	damage(`UPDATE blocks SET data = zeroblob(100) WHERE first_id = 51`)
	if n, _, err := count("action=allow"); n != 98 || err == nil || !strings.Contains(err.Error(), "the records 51 to 100") {
		t.Errorf("beside damage %d are counted: %v", n, err)
	}
	damage(`UPDATE blocks SET data = zeroblob(100)`)
	if _, rest, err := count("action=allow"); rest.Count != nil || err == nil || !strings.Contains(err.Error(), "the records 1 to 50") {
		t.Errorf("of nothing that can be read %v are counted: %v", rest.Count, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Get(ctx, "records", url.Values{"count": {"true"}}, &Searched{}); err == nil {
		t.Error("what was given up is counted")
	}
}
