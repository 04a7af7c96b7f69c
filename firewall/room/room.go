// Package room says who stays where there is less room than blocked sources: on a list, on a firewall. It is pure and knows
// neither.
//
// Left out is what is forgeable before what label files block, before what is proven, before what a person blocked; among
// equals what was quiet longest, for a forged source falls quiet at once, and a scanner that goes on does not.
package room

import (
	"cmp"
	"slices"
	"time"
)

// Rank is how well it is known that a source is to be blocked.
type Rank int8

// Proven is the zero value: nothing is left out for a grade that is not known, such as of blocks of earlier versions.
const (
	Forgeable Rank = iota - 2 // single packets from a forged source would have looked the same
	Listed                    // a label file says so
	Proven                    // there was a session with the source
	Manual                    // a person said so
)

// Claim is what an entry has to show for its place.
type Claim struct {
	Rank     Rank
	LastSeen time.Time // of the source's last record
}

// Compare is positive where a stays rather than b, and 0 where neither goes before the other.
func (a Claim) Compare(b Claim) int {
	return cmp.Or(cmp.Compare(a.Rank, b.Rank), a.LastSeen.Compare(b.LastSeen))
}

// Keep tells which of n claims stay where there is room for most of them; of equal ones the first stay. 0 or less: there is
// room for all. Times count in microseconds.
func Keep(n, most int, claim func(i int) Claim) []bool {
	stays := make([]bool, n)
	all := most <= 0 || n <= most
	for i := range stays {
		stays[i] = all
	}
	if all {
		return stays
	}
	// Numbers sort in a fraction of the time of claims; the list is walked twice and needs no second sorting.
	weights := make([]uint64, n)
	for i := range weights {
		weights[i] = weight(claim(i))
	}
	sorted := slices.Clone(weights)
	slices.Sort(sorted)
	least := sorted[n-most] // that still has room
	above, _ := slices.BinarySearch(sorted, least+1)
	equal := most - (n - above)
	for i, w := range weights {
		switch {
		case w > least:
			stays[i] = true
		case w == least && equal > 0:
			stays[i] = true
			equal--
		}
	}
	return stays
}

// weight orders claims as Compare does, but for times before 1970 and after the year 9999, which count as those.
func weight(c Claim) uint64 {
	const timeBits = 60 // of microseconds: good for 36,000 years
	rank := min(max(c.Rank, Forgeable), Manual) - Forgeable
	at := int64(0)
	if c.LastSeen.Unix() > 0 {
		at = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC).UnixMicro()
		if c.LastSeen.Year() < 9999 {
			at = c.LastSeen.UnixMicro()
		}
	}
	return uint64(rank)<<timeBits | uint64(at)
}
