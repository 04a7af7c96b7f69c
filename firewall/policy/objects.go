package policy

import (
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"activedefense/firewall"
	"activedefense/firewall/xmlapi"
)

// maxNesting bounds how deeply groups are followed into groups.
const maxNesting = 16

// blockSource is an object that stands for what we block, and can be the source of a rule.
type blockSource struct {
	name string
	kind string // "dynamic address group", "address group", "external dynamic list"
}

// list is where it stands in the configuration.
func (s blockSource) list() string {
	if s.kind == "external dynamic list" {
		return "external-list"
	}
	return "address-group"
}

// sourceLists are the lists of objects that a rule can name as its source, in the order in which the name is looked for.
var sourceLists = []struct{ list, label string }{
	{"address", "address object"}, {"address-group", "address group"}, {"external-list", "external dynamic list"}, {"region", "region"},
}

// namesake tells of an object of another kind that bears the name of one of ours, and where it stands; "": there is none. A rule
// names its source by nothing else, so that one that names ours could mean it.
func (p *vsysPolicy) namesake(list, name string) string {
	for _, l := range sourceLists {
		if o := p.scopes.find(name, l.list); l.list != list && o.Node != nil {
			return fmt.Sprintf("%s %s (%s)", l.label, quoteAll([]string{name}), o.scope)
		}
	}
	return ""
}

// withoutNamesakes takes off the names of objects of a list by which a rule could mean another object.
func (p *vsysPolicy) withoutNamesakes(list string, names map[string]bool) map[string]bool {
	maps.DeleteFunc(names, func(name string, _ bool) bool { return p.namesake(list, name) != "" })
	return names
}

// blockSources gives the objects through which a mode blocks, without those that a rule cannot name without doubt.
func (p *vsysPolicy) blockSources(mode string, n firewall.Names, listURL string) []blockSource {
	var out []blockSource
	switch mode {
	case firewall.ModeGroup:
		if g := p.scopes.find(n.Group, "address-group"); g.Child("static") != nil && p.fillsGroup(n, g.Node) {
			out = append(out, blockSource{n.Group, "address group"})
		}
	case firewall.ModeList:
		for _, l := range p.lists(listURL) {
			out = append(out, blockSource{l.Attr("name"), "external dynamic list"})
		}
	default:
		only, _ := p.tagGroups(n.Tag)
		for _, g := range only {
			out = append(out, blockSource{g.Attr("name"), "dynamic address group"})
		}
	}
	return slices.DeleteFunc(out, func(s blockSource) bool { return p.namesake(s.list(), s.name) != "" })
}

// tagGroups gives the dynamic address groups that match what bears a tag: those that match nothing else, and those that match other
// addresses too, which a rule with such a group stops as well.
func (p *vsysPolicy) tagGroups(tag string) (only, wider []placed) {
	for _, g := range p.scopes.all("address-group") {
		switch matches, others := filterMatches(g.Value("dynamic", "filter"), tag); {
		case matches && others:
			wider = append(wider, g)
		case matches:
			only = append(only, g)
		}
	}
	return only, wider
}

// tagged gives the address objects of others that a dynamic address group matches by the tags that these bear.
func (p *vsysPolicy) tagged(n firewall.Names, filter string) (names []string) {
	matches, _, err := parseTagFilter(filter)
	for _, a := range p.scopes.all("address") {
		tags := map[string]bool{}
		for _, t := range a.Child("tag").Members() {
			tags[t] = true
		}
		if err == nil && len(tags) > 0 && matches(tags) && !isMember(n, a.Node) {
			names = append(names, a.Attr("name"))
		}
	}
	return names
}

// filterMatches tells whether a filter matches what bears the tag alone, and whether it may match what does not bear it.
func filterMatches(filter, tag string) (matches, others bool) {
	f, named, err := parseTagFilter(filter)
	if err != nil || !f(map[string]bool{tag: true}) {
		return false, false
	}
	named = slices.DeleteFunc(named, func(t string) bool { return t == tag })
	if len(named) > maxFilterTags {
		return true, true
	}
	for set := range 1 << len(named) {
		tags := map[string]bool{}
		for i, t := range named {
			tags[t] = set>>i&1 == 1
		}
		if f(tags) {
			return true, true
		}
	}
	return true, false
}

// mayMatch tells whether a filter may match an address because of an object with these tags; none: with none. One that cannot be read may.
func mayMatch(filter string, tags []string) bool {
	matches, named, err := parseTagFilter(filter)
	return err != nil || matches(nil) || slices.ContainsFunc(named, func(tag string) bool { return slices.Contains(tags, tag) })
}

// maxFilterTags bounds how many other tags of a filter are tried in every combination; one with more may match anything.
const maxFilterTags = 12

// fillsGroup tells whether a static group is one that we fill, whatever others put into it as well: it bears our tag, or holds an
// address object of ours.
func (p *vsysPolicy) fillsGroup(n firewall.Names, g *xmlapi.Node) bool {
	return slices.Contains(g.Child("tag").Members(), n.Tag) || slices.ContainsFunc(g.Child("static").Members(), func(m string) bool {
		a := p.scopes.find(m, "address")
		return a.Node != nil && isMember(n, a.Node)
	})
}

// lists gives the external dynamic lists of addresses that are fetched from that URL, those first by which a rule stops traffic;
// "": none.
func (p *vsysPolicy) lists(listURL string) []placed {
	var used, others []placed
	for _, l := range p.scopes.all("external-list") {
		switch at := l.Value("type", "ip", "url"); {
		case at == "" || listURL == "" || !firewall.SameListURL(at, listURL):
		case p.stops(l.Attr("name")):
			used = append(used, l)
		default:
			others = append(others, l)
		}
	}
	return append(used, others...)
}

// withoutSecrets is the URL of a list that is not ours, of which scheme and host alone are shown: user, password, path and query may hold a token. Where
// it is fetched from the host of ours, the path is shown, too.
func withoutSecrets(text, ours string) string {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || u.Host == "" {
		return "another URL"
	}
	shown := &url.URL{Scheme: u.Scheme, Host: u.Host}
	if o, err := url.Parse(ours); err == nil && strings.EqualFold(o.Host, u.Host) {
		shown.Path = u.Path
	}
	return xmlapi.Tidy(shown.String())
}

// stops tells whether any rule stops what is on a list.
func (p *vsysPolicy) stops(list string) bool {
	names := map[string]bool{list: true}
	return slices.ContainsFunc(p.rules, func(x rule) bool { return !x.allows() && p.holds(x.source, names) })
}

// holds tells whether a source list holds one of the objects, by itself or inside address groups.
func (p *vsysPolicy) holds(members []string, wanted map[string]bool) bool {
	return p.holdsAt(members, wanted, visits{}, 0)
}

func (p *vsysPolicy) holdsAt(members []string, wanted map[string]bool, seen visits, depth int) bool {
	return slices.ContainsFunc(members, func(m string) bool {
		if wanted[m] {
			return true
		}
		if depth >= maxNesting || !seen.enter(m, depth) {
			return false
		}
		return p.holdsAt(p.scopes.find(m, "address-group").Child("static").Members(), wanted, seen, depth+1)
	})
}

// visits are how deep each group was found in one question. Groups may hold the same ones over and over, at every depth.
type visits map[string]int

// enter tells whether a group has to be looked into: it was not yet, or only deeper, where the bound may have cut it off.
func (v visits) enter(group string, depth int) bool {
	if before, ok := v[group]; ok && before <= depth {
		return false
	}
	v[group] = depth
	return true
}

// maybePublic tells whether a source of the rule can be a public address; only those are ever blocked. What is not
// known to be private counts as public.
func (p *vsysPolicy) maybePublic(r rule) bool {
	if r.notSource || isAny(r.source) {
		return true
	}
	return p.publicAt(r.source, visits{}, 0)
}

func (p *vsysPolicy) publicAt(members []string, seen visits, depth int) bool {
	return slices.ContainsFunc(members, func(m string) bool {
		if depth > maxNesting {
			return true
		}
		if g := p.scopes.find(m, "address-group"); g.Child("static") != nil {
			return seen.enter(m, depth) && p.publicAt(g.Child("static").Members(), seen, depth+1)
		}
		text := m
		if a := p.scopes.find(m, "address"); a.Node != nil {
			if text = a.Value("ip-netmask"); text == "" {
				text = a.Value("ip-range")
			}
		}
		return !privateOnly(text)
	})
}

// privateOnly tells whether an address, network or range lies within one private network.
func privateOnly(text string) bool {
	first, last, isRange := strings.Cut(strings.TrimSpace(text), "-")
	if isRange {
		a, errA := netip.ParseAddr(first)
		b, errB := netip.ParseAddr(last)
		return errA == nil && errB == nil && slices.ContainsFunc(privateNetworks, func(n netip.Prefix) bool { return n.Contains(a) && n.Contains(b) })
	}
	p, ok := firewall.ParseAddress(first)
	return ok && slices.ContainsFunc(privateNetworks, func(n netip.Prefix) bool { return n.Bits() <= p.Bits() && n.Contains(p.Addr()) })
}

// privateNetworks are those of RFC 1918, RFC 6598 and RFC 4193, loopback and link-local.
var privateNetworks = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("::1/128"),
}

// protects tells whether the rule has a vulnerability protection profile. A profile group named "default" is put on
// new rules by the web interface; a rule that names none has none.
func (p *vsysPolicy) protects(r rule) bool {
	if len(r.vulnerability) > 0 {
		return true
	}
	return slices.ContainsFunc(r.profileGroup, func(name string) bool {
		return len(real(p.scopes.find(name, "profile-group").Child("vulnerability").Members())) > 0
	})
}

// authorities gives the certificates that a certificate profile trusts, as DER. ok: there is such a profile.
func (p *vsysPolicy) authorities(profile string) (der [][]byte, ok bool) {
	n := p.scopes.find(profile, "certificate-profile")
	if n.Node == nil {
		return nil, false
	}
	names := n.Child("CA").Members()
	for _, e := range n.Child("CA").Entries() {
		names = append(names, e.Attr("name"))
	}
	for _, name := range names {
		der = append(der, decodePEM(p.scopes.find(name, "certificate").Value("public-key"))...)
	}
	return der, true
}

func decodePEM(text string) [][]byte {
	var out [][]byte
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return out
		}
		if block.Type == "CERTIFICATE" {
			out = append(out, block.Bytes)
		}
	}
}

// tagFilter is the match expression of a dynamic address group, as a function of the tags that an address bears.
type tagFilter func(tags map[string]bool) bool

// maxFilterDepth bounds the nesting of an expression.
const maxFilterDepth = 64

// parseTagFilter reads tags joined by and, or, not and parentheses. A tag may stand between quotes of either kind;
// the words are keywords in any case ("Use Dynamic Address Groups in Policy"; the vendor's tutorial writes AND), and
// "and" binds closer than "or". named are the tags that it names.
func parseTagFilter(text string) (f tagFilter, named []string, err error) {
	p := &filterReader{rest: text}
	p.next()
	f, err = p.or(0)
	if err == nil && p.token != "" {
		err = fmt.Errorf("unexpected %q", p.token)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("filter %q: %w", xmlapi.Tidy(text), err)
	}
	return f, p.named, nil
}

type filterReader struct {
	rest   string
	token  string // the one that is looked at; "": the end
	quoted bool
	broken bool     // a quote is not closed
	named  []string // tags, each once
}

// next goes on to the next token.
func (p *filterReader) next() {
	p.token, p.quoted = "", false
	p.rest = strings.TrimLeft(p.rest, " \t\r\n")
	if p.rest == "" {
		return
	}
	switch c := p.rest[0]; c {
	case '(', ')':
		p.token, p.rest = p.rest[:1], p.rest[1:]
	case '\'', '"':
		var closed bool
		p.token, p.rest, closed = strings.Cut(p.rest[1:], string(c))
		p.quoted, p.broken = true, p.broken || !closed || p.token == ""
	default:
		end := strings.IndexAny(p.rest, " \t\r\n()'\"")
		if end < 0 {
			end = len(p.rest)
		}
		p.token, p.rest = p.rest[:end], p.rest[end:]
	}
}

// take goes on if the token is that word or parenthesis.
func (p *filterReader) take(word string) bool {
	if p.quoted || !strings.EqualFold(p.token, word) {
		return false
	}
	p.next()
	return true
}

func (p *filterReader) or(depth int) (tagFilter, error) {
	left, err := p.and(depth)
	for err == nil && p.take("or") {
		var right tagFilter
		right, err = p.and(depth)
		a := left
		left = func(tags map[string]bool) bool { return a(tags) || right(tags) }
	}
	return left, err
}

func (p *filterReader) and(depth int) (tagFilter, error) {
	left, err := p.term(depth)
	for err == nil && p.take("and") {
		var right tagFilter
		right, err = p.term(depth)
		a := left
		left = func(tags map[string]bool) bool { return a(tags) && right(tags) }
	}
	return left, err
}

func (p *filterReader) term(depth int) (tagFilter, error) {
	if depth > maxFilterDepth {
		return nil, errors.New("nested too deeply")
	}
	switch {
	case p.broken:
		return nil, errors.New("unclosed or empty quotes")
	case p.take("not"):
		f, err := p.term(depth + 1)
		return func(tags map[string]bool) bool { return !f(tags) }, err
	case p.take("("):
		f, err := p.or(depth + 1)
		if err == nil && !p.take(")") {
			err = errors.New("unclosed parenthesis")
		}
		return f, err
	case p.token == "":
		return nil, errors.New("a tag is expected at the end")
	case !p.quoted && (p.token == ")" || strings.EqualFold(p.token, "and") || strings.EqualFold(p.token, "or")):
		return nil, fmt.Errorf("unexpected %q", p.token)
	}
	tag := p.token
	if !slices.Contains(p.named, tag) {
		p.named = append(p.named, tag)
	}
	p.next()
	return func(tags map[string]bool) bool { return tags[tag] }, nil
}
