package screen

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"activedefense/agent/display"
	"activedefense/agent/enforce"
	"activedefense/agent/line"
	"activedefense/agent/members"
	"activedefense/firewall/policy"
)

// members are the agents on the database, where there are several: those that are not well, then the others.
func (v *view) members() *section {
	s := &section{columns: []string{"AGENT", "HOST", "VERSION", "STATE", "LAST SIGN OF LIFE", "NEVER BLOCKS", "FIREWALLS"}}
	if len(v.Members) < 2 && !v.opts.All {
		return s
	}
	states := make(map[string]int)
	for _, m := range v.Members {
		states[m.State]++
	}
	s.sum = fmt.Sprintf("%s on this database: %s", display.Plural(len(v.Members), "agent"), counted(states, members.Silent, members.Unknown, members.Behind, members.OK))
	all := slices.Clone(v.Members)
	rank := func(m members.Status) int {
		return slices.Index([]string{members.Silent, members.Unknown, members.Behind, members.OK}, m.State)
	}
	slices.SortStableFunc(all, func(a, b members.Status) int { return cmp.Compare(rank(a), rank(b)) })
	for i := range all {
		m := &all[i]
		name := m.Name
		if m.Self {
			name += " (this one)"
		}
		s.rows = append(s.rows, []any{name, m.Host, m.Version, m.StateText(), display.Span(time.Duration(m.Silence*float64(time.Second))) + " ago",
			display.Grouped(m.Guarded), strings.Join(m.Firewalls, ", ")})
	}
	return s
}

// files are those that are read: in trouble, behind, then the newest first.
func (v *view) files() *section {
	s := &section{columns: []string{"FILE", "LINES", "RECORDS", "OTHER", "BAD", "CUT", "BEHIND", "LAG", "LAST EVENT", "TROUBLE"}, beyond: v.NotShown}
	if len(v.Inputs) == 0 {
		s.sum = "no input is open yet"
		return s
	}
	all := &v.Files
	s.sum = fmt.Sprintf("%s: %s in trouble, %s silent; %s, %s bad; %s behind", display.Plural(all.Files, "file"),
		display.Grouped(all.InTrouble), display.Grouped(all.Silent), display.Plural(all.Lines, "line"), display.Grouped(all.Bad), display.Bytes(all.Behind))
	if v.Unstored > 0 && v.Now.Sub(orZero(v.Store.LastCommit)) > commitsEvery {
		s.sum += "; " + display.Plural(v.Unstored, "line") + " read and NOT STORED yet"
	}
	inputs := slices.Clone(v.Inputs)
	if !v.opts.All {
		slices.SortStableFunc(inputs, func(a, b line.InputStatus) int {
			return cmp.Or(cmp.Compare(a.Rank(), b.Rank()), orZero(b.LastRead).Compare(orZero(a.LastRead)))
		})
	}
	for i := range inputs {
		in := &inputs[i]
		s.rows = append(s.rows, []any{in.Path, display.Grouped(in.Lines), display.Grouped(in.Records), display.Grouped(in.Ignored), display.Grouped(in.Bad), display.Grouped(in.Cut),
			display.Bytes(in.Behind), display.Span(time.Duration(in.LagSeconds * float64(time.Second))), display.LocalTimeOrNone(in.LastEvent), v.fileTrouble(in)})
	}
	return s
}

// listeners are the inputs that listen; those that lost messages or turned senders away, or all.
func (v *view) listeners() *section {
	s := &section{columns: []string{"LISTENS ON", "OPEN", "SENDERS", "MESSAGES", "CUT", "REFUSED", "BROKEN", "DROPPED", "BY KERNEL", "SPOOL"}}
	var messages, lost uint64
	for i := range v.Listeners {
		l := &v.Listeners[i]
		messages, lost = messages+l.Messages, lost+l.Dropped+l.Kernel
		if v.opts.All || l.Refused+l.Broken+l.Dropped+l.Kernel > 0 || l.FullSince != nil {
			s.rows = append(s.rows, []any{l.Listen, display.Grouped(l.Connections), display.Grouped(l.Senders), display.Grouped(l.Messages), display.Grouped(l.Cut), display.Grouped(l.Refused),
				display.Grouped(l.Broken), display.Grouped(l.Dropped), display.Grouped(l.Kernel), fmt.Sprintf("%s of %s", display.Bytes(l.Spooled), display.Bytes(l.SpoolSize))})
		}
	}
	if len(v.Listeners) > 0 {
		s.sum = fmt.Sprintf("%s: %s received, %s lost", display.Plural(len(v.Listeners), "listener"), display.Plural(messages, "message"), display.Grouped(lost))
	}
	return s
}

// commitsEvery is how often lines are stored while any come: of those of so short a time it need not be said that they are not yet.
const commitsEvery = 2 * time.Second

func (v *view) fileTrouble(in *line.InputStatus) string {
	var all []string
	if in.Silent != nil {
		all = append(all, "no line for "+display.Span(v.Now.Sub(*in.Silent)))
	}
	if in.Error != "" {
		all = append(all, in.Error)
	}
	if in.Clock != "" {
		all = append(all, "times are wrong: "+in.Clock)
	}
	return strings.Join(all, "; ")
}

// orZero gives the zero time for none.
func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// firewalls are those that are not well, then the others.
func (v *view) firewalls() *section {
	s := &section{columns: []string{"FIREWALL", "STATE", "SINCE", "MODE", "HOLDS", "OF", "SEEN", "LAST SUCCESS", "TROUBLE"}}
	if v.opts.All {
		s.columns = slices.Insert(s.columns, 4, "MODEL", "VERSION", "KEY UNTIL", "CERTIFICATE UNTIL")
	}
	if len(v.Firewalls) == 0 {
		return s
	}
	states := make(map[string]int)
	tags, counts := 0, 0
	for _, f := range v.Firewalls {
		states[f.State]++
		if f.Counted() {
			tags, counts = tags+f.Tags, counts+1
		}
	}
	s.sum = fmt.Sprintf("%s: %s; %s", display.Plural(len(v.Firewalls), "firewall"),
		counted(states, enforce.StateDown, enforce.StateUnknown, enforce.StateMaintenance, enforce.StateStandby, enforce.StateUp), heldText(tags, counts, len(v.Firewalls)))
	if v.opts.All {
		s.sum += "; HOLDS: what it holds of ours, OF: what it is to hold, SEEN: when it was last read and held that"
	}
	all := slices.Clone(v.Firewalls)
	if !v.opts.All {
		slices.SortStableFunc(all, func(a, b enforce.Status) int {
			return cmp.Or(cmp.Compare(firewallRank(&a), firewallRank(&b)), orZero(b.LastSuccess).Compare(orZero(a.LastSuccess)))
		})
	}
	for i := range all {
		f := &all[i]
		holds, of := "-", "-"
		if f.Counted() {
			holds, of = display.Grouped(f.Tags), display.Grouped(f.Desired)
		}
		row := []any{f.Name, stateText(f), display.LocalTime(f.Since), f.Mode, holds, of, seen(f), display.LocalTimeOrNone(f.LastSuccess), firewallTrouble(f)}
		if v.opts.All {
			key, certificate := good(f.Access)
			row = slices.Insert(row, 4, any(f.Model), any(f.Version), any(key), any(certificate))
		}
		s.rows = append(s.rows, row)
	}
	return s
}

// heldText is how much firewalls hold of which some were counted.
func heldText(tags, counted, all int) string {
	switch counted {
	case 0:
		return "what they hold is not known"
	case all:
		return display.Plural(tags, "address") + " held"
	}
	return display.Plural(tags, "address") + " held, as far as is known"
}

// good is until when keys and certificates are good by which a firewall's members are reached, of several the first that ends.
func good(members []enforce.Access) (key, certificate string) {
	var keyEnds, certificateEnds *time.Time
	first := func(a, b *time.Time) *time.Time {
		if a == nil || b != nil && b.Before(*a) {
			return b
		}
		return a
	}
	for _, a := range members {
		key = a.Key
		keyEnds, certificateEnds = first(keyEnds, a.KeyEnds), first(certificateEnds, a.CertificateEnds)
	}
	if keyEnds != nil {
		key = display.LocalTimeOrNone(keyEnds)
	}
	return key, display.LocalTimeOrNone(certificateEnds)
}

// counted lists how many there are of each.
func counted(counts map[string]int, names ...string) string {
	var all []string
	for _, name := range names {
		if n := counts[name]; n > 0 {
			all = append(all, display.Grouped(n)+" "+name)
		}
	}
	return strings.Join(all, ", ")
}

func firewallRank(f *enforce.Status) int {
	switch {
	case f.State == enforce.StateDown:
		return 0
	case f.State == enforce.StateUnknown:
		return 1
	case firewallTrouble(f) != "":
		return 2
	}
	return 3
}

func stateText(f *enforce.Status) string {
	text := f.State
	if f.State == enforce.StateDown {
		text = "DOWN"
	}
	if f.Waiting > 0 {
		text += ", next change in " + display.Span(time.Duration(f.Waiting*float64(time.Second)))
	}
	return text
}

func firewallTrouble(f *enforce.Status) string {
	var all []string
	if f.Error != "" {
		all = append(all, f.Error)
	}
	if f.FullSince != nil && f.Capacity > 0 {
		all = append(all, fmt.Sprintf("%s of %s used", display.Grouped(f.CapacityUsed), display.Grouped(f.Capacity)))
	}
	if f.LeftOut > 0 {
		all = append(all, fmt.Sprintf("%s LEFT OUT for want of room: forgeable before proven, longest quiet first", display.Grouped(f.LeftOut)))
	}
	if f.Brake != "" {
		all = append(all, "BRAKE: "+f.Brake)
	}
	if f.Strays > 0 {
		all = append(all, fmt.Sprintf("%s that this database never blocked", display.Grouped(f.Strays)))
	}
	if f.RefusedCount > 0 {
		all = append(all, fmt.Sprintf("%d refused: %s", f.RefusedCount, strings.Join(f.Refused, ", ")))
	}
	if len(f.Undeleted) > 0 {
		all = append(all, "keeps address objects of released addresses: "+strings.Join(f.Undeleted, ", "))
	}
	if f.UnsupportedCount > 0 {
		all = append(all, fmt.Sprintf("%d on the list only: %s", f.UnsupportedCount, strings.Join(f.Unsupported, ", ")))
	}
	if f.ListIgnored+f.ListInvalid > 0 {
		all = append(all, fmt.Sprintf("list entries that it does not accept: %d ignored, %d invalid", f.ListIgnored, f.ListInvalid))
	}
	if f.Fallback {
		all = append(all, "the list is the fallback")
	}
	return strings.Join(all, "; ")
}

// seen is when a firewall was last seen to hold what it holds, and how much of it was not.
func seen(f *enforce.Status) string {
	text := display.LocalTimeOrNone(f.SeenAt)
	if f.Unseen > 0 {
		text += fmt.Sprintf(", %s not yet", display.Grouped(f.Unseen))
	}
	return text
}

// policies are what does not hold of the firewalls' policies: a row for each firewall, or with all of them for each check.
func (v *view) policies() *section {
	s := &section{columns: []string{"POLICIES OF", "RESULT", "SINCE", "LOOKED AT", "FOUND"}}
	if len(v.Policies) == 0 {
		return s
	}
	states := make(map[string]int)
	for _, p := range v.Policies {
		states[p.State]++
	}
	s.sum = fmt.Sprintf("policies of %s: %s", display.Plural(len(v.Policies), "firewall"), counted(states, policy.ResultFail, enforce.StateUnknown, policy.ResultWarn, policy.ResultPass))
	all := slices.Clone(v.Policies)
	rank := func(p enforce.PolicyStatus) int {
		return slices.Index([]string{policy.ResultFail, enforce.StateUnknown, policy.ResultWarn}, p.State)
	}
	slices.SortStableFunc(all, func(a, b enforce.PolicyStatus) int { return cmp.Compare(uint(rank(a)), uint(rank(b))) })
	for i := range all {
		p := &all[i]
		looked := "not yet"
		if p.At != nil {
			looked = display.Span(v.Now.Sub(*p.At)) + " ago"
		}
		found := findings(p)
		row := func(found string) []any {
			return []any{p.Firewall, strings.ToUpper(p.State), display.LocalTime(p.Since), looked, found}
		}
		switch {
		case v.opts.All && len(found) > 0:
			for _, f := range found {
				s.rows = append(s.rows, row(f))
			}
		case p.State == policy.ResultPass && !v.opts.All:
		case len(found) > 1:
			s.rows = append(s.rows, row(fmt.Sprintf("%s (and %s)", found[0], display.Plural(len(found)-1, "further check"))))
		default:
			s.rows = append(s.rows, row(strings.Join(found, "")))
		}
	}
	return s
}

// findings are what checks found that does not hold, the worst first; several that found the same are said once.
func findings(p *enforce.PolicyStatus) (found []string) {
	for _, result := range []string{policy.ResultFail, policy.ResultWarn} {
		last := ""
		for _, c := range p.Checks {
			if c.Result != result {
				continue
			}
			detail := c.Detail
			if detail == last {
				detail = "the same"
			}
			last = c.Detail
			found = append(found, fmt.Sprintf("%s %s: %s", strings.ToUpper(c.Result), c.Check, detail))
		}
	}
	return found
}

// notices are those who are told: a row for each that has not got everything, or among all rows each.
func (v *view) notices() *section {
	s := &section{columns: []string{"TOLD", "WAITING", "OLDEST", "LAST DELIVERED", "LAST FAILURE"}}
	if len(v.Notices) == 0 {
		return s
	}
	receivers, failing, waiting := make(map[string]bool), make(map[string]bool), int64(0)
	for i := range v.Notices {
		n := &v.Notices[i]
		waiting += n.Waiting
		to := n.Receiver
		if rest, is := strings.CutPrefix(to, "mail-blocks"); is { // an address has mails of blocks and others
			to = "mail" + rest
		}
		receivers[to] = true
		if n.Failing {
			failing[to] = true
		}
		if !n.Failing && n.Waiting == 0 && !v.opts.All {
			continue
		}
		oldest, failure := "-", "-"
		if n.Oldest != nil {
			oldest = display.Span(v.Now.Sub(*n.Oldest)) + " ago"
		}
		if n.FailedAt != nil {
			failure = display.LocalTime(*n.FailedAt) + ": " + n.Error
		}
		s.rows = append(s.rows, []any{n.Receiver, display.Grouped(n.Waiting), oldest, display.LocalTimeOrNone(n.LastAt), failure})
	}
	s.sum = fmt.Sprintf("notices to %s: %s, %s", display.Plural(len(receivers), "receiver"), fmt.Sprintf("%d failing", len(failing)), display.Grouped(waiting)+" waiting")
	return s
}

// named are the addresses and networks that are taken as ours, and who says so; among all rows alone.
func (v *view) named() *section {
	s := &section{columns: []string{"OURS", "FROM"}}
	if !v.opts.All || len(v.Ours.Networks) == 0 {
		return s
	}
	s.sum = "taken as ours: records to other public addresses do not count, where any of these is public"
	for _, n := range v.Ours.Networks {
		s.rows = append(s.rows, []any{n.Network, n.From})
	}
	return s
}

// badLines are samples of what could not be parsed.
func (v *view) badLines() *section {
	s := &section{columns: []string{"READ AT", "FILE", "ERROR", "LINE"}}
	if len(v.BadLines) == 0 {
		return s
	}
	s.sum = "the first lines that could not be parsed"
	for _, b := range v.BadLines {
		s.rows = append(s.rows, []any{display.LocalTime(b.Time), b.Path, b.Error, b.Line})
	}
	return s
}
