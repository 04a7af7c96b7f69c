package api

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"activedefense/agent/display"
	"activedefense/agent/explain"
	"activedefense/config"
	"activedefense/detect"
	"activedefense/store"
)

// ruleManual is the rule of entries made by hand.
const ruleManual = "manual"

func harmless(s string) string { return display.Harmless(s) }

// Blocking is what POST blacklist takes: one address or network, or several.
type Blocking struct {
	Address   string   `json:"address,omitempty"`
	Addresses []string `json:"addresses,omitempty"`
	Reason    string   `json:"reason"`
	For       string   `json:"for,omitempty"` // a duration; empty: until it is quiet
}

// Blocked is what came of it.
type Blocked struct {
	Entries []BlockedEntry `json:"entries"`
}

// BlockedEntry is one of them.
type BlockedEntry struct {
	explain.BlacklistEntry
	Fresh bool `json:"fresh"` // it was not blocked before
}

// addBlock blocks by hand: none, if any of them may never be blocked.
func (a *API) addBlock(c *call) error {
	var ask Blocking
	if err := c.read(&ask); err != nil {
		return err
	}
	if ask.Address != "" {
		ask.Addresses = append(ask.Addresses, ask.Address)
	}
	prefixes, err := ParsePrefixes(ask.Addresses)
	if err != nil {
		return err
	}
	if len(prefixes) == 0 {
		return Usagef("address is missing: name the address or the network to block, or several in addresses")
	}
	if strings.TrimSpace(ask.Reason) == "" {
		return Usagef("reason is missing: whoever reviews this block later will want to know why")
	}
	var length time.Duration
	if ask.For != "" {
		if length, err = config.ParseDuration(ask.For); err != nil || length <= 0 {
			return Usagef("for %q: use a duration such as 24h or 7d", ask.For)
		}
	}
	ctx := c.r.Context()
	st, guard, err := a.blocking(ctx)
	if err != nil {
		return err
	}
	for _, prefix := range prefixes {
		if err := guard.Check(prefix); err != nil {
			return faultf(http.StatusUnprocessableEntity, "not blocked: %w", err)
		}
	}
	defer a.changed()
	var out Blocked
	for _, prefix := range prefixes {
		now := a.opts.Now()
		block := store.Block{Address: prefix, Rule: ruleManual, Reason: ask.Reason, By: c.by(), FirstSeen: now, LastSeen: now, BlockedAt: now}
		if length > 0 {
			block.ExpiresAt = now.Add(length)
		}
		entry, fresh, err := st.Block(ctx, block)
		if err != nil {
			return faultf(http.StatusInternalServerError, "block %s: %w", detect.AddressText(prefix), err)
		}
		out.Entries = append(out.Entries, BlockedEntry{explain.NewBlacklistEntry(&entry, a.opts.Config.Blacklist.ReleaseAfter), fresh})
	}
	return c.answer(http.StatusOK, out)
}

// Removed is what DELETE blacklist/{address} has done.
type Removed struct {
	explain.BlacklistEntry
	Was  string `json:"was"`            // its state before: blocked, held or observed
	Note string `json:"note,omitempty"` // what else stands for the address
}

// releasedByHand is the reason of what is released without one.
const releasedByHand = "released by hand"

func (a *API) removeBlock(c *call) error {
	prefix, err := c.address()
	if err != nil {
		return err
	}
	st, err := a.changing()
	if err != nil {
		return err
	}
	reason := c.query.Get("reason")
	if strings.TrimSpace(reason) == "" {
		reason = releasedByHand
	}
	ctx := c.r.Context()
	entry, err := st.Release(ctx, prefix, c.by(), reason, a.opts.Now())
	if e, ok := errors.AsType[*store.ListedError](err); ok {
		return faultf(http.StatusConflict, "%s stays: it is %s. Take it out of the file, or put it into never_block and reload", detect.AddressText(prefix), reasonsOf(e.Files, a.opts.Config))
	}
	if errors.Is(err, store.ErrNotBlocked) {
		return faultf(http.StatusNotFound, "%s is not blocked, held or observed%s", detect.AddressText(prefix), coveringHint(ctx, st, prefix))
	}
	if err != nil {
		return faultf(http.StatusInternalServerError, "release %s: %w", detect.AddressText(prefix), err)
	}
	a.changed()
	return c.answer(http.StatusOK, Removed{explain.NewBlacklistEntry(&entry, a.opts.Config.Blacklist.ReleaseAfter), entry.State.String(), coveringHint(ctx, st, prefix)})
}

// Accepting is what POST blacklist/accept takes: what is held that is to be blocked, or all of it.
type Accepting struct {
	Addresses []string `json:"addresses,omitempty"`
	All       bool     `json:"all,omitempty"`
}

// Accepted is what came of it.
type Accepted struct {
	Entries []explain.BlacklistEntry `json:"entries"`
	NotHeld []string                 `json:"not_held,omitempty"` // what else was asked for, and what it is
}

func (a *API) accept(c *call) error {
	var ask Accepting
	if err := c.read(&ask); err != nil {
		return err
	}
	if ask.All == (len(ask.Addresses) > 0) {
		return Usagef("name the addresses or networks to accept, or all for everything that is held")
	}
	prefixes, err := ParsePrefixes(ask.Addresses)
	if err != nil {
		return err
	}
	ctx := c.r.Context()
	st, guard, err := a.blocking(ctx)
	if err != nil {
		return err
	}
	for _, p := range prefixes {
		if err := guard.Check(p); err != nil {
			return faultf(http.StatusUnprocessableEntity, "nothing was accepted: %w", err)
		}
	}
	var accepted []store.Entry
	if ask.All {
		accepted, err = st.AcceptAll(ctx, c.by(), a.opts.Now())
	} else {
		accepted, err = st.Accept(ctx, prefixes, c.by(), a.opts.Now())
	}
	if err != nil {
		return err
	}
	a.changed()
	out := Accepted{Entries: []explain.BlacklistEntry{}}
	for i := range accepted {
		out.Entries = append(out.Entries, explain.NewBlacklistEntry(&accepted[i], a.opts.Config.Blacklist.ReleaseAfter))
	}
	if out.NotHeld, err = notHeld(ctx, st, prefixes, accepted); err != nil {
		return err
	}
	return c.answer(http.StatusOK, out)
}
