package firewall

import (
	"context"
	"time"

	"activedefense/firewall/capacity"
	"activedefense/firewall/xmlapi"
)

const (
	// limitsEvery is how often a full pass asks for the platform's limit: it changes with a licence or a version.
	limitsEvery = time.Hour
	// countEvery is how often it is counted whether something was lost; it doubles with each count in vain, up to mostInVain times.
	countEvery = time.Minute
	mostInVain = 2
)

// platform is what is known of the room on a firewall, of all owners.
type platform struct {
	limit     capacity.Limit
	asked     time.Time // for limit; zero: not yet
	others    int       // addresses that are not ours, as counted last
	uncounted bool      // this version does not count, or not for us
	counted   time.Time // zero: not yet
	inVain    int       // counts in a row that were lower than expected, with nothing of ours gone
	aside     bool      // the tag is not the one that all bear: its addresses take no room of their own
}

// room gives what is known, with so many of ours.
func (r *platform) room(ours int) capacity.Room {
	if r.limit.Most == 0 {
		return capacity.Room{}
	}
	return capacity.Room{Limit: r.limit, Used: ours + r.others, Others: r.others}
}

// ask asks how much the platform holds, and how much others hold of it. What it does not say is not known.
func (r *platform) ask(ctx context.Context, d *xmlapi.Device, ours int) error {
	if r.aside {
		return nil
	}
	if now := d.Now(); r.asked.IsZero() || now.Sub(r.asked) >= limitsEvery {
		limits, err := capacity.AskLimits(ctx, d)
		if err != nil && !capacity.Untold(err) {
			return err
		}
		r.limit, r.asked = limits.Registered(d.Info().Model), now
	}
	count, ok, err := r.count(ctx, d)
	if ok {
		r.others = max(count-ours, 0)
	}
	return err
}

// count counts what is registered; false: this version does not.
func (r *platform) count(ctx context.Context, d *xmlapi.Device) (int, bool, error) {
	if r.uncounted {
		return 0, false, nil
	}
	n, err := capacity.Count(ctx, d)
	if err != nil && capacity.Untold(err) {
		r.uncounted, err = true, nil
	}
	r.counted = d.Now()
	return n, err == nil && !r.uncounted, err
}

// lost counts, if it is time, and tells whether less is registered than was.
func (r *platform) lost(ctx context.Context, d *xmlapi.Device, ours int) (bool, error) {
	if r.aside || r.uncounted || d.Now().Sub(r.counted) < countEvery<<min(r.inVain, mostInVain) {
		return false, nil
	}
	count, ok, err := r.count(ctx, d)
	if err != nil || !ok {
		return false, err
	}
	if count < ours+r.others {
		r.inVain++
		return true, nil
	}
	r.inVain, r.others = 0, count-ours
	return false, nil
}

// most is how many of ours there is room for by the platform's limit, and by what it took before; false: nobody says. A full
// pass tries one message more than it took.
func (f *Tags) most(full bool) (int, bool) {
	if f.platform.limit.Most == 0 {
		return 0, false
	}
	most := f.platform.room(0).Ours()
	if f.learned {
		took := f.room
		if full {
			took += f.batch
		}
		most = min(most, took)
	}
	return most, true
}
