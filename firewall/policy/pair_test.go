package policy

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/xmlapi"
)

// newPairLab is a panoramaLab whose firewalls are a pair of high availability, of which l.sim is active; direct: they are reached themselves. Their
// Panorama lets the internet in, above what the firewalls have themselves.
func newPairLab(t *testing.T, direct bool, how dialect.Dialect) (l *panoramaLab, pair *panosim.HA) {
	t.Helper()
	l = newPanoramaLab(t, managed{branches: preRules(letIn("web", "dmz")), dialect: how})
	pair = panosim.Pair(l.sim, l.sister, panosim.PairOptions{})
	if direct {
		l.opts.URL, l.opts.CA, l.opts.APIKey, l.opts.Target, l.want.Panorama = l.sim.URL(), l.sim.CA(), l.sim.Key(), "", PanoramaPlan
		l.restart()
	}
	return l, pair
}

// blockedOn tells whether a firewall drops what comes from a source that has our tag.
func blockedOn(t *testing.T, s *panosim.Sim) bool {
	t.Helper()
	for _, r := range s.Traffic().Rules("") {
		if r.Name == "web" {
			return false
		}
		if strings.HasPrefix(r.Name, "active-defense-block-0") {
			return true
		}
	}
	return false
}

func (l *panoramaLab) targets(name string) (serials []string) {
	l.t.Helper()
	found, err := l.itself().Get(l.t.Context(), "look", preRuleAt("branches", name))
	if err != nil {
		l.t.Fatal(err)
	}
	for _, e := range found.At("target", "devices").Entries() {
		serials = append(serials, e.Attr("name"))
	}
	return serials
}

// A rule that Panorama has for a member of a pair is for both, as far as somebody tells the serial number of the other: the firewall, Panorama, or the
// other itself. Where nobody does, that is said.
func TestARuleOnPanoramaIsForBothMembersOfAPair(t *testing.T) {
	for _, c := range []struct {
		what         string
		direct, peer bool
		told         dialect.PairSerials
		want         []string
	}{
		{"told by the firewall", true, false, dialect.PairSerialsTold, []string{serial, sister}},
		{"told by the other", true, true, dialect.PairSerialsUntold, []string{serial, sister}},
		{"told by Panorama", false, false, dialect.PairSerialsUntold, []string{serial, sister}},
		{"told by nobody", true, false, dialect.PairSerialsUntold, []string{serial}},
	} {
		l, _ := newPairLab(t, c.direct, dialect.Dialect{PairSerials: c.told})
		if c.peer {
			o := l.opts
			o.Name, o.URL, o.CA, o.APIKey = "peer", l.sister.URL(), l.sister.CA(), l.sister.Key()
			peer, err := xmlapi.Open(o)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(peer.Close)
			l.want.Peer = peer
		}
		plan := l.whole()
		i := slices.IndexFunc(plan.Steps, func(s Step) bool { return strings.Contains(s.Detail, "with target ") })
		if i < 0 {
			t.Fatalf("%s: no rule is planned: %v", c.what, plan.Steps)
		}
		s := plan.Steps[i]
		var got []string
		for _, e := range s.change.Edits[len(s.change.Edits)-1].Element().At("target", "devices").Entries() {
			got = append(got, e.Attr("name"))
		}
		if !slices.Equal(got, c.want) || strings.Contains(s.Detail, "is not told: add that to the target") != (len(c.want) == 1) || !strings.Contains(s.Detail, "with target "+strings.Join(c.want, " and ")+",") {
			t.Errorf("%s: target %v, want %v: %s", c.what, got, c.want, s.Detail)
		}
		if said := strings.Join(plan.Panorama.Commands, "\n"); c.direct && strings.Count(said, "commit-all shared-policy") != len(c.want) {
			t.Errorf("%s: the commands push\n%s", c.what, said)
		}
	}
}

// Where Panorama is written, too, the plan of each member brings it what is made for both, and both block whichever is active. What is taken away is
// taken from both.
func TestAPassiveMemberGetsWhatPanoramaHasForIt(t *testing.T) {
	l, pair := newPairLab(t, false, dialect.Dialect{})
	passive := *l
	o := l.opts
	o.Name, o.Target = "LAB-FW-02", sister
	device, err := xmlapi.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(device.Close)
	passiveLab := *l.provisionLab
	passiveLab.device, passiveLab.sim = device, l.sister
	passive.provisionLab = &passiveLab

	// Nothing is written on the passive one: that is for a person, and what Panorama has to change is planned.
	plan := passive.whole()
	i := slices.IndexFunc(plan.Steps, func(s Step) bool { return s.Object == ObjectPair })
	if i < 0 || plan.Steps[i].Action != ActionPerson || !strings.Contains(plan.Steps[i].Detail, `This member is passive and takes no changes: make it active, or run provision on the active one, `+serial) || plan.Steps[i].edits != nil {
		t.Fatalf("of the passive member: %v", plan.Steps)
	}
	if here, there, _ := plan.Writes(true); here != 0 || there == 0 || !strings.Contains(plan.Standby, "passive") || !strings.Contains(plan.Standby, serial) {
		t.Errorf("%d steps are for it, %d for Panorama: %s", here, there, plan.Standby)
	}
	// What stands on the active one is not asked for, committed or not.
	if _, err := Take(t.Context(), l.device, l.whole().Steps, false); err != nil {
		t.Fatal(err)
	}
	if plan = passive.whole(); slices.ContainsFunc(plan.Steps, func(s Step) bool { return s.Object == ObjectPair && strings.Contains(s.Detail, "address group") }) || !strings.HasSuffix(plan.Standby, ": edits there are not") {
		t.Errorf("with what is written on the active one: %s: %v", plan.Standby, plan.Steps)
	}
	if _, err := l.carryOut(false); err != nil {
		t.Fatal(err)
	}
	// The active one has been provisioned, and was pushed to alone.
	if !blockedOn(t, l.sim) || blockedOn(t, l.sister) {
		t.Fatalf("blocked on the active one: %v, on the passive one: %v", blockedOn(t, l.sim), blockedOn(t, l.sister))
	}
	plan = passive.whole()
	if i := slices.IndexFunc(plan.Steps, func(s Step) bool { return s.Object == ObjectPair }); i >= 0 || len(plan.Steps) == 0 {
		t.Errorf("what the active one has is asked for: %v", plan.Steps)
	}
	itself := passive.itself()
	if _, err := TakeOnPanorama(t.Context(), itself, plan.Steps, false); err != nil {
		t.Fatal(err)
	}
	if _, err := CommitOnPanorama(t.Context(), itself, plan.Panorama, passive.want, ""); err != nil {
		t.Fatal(err)
	}
	if plan = passive.whole(); len(taken(plan.Steps, false)) > 0 {
		t.Errorf("left on the passive one: %v", plan.Steps)
	}
	if !blockedOn(t, l.sister) {
		t.Error("the passive one does not block")
	}
	if err := pair.Failover(); err != nil {
		t.Fatal(err)
	}
	for name, lab := range map[string]*panoramaLab{"the one that was active": l, "the one that was passive": &passive} {
		if steps := taken(lab.whole().Steps, false); len(steps) > 0 {
			t.Errorf("after the failover, of %s: %v", name, steps)
		}
	}

	for _, lab := range []*panoramaLab{&passive, l} { // passive is active now
		plan, err := Remove(t.Context(), lab.device, lab.want, false)
		if err == nil {
			_, err = Take(t.Context(), lab.device, plan.Steps, false)
		}
		if _, failed := Commit(t.Context(), lab.device, lab.want, ""); lab == &passive {
			err = cmp.Or(err, failed)
		}
		if err == nil {
			_, err = TakeOnPanorama(t.Context(), lab.itself(), plan.Steps, false)
		}
		if err == nil {
			_, err = CommitOnPanorama(t.Context(), lab.itself(), plan.Panorama, lab.want, "")
		}
		if err != nil {
			t.Fatal(err)
		}
		if blockedOn(t, lab.sim) || len(l.targets("active-defense-block-"+serial)) > 0 {
			t.Errorf("the rule of Panorama's is left: %v", lab.sim.Traffic().Rules(""))
		}
	}
}

// A rule that an earlier version made for one member, or that was made before there was a pair, is made for both.
func TestARuleForOneMemberIsMadeForBoth(t *testing.T) {
	l, _ := newPairLab(t, false, dialect.Dialect{})
	if _, err := l.carryOut(false); err != nil {
		t.Fatal(err)
	}
	at := preRuleAt("branches", "active-defense-block-"+serial)
	l.changed("delete", at+"/target/devices"+xmlapi.EntryNamed(sister), "")
	if err := l.panorama.Push("branches"); err != nil {
		t.Fatal(err)
	}
	plan := l.whole()
	if i := slices.IndexFunc(plan.Steps, func(s Step) bool { return strings.Contains(s.Detail, "target both members of the HA pair") }); i < 0 || plan.Steps[i].Foreign {
		t.Fatalf("the plan is %v", plan.Steps)
	}
	if _, err := l.carryOut(false); err != nil {
		t.Fatal(err)
	}
	if got := l.targets("active-defense-block-" + serial); !slices.Equal(slices.Sorted(slices.Values(got)), []string{serial, sister}) || !blockedOn(t, l.sim) {
		t.Errorf("its target is %v", got)
	}
	if steps := taken(l.whole().Steps, false); len(steps) > 0 {
		t.Errorf("left: %v", steps)
	}
}

// Whose rules for both members are that were made while the other one answered is not known while it does not: they stay, and so does what they name, and the
// plan says why. Of the other member it is the same, though the rules have the name of the first.
func TestRemoveLeavesRulesForBothWhileTheOtherMemberIsNotTold(t *testing.T) {
	l, pair := newPairLab(t, false, dialect.Dialect{PairSerials: dialect.PairSerialsUntold})
	if _, err := l.carryOut(false); err != nil {
		t.Fatal(err)
	}
	if err := l.panorama.Push("branches"); err != nil { // to both
		t.Fatal(err)
	}
	for _, active := range []*panosim.Sim{l.sim, l.sister} {
		l.opts.URL, l.opts.CA, l.opts.APIKey, l.opts.Target, l.want.Panorama = active.URL(), active.CA(), active.Key(), "", PanoramaPlan
		l.restart()
		plan, err := Remove(t.Context(), l.device, l.want, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, rule := range []string{"active-defense-block-", "active-defense-block-list-"} {
			s := stepFor(t, plan.Steps, `security rule "`+rule+serial+`" (pushed by Panorama, device group branches)`)
			if !s.Foreign || !strings.Contains(s.Detail, "which serial number the other member has is not told now") {
				t.Errorf("on %s: %s", active.URL(), s)
			}
		}
		for _, object := range []string{"address group", "external dynamic list", "log forwarding profile"} {
			i := slices.IndexFunc(plan.Steps, func(s Step) bool {
				return strings.HasPrefix(s.Object, object+" ") && strings.HasSuffix(s.Object, `-panorama"`)
			})
			if i < 0 || !strings.HasPrefix(plan.Steps[i].Detail, "It stays: rules of Panorama still refer to it.") || len(plan.Steps[i].Commands) > 0 {
				t.Errorf("on %s: what becomes of the %s: %v", active.URL(), object, plan.Steps)
			}
		}
		if notes := strings.Join(plan.Panorama.Notes, "\n"); !strings.Contains(notes, "Left out is what may be ours for both members of the pair (security rule ") || strings.Contains(notes, "somebody else's (security rule \"active-defense-block") {
			t.Errorf("on %s it notes\n%s", active.URL(), notes)
		}
		if typed := strings.Join(plan.Panorama.Commands, "\n"); strings.Contains(typed, "delete device-group") {
			t.Errorf("on %s these are to be typed:\n%s", active.URL(), typed)
		}
		if err := pair.Failover(); err != nil {
			t.Fatal(err)
		}
	}
}
