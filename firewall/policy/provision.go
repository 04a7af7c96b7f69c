package policy

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"activedefense/firewall"
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

	edits []xmlapi.Edit
	move  string // xpath of a rule that goes to moveTop or moveBottom after the edits
	where string
}

// Provision compares the candidate configuration, edits of everybody included, with what the blacklist needs to have effect,
// and gives the steps that are missing, in the order in which they can be taken. It changes nothing. What it cannot fix
// itself, what Panorama pushed for example, is a step for a person.
func Provision(ctx context.Context, d *xmlapi.Device, want Expectation) ([]Step, error) {
	if err := d.Identify(ctx); err != nil {
		return nil, err
	}
	f := &Facts{Firewall: d.Name(), VSys: d.VSys(), throughPanorama: d.ThroughPanorama()}
	f.info, f.version = learn(d.Info(), nil), d.Version()
	f.own = learn(d.Get(ctx, "read the candidate configuration of the virtual system", xmlapi.VSysPath(f.VSys)))
	f.shared = learn(d.Get(ctx, "read the shared candidate configuration", xmlapi.SharedPath))
	if f.own.err == nil && f.own.value == nil {
		return nil, d.Fail("plan", &xmlapi.Error{Kind: xmlapi.KindUnsupported, Text: "virtual system " + f.VSys + " does not exist"})
	}
	f.readPushed(ctx, d)
	if err := f.policyError(); err != nil {
		return nil, err
	}
	return missingSteps(f, want), nil
}

// Take takes the steps in the candidate configuration: those of Provision, without the ones for a person, and without those
// that are somebody else's unless adopt is set. It gives how many were taken; on an error, the earlier ones stand.
//
// Before the first one it is tried whether we may import, if a step does, so that a role without that right leaves nothing
// half-made.
func Take(ctx context.Context, d *xmlapi.Device, steps []Step, adopt bool) (taken int, err error) {
	steps = slices.DeleteFunc(slices.Clone(steps), func(s Step) bool { return s.Action == ActionPerson || s.Foreign && !adopt })
	if slices.ContainsFunc(steps, Step.imports) {
		if err := d.TryImport(ctx, CallRights, "test the permission to import our CA (XML API: Import)"); refusedRight(err) {
			return 0, err
		}
	}
	for _, s := range steps {
		what := s.Action + " " + s.Object
		if err := d.Edit(ctx, what, s.edits); err != nil {
			return taken, err
		}
		if s.move != "" {
			if err := d.Move(ctx, what, s.move, s.where); err != nil {
				return taken, err
			}
		}
		taken++
	}
	return taken, nil
}

// Commit publishes what Take wrote, now or earlier, and nothing of other administrators. admin is as whom we act; "":
// the one who logs in, or whom the firewall names beside an edit of ours. done is false when there was nothing to commit.
func Commit(ctx context.Context, d *xmlapi.Device, want Expectation, admin string) (done bool, err error) {
	if admin = cmp.Or(admin, d.Username()); admin == "" {
		if pending, err := edited(ctx, d, want.Names); err != nil || !pending {
			return false, err
		}
		if admin, err = xmlapi.WhoAmI(ctx, d, want.Names.AdminTag()); err != nil {
			return false, err
		}
	}
	return d.Commit(ctx, admin, "Active Defense: policies")
}

// edited tells whether anybody's edits of what bears our names wait for a commit.
func edited(ctx context.Context, d *xmlapi.Device, n firewall.Names) (bool, error) {
	where := places(n, d.VSys())
	for _, kind := range (&Facts{version: d.Version()}).loginLogs() {
		where = append(where, loginListPath(kind)+xmlapi.EntryNamed(n.Logs))
	}
	for _, xpath := range where {
		if admin, err := xmlapi.EditorOf(ctx, d, xpath); err != nil || admin != "" {
			return admin != "", err
		}
	}
	return false, nil
}

// places are the xpaths of everything that bears our names.
func places(n firewall.Names, vsys string) []string {
	v := xmlapi.VSysPath(vsys)
	var out []string
	for _, p := range []struct{ at, name string }{
		{v + rulesPath, n.Block}, {v + rulesPath, n.Sensor}, {v + "/address-group", n.Group},
		{v + "/external-list", n.List}, {v + "/tag", n.Tag}, {v + "/address", n.Nobody},
		{sharedLogs, n.Logs}, {sharedSyslog, n.Syslog}, {sharedCertificates, n.CA}, {sharedProfiles, n.CertProf},
	} {
		out = append(out, p.at+xmlapi.EntryNamed(p.name))
	}
	return out
}

// imports tells whether the step imports a file.
func (s Step) imports() bool { return slices.ContainsFunc(s.edits, xmlapi.Edit.Imports) }

// String is the step in one line.
func (s Step) String() string { return fmt.Sprintf("%s %s: %s", s.Action, s.Object, s.Detail) }
