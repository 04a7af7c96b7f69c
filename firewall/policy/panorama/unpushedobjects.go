package panorama

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"activedefense/firewall/policy/byhand"
	"activedefense/firewall/xmlapi"
)

// idle are the lists of objects that do nothing before something names them. Addresses are so but for their tags. Not so are, among others,
// applications, by which sessions are told apart and which filters match, and signatures.
var idle = []string{"address", "address-group", "service", "service-group", "application-group", "application-filter", "external-list", "region", "schedule", "tag",
	"dynamic-user-group", "device-object", "profile-group", "log-settings/profiles", "profiles/custom-url-category", "profiles/hip-objects", "profiles/hip-profiles",
	"profiles/virus", "profiles/spyware", "profiles/vulnerability", "profiles/url-filtering", "profiles/file-blocking", "profiles/wildfire-analysis",
	"profiles/data-filtering", "profiles/data-objects", "profiles/decryption", "profiles/dos-protection"}

// apart is what a level has that is no object: what Panorama says of the level and of its own administrators, the reports that it makes, and its rules.
var apart = []string{"devices", "description", "admin-role", "reference-templates", "master-device", "authorization-code", "pre-rulebase", "post-rulebase",
	"botnet", "reports", "report-group", "pdf-summary-report", "email-scheduler"}

// unit is what is compared as a whole: an entry of a list, or with name "" a setting that is in none.
type unit struct {
	list string // its elements, with / between them
	name string
}

// String names it for a reader.
func (u unit) String() string {
	kind := u.list[strings.LastIndex(u.list, "/")+1:]
	switch {
	case u.name == "":
		return "setting " + strings.ReplaceAll(u.list, "/", " ")
	case u.list == "log-settings/profiles":
		kind = "log forwarding profile"
	case strings.HasSuffix(u.list, "log-settings/syslog"):
		kind = "syslog server profile"
	}
	return fmt.Sprintf("%s %q", strings.ReplaceAll(kind, "-", " "), xmlapi.Tidy(u.name))
}

// unitsOf walks through what stands below an element; within tells of which lists the entries are walked through, too. empty: an element that holds
// nothing is a unit, for it may be a choice (dhcp-client, none), unless it stands right below such an entry or a list that stays: these are
// lists without entries, of which Panorama and firewalls keep some.
func unitsOf(n *xmlapi.Node, list string, within func(list string) bool, empty bool, each func(unit, *xmlapi.Node)) {
	for _, c := range n.Children {
		at, rest := strings.TrimPrefix(list+"/"+c.Name, "/"), *c
		rest.Children = nil
		for _, e := range c.Children {
			switch {
			case e.Name != "entry":
				rest.Children = append(rest.Children, e)
			case within(at):
				unitsOf(e, at+"/"+e.Attr("name"), within, empty, each)
			default:
				each(unit{at, e.Attr("name")}, e)
			}
		}
		if isTop := n.Name == "entry" || list == ""; rest.Text != "" || len(rest.Members()) > 0 || empty && !isTop && len(c.Children) == 0 && !byhand.StaysEmpty(c.Name) {
			each(unit{list: at}, &rest)
		} else {
			unitsOf(&rest, at, within, empty, each)
		}
	}
}

// objectsOf are the objects of a level, or of a part of what was pushed.
func objectsOf(level *xmlapi.Node, each func(unit, *xmlapi.Node)) {
	if level == nil {
		return
	}
	plain := *level
	plain.Children = slices.DeleteFunc(slices.Clone(level.Children), func(c *xmlapi.Node) bool { return slices.Contains(apart, c.Name) })
	unitsOf(&plain, "", func(string) bool { return false }, false, each)
}

// committed is an object as Panorama has it at a level, or in a template.
type committed struct {
	level string
	*xmlapi.Node
}

// objects gives those of a firewall, what is not shared first: that is what its rules mean by the name; and what is shared alone.
func (h Held) objects() (all, shared map[unit][]*xmlapi.Node) {
	near, far := map[unit][]*xmlapi.Node{}, map[unit][]*xmlapi.Node{}
	for _, part := range h.Parts {
		objectsOf(part.Node, func(u unit, n *xmlapi.Node) {
			if loc := n.Attr("loc"); IsShared(loc) || loc == "" && part.Shared {
				far[u] = append(far[u], n)
			} else {
				near[u] = append(near[u], n)
			}
		})
	}
	for u, nodes := range far {
		near[u] = append(near[u], nodes...)
	}
	return near, far
}

// objects names what of the objects differs; there is what is committed, the nearest to the firewall first, used all names
// in the configuration of the firewall, here those of this virtual system.
func (p Push) objects(there map[unit][]committed, used, here *names) (out []string) {
	have, shared := p.Have.objects()
	made := map[unit][]*xmlapi.Node{}
	for _, then := range slices.Concat(p.Then, p.Apart) {
		objects, _ := then.objects()
		for u, nodes := range objects {
			made[u] = append(made[u], nodes...)
		}
	}
	unused := p.goneElsewhere(there, have, shared)
	for _, u := range sortedUnits(there, have) {
		made := slices.DeleteFunc(made[u], func(n *xmlapi.Node) bool { return isAmong(n, have[u]) })
		switch all := there[u]; {
		case len(all) == 0 && (p.takesAway(u) || unused[u]):
		case len(all) == 0:
			out = append(out, u.String()+", which is gone there")
		case isAmong(all[0].Node, made):
		case len(have[u]) > 0 && isAmong(all[0].Node, have[u][:1]):
			if text := behind(all[len(all)-1], have[u], shared[u], made); text != "" && !p.takesAway(u) {
				out = append(out, u.String()+text)
			}
		case len(have[u]) > 0 && slices.ContainsFunc(all[1:], func(c committed) bool { return isAmong(c.Node, have[u]) }):
			out = append(out, u.String()+" of "+all[0].level+", which is nearer to the firewall than the one that it has")
		case len(have[u])+len(made) > 0:
			out = append(out, u.String()+" of "+all[0].level)
		default:
			meant := used
			if p.standsElsewhere(u, all[0]) {
				meant = here // the others mean their own, which is the same
			}
			if why := p.acts(u, all, meant); why != "" {
				out = append(out, u.String()+" of "+all[0].level+", which is new"+why)
			}
		}
	}
	return out
}

// standsElsewhere tells whether another virtual system has an object of a device group already, just so.
func (p Push) standsElsewhere(u unit, c committed) bool {
	return !IsShared(c.level) && slices.ContainsFunc(p.others, func(s System) bool {
		have, _ := s.Have.objects()
		return isAmong(c.Node, have[u])
	})
}

// goneElsewhere gives the objects of device groups that are gone on Panorama and in all other virtual systems already, and that nothing in this one names: by
// what it has without them, and without rules that are not for it.
func (p Push) goneElsewhere(there map[unit][]committed, have, shared map[unit][]*xmlapi.Node) map[unit]bool {
	others := slices.DeleteFunc(slices.Clone(p.others), func(s System) bool { return s.None })
	if len(others) == 0 {
		return nil
	}
	gone, left := map[unit]bool{}, map[unit]bool{}
	for _, s := range others {
		all, _ := s.Have.objects()
		for u := range all {
			left[u] = true
		}
	}
	for u := range have {
		if len(there[u]) == 0 && len(shared[u]) == 0 && !left[u] {
			gone[u] = true
		}
	}
	if len(gone) == 0 {
		return nil
	}
	here := p.namesWithout(p.Name, gone)
	maps.DeleteFunc(gone, func(u unit, _ bool) bool {
		var all []committed
		for _, n := range have[u] {
			all = append(all, committed{Node: n})
		}
		return p.acts(u, all, here) != ""
	})
	return gone
}

// behind tells how what is shared differs; "": not. It counts behind what is nearer, too, for other virtual systems. last is what Panorama has that is the
// farthest.
func behind(last committed, have, shared, made []*xmlapi.Node) string {
	switch isShared := IsShared(last.level); {
	case len(shared) == 0 || isShared && isAmong(last.Node, slices.Concat(shared, made)):
		return ""
	case isShared:
		return " of " + Shared
	case len(shared) < len(have):
		return " of " + Shared + ", which is gone there"
	}
	return ""
}

// acts tells why a new object of others is not without effect; "": it is.
func (p Push) acts(u unit, all []committed, used *names) string {
	asks := func(tags []string) bool {
		return slices.ContainsFunc(used.filters, func(filter string) bool { return p.Asks(filter, tags) })
	}
	switch {
	case used.has(u):
		return " and has a name that is in use"
	case u.name == "" || !slices.Contains(idle, u.list):
		return " and may act by itself"
	case u.list == "address" && asks(nil):
		return " and may be matched by a filter that says not"
	case u.list == "address" && slices.ContainsFunc(all, func(c committed) bool { return asks(c.Child("tag").Members()) }):
		return " and bears tags"
	}
	return ""
}

// takesAway tells whether a change of ours does.
func (p Push) takesAway(u unit) bool {
	return slices.ContainsFunc(p.At.line(), func(level string) bool {
		xpath := LevelPath(level) + "/" + u.list + xmlapi.EntryNamed(u.name)
		return slices.ContainsFunc(p.Changes, func(c Change) bool { return c.Replaces(xpath) })
	})
}

func sortedUnits[A, B any](a map[unit]A, b map[unit]B) []unit {
	all := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.SortFunc(all, func(x, y unit) int { return strings.Compare(x.list+"\x00"+x.name, y.list+"\x00"+y.name) })
	return slices.Compact(all)
}

// isAmong tells whether an object decides as one of some.
func isAmong(n *xmlapi.Node, all []*xmlapi.Node) bool {
	if slices.Contains(all, n) {
		return true // as most are
	}
	text := meaning(n)
	return slices.ContainsFunc(all, func(o *xmlapi.Node) bool { return meaning(o) == text })
}

// templates names what the templates of the firewall have otherwise than it, and what of them holds a secret that is written otherwise.
// A setting of several is that of the first.
func (p Push) templates(ctx context.Context, d *xmlapi.Device) (out, secrets []string, err error) {
	sources, err := p.templateSources(ctx, d)
	if err != nil {
		return nil, nil, err
	}
	var merged *xmlapi.Node
	from := map[unit][]string{}
	for _, source := range sources {
		config := source.Child("config")
		merged = overlaid(merged, config)
		for u := range settingsOf(config) {
			from[u] = append(from[u], source.level)
		}
	}
	variables := variablesOf(sources, p.At.Serial)
	there, have := settingsOf(merged), settingsOf(p.Have.Template)
	for _, u := range sortedUnits(there, have) {
		n, known := there[u], []*xmlapi.Node{}
		if have[u] != nil {
			known = append(known, have[u])
		}
		for _, then := range p.Then {
			if made := settingsOf(then.Template)[u]; made != nil {
				known = append(known, made)
			}
		}
		switch isCA := strings.HasSuffix(u.list, "shared/certificate"); {
		case n == nil && (p.takesAwaySetting(u) || isEmpty(have[u]) && stands(u, there)):
		case n == nil:
			out = append(out, u.String()+" of the templates, which is gone there")
		case isAmong(n, known) || isAmong(filled(n, variables), known):
			if have[u] != nil && !slices.Equal(secretsOf(n), secretsOf(have[u])) {
				secrets = append(secrets, u.String())
			}
		case isCA && slices.ContainsFunc(known, func(k *xmlapi.Node) bool { return p.SameCA(n, k) }):
		case len(known) == 0 && isEmpty(n) && stands(u, have):
		default:
			out = append(out, u.String()+" of "+strings.Join(from[u], ", "))
		}
	}
	return append(out, p.orders(merged, sources)...), secrets, nil
}

// templateSources are the stack and the templates of the firewall, that which wins first.
func (p Push) templateSources(ctx context.Context, d *xmlapi.Device) (sources []committed, err error) {
	read := func(what, list, name string) error {
		n, err := d.Show(ctx, "read what is committed in the templates of Panorama", list+xmlapi.EntryNamed(name))
		sources = append(sources, committed{what + " " + name, n})
		return err
	}
	if p.At.Stack != "" {
		err = read("template stack", stacks, p.At.Stack)
	}
	for _, name := range p.At.templates {
		err = cmp.Or(err, read("template", templates, name))
	}
	return sources, err
}

func isEmpty(n *xmlapi.Node) bool { return n != nil && len(n.Children) == 0 && n.Text == "" }

// stands tells whether anything stands at, or below, the element of a setting.
func stands(u unit, among map[unit]*xmlapi.Node) bool {
	for o := range among {
		if o.list == u.list || strings.HasPrefix(o.list, u.list+"/") {
			return true
		}
	}
	return false
}

// orders names the lists that are read from the first to the last and stand in another order in the templates put together than the firewall has them, or would
// have them. What the template that wins has is taken to come first.
func (p Push) orders(merged *xmlapi.Node, sources []committed) (out []string) {
	var known []map[string][]string
	for _, held := range append([]Held{p.Have}, p.Then...) {
		known = append(known, ordersOf(held.Template))
	}
	all := ordersOf(merged)
	for _, list := range slices.Sorted(maps.Keys(all)) {
		if slices.ContainsFunc(known, func(k map[string][]string) bool {
			return slices.Equal(common(all[list], k[list]), common(k[list], all[list]))
		}) {
			continue
		}
		var from []string
		for _, source := range sources {
			if len(ordersOf(source.Child("config"))[list]) > 0 {
				from = append(from, source.level)
			}
		}
		out = append(out, "the order of "+strings.ReplaceAll(list, "/", " ")+" of "+strings.Join(from, ", "))
	}
	return out
}

// ordersOf are the names in the lists of a config that are read from the first to the last, by list.
func ordersOf(config *xmlapi.Node) map[string][]string {
	out := map[string][]string{}
	eachSetting(config, func(u unit, _ *xmlapi.Node) {
		if u.name != "" && byhand.IsOrdered(u.list[strings.LastIndex(u.list, "/")+1:]) {
			out[u.list] = append(out[u.list], u.name)
		}
	})
	return out
}

// common are those of some names that others have, too.
func common(names, others []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !slices.Contains(others, name) })
}

// takesAwaySetting tells whether a change of ours takes a setting of the template away.
func (p Push) takesAwaySetting(u unit) bool {
	xpath := p.At.TemplatePath() + "/" + u.list + xmlapi.EntryNamed(u.name)
	return slices.ContainsFunc(p.Changes, func(c Change) bool { return c.Replaces(xpath) })
}

// settingsOf are the settings of the config of a template.
func settingsOf(config *xmlapi.Node) map[unit]*xmlapi.Node {
	out := map[unit]*xmlapi.Node{}
	eachSetting(config, func(u unit, n *xmlapi.Node) { out[u] = n })
	return out
}

func eachSetting(config *xmlapi.Node, each func(unit, *xmlapi.Node)) {
	if config != nil {
		unitsOf(config, "", func(list string) bool { return list == "devices" || strings.HasSuffix(list, "/vsys") }, true, each)
	}
}

// overlaid gives what a template has, and of the one below it what it has not.
func overlaid(top, below *xmlapi.Node) *xmlapi.Node {
	switch {
	case top == nil:
		return below
	case below == nil:
		return top
	}
	all := *top
	all.Children = slices.Clone(top.Children)
	for _, c := range below.Children {
		i := slices.IndexFunc(all.Children, func(o *xmlapi.Node) bool {
			return o.Name == c.Name && o.Attr("name") == c.Attr("name") && (c.Name != "member" || o.Text == c.Text)
		})
		if i < 0 {
			all.Children = append(all.Children, c)
		} else {
			all.Children[i] = overlaid(all.Children[i], c)
		}
	}
	return &all
}

// variablesOf are the variables of templates as they stand for a firewall: its own first, then those of the stack.
func variablesOf(sources []committed, serial string) map[string]string {
	out := map[string]string{}
	take := func(n *xmlapi.Node) {
		for _, v := range n.Child("variable").Entries() {
			if texts := v.Child("type").Texts(); out[v.Attr("name")] == "" && len(texts) == 1 {
				out[v.Attr("name")] = texts[0]
			}
		}
	}
	for _, s := range sources {
		take(s.Child("devices").Entry(serial))
	}
	for _, s := range sources {
		take(s.Node)
	}
	return out
}

// filled is a setting with the values of variables in their place.
func filled(n *xmlapi.Node, variables map[string]string) *xmlapi.Node {
	if len(variables) == 0 {
		return n
	}
	c := *n
	if value := variables[n.Text]; value != "" {
		c.Text = value
	}
	c.Attrs, c.Children = slices.Clone(n.Attrs), nil
	for i, a := range c.Attrs {
		if value := variables[a.Value]; value != "" {
			c.Attrs[i].Value = value
		}
	}
	for _, child := range n.Children {
		c.Children = append(c.Children, filled(child, variables))
	}
	return &c
}

// meaning is what an object says that decides anything, in a form in which equal ones are the same text. The order of elements
// does not matter, nor that of sets such as the members of a group; that of all other lists does, for they may be tried in turn.
func meaning(n *xmlapi.Node) string {
	var parts, list []string
	for _, c := range n.Children {
		switch {
		case slices.Contains([]string{"description", "comments", "color"}, c.Name):
		case c.Text == "no" && slices.Contains([]string{"disabled", "negate-source", "negate-destination", "negate", "disable-override"}, c.Name): // as where it is absent
		case c.Name == "override" && c.Child("no") != nil:
		case (c.Name == "entry" || c.Name == "member") && !byhand.IsSet(n.Name):
			list = append(list, meaning(c))
		default:
			parts = append(parts, meaning(c))
		}
	}
	slices.Sort(parts)
	text := strings.TrimSpace(n.Text)
	if isSecret(n) {
		text = "secret"
	}
	return fmt.Sprintf("%s%q=%q(%s)", n.Name, n.Attr("name"), text, strings.Join(append(parts, list...), ","))
}

// isSecret tells whether a text is a secret, which each device encrypts by itself.
func isSecret(n *xmlapi.Node) bool {
	return strings.HasPrefix(strings.TrimSpace(n.Text), "-AQ==") || n.Name == "password"
}

// secretsOf are the secrets in an element, as they are written.
func secretsOf(n *xmlapi.Node) (all []string) {
	if isSecret(n) {
		all = append(all, n.Text)
	}
	for _, c := range n.Children {
		all = append(all, secretsOf(c)...)
	}
	return all
}
