package firewall

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"

	"activedefense/firewall/xmlapi"
)

// listCommand is an operational command on an IP list; rest follows the name.
func listCommand(verb, name, rest string) string {
	return "<request><system><external-list><" + verb + "><type><ip><name>" + xmlapi.Escape(name) + "</name>" + rest + "</ip></type></" + verb +
		"></external-list></system></request>"
}

// maxListed is the most entries of a list that are asked for: more than any platform holds.
const maxListed = 500_000

// ShowList asks for what the firewall holds of a list; nil: the answer says nothing of it.
func ShowList(ctx context.Context, d *xmlapi.Device, name string) (list *xmlapi.Node, err error) {
	err = d.InVSys(ctx, CallList, func() error {
		result, err := d.Op(ctx, CallList, "read the firewall's entries of the list "+name,
			listCommand("show", name, fmt.Sprintf("<anchor>1</anchor><num-records>%d</num-records>", maxListed)))
		list = result.Child("external-list")
		return err
	})
	return list, err
}

// HeldList is what a firewall holds of a list.
type HeldList struct {
	Valid, Ignored, Invalid int                   // by its own count
	Entries                 map[netip.Prefix]bool // those that it shows
	Complete                bool                  // it shows all; the page of some versions may be shorter than was asked for
	Trouble                 string                // the first line that is no entry. Of a list that was never fetched: why
}

var errNoValid = errors.New("the response contains no count of valid entries")

// ParseHeldList reads an answer of ShowList. An error says that it holds no count of valid entries.
func ParseHeldList(list *xmlapi.Node) (HeldList, error) {
	valid, err := strconv.Atoi(list.Value("total-valid"))
	if err != nil || valid < 0 {
		return HeldList{}, errNoValid
	}
	number := func(field string) int {
		n, err := strconv.Atoi(list.Value(field))
		if err != nil {
			return 0 // versions that do not count them
		}
		return n
	}
	members := list.Child("valid-members").Members()
	h := HeldList{Valid: valid, Ignored: number("total-ignored"), Invalid: number("total-invalid"),
		Entries: make(map[netip.Prefix]bool, len(members)), Complete: len(members) >= valid}
	for _, m := range members {
		if p, ok := ParseAddress(m); ok {
			h.Entries[p] = true
		}
	}
	if wrong := list.Child("invalid-members").Members(); len(wrong) > 0 {
		h.Trouble = wrong[0]
	}
	return h, nil
}
