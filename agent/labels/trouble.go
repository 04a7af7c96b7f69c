package labels

import (
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// Trouble is something about a file that a person should see to.
type Trouble struct {
	Since  time.Time // when it was first noticed
	File   string
	What   string // one plain sentence without a full stop, the file's name in it
	Remedy string
}

// remedyOf says what to do about a file that was not taken over.
func remedyOf(err error) string {
	switch {
	case errors.Is(err, errShrunk):
		return "If that is meant, reload the daemon: it then begins with the file as it is. Else restore the file"
	case errors.Is(err, errEmptied):
		return "If nothing is meant, take the file out of labels in the configuration. Else restore the file"
	case errors.Is(err, errLifts):
		return "If that is meant, put the addresses into never_block of the configuration, or release them by hand; else restore the file"
	case errors.Is(err, errNothing):
		return "Put one address, network or range on each line; a download may have saved an error page"
	}
	return "Shorten the file, or see whether it is the one that was meant"
}

// refuse keeps why the file was not taken over, since it was so first.
func (f *followed) refuse(at time.Time, what, remedy string) {
	if f.loaded || len(f.entries) > 0 {
		what += fmt.Sprintf("; its %d entries stay as they were", len(f.entries))
	}
	f.refused = since(f.refused, Trouble{at, f.Path, what, remedy})
}

// leftOut keeps which lines of a file were left out.
func (f *followed) leftOut(at time.Time, c content) {
	what, remedy := "", ""
	switch {
	case c.wide.lines > 0:
		what = fmt.Sprintf("%s: %s wider than /%d (IPv6 /%d) and left out, the first in line %d: %q",
			f.Path, number(c.wide.lines, "entry is", "entries are"), widestV4, widestV6, c.wide.first, c.wide.text)
		remedy = "If it is meant, name its parts, or put it into never_block of the configuration"
	case c.bad.lines > 0:
		what = fmt.Sprintf("%s: %s with no address and left out, the first is line %d: %q",
			f.Path, number(c.bad.lines, "line begins", "lines begin"), c.bad.first, c.bad.text)
		remedy = "Put one address, network or range on each line, and # in front of comments"
	default:
		f.partial = nil
		return
	}
	f.partial = since(f.partial, Trouble{at, f.Path, what, remedy})
}

// since keeps the beginning of a trouble that goes on.
func since(before *Trouble, now Trouble) *Trouble {
	if before != nil {
		now.Since = before.Since
	}
	return &now
}

func number(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", many)
}

// reason is an error without the path, which stands in front of it.
func reason(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
