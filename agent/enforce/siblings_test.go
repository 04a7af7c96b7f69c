package enforce

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"activedefense/config"
	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/policy"
	"activedefense/firewall/xmlapi"
)

// What was written for two virtual systems of a firewall, or two firewalls of a Panorama, is committed by the next run, for each is what its own plan
// makes; what is edited by hand in one of them, be it an object of ours, stops the commit of both.
func TestWhatWasWrittenForSeveralIsCommitted(t *testing.T) {
	one := func(o *ProvisionOptions) { o.Firewall, o.Commit = "fw1", true }
	remove := func(of func(*ProvisionOptions)) func(*ProvisionOptions) {
		return func(o *ProvisionOptions) { o.Remove = true; of(o) }
	}
	l := newPolicyLab(t)
	sim := l.add("fw1", firewall.ModeTag, panosim.Options{VSys: []string{"vsys1", "vsys2"}})
	second := l.cfg.Firewalls[0]
	second.Name, second.VSys = "fw2", "vsys2"
	l.cfg.Firewalls = append(l.cfg.Firewalls, second)
	block := func() int {
		return strings.Count(sim.Config().Running(), `<entry name="active-defense-block"`)
	}
	if _, _, err := l.provision(apply); err != nil || block() != 0 {
		t.Fatal(err)
	}
	rule := xmlapi.VSysPath("vsys2") + "/rulebase/security/rules" + xmlapi.EntryNamed("active-defense-block")
	for _, of := range []func(*ProvisionOptions){one, commit} {
		if err := sim.Config().Edit("svc", "set", rule, "<negate-source>yes</negate-source>"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := l.provision(of); xmlapi.Kind(err) != xmlapi.KindCommit || !strings.Contains(err.Error(), `edited by hand (security rule "active-defense-block" (vsys2))`) || block() != 0 {
			t.Fatalf("with an edit by hand: %v", err)
		}
		if err := sim.Config().Edit("svc", "delete", rule+"/negate-source", ""); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := l.provision(one); err != nil || block() != 2 {
		t.Errorf("%d block rules are in force: %v", block(), err)
	}
	if err := sim.Config().Edit("svc", "delete", rule+"/log-setting", ""); err != nil { // the plan of that one would mend it
		t.Fatal(err)
	}
	if _, _, err := l.provision(one); xmlapi.Kind(err) != xmlapi.KindCommit {
		t.Errorf("with an edit by hand that another plan would mend: %v", err)
	}
	if err := sim.Config().Edit("svc", "set", rule, "<log-setting>active-defense</log-setting>"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.provision(remove(apply)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.provision(remove(commit)); err != nil || strings.Contains(sim.Config().Running(), "active-defense") {
		t.Errorf("taken away: %v, %s", err, sim.Config().Running())
	}
}

// What the daemon writes in one virtual system is not by hand for the plan of another; an address that is named and tagged so in a virtual system that no
// daemon fills is.
func TestAnAddressLikeTheDaemonsInAnotherVirtualSystem(t *testing.T) {
	l := newPolicyLab(t)
	sim := l.add("fw1", firewall.ModeTag, panosim.Options{VSys: []string{"vsys1", "vsys2", "vsys3"}})
	second := l.cfg.Firewalls[0]
	second.Name, second.VSys, second.Mode = "fw2", "vsys2", firewall.ModeGroup
	l.cfg.Firewalls = append(l.cfg.Firewalls, second)
	if _, _, err := l.provision(applyAndCommit); err != nil {
		t.Fatal(err)
	}
	for _, vsys := range []string{"vsys1", "vsys2", "vsys3"} {
		at, entry := xmlapi.VSysPath(vsys), `<entry name="active-defense-192.0.2.0-24"><ip-netmask>192.0.2.0/24</ip-netmask><tag><member>active-defense</member></tag></entry>`
		if vsys == "vsys3" {
			if err := errors.Join(sim.Config().Edit("boss", "set", at+"/tag", `<entry name="active-defense"/>`), sim.Config().Commit("boss")); err != nil {
				t.Fatal(err)
			}
		}
		edited := []error{sim.Config().Edit("svc", "set", at+"/address", entry)}
		if vsys == "vsys2" {
			edited = append(edited, sim.Config().Edit("svc", "set", at+"/address-group/entry[@name='active-defense']", "<static><member>active-defense-192.0.2.0-24</member></static>"))
		}
		if err := errors.Join(edited...); err != nil {
			t.Fatal(err)
		}
		for _, firewall := range []string{"fw1", "fw2"} {
			_, _, err := l.provision(func(o *ProvisionOptions) { o.Firewall, o.Commit = firewall, true })
			if named := strings.Contains(fmt.Sprint(err), `address "active-defense-192.0.2.0-24" (`+vsys+`)`); named != (vsys != "vsys2") || named == (err == nil) {
				t.Errorf("in %s, by %s: %v", vsys, firewall, err)
			}
		}
		if vsys != "vsys2" { // there it is committed
			if err := sim.Config().Edit("svc", "delete", at+"/address/entry[@name='active-defense-192.0.2.0-24']", ""); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// So it is on a Panorama: what was written there for two firewalls goes with the commit for the first.
func TestWhatWasWrittenForSeveralOnPanoramaIsCommitted(t *testing.T) {
	l, serials := newPolicyLab(t), []string{"012801000001", "012801000002"}
	var sims []*panosim.Sim
	devices := ""
	for _, serial := range serials {
		sims = append(sims, l.add("fw"+serial, firewall.ModeTag, panosim.Options{Serial: serial}))
		devices += `<entry name="` + serial + `"/>`
	}
	panorama, err := panosim.StartPanorama(panosim.PanoramaOptions{Managed: sims, Options: panosim.Options{Admin: "svc", Config: `<config><shared/><devices><entry name="localhost.localdomain">
<device-group><entry name="branches"><devices>` + devices + `</devices><pre-rulebase><security><rules><entry name="hq"><from><member>any</member></from><to><member>trust</member></to><source><member>any</member></source>
<destination><member>198.51.100.7</member></destination><application><member>any</member></application><service><member>any</member></service><action>allow</action></entry></rules></security></pre-rulebase></entry></device-group>
<template><entry name="base"><config><shared/></config></entry></template><template-stack><entry name="all"><templates><member>base</member></templates><devices>` + devices + `</devices></entry></template-stack></entry></devices></config>`}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(panorama.Close)
	if err := panorama.Push("branches"); err != nil {
		t.Fatal(err)
	}
	for i, serial := range serials {
		fw := &l.cfg.Firewalls[i]
		fw.URL, fw.CA, fw.APIKey, fw.Target, fw.Panorama = panorama.URL(), panorama.CA(), config.Secret(panorama.Key()), serial, policy.PanoramaApply
	}
	if _, _, err := l.provision(apply); err != nil {
		t.Fatal(err)
	}
	if left, _, err := l.provision(commit); err != nil {
		t.Errorf("%v is left: %v", left, err)
	}
	for i, sim := range sims {
		if name := sim.Traffic().Rules("")[0].Name; name != "active-defense-block-"+serials[i] && name != "active-defense-block-list-"+serials[i] {
			t.Errorf("the first rule of %s is %s", serials[i], name)
		}
	}
}
