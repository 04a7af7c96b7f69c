// Package panosim is a PAN-OS firewall that speaks the XML API over HTTPS, for tests and demonstrations.
//
// It keeps registered addresses with their tags per virtual system, expires them, refuses what a firewall
// refuses, answers in the shapes that clients have recorded from real devices, and misbehaves on request:
// slow, hanging, resetting, answering HTML, truncating, forgetting keys, restarting. Where no public source
// settles how PAN-OS behaves, a field of Dialect chooses, and Dialects lists the combinations that a client
// should survive.
//
// What it simulates: keygen, API keys and roles; User-ID register and unregister, and reading registered addresses
// and dynamic address groups; the candidate and the running configuration, commits, locks and jobs; External Dynamic
// Lists, which it really fetches; the policy, with sessions and log forwarding, for packets that a test sends; pairs
// of firewalls (Pair) and a Panorama before several (StartPanorama).
//
// What it does not: templates, network configuration, applications and content, and User-ID mappings of users
// (accepted and forgotten). Its performance says nothing about a real device.
package panosim
