package firewall

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"activedefense/firewall/xmlapi"
)

const defaultCommitInterval = time.Minute

// GroupOptions say what is kept on the firewall in address-group mode.
type GroupOptions struct {
	Names             Names
	Admin             string        // the administrator as whom we act, for partial commits; "": the one who logs in, or whom the firewall names beside an edit of ours
	MaxRemovalPercent int           // the brake: 1 to 100 (off); 0: 30
	MaxMembers        int           // of a static address group; 0: 2500
	CommitInterval    time.Duration // between two commits; the first after a longer pause goes out at once; 0: 1 minute
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
	running   map[netip.Prefix]bool // blocked by the running configuration
	clean     bool                  // the running configuration holds what the candidate holds
	tried     time.Time             // when the last commit was sent; zero: none
	failed    error                 // what became of it, until the next one is due
}

// NewGroup checks the options. It makes no call. Of a pair, both members are given, in any order; the one that is active
// is written to.
func NewGroup(opts GroupOptions, devices ...*xmlapi.Device) (*Group, error) {
	if len(devices) == 0 {
		return nil, errors.New("an address group needs a firewall")
	}
	fail := func(err error) (*Group, error) { return nil, fmt.Errorf("firewall %q: %w", devices[0].Name(), err) }
	if err := checkTag(opts.Names.Tag); err != nil {
		return fail(err)
	}
	if opts.Names.Group == "" {
		return fail(errors.New("address group: a name is needed"))
	}
	if err := checkRemoval(&opts.MaxRemovalPercent); err != nil {
		return fail(err)
	}
	opts.MaxMembers = cmp.Or(opts.MaxMembers, MaxGroupMembers)
	opts.CommitInterval = cmp.Or(opts.CommitInterval, defaultCommitInterval)
	if opts.MaxMembers < 2 || opts.CommitInterval < 0 {
		return fail(errors.New("address group: room for 2 members and a positive commit interval are needed"))
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

// groupPass is the state of one Reconcile.
type groupPass struct {
	g      *Group
	ctx    context.Context
	began  time.Time
	report Report
}

func (p *groupPass) run(desired []Entry, full bool) error {
	g := p.g
	if g.failed != nil && g.due() > 0 {
		p.report.Waiting = g.due()
		return g.failed
	}
	g.failed = nil
	if full {
		if err := p.read(); err != nil {
			return err
		}
	}
	plan := planGroup(g.opts.Names, desired, g.candidate, g.opts.MaxMembers, g.opts.MaxRemovalPercent)
	p.report.Unsupported, p.report.Refused, p.report.Braked = plan.unsupported, plan.refused, plan.braked
	if err := p.edit(plan); err != nil {
		return err
	}
	if g.clean {
		return nil
	}
	if p.report.Waiting = g.due(); p.report.Waiting > 0 {
		return nil
	}
	return p.commit()
}

// read asks for both configurations.
func (p *groupPass) read() error {
	g := p.g
	// The one that was active last goes first.
	order := append([]*xmlapi.Device{g.device}, slices.DeleteFunc(slices.Clone(g.devices), func(d *xmlapi.Device) bool { return d == g.device })...)
	device, err := xmlapi.Active(p.ctx, order...)
	if err != nil {
		return err
	}
	g.device = device
	if g.candidate, err = p.state(device.Get, "candidate"); err != nil {
		return err
	}
	if g.candidate.dynamic {
		return device.Fail("read the address group", &xmlapi.Error{Kind: xmlapi.KindUnsupported, Text: "the address group " + g.opts.Names.Group +
			" is a dynamic one; remove it, or choose mode dynamic-tag"})
	}
	if err := p.vsysExists(); err != nil {
		return err
	}
	came, went, err := p.readRunning()
	if err != nil {
		return err
	}
	for _, prefix := range came {
		p.report.Renewed = append(p.report.Renewed, Entry{Prefix: prefix})
	}
	p.report.Gone = went
	return nil
}

// vsysExists makes sure that there is the virtual system. Reading tells nothing of one that is not there, and writing
// could make it.
func (p *groupPass) vsysExists() error {
	g := p.g
	if g.candidate.exists || g.candidate.tag || len(g.candidate.objects) > 0 {
		return nil
	}
	const what = "read the virtual system"
	vsys := g.device.VSys()
	at, err := g.device.Get(p.ctx, what, xmlapi.VSysPath(vsys))
	if err == nil && at == nil {
		err = g.device.Fail(what, &xmlapi.Error{Kind: xmlapi.KindUnsupported, Text: "there is no virtual system " + vsys + " on it"})
	}
	return err
}

// readRunning reads what is in force, and compares it with what was. That edits of others to the same group wait for a
// commit does not matter.
func (p *groupPass) readRunning() (came, went []netip.Prefix, err error) {
	g := p.g
	n := g.opts.Names
	running, err := p.state(g.device.Show, "running")
	if err != nil {
		return nil, nil, err
	}
	blocked := running.blocked(n)
	came, went = without(blocked, g.running), without(g.running, blocked)
	g.running, g.stale, p.report.Full = blocked, false, true
	g.clean = running.exists == g.candidate.exists && maps.Equal(blocked, g.candidate.blocked(n)) && len(running.objects) == len(g.candidate.objects)
	return came, went, nil
}

// without gives what is in a and not in b, in order of address.
func without(a, b map[netip.Prefix]bool) (out []netip.Prefix) {
	for prefix := range a {
		if !b[prefix] {
			out = append(out, prefix)
		}
	}
	slices.SortFunc(out, ComparePrefixes)
	return out
}

// state reads one configuration.
func (p *groupPass) state(read func(ctx context.Context, what, xpath string) (*xmlapi.Node, error), which string) (groupState, error) {
	n := p.g.opts.Names
	v := xmlapi.VSysPath(p.g.device.VSys())
	var parts [3]*xmlapi.Node
	for i, list := range []string{"tag", "address", "address-group"} {
		at, err := read(p.ctx, "read the "+which+" configuration ("+list+")", v+"/"+list)
		if err != nil {
			return groupState{}, err
		}
		parts[i] = at
	}
	return readGroup(n, parts[0], parts[1], parts[2]), nil
}

// edit brings the candidate configuration level with the plan.
func (p *groupPass) edit(plan groupPlan) error {
	g := p.g
	if plan.empty() {
		return nil
	}
	g.clean = false
	change, clearing := plan.edits(g.opts.Names, g.device.VSys(), g.candidate)
	if err := g.device.Edit(p.ctx, "write the address group", change); err != nil {
		return err
	}
	g.candidate.tag, g.candidate.exists = true, true
	for _, o := range plan.create {
		g.candidate.objects[o.name] = o.prefix
	}
	g.candidate.members = g.candidate.after(plan)
	return p.clear(clearing, plan.delete)
}

// clear deletes address objects that the group no longer holds. What somebody else uses cannot be deleted, and must not
// keep the others.
func (p *groupPass) clear(edits []xmlapi.Edit, names []string) error {
	g := p.g
	err := g.device.Edit(p.ctx, "delete address objects", edits)
	if err == nil {
		for _, name := range names {
			delete(g.candidate.objects, name)
		}
		return nil
	}
	if xmlapi.Kind(err) != xmlapi.KindAPI {
		return err
	}
	for i, name := range names {
		err := g.device.Edit(p.ctx, "delete address object "+name, edits[i:i+1])
		switch {
		case err == nil:
			delete(g.candidate.objects, name)
		case xmlapi.Kind(err) == xmlapi.KindAPI:
			p.report.Refused = append(p.report.Refused, Refused{g.candidate.objects[name], "its address object " + name + " cannot be deleted: " + reason(err)})
		default:
			return err
		}
	}
	return nil
}

// reason is an error's text without the firewall and what was being done.
func reason(err error) string {
	var e *xmlapi.Error
	if errors.As(err, &e) {
		return e.Text
	}
	return err.Error()
}

// commit publishes our edits, and reads back what is in force.
func (p *groupPass) commit() error {
	g := p.g
	if err := g.device.MayWrite(p.ctx); err != nil {
		return err // the pair has failed over since the last full pass
	}
	if g.admin == "" {
		var err error
		if g.admin, err = g.device.WhoAmI(p.ctx, g.opts.Names.AdminTag()); err != nil {
			return err
		}
	}
	last := g.tried
	g.tried = g.now()
	description := "Active Defense: " + count(len(g.candidate.blocked(g.opts.Names)), "blocked address", "blocked addresses")
	done, err := g.device.Commit(p.ctx, g.admin, description)
	if err != nil {
		return p.uncommitted(last, err)
	}
	p.report.Committed = done
	came, went, err := p.readRunning()
	if err != nil {
		return err
	}
	for _, prefix := range came {
		p.report.Registered = append(p.report.Registered, Entry{Prefix: prefix})
	}
	p.report.Unregistered = went
	if !g.clean {
		return g.device.Fail("commit our changes", &xmlapi.Error{Kind: xmlapi.KindCommit, Text: "the firewall says it is done, and the running configuration differs from ours"})
	}
	return nil
}

// uncommitted decides what follows from a commit that did not come to a good end. After one that failed our edits are
// taken back, so that they do not fail other administrators' commits too; what is merely locked is tried again soon.
func (p *groupPass) uncommitted(last time.Time, err error) error {
	g := p.g
	switch xmlapi.Kind(err) {
	case xmlapi.KindBusy, xmlapi.KindCanceled:
		g.tried = last
		return err
	case xmlapi.KindCommit:
		if e := g.device.Revert(p.ctx, g.admin); e != nil {
			err = fmt.Errorf("%w; and then: %w", err, e)
		}
	}
	g.failed = err
	p.report.Waiting = g.due()
	return err
}
