// Package own unites what is ours, what serves us, and what persons allow: what the configuration names, the addresses of this host and of the
// firewalls, what the firewalls said of themselves, and the allow-list.
//
// The words: an address or network that is protected is never blocked; one of them is ours when it belongs to us, and a peer
// when it is of something that a firewall talks to.
//
// The package looks up names and reads the interfaces of this host. It asks no firewall (agent/enforce), opens no store, and
// runs no loop.
package own

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"time"

	"activedefense/config"
	"activedefense/detect"
	"activedefense/store"
)

// resolveTimeout bounds looking up the name of one firewall.
const resolveTimeout = 3 * time.Second

// Known is what is known at one moment. It is immutable.
type Known struct {
	Guard *detect.Guard // what is never blocked
	Ours  *detect.Ours  // what belongs to us

	// Published is what this agent never blocks, for the others on its database: without what they said.
	Published []store.Guarded
	Status
}

// Addresses finds what is ours and what serves us, time and again. What was found once stays until something else is found in
// its place: a name server that is away makes nobody's own address one to be blocked. Its methods may be called from any
// goroutine.
type Addresses struct {
	cfg    *config.Config
	lookup Lookup

	mu        sync.Mutex
	host      []netip.Addr            // of this host
	names     map[string][]netip.Addr // by host name of a firewall
	protected []store.Protected
	spared    []detect.Own
	others    []detect.Own // what other agents never block
	allowed   []detect.Own // what persons allow, in this database
	pieces    []piece      // of which the last Known was put together
	last      *Known
}

// Lookup gives the addresses of a host, as net.Resolver.LookupNetIP does with the network "ip".
type Lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)

// New knows what the configuration says, and nothing else. lookup nil: as this host resolves names.
func New(cfg *config.Config, lookup Lookup) *Addresses {
	if lookup == nil {
		lookup = net.DefaultResolver.LookupNetIP
	}
	return &Addresses{cfg: cfg, lookup: lookup, names: make(map[string][]netip.Addr)}
}

// Look looks up the addresses of this host and of the firewalls anew; complete means that nothing failed.
func (a *Addresses) Look(ctx context.Context) (complete bool) {
	complete = a.lookHost()
	for _, fw := range a.cfg.Firewalls {
		for _, at := range []string{fw.URL, fw.PeerURL} {
			complete = a.lookName(ctx, hostOf(at)) && complete
		}
	}
	return complete
}

func (a *Addresses) lookHost() bool {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.host = a.host[:0]
	for _, x := range addrs {
		if ipnet, ok := x.(*net.IPNet); ok {
			if addr, ok := netip.AddrFromSlice(ipnet.IP); ok {
				a.host = append(a.host, addr)
			}
		}
	}
	return true
}

// lookName finds the addresses of a host, which may be one itself.
func (a *Addresses) lookName(ctx context.Context, name string) bool {
	if name == "" {
		return true // the configuration was validated; there is no peer
	}
	addrs := []netip.Addr{}
	if addr, err := netip.ParseAddr(name); err == nil {
		addrs = append(addrs, addr)
	} else {
		ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
		defer cancel()
		if addrs, err = a.lookup(ctx, "ip", name); err != nil || len(addrs) == 0 {
			return false
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.names[name] = addrs
	return true
}

func hostOf(at string) string {
	u, err := url.Parse(at)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// Take takes over what the firewalls named, as the store keeps it.
func (a *Addresses) Take(protected []store.Protected) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cfg.Networks.AskFirewalls { // else what they once said is not asked for either
		a.protected = protected
	}
}

// Spare takes over what is never to be blocked because files list it. It is neither ours nor a peer, and
// status does not list it.
func (a *Addresses) Spare(listed []detect.Own) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.spared = listed
}

// Share takes over what the other agents on the same database never block. It is guarded here too, and nothing else.
func (a *Addresses) Share(guards []store.Guarded) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.others = a.others[:0:0]
	for _, g := range guards {
		a.others = append(a.others, detect.Own{Prefix: g.Address, What: g.What + ", as agent " + g.Agent + " says"})
	}
}

// Allow takes over the allow-list, which all agents on a database read for themselves: it is guarded, and not published. It gives what it no
// longer holds.
func (a *Addresses) Allow(list []store.Allowed) (gone []netip.Prefix) {
	a.mu.Lock()
	defer a.mu.Unlock()
	before := a.allowed
	a.allowed = make([]detect.Own, 0, len(list))
	still := make(map[netip.Prefix]bool, len(list))
	for _, e := range list {
		what := "on the allow-list"
		if !e.Resolved.IsZero() {
			what += " as " + e.Entry
		}
		what += " (" + e.By
		if e.Reason != "" {
			what += ": " + e.Reason
		}
		for _, p := range e.Addresses {
			a.allowed = append(a.allowed, detect.Own{Prefix: p, What: what + ")"})
			still[p] = true
		}
	}
	for _, o := range before {
		if !still[o.Prefix] {
			gone = append(gone, o.Prefix)
		}
	}
	return gone
}

// piece is an address or network, and what it is to us.
type piece struct {
	detect.Own
	kind string // as the store has it, or guarded
	from string // for status
}

// Known puts together what is known now; while that does not change it is the same. Of several reasons for one network the
// configuration's goes first.
func (a *Addresses) Known() *Known {
	a.mu.Lock()
	defer a.mu.Unlock()
	pieces := a.gather()
	mine := len(pieces)
	for _, o := range slices.Concat(a.allowed, a.others) {
		pieces = append(pieces, piece{o, guarded, ""})
	}
	if a.last != nil && slices.Equal(pieces, a.pieces) {
		return a.last
	}
	own := make([]detect.Own, 0, len(pieces))
	var networks, management []netip.Prefix
	for _, p := range pieces {
		own = append(own, p.Own)
		switch p.kind {
		case store.ProtectedNetwork:
			networks = append(networks, p.Prefix)
		case store.ProtectedManagement:
			management = append(management, p.Prefix)
		}
	}
	k := &Known{Guard: detect.NewGuard(a.cfg.NeverBlock, own), Ours: detect.NewOurs(networks, management...)}
	k.Published = published(a.cfg.NeverBlock, pieces[:mine])
	k.Status = newStatus(k.Ours.Known(), pieces)
	a.last, a.pieces = k, pieces
	return k
}

// published is what this agent never blocks, as others read it.
func published(never []netip.Prefix, pieces []piece) []store.Guarded {
	all := make([]store.Guarded, 0, len(never)+len(pieces))
	for _, p := range never {
		all = append(all, store.Guarded{Address: p, What: "in never_block"})
	}
	for _, p := range pieces {
		what := p.What
		if what == thisHost {
			what = "an agent's own host"
		}
		all = append(all, store.Guarded{Address: p.Prefix, What: what})
	}
	return all
}

func (a *Addresses) gather() (all []piece) {
	networks := func(kind, what, from string, prefixes ...netip.Prefix) {
		for _, p := range prefixes {
			all = append(all, piece{detect.Own{Prefix: p, What: what}, kind, from})
		}
	}
	singles := func(kind, what string, addrs []netip.Addr) {
		for _, addr := range addrs {
			addr = addr.Unmap().WithZone("")
			networks(kind, what, what, netip.PrefixFrom(addr, addr.BitLen()))
		}
	}
	networks(store.ProtectedNetwork, "ours (networks.own)", "networks.own", a.cfg.Networks.Own...)
	networks(guarded, "a proxy in front of us (networks.proxies)", "networks.proxies", a.cfg.Networks.Proxies...)
	singles(guarded, thisHost, a.host)
	for _, fw := range a.cfg.Firewalls {
		for _, at := range []string{fw.URL, fw.PeerURL} {
			singles(store.ProtectedManagement, "firewall "+fw.Name, a.names[hostOf(at)])
		}
	}
	for _, p := range a.protected {
		networks(p.Kind, "firewall "+p.Firewall+"'s "+p.What, "firewall "+p.Firewall+": "+p.What, p.Address)
	}
	for _, o := range a.spared {
		networks(guarded, o.What, "", o.Prefix)
	}
	return all
}

// thisHost is what the addresses of this host are.
const thisHost = "this host"

// guarded is the kind of what is never blocked, and is neither behind a firewall of ours nor a firewall's peer: proxies, this
// host, and what files list.
const guarded = "guarded"
