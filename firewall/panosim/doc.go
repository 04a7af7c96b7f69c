// Package panosim is a PAN-OS firewall that speaks the XML API over HTTPS, for tests and demonstrations.
//
// It keeps registered addresses with their tags per virtual system, expires them, refuses what a firewall
// refuses, answers in the shapes that clients have recorded from real devices, and misbehaves on request:
// slow, hanging, resetting, answering HTML, truncating, forgetting keys, restarting. Where no public source
// settles how PAN-OS behaves, a field of dialect.Dialect chooses, and dialect.All lists the combinations that a client
// should survive.
//
// What it simulates: keygen, API keys and roles; User-ID register and unregister, login, logout and groups, and reading them
// and dynamic address groups; the candidate and the running configuration, saved ones, commits, locks and jobs; External Dynamic
// Lists, which it really fetches; the policy, with sessions, log forwarding, log queries and reports, for packets that a test sends;
// pairs of firewalls (Pair) and a Panorama before several (StartPanorama); which addresses its interfaces have (Sim.Lease).
//
// This package is the device: its HTTPS server and certificates, keys and roles, what a call asks and who answers it,
// faults and restarts, pairs and Panorama, and what a test does at the device. What a firewall holds is owned by the
// packages below it, its halls: candidate and jobs, userid, traffic and dataplane, edl, logs and archive, network and devicegroup, over
// schema, xmltree, dialect, answer, iprange and filter. No hall imports this package.
//
// What it does not: the network but for the addresses of interfaces, applications and content, and policy by users and
// their tags. Its performance says nothing about a real device.
package panosim
