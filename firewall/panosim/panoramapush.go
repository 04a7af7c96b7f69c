package panosim

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/devicegroup"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/jobs"
	"activedefense/firewall/panosim/xmltree"
)

// Push pushes a device group of the Panorama's committed configuration, and with it what it inherits from the groups
// above it and what is shared, to the firewalls and virtual systems that the group names under its <devices>, or to those of them
// whose serial numbers are given. A rule with a <target> goes only where that says, by serial numbers, virtual systems and tags. The groups below it are left as they are.
// What had been pushed for the same virtual system before is gone. The error names the firewalls that could not be
// reached, the others have it; or it says that there is no such group, or that it names no such firewall.
func (p *Panorama) Push(group string, serials ...string) error {
	p.Sim.mu.Lock()
	root := p.config.Running()
	p.Sim.mu.Unlock()
	line := devicegroup.Lineage(root, group)
	if line == nil {
		return fmt.Errorf("push device group %s: there is none of that name", group)
	}
	return p.pushTo("device group "+group, line[0], serials, func(fw *Sim, device *xmltree.Element) {
		tags := map[string][]string{}
		for _, system := range root.Down("mgt-config", "devices", "entry="+device.ID(), "vsys").Entries() {
			tags[system.ID()] = system.Child("tags").Members()
		}
		fw.pushed.Take(root.Child("shared"), line, device.Child("vsys").EntryNames(), tags)
	})
}

// PushTemplate pushes a template stack, or a template that names firewalls itself, as Push does a device group.
func (p *Panorama) PushTemplate(name string, serials ...string) error {
	p.Sim.mu.Lock()
	root := p.config.Running().Down("devices", "entry="+dialect.Localhost)
	p.Sim.mu.Unlock()
	names, holder := []string{name}, root.Child("template").Entry(name)
	if stack := root.Child("template-stack").Entry(name); stack != nil {
		names, holder = stack.Child("templates").Members(), stack
	}
	if holder == nil {
		return fmt.Errorf("push template %s: there is none of that name", name)
	}
	var configs []*xmltree.Element
	for _, n := range names {
		configs = append(configs, root.Child("template").Entry(n).Child("config"))
	}
	return p.pushTo("template "+name, holder, serials, func(fw *Sim, _ *xmltree.Element) { fw.pushed.TakeTemplate(configs) })
}

// pushTo has the firewalls that a device group or a template names under its <devices> take something; serials: only these of them.
func (p *Panorama) pushTo(what string, holder *xmltree.Element, serials []string, take func(fw *Sim, device *xmltree.Element)) error {
	devices := holder.Child("devices").Entries()
	if len(devices) == 0 {
		return fmt.Errorf("push %s: it names no firewall", what)
	}
	var failed []error
	for _, serial := range serials {
		if holder.Child("devices").Entry(serial) == nil {
			failed = append(failed, fmt.Errorf("push %s: it does not name %s", what, serial))
		}
	}
	for _, device := range devices {
		if len(serials) > 0 && !slices.Contains(serials, device.ID()) {
			continue
		}
		fw, err := p.firewall(device.ID())
		if err != nil {
			failed = append(failed, fmt.Errorf("push %s: %w", what, err))
			continue
		}
		fw.mu.Lock()
		take(fw, device)
		fw.policyChangedLocked()
		fw.mu.Unlock()
	}
	return errors.Join(failed...)
}

// Withdraw takes away everything that was pushed to a firewall, as one that leaves Panorama's management does when
// it is told to keep nothing.
func (p *Panorama) Withdraw(fw *Sim) {
	fw.mu.Lock()
	defer fw.mu.Unlock()
	fw.pushed.Withdraw()
	fw.policyChangedLocked()
}

// commitAll answers type=commit with action=all: it pushes the device groups that the command names, or a template or a stack of
// templates, all of it or to the firewalls that are named (pango v0.10.2, commit/pano.go).
func (p *Panorama) commitAll(c *call) answer.Answer {
	cmd, err := xmltree.Parse(c.form.Get("cmd"))
	if err != nil {
		return answer.Failure(18, "Malformed command")
	}
	var pushes []func() error
	for _, g := range cmd.Down("shared-policy", "device-group").Entries() {
		pushes = append(pushes, func() error { return p.Push(g.ID(), g.Child("devices").EntryNames()...) })
	}
	for _, kind := range []string{"template", "template-stack"} {
		if t := cmd.Child(kind); t != nil && t.Value("name") != "" {
			pushes = append(pushes, func() error { return p.PushTemplate(t.Value("name"), t.Child("device").Members()...) })
		}
	}
	if cmd.Name != "commit-all" || len(pushes) == 0 {
		return answer.Unexpected(cmd)
	}
	p.Sim.mu.Lock()
	defer p.Sim.mu.Unlock()
	id := p.jobs.Run("CommitAll", c.admin, func(context.Context) jobs.Result {
		var failed []string
		for _, push := range pushes {
			if err := push(); err != nil {
				failed = append(failed, strings.Split(err.Error(), "\n")...)
			}
		}
		if failed != nil {
			return jobs.Result{Details: failed}
		}
		return jobs.Result{OK: true, Details: []string{"Configuration committed successfully"}}
	})
	return answer.XML(http.StatusOK, fmt.Sprintf(`<response status="success" code="19"><result><msg><line>Job enqueued with `+
		`jobid %d</line></msg><job>%[1]d</job></result></response>`, id))
}
