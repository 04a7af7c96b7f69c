package enforce

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"activedefense/config"
	"activedefense/firewall"
	"activedefense/firewall/policy"
	"activedefense/firewall/room"
	"activedefense/firewall/xmlapi"
	"activedefense/store"
)

// verifyTimeout bounds one look at one firewall, of some twenty calls.
const verifyTimeout = 5 * time.Minute

// VerifyOptions say what Verify looks at.
type VerifyOptions struct {
	Firewall string       // "": all of the configuration
	Store    *store.Store // what is blocked; nil: not known, and what depends on it is not compared
	Version  string       // of the program
	Expected Expected
}

// Verify looks at the policies of the firewalls of a configuration, side by side, beside a running agent or without one, and
// whether they say which addresses are ours.
// The checks come in the order of the configuration; those in maintenance, which are not asked, come last.
func Verify(ctx context.Context, cfg *config.Config, opts VerifyOptions) ([]policy.Check, error) {
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	entries, err := blockedNow(ctx, cfg, opts.Store)
	if err != nil {
		return nil, err
	}
	released, err := releasedLately(ctx, opts.Store, time.Now())
	if err != nil {
		return nil, err
	}
	open := newDevices(opts.Version, NewCalls(), time.Now)
	var looks []look
	var leftOut []policy.Check
	for _, fw := range cfg.Firewalls {
		switch {
		case opts.Firewall != "" && !strings.EqualFold(fw.Name, opts.Firewall):
		case fw.Maintenance:
			leftOut = append(leftOut, policy.Check{Firewall: fw.Name, Check: checkMaintenance, Result: policy.ResultWarn, Detail: leftAlone, Remedy: "Set firewalls[].maintenance of it to false and reload when the work on it is over."})
		default:
			members, err := open.pair(fw)
			if err != nil {
				return nil, err
			}
			for _, device := range members {
				defer device.Close()
				looks = append(looks, look{device, open.ways[device.Name()].of(opts.Expected.of(cfg, fw, entries, released, time.Now())), fw.InternetZones})
			}
		}
	}
	if len(looks)+len(leftOut) == 0 {
		return nil, unknownFirewall(cfg, opts.Firewall)
	}
	results, answers := make([][]policy.Check, len(looks)), make([]named, len(looks))
	var running sync.WaitGroup
	for i, l := range looks {
		running.Go(func() {
			results[i] = policy.Verify(policy.ReadFacts(ctx, l.device, l.want), l.want)
			if cfg.Networks.AskFirewalls {
				answers[i] = askFor(ctx, l.device, l.zones)
			}
		})
	}
	running.Wait()
	if err := ctx.Err(); err != nil {
		return slices.Concat(results...), err
	}
	known, err := publicKnown(ctx, cfg, opts.Store, answers)
	for i, l := range looks {
		asked := &answers[i]
		if !cfg.Networks.AskFirewalls {
			asked = nil
		}
		results[i] = append(results[i], checkOurs(l.device.Name(), asked, known, cfg.Networks.Own))
	}
	return append(slices.Concat(results...), leftOut...), err
}

// A look is at one member of an entry.
type look struct {
	device *xmlapi.Device
	want   policy.Expectation
	zones  []string // that face the internet, as the configuration says
}

// checkMaintenance stands for all checks of a firewall that is left alone, and leftAlone says so.
const (
	checkMaintenance = "maintenance"
	leftAlone        = "left out: it is in maintenance (firewalls[].maintenance), and nothing is sent to it"
)

// ErrUnknownFirewall is a name that the configuration does not have.
var ErrUnknownFirewall = errors.New("no such firewall")

// unknownFirewall names those that there are.
func unknownFirewall(cfg *config.Config, name string) error {
	if len(cfg.Firewalls) == 0 {
		return fmt.Errorf("%w: none is configured", ErrUnknownFirewall)
	}
	names := make([]string, len(cfg.Firewalls))
	for i, fw := range cfg.Firewalls {
		names[i] = fw.Name
	}
	return fmt.Errorf("%w: %q; configured are %s", ErrUnknownFirewall, name, strings.Join(names, ", "))
}

// EntryOf is what the firewalls are to hold of a blocked entry of the blacklist.
func EntryOf(e *store.Entry, releaseAfter time.Duration) firewall.Entry {
	rank := room.Proven
	switch {
	case e.By == store.ByLabelFile:
		rank = room.Listed
	case e.By != store.ByDetector:
		rank = room.Manual
	case e.Grade == store.Forgeable:
		rank = room.Forgeable
	}
	return firewall.Entry{Prefix: e.Address, Since: e.BlockedAt, Until: e.ReleaseAt(releaseAfter), Rank: rank, LastSeen: e.LastSeen, Tag: e.Tag, Members: e.Members}
}

// blockedNow reads what is on the blacklist and is to be enforced: nothing, while a person has that paused.
func blockedNow(ctx context.Context, cfg *config.Config, st *store.Store) ([]firewall.Entry, error) {
	if st == nil {
		return nil, nil
	}
	if p, err := st.Paused(ctx); err != nil || p != nil && p.Until.After(time.Now()) {
		return nil, err
	}
	var entries []firewall.Entry
	_, err := st.Changes(ctx, 0, func(e *store.Entry) error {
		if e.State != store.Blocked {
			return nil
		}
		entries = append(entries, EntryOf(e, cfg.Blacklist.ReleaseAfter))
		return nil
	})
	return entries, err
}

// lately is how long ago a release matters to the checks.
const lately = 15 * time.Minute

// releasedLately reads what was released a while ago.
func releasedLately(ctx context.Context, st *store.Store, now time.Time) ([]firewall.Entry, error) {
	if st == nil {
		return nil, nil
	}
	released, err := st.Released(ctx, now.Add(-lately))
	entries := make([]firewall.Entry, 0, len(released))
	for _, e := range released {
		if e.State != store.Blocked || e.Past() {
			continue // no firewall held it
		}
		entries = append(entries, firewall.Entry{Prefix: e.Address, Until: e.ReleasedAt})
	}
	return entries, err
}
