package panosim

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/dialect"
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

// commit answers type=commit.
func (s *Sim) commit(c *call) answer.Answer {
	cmd, err := xmltree.Parse(c.form.Get("cmd"))
	if err != nil {
		return answer.Failure(18, "Malformed command")
	}
	if cmd.Name != "commit" {
		return answer.Unexpected(cmd)
	}
	return s.requestCommit(c, cmd)
}

// requestValidate answers "validate full" and "validate partial".
func (s *Sim) requestValidate(c *call, cmd *xmltree.Element) answer.Answer {
	return s.requestCommit(c, cmd)
}

// requestCommit enqueues a commit or a validation, or says why not.
func (s *Sim) requestCommit(c *call, cmd *xmltree.Element) answer.Answer {
	plan, refused := parseCommit(cmd)
	if refused != nil {
		return refused.answer()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runJobsLocked()
	if refused := s.refuseCommitLocked(c.admin, plan); refused != nil {
		return refused.answer()
	}
	chosen := s.chosenLocked(plan)
	if len(chosen) == 0 && !plan.force && !plan.validate {
		switch s.dialect.NoChanges {
		case dialect.NoChangesPlain:
			return answer.XML(http.StatusOK, `<response status="success" code="19"><msg>`+noChangesText+`</msg></response>`)
		case dialect.NoChangesSame:
			return answer.XML(http.StatusOK, `<response status="success" code="13"><msg>`+sameText+`</msg></response>`)
		}
	}
	j := s.enqueueLocked(c.admin, plan, chosen)
	return answer.XML(http.StatusOK, fmt.Sprintf(`<response status="success" code="19"><result><msg><line>%s job enqueued `+
		`with jobid %d</line></msg><job>%[2]d</job></result></response>`, j.kind, j.id))
}

// refuseCommitLocked says why a commit cannot even be enqueued; nil: it can.
func (s *Sim) refuseCommitLocked(admin string, plan commitPlan) *refusal {
	for _, j := range s.jobs.list {
		if j.ended.IsZero() && (j.kind == "Install" || j.kind == "Downld") {
			return refuse(13, installText)
		}
	}
	for _, l := range s.config.locks {
		switch {
		case l.admin == admin || plan.validate:
		case l.commit && l.scope == sharedScope:
			return refuse(14, "Other administrators are holding device wide commit locks.")
		case l.commit:
			return refuse(14, "Other administrators are holding commit locks.")
		case s.dialect.LockedCommit == dialect.LockedCommitRefused:
			return refuse(14, "Other administrators are holding config locks for scope "+l.scope+".")
		}
	}
	if s.commitBusyLocked() != nil && s.dialect.Busy == dialect.BusyRefuses {
		return refuse(13, busyText)
	}
	return nil
}

// commitBusyLocked gives the commit or validation that runs or waits, if there is one.
func (s *Sim) commitBusyLocked() *job {
	for _, j := range s.jobs.list {
		if j.finish != nil && j.ended.IsZero() {
			return j
		}
	}
	return nil
}

// chosenLocked gives the edits that a commit publishes, without those that one before it is about to.
func (s *Sim) chosenLocked(plan commitPlan) []*edit {
	var out []*edit
	for _, e := range s.config.journal {
		if plan.chooses(e) && (plan.validate || !e.queued) {
			out = append(out, e)
		}
	}
	return out
}

// enqueueLocked puts a commit into the queue.
func (s *Sim) enqueueLocked(admin string, plan commitPlan, chosen []*edit) *job {
	kind := "Commit"
	if plan.validate {
		kind = "Validate"
	}
	j := s.listJobLocked(kind, admin)
	j.description, j.takes = plan.description, s.opts.CommitTime
	wanted := make(map[*edit]bool, len(chosen))
	for _, e := range chosen {
		wanted[e] = true
		e.queued = e.queued || !plan.validate
	}
	j.finish = func() jobResult {
		result := s.publishLocked(admin, plan, wanted)
		for e := range wanted {
			e.queued = false
		}
		return result
	}
	s.startJobsLocked(j.queued)
	return j
}

// publishLocked makes the edits part of the running configuration, or says why they cannot be.
func (s *Sim) publishLocked(admin string, plan commitPlan, wanted map[*edit]bool) jobResult {
	root, lines := s.config.with(wanted)
	if lines == nil {
		lines = s.newFaultsLocked(root)
	}
	if lines == nil {
		lines, s.config.failCommit = s.config.failCommit, nil
	}
	if lines != nil {
		return jobResult{details: lines}
	}
	warnings := s.config.warnCommit
	if plan.validate {
		return jobResult{ok: true, details: []string{"Configuration is valid"}, warnings: warnings}
	}
	s.config.warnCommit = nil
	s.config.journal = slices.DeleteFunc(slices.Clone(s.config.journal), func(e *edit) bool {
		if wanted[e] {
			e.mark.Lift()
		}
		return wanted[e]
	})
	s.setRunningLocked(root)
	// A lock on commits ends with its owner's commit (PAN-OS documentation, "Manage Locks for Restricting
	// Configuration Changes").
	s.config.locks = slices.DeleteFunc(s.config.locks, func(l lock) bool { return l.commit && l.admin == admin })
	return jobResult{ok: true, details: s.committed(root), warnings: warnings}
}

// with gives the running configuration with these edits of the journal carried out. The lines say why that cannot
// be: an edit builds on one that is not among them, or one that stays pending would not be the same any more. How
// PAN-OS decides that, and how it words it, no source shows; that a commit of one administrator can fail for what
// another has not committed is background knowledge.
func (c *configuration) with(wanted map[*edit]bool) (*xmltree.Element, []string) {
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

// newFaultsLocked gives what a commit would find wrong with a configuration, without what was wrong already: a test
// that describes a part of a firewall shall not have to describe the rest.
func (s *Sim) newFaultsLocked(root *xmltree.Element) []string {
	lines := invalid(root, newInventory(root, s.pushedObjectsLocked))
	if len(lines) == 0 {
		return nil
	}
	before := map[string]bool{}
	for _, line := range invalid(s.config.running, newInventory(s.config.running, s.pushedObjectsLocked)) {
		before[line] = true
	}
	lines = slices.DeleteFunc(lines, func(line string) bool { return before[line] })
	if len(lines) == 0 {
		return nil
	}
	return append([]string{"Validation Error:"}, lines...)
}

// committed gives the lines of a commit that went well; newer versions tell sizes, too.
func (s *Sim) committed(root *xmltree.Element) []string {
	lines := []string{"Configuration committed successfully"}
	if s.version.AtLeast(11, 0) {
		size := len(root.String()) >> 10
		lines = append(lines, fmt.Sprintf("Local configuration size: %d KB", size),
			"Predefined configuration size: 14 MB", "Total configuration size(local, predefined): 14 MB",
			"Maximum recommended configuration size: 120 MB (11% configured)")
	}
	return lines
}

// Commit has an administrator commit everything that is pending, at once and regardless of locks, as a person at
// the firewall does behind the client's back. The error has the lines of the job that failed.
func (s *Sim) Commit(admin string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runJobsLocked()
	plan := commitPlan{force: true}
	wanted := map[*edit]bool{}
	for _, e := range s.config.journal {
		wanted[e] = true
	}
	j := s.listJobLocked("Commit", admin)
	j.started = j.queued
	j.endLocked(s.publishLocked(admin, plan, wanted), j.queued)
	if !j.ok {
		return errors.New("commit by " + admin + ": " + strings.Join(j.details, " | "))
	}
	return nil
}

// FailCommit has the next commit or validation fail with these lines, whatever it holds.
func (s *Sim) FailCommit(lines ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config.failCommit = slices.Clone(lines)
}

// WarnCommit has the next commit end with these warnings.
func (s *Sim) WarnCommit(lines ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config.warnCommit = slices.Clone(lines)
}
