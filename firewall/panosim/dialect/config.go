package dialect

// Marking is which elements of a candidate carry the attributes admin, dirtyId and time.
type Marking uint8

// Recorded answers show the first (an edited container with all of what was edited in it); that clients which
// compare must not rely on it is why there are others.
const (
	MarkTouched Marking = iota // each element that an edit touched
	MarkEntries                // of those, entries alone
	MarkNothing                // none
)

// BadPath is the answer to an xpath that is none, when something is read.
type BadPath uint8

// A client has measured the second, and takes it for an object that is not there.
const (
	BadPathRefused BadPath = iota // code 6, "Bad XPath"
	BadPathMissing                // as if there were nothing
)

// Unchanged is what a set or an edit does that leaves everything as it is.
type Unchanged uint8

// Nothing is documented.
const (
	UnchangedIgnored Unchanged = iota // there is nothing to commit
	UnchangedPending                  // it is pending all the same
)

// Choice is what a set does that gives an object a second of several things that exclude each other, as an address
// a range beside its network.
type Choice uint8

// That both can stand in a candidate is recorded ("... are mutually exclusive", from a validation); how they got
// there is not.
const (
	ChoiceReplaces Choice = iota // the new one takes the place of the old one
	ChoiceAdds                   // both stand, and the commit fails
)

// References is when a name is refused that means nothing.
type References uint8

// Both are recorded: "is not a valid reference" as the answer to an edit, and as a line of a failed commit.
const (
	ReferencesAtEdit References = iota
	ReferencesAtCommit
)

// LockedCommit is what a commit does while another administrator holds a lock on the configuration.
type LockedCommit uint8

// The text of the refusal is known ("Other administrators are holding config locks"), not when it is given.
const (
	LockedCommitRefused LockedCommit = iota
	LockedCommitAllowed
)

// LockReach is what the lock on the scope "shared" locks.
type LockReach uint8

// A refusal calls it "device wide".
const (
	LockReachDevice LockReach = iota // everything
	LockReachShared                  // /config/shared, not the virtual systems
)

// Busy is what a second commit does while one runs.
type Busy uint8

// Both are recorded; newer versions are said to queue.
const (
	BusyQueues  Busy = iota // a job with positionInQ above 0
	BusyRefuses             // code 13, "Another commit/validate is in progress. Please try again later"
)

// NoChanges is the answer to a commit that has nothing to do.
type NoChanges uint8

// The first two texts are those that clients look for; the shape of the first is background knowledge.
const (
	NoChangesPlain NoChanges = iota // success, code 19, "There are no changes to commit."
	NoChangesSame                   // success, code 13, "The result of this commit would be the same as ..."
	NoChangesJob                    // a job that succeeds
)

// Details is how the lines of a job are nested.
type Details uint8

// Both are recorded.
const (
	DetailsLines  Details = iota // <details><line>text</line>
	DetailsNested                // <details><line><newjob><newmsg>text</newmsg></newjob></line>
)

// UnknownJob is the answer to a job number that is not in the list.
type UnknownJob uint8

// The first is recorded; the second text is one that a client looks for.
const (
	UnknownJobMissing UnknownJob = iota // code 7, "job 9 not found"
	UnknownJobQuery                     // no code, "No such query job 9"
)

// Renamed is what becomes of references to an object that is renamed.
type Renamed uint8

// Background knowledge; no source shows it.
const (
	RenamedFollows Renamed = iota // they name the object by its new name
	RenamedLeaves                 // they stay, and mean nothing
)

// EmptyText is what an element without text is where the schema wants one.
type EmptyText uint8

// The vendor's schema has shortest lengths; its older SDK writes such elements for what was not given (the host name, the
// character that escapes others).
const (
	EmptyTextRefused EmptyText = iota
	EmptyTextTaken
)

// CandidateOverReboot is what becomes of edits that are not committed when the firewall restarts.
type CandidateOverReboot uint8

// The documentation advises to save a candidate before a restart, and does not say what happens without.
const (
	CandidateKept CandidateOverReboot = iota
	CandidateLost
)

// JobsOverReboot is what becomes of the list of jobs when the firewall restarts.
type JobsOverReboot uint8

// Recorded is only that a job which a daemon was running has failed, without its number, when that daemon restarts.
const (
	JobsKept      JobsOverReboot = iota
	JobsForgotten                // the list is empty, and numbers begin again
)

// JobNumbers is how the number of a job above 65535 is written.
type JobNumbers uint8

// That some answers keep the last 16 bits alone is reported; of which ones is not.
const (
	JobNumbersWhole       JobNumbers = iota
	JobNumbersCutInAnswer            // in the answer to the commit
	JobNumbersCutInList              // where jobs are shown; asked for by its whole number, a job is not found
)

// Admins is what the list of those who are logged in shows.
type Admins uint8

// The list is a recorded answer; that a session can be marked is known from another one.
const (
	AdminsPlain Admins = iota
	AdminsSelf         // the session that asks has <self/>
)

// Keygen is how a new key is written.
type Keygen uint8

// Samples are plain; pan-python says that a key is escaped where it needs to be.
const (
	KeygenPlain   Keygen = iota
	KeygenEscaped        // as it stands in an address: + is %2B, = is %3D
)

// configChoices lists the fields about the configuration, for String.
func (d Dialect) configChoices() []choice {
	return []choice{
		{"marking", int(d.Marking), []string{"touched", "entries", "nothing"}},
		{"bad-path", int(d.BadPath), []string{"refused", "missing"}},
		{"unchanged", int(d.Unchanged), []string{"ignored", "pending"}},
		{"choice", int(d.Choice), []string{"replaces", "adds"}},
		{"empty-text", int(d.EmptyText), []string{"refused", "taken"}},
		{"references", int(d.References), []string{"at-edit", "at-commit"}},
		{"locked-commit", int(d.LockedCommit), []string{"refused", "allowed"}},
		{"lock-reach", int(d.LockReach), []string{"device", "shared"}},
		{"busy", int(d.Busy), []string{"queues", "refuses"}},
		{"no-changes", int(d.NoChanges), []string{"plain", "same", "job"}},
		{"details", int(d.Details), []string{"lines", "nested"}},
		{"unknown-job", int(d.UnknownJob), []string{"missing", "query"}},
		{"renamed", int(d.Renamed), []string{"follows", "leaves"}},
		{"candidate-over-reboot", int(d.CandidateOverReboot), []string{"kept", "lost"}},
		{"jobs-over-reboot", int(d.JobsOverReboot), []string{"kept", "forgotten"}},
		{"keygen", int(d.Keygen), []string{"plain", "escaped"}},
		{"admins", int(d.Admins), []string{"plain", "self"}},
		{"job-numbers", int(d.JobNumbers), []string{"whole", "cut-in-answer", "cut-in-list"}},
	}
}

// configOddities lists the behaviours of the configuration: those of commits with each other, because a client that
// waits for one meets them together, the others one at a time.
func configOddities() []Dialect {
	var out []Dialect
	for _, busy := range []Busy{BusyQueues, BusyRefuses} {
		for _, none := range []NoChanges{NoChangesPlain, NoChangesSame, NoChangesJob} {
			for _, references := range []References{ReferencesAtEdit, ReferencesAtCommit} {
				d := Dialect{Busy: busy, NoChanges: none, References: references}
				if d != (Dialect{}) {
					out = append(out, d)
				}
			}
		}
	}
	return append(out,
		Dialect{Marking: MarkEntries}, Dialect{Marking: MarkNothing},
		Dialect{BadPath: BadPathMissing},
		Dialect{Unchanged: UnchangedPending}, Dialect{Unchanged: UnchangedPending, NoChanges: NoChangesSame},
		Dialect{Choice: ChoiceAdds}, Dialect{EmptyText: EmptyTextTaken},
		Dialect{LockedCommit: LockedCommitAllowed}, Dialect{LockReach: LockReachShared},
		Dialect{Details: DetailsNested},
		Dialect{UnknownJob: UnknownJobQuery},
		Dialect{Renamed: RenamedLeaves},
		Dialect{CandidateOverReboot: CandidateLost},
		Dialect{JobsOverReboot: JobsForgotten}, Dialect{Keygen: KeygenEscaped}, Dialect{Admins: AdminsSelf}, Dialect{Admins: AdminsSelf, Marking: MarkNothing},
		Dialect{JobNumbers: JobNumbersCutInAnswer}, Dialect{JobNumbers: JobNumbersCutInList},
	)
}
