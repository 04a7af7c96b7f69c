// Package traffic is the security policy of a firewall, compiled from its running configuration and from what Panorama
// pushed, and decides which rule is about a packet.
//
// It keeps no sessions and writes no logs. Address translation, applications and content are not simulated; what its rules
// name that is not known here matches nothing.
package traffic
