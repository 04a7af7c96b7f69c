package enforce

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/dustin/go-humanize/english"

	"activedefense/config"
	"activedefense/firewall/ours"
	"activedefense/firewall/policy"
	"activedefense/firewall/xmlapi"
	"activedefense/store"
)

// CheckOurs is the check of what is known to be ours.
const CheckOurs = "ours"

// named is what a firewall said when it was asked for verify.
type named struct {
	ours.Answer
	err error
}

// askFor asks a firewall which addresses are ours. Names are not resolved: they are somebody else's.
func askFor(ctx context.Context, d *xmlapi.Device, zones []string) named {
	facts, err := ours.Ask(ctx, d, zones)
	if err != nil {
		return named{err: err}
	}
	return named{Answer: facts.Read()}
}

// publicKnown tells whether a public address is known to be ours: by the configuration, by what firewalls said before, or by what
// they say now.
func publicKnown(ctx context.Context, cfg *config.Config, st *store.Store, answers []named) (bool, error) {
	public := func(p netip.Prefix) bool { return !ours.Private(p) }
	if slices.ContainsFunc(cfg.Networks.Own, public) || slices.ContainsFunc(answers, func(n named) bool { return n.Public() }) {
		return true, nil
	}
	if st == nil || !cfg.Networks.AskFirewalls {
		return false, nil
	}
	protected, _, err := st.Protected(ctx)
	return slices.ContainsFunc(protected, func(p store.Protected) bool { return p.Kind == store.ProtectedNetwork && public(p.Address) }), err
}

// mostNamed is how many of the networks that a firewall names are listed; all are in the status.
const mostNamed = 8

// checkOurs judges what a firewall said beside networks.own. asked nil: it was not asked.
func checkOurs(firewall string, asked *named, known bool, own []netip.Prefix) policy.Check {
	c := policy.Check{Firewall: firewall, Check: CheckOurs, Result: policy.ResultWarn}
	switch {
	case asked != nil && asked.err != nil:
		c.Detail = "cannot ask which addresses are ours: " + asked.err.Error()
		c.Remedy = "make the firewall answer, or name your public addresses and networks in networks.own"
	case !known:
		c.Detail = "no public address is known to be ours, so that records to any destination count, and none of yours is protected"
		c.Remedy = "name your public addresses and networks in networks.own"
	case asked == nil:
		c.Result, c.Detail = policy.ResultPass, "the firewall is not asked which addresses are ours (networks.ask_firewalls); networks.own names them"
	case len(asked.Troubles) > 0:
		c.Detail = asked.Troubles[0].What
		if more := len(asked.Troubles) - 1 + asked.LeftOut; more > 0 {
			c.Detail += fmt.Sprintf("; and %d more", more)
		}
		c.Remedy = asked.Troubles[0].Remedy
	default:
		networks := slices.DeleteFunc(slices.Clone(asked.Entries), func(e ours.Entry) bool { return e.Kind == ours.Peer })
		c.Result = policy.ResultPass
		c.Detail = fmt.Sprintf("it names %s of ours, and %s never blocked", english.Plural(len(networks), "address or network", "addresses and networks"),
			english.Plural(len(asked.Entries)-len(networks)+len(asked.Names), "peer that is", "peers that are")) + listed(networks) + partly(asked.Partly, own)
	}
	return c
}

// listed names what is ours, one a line.
func listed(networks []ours.Entry) (text string) {
	for i, e := range networks {
		if i == mostNamed {
			return text + fmt.Sprintf("\nand %d more: activedefense status --all", len(networks)-i)
		}
		text += fmt.Sprintf("\n%s: %s", strings.TrimSuffix(e.Prefix.String(), fmt.Sprintf("/%d", e.Prefix.Addr().BitLen())), e.What)
	}
	return text
}

// partly names the networks of which the address of an interface alone is ours, unless networks.own says more.
func partly(networks []ours.Entry, own []netip.Prefix) (text string) {
	for _, e := range networks {
		if !slices.ContainsFunc(own, func(p netip.Prefix) bool { return p.Bits() <= e.Prefix.Bits() && p.Contains(e.Prefix.Addr()) }) {
			text += fmt.Sprintf("\nNOT %s (%s): its own address alone is taken as ours, since the rest may be the provider's, and refused records to the rest do not count; if it is yours, name it in networks.own",
				e.Prefix, e.What)
		}
	}
	return text
}
