package panorama

import (
	"slices"
	"strings"

	"activedefense/firewall/xmlapi"
)

// Lists of objects that are meant by one name.
var (
	addresses    = []string{"address", "address-group", "external-list", "region"}
	services     = []string{"service", "service-group"}
	applications = []string{"application", "application-group", "application-filter"}
	hips         = []string{"profiles/hip-objects", "profiles/hip-profiles"}
)

// logProfiles is the list of log forwarding profiles, which nothing but log-setting names.
const logProfiles = "log-settings/profiles"

// ruleElements are, by the element of a rule, the lists of the objects that may be named in it; those of all others may name any.
var ruleElements = map[string][]string{
	"from": {}, "to": {}, "action": {}, "target": {}, "rule-type": {}, // zones, and what is no name; see listsIn for what PBF forwards to
	"source": addresses, "destination": addresses, "source-user": {"dynamic-user-group"}, "source-hip": hips, "destination-hip": hips,
	"application": applications, "service": services, "category": {"profiles/custom-url-category", "external-list"}, "group-tag": {"tag"}, "schedule": {"schedule"},
}

// groupElements are the same for objects, by their list.
var groupElements = map[string]map[string][]string{
	"address-group": {"static": addresses}, "service-group": {"members": services}, "application-group": {"members": applications},
}

// entryNames are the same for the names of the entries of a list, which are else of nothing but their list: those of objects that are meant by one name, and
// those that are themselves references (addresses of interfaces, the lists of a DNS policy, what GlobalProtect notifies of and where a gateway is preferred).
var entryNames = map[string][]string{
	"address": addresses, "address-group": addresses, "external-list": append([]string{"profiles/custom-url-category"}, addresses...), "region": addresses,
	"service": services, "service-group": services, "application": applications, "application-group": applications, "application-filter": applications,
	"custom-url-category": {"external-list"}, "hip-objects": hips, "hip-profiles": hips,
	"ip": addresses, "lists": {"external-list"}, "hip-notification": hips, "priority-rule": {"region"},
}

// noObjects are elements of which the text names no object.
var noObjects = []string{"interface", "tunnel-interface", "ike-crypto-profile", "ipsec-crypto-profile", "next-vr", "authentication-profile", "certificate-profile",
	"interface-management-profile", "zone-protection-profile", "hostname", "display-name"}

// names are what stands in the configuration of a firewall where names of objects may.
type names struct {
	any     map[string]bool                               // where any object may be meant
	of      map[string]map[string]bool                    // where those of a list may be
	filters []string                                      // of dynamic address groups
	system  string                                        // the virtual system alone in which they stand, with what is in none; "": in any
	without map[unit]bool                                 // objects that are passed over
	isFor   func(target *xmlapi.Node, system string) bool // whether a rule counts; nil: each does
}

// has tells whether a name may mean an object of a list.
func (n *names) has(u unit) bool {
	return u.list != logProfiles && n.any[u.name] || n.of[u.list][u.name]
}

// add takes a name that may mean an object of some lists; nil: of any.
func (n *names) add(name string, lists []string) {
	if lists == nil {
		n.any[name] = true
	}
	for _, list := range lists {
		if n.of[list] == nil {
			n.of[list] = map[string]bool{}
		}
		n.of[list][name] = true
	}
}

// walk takes the names in an element that is not an entry of a list, and below it; path leads to it, lists are as in add.
func (n *names) walk(e *xmlapi.Node, path []string, lists []string) {
	if e == nil {
		return
	}
	for _, text := range append([]string{e.Text}, wordsOf(e.Text)...) {
		if text != "" {
			n.add(text, lists)
		}
	}
	for _, c := range e.Children {
		target := c.Child("target")
		if n.without[unit{strings.Join(path, "/"), c.Attr("name")}] || target != nil && n.isFor != nil && !n.isFor(target, n.system) {
			continue
		}
		below := n.listsIn(e, c, path, lists)
		if name := c.Attr("name"); name != "" {
			own := lists
			if own == nil {
				own = append(slices.Clip(entryNames[e.Name]), e.Name, strings.Join(path[max(len(path)-2, 0):], "/"))
			}
			n.add(name, own)
		}
		switch {
		case c.Name == "description" || c.Name == "comments" || c.Name == "comment":
		case e.Name == "vsys" && n.system != "" && c.Attr("name") != n.system:
		case c.Name == "filter" && e.Name == "dynamic":
			n.filters = append(n.filters, c.Text)
		default:
			n.walk(c, append(slices.Clip(path), c.Name), below)
		}
	}
}

// listsIn gives the lists of the objects that may be named in a child of an element.
func (n *names) listsIn(e, c *xmlapi.Node, path []string, lists []string) []string {
	in := func(back int) string { return path[max(len(path)-back, 0)] }
	switch {
	case c.Name == "log-setting":
		return []string{logProfiles}
	case c.Name == "ip-address" || c.Name == "fqdn":
		return addresses
	case slices.Contains(noObjects, c.Name) && len(c.Members()) == len(c.Children):
		return []string{}
	case lists != nil || e.Name != "entry" || len(path) < 2:
		return lists
	case c.Name == "tag":
		return []string{"tag"}
	case in(2) == "rules" && slices.ContainsFunc(path, func(p string) bool { return strings.HasSuffix(p, "rulebase") }):
		return ruleElements[c.Name]
	}
	return groupElements[in(2)][c.Name]
}

// names gives all that may be the name of an object in what the firewall has and would have, in any virtual system or in one.
func (p Push) names(system string) *names {
	return p.gathered(&names{system: system})
}

// namesWithout are those in one virtual system without what is in some objects, and in rules that are not for it.
func (p Push) namesWithout(system string, objects map[unit]bool) *names {
	return p.gathered(&names{system: system, without: objects, isFor: p.Has})
}

func (p Push) gathered(n *names) *names {
	system := n.system
	n.any, n.of = map[string]bool{}, map[string]map[string]bool{}
	for _, s := range append([]System{p.System}, p.Systems...) {
		if system != "" && s.Name != system {
			continue
		}
		for _, held := range append([]Held{s.Have}, s.Then...) {
			for _, part := range held.Parts {
				n.walk(part.Node, nil, nil)
			}
		}
	}
	for _, held := range append([]Held{p.Have}, p.Then...) { // the templates are the same for all
		n.walk(held.Template, nil, nil)
	}
	for _, local := range p.Local {
		n.walk(local, nil, nil)
	}
	return n
}

// wordsOf are the names in an expression: what is quoted, and what is not.
func wordsOf(text string) []string {
	quote := func(r rune) bool { return r == '\'' || r == '"' }
	if !strings.ContainsAny(text, "'\"( ") {
		return nil
	}
	return append(strings.FieldsFunc(text, quote), strings.FieldsFunc(text, func(r rune) bool { return quote(r) || strings.ContainsRune(" ()\t\n", r) })...)
}
