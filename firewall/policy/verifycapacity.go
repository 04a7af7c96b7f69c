package policy

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"activedefense/firewall"
	"activedefense/firewall/capacity"
	"activedefense/firewall/xmlapi"
)

// memberDelay is how long an address may take to get into a dynamic address group ("Within 60 seconds of the API call,
// the firewall registers the IP address ... and automatically updates the dynamic address group", VM-Series guide).
const memberDelay = time.Minute

// capacityChecks compare what shall be blocked with what the firewall can hold, and does.
type capacityChecks struct{ *verifier }

// capacity compares what shall be blocked, and what the firewall holds for others, with what it can hold.
func (v capacityChecks) capacity(f *findings) {
	if f.unasked(v.f.info.err) {
		return
	}
	switch v.want.Mode {
	case firewall.ModeGroup:
		v.groupCapacity(f)
	case firewall.ModeList:
		lists := v.f.lists.value
		if lists.Most == 0 {
			lists.Limit = capacity.ListEntriesOf(v.f.info.value.Model)
		}
		// Ours are among those in use, so that the larger number is a lower bound of what is needed.
		need := len(v.want.Entries)
		v.room(f, "entries of external dynamic lists", need, max(lists.Used-need, 0), lists.Most)
	default:
		v.tagCapacity(f)
	}
}

func (v capacityChecks) tagCapacity(f *findings) {
	const what = "registered addresses"
	need := 0
	for _, e := range v.want.Entries {
		if v.registrable(e.Prefix) {
			need++
		} else {
			need += len(e.Members) // registered in the place of the network
		}
	}
	switch err := v.f.registered.err; {
	case err == nil:
	case xmlapi.Kind(err) == xmlapi.KindAPI: // this version does not count
		f.note("addresses registered by others could not be counted")
	default:
		f.warn(askRemedy(err), "addresses registered by others could not be counted: %s", cause(err))
	}
	// Ours are among those that are registered, so that the larger number is a lower bound of what is needed.
	v.room(f, what, need, max(v.f.registered.value-need, 0), v.f.limits.value.Registered(v.f.info.value.Model).Most)
}

// registrable tells whether the firewall takes an address or network as registered.
func (v capacityChecks) registrable(p netip.Prefix) bool {
	return p.IsSingleIP() || p.Addr().Is4() && firewall.TakesNetworks(v.f.version)
}

func (v capacityChecks) groupCapacity(f *findings) {
	if f.unasked(v.f.policyError()) {
		return
	}
	need := len(v.want.Entries) + 1 // that keeps the group from being empty
	v.room(f, "members of an address group", need, 0, cmp.Or(v.f.limits.value[capacity.GroupMembersName], firewall.MaxGroupMembers))
	most, objects := v.f.limits.value[capacity.AddressesName], len(v.p.scopes.all("address"))
	if most == 0 { // documented nowhere
		f.note("how many address objects the model takes is not known")
		return
	}
	v.room(f, "address objects", need, max(objects-need, 0), most)
}

// room judges one limit, 0 being one that is not known: need is ours, others what stands beside it.
func (v capacityChecks) room(f *findings, what string, need, others, limit int) {
	total := need + others
	switch {
	case limit == 0 && total == 0:
		f.note("no %s are needed; the limit of model %s is not known", what, v.f.info.value.Model)
		return
	case limit == 0:
		f.warn("Look its limit up in the vendor's documentation; what the firewall refuses for want of room, status tells.",
			unaskedText+": %d %s are needed, and the limit of model %s is not known", total, what, v.f.info.value.Model)
		return
	}
	const remedy = "Shorten blacklist.release_after, block networks instead of addresses, have others release theirs, or use a larger model; mode edl has more capacity on small ones."
	percent := capacity.Room{Limit: capacity.Limit{Most: limit}, Used: total}.Percent()
	switch {
	case total > limit:
		f.fail(remedy, "%d %s are needed, the limit is %d: %d are left out, forgeable ones first, those inactive longest before others", total, what, limit, total-limit)
	case percent >= capacity.WarnFrom:
		f.warn(remedy, "%d of %d %s are needed (%d %%)", total, limit, what, percent)
	default:
		f.note("%d of %d %s are needed", total, limit, what)
	}
}

// dagMembers looks whether what was registered has got into the dynamic address group.
func (v capacityChecks) dagMembers(f *findings) {
	if v.want.Mode != firewall.ModeTag {
		v.doesNotApply(f)
		return
	}
	if v.f.standsBy {
		f.note("this member of the HA pair is passive and does not accept tags now")
		return
	}
	if f.unasked(v.f.policyError()) || f.unasked(v.f.members.err) {
		return
	}
	if len(v.sources) == 0 {
		f.nothing("group", CheckBlockSource)
		return
	}
	held, groups := v.groupMembers()
	var missing []netip.Prefix
	due := older(v.want.Entries, memberDelay, v.want.Now)
	count := 0
	for _, e := range due {
		p, ok := firewall.Normalize(e.Prefix)
		if !ok || !v.registrable(p) {
			continue
		}
		count++
		if !held[p] {
			missing = append(missing, p)
		}
	}
	if len(missing) == 0 {
		f.note("%d of %d are in the group", count, count)
		return
	}
	if groups == 0 {
		f.fail("The group is populated only while an enabled, committed rule uses it: see "+CheckBlockRule+". CLI: show object dynamic-address-group all",
			"%d of %s not in the group: the firewall reports no members of it", len(missing), plural(count, "address is", "addresses are"))
		return
	}
	f.fail("CLI: show object registered-ip tag "+word(v.want.Names.Tag)+", then show object dynamic-address-group name "+word(v.sources[0].name)+
		". If only the first shows them, the group's filter or the platform limit keeps them out; otherwise see status for registration errors.",
		"%d of %s not in the group: %s", len(missing), plural(count, "address is", "addresses are"), examples(missing))
}

// groupMembers gives the members of all groups that block, and how many of those groups the firewall keeps members of.
func (v capacityChecks) groupMembers() (map[netip.Prefix]bool, int) {
	held, groups := map[netip.Prefix]bool{}, 0
	for _, g := range v.f.members.value.Child("dyn-addr-grp").Entries() {
		if vsys := g.Value("vsys"); vsys != "" && vsys != v.f.VSys || !v.names[g.Value("group-name")] {
			continue
		}
		groups++
		for _, m := range g.Child("member-list").Entries() {
			if p, ok := firewall.ParseAddress(m.Attr("name")); ok {
				held[p] = true
			}
		}
	}
	return held, groups
}

// older gives the entries that began longer ago than that.
func older(entries []firewall.Entry, than time.Duration, now time.Time) []firewall.Entry {
	return slices.DeleteFunc(slices.Clone(entries), func(e firewall.Entry) bool { return !e.Since.IsZero() && now.Sub(e.Since) < than })
}
