package policy

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"activedefense/firewall"
	"activedefense/firewall/panosim"
	simulator "activedefense/firewall/panosim/traffic"
)

const ourListObject = `external dynamic list "active-defense-list"`

// servedBefore is a provisioned firewall whose list blocks 203.0.113.66 and is then served at another URL, or no more.
func servedBefore(t *testing.T, mode string, moved bool) *provisionLab {
	t.Helper()
	l := newProvisionLab(t, mode, func(o *panosim.Options) { o.Config = withoutCleanup() })
	to := l.want.ListURL
	l.want.ListURL, l.want.CA = agentList(t, "203.0.113.66\n")
	l.apply(l.plan(), false)
	l.commit()
	if l.want.ListURL = to; !moved {
		l.want.ListURL, l.want.CA = "", nil
	}
	return l
}

// of gives the check of that name.
func (l *provisionLab) of(name string) Check {
	l.t.Helper()
	checks := Verify(ReadFacts(l.t.Context(), l.device, l.want), l.want)
	return checks[slices.IndexFunc(checks, func(c Check) bool { return c.Check == name })]
}

// taken are the steps of a removal, which opens what the list blocks.
func (l *provisionLab) taken() []Step {
	l.t.Helper()
	plan, err := Remove(l.t.Context(), l.device, l.want, false)
	if err != nil {
		l.t.Fatal(err)
	}
	return plan.Steps
}

// passes tells whether a packet from 203.0.113.66 to the web server is let in.
func passes(sim *panosim.Sim) bool {
	return sim.Traffic().Packet(simulator.Packet{From: "untrust", To: "dmz", Source: netip.MustParseAddr("203.0.113.66"),
		Destination: netip.MustParseAddr("198.51.100.7"), DestinationPort: 443}).Action == "allow"
}

func isOurs(s Step) bool { return !s.Foreign }

// A list of ours stays ours when edl.url changes: verify fails, for the copy of before goes on to block, and the plan changes the URL and nothing else.
func TestOurListFollowsItsURL(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			l := servedBefore(t, mode, true)
			if c := l.of(CheckList); c.Result != ResultFail || !strings.Contains(c.Detail, ourListObject+" is fetched from https://127.0.0.1:") || !strings.Contains(c.Detail, "also after its release") || !strings.Contains(c.Remedy, l.want.ListURL) {
				t.Errorf("%+v", c)
			}
			if passes(l.sim) {
				t.Fatal("the copy of before blocks nothing")
			}
			if s := stepFor(t, l.taken(), ourListObject); s.Foreign || s.Action != ActionDelete {
				t.Errorf("a removal: %v, foreign %t", s, s.Foreign)
			}
			s := stepFor(t, l.plan(), ourListObject)
			if s.Foreign || s.Action != ActionChange || !strings.Contains(s.Detail, "fetched from "+l.want.ListURL) || !strings.Contains(s.Detail, "in place of https://127.0.0.1:") {
				t.Errorf("%v, foreign %t", s, s.Foreign)
			}
			l.apply(l.plan(), false)
			l.commit()
			if left := l.plan(); slices.ContainsFunc(left, isOurs) {
				t.Errorf("left: %v", left)
			}
			if c := l.of(CheckList); c.Result != ResultPass {
				t.Errorf("%+v", c)
			}
			if !passes(l.sim) {
				t.Error("it is dropped still")
			}
		})
	}
}

// What others set on it stays, and what is not as we make it is somebody else's: verify names it where a rule stops by it.
func TestAListOfOurNameThatIsNotAsWeMakeIt(t *testing.T) {
	for name, c := range map[string]struct {
		path, element string
		foreign       bool
	}{
		"an exception":   {"/type/ip", "<exception-list><member>203.0.113.9</member></exception-list>", false},
		"a description":  {"/type/ip", "<description>of the SOC</description>", false},
		"another user":   {"/type/ip", "<auth><username>soc</username><password>SECRET</password></auth>", true},
		"another rhythm": {"/type/ip", "<recurring><hourly/></recurring>", true},
	} {
		t.Run(name, func(t *testing.T) {
			l := servedBefore(t, firewall.ModeTag, true)
			list := "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']/external-list/entry[@name='active-defense-list']"
			action, at := "set", list+c.path
			if name == "another rhythm" {
				action, at = "edit", at+"/recurring"
			}
			err := l.sim.Config().Edit("boss", action, at, c.element)
			if err == nil {
				err = l.sim.Config().Commit("boss")
			}
			if err != nil {
				t.Fatal(err)
			}
			result := map[bool]string{false: ResultFail, true: ResultWarn}[c.foreign]
			if got := l.of(CheckList); got.Result != result || !strings.Contains(got.Detail, ourListObject+" is fetched from") || strings.Contains(got.Detail, "not as we make it") != c.foreign {
				t.Errorf("%+v", got)
			}
			if s := stepFor(t, l.taken(), ourListObject); (s.Foreign || s.Action == ActionPerson) != c.foreign {
				t.Errorf("a removal: %v, foreign %t", s, s.Foreign)
			}
			if s := stepFor(t, l.plan(), ourListObject); (s.Foreign || s.Action == ActionPerson) != c.foreign {
				t.Errorf("%v, foreign %t", s, s.Foreign)
			}
			l.apply(l.plan(), false)
			_, now, _ := strings.Cut(l.sim.Config().Candidate(), "<external-list>")
			if now, _, _ = strings.Cut(now, "</external-list>"); strings.Contains(now, ">"+l.want.ListURL+"</url>") == c.foreign || !strings.Contains(now, c.element) {
				t.Errorf("%s", now)
			}
		})
	}
}

// A list that is served no more blocks by its copy for ever, and verify says so, until the rule and the list are taken away.
func TestAListThatIsServedNoMoreStillBlocks(t *testing.T) {
	for _, mode := range modes {
		l := servedBefore(t, mode, false)
		if c := l.of(CheckList); c.Result != ResultWarn || !strings.Contains(c.Detail, "also after its release") || c.Remedy == "" {
			t.Errorf("%s: %+v", mode, c)
		}
		l.apply(l.taken(), false)
		l.commitRemoval()
		if c := l.of(CheckList); c.Result != ResultPass || !passes(l.sim) {
			t.Errorf("%s, taken away: %+v", mode, c)
		}
	}
}

// The list that we made on Panorama follows its URL as well.
func TestOurListOnPanoramaFollowsItsURL(t *testing.T) {
	const object = `external dynamic list "active-defense-list-panorama"`
	l := newPanoramaLab(t, managed{local: withoutCleanup(), branches: preRules(letIn("hq", "dmz"))})
	if _, err := l.carryOut(false); err != nil {
		t.Fatal(err)
	}
	l.want.ListURL = strings.Replace(l.want.ListURL, "/files/", "/moved/", 1)
	if c := l.of(CheckList); c.Result != ResultFail || !strings.Contains(c.Detail, object+" is fetched from") {
		t.Errorf("%+v", c)
	}
	plan, err := l.carryOut(false)
	if err != nil {
		t.Fatal(err)
	}
	if s := stepFor(t, plan.Steps, object); s.Foreign || !strings.Contains(s.Detail, "in place of") {
		t.Errorf("%v, foreign %t", s, s.Foreign)
	}
	if ours := slices.DeleteFunc(plan.Steps, func(s Step) bool { return s.Foreign }); len(ours) != 1 {
		t.Errorf("%v", ours)
	}
	if again := l.whole(); slices.ContainsFunc(again.Steps, isOurs) || strings.Contains(l.panorama.Config().Running(), "/files/") || !strings.Contains(l.panorama.Config().Running(), l.want.ListURL) {
		t.Errorf("left %v", again.Steps)
	}
}
