package panorama

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"activedefense/firewall/xmlapi"
)

// idle are the lists of objects that do nothing before something names them. Addresses are so but for their tags. Not so are, among others,
// applications, by which sessions are told apart and which filters match, and signatures.
var idle = []string{"address", "address-group", "service", "service-group", "application-group", "application-filter", "external-list", "region", "schedule", "tag",
	"dynamic-user-group", "device-object", "profile-group", "log-settings/profiles", "profiles/custom-url-category", "profiles/hip-objects", "profiles/hip-profiles",
	"profiles/virus", "profiles/spyware", "profiles/vulnerability", "profiles/url-filtering", "profiles/file-blocking", "profiles/wildfire-analysis",
	"profiles/data-filtering", "profiles/data-objects", "profiles/decryption", "profiles/dos-protection"}

// apart is what a level has that is no object: what Panorama says of the level itself, the reports that it makes, and its rules.
var apart = []string{"devices", "description", "reference-templates", "master-device", "authorization-code", "pre-rulebase", "post-rulebase",
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

// unitsOf walks through what stands below an element; within tells of which lists the entries are walked through, too. Elements that hold nothing
// are lists without entries: Panorama and firewalls keep some.
func unitsOf(n *xmlapi.Node, list string, within func(list string) bool, each func(unit, *xmlapi.Node)) {
	for _, c := range n.Children {
		at, rest := strings.TrimPrefix(list+"/"+c.Name, "/"), *c
		rest.Children = nil
		for _, e := range c.Children {
			switch {
			case e.Name != "entry":
				rest.Children = append(rest.Children, e)
			case within(at):
				unitsOf(e, at+"/"+e.Attr("name"), within, each)
			default:
				each(unit{at, e.Attr("name")}, e)
			}
		}
		if rest.Text != "" || len(rest.Members()) > 0 {
			each(unit{list: at}, &rest)
		} else {
			unitsOf(&rest, at, within, each)
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
	unitsOf(&plain, "", func(string) bool { return false }, each)
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

// objects names what of the objects differs; there is what is committed, the nearest to the firewall first.
func (p Push) objects(there map[unit][]committed) (out []string) {
	have, shared := p.Have.objects()
	used, logs := p.names()
	made := map[unit][]*xmlapi.Node{}
	for _, then := range slices.Concat(p.Then, p.Apart) {
		objects, _ := then.objects()
		for u, nodes := range objects {
			made[u] = append(made[u], nodes...)
		}
	}
	negated := p.negatesTags(have)
	for _, u := range sortedUnits(there, have) {
		made := slices.DeleteFunc(made[u], func(n *xmlapi.Node) bool { return isAmong(n, have[u]) })
		switch all := there[u]; {
		case len(all) == 0 && p.takesAway(u):
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
			used := used
			if u.list == "log-settings/profiles" {
				used = logs
			}
			if why := acts(u, all, used, negated); why != "" {
				out = append(out, u.String()+" of "+all[0].level+", which is new"+why)
			}
		}
	}
	return out
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
func acts(u unit, all []committed, used map[string]bool, negated bool) string {
	switch {
	case used[u.name]:
		return " and has a name that is in use"
	case u.name == "" || !slices.Contains(idle, u.list):
		return " and may act by itself"
	case u.list == "address" && negated:
		return " and may be matched by a filter that says not"
	case u.list == "address" && slices.ContainsFunc(all, func(c committed) bool {
		return slices.ContainsFunc(c.Child("tag").Members(), func(tag string) bool { return used[tag] })
	}):
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

// names gives all that may be the name of an object in what the firewall has and would have; logs are those of log forwarding profiles, which
// rules name apart. Names of rules are none.
func (p Push) names() (used, logs map[string]bool) {
	used, logs = map[string]bool{}, map[string]bool{}
	var walk func(n *xmlapi.Node, in string)
	walk = func(n *xmlapi.Node, in string) {
		if n == nil {
			return
		}
		to := used
		if n.Name == "log-setting" || in == "log-settings" && n.Name == "profiles" {
			to = logs
		}
		for _, text := range append([]string{n.Text}, wordsOf(n.Text)...) {
			to[text] = true
		}
		for _, c := range n.Children {
			if n.Name != "rules" {
				to[c.Attr("name")] = true
			}
			if c.Name != "description" && c.Name != "comments" {
				walk(c, n.Name)
			}
		}
	}
	for _, held := range append([]Held{p.Have}, p.Then...) {
		for _, part := range held.Parts {
			walk(part.Node, "")
		}
		walk(held.Template, "")
	}
	for _, n := range p.Local {
		walk(n, "")
	}
	delete(used, "")
	delete(logs, "")
	return used, logs
}

// wordsOf are the names in an expression: what is quoted, and what is not.
func wordsOf(text string) []string {
	quote := func(r rune) bool { return r == '\'' || r == '"' }
	if !strings.ContainsAny(text, "'\"( ") {
		return nil
	}
	return append(strings.FieldsFunc(text, quote), strings.FieldsFunc(text, func(r rune) bool { return quote(r) || strings.ContainsRune(" ()\t\n", r) })...)
}

// negatesTags tells whether a dynamic address group matches what does not bear a tag.
func (p Push) negatesTags(have map[unit][]*xmlapi.Node) bool {
	says := func(n *xmlapi.Node) bool {
		return slices.Contains(strings.Fields(strings.ReplaceAll(n.Value("dynamic", "filter"), "(", " ")), "not")
	}
	for u, all := range have {
		if u.list == "address-group" && slices.ContainsFunc(all, says) {
			return true
		}
	}
	return slices.ContainsFunc(p.Local, func(n *xmlapi.Node) bool { return slices.ContainsFunc(n.Child("address-group").Entries(), says) })
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

// templates names what the templates of the firewall have otherwise than it. A setting of several is that of the first.
func (p Push) templates(ctx context.Context, d *xmlapi.Device) (out []string, err error) {
	const what = "read what is committed in the templates of Panorama"
	var sources []committed
	if p.At.Stack != "" {
		stack, err := d.Show(ctx, what, stacks+xmlapi.EntryNamed(p.At.Stack))
		if err != nil {
			return nil, err
		}
		sources = append(sources, committed{"template stack " + p.At.Stack, stack})
	}
	for _, name := range p.At.templates {
		template, err := d.Show(ctx, what, templates+xmlapi.EntryNamed(name))
		if err != nil {
			return nil, err
		}
		sources = append(sources, committed{"template " + name, template})
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
		case n == nil && p.takesAwaySetting(u):
		case n == nil:
			out = append(out, u.String()+" of the templates, which is gone there")
		case isAmong(n, known) || isAmong(filled(n, variables), known):
		case isCA && slices.ContainsFunc(known, func(k *xmlapi.Node) bool { return p.SameCA(n, k) }):
		case len(from[u]) > 1 && slices.ContainsFunc(known, func(k *xmlapi.Node) bool { return unordered(filled(n, variables)) == unordered(k) }):
		default:
			out = append(out, u.String()+" of "+strings.Join(from[u], ", "))
		}
	}
	return out, nil
}

// takesAwaySetting tells whether a change of ours takes a setting of the template away.
func (p Push) takesAwaySetting(u unit) bool {
	xpath := p.At.TemplatePath() + "/" + u.list + xmlapi.EntryNamed(u.name)
	return slices.ContainsFunc(p.Changes, func(c Change) bool { return c.Replaces(xpath) })
}

// settingsOf are the settings of the config of a template.
func settingsOf(config *xmlapi.Node) map[unit]*xmlapi.Node {
	out := map[unit]*xmlapi.Node{}
	if config != nil {
		unitsOf(config, "", func(list string) bool { return list == "devices" || strings.HasSuffix(list, "/vsys") }, func(u unit, n *xmlapi.Node) { out[u] = n })
	}
	return out
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
// does not matter, nor that of the members of a group; that of entries does, for lists of them may be tried in turn.
func meaning(n *xmlapi.Node) string { return meant(n, true) }

// unordered is meaning where entries may have been put together in another order.
func unordered(n *xmlapi.Node) string { return meant(n, false) }

func meant(n *xmlapi.Node, inOrder bool) string {
	var parts, list []string
	for _, c := range n.Children {
		switch {
		case slices.Contains([]string{"description", "comments", "color"}, c.Name):
		case c.Text == "no" && slices.Contains([]string{"disabled", "negate-source", "negate-destination", "disable-override"}, c.Name): // as where it is absent
		case c.Name == "override" && c.Child("no") != nil:
		case inOrder && (c.Name == "entry" || c.Name == "member" && n.Name != "static" && n.Name != "members"):
			list = append(list, meant(c, inOrder))
		default:
			parts = append(parts, meant(c, inOrder))
		}
	}
	slices.Sort(parts)
	text := strings.TrimSpace(n.Text)
	if strings.HasPrefix(text, "-AQ==") || n.Name == "password" { // a secret, which each device encrypts by itself
		text = "secret"
	}
	return fmt.Sprintf("%s%q=%q(%s)", n.Name, n.Attr("name"), text, strings.Join(append(parts, list...), ","))
}
