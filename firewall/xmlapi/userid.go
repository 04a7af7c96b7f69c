package xmlapi

import "context"

// UserID sends a User-ID message and gives the answer as it came. One that holds a result for each address is left to
// the caller, also if it reports an error: whether that concerns all of the message or some of it differs between versions.
func (d *Device) UserID(ctx context.Context, kind, what, message string) ([]byte, error) {
	judge := func(h head) *Error {
		if h.UID && h.Status != "unauth" {
			return nil
		}
		return h.err()
	}
	return d.callFor(ctx, kind, what, judge, func() ([]byte, error) { return d.api.Uid(message, d.opts.VSys, nil, nil) })
}

// emptyMessage registers nothing.
const emptyMessage = "<uid-message><version>1.0</version><type>update</type><payload><register></register></payload></uid-message>"

// TryUserID sends a User-ID message that changes nothing, to learn whether the administrator may send one.
func (d *Device) TryUserID(ctx context.Context, kind, what string) error {
	_, err := d.call(ctx, kind, what, func() ([]byte, error) { return d.api.Uid(emptyMessage, d.opts.VSys, nil, nil) })
	return err
}
