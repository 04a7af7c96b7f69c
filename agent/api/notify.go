package api

import (
	"errors"
	"net/http"

	"activedefense/agent/notify"
)

// NotifyTesting is what POST notify/test takes.
type NotifyTesting struct {
	Receiver string `json:"receiver,omitempty"` // empty: each
}

// NotifyTested is what came of it, by receiver.
type NotifyTested struct {
	Results []notify.Result `json:"results"`
}

// testNotify sends a test notice to each receiver of the configuration in use, or to one, each of which is given some seconds.
func testNotify(a *API, c *call) error {
	var ask NotifyTesting
	if err := c.ask(&ask); err != nil {
		return err
	}
	cfg := a.opts.Config
	if !cfg.Notify.Any() {
		return faultf(http.StatusConflict, "the configuration names nobody to tell: set notify.mail, notify.webhooks or notify.syslog")
	}
	results, err := notify.Test(c.r.Context(), notify.Options{Config: &cfg.Notify, Name: cfg.Name, Version: a.opts.Version, Logger: a.opts.Log, Now: a.opts.Now}, ask.Receiver)
	if errors.Is(err, notify.ErrUnknownReceiver) {
		return Usagef("%w", err)
	}
	if err != nil {
		return err
	}
	a.opts.Log.Info().Str("by", c.by()).Str("receiver", ask.Receiver).Msg("test notices were sent")
	return c.answer(http.StatusOK, NotifyTested{results})
}
