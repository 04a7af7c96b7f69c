package pattern

import (
	"maps"
	"slices"
)

// Sets gives the names of the sets of patterns that there are, sorted.
func Sets() []string { return slices.Sorted(maps.Keys(sets)) }

// Named gives a set by its name; not ok: there is none.
func Named(name string) (set []Pattern, ok bool) {
	set, ok = sets[name]
	return slices.Clone(set), ok
}

// syslog gives the beginning of a regular expression for the messages of a program, whose name it is an expression for: the header as
// rsyslog and the journal (short, short-iso) write it into files, and that of RFC 5424. Only so is a message known to be the program's own: what
// stands further on, another program may have been made to write.
func syslog(program string) string {
	return `^(?:<\d{1,3}>)?(?:1 \S+ \S+ ` + program + ` \S+ \S+ (?:-|\[[^\]]*\]) (?:\x{FEFF})?|(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\S+) \S+ ` + program + `(?:\[\d+\])?: )`
}

// sets are the sets by their names.
var sets = map[string][]Pattern{
	"sshd": sshd,
}
