// Package firewall has PAN-OS firewalls block what a blacklist says, over their XML API.
//
// A Device is one virtual system of one firewall. Tags keeps its registered addresses level with the blacklist: every
// address that shall be blocked bears one tag, which a dynamic address group of the firewall's policy matches.
// Registering needs no commit, and each registration carries a timeout, so that the firewall lets go by itself when
// nobody renews it.
//
// Reconcile makes one pass; NewPlan, the decision what to change, is pure. Only what bears our tag is ever read as
// ours, renewed or removed; other tags on the same address stay. Nothing the firewall says is believed without need:
// every answer is checked, and a full pass reads back what it wrote.
//
// The package does not decide what is to be blocked, runs no loop and keeps nothing on disk.
package firewall
