package firewall

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
)

// choosing has a command about lists carried out in the device's virtual system. Whether the parameter of the call
// chooses it, or a setting of the session, no source settles; so both are given, and no other device of the connection
// changes the setting in between.
func (d *Device) choosing(ctx context.Context, do func() error) error {
	if !d.Info().MultiVSys {
		return do()
	}
	what := "choose " + d.opts.VSys
	select {
	case d.conn.chosen <- struct{}{}:
		defer func() { <-d.conn.chosen }()
	case <-ctx.Done():
		return d.fail(what, ctx.Err())
	}
	if _, err := d.op(ctx, CallList, what, "<set><system><setting><target-vsys>"+escape(d.opts.VSys)+"</target-vsys></setting></system></set>"); err != nil {
		return err
	}
	return do()
}

// listCommand is an operational command on an IP list; rest follows the name.
func listCommand(verb, name, rest string) string {
	return "<request><system><external-list><" + verb + "><type><ip><name>" + escape(name) + "</name>" + rest + "</ip></type></" + verb +
		"></external-list></system></request>"
}

// maxListed is the most entries of a list that are asked for: more than any platform holds.
const maxListed = 500_000

// showList asks for what the firewall holds of a list; nil: the answer says nothing of it.
func (d *Device) showList(ctx context.Context, name string) (list *node, err error) {
	err = d.choosing(ctx, func() error {
		result, err := d.op(ctx, CallList, "read what the firewall holds of the list "+name,
			listCommand("show", name, fmt.Sprintf("<anchor>1</anchor><num-records>%d</num-records>", maxListed)))
		list = result.child("external-list")
		return err
	})
	return list, err
}

// heldList is what a firewall holds of a list.
type heldList struct {
	valid, ignored, invalid int                   // by its own count
	entries                 map[netip.Prefix]bool // those that it shows
	complete                bool                  // it shows all; the page of some versions may be shorter than was asked for
	trouble                 string                // the first line that is no entry. Of a list that was never fetched: why
}

var errNoValid = errors.New("the answer holds no number of valid entries")

func parseHeldList(list *node) (heldList, error) {
	valid, err := strconv.Atoi(list.value("total-valid"))
	if err != nil || valid < 0 {
		return heldList{}, errNoValid
	}
	number := func(field string) int {
		n, err := strconv.Atoi(list.value(field))
		if err != nil {
			return 0 // versions that do not count them
		}
		return n
	}
	members := list.child("valid-members").members()
	h := heldList{valid: valid, ignored: number("total-ignored"), invalid: number("total-invalid"),
		entries: make(map[netip.Prefix]bool, len(members)), complete: len(members) >= valid}
	for _, m := range members {
		if p, ok := parseAddress(m); ok {
			h.entries[p] = true
		}
	}
	if wrong := list.child("invalid-members").members(); len(wrong) > 0 {
		h.trouble = wrong[0]
	}
	return h, nil
}

// prefixSet gives the entries in the form in which they are read back.
func prefixSet(entries []Entry) map[netip.Prefix]bool {
	out := make(map[netip.Prefix]bool, len(entries))
	for _, e := range entries {
		if p, ok := normal(e.Prefix); ok {
			out[p] = true
		}
	}
	return out
}
