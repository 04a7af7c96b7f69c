package allow

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"activedefense/agent/loop"
	"activedefense/agent/own"
	"activedefense/detect"
	"activedefense/store"
)

const (
	// Every is how often a name is resolved again. The resolver of the system says no lifetime (net.Resolver gives none), and obeys it in
	// its own cache; a minute is a common one.
	Every = time.Minute
	// most is how many addresses a name may have: more are those of a provider, and not of a partner.
	most = 64
	// within bounds one look-up.
	within = 5 * time.Second
)

// resolve finds the public addresses of a name. trouble names what it gives that cannot be allowed.
func resolve(ctx context.Context, lookup own.Lookup, name string) (addresses []netip.Prefix, trouble string, err error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	found, err := lookup(ctx, "ip", name+".") // with the dot, no domain of this host is searched
	if err != nil {
		return nil, "", fmt.Errorf("the name cannot be resolved now: %w", err)
	}
	var bad []string
	guard := detect.NewGuard(nil, nil)
	for _, addr := range found {
		addr = addr.Unmap().WithZone("")
		if why := guard.CheckAddr(addr); why != nil {
			bad = append(bad, why.Error())
			continue
		}
		if p := netip.PrefixFrom(addr, addr.BitLen()); !slices.Contains(addresses, p) {
			addresses = append(addresses, p)
		}
	}
	slices.SortFunc(addresses, netip.Prefix.Compare)
	bad = bad[:min(len(bad), 3)]
	switch {
	case len(addresses) > most:
		return nil, "", fmt.Errorf("the name has %d addresses, and at most %d are taken over: allow the networks that are meant", len(addresses), most)
	case len(addresses) == 0 && len(bad) == 0:
		return nil, "", fmt.Errorf("the name has no address")
	case len(addresses) == 0:
		return nil, "", fmt.Errorf("the name has no public address: %s", strings.Join(bad, ", "))
	case len(bad) > 0:
		trouble = "not taken over: " + strings.Join(bad, ", ")
	}
	return addresses, trouble, nil
}

// A Keeper ends what is over, the pause too, and resolves names again, for all agents on a database: who comes first does it. All fields must be set.
type Keeper struct {
	Store  *store.Store
	Lookup own.Lookup
	Now    func() time.Time
	Log    zerolog.Logger
}

// tick is how often the list is looked at: what is over ends within it.
const tick = time.Second

// Run looks at the list every second until ctx ends. A resolver that does not answer holds up no end.
func (k *Keeper) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, do := range []func(context.Context) error{k.end, k.renew} {
		group.Go(func() error {
			for loop.Pause(ctx, tick) {
				// That the store is away is told by those who follow the blacklist.
				if err := do(ctx); err != nil && ctx.Err() == nil {
					k.Log.Debug().Err(err).Msg("cannot look at the allow-list; retrying")
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// end ends what is over.
func (k *Keeper) end(ctx context.Context) error {
	if _, err := k.Store.EndPause(ctx, k.Now()); err != nil {
		return err
	}
	ended, err := k.Store.EndAllowed(ctx, k.Now())
	if err != nil {
		return err
	}
	for i := range ended {
		k.Log.Info().Str("entry", ended[i].Entry).Msg("no longer allowed: the time it was allowed for is over")
	}
	return nil
}

// renew resolves the names that are due, some at the same time.
func (k *Keeper) renew(ctx context.Context) error {
	list, err := k.Store.Due(ctx, k.Now())
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i := range list {
		group.Go(func() error { return k.refresh(ctx, &list[i]) })
	}
	return group.Wait()
}

// refresh resolves a name again. One that fails, or gives nothing that can be allowed, keeps its addresses.
func (k *Keeper) refresh(ctx context.Context, a *store.Allowed) error {
	addresses, trouble, err := resolve(ctx, k.Lookup, a.Entry)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		addresses, trouble = nil, err.Error()
	}
	if trouble != a.Trouble && trouble != "" {
		k.Log.Warn().Str("entry", a.Entry).Msg("allow-list: " + trouble)
	}
	return k.Store.Resolved(ctx, a.Entry, addresses, trouble, k.Now(), k.Now().Add(Every))
}
