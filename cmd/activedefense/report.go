package main

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"activedefense/agent/api"
	"activedefense/agent/report"
)

func newReportCommand(a *app) *cobra.Command {
	var since, format string
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Account for what was blocked, and for how much of the time the firewalls took blocks",
		Long: `Counts the blocks of a time until now by rule, country, port, firewall and day of UTC, names the sources with the most records,
and says for how much of the time each firewall took blocks. A block is counted where it began. The country is what the log or
geo.file says, and the port is there where all of the evidence is about one; of blocks before this version neither is known. Of the
availability, what nobody saw is unknown: the daemon did not run, or an earlier version did.

html is one file, with charts, that asks for nothing else: it can be mailed, and prints well. csv has the columns section, name,
measure and value; sections are period, total, rule, country, port, firewall, day, source and availability.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if !slices.Contains(report.Formats, format) {
				return usageErrorf("--format %q: the formats are %s", format, strings.Join(report.Formats, ", "))
			}
			if a.json && c.Flags().Changed("format") {
				return usageErrorf("--json and --format %s: give one of them", format)
			}
			return printReport(c.Context(), a, since, format)
		},
	}
	cmd.Flags().StringVar(&since, "since", api.DefaultReport, "from when on: a `DURATION` such as 24h or 30d back, a date, or RFC 3339")
	cmd.Flags().StringVar(&format, "format", report.Formats[0], "`FORMAT`: text, csv or html")
	return cmd
}

func printReport(ctx context.Context, a *app, since, format string) error {
	from, err := parseTime("--since", since, time.Now())
	if err != nil {
		return err
	}
	client, done, err := a.ask(ctx, reads, a.needing(forStore...))
	if err != nil {
		return err
	}
	defer done()
	var r report.Report
	if err := client.Get(ctx, "report", url.Values{"since": {from.Format(time.RFC3339Nano)}}, &r); err != nil {
		return asked(err)
	}
	if a.json {
		return a.printJSON(&r)
	}
	return r.Write(a.stdout, format)
}
