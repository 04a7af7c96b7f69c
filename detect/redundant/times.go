// Package redundant tells which of several times at which one value was seen can no longer matter for whether so many values come within a
// window: one between two others that lie no further apart than the window, for whatever span holds it holds one of them, too.
package redundant

// Time is when a value was seen, with a number of the caller's; number 0: there is none.
type Time struct {
	At     int64
	Number int
}

// Times are those nearest to a time: up to two not after it, and up to two after it.
type Times struct {
	before, before2 Time
	after, after2   Time
}

// Add considers one of the value's times; t is the time to which near is meant.
func (n *Times) Add(t int64, other Time) {
	switch {
	case other.At <= t:
		if n.before.Number == 0 || other.At > n.before.At {
			n.before, n.before2 = other, n.before
		} else if n.before2.Number == 0 || other.At > n.before2.At {
			n.before2 = other
		}
	case n.after.Number == 0 || other.At < n.after.At:
		n.after, n.after2 = other, n.after
	case n.after2.Number == 0 || other.At < n.after2.At:
		n.after2 = other
	}
}

// Covering gives the number of the one that makes a new one at t redundant; 0 if it is needed.
func (n *Times) Covering(t, window int64) int {
	if n.before.Number != 0 && n.before.At == t {
		return n.before.Number
	}
	if n.before.Number != 0 && n.after.Number != 0 && n.after.At-n.before.At <= window {
		return n.after.Number
	}
	return 0
}

// Covered gives the numbers of those that a new one at t makes redundant; 0 for none.
func (n *Times) Covered(t, window int64) [2]int {
	var found [2]int
	if n.before2.Number != 0 && t-n.before2.At <= window {
		found[0] = n.before.Number
	}
	if n.after2.Number != 0 && n.after2.At-t <= window {
		found[1] = n.after.Number
	}
	return found
}
