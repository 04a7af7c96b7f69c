package panosim

import (
	"net/http"
	"strings"
)

// multiConfig answers action=multi-config: several edits of which all are carried out or none. The answer has one
// for each until the first that is refused (PAN-OS 10.1.5 and 10.2, by the comments of clients).
//
// With strict-transactional=yes it is refused while a commit runs or waits, and first drops what the administrator
// has not committed (documented by pan-python, which warns of it).
func (s *Sim) multiConfig(c *call) answer {
	if !s.version.from(10, 2) && (!s.version.from(10, 1) || s.version.patch < 5) {
		return badRequest(`Illegal value for parameter "action".`)
	}
	all, err := parseConfig(c.form.Get("element"))
	if err != nil || all.name != "multi-configure-request" {
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
	before, edits, journal := config.candidate.state(), config.edits, config.journal
	var b strings.Builder
	outer := `<response status="success" code="20">`
	for _, part := range all.children {
		refused := s.editPartLocked(c.admin, part)
		b.WriteString(refused.response(part.attributes["id"]))
		if refused != nil && !refused.soft {
			outer = `<response status="error" code="13">`
			config.candidate, config.edits, config.journal = newTree(before), edits, journal
			break
		}
	}
	return xmlAnswer(http.StatusOK, outer+b.String()+"</response>")
}

// editPartLocked carries out one part of a multi-config.
func (s *Sim) editPartLocked(admin string, part *element) *refusal {
	r := request{
		action: part.name, path: part.attributes["xpath"],
		where: part.attributes["where"], dst: part.attributes["dst"], newName: part.attributes["newname"],
	}
	switch part.name {
	case "set", "edit", "delete", "move", "rename":
	default:
		return refuse(12, part.name+" unexpected here")
	}
	e, refused := r.parse()
	if refused != nil {
		return refused
	}
	switch part.name {
	case "set":
		e.element = &element{name: "set", text: part.text, children: part.children}
	case "edit":
		if len(part.children) != 1 {
			return refuse(12, "edit is invalid")
		}
		e.element = part.children[0]
	}
	unmark(e.element)
	return s.editLocked(admin, e)
}
