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

// A rule of our name that we did not make is told with the firewalls that lose it where it is replaced or taken away.
func TestWhomARuleOfOurNameConcerns(t *testing.T) {
	const alone = "so that it is no other firewall's"
	object := `security rule "active-defense-block-` + serial + `" (pushed by Panorama, device group branches)`
	for name, c := range map[string]struct{ target, said string }{
		"this firewall":    {`<devices><entry name="` + serial + `"/></devices>`, alone},
		"every firewall":   {"", "it also reaches " + sister + " in device group branches"},
		"another one, too": {`<devices><entry name="` + serial + `"/><entry name="` + sister + `"/></devices>`, "it is also for " + sister + ", by its target in device group branches"},
		"all but another":  {`<devices><entry name="012801000009"/></devices><negate>yes</negate>`, "it also reaches " + sister + " in device group branches"},
		"tagged ones, too": {`<devices><entry name="` + serial + `"/></devices><tags><member>all</member></tags>`, "it also reaches " + sister + " in device group branches"},
	} {
		t.Run(name, func(t *testing.T) {
			theirs := strings.Replace(namedAsOurs("drop", "203.0.113.66", ""), "<action>", "<target>"+c.target+"</target><action>", 1)
			l := newPanoramaLab(t, managed{branches: preRules(letIn("hq", "dmz") + theirs)})
			for _, mode := range []string{PanoramaPlan, PanoramaApply} {
				l.want.Panorama = mode
				plan, err := Remove(t.Context(), l.device, l.want, false)
				if err != nil {
					t.Fatal(err)
				}
				if s := stepFor(t, plan.Steps, object); !s.theirs || !strings.Contains(s.Detail, c.said) || strings.Contains(s.Detail, alone) != (c.said == alone) {
					t.Errorf("%s: taken away: %v", mode, s)
				}
				replaced := slices.IndexFunc(l.whole().Steps, func(s Step) bool {
					return strings.HasPrefix(s.change.Top, preRuleAt("branches", "active-defense-block-"+serial))
				})
				if replaced < 0 || !strings.Contains(l.whole().Steps[replaced].Detail, "it would be replaced (") || !strings.Contains(l.whole().Steps[replaced].Detail, c.said) {
					t.Errorf("%s: replaced: %v", mode, l.whole().Steps)
				}
			}
		})
	}
}

// An object of ours in Shared, which the firewall tells of more than once, goes from there too.
func TestRemoveFromShared(t *testing.T) {
	l := newPanoramaLab(t, managed{shared: strings.Replace(ourGroup, "blacklist", "active-defense-panorama", 1), branches: preRules(letIn("hq", "dmz"))})
	if _, err := l.carryOut(false); err != nil {
		t.Fatal(err)
	}
	l.takeAway(false)
	if running := l.panorama.Config().Running(); strings.Contains(running, `"active-defense-panorama"`) || strings.Contains(running, `"active-defense-block-`) {
		t.Errorf("Panorama has %s", running)
	}
}
