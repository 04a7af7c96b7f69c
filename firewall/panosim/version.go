package panosim

import (
	"fmt"
	"strconv"
	"strings"
)

// localTime is how PAN-OS writes a time of its own zone: in logs, in a candidate, in locks and jobs.
const localTime = "2006/01/02 15:04:05"

// version is a PAN-OS version without its hotfix.
type version struct{ major, minor, patch int }

// parseVersion reads "10.2.9-h1". Exactly three numbers: anything else would crash clients built on pango.
func parseVersion(text string) (version, error) {
	numbers, _, _ := strings.Cut(text, "-")
	parts := strings.Split(numbers, ".")
	if len(parts) != 3 {
		return version{}, fmt.Errorf("version %q: expected three numbers as in 10.2.9-h1", text)
	}
	var n [3]int
	for i, part := range parts {
		var err error
		if n[i], err = strconv.Atoi(part); err != nil {
			return version{}, fmt.Errorf("version %q: %w", text, err)
		}
	}
	return version{n[0], n[1], n[2]}, nil
}

// from says whether v is at least major.minor.
func (v version) from(major, minor int) bool {
	return v.major > major || v.major == major && v.minor >= minor
}
