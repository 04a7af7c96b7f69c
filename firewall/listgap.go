package firewall

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"strings"

	"activedefense/firewall/xmlapi"
)

// served is how many of so many entries the list serves.
func (l *List) served(want int) int {
	if l.opts.MaxEntries > 0 {
		return min(want, l.opts.MaxEntries)
	}
	return want
}

// believe takes the firewall's numbers for the entries that it does not show.
func (l *List) believe(want map[netip.Prefix]bool) {
	switch h := &l.held; {
	case h.Complete:
	case h.Valid >= l.served(len(want)):
		h.Entries = want
	default:
		h.Entries = l.ours
	}
}

// gap is how what a firewall holds differs from what it should: numbers of entries.
type gap struct {
	missing  int // not held, nor before
	gone     int // not held any more
	released int // ours, and still held
	strange  int // held, and not ours
}

// excused tells whether the list may have changed between the making of the blacklist that is compared and the fetch. What
// is gone is missing from the next reading on.
func (g gap) excused() bool { return g.missing == 0 && g.released == 0 }

// gap compares what was read last.
func (l *List) gap(want map[netip.Prefix]bool) (g gap) {
	for p := range want {
		switch {
		case l.held.Entries[p]:
		case l.ours[p]:
			g.gone++
		default:
			g.missing++
		}
	}
	for p := range l.held.Entries {
		switch {
		case want[p]:
		case l.ours[p]:
			g.released++
		default:
			g.strange++
		}
	}
	served := l.served(len(want))
	unserved := len(want) - served
	few := min(unserved, g.missing)
	g.missing, g.gone = g.missing-few, max(g.gone-(unserved-few), 0)
	if !l.held.Complete {
		g.missing = max(g.missing, served-l.held.Valid)
	}
	if len(want) == 0 { // served as one harmless line
		g.missing, g.strange = max(1-l.held.Valid, 0), max(g.strange-1, 0)
	}
	return g
}

// mismatch is the error of a refresh after which the firewall does not hold what it should.
func (l *List) mismatch(g gap, want int) error {
	h := l.held
	var parts []string
	if n := g.missing + g.gone; n > 0 {
		parts = append(parts, fmt.Sprintf("lacks %d of %s", n, count(max(want, 1), "entry", "entries")))
	}
	if g.released > 0 {
		parts = append(parts, "still has "+count(g.released, "released entry", "released entries"))
	}
	text := fmt.Sprintf("the firewall %s (%d valid, %d ignored, %d invalid): it could not fetch the list, or the list exceeds its capacity",
		strings.Join(parts, " and "), h.Valid, h.Ignored, h.Invalid)
	if h.Valid == 0 && h.Trouble != "" {
		text += ": " + h.Trouble
	}
	return l.device.Fail(refreshWhat, &xmlapi.Error{Kind: KindList, Text: text})
}

// note reports what came and went since it was reported last.
func (l *List) note(want map[netip.Prefix]bool, report *Report) {
	ours := make(map[netip.Prefix]bool, len(want))
	for p := range want {
		if !l.held.Entries[p] {
			continue
		}
		if ours[p] = true; !l.ours[p] {
			report.Registered = append(report.Registered, Entry{Prefix: p})
			if l.held.Complete {
				report.Seen, report.SeenAt = append(report.Seen, Entry{Prefix: p}), l.readAt
			}
		}
	}
	for p := range l.ours {
		switch {
		case l.held.Entries[p]:
			ours[p] = true
		case want[p]:
			report.Gone = append(report.Gone, p)
		default:
			report.Unregistered = append(report.Unregistered, p)
		}
	}
	slices.SortFunc(report.Registered, func(a, b Entry) int { return ComparePrefixes(a.Prefix, b.Prefix) })
	slices.SortFunc(report.Unregistered, ComparePrefixes)
	slices.SortFunc(report.Gone, ComparePrefixes)
	l.ours = ours
}

// fingerprint tells sets of addresses apart, whatever their order; it is hardly ever 0.
func fingerprint(desired []Entry) uint64 {
	sum := uint64(len(desired)) + 1
	var b [17]byte
	for _, e := range desired {
		a := e.Prefix.Addr().As16()
		copy(b[:], a[:])
		b[16] = byte(e.Prefix.Bits())
		h := fnv.New64a()
		_, _ = h.Write(b[:]) // a hash does not fail
		sum += h.Sum64()
	}
	return sum
}
