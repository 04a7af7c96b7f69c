package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"activedefense/agent/api"
	"activedefense/agent/display"
	"activedefense/agent/django"
	"activedefense/agent/exchange"
	"activedefense/agent/explain"
	"activedefense/store"
)

const formatHelp = "`FORMAT`: csv, json or text (an address a line)"

func newBlacklistExportCommand(a *app) *cobra.Command {
	l, format := &blacklistListCommand{app: a}, ""
	c := &cobra.Command{
		Use:   "export [--format csv|json|text]",
		Short: "Write what is blocked now to standard output, for blacklist import",
		Long: `Writes what is blocked now, with rule, reason, times and who blocked it, as CSV; with --format json an object a line, with --format text
an address a line. In CSV, a text that a spreadsheet would take for a formula stands behind a single quote.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := l.valid(); err != nil {
				return err
			}
			if a.json && format == "" {
				format = exchange.JSON
			}
			return export(c.Context(), l, format)
		},
	}
	l.addFilters(c)
	c.Flags().StringVar(&format, "format", "", formatHelp)
	return c
}

func export(ctx context.Context, l *blacklistListCommand, format string) error {
	w, err := exchange.NewWriter(l.stdout, format)
	if err != nil {
		return usageErrorf("--format %q: %w", format, err)
	}
	client, done, err := l.ask(ctx, reads, l.needing(forStore...))
	if err != nil {
		return err
	}
	defer done()
	if err := api.Each(ctx, client, "blacklist", l.query(), "entries", &struct{}{}, func(e *api.Entry) error { return w.Write(&e.BlacklistEntry) }); err != nil {
		return asked(err)
	}
	return w.Flush()
}

// An importCommand is blacklist import.
type importCommand struct {
	*app
	format, reason, django string
	dryRun, settings       bool
}

func newBlacklistImportCommand(a *app) *cobra.Command {
	i := &importCommand{app: a}
	c := &cobra.Command{
		Use:   "import FILE | import --django URL",
		Short: "Block what a file names, with rule, reason, times and who where it says so",
		Long: `Blocks what a file names (-: standard input): what "blacklist export" wrote, a CSV file whose first line names its columns, JSON objects with
the fields of "blacklist list --json", or an address or network a line, behind which a # begins the reason. Each line that is refused
is named with the reason: what may never be blocked, what is no address, what would be released at once. What is blocked already
stays as it is.

With --django it is what the Django application "Active Defense Syslog" has blacklisted in its PostgreSQL database, with its reasons; a row that is refused is
named by its id. URL is postgres://USER:PASSWORD@HOST/activedefense, or the name of a file that holds it (a password on the command line is seen by all users
of this host). With --settings, too, nothing is imported: its settings, log files and mail receivers are printed as a configuration.`,
		Args: func(c *cobra.Command, args []string) error {
			if i.django == "" {
				return exactlyOne("a file, or --django")(c, args)
			}
			return cobra.NoArgs(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case i.settings && i.django == "":
				return usageErrorf("--settings goes with --django")
			case i.settings:
				return i.printSettings(c.Context())
			case i.django != "":
				return i.fromDjango(c.Context())
			}
			rows, err := readFile(a, args[0], i.format)
			if err != nil {
				return err
			}
			return i.blocks(c.Context(), args[0], func(take func([]exchange.Row) error) error { return take(rows) })
		},
	}
	c.Flags().StringVar(&i.format, "format", exchange.Auto, formatHelp+"; auto tells by the beginning")
	c.Flags().StringVar(&i.reason, "reason", "", "`TEXT` with the reason, of those that have none")
	c.Flags().StringVar(&i.django, "django", "", "`URL` of the database of Active Defense Syslog, or a file that holds it")
	c.Flags().BoolVar(&i.settings, "settings", false, "with --django: print its settings as a configuration, and import nothing")
	c.Flags().BoolVar(&i.dryRun, "dry-run", false, "say what would be blocked and what refused, and change nothing")
	c.MarkFlagsMutuallyExclusive("django", "format")
	c.MarkFlagsMutuallyExclusive("settings", "dry-run")
	return c
}

// readFile reads a file as its caller, who may name standard input.
func readFile(a *app, path, format string) ([]exchange.Row, error) {
	in := a.stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	rows, err := exchange.Read(in, format)
	if err != nil {
		return nil, &statusError{exitUsage, fmt.Errorf("%s: %w", path, err)}
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("%s names no address", path)
	}
	return rows, nil
}

// A batch is what of a file goes into one request.
type batch[T any] struct {
	items []T
	lines []int // where each stands
	size  int
}

// mostBatch bounds a request; the API takes a mebibyte.
const mostBatch = 512 << 10

// inBatches makes items of rows, and gives them to do in requests of bounded size. It names each row of which none can be made, or that was
// refused, and gives how many they were.
func inBatches[T any](a *app, path string, rows []exchange.Row, make func(*exchange.Row) (T, error), do func([]T) ([]api.Refused, error)) (refused int, err error) {
	var b batch[T]
	name := func(line int, why string) {
		refused++
		fmt.Fprintf(a.stderr, "%s:%d: %s\n", path, line, display.Harmless(why))
	}
	flush := func() error {
		if len(b.items) == 0 {
			return nil
		}
		list, err := do(b.items)
		if err != nil {
			return asked(err)
		}
		for _, r := range list {
			name(b.lines[r.Index], r.Why)
		}
		b = batch[T]{}
		return nil
	}
	for i := range rows {
		item, err := make(&rows[i])
		var text []byte
		if err == nil {
			text, err = json.Marshal(item)
		}
		if err == nil && len(text) > mostBatch {
			err = errors.New("it is longer than 512 KiB")
		}
		if err != nil {
			name(rows[i].Line, err.Error())
			continue
		}
		if b.size+len(text) > mostBatch {
			if err := flush(); err != nil {
				return refused, err
			}
		}
		b.items, b.lines, b.size = append(b.items, item), append(b.lines, rows[i].Line), b.size+len(text)+1
	}
	return refused, flush()
}

// blocks blocks rows, which stand in what is called so and come in parts.
func (i *importCommand) blocks(ctx context.Context, path string, parts func(take func([]exchange.Row) error) error) error {
	client, done, err := i.ask(ctx, changes, i.forBlock)
	if err != nil {
		return err
	}
	defer done()
	var sum api.Imported
	rows, refused := 0, 0
	err = parts(func(part []exchange.Row) error {
		n, err := inBatches(i.app, path, part, (*exchange.Row).Entry, func(entries []explain.BlacklistEntry) ([]api.Refused, error) {
			var out api.Imported
			err := client.Post(ctx, "blacklist/import", api.Importing{Entries: entries, Reason: i.reason, DryRun: i.dryRun}, &out)
			sum.Blocked, sum.Already = sum.Blocked+out.Blocked, sum.Already+out.Already
			return out.Refused, err
		})
		rows, refused = rows+len(part), refused+n
		return err
	})
	would, not := "", "not imported"
	if i.dryRun {
		would, not = "would be ", "would not be imported"
	}
	if i.json {
		err = errors.Join(err, i.printJSON(map[string]int{"blocked": sum.Blocked, "already": sum.Already, "refused": refused}))
	} else {
		fmt.Fprintf(i.stdout, "%s %sblocked, %s already blocked or named twice, %s %[2]srefused\n", plural(sum.Blocked, "entry"), would, grouped(sum.Already), grouped(refused))
	}
	if err == nil && refused > 0 {
		err = fmt.Errorf("%s of %s %s", plural(refused, "entry"), grouped(rows), not)
	}
	return err
}

// openDjango opens the database that --django names.
func (i *importCommand) openDjango(ctx context.Context) (*django.Source, error) {
	url := i.django
	if !strings.HasPrefix(url, "postgres://") && !strings.HasPrefix(url, "postgresql://") {
		var err error
		if url, err = urlIn(url); err != nil {
			return nil, usageErrorf("--django %s: %w", i.django, err)
		}
	}
	return django.Open(ctx, url)
}

// djangoPart is how many entries are read from the application before they are blocked.
const djangoPart = 5000

// fromDjango blocks what the application has blacklisted.
func (i *importCommand) fromDjango(ctx context.Context) error {
	from, err := i.openDjango(ctx)
	if err != nil {
		return err
	}
	defer from.Close() // only read
	there, err := from.Count(ctx)
	if err != nil {
		return err
	}
	if !i.json {
		fmt.Fprintf(i.stdout, "The application's blacklist has %s with %s.\n", plural(there.Rows, "row"), display.Plural(there.Addresses, "different address"))
	}
	return i.blocks(ctx, django.Table, func(take func([]exchange.Row) error) error {
		var part []exchange.Row
		err := from.Blacklist(ctx, func(e django.Entry) error {
			values := map[string]string{"address": e.Address, "rule": e.Rule(), "reason": e.Alert, "last_seen": e.LastSeen.Format(time.RFC3339Nano)}
			if !e.ByPerson() {
				values["by"] = store.ByDetector
			}
			if part = append(part, exchange.Row{Line: int(e.ID), Values: values, Err: e.Err()}); len(part) < djangoPart {
				return nil
			}
			err := take(part)
			part = part[:0]
			return err
		})
		if err != nil || len(part) == 0 {
			return err
		}
		return take(part)
	})
}

// printSettings prints the application's settings as a configuration.
func (i *importCommand) printSettings(ctx context.Context) error {
	from, err := i.openDjango(ctx)
	if err != nil {
		return err
	}
	defer from.Close() // only read
	settings, err := from.Settings(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(i.stdout, settings.Configuration())
	return err
}

func newAllowImportCommand(a *app) *cobra.Command {
	var format, reason string
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Allow what a file names: an address, a network or a name a line, CSV or JSON",
		Long: `Allows what a file names (-: standard input): an entry a line, behind which a # begins the reason; CSV whose first line names the columns
entry, reason and until; or JSON objects with these fields, such as "allow list --json" prints. Each line that is refused is named.`,
		Args: exactlyOne("a file"),
		RunE: func(c *cobra.Command, args []string) error {
			rows, err := readFile(a, args[0], format)
			if err != nil {
				return err
			}
			ctx := c.Context()
			client, done, err := a.ask(ctx, changes, a.needing(forRelease...))
			if err != nil {
				return err
			}
			defer done()
			refused, err := inBatches(a, args[0], rows, func(r *exchange.Row) (api.Allowing, error) { return allowingOf(r, reason) }, func(entries []api.Allowing) ([]api.Refused, error) {
				return allowAll(ctx, a, client, entries)
			})
			if err == nil && refused > 0 {
				err = fmt.Errorf("%s of %s not allowed", plural(refused, "entry"), grouped(len(rows)))
			}
			return err
		},
	}
	c.Flags().StringVar(&format, "format", exchange.Auto, formatHelp+"; auto tells by the beginning")
	c.Flags().StringVar(&reason, "reason", "", "`TEXT` with the reason, of those that have none")
	return c
}

// allowingOf makes of a row what is to be allowed.
func allowingOf(r *exchange.Row, reason string) (api.Allowing, error) {
	one := api.Allowing{Entry: r.Address(), Reason: cmp.Or(r.Of("reason"), reason)}
	switch {
	case r.Err != nil:
		return one, r.Err
	case one.Entry == "":
		return one, errors.New("it has no entry")
	}
	if until := r.Of("until"); until != "" {
		at, err := time.Parse(time.RFC3339Nano, until)
		if err != nil {
			return one, fmt.Errorf("until %q: a time is written as in RFC 3339, such as 2026-01-31T12:00:00Z", until)
		}
		one.Until = &at
	}
	return one, nil
}

func newBlacklistHistoryCommand(a *app) *cobra.Command {
	var since string
	limit := 1000
	c := &cobra.Command{
		Use:   "history [ADDR]",
		Short: "Show every change, newest first: time, what, who, why",
		Long: `Shows what was done to the blacklist, the allow-list and the pause, newest first: when, what, by whom and why. With an address or a network,
what was done to exactly that one.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			q := url.Values{"limit": {strconv.Itoa(limit)}}
			if limit < 0 {
				return usageErrorf("--limit %d: give the number of changes, or 0 for all", limit)
			}
			at, err := parseTime("--since", since, time.Now())
			if err != nil {
				return err
			}
			if !at.IsZero() {
				q.Set("since", at.Format(time.RFC3339Nano))
			}
			if len(args) > 0 {
				if _, err := parsePrefix(args[0]); err != nil {
					return err
				}
				q.Set("address", args[0])
			}
			return history(c.Context(), a, q)
		},
	}
	c.Flags().StringVar(&since, "since", "", "only from this `TIME` on: 24h, 7d, 2026-01-31, or RFC 3339")
	c.Flags().IntVar(&limit, "limit", limit, "at most `N` changes; 0 for all")
	return c
}

func history(ctx context.Context, a *app, q url.Values) error {
	client, done, err := a.ask(ctx, reads, a.needing(forStore...))
	if err != nil {
		return err
	}
	defer done()
	t, n := display.NewTable(a.stdout, "TIME", "WHAT", "ADDRESS", "BY", "WHY"), 0
	if err := api.Each(ctx, client, "history", q, "changes", &struct{}{}, func(x *api.Change) error {
		if n++; a.json {
			return a.printJSON(x)
		}
		at, err := time.Parse(time.RFC3339Nano, x.Time)
		if err != nil {
			return err
		}
		t.Row(display.LocalTime(at), x.Action, x.Address, x.By, x.Reason)
		return nil
	}); err != nil {
		return asked(err)
	}
	switch {
	case a.json:
		return nil
	case n == 0:
		fmt.Fprintln(a.stdout, "nothing was changed")
		return nil
	}
	return t.Flush()
}

// removeFound releases what a filter finds, if the person says so.
func removeFound(ctx context.Context, l *blacklistListCommand, reason string, yes bool) error {
	client, done, err := l.ask(ctx, changes, l.needing(forRelease...))
	if err != nil {
		return err
	}
	defer done()
	counts, found := map[string]int{}, []string(nil)
	q := l.query()
	q["state"] = []string{store.Blocked.String(), store.Held.String(), store.Observed.String()}
	var rest api.Listed
	if err := api.Each(ctx, client, "blacklist", q, "entries", &rest, func(e *api.Entry) error {
		found = append(found, e.Address)
		counts[e.State]++
		return nil
	}); err != nil {
		return asked(err)
	}
	if err := l.knowRule(rest.Custom, rest.Rules); err != nil {
		return err
	}
	if len(found) == 0 {
		return errors.New("nothing on the blacklist is like that")
	}
	if !yes {
		fmt.Fprintf(l.stderr, "Release %s (%d blocked, %d held, %d observed)? [y/N] ", plural(len(found), "entry"), counts["blocked"], counts["held"], counts["observed"])
		answer, _ := bufio.NewReader(io.LimitReader(l.stdin, 100)).ReadString('\n')
		if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
			return errors.New("nothing was released (--yes does not ask)")
		}
	}
	n, refused := 0, 0
	for len(found) > 0 {
		part := found[:min(len(found), 5000)]
		found = found[len(part):]
		var out api.RemovedAll
		if err := client.DeleteOf(ctx, "blacklist", api.Removing{Addresses: part, Reason: reason}, &out); err != nil {
			return asked(err)
		}
		for _, e := range out.Entries {
			if l.json {
				if err := l.printJSON(e.BlacklistEntry); err != nil {
					return err
				}
			}
		}
		for _, r := range out.Refused {
			fmt.Fprintln(l.stderr, display.Harmless(r.Why))
		}
		n, refused = n+len(out.Entries), refused+len(out.Refused)
	}
	if !l.json {
		fmt.Fprintf(l.stdout, "%s released or dismissed. What was seen until now no longer counts.\n", plural(n, "entry"))
	}
	if refused > 0 {
		return fmt.Errorf("%s that label files list not released", plural(refused, "entry"))
	}
	return nil
}
