package xmlapi

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/dialect"
)

const svc = "svc-activedefense"

// edit leaves an edit of ours to be committed.
func (l *lab) edit() {
	l.t.Helper()
	if err := l.Edit(l.t.Context(), "make a tag", []Edit{Set(VSysPath("vsys1")+"/tag", NamedEntry("ours"))}); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) committed() bool { return strings.Contains(l.sim.Config().Running(), `"ours"`) }

func (l *lab) commits() (n int) {
	for _, j := range l.sim.Jobs() {
		if j.Type == "Commit" {
			n++
		}
	}
	return n
}

// A commit publishes our edits and nobody else's, and waits for its job; without edits there is nothing to do.
func TestCommit(t *testing.T) {
	l := newLab(t, func(o *panosim.Options) { o.CommitTime = time.Minute }, nil)
	l.identify()
	if err := l.sim.Config().Edit("somebody", "set", VSysPath("vsys1")+"/tag/entry[@name='theirs']", "<comments>x</comments>"); err != nil {
		t.Fatal(err)
	}
	l.edit()
	if done, err := l.Commit(t.Context(), svc, "ours"); err != nil || !done || !l.committed() {
		t.Fatalf("done %v, %v", done, err)
	}
	if strings.Contains(l.sim.Config().Running(), `"theirs"`) || l.sim.Config().Pending("somebody") == 0 {
		t.Error("somebody else's edit was published")
	}
	if done, err := l.Commit(t.Context(), svc, "ours"); err != nil || done {
		t.Errorf("without an edit: done %v, %v", done, err)
	}
	if n := l.commits(); n != 1 {
		t.Errorf("%d commits", n)
	}
}

func TestCommitThatFails(t *testing.T) {
	l := newLab(t, nil, nil)
	l.edit()
	l.sim.Config().FailCommit("Validation Error:", " rule 'x' is bad")
	done, err := l.Commit(t.Context(), svc, "ours")
	wantError(t, err, KindCommit, "commit our changes", "rule 'x' is bad")
	if done || l.committed() {
		t.Error("it is done all the same")
	}
	if err := l.Revert(t.Context(), svc); err != nil || l.sim.Config().Pending(svc) != 0 {
		t.Errorf("%d edits of ours stand after they were taken back, %v", l.sim.Config().Pending(svc), err)
	}
}

// A job that ended because a daemon restarted says nothing about our edits: it is tried again, and they stay.
func TestCommitThatARestartEnded(t *testing.T) {
	l := newLab(t, nil, nil)
	l.edit()
	l.sim.Config().FailCommit("job failed because of configd restart")
	_, err := l.Commit(t.Context(), svc, "ours")
	if wantError(t, err, KindBusy, "commit our changes", "configd restart"); !Transient(err) {
		t.Error("it is for good")
	}
	if done, err := l.Commit(t.Context(), svc, "ours"); !done || err != nil || !l.committed() {
		t.Errorf("afterwards: %v, %v", done, err)
	}
}

func TestCommitBehindALock(t *testing.T) {
	l := newLab(t, nil, nil)
	l.edit()
	l.sim.Config().LockCommit("somebody", "")
	if _, err := l.Commit(t.Context(), svc, "ours"); Kind(err) != KindBusy || !Transient(err) {
		t.Errorf("locked: %v", err)
	}
	l.sim.Config().UnlockCommit("")
	for _, text := range []string{
		"Timed out while getting config lock. Please try again.", "Session timed out", "Failed to synchronize running configuration with HA peer",
		"Server error : op command for client dagger timed out as client is not available", "job failed because of configd restart",
	} {
		l.sim.SetFault(panosim.Fault{Effect: panosim.Refuse, Kind: panosim.KindCommit, Calls: 1, Text: text})
		_, err := l.Commit(t.Context(), svc, "ours")
		wantError(t, err, KindBusy, "commit our changes", text)
		if !Transient(err) {
			t.Errorf("%s: not worth another try", text)
		}
	}
	if done, err := l.Commit(t.Context(), svc, "ours"); err != nil || !done {
		t.Errorf("unlocked: %v, %v", done, err)
	}
}

// The answer to a commit can be lost although it was taken: its job is found, and it is not sent again.
func TestCommitWhoseAnswerIsLost(t *testing.T) {
	for name, fault := range map[string]panosim.Fault{
		"reset": {Effect: panosim.Reset, Applied: true}, "502": {Effect: panosim.HTML, Status: 502, Applied: true}, "broken off": {Effect: panosim.Break},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, func(o *panosim.Options) { o.CommitTime = 30 * time.Second }, nil)
			l.edit()
			fault.Kind, fault.Calls = panosim.KindCommit, 1
			l.sim.SetFault(fault)
			if done, err := l.Commit(t.Context(), svc, "ours"); err != nil || !done || l.commits() != 1 {
				t.Errorf("done %v with %d commits, %v", done, l.commits(), err)
			}
		})
	}
	t.Run("never arrived", func(t *testing.T) {
		l := newLab(t, nil, nil)
		l.edit()
		l.sim.SetFault(panosim.Fault{Effect: panosim.Reset, Kind: panosim.KindCommit, Calls: 1})
		if done, err := l.Commit(t.Context(), svc, "ours"); Kind(err) != KindUnreachable || done || l.commits() != 0 {
			t.Errorf("done %v with %d commits, %v", done, l.commits(), err)
		}
	})
	t.Run("we are stopped", func(t *testing.T) {
		l := newLab(t, nil, nil)
		l.edit()
		l.sim.SetFault(panosim.Fault{Effect: panosim.Reset, Kind: panosim.KindCommit, Calls: 1})
		l.Device.opts.Pause = func(context.Context, time.Duration) bool { return false }
		if _, err := l.Commit(t.Context(), svc, "ours"); Kind(err) != KindUnreachable {
			t.Errorf("%v", err)
		}
	})
}

// A commit that may go on says so, with its job where that is known; one that was refused, or never arrived, is over.
func TestACommitThatMayGoOn(t *testing.T) {
	const none = -1
	for _, c := range []struct {
		what   string
		fault  panosim.Fault
		pauses int // after which we are stopped
		job    int // 0: not known
	}{
		{"its job runs", panosim.Fault{}, 0, 1},
		{"its job runs, and the answer with it was lost", panosim.Fault{Effect: panosim.Reset, Kind: panosim.KindCommit, Calls: 1, Applied: true}, 50, 1},
		{"its answer is lost, and then the firewall", panosim.Fault{Effect: panosim.Reset, Skip: 1}, 50, 0},
		{"its job is looked for", panosim.Fault{Effect: panosim.Reset, Kind: panosim.KindCommit}, 5, 0},
		{"it never arrived", panosim.Fault{Effect: panosim.Reset, Kind: panosim.KindCommit}, 50, none},
		{"it was refused", panosim.Fault{Effect: panosim.Refuse, Kind: panosim.KindCommit, Text: "no"}, 50, none},
		{"the firewall is away before", panosim.Fault{Effect: panosim.Reset}, 50, none},
	} {
		l := newLab(t, func(o *panosim.Options) { o.CommitTime = 24 * time.Hour }, nil)
		l.edit()
		if c.fault != (panosim.Fault{}) {
			l.sim.SetFault(c.fault)
		}
		ctx, stop := context.WithCancel(t.Context())
		l.Device.opts.Pause = func(context.Context, time.Duration) bool {
			if c.pauses--; c.pauses < 0 {
				stop()
			}
			return ctx.Err() == nil
		}
		_, err := l.Commit(ctx, svc, "ours")
		var u *Unfinished
		job := none
		if errors.As(err, &u) {
			job = int(u.Job)
		}
		if stop(); err == nil || job != c.job {
			t.Errorf("%s: job %d, want %d: %v", c.what, job, c.job, err)
		}
	}
}

// One of ours that still runs, from before a restart, is waited for.
func TestCommitWaitsForAnEarlierOne(t *testing.T) {
	l := newLab(t, func(o *panosim.Options) { o.CommitTime = 10 * time.Minute }, nil)
	l.edit()
	ctx, kill := context.WithCancel(t.Context())
	l.Device.opts.Pause = func(context.Context, time.Duration) bool { kill(); return false }
	if _, err := l.Commit(ctx, svc, "ours"); Kind(err) != KindCanceled {
		t.Fatalf("stopped while the commit goes on: %v", err)
	}
	l.reopen()
	if done, err := l.Commit(t.Context(), svc, "ours"); err != nil || done || l.commits() != 1 || !l.committed() {
		t.Errorf("done %v with %d commits, %v", done, l.commits(), err)
	}
}

func TestAnswersToACommit(t *testing.T) {
	jobs := `<response status="success"><result/></response>`
	for name, test := range map[string]struct {
		answer string
		done   bool
		kind   string
	}{
		"nothing to do":         {`<response status="success"><msg>There are no changes to commit.</msg></response>`, false, ""},
		"nothing, as an error":  {refused("The result of this commit would be the same as the previous commit"), false, ""},
		"no job":                {`<response status="success"><msg><line>hello</line></msg></response>`, false, KindMalformed},
		"without the right":     {`<response status="error" code="403"><result><msg>Type [commit] not authorized for user role.</msg></result></response>`, false, KindRole},
		"a job, and it is done": {`<response status="success" code="19"><result><job>7</job></result></response>`, true, ""},
	} {
		s := newScript(t, func(form url.Values) string {
			switch {
			case form.Get("type") == "commit":
				return test.answer
			case strings.Contains(form.Get("cmd"), "<id>7</id>"):
				return `<response status="success"><result><job><id>7</id><type>Commit</type><status>FIN</status><result>OK</result></job></result></response>`
			}
			return jobs
		})
		if done, err := s.Commit(t.Context(), svc, "ours"); done != test.done || Kind(err) != test.kind {
			t.Errorf("%s: %v, %v", name, done, err)
		}
	}
	s := newScript(t, always(refused("no")))
	if _, err := s.Commit(t.Context(), svc, "ours"); Kind(err) != KindAPI || len(s.calls) != 1 {
		t.Errorf("jobs that are not told: %v, %v", err, s.calls)
	}
}

// Above 65535 some answers keep the last 16 bits of a job's number: the job is found, and no older one of that number taken for it.
func TestCommitWithACutJobNumber(t *testing.T) {
	for _, numbers := range []dialect.JobNumbers{dialect.JobNumbersWhole, dialect.JobNumbersCutInAnswer, dialect.JobNumbersCutInList} {
		for _, fault := range []panosim.Fault{{}, {Effect: panosim.Reset, Applied: true, Kind: panosim.KindCommit, Calls: 1}} {
			l := newLab(t, func(o *panosim.Options) {
				o.Dialect, o.CommitTime, o.LastJob = dialect.Dialect{JobNumbers: numbers}, time.Minute, 1<<16-2
			}, nil)
			for i, name := range []string{"one", "two", "three"} { // the second is number 65536
				if err := l.Edit(t.Context(), "make a tag", []Edit{Set(VSysPath("vsys1")+"/tag", NamedEntry(name))}); err != nil {
					t.Fatal(err)
				}
				l.sim.SetFault(fault)
				if done, err := l.Commit(t.Context(), svc, "ours"); err != nil || !done || l.commits() != i+1 {
					t.Errorf("numbers %d, fault %v, commit %d: done %v with %d commits, %v", numbers, fault.Effect, i+1, done, l.commits(), err)
				}
			}
		}
	}
	for _, c := range []struct {
		id, want uint
		before   []Job
	}{
		{7, 7, nil}, {7, 7, []Job{{ID: 6}}}, {6, 1<<16 + 6, []Job{{ID: 6}}},
		{4465, 70001, []Job{{ID: 4465, Done: true, OK: true}, {ID: 70000}}}, {70001, 70001, []Job{{ID: 70000}}}, {0, 1 << 17, []Job{{ID: 1<<17 - 1}, {ID: 3}}},
	} {
		if got := wholeID(c.id, c.before); got != c.want {
			t.Errorf("job %d after %v: %d, want %d", c.id, c.before, got, c.want)
		}
	}
}

func TestParseJob(t *testing.T) {
	for text, want := range map[string]Job{
		`<job><id>7</id><type>Commit</type><user>svc</user><status>ACT</status><result>PEND</result></job>`: {ID: 7, Kind: "Commit", User: "svc"},
		`<job><id>8</id><type>EDLRefresh</type><status>FIN</status><result>OK</result></job>`:               {ID: 8, Kind: "EDLRefresh", Done: true, OK: true},
		`<job><type>Failed-Job</type></job>`: {Kind: "Failed-Job", Done: true},
		`<job><id>x</id></job>`:              {},
	} {
		n, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := ParseJob(n); got.ID != want.ID || got.Kind != want.Kind || got.User != want.User || got.Done != want.Done || got.OK != want.OK || got.Texts() != nil {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
	n, err := Parse([]byte(`<job><details><line>a</line><line>b</line></details><warnings><line>c</line></warnings></job>`))
	if got := strings.Join(ParseJob(n).Texts(), " "); err != nil || got != "a b c" {
		t.Errorf("texts %q, %v", got, err)
	}
}

// Waiting for a job takes trouble on the way, but neither for ever nor without the right.
func TestWaitJob(t *testing.T) {
	const running = `<response status="success"><result><job><id>7</id><status>ACT</status></job></result></response>`
	const over = `<response status="success"><result><job><id>7</id><status>FIN</status><result>OK</result></job></result></response>`
	const role = `<response status="error" code="403"><result><msg>Type [op] not authorized for user role.</msg></result></response>`
	for name, test := range map[string]struct {
		answers []string // the last for ever
		kind    string
		calls   int // 0: it does not matter
	}{
		"it goes on for a while":   {[]string{running, running, over}, "", 3},
		"trouble on the way":       {[]string{refused("Another commit is in progress"), role, refused("job 7 not found"), over}, "", 4},
		"a restart forgets it":     {[]string{refused("job 7 not found")}, KindMalformed, 8},
		"no such job":              {[]string{refused("no such job")}, KindMalformed, 8},
		"an answer without it":     {[]string{success}, KindMalformed, 8},
		"the right is taken away":  {[]string{role}, KindRole, 4},
		"it never ends":            {[]string{running}, KindTimeout, 0},
		"another error never ends": {[]string{refused("what?")}, KindTimeout, 0},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			s := newScript(t, func(url.Values) string {
				asked++
				return test.answers[min(asked, len(test.answers))-1]
			})
			s.opts.Pause = func(ctx context.Context, _ time.Duration) bool { return ctx.Err() == nil && asked < 50 }
			j, err := s.WaitJob(t.Context(), "wait", 7, time.Minute)
			if Kind(err) != test.kind || test.calls != 0 && asked != test.calls || err == nil && !j.OK {
				t.Errorf("%+v after %d calls, %v", j, asked, err)
			}
		})
	}
	s := newScript(t, always(running))
	ctx, cancel := context.WithCancel(t.Context())
	s.opts.Pause = func(context.Context, time.Duration) bool { cancel(); return false }
	_, err := s.WaitJob(ctx, "wait", 7, time.Minute)
	wantError(t, err, KindCanceled, "wait", "")
}

// Without a Pause of the options it waits by a timer, no longer than its context.
func TestPause(t *testing.T) {
	s := newScript(t, always(success))
	s.opts.Pause = nil
	if !s.Pause(t.Context(), time.Microsecond) {
		t.Error("a wait that was over is taken for one that was broken off")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s.Pause(ctx, time.Hour) {
		t.Error("a wait that was broken off is taken for one that is over")
	}
}
