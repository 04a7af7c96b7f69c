package policy

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"activedefense/firewall"
	"activedefense/firewall/xmlapi"
)

const (
	// certificateMargin is how long before its end the certificate of our list fails the check: a firewall that cannot
	// verify it stops enforcing the list.
	certificateMargin = 30 * 24 * time.Hour
	// authorityMargin is how long before its end our CA is warned of: a new one is to be imported on every firewall.
	authorityMargin = 60 * 24 * time.Hour
	// listDelay is how long ago an entry must have come to be missed on the firewall, or must have gone to be too many. It
	// fetches every five minutes by itself, and at once when it is told to.
	listDelay = 10 * time.Minute
)

// listChecks look at our list: whether the firewall can fetch it, has, and holds what it should.
type listChecks struct{ *verifier }

// listSource looks at our list as the firewall fetches it: in ModeList it is what blocks, in the other modes it stands
// in when the API cannot be reached.
func (v listChecks) listSource(f *findings) {
	v.heldNetworks(f)
	if v.want.ListURL == "" {
		f.note("edl.url is not set, or no list is served: not checked")
		v.oldCopies(f)
		return
	}
	if f.unasked(v.f.policyError()) {
		return
	}
	stale := v.oldCopies(f)
	lists := v.p.lists(v.want.ListURL)
	if len(lists) == 0 {
		if v.want.Mode == firewall.ModeList && !stale {
			f.nothing("list", CheckBlockSource)
		} else if !stale {
			f.note("no external dynamic list is fetched from us, so there is no fallback while the API is unreachable")
		}
		return
	}
	name := lists[0].Attr("name")
	v.listAuthority(f, lists[0])
	if !v.want.CertificateEnds.IsZero() {
		if left := v.want.CertificateEnds.Sub(v.want.Now); left < certificateMargin {
			f.fail("Renew the certificate in edl.tls; our own is renewed automatically while the daemon runs. Once it expires, firewalls stop enforcing the list.",
				"the list's certificate expires on %s", v.want.CertificateEnds.UTC().Format(time.DateOnly))
		}
	}
	v.listRule(f)
	if !v.p.stops(name) {
		f.note("no rule uses the list %s, so it blocks nothing and need not be fetched", quoteAll([]string{name}))
		return
	}
	v.lastFetch(f, name)
	v.listEntries(f, name)
}

// oldCopies tells of lists of our name by which a rule stops traffic and that are not fetched from us: the firewall keeps the last copy of what it can fetch
// no more, and nothing that is released goes from it. It tells whether there is one.
func (v listChecks) oldCopies(f *findings) (found bool) {
	for _, name := range []string{v.want.Names.List, v.want.Names.List + panoramaNames} {
		l := v.p.scopes.find(name, "external-list")
		url := l.Value("type", "ip", "url")
		stopping := slices.DeleteFunc(slices.Clone(v.p.rules), func(x rule) bool { return x.allows() || !v.p.holds(x.source, map[string]bool{name: true}) })
		if url == "" || len(stopping) == 0 || v.p.namesake("external-list", name) != "" || v.want.ListURL != "" && firewall.SameListURL(url, v.want.ListURL) {
			continue
		}
		found = true
		var rules []string
		for _, x := range stopping {
			rules = append(rules, x.String())
		}
		what := fmt.Sprintf("external dynamic list %s is fetched from %s, ", quoteAll([]string{name}), withoutSecrets(url, v.want.ListURL))
		drops := fmt.Sprintf("what stands in its last copy is dropped by %s, also after its release", strings.Join(atMost(rules), ", "))
		on := map[bool]string{true: "On Panorama, "}[l.scope.pushed]
		takeOff := fmt.Sprintf("%sPolicies > Security: delete %s, or take %s out of its source", on, strings.Join(atMost(rules), ", "), word(name))
		switch {
		case v.want.ListURL == "":
			f.warn("Set edl.url to the URL at which the firewalls reach the list, and edl.listen. Where none is wanted: "+takeOff+"; then delete the list.",
				"%sand edl.url is not set, or no list is served: %s", what, drops)
		case isFormerList(l.Node, v.want):
			remedy := fmt.Sprintf("%sObjects > External Dynamic Lists > %s: Source %s. ", on, name, v.want.ListURL)
			if !l.scope.pushed {
				remedy += v.cli.set("external-list %s type ip url %s", word(name), v.want.ListURL)
			}
			f.fail(v.cli.or(remedy), "%swhich edl.url is not: %s, and what is blocked since is not on it", what, drops)
		default:
			f.warn(takeOff+", or give this firewall another tag (firewalls[].tag), which our names follow from.",
				"%swhich edl.url is not, and is not as we make it, so that it counts as somebody else's: %s", what, drops)
		}
	}
	return found
}

// listRule looks at our rule for the list, where the mode has another source: what the mode cannot hold is blocked by nothing else. That no
// block rule does its work, another check says.
func (v listChecks) listRule(f *findings) {
	if len(v.lists) == 0 || len(v.zones.zones) == 0 {
		return
	}
	gaps := v.gaps(func(t traffic) bool { return v.listed[t] >= 0 })
	if len(gaps) == 0 {
		return
	}
	for _, x := range ownRules(v).undone(v.want.Names.Listed) {
		f.fail(v.blockRemedy([]rule{x}), "%s is ours, and does not do its work: it %s; no rule drops what is on the list from %s", x, strings.Join(ownRules(v).workFaults(x), ", "), gaps)
	}
}

// heldNetworks warns of IPv6 networks that are blocked, where registered addresses are all that blocks: those hold no
// network, and an attacker has more addresses in it than were seen.
func (v listChecks) heldNetworks(f *findings) {
	if v.want.Mode != firewall.ModeTag || v.f.policyError() != nil {
		return
	}
	var networks []netip.Prefix
	for _, e := range v.want.Entries {
		if p, ok := firewall.Normalize(e.Prefix); ok && p.Addr().Is6() && !p.IsSingleIP() {
			networks = append(networks, p)
		}
	}
	stands := v.want.ListURL != "" && slices.ContainsFunc(v.p.lists(v.want.ListURL), func(l placed) bool { return v.p.stops(l.Attr("name")) })
	if len(networks) == 0 || stands {
		return
	}
	f.warn("Set edl.listen and edl.url, have the firewall fetch the list, and give it a block rule of its own, "+v.want.Names.Listed+"; or set blacklist.ipv6_prefix to 128.",
		"%s blocked, and registered addresses cannot hold networks: only the addresses of them that were seen are blocked: %s",
		plural(len(networks), "IPv6 network is", "IPv6 networks are"), examples(networks))
}

// listAuthority looks whether the firewall can verify our certificate.
func (v listChecks) listAuthority(f *findings, list placed) {
	name := quoteAll([]string{list.Attr("name")})
	profile := list.Value("type", "ip", "certificate-profile")
	u, err := url.Parse(v.want.ListURL)
	if err != nil || !strings.EqualFold(u.Scheme, "https") {
		return
	}
	n := v.want.Names
	remedy := v.cli.or(v.profileClicks() + fmt.Sprintf("Objects > External Dynamic Lists > %s: Certificate Profile %s. ", list.Attr("name"), n.CertProf) +
		v.cli.set("external-list %s type ip certificate-profile %s", word(list.Attr("name")), word(n.CertProf)))
	for _, der := range decodePEM(string(v.want.CA)) {
		if ca, err := x509.ParseCertificate(der); err == nil && ca.NotAfter.Sub(v.want.Now) < authorityMargin {
			f.warn(RenewCA, "our CA, which signs the list's certificate, ends on %s", ca.NotAfter.UTC().Format(time.DateOnly))
		}
	}
	if profile == "" {
		// Whether PAN-OS then fetches from anybody or not at all, no source settles; neither will do.
		f.fail(remedy, "the list %s has no certificate profile", name)
		return
	}
	trusted, ok := v.p.authorities(profile)
	switch {
	case !ok && v.f.template.err != nil:
		f.unasked(v.f.template.err)
	case !ok:
		f.fail(remedy, "the certificate profile %s of the list %s does not exist", quoteAll([]string{profile}), name)
	case v.want.CA == nil:
		f.note("the certificate profile %s is not checked: our CA is not known", quoteAll([]string{profile}))
	case !slices.ContainsFunc(decodePEM(string(v.want.CA)), func(ours []byte) bool {
		return slices.ContainsFunc(trusted, func(der []byte) bool { return bytes.Equal(der, ours) })
	}):
		f.fail(remedy, "the certificate profile %s of the list %s does not contain our CA", quoteAll([]string{profile}), name)
	default:
		f.note("the certificate profile %s contains our CA", quoteAll([]string{profile}))
	}
}

// RenewCA is what a person does about our CA that ends.
const RenewCA = "Delete ca.crt and ca.key in state_dir and restart the daemon, which makes another CA, then have the firewalls import it at once: activedefense provision --apply --commit. " +
	"Until a firewall has, it enforces nothing by the list."

// profileClicks makes the certificate profile that verifies our list. A certificate cannot be typed.
func (v *verifier) profileClicks() string {
	n := v.want.Names
	return fmt.Sprintf("Device > Certificate Management > Certificates > Import: our CA (state_dir/ca.crt) as %s; Certificate Profile > Add: name %s, CA %s; ",
		n.CA, n.CertProf, n.CA)
}

// lastFetch looks at the latest job that fetched lists. A job need not name its list; one that failed and names none
// may be another's.
func (v listChecks) lastFetch(f *findings, name string) {
	if f.unasked(v.f.refreshes.err) || len(v.f.refreshes.value) == 0 {
		return
	}
	last := v.f.refreshes.value[0]
	if last.OK {
		return
	}
	said := xmlapi.Tidy(strings.Join(last.Texts(), " "))
	if strings.Contains(said, name) || strings.Contains(said, v.want.ListURL) {
		f.fail(v.fetchRemedy(name), "the last fetch failed: %s", said)
		return
	}
	f.warn(v.fetchRemedy(name), "the last fetch of a list failed, possibly of this one: %s", said)
}

func (v listChecks) fetchRemedy(name string) string {
	return "Objects > External Dynamic Lists > " + name + " > Test Source URL; the firewall fetches from its management interface, or as set under Device > Setup > Services > " +
		"Service Route Configuration. CLI: request system external-list refresh type ip name " + word(name)
}

// listEntries compares what the firewall holds with what is served.
func (v listChecks) listEntries(f *findings, name string) {
	if f.unasked(v.f.list.err) {
		return
	}
	held, err := firewall.ParseHeldList(v.f.list.value)
	if err != nil {
		f.warn("", "%v", err)
		return
	}
	if held.Valid == 0 && held.Trouble != "" {
		f.fail(v.fetchRemedy(name), "the list is not in effect: %s", xmlapi.Tidy(held.Trouble))
		return
	}
	f.note("the firewall has %s", plural(held.Valid, "entry", "entries"))
	wanted := firewall.PrefixSet(v.want.Entries)
	unserved := 0
	if v.want.MaxEntries > 0 {
		unserved = max(len(wanted)-v.want.MaxEntries, 0)
	}
	missing, named := v.missingFromList(held)
	if lacks := missing - unserved; lacks > 0 {
		text := fmt.Sprintf("%d of %d entries %s missing on the firewall, which has %d", lacks, len(wanted)-unserved, isAre(lacks), held.Valid)
		if unserved == 0 && len(named) > 0 {
			text += ": " + examples(named)
		}
		f.fail(v.fetchRemedy(name), "%s", text)
	}
	if extra := v.extraOnList(held, wanted); len(extra) > 0 {
		f.warn(v.fetchRemedy(name), "%s on the firewall but no longer blocked: %s",
			plural(len(extra), "entry is", "entries are"), examples(extra))
	}
}

// missingFromList counts what the firewall should have fetched by now, and names it if the firewall shows all that it holds.
func (v listChecks) missingFromList(held firewall.HeldList) (count int, named []netip.Prefix) {
	due := firewall.PrefixSet(older(v.want.Entries, listDelay, v.want.Now))
	if !held.Complete {
		return max(len(due)-held.Valid, 0), nil
	}
	for p := range due {
		if !held.Entries[p] {
			named = append(named, p)
		}
	}
	return len(named), named
}

// extraOnList gives what is held and not wanted, but for what was released so lately that the firewall need not have
// fetched the list since. What an empty list was served as belongs to nobody, and goes with the next fetch.
func (v listChecks) extraOnList(held firewall.HeldList, wanted map[netip.Prefix]bool) (extra []netip.Prefix) {
	lately := firewall.PrefixSet(slices.DeleteFunc(slices.Clone(v.want.Released), func(e firewall.Entry) bool { return v.want.Now.Sub(e.Until) >= listDelay }))
	for p := range held.Entries {
		if !wanted[p] && !lately[p] && p.Addr() != v.want.EmptyEntry {
			extra = append(extra, p)
		}
	}
	return extra
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// examples names a few of many, in order.
func examples(prefixes []netip.Prefix) string {
	slices.SortFunc(prefixes, firewall.ComparePrefixes)
	const most = 5
	var parts []string
	for _, p := range prefixes[:min(len(prefixes), most)] {
		parts = append(parts, firewall.FormatAddress(p))
	}
	if more := len(prefixes) - most; more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, ", ")
}
