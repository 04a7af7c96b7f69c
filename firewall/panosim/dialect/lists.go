package dialect

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
