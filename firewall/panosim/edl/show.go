package edl

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/iprange"
	"activedefense/firewall/panosim/jobs"
	"activedefense/firewall/panosim/traffic"
	"activedefense/firewall/panosim/xmltree"
)

// listPage is how many members are shown when no number is asked for (measured on PAN-OS 11.1).
const listPage = 100

// SetTarget answers "set system setting target-vsys". On the command line it holds for the session; here for the
// API key.
func (l *Lists) SetTarget(r answer.Request) answer.Answer {
	vsys := r.At.Text
	if vsys == "none" {
		delete(l.targets, r.Key)
		return answer.Success("<result>Session target vsys changed to none</result>")
	}
	if !slices.Contains(l.o.VSys, vsys) {
		return answer.InvalidVSys(vsys)
	}
	l.targets[r.Key] = vsys
	return answer.Success("<result>Session target vsys changed to " + answer.Escape(vsys) + "</result>")
}

// target gives the virtual system that a command about lists means.
func (l *Lists) target(r answer.Request) (string, *answer.Answer) {
	parameter, setting := r.VSys, l.targets[r.Key]
	if parameter != "" && !slices.Contains(l.o.VSys, parameter) {
		a := answer.InvalidVSys(parameter)
		return "", &a
	}
	switch l.o.Dialect.ListTarget {
	case dialect.ListTargetParameter:
		setting = ""
	case dialect.ListTargetSetting:
		parameter = ""
	}
	if parameter != "" {
		return parameter, nil
	}
	return cmp.Or(setting, l.o.VSys[0]), nil
}

// named finds the list that a command names below its type. One of another type, or of another virtual
// system, is an invalid name.
func (l *Lists) named(r answer.Request) (definition, *xmltree.Element, *answer.Answer) {
	vsys, refusal := l.target(r)
	if refusal != nil {
		return definition{}, nil, refusal
	}
	kind := r.At.Child("type")
	if kind == nil || len(kind.Children) != 1 {
		a := answer.Unexpected(r.Command)
		return definition{}, nil, &a
	}
	asked := kind.Children[0]
	scope := l.o.Policies.Of(vsys).Scope
	for i, root := range scope {
		id := traffic.ListID{Where: traffic.ListPlace(i, vsys), Name: asked.Value("name")}
		d := definition{id, scope.From(i), root.Child("external-list").Entry(id.Name)}
		if d.Element != nil && d.kind() != nil && d.kind().Name == asked.Name {
			return d, asked, nil
		}
	}
	a := answer.Failure(17, asked.Value("name")+" is invalid name.Current target-vsys is "+vsys)
	return definition{}, nil, &a
}

// RefreshOne answers "request system external-list refresh", without the number of the job.
func (l *Lists) RefreshOne(r answer.Request) answer.Answer {
	d, _, refusal := l.named(r)
	if refusal != nil {
		return *refusal
	}
	var plans []fetchPlan
	if l.fetchable(d) {
		plans = append(plans, l.plan(d))
	}
	l.o.Jobs.Run("EDLRefresh", r.Admin, func(ctx context.Context) jobs.Result { return l.fetchAll(ctx, plans) })
	return answer.Success("<result>EDL refresh job enqueued</result>")
}

// Show answers "request system external-list show".
func (l *Lists) Show(r answer.Request) answer.Answer {
	d, asked, refusal := l.named(r)
	if refusal != nil {
		return *refusal
	}
	anchor, ok1 := pageNumber(asked.Child("anchor"), 1)
	records, ok2 := pageNumber(asked.Child("num-records"), listPage)
	if !ok1 || !ok2 {
		return answer.Unexpected(r.Command)
	}
	return l.page(d, int(anchor), int(records))
}

// pageNumber reads a number from 1 to 4,294,967,295.
func pageNumber(e *xmltree.Element, otherwise uint64) (uint64, bool) {
	if e == nil {
		return otherwise, true
	}
	n, err := strconv.ParseUint(e.Text, 10, 32)
	return n, err == nil && n > 0
}

// view is what is shown of a list.
type view struct {
	valid                 []iprange.Entry
	invalid               []string
	total, ignored, wrong int
}

// view sums a list up.
func (l *Lists) view(id traffic.ListID) view {
	held := l.held[id]
	switch {
	case held == nil, held.stopped && l.o.Dialect.ListStopped == dialect.ListStoppedEmpty:
		return view{}
	case held.file == nil, held.stopped:
		// Recorded for a list that was never fetched.
		return view{invalid: []string{held.failure}, wrong: 1}
	}
	v := view{
		valid: held.file.entries[:held.kept], invalid: held.file.invalid,
		total: held.kept, ignored: held.file.excluded, wrong: held.file.wrong,
	}
	switch skipped := len(held.file.entries) - held.kept; l.o.Dialect.ListOverflow {
	case dialect.ListOverflowIgnored:
		v.ignored += skipped
	case dialect.ListOverflowValid:
		v.total += skipped
	}
	return v
}

// page writes a part of a list in the recorded shape. The attribute count goes on to name the size of a
// page past the end, where there are no members.
func (l *Lists) page(d definition, anchor, records int) answer.Answer {
	vsys := d.id.Where
	if vsys == "" {
		vsys = "shared" // unverified
	}
	v := l.view(d.id)
	var b strings.Builder
	fmt.Fprintf(&b, `<result total-count="%d" count="%d"><external-list><vsys>%s</vsys><name>%s</name>`+
		`<total-valid>%d</total-valid><total-ignored>%d</total-ignored><total-invalid>%d</total-invalid>`,
		v.total, min(records, v.total), answer.Escape(vsys), answer.Escape(d.id.Name), v.total, v.ignored, v.wrong)
	entries := v.valid[min(anchor-1, len(v.valid)):]
	texts := make([]string, min(records, len(entries)))
	for i := range texts {
		texts[i] = shown(entries[i], l.o.Dialect.ListHost)
	}
	answer.WriteMembers(&b, "valid-members", texts)
	answer.WriteMembers(&b, "invalid-members", v.invalid[:min(records, len(v.invalid))])
	b.WriteString("</external-list></result>")
	return answer.Success(b.String())
}

// ListCapacities answers "request system external-list list-capacities", as Centreon's plugin edlcapacity reads it.
func (l *Lists) ListCapacities(r answer.Request) answer.Answer {
	if l.o.Dialect.Limits != dialect.LimitsTold {
		return answer.Unexpected(r.Command)
	}
	used, named := 0, l.used()
	for id, held := range l.held {
		if named[id] && held.file != nil && !held.stopped {
			used += held.kept
		}
	}
	return answer.Success(fmt.Sprintf("<result><IP><running-cap>%d</running-cap><total-cap>%d</total-cap></IP>"+
		"<Domain><running-cap>0</running-cap><total-cap>N/A</total-cap></Domain></result>", used, l.o.MaxEntries))
}
