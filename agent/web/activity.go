package web

import (
	"context"
	"sync"
	"time"

	"activedefense/agent/api"
)

// activity keeps what the charts show for a while: counting the blocks of a month at each change would be work for nothing.
type activity struct {
	mu   sync.Mutex
	last *api.Activity
	at   time.Time
}

// activityFor is how long it is kept.
const activityFor = 30 * time.Second

func (p *Pages) charts(ctx context.Context, c *api.Client) ([]*chart, error) {
	a := &p.activity
	a.mu.Lock()
	defer a.mu.Unlock()
	if now := p.opts.Now(); a.last == nil || now.Sub(a.at) > activityFor || now.Before(a.at) {
		var fresh api.Activity
		if err := c.Get(ctx, "activity", nil, &fresh); err != nil {
			return nil, err
		}
		a.last, a.at = &fresh, now
	}
	return charts(a.last, time.Local), nil
}
