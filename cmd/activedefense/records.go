package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"activedefense/agent/display"
	"activedefense/config"
	"activedefense/detect"
	"activedefense/store"
)

const (
	// recordsLimit keeps a search at a terminal from running away; 0 means all.
	recordsLimit = 100
	// recordsPage is how many rows of the table are aligned with one another: the alignment has to hold them in
	// memory, and a search for all may give millions.
	recordsPage = 1000
)

// recordsFlags are the flags of `records`, as given.
type recordsFlags struct {
	since, until     string
	src, dst         []string
	srcPort, dstPort []string
	outcome, grade   []string
	texts            store.RecordFilter // what a flag gives as it is
	limit            int
	within           string
	format           string
	full             bool
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
			f.src = append(f.src, args...) // an address alone is that of the source
			filter, err := f.filter(time.Now())
			if err != nil {
				return err
			}
			return r.search(c.Context(), filter)
		},
	}
	flags := c.Flags()
	flags.StringVar(&f.since, "since", "24h", "from this `TIME` on")
	flags.StringVar(&f.until, "until", "", "before this `TIME`")
	flags.StringSliceVar(&f.src, "src", nil, "source `ADDRESS` or network")
	flags.StringSliceVar(&f.dst, "dst", nil, "destination `ADDRESS` or network")
	flags.StringSliceVar(&f.srcPort, "src-port", nil, "source `PORT`, or a range such as 8000-8003")
	flags.StringSliceVar(&f.dstPort, "dst-port", nil, "destination `PORT`, or a range such as 8000-8003")
	flags.StringSliceVar(&f.texts.SrcCountry, "src-country", nil, "source `COUNTRY` as in the log")
	flags.StringSliceVar(&f.texts.DstCountry, "dst-country", nil, "destination `COUNTRY` as in the log")
	flags.StringSliceVar(&f.texts.User, "user", nil, "source `USER`; * stands for anything")
	flags.StringSliceVar(&f.texts.Severity, "severity", nil, "`SEVERITY` of the threat")
	flags.StringSliceVar(&f.texts.Device, "device", nil, "firewall `NAME`, as in the log")
	flags.StringSliceVar(&f.texts.Action, "action", nil, "`ACTION` of the firewall")
	flags.StringSliceVar(&f.texts.Type, "type", nil, "`TYPE`: traffic, threat, globalprotect or system")
	flags.StringSliceVar(&f.texts.Subtype, "subtype", nil, "`SUBTYPE`, such as drop or vulnerability")
	flags.StringSliceVar(&f.texts.Rule, "rule", nil, "`NAME` of the security rule")
	flags.StringSliceVar(&f.texts.ThreatID, "threat-id", nil, "`NUMBER` of the threat's signature")
	flags.StringSliceVar(&f.texts.Application, "application", nil, "`APPLICATION` as in the log, such as ssl or incomplete")
	flags.StringSliceVar(&f.texts.Zone, "zone", nil, "`ZONE` of either side")
	flags.StringSliceVar(&f.texts.EndReason, "end-reason", nil, "`REASON` of the session's end, such as policy-deny")
	flags.StringSliceVar(&f.outcome, "outcome", nil, "`OUTCOME`: refused, answered or late-answer")
	flags.StringSliceVar(&f.grade, "grade", nil, "`GRADE` of the record as evidence: proven or forgeable; what did not count, and what came while the source was blocked, has none")
	flags.StringSliceVar(&f.texts.File, "file", nil, "log `FILE` that it was read from, by its path or its name as it is now; * stands for anything, as for its older generations; of one that is gone nothing is found")
	flags.StringVar(&f.within, "within", "1m", "the `DURATION` that the search itself may take; 0 for any")
	flags.IntVar(&f.limit, "limit", recordsLimit, "at most `N` records; 0 for all")
	flags.StringVar(&f.format, "format", "", "`FORMAT` of the output: table, csv or json")
	flags.BoolVar(&f.full, "full", false, "every field of each record, one below the other; csv and json have them always")
	return c
}

// filter checks the flags.
func (f *recordsFlags) filter(now time.Time) (store.RecordFilter, error) {
	out := f.texts
	out.Limit = f.limit
	var err error
	if out.Since, err = parseTime("--since", f.since, now); err != nil {
		return out, err
	}
	if out.Until, err = parseTime("--until", f.until, now); err != nil {
		return out, err
	}
	if !out.Since.IsZero() && !out.Until.IsZero() && !out.Since.Before(out.Until) {
		return out, usageErrorf("--until %s is not after --since %s, so no record can be between them; give the earlier time to --since", f.until, f.since)
	}
	if out.Src, err = networksOf("--src", f.src); err != nil {
		return out, err
	}
	if out.Dst, err = networksOf("--dst", f.dst); err != nil {
		return out, err
	}
	if out.SrcPort, err = portsOf("--src-port", f.srcPort); err != nil {
		return out, err
	}
	if out.DstPort, err = portsOf("--dst-port", f.dstPort); err != nil {
		return out, err
	}
	if out.Outcome, err = wordsOf("--outcome", "outcomes", f.outcome, store.Refused, store.Answered, store.LateAnswer); err != nil {
		return out, err
	}
	if out.Grade, err = wordsOf("--grade", "grades", f.grade, store.Proven, store.Forgeable); err != nil {
		return out, err
	}
	if err := checkTexts(&out); err != nil {
		return out, err
	}
	if out.Within, err = config.ParseDuration(f.within); err != nil {
		return out, usageErrorf("--within %q: use a duration such as 30s or 10m, or 0 for any time", f.within)
	}
	out.Paths = true
	if f.limit < 0 {
		return out, usageErrorf("--limit %d: give the number of records, or 0 for all", f.limit)
	}
	return out, nil
}

// wordsOf reads the words of a flag that stand for some of these values, which are called so.
func wordsOf[V fmt.Stringer](flag, called string, given []string, values ...V) (found []V, err error) {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = v.String()
	}
	for _, word := range given {
		i := slices.Index(words, strings.ToLower(word))
		if i < 0 {
			return nil, usageErrorf("%s %q: the %s are %s", flag, word, called, strings.Join(words, ", "))
		}
		found = append(found, values[i])
	}
	return found, nil
}

// networksOf reads the addresses and networks of a flag: of an IPv6 address with a length, its network, by which it is counted.
func networksOf(flag string, given []string) (networks []netip.Prefix, err error) {
	for _, text := range given {
		p, err := netip.ParsePrefix(text)
		if err != nil || p.Addr().Unmap().Is4() {
			p, err = parsePrefix(text)
		}
		if err != nil {
			return nil, usageErrorf("%s: %w", flag, err)
		}
		networks = append(networks, p.Masked())
	}
	return networks, nil
}

// portsOf reads the ports of a flag, and ranges of them.
func portsOf(flag string, given []string) (ports []store.PortRange, err error) {
	for _, text := range given {
		low, high, several := strings.Cut(text, "-")
		if !several {
			high = low
		}
		first, err := strconv.ParseUint(strings.TrimSpace(low), 10, 16)
		last, err2 := strconv.ParseUint(strings.TrimSpace(high), 10, 16)
		if err != nil || err2 != nil || first > last {
			return nil, usageErrorf("%s %q: give a port from 0 to 65535, a range such as 8000-8003, or several with commas; see activedefense records --help", flag, text)
		}
		ports = append(ports, store.PortRange{First: uint16(first), Last: uint16(last)})
	}
	return ports, nil
}

// types are the logs that records come from.
var types = []string{"traffic", "threat", "globalprotect", "system"}

// severities are those of a threat log, worst first.
var severities = []string{"critical", "high", "medium", "low", "informational"}

// checkTexts refuses what a field cannot have: a search for it would find nothing, and say that there is nothing.
func checkTexts(f *store.RecordFilter) error {
	for _, typ := range f.Type {
		if !slices.Contains(types, strings.ToLower(typ)) {
			return usageErrorf("--type %q: the types are %s", typ, strings.Join(types, ", "))
		}
	}
	for _, severity := range f.Severity {
		if !slices.Contains(severities, strings.ToLower(severity)) {
			return usageErrorf("--severity %q: the severities are %s", severity, strings.Join(severities, ", "))
		}
	}
	for _, id := range f.ThreatID {
		if _, err := strconv.ParseUint(id, 10, 64); err != nil {
			return usageErrorf("--threat-id %q: a threat's id is a number, such as 40017", id)
		}
	}
	return nil
}

// recordJSON is the contract of `records --json`.
type recordJSON struct {
	Time       time.Time `json:"time"`
	Device     string    `json:"device"`
	Src        string    `json:"src"`
	SrcPort    uint16    `json:"src_port"`
	SrcUser    string    `json:"src_user"`
	SrcCountry string    `json:"src_country"`
	Dst        string    `json:"dst"`
	DstPort    uint16    `json:"dst_port"`
	DstCountry string    `json:"dst_country"`
	Action     string    `json:"action"`
	Rule       string    `json:"rule"`
	RuleID     string    `json:"rule_id"`
	ThreatName string    `json:"threat_name"`
	ThreatID   string    `json:"threat_id"`
	Severity   string    `json:"severity"`
	Subtype    string    `json:"subtype"`
	Type       string    `json:"type"`

	Application      string `json:"application"`
	FromZone         string `json:"from_zone"`
	ToZone           string `json:"to_zone"`
	SessionEndReason string `json:"session_end_reason"`
	Outcome          string `json:"outcome"`
	Grade            string `json:"grade"`
	File             string `json:"file"`
}

func recordOf(r *store.Record) recordJSON {
	return recordJSON{r.Time, r.Device, addrText(r.Src), r.SrcPort, r.SrcUser, r.SrcCountry, addrText(r.Dst), r.DstPort, r.DstCountry,
		r.Action, r.Rule, r.RuleID, r.ThreatName, r.ThreatID, r.Severity, r.Subtype, r.Type,
		r.Application, r.FromZone, r.ToZone, r.SessionEndReason, r.Outcome.String(), r.Grade.String(), r.Path}
}

// recordOfEvent gives all but the grade, which it has as evidence for a rule, and the file, of which its line knows nothing.
func recordOfEvent(ev *detect.Event) recordJSON {
	return recordJSON{ev.Time, ev.Device, addrText(ev.Src), ev.SrcPort, ev.SrcUser, ev.SrcCountry, addrText(ev.Dst), ev.DstPort, ev.DstCountry,
		ev.Action, ev.Rule, ev.RuleID, ev.ThreatName, ev.ThreatID, ev.Severity, ev.Subtype, ev.Type.String(),
		ev.Application, ev.SrcZone, ev.DstZone, ev.EndReason, ev.Session.String(), "", ""}
}

// search prints the records that match.
func (r *recordsCommand) search(ctx context.Context, filter store.RecordFilter) error {
	p, done := r.showProgress()
	defer done()
	out, err := r.writer()
	if err != nil {
		return err
	}
	cfg, err := r.loadPart(config.PartStore, config.PartAdmin)
	if err != nil {
		return err
	}
	st, err := r.open(ctx, cfg, reads)
	if err != nil {
		return err
	}
	defer st.Close()
	n, last := 0, time.Time{}
	err = st.Records(ctx, filter, func(rec *store.Record) error {
		n, last = n+1, rec.Time
		p.note(rec)
		return out.write(rec)
	})
	done()
	stopped := errors.Is(err, store.ErrStopped)
	if err != nil && !stopped {
		return err
	}
	if err := out.end(!stopped); err != nil {
		return err
	}
	if stopped {
		return &statusError{exitFailed, stoppedAfter(filter.Within, n, last)}
	}
	return r.searched(ctx, st, cfg, out, filter, n)
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
func (r *recordsCommand) searched(ctx context.Context, st *store.Store, cfg *config.Config, out recordsWriter, filter store.RecordFilter, n int) error {
	r.sayUnseen(ctx, st, perhapsSlips(filter, n > 0))
	for _, hint := range []string{deviceHint(cfg, filter.Device...), ruleHint(cfg, filter.Rule)} {
		if n == 0 && hint != "" {
			fmt.Fprintln(r.stderr, hint)
		}
	}
	if _, quiet := out.(*jsonRecords); n > 0 && n == filter.Limit && !quiet {
		fmt.Fprintf(r.stderr, "the newest %d; there may be more (--limit)\n", n)
	}
	return nil
}

// unseenTimeout bounds the look for what records have instead, which goes through all of the time that was searched.
const unseenTimeout = 5 * time.Second

// sayUnseen says which of the values asked for no record has at all, so that a slip is not taken for good news. What cannot be found
// out in time is not said.
func (r *recordsCommand) sayUnseen(ctx context.Context, st *store.Store, filter store.RecordFilter) {
	ctx, cancel := context.WithTimeout(ctx, unseenTimeout)
	defer cancel()
	list, err := st.Unseen(ctx, filter)
	if err != nil {
		return // the search itself has said what is wrong with the store
	}
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

// perhapsSlips leaves of a filter what may be a slip: all that is asked for where nothing was found; else where there are several values
// for a field, of which one has found something.
func perhapsSlips(f store.RecordFilter, found bool) store.RecordFilter {
	for _, values := range []*[]string{&f.SrcCountry, &f.DstCountry, &f.User, &f.Severity, &f.Device, &f.Action, &f.Type, &f.Subtype, &f.Rule, &f.ThreatID, &f.Application, &f.Zone, &f.EndReason} {
		if found && len(*values) < 2 {
			*values = nil
		}
	}
	return f
}

// flagOf names the flag that searches a column.
func flagOf(column string) string {
	other := map[string]string{"src_user": "user", "from_zone": "zone", "session_end_reason": "end-reason"}
	return "--" + cmp.Or(other[column], strings.ReplaceAll(column, "_", "-"))
}

// ruleHint says for names that --rule has, if one is that of a rule of detection or of a firewall, that a security rule's is meant; ""
// if none is.
func ruleHint(cfg *config.Config, rules []string) string {
	for _, name := range rules {
		if slices.Contains(listedRules, strings.ToLower(name)) || deviceHint(cfg, name) != "" {
			return fmt.Sprintf("--rule is the name of the firewall's security rule, and %q is not; what a rule of detection found: activedefense blacklist list --rule", name)
		}
	}
	return ""
}

// endpoint writes "203.0.113.7:443 (Country)".
func endpoint(addr netip.Addr, port uint16, country string) string {
	if !addr.IsValid() {
		return ""
	}
	text := netip.AddrPortFrom(addr, port).String()
	if port == 0 {
		text = addr.String() // of a protocol or a log without ports
	}
	if country != "" {
		text += " (" + country + ")"
	}
	return text
}

// addrText writes an address, and nothing for one that is missing.
func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
