package xmlapi

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Job is a task that the firewall carries out by itself.
type Job struct {
	ID       uint
	Kind     string // "Commit", "EDLRefresh"
	User     string // who began it; "" where the version does not say
	Done     bool   // it is over
	OK       bool   // over, and well
	Details  []string
	Warnings []string
}

// Texts are all that it says: the details, then the warnings.
func (j Job) Texts() []string { return slices.Concat(j.Details, j.Warnings) }

// ParseJob reads one job element. What failed because a daemon of the firewall restarted has neither number nor
// status.
func ParseJob(n *Node) Job {
	id, _ := strconv.ParseUint(n.Value("id"), 10, 32) // none: 0
	j := Job{
		ID: uint(id), Kind: n.Value("type"), User: n.Value("user"),
		Done: n.Value("status") == "FIN" || n.Value("type") == "Failed-Job",
		OK:   n.Value("result") == "OK",
	}
	j.Details, j.Warnings = n.Child("details").Texts(), n.Child("warnings").Texts()
	return j
}

// jobBits is what some answers keep of the number of a job: above 65535 they show its last 16 bits.
const jobBits = 1<<16 - 1

// findJob asks for one job; ok is false when the firewall knows none of that number, nor lists one by what is left of it.
func findJob(ctx context.Context, d *Device, id uint) (j Job, ok bool, err error) {
	if j, ok, err = showJob(ctx, d, id); ok || err != nil {
		return j, ok, err
	}
	jobs, _ := d.Jobs(ctx) // without the list it is unknown, as the firewall said
	for _, j := range jobs {
		// Of a number that was cut, only a commit is taken for the one that is sought: after a restart numbers begin again.
		cut := (id > jobBits || j.ID > jobBits) && j.ID&jobBits == id&jobBits && strings.EqualFold(j.Kind, "Commit")
		if id != 0 && (j.ID == id || cut) {
			return j, true, nil
		}
	}
	return Job{}, false, nil
}

func showJob(ctx context.Context, d *Device, id uint) (j Job, ok bool, err error) {
	number := strconv.FormatUint(uint64(id), 10)
	result, err := d.OpIn(ctx, CallJob, "show job "+number, "<show><jobs><id>"+number+"</id></jobs></show>", "")
	if Kind(err) == KindAPI && strings.Contains(strings.ToLower(err.Error()), "job") && strings.Contains(strings.ToLower(err.Error()), "not found") ||
		Kind(err) == KindAPI && strings.Contains(strings.ToLower(err.Error()), "no such") {
		return Job{}, false, nil
	}
	if err != nil {
		return Job{}, false, err
	}
	n := result.Child("job")
	return ParseJob(n), n != nil, nil
}

// Jobs lists what the firewall remembers of its jobs.
func (d *Device) Jobs(ctx context.Context) ([]Job, error) {
	result, err := d.OpIn(ctx, CallJob, "show jobs", "<show><jobs><all></all></jobs></show>", "")
	if err != nil {
		return nil, err
	}
	var jobs []Job
	for _, n := range result.Children {
		if n.Name == "job" {
			jobs = append(jobs, ParseJob(n))
		}
	}
	return jobs, nil
}

const (
	pollFirst = 200 * time.Millisecond
	pollMost  = 5 * time.Second
)

// WaitJob waits until a job is over, at most until the deadline. Trouble on the way is waited out: a firewall that
// commits answers slowly, with 502, or as if it did not know the key.
func (d *Device) WaitJob(ctx context.Context, what string, id uint, deadline time.Duration) (Job, error) {
	caller := ctx
	ctx, cancel := context.WithTimeout(caller, deadline)
	defer cancel()
	unknown, refused := 0, 0
	for wait := pollFirst; ; wait = min(2*wait, pollMost) {
		j, known, err := findJob(ctx, d, id)
		switch {
		case err == nil && known && j.Done:
			return j, nil
		case err == nil && !known:
			// A restart forgets jobs; what became of this one shows in the configuration.
			if unknown++; unknown > 3 {
				return Job{}, d.Fail(what, &Error{Kind: KindMalformed, Text: "the firewall no longer lists job " + strconv.FormatUint(uint64(id), 10)})
			}
		case Kind(err) == KindRole:
			// A right that was taken away does not come back by itself.
			if refused++; refused > 3 {
				return Job{}, err
			}
		}
		if d.Pause(ctx, wait) {
			continue
		}
		if err := caller.Err(); err != nil {
			return Job{}, d.Fail(what, err)
		}
		return Job{}, d.Fail(what, &Error{Kind: KindTimeout, Text: "job " + strconv.FormatUint(uint64(id), 10) + " has not finished after " + deadline.String()})
	}
}

// Pause waits by Options.Pause; false means that ctx ended first.
func (d *Device) Pause(ctx context.Context, wait time.Duration) bool {
	if d.opts.Pause != nil {
		return d.opts.Pause(ctx, wait)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
