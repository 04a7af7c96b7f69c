package panosim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/xmltree"
)

// Push pushes a device group of the Panorama's committed configuration, and with it what it inherits from the groups
// above it and what is shared, to the firewalls and virtual systems that the group names under its <devices>. A rule
// with a <target> goes only where that says. The groups below it are left as they are.
// What had been pushed for the same virtual system before is gone. The error names the firewalls that could not be
// reached, the others have it; or it says that there is no such group, or that it names no firewall.
func (p *Panorama) Push(group string) error {
	p.Sim.mu.Lock()
	root := p.runningLocked()
	p.Sim.mu.Unlock()
	line := lineage(root, group)
	if line == nil {
		return fmt.Errorf("push device group %s: there is none of that name", group)
	}
	devices := line[0].Child("devices").Entries()
	if len(devices) == 0 {
		return fmt.Errorf("push device group %s: it names no firewall", group)
	}
	var failed []error
	for _, device := range devices {
		fw, err := p.firewall(device.ID())
		if err != nil {
			failed = append(failed, fmt.Errorf("push device group %s: %w", group, err))
			continue
		}
		fw.take(root.Child("shared"), line, entryNames(device.Child("vsys")))
	}
	return errors.Join(failed...)
}

// Withdraw takes away everything that was pushed to a firewall, as one that leaves Panorama's management does when
// it is told to keep nothing.
func (p *Panorama) Withdraw(fw *Sim) {
	fw.mu.Lock()
	defer fw.mu.Unlock()
	fw.pushed = pushed{}
	fw.policyChangedLocked()
}

func entryNames(list *xmltree.Element) []string {
	var out []string
	for _, e := range list.Entries() {
		out = append(out, e.ID())
	}
	return out
}

// take keeps what is pushed to the firewall: for these virtual systems, or for all of it if none is named. line is the
// device group with those above it.
func (s *Sim) take(shared *xmltree.Element, line []*xmltree.Element, vsys []string) {
	if len(vsys) == 0 {
		vsys = s.opts.VSys
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	groups := maps.Clone(s.pushed.groups)
	if groups == nil {
		groups = map[string]*xmltree.Element{}
	}
	for _, name := range vsys {
		if s.tables[name] != nil {
			groups[name] = inherited(line, s.opts.Serial, name)
		}
	}
	s.pushed = pushed{groups: groups}
	if shared != nil {
		s.pushed.shared = prepared(shared, sharedLocation, s.opts.Serial, "")
	}
	s.policyChangedLocked()
}

// sharedLocation is how the scope Shared is called where it marks what comes from it.
const sharedLocation = "Shared"

// maxLevels is how deep device groups can be nested (PAN-OS web interface help, "nest device groups in a tree hierarchy
// of up to four levels").
const maxLevels = 4

// lineage gives a device group, its parent and so on; nil: there is no such group. Panorama keeps which is whose parent
// apart from what the groups hold, under /config/readonly.
func lineage(root *xmltree.Element, group string) []*xmltree.Element {
	localhost := "entry=" + localhost
	groups := root.Down("devices", localhost, "device-group")
	parents := root.Down("readonly", "devices", localhost, "device-group")
	var out []*xmltree.Element
	for len(out) < maxLevels {
		e := groups.Entry(group)
		if e == nil {
			break
		}
		out = append(out, e)
		group = parents.Entry(group).Value("parent-dg")
	}
	return out
}

// inherited copies a device group as a firewall gets it: around its rules are those of its parent, around these those of
// the parent's parent; and it has the objects of both that it does not have itself.
func inherited(line []*xmltree.Element, serial, vsys string) *xmltree.Element {
	out := prepared(line[0], line[0].ID(), serial, vsys)
	for _, parent := range line[1:] {
		outer := prepared(parent, parent.ID(), serial, vsys)
		out = enclosed(out, outer)
		fold(out, outer)
	}
	return out
}

// prepared copies a scope as a firewall gets it: every object and rule marked with where it comes from, and without
// the rules that are for other firewalls.
func prepared(scope *xmltree.Element, location, serial, vsys string) *xmltree.Element {
	out := &xmltree.Element{Name: scope.Name, Attributes: scope.Attributes}
	for _, list := range scope.Children {
		// What a device group says of itself is no object.
		if !slices.Contains([]string{"devices", "reference-templates", "description", "master-device"}, list.Name) {
			out.Children = append(out.Children, located(list, location, serial, vsys))
		}
	}
	return out
}

func located(e *xmltree.Element, location, serial, vsys string) *xmltree.Element {
	out := &xmltree.Element{Name: e.Name, Attributes: e.Attributes, Text: e.Text, Children: e.Children}
	if e.Name == "entry" {
		out.Attributes = maps.Clone(e.Attributes)
		out.Attributes["loc"] = location
		return out
	}
	out.Children = nil
	for _, c := range e.Children {
		if c.Name != "entry" || means(c.Child("target"), serial, vsys) {
			out.Children = append(out.Children, located(c, location, serial, vsys))
		}
	}
	return out
}

// means says whether the target of a rule, which may be nil, is the firewall: it names none, or this one; or any but
// those it names.
func means(target *xmltree.Element, serial, vsys string) bool {
	devices := target.Child("devices").Entries()
	if len(devices) == 0 {
		return true
	}
	named := slices.ContainsFunc(devices, func(d *xmltree.Element) bool {
		systems := entryNames(d.Child("vsys"))
		return d.ID() == serial && (len(systems) == 0 || vsys == "" || slices.Contains(systems, vsys))
	})
	return named != (target.Value("negate") == "yes")
}

// commitAll answers type=commit with action=all: it pushes the device groups that the command names.
func (p *Panorama) commitAll(c *call) answer.Answer {
	cmd, err := xmltree.Parse(c.form.Get("cmd"))
	if err != nil {
		return answer.Failure(18, "Malformed command")
	}
	groups := entryNames(cmd.Down("shared-policy", "device-group"))
	if cmd.Name != "commit-all" || len(groups) == 0 {
		return answer.Unexpected(cmd)
	}
	p.Sim.mu.Lock()
	defer p.Sim.mu.Unlock()
	j := p.addJobLocked("CommitAll", c.admin, func(context.Context) jobResult {
		var failed []string
		for _, group := range groups {
			if err := p.Push(group); err != nil {
				failed = append(failed, strings.Split(err.Error(), "\n")...)
			}
		}
		if failed != nil {
			return jobResult{details: failed}
		}
		return jobResult{ok: true, details: []string{"Configuration committed successfully"}}
	})
	return answer.XML(http.StatusOK, fmt.Sprintf(`<response status="success" code="19"><result><msg><line>Job enqueued with `+
		`jobid %d</line></msg><job>%[1]d</job></result></response>`, j.id))
}
