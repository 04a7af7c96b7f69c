// Package firewall has PAN-OS firewalls block what a blacklist says.
//
// Three keepers bring a firewall level with the blacklist, each by its own means: Tags registers addresses with a tag that a
// dynamic address group matches, without a commit, and with a timeout, so that the firewall lets go by itself when nobody
// renews it; Group writes a static address group, which takes a commit; List has the firewall fetch the list that we serve,
// and writes nothing.
//
// Reconcile makes one pass of a keeper; the decision what to change is pure. Only what bears our tag or our names is ever
// read as ours, changed or removed. Nothing the firewall says is believed without need: every answer is checked, and a
// full pass reads back what it wrote.
//
// The package does not decide what is to be blocked, does not look whether policies let a block have effect (see policy), does
// not speak to a firewall itself (see xmlapi), runs no loop and keeps nothing on disk.
package firewall
