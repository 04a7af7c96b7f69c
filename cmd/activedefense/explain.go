package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"activedefense/agent"
	"activedefense/agent/api"
	"activedefense/agent/display"
	"activedefense/agent/geo"
	"activedefense/agent/line"
	"activedefense/agent/output"
	"activedefense/config"
	"activedefense/detect"
	"activedefense/detect/panos"
	"activedefense/store"
)

// maxExplained bounds the line read from standard input.
const maxExplained = 64 << 10

// explainCommand is `explain`, for one line of log.
type explainCommand struct{ *app }

func newExplainCommand(a *app) *cobra.Command {
	e := &explainCommand{a}
	return &cobra.Command{
		Use:   "explain [LINE]",
		Short: "Parse one log line and say which rules count it, and how",
		Long:  `Parses one log line, given as the argument or on standard input, and says which rules count it, and how.`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageErrorf("explain takes one line, and %d arguments were given: put the line in quotes", len(args))
			}
			line, err := e.oneLine(args)
			if err != nil {
				return err
			}
			return e.explain(c.Context(), line)
		},
	}
}

func (e *explainCommand) oneLine(args []string) (string, error) {
	text := ""
	if len(args) == 1 {
		text = args[0]
	} else {
		data, err := io.ReadAll(io.LimitReader(e.stdin, maxExplained))
		if err != nil {
			return "", fmt.Errorf("read standard input: %w", err)
		}
		text = string(data)
	}
	text, rest, _ := strings.Cut(strings.TrimLeft(text, "\r\n\x00"), "\n") // NULs as copytruncate leaves them
	if strings.TrimSpace(text) == "" {
		return "", usageErrorf("no line given: pass one as the argument or on standard input")
	}
	if strings.TrimSpace(rest) != "" {
		fmt.Fprintln(e.stderr, "more than one line was given; this is the first. All of a file: activedefense replay FILE")
	}
	return strings.TrimSuffix(text, "\r"), nil
}

// explainJSON is one line, explained.
type explainJSON struct {
	api.Record
	Direction string         `json:"direction"`
	Protocol  string         `json:"protocol"`
	Category  string         `json:"category"`
	Client    string         `json:"client"` // that a proxy named
	NATSrc    string         `json:"nat_src"`
	NATSPort  uint16         `json:"nat_src_port"`
	NATDst    string         `json:"nat_dst"`
	NATDPort  uint16         `json:"nat_dst_port"`
	Traffic   *trafficJSON   `json:"traffic,omitempty"` // where the log counts it
	Repeat    uint32         `json:"repeat"`
	OrLater   string         `json:"or_later,omitempty"` // the clock passed the time twice, and the line does not say which it was
	Rules     []countingJSON `json:"rules"`
	Guard     string         `json:"guard,omitempty"`   // why the source may never be blocked
	Blocked   string         `json:"blocked,omitempty"` // that it came while its source was blocked, and so counted for no rule
}

// trafficJSON is what a session carried in each direction.
type trafficJSON struct {
	BytesSent       uint64 `json:"bytes_sent"`
	BytesReceived   uint64 `json:"bytes_received"`
	PacketsSent     uint64 `json:"packets_sent"`
	PacketsReceived uint64 `json:"packets_received"`
}

// recordOfEvent gives all but the grade, which it has as evidence for a rule, and the file, of which its line knows nothing.
func recordOfEvent(ev *detect.Event) api.Record {
	return api.Record{Time: ev.Time, Device: ev.Device, Src: api.AddrText(ev.Src), SrcPort: ev.SrcPort, SrcUser: ev.SrcUser, SrcCountry: ev.SrcCountry,
		Dst: api.AddrText(ev.Dst), DstPort: ev.DstPort, DstCountry: ev.DstCountry, Action: ev.Action, Rule: ev.Rule, RuleID: ev.RuleID,
		ThreatName: ev.ThreatName, ThreatID: ev.ThreatID, Severity: ev.Severity, Subtype: ev.Subtype, Type: ev.Type.String(),
		Application: ev.Application, FromZone: ev.SrcZone, ToZone: ev.DstZone, SessionEndReason: ev.EndReason, Outcome: ev.Session.String()}
}

// explainedOf gives every field of an event.
func explainedOf(ev *detect.Event) explainJSON {
	out := explainJSON{Record: recordOfEvent(ev), Direction: ev.Direction.String(), Protocol: ev.Protocol.String(), Category: ev.Category,
		Client: api.AddrText(ev.Client), NATSrc: api.AddrText(ev.NATSrc), NATSPort: ev.NATSrcPort, NATDst: api.AddrText(ev.NATDst), NATDPort: ev.NATDstPort,
		Repeat: max(ev.Repeat, 1)}
	if ev.Later != 0 {
		out.OrLater = ev.Later.String()
	}
	if t := ev.Traffic; t.Counted {
		out.Traffic = &trafficJSON{t.BytesSent, t.BytesReceived, t.PacketsSent, t.PacketsReceived}
	}
	return out
}

type countingJSON struct {
	Rule   string `json:"rule"`
	Counts bool   `json:"counts"`
	Text   string `json:"text"`
}

func (e *explainCommand) explain(ctx context.Context, text string) error {
	cfg, err := e.loadPart(config.PartInputs, config.PartRules, config.PartOurs, config.PartStore)
	if err != nil {
		return err
	}
	in := config.Input{Format: "auto", Location: time.Local}
	if len(cfg.Inputs) > 0 {
		in = cfg.Inputs[0]
	}
	format, err := panos.ParseFormat(in.Format)
	if err != nil {
		return err
	}
	var ev detect.Event
	err = panos.New(panos.Options{Format: format, Location: in.Location}).Parse([]byte(text), time.Now(), &ev)
	cut := errors.Is(err, detect.ErrCut)
	if errors.Is(err, panos.ErrIgnored) {
		return fmt.Errorf("the line is ignored: %w", err)
	}
	if err != nil && !cut {
		return fmt.Errorf("the line cannot be parsed: %w", err)
	}
	line.Locate(&ev, geo.Open(cfg.Geo.File, time.Now).Countries())
	ev.Judge()
	blocked := ""
	known := e.known(ctx, cfg, func(st *store.Store) { blocked = whileBlocked(ctx, st, &ev) })
	guard := known.Guard
	countings := agent.Settings(cfg).Explain(&ev, guard, known.Ours)
	for i := range countings {
		if cut {
			countings[i].Text = fmt.Sprintf("%v: %v", detect.ErrCut, err)
		}
	}
	if e.json {
		out := explainedOf(&ev)
		out.Blocked = blocked
		if err := guard.CheckAddr(ev.Src); err != nil {
			out.Guard = err.Error()
		}
		for _, c := range countings {
			out.Rules = append(out.Rules, countingJSON{c.Rule, c.Counts, c.Text})
			out.Grade = cmp.Or(out.Grade, c.Grade.String())
		}
		return e.printJSON(out)
	}
	if err := e.writeText(&ev, countings); err != nil || blocked == "" {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "\nAs it came, it counted for no rule: %s\n", blocked)
	return err
}

// whileBlocked says that a record came while its source was blocked, by itself or with a network; "" if it did not, as far as is known.
func whileBlocked(ctx context.Context, st *store.Store, ev *detect.Event) string {
	if !ev.Src.IsValid() {
		return ""
	}
	entries, err := st.Covering(ctx, ev.Src)
	if err != nil {
		return "" // the store has nothing else to say here
	}
	for _, e := range entries {
		if e.State == store.Blocked && !ev.Time.Before(e.BlockedAt) && (e.ReleasedAt.IsZero() || ev.Time.Before(e.ReleasedAt)) {
			return fmt.Sprintf("%s was blocked from %s on (%s), and what comes from a blocked source is recorded, without a grade, and prolongs its block", detect.AddressText(e.Address), display.LocalTime(e.BlockedAt), e.Rule)
		}
	}
	return ""
}

func (e *explainCommand) writeText(ev *detect.Event, countings []detect.Counting) error {
	t := display.NewTable(e.stdout)
	application, ended, repeated := "application", "ended by", "merged by syslog"
	if ev.Type == detect.TypeGlobalProtect || ev.Type == detect.TypeSystem {
		application, ended, repeated = "method", "reason", "counted by the firewall or merged by syslog"
	}
	for _, f := range [][2]any{
		{"type", strings.TrimSpace(ev.Type.String() + " " + ev.Subtype)}, {"time", display.LocalTime(ev.Time)}, {"device", ev.Device},
		{"source", output.Endpoint(ev.Src, ev.SrcPort, ev.SrcCountry)}, {"user", ev.SrcUser},
		{"destination", output.Endpoint(ev.Dst, ev.DstPort, ev.DstCountry)}, {"zones", output.Zones(ev.SrcZone, ev.DstZone)},
		{application, strings.TrimSpace(ev.Application + " " + ev.Protocol.String())}, {ended, ev.EndReason},
		{"action", ev.Action}, {"rule", strings.TrimSpace(ev.Rule + " " + ev.RuleID)},
		{"threat", strings.TrimSpace(ev.ThreatName + " " + ev.ThreatID)}, {"severity", ev.Severity},
	} {
		if f[1] != "" {
			t.Row(f[0], f[1])
		}
	}
	if ev.Repeat > 1 {
		t.Row("repeated", fmt.Sprintf("%d times (%s)", ev.Repeat, repeated))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(e.stdout)
	t = display.NewTable(e.stdout, "RULE", "COUNTS", "HOW")
	for _, c := range countings {
		counts := "no"
		if c.Counts {
			counts = "yes"
		}
		t.Row(c.Rule, counts, c.Text)
	}
	return t.Flush()
}
