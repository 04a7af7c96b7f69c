package panosim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/xmltree"
)

// revertText is recorded, as is the odd place of the failure's lines.
const revertText = "All changes were reverted from configuration"

// revertLocked drops edits that are not committed, and keeps the others as they are. False: one that stays builds
// on one that was to go; nothing is dropped then.
func (s *Sim) revertLocked(goes func(*edit) bool) bool {
	c := &s.config
	t := xmltree.NewTree(c.running)
	var kept []*edit
	for _, e := range c.journal {
		if goes(e) {
			continue
		}
		if !e.replay(&t) {
			return false
		}
		kept = append(kept, e)
	}
	c.journal, c.candidate = kept, t
	return true
}

// revertConfig answers "revert config", of everybody's edits, and "revert config partial" of some.
func (s *Sim) revertConfig(c *call, what *xmltree.Element) answer.Answer {
	plan := commitPlan{}
	if partial := what.Child("partial"); partial != nil {
		if refused := plan.choose(partial); refused != nil {
			return refused.answer()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runJobsLocked()
	if s.commitBusyLocked() != nil {
		return refuse(13, "Local commit jobs are queued. Revert operation is not allowed.").answer() // known text
	}
	if refused := s.refuseRevertLocked(c.admin); refused != nil {
		return refused.answer()
	}
	if !s.revertLocked(plan.chooses) {
		return answer.XML(http.StatusOK,
			`<response status="error"><result><msg><line>Failed to revert configuration.</line></msg></result></response>`)
	}
	return answer.Success("<result><msg><line>" + revertText + "</line></msg></result>")
}

// refuseRevertLocked refuses while another administrator holds a lock on the configuration.
func (s *Sim) refuseRevertLocked(admin string) *refusal {
	for _, l := range s.config.locks {
		if !l.commit && l.admin != admin {
			return refuse(13, "Configuration is locked by "+l.admin)
		}
	}
	return nil
}

// loadConfig answers "load config from running-config.xml", which drops everybody's edits. Other files are not kept.
func (s *Sim) loadConfig(c *call, what *xmltree.Element) answer.Answer {
	file := what.Value("from")
	if file != "running-config.xml" {
		return answer.Failure(0, file+" does not exist")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runJobsLocked()
	if refused := s.refuseRevertLocked(c.admin); refused != nil {
		return refused.answer()
	}
	s.revertLocked(func(*edit) bool { return true })
	return answer.Success("<result><msg><line>Config loaded from running-config.xml</line></msg></result>")
}

// pendingChanges answers "check pending-changes".
func (s *Sim) pendingChanges(*call, *xmltree.Element) answer.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runJobsLocked()
	if len(s.config.journal) > 0 {
		return answer.Success("<result>yes</result>")
	}
	return answer.Success("<result>no</result>")
}

// listChanges answers "show config list changes", with "partial admin" of some, in the shape of a recorded answer.
func (s *Sim) listChanges(_ *call, what *xmltree.Element) answer.Answer {
	plan := commitPlan{}
	if partial := what.Child("partial"); partial != nil {
		if refused := plan.choose(partial); refused != nil {
			return refused.answer()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runJobsLocked()
	changes := s.config.changes(plan.chooses)
	if len(changes) == 0 {
		return answer.Success("<result></result>")
	}
	var b strings.Builder
	for _, c := range changes {
		fmt.Fprintf(&b, "<entry><xpath>%s</xpath><owner>%s</owner><action> %s</action><admin-history>%s</admin-history>"+
			"<component-type>%s</component-type></entry>", answer.Escape(c.path), answer.Escape(c.admins[len(c.admins)-1]), c.action,
			answer.Escape(strings.Join(c.admins, ",")), c.component)
	}
	return answer.Success("<result><journal>" + b.String() + "</journal></result>")
}

// changed is what became of one place of the configuration since the last commit.
type changed struct {
	path      string
	action    string
	admins    []string // who touched it, the last one last
	component component
}

// changes sums the journal up.
func (c *configuration) changes(chosen func(*edit) bool) []changed {
	var out []changed
	at := map[string]int{}
	for _, e := range c.journal {
		if !chosen(e) {
			continue
		}
		for _, path := range e.touches() {
			text := path.String()
			i, known := at[text]
			if !known {
				i = len(out)
				at[text] = i
				out = append(out, changed{path: text, component: componentOf(path)})
			}
			if found := &out[i]; found.action != "CREATE" || e.action == "delete" {
				found.action = e.verb(path, c.running)
			}
			out[i].admins = append(slices.DeleteFunc(out[i].admins, func(a string) bool { return a == e.admin }), e.admin)
		}
	}
	return out
}

// verb names what the edit did to a place.
func (e *edit) verb(path xmltree.Path, running *xmltree.Element) string {
	switch {
	case e.action == "delete" || e.action == "move" || e.action == "rename":
		return strings.ToUpper(e.action)
	case len(path.Find(running)) == 0:
		return "CREATE"
	}
	return "EDIT"
}

// touches gives the places that an edit changed: of a set, the objects it brought, not the list in which they stand.
func (e *edit) touches() []xmltree.Path {
	if e.action != "set" {
		return []xmltree.Path{e.path}
	}
	at, _, _ := firewallSchema.at(e.path)
	return objectsBelow(e.path, at, e.element)
}

// objectsBelow gives the path of every object in the element, which stands at the path.
func objectsBelow(x xmltree.Path, at *schema, e *xmltree.Element) []xmltree.Path {
	if at == nil || at.leaf || at.list || at.rule || len(e.Children) == 0 || x.Last().Name == "entry" && !at.open {
		return []xmltree.Path{x}
	}
	var out []xmltree.Path
	for _, child := range e.Children {
		below, _ := at.below(child.Name)
		step := xmltree.Step{Name: child.Name}
		if child.Name == "entry" {
			step.Chosen = []xmltree.Key{child.Key()}
		}
		next := xmltree.Path{Steps: append(slices.Clip(x.Steps), step)}
		if at.entry != nil {
			out = append(out, next)
			continue
		}
		out = append(out, objectsBelow(next, below, child)...)
	}
	return out
}

// listAdmins answers "show config list admins": who has edits that are not committed. The shape is ours.
func (s *Sim) listAdmins(*call, *xmltree.Element) answer.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runJobsLocked()
	var admins []string
	for _, e := range s.config.journal {
		if !slices.Contains(admins, e.admin) {
			admins = append(admins, e.admin)
		}
	}
	var b strings.Builder
	for _, name := range admins {
		b.WriteString("<member>" + answer.Escape(name) + "</member>")
	}
	return answer.Success("<result><admins>" + b.String() + "</admins></result>")
}
