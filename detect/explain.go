package detect

import "strconv"

// Counting says whether and how a rule counts one record.
type Counting struct {
	Rule   string
	Counts bool
	Text   string // one plain sentence without a full stop
}

// Explain says for each rule, in order of precedence, whether it counts the record and
// how, as if the source were not blocked yet. g may be nil. A source that the guard
// protects is counted like any other, and the text says that it will not be blocked.
func (s Settings) Explain(ev *Event, g *Guard) []Counting {
	rules := s.rules()
	list := []Counting{
		{Rule: RuleVulnerability, Text: s.notVulnerability(ev)},
		{Rule: RulePortScan, Text: s.notCounting(ev, rules[portScan])},
		{Rule: RuleHostSweep, Text: s.notCounting(ev, rules[hostSweep])},
	}
	if list[1].Text == "" && ev.DstPort == 0 {
		list[1].Text = "port 0 is no port"
	}
	src, port := plain(ev.Src), strconv.Itoa(int(ev.DstPort))
	refusal := ""
	if why := notSource(ev); why != "" {
		for i := range list {
			list[i].Text = why
		}
	} else if err := g.CheckAddr(src); err != nil {
		refusal = "; but it is never blocked: " + err.Error()
	}
	how := []string{
		"blocks " + src.String() + " at once: " + attack(ev),
		"counts port " + port + " of " + plain(ev.Dst).String() + " for " + src.String() +
			", which is blocked at more than " + strconv.Itoa(rules[portScan].need-1) + " within " + short(s.PortScan.Window),
		"counts address " + plain(ev.Dst).String() + " on port " + port + " for " + src.String() +
			", which is blocked at " + strconv.Itoa(rules[hostSweep].need) + " or more within " + short(s.HostSweep.Window),
	}
	for i := range list {
		if list[i].Text == "" {
			list[i].Counts = true
			list[i].Text = how[i] + refusal
		}
	}
	// What fires at once leaves nothing to count.
	if list[0].Counts {
		for i := range list[1:] {
			list[1+i].Counts, list[1+i].Text = false, "the record fires the rule vulnerability, which goes first"
		}
	}
	return list
}

func (s Settings) notCounting(ev *Event, r rule) string {
	if r.window == 0 {
		return "the rule is off"
	}
	return s.notScan(ev)
}

func notSource(ev *Event) string {
	src := plain(ev.Src)
	switch {
	case !src.IsValid():
		return "the record has no source address"
	case !canBeSource(src):
		return "the source " + src.String() + " is not public (" + notPublic(single(src)) + ")"
	}
	return ""
}
