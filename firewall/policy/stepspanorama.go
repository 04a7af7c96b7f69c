package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"activedefense/firewall"
	"activedefense/firewall/policy/panorama"
	"activedefense/firewall/xmlapi"
)

// What provision may do on the Panorama of a firewall.
const (
	PanoramaPlan  = "plan"  // what only Panorama can change is a plan for its administrator
	PanoramaApply = "apply" // and is written, committed and pushed with the rest

	panoramaJudged = "judged" // as if it could be, whether names are known or not
)

// panoramaNames end the names of our objects in device groups. They differ from those on firewalls: what a firewall does with an object
// that is pushed to it with the name of one of its own, no source says for every kind.
const panoramaNames = "-panorama"

// ofPanorama makes steps that only Panorama can take.
type ofPanorama struct{ *provisioner }

// step is one that only Panorama can take; theirs: it changes what somebody else made. Where the change is empty, a person has
// to find out how.
func (p ofPanorama) step(object, detail, reach string, theirs bool, change panorama.Change) *Step {
	if change.Empty() {
		p.person(object, detail)
		return &p.steps[len(p.steps)-1]
	}
	if name := p.f.seen.Conflict(p.f.place, change, p.f.standing); name != "" {
		theirs = true
		reach += "; something else named " + quoteAll([]string{name}) + " stands there"
	}
	if ofTemplate := p.f.place.ReachOfTemplate(); change.InTemplate() && !strings.HasSuffix(reach, ofTemplate) {
		reach += "; " + ofTemplate
	}
	p.person(object, detail+"; "+reach)
	s := &p.steps[len(p.steps)-1]
	s.change, s.theirs, s.reach, s.Commands = change, theirs, reach, change.Commands()
	return s
}

// decided makes steps of those for a person that we take on Panorama ourselves, where we may and its names are known.
func (p ofPanorama) decided() []Step {
	for i := range p.steps {
		s, at := &p.steps[i], p.f.place
		if s.Foreign = s.Foreign || s.theirs; s.change.Empty() || p.want.Panorama != PanoramaApply && p.want.Panorama != panoramaJudged {
			continue
		}
		switch judged := p.want.Panorama == panoramaJudged; {
		case judged:
			s.Action = ActionChange
		case !at.Told || at.InGroups(s.change) && at.Group == "":
			s.Detail += "; not made by us: Panorama has the firewall in no device group"
		case s.change.InTemplate() && at.Template == "":
			s.Detail += "; not made by us: Panorama has the firewall in no template stack with a template"
		default:
			s.Action = ActionChange
			if s.made != "" {
				s.Detail = s.made + "; " + s.reach
			}
			s.Detail = strings.Replace(s.Detail, "On Panorama: ", "on Panorama, ", 1)
			switch edits := s.change.Edits; {
			case len(edits) > 0 && s.change.Top != "":
				s.Action = ActionCreate
			case len(edits) == 1 && edits[0].Deletes() && strings.HasSuffix(edits[0].XPath(), "]") && !strings.Contains(edits[0].XPath(), "/member["):
				s.Action = ActionDelete
			}
		}
	}
	return p.steps
}

// objectOnPanorama names the object that an edit makes on Panorama, and gives its xpath; "": it makes none that others name.
func objectOnPanorama(e xmlapi.Edit) (object, xpath string) {
	if e.Deletes() {
		return "", ""
	}
	if name := quoteAll([]string{e.Element().Attr("name")}); e.Imports() {
		return "certificate " + name, e.XPath()
	} else if e.Element().Name == "entry" {
		for list, kind := range map[string]string{"/log-settings/syslog": "syslog server profile ", "/log-settings/profiles": "log forwarding profile ", "/certificate-profile": "certificate profile ",
			"/external-list": "external dynamic list ", "/address-group": "address group "} {
			if strings.HasSuffix(e.XPath(), list) {
				return kind + name, e.XPath() + xmlapi.EntryNamed(e.Element().Attr("name"))
			}
		}
	}
	return "", ""
}

// eachOnPanorama gives steps in which each object that we make on Panorama for another one is a step of its own, before that. What stands
// there as it should is none, and is written with what needs it.
func (f *Facts) eachOnPanorama(steps []Step) (out []Step) {
	made := map[string]int{} // by what they do
	for _, s := range steps {
		if s.change.Empty() || s.Action == ActionPerson || s.Action == ActionDelete {
			out = append(out, s)
			continue
		}
		main := panorama.Change{Top: s.change.Top}
		for _, e := range s.change.Edits {
			one, ok := f.objectStep(s, e)
			does := strings.Join(one.change.Commands(), "\n")
			i, known := made[does]
			switch {
			case !ok:
				main.Edits = append(main.Edits, e)
			case known:
				out[i].Foreign = out[i].Foreign && s.Foreign
			default:
				made[does] = len(out)
				out = append(out, one)
			}
		}
		if main.Empty() {
			continue
		}
		if !main.InTemplate() {
			s.Detail = strings.TrimSuffix(s.Detail, "; "+f.place.ReachOfTemplate())
		}
		if s.change = main; len(s.Commands) > 0 {
			s.Commands = main.Commands()
		}
		out = append(out, s)
	}
	return out
}

// objectStep is the step for an object that an edit of a step makes on Panorama; ok: it makes one, or changes it.
func (f *Facts) objectStep(of Step, e xmlapi.Edit) (s Step, ok bool) {
	object, xpath := objectOnPanorama(e)
	if object == "" {
		return Step{}, false
	}
	one := panorama.Change{Edits: []xmlapi.Edit{e}}
	other, pushed := f.seen.Conflict(f.place, one, f.standing), f.seen.Has(f.place, xpath)
	if pushed && other == "" && object != of.Object {
		return Step{}, false
	}
	s = of
	if s.change = one; len(of.Commands) > 0 {
		s.Commands = one.Commands()
	}
	if object != of.Object {
		s.Object = object
		if s.Detail = "on Panorama, in " + levelName(panorama.LevelOf(xpath)) + "; " + f.place.Reach(panorama.LevelOf(xpath)); one.InTemplate() {
			s.Detail = "on Panorama, in template " + f.place.Template + "; " + f.place.ReachOfTemplate()
		}
		if other != "" {
			s.Detail += "; something else named " + quoteAll([]string{other}) + " stands there"
		}
	}
	if s.Action = ActionCreate; pushed || other != "" {
		s.Action = ActionChange
	}
	return s, true
}

// forPanorama tells whether an object of a list, address-group, external-list or profiles, bears a name that we give, for this firewall's tag or
// another, to what rules of Panorama's name, is as we make it, and was pushed: it comes to all of a device group, and goes with the rules of the
// firewall for which it was made. Nothing of a firewall's own may name it.
func forPanorama(v *verifier, list, name string) bool {
	if !strings.HasSuffix(name, panoramaNames) {
		return false
	}
	n, path := v.want.Names, []string{list}
	if list == logProfiles {
		path = []string{"log-settings", list}
	}
	switch o := v.p.scopes.find(name, path...); {
	case !o.scope.pushed:
		return false
	case name == n.Group+panoramaNames || name == n.List+panoramaNames:
		return true
	case list == "external-list":
		return strings.HasSuffix(name, strings.TrimPrefix(n.List, n.Group)+panoramaNames) && owned{&provisioner{verifier: v}}.ourList(o.Node)
	case list == logProfiles:
		var ours []string
		for _, s := range v.servers {
			ours = append(ours, s.name)
		}
		return slices.ContainsFunc(o.Child("match-list").Entries(), func(m *xmlapi.Node) bool {
			return (m.Attr("name") == logTraffic || m.Attr("name") == logThreat) && sendsToAlone(m, ours)
		})
	}
	return false
}

// logProfiles is the list of log forwarding profiles below log-settings.
const logProfiles = "profiles"

// forRules tells whether a source is Panorama's so, and is of no use here: no rule there that names it is for this firewall and drops all that the ones
// of the firewall's own are to drop, of which first is the first for each traffic.
func (p ofPanorama) forRules(list, name string, first map[traffic]int) bool {
	if !forPanorama(p.verifier, list, name) {
		return false
	}
	isNamed := false
	for _, r := range slices.Concat(p.p.rules, p.p.inactive) {
		if names := slices.Contains(r.source, name); names && r.layer == layerLocal {
			return true
		} else if names && !r.disabled && p.isOwn(r) {
			isNamed = true
		}
	}
	return !isNamed || len(p.gaps(func(t traffic) bool { return first[t] >= 0 })) > 0
}

// withoutTheirs are the lists among some that are not Panorama's so.
func (p ofPanorama) withoutTheirs(lists []placed) []placed {
	first := p.listed
	if p.want.Mode == firewall.ModeList {
		first = p.block
	}
	return slices.DeleteFunc(lists, func(l placed) bool { return p.forRules("external-list", l.Attr("name"), first) })
}

// ruleNames are the names of the rules that are made on Panorama for a firewall, or a virtual system.
func ruleNames(at panorama.Place, n firewall.Names) (names []string) {
	for _, suffix := range at.Suffixes() {
		names = append(names, n.Block+suffix, n.Listed+suffix)
	}
	return names
}

// isNamed tells whether a rule of Panorama's has a name that we give to those for this firewall.
func (p ofPanorama) isNamed(r rule) bool {
	return r.layer.pushed() && slices.Contains(ruleNames(p.f.place, p.want.Names), r.name)
}

// mayBePairs tells whether a rule is as we make those for both members of a pair, and the firewall is one of the two that it is for, while nobody tells
// the serial number of the other member.
func (p ofPanorama) mayBePairs(r rule) bool {
	at, both := p.f.place, r.target.Child("devices").Entries()
	if !r.layer.pushed() || !at.Paired || at.Peer != "" || len(both) != 2 {
		return false
	}
	if at.Peer = both[0].Attr("name"); at.Peer == at.Serial {
		at.Peer = both[1].Attr("name")
	}
	return madeFor(at, p.want.Names, r)
}

// isOwn tells whether a rule is one that we made on Panorama for this firewall: it bears our name and is as we make it, for this firewall
// alone, as it was pushed and as Panorama has it by now. Anything else of that name is somebody else's.
func (p ofPanorama) isOwn(r rule) bool {
	if !p.isNamed(r) {
		return false
	}
	there := p.f.standing[p.rulebaseOf(r)+xmlapi.EntryNamed(r.name)]
	if len(r.target.Child("devices").Entries()) == 0 { // a firewall may have it without its target; Panorama tells
		r.target = there.Child("target")
	}
	asMade := func(r rule) bool {
		return madeFor(p.f.place, p.want.Names, r) && !slices.ContainsFunc(r.source, func(name string) bool { return !p.isOurSource(name) })
	}
	return asMade(r) && (there == nil || asMade(p.standingRule(p.levelOf(r), there)))
}

// isOurSource tells whether a rule of ours may name an object as its source: one of ours in a device group, or another that holds what is
// blocked and nothing else.
func (p ofPanorama) isOurSource(name string) bool {
	n := p.want.Names
	group, list := p.p.scopes.find(name, "address-group"), p.p.scopes.find(name, "external-list")
	matches, others := filterMatches(group.Value("dynamic", "filter"), n.Tag)
	return name == n.Group+panoramaNames || name == n.List+panoramaNames || group.Node != nil && matches && !others ||
		list.Node != nil && p.want.ListURL != "" && firewall.SameListURL(list.Value("type", "ip", "url"), p.want.ListURL)
}

// madeFor tells whether a rule has a name of ours, drops, and is for this firewall, or its pair, alone.
func madeFor(at panorama.Place, n firewall.Names, r rule) bool {
	return slices.Contains(ruleNames(at, n), r.name) && r.action == "drop" && !r.notSource && at.TargetsAlone(r.target)
}

// levelOf is the device group of a rule of Panorama's, or Shared.
func (p ofPanorama) levelOf(r rule) string {
	if r.layer == layerSharedPre || r.layer == layerSharedPost || r.layer == layerDefault && r.overridden == layerSharedPost {
		return panorama.Shared
	}
	return cmp.Or(r.group, p.f.place.Group)
}

// levelOfObject is the device group of an object of Panorama's, or Shared.
func (p ofPanorama) levelOfObject(n *xmlapi.Node) string {
	return cmp.Or(n.Attr("loc"), p.f.place.Group)
}

// rulebaseOf is the xpath of the list in which a rule of Panorama's stands.
func (p ofPanorama) rulebaseOf(r rule) string {
	at := panorama.LevelPath(p.levelOf(r))
	switch r.layer {
	case layerDefault:
		return at + "/post-rulebase/default-security-rules/rules"
	case layerGroupPost, layerSharedPost:
		return at + "/post-rulebase/security/rules"
	}
	return at + "/pre-rulebase/security/rules"
}

// preRule makes the first of the Pre Rules of a level, which drops as the rule of that name does on the firewall; empty: it cannot be.
// theirs: somebody else's of that name stands there, and would be replaced.
func (p ofPanorama) preRule(name, level string) (change panorama.Change, theirs bool) {
	source, edits := p.remoteSource(name, level)
	if source == "" {
		return panorama.Change{}, false
	}
	logs, more := p.remoteLogs(level)
	edits = append(edits, more...)
	list, own := panorama.LevelPath(level)+"/pre-rulebase/security/rules", name+p.f.place.Suffixes()[0]
	entry := p.dropRule(own, describesBlock, []string{source}, logs)
	entry.Children = append(entry.Children, p.f.place.Target())
	stands := false
	for _, r := range slices.Concat(p.p.rules, p.p.inactive) {
		if r.name == own && r.layer.pushed() && p.levelOf(r) == level {
			stands, theirs = true, theirs || !p.isOwn(r)
		}
	}
	if n := p.f.standing[list+xmlapi.EntryNamed(own)]; n != nil {
		stands, theirs = true, theirs || !p.isOwn(p.standingRule(level, n))
	}
	if stands {
		edits = append(edits, xmlapi.Delete(list+xmlapi.EntryNamed(own))) // what somebody added to it would stay
	}
	return panorama.Change{Edits: append(edits, xmlapi.Set(list, entry)), Top: list + xmlapi.EntryNamed(own)}, theirs
}

// standingRule is a rule of ours as Panorama has it at a level, pushed or not.
func (p ofPanorama) standingRule(level string, n *xmlapi.Node) rule {
	at := layerGroupPre
	if panorama.IsShared(level) {
		at = layerSharedPre
	}
	return readRule(n.With("loc", level), at)
}

// reachOfPre tells whom a Pre Rule concerns that is made or moved, and whose it is that is replaced or moved.
func (p ofPanorama) reachOfPre(level string, theirs bool, change panorama.Change) string {
	switch {
	case !theirs:
		return p.reachOf(level)
	case len(change.Edits) == 0:
		return "it is somebody else's, and " + p.f.place.Reach(level)
	}
	return p.reachOf(level) + "; a rule of that name stands there that we did not make (action drop, our group or list as source, this firewall alone as target), and it would be replaced (" +
		p.reachOfRule(level, change.Top) + "): rename it there first if it is needed"
}

// forBoth has rules of ours on Panorama that were made for one member of a pair be for both: after a failover it is the other that decides.
func (p ofPanorama) forBoth() {
	for _, r := range p.p.rules {
		if !p.isOwn(r) {
			continue
		}
		at, target := p.rulebaseOf(r)+xmlapi.EntryNamed(r.name), r.target
		if len(target.Child("devices").Entries()) == 0 {
			target = p.f.standing[at].Child("target")
		}
		if !p.f.place.TargetsAll(target) {
			const detail = "target both members of the HA pair: after a failover what is blocked would get in"
			p.step("security rule "+r.String(), "On Panorama: "+detail, p.reachOf(p.levelOf(r)), false, panorama.Change{Edits: []xmlapi.Edit{xmlapi.Set(at, p.f.place.Target())}}).made = "on Panorama, " + detail
		}
	}
}

// raise has a block rule of Panorama's stand above the rules of a level that let in what it drops.
func (p ofPanorama) raise(r rule, name, level string) (change panorama.Change, theirs bool) {
	if (r.layer == layerSharedPre || r.layer == layerGroupPre) && p.levelOf(r) == level {
		return panorama.Change{Top: p.rulebaseOf(r) + xmlapi.EntryNamed(r.name)}, !p.isOwn(r)
	}
	return p.preRule(name, level)
}

// usable finds an object that Panorama has pushed and that can be named at a level. What a step on Panorama is yet to bring does not
// count: it may be somebody else's to take.
func (p ofPanorama) usable(level string, is func(*xmlapi.Node) bool, path ...string) string {
	n := p.want.Names
	for _, o := range p.f.asPushed.all(path...) {
		name := o.Attr("name")
		isOthers := name != n.Group+panoramaNames && name != n.List+panoramaNames && forPanorama(p.verifier, path[len(path)-1], name) // and goes with the rules of another tag
		if p.f.place.Over(p.levelOfObject(o.Node), level) && is(o.Node) && !isOthers {
			return name
		}
	}
	return ""
}

// remoteSource gives the object that the source of a rule of Panorama's names, with the edits that make it; "": there can be none. The
// static group of ModeGroup is the firewall's own, which Panorama does not know.
func (p ofPanorama) remoteSource(rule, level string) (string, []xmlapi.Edit) {
	n := p.want.Names
	if rule == n.Listed || p.want.Mode == firewall.ModeList {
		return p.remoteList(level)
	}
	if p.want.Mode != firewall.ModeTag {
		return "", nil
	}
	isOurs := func(g *xmlapi.Node) bool {
		return slices.ContainsFunc(p.sources, func(s blockSource) bool { return s.name == g.Attr("name") })
	}
	if name := p.usable(level, isOurs, "address-group"); name != "" {
		return name, nil
	}
	name := n.Group + panoramaNames
	if p.takenThere("address group", "address-group", name) {
		return "", nil
	}
	return name, []xmlapi.Edit{xmlapi.Set(panorama.LevelPath(level)+"/address-group", xmlapi.NamedEntry(name, xmlapi.Element("dynamic", xmlapi.Leaf("filter", "'"+n.Tag+"'"))))}
}

// takenThere leaves to a person an object of ours whose name somebody else's has on Panorama: his rules name it, so that it is never made
// ours, and no rule is made that names it.
func (p ofPanorama) takenThere(kind, list, name string) bool {
	other := p.p.namesake(list, name)
	r := &remover{provisioner: p.provisioner}
	isOther := func(n *xmlapi.Node) bool {
		return n != nil && (list == "address-group" && n.Child("dynamic") == nil || !r.isOurs(kind, n))
	}
	for _, sc := range p.f.asPushed {
		if n := sc.node.At(list).Entry(name); isOther(n) {
			other = fmt.Sprintf("%s %s (%s)", kind, quoteAll([]string{name}), sc)
		}
	}
	for _, level := range p.f.place.Levels() {
		if other == "" && isOther(p.f.standing[panorama.LevelPath(level)+"/"+list+xmlapi.EntryNamed(name)]) {
			other = fmt.Sprintf("%s %s (on Panorama, %s)", kind, quoteAll([]string{name}), levelName(level))
		}
	}
	if other == "" {
		return false
	}
	if object := kind + " " + quoteAll([]string{name}); !slices.ContainsFunc(p.steps, func(s Step) bool { return s.Object == object }) {
		p.person(object, fmt.Sprintf("On Panorama: there is an %s that we did not make, and rules may name it: rename it there and push, or give this firewall another tag (firewalls[].tag), "+
			"which our names follow from. No rule is planned on Panorama for it before.", other))
		p.steps[len(p.steps)-1].barred = true
	}
	return true
}

func (p ofPanorama) remoteList(level string) (string, []xmlapi.Edit) {
	n, url := p.want.Names, p.want.ListURL
	isOurs := func(l *xmlapi.Node) bool {
		return url != "" && firewall.SameListURL(l.Value("type", "ip", "url"), url)
	}
	if name := p.usable(level, isOurs, "external-list"); name != "" {
		return name, nil
	}
	trust := p.remoteAuthority()
	if url == "" || trust == nil {
		return "", nil
	}
	name := n.List + panoramaNames
	if p.takenThere("external dynamic list", "external-list", name) {
		return "", nil
	}
	return name, append(trust, xmlapi.Set(panorama.LevelPath(level)+"/external-list", listEntry(name, url, n.CertProf)))
}

// remoteAuthority makes our CA, and a certificate profile with it, in the template; nil: the list's certificate is not ours. What stands
// in the template as it should is written once more, which changes nothing.
func (p ofPanorama) remoteAuthority() []xmlapi.Edit {
	n := p.want.Names
	if p.want.CA == nil {
		return nil
	}
	at := p.f.place.TemplatePath() + "/shared"
	return []xmlapi.Edit{
		xmlapi.ImportInto(p.f.place.Template, at, n.CA, p.want.CA),
		xmlapi.Set(at+"/certificate-profile", xmlapi.NamedEntry(n.CertProf, xmlapi.Element("CA", xmlapi.NamedEntry(n.CA)))),
	}
}

// remoteServer gives the syslog server profile that match lists on Panorama name: one of its template's that sends to us, or one that
// is made there. "": it is not known where to send.
func (p ofPanorama) remoteServer() (string, []xmlapi.Edit) {
	n, pushed := p.want.Names, &vsysPolicy{scopes: p.f.asPushed}
	for _, s := range pushed.ourSyslog(p.want) {
		if slices.Contains(p.sendTo, s.name) {
			return s.name, nil
		}
	}
	entry := p.p.scopes.find(n.Syslog, "log-settings", "syslog").Clean()
	if p.want.SyslogAddress != "" {
		entry, _ = serverEntry(p.provisioner)
	}
	if entry == nil || len(p.sendTo) == 0 {
		return "", nil
	}
	return n.Syslog, []xmlapi.Edit{xmlapi.Set(p.f.place.TemplatePath()+"/shared/log-settings/syslog", entry)}
}

// remoteLogs gives the log forwarding profile that rules of a level name; "": there can be none.
func (p ofPanorama) remoteLogs(level string) (string, []xmlapi.Edit) {
	isOurs := func(n *xmlapi.Node) bool {
		return !slices.ContainsFunc([]string{logTraffic, logThreat}, func(kind string) bool {
			how, _ := readLogProfile(placed{Node: n}).forwards(kind, p.servers)
			return how != forwardsAll
		})
	}
	if name := p.usable(level, isOurs, "log-settings", "profiles"); name != "" {
		return name, nil
	}
	server, edits := p.remoteServer()
	if server == "" {
		return "", nil
	}
	name := p.want.Names.Logs + panoramaNames
	return name, append(edits, xmlapi.Set(panorama.LevelPath(level)+"/log-settings/profiles", logsEntry(name, server)))
}

// logDefault has an override of Panorama's of a default rule log to us. What it decides stays as it is there, which may be otherwise than
// what was pushed, and so no action is written; where the override is gone, none is made.
func (p ofPanorama) logDefault(r rule, why string) {
	change, there := p.remoteLogging(r), p.f.standing[p.rulebaseOf(r)+xmlapi.EntryNamed(r.name)]
	action := cmp.Or(there.Value("action"), r.action)
	detail := "On Panorama: a log forwarding profile that sends all traffic and threat logs to us, at session end; the action stays " + action + why
	switch {
	case there == nil && slices.Contains(p.f.place.Levels(), p.levelOf(r)) && p.f.standing != nil:
		change, detail = panorama.Change{}, "On Panorama: the override that was pushed to this firewall is gone there. Push that first, or make it again; then run this again."
	case action != r.action:
		detail += ", as it is there, where this firewall still has " + r.action
	}
	p.step("security rule "+r.String(), detail, p.reachOfLogging(r, change), true, change)
}

// reachOfLogging tells whom it reaches that a rule of Panorama's logs to us: its log forwarding profile may stand above it.
func (p ofPanorama) reachOfLogging(r rule, change panorama.Change) string {
	for _, e := range change.Edits {
		if at := e.XPath(); !(panorama.Change{Edits: []xmlapi.Edit{e}}).InTemplate() && !strings.HasPrefix(at, panorama.LevelPath(p.levelOf(r))+"/") {
			level := panorama.LevelOf(at)
			return "its log forwarding profile stands in " + levelName(level) + ": " + p.reachOfLogs(level)
		}
	}
	return p.reachOfLogs(p.levelOf(r))
}

// reachOfLogs tells whom match lists of ours at a level reach, and what those need in their own templates.
func (p ofPanorama) reachOfLogs(level string) string {
	reach := p.f.place.Reach(level)
	if server, _ := p.remoteServer(); server != "" && !p.f.place.Alone(level) {
		reach += "; to a firewall whose template has no syslog server profile " + quoteAll([]string{server}) + " nothing can be pushed until it has one"
	}
	return reach
}

// remoteLogging has a rule of Panorama's log to us as putLogs does: a profile that it names gets match lists of ours, but where the rule is
// ours, it names another profile.
func (p ofPanorama) remoteLogging(r rule) panorama.Change {
	level, at := p.levelOf(r), p.rulebaseOf(r)+xmlapi.EntryNamed(r.name)
	var edits []xmlapi.Edit
	set := func(name, value string) { edits = append(edits, xmlapi.Set(at, xmlapi.Leaf(name, value))) }
	switch profile := p.p.scopes.find(r.logProfile, "log-settings", "profiles"); {
	case r.logProfile == "" || p.isOwn(r) && len(p.logFaults(r)) > 0:
		logs, more := p.remoteLogs(level)
		if logs == "" {
			return panorama.Change{}
		}
		edits = more
		set("log-setting", logs)
	case slices.ContainsFunc(p.logs, func(l logProfile) bool { return l.name == r.logProfile }):
	case profile.Node == nil || !profile.scope.pushed:
		return panorama.Change{}
	default:
		edits = slices.Concat(p.remoteMatchList(profile, logTraffic), p.remoteMatchList(profile, logThreat))
	}
	if !r.logEnd && !r.logStart || r.logProfile == "" {
		set("log-end", "yes")
	}
	return panorama.Change{Edits: edits}
}

// remoteMatchList has a log forwarding profile of Panorama's send all logs of a type to us; nil: it cannot be.
func (p ofPanorama) remoteMatchList(profile placed, kind string) []xmlapi.Edit {
	server, edits := p.remoteServer()
	if server == "" {
		return nil
	}
	at, name := panorama.LevelPath(p.levelOfObject(profile.Node))+"/log-settings/profiles"+xmlapi.EntryNamed(profile.Attr("name"))+"/match-list", p.want.Names.Logs+"-"+kind
	if profile.Attr("name") == p.want.Names.Logs+panoramaNames && owned(p).ourLogs(profile.Node) { // as logsEntry makes it
		if name = kind; profile.Child("match-list").Entry(kind) != nil {
			edits = append(edits, xmlapi.Delete(at+xmlapi.EntryNamed(kind)))
		}
	}
	return append(edits, xmlapi.Set(at, allLogs(name, kind, server)))
}
