package panosim

import (
	"fmt"
	"strings"
	"testing"
)

func TestRulesInTheirOrder(t *testing.T) {
	own := `<config><devices><entry name="localhost.localdomain"><vsys><entry name="vsys1"><rulebase><security><rules>` +
		`<entry name="local"><from><member>untrust</member></from><to><member>any</member></to><source><member>a</member><member>b</member></source>` +
		`<destination><member>any</member></destination><action>drop</action><disabled>yes</disabled></entry></rules></security></rulebase>` +
		`<external-list><entry name="z"><type><ip><url>http://192.0.2.1/</url></ip></type></entry><entry name="d"><type><domain/></type></entry></external-list>` +
		`</entry></vsys></entry></devices><shared><external-list><entry name="a"><type><ip><url>http://192.0.2.1/</url></ip></type></entry></external-list></shared></config>`
	fw := start(t, Options{Serial: "001", Config: own})
	p := panorama(t, PanoramaOptions{Options: Options{Config: groupsConfig(group("dg", `<entry name="001"/>`, ""))}, Managed: []*Sim{fw}})
	if err := p.Push("dg"); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range fw.Traffic().Rules("") {
		got = append(got, r.Name+"@"+r.Location)
		if r.Name == "local" {
			expect(t, "local", fmt.Sprint(r), "{local  [untrust] [any] [a b] [any] drop true}")
		}
	}
	expect(t, "rules", strings.Join(got, " "), "s-pre@Shared dg-pre@dg local@ dg-post@dg s-post@Shared")
	if rules := fw.Traffic().Rules("vsys9"); rules != nil {
		t.Errorf("rules of a virtual system that there is not: %v", rules)
	}
	expect(t, "lists", strings.Join(fw.Lists().Names(""), " "), "a z")
	if lists := fw.Lists().Names("vsys9"); lists != nil {
		t.Errorf("lists of a virtual system that there is not: %v", lists)
	}
}

func TestEffectsAreReadBack(t *testing.T) {
	for e := range effects {
		if got, err := ParseEffect(e.String()); err != nil || got != e {
			t.Errorf("%v: read back as %v, error %v", e, got, err)
		}
	}
	if _, err := ParseEffect("explode"); err == nil || !strings.Contains(err.Error(), "other-device") {
		t.Errorf("an effect that is none: %v", err)
	}
	expect(t, "an effect that is none", effects.String(), "?")
}
