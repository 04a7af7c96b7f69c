package firewall

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// job is a task that the firewall carries out by itself.
type job struct {
	id       uint
	kind     string // "Commit", "EDLRefresh"
	user     string // who began it; "" where the version does not say
	done     bool   // it is over
	ok       bool   // over, and well
	details  []string
	warnings []string
}

// parseJob reads one job element. What failed because a daemon of the firewall restarted has neither number nor
// status.
func parseJob(n *node) job {
	id, _ := strconv.ParseUint(n.value("id"), 10, 32) // none: 0
	j := job{
		id: uint(id), kind: n.value("type"), user: n.value("user"),
		done: n.value("status") == "FIN" || n.value("type") == "Failed-Job",
		ok:   n.value("result") == "OK",
	}
	j.details, j.warnings = n.child("details").texts(), n.child("warnings").texts()
	return j
}

// job asks for one job; ok is false when the firewall knows none of that number.
func (d *Device) job(ctx context.Context, id uint) (j job, ok bool, err error) {
	number := strconv.FormatUint(uint64(id), 10)
	result, err := d.opIn(ctx, CallJob, "show job "+number, "<show><jobs><id>"+number+"</id></jobs></show>", "")
	if Kind(err) == KindAPI && strings.Contains(strings.ToLower(err.Error()), "job") && strings.Contains(strings.ToLower(err.Error()), "not found") ||
		Kind(err) == KindAPI && strings.Contains(strings.ToLower(err.Error()), "no such") {
		return job{}, false, nil
	}
	if err != nil {
		return job{}, false, err
	}
	n := result.child("job")
	return parseJob(n), n != nil, nil
}

// jobs lists what the firewall remembers of its jobs.
func (d *Device) jobs(ctx context.Context) ([]job, error) {
	result, err := d.opIn(ctx, CallJob, "show jobs", "<show><jobs><all></all></jobs></show>", "")
	if err != nil {
		return nil, err
	}
	var jobs []job
	for _, n := range result.children {
		if n.name == "job" {
			jobs = append(jobs, parseJob(n))
		}
	}
	return jobs, nil
}

const (
	pollFirst = 200 * time.Millisecond
	pollMost  = 5 * time.Second
)

// waitJob waits until a job is over, at most until the deadline. Trouble on the way is waited out: a firewall that
// commits answers slowly, with 502, or as if it did not know the key.
func (d *Device) waitJob(ctx context.Context, what string, id uint, deadline time.Duration) (job, error) {
	caller := ctx
	ctx, cancel := context.WithTimeout(caller, deadline)
	defer cancel()
	unknown, refused := 0, 0
	for wait := pollFirst; ; wait = min(2*wait, pollMost) {
		j, known, err := d.job(ctx, id)
		switch {
		case err == nil && known && j.done:
			return j, nil
		case err == nil && !known:
			// A restart forgets jobs; what became of this one shows in the configuration.
			if unknown++; unknown > 3 {
				return job{}, d.fail(what, &Error{Kind: KindMalformed, Text: "the firewall no longer knows job " + strconv.FormatUint(uint64(id), 10)})
			}
		case Kind(err) == KindRole:
			// A right that was taken away does not come back by itself.
			if refused++; refused > 3 {
				return job{}, err
			}
		}
		if d.pause(ctx, wait) {
			continue
		}
		if err := caller.Err(); err != nil {
			return job{}, d.fail(what, err)
		}
		return job{}, d.fail(what, &Error{Kind: KindTimeout, Text: "job " + strconv.FormatUint(uint64(id), 10) + " is not over after " + deadline.String()})
	}
}

// pause waits; false means that ctx ended first.
func (d *Device) pause(ctx context.Context, wait time.Duration) bool {
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
