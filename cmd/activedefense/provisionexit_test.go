package main

import (
	"errors"
	"io"
	"testing"

	"activedefense/firewall/policy"
)

// What --apply writes waits for its commit: until then something is needed, and --detailed-exit-code says so.
func TestWhatIsWrittenWaitsForItsCommit(t *testing.T) {
	ours, theirs, person := policy.Step{Action: policy.ActionCreate}, policy.Step{Action: policy.ActionChange, Foreign: true}, policy.Step{Action: policy.ActionPerson}
	for _, c := range []struct {
		steps                []policy.Step
		apply, commit, adopt bool
		want                 int
	}{
		{[]policy.Step{ours}, true, false, false, exitNeeded}, {[]policy.Step{ours}, true, true, false, 0}, {[]policy.Step{theirs}, true, false, true, exitNeeded},
		{[]policy.Step{theirs}, true, false, false, 0}, {[]policy.Step{person}, true, false, true, 0}, {nil, true, false, false, 0}, {[]policy.Step{ours}, false, false, false, 0},
	} {
		p := &provisionCommand{app: &app{stdout: io.Discard}, detailed: true}
		p.opts.Apply, p.opts.Commit, p.opts.Adopt = c.apply, c.commit, c.adopt
		p.progress("fw", &policy.Plan{Steps: c.steps}, "")
		var status *statusError
		if err := p.exit(nil, nil); errors.As(err, &status) != (c.want != 0) || status != nil && status.code != c.want {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// What a list that is no longer served has left stops what was released, and is to be taken away.
func TestWhatAListHasLeftIsNotNothing(t *testing.T) {
	p := &provisionCommand{app: &app{stdout: io.Discard}, detailed: true}
	p.progress("fw", &policy.Plan{FormerMode: "there is a rule that its mode does not use"}, "")
	var status *statusError
	if err := p.exit(nil, nil); !errors.As(err, &status) || status.code != exitNeeded {
		t.Errorf("%v", err)
	}
}
