package panorama

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"activedefense/firewall/xmlapi"
)

// Change is what is changed on a Panorama, in this order: edits, and then one rule that goes to the top of its list. The zero value
// changes nothing.
type Change struct {
	Edits []xmlapi.Edit
	Top   string // xpath of the rule; "": none is moved
}

// Empty tells whether nothing is changed.
func (c Change) Empty() bool { return len(c.Edits) == 0 && c.Top == "" }

// Apply writes the change into the candidate configuration of the Panorama d. What stands there already stays: a change that was made
// in part can be made again.
func (c Change) Apply(ctx context.Context, d *xmlapi.Device, what string) error {
	if err := d.Edit(ctx, what, c.Edits); err != nil {
		return err
	}
	if c.Top == "" {
		return nil
	}
	return d.Move(ctx, what, c.Top, xmlapi.MoveTop)
}

// sets tells whether a later edit makes the entry that one takes away.
func (c Change) sets(xpath string) bool {
	return slices.ContainsFunc(c.Edits, func(e xmlapi.Edit) bool {
		return !e.Deletes() && e.Element().Name == "entry" && e.XPath()+xmlapi.EntryNamed(e.Element().Attr("name")) == xpath
	})
}

// At gives what changes edit at a level, without what they move.
func At(level string, changes []Change) (out []Change) {
	for _, c := range changes {
		edits := slices.DeleteFunc(slices.Clone(c.Edits), func(e xmlapi.Edit) bool {
			return strings.HasPrefix(e.XPath(), templates+"/") || !strings.HasPrefix(e.XPath(), LevelPath(level)+"/")
		})
		out = append(out, Change{Edits: edits})
	}
	return out
}

// Places tells whether it makes, moves or takes away the entry at an xpath; what it changes in it does not count.
func (c Change) Places(xpath string) bool {
	return c.Top == xpath || c.sets(xpath) || c.Replaces(xpath)
}

// Replaces tells whether it takes away what stands at an xpath, whether it makes that anew or not.
func (c Change) Replaces(xpath string) bool {
	return slices.ContainsFunc(c.Edits, func(e xmlapi.Edit) bool { return e.Deletes() && e.XPath() == xpath })
}

// Committed tells whether the running configuration of the Panorama d is as the change has it; where what it moves stands is not
// looked at.
func (c Change) Committed(ctx context.Context, d *xmlapi.Device) (bool, error) {
	return c.stands(ctx, d.Show, "read what is committed on Panorama")
}

// Written tells whether the candidate configuration of the Panorama d is as the change has it; where a rule that it makes stands is not
// looked at, one that it only moves stands at the top.
func (c Change) Written(ctx context.Context, d *xmlapi.Device) (bool, error) {
	const what = "read the candidate configuration of Panorama"
	stands, err := c.stands(ctx, d.Get, what)
	if err != nil || !stands || c.Top == "" || len(c.Edits) > 0 {
		return stands, err
	}
	list := c.Top[:strings.LastIndex(c.Top, "/entry[")]
	rules, err := d.Get(ctx, what, list)
	return err == nil && len(rules.Entries()) > 0 && list+xmlapi.EntryNamed(rules.FirstEntry().Attr("name")) == c.Top, err
}

// stands tells whether a configuration is as the edits have it.
func (c Change) stands(ctx context.Context, read func(ctx context.Context, what, xpath string) (*xmlapi.Node, error), what string) (bool, error) {
	for _, e := range c.Edits {
		if e.Deletes() {
			have, err := read(ctx, what, e.XPath())
			if err != nil || have != nil && !c.sets(e.XPath()) {
				return false, err
			}
			continue
		}
		want, at := e.Element(), e.XPath()
		switch {
		case e.Imports():
			want = xmlapi.NamedEntry(want.Attr("name")) // Panorama writes the text as it likes
		case want.Name == "entry":
			at += xmlapi.EntryNamed(want.Attr("name"))
		default:
			at += "/" + want.Name
		}
		have, err := read(ctx, what, at)
		if err != nil || !contains(have, want) {
			return false, err
		}
	}
	return true, nil
}

// contains tells whether an element has everything that another of its name has.
func contains(have, want *xmlapi.Node) bool {
	if have == nil || have.Name != want.Name || want.Text != "" && have.Text != want.Text || have.Attr("name") != want.Attr("name") {
		return false
	}
	for _, w := range want.Children {
		if !slices.ContainsFunc(have.Children, func(h *xmlapi.Node) bool { return contains(h, w) }) {
			return false
		}
	}
	return true
}

// touches tells whether it changes something at or below an xpath.
func (c Change) touches(xpath func(string) bool) bool {
	return c.Top != "" && xpath(c.Top) || slices.ContainsFunc(c.Edits, func(e xmlapi.Edit) bool { return xpath(e.XPath()) })
}

// InTemplate tells whether it changes a template.
func (c Change) InTemplate() bool {
	return c.touches(func(xpath string) bool { return strings.HasPrefix(xpath, templates+"/") })
}

// Commands are the change as a person types it in the configure mode of Panorama's CLI, one value a line as its set format has them
// ("set cli config-output-format set"). A certificate is typed as text, which the API takes as a file.
func (c Change) Commands() []string {
	var out []string
	for _, e := range c.Edits {
		at := cliPath(e.XPath())
		switch n := e.Element(); {
		case e.Deletes():
			out = append(out, "delete "+at)
		case e.Imports():
			out = append(out, flat("set "+at, n.Children)...)
		default:
			out = append(out, flat("set "+at, []*xmlapi.Node{n})...)
		}
	}
	if c.Top != "" {
		out = append(out, "move "+cliPath(c.Top)+" top")
	}
	return out
}

// cliPath is an xpath as the CLI has it: without config and the one device, entries by their name.
func cliPath(xpath string) string {
	steps, err := xmlapi.ParseXPath(strings.TrimPrefix(strings.TrimPrefix(xpath, xmlapi.DevicePath), "/config"))
	if err != nil {
		return xpath // which no xpath of ours is
	}
	var words []string
	for _, s := range steps {
		switch s.Name {
		case "entry":
			words = append(words, word(s.Attr("name")))
		case "member":
			words = append(words, word(s.Text))
		default:
			words = append(words, s.Name)
		}
	}
	return strings.Join(words, " ")
}

// flat writes elements, one value a line.
func flat(before string, elements []*xmlapi.Node) (out []string) {
	for _, n := range elements {
		at := before + " " + n.Name
		if n.Name == "entry" {
			at = before + " " + word(n.Attr("name"))
		}
		switch members := n.Members(); {
		case len(members) == 1:
			out = append(out, at+" "+word(members[0]))
		case len(members) > 1:
			quoted := make([]string, len(members))
			for i, m := range members {
				quoted[i] = word(m)
			}
			out = append(out, at+" [ "+strings.Join(quoted, " ")+" ]")
		case len(n.Children) > 0:
			out = append(out, flat(at, n.Children)...)
		case n.Text != "":
			out = append(out, at+" "+word(n.Text))
		default:
			out = append(out, at)
		}
	}
	return out
}

// word quotes a value for a command line if it must be.
func word(text string) string {
	plain := text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_.:/", r)
	})
	switch {
	case plain:
		return text
	case strings.Contains(text, `"`):
		return "'" + text + "'"
	}
	return `"` + text + `"`
}

// Session is what a person types for changes, from the first line to the last: in configure mode, then the commit, and back in
// operational mode the pushes to the firewall alone, or both members of its pair. None for no change.
func (p Place) Session(changes []Change) []string {
	if len(changes) == 0 {
		return []string{}
	}
	out := []string{"configure"}
	template, group := false, false
	for _, c := range changes {
		for _, line := range c.Commands() {
			if !slices.Contains(out, line) { // several need the same object
				out = append(out, line)
			}
		}
		template, group = template || c.InTemplate(), group || p.InGroups(c)
	}
	out = append(out, "commit partial admin "+UnknownAdmin, "exit")
	for _, serial := range p.Members() {
		switch {
		case !template:
		case p.Stack != "":
			out = append(out, "commit-all template-stack name "+word(p.Stack)+" device "+serial)
		case p.Template != "" && p.Told:
			out = append(out, "commit-all template name "+word(p.Template)+" device "+serial)
		default:
			out = append(out, "commit-all template-stack name "+UnknownStack+" device "+serial)
		}
		if group {
			out = append(out, "commit-all shared-policy device-group "+word(cmp.Or(p.Group, UnknownGroup))+" devices "+serial)
		}
	}
	return out
}

// Notes are what a person has to know of changes; typed: before typing their session, else before they are pushed.
func (p Place) Notes(changes []Change, typed bool) (notes []string) {
	if p.Group == "" && slices.ContainsFunc(changes, p.InGroups) {
		notes = append(notes, "The firewall's device group is not known: put its name in place of "+UnknownGroup+" (Panorama > Managed Devices > Summary).")
	}
	if (p.Template == "" || p.Stack == "" && !p.Told) && slices.ContainsFunc(changes, Change.InTemplate) {
		notes = append(notes, "Which templates are pushed to the firewall is not known: put the name of one in place of "+UnknownTemplate+", and that of its stack in place of "+
			UnknownStack+" (Panorama > Templates).")
	}
	if len(changes) == 0 {
		return notes
	}
	if typed {
		notes = append(notes, "Put the name with which you log in to Panorama in place of "+UnknownAdmin+": the commit then publishes your edits alone.")
	}
	if p.Peer != "" && !typed && slices.ContainsFunc(changes, p.InGroups) {
		notes = append(notes, "The rules are for both members of the pair, "+strings.Join(p.Members(), " and ")+"; --commit pushes to "+p.Serial+" alone: "+p.Peer+
			" follows by provision of its own entry (firewalls[].target), or once you push there.")
	}
	said := "look there before you push (Commit > Push to Devices)."
	if p.Told {
		said = "what is found of that, of rules, objects and templates, is named."
	}
	return append(notes, "A push takes along what others committed on Panorama and did not push to this firewall yet: "+said)
}

// Pushes names for a reader what Push pushes for changes, in this order.
func (p Place) Pushes(changes []Change) []string {
	all := []string{}
	if slices.ContainsFunc(changes, Change.InTemplate) {
		if p.Stack == "" && p.Template != "" && p.Told {
			all = append(all, "template "+p.Template)
		} else {
			all = append(all, "template stack "+cmp.Or(p.Stack, UnknownStack))
		}
	}
	if slices.ContainsFunc(changes, p.InGroups) {
		all = append(all, "device group "+cmp.Or(p.Group, UnknownGroup))
	}
	return all
}

// Push has the Panorama d push to the firewall what changes concern, the template first, which the others refer to, and waits for each
// push.
func (p Place) Push(ctx context.Context, d *xmlapi.Device, changes []Change) error {
	if slices.ContainsFunc(changes, Change.InTemplate) {
		kind, name := xmlapi.PushTemplateStack, p.Stack
		if name == "" {
			kind, name = xmlapi.PushTemplate, p.Template
		}
		if err := xmlapi.Push(ctx, d, kind, name, p.Serial); err != nil {
			return err
		}
	}
	if slices.ContainsFunc(changes, p.InGroups) {
		return xmlapi.Push(ctx, d, xmlapi.PushDeviceGroup, p.Group, p.Serial)
	}
	return nil
}
