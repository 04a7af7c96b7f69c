package line

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"activedefense/detect"
	"activedefense/store"
)

// ReplayOptions say what to replay.
type ReplayOptions struct {
	Files    []string                // "-" is Stdin
	Stdin    io.Reader               // read to its end; to end a replay that waits for it, have it fail ([Share])
	As       string                  // the path or name of the input as which all files are read; "": each as it belongs
	Input    func(path string) Input // how the lines of a file are read; Pattern and FromEnd play no part
	Settings detect.Settings
	Guard    *detect.Guard
	Ours     *detect.Ours
	Surge    detect.Surge
	// Neighbours is how many blocked sources of one network block all of it; 0: none do.
	Neighbours int
	Country    func(netip.Addr) string               // of an address, "" if it is not known, where the log does not say; may be nil
	Blocked    []netip.Prefix                        // what is on the blacklist before: not counted
	Verdict    func(*detect.Verdict)                 // a source that would have been blocked, held or observed (StateOf), or told of (mode Notice), in order of event time
	Refused    func(*detect.Verdict, error)          // one that the guard would have spared; may be nil
	Progress   func(done, total int64, lines uint64) // about ten times a second, total 0 if it is not known; may be nil
}

// ReplaySummary says what a replay read.
type ReplaySummary struct {
	Lines, Records, Ignored, Bad, Cut uint64
	Bytes                             int64
	FirstBad                          string // where the first line that could not be parsed is, and why
	FirstIgnored                      string // where the first line of another log, or of a cut login, is, and how it begins; blank lines aside
	Sources                           int
	Evicted                           uint64
	First, Last                       time.Time // event times
}

// shownBytes is how much of a line of another log is shown: its time and type.
const shownBytes = 120

// Replay runs detection over old files by event time and writes nothing: the same flow as the daemon's, without files
// that grow and without a store. Nothing is released on the way, so each source is told once. An error names the file.
func Replay(ctx context.Context, opts ReplayOptions) (ReplaySummary, error) {
	r := &replay{opts: opts, refused: make(map[netip.Prefix]bool), waiting: make(map[netip.Prefix]store.State), told: make(map[toldOf]bool)}
	r.flow = flow{engine: detect.New(opts.Settings), guard: func() *detect.Guard { return opts.Guard }, ours: func() *detect.Ours { return opts.Ours }, surge: &opts.Surge,
		neighbours: newNeighbours(opts.Neighbours), country: opts.Country, end: r}
	r.engine.Limit(r.surge)
	r.engine.Block(opts.Blocked...)
	defer r.close()
	for i, path := range opts.Files {
		if err := r.open(path, int64(i)); err != nil {
			return r.sum, err
		}
	}
	err := r.run(ctx)
	stats := r.engine.Stats()
	r.sum.Sources, r.sum.Evicted = stats.Sources, stats.Evicted
	return r.sum, err
}

// replay is the other end of the line: verdicts are told and forgotten.
type replay struct {
	flow
	opts    ReplayOptions
	lanes   []*lane
	files   []*os.File
	sum     ReplaySummary
	total   int64 // bytes of the files as they lie on the disk; 0: not known
	endless bool  // standard input is read, of unknown length
	refused map[netip.Prefix]bool
	waiting map[netip.Prefix]store.State // what was held or observed
	told    map[toldOf]bool
}

// Stdin names standard input among the files of a replay, and stdinName is what is said of its lines.
const (
	Stdin     = "-"
	stdinName = "standard input"
)

// open prepares one file.
func (r *replay) open(path string, origin int64) error {
	if path == Stdin {
		f, err := readOldFile(r.opts.Stdin, origin)
		if err != nil {
			return fmt.Errorf("replay: %s: %w", stdinName, err)
		}
		r.endless, r.total = true, 0
		in := r.opts.Input(path)
		r.add(newLane(f, stdinName, parsersOf(&in)))
		return nil
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return fmt.Errorf("replay: %w", err)
	case info.IsDir():
		return fmt.Errorf("replay: %s is a directory; name the files in it", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	r.files = append(r.files, file)
	f, err := readOldFile(file, origin)
	if err != nil {
		return fmt.Errorf("replay: %s: %w", path, err)
	}
	if !r.endless {
		r.total += info.Size()
	}
	in := r.opts.Input(path)
	r.add(newLane(f, path, parsersOf(&in)))
	return nil
}

func (r *replay) add(l *lane) {
	l.index = len(r.lanes)
	r.lanes = append(r.lanes, l)
}

func (r *replay) close() {
	for _, f := range r.files {
		// It was read only; there is nobody to tell.
		_ = f.Close()
	}
}

func (r *replay) run(ctx context.Context) error {
	now := time.Now()
	begun := now // of all lines without a time of their own, whatever is read first
	readers := startReaders(func() time.Time { return begun })
	defer readers.close()
	r.merge = merge{readers: readers, engine: r.engine}
	shown := now
	if err := r.merge.gather(ctx, r.lanes); err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	for n := 1; ; n++ {
		if n%checkEvery == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			if now = time.Now(); r.opts.Progress != nil && now.Sub(shown) > 100*time.Millisecond {
				shown = now
				r.opts.Progress(r.sum.Bytes, r.total, r.sum.Lines)
			}
		}
		more, err := r.step(ctx, now)
		switch {
		case ctx.Err() != nil && err != nil:
			return ctx.Err()
		case err != nil:
			return fmt.Errorf("replay: %w", err)
		case !more:
			return nil
		}
	}
}

func (r *replay) taken(p *parsed) {
	r.sum.Lines++
	r.sum.Bytes += p.size
	if p.cut {
		r.sum.Cut++
	}
}

func (r *replay) unread(l *lane, p *parsed, _ time.Time) {
	r.taken(p)
	cut := errors.Is(p.err, detect.ErrCut)
	if cut || errors.Is(p.err, detect.ErrNoEvent) {
		if text := bytes.TrimSpace(l.chunk.text[p.from:p.to]); r.sum.FirstIgnored == "" && len(text) > 0 {
			r.sum.FirstIgnored = fmt.Sprintf("%s line %d: %s", l.name, l.count+1, text[:min(len(text), shownBytes)])
		}
		if cut {
			r.sum.Cut++
		} else {
			r.sum.Ignored++
		}
		return
	}
	if r.sum.Bad == 0 {
		r.sum.FirstBad = fmt.Sprintf("%s line %d: %v", l.name, l.count+1, p.err)
	}
	r.sum.Bad++
}

func (r *replay) record(_ *lane, p *parsed, _ detect.Result, _ time.Time) {
	r.taken(p)
	r.sum.Records++
	at := p.event.Time
	if r.sum.First.IsZero() || at.Before(r.sum.First) {
		r.sum.First = at
	}
	if at.After(r.sum.Last) {
		r.sum.Last = at
	}
}

func (r *replay) spare(v *detect.Verdict, why error, _ time.Time) {
	if r.opts.Refused != nil && !r.refused[v.Source] {
		r.refused[v.Source] = true
		r.opts.Refused(v, why)
	}
}

// block tells each source once, and again when it is blocked that was held or observed.
func (r *replay) block(v *detect.Verdict, _ *lane, _ time.Time) {
	state := StateOf(v)
	if known, ok := r.waiting[v.Source]; ok && state >= known {
		return
	}
	if state != store.Blocked {
		r.waiting[v.Source] = state
	}
	r.opts.Verdict(v)
}

// tell tells each source of a rule once.
func (r *replay) tell(v *detect.Verdict, _ *lane, _ time.Time) {
	one := toldOf{v.Rule, v.Source}
	if !r.told[one] {
		r.told[one] = true
		r.opts.Verdict(v)
	}
}

// toldOf is what a rule told of.
type toldOf struct {
	rule   string
	source netip.Prefix
}

// Old verdicts are what a replay is for, and activity prolongs nothing.
func (r *replay) stale(*detect.Verdict)                  {}
func (r *replay) late(*detect.Verdict, *lane, time.Time) {}
func (r *replay) current(*lane) bool                     { return false }
func (r *replay) ended(v *detect.Verdict) (time.Time, bool) {
	return completed(v).Add(v.BlockFor), false
}
func (r *replay) activity(netip.Prefix, *detect.Event) {}
