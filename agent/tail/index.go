package tail

import (
	"crypto/sha256"
	"path/filepath"
	"slices"
)

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
