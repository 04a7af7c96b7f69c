package tail

import (
	"path/filepath"
	"slices"
	"time"
)

// listingGap is the least time between two listings for each name in a folder, ten times what it takes: measured 5 µs.
// With few names there need be none.
const listingGap = 50 * time.Microsecond

// folders is what lay in the folders of all inputs and streams when they were last listed. The zero value: nothing was
// listed yet. It knows of names and inodes, not of what is read. Its user holds Set.mu.
type folders struct {
	byPath map[string]*folder
	byKey  map[inode][]entry // what find gives; nil: not made since something was listed
	at     time.Time         // when the last comparison with what is read ended
	names  int               // in all of them
}

// relist lists the folders wanted, each with the names to look at where listing is not allowed, and those, too, in which
// the files behind symbolic links lie that are ours: there they are renamed. It gives what was listed before.
func (d *folders) relist(wanted map[string][]string, ours func(path string) bool) (before map[string]*folder) {
	before, d.byPath, d.byKey = d.byPath, make(map[string]*folder, len(wanted)), nil
	for dir, names := range wanted {
		listed := listFolder(dir, names, nil)
		if old := before[dir]; listed.err == nil && (!listed.quiet || old == nil || !old.mtime.Equal(listed.mtime)) {
			listed = listed.steady(nil)
		}
		d.byPath[dir] = listed
	}
	d.names = 0
	for _, listed := range d.byPath {
		d.names += len(listed.entries)
	}
	targets := map[string][]string{}
	for _, listed := range d.byPath {
		for _, e := range listed.entries {
			if !e.link || !e.regular() || !ours(e.path) {
				continue
			}
			if target, err := filepath.EvalSymlinks(e.path); err == nil { // else it went since it was listed
				dir := filepath.Dir(target)
				targets[dir] = append(targets[dir], filepath.Base(target))
			}
		}
	}
	for dir, names := range targets {
		d.include(dir, names)
	}
	return before
}

// include lists a folder that was not listed.
func (d *folders) include(dir string, names []string) {
	if d.byPath[dir] == nil {
		d.byPath[dir], d.byKey = listFolder(dir, names, nil), nil
	}
}

// around gives the folder of a path and those in it, nil if it was not listed itself.
func (d *folders) around(path string) []*folder {
	in := d.of(path)
	if in == nil {
		return nil
	}
	out := []*folder{in}
	for _, name := range in.below() {
		below := filepath.Join(in.path, name)
		if d.byPath[below] == nil {
			d.include(below, nil)
			d.byPath[below].aside = true
		}
		out = append(out, d.byPath[below])
	}
	return out
}

// compared notes that everything listed was compared with what is read.
func (d *folders) compared() {
	d.at, d.names = time.Now(), 0
	for _, listed := range d.byPath {
		d.names += len(listed.entries)
	}
}

// costly tells whether there are so many names that they are not listed again so soon.
func (d *folders) costly(since time.Duration) bool {
	return d.names > 100 && since < time.Duration(d.names)*listingGap
}

// rest is the time between two listings when nothing is known to have happened: what they cost is to be little of it. Where
// events tell of what is written they have to find only what those miss, as from another host.
func (d *folders) rest(poll time.Duration, events bool) time.Duration {
	gap := time.Duration(d.names) * listingGap
	if events {
		gap *= 30
	}
	return max(poll, gap)
}

// changed tells whether a folder may hold other names than when it was listed.
func (d *folders) changed() bool {
	for _, listed := range d.byPath {
		if listed.changed() {
			return true
		}
	}
	return false
}

// of gives the folder in which a path lies, nil if that was not listed.
func (d *folders) of(path string) *folder { return d.byPath[filepath.Dir(path)] }

// entry gives what lies at a path.
func (d *folders) entry(path string) (entry, bool) {
	listed := d.of(path)
	if listed == nil {
		return entry{}, false
	}
	e, ok := listed.entries[filepath.Base(path)]
	return e, ok
}

// find gives the entries that lead to an inode, but not compressed ones: a compressor is soon given the inode of a file
// that was removed.
func (d *folders) find(key inode) []entry {
	if d.byKey == nil {
		d.byKey = map[inode][]entry{}
		for _, listed := range d.byPath {
			for name, e := range listed.entries {
				if _, packed := unpacked(name); !packed && e.regular() {
					d.byKey[e.key] = append(d.byKey[e.key], e)
				}
			}
		}
	}
	return slices.Clone(d.byKey[key])
}

// leads tells whether the path of a file leads to it, as it was listed last; true where that is not listed.
func (d *folders) leads(f *file) bool {
	listed := d.of(f.path)
	if listed == nil || listed.err != nil {
		return true
	}
	return listed.entries[filepath.Base(f.path)].key == f.key
}

// holds tells whether a file lies, under whatever name, in the folder of its path, which is listed for as long as that is followed.
func (d *folders) holds(f *file) bool {
	dir := filepath.Dir(f.path)
	return slices.ContainsFunc(d.find(f.key), func(e entry) bool { return filepath.Dir(e.path) == dir })
}

// inodes gives all that names lead to.
func (d *folders) inodes() map[inode]bool {
	there := map[inode]bool{}
	for _, listed := range d.byPath {
		for _, e := range listed.entries {
			there[e.key] = true
		}
	}
	return there
}

// watchable gives the folders that could be listed, and what each is.
func (d *folders) watchable() map[string]inode {
	out := map[string]inode{}
	for path, listed := range d.byPath {
		if listed.err == nil && !listed.aside {
			out[path] = listed.key
		}
	}
	return out
}
