package policy

import (
	"slices"
	"strings"
	"testing"
)

const (
	// A log forwarding profile of a device group that sends to a SIEM, and the template's server profile that it names.
	toSIEM      = `<log-settings><profiles><entry name="to-siem"><match-list><entry name="t"><log-type>traffic</log-type><filter>All Logs</filter><send-syslog><member>siem</member></send-syslog></entry></match-list></entry></profiles></log-settings>`
	theirServer = `<log-settings><syslog><entry name="siem"><server><entry name="s"><server>127.0.0.2</server></entry></server></entry></syslog></log-settings>`
)

// loggedToSIEM is a Panorama whose Pre Rule logs by a profile of somebody else's.
func loggedToSIEM() managed {
	return managed{template: theirServer, branches: toSIEM + preRules(strings.Replace(letIn("hq", "dmz"), "<action>", "<log-setting>to-siem</log-setting><log-end>yes</log-end><action>", 1))}
}

// With --adopt, match lists of ours go from others' log forwarding profiles on Panorama, and what is left in the template can be deleted by
// the commands in the order in which they are given; without it, they stay, and with them the server profile that they name.
func TestMatchListsOnPanoramaAreTakenAway(t *testing.T) {
	l := newPanoramaLab(t, loggedToSIEM())
	l.want.Adopt = true
	before := l.panorama.Config().Running()
	if _, err := l.carryOut(true); err != nil {
		t.Fatal(err)
	}
	if running := l.panorama.Config().Running(); !strings.Contains(running, `"active-defense-traffic"`) || !strings.Contains(running, `"active-defense-threat"`) {
		t.Fatalf("no match lists were made: %s", running)
	}
	const list = `match list "active-defense-traffic" of log forwarding profile "to-siem"`
	isServer := func(s Step) bool {
		return s.Object == `syslog server profile "active-defense"` && strings.Contains(s.Detail, "Panorama")
	}
	plan, err := Remove(t.Context(), l.device, l.want, false)
	i, server := slices.IndexFunc(plan.Steps, func(s Step) bool { return s.Object == list }), slices.IndexFunc(plan.Steps, isServer)
	if err != nil || i < 0 || !plan.Steps[i].Foreign || !strings.Contains(plan.Steps[i].Detail, "it also reaches "+sister) || server < i || !strings.HasPrefix(plan.Steps[server].Detail, "It stays: on Panorama "+list) || plan.Steps[server].Commands != nil {
		t.Errorf("without --adopt: %v, %v", plan.Steps, err)
	}
	for _, s := range l.takeAway(true).Steps {
		if s.Action != ActionPerson || len(s.Commands) != 1 {
			t.Errorf("left: %v", s)
			continue
		}
		if err := l.panorama.Config().Edit("boss", "delete", templatePath(s.Commands[0]), ""); err != nil {
			t.Errorf("%s: %v", s.Commands[0], err)
		}
	}
	if err := l.panorama.Config().Commit("boss"); err != nil {
		t.Fatal(err)
	}
	plan, err = Remove(t.Context(), l.device, l.want, true)
	if server = slices.IndexFunc(plan.Steps, isServer); err != nil || server < 0 || len(plan.Steps[server].Commands) > 0 || !strings.Contains(plan.Steps[server].Detail, "does not have it any more") {
		t.Errorf("deleted and not pushed: %v, %v", plan.Steps, err)
	}
	if err := l.panorama.PushTemplate("all", serial); err != nil {
		t.Fatal(err)
	}
	if after := withoutOurs(t, l.panorama.Config().Running()); after != withoutOurs(t, before) || strings.Contains(after, tag) {
		t.Errorf("Panorama has\n%s\nbefore\n%s", after, before)
	}
}

// A rule of our firewall's name that is for another one is not taken away, whoever adopts.
func TestARuleForAnotherFirewallStays(t *testing.T) {
	name := "active-defense-block-" + serial
	other := strings.Replace(letIn(name, "dmz"), "<action>", `<target><devices><entry name="`+sister+`"/></devices></target><action>`, 1)
	l := newPanoramaLab(t, managed{branches: preRules(other)})
	plan, err := Remove(t.Context(), l.device, l.want, true)
	i := slices.IndexFunc(plan.Steps, func(s Step) bool { return strings.HasPrefix(s.Object, "security rule "+quoteAll([]string{name})) })
	if err != nil || i < 0 || plan.Steps[i].Action != ActionPerson || !strings.Contains(plan.Steps[i].Detail, "its target is not this firewall") {
		t.Fatalf("steps %v, %v", plan.Steps, err)
	}
	l.takeAway(true)
	if !strings.Contains(l.panorama.Config().Running(), `"`+name+`"`) {
		t.Error("it is gone")
	}
}
