package panorama

import (
	"context"
	"slices"

	"activedefense/firewall/xmlapi"
)

// Push is a push of ours to a firewall that is to be judged by what it takes along of others.
type Push struct {
	At        Place
	System                                                                 // that which our changes are for
	Systems   []System                                                     // the other virtual systems of the firewall: a push to it is for all that its device group names
	Local     []*xmlapi.Node                                               // of its own configuration, whole: where names of objects stand
	Changes   []Change                                                     // all that Then may have
	Replaced  []Change                                                     // those of them that are yet to replace what they take away: what that is does not count
	Last      bool                                                         // nothing is written any more before the push: rules of ours stand in their order, too
	Groups    bool                                                         // the device group is pushed
	Templates bool                                                         // the templates are
	Targets   func(target *xmlapi.Node, system string, tags []string) bool // whether a rule is pushed to a virtual system, by the tags that Panorama has given it
	Has       func(target *xmlapi.Node, system string) bool                // whether a rule that it has is for it
	Asks      func(filter string, tags []string) bool                      // whether what bears these tags may be in a dynamic address group for them
	SameCA    func(a, b *xmlapi.Node) bool                                 // whether two entries hold the same certificate

	systems []string // all of the firewall
	others  []System // those that are not judged just now
}

// System is a virtual system of the firewall, or the firewall where it has one.
type System struct {
	Name  string // "": the firewall has one
	Have  Held   // what it has of its Panorama
	Then  []Held // and would have by changes of ours, each of which may be made
	Apart []Held // and of objects, by the changes at each level alone
	None  bool   // the firewall has none of that name
}

// shared is what is shared of what it has, and would have.
func (s System) shared() System {
	of := func(h Held) Held {
		return Held{Parts: slices.DeleteFunc(slices.Clone(h.Parts), func(part xmlapi.Pushed) bool { return !part.Shared })}
	}
	all := func(from []Held) (out []Held) {
		for _, h := range from {
			out = append(out, of(h))
		}
		return out
	}
	return System{s.Name, of(s.Have), all(s.Then), all(s.Apart), s.None}
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
// firewall has: Panorama may be set not to push them. secrets are of the templates what holds secrets that are written otherwise on the firewall, which says
// nothing of whether they are others: each device encrypts them by itself. tagged are rules of Shared for tags, of which a firewall with several virtual systems
// does not tell which of them have it.
func (p Push) Unpushed(ctx context.Context, d *xmlapi.Device) (out, secrets, tagged []string, err error) {
	at, err := readCommitted(ctx, d, p.At.Serial, p.At.VSys)
	if err != nil {
		return nil, nil, nil, err
	}
	if !at.sameAs(p.At) {
		out = append(out, "the device group of the firewall, the groups above that, its virtual systems there, its templates or its tags, which are edited and not committed")
	}
	p.At = at
	if p.Groups {
		var policy []string
		if policy, tagged, err = p.policy(ctx, d); err != nil {
			return nil, nil, nil, err
		}
		out = append(out, policy...)
	}
	if !p.Templates {
		return out, nil, tagged, nil
	}
	settings, secrets, err := p.templates(ctx, d)
	return append(out, settings...), secrets, tagged, err
}

// policy names what of rules and objects differs in any virtual system to which the push brings them. What is shared it brings to all.
func (p Push) policy(ctx context.Context, d *xmlapi.Device) (out, tagged []string, err error) {
	levels, used := map[string]*xmlapi.Node{}, p.names("")
	for _, level := range p.At.line() {
		if levels[level], err = d.Show(ctx, "read what is committed on Panorama", LevelPath(level)); err != nil {
			return nil, nil, err
		}
	}
	all := append([]System{p.System}, p.Systems...)
	for _, s := range all {
		p.systems = append(p.systems, s.Name)
	}
	for i, s := range all {
		named := slices.Contains(p.At.systems, s.Name)
		if s.None && p.At.gets(s.Name) && !named { // Panorama has tags for it: nothing is pushed to what is not there
			continue
		}
		of := p
		of.System, of.others = s, slices.Delete(slices.Clone(all), i, i+1)
		if i > 0 && !p.At.gets(s.Name) {
			if p.At.lost(s.Name, s.Have) {
				out = append(out, "the virtual systems of device group "+p.At.Group+", of which "+s.Name+" is none any more")
			}
			of.System, of.At.Group, of.At.Parents = s.shared(), "", nil
		}
		here := used
		if len(all) > 1 {
			here = p.names(s.Name)
		}
		found := of.policyOf(levels, used, here)
		if s.None && len(found) > 0 && named {
			found = []string{"virtual system " + s.Name + ", which device group " + p.At.Group + " names and the firewall does not have: take it out of that group, for no push ends this"}
		}
		for _, name := range found {
			if !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	if len(all) > 1 {
		tagged = rulesByTags(levels[Shared])
	}
	return out, tagged, nil
}

// policyOf names what differs in one virtual system; levels are what is committed, by level.
func (p Push) policyOf(levels map[string]*xmlapi.Node, used, here *names) (out []string) {
	line, there := p.At.line(), map[unit][]committed{}
	for _, level := range line {
		objectsOf(levels[level], func(u unit, n *xmlapi.Node) { there[u] = append(there[u], committed{level, n}) })
	}
	for _, base := range []string{"pre-rulebase", "post-rulebase"} {
		for _, level := range slices.Concat(line, p.formerLevels(base)) {
			out = append(out, p.rules(level, base, levels[level].Child(base))...)
		}
	}
	return slices.Concat(out, p.defaults(levels), p.objects(there, used, here))
}
