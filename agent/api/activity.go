package api

import (
	"net/http"
	"time"

	"activedefense/agent/pace"
	"activedefense/config"
)

// Activity is what happened in each hour of the last 30 days, the oldest first; the last one is not over.
type Activity struct {
	Hours []ActiveHour `json:"hours"`
}

// ActiveHour is one of them.
type ActiveHour struct {
	From   time.Time `json:"from"`
	Blocks int       `json:"blocks"` // that began
	Lines  uint64    `json:"lines"`  // that this agent read while it looked
	// Seconds is for how long of the hour was looked; 0: how many lines came is not known.
	Seconds float64 `json:"seconds"`
}

// activity gives blocks and lines by the hour.
func activity(a *API, c *call) error {
	if a.opts.Pace == nil {
		return noAgent()
	}
	st, err := a.reading(c)
	if err != nil {
		return err
	}
	last := a.opts.Now().UTC().Truncate(time.Hour)
	first := last.Add(-pace.Kept + time.Hour)
	out := Activity{Hours: make([]ActiveHour, pace.Kept/time.Hour)}
	of := func(t time.Time) *ActiveHour { // nil: of none of them
		if i := int(t.Sub(first) / time.Hour); !t.Before(first) && i < len(out.Hours) {
			return &out.Hours[i]
		}
		return nil
	}
	for i := range out.Hours {
		out.Hours[i].From = first.Add(time.Duration(i) * time.Hour)
	}
	for _, h := range a.opts.Pace() {
		if hour := of(h.From); hour != nil {
			hour.Lines, hour.Seconds = h.Lines, h.Seconds
		}
	}
	if err := st.Began(c.r.Context(), first, func(t time.Time) error {
		if hour := of(t); hour != nil {
			hour.Blocks++
		}
		return nil
	}); err != nil {
		return err
	}
	return c.answer(http.StatusOK, out)
}

// Settings are the configuration in use.
type Settings struct {
	Settings []config.Setting `json:"settings"`
}

// settings gives every key and its value, but no secret.
func settings(a *API, c *call) error {
	return c.answer(http.StatusOK, Settings{a.opts.Config.Settings()})
}
