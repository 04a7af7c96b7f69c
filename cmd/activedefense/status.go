package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"activedefense/agent"
	"activedefense/agent/display"
	"activedefense/agent/enforce"
	"activedefense/agent/line"
	"activedefense/firewall/policy"
)

const (
	statusTimeout = 5 * time.Second
	statusMost    = 16 << 20 // bytes of an answer
)

// statusCommand is `status`: it asks a running daemon, and writes its answer for people.
type statusCommand struct{ *app }

func newStatusCommand(a *app) *cobra.Command {
	c := &statusCommand{a}
	return &cobra.Command{
		Use:   "status",
		Short: "Show what a running daemon does: files, lag, rates, each firewall's state",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return c.status(cmd.Context()) },
	}
}

func (c *statusCommand) status(ctx context.Context) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if cfg.Admin.Listen == "" {
		return fmt.Errorf("admin.listen is empty, so a running daemon cannot be queried")
	}
	s, err := fetchStatus(ctx, adminURL(cfg.Admin.Listen), statusTimeout)
	if err != nil {
		return err
	}
	if c.json {
		err = c.printJSON(s)
	} else {
		err = c.writeText(s)
	}
	if err == nil && !s.Ready {
		return &statusError{code: exitFailed}
	}
	return err
}

// adminURL is where this host reaches an address to listen on.
func adminURL(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "http://" + listen // the configuration was validated
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

func fetchStatus(ctx context.Context, base string, within time.Duration) (*agent.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/status", nil)
	if err != nil {
		return nil, err
	}
	// Without a Proxy there is none, whatever the environment says: the daemon is here or in the management network.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("no daemon responds at %s (is it running? see systemctl status activedefense): %w", base, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s responds with %s; is that the daemon's admin.listen?", base, response.Status)
	}
	var s agent.Status
	if err := json.NewDecoder(io.LimitReader(response.Body, statusMost)).Decode(&s); err != nil {
		return nil, fmt.Errorf("read the response of %s: %w", base, err)
	}
	return &s, nil
}

func (c *statusCommand) writeText(s *agent.Status) error {
	ready := "ready"
	if !s.Ready {
		ready = "NOT READY: " + strings.Join(s.NotReady, "; ")
	}
	t := display.NewTable(c.stdout)
	t.Row("agent", fmt.Sprintf("%s, up %s, %s", s.Version, span(s.Now.Sub(s.Started)), ready))
	for _, trouble := range s.Troubles {
		t.Row("TROUBLE", trouble.What+" (since "+display.LocalTime(trouble.Since)+"). "+trouble.Remedy)
	}
	store := "ok"
	if !s.Store.OK {
		store = fmt.Sprintf("UNAVAILABLE since %s: %s", localPtr(s.Store.Since), s.Store.Error)
	}
	if s.Store.Kind != "" {
		store = placeText(s.Store.Kind, s.Store.Host, s.Store.Database) + ", " + store
	}
	t.Row("store", fmt.Sprintf("%s, last commit %s", store, localPtr(s.Store.LastCommit)))
	t.Row("reading", fmt.Sprintf("%.0f lines/s; %s in memory, %s evicted", s.Rate, plural(s.Detect.Sources, "source"), grouped(s.Detect.Evicted)))
	title := "detection"
	for text := range strings.SplitSeq(detectionText(&s.Detect), "\n") {
		t.Row(title, text)
		title = ""
	}
	t.Row("blacklist", blacklistText(s))
	for _, line := range oursTexts(s) {
		t.Row("ours", line)
	}
	if s.Waiting != "" {
		t.Row("releases", "WAITING for what cannot be read (except those at a fixed time): "+s.Waiting)
	}
	if l := s.List; l != nil {
		t.Row("list", fmt.Sprintf("%s (%s left out), last fetched %s, certificate until %s", plural(l.Entries, "entry"), grouped(l.LeftOut),
			display.LocalTime(l.LastFetch), display.LocalTime(l.CertNotAfter)))
		if trouble := strings.TrimSpace(l.CertError + " " + l.SaveError); trouble != "" {
			t.Row("", "TROUBLE: "+trouble)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if err := c.writeInputs(s); err != nil {
		return err
	}
	if err := c.writeFirewalls(s); err != nil {
		return err
	}
	if err := c.writePolicies(s); err != nil {
		return err
	}
	if len(s.BadLines) > 0 {
		fmt.Fprintln(c.stdout, "\nThe first lines that could not be parsed")
		for _, b := range s.BadLines {
			fmt.Fprintf(c.stdout, "  %s %s: %s\n    %s\n", display.LocalTime(b.Time), b.Path, b.Error, display.Harmless(b.Line))
		}
	}
	return nil
}

// mostElsewhere is the share of refused records to addresses that are not ours from which on one of our networks is missing.
const mostElsewhere = 0.1

// detectionText is how near others are to being blocked, and how much of what is refused comes from those who are.
func detectionText(d *line.DetectStatus) string {
	text := plural(d.NearThreshold, "source") + " near a threshold"
	since := ""
	if d.PartnersSince != nil {
		since = "\npartners known since " + localPtr(d.PartnersSince) + " (24 h needed): until then one whose address is forged may be blocked"
	}
	blocked, elsewhere, ok := d.Shares()
	if !ok {
		return text + since
	}
	text += fmt.Sprintf("; %.0f %% of the refused records are of blocked sources", 100*blocked)
	if elsewhere > mostElsewhere {
		text += fmt.Sprintf("\nTROUBLE: in %.0f %% of the refused records neither end is ours, and they count for nothing: name the missing network in networks.own", 100*elsewhere)
	}
	return text + since
}

// blacklistText is how many are blocked, and how many are not.
func blacklistText(s *agent.Status) string {
	text := grouped(s.Blacklist)
	if s.Held > 0 {
		text += fmt.Sprintf("; %s HELD: see \"blacklist list --held\", then accept or remove them", grouped(s.Held))
	}
	if s.Observed > 0 {
		text += fmt.Sprintf("; %s observed", grouped(s.Observed))
	}
	return text
}

func (c *statusCommand) writeInputs(s *agent.Status) error {
	fmt.Fprintln(c.stdout)
	t := display.NewTable(c.stdout, "FILE", "LINES", "RECORDS", "OTHER", "BAD", "CUT", "BEHIND", "LAG", "LAST EVENT", "TROUBLE")
	for _, in := range s.Inputs {
		trouble := in.Error
		if in.Clock != "" {
			trouble = strings.TrimPrefix(trouble+"; times are wrong: "+in.Clock, "; ")
		}
		t.Row(in.Path, grouped(in.Lines), grouped(in.Records), grouped(in.Ignored), grouped(in.Bad), grouped(in.Cut),
			bytesText(in.Behind), span(time.Duration(in.LagSeconds*float64(time.Second))), localPtr(in.LastEvent), trouble)
	}
	switch {
	case len(s.Inputs) == 0:
		t.Row("no file matches inputs[].path yet")
	case s.NotShown > 0:
		t.Row(fmt.Sprintf("and %s more", grouped(s.NotShown)))
	}
	return t.Flush()
}

func (c *statusCommand) writeFirewalls(s *agent.Status) error {
	if len(s.Firewalls) == 0 {
		return nil
	}
	fmt.Fprintln(c.stdout)
	t := display.NewTable(c.stdout, "FIREWALL", "MODE", "STATE", "MODEL", "VERSION", "HOLDS", "OF", "SEEN", "LAST SUCCESS", "TROUBLE")
	for _, f := range s.Firewalls {
		state, trouble := "up", []string{}
		switch {
		case f.Standby:
			state = "standby"
		case !f.Up:
			state = "DOWN"
		}
		if f.Error != "" {
			trouble = append(trouble, f.Error)
		}
		if f.FullSince != nil && f.Capacity > 0 {
			trouble = append(trouble, fmt.Sprintf("%s of %s used", grouped(f.CapacityUsed), grouped(f.Capacity)))
		}
		if f.LeftOut > 0 {
			trouble = append(trouble, fmt.Sprintf("%s LEFT OUT for want of room: forgeable before proven, longest quiet first", grouped(f.LeftOut)))
		}
		if f.Brake != "" {
			trouble = append(trouble, "BRAKE: "+f.Brake)
		}
		if f.RefusedCount > 0 {
			trouble = append(trouble, fmt.Sprintf("%d refused: %s", f.RefusedCount, strings.Join(f.Refused, ", ")))
		}
		if f.UnsupportedCount > 0 {
			trouble = append(trouble, fmt.Sprintf("%d on the list only: %s", f.UnsupportedCount, strings.Join(f.Unsupported, ", ")))
		}
		if f.ListIgnored+f.ListInvalid > 0 {
			trouble = append(trouble, fmt.Sprintf("list entries that it does not accept: %d ignored, %d invalid", f.ListIgnored, f.ListInvalid))
		}
		if f.Fallback {
			trouble = append(trouble, "the list is the fallback")
		}
		if f.Waiting > 0 {
			state += fmt.Sprintf(", next change in %s", span(time.Duration(f.Waiting*float64(time.Second))))
		}
		t.Row(f.Name, f.Mode, state, f.Model, f.Version, grouped(f.Tags), grouped(f.Desired), seenText(&f), localPtr(f.LastSuccess), strings.Join(trouble, "; "))
	}
	return t.Flush()
}

// seenText is when a firewall was last seen to hold what it holds, and how much of it was not.
func seenText(f *enforce.Status) string {
	text := localPtr(f.SeenAt)
	if f.Unseen > 0 {
		text += fmt.Sprintf(", %s not yet", grouped(f.Unseen))
	}
	return text
}

// writePolicies shows what does not hold of the firewalls' policies.
func (c *statusCommand) writePolicies(s *agent.Status) error {
	if len(s.Policies) == 0 {
		return nil
	}
	fmt.Fprintln(c.stdout)
	t := display.NewTable(c.stdout, "POLICIES OF", "CHECKED", "CHECK", "RESULT", "FOUND")
	for _, p := range s.Policies {
		shown := 0
		var last policy.Check
		for _, check := range p.Checks {
			if check.Result == "pass" {
				continue
			}
			found := check.Detail
			if sameFinding(check, last) {
				found = "the same"
			}
			t.Row(p.Firewall, localPtr(p.At), check.Check, strings.ToUpper(check.Result), found)
			last = check
			shown++
		}
		switch {
		case p.At == nil:
			t.Row(p.Firewall, "not yet")
		case shown == 0:
			t.Row(p.Firewall, localPtr(p.At), "all", "PASS")
		}
	}
	return t.Flush()
}

// oursTexts says what is known to be ours, and what is wrong with it.
func oursTexts(s *agent.Status) []string {
	o := s.Ours
	first := fmt.Sprintf("%s, and %s that are never blocked", plural(len(o.Networks), "network"), plural(len(o.Peers), "peer"))
	if o.NotShown > 0 {
		first += fmt.Sprintf("; and %s more", grouped(o.NotShown))
	}
	if !o.Known {
		first = "NO PUBLIC ADDRESS IS KNOWN TO BE OURS: records to any destination count; name your public networks in networks.own"
	}
	texts := []string{first}
	for _, a := range o.Asked {
		switch {
		case a.AskedAt == nil && a.Error != "":
			texts = append(texts, a.Firewall+" HAS NEVER SAID WHICH ADDRESSES ARE OURS: "+a.Error)
		case a.AskedAt == nil:
			texts = append(texts, a.Firewall+" has not said yet which addresses are ours")
		case a.Error != "":
			texts = append(texts, fmt.Sprintf("%s last said it at %s: %s", a.Firewall, localPtr(a.AskedAt), a.Error))
		}
		for _, t := range a.Troubles {
			texts = append(texts, a.Firewall+": "+t.What+"; "+t.Remedy)
		}
	}
	return texts
}
