package edl

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"
)

// names are what a certificate is valid for.
type names struct {
	hosts []string
	addrs []netip.Addr
}

// maxNames bounds each kind. A certificate with 128 of both has about 10 KB, which every TLS client takes.
const maxNames = 128

// add appends what is not there yet.
func (n *names) add(more names) {
	for _, h := range more.hosts {
		h = strings.ToLower(strings.TrimSuffix(h, "."))
		if h != "" && !slices.Contains(n.hosts, h) && len(n.hosts) < maxNames {
			n.hosts = append(n.hosts, h)
		}
	}
	for _, a := range more.addrs {
		if a = plain(a); !slices.Contains(n.addrs, a) && len(n.addrs) < maxNames {
			n.addrs = append(n.addrs, a)
		}
	}
}

// covers tells whether nothing of other is missing.
func (n *names) covers(other names) bool {
	return !slices.ContainsFunc(other.hosts, func(h string) bool { return !slices.Contains(n.hosts, h) }) &&
		!slices.ContainsFunc(other.addrs, func(a netip.Addr) bool { return !slices.Contains(n.addrs, a) })
}

// configuredNames are those that do not depend on the machine's state: the operator's, the host part of the listening
// address, and the local ones.
func configuredNames(o *Options) (names, error) {
	var n names
	for _, h := range o.Hosts {
		one, err := name(h)
		if err != nil {
			return names{}, err
		}
		n.add(one)
	}
	if host, _, err := net.SplitHostPort(o.Listen); err == nil && host != "" {
		if one, err := name(host); err == nil && (len(one.addrs) == 0 || !one.addrs[0].IsUnspecified()) {
			n.add(one)
		}
	}
	n.add(names{
		hosts: []string{"localhost"},
		addrs: []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()},
	})
	return n, nil
}

func name(s string) (names, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return names{addrs: []netip.Addr{a}}, nil
	}
	// X.509 host names are ASCII; an international one is given in its "xn--" form.
	odd := strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("/:@,", r) })
	if s == "" || odd {
		return names{}, fmt.Errorf("%q is not a host name or address", s)
	}
	return names{hosts: []string{s}}, nil
}

// machineNames are the names and addresses that this machine has now. Link-local addresses are left out: they need a zone
// to be reached, which no certificate can hold.
func machineNames() names {
	var n names
	if host, err := os.Hostname(); err == nil {
		if full, err := fullName(host); err == nil {
			n.addHost(full)
		}
		n.addHost(host)
	}
	addrs, _ := net.InterfaceAddrs() // without them the operator's names remain
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err == nil && !p.Addr().IsLinkLocalUnicast() {
			n.add(names{addrs: []netip.Addr{p.Addr()}})
		}
	}
	return n
}

func (n *names) addHost(s string) {
	if one, err := name(s); err == nil {
		n.add(one)
	}
}

// fullName asks the hosts file and the name service for the name with its domain, not for long: it matters only if the
// machine does not know it by itself.
func fullName(host string) (string, error) {
	if strings.Contains(host, ".") {
		return "", errors.New("it has its domain already")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return net.DefaultResolver.LookupCNAME(ctx, host)
}
