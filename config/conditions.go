package config

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Condition is met by a record whose field has one of the values. Which of them is set depends on the field.
type Condition struct {
	Field    string
	Networks []netip.Prefix
	Numbers  []NumberRange
	Texts    []string // compared without regard to case
}

// NumberRange are the numbers from First to Last, both included.
type NumberRange struct{ First, Last uint32 }

// Kinds of the fields of a record.
const (
	fieldText = iota
	fieldNetwork
	fieldPort
	fieldID
)

// recordField is a field of a record that rules may name, and which events have it.
type recordField struct {
	name   string
	kind   int
	events []string // of the firewalls' logs; a pattern's have what it names, and inAll
	values []string // the only ones that it can have; nil: any
}

// inAll are the fields that an event of a pattern has in any case.
var inAll = []string{"device", "src", "src_country", "subtype", "type"}

// threatSeverities are those of threat records; a pattern's event has what its group takes.
var threatSeverities = []string{"critical", "high", "medium", "low", "informational"}

// actions are those that firewalls log of traffic and threats, in all formats and versions that are known.
var actions = []string{"alert", "allow", "block", "block-continue", "block-ip", "block-override", "block-url", "continue", "continue-override", "deny", "drop", "drop-all", "drop-all-packets", "drop all packets",
	"drop-icmp", "drop icmp", "drop-packet", "forward", "override", "override-lockout", "random-drop", "reset-both", "reset both", "reset-client", "reset client", "reset-server", "reset server", "sinkhole",
	"syncookie-sent", "wildfire-upload-fail", "wildfire-upload-skip", "wildfire-upload-success"}

var recordFields = func() []recordField {
	all := []string{"traffic", "threat", "login"}
	sessions := all[:2]
	return []recordField{
		{"device", fieldText, all, nil}, {"src", fieldNetwork, all, nil}, {"src_port", fieldPort, sessions, nil}, {"src_user", fieldText, all, nil},
		{"src_country", fieldText, all, nil}, {"dst", fieldNetwork, sessions, nil}, {"dst_port", fieldPort, sessions, nil}, {"dst_country", fieldText, sessions, nil},
		{"action", fieldText, all, nil}, {"rule", fieldText, sessions, nil}, {"rule_id", fieldText, sessions, nil},
		{"threat_name", fieldText, all[1:2], nil}, {"threat_id", fieldID, all[1:2], nil},
		{"severity", fieldText, all[1:2], threatSeverities},
		{"subtype", fieldText, all, nil}, {"type", fieldText, all, []string{"TRAFFIC", "THREAT", "GLOBALPROTECT", "SYSTEM", "LOG"}},
		{"application", fieldText, all, nil}, {"from_zone", fieldText, sessions, nil}, {"to_zone", fieldText, sessions, nil},
		{"session_end_reason", fieldText, []string{"traffic", "login"}, nil},
		{"outcome", fieldText, all, []string{"refused", "answered"}},
	}
}()

// typesOf are the types that records of the firewalls' events have, and typeOfPattern that of others.
var typesOf = map[string][]string{"traffic": {"TRAFFIC"}, "threat": {"THREAT"}, "login": {"GLOBALPROTECT", "SYSTEM"}}

const typeOfPattern = "LOG"

func fieldNames() (names []string) {
	for _, f := range recordFields {
		names = append(names, f.name)
	}
	return names
}

func recordFieldNamed(name string) (recordField, bool) {
	i := slices.IndexFunc(recordFields, func(f recordField) bool { return f.name == name })
	if i < 0 {
		return recordField{}, false
	}
	return recordFields[i], true
}

// shapeConditions checks a section of fields, each with a value or several, and below not another one.
func (l *loader) shapeConditions(at string, value any, nested bool) (any, bool) {
	section, ok := value.(map[string]any)
	if !ok {
		l.fault(at, "must be a section of fields and values, such as {dst_port: [22], action: [deny, drop]}")
		return nil, false
	}
	for _, key := range slices.Sorted(maps.Keys(section)) {
		_, known := recordFieldNamed(key)
		switch {
		case key == "not" && !nested:
			if section[key], ok = l.shapeConditions(at+".not", section[key], true); !ok {
				delete(section, key)
			}
		case !known:
			l.fault(at+"."+plainKey(key), "unknown field; %s", meantField(key))
			delete(section, key)
		case section[key] == nil:
			l.fault(at+"."+key, "has no value; set one, or remove the key")
			delete(section, key)
		default:
			if section[key], ok = l.shapeValues(at+"."+key, section[key]); !ok {
				delete(section, key)
			}
		}
	}
	return section, true
}

// conditionTexts shows conditions as settings.
func conditionTexts(before string, value any) []string {
	section, _ := value.(map[string]any)
	texts := []string{}
	for _, f := range recordFields {
		if values, is := section[f.name].([]string); is {
			texts = append(texts, before+f.name+": "+strings.Join(values, ", "))
		}
	}
	if not, is := section["not"]; is {
		texts = append(texts, conditionTexts("not "+before, not)...)
	}
	return texts
}

// meantField says what an unknown field was perhaps meant to be.
func meantField(name string) string {
	names := fieldNames()
	if best, ok := nearest(strings.ToLower(name), names, func(s string) string { return s }, 1+len(name)/4); ok {
		return "did you mean " + best + "?"
	}
	return "the fields are " + strings.Join(names, ", ")
}

// conditions reads those of a section, in the order of the fields.
func (s customReader) conditions(key string, fields map[string]any) (list []Condition) {
	for _, f := range recordFields {
		texts, is := fields[f.name].([]string)
		if !is {
			continue
		}
		at := key + "." + f.name
		if len(texts) == 0 || len(texts) > maxValues {
			s.fault(at, "has %d values; use 1 to %d", len(texts), maxValues)
			continue
		}
		c := Condition{Field: f.name}
		switch f.kind {
		case fieldNetwork:
			c.Networks = s.networks(at)
		case fieldPort:
			c.Numbers = s.numbers(at, texts, 0, maxPorts, "a port or a range of ports; use one such as 443 or 1000-2000")
		case fieldID:
			c.Numbers = s.numbers(at, texts, 1, maxThreatID, "the id of a threat or a range of them; use the number that the log shows, such as 40015")
		default:
			of := f.values
			if f.name == "severity" && s.ofPatterns() { // which is judged when all inputs are read
				of = nil
			}
			c.Texts = s.words(at, texts, of)
		}
		list = append(list, c)
	}
	return list
}

// numbers reads numbers and ranges of them.
func (s customReader) numbers(key string, texts []string, least, most uint64, right string) (ranges []NumberRange) {
	for i, t := range texts {
		low, high, several := strings.Cut(t, "-")
		if !several {
			high = low
		}
		first, err := strconv.ParseUint(strings.TrimSpace(low), 10, 32)
		last, err2 := strconv.ParseUint(strings.TrimSpace(high), 10, 32)
		if err != nil || err2 != nil || first < least || last > most || first > last {
			s.fault(fmt.Sprintf("%s[%d]", key, i), "%q is not %s", clip(t), right)
			continue
		}
		ranges = append(ranges, NumberRange{uint32(first), uint32(last)})
	}
	return ranges
}

// words reads texts; of is what they may be, where not all may.
func (s customReader) words(key string, texts, of []string) []string {
	for i, t := range texts {
		one := fmt.Sprintf("%s[%d]", key, i)
		if strings.TrimSpace(t) == "" {
			s.fault(one, "is empty; set a value, or remove it")
		} else if of != nil && !slices.ContainsFunc(of, func(v string) bool { return strings.EqualFold(v, t) }) {
			s.fault(one, "%q is none that the field can have; use one of %s", clip(t), strings.Join(of, ", "))
		}
	}
	return texts
}

// contains tells whether a text is one of some, without regard to case.
func contains(texts []string, text string) bool {
	return slices.ContainsFunc(texts, func(t string) bool { return strings.EqualFold(t, text) })
}

// covers tells whether every value of another condition on the same field meets this one.
func (c Condition) covers(other Condition) bool {
	switch {
	case len(other.Networks) > 0:
		return coversNetworks(c.Networks, other.Networks)
	case len(other.Numbers) > 0:
		return !slices.ContainsFunc(other.Numbers, func(r NumberRange) bool {
			return !slices.ContainsFunc(c.Numbers, func(w NumberRange) bool { return w.First <= r.First && r.Last <= w.Last })
		})
	}
	return len(other.Texts) > 0 && !slices.ContainsFunc(other.Texts, func(t string) bool { return !contains(c.Texts, t) })
}
