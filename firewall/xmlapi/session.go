package xmlapi

import "context"

// InVSys has commands carried out in the device's virtual system whose own parameter may not choose it. Whether the
// parameter of the call does, or a setting of the session, no source settles; so both are given, and no other device of the
// connection changes the setting in between. kind is of the calls.
func (d *Device) InVSys(ctx context.Context, kind string, do func() error) error {
	if !d.Info().MultiVSys {
		return do()
	}
	what := "select " + d.opts.VSys
	select {
	case d.conn.chosen <- struct{}{}:
		defer func() { <-d.conn.chosen }()
	case <-ctx.Done():
		return d.Fail(what, ctx.Err())
	}
	if _, err := d.Op(ctx, kind, what, "<set><system><setting><target-vsys>"+Escape(d.opts.VSys)+"</target-vsys></setting></system></set>"); err != nil {
		return err
	}
	return do()
}

// Alone runs do while no other device of the same firewall does so; what says what an error that ctx ended is about.
func (d *Device) Alone(ctx context.Context, what string, do func() error) error {
	held, _ := d.conn.alone.LoadOrStore(d.opts.Target, make(chan struct{}, 1))
	slot := held.(chan struct{})
	select {
	case slot <- struct{}{}:
		defer func() { <-slot }()
	case <-ctx.Done():
		return d.Fail(what, ctx.Err())
	}
	return do()
}
