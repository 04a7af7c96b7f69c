package firewall

import (
	"context"
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

// commit publishes the edits of one administrator, us, and nobody else's, and waits until that is done; done is false
// when there was nothing to publish. It is sent once: when its answer is lost, its job is looked for, and one of ours that
// still runs, from before a restart for example, is waited for first.
func (d *Device) commit(ctx context.Context, admin, description string) (done bool, err error) {
	const what = "commit our changes"
	before, err := d.awaitOurs(ctx, what, admin)
	if err != nil {
		return false, err
	}
	id, err := d.sendCommit(ctx, what, admin, description)
	switch {
	case err == nil && id == 0:
		// A commit for another virtual system, sent at the same moment, may have taken our edits with it.
		_, err := d.awaitOurs(ctx, what, admin)
		return false, err
	case err != nil && ctx.Err() == nil && lost(err):
		if id, err = d.findCommit(ctx, what, admin, before, err); err != nil {
			return false, err
		}
	case err != nil:
		return false, err
	}
	j, err := d.waitJob(ctx, what, id, commitDeadline)
	if err != nil {
		return false, err
	}
	if !j.ok {
		return false, d.fail(what, &Error{Kind: KindCommit, Text: "the firewall did not carry it out: " + strings.Join(slices.Concat(j.details, j.warnings), " | ")})
	}
	return true, nil
}

// awaitOurs waits until no commit of ours is going on, however it ends, and gives the jobs that there are.
func (d *Device) awaitOurs(ctx context.Context, what, admin string) ([]job, error) {
	jobs, err := d.jobs(ctx)
	if err != nil {
		return nil, err
	}
	for _, j := range jobs {
		if !j.done && isCommit(j, admin) {
			if _, err := d.waitJob(ctx, what, j.id, commitDeadline); err != nil {
				return nil, err
			}
		}
	}
	return jobs, nil
}

// isCommit tells whether a job is a commit of that administrator's, or could be: some versions do not tell whose it is.
func isCommit(j job, admin string) bool {
	return strings.EqualFold(j.kind, "Commit") && (j.user == "" || j.user == admin)
}

// sendCommit gives the number of the job; 0: there was nothing to commit.
func (d *Device) sendCommit(ctx context.Context, what, admin, description string) (id uint, err error) {
	order := commit.FirewallCommit{Description: description, Admins: []string{admin}}.Element()
	body, err := d.call(ctx, CallCommit, what, func() ([]byte, error) {
		_, body, err := d.api.Commit(order, "", nil)
		return body, err
	})
	if err != nil {
		if nothing(err.Error()) {
			return 0, nil
		}
		return 0, err
	}
	root, err := parseTree(body)
	if err != nil {
		return 0, d.fail(what, &Error{Kind: KindMalformed, Text: err.Error(), Err: err})
	}
	if n := root.at("result", "job"); n != nil {
		return parseJob(element("job", leaf("id", n.text))).id, nil
	}
	if text := strings.Join(root.texts(), " "); !nothing(text) {
		return 0, d.fail(what, &Error{Kind: KindMalformed, Text: "the answer names no job: " + text})
	}
	return 0, nil
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

// findCommit looks for the job of a commit whose answer was lost. before is what jobs there were. Not found, the
// commit was not taken, and cause is the error.
func (d *Device) findCommit(ctx context.Context, what, admin string, before []job, cause error) (uint, error) {
	var newest uint
	for _, j := range before {
		newest = max(newest, j.id)
	}
	for range commitLooks {
		jobs, err := d.jobs(ctx)
		if err == nil {
			i := slices.IndexFunc(jobs, func(j job) bool { return j.id > newest && isCommit(j, admin) })
			if i >= 0 {
				return jobs[i].id, nil
			}
		}
		if !d.pause(ctx, commitLook) {
			break
		}
	}
	return 0, d.fail(what, cause)
}

// revert takes back the edits of one administrator that are not committed.
func (d *Device) revert(ctx context.Context, admin string) error {
	cmd := "<revert><config><partial><admin>" + memberList("admin", admin).children[0].xml() + "</admin></partial></config></revert>"
	_, err := d.opIn(ctx, CallConfig, "revert our changes", cmd, "")
	return err
}
