package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"activedefense/agent"
	"activedefense/agent/line"
	"activedefense/detect"
)

// replayCommand is `replay`, and what it has found so far.
type replayCommand struct {
	*app
	begun   time.Time
	found   []*detect.Verdict // nothing with --json, which prints each at once
	printed error             // of printing a verdict, the last one
	refused *agent.Table      // sources that may not be blocked, the first of them
	spared  int               // how many these are
}

func newReplayCommand(a *app) *cobra.Command {
	r := &replayCommand{app: a}
	return &cobra.Command{
		Use:   "replay FILE...",
		Short: "Run detection over log files: who would have been blocked, and why",
		Long: `Runs the rules of the configuration over log files, by event time, and writes nothing: who would have
been blocked, and why. Several files are combined in order of time; gzip is read too.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, files []string) error { return r.replay(c.Context(), files) },
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

func (r *replayCommand) replay(ctx context.Context, files []string) error {
	cfg, _, err := r.load()
	if err != nil {
		return err
	}
	r.begun, r.refused = time.Now(), agent.NewTable(r.stderr)
	known := r.known(ctx, cfg)
	opts := line.ReplayOptions{Files: files, Verdict: r.verdict, Refused: r.spare, Guard: known.Guard, Ours: known.Ours}
	if isTerminal(r.stderr) {
		opts.Progress = r.progress
	}
	sum, err := agent.Replay(ctx, cfg, opts)
	if opts.Progress != nil {
		fmt.Fprint(r.stderr, "\r\x1b[K")
	}
	if err != nil {
		return err
	}
	if r.printed != nil {
		return r.printed
	}
	if err := r.writeTable(); err != nil {
		return err
	}
	if r.spared > maxSpared {
		r.refused.Line("and %s more that may not be blocked", grouped(r.spared-maxSpared))
	}
	r.refused.Flush()
	r.writeSummary(sum, time.Since(r.begun))
	if sum.Lines > 0 && sum.Records == 0 && sum.Bad == 0 { // nothing is wrong with them
		fmt.Fprintln(r.stderr, "no TRAFFIC or THREAT record was found, and no login; there are other records, the first is", agent.Harmless(cmp.Or(sum.FirstIgnored, "blank")))
		return nil
	}
	if sum.Lines > 0 && sum.Records == 0 {
		return fmt.Errorf("no line could be parsed as a TRAFFIC or THREAT record or a login; the first error: %s", sum.FirstBad)
	}
	return nil
}

// verdict takes a source that would have been blocked.
func (r *replayCommand) verdict(v *detect.Verdict) {
	if !r.json {
		r.found = append(r.found, v)
		return
	}
	if err := r.printJSON(replayJSON{detect.AddressText(v.Source), v.Rule, v.Reason, v.Time, v.FirstSeen, v.Hits}); err != nil {
		r.printed = err
	}
}

// spare takes a source that may not be blocked, and why.
func (r *replayCommand) spare(v *detect.Verdict, why error) {
	if r.spared++; r.spared <= maxSpared {
		r.refused.Row("not blocked:", detect.AddressText(v.Source), v.Reason, why)
	}
}

func (r *replayCommand) writeTable() error {
	if len(r.found) == 0 {
		return nil
	}
	t := agent.NewTable(r.stdout, "TIME", "ADDRESS", "RULE", "HITS", "WHY")
	for _, v := range r.found {
		t.Row(agent.LocalTime(v.Time), detect.AddressText(v.Source), v.Rule, v.Hits, v.Reason)
	}
	return t.Flush()
}

// writeSummary goes to standard error, beside the result.
func (r *replayCommand) writeSummary(sum line.ReplaySummary, took time.Duration) {
	if r.json {
		return
	}
	fmt.Fprintf(r.stderr, "%s lines in %.1f s (%s lines/s): %s records, %s of other types, %s that could not be parsed; %s would have been blocked\n",
		grouped(sum.Lines), took.Seconds(), grouped(int64(float64(sum.Lines)/max(took.Seconds(), 1e-6))),
		grouped(sum.Records), grouped(sum.Ignored), grouped(sum.Bad), plural(len(r.found), "source"))
	if !sum.First.IsZero() {
		fmt.Fprintf(r.stderr, "from %s to %s\n", agent.LocalTime(sum.First), agent.LocalTime(sum.Last))
	}
	if sum.Cut > 0 {
		fmt.Fprintf(r.stderr, "%s cut off: longer than 64 KiB, or failed logins without the client, whose text the firewall cut\n", plural(int(sum.Cut), "line"))
	}
	if sum.FirstBad != "" {
		fmt.Fprintln(r.stderr, "the first line that could not be parsed:", sum.FirstBad)
	}
	if sum.Evicted > 0 {
		fmt.Fprintf(r.stderr, "%s sources were evicted because of detect.max_sources: the result may be incomplete\n", grouped(sum.Evicted))
	}
}

// progress draws one line at a terminal.
func (r *replayCommand) progress(done, total int64, lines uint64) {
	const width = 30
	share := 1.0
	if total > 0 {
		share = min(float64(done)/float64(total), 1) // of a compressed file, the plain size is not known
	}
	filled := int(share * width)
	left := ""
	if passed := time.Since(r.begun); share > 0.02 && share < 1 {
		left = ", " + span(time.Duration(float64(passed)/share-float64(passed))) + " left"
	}
	fmt.Fprintf(r.stderr, "\r\x1b[K[%s%s] %3.0f%%  %s lines%s", strings.Repeat("=", filled), strings.Repeat(" ", width-filled),
		share*100, grouped(lines), left)
}
