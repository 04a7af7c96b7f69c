package dialect

// Repeat is what happens to a tag that is registered although it stands, or unregistered although it does not.
type Repeat uint8

// The answers that sources report or imply.
const (
	// Modern answers success and does nothing (the Terraform provider relies on it, tested from PAN-OS 10.1).
	Modern Repeat = iota
	// LegacyOthersApplied answers an error that names each repeated tag; every other tag and entry is applied.
	LegacyOthersApplied
	// LegacyEntrySkipped does nothing for an entry (an address) of which one tag is repeated.
	LegacyEntrySkipped
	// LegacyMessageRejected does nothing for the whole message if one tag of it is repeated.
	LegacyMessageRejected
)

// Renewal is what happens to the timer of a tag that is registered again with a timeout.
type Renewal uint8

// MineMeld's canary depends on the first.
const (
	RenewalResets  Renewal = iota // the timer starts again with the new timeout, whatever the answer is
	RenewalIgnored                // the timer goes on as it was
)

// Limit is what happens to a new address when the platform holds its maximum.
type Limit uint8

// Both write "max registered-ip for the platform reached (N)" to the system log.
const (
	LimitSilentDrop    Limit = iota // success, and the address is not there
	LimitPerEntryError              // an error for the entry, "Failed to register..."
)

// BadEntry is what an entry that cannot be taken (bad address, network on an old version) does to its message.
type BadEntry uint8

// In both cases the answer names the entry.
const (
	BadEntryAlone    BadEntry = iota // the others are applied
	BadEntryRejected                 // nothing of the message is applied
)

// LongTimeout is what happens to a timeout beyond 2,592,000 seconds, or one that is no number.
type LongTimeout uint8

// The range is documented, the answer beyond it is not.
const (
	LongTimeoutRefused   LongTimeout = iota // an error for the entry
	LongTimeoutMalformed                    // the whole message is malformed
	LongTimeoutClamped                      // taken as 2,592,000; no number as none
)

// OldTimeout is what PAN-OS before 9.0 does with the attribute that it does not know.
type OldTimeout uint8

// The attribute came with 9.0; what 8.1 does with it nobody recorded.
const (
	OldTimeoutIgnored   OldTimeout = iota // the tag stands without a timer
	OldTimeoutMalformed                   // the whole message is malformed
)

// Order is the order in which the two halves of a message are carried out.
type Order uint8

// Documented only for login and logout.
const (
	RegisterFirst Order = iota
	UnregisterFirst
)

// Bare is what an unregister entry without any tag does.
type Bare uint8

// Background knowledge; no source shows it.
const (
	BareRemovesAll Bare = iota // every tag of the address goes
	BareRefused                // an error for the entry
)

// TagLength is how long a tag can be, in bytes.
type TagLength uint8

// No source in full gives the number; the second is that of Strata Cloud Manager.
const (
	TagLength127 TagLength = iota
	TagLength63
)

// Bytes is the longest length.
func (l TagLength) Bytes() int {
	if l == TagLength63 {
		return 63
	}
	return 127
}

// Extras is whether entries that are read back carry attributes and elements that a client cannot know.
type Extras uint8

// The samples are of a few versions; that later ones add to an answer is what the vendor's release notes are full of.
const (
	ExtrasAbsent Extras = iota
	ExtrasPresent
)

// Ends is whether a tag that is read back shows when it ends.
type Ends uint8

// The vendor's example shows nothing; the command line does. The attributes are ours.
const (
	EndsHidden  Ends = iota
	EndsLeft         // <member expires-in="2980">, the seconds that are left; 0: it does not end
	EndsTimeout      // <member timeout="3600">, the seconds as registered; 0: it does not end
)

// EmptyResult is how a list without entries is written.
type EmptyResult uint8

// Both are in recorded answers.
const (
	EmptyElement EmptyResult = iota // <result/>
	EmptyCount                      // <result><count>0</count></result>
)

// HostForm is how addresses are written when they are read back.
type HostForm uint8

// Clients canonise in different ways, which suggests that devices differ.
const (
	HostPlain    HostForm = iota // 192.0.2.1, 2001:db8::1
	HostPrefix                   // 192.0.2.1/32, 2001:db8::1/128
	HostExpanded                 // 192.0.2.1, 2001:0db8:0000:0000:0000:0000:0000:0001
)

// PageCount is what <count> says in a page of registered addresses.
type PageCount uint8

// MineMeld relies on the first; the other forms are those of neighbouring commands.
const (
	CountPage   PageCount = iota // entries in this page
	CountTotal                   // entries in all pages
	CountLimit                   // the limit asked for, whatever the page holds
	CountAbsent                  // no <count>
)

// Counting is the answer to the option count of "show object registered-ip all".
type Counting uint8

// The command line prints "Total: 1000 registered addresses". How the option is nested in the API's command, and what
// that answers, is not recorded.
const (
	CountingRefused Counting = iota // the option is unexpected
	CountingText                    // the words of the command line
	CountingElement                 // <count>, as in a page
)

// Limits is whether the firewall tells its platform's limits when it is asked: "show system state" with the filter
// "cfg.general.max*", and "request system external-list list-capacities".
type Limits uint8

// Public scripts ask for both; a recorded answer was not found, and some roles are refused.
const (
	LimitsUntold Limits = iota // the commands are unexpected
	LimitsTold
)

// FilteredTags is which tags an entry shows that was asked for by tag.
type FilteredTags uint8

// The samples have one tag an address and do not tell.
const (
	FilteredAll      FilteredTags = iota // all tags of the address
	FilteredMatching                     // only the tag asked for
)

// TimerOverReboot is what becomes of a running timer of a persistent tag when the firewall restarts.
type TimerOverReboot uint8

// Nothing is documented.
const (
	TimerGoesOn    TimerOverReboot = iota // expires when it would have
	TimerRestarts                         // begins again with its whole timeout
	TimerForgotten                        // the tag stays for ever
	TimerDropsTag                         // the tag is gone
)

// Denied is the refusal of a call that the administrator's role forbids.
type Denied uint8

// Both are recorded.
const (
	DeniedUnauth    Denied = iota // HTTP 200, status="unauth" code="16"
	DeniedForbidden               // HTTP 403 that names the type
)
