package enforce

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dustin/go-humanize/english"

	"activedefense/firewall"
	"activedefense/firewall/policy"
	"activedefense/firewall/xmlapi"
)

// Registering gives the firewalls, by name, on which an agent that says this of itself registers addresses.
func Registering(all []Status) (names []string) {
	for _, s := range all {
		if s.Mode == firewall.ModeTag && s.State != StateMaintenance {
			names = append(names, s.Name)
		}
	}
	return names
}

// tagged is what is registered with our tag on the members of a pair, or on one firewall: it is in no configuration.
func (p provisioning) tagged() (tags []*firewall.RuleTags, err error) {
	for _, m := range p.members {
		one, err := firewall.NewRuleTags(m, firewall.TagOptions{Tag: p.fw.Tag, MaxRemovalPercent: 100}, p.cfg.Detect.Tags())
		if err != nil {
			return nil, err
		}
		tags = append(tags, one)
	}
	return tags, nil
}

// addRegistered adds to the plan of a removal the step that takes the registered addresses with our tag off. While a daemon registers them,
// that is for a person: they would be back at its next pass.
func (p provisioning) addRegistered(ctx context.Context, plan *policy.Plan) error {
	tags, err := p.tagged()
	if err != nil {
		return err
	}
	step := policy.Step{Firewall: p.device.Name(), Action: policy.ActionDelete, Object: policy.ObjectRegistered}
	var counts []string
	for i, m := range p.members {
		n, err := tags[i].Count(ctx)
		switch {
		case err != nil && m == p.device:
			counts, step.Action = append(counts, "not known how many, for they could not be counted: "+err.Error()), policy.ActionPerson
		case err == nil && n > 0:
			counts = append(counts, fmt.Sprintf("%d with the tag %q on %s", n, p.fw.Tag, m.Name()))
		}
	}
	if len(counts) == 0 {
		return nil
	}
	step.Detail = strings.Join(counts, ", ")
	switch {
	case step.Action == policy.ActionPerson:
	case slices.ContainsFunc(p.opts.Registering, func(name string) bool { return strings.EqualFold(name, p.fw.Name) }):
		step.Action = policy.ActionPerson
		step.Detail += "; the daemon that runs would register them again: stop it (systemctl stop activedefense), or take this firewall out of its configuration and reload, and run this again"
	default:
		step.Detail += ", taken off by --apply at once, without a commit; a daemon that looks after this firewall elsewhere would register them again"
	}
	plan.Steps = append(plan.Steps, step)
	return nil
}

// unregister takes off what addRegistered has in the plan: every address with our tag, and the tags of our rules on them.
func (p provisioning) unregister(ctx context.Context) error {
	tags, err := p.tagged()
	if err != nil {
		return err
	}
	n := 0
	for i, m := range p.members {
		report, err := tags[i].Reconcile(ctx, nil, true)
		if n += len(report.Unregistered); err != nil && (m == p.device || xmlapi.Kind(err) != xmlapi.KindPassive) {
			return err
		}
	}
	p.tell(english.Plural(n, "registered address", "registered addresses") + " taken off")
	return nil
}
