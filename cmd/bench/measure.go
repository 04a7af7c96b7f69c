package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"activedefense/detect"
	"activedefense/detect/panos"
)

// A bench measures one thing after the other and keeps what it found.
type bench struct {
	options
	dir     string
	out     io.Writer
	log     dataset
	file    string // with the lines
	some    string // with a tenth as many
	samples map[string][]float64
	reasons map[string]string // why something was not measured, or not as often as it should
	failed  []error           // what went wrong where it should not
	began   time.Time         // when the first part did
	short   []string          // of what there were fewer than was asked for
}

func newBench(o options, dir string, out io.Writer) *bench {
	return &bench{options: o, dir: dir, out: out, log: dataset{lines: o.lines, end: time.Now().UTC()}, samples: map[string][]float64{}, reasons: map[string]string{}}
}

func (b *bench) note(what string, value float64) { b.samples[what] = append(b.samples[what], value) }

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.out, "%s  %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

// machine says on what it is measured, and how busy that is.
func machine() string {
	model := "an unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	load := "not known"
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		load = strings.Join(strings.Fields(string(text))[:3], " ")
	}
	return fmt.Sprintf("%d cores, %s, %s; load average %s at %s", runtime.NumCPU(), model, runtime.Version(), load, time.Now().Format(time.DateTime))
}

// measure does everything that can be measured here. What some rows need and is not there is a reason, and what goes wrong with them is
// kept; an error ends it all.
func (b *bench) measure(ctx context.Context) error {
	if b.program == "" {
		b.say("building the program")
		b.program = filepath.Join(b.dir, "activedefense")
		build := exec.CommandContext(ctx, "go", "build", "-o", b.program, "activedefense/cmd/activedefense")
		if said, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build cmd/activedefense, from the project's folder: %w: %s", err, lastOf(string(said)))
		}
	}
	b.began = time.Now()
	b.file, b.some = filepath.Join(b.dir, "all.log"), filepath.Join(b.dir, "some.log")
	b.say("writing %d lines", b.lines)
	if err := b.log.write(b.file); err != nil {
		return err
	}
	tenth := b.log
	tenth.lines /= 10
	if err := tenth.write(b.some); err != nil {
		return err
	}
	last, err := b.speeds(ctx)
	if err != nil {
		return err
	}
	b.part(ctx, "kept", "room on the disk, searches and starts", func(ctx context.Context) error { return b.kept(ctx, last) })
	b.part(ctx, "both", "memory, catching up and searching at once", b.both)
	b.part(ctx, "tag", "from a line to its tag", b.lineToTag)
	b.part(ctx, "postgres", "PostgreSQL", b.postgresql)
	b.peers(ctx)
	return ctx.Err()
}

// part measures something that the others can do without.
func (b *bench) part(ctx context.Context, name, what string, do func(context.Context) error) {
	if ctx.Err() != nil {
		return
	}
	b.say("%s", what)
	if err := do(ctx); err != nil {
		b.reasons[name] = err.Error()
		b.failed = append(b.failed, fmt.Errorf("%s: %w", what, err))
	}
}

// The parts of options.within by which they are to have ended, one after the other.
const (
	speedsUntil    = 0.45
	keptUntil      = 0.6
	idleUntil      = 0.75
	loadedUntil    = 0.85
	postgresUntil  = 1.0
	eachPeerLonger = 0.3
)

// inTime tells whether another round, that takes as long as one that began then, is over by that part of the time.
func (b *bench) inTime(until float64, began time.Time) bool {
	now := time.Now()
	return b.within == 0 || now.Sub(b.began)+now.Sub(began) <= time.Duration(until*float64(b.within))
}

// rounds does something as often as was asked for, or once at least and as often as there is time for.
func (b *bench) rounds(what string, n int, until float64, do func(round int) error) error {
	for i := range n {
		began := time.Now()
		if err := do(i); err != nil {
			return err
		}
		if i+1 < n && !b.inTime(until, began) {
			b.short = append(b.short, fmt.Sprintf("%s %d of %d", what, i+1, n))
			return nil
		}
	}
	return nil
}

// speeds are measured in rounds, one after the other in each. It gives the home of the last daemon, with all records.
func (b *bench) speeds(ctx context.Context) (last *home, err error) {
	err = b.rounds("rounds of speeds", b.runs, speedsUntil, func(i int) error {
		b.say("round %d of %d: replay, parsing alone, run, the bare driver", i+1, b.runs)
		if err := b.replay(ctx); err != nil {
			return err
		}
		began := time.Now()
		if err := parseAlone(b.file); err != nil {
			return err
		}
		b.note("parse", float64(b.lines)/time.Since(began).Seconds())
		if last != nil {
			if err := os.RemoveAll(last.dir); err != nil {
				return err
			}
		}
		few, err := b.catchUp(ctx, "", b.some, b.lines/10, "few")
		if err != nil {
			return err
		}
		if err := os.RemoveAll(few.dir); err != nil {
			return err
		}
		if last, err = b.catchUp(ctx, "", b.file, b.lines, "run"); err != nil {
			return err
		}
		return b.bareSQLite(ctx)
	})
	return last, err
}

// replay runs it over all lines.
func (b *bench) replay(ctx context.Context) error {
	h, err := b.newHome("", nil)
	if err != nil {
		return err
	}
	took, err := timed(exec.CommandContext(ctx, b.program, "--config", h.config, "replay", "--summary", b.file))
	b.note("replay", float64(b.lines)/took)
	return err
}

// timed runs a program and gives how many seconds it took.
func timed(cmd *exec.Cmd) (float64, error) {
	var said strings.Builder
	cmd.Stderr = &said
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return math.NaN(), fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, lastOf(said.String()))
	}
	return time.Since(began).Seconds(), nil
}

// parseAlone reads a file on all cores, and does nothing else with its lines than parse them.
func parseAlone(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	var group errgroup.Group
	cores := int64(runtime.NumCPU())
	for i := range cores {
		group.Go(func() error {
			from, to := info.Size()*i/cores, info.Size()*(i+1)/cores
			return parsePart(f, from, to)
		})
	}
	return group.Wait()
}

// parsePart parses the lines that begin from one offset on and before another one.
func parsePart(f io.ReaderAt, from, to int64) error {
	lines := newLines(f, from)
	parser := panos.New(panos.Options{Location: time.UTC})
	var ev detect.Event
	at := time.Now()
	for lines.at < to {
		line, err := lines.next()
		if err != nil {
			return err
		}
		if err := parser.Parse(line, at, &ev); err != nil {
			return fmt.Errorf("%q: %w", line, err)
		}
	}
	return nil
}

// catchUp has a daemon that is ready read a file that is put where it looks, and keep all records. The clock runs from the moment when the
// file is there to that when the last record is committed. It gives the home, whose daemon has ended.
func (b *bench) catchUp(ctx context.Context, store, file string, lines int, what string) (*home, error) {
	h, err := b.newHome(store, nil)
	if err != nil {
		return nil, err
	}
	d, err := h.start()
	if err != nil {
		return nil, err
	}
	defer d.kill()
	if err := d.ready(ctx); err != nil {
		return nil, err
	}
	before, err := d.processorTime()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := os.Link(file, h.logFile()); err != nil {
		return nil, err
	}
	if err := d.until(ctx, "all records are stored", patience+time.Duration(lines)*time.Millisecond/5, func() bool { return d.stored(ctx) == lines }); err != nil {
		return nil, err
	}
	b.note(what, float64(lines)/time.Since(began).Seconds())
	after, err := d.processorTime()
	if err != nil {
		return nil, err
	}
	b.note(what+" cpu", (after-before)/float64(lines))
	return h, d.stop()
}

// kept looks at what a daemon has kept: the room that it takes when it has had time, what searches take, and a start.
func (b *bench) kept(ctx context.Context, h *home) error {
	d, err := h.start()
	if err != nil {
		return err
	}
	defer d.kill()
	if err := d.ready(ctx); err != nil {
		return err
	}
	select {
	case <-time.After(b.idle):
	case <-ctx.Done():
		return ctx.Err()
	}
	b.note("bytes", onDisk(filepath.Join(h.dir, "state"))/float64(b.lines))
	if err := b.searches(ctx, d); err != nil {
		return err
	}
	if err := d.stop(); err != nil {
		return err
	}
	return b.rounds("starts", b.runs, keptUntil, func(int) error { return b.restart(ctx, h) })
}

// restart measures from the start of the program to its list being served and its inputs being read.
func (b *bench) restart(ctx context.Context, h *home) error {
	d, err := h.start()
	if err != nil {
		return err
	}
	defer d.kill()
	list := "https://" + h.list + "/files/blacklist.txt"
	if err := d.until(ctx, "the list is served", patience, func() bool { return answers(ctx, list) }); err != nil {
		return err
	}
	b.note("list", time.Since(d.begun).Seconds())
	if err := d.ready(ctx); err != nil {
		return err
	}
	b.note("reading", time.Since(d.begun).Seconds())
	return d.stop()
}

// both has a daemon catch up while it is searched all the time.
func (b *bench) both(ctx context.Context) error {
	h, err := b.newHome("", nil)
	if err != nil {
		return err
	}
	d, err := h.start()
	if err != nil {
		return err
	}
	defer d.kill()
	if err := d.ready(ctx); err != nil {
		return err
	}
	if err := os.Link(b.file, h.logFile()); err != nil {
		return err
	}
	searching, stop := context.WithCancel(ctx)
	var group errgroup.Group
	group.Go(func() error {
		for i := 0; searching.Err() == nil; i++ {
			if _, err := d.search(searching, rareFields[i%len(rareFields)], false); err != nil && searching.Err() == nil {
				return err
			}
		}
		return nil
	})
	err = d.until(ctx, "all records are stored", patience+time.Duration(b.lines)*time.Millisecond, func() bool { return d.stored(ctx) == b.lines })
	stop()
	if searched := group.Wait(); err == nil {
		err = searched
	}
	if err != nil {
		return err
	}
	most, err := d.peakMemory()
	if err != nil {
		return err
	}
	b.note("memory", most)
	if err := d.stop(); err != nil {
		return err
	}
	return os.RemoveAll(h.dir)
}

// inWindow is how many records a start reads again: those of the ten minutes before the last line.
func (b *bench) inWindow() string { return strconv.Itoa(min(b.lines, perSecond*600)) }
