package firewall

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	defaultRefreshInterval = 15 * time.Second
	refreshDeadline        = 2 * time.Minute // a refresh takes seconds; behind a commit it waits
	refreshLooks           = 10              // how often the job of a refresh is looked for
	refreshLook            = 500 * time.Millisecond
)

// ListOptions say which list the firewall is asked to fetch.
type ListOptions struct {
	Names           Names
	URL             string        // of the list, as firewalls reach it; "": the list is known by Names.List
	RefreshInterval time.Duration // between two refreshes; 0: 15 s
	MaxEntries      int           // that are served; 0: all
}

// List has a firewall fetch our external dynamic list when the blacklist has changed, and reads back how much of it the
// firewall holds. Nothing is written to its configuration.
//
// Its methods may be called from any goroutine; passes wait for one another.
type List struct {
	device *Device
	opts   ListOptions

	mu     sync.Mutex            // held during a pass; guards what follows
	name   string                // of the list on the firewall; "": to be looked for
	asked  time.Time             // of the last refresh; zero: none
	failed error                 // what became of it, until the next one is due
	print  uint64                // of what the firewall holds
	stale  bool                  // print is in doubt
	held   map[netip.Prefix]bool // what the firewall holds as far as we know
	totals totals
}

// totals is what a firewall says about a list.
type totals struct{ valid, ignored, invalid int }

// NewList checks the options. It makes no call.
func NewList(d *Device, opts ListOptions) (*List, error) {
	fail := func(text string) (*List, error) { return nil, fmt.Errorf("firewall %q: %s", d.opts.Name, text) }
	if opts.Names.List == "" && opts.URL == "" {
		return fail("list: a name or a URL is needed")
	}
	opts.RefreshInterval = cmp.Or(opts.RefreshInterval, defaultRefreshInterval)
	if opts.RefreshInterval < 0 || opts.MaxEntries < 0 {
		return fail("list: a positive refresh interval and number of entries are needed")
	}
	return &List{device: d, opts: opts, stale: true, held: map[netip.Prefix]bool{}}, nil
}

// Restore tells what the firewall held by an earlier run, so that it is not reported as new.
func (l *List) Restore(held map[netip.Prefix]time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range held {
		if p, ok := normal(p); ok {
			l.held[p] = true
		}
	}
}

// Reconcile makes one pass: if desired is not what the firewall fetched last, it is told to fetch again, and asked how
// many entries it holds then. A full pass tells it in any case. Report.Waiting is how long a change has to wait for the
// refresh interval; Standing, Ignored and Invalid are the firewall's own numbers. Registered carries no Until: a firewall
// does not let go of a list by itself.
//
// The error of a refresh is given again until the next one is due.
func (l *List) Reconcile(ctx context.Context, desired []Entry, full bool) (Report, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	began, before := time.Now(), l.device.transport.try.sent.Load()
	var report Report
	err := l.run(ctx, desired, full || l.stale, &report)
	report.Standing, report.Ignored, report.Invalid = l.totals.valid, l.totals.ignored, l.totals.invalid
	report.Calls = int(l.device.transport.try.sent.Load() - before)
	report.Took = time.Since(began)
	return report, err
}

func (l *List) run(ctx context.Context, desired []Entry, full bool, report *Report) error {
	now := fingerprint(desired)
	if now == l.print && !full {
		return nil
	}
	if !l.asked.IsZero() {
		if report.Waiting = max(l.opts.RefreshInterval-l.device.opts.Now().Sub(l.asked), 0); report.Waiting > 0 {
			return l.failed
		}
	}
	l.stale = true
	l.asked = l.device.opts.Now()
	if l.failed = l.refresh(ctx, full); l.failed != nil {
		return l.failed
	}
	if l.failed = l.compare(len(desired)); l.failed != nil {
		if l.totals.valid == 0 { // it has stopped
			l.hold(nil, report)
			report.Gone, report.Unregistered = report.Unregistered, nil
		}
		return l.failed
	}
	l.hold(desired, report)
	l.print, l.stale, report.Full = now, false, true
	return nil
}

// refresh has the list fetched, and asks what came of it. Looking for the list can mean reading a whole configuration, so
// that its name is kept from one full pass to the next.
func (l *List) refresh(ctx context.Context, full bool) error {
	d := l.device
	if err := d.identify(ctx); err != nil {
		return err
	}
	if full || l.name == "" {
		var err error
		if l.name, err = l.find(ctx); err != nil {
			return err
		}
	}
	before, err := d.jobs(ctx)
	if err != nil {
		return err
	}
	const what = "refresh the list"
	err = d.choosing(ctx, func() error {
		_, err := d.op(ctx, CallList, what, listCommand("refresh", l.name, ""))
		return err
	})
	if err != nil {
		return err
	}
	if err := l.follow(ctx, what, before); err != nil {
		return err
	}
	return d.choosing(ctx, func() (err error) {
		l.totals, err = d.listTotals(ctx, l.name)
		return err
	})
}

// choosing has a command about lists carried out in the device's virtual system. Whether the parameter of the call
// chooses it, or a setting of the session, no source settles; so both are given, and no other device of the connection
// changes the setting in between.
func (d *Device) choosing(ctx context.Context, do func() error) error {
	if !d.Info().MultiVSys {
		return do()
	}
	what := "choose " + d.opts.VSys
	select {
	case d.conn.chosen <- struct{}{}:
		defer func() { <-d.conn.chosen }()
	case <-ctx.Done():
		return d.fail(what, ctx.Err())
	}
	if _, err := d.op(ctx, CallList, what, "<set><system><setting><target-vsys>"+escape(d.opts.VSys)+"</target-vsys></setting></system></set>"); err != nil {
		return err
	}
	return do()
}

// listCommand is an operational command on an IP list; rest follows the name.
func listCommand(verb, name, rest string) string {
	return "<request><system><external-list><" + verb + "><type><ip><name>" + escape(name) + "</name>" + rest + "</ip></type></" + verb +
		"></external-list></system></request>"
}

// follow waits for the job of a refresh, which the answer does not name. Where none shows, it is over already.
func (l *List) follow(ctx context.Context, what string, before []job) error {
	d := l.device
	var newest uint
	for _, j := range before {
		newest = max(newest, j.id)
	}
	for range refreshLooks {
		jobs, err := d.jobs(ctx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(jobs, func(j job) bool { return j.id > newest && strings.EqualFold(j.kind, "EDLRefresh") })
		if i < 0 {
			if !d.pause(ctx, refreshLook) {
				return d.fail(what, ctx.Err())
			}
			continue
		}
		j, err := d.waitJob(ctx, what, jobs[i].id, refreshDeadline)
		if err == nil && !j.ok {
			err = d.fail(what, &Error{Kind: KindList, Text: "the firewall could not fetch it: " + strings.Join(slices.Concat(j.details, j.warnings), " | ")})
		}
		return err
	}
	return nil
}

// find gives the name of our list on the firewall: the one with our URL, or else with our name; among the firewall's own
// first, then among what Panorama pushed.
func (l *List) find(ctx context.Context) (string, error) {
	d := l.device
	own, err := d.ownLists(ctx)
	if err != nil {
		return "", err
	}
	if name := l.among(own); name != "" {
		return name, nil
	}
	pushed, err := d.pushedLists(ctx)
	if err != nil {
		return "", err
	}
	if name := l.among(pushed); name != "" {
		return name, nil
	}
	text := "no external dynamic list is called " + l.opts.Names.List
	if l.opts.URL != "" {
		text += " or fetched from " + l.opts.URL
	}
	return "", d.fail("find the list", &Error{Kind: KindList, Text: text})
}

// among chooses one of several tables of lists; "": none is ours.
func (l *List) among(tables []*node) (named string) {
	for _, lists := range tables {
		for _, e := range lists.entries() {
			if l.opts.URL != "" && sameListURL(e.value("type", "ip", "url"), l.opts.URL) {
				return e.attr("name")
			}
			if e.attr("name") == l.opts.Names.List {
				named = l.opts.Names.List
			}
		}
	}
	return named
}

// ownLists reads the external dynamic lists that the firewall itself holds. An administrator without the right to the
// configuration reads them by an operational command, all of the configuration with them.
func (d *Device) ownLists(ctx context.Context) ([]*node, error) {
	const what, list = "read the external dynamic lists", "external-list"
	own, err := d.show(ctx, what, vsysPath(d.opts.VSys)+"/"+list)
	if Kind(err) == KindRole {
		vsys, shared, err := d.operationalConfig(ctx, what)
		return []*node{vsys.child(list), shared.child(list)}, err
	}
	if err != nil {
		return nil, err
	}
	shared, err := d.show(ctx, what, "/config/shared/"+list)
	return []*node{own, shared}, err
}

// pushedLists reads those that Panorama pushed, which no reading of the configuration shows.
func (d *Device) pushedLists(ctx context.Context) (all []*node, err error) {
	for _, vsys := range []string{d.opts.VSys, ""} {
		parts, err := d.pushedPolicy(ctx, "read the external dynamic lists that Panorama pushed", vsys)
		if err != nil {
			return nil, err
		}
		for _, part := range parts {
			if part.shared || vsys != "" {
				all = append(all, part.node.child("external-list"))
			}
		}
	}
	return all, nil
}

// sameListURL compares as a server would: without regard to the case of scheme and host, with the default port written out
// or not.
func sameListURL(a, b string) bool {
	x, errX := url.Parse(strings.TrimSpace(a))
	y, errY := url.Parse(strings.TrimSpace(b))
	if errX != nil || errY != nil {
		return false
	}
	port := func(u *url.URL) string {
		return cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[strings.ToLower(u.Scheme)])
	}
	return strings.EqualFold(x.Scheme, y.Scheme) && strings.EqualFold(x.Hostname(), y.Hostname()) && port(x) == port(y) &&
		cmp.Or(x.EscapedPath(), "/") == cmp.Or(y.EscapedPath(), "/") && x.RawQuery == y.RawQuery
}

// listTotals asks how many entries of a list the firewall holds.
func (d *Device) listTotals(ctx context.Context, name string) (totals, error) {
	const what = "ask what the firewall holds of the list"
	result, err := d.op(ctx, CallList, what, listCommand("show", name, "<anchor>1</anchor><num-records>1</num-records>"))
	if err != nil {
		return totals{}, err
	}
	list := result.child("external-list")
	valid, errValid := strconv.Atoi(list.value("total-valid"))
	if errValid != nil || valid < 0 {
		return totals{}, d.fail(what, &Error{Kind: KindMalformed, Text: "the answer holds no number of valid entries"})
	}
	number := func(field string) int {
		n, err := strconv.Atoi(list.value(field))
		if err != nil {
			return 0 // versions that do not count them
		}
		return n
	}
	return totals{valid, number("total-ignored"), number("total-invalid")}, nil
}

// compare refuses what is less than we serve. An empty blacklist is served as one harmless line.
func (l *List) compare(desired int) error {
	want := max(desired, 1)
	if l.opts.MaxEntries > 0 {
		want = min(want, l.opts.MaxEntries)
	}
	if l.totals.valid >= want {
		return nil
	}
	return l.device.fail("refresh the list", &Error{Kind: KindList, Text: fmt.Sprintf(
		"the firewall holds %d valid entries of %d (%d ignored, %d invalid): it could not fetch the list, or has no room for it",
		l.totals.valid, want, l.totals.ignored, l.totals.invalid)})
}

// hold notes what the firewall holds now.
func (l *List) hold(desired []Entry, report *Report) {
	now := make(map[netip.Prefix]bool, len(desired))
	for _, e := range desired {
		p, ok := normal(e.Prefix)
		if !ok || now[p] {
			continue
		}
		now[p] = true
		if !l.held[p] {
			report.Registered = append(report.Registered, Entry{Prefix: p})
		}
	}
	for p := range l.held {
		if !now[p] {
			report.Unregistered = append(report.Unregistered, p)
		}
	}
	slices.SortFunc(report.Registered, func(a, b Entry) int { return comparePrefixes(a.Prefix, b.Prefix) })
	slices.SortFunc(report.Unregistered, comparePrefixes)
	l.held = now
}

// fingerprint tells sets of addresses apart, whatever their order; it is hardly ever 0.
func fingerprint(desired []Entry) uint64 {
	sum := uint64(len(desired)) + 1
	var b [17]byte
	for _, e := range desired {
		a := e.Prefix.Addr().As16()
		copy(b[:], a[:])
		b[16] = byte(e.Prefix.Bits())
		h := fnv.New64a()
		_, _ = h.Write(b[:]) // a hash does not fail
		sum += h.Sum64()
	}
	return sum
}
