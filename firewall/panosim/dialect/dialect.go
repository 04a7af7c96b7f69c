package dialect

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
	Limits       Limits
	FilteredTags FilteredTags
	Extras       Extras
	Ends         Ends

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
	EmptyText    EmptyText
	References   References
	LockedCommit LockedCommit
	LockReach    LockReach
	Busy         Busy
	NoChanges    NoChanges
	Details      Details
	UnknownJob   UnknownJob
	Admins       Admins
	Keygen       Keygen
	JobNumbers   JobNumbers
	Renamed      Renamed

	CandidateOverReboot CandidateOverReboot // is what is not committed kept over a restart?
	JobsOverReboot      JobsOverReboot      // are jobs and their numbers?

	PairTags      PairTags
	PairKeys      PairKeys
	PassiveWrites PassiveWrites
	PassiveTags   PassiveTags
	PairSerials   PairSerials
	PushedRules   PushedRules
}
