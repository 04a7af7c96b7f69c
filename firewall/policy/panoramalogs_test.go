package policy

import (
	"slices"
	"strings"
	"testing"
)

// Our log forwarding profile of the device group is mended where somebody narrowed it, or took a part of it away.
func TestOurLogProfileOnPanoramaIsMended(t *testing.T) {
	l := newPanoramaLab(t, managed{local: withoutCleanup(), branches: preRules(letIn("hq", "dmz"))})
	l.want.Adopt = true
	if _, err := l.carryOut(true); err != nil {
		t.Fatal(err)
	}
	at := groupsOfPanorama + "/entry[@name='branches']/log-settings/profiles/entry[@name='active-defense-panorama']/match-list"
	fails := func() bool {
		return slices.ContainsFunc(l.fails(), func(f string) bool { return strings.Contains(f, CheckForwarding) })
	}
	for _, edit := range [][3]string{
		{"edit", at + "/entry[@name='traffic']/filter", `<filter>(action eq deny)</filter>`},
		{"delete", at + "/entry[@name='threat']", ""},
		{"delete", at + "/entry[@name='traffic']", ""},
	} {
		if err := l.panorama.Config().Edit("boss", edit[0], edit[1], edit[2]); err != nil {
			t.Fatal(err)
		}
		if err := l.panorama.Config().Commit("boss"); err != nil {
			t.Fatal(err)
		}
		if err := l.panorama.Push("branches"); err != nil {
			t.Fatal(err)
		}
		if !fails() {
			t.Fatalf("%s: verify sees no fault", edit[1])
		}
		plan, err := l.carryOut(false)
		if err != nil || len(plan.Steps) == 0 || fails() {
			t.Errorf("%s: steps %v, %v; then %v", edit[1], plan.Steps, err, l.fails())
		}
		if again := l.whole(); len(again.Steps) != 0 {
			t.Errorf("%s: the second plan is %v", edit[1], again.Steps)
		}
	}
}
