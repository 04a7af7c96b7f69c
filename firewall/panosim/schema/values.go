package schema

import (
	"fmt"
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

// atMost bounds the length, in characters. A value that is too long is refused and never cut; the text is that of pan-python's
// live tests.
func atMost(n int) func(string) string {
	return func(v string) string {
		if length := utf8.RuneCountInString(v); length > n {
			return fmt.Sprintf("can be at most %d characters, but current length: %d", n, length)
		}
		return ""
	}
}

func atLeast(n int) func(string) string {
	return func(v string) string {
		if utf8.RuneCountInString(v) < n {
			return fmt.Sprintf("must be at least %d characters", n)
		}
		return ""
	}
}

// within takes whole numbers.
func within(from, to int) func(string) string {
	return func(v string) string {
		if n, err := strconv.Atoi(v); err != nil || n < from || n > to {
			return fmt.Sprintf("is not in the range %d..%d", from, to)
		}
		return ""
	}
}

// checks are those that schema.txt names.
var checks = map[string]func(string) string{"netmask": validNetmask, "range": validRange, "fqdn": validDomain, "timezone": validTimezone}

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

var timezoneForm = regexp.MustCompile(`^[A-Za-z_]+[A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$`)

// validTimezone takes what has the form of a name of the time zone database; which names there are is not looked up.
func validTimezone(v string) string {
	if !timezoneForm.MatchString(v) {
		return "is an invalid time zone"
	}
	return ""
}

// nameForm is what objects, rules and tags may be called; the documentation names letters, digits, spaces,
// hyphens, underscores and periods, and PAN-OS takes some more in tags.
var nameForm = regexp.MustCompile(`^[0-9a-zA-Z_]([0-9a-zA-Z._ -]*[0-9a-zA-Z._-])?$`)

// meansElse tells of a text whether it is one of the words, or with "literal" among them means something by itself.
func meansElse(words []string) func(string) bool {
	literal := slices.Contains(words, "literal")
	return func(v string) bool { return slices.Contains(words, v) || literal && isLiteral(v) }
}

// isLiteral accepts what a rule may name without an object: any, addresses, networks, ranges, and the codes of
// countries.
func isLiteral(v string) bool {
	return v == "any" || validNetmask(v) == "" || validRange(v) == "" || countryCode.MatchString(v)
}

var countryCode = regexp.MustCompile(`^[A-Z]{2}$`)
