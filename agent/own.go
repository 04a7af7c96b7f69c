package agent

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"time"

	"activedefense/config"
	"activedefense/detect"
)

// resolveTimeout bounds looking up the name of one firewall.
const resolveTimeout = 3 * time.Second

// NewGuard knows what may never be blocked: the configuration's never_block, the addresses of this
// host, and those of the firewalls. Names that cannot be resolved now are passed over; they are asked
// again every hour while the agent runs.
func NewGuard(ctx context.Context, cfg *config.Config) *detect.Guard {
	return detect.NewGuard(cfg.NeverBlock, append(hostAddresses(), firewallAddresses(ctx, cfg)...))
}

func hostAddresses() []detect.Own {
	var own []detect.Own
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil // without a list of interfaces there is nothing to protect them by
	}
	for _, a := range addrs {
		if ipnet, ok := a.(*net.IPNet); ok {
			if addr, ok := netip.AddrFromSlice(ipnet.IP); ok {
				own = append(own, detect.Own{Addr: addr.Unmap(), What: "this host"})
			}
		}
	}
	return own
}

func firewallAddresses(ctx context.Context, cfg *config.Config) []detect.Own {
	var own []detect.Own
	for _, fw := range cfg.Firewalls {
		for _, at := range []string{fw.URL, fw.PeerURL} {
			own = append(own, addressesOf(ctx, at, "firewall "+fw.Name)...)
		}
	}
	return own
}

// addressesOf gives the addresses of a URL's host.
func addressesOf(ctx context.Context, at, what string) []detect.Own {
	u, err := url.Parse(at)
	if err != nil || u.Hostname() == "" {
		return nil // the configuration was validated; there is no peer
	}
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil {
		return []detect.Own{{Addr: addr.Unmap(), What: what}}
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil {
		return nil
	}
	var own []detect.Own
	for _, addr := range addrs {
		own = append(own, detect.Own{Addr: addr.Unmap(), What: what})
	}
	return own
}
