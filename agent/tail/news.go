package tail

import (
	"maps"
	"slices"
)

// news is which streams have any for the caller. Its user holds Set.mu.
type news struct {
	ready map[*Stream]struct{} // may have lines
	came  map[*Stream]struct{}
	went  map[*Stream]struct{}
}

func newNews() news {
	return news{ready: map[*Stream]struct{}{}, came: map[*Stream]struct{}{}, went: map[*Stream]struct{}{}}
}

// of notes that a stream may have lines, or that its status is another.
func (n *news) of(st *Stream) { n.ready[st] = struct{}{} }

// added and dropped note which streams there are.
func (n *news) added(st *Stream) { n.came[st] = struct{}{} }

func (n *news) dropped(st *Stream) {
	delete(n.ready, st)
	if _, ok := n.came[st]; ok {
		delete(n.came, st)
		return
	}
	n.went[st] = struct{}{}
}

func (n *news) take() []*Stream {
	out := slices.Collect(maps.Keys(n.ready))
	clear(n.ready)
	return out
}

func (n *news) changed() (came, went []*Stream) {
	came, went = slices.Collect(maps.Keys(n.came)), slices.Collect(maps.Keys(n.went))
	clear(n.came)
	clear(n.went)
	return came, went
}

// look notes, after the folders were compared with what is read, whether a stream has news.
func (n *news) look(st *Stream) {
	if still := st.still; still || !st.files.holds() {
		return
	}
	n.of(st)
}
