package edl

import (
	"context"
	"time"
)

const (
	// A client is known to fetch regularly when it has done so for so long, so many times: a person who looks at the list is none.
	regularFor     = 30 * time.Minute
	regularFetches = 4
	// silentLeast and silentGaps tell when such a client has stopped: three turns of the shortest interval that PAN-OS has, five
	// minutes, and three times the longest that it ever waited.
	silentLeast = 15 * time.Minute
	silentGaps  = 3
	// silentMost is after how long it is taken for one that was switched off for good.
	silentMost = 7 * 24 * time.Hour
	// silentEvery is how often it is looked for clients that stopped.
	silentEvery = time.Minute
)

// stopped tells whether the client fetched regularly, and does no longer.
func (c *Client) stopped(now time.Time) bool {
	quiet := now.Sub(c.LastFetch)
	return c.Fetches >= regularFetches && c.LastFetch.Sub(c.first) >= regularFor &&
		quiet > max(silentLeast, silentGaps*c.longest) && quiet < silentMost
}

// watchClients tells when clients stop fetching, and when they are back, until ctx ends.
func (s *Server) watchClients(ctx context.Context) {
	ticker := time.NewTicker(silentEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.watchClientsOnce()
		}
	}
}

func (s *Server) watchClientsOnce() {
	stopped, back := s.clients.changed(s.now())
	for _, c := range stopped {
		s.log.Warn().Str("event", "list-unfetched").Stringer("client", c.Addr).Time("last_fetch", c.LastFetch).
			Msg("a client that fetched the list regularly has stopped: if it is a firewall, it goes on with its last copy, and learns of no block and no release")
	}
	for _, c := range back {
		s.log.Info().Str("event", "list-unfetched").Stringer("client", c.Addr).Msg("a client that had stopped fetches the list again")
	}
}

// changed gives the clients that stopped since the last call, and those that had and fetch again.
func (c *clients) changed(now time.Time) (stopped, back []Client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.known {
		switch is := one.stopped(now); {
		case is && !one.told:
			stopped = append(stopped, *one)
			one.told = true
		case one.told && !is:
			if now.Sub(one.LastFetch) < silentMost {
				back = append(back, *one)
			}
			one.told = false
		}
	}
	return stopped, back
}
