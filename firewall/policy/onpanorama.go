package policy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"activedefense/firewall"
	"activedefense/firewall/decision"
	"activedefense/firewall/policy/byhand"
	"activedefense/firewall/policy/panorama"
	"activedefense/firewall/xmlapi"
)

// OnPanorama is the part of a plan that only Panorama can take.
type OnPanorama struct {
	Group    string   `json:"device_group"` // of the firewall; "": not known
	Template string   `json:"template"`     // in which server profiles, match lists and certificates are made; "": not known
	Commands []string `json:"commands"`     // what a person types on Panorama's CLI, the commit and the push to this firewall included; what is somebody else's only if it is adopted
	Notes    []string `json:"notes"`        // what a person has to know before that
	Pushes   []string `json:"pushes"`       // what the commands, or --commit, push to this firewall, such as: device group branches
	// ByHand: some of the commands are for a person, for we may not, or cannot, do the same.
	ByHand bool `json:"by_hand"`
	// Differences are the kinds of traffic that would be decided otherwise once those were typed, committed and pushed, than after
	// the rest of the plan, whose own are Plan.Differences; those of blocked sources come last.
	Differences      []decision.Difference `json:"differences"` // at most MaxDifferences
	DifferencesTotal int                   `json:"differences_total"`
	// What stands on Panorama itself; of a Panorama that was not asked: nothing.
	Pending   bool     `json:"pending"`              // edits of somebody are not committed
	PendingBy []string `json:"pending_by,omitempty"` // whose, where we may commit there; none: not told
	Ourselves string   `json:"ourselves,omitempty"`  // as whom we commit there, where that is known and edits are not committed
	// EditedByHand names what a commit of ours there would take along that our administrator, or where it is not known who that is somebody,
	// edited by hand anywhere in Panorama's configuration. See Plan.MayTakeAlong.
	EditedByHand []string `json:"edited_by_hand,omitempty"`
	EditedAbove  []string `json:"edited_above,omitempty"` // as in Plan

	Uncommitted bool     `json:"uncommitted"`        // some of what the part changes stands in the candidate configuration alone
	Unpushed    []string `json:"unpushed,omitempty"` // what others committed on Panorama that a push would bring to this firewall, or take away from it; see MayPush

	place   panorama.Place
	changes []panorama.Change // those that we may make
	offered []panorama.Change // those, and what a person types
	own     []panorama.Change // those of the offered that change nothing of somebody else's
	push    panorama.Push     // what it would take along
	secrets []string          // what of the templates holds secrets, which cannot be compared
	tagged  []string          // rules of Shared for tags, of which the firewall does not tell for which virtual system it has them
	all     []panorama.Change // those that we make where somebody else's is adopted, or that stand there
	earlier []panorama.Change // those of what is taken away
	byHand  edited            // all that EditedByHand names
	excused []string          // what is not among that, see Plan.Excuse
}

// readPlace finds out the names of the firewall's device group and template: from Panorama, where that is what we reach it through,
// else from what was pushed.
func (f *Facts) readPlace(ctx context.Context, d *xmlapi.Device, want Expectation) error {
	vsys := ""
	if f.info.value.MultiVSys {
		vsys = f.VSys
	}
	f.findPushed(want)
	f.place = panorama.FromPushed(f.pushed(), f.template.value, f.info.value.Serial, vsys)
	f.place.Paired, f.place.Peer = f.pair.State != "", f.pair.Peer
	if !d.ThroughPanorama() {
		return nil
	}
	itself, err := Panorama(d)
	if err == nil {
		defer itself.Close()
		var place panorama.Place
		if place, err = panorama.Read(ctx, itself, f.info.value.Serial, vsys); err == nil {
			place.Paired, place.Peer = f.place.Paired, f.place.Peer
			f.place = place
			f.standing, f.standingUnknown = readStanding(ctx, itself, place, want.Names)
		}
	}
	if f.standingUnknown = cmp.Or(err, f.standingUnknown); err == nil {
		if err := f.readSystems(ctx, d); err != nil {
			return err
		}
	}
	if want.Panorama == PanoramaApply {
		return f.standingUnknown
	}
	f.placeUnknown = err // a person fills in the names
	return nil
}

// noSuchSystem is the code of the answer to a question for a virtual system that does not run (recorded: "vsys99 is invalid vsys").
const noSuchSystem = 17

// readSystems reads what a push to the firewall may concern: its whole configuration, and what Panorama has pushed to its other virtual systems, which may stand in
// its template alone. One that stands in its candidate configuration alone has nothing of Panorama's.
func (f *Facts) readSystems(ctx context.Context, d *xmlapi.Device) error {
	const what = "read the virtual systems"
	candidate, err := d.Get(ctx, what, xmlapi.DevicePath+"/vsys")
	if err != nil {
		return err
	}
	running, err := d.Show(ctx, what, xmlapi.DevicePath+"/vsys")
	if err != nil {
		return err
	}
	shared, err := d.Show(ctx, "read the shared configuration", xmlapi.SharedPath)
	if err != nil {
		return err
	}
	f.local = []*xmlapi.Node{candidate, running, shared, f.shared.value}
	if !f.info.value.MultiVSys {
		return nil
	}
	names := f.place.Systems()
	for _, e := range slices.Concat(running.Entries(), f.template.value.Child("devices").FirstEntry().Child("vsys").Entries()) {
		names = append(names, e.Attr("name"))
	}
	for _, name := range names {
		if name == f.VSys || slices.ContainsFunc(f.systems, func(s systemFacts) bool { return s.name == name }) {
			continue
		}
		system, err := pushedTo(ctx, d, name)
		if err != nil {
			return err
		}
		f.systems = append(f.systems, system)
	}
	return nil
}

// pushedTo reads what Panorama pushed to a virtual system: nothing, if it does not run.
func pushedTo(ctx context.Context, d *xmlapi.Device, name string) (systemFacts, error) {
	pushed, err := xmlapi.PushedPolicy(ctx, d, "read the policy pushed by Panorama to "+name, name)
	var e *xmlapi.Error
	if errors.As(err, &e) && e.Code == noSuchSystem {
		return systemFacts{name: name, none: true}, nil
	}
	return systemFacts{name: name, pushed: pushed}, err
}

// findPushed notes what Panorama has pushed, before any step.
func (f *Facts) findPushed(want Expectation) {
	f.asPushed = slices.DeleteFunc(f.policy().scopes, func(sc scope) bool { return !sc.pushed })
	f.seen = panorama.View{VSys: f.vsysPushed.value, Bare: f.barePushed.value, Template: f.template.value, Ours: f.ourLogsThere(want)}
}

// ourLogsThere tells of an object of our name on Panorama whether it is a log forwarding profile that does nothing but send to us: match lists of ours
// may join it.
func (f *Facts) ourLogsThere(want Expectation) func(xpath string, n *xmlapi.Node) bool {
	p := &provisioner{verifier: newVerifier(f, want)}
	for _, s := range sendingTo(want.SyslogAddress, p.servers) {
		p.sendTo = append(p.sendTo, s.name)
	}
	return func(xpath string, n *xmlapi.Node) bool {
		return strings.HasSuffix(xpath, "/log-settings/profiles"+xmlapi.EntryNamed(want.Names.Logs+panoramaNames)) && owned{p}.ourLogs(n)
	}
}

// readFormer reads what of ours stands in device groups of Panorama in which the firewall was before, where Panorama was asked for what stands.
func (f *Facts) readFormer(ctx context.Context, d *xmlapi.Device, want Expectation) error {
	if f.standing == nil {
		return nil
	}
	itself, err := Panorama(d)
	if err == nil {
		defer itself.Close()
		err = f.place.ReadFormer(ctx, itself, ruleNames(f.place, want.Names))
	}
	if err == nil {
		f.naming, err = readNaming(ctx, itself, ruleNames(f.place, want.Names), want.Names)
	}
	if err == nil && len(f.place.Former) > 0 {
		f.standing, err = readStanding(ctx, itself, f.place, want.Names)
	}
	if err != nil && want.Panorama != PanoramaApply {
		f.standingUnknown, err = err, nil
	}
	return err
}

// readNaming reads which Pre Rules of Panorama name what we make there for rules, by the name of that, but for some rules.
func readNaming(ctx context.Context, itself *xmlapi.Device, but []string, n firewall.Names) (map[string][]string, error) {
	naming := map[string][]string{}
	found, err := panorama.RulesFrom(ctx, itself, n.Group+panoramaNames, n.List+panoramaNames)
	for _, e := range found {
		if slices.Contains(but, e.Attr("name")) {
			continue
		}
		for _, name := range append(e.Child("source").Members(), e.Value("log-setting")) {
			naming[name] = append(naming[name], e.Attr("name"))
		}
	}
	return naming, err
}

// othersNeed says what we made on Panorama for rules and a removal leaves to those of other firewalls; "": nothing.
func (f *Facts) othersNeed(n firewall.Names) string {
	var objects, rules []string
	for _, o := range listsOnPanorama(n) {
		by := f.naming[o.name]
		if len(by) == 0 || f.asPushed.find(o.name, o.path...).Node == nil {
			continue
		}
		objects, rules = append(objects, o.kind+" "+quoteAll([]string{o.name})), append(rules, by...)
	}
	if len(objects) == 0 {
		return ""
	}
	slices.Sort(rules)
	return fmt.Sprintf("on Panorama stays %s, which rules of others name (%s), and goes with the last of these", strings.Join(objects, ", "), strings.Join(atMost(slices.Compact(rules)), ", "))
}

// onPanoramaList is a list of a device group, or of Shared, in which we make objects.
type onPanoramaList struct {
	kind, name string // of our object
	path       []string
}

// listsOnPanorama are those of objects that rules name.
func listsOnPanorama(n firewall.Names) []onPanoramaList {
	return []onPanoramaList{
		{"address group", n.Group + panoramaNames, []string{"address-group"}}, {"external dynamic list", n.List + panoramaNames, []string{"external-list"}},
		{"log forwarding profile", n.Logs + panoramaNames, []string{"log-settings", "profiles"}},
	}
}

// listsOfTemplate are those of objects that we make in a template, those that name others first.
func listsOfTemplate(n firewall.Names) (all []onPanoramaList) {
	for _, kind := range []string{logGlobalProtect, logSystem} {
		all = append(all, onPanoramaList{kind + " log settings", n.Logs, []string{"log-settings", kind, "match-list"}})
	}
	for _, name := range ourNames(n.Syslog) {
		all = append(all, onPanoramaList{"syslog server profile", name, []string{"log-settings", "syslog"}})
	}
	return append(all, onPanoramaList{"certificate profile", n.CertProf, []string{"certificate-profile"}}, onPanoramaList{"certificate", n.CA, []string{"certificate"}})
}

// inTemplate is the xpath of the object in the template.
func (l onPanoramaList) inTemplate(at panorama.Place) string {
	return at.TemplatePath() + "/shared/" + strings.Join(l.path, "/") + xmlapi.EntryNamed(l.name)
}

// at is the xpath of the object at a level.
func (l onPanoramaList) at(level string) string {
	return panorama.LevelPath(level) + "/" + strings.Join(l.path, "/") + xmlapi.EntryNamed(l.name)
}

// preRuleAt is the xpath of a Pre Rule.
func preRuleAt(level, name string) string {
	return panorama.LevelPath(level) + "/pre-rulebase/security/rules" + xmlapi.EntryNamed(name)
}

// defaultRuleAt is the xpath of Panorama's override of a default rule.
func defaultRuleAt(level, name string) string {
	return panorama.LevelPath(level) + "/post-rulebase/default-security-rules/rules" + xmlapi.EntryNamed(name)
}

// readStanding reads what of our names stands in Panorama's candidate configuration where it pushes to the firewall from, and its overrides of
// the default rules, by xpath.
func readStanding(ctx context.Context, itself *xmlapi.Device, at panorama.Place, n firewall.Names) (map[string]*xmlapi.Node, error) {
	standing := map[string]*xmlapi.Node{}
	var xpaths []string
	for _, level := range slices.Concat(at.Levels(), at.Former) {
		for _, name := range ruleNames(at, n) {
			xpaths = append(xpaths, preRuleAt(level, name))
		}
		for _, l := range listsOnPanorama(n) {
			xpaths = append(xpaths, l.at(level))
		}
		xpaths = append(xpaths, defaultRuleAt(level, intrazoneDefault), defaultRuleAt(level, interzoneDefault))
	}
	for _, l := range listsOfTemplate(n) {
		if at.Template != "" {
			xpaths = append(xpaths, l.inTemplate(at))
		}
	}
	for _, xpath := range xpaths {
		found, err := itself.Get(ctx, "read what of ours stands on Panorama", xpath)
		if err != nil {
			return nil, err
		}
		if found != nil {
			standing[xpath] = found
		}
	}
	return standing, nil
}

// Panorama gives the Panorama through which a firewall is reached that was identified, for calls that are meant for itself. The caller
// closes it.
func Panorama(d *xmlapi.Device) (*xmlapi.Device, error) {
	return d.Sibling(xmlapi.Options{Name: d.Name() + " (Panorama)"})
}

// push changes what was pushed as the steps on Panorama would, once committed and pushed.
func (f *Facts) push(steps []Step) error {
	var changes []panorama.Change
	for _, s := range steps {
		if !s.change.Empty() && s.Action != ActionPerson {
			changes = append(changes, s.change)
		}
	}
	return f.pushChanges(changes)
}

func (f *Facts) pushChanges(changes []panorama.Change) (err error) {
	v := panorama.View{VSys: f.vsysPushed.value, Bare: f.barePushed.value, Template: f.template.value}
	for _, c := range changes {
		if v, err = v.After(f.place, c); err != nil {
			return err
		}
	}
	f.vsysPushed.value, f.barePushed.value, f.template.value = v.VSys, v.Bare, v.Template
	return nil
}

// panoramaPart gives the part of a plan that only Panorama can take, judged as if it were taken, with everything else; nil: there is none.
// What shows only once that is taken is a step more. Where it would not do what it is made for, no commands are offered. without is what
// the rest of the plan leads to.
func panoramaPart(f, without *Facts, want Expectation, steps []Step) ([]Step, *OnPanorama, error) {
	onPanorama := func(s Step) bool { return !s.change.Empty() }
	if !slices.ContainsFunc(steps, onPanorama) {
		return steps, nil, nil
	}
	asIf := want
	asIf.Panorama = panoramaJudged
	all, after, left, err := planned(f, asIf)
	if err != nil {
		return nil, nil, err
	}
	if want.Panorama != PanoramaApply {
		for _, s := range all {
			if s.Action = ActionPerson; (onPanorama(s) || s.barred) && !slices.ContainsFunc(steps, func(t Step) bool { return t.Object == s.Object && t.Detail == s.Detail }) {
				steps = append(steps, s)
			}
		}
	}
	part, err := f.offer(without, want, steps, want.Adopt)
	if err != nil {
		return nil, nil, err
	}
	if faults := judge(f, after, asIf, all, left); faults != "" {
		for i := range steps {
			steps[i].Commands = nil
		}
		part.Commands, part.ByHand, part.Differences, part.DifferencesTotal = []string{}, false, []decision.Difference{}, 0
		part.Notes = []string{"No commands are offered for Panorama, for they would not do what they are made for (" + faults + "). Change it as the steps say."}
		return steps, part, nil
	}
	return steps, part, nil
}

// offer gives the part of a plan that only Panorama can take. What is somebody else's is among its commands only where it is adopted, and
// named where it is left out. without is what the rest of the plan leads to.
func (f *Facts) offer(without *Facts, want Expectation, steps []Step, adopt bool) (*OnPanorama, error) {
	part := &OnPanorama{Group: f.place.Group, Template: f.place.Template, place: f.place}
	var offered, byHand, adopted []panorama.Change
	var left, pairs []string
	for i, s := range steps {
		if s.change.Empty() {
			continue
		}
		adopted = append(adopted, s.change)
		if s.Action != ActionPerson && (!s.theirs || adopt) {
			part.changes = append(part.changes, s.change)
		}
		if !s.theirs || adopt {
			if offered = append(offered, s.change); s.Action == ActionPerson {
				byHand = append(byHand, s.change)
			}
			if !s.theirs {
				part.own = append(part.own, s.change)
			}
			continue
		}
		steps[i].Commands = nil
		switch {
		case strings.Contains(s.Detail, ifPairs):
			pairs = append(pairs, s.Object)
		case !slices.Contains(left, s.Object):
			left = append(left, s.Object)
		}
	}
	if len(pairs) > 0 {
		part.Notes = append(part.Notes, "Left out is what may be ours for both members of the pair ("+strings.Join(pairs, ", ")+"): it is included once the other one answers, or with --adopt.")
	}
	part.Commands, part.Notes, part.Pushes = f.place.Session(offered), append(part.Notes, f.placeNotes(offered, len(byHand) > 0)...), f.place.Pushes(offered)
	if len(left) > 0 {
		part.Notes = append(part.Notes, "Left out is what is somebody else's ("+strings.Join(left, ", ")+"); with --adopt it is included.")
	}
	part.offered = offered
	var err error
	if part.push, err = f.judgedPush(part, adopted); err != nil {
		return nil, err
	}
	then := *without
	if err := then.pushChanges(byHand); err != nil {
		return nil, err
	}
	all := differences(without, &then, want)
	part.ByHand, part.Differences, part.DifferencesTotal = len(byHand) > 0, all[:min(len(all), MaxDifferences)], len(all)
	return part, nil
}

// judgedPush is the push of a part to the firewall, by what it takes along of others. adopted is what we would make where somebody else's is
// adopted: an earlier run may have.
func (f *Facts) judgedPush(part *OnPanorama, adopted []panorama.Change) (panorama.Push, error) {
	pushed := part.changes
	if len(pushed) == 0 { // a person pushes
		pushed = part.offered
	}
	push := panorama.Push{At: f.place, Local: f.local, Changes: part.offered, Replaced: part.own,
		Groups: len(part.changes) == 0 || slices.ContainsFunc(pushed, f.place.InGroups), Templates: slices.ContainsFunc(pushed, panorama.Change.InTemplate),
		Targets: func(target *xmlapi.Node, system string, tags []string) bool {
			return rule{target: target}.wouldTarget(f.place.Serial, cmp.Or(system, f.VSys), tags)
		},
		Has: func(target *xmlapi.Node, system string) bool {
			return rule{target: target}.targets(f.place.Serial, cmp.Or(system, f.VSys))
		},
		Asks: mayMatch,
		SameCA: func(a, b *xmlapi.Node) bool { // Panorama adds what it reads in it
			one := decodePEM(a.Value("public-key"))
			return len(one) > 0 && slices.EqualFunc(one, decodePEM(b.Value("public-key")), slices.Equal)
		},
	}
	var err error
	if push.System, err = f.system(f.place.VSys, part.offered, part.changes, adopted); err != nil {
		return push, err
	}
	for _, s := range f.systems {
		other := *f
		other.vsysPushed.value = s.pushed
		system, err := other.system(s.name, part.offered, part.changes, adopted)
		if err != nil {
			return push, err
		}
		system.None = s.none
		push.Systems = append(push.Systems, system)
	}
	return push, nil
}

// system is a virtual system of the firewall as the facts have it, and as it would be by changes that are offered, made, or made where somebody else's is adopted.
func (f *Facts) system(name string, offered, changes, adopted []panorama.Change) (panorama.System, error) {
	held := func(f *Facts) panorama.Held { return panorama.Held{Parts: f.pushed(), Template: f.template.value} }
	s := panorama.System{Name: name, Have: held(f)}
	add := func(to *[]panorama.Held, f Facts, changes []panorama.Change) error {
		err := f.pushChanges(changes)
		*to = append(*to, held(&f))
		return err
	}
	if err := cmp.Or(add(&s.Then, *f, offered), add(&s.Then, *f, changes), add(&s.Then, *f, adopted)); err != nil {
		return s, err
	}
	for _, level := range f.place.Levels() { // the firewall does not tell whether an object of the name stands at this level
		alone, changes := *f, panorama.At(level, offered)
		alone.vsysPushed.value, alone.barePushed.value = nil, nil
		if err := cmp.Or(add(&s.Apart, *f, changes), add(&s.Apart, alone, changes)); err != nil {
			return s, err
		}
	}
	return s, nil
}

// findUnpushed notes what others have committed on Panorama that a push of ours would take along: see panorama.Push. Unless it is the last
// look, that is without what our own changes are yet to replace.
func (o *OnPanorama) findUnpushed(ctx context.Context, itself *xmlapi.Device, last bool) error {
	push := o.push
	push.Last = last
	all, secrets, tagged, err := push.Unpushed(ctx, itself)
	o.Unpushed, o.secrets, o.tagged = atMost(all), atMost(secrets), atMost(tagged)
	return err
}

// atMost gives what fits in a text.
func atMost(names []string) []string {
	if more := len(names) - maxNamed; more > 0 {
		return append(slices.Clone(names[:maxNamed]), fmt.Sprintf("and %d more", more))
	}
	return names
}

// MayPush gives an error where the Panorama d has what others committed and did not push to the firewall, or edits of where that is managed
// from: a push of ours would take it along (see panorama.Push). nil also for no part.
func (o *OnPanorama) MayPush(d *xmlapi.Device) error {
	return o.mayPush(d, "nothing is committed or pushed")
}

func (o *OnPanorama) mayPush(d *xmlapi.Device, nothing string) error {
	if o == nil || len(o.Unpushed) == 0 {
		return nil
	}
	return d.Fail("push to "+o.place.Serial, &xmlapi.Error{Kind: xmlapi.KindCommit, Text: "others changed on Panorama what is not pushed to this firewall yet (" + strings.Join(o.Unpushed, ", ") +
		"); a push of ours would take it along, so " + nothing + ": push it there first (Commit > Push to Devices), with a commit where it is only edited, or take it back, then run this again with --commit"})
}

// look asks Panorama what of a part stands there already, and what else is waiting to be pushed. Where we may write there, not to get an
// answer is an error.
func (o *OnPanorama) look(ctx context.Context, d *xmlapi.Device, want Expectation, steps []Step) error {
	if o == nil || !d.ThroughPanorama() || !o.place.Told {
		return nil
	}
	itself, err := Panorama(d)
	if err == nil {
		defer itself.Close()
		err = o.standing(ctx, itself, want, steps)
	}
	if err != nil && want.Panorama != PanoramaApply {
		o.Notes, err = append(o.Notes, "What stands on Panorama itself could not be read: "+cause(err)), nil
	}
	return err
}

func (o *OnPanorama) standing(ctx context.Context, itself *xmlapi.Device, want Expectation, steps []Step) (err error) {
	if err = o.findUnpushed(ctx, itself, false); err != nil {
		return err
	}
	if len(o.Unpushed) > 0 {
		o.Notes = append(o.Notes, "Others changed on Panorama what is not pushed to this firewall yet ("+strings.Join(o.Unpushed, ", ")+
			"): a push takes it along, and --commit does none before it is pushed (Commit > Push to Devices) or taken back.")
	}
	if o.push.Templates {
		o.Notes = append(o.Notes, secretsNote(o.secrets))
	}
	if len(o.tagged) > 0 {
		o.Notes = append(o.Notes, "Which virtual systems have the rules of Shared for tags ("+strings.Join(o.tagged, ", ")+"), the firewall does not tell: if others gave a tag to another one and did not push that, the push takes it along.")
	}
	if o.Pending, err = pendingChanges(ctx, itself); err != nil {
		return err
	}
	all, written, committed := 0, 0, 0
	for i, s := range steps {
		if s.change.Empty() {
			continue
		}
		all++
		stands, err := s.change.Written(ctx, itself)
		if steps[i].Written = stands; err == nil && stands {
			written++
			if stands, err = s.change.Committed(ctx, itself); stands {
				committed++
			}
		}
		if err != nil {
			return err
		}
		if s.Action != ActionPerson || steps[i].Written {
			o.all = append(o.all, s.change)
		}
	}
	if o.Pending && want.Panorama == PanoramaApply {
		if err = o.findByHand(ctx, itself, want); err != nil {
			return err
		}
	}
	by := "--commit does that"
	switch {
	case want.Panorama != PanoramaApply:
		by = "the last lines of the commands do that"
	case len(o.Unpushed) > 0:
		by += " once that of others is pushed"
	}
	switch o.Uncommitted = written > committed; {
	case o.Uncommitted:
		o.Notes = append(o.Notes, fmt.Sprintf("%d of the %d changes on Panorama stand in its candidate configuration already, and need a commit there and a push to this firewall; %s.", written, all, by))
	case committed > 0:
		o.Notes = append(o.Notes, fmt.Sprintf("%d of the %d changes on Panorama are committed there already, and need a push to this firewall; %s.", committed, all, by))
	}
	return nil
}

// secretsNote says what a push of templates takes along that is not known; names are what holds secrets that are written otherwise on the firewall.
func secretsNote(names []string) string {
	note := "Passwords, keys and other secrets in the templates cannot be compared, for each device encrypts them by itself: if others changed one and did not push it, the push takes it along."
	if len(names) > 0 {
		note += " Look at these, which hold one: " + strings.Join(names, ", ") + "."
	}
	return note
}

// findByHand notes whose edits wait on Panorama, and what of them a commit of ours would take along that our steps do not make.
func (o *OnPanorama) findByHand(ctx context.Context, itself *xmlapi.Device, want Expectation) error {
	o.Ourselves = cmp.Or(want.Admin, itself.Username())
	if o.Ourselves == "" {
		o.Ourselves = xmlapi.LoggedInAs(ctx, itself, "determine our administrator name on Panorama")
	}
	if err := o.readByHand(ctx, itself, want, o.Ourselves); err != nil {
		return err
	}
	switch by := strings.Join(o.PendingBy, ", "); {
	case by == "":
	case o.Ourselves == "":
		o.Notes = append(o.Notes, "Edits of "+by+" are not committed on Panorama; --commit takes along those of our administrator, whose name Panorama does not tell without an edit.")
	case slices.Contains(o.PendingBy, o.Ourselves):
		o.Notes = append(o.Notes, "Edits of "+by+" are not committed on Panorama; --commit takes along those of "+o.Ourselves+", our administrator.")
	}
	return nil
}

// readByHand reads what a commit of an administrator on Panorama takes along, and whose edits wait there.
func (o *OnPanorama) readByHand(ctx context.Context, itself *xmlapi.Device, want Expectation, admin string) error {
	edits, _ := xmlapi.PendingEdits(ctx, itself) // not told: it may be anything
	edits = withoutAdminTag(edits, want.Names)
	o.PendingBy, o.byHand, o.EditedByHand, o.EditedAbove = (&Facts{edits: edits}).editors(), edited{}, nil, nil
	pending, err := byhand.Read(ctx, itself, edits, admin)
	if err != nil {
		o.byHand, err = unread(err)
		o.EditedByHand = o.byHand.texts()
		return err
	}
	if pending.Running == nil {
		return nil
	}
	if err := plain(&pending, want); err != nil {
		return err
	}
	made := func(all []panorama.Change) (changes []byhand.Change) {
		for _, c := range all {
			changes = append(changes, byhand.Change{Edits: c.Edits, Move: c.Top, Where: xmlapi.MoveTop})
		}
		return changes
	}
	commit := pending.Commit(made(o.changes))
	if want.CommitAlone {
		commit.Changes = nil
	}
	names, err := commit.Edited(made(o.changes), made(o.all), made(o.earlier))
	o.byHand.names = slices.DeleteFunc(names, func(name string) bool { return slices.Contains(o.excused, name) })
	if o.EditedByHand = o.byHand.texts(); len(o.EditedByHand) > 0 {
		o.EditedAbove = atMost(pending.Above)
	}
	return err
}

// placeNotes are what a person has to know of changes on Panorama.
func (f *Facts) placeNotes(changes []panorama.Change, typed bool) (notes []string) {
	if f.placeUnknown != nil {
		notes = append(notes, "Panorama could not be asked for the names of device group and template: "+cause(f.placeUnknown))
	}
	return append(notes, f.place.Notes(changes, typed)...)
}

// writable are the steps on Panorama that we may take.
func writable(steps []Step, adopt bool) []Step {
	return slices.DeleteFunc(slices.Clone(steps), func(s Step) bool {
		return s.change.Empty() || s.Action == ActionPerson || s.Foreign && !adopt
	})
}

// TakeOnPanorama takes the steps that only Panorama can take, in its candidate configuration; itself is that Panorama. It gives how
// many were taken that did not stand there yet; on an error, the earlier ones stand, and can be taken again. What rules of other firewalls still name is not deleted.
func TakeOnPanorama(ctx context.Context, itself *xmlapi.Device, steps []Step, adopt bool) (taken int, err error) {
	steps = writable(steps, adopt)
	if slices.ContainsFunc(steps, func(s Step) bool { return slices.ContainsFunc(s.change.Edits, xmlapi.Edit.Imports) }) {
		if err := mayImport(ctx, itself); err != nil {
			return 0, err
		}
	}
	for _, s := range steps {
		err := s.change.Apply(ctx, itself, s.Action+" "+s.Object)
		var e *xmlapi.Error
		if s.Action == ActionDelete && errors.As(err, &e) && e.Code == inUse {
			continue
		}
		if err != nil {
			return taken, err
		}
		if !s.Written {
			taken++
		}
	}
	return taken, nil
}

// inUse is the code of the refusal to delete what something still refers to (vendor's list of API error codes: "Reference not zero").
const inUse = 10

// CommitOnPanorama publishes on Panorama what TakeOnPanorama wrote, now or earlier, and nothing of other administrators, and pushes it to
// the firewall alone. pushed is false when there was nothing that is committed there and missing on the firewall. admin is as Commit
// has it. Where others have committed there what is not pushed yet (see OnPanorama.MayPush), it does nothing and is an error,
// and neither where our administrator has edited something by hand.
func CommitOnPanorama(ctx context.Context, itself *xmlapi.Device, part *OnPanorama, want Expectation, admin string) (pushed bool, err error) {
	if err = part.findUnpushed(ctx, itself, false); err != nil {
		return false, err
	}
	if err := part.MayPush(itself); err != nil {
		return false, err
	}
	pending, err := pendingChanges(ctx, itself)
	if err != nil {
		return false, err
	}
	if admin = cmp.Or(admin, itself.Username()); admin == "" && pending {
		if admin, err = part.WhoAmI(ctx, itself, want); err != nil {
			return false, err
		}
	}
	if want.CommitAlone = true; pending { // what was to be written stands there, but for what Panorama refused to delete
		if err := part.readByHand(ctx, itself, want, admin); err != nil {
			return false, err
		}
		if err := (Plan{Ourselves: admin, Panorama: part}).MayTakeAlong(itself); err != nil {
			return false, err
		}
		if _, err := itself.Commit(ctx, admin, "Active Defense: policies"); err != nil {
			return false, err
		}
	}
	var committed []panorama.Change
	for _, c := range part.changes {
		stands, err := c.Committed(ctx, itself)
		if err != nil {
			return false, err
		}
		if stands {
			committed = append(committed, c)
		}
	}
	if len(committed) == 0 {
		return false, nil
	}
	if err = part.findUnpushed(ctx, itself, true); err == nil { // what was to be replaced may not be, and others commit, too
		err = part.mayPush(itself, "nothing is pushed")
	}
	if err != nil {
		return false, err
	}
	return true, part.place.Push(ctx, itself, committed)
}

// WhoAmI finds out as whom we act on the Panorama itself, by an edit that is taken back where it does not tell otherwise.
func (o *OnPanorama) WhoAmI(ctx context.Context, itself *xmlapi.Device, want Expectation) (string, error) {
	return xmlapi.WhoAmIAt(ctx, itself, panorama.LevelPath(cmp.Or(o.Group, panorama.Shared))+"/tag", want.Names.AdminTag())
}

// reachOf tells whom a rule of ours concerns that is in a device group.
func (p ofPanorama) reachOf(level string) string {
	whose, note, at := "", "", p.f.place
	switch {
	case at.Peer != "":
		whose = ", the members of its HA pair,"
	case at.Paired:
		note = "; the firewall is a member of an HA pair, and the serial number of the other one is not told: add that to the target, or after a failover what is blocked gets in"
	}
	return fmt.Sprintf("a rule of its own in %s, with target %s,%s so that it is no other firewall's%s", levelName(level), strings.Join(at.Members(), " and "), strings.TrimPrefix(whose, ","), note)
}

// reachOfRule tells whom a rule at an xpath of a level concerns that has a name of ours: by its target as Panorama has it, else as it was
// pushed. One without is every firewall's.
func (p ofPanorama) reachOfRule(level, at string) string {
	target := p.f.standing[at].Child("target")
	if p.f.standing[at] == nil {
		for _, r := range slices.Concat(p.p.rules, p.p.inactive) {
			if r.layer.pushed() && p.rulebaseOf(r)+xmlapi.EntryNamed(r.name) == at {
				target = r.target
			}
		}
	}
	var others []string
	for _, e := range target.Child("devices").Entries() {
		if name := e.Attr("name"); !slices.Contains(p.f.place.Members(), name) {
			others = append(others, name)
		}
	}
	switch {
	case p.f.place.TargetsAlone(target):
		return p.reachOf(level)
	case len(others) > 0 && !target.Yes("negate") && len(target.Child("tags").Members()) == 0:
		return fmt.Sprintf("it is also for %s, by its target in %s", strings.Join(atMost(others), ", "), levelName(level))
	}
	return p.f.place.Reach(level)
}

// levelName names a level for a reader.
func levelName(level string) string {
	if panorama.IsShared(level) {
		return "Shared"
	}
	return "device group " + word(cmp.Or(level, panorama.UnknownGroup))
}

// fromPanorama takes away what was made on Panorama for this firewall: its rules, and what they name, unless other rules name it. What
// is in a template stays, for other firewalls may use it.
func (r *remover) fromPanorama() {
	p, n := ofPanorama{r.provisioner}, r.want.Names
	logs := n.Logs + panoramaNames
	var used []string // objects that rules name which stay
	for _, x := range slices.Concat(r.p.rules, r.p.inactive) {
		switch at := p.rulebaseOf(x) + xmlapi.EntryNamed(x.name); {
		case p.isNamed(x) || p.mayBePairs(x):
			used = append(used, r.namedOnPanorama(x, at)...)
		case x.logProfile == logs && x.layer.pushed() && len(r.loggingBeside(logs)) > 0:
			r.livedOn("security rule "+x.String(), r.loggingBeside(logs))
		case x.logProfile == logs && (x.layer.pushed() || x.layer == layerDefault && x.overridden.pushed()):
			if !r.adopt {
				used = append(used, "log forwarding profile "+logs)
			}
			p.step("security rule "+x.String(), "On Panorama: no log forwarding by "+logs, p.f.place.Reach(p.levelOf(x)), true, panorama.Change{Edits: []xmlapi.Edit{xmlapi.Delete(at + "/log-setting")}})
		}
	}
	r.standingRules()
	r.matchListsOnPanorama()
	r.standingInTemplate()
	for _, o := range listsOnPanorama(n) {
		r.objectOnPanorama(o, used)
	}
	if r.f.standingUnknown != nil {
		p.person("Panorama", "Look there for what bears our names and is not pushed to the firewall; it could not be asked: "+cause(r.f.standingUnknown))
	}
	r.steps = p.decided()
}

// objectOnPanorama takes away what was made on Panorama for rules, unless it is one of those that are used, or others need it.
func (r *remover) objectOnPanorama(o onPanoramaList, used []string) {
	p := ofPanorama{r.provisioner}
	object, living := o.kind+" "+quoteAll([]string{o.name}), []string(nil)
	if o.kind == "log forwarding profile" {
		living = r.loggingBeside(o.name)
	}
	isNeeded := len(r.f.naming[o.name]) > 0 // see othersNeed
	if !isNeeded && len(living) > 0 {
		r.livedOn(object, living)
	}
	if isNeeded || len(living) > 0 {
		if o.kind == "log forwarding profile" && r.f.asPushed.find(o.name, o.path...).Node != nil {
			r.living = append(r.living, object)
		}
		return
	}
	if slices.Contains(used, o.kind+" "+o.name) {
		p.person(object, "It stays: rules of Panorama still refer to it. Take it off there, or have --adopt do it; then run this again.")
		return
	}
	var elements []string
	if o.kind == "log forwarding profile" {
		elements = append(elements, "log-setting")
	}
	if users := r.referring(o.name, elements...); len(users) > 0 && p.p.scopes.find(o.name, o.path...).scope.pushed { // the firewall's own, of which Panorama does not know
		p.person(object, "It stays: "+owners(users, r.f.VSys)+" still refers to it. Have that name another one; then run this again.")
		return
	}
	gone := func(level string, entry *xmlapi.Node, unpushed string) {
		made, theirs := "on Panorama, it is ours", !r.isOurs(o.kind, entry)
		if theirs {
			made = "on Panorama, it bears our name, and is not as we make it"
		}
		p.step(object, "On Panorama: delete it, unless a rule of another firewall names it"+unpushed, p.f.place.Reach(level), theirs,
			panorama.Change{Edits: []xmlapi.Edit{xmlapi.Delete(o.at(level))}}).made = made + "; it stays where a rule of another firewall names it" + unpushed
	}
	for _, sc := range r.f.asPushed {
		if entry := sc.node.At(o.path...).Entry(o.name); entry != nil {
			gone(p.levelOfObject(entry), entry, "")
		}
	}
	for _, level := range slices.Concat(r.f.place.Levels(), r.f.place.Former) {
		if entry := r.f.standing[o.at(level)]; entry != nil && !r.deletes(o.at(level)) {
			gone(level, entry, notPushed)
		}
	}
}

// namedOnPanorama takes away a rule at an xpath that bears our name, and gives the objects that it names where it stays.
func (r *remover) namedOnPanorama(x rule, at string) (used []string) {
	p := ofPanorama{r.provisioner}
	detail, theirs := "On Panorama: delete it", !p.isOwn(x)
	switch {
	case theirs && p.mayBePairs(x):
		detail += ifPairs
	case theirs:
		detail += ifOurs
	}
	s := p.step("security rule "+x.String(), detail, p.reachOfRule(p.levelOf(x), at), theirs, panorama.Change{Edits: []xmlapi.Edit{xmlapi.Delete(at)}})
	if !theirs {
		s.made = "on Panorama, it is ours"
	} else if !r.adopt {
		for _, name := range x.source {
			used = append(used, "address group "+name, "external dynamic list "+name)
		}
		used = append(used, "log forwarding profile "+x.logProfile)
	}
	return used
}

// matchListsOnPanorama takes match lists of ours off others' log forwarding profiles of device groups. Where other firewalls have those
// too, they may log to us by them, so that this is for who adopts. What another tag has there, and what other virtual systems with one live on,
// stays.
func (r *remover) matchListsOnPanorama() {
	p, servers, stems := ofPanorama{r.provisioner}, owned{r.provisioner}.ourServers(), r.otherTags()
	for _, part := range r.f.pushed() {
		for _, profile := range part.Node.At("log-settings", "profiles").Entries() {
			level := p.levelOfObject(profile)
			if part.Shared && profile.Attr("loc") == "" {
				level = panorama.Shared
			}
			logs := profile.Attr("name")
			for _, m := range profile.Child("match-list").Entries() {
				name := m.Attr("name")
				at := panorama.LevelPath(level) + "/log-settings/profiles" + xmlapi.EntryNamed(logs) + "/match-list" + xmlapi.EntryNamed(name)
				detail, made, theirs := "On Panorama: delete it, which is ours", "on Panorama, it is ours", !r.f.place.Alone(level)
				if !r.isOurMatchList(m) {
					server, sends := sendsToOneOf(m, servers)
					detail, made, theirs = "On Panorama: it no longer sends to "+server, "", true
					at += "/send-syslog" + xmlapi.MemberNamed(server)
					if !sends {
						continue
					}
				}
				if logs == r.want.Names.Logs+panoramaNames || r.deletes(at) {
					continue
				}
				object := "match list " + quoteAll([]string{name}) + " of log forwarding profile " + quoteAll([]string{logs})
				if isOfAnotherTag(stems, logs, m) && sendsToAlone(m, servers) {
					r.living = append(r.living, object)
					continue
				}
				if living := r.livingOn(profile, m); made != "" && len(living) > 0 {
					r.livedOn(object, living)
					r.living = append(r.living, object)
					continue
				}
				p.step(object, detail, r.f.place.Reach(level), theirs, panorama.Change{Edits: []xmlapi.Edit{xmlapi.Delete(at)}}).made = made
				if theirs && !r.adopt {
					r.naming = append(r.naming, object)
				}
			}
		}
	}
}

// otherTags gives what names of other tags begin with, by what stands of them on Panorama and in other virtual systems.
func (r *remover) otherTags() (stems []string) {
	for _, of := range r.beside {
		stems = append(stems, of...)
	}
	for _, l := range r.p.scopes.all("log-settings", "profiles") {
		if stem, is := strings.CutSuffix(l.Attr("name"), panoramaNames); is && l.scope.pushed && stem != r.want.Names.Logs {
			stems = append(stems, stem)
		}
	}
	return stems
}

// isOfAnotherTag tells whether a match list of a log forwarding profile of Panorama's is one that we make there for another tag.
func isOfAnotherTag(stems []string, logs string, m *xmlapi.Node) bool {
	return slices.ContainsFunc(stems, func(stem string) bool { return logs == stem+panoramaNames || namesMatchList(stem, m) })
}

// loggingBeside gives the other virtual systems with rules of ours for another tag of which something logs by a log forwarding profile.
func (r *remover) loggingBeside(logs string) (names []string) {
	var logsBy func(n *xmlapi.Node) bool
	logsBy = func(n *xmlapi.Node) bool {
		return n.Name == "log-setting" && n.Text == logs || slices.ContainsFunc(n.Children, logsBy)
	}
	for vsys := range r.beside {
		isPushed := slices.ContainsFunc(r.f.elsewhere, func(s systemFacts) bool {
			return s.name == vsys && slices.ContainsFunc(s.pushed, func(part xmlapi.Pushed) bool { return logsBy(part.Node) })
		})
		if isPushed || slices.ContainsFunc(r.referring(logs, "log-setting"), func(u reference) bool { return u.vsys == vsys }) {
			names = append(names, vsys)
		}
	}
	slices.Sort(names)
	return names
}

// livingOn gives those of them that have no match list of their own there for what one of ours in a log forwarding profile sends.
func (r *remover) livingOn(profile, ours *xmlapi.Node) []string {
	return slices.DeleteFunc(r.loggingBeside(profile.Attr("name")), func(vsys string) bool {
		return slices.ContainsFunc(profile.Child("match-list").Entries(), func(m *xmlapi.Node) bool {
			return m.Value("log-type") == ours.Value("log-type") && slices.ContainsFunc(r.beside[vsys], func(stem string) bool { return namesMatchList(stem, m) })
		})
	})
}

// livedOn leaves something on Panorama, by which logs of other virtual systems come to us.
func (r *remover) livedOn(object string, living []string) {
	r.person(object, fmt.Sprintf("It stays on Panorama: by it logs of virtual system %s come to us, which has rules of ours with another tag. "+goesWith, quoteAll(living)))
}

// sendsToOneOf gives the first of some syslog server profiles to which a match list sends.
func sendsToOneOf(m *xmlapi.Node, servers []string) (name string, ok bool) {
	all := m.Child("send-syslog").Members()
	i := slices.IndexFunc(servers, func(s string) bool { return slices.Contains(all, s) })
	if i < 0 {
		return "", false
	}
	return servers[i], true
}

// ifOurs is said of a rule that somebody else may have made.
const ifOurs = ", if it is ours: it bears our name, and is not as we make it"

// ifPairs is said of a rule that we may have made for both members of a pair, see mayBePairs.
const ifPairs = ", if its target is this HA pair: which serial number the other member has is not told now, as where that does not answer; run this again when it does"

// notPushed is said of what an interrupted run left on Panorama.
const notPushed = "; it stands in Panorama's candidate configuration and is not pushed to this firewall"

// standingRules takes away rules of ours that Panorama has and did not push.
func (r *remover) standingRules() {
	p := ofPanorama{r.provisioner}
	for _, level := range slices.Concat(r.f.place.Levels(), r.f.place.Former) {
		for _, name := range ruleNames(r.f.place, r.want.Names) {
			at := preRuleAt(level, name)
			entry := r.f.standing[at]
			if entry == nil || r.deletes(at) {
				continue
			}
			x := p.standingRule(level, entry)
			if !x.targets(r.f.place.Serial, r.f.VSys) && !r.f.place.TargetsAlone(x.target) {
				p.person("security rule "+quoteAll([]string{name})+" ("+levelName(level)+")", "It stays on Panorama: it bears our name, and its target is not this firewall.")
				continue
			}
			detail, theirs := "On Panorama: delete it", !p.isOwn(x)
			if theirs {
				detail += ifOurs
			}
			p.step("security rule "+quoteAll([]string{name}), detail+notPushed, p.reachOfRule(level, at), theirs, panorama.Change{Edits: []xmlapi.Edit{xmlapi.Delete(at)}})
		}
	}
}

// standingInTemplate leaves to a person what an interrupted run left in the template on Panorama, as what was pushed from there.
func (r *remover) standingInTemplate() {
	place := r.f.place
	for _, o := range listsOfTemplate(r.want.Names) {
		at, shared := o.inTemplate(place), r.f.template.value.Child("shared")
		entry, pushed := r.f.standing[at], shared.At(o.path...).Entry(o.name)
		if pushed != nil && strings.HasSuffix(o.kind, " log settings") && r.isOurMatchList(pushed) {
			r.pushedObject(o.kind, o.name, scope{node: shared, pushed: true}, o.path)
		}
		if entry == nil || pushed != nil {
			continue
		}
		detail := "On Panorama, in template " + place.Template + ": delete it, unless another firewall needs it"
		if trust := strings.HasPrefix(o.kind, "certificate"); trust && !r.isOurs(o.kind, entry) {
			detail += ifOurs
		}
		commands := panorama.Change{Edits: []xmlapi.Edit{xmlapi.Delete(at)}}.Commands()
		r.last(o.kind+" "+quoteAll([]string{o.name}), detail+", then commit"+notPushed, commands)
	}
}

// deletes tells whether a step on Panorama takes away what is at an xpath.
func (r *remover) deletes(xpath string) bool {
	return slices.ContainsFunc(r.steps, func(s Step) bool {
		return slices.ContainsFunc(s.change.Edits, func(e xmlapi.Edit) bool { return e.Deletes() && e.XPath() == xpath })
	})
}

// removalPart is the part of a removal that only Panorama can take; nil: there is none.
func removalPart(f, without *Facts, want Expectation, steps []Step, adopt bool) (*OnPanorama, error) {
	if !slices.ContainsFunc(steps, func(s Step) bool { return !s.change.Empty() }) {
		return nil, nil
	}
	return f.offer(without, want, steps, adopt)
}
