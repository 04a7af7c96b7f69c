package panosim

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/iprange"
	"activedefense/firewall/panosim/xmltree"
)

// defaultMaxListEntries is the limit of all models but PA-3200, PA-5200 and PA-7000, which take 150,000.
const defaultMaxListEntries = 50_000

// listID names an External Dynamic List of type ip. Where is a virtual system, "" for shared, or what Panorama
// pushed to a virtual system.
type listID struct{ where, name string }

const pushedList = "panorama:"

func (id listID) String() string {
	if id.where == "" {
		return "shared/" + id.name
	}
	return id.where + "/" + id.name
}

// list is what the firewall holds of one.
type list struct {
	url      string      // from which file came; another one in the configuration makes the list a new one
	file     *listFile   // as last fetched; nil: never
	stopped  bool        // the server, or the firewall to it, failed to authenticate: nothing is enforced
	failure  string      // of the last try, in words; "" if it went well
	tried    time.Time   // zero: never
	fetched  time.Time   // zero: never
	kept     int         // entries within the platform's limit, from the first
	enforced iprange.Set // those
	source   *listFile   // from which enforced was made
}

// ListState is what the firewall holds of an External Dynamic List.
type ListState struct {
	Entries  int // enforced, if a rule names the list
	Skipped  int // valid, but beyond the platform's limit
	Invalid  int // lines that are no entries
	Stopped  bool
	Failure  string    // of the last try to fetch it; "" if that went well
	Tried    time.Time // zero: never
	Fetched  time.Time // when what is enforced came; zero: never
	InPolicy bool
}

// listDefinition is a list as the running configuration has it.
type listDefinition struct {
	id    listID
	scope scope // where its certificate profile is looked up
	*xmltree.Element
}

// kind gives the element that holds what belongs to the list's type, named as the type.
func (d listDefinition) kind() *xmltree.Element {
	if t := d.Child("type"); t != nil && len(t.Children) > 0 {
		return t.Children[0]
	}
	return nil
}

// definitionsLocked lists what is configured, of every type, in the order in which the platform's limit is used up.
func (s *Sim) definitionsLocked() []listDefinition {
	var out []listDefinition
	seen := map[listID]bool{}
	for _, vsys := range s.opts.VSys {
		scope := s.policyLocked(vsys).scope
		for i, root := range scope {
			where := listPlace(i, vsys)
			for _, e := range root.Child("external-list").Entries() {
				id := listID{where, e.ID()}
				if seen[id] {
					continue
				}
				seen[id] = true
				out = append(out, listDefinition{id, scope.from(i), e})
			}
		}
	}
	return out
}

// listPlace is listID.where for the place of a root in a scope.
func listPlace(i int, vsys string) string {
	switch i {
	case 0:
		return vsys
	case 1:
		return ""
	}
	return pushedList + vsys
}

// from is where an object of the nth root finds others: what is shared finds what is shared.
func (c scope) from(n int) scope {
	if n == 0 {
		return c
	}
	return scope{c[n], c[1]}
}

// listNamed finds a list of type ip as a rule names it.
func (p *policy) listNamed(name string) (listID, bool) {
	for i, root := range p.scope {
		if e := root.Child("external-list").Entry(name); e != nil {
			return listID{listPlace(i, p.vsys), name}, e.Down("type", "ip") != nil
		}
	}
	return listID{}, false
}

// fetchableLocked says whether the firewall fetches a list: one of type ip, that it has a use for.
func (s *Sim) fetchableLocked(d listDefinition) bool {
	return d.Down("type", "ip") != nil && (s.dialect.ListUse == dialect.ListUseAll || s.usedListsLocked()[d.id])
}

// usedListsLocked gives the lists that rules name.
func (s *Sim) usedListsLocked() map[listID]bool {
	used := map[listID]bool{}
	for _, vsys := range s.opts.VSys {
		maps.Copy(used, s.policyLocked(vsys).used)
	}
	return used
}

// refreshListsLocked takes in a changed configuration: lists that are gone are forgotten, all others are fetched by
// a job, as after a commit. The job's type is from memory.
func (s *Sim) refreshListsLocked() {
	var plans []listPlan
	defined := map[listID]bool{}
	for _, d := range s.definitionsLocked() {
		defined[d.id] = d.Down("type", "ip") != nil
		if s.fetchableLocked(d) {
			plans = append(plans, s.planLocked(d))
		}
	}
	maps.DeleteFunc(s.plane.lists, func(id listID, _ *list) bool { return !defined[id] })
	s.enforceListsLocked()
	if len(plans) > 0 {
		s.addJobLocked("EDLFetch", s.opts.Admin, func(ctx context.Context) jobResult { return s.fetchAll(ctx, plans) })
	}
}

// FetchLists fetches every list of which the interval has passed since the last try, by the firewall's clock, and
// every one that was never tried, and returns when all of them are there or have failed. A firewall does so by
// itself; here it happens when asked, so that nothing moves behind a test's back.
func (s *Sim) FetchLists() {
	s.mu.Lock()
	now := s.opts.Now()
	var plans []listPlan
	for _, d := range s.definitionsLocked() {
		if !s.fetchableLocked(d) {
			continue
		}
		l := s.plane.lists[d.id]
		if l == nil || l.tried.IsZero() || !now.Before(l.tried.Add(interval(d.kind().Child("recurring")))) {
			plans = append(plans, s.planLocked(d))
		}
	}
	s.mu.Unlock()
	s.fetchAll(s.life, plans)
}

// interval is how often a list is fetched. Times of day and days of the week are not simulated.
func interval(recurring *xmltree.Element) time.Duration {
	const day = 24 * time.Hour
	for name, every := range map[string]time.Duration{
		"five-minute": 5 * time.Minute, "daily": day, "weekly": 7 * day, "monthly": 30 * day,
	} {
		if recurring.Child(name) != nil {
			return every
		}
	}
	return time.Hour
}

// List gives what the firewall holds of an External Dynamic List of type ip, as a rule of the virtual system ("" is
// the first) would find it by name; false: there is none.
func (s *Sim) List(vsys, name string) (ListState, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.policyLocked(s.name(vsys))
	if p == nil {
		return ListState{}, false
	}
	id, ok := p.listNamed(name)
	if !ok {
		return ListState{}, false
	}
	state := ListState{InPolicy: p.used[id]}
	if l := s.plane.lists[id]; l != nil {
		state.Stopped, state.Failure, state.Tried, state.Fetched = l.stopped, l.failure, l.tried, l.fetched
		if l.file != nil && !l.stopped {
			state.Entries, state.Skipped, state.Invalid = l.kept, len(l.file.entries)-l.kept, l.file.wrong
		}
	}
	return state, true
}

// enforceListsLocked shares the platform's limit out among the lists that rules name, in the order of their
// definitions ("list entries only count toward the maximum if the list is used in policy"; those beyond it are
// skipped with a system log), and prepares what is enforced.
func (s *Sim) enforceListsLocked() {
	if len(s.plane.lists) == 0 {
		return
	}
	used := s.usedListsLocked()
	room := s.opts.MaxListEntries
	for _, d := range s.definitionsLocked() {
		l := s.plane.lists[d.id]
		if l == nil {
			continue
		}
		kept := 0
		if l.file != nil && !l.stopped {
			kept = len(l.file.entries)
			if used[d.id] {
				kept = min(kept, room)
				room -= kept
			}
			if skipped := len(l.file.entries) - kept; skipped > 0 && kept != l.kept {
				s.logLocked("high", "general", "EDL("+d.id.String()+") exceeds the platform's limit: the last "+
					plural(skipped, "entry is", "entries are")+" skipped")
			}
		}
		l.enforce(kept)
	}
}

// enforce prepares the first entries to be matched.
func (l *list) enforce(kept int) {
	if l.source == l.file && l.kept == kept {
		return
	}
	l.source, l.kept, l.enforced = l.file, kept, nil
	if kept > 0 {
		list := make([]iprange.Range, kept)
		for i, e := range l.file.entries[:kept] {
			list[i] = e.Range
		}
		l.enforced = iprange.NewSet(list)
	}
}

// exclude takes the exceptions of a list's definition out of what was read.
func (f *listFile) exclude(exceptions []string) {
	if len(exceptions) == 0 {
		return
	}
	out := map[string]bool{}
	for _, text := range exceptions {
		if e, ok := iprange.Parse(strings.TrimSpace(text)); ok {
			out[e.Text] = true
		}
	}
	before := len(f.entries)
	f.entries = slices.DeleteFunc(f.entries, func(e iprange.Entry) bool { return out[e.Text] })
	f.excluded = before - len(f.entries)
}
