package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"activedefense/agent"
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
	since, until, src, dst string
	srcPort, dstPort       int
	srcCountry, dstCountry string
	user, severity, device string
	action, typ            string
	limit                  int
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
		Use:   "records",
		Short: "Search the stored log records, newest first",
		Long: `Searches the stored log records, newest first. A time is a duration back from now (24h, 7d), a
date, or RFC 3339; addresses may be networks.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
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
	flags.StringVar(&f.src, "src", "", "source `ADDRESS` or network")
	flags.StringVar(&f.dst, "dst", "", "destination `ADDRESS` or network")
	flags.IntVar(&f.srcPort, "src-port", -1, "source `PORT`")
	flags.IntVar(&f.dstPort, "dst-port", -1, "destination `PORT`")
	for _, name := range []string{"src-port", "dst-port"} {
		flags.Lookup(name).DefValue = "0" // which help takes for none: -1 would read as a port
	}
	flags.StringVar(&f.srcCountry, "src-country", "", "source `COUNTRY` as in the log")
	flags.StringVar(&f.dstCountry, "dst-country", "", "destination `COUNTRY` as in the log")
	flags.StringVar(&f.user, "user", "", "source `USER`; * stands for anything")
	flags.StringVar(&f.severity, "severity", "", "`SEVERITY` of the threat")
	flags.StringVar(&f.device, "device", "", "firewall `NAME`")
	flags.StringVar(&f.action, "action", "", "`ACTION` of the firewall")
	flags.StringVar(&f.typ, "type", "", "`TYPE`: traffic or threat")
	flags.IntVar(&f.limit, "limit", recordsLimit, "at most `N` records; 0 for all")
	return c
}

// filter checks the flags.
func (f *recordsFlags) filter(now time.Time) (store.RecordFilter, error) {
	out := store.RecordFilter{SrcCountry: f.srcCountry, DstCountry: f.dstCountry, User: f.user, Severity: f.severity,
		Device: f.device, Action: f.action, Type: f.typ, Limit: f.limit}
	var err error
	if out.Since, err = parseTime("--since", f.since, now); err != nil {
		return out, err
	}
	if out.Until, err = parseTime("--until", f.until, now); err != nil {
		return out, err
	}
	for _, p := range []struct {
		text string
		into *netip.Prefix
	}{{f.src, &out.Src}, {f.dst, &out.Dst}} {
		if p.text != "" {
			if *p.into, err = parsePrefix(p.text); err != nil {
				return out, err
			}
		}
	}
	for _, p := range []struct {
		flag string
		port int
		into **uint16
	}{{"--src-port", f.srcPort, &out.SrcPort}, {"--dst-port", f.dstPort, &out.DstPort}} {
		if p.port > 65535 || p.port < -1 {
			return out, usageErrorf("%s %d: a port is 0 to 65535", p.flag, p.port)
		}
		if p.port >= 0 {
			port := uint16(p.port)
			*p.into = &port
		}
	}
	if f.typ != "" && !strings.EqualFold(f.typ, detect.TypeTraffic.String()) && !strings.EqualFold(f.typ, detect.TypeThreat.String()) {
		return out, usageErrorf("--type %q: the types are traffic and threat", f.typ)
	}
	if f.limit < 0 {
		return out, usageErrorf("--limit %d: give the number of records, or 0 for all", f.limit)
	}
	return out, nil
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
}

func recordOf(r *store.Record) recordJSON {
	return recordJSON{r.Time, r.Device, addrText(r.Src), r.SrcPort, r.SrcUser, r.SrcCountry, addrText(r.Dst), r.DstPort, r.DstCountry,
		r.Action, r.Rule, r.RuleID, r.ThreatName, r.ThreatID, r.Severity, r.Subtype, r.Type}
}

func recordOfEvent(ev *detect.Event) recordJSON {
	return recordJSON{ev.Time, ev.Device, addrText(ev.Src), ev.SrcPort, ev.SrcUser, ev.SrcCountry, addrText(ev.Dst), ev.DstPort, ev.DstCountry,
		ev.Action, ev.Rule, ev.RuleID, ev.ThreatName, ev.ThreatID, ev.Severity, ev.Subtype, ev.Type.String()}
}

// search prints the records that match.
func (r *recordsCommand) search(ctx context.Context, filter store.RecordFilter) error {
	cfg, _, err := r.load()
	if err != nil {
		return err
	}
	st, err := r.open(ctx, cfg)
	if err != nil {
		return err
	}
	defer st.Close()
	if r.json {
		return st.Records(ctx, filter, func(rec *store.Record) error { return r.printJSON(recordOf(rec)) })
	}
	t := agent.NewTable(r.stdout, "TIME", "DEVICE", "SOURCE", "DESTINATION", "TYPE", "ACTION", "RULE", "SEVERITY", "THREAT")
	n := 0
	err = st.Records(ctx, filter, func(rec *store.Record) error {
		n++
		t.Row(agent.LocalTime(rec.Time), rec.Device, endpoint(rec.Src, rec.SrcPort, rec.SrcCountry), endpoint(rec.Dst, rec.DstPort, ""),
			rec.Type+" "+rec.Subtype, rec.Action, rec.Rule, rec.Severity, rec.ThreatName)
		if n%recordsPage == 0 {
			return t.Flush() // an error is that of the output: nobody reads on
		}
		return nil
	})
	if err != nil {
		return err
	}
	if n == 0 {
		fmt.Fprintln(r.stdout, "no records match")
		return nil
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if n == filter.Limit {
		fmt.Fprintf(r.stderr, "the newest %d; there may be more (--limit)\n", n)
	}
	return nil
}

// endpoint writes "203.0.113.7:443 (Country)".
func endpoint(addr netip.Addr, port uint16, country string) string {
	if !addr.IsValid() {
		return ""
	}
	text := netip.AddrPortFrom(addr, port).String()
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
