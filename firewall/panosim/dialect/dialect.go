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

// Redirect is what fetching a list does with an HTTP redirect.
type Redirect uint8

// The client is libcurl by its messages, which follows none unless told to.
const (
	RedirectFails    Redirect = iota // as if the server could not be reached
	RedirectFollowed                 // at most three, each verified as the first
)

// ListFetch is what a firewall asks for that has a list already.
type ListFetch uint8

// Nothing is documented; libcurl can ask in each of these ways.
const (
	ListFetchWhole ListFetch = iota // the list, as if it were the first time
	ListFetchSince                  // the list if it was modified since the Last-Modified of the copy
	ListFetchMatch                  // the list if its ETag is another than that of the copy
)

// EmptyList is what becomes of a list that was fetched and holds no line.
type EmptyList uint8

// Nothing is documented.
const (
	EmptyListClears EmptyList = iota // nothing matches any more
	EmptyListKept                    // the old copy goes on, as if the server could not be reached
)

// NoProfile is what becomes of a list with an HTTPS address and no certificate profile.
type NoProfile uint8

// The documentation demands a profile; the web interface is said to offer none.
const (
	NoProfileUnverified NoProfile = iota // fetched from whomever answers
	NoProfileRefused                     // an authentication failure
)

// ListLine is what becomes of a line of a list that ends in carriage return and line feed.
type ListLine uint8

// Nothing is documented.
const (
	ListLineTrimmed ListLine = iota
	ListLineInvalid
)

// ListHost is how single addresses of a list are shown.
type ListHost uint8

// Both are recorded.
const (
	ListHostPlain  ListHost = iota // 192.0.2.1
	ListHostPrefix                 // 192.0.2.1/32
)

// ListOverflow is where lines are counted that are skipped because the platform's limit is reached.
type ListOverflow uint8

// Only that they are skipped is documented.
const (
	ListOverflowIgnored ListOverflow = iota // in total-ignored
	ListOverflowSilent                      // nowhere
	ListOverflowValid                       // in total-valid, although they are not enforced
)

// ListStopped is how a list is shown that is not enforced because its server failed to authenticate.
type ListStopped uint8

// Nothing is documented.
const (
	ListStoppedError ListStopped = iota // as one that was never fetched: no entries, the error as an invalid line
	ListStoppedEmpty                    // no entries, and no word of an error
)

// ListJob is the result of a refresh that could not fetch its list.
type ListJob uint8

// Nothing is documented.
const (
	ListJobOK    ListJob = iota // the details say what went wrong
	ListJobFails                // so they do, and the result is FAIL
)

// ListTarget is what chooses the virtual system for the commands about lists.
type ListTarget uint8

// "set system setting target-vsys" is recorded on the command line; over the API nothing is certain.
const (
	ListTargetEither    ListTarget = iota // the parameter vsys, else the last target-vsys that was set with the same key
	ListTargetParameter                   // the parameter alone
	ListTargetSetting                     // target-vsys alone
)

// ListUse is which lists are fetched.
type ListUse uint8

// Documented is only that the entries of a list which no rule names do not count toward the platform's limit.
const (
	ListUseAll      ListUse = iota // those that are configured
	ListUseInPolicy                // those that a rule of the running policy names; a refresh of another does nothing
)

// Groups is which dynamic address groups have members.
type Groups uint8

// "Tags must be used by groups that are referenced in policy, and the policy must be committed."
const (
	GroupsInPolicy Groups = iota // those that a rule of the running policy names
	GroupsAll
)

// TimeReceived is what $time_received stands for in a custom log format.
type TimeReceived uint8

// It is offered in the picker; no source shows a value.
const (
	TimeReceivedLocal   TimeReceived = iota // as $receive_time: 2026/01/31 23:59:59 in the firewall's zone
	TimeReceivedEmpty                       // nothing
	TimeReceivedLiteral                     // the variable itself
	TimeReceivedRFC3339                     // with zone, as $high_res_timestamp
)

// ThreatFields is what $threat_name and $threatid stand for in a custom log format.
type ThreatFields uint8

// The first is recorded from 11.2; the second is what the names promise.
const (
	ThreatFieldsBoth  ThreatFields = iota // "Name(ID)" in both
	ThreatFieldsSplit                     // the name in one, the number in the other
)

// Foreign is what a variable stands for that the type of log does not have, as $severity in TRAFFIC.
type Foreign uint8

// No source shows it.
const (
	ForeignEmpty   Foreign = iota
	ForeignLiteral         // the variable itself
)

// Dialect chooses among behaviours that no public source settles. The zero value is the plainest reading of the
// documentation for a current version.
type Dialect struct {
	Duplicates Repeat // registering what stands: are other tags and entries applied, and is it an error at all?
	Missing    Repeat // unregistering what does not stand: the same question
	Renewal    Renewal
	Limit      Limit // the API's answer when the platform's limit is reached
	BadEntry   BadEntry
	Timeout    LongTimeout // the answer to a timeout of more than 30 days
	OldTimeout OldTimeout
	Order      Order
	Bare       Bare
	TagLength  TagLength

	Empty        EmptyResult
	HostForm     HostForm
	PageCount    PageCount
	Counting     Counting
	FilteredTags FilteredTags
	Extras       Extras

	TimerOverReboot TimerOverReboot // are timers kept over a restart?
	Denied          Denied

	Redirect     Redirect
	ListFetch    ListFetch // does it ask for changes only?
	EmptyList    EmptyList
	NoProfile    NoProfile
	ListLine     ListLine
	ListHost     ListHost
	ListOverflow ListOverflow
	ListStopped  ListStopped
	ListJob      ListJob
	ListTarget   ListTarget
	ListUse      ListUse
	Groups       Groups
	TimeReceived TimeReceived
	ThreatFields ThreatFields
	Foreign      Foreign

	Marking      Marking
	BadPath      BadPath
	Unchanged    Unchanged
	Choice       Choice
	References   References
	LockedCommit LockedCommit
	LockReach    LockReach
	Busy         Busy
	NoChanges    NoChanges
	Details      Details
	UnknownJob   UnknownJob
	Renamed      Renamed

	CandidateOverReboot CandidateOverReboot // is what is not committed kept over a restart?
	JobsOverReboot      JobsOverReboot      // are jobs and their numbers?

	PairTags      PairTags
	PairKeys      PairKeys
	PassiveWrites PassiveWrites
	PassiveTags   PassiveTags
	PushedRules   PushedRules
}
