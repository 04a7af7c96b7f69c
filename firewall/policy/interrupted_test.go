package policy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/xmlapi"
)

// provision plans, writes and commits once, as a person has it done; whole says that it was told to be done.
func (l *provisionLab) provision() (whole bool, err error) {
	plan, err := l.mayCommit(func() (Plan, error) { return Provision(l.t.Context(), l.device, l.want) })
	if err != nil {
		return false, err
	}
	if _, err = Take(l.t.Context(), l.device, plan.Steps, false); err != nil {
		return false, err
	}
	if _, err = Commit(l.t.Context(), l.device, l.want, ""); err != nil {
		return false, err
	}
	plan, err = Provision(l.t.Context(), l.device, l.want)
	for _, s := range plan.Steps {
		if !s.Foreign {
			return false, errors.Join(err, fmt.Errorf("left: %v", s))
		}
	}
	return err == nil, err
}

// mayCommit gives a plan whose commit takes along nothing by hand; as whom we act is found out where that is needed to tell.
func (l *provisionLab) mayCommit(make func() (Plan, error)) (Plan, error) {
	plan, err := make()
	if err == nil && plan.Pending && plan.Ourselves == "" {
		if l.want.Admin, err = xmlapi.WhoAmI(l.t.Context(), l.device, l.want.Names.AdminTag()); err == nil {
			plan, err = make()
		}
	}
	if err == nil {
		err = plan.MayTakeAlong(l.device)
	}
	return plan, err
}

// A plan says whose edits wait for a commit, and which of them are ours.
func TestAPlanSaysWhoseEditsWait(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Dialect.Admins = dialect.AdminsSelf })
	for _, admin := range []string{"somebody", "boss", "svc-activedefense"} {
		if err := l.sim.Config().Edit(admin, "set", vsys1+"/tag", `<entry name="of-`+admin+`"/>`); err != nil {
			t.Fatal(err)
		}
	}
	plan, err := Provision(t.Context(), l.device, l.want)
	if got := fmt.Sprint(plan.PendingBy, " ", plan.Ourselves); err != nil || got != "[boss somebody svc-activedefense] svc-activedefense" {
		t.Errorf("edits of %s, %v", got, err)
	}
}

// complete holds the firewall to what a whole run leaves: ours committed, nothing of others touched.
func (l *provisionLab) complete() error {
	running := l.sim.Config().Running()
	for _, name := range []string{l.want.Names.Block, l.want.Names.Logs, l.want.Names.CA} {
		if !strings.Contains(running, `<entry name="`+name+`"`) {
			return fmt.Errorf("%s is not in the running configuration", name)
		}
	}
	for _, name := range []string{"web", "cleanup"} {
		if rule := ruleOf(l.t, running, name); strings.Contains(rule, "log-setting") {
			return fmt.Errorf("somebody else's rule was touched: %s", rule)
		}
	}
	if strings.Contains(running, "theirs") {
		return errors.New("somebody else's edit was committed")
	}
	if n := l.sim.Config().Pending("svc-activedefense"); n != 0 {
		return fmt.Errorf("%d edits of ours are not committed", n)
	}
	return nil
}

// interrupted runs provision while something goes wrong and again when it does not: what is called done is done, and the
// second run ends what the first one began.
func interrupted(t *testing.T, wrong func(*panosim.Sim), right func(*panosim.Sim)) (stopped bool) {
	t.Helper()
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Config = rulesOfOthers })
	if err := l.sim.Config().Edit("somebody", "set", vsys1+"/tag", `<entry name="theirs"/>`); err != nil {
		t.Fatal(err)
	}
	wrong(l.sim)
	whole, err := l.provision()
	right(l.sim)
	if whole == (err != nil) {
		t.Errorf("whole %v, %v", whole, err)
	}
	if whole {
		if err := l.complete(); err != nil {
			t.Errorf("it is called done: %v", err)
		}
		return false
	}
	l.restart() // another process
	if whole, err := l.provision(); err != nil || !whole {
		t.Errorf("the second run: whole %v, %v, after %v", whole, err, l.sim.Config().Candidate())
	}
	if err := l.complete(); err != nil {
		t.Errorf("after the second run: %v", err)
	}
	return true
}

// The connection is lost for a while from any call on, the calls carried out or not: nothing half made is called done, and
// another run ends it. (Only the job of a commit is waited for through it.)
func TestProvisionIsInterruptedAnywhere(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Config = rulesOfOthers })
	if whole, err := l.provision(); !whole {
		t.Fatal(err)
	}
	calls, stopped := int(l.device.Requests()), 0
	for _, applied := range []bool{false, true} {
		for skip := 0; skip < calls; skip += callStep {
			outage := panosim.Fault{Effect: panosim.Reset, Skip: skip, Calls: 40, Applied: applied}
			if interrupted(t, func(s *panosim.Sim) { s.SetFault(outage) }, (*panosim.Sim).ClearFaults) {
				stopped++
			}
			if t.Failed() {
				t.Fatalf("from call %d of %d on, applied %v", skip+1, calls, applied)
			}
		}
	}
	if calls < 20 || stopped < calls/callStep {
		t.Errorf("a run has %d calls, and %d of two for each were stopped", calls, stopped)
	}
}

// What somebody else does, or the firewall refuses, ends a run with an error, and another run ends it.
func TestProvisionIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ wrong, right func(*panosim.Sim) }{
		"commit fails":         {func(s *panosim.Sim) { s.Config().FailCommit("Validation Error:", "something is invalid") }, func(*panosim.Sim) {}},
		"configuration locked": {func(s *panosim.Sim) { s.Config().LockConfig("somebody", "shared") }, func(s *panosim.Sim) { s.Config().UnlockConfig("shared") }},
		"commit locked":        {func(s *panosim.Sim) { s.Config().LockCommit("somebody", "shared") }, func(s *panosim.Sim) { s.Config().UnlockCommit("shared") }},
	} {
		t.Run(name, func(t *testing.T) {
			if !interrupted(t, c.wrong, c.right) {
				t.Error("it did not matter")
			}
		})
	}
}

// What a commit of ours would take along that our administrator, or one who may be he, edited by hand is told apart from what the plan
// makes, and stops the commit; what others edited stays, and our own steps do not stop it.
func TestACommitTakesAlongNoEditsByHand(t *testing.T) {
	const ours, typo = "svc-activedefense", `<entry name="typo"><from><member>any</member></from><to><member>any</member></to><source><member>any</member></source><destination><member>any</member></destination>` +
		`<application><member>any</member></application><service><member>any</member></service><action>allow</action></entry>`
	rules := vsys1 + rulesPath
	for name, c := range map[string]struct {
		edit      func(*provisionLab) error
		applied   bool // our steps were written before
		unknown   bool // as whom we act
		otherwise bool // than the plan makes it
		named     string
	}{
		"none":                    {},
		"ours, written before":    {applied: true},
		"by hand":                 {edit: typoOf(ours, typo), otherwise: true, named: `security rule "typo" (vsys1)`},
		"by hand, beside ours":    {edit: typoOf(ours, typo), applied: true, otherwise: true, named: `security rule "typo" (vsys1)`},
		"by somebody":             {edit: typoOf("somebody", typo)},
		"by somebody beside ours": {edit: typoOf("somebody", typo), applied: true},
		"perhaps by us":           {edit: typoOf("somebody", typo), unknown: true, otherwise: true, named: `security rule "typo" (vsys1)`},
		"nothing that decides": {edit: func(l *provisionLab) error {
			return l.sim.Config().Edit(ours, "set", vsys1+"/tag", `<entry name="x"/>`)
		}, named: `tag "x" (vsys1)`},
		"a rule that is gone": {edit: func(l *provisionLab) error {
			return l.sim.Config().Edit(ours, "delete", rules+"/entry[@name='web']", "")
		}, otherwise: true, named: `security rule "web" (vsys1)`},
		"a rule that none needs": {edit: func(l *provisionLab) error {
			return l.sim.Config().Edit(ours, "set", rules, strings.Replace(typo, "allow", "drop", 1))
		}, named: `security rule "typo" (vsys1)`},
	} {
		t.Run(name, func(t *testing.T) {
			l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.Config = rulesOfOthers })
			if l.want.Admin = ours; c.unknown {
				l.want.Admin = ""
			}
			if c.applied {
				l.apply(l.plan(), false)
			}
			if c.edit != nil {
				if err := c.edit(l); err != nil {
					t.Fatal(err)
				}
			}
			plan, err := Provision(t.Context(), l.device, l.want)
			if err != nil {
				t.Fatal(err)
			}
			if (len(plan.PendingDifferences) > 0) != c.otherwise || strings.Join(plan.EditedByHand, " ") != c.named {
				t.Errorf("decided otherwise: %v; named %v", plan.PendingDifferences, plan.EditedByHand)
			}
			if len(plan.Differences) == 0 || !plan.Differences[0].BlockedSources {
				t.Errorf("the plan itself: %v", plan.Differences)
			}
			if err := plan.MayTakeAlong(l.device); (err != nil) != (c.named != "") || err != nil && (!strings.Contains(err.Error(), "by hand ("+c.named+")") || !strings.Contains(err.Error(), "Revert Changes")) {
				t.Errorf("the commit: %v", err)
			}
			removal, err := Remove(t.Context(), l.device, l.want, false)
			if err != nil || strings.Join(removal.EditedByHand, " ") != c.named || len(removal.Differences) != 0 {
				t.Errorf("of a removal: %v, %v, %v", removal.EditedByHand, removal.Differences, err)
			}
		})
	}
}

// typoOf is a rule that lets everything in before all others.
func typoOf(admin, rule string) func(*provisionLab) error {
	return func(l *provisionLab) error {
		return errors.Join(l.sim.Config().Edit(admin, "set", vsys1+rulesPath, rule), l.sim.Config().Edit(admin, "move", vsys1+rulesPath+"/entry[@name='typo']", "top"))
	}
}

// A commit that is broken off says where what was written stands, with which job it may still come into force, and how to look; one that was not begun
// says that. What is broken off while it is written says so, too.
func TestWhatIsBrokenOffSaysWhatIsKnown(t *testing.T) {
	for _, c := range []struct {
		what, admin string
		fault       panosim.Fault
		stopped     bool // at once
		says        []string
	}{
		{"the job runs", ourAdmin, panosim.Fault{}, false, []string{"canceled. It goes on as job 1 as far as is known, and may still come into force: look how it ended on the firewall with show jobs id 1. Until then what was written stands in the candidate configuration; then run this again with --commit"}},
		{"the order hangs", ourAdmin, panosim.Fault{Effect: panosim.Reset, Skip: 1}, false, []string{"It is not known whether that was begun: if it was, it goes on, and comes into force. Look for it on the firewall with show jobs all."}},
		{"before", ourAdmin, panosim.Fault{}, true, []string{"canceled. No commit was begun. What was written stays in the candidate configuration, and is not in force; run this again with --commit"}},
		{"before it is known as whom", "", panosim.Fault{}, true, []string{"canceled. No commit was begun. What was written stays"}},
	} {
		l := newProvisionLab(t, firewall.ModeTag, func(o *panosim.Options) { o.CommitTime = 24 * time.Hour })
		l.apply(l.plan(), false)
		ctx, stop := context.WithCancel(t.Context())
		if c.stopped {
			stop()
		}
		l.opts.Pause = func(context.Context, time.Duration) bool { stop(); return false }
		l.restart()
		l.sim.SetFault(c.fault)
		done, err := Commit(ctx, l.device, l.want, c.admin)
		stop()
		for _, text := range c.says {
			if done || !strings.Contains(fmt.Sprint(err), text) {
				t.Errorf("%s: done %v, %q is missing in: %v", c.what, done, text, err)
			}
		}
		if l.sim.ClearFaults(); xmlapi.Kind(err) == "" {
			t.Errorf("%s: of no kind: %v", c.what, err)
		}
	}

	l := newProvisionLab(t, firewall.ModeTag, nil)
	steps := l.plan()
	l.sim.SetFault(panosim.Fault{Effect: panosim.Reset, Applied: true, Kind: panosim.KindConfigWrite, Skip: 2})
	taken, err := Take(t.Context(), l.device, steps, false)
	if l.sim.ClearFaults(); taken == 0 || !strings.Contains(fmt.Sprint(err), "What was written stays in the candidate configuration, and is not in force; run this again, and it goes on from there") {
		t.Errorf("%d of %d steps: %v", taken, len(steps), err)
	}
}
