package api

import (
	"net/http"
	"time"
)

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
