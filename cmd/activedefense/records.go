package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"activedefense/agent/api"
	"activedefense/agent/display"
	"activedefense/agent/output"
	"activedefense/config"
	"activedefense/store"
)

// recordsFlags are the flags of `records`, as given.
type recordsFlags struct {
	since, until string
	texts        map[string]*[]string // of the parameters that take several values, by their names in the API
	limit        int
	within       string
	format       string
	full         bool
	count        bool
}

// recordsCommand is `records`, which searches the store.
type recordsCommand struct {
	*app
	flags recordsFlags
}

func newRecordsCommand(a *app) *cobra.Command {
	r := &recordsCommand{app: a}
	f := &r.flags
	c := &cobra.Command{
		Use:   "records [ADDRESS...]",
		Short: "Search the stored log records, newest first",
		Long: `Searches the stored log records, newest first. A time is a duration back from now (24h, 7d), a
date, or RFC 3339; addresses may be networks, and an IPv6 address with a length stands for its network. What is searched for is a value or several with commas, of which one has to
fit; a value that holds a comma is put in double quotes. An ADDRESS without a flag is one of --src.`,
		RunE: func(c *cobra.Command, args []string) error {
			*f.texts["src"] = append(*f.texts["src"], args...) // an address alone is that of the source
			return r.search(c.Context())
		},
	}
	flags := c.Flags()
	flags.StringVar(&f.since, "since", api.DefaultSince, "from this `TIME` on")
	flags.StringVar(&f.until, "until", "", "before this `TIME`")
	f.texts = make(map[string]*[]string)
	for _, several := range [][2]string{
		{"src", "source `ADDRESS` or network"},
		{"dst", "destination `ADDRESS` or network"},
		{"src_port", "source `PORT`, or a range such as 8000-8003"},
		{"dst_port", "destination `PORT`, or a range such as 8000-8003"},
		{"src_country", "source `COUNTRY` as in the log"},
		{"dst_country", "destination `COUNTRY` as in the log"},
		{"user", "source `USER`; * stands for anything"},
		{"severity", "`SEVERITY` of the threat"},
		{"device", "firewall `NAME`, as in the log"},
		{"action", "`ACTION` of the firewall"},
		{"type", "`TYPE`: traffic, threat, globalprotect, system or log (what patterns took)"},
		{"subtype", "`SUBTYPE`, such as drop or vulnerability"},
		{"rule", "`NAME` of the security rule"},
		{"threat_id", "`NUMBER` of the threat's signature"},
		{"application", "`APPLICATION` as in the log, such as ssl or incomplete"},
		{"zone", "`ZONE` of either side"},
		{"end_reason", "`REASON` of the session's end, such as policy-deny"},
		{"outcome", "`OUTCOME`: refused, answered or late-answer"},
		{"grade", "`GRADE` of the record as evidence: proven or forgeable; what did not count, and what came while the source was blocked, has none"},
		{"file", "log `FILE` that it was read from, by its path or its name as it is now; * stands for anything, as for its older generations; of one that is gone nothing is found"},
	} {
		f.texts[several[0]] = flags.StringSlice(strings.TrimPrefix(flagOf(several[0]), "--"), nil, several[1])
	}
	flags.StringVar(&f.within, "within", api.DefaultWithin, "the `DURATION` that the search itself may take; 0 for any")
	flags.IntVar(&f.limit, "limit", api.DefaultLimit, "at most `N` records; 0 for all")
	flags.StringVar(&f.format, "format", "", "`FORMAT` of the output: table, csv or json")
	flags.BoolVar(&f.full, "full", false, "every field of each record, one below the other; csv and json have them always")
	flags.BoolVar(&f.count, "count", false, "how many match, and none of them")
	for _, other := range []string{"limit", "format", "full"} {
		c.MarkFlagsMutuallyExclusive("count", other)
	}
	return c
}

// query is the search as the API takes it, and what it is of the store. Its times are those that the flags mean here and now.
func (f *recordsFlags) query(now time.Time) (url.Values, store.RecordFilter, error) {
	q := url.Values{"since": {f.since}, "until": {f.until}, "limit": {strconv.Itoa(f.limit)}, "within": {f.within}}
	if f.count {
		q.Set("count", "true")
	}
	for param, values := range f.texts {
		q[param] = *values
	}
	filter, err := api.ParseSearch(q, now, flagOf)
	for param, t := range map[string]time.Time{"since": filter.Since, "until": filter.Until} {
		if !t.IsZero() {
			q.Set(param, t.Format(time.RFC3339Nano))
		}
	}
	return q, filter, asked(err)
}

// search prints the records that match.
func (r *recordsCommand) search(ctx context.Context) error {
	q, filter, err := r.flags.query(time.Now())
	if err != nil {
		return err
	}
	if r.flags.count {
		return r.countAll(ctx, q, filter)
	}
	p, done := r.showProgress()
	defer done()
	out, err := r.writer()
	if err != nil {
		return err
	}
	client, end, err := r.asks(ctx)
	if err != nil {
		return err
	}
	defer end()
	n, last := 0, time.Time{}
	var rest api.Searched
	err = api.Each(ctx, client, "records", q, "records", &rest, func(rec *api.Record) error {
		n, last = n+1, rec.Time
		p.Note(rec)
		return out.Write(rec)
	})
	done()
	if e := out.End(err == nil && !rest.Stopped); err == nil && e != nil {
		return e // else what was found is shown all the same
	}
	if err != nil {
		return asked(err)
	}
	if rest.Stopped {
		return &statusError{exitFailed, stoppedAfter(filter.Within, n, last)}
	}
	r.searched(&rest, filter, n)
	return nil
}

// asks gives whom to ask for records.
func (r *recordsCommand) asks(ctx context.Context) (client *api.Client, end func(), err error) {
	return r.ask(ctx, reads, r.needing(config.PartStore, config.PartAdmin))
}

// countAll prints how many records match.
func (r *recordsCommand) countAll(ctx context.Context, q url.Values, filter store.RecordFilter) error {
	client, end, err := r.asks(ctx)
	if err != nil {
		return err
	}
	defer end()
	var found api.Searched
	err = api.Each(ctx, client, "records", q, "records", &found, func(*api.Record) error { return nil })
	if found.Stopped && err == nil {
		return &statusError{exitFailed, fmt.Errorf("stopped after %s of counting, and how many there are is not known: narrow it by --since, --until or --src, or allow more time by --within", config.FormatDuration(filter.Within))}
	}
	if found.Count == nil {
		return cmp.Or(asked(err), errors.New("what answers did not count: the daemon is of another version, restart it"))
	}
	if r.json {
		err = errors.Join(err, r.printJSON(struct {
			Count int64 `json:"count"`
		}{*found.Count}))
	} else {
		_, e := fmt.Fprintln(r.stdout, *found.Count)
		err = errors.Join(err, e)
	}
	if err != nil {
		return asked(err) // it is not all
	}
	filter.Limit = 0 // which a count has no part in
	r.searched(&found, filter, int(*found.Count))
	return nil
}

// stoppedAfter says that a search took too long, how far it came, and what a person can do.
func stoppedAfter(within time.Duration, n int, last time.Time) error {
	found := "nothing found so far"
	if n > 0 {
		found = fmt.Sprintf("%s found down to %s, and the older ones not looked at", plural(n, "record"), display.LocalTime(last))
	}
	return fmt.Errorf("stopped after %s of searching, with %s: narrow it by --since, --until or --src, or allow more time by --within", config.FormatDuration(within), found)
}

// searched says what a search that came to its end, with so many records, leaves to be said.
func (r *recordsCommand) searched(rest *api.Searched, filter store.RecordFilter, n int) {
	r.sayUnseen(rest.Unseen)
	for _, hint := range []string{deviceHint(rest.Firewalls, filter.Device...), ruleHint(rest.Firewalls, filter.Rule)} {
		if n == 0 && hint != "" {
			fmt.Fprintln(r.stderr, hint)
		}
	}
	if n > 0 && n == filter.Limit && r.flags.format != output.FormatJSON {
		fmt.Fprintf(r.stderr, "the newest %d; there may be more (--limit)\n", n)
	}
}

// sayUnseen says which of the values asked for no record has at all, so that a slip is not taken for good news.
func (r *recordsCommand) sayUnseen(list []api.Unseen) {
	for _, u := range list {
		seen := "nothing is known there"
		if strings.HasSuffix(u.Column, "_country") {
			seen = "no record has a country there; it is as the firewall logs it, mostly a name such as Netherlands"
		}
		if u.Column == "src_user" {
			seen = "it is as the firewall logs it, often with a domain before or behind it; * stands for anything"
		}
		if len(u.Seen) > 0 {
			seen = "records have " + strings.Join(u.Seen, ", ")
		}
		if u.Column == "file" {
			fmt.Fprintf(r.stderr, "no log file that is followed fits --file %q: %s\n", u.Value, cmp.Or(strings.Join(u.Seen, ", "), "none is known"))
			continue
		}
		fmt.Fprintf(r.stderr, "no record of this time fits %s %q: %s\n", flagOf(u.Column), u.Value, seen)
	}
}

// flagOf names the flag that searches a column, or that gives a parameter of the API.
func flagOf(column string) string {
	other := map[string]string{"src_user": "user", "from_zone": "zone", "session_end_reason": "end-reason"}
	return "--" + cmp.Or(other[column], strings.ReplaceAll(column, "_", "-"))
}

// ruleHint says for names that --rule has, if one is that of a rule of detection or of a firewall, that a security rule's is meant; ""
// if none is.
func ruleHint(firewalls, rules []string) string {
	for _, name := range rules {
		if slices.Contains(listedRules, strings.ToLower(name)) || deviceHint(firewalls, name) != "" {
			return fmt.Sprintf("--rule is the name of the firewall's security rule, and %q is not; what a rule of detection found: activedefense blacklist list --rule", name)
		}
	}
	return ""
}

// writer gives that of the format asked for.
func (r *recordsCommand) writer() (output.Records, error) {
	if r.json {
		if r.flags.format != "" && r.flags.format != output.FormatJSON {
			return nil, usageErrorf("--json and --format %s: give one of them", r.flags.format)
		}
		r.flags.format = output.FormatJSON
	}
	width, _ := sizeOf(r.stdout)
	out, err := output.NewRecords(r.stdout, r.flags.format, r.flags.full, width)
	if err != nil {
		return nil, &statusError{exitUsage, err}
	}
	return out, nil
}

// showProgress shows the progress of a search at a terminal; done ends it, and may be called again. Where standard error is none,
// there is nothing to show; nor where the records go through a pipe, for behind it may be what shows them on the same terminal.
func (r *recordsCommand) showProgress() (p *output.Progress, done func()) {
	if !isTerminal(r.stderr) || isPipe(r.stdout) {
		return nil, func() {}
	}
	p = output.NewProgress(unguarded(r.stderr), time.Now())
	guarded := *r.app
	guarded.stdout = &output.BehindProgress{Writer: r.stdout, Progress: p}
	r.app = &guarded
	tick := time.NewTicker(output.ProgressEvery)
	ended, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		p.Run(tick.C, ended)
	}()
	return p, sync.OnceFunc(func() {
		tick.Stop()
		close(ended)
		<-over
	})
}

func isPipe(w io.Writer) bool {
	f, ok := unguarded(w).(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeNamedPipe != 0
}
