package store

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"
)

// Whoever has said which database it expects reads nothing of another one that decides anything, and changes nothing there, at whatever
// moment it took the place of the right one, and also when that has gone further.
func TestAnotherDatabaseIsRefusedByEveryTransaction(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("me")
		ctx := t.Context()
		block := Block{Address: prefix("203.0.113.1"), Reason: "x", By: ByDetector, BlockedAt: noon().Add(-time.Hour)}
		_, err := s.Commit(ctx, &Batch{Seq: 1, Records: []Record{{Time: noon()}}, Blocks: []Block{block}})
		must(t, err)
		known, _, err := s.Progress(ctx, Trail{})
		must(t, err)
		s.Expect(known)
		_, err = s.Commit(ctx, &Batch{Seq: 2, After: 1, Blocks: []Block{{Address: prefix("203.0.113.2"), Reason: "x", By: ByDetector, BlockedAt: noon()}}})
		must(t, err) // the right one goes on
		calls := map[string]func(*Store) error{
			"Commit":       func(s *Store) error { _, err := s.Commit(ctx, &Batch{Seq: 3, After: 2}); return err },
			"Changes":      func(s *Store) error { _, err := s.Changes(ctx, 0, func(*Entry) error { return nil }); return err },
			"Versions":     func(s *Store) error { _, _, err := s.Versions(ctx); return err },
			"Guards":       func(s *Store) error { _, err := s.Guards(ctx); return err },
			"Protected":    func(s *Store) error { _, _, err := s.Protected(ctx); return err },
			"Announce":     func(s *Store) error { return s.Announce(ctx, Sign{Name: "me"}, nil) },
			"SignOfLife":   func(s *Store) error { _, err := s.SignOfLife(ctx, ""); return err },
			"Members":      func(s *Store) error { _, err := s.Members(ctx); return err },
			"ReleaseQuiet": func(s *Store) error { _, err := s.ReleaseQuiet(ctx, noon(), time.Minute, 0); return err },
			"Quiet":        func(s *Store) error { return s.Quiet(ctx, noon(), time.Minute, func(netip.Prefix) {}) },
			"ReleaseAll": func(s *Store) error {
				_, err := s.ReleaseAll(ctx, map[netip.Prefix]string{block.Address: "x"}, noon())
				return err
			},
			"List": func(s *Store) error {
				_, err := s.List(ctx, LabelFile{"f", "l"}, []netip.Prefix{prefix("203.0.113.3")}, noon())
				return err
			},
			"Unlist": func(s *Store) error {
				_, err := s.Unlist(ctx, LabelFile{"f", "l"}, []netip.Prefix{block.Address}, "x", noon())
				return err
			},
			"PruneRecords": func(s *Store) error { _, err := s.PruneRecords(ctx, noon().Add(time.Hour)); return err },
			"PruneFuture":  func(s *Store) error { _, err := s.PruneFuture(ctx, noon().Add(-time.Hour)); return err },
			"PruneTo":      func(s *Store) error { _, err := s.PruneTo(ctx, 0, noon().Add(time.Hour)); return err },
			"Sightings": func(s *Store) error {
				return s.Sightings(ctx, []Interval{{From: noon().Add(-time.Hour)}}, nil, func(*Record) error { return nil })
			},
			"enforced":        func(s *Store) error { _, err := s.DropEnforced(ctx, []string{"FW-1"}); return err },
			"Resume":          func(s *Store) error { _, err := s.Resume(ctx); return err },
			"the positions":   func(s *Store) error { _, err := s.Positions(ctx); return err },
			"what it accepts": func(s *Store) error { _, err := s.AcceptedSince(ctx, noon()); return err },
		}
		before, _, err := s.Progress(ctx, Trail{})
		must(t, err)
		for what, is := range map[string]Progress{
			"older by its version": {Version: before.Version + 1, Batch: before.Batch, Trail: before.Trail},
			"older by its batches": {Version: before.Version, Batch: before.Batch + 1, Trail: before.Trail},
			"lacking entries":      {Version: before.Version, Changed: before.Changed + 1, Batch: before.Batch, Trail: before.Trail},
			"another one":          {Version: 1, Trail: newTrail(before.Trail.ID, noon().Add(time.Minute), "block", "192.0.2.7/32")},
			"one that is shorter":  {Version: 1, Trail: newTrail(before.Trail.ID+1, noon(), "block", "192.0.2.7/32")},
		} {
			for name, call := range calls {
				o := db.Options
				o.Instance = "me"
				s, err := Open(context.Background(), o)
				must(t, err)
				s.Expect(is)
				if err := call(s); !errors.Is(err, ErrRefused) {
					t.Errorf("%s: %s: %v", what, name, err)
				}
				if _, _, err := s.Versions(ctx); !errors.Is(err, ErrRefused) {
					t.Errorf("%s: after %s: %v", what, name, err)
				}
				after, holds, err := s.Progress(ctx, before.Trail)
				if err != nil || !holds || after != before {
					t.Errorf("%s: %s changed something: %+v, %t, %v", what, name, after, holds, err)
				}
				must(t, s.Close())
			}
		}
		n := 0
		must(t, s.Records(ctx, RecordFilter{}, func(*Record) error { n++; return nil }))
		equal(t, "records left", n, 1)
	})
}
