package tail

import (
	"cmp"
	"crypto/sha256"
	"maps"
	"path/filepath"
	"slices"
	"time"
)

// registry is every known identity, finished ones included, and which of them are open. It decides by inode and content
// which identity a file is, and opens and closes nothing itself. Its user holds Set.mu.
type registry struct {
	files  map[int64]*file   // by number
	byKey  map[inode][]*file // the same by inode; several where an inode was reused or a file truncated
	open   map[inode]*file   // those that are open: no file is read twice at a time
	lastID int64
	*index
}

// newRegistry takes over what the caller stored. Of two positions with one number the last counts.
func newRegistry(positions []Position) registry {
	r := registry{files: map[int64]*file{}, byKey: map[inode][]*file{}, open: map[inode]*file{}, index: newIndex()}
	for _, p := range positions {
		f := fileAt(p)
		if old := r.files[f.id]; old != nil {
			r.forget(old)
		}
		r.remember(f)
		r.lastID = max(r.lastID, f.id)
	}
	return r
}

// byID gives every known file, the oldest identity first.
func (r *registry) byID() []*file {
	return slices.SortedFunc(maps.Values(r.files), func(a, b *file) int { return cmp.Compare(a.id, b.id) })
}

// create makes an identity.
func (r *registry) create(path string) *file {
	r.lastID++
	f := &file{id: r.lastID, path: path, end: -1}
	r.remember(f)
	return f
}

func (r *registry) remember(f *file) {
	r.files[f.id] = f
	r.locate(f, f.path)
	if f.sumLen == fingerprintMax && len(f.sum) == sha256.Size {
		r.saw(f, [sha256.Size]byte(f.sum))
	}
	if f.key != (inode{}) {
		r.byKey[f.key] = append(r.byKey[f.key], f)
	}
}

func (r *registry) forget(f *file) {
	delete(r.files, f.id)
	r.unkey(f)
	r.index.forget(f)
}

func (r *registry) unkey(f *file) {
	rest := slices.DeleteFunc(r.byKey[f.key], func(other *file) bool { return other == f })
	if len(rest) == 0 {
		delete(r.byKey, f.key)
		return
	}
	r.byKey[f.key] = rest
}

// rekey notes where the file system keeps a file.
func (r *registry) rekey(f *file, key inode) {
	if f.key == key {
		return
	}
	r.unkey(f)
	f.key = key
	r.byKey[key] = append(r.byKey[key], f)
}

// renumber gives a file of which nothing was read the next number. If the caller may have stored it under the one
// before, what is left under that is given: it is to be finished.
func (r *registry) renumber(f *file) (left *file) {
	delete(r.files, f.id)
	if f.stored {
		left = &file{id: f.id, path: f.path, stamp: f.stamp}
		r.files[left.id] = left
		r.locate(left, left.path)
	}
	r.lastID++
	f.id, f.stored = r.lastID, false
	r.files[f.id] = f
	return left
}

// reading gives the file that is open and has the inode, nil if none is.
func (r *registry) reading(key inode) *file { return r.open[key] }

// opened notes that a file, which has its inode by now, is open.
func (r *registry) opened(f *file) { r.open[f.key] = f }

// closed notes that a file is not open any more.
func (r *registry) closed(f *file) {
	if r.open[f.key] == f {
		delete(r.open, f.key)
	}
}

// lastSeen gives the modification time of what was last seen at a path, zero if nothing ever was.
func (r *registry) lastSeen(path string) time.Time {
	var stamp time.Time
	for _, f := range r.byPath[path] {
		if f.stamp.After(stamp) {
			stamp = f.stamp
		}
	}
	return stamp
}

// match gives the known file that has the inode and the content, the youngest identity if several do, none older than the
// latest. A file of which nothing was consumed is known by its inode alone: should that be a mistake, it is read from its
// beginning all the same. Where no line begins at the offset, as after a power cut that took the end of the file with it,
// it is another file: that may give lines twice, where going on would lose some.
func (r *registry) match(o *opened) *file {
	var best *file
	latest := r.latest(o.key, o.born)
	for _, f := range r.byKey[o.key] {
		if f.id < latest || f.offset > o.size || (best != nil && best.id > f.id) {
			continue
		}
		empty := f.offset == 0 && f.sumLen == 0 && !f.done
		if empty || (f.begins(o.head) && boundary(o.h, f.offset)) {
			best = f
		}
	}
	return best
}

// untouched tells whether the file with an inode that was made then is one of which nothing was ever seen, under whatever identity.
func (r *registry) untouched(f *file, born int64) bool {
	youngest := !slices.ContainsFunc(r.byKey[f.key], func(other *file) bool { return other.id > f.id })
	return youngest && f.sumLen == 0 && f.offset == 0 && f.born > 0 && f.born == born
}

// latest gives the number of the youngest identity with an inode, of a file made then, of which anything is known. What was
// consumed of an older one was truncated or removed since, however alike they begin, and no offset in it counts any more: a
// copy that is overwritten with its original, and grows again, lost what it grew by up to there, and so did what has a head
// as long as a fingerprint and is truncated.
func (r *registry) latest(key inode, born int64) (id int64) {
	for _, f := range r.byKey[key] {
		if f.sumLen > 0 || f.offset > 0 || f.born > 0 && f.born == born {
			id = max(id, f.id)
		}
	}
	return id
}

// outrun tells whether a finished file's inode was given to a newer copy of the same content. One that holds no more than was read of
// the file is either it or a copy of which nothing is new: the other one that begins so may have gone on for itself.
func (r *registry) outrun(f *file, path string, o *opened) bool {
	if !f.done || o.size <= f.offset {
		return false
	}
	twin := r.original(path, o)
	return twin != nil && twin.offset > f.offset && (twin.earlier || twin.start == 0)
}

// original gives the known file with another inode that begins like what was opened: one that is still read if there
// is one, else that of which most was consumed. A fingerprint that is not of full length counts only for a generation
// of that very path.
func (r *registry) original(path string, o *opened) *file {
	var best *file
	consider := func(f *file) {
		if f.key != o.key && (best == nil || (best.done && !f.done) || (best.done == f.done && f.offset > best.offset)) {
			best = f
		}
	}
	if len(o.head) == fingerprintMax {
		for _, f := range r.byHead[sha256.Sum256(o.head)] {
			if f.full() && f.begins(o.head) {
				consider(f)
			}
		}
	}
	for _, base := range basePaths(path) {
		for _, f := range r.byPath[base] {
			if !f.full() && (f.begins(o.head) || f.contains(o.head) || f.shares(o.head)) {
				consider(f)
			}
		}
	}
	return best
}

// withContent gives the file that begins like this; with a fingerprint that is not of full length, one of the path or
// its generations.
func (r *registry) withContent(path string, head []byte) *file {
	for _, list := range [...][]*file{r.byPath[path], r.byBase[path]} {
		for _, f := range list {
			if f.begins(head) || f.shares(head) {
				return f
			}
		}
	}
	if len(head) == fingerprintMax {
		for _, f := range r.byHead[sha256.Sum256(head)] {
			if f.full() && f.begins(head) {
				return f
			}
		}
	}
	return nil
}

// index finds known files by what another one may have in common with them, so that what is done with one file does not
// cost the more the more there are. Its user holds Set.mu.
type index struct {
	byPath map[string][]*file            // by the path of the stream that they belong to
	byBase map[string][]*file            // by the paths of which theirs is that of a generation
	byHead map[[sha256.Size]byte][]*file // by their first bytes, where there are as many as make a fingerprint
}

func newIndex() *index {
	return &index{byPath: map[string][]*file{}, byBase: map[string][]*file{}, byHead: map[[sha256.Size]byte][]*file{}}
}

// locate notes the path that a file belongs to, which may be another than before.
func (x *index) locate(f *file, path string) {
	if f.index != nil && f.path == path {
		return
	}
	x.misplace(f)
	f.index, f.path = x, path
	x.byPath[path] = append(x.byPath[path], f)
	for _, base := range basePaths(path) {
		x.byBase[base] = append(x.byBase[base], f)
	}
}

// misplace forgets which path a file belongs to.
func (x *index) misplace(f *file) {
	if f.index == nil {
		return
	}
	f.index = nil
	without(x.byPath, f.path, f)
	for _, base := range basePaths(f.path) {
		without(x.byBase, base, f)
	}
}

// saw notes that a file begins so: with the bytes of which sum is the SHA-256, as many as make a fingerprint.
func (x *index) saw(f *file, sum [sha256.Size]byte) {
	if !slices.Contains(f.heads, sum) {
		f.heads = append(f.heads, sum)
		x.byHead[sum] = append(x.byHead[sum], f)
	}
}

// forget lets go of a file.
func (x *index) forget(f *file) {
	x.misplace(f)
	for _, sum := range f.heads {
		without(x.byHead, sum, f)
	}
	f.heads = nil
}

// without takes a file out of those of a key.
func without[K comparable](in map[K][]*file, key K, f *file) {
	list := in[key]
	i := slices.Index(list, f)
	switch last := len(list) - 1; {
	case i < 0:
	case last == 0:
		delete(in, key)
	default:
		list[i], list[last] = list[last], nil
		in[key] = list[:last]
	}
}

// basePaths gives the paths of which a path is that of a generation.
func basePaths(path string) []string {
	dir, name := filepath.Split(path)
	out := bases(name)
	for i := range out {
		out[i] = dir + out[i]
	}
	return out
}
