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
	BusyText    = "Another commit/validate is in progress. Please try again later"
	installText = "You cannot commit while an install is in progress. Please try again later."
	sameText    = "The result of this commit would be the same as the previous commit queued/processed. " +
		"No edits have been made in between these two commits."
	noChangesText = "There are no changes to commit."
)

// commitPlan is what a commit is asked to publish.
type commitPlan struct {
	description string
	force       bool     // even if there is nothing to publish
	partial     bool     // only the edits chosen by what follows
	admins      []string // whose; nil: everybody's
	excluded    map[component]bool
	validate    bool // publish nothing, only find out whether it could be
}

// component is a part of the configuration that a partial commit can leave out.
type component string

// The components, by the names they have in the command.
const (
	deviceAndNetwork component = "device-and-network"
	sharedObject     component = "shared-object"
	policyAndObjects component = "policy-and-objects"
)

// componentOf says to which part an edit belongs. Zones and what interfaces a virtual system has count as network.
func componentOf(x xmltree.Path) component {
	var names []string
	for _, s := range x.Steps {
		if s.Name != "entry" {
			names = append(names, s.Name)
		}
	}
	switch {
	case len(names) < 2:
	case names[1] == "shared":
		return sharedObject
	case len(names) > 2 && (names[2] == "vsys" || names[2] == "device-group"):
		if len(names) > 3 && (names[3] == "zone" || names[3] == "import") {
			return deviceAndNetwork
		}
		return policyAndObjects
	}
	return deviceAndNetwork
}

// parseCommit reads <commit> and <validate>.
func parseCommit(cmd *xmltree.Element) (commitPlan, *refusal) {
	plan := commitPlan{validate: cmd.Name == "validate"}
	for _, part := range cmd.Children {
		switch part.Name {
		case "description":
			plan.description = part.Text
		case "full":
		case "force":
			plan.force = true
			if inner := part.Child("partial"); inner != nil {
				if refused := plan.choose(inner); refused != nil {
					return plan, refused
				}
			}
		case "partial":
			if refused := plan.choose(part); refused != nil {
				return plan, refused
			}
		default:
			return plan, refuse(17, cmd.Name+" -> "+part.Name+" unexpected here")
		}
	}
	return plan, nil
}

// choose reads <partial>.
func (p *commitPlan) choose(partial *xmltree.Element) *refusal {
	p.partial, p.excluded = true, map[component]bool{}
	for _, part := range partial.Children {
		switch name := component(part.Name); name {
		case "admin":
			p.admins = part.Members()
		case deviceAndNetwork, sharedObject, policyAndObjects:
			if part.Text != "excluded" {
				return refuse(17, "commit -> partial -> "+part.Name+" '"+part.Text+"' is not an allowed keyword")
			}
			p.excluded[name] = true
		default:
			return refuse(17, "commit -> partial -> "+part.Name+" unexpected here")
		}
	}
	return nil
}

// chooses says whether the commit publishes the edit.
func (p *commitPlan) chooses(e *edit) bool {
	return !p.partial || (len(p.admins) == 0 || slices.Contains(p.admins, e.admin)) && !p.excluded[componentOf(e.path)]
}

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
	chosen := c.chosen(plan)
	if len(chosen) == 0 && !plan.force && !plan.validate {
		switch c.o.Dialect.NoChanges {
		case dialect.NoChangesPlain:
			return answer.XML(http.StatusOK, `<response status="success" code="19"><msg>`+noChangesText+`</msg></response>`)
		case dialect.NoChangesSame:
			return answer.XML(http.StatusOK, `<response status="success" code="13"><msg>`+sameText+`</msg></response>`)
		}
	}
	kind, id := c.enqueue(admin, plan, chosen)
	return answer.XML(http.StatusOK, fmt.Sprintf(`<response status="success" code="19"><result><msg><line>%s job enqueued `+
		`with jobid %d</line></msg><job>%[2]d</job></result></response>`, kind, id))
}

// refuseCommit says why a commit cannot even be enqueued; nil: it can.
func (c *Config) refuseCommit(admin string, plan commitPlan) *refusal {
	if c.o.Jobs.GoingOn("Install", "Downld") {
		return refuse(13, installText)
	}
	for _, l := range c.locks {
		switch {
		case l.admin == admin || plan.validate:
		case l.commit && l.scope == schema.SharedScope:
			return refuse(14, "Other administrators are holding device wide commit locks.")
		case l.commit:
			return refuse(14, "Other administrators are holding commit locks.")
		case c.o.Dialect.LockedCommit == dialect.LockedCommitRefused:
			return refuse(14, "Other administrators are holding config locks for scope "+l.scope+".")
		}
	}
	if c.o.Jobs.Queuing() && c.o.Dialect.Busy == dialect.BusyRefuses {
		return refuse(13, BusyText)
	}
	return nil
}

// chosen gives the edits that a commit publishes, without those that one before it is about to.
func (c *Config) chosen(plan commitPlan) []*edit {
	var out []*edit
	for _, e := range c.journal {
		if plan.chooses(e) && (plan.validate || !e.queued) {
			out = append(out, e)
		}
	}
	return out
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
	root, lines := c.with(wanted)
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
	c.journal = slices.DeleteFunc(slices.Clone(c.journal), func(e *edit) bool {
		if wanted[e] {
			e.mark.Lift()
		}
		return wanted[e]
	})
	c.SetRunning(root)
	// A lock on commits ends with its owner's commit (PAN-OS documentation, "Manage Locks for Restricting
	// Configuration Changes").
	c.locks = slices.DeleteFunc(c.locks, func(l lock) bool { return l.commit && l.admin == admin })
	return jobs.Result{OK: true, Details: c.committed(root), Warnings: warnings}
}

// with gives the running configuration with these edits of the journal carried out. The lines say why that cannot
// be: an edit builds on one that is not among them, or one that stays pending would not be the same any more. How
// PAN-OS decides that, and how it words it, no source shows; that a commit of one administrator can fail for what
// another has not committed is background knowledge.
func (c *Config) with(wanted map[*edit]bool) (*xmltree.Element, []string) {
	t := xmltree.NewTree(c.running)
	var rest []*edit
	for _, e := range c.journal {
		if !wanted[e] {
			rest = append(rest, e)
		}
	}
	if len(rest) == 0 {
		return c.candidate.State(), nil
	}
	lines := []string{"Partial commit failed"}
	for _, e := range c.journal {
		if wanted[e] && !e.replay(&t) {
			lines = append(lines, e.describe()+" depends on changes of other administrators that are not committed")
		}
	}
	root := t.State()
	for _, e := range rest {
		if !e.replay(&t) {
			lines = append(lines, e.describe()+", which is not committed, depends on this commit")
		}
	}
	if len(lines) == 1 && !t.Root.Alike(c.candidate.Root) {
		lines = append(lines, "Administrators have changed the same part of the configuration")
	}
	if len(lines) > 1 {
		return nil, lines
	}
	return root, nil
}

func (e *edit) describe() string { return "Change of " + e.admin + " at " + e.path.String() }

// replay carries the edit out on another tree than the one it was made for; false: what it builds on is not there.
func (e *edit) replay(t *xmltree.Tree) bool {
	if len((xmltree.Path{Steps: e.path.Steps[:e.base]}).Find(t.Root)) == 0 {
		return false
	}
	_, refused := e.apply(t)
	return refused == nil || refused.code == 14 // moved to where it stands
}

// newFaults gives what a commit would find wrong with a configuration, without what was wrong already: a test
// that describes a part of a firewall shall not have to describe the rest.
func (c *Config) newFaults(root *xmltree.Element) []string {
	lines := schema.Invalid(root, schema.NewInventory(root, c.o.Pushed.Objects))
	if len(lines) == 0 {
		return nil
	}
	before := map[string]bool{}
	for _, line := range schema.Invalid(c.running, schema.NewInventory(c.running, c.o.Pushed.Objects)) {
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
	for _, e := range c.journal {
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
