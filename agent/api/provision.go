package api

import (
	"errors"

	"activedefense/agent/enforce"
	"activedefense/firewall/policy"
)

// Provisioning is what POST provision takes: without apply and commit nothing is written.
type Provisioning struct {
	Firewall string `json:"firewall,omitempty"` // empty: all
	Apply    bool   `json:"apply,omitempty"`    // write the plan to the candidate configuration
	Commit   bool   `json:"commit,omitempty"`   // commit the edits of our administrator
	Adopt    bool   `json:"adopt,omitempty"`    // also change objects created by others
	Remove   bool   `json:"remove,omitempty"`   // take away all that is ours, instead
}

// Planned is a firewall's plan; or what was done there, and then the plan is nil.
type Planned struct {
	Firewall string        `json:"firewall"`
	Plan     *policy.Plan  `json:"plan,omitempty"`
	Steps    []policy.Step `json:"steps,omitempty"`
	Done     string        `json:"done,omitempty"`
}

// Provisioned is what is left when all was done.
type Provisioned struct {
	Left []policy.Step `json:"left"`
}

// provision plans with the daemon's own keys, and does what it is told to; its answer comes plan by plan. A firewall that fails costs the
// others nothing; what failed is the answer's error.
func provision(a *API, c *call) error {
	var ask Provisioning
	if err := c.ask(&ask); err != nil {
		return err
	}
	if ask.Apply || ask.Commit {
		a.opts.Log.Info().Str("by", c.by()).Str("firewall", ask.Firewall).Bool("apply", ask.Apply).Bool("commit", ask.Commit).Bool("adopt", ask.Adopt).Bool("remove", ask.Remove).Msg("provision is asked for")
	}
	out := c.newList("plans")
	opts := enforce.ProvisionOptions{Firewall: ask.Firewall, Apply: ask.Apply, Commit: ask.Commit, Adopt: ask.Adopt, Remove: ask.Remove,
		Version: a.opts.Version, Expected: a.opts.Expected,
		Progress: func(name string, plan *policy.Plan, done string) {
			p := Planned{Firewall: name, Plan: plan, Done: done}
			if plan != nil {
				p.Steps = plan.Steps
			}
			_ = out.add(p) // a client that has gone ends the request's context, and with it what is done
		}}
	if ask.Remove && a.opts.Registering != nil {
		opts.Registering = a.opts.Registering()
	}
	left, err := enforce.Provision(c.r.Context(), a.opts.Config, opts)
	if errors.Is(err, enforce.ErrUnknownFirewall) {
		return Usagef("%w", err)
	}
	return out.end(Provisioned{append([]policy.Step{}, left...)}, err)
}
