// Package firewall has PAN-OS firewalls block what a blacklist says.
//
// Three keepers keep a firewall in sync with the blacklist, each by its own means: Tags registers addresses with a tag that a
// dynamic address group matches, without a commit, and with a timeout, so that the firewall lets go by itself when nobody
// renews it, and RuleTags beside it the tags of rules; Group writes a static address group, which takes a commit; List has the firewall fetch the list that we serve,
// and writes nothing.
//
// The words: desired is the blacklist as Entries, what stands is what the firewall holds; a changeset is the difference of
// the two, and pure; a pass, one Reconcile, carries a changeset out, and its Report is what came of it. A full pass reads what
// stands first and confirms what it registered by reading again; a brake keeps a pass from removing too much at once. What is
// refused the firewall does not take, what is unsupported it cannot.
//
// Only what bears our tag or our names is ever read as ours, changed or removed. Nothing the firewall says is believed without
// need.
//
// The package does not decide what is to be blocked, does not look whether policies let a block have effect (see policy), does
// not speak to a firewall itself (see xmlapi), runs no loop and keeps nothing on disk.
package firewall

import (
	"fmt"
	"net/netip"
	"time"

	"activedefense/firewall/capacity"
	"activedefense/firewall/room"
)

// Entry is an address or network that shall be blocked.
type Entry struct {
	Prefix netip.Prefix
	Until  time.Time // when the block ends if no activity follows; zero: no end is known
	Since  time.Time // when it began; what began last is sent first. Zero: the order is that of Until, latest first

	// Tag is the tag of its rule, which it bears beside the one that all bear; "": none. Groups and lists have none.
	Tag string

	// Rank and LastSeen, when its source was last seen, decide what is left out where a firewall has less room.
	Rank     room.Rank
	LastSeen time.Time

	// Members are, of an IPv6 network, the addresses that were seen to attack: they are registered where the network cannot
	// be. None of them may lie outside of it.
	Members []netip.Addr
}

// Report is what one pass did. If the pass failed it tells what was done until then.
type Report struct {
	Full                bool           // what stands was read from the firewall
	Registered, Renewed []Entry        // with the Until that the firewall now holds
	Unregistered        []netip.Prefix // taken from the firewall by us
	Gone                []netip.Prefix // stood, and was not removed by us: run out, or lost. May be among Registered
	Unsupported         []Unsupported
	Refused             []Refused // not tried again before the next full pass
	Untagged            []Refused // blocked, but the firewall does not take the tag of their rule, or does not let go of it
	Undeleted           []Refused // released, and in our group no more, but the firewall does not delete the address object
	Braked              *Brake
	Sorted              bool           // it was found out what is Stray
	Stray               []netip.Prefix // what stands under our tag or in our group and was never ours (see the type), in order of address
	Committed           bool           // a commit of ours was carried out
	Backlog             int            // changes for which TagOptions.PassTime was too short; the next pass should follow at once
	Waiting             time.Duration  // not 0: changes wait for their time, which is then; the next pass should come no later
	LeftOut             []netip.Prefix // desired, and not held for want of room, as far as they are known by name; some of those that Refused names are among them
	Unnamed             int            // more that are left out: of a list, where the firewall gives numbers alone
	Room                capacity.Room  // of registered addresses, members or list entries, as of the last full pass; the zero value: nobody says
	ReadAt              time.Time      // when all that stands was read in this pass; zero: it was not
	Seen                []Entry        // written before or by this pass, and read back by it at SeenAt, with the Until that it holds
	SeenAt              time.Time      // of the last of Seen
	Unread              int            // written, and not read back yet
	LookAgain           time.Duration  // not 0: then the next pass should come at the latest, to read them back
	Standing            int            // registrations known to stand; of a list, its valid entries
	Ignored, Invalid    int            // entries of a list that the firewall does not take
	Calls               int            // requests sent, repetitions included
	Took                time.Duration  // of the pass
}

// Refused is an address that the firewall does not take, or does not let go of.
type Refused struct {
	Prefix  netip.Prefix
	Message string
}

// Unsupported is an entry that the firewall cannot hold.
type Unsupported struct {
	Prefix netip.Prefix
	Reason string
}

// Brake is why a pass removes nothing of what may be blocked (TagOptions.MayBlock), which alone it counts.
type Brake struct {
	Remove   int // how many would have gone
	Standing int // of how many that stand
	Percent  int // the share allowed, limits.MaxRemovalPercent
	Share    int // the share that Remove is, in percent, rounded up
}

// String says it in one sentence.
func (b Brake) String() string {
	return fmt.Sprintf("%d of %d registered addresses (%d %%) would be removed, more than the limit of %d %%: none of them was removed",
		b.Remove, b.Standing, b.Share, b.Percent)
}
