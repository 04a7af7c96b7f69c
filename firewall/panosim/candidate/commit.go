package candidate

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/jobs"
	"activedefense/firewall/panosim/schema"
	"activedefense/firewall/panosim/xmltree"
)

// Texts that clients look for, or have recorded.
const (
	busyText    = "Another commit/validate is in progress. Please try again later"
	installText = "You cannot commit while an install is in progress. Please try again later."
	sameText    = "The result of this commit would be the same as the previous commit queued/processed. " +
		"No edits have been made in between these two commits."
	noChangesText = "There are no changes to commit."
)

// RequestCommit answers <commit> and <validate>: it enqueues a commit or a validation, or says why not.
func (c *Config) RequestCommit(admin string, cmd *xmltree.Element) answer.Answer {
	plan, refused := parseCommit(cmd)
	if refused != nil {
		return refused.answer()
	}
	c.o.Jobs.Due()
	if refused := c.refuseCommit(admin, plan); refused != nil {
		return refused.answer()
	}
	chosen := c.journal.choose(func(e *edit) bool { return plan.chooses(e) && (plan.validate || !e.queued) })
	if len(chosen) == 0 && !plan.force && !plan.validate {
		switch c.o.Dialect.NoChanges {
		case dialect.NoChangesPlain:
			return answer.XML(http.StatusOK, `<response status="success" code="19"><msg>`+noChangesText+`</msg></response>`)
		case dialect.NoChangesSame:
			return answer.XML(http.StatusOK, `<response status="success" code="13"><msg>`+sameText+`</msg></response>`)
		}
	}
	kind, id := c.enqueue(admin, plan, chosen)
	if c.o.Dialect.JobNumbers == dialect.JobNumbersCutInAnswer {
		id &= 0xffff
	}
	return answer.XML(http.StatusOK, fmt.Sprintf(`<response status="success" code="19"><result><msg><line>%s job enqueued `+
		`with jobid %d</line></msg><job>%[2]d</job></result></response>`, kind, id))
}

// refuseCommit says why a commit cannot even be enqueued; nil: it can.
func (c *Config) refuseCommit(admin string, plan commitPlan) *refusal {
	if c.o.Jobs.GoingOn("Install", "Downld") {
		return refuse(13, installText)
	}
	if refused := c.locks.refuseCommit(admin, plan.validate); refused != nil {
		return refused
	}
	if c.o.Jobs.Queuing() && c.o.Dialect.Busy == dialect.BusyRefuses {
		return refuse(13, busyText)
	}
	return nil
}

// enqueue puts a commit into the queue, and gives what kind of job it is, with its number.
func (c *Config) enqueue(admin string, plan commitPlan, chosen []*edit) (kind string, id int) {
	kind = "Commit"
	if plan.validate {
		kind = "Validate"
	}
	wanted := make(map[*edit]bool, len(chosen))
	for _, e := range chosen {
		wanted[e] = true
		e.queued = e.queued || !plan.validate
	}
	return kind, c.o.Jobs.Enqueue(kind, admin, plan.description, c.o.CommitTime, func() jobs.Result {
		result := c.publish(admin, plan, wanted)
		for e := range wanted {
			e.queued = false
		}
		return result
	})
}

// publish makes the edits part of the running configuration, or says why they cannot be.
func (c *Config) publish(admin string, plan commitPlan, wanted map[*edit]bool) jobs.Result {
	root, lines := c.journal.with(wanted)
	if lines == nil {
		lines = c.newFaults(root)
	}
	if lines == nil {
		lines, c.failCommit = c.failCommit, nil
	}
	if lines != nil {
		return jobs.Result{Details: lines}
	}
	warnings := c.warnCommit
	if plan.validate {
		return jobs.Result{OK: true, Details: []string{"Configuration is valid"}, Warnings: warnings}
	}
	c.warnCommit = nil
	c.journal.drop(func(e *edit) bool { return wanted[e] })
	c.SetRunning(root)
	c.o.Done(admin, "commit", "", "")
	c.locks.committed(admin)
	return jobs.Result{OK: true, Details: c.committed(root), Warnings: warnings}
}

// newFaults gives what a commit would find wrong with a configuration, without what was wrong already: a test
// that describes a part of a firewall shall not have to describe the rest.
func (c *Config) newFaults(root *xmltree.Element) []string {
	empty := c.o.Dialect.EmptyText == dialect.EmptyTextTaken
	lines := schema.Invalid(root, schema.NewInventory(root, c.o.Pushed.Objects), empty)
	if len(lines) == 0 {
		return nil
	}
	before := map[string]bool{}
	for _, line := range schema.Invalid(c.journal.running, schema.NewInventory(c.journal.running, c.o.Pushed.Objects), empty) {
		before[line] = true
	}
	lines = slices.DeleteFunc(lines, func(line string) bool { return before[line] })
	if len(lines) == 0 {
		return nil
	}
	return append([]string{"Validation Error:"}, lines...)
}

// committed gives the lines of a commit that went well; newer versions tell sizes, too.
func (c *Config) committed(root *xmltree.Element) []string {
	lines := []string{"Configuration committed successfully"}
	if c.o.Version.AtLeast(11, 0) {
		size := len(root.String()) >> 10
		lines = append(lines, fmt.Sprintf("Local configuration size: %d KB", size),
			"Predefined configuration size: 14 MB", "Total configuration size(local, predefined): 14 MB",
			"Maximum recommended configuration size: 120 MB (11% configured)")
	}
	return lines
}

// Commit has an administrator commit everything that is pending, at once and regardless of locks, as a person at
// the firewall does behind the client's back. The error has the lines of the job that failed.
func (c *Config) Commit(admin string) error {
	c.o.Jobs.Due()
	plan := commitPlan{force: true}
	wanted := map[*edit]bool{}
	for _, e := range c.journal.edits {
		wanted[e] = true
	}
	end := c.o.Jobs.Hold("Commit", admin)
	result := c.publish(admin, plan, wanted)
	end(result)
	if !result.OK {
		return errors.New("commit by " + admin + ": " + strings.Join(result.Details, " | "))
	}
	return nil
}

// FailNext has the next commit or validation fail with these lines, whatever it holds.
func (c *Config) FailNext(lines ...string) {
	c.failCommit = slices.Clone(lines)
}

// WarnNext has the next commit end with these warnings.
func (c *Config) WarnNext(lines ...string) {
	c.warnCommit = slices.Clone(lines)
}
