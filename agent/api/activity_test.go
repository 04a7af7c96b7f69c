package api

import (
	"net/netip"
	"testing"
	"time"

	"activedefense/agent/pace"
	"activedefense/store"
)

// Each block is counted in the hour in which it began, each line in which it was read; of an hour in which nobody looked that is not known.
func TestActivityIsByTheHour(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 30, 0, 0, time.UTC)
	s := newStage(t, func(o *Options) {
		o.Now = func() time.Time { return now }
		o.Pace = func() []pace.Hour {
			return []pace.Hour{{From: now.Add(-40 * 24 * time.Hour).Truncate(time.Hour), Lines: 1, Seconds: 1}, {From: now.Truncate(time.Hour), Lines: 700, Seconds: 1800}}
		}
	})
	for address, b := range map[string]store.Block{
		"203.0.113.1/32": {BlockedAt: now.Add(-time.Minute)}, "203.0.113.2/32": {BlockedAt: now.Add(-31 * time.Minute)}, "203.0.113.3/32": {BlockedAt: now.Add(-31 * 24 * time.Hour)},
		"203.0.113.4/32": {BlockedAt: now.Add(-time.Minute), State: store.Held}, "203.0.113.5/32": {BlockedAt: now.Add(time.Hour)},
	} {
		b.Address, b.Rule, b.By = netip.MustParsePrefix(address), "port-scan", store.ByDetector
		if _, err := s.store.Commit(t.Context(), &store.Batch{Blocks: []store.Block{b}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.store.Release(t.Context(), netip.MustParsePrefix("203.0.113.2/32"), "anna", "over", now); err != nil {
		t.Fatal(err)
	}
	var got Activity
	if err := s.api.Here(Caller{Role: Viewer}).Get(t.Context(), "activity", nil, &got); err != nil {
		t.Fatal(err)
	}
	last, blocks, looked := len(got.Hours)-1, 0, 0
	for _, h := range got.Hours {
		blocks += h.Blocks
		if h.Seconds > 0 {
			looked++
		}
	}
	want, before := ActiveHour{now.Truncate(time.Hour), 1, 700, 1800}, ActiveHour{From: now.Add(-time.Hour).Truncate(time.Hour), Blocks: 1}
	if len(got.Hours) != 720 || got.Hours[last] != want || got.Hours[last-1] != before || blocks != 2 || looked != 1 {
		t.Errorf("of %d hours the last are %+v; %d blocks, looked in %d", len(got.Hours), got.Hours[last-1:], blocks, looked)
	}
}
