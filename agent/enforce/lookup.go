package enforce

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"activedefense/firewall/ours"
)

const (
	// lookupTimeout bounds looking up one name, lookupMost so many of them side by side.
	lookupTimeout = 3 * time.Second
	lookupMost    = 8
)

// A lookup gives the addresses of a host, as net.Resolver.LookupNetIP does with the network "ip".
type lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)

// all looks up hosts. One that cannot be resolved has no addresses.
func (l lookup) all(ctx context.Context, names []ours.Name) map[string][]netip.Addr {
	found := map[string][]netip.Addr{}
	var mu sync.Mutex
	var running sync.WaitGroup
	slots := make(chan struct{}, lookupMost)
	seen := map[string]bool{}
	for _, n := range names {
		if seen[n.Host] {
			continue
		}
		seen[n.Host] = true
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
			defer cancel()
			if addrs, err := l(ctx, "ip", n.Host); err == nil {
				mu.Lock()
				defer mu.Unlock()
				found[n.Host] = addrs
			}
		})
	}
	running.Wait()
	return found
}
