package firewall

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"activedefense/firewall/capacity"
	"activedefense/firewall/xmlapi"
)

const (
	defaultRefreshInterval = time.Minute     // several a minute have hung the management of some versions
	refreshDeadline        = 2 * time.Minute // a refresh takes seconds; behind a commit it waits
	refreshLooks           = 10              // how often the job of a refresh is looked for
	refreshLook            = 500 * time.Millisecond
	refreshStuck           = 10 * time.Minute // a job that has not ended by then is not waited for any more
)

// KindList is the kind of an error that says that the firewall does not have our list, or not all of it.
const KindList = "list"

// CallList is the kind of the calls about the list, as OnCall is told.
const CallList = "external-list"

const refreshWhat = "refresh the list" // what errors name

// ListOptions say which list the firewall is asked to fetch.
type ListOptions struct {
	Names           Names
	URL             string        // of the list, as firewalls reach it; "": the list is known by Names.List
	RefreshInterval time.Duration // between two refreshes; 0: 1 minute
	MaxEntries      int           // that are served; 0: all
}

// List has a firewall fetch our external dynamic list when the blacklist has changed, and reads back what the firewall
// holds of it then. Nothing is written to its configuration.
//
// Its methods may be called from any goroutine; passes wait for one another.
type List struct {
	device *xmlapi.Device
	opts   ListOptions

	mu     sync.Mutex // held during a pass; guards what follows
	hung   uint       // a job that fetches lists and does not end; 0: there is none
	hangs  time.Time  // since when, as far as was seen
	name   string     // of the list on the firewall; "": to be looked for
	asked  time.Time  // of the last refresh; zero: none
	failed error      // what became of it, until the next one is due

	held   HeldList  // as read after the last refresh
	readAt time.Time // when
	room   capacity.Room
	roomAt time.Time             // for the room; zero: not yet
	stale  bool                  // held is in doubt: it was not read after a refresh
	ours   map[netip.Prefix]bool // what was reported to be held, and not to be gone
	print  uint64                // of the blacklist that is known to be held; 0: of none
}

// NewList checks the options. It makes no call.
func NewList(d *xmlapi.Device, opts ListOptions) (*List, error) {
	fail := func(text string) (*List, error) { return nil, fmt.Errorf("firewall %q: %s", d.Name(), text) }
	if opts.Names.List == "" && opts.URL == "" {
		return fail("list: a name or a URL is required")
	}
	opts.RefreshInterval = cmp.Or(opts.RefreshInterval, defaultRefreshInterval)
	if opts.RefreshInterval < 0 || opts.MaxEntries < 0 {
		return fail("list: refresh interval and number of entries must not be negative")
	}
	return &List{device: d, opts: opts, stale: true, ours: map[netip.Prefix]bool{}}, nil
}

// Restore tells what the firewall held by an earlier run, so that it is not reported as new.
func (l *List) Restore(held map[netip.Prefix]time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range held {
		if p, ok := Normalize(p); ok {
			l.ours[p] = true
		}
	}
}

// Reconcile makes one pass: if desired, which is to be what the list serves, is not what the firewall holds, it is told to
// fetch, and what it holds then is read. A full pass tells it in any case. Report.Waiting is how long a change has to wait
// for the refresh interval; Standing, Ignored and Invalid are the firewall's own numbers. Registered carries no Until: a
// firewall does not let go of a list by itself.
//
// A firewall that does not hold desired after a refresh is an error, which is given again until the next refresh is due.
func (l *List) Reconcile(ctx context.Context, desired []Entry, full bool) (Report, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	began, before := time.Now(), l.device.Requests()
	var report Report
	err := l.run(ctx, desired, full || l.stale, &report)
	report.Standing, report.Ignored, report.Invalid = l.held.Valid, l.held.Ignored, l.held.Invalid
	report.Room = l.room
	report.Unnamed = len(desired) - l.served(len(desired)) + l.held.Ignored
	report.Calls = int(l.device.Requests() - before)
	report.Took = time.Since(began)
	return report, err
}

func (l *List) run(ctx context.Context, desired []Entry, full bool, report *Report) error {
	now := fingerprint(desired)
	if !full && now == l.print {
		return nil
	}
	if !full && len(desired) == l.held.Valid { // perhaps it fetched when the list served this already
		if want := PrefixSet(desired); l.gap(want) == (gap{}) {
			l.failed = nil
			l.inSync(want, now, report)
			return nil
		}
	}
	if !l.asked.IsZero() {
		if report.Waiting = max(l.opts.RefreshInterval-l.device.Now().Sub(l.asked), 0); report.Waiting > 0 {
			return l.failed
		}
	}
	l.stale, l.print = true, 0
	l.asked = l.device.Now()
	fetched, err := l.refresh(ctx, full)
	if l.failed = err; err != nil {
		return err
	}
	l.stale, report.Full = false, true
	if l.held.Complete {
		report.ReadAt = l.readAt
	}
	want := PrefixSet(desired)
	l.believe(want)
	switch g := l.gap(want); {
	case fetched != nil:
		l.failed = fetched
	case g == gap{}:
		l.inSync(want, now, report)
		return nil
	case g.excused() && l.held.Valid > 0:
		report.Waiting = l.opts.RefreshInterval
	default:
		l.failed = l.mismatch(g, l.served(len(want)))
	}
	l.note(want, report)
	return l.failed
}

// inSync notes that the firewall holds what it should.
func (l *List) inSync(want map[netip.Prefix]bool, print uint64, report *Report) {
	l.note(want, report)
	l.print = print
	l.held.Entries = l.ours // the same, kept once
}

// refresh has the list fetched, and reads what the firewall holds then, also if its job says that the fetch failed: that
// is the first error. The second is why it is not known what the firewall holds. Looking for the list can mean reading a
// whole configuration, so that its name is kept from one full pass to the next.
func (l *List) refresh(ctx context.Context, full bool) (fetched, err error) {
	d := l.device
	if err := d.Identify(ctx); err != nil {
		return nil, err
	}
	if full || l.name == "" {
		if l.name, err = l.find(ctx); err != nil {
			return nil, err
		}
	}
	err = d.Alone(ctx, refreshWhat, func() error {
		fetched, err = l.fetch(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	at := d.Now()
	list, err := ShowList(ctx, d, l.name)
	if err != nil {
		return nil, err
	}
	held, err := ParseHeldList(list)
	if err != nil {
		return nil, d.Fail("read the list's entries on the firewall", &xmlapi.Error{Kind: xmlapi.KindMalformed, Text: err.Error()})
	}
	l.held, l.readAt = held, at
	return fetched, l.askRoom(ctx)
}

// askRoom asks now and then how many entries of lists the firewall holds, and can hold.
func (l *List) askRoom(ctx context.Context) error {
	now := l.device.Now()
	if l.room.Used = max(l.room.Used, l.held.Valid); !l.roomAt.IsZero() && now.Sub(l.roomAt) < limitsEvery {
		return nil
	}
	lists, err := capacity.AskLists(ctx, l.device)
	if err != nil {
		return err
	}
	l.room, l.roomAt = capacity.Room{Limit: lists.Limit, Used: max(lists.Used, l.held.Valid), Others: max(lists.Used-l.held.Valid, 0)}, now
	return nil
}

// fetch has the list fetched, when no list is being fetched. Where the answer to the order is lost, the job that it began is looked
// for: only an order that began none is given again, once.
func (l *List) fetch(ctx context.Context) (fetched, err error) {
	d := l.device
	for range 2 {
		before, e := l.idle(ctx)
		if e != nil {
			return nil, cmp.Or(err, e)
		}
		err = d.InVSys(ctx, CallList, func() error {
			_, err := d.Op(ctx, CallList, refreshWhat, listCommand("refresh", l.name, ""))
			return err
		})
		if err != nil && !xmlapi.Transient(err) {
			return nil, err
		}
		begun, e := l.begunRefreshes(ctx, before)
		switch {
		case e != nil:
			return nil, cmp.Or(err, e)
		case err == nil || len(begun) > 0:
			return l.followRefresh(ctx, begun)
		}
	}
	return nil, err
}

// idle waits a few seconds until no job fetches lists, and gives the jobs that there are then. One that has not ended long after it
// was first seen is taken for lost.
func (l *List) idle(ctx context.Context) (jobs []xmlapi.Job, err error) {
	d, kind := l.device, ""
	for range refreshLooks {
		if jobs, err = d.Jobs(ctx); err != nil {
			return nil, err
		}
		i := slices.IndexFunc(jobs, func(j xmlapi.Job) bool { return isFetch(j) && !j.Done })
		if i < 0 {
			l.hung = 0
			return jobs, nil
		}
		if l.hung != jobs[i].ID {
			l.hung, l.hangs = jobs[i].ID, d.Now()
		}
		kind = jobs[i].Kind
		if d.Now().Sub(l.hangs) >= refreshStuck {
			return jobs, nil
		}
		if !d.Pause(ctx, refreshLook) {
			return nil, d.Fail(refreshWhat, ctx.Err())
		}
	}
	return nil, d.Fail(refreshWhat, &xmlapi.Error{Kind: xmlapi.KindBusy, Text: fmt.Sprintf(
		"the firewall is still fetching lists (job %d, %s, since %s): it is not told to fetch again before that has ended, or %s have passed",
		l.hung, kind, l.hangs.Format(time.RFC3339), refreshStuck)})
}

// isRefresh tells whether a job fetches a list because the firewall was told to.
func isRefresh(j xmlapi.Job) bool { return strings.EqualFold(j.Kind, "EDLRefresh") }

// isFetch tells whether it fetches lists for whatever reason: EDLFetch follows a commit, and the clock.
func isFetch(j xmlapi.Job) bool { return isRefresh(j) || strings.EqualFold(j.Kind, "EDLFetch") }

// followRefresh waits for the job of a refresh, which the answer does not name. Where none shows, it is over already. Of
// several that have begun since, others are those of other lists, and ours need not have failed unless all did; fetched is
// that failure.
func (l *List) followRefresh(ctx context.Context, begun []xmlapi.Job) (fetched, err error) {
	d := l.device
	deadline, well := time.Now().Add(refreshDeadline), false
	for _, j := range begun {
		j, e := d.WaitJob(ctx, refreshWhat, j.ID, time.Until(deadline))
		switch {
		case e != nil:
			err = cmp.Or(err, e)
		case j.OK:
			well = true
		default:
			fetched = d.Fail(refreshWhat, &xmlapi.Error{Kind: KindList,
				Text: "the firewall could not fetch the list: " + strings.Join(j.Texts(), " | ")})
		}
	}
	if well {
		return nil, nil
	}
	return fetched, err
}

// begunRefreshes looks for jobs that fetch lists and began since.
func (l *List) begunRefreshes(ctx context.Context, before []xmlapi.Job) ([]xmlapi.Job, error) {
	d := l.device
	known := make(map[uint]bool, len(before)) // numbers begin anew on some versions, so that a later job may have a lower one
	for _, j := range before {
		known[j.ID] = true
	}
	for range refreshLooks {
		jobs, err := d.Jobs(ctx)
		if err != nil {
			return nil, err
		}
		begun := slices.DeleteFunc(jobs, func(j xmlapi.Job) bool { return known[j.ID] || !isRefresh(j) })
		if len(begun) > 0 {
			return begun, nil
		}
		if !d.Pause(ctx, refreshLook) {
			return nil, d.Fail(refreshWhat, ctx.Err())
		}
	}
	return nil, nil
}
