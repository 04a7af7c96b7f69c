package decision

import (
	"cmp"
	"net/netip"
	"slices"
)

// point is what sets are made of: addresses, which stay within their family, and numbers.
type point[T any] interface {
	Compare(T) int
	Next() T
	Prev() T
}

// number is a port with its protocol, or the place of a name in a list.
type number uint32

func (n number) Compare(o number) int { return cmp.Compare(n, o) }
func (n number) Next() number         { return n + 1 }
func (n number) Prev() number         { return n - 1 }

// span is all points from first to last.
type span[T point[T]] struct{ first, last T }

// set is spans in their order that do not touch one another in a point. The zero value is empty.
type set[T point[T]] []span[T]

type (
	addresses = set[netip.Addr]
	numbers   = set[number]
)

// newSet sorts and merges; spans is changed.
func newSet[T point[T]](spans []span[T]) set[T] {
	slices.SortFunc(spans, func(a, b span[T]) int { return cmp.Or(a.first.Compare(b.first), a.last.Compare(b.last)) })
	var out set[T]
	for _, s := range spans {
		if n := len(out) - 1; n >= 0 && (s.first.Compare(out[n].last) <= 0 || s.first.Prev().Compare(out[n].last) == 0) {
			if s.last.Compare(out[n].last) > 0 {
				out[n].last = s.last
			}
			continue
		}
		out = append(out, s)
	}
	return out
}

func (s set[T]) or(o set[T]) set[T] { return newSet(slices.Concat(s, o)) }

func (s set[T]) and(o set[T]) set[T] {
	var out set[T]
	for i, j := 0, 0; i < len(s) && j < len(o); {
		first, last := s[i].first, s[i].last
		if o[j].first.Compare(first) > 0 {
			first = o[j].first
		}
		if o[j].last.Compare(last) < 0 {
			last = o[j].last
		}
		if first.Compare(last) <= 0 {
			out = append(out, span[T]{first, last})
		}
		if s[i].last.Compare(o[j].last) < 0 {
			i++
		} else {
			j++
		}
	}
	return out
}

func (s set[T]) meets(o set[T]) bool {
	for i, j := 0, 0; i < len(s) && j < len(o); {
		switch {
		case s[i].last.Compare(o[j].first) < 0:
			i++
		case o[j].last.Compare(s[i].first) < 0:
			j++
		default:
			return true
		}
	}
	return false
}

func (s set[T]) less(o set[T]) set[T] {
	var out set[T]
	j := 0
	for _, rest := range s {
		for j < len(o) && o[j].last.Compare(rest.first) < 0 {
			j++
		}
		left := true
		for k := j; left && k < len(o) && o[k].first.Compare(rest.last) <= 0; k++ {
			if o[k].first.Compare(rest.first) > 0 {
				out = append(out, span[T]{rest.first, o[k].first.Prev()})
			}
			if left = o[k].last.Compare(rest.last) < 0; left {
				rest.first = o[k].last.Next()
			}
		}
		if left {
			out = append(out, rest)
		}
	}
	return out
}

// box is a kind of traffic: everything that lies in each of its sets.
type box struct {
	zones, applications, services numbers
	source, destination           addresses
}

func (b box) and(o box) box {
	return box{b.zones.and(o.zones), b.applications.and(o.applications), b.services.and(o.services),
		b.source.and(o.source), b.destination.and(o.destination)}
}

// or is the smallest box that holds both.
func (b box) or(o box) box {
	return box{b.zones.or(o.zones), b.applications.or(o.applications), b.services.or(o.services),
		b.source.or(o.source), b.destination.or(o.destination)}
}

func (b box) empty() bool {
	return len(b.zones) == 0 || len(b.applications) == 0 || len(b.services) == 0 || len(b.source) == 0 || len(b.destination) == 0
}

func (b box) meets(o box) bool {
	return b.zones.meets(o.zones) && b.applications.meets(o.applications) && b.services.meets(o.services) &&
		b.source.meets(o.source) && b.destination.meets(o.destination)
}

// less gives what of the box is left without the other, in at most five boxes that have nothing in common.
func (b box) less(o box) []box {
	var out []box
	part := func(rest box) {
		if !rest.empty() {
			out = append(out, rest)
		}
	}
	rest := b
	rest.zones, b.zones = b.zones.less(o.zones), b.zones.and(o.zones)
	part(rest)
	rest = b
	rest.source, b.source = b.source.less(o.source), b.source.and(o.source)
	part(rest)
	rest = b
	rest.destination, b.destination = b.destination.less(o.destination), b.destination.and(o.destination)
	part(rest)
	rest = b
	rest.services, b.services = b.services.less(o.services), b.services.and(o.services)
	part(rest)
	rest = b
	rest.applications = b.applications.less(o.applications)
	part(rest)
	return out
}
