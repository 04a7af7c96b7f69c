package xmlapi

import "context"

// Pair is what a firewall says of its pair of high availability. The zero value: it belongs to none.
type Pair struct {
	State string // its own, "active" or "passive" for example; "": it belongs to no pair
	Peer  string // serial number of the other member; "": not told, which PAN-OS does by version
}

// Passive tells whether the firewall leaves traffic, and changes of the configuration, to the other member.
func (p Pair) Passive() bool { return !writable(p.State) }

// AskPair asks the firewall for its pair. Where it does not tell the serial number of the other member, and is reached through a Panorama, that is
// asked, which lists it with the firewall ("show devices", ha/peer/serial); what it refuses stays unknown.
func AskPair(ctx context.Context, d *Device) (p Pair, err error) {
	p, err = askPair(ctx, d)
	if err != nil || p.State == "" || p.Peer != "" || !d.ThroughPanorama() {
		return p, err
	}
	itself, err := d.Sibling(Options{Name: d.Name() + " (Panorama)"})
	if err != nil {
		return p, nil
	}
	defer itself.Close()
	if all, err := itself.OpIn(ctx, CallHA, "ask Panorama for the other member of the pair", "<show><devices><connected></connected></devices></show>", ""); err == nil {
		p.Peer = all.Child("devices").Entry(d.opts.Target).Value("ha", "peer", "serial")
	}
	return p, nil
}

func askPair(ctx context.Context, d *Device) (Pair, error) {
	result, err := d.OpIn(ctx, CallHA, "show high-availability state",
		"<show><high-availability><state></state></high-availability></show>", "")
	if err != nil || !result.Yes("enabled") {
		return Pair{}, err
	}
	return Pair{State: result.Value("group", "local-info", "state"), Peer: result.Value("group", "peer-info", "serial-num")}, nil
}

// haState gives the firewall's own state in a pair of high availability, "active" or "passive" for example; "" if it
// belongs to none.
func haState(ctx context.Context, d *Device) (string, error) {
	p, err := askPair(ctx, d)
	return p.State, err
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
