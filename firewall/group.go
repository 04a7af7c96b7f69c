package firewall

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"activedefense/firewall/capacity"
	"activedefense/firewall/xmlapi"
)

const defaultCommitInterval = time.Minute

// GroupOptions say what is kept on the firewall in address-group mode.
type GroupOptions struct {
	Names             Names
	Admin             string                  // the administrator as whom we act, for partial commits; "": the one who logs in, or whom the firewall names beside an edit of ours
	MaxRemovalPercent int                     // the brake: 1 to 100 (off); 0: 30
	MayBlock          func(netip.Prefix) bool // as in TagOptions
	MaxMembers        int                     // of a static address group; 0: 2500
	CommitInterval    time.Duration           // between two commits; the first after a longer pause goes out at once; 0: 1 minute
	Stray             Stray                   // nil: all objects of our names in the group are ours
}

// Group keeps a static address group level with a blacklist. Every address is an address object of ours; changes are
// batched, for each batch takes a commit, which publishes our edits and nobody else's. Nothing here ends by itself: what
// is in the group stays blocked until we, or a person, take it out; so does what it holds when another tag or mode is
// chosen.
//
// Ours is what our administrator edited: a person who works under the same name has edits published, or after a commit
// that failed taken back, with ours.
//
// Its methods may be called from any goroutine; passes wait for one another.
type Group struct {
	devices []*xmlapi.Device // one, or both members of a pair
	opts    GroupOptions

	mu        sync.Mutex     // held during a pass; guards what follows
	stale     bool           // what is below is in doubt: the next pass reads first
	device    *xmlapi.Device // that takes changes
	admin     string         // as whom we act; "": not known yet
	candidate groupState
	strays    map[netip.Prefix]bool // among them: not ours
	running   map[netip.Prefix]bool // blocked by the running configuration
	clean     bool                  // the running configuration holds what the candidate holds
	tried     time.Time             // when the last commit was sent; zero: none
	failed    error                 // what became of it, until the next one is due
}

// NewGroup checks the options. It makes no call. Of a pair, both members are given, in any order; the one that is active
// is written to.
func NewGroup(opts GroupOptions, devices ...*xmlapi.Device) (*Group, error) {
	if len(devices) == 0 {
		return nil, errors.New("address group: a firewall is required")
	}
	fail := func(err error) (*Group, error) { return nil, fmt.Errorf("firewall %q: %w", devices[0].Name(), err) }
	if err := checkTag(opts.Names.Tag); err != nil {
		return fail(err)
	}
	if opts.Names.Group == "" {
		return fail(errors.New("address group: a name is required"))
	}
	if err := checkRemoval(&opts.MaxRemovalPercent); err != nil {
		return fail(err)
	}
	opts.MaxMembers = cmp.Or(opts.MaxMembers, MaxGroupMembers)
	opts.CommitInterval = cmp.Or(opts.CommitInterval, defaultCommitInterval)
	if opts.MaxMembers < 2 || opts.CommitInterval < 0 {
		return fail(errors.New("address group: at least 2 members and a positive commit interval are required"))
	}
	return &Group{devices: devices, opts: opts, stale: true, device: devices[0],
		admin: cmp.Or(opts.Admin, devices[0].Username())}, nil
}

// Restore tells what was in force by an earlier run, so that the first pass can tell what is no longer.
func (g *Group) Restore(held map[netip.Prefix]time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running = make(map[netip.Prefix]bool, len(held))
	for p := range held {
		if p, ok := Normalize(p); ok {
			g.running[p] = true
		}
	}
}

// Reconcile makes one pass: it brings the candidate configuration level with desired, and commits when it is time. A
// full pass reads both configurations first; so does the first one, and the one after any doubt. Report.Waiting tells
// when a batch is due. Registered and Unregistered name what a commit has put into force and out of it.
//
// A commit that failed takes our edits back; the error says why, and is given again until the next one is due.
func (g *Group) Reconcile(ctx context.Context, desired []Entry, full bool) (Report, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := &groupPass{g: g, ctx: ctx, began: time.Now()}
	before := g.sent()
	err := p.run(desired, full || g.stale)
	if err != nil {
		g.stale = true
	}
	p.report.Standing = len(g.running)
	p.report.Room = capacity.Room{Limit: capacity.Limit{Most: g.opts.MaxMembers, From: "PAN-OS"}, Used: len(g.candidate.members)}
	p.report.Calls = int(g.sent() - before)
	p.report.Took = time.Since(p.began)
	return p.report, err
}

// sent is how many requests were made so far.
func (g *Group) sent() (n int64) {
	for _, d := range g.devices {
		n += d.Requests()
	}
	return n
}

func (g *Group) now() time.Time { return g.devices[0].Now() }

// due is how long the next commit has to wait.
func (g *Group) due() time.Duration {
	if g.tried.IsZero() {
		return 0
	}
	return max(g.opts.CommitInterval-g.now().Sub(g.tried), 0)
}
