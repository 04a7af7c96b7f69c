package enforce

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"activedefense/config"
	"activedefense/firewall/policy"
	"activedefense/firewall/xmlapi"
)

// ProvisionOptions say what is done about what is missing.
type ProvisionOptions struct {
	Firewall string // "": all of the configuration
	Apply    bool   // write it to the candidate configuration
	Adopt    bool   // also where an object is somebody else's
	Commit   bool   // publish what we wrote
	Remove   bool   // instead, take away all that is ours
	Version  string // of the program
	Expected Expected
	// Registering are the firewalls, by name, on which a daemon that runs registers addresses: Remove leaves these.
	Registering []string
	// Progress, if not nil, is told of each firewall's plan, and then, if anything was done, what; then the plan is nil.
	Progress func(name string, plan *policy.Plan, done string)
}

// Provision plans, and carries out if it is told to, what the policies of the firewalls lack. Of a pair, the member
// that takes changes is written to. The steps that are left are given; the error is that of every firewall that could not
// be planned or written.
func Provision(ctx context.Context, cfg *config.Config, opts ProvisionOptions) (left []policy.Step, err error) {
	open := newDevices(opts.Version, NewCalls(), time.Now)
	if opts.Progress == nil {
		opts.Progress = func(string, *policy.Plan, string) {}
	}
	chosen := slices.DeleteFunc(slices.Clone(cfg.Firewalls), func(fw config.Firewall) bool {
		return opts.Firewall != "" && !strings.EqualFold(fw.Name, opts.Firewall)
	})
	if len(chosen) == 0 {
		return nil, unknownFirewall(cfg, opts.Firewall)
	}
	chosen = slices.DeleteFunc(chosen, func(fw config.Firewall) bool {
		if fw.Maintenance {
			opts.Progress(fw.Name, nil, leftAlone)
		}
		return fw.Maintenance
	})
	steps, failed := make([][]policy.Step, len(chosen)), make([]error, len(chosen))
	run := func(i int) {
		var members []*xmlapi.Device
		if members, failed[i] = open.pair(chosen[i]); failed[i] != nil {
			return
		}
		steps[i], failed[i] = provisionOne(ctx, cfg, chosen[i], members, open, opts)
		for _, m := range members {
			m.Close()
		}
	}
	for i := range chosen {
		if failed[i] = ctx.Err(); failed[i] != nil {
			failed[i] = fmt.Errorf("firewall %s: it was not begun with: %w", chosen[i].Name, failed[i])
			continue
		}
		run(i)
	}
	if opts.Remove && opts.Apply { // what virtual systems share went with the last one: the others have no more to wait for
		for i := range chosen {
			isOther := func(fw config.Firewall) bool { return fw.URL == chosen[i].URL && fw.Target == chosen[i].Target }
			if failed[i] == nil && len(steps[i]) > 0 && slices.ContainsFunc(chosen[i+1:], isOther) {
				run(i)
			}
		}
	}
	return slices.Concat(steps...), errors.Join(failed...)
}

// planned is the member of a pair for which a plan is made: the active one. A passive one that is reached through a Panorama by an entry of its own
// gets a plan, too, for what only Panorama can change.
func planned(ctx context.Context, members []*xmlapi.Device) (*xmlapi.Device, error) {
	device, err := xmlapi.Active(ctx, members...)
	if xmlapi.Kind(err) == xmlapi.KindPassive && members[0].ThroughPanorama() {
		return members[0], nil
	}
	return device, err
}

// peerOf is the other member of a pair; nil: there is none.
func peerOf(device *xmlapi.Device, members []*xmlapi.Device) *xmlapi.Device {
	i := slices.IndexFunc(members, func(m *xmlapi.Device) bool { return m != device })
	if i < 0 {
		return nil
	}
	return members[i]
}

func provisionOne(ctx context.Context, cfg *config.Config, fw config.Firewall, members []*xmlapi.Device, open *devices, opts ProvisionOptions) ([]policy.Step, error) {
	device, err := planned(ctx, members)
	if err != nil {
		return nil, err
	}
	want := opts.Expected.of(cfg, fw, nil, nil, time.Now())
	want.Peer = peerOf(device, members)
	want.MayProvision, want.Adopt, want.Admin, want.CommitAlone = true, opts.Adopt, fw.CommitAdmin, opts.Commit && !opts.Apply
	if !opts.Remove && want.ListURL != "" && want.CA == nil && opts.Expected.CA != "" {
		return nil, fmt.Errorf("cannot read the list's CA from %s: start the daemon once to create it, then run this as the daemon's user or as root",
			opts.Expected.CA)
	}
	p := provisioning{device, members, open, cfg, fw, want, opts}
	plan, err := p.plan(ctx)
	if xmlapi.Kind(err) == xmlapi.KindRole {
		err = fmt.Errorf("%w; planning needs an administrator whose role allows Configuration, applying also Import and Commit: "+
			"see firewall/README.md for the role; the daemon's own account does not need these rights", err)
	}
	if err != nil {
		return nil, err
	}
	if cfg.EDL.Listen != "" && cfg.EDL.URL == "" && !opts.Remove {
		plan.LeftOut = withoutURL
	}
	opts.Progress(device.Name(), &plan, "")
	return p.carryOut(ctx, plan)
}

// withoutURL is what a plan lacks without edl.url.
const withoutURL = "edl.url is not set, so the CA of the list, its certificate profile, the external dynamic list and the block rule for it are left out: " +
	"what the firewall cannot be told over the API it does not block; set edl.url to the URL at which the firewall reaches the list"

// provisioning is that of one firewall.
type provisioning struct {
	device  *xmlapi.Device   // that takes changes
	members []*xmlapi.Device // of a pair, that one among them
	open    *devices
	cfg     *config.Config
	fw      config.Firewall
	want    policy.Expectation
	opts    ProvisionOptions
}

func (p provisioning) plan(ctx context.Context) (policy.Plan, error) {
	plan, err := p.planFor(ctx, p.device, p.want)
	if err == nil && p.opts.Remove {
		err = p.addRegistered(ctx, &plan)
	}
	if err == nil && p.opts.Commit && plan.Pending && plan.Ourselves == "" {
		if p.want.Admin, _ = xmlapi.WhoAmI(ctx, p.device, p.want.Names.AdminTag()); p.want.Admin != "" { // else the commit says why
			return p.plan(ctx)
		}
	}
	if there := plan.Panorama; err == nil && p.opts.Commit && there != nil && there.Ourselves == "" && len(there.EditedByHand) > 0 {
		if p.want.Admin, err = p.adminOnPanorama(ctx, there); err == nil {
			return p.plan(ctx)
		}
	}
	if err == nil && p.opts.Commit {
		p.excuse(ctx, &plan)
	}
	return plan, err
}

func (p provisioning) planFor(ctx context.Context, d *xmlapi.Device, want policy.Expectation) (policy.Plan, error) {
	if p.opts.Remove {
		return policy.Remove(ctx, d, want, p.opts.Adopt)
	}
	return policy.Provision(ctx, d, want)
}

// excuse has a plan not take for edited by hand what a run before wrote for another virtual system of the firewall, or another firewall of its
// Panorama: where that cannot be planned, it is not known to be that.
func (p provisioning) excuse(ctx context.Context, plan *policy.Plan) {
	for _, fw := range p.cfg.Firewalls {
		if plan.TakesAlong() == "" || fw.URL != p.fw.URL || strings.EqualFold(fw.Name, p.fw.Name) || fw.Maintenance {
			continue
		}
		members, err := p.open.pair(fw)
		if err != nil {
			continue
		}
		device, err := planned(ctx, members)
		if err == nil {
			want := p.opts.Expected.of(p.cfg, fw, nil, nil, time.Now())
			want.Peer = peerOf(device, members)
			want.MayProvision, want.Adopt, want.CommitAlone, want.Admin = true, p.opts.Adopt, true, cmp.Or(fw.CommitAdmin, p.want.Admin)
			var other policy.Plan
			if other, err = p.planFor(ctx, device, want); err == nil {
				plan.Excuse(other, fw.Target != p.fw.Target)
			}
		}
		for _, m := range members {
			m.Close()
		}
	}
}

// adminOnPanorama finds out as whom we act on Panorama.
func (p provisioning) adminOnPanorama(ctx context.Context, part *policy.OnPanorama) (string, error) {
	itself, err := policy.Panorama(p.device)
	if err != nil {
		return "", err
	}
	defer itself.Close()
	return part.WhoAmI(ctx, itself, p.want)
}

// carryOut writes and commits a plan, as far as that is asked for, and gives the steps that are left.
func (p provisioning) carryOut(ctx context.Context, plan policy.Plan) ([]policy.Step, error) {
	if p.opts.Commit {
		err := plan.MayTakeAlong(p.device)
		if err != nil && !p.opts.Apply {
			err = fmt.Errorf("%w. This commits what stands there: what only a step of the plan would mend, or take away, it does with --apply", err)
		}
		if err != nil {
			return plan.Steps, err
		}
	}
	if p.opts.Apply && p.opts.Commit {
		if err := plan.MayWriteAlone(p.device); err != nil {
			return plan.Steps, err
		}
		admin := cmp.Or(p.fw.CommitAdmin, plan.Ourselves)
		if plan.Panorama != nil {
			admin = cmp.Or(admin, plan.Panorama.Ourselves)
		}
		if err := policy.MayCommit(ctx, p.device, admin); err != nil {
			return plan.Steps, err
		}
		if p.fw.Panorama == policy.PanoramaApply {
			if err := plan.Panorama.MayPush(p.device); err != nil {
				return plan.Steps, fmt.Errorf("nothing was written: %w", err)
			}
		}
		if err := plan.MayCompare(ctx, p.device, p.opts.Adopt); err != nil {
			return plan.Steps, err
		}
	}
	plan, err := p.write(ctx, plan)
	if err != nil {
		return plan.Steps, err
	}
	if p.opts.Remove { // the firewall's own rules go first: they may name what was pushed
		err = p.commit(ctx, plan)
		const levels = 5 // four of device groups, and Shared: what goes from one may show what stands in the one above it
		for round, pushed := 0, true; err == nil && pushed && round < levels; round++ {
			if pushed, err = p.onPanorama(ctx, plan, round > 0); err == nil && pushed {
				plan, err = p.planPushed(ctx)
			}
		}
		return plan.Steps, err
	}
	pushed, err := p.onPanorama(ctx, plan, false)
	if err != nil {
		return plan.Steps, err
	}
	if pushed { // upon which more can be written
		if plan, err = p.planPushed(ctx); err == nil {
			plan, err = p.write(ctx, plan)
		}
		if err != nil {
			return plan.Steps, err
		}
	}
	return plan.Steps, p.commit(ctx, plan)
}

// planPushed is plan after a push.
func (p provisioning) planPushed(ctx context.Context) (policy.Plan, error) {
	plan, err := p.plan(ctx)
	if err != nil {
		err = fmt.Errorf("%w. What was pushed from Panorama is in force; run this again, and it goes on from there", err)
	}
	return plan, err
}

// commit publishes what was written, if that is asked for, and nothing is edited by hand meanwhile; plan is what is left.
func (p provisioning) commit(ctx context.Context, plan policy.Plan) error {
	if !p.opts.Commit {
		return nil
	}
	if err := plan.MayTakeAlong(p.device); err != nil {
		return err
	}
	if plan.Standby != "" {
		p.tell("nothing is committed on this member of the HA pair, which is passive: it gets what is committed on the active one")
		return nil
	}
	if plan.OthersAlone() {
		return p.nothing(ctx, plan)
	}
	p.tell("committing the edits of our administrator, made now or earlier, and nobody else's; this can take minutes")
	done, err := policy.Commit(ctx, p.device, p.want, p.fw.CommitAdmin)
	switch {
	case err != nil:
	case done && p.opts.Remove:
		p.tell("committed; a daemon that still looks after this firewall goes on blocking on it: stop it, or take the firewall out of its configuration")
	case done:
		p.tell("committed; the daemon looks at the policy again within six minutes, and at once after systemctl reload activedefense")
	default:
		return p.nothing(ctx, plan)
	}
	return err
}

// nothing tells that nothing is committed. Where that leaves a removal as it was, or what was written waits in the other member of the pair, as after a
// failover, it is an error.
func (p provisioning) nothing(ctx context.Context, plan policy.Plan) error {
	p.tell("nothing of ours to commit")
	here, _, _ := plan.Writes(p.opts.Adopt)
	if here == 0 || p.opts.Apply {
		return nil
	}
	elsewhere := ""
	if peer := peerOf(p.device, p.members); peer != nil {
		edits, _ := xmlapi.PendingEdits(ctx, peer) // not told: nothing is said of it
		admin := cmp.Or(p.want.Admin, p.device.Username())
		if slices.ContainsFunc(edits, func(e xmlapi.PendingEdit) bool { return admin == "" || e.Admin == admin }) {
			elsewhere = fmt.Sprintf("; edits of %s wait in the candidate configuration of %s, the other member of the pair, where they have no effect on this one, as after a failover", cmp.Or(admin, "somebody"), peer.Name())
		}
	}
	if !p.opts.Remove && elsewhere == "" { // which verify looks at
		return nil
	}
	return fmt.Errorf("%s: nothing was committed: of the plan %s not written in the candidate configuration of this firewall%s. Run this again with --apply --commit, which writes and commits here", p.device.Name(), are(here), elsewhere)
}

// are is how many steps, with the verb.
func are(n int) string {
	if n == 1 {
		return "1 step is"
	}
	return steps(n) + " are"
}

// steps is how many, for a reader.
func steps(n int) string {
	if n == 1 {
		return "1 step"
	}
	return fmt.Sprintf("%d steps", n)
}

func (p provisioning) tell(what string) { p.opts.Progress(p.device.Name(), nil, what) }

// write writes a plan to the candidate configuration, if that is asked for, and gives what is left of it.
func (p provisioning) write(ctx context.Context, plan policy.Plan) (policy.Plan, error) {
	if !p.opts.Apply || len(plan.Steps) == 0 {
		return plan, nil
	}
	isRegistered := func(s policy.Step) bool {
		return s.Object == policy.ObjectRegistered && s.Action == policy.ActionDelete
	}
	inCandidate := slices.DeleteFunc(slices.Clone(plan.Steps), isRegistered)
	if len(inCandidate) > 0 {
		taken, err := policy.Take(ctx, p.device, inCandidate, p.opts.Adopt)
		whose := ""
		if plan.Panorama != nil {
			whose = " of the firewall"
		}
		p.tell(fmt.Sprintf("%d of %s written to the candidate configuration%s", taken, steps(len(inCandidate)), whose))
		if err != nil {
			return plan, err
		}
	}
	if len(inCandidate) < len(plan.Steps) {
		if err := p.unregister(ctx); err != nil {
			return plan, policy.Stopped(err, false)
		}
	}
	left, err := p.plan(ctx)
	return left, policy.Stopped(err, false)
}

// onPanorama writes, commits and pushes what only the firewall's Panorama can change, as far as that is asked for and its configuration
// allows it. again: it has pushed before, so that there is nothing to do where nothing more could be written.
func (p provisioning) onPanorama(ctx context.Context, plan policy.Plan, again bool) (pushed bool, err error) {
	if plan.Panorama == nil || p.fw.Panorama != policy.PanoramaApply || !p.opts.Apply && !p.opts.Commit {
		return false, nil
	}
	itself, err := policy.Panorama(p.device)
	if err != nil {
		return false, err
	}
	defer itself.Close()
	if p.opts.Apply {
		taken, err := policy.TakeOnPanorama(ctx, itself, plan.Steps, p.opts.Adopt)
		switch {
		case taken > 0 || err != nil:
			p.tell(steps(taken) + " written to the candidate configuration of Panorama")
		case !again:
			p.tell("nothing more is to be written on Panorama")
		}
		if err != nil || again && taken == 0 {
			return false, policy.Stopped(err, true)
		}
	}
	if !p.opts.Commit {
		return false, nil
	}
	p.tell("committing the edits of our administrator on Panorama, and nobody else's, and pushing to this firewall alone; this can take minutes")
	pushed, err = policy.CommitOnPanorama(ctx, itself, plan.Panorama, p.want, p.fw.CommitAdmin)
	switch {
	case err != nil:
	case pushed:
		p.tell("committed on Panorama and pushed")
	case p.opts.Apply:
		p.tell("nothing of ours waits on Panorama for a push to this firewall")
	default:
		p.tell("nothing of ours is committed on Panorama that the firewall lacks; --apply writes it")
	}
	switch xmlapi.Kind(err) {
	case xmlapi.KindCanceled, xmlapi.KindTimeout, xmlapi.KindUnreachable, xmlapi.KindHTTP, xmlapi.KindMalformed:
		err = policy.Stopped(err, true)
	}
	return pushed, err
}
