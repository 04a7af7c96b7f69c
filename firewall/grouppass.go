package firewall

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"activedefense/firewall/room"
	"activedefense/firewall/xmlapi"
)

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
		p.sortOutStrays(desired)
	}
	changes := compareGroup(g.opts.Names, p.withStrays(desired), g.candidate, g.opts.MaxMembers, g.opts.MaxRemovalPercent, g.opts.MayBlock)
	p.report.Unsupported, p.report.Refused, p.report.Braked = changes.unsupported, changes.refused, changes.braked
	p.report.LeftOut = changes.leftOut()
	if err := p.edit(changes); err != nil {
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

// sortOutStrays has asked which members that are not desired were never ours. They are not told as held.
func (p *groupPass) sortOutStrays(desired []Entry) {
	g := p.g
	standing, wanted := g.candidate.blocked(g.opts.Names), PrefixSet(desired)
	maps.DeleteFunc(standing, func(prefix netip.Prefix, _ bool) bool { return wanted[prefix] })
	g.strays = p.report.sortOut(p.ctx, g.opts.Stray, slices.SortedFunc(maps.Keys(standing), ComparePrefixes))
	stray := func(e Entry) bool { return g.strays[e.Prefix] }
	p.report.Renewed = slices.DeleteFunc(p.report.Renewed, stray)
	p.report.Seen = p.report.Renewed
}

// withStrays adds to what is desired what is not ours and stays: it stood first. What is desired is no stray from then on.
func (p *groupPass) withStrays(desired []Entry) []Entry {
	if len(p.g.strays) == 0 {
		return desired
	}
	for prefix := range PrefixSet(desired) {
		delete(p.g.strays, prefix)
	}
	desired = slices.Clip(desired)
	for prefix := range p.g.strays {
		desired = append(desired, Entry{Prefix: prefix, Rank: room.Manual})
	}
	return desired
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
		return device.Fail("read the address group", &xmlapi.Error{Kind: xmlapi.KindUnsupported, Text: "address group " + g.opts.Names.Group +
			" is dynamic: delete it, or use mode dynamic-tag"})
	}
	if g.candidate.exists && !g.candidate.isOurs() {
		return taken(device, g.opts.Names, "static address group of the virtual system")
	}
	if err := p.vsysExists(); err != nil {
		return err
	}
	if err := p.nameIsFree(); err != nil {
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
	p.report.Seen, p.report.SeenAt = p.report.Renewed, p.report.ReadAt
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
		err = g.device.Fail(what, &xmlapi.Error{Kind: xmlapi.KindUnsupported, Text: "virtual system " + vsys + " does not exist"})
	}
	return err
}

// nameIsFree makes sure, before the group is made, that nothing else bears its name, in the virtual system or in Shared: rules of others
// that name it would mean the group.
func (p *groupPass) nameIsFree() error {
	g := p.g
	if g.candidate.exists {
		return nil
	}
	for _, place := range []struct{ path, label string }{{xmlapi.VSysPath(g.device.VSys()), "of the virtual system"}, {xmlapi.SharedPath, "in Shared"}} {
		for _, list := range []string{"address", "address-group", "external-list", "region"} {
			at, err := g.device.Get(p.ctx, "look whether the name of the group is free", place.path+"/"+list+xmlapi.EntryNamed(g.opts.Names.Group))
			if err != nil {
				return err
			}
			if at != nil {
				return taken(g.device, g.opts.Names, strings.ReplaceAll(list, "-", " ")+" "+place.label)
			}
		}
	}
	return nil
}

// taken is the error of a name that is somebody else's.
func taken(d *xmlapi.Device, n Names, what string) error {
	return d.Fail("read the address group", &xmlapi.Error{Kind: xmlapi.KindUnsupported, Text: n.Group + " is the name of a " + what +
		" that is not ours: rename it, or give this firewall another tag (firewalls[].tag), which our names follow from"})
}

// readRunning reads what is in force, and compares it with what was. That edits of others to the same group wait for a
// commit does not matter.
func (p *groupPass) readRunning() (came, went []netip.Prefix, err error) {
	g := p.g
	n, at := g.opts.Names, g.now()
	running, err := p.state(g.device.Show, "running")
	if err != nil {
		return nil, nil, err
	}
	blocked := running.blocked(n)
	came, went = without(blocked, g.running), without(g.running, blocked)
	g.running, g.stale, p.report.Full, p.report.ReadAt = blocked, false, true, at
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

// edit makes the changes in the candidate configuration.
func (p *groupPass) edit(changes groupChangeset) error {
	g := p.g
	if changes.empty() {
		return nil
	}
	g.clean = false
	edits, clearing := changes.edits(g.opts.Names, g.device.VSys(), g.candidate)
	if err := g.device.Edit(p.ctx, "write the address group", edits); err != nil {
		return err
	}
	g.candidate.tag, g.candidate.exists = true, true
	for _, o := range changes.create {
		g.candidate.objects[o.name] = o.prefix
	}
	g.candidate.members = g.candidate.after(changes)
	return p.clear(clearing, changes.delete)
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
			p.report.Undeleted = append(p.report.Undeleted, Refused{g.candidate.objects[name], "address object " + name + " cannot be deleted: " + reason(err)})
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
	if err := xmlapi.MayWrite(p.ctx, g.device); err != nil {
		return err // the pair has failed over since the last full pass
	}
	if g.admin == "" {
		var err error
		if g.admin, err = xmlapi.WhoAmI(p.ctx, g.device, g.opts.Names.AdminTag()); err != nil {
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
	p.report.Seen, p.report.SeenAt = append(p.report.Seen, p.report.Registered...), p.report.ReadAt
	if !g.clean {
		return g.device.Fail("commit our changes", &xmlapi.Error{Kind: xmlapi.KindCommit, Text: "the firewall reports success, but the running configuration differs from ours"})
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
			err = fmt.Errorf("%w; the revert failed too: %w", err, e)
		}
	}
	g.failed = err
	p.report.Waiting = g.due()
	return err
}
