package panorama

import (
	"context"
	"slices"

	"activedefense/firewall/xmlapi"
)

// Push is a push of ours to a firewall that is to be judged by what it takes along of others.
type Push struct {
	At        Place
	Have      Held           // what the firewall has of its Panorama
	Then      []Held         // and would have by changes of ours, each of which may be made
	Apart     []Held         // and of objects, by the changes at each level alone
	Local     []*xmlapi.Node // of its own configuration: where names of objects stand
	Changes   []Change       // all that Then may have
	Replaced  []Change       // those of them that are yet to replace what they take away: what that is does not count
	Last      bool           // nothing is written any more before the push: rules of ours stand in their order, too
	Groups    bool           // the device group is pushed
	Templates bool           // the templates are
	Targets   func(target *xmlapi.Node, tags []string) bool
	SameCA    func(a, b *xmlapi.Node) bool // whether two entries hold the same certificate
}

// Held is what a firewall has of its Panorama: rules and objects, and the config of its templates; nil: none.
type Held struct {
	Parts    []xmlapi.Pushed
	Template *xmlapi.Node
}

// Unpushed names what the Panorama d has committed that the push would bring to the firewall, or take away from it, and that is neither
// as the firewall has it nor as our changes make it, by the running configuration of that Panorama; and where the firewall is managed from, if that is edited or
// was read otherwise. Whatever is not known to be without effect counts. Without are descriptions, disabled rules (which are not pushed: measured,
// PAN-OS 11.1 and 11.2), and new objects of a kind that does nothing before something names it, and that nothing names which the
// firewall has: Panorama may be set not to push them.
func (p Push) Unpushed(ctx context.Context, d *xmlapi.Device) (out []string, err error) {
	at, err := readCommitted(ctx, d, p.At.Serial, p.At.VSys)
	if err != nil {
		return nil, err
	}
	if !at.sameAs(p.At) {
		out = append(out, "the device group of the firewall, the groups above that, its templates or its tags, which are edited and not committed")
	}
	p.At = at
	if p.Groups {
		policy, err := p.policy(ctx, d)
		if err != nil {
			return nil, err
		}
		out = append(out, policy...)
	}
	if !p.Templates {
		return out, nil
	}
	settings, err := p.templates(ctx, d)
	return append(out, settings...), err
}

// policy names what of rules and objects differs.
func (p Push) policy(ctx context.Context, d *xmlapi.Device) (out []string, err error) {
	line, levels, there := p.At.line(), map[string]*xmlapi.Node{}, map[unit][]committed{}
	for _, level := range line {
		if levels[level], err = d.Show(ctx, "read what is committed on Panorama", LevelPath(level)); err != nil {
			return nil, err
		}
		objectsOf(levels[level], func(u unit, n *xmlapi.Node) { there[u] = append(there[u], committed{level, n}) })
	}
	for _, base := range []string{"pre-rulebase", "post-rulebase"} {
		for _, level := range slices.Concat(line, p.formerLevels(base)) {
			out = append(out, p.rules(level, base, levels[level].Child(base))...)
		}
	}
	return slices.Concat(out, p.defaults(levels), p.objects(there)), nil
}
