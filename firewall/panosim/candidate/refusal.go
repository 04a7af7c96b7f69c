package candidate

import (
	"fmt"
	"net/http"
	"strings"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/xmltree"
)

// refusal is why a call is not carried out, as the firewall answers it.
type refusal struct {
	code  int // 0: the answer has none
	lines []string
	soft  bool // status="success" all the same, as for an object that is not there
}

func refuse(code int, lines ...string) *refusal { return &refusal{code: code, lines: lines} }

// Error makes it an error for callers in Go.
func (r *refusal) Error() string {
	return fmt.Sprintf("code %d: %s", r.code, strings.Join(r.lines, " | "))
}

// missing is the refusal to touch what is not there.
func missing() *refusal {
	return &refusal{code: 7, lines: []string{"Object doesn't exist"}, soft: true}
}

// badPath is the refusal of an xpath that is none.
func badPath() *refusal { return refuse(6, "Bad XPath") }

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
