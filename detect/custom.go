package detect

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"time"

	"activedefense/detect/memory"
)

// The events of the firewalls' logs, as a CustomRule names them. Any other name is that of a pattern's event.
const (
	EventTraffic = "traffic" // a TRAFFIC record that tells of its source reaching out
	EventThreat  = "threat"  // a THREAT record that does, floods aside
	EventLogin   = "login"   // a failed login at a firewall, as the rule login counts them
)

// CustomRule is a rule of the operator's own: it fires when more than MoreThan events, or distinct values of some fields of theirs,
// of one source (and of one value of each field of Per) come within Window. Records that lack a field of Distinct or Per are not
// counted. RefusedOnly concerns traffic and threat records alone, but what is forgeable of a partner is held without regard to
// the event. All custom rules come behind those of the table, in their order.
type CustomRule struct {
	Name     string   // none of another rule
	Events   []string // any of them
	Where    []Condition
	Not      []Condition   // none of which may hold
	Distinct []Field       // of which combinations of values are counted; empty: events are
	Per      []Field       // beside the source
	MoreThan int           // 0 to 1000
	Window   time.Duration // zero or less: the rule is off
	Policy
	Escalate *Escalate // nil: as of all rules
}

// Escalate lengthens the block of a source that returns, as its owner understands it; the engine only hands it on.
type Escalate struct {
	Factor int
	Max    time.Duration
}

// A Condition on a field of a record holds when any of its values does: Networks where the field is an address, Numbers where it is
// a number, and else Texts, without regard to case.
type Condition struct {
	Field    Field
	Networks []netip.Prefix
	Numbers  []NumberRange
	Texts    []string
}

// NumberRange are the numbers from First to Last.
type NumberRange struct{ First, Last uint32 }

// custom is a CustomRule at work.
type custom struct {
	rule
	set        *CustomRule
	where, not []Condition // the cheapest first
}

// customs are the custom rules that are on, and where to find those that may count a record.
type customs struct {
	rules      []custom
	traffic    customIndex
	threat     customIndex
	login      customIndex
	logs       map[string]*customIndex // by the name of a pattern's event
	candidates []int                   // at work
	fired      []uint64
}

func newCustoms(s *Settings) *customs {
	c := &customs{logs: make(map[string]*customIndex)}
	for i := range s.Custom {
		r := newCustom(&s.Custom[i])
		if r.window == 0 {
			continue
		}
		at := len(c.rules)
		c.rules = append(c.rules, r)
		for _, event := range r.set.Events {
			c.indexOf(event).add(at, r.where)
		}
	}
	if len(c.rules) == 0 {
		return nil
	}
	c.fired = make([]uint64, len(c.rules))
	return c
}

func newCustom(set *CustomRule) custom {
	r := custom{set: set, rule: newRule(clamped(set.MoreThan)+1, set.Window, set.Policy)}
	r.where, r.not = slices.Clone(set.Where), slices.Clone(set.Not)
	cheapest := func(a, b Condition) int { return cmp.Compare(a.cost(), b.cost()) }
	slices.SortStableFunc(r.where, cheapest)
	slices.SortStableFunc(r.not, cheapest)
	return r
}

// maxMoreThan is the largest MoreThan; what is larger counts as that.
const maxMoreThan = 1000

func clamped(moreThan int) int { return min(max(moreThan, 0), maxMoreThan) }

// indexOf gives the index of an event's rules, which is made where there is none.
func (c *customs) indexOf(event string) *customIndex {
	switch event {
	case EventTraffic:
		return &c.traffic
	case EventThreat:
		return &c.threat
	case EventLogin:
		return &c.login
	}
	if c.logs[event] == nil {
		c.logs[event] = &customIndex{}
	}
	return c.logs[event]
}

// ofEvent gives the index for a record; nil: no rule counts its like.
func (c *customs) ofEvent(ev *Event) *customIndex {
	switch ev.Type {
	case TypeTraffic:
		return &c.traffic
	case TypeThreat:
		return &c.threat
	case TypeGlobalProtect, TypeSystem:
		return &c.login
	case TypeLog:
		return c.logs[ev.Subtype]
	}
	return nil
}

// eventOf is the name that rules have for a record; "" where they have none.
func eventOf(ev *Event) string {
	switch ev.Type {
	case TypeTraffic:
		return EventTraffic
	case TypeThreat:
		return EventThreat
	case TypeGlobalProtect, TypeSystem:
		return EventLogin
	case TypeLog:
		return ev.Subtype
	}
	return ""
}

// customIndex finds the rules of one event that may count a record, by the field that their conditions tell them apart by: a
// hundred rules, each for a port or a user of its own, cost a look at one.
type customIndex struct {
	rest   []int // rules to be asked in any case
	fields []fieldIndex
}

type fieldIndex struct {
	field Field
	rules map[uint64][]int
}

// mostIndexed bounds the values by which a rule is found.
const mostIndexed = 256

// add takes in a rule by its conditions.
func (x *customIndex) add(at int, where []Condition) {
	field, values := bestIndexed(where)
	if values == nil {
		x.rest = append(x.rest, at)
		return
	}
	i := slices.IndexFunc(x.fields, func(f fieldIndex) bool { return f.field == field })
	if i < 0 {
		i = len(x.fields)
		x.fields = append(x.fields, fieldIndex{field, make(map[uint64][]int)})
	}
	for _, v := range values {
		if list := x.fields[i].rules[v]; len(list) == 0 || list[len(list)-1] != at {
			x.fields[i].rules[v] = append(list, at)
		}
	}
}

// bestIndexed picks the condition by which a rule is found; no values: none is fit.
func bestIndexed(where []Condition) (field Field, values []uint64) {
	for _, f := range indexedFields {
		i := slices.IndexFunc(where, func(c Condition) bool { return c.Field == f })
		if i < 0 {
			continue
		}
		n := uint64(len(where[i].Texts))
		for _, r := range where[i].Numbers {
			n += uint64(r.Last) - uint64(r.First) + 1
		}
		if n == 0 || n > mostIndexed {
			continue
		}
		for _, text := range where[i].Texts {
			values = append(values, folded(text))
		}
		for _, r := range where[i].Numbers {
			for v := uint64(r.First); v <= uint64(r.Last); v++ {
				values = append(values, v)
			}
		}
		return f, values
	}
	return 0, nil
}

// may gives the rules that may count a record, in their order; the list is valid until the next call.
func (c *customs) may(x *customIndex, ev *Event, p *party) []int {
	list := append(c.candidates[:0], x.rest...)
	for i := range x.fields {
		f := &x.fields[i]
		key := uint64(0)
		if f.field.isNumber() {
			key = uint64(f.field.number(ev, p))
		} else {
			key = folded(f.field.text(ev, p, ev.Session))
		}
		list = append(list, f.rules[key]...)
	}
	if len(x.fields) > 0 {
		slices.Sort(list)
	}
	c.candidates = list
	return list
}

// cost orders conditions by what it takes to ask them.
func (c *Condition) cost() int {
	switch {
	case c.Field.isNumber():
		return 0
	case c.Field.isAddress():
		return 2
	}
	return 1
}

// holds tells whether a record meets a condition.
func (c *Condition) holds(ev *Event, p *party, became Session) bool {
	switch {
	case c.Field.isNumber():
		n := c.Field.number(ev, p)
		return slices.ContainsFunc(c.Numbers, func(r NumberRange) bool { return r.First <= n && n <= r.Last })
	case c.Field.isAddress():
		addr := c.Field.address(p)
		return slices.ContainsFunc(c.Networks, func(n netip.Prefix) bool { return n.Contains(addr) })
	}
	value := c.Field.text(ev, p, became)
	return slices.ContainsFunc(c.Texts, func(t string) bool { return same(t, value) })
}

// meets tells whether a record meets all conditions of a rule.
func (r *custom) meets(ev *Event, p *party, became Session) bool {
	for i := range r.where {
		if !r.where[i].holds(ev, p, became) {
			return false
		}
	}
	for i := range r.not {
		if r.not[i].holds(ev, p, became) {
			return false
		}
	}
	return r.lacks(ev, p, became) == ""
}

// lacks names a field that the rule counts and the record does not have; "" if there is none.
func (r *custom) lacks(ev *Event, p *party, became Session) string {
	for _, fields := range [...][]Field{r.set.Distinct, r.set.Per} {
		for _, f := range fields {
			if !f.has(ev, p, became) {
				return f.String()
			}
		}
	}
	return ""
}

// notEvent says why a record is no event that custom rules count, whatever their conditions; "" if it is one.
func notEvent(ev *Event, p *party) string {
	switch ev.Type {
	case TypeGlobalProtect, TypeSystem:
		return notLogin(ev)
	case TypeLog:
		return ""
	}
	return notReaching(ev, p)
}

// notFor says why an event does not count for a rule because of what became of the session; "" if it counts.
func (r *custom) notFor(ev *Event, became Session) string {
	if r.RefusedOnly && (ev.Type == TypeTraffic || ev.Type == TypeThreat) {
		return notRefused(ev, became)
	}
	return ""
}

// spares tells whether detect.ignore keeps a rule from counting a record, and gives the first entry that says so.
func (k *known) spares(rule string, ev *Event, p *party) *Ignore {
	for i := range k.settings.Ignore {
		if ig := &k.settings.Ignore[i]; (len(ig.Rules) == 0 || slices.Contains(ig.Rules, rule)) && ig.meets(ev, p) {
			return ig
		}
	}
	return nil
}

// watchCustom counts a record for the custom rules. r is what came of it before.
func (e *Engine) watchCustom(ev *Event, w *watched, r *Result) {
	c := e.custom
	x := c.ofEvent(ev)
	if x == nil || len(x.rest)+len(x.fields) == 0 || notEvent(ev, &w.party) != "" {
		return
	}
	if isLogin(ev) {
		if e.recalling && !behind(e, EventLogin) {
			return
		}
		if !e.memory.Failed(w.hash, &w.key, loginOf(e, ev, w)) {
			return
		}
	}
	w.grade = grade(ev)
	for _, at := range c.may(x, ev, &w.party) {
		rule := &c.rules[at]
		if e.recalling && !e.memory.Behind(at) || !rule.meets(ev, &w.party, r.Session) || rule.notFor(ev, r.Session) != "" {
			continue
		}
		if len(e.settings.Ignore) > 0 && e.spares(rule.set.Name, ev, &w.party) != nil {
			continue
		}
		if e.recalling && !rule.unspent(e.memory, ev, w, r.Session) {
			continue
		}
		r.Outcome, r.Grade = max(r.Outcome, Counted), max(r.Grade, w.grade)
		v := countCustom(e, at, ev, w, r.Session)
		if v == nil {
			continue
		}
		c.fired[at]++
		r.fired(v)
		if v.stands() {
			settle(e, v)
			return
		}
	}
}

// countCustom counts a record for one rule, and gives the verdict that it completes.
func countCustom(e *Engine, at int, ev *Event, w *watched, became Session) *Verdict {
	rule := &e.custom.rules[at]
	distinct := len(rule.set.Distinct) > 0
	s := memory.Seen{Key: w.key, Hash: w.hash, Counter: at, Per: spreadFields(e, rule.set.Per, ev, &w.party, became),
		Point: memory.Point{Time: w.time, Ref: ev.Ref, Weight: w.weight, Proven: w.grade == Proven}}
	if distinct {
		s.Value = spreadFields(e, rule.set.Distinct, ev, &w.party, became)
	}
	g := e.memory.See(&s)
	if !e.window.gather(&g, &rule.rule, distinct, w.time) {
		return nil
	}
	from, to, grade, ok := e.graded(rule.need, rule.window, w.time, s.Proven)
	if !ok {
		return nil
	}
	v := e.customVerdict(ev, w, rule, became, finding{from: from, to: to, grade: grade})
	if !distinct {
		v.Hits = recordsBetween(&g, nanoseconds(v.FirstSeen), nanoseconds(v.LastSeen), grade == Proven)
		v.Count = v.Hits
	}
	v.Reason = rule.reason(v.Count, v.Target)
	if e.decided(v, &rule.rule, false); !v.stands() {
		e.memory.UseUp(g, v.Mode == Block)
		if !e.recalling {
			key := rule.digest(ev, w, became)
			e.memory.Spend(&key, spentCustom, v.Mode == Block, w.time)
		}
	}
	return v
}

// gather fills the window with what a group holds around a time; false: too little to fire its rule.
func (w *window) gather(g *memory.Group, r *rule, distinct bool, at int64) bool {
	w.points = w.points[:0]
	each, late := uint64(0), g.Late()
	for p := g.Newest(); p != nil; p = g.Before(p) {
		if apart(p.Time, at) >= r.window {
			if !late {
				break
			}
			continue
		}
		v := valued{point: point{p.Time, p.Ref, p.Weight}, proven: p.Proven}
		if distinct {
			binary.BigEndian.PutUint64(v.value[8:], p.Value)
			w.points = append(w.points, v)
			continue
		}
		v.weight = 1
		for range min(int(p.Weight), r.need) { // a record that stands for several is as many values
			each++
			binary.BigEndian.PutUint64(v.value[8:], each)
			w.points = append(w.points, v)
		}
	}
	return len(w.points) >= r.need
}

// recordsBetween counts the records of a group from one time to another, both included, as often as they say.
func recordsBetween(g *memory.Group, from, to int64, proven bool) (n int) {
	for p := g.Newest(); p != nil; p = g.Before(p) {
		if from <= p.Time && p.Time <= to && (p.Proven || !proven) {
			n += int(p.Weight)
		}
	}
	return n
}

// spentCustom is the number under which the memory has what verdicts of custom rules used up; the key says of which rule.
const spentCustom = 255

// unspent tells whether a record that is recalled is still evidence for the rule.
func (r *custom) unspent(m *memory.Memory, ev *Event, w *watched, became Session) bool {
	key := r.digest(ev, w, became)
	all, forgeable := m.Spent(&key, spentCustom)
	return w.time > all && (w.time > forgeable || w.grade == Proven)
}

// same compares texts without regard to case, as folded does.
func same(a, b string) bool { return strings.EqualFold(a, b) && folded(a) == folded(b) }

// folded spreads a text so that those that differ in case alone have one number: FNV-1a of its small letters. All texts beyond
// ASCII have the same.
func folded(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		b := s[i]
		switch {
		case b >= 0x80:
			return 0
		case b >= 'A' && b <= 'Z':
			b |= 0x20
		}
		h = (h ^ uint64(b)) * 1099511628211
	}
	return h
}
