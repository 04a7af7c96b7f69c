package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/userid"
)

const (
	// scanPorts is how many ports a scan reaches: one more than detect.port_scan lets pass.
	scanPorts = 11
	// mostScans is how many there may be idle, and as many loaded: each has a source of its own in 203.0.0.0/16.
	mostScans = 10_000
)

// lineToTag measures the time from the writing of the line that completes a scan to its tag on a simulated firewall, on loopback and without
// delay: first of half of the scans with nothing else, then with so many other lines a second; all are kept.
func (b *bench) lineToTag(ctx context.Context) error {
	tagged := make(chan userid.Change, 1000)
	sim, err := panosim.Start(panosim.Options{MaxRegistered: 100_000, OnChange: func(c userid.Change) {
		select {
		case tagged <- c:
		default: // nobody waits
		}
	}})
	if err != nil {
		return err
	}
	defer sim.Close()
	h, err := b.newHome("", sim)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(h.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	d, err := h.start()
	if err != nil {
		return err
	}
	defer d.kill()
	if err := d.ready(ctx); err != nil {
		return err
	}
	s := &scanner{log: log, tagged: tagged}
	if err := b.scanned(ctx, s, "idle"); err != nil {
		return err
	}
	if b.load == 0 {
		b.reasons["loaded"] = "--load 0"
	} else if err := b.loaded(ctx, s); err != nil {
		return err
	}
	return d.stop()
}

// scanned notes how long each tag takes.
func (b *bench) scanned(ctx context.Context, s *scanner, what string) error {
	until := idleUntil
	if what == "loaded" {
		until = loadedUntil
	}
	return b.rounds("scans, "+what+",", b.scans, until, func(int) error {
		took, err := s.scan(ctx)
		if err == nil {
			b.note(what, took)
		}
		return err
	})
}

// loaded does so while other lines are written.
func (b *bench) loaded(ctx context.Context, s *scanner) error {
	loading, stop := context.WithCancel(ctx)
	var group errgroup.Group
	written, began := 0, time.Now()
	group.Go(func() (err error) { written, err = b.writeLoad(loading, s.log); return err })
	err := b.scanned(ctx, s, "loaded")
	stop()
	if wrote := group.Wait(); err == nil {
		err = wrote
	}
	if errors.Is(err, errLate) { // it cannot keep up, and more scans would tell no more
		b.note("loaded", float64(patience.Milliseconds()))
		b.reasons["loaded"] = "no more scans, for it falls behind: " + err.Error()
		err = nil
	}
	b.note("load", float64(written)/time.Since(began).Seconds())
	return err
}

// writeLoad writes lines evenly until ctx ends, and gives how many.
func (b *bench) writeLoad(ctx context.Context, log *os.File) (written int, err error) {
	random := newRandom()
	const every = 5 * time.Millisecond
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	began, text := time.Now(), []byte(nil)
	for {
		select {
		case <-ctx.Done():
			return written, nil
		case now := <-ticker.C:
			text = text[:0]
			for due := int(now.Sub(began).Seconds() * float64(b.load)); written < due; written++ {
				text = b.log.append(text, written, now.UTC(), random)
			}
			if _, err := log.Write(text); err != nil {
				return written, err
			}
		}
	}
}

var errLate = errors.New("no tag")

// A scanner writes scans and waits for their tags.
type scanner struct {
	log    *os.File
	tagged <-chan userid.Change
	scans  int
}

// scan gives the milliseconds that the tag of one more source took.
func (s *scanner) scan(ctx context.Context) (float64, error) {
	source := fmt.Sprintf("203.0.%d.%d", 100+s.scans/250, 1+s.scans%250)
	s.scans++
	text, now := []byte(nil), time.Now().UTC()
	line := func(port int) {
		text = fmt.Appendf(text, "%s LAB-FW-01 SrcLocation=Nowhere; SrcIP=%s; SrcPort=40000; SrcUser=; DstLocation=Australia; DstIP=198.51.100.7; DstPort=%d; Action=drop; RuleName=internet sensor; "+
			"RuleID=; TimeReceived=%s; ThreatName=; ThreatID=; Severity=; Subtype=drop; Type=TRAFFIC;\n", now.Format(time.RFC3339), source, port, now.Format("2006/01/02 15:04:05"))
	}
	for port := range scanPorts - 1 {
		line(1000 + port)
	}
	if _, err := s.log.Write(text); err != nil {
		return 0, err
	}
	text = text[:0]
	line(5000)
	began := time.Now()
	if _, err := s.log.Write(text); err != nil {
		return 0, err
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		select {
		case c := <-s.tagged:
			if c.Address.Addr().String() == source {
				return c.Time.Sub(began).Seconds() * 1000, nil
			}
		case <-late.C:
			return 0, fmt.Errorf("%w for %s within %s", errLate, source, patience)
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}
