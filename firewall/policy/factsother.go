package policy

import (
	"cmp"
	"context"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"activedefense/firewall"
	"activedefense/firewall/xmlapi"
)

// Kinds of calls, as OnCall is told.
const (
	CallRights   = "rights"   // tries what the administrator may do
	CallCapacity = "capacity" // counts what the firewall holds, and asks how much it can
	CallGroup    = "dynamic-address-group"
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
	result, err := d.OpIn(ctx, CallCapacity, "read the platform limits",
		"<show><system><state><filter>cfg.general.max*</filter></state></system></show>", "")
	f.limits = learn(parseLimits(result), err)
	f.registered.err, f.members.err = errNotAsked, errNotAsked
	if want.Mode != firewall.ModeTag {
		return
	}
	result, err = d.Op(ctx, CallCapacity, "count the registered addresses",
		"<show><object><registered-ip><all><option>count</option></all></registered-ip></object></show>")
	f.registered = learn(0, err)
	if err == nil {
		f.registered = learn(parseCount(result))
	}
	f.members = learn(d.Op(ctx, CallGroup, "read the members of dynamic address groups",
		"<show><object><dynamic-address-group><all></all></dynamic-address-group></object></show>"))
}

const limitPrefix = "cfg.general."

// parseLimits reads lines such as "cfg.general.max-address: 0x2710"; numbers are decimal or hexadecimal. The names
// and the forms are those that public scripts rely on, no vendor document lists them.
func parseLimits(n *xmlapi.Node) map[string]int {
	limits := map[string]int{}
	for _, line := range strings.Split(strings.Join(n.Texts(), "\n"), "\n") {
		name, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok || !strings.HasPrefix(name, limitPrefix) {
			continue
		}
		if limit, err := strconv.ParseInt(strings.Trim(strings.TrimSpace(value), `'"`), 0, 32); err == nil && limit > 0 {
			limits[strings.TrimPrefix(name, limitPrefix)] = int(limit)
		}
	}
	return limits
}

var countPattern = regexp.MustCompile(`(?i)total:?\s*(\d+)`)

var errNoCount = errors.New("the response contains no count")

// parseCount reads how many addresses are registered. The command line prints "Total: 1000 registered addresses";
// no source shows what the API answers, so the element count is taken too.
func parseCount(n *xmlapi.Node) (int, error) {
	text := n.Value("count")
	if text == "" {
		if m := countPattern.FindStringSubmatch(strings.Join(n.Texts(), " ")); m != nil {
			text = m[1]
		}
	}
	count, err := strconv.ParseInt(text, 10, 32)
	if err != nil || count < 0 {
		return 0, errNoCount
	}
	return int(count), nil
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
