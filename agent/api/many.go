package api

import (
	"net/http"
	"slices"
	"strings"

	"activedefense/agent/exchange"
	"activedefense/agent/explain"
	"activedefense/detect"
)

// Removing is what DELETE blacklist takes.
type Removing struct {
	Addresses []string `json:"addresses"`
	Reason    string   `json:"reason,omitempty"`
}

// RemovedAll is what came of it.
type RemovedAll struct {
	Entries []Removed `json:"entries"`
	Refused []Refused `json:"refused,omitempty"`
}

// removeBlocks releases many; what is not on the blacklist is passed over.
func (a *API) removeBlocks(c *call) error {
	var ask Removing
	if err := c.read(&ask); err != nil {
		return err
	}
	prefixes, err := ParsePrefixes(ask.Addresses)
	if err != nil {
		return err
	}
	if len(prefixes) == 0 {
		return Usagef("addresses is missing: name the addresses and networks to release")
	}
	if strings.TrimSpace(ask.Reason) == "" {
		ask.Reason = releasedByHand
	}
	st, err := a.changing()
	if err != nil {
		return err
	}
	defer a.changed()
	released, listed, err := st.ReleaseEach(c.r.Context(), prefixes, c.by(), ask.Reason, a.opts.Now())
	if err != nil {
		return err
	}
	out := RemovedAll{Entries: []Removed{}}
	for i := range released {
		e := &released[i]
		out.Entries = append(out.Entries, Removed{BlacklistEntry: explain.NewBlacklistEntry(e, a.opts.Config.Blacklist.ReleaseAfter), Was: e.State.String()})
	}
	for _, l := range listed {
		out.Refused = append(out.Refused, Refused{slices.Index(prefixes, l.Address), detect.AddressText(l.Address) + " stays: it is " + reasonsOf(l.Files, a.opts.Config)})
	}
	return c.answer(http.StatusOK, out)
}

// Importing is what POST blacklist/import takes. Of the entries, what they say of a release that was counts for nothing.
type Importing struct {
	Entries []explain.BlacklistEntry `json:"entries"`
	Reason  string                   `json:"reason,omitempty"`  // of those that have none
	DryRun  bool                     `json:"dry_run,omitempty"` // nothing is changed
}

// Imported is what came of it.
type Imported struct {
	Blocked int       `json:"blocked"` // now, and not before
	Already int       `json:"already"` // before: they stay as they are
	Refused []Refused `json:"refused,omitempty"`
}

func (a *API) importBlocks(c *call) error {
	var ask Importing
	if err := c.read(&ask); err != nil {
		return err
	}
	ctx := c.r.Context()
	st, guard, err := a.blocking(ctx)
	if err != nil {
		return err
	}
	if !ask.DryRun {
		defer a.changed()
	}
	blocked, already, refused, err := exchange.Import(ctx, st, ask.Entries, exchange.Rules{Guard: guard, By: c.by(), Reason: strings.TrimSpace(ask.Reason),
		ReleaseAfter: a.opts.Config.Blacklist.ReleaseAfter, Now: a.opts.Now(), Try: ask.DryRun})
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, Imported{Blocked: len(blocked), Already: already, Refused: refusedOf(refused)})
}
