package candidate

import (
	"fmt"
	"net/http"
	"strings"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/xmltree"
)

// View is a configuration as it was at a moment, ready to be read without the lock.
type View struct {
	root    *xmltree.Element
	shows   func(*xmltree.Element) bool // which elements show their marks
	get     bool                        // in the answers of action=get, else of action=show
	badPath dialect.BadPath
}

// View gives the candidate, or the running configuration.
func (c *Config) View(candidate bool) View {
	root, shows := c.Running(), (func(*xmltree.Element) bool)(nil)
	if candidate {
		root, shows = c.Candidate(), marked(c.o.Dialect.Marking)
	}
	return View{root: root, shows: shows, get: candidate, badPath: c.o.Dialect.BadPath}
}

// Read answers action=get of the candidate and action=show of the running configuration.
func (v View) Read(xpath string) answer.Answer {
	path, err := xmltree.ParsePath(xpath)
	if err != nil && v.badPath == dialect.BadPathRefused {
		return badPath().answer()
	}
	var found []xmltree.Chain
	if err == nil {
		found = path.Find(v.root)
	}
	var b strings.Builder
	n := path.Write(&b, found, v.shows)
	switch {
	case v.get && n == 0:
		return answer.XML(http.StatusOK, `<response status="success" code="7"><result/></response>`)
	case v.get:
		return answer.XML(http.StatusOK, fmt.Sprintf(
			`<response status="success" code="19"><result total-count="%[1]d" count="%[1]d">%s</result></response>`, n, b.String()))
	case n == 0:
		return answer.Failure(0, "No such node")
	}
	return answer.Success("<result>" + b.String() + "</result>")
}

// Show answers "show config running" and "show config candidate": the whole configuration, whatever the command adds to
// filter it. Anything below the element is refused with the text recorded for an xpath there.
func (v View) Show(r answer.Request) answer.Answer {
	if len(r.At.Children) > 0 {
		return answer.Failure(0, "No such node")
	}
	var b strings.Builder
	v.root.Write(&b, v.shows)
	return answer.Success("<result>" + b.String() + "</result>")
}
