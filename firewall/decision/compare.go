package decision

import (
	"cmp"
	"reflect"
	"slices"
)

// Difference is a kind of traffic of which another rule would decide, with another action.
type Difference struct {
	Traffic string `json:"traffic"` // for a reader, such as: from untrust to dmz, service tcp/443
	// The rules that decide, and their actions.
	RuleBefore   string `json:"rule_before"`
	ActionBefore string `json:"action_before"`
	RuleAfter    string `json:"rule_after"`
	ActionAfter  string `json:"action_after"`
	// BlockedSources: it is about blocked sources alone. What is about others has a Difference of its own, which is for blocked
	// sources too where nothing else is told of these.
	BlockedSources bool `json:"blocked_sources"`
	// Certain: some of this traffic is surely decided otherwise: where an end could be in a set of unknown members, that which is
	// not. False: it depends on what the configuration does not tell, such as Conditions, or the policy is too long to tell
	// within a bounded time.
	Certain    bool     `json:"certain"`
	Conditions []string `json:"conditions,omitempty"`
	Example    string   `json:"example"` // a flow of it, for a reader

	// Flow is Example, with Protocol 0 for the default port of its application, which is not known; Before and After are the
	// rules by their index.
	Flow          Flow `json:"-"`
	Before, After int  `json:"-"`

	zones string // as Traffic has them
}

// Bounds of the search for what is left of kinds of traffic: how often two boxes are compared for one pair of rules and for all
// of them, and in how many pieces one kind is described exactly. What does not fit is told as uncertain, or is described by the
// larger box.
const (
	maxSteps  = 50_000
	maxTotal  = 20_000_000
	maxPieces = 64
)

// Compare gives the kinds of traffic that the two policies decide with another action, in the order of the rules before; those
// of blocked sources come last.
// The work grows with the number of rules and of those that differ, by ID or by what they ask for; not with combinations.
func Compare(before, after *Policy) []Difference { return compare(before, after, maxTotal) }

func compare(before, after *Policy, steps int) []Difference {
	c := &comparison{before: before, after: after, steps: steps, toAfter: same(before.Rules, after.Rules)}
	c.toBefore, c.stays = inverse(c.toAfter, len(after.Rules)), inOrder(c.toAfter)
	c.stayed = inverse(c.stays, len(after.Rules))
	w := newWorld(before, after)
	found := map[pair]*kind{}
	for _, one := range w.worlds() {
		c.look(one, found)
	}
	out := make([]Difference, 0, len(found))
	for p, k := range found {
		if others := found[pair{p.before, p.after, false}]; p.blocked && others != nil && others.certain == k.certain && reflect.DeepEqual(others.box, k.box) {
			continue // it is not about blocked sources alone
		}
		out = append(out, c.difference(w, p, k))
	}
	slices.SortFunc(out, func(a, b Difference) int {
		switch {
		case a.BlockedSources == b.BlockedSources:
			return cmp.Or(a.Before-b.Before, a.After-b.After)
		case a.BlockedSources:
			return 1
		}
		return -1
	})
	return out
}

// pair is the rule that decides before and the one that decides after.
type pair struct {
	before, after int
	blocked       bool
}

// kind is the traffic of a pair.
type kind struct {
	box     box
	certain bool
	usual   bool // the example is at the default port of its application
	example box  // lies in box, and all of it is decided otherwise
}

// comparison is two policies, and which rule of the one is the same rule of the other, for those that stay in the same order also
// in stays and stayed; -1: none.
type comparison struct {
	before, after     *Policy
	toAfter, toBefore []int
	stays, stayed     []int
	steps             int // that the search may still take
}

// same gives for each rule before the place after of the one that asks for the same, or -1.
func same(before, after []Rule) []int {
	at := make(map[string]int, len(after))
	for j := range after {
		at[after[j].ID] = j
	}
	to := make([]int, len(before))
	for i := range before {
		j, there := at[before[i].ID]
		if to[i] = -1; there && reflect.DeepEqual(before[i], after[j]) {
			to[i] = j
		}
	}
	return to
}

// inOrder leaves of the rules that are the same the most that stand in the same order. Whatever a flow is decided by two of
// them, it is the same one; so a difference has one of the others.
func inOrder(to []int) []int {
	previous := make([]int, len(to))
	var tails []int // of the best increasing sequence of each length, its last rule before
	for i, j := range to {
		if j < 0 {
			continue
		}
		k, _ := slices.BinarySearchFunc(tails, j, func(t, j int) int { return to[t] - j })
		if previous[i] = -1; k > 0 {
			previous[i] = tails[k-1]
		}
		if k == len(tails) {
			tails = append(tails, i)
		}
		tails[k] = i
	}
	out := slices.Repeat([]int{-1}, len(to))
	if len(tails) > 0 {
		for i := tails[len(tails)-1]; i >= 0; i = previous[i] {
			out[i] = to[i]
		}
	}
	return out
}

func inverse(to []int, size int) []int {
	out := slices.Repeat([]int{-1}, size)
	for i, j := range to {
		if j >= 0 {
			out[j] = i
		}
	}
	return out
}

// mayDecide tells whether some flow may be decided by the ith rule before and by the jth after. It is none where the one also stands
// above the other in the other policy: what matches it there never comes to the other, whatever it asks for that the configuration does not
// tell. So where rules of ours move past one, what these do not match is decided as before.
func (c *comparison) mayDecide(i, j int) bool {
	above, other := c.toAfter[i], c.toBefore[j]
	return (above < 0 || above >= j) && (other < 0 || other >= i)
}

// ground is the rules of both policies in one world, and of those the ones by index that meet the rule that is looked at.
type ground struct {
	before, after         []area
	nearBefore, nearAfter []int
}

// look finds the differences of one world.
func (c *comparison) look(w *world, found map[pair]*kind) {
	var g ground
	for i := range c.before.Rules {
		g.before = append(g.before, w.area(c.before, &c.before.Rules[i]))
	}
	for j := range c.after.Rules {
		g.after = append(g.after, w.area(c.after, &c.after.Rules[j]))
	}
	for j, i := range c.stayed {
		if i < 0 { // a rule that is new, or stands elsewhere, or asks for something else
			g.approach(g.after[j])
			for _, i := range rivals(g.before, g.nearBefore, g.after[j]) {
				c.meet(w, &g, i, j, found)
			}
		}
	}
	for i, j := range c.stays {
		if j < 0 {
			g.approach(g.before[i])
			for _, j := range rivals(g.after, g.nearAfter, g.before[i]) {
				if c.stayed[j] >= 0 { // else the two were met above
					c.meet(w, &g, i, j, found)
				}
			}
		}
	}
}

// approach finds the rules that meet one.
func (g *ground) approach(one area) {
	near := func(rules []area) (out []int) {
		for i := range rules {
			if overlap(rules[i].may, one.may) {
				out = append(out, i)
			}
		}
		return out
	}
	g.nearBefore, g.nearAfter = near(g.before), near(g.after)
}

// rivals gives the rules of a policy that may decide what one of the other may decide: none behind one that surely decides all of it.
func rivals(rules []area, near []int, one area) (out []int) {
	for _, i := range near {
		out = append(out, i)
		if covers(rules[i].sure, one.may) {
			break
		}
	}
	return out
}

func overlap(a, b []box) bool {
	return slices.ContainsFunc(a, func(x box) bool { return slices.ContainsFunc(b, x.meets) })
}

// covers tells whether each box of b lies in one of a.
func covers(a, b []box) bool {
	return !slices.ContainsFunc(b, func(y box) bool {
		return !slices.ContainsFunc(a, func(x box) bool { return len(y.less(x)) == 0 })
	})
}

// meet looks for traffic that the ith rule decides before and the jth after.
func (c *comparison) meet(w *world, g *ground, i, j int, found map[pair]*kind) {
	if c.before.Rules[i].Action == c.after.Rules[j].Action || !c.mayDecide(i, j) {
		return
	}
	loose, complete := c.remaining(g, i, j, area.possible, area.certain)
	if complete && len(loose) == 0 {
		return
	}
	k := kind{}
	if len(loose) > 0 {
		k.example = loose[0]
	}
	if !complete {
		loose = intersections(g.before[i].may, g.after[j].may)
		if k.example.empty() {
			k.example = loose[0]
		}
	}
	for _, b := range loose {
		k.box = k.box.or(b)
	}
	if strict, _ := c.remaining(g, i, j, area.strictly, area.nearly); len(strict) > 0 {
		k.certain, k.example = true, strict[0]
	} else {
		k.example, k.certain = c.atDefaultPorts(g, i, j, k.example)
		k.usual = k.certain
	}
	p := pair{i, j, w.blocked}
	if old := found[p]; old != nil {
		k.box = k.box.or(old.box)
		if old.certain || !k.certain {
			k.certain, k.usual, k.example = old.certain, old.usual, old.example
		}
	}
	found[p] = &k
}

func intersections(a, b []box) []box {
	var out []box
	for _, x := range a {
		for _, y := range b {
			if both := x.and(y); !both.empty() {
				out = append(out, both)
			}
		}
	}
	return out
}

func (a area) certain() []box  { return a.sure }
func (a area) possible() []box { return a.may }
func (a area) strictly() []box { return a.outside }
func (a area) nearly() []box   { return a.near }
func (a area) usually() []box  { return slices.Concat(a.outside, a.usual) }

// atDefaultPorts looks for traffic that both rules match at the default ports of an application, whichever these are; else it
// gives the other box.
func (c *comparison) atDefaultPorts(g *ground, i, j int, other box) (box, bool) {
	pieces, _ := c.remaining(g, i, j, area.usually, area.nearly)
	for _, b := range pieces {
		if len(allServices.less(b.services)) == 0 {
			return b, true
		}
	}
	return other, false
}

// remaining gives what match has of both rules and earlier of none before them, in pieces; complete: there are no others.
func (c *comparison) remaining(g *ground, i, j int, match, earlier func(area) []box) (pieces []box, complete bool) {
	s := search{steps: min(maxSteps, c.steps)}
	given := s.steps
	regions := intersections(match(g.before[i]), match(g.after[j]))
	for _, n := range g.nearBefore {
		if n < i {
			s.cut(regions, earlier(g.before[n]))
		}
	}
	for _, n := range g.nearAfter {
		if n < j && (c.toBefore[n] < 0 || c.toBefore[n] >= i) {
			s.cut(regions, earlier(g.after[n]))
		}
	}
	for _, r := range regions {
		s.without(r, 0)
	}
	c.steps -= given - max(s.steps, 0)
	return s.pieces, !s.gaveUp
}

// search takes boxes away from a box.
type search struct {
	away   []box
	steps  int
	gaveUp bool
	pieces []box
}

// cut has the boxes that matter taken away.
func (s *search) cut(regions, boxes []box) {
	for _, b := range boxes {
		if slices.ContainsFunc(regions, b.meets) {
			s.away = append(s.away, b)
		}
	}
}

func (s *search) without(b box, from int) {
	for n := from; n < len(s.away); n++ {
		if s.steps--; s.steps < 0 || len(s.pieces) == maxPieces {
			s.gaveUp = true
			return
		}
		if b.meets(s.away[n]) {
			for _, part := range b.less(s.away[n]) {
				s.without(part, n+1)
			}
			return
		}
	}
	s.pieces = append(s.pieces, b)
}
