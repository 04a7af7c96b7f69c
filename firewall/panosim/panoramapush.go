package panosim

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/devicegroup"
	"activedefense/firewall/panosim/jobs"
	"activedefense/firewall/panosim/xmltree"
)

// Push pushes a device group of the Panorama's committed configuration, and with it what it inherits from the groups
// above it and what is shared, to the firewalls and virtual systems that the group names under its <devices>. A rule
// with a <target> goes only where that says. The groups below it are left as they are.
// What had been pushed for the same virtual system before is gone. The error names the firewalls that could not be
// reached, the others have it; or it says that there is no such group, or that it names no firewall.
func (p *Panorama) Push(group string) error {
	p.Sim.mu.Lock()
	root := p.config.Running()
	p.Sim.mu.Unlock()
	line := devicegroup.Lineage(root, group)
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
		fw.mu.Lock()
		fw.pushed.Take(root.Child("shared"), line, device.Child("vsys").EntryNames())
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

// commitAll answers type=commit with action=all: it pushes the device groups that the command names.
func (p *Panorama) commitAll(c *call) answer.Answer {
	cmd, err := xmltree.Parse(c.form.Get("cmd"))
	if err != nil {
		return answer.Failure(18, "Malformed command")
	}
	groups := cmd.Down("shared-policy", "device-group").EntryNames()
	if cmd.Name != "commit-all" || len(groups) == 0 {
		return answer.Unexpected(cmd)
	}
	p.Sim.mu.Lock()
	defer p.Sim.mu.Unlock()
	id := p.jobs.Run("CommitAll", c.admin, func(context.Context) jobs.Result {
		var failed []string
		for _, group := range groups {
			if err := p.Push(group); err != nil {
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
