package line

import (
	"cmp"
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"activedefense/agent/clock"
	"activedefense/agent/tail"
	"activedefense/store"
)

// files are the sources of the daemon: what agent/tail follows. Nothing else here knows of it.
type files struct {
	set     *tail.Set
	inputs  []Input
	parsers []*parsers // of each input
	lanes   map[*tail.Stream]*lane
	order   []*lane // of the streams, in their order
	// Of many files few have something new: these are lists of those to look at, so that the others cost nothing.
	ready   []*lane         // may have lines since they were last asked
	moved   []*lane         // whose positions changed since they were last committed
	fresh   []*lane         // not yet read to their ends
	stale   []*lane         // whose status may have changed since it was last published
	counted []*lane         // whose records were not shown to everybody yet
	rounds  int             // how often all lanes were read to their ends
	origin  map[int64]*lane // which lane reads a file; files of earlier runs may be missing
	// lastTimes has the event time of each path's last line, as stored by an earlier run.
	lastTimes map[string]time.Time
}

// followed is what the daemon keeps of a lane.
type followed struct {
	stream *tail.Stream
	input  Input
	used   tail.Mark // the last line taken
	begun  []int64   // the files of which one was taken
	moved  bool      // one was taken since the positions were last committed
	stale  bool      // its status may have changed since it was last published
	caught bool      // read to its end once
	newcomer
	stats *inputStats
	// records are those that stats was not told of, the last of them read at read: what others may see at any moment costs more for
	// each line than to parse a field of it.
	records uint64
	read    time.Time
}

// openFiles begins to follow the inputs at the positions of an earlier run. since is when the agent with these positions
// ran for the first time.
func openFiles(ctx context.Context, o Options, stored []store.Position) (*files, error) {
	opts := tail.Options{Logger: o.Logger, Since: o.Since}
	var shared []*parsers
	for i, in := range o.Inputs {
		shared = append(shared, parsersOf(&in))
		opts.Inputs = append(opts.Inputs, tail.Input{Pattern: in.Pattern, MaxFiles: in.MaxFiles, FromEnd: in.FromEnd, Sealed: in.Sealed, Ending: in.Ending, Tag: i})
	}
	set, err := tail.Open(ctx, opts, tailPositions(stored))
	if err != nil {
		return nil, err
	}
	return &files{set: set, inputs: o.Inputs, parsers: shared, lanes: make(map[*tail.Stream]*lane), origin: make(map[int64]*lane), lastTimes: lastTimes(stored)}, nil
}

// stream makes tail's stream a [Source].
type stream struct{ *tail.Stream }

func (s stream) Read(most int, take func(Line)) (int, error) {
	return s.Each(most, func(l tail.Line) {
		take(Line{Place: Place{l.File, l.Offset}, Size: l.Next - l.Offset, Data: l.Data, Cut: l.Cut})
	}), nil
}

// refresh looks for new, rotated and returned files. It gives the lanes that are new, and those whose path is gone; done: a sealed file
// was read to its end, which is to be stored.
func (f *files) refresh(ctx context.Context) (came, went []*lane, done bool, err error) {
	err = f.set.Refresh(ctx)
	added, dropped := f.set.Changed()
	for _, s := range dropped {
		l := f.lanes[s]
		went = append(went, l)
		delete(f.lanes, s)
		for _, id := range l.live.begun {
			if f.origin[id] == l {
				delete(f.origin, id)
			}
		}
	}
	for _, s := range added {
		l := f.adopt(s)
		came, f.ready = append(came, l), append(f.ready, l)
	}
	if len(came)+len(went) > 0 {
		f.reorder()
	}
	for _, s := range f.set.Ready() {
		l := f.lanes[s]
		l.dry = false
		f.ready = append(f.ready, l)
		f.changed(l)
		if l.live.input.Sealed && tail.Concluded(s) {
			done = true
			f.move(l)
		}
	}
	return came, went, done, err
}

// reorder brings the lanes into the order of their paths.
func (f *files) reorder() {
	f.order = slices.AppendSeq(f.order[:0], maps.Values(f.lanes))
	slices.SortFunc(f.order, func(a, b *lane) int { return cmp.Compare(a.name, b.name) })
	for i, l := range f.order {
		l.index = i
	}
}

// asked gives the lanes that may have lines since it was last asked.
func (f *files) asked() []*lane {
	ready := f.ready
	f.ready = nil
	return ready
}

// changed notes that the status of a lane may be another.
func (f *files) changed(l *lane) {
	if !l.live.stale {
		l.live.stale = true
		f.stale = append(f.stale, l)
	}
}

// count notes that a line gave a record.
func (f *files) count(l *lane, now time.Time) {
	if l.live.records == 0 {
		f.counted = append(f.counted, l)
	}
	l.live.records++
	l.live.read = now
}

// show tells everybody what was counted.
func (f *files) show() {
	for _, l := range f.counted {
		l.live.stats.recorded(l.live.records, l.last, l.live.read)
		l.live.records = 0
	}
	f.counted = f.counted[:0]
}

// publish makes the state of the lanes visible that may have changed.
func (f *files) publish(now time.Time) {
	for _, l := range f.stale {
		l.live.stale = false
		if f.lanes[l.live.stream] == l {
			l.live.stats.publish(l.live.stream.Status(l.live.used), now)
		}
	}
	f.stale = f.stale[:0]
}

// A newcomer is a file that came while others were read. What is read of it is of the moment where its lines go on as time does; what was written elsewhere, and is put
// there, has hours in a moment.
type newcomer struct {
	came    time.Time // when it was not there yet; zero: it was there when reading began
	rounds  *int      // how often all lanes were read to their ends
	round   int       // when its last line was taken
	read    time.Time // when that was
	written time.Time // event time of the last line of the round before, or of its first one
	since   time.Time // when that was read, or it was not there yet
}

// took notes that a line is taken; last is the event time of the one before.
func (n *newcomer) took(at, last, now time.Time) {
	switch {
	case n.came.IsZero():
		return
	case n.read.IsZero():
		n.written, n.since, n.round = at, n.came, *n.rounds
	case n.round != *n.rounds:
		n.written, n.since, n.round = last, n.read, *n.rounds
	}
	n.read = now
}

const (
	// fresh is by how much lines may go on faster than time does: for so long, what logs there may keep them to itself.
	fresh = time.Minute
	// proven is when a clock may be further behind than a wrong time zone has it.
	proven = time.Minute
)

// current tells whether what is read now comes as it is written: the lane has once been read to its end, or is a new file.
func (l *lane) current(now time.Time) bool {
	f := l.live
	if f.came.IsZero() {
		return f.caught
	}
	return l.last.Sub(f.written).Abs() <= now.Sub(f.since)+fresh && (now.Sub(l.last) <= clock.Zones || f.caught && now.Sub(f.came) >= proven)
}

// caught notes that all lanes were read to their ends.
func (f *files) caught() {
	f.rounds++
	for _, l := range f.fresh {
		l.live.caught = true
	}
	f.fresh = f.fresh[:0]
}

// adopt makes the lane of a newly found path.
func (f *files) adopt(s *tail.Stream) *lane {
	in := f.inputs[s.Tag()]
	l := newLane(stream{s}, s.Path(), f.parsers[s.Tag()])
	l.last = f.lastTimes[s.Path()]
	// Where reading begins is stored before any line: a start at the end of a file must not become a later one by a
	// crash, and a file that is renamed before its first line must be known again.
	l.live = &followed{stream: s, input: in, moved: true, newcomer: newcomer{rounds: &f.rounds}}
	f.lanes[s] = l
	f.moved, f.fresh = append(f.moved, l), append(f.fresh, l)
	f.changed(l)
	return l
}

// take notes that a line was taken.
func (f *files) take(l *lane, p *parsed) {
	if l.live.used.File != p.place.Origin {
		f.origin[p.place.Origin] = l
		l.live.begun = append(l.live.begun, p.place.Origin)
	}
	l.live.used = tail.Mark{File: p.place.Origin, Next: p.place.Offset + p.size}
	f.move(l)
	f.changed(l)
}

// move notes that the positions of a lane are to be committed.
func (f *files) move(l *lane) {
	if !l.live.moved {
		l.live.moved = true
		f.moved = append(f.moved, l)
	}
}

// positions appends those that moved since they were last asked for.
func (f *files) positions(to []store.Position, now time.Time, agreed bool) []store.Position {
	for _, l := range f.moved {
		l.live.moved = false
		if f.lanes[l.live.stream] != l {
			continue // its path is gone
		}
		for _, pos := range l.live.stream.Position(l.live.used) {
			l.live.stats.heard(pos.Updated, now)
			to = append(to, storePosition(pos, l.last, now, agreed))
		}
	}
	f.moved = f.moved[:0]
	return to
}

// lineAt reads one line again.
func (f *files) lineAt(p Place) ([]byte, error) { return f.set.LineAt(p.Origin, p.Offset) }

// storePosition is a read position as the store keeps it. A time more than a day ahead of now comes from a forged line
// or a broken clock, and must not decide from where evidence is read at the next start; unless nobody agreed with this host's clock, which may be
// the broken one.
func storePosition(pos tail.Position, last, now time.Time, agreed bool) store.Position {
	if agreed && last.After(now.Add(24*time.Hour)) {
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
