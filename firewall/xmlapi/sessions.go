package xmlapi

import (
	"context"
	"net/netip"
)

// ClearSessions ends the established sessions of one source, so that a block takes effect on them too. The command is
// that of the command line; what it answers no source shows, and is not looked at beyond success.
func (d *Device) ClearSessions(ctx context.Context, source netip.Addr) error {
	const what = "clear sessions"
	if !source.IsValid() || source.IsUnspecified() || source.Zone() != "" {
		return d.Fail(what, &Error{Kind: KindUnsupported, Text: "a single source address is required"})
	}
	if d.Info() == (Info{}) {
		if err := d.Identify(ctx); err != nil {
			return err
		}
	}
	address := source.Unmap().String()
	_, err := d.Op(ctx, CallClear, what+" of "+address,
		"<clear><session><all><filter><source>"+address+"</source></filter></all></session></clear>")
	return err
}
