package policy

import (
	"slices"
	"strings"
	"testing"

	"activedefense/firewall"
)

// A rule of ours that somebody changed so that it does not do its work is told, with the rule and what is wrong with it, in the check
// that it is for; and a plan has it do its work again, with --adopt where it is no more as any version of ours made it. Then nothing is left.
func TestARuleOfOursThatDoesNotDoItsWork(t *testing.T) {
	const rules = "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']/rulebase/security/rules"
	list := func(element string, members ...string) string {
		return "<" + element + "><member>" + strings.Join(members, "</member><member>") + "</member></" + element + ">"
	}
	for name, c := range map[string]struct {
		element, now, fault string
		foreign             bool
	}{
		"disabled":         {"disabled", "<disabled>yes</disabled>", "is disabled", false},
		"an application":   {"application", list("application", "ssl"), `matches only application "ssl"`, false},
		"default ports":    {"service", list("service", "application-default"), `matches only service "application-default"`, false},
		"a destination":    {"destination", list("destination", "198.51.100.7"), `matches only destination "198.51.100.7"`, false},
		"a user":           {"source-user", list("source-user", "known-user"), `matches only user "known-user"`, false},
		"a category":       {"category", list("category", "gambling"), `matches only URL category "gambling"`, false},
		"a schedule":       {"schedule", "<schedule>night</schedule>", `matches only schedule "night"`, false},
		"a zone":           {"to", list("to", "trust"), `matches only destination zone "trust"`, false},
		"between zones":    {"rule-type", "<rule-type>interzone</rule-type>", "is of rule type interzone", false},
		"another zone":     {"from", list("from", "trust"), `does not match source zone "untrust"`, false},
		"a negated source": {"negate-source", "<negate-source>yes</negate-source>", "has a negated source", true},
		"a negated target": {"negate-destination", "<negate-destination>yes</negate-destination>", "matches only destination not", true},
		"another source":   {"source", list("source", "203.0.113.9"), `has source "203.0.113.9" and not our `, true},
		"an allow":         {"action", "<action>allow</action>", "has action allow", true},
	} {
		for _, rule := range []string{tag + "-block", tag + "-block-list"} {
			l := newProvisionLab(t, firewall.ModeTag, nil)
			l.apply(l.plan(), false)
			l.commit()
			if err := l.sim.Config().Edit("somebody", "edit", rules+"/entry[@name='"+rule+"']/"+c.element, c.now); err != nil {
				t.Fatal(err)
			}
			if err := l.sim.Config().Commit("somebody"); err != nil {
				t.Fatal(err)
			}
			check := map[string]string{tag + "-block": CheckBlockRule, tag + "-block-list": CheckList}[rule]
			found := result(Verify(ReadFacts(t.Context(), l.device, l.want), l.want), check)
			if found.Result != ResultFail || !strings.Contains(found.Detail, `"`+rule+`"`) || !strings.Contains(found.Detail, c.fault) || !strings.Contains(found.Remedy, rule) {
				t.Errorf("%s of %s: %+v", name, rule, found)
			}
			if s := stepFor(t, l.plan(), `security rule "`+rule+`"`); s.Foreign != c.foreign || s.Action != ActionChange {
				t.Errorf("%s of %s: %v, foreign %v", name, rule, s, s.Foreign)
			}
			l.apply(l.plan(), true)
			l.commit()
			if left := l.plan(); len(left) != 0 {
				t.Errorf("%s of %s: left: %v", name, rule, left)
			}
			if fails := slices.DeleteFunc(l.fails(), func(f string) bool { return strings.HasPrefix(f, "api-role warn") }); len(fails) != 0 {
				t.Errorf("%s of %s: after the plan: %q", name, rule, fails)
			}
		}
	}
}

// What does no harm is told as well: a rule of ours beside one that does its work, and one to which somebody added a source.
func TestARuleOfOursThatIsNotAsWeMadeIt(t *testing.T) {
	base := readFile(t, "base")
	for name, c := range map[string]struct {
		changes               []change
		check, detail, remedy string
	}{
		"another does the work": {[]change{add(block, "<disabled>yes</disabled>"), insert("theirs", "web-in", `<from><member>untrust</member></from><to><member>any</member></to><source><member>active-defense</member></source>`+members("destination", "any")+unrestricted+"<action>drop</action>"+logsToUs)},
			CheckBlockRule, `"active-defense-block" is ours, and does not do its work: it is disabled`, `Delete "active-defense-block", for another rule does its work; or: `},
		"another source": {[]change{in(block, swap("<member>active-defense</member>", "<member>active-defense</member><member>203.0.113.9</member>"))},
			CheckBlockRule, `"active-defense-block" stops "203.0.113.9" as well, which is nothing of ours`, `take "203.0.113.9" out of its source`},
	} {
		d := deviceOf(t, base, c.changes...)
		found := result(Verify(d.facts, d.want), c.check)
		if found.Result != ResultWarn || !strings.Contains(found.Detail, c.detail) || !strings.Contains(strings.ReplaceAll(found.Remedy, `take 203.0.113.9 out`, `take "203.0.113.9" out`), c.remedy) {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

// A rule of ours that was moved below one that lets the internet in is told, and a plan moves it back.
func TestARuleOfOursBelowAnAllow(t *testing.T) {
	const rules = "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']/rulebase/security/rules"
	for _, rule := range []string{tag + "-block", tag + "-block-list"} {
		l := newProvisionLab(t, firewall.ModeTag, nil)
		l.apply(l.plan(), false)
		late := strings.Replace(letIn("late", "trust"), "<action>", "<log-setting>"+tag+"</log-setting><action>", 1)
		if err := l.sim.Config().Edit("svc-activedefense", "set", rules, strings.Replace(late, "<destination><member>any", "<destination><member>198.51.100.7", 1)); err != nil {
			t.Fatal(err)
		}
		if err := l.device.Move(t.Context(), "move it", rules+"/entry[@name='"+rule+"']", "bottom"); err != nil {
			t.Fatal(err)
		}
		l.commit()
		found := result(Verify(ReadFacts(t.Context(), l.device, l.want), l.want), CheckBlockPosition)
		if found.Result != ResultFail || !strings.Contains(found.Detail, `"late" is above "`+rule+`"`) || !strings.Contains(found.Remedy, "move rulebase security rules "+rule+" top") {
			t.Errorf("%s: %+v", rule, found)
		}
		steps := l.plan()
		if s := stepFor(t, steps, `security rule "`+rule+`"`); s.Foreign || s.Action != ActionMove {
			t.Errorf("%s: %v", rule, s)
		}
		l.apply(steps, false)
		if left := l.plan(); len(left) != 0 {
			t.Errorf("%s: left: %v", rule, left)
		}
	}
}
