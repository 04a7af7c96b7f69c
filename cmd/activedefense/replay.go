package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"activedefense/agent"
	"activedefense/agent/compare"
	"activedefense/agent/display"
	"activedefense/agent/line"
	"activedefense/agent/output"
	"activedefense/config"
	"activedefense/detect"
)

// replayCommand is `replay`.
type replayCommand struct {
	*app
	summary bool
	input   string // the path or URL of the input as which all files are read; "": each as it belongs
	compare string // the other configuration; "": none
	begun   time.Time
	printed error // of printing a verdict at once, the last one
}

func newReplayCommand(a *app) *cobra.Command {
	r := &replayCommand{app: a}
	c := &cobra.Command{
		Use:   "replay FILE...",
		Short: "Run detection over log files: who would have been blocked, and why",
		Long: `Runs the rules of the configuration over log files, by event time, and writes nothing: who would have
been blocked, held or observed, or told of by a rule of mode notice, and why. What label files of mode block list is blocked before, and not among them. Several files are combined in order of time; gzip is read too; - is standard input.
A file is read as the input whose path it matches, also after rotation (auth.log.1, auth.log.2.gz), and one that matches none, as standard input, as the first input of the firewalls' logs, where
there is none as the first; --input names another one.

With --compare, both configurations run over the same lines, and the result is whom only one of them would block.`,
		Args: atLeastOne("a log file, or - for standard input"),
		RunE: func(c *cobra.Command, files []string) error { return r.replay(c.Context(), files) },
	}
	c.Flags().BoolVar(&r.summary, "summary", false, "how many sources by rule, grade, country and hour, instead of each")
	c.Flags().StringVar(&r.input, "input", "", "read all files as those of the input with this `PATH` or URL, or of the file there")
	c.Flags().StringVar(&r.compare, "compare", "", "another configuration `FILE`: whom only one of the two would block")
	return c
}

// A replayed configuration, and what it has found.
type replayed struct {
	cfg     *config.Config
	sum     line.ReplaySummary
	listed  []netip.Prefix    // what label files block, whatever the lines
	found   []*detect.Verdict // in the order of event time; one that was held or observed may be there again as blocked
	refused []spared          // sources that may not be blocked, the first of them
	spared  int               // how many these are
}

// spared is a source that may not be blocked, and why.
type spared struct {
	verdict *detect.Verdict
	why     error
}

// maxSpared is how many of the sources that may not be blocked are named: the result is who would have been.
const maxSpared = 20

func (r *replayCommand) replay(ctx context.Context, files []string) error {
	if n := slices.Index(files, line.Stdin); n >= 0 && slices.Contains(files[n+1:], line.Stdin) {
		return usageErrorf("standard input (-) can be read only once")
	}
	cfg, err := r.load()
	if err != nil {
		return err
	}
	r.begun = time.Now()
	if r.compare != "" {
		return r.replayTwo(ctx, cfg, files)
	}
	ctx, stop := context.WithCancel(ctx) // ends the sharing of standard input
	defer stop()
	run := &replayed{cfg: cfg}
	take := run.take
	if r.json && !r.summary {
		take = r.printVerdict
	}
	err = r.run(ctx, run, line.ReplayOptions{Files: files, Stdin: r.shared(ctx, files, 1)[0], Verdict: take}, true)
	if err != nil {
		return err
	}
	if r.printed != nil {
		return r.printed
	}
	if r.summary {
		err = r.writeGroups(compare.Groups(compare.Final(run.found)), "")
	} else {
		err = output.Verdicts(r.stdout, run.found)
	}
	if err != nil {
		return err
	}
	r.writeSpared(run)
	r.writeSummary(run, time.Since(r.begun))
	return r.readable(run.sum)
}

// shared gives standard input to so many runs. It is not touched where it is none of the files.
func (r *replayCommand) shared(ctx context.Context, files []string, runs int) []io.Reader {
	if !slices.Contains(files, line.Stdin) {
		return make([]io.Reader, runs)
	}
	return line.Share(ctx, r.stdin, runs)
}

// run replays one configuration.
func (r *replayCommand) run(ctx context.Context, run *replayed, opts line.ReplayOptions, show bool) (err error) {
	if r.input != "" {
		if opts.As, err = inputName(r.input); err != nil {
			return err
		}
		if _, ok := run.cfg.InputOf(opts.As); !ok {
			return usageErrorf("%s belongs to no input of the configuration; name the path or URL of one with --input", opts.As)
		}
	}
	known := r.known(ctx, run.cfg)
	run.listed = agent.Listed(ctx, run.cfg, known.Guard)
	opts.Refused, opts.Guard, opts.Ours, opts.Blocked = run.spare, known.Guard, known.Ours, run.listed
	if show && isTerminal(r.stderr) {
		opts.Progress = r.progress
		defer fmt.Fprint(unguarded(r.stderr), "\r\x1b[K")
	}
	run.sum, err = agent.Replay(ctx, run.cfg, opts)
	return err
}

// readable fails where no line could be read.
func (r *replayCommand) readable(sum line.ReplaySummary) error {
	if sum.Lines > 0 && sum.Records == 0 && sum.Bad == 0 { // nothing is wrong with them
		fmt.Fprintln(r.stderr, "no TRAFFIC or THREAT record was found, no login, and nothing that a pattern takes (--input PATH reads it as that input); there are other records, the first is", display.Harmless(cmp.Or(sum.FirstIgnored, "blank")))
		return nil
	}
	if sum.Lines > 0 && sum.Records == 0 {
		return fmt.Errorf("no line could be parsed as a TRAFFIC or THREAT record or a login; the first error: %s", sum.FirstBad)
	}
	return nil
}

// take keeps a source that would have been blocked, held or observed.
func (run *replayed) take(v *detect.Verdict) { run.found = append(run.found, v) }

// spare keeps a source that may not be blocked, and why.
func (run *replayed) spare(v *detect.Verdict, why error) {
	if run.spared++; run.spared <= maxSpared {
		run.refused = append(run.refused, spared{v, why})
	}
}

// replayJSON is the contract of `replay --json`.
type replayJSON struct {
	Address   string    `json:"address"`
	Rule      string    `json:"rule"`
	Reason    string    `json:"reason"`
	Time      time.Time `json:"time"`
	FirstSeen time.Time `json:"first_seen"`
	Hits      int       `json:"hits"`
	Grade     string    `json:"grade"`
	State     string    `json:"state"`
	Only      string    `json:"only,omitempty"` // with --compare: this or other
}

func replayJSONOf(v *detect.Verdict, only string) replayJSON {
	return replayJSON{detect.AddressText(v.Source), v.Rule, v.Reason, v.Time, v.FirstSeen, v.Hits, v.Grade.String(), line.StateText(v), only}
}

// printVerdict prints a source as soon as it is found.
func (r *replayCommand) printVerdict(v *detect.Verdict) {
	if err := r.printJSON(replayJSONOf(v, "")); err != nil {
		r.printed = err
	}
}

// writeSpared names some of those that may not be blocked, on standard error.
func (r *replayCommand) writeSpared(run *replayed) {
	t := display.NewTable(r.stderr)
	for _, s := range run.refused {
		t.Row("not blocked:", detect.AddressText(s.verdict.Source), s.verdict.Reason, s.why)
	}
	if more := run.spared - len(run.refused); more > 0 {
		t.Line("and %s more that may not be blocked", grouped(more))
	}
	// That standard error cannot be written has nobody to be told.
	_ = t.Flush()
}

// writeSummary goes to standard error, beside the result.
func (r *replayCommand) writeSummary(run *replayed, took time.Duration) {
	if r.json {
		return
	}
	sum := run.sum
	fmt.Fprintf(r.stderr, "%s in %.1f s (%s lines/s): %s, %s of other types, %s that could not be parsed; %s\n",
		plural(sum.Lines, "line"), took.Seconds(), grouped(int64(float64(sum.Lines)/max(took.Seconds(), 1e-6))),
		plural(sum.Records, "record"), grouped(sum.Ignored), grouped(sum.Bad), output.Outcome(compare.Final(run.found)))
	if !sum.First.IsZero() {
		fmt.Fprintf(r.stderr, "from %s to %s\n", display.LocalTime(sum.First), display.LocalTime(sum.Last))
	}
	if sum.Cut > 0 {
		fmt.Fprintf(r.stderr, "%s cut off: longer than 64 KiB, or failed logins without the client, whose text the firewall cut, or threats that a relay may have cut\n", plural(sum.Cut, "line"))
	}
	if n := len(run.listed); n > 0 {
		fmt.Fprintf(r.stderr, "blocked before, and not counted, is what label files list: %s\n", plural(n, "entry"))
	}
	if sum.FirstBad != "" {
		fmt.Fprintln(r.stderr, "the first line that could not be parsed:", sum.FirstBad)
	}
	r.writeEvicted(r.stderr, sum, "")
}

// writeEvicted says that memory did not suffice; named is " of FILE" for one of several configurations.
func (r *replayCommand) writeEvicted(w io.Writer, sum line.ReplaySummary, named string) {
	if sum.Evicted > 0 {
		fmt.Fprintf(w, "evicted because of detect.max_sources%s: %s; the result may be incomplete\n", named, plural(sum.Evicted, "source"))
	}
}

// progress draws one line at a terminal.
func (r *replayCommand) progress(done, total int64, lines uint64) {
	if total == 0 {
		fmt.Fprintf(unguarded(r.stderr), "\r\x1b[K%s", plural(lines, "line"))
		return
	}
	const width = 30
	share := min(float64(done)/float64(total), 1) // of a compressed file, the plain size is not known
	filled := int(share * width)
	left := ""
	if passed := time.Since(r.begun); share > 0.02 && share < 1 {
		left = ", " + span(time.Duration(float64(passed)/share-float64(passed))) + " left"
	}
	fmt.Fprintf(unguarded(r.stderr), "\r\x1b[K[%s%s] %3.0f%%  %s%s", strings.Repeat("=", filled), strings.Repeat(" ", width-filled),
		share*100, plural(lines, "line"), left)
}

// replayTwo runs both configurations over the same lines, side by side, each as it would run alone.
func (r *replayCommand) replayTwo(ctx context.Context, cfg *config.Config, files []string) error {
	if err := onlyOnce(files); err != nil {
		return err
	}
	other := *r.app
	other.configPath = r.compare
	otherCfg, err := other.load()
	if err != nil {
		return err
	}
	runs := []*replayed{{cfg: cfg}, {cfg: otherCfg}}
	group, both := errgroup.WithContext(ctx)
	shared := r.shared(both, files, len(runs))
	for i, run := range runs {
		first := i == 0 // it alone shows how far they are
		group.Go(func() error {
			return r.run(both, run, line.ReplayOptions{Files: files, Stdin: shared[i], Verdict: run.take}, first)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return r.writeComparison(runs[0], runs[1])
}

// onlyOnce refuses a file that cannot be read twice, such as a pipe: each run would get a part of it.
func onlyOnce(files []string) error {
	for _, path := range files {
		if info, err := os.Stat(path); path != line.Stdin && err == nil && !info.Mode().IsRegular() && !info.IsDir() {
			return usageErrorf("%s is no regular file and cannot be read twice; with --compare, give it as standard input (-)", path)
		}
	}
	return nil
}

func (r *replayCommand) writeComparison(this, other *replayed) error {
	found := append(compare.Differences(this.found, other.found, compare.This, other.listed...), compare.Differences(other.found, this.found, compare.Other, this.listed...)...)
	slices.SortStableFunc(found, func(a, b compare.Different) int { return a.Time.Compare(b.Time) })
	var err error
	switch {
	case r.summary:
		err = r.writeGroupsOfBoth(found)
	case r.json:
		for _, d := range found {
			if err = r.printJSON(replayJSONOf(d.Verdict, d.Only)); err != nil {
				return err
			}
		}
	case len(found) == 0:
		fmt.Fprintln(r.stderr, "both configurations would block the same sources")
	default:
		err = output.Differences(r.stdout, found)
	}
	if err != nil {
		return err
	}
	if !r.json {
		for i, run := range []*replayed{this, other} {
			named := " of " + r.nameOf(run == this)
			fmt.Fprintf(r.stderr, "%s, with %s: %s; %s may not be blocked\n", []string{compare.This, compare.Other}[i], r.nameOf(run == this), output.Outcome(compare.Final(run.found)), grouped(run.spared))
			r.writeEvicted(r.stderr, run.sum, named)
		}
		sum := this.sum
		fmt.Fprintf(r.stderr, "%s in %.1f s: %s, %s of other types, %s that could not be parsed\n",
			plural(sum.Lines, "line"), time.Since(r.begun).Seconds(), plural(sum.Records, "record"), grouped(sum.Ignored), grouped(sum.Bad))
	}
	return r.readable(this.sum)
}

// nameOf names a configuration for people.
func (r *replayCommand) nameOf(this bool) string {
	switch {
	case !this:
		return r.compare
	case r.path() == "":
		return "the built-in defaults"
	}
	return r.path()
}

// writeGroupsOfBoth prints a summary of what only one configuration would block, and then of the other.
func (r *replayCommand) writeGroupsOfBoth(found []compare.Different) error {
	for _, only := range []string{compare.This, compare.Other} {
		var verdicts []*detect.Verdict
		for _, d := range found {
			if d.Only == only {
				verdicts = append(verdicts, d.Verdict)
			}
		}
		if !r.json {
			fmt.Fprintf(r.stdout, "Blocked only with %s: %s\n", r.nameOf(only == compare.This), grouped(len(verdicts)))
		}
		if err := r.writeGroups(compare.Groups(verdicts), only); err != nil {
			return err
		}
		if !r.json {
			fmt.Fprintln(r.stdout)
		}
	}
	return nil
}

// writeGroups prints the summary. only says which of two configurations it is of; "" where there is one.
func (r *replayCommand) writeGroups(all []compare.Group, only string) error {
	if r.json {
		for _, g := range all {
			g.Only = only
			if err := r.printJSON(g); err != nil {
				return err
			}
		}
		return nil
	}
	leftOut, err := output.Groups(r.stdout, all)
	if leftOut > 0 {
		fmt.Fprintf(r.stderr, "not shown: %s more, which --json has\n", plural(leftOut, "country"))
	}
	return err
}
