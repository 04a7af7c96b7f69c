package line

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

const (
	// blindFor is how long nobody is found quiet because of a file that is gone, or that cannot be read and is not
	// written to any more: it may have been deleted for good, or be an old one that was rotated.
	blindFor = 24 * time.Hour
	// blindSaid is how long it must last to be logged: where files are rotated there is none for a moment.
	blindSaid = time.Minute
)

// A Lookout tells whether the inputs can be read. Where they cannot, what sources do is not seen, and nobody is known to
// be quiet.
type Lookout struct {
	inputs []Input
	stats  *Stats
	log    zerolog.Logger

	mu    sync.Mutex
	had   map[string]bool      // patterns that had a file once
	file  map[string]string    // by pattern, one that was there when last looked for
	bare  map[string]time.Time // since when a pattern that had one has none
	why   string               // what cannot be read; empty: all can
	since time.Time            // when that began
	said  bool
}

// NewLookout makes one for the inputs, which are not to be those that end.
func NewLookout(inputs []Input, stats *Stats, log zerolog.Logger) *Lookout {
	return &Lookout{inputs: inputs, stats: stats, log: log, had: make(map[string]bool), file: make(map[string]string), bare: make(map[string]time.Time)}
}

// Remember notes which inputs an earlier run has read, by the paths of its positions.
func (l *Lookout) Remember(paths []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, path := range paths {
		if pattern := l.patternOf(path); pattern != "" {
			l.had[pattern] = true
		}
	}
}

// patternOf gives the input to which a path belongs, or "".
func (l *Lookout) patternOf(path string) string {
	for _, in := range l.inputs {
		if matches(in.Pattern, path) {
			return in.Pattern
		}
	}
	return ""
}

// matches tells whether a path belongs to an input, as it does also by being the pattern.
func matches(pattern, path string) bool {
	ok, _ := filepath.Match(pattern, path)
	return ok || pattern == path
}

// look says what cannot be read now; empty: nothing.
func (l *Lookout) look(now time.Time) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	bare := l.lookForFiles(now) // first: it notes which inputs have some
	why := l.unreadable(now)
	if why == "" {
		why = bare
	}
	switch {
	case why == "" && l.said:
		l.log.Info().Msg("log files are readable again; releases resume")
		l.said = false
	case why != "" && l.why == "":
		l.since = now
	case why != "" && !l.said && now.Sub(l.since) >= blindSaid:
		l.log.Warn().Msg("releases are suspended, because activity may go unseen: " + why)
		l.said = true
	}
	l.why = why
	return why
}

// CaughtUp reports whether everything that the files hold has been read and stored for a while, and none is hidden.
func (l *Lookout) CaughtUp(now time.Time) bool {
	hidden := l.look(now) != ""
	return l.stats.ends.settled(now) && !hidden
}

// Last gives what look said last, and since when it is so.
func (l *Lookout) Last() (why string, since time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.why, l.since
}

// lookForFiles says which input has no log file is left. An empty folder may be one that is not mounted.
func (l *Lookout) lookForFiles(now time.Time) (why string) {
	for _, in := range l.inputs {
		switch {
		case l.anyFile(in.Pattern):
			l.had[in.Pattern] = true
			delete(l.bare, in.Pattern)
			continue
		case !l.had[in.Pattern]:
			continue
		case l.bare[in.Pattern].IsZero():
			l.bare[in.Pattern] = now
		}
		if now.Sub(l.bare[in.Pattern]) < blindFor {
			why = "no log file is left at " + in.Pattern
		}
	}
	return why
}

// anyFile tells whether a pattern matches a file. As long as one that did is there, no other is looked for: there may be thousands.
func (l *Lookout) anyFile(pattern string) bool {
	if known := l.file[pattern]; known != "" {
		if _, err := os.Lstat(known); err == nil {
			return true
		}
	}
	files, _ := filepath.Glob(pattern) // the pattern was validated, and it reports nothing else
	if len(files) == 0 {
		delete(l.file, pattern)
		return false
	}
	l.file[pattern] = files[0]
	return true
}

// unreadable says which file is there and cannot be read, or which folder.
func (l *Lookout) unreadable(now time.Time) string {
	for _, t := range l.stats.troubles() {
		if l.unseen(t.path, t.err, t.since, now) {
			return fmt.Sprintf("%s: %s", t.path, t.err)
		}
	}
	return ""
}

// unseen tells whether trouble with a path, since then, may hide what is going on now.
func (l *Lookout) unseen(path string, err error, since, now time.Time) bool {
	at := path
	if of, ok := errors.AsType[*fs.PathError](err); ok {
		at = of.Path // may be one of its rotated files, or its folder
	}
	info, err := os.Stat(at)
	switch {
	case err == nil && info.IsDir():
		return true // nobody knows what is in it
	case err == nil:
		if written := info.ModTime(); written.After(since) && !written.After(now) {
			since = written
		}
		return now.Sub(since) < blindFor
	case !errors.Is(err, fs.ErrNotExist):
		return true
	case !l.had[l.patternOf(path)]:
		return false // there was never anything to see
	}
	_, err = os.Stat(filepath.Dir(path))
	return err != nil || now.Sub(since) < blindFor
}
