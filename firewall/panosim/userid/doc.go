// Package userid is what is registered at a firewall: addresses with tags and timers for each virtual system, the messages
// that change them, reading them back, and the dynamic address groups that know of them.
//
// It does not map users: such messages are accepted and forgotten. It does not know which groups rules name, and does not
// lock itself: its caller does.
package userid
