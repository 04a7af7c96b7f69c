package config

import (
	"fmt"
	"math"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
)

// Networks wider than these belong to no single company: naming one as ours would have nobody in it blocked.
const (
	widestV4, widestV6 = 8, 16  // a fault
	wideV4, wideV6     = 16, 32 // a warning
)

// notPublic are the ranges of IPv4 that everybody has, or nobody, in order of address.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("224.0.0.0/3"),
}

// globalV6 is the part of IPv6 that is given out.
var globalV6 = netip.MustParsePrefix("2000::/3")

// public tells whether all of a network is.
func public(p netip.Prefix) bool {
	if p.Addr().Is4() {
		_, private := overlapping(p, notPublic)
		return !private
	}
	return covered(p, []netip.Prefix{globalV6})
}

func networks(s section) Networks {
	return Networks{
		Own:          s.networks("networks.own"),
		AskFirewalls: s.boolean("networks.ask_firewalls"),
		Proxies:      s.networks("networks.proxies"),
	}
}

// fitNetworks checks what was named as ours, as a proxy and as never to be blocked.
func (l *loader) fitNetworks(c *Config) {
	asked, known, tooWide := c.Networks.AskFirewalls && len(c.Firewalls) > 0, false, false
	for i, p := range c.Networks.Own {
		key := fmt.Sprintf("networks.own[%d]", i)
		switch {
		case wider(p, widestV4, widestV6):
			tooWide = true
			l.fault(key, "%s is too wide to be all yours, and nobody in it would ever be blocked; name your own networks, each /8 (IPv6 /16) or narrower", p)
		case !public(p):
			l.warn(key, "%s is not public, or not all of it: private addresses are never blocked anyway, and do not tell which public addresses are yours; list the public ones", p)
		case wider(p, wideV4, wideV6):
			l.warn(key, "%s is very wide, and nobody in it is ever blocked; name only networks that are yours", p)
			known = true
		default:
			known = true
		}
	}
	if v4, v6 := share(c.Networks.Own); !tooWide && (v4 >= 0.5 || v6 >= 0.5) {
		l.fault("networks.own", "covers half of the internet, and nobody in it would ever be blocked; name only networks that are yours")
	}
	own := disjoint(c.Networks.Own)
	for i, p := range c.Networks.Proxies {
		key := fmt.Sprintf("networks.proxies[%d]", i)
		if wider(p, widestV4, widestV6) {
			l.fault(key, "%s is too wide for proxies: whoever is in it is never blocked, and can name others as clients; use /8 (IPv6 /16) or narrower", p)
		} else if other, ok := overlapping(p, own); ok {
			l.fault(key, "%s overlaps %s of networks.own, but a proxy's records have clients from outside as their source, and ours never do; name it in one of the two", p, other)
		}
	}
	switch {
	case known || l.faultedBelow("networks") || l.faultedBelow("firewalls"):
	case asked:
		l.warn("networks.own", "names nothing public, so what is yours is what the firewalls name: of the network of an interface that faces the internet its own address alone, since the rest may be the provider's, and refused records to the rest do not count; list your public networks (activedefense verify names what is taken as yours)")
	default:
		l.warn("networks.own", "no public address is known to be yours, so records of every destination count and your own addresses can be blocked; list your public networks, or add firewalls with networks.ask_firewalls on")
	}
	if len(c.NeverBlock) == 0 && !l.faultedBelow("never_block") {
		l.warn("never_block", "is empty: nothing outside is exempt from blocking; list the addresses that you depend on, such as partners, remote offices and monitoring")
	}
	for i, p := range c.NeverBlock {
		if wider(p, wideV4, wideV6) && somePublic(p) {
			v4, v6 := share([]netip.Prefix{p})
			l.warn(fmt.Sprintf("never_block[%d]", i), "%s is very wide: nobody in it, %s of the internet's %s addresses, is ever blocked; name the networks that are meant",
				p, percent(max(v4, v6)), family(p))
		}
	}
}

// percent writes a share of 0 to 1.
func percent(share float64) string {
	if share >= 0.01 {
		return fmt.Sprintf("%.0f %%", 100*share)
	}
	return fmt.Sprintf("%.1g %%", 100*share)
}

func family(p netip.Prefix) string {
	if p.Addr().Is4() {
		return "IPv4"
	}
	return "IPv6"
}

// somePublic tells whether any of a network is.
func somePublic(p netip.Prefix) bool {
	if p.Addr().Is4() {
		return !covered(p, notPublic)
	}
	return globalV6.Overlaps(p)
}

// wider tells whether a network is wider than so many bits of its family.
func wider(p netip.Prefix, v4, v6 int) bool {
	if p.Addr().Is4() {
		return p.Bits() < v4
	}
	return p.Bits() < v6
}

// disjoint gives the networks in order of address, without those that lie within another.
func disjoint(networks []netip.Prefix) []netip.Prefix {
	sorted := slices.SortedFunc(slices.Values(networks), netip.Prefix.Compare)
	kept := sorted[:0]
	for _, p := range sorted { // a wider one comes before what lies in it
		if len(kept) == 0 || !kept[len(kept)-1].Overlaps(p) {
			kept = append(kept, p)
		}
	}
	return kept
}

// overlapping finds one of disjoint networks that shares addresses with p.
func overlapping(p netip.Prefix, networks []netip.Prefix) (netip.Prefix, bool) {
	i, _ := slices.BinarySearchFunc(networks, p, netip.Prefix.Compare)
	for _, at := range []int{i - 1, i} {
		if at >= 0 && at < len(networks) && networks[at].Overlaps(p) {
			return networks[at], true
		}
	}
	return netip.Prefix{}, false
}

// covered tells whether all of p lies in one of disjoint networks.
func covered(p netip.Prefix, networks []netip.Prefix) bool {
	other, ok := overlapping(p, networks)
	return ok && other.Bits() <= p.Bits()
}

// share tells how much of the internet networks cover, 0 to 1 by family. Of IPv6 only what is given out is counted.
func share(networks []netip.Prefix) (v4, v6 float64) {
	for _, p := range disjoint(networks) {
		switch {
		case p.Addr().Is4():
			v4 += math.Ldexp(1, -p.Bits())
		case globalV6.Overlaps(p):
			v6 += min(math.Ldexp(1, globalV6.Bits()-p.Bits()), 1)
		}
	}
	return v4, v6
}

// labels reads the files of labelled addresses.
func labels(s section, key string) []Label {
	sections := s.elements(key)
	if len(sections) > maxLabels {
		s.fault(key, "has %d entries; use at most %d, and put the addresses of one label into one file", len(sections), maxLabels)
		return nil
	}
	var labels []Label
	files := make(map[string]string, len(sections))
	for _, e := range sections {
		l := Label{File: e.filled("file", "the path of a list, such as /etc/activedefense/scanners.txt"), Mode: e.oneOf("mode", labelModes)}
		if e.filled("label", "what the addresses are called, such as \"known scanner\"") != "" {
			l.Label = e.printable("label", 63)
		}
		switch l.File = filepath.Clean(l.File); {
		case e.l.faulted[e.at+"file"]:
		case strings.ContainsRune(l.File, 0) || !filepath.IsAbs(l.File):
			e.fault("file", "%q is not an absolute path; use one such as /etc/activedefense/scanners.txt", clip(l.File))
		case files[l.File] != "":
			e.fault("file", "is also %s; a file can have only one label", files[l.File])
		default:
			files[l.File] = e.at + "file"
		}
		labels = append(labels, l)
	}
	return labels
}
