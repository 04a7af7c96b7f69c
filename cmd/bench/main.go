// Command bench measures the program on this machine: the real one, run on lines that are made for it, beside its own replay, the bare
// database drivers and, with --compare, other programs that are installed. Whatever is compared was measured in turn in one run, and what is
// printed are medians, so that they say something on a machine that does other things, too. Speeds alone say little there.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

const about = `Measures Active Defense on this machine, in five minutes with what is preset, and holds the figures against
the limits that it is built for, as far as they are for so many lines. To be run from the project's folder: go run ./cmd/bench

Exit status 0: every limit of what could be measured is kept; 1: one is not, or nothing could be measured.

`

// options say what to measure, and with how much.
type options struct {
	program  string // the command activedefense; "": it is built
	dir      string // where files may lie; "": a temporary folder
	postgres string // URL of a PostgreSQL in which databases can be made; "": none is measured
	lines    int    // of the log
	runs     int    // of which the median is taken
	scans    int    // of which a tag is waited for, idle and loaded
	load     int    // lines a second beside them
	idle     time.Duration
	within   time.Duration // there are fewer runs and scans where they would take longer; 0: there are not
	compare  bool
}

func main() {
	var o options
	flag.IntVar(&o.lines, "lines", 1_000_000, "`N` lines of log; 10000000 take half an hour and 8 GB")
	flag.IntVar(&o.runs, "runs", 5, "the medians are those of `N` runs, or of as many as there is time for")
	flag.DurationVar(&o.within, "within", 5*time.Minute, "how `LONG` it may take, without --compare, as far as one run of each takes no longer; 0: as long as it takes")
	flag.IntVar(&o.scans, "scans", 200, "the time from a line to its tag is that of `N` scans")
	flag.IntVar(&o.load, "load", 50_000, "`N` other lines a second beside them")
	flag.DurationVar(&o.idle, "idle", 12*time.Second, "how `LONG` the daemon is left alone before its room on the disk is looked at")
	flag.BoolVar(&o.compare, "compare", false, "beside mawk, fail2ban-regex and VictoriaLogs, as far as they are in PATH")
	flag.StringVar(&o.postgres, "postgres", os.Getenv("TEST_POSTGRES_URL"), "`URL` of a PostgreSQL in which databases may be made; empty: it is left out")
	flag.StringVar(&o.program, "program", "", "the activedefense `FILE`; empty: it is built")
	flag.StringVar(&o.dir, "dir", "", "`FOLDER` for what is measured, on the disk that is meant; empty: a temporary one")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), about)
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() > 0 || o.lines < leastLines || o.runs < 1 || o.scans < 1 || o.scans > mostScans || o.load < 0 || o.within < 0 {
		fmt.Fprintf(os.Stderr, "bench: give no arguments, %d lines or more, a run or more, and 1 to %d scans\n", leastLines, mostScans)
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	missed, err := run(ctx, os.Stdout, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	if err != nil || missed > 0 {
		os.Exit(1)
	}
}

// run measures and prints, and tells how many limits were missed.
func run(ctx context.Context, out io.Writer, o options) (missed int, err error) {
	dir, err := os.MkdirTemp(o.dir, "activedefense-bench-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	b := newBench(o, dir, out)
	fmt.Fprintf(out, "%s\n", machine())
	if err := b.measure(ctx); err != nil {
		return 0, err
	}
	fmt.Fprintf(out, "\n%s\n%s\n", machine(), b.log.describe())
	if len(b.short) > 0 {
		fmt.Fprintf(out, "Within %s there was time for: %s\n", b.within, strings.Join(b.short, ", "))
	}
	fmt.Fprintln(out)
	missed, err = write(out, b.rows())
	return missed, errors.Join(append(b.failed, err)...)
}
