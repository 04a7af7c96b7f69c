package panosim

import (
	"net/http"
	"strings"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/xmltree"
)

// multiConfig answers action=multi-config: several edits of which all are carried out or none. The answer has one
// for each until the first that is refused (PAN-OS 10.1.5 and 10.2, by the comments of clients).
//
// With strict-transactional=yes it is refused while a commit runs or waits, and first drops what the administrator
// has not committed (documented by pan-python, which warns of it).
func (s *Sim) multiConfig(c *call) answer.Answer {
	if !s.version.AtLeast(10, 2) && (!s.version.AtLeast(10, 1) || s.version.Patch < 5) {
		return answer.BadRequest(`Illegal value for parameter "action".`)
	}
	all, err := xmltree.ParseConfig(c.form.Get("element"))
	if err != nil || all.Name != "multi-configure-request" {
		return refuse(12, "multi-configure-request is invalid").answer()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runJobsLocked()
	if c.form.Get("strict-transactional") == "yes" {
		if s.commitBusyLocked() != nil {
			return refuse(13, busyText).answer()
		}
		s.revertLocked(func(e *edit) bool { return e.admin == c.admin })
	}
	config := &s.config
	before, edits, journal := config.candidate.State(), config.edits, config.journal
	var b strings.Builder
	outer := `<response status="success" code="20">`
	for _, part := range all.Children {
		refused := s.editPartLocked(c.admin, part)
		b.WriteString(refused.response(part.Attributes["id"]))
		if refused != nil && !refused.soft {
			outer = `<response status="error" code="13">`
			config.candidate, config.edits, config.journal = xmltree.NewTree(before), edits, journal
			break
		}
	}
	return answer.XML(http.StatusOK, outer+b.String()+"</response>")
}

// editPartLocked carries out one part of a multi-config.
func (s *Sim) editPartLocked(admin string, part *xmltree.Element) *refusal {
	r := request{
		action: part.Name, path: part.Attributes["xpath"],
		where: part.Attributes["where"], dst: part.Attributes["dst"], newName: part.Attributes["newname"],
	}
	switch part.Name {
	case "set", "edit", "delete", "move", "rename":
	default:
		return refuse(12, part.Name+" unexpected here")
	}
	e, refused := r.parse()
	if refused != nil {
		return refused
	}
	switch part.Name {
	case "set":
		e.element = &xmltree.Element{Name: "set", Text: part.Text, Children: part.Children}
	case "edit":
		if len(part.Children) != 1 {
			return refuse(12, "edit is invalid")
		}
		e.element = part.Children[0]
	}
	unmark(e.element)
	return s.editLocked(admin, e)
}
