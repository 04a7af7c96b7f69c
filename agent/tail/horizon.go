package tail

import "time"

// horizon is since when generations of a path may have come that are not known. It compares modification times of files
// with one another, never with the clock. The zero value: nothing was ever seen at the path, and nothing is looked for.
// Its user holds Set.mu.
type horizon struct {
	stamp  time.Time // modification time of what was last seen at the path
	unsure time.Time // if not zero: generations since then may have been taken for others
	looked time.Time // folder's modification time when generations were last looked for without a successor
}

// extend takes note that a file of the path was known.
func (h *horizon) extend(stamp time.Time) {
	if stamp.After(h.stamp) {
		h.stamp = stamp
	}
}

// doubt takes note that what was taken for a file may have been another generation.
func (h *horizon) doubt(stamp time.Time) {
	if !stamp.IsZero() && (h.unsure.IsZero() || stamp.Before(h.unsure)) {
		h.unsure = stamp
	}
}

// resolve gives what was doubted, zero if nothing was, and ends the doubt: who asks looks for it.
func (h *horizon) resolve() time.Time {
	since := h.unsure
	h.unsure = time.Time{}
	return since
}

// until gives the time after which generations may not be known, and ends the doubt.
func (h *horizon) until() time.Time {
	if since := h.resolve(); !since.IsZero() && since.Before(h.stamp) {
		return since
	}
	return h.stamp
}

// look tells whether generations are to be looked for in a folder, while nothing lies at the path; not again in one that
// has not changed.
func (h *horizon) look(d *folder) bool {
	if h.looked.Equal(d.mtime) && h.unsure.IsZero() {
		return false
	}
	if d.quiet {
		h.looked = d.mtime
	}
	return true
}
