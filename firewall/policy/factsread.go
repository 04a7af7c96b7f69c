package policy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"activedefense/firewall"
	"activedefense/firewall/capacity"
	"activedefense/firewall/ours"
	"activedefense/firewall/xmlapi"
)

// readRunning reads the running configuration of the virtual system and what is shared: as configuration, which
// takes the right to it; else as an operational command, for which the least role suffices.
func (f *Facts) readRunning(ctx context.Context, d *xmlapi.Device) {
	f.own = learn(d.Show(ctx, "read the virtual system", xmlapi.VSysPath(f.VSys)))
	if xmlapi.Kind(f.own.err) != xmlapi.KindRole {
		f.shared = learn(d.Show(ctx, "read the shared configuration", xmlapi.SharedPath))
		f.rights.config = learn(true, nil)
		return
	}
	f.rights.config = learn(false, f.own.err)
	f.whole, f.own.err = xmlapi.Running(ctx, d, "read the running configuration")
	f.own.value, f.shared = f.whole.Child("devices").FirstEntry().Child("vsys").Entry(f.VSys), learn(f.whole.Child("shared"), f.own.err)
}

// readNetwork reads what the network tells: by show the running configuration, by get the candidate.
func (f *Facts) readNetwork(ctx context.Context, d *xmlapi.Device, zones []string, read func(ctx context.Context, what, xpath string) (*xmlapi.Node, error)) {
	if err := f.policyError(); err != nil {
		f.lines.err = err
		return
	}
	c := ours.Configuration{VSys: f.own.value, Shared: f.shared.value, Template: f.template.value, Pushed: f.pushed()}
	if device := f.whole.Child("devices").FirstEntry(); device != nil {
		c.Network, c.System = device.Child("network"), device.Child("deviceconfig")
	} else if c.Network, f.lines.err = read(ctx, "read the network configuration", xmlapi.NetworkPath); f.lines.err == nil {
		c.System, f.lines.err = read(ctx, "read the device configuration", xmlapi.SystemPath)
	}
	if f.lines.err == nil {
		f.lines = learn(ours.AskNetwork(ctx, d, zones, c))
	}
}

// readPushed reads what Panorama pushed: as told of the virtual system, which holds what comes from its device group,
// and as told without one, which holds what comes from Shared. The first names the virtual system twice, for a
// firewall that misses it answers for vsys1 without a word.
func (f *Facts) readPushed(ctx context.Context, d *xmlapi.Device) {
	const what = "read the policy pushed by Panorama"
	f.vsysPushed = learn(xmlapi.PushedPolicy(ctx, d, what, f.VSys))
	f.barePushed = learn(xmlapi.PushedPolicy(ctx, d, what+" from Shared", ""))
	f.template = learn(xmlapi.PushedTemplate(ctx, d))
}

// readPair finds out of which pair of high availability the firewall is a member, where Panorama has rules for it, or may get some. It gives the device
// that has the configuration of the firewall itself: of a passive member, to be closed, the active one, from which the pair synchronises it, as far as
// that can be asked over the same Panorama; else d.
func readPair(ctx context.Context, f *Facts, d *xmlapi.Device, want Expectation) (own *xmlapi.Device, err error) {
	if !d.ThroughPanorama() && len(f.pushed()) == 0 {
		return d, nil
	}
	if f.pair, err = xmlapi.AskPair(ctx, d); err != nil {
		return d, err
	}
	if f.pair.State != "" && f.pair.Peer == "" && want.Peer != nil && want.Peer.Identify(ctx) == nil {
		f.pair.Peer = want.Peer.Info().Serial
	}
	if !f.pair.Passive() {
		return d, nil
	}
	f.pending, f.edits = learn(false, nil), nil // nothing is committed on it
	const looked = "This member of the HA pair is %s: what is written on the firewall itself was looked for on %s"
	active, err := readActive(ctx, f, d)
	if err != nil {
		f.standby = fmt.Sprintf(looked+", for the active one could not be asked: %s", f.pair.State, "this one", cause(err))
		return d, ctx.Err()
	}
	f.standby = fmt.Sprintf(looked+", from which the pair synchronises what is committed there", f.pair.State, "the active one, "+f.pair.Peer)
	if pending, err := pendingChanges(ctx, active); err != nil || pending {
		f.standby += ": edits there are not"
	}
	return active, nil
}

// readActive takes the configuration of the firewall itself from the active member of the pair.
func readActive(ctx context.Context, f *Facts, d *xmlapi.Device) (active *xmlapi.Device, err error) {
	if f.pair.Peer == "" {
		return nil, errors.New("its serial number is not told")
	}
	if active, err = d.Sibling(xmlapi.Options{Name: d.Name() + " (active member)", VSys: d.VSys(), Target: f.pair.Peer}); err != nil {
		return nil, err
	}
	if err = active.Identify(ctx); err == nil {
		err = xmlapi.MayWrite(ctx, active)
	}
	of := *f
	if err == nil {
		err = readOwn(ctx, &of, active)
	}
	if err != nil {
		active.Close()
		return nil, err
	}
	f.own, f.shared = of.own, of.shared
	return active, nil
}

// readOwn reads the candidate configuration of the virtual system, and what is shared.
func readOwn(ctx context.Context, f *Facts, d *xmlapi.Device) error {
	f.own = learn(d.Get(ctx, "read the candidate configuration of the virtual system", xmlapi.VSysPath(f.VSys)))
	f.shared = learn(d.Get(ctx, "read the shared candidate configuration", xmlapi.SharedPath))
	if f.own.err == nil && f.own.value == nil {
		return d.Fail("plan", &xmlapi.Error{Kind: xmlapi.KindUnsupported, Text: "virtual system " + f.VSys + " does not exist"})
	}
	return cmp.Or(f.own.err, f.shared.err)
}

// forActive puts what is missing on a passive member itself into one step for a person; adopt: what is somebody else's, too, of which the plan of the
// active member tells otherwise.
func forActive(f *Facts, steps []Step, adopt bool) (out []Step) {
	if !f.pair.Passive() {
		return steps
	}
	var waiting []string
	for _, s := range steps {
		switch {
		case !s.change.Empty() || s.Action == ActionPerson:
			out = append(out, s)
		case !s.Foreign || adopt:
			waiting = append(waiting, s.Object)
		}
	}
	if len(waiting) > 0 {
		out = append(out, Step{Firewall: f.Firewall, Action: ActionPerson, Object: ObjectPair, Detail: fmt.Sprintf("This member is %s and takes no changes: make it active, or run provision on the active one%s, "+
			"from which the pair synchronises what is committed. That concerns %s", f.pair.State, strings.TrimSuffix(", "+f.pair.Peer, ", "), strings.Join(waiting, ", "))})
	}
	return out
}

// readCandidate asks whether edits wait for a commit, and if so reads our own objects as they were edited.
func (f *Facts) readCandidate(ctx context.Context, d *xmlapi.Device, want Expectation) {
	f.pending = learn(pendingChanges(ctx, d))
	if !f.pending.value || f.policyError() != nil {
		return
	}
	for _, o := range f.policy().ownObjects(want) {
		o.candidate, o.err = d.Get(ctx, "read the candidate configuration of "+o.what, o.xpath)
		f.candidate = append(f.candidate, o.candidateFact)
		if xmlapi.Kind(o.err) == xmlapi.KindRole {
			return // of the others it would be refused, too
		}
	}
}

// readZone reads the time zone of the firewall's clock: the firewall's own setting, or that of its template.
func (f *Facts) readZone(ctx context.Context, d *xmlapi.Device) {
	zone, err := f.whole.Child("devices").FirstEntry().At("deviceconfig", "system", "timezone"), error(nil)
	if f.whole == nil {
		zone, err = d.Show(ctx, "read the time zone", xmlapi.SystemPath+"/system/timezone")
	}
	f.zone = learn("", err)
	if zone == nil {
		zone = f.template.value.Child("devices").FirstEntry().At("deviceconfig", "system", "timezone")
	}
	if zone != nil {
		f.zone.value = zone.Text
	}
}

// readKeyLife reads how long an API key lasts: deviceconfig/setting/management/api/key/lifetime, in minutes, of which none and 0 are for ever
// (as published scripts that set it have it). Behind a Panorama the key is Panorama's, and the firewall's setting says nothing of it.
func readKeyLife(ctx context.Context, f *Facts, d *xmlapi.Device) {
	path := []string{"setting", "management", "api", "key", "lifetime"}
	if f.throughPanorama {
		f.life.err = errNotAsked
		return
	}
	node, err := f.whole.Child("devices").FirstEntry().Child("deviceconfig").At(path...), error(nil)
	if f.whole == nil {
		node, err = d.Show(ctx, "read how long API keys last", xmlapi.SystemPath+"/"+strings.Join(path, "/"))
	}
	if node == nil {
		node = f.template.value.Child("devices").FirstEntry().Child("deviceconfig").At(path...)
	}
	f.life.err = err
	if node == nil || err != nil {
		return
	}
	minutes, err := strconv.ParseUint(strings.TrimSpace(node.Text), 10, 20)
	if err != nil {
		f.life.err = fmt.Errorf("the configuration gives %q as minutes", xmlapi.Tidy(node.Text))
	}
	f.life.value = time.Duration(minutes) * time.Minute
}

// KeyLife is how long an API key lasts on the firewall, 0: for ever. known is false where that was not asked, or could not be.
func KeyLife(f *Facts) (life time.Duration, known bool) {
	return f.life.value, f.life.err == nil && f.info.err == nil
}

// pendingChanges tells whether edits of anybody wait for a commit.
func pendingChanges(ctx context.Context, d *xmlapi.Device) (bool, error) {
	result, err := d.OpIn(ctx, xmlapi.CallPolicy, "check for uncommitted changes", "<check><pending-changes></pending-changes></check>", "")
	return result != nil && strings.EqualFold(strings.TrimSpace(strings.Join(result.Texts(), " ")), "yes"), err
}

// ownObject is where an object of ours stands, or would.
type ownObject struct {
	candidateFact
	xpath string
}

// ownObjects gives all objects of ours that the firewall itself holds: those by our names, and those that serve in
// their place.
func (p *vsysPolicy) ownObjects(want Expectation) []ownObject {
	n := want.Names
	var out []ownObject
	add := func(what string, names []string, path ...string) {
		for _, sc := range p.scopes {
			if sc.pushed {
				continue
			}
			seen := map[string]bool{}
			for _, name := range names {
				if name == "" || seen[name] {
					continue
				}
				seen[name] = true
				running := sc.node.At(path...).Entry(name)
				fact := candidateFact{what: what + " " + quoteAll([]string{name}), running: running,
					batched: want.Mode == firewall.ModeGroup && name == n.Group && path[0] == "address-group"}
				out = append(out, ownObject{fact, sc.path + "/" + strings.Join(path, "/") + xmlapi.EntryNamed(name)})
			}
		}
	}
	rules := []string{n.Block, n.Listed, n.Sensor}
	sources := map[string]bool{}
	groups, lists := []string{n.Group}, []string{n.List}
	for _, s := range p.blockSources(want.Mode, n, want.ListURL) {
		sources[s.name] = true
		if want.Mode == firewall.ModeList {
			lists = append(lists, s.name)
		} else {
			groups = append(groups, s.name)
		}
	}
	for _, r := range p.rules {
		if r.layer == layerLocal && !r.allows() && p.holds(r.source, sources) {
			rules = append(rules, r.name)
		}
	}
	add("security rule", rules, "rulebase", "security", "rules")
	add("security rule", []string{intrazoneDefault, interzoneDefault}, "rulebase", "default-security-rules", "rules")
	add("address group", groups, "address-group")
	add("external dynamic list", lists, "external-list")
	add("tag", []string{n.Tag}, "tag")
	add("log forwarding profile", profileNames(p.ourLogs(want), n.Logs), "log-settings", "profiles")
	add("syslog server profile", syslogNames(p.ourSyslog(want), n.Syslog), "log-settings", "syslog")
	add("certificate profile", []string{n.CertProf}, "certificate-profile")
	return append(out, p.loginLists(n.Logs)...)
}

// loginLists gives our match lists for the logs that hold logins, where the firewall has match lists for these logs.
func (p *vsysPolicy) loginLists(name string) (out []ownObject) {
	for _, kind := range []string{logGlobalProtect, logSystem} {
		for _, sc := range p.scopes {
			if lists := sc.node.At("log-settings", kind, "match-list"); sc.path == xmlapi.SharedPath && lists != nil {
				out = append(out, ownObject{candidateFact{what: kind + " log settings " + quoteAll([]string{name}), running: lists.Entry(name)},
					loginListPath(kind) + xmlapi.EntryNamed(name)})
			}
		}
	}
	return out
}

func profileNames(profiles []logProfile, first string) []string {
	names := []string{first}
	for _, l := range profiles {
		names = append(names, l.name)
	}
	return names
}

func syslogNames(profiles []syslogProfile, first string) []string {
	names := []string{first}
	for _, s := range profiles {
		names = append(names, s.name)
	}
	return names
}

// Kinds of calls, as OnCall is told.
const (
	CallRights = "rights" // tries what the administrator may do
	CallGroup  = "dynamic-address-group"
)

// rights are what the administrator may do, as far as it can be tried without doing anything. The error of a refused
// right is the refusal; of one that could not be tried, why.
type rights struct {
	op        fact[bool] // operational commands
	config    fact[bool] // configuration; PAN-OS has one right for reading and writing it
	userID    fact[bool] // User-ID messages; only ModeTag
	imports   fact[bool] // files, of which provisioning brings our CA; only with Expectation.MayProvision, and not through a Panorama
	superuser fact[bool]
}

// readRights tries the rights that a mode needs. That of committing is not among them: nothing but a commit would
// tell, and it could publish what others are editing.
func (f *Facts) readRights(ctx context.Context, d *xmlapi.Device, want Expectation) {
	f.rights.op = learn(true, nil) // identify used it
	f.rights.userID.err, f.rights.imports.err = errNotAsked, errNotAsked
	if want.MayProvision && want.CA != nil && !f.throughPanorama {
		f.rights.imports = granted(d.TryImport(ctx, CallRights, "test the permission to import a certificate"))
	}
	if want.Mode == firewall.ModeTag {
		err := d.TryUserID(ctx, CallRights, "test the permission to send User-ID messages")
		f.rights.userID, f.standsBy = granted(err), xmlapi.Kind(err) == xmlapi.KindPassive
	}
	// "show config effective-running" needs a superuser; the element is one that every configuration has little of.
	_, err := d.OpIn(ctx, CallRights, "test for superuser permissions",
		"<show><config><effective-running><xpath>mgt-config/password-complexity</xpath></effective-running></config></show>", "")
	switch f.rights.superuser = granted(err); {
	case err != nil && xmlapi.Kind(err) == xmlapi.KindAPI && !xmlapi.NoSuchNode(err):
		// Refused, but not over rights: older versions do not know the command.
		f.rights.superuser = learn(false, err)
	case xmlapi.Kind(err) == xmlapi.KindRole:
		f.rights.superuser.err = nil
	}
}

// granted tells from the error of a call whether the role allows it: whatever a firewall says of the call itself, it
// would not have looked at it without the right.
func granted(err error) fact[bool] {
	switch xmlapi.Kind(err) {
	case "", xmlapi.KindAPI, xmlapi.KindBusy, xmlapi.KindPassive:
		return learn(true, nil)
	}
	return learn(false, err)
}

// readCapacity asks how much the firewall holds, and how much it can.
func (f *Facts) readCapacity(ctx context.Context, d *xmlapi.Device, want Expectation) {
	f.limits = learn(capacity.AskLimits(ctx, d))
	f.registered.err, f.members.err, f.lists.err = errNotAsked, errNotAsked, errNotAsked
	if want.Mode == firewall.ModeList {
		f.lists = learn(capacity.AskLists(ctx, d))
	}
	if want.Mode != firewall.ModeTag {
		return
	}
	f.registered = learn(capacity.Count(ctx, d))
	f.members = learn(d.Op(ctx, CallGroup, "read the members of dynamic address groups",
		"<show><object><dynamic-address-group><all></all></dynamic-address-group></object></show>"))
}

// readList asks what the firewall holds of our list, and how its last fetches went.
func (f *Facts) readList(ctx context.Context, d *xmlapi.Device, want Expectation) {
	f.list.err, f.refreshes.err = errNotAsked, errNotAsked
	if want.ListURL == "" || f.policyError() != nil {
		return
	}
	lists := f.policy().lists(want.ListURL)
	if len(lists) == 0 {
		return
	}
	f.list = learn(firewall.ShowList(ctx, d, lists[0].Attr("name")))
	all, err := d.Jobs(ctx)
	f.refreshes = learn(finishedRefreshes(all), err)
}

// finishedRefreshes gives the jobs that fetched lists, the latest first: EDLRefresh when told to, EDLFetch after a commit
// and by the clock (of the second no record was seen).
func finishedRefreshes(all []xmlapi.Job) []xmlapi.Job {
	out := slices.DeleteFunc(slices.Clone(all), func(j xmlapi.Job) bool { return !strings.HasPrefix(strings.ToLower(j.Kind), "edl") || !j.Done })
	slices.SortFunc(out, func(a, b xmlapi.Job) int { return cmp.Compare(b.ID, a.ID) })
	return out
}
