package agent

import (
	"cmp"
	"context"
	"path/filepath"
	"time"

	"activedefense/agent/edl"
	"activedefense/agent/enforce"
	"activedefense/agent/geo"
	"activedefense/agent/line"
	"activedefense/agent/listen"
	"activedefense/config"
	"activedefense/detect/panos"
	"activedefense/detect/pattern"
	"activedefense/firewall/policy"
)

// Inputs says where the configuration has lines come from, and how they are read.
func Inputs(cfg *config.Config) []line.Input {
	var all []line.Input
	for _, in := range cfg.Inputs {
		all = append(all, inputOf(cfg, in))
	}
	return all
}

func inputOf(cfg *config.Config, in config.Input) line.Input {
	// The configuration was validated, so the name of the format is known.
	format, _ := panos.ParseFormat(in.Format)
	newParser := func() line.Parser { return panos.New(panos.Options{Format: format, Location: in.Location}) }
	if in.Patterns != nil {
		newParser = func() line.Parser { return pattern.New(in.Patterns, pattern.Options{Location: in.Location}) }
	}
	out := line.Input{
		Pattern: in.Path, MaxFiles: in.MaxFiles, FromEnd: in.FromEnd, SilentAfter: in.SilentAfter, Location: in.Location, Device: in.Device,
		NewParser: newParser, Firewall: in.Patterns == nil,
	}
	if in.Listen.On() {
		out.Name, out.Pattern, out.Sealed = in.Listen.URL, listen.Pattern(filepath.Join(cfg.StateDir, spoolFolder), listener(&in)), true
	}
	return out
}

// Replay runs detection over old files as the configuration has it done. Inputs and rules are those of the configuration: a file
// is read as the input of opts.As, else as that whose path it matches, also before it was rotated, else as the first one of the firewalls' logs, as standard input is. What opts says of them is not
// regarded; the guard, and what is ours, it gives.
func Replay(ctx context.Context, cfg *config.Config, opts line.ReplayOptions) (line.ReplaySummary, error) {
	opts.Settings, opts.Surge, opts.Neighbours = Settings(cfg), surge(cfg), cfg.Blacklist.Neighbourhood.Sources
	opts.Input = func(path string) line.Input { return inputFor(cfg, cmp.Or(opts.As, path)) }
	opts.Country = geo.Open(cfg.Geo.File, time.Now).Countries()
	return line.Replay(ctx, opts)
}

// inputFor finds the configured input that a file belongs to.
func inputFor(cfg *config.Config, path string) line.Input {
	if in, ok := cfg.InputOf(path); ok {
		return inputOf(cfg, in)
	}
	abs, err := filepath.Abs(path)
	if err == nil && path != line.Stdin {
		if in, ok := cfg.InputOf(abs); ok {
			return inputOf(cfg, in)
		}
		for _, in := range Inputs(cfg) { // of a listener's spool
			if ok, _ := filepath.Match(in.Pattern, abs); ok {
				return in
			}
		}
	}
	return inputOf(cfg, cfg.FirstInput())
}

// Expected is what firewalls shall send to an agent with this configuration, and fetch from it.
func Expected(cfg *config.Config) enforce.Expected {
	x := enforce.Expected{Formats: formats(cfg.Inputs), Certificate: cfg.EDL.TLS.CertFile}
	if x.Certificate == "" {
		x.Certificate, x.CA = filepath.Join(cfg.StateDir, edl.CertificateFile), filepath.Join(cfg.StateDir, edl.CAFile)
	}
	return x
}

// formats are those that any of the inputs reads: which of them a firewall's logs go to, the configuration does not say.
func formats(inputs []config.Input) policy.Formats {
	f := policy.Formats{Logins: true}
	for _, in := range inputs {
		if in.Format == "pattern" {
			continue // no firewall sends to it
		}
		if in.Format == "auto" || in.Format == "kv" {
			f.Traffic, f.Threat, f.Shorter = panos.TrafficFormat, panos.ThreatFormat, panos.CustomFormat
			f.GlobalProtect, f.System = panos.GlobalProtectFormat, panos.SystemFormat
		}
		f.Default = f.Default || in.Format == "auto" || in.Format == "csv"
		f.CEF = f.CEF || in.Format == "auto" || in.Format == "cef"
		f.LEEF = f.LEEF || in.Format == "auto" || in.Format == "leef"
	}
	return f
}
