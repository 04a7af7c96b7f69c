package xmlapi

import (
	"cmp"
	"strconv"
	"strings"
)

// Version is a PAN-OS version; the zero value is none.
type Version struct{ Major, Minor, Patch int }

// ParseVersion reads "10.2.9-h1", "11.1.4", "10.2": what follows the numbers does not matter here.
func ParseVersion(text string) (Version, bool) {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "-")
	parts := strings.Split(text, ".")
	if len(parts) < 2 {
		return Version{}, false
	}
	var n [3]int
	for i := range min(len(parts), len(n)) {
		v, err := strconv.ParseUint(parts[i], 10, 16)
		if err != nil {
			return Version{}, false
		}
		n[i] = int(v)
	}
	return Version{n[0], n[1], n[2]}, n[0] > 0
}

// AtLeast tells whether v is the given version or a later one; the zero value is earlier than all.
func (v Version) AtLeast(major, minor, patch int) bool {
	return cmp.Or(cmp.Compare(v.Major, major), cmp.Compare(v.Minor, minor), cmp.Compare(v.Patch, patch)) >= 0
}

// timeouts tells whether a registered tag can carry a timeout (PAN-OS 9.0 and later).
func (v Version) timeouts() bool { return v.AtLeast(9, 0, 0) }

// MultiConfig tells whether several edits can be sent as one (PAN-OS 10.1.5 and later, as pango takes it).
func (v Version) MultiConfig() bool {
	return v.AtLeast(10, 1, 5)
}
