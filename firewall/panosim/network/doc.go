// Package network is the state of a firewall's network, as far as it is simulated: the logical interfaces of layer 3 with their
// zones, and the addresses that they have now, those that a DHCP server gave them among them.
//
// It forwards nothing: routes and links are not simulated. It does not lock itself: its caller does.
package network
