package candidate

import (
	"fmt"
	"net/http"
	"strings"

	"activedefense/firewall/panosim/answer"
)

// revertText is recorded, as is the odd place of the failure's lines.
const revertText = "All changes were reverted from configuration"

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
	if refused := c.locks.refuseRevert(r.Admin); refused != nil {
		return refused.answer()
	}
	if !c.journal.revert(plan.chooses) {
		return answer.XML(http.StatusOK,
			`<response status="error"><result><msg><line>Failed to revert configuration.</line></msg></result></response>`)
	}
	return answer.Success("<result><msg><line>" + revertText + "</line></msg></result>")
}

// ShowPending answers "check pending-changes".
func (c *Config) ShowPending(r answer.Request) answer.Answer {
	c.o.Jobs.Due()
	if len(c.journal.edits) > 0 {
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
	changes := c.journal.changes(plan.chooses)
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

// ListAdmins answers "show config list admins": who has edits that are not committed. The shape is ours.
func (c *Config) ListAdmins(r answer.Request) answer.Answer {
	c.o.Jobs.Due()
	var b strings.Builder
	for _, name := range c.journal.admins() {
		b.WriteString("<member>" + answer.Escape(name) + "</member>")
	}
	return answer.Success("<result><admins>" + b.String() + "</admins></result>")
}
