package xmlapi

import (
	"context"
	"time"

	pangoversion "github.com/PaloAltoNetworks/pango/version"
)

// Kinds of calls, as OnCall is told.
const (
	CallKeygen     = "keygen"
	CallSystemInfo = "system-info"
	CallConfig     = "config"
	CallCommit     = "commit"
	CallJob        = "job"
	CallHA         = "high-availability"
	CallClear      = "clear-session"
)

// Identify makes sure that there is a key, that this is a PAN-OS firewall, and that it can do what is promised.
func (d *Device) Identify(ctx context.Context) error {
	key, fresh, err := d.conn.login(ctx, d, "")
	if err != nil {
		return err
	}
	body, err := askSystemInfo(ctx, d)
	if Kind(err) == KindAuth && d.conn.opts.APIKey == "" && !fresh {
		// A key can be revoked, or run out.
		if _, _, err = d.conn.login(ctx, d, key); err != nil {
			return err
		}
		body, err = askSystemInfo(ctx, d)
	}
	if err != nil {
		return err
	}
	id, e := parseSystemInfo(body)
	if e != nil {
		return d.Fail(showSystemInfo, e)
	}
	d.adopt(id)
	return nil
}

const showSystemInfo = "show system info"

func askSystemInfo(ctx context.Context, d *Device) ([]byte, error) {
	return d.call(ctx, CallSystemInfo, showSystemInfo, func() ([]byte, error) {
		return d.api.Op("<show><system><info></info></system></show>", "", nil, nil)
	})
}

// History counts what puts in doubt all that was known of a firewall.
type History struct {
	Replaced int // its serial number changed: another one answers behind the same address
	Rebooted int // it started anew
	Updated  int // its version changed, or it was replaced
}

// past is what is known of a firewall since Open.
type past struct {
	version Version
	booted  time.Time // when the firewall started; zero: unknown
	history History
}

// note takes over what the firewall says of itself now, having said before what it was.
func (p *past) note(before Info, id identity, now time.Time) {
	if before.Serial != "" && before.Serial != id.Serial {
		p.booted = time.Time{}
		p.history.Replaced++
	}
	if before.Serial != id.Serial || before.Version != id.Version {
		p.history.Updated++
	}
	if p.rebooted(id.uptime, now) {
		p.history.Rebooted++
	}
	p.version = id.version
}

// rebooted tells whether the firewall started anew since it last told its uptime.
func (p *past) rebooted(uptime time.Duration, now time.Time) bool {
	// Clocks are set, ours and the firewall's; an uptime is rounded to seconds.
	const tolerance = time.Minute
	if uptime < 0 {
		return false
	}
	last := p.booted
	p.booted = now.Add(-uptime)
	return !last.IsZero() && p.booted.Sub(last) > tolerance
}

// adopt takes over what the firewall says about itself.
func (d *Device) adopt(id identity) {
	before := d.Info()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.past.note(before, id, d.opts.Now())
	d.info.Store(&id.Info)
	d.calling.Lock()
	defer d.calling.Unlock()
	d.api.Version = pangoversion.Number{Major: id.version.Major, Minor: id.version.Minor, Patch: id.version.Patch}
}

// History gives what has happened to the firewall since Open, as of the last Identify.
func (d *Device) History() History {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.past.history
}

// Version gives the version as of the last Identify; the zero value before it.
func (d *Device) Version() Version {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.past.version
}
