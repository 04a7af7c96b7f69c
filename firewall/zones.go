package firewall

import (
	"slices"
	"strings"
	"unicode"
)

// internetWords are words in the names that zones facing the internet commonly have. "trust" alone is none of them.
var internetWords = []string{"untrust", "untrusted", "internet", "outside", "wan"}

// NamedLikeInternet tells whether a zone is named as those that face the internet commonly are: by a whole word of the name, which
// digits, signs and a capital letter after a small one set off. So WAN-2 and L3Untrust are, and Swansea is not. It is a guess: an
// internal zone may be called internet-dmz.
func NamedLikeInternet(zone string) bool {
	var b strings.Builder
	var before rune
	for _, c := range zone {
		if !unicode.IsLetter(c) || unicode.IsUpper(c) && unicode.IsLower(before) {
			b.WriteByte(' ')
		}
		if unicode.IsLetter(c) {
			b.WriteRune(unicode.ToLower(c))
		}
		before = c
	}
	return slices.ContainsFunc(strings.Fields(b.String()), func(word string) bool { return slices.Contains(internetWords, word) })
}
