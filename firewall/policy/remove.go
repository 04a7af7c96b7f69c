package policy

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"activedefense/firewall"
	"activedefense/firewall/policy/byhand"
	"activedefense/firewall/policy/panorama"
	"activedefense/firewall/xmlapi"
)

// ActionDelete is the action of a step that takes something away; see Remove.
const ActionDelete = "delete"

// ObjectRegistered is the object of the step, made by who has the firewall's registered addresses, that takes those with our tag off.
const ObjectRegistered = "registered addresses"

// Remove gives a plan that takes away from the candidate configuration, edits of everybody included, all that bears our names,
// in an order in which nothing ever refers to what is gone: rules first, then what they name. It changes nothing.
//
// Where somebody else's object refers to one of ours, to take that off is a step of its own, which is his unless adopt is set;
// what is still referred to stays, and is a step for a person, as is what Panorama pushed. No address is ever taken out of
// a rule, a group or a translation of somebody else: a rule without its last source would match any.
func Remove(ctx context.Context, d *xmlapi.Device, want Expectation, adopt bool) (Plan, error) {
	want.Adopt = adopt
	f, own, err := plannedFacts(ctx, d, want)
	if err != nil {
		return Plan{}, err
	}
	if own != d {
		defer own.Close()
	}
	if err = f.readFormer(ctx, d, want); err != nil {
		return Plan{}, err
	}
	device, err := wholeDevice(ctx, "read the candidate configuration", own.Get)
	if err != nil {
		return Plan{}, err
	}
	now := device
	if f.mayBePending() {
		if now, err = wholeDevice(ctx, "read the running configuration", d.Show); err != nil {
			return Plan{}, err
		}
	}
	if err := f.readElsewhere(ctx, d, device, now); err != nil {
		return Plan{}, err
	}
	steps := forActive(f, removal(f, want, adopt, device), adopt)
	after, err := f.without(steps, adopt)
	if err != nil {
		return Plan{}, err
	}
	plan := newPlan(f, after, want, steps)
	plan.LeftOut = f.othersNeed(want.Names)
	part, err := removalPart(f, after, want, steps, adopt)
	if err != nil {
		return Plan{}, fmt.Errorf("%s: predict the plan: %w", f.Firewall, err)
	}
	if f.readOwnNetwork(ctx, own, want, part); part != nil && !want.CommitAlone { // see removing
		if part.earlier, err = f.provisionedOnPanorama(want); err != nil {
			return Plan{}, err
		}
	}
	if err := part.look(ctx, d, want, steps); err != nil {
		return Plan{}, err
	}
	if plan.Panorama = part; !f.mayBePending() {
		return plan, nil
	}
	running, err := f.running(ctx, d)
	if err != nil {
		return Plan{}, err
	}
	ours, err := running.without(removal(running, want, adopt, now), adopt)
	if err != nil {
		return Plan{}, err
	}
	plan.Differences, plan.DifferencesTotal = bounded(differences(running, ours, want))
	return plan, plan.takenAlong(ctx, d, want, f, removing(want, device))
}

// partsOfNetwork are those that may name an object: an address, a certificate or a profile of certificates (PAN-OS web interface help, Network). The
// profiles of a network, which may be many, name none.
var partsOfNetwork = []string{"interface", "ike", "tunnel", "virtual-router", "logical-router", "dns-proxy", "dhcp", "shared-gateway", "secure-web-gateway", "underlay-net"}

// wholeDevice reads the configuration of the device, with all virtual systems: where that is longer than an answer may be, those parts that may name
// an object of ours, or hold one. The error says what to do where one of these is too long as well.
func wholeDevice(ctx context.Context, what string, read func(ctx context.Context, what, xpath string) (*xmlapi.Node, error)) (*xmlapi.Node, error) {
	whole, err := read(ctx, what, xmlapi.DevicePath)
	if xmlapi.Kind(err) != xmlapi.KindOversize {
		return whole, err
	}
	device, network := xmlapi.NamedEntry("localhost.localdomain"), xmlapi.Element("network")
	part := func(into *xmlapi.Node, xpath string) {
		if err != nil {
			return
		}
		var n *xmlapi.Node
		if n, err = read(ctx, what, xpath); n != nil {
			into.Children = append(into.Children, n)
		}
	}
	err = nil
	part(device, xmlapi.DevicePath+"/vsys")
	part(device, xmlapi.SystemPath)
	for _, name := range partsOfNetwork {
		part(network, xmlapi.NetworkPath+"/"+name)
	}
	if xmlapi.Kind(err) == xmlapi.KindOversize {
		return nil, fmt.Errorf("%w. Nothing was changed; what is ours can be taken away by hand, rules first, then what they name: firewall/README.md lists it", err)
	}
	device.Children = append(device.Children, network)
	return device, err
}

// removing plans removals; candidate is the configuration of the device, of which what is shared waits for other virtual systems as they are there.
func removing(want Expectation, candidate *xmlapi.Node) planning {
	return func(f *Facts, config *xmlapi.Node) (adopting, own, earlier []Step, err error) {
		var others []string
		for _, vsys := range candidate.Child("vsys").Entries() {
			if name := vsys.Attr("name"); name != f.VSys {
				others = append(others, xmlapi.VSysPath(name))
			}
		}
		device := xmlapi.Carried(xmlapi.DevicePath, config.Child("devices").FirstEntry(), candidate, others)
		if !want.CommitAlone { // which would put in force what an earlier run made, not take it away
			earlier, _, _, err = planned(f, want)
		}
		return removal(f, want, true, device), removal(f, want, false, device), earlier, err
	}
}

// readOwnNetwork reads what tells the internet zones, where a provisioning that was interrupted may have left something.
func (f *Facts) readOwnNetwork(ctx context.Context, d *xmlapi.Device, want Expectation, part *OnPanorama) {
	if len(want.InternetZones) == 0 && (part != nil || f.mayBePending()) {
		f.readNetwork(ctx, d, nil, d.Get) // not told: which rules it would have made is not known
	}
}

// provisionedOnPanorama gives what a provisioning that was interrupted may have written on Panorama.
func (f *Facts) provisionedOnPanorama(want Expectation) (changes []panorama.Change, err error) {
	steps, _, _, err := planned(f, want)
	for _, s := range steps {
		if !s.change.Empty() {
			changes = append(changes, s.change)
		}
	}
	return changes, err
}

// readElsewhere reads what Panorama pushed to the other virtual systems that configurations of the device and the template have: they see what is shared.
func (f *Facts) readElsewhere(ctx context.Context, d *xmlapi.Device, devices ...*xmlapi.Node) error {
	if !f.info.value.MultiVSys {
		return nil
	}
	read := map[string]bool{f.VSys: true}
	for _, device := range append(devices, f.template.value.At("devices").FirstEntry()) {
		for _, vsys := range device.Child("vsys").Entries() {
			name := vsys.Attr("name")
			if read[name] {
				continue
			}
			read[name] = true
			system, err := pushedTo(ctx, d, name)
			if err != nil {
				return err
			}
			f.elsewhere = append(f.elsewhere, system)
		}
	}
	return nil
}

// taken are the steps that are not somebody else's, or are adopted.
func taken(steps []Step, adopt bool) []Step {
	return slices.DeleteFunc(slices.Clone(steps), func(s Step) bool { return s.Foreign && !adopt })
}

// without gives the facts as they would be with the steps of a removal taken.
func (f *Facts) without(steps []Step, adopt bool) (*Facts, error) {
	after, err := f.applied(taken(steps, adopt))
	if err == nil {
		err = after.push(taken(steps, adopt))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: predict the plan: %w", f.Firewall, err)
	}
	after.emptied = true // the registered addresses go with it
	return after, nil
}

// removal gives the steps that take away all that is ours; device is the configuration of the device, with all virtual systems.
func removal(f *Facts, want Expectation, adopt bool, device *xmlapi.Node) []Step {
	v := &verifier{f: f, want: want, p: f.policy()}
	v.servers, v.logs = v.p.ourSyslog(want), v.p.ourLogs(want)
	r := &remover{provisioner: &provisioner{verifier: v}, adopt: adopt, used: map[string][]reference{}, armed: map[string]bool{}, beside: map[string][]string{}}
	for _, s := range sendingTo(want.SyslogAddress, v.servers) {
		r.sendTo = append(r.sendTo, s.name)
	}
	r.references(xmlapi.DevicePath, device)
	r.references(xmlapi.SharedPath, f.shared.value)
	for _, g := range v.p.scopes.all("address-group") {
		if g.scope.pushed {
			r.pushedFilters("", []*xmlapi.Node{g.Node})
		}
	}
	for _, s := range f.elsewhere {
		for _, part := range s.pushed {
			r.pushedFilters(s.name, part.Node.Child("address-group").Entries())
		}
	}
	r.all()
	r.fromPanorama()
	return append(r.steps, r.ofTemplates()...)
}

// pushedFilters notes the filters of dynamic address groups that Panorama pushed; vsys: to another virtual system.
func (r *remover) pushedFilters(vsys string, groups []*xmlapi.Node) {
	for _, g := range groups {
		if filter := g.Value("dynamic", "filter"); filter != "" {
			r.filters = append(r.filters, reference{name: filter, owner: ownerName("", "address-group", g.Attr("name")) + " of Panorama's", vsys: vsys})
		}
	}
}

// last leaves to a person what Panorama has of our names, behind all that may name it: commands delete it there.
func (r *remover) last(object, detail string, commands []string) {
	r.behind = append(r.behind, Step{Firewall: r.f.Firewall, Action: ActionPerson, Object: object, Detail: detail, Commands: commands})
}

// ofTemplates gives what comes last, that which names something before it.
func (r *remover) ofTemplates() []Step {
	kinds := []string{logGlobalProtect + " log settings", logSystem + " log settings", "log forwarding profile", "syslog server profile", "address", "external dynamic list",
		"certificate profile", "certificate", "tag"}
	rank := func(s Step) int {
		return slices.IndexFunc(kinds, func(kind string) bool { return strings.HasPrefix(s.Object, kind) })
	}
	slices.SortStableFunc(r.behind, func(a, b Step) int { return rank(a) - rank(b) })
	for i := range r.behind {
		s := &r.behind[i]
		if naming := slices.Concat(r.naming, r.living); len(naming) > 0 && strings.HasPrefix(s.Object, "syslog server profile ") {
			s.Commands = nil
			s.Detail = "It stays: on Panorama " + strings.Join(atMost(naming), ", ") + " still refers to it. Take it off there, or have --adopt do it; then run this again."
			if len(r.living) > 0 {
				s.Detail = "It stays: on Panorama " + strings.Join(atMost(r.living), ", ") + ", by which others log to us, still refers to it. " + goesWith
			}
		}
		if len(s.Commands) > 0 {
			s.Detail += ". In configure mode: " + strings.Join(s.Commands, "; ")
		}
	}
	return r.behind
}

// remover gathers the steps that take away.
type remover struct {
	*provisioner
	adopt bool
	used  map[string][]reference // by name
	// filters are those of dynamic address groups, Panorama's too
	filters []reference
	armed   map[string]bool // other virtual systems that have rules of ours: what is shared stays for them
	// beside are those with rules of ours for another tag, and what the names of that begin with: what of ours is shared and they live on stays
	beside map[string][]string
	gone   []string // xpaths of what is taken away, with all below
	kept   []string // and of what stays

	naming []string // match lists of Panorama's that stay and name a syslog server profile of ours
	living []string // and what of Panorama's names one that others log to us by
	behind []Step   // what comes last: what is in templates
}

// reference is a name that stands somewhere in the configuration.
type reference struct {
	name    string
	element string // in which it stands, such as log-setting or source
	at      string // xpath
	owner   string // the object in which that is, for a reader
	entry   *xmlapi.Node
	path    string // of the entry
	vsys    string // in which it is; "": in none
}

// references notes every name that stands below a node: as the text of an element or of a member, or as an entry of a
// certificate profile's CAs.
func (r *remover) references(path string, n *xmlapi.Node) {
	var walk func(path string, n *xmlapi.Node, in reference)
	walk = func(path string, n *xmlapi.Node, in reference) {
		for _, c := range n.Children {
			at, inside := path+"/"+c.Name, in
			switch {
			case c.Name == "member":
				r.note(in, c.Text, n.Name, path+xmlapi.MemberNamed(c.Text))
				continue
			case n.Name == "vsys" && c.Name == "entry" && path == xmlapi.DevicePath+"/vsys":
				at, inside.vsys = path+xmlapi.EntryNamed(c.Attr("name")), c.Attr("name")
				r.ourRules(c)
			case c.Name == "entry":
				at = path + xmlapi.EntryNamed(c.Attr("name"))
				if n.Name == "CA" || n.Name == "root-ca" {
					r.note(in, c.Attr("name"), n.Name, at)
				}
				inside.entry, inside.path = c, at
				if in.owner == "" {
					inside.owner = ownerName(path, n.Name, c.Attr("name"))
				}
			case c.Name == "description" || c.Name == "comments":
			case len(c.Children) == 0:
				r.note(in, c.Text, c.Name, at)
				continue
			}
			walk(at, c, inside)
		}
	}
	if n != nil {
		walk(path, n, reference{})
	}
}

// ourRules notes another virtual system that has rules of our names, or of those of another tag: as we make them, or with the sources of the tag.
func (r *remover) ourRules(vsys *xmlapi.Node) {
	name := vsys.Attr("name")
	if name == r.f.VSys {
		return
	}
	for _, e := range vsys.At("rulebase", "security", "rules").Entries() {
		stem := e.Attr("name")
		if stem = strings.TrimSuffix(strings.TrimSuffix(stem, "-list"), "-block"); stem == e.Attr("name") || stem == "" {
			continue
		}
		n, x := firewall.NamesFor(stem), readRule(e, layerLocal)
		switch isNamed := x.name == n.Block || x.name == n.Listed; {
		case isNamed && stem == r.want.Names.Group:
			r.armed[name] = true
		case isNamed && !x.allows() && (x.description == describesBlock || slices.Contains(x.source, n.Group) || slices.Contains(x.source, n.List)):
			r.beside[name] = append(r.beside[name], stem)
		}
	}
}

// here tells whether a reference is in our virtual system, or in none.
func (r *remover) here(u reference) bool { return u.vsys == "" || u.vsys == r.f.VSys }

func (r *remover) note(in reference, name, element, at string) {
	in.name, in.element, in.at = name, element, at
	if r.used[name] = append(r.used[name], in); element == "filter" && strings.HasSuffix(at, "/dynamic/filter") {
		r.filters = append(r.filters, in)
	}
}

// ownerName names an entry of a list for a reader.
func ownerName(path, list, name string) string {
	steps := strings.Split(path, "/")
	above := steps[max(0, len(steps)-2)]
	kind := strings.ReplaceAll(list, "-", " ")
	switch {
	case above == "default-security-rules":
		kind = "default rule"
	case list == "rules":
		kind = above + " rule"
	case list == "match-list":
		kind = above + " log settings"
	case above == "log-settings" && list == "profiles":
		kind = "log forwarding profile"
	case above == "log-settings":
		kind = list + " server profile"
	}
	return kind + " " + quoteAll([]string{name})
}

// referring are the references to a name from one of the elements, or with none from any element but those that only name
// other kinds of objects, that are not taken away themselves.
func (r *remover) referring(name string, elements ...string) []reference {
	others := []string{"log-setting", "send-syslog", "certificate-profile", "tag", "group-tag", "tags", "CA", "root-ca",
		"from", "to", "zone", "to-interface", "application", "service", "category", "source-user", "group", "hostname", "display-name"}
	return slices.DeleteFunc(slices.Clone(r.used[name]), func(u reference) bool {
		isOne := slices.Contains(elements, u.element) || len(elements) == 0 && !slices.Contains(others, u.element)
		return !isOne || r.isGone(u)
	})
}

// isGone tells whether a reference is taken away, or what it is in.
func (r *remover) isGone(u reference) bool {
	return within(u.at, r.gone)
}

// within tells whether an xpath is one of some, or below it.
func within(at string, some []string) bool {
	return slices.ContainsFunc(some, func(one string) bool {
		below, in := strings.CutPrefix(at, one)
		return in && (below == "" || below[0] == '/')
	})
}

// all takes away everything, what refers to something before that.
func (r *remover) all() {
	n := r.want.Names
	for _, name := range []string{n.Block, n.Listed, n.Sensor} {
		r.object("security rule", name, "rulebase", "security", "rules")
	}
	for _, name := range ourNames(n.Logs) {
		r.logging(name)
	}
	r.byTheirs()
	for _, name := range ourNames(n.Syslog) {
		r.sending(name)
	}
	r.object("address group", n.Group, "address-group")
	r.members()
	r.object("external dynamic list", n.List, "external-list")
	r.object("certificate profile", n.CertProf, "certificate-profile")
	r.object("certificate", n.CA, "certificate")
	for _, u := range r.referring(n.Tag, "tag", "group-tag") {
		if !r.here(u) {
			continue
		}
		r.untag(u)
	}
	r.object("tag", n.Tag, "tag")
}

// logging takes away a log forwarding profile of ours.
func (r *remover) logging(name string) {
	for _, u := range r.referring(name, "log-setting") {
		if r.here(u) {
			r.stopLogging(u)
		}
	}
	r.object("log forwarding profile", name, "log-settings", "profiles")
}

// byTheirs takes away what we made that logs to us through log forwarding and syslog server profiles of others: overrides of the default
// rules, and match lists.
func (r *remover) byTheirs() {
	n := r.want.Names
	for _, l := range r.logs {
		for _, u := range r.referring(l.name, "log-setting") {
			if r.here(u) && !slices.Contains(ourNames(n.Logs), l.name) && strings.Contains(u.at, defaultRulesPath) && slices.Contains(u.entry.Child("tag").Members(), n.Tag) {
				r.stopLogging(u)
			}
		}
	}
	for _, name := range r.sendTo {
		for _, u := range r.referring(name, "send-syslog") {
			if !slices.Contains(ourNames(n.Syslog), name) && r.isOurMatchList(u.entry) && r.maySend(u) {
				r.stopSending(u)
			}
		}
	}
}

// sending takes away a syslog server profile of ours. A log forwarding profile of ours that is not gone stays with all that it needs.
func (r *remover) sending(name string) {
	for _, u := range r.referring(name, "send-syslog") {
		if r.maySend(u) {
			r.stopSending(u)
		}
	}
	r.object("syslog server profile", name, "log-settings", "syslog")
}

// maySend tells whether a match list may stop sending to us: not one of another virtual system, nor one in Shared that another needs, nor
// one of a log forwarding profile of ours that stays.
func (r *remover) maySend(u reference) bool {
	if !r.here(u) || len(r.armed) > 0 || slices.ContainsFunc(ourNames(r.want.Names.Logs), func(logs string) bool {
		return strings.HasPrefix(u.path, xmlapi.SharedPath+"/log-settings/profiles"+xmlapi.EntryNamed(logs))
	}) {
		return false
	}
	var living []string
	for vsys, stems := range r.beside {
		if slices.ContainsFunc(stems, func(stem string) bool { return r.livesOn(vsys, stem, u) }) {
			living = append(living, vsys)
		}
	}
	if len(living) == 0 {
		return true
	}
	slices.Sort(living)
	r.person(u.owner, fmt.Sprintf("It stays: by its match list %s logs of virtual system %s come to us, which has rules of ours with another tag. "+goesWith, quoteAll([]string{u.entry.Attr("name")}), quoteAll(living)))
	r.kept = append(r.kept, u.path)
	return false
}

// goesWith is how what is shared is taken away that another virtual system lives on.
const goesWith = "Take away what is ours there first (provision --firewall with its name in the configuration, --remove); then run this again."

// livesOn tells whether what another virtual system, with rules of ours whose names begin with stem, has logged to us comes by a match list in Shared: it is that
// one's own, or one of ours for logs for which it has none of its own.
func (r *remover) livesOn(vsys, stem string, u reference) bool {
	rest, isShared := strings.CutPrefix(u.path, xmlapi.SharedPath+"/log-settings/")
	if !isShared {
		return false
	}
	kind, _, _ := strings.Cut(rest, "/")
	lists := r.f.shared.value.At("log-settings", kind, "match-list")
	for _, p := range r.f.shared.value.At("log-settings", logProfiles).Entries() {
		if name := p.Attr("name"); strings.HasPrefix(rest, logProfiles+xmlapi.EntryNamed(name)+"/") {
			if !slices.ContainsFunc(r.referring(name, "log-setting"), func(by reference) bool { return by.vsys == vsys }) {
				return false
			}
			if lists = p.Child("match-list"); slices.Contains(ourNames(stem), name) {
				return true
			}
		}
	}
	isOwn := func(m *xmlapi.Node) bool {
		return namesMatchList(stem, m) && m.Value("log-type") == u.entry.Value("log-type")
	}
	return isOwn(u.entry) || r.isOurMatchList(u.entry) && !slices.ContainsFunc(lists.Entries(), isOwn)
}

// namesMatchList tells whether a match list bears a name that we give where names begin with stem.
func namesMatchList(stem string, m *xmlapi.Node) bool {
	names, name := []string{stem, stem + "-" + logTraffic, stem + "-" + logThreat}, m.Attr("name")
	return slices.Contains(names, name) || slices.Contains(names, strings.TrimSuffix(name, another))
}

// object takes away one of ours, wherever it stands, unless something still refers to it.
func (r *remover) object(kind, name string, path ...string) {
	elements := map[string][]string{ // tags are those that an action of log forwarding gives: it may have no other, and so none is taken off
		"log forwarding profile": {"log-setting"}, "syslog server profile": {"send-syslog"}, "certificate profile": {"certificate-profile"},
		"certificate": {"CA", "root-ca", "trusted-root-CA", "certificate"}, "tag": {"tag", "group-tag", "tags"}, "security rule": {"rule"},
	}[kind]
	for _, sc := range r.p.scopes {
		if sc.node.At(path...).Entry(name) == nil {
			continue
		}
		if sc.pushed {
			r.pushedObject(kind, name, sc, path)
			continue
		}
		at := sc.path + "/" + strings.Join(path, "/") + xmlapi.EntryNamed(name)
		if sc.path == xmlapi.SharedPath && len(r.armed) > 0 {
			r.person(kind+" "+quoteAll([]string{name}), "It stays: rules of ours in virtual system "+quoteAll(slices.Sorted(maps.Keys(r.armed)))+" need what is shared.")
			continue
		}
		users := r.referring(name, elements...)
		if sc.path != xmlapi.SharedPath { // the others have one of that name themselves, or none
			users = slices.DeleteFunc(users, func(u reference) bool { return !r.here(u) })
		}
		if len(users) > 0 {
			r.person(kind+" "+quoteAll([]string{name}), "It stays: "+owners(users, r.f.VSys)+" still refers to it. "+r.ends(kind, users))
			r.kept = append(r.kept, at)
			continue
		}
		entry := sc.node.At(path...).Entry(name)
		if kind == "address" {
			if stays := r.addressStays(entry, sc.path == xmlapi.SharedPath); stays != "" {
				r.person(kind+" "+quoteAll([]string{name}), stays)
				continue
			}
		}
		detail, foreign := "it is ours", !r.isOurs(kind, entry)
		if foreign {
			detail = notAsWeMakeIt
		}
		r.step(ActionDelete, kind, name, detail, foreign, xmlapi.Delete(at))
		if !foreign || r.adopt {
			r.gone = append(r.gone, at)
		}
	}
}

// ends says what helps where something of ours of a kind stays for those that refer to it: --adopt takes our log forwarding, syslog server and tag off objects of
// this virtual system, and of Shared, where that does not stay itself.
func (r *remover) ends(kind string, users []reference) string {
	users = slices.DeleteFunc(slices.Clone(users), func(u reference) bool { return within(u.at, r.kept) })
	var elsewhere []string
	for _, u := range users {
		if !r.here(u) && !slices.Contains(elsewhere, u.vsys) {
			elsewhere = append(elsewhere, u.vsys)
		}
	}
	isTakenOff := slices.Contains([]string{"log forwarding profile", "syslog server profile", "tag"}, kind)
	switch {
	case len(users) == 0:
		return "Once that has gone, run this again."
	case len(elsewhere) > 0:
		return fmt.Sprintf("Take away what is ours in virtual system %s first (provision --firewall with its name in the configuration, --remove), or have that name another one there; then run this again.", quoteAll(elsewhere))
	case isTakenOff && !r.adopt:
		return "Take it off there, or have --adopt do it; then run this again."
	}
	return "Take it off there; then run this again."
}

// addressStays tells why an address that bears our name is not taken away, adopted or not; "": it may be. Somebody may have it by a tag that it bears.
func (r *remover) addressStays(a *xmlapi.Node, shared bool) string {
	if !r.isOurs("address", a) {
		return "It stays: " + notAsWeMakeIt + ", so that somebody may rely on it. Delete it by hand if nobody does."
	}
	if groups := r.holding(shared, func(f tagFilter) bool { return f(tagsOf(a, "")) }); groups != "" {
		return "It stays: " + groups + " holds it by its tags. Delete it by hand if it has no business there."
	}
	return ""
}

// holding names the dynamic address groups that an object of a scope may be in, of those that are not taken away, by what their filters say of its tags;
// "": none. A filter that cannot be read may say anything.
func (r *remover) holding(shared bool, says func(tagFilter) bool) string {
	var groups []reference
	for _, u := range r.filters {
		filter, _, err := parseTagFilter(u.name)
		isSeen := r.here(u) || shared // other virtual systems see what is shared alone
		if isSeen && (err != nil || says(filter)) && !r.isGone(u) {
			groups = append(groups, u)
		}
	}
	return owners(groups, r.f.VSys)
}

// tagsOf are those of an object, without one.
func tagsOf(n *xmlapi.Node, without string) map[string]bool {
	tags := map[string]bool{}
	for _, t := range n.Child("tag").Members() {
		if t != without {
			tags[t] = true
		}
	}
	return tags
}

// pushedObject leaves to a person what Panorama pushed of our names: other firewalls may need it.
func (r *remover) pushedObject(kind, name string, sc scope, path []string) {
	at, where := r.f.place.TemplatePath(), "template "+cmp.Or(r.f.place.Template, panorama.UnknownTemplate)
	switch template := r.f.template.value; {
	case template != nil && sc.node == template.Child("shared"):
		at += "/shared"
	case template != nil && sc.node == template.At("devices").FirstEntry().Child("vsys").Entry(r.f.VSys):
		at += strings.TrimPrefix(xmlapi.VSysPath(r.f.VSys), "/config")
	default:
		level := ofPanorama{r.provisioner}.levelOfObject(sc.node.At(path...).Entry(name))
		if at, where = panorama.LevelPath(level), "Shared"; !panorama.IsShared(level) {
			where = "device group " + cmp.Or(level, panorama.UnknownGroup)
		}
	}
	at += "/" + strings.Join(path, "/") + xmlapi.EntryNamed(name)
	object, place := kind+" "+quoteAll([]string{name}), r.f.place
	isLookedAt := slices.ContainsFunc(listsOfTemplate(r.want.Names), func(l onPanoramaList) bool { return l.inTemplate(place) == at })
	if r.f.standing != nil && isLookedAt && place.Template != "" && r.f.standing[at] == nil {
		r.last(object, fmt.Sprintf("Panorama's %s does not have it any more: it goes from this firewall once that is committed there and %s is pushed, unless another template has it", where,
			strings.Join(place.Pushes([]panorama.Change{{Edits: []xmlapi.Edit{xmlapi.Delete(at)}}}), "")), nil)
		return
	}
	r.last(object, "On Panorama, in "+where+": delete it, unless another firewall needs it, then commit and push", panorama.Change{Edits: []xmlapi.Edit{xmlapi.Delete(at)}}.Commands())
}

// isOurs tells whether an object of our name is one that we made, as far as its content tells.
func (r *remover) isOurs(kind string, n *xmlapi.Node) bool {
	names := r.want.Names
	switch kind {
	case "security rule":
		return owned{r.provisioner}.ours(readRule(n, layerLocal))
	case "tag":
		return n.Value("comments") == names.TagEntry().Value("comments")
	case "log forwarding profile":
		return owned{r.provisioner}.ourLogs(n)
	case "syslog server profile":
		return owned{r.provisioner}.ourServer(n.Attr("name")) && !slices.ContainsFunc(n.Child("server").Entries(), func(s *xmlapi.Node) bool { return s.Attr("name") != names.Syslog })
	case "address group":
		return owned{r.provisioner}.ourGroup(n)
	case "external dynamic list":
		return owned{r.provisioner}.ourList(n)
	case "certificate profile":
		all := n.Child("CA").Entries()
		return len(all) == 1 && all[0].Attr("name") == names.CA
	case "certificate":
		return isOurCA(decodePEM(n.Value("public-key")), r.want.CA)
	case "address":
		return byhand.Alike(n, memberEntry(names, n))
	}
	return true
}

// owners names those that refer to something, for a reader who looks at one virtual system.
func owners(users []reference, vsys string) string {
	var names []string
	for _, u := range users {
		name := cmp.Or(u.owner, u.at)
		if u.vsys != "" && u.vsys != vsys {
			name += " in virtual system " + quoteAll([]string{u.vsys})
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	const most = 5
	if more := len(names) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), more)
	}
	return strings.Join(names, ", ")
}

// take has a reference taken off; foreign: it is somebody else's object.
func (r *remover) take(action string, u reference, detail string, foreign bool, at string) {
	object := u.owner
	if strings.Contains(u.at, defaultRulesPath) { // the rule itself stays
		object = "override of " + object
	}
	r.steps = append(r.steps, Step{Firewall: r.f.Firewall, Action: action, Object: object, Detail: detail, Foreign: foreign, edits: []xmlapi.Edit{xmlapi.Delete(at)}})
	if !foreign || r.adopt {
		r.gone = append(r.gone, at)
	}
}

// stopLogging takes our log forwarding profile off. An override of a default rule is ours where it bears our tag; one that does nothing
// but log goes as a whole, and of another all that we set goes.
func (r *remover) stopLogging(u reference) {
	detail := "no log forwarding by " + u.name
	if !strings.Contains(u.at, defaultRulesPath) {
		r.take(ActionChange, u, detail, true, u.at)
		return
	}
	if !slices.Contains(u.entry.Child("tag").Members(), r.want.Names.Tag) {
		r.take(ActionChange, u, detail+"; the override does not bear our tag, so that it is not known whether we made it, and stays", true, u.at)
		return
	}
	if r.saysNothingElse(u.entry, u.name) {
		r.take(ActionDelete, u, "it overrides nothing but the logging", false, u.path)
		return
	}
	r.take(ActionChange, u, detail, false, u.at)
	s := &r.steps[len(r.steps)-1]
	for name, text := range map[string]string{"log-end": "yes", "log-start": "no"} {
		if u.entry.Value(name) == text {
			s.edits = append(s.edits, xmlapi.Delete(u.path+"/"+name))
		}
	}
}

// untag takes our tag off an object. An override of a default rule of ours that somebody has stopped from logging, and that says nothing else,
// goes as a whole.
func (r *remover) untag(u reference) {
	isOverride := strings.Contains(u.at, defaultRulesPath)
	if isOverride && r.saysNothingElse(u.entry, "") {
		r.take(ActionDelete, u, "it overrides nothing", false, u.path)
		return
	}
	if strings.HasSuffix(u.path, "/address"+xmlapi.EntryNamed(u.entry.Attr("name"))) {
		without := tagsOf(u.entry, u.name)
		differs := func(f tagFilter) bool {
			return f(tagsOf(u.entry, "")) != f(without) || len(without) == 0 && f(without) // what bears no tag at all may be in no group
		}
		if groups := r.holding(u.vsys == "", differs); groups != "" {
			r.person(u.owner, "It keeps the tag "+u.name+": by that "+groups+" tells whether it holds it. Take it off by hand if it may.")
			return
		}
	}
	at := u.at
	if list := u.path + "/tag"; len(u.entry.Child("tag").Members()) == 1 && at == list+xmlapi.MemberNamed(u.name) {
		at = list // and no empty list stays
	}
	r.take(ActionChange, u, "without the tag "+r.want.Names.Tag, !isOverride, at)
}

// saysNothingElse tells whether an override of a default rule says no more than we write: to log, by that profile, and to decide as the rule
// does without it.
func (r *remover) saysNothingElse(override *xmlapi.Node, profile string) bool {
	without := *r.f
	without.own.value = nil
	return !slices.ContainsFunc(override.Children, func(c *xmlapi.Node) bool {
		switch c.Name {
		case "log-end", "log-start":
			return false
		case "log-setting":
			return c.Text != profile
		case "action":
			return slices.ContainsFunc(without.policy().rules, func(x rule) bool {
				return x.layer == layerDefault && x.name == override.Attr("name") && x.action != c.Text
			})
		case "tag":
			return len(c.Members()) != 1
		}
		return true
	})
}

// stopSending takes our syslog server off. A match list of ours, which sends to nobody else, goes as a whole.
func (r *remover) stopSending(u reference) {
	name := u.entry.Attr("name")
	isOurs := strings.HasSuffix(u.path, "/match-list"+xmlapi.EntryNamed(name)) && r.isOurMatchList(u.entry)
	switch {
	case isOurs && !strings.Contains(u.path, "/profiles/"):
		r.take(ActionDelete, u, "it is ours", false, u.path)
		return
	case isOurs:
		r.take(ActionChange, u, "without the match list "+quoteAll([]string{u.entry.Attr("name")})+", which is ours", false, u.path)
		return
	}
	r.take(ActionChange, u, "match list "+quoteAll([]string{u.entry.Attr("name")})+" no longer sends to "+u.name, true, u.at)
}

// isOurMatchList tells whether a match list bears a name of ours and does nothing but send to us.
func (r *remover) isOurMatchList(m *xmlapi.Node) bool {
	return namesMatchList(r.want.Names.Logs, m) && sendsToAlone(m, owned{r.provisioner}.ourServers())
}

// members takes away our address objects, with which address-group mode fills the group: all in one step, as there may be thousands.
func (r *remover) members() {
	from := len(r.steps)
	for _, a := range r.p.scopes.all("address") {
		if isMember(r.want.Names, a.Node) {
			r.object("address", a.Attr("name"), "address")
		}
	}
	var all Step
	var names []string
	kept := r.steps[:from:from]
	for _, s := range r.steps[from:] {
		if s.Action != ActionDelete || s.Foreign {
			kept = append(kept, s)
			continue
		}
		s.edits = append(all.edits, s.edits...)
		all, names = s, append(names, strings.Trim(strings.TrimPrefix(s.Object, "address "), `"`))
	}
	if len(names) > 1 {
		all.Object, all.Detail = fmt.Sprintf("%d addresses", len(names)), "they are ours: "+quoteAll(names)
	}
	if len(names) > 0 {
		kept = append(kept, all)
	}
	r.steps = kept
}
