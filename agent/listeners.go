package agent

import (
	"context"
	"path/filepath"
	"time"

	"activedefense/agent/line"
	"activedefense/agent/listen"
	"activedefense/agent/trouble"
	"activedefense/config"
)

// spoolFolder is where, in the state folder, what listeners received is kept until it is read and stored.
const spoolFolder = "spool"

// listener is an input that listens, as agent/listen has it.
func listener(in *config.Input) *listen.Input {
	l := &in.Listen
	return &listen.Input{URL: l.URL, Network: l.Network, Address: l.Address, Allow: l.Allow, SpoolSize: l.SpoolSize, Reading: in.Spooled(),
		TLS: listen.TLS{CertFile: l.TLS.CertFile, KeyFile: l.TLS.KeyFile, ClientCAFile: l.ClientCAFile}}
}

// listenOn opens the sockets of the inputs that listen. Nothing is taken from them before the server runs.
func listenOn(a *Agent, opts *Options) error {
	o := listen.Options{Dir: filepath.Join(a.cfg.StateDir, spoolFolder), Sockets: opts.Sockets, Positions: func(ctx context.Context) ([]listen.Position, error) { return positions(ctx, a) }, Logger: a.log.With().Str("part", "listen").Logger(), Now: a.now}
	o.Readable = func(reading []byte) error { _, err := config.ReadSpooled(reading); return err }
	if o.Sockets == nil {
		o.Sockets = listen.NewSockets(nil)
		a.teardown.Push("the sockets", func(context.Context) error { return o.Sockets.Close() })
	}
	if opts.After != nil {
		o.Former = opts.After.listeners
	}
	for i := range a.cfg.Inputs {
		if in := &a.cfg.Inputs[i]; in.Listen.On() {
			o.Inputs = append(o.Inputs, *listener(in))
		}
	}
	var err error
	if a.listeners, err = listen.New(o); err != nil {
		return err
	}
	a.teardown.Push("the listeners", func(context.Context) error { return a.listeners.Close() })
	return nil
}

// allInputs are those of the configuration, and the folders of listeners that are not in it any more: what they received is read to its end.
func allInputs(a *Agent) []line.Input {
	all := Inputs(a.cfg)
	for _, f := range a.listeners.Former() {
		if in, err := config.ReadSpooled(f.Reading); err == nil { // else it is a trouble
			former := inputOf(a.cfg, in)
			former.Name, former.Pattern, former.Sealed, former.Ending = f.URL, f.Pattern, true, true
			all = append(all, former)
		}
	}
	return all
}

// positions says how far the database has it that the spools were read.
func positions(ctx context.Context, a *Agent) (all []listen.Position, err error) {
	st := a.store.Load()
	if st == nil || !a.reading.Load() {
		return nil, nil
	}
	stored, err := st.Positions(ctx)
	for _, p := range stored {
		all = append(all, listen.Position{Path: p.Path, Device: p.Device, Inode: p.Inode, Fingerprint: p.Fingerprint, FingerprintLen: p.FingerprintLen, Offset: p.Offset, Done: p.Done})
	}
	return all, err
}

// listenTroubles is what a person should see to about listeners.
func listenTroubles(a *Agent, now time.Time) (all []trouble.Trouble) {
	for _, t := range a.listeners.Troubles(now) {
		all = append(all, trouble.Trouble{Since: t.Since, Of: t.Of, What: t.What, Remedy: t.Remedy})
	}
	return all
}
