package api

import (
	"cmp"
	"errors"
	"math"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"activedefense/agent/enforce"
	"activedefense/agent/report"
	"activedefense/agent/state"
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
func listHistory(a *API, c *call) error {
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
	st, err := a.reading(c)
	if err != nil {
		return err
	}
	offset, err := numberOf(c.query, "offset", "changes to pass over", 0)
	if err != nil {
		return err
	}
	filter := store.AuditFilter{Address: address, Since: since}
	if limit > 0 {
		filter.Limit = limit + min(offset, math.MaxInt-limit)
	}
	out := c.newList("changes")
	err = st.Audits(c.r.Context(), filter, func(x *store.Noted) error {
		if offset > 0 {
			offset--
			return nil
		}
		return out.add(Change{x.Time.UTC().Format(time.RFC3339Nano), x.Action, cmp.Or(x.Subject, detect.AddressText(x.Address)), x.By, x.Reason})
	})
	return out.end(struct{}{}, err)
}

const (
	// DefaultReport is how far back a report goes where nothing else is said, and mostReport how far at most.
	DefaultReport = "30d"
	mostReport    = 3660 * 24 * time.Hour
)

// reportTypes are the formats of a report.
var reportTypes = map[string]string{"json": "application/json", "text": "text/plain; charset=utf-8", "csv": "text/csv; charset=utf-8", "html": "text/html; charset=utf-8"}

// makeReport accounts for what was done from then until now.
func makeReport(a *API, c *call) error {
	now, format := a.opts.Now(), cmp.Or(c.query.Get("format"), "json")
	if reportTypes[format] == "" {
		return Usagef("format %q: the formats are json, %s", format, strings.Join(report.Formats, ", "))
	}
	text := cmp.Or(c.query.Get("since"), DefaultReport)
	since, err := ParseTime("since", text, now)
	if err != nil {
		return err
	}
	if !since.Before(now) || now.Sub(since) > mostReport {
		return Usagef("since %q: a report is of the past, and of at most ten years", text)
	}
	st, err := a.reading(c)
	if err != nil {
		return err
	}
	maker := report.New(since, now)
	counts, err := st.Count(c.r.Context(), since, now, report.Most)
	if err != nil {
		return err
	}
	maker.Count(&counts)
	err = st.States(c.r.Context(), since, now, func(s *store.FirewallState) error {
		maker.State(s)
		return nil
	})
	if err != nil {
		return err
	}
	if format == "json" {
		return c.answer(http.StatusOK, maker.Report())
	}
	c.w.Header().Set("Content-Type", reportTypes[format])
	c.w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox")
	_ = maker.Report().Write(c.w, format) // the client has gone
	return nil
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
func verify(a *API, c *call) error {
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

// AcceptedStore is what POST store/accept has done.
type AcceptedStore struct {
	Accepted bool `json:"accepted"`          // false: the agent finds nothing wrong with its database, so there is nothing to accept
	Already  bool `json:"already,omitempty"` // it was accepted before, as it is now
}

// acceptStore has the agent go on with the database that is there now.
func acceptStore(a *API, c *call) error {
	if a.opts.Open == nil || a.opts.Sound == nil {
		return noAgent()
	}
	ctx := c.r.Context()
	st, err := a.opts.Open(ctx)
	if err != nil {
		return faultf(http.StatusConflict, "accept the database, which has to be read for that: %w", err)
	}
	if st != nil {
		defer st.Close()
		if identity, sound := a.opts.Sound(); sound && identity == st.Place().Identity {
			return c.answer(http.StatusOK, AcceptedStore{})
		}
	}
	already, err := state.Accept(ctx, a.opts.Config.StateDir, st)
	if err != nil {
		return faultf(http.StatusInternalServerError, "accept the database: %w", err)
	}
	if !already {
		a.opts.Log.Warn().Str("by", c.by()).Msg("the database that is there now is accepted")
	}
	return c.answer(http.StatusOK, AcceptedStore{Accepted: true, Already: already})
}

// Reloading is what came of reading the configuration again: a new agent takes this one's place, which status tells when it has.
type Reloading struct {
	// LoadedAt is when the configuration that is still in use was loaded; the new one has a later time. Now is when that was said: a
	// configuration that cannot work on this host is refused after it.
	LoadedAt time.Time `json:"loaded_at"`
	Now      time.Time `json:"now"`
}

// reload has the agent read its configuration again. Faults in it are told at once; else it is about to be taken.
func (a *API) reload(c *call) error {
	if a.opts.Reload == nil {
		return noAgent()
	}
	begun := Reloading{Now: a.opts.Now()}
	faults, loaded, err := a.opts.Reload(c.r.Context())
	if err != nil {
		return faultf(http.StatusServiceUnavailable, "the configuration was not read again: %w", err)
	}
	if len(faults) > 0 {
		f := faultf(http.StatusUnprocessableEntity, "the new configuration is refused; the daemon goes on with the one that it has")
		f.Faults = faults
		return f
	}
	begun.LoadedAt = loaded
	return c.answer(http.StatusAccepted, begun)
}
