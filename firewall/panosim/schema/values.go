package schema

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Checks of values: what is wrong with them, in words that follow the value in quotes. Those of keywords and
// addresses are recorded, the others are ours.

func keyword(words ...string) func(string) string {
	return func(v string) string {
		if slices.Contains(words, v) {
			return ""
		}
		return "is not an allowed keyword"
	}
}

func yesOrNo(v string) string { return keyword("yes", "no")(v) }

func validColor(v string) string {
	n, err := strconv.Atoi(strings.TrimPrefix(v, "color"))
	if err != nil || !strings.HasPrefix(v, "color") || n < 1 || n > 42 {
		return "is not an allowed keyword"
	}
	return ""
}

func validPort(v string) string {
	if n, err := strconv.ParseUint(v, 10, 16); err != nil || n == 0 {
		return "is not in the range 1..65535"
	}
	return ""
}

// longestLogFormat is that of a custom log format, in characters (the schema of the vendor's own configuration tools).
const longestLogFormat = 2048

func validLogFormat(v string) string {
	if utf8.RuneCountInString(v) > longestLogFormat {
		return "can be at most 2048 characters"
	}
	return ""
}

func validNetmask(v string) string {
	if _, err := netip.ParsePrefix(v); err == nil {
		return ""
	}
	if a, err := netip.ParseAddr(v); err == nil && a.Zone() == "" {
		return ""
	}
	return "is an invalid ipv4/v6 address"
}

func validRange(v string) string {
	first, last, ok := strings.Cut(v, "-")
	if !ok {
		return "range separator('-') not found"
	}
	from, err := netip.ParseAddr(first)
	to, err2 := netip.ParseAddr(last)
	if err != nil || err2 != nil || from.Is4() != to.Is4() || to.Less(from) {
		return "is an invalid ipv4/v6 address range"
	}
	return ""
}

var domainForm = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9])?$`)

func validDomain(v string) string {
	if len(v) > 255 || !domainForm.MatchString(v) {
		return "is an invalid fqdn"
	}
	return ""
}

// nameForm is what objects, rules and tags may be called; the documentation names letters, digits, spaces,
// hyphens, underscores and periods, and PAN-OS takes some more in tags.
var nameForm = regexp.MustCompile(`^[0-9a-zA-Z_]([0-9a-zA-Z._ -]*[0-9a-zA-Z._-])?$`)

func anyOf(words ...string) func(string) bool {
	return func(v string) bool { return slices.Contains(words, v) }
}

// isLiteral accepts what a rule may name without an object: any, addresses, networks, ranges, and the codes of
// countries.
func isLiteral(v string) bool {
	return v == "any" || validNetmask(v) == "" || validRange(v) == "" || countryCode.MatchString(v)
}

var countryCode = regexp.MustCompile(`^[A-Z]{2}$`)
