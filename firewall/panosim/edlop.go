package panosim

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/iprange"
	"activedefense/firewall/panosim/xmltree"
)

// listPage is how many members are shown when no number is asked for (measured on PAN-OS 11.1).
const listPage = 100

// setTarget answers "set system setting target-vsys". On the command line it holds for the session; here for the
// API key.
func (s *Sim) setTarget(c *call, vsys *xmltree.Element) answer.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if vsys.Text == "none" {
		delete(s.plane.targets, c.key)
		return answer.Success("<result>Session target vsys changed to none</result>")
	}
	if _, ok := s.tables[vsys.Text]; !ok {
		return answer.Failure(17, vsys.Text+" is invalid vsys")
	}
	s.plane.targets[c.key] = vsys.Text
	return answer.Success("<result>Session target vsys changed to " + answer.Escape(vsys.Text) + "</result>")
}

// targetLocked gives the virtual system that a command about lists means.
func (s *Sim) targetLocked(c *call) (string, *answer.Answer) {
	parameter, setting := c.form.Get("vsys"), s.plane.targets[c.key]
	if _, ok := s.tables[parameter]; parameter != "" && !ok {
		a := answer.InvalidVSys(parameter)
		return "", &a
	}
	switch s.dialect.ListTarget {
	case dialect.ListTargetParameter:
		setting = ""
	case dialect.ListTargetSetting:
		parameter = ""
	}
	if parameter != "" {
		return parameter, nil
	}
	return s.name(setting), nil
}

// namedListLocked finds the list that a command names below its type. One of another type, or of another virtual
// system, is an invalid name.
func (s *Sim) namedListLocked(c *call, command *xmltree.Element) (listDefinition, *xmltree.Element, *answer.Answer) {
	vsys, refusal := s.targetLocked(c)
	if refusal != nil {
		return listDefinition{}, nil, refusal
	}
	kind := command.Child("type")
	if kind == nil || len(kind.Children) != 1 {
		a := answer.Unexpected(c.command)
		return listDefinition{}, nil, &a
	}
	asked := kind.Children[0]
	scope := s.policyLocked(vsys).scope
	for i, root := range scope {
		id := listID{listPlace(i, vsys), asked.Value("name")}
		d := listDefinition{id, scope.from(i), root.Child("external-list").Entry(id.name)}
		if d.Element != nil && d.kind() != nil && d.kind().Name == asked.Name {
			return d, asked, nil
		}
	}
	a := answer.Failure(17, asked.Value("name")+" is invalid name.Current target-vsys is "+vsys)
	return listDefinition{}, nil, &a
}

// refreshList answers "request system external-list refresh", without the number of the job.
func (s *Sim) refreshList(c *call, command *xmltree.Element) answer.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, _, refusal := s.namedListLocked(c, command)
	if refusal != nil {
		return *refusal
	}
	var plans []listPlan
	if s.fetchableLocked(d) {
		plans = append(plans, s.planLocked(d))
	}
	s.addJobLocked("EDLRefresh", c.admin, func(ctx context.Context) jobResult { return s.fetchAll(ctx, plans) })
	return answer.Success("<result>EDL refresh job enqueued</result>")
}

// showList answers "request system external-list show".
func (s *Sim) showList(c *call, command *xmltree.Element) answer.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, asked, refusal := s.namedListLocked(c, command)
	if refusal != nil {
		return *refusal
	}
	anchor, ok1 := pageNumber(asked.Child("anchor"), 1)
	records, ok2 := pageNumber(asked.Child("num-records"), listPage)
	if !ok1 || !ok2 {
		return answer.Unexpected(c.command)
	}
	return s.listPageLocked(d, int(anchor), int(records))
}

// pageNumber reads a number from 1 to 4,294,967,295.
func pageNumber(e *xmltree.Element, otherwise uint64) (uint64, bool) {
	if e == nil {
		return otherwise, true
	}
	n, err := strconv.ParseUint(e.Text, 10, 32)
	return n, err == nil && n > 0
}

// listView is what is shown of a list.
type listView struct {
	valid                 []iprange.Entry
	invalid               []string
	total, ignored, wrong int
}

// viewLocked sums a list up.
func (s *Sim) viewLocked(id listID) listView {
	l := s.plane.lists[id]
	switch {
	case l == nil, l.stopped && s.dialect.ListStopped == dialect.ListStoppedEmpty:
		return listView{}
	case l.file == nil, l.stopped:
		// Recorded for a list that was never fetched.
		return listView{invalid: []string{l.failure}, wrong: 1}
	}
	v := listView{
		valid: l.file.entries[:l.kept], invalid: l.file.invalid,
		total: l.kept, ignored: l.file.excluded, wrong: l.file.wrong,
	}
	switch skipped := len(l.file.entries) - l.kept; s.dialect.ListOverflow {
	case dialect.ListOverflowIgnored:
		v.ignored += skipped
	case dialect.ListOverflowValid:
		v.total += skipped
	}
	return v
}

// listPageLocked writes a part of a list in the recorded shape. The attribute count goes on to name the size of a
// page past the end, where there are no members.
func (s *Sim) listPageLocked(d listDefinition, anchor, records int) answer.Answer {
	vsys := d.id.where
	if vsys == "" {
		vsys = "shared" // unverified
	}
	v := s.viewLocked(d.id)
	var b strings.Builder
	fmt.Fprintf(&b, `<result total-count="%d" count="%d"><external-list><vsys>%s</vsys><name>%s</name>`+
		`<total-valid>%d</total-valid><total-ignored>%d</total-ignored><total-invalid>%d</total-invalid>`,
		v.total, min(records, v.total), answer.Escape(vsys), answer.Escape(d.id.name), v.total, v.ignored, v.wrong)
	page := v.valid[min(anchor-1, len(v.valid)):]
	texts := make([]string, min(records, len(page)))
	for i := range texts {
		texts[i] = shown(page[i], s.dialect.ListHost)
	}
	answer.WriteMembers(&b, "valid-members", texts)
	answer.WriteMembers(&b, "invalid-members", v.invalid[:min(records, len(v.invalid))])
	b.WriteString("</external-list></result>")
	return answer.Success(b.String())
}
