package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"activedefense/agent/display"
	"activedefense/agent/line"
	"activedefense/config"
	"activedefense/detect"
	"activedefense/detect/panos"
	"activedefense/detect/pattern"
	"activedefense/store"
)

// ExplainedLine is one line of log, explained.
type ExplainedLine struct {
	Record
	Direction string          `json:"direction"`
	Protocol  string          `json:"protocol"`
	Category  string          `json:"category"`
	Client    string          `json:"client"` // that a proxy named
	NATSrc    string          `json:"nat_src"`
	NATSPort  uint16          `json:"nat_src_port"`
	NATDst    string          `json:"nat_dst"`
	NATDPort  uint16          `json:"nat_dst_port"`
	Traffic   *SessionTraffic `json:"traffic,omitempty"` // where the log counts it
	Repeat    uint32          `json:"repeat"`
	OrLater   string          `json:"or_later,omitempty"` // the clock passed the time twice, and the line does not say which it was
	Pattern   *TakenBy        `json:"pattern,omitempty"`  // that took the line, where its input has patterns
	Rules     []LineCounting  `json:"rules"`
	Guard     string          `json:"guard,omitempty"`   // why the source may never be blocked
	Blocked   string          `json:"blocked,omitempty"` // that it came while its source was blocked, and so counted for no rule
}

// TakenBy is the pattern that took a line.
type TakenBy struct {
	Number int    `json:"number"` // its place among those of its input, from 1 on, with those of sets counted one by one
	Event  string `json:"event"`
	Regexp string `json:"regexp"`
}

// SessionTraffic is what a session carried in each direction.
type SessionTraffic struct {
	BytesSent       uint64 `json:"bytes_sent"`
	BytesReceived   uint64 `json:"bytes_received"`
	PacketsSent     uint64 `json:"packets_sent"`
	PacketsReceived uint64 `json:"packets_received"`
}

// recordOfEvent gives all but the grade, which it has as evidence for a rule, and the file, of which its line knows nothing.
func recordOfEvent(ev *detect.Event) Record {
	return Record{Time: ev.Time, Device: ev.Device, Src: AddrText(ev.Src), SrcPort: ev.SrcPort, SrcUser: ev.SrcUser, SrcCountry: ev.SrcCountry,
		Dst: AddrText(ev.Dst), DstPort: ev.DstPort, DstCountry: ev.DstCountry, Action: ev.Action, Rule: ev.Rule, RuleID: ev.RuleID,
		ThreatName: ev.ThreatName, ThreatID: ev.ThreatID, Severity: ev.Severity, Subtype: ev.Subtype, Type: ev.Type.String(),
		Application: ev.Application, FromZone: ev.SrcZone, ToZone: ev.DstZone, SessionEndReason: ev.EndReason, Outcome: ev.Session.String()}
}

// explainedOf gives every field of an event.
func explainedOf(ev *detect.Event) ExplainedLine {
	out := ExplainedLine{Record: recordOfEvent(ev), Direction: ev.Direction.String(), Protocol: ev.Protocol.String(), Category: ev.Category,
		Client: AddrText(ev.Client), NATSrc: AddrText(ev.NATSrc), NATSPort: ev.NATSrcPort, NATDst: AddrText(ev.NATDst), NATDPort: ev.NATDstPort,
		Repeat: max(ev.Repeat, 1)}
	if ev.Type == detect.TypeLog { // its pattern says it, and no rule has to count it
		out.Grade = detect.GradeOf(ev).String()
	}
	if ev.Later != 0 {
		out.OrLater = ev.Later.String()
	}
	if t := ev.Traffic; t.Counted {
		out.Traffic = &SessionTraffic{t.BytesSent, t.BytesReceived, t.PacketsSent, t.PacketsReceived}
	}
	return out
}

// LineCounting says of a rule whether it counts a record, and how, or why not.
type LineCounting struct {
	Rule   string `json:"rule"`
	Counts bool   `json:"counts"`
	Text   string `json:"text"`
}

// LineAnswer is what GET explain gives.
type LineAnswer struct {
	ExplainedLine
	Notes []string `json:"notes,omitempty"` // what could not be looked at
}

// maxLine bounds a line, as reading does.
const maxLine = 64 << 10

// explainLine parses a line as the input that is named would, else the first of the firewalls' logs, and says which rules count it.
func explainLine(a *API, c *call) error {
	text := c.query.Get("line")
	if strings.TrimSpace(text) == "" {
		return Usagef("line is missing: give a line of log")
	}
	if len(text) > maxLine {
		return Usagef("the line has %d bytes, and is read up to %d", len(text), maxLine)
	}
	cfg, ctx := a.opts.Config, c.r.Context()
	in, err := inputNamed(cfg, c.query.Get("input"))
	if err != nil {
		return err
	}
	var ev detect.Event
	taken, err := parseLine(&in, text, a.opts.Now(), &ev)
	cut := errors.Is(err, detect.ErrCut)
	if errors.Is(err, detect.ErrNoEvent) {
		return faultf(http.StatusUnprocessableEntity, "the line is ignored: %w", err)
	}
	if err != nil && !cut {
		return faultf(http.StatusUnprocessableEntity, "the line cannot be parsed: %w", err)
	}
	if a.opts.Countries != nil {
		line.Locate(&ev, a.opts.Countries())
	}
	ev.Judge()
	out := LineAnswer{ExplainedLine: explainedOf(&ev)}
	out.Pattern = taken
	note := func(err error) {
		out.Notes = append(out.Notes, fmt.Sprintf("what the firewalls said of themselves is not known here, and counts for nothing: %v", err))
	}
	st, missing := a.opts.Store()
	if missing != nil {
		note(missing)
	} else if st != nil {
		out.Blocked = whileBlocked(ctx, st, &ev)
	}
	known, knownErr := a.opts.Known(ctx)
	if known == nil {
		return cmp.Or(knownErr, error(faultf(http.StatusServiceUnavailable, "the daemon does not know yet what is ours")))
	}
	if knownErr != nil {
		note(knownErr)
	}
	if err := known.Guard.CheckAddr(ev.Src); err != nil {
		out.Guard = err.Error()
	}
	far := a.nearest(ctx, st, &ev)
	for _, r := range a.opts.Settings.Explain(&ev, known.Guard, known.Ours) {
		if near := far(r); near != "" {
			r.Text += "; the records of the source have at most " + near
		}
		if cut {
			r.Text = whyCut(err)
		}
		out.Rules = append(out.Rules, LineCounting{r.Rule, r.Counts, r.Text})
		out.Grade = cmp.Or(out.Grade, r.Grade.String())
	}
	return c.answer(http.StatusOK, out)
}

// whyCut says why a line counts for no rule of which it may not have everything.
func whyCut(err error) string {
	if err == panos.ErrUncertainLogin || err == panos.ErrUncertainThreat { // not by the firewall
		return err.Error()
	}
	return fmt.Sprintf("%v: %v", detect.ErrCut, err)
}

// nearest gives a function that says, of a custom rule which counts an event, how near to it the stored records of its source have come; ""
// where there are none, or for another rule.
func (a *API) nearest(ctx context.Context, st *store.Store, ev *detect.Event) func(detect.Counting) string {
	return func(r detect.Counting) string {
		if !r.Counts || st == nil || !slices.ContainsFunc(a.opts.Settings.Custom, func(c detect.CustomRule) bool { return c.Name == r.Rule }) {
			return ""
		}
		u, err := a.unlisted(ctx, st, netip.PrefixFrom(ev.Src, ev.Src.BitLen()))
		if err != nil {
			return "" // what the line counts for is known without
		}
		for _, near := range u.Near {
			if near.Rule == r.Rule {
				return near.Text
			}
		}
		return ""
	}
}

// inputNamed gives the input to which a path belongs; "": the first of the firewalls' logs.
func inputNamed(cfg *config.Config, path string) (config.Input, error) {
	if path == "" {
		return cfg.FirstInput(), nil
	}
	in, ok := cfg.InputOf(path)
	if !ok {
		var paths []string
		for _, in := range cfg.Inputs {
			paths = append(paths, in.Name())
		}
		return in, Usagef("%s belongs to no input of the configuration; those are %s", path, strings.Join(paths, ", "))
	}
	return in, nil
}

// parseLine reads a line as an input does. An error that is [detect.ErrNoEvent] of a line that a pattern took comes with that pattern.
func parseLine(in *config.Input, text string, at time.Time, ev *detect.Event) (*TakenBy, error) {
	if in.Patterns == nil {
		format, err := panos.ParseFormat(in.Format)
		if err != nil {
			return nil, err
		}
		return nil, panos.New(panos.Options{Format: format, Location: in.Location}).Parse([]byte(text), at, ev)
	}
	parser := pattern.New(in.Patterns, pattern.Options{Location: in.Location})
	err := parser.Parse([]byte(text), at, ev)
	n := parser.Took()
	if n < 0 {
		return nil, fmt.Errorf("%w (the %d patterns of %s)", err, in.Patterns.Len(), in.Name())
	}
	p := in.Patterns.At(n)
	if err != nil {
		err = fmt.Errorf("pattern %d of %s, for %s, took it: %w", n+1, in.Name(), p.Event, err)
	}
	return &TakenBy{n + 1, p.Event, p.Regexp}, err
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
