// Package allow keeps the allow-list: addresses, networks and names that persons never want blocked, beside never_block of the configuration.
//
// It reads what a person writes, finds the addresses of names, and puts both into the store; a [Keeper] ends what is over, and resolves names
// again. What is on the list lifts blocks and is guarded by agent/own, like never_block.
package allow

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"activedefense/agent/loop"
	"activedefense/agent/own"
	"activedefense/detect"
	"activedefense/store"
)

// The widest networks that may be allowed. Wider ones hold a large part of the internet, and are nearly always a slip.
const (
	widestIPv4 = 8
	widestIPv6 = 16
)

// An Ask is what a person wants allowed.
type Ask struct {
	Entry  string    // an address, a network or a name
	Reason string    // may be empty
	Until  time.Time // zero: until it is removed
}

// A Refusal says why something is not allowed: it is for the person to mend.
type Refusal struct{ text string }

// Error implements error.
func (r *Refusal) Error() string { return r.text }

func refusef(format string, args ...any) error {
	return &Refusal{fmt.Sprintf(format, args...)}
}

// Parse reads an entry, and gives it as the list has it. network is not valid for a name.
func Parse(text string) (entry string, network netip.Prefix, err error) {
	text = strings.TrimSpace(text)
	if addr, err := netip.ParseAddr(text); err == nil {
		addr = addr.Unmap().WithZone("")
		network = netip.PrefixFrom(addr, addr.BitLen())
	} else if network, err = netip.ParsePrefix(text); err != nil {
		name, err := parseName(text)
		return name, netip.Prefix{}, err
	}
	widest := widestIPv4
	if network.Addr().Is6() {
		widest = widestIPv6
	}
	switch {
	case network.Addr().Is4In6():
		return "", network, refusef("%s: write an IPv4 network as such", text)
	case network != network.Masked():
		return "", network, refusef("%s has host bits set; the network is %s", text, network.Masked())
	case network.Bits() == 0:
		return "", network, refusef("%s would allow every address, and nobody would be blocked any more: activedefense blacklist pause does that for a time", text)
	case network.Bits() < widest:
		return "", network, refusef("%s is wider than /%d: allow the networks that are meant", text, widest)
	}
	return detect.AddressText(network), network, nil
}

// parseName reads the full name of a host (RFC 1123).
func parseName(text string) (string, error) {
	name := strings.ToLower(strings.TrimSuffix(text, "."))
	labels := strings.Split(name, ".")
	if len(labels) < 2 || len(name) > 253 || strings.Trim(labels[len(labels)-1], "0123456789") == "" {
		return "", refusef("%q is neither an address, a network such as 203.0.113.0/24, nor a host's full name such as vpn.example.com", text)
	}
	for _, label := range labels {
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") ||
			strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return "", refusef("%q is no host's name: %q in it is not made of letters, digits and hyphens", text, label)
		}
	}
	return name, nil
}

// Add puts entries on the list, and gives those that it took, with the blocks that they lift; refused are the others, each by its place, for
// the person to mend.
func Add(ctx context.Context, st *store.Store, lookup own.Lookup, asks []Ask, by string, now time.Time) (added []store.Allowed, lifted []store.Entry, refused map[int]error, err error) {
	list, faults := make([]store.Allowed, len(asks)), make([]error, len(asks))
	group := errgroup.Group{}
	group.SetLimit(atOnce)
	for i := range asks {
		group.Go(func() error {
			list[i], faults[i] = asks[i].prepare(ctx, lookup, now)
			list[i].By = by
			return nil
		})
	}
	_ = group.Wait() // each has its own error
	refused = make(map[int]error)
	for i := range asks {
		if faults[i] != nil {
			refused[i] = faults[i]
		} else {
			added = append(added, list[i])
		}
	}
	for done, n := 0, leastInOne; done < len(added); {
		part, begun := added[done:min(done+n, len(added))], time.Now()
		gone, err := st.Allow(ctx, part, by, now)
		if err != nil {
			return added[:done], lifted, refused, fmt.Errorf("the first %d of %d are allowed; repeat it: %w", done, len(added), err)
		}
		done, lifted = done+len(part), append(lifted, gone...)
		took := time.Since(begun)
		if n = portion(len(part), took); done < len(added) {
			loop.Pause(ctx, took) // in which others write
		}
	}
	return added, lifted, refused, nil
}

// Blocks wait for what is written in one transaction. It is to take so long, as far as the one before tells, and has so many entries.
const (
	waited                = 50 * time.Millisecond
	leastInOne, mostInOne = 20, 250
)

// portion is how many entries are written in one transaction after one of so many that took so long.
func portion(wrote int, took time.Duration) int {
	return int(min(max(int64(wrote)*int64(waited)/max(int64(took), 1), leastInOne), mostInOne))
}

// atOnce is how many names are resolved at the same time.
const atOnce = 16

// prepare makes of what a person wants an entry of the list.
func (ask *Ask) prepare(ctx context.Context, lookup own.Lookup, now time.Time) (store.Allowed, error) {
	a := store.Allowed{Reason: strings.TrimSpace(ask.Reason), Since: now, Until: ask.Until}
	if !ask.Until.IsZero() && !ask.Until.After(now) {
		return a, refusef("%s was not allowed: its end, %s, is over", ask.Entry, ask.Until.Format(time.RFC3339))
	}
	entry, network, err := Parse(ask.Entry)
	if err != nil {
		return a, err
	}
	if a.Entry = entry; network.IsValid() {
		a.Addresses = []netip.Prefix{network}
		return a, nil
	}
	if a.Addresses, a.Trouble, err = resolve(ctx, lookup, entry); err != nil {
		return a, refusef("%s was not allowed: %v", entry, err)
	}
	a.Resolved, a.Due = now, now.Add(Every)
	return a, nil
}

// Remove takes an entry off the list, as a person writes it.
func Remove(ctx context.Context, st *store.Store, text, by, reason string, now time.Time) (store.Allowed, error) {
	entry, _, err := Parse(text)
	if err != nil {
		return store.Allowed{}, err
	}
	gone, err := st.Disallow(ctx, entry, by, reason, now)
	if !errors.Is(err, store.ErrNotAllowed) {
		return gone, err
	}
	return gone, fmt.Errorf("%w: %s", store.ErrNotAllowed, entry)
}
