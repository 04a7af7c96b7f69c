package dialect

import "strings"

// choice is one field of a Dialect with the names of its values; that of the zero value is not written.
type choice struct {
	field  string
	value  int
	values []string
}

// choices lists the fields in the order in which String names them.
func (d Dialect) choices() []choice {
	repeat := []string{"modern", "others-applied", "entry-skipped", "message-rejected"}
	noYes := []string{"no", "yes"}
	return append([]choice{
		{"duplicates", int(d.Duplicates), repeat},
		{"missing", int(d.Missing), repeat},
		{"renewal", int(d.Renewal), []string{"resets", "ignored"}},
		{"limit", int(d.Limit), []string{"silent-drop", "per-entry-error"}},
		{"bad-entry", int(d.BadEntry), []string{"alone", "rejected"}},
		{"timeout", int(d.Timeout), []string{"refused", "malformed", "clamped"}},
		{"old-timeout", int(d.OldTimeout), []string{"ignored", "malformed"}},
		{"order", int(d.Order), []string{"register-first", "unregister-first"}},
		{"bare", int(d.Bare), []string{"removes-all", "refused"}},
		{"short-tags", int(d.TagLength), noYes},
		{"empty", int(d.Empty), []string{"element", "count"}},
		{"host-form", int(d.HostForm), []string{"plain", "prefix", "expanded"}},
		{"page-count", int(d.PageCount), []string{"page", "total", "limit", "absent"}},
		{"counting", int(d.Counting), []string{"refused", "text", "element"}},
		{"platform-limits", int(d.Limits), []string{"untold", "told"}},
		{"filtered-tags", int(d.FilteredTags), []string{"all", "matching"}},
		{"extras", int(d.Extras), noYes},
		{"ends", int(d.Ends), []string{"hidden", "left", "timeout"}},
		{"timer-over-reboot", int(d.TimerOverReboot), []string{"goes-on", "restarts", "forgotten", "drops-tag"}},
		{"denied", int(d.Denied), []string{"unauth", "forbidden"}},
		{"redirect", int(d.Redirect), []string{"fails", "followed"}},
		{"list-fetch", int(d.ListFetch), []string{"whole", "since", "match"}},
		{"empty-list", int(d.EmptyList), []string{"clears", "kept"}},
		{"no-profile", int(d.NoProfile), []string{"unverified", "refused"}},
		{"list-line", int(d.ListLine), []string{"trimmed", "invalid"}},
		{"list-host", int(d.ListHost), []string{"plain", "prefix"}},
		{"list-overflow", int(d.ListOverflow), []string{"ignored", "silent", "valid"}},
		{"list-stopped", int(d.ListStopped), []string{"error", "empty"}},
		{"list-job", int(d.ListJob), []string{"ok", "fails"}},
		{"list-target", int(d.ListTarget), []string{"either", "parameter", "setting"}},
		{"list-use", int(d.ListUse), []string{"all", "in-policy"}},
		{"groups", int(d.Groups), []string{"in-policy", "all"}},
		{"time-received", int(d.TimeReceived), []string{"local", "empty", "literal", "rfc3339"}},
		{"threat-fields", int(d.ThreatFields), []string{"both", "split"}},
		{"foreign", int(d.Foreign), []string{"empty", "literal"}},
	}, append(d.configChoices(), d.pairChoices()...)...)
}

// String names what differs from the zero value, as "duplicates=others-applied,limit=per-entry-error"; the zero
// value is "plain". Values unknown to this package are "?".
func (d Dialect) String() string {
	var parts []string
	for _, c := range d.choices() {
		switch {
		case c.value == 0:
		case c.value < len(c.values):
			parts = append(parts, c.field+"="+c.values[c.value])
		default:
			parts = append(parts, c.field+"=?")
		}
	}
	if len(parts) == 0 {
		return "plain"
	}
	return strings.Join(parts, ",")
}

// All lists the combinations that a client should survive, each once, the zero Dialect first: all of what
// decides over registering (Duplicates and Missing alike, Renewal, Limit, BadEntry) with each other, duplicates
// and missing tags treated differently, every other behaviour alone with a modern and with a legacy firewall, and
// one firewall that is odd in every way.
func All() []Dialect {
	var out []Dialect
	for _, repeat := range []Repeat{Modern, LegacyOthersApplied, LegacyEntrySkipped, LegacyMessageRejected} {
		for _, renewal := range []Renewal{RenewalResets, RenewalIgnored} {
			if repeat == LegacyMessageRejected && renewal == RenewalIgnored {
				continue // a rejected message renews nothing in either case
			}
			for _, limit := range []Limit{LimitSilentDrop, LimitPerEntryError} {
				for _, bad := range []BadEntry{BadEntryAlone, BadEntryRejected} {
					out = append(out, Dialect{Duplicates: repeat, Missing: repeat, Renewal: renewal, Limit: limit, BadEntry: bad})
				}
			}
		}
	}
	out = append(out, Dialect{Duplicates: LegacyOthersApplied}, Dialect{Missing: LegacyOthersApplied})
	for _, alone := range oddities() {
		legacy := alone
		legacy.Duplicates, legacy.Missing = LegacyOthersApplied, LegacyOthersApplied
		out = append(out, alone, legacy)
	}
	out = append(out, planeOddities()...)
	out = append(out, configOddities()...)
	out = append(out, pairOddities()...)
	return append(out, Dialect{
		Duplicates: LegacyEntrySkipped, Missing: LegacyEntrySkipped, Renewal: RenewalIgnored,
		Limit: LimitPerEntryError, BadEntry: BadEntryRejected, Timeout: LongTimeoutClamped,
		OldTimeout: OldTimeoutMalformed, Order: UnregisterFirst, Bare: BareRefused, TagLength: TagLength63,
		Empty: EmptyCount, HostForm: HostExpanded, PageCount: CountAbsent, Counting: CountingText, Limits: LimitsTold, FilteredTags: FilteredMatching,
		Extras: ExtrasPresent, TimerOverReboot: TimerForgotten, Denied: DeniedForbidden,
		Redirect: RedirectFollowed, ListFetch: ListFetchSince, EmptyList: EmptyListKept, NoProfile: NoProfileRefused, ListLine: ListLineInvalid,
		ListHost: ListHostPrefix, ListOverflow: ListOverflowValid, ListTarget: ListTargetSetting, ListUse: ListUseInPolicy, Groups: GroupsAll,
		ListStopped: ListStoppedEmpty, ListJob: ListJobFails,
		TimeReceived: TimeReceivedLiteral, ThreatFields: ThreatFieldsSplit, Foreign: ForeignLiteral,
		Marking: MarkEntries, BadPath: BadPathMissing, Unchanged: UnchangedPending, Choice: ChoiceAdds,
		References: ReferencesAtCommit, LockedCommit: LockedCommitAllowed, LockReach: LockReachShared,
		Busy: BusyRefuses, NoChanges: NoChangesSame, Details: DetailsNested, UnknownJob: UnknownJobQuery,
		Renamed: RenamedLeaves, JobsOverReboot: JobsForgotten,
		PairTags: PairTagsSynced, PairKeys: PairKeysShared, PassiveWrites: PassiveWritesLost, PassiveTags: PassiveTagsRefused,
		PairSerials: PairSerialsTold, PushedRules: PushedRulesFolded,
	})
}

// oddities lists each behaviour that has little to do with the others, one at a time.
func oddities() []Dialect {
	return []Dialect{
		{Timeout: LongTimeoutMalformed}, {Timeout: LongTimeoutClamped},
		{OldTimeout: OldTimeoutMalformed},
		{Order: UnregisterFirst},
		{Bare: BareRefused},
		{TagLength: TagLength63},
		{Empty: EmptyCount},
		{HostForm: HostPrefix}, {HostForm: HostExpanded},
		{PageCount: CountTotal}, {PageCount: CountLimit}, {PageCount: CountAbsent},
		{Counting: CountingText}, {Counting: CountingElement},
		{Limits: LimitsTold},
		{FilteredTags: FilteredMatching},
		{Extras: ExtrasPresent},
		{Ends: EndsLeft}, {Ends: EndsTimeout},
		{TimerOverReboot: TimerRestarts}, {TimerOverReboot: TimerForgotten}, {TimerOverReboot: TimerDropsTag},
		{Denied: DeniedForbidden},
	}
}

// planeOddities lists the behaviours of lists, groups and logs, one at a time. They have nothing to do with
// registering, so a legacy firewall is no other case.
func planeOddities() []Dialect {
	return []Dialect{
		{Redirect: RedirectFollowed},
		{ListFetch: ListFetchSince}, {ListFetch: ListFetchMatch},
		{EmptyList: EmptyListKept},
		{NoProfile: NoProfileRefused},
		{ListLine: ListLineInvalid},
		{ListHost: ListHostPrefix},
		{ListOverflow: ListOverflowSilent}, {ListOverflow: ListOverflowValid},
		{ListStopped: ListStoppedEmpty},
		{ListJob: ListJobFails},
		{ListTarget: ListTargetParameter}, {ListTarget: ListTargetSetting},
		{ListUse: ListUseInPolicy},
		{Groups: GroupsAll},
		{TimeReceived: TimeReceivedEmpty}, {TimeReceived: TimeReceivedLiteral}, {TimeReceived: TimeReceivedRFC3339},
		{ThreatFields: ThreatFieldsSplit},
		{Foreign: ForeignLiteral},
	}
}
