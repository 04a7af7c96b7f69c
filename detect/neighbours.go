package detect

// neighbour is a point of a pair, by its time and a number; number 0: there is none.
type neighbour struct {
	time   int64
	number int
}

// neighbours are the points of a pair nearest to a time: up to two not after it, and up
// to two after it.
type neighbours struct {
	before, before2 neighbour
	after, after2   neighbour
}

// add considers one point of the pair; t is the time to which near is meant.
func (n *neighbours) add(t int64, other neighbour) {
	switch {
	case other.time <= t:
		if n.before.number == 0 || other.time > n.before.time {
			n.before, n.before2 = other, n.before
		} else if n.before2.number == 0 || other.time > n.before2.time {
			n.before2 = other
		}
	case n.after.number == 0 || other.time < n.after.time:
		n.after, n.after2 = other, n.after
	case n.after2.number == 0 || other.time < n.after2.time:
		n.after2 = other
	}
}

// covering gives the point that makes a new one at t redundant; 0 if it is needed.
func (n *neighbours) covering(t, window int64) int {
	if n.before.number != 0 && n.before.time == t {
		return n.before.number
	}
	if n.before.number != 0 && n.after.number != 0 && n.after.time-n.before.time <= window {
		return n.after.number
	}
	return 0
}

// covered gives the points that a new one at t makes redundant; 0 for none.
func (n *neighbours) covered(t, window int64) [2]int {
	var found [2]int
	if n.before2.number != 0 && t-n.before2.time <= window {
		found[0] = n.before.number
	}
	if n.after2.number != 0 && n.after2.time-t <= window {
		found[1] = n.after.number
	}
	return found
}
