package agent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"activedefense/config"
	"activedefense/detect"
	"activedefense/detect/panos"
)

// ReplayOptions say what to replay.
type ReplayOptions struct {
	Files    []string
	Verdict  func(*detect.Verdict)                 // a source that would have been blocked, in order of event time
	Refused  func(*detect.Verdict, error)          // one that the guard would have spared; may be nil
	Progress func(done, total int64, lines uint64) // about ten times a second; may be nil
}

// ReplaySummary says what a replay read.
type ReplaySummary struct {
	Lines, Records, Ignored, Bad, Cut uint64
	Bytes                             int64
	FirstBad                          string // where the first line that could not be parsed is, and why
	Sources                           int
	Evicted                           uint64
	First, Last                       time.Time // event times
}

// Replay runs detection over old files by event time and writes nothing: the same parser, merge, rules
// and guard as the daemon's, without files that grow and without a store. Nothing is released on the
// way, so each source is told once.
func Replay(ctx context.Context, cfg *config.Config, opts ReplayOptions) (ReplaySummary, error) {
	r := &replay{engine: detect.New(Settings(cfg)), guard: NewGuard(ctx, cfg), opts: opts, refused: make(map[netip.Prefix]bool)}
	ctx, cancel := context.WithCancel(ctx)
	defer r.close(cancel)
	for _, path := range opts.Files {
		if err := r.open(cfg, path); err != nil {
			return r.sum, err
		}
	}
	err := r.run(ctx)
	stats := r.engine.Stats()
	r.sum.Sources, r.sum.Evicted = stats.Sources, stats.Evicted
	return r.sum, err
}

type replay struct {
	engine  *detect.Engine
	guard   *detect.Guard
	opts    ReplayOptions
	files   []*replayFile
	sum     ReplaySummary
	total   int64
	refused map[netip.Prefix]bool
}

// open prepares one file. Its format and zone are those of the input whose pattern it matches, else
// those of the first input.
func (r *replay) open(cfg *config.Config, path string) error {
	in := inputFor(cfg, path)
	format, err := panos.ParseFormat(in.Format)
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	if info, err := f.Stat(); err == nil {
		if info.IsDir() {
			f.Close()
			return fmt.Errorf("replay: %s is a folder; name the files in it", path)
		}
		r.total += info.Size()
	}
	plain, err := decompress(f)
	if err != nil {
		f.Close()
		return fmt.Errorf("replay: %s: %w", path, err)
	}
	r.files = append(r.files, newReplayFile(path, f, plain, panos.Options{Format: format, Location: in.Location}))
	return nil
}

// close ends the readers before their files are closed.
func (r *replay) close(cancel context.CancelFunc) {
	cancel()
	for _, f := range r.files {
		f.running.Wait()
		f.file.Close()
	}
}

func (r *replay) run(ctx context.Context) error {
	now := time.Now()
	for _, f := range r.files {
		f.start(ctx, now)
	}
	shown := now
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
		f, err := r.next()
		if err != nil || f == nil {
			return err
		}
		r.line(f)
	}
}

// next is the file whose next line is the earliest by event time.
func (r *replay) next() (*replayFile, error) {
	var first *replayFile
	for _, f := range r.files {
		if f.line == nil && !f.ended {
			if err := f.fill(r.engine); err != nil {
				return nil, fmt.Errorf("replay: %s: %w", f.path, err)
			}
		}
		if f.line != nil && (first == nil || f.line.event.Time.Before(first.line.event.Time)) {
			first = f
		}
	}
	return first, nil
}

func (r *replay) line(f *replayFile) {
	l := f.line
	f.line = nil
	f.number++
	r.sum.Lines++
	r.sum.Bytes += l.size
	if l.cut {
		r.sum.Cut++
	}
	switch {
	case errors.Is(l.err, panos.ErrIgnored):
		r.sum.Ignored++
		return
	case l.err != nil:
		if r.sum.Bad == 0 {
			r.sum.FirstBad = fmt.Sprintf("%s line %d: %v", f.path, f.number, l.err)
		}
		r.sum.Bad++
		return
	}
	r.sum.Records++
	f.last = l.event.Time
	if r.sum.First.IsZero() || f.last.Before(r.sum.First) {
		r.sum.First = f.last
	}
	if f.last.After(r.sum.Last) {
		r.sum.Last = f.last
	}
	if result := r.engine.Observe(l.event); result.Outcome == detect.Fired {
		r.judge(result.Verdict)
	}
}

func (r *replay) judge(v *detect.Verdict) {
	if err := r.guard.Check(v.Source); err != nil {
		if r.opts.Refused != nil && !r.refused[v.Source] {
			r.refused[v.Source] = true
			r.opts.Refused(v, err)
		}
		return
	}
	r.engine.Block(v.Source)
	r.opts.Verdict(v)
}
