package candidate

import (
	"net/http"
	"strings"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/xmltree"
)

// Multi answers action=multi-config: several edits of which all are carried out or none. The answer has one
// for each until the first that is refused (PAN-OS 10.1.5 and 10.2, by the comments of clients).
//
// A strict one is refused while a commit runs or waits, and first drops what the administrator
// has not committed (documented by pan-python, which warns of it).
func (c *Config) Multi(admin, element string, strict bool) answer.Answer {
	if !c.o.Version.AtLeast(10, 2) && (!c.o.Version.AtLeast(10, 1) || c.o.Version.Patch < 5) {
		return answer.BadRequest(`Illegal value for parameter "action".`)
	}
	all, err := xmltree.ParseConfig(element)
	if err != nil || all.Name != "multi-configure-request" && all.Name != "multi-config" { // the other name is of pan-python's live tests
		return refuse(12, "multi-configure-request is invalid").answer()
	}
	c.o.Jobs.Due()
	if strict {
		if c.o.Jobs.Queuing() {
			return refuse(13, busyText).answer()
		}
		c.journal.revert(func(e *edit) bool { return e.admin == admin })
	}
	state, before := c.journal.candidate.State(), c.journal
	var b strings.Builder
	outer := `<response status="success" code="20">`
	for _, part := range all.Children {
		refused := c.editPart(admin, part)
		b.WriteString(refused.response(part.Attributes["id"]))
		if refused != nil && !refused.soft {
			outer = `<response status="error" code="13">`
			c.journal = before
			c.journal.candidate = xmltree.NewTree(state)
			break
		}
	}
	return answer.XML(http.StatusOK, outer+b.String()+"</response>")
}

// editPart carries out one part of a multi-config.
func (c *Config) editPart(admin string, part *xmltree.Element) *refusal {
	r := Request{
		Action: part.Name, Path: part.Attributes["xpath"],
		Where: part.Attributes["where"], Destination: part.Attributes["dst"], NewName: part.Attributes["newname"],
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
	return c.edit(admin, e)
}
