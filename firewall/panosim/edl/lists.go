package edl

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/iprange"
	"activedefense/firewall/panosim/jobs"
	"activedefense/firewall/panosim/traffic"
	"activedefense/firewall/panosim/xmltree"
)

// DefaultMaxListEntries is the limit of all models but PA-3200, PA-5200 and PA-7000, which take 150,000.
const DefaultMaxListEntries = 50_000

// Options says what the lists need of their firewall.
type Options struct {
	Now          func() time.Time
	Dialect      *dialect.Dialect
	Admin        string // whose the jobs are that nobody asked for
	VSys         []string
	MaxEntries   int           // the platform's limit of entries of lists that rules name
	FetchTimeout time.Duration // of one list, by the wall clock
	Policies     *traffic.Policies
	Jobs         *jobs.List
	Lock         sync.Locker                          // guards all of the above and the lists; a fetch takes it to hand in what it got
	Log          func(severity, subtype, text string) // writes to the system log
}

// Lists are the External Dynamic Lists of a firewall. The caller of every method holds ListOptions.Lock.
type Lists struct {
	o       Options
	held    map[traffic.ListID]*list
	targets map[string]string // the virtual system that a key chose with target-vsys, which commands about lists heed

	fetching sync.Mutex // held while lists are fetched, without the lock
}

// New makes those of a firewall that has fetched none.
func New(o Options) *Lists {
	return &Lists{o: o, held: map[traffic.ListID]*list{}, targets: map[string]string{}}
}

// list is what the firewall holds of one.
type list struct {
	url      string      // from which file came; another one in the configuration makes the list a new one
	file     *file       // as last fetched; nil: never
	stopped  bool        // the server, or the firewall to it, failed to authenticate: nothing is enforced
	failure  string      // of the last try, in words; "" if it went well
	tried    time.Time   // zero: never
	fetched  time.Time   // zero: never
	kept     int         // entries within the platform's limit, from the first
	enforced iprange.Set // those
	source   *file       // from which enforced was made
}

// State is what the firewall holds of an External Dynamic List.
type State struct {
	Entries  int // enforced, if a rule names the list
	Skipped  int // valid, but beyond the platform's limit
	Invalid  int // lines that are no entries
	Stopped  bool
	Failure  string    // of the last try to fetch it; "" if that went well
	Tried    time.Time // zero: never
	Fetched  time.Time // when what is enforced came; zero: never
	InPolicy bool
}

// definition is a list as the running configuration has it.
type definition struct {
	id    traffic.ListID
	scope traffic.Scope // where its certificate profile is looked up
	*xmltree.Element
}

// kind gives the element that holds what belongs to the list's type, named as the type.
func (d definition) kind() *xmltree.Element {
	if t := d.Child("type"); t != nil && len(t.Children) > 0 {
		return t.Children[0]
	}
	return nil
}

// definitions lists what is configured, of every type, in the order in which the platform's limit is used up.
func (l *Lists) definitions() []definition {
	var out []definition
	seen := map[traffic.ListID]bool{}
	for _, p := range l.o.Policies.All() {
		for i, root := range p.Scope {
			where := traffic.ListPlace(i, p.VSys)
			for _, e := range root.Child("external-list").Entries() {
				id := traffic.ListID{Where: where, Name: e.ID()}
				if seen[id] {
					continue
				}
				seen[id] = true
				out = append(out, definition{id, p.Scope.From(i), e})
			}
		}
	}
	return out
}

// fetchable says whether the firewall fetches a list: one of type ip, that it has a use for.
func (l *Lists) fetchable(d definition) bool {
	return d.Down("type", "ip") != nil && (l.o.Dialect.ListUse == dialect.ListUseAll || l.used()[d.id])
}

// used gives the lists that rules name.
func (l *Lists) used() map[traffic.ListID]bool {
	used := map[traffic.ListID]bool{}
	for _, p := range l.o.Policies.All() {
		maps.Copy(used, p.Used)
	}
	return used
}

// Refresh takes in a changed configuration: lists that are gone are forgotten, all others are fetched by a job, as after a
// commit. The job's type is from memory.
func (l *Lists) Refresh() {
	var plans []fetchPlan
	defined := map[traffic.ListID]bool{}
	for _, d := range l.definitions() {
		defined[d.id] = d.Down("type", "ip") != nil
		if l.fetchable(d) {
			plans = append(plans, l.plan(d))
		}
	}
	maps.DeleteFunc(l.held, func(id traffic.ListID, _ *list) bool { return !defined[id] })
	l.enforce()
	if len(plans) > 0 {
		l.o.Jobs.Run("EDLFetch", l.o.Admin, func(ctx context.Context) jobs.Result { return l.fetchAll(ctx, plans) })
	}
}

// Due gives the function that fetches every list of which the interval has passed since the last try, by the firewall's
// clock, and every one that was never tried, and that returns when all of them are there or have failed. It is called
// without the lock.
func (l *Lists) Due() func(context.Context) {
	now := l.o.Now()
	var plans []fetchPlan
	for _, d := range l.definitions() {
		if !l.fetchable(d) {
			continue
		}
		held := l.held[d.id]
		if held == nil || held.tried.IsZero() || !now.Before(held.tried.Add(interval(d.kind().Child("recurring")))) {
			plans = append(plans, l.plan(d))
		}
	}
	return func(ctx context.Context) { l.fetchAll(ctx, plans) }
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

// State gives what the firewall holds of a list of type ip, as a rule of the virtual system would find it by name; false:
// there is none.
func (l *Lists) State(vsys, name string) (State, bool) {
	p := l.o.Policies.Of(vsys)
	if p == nil {
		return State{}, false
	}
	id, ok := p.ListNamed(name)
	if !ok {
		return State{}, false
	}
	state := State{InPolicy: p.Used[id]}
	if held := l.held[id]; held != nil {
		state.Stopped, state.Failure, state.Tried, state.Fetched = held.stopped, held.failure, held.tried, held.fetched
		if held.file != nil && !held.stopped {
			state.Entries, state.Skipped, state.Invalid = held.kept, len(held.file.entries)-held.kept, held.file.wrong
		}
	}
	return state, true
}

// Holds says whether the list is enforced and holds the address.
func (l *Lists) Holds(id traffic.ListID, a netip.Addr) bool {
	held := l.held[id]
	return held != nil && held.enforced.Has(a)
}

// Restart is what a restart does to the lists: nothing ("you reboot the firewall, management plane, or data plane"); what
// keys have set is gone.
func (l *Lists) Restart() { clear(l.targets) }

// enforce shares the platform's limit out among the lists that rules name, in the order of their definitions ("list
// entries only count toward the maximum if the list is used in policy"; those beyond it are skipped with a system log),
// and prepares what is enforced.
func (l *Lists) enforce() {
	if len(l.held) == 0 {
		return
	}
	used := l.used()
	room := l.o.MaxEntries
	for _, d := range l.definitions() {
		held := l.held[d.id]
		if held == nil {
			continue
		}
		kept := 0
		if held.file != nil && !held.stopped {
			kept = len(held.file.entries)
			if used[d.id] {
				kept = min(kept, room)
				room -= kept
			}
			if skipped := len(held.file.entries) - kept; skipped > 0 && kept != held.kept {
				l.o.Log("high", "general", "EDL("+d.id.String()+") exceeds the platform's limit: the last "+
					plural(skipped, "entry is", "entries are")+" skipped")
			}
		}
		held.enforce(kept)
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
func (f *file) exclude(exceptions []string) {
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
