// Package firewall has PAN-OS firewalls block what a blacklist says, over their XML API, and looks whether their policies
// let it have effect.
//
// A Device is one virtual system of one firewall. Three keepers bring one level with the blacklist, each by its own means:
// Tags registers addresses with a tag that a dynamic address group matches, without a commit, and with a timeout, so that
// the firewall lets go by itself when nobody renews it; Group writes a static address group, which takes a commit; List
// has the firewall fetch the list that we serve, and writes nothing.
//
// Reconcile makes one pass of a keeper; the decision what to change is pure. Only what bears our tag or our names is ever
// read as ours, changed or removed. Nothing the firewall says is believed without need: every answer is checked, and a
// full pass reads back what it wrote.
//
// Facts asks a firewall for its policy, and Verify judges that. Plan says what Verify misses, Apply writes it to the
// candidate configuration, and CommitOurs publishes our edits alone.
//
// The package does not decide what is to be blocked, runs no loop and keeps nothing on disk.
package firewall
