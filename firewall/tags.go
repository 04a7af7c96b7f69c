package firewall

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"activedefense/firewall/xmlapi"
)

// minBatch is the smallest message after timeouts: a slow firewall makes about 300 registrations a second.
const minBatch = 32

// TagOptions say what is kept on the firewall in dynamic-tag mode.
type TagOptions struct {
	Tag               string // owned by us alone: what bears it and is not wanted is removed, but for strays
	MaxRemovalPercent int    // the brake: 1 to 100 (off); 0: 30
	BatchSize         int    // addresses in one message, at most 1000; 0: 500

	// MayBlock tells what may be blocked at all; nil: everything. What stands and may not passes the brake: it is removed at
	// once, in any number, and counts for nothing there.
	MayBlock func(netip.Prefix) bool

	// PassTime, if not 0, is the time after which a pass begins no further message and leaves the rest to the next one
	// (Report.Backlog), so that what is new does not wait behind a long backlog. Two messages are always sent. 0: a pass
	// sends everything.
	PassTime time.Duration

	Stray Stray // nil: what bears the tag is ours
}

// Tags keeps the registered addresses of a firewall level with a blacklist. Its methods may be called from any
// goroutine; passes wait for one another.
type Tags struct {
	device *xmlapi.Device
	opts   TagOptions
	beside []*Tags // the tags of rules, which an address loses before this one

	mu       sync.Mutex // held during a pass; guards what follows
	seen     xmlapi.History
	held     map[netip.Prefix]registration // what the firewall holds as far as we know
	strays   map[netip.Prefix]bool         // among held: not ours
	saved    map[netip.Prefix]time.Time    // given to Restore, until the first read
	stale    bool                          // held is in doubt: the next pass reads first
	mended   map[netip.Prefix]time.Time    // when what stands longer than we asked was last found so
	refused  map[netip.Prefix]string       // not sent again before the next full pass
	full     bool                          // the firewall did not take all, for want of room as far as is known
	room     int                           // how many of ours it held then
	learned  bool                          // it took less than the platform holds, so that no more than room and a message are tried
	replaces bool                          // renewing takes removing: registering again did not help
	batch    int                           // addresses in a message now: less than BatchSize after a timeout
	platform platform
	unread   unread
}

// NewTags checks the options. It makes no call.
func NewTags(d *xmlapi.Device, opts TagOptions) (*Tags, error) {
	if err := opts.complete(); err != nil {
		return nil, fmt.Errorf("firewall %q: %w", d.Name(), err)
	}
	return &Tags{
		device: d, opts: opts, stale: true, batch: opts.BatchSize,
		held: map[netip.Prefix]registration{}, refused: map[netip.Prefix]string{}, mended: map[netip.Prefix]time.Time{}, unread: unread{since: map[netip.Prefix]time.Time{}},
	}, nil
}

func (o *TagOptions) complete() error {
	if err := checkTag(o.Tag); err != nil {
		return err
	}
	if err := checkRemoval(&o.MaxRemovalPercent); err != nil {
		return err
	}
	o.BatchSize = cmp.Or(o.BatchSize, defaultBatch)
	if o.BatchSize < 0 || o.BatchSize > maxBatch {
		return fmt.Errorf("batch size: must be 1 to %d", maxBatch)
	}
	if o.PassTime < 0 {
		return errors.New("pass time: must not be negative")
	}
	return nil
}

// Restore tells until when the firewall holds what, as reported by an earlier run. It spares renewing everything
// after a restart; what is not told is renewed.
func (f *Tags) Restore(until map[netip.Prefix]time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.saved == nil {
		f.saved = make(map[netip.Prefix]time.Time, len(until))
	}
	for p, t := range until {
		if p, ok := Normalize(p); ok {
			f.saved[p] = t
		}
	}
}

// identify asks the firewall who it is, and forgets what no longer holds.
func (f *Tags) identify(ctx context.Context) error {
	if err := f.device.Identify(ctx); err != nil {
		return err
	}
	now := f.device.History()
	if now.Replaced != f.seen.Replaced {
		f.held, f.saved = map[netip.Prefix]registration{}, nil
		clear(f.unread.since)
	}
	if now.Updated != f.seen.Updated {
		f.replaces, f.learned, f.unread.unfiltered = false, false, false
		f.platform = platform{aside: f.platform.aside}
	}
	if now.Rebooted != f.seen.Rebooted {
		// No source says what becomes of running timeouts when a firewall starts anew; they may even be forgotten.
		// So all of them are unknown now.
		for p, r := range f.held {
			f.held[p] = registration{Persistent: r.Persistent}
		}
	}
	f.seen = now
	return nil
}

// Reconcile makes one pass: it brings what the firewall holds level with desired. A full pass first asks the
// firewall who it is and reads what it holds; any other one compares with what is known from before, so that
// nothing to do costs no call and one new block costs one. The first pass, and the one after any doubt, are full by
// themselves. A full pass also reads back what it registered; what any other one registered is read back by the first pass
// that comes 15 seconds later or more (Report.LookAgain), which becomes a full one where something is missing. Once a minute a
// pass counts, where the version can, and becomes a full one where less is registered than was.
//
// Who is left out is decided before anything is sent, where firewall or model say how much there is room for; else by what is
// refused.
//
// Of IPv6 networks, which cannot be registered, the members are.
//
// With TagOptions.PassTime a pass can leave a part to the next one; Report.Backlog tells how much.
//
// The error, if any, is an *Error; the Report holds what was done nevertheless.
func (f *Tags) Reconcile(ctx context.Context, desired []Entry, full bool) (Report, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	desired = withMembers(desired)
	p := &pass{f: f, ctx: ctx, began: time.Now()}
	before := f.device.Requests()
	err := p.run(desired, full || f.stale)
	if err != nil {
		f.stale = true
		if p.wrote && xmlapi.Kind(err) == xmlapi.KindTimeout {
			f.batch = min(max(f.batch/2, minBatch), f.opts.BatchSize)
		}
	} else if p.wrote {
		f.batch = min(f.batch*2, f.opts.BatchSize)
	}
	p.report.Standing, p.report.LeftOut, p.report.Room = len(f.held), p.leftOut(desired), f.platform.room(len(f.held))
	p.report.Unread, p.report.LookAgain = f.unread.left(f.now())
	p.report.Calls = int(f.device.Requests() - before)
	p.report.Took = time.Since(p.began)
	return p.report, err
}

func (f *Tags) now() time.Time { return f.device.Now() }
