package agent

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/edl"
	"activedefense/config"
	"activedefense/detect/panos"
	"activedefense/firewall"
	"activedefense/store"
)

const (
	// verifyFirst is when policies are looked at after the start, at the latest.
	verifyFirst = time.Minute
	// verifyAgain is when they are looked at once more after the firewall was brought level: by then what was put into
	// force must have taken effect. It is also the least time between two looks for that reason.
	verifyAgain = 2 * time.Minute
	verifyEvery = time.Hour
	// verifyTimeout bounds one look at one firewall, of some twenty calls.
	verifyTimeout = 5 * time.Minute
)

// Check is what one check of a firewall's policies found.
type Check = firewall.Check

// expectation is what a firewall of the configuration shall be like.
func expectation(cfg *config.Config, fw config.Firewall, entries, released []firewall.Entry, now time.Time) firewall.Expectation {
	want := firewall.Expectation{
		Mode: fw.Mode, Names: firewall.NamesFor(fw.Tag), InternetZones: fw.InternetZones, SyslogAddress: fw.SyslogAddress,
		Formats: formats(cfg.Inputs),
		Entries: entries, Released: released, MaxEntries: cfg.EDL.MaxEntries, EmptyEntry: cfg.EDL.EmptyEntry, Now: now,
	}
	if cfg.EDL.Listen == "" {
		return want
	}
	want.ListURL = cfg.EDL.URL
	certificate := cfg.EDL.TLS.CertFile
	if certificate == "" {
		certificate = filepath.Join(cfg.StateDir, edl.CertificateFile)
		// A command of a user who may not read the folder goes without; the daemon can.
		want.CA, _ = os.ReadFile(filepath.Join(cfg.StateDir, edl.CAFile))
	}
	want.CertificateEnds = certificateEnd(certificate)
	return want
}

// notBefore gives the entries as if none had been blocked before the start: a firewall is given the time to take in what it
// is told then that it is given after a block.
func notBefore(entries []firewall.Entry, start time.Time) []firewall.Entry {
	entries = slices.Clone(entries)
	for i := range entries {
		if e := &entries[i]; e.Since.Before(start) {
			e.Since = start
		}
	}
	return entries
}

// formats are those that any of the inputs reads: which of them a firewall's logs go to, the configuration does not say.
func formats(inputs []config.Input) firewall.Formats {
	var f firewall.Formats
	for _, in := range inputs {
		if in.Format != "csv" {
			f.Traffic, f.Threat = panos.CustomFormat, panos.CustomFormat
		}
		f.Default = f.Default || in.Format != "kv"
	}
	return f
}

// policies looks now and then whether a firewall's policies let the blacklist have effect.
type policies struct {
	name   string
	device *firewall.Device
	want   func(ctx context.Context) firewall.Expectation
	log    zerolog.Logger
	now    func() time.Time
	timer  func(time.Duration) timer // newTimer
	wakeup chan struct{}

	mu     sync.Mutex
	checks []firewall.Check
	at     time.Time
}

// wake asks for a look: the firewall has been brought level for the first time, or again. It never blocks.
func (p *policies) wake() {
	select {
	case p.wakeup <- struct{}{}:
	default:
	}
}

// run looks at the start, when the firewall's first pass is over, lest what it is about to change be found missing; when the
// firewall is back after it was away; soon after either once more; and every hour, until ctx ends.
func (p *policies) run(ctx context.Context) error {
	timer := p.timer(verifyFirst)
	defer timer.Stop()
	var looked time.Time
	for {
		next := verifyEvery
		select {
		case <-ctx.Done():
			return nil
		case <-p.wakeup:
			next = verifyAgain
			if since := p.now().Sub(looked); since < verifyAgain {
				timer.Reset(verifyAgain - since) // it comes and goes
				continue
			}
		case <-timer.C:
		}
		looked = p.now()
		p.verifyOnce(ctx)
		timer.Reset(next)
	}
}

// verifyOnce looks, and logs what is different from the last time.
func (p *policies) verifyOnce(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	want := p.want(ctx)
	checks := firewall.Verify(p.device.Facts(ctx, want), want)
	if ctx.Err() != nil {
		return
	}
	p.mu.Lock()
	before := make(map[string]firewall.Check, len(p.checks))
	for _, c := range p.checks {
		before[c.Check] = c
	}
	p.checks, p.at = checks, p.now()
	p.mu.Unlock()
	for _, c := range checks {
		p.report(before[c.Check], c)
	}
}

func (p *policies) report(before, now firewall.Check) {
	if before.Result == now.Result && before.Detail == now.Detail {
		return
	}
	entry := p.log.Info()
	switch now.Result {
	case firewall.ResultFail:
		entry = p.log.Error()
	case firewall.ResultWarn:
		entry = p.log.Warn()
	default:
		if before.Result == "" || before.Result == firewall.ResultPass {
			return // that all is well is not news
		}
	}
	entry.Str("check", now.Check).Str("result", now.Result).Str("remedy", now.Remedy).Msg("policy: " + now.Detail)
}

// status gives the results, and when they were found; nil before the first look.
func (p *policies) status() ([]firewall.Check, *time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.at.IsZero() {
		return nil, nil
	}
	at := p.at
	return p.checks, &at
}

// newPolicies makes one for each firewall, members of a pair for themselves. What they read takes seconds where the
// configuration is large, so they have devices of their own: no block waits for them.
func (a *Agent) newPolicies(fw config.Firewall, e *enforcer) ([]*policies, error) {
	var all []*policies
	for _, member := range e.devices {
		device, err := member.Clone()
		if err != nil {
			return nil, err
		}
		p := &policies{
			name: device.Name(), device: device, log: a.log.With().Str("firewall", device.Name()).Logger(), now: a.now, timer: newTimer, wakeup: make(chan struct{}, 1),
			want: func(ctx context.Context) firewall.Expectation {
				released, _ := releasedLately(ctx, a.store.Load(), a.now()) // without it, more is warned of
				return expectation(a.cfg, fw, notBefore(e.desired().entries, a.started), released, a.now())
			},
		}
		e.back = append(e.back, p.wake)
		all = append(all, p)
	}
	return all, nil
}

// VerifyOptions say what Verify looks at.
type VerifyOptions struct {
	Firewall string       // "": all of the configuration
	Store    *store.Store // what is blocked; nil: not known, and what depends on it is not compared
	Version  string       // of the program
}

// Verify looks at the policies of the firewalls of a configuration, side by side, beside a running agent or without one.
// The checks come in the order of the configuration.
func Verify(ctx context.Context, cfg *config.Config, opts VerifyOptions) ([]firewall.Check, error) {
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	entries, err := blockedNow(ctx, cfg, opts.Store)
	if err != nil {
		return nil, err
	}
	released, err := releasedLately(ctx, opts.Store, time.Now())
	if err != nil {
		return nil, err
	}
	open := newDevices(opts.Version, newCallCounts(), time.Now)
	type look struct {
		device *firewall.Device
		want   firewall.Expectation
	}
	var looks []look
	for _, fw := range cfg.Firewalls {
		if opts.Firewall != "" && !strings.EqualFold(fw.Name, opts.Firewall) {
			continue
		}
		members, err := open.pair(fw)
		if err != nil {
			return nil, err
		}
		for _, device := range members {
			defer device.Close()
			looks = append(looks, look{device, expectation(cfg, fw, entries, released, time.Now())})
		}
	}
	if len(looks) == 0 {
		return nil, unknownFirewall(cfg, opts.Firewall)
	}
	results := make([][]firewall.Check, len(looks))
	var running sync.WaitGroup
	for i, l := range looks {
		running.Go(func() { results[i] = firewall.Verify(l.device.Facts(ctx, l.want), l.want) })
	}
	running.Wait()
	return slices.Concat(results...), ctx.Err()
}

// ErrUnknownFirewall is a name that the configuration does not have.
var ErrUnknownFirewall = errors.New("no such firewall")

// unknownFirewall names those that there are.
func unknownFirewall(cfg *config.Config, name string) error {
	if len(cfg.Firewalls) == 0 {
		return fmt.Errorf("%w: the configuration has none", ErrUnknownFirewall)
	}
	names := make([]string, len(cfg.Firewalls))
	for i, fw := range cfg.Firewalls {
		names[i] = fw.Name
	}
	return fmt.Errorf("%w as %q; there are %s", ErrUnknownFirewall, name, strings.Join(names, ", "))
}

// blockedNow reads what is on the blacklist.
func blockedNow(ctx context.Context, cfg *config.Config, st *store.Store) ([]firewall.Entry, error) {
	if st == nil {
		return nil, nil
	}
	var entries []firewall.Entry
	err := st.Entries(ctx, store.EntryFilter{}, func(e *store.Entry) error {
		entries = append(entries, firewall.Entry{Prefix: e.Address, Since: e.BlockedAt, Until: e.ReleaseAt(cfg.Blacklist.ReleaseAfter)})
		return nil
	})
	return entries, err
}

// lately is how long ago a release matters to the checks.
const lately = 15 * time.Minute

// releasedLately reads what was released a while ago.
func releasedLately(ctx context.Context, st *store.Store, now time.Time) ([]firewall.Entry, error) {
	if st == nil {
		return nil, nil
	}
	released, err := st.Released(ctx, now.Add(-lately))
	entries := make([]firewall.Entry, 0, len(released))
	for _, e := range released {
		entries = append(entries, firewall.Entry{Prefix: e.Address, Until: e.ReleasedAt})
	}
	return entries, err
}

// certificateEnd reads when the first certificate of a PEM file ends; zero if it cannot be told.
func certificateEnd(file string) time.Time {
	body, err := os.ReadFile(file)
	if err != nil {
		return time.Time{}
	}
	for block, rest := pem.Decode(body); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			return cert.NotAfter
		}
	}
	return time.Time{}
}
