package xmlapi

import "context"

// haState gives the firewall's own state in a pair of high availability, "active" or "passive" for example; "" if it
// belongs to none.
func haState(ctx context.Context, d *Device) (string, error) {
	result, err := d.OpIn(ctx, CallHA, "show high-availability state",
		"<show><high-availability><state></state></high-availability></show>", "")
	if err != nil {
		return "", err
	}
	if !result.Yes("enabled") {
		return "", nil
	}
	return result.Value("group", "local-info", "state"), nil
}

// writable tells whether the configuration may be written on a firewall in that state of high availability. Both
// members of an active/active pair may be; what is written on a passive one is lost with the next synchronisation.
func writable(state string) bool {
	switch state {
	case "", "active", "active-primary", "active-secondary":
		return true
	}
	return false
}

// Passive asks whether the firewall is a member of a pair that leaves the traffic to the other.
func Passive(ctx context.Context, d *Device) (bool, error) {
	state, err := haState(ctx, d)
	return err == nil && !writable(state), err
}

// MayWrite asks whether the configuration may be written on the firewall now.
func MayWrite(ctx context.Context, d *Device) error {
	state, err := haState(ctx, d)
	if err == nil && !writable(state) {
		err = d.Fail("write the configuration", &Error{Kind: KindPassive,
			Text: "this member of the HA pair is " + state + ": only the active one accepts changes"})
	}
	return err
}

// Active gives the member of a pair that takes changes of the configuration; a single firewall is taken as it is. Every
// device is asked, and identified; the error is that of the first when none will do.
func Active(ctx context.Context, devices ...*Device) (*Device, error) {
	var first error
	for _, d := range devices {
		err := d.Identify(ctx)
		if err == nil {
			if err = MayWrite(ctx, d); err == nil {
				return d, nil
			}
		}
		if first == nil || Kind(first) == KindPassive {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, first
}
