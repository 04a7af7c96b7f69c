// Package ours tells from what a firewall answers about itself which addresses belong to us, and which serve us.
//
// The words: Facts are the running configuration, with what Panorama pushed, and the addresses that the interfaces have now. An
// Entry is an address or network with its Kind (a network of ours, a management address, a peer) and what it is on the
// firewall. A Name is to be resolved; what is Pending has no address or no default route
// now, though it had one or may get one; a Trouble is what was
// left out, and how a person can say it instead.
//
// Networks of ours are those of interfaces and static routes that leave by no internet zone; of the internet's interfaces the
// addresses of the interface alone, for the rest of that network is the provider's; the addresses to which NAT rules
// translate and those by which the internet reaches what they translate; and those of GlobalProtect and VPN. The default
// routes of a router tell which of its interfaces face the internet, unless the configuration does; where nothing tells, no network is
// taken whole. Facts.Internet tells the same of zones, and Facts.Services what the firewall itself serves on its interfaces: what a rule
// may rest on, and what it must not cut.
//
// Peers are what the firewall talks to by its configuration: IKE, GRE and BGP peers, OSPF neighbours that it names, next hops, and servers
// for names, time, mail, logs, logins, updates and lists. Facts.Sessions tells what of it peers begin with the firewall itself.
//
// Asking makes calls (Ask). Telling is pure (Facts.Read, Answer.Resolved): no call, no clock; the same Facts give the same Answer. The
// package resolves no name, keeps nothing, and does not decide what is blocked.
package ours
