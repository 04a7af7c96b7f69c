// Package panosim is a PAN-OS firewall that speaks the XML API over HTTPS, for tests and demonstrations.
//
// It keeps registered addresses with their tags per virtual system, expires them, refuses what a firewall
// refuses, answers in the shapes that clients have recorded from real devices, and misbehaves on request:
// slow, hanging, resetting, answering HTML, truncating, forgetting keys. Where no public source settles how
// PAN-OS behaves, a field of Dialect chooses, and Dialects lists the combinations that a client should survive.
//
// What it simulates: keygen and API keys, User-ID register and unregister, reading registered addresses,
// system information and the list of plugins. What it does not: configuration, commits, External Dynamic Lists,
// high availability, Panorama, and User-ID mappings of users (accepted and forgotten). It makes no decision on
// traffic, and its performance says nothing about a real device.
package panosim
