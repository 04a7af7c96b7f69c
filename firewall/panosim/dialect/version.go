package dialect

import (
	"fmt"
	"strconv"
	"strings"
)

// LocalTime is how PAN-OS writes a time of its own zone: in logs, in a candidate, in locks and jobs.
const LocalTime = "2006/01/02 15:04:05"

// Localhost is the name that a firewall gives itself in its configuration.
const Localhost = "localhost.localdomain"

// Version is a PAN-OS version without its hotfix.
type Version struct{ Major, Minor, Patch int }

// ParseVersion reads "10.2.9-h1". Exactly three numbers: anything else would crash clients built on pango.
func ParseVersion(text string) (Version, error) {
	numbers, _, _ := strings.Cut(text, "-")
	parts := strings.Split(numbers, ".")
	if len(parts) != 3 {
		return Version{}, fmt.Errorf("version %q: expected three numbers as in 10.2.9-h1", text)
	}
	var n [3]int
	for i, part := range parts {
		var err error
		if n[i], err = strconv.Atoi(part); err != nil {
			return Version{}, fmt.Errorf("version %q: %w", text, err)
		}
	}
	return Version{n[0], n[1], n[2]}, nil
}

// AtLeast says whether v is at least major.minor.
func (v Version) AtLeast(major, minor int) bool {
	return v.Major > major || v.Major == major && v.Minor >= minor
}
