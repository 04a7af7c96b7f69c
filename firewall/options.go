package firewall

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
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

// Stray tells which of the addresses and networks that stand under our tag or in our group, and are not desired, were never ours: another
// works with the same tag, or did. They are neither removed nor renewed. With an error nobody knows, and none of them is removed in that
// pass. It is asked in full passes, of what has come to stand without us since the last one. nil: whatever stands is ours.
type Stray func(ctx context.Context, standing []netip.Prefix) ([]netip.Prefix, error)

// sortOut gives those of standing that are not to be removed, and tells in the report which are known to be strays.
func (r *Report) sortOut(ctx context.Context, stray Stray, standing []netip.Prefix) (stay map[netip.Prefix]bool) {
	stay = make(map[netip.Prefix]bool)
	if stray == nil {
		return stay
	}
	list, err := []netip.Prefix(nil), error(nil)
	if len(standing) > 0 {
		list, err = stray(ctx, standing)
	}
	if r.Sorted = err == nil; r.Sorted {
		r.Stray = list
	} else {
		list = standing // the error is told by whoever answers
	}
	for _, p := range list {
		stay[p] = true
	}
	return stay
}
