package enforce

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/config"
	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/policy"
	"activedefense/firewall/xmlapi"
)

// A firewall that is away keeps nobody from seeing what the others lack.
func TestProvisionPlansTheOthersToo(t *testing.T) {
	cfg := &config.Config{StateDir: t.TempDir()}
	for _, name := range []string{"away", "there"} {
		sim := startSim(t, panosim.Options{})
		cfg.Firewalls = append(cfg.Firewalls, entryFor(name, firewall.ModeTag, sim))
		if name == "away" {
			sim.Down()
		}
	}
	left, err := Provision(t.Context(), cfg, ProvisionOptions{})
	if xmlapi.Kind(err) != xmlapi.KindUnreachable || !strings.Contains(err.Error(), "firewall away") {
		t.Errorf("the error is %v", err)
	}
	if len(left) == 0 || slices.ContainsFunc(left, func(s policy.Step) bool { return s.Firewall != "there" }) {
		t.Errorf("the plan is %v", left)
	}
}

// A plan without edl.url says what it lacks and why, unless no list is served; to take away, none is needed.
func TestAPlanWithoutTheListSaysSo(t *testing.T) {
	for _, c := range []struct {
		listen, url string
		remove      bool
		want        string
	}{{":8443", "", false, withoutURL}, {"", "", false, ""}, {":8443", "", true, ""}, {":8443", "https://192.0.2.9:8443/files/blacklist.txt", false, ""}} {
		cfg := &config.Config{StateDir: t.TempDir(), Firewalls: []config.Firewall{entryFor("fw1", firewall.ModeTag, startSim(t, panosim.Options{}))}}
		cfg.EDL.Listen, cfg.EDL.URL = c.listen, c.url
		said := "no plan"
		if _, err := Provision(t.Context(), cfg, ProvisionOptions{Remove: c.remove, Progress: func(_ string, plan *policy.Plan, _ string) { said = plan.LeftOut }}); err != nil || said != c.want {
			t.Errorf("%+v: %q, %v", c, said, err)
		}
	}
}

// The daemon's role need not allow what a plan needs, and whoever tries it with the daemon's key is told so.
func TestProvisionWithTheDaemonsRoleSaysWhatIsMissing(t *testing.T) {
	sim := startSim(t, panosim.Options{})
	sim.Config().SetRole("admin", panosim.RightOperation, panosim.RightUserID)
	cfg := &config.Config{StateDir: t.TempDir(), Firewalls: []config.Firewall{entryFor("fw1", firewall.ModeTag, sim)}}
	_, err := Provision(t.Context(), cfg, ProvisionOptions{})
	if xmlapi.Kind(err) != xmlapi.KindRole || !strings.Contains(err.Error(), "firewall fw1") || !strings.Contains(err.Error(), "role allows Configuration") {
		t.Errorf("the error is %v", err)
	}
}

// A policyLab is a configuration of simulated firewalls that lack everything, a list that they can fetch, and what
// Provision says it does about it.
type policyLab struct {
	t    *testing.T
	cfg  *config.Config
	list *listServer
	opts ProvisionOptions
	said []string
}

func newPolicyLab(t *testing.T) *policyLab {
	t.Helper()
	l := &policyLab{t: t, cfg: &config.Config{Networks: config.Networks{Own: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}}}, list: newListServer(t)}
	l.cfg.EDL.Listen, l.cfg.EDL.URL, l.cfg.EDL.EmptyEntry = ":8443", l.list.url, netip.MustParseAddr("192.0.2.255")
	l.list.serve("192.0.2.255")
	file := writeFile(t, "list.pem", l.list.authority)
	l.opts = ProvisionOptions{Version: "test", Expected: Expected{Formats: policy.Formats{Default: true}, Certificate: file, CA: file},
		Progress: func(name string, plan *policy.Plan, done string) {
			if plan != nil {
				done = fmt.Sprintf("%d steps", len(plan.Steps))
			}
			l.said = append(l.said, name+": "+done)
		}}
	return l
}

// add adds a firewall.
func (l *policyLab) add(name, mode string, o panosim.Options) *panosim.Sim {
	l.t.Helper()
	o.Admin = "svc"
	sim := startSim(l.t, o)
	fw := entryFor(name, mode, sim)
	fw.SyslogAddress, fw.InternetZones = "127.0.0.1:5514", []string{"untrust"}
	l.cfg.Firewalls = append(l.cfg.Firewalls, fw)
	return sim
}

// provision does what it is told and gives what is left and what was said.
func (l *policyLab) provision(change func(*ProvisionOptions)) (left []policy.Step, said string, err error) {
	l.t.Helper()
	opts := l.opts
	change(&opts)
	l.said = nil
	left, err = Provision(l.t.Context(), l.cfg, opts)
	return left, strings.Join(l.said, "\n"), err
}

func planOnly(*ProvisionOptions)         {}
func apply(o *ProvisionOptions)          { o.Apply = true }
func commit(o *ProvisionOptions)         { o.Commit = true }
func applyAndCommit(o *ProvisionOptions) { o.Apply, o.Commit = true, true }

// A plan changes nothing, taking its steps changes the candidate alone, and a commit publishes that; then the policies pass
// every check, and nothing is left to do or to commit.
func TestProvisionPlansTakesStepsAndCommits(t *testing.T) {
	for _, mode := range []string{firewall.ModeTag, firewall.ModeGroup, firewall.ModeList} {
		t.Run(mode, func(t *testing.T) {
			l := newPolicyLab(t)
			sim := l.add("fw1", mode, panosim.Options{})
			plan, said, err := l.provision(planOnly)
			n := len(plan)
			if err != nil || n < 5 || said != fmt.Sprintf("fw1: %d steps", n) || sim.Config().Pending("") != 0 {
				t.Fatalf("a plan of %d steps, %d edits: %q, %v", n, sim.Config().Pending(""), said, err)
			}
			left, said, err := l.provision(apply)
			if want := fmt.Sprintf("fw1: %d steps\nfw1: %d of %d steps written to the candidate configuration", n, n, n); err != nil || len(left) != 0 || said != want {
				t.Fatalf("%v is left: %q, %v", left, said, err)
			}
			if strings.Contains(sim.Config().Running(), testTag) || sim.Config().Pending("svc") == 0 {
				t.Fatal("it was committed, or not even written")
			}
			left, said, err = l.provision(applyAndCommit) // what was written before
			if want := "fw1: 0 steps\nfw1: committing the edits of our administrator, made now or earlier, and nobody else's; this can take minutes\nfw1: committed; the daemon looks at the policy again within six minutes, and at once after systemctl reload activedefense"; err != nil || len(left) != 0 || said != want {
				t.Fatalf("%v is left: %q, %v", left, said, err)
			}
			if !strings.Contains(sim.Config().Running(), testTag) || sim.Config().Pending("") != 0 {
				t.Error("it was not committed")
			}
			left, said, err = l.provision(commit)
			if want := "fw1: 0 steps\nfw1: committing the edits of our administrator, made now or earlier, and nobody else's; this can take minutes\nfw1: nothing of ours to commit"; err != nil || len(left) != 0 || said != want {
				t.Errorf("%v is left: %q, %v", left, said, err)
			}
			sim.Lists().Fetch()
			checks, err := Verify(t.Context(), l.cfg, VerifyOptions{Expected: l.opts.Expected})
			if err != nil || len(checks) != 16 {
				t.Errorf("%d checks, %v", len(checks), err)
			}
			for _, c := range checks {
				if c.Result != policy.ResultPass && c.Check != policy.CheckRole { // the administrator may do everything
					t.Errorf("%s %s: %s", c.Check, c.Result, c.Detail)
				}
			}
		})
	}
}

// Every outcome short of success gives the steps that are left and the error, and says what was done until then.
func TestProvisionSaysHowFarItCame(t *testing.T) {
	l := newPolicyLab(t)
	sim := l.add("fw1", firewall.ModeTag, panosim.Options{})
	plan, _, err := l.provision(planOnly)
	if err != nil {
		t.Fatal(err)
	}
	n, reads := len(plan), sim.Stats().Calls[panosim.KindConfigRead]
	expect := func(when string, left []policy.Step, err error, steps int, kind string) {
		t.Helper()
		if len(left) != steps || xmlapi.Kind(err) != kind {
			t.Errorf("%s: %d steps are left instead of %d, and the error is of kind %q instead of %q: %v", when, len(left), steps, xmlapi.Kind(err), kind, err)
		}
	}
	says := func(when, said, last string) {
		t.Helper()
		if !strings.HasSuffix(said, last) {
			t.Errorf("%s: it says %q instead of %q", when, said, last)
		}
	}

	sim.Config().LockConfig("somebody", "")
	left, said, err := l.provision(applyAndCommit)
	expect("another administrator holds the configuration", left, err, n, xmlapi.KindBusy)
	says("another administrator holds the configuration", said, fmt.Sprintf("fw1: 0 of %d steps written to the candidate configuration", n))
	sim.Config().UnlockConfig("")

	// The second plan fails, after the role and both whole configurations were read and the steps were taken.
	sim.SetFault(panosim.Fault{Effect: panosim.Forbidden, Kind: panosim.KindConfigRead, Skip: reads + 3})
	left, said, err = l.provision(applyAndCommit)
	expect("it cannot be read what is left", left, err, 0, xmlapi.KindAuth)
	says("it cannot be read what is left", said, fmt.Sprintf("fw1: %d of %d steps written to the candidate configuration", n, n))
	sim.ClearFaults()

	sim.Config().FailCommit("a rule of somebody else is broken")
	left, said, err = l.provision(commit)
	expect("the commit fails", left, err, 0, xmlapi.KindCommit)
	says("the commit fails", said, "fw1: committing the edits of our administrator, made now or earlier, and nobody else's; this can take minutes")
	if err != nil && !strings.Contains(err.Error(), "a rule of somebody else is broken") {
		t.Errorf("the firewall's words are lost: %v", err)
	}
}

// What is somebody else's is left alone, and stays to be done, unless it is adopted.
func TestProvisionAdoptsOnlyWhenItIsTold(t *testing.T) {
	const others = `<config version="10.2.0"><shared/><devices><entry name="localhost.localdomain"><vsys><entry name="vsys1">
<zone><entry name="untrust"/><entry name="dmz"/></zone><rulebase><security><rules><entry name="cleanup"><from><member>any</member></from>
<to><member>any</member></to><source><member>any</member></source><destination><member>any</member></destination>
<application><member>any</member></application><service><member>any</member></service><action>deny</action></entry>
</rules></security></rulebase></entry></vsys></entry></devices></config>`
	l := newPolicyLab(t)
	l.add("fw1", firewall.ModeTag, panosim.Options{Config: others})
	left, _, err := l.provision(apply)
	if err != nil || len(left) != 1 || !left[0].Foreign || !strings.Contains(left[0].Object, "cleanup") {
		t.Fatalf("%v is left: %v", left, err)
	}
	left, said, err := l.provision(func(o *ProvisionOptions) { o.Apply, o.Adopt = true, true })
	if err != nil || len(left) != 0 || !strings.HasSuffix(said, "1 of 1 step written to the candidate configuration") {
		t.Errorf("%v is left: %q, %v", left, said, err)
	}
}

// Without the CA, the firewalls would be told to trust nothing.
func TestProvisionNeedsTheCAOfTheListThatItsFirewallsFetch(t *testing.T) {
	l := newPolicyLab(t)
	sim := l.add("fw1", firewall.ModeTag, panosim.Options{})
	l.opts.Expected.CA += ".missing"
	left, said, err := l.provision(apply)
	if err == nil || !strings.Contains(err.Error(), "cannot read the list's CA from "+l.opts.Expected.CA) || len(left) != 0 || said != "" || sim.Config().Pending("") != 0 {
		t.Errorf("%v is left: %q, %v", left, said, err)
	}
	l.opts.Expected.CA = "" // a given certificate is not ours to have trusted
	if left, _, err = l.provision(planOnly); err != nil || len(left) == 0 {
		t.Errorf("with a given certificate: %v, %v", left, err)
	}
	l.opts.Expected.CA = "missing"
	l.cfg.EDL.Listen = ""
	if left, _, err = l.provision(planOnly); err != nil || len(left) == 0 {
		t.Errorf("without a list: %v, %v", left, err)
	}
}

// A role that may write and not commit is told before anything is written, where a commit is asked for.
func TestProvisionWithoutTheRightToCommit(t *testing.T) {
	l := newPolicyLab(t)
	sim := l.add("fw1", firewall.ModeTag, panosim.Options{Dialect: dialect.Dialect{Admins: dialect.AdminsSelf}})
	sim.Config().SetRole("svc", panosim.RightConfiguration, panosim.RightOperation, panosim.RightUserID, panosim.RightImport)
	left, _, err := l.provision(applyAndCommit)
	if xmlapi.Kind(err) != xmlapi.KindRole || !strings.Contains(err.Error(), "nothing was written: the role svc-role of administrator svc does not allow commits") || len(left) == 0 || sim.Config().Pending("") != 0 {
		t.Errorf("%d edits: %v", sim.Config().Pending(""), err)
	}
	if left, _, err = l.provision(apply); err != nil || len(left) != 0 {
		t.Errorf("without a commit: %v, %v", left, err)
	}
	if err := sim.Config().Commit("svc"); err != nil {
		t.Fatal(err)
	}
	if left, _, err = l.provision(func(o *ProvisionOptions) { o.Apply, o.Commit, o.Remove = true, true, true }); xmlapi.Kind(err) != xmlapi.KindRole || !strings.Contains(err.Error(), "nothing was written: ") || len(left) == 0 || sim.Config().Pending("") != 0 {
		t.Errorf("taken away, %d edits: %v", sim.Config().Pending(""), err)
	}
}

// So is one whose administrator is told by his edits alone, when what he wrote is to be taken away.
func TestRemoveWithoutTheRightToCommit(t *testing.T) {
	l := newPolicyLab(t)
	sim := l.add("fw1", firewall.ModeTag, panosim.Options{})
	sim.Config().SetRole("svc", panosim.RightConfiguration, panosim.RightOperation, panosim.RightUserID, panosim.RightImport)
	if _, _, err := l.provision(apply); err != nil {
		t.Fatal(err)
	}
	entries := func() int { return strings.Count(sim.Config().Candidate(), "<entry name=") }
	before := entries()
	_, _, err := l.provision(func(o *ProvisionOptions) { o.Apply, o.Commit, o.Remove = true, true, true })
	if xmlapi.Kind(err) != xmlapi.KindRole || !strings.Contains(err.Error(), "nothing was written: the role svc-role of administrator svc does not allow commits") || entries() != before {
		t.Errorf("%d entries, before %d: %v", entries(), before, err)
	}
}

// Of a pair, what the passive member is told would be lost.
func TestProvisionWritesToTheActiveMember(t *testing.T) {
	l := newPolicyLab(t)
	passive := l.add("fw1", firewall.ModeTag, panosim.Options{})
	active := startSim(t, panosim.Options{Admin: "svc", APIKey: passive.Key(), Serial: "007000000000002"})
	panosim.Pair(active, passive, panosim.PairOptions{})
	l.cfg.Firewalls[0].PeerURL, l.cfg.Firewalls[0].CA = active.URL(), slices.Concat(passive.CA(), active.CA())
	left, said, err := l.provision(apply)
	if err != nil || len(left) != 0 || !strings.HasPrefix(said, "fw1 (peer): ") || active.Config().Pending("") == 0 || passive.Config().Pending("") != 0 {
		t.Errorf("%d edits on the active and %d on the passive member: %q, %v, %v", active.Config().Pending(""), passive.Config().Pending(""), said, left, err)
	}
}

// What was written before a failover, and not committed, waits in the member that is passive now: a commit of it on the other one is an error that says so.
func TestWhatWaitsInTheOtherMemberAfterAFailover(t *testing.T) {
	for _, remove := range []bool{false, true} {
		l := newPolicyLab(t)
		active := l.add("fw1", firewall.ModeTag, panosim.Options{})
		passive := startSim(t, panosim.Options{Admin: "svc", APIKey: active.Key(), Serial: "007000000000002"})
		pair := panosim.Pair(active, passive, panosim.PairOptions{})
		l.cfg.Firewalls[0].PeerURL, l.cfg.Firewalls[0].CA = passive.URL(), slices.Concat(active.CA(), passive.CA())
		if remove {
			if left, _, err := l.provision(applyAndCommit); err != nil || len(left) != 0 {
				t.Fatalf("%v is left: %v", left, err)
			}
			if _, _, err := l.provision(func(o *ProvisionOptions) { o.Commit, o.Remove = true, true }); err == nil || !strings.Contains(err.Error(), "steps are not written in the candidate configuration of this firewall. Run this again with --apply --commit") {
				t.Errorf("a removal that was not written is committed: %v", err)
			}
		}
		if _, _, err := l.provision(func(o *ProvisionOptions) { o.Apply, o.Remove = true, remove }); err != nil {
			t.Fatal(err)
		}
		pair.SetSync(panosim.SyncOff) // which would overwrite what waits, once the other one takes over
		if err := pair.Failover(); err != nil {
			t.Fatal(err)
		}
		_, said, err := l.provision(func(o *ProvisionOptions) { o.Commit, o.Remove = true, remove })
		if err == nil || !strings.Contains(err.Error(), "fw1 (peer): nothing was committed: of the plan ") || !strings.Contains(err.Error(), "wait in the candidate configuration of fw1, the other member of the pair") {
			t.Errorf("removal %v: %v, %q", remove, err, said)
		}
		if left, _, err := l.provision(func(o *ProvisionOptions) { applyAndCommit(o); o.Remove = remove }); err != nil || len(left) != 0 || strings.Contains(passive.Config().Running(), testTag) == remove {
			t.Errorf("removal %v: %v is left: %v", remove, left, err)
		}
	}
}

func TestProvisionOfOneFirewall(t *testing.T) {
	l := newPolicyLab(t)
	l.add("LAB-FW-01", firewall.ModeTag, panosim.Options{})
	l.add("LAB-FW-02", firewall.ModeTag, panosim.Options{})
	_, said, err := l.provision(func(o *ProvisionOptions) { o.Firewall = "lab-fw-02" })
	if err != nil || !strings.HasPrefix(said, "LAB-FW-02: ") || strings.Contains(said, "LAB-FW-01") {
		t.Errorf("%q, %v", said, err)
	}
	_, said, err = l.provision(func(o *ProvisionOptions) { o.Firewall = "LAB-FW-03" })
	if !errors.Is(err, ErrUnknownFirewall) || !strings.Contains(err.Error(), `"LAB-FW-03"; configured are LAB-FW-01, LAB-FW-02`) || said != "" {
		t.Errorf("%q, %v", said, err)
	}
	l.cfg.Firewalls = nil
	if _, _, err = l.provision(planOnly); !errors.Is(err, ErrUnknownFirewall) || !strings.Contains(err.Error(), "none is configured") {
		t.Errorf("%v", err)
	}
}

// An entry that cannot even be opened keeps nobody from seeing what the others lack, nor what was wrong with them.
func TestProvisionNamesEveryFirewallThatFails(t *testing.T) {
	l := newPolicyLab(t)
	l.add("away", firewall.ModeTag, panosim.Options{}).Down()
	l.add("broken", firewall.ModeTag, panosim.Options{})
	l.add("there", firewall.ModeTag, panosim.Options{})
	l.cfg.Firewalls[1].CA = []byte("none")
	left, said, err := l.provision(planOnly)
	for _, text := range []string{"firewall away", `firewall "broken": the CA contains no PEM certificate`} {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%q is missing in %v", text, err)
		}
	}
	if len(left) == 0 || !strings.HasPrefix(said, "there: ") {
		t.Errorf("%v is left: %q", left, said)
	}
}

// Behind a Panorama that lets everything in before our rule: what only it can change is written by --apply, committed and pushed by
// --commit, in the same run or a later one, and taken away by --remove; without panorama: apply nothing is changed there.
func TestProvisionOnPanorama(t *testing.T) {
	const serial = "012801000001"
	l := newPolicyLab(t)
	sim := l.add("fw1", firewall.ModeTag, panosim.Options{Serial: serial})
	panorama, err := panosim.StartPanorama(panosim.PanoramaOptions{Managed: []*panosim.Sim{sim}, Options: panosim.Options{Admin: "svc", Config: `<config><shared/><devices><entry name="localhost.localdomain">
<device-group><entry name="branches"><devices><entry name="` + serial + `"/></devices><pre-rulebase><security><rules><entry name="hq"><from><member>any</member></from><to><member>trust</member></to><source><member>any</member></source>
<destination><member>198.51.100.7</member></destination><application><member>any</member></application><service><member>any</member></service><action>allow</action></entry></rules></security></pre-rulebase></entry></device-group>
<template><entry name="base"><config><shared/></config></entry></template><template-stack><entry name="all"><templates><member>base</member></templates><devices><entry name="` + serial + `"/></devices></entry></template-stack></entry></devices></config>`}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(panorama.Close)
	if err := panorama.Push("branches"); err != nil {
		t.Fatal(err)
	}
	fw := &l.cfg.Firewalls[0]
	fw.URL, fw.CA, fw.APIKey, fw.Target = panorama.URL(), panorama.CA(), config.Secret(panorama.Key()), serial
	first := func() string { return strings.Replace(sim.Traffic().Rules("")[0].Name, "-list-", "-", 1) } // which of the two is all the same
	for _, c := range []struct {
		what     string
		panorama string
		change   func(*ProvisionOptions)
		says     string
		first    string
	}{
		{"only a plan for Panorama", policy.PanoramaPlan, applyAndCommit, "", "hq"},
		{"to commit before anything was written", policy.PanoramaApply, commit, "nothing of ours is committed on Panorama that the firewall lacks", "hq"},
		{"to write", policy.PanoramaApply, apply, "steps written to the candidate configuration of the firewall\nfw1: 8 steps written to the candidate configuration of Panorama", "hq"},
		{"to commit what was written", policy.PanoramaApply, commit, "committed on Panorama and pushed", "active-defense-block-" + serial},
		{"to take away", policy.PanoramaApply, func(o *ProvisionOptions) { o.Remove, o.Apply, o.Commit = true, true, true }, "committed on Panorama and pushed", "hq"},
		{"once more", policy.PanoramaApply, applyAndCommit, "committed on Panorama and pushed", "active-defense-block-" + serial},
	} {
		if fw.Panorama = c.panorama; c.what == "to take away" { // another firewall's rule has the group stay
			if err := errors.Join(panorama.Config().Edit("boss", "set", "/config/devices/entry[@name='localhost.localdomain']/device-group/entry[@name='branches']/pre-rulebase/security/rules",
				`<entry name="other"><from><member>any</member></from><to><member>any</member></to><source><member>active-defense-panorama</member></source><destination><member>any</member></destination><application><member>any</member></application><service><member>any</member></service><action>drop</action><target><devices><entry name="012801000009"/></devices></target></entry>`),
				panorama.Config().Commit("boss")); err != nil {
				t.Fatal(err)
			}
		}
		_, said, err := l.provision(c.change)
		if err != nil || !strings.Contains(said, c.says) || c.panorama == policy.PanoramaPlan && strings.Contains(said, "Panorama") || first() != c.first {
			t.Errorf("%s: the first rule is %s, want %s; %v\n%s", c.what, first(), c.first, err, said)
		}
		if c.what == "to take away" && (strings.Contains(said, "fw1: 0 steps") || strings.Count(said, "committed on Panorama and pushed") != strings.Count(said, "committing the edits of our administrator on Panorama")) {
			t.Errorf("%s: what is done is done once more: %s", c.what, said)
		}
	}
	left, _, err := l.provision(planOnly)
	if err != nil || slices.ContainsFunc(left, func(s policy.Step) bool { return !s.Foreign }) {
		t.Errorf("left: %v, %v", left, err)
	}

	// What our administrator edited there by hand is found before anything is written; what somebody else did stays, and stops nothing.
	const rules = "/config/devices/entry[@name='localhost.localdomain']/device-group/entry[@name='branches']/pre-rulebase/security/rules"
	const byHand = `<entry name="%s"><from><member>any</member></from><to><member>any</member></to><source><member>any</member></source><destination><member>any</member></destination><application><member>any</member></application><service><member>any</member></service><action>allow</action></entry>`
	for _, admin := range []string{"boss", "svc"} { // in that order: beside what we made and took away again, what is new may be that by another name
		refused := admin == "svc"
		name := map[bool]string{true: "byhand", false: "theirs"}[refused] // what both edited counts as ours
		if err := panorama.Config().Edit(admin, "set", rules, fmt.Sprintf(byHand, name)); err != nil {
			t.Fatal(err)
		}
		for _, remove := range []bool{false, true} {
			_, said, err := l.provision(func(o *ProvisionOptions) { o.Apply, o.Commit, o.Remove = true, true, remove && refused })
			if (err != nil) != refused || refused && (!strings.Contains(err.Error(), `what our administrator svc edited by hand (on Panorama security rule "byhand"`) || strings.Contains(said, "written to")) ||
				strings.Contains(panorama.Config().Running(), `"`+name+`"`) {
				t.Errorf("edited by %s, removal %v: %v\n%s", admin, remove, err, said)
			}
		}
		if err := panorama.Config().Edit(admin, "delete", rules+"/entry[@name='"+name+"']", ""); err != nil {
			t.Fatal(err)
		}
	}

	// What somebody else committed and did not push is found before anything is written.
	if err := errors.Join(panorama.Config().Edit("boss", "set", rules,
		`<entry name="new"><from><member>any</member></from><to><member>any</member></to><source><member>any</member></source><destination><member>any</member></destination><application><member>any</member></application><service><member>any</member></service><action>deny</action></entry>`),
		panorama.Config().Commit("boss")); err != nil {
		t.Fatal(err)
	}
	before := []string{panorama.Config().Candidate(), sim.Config().Candidate()}
	for _, remove := range []bool{false, true} {
		_, _, err = l.provision(func(o *ProvisionOptions) { o.Apply, o.Commit, o.Remove = true, true, remove })
		if err == nil || !strings.Contains(err.Error(), "nothing was written: ") || !strings.Contains(err.Error(), "not pushed to this firewall yet (pre-rulebase of branches)") ||
			panorama.Config().Candidate() != before[0] || sim.Config().Candidate() != before[1] || sim.Config().Pending("") != 0 {
			t.Errorf("removal %v: %v, %d edits", remove, err, sim.Config().Pending(""))
		}
	}

	// A role of Panorama's that may write and not commit is, too.
	panorama.Config().SetRole("svc", panosim.RightConfiguration, panosim.RightOperation, panosim.RightUserID, panosim.RightImport)
	fw.CommitAdmin, before = "svc", []string{panorama.Config().Candidate(), sim.Config().Candidate()}
	for _, remove := range []bool{false, true} {
		_, _, err = l.provision(func(o *ProvisionOptions) { o.Apply, o.Commit, o.Remove = true, true, remove })
		if xmlapi.Kind(err) != xmlapi.KindRole || !strings.Contains(err.Error(), "nothing was written: the role svc-role of administrator svc does not allow commits") ||
			panorama.Config().Candidate() != before[0] || sim.Config().Candidate() != before[1] {
			t.Errorf("without the right to commit, removal %v: %v", remove, err)
		}
	}
}

// A commit is of the administrator, and so is refused before anything is written where he has edited a rule by hand; what others have
// edited stays as it is, and stops nothing.
func TestProvisionCommitsNoRuleByHand(t *testing.T) {
	for _, admins := range []dialect.Dialect{{}, {Admins: dialect.AdminsSelf}} {
		l := newPolicyLab(t)
		sim := l.add("fw1", firewall.ModeTag, panosim.Options{Dialect: admins})
		if left, _, err := l.provision(applyAndCommit); err != nil || len(left) != 0 {
			t.Fatalf("%v, %v", left, err)
		}
		edit := func(admin, name string) {
			t.Helper()
			rules := xmlapi.VSysPath("vsys1") + "/rulebase/security/rules"
			if err := errors.Join(sim.Config().Edit(admin, "set", rules, `<entry name="`+name+`"><from><member>any</member></from><to><member>any</member></to><source><member>any</member></source><destination><member>any</member></destination>
<application><member>any</member></application><service><member>any</member></service><action>allow</action></entry>`), sim.Config().Edit(admin, "move", rules+xmlapi.EntryNamed(name), "top")); err != nil {
				t.Fatal(err)
			}
		}
		edit("somebody", "theirs")
		for range 2 {
			var by []string
			jobs := len(sim.Jobs())
			if _, said, err := l.provision(func(o *ProvisionOptions) {
				tell := o.Progress
				o.Commit, o.Progress = true, func(name string, plan *policy.Plan, done string) {
					if plan != nil {
						by = plan.PendingBy
					}
					tell(name, plan, done)
				}
			}); err != nil || fmt.Sprint(by) != "[somebody]" || !strings.Contains(said, "nothing of ours to commit") || len(sim.Jobs()) != jobs {
				t.Errorf("with edits of somebody alone, edits of %v wait, %d are committed: %v\n%s", by, len(sim.Jobs())-jobs, err, said)
			}
		}
		if _, _, err := l.provision(applyAndCommit); err != nil || strings.Contains(sim.Config().Running(), `"theirs"`) {
			t.Errorf("with edits of somebody: %v", err)
		}
		edit("svc", "typo")
		for _, change := range []func(*ProvisionOptions){commit, applyAndCommit, func(o *ProvisionOptions) { o.Commit, o.Remove = true, true }} {
			_, said, err := l.provision(change)
			if xmlapi.Kind(err) != xmlapi.KindCommit || !strings.Contains(fmt.Sprint(err), `what our administrator svc edited by hand (security rule "typo" (vsys1))`) ||
				strings.Contains(sim.Config().Running(), `"typo"`) || strings.Contains(said, "written") || strings.Contains(said, "committing") {
				t.Errorf("with an edit of ours by hand: %v\n%s", err, said)
			}
		}
	}
}

// Registered addresses with our tag are a step of a removal, which takes those off and no others; not while a daemon would register them
// again.
func TestARemovalTakesRegisteredAddressesOff(t *testing.T) {
	l := newPolicyLab(t)
	sim := l.add("fw1", firewall.ModeTag, panosim.Options{})
	peer := startSim(t, panosim.Options{Admin: "svc", APIKey: sim.Key(), Serial: "007000000000002"})
	panosim.Pair(sim, peer, panosim.PairOptions{})
	l.cfg.Firewalls[0].PeerURL, l.cfg.Firewalls[0].CA = peer.URL(), slices.Concat(sim.CA(), peer.CA())
	l.cfg.Detect.Login.Tag = "guessers"
	a, b := netip.MustParsePrefix("203.0.113.1/32"), netip.MustParsePrefix("203.0.113.2/32")
	for _, r := range []struct {
		address netip.Prefix
		tag     string
	}{{a, testTag}, {a, "theirs"}, {a, "guessers"}, {b, "theirs"}} {
		if err := sim.Addresses().Register("", r.address, r.tag, 0); err != nil {
			t.Fatal(err)
		}
	}
	remove := func(apply bool, daemon ...string) func(*ProvisionOptions) {
		return func(o *ProvisionOptions) { o.Remove, o.Apply, o.Registering = true, apply, daemon }
	}
	for _, apply := range []bool{false, true} {
		left, _, err := l.provision(remove(apply, "FW1"))
		if err != nil || len(left) != 1 || left[0].Action != policy.ActionPerson || !strings.Contains(left[0].Detail, `1 with the tag "active-defense" on fw1; the daemon that runs would register them again: stop it`) ||
			len(sim.Addresses().Registered("")[a]) != 3 {
			t.Errorf("while a daemon runs: %v, %v", left, err)
		}
	}
	left, _, err := l.provision(remove(false))
	if err != nil || len(left) != 1 || left[0].Action != policy.ActionDelete || left[0].Object != policy.ObjectRegistered || len(sim.Addresses().Registered("")[a]) != 3 {
		t.Errorf("the plan: %v, %v", left, err)
	}
	left, said, err := l.provision(remove(true))
	if got := fmt.Sprint(sim.Addresses().Registered("")); err != nil || len(left) != 0 || got != "map[203.0.113.1/32:[theirs] 203.0.113.2/32:[theirs]]" || !strings.HasSuffix(said, "fw1: 1 registered address taken off") {
		t.Errorf("%v is left, %s is registered: %v\n%s", left, got, err, said)
	}
	if left, _, err = l.provision(remove(true)); err != nil || len(left) != 0 {
		t.Errorf("once more: %v, %v", left, err)
	}
}

// A commit that fails for what others have not committed says where that leaves ours, and names them once.
func TestAFailedCommitSaysWhatStaysAndWhoIsInTheWay(t *testing.T) {
	l := newPolicyLab(t)
	sim := l.add("fw1", firewall.ModeTag, panosim.Options{})
	if err := sim.Config().Edit("carol", "set", xmlapi.VSysPath("vsys1")+"/tag", `<entry name="`+testTag+`"/>`); err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.provision(apply); err != nil {
		t.Fatal(err)
	}
	_, _, err := l.provision(commit)
	text := fmt.Sprint(err)
	if xmlapi.Kind(err) != xmlapi.KindCommit || strings.Count(text, "carol") != 1 || !strings.Contains(text, "stays in the candidate configuration, and is not in force. In the way may be edits of others that are not committed, by carol: ") {
		t.Errorf("it says %s", text)
	}
}

// Stopped once something is written, it says that this stays; the other firewalls are not begun with.
func TestAProvisioningThatIsStoppedSaysWhatStays(t *testing.T) {
	l := newPolicyLab(t)
	l.add("fw1", firewall.ModeTag, panosim.Options{})
	other := l.add("fw2", firewall.ModeTag, panosim.Options{})
	for _, c := range [][2]string{
		{"written to", "canceled. What was written stays in the candidate configuration, and is not in force; run this again, and it goes on from there"},
		{"committing", "canceled. No commit was begun. What was written stays in the candidate configuration, and is not in force; run this again with --commit"},
	} {
		at, says := c[0], c[1]
		ctx, stop := context.WithCancel(t.Context())
		opts := l.opts
		opts.Apply, opts.Commit, opts.Progress = true, true, func(_ string, _ *policy.Plan, done string) {
			if strings.Contains(done, at) {
				stop()
			}
		}
		_, err := Provision(ctx, l.cfg, opts)
		stop()
		if said := fmt.Sprint(err); !strings.Contains(said, says) || !strings.Contains(said, "firewall fw2: it was not begun with: context canceled") || strings.Count(said, "What was written") != 1 || other.Config().Pending("") != 0 {
			t.Errorf("stopped at %q: %v", at, err)
		}
	}
}

// Where a commit could not be looked at for what it takes along, as the whole configuration is longer than an answer may be, nothing is written that it
// would leave; without --commit it is, and a person commits.
func TestNothingIsWrittenThatCouldNotBeCommitted(t *testing.T) {
	l := newPolicyLab(t)
	sim := l.add("fw1", firewall.ModeTag, panosim.Options{})
	l.cfg.Firewalls[0].Timeout = time.Minute // for 65 MiB on a busy machine
	for _, remove := range []bool{false, true} {
		before, fault, says := sim.Config().Candidate(), panosim.Fault{Effect: panosim.Pad, Kind: panosim.KindConfigRead, Size: 65 << 20, Skip: 1}, "longer than 64 MiB"
		if remove {
			fault, says = panosim.Fault{Effect: panosim.Refuse, Kind: panosim.KindConfigRead, Text: "too much", Skip: 1}, "too much"
		}
		opts := l.opts
		opts.Apply, opts.Commit, opts.Remove = true, true, remove
		opts.Progress = func(_ string, plan *policy.Plan, _ string) {
			if plan != nil { // what is read for the plan is short
				sim.SetFault(fault)
			}
		}
		_, err := Provision(t.Context(), l.cfg, opts)
		sim.ClearFaults()
		for _, text := range []string{"nothing was written: the commit would be refused", says, "Run this with --apply and without --commit. Then look through what is edited (Commit > Commit Changes Made By"} {
			if !strings.Contains(fmt.Sprint(err), text) || sim.Config().Candidate() != before || sim.Config().Pending("") != 0 {
				t.Errorf("removal %v: %d edits, %q is missing in %v", remove, sim.Config().Pending(""), text, err)
			}
		}
		if _, _, err := l.provision(func(o *ProvisionOptions) { o.Apply, o.Remove = true, remove }); err != nil || sim.Config().Candidate() == before {
			t.Errorf("removal %v, without --commit: %v", remove, err)
		}
		if err := sim.Config().Commit("svc"); err != nil {
			t.Fatal(err)
		}
	}
}
