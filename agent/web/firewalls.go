package web

import (
	"cmp"
	"net/http"
	"slices"

	"activedefense/agent/api"
	"activedefense/agent/enforce"
	"activedefense/firewall/policy"
)

// worst gives the checks of a policy that a person should see to, the worst first, and how many others there are.
func worst(checks []policy.Check) (bad []policy.Check, passed int) {
	rank := func(c policy.Check) int {
		return slices.Index([]string{policy.ResultFail, policy.ResultWarn, policy.ResultPass}, c.Result)
	}
	for _, c := range checks {
		if c.Result == policy.ResultPass {
			passed++
		} else {
			bad = append(bad, c)
		}
	}
	slices.SortStableFunc(bad, func(a, b policy.Check) int { return cmp.Compare(rank(a), rank(b)) })
	return bad, passed
}

// A finding is what the last look at a firewall's policies found.
type finding struct {
	enforce.PolicyStatus
	Bad    []policy.Check
	Passed int
}

func (p *Pages) firewalls(v *visit) error {
	s, err := v.status()
	if err != nil {
		return err
	}
	out := &struct {
		*status
		Findings []finding
	}{status: &s}
	for _, look := range s.Policies {
		bad, passed := worst(look.Checks)
		out.Findings = append(out.Findings, finding{look, bad, passed})
	}
	p.show(v, http.StatusOK, "firewalls", "Firewalls", out)
	return nil
}

// verify has the policies looked at now.
func (p *Pages) verify(v *visit) error {
	var got api.Verified
	if err := v.api.Post(v.r.Context(), "verify", api.Verifying{Firewall: v.form.Get("firewall")}, &got); err != nil {
		return err
	}
	bad, passed := worst(got.Checks)
	p.show(v, http.StatusOK, "verified", "Policies, as just checked", &struct {
		Bad    []policy.Check
		Passed int
		Notes  []string
	}{bad, passed, got.Notes})
	return nil
}
