package archive

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"activedefense/store/block"
)

func noon() time.Time { return time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC) }

// blocksOf gives blocks of so many records each, from id 1 on.
func blocksOf(n int, records int64) (blocks []Block) {
	for i := range int64(n) {
		blocks = append(blocks, Block{Info: block.Info{Records: records}, FirstID: 1 + i*records, Bytes: 15 * records})
	}
	return blocks
}

// Blocks wait until four groups are full, nothing comes for five seconds, or one has waited for a minute; no more are taken at once than memory holds.
func TestWhenBlocksAreDue(t *testing.T) {
	for name, c := range map[string]struct {
		blocks []Block
		every  time.Duration // between one block and the next
		after  time.Duration // since the last
		want   int
	}{
		"none":              {nil, 0, time.Hour, 0},
		"just come":         {blocksOf(2, 100), time.Second, 4 * time.Second, 0},
		"nothing comes":     {blocksOf(2, 100), time.Second, 5 * time.Second, 2},
		"they keep coming":  {blocksOf(59, 100), time.Second, 0, 0},
		"for a minute":      {blocksOf(61, 100), time.Second, 0, 61},
		"many":              {blocksOf(60, 10_000), 0, 0, 53},
		"large":             {blocksOf(60, 1<<21), 0, 0, 1},
		"nearly enough":     {blocksOf(52, 10_000), 0, 0, 0},
		"many, some behind": {blocksOf(200, 10_000), 0, time.Hour, 53},
	} {
		var s sealer
		now := noon()
		s.arrived(nil, now)
		for i := range c.blocks {
			now = now.Add(c.every)
			s.arrived(c.blocks[:i+1], now)
		}
		if got := s.due(c.blocks, now.Add(c.after)); len(got) != c.want {
			t.Errorf("%s: %d of %d blocks are due, and %d were to be", name, len(got), len(c.blocks), c.want)
		}
	}
}

// What waits at the start has waited since its records came: a start lets nothing wait for another minute while lines keep coming. What is dated in the future has just come.
func TestBlocksOfBeforeTheStartHaveWaited(t *testing.T) {
	for name, c := range map[string]struct {
		newest []time.Duration // ago, of each block
		due    time.Duration   // after the start, while another one comes each second
	}{
		"for a minute":  {[]time.Duration{time.Minute, time.Second}, 0},
		"for less":      {[]time.Duration{40 * time.Second, time.Second}, 20 * time.Second},
		"nothing came":  {[]time.Duration{20 * time.Second, 10 * time.Second}, 0},
		"in the future": {[]time.Duration{-time.Hour}, time.Minute},
	} {
		var s sealer
		blocks := blocksOf(len(c.newest), 100)
		for i, ago := range c.newest {
			blocks[i].Newest = noon().Add(-ago)
		}
		for after := time.Duration(0); ; after += time.Second {
			now := noon().Add(after)
			s.arrived(blocks, now)
			if len(s.due(blocks, now)) > 0 {
				if after != c.due {
					t.Errorf("%s: due %s after the start", name, after)
				}
				break
			}
			if after > 2*time.Minute {
				t.Errorf("%s: never due", name)
				break
			}
			blocks = append(blocks, Block{Info: block.Info{Records: 100, Newest: now}, FirstID: int64(1 + len(blocks)*100)})
		}
	}
}

// Files of a day are merged eight at a time where they are of one size, small ones first, and whatever they are when nothing comes to the day any more.
func TestWhichFilesAreMerged(t *testing.T) {
	day := noon().Truncate(24 * time.Hour)
	var id int64
	files := func(n int, records int64, days int) (list []File) {
		for range n {
			id++
			list = append(list, File{ID: id, Day: day.AddDate(0, 0, days), FirstID: id * 1000, FileInfo: block.FileInfo{Info: block.Info{Records: records}}})
		}
		return list
	}
	settled := map[time.Time]bool{day: true}
	for name, c := range map[string]struct {
		files   []File
		settled map[time.Time]bool
		want    int
		records int64 // of each that is merged; 0: whatever they have
	}{
		"none":                {nil, settled, 0, 0},
		"seven":               {files(7, 100, 0), nil, 0, 0},
		"eight":               {files(8, 100, 0), nil, 8, 100},
		"of two days":         {append(files(7, 100, 0), files(7, 100, 1)...), nil, 0, 0},
		"of two sizes":        {append(files(7, 100, 0), files(7, 100_000, 0)...), nil, 0, 0},
		"small ones first":    {append(files(9, 600_000, 0), files(8, 100, 1)...), nil, 8, 100},
		"a handful, settled":  {append(files(7, 100, 0), files(1, 100_000, 0)...), settled, 0, 0},
		"more, settled":       {append(files(7, 100, 0), files(7, 600_000, 0)...), settled, 10, 0},
		"very many, settled":  {slices.Concat(files(7, 10, 0), files(7, 100, 0), files(7, 2000, 0), files(7, 20_000, 0)), settled, 24, 0},
		"more, another's day": {append(files(7, 100, 1), files(7, 600_000, 1)...), settled, 0, 0},
	} {
		got := pick(c.files, c.settled)
		for _, f := range got {
			if f.Day != got[0].Day || c.records > 0 && f.Records != c.records {
				t.Errorf("%s: %+v is among them", name, f)
			}
		}
		if len(got) != c.want {
			t.Errorf("%s: %d files are merged, and %d were to be", name, len(got), c.want)
		}
	}
}

// However records come, a day ends with a handful of files, and each record was written few times.
func TestADayEndsWithAHandfulOfFiles(t *testing.T) {
	day := noon().Truncate(24 * time.Hour)
	for _, each := range []int64{1, 600, 50_000, 530_000} {
		var files []File
		written, records := int64(0), int64(0)
		merge := func(settled bool) {
			for {
				some := pick(files, map[time.Time]bool{day: settled})
				if len(some) == 0 {
					return
				}
				one := File{ID: files[len(files)-1].ID + 1, Day: day, FirstID: some[0].FirstID}
				for _, f := range some {
					one.Records += f.Records
				}
				written += one.Records
				files = append(slices.DeleteFunc(files, func(f File) bool { return slices.ContainsFunc(some, func(s File) bool { return s.ID == f.ID }) }), one)
			}
		}
		for i := range int64(1440) {
			n := int64(1)
			if len(files) > 0 {
				n = files[len(files)-1].ID + 1
			}
			files = append(files, File{ID: n, Day: day, FirstID: i * each, FileInfo: block.FileInfo{Info: block.Info{Records: each}}})
			records, written = records+each, written+each
			merge(false)
		}
		merge(true)
		if len(files) > 8 || written > 6*records {
			t.Errorf("of %d records each minute, %d files are left, and each record was written %.1f times", each, len(files), float64(written)/float64(records))
		}
	}
}

// No stretch has more than 64 files, unless a day has more, and together they are all of time and all files, once.
func TestStretches(t *testing.T) {
	day := noon().Truncate(24 * time.Hour)
	for _, n := range []int{0, 1, 64, 65, 400} {
		var files []File
		for i := range n {
			files = append(files, File{ID: int64(i), Day: day.AddDate(0, 0, i/7)})
		}
		for range 70 {
			files = append(files, File{Day: day.AddDate(0, 0, 90)})
		}
		list := Stretches(files)
		seen, until := 0, time.Time{}
		for i, s := range list {
			if s.Until != until || i == len(list)-1 != s.Since.IsZero() || len(s.Files) > 64 && s.Files[0].Day != s.Files[len(s.Files)-1].Day {
				t.Errorf("%d: from %s until %s %d files", n, s.Since, s.Until, len(s.Files))
			}
			for _, f := range s.Files {
				if f.Day.Before(s.Since) || !s.Until.IsZero() && f.Day.AddDate(0, 0, 1).After(s.Until) {
					t.Errorf("%d: %s is in the stretch from %s until %s", n, f.Day, s.Since, s.Until)
				}
			}
			seen, until = seen+len(s.Files), s.Since
		}
		if seen != n+70 {
			t.Errorf("%d files of %d", seen, n+70)
		}
	}
	if fmt.Sprint(Stretches(nil)) != fmt.Sprint([]Stretch{{}}) {
		t.Error("no files are no time")
	}
}
