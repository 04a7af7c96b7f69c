package config

import (
	"slices"
	"strings"
)

// A Part is what a command needs of the configuration: a fault elsewhere does not concern it.
type Part struct {
	keys    []string // and all below them
	section string   // in which an unknown key that is like none beside it may be one of keys; a path with a dot behind it
	top     bool     // an unknown key at the top of the file may be one of keys, whatever it is like
}

// The parts that commands need.
var (
	PartStore   = Part{keys: []string{"state_dir", "store.url", "store.url_file"}, section: "store."}
	PartAdmin   = Part{keys: []string{"admin.listen", "admin.socket", "admin.tokens_file"}, section: "admin."}
	PartSocket  = Part{keys: []string{"admin.socket"}} // where a daemon is asked; a key that is misspelt is none
	PartRelease = Part{keys: []string{"blacklist.release_after"}}
	PartRules   = Part{keys: []string{"detect", "rules"}}
	PartOurs    = Part{keys: []string{"networks"}}
	PartInputs  = Part{keys: []string{"inputs"}}
	PartGuard   = Part{keys: []string{"never_block", "networks", "labels", "firewalls"}, top: true} // what may never be blocked
)

// unknownKey is a key that the schema does not have. Paths are those of the schema.
type unknownKey struct {
	fault   string   // the key of its fault
	in      string   // its section, "" or with a dot behind it
	sibling string   // what it is like of the keys beside it; "": none
	others  []string // the keys elsewhere that it is like, where it is like none beside it
}

// unknownKey notes one, of those whose faults are listed: what it is like is looked for in the whole schema.
func (l *loader) unknownKey(u func() unknownKey) {
	if len(l.faults) < mostFaults {
		l.unknown = append(l.unknown, u())
	}
}

// LoadPart is Load for a command that needs these parts alone, and is to work while there are faults elsewhere: those it gives with
// the configuration, in which what is faulty has its default. The error is Faults where a needed part has one or may have one
// (a misspelt key), and where the file cannot be read or is no YAML; it holds all of them, those that stop the command first.
func LoadPart(o Options, parts ...Part) (c *Config, elsewhere Faults, err error) {
	l := newLoader(o.Path)
	c = l.open(o)
	all := l.allFaults()
	var needed Faults
	for _, f := range all {
		if c == nil || l.unlisted > 0 || l.concerns(f.Key, parts) {
			needed = append(needed, f)
		} else {
			elsewhere = append(elsewhere, f)
		}
	}
	if len(needed) > 0 {
		return nil, nil, append(needed, elsewhere...)
	}
	return c, elsewhere, nil
}

// concerns tells whether a fault is in one of the parts, or may be.
func (l *loader) concerns(fault string, parts []Part) bool {
	i := slices.IndexFunc(l.unknown, func(u unknownKey) bool { return u.fault == fault })
	return fault == "environment" || slices.ContainsFunc(parts, func(p Part) bool {
		if i < 0 {
			return p.needs(fault)
		}
		u := &l.unknown[i]
		return p.top && u.in == "" || p.section != "" && p.section == u.in && u.sibling == "" || p.needs(u.sibling) || slices.ContainsFunc(u.others, p.needs) ||
			slices.ContainsFunc(p.keys, func(need string) bool { return isBelow(u.in, need) })
	})
}

// needs tells whether a key is one of the part, or stands below or above one.
func (p *Part) needs(key string) bool {
	return key != "" && slices.ContainsFunc(p.keys, func(need string) bool { return isBelow(key, need) || isBelow(need, key) })
}

// isBelow tells whether a key is another one or stands below it.
func isBelow(key, other string) bool {
	rest, ok := strings.CutPrefix(key, other)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}
