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
		u, err := url.Parse(fw.URL)
		if err != nil {
			continue // the configuration was validated
		}
		what := "firewall " + fw.Name
		if addr, err := netip.ParseAddr(u.Hostname()); err == nil {
			own = append(own, detect.Own{Addr: addr.Unmap(), What: what})
			continue
		}
		lookup, cancel := context.WithTimeout(ctx, resolveTimeout)
		addrs, err := net.DefaultResolver.LookupNetIP(lookup, "ip", u.Hostname())
		cancel()
		if err != nil {
			continue
		}
		for _, addr := range addrs {
			own = append(own, detect.Own{Addr: addr.Unmap(), What: what})
		}
	}
	return own
}
