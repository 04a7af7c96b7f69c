package api

import (
	"cmp"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"activedefense/agent/enforce"
	"activedefense/detect"
	"activedefense/firewall/policy"
	"activedefense/store"
)

// status answers with the state of the agent, as /status does.
func (a *API) status(c *call) error {
	if a.opts.Status == nil {
		return noAgent()
	}
	return c.answer(http.StatusOK, a.opts.Status())
}

// defaultHistory is how many changes are given where no limit is named.
const defaultHistory = 1000

// Change is one change of the blacklist, the allow-list or the pause.
type Change struct {
	Time    string `json:"time"`
	Action  string `json:"action"`
	Address string `json:"address"` // or a name, or what all is meant
	By      string `json:"by"`
	Reason  string `json:"reason"`
}

// listHistory gives what was done to the blacklist, and who did it, the newest first.
func (a *API) listHistory(c *call) error {
	var address netip.Prefix
	if text := c.query.Get("address"); text != "" {
		var err error
		if address, err = ParsePrefix(text); err != nil {
			return err
		}
	}
	since, err := ParseTime("since", c.query.Get("since"), a.opts.Now())
	if err != nil {
		return err
	}
	limit, err := limitOf(c.query, "changes", defaultHistory)
	if err != nil {
		return err
	}
	st, err := a.reading()
	if err != nil {
		return err
	}
	out := c.newList("changes")
	err = st.Audits(c.r.Context(), store.AuditFilter{Address: address, Since: since, Limit: limit}, func(x *store.Noted) error {
		return out.add(Change{x.Time.UTC().Format(time.RFC3339Nano), x.Action, cmp.Or(x.Subject, detect.AddressText(x.Address)), x.By, x.Reason})
	})
	return out.end(struct{}{}, err)
}

// Verifying is what POST verify takes.
type Verifying struct {
	Firewall string `json:"firewall,omitempty"` // empty: all
}

// Verified are the checks.
type Verified struct {
	Checks []policy.Check `json:"checks"`
	Notes  []string       `json:"notes,omitempty"`
}

// verify looks at the policies now.
func (a *API) verify(c *call) error {
	var ask Verifying
	if err := c.ask(&ask); err != nil {
		return err
	}
	var out Verified
	st, err := a.opts.Store()
	if err != nil {
		// Policies can be looked at before the agent has run, and while its store is away.
		out.Notes = append(out.Notes, "without the blacklist ("+err.Error()+"): what depends on it is not checked")
	}
	out.Checks, err = enforce.Verify(c.r.Context(), a.opts.Config, enforce.VerifyOptions{Firewall: ask.Firewall, Store: st, Version: a.opts.Version, Expected: a.opts.Expected})
	if errors.Is(err, enforce.ErrUnknownFirewall) {
		return Usagef("%w", err)
	}
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, out)
}
