package tail

import (
	"slices"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// defaultMaxFiles is how many files of one input are followed at once, where the input does not say.
const defaultMaxFiles = 10_000

// room is how many paths can be followed at once, each with a file open. One more is followed in the place of the one from
// which nothing has come for longest: that is closed and remembered as finished, and taken up again when it grows, is truncated
// or replaced. Its user holds Set.mu.
type room struct {
	most  int                  // of all inputs together
	taken int                  // of all inputs
	idle  map[*input][]*Stream // which may be let go, the one fed last first; nil: not looked for since the last listing
}

// descriptorsFor is what a path takes at most for long: while one is rotated, the file before is watched for late writers.
const descriptorsFor = 2

// roomForAll gives how many paths the limit of open files leaves room for, a tenth of it left to everything else.
func roomForAll() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > 1<<30 {
		return 1 << 30 / descriptorsFor
	}
	return max(1, int(limit.Cur-limit.Cur/10)/descriptorsFor)
}

// holds tells whether a file is open.
func (q *sequence) holds() bool { return len(q.queue)+len(q.late) > 0 }

// recount counts anew which paths are followed.
func (r *room) recount(inputs []input, streams []*Stream) {
	r.taken, r.idle = 0, nil
	for i := range inputs {
		inputs[i].followed, inputs[i].waiting, inputs[i].resting = 0, 0, 0
	}
	for _, st := range streams {
		st.queued = false
		if st.files.holds() {
			st.in.followed++
			r.taken++
		}
	}
}

// full tells whether one more path of an input is followed only in the place of another.
func (r *room) full(in *input) bool { return in.followed >= in.MaxFiles || r.taken >= r.most }

// admit makes room for the first open file of a stream; false: there is none now, and it has to wait.
func (st *Stream) admit() bool {
	s := st.set
	if st.files.holds() {
		return true
	}
	if s.room.full(st.in) && !st.literal && !s.letGo(st.in) {
		if !st.queued {
			st.queued = true
			st.in.waiting++
		}
		return false
	}
	st.in.followed++
	s.room.taken++
	return true
}

// yield gives back the room of a stream of which no file could be opened.
func (r *room) yield(st *Stream) {
	if !st.files.holds() {
		st.in.followed--
		r.taken--
	}
}

// idles gives which streams of an input may be let go, the one fed last first.
func (r *room) idles(in *input, streams []*Stream) []*Stream {
	if r.idle == nil {
		r.idle = map[*input][]*Stream{}
		for _, st := range streams {
			if st.idle() {
				r.idle[st.in] = append(r.idle[st.in], st)
			}
		}
		for _, list := range r.idle {
			slices.SortFunc(list, func(a, b *Stream) int { return b.files.cur.idle.Compare(a.files.cur.idle) })
		}
	}
	return r.idle[in]
}

// letGo closes the file from which nothing has come for longest, to follow another one of the input.
func (s *Set) letGo(in *input) bool {
	list := s.room.idles(in, s.order)
	if in.followed < in.MaxFiles { // it is the others that take the room
		for _, other := range s.room.idle {
			if len(other) > len(list) {
				list = other
			}
		}
	}
	for n := len(list) - 1; n >= 0; n-- {
		st := list[n]
		s.room.idle[st.in] = list[:n]
		if f := st.files.cur; st.idle() && f.atEnd() && s.folders.leads(f) {
			st.finish(f)
			f.rested = true
			if f.mtime.After(f.stamp) {
				f.stamp = f.mtime
			}
			st.in.followed--
			s.room.taken--
			s.news.of(st)
			return true
		}
	}
	return false
}

// idle tells whether a stream may be let go: all that it has was read a while ago.
func (st *Stream) idle() bool {
	c := st.files.cur
	return c != nil && !st.literal && !st.trouble && !st.held && st.files.alone(c) && len(st.files.late)+len(st.files.waiting) == 0 &&
		c.h != nil && c.gone.IsZero() && c.fault == nil && c.end == c.offset && st.set.now().Sub(c.idle) >= st.set.poll
}

// queued tells whether files wait for their turn.
func (ins *inputs) queued() bool {
	return slices.ContainsFunc(ins.list, func(in input) bool { return in.waiting > 0 })
}

// rests tells whether what lies at a path is a finished file that has not changed since, and is to be left alone: because it
// was let go, or because there is no room to look at it again.
func (s *Set) rests(in *input, e entry) bool {
	for _, f := range s.known.byKey[e.key] {
		if f.done && f.path == e.path && f.unchanged(e) && (f.rested || s.room.full(in)) {
			in.resting++
			return true
		}
	}
	return false
}

// unchanged tells whether an entry is a file of which everything was read, as it was when it was last seen.
func (f *file) unchanged(e entry) bool {
	return (f.offset > 0 || e.size == 0) && e.size == f.size && e.mtime.Truncate(time.Microsecond).Equal(f.stamp.Truncate(time.Microsecond))
}

// rest leaves a known file alone of which everything was read, and for which there is no room.
func (st *Stream) rest(f *file, e entry) bool {
	if !st.set.inputs.crowded(st.set.folders.names, st.set.room.most) || e.path != f.path || e.size != f.offset || !f.unchanged(e) {
		return false
	}
	st.remove(f)
	f.rested = true
	st.delivery.conclude(f)
	return true
}

// crowded tells whether there may be more files than can be followed.
func (ins *inputs) crowded(names, most int) bool {
	return names > most || slices.ContainsFunc(ins.list, func(in input) bool { return names > in.MaxFiles })
}

// newest leaves out those of the new paths for which there can be no room now: those written to longest ago.
func (s *Set) newest(all []found) []found {
	if !s.inputs.crowded(s.folders.names, s.room.most) {
		return all
	}
	fresh := map[*input][]found{}
	for _, c := range all {
		if c.stream == nil {
			fresh[c.in] = append(fresh[c.in], c)
		}
	}
	left := map[string]bool{}
	for in, list := range fresh {
		can := max(0, min(in.MaxFiles-in.followed, s.room.most-s.room.taken)) + len(s.room.idles(in, s.order))
		if in.literal || len(list) <= can {
			continue
		}
		slices.SortStableFunc(list, func(a, b found) int { return b.entry.mtime.Compare(a.entry.mtime) })
		for _, c := range list[can:] {
			left[c.entry.path] = true
			in.waiting++
		}
	}
	return slices.DeleteFunc(all, func(c found) bool { return c.stream == nil && left[c.entry.path] })
}

// A Crowd is an input with more files than are followed at once.
type Crowd struct {
	Tag      int // of the input
	Pattern  string
	MaxFiles int // that may be followed
	Followed int // that are
	Resting  int // that are not, and have not changed since they were read to their ends
	Waiting  int // that are not, and have something to read
}

// Crowds gives the inputs of which not all files are followed, as of the last look at all of them, and of how many files,
// since Open, lines may be lost that were not read.
func (s *Set) Crowds() (crowds []Crowd, lost uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.crowds), s.lost
}

// tell notes which inputs have more files than are followed, and logs when that begins and when it ends.
func (ins *inputs) tell(most int, log *zerolog.Logger) (crowds []Crowd) {
	for i := range ins.list {
		in := &ins.list[i]
		more := in.resting+in.waiting > 0
		if more {
			crowds = append(crowds, Crowd{Tag: in.Tag, Pattern: in.Pattern, MaxFiles: min(in.MaxFiles, most), Followed: in.followed, Resting: in.resting, Waiting: in.waiting})
		}
		switch {
		case more && !in.told:
			log.Warn().Str("path", in.Pattern).Int("followed", in.followed).Int("resting", in.resting).Int("waiting", in.waiting).
				Msg("more files match than are followed at once; those with news go first")
		case !more && in.told:
			log.Info().Str("path", in.Pattern).Msg("all files that match are followed again")
		}
		in.told = more
	}
	return crowds
}
