package firewall

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	defaultRemoval = 30  // percent
	defaultBatch   = 500 // addresses in a message
	maxBatch       = 1000
	maxTag         = 127 // characters
)

// checkTag refuses what would break the filter of a dynamic address group, in which the tag stands between quotes.
func checkTag(tag string) error {
	if tag == "" || utf8.RuneCountInString(tag) > maxTag {
		return fmt.Errorf("tag: must be 1 to %d characters long", maxTag)
	}
	if tag != strings.TrimSpace(tag) || strings.ContainsFunc(tag, func(r rune) bool {
		return r == '\'' || r == '"' || !unicode.IsPrint(r)
	}) {
		return errors.New("tag: must not contain quotes, control characters, or leading or trailing spaces")
	}
	return nil
}

// checkRemoval fills in the brake's default, 30 percent.
func checkRemoval(percent *int) error {
	*percent = cmp.Or(*percent, defaultRemoval)
	if *percent < 0 || *percent > 100 {
		return errors.New("max_removal_percent: must be 1 to 100")
	}
	return nil
}
