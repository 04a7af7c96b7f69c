package firewall

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"activedefense/firewall/xmlapi"
)

// brakeFrom is how many removals are always allowed: a share of a handful says nothing.
const brakeFrom = 50

// registration is what a firewall holds about one address or network that bears our tag.
type registration struct {
	Until      time.Time // when the firewall lets go by itself; zero: unknown
	Persistent bool      // outlives a reboot; as read, nothing depends on it

	left      time.Duration // as read: what is shown to be left of it; 0: nothing is shown; forEver: it has no end
	unrenewed time.Time     // when it would have ended if its last renewal had no effect; zero: it was made anew, or that is unknown
}

// TakesNetworks tells whether a version registers IPv4 networks, not only single addresses (PAN-OS 10.0 and later).
func TakesNetworks(v xmlapi.Version) bool { return v.AtLeast(10, 0, 0) }

// limits bound a changeset.
type limits struct {
	MaxRemovalPercent int           // share of what stands that may be removed at once; 100: all of it. 50 removals are always allowed
	Now               time.Time     // of comparing
	MaxTimeout        time.Duration // longest timeout that the firewall takes; 0: 30 days
	Networks          bool          // the firewall takes IPv4 networks
	MayBlock          mayBlock
	Strays            map[netip.Prefix]bool // what stands and is not ours: it is not removed, and the brake does not count it
}

// mayBlock tells what may be blocked at all; nil: everything. What may not be passes the brake: it goes in any number, and does
// not count among what the brake judges.
type mayBlock func(netip.Prefix) bool

func (may mayBlock) allows(p netip.Prefix) bool { return may == nil || may(p) }

// change is one address to be registered, for the first time or again.
type change struct {
	Prefix  netip.Prefix
	Timeout time.Duration // 60 s to limits.MaxTimeout, in whole seconds
}

// changeset is what to change so that a firewall holds what is desired.
type changeset struct {
	Register    []change       // missing; of the highest rank first, of one rank the most recent
	Renew       []change       // standing, but running out too early; what runs out first is first
	Unregister  []netip.Prefix // standing and not desired, in order of address; while Braked, only what may not be blocked at all
	Unsupported []Unsupported  // in order of address
	Braked      *Brake         // not nil: the rest of what is not desired stays
}

// compare compares what is desired with what stands. Both are normalised, duplicates in desired take the later end,
// and the same input gives the same changeset.
//
// What stands is renewed when it runs out earlier than desired and less than half of the timeout that it would get
// is left, or when it is not known when it runs out.
func compare(desired []Entry, actual map[netip.Prefix]registration, l limits) changeset {
	l.MaxTimeout = cmp.Or(l.MaxTimeout, maxTagTimeout)
	var changes changeset
	want := newIndex(len(desired))
	for i, e := range desired {
		p, ok := Normalize(e.Prefix)
		if !ok {
			changes.Unsupported = append(changes.Unsupported, Unsupported{e.Prefix, "not an address or network"})
			continue
		}
		if old, twice := want.get(p); !twice || before(desired[old], e) {
			want.set(p, i)
		}
	}
	standing, stand, strays := make([]bool, len(desired)), 0, 0
	for p, held := range actual {
		i, wanted := want.get(p)
		if !wanted {
			if l.Strays[p] {
				strays++
			} else {
				changes.Unregister = append(changes.Unregister, p)
			}
			continue
		}
		standing[i] = true
		stand++
		if timeout := l.timeout(desired[i].Until); renewal(desired[i].Until, held.Until, timeout, l.Now) {
			changes.Renew = append(changes.Renew, change{p, timeout})
		}
	}
	missing := make([]Entry, 0, len(desired)-stand)
	for i, e := range desired {
		p, ok := Normalize(e.Prefix)
		if chosen, _ := want.get(p); !ok || standing[i] || chosen != i {
			continue
		}
		if reason := l.refuses(p); reason != "" {
			changes.Unsupported = append(changes.Unsupported, Unsupported{p, reason})
			continue
		}
		missing = append(missing, Entry{Prefix: p, Until: e.Until, Since: e.Since, Rank: e.Rank})
	}
	changes.arrange(missing, actual, l)
	spared := slices.DeleteFunc(slices.Clone(changes.Unregister), l.MayBlock.allows)
	lost := len(changes.Unregister) - len(spared)
	if changes.Braked = Braked(lost, len(actual)-strays-len(spared), l.MaxRemovalPercent); changes.Braked != nil {
		changes.Unregister = spared
	}
	return changes
}

// before tells which of two entries of the same address counts less: the one that ends earlier, then the one that
// began earlier.
func before(a, b Entry) bool {
	return cmp.Or(compareEnds(a.Until, b.Until), a.Since.Compare(b.Since)) < 0
}

// index finds an entry by its prefix. A netip.Prefix is slow to hash, and a comparison is made every second; IPv4, which
// is nearly all of a blacklist, goes by number.
type index struct {
	v4 map[uint64]int32
	v6 map[netip.Prefix]int32
}

func newIndex(n int) index {
	return index{v4: make(map[uint64]int32, n), v6: map[netip.Prefix]int32{}}
}

func (x index) get(p netip.Prefix) (int, bool) {
	if p.Addr().Is4() {
		i, ok := x.v4[number(p)]
		return int(i), ok
	}
	i, ok := x.v6[p]
	return int(i), ok
}

func (x index) set(p netip.Prefix, i int) {
	if p.Addr().Is4() {
		x.v4[number(p)] = int32(i)
	} else {
		x.v6[p] = int32(i)
	}
}

func number(p netip.Prefix) uint64 {
	a := p.Addr().As4()
	return uint64(binary.BigEndian.Uint32(a[:]))<<8 | uint64(p.Bits())
}

// arrange puts everything in order.
func (changes *changeset) arrange(missing []Entry, actual map[netip.Prefix]registration, l limits) {
	slices.SortFunc(missing, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(b.Rank, a.Rank), b.Since.Compare(a.Since), compareEnds(b.Until, a.Until), ComparePrefixes(a.Prefix, b.Prefix))
	})
	changes.Register = make([]change, 0, len(missing))
	for _, e := range missing {
		changes.Register = append(changes.Register, change{e.Prefix, l.timeout(e.Until)})
	}
	slices.SortFunc(changes.Renew, func(a, b change) int {
		return cmp.Or(actual[a.Prefix].Until.Compare(actual[b.Prefix].Until), ComparePrefixes(a.Prefix, b.Prefix))
	})
	slices.SortFunc(changes.Unregister, ComparePrefixes)
	slices.SortFunc(changes.Unsupported, func(a, b Unsupported) int { return ComparePrefixes(a.Prefix, b.Prefix) })
}

// without takes out what the firewall has refused.
func (changes *changeset) without(refused map[netip.Prefix]string) {
	if len(refused) == 0 {
		return
	}
	isRefused := func(c change) bool { return refused[c.Prefix] != "" }
	changes.Register = slices.DeleteFunc(changes.Register, isRefused)
	changes.Renew = slices.DeleteFunc(changes.Renew, isRefused)
	changes.Unregister = slices.DeleteFunc(changes.Unregister, func(p netip.Prefix) bool { return refused[p] != "" })
}

// Braked tells whether removing so many of what stands needs a person: more than a share in percent, and not a handful. nil: it does not.
func Braked(remove, standing, percent int) *Brake {
	if remove <= brakeFrom || remove*100 <= percent*standing {
		return nil
	}
	return &Brake{Remove: remove, Standing: standing, Percent: percent, Share: (remove*100 + standing - 1) / standing}
}

// timeout is how long the firewall shall hold an entry that ends at until, in whole seconds, rounded up.
func (l limits) timeout(until time.Time) time.Duration {
	if until.IsZero() {
		return l.MaxTimeout
	}
	d := min(max(until.Sub(l.Now), minTagTimeout), l.MaxTimeout)
	return min((d + time.Second - 1).Truncate(time.Second), l.MaxTimeout)
}

func (l limits) refuses(p netip.Prefix) string {
	switch {
	case p.IsSingleIP():
		return ""
	case p.Addr().Is6():
		return "PAN-OS cannot register IPv6 networks, only single IPv6 addresses"
	case !l.Networks:
		return "registering networks requires PAN-OS 10.0 or later"
	}
	return ""
}

// renewal tells whether what the firewall lets go at held has to be registered again for timeout, so that it lasts
// until the wanted time.
func renewal(wanted, held time.Time, timeout time.Duration, now time.Time) bool {
	if held.IsZero() {
		return true
	}
	return later(wanted, held) && held.Sub(now) < timeout/2
}

// later tells whether an entry that ends at a outlasts one that ends at b; zero is no end.
func later(a, b time.Time) bool { return compareEnds(a, b) > 0 }

func compareEnds(a, b time.Time) int {
	switch {
	case a.IsZero() && b.IsZero():
		return 0
	case a.IsZero():
		return 1
	case b.IsZero():
		return -1
	}
	return a.Compare(b)
}
