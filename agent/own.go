package agent

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"activedefense/agent/labels"
	"activedefense/agent/loop"
	"activedefense/config"
	"activedefense/detect"
)

// guardEvery is how often the own addresses are looked up anew, guardRetry the same after one was not found.
const (
	guardEvery = time.Hour
	guardRetry = time.Minute
)

// resolveTimeout bounds looking up the name of one firewall.
const resolveTimeout = 3 * time.Second

// NewGuard knows what may never be blocked: the configuration's never_block, what label files list so, the addresses of this
// host, and those of the firewalls. Names that cannot be resolved now are passed over.
func NewGuard(ctx context.Context, cfg *config.Config) *detect.Guard {
	own := newOwnAddresses(cfg)
	own.labels = Labels(cfg)
	guard, _ := own.guard(ctx)
	return guard
}

// ownAddresses finds what belongs to ourselves, time and again. What was found once stays until something
// else is found in its place: a name server that is away makes nobody's own address one to be blocked.
type ownAddresses struct {
	cfg    *config.Config
	lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
	host   []netip.Addr            // of this host
	names  map[string][]netip.Addr // by host name of a firewall
	labels *labels.Set             // of files that list what is never to be blocked
	found  []detect.Own            // of this host and the firewalls, when last looked up
}

func newOwnAddresses(cfg *config.Config) *ownAddresses {
	return &ownAddresses{cfg: cfg, labels: labels.New(labels.Options{}), lookup: net.DefaultResolver.LookupNetIP, names: make(map[string][]netip.Addr)}
}

// guard looks everything up anew; complete means that nothing failed.
func (o *ownAddresses) guard(ctx context.Context) (guard *detect.Guard, complete bool) {
	complete = o.findHost()
	var own []detect.Own
	add := func(what string, addrs []netip.Addr) {
		for _, addr := range addrs {
			addr = addr.Unmap().WithZone("")
			own = append(own, detect.Own{Prefix: netip.PrefixFrom(addr, addr.BitLen()), What: what})
		}
	}
	add("this host", o.host)
	for _, fw := range o.cfg.Firewalls {
		for _, at := range []string{fw.URL, fw.PeerURL} {
			addrs, ok := o.find(ctx, at)
			add("firewall "+fw.Name, addrs)
			complete = complete && ok
		}
	}
	o.found = own
	return o.unite(), complete
}

// unite makes the guard of what was found, and of what label files list now.
func (o *ownAddresses) unite() *detect.Guard {
	return detect.NewGuard(o.cfg.NeverBlock, slices.Concat(o.found, neverListed(o.labels.Lists())))
}

func (o *ownAddresses) findHost() bool {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	o.host = o.host[:0]
	for _, a := range addrs {
		if ipnet, ok := a.(*net.IPNet); ok {
			if addr, ok := netip.AddrFromSlice(ipnet.IP); ok {
				o.host = append(o.host, addr)
			}
		}
	}
	return true
}

// find gives the addresses of a URL's host.
func (o *ownAddresses) find(ctx context.Context, at string) (addrs []netip.Addr, ok bool) {
	u, err := url.Parse(at)
	if err != nil || u.Hostname() == "" {
		return nil, true // the configuration was validated; there is no peer
	}
	name := u.Hostname()
	if addr, err := netip.ParseAddr(name); err == nil {
		return []netip.Addr{addr}, true
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	if addrs, err = o.lookup(ctx, "ip", name); err == nil && len(addrs) > 0 {
		o.names[name] = addrs
		return addrs, true
	}
	return o.names[name], false
}

// refreshGuard looks up the own addresses anew, because names and interfaces change; sooner if one was not
// to be had. Label files are looked at more often.
func (a *Agent) refreshGuard(ctx context.Context, f *feed) error {
	left := guardRetry // the first look was at the start, when the network may not have been up
	for loop.Pause(ctx, labels.Every) {
		changed := a.lookAtLabels(a.own.labels)
		if left -= labels.Every; left <= 0 {
			left, changed = guardEvery, true
			if _, complete := a.own.guard(ctx); !complete {
				left = guardRetry
			}
		}
		if changed {
			a.guard.Store(a.own.unite())
			f.recheck()
		}
	}
	return nil
}
