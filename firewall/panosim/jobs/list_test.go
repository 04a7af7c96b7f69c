package jobs

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/xmltree"
)

// bench is a list of jobs with a clock that stands until it is moved. What runs beside the queue runs at once.
type bench struct {
	*List
	now     time.Time
	dialect dialect.Dialect
	lock    sync.Mutex
}

func newBench() *bench {
	b := &bench{now: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)}
	b.List = New(Options{
		Now: func() time.Time { return b.now }, Version: dialect.Version{Major: 10, Minor: 2}, Dialect: &b.dialect, Lock: &b.lock,
		Go: func(f func(context.Context)) bool { f(context.Background()); return true },
	})
	return b
}

func (b *bench) states() string {
	var out []string
	for _, j := range b.All() {
		out = append(out, fmt.Sprint(j.ID, j.Status, j.Result))
	}
	return strings.Join(out, " ")
}

func (b *bench) show(t *testing.T, what string) string {
	t.Helper()
	command, err := xmltree.Parse("<show><jobs>" + what + "</jobs></show>")
	if err != nil {
		t.Fatal(err)
	}
	return string(b.Show(answer.Request{Command: command, At: command.Child("jobs")}).Body)
}

func (b *bench) enqueue(takes time.Duration, r Result) int {
	return b.Enqueue("Commit", "ann", "why", takes, func() Result { return r })
}

// Jobs of the queue follow one another by the clock, however seldom anybody looks.
func TestQueue(t *testing.T) {
	b := newBench()
	began := b.now
	b.enqueue(time.Minute, Result{OK: true})
	b.enqueue(time.Minute, Result{Details: []string{"no"}})
	b.enqueue(time.Hour, Result{OK: true})
	for _, c := range []struct {
		after time.Duration
		want  string
	}{
		{0, "1ACTPEND 2PENDPEND 3PENDPEND"},
		{59 * time.Second, "1ACTPEND 2PENDPEND 3PENDPEND"},
		{time.Minute, "1FINOK 2ACTPEND 3PENDPEND"},
		{50 * time.Minute, "1FINOK 2FINFAIL 3ACTPEND"},
		{62 * time.Minute, "1FINOK 2FINFAIL 3FINOK"},
	} {
		if b.now = began.Add(c.after); b.states() != c.want {
			t.Errorf("after %v: %s, want %s", c.after, b.states(), c.want)
		}
	}
	if ended := b.All()[1].Ended; !ended.Equal(began.Add(2 * time.Minute)) {
		t.Errorf("the second ended at %v", ended)
	}
	if b.Queuing() {
		t.Error("something waits still")
	}
}

// What is called when a commit has ended may look at the list.
func TestAJobLooksAtTheList(t *testing.T) {
	b := newBench()
	b.Enqueue("Commit", "ann", "", 0, func() Result { b.Due(); return Result{OK: len(b.All()) == 1} })
	if b.states() != "1FINOK" {
		t.Error(b.states())
	}
}

func TestBesideTheQueue(t *testing.T) {
	b := newBench()
	b.enqueue(time.Minute, Result{OK: true})
	if id := b.Run("EDLFetch", "ann", func(context.Context) Result { return Result{OK: true, Warnings: []string{"w"}} }); id != 2 {
		t.Errorf("number %d", id)
	}
	end := b.Hold("Install", "bob")
	if got, want := b.states(), "1ACTPEND 2FINOK 3ACTPEND"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if !b.GoingOn("Downld", "Install") || b.GoingOn("EDLFetch") {
		t.Error("the wrong jobs go on")
	}
	end(Result{Details: []string{"broken"}})
	end(Result{OK: true}) // too late
	if got, want := b.states(), "1ACTPEND 2FINOK 3FINFAIL"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestRestart(t *testing.T) {
	for _, forgets := range []dialect.JobsOverReboot{dialect.JobsKept, dialect.JobsForgotten} {
		b := newBench()
		b.dialect.JobsOverReboot = forgets
		b.Run("EDLFetch", "", func(context.Context) Result { return Result{OK: true} })
		b.enqueue(time.Minute, Result{OK: true})
		b.Restart()
		b.now = b.now.Add(time.Hour)
		want, next := "1FINOK 2FINFAIL", 3
		if forgets == dialect.JobsForgotten {
			want, next = "", 1
		}
		if got := b.states(); got != want {
			t.Errorf("%v: %s, want %s", forgets, got, want)
		}
		if forgets == dialect.JobsKept {
			if got := b.show(t, "<all/>"); !strings.Contains(got, "<job><type>Failed-Job</type><details><line>job failed because of configd restart</line></details></job>") {
				t.Errorf("a job that was lost is shown as %s", got)
			}
			if got := b.show(t, "<id>2</id>"); !strings.Contains(got, "job 2 not found") {
				t.Errorf("a job that was lost has its number still: %s", got)
			}
		}
		if id := b.enqueue(0, Result{}); id != next {
			t.Errorf("%v: the next is %d, want %d", forgets, id, next)
		}
	}
}

// The oldest that have ended go first; what goes on stays.
func TestBound(t *testing.T) {
	b := newBench()
	end := b.Hold("Install", "")
	for range maxJobs + 10 {
		b.Hold("Commit", "")(Result{OK: true})
	}
	all := b.All()
	if len(all) != maxJobs || all[0].Type != "Install" || !slices.IsSortedFunc(all, func(a, b Job) int { return a.ID - b.ID }) {
		t.Errorf("%d jobs, the first is %+v", len(all), all[0])
	}
	end(Result{})
}

func TestShown(t *testing.T) {
	b := newBench()
	b.enqueue(time.Minute, Result{OK: true, Details: []string{"a < b"}, Warnings: []string{"w"}})
	b.enqueue(time.Minute, Result{})
	b.now = b.now.Add(75 * time.Second)
	const first = `<job><tenq>2026/11/21 10:00:00</tenq><tdeq>10:00:00</tdeq><id>1</id><user>ann</user><type>Commit</type><status>FIN</status>` +
		`<queued>NO</queued><stoppable>no</stoppable><result>OK</result><tfin>10:01:00</tfin><description>why</description><positionInQ>0</positionInQ>` +
		`<progress>100</progress><details><line>a &lt; b</line></details><warnings><line>w</line></warnings></job>`
	const second = `<job><tenq>2026/11/21 10:00:00</tenq><tdeq>10:01:00</tdeq><id>2</id><user>ann</user><type>Commit</type><status>ACT</status>` +
		`<queued>NO</queued><stoppable>yes</stoppable><result>PEND</result><tfin>Still Active</tfin><description>why</description><positionInQ>0</positionInQ>` +
		`<progress>25</progress><details></details><warnings></warnings></job>`
	for what, want := range map[string]string{
		"<all/>": second + first, "<pending/>": second, "<processed/>": first, "<id>1</id>": first,
	} {
		if got := b.show(t, what); got != `<response status="success"><result>`+want+"</result></response>" {
			t.Errorf("%s: %s", what, got)
		}
	}
	for what, want := range map[string]string{
		"": "is unexpected", "<all/><id>1</id>": "is unexpected", "<nonsense/>": "is unexpected", "<id>x</id>": "is not a valid integer",
		"<id>9</id>": `code="7"><msg><line>job 9 not found`,
	} {
		if got := b.show(t, what); !strings.Contains(got, want) {
			t.Errorf("%s: %s", what, got)
		}
	}
	b.dialect.UnknownJob, b.dialect.Details = dialect.UnknownJobQuery, dialect.DetailsNested
	if got := b.show(t, "<id>9</id>"); !strings.Contains(got, "<response status=\"error\"><msg><line>No such query job 9") {
		t.Error(got)
	}
	if got := b.show(t, "<id>1</id>"); !strings.Contains(got, "<details><line><newjob><newmsg>a &lt; b</newmsg></newjob></line></details><warnings><line>w</line></warnings>") {
		t.Error(got)
	}
}
