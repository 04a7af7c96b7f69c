package output

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"activedefense/firewall/decision"
	"activedefense/firewall/policy"
)

// Below the steps of a plan stands what it decides otherwise, or that it does not; blocked sources apart.
func TestDifferencesOfAPlan(t *testing.T) {
	cut := decision.Difference{Traffic: "from untrust to dmz, service udp/500", RuleBefore: `"vpn"`, ActionBefore: "allow", RuleAfter: `"sensor"`, ActionAfter: "drop", Certain: true, Example: "udp/500"}
	blocked := decision.Difference{Traffic: "from untrust to dmz", RuleBefore: `"web"`, ActionBefore: "allow", RuleAfter: `"block"`, ActionAfter: "drop", BlockedSources: true, Conditions: []string{"schedule nights"}}
	const none, otherwise, ofBlocked = "No flow is decided otherwise, but for blocked sources.\n", "Decided otherwise with this plan:\n  from untrust to dmz, service udp/500: allowed by rule \"vpn\", would be dropped by \"sensor\"; for example udp/500\n",
		"And of blocked sources:\n  from untrust to dmz: may be allowed by rule \"web\", and would then be dropped by \"block\"; it depends on schedule nights\n"
	for want, list := range map[string][]decision.Difference{none: nil, otherwise: {cut}, none + ofBlocked: {blocked}, otherwise + ofBlocked: {cut, blocked}} {
		var out strings.Builder
		(&Plans{To: &out}).printDifferences(list, len(list))
		if out.String() != want {
			t.Errorf("it prints\n%swant\n%s", out.String(), want)
		}
	}
	var many []decision.Difference
	for i := range mostDifferences + 7 {
		d := cut
		d.RuleBefore, d.RuleAfter = fmt.Sprintf("before %d", i), fmt.Sprintf("after %d", i)
		many = append(many, d)
	}
	var out strings.Builder
	if (&Plans{To: &out}).printDifferences(many, len(many)); strings.Count(out.String(), "\n") != mostDifferences+2 || !strings.HasSuffix(out.String(), "\n  and 7 more; --json has them\n") {
		t.Errorf("of many it prints\n%s", out.String())
	}
}

// What the commands for a person decide otherwise stands below them, under a heading of its own; where we do the same there is one list, and nothing to type.
func TestDifferencesOfCommandsForAPerson(t *testing.T) {
	blocked := decision.Difference{Traffic: "from untrust to dmz", RuleBefore: `"web"`, ActionBefore: "allow", RuleAfter: `"block"`, ActionAfter: "drop", BlockedSources: true, Certain: true, Example: "tcp/443"}
	const none, those = "No flow is decided otherwise, but for blocked sources.\n", "And of blocked sources:\n  from untrust to dmz: allowed by rule \"web\", would be dropped by \"block\"; for example tcp/443\n"
	for byHand, want := range map[bool]string{true: "Before the commands on Panorama:\n" + none + "On Panorama's CLI that is:\nconfigure\nAfter the commands on Panorama:\n" + none + those, false: none + "Nothing was changed"} {
		part := &policy.OnPanorama{Commands: []string{"configure"}, ByHand: byHand, Differences: []decision.Difference{blocked}, DifferencesTotal: 1}
		var out strings.Builder
		(&Plans{To: &out, Advice: strings.TrimSpace}).Write("fw", &policy.Plan{Steps: []policy.Step{{Action: policy.ActionPerson, Object: "rule"}}, Panorama: part}, "")
		if !strings.Contains(out.String(), want) {
			t.Errorf("it prints\n%swant\n%s", out.String(), want)
		}
	}
}

// What a commit takes along that was edited by hand has a heading of its own, which names whose edits it is made of.
func TestDifferencesOfEditsByHand(t *testing.T) {
	opened := decision.Difference{Traffic: "from untrust to dmz", RuleBefore: `"cleanup"`, ActionBefore: "deny", RuleAfter: `"typo"`, ActionAfter: "allow", Certain: true, Example: "tcp/443"}
	const those = "  security rule \"typo\" (vsys1)\n  from untrust to dmz: denied by rule \"cleanup\", would be allowed by \"typo\"; for example tcp/443\n  --commit is refused until "
	onPanorama := &policy.OnPanorama{Ourselves: "boss", EditedByHand: []string{`security rule "x" (device group hq)`}}
	for want, plan := range map[string]policy.Plan{
		"Pending edits of boss by hand, committed along with ours:\n" + those: {Ourselves: "boss", PendingBy: []string{"boss", "carol"}},
		"Pending edits of boss and carol by hand; whether any of them is our administrator's, whom --commit alone concerns, is not known before something of ours is written:\n" + strings.Replace(those, "--commit", "If they are, --commit", 1):                                                                                                       {PendingBy: []string{"boss", "carol"}},
		"Pending edits of boss by hand, committed along with ours:\n" + strings.Replace(those, "\n  from", "; on Panorama security rule \"x\" (device group hq)\n  from", 1):                                                                                                                                                                            {Panorama: onPanorama},
		"Pending edits of boss by hand, committed along with ours:\n" + strings.Replace(those, "\n  from", "\n  It is not told which of it is our administrator's: carol edited rulebase security rules (vsys1), and that stands above edits of ours, or under a name that ours may have given. Have them commit it or take it back first.\n  from", 1): {Ourselves: "boss", PendingBy: []string{"boss", "carol"}, EditedAbove: []string{"carol edited rulebase security rules (vsys1)"}},
		"edits of boss (our administrator) are not committed. The plan is made with them; --commit takes along those of boss,":                                                                                                                                                                                                                          {Ourselves: "boss", PendingBy: []string{"boss"}},
		"edits of carol are not committed. The plan is made with them; --commit takes along none of them, for our administrator is boss.\n":                                                                                                                                                                                                             {Ourselves: "boss", PendingBy: []string{"carol"}},
	} {
		plan.Pending, plan.EditedByHand, plan.PendingDifferences, plan.PendingDifferencesTotal = true, []string{`security rule "typo" (vsys1)`}, []decision.Difference{opened}, 1
		var out strings.Builder
		if (&Plans{To: &out, Advice: strings.TrimSpace}).Write("fw", &plan, ""); !strings.Contains(out.String(), want) || strings.Contains(out.String(), "No flow is decided otherwise") {
			t.Errorf("it prints\n%swant\n%s", out.String(), want)
		}
	}
}

// Where somebody deleted what was never in force, taking that back is the one way that the plan names: to commit ours before may put it in force.
func TestADeletionOfWhatWasNeverInForceIsToBeTakenBack(t *testing.T) {
	var out strings.Builder
	plan := &policy.Plan{Pending: true, Ourselves: "svc", PendingBy: []string{"boss", "svc"}, EditedByHand: []string{`security rule "x" (vsys1)`}, EditedAbove: []string{"boss edited rulebase security rules (vsys1)"},
		DeletedByOthers: []string{`boss deleted security rule "active-defense-sensor" (vsys1)`}}
	(&Plans{To: &out, Advice: strings.TrimSpace}).Write("fw", plan, "")
	for _, text := range []string{"Have them take that back (Config > Revert Changes)", "Have them take it back first (Config > Revert Changes)", "until what was deleted is taken back", "do not commit these (Commit > Commit Changes Made By) before"} {
		if !strings.Contains(out.String(), text) {
			t.Errorf("%q is missing in\n%s", text, out.String())
		}
	}
	if strings.Contains(out.String(), "commit it or take it back") || strings.Contains(out.String(), "until they are committed") {
		t.Errorf("it prints\n%s", out.String())
	}
}

// What is for Panorama's administrator can be pasted as it is: a line of its own for each command, and no character that a terminal
// takes for something else.
func TestCommandsForPanorama(t *testing.T) {
	var out strings.Builder
	p := &Plans{To: &out, Advice: strings.TrimSpace}
	p.printPanorama(nil)
	p.printPanorama(&policy.OnPanorama{}) // without commands no line
	p.printPanorama(&policy.OnPanorama{ByHand: true, Commands: []string{"configure", "set template T config shared certificate c public-key \"-----BEGIN\nMII\n-----END\"", "set device-group a\x1b[2J"}, Notes: []string{"a note"}})
	if want := "On Panorama's CLI that is:\nconfigure\nset template T config shared certificate c public-key \"-----BEGIN\nMII\n-----END\"\nset device-group a\\u001b[2J\n  a note\n"; out.String() != want {
		t.Errorf("it prints\n%swant\n%s", out.String(), want)
	}
}

// What was written on Panorama before and not pushed is told apart, and what --commit does is said once.
func TestWhatStandsOnPanoramaIsNotMissing(t *testing.T) {
	done := policy.Step{Action: policy.ActionCreate, Object: `tag "t"`, Detail: "on Panorama", Written: true}
	plan := &policy.Plan{Steps: []policy.Step{done, {Action: policy.ActionChange, Object: `tag "u"`}}, Panorama: &policy.OnPanorama{Pushes: []string{"device group g"}}}
	var out strings.Builder
	p := &Plans{To: &out, Advice: strings.TrimSpace}
	p.Write("fw", plan, "")
	for _, want := range []string{"fw: 2 things missing, 1 of them done on Panorama before and not pushed yet\n", "(done on Panorama; it needs its commit there and a push to this firewall)\n",
		"of 2, --apply writes 0 to the candidate configuration of Panorama and 1 to the firewall's; --commit then commits on Panorama, pushes device group g to this firewall alone, and"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
	plan.Standby = "This member is passive" // nothing is committed on it
	out.Reset()
	if p.Write("fw", plan, ""); !strings.Contains(out.String(), "to this firewall alone.\n") || !strings.Contains(out.String(), "fw: This member is passive.\n") {
		t.Errorf("of a passive member it prints\n%s", out.String())
	}
	plan.Standby = ""
	plan.Panorama.Unpushed = []string{"pre-rulebase of g"}
	if text := p.writes(plan); !strings.HasSuffix(text, "--commit then is refused, and then nothing is written, before what others committed on Panorama is pushed.") || strings.Contains(text, "pushes") {
		t.Errorf("with others' work: %s", text)
	}
}

// Steps that say the same of many objects of one kind are printed as one.
func TestStepsThatSayTheSameArePrintedTogether(t *testing.T) {
	var steps []policy.Step
	for i := range 9 {
		steps = append(steps, policy.Step{Action: "change", Object: fmt.Sprintf("security rule \"web-%d\"", i), Detail: "log to us", Foreign: i < 5})
	}
	var said []string
	for _, s := range Together(append(steps, policy.Step{Action: "create", Object: `tag "t"`, Detail: "log to us"})) {
		said = append(said, fmt.Sprint(s.Object, " ", s.Foreign))
	}
	want := []string{`security rule "web-0" and 4 more, to "web-4" true`, `security rule "web-5" false`, `security rule "web-6" false`, `security rule "web-7" false`, `security rule "web-8" false`, `tag "t" false`}
	if !slices.Equal(said, want) {
		t.Errorf("printed: %q", said)
	}
}
