package api

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"activedefense/config"
	"activedefense/store"
)

// ParsePrefix reads an address or a network.
func ParsePrefix(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		addr = addr.Unmap().WithZone("")
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, Usagef("%q is neither an address nor a network such as 203.0.113.0/24", s)
	}
	if p != p.Masked() {
		return netip.Prefix{}, Usagef("%s has host bits set; the network is %s", p, p.Masked())
	}
	return p, nil
}

// ParsePrefixes reads several.
func ParsePrefixes(texts []string) (prefixes []netip.Prefix, err error) {
	for _, text := range texts {
		prefix, err := ParsePrefix(text)
		if err != nil {
			return nil, err
		}
		prefixes = append(prefixes, prefix)
	}
	return prefixes, nil
}

// ParseTime reads a span back from now (24h, 7d), a date or time of day in the local zone, or RFC 3339; empty is no time. A fault says
// whose value it is.
func ParseTime(name, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := config.ParseDuration(text); err == nil {
		return now.Add(-d), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	for _, layout := range []string{time.DateTime, "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, Usagef("%s %q: use a duration such as 24h or 7d, a date such as 2026-01-31, or RFC 3339", name, text)
}

// limitOf reads how many of what there may be at most.
func limitOf(q url.Values, what string, preset int) (int, error) {
	return numberOf(q, "limit", what+", or 0 for all", preset)
}

// numberOf reads a number of what a fault says.
func numberOf(q url.Values, name, what string, preset int) (int, error) {
	text := q.Get(name)
	if text == "" {
		return preset, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, Usagef("%s %q: give the number of %s", name, text, what)
	}
	return n, nil
}

// yesOf reads a parameter that is true or false, which it is where it is not given.
func yesOf(q url.Values, name string) (bool, error) {
	switch text := q.Get(name); text {
	case "true":
		return true, nil
	case "", "false":
		return false, nil
	default:
		return false, Usagef("%s %q: give true or false", name, text)
	}
}

// recordParams are the parameters of a search for records. Of those that are said to take several, each value stands for itself.
const recordParams = "since until src dst src_port dst_port src_country dst_country user severity device action type subtype rule threat_id application zone end_reason outcome grade file limit offset within count"

// Defaults of a search for records.
const (
	DefaultSince  = "24h"
	DefaultLimit  = 100
	DefaultWithin = "1m"
)

// mostValues is how many values a search takes: SQLite's conditions are at most 1000 deep.
const mostValues = 900

// texts are the parameters of a search whose values are looked for as they are.
func texts(f *store.RecordFilter) map[string]*[]string {
	return map[string]*[]string{"src_country": &f.SrcCountry, "dst_country": &f.DstCountry, "user": &f.User, "severity": &f.Severity, "device": &f.Device,
		"action": &f.Action, "type": &f.Type, "subtype": &f.Subtype, "rule": &f.Rule, "threat_id": &f.ThreatID, "application": &f.Application,
		"zone": &f.Zone, "end_reason": &f.EndReason, "file": &f.File}
}

// ParseSearch reads a search for records, which names its parameters for whom reads a fault.
func ParseSearch(q url.Values, now time.Time, name func(param string) string) (f store.RecordFilter, err error) {
	get := func(param, preset string) string {
		if q.Has(param) {
			return q.Get(param)
		}
		return preset
	}
	since, until := get("since", DefaultSince), q.Get("until")
	if f.Since, err = ParseTime(name("since"), since, now); err != nil {
		return f, err
	}
	if f.Until, err = ParseTime(name("until"), until, now); err != nil {
		return f, err
	}
	if !f.Since.IsZero() && !f.Until.IsZero() && !f.Since.Before(f.Until) {
		return f, Usagef("%s %s is not after %s %s, so no record can be between them; give the earlier time to %[3]s", name("until"), until, name("since"), since)
	}
	values := 0
	for _, all := range q {
		values += len(all)
	}
	if values > mostValues {
		return f, Usagef("%d values are too many for one search, which takes at most %d values; search for a network instead, or several times", values, mostValues)
	}
	if f.Src, err = networksOf(name("src"), q["src"]); err != nil {
		return f, err
	}
	if f.Dst, err = networksOf(name("dst"), q["dst"]); err != nil {
		return f, err
	}
	if f.SrcPort, err = portsOf(name("src_port"), q["src_port"]); err != nil {
		return f, err
	}
	if f.DstPort, err = portsOf(name("dst_port"), q["dst_port"]); err != nil {
		return f, err
	}
	if f.Outcome, err = wordsOf(name("outcome"), "outcomes", q["outcome"], store.Refused, store.Answered, store.LateAnswer); err != nil {
		return f, err
	}
	if f.Grade, err = wordsOf(name("grade"), "grades", q["grade"], store.Proven, store.Forgeable); err != nil {
		return f, err
	}
	for param, values := range texts(&f) {
		*values = q[param]
	}
	if err := checkTexts(&f, name); err != nil {
		return f, err
	}
	within := get("within", DefaultWithin)
	if f.Within, err = config.ParseDuration(within); err != nil {
		return f, Usagef("%s %q: use a duration such as 30s or 10m, or 0 for any time", name("within"), within)
	}
	f.Paths = true
	limit := get("limit", strconv.Itoa(DefaultLimit))
	if f.Limit, err = strconv.Atoi(limit); err != nil || f.Limit < 0 {
		return f, Usagef("%s %s: give the number of records, or 0 for all", name("limit"), limit)
	}
	return f, nil
}

// wordsOf reads the words of a parameter that stand for some of these values, which are called so.
func wordsOf[V fmt.Stringer](name, called string, given []string, values ...V) (found []V, err error) {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = v.String()
	}
	for _, word := range given {
		i := slices.Index(words, strings.ToLower(word))
		if i < 0 {
			return nil, Usagef("%s %q: the %s are %s", name, word, called, strings.Join(words, ", "))
		}
		found = append(found, values[i])
	}
	return found, nil
}

// networksOf reads the addresses and networks of a parameter: of an IPv6 address with a length, its network, by which it is counted.
func networksOf(name string, given []string) (networks []netip.Prefix, err error) {
	for _, text := range given {
		p, err := netip.ParsePrefix(text)
		if err != nil || p.Addr().Unmap().Is4() {
			p, err = ParsePrefix(text)
		}
		if err != nil {
			return nil, Usagef("%s: %w", name, err)
		}
		networks = append(networks, p.Masked())
	}
	return networks, nil
}

// portsOf reads the ports of a parameter, and ranges of them.
func portsOf(name string, given []string) (ports []store.PortRange, err error) {
	for _, text := range given {
		low, high, several := strings.Cut(text, "-")
		if !several {
			high = low
		}
		first, err := strconv.ParseUint(strings.TrimSpace(low), 10, 16)
		last, err2 := strconv.ParseUint(strings.TrimSpace(high), 10, 16)
		if err != nil || err2 != nil || first > last {
			return nil, Usagef("%s %q: give a port from 0 to 65535, a range such as 8000-8003, or several with commas; see activedefense records --help", name, text)
		}
		ports = append(ports, store.PortRange{First: uint16(first), Last: uint16(last)})
	}
	return ports, nil
}

// types are the logs that records come from.
var types = []string{"traffic", "threat", "globalprotect", "system", "log"}

// severities are those of a threat log, worst first.
var severities = []string{"critical", "high", "medium", "low", "informational"}

// checkTexts refuses what a field cannot have: a search for it would find nothing, and say that there is nothing.
func checkTexts(f *store.RecordFilter, name func(string) string) error {
	for _, typ := range f.Type {
		if !slices.Contains(types, strings.ToLower(typ)) {
			return Usagef("%s %q: the types are %s", name("type"), typ, strings.Join(types, ", "))
		}
	}
	for _, severity := range f.Severity {
		if !slices.Contains(severities, strings.ToLower(severity)) {
			return Usagef("%s %q: the severities are %s", name("severity"), severity, strings.Join(severities, ", "))
		}
	}
	for _, id := range f.ThreatID {
		if _, err := strconv.ParseUint(id, 10, 64); err != nil {
			return Usagef("%s %q: a threat's id is a number, such as 40017", name("threat_id"), id)
		}
	}
	return nil
}
