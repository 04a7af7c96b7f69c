package firewall

import (
	"cmp"
	"context"
	"fmt"
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

	edits []edit
	move  string // xpath of a rule that goes to moveTop or moveBottom after the edits
	where string
}

// Plan compares the candidate configuration, edits of everybody included, with what the blacklist needs to have effect,
// and gives the steps that are missing, in the order in which they can be taken. It changes nothing. What it cannot mend
// itself, what Panorama pushed for example, is a step for a person.
func (d *Device) Plan(ctx context.Context, want Expectation) ([]Step, error) {
	if err := d.identify(ctx); err != nil {
		return nil, err
	}
	f := &Facts{Firewall: d.opts.Name, VSys: d.opts.VSys}
	f.info = learn(d.Info(), nil)
	f.own = learn(d.get(ctx, "read the candidate configuration of the virtual system", vsysPath(f.VSys)))
	f.shared = learn(d.get(ctx, "read the shared candidate configuration", "/config/shared"))
	if f.own.err == nil && f.own.value == nil {
		return nil, d.fail("plan", &Error{Kind: KindUnsupported, Text: "there is no virtual system " + f.VSys + " on it"})
	}
	f.readPushed(ctx, d)
	if err := f.policyError(); err != nil {
		return nil, err
	}
	return planProvision(f, want), nil
}

// Apply takes the steps in the candidate configuration: those of Plan, without the ones for a person, and without those
// that are somebody else's unless adopt is set. It gives how many were taken; on an error, the earlier ones stand.
func (d *Device) Apply(ctx context.Context, steps []Step, adopt bool) (taken int, err error) {
	for _, s := range steps {
		if s.Action == ActionPerson || s.Foreign && !adopt {
			continue
		}
		what := s.Action + " " + s.Object
		if err := d.write(ctx, what, s.edits); err != nil {
			return taken, err
		}
		if s.move != "" {
			if err := d.move(ctx, what, s.move, s.where); err != nil {
				return taken, err
			}
		}
		taken++
	}
	return taken, nil
}

// CommitOurs publishes what Apply wrote, now or earlier, and nothing of other administrators. admin is as whom we act; "":
// the one who logs in, or whom the firewall names beside an edit of ours. done is false when there was nothing to commit.
func (d *Device) CommitOurs(ctx context.Context, want Expectation, admin string) (done bool, err error) {
	if admin = cmp.Or(admin, d.conn.opts.Username); admin == "" {
		if pending, err := d.edited(ctx, want.Names); err != nil || !pending {
			return false, err
		}
		if admin, err = d.whoAmI(ctx, want.Names); err != nil {
			return false, err
		}
	}
	return d.commit(ctx, admin, "Active Defense: policies")
}

// edited tells whether anybody's edits of what bears our names wait for a commit.
func (d *Device) edited(ctx context.Context, n Names) (bool, error) {
	for _, xpath := range n.places(d.opts.VSys) {
		if admin, err := d.editorOf(ctx, xpath); err != nil || admin != "" {
			return admin != "", err
		}
	}
	return false, nil
}

// places are the xpaths of everything that bears our names.
func (n Names) places(vsys string) []string {
	v := vsysPath(vsys)
	var out []string
	for _, p := range []struct{ at, name string }{
		{v + "/rulebase/security/rules", n.Block}, {v + "/rulebase/security/rules", n.Sensor}, {v + "/address-group", n.Group},
		{v + "/external-list", n.List}, {v + "/tag", n.Tag}, {v + "/address", n.Nobody},
		{sharedLogs, n.Logs}, {sharedSyslog, n.Syslog}, {sharedCertificates, n.CA}, {sharedProfiles, n.CertProf},
	} {
		out = append(out, p.at+"/entry"+byName(p.name))
	}
	return out
}

// Active gives the member of a pair that takes changes of the configuration; a single firewall is taken as it is.
func Active(ctx context.Context, devices ...*Device) (*Device, error) { return activeOf(ctx, devices) }

// String is the step in one line.
func (s Step) String() string { return fmt.Sprintf("%s %s: %s", s.Action, s.Object, s.Detail) }
