// Package listing has blocked what label files of mode block list: it compares what the files list, without what may never be
// blocked, with what the store notes that they listed, and tells the store what came and went.
//
// A file without any entry takes nothing back: it is not there yet, or cannot be read, and no copy of it was kept. It reads no
// file (agent/labels), decides about no address (the guard does), and runs no loop.
package listing

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/dustin/go-humanize/english"

	"activedefense/agent/labels"
	"activedefense/store"
)

// Guard tells whether an address or network may be blocked, and if not, why. A guard is the same as long as its answers are.
type Guard interface{ Check(netip.Prefix) error }

// Change is what came of one file: how many of its addresses were blocked, and how many released.
type Change struct {
	File              store.LabelFile
	Blocked, Released int
}

// Keeper keeps the blacklist as the files have it. It is used by one goroutine.
type Keeper struct {
	store *store.Store
	now   func() time.Time

	lists    *labels.Lists // of the last round that was completed
	guard    Guard
	known    map[store.LabelFile]*noted // what the store notes; nil: it is to be asked
	troubles map[string]labels.Trouble  // by file
}

// noted is what the store notes of a file.
type noted struct {
	listed  []netip.Prefix // in order
	blocked []netip.Prefix // of them, those that are on the blacklist; the same but at a start
}

// New makes one that has compared nothing.
func New(st *store.Store, now func() time.Time) *Keeper { return &Keeper{store: st, now: now} }

// Troubles gives what is left out of the files, and which of them are kept for want of any entry, by file.
func (k *Keeper) Troubles() []labels.Trouble {
	return slices.SortedFunc(maps.Values(k.troubles), func(a, b labels.Trouble) int { return cmp.Compare(a.File, b.File) })
}

// Sync has blocked what the files list now, and released what they do not list any more. What came is done before what went,
// so that what moves from one file to another stays blocked. Where neither lists nor guard changed, it does nothing. After an
// error a part is done, which the changes tell; the next call does the rest.
func (k *Keeper) Sync(ctx context.Context, lists *labels.Lists, guard Guard) ([]Change, error) {
	if k.known != nil && k.lists == lists && k.guard == guard {
		return nil, nil
	}
	if k.known == nil {
		if err := k.load(ctx); err != nil {
			return nil, err
		}
	}
	wanted := Wanted(lists, guard)
	k.tell(wanted)
	done := make(map[store.LabelFile]*Change)
	if err := k.carryOut(ctx, wanted, done); err != nil {
		k.known = nil // what is done, the store knows
		return sorted(done), err
	}
	k.lists, k.guard = lists, guard
	return sorted(done), nil
}

func (k *Keeper) carryOut(ctx context.Context, wanted []File, done map[store.LabelFile]*Change) error {
	for i := range wanted {
		if err := k.list(ctx, &wanted[i], done); err != nil {
			return err
		}
	}
	return k.unlist(ctx, wanted, done)
}

func sorted(done map[store.LabelFile]*Change) (changes []Change) {
	for _, c := range done {
		changes = append(changes, *c)
	}
	slices.SortFunc(changes, func(a, b Change) int {
		return cmp.Or(cmp.Compare(a.File.Path, b.File.Path), cmp.Compare(a.File.Label, b.File.Label))
	})
	return changes
}

// load asks the store.
func (k *Keeper) load(ctx context.Context) error {
	files, err := k.store.Listed(ctx)
	if err != nil {
		return err
	}
	k.known = make(map[store.LabelFile]*noted, len(files))
	for f, list := range files {
		n := &noted{}
		for _, l := range list {
			n.listed = append(n.listed, l.Address)
			if l.Blocked {
				n.blocked = append(n.blocked, l.Address)
			}
		}
		slices.SortFunc(n.listed, netip.Prefix.Compare)
		slices.SortFunc(n.blocked, netip.Prefix.Compare)
		k.known[f] = n
	}
	return nil
}

// list has blocked what a file lists and was not blocked for it.
func (k *Keeper) list(ctx context.Context, w *File, done map[store.LabelFile]*Change) error {
	n := k.known[w.LabelFile]
	if n == nil {
		n = &noted{}
		k.known[w.LabelFile] = n
	}
	came := without(w.Allowed, n.blocked)
	if len(came) == 0 {
		return nil
	}
	blocked, err := k.store.List(ctx, w.LabelFile, came, k.now())
	count(done, w.LabelFile).Blocked += blocked
	if err != nil {
		return err
	}
	n.listed = slices.Compact(slices.SortedFunc(slices.Values(slices.Concat(n.listed, came)), netip.Prefix.Compare))
	n.blocked = n.listed
	return nil
}

// unlist has released what files listed and do not list any more, and what files listed that are no longer of mode block.
func (k *Keeper) unlist(ctx context.Context, wanted []File, done map[store.LabelFile]*Change) error {
	configured := make(map[store.LabelFile]*File, len(wanted))
	for i := range wanted {
		configured[wanted[i].LabelFile] = &wanted[i]
	}
	for f, n := range k.known {
		w := configured[f]
		gone, refused, why := n.listed, []netip.Prefix(nil), f.Path+" no longer blocks what it lists: see labels in the configuration"
		switch {
		case w == nil:
		case len(w.Entries) == 0:
			continue
		default:
			gone, refused, why = without(n.listed, w.Entries), within(without(n.listed, w.Allowed), w.Entries), "no longer listed in "+f.Path
		}
		for _, part := range []struct {
			addresses []netip.Prefix
			why       string
		}{{gone, why}, {refused, ""}} { // what may not be blocked is lifted for that reason
			if len(part.addresses) == 0 {
				continue
			}
			released, err := k.store.Unlist(ctx, f, part.addresses, part.why, k.now())
			count(done, f).Released += released
			if err != nil {
				return err
			}
		}
		if w == nil {
			delete(k.known, f)
			continue
		}
		n.listed = w.Allowed
		n.blocked = w.Allowed
	}
	return nil
}

func count(done map[store.LabelFile]*Change, f store.LabelFile) *Change {
	if done[f] == nil {
		done[f] = &Change{File: f}
	}
	return done[f]
}

// tell keeps what is to be said of the files, since it was so first.
func (k *Keeper) tell(wanted []File) {
	before := k.troubles
	k.troubles = make(map[string]labels.Trouble)
	for i := range wanted {
		w := &wanted[i]
		t, is := w.Trouble()
		if n := k.known[w.LabelFile]; n != nil && len(n.listed) > 0 && len(w.Entries) == 0 {
			is = true
			t.What = fmt.Sprintf("%s has no entry that could be used; the %d that it listed stay blocked", w.Path, len(n.listed))
			t.Remedy = "Restore the file, or take it out of labels in the configuration"
		}
		if !is {
			continue
		}
		t.File, t.Since = w.Path, k.now()
		if known, ok := before[w.Path]; ok {
			t.Since = known.Since
		}
		k.troubles[w.Path] = t
	}
}

// File is what a label file of mode block lists.
type File struct {
	store.LabelFile
	Entries []netip.Prefix // all, in order
	Allowed []netip.Prefix // those that may be blocked
	refused error          // why not, of the first that may not
}

// Wanted gives what the files of mode block list, in the order of the files. Files without any entry are among them.
func Wanted(lists *labels.Lists, guard Guard) (files []File) {
	for _, f := range lists.Files(labels.Block) {
		w := File{LabelFile: store.LabelFile{Path: f.Path, Label: f.Label}, Entries: f.Entries, Allowed: make([]netip.Prefix, 0, len(f.Entries))}
		for _, p := range f.Entries {
			if err := guard.Check(p); err == nil {
				w.Allowed = append(w.Allowed, p)
			} else if w.refused == nil {
				w.refused = err
			}
		}
		files = append(files, w)
	}
	return files
}

// Trouble says what of a file may not be blocked; its times are not set.
func (f *File) Trouble() (t labels.Trouble, is bool) {
	if f.refused == nil {
		return t, false
	}
	return labels.Trouble{File: f.Path, What: fmt.Sprintf("%s: left out is what may never be blocked, %d of %s, such as: %v",
		f.Path, len(f.Entries)-len(f.Allowed), english.Plural(len(f.Entries), "entry", ""), f.refused), Remedy: "Take it out of the file, or see whether it is to be protected"}, true
}

// without gives what is in one list and not in another. Both are in order.
func without(list, other []netip.Prefix) (rest []netip.Prefix) {
	for _, p := range list {
		for len(other) > 0 && other[0].Compare(p) < 0 {
			other = other[1:]
		}
		if len(other) == 0 || other[0] != p {
			rest = append(rest, p)
		}
	}
	return rest
}

// within gives what is in both.
func within(list, other []netip.Prefix) []netip.Prefix { return without(list, without(list, other)) }
