package firewall

import (
	"fmt"
	"net/netip"
	"time"

	"activedefense/firewall/capacity"
	"activedefense/firewall/xmlapi"
)

// readBackAfter is how long after it was written an address is read back: a firewall may drop it after having answered.
const readBackAfter = 15 * time.Second

// unread is what was written and not seen on the firewall since.
type unread struct {
	since      map[netip.Prefix]time.Time // when it was written
	unfiltered bool                       // asking for single addresses finds not what stands
}

// left tells how many there are, and when the first is due; 0: none is.
func (u *unread) left(now time.Time) (n int, due time.Duration) {
	for _, at := range u.since {
		if wait := max(at.Add(readBackAfter).Sub(now), time.Second); due == 0 || wait < due {
			due = wait
		}
	}
	return len(u.since), due
}

// forget notes that the firewall does not hold an address any more.
func (f *Tags) forget(prefix netip.Prefix) {
	delete(f.held, prefix)
	delete(f.unread.since, prefix)
}

// see notes what was read at that time.
func (p *pass) see(found map[netip.Prefix]registration, at time.Time) {
	for prefix := range p.f.unread.since {
		if _, stands := found[prefix]; stands {
			p.saw(prefix, at)
		}
	}
}

func (p *pass) saw(prefix netip.Prefix, at time.Time) {
	delete(p.f.unread.since, prefix)
	p.report.Seen, p.report.SeenAt = append(p.report.Seen, Entry{Prefix: prefix, Until: p.f.held[prefix].Until}), at
}

// look reads back what was written a while ago, and counts; true: everything has to be read, for something is missing, or there
// is more to look for than there are pages.
func (p *pass) look() (doubt bool, err error) {
	f := p.f
	if f.platform.aside {
		return false, nil
	}
	if lost, err := f.platform.lost(p.ctx, f.device, len(f.held)); lost || err != nil {
		return lost, err
	}
	var due []netip.Prefix
	limit := f.now().Add(-readBackAfter)
	for prefix, at := range f.unread.since {
		if !at.After(limit) {
			due = append(due, prefix)
		}
	}
	if len(due) > len(f.held)/pageSize+1 || len(due) > 0 && f.unread.unfiltered {
		return true, nil
	}
	for i, prefix := range due {
		if i > 0 && p.late() {
			p.report.Backlog += len(due) - i
			break
		}
		at := f.now()
		switch stands, err := f.readOne(p, prefix); {
		case err != nil && !capacity.Untold(err):
			return false, err
		case !stands:
			p.missed = prefix
			return true, nil
		}
		p.saw(prefix, at)
	}
	return false, nil
}

// readOne asks for one address.
func (f *Tags) readOne(p *pass, prefix netip.Prefix) (stands bool, err error) {
	text := FormatAddress(prefix)
	op := "read registered address " + text
	result, err := f.device.Op(p.ctx, CallRead, op, fmt.Sprintf(`<show><object><registered-ip><ip>%s</ip></registered-ip></object></show>`, xmlapi.Escape(text)))
	if err != nil {
		return false, err
	}
	_, stands = readPage(result, f.opts.Tag).ours[prefix]
	return stands, nil
}
