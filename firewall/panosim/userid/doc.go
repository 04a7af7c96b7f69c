// Package userid is what is registered at a firewall: addresses with tags and timers for each virtual system, the messages
// that change them, reading them back, and the dynamic address groups that know of them.
//
// It knows which user is at which address and who belongs to a group, for those who ask; no policy goes by it, tags of users are accepted
// and forgotten, and a peer is told nothing of it. It does not know which groups rules name, and does not
// lock itself: its caller does.
package userid
