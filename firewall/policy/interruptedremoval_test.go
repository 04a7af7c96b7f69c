package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"activedefense/firewall/panosim"
)

// remove takes away, commits once, and looks again; whole says that it was told that nothing is left.
func (l *provisionLab) remove() (whole bool, err error) {
	plan, err := l.mayCommit(func() (Plan, error) { return Remove(l.t.Context(), l.device, l.want, false) })
	if err != nil {
		return false, err
	}
	if _, err = Take(l.t.Context(), l.device, plan.Steps, false); err != nil {
		return false, err
	}
	if _, err = Commit(l.t.Context(), l.device, l.want, ""); err != nil {
		return false, err
	}
	plan, err = Remove(l.t.Context(), l.device, l.want, false)
	if err == nil && (len(plan.Steps) > 0 || plan.Uncommitted) {
		err = fmt.Errorf("left: %v, uncommitted %v", plan.Steps, plan.Uncommitted)
	}
	return err == nil, err
}

// A removal that is interrupted anywhere, or refused, is not called done; another run ends it, and takes nothing of others along.
func TestRemoveIsInterruptedAnywhere(t *testing.T) {
	type trouble struct {
		name         string
		wrong, right func(*panosim.Sim)
	}
	all := []trouble{
		{"commit fails", func(s *panosim.Sim) { s.Config().FailCommit("Validation Error:", "something is invalid") }, func(*panosim.Sim) {}},
		{"configuration locked", func(s *panosim.Sim) { s.Config().LockConfig("somebody", "shared") }, func(s *panosim.Sim) { s.Config().UnlockConfig("shared") }},
		{"commit locked", func(s *panosim.Sim) { s.Config().LockCommit("somebody", "shared") }, func(s *panosim.Sim) { s.Config().UnlockCommit("shared") }},
	}
	for skip := 0; skip < 40; skip += callStep {
		outage := panosim.Fault{Effect: panosim.Reset, Skip: skip, Calls: 40, Applied: skip%2 == 1}
		all = append(all, trouble{fmt.Sprintf("outage from call %d on", skip+1), func(s *panosim.Sim) { s.SetFault(outage) }, (*panosim.Sim).ClearFaults})
	}
	stopped := 0
	for i, c := range all {
		t.Run(c.name, func(t *testing.T) {
			l := newProvisionLab(t, modes[i%len(modes)], func(o *panosim.Options) { o.Config = rulesOfOthers })
			before := names(l.sim.Config().Running())
			l.apply(l.plan(), false)
			l.commit()
			if err := l.sim.Config().Edit("somebody", "set", vsys1+"/tag", `<entry name="theirs"/>`); err != nil {
				t.Fatal(err)
			}
			c.wrong(l.sim)
			whole, err := l.remove()
			c.right(l.sim)
			if whole == (err != nil) {
				t.Errorf("whole %v, %v", whole, err)
			}
			if !whole {
				stopped++
				l.restart() // another process
				if whole, err := l.remove(); !whole {
					t.Errorf("the second run: %v, after %v", err, l.sim.Config().Candidate())
				}
			}
			if running := l.sim.Config().Running(); !slices.Equal(names(running), before) || strings.Contains(running, tag) {
				t.Errorf("left of ours, or taken along of others:\n%s", running)
			}
		})
	}
	if stopped < 20/callStep {
		t.Errorf("%d of %d runs were stopped", stopped, len(all))
	}
}

// A commit that is refused leaves what was written, and says what to do about it.
func TestACommitThatIsRefusedSaysWhatToDo(t *testing.T) {
	for want, refused := range map[string]func(*panosim.Sim){
		"show commit-locks": func(s *panosim.Sim) { s.Config().LockCommit("somebody", "shared") },
		"have somebody commit the changes made by svc-activedefense": func(s *panosim.Sim) {
			s.Config().SetRole("svc-activedefense", panosim.RightOperation, panosim.RightConfiguration)
		},
	} {
		l := newProvisionLab(t, modes[0], func(o *panosim.Options) { o.Config = rulesOfOthers })
		l.apply(l.plan(), false)
		l.commit()
		l.apply(l.removal(false), false)
		refused(l.sim)
		if _, err := Commit(t.Context(), l.device, l.want, ""); err == nil || !strings.Contains(err.Error(), "stays in the candidate configuration") || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
}
