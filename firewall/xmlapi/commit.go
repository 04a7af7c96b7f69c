package xmlapi

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/PaloAltoNetworks/pango/commit"
)

const (
	commitDeadline = 20 * time.Minute // a large configuration takes minutes, behind others in the queue more
	commitLooks    = 30               // how often the job of a commit is looked for whose answer was lost
	commitLook     = 2 * time.Second  // between two looks
)

// Unfinished is the error of a commit or push that was begun, or may have been, and of which it is not known how it ends: it may still take effect.
type Unfinished struct {
	Job uint  // its number; 0: not known
	Err error // why it is not known, an *Error
}

// Error gives the text of Err.
func (u *Unfinished) Error() string { return u.Err.Error() }

// Unwrap gives Err.
func (u *Unfinished) Unwrap() error { return u.Err }

// awaitCommit waits for the job of a commit or push. The error is an *Unfinished.
func awaitCommit(ctx context.Context, d *Device, what string, id uint) (Job, error) {
	j, err := d.WaitJob(ctx, what, id, commitDeadline)
	if err != nil {
		return Job{}, &Unfinished{id, err}
	}
	return j, nil
}

// Commit publishes the edits of one administrator, us, and nobody else's, and waits until that is done; done is false
// when there was nothing to publish. It is sent once: when its answer is lost, its job is looked for, and one of ours that
// still runs, from before a restart for example, is waited for first. The error is an *Unfinished where a commit may go on, that one included; with
// any other, none does.
func (d *Device) Commit(ctx context.Context, admin, description string) (done bool, err error) {
	c := committing{Device: d, admin: admin}
	before, err := c.awaitOurs(ctx)
	if err != nil {
		return false, err
	}
	id, taken, err := c.send(ctx, description)
	switch {
	case err == nil && !taken:
		// A commit for another virtual system, sent at the same moment, may have taken our edits with it.
		_, err := c.awaitOurs(ctx)
		return false, err
	case err != nil && ctx.Err() == nil && lost(err):
		if id, err = c.find(ctx, before, err); err != nil {
			return false, err
		}
	case err != nil:
		return false, begun(err)
	}
	j, err := awaitCommit(ctx, d, commitWhat, wholeID(id, before))
	if err != nil {
		return false, err
	}
	if !j.OK {
		kind := KindCommit
		if strings.Contains(strings.Join(j.Details, " "), configdRestart) {
			kind = KindBusy
		}
		return false, d.Fail(commitWhat, &Error{Kind: kind, Text: "the commit failed: " + firstOf(j.Texts())})
	}
	return true, nil
}

// firstOf joins the first lines of a job: they say the same of one place after another.
func firstOf(lines []string) string {
	const most = 2
	text := strings.Join(lines[:min(len(lines), most)], " | ")
	if more := len(lines) - most; more > 0 {
		text += fmt.Sprintf(" | and %d more: see the job (Tasks)", more)
	}
	return text
}

// Kinds of what a Panorama pushes.
const (
	PushDeviceGroup   = commit.TypeDeviceGroup
	PushTemplate      = commit.TypeTemplate
	PushTemplateStack = commit.TypeTemplateStack
)

// Push has a Panorama push a device group, a template or a stack of templates, as committed, to one of its firewalls, and waits until
// that is done. d is the Panorama itself. It is sent once; to push again what is pushed already changes nothing. The error is an *Unfinished where
// the push may go on.
func Push(ctx context.Context, d *Device, kind, name, serial string) error {
	what := "push " + kind + " " + name + " to " + serial
	order := commit.PanoramaCommitAll{Type: kind, Name: name, Description: "Active Defense", Devices: []string{serial}}
	body, err := d.call(ctx, CallCommit, what, func() ([]byte, error) {
		_, body, err := d.api.Commit(order.Element(), order.Action(), nil)
		return body, err
	})
	if err != nil {
		return begun(err)
	}
	root, err := Parse(body)
	n := root.At("result", "job")
	if err != nil || n == nil {
		return begun(d.Fail(what, &Error{Kind: KindMalformed, Text: "the response contains no job ID: " + strings.Join(root.Texts(), " ")}))
	}
	j, err := awaitCommit(ctx, d, what, ParseJob(Element("job", Leaf("id", n.Text))).ID)
	if err == nil && !j.OK {
		err = d.Fail(what, &Error{Kind: KindCommit, Text: "the push failed: " + strings.Join(j.Texts(), " | ")})
	}
	return err
}

const commitWhat = "commit our changes" // what errors name

// committing is one commit of an administrator's edits.
type committing struct {
	*Device
	admin string
}

// awaitOurs waits until no commit of ours is going on, however it ends, and gives the jobs that there are.
func (c committing) awaitOurs(ctx context.Context) ([]Job, error) {
	jobs, err := c.Jobs(ctx)
	if err != nil {
		return nil, err
	}
	for _, j := range jobs {
		if !j.Done && isCommit(j, c.admin) {
			if _, err := awaitCommit(ctx, c.Device, commitWhat, j.ID); err != nil {
				return nil, err
			}
		}
	}
	return jobs, nil
}

// isCommit tells whether a job is a commit of that administrator's, or could be: some versions do not tell whose it is.
func isCommit(j Job, admin string) bool {
	return strings.EqualFold(j.Kind, "Commit") && (j.User == "" || j.User == admin)
}

// send gives the number of the job as the firewall tells it; taken is false when there was nothing to commit.
func (c committing) send(ctx context.Context, description string) (id uint, taken bool, err error) {
	order := commit.FirewallCommit{Description: description, Admins: []string{c.admin}}.Element()
	body, err := c.call(ctx, CallCommit, commitWhat, func() ([]byte, error) {
		_, body, err := c.api.Commit(order, "", nil)
		return body, err
	})
	if err != nil {
		if nothing(err.Error()) {
			return 0, false, nil
		}
		return 0, false, err
	}
	root, err := Parse(body)
	if err != nil {
		return 0, false, c.Fail(commitWhat, &Error{Kind: KindMalformed, Text: err.Error(), Err: err})
	}
	if n := root.At("result", "job"); n != nil {
		return ParseJob(Element("job", Leaf("id", n.Text))).ID, true, nil
	}
	if text := strings.Join(root.Texts(), " "); !nothing(text) {
		return 0, false, c.Fail(commitWhat, &Error{Kind: KindMalformed, Text: "the response contains no job ID: " + text})
	}
	return 0, false, nil
}

// nothing tells whether a text says that there is nothing to commit.
func nothing(text string) bool {
	text = strings.ToLower(text)
	return strings.Contains(text, "no changes to commit") || strings.Contains(text, "same as the previous commit")
}

// lost tells whether the firewall may have done what it was asked although the answer is an error.
func lost(err error) bool {
	switch Kind(err) {
	case KindTimeout, KindUnreachable, KindMalformed, KindHTTP:
		return true
	}
	return false
}

// begun is the error of an order, which the firewall may have taken all the same.
func begun(err error) error {
	if lost(err) || Kind(err) == KindCanceled {
		return &Unfinished{0, err}
	}
	return err
}

// wholeID gives the number of a new job of which the answer may hold the last 16 bits alone: it is higher than those of the jobs
// before. With the number as it was told, an old job could be taken for the new one. Where that is wrong, because numbers
// began again, findJob takes the commit with what is left of the number.
func wholeID(id uint, before []Job) uint {
	var newest uint
	for _, j := range before {
		newest = max(newest, j.ID)
	}
	for id <= newest {
		id += jobBits + 1
	}
	return id
}

// find looks for the job of a commit whose answer was lost. before is what jobs there were. Not found among those that are told in the end, the
// commit was not taken, and cause is the error; where none are told, that is unfinished.
func (c committing) find(ctx context.Context, before []Job, cause error) (uint, error) {
	known := map[uint]bool{}
	for _, j := range before {
		known[j.ID] = true
	}
	told := false
	for range commitLooks {
		jobs, err := c.Jobs(ctx)
		told = err == nil
		if err == nil {
			i := slices.IndexFunc(jobs, func(j Job) bool { return !known[j.ID] && isCommit(j, c.admin) })
			if i >= 0 {
				return jobs[i].ID, nil
			}
		}
		if !c.Pause(ctx, commitLook) {
			told = false
			break
		}
	}
	if cause = c.Fail(commitWhat, cause); !told {
		return 0, &Unfinished{0, cause}
	}
	return 0, cause
}

// Revert takes back the edits of one administrator that are not committed.
func (d *Device) Revert(ctx context.Context, admin string) error {
	cmd := "<revert><config><partial><admin>" + MemberList("admin", admin).Children[0].XML() + "</admin></partial></config></revert>"
	_, err := d.OpIn(ctx, CallConfig, "revert our changes", cmd, "")
	return err
}
