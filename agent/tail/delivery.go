package tail

import (
	"slices"
	"time"
)

// delivery is what a stream has given to its caller that the caller has not stored yet, as far as it said: lines that
// are not used, and finished files of which it has yet to hear. It reads nothing. Its user holds Set.mu.
type delivery struct {
	now      func() time.Time
	ahead    []span     // lines that were returned, and are not used yet as far as the caller said, in their order
	finished []finished // done, to be given by Position for a while
	lines    uint64     // given in all
	cuts     uint64     // of them, those longer than MaxLine
}

// finished is a file whose last position may not be stored yet.
type finished struct {
	*file
	at    time.Time // when it was finished; then when it was first given as done
	calls int       // how often it was given as done
}

// span is lines of one file that lie one behind the other.
type span struct {
	file     int64
	from, to int64 // offsets: of the first byte of the first line, and of the byte after the last
}

// hand notes that a line is given to the caller.
func (d *delivery) hand(line *Line) {
	d.lines++
	if line.Cut {
		d.cuts++
	}
	if n := len(d.ahead); n > 0 && d.ahead[n-1].file == line.File && d.ahead[n-1].to == line.Offset {
		d.ahead[n-1].to = line.Next
		return
	}
	d.ahead = append(d.ahead, span{line.File, line.Offset, line.Next})
}

// use lets go of what was given up to a line.
func (d *delivery) use(m Mark) {
	for i, s := range d.ahead {
		if s.file != m.File || m.Next <= s.from || m.Next > s.to {
			continue
		}
		if d.ahead[i].from = m.Next; m.Next == s.to {
			i++
		}
		d.ahead = slices.Delete(d.ahead, 0, i)
		return
	}
}

// unused gives where the first line of a file begins that was given and is not used.
func (d *delivery) unused(f *file) (from int64, ok bool) {
	for _, s := range d.ahead {
		if s.file == f.id {
			return s.from, true
		}
	}
	return 0, false
}

// outstanding gives the bytes of all lines that were given and are not used.
func (d *delivery) outstanding() (bytes int64) {
	for _, s := range d.ahead {
		bytes += s.to - s.from
	}
	return bytes
}

// positionOf is the position of one file before its first line that is not used.
func (d *delivery) positionOf(f *file) Position {
	p := f.position()
	if from, ok := d.unused(f); ok {
		p.Offset, p.Done = from, false
	}
	return p
}

// conclude notes that nothing more is expected of a file that is not open.
func (d *delivery) conclude(f *file) {
	f.done, f.fault = true, nil
	d.finished = append(d.finished, finished{file: f, at: d.now()})
}

// resume takes a file back that grew after all.
func (d *delivery) resume(f *file) {
	d.finished = slices.DeleteFunc(d.finished, func(other finished) bool { return other.file == f })
}

// reports tells whether a finished file is still to be given by Position.
func (d *delivery) reports(f *file) bool {
	return slices.ContainsFunc(d.finished, func(other finished) bool { return other.file == f })
}

// reporting tells whether any is.
func (d *delivery) reporting() bool { return len(d.finished) > 0 }

// finishedPositions gives the positions of the finished files, and notes that it did.
func (d *delivery) finishedPositions() []Position {
	out := make([]Position, 0, len(d.finished))
	for i := range d.finished {
		f := &d.finished[i]
		p := d.positionOf(f.file)
		switch {
		case !p.Done: // its last line is not used
		case f.calls == 0:
			f.at = d.now()
			fallthrough
		default:
			f.calls++
		}
		out = append(out, p)
	}
	return out
}

// expire lets go of finished files that were given often and long enough.
func (d *delivery) expire(now time.Time) {
	d.finished = slices.DeleteFunc(d.finished, func(f finished) bool {
		if _, unused := d.unused(f.file); unused {
			return false
		}
		age := now.Sub(f.at)
		return f.calls >= 3 && age >= time.Minute || age >= goneGrace
	})
}
