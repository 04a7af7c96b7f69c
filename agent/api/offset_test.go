package api

import (
	"fmt"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"activedefense/agent/explain"
	"activedefense/store"
)

// Lists are given page by page, each entry on one of them.
func TestListsArePaged(t *testing.T) {
	s := newStage(t, nil)
	now := time.Now()
	var batch store.Batch
	for i := range 5 {
		address := netip.MustParseAddr(fmt.Sprintf("203.0.113.%d", i+1))
		batch.Records = append(batch.Records, store.Record{Time: now.Add(time.Duration(i-9) * time.Second), Src: address, Dst: netip.MustParseAddr("198.51.100.1"), Type: "TRAFFIC"})
		s.block(address.String()+"/32", store.Blocked)
	}
	if _, err := s.store.Commit(t.Context(), &batch); err != nil {
		t.Fatal(err)
	}
	c := s.api.Here(Caller{Role: Viewer})
	for _, page := range []struct {
		offset, want string
	}{{"0", "203.0.113.5 203.0.113.4 "}, {"2", "203.0.113.3 203.0.113.2 "}, {"4", "203.0.113.1 "}, {"5", ""}, {"9223372036854775807", ""}} {
		query := url.Values{"limit": {"2"}, "offset": {page.offset}}
		entries, records := "", ""
		if err := Each(t.Context(), c, "blacklist", query, "entries", &Listed{}, func(e *explain.BlacklistEntry) error { entries += e.Address + " "; return nil }); err != nil {
			t.Fatal(err)
		}
		if err := Each(t.Context(), c, "records", query, "records", &Searched{}, func(r *Record) error { records += r.Src + " "; return nil }); err != nil {
			t.Fatal(err)
		}
		changes := ""
		if err := Each(t.Context(), c, "history", query, "changes", &struct{}{}, func(x *Change) error { changes += x.Address + " "; return nil }); err != nil || changes != page.want {
			t.Errorf("from %s on: changes %q, want %q: %v", page.offset, changes, page.want, err)
		}
		if entries != page.want || records != page.want {
			t.Errorf("from %s on: entries %q and records %q, want %q", page.offset, entries, records, page.want)
		}
	}
	if err := c.Get(t.Context(), "blacklist", url.Values{"offset": {"-1"}}, &Listed{}); err == nil {
		t.Error("-1 is taken for a number of entries")
	}
}
