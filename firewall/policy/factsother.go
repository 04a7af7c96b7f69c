package policy

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"activedefense/firewall"
	"activedefense/firewall/capacity"
	"activedefense/firewall/xmlapi"
)

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
