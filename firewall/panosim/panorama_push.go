package panosim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
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
	devices := line[0].child("devices").entries()
	if len(devices) == 0 {
		return fmt.Errorf("push device group %s: it names no firewall", group)
	}
	var failed []error
	for _, device := range devices {
		fw, err := p.firewall(device.id())
		if err != nil {
			failed = append(failed, fmt.Errorf("push device group %s: %w", group, err))
			continue
		}
		fw.take(root.child("shared"), line, entryNames(device.child("vsys")))
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

func entryNames(list *element) []string {
	var out []string
	for _, e := range list.entries() {
		out = append(out, e.id())
	}
	return out
}

// take keeps what is pushed to the firewall: for these virtual systems, or for all of it if none is named. line is the
// device group with those above it.
func (s *Sim) take(shared *element, line []*element, vsys []string) {
	if len(vsys) == 0 {
		vsys = s.opts.VSys
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	groups := maps.Clone(s.pushed.groups)
	if groups == nil {
		groups = map[string]*element{}
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
func lineage(root *element, group string) []*element {
	localhost := "entry=" + localhost
	groups := root.down("devices", localhost, "device-group")
	parents := root.down("readonly", "devices", localhost, "device-group")
	var out []*element
	for len(out) < maxLevels {
		e := groups.entry(group)
		if e == nil {
			break
		}
		out = append(out, e)
		group = parents.entry(group).value("parent-dg")
	}
	return out
}

// inherited copies a device group as a firewall gets it: around its rules are those of its parent, around these those of
// the parent's parent; and it has the objects of both that it does not have itself.
func inherited(line []*element, serial, vsys string) *element {
	out := prepared(line[0], line[0].id(), serial, vsys)
	for _, parent := range line[1:] {
		outer := prepared(parent, parent.id(), serial, vsys)
		out = enclosed(out, outer)
		fold(out, outer)
	}
	return out
}

// prepared copies a scope as a firewall gets it: every object and rule marked with where it comes from, and without
// the rules that are for other firewalls.
func prepared(scope *element, location, serial, vsys string) *element {
	out := &element{name: scope.name, attributes: scope.attributes}
	for _, list := range scope.children {
		// What a device group says of itself is no object.
		if !slices.Contains([]string{"devices", "reference-templates", "description", "master-device"}, list.name) {
			out.children = append(out.children, located(list, location, serial, vsys))
		}
	}
	return out
}

func located(e *element, location, serial, vsys string) *element {
	out := &element{name: e.name, attributes: e.attributes, text: e.text, children: e.children}
	if e.name == "entry" {
		out.attributes = maps.Clone(e.attributes)
		out.attributes["loc"] = location
		return out
	}
	out.children = nil
	for _, c := range e.children {
		if c.name != "entry" || means(c.child("target"), serial, vsys) {
			out.children = append(out.children, located(c, location, serial, vsys))
		}
	}
	return out
}

// means says whether the target of a rule, which may be nil, is the firewall: it names none, or this one; or any but
// those it names.
func means(target *element, serial, vsys string) bool {
	devices := target.child("devices").entries()
	if len(devices) == 0 {
		return true
	}
	named := slices.ContainsFunc(devices, func(d *element) bool {
		systems := entryNames(d.child("vsys"))
		return d.id() == serial && (len(systems) == 0 || vsys == "" || slices.Contains(systems, vsys))
	})
	return named != (target.value("negate") == "yes")
}

// commitAll answers type=commit with action=all: it pushes the device groups that the command names.
func (p *Panorama) commitAll(c *call) answer {
	cmd, err := parseElement(c.form.Get("cmd"))
	if err != nil {
		return failure(18, "Malformed command")
	}
	groups := entryNames(cmd.down("shared-policy", "device-group"))
	if cmd.name != "commit-all" || len(groups) == 0 {
		return unexpected(cmd)
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
	return xmlAnswer(http.StatusOK, fmt.Sprintf(`<response status="success" code="19"><result><msg><line>Job enqueued with `+
		`jobid %d</line></msg><job>%[1]d</job></result></response>`, j.id))
}
