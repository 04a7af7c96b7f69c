package tail

import (
	"slices"
	"time"

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

// holds tells whether a file of the stream is open.
func (st *Stream) holds() bool { return len(st.files.queue)+len(st.files.late) > 0 }

// recount counts anew which paths are followed.
func (s *Set) recount() {
	s.room.taken, s.room.idle = 0, nil
	for i := range s.inputs.list {
		in := &s.inputs.list[i]
		in.followed, in.waiting, in.resting = 0, 0, 0
	}
	for _, st := range s.order {
		st.queued = false
		if st.holds() {
			st.in.followed++
			s.room.taken++
		}
	}
}

// full tells whether one more path of an input is followed only in the place of another.
func (s *Set) full(in *input) bool { return in.followed >= in.MaxFiles || s.room.taken >= s.room.most }

// admit makes room for the first open file of a stream; false: there is none now, and it has to wait.
func (s *Set) admit(st *Stream) bool {
	if st.holds() {
		return true
	}
	if s.full(st.in) && !st.literal && !s.letGo(st.in) {
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
func (s *Set) yield(st *Stream) {
	if !st.holds() {
		st.in.followed--
		s.room.taken--
	}
}

// idles gives which streams of an input may be let go, the one fed last first.
func (s *Set) idles(in *input) []*Stream {
	if s.room.idle == nil {
		s.room.idle = map[*input][]*Stream{}
		for _, st := range s.order {
			if st.idle(s.now(), s.poll) {
				s.room.idle[st.in] = append(s.room.idle[st.in], st)
			}
		}
		for _, list := range s.room.idle {
			slices.SortFunc(list, func(a, b *Stream) int { return b.files.cur.idle.Compare(a.files.cur.idle) })
		}
	}
	return s.room.idle[in]
}

// letGo closes the file from which nothing has come for longest, to follow another one of the input.
func (s *Set) letGo(in *input) bool {
	list := s.idles(in)
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
		if f := st.files.cur; st.idle(s.now(), s.poll) && f.atEnd() {
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
func (st *Stream) idle(now time.Time, least time.Duration) bool {
	c := st.files.cur
	return c != nil && !st.literal && !st.trouble && !st.held && st.files.alone(c) && len(st.files.late)+len(st.files.waiting) == 0 &&
		c.h != nil && c.gone.IsZero() && c.fault == nil && c.offset > 0 && c.end == c.offset && now.Sub(c.idle) >= least
}

// rests tells whether what lies at a path is a finished file that has not changed since, and is to be left alone: because it
// was let go, or because there is no room to look at it again.
func (s *Set) rests(in *input, e entry) bool {
	for _, f := range s.known.byKey[e.key] {
		if f.done && f.path == e.path && f.unchanged(e) && (f.rested || s.full(in)) {
			in.resting++
			return true
		}
	}
	return false
}

// unchanged tells whether an entry is a file of which everything was read, as it was when it was last seen.
func (f *file) unchanged(e entry) bool {
	return f.offset > 0 && e.size == f.size && e.mtime.Truncate(time.Microsecond).Equal(f.stamp.Truncate(time.Microsecond))
}

// rest leaves a known file alone of which everything was read, and for which there is no room.
func (st *Stream) rest(f *file, e entry) bool {
	if !st.set.crowded() || e.path != f.path || e.size != f.offset || !f.unchanged(e) {
		return false
	}
	st.remove(f)
	f.rested = true
	st.delivery.conclude(f)
	return true
}

// crowded tells whether there may be more files than can be followed.
func (s *Set) crowded() bool {
	return s.folders.names > s.room.most || slices.ContainsFunc(s.inputs.list, func(in input) bool { return s.folders.names > in.MaxFiles })
}

// newest leaves out those of the new paths for which there can be no room now: those written to longest ago.
func (s *Set) newest(all []found) []found {
	if !s.crowded() {
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
		can := max(0, min(in.MaxFiles-in.followed, s.room.most-s.room.taken)) + len(s.idles(in))
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

// Crowds gives the inputs of which not all files are followed, as of the last look at all of them.
func (s *Set) Crowds() []Crowd {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.crowds)
}

// tell notes which inputs have more files than are followed, and logs when that begins and when it ends.
func (s *Set) tell() {
	s.crowds = nil
	for i := range s.inputs.list {
		in := &s.inputs.list[i]
		more := in.resting+in.waiting > 0
		if more {
			s.crowds = append(s.crowds, Crowd{Tag: in.Tag, Pattern: in.Pattern, MaxFiles: min(in.MaxFiles, s.room.most), Followed: in.followed, Resting: in.resting, Waiting: in.waiting})
		}
		switch {
		case more && !in.told:
			s.log.Warn().Str("path", in.Pattern).Int("followed", in.followed).Int("resting", in.resting).Int("waiting", in.waiting).
				Msg("more files match than are followed at once; those with news go first")
		case !more && in.told:
			s.log.Info().Str("path", in.Pattern).Msg("all files that match are followed again")
		}
		in.told = more
	}
}
