package line

import (
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"activedefense/detect"
	"activedefense/detect/memory"
	"activedefense/store"
)

const (
	// askAgainAfter is how long a neighbourhood that may not be blocked is not asked about again, in event time: of an IPv6
	// network, to know whether a partner is in it takes a walk.
	askAgainAfter = time.Hour
	// namedNeighbours is how many sources are named in a reason.
	namedNeighbours = 5
)

// neighbours counts, by network, the sources that are blocked for proven evidence, and tells which networks are to be blocked
// for them. The zero value tells of none.
type neighbours struct {
	need     int // sources; 0: off
	sources  map[netip.Prefix]map[netip.Prefix]struct{}
	blocked  map[netip.Prefix]bool      // networks
	refused  map[netip.Prefix]time.Time // networks, by event time
	released map[netip.Prefix]time.Time // networks: what was blocked before that counts no longer
}

func newNeighbours(need int) neighbours {
	n := neighbours{need: need}
	if need > 0 {
		n.sources = make(map[netip.Prefix]map[netip.Prefix]struct{})
		n.blocked, n.refused = make(map[netip.Prefix]bool), make(map[netip.Prefix]time.Time)
		n.released = make(map[netip.Prefix]time.Time)
	}
	return n
}

// add counts a source that was blocked at a time, and gives its network with all that count there.
func (n *neighbours) add(source netip.Prefix, at time.Time) (network netip.Prefix, sources map[netip.Prefix]struct{}) {
	network, ok := store.NeighbourhoodOf(source)
	if n.need <= 0 || !ok || !at.After(n.released[network]) {
		return network, nil
	}
	sources = n.sources[network]
	if sources == nil {
		sources = make(map[netip.Prefix]struct{})
		n.sources[network] = sources
	}
	sources[source] = struct{}{}
	return network, sources
}

// change takes in that an address or network came on the blacklist, or went.
func (n *neighbours) change(c *Change, now time.Time) {
	if n.need <= 0 {
		return
	}
	network, inside := store.NeighbourhoodOf(c.Address)
	switch {
	case inside && c.Blocked && !c.Proven.IsZero():
		n.add(c.Address, c.Proven)
	case inside && !c.Blocked:
		if delete(n.sources[network], c.Address); len(n.sources[network]) == 0 {
			delete(n.sources, network)
		}
	case !inside && c.Blocked:
		n.blocked[c.Address] = true
	case !inside:
		if n.blocked[c.Address] && c.ByPerson {
			n.released[c.Address] = now
			delete(n.sources, c.Address)
		}
		delete(n.blocked, c.Address)
	}
}

// due tells whether a network with so many sources is to be asked about.
func (n *neighbours) due(network netip.Prefix, sources int, at time.Time) bool {
	if n.need <= 0 || sources < n.need || n.blocked[network] {
		return false
	}
	last, asked := n.refused[network]
	return !asked || at.Sub(last).Abs() >= askAgainAfter
}

// refuse notes that a network may not be blocked. That of an IPv4 network is known at once whenever it is asked.
func (n *neighbours) refuse(network netip.Prefix, at time.Time) {
	const most = 10_000
	if network.Addr().Is4() {
		return
	}
	if len(n.refused) >= most {
		clear(n.refused)
	}
	n.refused[network] = at
}

// crowd decides, when a verdict blocked its source for proven evidence, whether the whole network is blocked: the addresses of an
// attacker who has it all are one attacker.
func (f *flow) crowd(v *detect.Verdict, by *lane, now time.Time) {
	network, sources := f.neighbours.add(v.Source, now)
	if !f.neighbours.due(network, len(sources), v.Time) {
		return
	}
	whole := *v
	whole.Source, whole.Rule, whole.Count, whole.Hits = network, store.RuleNeighbourhood, len(sources), 0
	whole.Target, whole.BlockFor, whole.Tag, whole.Escalate, whole.Addresses = "", 0, "", nil, nil
	whole.Reason = neighbourhoodReason(network, sources, f.neighbours.need)
	why := f.guard().Check(network)
	if why == nil {
		why = partnerIn(f.engine.Memory(), network, v.Time)
	}
	if why != nil {
		f.neighbours.refuse(network, v.Time)
		f.end.spare(&whole, why, now)
		return
	}
	f.neighbours.blocked[network] = true
	f.engine.Block(network)
	f.end.block(&whole, by, now)
}

var (
	errPartner   = errors.New("it holds a partner, to which ours opened served sessions in several hours before")
	errForgotten = errors.New("whether it holds a partner is not known: too many addresses were spoken to (detect.max_partners)")
)

// partnerIn says why a network is not to be blocked for the sources in it; nil: none of it is a partner, or, without a memory,
// partners play no part.
func partnerIn(m *memory.Memory, network netip.Prefix, at time.Time) error {
	if m == nil {
		return nil
	}
	found, known := m.PartnerIn(network, at.UnixNano(), at.UnixNano())
	if host := detect.Carried(network); host.IsValid() && !found {
		inside, seen := m.PartnerIn(host, at.UnixNano(), at.UnixNano())
		found, known = inside, known && seen
	}
	switch {
	case found:
		return errPartner
	case !known:
		return errForgotten
	}
	return nil
}

// neighbourhoodReason is "3 sources of 203.0.113.0/24 are blocked for proven attacks: 203.0.113.1, 203.0.113.2, 203.0.113.9 (at least 3)".
func neighbourhoodReason(network netip.Prefix, sources map[netip.Prefix]struct{}, need int) string {
	list := make([]netip.Prefix, 0, len(sources))
	for p := range sources {
		list = append(list, p)
	}
	slices.SortFunc(list, netip.Prefix.Compare)
	var names []string
	for _, p := range list[:min(len(list), namedNeighbours)] {
		names = append(names, detect.AddressText(p))
	}
	text := strconv.Itoa(len(list)) + " sources of " + network.String() + " are blocked for proven attacks: " + strings.Join(names, ", ")
	if more := len(list) - len(names); more > 0 {
		text += " and " + strconv.Itoa(more) + " more"
	}
	return text + " (at least " + strconv.Itoa(need) + ")"
}
