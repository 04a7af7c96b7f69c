package agent

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/trouble"
)

// tellEvery is how often it is looked whether there is a trouble to tell of.
const tellEvery = 5 * time.Second

// A teller logs troubles that nothing else logs, when they begin and when they are over.
type teller struct {
	status func() Status
	log    zerolog.Logger
	news   trouble.News
}

// run looks for them until ctx ends.
func (t *teller) run(ctx context.Context) error {
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			t.tellOnce()
		}
	}
}

func (t *teller) tellOnce() {
	begun, over := t.news.Of(t.status().Troubles)
	for _, one := range begun {
		t.log.Warn().Time("since", one.Since).Str("remedy", one.Remedy).Msg(one.What)
	}
	for _, one := range over {
		t.log.Info().Time("since", one.Since).Msg("over: " + one.What)
	}
}
