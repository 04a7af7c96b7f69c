package panosim

import (
	"fmt"
	"net/http"
	"strings"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/xmltree"
)

// classifyConfig chooses what answers a call of type=config.
func (c *call) classifyConfig() {
	action := c.form.Get("action")
	switch action {
	case "get", "show":
		c.kind, c.run = KindConfigRead, (*Sim).readConfig
	case "set", "edit", "delete", "move", "rename":
		c.kind, c.run = KindConfigWrite, (*Sim).writeConfig
	case "multi-config":
		c.kind, c.run = KindMultiConfig, (*Sim).multiConfig
	case "":
		c.run = func(*Sim, *call) answer.Answer { return answer.BadRequest(`Missing value for parameter "action".`) }
		return
	default:
		c.run = func(*Sim, *call) answer.Answer { return answer.BadRequest(`Illegal value for parameter "action".`) }
		return
	}
	for _, name := range needed(action) {
		if c.form.Get(name) == "" {
			c.run = func(*Sim, *call) answer.Answer {
				return answer.BadRequest(fmt.Sprintf(`Missing value for parameter %q.`, name))
			}
			return
		}
	}
}

// needed lists the parameters without which an action makes no sense.
func needed(action string) []string {
	switch action {
	case "set", "edit":
		return []string{"xpath", "element"}
	case "multi-config":
		return []string{"element"}
	case "move":
		return []string{"xpath", "where"}
	case "rename":
		return []string{"xpath", "newname"}
	}
	return []string{"xpath"}
}

// readConfig answers action=get, of the candidate, and action=show, of the running configuration.
func (s *Sim) readConfig(c *call) answer.Answer {
	s.mu.Lock()
	s.runJobsLocked()
	shows, bad := marked(s.dialect.Marking), s.dialect.BadPath
	root := s.config.running
	get := c.form.Get("action") == "get"
	if get {
		root = s.candidateLocked()
	} else {
		shows = nil
	}
	s.mu.Unlock()

	path, err := xmltree.ParsePath(c.form.Get("xpath"))
	if err != nil && bad == dialect.BadPathRefused {
		return badPath().answer()
	}
	var found []xmltree.Chain
	if err == nil {
		found = path.Find(root)
	}
	var b strings.Builder
	n := path.Write(&b, found, shows)
	switch {
	case get && n == 0:
		return answer.XML(http.StatusOK, `<response status="success" code="7"><result/></response>`)
	case get:
		return answer.XML(http.StatusOK, fmt.Sprintf(
			`<response status="success" code="19"><result total-count="%[1]d" count="%[1]d">%s</result></response>`, n, b.String()))
	case n == 0:
		return answer.Failure(0, "No such node")
	}
	return answer.Success("<result>" + b.String() + "</result>")
}

// writeConfig answers the actions that change the candidate, one at a time.
func (s *Sim) writeConfig(c *call) answer.Answer {
	r := request{
		action: c.form.Get("action"), path: c.form.Get("xpath"), content: c.form.Get("element"),
		where: c.form.Get("where"), dst: c.form.Get("dst"), newName: c.form.Get("newname"),
	}
	e, refused := r.edit()
	if refused == nil {
		s.mu.Lock()
		s.runJobsLocked()
		refused = s.editLocked(c.admin, e)
		s.mu.Unlock()
	}
	return refused.answer()
}

// answer is what the firewall sends; nil is that everything went well.
func (r *refusal) answer() answer.Answer {
	return answer.XML(http.StatusOK, r.response(""))
}

// response writes the element; id is that of a part of a multi-config, "" for none.
func (r *refusal) response(id string) string {
	if id != "" {
		id = ` id="` + xmltree.EscapeAttribute(id) + `"`
	}
	switch {
	case r == nil:
		return `<response status="success" code="20"` + id + `><msg>command succeeded</msg></response>`
	case r.soft:
		return fmt.Sprintf(`<response status="success" code="%d"%s><msg>%s</msg></response>`, r.code, id, xmltree.EscapeText(r.lines[0]))
	}
	var b strings.Builder
	b.WriteString(`<response status="error"`)
	if r.code != 0 {
		fmt.Fprintf(&b, ` code="%d"`, r.code)
	}
	b.WriteString(id + "><msg>")
	for _, line := range r.lines {
		b.WriteString("<line><![CDATA[ " + strings.ReplaceAll(readable(line), "]]>", "]]]]><![CDATA[>") + "]]></line>")
	}
	b.WriteString("</msg></response>")
	return b.String()
}

// readable replaces what cannot stand in XML.
func readable(text string) string {
	return strings.Map(func(r rune) rune {
		if !xmltree.IsText(r) {
			return '?'
		}
		return r
	}, text)
}
