package candidate

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/schema"
	"activedefense/firewall/panosim/xmltree"
)

// RevertText is recorded, as is the odd place of the failure's lines.
const RevertText = "All changes were reverted from configuration"

// revert drops edits that are not committed, and keeps the others as they are. False: one that stays builds
// on one that was to go; nothing is dropped then.
func (c *Config) revert(goes func(*edit) bool) bool {
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

// Revert answers "revert config", of everybody's edits, and "revert config partial" of some.
func (c *Config) Revert(r answer.Request) answer.Answer {
	plan := commitPlan{}
	if partial := r.At.Child("partial"); partial != nil {
		if refused := plan.choose(partial); refused != nil {
			return refused.answer()
		}
	}
	c.o.Jobs.Due()
	if c.o.Jobs.Queuing() {
		return refuse(13, "Local commit jobs are queued. Revert operation is not allowed.").answer() // known text
	}
	if refused := c.refuseRevert(r.Admin); refused != nil {
		return refused.answer()
	}
	if !c.revert(plan.chooses) {
		return answer.XML(http.StatusOK,
			`<response status="error"><result><msg><line>Failed to revert configuration.</line></msg></result></response>`)
	}
	return answer.Success("<result><msg><line>" + RevertText + "</line></msg></result>")
}

// refuseRevert refuses while another administrator holds a lock on the configuration.
func (c *Config) refuseRevert(admin string) *refusal {
	for _, l := range c.locks {
		if !l.commit && l.admin != admin {
			return refuse(13, "Configuration is locked by "+l.admin)
		}
	}
	return nil
}

// Load answers "load config from running-config.xml", which drops everybody's edits. Other files are not kept.
func (c *Config) Load(r answer.Request) answer.Answer {
	file := r.At.Value("from")
	if file != "running-config.xml" {
		return answer.Failure(0, file+" does not exist")
	}
	c.o.Jobs.Due()
	if refused := c.refuseRevert(r.Admin); refused != nil {
		return refused.answer()
	}
	c.revert(func(*edit) bool { return true })
	return answer.Success("<result><msg><line>Config loaded from running-config.xml</line></msg></result>")
}

// ShowPending answers "check pending-changes".
func (c *Config) ShowPending(r answer.Request) answer.Answer {
	c.o.Jobs.Due()
	if len(c.journal) > 0 {
		return answer.Success("<result>yes</result>")
	}
	return answer.Success("<result>no</result>")
}

// ListChanges answers "show config list changes", with "partial admin" of some, in the shape of a recorded answer.
func (c *Config) ListChanges(r answer.Request) answer.Answer {
	plan := commitPlan{}
	if partial := r.At.Child("partial"); partial != nil {
		if refused := plan.choose(partial); refused != nil {
			return refused.answer()
		}
	}
	c.o.Jobs.Due()
	changes := c.changes(plan.chooses)
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
func (c *Config) changes(chosen func(*edit) bool) []changed {
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
	at, _, _ := schema.Firewall.At(e.path)
	return objectsBelow(e.path, at, e.element)
}

// objectsBelow gives the path of every object in the element, which stands at the path.
func objectsBelow(x xmltree.Path, at *schema.Schema, e *xmltree.Element) []xmltree.Path {
	if at == nil || at.Leaf || at.List || at.Rule || len(e.Children) == 0 || x.Last().Name == "entry" && !at.Open {
		return []xmltree.Path{x}
	}
	var out []xmltree.Path
	for _, child := range e.Children {
		below, _ := at.Below(child.Name)
		step := xmltree.Step{Name: child.Name}
		if child.Name == "entry" {
			step.Chosen = []xmltree.Key{child.Key()}
		}
		next := xmltree.Path{Steps: append(slices.Clip(x.Steps), step)}
		if at.Entry != nil {
			out = append(out, next)
			continue
		}
		out = append(out, objectsBelow(next, below, child)...)
	}
	return out
}

// ListAdmins answers "show config list admins": who has edits that are not committed. The shape is ours.
func (c *Config) ListAdmins(r answer.Request) answer.Answer {
	c.o.Jobs.Due()
	var admins []string
	for _, e := range c.journal {
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
