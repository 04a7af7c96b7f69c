package tail

import (
	"slices"
	"time"
)

// sequence is the files of a stream that are not done, in the order in which they are read. It opens and reads none, and
// does not know why one comes or goes. Its user holds Set.mu.
type sequence struct {
	queue   []*file // open, read one after the other
	cur     *file   // the last of the queue, if the path leads to it or did until it was gone; else nil
	late    []*file // read to their ends, watched for late writers
	waiting []*file // known, not open: not found, or it may not be read
	round   int     // of Refresh, after which late was looked at first
}

// empty tells whether nothing is being read and nothing expected.
func (q *sequence) empty() bool {
	return q.cur == nil && len(q.queue) == 0 && len(q.late) == 0 && len(q.waiting) == 0
}

// alone tells whether a file is all that is read.
func (q *sequence) alone(f *file) bool { return q.cur == f && len(q.queue) == 1 }

// push adds files that are read last. None of them is the present one, and what was is not any more.
func (q *sequence) push(files ...*file) {
	q.queue = append(q.queue, files...)
	q.cur = nil
}

// present adds a file that is read last, as the one at the path.
func (q *sequence) present(f *file) {
	q.queue = append(q.queue, f)
	q.cur = f
}

// enqueue adds a file to be read in the order of identities, before the present one.
func (q *sequence) enqueue(f *file) {
	i := 0
	for i < len(q.queue) && q.queue[i] != q.cur && q.queue[i].id < f.id {
		i++
	}
	q.queue = slices.Insert(q.queue, i, f)
}

// place gives the index of a file in the queue, -1 if it is not in it.
func (q *sequence) place(f *file) int { return slices.Index(q.queue, f) }

// insert adds files to be read before the one that has the place.
func (q *sequence) insert(place int, files ...*file) {
	q.queue = slices.Insert(q.queue, place, files...)
}

// pass goes on to the next file, as the first, which is given, is at its end and the next was seen before this was found.
func (q *sequence) pass(f *file, now time.Time) {
	q.queue = q.queue[1:]
	f.idle = now
	q.late = append(q.late, f)
}

// replace puts a file in the place of another.
func (q *sequence) replace(old, by *file) {
	for _, list := range [...][]*file{q.queue, q.late} {
		if i := slices.Index(list, old); i >= 0 {
			list[i] = by
		}
	}
	if q.cur == old {
		q.cur = by
	}
}

// remove takes a file out of all lists.
func (q *sequence) remove(f *file) {
	same := func(other *file) bool { return other == f }
	q.queue = slices.DeleteFunc(q.queue, same)
	q.late = slices.DeleteFunc(q.late, same)
	q.waiting = slices.DeleteFunc(q.waiting, same)
	if q.cur == f {
		q.cur = nil
	}
}

// gone notes since when the path leads elsewhere than to the present file.
func (q *sequence) gone(now time.Time) {
	if q.cur != nil && q.cur.gone.IsZero() {
		q.cur.gone = now
	}
}

// number sees to it that files are numbered in the order in which they are read, as after a restart their numbers are
// what is known of it. One of which nothing was read may be given another number; what is left under the numbers that
// the caller knows is given, to be finished.
func (q *sequence) number(known *registry) (left []*file) {
	last := int64(0)
	for _, f := range q.queue {
		if f.id < last && f.offset == 0 {
			if old := known.renumber(f); old != nil {
				left = append(left, old)
			}
		}
		last = max(last, f.id)
	}
	return left
}

// fault gives the trouble of one of the files, nil if none has any.
func (q *sequence) fault() error {
	for _, list := range [...][]*file{q.queue, q.late, q.waiting} {
		for _, f := range list {
			if f.fault != nil {
				return f.fault
			}
		}
	}
	return nil
}

// moved gives the known file that was at the path and is there still under another inode: the device has another
// number since the machine was started, or the file was restored or rewritten by an editor.
func (q *sequence) moved(path string, o *opened) *file {
	var best *file
	for _, f := range q.waiting {
		if f.found || path != f.path || f.offset > o.size || !f.begins(o.head) || !boundary(o.h, f.offset) {
			continue
		}
		if (f.full() || f.key.ino == o.key.ino) && (best == nil || f.offset > best.offset) {
			best = f
		}
	}
	return best
}

// copiedBack gives where what was opened at the path goes on behind a file that was renamed and is shorter than a fingerprint: it
// begins with all of that. 0: it does not.
func (q *sequence) copiedBack(o *opened) int64 {
	for _, list := range [...][]*file{q.queue, q.late} {
		for _, f := range list {
			if size := f.sizeNow(); f.h != nil && f.key != o.key && !f.deleted() && size > 0 && size <= o.size && f.alikeUpTo(o) == size {
				return lineBefore(o.h, size)
			}
		}
	}
	return 0
}
