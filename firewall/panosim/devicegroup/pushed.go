package devicegroup

import (
	"maps"
	"slices"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/xmltree"
)

// Pushed is what Panorama has pushed to a firewall. It stands beside the firewall's own configuration, never in it:
// neither reading the running nor the candidate configuration shows anything of it.
//
// The caller of every method holds the lock that guards the firewall's configuration. What was pushed is replaced as a
// whole and never modified.
type Pushed struct {
	serial string
	vsys   []string
	shared *xmltree.Element            // of the scope Shared; nil: nothing
	groups map[string]*xmltree.Element // by virtual system: of its device group with what that inherits, an entry with its name

	template *xmltree.Element // the config of its templates, put together; nil: none
}

// NewPushed is what was pushed to a new firewall: nothing.
func NewPushed(serial string, vsys []string) *Pushed { return &Pushed{serial: serial, vsys: vsys} }

// Take keeps what is pushed: for these virtual systems, or for all of the firewall if none is named. line is the device
// group with those above it, shared the scope Shared, nil for none; tags are those of the firewall's virtual systems on Panorama.
func (p *Pushed) Take(shared *xmltree.Element, line []*xmltree.Element, vsys []string, tags map[string][]string) {
	if len(vsys) == 0 {
		vsys = p.vsys
	}
	groups := maps.Clone(p.groups)
	if groups == nil {
		groups = map[string]*xmltree.Element{}
	}
	for _, name := range vsys {
		if slices.Contains(p.vsys, name) {
			groups[name] = inherited(line, receivers{{p.serial, name, tags[name]}})
		}
	}
	p.groups, p.shared = groups, nil
	if shared != nil {
		var all receivers
		for _, name := range p.vsys {
			all = append(all, receiver{p.serial, name, tags[name]})
		}
		p.shared = prepared(shared, sharedLocation, all)
	}
}

// TakeTemplate keeps the configs of templates, the one that wins first.
func (p *Pushed) TakeTemplate(configs []*xmltree.Element) {
	p.template = &xmltree.Element{Name: "config"}
	for _, c := range configs {
		overlay(p.template, c)
	}
}

// overlay adds to an element what another of its kind has in addition, setting by setting (PAN-OS web interface help, "Template
// Stacks": of duplicate settings, only that of the higher template in the list is pushed).
func overlay(e, below *xmltree.Element) {
	for _, c := range below.All() {
		if own := e.Find(c.Key()); own != nil {
			overlay(own, c)
		} else {
			e.Children = append(e.Children, c.Clone())
		}
	}
}

// ShowTemplate answers "show config pushed-template". How deep config lies differs between versions; what a firewall without a
// template answers no source shows.
func (p *Pushed) ShowTemplate(r answer.Request) answer.Answer {
	if p.template == nil {
		return answer.Unexpected(r.Command)
	}
	return answer.Success("<result><template>" + p.template.String() + "</template></result>")
}

// Withdraw takes everything away that was pushed.
func (p *Pushed) Withdraw() { p.groups, p.shared, p.template = nil, nil, nil }

// Of gives what a virtual system has of its device group, and what is shared; each may be nil.
func (p *Pushed) Of(vsys string) (group, shared *xmltree.Element) { return p.groups[vsys], p.shared }

// Rules gives what Panorama has pushed for a virtual system: the rules that come before and after the
// firewall's own, in the order in which they are tried (Shared, group, own rules, group, Shared; where groups are
// nested, the group is its parents from the top down before, and from the bottom up behind), and the elements below
// which pushed objects stand (address, address-group, external-list...), the one that wins first.
func (p *Pushed) Rules(vsys string) (pre, post, objects []*xmltree.Element) {
	group, shared := p.groups[vsys], p.shared
	pre = append(pushedRules(shared, "pre-rulebase"), pushedRules(group, "pre-rulebase")...)
	post = append(pushedRules(group, "post-rulebase"), pushedRules(shared, "post-rulebase")...)
	ofTemplate := p.template.Down("devices", "entry="+dialect.Localhost, "vsys", "entry="+vsys)
	for _, scope := range []*xmltree.Element{group, shared, ofTemplate, p.template.Child("shared")} {
		if scope != nil {
			objects = append(objects, scope)
		}
	}
	return pre, post, objects
}

// pushedRules gives the security rules of a rulebase, in order; none of a scope that is nil.
func pushedRules(scope *xmltree.Element, rulebase string) []*xmltree.Element {
	return scope.Down(rulebase, "security", "rules").Entries()
}

// Objects gives the places of the objects that Panorama pushed and that rules of the firewall can name.
func (p *Pushed) Objects(scope string) []*xmltree.Element {
	_, _, objects := p.Rules(scope)
	return objects
}
