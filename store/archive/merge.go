package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"slices"
	"time"

	"activedefense/store/block"
)

// Files of a day are merged eight at a time where they have nearly as many records, and once nothing has come to the day for settled, until it has a handful.
const (
	together = 8
	handful  = 8
	mostAway = 64 // files that are merged at once
	settled  = 10 * time.Minute
)

// lastFile is the newest file of a day, and when it was seen first.
type lastFile struct {
	id int64
	at time.Time
}

// merge makes one file of several, if there are some to be merged.
func (a *Archive) merge(ctx context.Context, now time.Time) (more bool, err error) {
	a.mu.Lock()
	dirty := a.dirty
	a.mu.Unlock()
	if !dirty {
		return false, nil
	}
	files, err := a.registry.Files(ctx)
	if err != nil {
		return false, err
	}
	files = slices.DeleteFunc(files, func(f File) bool { return a.faulty(f.ID) })
	some := pick(files, a.sealer.settledDays(files, now))
	if len(some) == 0 {
		a.mu.Lock()
		a.dirty = false // until the next look
		a.mu.Unlock()
		return false, nil
	}
	opened, release, err := a.Open(ctx, some)
	if err != nil {
		release(nil)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, block.ErrDamaged) {
			return true, nil // the next time without it
		}
		return false, err
	}
	change := Change{}
	first, last := some[0].FirstID, some[0].LastID
	for _, f := range some {
		change.Files = append(change.Files, f.ID)
		first, last = min(first, f.FirstID), max(last, f.LastID)
	}
	err = a.add(ctx, &change, 1, first, last, func(name func(time.Time) string) ([]block.Sealed, error) {
		path := name(some[0].Day)
		info, err := block.Merge(ctx, path, opened)
		return []block.Sealed{{Path: path, Day: some[0].Day, FileInfo: info}}, err
	})
	release(err)
	if errors.Is(err, block.ErrDamaged) {
		return true, nil // it is noted, and the next time left out
	}
	if err != nil {
		return false, fmt.Errorf("merge records files of %s: %w", some[0].Day.Format(time.DateOnly), err)
	}
	return true, a.remove(some)
}

// settledDays gives the days to which nothing has come for a while.
func (s *sealer) settledDays(files []File, now time.Time) map[time.Time]bool {
	newest := make(map[time.Time]int64)
	for _, f := range files {
		newest[f.Day] = max(newest[f.Day], f.ID)
	}
	days, is := make(map[time.Time]lastFile, len(newest)), make(map[time.Time]bool)
	for day, id := range newest {
		last := s.days[day]
		if last.id != id {
			last = lastFile{id, now}
		}
		days[day] = last
		is[day] = now.Sub(last.at) >= settled
	}
	s.days = days
	return is
}

// pick gives the files that are to be merged next, all of one day; none if there are none.
func pick(files []File, settled map[time.Time]bool) []File {
	type class struct {
		day  time.Time
		size int
	}
	byClass, byDay := make(map[class][]File), make(map[time.Time][]File)
	for _, f := range files {
		c := class{f.Day, bits.Len64(uint64(f.Records)) / 3} // within a factor of eight
		byClass[c], byDay[f.Day] = append(byClass[c], f), append(byDay[f.Day], f)
	}
	var best class
	for c, list := range byClass {
		if len(list) >= together && (len(byClass[best]) < together || cmp.Or(cmp.Compare(c.size, best.size), c.day.Compare(best.day)) < 0) {
			best = c
		}
	}
	if list := byClass[best]; len(list) >= together {
		slices.SortFunc(list, func(a, b File) int { return cmp.Or(cmp.Compare(a.FirstID, b.FirstID), cmp.Compare(a.ID, b.ID)) })
		return list[:together]
	}
	for day, list := range byDay {
		if !settled[day] || len(list) <= handful {
			continue
		}
		slices.SortFunc(list, func(a, b File) int { return cmp.Or(cmp.Compare(a.Records, b.Records), cmp.Compare(a.ID, b.ID)) })
		return list[:min(len(list)-handful/2, mostAway)]
	}
	return nil
}
