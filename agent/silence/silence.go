// Package silence says which inputs have had no line for too long, from when each of their files had its last one. It looks at no file,
// and has no clock.
package silence

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Input is one entry of the configuration.
type Input struct {
	Name    string // what it is called; empty: Pattern
	Pattern string
	After   time.Duration // without a line for that to be told; 0: never
	Since   time.Time     // no line can have been seen before
	Heard   time.Time     // the last line of an earlier run; zero: none is known
}

// File is a path that is, or was lately, read for an input.
type File struct {
	Path    string
	Series  string    // what Series gives for Path
	Last    time.Time // when it was last written to, as far as lines came of that; zero: not known yet
	Missing bool      // it is not there
	Blind   bool      // more is there than was read, or it cannot be read: whether it is silent is not known
}

// Status is how an input does.
type Status struct {
	Pattern string    `json:"pattern"`            // or the name of an input that has one
	Last    time.Time `json:"last_line,omitzero"` // of any of its files; zero: there was none ever
	Files   int       `json:"files"`              // that Status is about: of several that differ in their date alone the one with the last line counts
	// Since is when the input fell silent as a whole, by its last line or else Input.Since; zero: it is not, or not known to be.
	Since  time.Time `json:"silent_since,omitzero"`
	Silent []Quiet   `json:"silent,omitempty"` // those of the files that are, the one that has been for longest first
	// Spared is how many files are silent beside those, and expected to be.
	Spared int `json:"silent_expected,omitempty"`
}

// Spare takes out of what inputs say the silence of files that are expected to be silent, by the names that Name gives.
func Spare(inputs []Status, expected func(name string) bool) {
	for i := range inputs {
		s := &inputs[i]
		silent := slices.DeleteFunc(slices.Clone(s.Silent), func(q Quiet) bool { return expected(Name(q.Path)) })
		s.Silent, s.Spared = silent, len(s.Silent)-len(silent)
		if s.Spared > 0 && len(silent) == 0 {
			s.Since = time.Time{}
		}
	}
}

// Name is what the file of a firewall is called, without its folder, a date and .log.
func Name(path string) string {
	name := Series(path)
	return strings.TrimSuffix(name[strings.LastIndexByte(name, '/')+1:], ".log")
}

// Quiet is a file that has had no line for too long.
type Quiet struct {
	Path  string    `json:"path"`
	Since time.Time `json:"since"`
}

// Of gives how an input does, by its files.
func Of(in Input, files []File, now time.Time) Status {
	s := Status{Pattern: cmp.Or(in.Name, in.Pattern), Last: in.Heard}
	newest := make(map[string]int, len(files)) // by series
	blind, missing := false, 0
	for i := range files {
		f := &files[i]
		if f.Last.After(s.Last) {
			s.Last = f.Last
		}
		blind = blind || f.Blind
		if before, is := newest[f.Series]; !is || files[before].Last.Before(f.Last) {
			newest[f.Series] = i
		}
	}
	s.Files = len(newest)
	if in.After == 0 {
		return s
	}
	for _, i := range newest {
		f := &files[i]
		if f.Missing && f.Last.IsZero() {
			missing++ // and was never
		}
		if !f.Blind && !f.Last.IsZero() && now.Sub(f.Last) >= in.After {
			s.Silent = append(s.Silent, Quiet{f.Path, f.Last})
		}
	}
	slices.SortFunc(s.Silent, func(a, b Quiet) int {
		if c := a.Since.Compare(b.Since); c != 0 {
			return c
		}
		if a.Path < b.Path {
			return -1
		}
		return 1
	})
	last := s.Last
	if last.IsZero() {
		last = in.Since
	}
	if !blind && len(s.Silent)+missing == s.Files && now.Sub(last) >= in.After {
		s.Since = last
	}
	return s
}

var (
	// dated is a date in a path, with what sets it off: a file of a new name each day is no new firewall. A longer number is none, for
	// it may be a firewall's serial.
	dated = regexp.MustCompile(`(^|[^0-9])20[2-9]\d[-_.]?(0[1-9]|1[0-2])[-_.]?([0-2]\d|3[01])([-_.T]?[0-2]\d([-_.]?[0-5]\d){0,2})?($|[^0-9])`)
	// packed and numbered are what a rotation appends.
	packed   = regexp.MustCompile(`\.(gz|xz|zst|bz2)$`)
	numbered = regexp.MustCompile(`(\.[A-Za-z]+)\.\d+$`)
	loose    = regexp.MustCompile(`[-_.]+(\.|/|$)`)
)

// Series is what paths have in common that a rotation makes of one.
func Series(path string) string {
	path = numbered.ReplaceAllString(packed.ReplaceAllString(path, ""), "$1")
	return loose.ReplaceAllString(dated.ReplaceAllString(path, "$1$6"), "$1")
}
