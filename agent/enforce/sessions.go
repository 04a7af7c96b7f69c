package enforce

import (
	"context"
	"net/netip"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/loop"
	"activedefense/firewall"
	"activedefense/firewall/xmlapi"
)

const (
	// clearEvery spaces the calls that end sessions, each of which has a firewall look through its session table.
	clearEvery = 250 * time.Millisecond
	// clearQueue is how many newly blocked sources may wait; sessions of more end by themselves.
	clearQueue = 1000
)

// A sessionEnder ends the established sessions of newly blocked sources, one after the other.
type sessionEnder struct {
	device *xmlapi.Device
	queue  chan netip.Addr
	log    zerolog.Logger
}

func newSessionEnder(device *xmlapi.Device, log zerolog.Logger) *sessionEnder {
	return &sessionEnder{device: device, queue: make(chan netip.Addr, clearQueue), log: log}
}

// end takes in what has been put into force. A network is passed over: the command takes one address.
func (s *sessionEnder) end(blocked []firewall.Entry) {
	left := 0
	for _, e := range blocked {
		if !e.Prefix.IsSingleIP() {
			continue
		}
		select {
		case s.queue <- e.Prefix.Addr():
		default:
			left++
		}
	}
	if left > 0 {
		s.log.Warn().Int("sources", left).Msg("too many new blocks at once; existing sessions of some sources are not cleared")
	}
}

// run works until ctx ends.
func (s *sessionEnder) run(ctx context.Context) error {
	failed := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case source := <-s.queue:
			err := s.device.ClearSessions(ctx, source)
			kind := xmlapi.Kind(err)
			switch {
			case err == nil:
				s.log.Debug().Stringer("address", source).Msg("cleared the sessions of a blocked source")
			case kind != failed && ctx.Err() == nil:
				s.log.Warn().Err(err).Str("kind", kind).Msg("cannot clear the sessions of blocked sources")
			}
			failed = kind
		}
		if !loop.Pause(ctx, clearEvery) {
			return nil
		}
	}
}
