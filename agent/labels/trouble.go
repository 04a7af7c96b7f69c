package labels

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/dustin/go-humanize/english"
)

// Trouble is something about a file that a person should see to.
type Trouble struct {
	Since  time.Time // when it was first noticed
	File   string
	What   string // one plain sentence without a full stop, the file's name in it
	Remedy string
}

// remedyOf says what to do about a file that was not taken over.
func (s *Set) remedyOf(f *followed, err error) string {
	switch {
	case errors.Is(err, errShrunk) && s.opts.Copies == nil:
		return "Restore the file"
	case errors.Is(err, errShrunk):
		return fmt.Sprintf("If that is meant, delete what the daemon keeps of it, %s, and reload the daemon: it then begins with the file as it is. Else restore the file",
			s.opts.Copies.Where(f.CopyName()))
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
		what += fmt.Sprintf("; its %s", english.Plural(len(f.entries), "entry stays as it was", "entries stay as they were"))
	}
	f.refused = since(f.refused, Trouble{at, f.Path, what, remedy})
}

// leftOut keeps which lines of a file were left out.
func (f *followed) leftOut(at time.Time, c content) {
	what, remedy := "", ""
	switch {
	case c.wide.lines > 0:
		what = fmt.Sprintf("%s: %s wider than /%d (IPv6 /%d) and left out, the first in line %d: %q",
			f.Path, english.Plural(c.wide.lines, "entry is", "entries are"), widestV4, widestV6, c.wide.first, c.wide.text)
		remedy = "If it is meant, name its parts, or put it into never_block of the configuration"
	case c.bad.lines > 0:
		what = fmt.Sprintf("%s: %s left out, the first in line %d: %q",
			f.Path, english.Plural(c.bad.lines, "line begins with no address and is", "lines begin with no address and are"), c.bad.first, c.bad.text)
		remedy = "Put one address, network or range on each line, and # in front of comments"
	default:
		f.partial = nil
		return
	}
	f.partial = since(f.partial, Trouble{at, f.Path, what, remedy})
}

// remark keeps what is odd in a file that was taken over: nothing is left out for it, and the daemon says nothing of it. What of
// a file of mode block may not be blocked is left to whoever blocks what it lists.
func (f *followed) remark(at time.Time, c content) {
	f.odd = nil
	if c.hosts.lines > 0 {
		f.odd = append(f.odd, Trouble{at, f.Path, fmt.Sprintf("%s: %s host bits set, and all of the network is meant; the first is line %d: %q",
			f.Path, english.Plural(c.hosts.lines, "network has", "networks have"), c.hosts.first, c.hosts.text), "Write the network, or the address without a length"})
	}
	if c.private.lines > 0 && f.Mode != Block {
		f.odd = append(f.odd, Trouble{at, f.Path, fmt.Sprintf("%s: %s not public, so that nothing in there is ever blocked; the first is line %d: %q",
			f.Path, english.Plural(c.private.lines, "entry is", "entries are"), c.private.first, c.private.text), "Remove them, unless the list is somebody else's"})
	}
}

// since keeps the beginning of a trouble that goes on.
func since(before *Trouble, now Trouble) *Trouble {
	if before != nil {
		now.Since = before.Since
	}
	return &now
}

// reason is an error without the path, which stands in front of it.
func reason(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
