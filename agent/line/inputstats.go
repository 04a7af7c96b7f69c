package line

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"activedefense/agent/clock"
	"activedefense/agent/silence"
	"activedefense/agent/tail"
	"activedefense/detect"
	"activedefense/store"
)

// keptBadLines is how many lines that could not be parsed are kept for status; the first ones, because
// they are the ones that began the trouble.
const (
	keptBadLines   = 20
	keptBadLineLen = 1024
)

// Logins without a certain client are a trouble when there are so many of a file, none longer than that after the one before: who guesses passwords may have
// written what makes them so.
const (
	HiddenOften = 10
	hiddenQuiet = time.Hour
)

// hidden are the logins without a certain client that came since a time, the last one at another. Of inputStats.mu.
type hidden struct {
	since, last time.Time
	count       uint64
	reason      string // of the last one
}

// BadLine is a line that could not be parsed.
type BadLine struct {
	Path  string    `json:"path"`
	Time  time.Time `json:"time"` // when it was read
	Error string    `json:"error"`
	Line  string    `json:"line"` // its first 1024 bytes
}

// inputStats counts the lines of one path. The counters are written by Live and read by anyone.
type inputStats struct {
	path, series                      string // see silence.File
	lines, records, ignored, bad, cut atomic.Uint64
	firewall                          atomic.Bool  // one logs there; see Input
	lastEvent                         atomic.Int64 // unix nanoseconds of the last record's event time; 0: none yet
	lastRead                          atomic.Int64 // unix nanoseconds at which the last line was read
	gone                              time.Time    // since when nothing is read for the path; zero: something is. Of stats.mu
	mu                                sync.Mutex
	tail                              tail.Status
	troubled                          time.Time // since when tail has an error
	clock                             string    // what the clock warning says, empty if none
	hidden                            hidden
	input                             int          // index of its input among Stats.expected; -1: of none
	lastLine                          atomic.Int64 // unix nanoseconds of heard
}

const (
	// keptInputs is how long the counters of a path are shown after its file is gone and read to the end.
	keptInputs = 24 * time.Hour
	// mostInputs bounds how many paths are kept on that account, and how many are shown: where files are named by
	// their date, or by their sender, there may be many.
	mostInputs = 1000
)

// input gives the counters of a path, made at its first use.
func (s *Stats) input(path string) *inputStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.inputs[path]
	if in == nil {
		in = &inputStats{path: path, series: silence.Series(path), input: slices.IndexFunc(s.expected, func(e silence.Input) bool { return matches(e.Pattern, path) })}
		if former := s.former[path]; former != nil {
			in.count(former)
			delete(s.former, path)
		}
		s.inputs[path] = in
		s.order = append(s.order, in)
	}
	in.gone = time.Time{}
	return in
}

// count takes over what was counted of the path before.
func (in *inputStats) count(former *inputStats) {
	for _, c := range [][2]*atomic.Uint64{{&in.lines, &former.lines}, {&in.records, &former.records}, {&in.ignored, &former.ignored}, {&in.bad, &former.bad}, {&in.cut, &former.cut}} {
		c[0].Store(c[1].Load())
	}
	in.lastEvent.Store(former.lastEvent.Load())
	in.lastRead.Store(former.lastRead.Load())
	in.firewall.Store(former.firewall.Load())
	in.hidden = former.hide(0, "", time.Time{})
}

// hide counts n more logins without a certain client, and gives those until now.
func (in *inputStats) hide(n uint64, reason string, now time.Time) hidden {
	in.mu.Lock()
	defer in.mu.Unlock()
	h := &in.hidden
	if n > 0 {
		if now.Sub(h.last) > hiddenQuiet {
			*h = hidden{since: now}
		}
		h.last, h.reason = now, reason
		h.count += n
	}
	return *h
}

// left notes that nothing is read for a path any more: its file is gone, and was read to its end.
func (s *Stats) left(in *inputStats, now time.Time) {
	in.publish(tail.Status{Path: in.path}, now)
	in.setClock("")
	s.mu.Lock()
	in.gone = now
	s.mu.Unlock()
}

// forget lets go of paths that have been gone for long, and of those gone longest if there are too many.
func (s *Stats) forget(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var gone []*inputStats
	for _, in := range s.order {
		if !in.gone.IsZero() {
			gone = append(gone, in)
		}
	}
	slices.SortStableFunc(gone, func(a, b *inputStats) int { return a.gone.Compare(b.gone) })
	for _, in := range gone {
		if len(s.inputs) <= mostInputs && now.Sub(in.gone) < keptInputs {
			break
		}
		delete(s.inputs, in.path)
	}
	s.order = slices.DeleteFunc(s.order, func(in *inputStats) bool { return s.inputs[in.path] != in })
}

// expect sets what is to be heard of, before any input is opened: no line was seen before since, and what earlier runs heard is known
// from their positions.
func (s *Stats) expect(inputs []Input, since time.Time, stored []store.Position, now time.Time) {
	if since.IsZero() || since.After(now) {
		since = now
	}
	var expected []silence.Input
	lately := make(map[string]time.Time)
	for _, in := range inputs {
		if in.Ending {
			continue // nobody writes there
		}
		e := silence.Input{Name: in.Name, Pattern: in.Pattern, After: in.SilentAfter, Since: since}
		for _, p := range stored {
			former := func(other Input) bool { return other.Ending && other.Name == in.Name && matches(other.Pattern, p.Path) }
			its := matches(in.Pattern, p.Path)
			if p.Updated.After(now) || !its && !slices.ContainsFunc(inputs, former) {
				continue
			}
			if p.Updated.After(e.Heard) {
				e.Heard = p.Updated
			}
			if its && now.Sub(p.Updated) < keptInputs && p.Updated.After(lately[p.Path]) {
				lately[p.Path] = p.Updated
			}
		}
		expected = append(expected, e)
	}
	s.mu.Lock()
	s.expected = expected
	s.mu.Unlock()
	for path, at := range lately {
		in := s.input(path)
		in.heard(at, now)
		s.left(in, now) // until its file is found
	}
}

// heard notes that lines of it were written until then, as its file's modification time says.
func (in *inputStats) heard(at, now time.Time) {
	if at.After(now) {
		at = now
	}
	if n := at.UnixNano(); !at.IsZero() && n > in.lastLine.Load() {
		in.lastLine.Store(n)
	}
}

func (s *Stats) allInputs() []*inputStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.order)
}

// LastEvents gives, of each input that had one, the time of the last record, by what logs there; of files that differ in their date alone that of the one read last.
func (s *Stats) LastEvents() (firewalls, others map[string]time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	newest := make(map[string]*inputStats, s.series)
	for _, in := range s.order {
		if in.lastEvent.Load() == 0 {
			continue
		}
		if other := newest[in.series]; other == nil || in.lastRead.Load() >= other.lastRead.Load() {
			newest[in.series] = in
		}
	}
	s.series = len(newest)
	firewalls, others = make(map[string]time.Time), make(map[string]time.Time)
	for series, in := range newest {
		if at := time.Unix(0, in.lastEvent.Load()); in.firewall.Load() {
			firewalls[series] = at
		} else {
			others[series] = at
		}
	}
	return firewalls, others
}

// Later is by how much it may be later than the host's clock says: anew, or where that is not agreed with, by what was read until now.
func (s *Stats) Later(c *clock.Clock, anew bool) time.Duration {
	if anew || !c.Agreed() {
		c.Heard(s.LastEvents())
	}
	return c.Later()
}

// recorded counts lines that gave a record: the last of them was read at the time given.
func (in *inputStats) recorded(lines uint64, lastEvent, lastRead time.Time) {
	in.lines.Add(lines)
	in.records.Add(lines)
	in.lastEvent.Store(lastEvent.UnixNano())
	in.lastRead.Store(lastRead.UnixNano())
}

// failed counts a line that gave no record: another log type, one that the firewall itself cut off, or a fault that is kept
// as a sample, as are those of the second kind, of failed logins the one with which they are a trouble.
func (in *inputStats) failed(err error, line []byte, now time.Time, all *Stats) {
	in.lines.Add(1)
	in.lastRead.Store(now.UnixNano())
	if errors.Is(err, detect.ErrNoEvent) {
		in.ignored.Add(1)
		return
	}
	if errors.Is(err, detect.ErrCut) {
		in.cut.Add(1)
		if errors.Is(err, detect.ErrHidden) && in.hide(1, err.Error(), now).count != HiddenOften {
			return
		}
	} else {
		in.bad.Add(1)
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	if len(all.bad) >= keptBadLines {
		return
	}
	text := line[:min(len(line), keptBadLineLen)]
	all.bad = append(all.bad, BadLine{Path: in.path, Time: now, Error: err.Error(), Line: string(text)})
}

func (in *inputStats) publish(st tail.Status, now time.Time) {
	in.mu.Lock()
	if in.tail.Err == nil {
		in.troubled = now
	}
	in.tail = st
	in.mu.Unlock()
	in.heard(st.Written, now) // what is stored with its position may be older, and be that until there is another line
}

// trouble gives why the path cannot be read, or only in part, and since when; nil: it can.
func (in *inputStats) trouble() (since time.Time, err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.troubled, in.tail.Err
}

func (in *inputStats) setClock(text string) {
	in.mu.Lock()
	in.clock = text
	in.mu.Unlock()
}

// lag is how far the last line read is behind now, while there is more to read; else zero.
func (in *inputStats) lag(behind int64, now time.Time) time.Duration {
	last := in.lastEvent.Load()
	if behind <= 0 || last == 0 {
		return 0
	}
	return max(now.Sub(time.Unix(0, last)), 0)
}
