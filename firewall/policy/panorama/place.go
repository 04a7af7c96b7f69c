// Package panorama knows where on a Panorama the configuration of a firewall comes from, and how a change there is written: as an edit
// over the API, and as commands of its CLI.
//
// It does not decide what is to be changed: that is package policy.
package panorama

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"activedefense/firewall/xmlapi"
)

// Shared is the level of what Panorama pushes to all firewalls. No device group can have the name.
const Shared = "shared"

// What stands in commands where a name is not known.
const (
	UnknownGroup    = "DEVICE-GROUP"
	UnknownTemplate = "TEMPLATE"
	UnknownStack    = "TEMPLATE-STACK"
	UnknownAdmin    = "NAME" // who types them
)

// Place is where the configuration of a firewall, or of one virtual system of it, comes from. The zero value: nothing is known.
type Place struct {
	Serial string
	VSys   string // "": the firewall has one
	Paired bool   // it is a member of a pair of high availability: what is for it alone is for both
	Peer   string // serial number of the other member; "": there is none, or it is not known

	Group    string   // its device group; "": not known, or it is in none
	Parents  []string // the groups above, the nearest first; none: there are none, or they are not known
	Others   []string // serial numbers of the other firewalls in Group, as far as known
	Below    []string // the groups below Group, by name, as far as known
	Former   []string // groups that do not push to the firewall and have rules of the names that ReadFormer was given
	Template string   // in which we may write; "": not known, or there is none
	Stack    string   // of templates, by which it is pushed; "": Template is pushed by itself

	Told bool // by Panorama; else it is taken from what was pushed

	templates []string // all that are pushed, the one that wins first

	tags    map[string][]string // by which rules may target virtual systems of the firewall, by these; nil: they may not be read
	systems []string            // virtual systems of the firewall that Group names; none: all
	others  map[string]string   // those that other groups name, with the group
}

// gets tells whether what the device group pushes to the firewall is for a virtual system; "": the firewall has one.
func (p Place) gets(system string) bool {
	return system == "" || len(p.systems) == 0 || slices.Contains(p.systems, system)
}

// tagsOf are the tags of a virtual system. A firewall that has one bears them there.
func (p Place) tagsOf(system string) []string { return p.tags[cmp.Or(system, "vsys1")] }

// Systems are the virtual systems of the firewall of which Panorama tells: those that a device group names, and those with tags.
func (p Place) Systems() []string {
	return slices.Sorted(slices.Values(slices.Concat(p.systems, slices.Collect(maps.Keys(p.others)), slices.Collect(maps.Keys(p.tags)))))
}

// lost tells whether a virtual system has something of a device group that no longer pushes to it.
func (p Place) lost(system string, have Held) bool {
	var levels []string
	switch group := p.others[system]; {
	case group == "":
		levels = append([]string{p.Group}, p.Parents...)
	case !slices.Contains(p.Below, group):
		levels = []string{p.Group}
	}
	var marked func(n *xmlapi.Node) bool
	marked = func(n *xmlapi.Node) bool {
		loc := n.Attr("loc")
		return loc != "" && slices.Contains(levels, loc) || slices.ContainsFunc(n.Children, marked)
	}
	return slices.ContainsFunc(have.Parts, func(part xmlapi.Pushed) bool { return marked(part.Node) })
}

// line is the levels from which rules are pushed to the firewall, the nearest first.
func (p Place) line() []string {
	levels := p.Levels()
	return append(levels[1:len(levels):len(levels)], levels[0])
}

// sameAs tells whether the firewall gets the same from Panorama by two places.
func (p Place) sameAs(o Place) bool {
	same := func(a, b []string) bool {
		return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
	}
	return p.Group == o.Group && slices.Equal(p.Parents, o.Parents) && p.Stack == o.Stack && slices.Equal(p.templates, o.templates) &&
		same(p.systems, o.systems) && maps.Equal(p.others, o.others) && maps.EqualFunc(p.tags, o.tags, same)
}

// IsShared tells whether a level, or the mark loc of what was pushed, is Shared.
func IsShared(level string) bool { return strings.EqualFold(level, Shared) }

const (
	groups       = xmlapi.DevicePath + "/device-group"
	templates    = xmlapi.DevicePath + "/template"
	stacks       = xmlapi.DevicePath + "/template-stack"
	groupParents = "/config/readonly/devices/entry[@name='localhost.localdomain']/device-group"
)

// LevelPath is the xpath of a device group, or of Shared; "" is a group whose name is not known.
func LevelPath(level string) string {
	switch {
	case IsShared(level):
		return xmlapi.SharedPath
	case level == "":
		level = UnknownGroup
	}
	return groups + xmlapi.EntryNamed(level)
}

// LevelOf is the device group of an xpath, or Shared.
func LevelOf(xpath string) string {
	rest, inGroup := strings.CutPrefix(xpath, groups)
	steps, err := xmlapi.ParseXPath(rest)
	if !inGroup || err != nil || len(steps) == 0 {
		return Shared
	}
	return steps[0].Attr("name")
}

// TemplatePath is the xpath of the config of the template.
func (p Place) TemplatePath() string {
	name := p.Template
	if name == "" {
		name = UnknownTemplate
	}
	return templates + xmlapi.EntryNamed(name) + "/config"
}

// Over tells whether what stands at level can be named at other: it is the same, or above it.
func (p Place) Over(level, other string) bool {
	line := append([]string{p.Group}, p.Parents...)
	at, of := slices.Index(line, level), slices.Index(line, other)
	return IsShared(level) || level != "" && level == other || level != "" && at >= 0 && of >= 0 && at > of
}

// Levels are those from which rules are pushed to the firewall, as far as they are known.
func (p Place) Levels() []string {
	levels := []string{Shared}
	if p.Group != "" {
		levels = append(append(levels, p.Group), p.Parents...)
	}
	return levels
}

// Members are the serial numbers of the firewall and, as far as it is known, of the other member of its pair, in order.
func (p Place) Members() []string {
	all := []string{p.Serial}
	if p.Peer != "" {
		all = append(all, p.Peer)
	}
	slices.Sort(all)
	return all
}

// Target is the target of a rule that is meant for this firewall, or virtual system, alone, or for both members of its pair.
func (p Place) Target() *xmlapi.Node {
	devices := xmlapi.Element("devices")
	for _, serial := range p.Members() {
		device := xmlapi.NamedEntry(serial)
		if p.VSys != "" {
			device.Children = append(device.Children, xmlapi.Element("vsys", xmlapi.NamedEntry(p.VSys)))
		}
		devices.Children = append(devices.Children, device)
	}
	return xmlapi.Element("target", devices, xmlapi.Leaf("negate", "no"))
}

// TargetsAlone tells whether a target is that of a rule for this firewall, or virtual system, alone: or for members of its pair, the other one alone
// included.
func (p Place) TargetsAlone(target *xmlapi.Node) bool {
	devices := target.Child("devices").Entries()
	return len(devices) > 0 && len(target.Child("tags").Members()) == 0 && !target.Yes("negate") && !slices.ContainsFunc(devices, func(e *xmlapi.Node) bool {
		systems := e.Child("vsys").Entries()
		return !slices.Contains(p.Members(), e.Attr("name")) || p.VSys != "" && (len(systems) != 1 || systems[0].Attr("name") != p.VSys)
	})
}

// TargetsAll tells whether a target that TargetsAlone is for both members of the pair, as far as they are known.
func (p Place) TargetsAll(target *xmlapi.Node) bool {
	return len(target.Child("devices").Entries()) == len(p.Members())
}

// Suffixes make names of rules that several firewalls of a group each have their own: those of a pair the first, the second as well where that was made
// before the pair was known.
func (p Place) Suffixes() (all []string) {
	for _, serial := range p.Members() {
		suffix := "-" + serial
		if p.VSys != "" {
			suffix += "-" + p.VSys
		}
		all = append(all, suffix)
	}
	return all
}

// FromPushed takes from what was pushed to a firewall what that tells: the device group that is the nearest to the firewall's own rules,
// and the template, where the elements are marked with it (loc, and ptpl as exported configurations have it).
func FromPushed(pushed []xmlapi.Pushed, template *xmlapi.Node, serial, vsys string) Place {
	p := Place{Serial: serial, VSys: vsys}
	take := func(n *xmlapi.Node) {
		if loc := n.Attr("loc"); loc != "" && !IsShared(loc) {
			p.Group = loc
		}
	}
	for _, part := range pushed {
		post := slices.Clone(part.Node.At("post-rulebase", "security", "rules").Entries())
		slices.Reverse(post)
		for _, n := range slices.Concat(part.Node.At("post-rulebase", "default-security-rules", "rules").Entries(), post,
			part.Node.At("pre-rulebase", "security", "rules").Entries()) {
			take(n)
		}
	}
	p.Template = marked(template)
	return p
}

// marked gives the template with which an element, or one below it, is marked.
func marked(n *xmlapi.Node) string {
	if n == nil {
		return ""
	}
	if name := n.Attr("ptpl"); name != "" {
		return name
	}
	for _, c := range n.Children {
		if name := marked(c); name != "" {
			return name
		}
	}
	return ""
}

// Read asks the Panorama d itself, by its candidate configuration. A firewall that it has in no device group, or in no template, is no
// error: the name stays empty.
func Read(ctx context.Context, d *xmlapi.Device, serial, vsys string) (Place, error) {
	return read(serial, vsys, func(what, xpath string) ([]*xmlapi.Node, error) { return xmlapi.GetAll(ctx, d, what, xpath) })
}

// readCommitted is Read by the running configuration, from which Panorama pushes.
func readCommitted(ctx context.Context, d *xmlapi.Device, serial, vsys string) (Place, error) {
	return read(serial, vsys, func(what, xpath string) ([]*xmlapi.Node, error) { return xmlapi.ShowAll(ctx, d, what, xpath) })
}

// reading gives the elements at an xpath of one of Panorama's configurations.
type reading func(what, xpath string) ([]*xmlapi.Node, error)

// one is the only element; nil: there is none.
func (all reading) one(what, xpath string) (*xmlapi.Node, error) {
	found, err := all(what, xpath)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

func read(serial, vsys string, all reading) (Place, error) {
	p := Place{Serial: serial, VSys: vsys, Told: true}
	const what = "read the firewall's device group from Panorama"
	found, err := all(what, groups+"/entry[devices/entry[@name='"+serial+"']]")
	if err != nil {
		return p, err
	}
	p.others = map[string]string{}
	for _, g := range found {
		var systems []string
		for _, e := range g.Child("devices").Entry(serial).Child("vsys").Entries() {
			systems = append(systems, e.Attr("name"))
		}
		if vsys != "" && !slices.Contains(systems, vsys) && len(systems) > 0 {
			for _, name := range systems {
				p.others[name] = g.Attr("name")
			}
			continue
		}
		p.Group, p.Others, p.systems = g.Attr("name"), nil, systems
		for _, other := range g.Child("devices").Entries() {
			if name := other.Attr("name"); name != serial {
				p.Others = append(p.Others, name)
			}
		}
	}
	if p.Group != "" {
		parents, err := all.one(what, groupParents)
		if err != nil {
			return p, err
		}
		above := func(group string) (all []string) {
			const levels = 4 // PAN-OS web interface help: a hierarchy of up to four levels
			for at := parents.Entry(group).Value("parent-dg"); at != "" && len(all) < levels; at = parents.Entry(at).Value("parent-dg") {
				all = append(all, at)
			}
			return all
		}
		p.Parents = above(p.Group)
		for _, g := range parents.Entries() {
			if name := g.Attr("name"); slices.Contains(above(name), p.Group) {
				p.Below = append(p.Below, name)
			}
		}
	}
	if err := p.readTags(all); err != nil {
		return p, err
	}
	return p, p.readTemplate(all)
}

// readTags reads the tags of the firewall where others read and write those of managed firewalls (nuage-metroae's and other connectors to Panorama); a role may
// not allow it.
func (p *Place) readTags(all reading) error {
	systems, err := all.one("read the firewall's tags from Panorama", "/config/mgt-config/devices"+xmlapi.EntryNamed(p.Serial)+"/vsys")
	if xmlapi.Kind(err) == xmlapi.KindRole {
		return nil
	}
	if err != nil {
		return err
	}
	p.tags = map[string][]string{}
	for _, e := range systems.Entries() {
		if tags := e.Child("tags").Members(); len(tags) > 0 {
			p.tags[e.Attr("name")] = tags
		}
	}
	return nil
}

// ReadFormer asks the Panorama d which device groups have Pre Rules of these names and do not push to the firewall: it was in them once.
func (p *Place) ReadFormer(ctx context.Context, d *xmlapi.Device, rules []string) error {
	for _, name := range rules {
		found, err := xmlapi.GetAll(ctx, d, "look for our rules in other device groups of Panorama", groups+"/entry[pre-rulebase/security/rules"+xmlapi.EntryNamed(name)+"]")
		if err != nil {
			return err
		}
		for _, g := range found {
			if group := g.Attr("name"); !slices.Contains(p.Levels(), group) && !slices.Contains(p.Former, group) {
				p.Former = append(p.Former, group)
			}
		}
	}
	return nil
}

// RulesFrom gives the Pre Rules of the Panorama d, by its candidate configuration, of any device group and of Shared, that have one of two names as a source.
func RulesFrom(ctx context.Context, d *xmlapi.Device, a, b string) (rules []*xmlapi.Node, err error) {
	for _, at := range []string{groups + "/entry", LevelPath(Shared)} {
		found, err := xmlapi.GetAll(ctx, d, "look for rules on Panorama that name what is ours", at+"/pre-rulebase/security/rules/entry[source/member[text()='"+a+"' or text()='"+b+"']]")
		if err != nil {
			return nil, err
		}
		rules = append(rules, found...)
	}
	return rules, nil
}

// InGroups tells whether a change is in a device group that pushes to the firewall, or in Shared.
func (p Place) InGroups(c Change) bool {
	return c.touches(func(xpath string) bool {
		return !strings.HasPrefix(xpath, templates+"/") && !slices.Contains(p.Former, LevelOf(xpath))
	})
}

// readTemplate takes the template of the firewall's stack that wins over the others.
func (p *Place) readTemplate(all reading) error {
	const what = "read the firewall's template from Panorama"
	for _, list := range []string{stacks, templates} {
		found, err := all(what, list+"/entry[devices/entry[@name='"+p.Serial+"']]")
		if err != nil || len(found) == 0 {
			if err != nil {
				return err
			}
			continue
		}
		if p.templates = []string{found[0].Attr("name")}; list == stacks {
			p.Stack, p.templates = p.templates[0], found[0].Child("templates").Members()
		}
		if len(p.templates) > 0 {
			p.Template = p.templates[0]
		}
		return nil
	}
	return nil
}

// Alone tells whether what is changed at a level is known to reach no other firewall.
func (p Place) Alone(level string) bool {
	return p.Told && level != "" && level == p.Group && len(p.Others)+len(p.Below) == 0
}

// maxReached is how many of those that a change reaches are named.
const maxReached = 10

// some names the first of many, and tells how many there are.
func some(names []string) string {
	if more := len(names) - maxReached; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxReached], ", "), more)
	}
	return strings.Join(names, ", ")
}

// Reach tells whom a change reaches that cannot be limited to the firewall: at a level, or with level "" in the template.
func (p Place) Reach(level string) string {
	switch {
	case IsShared(level):
		return "it reaches every firewall that this Panorama manages"
	case level != p.Group || level == "":
		return fmt.Sprintf("it reaches every firewall of device group %s and of those below it", word(level))
	case !p.Told:
	case len(p.Others) > 0 && len(p.Below) > 0:
		return fmt.Sprintf("it also reaches %s in device group %s, and the firewalls of the groups below that (%s)", some(p.Others), word(level), some(p.Below))
	case len(p.Others) > 0:
		return fmt.Sprintf("it also reaches %s in device group %s", some(p.Others), word(level))
	case len(p.Below) > 0:
		return fmt.Sprintf("no other firewall is in device group %s; it also reaches the firewalls of the groups below that (%s)", word(level), some(p.Below))
	default:
		return fmt.Sprintf("it reaches no other firewall: none is in device group %s, and no group is below that", word(level))
	}
	return fmt.Sprintf("it reaches every firewall of device group %s and of those below it", word(level))
}

// ReachOfTemplate tells whom a change of the template reaches.
func (p Place) ReachOfTemplate() string {
	name := p.Template
	if name == "" {
		name = UnknownTemplate
	}
	return "the template " + word(name) + " reaches every firewall whose stack has it"
}
