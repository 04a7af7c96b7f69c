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

// Where objects are made that virtual systems share.
const (
	sharedLogs         = xmlapi.SharedPath + "/log-settings/profiles"
	sharedSyslog       = xmlapi.SharedPath + "/log-settings/syslog"
	sharedCertificates = xmlapi.SharedPath + "/certificate"
	sharedProfiles     = xmlapi.SharedPath + "/certificate-profile"
)

// Actions of provisioning.
const (
	ActionCreate = "create"
	ActionChange = "change"
	ActionMove   = "move"
	ActionPerson = "person" // only a person can do it
)

// Step is one thing that is missing on a firewall, and what would be done about it.
type Step struct {
	Firewall string `json:"firewall"`
	Action   string `json:"action"`  // one of the Action constants
	Object   string `json:"object"`  // such as: security rule "active-defense-block"
	Detail   string `json:"detail"`  // what it will be, or what a person has to do
	Foreign  bool   `json:"foreign"` // the object is somebody else's: it is changed only when it is adopted
	// Commands do the same on Panorama's CLI, in configure mode, where only Panorama can do it; none: it is not known how, or the
	// firewall can.
	Commands []string `json:"panorama,omitempty"`
	// Written: it stands in Panorama's candidate configuration already, and this firewall has it once that is committed there and pushed.
	Written bool `json:"written,omitempty"`

	edits []xmlapi.Edit
	move  string // xpath of a rule that goes to moveTop or moveBottom after the edits
	where string

	change panorama.Change // what only Panorama can change; then there are no edits, nor a move
	theirs bool            // which somebody else made there
	reach  string          // whom it reaches there
	made   string          // the detail where we take it ourselves; "": as for a person
	barred bool            // by an object of somebody else's with our name there
	cuts   string          // what a sensor rule that stands cuts, for a reader
	later  bool            // it needs what Panorama has yet to push
}

// Plan is what a firewall lacks, and what would come of it.
type Plan struct {
	Firewall string `json:"firewall"`
	Steps    []Step `json:"-"` // in the order in which they can be taken
	// Pending: edits of somebody are not committed. The plan is made from the candidate configuration, with them; a commit takes
	// along those of the administrator as whom we act.
	Pending bool `json:"pending"`
	// PendingBy are whose edits these are, as the firewall tells; none: it does not. Ourselves is as whom we act, where that is known
	// and somebody's edits are not committed.
	PendingBy []string `json:"pending_by,omitempty"`
	Ourselves string   `json:"ourselves,omitempty"`
	// Uncommitted: something that no step is left for is so in the candidate configuration alone, and not in force.
	Uncommitted bool `json:"uncommitted"`
	// Differences are the kinds of traffic that would be decided otherwise than by the running configuration, with every step taken
	// that a person is not needed for, those that adopt included, and those that were taken before and are not committed. Those of
	// blocked sources come last.
	Differences []decision.Difference `json:"differences"` // at most MaxDifferences
	// DifferencesTotal is how many there are.
	DifferencesTotal int `json:"differences_total"`
	// EditedByHand names what a commit takes along that our administrator, or where it is not known as whom we act somebody, edited by hand:
	// objects, settings and the order of rules, anywhere in the configuration, that are not as the plan makes them. See TakesAlong.
	EditedByHand []string `json:"edited_by_hand,omitempty"` // at most as many as fit in a text
	// EditedAbove says what others edited above edits of our administrator's, so that some of EditedByHand may be theirs: which is not told.
	EditedAbove []string `json:"edited_above,omitempty"` // at most as many as fit in a text
	// WouldCut says of a sensor rule that we wrote before and that is not in force what it would cut by now, and what to do; "": nothing. A commit of ours is
	// refused.
	WouldCut string `json:"would_cut,omitempty"`
	// DeletedByOthers says who else deleted what was never in force, and may be what our administrator made: a commit of ours is refused.
	DeletedByOthers []string `json:"deleted_by_others,omitempty"` // at most as many as fit in a text
	// PendingDifferences are the kinds of traffic of the virtual system that these decide otherwise than the plan.
	PendingDifferences      []decision.Difference `json:"pending_differences,omitempty"` // at most MaxDifferences
	PendingDifferencesTotal int                   `json:"pending_differences_total,omitempty"`
	// LeftOut is what is not planned although a list is served, or of a removal what stays on Panorama for other firewalls, and why; "": nothing.
	LeftOut string `json:"left_out,omitempty"`
	// FormerMode is what another mode, or a list that is no longer served, has left on the firewall once the steps are taken, and what to do
	// about it; "": nothing. No step takes it away.
	FormerMode string `json:"former_mode,omitempty"`
	// Standby says of a passive member of a pair where the configuration of the firewall itself was looked at, for nothing is written on this one; "": it
	// is none.
	Standby string `json:"standby,omitempty"`
	// Panorama is what of it only Panorama can take; nil: nothing. It counts in Differences where we may take it, see
	// Expectation.Panorama; else it has its own.
	Panorama *OnPanorama `json:"panorama,omitempty"`

	byHand   edited // all that EditedByHand names
	shared   []sharedEdit
	compared bool // it was read what a commit takes along
	others   bool // all that waits are edits of others
}

// sharedEdit is what somebody else edited, and did not commit, where our administrator did so, too, or a step of the plan would.
type sharedEdit struct {
	admin, what string
	written     bool // ours waits, too
}

// findShared notes what of the edits that wait is shared. A commit of one administrator alone cannot take along the one without the other.
func (p *Plan) findShared(f *Facts, adopt bool) {
	if f.ourselves == "" {
		return
	}
	meets := func(xpath string) (written, planned bool) {
		for _, e := range f.edits {
			written = written || e.Admin == f.ourselves && byhand.Meet(e.XPath, xpath)
		}
		for _, c := range changesOf(p.Steps, adopt) {
			for _, e := range c.Edits {
				at := e.XPath()
				if n := e.Element(); !e.Deletes() && n != nil && n.Name == "entry" && !strings.HasSuffix(at, "]") {
					at += xmlapi.EntryNamed(n.Attr("name"))
				}
				planned = planned || byhand.Meet(at, xpath)
			}
		}
		return written, planned
	}
	for _, e := range f.edits {
		if e.Admin == "" || e.Admin == f.ourselves {
			continue
		}
		if written, planned := meets(e.XPath); written || planned {
			p.shared = append(p.shared, sharedEdit{xmlapi.Tidy(e.Admin), byhand.Name(e.XPath), written})
		}
	}
}

// MayWriteAlone gives an error where a commit of ours, once the steps are written, would be refused for what somebody else edited and did not commit.
func (p Plan) MayWriteAlone(d *xmlapi.Device) error {
	var edited []string
	for _, s := range p.shared {
		if !s.written {
			edited = append(edited, s.admin+" edited "+s.what)
		}
	}
	if len(edited) == 0 {
		return nil
	}
	return d.Fail("commit", &xmlapi.Error{Kind: xmlapi.KindCommit, Text: "nothing was written: " + strings.Join(atMost(edited), ", ") +
		" and did not commit that, and the plan changes the same, so that a commit of ours alone would be refused. Have it committed or taken back (Config > Revert Changes) there first, then run this again"})
}

// OthersAlone tells whether edits wait for a commit, and all are known to be of others, so that there is nothing of ours to commit.
func (p Plan) OthersAlone() bool { return p.others }

// MaxDifferences bounds the differences that a plan has: some megabytes.
const MaxDifferences = 10_000

// Provision compares the candidate configuration, edits of everybody included, with what the blacklist needs to have effect,
// and gives the steps that are missing. It changes nothing. What it cannot fix itself, what Panorama pushed for example, is a
// step for a person.
//
// The plan is judged before it is given: one that would not mend what it is made for is a fault of ours, and an error.
func Provision(ctx context.Context, d *xmlapi.Device, want Expectation) (Plan, error) {
	f, own, err := plannedFacts(ctx, d, want)
	if err != nil {
		return Plan{}, err
	}
	if own != d {
		defer own.Close()
	}
	if len(want.InternetZones) == 0 || want.Sensor == SensorDrop {
		if f.readNetwork(ctx, own, want.InternetZones, own.Get); f.lines.err != nil {
			return Plan{}, f.lines.err
		}
	}
	if f.inForce, err = readInForce(ctx, d, f, want); err != nil {
		return Plan{}, err
	}
	steps, after, left, err := planned(f, want)
	if err != nil {
		return Plan{}, fmt.Errorf("%s: predict the plan: %w", f.Firewall, err)
	}
	if faults := judge(f, after, want, steps, left); faults != "" {
		return Plan{}, fmt.Errorf("%s: no plan is offered: it would not do what it is made for, which is a fault of Active Defense. "+
			"Nothing was changed; configure the firewall as verify says, and report this: %s", f.Firewall, faults)
	}
	steps = forActive(f, steps, want.Adopt)
	steps = withRole(ctx, d, steps)
	steps, part, err := panoramaPart(f, after, want, steps)
	all := f.eachOnPanorama(steps)
	if err == nil {
		err = part.look(ctx, d, want, all)
	}
	if err != nil {
		return Plan{}, err
	}
	if after, err = passiveAfter(f, after, all); err != nil {
		return Plan{}, err
	}
	plan := newPlan(f, after, want, all)
	plan.FormerMode = formerMode(after, want)
	plan.findShared(f, want.Adopt)
	if plan.Panorama = part; !f.mayBePending() {
		return plan, nil
	}
	running, err := f.running(ctx, d)
	if err != nil {
		return Plan{}, err
	}
	_, ours, _, err := planned(running, want)
	if err != nil {
		return Plan{}, fmt.Errorf("%s: predict the commit: %w", f.Firewall, err)
	}
	plan.Differences, plan.DifferencesTotal = bounded(differences(running, ours, want))
	return plan, plan.takenAlong(ctx, d, want, f, func(f *Facts, _ *xmlapi.Node) (adopting, own, earlier []Step, err error) {
		steps, _, _, err := planned(f, want)
		return steps, steps, nil, err
	})
}

// withRole puts before steps that import a file, where our administrator may not, that he has to be allowed to.
func withRole(ctx context.Context, d *xmlapi.Device, steps []Step) []Step {
	if !slices.ContainsFunc(steps, Step.imports) {
		return steps
	}
	if err := mayImport(ctx, d); err != nil {
		return slices.Insert(steps, 0, Step{Firewall: d.Name(), Action: ActionPerson, Object: ObjectRole,
			Detail: fmt.Sprintf(enableRight, "Import") + " Without it our CA cannot be imported, and nothing is written: " + cause(err)})
	}
	return steps
}

// passiveAfter gives what the steps lead to, as far as they are taken on a passive member of a pair: what Panorama pushes. Of any other that is after.
func passiveAfter(f, after *Facts, steps []Step) (*Facts, error) {
	if !f.pair.Passive() {
		return after, nil
	}
	out := *f
	if err := out.push(steps); err != nil {
		return nil, fmt.Errorf("%s: predict the plan: %w", f.Firewall, err)
	}
	return &out, nil
}

// formerMode says what of ours on a firewall its mode does not use; "": nothing.
func formerMode(f *Facts, want Expectation) string {
	p, n := owned{&provisioner{verifier: newVerifier(f, want)}}, want.Names
	isUsed := func(name string) bool { return p.names[name] || p.lists[name] }
	var left []string
	for _, r := range p.p.rules {
		isOurs := r.layer == layerLocal && r.name != n.Sensor && p.ours(r) || ofPanorama(p).isOwn(r)
		if isOurs && !slices.ContainsFunc(r.source, isUsed) {
			left = append(left, "security rule "+r.String())
		}
	}
	for _, o := range []struct {
		kind, name, list string
		is               func(*xmlapi.Node) bool
	}{{"address group", n.Group, "address-group", p.ourGroup}, {"external dynamic list", n.List, "external-list", func(l *xmlapi.Node) bool { return l.Value("type", "ip", "certificate-profile") == n.CertProf }}} {
		if found := p.p.scopes.find(o.name, o.list); found.Node != nil && !found.scope.pushed && !isUsed(o.name) && o.is(found.Node) {
			left = append(left, o.kind+" "+quoteAll([]string{o.name}))
		}
	}
	var members []string
	for _, a := range p.p.scopes.all("address") {
		if want.Mode != firewall.ModeGroup && isMember(n, a.Node) {
			members = append(members, a.Attr("name"))
		}
	}
	if len(members) > 0 {
		left = append(left, "address "+quoteAll(members))
	}
	if len(left) == 0 {
		return ""
	}
	return "of another mode, or of a list that is no longer served, there is " + strings.Join(left, ", ") + ", which mode " + want.Mode +
		" does not use; what it stops stays stopped. To be rid of it, run provision --remove, then this again"
}

// newPlan is the plan of steps that lead from one to the other.
func newPlan(f, after *Facts, want Expectation, steps []Step) Plan {
	p := Plan{Firewall: f.Firewall, Steps: steps, Standby: f.standby, Pending: f.pending.value, PendingBy: f.editors(), Ourselves: f.ourselves}
	p.Differences, p.DifferencesTotal = bounded(differences(f, after, want))
	p.others = f.ourselves != "" && len(f.edits) > 0 && !slices.ContainsFunc(f.edits, func(e xmlapi.PendingEdit) bool { return e.Admin == "" || e.Admin == f.ourselves })
	return p
}

func bounded(all []decision.Difference) ([]decision.Difference, int) {
	return all[:min(len(all), MaxDifferences)], len(all)
}

// mayBePending tells whether what is in force may be another configuration than the candidate.
func (f *Facts) mayBePending() bool { return f.pending.value || f.pending.err != nil }

// editors gives whose edits are not committed, as far as the firewall tells.
func (f *Facts) editors() (names []string) {
	for _, e := range f.edits {
		if e.Admin != "" {
			names = append(names, e.Admin)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// in gives the facts with a configuration, from byhand.Everything down, in place of the candidate.
func (f *Facts) in(config *xmlapi.Node) *Facts {
	out := *f
	out.own.value, out.shared.value = config.Child("devices").FirstEntry().Child("vsys").Entry(f.VSys), config.Child("shared")
	return &out
}

// beforePushes gives the facts, and those without what we had Panorama push, in the device group and in the template as well, as far as it has:
// what an earlier run wrote before that needed it here.
func (f *Facts) beforePushes(want Expectation) ([]*Facts, error) {
	var inGroups, inTemplate []xmlapi.Edit
	for _, level := range f.place.Levels() {
		for _, name := range ruleNames(f.place, want.Names) {
			inGroups = append(inGroups, xmlapi.Delete(preRuleAt(level, name)))
		}
		for _, l := range listsOnPanorama(want.Names) {
			inGroups = append(inGroups, xmlapi.Delete(l.at(level)))
		}
	}
	for _, l := range listsOfTemplate(want.Names) {
		inTemplate = append(inTemplate, xmlapi.Delete(l.inTemplate(f.place)))
	}
	all := []*Facts{f}
	for _, edits := range [][]xmlapi.Edit{inGroups, inTemplate} {
		last := all[len(all)-1]
		edits = slices.DeleteFunc(edits, func(e xmlapi.Edit) bool { return !last.seen.Has(f.place, e.XPath()) })
		if len(edits) == 0 {
			continue
		}
		before := *last
		if err := before.pushChanges([]panorama.Change{{Edits: edits}}); err != nil {
			return nil, err
		}
		before.findPushed(want)
		all = append(all, &before)
	}
	return all, nil
}

// planning gives the steps of a plan that would be made from other facts, with the configuration that these are of: those with what is somebody
// else's, those without, and those of which a plan to take all away may find what an earlier run wrote.
type planning func(f *Facts, config *xmlapi.Node) (adopting, own, earlier []Step, err error)

// takenAlong notes of a plan what of it was made before and is not in force, and what a commit of ours takes along that it does not make.
func (p *Plan) takenAlong(ctx context.Context, d *xmlapi.Device, want Expectation, f *Facts, plans planning) error {
	pending, err := byhand.Read(ctx, d, f.edits, f.ourselves)
	if err != nil {
		p.byHand, err = unread(err)
		p.EditedByHand = p.byHand.texts()
		return err
	}
	if pending.Running == nil {
		return nil
	}
	p.compared = true
	local := slices.DeleteFunc(slices.Clone(p.Steps), func(s Step) bool { return !s.change.Empty() })
	versions := [][]byhand.Change{changesOf(local, false), changesOf(local, true)}
	times, err := f.beforePushes(want)
	if err != nil {
		return fmt.Errorf("%s: predict the commit: %w", f.Firewall, err)
	}
	for i, config := range slices.Compact([]*xmlapi.Node{pending.Others(), pending.Running}) {
		for j, f := range times {
			adopting, own, earlier, err := plans(f.in(config), config)
			if err != nil {
				return fmt.Errorf("%s: predict the commit: %w", f.Firewall, err)
			}
			if i+j == 0 {
				p.Uncommitted = undone(map[bool][]Step{false: own, true: adopting}[want.Adopt], local)
				versions = append(versions, changesOf(adopting, want.Adopt))
			}
			versions = append(versions, changesOf(own, false), changesOf(adopting, true), changesOf(earlier, false), changesOf(earlier, true))
		}
	}
	var writes []byhand.Change
	if !want.CommitAlone {
		writes = changesOf(local, want.Adopt)
	}
	err = plain(&pending, want)
	if err == nil && want.Mode == firewall.ModeGroup {
		err = withoutMembers(&pending, f.VSys, want.Names, f.version)
	}
	if err != nil {
		return err
	}
	commit := pending.Commit(writes)
	names, err := commit.Edited(versions...)
	p.DeletedByOthers = atMost(pending.Gone)
	if names = p.withoutCutting(names); err != nil || len(names) == 0 {
		return err
	}
	p.byHand = edited{names: names}
	p.EditedByHand, p.EditedAbove = p.byHand.texts(), atMost(pending.Above)
	ours, err := byhand.Made(commit.Running, versions[2])
	if err != nil {
		return err
	}
	then, err := commit.After()
	if err == nil {
		p.PendingDifferences, p.PendingDifferencesTotal = bounded(differences(f.in(ours), f.in(then), want))
	}
	return err
}

// withoutCutting notes of a sensor rule that is among what a commit takes along, and that would cut by now, what that is. It gives the rest.
func (p *Plan) withoutCutting(names []string) []string {
	i := slices.IndexFunc(p.Steps, func(s Step) bool { return s.cuts != "" })
	if i < 0 {
		return names
	}
	s := p.Steps[i]
	return slices.DeleteFunc(names, func(name string) bool {
		isIt := strings.HasPrefix(name, s.Object+" (")
		if isIt {
			p.WouldCut = s.Object + " is not in force yet, and " + s.cuts + ". Do not commit it: run provision --apply, which takes it away again and has the default rules log in its place"
		}
		return isIt
	})
}

// withoutAdminTag leaves out of edits the tag that finding out as whom we act has made and taken away: it never had another name.
func withoutAdminTag(edits []xmlapi.PendingEdit, n firewall.Names) []xmlapi.PendingEdit {
	return slices.DeleteFunc(slices.Clone(edits), func(e xmlapi.PendingEdit) bool {
		return e.Action == xmlapi.ActionDelete && strings.HasSuffix(e.XPath, "/tag"+xmlapi.EntryNamed(n.AdminTag()))
	})
}

// edited is what is edited by hand.
type edited struct {
	names  []string
	unread string // why it is not known; "": it is
}

// unread is what is said where it cannot be read what a commit takes along; an error where the device is not there.
func unread(err error) (edited, error) {
	switch xmlapi.Kind(err) {
	case xmlapi.KindUnreachable, xmlapi.KindTimeout, xmlapi.KindCanceled:
		return edited{}, err
	}
	return edited{unread: "what cannot be told, for the whole configuration was not read: " + cause(err)}, nil
}

// texts are the names for a reader.
func (e edited) texts() []string {
	if e.unread != "" {
		return []string{e.unread}
	}
	return atMost(e.names)
}

// both is what is edited by hand by two plans: what one of them makes is not.
func (e edited) both(other edited) edited {
	if e.unread == "" && other.unread == "" {
		e.names = slices.DeleteFunc(slices.Clone(e.names), func(name string) bool { return !slices.Contains(other.names, name) })
	}
	return e
}

// changesOf are what steps write on the firewall now; adopt: what is somebody else's, too.
func changesOf(steps []Step, adopt bool) (changes []byhand.Change) {
	for _, s := range steps {
		if s.isTaken(adopt) {
			changes = append(changes, byhand.Change{Edits: s.edits, Move: s.move, Where: s.where})
		}
	}
	return changes
}

// isTaken tells whether Take takes a step.
func (s Step) isTaken(adopt bool) bool {
	return s.Action != ActionPerson && (!s.Foreign || adopt) && !s.later && s.change.Empty()
}

// plain has configurations say what we write as we write it: our CA, to which a device adds what it reads in it.
func plain(p *byhand.Pending, want Expectation) error {
	for _, config := range []**xmlapi.Node{&p.Running, &p.Candidate} {
		var edits []xmlapi.Edit
		certificates := func(shared string, n *xmlapi.Node) {
			if e := n.Child("certificate").Entry(want.Names.CA); e != nil && want.CA != nil && holdsCertificate(decodePEM(e.Value("public-key")), want.CA) {
				edits = append(edits, xmlapi.Replace(shared+"/certificate"+xmlapi.EntryNamed(want.Names.CA), plainCertificate(e, xmlapi.ImportCertificate(want.Names.CA, want.CA).Element())))
			}
		}
		certificates(xmlapi.SharedPath, (*config).Child("shared"))
		for _, template := range (*config).Child("devices").FirstEntry().Child("template").Entries() {
			certificates(panorama.Place{Template: template.Attr("name")}.TemplatePath()+"/shared", template.At("config", "shared"))
		}
		var err error
		if *config, err = byhand.Made(*config, []byhand.Change{{Edits: edits}}); err != nil {
			return err
		}
	}
	return nil
}

// plainCertificate is an entry of our CA without what a device reads in the certificate when it is imported, and with the certificate as we write it.
func plainCertificate(entry, ours *xmlapi.Node) *xmlapi.Node {
	read := []string{"subject-hash", "issuer-hash", "not-valid-before", "not-valid-after", "issuer", "subject", "common-name", "expiry-epoch", "algorithm"}
	plain := xmlapi.NamedEntry(entry.Attr("name"))
	for _, c := range entry.Children {
		switch {
		case c.Name == "public-key":
			plain.Children = append(plain.Children, ours.Child(c.Name))
		case !slices.Contains(read, c.Name):
			plain.Children = append(plain.Children, c)
		}
	}
	return plain
}

// withoutMembers leaves out of what waits the addresses with which the daemon fills its group in ModeGroup, and their names in it: it commits them at
// its own time, and they are in no plan. Those of other virtual systems are for the plan of these to leave out.
func withoutMembers(p *byhand.Pending, vsys string, n firewall.Names, version xmlapi.Version) error {
	own := func(config *xmlapi.Node) *xmlapi.Node {
		return config.Child("devices").FirstEntry().Child("vsys").Entry(vsys)
	}
	members := membersOf(n, own(p.Running), own(p.Candidate), version)
	for _, config := range []**xmlapi.Node{&p.Running, &p.Candidate} {
		var edits []xmlapi.Edit
		without := func(at string, list *xmlapi.Node, name func(*xmlapi.Node) string) {
			if list != nil {
				edits = append(edits, xmlapi.Replace(at+"/"+list.Name, xmlapi.Element(list.Name, slices.DeleteFunc(slices.Clone(list.Children), func(c *xmlapi.Node) bool { return members[name(c)] })...)))
			}
		}
		at := xmlapi.VSysPath(vsys)
		without(at, own(*config).Child("address"), func(c *xmlapi.Node) string { return c.Attr("name") })
		without(at+"/address-group"+xmlapi.EntryNamed(n.Group), own(*config).Child("address-group").Entry(n.Group).Child("static"), func(c *xmlapi.Node) string { return c.Text })
		var err error
		if *config, err = byhand.Made(*config, []byhand.Change{{Edits: edits}}); err != nil {
			return err
		}
	}
	return nil
}

// membersOf names the addresses of a virtual system that are the daemon's alone: in both configurations, as far as they are there, just as it writes
// them. A new one stands in its group: only on a version that takes edits one by one it may have come no further than to make it. One that is in force
// stands in none between being taken out of the group and deleted (groupChangeset in package firewall).
func membersOf(n firewall.Names, running, candidate *xmlapi.Node, version xmlapi.Version) map[string]bool {
	var inGroup []string
	if group := candidate.Child("address-group").Entry(n.Group); group != nil {
		inGroup = group.Child("static").Members()
	}
	before, now, members := ourAddresses(n, running), ourAddresses(n, candidate), map[string]bool{}
	for name, written := range before {
		again, stands := now[name]
		members[name] = written && (again || !stands)
	}
	for name, written := range now {
		if _, stood := before[name]; !stood {
			members[name] = written && (!version.MultiConfig() || slices.Contains(inGroup, name))
		}
	}
	return members
}

// ourAddresses gives the addresses of a virtual system that are named like those of the group in ModeGroup, and whether they are just as the daemon
// writes them. That is none wider than what it blocks by itself: a wider one may be its, too, but waits until it has committed it.
func ourAddresses(n firewall.Names, vsys *xmlapi.Node) map[string]bool {
	named := map[string]bool{}
	for _, a := range vsys.Child("address").Entries() {
		if name := a.Attr("name"); strings.HasPrefix(name, n.Group+"-") {
			p, ok := firewall.ParseAddress(a.Value("ip-netmask"))
			named[name] = ok && (p.Addr().Is4() && p.Bits() >= 24 || p.Addr().Is6() && p.Bits() >= 48) && byhand.Alike(a, n.MemberEntry(p))
		}
	}
	return named
}

// TakesAlong says what a commit of ours would put in force that the plan does not make: what our administrator edited by hand; "": nothing.
func (p Plan) TakesAlong() string {
	var what []string
	if len(p.EditedByHand) > 0 {
		what = append(what, strings.Join(p.EditedByHand, ", "))
	}
	if p.Panorama != nil && len(p.Panorama.EditedByHand) > 0 {
		what = append(what, "on Panorama "+strings.Join(p.Panorama.EditedByHand, ", "))
	}
	return strings.Join(what, "; ")
}

// Excuse takes off what is named as edited by hand what another plan makes, which an earlier run may have written: one for another virtual system
// of the firewall, or with onPanorama for another firewall of its Panorama, of the same administrator's edits and with CommitAlone.
func (p *Plan) Excuse(other Plan, onPanorama bool) {
	if !onPanorama && other.Pending && p.Ourselves == other.Ourselves {
		p.byHand = p.byHand.both(other.byHand)
		if p.EditedByHand = p.byHand.texts(); len(p.EditedByHand) == 0 {
			p.EditedAbove, p.PendingDifferences, p.PendingDifferencesTotal = nil, nil, 0
		}
	}
	if o, there := p.Panorama, other.Panorama; o != nil && there != nil && there.Pending && o.Ourselves == there.Ourselves {
		named := o.byHand.names
		o.byHand = o.byHand.both(there.byHand)
		o.excused = append(o.excused, slices.DeleteFunc(slices.Clone(named), func(name string) bool { return slices.Contains(o.byHand.names, name) })...)
		if o.EditedByHand = o.byHand.texts(); len(o.EditedByHand) == 0 {
			o.EditedAbove = nil
		}
	}
}

// Above says what others edited above what TakesAlong says, so that it may be theirs, and what to do; "": nothing.
func (p Plan) Above() string {
	above := slices.Clone(p.EditedAbove)
	if p.Panorama != nil {
		for _, text := range p.Panorama.EditedAbove {
			above = append(above, "on Panorama "+text)
		}
	}
	if len(above) == 0 {
		return ""
	}
	ends := "Have them commit it or take it back first"
	if len(p.DeletedByOthers) > 0 { // a commit of ours may put that in force
		ends = "Have them take it back first (Config > Revert Changes)"
	}
	return "It is not told which of it is our administrator's: " + strings.Join(above, ", ") + ", and that stands above edits of ours, or under a name that ours may have given. " + ends
}

// Deleted says what DeletedByOthers means for a commit, and what to do; "": nothing.
func (p Plan) Deleted() string {
	if len(p.DeletedByOthers) == 0 {
		return ""
	}
	return strings.Join(p.DeletedByOthers, ", ") + ", which was never in force, and a commit of our administrator's may put in force. Have them take that back (Config > Revert Changes)"
}

// MayTakeAlong gives an error where a commit of ours would put in force what TakesAlong says.
func (p Plan) MayTakeAlong(d *xmlapi.Device) error {
	what := p.TakesAlong()
	if p.WouldCut != "" {
		return d.Fail("commit", &xmlapi.Error{Kind: xmlapi.KindCommit, Text: "nothing is committed: " + p.WouldCut})
	}
	if text := p.Deleted(); text != "" {
		if above := p.Above(); above != "" {
			text += ". " + above
		}
		return d.Fail("commit", &xmlapi.Error{Kind: xmlapi.KindCommit, Text: "nothing is committed: " + text})
	}
	if what == "" {
		return nil
	}
	ourselves := p.Ourselves
	if ourselves == "" && p.Panorama != nil {
		ourselves = p.Panorama.Ourselves
	}
	if p.byHand.unread != "" || p.Panorama != nil && p.Panorama.byHand.unread != "" {
		return d.Fail("commit", &xmlapi.Error{Kind: xmlapi.KindCommit, Text: "nothing is committed: the commit may take along " + what + ". " + byPerson})
	}
	whose := "takes along what our administrator " + word(ourselves) + " edited"
	if ourselves == "" {
		whose = "may take along, as the firewall does not tell who our administrator is, what was edited"
	}
	if above := p.Above(); above != "" {
		what += ". " + above
	}
	if also := p.editedToo(); also != "" {
		return d.Fail("commit", &xmlapi.Error{Kind: xmlapi.KindCommit, Text: fmt.Sprintf("nothing is committed: the commit %s (%s). "+
			"There %s as well and did not commit that: have it committed or taken back (Config > Revert Changes) there first, then run this again", whose, what, also)})
	}
	return d.Fail("commit", &xmlapi.Error{Kind: xmlapi.KindCommit, Text: fmt.Sprintf("nothing is committed: the commit %s by hand (%s). "+
		"What an earlier run of ours wrote with other settings counts as that, too. Commit it first (Commit > Commit Changes Made By), or take it back (Config > Revert Changes), and run this again; or give provision an administrator of its own", whose, what)})
}

// editedToo says which of what our administrator edited somebody else edited as well; "": nothing.
func (p Plan) editedToo() string {
	var also []string
	for _, s := range p.shared {
		if s.written {
			also = append(also, s.admin+" edited "+s.what)
		}
	}
	return strings.Join(atMost(also), ", ")
}

// byPerson is what is to be done where it cannot be read what a commit takes along.
const byPerson = "Look through what is edited (Commit > Commit Changes Made By, Preview Changes), and commit it there"

// MayCompare gives an error where a commit, once Take has written, could not be looked at for what it takes along: it would be refused then. It changes
// nothing. Where the plan has read that already, it asks for nothing.
func (p Plan) MayCompare(ctx context.Context, d *xmlapi.Device, adopt bool) error {
	here, onPanorama, _ := p.Writes(adopt)
	if there := p.Panorama; there != nil && onPanorama > 0 && !slices.Contains(there.PendingBy, there.Ourselves) {
		itself, err := Panorama(d)
		if err != nil {
			return err
		}
		defer itself.Close()
		if err := mayCompare(ctx, itself); err != nil {
			return err
		}
	}
	if here == 0 || p.compared {
		return nil
	}
	return mayCompare(ctx, d)
}

func mayCompare(ctx context.Context, d *xmlapi.Device) error {
	err := byhand.Readable(ctx, d)
	if err == nil {
		return nil
	}
	if xmlapi.Kind(err) == xmlapi.KindAuth {
		return fmt.Errorf("nothing was written: %w", err)
	}
	found, err := unread(err)
	if err != nil {
		return fmt.Errorf("nothing was written: %w", err)
	}
	return d.Fail("commit", &xmlapi.Error{Kind: xmlapi.KindCommit, Text: "nothing was written: the commit would be refused, as it may take along " + found.unread +
		". Run this with --apply and without --commit. Then look" + strings.TrimPrefix(byPerson, "Look")})
}

// running gives the facts with the running configuration in place of the candidate.
func (f *Facts) running(ctx context.Context, d *xmlapi.Device) (*Facts, error) {
	running := *f
	running.own = learn(d.Show(ctx, "read the virtual system", xmlapi.VSysPath(f.VSys)))
	running.shared = learn(d.Show(ctx, "read the shared configuration", xmlapi.SharedPath))
	return &running, running.policyError()
}

// readInForce reads what a sensor that drops must not cut either: the running configuration and its network, where edits are not committed;
// nil: there is nothing of that.
func readInForce(ctx context.Context, d *xmlapi.Device, f *Facts, want Expectation) (*Facts, error) {
	if !f.mayBePending() || want.Sensor != SensorDrop {
		return nil, nil
	}
	running, err := f.running(ctx, d)
	if err != nil {
		return nil, err
	}
	running.readNetwork(ctx, d, want.InternetZones, d.Show)
	return running, running.lines.err
}

// undone tells whether a step of ours was taken of a plan that was made before them, of which left is what is still missing.
func undone(before, left []Step) bool {
	return slices.ContainsFunc(before, func(s Step) bool {
		return s.Action != ActionPerson && s.change.Empty() && !slices.ContainsFunc(left, func(c Step) bool { return c.String() == s.String() })
	})
}

// plannedFacts reads what a plan is made from; own is the device that has the configuration of the firewall itself, see readPair.
func plannedFacts(ctx context.Context, d *xmlapi.Device, want Expectation) (f *Facts, own *xmlapi.Device, err error) {
	own = d
	if f, err = candidateFacts(ctx, d, want); err == nil {
		own, err = readPair(ctx, f, d, want)
	}
	if err == nil {
		err = f.readPlace(ctx, d, want)
	}
	if err != nil && own != d {
		own.Close()
	}
	return f, own, err
}

// candidateFacts reads what every plan is made from.
func candidateFacts(ctx context.Context, d *xmlapi.Device, want Expectation) (*Facts, error) {
	if err := d.Identify(ctx); err != nil {
		return nil, err
	}
	f := &Facts{Firewall: d.Name(), VSys: d.VSys(), throughPanorama: d.ThroughPanorama()}
	f.info, f.version = learn(d.Info(), nil), d.Version()
	if err := readOwn(ctx, f, d); err != nil {
		return nil, err
	}
	f.pending = learn(pendingChanges(ctx, d)) // not told: it stays unsaid
	if f.mayBePending() {
		edits, _ := xmlapi.PendingEdits(ctx, d) // not told: they stay unnamed
		f.edits = withoutAdminTag(edits, want.Names)
		if f.ourselves = cmp.Or(want.Admin, d.Username()); f.ourselves == "" && !d.ThroughPanorama() {
			f.ourselves = xmlapi.LoggedInAs(ctx, d, "determine our administrator name")
		}
	}
	f.readPushed(ctx, d)
	if err := f.policyError(); err != nil {
		return nil, err
	}
	return f, nil
}

// mayImport gives the refusal if the role has not the right to import; nil: it has, or that is unknown.
func mayImport(ctx context.Context, d *xmlapi.Device) error {
	if err := d.TryImport(ctx, CallRights, "test the permission to import our CA (XML API: Import)"); refusedRight(err) {
		return err
	}
	return nil
}

// MayCommit gives an error if the role of our administrator does not allow commits, as far as the configuration tells: to try it would be a
// commit. admin is as in Commit. It changes nothing; nil also where it is not known. Of a firewall that is reached through a Panorama the role
// is Panorama's (PAN-OS web interface help, Panorama > Admin Roles).
func MayCommit(ctx context.Context, d *xmlapi.Device, admin string) error {
	const what = "read the role of our administrator"
	if d.ThroughPanorama() {
		itself, err := Panorama(d)
		if err != nil {
			return nil
		}
		defer itself.Close()
		d = itself
	}
	if admin = cmp.Or(admin, d.Username()); admin == "" {
		admin = xmlapi.LoggedInAs(ctx, d, what)
	}
	user, err := d.Show(ctx, what, "/config/mgt-config/users"+xmlapi.EntryNamed(admin)+"/permissions/role-based/custom")
	if err != nil || user.Value("profile") == "" {
		return nil
	}
	role, err := d.Show(ctx, what, xmlapi.SharedPath+"/admin-role"+xmlapi.EntryNamed(user.Value("profile"))+"/role")
	if err != nil {
		return nil
	}
	for _, scope := range []string{"device", "vsys", "panorama"} {
		if role.Value(scope, "xmlapi", "commit") == "disable" {
			return d.Fail("commit", &xmlapi.Error{Kind: xmlapi.KindRole, Text: fmt.Sprintf("nothing was written: the role %s of administrator %s does not allow commits. "+enableRight+
				" Or run this without --commit, and have somebody else commit", word(user.Value("profile")), word(admin), "Commit")})
		}
	}
	return nil
}

// Writes tells how many steps of a plan Take and TakeOnPanorama write: on the firewall and on Panorama, and then on the firewall what needs
// that Panorama has pushed. Where our administrator lacks a right for it, none.
func (p Plan) Writes(adopt bool) (here, onPanorama, then int) {
	for _, s := range p.Steps {
		switch {
		case s.Object == ObjectRole:
			return 0, 0, 0
		case s.Action == ActionPerson || s.Foreign && !adopt || s.Object == ObjectRegistered || s.Written:
		case !s.change.Empty():
			onPanorama++
		case s.later:
			then++
		default:
			here++
		}
	}
	return here, onPanorama, then
}

// Take takes the steps in the candidate configuration: those of Provision, without the ones for a person or on Panorama, nor those that
// need what Panorama has yet to push, and without those that are somebody else's unless adopt is set. It gives how many were taken; on an error, the earlier ones stand.
//
// Before the first one it is tried whether we may import, if a step does, so that a role without that right leaves nothing
// half-made.
func Take(ctx context.Context, d *xmlapi.Device, steps []Step, adopt bool) (taken int, err error) {
	steps = slices.DeleteFunc(slices.Clone(steps), func(s Step) bool { return !s.isTaken(adopt) })
	if slices.ContainsFunc(steps, Step.imports) {
		if err := mayImport(ctx, d); err != nil {
			return 0, err
		}
	}
	for _, s := range steps {
		what := s.Action + " " + s.Object
		if err := d.Edit(ctx, what, s.edits); err != nil {
			return taken, Stopped(err, false)
		}
		if s.move != "" {
			if err := d.Move(ctx, what, s.move, s.where); err != nil {
				return taken, Stopped(err, false)
			}
		}
		taken++
	}
	return taken, nil
}

// Stopped adds to an error that ended a run, once something was written, where that stands, and how to go on: on the firewall, or on its Panorama,
// where a commit or a push of it may have been the last that was done. nil stays nil.
func Stopped(err error, onPanorama bool) error {
	var u *xmlapi.Unfinished
	switch isUnfinished := errors.As(err, &u); {
	case err == nil:
		return nil
	case isUnfinished && onPanorama:
		return fmt.Errorf("%w. %s. What was written is in Panorama's candidate configuration, or committed there, and the firewall has it once it is pushed; then run this again, and it goes on from there", err, goesOn(u.Job, "on Panorama"))
	case onPanorama:
		return fmt.Errorf("%w. What was written stays on Panorama, and the firewall has it once it is committed there and pushed; run this again, and it goes on from there", err)
	}
	return fmt.Errorf("%w. %s; run this again, and it goes on from there", err, stays)
}

// goesOn says of a commit or push that may still take effect where its end is told; job: its number, 0 where it is not known.
func goesOn(job uint, where string) string {
	if job == 0 {
		return "It is not known whether that was begun: if it was, it goes on, and comes into force. Look for it " + where + " with show jobs all"
	}
	return fmt.Sprintf("It goes on as job %d as far as is known, and may still come into force: look how it ended %s with show jobs id %[1]d", job, where)
}

// Commit publishes what Take wrote, now or earlier, and nothing of other administrators. admin is as whom we act; "":
// the one who logs in, or whom the firewall names beside an edit of ours. done is false when there was nothing to commit.
func Commit(ctx context.Context, d *xmlapi.Device, want Expectation, admin string) (done bool, err error) {
	if admin = cmp.Or(admin, d.Username()); admin == "" {
		pending, err := pendingChanges(ctx, d)
		if err == nil && pending {
			admin, err = xmlapi.WhoAmI(ctx, d, want.Names.AdminTag())
		}
		if err != nil || !pending {
			return false, notBegun(err)
		}
	}
	done, err = d.Commit(ctx, admin, "Active Defense: policies")
	if u := (*xmlapi.Unfinished)(nil); errors.As(err, &u) {
		return false, fmt.Errorf("%w. %s. Until then what was written stands in the candidate configuration; then run this again with --commit", err, goesOn(u.Job, "on the firewall"))
	}
	switch xmlapi.Kind(err) {
	case xmlapi.KindCommit:
		err = fmt.Errorf("%w. %s", err, afterFailure(ctx, d, admin))
	case xmlapi.KindBusy:
		err = fmt.Errorf("%w. %s: once that has ended (show commit-locks, show config-locks and show jobs processed tell), run this again with --commit", err, stays)
	case xmlapi.KindRole:
		err = fmt.Errorf("%w. %s: %s Or have somebody commit the changes made by %s", err, stays, fmt.Sprintf(enableRight, "Commit"), admin)
	default:
		err = notBegun(err)
	}
	return done, err
}

// notBegun says of an error, nil where there is none, that it came before a commit.
func notBegun(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w. No commit was begun. %s; run this again with --commit", err, stays)
}

// stays is what becomes of steps that were taken and could not be committed.
const stays = "What was written stays in the candidate configuration, and is not in force"

// afterFailure says where a commit that failed leaves our steps, and whose edits may be in its way: a commit of one administrator's edits
// fails where they build on those of others.
func afterFailure(ctx context.Context, d *xmlapi.Device, admin string) string {
	edits, _ := xmlapi.PendingEdits(ctx, d) // not told: nobody is named
	others := (&Facts{edits: edits}).editors()
	others = slices.DeleteFunc(others, func(name string) bool { return name == admin })
	if len(others) == 0 {
		return stays + ": mend what the firewall names, then run this again with --commit"
	}
	return stays + ". In the way may be edits of others that are not committed, by " + strings.Join(others, ", ") + ": have them commit these or take them back, then run this again with --commit"
}

// imports tells whether the step imports a file.
func (s Step) imports() bool { return slices.ContainsFunc(s.edits, xmlapi.Edit.Imports) }

// String is the step in one line.
func (s Step) String() string { return fmt.Sprintf("%s %s: %s", s.Action, s.Object, s.Detail) }

// applied gives the facts as they would be if the steps were taken, those that adopt included.
func (f *Facts) applied(steps []Step) (*Facts, error) {
	after := *f
	vsys := xmlapi.VSysPath(f.VSys)
	for _, part := range []struct {
		at   string
		node **xmlapi.Node
	}{{vsys, &after.own.value}, {xmlapi.SharedPath, &after.shared.value}} {
		for _, s := range steps {
			var err error
			for _, e := range s.edits {
				if *part.node, err = e.Apply(part.at, *part.node); err != nil {
					return nil, err
				}
			}
			if s.move == "" {
				continue
			}
			if *part.node, err = xmlapi.Moved(part.at, *part.node, s.move, s.where); err != nil {
				return nil, err
			}
		}
	}
	return &after, nil
}

// differences gives what would be decided otherwise after the steps than now.
func differences(now, after *Facts, want Expectation) []decision.Difference {
	return decision.Compare(now.policy().decisions(want, false), after.policy().decisions(want, after.emptied))
}

// planned gives the steps that are missing, with those that show only once the first ones are taken: a rule whose logs
// cannot be sent before there is a profile, a rule of Panorama's above a block rule that is yet to be made. after is what they
// lead to, and left what would still be missing there. What we may take on Panorama is taken last; what it brings to light is for later.
func planned(f *Facts, want Expectation) (steps []Step, after *Facts, left []Step, err error) {
	steps, after, left, err = rounds(f, want, missingSteps(f, want), false)
	if err != nil || !slices.ContainsFunc(steps, func(s Step) bool { return !s.change.Empty() && s.Action != ActionPerson }) {
		return steps, after, left, err
	}
	first := len(steps)
	if steps, _, _, err = rounds(f, want, steps, true); err != nil {
		return nil, nil, nil, err
	}
	// Once more without what is for later: with all of Panorama's in place, less may be missing.
	steps = append(steps[:first:first], slices.DeleteFunc(slices.Clone(steps[first:]), func(s Step) bool { return s.change.Empty() })...)
	known := len(steps)
	steps, after, left, err = rounds(f, want, steps, true)
	for i := known; i < len(steps); i++ {
		steps[i].later = steps[i].change.Empty()
	}
	return steps, after, left, err
}

func rounds(f *Facts, want Expectation, steps []Step, withPanorama bool) (all []Step, after *Facts, left []Step, err error) {
	const rounds = 4 // what is fresh in the last one is left
	for round := range rounds {
		if after, err = f.applied(steps); err == nil && withPanorama {
			err = after.push(steps)
		}
		if err != nil {
			return nil, nil, nil, err
		}
		left = missingSteps(after, want)
		fresh := slices.DeleteFunc(slices.Clone(left), func(s Step) bool {
			return slices.ContainsFunc(steps, func(t Step) bool { return t.String() == s.String() })
		})
		if round < rounds-1 {
			steps = append(steps, fresh...)
		}
		if !slices.ContainsFunc(fresh, func(s Step) bool { return s.Action != ActionPerson }) {
			break
		}
	}
	if !withPanorama {
		left = slices.DeleteFunc(left, func(s Step) bool { return !s.change.Empty() })
	}
	return steps, after, left, nil
}

// ofConfiguration are the checks that the configuration decides; the others look at what the firewall holds and at our rights.
var ofConfiguration = []string{
	CheckBlockSource, CheckBlockRule, CheckBlockPosition, CheckBlockLogs, CheckSensor, CheckForwarding, CheckFormat, CheckInternetRules,
}

// judge tells what is wrong with steps that were meant to mend: "" nothing. With all of them taken, a check of these that passes
// now must not fail, one that they were made for must not fail, and nothing must be left but for a person.
func judge(now, after *Facts, want Expectation, steps, left []Step) string {
	var faults []string
	before := map[string]string{}
	for _, c := range Verify(now, want) {
		before[c.Check] = c.Result
	}
	for _, c := range Verify(after, want) {
		made, person := mends(steps, c.Check, want)
		if c.Result == ResultFail && slices.Contains(ofConfiguration, c.Check) && (made || before[c.Check] != ResultFail) && !person {
			faults = append(faults, "check "+c.Check+" would fail: "+c.Detail)
		}
	}
	for _, s := range left {
		if s.Action != ActionPerson {
			faults = append(faults, "a step would still be missing: "+s.String())
		}
	}
	return strings.Join(faults, "; ")
}

// mends tells whether steps were made for a check, and whether a part of what it looks at is left to a person.
func mends(steps []Step, check string, want Expectation) (made, person bool) {
	n := want.Names
	objects := map[string][]string{
		CheckBlockSource: {"address group " + quoteAll([]string{n.Group})},
		CheckBlockRule:   {"security rule " + quoteAll([]string{n.Block})}, CheckBlockPosition: {"security rule " + quoteAll([]string{n.Block})},
		CheckFormat: {"syslog server profile "}, CheckForwarding: {"log forwarding profile "},
	}[check]
	var named []string // by what is not made where one of them cannot be
	switch check {
	case CheckBlockRule, CheckBlockPosition:
		named = []string{"address group " + quoteAll([]string{n.Group}), "address " + quoteAll([]string{n.Nobody})}
		if want.Mode == firewall.ModeList {
			named = []string{"external dynamic list"}
		}
	case CheckBlockLogs, CheckSensor, CheckInternetRules:
		named = []string{"log forwarding profile ", "syslog server profile"}
	}
	is := func(s Step, objects []string) bool {
		return slices.ContainsFunc(objects, func(o string) bool { return strings.HasPrefix(s.Object, o) })
	}
	for _, s := range steps {
		of := is(s, objects)
		if s.Action == ActionPerson {
			person = person || of || is(s, named) || s.Object == ObjectZones || strings.HasPrefix(s.Object, "security rule")
			continue
		}
		made = made || of
	}
	return made, person
}
