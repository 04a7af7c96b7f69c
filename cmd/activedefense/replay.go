package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"activedefense/agent"
	"activedefense/agent/line"
	"activedefense/detect"
)

func (a *app) replayCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "replay FILE...",
		Short: "Run detection over log files: who would have been blocked, and why",
		Long: `Runs the rules of the configuration over log files, by event time, and writes nothing: who would have
been blocked, and why. Several files are combined in order of time; gzip is read too.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, files []string) error { return a.replay(c.Context(), files) },
	}
}

// maxSpared is how many of the sources that may not be blocked are named: the result is who would have been.
const maxSpared = 20

// replayJSON is the contract of `replay --json`.
type replayJSON struct {
	Address   string    `json:"address"`
	Rule      string    `json:"rule"`
	Reason    string    `json:"reason"`
	Time      time.Time `json:"time"`
	FirstSeen time.Time `json:"first_seen"`
	Hits      int       `json:"hits"`
}

func (a *app) replay(ctx context.Context, files []string) error {
	cfg, _, err := a.load()
	if err != nil {
		return err
	}
	var found []*detect.Verdict
	begun := time.Now()
	opts := line.ReplayOptions{Files: files}
	var failed error
	opts.Verdict = func(v *detect.Verdict) {
		if !a.json {
			found = append(found, v)
			return
		}
		if err := a.printJSON(replayJSON{detect.AddressText(v.Source), v.Rule, v.Reason, v.Time, v.FirstSeen, v.Hits}); err != nil {
			failed = err
		}
	}
	refused, spared := agent.NewTable(a.stderr), 0
	opts.Refused = func(v *detect.Verdict, err error) {
		if spared++; spared <= maxSpared {
			refused.Row("not blocked:", detect.AddressText(v.Source), v.Reason, err)
		}
	}
	if isTerminal(a.stderr) {
		opts.Progress = func(done, total int64, lines uint64) { a.progress(done, total, lines, begun) }
	}
	sum, err := agent.Replay(ctx, cfg, opts)
	if opts.Progress != nil {
		fmt.Fprint(a.stderr, "\r\x1b[K")
	}
	if err != nil {
		return err
	}
	if failed != nil {
		return failed
	}
	if err := a.replayTable(found); err != nil {
		return err
	}
	if spared > maxSpared {
		refused.Line("and %s more that may not be blocked", grouped(spared-maxSpared))
	}
	refused.Flush()
	a.replaySummary(sum, len(found), time.Since(begun))
	if sum.Lines > 0 && sum.Records == 0 {
		return fmt.Errorf("no line could be parsed as a TRAFFIC or THREAT record; the first error: %s", sum.FirstBad)
	}
	return nil
}

func (a *app) replayTable(found []*detect.Verdict) error {
	if len(found) == 0 {
		return nil
	}
	t := agent.NewTable(a.stdout, "TIME", "ADDRESS", "RULE", "HITS", "WHY")
	for _, v := range found {
		t.Row(agent.LocalTime(v.Time), detect.AddressText(v.Source), v.Rule, v.Hits, v.Reason)
	}
	return t.Flush()
}

// replaySummary goes to standard error, beside the result.
func (a *app) replaySummary(sum line.ReplaySummary, blocked int, took time.Duration) {
	if a.json {
		return
	}
	fmt.Fprintf(a.stderr, "%s lines in %.1f s (%s lines/s): %s records, %s of other types, %s that could not be parsed; %s would have been blocked\n",
		grouped(sum.Lines), took.Seconds(), grouped(int64(float64(sum.Lines)/max(took.Seconds(), 1e-6))),
		grouped(sum.Records), grouped(sum.Ignored), grouped(sum.Bad), plural(blocked, "source"))
	if !sum.First.IsZero() {
		fmt.Fprintf(a.stderr, "from %s to %s\n", agent.LocalTime(sum.First), agent.LocalTime(sum.Last))
	}
	if sum.FirstBad != "" {
		fmt.Fprintln(a.stderr, "the first line that could not be parsed:", sum.FirstBad)
	}
	if sum.Evicted > 0 {
		fmt.Fprintf(a.stderr, "%s sources were evicted because of detect.max_sources: the result may be incomplete\n", grouped(sum.Evicted))
	}
}

// progress draws one line at a terminal.
func (a *app) progress(done, total int64, lines uint64, begun time.Time) {
	const width = 30
	share := 1.0
	if total > 0 {
		share = min(float64(done)/float64(total), 1) // of a compressed file, the plain size is not known
	}
	filled := int(share * width)
	left := ""
	if passed := time.Since(begun); share > 0.02 && share < 1 {
		left = ", " + span(time.Duration(float64(passed)/share-float64(passed))) + " left"
	}
	fmt.Fprintf(a.stderr, "\r\x1b[K[%s%s] %3.0f%%  %s lines%s", strings.Repeat("=", filled), strings.Repeat(" ", width-filled),
		share*100, grouped(lines), left)
}
