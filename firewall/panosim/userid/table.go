package userid

import (
	"container/heap"
	"net/netip"
	"slices"
	"time"
)

// target is what can be registered: a host, a network, or a range when to is valid.
type target struct {
	prefix netip.Prefix // of a range: its first address
	to     netip.Addr
}

// address is a registered target with its tags.
type address struct {
	target
	at   int             // place in table.order
	tags []*registration // in the order in which they came
}

func (a *address) place(at int) { a.at = at }

// find gives the registration of the tag, or nil.
func (a *address) find(tag string) *registration {
	for _, r := range a.tags {
		if r.tag.name == tag {
			return r
		}
	}
	return nil
}

// tagged lists the addresses of one tag.
type tagged struct {
	name  string
	order sequence[*registration]
}

// registration is one tag on one address.
type registration struct {
	address    *address
	tag        *tagged
	expires    int64         // nanoseconds since 1970; 0: never
	timeout    time.Duration // as last given; 0: none
	persistent bool
	at         int // place in tag.order
	timer      int // place in table.timers, if expires is not 0
}

func (r *registration) place(at int) { r.at = at }

// table holds what is registered in one virtual system.
type table struct {
	addresses map[target]*address
	order     sequence[*address]
	tags      map[string]*tagged
	timers    timers
	watch     func(r *registration, stands bool) // told of each tag that an address has got or is about to lose
}

func newTable() *table {
	return &table{
		addresses: map[target]*address{}, tags: map[string]*tagged{},
		watch: func(*registration, bool) {},
	}
}

// put sets the tag on the target, new or not, with its timer begun anew. It says whether the tag was new.
func (t *table) put(what target, tag string, timeout time.Duration, persistent bool, now time.Time) bool {
	a := t.addresses[what]
	if a == nil {
		a = &address{target: what}
		t.addresses[what] = a
		t.order.add(a)
	}
	r := a.find(tag)
	created := r == nil
	if created {
		list := t.tags[tag]
		if list == nil {
			list = &tagged{name: tag}
			t.tags[tag] = list
		}
		r = &registration{address: a, tag: list}
		a.tags = append(a.tags, r)
		list.order.add(r)
		t.watch(r, true)
	}
	r.persistent = persistent
	t.setTimer(r, timeout, now)
	return created
}

// setTimer starts, moves or (with 0) stops the timer.
func (t *table) setTimer(r *registration, timeout time.Duration, now time.Time) {
	running := r.expires != 0
	r.timeout, r.expires = timeout, 0
	if timeout > 0 {
		r.expires = now.Add(timeout).UnixNano()
	}
	switch {
	case running && timeout > 0:
		heap.Fix(&t.timers, r.timer)
	case running:
		heap.Remove(&t.timers, r.timer)
	case timeout > 0:
		heap.Push(&t.timers, r)
	}
}

// drop takes the tag off its address, and the address away with its last tag.
func (t *table) drop(r *registration) {
	t.watch(r, false)
	if r.expires != 0 {
		heap.Remove(&t.timers, r.timer)
		r.expires = 0
	}
	r.tag.order.remove(r.at)
	if r.tag.order.live == 0 {
		delete(t.tags, r.tag.name)
	}
	a := r.address
	a.tags = slices.DeleteFunc(a.tags, func(other *registration) bool { return other == r })
	if len(a.tags) == 0 {
		t.order.remove(a.at)
		delete(t.addresses, a.target)
	}
}

// expired drops the next registration whose time is up, and gives it; nil if there is none.
func (t *table) expired(now time.Time) *registration {
	if len(t.timers) == 0 || t.timers[0].expires > now.UnixNano() {
		return nil
	}
	r := t.timers[0]
	t.drop(r)
	return r
}

// timers is a heap of registrations, the next to expire first.
type timers []*registration

func (h timers) Len() int           { return len(h) }
func (h timers) Less(i, j int) bool { return h[i].expires < h[j].expires }
func (h timers) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].timer, h[j].timer = i, j
}
func (h *timers) Push(x any) {
	r := x.(*registration)
	r.timer = len(*h)
	*h = append(*h, r)
}
func (h *timers) Pop() any {
	old := *h
	r := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return r
}
