package dialect

// PairTags is whether the active member of a pair hands registered addresses over to its peer.
type PairTags uint8

// The vendor's table of what is synchronised names user mappings, and has no row for addresses with tags.
const (
	PairTagsApart  PairTags = iota // each member has its own
	PairTagsSynced                 // the passive member's are those of the active one
)

// PairKeys is whether the members of a pair know each other's API keys.
type PairKeys uint8

// The administrators are synchronised; whether keys depend on more than their passwords, no source says.
const (
	PairKeysApart  PairKeys = iota // each member has its own
	PairKeysShared                 // a key that one has made is good on both
)

// PassiveWrites is what becomes of edits and commits on the passive member.
type PassiveWrites uint8

// Code 15 is documented for "a command that is not allowed on a passive device"; which commands those are is not.
const (
	PassiveWritesRefused PassiveWrites = iota // error 15
	PassiveWritesLost                         // carried out, and overwritten with the next synchronisation
)

// PassiveTags is whether the passive member takes User-ID messages of its own.
type PassiveTags uint8

// Code 15 again: whether User-ID messages are among the commands that are not allowed, no source says.
const (
	PassiveTagsTaken   PassiveTags = iota
	PassiveTagsRefused             // error 15
)

// PairSerials is whether a member of a pair tells the serial number of the other ("show high-availability state", peer-info/serial-num).
type PairSerials uint8

// Answers of both kinds are public; since which version it is told, no source says.
const (
	PairSerialsUntold PairSerials = iota
	PairSerialsTold
)

// PushedRules is where a firewall with several virtual systems shows the rules of Panorama's scope Shared.
type PushedRules uint8

// Measured are the two commands and their roots, not where which rule stands.
const (
	PushedRulesApart  PushedRules = iota // by the command without a virtual system alone
	PushedRulesFolded                    // with each virtual system that has a device group, too
)

// pairChoices lists the fields of pairs and of Panorama.
func (d Dialect) pairChoices() []choice {
	return []choice{
		{"pair-tags", int(d.PairTags), []string{"apart", "synced"}},
		{"pair-keys", int(d.PairKeys), []string{"apart", "shared"}},
		{"passive-writes", int(d.PassiveWrites), []string{"refused", "lost"}},
		{"passive-tags", int(d.PassiveTags), []string{"taken", "refused"}},
		{"pair-serials", int(d.PairSerials), []string{"untold", "told"}},
		{"pushed-rules", int(d.PushedRules), []string{"apart", "folded"}},
	}
}

// pairOddities lists the behaviours of pairs and of Panorama, one at a time.
func pairOddities() []Dialect {
	return []Dialect{
		{PairTags: PairTagsSynced},
		{PairKeys: PairKeysShared},
		{PassiveWrites: PassiveWritesLost},
		{PassiveTags: PassiveTagsRefused},
		{PairSerials: PairSerialsTold},
		{PushedRules: PushedRulesFolded},
	}
}
