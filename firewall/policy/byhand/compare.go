package byhand

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"activedefense/firewall/xmlapi"
)

// Which lists are what, by the name of the element.
var (
	// structural hold, below the entry of a device, entries that are no objects but hold them.
	structural = []string{"vsys", "device-group", "template", "template-stack"}
	// ordered are, of the lists that hold objects and settings, those that are read from the first to the last: rules, and networks that User-ID
	// includes or excludes (PAN-OS web interface help).
	ordered = []string{"rules", "include-exclude-network"}
	// sets are the lists within an object whose order says nothing. That of all others may: which configuration a GlobalProtect client gets, which
	// server is asked first, which cipher is offered first.
	sets = []string{
		"tag", "from", "to", "source", "destination", "source-user", "source-hip", "destination-hip", "application", "service", "category",
		"static", "members", "match-list", "send-syslog", "CA", "devices", "vsys", "interface", "layer3", "layer2", "tap", "virtual-wire",
	}
	// emptied are those in which plans make objects: they stay, and are empty, where what was made is taken away again.
	emptied = []string{"tag", "address", "address-group", "external-list", "rules", "profiles", "match-list", "syslog", "certificate", "certificate-profile", "send-syslog", "CA"}
)

// IsOrdered tells whether a list of objects or settings is read from the first to the last.
func IsOrdered(list string) bool { return slices.Contains(ordered, list) }

// IsSet tells whether the order of a list within an object says nothing.
func IsSet(list string) bool { return slices.Contains(sets, list) }

// StaysEmpty tells whether a list says nothing where it is empty, for it stays where what plans make in it is taken away.
func StaysEmpty(list string) bool { return slices.Contains(emptied, list) }

// unlike names what of a configuration is as in none of its versions, of which the first is in force.
func unlike(after *xmlapi.Node, versions []*xmlapi.Node) []string {
	var c comparison
	c.element([]step{{"config", ""}}, after, versions)
	slices.Sort(c.names)
	return slices.Compact(c.names)
}

// step is one of a path: the name of an element, and of an entry its name.
type step struct{ element, entry string }

func stepOf(n *xmlapi.Node) step {
	s := step{n.Name, n.Attr("name")}
	if n.Name == "member" {
		s.entry = n.Text
	}
	return s
}

// comparison gathers the names.
type comparison struct{ names []string }

// element compares what is no object; nil: it is not there.
func (c *comparison) element(path []step, after *xmlapi.Node, versions []*xmlapi.Node) {
	running := versions[0]
	switch {
	case after == running:
		return
	case isLeaf(after) && isLeaf(running), text(after) != text(running):
		if path[len(path)-1].element != "entry" && !isAmong(after, versions) {
			c.names = append(c.names, settingName(path))
		}
		return
	}
	if slices.Contains(ordered, path[len(path)-1].element) && !isInOrder(after, versions) {
		c.names = append(c.names, orderName(path))
	}
	then, have := children(after), make([]map[step]*xmlapi.Node, len(versions))
	for i, v := range versions {
		have[i] = children(v)
	}
	for _, s := range keys(then, have[0]) {
		below, now := append(slices.Clip(path), s), then[s]
		others := make([]*xmlapi.Node, 0, len(versions))
		for i := range versions {
			if v := have[i][s]; i == 0 || !slices.Contains(others, v) {
				others = append(others, v)
			}
		}
		known := len(c.names)
		switch {
		case now == others[0]:
			continue
		case s.element != "entry":
			c.element(below, now, others)
			continue
		case isStructural(below):
			if c.element(below, now, others); len(c.names) > known || slices.ContainsFunc(others, func(v *xmlapi.Node) bool { return (v == nil) == (now == nil) }) {
				continue
			}
		case isAmong(now, others):
			continue
		}
		c.names = append(c.names, objectName(below))
	}
}

// differ tells whether two elements hold other things, in whatever order. What is empty may be there or not, but for entries and members.
func differ(n, o *xmlapi.Node) bool {
	switch {
	case n == o:
		return false
	case n == nil || o == nil:
		return !isHollow(cmp.Or(n, o))
	case text(n) != text(o):
		return true
	case slices.EqualFunc(n.Children, o.Children, func(a, b *xmlapi.Node) bool { return stepOf(a) == stepOf(b) }): // which is quick
		for i, c := range n.Children {
			if differ(c, o.Children[i]) {
				return true
			}
		}
		return false
	}
	then, now := children(n), children(o)
	return slices.ContainsFunc(keys(then, now), func(s step) bool { return differ(then[s], now[s]) })
}

func isHollow(n *xmlapi.Node) bool {
	return n.Name != "entry" && n.Name != "member" && text(n) == "" && !slices.ContainsFunc(n.Children, func(c *xmlapi.Node) bool { return !isHollow(c) })
}

// keys are those of two elements' children, each once.
func keys(one, other map[step]*xmlapi.Node) []step {
	all := make([]step, 0, len(one))
	for s := range one {
		all = append(all, s)
	}
	for s := range other {
		if one[s] == nil {
			all = append(all, s)
		}
	}
	return all
}

func children(n *xmlapi.Node) map[step]*xmlapi.Node {
	if n == nil {
		return nil
	}
	all := make(map[step]*xmlapi.Node, len(n.Children))
	for _, child := range n.Children {
		all[stepOf(child)] = child
	}
	return all
}

// isLeaf tells whether an element holds no others but members.
func isLeaf(n *xmlapi.Node) bool {
	return n == nil || !slices.ContainsFunc(n.Children, func(c *xmlapi.Node) bool { return c.Name != "member" })
}

func text(n *xmlapi.Node) string {
	if n == nil {
		return ""
	}
	return strings.TrimSpace(n.Text)
}

// isStructural tells whether the entry at a path is no object.
func isStructural(path []step) bool {
	above := func(back int) string { return path[max(len(path)-1-back, 0)].element }
	if list := above(1); list != "devices" {
		return slices.Contains(structural, list) && above(2) == "entry" && above(3) == "devices"
	}
	return above(2) == "config" || above(2) == "readonly"
}

// isAmong tells whether one of the versions of an element is as it is.
func isAmong(n *xmlapi.Node, versions []*xmlapi.Node) bool {
	return slices.ContainsFunc(versions, func(v *xmlapi.Node) bool { return Alike(n, v) })
}

// Alike tells whether two elements say the same; nil: there is none. The order of elements does not count, nor that of what sets hold, nor
// attributes but for the name.
func Alike(n, o *xmlapi.Node) bool {
	return isNothing(n) && isNothing(o) || same(n, o) || meaning(n) == meaning(o)
}

func isNothing(n *xmlapi.Node) bool {
	return n == nil || len(n.Children) == 0 && text(n) == "" && slices.Contains(emptied, n.Name)
}

// same tells whether two elements are written alike, which is quick.
func same(n, o *xmlapi.Node) bool {
	if n == nil || o == nil || n == o {
		return n == o
	}
	return n.Name == o.Name && n.Attr("name") == o.Attr("name") && text(n) == text(o) && slices.EqualFunc(n.Children, o.Children, same)
}

// meaning is an element in a form in which those that say the same are the same text. Attributes but for name are what the device marks it with.
func meaning(n *xmlapi.Node) string {
	if n == nil {
		return ""
	}
	var parts []string
	isList := false
	for _, c := range n.Children {
		if !isNothing(c) {
			parts, isList = append(parts, meaning(c)), isList || c.Name == "entry" || c.Name == "member"
		}
	}
	if !isList || slices.Contains(sets, n.Name) {
		slices.Sort(parts)
	}
	return fmt.Sprintf("%s %q %q (%s)", n.Name, n.Attr("name"), text(n), strings.Join(parts, ","))
}

// isInOrder tells whether a list stands in an order that one of its versions has, the first of which is in force: what was there before, and of what
// is new each by itself, which another version may have made.
func isInOrder(after *xmlapi.Node, versions []*xmlapi.Node) bool {
	if !slices.ContainsFunc(versions, func(v *xmlapi.Node) bool { return inOrder(after, v, versions[0]) }) {
		return false
	}
	then, have := children(after), make([]map[step]*xmlapi.Node, len(versions))
	for i, v := range versions {
		have[i] = children(v)
	}
	for s, rule := range then {
		if have[0][s] != nil {
			continue
		}
		known, placed := false, false // not known: it is itself by hand
		for i, v := range versions {
			if made := have[i][s]; made != nil && !placed && isAmong(rule, []*xmlapi.Node{made}) {
				known, placed = true, maps.Equal(before(s, after, have[i]), before(s, v, then))
			}
		}
		if known && !placed {
			return false
		}
	}
	return true
}

// before are those of a list that stand before one of them, of those that are in another version, too.
func before(s step, list *xmlapi.Node, other map[step]*xmlapi.Node) map[step]bool {
	all := map[step]bool{}
	for _, c := range list.Children {
		at := stepOf(c)
		if at == s {
			break
		}
		if other[at] != nil {
			all[at] = true
		}
	}
	return all
}

// inOrder tells whether what a list has in common with the running one stands in a version of it in the same order.
func inOrder(after, version, running *xmlapi.Node) bool {
	then, now := children(after), children(running)
	common := func(n *xmlapi.Node) (out []step) {
		if n == nil {
			return nil
		}
		for _, c := range n.Children {
			if s := stepOf(c); then[s] != nil && now[s] != nil {
				out = append(out, s)
			}
		}
		return out
	}
	return slices.Equal(common(after), common(version))
}

// objectName names the entry at a path.
func objectName(path []step) string {
	rest, where := scoped(path)
	name := quoted(path[len(path)-1].entry)
	if isStructural(path) {
		_, where = scoped(path[:len(path)-2])
		return words(path[len(path)-2].element) + " " + name + where
	}
	return kindOf(rest[:len(rest)-1]) + " " + name + where
}

// kindOf is what the entries of a list are called.
func kindOf(list []step) string {
	at := func(back int) string {
		if len(list) < back {
			return ""
		}
		return list[len(list)-back].element
	}
	switch last, above := at(1), at(2); {
	case last == "rules" && above == "default-security-rules":
		return "default rule"
	case last == "rules":
		return words(above) + " rule"
	case last == "match-list":
		return words(above) + " log settings"
	case above == "log-settings" && last == "profiles":
		return "log forwarding profile"
	case above == "log-settings":
		return words(last) + " server profile"
	case last == "devices":
		return "firewall"
	case last == "external-list":
		return "external dynamic list"
	default:
		return words(last)
	}
}

// settingName names what is in no object.
func settingName(path []step) string {
	rest, where := scoped(path)
	var names []string
	for _, s := range rest {
		names = append(names, s.element)
	}
	return cmp.Or(strings.Join(names, " "), "configuration") + where
}

// placeName names what is edited at a path.
func placeName(path []step) string {
	if isEntry(path) {
		return objectName(path)
	}
	return settingName(path)
}

func orderName(path []step) string {
	rest, where := scoped(path)
	if path[len(path)-1].element != "rules" {
		return "the order of " + strings.TrimSuffix(settingName(path), where) + where
	}
	return "the order of " + kindOf(rest) + "s" + where
}

// scoped parts a path into what is below the virtual system, device group and so on, and where that is, for a reader.
func scoped(path []step) (rest []step, where string) {
	var in []string
	at := 1 // the first is config
	for at < len(path) {
		if path[at].element == "readonly" || path[at].element == "config" {
			at++
			continue
		}
		if path[at].element == "shared" {
			if at++; len(in) == 0 {
				in = append(in, "shared")
			}
			break
		}
		if at+1 == len(path) || path[at+1].element != "entry" || !isStructural(path[:at+2]) {
			break
		}
		if list, name := path[at].element, xmlapi.Tidy(path[at+1].entry); list == "vsys" {
			in = append(in, name)
		} else if list != "devices" {
			in = append(in, words(list)+" "+name)
		}
		at += 2
	}
	if len(in) > 0 {
		where = " (" + strings.Join(in, ", ") + ")"
	}
	return path[at:], where
}

func words(element string) string { return strings.ReplaceAll(element, "-", " ") }

func quoted(name string) string { return fmt.Sprintf("%q", xmlapi.Tidy(name)) }
