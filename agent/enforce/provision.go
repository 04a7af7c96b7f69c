package enforce

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"activedefense/config"
	"activedefense/firewall/policy"
	"activedefense/firewall/xmlapi"
)

// ProvisionOptions say what is done about what is missing.
type ProvisionOptions struct {
	Firewall string // "": all of the configuration
	Apply    bool   // write it to the candidate configuration
	Adopt    bool   // also where an object is somebody else's
	Commit   bool   // publish what we wrote
	Remove   bool   // instead, take away all that is ours
	Version  string // of the program
	Expected Expected
	// Progress, if not nil, is told of each firewall's plan, and then, if anything was done, what; then the plan is nil.
	Progress func(name string, plan *policy.Plan, done string)
}

// Provision plans, and carries out if it is told to, what the policies of the firewalls lack. Of a pair, the member
// that takes changes is written to. The steps that are left are given; the error is that of every firewall that could not
// be planned or written.
func Provision(ctx context.Context, cfg *config.Config, opts ProvisionOptions) (left []policy.Step, err error) {
	open := newDevices(opts.Version, NewCalls(), time.Now)
	if opts.Progress == nil {
		opts.Progress = func(string, *policy.Plan, string) {}
	}
	known := false
	var failed error
	for _, fw := range cfg.Firewalls {
		if opts.Firewall != "" && !strings.EqualFold(fw.Name, opts.Firewall) {
			continue
		}
		known = true
		members, err := open.pair(fw)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		steps, err := provisionOne(ctx, cfg, fw, members, opts)
		for _, m := range members {
			m.Close()
		}
		left = append(left, steps...)
		failed = errors.Join(failed, err)
	}
	if !known {
		return nil, unknownFirewall(cfg, opts.Firewall)
	}
	return left, failed
}

func provisionOne(ctx context.Context, cfg *config.Config, fw config.Firewall, members []*xmlapi.Device, opts ProvisionOptions) ([]policy.Step, error) {
	device, err := xmlapi.Active(ctx, members...)
	if err != nil {
		return nil, err
	}
	want := opts.Expected.of(cfg, fw, nil, nil, time.Now())
	want.MayProvision = true
	if !opts.Remove && want.ListURL != "" && want.CA == nil && opts.Expected.CA != "" {
		return nil, fmt.Errorf("cannot read the list's CA from %s: start the daemon once to create it, then run this as the daemon's user or as root",
			opts.Expected.CA)
	}
	plans := policy.Provision
	if opts.Remove {
		plans = func(ctx context.Context, d *xmlapi.Device, want policy.Expectation) (policy.Plan, error) {
			return policy.Remove(ctx, d, want, opts.Adopt)
		}
	}
	plan, err := plans(ctx, device, want)
	if xmlapi.Kind(err) == xmlapi.KindRole {
		err = fmt.Errorf("%w; planning needs an administrator whose role allows Configuration, applying also Import and Commit: "+
			"see firewall/README.md for the role; the daemon's own account does not need these rights", err)
	}
	if err != nil {
		return nil, err
	}
	opts.Progress(device.Name(), &plan, "")
	steps := plan.Steps
	if opts.Apply && opts.Commit {
		if err := policy.MayCommit(ctx, device, fw.CommitAdmin); err != nil {
			return steps, err
		}
	}
	if opts.Apply && len(steps) > 0 {
		taken, err := policy.Take(ctx, device, steps, opts.Adopt)
		opts.Progress(device.Name(), nil, fmt.Sprintf("%d of %d steps written to the candidate configuration", taken, len(steps)))
		if err != nil {
			return steps, err
		}
		if plan, err = plans(ctx, device, want); err != nil {
			return nil, err
		}
		steps = plan.Steps
	}
	if opts.Commit {
		opts.Progress(device.Name(), nil, "committing the edits of our administrator, made now or earlier, and nobody else's; this can take minutes")
		done, err := policy.Commit(ctx, device, want, fw.CommitAdmin)
		if err != nil {
			return steps, err
		}
		what := "committed; status looks again within the hour, or at once after a reload"
		if !done {
			what = "nothing of ours to commit"
		}
		opts.Progress(device.Name(), nil, what)
	}
	return steps, nil
}
