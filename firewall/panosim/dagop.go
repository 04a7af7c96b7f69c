package panosim

import (
	"fmt"
	"net/http"
	"strings"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/xmltree"
)

// showGroups answers "show object dynamic-address-group", of one or of all. A group that is not there is left out,
// which is unverified.
func (s *Sim) showGroups(c *call, what *xmltree.Element) answer.Answer {
	s.mu.Lock()
	now := s.opts.Now()
	changes := s.expireLocked(now)
	a := s.groupsLocked(c, what)
	s.mu.Unlock()
	s.tell(changes)
	return a
}

func (s *Sim) groupsLocked(c *call, what *xmltree.Element) answer.Answer {
	vsys := s.name(c.form.Get("vsys"))
	p := s.policyLocked(vsys)
	if p == nil {
		return answer.InvalidVSys(vsys)
	}
	if what.Child("all") == nil && what.Child("name") == nil {
		return answer.Unexpected(c.command)
	}
	members := s.plane.groups[vsys]
	members.settle(s.opts.Now())
	var b strings.Builder
	for _, e := range p.scope.all("address-group") {
		if e.Child("dynamic") == nil || what.Child("name") != nil && what.Value("name") != e.ID() {
			continue
		}
		g := p.groups[e.ID()]
		if g == nil {
			g = newDynamicGroup(e)
			if s.dialect.Groups == dialect.GroupsInPolicy {
				g.filter = nil
			}
		}
		s.writeGroup(&b, vsys, g, members, p.tagged)
	}
	return answer.XML(http.StatusOK,
		`<response cmd="status" status="success"><result><dyn-addr-grp>`+b.String()+`</dyn-addr-grp></result></response>`)
}

// writeGroup writes one group in the shape of the vendor's example.
func (s *Sim) writeGroup(b *strings.Builder, vsys string, g *dynamicGroup, m *membership, objects []taggedObject) {
	fmt.Fprintf(b, "<entry><vsys>%s</vsys><group-name>%s</group-name><filter>%s</filter><member-list>",
		answer.Escape(vsys), answer.Escape(g.name), answer.Escape(g.text))
	registered, named := m.members(g, objects)
	for _, t := range registered {
		b.WriteString(`<entry name="` + t.text(s.dialect.HostForm) + `" type="registered-ip"/>`)
	}
	for _, name := range named {
		b.WriteString(`<entry name="` + answer.Escape(name) + `" type="address-object"/>`)
	}
	b.WriteString("</member-list></entry>")
}
