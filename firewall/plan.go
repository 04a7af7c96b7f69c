package firewall

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"activedefense/firewall/xmlapi"
)

// brakeFrom is how many removals are always allowed: a share of a handful says nothing.
const brakeFrom = 50

// Entry is an address or network that shall be blocked.
type Entry struct {
	Prefix netip.Prefix
	Until  time.Time // when the block ends if no activity follows; zero: no end is known
	Since  time.Time // when it began; what began last is sent first. Zero: the order is that of Until, latest first
}

// Registration is what a firewall holds about one address or network that bears our tag.
type Registration struct {
	Until      time.Time // when the firewall lets go by itself; zero: unknown
	Persistent bool      // outlives a reboot; as read, nothing is planned on it

	unrenewed time.Time // when it would have ended if its last renewal had no effect; zero: it was made anew, or that is unknown
}

// TakesNetworks tells whether a version registers IPv4 networks, not only single addresses (PAN-OS 10.0 and later).
func TakesNetworks(v xmlapi.Version) bool { return v.AtLeast(10, 0, 0) }

// Limits bound a plan.
type Limits struct {
	MaxRemovalPercent int           // share of what stands that may be removed at once; 100: all of it. 50 removals are always allowed
	Now               time.Time     // of planning
	MaxTimeout        time.Duration // longest timeout that the firewall takes; 0: 30 days
	Networks          bool          // the firewall takes IPv4 networks
}

// Change is one address to be registered, for the first time or again.
type Change struct {
	Prefix  netip.Prefix
	Timeout time.Duration // 60 s to Limits.MaxTimeout, in whole seconds
}

// Unsupported is an entry that the firewall cannot hold.
type Unsupported struct {
	Prefix netip.Prefix
	Reason string
}

// Brake is why a plan removes nothing.
type Brake struct {
	Remove   int // how many would have gone
	Standing int // of how many that stand
	Percent  int // the share allowed, Limits.MaxRemovalPercent
	Share    int // the share that Remove is, in percent, rounded up
}

// String says it in one sentence.
func (b Brake) String() string {
	return fmt.Sprintf("%d of %d registered addresses (%d %%) would be removed at once, more than %d %%: none was removed",
		b.Remove, b.Standing, b.Share, b.Percent)
}

// Plan is what to change so that a firewall holds what is desired.
type Plan struct {
	Register    []Change       // missing; the most recent first
	Renew       []Change       // standing, but running out too early; what runs out first is first
	Unregister  []netip.Prefix // standing and not desired, in order of address
	Unsupported []Unsupported  // in order of address
	Braked      *Brake         // not nil: Unregister was emptied
}

// NewPlan compares what is desired with what stands. Both are normalised, duplicates in desired take the later end,
// and the same input gives the same plan.
//
// What stands is renewed when it runs out earlier than desired and less than half of the timeout that it would get
// is left, or when it is not known when it runs out.
func NewPlan(desired []Entry, actual map[netip.Prefix]Registration, l Limits) Plan {
	l.MaxTimeout = cmp.Or(l.MaxTimeout, maxTagTimeout)
	var plan Plan
	want := newIndex(len(desired))
	for i, e := range desired {
		p, ok := Normalize(e.Prefix)
		if !ok {
			plan.Unsupported = append(plan.Unsupported, Unsupported{e.Prefix, "not an address or network"})
			continue
		}
		if old, twice := want.get(p); !twice || before(desired[old], e) {
			want.set(p, i)
		}
	}
	standing, stand := make([]bool, len(desired)), 0
	for p, held := range actual {
		i, wanted := want.get(p)
		if !wanted {
			plan.Unregister = append(plan.Unregister, p)
			continue
		}
		standing[i] = true
		stand++
		if timeout := l.timeout(desired[i].Until); renewal(desired[i].Until, held.Until, timeout, l.Now) {
			plan.Renew = append(plan.Renew, Change{p, timeout})
		}
	}
	missing := make([]Entry, 0, len(desired)-stand)
	for i, e := range desired {
		p, ok := Normalize(e.Prefix)
		if chosen, _ := want.get(p); !ok || standing[i] || chosen != i {
			continue
		}
		if reason := l.refuses(p); reason != "" {
			plan.Unsupported = append(plan.Unsupported, Unsupported{p, reason})
			continue
		}
		missing = append(missing, Entry{Prefix: p, Until: e.Until, Since: e.Since})
	}
	plan.arrange(missing, actual, l)
	return plan
}

// before tells which of two entries of the same address counts less: the one that ends earlier, then the one that
// began earlier.
func before(a, b Entry) bool {
	return cmp.Or(compareEnds(a.Until, b.Until), a.Since.Compare(b.Since)) < 0
}

// index finds an entry by its prefix. A netip.Prefix is slow to hash, and a plan is made every second; IPv4, which
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

// arrange puts everything in order, and the brake on.
func (plan *Plan) arrange(missing []Entry, actual map[netip.Prefix]Registration, l Limits) {
	slices.SortFunc(missing, func(a, b Entry) int {
		return cmp.Or(b.Since.Compare(a.Since), compareEnds(b.Until, a.Until), ComparePrefixes(a.Prefix, b.Prefix))
	})
	plan.Register = make([]Change, 0, len(missing))
	for _, e := range missing {
		plan.Register = append(plan.Register, Change{e.Prefix, l.timeout(e.Until)})
	}
	slices.SortFunc(plan.Renew, func(a, b Change) int {
		return cmp.Or(actual[a.Prefix].Until.Compare(actual[b.Prefix].Until), ComparePrefixes(a.Prefix, b.Prefix))
	})
	slices.SortFunc(plan.Unregister, ComparePrefixes)
	slices.SortFunc(plan.Unsupported, func(a, b Unsupported) int { return ComparePrefixes(a.Prefix, b.Prefix) })
	if plan.Braked = braked(len(plan.Unregister), len(actual), l.MaxRemovalPercent); plan.Braked != nil {
		plan.Unregister = nil
	}
}

// braked tells whether removing so many of what stands needs a person.
func braked(remove, standing, percent int) *Brake {
	if remove <= brakeFrom || remove*100 <= percent*standing {
		return nil
	}
	return &Brake{Remove: remove, Standing: standing, Percent: percent, Share: (remove*100 + standing - 1) / standing}
}

// timeout is how long the firewall shall hold an entry that ends at until, in whole seconds, rounded up.
func (l Limits) timeout(until time.Time) time.Duration {
	if until.IsZero() {
		return l.MaxTimeout
	}
	d := min(max(until.Sub(l.Now), minTagTimeout), l.MaxTimeout)
	return min((d + time.Second - 1).Truncate(time.Second), l.MaxTimeout)
}

func (l Limits) refuses(p netip.Prefix) string {
	switch {
	case p.IsSingleIP():
		return ""
	case p.Addr().Is6():
		return "PAN-OS registers no IPv6 networks, only single IPv6 addresses"
	case !l.Networks:
		return "PAN-OS registers networks from version 10.0 on"
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
