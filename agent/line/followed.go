package line

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"activedefense/agent/tail"
	"activedefense/store"
)

// files are the sources of the daemon: what agent/tail follows. Nothing else here knows of it.
type files struct {
	set    *tail.Set
	inputs []Input
	lanes  map[*tail.Stream]*lane
	order  []*lane         // of the streams, in their order
	origin map[int64]*lane // which lane reads a file; files of earlier runs may be missing
	// lastTimes has the event time of each path's last line, as stored by an earlier run.
	lastTimes map[string]time.Time
}

// followed is what the daemon keeps of a lane.
type followed struct {
	stream *tail.Stream
	input  Input
	used   tail.Mark // the last line taken
	moved  bool      // one was taken since the positions were last committed
	caught bool      // read to its end once
	stats  *inputStats
}

// openFiles begins to follow the inputs at the positions of an earlier run. since is when the agent with these positions
// ran for the first time.
func openFiles(o Options, stored []store.Position) (*files, error) {
	opts := tail.Options{Logger: o.Logger, Since: o.Since}
	for i, in := range o.Inputs {
		opts.Inputs = append(opts.Inputs, tail.Input{Pattern: in.Pattern, FromEnd: in.FromEnd, Tag: i})
	}
	set, err := tail.Open(opts, tailPositions(stored))
	if err != nil {
		return nil, err
	}
	return &files{set: set, inputs: o.Inputs, lanes: make(map[*tail.Stream]*lane), origin: make(map[int64]*lane), lastTimes: lastTimes(stored)}, nil
}

// stream makes tail's stream a [Source].
type stream struct{ *tail.Stream }

func (s stream) Read(most int, take func(Line)) (int, error) {
	return s.Each(most, func(l tail.Line) {
		take(Line{Place: Place{l.File, l.Offset}, Size: l.Next - l.Offset, Data: l.Data, Cut: l.Cut})
	}), nil
}

// refresh looks for new, rotated and returned files. It gives the lanes that are new, and those whose path is gone.
func (f *files) refresh() (came, went []*lane, err error) {
	err = f.set.Refresh()
	f.order = f.order[:0]
	for _, s := range f.set.Streams() {
		l := f.lanes[s]
		if l == nil {
			l = f.adopt(s)
			came = append(came, l)
		}
		l.dry = false
		f.order = append(f.order, l)
	}
	if len(f.lanes) > len(f.order) {
		for s, l := range f.lanes {
			if !slices.Contains(f.order, l) {
				went = append(went, l)
				delete(f.lanes, s)
				maps.DeleteFunc(f.origin, func(_ int64, of *lane) bool { return of == l })
			}
		}
	}
	return came, went, err
}

// adopt makes the lane of a newly found path.
func (f *files) adopt(s *tail.Stream) *lane {
	in := f.inputs[s.Tag()]
	l := newLane(stream{s}, s.Path(), in.NewParser)
	l.last = f.lastTimes[s.Path()]
	// Where reading begins is stored before any line: a start at the end of a file must not become a later one by a
	// crash, and a file that is renamed before its first line must be known again.
	l.live = &followed{stream: s, input: in, moved: true}
	f.lanes[s] = l
	return l
}

// take notes that a line was taken.
func (f *files) take(l *lane, p *parsed) {
	if l.live.used.File != p.place.Origin {
		f.origin[p.place.Origin] = l
	}
	l.live.used = tail.Mark{File: p.place.Origin, Next: p.place.Offset + p.size}
	l.live.moved = true
}

// positions appends those that moved since they were last asked for.
func (f *files) positions(to []store.Position, now time.Time) []store.Position {
	for _, l := range f.order {
		if !l.live.moved {
			continue
		}
		l.live.moved = false
		for _, pos := range l.live.stream.Position(l.live.used) {
			l.live.stats.heard(pos.Updated, now)
			to = append(to, storePosition(pos, l.last, now))
		}
	}
	return to
}

// lineAt reads one line again.
func (f *files) lineAt(p Place) ([]byte, error) { return f.set.LineAt(p.Origin, p.Offset) }

// storePosition is a read position as the store keeps it. A time more than a day ahead of now comes from a forged line
// or a broken clock, and must not decide from where evidence is read at the next start.
func storePosition(pos tail.Position, last, now time.Time) store.Position {
	if last.After(now.Add(24 * time.Hour)) {
		last = now
	}
	return store.Position{
		ID: pos.ID, Path: pos.Path, Device: pos.Device, Inode: pos.Inode,
		Fingerprint: pos.Fingerprint, FingerprintLen: pos.FingerprintLen,
		Offset: pos.Offset, Done: pos.Done, Updated: pos.Updated, LastTime: last,
	}
}

func tailPositions(stored []store.Position) []tail.Position {
	positions := make([]tail.Position, 0, len(stored))
	for _, p := range stored {
		positions = append(positions, tail.Position{
			ID: p.ID, Path: p.Path, Device: p.Device, Inode: p.Inode, Fingerprint: p.Fingerprint,
			FingerprintLen: p.FingerprintLen, Offset: p.Offset, Done: p.Done, Updated: p.Updated,
		})
	}
	return positions
}

// lastTimes gives the event time of the last line of each path.
func lastTimes(stored []store.Position) map[string]time.Time {
	last := make(map[string]time.Time)
	for _, p := range stored {
		if p.LastTime.After(last[p.Path]) {
			last[p.Path] = p.LastTime
		}
	}
	return last
}

// deviceOf is the device name that a file stands for: its name without the folder and `.log`.
func deviceOf(path string) string {
	return strings.TrimSuffix(filepath.Base(path), ".log")
}
